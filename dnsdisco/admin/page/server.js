// How the server does: what is degraded, its providers, upstreams and workers.

import { arrange, duration, make, mark, moment, said, say, table } from "./dom.js";

const ROWS_MAX = 200; // of one table
const STATE = { well: "good", degraded: "bad", starting: "fair" };
const PROVIDER = { up: "good", stale: "fair", down: "bad", denied: "bad", never_synced: "bad" };
const UPSTREAM = { up: "good", dead: "bad", own: "bad", loop: "bad" };
const WORKER = { up: "good", starting: "fair", silent: "bad" };

const told = new Map(); // by id of a part: what it was made of, so that only what is new is made anew

export function showStatus(status) {
  const trouble = status.problems.length;
  const state = document.getElementById("state");
  state.className = `state ${STATE[status.state]}`;
  say(state, trouble ? `${status.state}: ${trouble} ${trouble === 1 ? "problem" : "problems"}` : status.state);
  document.title = `${status.state === "well" ? "" : `${status.state} – `}dnsdisco`;
  document.getElementById("problems").hidden = !trouble;
  part("problem-list", status.problems, () => status.problems.slice(0, ROWS_MAX).map((each) =>
    make("li", {}, mark("bad", each.code), " ", said(each.subject, { class: "name" }), " ", said(each.text), " ", make("span", { class: "since" }, "since ", moment(each.since)))));
  rows("provider-table", "Providers", status.providers, "There is none.", ["Provider", "State", "Services", "Instances", "Rejected", "Last in contact", "Last error"], (each) => [
    [said(each.name, { class: "name" }), each.type === each.name ? null : [" (", said(each.type), ")"]],
    mark(PROVIDER[each.state] ?? "none", each.state.replace("_", " ")),
    count(each.services), count(each.instances), count(each.rejected),
    each.age_s === null ? "never" : each.age_s === 0 ? "now" : `${duration(each.age_s)} ago`,
    each.last_error ? said(each.last_error) : "–",
  ]);
  rows("upstream-table", "Upstreams", status.upstreams, "Other names are not forwarded.", ["Upstream", "For", "State", "Latency", "Asked", "Failed", "Last error"], (each) => [
    said(each.address, { class: "name" }),
    each.zone === "." ? "all other names" : said(each.zone),
    mark(UPSTREAM[each.state] ?? "none", each.state),
    each.rtt_ms === null ? "not measured" : `${Number(each.rtt_ms.toPrecision(3))} ms`,
    count(each.asked), count(each.failed),
    each.last_error ? said(each.last_error) : "–",
  ]);
  rows("worker-table", "Workers", status.workers, "There is none.", ["Worker", "State", "Serial", "Queries"], (each) => [
    [`${each.number}`, each.pid === null ? null : ` (process ${each.pid})`],
    mark(WORKER[each.state] ?? "none", each.state),
    each.serial ? `${each.serial}` : "none yet",
    count(each.queries),
  ]);
  const facts = [
    ["Configuration", status.config.file === null ? "no file" : said(status.config.file)],
    ["Listens on", said(status.listen.join(", ") || "nothing")],
    ["Zones", said(status.zones.map((zone) => zone.name).join(", "))],
    ["Serial", `${status.zones[0]?.serial ?? "–"}`],
  ];
  part("facts", [status.config, status.listen, status.zones], () => facts.map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
}

function rows(id, label, data, nothing, columns, cells) {
  part(id, data, () => [
    data.length ? table(label, columns, data.slice(0, ROWS_MAX).map(cells)) : make("p", {}, nothing),
    data.length > ROWS_MAX ? make("p", {}, `${count(data.length - ROWS_MAX)} more are in the JSON.`) : null,
  ].filter(Boolean));
}

function part(id, data, made) {
  const text = JSON.stringify(data);
  if (told.get(id) === text) return;
  told.set(id, text);
  arrange(document.getElementById(id), made());
}

function count(value) {
  return value.toLocaleString("en");
}
