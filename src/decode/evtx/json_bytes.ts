/**
 * JSON text as UTF-8 bytes, from numbers and from UTF-16, without strings in between.
 *
 * Every function writes at `at`, where the caller has made room, and returns where it ended.
 */
import { u16 } from "./bytes.ts";

const BACKSLASH = 0x5c;
const UNICODE_ESCAPE = 0x75;
/** By ASCII character, what stands behind the backslash; 0 for characters written as they are. */
const ESCAPES = new Uint8Array(128).fill(UNICODE_ESCAPE, 0, 0x20);
for (const [character, escape] of ['""', "\\\\", "\bb", "\ff", "\nn", "\rr", "\tt"]) {
  ESCAPES[character!.charCodeAt(0)] = escape!.charCodeAt(0);
}
const LOWER_DIGITS = Uint8Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
const UPPER_DIGITS = Uint8Array.from("0123456789ABCDEF", (digit) => digit.charCodeAt(0));

/** Decimal digits of an integer from 0 to 2^53 - 1. */
export function writeDecimal(value: number, bytes: Uint8Array, at: number): number {
  let end = at + 1;
  for (let limit = 10; value >= limit; limit *= 10) end++;
  let digit = end;
  do {
    const rest = Math.floor(value / 10);
    bytes[--digit] = 0x30 + value - rest * 10;
    value = rest;
  } while (digit > at);
  return end;
}

/** `value` with leading zeros, as `width` digits. */
export function writePadded(value: number, width: number, bytes: Uint8Array, at: number): number {
  for (let digit = at + width - 1; digit >= at; digit--) {
    const rest = Math.floor(value / 10);
    bytes[digit] = 0x30 + value - rest * 10;
    value = rest;
  }
  return at + width;
}

/** Two upper-case hex digits. */
export function writeUpperHex(byte: number, bytes: Uint8Array, at: number): number {
  bytes[at] = UPPER_DIGITS[byte >> 4]!;
  bytes[at + 1] = UPPER_DIGITS[byte & 0xf]!;
  return at + 2;
}

/** Lower-case hex digits of a u32, `width` of them or as many as it takes. */
export function writeLowerHex(value: number, width: number, bytes: Uint8Array, at: number): number {
  let digits = width;
  if (digits === 0) { for (digits = 1; digits < 8 && value >>> (digits * 4) !== 0;) digits++; }
  for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    bytes[at++] = LOWER_DIGITS[(value >>> shift) & 0xf]!;
  }
  return at;
}

/** ASCII characters that need no escaping. */
export function writeAscii(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** Text that may need escaping, without quotes around it; up to six bytes a code unit. */
export function writeEscaped(text: string, bytes: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80 && ESCAPES[unit] === 0) bytes[at++] = unit;
    else at = writeUnit(unit, 0, bytes, at);
  }
  return at;
}

/** UTF-16LE to UTF-8, up to the first NUL, escaped; up to six bytes a code unit. */
export function writeUtf16(
  source: Uint8Array,
  from: number,
  units: number,
  bytes: Uint8Array,
  at: number,
): number {
  const end = from + units * 2;
  for (let i = from; i < end; i += 2) {
    const unit = source[i]! | (source[i + 1]! << 8);
    if (unit < 0x80 && ESCAPES[unit] === 0) {
      bytes[at++] = unit;
    } else if (unit === 0) {
      break;
    } else if (isHighSurrogate(unit) && i + 2 < end && isLowSurrogate(u16(source, i + 2))) {
      at = writeUnit(unit, u16(source, i + 2), bytes, at);
      i += 2;
    } else {
      at = writeUnit(unit, 0, bytes, at);
    }
  }
  return at;
}

/** A code unit that is more than one byte; `low` completes a surrogate pair. Returns the end. */
function writeUnit(unit: number, low: number, bytes: Uint8Array, at: number): number {
  if (unit < 0x80) {
    bytes[at++] = BACKSLASH;
    const short = ESCAPES[unit]!;
    bytes[at++] = short;
    if (short !== UNICODE_ESCAPE) return at;
    return writeLowerHex(unit, 4, bytes, at);
  }
  if (unit < 0x800) {
    bytes[at++] = 0xc0 | (unit >> 6);
    bytes[at++] = 0x80 | (unit & 0x3f);
    return at;
  }
  if (low !== 0) {
    const point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    bytes[at++] = 0xf0 | (point >> 18);
    bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
    bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    bytes[at++] = 0x80 | (point & 0x3f);
    return at;
  }
  if (isHighSurrogate(unit) || isLowSurrogate(unit)) {
    // UTF-8 has no lone surrogates, but JSON has an escape for them.
    bytes[at++] = BACKSLASH;
    bytes[at++] = UNICODE_ESCAPE;
    return writeLowerHex(unit, 4, bytes, at);
  }
  bytes[at++] = 0xe0 | (unit >> 12);
  bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
  bytes[at++] = 0x80 | (unit & 0x3f);
  return at;
}

function isHighSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

function isLowSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}
