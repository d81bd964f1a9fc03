/**
 * Blocks of whole lines to text, in the encodings that logs come in.
 *
 * The fast way is that of `LineSplitter`: a block that is ASCII becomes one string and is cut there.
 * What differs is that nothing is kept from block to block, since whoever follows a file reads an
 * unfinished line again when it is finished, and that a block can be taken a batch at a time.
 */
import { Buffer, isAscii, isUtf8 } from "node:buffer";
import { type Encoding, unitOf } from "../../decode/encoding.ts";

const LF = 10;
const CR = 13;
const BOM = 0xfeff;

/** Windows-1252 where it differs from Latin-1; five bytes mean nothing and stay as they are. */
const WINDOWS_1252 =
  "\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152" +
  "\x8d\u017d\x8f\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d" +
  "\u017e\u0178";

/** Where lines go; offsets are in bytes from the start of the file. */
export interface LineTarget {
  /**
   * @param text Without its line end and without NULs in front.
   * @param offset Of the first byte of `text`.
   * @param end Behind the line end.
   */
  line(text: string, offset: number, end: number): void;
  /** The line of the next call was longer than allowed and has been cut. */
  cut?(offset: number, end: number): void;
}

/** What was not as it should be. */
export interface TextCounts {
  /** Lines that were longer than allowed and have been cut. */
  longLines: number;
  /** Lines with bytes that are not text in the encoding. */
  replacements: number;
}

/**
 * Where the first or last line of `bytes` ends: the index behind the line end, -1 without one.
 *
 * @param offset Of `bytes` in the file, for the alignment of UTF-16.
 */
export function lineEnd(
  bytes: Buffer,
  offset: number,
  encoding: Encoding,
  which: "first" | "last",
): number {
  const find = (from: number) =>
    which === "first" ? bytes.indexOf(LF, from) : bytes.lastIndexOf(LF, from);
  const step = which === "first" ? 1 : -1;
  let at = find(which === "first" ? 0 : bytes.length - 1);
  if (unitOf(encoding) === 1) return at + (at < 0 ? 0 : 1);
  const low = encoding === "utf-16le" ? 0 : 1;
  while (at >= 0) {
    const start = at - low;
    const isUnit = (offset + start) % 2 === 0 && start >= 0 && start + 1 < bytes.length;
    if (isUnit && bytes[start + 1 - low] === 0) return start + 2;
    if (at + step < 0) return -1;
    at = find(at + step);
  }
  return -1;
}

/** Whole lines out of a file, given out in portions. */
export class LineBlock {
  readonly #bytes: Buffer;
  readonly #text: string | undefined;
  readonly #start: number;
  readonly #encoding: Encoding;
  readonly #maxBytes: number;
  readonly #counts: TextCounts;
  #at = 0;

  /**
   * @param bytes Lines with their ends; must not change while the block is in use. The last one may
   *   lack its end.
   * @param start Offset of `bytes` in the file.
   */
  constructor(
    bytes: Buffer,
    start: number,
    encoding: Encoding,
    maxLineBytes: number,
    counts: TextCounts,
  ) {
    this.#start = start;
    this.#encoding = encoding;
    this.#maxBytes = maxLineBytes;
    this.#counts = counts;
    this.#bytes = encoding === "utf-16be"
      ? Buffer.from(bytes.subarray(0, bytes.length & ~1))
      : bytes;
    if (encoding === "utf-16be") this.#bytes.swap16();
    if (unitOf(encoding) === 2) this.#text = this.#bytes.toString("utf16le");
    else if (encoding !== "utf-8" || isAscii(bytes)) this.#text = bytes.toString("latin1");
  }

  /** Offset behind the lines that were given out. */
  get offset(): number {
    return this.#start + this.#at;
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.length - (unitOf(this.#encoding) - 1);
  }

  /** Gives out the next lines, at most `limit`. */
  take(limit: number, target: LineTarget): void {
    if (this.#text === undefined) this.#takeUtf8(limit, target);
    else this.#takeText(this.#text, limit, target);
  }

  #takeText(text: string, limit: number, target: LineTarget): void {
    const unit = unitOf(this.#encoding);
    const maxLength = this.#maxBytes / unit;
    const start = this.#start;
    let from = this.#at / unit;
    for (let count = 0; count < limit && from < text.length; count++) {
      let end = text.indexOf("\n", from);
      const next = end < 0 ? text.length : end + 1;
      if (end < 0) end = text.length;
      let first = from;
      while (first < end && text.charCodeAt(first) === 0) first++;
      let last = end > first && text.charCodeAt(end - 1) === CR ? end - 1 : end;
      if (last - first > maxLength) {
        last = first + maxLength;
        this.#counts.longLines++;
        target.cut?.(start + first * unit, start + next * unit);
      }
      this.#give(text.slice(first, last), start + first * unit, start + next * unit, target);
      from = next;
    }
    this.#at = from * unit;
  }

  /** One string for all lines would take two bytes a character for the sake of a few. */
  #takeUtf8(limit: number, target: LineTarget): void {
    const bytes = this.#bytes;
    let from = this.#at;
    for (let count = 0; count < limit && from < bytes.length; count++) {
      let end = bytes.indexOf(LF, from);
      const next = end < 0 ? bytes.length : end + 1;
      if (end < 0) end = bytes.length;
      let first = from;
      while (first < end && bytes[first] === 0) first++;
      let last = end > first && bytes[end - 1] === CR ? end - 1 : end;
      if (last - first > this.#maxBytes) {
        last = first + this.#maxBytes;
        // Not in the middle of a character.
        for (let back = 0; back < 3 && (bytes[last]! & 0xc0) === 0x80; back++) last--;
        this.#counts.longLines++;
        target.cut?.(this.#start + first, this.#start + next);
      }
      const text = bytes.toString("utf8", first, last);
      if (text.includes("\ufffd") && !isUtf8(bytes.subarray(first, last))) {
        this.#counts.replacements++;
      }
      this.#give(text, this.#start + first, this.#start + next, target);
      from = next;
    }
    this.#at = from;
  }

  #give(text: string, offset: number, end: number, target: LineTarget): void {
    let line = text;
    if (offset === 0 && line.charCodeAt(0) === BOM) line = line.slice(1);
    if (unitOf(this.#encoding) === 2 && !line.isWellFormed()) {
      line = line.toWellFormed();
      this.#counts.replacements++;
    } else if (this.#encoding === "windows-1252") {
      line = line.replace(/[\x80-\x9f]/g, (char) => WINDOWS_1252[char.charCodeAt(0) - 0x80]!);
    }
    target.line(line, offset, end);
  }
}
