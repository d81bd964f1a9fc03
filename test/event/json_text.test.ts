import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonText, parseJsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";

const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.string({ unit: "binary" }),
    fc.integer(),
    // A zero without a sign: JSON has no other.
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((one) => !Object.is(one, -0)),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

/** Doubles that are integers beyond 2^53 read back as what their digits say. */
function exact(one: Value): Value {
  if (typeof one === "number" && Number.isInteger(one) && !Number.isSafeInteger(one)) {
    const digits = jsonText(one);
    return /^-?\d{16,20}$/.test(digits) ? BigInt(digits) : one;
  }
  if (Array.isArray(one)) return one.map(exact);
  if (typeof one === "object" && one !== null) {
    return Object.fromEntries(Object.entries(one).map(([key, member]) => [key, exact(member)]));
  }
  return one;
}

test("parseJsonText() reads back what jsonText() and prettyJsonText() write", () => {
  fc.assert(fc.property(value, (one) => {
    const text = jsonText(one);
    assert.equal(text.includes("\n"), false);
    assert.deepEqual(parseJsonText(text), exact(one));
    assert.deepEqual(parseJsonText(prettyJsonText(one)), exact(one));
  }));
});

test("jsonText() writes what JSON.stringify writes, where that can", () => {
  fc.assert(fc.property(fc.jsonValue(), (one) => {
    assert.equal(jsonText(one), JSON.stringify(one));
    assert.equal(prettyJsonText(one), JSON.stringify(one, null, 2));
  }));
});

const ROWS: readonly (readonly [value: unknown, text: string])[] = [
  [9007199254740993n, "9007199254740993"],
  [[18446744073709551615n], "[18446744073709551615]"],
  [{ a: undefined, b: 1 }, '{"b":1}'],
  [[undefined], "[null]"],
  [NaN, "null"],
  [-Infinity, "null"],
  ["\ud800", '"\\ud800"'],
  ['"\\\n\u2028', '"\\"\\\\\\n\u2028"'],
  [{}, "{}"],
  [[], "[]"],
];
for (const [one, text] of ROWS) {
  test(`jsonText() writes ${text}`, () => assert.equal(jsonText(one), text));
}

test("jsonText() ends in values nested without end", () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 5000; depth++) deep = depth % 2 === 0 ? [deep] : { k: deep };
  assert.match(jsonText(deep), /too deep/);
  assert.match(prettyJsonText(deep), /too deep/);
});

test("parseJsonText() keeps the digits of integers, wherever they stand", () => {
  assert.deepEqual(
    parseJsonText('{"a":[9007199254740993,-9223372036854775808,1e3,"9007199254740993"]}'),
    { a: [9007199254740993n, -9223372036854775808n, 1000, "9007199254740993"] },
  );
  assert.equal(parseJsonText("99999999999999999999999"), 1e23);
});
