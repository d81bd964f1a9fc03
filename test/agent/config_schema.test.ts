import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { configJsonSchema } from "../../src/agent/config/json_schema.ts";
import { configSchema } from "../../src/agent/config/schema.ts";
import { configTemplate } from "../../src/agent/config/template.ts";
import { loadText, TempFiles } from "../support/config.ts";
import { schemaErrors } from "../support/json_schema.ts";

const SCHEMA = configJsonSchema();
const PLATFORMS = ["linux", "win32", "darwin"];

/** The template with every example in force. */
function uncommented(platform: string): string {
  return configTemplate(platform).split("\n").slice(1)
    .map((line) => line.replace(/^# /, "")).join("\n");
}

for (const platform of PLATFORMS) {
  test(`the template for ${platform} is valid, and with every example in force, too`, () => {
    using temp = new TempFiles();
    const template = configTemplate(platform);
    assert.match(template, /^# yaml-language-server: \$schema=\S+\n/);
    for (const text of [template, uncommented(platform)]) {
      const loaded = loadText(text, temp.directory);
      assert.deepEqual(loaded.warnings, []);
      assert.ok(loaded.config.sources.length > 0 && loaded.config.sinks.length > 0);
      assert.deepEqual(schemaErrors(SCHEMA, parse(text)), []);
    }
  });
}

test("the template has every section, and its examples show the defaults", () => {
  const template = uncommented("linux");
  const sections = Object.keys(parse(template) as object);
  assert.deepEqual(sections.toSorted(), Object.keys(configSchema.shape).toSorted());
  using temp = new TempFiles();
  const defaults = loadText("", temp.directory).effective;
  const examples = loadText(template, temp.directory).effective;
  for (const section of ["outbox", "egress", "reload", "output", "limits", "stop", "tap", "tail"]) {
    const key = section as "outbox";
    assert.deepEqual(examples[key], defaults[key], section);
  }
});

// What an editor must mark: text, where.
const TYPOS: readonly (readonly [text: string, error: string])[] = [
  ["outbx: {}", "/outbx unknown"],
  ["api: {adr: x}", "/api/adr unknown"],
  ["stop: {commit: 5}", "/stop/commit type"],
  ["stop: {commit: 5x}", "/stop/commit pattern"],
  ["log: {level: wran}", "/log/level enum"],
  ["limits: {batch_size: 0}", "/limits/batch_size minimum"],
  ["version: 2", "/version const"],
  ["sinks: [{type: stdout, pretti: true}]", "/sinks/0 anyOf"],
  ["sinks: [{type: http}]", "/sinks/0 anyOf"],
  ["sources: [{type: fil}]", "/sources/0 anyOf"],
  ["nats: {auth: {password: x}}", "/nats/auth/password unknown"],
  ["daemon: {engine: {match_detial: full}}", "/daemon/engine/match_detial unknown"],
];
for (const [text, error] of TYPOS) {
  test(`the JSON Schema refuses ${text}`, () => {
    assert.deepEqual(schemaErrors(SCHEMA, parse(text)), [error]);
  });
}

test("the JSON Schema accepts texts for sources and sinks, and rsigma's section", () => {
  const text = "sources: [stdin]\nsinks: ['nats://h/a', {type: stdout}]\n" +
    "daemon: {rules: r, correlation: {suppress: 5m}}\nhygiene: {a: 1}\n";
  assert.deepEqual(schemaErrors(SCHEMA, parse(text)), []);
});

test("the JSON Schema says which draft it is and describes keys", () => {
  assert.equal(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
  const { properties } = SCHEMA as {
    readonly properties: Record<string, { description?: string }>;
  };
  assert.match(properties["sources"]?.description ?? "", /events/);
});

test("docs/configuration.md names every key", () => {
  const file = fileURLToPath(new URL("../../docs/configuration.md", import.meta.url));
  assert.ok(existsSync(file));
  const text = readFileSync(file, "utf8");
  const keys = new Set<string>();
  // rsigma's sections are documented as a whole.
  JSON.stringify(z.toJSONSchema(configSchema, { io: "input" }), (key, value) => {
    if (key === "properties") { for (const name of Object.keys(value)) keys.add(name); }
    return value;
  });
  const missing = [...keys].filter((key) => !new RegExp(`\\b${key}\\b`).test(text));
  assert.deepEqual(missing, []);
});
