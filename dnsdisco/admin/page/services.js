// The list of services: a page of it at a time, found by words; each opens to its instances.

import { arrange, make, mark, moment, said, say, table } from "./dom.js";
import { healthOf, SIGNS } from "./health.js";
import { pathOf } from "./store.js";

const PAGE = 50; // services in the document at a time, however many there are
const INSTANCES_MAX = 100; // of one service, those with trouble first
const TAGS_MAX = 20; // tags, names and pairs of metadata of one thing
const TYPING_MS = 120; // from a key to the search for what has been typed
const RANK = { critical: 0, warning: 1, passing: 2 };

export class ServiceList {
  zones = [];
  #store;
  #explain;
  #from = 0;
  #items = new Map(); // by name, those in the document: {item, service, body}
  #texts = new WeakMap(); // by service: what is searched, in lower case
  #parts = Object.fromEntries(["words", "unwell", "service-count", "service-list", "pages", "before", "after", "service-search"].map((id) => [id, document.getElementById(id)]));

  /** *explain* is given a name that somebody wants to have explained. */
  constructor(store, explain) {
    this.#store = store;
    this.#explain = explain;
    const parts = this.#parts;
    let timer = 0;
    const anew = () => this.#turn(0);
    parts.words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(anew, TYPING_MS); });
    parts.unwell.addEventListener("change", anew);
    parts["service-search"].addEventListener("submit", (event) => event.preventDefault());
    parts.before.addEventListener("click", () => this.#turn(this.#from - PAGE));
    parts.after.addEventListener("click", () => this.#turn(this.#from + PAGE));
  }

  /** Show what the store has now. */
  show() {
    const parts = this.#parts;
    const found = this.#found();
    this.#from = Math.max(0, Math.min(this.#from, Math.floor((found.length - 1) / PAGE) * PAGE));
    const names = found.slice(this.#from, this.#from + PAGE);
    const shown = new Set(names);
    for (const name of this.#items.keys()) if (!shown.has(name)) this.#items.delete(name);
    arrange(parts["service-list"], names.map((name) => this.#item(name, this.#store.services.get(name))));
    parts.pages.hidden = found.length <= PAGE;
    disable(parts.before, this.#from === 0, parts.after);
    disable(parts.after, this.#from + PAGE >= found.length, parts.before);
    say(parts["service-count"], this.#count(found.length, names.length));
  }

  #turn(from) {
    this.#from = from;
    this.show();
  }

  #found() {
    const { services, names } = this.#store;
    const words = this.#parts.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const isUnwell = this.#parts.unwell.checked;
    if (!words.length && !isUnwell) return names;
    return names.filter((name) => {
      const service = services.get(name);
      return (!isUnwell || !healthOf(service).isWell) && words.every((word) => this.#text(name, service).includes(word));
    });
  }

  #text(name, service) {
    let text = this.#texts.get(service);
    if (text === undefined) {
      const instances = service.instances.map((each) => [each.label, each.address, each.health, each.reason, ...each.tags]);
      text = [name, ...service.names, ...service.tags, service.provenance.provider, ...service.provenance.merged, ...instances.flat()].join("\n").toLowerCase();
      this.#texts.set(service, text);
    }
    return text;
  }

  #count(found, shown) {
    const all = this.#store.names.length;
    if (!this.#store.isRead) return "Reading…";
    if (!all) return "No service is known.";
    const unwell = this.#store.names.reduce((sum, name) => sum + !healthOf(this.#store.services.get(name)).isWell, 0);
    const trouble = unwell ? `${number(unwell)} with trouble` : "none with trouble";
    if (!found) return `None of the ${number(all)} services is like that; ${trouble}.`;
    const range = found > PAGE ? `${number(this.#from + 1)} to ${number(this.#from + shown)} of ` : "";
    return found === all ? `${range}${number(all)} ${all === 1 ? "service" : "services"}, ${trouble}.` : `${range}${number(found)} found among ${number(all)} services; ${trouble}.`;
  }

  #item(name, service) {
    let known = this.#items.get(name);
    if (!known) {
      const summary = make("summary");
      const details = make("details", {}, summary);
      known = { item: make("li", {}, details), details, summary, service: null, zones: "" };
      details.addEventListener("toggle", () => this.#fill(known, name));
      this.#items.set(name, known);
    }
    if (known.service !== service || known.zones !== this.zones.join()) {
      const isChanged = known.service !== null && known.service !== service;
      known.service = service;
      known.zones = this.zones.join();
      const { kind, words } = healthOf(service);
      known.summary.replaceChildren(said(name, { class: "name" }), mark(kind, words), make("span", { class: "from" }, said(service.provenance.provider)));
      this.#fill(known, name);
      if (isChanged) flash(known.item);
    }
    return known.item;
  }

  /** What is in an open one; nothing in one that is closed. */
  #fill({ details, service }, name) {
    while (details.children.length > 1) details.lastChild.remove();
    if (!details.open) return;
    const button = make("button", { type: "button" }, "Explain its answer");
    button.addEventListener("click", () => this.#explain([name, ...this.zones.slice(0, 1)].join(".")));
    details.append(make("div", { class: "body" }, this.#facts(name, service), this.#instances(name, service), button));
  }

  #facts(name, service) {
    const own = service.service ?? (service.instances.length ? {} : service); // what is not an instance's alone
    const { provider, merged, shadows, since, changed, stale } = service.provenance;
    const facts = [
      ["Names", listed(service.names.flatMap((each) => this.zones.map((zone) => `${each}.${zone}`)))],
      ["Provider", listed([provider, ...merged])],
      ["Hides the one of", shadows.length ? listed(shadows) : null],
      ["There since", moment(since)],
      ["Last changed", moment(changed)],
      ["Stale", stale ? "its provider is out of contact: answers say so" : null],
      ["Left out", service.left_out ? [`${service.left_out.instances || "the list of instances"}: `, said(service.left_out.reason)] : null],
      ["Alias of", own.alias_of ? said(own.alias_of) : null],
      ["URL", own.url ? said(own.url) : null],
      ["Tags", own.tags?.length ? listed(own.tags) : null],
      ["Metadata", own.meta && Object.keys(own.meta).length ? listed(pairs(own.meta)) : null],
      ["Check", service.check ? said(`${service.check.http ?? service.check.tcp}, every ${service.check.interval} s`) : null],
      ["As JSON", make("a", { href: pathOf(name) }, said(`/v1/services/${name}`))],
    ];
    return make("dl", { class: "facts" }, facts.filter(([, value]) => value !== null).map(([term, value]) => make("div", {}, make("dt", {}, term), make("dd", {}, value))));
  }

  #instances(name, service) {
    if (!service.instances.length) return null;
    const sorted = [...service.instances].sort((one, other) => RANK[one.health] - RANK[other.health]);
    const rows = sorted.slice(0, INSTANCES_MAX).map((each) => [
      listed(this.zones.length ? this.zones.map((zone) => `${each.label}.${name}.${zone}`) : [`${each.label}.${name}`]),
      [mark(SIGNS[each.health], each.health), each.reason ? make("span", { class: "reason" }, said(each.reason)) : null],
      said(place(each)),
      listed([...each.tags, ...pairs(each.meta), ...weight(each)]),
    ]);
    const left = sorted.length - rows.length;
    return make("div", {}, table(`Instances of ${name.slice(0, 80)}`, ["Instance", "Health", "Address", "Tags and metadata"], rows),
      left ? make("p", {}, `${number(left)} more are in the JSON.`) : null);
  }
}

function listed(values) {
  if (!values.length) return "–";
  const shown = values.slice(0, TAGS_MAX).flatMap((value) => [said(value, { class: "value" }), " "]);
  return values.length > TAGS_MAX ? [...shown, `and ${number(values.length - TAGS_MAX)} more`] : shown;
}

function pairs(meta) {
  return Object.entries(meta).map(([key, value]) => `${key}=${value}`);
}

function place({ address, port }) {
  if (!address) return "no address";
  return (address.includes(":") ? `[${address}]` : address) + (port ? `:${port}` : "");
}

function weight({ weight: share, priority }) {
  return [...(share === undefined ? [] : [`weight ${share}`]), ...(priority ? [`priority ${priority}`] : [])];
}

function number(value) {
  return value.toLocaleString("en");
}

/** A button that is disabled loses the focus: *other* gets it. */
function disable(button, isDisabled, other) {
  const hadFocus = document.activeElement === button;
  button.disabled = isDisabled;
  if (isDisabled && hadFocus && !other.disabled) other.focus();
}

function flash(item) {
  item.classList.remove("fresh");
  void item.offsetWidth; // so that the animation begins anew
  item.classList.add("fresh");
}
