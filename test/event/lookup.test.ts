/**
 * sigma-rules.md, section 15; its path table is in `test/engine/spec_cases_fields.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { internField } from "../../src/event/field.ts";
import { lookup, MAX_EVENT_DEPTH, someLeafText } from "../../src/event/lookup.ts";
import { scalarText, type Value } from "../../src/event/value.ts";

const key = fc.constantFrom("a", "b", "a.b", "c", "a[0]");
const { tree } = fc.letrec<{ tree: Value }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.constantFrom<Value>(1, "x", null, true),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
const path = fc.array(fc.constantFrom("a", "b", "c", "a[0]", "b[-1]", "a\\[0\\]"), {
  minLength: 1,
  maxLength: 4,
}).map((parts) => parts.join("."));

/** Everything a dotted path without brackets can mean, by trying each way to cut it. */
function reachable(value: Value, parts: readonly string[]): readonly Value[] {
  if (parts.length === 0) return [value];
  if (Array.isArray(value)) {
    return (value as readonly Value[]).flatMap((member) => reachable(member, parts));
  }
  if (typeof value !== "object" || value === null) return [];
  for (let count = 1; count <= parts.length; count++) {
    const name = parts.slice(0, count).join(".");
    const child = (value as Readonly<Record<string, Value>>)[name];
    const found = child === undefined ? [] : reachable(child, parts.slice(count));
    if (found.length > 0) return found;
  }
  return [];
}

test("lookup() finds what trying every way finds", () => {
  const dotted = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 2, maxLength: 4 });
  fc.assert(fc.property(tree, dotted, (root, parts) => {
    const name = parts.join(".");
    const flat = typeof root === "object" && root !== null && !Array.isArray(root)
      ? (root as Readonly<Record<string, Value>>)[name]
      : undefined;
    const found = reachable(root, parts);
    const expected = flat !== undefined
      ? flat
      : found.length === 0
      ? undefined
      : found.length === 1
      ? found[0]
      : found;
    assert.deepEqual(lookup(root, internField(name)), expected);
  }));
});

test("lookup() takes any path on any value", () => {
  fc.assert(fc.property(tree, path, (root, name) => {
    const value = lookup(root, internField(name));
    assert.deepEqual(lookup(root, internField(name)), value);
  }));
});

test("lookup() and someLeafText() end in values nested without end", () => {
  let deep: Value = "x";
  for (let depth = 0; depth < 5000; depth++) deep = depth % 2 === 0 ? [deep] : { a: deep };
  assert.equal(lookup(deep, internField("a.a.a")) === undefined, false);
  assert.equal(someLeafText(deep, scalarText, () => true), false);
  let allowed: Value = "x";
  for (let depth = 0; depth < MAX_EVENT_DEPTH; depth++) allowed = [allowed];
  assert.equal(someLeafText(allowed, scalarText, (text) => text === "x"), true);
});

test("someLeafText() visits each scalar once, in order, until told to stop", () => {
  const seen: string[] = [];
  const root: Value = { a: [1, "x", null, { b: true }], c: 2n };
  assert.equal(someLeafText(root, scalarText, (text) => (seen.push(text), false)), false);
  assert.deepEqual(seen, ["1", "x", "true", "2"]);
  seen.length = 0;
  assert.equal(someLeafText(root, scalarText, (text) => (seen.push(text), text === "x")), true);
  assert.deepEqual(seen, ["1", "x"]);
});
