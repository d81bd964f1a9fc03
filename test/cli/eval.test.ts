import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { runEval } from "../../cli/commands/eval.ts";
import { FakeIo, picket, TempFiles } from "../support/cli_io.ts";
import { EVAL_DEFAULTS } from "../support/eval_options.ts";

const RULE = `title: Test, Rule
id: 11111111-1111-4111-8111-111111111111
level: high
detection:
  sel:
    CommandLine|contains: whoami
  condition: sel
`;
const HIT = '{"CommandLine":"cmd /c whoami","n":9007199254740993}';
const MISS = '{"CommandLine":"dir"}';
const EVTX = fileURLToPath(new URL("../../fixtures/evtx/dc01/security.evtx", import.meta.url));

function files(more: Readonly<Record<string, string | Uint8Array>> = {}): TempFiles {
  return new TempFiles({ "rule.yml": RULE, ...more });
}

// daemon.md 17.6, cases 120 to 128 and 130: arguments, exit code, stdout, stderr.
const CASES: readonly (readonly [string, readonly string[], number, RegExp, RegExp])[] = [
  ["prints ndjson when piped", ["-e", HIT], 0, /^\{"rule_title":"Test, Rule".*\}\n$/, /1 match\./],
  [
    "prints one compact object a match as json",
    ["-e", HIT, "--output-format", "json"],
    0,
    /^\{.*\}\n$/,
    /./,
  ],
  ["indents with --pretty", ["-e", HIT, "--pretty"], 0, /^\{\n {2}"rule_title"/, /./],
  [
    "prints csv",
    ["-e", HIT, "--output-format", "csv"],
    0,
    /^LEVEL,RULE,TYPE,DETAIL\nhigh,"Test, Rule",detection,CommandLine=cmd \/c whoami\n$/,
    /./,
  ],
  [
    "prints a csv header without a match",
    ["-e", MISS, "--output-format", "csv"],
    0,
    /^LEVEL,RULE,TYPE,DETAIL\n$/,
    /No matches\.\n$/,
  ],
  [
    "prints a table",
    ["-e", HIT, "--output-format", "table"],
    0,
    /^LEVEL +RULE +TYPE +DETAIL\nhigh +Test, Rule +detection +CommandLine=cmd/,
    /./,
  ],
  ["says No matches. of one event", ["-e", MISS], 0, /^$/, /\nNo matches\.\n$/],
  ["says nothing with -q", ["-e", HIT, "-q"], 0, /./, /^$/],
  ["keeps Loaded with --no-stats", ["-e", HIT, "--no-stats"], 0, /./, /^Loaded 1 .*\n$/],
  ["takes other text for a line", ["-e", "not json"], 0, /^$/, /\nNo matches\.\n$/],
  ["refuses damaged JSON", ["-e", '{"a"'], 2, /^$/, /Invalid JSON in --event: /],
  [
    "refuses text that is not JSON if it should be",
    ["-e", "not json", "--input-format", "json"],
    2,
    /^$/,
    /Invalid JSON.*@FILE/,
  ],
  ["refuses a scalar", ["-e", "5", "--input-format", "json"], 2, /^$/, /Invalid JSON/],
  ["knows a file without its @", ["-e", "package.json"], 2, /^$/, /name of a file.*@package\.json/],
  ["misses a file", ["-e", "@missing"], 2, /^$/, /Event file not found: missing/],
  ["refuses a directory", ["-e", "@/"], 2, /^$/, /is a directory; use picket scan/],
  ["exits with 1 on a detection", ["-e", HIT, "--fail-on-detection"], 1, /./, /./],
  ["exits with 0 without one", ["-e", MISS, "--fail-on-detection"], 0, /^$/, /./],
  ["takes an array as several events", ["-e", `[${HIT},${MISS}]`], 0, /./, /2 events, 1 match\./],
  ["refuses an unknown rule", ["-e", HIT, "--rule", "x"], 3, /^$/, /no rule has the id/],
  ["refuses an unknown flag", ["--nonsense"], 3, /^$/, /unknown option/],
  ["leaves out rules below a level", ["-e", HIT, "--min-level", "critical"], 2, /^$/, /no rule/],
];
for (const [title, args, code, out, err] of CASES) {
  test(`picket eval ${title}`, async () => {
    using temp = files();
    const run = await picket(["eval", "-r", temp.path("rule.yml"), ...args]);
    assert.match(run.out, out);
    assert.match(run.err, err);
    assert.equal(run.code, code);
  });
}

test("picket eval prints indented JSON on a terminal", async () => {
  using temp = files();
  const run = await picket(["eval", "-r", temp.path("rule.yml"), "-e", HIT], new FakeIo(true));
  assert.match(run.out, /^\{\n {2}"rule_title": "Test, Rule",\n/);
});

test("picket eval gives results the specified shape, with exact integers and no source", async () => {
  using temp = files();
  const args = ["eval", "-r", temp.path("rule.yml"), "-e", HIT, "--include-event"];
  const { out } = await picket([...args, "--match-detail", "full"]);
  assert.equal(
    out,
    '{"rule_title":"Test, Rule","rule_id":"11111111-1111-4111-8111-111111111111",' +
      '"level":"high","tags":[],"matched_selections":["sel"],"matched_fields":[' +
      '{"field":"CommandLine","value":"cmd /c whoami","selection":"sel","matcher":"contains",' +
      '"pattern":"whoami","case_sensitive":false}],' +
      '"event":{"CommandLine":"cmd /c whoami","n":9007199254740993}}\n',
  );
});

const LINES = `${HIT}\n\n{bad\n${MISS}\n5\n${HIT}`;
const INPUTS: readonly (readonly [string, string | Uint8Array, string])[] = [
  ["lines.ndjson", LINES, "4 events, 2 matches, 1 line unparseable"],
  ["lines.ndjson.gz", gzipSync(LINES), "4 events, 2 matches, 1 line unparseable"],
  ["bom.json", `\uFEFF${HIT}\r\n${MISS}\r\n`, "2 events, 1 match"],
  ["array.json", `[\n  ${HIT},\n  ${MISS}\n]`, "2 events, 1 match"],
  ["pretty.json", JSON.stringify({ CommandLine: "whoami" }, null, 2), "1 event, 1 match"],
  ["pretty.json.gz", gzipSync(JSON.stringify({ CommandLine: "whoami" }, null, 2)), "1 event, 1 m"],
  ["cut.json", `[${HIT},{"a":`, "1 event, 1 match, 1 line unparseable"],
  ["empty.json", "", "0 events, 0 matches"],
  ["hole.log", `${"\0".repeat(70_001)}${HIT}\n${MISS}\n`, "2 events, 1 match"],
  ["hole.log", Buffer.from(`${"\0".repeat(35_000)}${HIT}\n`, "utf16le"), "1 event, 1 match"],
];
for (const [name, content, summary] of INPUTS) {
  test(`picket eval reads ${name}`, async () => {
    using temp = files({ [name]: content });
    const run = await picket(["eval", "-r", temp.path("rule.yml"), "-e", `@${temp.path(name)}`]);
    assert.ok(run.err.includes(`Processed ${summary}`), run.err);
    assert.equal(run.code, 0);
  });
}

test("picket eval reads a gzip file of many blocks", async () => {
  const noise = Array.from({ length: 60_000 }, (_, at) => {
    // Hashes do not pack, so that the packed file is longer than what is read at once.
    const digest = createHash("sha256").update(String(at)).digest("hex");
    return `{"CommandLine":"${at % 1000 === 0 ? "whoami" : "dir"}","hash":"${digest}"}`;
  });
  const packed = gzipSync(noise.join("\n"));
  assert.ok(packed.length > 2 << 20);
  using temp = files({ "many.ndjson.gz": packed });
  const at = `@${temp.path("many.ndjson.gz")}`;
  const run = await picket(["eval", "-r", temp.path("rule.yml"), "-e", at]);
  assert.match(run.err, /Processed 60,000 events, 60 matches\.\n$/);
});

test("picket eval names lines that are no events, even when quiet", async () => {
  using temp = files({ "lines.ndjson": LINES });
  const args = ["eval", "-q", "-r", temp.path("rule.yml"), "-e", `@${temp.path("lines.ndjson")}`];
  const run = await picket(args);
  assert.match(run.err, /^Skipped line 3: Cannot decode JSON.*\n$/);
  assert.equal((await picket([...args, "--strict"])).code, 4);
});

test("picket eval exits with 4 if no line is an event", async () => {
  using temp = files({ "lines.ndjson": "x\ny\n".repeat(5) });
  const at = `@${temp.path("lines.ndjson")}`;
  const run = await picket(["eval", "-r", temp.path("rule.yml"), "-e", at]);
  assert.equal(run.code, 4);
  assert.match(run.err, /Skipped 10 lines or records in all/);
});

test("picket eval reads EVTX, by its content as well", async () => {
  const run = await picket(["eval", "-e", `@${EVTX}`]);
  assert.match(run.err, /Processed 27 EVTX records, 2 matches\.\n$/);
  assert.match(run.out, /"rule_title":"Security Audit Log Emptied"/);
  using temp = files({ "broken.evtx": "no EVTX at all" });
  const broken = await picket(["eval", "-e", `@${temp.path("broken.evtx")}`]);
  assert.equal(broken.code, 2);
});

test("picket eval makes texts of events harmless in a table", async () => {
  using temp = files();
  const event = JSON.stringify({ CommandLine: "whoami \u001b[2J\u202e" });
  const args = ["eval", "-r", temp.path("rule.yml"), "--output-format", "table", "-e", event];
  const { out } = await picket(args);
  assert.ok(out.includes("whoami \\x1b[2J\\x202e"), out);
});

test("runEval() writes a result before the next block of stdin comes", async () => {
  using temp = files();
  const io = new FakeIo();
  const written: number[] = [];
  async function* stdin(): AsyncGenerator<Uint8Array> {
    for (const line of [HIT, MISS, HIT]) {
      yield new TextEncoder().encode(`${line}\n`);
      await Promise.resolve();
      written.push(io.writes.length);
    }
  }
  const code = await runEval({ ...EVAL_DEFAULTS, rules: [temp.path("rule.yml")] }, io, stdin);
  assert.equal(code, 0);
  assert.deepEqual(written, [1, 1, 2]);
  assert.match(io.errText, /Processed 3 events, 2 matches\.\n$/);
});

test("runEval() says what was found when it is interrupted", async () => {
  using temp = files();
  const controller = new AbortController();
  class Interrupted extends FakeIo {
    override readonly signal = controller.signal;
  }
  const io = new Interrupted();
  async function* stdin(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(`${HIT}\n`);
    controller.abort(new Error("interrupted"));
    signal.throwIfAborted();
    yield await Promise.resolve(new Uint8Array());
  }
  const code = await runEval({ ...EVAL_DEFAULTS, rules: [temp.path("rule.yml")] }, io, stdin);
  assert.equal(code, 130);
  assert.match(io.text, /Test, Rule/);
  assert.match(io.errText, /Processed 1 event, 1 match\.\n$/);
});
