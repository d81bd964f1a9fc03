import assert from "node:assert/strict";
import { test } from "node:test";
import { compileRegex } from "../../src/engine/regex/compile.ts";
import { parseSchemaConfig } from "../../src/schema/config.ts";
import { SchemaError } from "../../src/schema/errors.ts";
import { describePredicate, holds, type Predicate } from "../../src/schema/predicate.ts";
import { jsonEvent } from "../arbitraries/schema_event.ts";

function configOf(text: string) {
  return parseSchemaConfig(text, "s.yml", (source) => compileRegex(source, ""));
}

function predicateOf(yaml: string): Predicate {
  return configOf(`schemas: [{name: n, match: [${yaml}]}]`).signatures[0]!.predicates[0]!;
}

// inputs.md, 13.1 and 13.3: predicate, its text, an event it holds for, events it does not hold for.
const PREDICATES: readonly (readonly [
  yaml: string,
  text: string,
  holding: readonly unknown[],
  failing: readonly unknown[],
])[] = [
  ["{field_present: f}", "field_present(f)", [{ f: null }, { f: 0 }], [{}, { g: 1 }]],
  ["{field_absent: f}", "field_absent(f)", [{}], [{ f: null }]],
  ["{any_of: [a, b]}", "any_of([a, b])", [{ b: 1 }], [{ c: 1 }]],
  [
    "{equals: {field: EventID, value: '1'}}",
    'EventID == "1"',
    [{ EventID: 1 }, { EventID: "1" }],
    [{ EventID: 2 }, { EventID: [1] }, {}],
  ],
  ["{equals: {field: f, value: 1}}", 'f == "1"', [{ f: 1 }], [{ f: 11 }]],
  [
    "{equals: {field: f, value: aÄ}}",
    'f == "aÄ"',
    [{ f: "AÄ" }],
    [{ f: "aä" }, { f: { a: 1 } }],
  ],
  ["{equals: {field: f, value: 'true'}}", 'f == "true"', [{ f: true }], [{ f: null }]],
  [
    "{matches: {field: f, value: '^a.c$'}}",
    "f matches /^a.c$/",
    [{ f: "abc" }],
    [{ f: "ABC" }, { f: "xabc" }, {}],
  ],
  ["{matches: {field: f, value: '(?i)b'}}", "f matches /(?i)b/", [{ f: "ABC" }], [{ f: "x" }]],
  [
    "{gte: {field: n, value: 5}}",
    "n >= 5",
    [{ n: 5 }, { n: "7.5" }],
    [{ n: 4 }, {}, { n: "x" }, { n: true }],
  ],
  ["{gt: {field: n, value: 5}}", "n > 5", [{ n: 6 }], [{ n: 5 }]],
  ["{lt: {field: n, value: 5}}", "n < 5", [{ n: -1 }], [{ n: 5 }]],
  ["{lte: {field: n, value: 5}}", "n <= 5", [{ n: 5 }], [{ n: 6 }, { n: [1] }]],
  [
    "{in: {field: f, values: [a, b]}}",
    "f in [a, b]",
    [{ f: "B" }],
    [{ f: "c" }, { f: ["a"] }, {}],
  ],
  [
    "{field_equals_field: {left: a, right: b}}",
    "a == b",
    [{ a: "X", b: "x" }, { a: 1, b: "1" }],
    [{ a: "x" }, { b: "x" }, { a: "x", b: "y" }, {}],
  ],
  ["{not: {field_present: f}}", "not(field_present(f))", [{}], [{ f: 1 }]],
  [
    "{any: [{field_present: a}, {equals: {field: b, value: x}}]}",
    'any(field_present(a) | b == "x")',
    [{ a: 1 }, { b: "x" }],
    [{ b: "y" }],
  ],
  [
    "{all: [{field_present: a}, {field_present: b}]}",
    "all(field_present(a) & field_present(b))",
    [{ a: 1, b: 2 }],
    [{ a: 1 }],
  ],
];

for (const [yaml, text, holding, failing] of PREDICATES) {
  test(`${yaml} is ${text}`, () => {
    const predicate = predicateOf(yaml);
    assert.equal(describePredicate(predicate), text);
    for (const event of holding) assert.equal(holds(predicate, jsonEvent(event)), true);
    for (const event of failing) assert.equal(holds(predicate, jsonEvent(event)), false);
  });
}

// inputs.md, 13.1 and 14.1: a file and what is wrong with it.
const WRONG: readonly (readonly [text: string, line: number, message: RegExp])[] = [
  [
    "schemas:\n  - name: n\n    match:\n      - {}\n",
    4,
    /schema 'n': a predicate has no condition/,
  ],
  [
    "schemas:\n  - name: n\n    match:\n      - field_present: a\n        field_absent: b\n",
    4,
    /sets multiple conditions; use one per list item/,
  ],
  ["schemas: [{name: n, match: [{any: []}]}]", 1, /'any' needs at least one sub-predicate/],
  ["schemas: [{name: n, match: [{all: x}]}]", 1, /'all' needs at least one sub-predicate/],
  [
    "schemas:\n  - name: n\n    match:\n      - matches: {field: f, value: '['}\n",
    4,
    /invalid regex in schema 'n': /,
  ],
  ["schemas: [{name: n, match: [{field_presnt: a}]}]", 1, /unknown predicate 'field_presnt'/],
  ["schemas: [{name: n, match: [{equals: {field: a}}]}]", 1, /'equals.value' must be a text/],
  [
    "schemas: [{name: n, match: [{equals: {field: a, value: b, cased: true}}]}]",
    1,
    /unknown key 'cased' in 'equals'/,
  ],
  ["schemas: [{name: n, match: [{gt: {field: a, value: x}}]}]", 1, /'gt.value' must be a number/],
  ["schemas: [{name: n, match: [{in: {field: a, values: []}}]}]", 1, /'in.values' must be a list/],
  ["schemas: [{name: n, match: []}]", 1, /matches everything/],
  ["schemas: [{name: n}]", 1, /schema 'n' has no 'match'/],
  ["schemas: [{match: [{field_present: a}]}]", 1, /'name' must be a text/],
  ["schemas: [{name: n, specificity: -1, match: [{field_present: a}]}]", 1, /whole number from 0/],
  ["schemas: {}", 1, /'schemas' must be a list/],
  ["- a", 1, /has the keys 'schemas' and 'routing'/],
  ["routing: {on_unknown: keep}", 1, /must be one of warn, drop, passthrough, error/],
  ["routing:\n  bindings:\n    - pipelines: []\n", 3, /'schema' must be a text/],
];

for (const [text, line, message] of WRONG) {
  test(`parseSchemaConfig() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => configOf(text), (error) => {
      assert.ok(error instanceof SchemaError);
      assert.equal(error.code, "SCHEMA_INVALID");
      assert.match(error.problems[0]!.message, message);
      assert.equal(error.problems[0]!.line, line);
      assert.ok(error.message.startsWith(`Cannot use schema file s.yml:${line}: `));
      return true;
    });
  });
}

test("parseSchemaConfig() tells every problem, and syntax errors with their line", () => {
  const two = "schemas:\n  - {name: a, match: [{}]}\n  - {name: b, match: [{any: []}]}\n";
  assert.throws(() => configOf(two), (error) => {
    assert.ok(error instanceof SchemaError);
    assert.deepEqual(error.problems.map(({ line }) => line), [2, 3]);
    return true;
  });
  assert.throws(() => configOf("schemas: [\n  {name: }}\n"), (error) => {
    assert.ok(error instanceof SchemaError);
    assert.equal(error.code, "SCHEMA_YAML");
    assert.equal(error.problems[0]!.line, 2);
    return true;
  });
});

test("parseSchemaConfig() reads everything a file can say", () => {
  const config = configOf(`
schemas:
  - name: mine
    match: [{field_present: a}]
    comment: ignored
routing:
  default_pipelines: [p]
  aliases: {mine: ecs}
  bindings:
    - schema: ecs
      logsource: {product: Windows, service: "  ", custom: {Team: Blue}}
    - {schema: mine, pipelines: [a, b]}
`);
  assert.deepEqual(
    config.signatures.map(({ name, specificity, line }) => [name, specificity, line]),
    [
      ["mine", 50, 3],
    ],
  );
  assert.deepEqual(config.warnings, [{
    line: 5,
    message: "schemas: 'comment' is not known and is ignored",
  }]);
  const { onUnknown, defaultPipelines, aliases, bindings } = config.routing;
  assert.equal(onUnknown, undefined);
  assert.deepEqual(defaultPipelines, ["p"]);
  assert.deepEqual([...aliases], [["mine", "ecs"]]);
  assert.deepEqual(bindings, [
    {
      schema: "ecs",
      pipelines: [],
      logsource: { product: "windows", custom: { Team: "blue" } },
      line: 10,
    },
    { schema: "mine", pipelines: ["a", "b"], line: 12 },
  ]);
  assert.deepEqual(configOf("").signatures, []);
  assert.deepEqual(configOf("schemas:\nrouting:\n").routing.bindings, []);
});
