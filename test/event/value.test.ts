/**
 * sigma-rules.md, section 10: texts of numbers, and texts that are numbers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { numberText, parseStrictNumber, scalarText, type Value } from "../../src/event/value.ts";

const TEXTS: readonly (readonly [value: number, text: string])[] = [
  [4624, "4624"],
  [4624.0, "4624"],
  [-0, "0"],
  [1.5, "1.5"],
  [-3.25, "-3.25"],
  [1e21, "1000000000000000000000"],
  [-1.5e21, "-1500000000000000000000"],
  [1e-7, "0.0000001"],
  [1.25e-7, "0.000000125"],
  [123456789e15, "123456789000000000000000"],
  [5e-324, `0.${"0".repeat(323)}5`],
  [Number.MAX_VALUE, `17976931348623157${"0".repeat(292)}`],
];
for (const [value, text] of TEXTS) {
  test(`numberText() of ${value}`, () => assert.equal(numberText(value), text));
}

test("numberText() reads back as the number, without an exponent", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
    const text = numberText(value);
    assert.match(text, /^-?\d+(\.\d+)?$/);
    assert.equal(Number(text), value === 0 ? 0 : value);
    assert.equal(parseStrictNumber(text), value === 0 ? 0 : value);
  }));
});

const NUMBERS: readonly (readonly [text: string, value: number | undefined])[] = [
  ["0", 0],
  ["-12", -12],
  ["+5", 5],
  ["5.", 5],
  [".5", 0.5],
  ["1e3", 1000],
  ["1E-2", 0.01],
  ["007", 7],
  ["inf", Infinity],
  ["-Infinity", -Infinity],
  ["+INF", Infinity],
  ["NaN", NaN],
  ["-nan", NaN],
  ["", undefined],
  [" 5", undefined],
  ["5 ", undefined],
  ["5\n", undefined],
  ["0x10", undefined],
  ["1_000", undefined],
  ["1,000", undefined],
  [".", undefined],
  ["e5", undefined],
  ["1e", undefined],
  ["1e+", undefined],
  ["--1", undefined],
  ["infinit", undefined],
  ["\u0665", undefined],
];
for (const [text, value] of NUMBERS) {
  test(`parseStrictNumber() of ${JSON.stringify(text)}`, () => {
    assert.equal(parseStrictNumber(text), value);
  });
}

test("parseStrictNumber() takes long texts in one pass", () => {
  const start = performance.now();
  for (const text of ["1".repeat(1e6) + "x", `${"1".repeat(5e5)}.${"1".repeat(5e5)}x`]) {
    assert.equal(parseStrictNumber(text), undefined);
  }
  assert.ok(performance.now() - start < 1000);
});

const SCALARS: readonly (readonly [value: Value | undefined, text: string | undefined])[] = [
  ["x", "x"],
  ["", ""],
  [1e21, "1000000000000000000000"],
  [9223372036854775807n, "9223372036854775807"],
  [true, "true"],
  [false, "false"],
  [null, undefined],
  [undefined, undefined],
  [["x"], undefined],
  [{ a: "x" }, undefined],
];
for (const [value, text] of SCALARS) {
  test(`scalarText() of ${typeof value} ${String(value)}`, () => {
    assert.equal(scalarText(value), text);
  });
}
