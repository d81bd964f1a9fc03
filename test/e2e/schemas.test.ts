/**
 * Schemas from the outside: `classify`, routing in `eval` and `scan`, observers of a running agent.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AgentProcess, followingConfig } from "../support/agent_process.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";
import { picket, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const UNKNOWN_TOLD = "Some events are of no known schema; all rules look at them";

const RULES = `title: Windows shell
id: win
logsource: {product: windows}
detection: {selection: {CommandLine|contains: evil}, condition: selection}
---
title: Linux shell
id: lin
logsource: {product: linux}
detection: {selection: {CommandLine|contains: evil}, condition: selection}
`;

/** ECS of Windows and of Linux, Sysmon, something, and nothing. */
const EVENTS = [
  { ecs: { version: "8" }, os: { type: "windows" }, CommandLine: "evil 1" },
  { ecs: { version: "8" }, os: { type: "linux" }, CommandLine: "evil 2" },
  { Channel: "Microsoft-Windows-Sysmon/Operational", EventID: 1, CommandLine: "evil 3" },
  { CommandLine: "evil 4" },
  {},
].map((event) => `${JSON.stringify(event)}\n`).join("");

test("classify names schemas, explains them and sums up", { skip }, async () => {
  const table = await picket(["classify", "--output-format", "json"], { stdin: utf8(EVENTS) });
  assert.equal(table.code, 0, table.stderr);
  const { summary, events } = JSON.parse(table.stdout);
  assert.deepEqual(summary, {
    total_events: 5,
    classified: 4,
    unknown: 1,
    ambiguous: 0,
    parse_errors: 0,
    by_schema: { ecs_linux: 1, ecs_windows: 1, generic_json: 1, sysmon: 1 },
  });
  assert.deepEqual(events[4], { index: 4, schema: null, specificity: null });
  const one = await picket([
    "classify",
    "-e",
    '{"class_uid":1,"metadata":{"version":"1"}}',
    "--explain",
  ]);
  assert.equal(one.code, 0, one.stderr);
  assert.deepEqual(JSON.parse(one.stdout), {
    index: 0,
    schema: "ocsf",
    specificity: 95,
    explanation: {
      schema: "ocsf",
      specificity: 95,
      predicates: [
        { predicate: "field_present(class_uid)", matched: true },
        { predicate: "field_present(metadata.version)", matched: true },
      ],
    },
  });
  assert.equal(one.stderr.trim(), "1 event: 1 ocsf");
  assert.equal((await picket(["classify", "-e", "{"])).code, 2);
});

test("classify --suggest writes a schema file that classify --check and classify take", {
  skip,
}, async () => {
  using files = scratch();
  const doors = Array.from({ length: 5 }, (_, at) => `{"badge":${at},"door":"D${at}"}\n`).join("");
  const proposed = await picket(["classify", "--suggest", "--emit", "yaml"], {
    stdin: utf8(doors),
  });
  assert.equal(proposed.code, 0, proposed.stderr);
  assert.match(proposed.stderr, /5 events not recognised, in 1 shape: 1 proposal/);
  writeFileSync(files.file("s.yml"), proposed.stdout);
  const config = ["--schema-config", files.file("s.yml")];
  const checked = await picket(["classify", "--check", ...config]);
  assert.equal(checked.code, 0, checked.stderr);
  const used = await picket(["classify", "-e", '{"badge":1,"door":"x"}', ...config]);
  assert.deepEqual(JSON.parse(used.stdout), {
    index: 0,
    schema: "discovered_badge",
    specificity: 60,
    route: { action: "evaluate", pipelines: [], unknown: false },
  });
  writeFileSync(files.file("s.yml"), "schemas:\n  - {name: n, match: [{}]}\n");
  const broken = await picket(["classify", "--check", ...config]);
  assert.equal(broken.code, 3);
  assert.match(broken.stdout, /s\.yml:2: schema 'n': a predicate has no condition/);
  assert.equal((await picket(["classify", "-e", "{}", ...config])).code, 3);
  assert.equal((await picket(["classify", "--check"])).code, 3);
});

test("eval and scan evaluate what a schema tells, and drop what has none", { skip }, async () => {
  using files = scratch();
  mkdirSync(files.path, { recursive: true });
  writeFileSync(files.file("rules.yml"), RULES);
  writeFileSync(files.file("events.ndjson"), EVENTS);
  const rules = ["-r", files.file("rules.yml")];
  const titles = (ndjson: string): string[] =>
    ndjson.split("\n").filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { rule_title: string }).rule_title);
  const routed = ["Windows shell", "Linux shell", "Windows shell", "Linux shell", "Windows shell"];
  for (
    const args of [
      ["eval", ...rules, "-e", `@${files.file("events.ndjson")}`],
      ["scan", ...rules, files.file("events.ndjson")],
    ]
  ) {
    const plain = await picket([...args, "--output-format", "ndjson"]);
    assert.equal(plain.code, 0, plain.stderr);
    assert.equal(titles(plain.stdout).length, 7, args[0]!);
    const with_ = await picket([...args, "--output-format", "ndjson", "--schema-routing"]);
    assert.equal(with_.code, 0, with_.stderr);
    assert.deepEqual(titles(with_.stdout).sort(), routed.toSorted(), args[0]!);
    assert.match(with_.stderr, /no schema is bound/);
    const none = await picket([...args, "--schema-routing", "--on-unknown", "drop"]);
    assert.match(none.stderr, /1 (?:of )?unknown schema, 1 dropped/, args[0]!);
    const field = await picket([
      ...args,
      "--observe-fields",
      "--observe-fields-report",
      files.file("fields.json"),
    ]);
    assert.equal(field.code, 0, field.stderr);
    const report = JSON.parse(readFileSync(files.file("fields.json"), "utf8"));
    assert.equal(report.summary.events_observed, 5, args[0]!);
    assert.deepEqual(report.missing, []);
    assert.deepEqual(report.unknown[0], { field: "ecs.version", count: 2 });
    assert.equal((await picket([...args, "--on-unknown", "drop"])).code, 3);
    assert.equal((await picket([...args, "--event-logsource", "os=linux"])).code, 3);
  }
  const pipelines = "routing: {bindings: [{schema: ecs, pipelines: [ecs_windows]}]}";
  writeFileSync(files.file("s.yml"), pipelines);
  const refused = await picket([
    "eval",
    ...rules,
    "-e",
    "{}",
    "--schema-config",
    files.file("s.yml"),
  ]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /pipelines are not available in this version/);
});

test("an agent counts schemas and fields and reads its schema file again", { skip }, async () => {
  using files = scratch();
  mkdirSync(files.file("rules"), { recursive: true });
  writeFileSync(files.file("rules/r.yml"), RULES);
  writeFileSync(files.file("s.yml"), "schemas: [{name: doors, match: [{field_present: badge}]}]\n");
  const base = followingConfig(files, {
    schema: { discover: true, routing: true, on_unknown: "error", config: files.file("s.yml") },
    observe_fields: { enabled: true },
    dead_letters: { keep_parse_errors: true },
    sources: [{
      id: "app",
      type: "file",
      paths: [files.file("app.log")],
      format: "json",
      start_at: "start",
    }],
  });
  writeFileSync(files.file("app.log"), EVENTS + '{"badge":1}\n');
  await using agent = await AgentProcess.start(files, { config: base });
  interface Schemas {
    readonly summary: { readonly events_observed: number; readonly unknown: number };
    readonly by_schema: readonly { readonly schema: string; readonly count: number }[];
    readonly routing_pruning: readonly unknown[];
  }
  const schemas = async (): Promise<Schemas> =>
    (await agent.api("/api/v1/schemas")).body as Schemas;
  const seen = async (count: number): Promise<Schemas> =>
    await agent.until(async () => {
      const now = await schemas();
      return now.summary.events_observed >= count ? now : undefined;
    }, `${count} events`);
  const first = await seen(6);
  assert.deepEqual(first.by_schema.map(({ schema }) => schema), [
    "doors",
    "ecs_linux",
    "ecs_windows",
    "generic_json",
    "sysmon",
  ]);
  assert.equal(first.summary.unknown, 1);
  assert.deepEqual(first.routing_pruning[2], { schema: "ecs_windows", eligible: 1, pruned: 1 });
  const alerts = await agent.until(() => {
    if (!existsSync(files.file("out.ndjson"))) return undefined;
    const lines = readFileSync(files.file("out.ndjson"), "utf8").trim().split("\n");
    return lines.length >= 5 ? lines : undefined;
  }, "5 alerts");
  assert.equal(alerts.length, 5, "each schema met the rules for its product");
  assert.equal(agent.log.some(({ fields }) => fields.message === UNKNOWN_TOLD), false);
  const status = (await agent.api("/api/v1/status")).body as { readonly parse_errors: number };
  assert.equal(status.parse_errors, 1, "an event of no schema is an error here");

  interface Fields {
    readonly summary: { readonly events_observed: number };
    readonly unknown: { readonly items: readonly { readonly field: string }[] };
    readonly missing: { readonly total: number };
  }
  const fields = (await agent.api("/api/v1/fields?limit=3")).body as Fields;
  assert.equal(fields.summary.events_observed, 6);
  assert.equal(fields.unknown.items[0]!.field, "ecs.version");
  assert.equal(fields.missing.total, 0);

  assert.deepEqual((await agent.api("/api/v1/schemas", { method: "DELETE" })).body, {
    status: "reset",
    previous_classified: 5,
    previous_unknown: 1,
  });
  appendFileSync(files.file("app.log"), '{"badge":2}\n');
  await seen(1);
  const metrics = async (): Promise<string> =>
    await (await fetch(`${await agent.url()}/metrics`)).text();
  assert.match(await metrics(), /picket_events_by_schema_total\{schema="doors"\} 2\n/);
  assert.match(await metrics(), /picket_events_refused_by_schema_total\{action="error"\} 1\n/);

  // A broken file changes nothing and is told of; a good one is in force after a reload.
  const reload = async () =>
    (await agent.api("/api/v1/reload?wait=1", { method: "POST" })).body as {
      readonly ok: boolean;
      readonly components: readonly { readonly message?: string }[];
    };
  writeFileSync(files.file("s.yml"), "schemas: [{name: doors, match: [{}]}]\n");
  const broken = await reload();
  assert.equal(broken.ok, false);
  assert.match(broken.components[0]!.message ?? "", /s\.yml:1:1: schema\.config: schema 'doors'/);
  appendFileSync(files.file("app.log"), '{"badge":3}\n');
  assert.deepEqual((await seen(2)).by_schema, [{ schema: "doors", count: 2 }]);
  writeFileSync(files.file("s.yml"), "schemas: [{name: gates, match: [{field_present: badge}]}]\n");
  assert.equal((await reload()).ok, true);
  appendFileSync(files.file("app.log"), '{"badge":4}\n');
  assert.deepEqual((await seen(3)).by_schema, [
    { schema: "doors", count: 2 },
    { schema: "gates", count: 1 },
  ]);
  assert.equal(await agent.end(), 0);
});

test("an agent says once that events are of no schema, unless it is told not to care", {
  skip,
}, async () => {
  using files = scratch();
  mkdirSync(files.file("rules"), { recursive: true });
  writeFileSync(files.file("rules/r.yml"), RULES);
  writeFileSync(files.file("app.log"), "{}\n{}\n");
  const config = followingConfig(files, { schema: { routing: true } });
  await using agent = await AgentProcess.start(files, { config });
  const told = await agent.message(UNKNOWN_TOLD);
  assert.ok(Number(told.fields["events"]) >= 1);
  appendFileSync(files.file("app.log"), "{}\n{}\n");
  await agent.until(async () => {
    const { body } = await agent.api("/api/v1/status");
    return (body as { readonly events_processed: number }).events_processed === 4 || undefined;
  }, "4 events");
  assert.equal(agent.log.filter(({ fields }) => fields.message === UNKNOWN_TOLD).length, 1);
});

test("an agent with a schema file that cannot be used does not start", { skip }, async () => {
  using files = scratch();
  mkdirSync(files.file("rules"), { recursive: true });
  writeFileSync(files.file("rules/r.yml"), RULES);
  writeFileSync(files.file("s.yml"), "schemas:\n  - {name: n, match: [{any: []}]}\n");
  const config = followingConfig(files, { schema: { routing: true, config: files.file("s.yml") } });
  await using agent = AgentProcess.spawn(files, { config });
  assert.equal(await agent.exited, 3);
  const told = [...agent.noise, ...agent.log.map((line) => JSON.stringify(line))].join("\n");
  assert.match(told, /s\.yml:2:1: schema\.config: schema 'n': 'any' needs at least one/);
});

test("no event of Windows in the corpus is unknown", {
  skip: skip || skipWithoutCorpus().skip,
}, async () => {
  const ndjson = join(CORPUS, "ndjson");
  const evtx = join(CORPUS, "evtx", "attack");
  const some = readdirSync(evtx, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".evtx")).sort().filter((_, at) => at % 25 === 0);
  const inputs = [
    ...readdirSync(ndjson).sort().slice(-2).map((name) => join(ndjson, name)),
    ...some.map((name) => join(evtx, name)),
  ];
  assert.ok(inputs.length > 3);
  for (const input of inputs) {
    const ran = await picket(["classify", "-e", `@${input}`, "--output-format", "json"]);
    assert.equal(ran.code, 0, ran.stderr);
    const { summary } = JSON.parse(ran.stdout) as {
      readonly summary: { readonly by_schema: Readonly<Record<string, number>> };
    };
    const { sysmon = 0, windows_eventlog: other = 0, ...rest } = summary.by_schema;
    assert.deepEqual(rest, {}, input);
    assert.ok(sysmon + other > 0, input);
  }
});
