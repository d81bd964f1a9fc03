/**
 * Filters of sinks, compiled. They are applied when an alert is committed, so what a sink does not
 * want never stands in its queue.
 */
import { compileTokens, type TextTest } from "../engine/glob.ts";
import type { AlertKind } from "../runtime/alert.ts";
import { severityOf } from "../runtime/alert.ts";
import type { SinkFilter } from "../runtime/outbox.ts";
import type { Level, StringToken } from "../sigma/rule.ts";
import { DamageError } from "./sqlite_errors.ts";

/** What a filter looks at. */
export interface FilterSubject {
  readonly kind: AlertKind;
  readonly level: Level | null;
  readonly ruleId: string | null;
  readonly ruleTitle: string;
}

export type AlertTest = (subject: FilterSubject) => boolean;

/** Compiles a filter; every part of it has to hold. */
export function compileFilter(filter: SinkFilter): AlertTest {
  const tests: AlertTest[] = [];
  const { minLevel, kinds = [], rules = [], excludeRules = [] } = filter;
  if (minLevel !== undefined) {
    const lowest = severityOf(minLevel);
    tests.push(({ level }) => severityOf(level) >= lowest);
  }
  if (kinds.length > 0) tests.push(({ kind }) => kinds.includes(kind));
  if (rules.length > 0) tests.push(ruleTest(rules));
  if (excludeRules.length > 0) {
    const excluded = ruleTest(excludeRules);
    tests.push((subject) => !excluded(subject));
  }
  return (subject) => tests.every((test) => test(subject));
}

/** Equal text for equal filters, whatever the order of their members. */
export function filterText({ minLevel, kinds, rules, excludeRules }: SinkFilter): string {
  return JSON.stringify({ minLevel, kinds, rules, excludeRules });
}

/** Reads what `filterText` wrote. */
export function parseFilter(text: string): SinkFilter {
  try {
    return JSON.parse(text) as SinkFilter;
  } catch (error) {
    throw new DamageError("the filter of a sink is no JSON", { cause: error });
  }
}

function ruleTest(patterns: readonly string[]): AlertTest {
  const tests = patterns.map(compileGlob);
  return ({ ruleId, ruleTitle }) => {
    const title = ruleTitle.toLowerCase();
    const id = ruleId?.toLowerCase();
    return tests.some((test) => test(title) || (id !== undefined && test(id)));
  };
}

function compileGlob(pattern: string): TextTest {
  const tokens = pattern.split(/([*?])/).filter((part) => part !== "").map((part): StringToken => {
    if (part === "*") return { kind: "any" };
    return part === "?" ? { kind: "one" } : { kind: "text", text: part };
  });
  return compileTokens(tokens, "equals", true);
}
