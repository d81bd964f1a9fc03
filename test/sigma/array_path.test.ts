import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRules } from "../../src/sigma/parse.ts";
import type { Detection, Item } from "../../src/sigma/rule.ts";
import { detectionOf, errorsOf, itemRule, show } from "./helpers.ts";

const V3 = "sigma-version: 3\n";

function showItem({ field, key, patterns }: Item): string {
  return `${field ?? "-"}[${key}]=${patterns.map(show).join(" or ")}`;
}

function outline(node: Detection): string {
  switch (node.kind) {
    case "all_of":
      return `{${node.items.map(showItem).join("; ")}}`;
    case "keywords":
      return `words ${showItem(node.item)}`;
    case "any_of":
    case "and":
      return `${node.kind}(${node.branches.map(outline).join(", ")})`;
    case "array": {
      const { body } = node;
      const inner = body.kind === "basic"
        ? outline(body.detection)
        : body.selections.map(({ name, detection }) => `${name}: ${outline(detection)}`).join(
          " | ",
        );
      return `${node.quantifier} ${node.field} <${inner}>`;
    }
  }
}

// sigma-rules.md, sections 9.3, 17.1, 17.2 and 28.5.
const BLOCKS: readonly (readonly [entries: string, outline: string])[] = [
  [
    "conns[any]: {proto: TCP, 'ip|cidr': 10.9.0.0/16}",
    "any conns <{proto[proto]=equals 'TCP'; ip[ip|cidr]=cidr 10.9.0.0/16}>",
  ],
  ["ips[all]|startswith: '10.'", "all ips <{-[|startswith]=startswith '10.'}>"],
  ["tags[none]: admin", "none tags <{-[]=equals 'admin'}>"],
  ["tags[all_or_empty]: 5", "all_or_empty tags <{-[]=number 5}>"],
  ["args[-1]: '-x'", "{args[-1][args[-1]]=equals '-x'}"],
  ["args[+1]: x", "{args[1][args[+1]]=equals 'x'}"],
  ["args\\[0\\]: v", "{args\\[0\\][args\\[0\\]]=equals 'v'}"],
  ["a[0]b: v", "{a[0]b[a[0]b]=equals 'v'}"],
  ["rules[any].ip[0]: a", "any rules <{ip[0][ip[0]]=equals 'a'}>"],
  ["a.b[any].c.d|contains: x", "any a.b <{c.d[c.d|contains]=contains 'x'}>"],
  ["a[0].b[any]: x", "any a[0].b <{-[]=equals 'x'}>"],
  [
    "rules[any]: {type: allow, 'ip[all]|startswith': '1.'}",
    "any rules <and({type[type]=equals 'allow'}, all ip <{-[|startswith]=startswith '1.'}>)>",
  ],
  ["a[any].b[all]: {c: x}", "any a <all b <{c[c]=equals 'x'}>>"],
  ["a[any].b: {c: x}", "any a <{b.c[b.c]=equals 'x'}>"],
  ["a[0]: {b: x, c|re: y}", "{a[0].b[a[0].b]=equals 'x'; a[0].c[a[0].c|re]=regex y }"],
  ["a[0]: {'.|gt': 5}", "{a[0][a[0]|gt]=gt 5}"],
  ["a[any]: {'.|gte': 500}", "any a <{-[.|gte]=gte 500}>"],
  ["f: x\n    a[any]: y", "and({f[f]=equals 'x'}, any a <{-[]=equals 'y'}>)"],
  ["a[any]: x\n    b[any]: y", "and(any a <{-[]=equals 'x'}>, any b <{-[]=equals 'y'}>)"],
  [
    "codes[any]: {condition: a and not b, a: {'.|gte': 500}, b: {'.': 504}}",
    "any codes <a: {-[.|gte]=gte 500} | b: {-[.]=number 504}>",
  ],
  ["m[any]: {condition: w, w: [x, y]}", "any m <w: words -[]=contains 'x' or contains 'y'>"],
];

for (const [entries, expected] of BLOCKS) {
  test(`sigma-version 3 reads ${entries.replace(/\s+/g, " ")}`, () => {
    assert.equal(outline(detectionOf(itemRule(entries, V3))), expected);
  });
}

const ERRORS: readonly (readonly [entry: string, error: RegExp])[] = [
  ["f[some]: x", /^array_selector Invalid field specification: unknown array selector '\[some\]'/],
  ["f[]: x", /^array_selector .*unknown array selector '\[\]'/],
  ["f[99999999999999999999]: x", /^array_selector /],
  ["'[any]': x", /^array_selector .*no field name/],
  ["a.[0]: x", /^array_selector .*no field name/],
  ["a[0][1]: x", /^array_selector .*two selectors/],
  ["a[any][all]: x", /^array_selector .*two selectors/],
  ["f[any]|contains: {a: b}", /^invalid_modifiers .*value modifiers cannot be applied/],
  ["f[any].g|contains: {a: b}", /^invalid_modifiers .*value modifiers cannot be applied/],
  ["f[0]|contains: {a: b}", /^invalid_modifiers .*value modifiers cannot be applied/],
  ["f[any]: {}", /^empty_selection /],
  ["f[any]: []", /^empty_value_list /],
  ["f[any]: {a: {b: c}}", /^invalid_detection /],
  ["f[any]: {condition: a}", /^invalid_detection .*needs selections/],
  ["f[any]: {condition: 5, a: {b: c}}", /^invalid_detection .*condition must be/],
  ["f[any]: {condition: ghost, a: {b: c}}", /^unknown_detection_identifier /],
  ["f[any]: {condition: sel, a: {b: c}}", /^unknown_detection_identifier /],
  ["f[any]: {5: c}", /^invalid_key /],
];

for (const [entry, expected] of ERRORS) {
  test(`sigma-version 3 refuses ${entry}`, () => {
    const errors = errorsOf(parseRules(itemRule(entry, V3), "r.yml"));
    assert.equal(errors.length, 1, String(errors));
    assert.match(errors[0]!, expected);
  });
}

test("an array block binds its condition to its own selections", () => {
  const detection = detectionOf(itemRule("c[any]: {condition: [1 of *, not b], a: x, b: y}", V3));
  assert.ok(detection.kind === "array" && detection.body.kind === "extended");
  assert.deepEqual(detection.body.conditions, [
    { kind: "quantified", need: 1, pattern: "*", names: ["a", "b"] },
    { kind: "not", child: { kind: "selection", name: "b" } },
  ]);
});
