// The services as the server has them: all are read for each new connection, and then what has changed.

import { Lost, read } from "./connection.js";

const ONE_BY_ONE_MAX = 20; // services that are read singly; beyond it reading all of them costs less
const TOGETHER = 3; // a browser has six connections to one server, and streams take two
const REST_MS = 2_000; // between two readings of all: with 100,000 instances the server takes seconds for each
const LIST_MS = 60_000; // for all of them to come

export class Store {
  services = new Map(); // by canonical name
  names = []; // sorted
  isRead = false;
  #pending = new Set();
  #isAllPending = false;
  #isBusy = false;
  #updated;
  #lost;

  /** *updated* is given pairs [name, service as it was or null]; null instead of them when all is new. */
  constructor(updated, lost) {
    this.#updated = updated;
    this.#lost = lost;
  }

  readAll() {
    this.#isAllPending = true;
    this.#work();
  }

  readThese(names) {
    for (const name of names) this.#pending.add(name);
    this.#work();
  }

  async #work() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      while (this.#isAllPending || this.#pending.size) {
        if (this.#isAllPending || this.#pending.size > ONE_BY_ONE_MAX) await this.#all();
        else await this.#some();
      }
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      this.#lost();
    } finally {
      this.#isBusy = false;
    }
  }

  async #all() {
    this.#isAllPending = false;
    this.#pending.clear();
    const { services } = await read("/v1/services", LIST_MS);
    const before = this.services;
    this.services = new Map(Object.entries(services));
    this.names = [...this.services.keys()].sort();
    const isFirst = !this.isRead;
    this.isRead = true;
    this.#updated(isFirst ? null : changesBetween(before, this.services));
    if (this.#isAllPending || this.#pending.size > ONE_BY_ONE_MAX) await new Promise((done) => setTimeout(done, REST_MS));
  }

  async #some() {
    const names = [...this.#pending].slice(0, TOGETHER);
    for (const name of names) this.#pending.delete(name);
    const pages = await Promise.all(names.map((name) => read(pathOf(name))));
    const changes = [];
    pages.forEach((page, at) => {
      const name = names[at];
      const before = this.services.get(name) ?? null;
      if (page && page.name === name) this.services.set(name, page.service);
      else this.services.delete(name);
      if (before || this.services.has(name)) changes.push([name, before]);
      if (Boolean(before) !== this.services.has(name)) this.names = [...this.services.keys()].sort();
    });
    this.#updated(changes);
  }
}

export function pathOf(name) {
  return `/v1/services/${encodeURIComponent(name.toWellFormed())}`;
}

function changesBetween(before, after) {
  const changes = [];
  for (const [name, service] of after) {
    const was = before.get(name) ?? null;
    if (!was || JSON.stringify(was) !== JSON.stringify(service)) changes.push([name, was]);
  }
  for (const [name, service] of before) if (!after.has(name)) changes.push([name, service]);
  return changes;
}
