/**
 * Values of a record to JSON text, from their bytes. The most frequent types have a way of their own;
 * the others go through their decoded value.
 */
import { scalarText } from "../../event/value.ts";
import { u16, u32 } from "./bytes.ts";
import { filetimeMs, filetimeRemainder, isFiletime } from "./filetime.ts";
import {
  writeAscii,
  writeDecimal,
  writeEscaped,
  writeLowerHex,
  writePadded,
  writeUpperHex,
  writeUtf16,
} from "./json_bytes.ts";
import type { Slots } from "./slots.ts";
import {
  ARRAY,
  FILETIME,
  GUID,
  HEXINT32,
  HEXINT64,
  SID,
  STRING,
  UINT16,
  UINT32,
  UINT64,
  UINT8,
} from "./value_type.ts";

/**
 * The JSON of a value has at most `size * MAX_VALUE_RATIO + MAX_VALUE_OVERHEAD` bytes; a double without
 * exponent has up to 326 digits.
 */
export const MAX_VALUE_RATIO = 6;
export const MAX_VALUE_OVERHEAD = 400;

/** High words below this make integers below 2^53. */
const MAX_SAFE_HIGH = 0x200000;
const STRING_ARRAY = ARRAY | STRING;
const QUOTE = 0x22;
const DASH = 0x2d;
const COLON = 0x3a;
const POINT = 0x2e;
const Z = 0x5a;
/** Positions in a GUID's bytes in the order they are written, -1 for a dash. */
const GUID_ORDER = [3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15];

const DAY_MS = 86_400_000;

export class ValueWriter {
  #day = NaN;
  /** `2016-07-08T` of that day. */
  readonly #dayText = new Uint8Array(11);

  /**
   * Writes a value that is not empty, without quotes around it.
   *
   * @returns Where it ended in `bytes`.
   */
  write(slots: Slots, slot: number, bytes: Uint8Array, at: number): number {
    const source = slots.bytes;
    const from = slots.offsetOf(slot);
    switch (slots.typeOf(slot)) {
      case STRING:
        return writeUtf16(source, from, slots.sizeOf(slot) >> 1, bytes, at);
      case UINT8:
        return writeDecimal(source[from]!, bytes, at);
      case UINT16:
        return writeDecimal(u16(source, from), bytes, at);
      case UINT32:
        return writeDecimal(u32(source, from), bytes, at);
      case UINT64: {
        const high = u32(source, from + 4);
        if (high >= MAX_SAFE_HIGH) break;
        return writeDecimal(high * 0x1_0000_0000 + u32(source, from), bytes, at);
      }
      case GUID:
        return writeGuid(source, from, bytes, at);
      case HEXINT32:
        return writeHex(0, u32(source, from), bytes, at);
      case HEXINT64:
        return writeHex(u32(source, from + 4), u32(source, from), bytes, at);
      case SID:
        if (slots.sizeOf(slot) < 8) break;
        return writeSid(source, from, slots.sizeOf(slot), bytes, at);
      case FILETIME:
        if (!isFiletime(source, from)) break;
        return this.#writeFiletime(source, from, bytes, at);
      case STRING_ARRAY:
        return writeRow(source, from, slots.sizeOf(slot), bytes, at);
    }
    return writeEscaped(scalarText(slots.valueOf(slot)) ?? "", bytes, at);
  }

  #writeFiletime(source: Uint8Array, from: number, bytes: Uint8Array, at: number): number {
    const ms = filetimeMs(source, from);
    const day = Math.floor(ms / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      writeAscii(new Date(day * DAY_MS).toISOString().slice(0, 11), this.#dayText, 0);
    }
    for (let i = 0; i < 11; i++) bytes[at + i] = this.#dayText[i]!;
    const ofDay = ms - day * DAY_MS;
    const seconds = Math.floor(ofDay / 1000);
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    at = writePadded(hours, 2, bytes, at + 11);
    bytes[at] = COLON;
    at = writePadded(minutes - hours * 60, 2, bytes, at + 1);
    bytes[at] = COLON;
    at = writePadded(seconds - minutes * 60, 2, bytes, at + 1);
    bytes[at] = POINT;
    const micros = (ofDay - seconds * 1000) * 1000 +
      Math.floor(filetimeRemainder(source, from) / 10);
    at = writePadded(micros, 6, bytes, at + 1);
    bytes[at] = Z;
    return at + 1;
  }
}

function writeGuid(source: Uint8Array, from: number, bytes: Uint8Array, at: number): number {
  for (const position of GUID_ORDER) {
    if (position < 0) bytes[at++] = DASH;
    else at = writeUpperHex(source[from + position]!, bytes, at);
  }
  return at;
}

function writeHex(high: number, low: number, bytes: Uint8Array, at: number): number {
  bytes[at++] = 0x30;
  bytes[at++] = 0x78;
  if (high === 0) return writeLowerHex(low, 0, bytes, at);
  return writeLowerHex(low, 8, bytes, writeLowerHex(high, 0, bytes, at));
}

function writeSid(
  source: Uint8Array,
  from: number,
  size: number,
  bytes: Uint8Array,
  at: number,
): number {
  bytes[at++] = 0x53;
  bytes[at++] = DASH;
  at = writeDecimal(source[from]!, bytes, at);
  bytes[at++] = DASH;
  let authority = 0;
  for (let i = from + 2; i < from + 8; i++) authority = authority * 256 + source[i]!;
  at = writeDecimal(authority, bytes, at);
  const end = Math.min(from + size, from + 8 + 4 * source[from + 1]!);
  for (let sub = from + 8; sub + 4 <= end; sub += 4) {
    bytes[at++] = DASH;
    at = writeDecimal(u32(source, sub), bytes, at);
  }
  return at;
}

/** Strings that end with a NUL each: one alone as a string, more as an array. */
function writeRow(
  source: Uint8Array,
  from: number,
  size: number,
  bytes: Uint8Array,
  at: number,
): number {
  const first = at;
  const end = from + size;
  let count = 0;
  bytes[at++] = 0x5b;
  while (from + 1 < end) {
    let to = from;
    while (to + 1 < end && (source[to]! | source[to + 1]!) !== 0) to += 2;
    if (count++ > 0) bytes[at++] = 0x2c;
    bytes[at++] = QUOTE;
    at = writeUtf16(source, from, (to - from) >> 1, bytes, at);
    bytes[at++] = QUOTE;
    from = to + 2;
  }
  if (count === 1) {
    bytes.copyWithin(first, first + 1, at);
    return at - 1;
  }
  bytes[at++] = 0x5d;
  return at;
}
