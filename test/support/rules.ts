/**
 * From the text of rules to what the engine says of an event, asked in every way there is to ask.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJson } from "../../src/decode/json.ts";
import { type EngineOptions, RuleEngine } from "../../src/engine/engine.ts";
import { checkRegex } from "../../src/engine/regex/compile.ts";
import type { DetectionResult } from "../../src/engine/result.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { type ParseOptions, parseRules } from "../../src/sigma/parse.ts";
import type { DetectionRule, RuleCollection } from "../../src/sigma/rule.ts";

/** The rules of one file, filters bound, whatever is wrong with some of them. */
export function collectionOf(text: string, options: ParseOptions = {}): RuleCollection {
  return assembleRules([parseRules(text, "r.yml", { checkRegex, ...options })]);
}

/** The rules of one file that must have no error. */
export function rulesOf(text: string, options: ParseOptions = {}): readonly DetectionRule[] {
  const { rules, problems } = collectionOf(text, options);
  const errors = problems.filter(({ severity }) => severity === "error");
  assert.deepEqual(errors.map(({ message }) => message), [], text);
  return rules;
}

/** `code` of each error of the file. */
export function errorCodes(text: string, options: ParseOptions = {}): readonly string[] {
  return collectionOf(text, options).problems
    .filter(({ severity }) => severity === "error").map(({ code }) => code);
}

/** A rule with the given selections and condition, each as YAML in flow style or on one line. */
export function ruleText(
  selections: Readonly<Record<string, string>>,
  condition: string,
  more = "",
): string {
  const lines = Object.entries(selections).map(([name, value]) => `  ${name}:\n    ${value}\n`);
  return `title: T\n${more}detection:\n${lines.join("")}  condition: ${condition}\n`;
}

/** A rule whose only selection `sel` is `body`: a mapping entry, or any other YAML. */
export function selectionRule(body: string, more = ""): string {
  return ruleText({ sel: body }, "sel", more);
}

/** An event: a JSON value, JSON text as it would stand in a log, or one made elsewhere. */
export type EventSource = Value | { readonly json: string } | { readonly event: LogEvent };

export function eventOf(source: EventSource): LogEvent {
  if (typeof source === "object" && source !== null && !Array.isArray(source)) {
    if ("json" in source && typeof source.json === "string" && Object.keys(source).length === 1) {
      return decodeJson(source.json);
    }
    if ("event" in source && typeof (source as { event: unknown }).event === "object") {
      const { event } = source as { event: LogEvent };
      if (typeof event.get === "function") return event;
    }
  }
  return decodeJson(jsonText(source));
}

/**
 * The results of `rules` on one event. Index and naive evaluator must agree, and, unless the rules
 * have a logsource, routing must make no difference.
 */
export function resultsOf(
  rules: readonly DetectionRule[],
  source: EventSource,
  options: EngineOptions = {},
): readonly DetectionResult[] {
  const results = new RuleEngine(rules, options).evaluate(eventOf(source));
  const naive = new RuleEngine(rules, { ...options, index: false }).evaluate(eventOf(source));
  assert.deepEqual(naive, results, "the naive evaluator disagrees");
  const routed = rules.some(({ logsource: { category, product, service } }) =>
    category !== undefined || product !== undefined || service !== undefined
  );
  if (!routed) {
    const logsourceRouting = !(options.logsourceRouting ?? true);
    const other = new RuleEngine(rules, { ...options, logsourceRouting }).evaluate(eventOf(source));
    assert.deepEqual(other, results, "routing makes a difference");
  }
  return results;
}

/** How many of the rules in `text` match the event. */
export function matchCount(
  text: string,
  source: EventSource,
  options: ParseOptions = {},
): number {
  return resultsOf(rulesOf(text, options), source).length;
}

/** Stands for an event without the field that a row is about. */
export const MISSING = Symbol("missing");

/** Values of the field `F`, or `MISSING`, and whether the selection matches an event with it. */
export type FieldRow = readonly [
  selection: string,
  ...outcomes: readonly (readonly [value: Value | typeof MISSING, matches: boolean])[],
];

/** Registers a test a row. `options` and `more` (lines of YAML before `detection`) go for all. */
export function testFieldRows(
  section: string,
  rows: readonly FieldRow[],
  options: ParseOptions = {},
  more = "",
): void {
  for (const [selection, ...outcomes] of rows) {
    test(`${section}: ${selection}`, () => {
      const rules = rulesOf(selectionRule(selection, more), options);
      for (const [value, matches] of outcomes) {
        const event: Value = value === MISSING ? { other: "F" } : { F: value as Value };
        const shown = value === MISSING ? "missing" : jsonText(value);
        assert.equal(resultsOf(rules, event).length, matches ? 1 : 0, shown);
      }
    });
  }
}

/** Whole events, and whether the selection matches them. */
export type EventRow = readonly [
  selection: string,
  ...outcomes: readonly (readonly [event: EventSource, matches: boolean])[],
];

/** As `testFieldRows`, with whole events. */
export function testEventRows(
  section: string,
  rows: readonly EventRow[],
  options: ParseOptions = {},
  more = "",
): void {
  for (const [selection, ...outcomes] of rows) {
    test(`${section}: ${selection}`, () => {
      const rules = rulesOf(selectionRule(selection, more), options);
      for (const [event, matches] of outcomes) {
        const shown = jsonText(eventOf(event).toValue());
        assert.equal(resultsOf(rules, event).length, matches ? 1 : 0, shown);
      }
    });
  }
}
