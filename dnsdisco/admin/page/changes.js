// What has become of services since the page was opened, the newest first.

import { make, mark, moment, said } from "./dom.js";
import { differences } from "./health.js";

const LINES_MAX = 30; // that are kept
const AT_ONCE_MAX = 10; // of one reading: more are counted, as nobody reads them

/** *changes*: pairs [name, service as it was or null]; *services*: as they are. */
export function showChanges(changes, services) {
  const list = document.getElementById("change-list");
  const lines = [];
  let more = 0;
  for (const [name, before] of changes) {
    if (lines.length >= AT_ONCE_MAX) more++;
    else lines.push(...differences(name, before, services.get(name) ?? null));
  }
  if (!lines.length) return;
  const now = Date.now();
  const items = lines.map(([subject, words, kind]) => make("li", {}, moment(now), " ", kind === "none" ? null : mark(kind), " ", said(subject, { class: "name" }), " ", said(words)));
  if (more) items.push(make("li", {}, moment(now), ` and changes of ${more.toLocaleString("en")} more services`));
  list.prepend(...items);
  while (list.children.length > LINES_MAX) list.lastChild.remove();
  document.getElementById("no-changes").hidden = true;
}
