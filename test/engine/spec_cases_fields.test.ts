/**
 * sigma-rules.md, sections 15 (paths), 16 (keywords), 17.2 (arrays) and 28.5 #106 to #120.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { internField } from "../../src/event/field.ts";
import type { Value } from "../../src/event/value.ts";
import {
  errorCodes,
  eventOf,
  type EventRow,
  matchCount,
  resultsOf,
  rulesOf,
  ruleText,
  selectionRule,
  testEventRows,
} from "../support/rules.ts";

const MAJOR_3 = "sigma-version: 3\n";

// The path table, and the facts around it. Brackets are positions, as from sigma-version 3 on.
const PATHS: readonly (readonly [event: Value, path: string, result: Value | undefined])[] = [
  [{ "a.b": 1, a: { b: 2 } }, "a.b", 1],
  [{ a: { b: 2 } }, "a.b", 2],
  [{ a: [{ b: 1 }, { b: 2 }, { c: 3 }] }, "a.b", [1, 2]],
  [{ a: [{ b: 1 }] }, "a.b", 1],
  [{ a: [{ b: [1, 2] }, { b: [3] }] }, "a.b", [[1, 2], [3]]],
  [{ a: { b: null } }, "a.b", null],
  [{ x: ["p", "q"] }, "x[-1]", "q"],
  [{ "x[0]": "v" }, "x[0]", "v"],
  [{ A: 1 }, "a", undefined],
  [{ "a.b": null, a: { b: 2 } }, "a.b", null],
  [{ a: [[{ b: 1 }], { b: 2 }] }, "a.b", [1, 2]],
  [{ a: [{ b: null }, { b: 1 }] }, "a.b", [null, 1]],
  [{ a: "x" }, "a.b", undefined],
  [{ a: [1, 2] }, "a.0", undefined],
  [{ a: [1, 2] }, "a[2]", undefined],
  [{ a: [1, 2] }, "a[-3]", undefined],
  [{ a: { "0": 1 } }, "a[0]", undefined],
  [{ a: [["p"], ["q", "r"]] }, "a[1][0]", "q"],
  [{ a: [{ b: ["p", "q"] }, { b: ["r"] }] }, "a.b[0]", ["p", "r"]],
  [{ a: [{ b: 1 }, { b: 2 }] }, "a[1].b", 2],
  [{ "a[x]": { b: 1 } }, "a[x].b", 1],
  [{ "a[0]": { b: 1 } }, "a\\[0\\].b", 1],
  [{ " a": 1 }, "a", undefined],
  [[{ a: { b: 1 } }, { a: { b: 2 } }], "a.b", [1, 2]],
  [[{ a: 1 }], "a", undefined],
  [{ a: {} }, "a", {}],
  // Picket also enters objects below keys with dots in them.
  [{ "a.b": { c: 1 } }, "a.b.c", 1],
  [{ a: { "b.c": { d: 1 } } }, "a.b.c.d", 1],
  [{ "a.b": { x: 1 }, a: { b: { c: 2 } } }, "a.b.c", 2],
  [{ a: { b: 5 }, "a.b": { c: 1 } }, "a.b.c", 1],
  [{ a: [{ "b.c": 1 }, { b: { c: 2 } }] }, "a.b.c", [1, 2]],
];
for (const [event, path, result] of PATHS) {
  test(`15: ${path} in ${JSON.stringify(event)}`, () => {
    assert.deepEqual(eventOf(event).get(internField(path)), result);
  });
}

testEventRows("15, sigma-version 2", [
  ["x[0]: v", [{ "x[0]": "v" }, true], [{ x: ["v"] }, false]],
  ["a[0].b: v", [{ "a[0]": { b: "v" } }, true], [{ a: [{ b: "v" }] }, false]],
  ["a.b: 2", [{ "a.b": 1, a: { b: 2 } }, false], [{ a: [{ b: 1 }, { b: 2 }] }, true]],
  ["A: 1", [{ a: 1 }, false]],
  ["'Image ': x", [{ Image: "x" }, false], [{ "Image ": "x" }, true]],
]);
testEventRows(
  "15, sigma-version 3",
  [
    ["x[-1]: q", [{ x: ["p", "q"] }, true], [{ x: ["q", "p"] }, false]],
    ["x[0]: v", [{ "x[0]": "v" }, true], [{ x: ["v"] }, true]],
    ["x\\[0\\]: v", [{ "x[0]": "v" }, true], [{ x: ["v"] }, false]],
  ],
  {},
  MAJOR_3,
);

const KEYWORDS: readonly EventRow[] = [
  ["[Abc]", [{ x: { y: ["zABCz"] } }, true], [{ abc: 1 }, false], [{}, false]],
  ["['4625']", [{ id: 4625 }, true], [{ id: "x4625y" }, true], [{ "4625": 1 }, false]],
  ["[4625]", [{ id: 4625 }, true], [{ id: 146251 }, true], [{ id: 4.5 }, false]],
  ["[true]", [{ f: true }, true], [{ f: "untrue" }, true], [{ f: false }, false]],
  ["[null]", [{ f: null }, false], [{ f: "null" }, false]],
  ["['a*c']", [{ m: "xx abbc yy" }, true], [{ m: "a\nc" }, true], [{ m: "ca" }, false], [
    { m: "a", n: "c" },
    false,
  ]],
  ["word", [{ m: "a WORD" }, true]],
  ["'|contains': [foo, bar]", [{ m: "xbarx" }, true], [{ m: "x" }, false]],
  ["'|all': ['foo','bar']", [{ m: "foo and bar" }, true], [{ m: "foo", n: ["BAR"] }, true], [
    { m: "foo" },
    false,
  ]],
  ["'|contains|all': ['foo','bar']", [{ m: "foo", n: "bar" }, true], [{ m: "bar" }, false]],
  ["'|startswith': foo", [{ m: "Foox" }, true], [{ m: "xfoo" }, false]],
  ["'|endswith': [foo, bar]", [{ m: "xbar" }, true], [{ m: "barx" }, false]],
  ["'|cased': Foo", [{ m: "xFoo" }, true], [{ m: "xfoo" }, false]],
  ["'|re': '^f.o$'", [{ m: "fxo" }, true], [{ m: "fxoo" }, false]],
  ["'|neq': foo", [{ m: "x" }, true], [{ m: "xfoox" }, false], [{}, true]],
  ["'|contains|windash': ' -x'", [{ m: "a /x" }, true]],
  ["{'|contains': foo, F: 1}", [{ m: "foo", F: 1 }, true], [{ m: "foo", F: 2 }, false]],
  [
    "[one, two, three, four, five, six, seven, eight, nine]",
    [{ a: { b: { c: "xNINEx" } } }, true],
    [{ a: { b: ["ten"] } }, false],
  ],
];
testEventRows("16", KEYWORDS);

test("16: keywords are found 63 containers deep", () => {
  let value: Value = "xneedlex";
  for (let depth = 0; depth < 62; depth++) value = depth % 2 === 0 ? [value] : { k: value };
  assert.equal(matchCount(selectionRule("[needle]"), { top: value }), 1);
});

const CONNS = "'conns[any]': {proto: TCP, 'ip|cidr': 10.9.0.0/16}";
const conns = (...pairs: readonly (readonly [string, string])[]): Value => ({
  conns: pairs.map(([proto, ip]) => ({ proto, ip })),
});
const CODES = "'codes[any]': {condition: a and not b, a: {'.|gte': 500}, b: {'.': 504}}";
const ARRAYS: readonly EventRow[] = [
  [
    CONNS,
    [conns(["UDP", "10.9.1.1"], ["TCP", "10.9.2.2"]), true],
    [conns(["TCP", "8.8.8.8"], ["UDP", "10.9.2.2"]), false],
    [{ conns: { proto: "tcp", ip: "10.9.0.1" } }, true],
    [{ conns: [] }, false],
    [{ conns: null }, false],
    [{}, false],
  ],
  [
    "'ips[all]|startswith': '10.'",
    [{ ips: ["10.1", "11.1"] }, false],
    [{
      ips: ["10.1", "10.2"],
    }, true],
    [{ ips: [] }, false],
    [{}, false],
    [{ ips: "10.7" }, true],
    [{ ips: null }, false],
  ],
  [
    "'tags[none]': admin",
    [{}, true],
    [{ tags: null }, true],
    [{ tags: [] }, true],
    [
      { tags: ["x", "ADMIN"] },
      false,
    ],
    [{ tags: "admin" }, false],
    [{ tags: ["x"] }, true],
  ],
  [CODES, [{ codes: [504, 200] }, false], [{ codes: [502, 504] }, true]],
  ["'args[-1]': '-x'", [{ args: ["a", "-x"] }, true], [{ args: ["-x", "a"] }, false]],
  ["'args\\[0\\]': v", [{ "args[0]": "v" }, true], [{ args: ["v"] }, false]],
  // 28.5 #115 to #118.
  ["'conns[all]': {proto: TCP}", [{ conns: [] }, false], [{}, false], [
    { conns: [{ proto: "tcp" }, { proto: "TCP" }] },
    true,
  ]],
  ["'conns[all_or_empty]': {proto: TCP}", [{ conns: [] }, true], [{}, true], [
    { conns: [{ proto: "UDP" }] },
    false,
  ], [{ conns: null }, true]],
  [
    "'rules[any]': {type: allow, 'ip[all]|startswith': '1.'}",
    [{ rules: [{ type: "allow", ip: ["1.2", "2.1"] }] }, false],
    [{ rules: [{ type: "allow", ip: ["1.2", "1.1"] }] }, true],
    [{ rules: [{ type: "allow", ip: ["2.1"] }, { type: "deny", ip: ["1.1"] }] }, false],
  ],
  ["'rules[any].ip[0]': a", [{ rules: [{ ip: ["b", "a"] }] }, false], [
    { rules: [{ ip: ["b"] }, { ip: ["a", "b"] }] },
    true,
  ]],
  // 17.1: what a key desugars to.
  ["'a[0]': {x: 1, y: 2}", [{ a: [{ x: 1, y: 2 }] }, true], [{ a: [{ x: 1 }, { y: 2 }] }, false]],
  ["'a[any].b': {x: 1, y: 2}", [{ a: [{ b: { x: 1, y: 2 } }] }, true], [
    { a: [{ b: { x: 1 } }, { b: { y: 2 } }] },
    false,
  ]],
  ["'a[any].b[all]': v", [{ a: [{ b: ["v", "w"] }, { b: ["v"] }] }, true], [
    { a: [{ b: ["v", "w"] }] },
    false,
  ]],
  ["{'c[any].p': x, 'c[any].q': y}", [{ c: [{ p: "x" }, { q: "y" }] }, true]],
  ["{'c[any]': {p: x}, Z: 1}", [{ c: [{ p: "x" }], Z: 1 }, true], [{ c: [{ p: "x" }] }, false]],
  ["'o.c[any]': v", [{ o: [{ c: ["v"] }, { c: ["w"] }] }, true], [
    { o: [{ c: ["x"] }] },
    false,
  ], [{ o: { c: ["v"] } }, true]],
  // 17.2: bodies look up inside the member, `fieldref` in the whole event.
  ["'c[any]': {p.q: x}", [{ c: [{ p: [{ q: "y" }, { q: "x" }] }] }, true]],
  ["'c[any]': {p: null}", [{ c: [{ q: 1 }] }, true], [{ c: [{ p: 1 }] }, false]],
  ["'c[any]': {'p|exists': false}", [{ c: [{ p: 1 }] }, false], [{ c: [{}] }, true]],
  ["'c[any]': {'p|fieldref': top}", [{ c: [{ p: "x" }], top: "X" }, true], [
    { c: [{ p: "x", top: "x" }] },
    false,
  ]],
  ["'c[any]': {'p|neq': x}", [{ c: [{ p: "x" }, { q: 1 }] }, false], [{ c: [{ p: "y" }] }, true]],
  [
    "'c[any]': {condition: 1 of k*, k1: [word], k2: {p: 1}}",
    [{ c: ["WORD"] }, true],
    [
      { c: ["a word"] },
      true,
    ],
    [{ c: [{ p: 1 }] }, true],
    [{ c: ["x"] }, false],
  ],
  ["'c[any]': {'.|contains': bc}", [{ c: ["abcd"] }, true], [{ c: [["x", "abc"]] }, true]],
  ["'c[any]|contains|all': [a, b]", [{ c: ["ab"] }, true], [{ c: ["a", "b"] }, false]],
  ["'c[none]|contains': a", [{ c: ["b", "ca"] }, false], [{ c: ["b"] }, true]],
];
testEventRows("17", ARRAYS, {}, MAJOR_3);
testEventRows("17, sigma-version 2", [
  ["'args[0]': v", [{ args: ["v"] }, false]],
  ["'args[any]': v", [{ args: ["v"] }, false], [{ "args[any]": "v" }, true]],
]);

test("28.5 #119, #120: unknown selectors, and modifiers on object scopes", () => {
  assert.equal(errorCodes(selectionRule("'f[some]': x", MAJOR_3)).length, 1);
  assert.equal(errorCodes(selectionRule("'f[any]|contains': {a: b}", MAJOR_3)).length, 1);
  assert.equal(errorCodes(selectionRule("'[any]': x", MAJOR_3)).length, 1);
  assert.equal(errorCodes(selectionRule("'a[0][1]': x", MAJOR_3)).length, 1);
});

test("28.5 #107, #110, #112: Picket's answers", () => {
  assert.equal(matchCount(selectionRule("a.b: 2"), { "a.b": 1, a: { b: 2 } }), 0);
  assert.equal(matchCount(selectionRule("['4625']"), { id: 4625 }), 1);
  assert.equal(matchCount(selectionRule("'|all': [foo, bar]"), { m: "foo and bar" }), 1);
});

test("28.5 #135: 2,000 rules load and match in linear time", () => {
  const text = Array.from(
    { length: 2000 },
    (_, number) => ruleText({ sel: `CommandLine|contains: 'word${number}x'` }, "sel"),
  ).join("---\n");
  const results = resultsOf(rulesOf(text), { CommandLine: "a word1999x b word7x" });
  assert.equal(results.length, 2);
});
