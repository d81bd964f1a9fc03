// @ts-check
/**
 * Server-sent events over `fetch`, since `EventSource` cannot send a token. No DOM here.
 */

/** @typedef {{ event: string, data: string, id: string | undefined }} ServerEvent */

/** An event may be so long: what the agent sends is far below it. */
const MAX_EVENT = 16 << 20;

/**
 * Cuts chunks of a stream into events, wherever the chunks end.
 *
 * See "Server-sent events", WHATWG HTML standard, 9.2.6
 */
export class EventParser {
  #rest = "";
  /** @type {string[]} */
  #data = [];
  #event = "";
  /** @type {string | undefined} */
  #id;
  #size = 0;

  /**
   * @param {string} chunk
   * @returns {ServerEvent[]} The events that have become complete.
   */
  push(chunk) {
    /** @type {ServerEvent[]} */
    const found = [];
    this.#rest += chunk;
    // Looking for one at every line would read the whole chunk every time.
    const carriages = this.#rest.includes("\r");
    let start = 0;
    while (true) {
      const end = lineEnd(this.#rest, start, carriages);
      if (end < 0) break;
      // A carriage return at the very end may be half of a line end.
      if (this.#rest[end] === "\r" && end + 1 === this.#rest.length) break;
      const line = this.#rest.slice(start, end);
      start = end + (this.#rest[end] === "\r" && this.#rest[end + 1] === "\n" ? 2 : 1);
      const event = this.#line(line);
      if (event !== undefined) found.push(event);
    }
    this.#rest = this.#rest.slice(start);
    if (this.#rest.length + this.#size > MAX_EVENT) throw new Error("an event is too long");
    return found;
  }

  /** @param {string} line @returns {ServerEvent | undefined} */
  #line(line) {
    if (line === "") {
      const data = this.#data.join("\n");
      const event = this.#data.length === 0
        ? undefined
        : { event: this.#event || "message", data, id: this.#id };
      this.#data = [];
      this.#event = "";
      this.#size = 0;
      return event;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return undefined; // A comment: it keeps the connection open.
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    return undefined;
  }
}

/** @param {string} text @param {number} from @param {boolean} carriages */
function lineEnd(text, from, carriages) {
  const feed = text.indexOf("\n", from);
  if (!carriages) return feed;
  const carriage = text.indexOf("\r", from);
  if (feed < 0) return carriage;
  return carriage < 0 ? feed : Math.min(feed, carriage);
}

/**
 * How long to wait before the next attempt, in milliseconds: doubling from half a second to thirty,
 * and up to a quarter less, so that pages which lost the same agent do not come back together.
 *
 * @param {number} attempt From 0.
 * @param {number} chance Between 0 and 1.
 */
export function backoff(attempt, chance) {
  const full = Math.min(30_000, 500 * 2 ** Math.min(attempt, 10));
  return Math.round(full * (1 - chance / 4));
}

/**
 * Reads the events of an answer until it ends.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {(event: ServerEvent) => void} onEvent
 * @param {() => void} onChunk Called whenever something has come, comments included.
 */
export async function readEvents(body, onEvent, onChunk) {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      onChunk();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) onEvent(event);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
