/**
 * sigma-rules.md, sections 10 (values), 11 (strings) and 28.3, from rule text to match.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  errorCodes,
  type FieldRow,
  matchCount,
  MISSING,
  selectionRule,
  testFieldRows,
} from "../support/rules.ts";

// The match matrix: a rule value against each type of event value.
const MATRIX: readonly FieldRow[] = [
  ["F: abc", ["ABC", true], ["abcd", false], [["x", [["Abc"]]], true], [{ k: "abc" }, false], [
    null,
    false,
  ], [MISSING, false]],
  ["F: '12'", [12, true], [12.5, false], ["12", true], [[3, 12], true], [true, false]],
  ["F: 'true'", [true, true], [false, false], ["TRUE", true], [1, false]],
  ["F: 'a*c'", ["xabc", false], ["aXXc", true], [["q", "ac"], true], [null, false], [
    { k: "abc" },
    false,
  ], [MISSING, false]],
  ["F: '4?24'", [4624, true], [46244, false], [["4a24"], true]],
  ["F: 't*e'", [true, true], [false, false]],
  ["F|contains: 62", [4624, true], ["x62x", true], [6, false], [[1, [462]], true], [null, false]],
  ["F|startswith: tr", [true, true], ["TRee", true], ["xtr", false], [{ k: "tr" }, false]],
  ["F|endswith: '5'", [1.5, true], [15n, true], ["x5", true], [51, false], [MISSING, false]],
  [
    "F: 4624",
    ["4624", true],
    [4624, true],
    [4624.5, false],
    [true, false],
    [null, false],
    [
      [["4624"]],
      true,
    ],
    [{ k: 4624 }, false],
    [MISSING, false],
  ],
  ["F: 1.5", ["1.50", true], [1.5, true], ["15e-1", true], [1, false]],
  [
    "F: true",
    [true, true],
    ["true", true],
    ["1", true],
    ["YES", true],
    ["no", false],
    [
      1,
      false,
    ],
    [false, false],
    [["x", "yes"], true],
    [null, false],
    [MISSING, false],
  ],
  [
    "F: false",
    [false, true],
    ["False", true],
    ["0", true],
    ["NO", true],
    ["off", false],
    [
      0,
      false,
    ],
    [null, false],
    [MISSING, false],
  ],
  ["F: null", [null, true], [MISSING, true], ["", false], [[], false], [[null], false], [
    {},
    false,
  ], [0, false]],
  ["F|contains: true", [true, true], ["xtruex", false], ["true", true]],
  ["F|contains: null", [null, true], [MISSING, true], ["null", false]],
  ["F|base64: 5", [5, true], ["NQ==", false]],
  ["F|wide: true", [true, true], ["t", false]],
  ["F|windash: null", [null, true], ["-", false]],
];
testFieldRows("10", MATRIX);

// Facts below the matrix: numbers as texts and texts as numbers.
const NUMBERS: readonly FieldRow[] = [
  [
    "F: 5",
    ["+5", true],
    ["5.", true],
    ["5e0", true],
    ["0.5e1", true],
    [" 5", false],
    [
      "5 ",
      false,
    ],
    ["0x5", false],
    ["5_0", false],
    ["", false],
    ["1,5", false],
    ["five", false],
  ],
  ["F: 0.5", [".5", true], [".", false]],
  // Beyond 2^53 integers stay exact (29.4), and nothing is equal within an epsilon.
  [
    "F: 9007199254740993",
    [9007199254740993n, true],
    [9007199254740992n, false],
    [
      "9007199254740993",
      true,
    ],
    ["9007199254740992", false],
    [9007199254740994, false],
  ],
  ["F: 0.3", [0.30000000000000004, false], [0.3, true]],
  ["F: .inf", ["inf", false], ["Infinity", false], [1, false]],
  ["F: .nan", ["nan", false], ["NaN", false], [0, false]],
  ["F: '1000000000000000000000'", [1e21, true]],
  ["F: '0.0000001'", [1e-7, true]],
  ["F: '4624'", [4624.0, true], ["4624.0", false]],
  ["F: '-1.25'", [-1.25, true]],
  ["F: '9223372036854775807'", [9223372036854775807n, true], [9223372036854775806n, false]],
  ["F: 0x1f", [31, true], ["31", true], ["0x1f", false]],
  // A list with null also matches a missing field; alone, '' needs an empty text.
  ["F: [null, '']", [MISSING, true], [null, true], ["", true], ["x", false], [[""], true]],
  ["F: ''", ["", true], [null, false], [MISSING, false], [[], false]],
  ["F: [x, 5, true]", ["X", true], ["5.0", true], ["yes", true], ["y", false]],
];
testFieldRows("10 facts", NUMBERS);

const WORKED: readonly (readonly [item: string, event: string, matches: boolean])[] = [
  ["EventID: 4624", '{"EventID": "4624"}', true],
  ["EventID: '4624'", '{"EventID": 4624}', true],
  ["EventID: '4624'", '{"EventID": 4624.0}', true],
  ["EventID: 4624", '{"EventID": " 4624"}', false],
  ["Flag: true", '{"Flag": "YES"}', true],
  ["Flag: true", '{"Flag": 1}', false],
  ["Flag: 'true'", '{"Flag": true}', true],
  ["User: null", "{}", true],
  ["User: null", '{"User": ""}', false],
  ["User: ''", '{"User": null}', false],
  ["Ids: 7", '{"Ids": [[1, "7"], 3]}', true],
];
for (const [item, json, matches] of WORKED) {
  test(`10 worked example: ${item} on ${json}`, () => {
    assert.equal(matchCount(selectionRule(item), { json }), matches ? 1 : 0);
  });
}

const STRINGS: readonly FieldRow[] = [
  // 11.1: backslashes and wildcards.
  [String.raw`F: 'C:\Windows\*'`, [String.raw`C:\Windows*`, true], [
    String.raw`C:\Windows\x`,
    false,
  ]],
  [String.raw`F: 'C:\Windows\\*'`, [String.raw`C:\Windows\System32`, true], [
    String.raw`C:\Windows*`,
    false,
  ]],
  [String.raw`F: '\\\*'`, [String.raw`\*`, true], [String.raw`\x`, false]],
  [String.raw`F: '\\\\srv'`, [String.raw`\\srv`, true], [String.raw`\srv`, false]],
  [String.raw`F: '\\srv'`, [String.raw`\srv`, true], [String.raw`\\srv`, false]],
  [String.raw`F: '\x'`, [String.raw`\x`, true], ["x", false]],
  [String.raw`F: 'x\'`, ["x\\", true], ["x", false]],
  [String.raw`F: 'a\?b'`, ["a?b", true], ["axb", false]],
  // 11.2: wildcards cross lines, `?` is one character, anchors belong to the operator.
  ["F: '*'", ["", true], ["a\n\r\nb", true], [0, true], [null, false], [MISSING, false]],
  ["F: '?'", ["x", true], ["\u{1f600}", true], ["\n", true], ["", false], ["xy", false]],
  ["F: 'a*b*c'", ["abc", true], ["a--b--c", true], ["acb", false], ["abcx", false]],
  ["F|contains: 'b*d'", ["abcde", true], ["dcb", false], ["b\nd", true]],
  ["F|startswith: 'a*c'", ["abcd", true], ["xabc", false], ["abd", false]],
  ["F|endswith: 'a*c'", ["xabc", true], ["abcd", false], ["c", false]],
  ["F|contains: '?'", ["x", true], ["", false]],
  ["F|cased: 'A*c'", ["Abc", true], ["abc", false], ["AbC", false]],
  // 11.3: lower case of all of Unicode, no folding beyond it, no normalization.
  ["F: '\u00c4RZTE'", ["\u00e4rzte", true], ["a\u0308rzte", false]],
  ["F: 'stra\u00dfe'", ["STRASSE", false], ["STRA\u1e9eE", true]],
  ["F|contains: '\u039f\u0394\u039f\u03a3'", ["\u03bf\u03b4\u03bf\u03c2", true], [
    "\u039f\u0394\u039f\u03a3\u0391",
    false,
  ]],
  ["F: kB", ["\u212ab", true]],
  ["F: sB", ["\u017fb", false]],
  ["F|cased: \u00c4rzte", ["\u00c4rzte", true], ["\u00e4rzte", false]],
];
testFieldRows("11", STRINGS);

// 28.3, rows 42 to 68, with Picket's answers.
const CASES: readonly FieldRow[] = [
  ["F: 'ABC'", ["abc", true]],
  ["F|cased: 'ABC'", ["abc", false]],
  ["F: '\u00c4RZTE' ", ["\u00e4rzte", true]],
  ["F|contains: '\u00d1'", ["Espa\u00f1a", true]],
  ["F: 'a*c'", ["xabc", false]],
  ["F: 'a?c'", ["a\u{1f600}c", true]],
  [String.raw`F: 'C:\Win\*'`, [String.raw`C:\Win*`, true], [String.raw`C:\Win\x`, false]],
  [String.raw`F: 'C:\Win\\*'`, [String.raw`C:\Win\x`, true]],
  [String.raw`F: '\\\\host\\*'`, [String.raw`\\host\share`, true]],
  ["F: 'a*b'", ["a\nb", true]],
  ["F|endswith: 'pass*.txt'", ["x pass1.txt", true], ["pass1.txt.bak", false]],
  ["F|startswith: '/h/*/pub'", ["/h/u/pub/x", true], ["x/h/u/pub", false]],
  ["F: 4624", ["4624", true], [4624, true], [4624.0, true], [" 4624", false], [
    "0x1210",
    false,
  ], [true, false]],
  ["F: '42'", [42, true]],
  ["F|contains: 62", [4624, true]],
  ["F: true", [true, true], ["Yes", true], ["1", true], [1, false], ["on", false]],
  ["F: null", [MISSING, true], [null, true], ["", false], [[], false]],
  ["F: ''", ["", true], [null, false], [MISSING, false]],
  ["F: [null, '']", [MISSING, true]],
  ["F: x", [["a", "x"], true], [[["x"]], true], [{ k: "x" }, false]],
  ["[{F: 1}, {G: 2}]", [1, true], [2, false]],
];
testFieldRows("28.3", CASES);

test("28.3 #66 to #68: empty lists and selections, lists of maps", () => {
  assert.deepEqual(errorCodes(selectionRule("F: []")), ["empty_value_list"]);
  assert.deepEqual(errorCodes(selectionRule("{}")), ["empty_selection"]);
  assert.deepEqual(errorCodes(selectionRule("[]")), ["empty_selection"]);
  assert.equal(matchCount(selectionRule("[{A: 1}, {B: 2}]"), { B: 2 }), 1);
});

test("8: lists of words and mappings mean what section 8 says", () => {
  const mixed = selectionRule("[{A: x}, word]");
  assert.equal(matchCount(mixed, { A: "x" }), 1);
  assert.equal(matchCount(mixed, { B: "a WORD" }), 1);
  assert.equal(matchCount(mixed, { A: "y" }), 0);
  const nested = selectionRule("[[a1, b1], {F: x}]");
  assert.equal(matchCount(nested, { m: "zb1z" }), 1);
  assert.equal(matchCount(nested, { F: "x" }), 1);
  assert.equal(matchCount(nested, { F: "y" }), 0);
});
