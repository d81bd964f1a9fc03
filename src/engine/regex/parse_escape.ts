/** What a backslash introduces in the Rust `regex` crate's syntax. */
import type { Assertion } from "./ast.ts";
import { type CharSet, MAX_CODE_POINT, negate, range } from "./charset.ts";
import type { Cursor } from "./cursor.ts";
import { resolveProperty } from "./property.ts";

export type Escape =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "set"; readonly set: CharSet }
  | { readonly kind: "assert"; readonly assertion: Assertion };

const CONTROLS: Readonly<Record<string, number>> = {
  a: 0x07,
  f: 0x0c,
  t: 0x09,
  n: 0x0a,
  r: 0x0d,
  v: 0x0b,
};

const ASCII_PERL = {
  d: [range(0x30, 0x39)],
  s: [range(0x09, 0x0d), range(0x20, 0x20)],
  w: [range(0x30, 0x39), range(0x41, 0x5a), range(0x5f, 0x5f), range(0x61, 0x7a)],
} as const;

/** Other dialects' escapes that rule authors try, and what to write instead. */
const FOREIGN: Readonly<Record<string, string>> = {
  Z: "`\\Z` is not supported; write `\\z` for the end of the text",
  G: "`\\G` is not supported; remove it",
  K: "`\\K` is not supported; remove it, a rule only asks whether the pattern matches",
  h: "`\\h` is not supported; write `[ \\t]`",
  H: "`\\H` is not supported; write `[^ \\t]`",
  R: "`\\R` is not supported; write `(?:\\r\\n|\\n|\\r)`",
  X: "`\\X` is not supported",
  Q: "`\\Q…\\E` is not supported; escape each character",
  E: "`\\Q…\\E` is not supported; escape each character",
  k: "back-references are not supported",
  g: "back-references are not supported",
};

/**
 * Parses an escape whose backslash is next.
 *
 * @throws {RegexError} `REGEX_SYNTAX` or `REGEX_UNSUPPORTED`
 */
export function parseEscape(cursor: Cursor): Escape {
  const start = cursor.offset;
  cursor.take("\\");
  if (cursor.atEnd) {
    throw cursor.error("REGEX_SYNTAX", "a backslash ends the pattern; write `\\\\`", start);
  }
  const code = cursor.next();
  const letter = String.fromCodePoint(code);
  switch (letter) {
    case "d":
    case "s":
    case "w":
      return { kind: "set", set: perl(cursor, letter) };
    case "D":
    case "S":
    case "W":
      if (!cursor.unicode) {
        throw cursor.error("REGEX_UNSUPPORTED", "a negated class needs Unicode; remove `(?-u)`");
      }
      return { kind: "set", set: negate(perl(cursor, letter.toLowerCase() as "d" | "s" | "w")) };
    case "p":
    case "P":
      return { kind: "set", set: parseProperty(cursor, letter === "P", start) };
    case "x":
    case "u":
    case "U":
      return { kind: "char", code: parseHex(cursor, letter, start) };
    case "A":
      return { kind: "assert", assertion: "text_start" };
    case "z":
      return { kind: "assert", assertion: "text_end" };
    case "b":
      return { kind: "assert", assertion: word(cursor, parseBoundary(cursor), start) };
    case "B":
      return { kind: "assert", assertion: word(cursor, "not_word_boundary", start) };
    case "<":
      return { kind: "assert", assertion: word(cursor, "word_start", start) };
    case ">":
      return { kind: "assert", assertion: word(cursor, "word_end", start) };
  }
  const control = Object.hasOwn(CONTROLS, letter) ? CONTROLS[letter] : undefined;
  if (control !== undefined) return { kind: "char", code: control };
  if (/^[0-9]$/.test(letter)) {
    throw cursor.error(
      "REGEX_UNSUPPORTED",
      "back-references and octal escapes are not supported; write `\\x{…}` for a character code",
      start,
    );
  }
  if (Object.hasOwn(FOREIGN, letter)) {
    throw cursor.error("REGEX_UNSUPPORTED", FOREIGN[letter]!, start);
  }
  if (code >= 128 || /^[A-Za-z]$/.test(letter)) {
    throw cursor.error(
      "REGEX_SYNTAX",
      `unknown escape \`\\${letter}\`; write \`\\\\${letter}\` for a backslash before it`,
      start,
    );
  }
  return { kind: "char", code };
}

function perl(cursor: Cursor, name: "d" | "s" | "w"): CharSet {
  return cursor.unicode ? { kind: "perl", name } : { kind: "union", items: ASCII_PERL[name] };
}

const BOUNDARIES: Readonly<Record<string, Assertion>> = {
  start: "word_start",
  end: "word_end",
  "start-half": "word_start_half",
  "end-half": "word_end_half",
};

/** `\b`, or `\b{start}` and its kin; `\b{3}` is a counted `\b`. */
function parseBoundary(cursor: Cursor): Assertion {
  const match = /^\{([a-z-]+)\}/.exec(cursor.ahead(16));
  if (match === null || !Object.hasOwn(BOUNDARIES, match[1]!)) return "word_boundary";
  cursor.skip(match[0].length);
  return BOUNDARIES[match[1]!]!;
}

function word(cursor: Cursor, assertion: Assertion, start: number): Assertion {
  const ascii = !cursor.unicode;
  if (cursor.asciiWords !== undefined && cursor.asciiWords !== ascii) {
    throw cursor.error(
      "REGEX_UNSUPPORTED",
      "Unicode and ASCII word boundaries cannot be mixed in one pattern",
      start,
    );
  }
  cursor.asciiWords = ascii;
  return assertion;
}

const HEX_DIGITS: Readonly<Record<"x" | "u" | "U", number>> = { x: 2, u: 4, U: 8 };

function parseHex(cursor: Cursor, letter: "x" | "u" | "U", start: number): number {
  const digits = cursor.take("{") ? cursor.until("}") ?? "" : cursor.ahead(HEX_DIGITS[letter]);
  const braced = cursor.offset > start + 2;
  if (!braced) cursor.skip(digits.length);
  const valid = /^[0-9A-Fa-f]{1,8}$/.test(digits) &&
    (braced || digits.length === HEX_DIGITS[letter]);
  const code = valid ? parseInt(digits, 16) : NaN;
  if (!(code <= MAX_CODE_POINT) || (code >= 0xd800 && code <= 0xdfff)) {
    throw cursor.error(
      "REGEX_SYNTAX",
      `\`\\${letter}\` must be followed by the hexadecimal code of a Unicode character`,
      start,
    );
  }
  if (!cursor.unicode && letter === "x" && code > 127) {
    throw cursor.error(
      "REGEX_UNSUPPORTED",
      "single bytes cannot be matched; remove `(?-u)`",
      start,
    );
  }
  return code;
}

function parseProperty(cursor: Cursor, upper: boolean, start: number): CharSet {
  if (!cursor.unicode) {
    throw cursor.error("REGEX_UNSUPPORTED", "`\\p` needs Unicode; remove `(?-u)`", start);
  }
  let name: string | undefined;
  if (cursor.take("{")) name = cursor.until("}");
  else if (!cursor.atEnd) name = String.fromCodePoint(cursor.next());
  if (name === undefined) {
    throw cursor.error("REGEX_SYNTAX", "`\\p{` is not closed; close it with `}`", start);
  }
  const { set, negated } = resolveProperty(name) ?? {};
  if (set === undefined) {
    throw cursor.error(
      "REGEX_UNSUPPORTED",
      `Unicode property \`${name}\` is unknown; use a general category, a script or a binary property`,
      start,
    );
  }
  return upper !== (negated === true) ? negate(set) : set;
}
