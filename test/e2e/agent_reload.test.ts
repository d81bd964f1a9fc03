/**
 * Rules exchanged again and again while events pour in: no event skipped, none evaluated twice, and
 * a broken set changes nothing.
 *
 * `PICKET_RELOADS` sets how often; the rules are SigmaHQ's where they are at hand, else our own.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ReloadResult } from "../../src/admin/view.ts";
import { AgentProcess } from "../support/agent_process.ts";
import { CORPUS } from "../support/corpus.ts";
import { evilNumbers, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";
import { makeStream, storedAlerts, streamCount } from "../support/hub.ts";
import { NATS_SKIP, startNatsServer } from "../support/nats_server.ts";
import { scratch, skipWithoutExecutable } from "../support/picket.ts";

const RELOADS = Number(process.env["PICKET_RELOADS"] ?? 15);
const { skip } = skipWithoutExecutable();
const SIGMA = join(CORPUS, "sigma", "rules");
const OWN = fileURLToPath(new URL("../../rules", import.meta.url));

function otherRule(version: number): string {
  return `title: Other\nid: other\nlevel: low\nlogsource: {product: linux}\ndetection:\n` +
    `  selection: {CommandLine|contains: never${version}}\n  condition: selection\n`;
}

test(`${RELOADS} reloads under load, 1 in 5 broken: each event is evaluated once`, {
  skip: skip || NATS_SKIP,
}, async () => {
  using files = scratch();
  await using server = await startNatsServer();
  await makeStream(server.url, "ALERTS", "picket.alert.>");
  mkdirSync(files.file("rules"));
  cpSync(existsSync(SIGMA) ? SIGMA : OWN, files.file("rules/all"), { recursive: true });
  writeEvilRule(files.file("rules/evil.yml"));
  await using agent = await AgentProcess.start(files, {
    config: {
      rules: { paths: [files.file("rules")] },
      reload: { watch: false },
      sources: [{
        id: "app",
        type: "file",
        paths: [files.file("app.log")],
        format: "json",
        start_at: "start",
        logsource: { product: "linux", category: "process_creation" },
      }],
      sinks: [{
        id: "hub",
        type: "nats",
        nats: { servers: [server.url] },
        subject: "picket.alert.x",
        filter: { rules: ["Evil Command Line"] },
      }],
      state: { path: files.file("state/state.db") },
      api: {
        addr: "127.0.0.1:0",
        auth: { loopback: "trusted" },
        rate_limit: { requests_per_second: 1000, burst: 1000 },
      },
    },
  });
  await agent.url();

  let written = 0;
  const writer = setInterval(() => {
    const lines: string[] = [];
    for (const end = written + 50; written < end; written++) lines.push(logLine(written));
    appendFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
  }, 10);
  let longestWait = 0;
  const prober = probe(agent, (ms) => longestWait = Math.max(longestWait, ms));
  const pauses: number[] = [];
  let broken = 0;
  try {
    for (let reload = 0; reload < RELOADS; reload++) {
      const isBroken = reload % 5 === 3;
      writeFileSync(files.file("rules/other.yml"), otherRule(reload));
      if (isBroken) writeFileSync(files.file("rules/broken.yml"), "title: [");
      const { body } = await agent.api("/api/v1/reload?wait=1", { method: "POST" });
      const result = body as ReloadResult;
      assert.equal(result.ok, !isBroken, JSON.stringify(result).slice(0, 1000));
      if (isBroken) {
        broken++;
        assert.match(JSON.stringify(result.components), /broken\.yml/);
        rmSync(files.file("rules/broken.yml"));
      } else {
        assert.equal(result.rules.added_total + result.rules.changed_total, 1);
        const line = agent.log.findLast(({ fields }) => fields.message.includes("reloaded"));
        pauses.push(Number(line?.fields["pause_ms"]));
      }
    }
  } finally {
    clearInterval(writer);
    await prober.stop();
  }
  const expected = evilNumbers(written);
  await agent.until(
    async () => await streamCount(server.url, "ALERTS") >= expected.length || undefined,
    `${expected.length} alerts`,
    60_000,
  );
  const numbers = (await storedAlerts(server.url, "ALERTS")).map(({ body }) => numberOf(body));
  assert.deepEqual(numbers.sort((a, b) => a - b), expected);
  const { body } = await agent.api("/api/v1/status");
  assert.equal((body as { events_processed: number }).events_processed, written);
  assert.equal(await agent.end(), 0);
  console.log(
    `${RELOADS} reloads, ${broken} refused, ${written} events meanwhile; exchange of rules at most ` +
      `${Math.max(...pauses)} ms, slowest answer of the API ${longestWait.toFixed(0)} ms`,
  );
});

/** Asks the agent all the time how it is; the slowest answer tells of its longest pause. */
function probe(agent: AgentProcess, onAnswer: (ms: number) => void): { stop(): Promise<void> } {
  let isRunning = true;
  const running = (async () => {
    while (isRunning) {
      const startedAt = performance.now();
      await agent.api("/healthz");
      onAnswer(performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    async stop() {
      isRunning = false;
      await running;
    },
  };
}

test("a source that a reload replaces goes on with other numbers of its records", {
  skip,
}, async () => {
  using files = scratch();
  writeEvilRule(files.file("rule.yml"));
  const config = (filter: string) => ({
    rules: { paths: [files.file("rule.yml")] },
    reload: { watch: false },
    sources: (["http", "otlp"] as const).map((type) => ({
      id: type,
      type,
      filter: { jq: filter },
      logsource: { product: "linux", category: "process_creation" },
    })),
    sinks: [{ type: "file", path: files.file("out.ndjson") }],
    state: { path: files.file("state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  });
  await using agent = await AgentProcess.start(files, { config: config(".") });
  const post = async (path: string, body: string): Promise<void> => {
    const headers = { "content-type": "application/json" };
    const { status } = await agent.api(path, { method: "POST", headers, body });
    assert.equal(status, 200);
  };
  const send = async (name: string): Promise<void> => {
    const stringValue = `/tmp/evil otlp ${name}`;
    const values = [{ key: "CommandLine", value: { stringValue } }];
    const logRecords = [{ body: { kvlistValue: { values } } }];
    await post("/api/v1/events", JSON.stringify({ CommandLine: `/tmp/evil http ${name}` }));
    await post("/v1/logs", JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  };
  const expected: string[] = [];
  for (const [at, filter] of [".", "select(.)", ". "].entries()) {
    if (at > 0) {
      writeFileSync(files.file("picket.yaml"), JSON.stringify(config(filter)));
      const { body } = await agent.api("/api/v1/reload?wait=1", { method: "POST" });
      assert.equal((body as ReloadResult).ok, true);
    }
    await send(`after ${at} reloads`);
    expected.push(`http after ${at} reloads`, `otlp after ${at} reloads`);
  }
  assert.equal(await agent.end(), 0);
  const written = readFileSync(files.file("out.ndjson"), "utf8");
  assert.deepEqual(expected.filter((text) => !written.includes(text)), []);
});
