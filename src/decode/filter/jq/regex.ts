/**
 * Built-in functions on regular expressions.
 *
 * jq's own engine backtracks, and an expression that meets hostile texts must not take minutes. RE2's
 * syntax is the same but for look-around and references back, which are reported.
 */
import { RE2JS } from "re2js";
import type { Value } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import { textOf } from "./builtins_texts.ts";
import { collect, combinations, computed, madeUp, type Native } from "./machine.ts";
import { isArray, JqError, setMember, shown } from "./values.ts";

/** Compiled patterns that are kept; programs that compute them could make any number. */
const MAX_PATTERNS = 200;
/** Longer patterns take long to compile. */
const MAX_PATTERN = 4096;

interface Pattern {
  readonly regex: RE2JS;
  /** By number of the group. */
  readonly names: readonly (string | undefined)[];
  readonly isGlobal: boolean;
  readonly skipsEmpty: boolean;
}

/** A text that was found; places in UTF-16 units. */
interface Found {
  readonly start: number;
  readonly end: number;
  /** `undefined` for one that took no part. */
  readonly groups: readonly (readonly [start: number, end: number] | undefined)[];
}

const patterns = new Map<string, Pattern>();

function patternOf(source: Value, flags: Value): Pattern {
  if (isArray(source)) return patternOf(source[0] ?? null, source[1] ?? null);
  const text = textOf(source, "cannot be matched, as it is not a string");
  const letters = flags === null ? "" : textOf(flags, "is not a string of modifiers");
  const key = `${letters}/${text}`;
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    pattern = compile(text, letters);
    patterns.set(key, pattern);
  }
  return pattern;
}

function compile(source: string, letters: string): Pattern {
  if (/[^gimnpslx]/.test(letters)) throw new JqError(`${letters} is not a valid modifier string`);
  if (source.length > MAX_PATTERN) throw new JqError("the regular expression is too long");
  // `s` says what holds anyway: ^ and $ mean the ends of the text.
  let flags = 0;
  if (letters.includes("i")) flags |= RE2JS.CASE_INSENSITIVE;
  if (letters.includes("p")) flags |= RE2JS.DOTALL;
  if (letters.includes("l")) flags |= RE2JS.LONGEST_MATCH;
  try {
    const written = letters.includes("x") ? withoutBlanks(source) : source;
    const regex = RE2JS.compile(written.replaceAll("\\h", "[0-9a-fA-F]"), flags);
    const names: (string | undefined)[] = Array.from({ length: regex.groupCount() + 1 });
    for (const [name, at] of Object.entries(regex.namedGroups())) names[at] = name;
    return {
      regex,
      names,
      isGlobal: letters.includes("g"),
      skipsEmpty: letters.includes("n"),
    };
  } catch (error) {
    if (error instanceof JqError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new JqError(`${source} (at offset 0) is not a valid regex: ${reason}`);
  }
}

/** Without blanks and comments outside of classes: RE2 has no notation for them. */
function withoutBlanks(source: string): string {
  return source.replace(
    /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|#[^\n]*|\s+/g,
    (part) => /^[#\s]/.test(part) ? "" : part,
  );
}

function* findAll(
  text: string,
  pattern: Pattern,
  isGlobal: boolean,
  budget: Budget,
): Generator<Found> {
  // A search looks at the text once.
  budget.spend(text.length * 8);
  const matcher = pattern.regex.matcher(text);
  while (matcher.find()) {
    budget.spend(64 * pattern.names.length);
    const start = matcher.start();
    const end = matcher.end();
    if (pattern.skipsEmpty && start === end) continue;
    const groups = pattern.names.slice(1).map((_name, at) => {
      const from = matcher.start(at + 1);
      return from < 0 ? undefined : [from, matcher.end(at + 1)] as const;
    });
    yield { start, end, groups };
    if (!isGlobal) return;
  }
}

/** How many characters there are between two places of a text. */
type Count = (from: number, to: number) => number;

/** In a text without characters of two units, which most are, places need no counting. */
function counter(text: string, budget: Budget): Count {
  if (!/[\ud800-\udfff]/.test(text)) return (from, to) => to - from;
  return (from, to) => {
    budget.rewrite(to - from);
    return [...text.slice(from, to)].length;
  };
}

/** jq's object of a match, with places in characters; `offset` is that of the match. */
function matchObject(
  text: string,
  found: Found,
  { names }: Pattern,
  offset: number,
  count: Count,
): Value {
  const part = (start: number, end: number) => ({
    offset: offset + count(found.start, start),
    length: count(start, end),
    string: text.slice(start, end),
  });
  return {
    ...part(found.start, found.end),
    captures: found.groups.map((group, at) => ({
      ...(group === undefined ? { offset: -1, length: 0, string: null } : part(...group)),
      name: names[at + 1] ?? null,
    })),
  };
}

const match: Native = (args, budget) => (input, path, env, emit) =>
  combinations(args, input, env, ([source, flags]) => {
    const text = subject(input);
    const pattern = patternOf(source!, flags ?? null);
    const count = counter(text, budget);
    // Matches follow one another, so what is before the last one is not counted again.
    let offset = 0;
    let counted = 0;
    for (const found of findAll(text, pattern, pattern.isGlobal, budget)) {
      offset += count(counted, found.start);
      counted = found.start;
      emit(matchObject(text, found, pattern, offset, count), madeUp(path));
    }
  });

/** The named groups of a match. */
function captureObject(text: string, found: Found, { names }: Pattern): Value {
  const made: Record<string, Value> = {};
  for (const [at, group] of found.groups.entries()) {
    const name = names[at + 1];
    if (name !== undefined) {
      setMember(made, name, group === undefined ? null : text.slice(...group));
    }
  }
  return made;
}

function subject(input: Value): string {
  if (typeof input === "string") return input;
  throw new JqError(`${shown(input)} cannot be matched, as it is not a string`);
}

/** A filter with an output for each match. */
function perMatch(
  output: (text: string, found: Found, pattern: Pattern) => Value,
  alwaysGlobal: boolean,
): Native {
  return (args, budget) => (input, path, env, emit) =>
    combinations(args, input, env, ([source, flags]) => {
      const text = subject(input);
      const pattern = patternOf(source!, flags ?? null);
      for (const found of findAll(text, pattern, alwaysGlobal || pattern.isGlobal, budget)) {
        emit(output(text, found, pattern), madeUp(path));
      }
    });
}

const test: Native = computed((input, [source, flags], budget) => {
  const text = subject(input);
  const pattern = patternOf(source!, flags ?? null);
  budget.spend(text.length * 8);
  if (!pattern.skipsEmpty) return pattern.regex.test(text);
  return !findAll(text, pattern, false, budget).next().done;
});

const split: Native = computed((input, [source, flags], budget) => {
  const text = subject(input);
  const parts: string[] = [];
  let from = 0;
  for (const { start, end } of findAll(text, patternOf(source!, flags ?? null), true, budget)) {
    parts.push(text.slice(from, start));
    from = end;
  }
  return [...parts, text.slice(from)];
});

/** `sub` and `gsub`: of several replacements each gives a text of its own. */
function replace(alwaysGlobal: boolean): Native {
  return ([source, replacement, flags], budget) => (input, path, env, emit) =>
    combinations(flags === undefined ? [source!] : [source!, flags], input, env, (values) => {
      const text = subject(input);
      const pattern = patternOf(values[0]!, values[1] ?? null);
      const made: string[] = [];
      let from = 0;
      for (const found of findAll(text, pattern, alwaysGlobal || pattern.isGlobal, budget)) {
        const between = text.slice(from, found.start);
        const before = from === 0 && made.length === 0;
        const texts = collect(replacement!, captureObject(text, found, pattern), env, budget);
        for (const [at, value] of texts.entries()) {
          const inserted = textOf(value, "cannot be added to a string");
          const start = made[at] ?? (before ? "" : text.slice(0, from));
          budget.text(start.length + between.length + inserted.length);
          made[at] = start + between + inserted;
        }
        from = found.end;
      }
      if (made.length === 0) return emit(from === 0 ? text : text.slice(from), madeUp(path));
      for (const one of made) emit(one + text.slice(from), madeUp(path));
    });
}

const CAPTURE = perMatch(captureObject, false);
const SCAN = perMatch(
  (text, { start, end, groups }) =>
    groups.length === 0
      ? text.slice(start, end)
      : groups.map((group) => group === undefined ? null : text.slice(...group)),
  true,
);

export const REGEXES: Readonly<Record<string, Native>> = {
  "test/1": test,
  "test/2": test,
  "match/1": match,
  "match/2": match,
  "capture/1": CAPTURE,
  "capture/2": CAPTURE,
  "scan/1": SCAN,
  "scan/2": SCAN,
  "split/2": split,
  "sub/2": replace(false),
  "sub/3": replace(false),
  "gsub/2": replace(true),
  "gsub/3": replace(true),
};
