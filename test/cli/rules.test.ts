import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBundle } from "../../src/engine/bundle.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import { ruleFields } from "../../src/sigma/rule_fields.ts";
import { FakeIo, picket, TempFiles } from "../support/cli_io.ts";

const META = "description: d\nauthor: a\nlogsource: {product: linux}\n";
const GOOD = `title: Good One
id: 33333333-3333-4333-8333-333333333333
status: test
level: low
${META}detection:
  s:
    Image|endswith: x
    Other|fieldref: User
  condition: s
`;
const BAD = `title: Bad One
level: hihg
${META}detection:
  s:
    Image|endswit: x
    CommandLine|re: '(?<=a)b'
  condition: s and nosuch
`;
const CORRELATION = `title: Many
level: critical
description: d
author: a
correlation:
  type: value_count
  rules: [33333333-3333-4333-8333-333333333333]
  group-by: [User]
  timespan: 5m
  condition: {gte: 3, field: Host}
`;
const FILTER = `title: Leave out
description: d
author: a
logsource: {product: linux}
filter:
  rules: any
  selection: {Account: x}
  condition: not selection
`;

test("picket rules check names place, severity and code of everything, and counts it", async () => {
  using temp = new TempFiles({ "bad.yml": BAD, "good.yml": GOOD, "no.yml": "a: [" });
  const { code, out } = await picket(["rules", "check", temp.directory]);
  const lines = out.trimEnd().replaceAll(`${temp.directory}/`, "").split("\n");
  const places = lines.slice(0, -1).map((line) => line.split(" ").slice(0, 2).join(" "));
  assert.deepEqual(places, [
    "bad.yml:2:8 error[invalid_level]",
    "bad.yml:8:5 error[unknown_modifier]",
    "bad.yml:9:21 error[invalid_regex]",
    "bad.yml:10:20 error[unknown_detection_identifier]",
    "no.yml:1:5 error[yaml_syntax]",
  ]);
  assert.equal(lines.at(-1), "Checked 3 files: 1 rule, 5 errors, 0 warnings, 0 infos");
  assert.equal(code, 2);
});

// Rule text, further arguments, exit code, summary behind the file count.
const CHECKS: readonly (readonly [string, string, readonly string[], number, string])[] = [
  ["accepts a good rule", GOOD, ["--fail-level", "info"], 0, "1 rule, 0 errors, 0 warnings, 0 inf"],
  [
    "fails at a warning",
    GOOD.replace("level: low\n", ""),
    ["--fail-level", "warning"],
    2,
    "1 rule, 0 errors, 1 warning,",
  ],
  [
    "passes below the level",
    GOOD.replace("level: low\n", ""),
    [],
    0,
    "1 rule, 0 errors, 1 warning,",
  ],
  [
    "fails at an info",
    GOOD.replace("author: a\n", ""),
    ["--fail-level", "info"],
    2,
    "1 rule, 0 errors, 0 warnings, 1 info",
  ],
  [
    "leaves lint out",
    GOOD.replace("author: a\n", ""),
    ["--no-lint"],
    0,
    "1 rule, 0 errors, 0 warnings, 0",
  ],
  [
    "disables a lint rule",
    GOOD.replace("author: a\n", ""),
    ["--disable", "missing_author"],
    0,
    "1 rule, 0 errors, 0 warnings, 0",
  ],
  [
    "obeys comments",
    GOOD.replace("author: a\n", "").replace("title", "# picket-disable missing_author\ntitle"),
    [],
    0,
    "1 rule, 0 errors, 0 warnings, 0",
  ],
  ["checks references", CORRELATION, [], 2, "0 rules, 1 error, 0 warnings"],
];
for (const [title, text, args, code, summary] of CHECKS) {
  test(`picket rules check ${title}`, async () => {
    using temp = new TempFiles({ "r.yml": text });
    const run = await picket(["rules", "check", temp.path("r.yml"), ...args]);
    assert.ok(run.out.includes(`Checked 1 file: ${summary}`), run.out);
    assert.equal(run.code, code);
  });
}

test("picket rules check writes json, ndjson and csv, with the count on stderr", async () => {
  using temp = new TempFiles({ "bad.yml": BAD });
  const run = (format: string) =>
    picket(["rules", "check", temp.path("bad.yml"), "--output-format", format]);
  const json = await run("json");
  const { summary, findings } = JSON.parse(json.out) as {
    summary: unknown;
    findings: readonly Record<string, unknown>[];
  };
  assert.deepEqual(summary, {
    files_checked: 1,
    files_failed: 1,
    rules: 0,
    errors: 4,
    warnings: 0,
    infos: 0,
    hints: 0,
  });
  assert.deepEqual(findings[1], {
    path: temp.path("bad.yml"),
    severity: "error",
    rule: "unknown_modifier",
    message: "Unknown modifier 'endswit' (did you mean 'endswith'?)",
    line: 8,
    column: 5,
    stage: "load",
    rule_title: "Bad One",
  });
  assert.match(json.err, /^Checked 1 file: 0 rules, 4 errors/);
  assert.equal((await run("ndjson")).out.trimEnd().split("\n").length, 4);
  const csv = (await run("csv")).out.split("\n");
  assert.equal(csv[0], "PATH,SEVERITY,RULE,LINE,MESSAGE,COLUMN");
  assert.ok(csv[2]!.startsWith(`${temp.path("bad.yml")},error,unknown_modifier,8,`));
});

test("picket rules check obeys a configuration above the rules", async () => {
  using temp = new TempFiles({
    ".picket-lint.yml": "disabled_rules: [missing_author]\nexclude: ['old/**']\n" +
      "severity_overrides: {missing_level: error}\n",
    "new/r.yml": GOOD.replace("author: a\n", "").replace("level: low\n", ""),
    "old/r.yml": BAD,
  });
  const { code, out } = await picket(["rules", "check", temp.directory]);
  assert.match(out, /r\.yml:1:1 error\[missing_level\]/);
  assert.match(out, /Checked 1 file: 1 rule, 1 error, 0 warnings, 0 infos\n$/);
  assert.equal(code, 2);
});

const CONFIGURATIONS: readonly (readonly [string, RegExp])[] = [
  ["- a", /must be a mapping/],
  ["disabled: [x]", /unknown key 'disabled'/],
  ["severity_overrides: {missing_level: bad}", /must be one of error, warning, info, hint/],
  ["exclude: [1]", /must be a list of texts/],
  ["a: [", /Cannot read lint configuration/],
];
for (const [text, message] of CONFIGURATIONS) {
  test(`picket rules check refuses the configuration ${text}`, async () => {
    using temp = new TempFiles({ ".rsigma-lint.yml": text, "r.yml": GOOD });
    const { code, err } = await picket(["rules", "check", temp.directory]);
    assert.equal(code, 3);
    assert.match(err, message);
  });
}

test("picket rules check reads bundles, and tells what cannot be read", async () => {
  const { rules, correlations, filters } = parseRules(GOOD, "r.yml");
  using temp = new TempFiles({
    "r.bundle": encodeBundle({ rules, correlations, filters }, 0),
    "utf8.yml": new Uint8Array([0xff, 0xfe, 0]),
  });
  const args = ["rules", "check", temp.directory, temp.path("missing")];
  const { code, out } = await picket(args);
  assert.match(out, /utf8\.yml error\[invalid_utf8\]/);
  assert.match(out, /missing error\[file_read_error\]/);
  assert.match(out, /Checked 2 files: 1 rule, 2 errors/);
  assert.equal(code, 2);
});

test("picket rules check wants a path and known names", async () => {
  assert.equal((await picket(["rules", "check"])).code, 3);
  const unknown = await picket(["rules", "check", ".", "--disable", "nosuch"]);
  assert.equal(unknown.code, 3);
  assert.match(unknown.err, /there is no lint rule 'nosuch'/);
});

const HIGH = GOOD.replace("Good One", "Worse One").replace("level: low", "level: high")
  .replaceAll("3333", "4444").replace("product: linux", "product: linux, category: dns_query");
const LIST = { "a.yml": GOOD, "b.yml": HIGH, "c.yml": CORRELATION };
const LISTS: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], ["Many", "Worse One", "Good One"]],
  [["--sort", "title"], ["Good One", "Many", "Worse One"]],
  [["--min-level", "high"], ["Many", "Worse One"]],
  [["--logsource", "product=linux"], ["Worse One", "Good One"]],
  [["--logsource", "product=Linux,category=DNS_query"], ["Worse One"]],
  [["--logsource", "product=macos"], []],
];
for (const [args, titles] of LISTS) {
  test(`picket rules list ${args.join(" ")}`, async () => {
    using temp = new TempFiles(LIST);
    const run = ["rules", "list", temp.directory, "--output-format", "ndjson", ...args];
    const { code, out, err } = await picket(run);
    const rows = out.split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { readonly title: string });
    assert.deepEqual(rows.map(({ title }) => title), titles);
    assert.ok(err.startsWith(`${titles.length} rule`), err);
    assert.equal(code, 0);
  });
}

test("picket rules list prints a table that fits a terminal, and csv", async () => {
  const long = GOOD.replace("Good One", `Long ${"x".repeat(200)}`);
  using temp = new TempFiles({ "a.yml": long });
  const table = await picket(["rules", "list", temp.directory], new FakeIo(true));
  const lines = table.out.trimEnd().split("\n");
  assert.match(lines[2]!, /low.* Long x+… {2}33333333-.* linux +test$/);
  // deno-lint-ignore no-control-regex
  for (const line of lines) assert.ok(line.replace(/\u001b\[[\d;]*m/g, "").length <= 120);
  const csv = await picket(["rules", "list", temp.directory, "--output-format", "csv"]);
  assert.match(csv.out, /^LEVEL,TITLE,ID,LOGSOURCE,STATUS,PATH,LINE\nlow,Long x+,3333/);
});

test("picket rules list exits with 2 if nothing loads", async () => {
  using temp = new TempFiles({ "a.yml": BAD });
  const { code, err } = await picket(["rules", "list", temp.directory]);
  assert.equal(code, 2);
  assert.match(err, /1 rule not loaded/);
});

test("picket rules fields counts rules and says where fields stand", async () => {
  using temp = new TempFiles({ ...LIST, "f.yml": FILTER });
  const args = ["rules", "fields", temp.directory];
  const json = await picket([...args, "--output-format", "json"]);
  assert.deepEqual(JSON.parse(json.out), {
    summary: {
      total_rules: 2,
      total_correlations: 1,
      total_filters: 1,
      unique_fields: 5,
      pipelines_applied: 0,
    },
    fields: [
      { field: "User", rule_count: 3, sources: ["group_by", "reference"] },
      { field: "Image", rule_count: 2, sources: ["detection"] },
      { field: "Other", rule_count: 2, sources: ["detection"] },
      { field: "Account", rule_count: 1, sources: ["filter"] },
      { field: "Host", rule_count: 1, sources: ["condition"] },
    ],
  });
  const table = await picket([...args, "--no-filters"]);
  assert.match(table.out, /^FIELD +RULES +SOURCES\n[- ]+\nUser +3 +group_by, reference\n/);
  assert.doesNotMatch(table.out, /Account/);
  assert.equal(
    table.err,
    "Rules: 2 detection, 1 correlation, 1 filter | Pipelines: 0 | Unique fields: 4\n",
  );
});

// sigma-rules.md 8, 12.8, 12.10 and 17: a detection, its fields.
const FIELDS: readonly (readonly [string, readonly string[]])[] = [
  ["{s: {A: 1, 'B|contains': [x, y]}, condition: s}", ["A", "B"]],
  ["{s: [{A: 1}, {B: 1}], k: [word], condition: s or k}", ["A", "B"]],
  ["{s: {'A|fieldref': B}, condition: s}", ["A", "B"]],
  ["{s: {'c[any]': {p: 1, 'd[all].q': 2}}, condition: s}", ["c", "c.p", "c.d", "c.d.q"]],
  ["{s: {'c[any]|contains': x}, condition: s}", ["c"]],
  ["{s: {'c[any]': {condition: a, a: {'.': 1, z: 2}}}, condition: s}", ["c", "c.z"]],
];
for (const [detection, fields] of FIELDS) {
  test(`ruleFields() of ${detection}`, () => {
    const { rules } = parseRules(`title: T\nsigma-version: 3\ndetection: ${detection}`, "r.yml");
    assert.deepEqual(ruleFields(rules[0]!).map(({ field }) => field).sort(), [...fields].sort());
  });
}
