import assert from "node:assert/strict";
import { test } from "node:test";
import process from "node:process";
import fc from "fast-check";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { eventValue, rule } from "../arbitraries/sigma_rule.ts";

// The number of runs can be raised for a long search: PICKET_RUNS=100000.
const RUNS = Number(process.env["PICKET_RUNS"] ?? "1500");

for (const logsourceRouting of [true, false]) {
  test(`RuleEngine.match() finds what the naive evaluator finds, routing ${logsourceRouting}`, () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        fc.array(eventValue, { minLength: 1, maxLength: 4 }),
        (rules, values) => {
          const indexed = new RuleEngine(rules, { logsourceRouting });
          const naive = new RuleEngine(rules, { logsourceRouting, index: false });
          for (const value of values) {
            const event = decodeJson(jsonText(value));
            assert.deepEqual([...indexed.match(event)], [...naive.match(event)], jsonText(value));
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
}

test("RuleEngine.evaluate() names selections and builds a result for each match", () => {
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 3 }), eventValue, (rules, value) => {
      const engine = new RuleEngine(rules, { matchDetail: "full", includeEvent: true });
      const event = decodeJson(jsonText(value));
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
