// What is asked just now. Only while somebody wants to see it: the server records queries for this stream alone.

import { make, mark, said, say, table, tableRow } from "./dom.js";

const ROWS_MAX = 100; // the newest, in the document
const SHOW_MS = 250; // from one showing to the next, however fast queries come
const RETRY_MS = 2_000;
const COLUMNS = ["Time", "Client", "Name", "Type", "Rcode", "Source", "Took"];

const part = (id) => document.getElementById(id);
let path = null; // of the stream that is wanted
let stream = null;
let timer = 0; // to the next showing, or attempt
let seen = 0;
let passedOver = 0; // by the server, as this page or the server was too slow
let fresh = []; // texts that are not shown yet, the newest ROWS_MAX of them

export function offerQueries() {
  part("query-filter").addEventListener("submit", (event) => {
    event.preventDefault();
    if (path) stop("Stopped.");
    else start();
  });
  document.addEventListener("visibilitychange", () => {
    if (!path) return;
    if (document.hidden) close();
    else open();
  });
}

function start() {
  const words = new URLSearchParams();
  for (const [name, value] of new FormData(part("query-filter"))) if (value.trim()) words.set(name, value.trim());
  path = `/v1/queries?${words}`;
  [seen, passedOver, fresh] = [0, 0, []];
  part("query-table").replaceChildren(table("Live queries", COLUMNS, []));
  part("watch").textContent = "Stop";
  open();
}

function stop(why) {
  close();
  path = null;
  part("watch").textContent = "Watch";
  say(part("watching"), why);
}

function open() {
  close();
  say(part("watching"), "Connecting…");
  const mine = new EventSource(path);
  stream = mine;
  mine.onopen = () => {
    say(part("watching"), "Watching: the newest query is the first.");
    show();
  };
  mine.onerror = () => failed(mine);
  mine.addEventListener("query", (event) => {
    seen++;
    fresh.push(event.data);
    if (fresh.length > 2 * ROWS_MAX) fresh = fresh.slice(-ROWS_MAX);
  });
  mine.addEventListener("dropped", (event) => { passedOver += JSON.parse(event.data).dropped; });
}

function close() {
  clearTimeout(timer);
  stream?.close();
  stream = null;
}

/** An EventSource does not say why: a filter that the server refuses, or a lost connection. */
async function failed(mine) {
  if (mine !== stream) return;
  close();
  const wanted = path;
  const stopping = new AbortController();
  let why = "";
  try {
    const reply = await fetch(wanted, { signal: stopping.signal });
    if (reply.status >= 400 && reply.status !== 503) why = (await reply.json()).error;
  } catch {
    // not reached: it is tried again
  }
  stopping.abort();
  if (path !== wanted || stream) return;
  if (why) {
    stop(`It cannot be watched: ${why}`);
  } else {
    say(part("watching"), "Connection lost. Trying again…");
    timer = setTimeout(open, RETRY_MS);
  }
}

function show() {
  timer = setTimeout(show, SHOW_MS);
  const words = [`${seen.toLocaleString("en")} seen`, passedOver ? `${passedOver.toLocaleString("en")} passed over, as they came too fast` : ""];
  say(part("query-count"), `${words.filter(Boolean).join(", ")}.`);
  if (!fresh.length) return;
  const body = part("query-table").querySelector("tbody");
  const rows = fresh.slice(-ROWS_MAX).reverse().map((text) => tableRow(COLUMNS, cells(JSON.parse(text))));
  fresh = [];
  body.prepend(...rows);
  while (body.children.length > ROWS_MAX) body.lastChild.remove();
}

function cells({ time, client, transport, name, type, rcode, source, ms, ede }) {
  return [
    make("time", { datetime: time }, new Date(time).toLocaleTimeString()),
    [said(client), " ", make("span", { class: "from" }, said(transport))],
    said(name, { class: "name" }),
    said(type),
    [mark(rcode === "NOERROR" ? "good" : "fair", said(rcode)), ...ede.map(({ text }) => make("span", { class: "reason" }, said(text)))],
    said(source),
    ms === null ? "–" : `${Number(ms.toPrecision(3))}\u00a0ms`,
  ];
}
