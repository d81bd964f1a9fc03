/** Whatever a rule file holds, reading it ends soon and throws nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assembleRules } from "../../src/sigma/assemble.ts";
import { checkRules } from "../../src/sigma/lint.ts";
import type { ParseOptions } from "../../src/sigma/parse.ts";
import { damaged, ruleFile, yamlNoise } from "../arbitraries/sigma_yaml.ts";

/** The worst known kinds take a tenth of this; anything quadratic takes far longer. */
const TIME_LIMIT_MS = 8_000;

const RULE = `title: Seed
id: 11111111-2222-3333-4444-555555555555
sigma-version: 3
related: [{id: x, type: derived}]
logsource: {product: windows, category: process_creation}
detection:
  selection_img:
    - Image|endswith: ['\\powershell.exe', '\\pwsh.exe']
    - OriginalFileName: PowerShell.EXE
  selection_cli:
    CommandLine|contains|windash: ' -enc '
    CommandLine|re|i: 'a.*b'
    conns[any]: {ip|cidr: 10.0.0.0/8, port|gte: 1024}
  keywords: [word, "wi*ld", 5]
  filter_main:
    User: &user null
    Other: *user
  condition: all of selection_* and not 1 of filter_* or keywords
level: high
---
action: repeat
title: Again
---
title: Filter
filter: {rules: Seed, sel: {A: b}, condition: not sel}
---
title: Correlation
correlation: {type: event_count, rules: [Seed], timespan: 5m, condition: {gte: 5}, group-by: [A]}
`;

/** What must hold of any text. */
function checkText(text: string, options: ParseOptions = {}): void {
  const { parsed, findings } = checkRules(text, "r.yml", options);
  const lines = text.split("\n").length;
  for (const { line, column } of [...parsed.problems, ...findings]) {
    assert.ok(line !== undefined && line >= 1 && line <= lines + 1, `line ${line} of ${lines}`);
    assert.ok(column !== undefined && column >= 1);
  }
  const collection = assembleRules([parsed]);
  assert.deepEqual(JSON.parse(JSON.stringify(collection)), collection);
}

test("any rule-like file is read, and what was read survives JSON", () => {
  fc.assert(fc.property(ruleFile, fc.boolean(), (text, expandFromEvent) => {
    checkText(text, { expandFromEvent, placeholders: new Map([["p", ["x*", "y"]]]) });
  }));
});

test("any noise is read", () => {
  fc.assert(fc.property(yamlNoise, (text) => checkText(text)));
});

test("a damaged rule file is read", () => {
  fc.assert(fc.property(damaged(RULE), (text) => checkText(text)), { numRuns: 200 });
});

test("the undamaged file has no problem but the seed's own", () => {
  const { parsed } = checkRules(RULE, "r.yml");
  assert.deepEqual(parsed.problems, []);
  assert.deepEqual(
    [parsed.rules.length, parsed.filters.length, parsed.correlations.length],
    [2, 1, 1],
  );
});

/** A quarter of the largest file that is read, to keep the run short. */
const LENGTH = 1 << 18;

const WORST: readonly (readonly [name: string, text: string])[] = [
  ["open brackets", "[".repeat(LENGTH)],
  ["open braces", "{".repeat(LENGTH)],
  ["nested sequences", "- ".repeat(LENGTH / 2)],
  ["explicit keys", "? ".repeat(LENGTH / 2)],
  ["anchors", Array.from({ length: 15_000 }, (_, at) => `a${at}: &x${at} b`).join("\n")],
  ["aliases", `a: &a {b: c}\nx: [${"*a ,".repeat(LENGTH / 5)}]`],
  ["keys", Array.from({ length: 20_000 }, (_, at) => `a${at}: b`).join("\n")],
  ["directives", "%A\n".repeat(LENGTH / 3)],
  ["documents", "a: b\n---\n".repeat(LENGTH / 9)],
  [
    "fields",
    `title: T\ndetection:\n  condition: s\n  s:\n${
      Array.from({ length: 9000 }, (_, at) => `    f${at}|contains: x`).join("\n")
    }`,
  ],
  [
    "selections and selectors",
    `title: T\ndetection:\n  condition: ${
      Array.from({ length: 2000 }, (_, at) => `1 of *${at}*`).join(" or ")
    }\n${Array.from({ length: 9000 }, (_, at) => `  s${at}: x`).join("\n")}`,
  ],
  ["placeholders", `title: T\ndetection:\n  s:\n    f|expand: '${"%a".repeat(30_000)}'`],
];

for (const [name, text] of WORST) {
  test(`a file full of ${name} is read in bounded time`, () => {
    const start = performance.now();
    checkRules(text.slice(0, LENGTH), "r.yml");
    assert.ok(performance.now() - start < TIME_LIMIT_MS);
  });
}
