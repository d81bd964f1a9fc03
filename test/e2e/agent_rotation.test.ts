/**
 * Lines written at full speed into a log that is rotated all the time: each alert once in JetStream.
 */
import assert from "node:assert/strict";
import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { AgentProcess } from "../support/agent_process.ts";
import { makeStream, storedAlerts, streamCount } from "../support/hub.ts";
import { evilNumbers, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";
import { NATS_SKIP, startNatsServer } from "../support/nats_server.ts";
import { hitsOf, picket, scratch, skipWithoutExecutable } from "../support/picket.ts";

const LINES = Number(process.env["PICKET_LINES"] ?? 200_000);
const ROTATE_MS = 250;
const { skip } = skipWithoutExecutable();

test("rotation at full speed: the stream holds what an offline scan finds, each once", {
  skip: skip || NATS_SKIP,
}, async () => {
  using files = scratch();
  await using server = await startNatsServer();
  await makeStream(server.url, "ALERTS", "picket.alert.>");
  writeEvilRule(files.file("rule.yml"));
  await using agent = await AgentProcess.start(files, {
    config: {
      rules: { paths: [files.file("rule.yml")] },
      sources: [{
        id: "app",
        type: "file",
        paths: [files.file("app.log")],
        format: "json",
        start_at: "start",
      }],
      sinks: [{
        id: "hub",
        type: "nats",
        nats: { servers: [server.url] },
        subject: "picket.alert.${alert.level}",
      }],
      state: { path: files.file("state/state.db") },
      api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
    },
  });

  const startedAt = performance.now();
  const written = await writeRotating(files.file("app.log"), LINES);
  const writeSeconds = (performance.now() - startedAt) / 1000;
  const expected = evilNumbers(LINES);
  await agent.until(
    async () => await streamCount(server.url, "ALERTS") >= expected.length || undefined,
    `${expected.length} alerts`,
    120_000,
  );
  const seconds = (performance.now() - startedAt) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 1000)); // What should not come has had time to.

  const stored = await storedAlerts(server.url, "ALERTS");
  const numbers = stored.map(({ body }) => numberOf(body)).sort((a, b) => a - b);
  assert.deepEqual(numbers, expected);
  assert.equal(new Set(stored.map(({ msgId }) => msgId)).size, expected.length);

  const scan = await picket([
    ...["scan", "--rules", files.file("rule.yml"), "--logsource", "product=linux"],
    ...["--output-format", "ndjson", ...written],
  ], { timeoutMs: 120_000 });
  const scanned = hitsOf(scan.stdout).map(numberOf).sort((a, b) => a - b);
  assert.deepEqual(numbers, scanned, "the same as an offline scan of the files");
  assert.equal(await agent.end(), 0);
  console.log(
    `${LINES} lines, ${written.length} files, written in ${writeSeconds.toFixed(1)} s, ` +
      `all alerts in JetStream after ${seconds.toFixed(1)} s`,
  );
});

/** Writes `count` lines, in blocks, renaming the file every `ROTATE_MS`; returns all its files. */
async function writeRotating(path: string, count: number): Promise<string[]> {
  const rotated: string[] = [];
  let descriptor = openSync(path, "a");
  let rotateAt = performance.now() + ROTATE_MS;
  for (let number = 0; number < count;) {
    const lines: string[] = [];
    for (const end = Math.min(count, number + 500); number < end; number++) {
      lines.push(logLine(number));
    }
    writeSync(descriptor, `${lines.join("\n")}\n`);
    // As fast as the agent can be expected to be, not faster: this is one machine.
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (performance.now() < rotateAt) continue;
    closeSync(descriptor);
    const name = `${path}.${rotated.length + 1}`;
    renameSync(path, name);
    rotated.push(name);
    descriptor = openSync(path, "a");
    rotateAt = performance.now() + ROTATE_MS;
  }
  closeSync(descriptor);
  return [...rotated, path];
}
