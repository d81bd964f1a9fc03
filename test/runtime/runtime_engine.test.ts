import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { decodeJson } from "../../src/decode/json.ts";
import { PicketError } from "../../src/event/errors.ts";
import { RuntimeError } from "../../src/runtime/errors.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeEngine, type RuntimeEngineOptions } from "../../src/runtime/runtime_engine.ts";
import { TempFiles } from "../support/cli_io.ts";

function rule(title: string, value: number, more = ""): string {
  return `title: ${title}\n${more}logsource: {product: linux}\ndetection:\n` +
    `  sel: {A: ${value}}\n  condition: sel\n`;
}
const BROKEN = "title: Broken\nlogsource: {product: linux}\ndetection:\n  condition: nothing\n";
const CORRELATION = "title: C\ncorrelation:\n  type: event_count\n  rules: [one]\n" +
  "  group-by: [User]\n  timespan: 5m\n  condition: {gte: 3}\n";
const FILTER = "title: F\nfilter: {sel: {B: 2}, condition: not sel, rules: [One]}\n";

function titles(engine: RuntimeEngine, json: string): readonly string[] {
  return engine.evaluate(decodeJson(json)).map(({ rule_title }) => rule_title);
}

function unusable(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RuntimeError && error instanceof PicketError, String(error));
    assert.equal(error.name, "RuntimeError");
    assert.equal(error.code, "RULES_UNUSABLE");
    assert.match(error.message, pattern);
    return true;
  };
}

test("RuntimeEngine.loadRules() tells what it found", async () => {
  using files = new TempFiles({
    "a.yml": rule("One", 1, "name: one\n"),
    "b.yml": BROKEN,
    "c.yml": CORRELATION,
    "d.yml": FILTER,
  });
  const engine = new RuntimeEngine({ rules: files.directory });
  assert.equal(engine.stats, undefined);
  const stats = await engine.loadRules();
  const { problems, ...counts } = stats;
  assert.deepEqual(counts, { detectionRules: 1, correlationRules: 1, filters: 1, failed: 1 });
  assert.deepEqual(
    problems.filter(({ severity }) => severity === "error").map(({ path }) => path),
    [
      files.path("b.yml"),
    ],
  );
  assert.equal(engine.stats, stats);
  assert.deepEqual(titles(engine, '{"A":1}'), ["One"]);
  assert.deepEqual(titles(engine, '{"A":1,"B":2}'), []);
});

test("RuntimeEngine takes a path, paths, a bundle or a request", async () => {
  using files = new TempFiles({ "a/a.yml": rule("One", 1), "b.yml": rule("Two", 1) });
  const { bundle } = compileRuleSet({ paths: [files.path("b.yml")] });
  const rows: readonly (readonly [RuntimeEngineOptions["rules"], readonly string[]])[] = [
    [files.path("a"), ["One"]],
    [[files.path("b.yml"), files.path("a")], ["Two", "One"]],
    [bundle, ["Two"]],
    [{ paths: [files.path("a")], bundle }, ["Two", "One"]],
    [{ paths: [] }, []],
  ];
  for (const [rules, expected] of rows) {
    const engine = new RuntimeEngine({ rules });
    await engine.loadRules();
    assert.deepEqual(titles(engine, '{"A":1}'), expected);
  }
});

test("RuntimeEngine.loadRules() keeps the old rules if none is left, and says why", async () => {
  using files = new TempFiles({ "a.yml": rule("One", 1) });
  const engine = new RuntimeEngine({ rules: files.directory });
  const before = await engine.loadRules();
  writeFileSync(files.path("a.yml"), BROKEN);
  await assert.rejects(engine.loadRules(), (error) => {
    assert.ok(unusable(/none is left after one error in .*a\.yml/)(error));
    assert.deepEqual((error as RuntimeError).problems.map(({ path }) => path), [
      files.path("a.yml"),
    ]);
    return true;
  });
  assert.deepEqual(titles(engine, '{"A":1}'), ["One"]);
  assert.equal(engine.stats, before);
  rmSync(files.directory, { recursive: true });
  await assert.rejects(engine.loadRules(), unusable(/ENOENT/));
  assert.deepEqual(titles(engine, '{"A":1}'), ["One"]);
});

test("RuntimeEngine.loadRules() takes an empty directory for what it is", async () => {
  using files = new TempFiles({ "rules/readme.txt": "none yet" });
  const engine = new RuntimeEngine({ rules: files.path("rules") });
  const { detectionRules, failed } = await engine.loadRules();
  assert.deepEqual([detectionRules, failed], [0, 0]);
  assert.deepEqual(titles(engine, '{"A":1}'), []);
});

test("RuntimeEngine with onError fail refuses a load with one error", async () => {
  using files = new TempFiles({ "a.yml": rule("One", 1), "b.yml": BROKEN });
  const strict = new RuntimeEngine({ rules: files.directory, onError: "fail" });
  await assert.rejects(strict.loadRules(), unusable(/^Cannot load rules: one error in .*b\.yml/));
  assert.equal(strict.ruleEngine, undefined);
  writeFileSync(files.path("c.yml"), BROKEN);
  await assert.rejects(strict.loadRules(), unusable(/2 errors, the first in .*b\.yml/));
  rmSync(files.path("b.yml"));
  rmSync(files.path("c.yml"));
  assert.equal((await strict.loadRules()).detectionRules, 1);
});

test("RuntimeEngine evaluates nothing before its rules are loaded", () => {
  const engine = new RuntimeEngine({ rules: "rules" });
  assert.throws(() => engine.evaluate(decodeJson("{}")), unusable(/loadRules\(\)/));
  assert.throws(() => engine.loaded(), unusable(/loadRules\(\)/));
});

test("RuntimeEngine.loadRules() rejects with the reason of its signal", async () => {
  using files = new TempFiles({ "a.yml": rule("One", 1) });
  const stop = new AbortController();
  const engine = new RuntimeEngine({
    rules: files.directory,
    compile: (_request, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("died")))),
  });
  const load = engine.loadRules(stop.signal);
  const reason = new Error("enough");
  stop.abort(reason);
  await assert.rejects(load, reason);
});

test("RuntimeEngine.loadRules() says so if compiling fails as such", async () => {
  const engine = new RuntimeEngine({
    rules: "rules",
    compile: () => Promise.reject(new Error("the worker died")),
  });
  await assert.rejects(engine.loadRules(), unusable(/^Cannot load rules: the worker died$/));
});

test("RuntimeEngine.use() takes what was compiled elsewhere, by the engine's choice", async () => {
  using files = new TempFiles({
    "a.yml": rule("Low", 1, "level: low\n"),
    "b.yml": rule("High", 1, "level: high\n"),
  });
  const compiled = structuredClone(compileRuleSet({ paths: [files.directory] }));
  const engine = new RuntimeEngine({ rules: "elsewhere", minLevel: "high", includeEvent: true });
  assert.equal(engine.use(compiled).detectionRules, 1);
  assert.equal(engine.compiled, compiled);
  const [result] = engine.evaluate(decodeJson('{"A":1}'));
  assert.deepEqual([result?.rule_title, result?.event], ["High", { A: 1 }]);
  const all = new RuntimeEngine({ rules: files.directory, disabled: ["high"] });
  await all.loadRules();
  assert.deepEqual(titles(all, '{"A":1}'), ["Low"]);
  assert.equal(all.evaluate(decodeJson('{"A":1}'))[0]!.event, undefined);
});

test("RuntimeEngine.loaded() stays as it is when rules are loaded again", async () => {
  using files = new TempFiles({ "a.yml": rule("One", 1) });
  const engine = new RuntimeEngine({ rules: files.directory });
  await engine.loadRules();
  const before = engine.loaded();
  writeFileSync(files.path("a.yml"), rule("Two", 1));
  await engine.loadRules();
  assert.deepEqual(before.evaluate(decodeJson('{"A":1}')).map((one) => one.rule_title), ["One"]);
  assert.deepEqual(titles(engine, '{"A":1}'), ["Two"]);
});

test("RuntimeEngine.evaluate() evaluates rules of a logsource that is stated", async () => {
  using files = new TempFiles({ "a.yml": rule("One", 1) });
  const engine = new RuntimeEngine({ rules: files.directory });
  await engine.loadRules();
  const event = decodeJson('{"A":1}');
  assert.equal(engine.evaluate(event, { product: "linux" }).length, 1);
  assert.equal(engine.evaluate(event, { product: "macos" }).length, 0);
});
