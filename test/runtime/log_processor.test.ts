import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { PlainEvent } from "../../src/decode/flat_event.ts";
import { DecodeError } from "../../src/decode/errors.ts";
import type { EventFilter } from "../../src/decode/filter/types.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { LINE_FORMATS, parseLine } from "../../src/decode/parse_line.ts";
import { encodeBundle } from "../../src/engine/bundle.ts";
import type { DetectionResult } from "../../src/engine/result.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { RuntimeError } from "../../src/runtime/errors.ts";
import {
  type BatchOptions,
  LogProcessor,
  type ParseFailure,
} from "../../src/runtime/log_processor.ts";
import { type MetricsHook, noopMetrics } from "../../src/runtime/metrics.ts";
import { type CompiledRuleSet, compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeEngine } from "../../src/runtime/runtime_engine.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { eventJson, rule as generatedRule } from "../arbitraries/sigma_rule.ts";
import { TempFiles } from "../support/cli_io.ts";

/** Fires on `A` being `value`. */
function rule(title: string, value: string): string {
  return `title: ${title}\nlogsource: {product: linux}\ndetection:\n  sel: {A: ${value}}\n` +
    "  condition: sel\n";
}

function compiled(rules: readonly DetectionRule[]): CompiledRuleSet {
  return compileRuleSet({
    paths: [],
    bundle: encodeBundle({ rules, correlations: [], filters: [] }, 0),
  });
}

/** An engine with the rules of a text. */
function engineOf(text: string): RuntimeEngine {
  const engine = new RuntimeEngine({ rules: [] });
  engine.use(compiled(parseRules(text, "r.yml").rules));
  return engine;
}

function titles(results: readonly (readonly DetectionResult[])[]): readonly (readonly string[])[] {
  return results.map((one) => one.map(({ rule_title }) => rule_title));
}

const KEYWORD = "title: K\nlogsource: {product: linux}\ndetection:\n  sel: [evil]\n" +
  "  condition: sel\n";

test("LogProcessor.processBatchLines() gives each line its results", () => {
  const processor = new LogProcessor(engineOf(`${rule("One", "1")}---\n${rule("Also", "1")}`));
  const lines = ['{"A":1}', "no event of any kind", "", '{"A":2}', '{"A":"1"}'];
  assert.deepEqual(titles(processor.processBatchLines(lines)), [
    ["One", "Also"],
    [],
    [],
    [],
    ["One", "Also"],
  ]);
  assert.deepEqual(processor.processBatchLines([]), []);
});

test("LogProcessor.processBatchWithFormat() reads lines as it is told", () => {
  const processor = new LogProcessor(engineOf(KEYWORD));
  const lines = ['{"A":"evil"}', "evil", "<34>Oct 11 22:14:15 h su: evil", '{"evil":"x"}'];
  const counts = (format: Parameters<LogProcessor["processBatchWithFormat"]>[1]) =>
    processor.processBatchWithFormat(lines, format).map(({ length }) => length);
  assert.deepEqual(counts("auto"), [1, 1, 1, 0]);
  assert.deepEqual(counts("json"), [1, 0, 0, 0]);
  assert.deepEqual(counts("syslog"), [1, 1, 1, 1]);
  assert.deepEqual(counts("plain"), [1, 1, 1, 1]);
});

test("LogProcessor.processBatchDetailed() names the inputs that are no events", () => {
  const processor = new LogProcessor(engineOf(rule("One", "1")));
  const inputs = ['{"A":1}', "{", "   ", decodeJson('{"A":1}'), "text", new PlainEvent("x")];
  const { results, failures, events } = processor.processBatchDetailed(inputs, { format: "json" });
  assert.deepEqual(titles(results), [["One"], [], [], ["One"], [], []]);
  assert.equal(events, 3);
  assert.deepEqual(failures.map(({ index, reason }) => [index, reason]), [
    [1, "decode_json"],
    [4, "decode_json"],
  ]);
  for (const { message } of failures) assert.match(message, /^Cannot decode JSON: ./);
});

test("LogProcessor.processBatchDetailed() evaluates with what is known of the logsource", () => {
  const processor = new LogProcessor(engineOf(rule("One", "1")));
  const counts = (logsource: BatchOptions["logsource"] & object) =>
    processor.processBatchDetailed(['{"A":1}'], { logsource }).results[0]!.length;
  assert.equal(counts({ product: "linux" }), 1);
  assert.equal(counts({ product: "macos" }), 0);
});

// inputs.md, section 11: results of the events of one input are merged, none is no failure.
test("LogProcessor evaluates every event that a filter makes of an input", () => {
  const processor = new LogProcessor(engineOf(`${rule("One", "1")}---\n${rule("Two", "2")}`));
  const filter: EventFilter = (event) => {
    const { list } = event.toValue() as { list: readonly unknown[] };
    return list.map((one) => decodeJson(JSON.stringify(one)));
  };
  const lines = ['{"list":[{"A":2},{"A":1},{"A":3}]}', '{"list":[]}', '{"none":1}', '{"list":[3]}'];
  const { results, failures, events } = processor.processBatchDetailed(lines, { filter });
  assert.deepEqual(titles(results), [["Two", "One"], [], [], []]);
  assert.equal(events, 3);
  assert.deepEqual(failures.map(({ index, reason }) => [index, reason]), [
    [2, "filter"],
    [3, "filter"],
  ]);
  assert.deepEqual(
    titles(processor.processBatchWithFormat(lines, "json", filter)),
    titles(results),
  );
});

test("LogProcessor throws before rules are loaded, whatever the batch", () => {
  const processor = new LogProcessor(new RuntimeEngine({ rules: [] }));
  for (const lines of [[], ["x"]]) {
    assert.throws(() => processor.processBatchLines(lines), RuntimeError);
  }
});

const input = fc.oneof(
  { weight: 4, arbitrary: eventJson },
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("", " ", "{", "[1", "null", '"evil"', "<34>Oct 11 22:14:15 h su: evil", "{}"),
);
const rules = fc.array(generatedRule.map((one) => ({ ...one, filters: [] })), { maxLength: 4 });
const batch = fc.array(input, { maxLength: 90 });
const format = fc.constantFrom(...LINE_FORMATS);

function generatedEngine(of: readonly DetectionRule[]): RuntimeEngine {
  const engine = new RuntimeEngine({ rules: [] });
  engine.use(compiled(of));
  return engine;
}

test("LogProcessor.processBatchDetailed() is one line at a time, fails for no other", () => {
  fc.assert(
    fc.property(rules, batch, format, (some, lines, lineFormat) => {
      const engine = generatedEngine(some);
      const options = { format: lineFormat, nowMs: 1_790_000_000_000 };
      const { results, failures, events } = new LogProcessor(engine)
        .processBatchDetailed(lines, options);
      assert.equal(results.length, lines.length);
      const failed = new Set(failures.map(({ index }) => index));
      assert.equal(failed.size, failures.length);
      let seen = 0;
      for (const [index, line] of lines.entries()) {
        let event: LogEvent | undefined;
        try {
          event = parseLine(line, lineFormat, options);
          assert.equal(failed.has(index), false);
        } catch (error) {
          assert.ok(error instanceof DecodeError);
          assert.equal(failed.has(index), true);
        }
        if (event !== undefined) seen++;
        assert.deepEqual(results[index], event === undefined ? [] : engine.evaluate(event));
      }
      assert.equal(events, seen);
    }),
    { numRuns: 60 },
  );
});

test("BatchRun.step() in small steps gives what one step gives, in order", () => {
  fc.assert(
    fc.property(rules, batch, format, (some, lines, lineFormat) => {
      const processor = new LogProcessor(generatedEngine(some));
      const options = { format: lineFormat, nowMs: 1_790_000_000_000 };
      const whole = processor.processBatchDetailed(lines, options);
      const found: DetectionResult[][] = lines.map(() => []);
      const failures: ParseFailure[] = [];
      const decoded: number[] = [];
      const run = processor.startBatch(lines, options, {
        matched: (index, _event, results) => found[index]!.push(...results),
        failed: (failure) => failures.push(failure),
        decoded: (index) => decoded.push(index),
      });
      let steps = 0;
      while (!run.step(0)) {
        // Another batch in between disturbs nothing.
        processor.processBatchLines(lines.slice(0, 3));
        steps++;
      }
      assert.equal(steps, Math.max(0, Math.ceil(lines.length / 32) - 1));
      assert.deepEqual(found, whole.results);
      assert.deepEqual(failures, whole.failures);
      assert.equal(run.events, whole.events);
      assert.equal(decoded.length, whole.events);
      assert.deepEqual(decoded, decoded.toSorted((left, right) => left - right));
    }),
    { numRuns: 60 },
  );
});

/** 100 lines in which `A` is 1. */
const ONES = Array.from({ length: 100 }, () => '{"A":1}');

/** Runs a batch, doing something behind its first step; gives the titles of all results. */
function withinBatch(processor: LogProcessor, action: () => void): readonly string[] {
  const seen: string[] = [];
  const run = processor.startBatch(ONES, {}, {
    matched: (_index, _event, results) => seen.push(...results.map((one) => one.rule_title)),
    failed: () => {},
  });
  assert.equal(run.step(0), false, "the batch takes more than one step");
  action();
  while (!run.step(0));
  return seen;
}

test("a batch finishes with the rules it began with, the next sees the new ones", async () => {
  using files = new TempFiles({ "a.yml": rule("Old", "1") });
  const processor = await LogProcessor.open({ rules: files.directory });
  const swapped = engineOf(rule("Swapped", "1"));
  const old = ONES.map(() => "Old");
  assert.deepEqual(withinBatch(processor, () => processor.swapEngine(swapped)), old);
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["Swapped"]]);

  // Also if the very engine of the batch loads its rules again.
  const again = new RuntimeEngine({ rules: [] });
  again.use(compiled(parseRules(rule("Old", "1"), "r.yml").rules));
  processor.swapEngine(again);
  const next = compiled(parseRules(rule("New", "1"), "r.yml").rules);
  assert.deepEqual(withinBatch(processor, () => again.use(next)), old);
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["New"]]);
});

test("LogProcessor.reloadRules() reads the files again, also while a batch is on its way", async () => {
  using files = new TempFiles({ "a.yml": rule("Old", "1") });
  const processor = await LogProcessor.open({ rules: files.directory });
  const seen: string[] = [];
  const run = processor.startBatch(ONES, {}, {
    matched: (_index, _event, results) => seen.push(...results.map((one) => one.rule_title)),
    failed: () => {},
  });
  run.step(0);
  writeFileSync(files.path("a.yml"), rule("New", "1"));
  await processor.reloadRules();
  while (!run.step(0));
  assert.deepEqual(seen, ONES.map(() => "Old"));
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["New"]]);
  assert.equal(processor.engine.stats?.detectionRules, 1);
});

test("LogProcessor.reloadRules() that fails keeps the old rules and says why", async () => {
  using files = new TempFiles({ "a.yml": rule("Old", "1") });
  const loaded: number[][] = [];
  const processor = await LogProcessor.open({ rules: files.directory }, {
    ...noopMetrics,
    setRulesLoaded: (...counts) => loaded.push(counts),
  });
  const before = processor.engine;
  writeFileSync(files.path("a.yml"), "title: Broken\n");
  await assert.rejects(processor.reloadRules(), (error) => {
    assert.ok(error instanceof RuntimeError);
    assert.equal(error.code, "RULES_UNUSABLE");
    assert.match(error.message, /a\.yml.*logsource|a\.yml.*detection/);
    assert.equal(error.problems[0]!.path, files.path("a.yml"));
    return true;
  });
  assert.equal(processor.engine, before);
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["Old"]]);
  const aborted = AbortSignal.abort(new Error("enough"));
  await assert.rejects(processor.reloadRules(aborted), /^Error: enough$/);
  // A failure does not stand in the way of the next reload.
  writeFileSync(files.path("a.yml"), rule("New", "1"));
  await processor.reloadRules();
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["New"]]);
  assert.deepEqual(loaded, [[1, 0, 0], [1, 0, 0]]);
});

test("the reload that was called for last wins, however long each of them compiles", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 5 }), async (scheduler, count) => {
      let version = 0;
      let compiles = 0;
      const engine = new RuntimeEngine({
        rules: [],
        // What is read is what there is when reading begins.
        compile: () => {
          compiles++;
          const title = `V${version}`;
          const { rules } = parseRules(rule(title, "1"), "r.yml");
          return scheduler.schedule(Promise.resolve(compiled(rules)));
        },
      });
      engine.use(compiled(parseRules(rule("V0", "1"), "r.yml").rules));
      const processor = new LogProcessor(engine);
      const reloads: Promise<unknown>[] = [];
      for (let call = 0; call < count; call++) {
        version++;
        reloads.push(processor.reloadRules());
      }
      await scheduler.waitFor(Promise.all(reloads));
      assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [[`V${count}`]]);
      assert.equal(compiles, count);
    }),
    { numRuns: 30 },
  );
});

test("an engine that is swapped in during a reload stays, its rules read again", async () => {
  const compiledOf = (title: string) => compiled(parseRules(rule(title, "1"), "r.yml").rules);
  let finish = () => {};
  const slow = new RuntimeEngine({
    rules: [],
    compile: () => new Promise((resolve) => finish = () => resolve(compiledOf("Slow"))),
  });
  slow.use(compiledOf("Slow"));
  const processor = new LogProcessor(slow);
  const reload = processor.reloadRules();
  await Promise.resolve();
  const other = new RuntimeEngine({
    rules: [],
    compile: () => Promise.resolve(compiledOf("Read again")),
  });
  other.use(compiledOf("Swapped"));
  processor.swapEngine(other);
  finish();
  await reload;
  assert.deepEqual(titles(processor.processBatchLines(['{"A":1}'])), [["Read again"]]);
});

test("LogProcessor tells its metrics what it did", () => {
  const calls: (readonly [string, ...unknown[]])[] = [];
  const metrics: MetricsHook = {
    ...noopMetrics,
    onEventsProcessed: (count) => calls.push(["events", count]),
    onParseError: (...labels) => calls.push(["error", ...labels]),
    onDetectionMatches: (count) => calls.push(["matches", count]),
    observeBatchSize: (events) => calls.push(["size", events]),
    observeProcessingLatency: (seconds, events) => {
      assert.ok(seconds > 0 && seconds < 10);
      calls.push(["latency", events]);
    },
    observeBatchPhase: (phase) => calls.push(["phase", phase]),
  };
  const processor = new LogProcessor(
    engineOf(`${rule("One", "1")}---\n${rule("Two", "1")}`),
    metrics,
  );
  processor.processBatchWithFormat(['{"A":1}', "x", '{"A":2}', ""], "json");
  assert.deepEqual(calls, [
    ["error", "json", "decode_json"],
    ["size", 2],
    ["events", 2],
    ["latency", 2],
    ["phase", "evaluate"],
    ["matches", 2],
  ]);
});
