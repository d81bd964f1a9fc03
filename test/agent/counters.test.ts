import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LagSamples, RateCounter, RuleCounters } from "../../src/agent/counters.ts";
import type { DetectionResult } from "../../src/engine/result.ts";

test("RateCounter approaches a steady rate within some of its minutes", () => {
  const counter = new RateCounter(0);
  let nowMs = 0;
  for (let second = 0; second < 3600; second++) {
    counter.add(50);
    counter.rates(nowMs += 1000);
  }
  const { m1, m5, m15 } = counter.rates(nowMs);
  for (const rate of [m1, m5, m15]) assert.ok(Math.abs(rate - 50) < 1, `${rate}`);
  assert.equal(counter.total, 180_000);
  const later = counter.rates(nowMs + 10 * 60_000);
  assert.ok(
    later.m1 < 0.01 && later.m15 > 20,
    "a pause shows at once in one minute, late in fifteen",
  );
});

test("RateCounter gives rates between zero and the fastest moment", () => {
  const step = fc.record({ add: fc.nat(1000), ms: fc.integer({ min: 1, max: 100_000 }) });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const counter = new RateCounter(0);
    let nowMs = 0;
    let fastest = 0;
    let added = 0;
    let since = 0;
    for (const { add, ms } of steps) {
      counter.add(add);
      added += add;
      nowMs += ms;
      if (nowMs - since >= 1000) {
        fastest = Math.max(fastest, added / ((nowMs - since) / 1000));
        added = 0;
        since = nowMs;
      }
      for (const rate of Object.values(counter.rates(nowMs))) {
        assert.ok(rate >= 0 && rate <= fastest + 1e-9);
      }
    }
  }));
});

test("LagSamples gives the median of the last minute", () => {
  const lag = new LagSamples();
  assert.equal(lag.median(0), null);
  for (const [seconds, atMs] of [[100, 0], [1, 50_000], [2, 60_000], [-3, 100_000]] as const) {
    lag.add(seconds, atMs);
  }
  assert.equal(lag.median(100_000), 1);
  assert.equal(lag.median(1_000_000), null);
});

test("RuleCounters counts by id, by title where there is none, and tells the busiest", () => {
  const result = (title: string, id: string | null): DetectionResult => ({
    rule_title: title,
    rule_id: id,
    level: "low",
    tags: [],
    matched_selections: [],
    matched_fields: [],
  });
  const counters = new RuleCounters();
  counters.count([result("A", "a"), result("B", null)], 5);
  counters.count([result("B", null)], 9);
  assert.equal(counters.matches, 3);
  assert.deepEqual(counters.get("a"), { title: "A", level: "low", matches: 1, lastMs: 5 });
  const [busiest] = counters.top(1);
  assert.deepEqual([busiest?.[1].title, busiest?.[1].lastMs], ["B", 9]);
});
