/**
 * Bracketed classes of the Rust `regex` crate's syntax: ranges, nesting, POSIX names, set algebra.
 *
 * @see https://docs.rs/regex/latest/regex/#character-classes
 */
import { type CharSet, negate, range } from "./charset.ts";
import { type Cursor, MAX_NESTING } from "./cursor.ts";
import { parseEscape } from "./parse_escape.ts";

const letters = [range(0x41, 0x5a), range(0x61, 0x7a)];
const digits = [range(0x30, 0x39)];

/** POSIX classes are ASCII, whatever the flags say. */
const POSIX: Readonly<Record<string, readonly CharSet[]>> = {
  alnum: [...digits, ...letters],
  alpha: letters,
  ascii: [range(0, 0x7f)],
  blank: [range(0x09, 0x09), range(0x20, 0x20)],
  cntrl: [range(0, 0x1f), range(0x7f, 0x7f)],
  digit: digits,
  graph: [range(0x21, 0x7e)],
  lower: [range(0x61, 0x7a)],
  print: [range(0x20, 0x7e)],
  punct: [range(0x21, 0x2f), range(0x3a, 0x40), range(0x5b, 0x60), range(0x7b, 0x7e)],
  space: [range(0x09, 0x0d), range(0x20, 0x20)],
  upper: [range(0x41, 0x5a)],
  word: [...digits, ...letters, range(0x5f, 0x5f)],
  xdigit: [...digits, range(0x41, 0x46), range(0x61, 0x66)],
};

const OPERATORS = {
  "&&": "intersection",
  "--": "difference",
  "~~": "symmetric",
} as const;

/**
 * Parses a class whose `[` is next, through its `]`.
 *
 * @param depth How many groups and classes are open around it.
 * @throws {RegexError} `REGEX_SYNTAX`, `REGEX_UNSUPPORTED` or, nested too deeply, `REGEX_TOO_LARGE`.
 */
export function parseClass(cursor: Cursor, depth: number): CharSet {
  const start = cursor.offset;
  if (depth > MAX_NESTING) {
    throw cursor.error("REGEX_TOO_LARGE", `nested more than ${MAX_NESTING} deep`);
  }
  cursor.take("[");
  cursor.skipBlank();
  const negated = cursor.take("^");
  cursor.skipBlank();
  let items: CharSet[] = [];
  // First in a class, dashes and one closing bracket stand for themselves.
  while (cursor.take("-")) {
    items.push(range(0x2d, 0x2d));
    cursor.skipBlank();
  }
  if (items.length === 0 && cursor.take("]")) items.push(range(0x5d, 0x5d));

  let left: CharSet | undefined;
  let operator: (typeof OPERATORS)[keyof typeof OPERATORS] | undefined;
  const fold = (): CharSet => {
    const right: CharSet = items.length === 1 ? items[0]! : { kind: "union", items };
    return left === undefined || operator === undefined ? right : { kind: operator, left, right };
  };
  for (;;) {
    cursor.skipBlank();
    if (cursor.atEnd) {
      throw cursor.error("REGEX_SYNTAX", "unclosed character class; close it with `]`", start);
    }
    if (cursor.take("]")) break;
    const ahead = cursor.ahead(2);
    if (ahead === "&&" || ahead === "--" || ahead === "~~") {
      cursor.skip(2);
      left = fold();
      operator = OPERATORS[ahead];
      items = [];
    } else if (cursor.ahead(1) === "[") {
      items.push(parsePosix(cursor) ?? parseClass(cursor, depth + 1));
    } else {
      items.push(parseRange(cursor));
    }
  }
  const set = fold();
  return negated ? negate(set) : set;
}

/** `[:name:]` or `[:^name:]`; what only looks like one is a nested class. */
function parsePosix(cursor: Cursor): CharSet | undefined {
  const match = /^\[:(\^?)([a-z]+):\]/.exec(cursor.ahead(16));
  if (match === null) return undefined;
  const items = Object.hasOwn(POSIX, match[2]!) ? POSIX[match[2]!] : undefined;
  if (items === undefined) return undefined;
  cursor.skip(match[0].length);
  const set: CharSet = { kind: "union", items };
  return match[1] === "^" ? negateChecked(cursor, set) : set;
}

function negateChecked(cursor: Cursor, set: CharSet): CharSet {
  if (!cursor.unicode) {
    throw cursor.error("REGEX_UNSUPPORTED", "a negated class needs Unicode; remove `(?-u)`");
  }
  return negate(set);
}

function parseRange(cursor: Cursor): CharSet {
  const start = cursor.offset;
  const from = parseItem(cursor);
  cursor.skipBlank();
  if (cursor.ahead(1) !== "-") return asSet(from);
  // `-` before `]` is a dash, `--` the set difference.
  const behind = cursor.aheadUnblanked(2);
  if (behind === "--" || behind === "-]" || behind === "-") return asSet(from);
  cursor.take("-");
  cursor.skipBlank();
  const to = parseItem(cursor);
  if (typeof from !== "number" || typeof to !== "number") {
    throw cursor.error(
      "REGEX_SYNTAX",
      "a range in a character class must run from one character to another; write `\\-` for a dash",
      start,
    );
  }
  if (from > to) {
    throw cursor.error("REGEX_SYNTAX", "the range in a character class runs backwards", start);
  }
  return range(from, to);
}

const asSet = (item: number | CharSet): CharSet =>
  typeof item === "number" ? range(item, item) : item;

function parseItem(cursor: Cursor): number | CharSet {
  const start = cursor.offset;
  if (cursor.ahead(1) !== "\\") return cursor.next();
  const escape = parseEscape(cursor);
  switch (escape.kind) {
    case "char":
      return escape.code;
    case "set":
      return escape.set;
    case "assert":
      throw cursor.error("REGEX_SYNTAX", "an anchor cannot stand in a character class", start);
  }
}
