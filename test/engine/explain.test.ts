import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fileURLToPath } from "node:url";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import {
  type ConditionNode,
  type DetectionNode,
  Explainer,
  type ExplainOptions,
  type ItemNode,
  type RuleExplanation,
} from "../../src/engine/explain.ts";
import { compareWays, nearMiss } from "../../src/engine/near_miss.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { checkRegex } from "../../src/engine/regex/compile.ts";
import { EvtxFileReader } from "../../src/ingest/evtx_file.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { eventValue, rule } from "../arbitraries/sigma_rule.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";

for (const logsourceRouting of [true, false]) {
  test(`Explainer.explain() gives the engine's verdict, routing ${logsourceRouting}`, () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        fc.array(eventValue, { minLength: 1, maxLength: 3 }),
        (rules, values) => {
          const engine = new RuleEngine(rules, { logsourceRouting });
          const explainer = new Explainer({ logsourceRouting });
          for (const value of values) {
            const event = decodeJson(jsonText(value));
            const matched = new Set(engine.match(event));
            explainer.begin(event);
            for (const [number, one] of rules.entries()) {
              const explanation = explainer.explain(one);
              assert.equal(explanation.matched, matched.has(number), jsonText(value));
              checkNodes(explanation);
              const near = nearMiss(explanation);
              assert.equal(near.missing === 0, explanation.matched);
            }
          }
        },
      ),
      { numRuns: 600 },
    );
  });
}

/** What holds for every node, whatever the rule. */
function checkNodes(explanation: RuleExplanation): void {
  for (const item of items(explanation)) {
    assert.equal(item.reason === "matched", item.matched);
    if (item.reason === "field_absent") assert.equal(item.actual, undefined);
  }
}

function* items(explanation: RuleExplanation): Generator<ItemNode> {
  for (const condition of explanation.conditions) yield* conditionItems(condition);
  for (const filter of explanation.filters ?? []) {
    for (const condition of filter.conditions) yield* conditionItems(condition);
  }
}

function* conditionItems(node: ConditionNode): Generator<ItemNode> {
  switch (node.type) {
    case "selection":
      return yield* detectionItems(node.detection);
    case "and":
    case "or":
      for (const child of node.children) yield* conditionItems(child);
      return;
    case "not":
      return yield* conditionItems(node.child);
    case "quantified":
      for (const { detection } of node.branches) yield* detectionItems(detection);
  }
}

function* detectionItems(node: DetectionNode): Generator<ItemNode> {
  switch (node.type) {
    case "all_of":
      return yield* node.items;
    case "any_of":
    case "and":
      for (const branch of node.branches) yield* detectionItems(branch);
      return;
    case "keywords":
      yield node.item;
      return;
    case "array":
      for (const { detection, conditions } of node.members) {
        if (detection !== undefined) yield* detectionItems(detection);
        for (const condition of conditions ?? []) yield* conditionItems(condition);
      }
  }
}

function parse(detection: string, more = ""): DetectionRule {
  const text = `title: T\n${more}\ndetection: ${detection}\n`;
  const { rules, problems } = parseRules(text, "r.yml", { checkRegex });
  assert.deepEqual(problems.filter(({ severity }) => severity === "error"), []);
  return rules[0]!;
}

function explain(one: DetectionRule, event: unknown, options?: ExplainOptions): RuleExplanation {
  const explainer = new Explainer(options);
  explainer.begin(decodeJson(JSON.stringify(event)));
  return explainer.explain(one);
}

function onlyItem(entry: string, event: unknown): ItemNode {
  const [item, ...rest] = items(explain(parse(`{s: {${entry}}, condition: s}`), event));
  assert.equal(rest.length, 0);
  return item!;
}

// sigma-rules.md 22.3 and daemon.md 17.6, case 131: item, event, reason.
const REASONS: readonly (readonly [entry: string, event: unknown, reason: string])[] = [
  ["'Image|endswith': '\\cmd.exe'", { Image: "C:\\cmd.exe" }, "matched"],
  ["'Image|endswith': '\\cmd.exe'", { Image: "C:\\sh" }, "value_mismatch"],
  ["'Image|endswith': '\\cmd.exe'", { Other: 1 }, "field_absent"],
  ["'User|cased': Bob", { User: "bob" }, "case_mismatch"],
  ["'User|cased': Bob", { User: "eve" }, "value_mismatch"],
  ["'User|cased|contains': [Bob, Al]", { User: "xbobx" }, "case_mismatch"],
  ["'User|re': '^B.b$'", { User: "bob" }, "case_mismatch"],
  ["'User|re|i': '^B.b$'", { User: "eve" }, "value_mismatch"],
  ["'User|exists': true", { Other: 1 }, "existence"],
  ["'User|exists': false", { User: "bob" }, "existence"],
  ["User: null", { Other: 1 }, "matched"],
  ["User: null", { User: "bob" }, "value_mismatch"],
  ["'User|neq': bob", { User: "bob" }, "value_mismatch"],
  ["'User|neq': bob", { Other: 1 }, "field_absent"],
  ["'Port|gte': 5", { Port: 4 }, "value_mismatch"],
];
for (const [entry, event, reason] of REASONS) {
  test(`Explainer.explain() says ${reason} for ${entry} on ${JSON.stringify(event)}`, () => {
    assert.equal(onlyItem(entry, event).reason, reason);
  });
}

test("Explainer.explain() gives the shape of the specification's item", () => {
  const { field, matcher, pattern, actual, matched, reason } = onlyItem(
    "'Image|endswith': '\\Cmd.exe'",
    { Image: "C:\\sh" },
  );
  assert.deepEqual({ field, matcher, pattern, actual, matched, reason }, {
    field: "Image",
    matcher: "endswith",
    pattern: "\\cmd.exe",
    actual: "C:\\sh",
    matched: false,
    reason: "value_mismatch",
  });
});

test("Explainer.explain() names the pattern that hit, and those that are missing", () => {
  assert.equal(onlyItem("'C|contains': [aa, bb, cc]", { C: "xbbx" }).hit, "bb");
  assert.deepEqual(onlyItem("'C|contains|all': [aa, bb, cc]", { C: "xbbx" }).unmet, ["aa", "cc"]);
});

test("Explainer.explain() points at a field whose name differs in letter case, or lies deeper", () => {
  assert.equal(onlyItem("commandline: x", { CommandLine: "x" }).similar_field, "CommandLine");
  assert.equal(onlyItem("Image: x", { proc: { image: "x" } }).similar_field, "proc.image");
  assert.equal(onlyItem("Image: x", { User: "x" }).similar_field, undefined);
});

test("Explainer.explain() shows wildcards as rules write them", () => {
  assert.deepEqual(onlyItem("C: 'a*b?'", { C: "x" }).written, { matcher: "equals", text: "a*b?" });
});

test("Explainer.explain() counts the branches of a quantifier, sorted by name", () => {
  const one = parse("{selection_b: {A: 1}, selection_a: {B: 2}, condition: 1 of selection_*}");
  const [node] = explain(one, { A: 1 }).conditions;
  assert.ok(node?.type === "quantified");
  assert.deepEqual(
    [node.quantifier, node.need, node.got, node.matched, node.branches.map(({ name }) => name)],
    ["any", 1, 1, true, ["selection_a", "selection_b"]],
  );
});

test("Explainer.explain() says where a field came under another name", () => {
  const one = parse(
    "{s: {'Image|endswith': cmd.exe}, condition: s}",
    "logsource: {product: windows, category: process_creation}",
  );
  const event = { Channel: "Security", EventID: 4688, NewProcessName: "C:\\cmd.exe" };
  const explanation = explain(one, event);
  const [item] = items(explanation);
  assert.equal(explanation.matched, true);
  assert.equal(item!.found_as, "NewProcessName");
  assert.deepEqual(explanation.logsource.event, {
    product: "windows",
    services: ["security"],
    categories: ["process_creation"],
  });
});

test("Explainer.explain() says which dimension of the logsource does not fit", () => {
  const one = parse(
    "{s: {A: 1}, condition: s}",
    "logsource: {product: windows, category: dns_query}",
  );
  const event = { Channel: "Security", EventID: 4688, A: 1 };
  const { matched, logsource, conditions } = explain(one, event);
  assert.equal(matched, false);
  assert.equal(conditions[0]!.matched, true);
  assert.equal(logsource.applies, false);
  assert.deepEqual(logsource.mismatched, ["category"]);
  assert.equal(explain(one, event, { logsourceRouting: false }).matched, true);
  assert.equal(explain(one, { A: 1 }, { logsource: { product: "linux" } }).matched, false);
});

const ARRAY = "sigma-version: 3";
// sigma-rules.md 17.2: block, event, reason, indexes of the deciding members.
const ARRAYS: readonly (readonly [string, unknown, string, readonly number[]])[] = [
  ["'c[any]': {p: T, q: 1}", { c: [{ p: "T", q: 2 }, { p: "U" }] }, "value_mismatch", [0, 1]],
  ["'c[any]': {p: T}", { c: [{ p: "U" }, { p: "T" }] }, "matched", [1]],
  ["'c[all]|startswith': a", { c: ["ab", "b", "ac"] }, "value_mismatch", [1]],
  ["'c[none]': x", { c: ["y", "x"] }, "value_mismatch", [1]],
  ["'c[none]': x", {}, "matched", []],
  ["'c[any]': x", {}, "field_absent", []],
  ["'c[all]': x", { c: [] }, "no_members", []],
  [
    "'c[any]': {condition: a and not b, a: {'.|gte': 500}, b: {'.': 504}}",
    { c: [504, 200] },
    "value_mismatch",
    [0, 1],
  ],
];
for (const [entry, event, reason, indexes] of ARRAYS) {
  test(`Explainer.explain() descends into ${entry} on ${JSON.stringify(event)}`, () => {
    const { conditions } = explain(parse(`{s: {${entry}}, condition: s}`, ARRAY), event);
    const [selection] = conditions;
    assert.ok(selection?.type === "selection");
    const { detection } = selection;
    assert.ok(detection.type === "array");
    assert.equal(detection.reason, reason);
    assert.deepEqual(detection.members.map(({ index }) => index), indexes);
  });
}

test("Explainer.explain() traces eight members of a long array and counts the rest", () => {
  const c = Array.from({ length: 100 }, (_, index) => index);
  const { conditions } = explain(parse("{s: {'c[any]': 500}, condition: s}", ARRAY), { c });
  assert.ok(conditions[0]?.type === "selection" && conditions[0].detection.type === "array");
  assert.equal(conditions[0].detection.members.length, 8);
  assert.equal(conditions[0].detection.omitted, 92);
});

test("Explainer.explain() shows the text a keyword was found in", () => {
  const one = parse("{k: [foo, bar], condition: k}");
  const [item] = items(explain(one, { a: { b: "a food" } }));
  assert.deepEqual([item!.reason, item!.actual, item!.hit], ["matched", "a food", "foo"]);
  assert.equal([...items(explain(one, { a: 1 }))][0]!.reason, "no_keyword_match");
});

// Rule, event, checks missing, their fields.
const NEAR: readonly (readonly [string, unknown, number, readonly string[]])[] = [
  ["{s: {A: 1, B: 2, C: 3}, condition: s}", { A: 1, C: 3 }, 1, ["B"]],
  ["{s: [{A: 1, B: 2}, {C: 3, D: 4, E: 5}], condition: s}", { C: 3, D: 4 }, 1, ["E"]],
  ["{s: {A: 1}, f: {B: 2, C: 3}, condition: s and not f}", { A: 1, B: 2, C: 3 }, 1, ["B"]],
  ["{s1: {A: 1}, s2: {B: 2, C: 3}, s3: {D: 4}, condition: 2 of s*}", { A: 1 }, 1, ["D"]],
  ["{s: {A: 1}, t: {B: 2}, condition: s or t}", {}, 1, ["A"]],
  ["{s: {A: 1}, condition: s}", { A: 1 }, 0, []],
];
for (const [detection, event, missing, fields] of NEAR) {
  test(`nearMiss() of ${detection} on ${JSON.stringify(event)} is ${missing}`, () => {
    const near = nearMiss(explain(parse(detection), event));
    assert.equal(near.missing, missing);
    assert.deepEqual(near.blockers.map(({ node }) => node.field), fields);
  });
}

test("nearMiss() counts the logsource, and of two rules equally far the fuller is nearer", () => {
  const other = parse("{s: {A: 1, B: 2}, condition: s}", "logsource: {product: linux}");
  const event = { Channel: "Security", A: 1, B: 2 };
  const far = nearMiss(explain(other, event));
  assert.equal(far.missing, 1);
  const small = nearMiss(explain(parse("{s: {C: 1}, condition: s}"), event));
  assert.ok(compareWays(far, small) < 0);
});

const SIGMA = `${CORPUS}/sigma/rules/windows/builtin`;
const EVTX = new URL("../../fixtures/evtx/dc01/security.evtx", import.meta.url);

test("Explainer.explain() agrees with the engine on SigmaHQ's rules", skipWithoutCorpus(), () => {
  const { rules } = loadRules([SIGMA]);
  assert.ok(rules.length > 100);
  const engine = new RuleEngine(rules);
  const explainer = new Explainer();
  using file = EvtxFileReader.open(fileURLToPath(EVTX));
  const compare = (event: LogEvent) => {
    const matched = new Set(engine.match(event));
    explainer.begin(event);
    for (const [number, one] of rules.entries()) {
      const explanation = explainer.explain(one);
      assert.equal(explanation.matched, matched.has(number), one.title);
      assert.equal(nearMiss(explanation).missing === 0, explanation.matched, one.title);
    }
  };
  const events = file.readChunks(0, file.chunkCount, new EvtxDecoder(), compare, () => {});
  assert.equal(events, 27);
});
