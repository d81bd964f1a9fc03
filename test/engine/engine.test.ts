import assert from "node:assert/strict";
import { test } from "node:test";
import process from "node:process";
import fc from "fast-check";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { ImpliedLogsource, LogEvent } from "../../src/event/event.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { eventJson, rule, shownRule } from "../arbitraries/sigma_rule.ts";

// The number of runs can be raised for a long search: PICKET_RUNS=200000.
const RUNS = Number(process.env["PICKET_RUNS"] ?? "1500");

/** What programs tell of the logsource of their events. */
const IMPLIED: readonly (ImpliedLogsource | undefined)[] = [
  undefined,
  { product: "linux" },
  { product: "windows", services: new Set(["security"]), categories: new Set() },
  { categories: new Set(["process_creation", "proxy"]) },
  { isText: true },
];

/**
 * The event with what its writer tells of its logsource and, if `spelled`, its `User` with a second
 * spelling, as a GUID from an EVTX file has one.
 */
function dressed(
  event: LogEvent,
  spelled: boolean,
  logsource: ImpliedLogsource | undefined,
): LogEvent {
  const told = logsource === undefined ? {} : { logsource };
  if (!spelled) {
    return Object.assign(event, told);
  }
  return {
    ...told,
    get: (field) => event.get(field),
    alternateText: (field) => {
      const value = field.name === "User" ? event.get(field) : undefined;
      return typeof value === "string" ? `{${value.toLowerCase()}}` : undefined;
    },
    someText: (visit) => event.someText(visit),
    mayContain: (gate) => event.mayContain?.(gate) ?? true,
    toValue: () => event.toValue(),
  };
}

/**
 * Rules for fields that no event has: with so many, rules that name no event id get a partition of
 * their own, and fields are probed by the keys of the event.
 */
const FILLERS: readonly DetectionRule[] = Array.from({ length: 120 }, (_, number) => {
  const text = `title: Filler ${number}\ndetection:\n  s: {Filler${number}: x}\n  condition: s\n`;
  return parseRules(text, "filler.yml").rules[0]!;
});

/** What a failed run is about: the event, and of each rule that only one side found what matters. */
function difference(
  rules: readonly DetectionRule[],
  json: string,
  indexed: readonly number[],
  naive: readonly number[],
): string {
  const lines = rules.flatMap((one, number) => {
    const found = indexed.includes(number);
    if (found === naive.includes(number)) return [];
    return [`rule ${number}, ${found ? "index" : "naive"} alone: ${shownRule(one)}`];
  });
  return [`event ${json}`, ...lines].join("\n");
}

for (const logsourceRouting of [true, false]) {
  test(`RuleEngine.match() finds what the naive evaluator finds, routing ${logsourceRouting}`, () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        fc.array(eventJson, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(...IMPLIED),
        (own, events, spelled, many, implied) => {
          const rules = many ? [...own, ...FILLERS] : own;
          const indexed = new RuleEngine(rules, { logsourceRouting });
          const naive = new RuleEngine(rules, { logsourceRouting, index: false });
          for (const json of events) {
            const event = dressed(decodeJson(json), spelled, implied);
            const found = [...indexed.match(event)];
            const expected = [...naive.match(event)];
            assert.deepEqual(found, expected, difference(rules, json, found, expected));
          }
        },
      ),
      { numRuns: RUNS, includeErrorInReport: true },
    );
  });
}

test("RuleEngine.evaluate() names selections and builds a result for each match", () => {
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 3 }), eventJson, (rules, json) => {
      const engine = new RuleEngine(rules, { matchDetail: "full", includeEvent: true });
      const event = decodeJson(json);
      const results = engine.evaluate(event);
      assert.equal(results.length, engine.lastMatched.length);
      for (const result of results) {
        assert.equal(result.rule_title, "generated");
        assert.equal(new Set(result.matched_selections).size, result.matched_selections.length);
        assert.equal(jsonText(result.event), jsonText(event.toValue()));
      }
    }),
  );
});
