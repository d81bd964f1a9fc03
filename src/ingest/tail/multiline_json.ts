/**
 * JSON texts over several lines.
 *
 * Brackets are counted outside strings until they are even; whether the text is JSON is for its
 * decoder to say. An array at the top is given out element by element. A line that begins with
 * neither an object nor an array is an event by itself, so that one broken text does not swallow
 * what follows.
 */
import {
  type Held,
  type JoinCounts,
  type Joiner,
  MAX_JOINED_BYTES,
  MAX_JOINED_LINES,
  type OnJoined,
} from "./multiline.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c;
const OPEN_OBJECT = 0x7b, CLOSE_OBJECT = 0x7d, OPEN_ARRAY = 0x5b, CLOSE_ARRAY = 0x5d;
/** What follows the `[` of an array; `[2024-01-31 …` begins a line of text. */
const ARRAY_START = /\[\s*(?:$|[{["\]])/y;

export class JsonJoiner implements Joiner {
  readonly #onJoined: OnJoined;
  readonly #counts: JoinCounts;
  #inArray: boolean;
  /** Characters to skip in the first line. */
  #skip: number;
  /** The lines of the present value, the last one of them not finished. */
  #pieces: string[] = [];
  #isOpen = false;
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #offset = 0;
  #firstEnd = 0;
  #char = 0;

  constructor(
    onJoined: OnJoined,
    counts: JoinCounts,
    from?: { readonly skip: number; readonly inArray: boolean },
  ) {
    this.#onJoined = onJoined;
    this.#counts = counts;
    this.#skip = from?.skip ?? 0;
    this.#inArray = from?.inArray ?? false;
  }

  get held(): Held {
    return this.#isOpen
      ? { offset: this.#offset, skip: this.#char, inArray: this.#inArray }
      : { offset: undefined, skip: this.#skip, inArray: this.#inArray };
  }

  line(text: string, offset: number, end: number): void {
    let at = this.#skip;
    this.#skip = 0;
    while (at < text.length) {
      if (!this.#isOpen) {
        at = this.#nextValue(text, at, offset, end);
        if (!this.#isOpen) continue;
      }
      const from = at;
      at = this.#scan(text, at);
      this.#pieces.push(text.slice(from, at));
      if (this.#isComplete(text, at)) this.flush();
    }
    const isFull = this.#pieces.length >= MAX_JOINED_LINES ||
      end - this.#offset > MAX_JOINED_BYTES;
    if (this.#isOpen && isFull) {
      this.#counts.joinLimits++;
      this.#inArray = false;
      this.flush();
    }
  }

  flush(): void {
    const text = this.#pieces.join("\n").trim();
    this.#pieces = [];
    this.#isOpen = false;
    this.#depth = 0;
    this.#inString = this.#isEscaped = false;
    if (text !== "") this.#onJoined(text, this.#offset, this.#firstEnd, this.#char);
  }

  /** Steps over what stands between values; returns where the next one begins or the line ends. */
  #nextValue(text: string, from: number, offset: number, end: number): number {
    const code = text.charCodeAt(from);
    // A stray brace in an array is no value and would be none for ever.
    const isBetween = code === COMMA || code === CLOSE_OBJECT;
    if (code <= 0x20 || (this.#inArray && isBetween)) return from + 1;
    if (this.#inArray && code === CLOSE_ARRAY) {
      this.#inArray = false;
      return from + 1;
    }
    ARRAY_START.lastIndex = from;
    if (!this.#inArray && ARRAY_START.test(text)) {
      this.#inArray = true;
      return from + 1;
    }
    if (!this.#inArray && code !== OPEN_OBJECT) {
      this.#onJoined(text.slice(from), offset, end, from);
      return text.length;
    }
    this.#isOpen = true;
    this.#offset = offset;
    this.#firstEnd = end;
    this.#char = from;
    return from;
  }

  /** Reads on in the present value; returns where it or the line ends. */
  #scan(text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (code === BACKSLASH) this.#isEscaped = true;
        else if (code === QUOTE) this.#inString = false;
      } else if (code === QUOTE) {
        this.#inString = true;
      } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
        this.#depth++;
      } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
        if (this.#depth === 0) return at;
        if (--this.#depth === 0) return at + 1;
      } else if (this.#depth === 0 && code === COMMA) {
        return at;
      }
    }
    return text.length;
  }

  /** A value that is no object or array ends with its line. */
  #isComplete(text: string, at: number): boolean {
    return this.#depth === 0 && (!this.#inString || at < text.length);
  }
}
