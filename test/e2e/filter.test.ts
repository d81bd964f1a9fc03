/**
 * Envelopes that the executable opens: as an agent that follows files, and what cannot be opened.
 */
import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { AgentProcess } from "../support/agent_process.ts";
import { picket, type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();

const RULE = `title: Trail stopped
id: 6b1f64a2-7c60-4d7e-9d3c-0f2f8f2c5a11
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: StopLogging}
  condition: selection
level: high
---
title: Shell in a pod
id: 0a6c7f3e-55c3-4f0e-8f51-6f8d1f5f8f10
status: test
logsource: {product: kubernetes, service: audit}
detection:
  selection: {objectRef.subresource: exec}
  condition: selection
level: medium
---
title: A text inside a text
id: 5c8e2a44-0c0e-4f5e-bb3f-0d8f6f7f2a10
status: test
logsource: {product: app}
detection:
  selection: {user.id: 12345678901234567890}
  condition: selection
level: low
`;

interface Alert {
  readonly rule_title: string;
  readonly alert_id: string;
  readonly source: { readonly id: string; readonly record_id: string };
}

function alerts(files: Scratch, run = "out"): readonly Alert[] {
  const path = files.file(`${run}.ndjson`);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Alert);
}

function fileSource(files: Scratch, id: string, logsource: object, more: object): object {
  return {
    id,
    type: "file",
    paths: [files.file(`${id}.log`)],
    format: "json",
    start_at: "start",
    logsource,
    ...more,
  };
}

function configOf(files: Scratch, run = "out"): Readonly<Record<string, unknown>> {
  return {
    rules: { paths: [files.file("rules.yml")] },
    sources: [
      fileSource(files, "trail", { product: "aws", service: "cloudtrail" }, {
        filter: { jq: '.Records[] | if .eventName == "Broken" then error("no event") else . end' },
      }),
      fileSource(files, "kube", { product: "kubernetes", service: "audit" }, {
        filter: { jsonpath: "$.items[*]" },
      }),
      fileSource(files, "docker", { product: "app" }, { filter: { jq: "(.log | fromjson)?" } }),
      fileSource(files, "array", { product: "kubernetes", service: "audit" }, {}),
    ],
    sinks: [{ id: "out", type: "file", path: files.file(`${run}.ndjson`) }],
    agent: { id: "edge-1" },
    state: { path: files.file(`state/${run}.db`) },
    dead_letters: { keep_parse_errors: true },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  };
}

const trail = (...names: readonly string[]): string =>
  JSON.stringify({ Records: names.map((eventName) => ({ eventName })) });
const pod = (subresource: string) => ({ verb: "create", objectRef: { subresource } });

test("the agent opens envelopes, and keeps lines that it could not open", { skip }, async () => {
  using files = scratch();
  mkdirSync(files.file("state"));
  writeFileSync(files.file("rules.yml"), RULE);
  const lines: Readonly<Record<string, readonly string[]>> = {
    trail: [
      trail("StopLogging", "Other", "StopLogging"),
      trail("Broken", "StopLogging"),
      '{"x":1}',
    ],
    kube: [
      JSON.stringify({ kind: "EventList", items: [pod("exec"), pod("log")] }),
      '{"kind":"None"}',
    ],
    docker: [
      JSON.stringify({ log: '{"user":{"id":12345678901234567890}}\n', stream: "stdout" }),
      JSON.stringify({ log: '{"user":{"id":12345678901234567891}}\n', stream: "stdout" }),
      JSON.stringify({ log: "started\n", stream: "stdout" }),
    ],
    array: [JSON.stringify([pod("exec"), pod("exec"), pod("log")])],
  };
  for (const [id, some] of Object.entries(lines)) {
    writeFileSync(files.file(`${id}.log`), `${some.join("\n")}\n`);
  }
  let before: readonly Alert[];
  {
    await using agent = await AgentProcess.start(files, { config: configOf(files) });
    await agent.message("Event filter: jsonpath '$.items[*]'");
    await agent.until(() => alerts(files).length >= 7 || undefined, "seven alerts");
    // A neighbour behind all that went wrong.
    appendFileSync(files.file("trail.log"), `${trail("StopLogging")}\n`);
    before = await agent.until(
      () => alerts(files).length >= 8 ? alerts(files) : undefined,
      "the alert behind the errors",
    );
    assert.equal(await agent.end(), 0);
  }
  const seen = before.map(({ source, rule_title }) => `${source.id}: ${rule_title}`).sort();
  assert.deepEqual(seen, [
    ...Array.from({ length: 2 }, () => "array: Shell in a pod"),
    "docker: A text inside a text",
    "kube: Shell in a pod",
    ...Array.from({ length: 4 }, () => "trail: Trail stopped"),
  ]);
  // Events of one line are one record and have identities of their own.
  assert.equal(new Set(before.map(({ alert_id }) => alert_id)).size, 8);
  const ofArray = before.filter(({ source }) => source.id === "array");
  assert.equal(new Set(ofArray.map(({ source }) => source.record_id)).size, 1);

  const config = files.file("picket.yaml");
  const listed = await picket(["dlq", "list", "-c", config, "--output-format", "ndjson"]);
  assert.equal(listed.code, 0, listed.stderr);
  const letters = listed.stdout.trim().split("\n").map((line) => JSON.parse(line))
    .map(({ stage, error, original_event: original }) => ({ stage, error, original }));
  assert.deepEqual(letters, [
    {
      stage: "parse",
      error: "jq runtime error: no event",
      original: trail("Broken", "StopLogging"),
    },
    {
      stage: "parse",
      error: "jq runtime error: Cannot iterate over null",
      original: '{"x":1}',
    },
  ]);

  // Read again from the start, by an agent that has forgotten where it was, it gives the same alerts.
  const other = configOf(files, "again");
  await using agent = await AgentProcess.start(files, { config: other });
  const again = await agent.until(
    () => alerts(files, "again").length >= 8 ? alerts(files, "again") : undefined,
    "the same alerts",
  );
  const ids = (some: readonly Alert[]) => some.map(({ alert_id }) => alert_id).sort();
  assert.deepEqual(ids(again), ids(before));
});

test("a filter that cannot be compiled is a mistake in the configuration", { skip }, async () => {
  using files = scratch();
  writeFileSync(
    files.file("picket.yaml"),
    "sources:\n  - type: stdin\n    filter:\n      jq: .Records[\nsinks: [stdout]\n",
  );
  const { code, stderr } = await picket(["config", "validate", "-c", files.file("picket.yaml")]);
  assert.notEqual(code, 0);
  assert.match(
    stderr,
    /picket\.yaml:4:11: sources\[0\]\.filter\.jq: Invalid jq filter '\.Records\[': unexpected the end, expected a filter at character 10/,
  );
});
