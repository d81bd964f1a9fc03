/**
 * How lines are read, as it is typed for `scan`, `eval` and `explain`. `inputs.md` 1, 11, 19 (rows 60
 * and 83), 20.5.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { runEval } from "../../cli/commands/eval.ts";
import { FakeIo, picket, TempFiles } from "../support/cli_io.ts";
import { EVAL_DEFAULTS } from "../support/eval_options.ts";

const RULES = `title: Field
logsource: {product: linux}
detection:
  sel:
    a: 1
  condition: sel
---
title: Keyword
logsource: {product: linux}
detection:
  keywords:
    - evil
  condition: keywords
`;
const EVENT = ["-e", '{"a":1}'];

// Arguments, exit code, what stdout and stderr are.
const CASES: readonly (readonly [string, readonly string[], number, RegExp, RegExp])[] = [
  ["two filters", [...EVENT, "--jq", ".", "--jsonpath", "$"], 3, /^$/, /cannot be used together/],
  ["a broken jq filter", [...EVENT, "--jq", ".["], 3, /^$/, /Invalid jq filter '\.\['/],
  ["a broken JSONPath", [...EVENT, "--jsonpath", "$["], 3, /^$/, /Invalid JSONPath/],
  ["an unknown format", [...EVENT, "--input-format", "xls"], 3, /^$/, /xls.*invalid/],
  [
    "a zone without a colon",
    [...EVENT, "--syslog-tz", "+0530"],
    3,
    /^$/,
    /Invalid timezone offset: '\+0530' \(expected \+HH:MM or -HH:MM\)/,
  ],
  ["an unknown zone", [...EVENT, "--syslog-tz", "Mars/Olympus"], 3, /^$/, /Mars\/Olympus/],
  ["no truth", [...EVENT, "--syslog-strip-bom", "perhaps"], 3, /^$/, /true or false/],
  // 11: what a filter makes is evaluated, nothing of nothing is no error.
  ["a part", ["-e", '{"x":{"a":1}}', "--jq", ".x"], 0, /Field/, /1 match\./],
  ["several parts", ["-e", '{"x":[{"a":1},{"a":2}]}', "--jsonpath", "$.x[*]"], 0, /Field/, /2 ev/],
  ["nothing", ["-e", '{"a":1}', "--jq", "empty"], 0, /^$/, /0 events, 0 matches\.\n$/],
  ["the members of an array", ["-e", '[{"a":1}]', "--jq", ".[]"], 0, /Field/, /1 event, 1 match\./],
  [
    "what cannot be",
    ["-e", '{"a":1}', "--jq", ".a[]"],
    4,
    /^$/,
    /Filter failed at --event: jq runtime error.*\n.*0 matches, 1 filter error\.\n$/s,
  ],
  // 3: a line of a stated format.
  ["a line", ["-e", "it is evil"], 0, /Keyword/, /1 match\./],
  ["a line of CEF", ["-e", "CEF:0|a|b|1|2|evil|5|x=1", "--input-format", "cef"], 0, /Keyword/, /./],
  ["a line that is no CEF", ["-e", "evil", "--input-format", "cef"], 4, /^$/, /1 line unparseable/],
  ["pairs", ["-e", 'a=1 b="x y"', "--input-format", "logfmt"], 0, /Field/, /1 match\./],
  ["JSON as text", ["-e", '{"a":1}', "--input-format", "plain"], 0, /^$/, /No matches\./],
  ["JSON that is none", ["-e", "evil", "--input-format", "json"], 2, /^$/, /Invalid JSON/],
];

for (const [name, args, code, out, err] of CASES) {
  test(`picket eval meets ${name}`, async () => {
    using temp = new TempFiles({ "rules.yml": RULES });
    const run = await picket(["eval", "-r", temp.path("rules.yml"), ...args]);
    assert.match(run.err, err);
    assert.match(run.out, out);
    assert.equal(run.code, code);
  });
}

for (const command of ["eval", "explain", "classify"]) {
  test(`picket ${command} says how a file is given`, async () => {
    const run = await picket([command, "app.log"]);
    assert.match(run.err, /too many arguments.*\nA file of events is given as -e @FILE\.\n$/s);
    assert.equal(run.code, 3);
  });
}

const MIXED = [
  "<34>Oct 11 22:14:15 web su: evil",
  '{"a":1}',
  '{"a":',
  "CEF:0|a|b|1|2|evil|5|x=1",
  "just text",
].join("\n");

test("picket eval reads lines of many formats, packed and in any encoding", async () => {
  const contents: Readonly<Record<string, Uint8Array>> = {
    "mixed": Buffer.from(MIXED),
    "mixed.gz": gzipSync(MIXED),
    "mixed.zst": zstdCompressSync(MIXED),
    "mixed.txt": Buffer.from(`\ufeff${MIXED}`, "utf16le"),
  };
  using temp = new TempFiles({ "rules.yml": RULES, ...contents });
  for (const name of Object.keys(contents)) {
    const args = ["eval", "-r", temp.path("rules.yml"), "-e", `@${temp.path(name)}`];
    const run = await picket(args);
    assert.match(run.err, /Processed 5 events, 3 matches\.\n$/, name);
    assert.equal(run.code, 0);
  }
});

test("picket eval --fail-on-parse-error counts lines that are no events", async () => {
  using temp = new TempFiles({ "rules.yml": RULES, "x.ndjson": '{"a":1}\nx\n'.repeat(7) });
  const args = ["eval", "-r", temp.path("rules.yml"), "-e", `@${temp.path("x.ndjson")}`];
  const lenient = await picket(args);
  assert.equal(lenient.code, 0);
  assert.match(lenient.err, /7 events, 7 matches, 7 lines unparseable\.\n$/);
  assert.deepEqual([...lenient.err.matchAll(/^Skipped line (\d+): /gm)].map((found) => found[1]), [
    "2",
    "4",
    "6",
    "8",
    "10",
  ]);
  assert.equal((await picket([...args, "--fail-on-parse-error"])).code, 4);
  assert.equal((await picket([...args, "--strict"])).code, 4);
  // What was found is more than what could not be read.
  assert.equal((await picket([...args, "--fail-on-parse-error", "--fail-on-detection"])).code, 1);
});

test("picket scan places events in time by the zone, the year of the file and chosen fields", async () => {
  using temp = new TempFiles({
    "rules.yml": RULES,
    "a.log": "Jul 11 22:14:15 web su: evil\n",
    "b.ndjson": '{"a":1,"time":"2020-01-01T00:00:00Z","seen":"2021-02-03T04:05:06Z"}\n',
  });
  const { utimesSync } = await import("node:fs");
  utimesSync(temp.path("a.log"), 0, Date.UTC(2019, 7, 1) / 1000);
  const run = await picket([
    ...["scan", "-q", "-r", temp.path("rules.yml"), "--threads", "1"],
    ...[
      "--syslog-tz",
      "Europe/Berlin",
      "--timestamp-field",
      "nowhere",
      "--timestamp-field",
      "seen",
    ],
    temp.path("a.log"),
    temp.path("b.ndjson"),
  ]);
  assert.equal(run.code, 0, run.err);
  const sources = run.out.trim().split("\n").map((line) => JSON.parse(line).source);
  assert.deepEqual(sources.map(({ timestamp }) => timestamp), [
    "2019-07-11T20:14:15.000Z",
    "2021-02-03T04:05:06Z",
  ]);
  assert.deepEqual(sources[0], {
    path: temp.path("a.log"),
    record_id: 1,
    channel: "su",
    computer: "web",
    timestamp: "2019-07-11T20:14:15.000Z",
    message: "evil",
  });
});

test("runEval() gives out an audit event when nothing more of it comes", async () => {
  using temp = new TempFiles({ "rules.yml": RULES });
  const io = new FakeIo();
  const record = (type: string, rest: string): Uint8Array =>
    Buffer.from(`type=${type} msg=audit(1700000000.001:7): ${rest}\n`);
  let writesBefore = -1;
  let writesAfter = -1;
  async function* stdin(): AsyncGenerator<Uint8Array> {
    yield record("SYSCALL", 'arch=c000003e syscall=59 success=yes exit=0 pid=9 comm="id"');
    yield record("EXECVE", 'argc=2 a0="id" a1="evil"');
    writesBefore = io.writes.length;
    await new Promise((resolve) => setTimeout(resolve, 600));
    writesAfter = io.writes.length;
  }
  const code = await runEval({ ...EVAL_DEFAULTS, rules: [temp.path("rules.yml")] }, io, stdin);
  assert.equal(code, 0);
  assert.equal(writesBefore, 0);
  assert.equal(writesAfter, 1, io.errText);
  assert.match(io.errText, /Processed 1 event, 1 match\.\n$/);
});

test("picket explain shows what a line was decoded to, JSON only if a filter has changed it", async () => {
  using temp = new TempFiles({ "rules.yml": RULES });
  const explain = (...args: string[]) => picket(["explain", "-r", temp.path("rules.yml"), ...args]);
  const line = await explain("-e", "<34>Oct 11 22:14:15 web su: evil");
  assert.match(line.out, /^Event 1; logsource: .*\n {2}timestamp +\d{4}-10-11T22:14:15\+00:00\n/);
  assert.match(line.out, /\n {2}_raw +evil\n/);
  assert.match(line.out, /Keyword.*: MATCH/);
  assert.match(line.out, /Field.*: NO MATCH/);
  const json = await explain("-e", '{"x":{"a":1}}');
  assert.doesNotMatch(json.out, /^ {2}x /m);
  const part = await explain("-e", '{"x":{"a":1}}', "--jq", ".x");
  assert.match(part.out, /^Event 1; .*\n {2}a {2}1\n/);
  const near = await explain("-e", "nothing", "--why-not");
  assert.match(near.out, /^Event 1; .*\n {2}_raw {2}nothing\n\n/);
});
