import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { ValueObject } from "../../src/event/value.ts";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { lintRules } from "../../src/sigma/lint.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { RULES_DOC, rulesDoc } from "./make_rules_doc.ts";
import { readRules, readSamples, type RuleFile, sampleName, sampleNames } from "./rule_files.ts";

const files = readRules();
const rules = files.flatMap(({ parsed }) => parsed.rules);
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TECHNIQUE = /^attack\.t\d{4}(\.\d{3})?$/;
const TACTIC = /^attack\.[a-z][a-z-]+$/;

/** The titles of the rules that match `event`, among all of them, with and without the index. */
function matching(rule: DetectionRule, event: ValueObject): readonly string[] {
  // Linux events do not tell their product; the input they come from does.
  const engines = rule.logsource.product === "linux" ? linuxEngines : windowsEngines;
  const [indexed, naive] = engines.map((engine) =>
    engine.evaluate(decodeJson(JSON.stringify(event))).map(({ rule_title }) => rule_title)
  );
  assert.deepEqual(indexed, naive, "the index and the naive evaluator differ");
  return indexed ?? [];
}

const windowsEngines = [new RuleEngine(rules), new RuleEngine(rules, { index: false })];
const linuxEngines = [true, false].map((index) =>
  new RuleEngine(rules, { index, logsource: { product: "linux" } })
);

test("rules/ reads and lints without a problem", () => {
  assert.ok(files.length >= 45);
  const problems = assembleRules(files.map(({ parsed }) => parsed)).problems;
  assert.deepEqual(problems.map(({ path, line, message }) => `${path}:${line} ${message}`), []);
  const findings = files.flatMap(({ text, path }) => lintRules(text, path));
  assert.deepEqual(findings.map(({ path, line, message }) => `${path}:${line} ${message}`), []);
});

test("rules/ has one rule a file, with a unique title, id and file name", () => {
  for (const { path, parsed } of files) {
    assert.equal(parsed.rules.length, 1, path);
    assert.equal(parsed.correlations.length + parsed.filters.length, 0, path);
  }
  for (const values of [rules.map((rule) => rule.title), rules.map((rule) => rule.id)]) {
    assert.equal(new Set(values).size, rules.length);
  }
  assert.equal(new Set(files.map(({ path }) => sampleName(path))).size, files.length);
});

for (const file of files) {
  for (const rule of file.parsed.rules) {
    test(`${file.path} says what an analyst needs`, () => checkMetadata(file, rule));
    test(`${file.path} matches its positive samples and no negative one`, () => {
      checkSamples(file, rule);
    });
    test(`${file.path} has a sample for each of its selections`, () => {
      checkSelections(file, rule);
    });
  }
}

function checkMetadata({ path }: RuleFile, rule: DetectionRule): void {
  const { category, product, service, definition } = rule.logsource;
  assert.match(rule.id ?? "", UUID_V4);
  assert.equal(rule.author, "Picket");
  assert.match(rule.date ?? "", /^2026-\d\d-\d\d$/);
  assert.ok(rule.status !== undefined && rule.level !== undefined);
  assert.ok((rule.description ?? "").trim().length >= 40, "description");
  assert.ok(rule.references.length > 0 && rule.falsepositives.length > 0);
  for (const reference of rule.references) assert.match(reference, /^https:\/\//);
  assert.ok(rule.tags.some((tag) => TECHNIQUE.test(tag)), "technique");
  assert.ok(rule.tags.some((tag) => TACTIC.test(tag) && !TECHNIQUE.test(tag)), "tactic");
  const [directory, subdirectory] = path.split("/");
  assert.equal(directory, product);
  if (category === undefined && service === undefined) assert.ok(definition !== undefined);
  else assert.equal(subdirectory, category ?? service);
}

function checkSamples({ path }: RuleFile, rule: DetectionRule): void {
  const samples = readSamples(sampleName(path));
  assert.ok(samples !== undefined, `test/rules/samples/${sampleName(path)} is missing`);
  assert.equal(samples.rule, rule.id);
  assert.ok(samples.positive.length > 0 && samples.negative.length > 0);
  for (const event of samples.positive) {
    assert.ok(matching(rule, event).includes(rule.title), `misses ${JSON.stringify(event)}`);
  }
  for (const event of samples.negative) {
    assert.ok(!matching(rule, event).includes(rule.title), `matches ${JSON.stringify(event)}`);
  }
}

/** A selection that no sample satisfies may be misspelt, and nobody would notice. */
function checkSelections({ path }: RuleFile, rule: DetectionRule): void {
  const { positive, negative } = readSamples(sampleName(path))!;
  const product = rule.logsource.product ?? "";
  const untested = rule.selections.filter(({ name }) => {
    const alone = { ...rule, conditions: [{ kind: "selection", name } as const] };
    const engine = new RuleEngine([alone], { logsource: { product } });
    return ![...positive, ...negative].some((event) =>
      engine.match(decodeJson(JSON.stringify(event))).length > 0
    );
  });
  assert.deepEqual(untested.map(({ name }) => name), []);
}

test("test/rules/samples has no file without a rule", () => {
  const expected = files.map(({ path }) => sampleName(path)).sort();
  assert.deepEqual(sampleNames(), expected);
});

test("docs/rules.md is what make_rules_doc.ts makes of the rules", () => {
  assert.equal(readFileSync(RULES_DOC, "utf8"), rulesDoc(rules));
});
