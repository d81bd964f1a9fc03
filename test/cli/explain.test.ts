import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { RuleExplanation } from "../../src/engine/explain.ts";
import { picket, TempFiles } from "../support/cli_io.ts";

const EVTX = fileURLToPath(new URL("../../fixtures/evtx/dc01/security.evtx", import.meta.url));

function rule(title: string, detection: string, more = ""): string {
  return `title: ${title}\nlevel: high\n${more}\ndetection:\n${detection}\n`;
}

const PROCESS = rule(
  "Shell",
  "  sel:\n    Image|endswith: '\\cmd.exe'\n    CommandLine|contains: [aa, bb]\n" +
    "  filter:\n    User|cased: Bob\n  condition: sel and not filter",
  "id: 22222222-2222-4222-8222-222222222222\n" +
    "logsource: {product: windows, category: process_creation}",
);
const EVENT = {
  Channel: "Security",
  EventID: 4688,
  NewProcessName: "C:\\Windows\\cmd.exe",
  CommandLine: "x bb",
  User: "bob",
};

async function explain(
  files: Readonly<Record<string, string>>,
  event: unknown,
  ...args: readonly string[]
) {
  using temp = new TempFiles(files);
  const run = ["explain", "-r", temp.directory, "-e", JSON.stringify(event), ...args];
  return await picket(run);
}

test("picket explain prints the tree of a rule that matches", async () => {
  const { code, out, err } = await explain({ "r.yml": PROCESS }, EVENT);
  assert.equal(
    out,
    `Event 1; logsource: product windows, service security, category process_creation

Shell (22222222-2222-4222-8222-222222222222) [high]: MATCH
  PASS logsource product windows, category process_creation
  PASS all of:
    PASS sel:
      PASS Image <- NewProcessName|endswith "\\cmd.exe"  actual="C:\\\\Windows\\\\cmd.exe"
      PASS CommandLine|contains any of "aa", "bb"  hit="bb"  actual="x bb"
    PASS not:
      FAIL filter:
        FAIL User|exact "Bob"  actual="bob" (case mismatch)
`,
  );
  assert.match(err, /1 match of 1 rule and 1 event\n$/);
  assert.equal(code, 0);
});

test("picket explain says that a rule is for another logsource, and which the event has", async () => {
  const { out } = await explain({ "r.yml": PROCESS }, { ...EVENT, EventID: 4624 });
  assert.match(out, /^Event 1; logsource: product windows, service security, category none\n/);
  assert.match(out, /: NO MATCH\n/);
  assert.match(
    out,
    /FAIL logsource .*process_creation \(does not apply: the event's category is none\)/,
  );
});

test("picket explain takes a logsource for events that do not tell it, or none at all", async () => {
  const { out } = await explain({ "r.yml": PROCESS }, {}, "--logsource", "product=linux");
  assert.match(out, /the event's product is linux/);
  const event = { Image: "\\cmd.exe", CommandLine: "aa", Channel: "System" };
  const unrouted = await explain({ "r.yml": PROCESS }, event, "--no-logsource-routing");
  assert.match(unrouted.out, /logsource: not considered\n[^]*: MATCH\n/);
});

test("picket explain shows filters, and the one that keeps a rule from firing", async () => {
  const filter = "title: Known good\nlogsource: {product: windows}\nfilter:\n  rules: any\n" +
    "  selection: {User: bob}\n  condition: not selection\n";
  const { out } = await explain({ "a.yml": PROCESS, "f.yml": filter }, EVENT);
  assert.match(out, /: NO MATCH\n/);
  assert.match(out, /FAIL filter Known good keeps the rule from firing:\n {4}FAIL not:/);
});

test("picket explain shows members of arrays and fields of another letter case", async () => {
  const one = rule(
    "Array",
    "  s:\n    conns[any]: {proto: TCP, port: 1}\n    commandline: x\n  condition: s",
    "sigma-version: 3",
  );
  const event = { conns: [{ proto: "UDP", port: 1 }, { proto: "TCP", port: 2 }], CommandLine: "x" };
  const { out } = await explain({ "r.yml": one }, event);
  assert.match(out, /FAIL conns\[any\] \(0 of 2 members satisfy it\)/);
  assert.match(out, /FAIL member 1 {2}actual=\{"proto":"TCP","port":2\}:/);
  assert.match(out, /FAIL port\|numeric "= 1" {2}actual=2 \(value mismatch\)/);
  assert.match(out, /FAIL commandline\|exact "x" \(field absent; the event has CommandLine\)/);
});

// Enough rules that only those that match are explained without being asked.
const MANY = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [
  `r${String(at).padStart(2, "0")}.yml`,
  rule(`Rule ${at}`, `  s: {A: 1, B: ${at}, C: ${at % 3}}\n  condition: s`),
]));

test("picket explain shows those of many rules that match, and --all the rest", async () => {
  const some = await explain(MANY, { A: 1, B: 4, C: 1 });
  assert.deepEqual(some.out.match(/^Rule.*$/gm), ["Rule 4 [high]: MATCH"]);
  assert.match(some.err, /1 match of 12 rules and 1 event; --why-not shows/);
  const all = await explain(MANY, { A: 1, B: 4, C: 1 }, "--all");
  assert.equal(all.out.match(/^Rule.*$/gm)?.length, 12);
  const one = await explain(MANY, { A: 1 }, "--rule", "rule 7");
  assert.deepEqual(one.out.match(/^Rule.*$/gm), ["Rule 7 [high]: NO MATCH"]);
});

test("picket explain --why-not ranks rules by what is missing", async () => {
  const { out } = await explain(MANY, { A: 1, B: 40, C: 1 }, "--why-not", "2");
  assert.match(out, /Rule 1 \[high\]: 1 of 3 checks missing\n {2}FAIL s: B\|numeric "= 1"/);
  assert.deepEqual(out.match(/^Rule \d+/gm), ["Rule 1", "Rule 4"]);
});

test("picket explain --why-not ranks events for one rule", async () => {
  using temp = new TempFiles({
    ...MANY,
    "events.ndjson": '{"B":3}\n{"A":1,"B":3}\n{"A":1}\n',
  });
  const at = `@${temp.path("events.ndjson")}`;
  const args = ["explain", "-r", temp.directory, "--rule", "Rule 3", "-e", at, "--why-not", "1"];
  const { out } = await picket(args);
  assert.match(out, /^Event 2; .*\nRule 3 .*1 of 3 checks missing\n {2}FAIL s: C\|numeric/);
});

test("picket explain --why-not shows each of several rules with its nearest event", async () => {
  using temp = new TempFiles({
    ...MANY,
    "events.ndjson": '{"A":1}\n{"A":1,"B":3}\n{"A":1,"B":4}\n{"B":3}\n',
  });
  const at = `@${temp.path("events.ndjson")}`;
  const { out } = await picket(["explain", "-r", temp.directory, "-e", at, "--why-not", "3"]);
  assert.deepEqual(out.match(/^Event \d+|^Rule \d+/gm), [
    ...["Event 2", "Rule 3", "Event 3", "Rule 4", "Event 1", "Rule 0"],
  ]);
});

test("picket explain --why-not names selections that must not hold", async () => {
  const event = { ...EVENT, User: "Bob" };
  const { out } = await explain({ "r.yml": PROCESS }, event, "--why-not");
  assert.match(out, /PASS filter: User\|exact "Bob" {2}actual="Bob" {2}must not hold/);
});

test("picket explain writes the specified JSON", async () => {
  const one = rule(
    "T",
    "  selection_a: {A: 1}\n  selection_b: {B: [x, y]}\n  condition: 1 of selection_*",
  );
  const { out } = await explain({ "r.yml": one }, { A: 1 }, "--output-format", "json");
  const [explanation, ...rest] = JSON.parse(out) as readonly RuleExplanation[];
  assert.equal(rest.length, 0);
  assert.equal(explanation!.rule_title, "T");
  assert.equal(explanation!.matched, true);
  const [node] = explanation!.conditions;
  assert.ok(node?.type === "quantified");
  assert.deepEqual([node.quantifier, node.need, node.got], ["any", 1, 1]);
  assert.deepEqual(node.branches[0], {
    name: "selection_a",
    matched: true,
    detection: {
      type: "all_of",
      matched: true,
      items: [{
        field: "A",
        matcher: "numeric",
        pattern: "= 1",
        key: "A",
        line: 5,
        actual: 1,
        matched: true,
        reason: "matched",
      }],
    },
  });
  const lines = await explain(MANY, { A: 1 }, "--all", "--output-format", "ndjson");
  assert.equal(lines.out.trimEnd().split("\n").length, 12);
  const near = await explain(MANY, { A: 1 }, "--why-not", "1", "--output-format", "ndjson");
  const { near_miss } = JSON.parse(near.out) as { near_miss: { missing: number; held: number } };
  assert.deepEqual([near_miss.missing, near_miss.held], [2, 1]);
});

test("picket explain reads several events, and one of them by its record id", async () => {
  const args = ["explain", "-e", `@${EVTX}`, "--rule", "Security Audit Log Emptied"];
  const some = await picket([...args, "--limit", "2"]);
  assert.equal(some.out.match(/^Event \d+, record \d+; /gm)?.length, 2);
  assert.match(some.err, /Stopped after 2 events/);
  const record = /^Event 2, record (\d+);/m.exec(some.out)![1]!;
  const one = await picket([...args, "--record", record]);
  assert.deepEqual(one.out.match(/^Event.*?;/gm), [`Event 2, record ${record};`]);
});

test("picket explain explains the rules of a correlation", async () => {
  const correlation = "title: Many\nname: many\ncorrelation:\n  type: event_count\n" +
    "  rules: [base]\n  group-by: [User]\n  timespan: 5m\n  condition: {gte: 3}\n";
  const base = rule("Base", "  s: {A: 1}\n  condition: s", "name: base");
  const { out, err } = await explain(
    { "b.yml": base, "c.yml": correlation },
    { A: 1 },
    "--rule",
    "many",
  );
  assert.match(err, /is a correlation; explaining the rules it counts/);
  assert.match(out, /^Base \[high\]: MATCH$/m);
});

test("picket explain makes texts of rules and events harmless", async () => {
  const one = rule('"T\\e[2J"', "  s: {A: x}\n  condition: s");
  const { out } = await explain({ "r.yml": one }, { A: "\u001b[31m\u202e" });
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(out, /[\u001b\u202e]/);
});

// daemon.md 13.4 and 17.6, case 133.
const FAILURES: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  ["an event that is not JSON", ["-e", "{nope}"], 3, /Invalid JSON/],
  ["a missing file", ["-e", "@missing"], 3, /Event file not found/],
  ["no rule of that name", ["-e", "{}", "--rule", "x"], 2, /no rule has the id or title "x"/],
  ["no record of that number", ["-e", "{}", "--record", "7"], 3, /no event 7/],
  ["a format it does not have", ["-e", "{}", "--output-format", "csv"], 3, /Allowed choices/],
  ["rules that cannot be read", ["-e", "{}", "-r", "/missing"], 2, /no rule could be loaded/],
];
for (const [title, args, code, err] of FAILURES) {
  test(`picket explain exits with ${code} for ${title}`, async () => {
    const run = await picket(["explain", ...args]);
    assert.match(run.err, err);
    assert.equal(run.code, code);
  });
}
