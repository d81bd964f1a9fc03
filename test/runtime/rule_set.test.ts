import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeJson } from "../../src/decode/json.ts";
import { BundleError, encodeBundle } from "../../src/engine/bundle.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import { compileRuleSet, openRuleSet } from "../../src/runtime/rule_set.ts";
import type {
  CorrelationRule,
  DetectionRule,
  FilterRule,
  RuleCollection,
} from "../../src/sigma/rule.ts";
import { eventJson, rule as generatedRule } from "../arbitraries/sigma_rule.ts";
import { ruleFile } from "../arbitraries/sigma_yaml.ts";
import { TempFiles } from "../support/cli_io.ts";

function rule(title: string, more = ""): string {
  return `title: ${title}\n${more}logsource: {product: linux}\ndetection:\n` +
    "  sel: {A: 1}\n  condition: sel\n";
}

/** Everything that rules say, whether their members are parsed already or on demand. */
function said({ rules, correlations, filters }: RuleCollection): readonly string[] {
  return [
    ...rules.map(detectionText),
    ...correlations.map((one: CorrelationRule) => jsonText(one)),
    ...filters.map((one: FilterRule) => jsonText(one)),
  ];
}

function detectionText(one: DetectionRule): string {
  const { title, id, name, level, status, tags, logsource, customAttributes } = one;
  const { selections, conditions, filters, origin, related, falsepositives } = one;
  return jsonText([
    [title, id, name, level, status, tags, logsource, customAttributes, related, falsepositives],
    [selections, conditions, filters, origin],
  ]);
}

test("openRuleSet() gives the rules that loadRules() gives, and they match the same", () => {
  const sets = fc.array(ruleFile, { minLength: 1, maxLength: 3 });
  let rules = 0;
  fc.assert(
    fc.property(sets, fc.array(eventJson, { maxLength: 3 }), (texts, events) => {
      using files = new TempFiles(
        Object.fromEntries(texts.map((text, at) => [`rules/${at}.yml`, text])),
      );
      const loaded = loadRules([files.path("rules")]);
      const compiled = compileRuleSet({ paths: [files.path("rules")] });
      const opened = openRuleSet(compiled.bundle);
      rules += loaded.rules.length;
      assert.deepEqual(said(opened), said(loaded));
      assert.deepEqual(compiled.problems, loaded.problems);
      const [left, right] = [new RuleEngine(opened.rules), new RuleEngine(loaded.rules)];
      for (const event of events) {
        assert.deepEqual(left.evaluate(decodeJson(event)), right.evaluate(decodeJson(event)));
      }
      // Plain data: it can come from another thread.
      const copy = structuredClone(compiled);
      assert.deepEqual(said(openRuleSet(copy.bundle)), said(loaded));
      // The same rules again are the same bundle; packed as a bundle they are the same rules.
      assert.equal(compileRuleSet({ paths: [files.path("rules")] }).sha256, compiled.sha256);
      const again = compileRuleSet({ paths: [], bundle: compiled.bundle });
      assert.equal(again.sha256, compiled.sha256);
      assert.deepEqual(again.rules, compiled.rules);
    }),
    { numRuns: 60 },
  );
  assert.ok(rules > 10, "some of the generated rules are right");
});

test("openRuleSet() of generated rules matches what they match", () => {
  fc.assert(
    fc.property(fc.array(generatedRule, { maxLength: 4 }), eventJson, (rules, json) => {
      const bare = rules.map((one) => ({ ...one, filters: [] }));
      const bundle = encodeBundle({ rules: bare, correlations: [], filters: [] }, 0);
      const opened = openRuleSet(compileRuleSet({ paths: [], bundle }).bundle);
      assert.deepEqual(
        new RuleEngine(opened.rules).evaluate(decodeJson(json)),
        new RuleEngine(bare).evaluate(decodeJson(json)),
      );
    }),
  );
});

test("compileRuleSet() lists rules, and hashes what they say but not where", () => {
  using files = new TempFiles({
    "a.yml": `# first\n${rule("One", "id: id-1\nlevel: high\ntags: [attack.execution]\n")}`,
    "b.yml": rule("Two"),
    "c.yml": "title: F\nfilter: {sel: {B: 2}, condition: not sel, rules: [One]}\n",
    "d.yml": "title: broken\n",
  });
  const { rules, problems, fileCount, sha256 } = compileRuleSet({ paths: [files.directory] });
  assert.equal(fileCount, 4);
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual(
    problems.filter(({ severity }) => severity === "error").map(({ code }) => code),
    ["missing_field"],
  );
  const [one, two, filter] = rules;
  assert.deepEqual({ ...one, hash: "" }, {
    key: "id-1",
    id: "id-1",
    title: "One",
    kind: "detection",
    level: "high",
    status: null,
    product: "linux",
    category: null,
    service: null,
    tags: ["attack.execution"],
    file: files.path("a.yml"),
    line: 2,
    hash: "",
  });
  assert.deepEqual([two?.key, two?.id, filter?.kind], ["Two", null, "filter"]);
  const hashOf = (text: string): string => {
    using other = new TempFiles({ "x.yml": text });
    return compileRuleSet({ paths: [other.directory] }).rules[0]!.hash;
  };
  const text = rule("One", "id: id-1\nlevel: high\ntags: [attack.execution]\n");
  assert.match(one!.hash, /^[0-9a-f]{16}$/);
  assert.equal(hashOf(`\n\n${text}`), one!.hash);
  for (const [from, to] of [["A: 1", "A: 2"], ["high", "low"], ["linux", "windows"]] as const) {
    assert.notEqual(hashOf(text.replace(from, to)), one!.hash, `${from} becomes ${to}`);
  }
});

test("compileRuleSet() puts a bundle in memory before files", () => {
  using files = new TempFiles({ "a.yml": rule("File"), "b.yml": rule("Bundled") });
  const { bundle } = compileRuleSet({ paths: [files.path("b.yml")] });
  const both = compileRuleSet({ paths: [files.path("a.yml")], bundle });
  assert.deepEqual(both.rules.map(({ title }) => title), ["Bundled", "File"]);
  assert.equal(both.fileCount, 2);
  assert.throws(() => compileRuleSet({ paths: [], bundle: new Uint8Array(8) }), BundleError);
});

test("openRuleSet() leaves out rules below a level and disabled ones, by id or title", () => {
  using files = new TempFiles({
    "a.yml": rule("Low", "id: id-low\nlevel: low\n"),
    "b.yml": rule("High", "id: id-high\nlevel: high\n"),
    "c.yml": rule("None"),
  });
  const { bundle } = compileRuleSet({ paths: [files.directory] });
  const titles = (choice: Parameters<typeof openRuleSet>[1]) =>
    openRuleSet(bundle, choice).rules.map(({ title }) => title);
  assert.deepEqual(titles({}), ["Low", "High", "None"]);
  assert.deepEqual(titles({ minLevel: "medium" }), ["High", "None"]);
  assert.deepEqual(titles({ disabled: ["ID-HIGH", "none"] }), ["Low"]);
  assert.deepEqual(titles({ disabled: ["hig", ""] }), ["Low", "High", "None"]);
  assert.throws(() => openRuleSet(new Uint8Array(8)), BundleError);
});
