/**
 * sigma-rules.md, sections 14 (conditions), 14.5 (`matched_selections`) and 28.2.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collectionOf, errorCodes, resultsOf, rulesOf, ruleText } from "../support/rules.ts";

/**
 * A condition over selections `a`, `b`, …, each of which asks for a field of its own name; the names
 * that are true; and what is to be recorded, or `false` if the rule must not match.
 */
type Row = readonly [
  condition: string,
  selections: string,
  truths: string,
  recorded: readonly string[] | false,
];

const ROWS: readonly Row[] = [
  // 14.1: precedence, grouping, names with operators in them, blanks.
  ["a or not b and c", "a b c", "c", ["c"]],
  ["a or not b and c", "a b c", "b c", false],
  ["a or not b and c", "a b c", "a b", ["a"]],
  ["(a or not b) and c", "a b c", "a b", false],
  ["not not a", "a", "a", ["a"]],
  ["not a and not b", "a b", "", []],
  ["((((((((((a and b))))))))))", "a b", "a b", ["a", "b"]],
  ["sel_and_x", "sel_and_x", "sel_and_x", ["sel_and_x"]],
  ["my-sel and x", "my-sel x", "my-sel x", ["my-sel", "x"]],
  ["and_filter and not-x", "and_filter not-x", "and_filter not-x", ["and_filter", "not-x"]],
  ["order or a", "order a", "a", ["a"]],
  ["1of s*", "s1", "s1", ["s1"]],
  ["any of s*", "s1 s2", "s2", ["s2"]],
  ["all of s*", "s1 s2", "s1", false],
  // Picket reads keywords in any letter case.
  ["a AND Not b", "a b", "a", ["a"]],
  ["All Of Them", "a b", "a b", ["a", "b"]],
  // 14.3: patterns.
  ["all of them", "x _h", "x", ["x"]],
  ["1 of them", "_h x", "_h", false],
  ["1 of _h*", "_h1 x", "_h1", ["_h1"]],
  ["1 of *", "_h x", "_h", ["_h"]],
  ["1 of *_sel", "a_sel b", "a_sel", ["a_sel"]],
  ["1 of s*n", "selection x", "selection", ["selection"]],
  ["1 of a_*_c*", "a_b_c1 x", "a_b_c1", ["a_b_c1"]],
  ["1 of ab*bc", "abbc abc", "abbc", ["abbc"]],
  ["1 of ab*bc", "abbc abc", "abc", false],
  ["1 of sel", "sel sel2", "sel", ["sel"]],
  ["1 of sel", "sel sel2", "sel2", false],
  ["1 of S*", "s1 S2", "s1", false],
  // 14.4: quantifiers.
  ["2 of s*", "s1 s2 s3", "s1 s3", ["s1", "s3"]],
  ["2 of s*", "s1 s2 s3", "s3", false],
  ["0 of s*", "s1", "", []],
  ["0 of s*", "s1", "s1", ["s1"]],
  ["a and not 1 of f*", "a f1 f2", "a", ["a"]],
  ["a and not 1 of f*", "a f1 f2", "a f2", false],
  ["a and not all of f*", "a f1 f2", "a f2", ["a", "f2"]],
  // 14.5: what is recorded.
  ["x and not (a and b)", "x a b", "x a", ["x", "a"]],
  ["a or b", "a b", "a b", ["a"]],
  ["(a and b) or c", "a b c", "a c", ["a", "c"]],
  ["1 of s*", "s3 s1 s2", "s1 s3", ["s3", "s1"]],
  ["b and a and b", "a b", "a b", ["b", "a"]],
  ["b and 1 of *", "a b", "a b", ["b", "a"]],
];

const names = (text: string) => text.split(" ").filter((name) => name !== "");

for (const [condition, selections, truths, recorded] of ROWS) {
  test(`14: ${condition} where ${truths || "nothing"} holds`, () => {
    const bodies = Object.fromEntries(names(selections).map((name) => [name, `F_${name}: 1`]));
    const event = Object.fromEntries(names(truths).map((name) => [`F_${name}`, 1]));
    const results = resultsOf(rulesOf(ruleText(bodies, condition)), event);
    assert.deepEqual(
      results.map((result) => result.matched_selections),
      recorded === false ? [] : [recorded],
    );
    for (const { matched_selections: held, matched_fields: fields } of results) {
      assert.deepEqual(fields.map(({ field }) => field), held.map((name) => `F_${name}`));
    }
  });
}

test("28.2 #39: a list of conditions gives the details of the first that holds", () => {
  const rules = rulesOf(ruleText({ a: "A: 1", b: "B: 1" }, "[a, b]"));
  assert.deepEqual(resultsOf(rules, { B: 1 })[0]?.matched_selections, ["b"]);
  assert.deepEqual(resultsOf(rules, { A: 1, B: 1 })[0]?.matched_selections, ["a"]);
  assert.equal(resultsOf(rules, { A: 1, B: 1 }).length, 1);
  assert.equal(resultsOf(rules, {}).length, 0);
});

test("28.2 #41: a condition over two lines, and one with tabs", () => {
  const folded = ruleText({ a: "A: 1", b: "B: 1" }, "|\n    a\n      and b");
  assert.equal(resultsOf(rulesOf(folded), { A: 1, B: 1 }).length, 1);
  const tabs = ruleText({ a: "A: 1", b: "B: 1" }, '"a\\tand\\tb"');
  assert.equal(resultsOf(rulesOf(tabs), { A: 1, B: 1 }).length, 1);
});

test("9.1: selections with odd names are reached by patterns", () => {
  const text = ruleText({ "sel_x.conf": "A: 1", "sel_y|z": "B: 1", "f o": "C: 1" }, "2 of them");
  assert.deepEqual(resultsOf(rulesOf(text), { B: 1, C: 1 })[0]?.matched_selections, [
    "sel_y|z",
    "f o",
  ]);
});

test("28.2 #26: operators in capitals load with a warning or none, never an error", () => {
  assert.deepEqual(errorCodes(ruleText({ a: "A: 1", b: "B: 1" }, "a AND b")), []);
});

const REFUSED: readonly string[] = [
  "a | count() > 5",
  "a and",
  "and a",
  "()",
  "''",
  "' '",
  "1 of",
  "of a",
  "'a @ b'",
  "(a",
  "a)",
  "a b",
  "a and or a",
  "not",
  "ghost",
  "all of ghost_*",
  "1 of ghost_*",
  "a and 1 of ghost",
  `${"(".repeat(65)}a${")".repeat(65)}`,
];
for (const condition of REFUSED) {
  test(`28.2: ${condition.slice(0, 30)} is refused`, () => {
    const { rules, problems } = collectionOf(ruleText({ a: "A: 1" }, condition));
    assert.equal(rules.length, 0);
    assert.equal(problems.filter(({ severity }) => severity === "error").length, 1);
  });
}

test("28.2: a condition longer than 65,536 bytes is refused", () => {
  const long = Array.from({ length: 20_000 }, () => "a").join(" or ");
  assert.equal(collectionOf(ruleText({ a: "A: 1" }, long)).rules.length, 0);
});
