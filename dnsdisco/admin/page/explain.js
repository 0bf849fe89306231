// Why a name gets its answer: the server's own steps, and the answer.

import { ask, Lost } from "./connection.js";
import { make, mark, said, say, table } from "./dom.js";

const EXPLAINED_MS = 15_000; // the server takes six seconds at most, and may be busy
const ROWS_MAX = 200; // steps, and records of one section
const BAD = new Set(["denied", "left-out", "limit", "not-ready", "rejected"]);
const FAIR = new Set(["shadowed", "stale"]);

const part = (id) => document.getElementById(id);
let latest = 0; // of the questions: an explanation that comes after a later question is not shown

export function offerExplanations() {
  part("question").addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
}

/** Put the name there and ask. */
export function explain(name, type = "A") {
  part("asked-name").value = name;
  part("asked-type").value = type;
  part("explain").scrollIntoView();
  part("asked-name").focus({ preventScroll: true });
  show();
}

async function show() {
  const mine = ++latest;
  const words = new URLSearchParams();
  for (const [name, value] of new FormData(part("question"))) if (value.trim()) words.set(name, value.trim());
  say(part("explained"), "Asking…");
  let status, plain;
  try {
    [status, plain] = await ask(`/v1/explain?${words}`, EXPLAINED_MS);
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
    [status, plain] = [0, { error: "the server is not reached" }];
  }
  if (mine !== latest) return;
  if (status !== 200) {
    part("explained").replaceChildren("It cannot be explained: ", said(plain.error));
    part("explanation").replaceChildren();
    return;
  }
  const { question, answer, steps } = plain;
  const kind = answer.rcode !== "NOERROR" ? "bad" : answer.answer.length ? "good" : "fair";
  const records = answer.answer.length === 1 ? "1 record" : `${answer.answer.length || "no"} records`;
  part("explained").replaceChildren(said(`${question.name} ${question.type}`, { class: "name" }), " gets ", mark(kind, answer.rcode), ` with ${records}, after ${steps.length} steps.`);
  part("explanation").replaceChildren(...[reasons(answer.ede), meant(plain.did_you_mean, question.type), stepList(steps), ...["answer", "authority", "additional"].map((section) => recordTable(section, answer[section]))].filter(Boolean));
}

function reasons(ede) {
  return ede.length ? make("ul", {}, ede.map(({ code, text }) => make("li", {}, mark("fair", `reason ${code}`), " ", said(text)))) : null;
}

function meant(names, type) {
  if (!names.length) return null;
  return make("p", {}, "Did you mean ", names.slice(0, ROWS_MAX).flatMap((name) => {
    const button = make("button", { type: "button" }, said(name));
    button.addEventListener("click", () => explain(name, type));
    return [button, " "];
  }));
}

function stepList(steps) {
  const items = steps.slice(0, ROWS_MAX).map(({ code, subject, text }) =>
    make("li", {}, mark(BAD.has(code) ? "bad" : FAIR.has(code) ? "fair" : "none", said(code)), " ", said(subject, { class: "name" }), " ", said(text)));
  return make("div", {}, make("h3", {}, "Steps"), make("ol", { class: "steps" }, items), more(steps));
}

function recordTable(section, records) {
  if (!records.length) return null;
  const rows = records.slice(0, ROWS_MAX).map(({ name, type, ttl, data }) => [said(name), said(type), `${ttl} s`, said(data)]);
  const title = section === "answer" ? "Answer" : section === "authority" ? "Authority section" : "Additional section";
  return make("div", {}, make("h3", {}, title), table(title, ["Name", "Type", "TTL", "Data"], rows), more(records));
}

function more(all) {
  return all.length > ROWS_MAX ? make("p", {}, `and ${(all.length - ROWS_MAX).toLocaleString("en")} more`) : null;
}
