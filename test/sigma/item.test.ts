import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { base64Offsets } from "../../src/sigma/encodings.ts";
import { type ParseOptions, parseRules } from "../../src/sigma/parse.ts";
import { formatSigmaString, joinTokens, parseSigmaString } from "../../src/sigma/strings.ts";
import { errorsOf, itemOf, itemRule, ruleText, show } from "./helpers.ts";

type Row = readonly [entry: string, patterns: readonly string[]];

// sigma-rules.md, sections 10 to 12 and 28.3, 28.4.
const PATTERNS: readonly Row[] = [
  ["F: ABC", ["equals 'ABC'"]],
  ["F|cased: ABC", ["equals 'ABC' cased"]],
  ["F: ''", ["equals ''"]],
  ["F: a*c", ["equals 'a<*>c'"]],
  ["F: a?c", ["equals 'a<?>c'"]],
  ["F: a**c", ["equals 'a<*>c'"]],
  ["F: 'C:\\Win\\*'", ["equals 'C:\\\\Win*'"]],
  ["F: 'C:\\Win\\\\*'", ["equals 'C:\\\\Win\\\\<*>'"]],
  ["F: 'a\\?b'", ["equals 'a?b'"]],
  ["F: '\\\\\\\\host\\\\*'", ["equals '\\\\\\\\host\\\\<*>'"]],
  ["F: '\\\\srv'", ["equals '\\\\srv'"]],
  ["F: '\\\\\\*'", ["equals '\\\\*'"]],
  ["F: 'x\\'", ["equals 'x\\\\'"]],
  ["F|endswith: pass*.txt", ["endswith 'pass<*>.txt'"]],
  ["F: 4624", ["number 4624"]],
  ["F: 0x40810000", ["number 1082195968"]],
  ["F: 9007199254740993", ["number 9007199254740993"]],
  ["F: 1.50", ["number 1.5"]],
  ["F: '42'", ["equals '42'"]],
  ["F|contains: 62", ["contains '62'"]],
  ["F: true", ["boolean true"]],
  ["F|contains: true", ["boolean true"]],
  ["F: null", ["null"]],
  ["F:", ["null"]],
  ["F: [null, '']", ["null", "equals ''"]],
  ["F|contains|all: [a, b]", ["contains 'a'", "contains 'b'"]],
  ["F|re: Admin", ["regex Admin "]],
  ["F|re|s|i: 5", ["regex 5 is"]],
  ["F|re|ignorecase|multiline|dotall: a\\*", ["regex a\\* ims"]],
  ["F|cidr: 10.0.0.0/8", ["cidr 10.0.0.0/8"]],
  ["F|cidr: [192.168.1.77/16, 'FE80:0::1/10', '::ffff:10.0.0.0/104', 0.0.0.0/0]", [
    "cidr 192.168.0.0/16",
    "cidr fe80::/10",
    "cidr ::ffff:a00:0/104",
    "cidr 0.0.0.0/0",
  ]],
  ["F|exists: true", ["exists true"]],
  ["F|exists: 'no'", ["exists false"]],
  ["F|exists: 'False'", ["exists false"]],
  ["F|exists|neq: true", ["exists false"]],
  ["F|exists|all: true", ["exists true"]],
  ["F|gt: 5", ["gt 5"]],
  ["F|lte: ['5.5', -3]", ["lte 5.5", "lte -3"]],
  ["F|hour: [3, '4']", ["hour 3", "hour 4"]],
  ["F|fieldref: G", ["fieldref equals G"]],
  ["F|fieldref|cased: G", ["fieldref equals G cased"]],
  ["F|fieldref|endswith: G", ["fieldref endswith G"]],
  ["F|wide|base64: Test", ["equals 'VABlAHMAdAA=' cased"]],
  ["F|utf16be|base64: AB", ["equals 'AEEAQg==' cased"]],
  ["F|utf16|base64: A", ["equals '//5BAA==' cased"]],
  ["F|base64|contains: \u00e9", ["contains 'w6k=' cased"]],
  ["F|base64offset: foo", [
    "any(contains 'Zm9v' cased, contains 'Zvb' cased, contains 'mb2' cased)",
  ]],
  ["F|base64offset|contains: Test", [
    "any(contains 'VGVzd' cased, contains 'Rlc3' cased, contains 'UZXN0' cased)",
  ]],
  ["F|base64offset: 'http://'", [
    "any(contains 'aHR0cDovL' cased, contains 'h0dHA6Ly' cased, contains 'odHRwOi8v' cased)",
  ]],
  ["F|base64: 5", ["number 5"]],
  ["F|wide: AB", ["equals 'A\\u0000B\\u0000'"]],
  ["F|utf16: A", ["equals '\u00ff\u00feA\\u0000'"]],
  ["F|contains|windash: ' -x'", ["contains ' <->x'"]],
  ["F|windash|contains: ' /x'", ["contains ' <->x'"]],
  ["F|windash: [a-b, -c, '*-d', '- e', \u2013f, --g]", [
    "equals 'a-b'",
    "equals '<->c'",
    "equals '<*><->d'",
    "equals '- e'",
    "equals '<->f'",
    "equals '-<->g'",
  ]],
  ["F|windash: 'a-b-c-d-e-f-g-h-i-j'", ["equals 'a-b-c-d-e-f-g-h-i-j'"]],
  ["F|expand: '100\\%'", ["equals '100%'"]],
  ["F|expand: 50% or %", ["equals '50% or %'"]],
  ["'|contains': [a, 5]", ["contains 'a'", "contains '5'"]],
  ["'|all': [a, b]", ["contains 'a'", "contains 'b'"]],
  [".: true", ["contains 'true'"]],
  ["'|startswith': a", ["startswith 'a'"]],
];

for (const [entry, patterns] of PATTERNS) {
  test(`compileItem() ${entry}`, () => {
    assert.deepEqual(itemOf(entry).patterns.map(show), patterns);
  });
}

test("compileItem() reads `neq` as none of the values", () => {
  for (const entry of ["F|neq: [80, 443]", "F|neq|all: [80, 443]"]) {
    const { negated, all } = itemOf(entry);
    assert.deepEqual({ negated, all }, { negated: true, all: false });
  }
  assert.equal(itemOf("F|re|neq: a").negated, true);
  assert.equal(itemOf("F|exists|neq: true").negated, false);
});

test("compileItem() keeps field, key and `all`", () => {
  const { field, key, all } = itemOf("Image |contains|all: [a, b]");
  assert.deepEqual({ field, key, all }, { field: "Image ", key: "Image |contains|all", all: true });
  assert.equal("field" in itemOf("'|contains': a"), false);
});

test("compileItem() marks brackets literal below sigma-version 3", () => {
  assert.equal(itemOf("a[0].b: x").field, "a\\[0\\].b");
  assert.equal(itemOf("a\\[0\\]: x").field, "a\\[0\\]");
  assert.equal(itemOf("a[0].b: x", {}, "sigma-version: 3\n").field, "a[0].b");
});

test("keywords search the text form of any scalar", () => {
  const { rules, problems } = parseRules(
    ruleText("{sel: [Abc, 4625, true, 'a*c', null], condition: sel}"),
    "r.yml",
  );
  const detection = rules[0]?.selections[0]?.detection;
  assert.ok(detection?.kind === "keywords");
  assert.deepEqual(detection.item.patterns.map(show), [
    "contains 'Abc'",
    "contains '4625'",
    "contains 'true'",
    "contains 'a<*>c'",
    "null",
  ]);
  assert.deepEqual(problems.map(({ severity, code }) => [severity, code]), [
    ["warning", "null_keyword"],
  ]);
});

// sigma-rules.md, sections 12.2, 12.12, 24 and the error rows of 28.1, 28.3, 28.4.
const ERRORS: readonly (readonly [entry: string, error: RegExp])[] = [
  ["Image|foo: x", /^unknown_modifier Unknown modifier 'foo'/],
  ["Image|Contains: x", /^unknown_modifier .*did you mean 'contains'/],
  ["Image|not: x", /^unknown_modifier 'not' is not a value modifier/],
  ["Image|contains|not: x", /^unknown_modifier 'not' is not a value modifier/],
  ["'Image|': x", /^unknown_modifier Unknown modifier ''/],
  ["Image||contains: x", /^unknown_modifier Unknown modifier ''/],
  ...[
    "contains|startswith",
    "re|contains",
    "cidr|contains",
    "gt|lt",
    "gt|contains",
    "exists|contains",
    "fieldref|re",
    "hour|day",
    "hour|hour",
    "hour|gte",
    "fieldref|contains|endswith",
  ].map((chain) => [`F|${chain}: 5`, /^invalid_modifiers .*: at most one operator/] as const),
  ["F|gt|lt: 5", /got \|gt, \|lt$/],
  ["F|wide|utf16: x", /^invalid_modifiers .*at most one UTF-16/],
  ["F|base64|base64offset: x", /^invalid_modifiers .*exclude each other/],
  ["F|base64|cidr: x", /^invalid_modifiers .*remove \|base64/],
  ["F|wide|gt: x", /^invalid_modifiers .*remove \|wide/],
  ["F|windash|re: x", /^invalid_modifiers .*remove \|windash/],
  ["F|expand|exists: x", /^invalid_modifiers .*remove \|expand/],
  ["F|i: x", /^invalid_modifiers .*needs \|re/],
  ["F|contains|m: x", /^invalid_modifiers .*needs \|re/],
  ["F|s: x", /^invalid_modifiers .*needs \|re/],
  ["F|windash|base64offset|contains: x", /^invalid_modifiers .*under \|base64offset/],
  ["F|windash|wide: x", /^invalid_modifiers .*under \|wide/],
  ["F|contains|all: [a]", /^invalid_modifiers .*\|all modifier requires more than one value/],
  ["F|all: a", /^invalid_modifiers .*\|all modifier requires more than one value/],
  ["F: []", /^empty_value_list /],
  ["F|exists: []", /^empty_value_list /],
  ["F: {a: b}", /^invalid_detection Invalid detection: field 'F' has a mapping value/],
  ["F: [a, [b]]", /^invalid_detection Invalid detection: field 'F' has a list/],
  ["F: [a, {b: c}]", /^invalid_detection Invalid detection: field 'F' has a mapping/],
  ["F|cidr: 10.0.0.1", /^invalid_cidr invalid CIDR: '10.0.0.1'/],
  ["F|cidr: 10.0.0.0/33", /^invalid_cidr /],
  ["F|cidr: 10.0.0/8", /^invalid_cidr /],
  ["F|cidr: 010.0.0.0/8", /^invalid_cidr /],
  ["F|cidr: 256.0.0.0/8", /^invalid_cidr /],
  ["F|cidr: 10.0.0.0/08", /^invalid_cidr /],
  ["F|cidr: ' 10.0.0.0/8'", /^invalid_cidr /],
  ["F|cidr: 'fe80::/129'", /^invalid_cidr /],
  ["F|cidr: 'fe80::1%eth0/64'", /^invalid_cidr /],
  ["F|cidr: 'fe80:::/10'", /^invalid_cidr /],
  ["F|cidr: '::ffff:1.2.3/96'", /^invalid_cidr /],
  ["F|cidr: 5", /^invalid_cidr /],
  ["F|gt: high", /^expected_numeric expected numeric value: /],
  ["F|gt: 0x", /^expected_numeric /],
  ["F|gt: '0x10'", /^expected_numeric /],
  ["F|gt: true", /^expected_numeric /],
  ["F|gt: null", /^expected_numeric /],
  ["F|hour: three", /^incompatible_value incompatible value for modifier: timestamp part/],
  ["F|hour: .inf", /^incompatible_value /],
  ["F|re: null", /^incompatible_value /],
  ["F|re: '[open'", /^invalid_regex invalid regex pattern: unclosed/],
  ["F|fieldref: 5", /^incompatible_value /],
  ["F|expand: null", /^incompatible_value /],
  ["F|base64: 'a*'", /^incompatible_value .*wildcards/],
  ["F|wide: 'a?'", /^incompatible_value .*wildcards/],
  ["F|base64offset: a", /^incompatible_value .*two bytes/],
  ["F|base64offset: ''", /^incompatible_value .*two bytes/],
  ["F|expand: '%x%'", /^unresolved_placeholder unresolved placeholder '%x%'/],
  ["F|expand: 'a\\%x%'", /^unresolved_placeholder unresolved placeholder '%x%'/],
  ["F: '${source.ti}'", /^unresolved_source unresolved source placeholder/],
];

const checkRegex = (source: string) => source.startsWith("[open") ? "unclosed class" : undefined;

for (const [entry, expected] of ERRORS) {
  test(`compileItem() refuses ${entry}`, () => {
    const errors = errorsOf(parseRules(itemRule(entry), "r.yml", { checkRegex }));
    assert.equal(errors.length, 1, String(errors));
    assert.match(errors[0]!, expected);
  });
}

test("compileItem() hands regexes and their flags to the check", () => {
  const seen: string[][] = [];
  const options = {
    checkRegex: (source: string, flags: string) => {
      seen.push([source, flags]);
      return undefined;
    },
  };
  itemOf("F|re|i: [a, '5', 5]", options);
  assert.deepEqual(seen, [["a", "i"], ["5", "i"], ["5", "i"]]);
});

const WARNINGS: readonly (readonly [entry: string, code: string])[] = [
  ["F|exists: maybe", "exists_value"],
  ["F|exists: 0", "exists_value"],
  ["F|hour: 24", "time_part_range"],
  ["F|month: 0", "time_part_range"],
  ["F|minute: 1.5", "time_part_range"],
];

for (const [entry, code] of WARNINGS) {
  test(`compileItem() warns of ${entry}`, () => {
    const { rules, problems } = parseRules(itemRule(entry), "r.yml");
    assert.equal(rules.length, 1);
    assert.deepEqual(problems.map((problem) => [problem.severity, problem.code]), [
      ["warning", code],
    ]);
  });
}

const LISTS: ParseOptions = {
  placeholders: new Map<string, readonly (string | { readonly literal: string })[]>([
    ["admins", ["bob*", "al\\*ce"]],
    ["hosts", ["h1", { literal: "h?" }]],
    ["none", []],
  ]),
};

// sigma-rules.md, section 12.10; pipelines.md, section 10.
const EXPANDED: readonly Row[] = [
  ["F|expand: '%admins%'", ["equals 'bob<*>'", "equals 'al*ce'"]],
  ["F|contains|expand: '%admins%'", ["contains 'bob<*>'", "contains 'al*ce'"]],
  ["F|expand: 'a-%hosts%-*'", ["equals 'a-h1-<*>'", "equals 'a-h?-<*>'"]],
  ["F|expand: 'C:\\%hosts%\\x'", ["equals 'C:\\\\h1\\\\x'", "equals 'C:\\\\h?\\\\x'"]],
  ["F|expand: '%admins%@%hosts%'", [
    "equals 'bob<*>@h1'",
    "equals 'bob<*>@h?'",
    "equals 'al*ce@h1'",
    "equals 'al*ce@h?'",
  ]],
  ["F|expand: '\\%admins\\%'", ["equals '%admins%'"]],
  ["F|expand|all: ['%hosts%', x]", ["any(equals 'h1', equals 'h?')", "equals 'x'"]],
  ["F|expand|base64: 'a%hosts%'", ["equals 'YWgx' cased", "equals 'YWg/' cased"]],
  ["F|expand: 5", ["number 5"]],
];

for (const [entry, patterns] of EXPANDED) {
  test(`compileItem() fills ${entry}`, () => {
    assert.deepEqual(itemOf(entry, LISTS).patterns.map(show), patterns);
  });
}

test("compileItem() refuses an empty list and too many combinations", () => {
  const errors = (entry: string, options: ParseOptions) =>
    errorsOf(parseRules(itemRule(entry), "r.yml", options)).map((error) => error.split(" ")[0]);
  assert.deepEqual(errors("F|expand: '%none%'", LISTS), ["unresolved_placeholder"]);
  assert.deepEqual(errors(`F|expand: '${"%hosts%".repeat(13)}'`, LISTS), ["too_many_values"]);
});

test("compileItem() fills placeholders from the event when asked to (28.4 #103)", () => {
  const options = { ...LISTS, expandFromEvent: true };
  const shown = (entry: string) => itemOf(entry, options).patterns.map(show);
  assert.deepEqual(shown("F|expand: 'C:\\U\\%u%\\d'"), ["template equals 'C:\\U\\<u>\\d'"]);
  assert.deepEqual(shown("F|contains|expand|cased: '%a%@%b%*'"), [
    "template contains '<a>@<b>*' cased",
  ]);
  assert.deepEqual(shown("F|expand: '%hosts%'"), ["equals 'h1'", "equals 'h?'"]);
  const encoded = parseRules(itemRule("F|expand|base64: '%u%'"), "r.yml", options);
  assert.deepEqual(encoded.problems.map(({ code }) => code), ["invalid_modifiers"]);
});

test("parseSigmaString() reads back what formatSigmaString() writes", () => {
  const token = fc.oneof(
    fc.string({ minLength: 1, unit: fc.constantFrom("a", "\\", "*", "?", "\u{1F600}") })
      .map((text) => ({ kind: "text", text }) as const),
    fc.constantFrom({ kind: "any" } as const, { kind: "one" } as const),
  );
  fc.assert(fc.property(fc.array(token), (tokens) => {
    const joined = joinTokens([tokens]);
    assert.deepEqual(parseSigmaString(formatSigmaString(joined)), joined);
  }));
});

test("base64Offsets() gives a text that stands in every stream with the value", () => {
  const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 12 });
  fc.assert(fc.property(bytes(0), bytes(2), bytes(0), (before, value, after) => {
    const stream = btoa(String.fromCharCode(...before, ...value, ...after));
    const texts = base64Offsets(value);
    assert.ok(texts !== undefined);
    assert.ok(stream.includes(texts[before.length % 3]!));
  }));
});
