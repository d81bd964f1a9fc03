import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRules } from "../../src/sigma/parse.ts";
import type { Condition } from "../../src/sigma/rule.ts";
import { itemRule, onlyRule, ruleText } from "./helpers.ts";

const SEL = "{sel: {A: 1}, condition: sel}";

/** What of a file's result a case looks at: titles, `severity code` of problems. */
function outline(text: string): readonly [readonly string[], readonly string[]] {
  const { rules, problems } = parseRules(text, "r.yml");
  return [
    rules.map(({ title }) => title),
    problems.map(({ severity, code }) => `${severity} ${code}`),
  ];
}

// sigma-rules.md, section 28.1 and the rows of 2.2 and 2.3 behind them.
const FILES: readonly (readonly [
  name: string,
  text: string,
  titles: readonly string[],
  problems: readonly string[],
])[] = [
  ["1 second document without title", `${ruleText(SEL)}---\ndetection: ${SEL}\n`, ["T"], [
    "error missing_field",
  ]],
  ["3 repeat first", `action: repeat\ntitle: B\n`, [], ["error repeat_without_previous"]],
  ["6 action 5", `action: 5\n---\n${ruleText(SEL)}`, ["T"], ["error invalid_action"]],
  ["6 action foo", `action: foo\n---\n${ruleText(SEL)}`, ["T"], ["error invalid_action"]],
  ["7 a list", `- a\n---\n${ruleText(SEL)}`, ["T"], ["error not_a_mapping"]],
  ["a text", `hello\n---\n${ruleText(SEL)}`, ["T"], ["error not_a_mapping"]],
  ["empty documents", `---\n---\n${ruleText(SEL)}---\n`, ["T"], []],
  ["nothing", "", [], []],
  ["comments", "# nothing\n", [], []],
  ["8 broken YAML", `${ruleText(SEL)}---\na: [\n---\n${ruleText(SEL)}`, ["T"], [
    "error yaml_syntax",
  ]],
  ["9 level in capitals", ruleText(SEL, "level: HIGH\n"), ["T"], ["warning invalid_level"]],
  ["10 unknown status", ruleText(SEL, "status: experimentl\n"), ["T"], ["warning invalid_status"]],
  ["11 related", ruleText(SEL, "related: [{id: x}, {id: y, type: derived}]\n"), ["T"], [
    "warning invalid_related",
  ]],
  ["related no list", ruleText(SEL, "related: x\n"), ["T"], ["warning invalid_related"]],
  ["14 sigma-version soon", ruleText(SEL, "sigma-version: soon\n"), ["T"], [
    "warning invalid_sigma_version",
  ]],
  ["sigma-version 4", ruleText(SEL, "sigma-version: 4\n"), [], [
    "error unsupported_sigma_version",
  ]],
  ["logsource a text", ruleText(SEL, "logsource: windows\n"), [], ["error invalid_logsource"]],
  ["logsource with a number", ruleText(SEL, "logsource: {zone: 5}\n"), ["T"], [
    "warning invalid_logsource",
  ]],
  ["title a number", ruleText(SEL).replace("T", "5"), [], ["error missing_field"]],
  ["no detection", "title: T\n", [], ["error missing_field"]],
  ["detection a list", ruleText("[a]"), [], ["error invalid_detection"]],
  ["18 no condition", ruleText("{sel: {A: 1}}"), [], ["error missing_field"]],
  ["19 condition with a number", ruleText("{sel: {A: 1}, condition: [sel, 5]}"), [], [
    "error invalid_detection",
  ]],
  ["condition a mapping", ruleText("{sel: {A: 1}, condition: {a: b}}"), [], [
    "error invalid_detection",
  ]],
  ["no conditions", ruleText("{sel: {A: 1}, condition: []}"), [], ["error invalid_detection"]],
  ["20 long condition", ruleText(`{sel: {A: 1}, condition: ${"a".repeat(65_537)}}`), [], [
    "error condition_too_long",
  ]],
  ["22 deep condition", ruleText(`{s: x, condition: "${"(".repeat(65)}s${")".repeat(65)}"}`), [], [
    "error condition_too_deep",
  ]],
  ["27 aggregation", ruleText(`{sel: {A: 1}, condition: sel | count() > 5}`), [], [
    "error condition_syntax",
  ]],
  ["38 unknown name", ruleText("{sel: {A: 1}, condition: ghost}"), [], [
    "error unknown_detection_identifier",
  ]],
  ["67 empty selection", ruleText("{sel: {A: 1}, b: {}, condition: sel}"), [], [
    "error empty_selection",
  ]],
  ["empty list as selection", ruleText("{sel: {A: 1}, b: [], condition: sel}"), [], [
    "error empty_selection",
  ]],
  ["empty mapping in a list", ruleText("{sel: [{A: 1}, {}], condition: sel}"), [], [
    "error empty_selection",
  ]],
  ["selection named by a number", ruleText("{sel: {A: 1}, 5: {A: 1}, condition: sel}"), [], [
    "error invalid_key",
  ]],
  ["field named by a number", ruleText("{sel: {5: 1}, condition: sel}"), [], [
    "error invalid_key",
  ]],
  ["two wrong items", ruleText("{sel: {'A|x': 1, 'B|y': 1}, condition: sel}"), [], [
    "error unknown_modifier",
    "error unknown_modifier",
  ]],
];

for (const [name, text, titles, problems] of FILES) {
  test(`parseRules() on ${name}`, () => {
    assert.deepEqual(outline(text), [titles, problems]);
  });
}

test("parseRules() repeats a document under a global one (28.1 #2)", () => {
  const { rules, problems } = parseRules(
    `action: global
logsource: {product: windows}
level: high
---
title: A
detection: {sel: {F: 1}, condition: sel}
---
action: repeat
title: B
detection: {sel: {F: 2, G: 3}}
`,
    "r.yml",
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    rules.map(({ title, level, logsource }) => [title, level, logsource.product]),
    [["A", "high", "windows"], ["B", "high", "windows"]],
  );
  const [detection] = rules[1]!.selections.map((selection) => selection.detection);
  assert.ok(detection?.kind === "all_of");
  assert.deepEqual(
    detection.items.map(({ key, patterns }) => [key, patterns]),
    [["F", [{ kind: "number", text: "2" }]], ["G", [{ kind: "number", text: "3" }]]],
  );
  assert.deepEqual(rules[1]!.conditions, [{ kind: "selection", name: "sel" }]);
});

test("parseRules() drops the global document on reset (28.1 #4)", () => {
  const { rules } = parseRules(
    `action: global\nlogsource: {product: windows}\n---\n${ruleText(SEL)}---\naction: reset\n` +
      `---\n${ruleText(SEL)}---\naction: repeat\ntitle: C\n`,
    "r.yml",
  );
  assert.deepEqual(rules.map(({ logsource }) => logsource.product), [
    "windows",
    undefined,
    undefined,
  ]);
});

test("parseRules() repeats the document that was emitted last (28.1 #5)", () => {
  const { rules } = parseRules(
    `${ruleText(SEL)}---\naction: repeat\ntitle: B\ndetection: {sel: {A: 2}}\n---\n` +
      "action: repeat\ntitle: C\n",
    "r.yml",
  );
  assert.deepEqual(rules.map(({ title }) => title), ["T", "B", "C"]);
  assert.deepEqual(rules[2]!.selections[0]!.detection, {
    ...rules[1]!.selections[0]!.detection,
  });
});

test("parseRules() refuses to merge mappings nested deeper than 64", () => {
  // The reader's own limit would come first.
  const deep = `a: ${"{b: ".repeat(70)}1${"}".repeat(70)}`;
  const text = `${ruleText(SEL)}${deep}\n---\naction: repeat\n${deep}\n---\n${ruleText(SEL)}`;
  const { rules, problems } = parseRules(text, "r.yml", { limits: { yamlDepth: 200 } });
  assert.deepEqual(rules.length, 2);
  assert.deepEqual(problems.map(({ code, document }) => [code, document]), [["merge_too_deep", 1]]);
});

test("parseRules() names path, document, place, rule and field of a problem", () => {
  const text = `${ruleText(SEL)}---
title: Bad
id: 11111111-2222-3333-4444-555555555555
detection:
  sel:
    Image|endswth: x
  condition: sel
`;
  assert.deepEqual(parseRules(text, "dir/r.yml").problems, [{
    severity: "error",
    code: "unknown_modifier",
    message: "Unknown modifier 'endswth' (did you mean 'endswith'?)",
    path: "dir/r.yml",
    document: 1,
    line: 8,
    column: 5,
    ruleId: "11111111-2222-3333-4444-555555555555",
    ruleTitle: "Bad",
    field: "Image|endswth",
  }]);
});

test("parseRules() places a condition's error inside its text", () => {
  const cases = [["plain", "a and @"], ["quoted", "'a and @'"], ["folded", ">\n    a and @"]];
  const places = cases.map(([, condition]) => {
    const [problem] =
      parseRules(ruleText(`\n  a: {F: 1}\n  condition: ${condition}`), "r").problems;
    return [problem?.line, problem?.column, problem?.message.slice(0, 31)];
  });
  assert.deepEqual(places, [
    [4, 20, "Condition parse error at 1:7: e"],
    [4, 21, "Condition parse error at 1:7: e"],
    [4, 14, "Condition parse error at 1:7: e"],
  ]);
});

test("parseRules() reads metadata as section 4 has it", () => {
  const rule = onlyRule(`title: T
id: not-a-uuid
name: short
taxonomy: sigma
status: test
description: D
license: L
author: A
date: 2024-05-01
modified: 2024-06-01
references: one
falsepositives: [a, 5, b]
tags: [attack.t1059]
fields: [F]
scope: server
level: critical
related: [{id: x, type: correlation}, {id: y, type: renamed}]
sigma-version: "v3.2"
logsource: {product: windows, category: process_creation, definition: D, tier: one}
owner: soc
big: 18446744073709551615
not: .nan
list: [1, 2.5, true, null, {a: b}]
regression_tests_path: x
custom_attributes: {owner: ir, rsigma.include_event: true, __proto__: own}
detection: ${SEL}
`);
  const { selections, conditions, origin, ...metadata } = rule;
  assert.equal(selections.length + conditions.length, 2);
  assert.deepEqual(origin, { path: "r.yml", document: 0, line: 1 });
  assert.deepEqual(metadata, {
    kind: "detection",
    title: "T",
    id: "not-a-uuid",
    name: "short",
    taxonomy: "sigma",
    status: "test",
    description: "D",
    license: "L",
    author: "A",
    date: "2024-05-01",
    modified: "2024-06-01",
    level: "critical",
    related: [{ id: "x", type: "correlation" }, { id: "y", type: "renamed" }],
    references: ["one"],
    fields: ["F"],
    falsepositives: ["a", "b"],
    tags: ["attack.t1059"],
    scope: ["server"],
    sigmaVersion: 3,
    customAttributes: JSON.parse(
      '{"owner": "ir", "big": "18446744073709551615", "not": null, ' +
        '"list": [1, 2.5, true, null, {"a": "b"}], "rsigma.include_event": true, ' +
        '"__proto__": "own"}',
    ),
    logsource: {
      product: "windows",
      category: "process_creation",
      definition: "D",
      custom: { tier: "one" },
    },
    filters: [],
  });
});

// sigma-rules.md, section 6.
const VERSIONS: readonly (readonly [written: string, major: number])[] = [
  ["3", 3],
  ["2.1", 2],
  ['"3"', 3],
  ['"3.0.1"', 3],
  ['"v3"', 3],
  ['" 3 "', 3],
  ["-1", 2],
  ["abc", 2],
  ['""', 2],
  ["true", 2],
  ["[3]", 2],
];

for (const [written, major] of VERSIONS) {
  test(`parseRules() takes sigma-version ${written} for ${major}`, () => {
    const { rules } = parseRules(ruleText(SEL, `sigma-version: ${written}\n`), "r.yml");
    assert.equal(rules[0]?.sigmaVersion, major);
  });
}

// sigma-rules.md, section 8.
const SHAPES: readonly (readonly [selection: string, shape: unknown])[] = [
  ["{A: 1, B: 2}", ["all_of", "A", "B"]],
  ["[a, 5, null]", ["keywords", 3]],
  ["word", ["keywords", 1]],
  ["[{A: 1}, {B: 2}]", ["any_of", ["all_of", "A"], ["all_of", "B"]]],
  ["[{A: x}, word]", ["any_of", ["all_of", "A"], ["keywords", 1]]],
  ["[[a, b], {F: x}]", ["any_of", ["keywords", 2], ["all_of", "F"]]],
];

for (const [selection, shape] of SHAPES) {
  test(`parseRules() reads the selection ${selection}`, () => {
    const { rules } = parseRules(ruleText(`{sel: ${selection}, condition: sel}`), "r.yml");
    const outlineOf = (node: (typeof rules)[0]["selections"][0]["detection"]): unknown => {
      switch (node.kind) {
        case "all_of":
          return [node.kind, ...node.items.map(({ key }) => key)];
        case "keywords":
          return [node.kind, node.item.patterns.length];
        case "any_of":
        case "and":
          return [node.kind, ...node.branches.map(outlineOf)];
        case "array":
          return [node.kind];
      }
    };
    assert.deepEqual(outlineOf(rules[0]!.selections[0]!.detection), shape);
  });
}

test("parseRules() keeps the order of the document", () => {
  const rule = onlyRule(ruleText("{z: {A: 1}, condition: 1 of *, a: {B: 1}, m: {C: 1}}"));
  assert.deepEqual(rule.selections.map(({ name }) => name), ["z", "a", "m"]);
  const condition: Condition = {
    kind: "quantified",
    need: 1,
    pattern: "*",
    names: ["z", "a", "m"],
  };
  assert.deepEqual(rule.conditions, [condition]);
});

test("parseRules() takes a list of conditions for alternatives", () => {
  const rule = onlyRule(ruleText("{a: {A: 1}, b: {B: 1}, condition: [a, not b], timeframe: 5m}"));
  assert.equal(rule.conditions.length, 2);
  assert.deepEqual(rule.selections.map(({ name }) => name), ["a", "b"]);
});

test("parseRules() gives selections and items their places", () => {
  const rule = onlyRule(itemRule("Image|endswith: x"));
  const [selection] = rule.selections;
  assert.deepEqual(selection?.position, { line: 3, column: 3 });
  assert.ok(selection?.detection.kind === "all_of");
  assert.deepEqual(selection.detection.items[0]?.position, { line: 4, column: 5 });
});

test("parseRules() refuses files and values beyond the limits", () => {
  const limits = { fileLength: 200, valueLength: 5, valuesPerItem: 2, documentsPerFile: 2 };
  const codes = (text: string) =>
    parseRules(text, "r.yml", { limits }).problems.map(({ code }) => code);
  assert.deepEqual(codes(" ".repeat(201)), ["file_too_large"]);
  assert.deepEqual(codes(itemRule("F: abcdef")), ["value_too_long"]);
  assert.deepEqual(codes(itemRule("F: [a, b, c]")), ["too_many_values"]);
  assert.deepEqual(codes("a: 1\n---\n".repeat(3)), [
    "missing_field",
    "missing_field",
    "too_many_documents",
  ]);
});
