/**
 * JSON documents that are not one a line: an array of events, or values one after another.
 *
 * The stream is cut at the brackets of its outermost level, so that one event is held at a time
 * however long the file is, and `JSON.parse` reads each piece.
 */

/** Where values and stray text go. Offsets are in characters from the start of the stream. */
export interface JsonSink {
  value(text: string, offset: number): void;
  /** Text between values that is not JSON, or a value that is too long or cut off. */
  problem(message: string, offset: number): void;
}

/** The longest value that is held, in characters. */
export const MAX_VALUE_CHARACTERS = 16 << 20;

/** Cuts a stream of objects and arrays; the members of an array around them all are taken singly. */
export class JsonStream {
  readonly #sink: JsonSink;
  readonly #maxCharacters: number;
  #pending = "";
  /** Offset of the first character of `#pending`. */
  #offset = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The outermost `[` is open. */
  #inArray = false;
  #started = false;
  #start = -1;
  #strayAt = -1;
  #skipping = false;
  readonly #opensArray: boolean;

  /** @param opensArray Whether an array around all values is opened, or is a value. */
  constructor(sink: JsonSink, maxCharacters = MAX_VALUE_CHARACTERS, opensArray = true) {
    this.#sink = sink;
    this.#opensArray = opensArray;
    this.#maxCharacters = maxCharacters;
  }

  push(text: string): void {
    let at = this.#pending.length;
    this.#pending += text;
    const source = this.#pending;
    for (; at < source.length; at++) {
      const code = source.charCodeAt(at);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === BACKSLASH) this.#escaped = true;
        else if (code === QUOTE) this.#inString = false;
        continue;
      }
      if (this.#depth === 0) this.#outside(code, at);
      else if (code === QUOTE) this.#inString = true;
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) this.#depth++;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
        if (--this.#depth === 0) this.#finish(source, at + 1);
      }
    }
    this.#compact(source);
  }

  /** Reports what is left when the stream ends. */
  end(): void {
    this.#stray();
    // A value that is being skipped has been reported.
    if (this.#depth > 0 && !this.#skipping) {
      const offset = this.#offset + Math.max(0, this.#start);
      this.#sink.problem("the file ends inside a JSON value", offset);
    }
  }

  #outside(code: number, at: number): void {
    if (code === OPEN_BRACKET && !this.#started && this.#opensArray) {
      this.#inArray = true;
      this.#started = true;
      return;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      this.#stray();
      this.#started = true;
      this.#depth = 1;
      this.#start = at;
      return;
    }
    const blank = code === 32 || code === 10 || code === 13 || code === 9 || code === BOM;
    const separator = code === COMMA || (code === CLOSE_BRACKET && this.#inArray);
    if (!blank && !separator && this.#strayAt < 0) this.#strayAt = this.#offset + at;
  }

  #stray(): void {
    if (this.#strayAt < 0) return;
    this.#sink.problem("text that is not JSON", this.#strayAt);
    this.#strayAt = -1;
  }

  #finish(source: string, end: number): void {
    const from = this.#start;
    this.#start = -1;
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (end - from > this.#maxCharacters) {
      this.#tooLong(this.#offset + from);
      return;
    }
    this.#sink.value(source.slice(from, end), this.#offset + from);
  }

  #tooLong(offset: number): void {
    const message = `a JSON value longer than ${this.#maxCharacters} characters was skipped`;
    this.#sink.problem(message, offset);
  }

  /** Drops what has been delivered, and a value that grows too long. */
  #compact(source: string): void {
    let keep = this.#start < 0 ? source.length : this.#start;
    if (source.length - keep > this.#maxCharacters) {
      if (!this.#skipping) this.#tooLong(this.#offset + keep);
      this.#skipping = true;
      keep = source.length;
      this.#start = 0;
    } else if (this.#start >= 0) this.#start = 0;
    this.#offset += keep;
    this.#pending = source.slice(keep);
  }
}

const BACKSLASH = 92;
const QUOTE = 34;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const BOM = 0xfeff;
