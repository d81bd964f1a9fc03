/**
 * sigma-rules.md, section 12: single patterns, against other ways of telling.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressInNetwork } from "../../src/engine/naive_network.ts";
import { compilePattern, type Scope, timePart } from "../../src/engine/pattern_test.ts";
import type { Value } from "../../src/event/value.ts";
import { canonicalCidr } from "../../src/sigma/cidr.ts";
import type { CompareOperator, Pattern } from "../../src/sigma/rule.ts";

const NO_SCOPE: Scope = { value: () => undefined };

/** Whether a pattern holds for a scalar. */
function holds(pattern: Pattern, value: Value, field = "F"): boolean {
  const compiled = compilePattern(pattern, field);
  switch (compiled.kind) {
    case "text":
      return typeof value === "string" &&
        compiled.test(compiled.lower ? value.toLowerCase() : value);
    case "scalar":
    case "whole":
      return compiled.test(value, NO_SCOPE);
    case "any":
      throw new RangeError("not a single pattern");
  }
}

const near = (text: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(text.length - 1), fc.constantFrom(..."0123456789abcdef"))
    .map(([at, digit]) =>
      /[0-9a-f]/.test(text[at]!) ? text.slice(0, at) + digit + text.slice(at + 1) : text
    );
/** An address and another that shares most of it, so that both answers occur. */
const pair = fc.oneof(fc.ipV4(), fc.ipV6()).chain((text) =>
  fc.tuple(fc.constant(text), fc.oneof(near(text), fc.ipV4(), fc.constant(`::ffff:${text}`)))
);

test("cidr tests what comparing bits says", () => {
  fc.assert(
    fc.property(pair, fc.nat(128), ([base, other], length) => {
      const prefix = base.includes(":") ? length : length % 33;
      const network = canonicalCidr(`${base}/${prefix}`);
      assert.ok(network !== undefined, base);
      for (const address of [base, other]) {
        const expected = addressInNetwork(address, network);
        assert.equal(holds({ kind: "cidr", network }, address), expected, `${address} ${network}`);
      }
      assert.equal(holds({ kind: "cidr", network }, base), true);
    }),
    { numRuns: 3000 },
  );
});

const integer = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n });

test("comparisons of integers are exact, as texts and as numbers", () => {
  fc.assert(fc.property(
    integer,
    fc.oneof(fc.constantFrom(-1n, 0n, 1n), integer),
    fc.constantFrom<CompareOperator>("gt", "gte", "lt", "lte"),
    (bound, distance, operator) => {
      const value = bound + distance;
      const expected = {
        gt: value > bound,
        gte: value >= bound,
        lt: value < bound,
        lte: value <= bound,
      }[operator];
      const pattern: Pattern = { kind: "compare", operator, text: String(bound) };
      assert.equal(holds(pattern, value), expected);
      assert.equal(holds(pattern, String(value)), expected);
      const equal: Pattern = { kind: "number", text: String(bound) };
      const own = Number.isSafeInteger(Number(value)) ? Number(value) : value;
      assert.equal(holds(equal, own), value === bound);
      assert.equal(holds(equal, String(value)), value === bound);
    },
  ));
});

test("numbers take any text, also thousands of digits", () => {
  const unit = fc.constantFrom(..."0123456789.eE+-xinfaN ");
  const patterns: readonly Pattern[] = [
    { kind: "number", text: "5" },
    { kind: "number", text: "9007199254740993" },
    { kind: "number", text: `1${"0".repeat(400)}` },
    { kind: "compare", operator: "gt", text: "9007199254740993" },
    { kind: "compare", operator: "lte", text: "-1e400" },
  ];
  const check = (value: Value): void => {
    for (const pattern of patterns) {
      assert.equal(typeof holds(pattern, value, "ProcessId"), "boolean");
    }
  };
  fc.assert(fc.property(fc.string({ unit, maxLength: 30 }), check));
  for (const value of [Infinity, -Infinity, NaN, 1e308, "1".repeat(10_000), "0x", "0xg"]) {
    check(value);
  }
});

test("timePart() agrees with Date in UTC", () => {
  const at = Date.UTC(2024, 6, 10, 3, 45, 59, 999);
  assert.deepEqual(
    (["minute", "hour", "day", "week", "month", "year"] as const).map((part) => timePart(part, at)),
    [45, 3, 10, 28, 7, 2024],
  );
});

test("process ids in hexadecimal are numbers, other fields' are not", () => {
  const pattern: Pattern = { kind: "number", text: "4660" };
  for (const field of ["ProcessId", "NewProcessId", "SubjectLogonId"]) {
    assert.equal(holds(pattern, "0x1234", field), field !== "SubjectLogonId");
    assert.equal(holds(pattern, "0x1235", field), false);
    assert.equal(holds(pattern, "4660", field), true);
  }
});
