/**
 * sigma-rules.md, sections 12 (modifiers) and 28.4, from rule text to match.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  errorCodes,
  type EventRow,
  type FieldRow,
  MISSING,
  resultsOf,
  rulesOf,
  selectionRule,
  testEventRows,
  testFieldRows,
} from "../support/rules.ts";

// 12.4 to 12.11, beyond the rows of 28.4.
const FACTS: readonly FieldRow[] = [
  // 12.1: the order in a chain has no effect, other spellings mean the same.
  ["F|base64|wide: Test", ["VABlAHMAdAA=", true]],
  ["F|utf16le|base64: Test", ["VABlAHMAdAA=", true]],
  ["F|re|ignorecase|dotall: 'a.b'", ["A\nB", true]],
  ["F|re|multiline: '^b$'", ["a\nb\nc", true], ["ab", false]],
  ["F|all|contains: [a, b]", ["ba", true]],
  // 12.4: lists, and AND over the members of an array, a pattern at a time.
  ["F|contains|all: ['a', 'b']", [["xa", "yb"], true], [["xa", "ya"], false]],
  ["F|re|all: ['^a', 'b$']", ["ab", true], ["abc", false], [["ax", "xb"], true]],
  ["F: [a, b]", ["b", true], ["c", false]],
  [
    "F|neq: [80, 443]",
    [80, false],
    [443, false],
    [22, true],
    ["22", true],
    [MISSING, false],
    [
      null,
      true,
    ],
    [[22, 80], false],
    [[22], true],
    [{}, true],
  ],
  ["F|contains|neq|all: [a, b]", ["a", false], ["b", false], ["c", true]],
  // 12.5: presence, null included, whatever the type.
  ["F|exists: true", ["", true], [null, true], [[], true], [{}, true], [0, true], [
    MISSING,
    false,
  ]],
  ["F|exists: false", ["", false], [null, false], [MISSING, true]],
  ["F|exists: [false, true]", [MISSING, true], [1, false]],
  ["F|exists: 'yes'", [1, true], [MISSING, false]],
  ["F|exists: 0", [1, true], [MISSING, false]],
  ["F|exists: null", [1, true], [MISSING, false]],
  ["F|exists|neq: true", [1, false], [MISSING, true]],
  ["F|exists|neq: false", [1, true], [MISSING, false]],
  ["F|exists|cased: true", [1, true], [MISSING, false]],
  // 12.6: comparisons.
  [
    "F|gte: 5",
    [5, true],
    ["5", true],
    [4.9, false],
    [[1, 7], true],
    [[[9]], true],
    [null, false],
    [
      MISSING,
      false,
    ],
    [true, false],
    ["nan", false],
    ["inf", true],
    [" 6", false],
    ["0x10", false],
    [{}, false],
  ],
  ["F|lt: '1e3'", [999, true], [1000, false], ["-inf", true], ["", false]],
  ["F|lte: -1.5", ["-1.5", true], [-2, true], [-1, false]],
  ["F|gt: 9007199254740992", [9007199254740993n, true], ["9007199254740993", true], [
    9007199254740992n,
    false,
  ]],
  ["F|gt|neq: 5", [6, false], [5, true], ["x", true], [MISSING, false]],
  // 12.6: parts of a time, in UTC.
  ["F|minute: 45", ["2024-07-10T03:45:00Z", true], ["2024-07-10T03:44:59Z", false]],
  ["F|hour: [22, 23, 0]", ["2024-07-10T22:00:00", true], ["2024-07-10 00:10:00", true], [
    "2024-07-10T12:00:00",
    false,
  ]],
  ["F|hour: 5", ["2024-07-10T03:45:00-02:00", true], ["2024-07-10T05:45:00.1234567Z", true]],
  ["F|day: 1", ["2024-07-01T00:00:00Z", true], ["2024-06-30T23:30:00-01:00", true]],
  // The first week is that of the year's first Thursday.
  ["F|week: 53", ["2021-01-03T12:00:00Z", true], ["2021-01-04T12:00:00Z", false], [
    "2020-12-28T00:00:00Z",
    true,
  ]],
  ["F|week: 1", ["2024-12-30T00:00:00Z", true], ["2021-01-04T00:00:00Z", true]],
  ["F|month: 7", ["2024-07-10T03:45:00Z", true], [[1, "2024-07-10T03:45:00Z"], true]],
  [
    "F|year: 2024",
    [1720582200, true],
    [1720582200000, true],
    [1720582200.9, true],
    [
      1720582200000000,
      true,
    ],
    [1720582200000000000n, true],
    [{}, false],
    [null, false],
    [true, false],
    ["soon", false],
    [
      "2024-07-10T03:45",
      false,
    ],
    ["2024-13-10T03:45:00Z", false],
    [MISSING, false],
  ],
  ["F|year: 1970", [0, true], [-1, false], [999999999, false]],
  ["F|year: 33658", [1_000_000_000_000, true]],
  ["F|hour|neq: 3", ["2024-07-10T03:45:00Z", false], ["2024-07-10T04:45:00Z", true]],
  // 12.7: networks.
  [
    "F|cidr: '10.1.2.3/8'",
    ["10.255.0.1", true],
    ["::ffff:10.0.0.1", true],
    ["::ffff:a00:1", true],
    [
      "::10.0.0.1",
      false,
    ],
    ["010.1.2.3", false],
    ["10.1.2", false],
    ["[10.1.2.3]", false],
    [" 10.1.2.3", false],
    [
      ["x", "10.0.0.0"],
      true,
    ],
    [10, false],
    [MISSING, false],
  ],
  ["F|cidr: 0.0.0.0/0", ["255.255.255.255", true], ["::1", false]],
  ["F|cidr: 192.168.1.77/32", ["192.168.1.77", true], ["192.168.1.78", false]],
  [
    "F|cidr: ['fe80::/10', '::1/128']",
    ["FEBF::1", true],
    ["fec0::1", false],
    ["::1", true],
    [
      "0:0:0:0:0:0:0:1",
      true,
    ],
    ["fe80::1%eth0", false],
    ["fe80::1/64", false],
    ["10.0.0.1", false],
  ],
  ["F|cidr: '2001:db8::/33'", ["2001:db8:7fff::", true], ["2001:db8:8000::", false]],
  ["F|cidr|neq: '10.0.0.0/8'", ["11.0.0.1", true], ["10.0.0.1", false], [MISSING, false]],
  // 12.9: encodings.
  ["F|wide|base64: Test", ["VABlAHMAdAA=", true], ["vabladmAdaa=", false]],
  ["F|utf16be|base64: AB", ["AEEAQg==", true]],
  ["F|utf16|base64: A", ["//5BAA==", true]],
  ["F|contains|base64: '\u00e9'", ["xw6k=x", true], ["xW6K=x", false]],
  ["F|wide: AB", ["A\0B\0", true], ["AB", false]],
  ["F|contains|wide: cmd", ["xc\0m\0d\0x", true]],
  ["F|base64offset: 'http://'", ["xaHR0cDovLx", true], ["h0dHA6Ly", true], ["odHRwOi8v", true], [
    "AHR0CDOVL",
    false,
  ]],
  ["F|wide|base64offset|contains: 'cmd'", [btoa("xyc\0m\0d\0z"), true], [btoa("cmd"), false]],
  ["F|base64offset|contains: [foo, bar]", [btoa("xbarx"), true], [btoa("xbazx"), false]],
  [
    "F|contains|windash: ' -enc'",
    ["x -enc", true],
    ["x /ENC", true],
    ["x \u2013enc", true],
    [
      "x \u2014enc",
      true,
    ],
    ["x \u2015enc", true],
    ["x enc", false],
    ["x +enc", false],
  ],
  ["F|contains|windash: ' /c '", ["cmd -c x", true], ["cmd /C x", true], ["cmd /cx", false]],
  ["F|windash: a-b", ["a-b", true], ["a/b", false]],
  ["F|startswith|windash: -a", ["/A", true], ["x-a", false]],
  ["F|windash|contains|all: [-a, /b]", ["/a -b", true], ["/a", false]],
  ["F|endswith|windash: '-x*y'", ["q/x1y", true], ["q/x1", false]],
  // 12.11.
  ["F|contains|cased: Ab", ["xAbx", true], ["xabx", false]],
  ["F|startswith|cased: Ab", ["Abx", true], ["abx", false]],
  ["F|re|cased: Ab", ["xAb", true], ["xab", false]],
];
testFieldRows("12", FACTS);

const REFERENCES: readonly EventRow[] = [
  [
    "F|fieldref: G",
    [{ F: 5, G: "5" }, true],
    [{ F: true, G: "TRUE" }, true],
    [
      { F: null, G: null },
      true,
    ],
    [{ F: [1], G: [1] }, true],
    [{ F: [1], G: 1 }, false],
    [{ F: { a: 1 }, G: { a: 1 } }, true],
    [
      { G: "x" },
      false,
    ],
    [{ F: "x", G: null }, false],
  ],
  ["F|fieldref|cased: G", [{ F: 5, G: "5" }, false], [{ F: 5, G: 5 }, true], [
    { F: "a", G: "A" },
    false,
  ], [{ F: { a: [1] }, G: { a: [1] } }, true]],
  ["F|fieldref: [G, H]", [{ F: "x", G: "y", H: "X" }, true], [{ F: "x", G: "y" }, false]],
  ["F|fieldref: a.b", [{ F: "x", a: { b: "X" } }, true]],
  ["F|fieldref|startswith: G", [{ F: "C:\\Temp\\x", G: "c:\\temp" }, true], [
    { F: "x", G: "y" },
    false,
  ]],
  ["F|fieldref|contains: G", [{ F: "xabx", G: "AB" }, true]],
  ["F|fieldref|endswith|cased: G", [{ F: "xab", G: "AB" }, false], [{ F: "xAB", G: "AB" }, true]],
  ["F|fieldref|neq: G", [{ F: "a", G: "b" }, true], [{ F: "a", G: "A" }, false], [
    { F: "a" },
    true,
  ], [{ G: "a" }, false]],
];
testEventRows("12.8", REFERENCES);

// 12.10: placeholders from configured lists; then, if asked for, from the event.
const placeholders = new Map([["admins", ["bob*", "al\\*ce"]], ["dc", ["dc1", "dc2"]]]);
testFieldRows("12.10", [
  ["F|expand: '%admins%'", ["Bobby", true], ["al*ce", true], ["alxce", false]],
  ["F|contains|expand: '@%dc%.'", ["x@DC2.y", true], ["x@dc3.y", false]],
  ["F|expand: '100\\%'", ["100%", true], ["100", false]],
  ["F|expand|neq: '%dc%'", ["dc3", true], ["dc1", false]],
], { placeholders });
testEventRows("12.10, from the event", [
  ["F|expand: 'C:\\U\\%u%\\d'", [{ F: "c:\\u\\ann\\D", u: "Ann" }, true], [
    { F: "c:\\u\\\\D" },
    true,
  ], [{ F: "c:\\u\\x\\d", u: "y" }, false]],
  ["F|expand: '%a%@%b%'", [{ F: "x@", a: "x" }, true], [{ F: "x@7", a: "x", b: 7 }, true], [
    { F: ["q", "@"], a: null, b: [] },
    true,
  ]],
  ["F|expand|cased: '%a%'", [{ F: "Ab", a: "Ab" }, true], [{ F: "ab", a: "Ab" }, false]],
  ["F|endswith|expand: '\\%a%'", [{ F: "x\\y", a: "Y" }, true], [{ F: "xy", a: "Y" }, false]],
], { expandFromEvent: true });

test("12.10: a placeholder that nothing fills keeps the rule from loading", () => {
  assert.deepEqual(errorCodes(selectionRule("F|expand: '%x%'")), ["unresolved_placeholder"]);
});

// 28.4, rows 69 to 103, with Picket's answers.
const CASES: readonly FieldRow[] = [
  ["F|contains|all: ['a','b']", ["xbya", true], ["xa", false], [["a1", "b2"], true]],
  ["F|re: 'Admin'", ["admin", false]],
  ["F|re|i: 'Admin'", ["xADMINx", true]],
  ["F|re: '^a$'", ["a\n", false]],
  ["F|re: '^46'", [4624, true]],
  ["F|re: 'r.e'", [true, true]],
  ["F|cidr: '10.0.0.0/8'", ["10.1.2.3", true], ["11.1.1.1", false], ["10.1.2.3:80", false]],
  ["F|cidr: 'fe80::/10'", ["fe80::1", true]],
  ["F|exists: true", ["", true], [null, true], [MISSING, false]],
  ["F|exists: 'no'", [MISSING, true]],
  ["F|exists: 'False'", [MISSING, true]],
  ["F|gt: 5", [6, true], ["5.5", true], [5, false], ["x", false], [true, false]],
  ["F|neq: 443", [80, true], [null, true], [443, false], ["443", false], [MISSING, false]],
  ["F|neq: [80, 443]", [80, false]],
  ["F|neq|all: [80, 443]", [80, false], [22, true]],
  ["F|neq: a", [["a", "b"], false]],
  ["F|contains|neq: a", ["xbx", true]],
  ["F|re|neq: a", ["bbb", true]],
  ["F|hour: 3", ["2024-07-10T03:45:00Z", true], ["2024-07-10T05:45:00+02:00", true], [
    1720582200,
    true,
  ]],
  ["F|hour: 23", ["2025-10-24 23:45:24.804", true]],
  ["F|wide|base64: Test", ["VABlAHMAdAA=", true]],
  ["F|base64offset: foo", ["eGZvb2Jhcg==", true], ["Zm9vYmFy", true]],
  ["F|contains|windash: ' -x'", [" /x", true], [" \u2013x", true]],
  ["F|contains|windash: ' /x'", [" -x", true]],
  ["F|windash: 'a-b-c-d-e-f-g-h-i-j'", ["a-b-c-d-e-f-g-h-i-j", true]],
];
testFieldRows("28.4", CASES);
testEventRows("28.4 #91 to #93", [
  ["F|fieldref: G", [{ F: "Ab", G: "aB" }, true], [{ F: "x" }, false]],
  ["F|fieldref|cased: G", [{ F: "Ab", G: "aB" }, false]],
]);

// 12.12: chains that load, with what they mean, and chains that do not.
const CHAINS: readonly FieldRow[] = [
  ["F|contains|all: [a, b]", ["ab", true], ["a", false]],
  ["F|re|all: [a, b]", ["ba", true], ["b", false]],
  ["F|re|i: ab", ["AB", true]],
  ["F|re|i|m|s: '^b.c$'", ["a\nB\nC", true]],
  ["F|re|cased: ab", ["AB", false], ["ab", true]],
  ["F|contains|neq: a", ["b", true], ["a", false]],
  ["F|re|neq: a", ["b", true], ["a", false]],
  ["F|cidr|neq: 10.0.0.0/8", ["1.1.1.1", true], ["10.1.1.1", false]],
  ["F|fieldref|neq: other", ["x", true]],
  ["F|gt|neq: 4", [4, true], [5, false]],
  ["F|contains|expand: '%dc%'", ["xdc1x", true], ["x", false]],
  ["F|contains|cased: A", ["xA", true], ["xa", false]],
  ["F|wide|base64offset|contains: ab", [btoa("a\0b\0"), true]],
  ["F|contains|base64: ab", ["xYWI=x", true], ["xywi=x", false]],
  ["F|exists|all: true", [1, true]],
  ["F|exists|cased: true", [1, true]],
  ["F|exists|neq: true", [MISSING, true], [1, false]],
];
testFieldRows("12.12", CHAINS, { placeholders });

const REFUSED: readonly (readonly [chain: string, code?: string])[] = [
  ...[
    "windash|base64offset|contains",
    "contains|startswith",
    "re|contains",
    "cidr|contains",
    "gt|lt",
    "gt|contains",
    "exists|contains",
    "fieldref|re",
    "hour|day",
    "hour|gte",
    "wide|utf16",
    "base64|base64offset",
    "base64|cidr",
    "wide|gt",
    "windash|re",
    "expand|exists",
    "i",
    "m",
    "s",
    "contains|i",
  ].map((chain) => [chain] as const),
  ["Contains", "unknown_modifier"],
  ["not", "unknown_modifier"],
  ["", "unknown_modifier"],
];
for (const [chain, code = "invalid_modifiers"] of REFUSED) {
  test(`12.12: F|${chain} is refused`, () => {
    assert.deepEqual(errorCodes(selectionRule(`'F|${chain}': 5`)), [code]);
  });
}

const INVALID: readonly (readonly [item: string, code: string])[] = [
  ["F|contains|all: ['a']", "invalid_modifiers"],
  ["F|re: '[open'", "invalid_regex"],
  ["F|re: '(?=a)b'", "invalid_regex"],
  ["F|cidr: '10.0.0.1'", "invalid_cidr"],
  ["F|gt: high", "expected_numeric"],
  ["F|hour: three", "incompatible_value"],
];
for (const [item, code] of INVALID) {
  test(`28.4: ${item} is refused`, () => {
    assert.deepEqual(errorCodes(selectionRule(item)), [code]);
  });
}

test("12.5: an item without a field that asks for existence holds when it expects none", () => {
  for (const [expected, count] of [["true", 0], ["false", 1]] as const) {
    const rules = rulesOf(selectionRule(`'|exists': ${expected}`));
    assert.equal(resultsOf(rules, { F: "x" }).length, count);
    assert.equal(resultsOf(rules, {}).length, count);
  }
});
