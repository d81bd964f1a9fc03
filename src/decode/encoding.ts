/**
 * Which encoding the bytes of a log are in, and UTF-16 made into UTF-8.
 *
 * @see inputs.md, section 20.3
 */
import { Buffer } from "node:buffer";

/** The encodings that logs come in. */
export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1" | "windows-1252";

/** NULs in a row that no text has at its start: two characters in UTF-16. */
export const NUL_RUN = 4;
/** Share of zero bytes at odd or even places that makes text UTF-16, and the most at the others. */
const MANY_ZEROS = 0.4;
const FEW_ZEROS = 0.1;

/**
 * How many NUL bytes stand in front of the first text: the hole that a writer leaves when its file
 * is truncated under it, or room allocated ahead. Even, so that UTF-16 stays aligned.
 */
export function leadingNuls(bytes: Uint8Array): number {
  let count = 0;
  while (count < bytes.length && bytes[count] === 0) count++;
  return count < NUL_RUN ? 0 : count & ~1;
}

/** By the byte order mark, or by the zero bytes that UTF-16 has in every line end and blank. */
export function detectEncoding(head: Uint8Array): Encoding {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  if (head[0] === 0xfe && head[1] === 0xff) return "utf-16be";
  const length = head.length & ~1;
  if (length === 0 || leadingNuls(head) > 0) return "utf-8";
  let even = 0, odd = 0;
  for (let at = 0; at < length; at += 2) {
    if (head[at] === 0) even++;
    if (head[at + 1] === 0) odd++;
  }
  const half = length / 2;
  if (odd > half * MANY_ZEROS && even <= half * FEW_ZEROS) return "utf-16le";
  if (even > half * MANY_ZEROS && odd <= half * FEW_ZEROS) return "utf-16be";
  return "utf-8";
}

/** Bytes of a character's unit, on whose multiples line ends stand. */
export function unitOf(encoding: Encoding): 1 | 2 {
  return encoding === "utf-16le" || encoding === "utf-16be" ? 2 : 1;
}

/** The first half of a character that UTF-16 writes in two units. */
const HIGH_SURROGATE = 0xd8;

/** Makes a stream of UTF-16 into UTF-8, block by block; halves of characters become U+FFFD. */
export class Utf16Blocks {
  readonly #swapped: boolean;
  /** The end of the last block: an odd byte, or the first half of a character. */
  #rest: Uint8Array = new Uint8Array();

  /** A byte order mark is kept: it is U+FEFF in UTF-8 as well. */
  constructor(encoding: "utf-16le" | "utf-16be") {
    this.#swapped = encoding === "utf-16be";
  }

  /** The UTF-8 of the whole characters so far; nothing refers to `block` afterwards. */
  push(block: Uint8Array): Uint8Array {
    const bytes = Buffer.concat([this.#rest, block]);
    let end = bytes.length & ~1;
    const high = bytes[end - (this.#swapped ? 2 : 1)];
    if (high !== undefined && (high & 0xfc) === HIGH_SURROGATE) end -= 2;
    this.#rest = bytes.subarray(end);
    return this.#utf8(bytes.subarray(0, end));
  }

  /** The UTF-8 of what was left over; half a unit at the end is dropped. */
  end(): Uint8Array {
    const rest = this.#rest;
    this.#rest = new Uint8Array();
    return this.#utf8(Buffer.from(rest.subarray(0, rest.length & ~1)));
  }

  #utf8(bytes: Buffer): Uint8Array {
    if (this.#swapped) bytes.swap16();
    return Buffer.from(bytes.toString("utf16le").toWellFormed(), "utf8");
  }
}
