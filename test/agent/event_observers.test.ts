import assert from "node:assert/strict";
import { test } from "node:test";
import { PrometheusMetrics } from "../../src/admin/prometheus.ts";
import { schemaReport, suggestionReport } from "../../src/admin/observer_view.ts";
import { EventObservers } from "../../src/agent/event_observers.ts";
import { jsonEvent } from "../arbitraries/schema_event.ts";
import { collectionOf } from "../support/rules.ts";

const RULES = collectionOf(`title: Any
detection: {selection: {CommandLine: x}, condition: selection}
---
title: Windows
logsource: {product: windows}
detection: {selection: {CommandLine: x}, condition: selection}
---
title: Linux
logsource: {product: linux}
detection: {selection: {CommandLine: x}, condition: selection}
`);

function make(schema: { observe?: boolean; discover?: boolean; routing?: boolean } = {}) {
  const clock = { now: 1000 };
  const observers = new EventObservers(
    {
      observeFields: { enabled: true, maxKeys: 3 },
      schema: { observe: true, discover: false, routing: false, partitionRules: false, ...schema },
    },
    0,
    () => clock.now,
  );
  observers.use({ routing: schema.routing ?? false });
  return { clock, observers, view: observers.view(() => RULES, () => true) };
}

const SYSMON = jsonEvent({ Provider_Name: "Microsoft-Windows-Sysmon", CommandLine: "x" });

test("nothing is observed unless it is asked for", () => {
  const off = new EventObservers(
    {
      observeFields: { enabled: false, maxKeys: 3 },
      schema: { observe: false, discover: false, routing: false, partitionRules: false },
    },
    0,
    () => 0,
  );
  assert.equal(off.observe, undefined);
  const view = off.view(() => RULES, () => true);
  assert.equal(view.fields(), undefined);
  assert.equal(view.schemas(), undefined);
  assert.equal(view.suggestions(), undefined);
  assert.equal(view.resetFields(), undefined);
  assert.equal(make().view.suggestions(), undefined, "discovery is a choice of its own");
});

test("fields and schemas are told of with the rules they meet", () => {
  const { clock, observers, view } = make({ routing: true });
  observers.observe!(SYSMON);
  observers.observe!(jsonEvent({ foo: 1, bar: 2 }));
  clock.now = 4000;
  const fields = view.fields()!;
  assert.equal(fields.summary.overflow_dropped, 1);
  assert.equal(fields.summary.uptime_seconds, 4);
  assert.equal(fields.summary.intersection_count, 1);
  const schemas = schemaReport.parse(view.schemas());
  assert.deepEqual(schemas.by_schema, [
    { schema: "generic_json", count: 1 },
    { schema: "sysmon", count: 1 },
  ]);
  assert.deepEqual(schemas.routing_pruning, [
    { schema: "generic_json", eligible: 3, pruned: 0 },
    { schema: "sysmon", eligible: 2, pruned: 1 },
  ]);
  assert.deepEqual(view.resetFields(), { keys: 3, events: 2 });
  assert.deepEqual(view.resetSchemas(), { classified: 2, unknown: 0 });
  clock.now = 5000;
  assert.equal(view.fields()?.summary.uptime_seconds, 1);
  assert.equal(view.schemas()?.summary.events_observed, 0);
});

// daemon.md 73, 78 and metric rows 44 to 54: a reset stalls no counter.
test("metrics go on where a reset has begun anew", async () => {
  const { observers, view } = make({ routing: true });
  const metrics = new PrometheusMetrics();
  metrics.onScrape(() => ({
    sinks: [],
    inputs: [],
    tlsExpiresMs: undefined,
    observed: observers.facts(RULES.rules, true),
  }));
  const value = async (line: string): Promise<number> => {
    const text = await metrics.metrics();
    const found = text.split("\n").find((one) => one.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1));
  };
  const sysmon = 'picket_events_by_schema_total{schema="sysmon"}';
  observers.observe!(SYSMON);
  observers.observe!(jsonEvent({}));
  assert.equal(await value(sysmon), 1);
  assert.equal(await value("picket_events_unknown_schema_total"), 1);
  assert.equal(await value("picket_fields_observed_total"), 2);
  assert.equal(await value("picket_fields_observer_unique_keys"), 2);
  assert.equal(await value('picket_schema_rules_eligible{schema="sysmon"}'), 2);
  assert.equal(await value('picket_schema_rules_pruned{schema="sysmon"}'), 1);
  view.resetSchemas();
  view.resetFields();
  assert.equal(await value(sysmon), 1);
  observers.observe!(SYSMON);
  assert.equal(await value(sysmon), 2);
  assert.equal(await value("picket_fields_observed_total"), 3);
  observers.routing.dropped = 4;
  assert.equal(await value('picket_events_refused_by_schema_total{action="drop"}'), 4);
});

test("suggestions are worked out from what has no schema", () => {
  const { clock, observers, view } = make({ discover: true });
  for (let at = 0; at < 3; at++) observers.observe!(jsonEvent({ badge: at, door: at }));
  const first = suggestionReport.parse(view.suggestions());
  assert.deepEqual(first.summary, { events_mined: 3, shapes: 1, clusters: 1, candidates: 1 });
  assert.equal(first.candidates[0]!.source, "keys-only");
  assert.match(first.signatures_yaml, /field_present: badge/);
  observers.observe!(jsonEvent({ badge: 1, door: 1 }));
  clock.now += 60_000;
  assert.equal(view.suggestions()?.summary.events_mined, 4);
});

test("another schema file is in force as soon as the rules are", () => {
  const { observers, view } = make();
  const text = "schemas: [{name: doors, match: [{field_present: badge}]}]";
  observers.use({ routing: false, file: { path: "s.yml", text } });
  observers.observe!(jsonEvent({ badge: 1 }));
  assert.deepEqual(view.schemas()?.by_schema, [{ schema: "doors", count: 1 }]);
});
