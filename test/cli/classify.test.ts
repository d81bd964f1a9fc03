import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeIo, picket, TempFiles } from "../support/cli_io.ts";

const EVENTS = '{"ecs":{"version":"8"}}\n{"a":1,"b":2}\n{}\n';

test("picket classify prints a table on a terminal and NDJSON elsewhere", async () => {
  using files = new TempFiles({ "e.ndjson": EVENTS });
  const event = `@${files.path("e.ndjson")}`;
  const table = await picket(["classify", "-e", event, "--color", "never"], new FakeIo(true));
  assert.deepEqual(table.out.split("\n").map((line) => line.trim().split(/\s+/)), [
    ["#", "SCHEMA", "SPECIFICITY"],
    ["0", "ecs", "100"],
    ["1", "generic_json", "0"],
    ["2", "unknown", "-"],
    [""],
  ]);
  assert.equal(table.err, "3 events: 1 ecs, 1 generic_json, 1 unknown\n");
  const lines = await picket(["classify", "-e", event]);
  assert.deepEqual(lines.out.trim().split("\n").map((line) => JSON.parse(line)), [
    { index: 0, schema: "ecs", specificity: 100 },
    { index: 1, schema: "generic_json", specificity: 0 },
    { index: 2, schema: null, specificity: null },
  ]);
});

test("picket classify --explain says what an unknown event lacks", async () => {
  const { out } = await picket(
    ["classify", "-e", "{}", "--explain", "--color", "never"],
    new FakeIo(true),
  );
  assert.match(out, /nearest: ecs_linux\n\s+no {2}field_present\(ecs\.version\)/);
});

test("picket classify counts lines that are no events, and fails if none is", async () => {
  using files = new TempFiles({ "e.log": '{"a":1}\nnot json\n', "bad.log": "not json\n" });
  const json = ["--input-format", "json", "--output-format", "json"];
  const some = await picket(["classify", "-e", `@${files.path("e.log")}`, ...json]);
  assert.equal(some.code, 0);
  assert.equal(JSON.parse(some.out).summary.parse_errors, 1);
  assert.match(some.err, /Skipped/);
  assert.equal((await picket(["classify", "-e", `@${files.path("bad.log")}`, ...json])).code, 4);
  assert.equal((await picket(["classify", "-e", "@/nowhere/x"])).code, 2);
});

test("picket classify with a schema file says which rules events meet", async () => {
  using files = new TempFiles({
    "s.yml": "schemas: [{name: mine, match: [{field_present: a}], x: 1}]\n" +
      "routing: {on_unknown: error, bindings: [{schema: mine, pipelines: [p, q]}]}\n",
    "e.ndjson": EVENTS,
  });
  const config = ["--schema-config", files.path("s.yml")];
  const { out, err } = await picket(["classify", "-e", `@${files.path("e.ndjson")}`, ...config]);
  const routes = out.trim().split("\n").map((line) => JSON.parse(line).route);
  assert.deepEqual(routes, [
    { action: "evaluate", pipelines: [], unknown: false },
    { action: "evaluate", pipelines: ["p", "q"], unknown: false },
    { action: "error", unknown: true },
  ]);
  assert.match(err, /warning: .*s\.yml:1: schemas: 'x' is not known and is ignored/);
  const checked = await picket(["classify", "--check", ...config]);
  assert.equal(checked.code, 3);
  assert.match(checked.out, /s\.yml:2: pipeline 'p': pipelines are not available/);
});

// inputs.md, sections 1, 15, 17 and 19 (77).
const REFUSED: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [["classify", "--check"], /--check needs --schema-config/],
  [["classify", "-e", "{}", "--schema-config", "/nowhere"], /Cannot use schema file \/nowhere/],
  [["classify", "-e", "{}", "--similarity", "2"], /from 0 to 1/],
  [["eval", "-e", "{}", "--on-unknown", "drop"], /--on-unknown needs --schema-routing/],
  [["eval", "-e", "{}", "--schema-partition-rules"], /needs --schema-routing/],
  [["eval", "-e", "{}", "--observe-fields-report", "x"], /needs --observe-fields/],
  [["eval", "-e", "{}", "--observe-fields", "--observe-fields-max-keys", "0"], /whole number/],
  [
    ["eval", "-e", "{}", "--event-logsource", "os=linux"],
    /unknown logsource key 'os' \(expected product, service, category, or custom\.<name>\)/,
  ],
  [["eval", "-e", "{}", "--event-logsource", "custom.=x"], /unknown logsource key 'custom\.'/],
  [["eval", "-e", "{}", "--logsource-field-map", "product"], /expected key=value, got 'product'/],
];

for (const [args, message] of REFUSED) {
  test(`picket ${args.join(" ")} is refused`, async () => {
    const { code, err } = await picket(args);
    assert.equal(code, 3, err);
    assert.match(err, message);
  });
}

test("the logsource of events is stated, told by a field, or left open by a blank", async () => {
  using files = new TempFiles({
    "r.yml": "title: L\nlogsource: {product: linux}\n" +
      "detection: {selection: {a: x}, condition: selection}\n",
  });
  const fires = async (event: string, ...more: readonly string[]): Promise<boolean> => {
    const ran = await picket(["eval", "-r", files.path("r.yml"), "-e", event, ...more]);
    assert.equal(ran.code, 0, ran.err);
    return ran.out !== "";
  };
  const fields = ["--logsource-field-map", "product=os"];
  assert.equal(
    await fires('{"a":"x","os":"Windows"}'),
    true,
    "fields are not looked at by default",
  );
  assert.equal(await fires('{"a":"x","os":"Windows"}', ...fields), false);
  assert.equal(await fires('{"a":"x","os":" LINUX "}', ...fields), true);
  assert.equal(await fires('{"a":"x","os":"  "}', ...fields), true);
  assert.equal(await fires('{"a":"x"}', "--event-logsource", "product=Windows"), false);
  assert.equal(await fires('{"a":"x"}', "--event-logsource", "product= ,service="), true);
  const both = [...fields, "--event-logsource", "product=windows"];
  assert.equal(await fires('{"a":"x","os":"linux"}', ...both), true, "the field counts more");
});

test("config validate looks into the schema file", async () => {
  using files = new TempFiles({
    "picket.yaml": "schema: {routing: true, config: s.yml}\nsources: [stdin]\nsinks: [stdout]\n",
    "s.yml": "schemas:\n  - {name: n, match: [{}]}\n",
  });
  const bad = await picket(["config", "validate", "-c", files.path("picket.yaml")]);
  assert.equal(bad.code, 3);
  assert.match(bad.err, /s\.yml:2:1: schema\.config: schema 'n': a predicate has no condition/);
});
