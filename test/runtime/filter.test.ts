/** Filters and arrays on the way of a batch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileFilter } from "../../src/decode/filter/compile.ts";
import { encodeBundle } from "../../src/engine/bundle.ts";
import { type BatchOptions, LogProcessor } from "../../src/runtime/log_processor.ts";
import { type MetricsHook, noopMetrics } from "../../src/runtime/metrics.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeEngine } from "../../src/runtime/runtime_engine.ts";
import { parseRules } from "../../src/sigma/parse.ts";

const RULES = ["1", "2"].map((value) =>
  `title: A${value}\nlogsource: {product: linux}\ndetection:\n  sel: {A: ${value}}\n` +
  "  condition: sel\n"
).join("---\n");

function processorOf(metrics: MetricsHook = noopMetrics): LogProcessor {
  const engine = new RuntimeEngine({ rules: [] });
  const { rules } = parseRules(RULES, "r.yml");
  engine.use(compileRuleSet({
    paths: [],
    bundle: encodeBundle({ rules, correlations: [], filters: [] }, 0),
  }));
  return new LogProcessor(engine, metrics);
}

function run(lines: readonly string[], options: BatchOptions, metrics?: MetricsHook) {
  const { results, failures, events } = processorOf(metrics).processBatchDetailed(lines, options);
  return {
    titles: results.map((one) => one.map(({ rule_title }) => rule_title)),
    failures: failures.map(({ index, reason, message }) => [index, reason, message]),
    events,
  };
}

const record = (...values: readonly number[]): string =>
  JSON.stringify({ Records: values.map((A) => ({ A })) });

// inputs.md, section 11: results of one line are merged; an error drops one output and counts.
test("LogProcessor merges the results of a line's events and keeps neighbours of one that failed", () => {
  const filter = compileFilter({
    kind: "jq",
    expression: '.Records[] | if .A == 0 then error("zero") else . end',
  });
  const counted: string[] = [];
  const metrics = {
    ...noopMetrics,
    onParseError: (format: string, reason: string) => void counted.push(`${format} ${reason}`),
  };
  const lines = [record(2, 1), record(1, 0, 2, 0), record(), '{"x":1}', record(1), "{", " "];
  assert.deepEqual(run(lines, { filter, format: "json" }, metrics), {
    titles: [["A2", "A1"], ["A1", "A2"], [], [], ["A1"], [], []],
    failures: [
      [1, "filter", "jq runtime error: zero; 1 more of its outputs failed"],
      [3, "filter", "jq runtime error: Cannot iterate over null"],
      [5, "decode_json", run(["{"], { format: "json" }).failures[0]![2]],
    ],
    events: 5,
  });
  assert.deepEqual(counted, ["json filter", "json filter", "json decode_json"]);
});

test("LogProcessor counts no failure where a filter wants nothing", () => {
  for (const expression of ["empty", "select(.A == 3)", ".Records[]?"]) {
    const filter = compileFilter({ kind: "jq", expression });
    assert.deepEqual(run(['{"A":1}', '{"A":2}'], { filter }), {
      titles: [[], []],
      failures: [],
      events: 0,
    });
  }
  const filter = compileFilter({ kind: "jsonpath", expression: "$.Records[?@.A == 1]" });
  assert.deepEqual(run([record(1, 2, 1), '{"A":1}'], { filter }), {
    titles: [["A1", "A1"], []],
    failures: [],
    events: 2,
  });
});

test("LogProcessor keeps what a filter gave before it was stopped", () => {
  const filter = compileFilter({ kind: "jq", expression: "{A: (1, range(1e9))}" });
  const { titles, failures, events } = run(["{}", "{}"], { filter });
  assert.deepEqual(titles, [["A1", "A1", "A2"], ["A1", "A1", "A2"]]);
  assert.equal(events, 20_000);
  assert.deepEqual(failures.map(([index, reason]) => [index, reason]), [[0, "filter"], [
    1,
    "filter",
  ]]);
  assert.match(String(failures[0]![2]), /more than 10000 outputs of one event/);
});

// Section 20.5, "top-level JSON array".
test("LogProcessor explodes arrays unless they are kept; a filter sees them whole", () => {
  const lines = ['[{"A":1},{"A":2}]', '{"A":1}', "[1,2]"];
  assert.deepEqual(run(lines, {}).titles, [["A1", "A2"], ["A1"], []]);
  assert.equal(run(lines, {}).events, 4);
  assert.deepEqual(run(lines, { jsonArray: "explode" }).titles, [["A1", "A2"], ["A1"], []]);
  assert.deepEqual(run(lines, { jsonArray: "keep" }).events, 3);
  const filter = compileFilter({
    kind: "jq",
    expression: 'if type == "array" then {A: length} else . end',
  });
  assert.deepEqual(run(lines, { filter }).titles, [["A2"], ["A1"], ["A2"]]);
});

test("BatchRun.step() looks at the clock within a line of many events", () => {
  const filter = compileFilter({ kind: "jq", expression: "range(100) | {A: .}" });
  const batch = processorOf().startBatch(
    Array.from({ length: 32 }, () => "{}"),
    { filter },
    { matched: () => {}, failed: ({ message }) => assert.fail(message) },
  );
  let steps = 1;
  while (!batch.step(0)) steps++;
  assert.equal(batch.events, 3200);
  assert.equal(steps, 32);
});

test("the filter `.` changes nothing for any lines", () => {
  const line = fc.oneof(
    fc.json({ maxDepth: 3 }),
    fc.string(),
    fc.constantFrom('{"A":1}', '{"A":"2"}', "[]", " "),
  );
  const filters = [
    compileFilter({ kind: "jq", expression: "." }),
    compileFilter({ kind: "jsonpath", expression: "$" }),
  ];
  fc.assert(fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
    const expected = run(lines, { jsonArray: "keep" });
    for (const filter of filters) assert.deepEqual(run(lines, { filter }), expected);
  }));
});
