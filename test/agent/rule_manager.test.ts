import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { RuleManager, type RuleSettings } from "../../src/agent/rule_manager.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeError } from "../../src/runtime/errors.ts";
import { TempFiles } from "../support/cli_io.ts";

const SIGNAL = new AbortController().signal;

function rule(title: string, value: string): string {
  return `title: ${title}\nid: ${title}\nlogsource: {product: linux}\ndetection:\n` +
    `  sel: {A: ${value}}\n  condition: sel\n`;
}
const BROKEN = "title: Broken\nlogsource: {product: linux}\ndetection:\n  condition: nothing\n";

function manager(files: TempFiles, settings: Partial<RuleSettings> = {}): RuleManager {
  return new RuleManager({
    request: { paths: [files.path("rules")] },
    choice: {},
    engine: {},
    onError: "skip",
    ...settings,
  }, {
    compile: (request) => Promise.resolve(compileRuleSet(request)),
    lastGoodPath: files.path("last.bundle"),
    metrics: noopMetrics,
  });
}

function matches(subject: RuleManager, line: string): readonly string[] {
  return subject.processor.processBatchLines([line])[0]!.map(({ rule_title }) => rule_title);
}

test("RuleManager leaves out a rule with errors at the start and says so", async () => {
  using files = new TempFiles({ "rules/a.yml": rule("One", "1"), "rules/b.yml": BROKEN });
  const subject = manager(files);
  const stats = await subject.load(SIGNAL);
  assert.deepEqual([stats.detectionRules, stats.failed], [1, 1]);
  assert.deepEqual(matches(subject, '{"A":1}'), ["One"]);
});

test("RuleManager with onError fail starts with no rule that has errors", async () => {
  using files = new TempFiles({ "rules/a.yml": rule("One", "1"), "rules/b.yml": BROKEN });
  const subject = manager(files, { onError: "fail" });
  await assert.rejects(subject.load(SIGNAL), RuntimeError);
  assert.equal(subject.isLoaded, false);
});

test("RuleManager.reload() names what was added, removed and changed", async () => {
  using files = new TempFiles({
    "rules/a.yml": rule("One", "1"),
    "rules/b.yml": rule("Two", "2"),
  });
  const subject = manager(files);
  await subject.load(SIGNAL);
  writeFileSync(files.path("rules/a.yml"), rule("One", "10"));
  writeFileSync(files.path("rules/c.yml"), rule("Three", "3"));
  rmSync(files.path("rules/b.yml"));
  const dry = await subject.reload({ dryRun: true }, SIGNAL);
  assert.deepEqual(matches(subject, '{"A":1}'), ["One"], "a dry run changes nothing");
  const { outcome, diff } = await subject.reload({ dryRun: false }, SIGNAL);
  assert.equal(outcome, "reloaded");
  assert.deepEqual(diff, dry.diff);
  const titles = [diff.added, diff.removed, diff.changed].map((list) => list.map((r) => r.title));
  assert.deepEqual(titles, [["Three"], ["Two"], ["One"]]);
  assert.deepEqual(matches(subject, '{"A":10}'), ["One"]);
  assert.equal((await subject.reload({ dryRun: false }, SIGNAL)).outcome, "unchanged");
});

test("RuleManager.reload() refuses new errors and keeps the old rules", async () => {
  using files = new TempFiles({
    "rules/a.yml": rule("One", "1"),
    "rules/b.yml": BROKEN,
  });
  const subject = manager(files);
  await subject.load(SIGNAL);
  writeFileSync(files.path("rules/a.yml"), BROKEN);
  const refused = await subject.reload({ dryRun: false }, SIGNAL);
  assert.equal(refused.outcome, "refused");
  assert.match(refused.message!, /a\.yml/);
  assert.deepEqual(matches(subject, '{"A":1}'), ["One"]);
  // The error that was there before does not stand in the way.
  writeFileSync(files.path("rules/a.yml"), rule("One", "5"));
  assert.equal((await subject.reload({ dryRun: false }, SIGNAL)).outcome, "reloaded");
  // Nor is one that somebody has emptied what they meant.
  rmSync(files.path("rules/a.yml"));
  rmSync(files.path("rules/b.yml"));
  const emptied = await subject.reload({ dryRun: false }, SIGNAL);
  assert.match(emptied.message!, /no rule is left in .*rules/);
  // A directory that is gone is no empty set of rules.
  rmSync(files.path("rules"), { recursive: true });
  assert.equal((await subject.reload({ dryRun: false }, SIGNAL)).outcome, "refused");
  assert.deepEqual(matches(subject, '{"A":5}'), ["One"]);
});

test("RuleManager starts with the last good rules where the current ones do not load", async () => {
  using files = new TempFiles({ "rules/a.yml": rule("One", "1") });
  await manager(files).load(SIGNAL);
  writeFileSync(files.path("rules/a.yml"), "title: [");
  const subject = manager(files);
  await subject.load(SIGNAL);
  assert.equal(subject.usesLastGood, true);
  assert.deepEqual(matches(subject, '{"A":1}'), ["One"]);
  assert.equal(subject.stats?.problems[0]?.path, files.path("rules/a.yml"));
  // What is mended in part is taken, as it would be at a start.
  writeFileSync(files.path("rules/b.yml"), rule("Two", "1"));
  assert.equal((await subject.reload({ dryRun: true }, SIGNAL)).outcome, "reloaded");
  writeFileSync(files.path("rules/a.yml"), rule("One", "2"));
  assert.equal((await subject.reload({ dryRun: false }, SIGNAL)).outcome, "reloaded");
  assert.equal(subject.usesLastGood, false);
  // Kept packed: virus scanners take rule texts for what they describe.
  assert.equal(readFileSync(files.path("last.bundle")).includes("title: One"), false);
});

test("RuleManager leaves out rules that the settings disable or that are below the level", async () => {
  using files = new TempFiles({
    "rules/a.yml": `${rule("One", "1")}level: low\n`,
    "rules/b.yml": `${rule("Two", "1")}level: high\n`,
    "rules/c.yml": `${rule("Three", "1")}level: high\n`,
  });
  const subject = manager(files, { choice: { minLevel: "medium", disabled: ["THREE"] } });
  await subject.load(SIGNAL);
  assert.deepEqual(matches(subject, '{"A":1}'), ["Two"]);
  assert.equal(subject.rules.length, 3, "lists show all of them");
});

test("RuleManager does not start with last good rules that nobody signed where a key is set", async () => {
  using files = new TempFiles({ "rules/a.yml": rule("One", "1") });
  await manager(files).load(SIGNAL);
  writeFileSync(files.path("rules/a.yml"), "title: [");
  const { publicKey } = generateKeyPairSync("ed25519");
  const bundleKey = publicKey.export({ type: "spki", format: "pem" }).toString();
  const subject = manager(files, { request: { paths: [files.path("rules")], bundleKey } });
  await assert.rejects(subject.load(SIGNAL), RuntimeError);
  assert.equal(subject.isLoaded, false);
});
