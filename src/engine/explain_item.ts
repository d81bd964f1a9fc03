/**
 * Why one item of a rule holds for a value, or does not.
 */
import type { LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { isObject, type Value } from "../event/value.ts";
import type { Item, Pattern, StringToken } from "../sigma/rule.ts";
import { describeItem } from "./describe.ts";
import { plainText } from "./glob.ts";
import { compileItem, compileKeywords, type ItemTest } from "./item_test.ts";
import type { Scope } from "./pattern_test.ts";
import { RegexError } from "./regex/errors.ts";
import type { MatcherName } from "./result.ts";

export type Reason =
  | "matched"
  | "field_absent"
  | "value_mismatch"
  /** It would hold if letter case were ignored. */
  | "case_mismatch"
  /** The item asks whether the field exists. */
  | "existence"
  | "no_keyword_match";

/** One item, tried on one value. */
export interface ItemNode {
  readonly field?: string;
  readonly matcher: MatcherName;
  readonly pattern?: string;
  /** The value as the event has it. */
  readonly actual?: Value;
  readonly matched: boolean;
  readonly reason: Reason;
  readonly negated?: true;
  /** As written: `Image|endswith`. */
  readonly key: string;
  readonly line: number;
  /** The event's own name of the field, where it goes by another one. */
  readonly found_as?: string;
  /** A field of the event whose name differs only in letter case, or that lies deeper. */
  readonly similar_field?: string;
  /** For an item of several patterns: how they are joined, how many, and the first of them. */
  readonly patterns?: {
    readonly join: "any" | "all";
    readonly count: number;
    readonly first: readonly string[];
    /** What they have in common, if anything. */
    readonly matcher?: string;
  };
  /** A pattern with wildcards in the notation of rules; `pattern` is a regular expression. */
  readonly written?: { readonly matcher: string; readonly text: string };
  /** The one of several patterns that held. */
  readonly hit?: string;
  /** Those that did not hold, where all must. */
  readonly unmet?: readonly string[];
}

/** Patterns of a long list that are named in `first` and `unmet`. */
const MAX_PATTERNS = 12;
/** Names of an event that are looked through for a similar one. */
const MAX_NAMES = 5000;
const MAX_NAME_DEPTH = 32;

/** Traces items of many rules for one event at a time. */
export class ItemTracer {
  readonly #scope: Scope;
  readonly #tests = new WeakMap<Item, ItemTest>();
  readonly #caseless = new WeakMap<Item, ItemTest>();
  readonly #single = new WeakMap<Item, readonly ItemTest[]>();
  readonly #described = new WeakMap<Item, Description>();
  #event: LogEvent | undefined;
  #otherNames: ReadonlyMap<string, readonly Field[]> = new Map();
  #names: ReadonlyMap<string, string> | undefined;

  /** @param scope Answers for the event that `begin` names. */
  constructor(scope: Scope) {
    this.#scope = scope;
  }

  begin(event: LogEvent, otherNames: ReadonlyMap<string, readonly Field[]>): void {
    this.#event = event;
    this.#otherNames = otherNames;
    this.#names = undefined;
  }

  /** The name under which the event has a field that it lacks under its own. */
  foundAs(field: Field): string | undefined {
    const others = this.#otherNames.get(field.name);
    if (others === undefined || this.#event?.get(field) !== undefined) return undefined;
    return others.find((other) => this.#event?.get(other) !== undefined)?.name;
  }

  /** @param field The field of the event that `value` is of; `undefined` in an array's member. */
  trace(item: Item, value: Value | undefined, field: Field | undefined): ItemNode {
    const matched = this.#test(item)(value, undefined, this.#scope);
    const foundAs = field === undefined ? undefined : this.foundAs(field);
    const reason = this.#reason(item, value, matched);
    const similar = value === undefined && item.field !== undefined
      ? this.#similar(item.field)
      : undefined;
    const own = field === undefined ? undefined : this.#event?.get(field);
    return {
      ...this.#describe(item, true),
      ...(value === undefined ? {} : { actual: own ?? value }),
      matched,
      reason,
      ...(foundAs === undefined ? {} : { found_as: foundAs }),
      ...(similar === undefined || matched ? {} : { similar_field: similar }),
      ...this.#whichPatterns(item, value, matched),
    };
  }

  /** A keyword item; `matched` is what the engine says of it. */
  keywords(item: Item, matched: boolean): ItemNode {
    const reason = matched ? "matched" : item.negated ? "value_mismatch" : "no_keyword_match";
    const found = matched === item.negated || item.all ? undefined : this.#keywordHit(item);
    return {
      ...this.#describe(item, false),
      ...(found === undefined ? {} : { actual: found.text }),
      matched,
      reason,
      ...(found === undefined || item.patterns.length < 2 ? {} : { hit: found.pattern }),
    };
  }

  /** The first text of the event that has one of the words, and the word. */
  #keywordHit(item: Item): { readonly text: string; readonly pattern: string } | undefined {
    const tests = compileKeywords(item);
    let hit: { readonly text: string; readonly pattern: string } | undefined;
    this.#event?.someText((text) => {
      const at = tests.findIndex((test) => test(text, text.toLowerCase()));
      if (at >= 0) hit = { text, pattern: written(item.patterns[at]!).text };
      return at >= 0;
    });
    return hit;
  }

  /** @param isField Otherwise an item without a field is a keyword; here it is about a member. */
  #describe(item: Item, isField: boolean): Description {
    let description = this.#described.get(item);
    if (description === undefined) {
      description = describe(isField && item.field === undefined ? { ...item, field: "." } : item);
      this.#described.set(item, description);
    }
    return description;
  }

  #reason(item: Item, value: Value | undefined, matched: boolean): Reason {
    if (matched) return "matched";
    if (item.patterns.every((pattern) => pattern.kind === "exists")) return "existence";
    if (value === undefined) return "field_absent";
    if (item.negated) return "value_mismatch";
    return this.#holdsCaseless(item, value) ? "case_mismatch" : "value_mismatch";
  }

  #test(item: Item): ItemTest {
    let test = this.#tests.get(item);
    if (test === undefined) this.#tests.set(item, test = compileItem(item));
    return test;
  }

  #holdsCaseless(item: Item, value: Value): boolean {
    let test = this.#caseless.get(item);
    if (test === undefined) {
      const patterns = item.patterns.map(withoutCase);
      const changed = patterns.some((pattern, at) => pattern !== item.patterns[at]);
      test = changed ? compileItem({ ...item, patterns }) : () => false;
      this.#caseless.set(item, test);
    }
    try {
      return test(value, undefined, this.#scope);
    } catch (error) {
      // Ignoring case can make an expression larger than is allowed.
      if (error instanceof RegexError) return false;
      throw error;
    }
  }

  #whichPatterns(
    item: Item,
    value: Value | undefined,
    matched: boolean,
  ): Pick<ItemNode, "hit" | "unmet"> {
    if (item.patterns.length < 2 || value === undefined || item.negated) return {};
    if (matched === item.all) return {};
    const wanted = item.patterns.filter((_, at) =>
      this.#singleTests(item)[at]!(value, undefined, this.#scope) === matched
    );
    const texts = wanted.slice(0, matched ? 1 : MAX_PATTERNS).map((one) => written(one).text);
    if (texts.length === 0) return {};
    return matched ? { hit: texts[0]! } : { unmet: texts };
  }

  /** Each pattern of an item by itself. */
  #singleTests(item: Item): readonly ItemTest[] {
    let tests = this.#single.get(item);
    if (tests === undefined) {
      tests = item.patterns.map((pattern) => compileItem({ ...item, patterns: [pattern] }));
      this.#single.set(item, tests);
    }
    return tests;
  }

  #similar(name: string): string | undefined {
    this.#names ??= eventNames(this.#event?.toValue() ?? null);
    const found = this.#names.get(name.toLowerCase());
    return found === name ? undefined : found;
  }
}

type Description = Pick<
  ItemNode,
  "field" | "matcher" | "pattern" | "negated" | "key" | "line" | "written" | "patterns"
>;

function describe(item: Item): Description {
  const { matcher, pattern } = describeItem(item);
  const [only] = item.patterns;
  return {
    ...(item.field === undefined ? {} : { field: item.field }),
    matcher,
    ...(pattern === undefined ? {} : { pattern }),
    ...(item.negated ? { negated: true } : {}),
    key: item.key,
    line: item.position.line,
    ...(item.patterns.length === 1 && hasWildcard(only!)
      ? { written: written(only!) }
      : item.patterns.length > 1
      ? { patterns: joined(item) }
      : {}),
  };
}

function joined(item: Item): NonNullable<ItemNode["patterns"]> {
  const parts = item.patterns.map(written);
  const matchers = new Set(parts.map(({ matcher }) => matcher));
  const [matcher] = matchers;
  return {
    join: item.all ? "all" : "any",
    count: parts.length,
    first: parts.slice(0, MAX_PATTERNS).map(({ text }) => text),
    ...(matchers.size === 1 && item.field !== undefined ? { matcher: matcher! } : {}),
  };
}

function hasWildcard(pattern: Pattern): pattern is Pattern & { readonly kind: "string" } {
  return pattern.kind === "string" && plainText(pattern.tokens) === undefined;
}

/** A pattern as rules write it, where results make it a regular expression. */
function written(pattern: Pattern): { readonly matcher: string; readonly text: string } {
  if (hasWildcard(pattern)) {
    const dash = pattern.tokens.some(({ kind }) => kind === "dash") ? "|windash" : "";
    return { matcher: `${pattern.operator}${dash}`, text: wildcardText(pattern.tokens) };
  }
  const { matcher, pattern: text } = describeItem({
    field: ".",
    patterns: [pattern],
    all: false,
    negated: false,
    key: "",
    position: { line: 0, column: 0 },
  });
  return { matcher, text: text ?? matcher };
}

/** Backslashes are left single: this is for reading. */
function wildcardText(tokens: readonly StringToken[]): string {
  return tokens.map((token) => {
    switch (token.kind) {
      case "text":
        return token.text.replace(/[*?]/g, "\\$&");
      case "any":
        return "*";
      case "one":
        return "?";
      case "dash":
        return "-";
    }
  }).join("");
}

/** The pattern with letter case ignored; the same object if that changes nothing. */
function withoutCase(pattern: Pattern): Pattern {
  switch (pattern.kind) {
    case "string":
    case "fieldref":
    case "template":
      return pattern.cased ? { ...pattern, cased: false } : pattern;
    case "regex":
      return pattern.flags.includes("i") ? pattern : { ...pattern, flags: `i${pattern.flags}` };
    case "any": {
      const patterns = pattern.patterns.map(withoutCase);
      return patterns.every((part, at) => part === pattern.patterns[at])
        ? pattern
        : { ...pattern, patterns };
    }
    case "number":
    case "boolean":
    case "null":
    case "cidr":
    case "exists":
    case "compare":
    case "timepart":
      return pattern;
  }
}

/** Lower-case names, alone and with their path, and how the event writes them. */
function eventNames(root: Value): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const enter = (value: Value, prefix: string, depth: number): void => {
    if (depth > MAX_NAME_DEPTH || !isObject(value)) return;
    for (const [key, child] of Object.entries(value)) {
      if (names.size > MAX_NAMES) return;
      const path = prefix + key;
      if (!names.has(path.toLowerCase())) names.set(path.toLowerCase(), path);
      if (!names.has(key.toLowerCase())) names.set(key.toLowerCase(), path);
      enter(child, `${path}.`, depth + 1);
    }
  };
  enter(root, "", 0);
  return names;
}
