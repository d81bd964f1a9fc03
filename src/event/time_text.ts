/**
 * The parts of written times: digits, the names of months, zones.
 */

const PLUS = 43;
const DASH = 45;
const COLON = 58;
/** What an ASCII letter has that is not a capital. */
const LOWER = 32;

/** The digit at `at`, -1 if there is none. */
export function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : -1;
}

/** Two digits as a number, -1 if they are none. */
export function two(text: string, at: number): number {
  const tens = digit(text, at);
  const ones = digit(text, at + 1);
  return tens < 0 || ones < 0 ? -1 : tens * 10 + ones;
}

/** Four digits as a number, -1 if they are none. */
export function four(text: string, at: number): number {
  const high = two(text, at);
  const low = two(text, at + 2);
  return high < 0 || low < 0 ? -1 : high * 100 + low;
}

/** The index of the first character at or behind `at` that is no U+0020. */
export function skipSpaces(text: string, at: number): number {
  while (text.charCodeAt(at) === 32) at++;
  return at;
}

const MONTHS: ReadonlyMap<number, number> = new Map(
  ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    .map((name, at) => [packed(name, 0), at + 1]),
);

/** Three letters as a number, whatever their case. */
function packed(text: string, at: number): number {
  return ((text.charCodeAt(at) | LOWER) << 16) | ((text.charCodeAt(at + 1) | LOWER) << 8) |
    (text.charCodeAt(at + 2) | LOWER);
}

/** 1 to 12 by three letters in any case, else -1. */
export function monthOf(text: string, at: number): number {
  return MONTHS.get(packed(text, at)) ?? -1;
}

/**
 * Abbreviations that mean the same everywhere (RFC 5322, section 4.3, and neighbours of UTC); others,
 * such as IST, are the names of several zones.
 */
const ABBREVIATIONS: ReadonlyMap<string, number> = new Map([
  ...["Z", "UT", "UTC", "GMT", "WET"].map((name) => [name, 0] as const),
  ...["CET", "WEST"].map((name) => [name, 60] as const),
  ...["CEST", "EET"].map((name) => [name, 120] as const),
  ...["EEST", "MSK"].map((name) => [name, 180] as const),
  ["JST", 540],
  ["EDT", -240],
  ...["EST", "CDT"].map((name) => [name, -300] as const),
  ...["CST", "MDT"].map((name) => [name, -360] as const),
  ...["MST", "PDT"].map((name) => [name, -420] as const),
  ["PST", -480],
]);
const ABBREVIATION = /[A-Z]{1,4}(?![\w-])/iy;

/** A zone that begins at `at`: minutes east of UTC, and the index behind it. */
export function readZone(
  text: string,
  at: number,
): readonly [minutes: number, end: number] | undefined {
  const code = text.charCodeAt(at);
  if (code === PLUS || code === DASH) return readOffset(text, at);
  if (!((code | LOWER) >= 97 && (code | LOWER) <= 122)) return undefined;
  ABBREVIATION.lastIndex = at;
  const name = ABBREVIATION.exec(text)?.[0];
  const minutes = name === undefined ? undefined : ABBREVIATIONS.get(name.toUpperCase());
  return minutes === undefined ? undefined : [minutes, at + name!.length];
}

/** `+hh:mm`, `+hhmm` or `+hh`. */
function readOffset(text: string, at: number): readonly [minutes: number, end: number] | undefined {
  const hours = two(text, at + 1);
  if (hours < 0 || hours > 23) return undefined;
  let end = at + 3;
  let minutes = 0;
  const start = text.charCodeAt(end) === COLON ? end + 1 : end;
  if (digit(text, start) >= 0) {
    minutes = two(text, start);
    if (minutes < 0 || minutes > 59) return undefined;
    end = start + 2;
  } else if (start > end) return undefined;
  const size = hours * 60 + minutes;
  return [text.charCodeAt(at) === DASH ? 0 - size : size, end];
}
