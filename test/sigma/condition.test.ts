import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConditionError, parseCondition } from "../../src/sigma/condition.ts";
import type { Condition } from "../../src/sigma/rule.ts";
import { condition, conditionText } from "../arbitraries/sigma_yaml.ts";

const NAMES = ["a", "b", "c", "sel_and_x", "my-sel", "x", "sel", "sel_1", "_h1", "order", "a_b_c1"];

/** The tree with every operator in parentheses. */
function show(tree: Condition): string {
  switch (tree.kind) {
    case "and":
    case "or":
      return `(${tree.children.map(show).join(` ${tree.kind} `)})`;
    case "not":
      return `(not ${show(tree.child)})`;
    case "selection":
      return tree.name;
    case "quantified":
      return `${tree.need} of [${tree.names.join(" ")}]`;
  }
}

// sigma-rules.md, sections 14.1, 14.3 and 28.2.
const TREES: readonly (readonly [text: string, tree: string])[] = [
  ["a or not b and c", "(a or ((not b) and c))"],
  ["a and b or c and x", "((a and b) or (c and x))"],
  ["(a and b) and (c and x)", "(a and b and c and x)"],
  ["not not a", "a"],
  ["not (not (a))", "a"],
  ["not not not a", "(not a)"],
  ["sel_and_x", "sel_and_x"],
  ["order", "order"],
  ["my-sel and x", "(my-sel and x)"],
  ["sel AND x", "(sel and x)"],
  ["sel Or NOT x", "(sel or (not x))"],
  ["All OF THEM", "all of [a b c sel_and_x my-sel x sel sel_1 order a_b_c1]"],
  ["a\n  and\tb", "(a and b)"],
  [" a ", "a"],
  ["((((((((((a and b))))))))))", "(a and b)"],
  ["1 of sel*", "1 of [sel_and_x sel sel_1]"],
  ["1of sel_*", "1 of [sel_and_x sel_1]"],
  ["any of sel_*", "1 of [sel_and_x sel_1]"],
  ["all of sel_*", "all of [sel_and_x sel_1]"],
  ["0 of sel_*", "0 of [sel_and_x sel_1]"],
  ["2 of *", "2 of [a b c sel_and_x my-sel x sel sel_1 _h1 order a_b_c1]"],
  ["1 of _h*", "1 of [_h1]"],
  ["1 of *x", "1 of [sel_and_x x]"],
  ["1 of s*x", "1 of [sel_and_x]"],
  ["1 of a_*_c*", "1 of [a_b_c1]"],
  ["1 of a*b*c*1", "1 of [a_b_c1]"],
  ["1 of sel", "1 of [sel]"],
  ["99999999999999999999 of sel*", "4 of [sel_and_x sel sel_1]"],
  ["1 of them", "1 of [a b c sel_and_x my-sel x sel sel_1 order a_b_c1]"],
];

for (const [text, tree] of TREES) {
  test(`parseCondition() reads ${JSON.stringify(text)}`, () => {
    assert.equal(show(parseCondition(text, NAMES).condition), tree);
  });
}

const ERRORS: readonly (readonly [text: string, code: string, place: string])[] = [
  ["a and", "condition_syntax", "1:6"],
  ["and a", "condition_syntax", "1:1"],
  ["()", "condition_syntax", "1:2"],
  ["", "condition_syntax", "1:1"],
  ["  ", "condition_syntax", "1:3"],
  ["1 of", "condition_syntax", "1:5"],
  ["of x", "condition_syntax", "1:1"],
  ["not", "condition_syntax", "1:4"],
  ["a @ b", "condition_syntax", "1:3"],
  ["a \u{1F600}", "condition_syntax", "1:3"],
  ["(a", "condition_syntax", "1:3"],
  ["a)", "condition_syntax", "1:2"],
  ["a b", "condition_syntax", "1:3"],
  ["a and or b", "condition_syntax", "1:7"],
  ["a\r and b", "condition_syntax", "1:2"],
  ["a\nand @", "condition_syntax", "2:5"],
  ["all of not", "condition_syntax", "1:8"],
  ["sel*", "condition_syntax", "1:1"],
  ["sel | count() > 5", "condition_syntax", "1:5"],
  ["a or ghost", "unknown_detection_identifier", ""],
  ["sel_*_x*y", "condition_syntax", "1:1"],
  ["1 of zzz*", "selector_selects_nothing", "1:1"],
  ["a or all of sel_*_none", "selector_selects_nothing", "1:6"],
  ["1 of my-*-sel", "selector_selects_nothing", "1:1"],
  [`${"(".repeat(65)}a${")".repeat(65)}`, "condition_too_deep", "1:65"],
  ["a".repeat(65_537), "condition_too_long", ""],
  ["\u20AC".repeat(21_846), "condition_too_long", ""],
];

for (const [text, code, place] of ERRORS) {
  test(`parseCondition() refuses ${JSON.stringify(text.slice(0, 30))}: ${code}`, () => {
    assert.throws(() => parseCondition(text, NAMES), (error) => {
      assert.ok(error instanceof ConditionError);
      assert.equal(error.code, code);
      if (place !== "") assert.match(error.message, new RegExp(`\\b${place}\\b`));
      return true;
    });
  });
}

test("parseCondition() accepts 64 nested parentheses and 65,536 bytes", () => {
  const deep = `${"(".repeat(64)}a${")".repeat(64)}`;
  assert.equal(show(parseCondition(deep, NAMES).condition), "a");
  const long = `a${" ".repeat(65_535)}`;
  assert.equal(show(parseCondition(long, NAMES).condition), "a");
});

test("parseCondition() tells keywords that other tools would take for names", () => {
  const { oddKeywords } = parseCondition("a AND not 1 Of sel*", NAMES);
  assert.deepEqual(oddKeywords, [{ text: "AND", offset: 2 }, { text: "Of", offset: 12 }]);
});

test("parseCondition() tells selectors that can never hold", () => {
  assert.deepEqual(parseCondition("a and 4 of sel*", NAMES).unreachable, [
    { text: "4 of sel*", offset: 6 },
  ]);
  assert.deepEqual(parseCondition("3 of sel*", NAMES).unreachable, []);
});

test("parseCondition() suggests the name that was meant", () => {
  assert.throws(() => parseCondition("selection1", ["selection_1"]), /did you mean 'selection_1'/);
});

test("parseCondition() reads back what a tree was written as", () => {
  fc.assert(fc.property(condition, ({ names, tree, text }) => {
    assert.deepEqual(parseCondition(text, names).condition, tree);
  }));
});

test("parseCondition() throws nothing but ConditionError", () => {
  fc.assert(fc.property(conditionText, fc.array(fc.string()), (text, names) => {
    try {
      parseCondition(text, names);
    } catch (error) {
      assert.ok(error instanceof ConditionError);
      assert.ok(error.offset >= 0 && error.offset <= text.length);
    }
  }));
});
