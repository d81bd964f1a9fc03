import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldReport, ruleFieldTable } from "../../src/runtime/field_report.ts";
import { FieldObserver } from "../../src/schema/field_observer.ts";
import { jsonEvent } from "../arbitraries/schema_event.ts";
import { collectionOf } from "../support/rules.ts";

const RULES = collectionOf(`title: One
id: 00000000-0000-4000-8000-000000000001
fields: [ParentUser]
detection:
  selection: {CommandLine|contains: x, Image|endswith: y}
  condition: selection
---
title: Two
detection: {selection: {CommandLine: x, ProviderName: z}, condition: selection}
---
title: Counted
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [User]
  timespan: 1h
  condition: {gte: 3}
`);

// inputs.md, section 17; daemon.md 70 and 3.16.
test("fieldReport() joins what events have with what rules ask for", () => {
  const observer = new FieldObserver();
  observer.observe(jsonEvent({ CommandLine: "a", Extra: 1, _raw: "x", User: "u" }));
  observer.observe(jsonEvent({ NewProcessName: "c", Provider_Name: "p", Extra: 2, Rare: 1 }));
  const { summary, unknown, missing } = fieldReport(
    observer.snapshot(),
    ruleFieldTable(RULES),
    12.5,
  );
  assert.deepEqual(summary, {
    events_observed: 2,
    unique_keys_observed: 7,
    rule_fields_loaded: 5,
    overflow_dropped: 0,
    max_keys: 10_000,
    uptime_seconds: 12.5,
    // `Image` is answered by `NewProcessName`, `ProviderName` by `Provider_Name`.
    intersection_count: 4,
    unknown_count: 2,
    missing_count: 1,
  });
  assert.deepEqual(unknown, [{ field: "Extra", count: 2 }, { field: "Rare", count: 1 }]);
  assert.deepEqual(missing, [{
    field: "ParentUser",
    rule_count: 1,
    sources: ["metadata"],
    rule_titles: ["One"],
    truncated: false,
  }]);
});

test("ruleFieldTable() counts rules, names where the field stands, and keeps ten titles", () => {
  const many = Array.from(
    { length: 12 },
    (_, at) => `title: R${at}\ndetection: {s: {F: x}, condition: s}\n`,
  ).join("---\n");
  const table = ruleFieldTable(collectionOf(many));
  assert.equal(table.get("F")?.ruleCount, 12);
  assert.equal(table.get("F")?.titles.length, 10);
  assert.equal(fieldReport(new FieldObserver().snapshot(), table, 0).missing[0]?.truncated, true);
  assert.deepEqual(ruleFieldTable(RULES).get("User")?.origins, ["correlation"]);
});
