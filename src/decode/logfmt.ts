/**
 * Lines of `key=value` pairs.
 *
 * @see inputs.md, section 7
 */
import type { LogEvent } from "../event/event.ts";
import { FlatEvent } from "./flat_event.ts";

const TAB = 9;
const SPACE = 32;
const QUOTE = 34;
const EQUALS = 61;
const BACKSLASH = 92;

/** Names and texts in the order of a line. */
type Pairs = readonly (readonly [name: string, text: string])[];

/** What a scan tells of a word: `valueAt` is behind its `=`, or -1. Stops the scan by `false`. */
type Visit = (name: string, text: string, start: number, valueAt: number, end: number) => boolean;

/** Walks the words and pairs of `text`; blanks and tabs separate them. */
function scan(text: string, visit: Visit): void {
  const length = text.length;
  let at = 0;
  while (at < length) {
    const start = at;
    let code = text.charCodeAt(at);
    if (code === SPACE || code === TAB) {
      at++;
      continue;
    }
    while (code !== EQUALS && code !== SPACE && code !== TAB && at < length) {
      code = text.charCodeAt(++at);
    }
    if (code !== EQUALS || at === length) {
      if (!visit(text.slice(start, at), "true", start, -1, at)) return;
      continue;
    }
    if (at === start) {
      // A `=` without a key: what is glued to it says nothing.
      at = wordEnd(text, at);
      if (!visit("", "", start, -1, at)) return;
      continue;
    }
    const name = text.slice(start, at);
    const valueAt = ++at;
    let value: string;
    if (text.charCodeAt(at) === QUOTE) {
      let isEscaped = false;
      let close = at + 1;
      for (; close < length; close++) {
        const inside = text.charCodeAt(close);
        if (inside === QUOTE) break;
        if (inside === BACKSLASH) {
          isEscaped = true;
          close++;
        }
      }
      value = text.slice(at + 1, close);
      // Most have no escapes, and a part of a line costs little until it is read.
      if (isEscaped) value = value.replace(/\\(["\\])/g, "$1");
      at = Math.min(length, close + 1);
    } else {
      at = wordEnd(text, at);
      value = text.slice(valueAt, at);
    }
    if (!visit(name, value, start, valueAt, at)) return;
  }
}

function wordEnd(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === SPACE || code === TAB) break;
  }
  return at;
}

/** The pairs of `text` in their order; a word without `=` has the value `true`. */
export function parseLogfmt(text: string): Pairs {
  const pairs: (readonly [string, string])[] = [];
  scan(text, (name, value) => {
    if (name !== "") pairs.push([name, value]);
    return true;
  });
  return pairs;
}

/** Decodes a line, whatever it is. */
export function decodeLogfmt(line: string): LogEvent {
  return new FlatEvent(parseLogfmt(line));
}

/** Keys that programs give their values; what ends in `…?a` is the address of a page. */
const PLAUSIBLE_KEY = /^[A-Za-z_][\w.\-@/]*$/;
/** Of the characters of a line that is logfmt beyond doubt, so many may be in other words. */
const MAX_OTHER = 0.1;
const COMMA = 44;
const SEMICOLON = 59;

/**
 * The pairs of a line that is nearly nothing else: at least `minPairs` of them with a `=`, and nine
 * tenths of its characters.
 *
 * The blanks between pairs are counted with them. A value that ends in a comma or a semicolon is
 * part of a sentence or of another format.
 */
export function certainLogfmt(line: string, minPairs: number): Pairs | undefined {
  const pairs: (readonly [string, string])[] = [];
  const maxOther = line.length * MAX_OTHER;
  let other = 0;
  let certain = 0;
  scan(line, (name, value, start, valueAt, end) => {
    const last = line.charCodeAt(end - 1);
    const isPair = valueAt >= 0 && last !== COMMA && last !== SEMICOLON && PLAUSIBLE_KEY.test(name);
    if (isPair) certain++;
    else other += end - start;
    if (name !== "") pairs.push([name, value]);
    return other <= maxOther;
  });
  return other <= maxOther && certain >= minPairs ? pairs : undefined;
}
