/**
 * Picket as a dependency: what importing it does, which names it has, and whether programs that use
 * it type-check.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as picket from "../../mod.ts";
import { docExamples, Project } from "../support/doc_examples.ts";
import { run } from "../support/picket.ts";

const PAGE = fileURLToPath(new URL("../../docs/library.md", import.meta.url));
const IS_DENO = "Deno" in globalThis;

/** The names that programs can rely on, values first; types vanish when a program runs. */
const VALUES = [
  "RuntimeEngine",
  "LogProcessor",
  "StdoutSink",
  "FileSink",
  "UnixSink",
  "stdinSource",
  "fileSource",
  "evtxSource",
  "journaldSource",
  "httpSource",
  "unixSource",
  "natsSource",
  "natsSink",
  "httpSink",
  "otlpSource",
  "otlpSink",
  "compileFilter",
  "visitEvents",
  "parseTimestamp",
  "parseTimeZone",
  "SchemaClassifier",
  "FieldObserver",
  "NatsConnections",
  "spawnSource",
  "noopMetrics",
  "parseLine",
  "EvtxFileReader",
  "openState",
  "startDrain",
  "alertId",
  "AlertBuilder",
  "loadConfig",
  "startAgent",
  "compileRuleSet",
  "openRuleSet",
  "loadRules",
  "RuleEngine",
  "decodeJson",
  "jsonText",
  "PicketError",
  "RuntimeError",
  "SourceError",
  "DeliveryError",
  "StateError",
  "DecodeError",
  "EvtxError",
  "BundleError",
  "RegexError",
  "ConfigError",
  "HttpError",
  "FilterError",
  "OtlpError",
  "SchemaError",
  "TimeZoneError",
] as const satisfies readonly (keyof typeof picket)[];

const TYPES = [
  "EventSource",
  "Sink",
  "StdinSource",
  "StdoutSink",
  "FileSink",
  "NatsSource",
  "NatsSink",
  "HttpSink",
  "EventFilter",
  "MetricsHook",
  "RuntimeEngineOptions",
  "LoadStats",
  "BatchResult",
  "DetectionResult",
  "LogEvent",
  "EventBatch",
  "RawEvent",
  "Alert",
  "Outbox",
  "StateStore",
  "SinkDrain",
  "FileSourceSettings",
  "HttpSinkSettings",
  "NatsSettings",
  "AgentConfig",
] as const;

for (const name of VALUES) {
  test(`mod.ts has ${name}`, () => assert.notEqual(picket[name], undefined));
}

test("errors of the library say their code", () => {
  const { PicketError, ...rest } = picket;
  const errors = Object.entries(rest).filter(([name]) => name.endsWith("Error"));
  assert.equal(errors.length, 14);
  for (const [name, made] of errors) {
    assert.ok((made as { prototype?: unknown }).prototype instanceof PicketError, name);
  }
});

/** Tells on everything that a module does by itself; ends by itself only if nothing is left behind. */
const WATCHED = `
  import process from "node:process";
  import fs from "node:fs";
  const seen = [];
  const watch = (object, names) => {
    for (const name of names) {
      const before = object[name];
      object[name] = (...args) => { seen.push(name); return before.apply(object, args); };
    }
  };
  watch(globalThis, ["setTimeout", "setInterval", "fetch"]);
  watch(fs, ["openSync", "readFileSync", "writeFileSync", "mkdirSync", "watch"]);
  const env = process.env;
  process.env = new Proxy(env, { get(target, name) { seen.push("env " + String(name)); return target[name]; } });
  await import("picket");
  // Bun's own node:http asks for these.
  console.log(JSON.stringify(seen.filter((one) => !one.startsWith("env NODE_"))));
`;

test("importing Picket does nothing", async () => {
  using project = new Project();
  project.write("watched.mjs", WATCHED);
  project.write("import.ts", 'import "picket";\n');
  // Deno without any permission throws at the first file, variable and socket.
  const command = IS_DENO
    ? [process.execPath, "run", "--no-prompt", "--no-check", "import.ts"]
    : [process.execPath, "watched.mjs"];
  const { code, stdout, stderr } = await run(command, { cwd: project.path });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, IS_DENO ? "" : "[]\n");
});

if (IS_DENO) {
  test("programs that use Picket type-check", async () => {
    using project = new Project();
    const examples = docExamples(readFileSync(PAGE, "utf8"));
    const names = examples.map(({ line, code }) => {
      project.write(`line_${line}.ts`, code);
      return `line_${line}.ts`;
    });
    project.write("types.ts", `import type { ${TYPES.join(", ")} } from "picket";\n`);
    const { code, stderr } = await run([process.execPath, "check", "types.ts", ...names], {
      cwd: project.path,
    });
    assert.equal(code, 0, stderr);
  });
}
