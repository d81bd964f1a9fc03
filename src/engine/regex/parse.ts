/**
 * The syntax of the Rust `regex` crate, which Sigma rules are written against here.
 *
 * Parsed by hand because native `RegExp` reads the same text differently: its `$`, `\d`, `\b` and
 * `(?i)` mean something else, and it takes what must be refused.
 *
 * @see https://docs.rs/regex/latest/regex/#syntax
 */
import { type Assertion, concat, EMPTY, type Node, type Pattern } from "./ast.ts";
import { type CharSet, MAX_CODE_POINT, range } from "./charset.ts";
import { measure } from "./context.ts";
import { Cursor, type Flags, MAX_NESTING, NO_FLAGS } from "./cursor.ts";
import { parseClass } from "./parse_class.ts";
import { parseEscape } from "./parse_escape.ts";

/** Characters of a pattern with its counts written out: what one step may have to look at. */
export const MAX_POSITIONS = 10_000;
/** Ways from one of them to the next: what the automaton keeps in memory. */
export const MAX_EDGES = 30_000;
/** Longer sources are no rules; rules of a few hundred alternatives stay far below. */
const MAX_SOURCE = 256 * 1024;

const NOT_NEWLINE: CharSet = { kind: "negated", item: range(0x0a, 0x0a) };
const NOT_CRLF: CharSet = {
  kind: "negated",
  item: { kind: "union", items: [range(0x0a, 0x0a), range(0x0d, 0x0d)] },
};
const ANYTHING: CharSet = range(0, MAX_CODE_POINT);

/**
 * Parses a pattern.
 *
 * @param flags Those of `i`, `m`, `s` that the rule's modifiers switch on.
 * @throws {RegexError} `REGEX_SYNTAX`, `REGEX_UNSUPPORTED`, `REGEX_TOO_LARGE`
 */
export function parseRegex(source: string, flags: string): Pattern {
  const cursor = new Cursor(source);
  if (source.length > MAX_SOURCE) {
    throw cursor.error("REGEX_TOO_LARGE", `the pattern is longer than ${MAX_SOURCE} characters`);
  }
  cursor.flags = {
    ...NO_FLAGS,
    i: flags.includes("i"),
    m: flags.includes("m"),
    s: flags.includes("s"),
  };
  const root = parseAlternation(cursor, 0);
  if (!cursor.atEnd) throw cursor.error("REGEX_SYNTAX", "`)` opens nowhere; write `\\)`");
  const { positions, edges } = measure(root);
  if (positions > MAX_POSITIONS || edges > MAX_EDGES) {
    throw cursor.error(
      "REGEX_TOO_LARGE",
      positions > MAX_POSITIONS
        ? `with its counts written out the pattern has ${positions} characters, ` +
          `more than ${MAX_POSITIONS}; count less far`
        : "too many optional parts follow one another; split the pattern over several values",
      0,
    );
  }
  return { root, asciiWords: cursor.asciiWords === true };
}

function parseAlternation(cursor: Cursor, depth: number): Node {
  if (depth > MAX_NESTING) {
    throw cursor.error("REGEX_TOO_LARGE", `nested more than ${MAX_NESTING} deep`);
  }
  // Flags set inside a group end with it, but run on across its `|`.
  const outer = cursor.flags;
  const branches: Node[] = [];
  do branches.push(parseConcat(cursor, depth)); while (cursor.take("|"));
  cursor.flags = outer;
  return branches.length === 1 ? branches[0]! : { kind: "alternate", branches };
}

function parseConcat(cursor: Cursor, depth: number): Node {
  const items: Node[] = [];
  for (;;) {
    cursor.skipBlank();
    if (cursor.atEnd) break;
    const ahead = cursor.ahead(1);
    if (ahead === "|" || ahead === ")") break;
    const start = cursor.offset;
    if (ahead === "*" || ahead === "+" || ahead === "?" || ahead === "{") {
      throw cursor.error(
        "REGEX_SYNTAX",
        `\`${ahead}\` has nothing to repeat; write \`\\${ahead}\` for the character`,
      );
    }
    const atom = parseAtom(cursor, depth);
    if (atom === undefined) {
      // A flag group such as `(?i)` is no expression that could be repeated.
      cursor.skipBlank();
      if (/^[*+?{]/.test(cursor.ahead(1))) {
        throw cursor.error("REGEX_SYNTAX", "a flag group has nothing to repeat", start);
      }
      continue;
    }
    items.push(parseRepetitions(cursor, atom));
  }
  return concat(items);
}

function parseRepetitions(cursor: Cursor, atom: Node): Node {
  let node = atom;
  for (let count = 0;; count++) {
    cursor.skipBlank();
    const bounds = parseBounds(cursor);
    if (bounds === undefined) return node;
    // Repetitions of repetitions nest without brackets, so they have an allowance of their own.
    if (count > 0 && ++cursor.stackedRepetitions > MAX_NESTING) {
      throw cursor.error("REGEX_TOO_LARGE", `nested more than ${MAX_NESTING} deep`);
    }
    // Lazy or greedy finds the same texts.
    cursor.skipBlank();
    cursor.take("?");
    const [min, max] = bounds;
    if (consumesNothing(node)) node = min === 0 ? EMPTY : node;
    else if (min !== 1 || max !== 1) node = { kind: "repeat", body: node, min, max };
  }
}

/** Whether `node` is made of anchors only, so that repeating it changes nothing. */
function consumesNothing(node: Node): boolean {
  switch (node.kind) {
    case "empty":
    case "assert":
      return true;
    case "set":
    case "repeat":
      return false;
    case "concat":
      return node.items.every(consumesNothing);
    case "alternate":
      return node.branches.every(consumesNothing);
  }
}

function parseBounds(cursor: Cursor): readonly [min: number, max: number] | undefined {
  if (cursor.take("*")) return [0, Infinity];
  if (cursor.take("+")) return [1, Infinity];
  if (cursor.take("?")) return [0, 1];
  const start = cursor.offset;
  if (!cursor.take("{")) return undefined;
  const text = cursor.until("}");
  const match = /^\s*(\d*)\s*(,?)\s*(\d*)\s*$/.exec(text ?? "x");
  if (match === null || (match[1] === "" && match[3] === "")) {
    throw cursor.error(
      "REGEX_SYNTAX",
      "`{` must begin a count such as `{2,5}`; write `\\{` for the character",
      start,
    );
  }
  const min = match[1] === "" ? 0 : Number(match[1]);
  const max = match[2] === "" ? min : match[3] === "" ? Infinity : Number(match[3]);
  if (min > 0xffffffff || (max > 0xffffffff && max !== Infinity)) {
    throw cursor.error("REGEX_SYNTAX", "the count is too large", start);
  }
  if (min > max) throw cursor.error("REGEX_SYNTAX", "the count runs backwards", start);
  return [min, max];
}

/** One expression, or `undefined` for a group that only sets flags. */
function parseAtom(cursor: Cursor, depth: number): Node | undefined {
  const { flags } = cursor;
  switch (cursor.ahead(1)) {
    case "(":
      return parseGroup(cursor, depth);
    case "[":
      return setNode(flags, parseBracket(cursor, depth));
    case ".":
      if (!flags.u) {
        throw cursor.error("REGEX_UNSUPPORTED", "`.` needs Unicode; remove `(?-u)`");
      }
      cursor.skip(1);
      return setNode(NO_FLAGS, flags.s ? ANYTHING : flags.R ? NOT_CRLF : NOT_NEWLINE);
    case "^":
      cursor.skip(1);
      return assertNode(flags.m ? flags.R ? "line_start_crlf" : "line_start" : "text_start");
    case "$":
      cursor.skip(1);
      return assertNode(flags.m ? flags.R ? "line_end_crlf" : "line_end" : "text_end");
    case "\\": {
      const escape = parseEscape(cursor);
      switch (escape.kind) {
        case "char":
          return charNode(cursor, escape.code);
        case "set":
          return setNode(flags, escape.set);
        case "assert":
          return assertNode(escape.assertion);
      }
    }
  }
  return charNode(cursor, cursor.next());
}

function parseBracket(cursor: Cursor, depth: number): CharSet {
  const start = cursor.offset;
  const set = parseClass(cursor, depth + 1);
  if (!cursor.flags.u && set.kind === "negated") {
    throw cursor.error("REGEX_UNSUPPORTED", "a negated class needs Unicode; remove `(?-u)`", start);
  }
  return set;
}

const assertNode = (assertion: Assertion): Node => ({ kind: "assert", assertion });

function charNode(cursor: Cursor, code: number): Node {
  return setNode(cursor.flags, range(code, code));
}

function setNode(flags: Flags, set: CharSet): Node {
  if (!flags.i) return { kind: "set", set, fold: false };
  if (flags.u) return { kind: "set", set, fold: true };
  return { kind: "set", set: foldAscii(set), fold: false };
}

/** Without Unicode, `(?i)` knows 26 letters. Only ranges and their unions occur there. */
function foldAscii(set: CharSet): CharSet {
  if (set.kind === "union") return { kind: "union", items: set.items.map(foldAscii) };
  if (set.kind !== "range") return set;
  const items: CharSet[] = [set];
  for (let code = Math.max(set.from, 0x41); code <= Math.min(set.to, 0x7a); code++) {
    if (/[A-Za-z]/.test(String.fromCharCode(code))) items.push(range(code ^ 0x20, code ^ 0x20));
  }
  return items.length === 1 ? set : { kind: "union", items };
}

/** Openings of other dialects, longest first, and why they are refused. */
const FOREIGN_GROUPS: readonly (readonly [opening: string, message: string])[] = [
  ["(?<=", "look-behind is not supported; split the test over several values or a filter"],
  ["(?<!", "look-behind is not supported; express the exclusion as a filter selection"],
  ["(?=", "look-ahead is not supported; split the test over several values with `|all`"],
  ["(?!", "look-ahead is not supported; express the exclusion as a filter selection"],
  ["(?>", "atomic groups are not supported; write `(?:`, matching takes linear time anyway"],
  ["(?P=", "back-references are not supported"],
  ["(?P>", "recursion is not supported"],
  ["(?&", "recursion is not supported"],
  ["(?(", "conditional groups are not supported; write the alternatives out"],
  ["(?|", "branch reset groups are not supported; write `(?:`"],
  ["(?#", "comment groups are not supported; remove it or use flag `x`"],
];

const GROUP_NAME = /^[\p{Alphabetic}_][\p{Alphabetic}\p{Nd}_.[\]]*$/u;

function parseGroup(cursor: Cursor, depth: number): Node | undefined {
  const start = cursor.offset;
  const foreign = FOREIGN_GROUPS.find(([opening]) => cursor.ahead(4).startsWith(opening));
  if (foreign !== undefined) throw cursor.error("REGEX_UNSUPPORTED", foreign[1]);
  const outer = cursor.flags;
  if (cursor.take("(?P<") || cursor.take("(?<")) {
    const name = cursor.until(">");
    if (name === undefined || !GROUP_NAME.test(name)) {
      throw cursor.error("REGEX_SYNTAX", "a group name is letters, digits and `_`", start);
    }
    if (cursor.groupNames.has(name)) {
      throw cursor.error("REGEX_SYNTAX", `group name \`${name}\` is used twice`, start);
    }
    cursor.groupNames.add(name);
  } else if (cursor.take("(?")) {
    cursor.flags = parseFlags(cursor, start);
    if (cursor.take(")")) return undefined;
    cursor.take(":");
  } else {
    cursor.take("(");
  }
  const inner = parseAlternation(cursor, depth + 1);
  if (!cursor.take(")")) {
    throw cursor.error("REGEX_SYNTAX", "unclosed group; close it with `)`", start);
  }
  cursor.flags = outer;
  return inner.kind === "empty" ? EMPTY : inner;
}

function parseFlags(cursor: Cursor, start: number): Flags {
  let flags = cursor.flags;
  let value = true;
  let last = "";
  const seen = new Set<string>();
  for (;;) {
    const flag = cursor.ahead(1);
    if (flag === ":" || flag === ")") {
      if (last === "-" || (flag === ")" && last === "")) {
        throw cursor.error("REGEX_SYNTAX", "a flag is missing", start);
      }
      return flags;
    }
    if (!isFlag(flag) && flag !== "-") {
      throw cursor.error("REGEX_SYNTAX", `unknown flag \`${flag}\`; flags are i m s x u U R`);
    }
    if (seen.has(flag)) throw cursor.error("REGEX_SYNTAX", `flag \`${flag}\` is given twice`);
    seen.add(flag);
    if (flag === "-") value = false;
    else flags = { ...flags, [flag]: value };
    last = flag;
    cursor.skip(1);
  }
}

function isFlag(text: string): text is keyof Flags {
  return text.length === 1 && "imsxuUR".includes(text);
}
