// Elements, made of text alone: nothing that a service, a provider or a client has written can become HTML.

const SHOWN_MAX = 200; // characters of one value: a name of 10 kB is a fault that must not push the others off the page

/** An element. A child is an element or a string, which stays text; null and undefined are none. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** What others have written: cut, and apart from the text around it in its direction of writing. */
export function said(value, attributes = {}) {
  return make("bdi", attributes, cut(String(value)));
}

export function cut(text, most = SHOWN_MAX) {
  const whole = text.toWellFormed(); // half a character is shown as what it is, U+FFFD
  return whole.length <= most ? whole : `${whole.slice(0, most).toWellFormed()}… (${whole.length.toLocaleString("en")} characters)`;
}

/** A word for a state, with its colour and its sign. *kind*: good, fair, bad or none. */
export function mark(kind, ...words) {
  return make("span", { class: `mark ${kind}` }, ...words);
}

/** A table, in which each row is a list of cells. On a narrow screen a row is a card; the roles keep it a table for a screen reader. */
export function table(label, columns, rows) {
  const head = columns.map((column) => make("th", { scope: "col", role: "columnheader" }, column));
  return make("table", { role: "table", "aria-label": label },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, head)),
    make("tbody", { role: "rowgroup" }, rows.map((cells) => tableRow(columns, cells))));
}

export function tableRow(columns, cells) {
  return make("tr", { role: "row" }, cells.map((cell, at) => make("td", { role: "cell", "data-label": columns[at] }, make("div", {}, cell))));
}

/** The children of *parent* become *wanted*. Those that stay are not taken out, so that the focus stays in them. */
export function arrange(parent, wanted) {
  const stays = new Set(wanted);
  for (const child of [...parent.children]) if (!stays.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** The text of *element*, if it is another one: a live region speaks of each time that it is set. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** 90 → "1 min 30 s". */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function moment(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return make("time", { datetime: date.toISOString() }, isToday ? date.toLocaleTimeString() : date.toLocaleString());
}
