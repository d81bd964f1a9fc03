/**
 * The indexes by themselves: what they must find is what plain searching finds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FieldIndex, MemoryBudget } from "../../src/engine/field_index.ts";
import { SubstringIndex } from "../../src/engine/substring_index.ts";
import type { Witness } from "../../src/engine/witness.ts";
import { numberText, parseStrictNumber, type Value } from "../../src/event/value.ts";

const unit = fc.constantFrom("a", "b", "c", "\u00e4", "\u{1f600}");
const literal = fc.string({ unit, maxLength: 9 });
const literals = fc.uniqueArray(literal, { maxLength: 30 });

test("SubstringIndex finds exactly the literals that a text includes", () => {
  fc.assert(
    fc.property(literals, fc.array(literal, { maxLength: 8 }), (all, parts) => {
      const text = parts.join("");
      const index = new SubstringIndex(all);
      const found = new Set<number>();
      index.search(text, (number) => found.add(number));
      const expected = [...all.keys()].filter((number) => text.includes(all[number]!));
      assert.deepEqual([...found].sort((left, right) => left - right), expected);
      assert.equal(index.test(text), expected.length > 0);
    }),
    { numRuns: 3000 },
  );
});

test("SubstringIndex finds each of thousands of literals, wherever it stands", () => {
  // Lengths on both sides of what a step of one, two or four triples needs.
  const all = Array.from({ length: 9000 }, (_, at) => `${at.toString(36)}-${"xyz".slice(at % 4)}`);
  const index = new SubstringIndex(all);
  for (const [number, one] of all.entries()) {
    const text = `${"q".repeat(number % 7)}${one}${"w".repeat(number % 3)}`;
    let found = false;
    index.search(text, (hit) => found ||= hit === number);
    assert.ok(found, one);
  }
});

const KINDS = ["equals", "startswith", "endswith", "contains", "number", "present"] as const;
const word = fc.string({ unit: fc.constantFrom("a", "b", "1", "0", "."), maxLength: 5 });
const witness: fc.Arbitrary<Witness> = fc.record({
  field: fc.constant("F"),
  kind: fc.constantFrom(...KINDS),
  text: word,
}).map((one) => {
  if (one.kind === "present") return { ...one, text: "" };
  if (one.kind === "number") return { ...one, text: String(parseStrictNumber(one.text) ?? 1) };
  return one;
});
const scalar: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: word.map((text) => text.replace("a", "A")) },
  fc.constantFrom<Value>(1, 0, 10, 1.5, -0, 1n, 10n, true, false, null, "0x10", "16", "1e1"),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 3, arbitrary: scalar },
  fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxLength: 3 }),
  fc.constant<Value>({ a: "a" }),
);

/** Whether a witness holds for a value, plainly. */
function holds({ kind, text }: Witness, one: Value): boolean {
  if (kind === "present") return true;
  if (Array.isArray(one)) {
    return one.some((member: Value) =>
      member !== null && holds({ field: "F", kind, text }, member)
    );
  }
  if (one === null || typeof one === "object") return false;
  const own = typeof one === "number" ? numberText(one) : String(one).toLowerCase();
  switch (kind) {
    case "equals":
      return own === text;
    case "startswith":
      return own.startsWith(text);
    case "endswith":
      return own.endsWith(text);
    case "contains":
      return own.includes(text);
    case "number":
      return typeof one !== "boolean" && parseStrictNumber(own) === Number(text);
  }
}

test("FieldIndex wakes every rule that has a witness, also a second time", () => {
  fc.assert(
    fc.property(
      fc.array(witness, { minLength: 1, maxLength: 20 }),
      fc.array(value, { minLength: 1, maxLength: 5 }),
      (witnesses, values) => {
        const index = new FieldIndex(new MemoryBudget());
        for (const [rule, one] of witnesses.entries()) index.add(one, rule);
        index.build();
        for (const one of [...values, ...values]) {
          const woken = index.wake(one);
          for (const [rule, each] of witnesses.entries()) {
            assert.equal(!holds(each, one) || woken.includes(rule), true, `${rule}`);
          }
          assert.equal(new Set(woken).size, woken.length, "woken twice");
        }
      },
    ),
    { numRuns: 3000 },
  );
});

test("FieldIndex answers as before whether it remembers, forgets or has no room", () => {
  const index = new FieldIndex(new MemoryBudget());
  index.add({ field: "F", kind: "contains", text: "abc" }, 0);
  index.build();
  // Values that repeat, then values that do not, more than there is room for, and back.
  for (const distinct of [50, 30_000, 50, 300_000, 50]) {
    for (let at = 0; at < Math.max(distinct, 10_000); at++) {
      const number = at % distinct;
      const expected = number % 2 === 0 ? 1 : 0;
      const text = `${number}${expected === 1 ? "aBc" : "aBx"}${"x".repeat(number % 200)}`;
      if (index.wake(text).length !== expected) assert.fail(text);
    }
  }
});
