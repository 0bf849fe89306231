// The connection with the server: one stream of changes, and its status every two seconds. One that is lost is taken up again.
// A tab that nobody sees has none.

const STATUS_MS = 2_000; // between two looks at the status, of which no stream tells
const REPLY_MS = 10_000; // for one reply: a connection that has died in silence says nothing for ever
const RETRY_MS = [500, 1_000, 2_000, 5_000]; // and then always the last one
const BUSY = [429, 503]; // the server has asked us to come later

export class Lost extends Error {}

/** [status, JSON] of a path. Raises Lost. */
export async function ask(path, milliseconds = REPLY_MS) {
  try {
    const reply = await fetch(path, { headers: { accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(milliseconds) });
    return [reply.status, await reply.json()];
  } catch (error) {
    throw new Lost(error.message);
  }
}

/** The JSON of a path; null for 404. Raises Lost, also where the server stays busy. */
export async function read(path, milliseconds = REPLY_MS) {
  for (let attempt = 0; ; attempt++) {
    const [status, plain] = await ask(path, milliseconds);
    if (status === 200) return plain;
    if (status === 404) return null;
    if (!BUSY.includes(status) || attempt === RETRY_MS.length) throw new Lost(plain.error);
    await pause(RETRY_MS[attempt]);
  }
}

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/**
 * *opened* is called for each new connection: all that is known may be old. *changed* is given names, *status* what /v1/status says.
 * *told* is given one of "connecting", "open", "lost", "resting".
 */
export class Connection {
  #stream = null;
  #timer = 0;
  #failures = 0;
  #parts;

  constructor(parts) {
    this.#parts = parts;
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#seen();
  }

  /** Also when one is waiting to be tried again. */
  open() {
    this.#close();
    this.#parts.told("connecting");
    const stream = new EventSource("/v1/events");
    this.#stream = stream;
    stream.onopen = () => {
      this.#failures = 0;
      this.#parts.told("open");
      this.#parts.opened();
    };
    stream.onerror = () => this.lose(stream);
    stream.addEventListener("change", (event) => {
      const { changed, removed } = JSON.parse(event.data);
      this.#parts.changed([...changed, ...removed]);
    });
    stream.addEventListener("reset", () => this.#parts.opened());
    this.#look(stream);
  }

  /** *stream*: what the caller has found to be lost; it may have been replaced meanwhile. */
  lose(stream = this.#stream) {
    if (stream === null || stream !== this.#stream) return;
    this.#close();
    this.#parts.told("lost");
    this.#timer = setTimeout(() => this.open(), RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]);
  }

  #seen() {
    if (document.hidden) {
      this.#close();
      this.#parts.told("resting");
    } else {
      this.open();
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = null;
  }

  async #look(stream) {
    try {
      const status = await read("/v1/status");
      if (stream !== this.#stream) return;
      this.#parts.status(status);
      this.#timer = setTimeout(() => this.#look(stream), STATUS_MS);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      this.lose(stream);
    }
  }
}
