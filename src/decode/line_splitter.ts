/**
 * Blocks of bytes to lines of text.
 *
 * A whole block is made into one string and cut there: that is several times faster than decoding
 * line by line, and in a runtime that stores ASCII text in one byte a character it costs no more
 * memory than the block.
 */
import { Buffer, isAscii } from "node:buffer";

/** A hostile log must not choose how much memory we hold: 16 MiB, far beyond any real event. */
export const MAX_LINE_BYTES = 16 << 20;

/** Where lines and oversized lines go. Offsets are in bytes from the start of the stream. */
export interface LineSink {
  /** `text` is without its line end. */
  line(text: string, offset: number): void;
  /** A line over `MAX_LINE_BYTES`, which is not kept. */
  tooLong(offset: number, bytes: number): void;
}

const LF = 10;
const CR = 13;

/** Cuts a stream into lines; invalid UTF-8 becomes U+FFFD. */
export class LineSplitter {
  readonly #sink: LineSink;
  readonly #maxLineBytes: number;
  /** The start of a line whose end has not come yet. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** The current line is too long; its bytes are dropped until the next line end. */
  #dropping = false;
  /** Offset of the first byte of `#rest`, or of the next block. */
  #offset: number;

  /** @param offset Of the first byte that will be pushed. */
  constructor(sink: LineSink, offset = 0, maxLineBytes = MAX_LINE_BYTES) {
    this.#sink = sink;
    this.#offset = offset;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Offset of the first byte that has not been delivered as part of a line. */
  get offset(): number {
    return this.#offset;
  }

  /** Takes the next bytes; nothing refers to `block` afterwards. */
  push(block: Uint8Array): void {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
    let from = 0;
    if (this.#restBytes > 0 || this.#dropping) {
      const end = bytes.indexOf(LF);
      if (end < 0) {
        this.#keep(bytes);
        return;
      }
      this.#keep(bytes.subarray(0, end));
      this.#flush(1);
      from = end + 1;
    }
    const lastEnd = bytes.lastIndexOf(LF);
    if (lastEnd >= from) {
      this.#split(bytes.subarray(from, lastEnd));
      from = lastEnd + 1;
    }
    if (from < bytes.length) this.#keep(bytes.subarray(from));
  }

  /** Delivers the last line if it has no line end. */
  end(): void {
    if (this.#restBytes > 0) this.#flush(0);
  }

  #keep(bytes: Buffer): void {
    this.#restBytes += bytes.length;
    if (this.#dropping) return;
    if (this.#restBytes > this.#maxLineBytes) {
      this.#dropping = true;
      this.#rest = [];
    } else this.#rest.push(Buffer.from(bytes));
  }

  #flush(lineEndBytes: number): void {
    if (this.#dropping) this.#sink.tooLong(this.#offset, this.#restBytes);
    else {
      const line = Buffer.concat(this.#rest);
      const bytes = line.at(-1) === CR ? line.subarray(0, -1) : line;
      this.#sink.line(bytes.toString("utf8"), this.#offset);
    }
    this.#offset += this.#restBytes + lineEndBytes;
    this.#rest = [];
    this.#restBytes = 0;
    this.#dropping = false;
  }

  /** Whole lines, the end of the last one not included. */
  #split(bytes: Buffer): void {
    if (isAscii(bytes)) this.#splitAscii(bytes.toString("latin1"));
    else this.#splitUtf8(bytes);
    this.#offset += bytes.length + 1;
  }

  #splitAscii(text: string): void {
    const base = this.#offset;
    let from = 0;
    while (from <= text.length) {
      let end = text.indexOf("\n", from);
      if (end < 0) end = text.length;
      const cut = end > from && text.charCodeAt(end - 1) === CR ? end - 1 : end;
      if (end - from > this.#maxLineBytes) this.#sink.tooLong(base + from, end - from);
      else this.#sink.line(text.slice(from, cut), base + from);
      from = end + 1;
    }
  }

  /** One string for all lines would take two bytes a character for the sake of a few. */
  #splitUtf8(bytes: Buffer): void {
    const base = this.#offset;
    let from = 0;
    while (from <= bytes.length) {
      let end = bytes.indexOf(LF, from);
      if (end < 0) end = bytes.length;
      const cut = end > from && bytes[end - 1] === CR ? end - 1 : end;
      if (end - from > this.#maxLineBytes) this.#sink.tooLong(base + from, end - from);
      else this.#sink.line(bytes.toString("utf8", from, cut), base + from);
      from = end + 1;
    }
  }
}
