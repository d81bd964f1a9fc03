/**
 * Items of rules as tests of a value: several patterns, joined by "or" or "and", perhaps negated.
 */
import { scalarText, type Value } from "../event/value.ts";
import { internField } from "../event/field.ts";
import type { Item, Pattern } from "../sigma/rule.ts";
import { plainText, type TextTest } from "./glob.ts";
import { compilePattern, type PatternTest, type Scope } from "./pattern_test.ts";
import { SubstringIndex } from "./substring_index.ts";

/** Tests the value of the item's field. `undefined` is a field that the event does not have. */
export type ItemTest = (
  value: Value | undefined,
  lower: string | undefined,
  scope: Scope,
) => boolean;

/** A value that is a list is searched this deep; below, it counts as not matching. */
const MAX_ARRAY_DEPTH = 64;
/** From this many `contains` literals on, one indexed pass beats as many searches. */
const INDEXED_LITERALS = 8;
/** From this many equal literals on, a set beats comparing them in turn. */
const SET_LITERALS = 4;

/** Compiles an item that has a field, or that tests a member of an array. */
export function compileItem(item: Item): ItemTest {
  const missing = item.all
    ? item.patterns.every(holdsWhenMissing)
    : item.patterns.some(holdsWhenMissing);
  const whenMissing = item.negated ? existsOnly(item) && !missing : missing;
  const test = item.all ? compileAll(item) : compileAny(item);
  return item.negated
    ? (value, lower, scope) => value === undefined ? whenMissing : !test(value, lower, scope)
    : (value, lower, scope) => value === undefined ? whenMissing : test(value, lower, scope);
}

/** `exists` asks about the field itself, so its negation may hold without the field. */
function existsOnly(item: Item): boolean {
  return item.patterns.every((pattern) => pattern.kind === "exists");
}

function holdsWhenMissing(pattern: Pattern): boolean {
  switch (pattern.kind) {
    case "exists":
      return !pattern.expected;
    case "null":
      return true;
    case "any":
      return pattern.patterns.some(holdsWhenMissing);
    default:
      return false;
  }
}

type ValueTest = (value: Value, lower: string | undefined, scope: Scope) => boolean;

function compileAll(item: Item): ValueTest {
  const tests = item.patterns.map((pattern) => anyOf([compilePattern(pattern, item.field)]));
  return (value, lower, scope) => tests.every((test) => test(value, lower, scope));
}

function compileAny(item: Item): ValueTest {
  const { sets, rest } = gatherLiterals(item.patterns);
  return anyOf([...sets, ...rest.map((pattern) => compilePattern(pattern, item.field))]);
}

/** Replaces long lists of plain texts by one test each for equality and for containing. */
function gatherLiterals(
  patterns: readonly Pattern[],
): { readonly sets: readonly PatternTest[]; readonly rest: readonly Pattern[] } {
  const equal: string[] = [];
  const contained: string[] = [];
  const rest: Pattern[] = [];
  for (const pattern of patterns) {
    const text = pattern.kind === "string" && !pattern.cased
      ? plainText(pattern.tokens)?.toLowerCase()
      : undefined;
    const list = pattern.kind !== "string" || text === undefined
      ? undefined
      : pattern.operator === "equals"
      ? equal
      : pattern.operator === "contains"
      ? contained
      : undefined;
    if (list === undefined) rest.push(pattern);
    else list.push(text!);
  }
  const sets: PatternTest[] = [];
  if (equal.length > 0) sets.push({ kind: "text", lower: true, test: equalTest(equal) });
  if (contained.length > 0) sets.push({ kind: "text", lower: true, test: containsTest(contained) });
  return { sets, rest };
}

function equalTest(literals: readonly string[]): TextTest {
  if (literals.length < SET_LITERALS) return (text) => literals.includes(text);
  const set = new Set(literals);
  return (text) => set.has(text);
}

function containsTest(literals: readonly string[]): TextTest {
  if (literals.length === 1) {
    const [literal] = literals;
    return (text) => text.includes(literal!);
  }
  if (literals.length < INDEXED_LITERALS) {
    return (text) => {
      for (const literal of literals) if (text.includes(literal)) return true;
      return false;
    };
  }
  // Built when the item is first evaluated: most items of a rule set never are.
  let index: SubstringIndex | undefined;
  return (text) => (index ??= new SubstringIndex(literals)).test(text);
}

/** Joins tests by "or", sorted by what they look at, so that a plain string takes the short way. */
function anyOf(tests: readonly PatternTest[]): ValueTest {
  const flat = tests.flatMap(flatten);
  const lowered: TextTest[] = [];
  const raw: TextTest[] = [];
  const scalars: ((value: Value, scope: Scope) => boolean)[] = [];
  const wholes: ((value: Value, scope: Scope) => boolean)[] = [];
  for (const test of flat) {
    if (test.kind === "whole") wholes.push(test.test);
    else if (test.kind === "scalar") scalars.push(test.test);
    else if (test.kind === "text") (test.lower ? lowered : raw).push(test.test);
  }

  const scalarTest = (value: Value, lower: string | undefined, scope: Scope): boolean => {
    const text = typeof value === "string" ? value : scalarText(value);
    if (text !== undefined) {
      if (lowered.length > 0) {
        const folded = lower ?? text.toLowerCase();
        for (const test of lowered) if (test(folded)) return true;
      }
      for (const test of raw) if (test(text)) return true;
    }
    for (const test of scalars) if (test(value, scope)) return true;
    return false;
  };
  const memberTest = (value: Value, scope: Scope, depth: number): boolean => {
    if (!Array.isArray(value)) return scalarTest(value, undefined, scope);
    if (depth > MAX_ARRAY_DEPTH) return false;
    for (const member of value as readonly Value[]) {
      if (memberTest(member, scope, depth + 1)) return true;
    }
    return false;
  };
  return (value, lower, scope) => {
    for (const test of wholes) if (test(value, scope)) return true;
    return typeof value === "string"
      ? scalarTest(value, lower, scope)
      : memberTest(value, scope, 0);
  };
}

function flatten(test: PatternTest): readonly PatternTest[] {
  return test.kind === "any" ? test.tests.flatMap(flatten) : [test];
}

/**
 * What `exists` without a field says, whatever the event: a field without a name is never there.
 *
 * @returns `undefined` for all other items.
 */
export function existsWithoutField(item: Item): boolean | undefined {
  const [pattern] = item.patterns;
  if (item.field !== undefined || item.patterns.length !== 1) return undefined;
  return pattern?.kind === "exists" ? pattern.expected === item.negated : undefined;
}

/** Tests the text of one leaf; without `scope` what compares with other fields does not hold. */
export type KeywordTest = (text: string, lower: string, scope?: Scope) => boolean;

/** Tests for a keyword item, one a pattern. */
export function compileKeywords(item: Item): readonly KeywordTest[] {
  return item.patterns.map((pattern) => {
    const test = anyOf([compilePattern(asKeyword(pattern), undefined)]);
    return (text, lower, scope = NO_SCOPE) => test(text, lower, scope);
  });
}

const NO_SCOPE: Scope = { value: () => undefined };

/** A keyword is looked for inside the text, whatever its type. */
export function asKeyword(pattern: Pattern): Pattern {
  switch (pattern.kind) {
    case "string":
      return pattern.operator === "equals" ? { ...pattern, operator: "contains" } : pattern;
    case "number":
      return keywordText(pattern.text);
    case "boolean":
      return keywordText(String(pattern.value));
    case "any":
      return { kind: "any", patterns: pattern.patterns.map(asKeyword) };
    default:
      return pattern;
  }
}

function keywordText(text: string): Pattern {
  return {
    kind: "string",
    operator: "contains",
    tokens: [{ kind: "text", text }],
    cased: false,
  };
}

/** The field of an item, interned. */
export function itemField(item: Item) {
  return item.field === undefined ? undefined : internField(item.field);
}
