// The page: it shows what the API says, and changes nothing. Read this first.
//
//   connection.js   the stream of changes and the status, lost and found again
//   store.js        the services, as they are on the server
//   services.js     the list of them
//   health.js       what is well, and what has become of it
//   server.js       status: what is degraded, providers, upstreams, workers
//   changes.js      what has changed
//   explain.js      why a name gets its answer
//   queries.js      what is asked just now
//   dom.js          elements, of text alone

import { showChanges } from "./changes.js";
import { Connection } from "./connection.js";
import { say } from "./dom.js";
import { explain, offerExplanations } from "./explain.js";
import { offerQueries } from "./queries.js";
import { showStatus } from "./server.js";
import { ServiceList } from "./services.js";
import { Store } from "./store.js";

const LINK = {
  connecting: () => "Connecting…",
  open: () => "Live: changes are shown as they come.",
  lost: () => `Connection lost at ${new Date().toLocaleTimeString()}: what is shown is old. Trying again…`,
  resting: () => "Resting while nobody looks.",
};

const store = new Store(updated, () => connection.lose());
const list = new ServiceList(store, explain);
let isLost = false;
const connection = new Connection({ opened: () => store.readAll(), changed: (names) => store.readThese(names), status: showAll, told });
document.getElementById("again").addEventListener("click", () => connection.open());

offerExplanations();
offerQueries();

function updated(changes) {
  if (changes) showChanges(changes, store.services);
  list.show();
}

function showAll(status) {
  const zones = status.zones.map((zone) => zone.name);
  if (zones.join() !== list.zones.join()) {
    list.zones = zones;
    list.show();
  }
  showStatus(status);
}

function told(word) {
  const isStill = isLost && word !== "open"; // one line for one loss, however often it is tried
  isLost = word === "lost" || (isLost && word !== "open");
  document.body.classList.toggle("old", isLost);
  document.getElementById("again").hidden = !isLost;
  if (!isStill) say(document.getElementById("link"), LINK[word]());
}
