/**
 * Signals and failures at bad moments: before the agent is ready, and while it stops.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { AgentProcess, type AgentSettings } from "../support/agent_process.ts";
import { writeEvilRule } from "../support/log_lines.ts";
import { type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
const noSignals = skip ||
  (process.platform === "win32" ? "skipped: Windows has no signals" : false);

function settings(
  files: Scratch,
  more: Readonly<Record<string, unknown>> = {},
): AgentSettings & { readonly config: Readonly<Record<string, unknown>> } {
  mkdirSync(files.file("rules"), { recursive: true });
  writeEvilRule(files.file("rules/evil.yml"));
  return {
    config: {
      rules: { paths: [files.file("rules")] },
      sources: [{ id: "app", type: "file", paths: [files.file("app.log")], format: "json" }],
      sinks: [{ id: "out", type: "file", path: files.file("out.ndjson") }],
      state: { path: files.file("state/state.db") },
      api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
      ...more,
    },
  };
}

/** So many rules that loading them takes a while. */
function writeManyRules(files: Scratch): void {
  for (let file = 0; file < 40; file++) {
    const rules = Array.from(
      { length: 50 },
      (_, at) =>
        `title: Rule ${file}-${at}\nlogsource: {product: linux}\ndetection:\n` +
        `  selection: {CommandLine|contains: [a${file}b${at}, c${at}d${file}]}\n` +
        `  condition: selection\n`,
    );
    writeFileSync(files.file(`rules/many${file}.yml`), rules.join("---\n"));
  }
}

test("SIGHUP while rules are being loaded does not end the agent, and reloads afterwards", {
  skip: noSignals,
}, async () => {
  using files = scratch();
  const options = settings(files);
  writeManyRules(files);
  await using agent = AgentProcess.spawn(files, options);
  await agent.url();
  agent.child.kill("SIGHUP");
  await agent.message("Rules loaded", 30_000);
  const { fields } = await agent.message("Rules and pipelines reloaded");
  assert.equal(fields["trigger"], "signal");
  assert.equal(await agent.end(), 0);
  const said = agent.log.map((line) => line.fields.message);
  assert.deepEqual(said.slice(-2), ["Shutdown signal received", "Streaming pipeline complete"]);
});

test("SIGTERM while rules are being loaded ends the agent at once and cleanly", {
  skip: noSignals,
}, async () => {
  using files = scratch();
  const options = settings(files);
  writeManyRules(files);
  await using agent = AgentProcess.spawn(files, options);
  await agent.url();
  assert.equal(await agent.end(), 0);
  assert.equal(agent.log.find(({ fields }) => fields.message === "Rules loaded"), undefined);
  assert.deepEqual(agent.noise, []);
});

test("an address that is taken is exit code 4, a broken webhook file 3", { skip }, async () => {
  using files = scratch();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", () => resolve()));
  try {
    const { port } = other.address() as { port: number };
    await using agent = AgentProcess.spawn(
      files,
      settings(files, { api: { addr: `127.0.0.1:${port}` } }),
    );
    assert.equal(await agent.exited, 4);
    assert.match(agent.noise.join("\n"), /cannot listen at .*ADMIN_BIND/);
  } finally {
    other.close();
  }
  writeFileSync(files.file("hooks.yml"), "webhooks: [{id: x}]");
  await using agent = AgentProcess.spawn(
    files,
    settings(files, { webhooks: [files.file("hooks.yml")] }),
  );
  assert.equal(await agent.exited, 3);
  assert.match(agent.noise.join("\n"), /hooks\.yml/);
});

test("pausing the only input does not end the agent", { skip }, async () => {
  using files = scratch();
  writeFileSync(files.file("app.log"), "");
  await using agent = await AgentProcess.start(files, settings(files));
  await agent.api("/api/v1/inputs/app/pause", { method: "POST" });
  await agent.until(
    async () =>
      JSON.stringify((await agent.api("/api/v1/inputs")).body).includes('"state":"paused"'),
    "the pause",
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { body } = await agent.api("/api/v1/inputs/app/resume", { method: "POST" });
  assert.match(JSON.stringify(body), /"state":"(?:running|starting|waiting)"/);
  assert.equal(await agent.end(), 0);
});
