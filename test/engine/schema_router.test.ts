import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RuleEngine } from "../../src/engine/engine.ts";
import { compileRegex } from "../../src/engine/regex/compile.ts";
import { mergeLogsources, SchemaRouter, SchemaRoutes } from "../../src/engine/schema_router.ts";
import { openEvaluator, schemaRoutes } from "../../src/runtime/schema_routing.ts";
import { parseSchemaConfig, UNKNOWN_POLICIES } from "../../src/schema/config.ts";
import { SchemaError } from "../../src/schema/errors.ts";
import { jsonEvent, schemaEvent } from "../arbitraries/schema_event.ts";
import { rulesOf } from "../support/rules.ts";

function configOf(text: string) {
  return parseSchemaConfig(text, "s.yml", (source) => compileRegex(source, ""));
}

function routesOf(text: string): SchemaRoutes {
  return new SchemaRoutes(configOf(text));
}

const ECS = jsonEvent({ ecs: { version: "8" }, foo: "bar" });
const ECS_WINDOWS = jsonEvent({ ecs: { version: "8" }, winlog: { channel: "x" }, foo: "bar" });
const OCSF = jsonEvent({ class_uid: 1, metadata: { version: "1" }, foo: "bar" });
const UNKNOWN = jsonEvent({});

// inputs.md, 14.2 and 19 (73, 74): routing, event, set, logsource.
test("events go to the set of their schema, of its canonical one, or to the default", () => {
  const routes = routesOf(`
routing:
  default_pipelines: [base]
  bindings:
    - {schema: ecs, pipelines: [ecs_map]}
    - {schema: ecs_linux, pipelines: [base]}
    - {schema: ocsf, pipelines: [ecs_map], logsource: {product: Mac}}
`);
  assert.deepEqual(routes.sets, [["base"], ["ecs_map"]], "equal lists are one set");
  const { classifier } = routes;
  const at = (event: typeof ECS) => routes.route(classifier.classify(event));
  assert.deepEqual([at(ECS).set, at(ECS).logsource], [1, undefined]);
  assert.deepEqual([at(ECS_WINDOWS).set, at(ECS_WINDOWS).logsource], [1, { product: "windows" }]);
  const linux = jsonEvent({ ecs: { version: "8" }, os: { type: "linux" } });
  assert.deepEqual([at(linux).set, at(linux).logsource], [0, { product: "linux" }]);
  assert.deepEqual([at(OCSF).set, at(OCSF).logsource], [1, { product: "mac" }]);
  const sysmon = jsonEvent({ Provider_Name: "Microsoft-Windows-Sysmon" });
  assert.deepEqual(at(sysmon), {
    action: "evaluate",
    set: 0,
    logsource: { product: "windows", service: "sysmon" },
    isUnknown: false,
  });
});

const RULES = rulesOf(`title: Any
detection: {selection: {foo: bar}, condition: selection}
---
title: Windows
logsource: {product: windows}
detection: {selection: {foo: bar}, condition: selection}
---
title: Linux
logsource: {product: linux}
detection: {selection: {foo: bar}, condition: selection}
---
title: Empty
detection: {selection: {foo: null}, condition: selection}
`);

// inputs.md, 14.2 and 19 (75): policy, whether evaluated, dropped, errors.
const POLICIES = [
  ["warn", true, 0, 0],
  ["passthrough", true, 0, 0],
  ["drop", false, 1, 0],
  ["error", false, 0, 1],
] as const;

for (const [policy, isEvaluated, dropped, errors] of POLICIES) {
  test(`events of no schema under ${policy}, from the file or from a flag`, () => {
    const text = `routing: {on_unknown: ${policy}}`;
    const other = UNKNOWN_POLICIES.find((one) => one !== policy)!;
    for (
      const evaluator of [
        openEvaluator(RULES, {}, { file: { path: "s", text } }),
        openEvaluator(RULES, {}, { onUnknown: policy }),
        openEvaluator(RULES, {}, {
          file: { path: "s", text: `routing: {on_unknown: ${other}}` },
          onUnknown: policy,
        }),
      ]
    ) {
      assert.ok(evaluator instanceof SchemaRouter);
      const titles = evaluator.evaluate(UNKNOWN).map(({ rule_title }) => rule_title);
      assert.deepEqual(titles, isEvaluated ? ["Empty"] : []);
      assert.deepEqual(evaluator.tally, { unknown: 1, dropped, errors });
      assert.equal(evaluator.lastRefusal !== undefined, policy === "error");
      evaluator.evaluate(ECS);
      assert.equal(evaluator.lastRefusal, undefined);
      assert.equal(evaluator.tally.unknown, 1);
    }
  });
}

// inputs.md, 14.5 and 15.
test("a schema tells the logsource where nothing else does", () => {
  const titles = (event: typeof ECS, logsource?: { product: string }) =>
    openEvaluator(RULES, {}, {}).evaluate(event, logsource).map(({ rule_title }) => rule_title);
  assert.deepEqual(titles(ECS), ["Any", "Windows", "Linux"]);
  assert.deepEqual(titles(ECS_WINDOWS), ["Any", "Windows"]);
  assert.deepEqual(titles(ECS_WINDOWS, { product: "linux" }), ["Any", "Linux"]);
  const fields = openEvaluator(RULES, { logsourceFields: { product: "os" } }, {});
  const told = jsonEvent({
    ecs: { version: "8" },
    winlog: { channel: "x" },
    os: "Linux",
    foo: "bar",
  });
  assert.deepEqual(fields.evaluate(told).map(({ rule_title }) => rule_title), ["Any", "Linux"]);
  const stated = openEvaluator(RULES, { logsource: { product: "linux" } }, {});
  assert.deepEqual(stated.evaluate(ECS_WINDOWS).map(({ rule_title }) => rule_title), [
    "Any",
    "Linux",
  ]);
  const off = openEvaluator(RULES, { logsourceRouting: false }, {});
  assert.equal(off.evaluate(ECS_WINDOWS).length, 3);
});

test("mergeLogsources() fills what is not stated, each dimension by itself", () => {
  assert.deepEqual(
    mergeLogsources(
      { product: "a", service: "b", custom: { x: "1", y: "2" } },
      { service: "c", custom: { y: "3" } },
    ),
    { product: "a", service: "c", custom: { x: "1", y: "3" } },
  );
});

// inputs.md, 14.3.
test("rules are dealt out by product to sets whose schemas all have one", () => {
  const routes = routesOf(`
routing:
  bindings:
    - {schema: sysmon, pipelines: [p]}
    - {schema: ecs, pipelines: [q]}
`);
  assert.equal(routes.rulesFor(0, RULES), undefined);
  assert.deepEqual(routes.rulesFor(1, RULES), [0, 1, 3]);
  assert.equal(routes.rulesFor(2, RULES), undefined, "ecs itself implies none");
});

test("SchemaRouter numbers rules as set 0 does, whatever its other sets lack", () => {
  const routes = routesOf("routing: {bindings: [{schema: sysmon, pipelines: [p]}]}");
  const numbers = [0, 1];
  const router = new SchemaRouter(routes, [
    { engine: new RuleEngine(RULES) },
    { engine: new RuleEngine(numbers.map((number) => RULES[number]!)), numbers },
  ]);
  const sysmon = jsonEvent({ Provider_Name: "Microsoft-Windows-Sysmon", foo: "bar" });
  assert.deepEqual(router.match(sysmon), [0, 1]);
  assert.deepEqual(router.evaluate(sysmon).map(({ rule_title }) => rule_title), ["Any", "Windows"]);
  assert.deepEqual(router.lastMatched, [0, 1]);
  assert.deepEqual(router.applied(), [true, true, false, false]);
  assert.deepEqual(router.match(ECS), [0, 1, 2]);
  assert.throws(() => new SchemaRouter(routes, []), RangeError);
});

test("pipelines are refused with their line until there are some", () => {
  const text = "routing:\n  bindings:\n    - {schema: ecs, pipelines: [ecs_windows]}\n";
  assert.throws(() => schemaRoutes({ file: { path: "s.yml", text } }), (error) => {
    assert.ok(error instanceof SchemaError);
    assert.match(error.message, /s\.yml:3: pipeline 'ecs_windows': pipelines are not available/);
    return true;
  });
  const own = "routing: {default_pipelines: [x]}";
  assert.throws(
    () => openEvaluator(RULES, {}, { file: { path: "s.yml", text: own } }),
    SchemaError,
  );
  const empty = "routing: {bindings: [{schema: ecs, pipelines: []}, {schema: ocsf}]}";
  assert.equal(schemaRoutes({ file: { path: "s.yml", text: empty } }).hasBindings, true);
});

test("without logsources in rules and with every event let through, routing changes nothing", () => {
  const rules = RULES.filter(({ logsource }) => logsource.product === undefined);
  fc.assert(
    fc.property(fc.array(schemaEvent), (events) => {
      const plain = new RuleEngine(rules);
      const routed = openEvaluator(rules, {}, { onUnknown: "passthrough" });
      for (const event of events) {
        assert.deepEqual(routed.evaluate(event), plain.evaluate(event));
        assert.deepEqual(routed.lastMatched, plain.lastMatched);
      }
    }),
  );
});

// daemon.md, metric rows 51 and 52.
test("engines count what the logsource spares", () => {
  const logsourceTally = { pruned: 0, withoutLogsource: 0 };
  const evaluator = openEvaluator(RULES, { logsourceTally }, {});
  evaluator.evaluate(ECS_WINDOWS);
  assert.deepEqual(logsourceTally, { pruned: 1, withoutLogsource: 0 });
  evaluator.evaluate(ECS);
  assert.deepEqual(logsourceTally, { pruned: 1, withoutLogsource: 1 });
});
