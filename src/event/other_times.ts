/**
 * Notations of time that few programs have, written as one of those that `readTime` reads.
 *
 * @see inputs.md, section 12
 */

import { digit } from "./time_text.ts";

/** A time in one of its usual notations, and the index behind what it was written as. */
export type UsualTime = readonly [usual: string, end: number];

/** Behind a comma there may be the next column instead of a fraction. */
const CLOCK = String.raw`(\d\d:\d\d:\d\d(?:\.\d{1,9}|,\d{3,6}(?!\d))?)`;
/** `2024/07/10 03:45:00`: nginx, Go, Palo Alto Networks. */
const SLASHED = new RegExp(String.raw`(\d{4})/(\d\d)/(\d\d)[ T]${CLOCK}`, "y");
/** `10-Jul-2024 03:45:00`, `10 Jul 2024 03:45:00`: BIND, Tomcat, PHP, RFC 5322. */
const DAY_FIRST = new RegExp(String.raw`(\d{1,2})[- ]([A-Z][a-z]{2})[- ](\d{4}) ${CLOCK}`, "yi");
/** `Wed Jul 10 03:45:00 2024`: `asctime`, Apache, dmesg; `date` writes a zone before the year. */
const WEEKDAY = /(?:mon|tue|wed|thu|fri|sat|sun)(?:,? +|, )/iy;
const YEAR_LAST = new RegExp(
  String.raw`([A-Z][a-z]{2}) +(\d{1,2}) ${CLOCK} (?:([A-Z]{3,4}) )?(\d{4})(?!\d|:)`,
  "yi",
);
/** `20240710T034500`, `20240710 03:45:00`: ISO 8601 in its basic form. */
const BASIC = /(\d{4})(\d\d)(\d\d)[T ](\d\d):?(\d\d):?(\d\d)(?!\d)/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

const SLASH = 47;
const DASH = 45;
const BLANK = 32;
const LOWER = 32;
const LETTER_D = 100;
const LETTER_T = 116;
const LETTER_U = 117;

/** The time that begins at `at`; `undefined` if there is none of these notations. */
export function usualTime(text: string, at: number): UsualTime | undefined {
  // Most texts that get here hold no time at all.
  if (digit(text, at) >= 0) {
    if (text.charCodeAt(at + 4) === SLASH) return slashed(text, at);
    const mark = text.charCodeAt(at + 8);
    if ((mark | LOWER) === LETTER_T || mark === BLANK) {
      const basic = basicTime(text, at);
      if (basic !== undefined) return basic;
    }
    const behindDay = text.charCodeAt(digit(text, at + 1) < 0 ? at + 1 : at + 2);
    return behindDay === DASH || behindDay === BLANK ? dayFirst(text, at) : undefined;
  }
  const third = text.charCodeAt(at + 2) | LOWER;
  // Of days, from d to u.
  if (third < LETTER_D || third > LETTER_U) return undefined;
  const start = matchAt(WEEKDAY, text, at) === null ? at : WEEKDAY.lastIndex;
  if (start === at) return undefined;
  return digit(text, start) >= 0 ? dayFirst(text, start) : yearLast(text, start);
}

function slashed(text: string, at: number): UsualTime | undefined {
  const found = matchAt(SLASHED, text, at);
  if (found === null) return undefined;
  return [`${found[1]}-${found[2]}-${found[3]}T${found[4]}`, SLASHED.lastIndex];
}

function basicTime(text: string, at: number): UsualTime | undefined {
  const found = matchAt(BASIC, text, at);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found;
  return [`${year}-${month}-${day}T${hour}:${minute}:${second}`, BASIC.lastIndex];
}

function dayFirst(text: string, at: number): UsualTime | undefined {
  const found = matchAt(DAY_FIRST, text, at);
  if (found === null) return undefined;
  return [`${found[2]} ${found[1]} ${found[3]} ${found[4]}`, DAY_FIRST.lastIndex];
}

function yearLast(text: string, at: number): UsualTime | undefined {
  const found = matchAt(YEAR_LAST, text, at);
  if (found === null) return undefined;
  const [, month, day, clock, zone, year] = found;
  const behind = zone === undefined ? "" : ` ${zone}`;
  return [`${month} ${day} ${year} ${clock}${behind}`, YEAR_LAST.lastIndex];
}
