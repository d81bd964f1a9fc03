/**
 * `kill -9` of the agent and of nats-server while alerts flow: none lost, none twice.
 *
 * `PICKET_KILLS` sets how often the agent is killed; 1,000 is the figure of a long run.
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { openState } from "../../src/store/open_state.ts";
import { AgentProcess } from "../support/agent_process.ts";
import { makeStream, storedAlerts, streamCount } from "../support/hub.ts";
import { isEvil, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";
import { NATS_SKIP, startNatsServer } from "../support/nats_server.ts";
import { scratch, skipWithoutExecutable } from "../support/picket.ts";

const KILLS = Number(process.env["PICKET_KILLS"] ?? 20);
const SERVER_KILLS = Math.min(KILLS, Math.max(5, Math.floor(KILLS / 20)));
/** An agent lives between these, in milliseconds after it began to work. */
const SHORTEST_LIFE = 20;
const LONGEST_LIFE = 900;
const { skip } = skipWithoutExecutable();

test(`${KILLS} kills of the agent and ${SERVER_KILLS} of nats-server: each alert once`, {
  skip: skip || NATS_SKIP,
}, async () => {
  using files = scratch();
  await using server = await startNatsServer();
  await makeStream(server.url, "ALERTS", "picket.alert.>");
  writeEvilRule(files.file("rule.yml"));
  const settings = {
    config: {
      rules: { paths: [files.file("rule.yml")] },
      sources: [{
        id: "app",
        type: "file",
        paths: [files.file("app.log")],
        format: "json",
        start_at: "start",
      }],
      sinks: [
        {
          id: "hub",
          type: "nats",
          nats: { servers: [server.url], reconnect: { wait: "100ms", max_wait: "500ms" } },
          subject: "picket.alert.${alert.level}",
          backoff_base: "50ms",
          backoff_max: "500ms",
        },
        { id: "copy", type: "file", path: files.file("alerts.ndjson") },
      ],
      state: { path: files.file("state/state.db") },
      api: { enabled: false },
    },
  };

  await using writer = startWriter(files.file("app.log"));
  const random = seeded(Number(process.env["PICKET_SEED"] ?? 1));
  let serverKills = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await using agent = AgentProcess.spawn(files, settings);
    // Some die while they start.
    if (random() > 0.1) await agent.message("Event source started", 30_000);
    await sleep(SHORTEST_LIFE + random() * (LONGEST_LIFE - SHORTEST_LIFE));
    if (serverKills < SERVER_KILLS && random() < SERVER_KILLS / KILLS + 0.1) {
      serverKills++;
      await server.kill();
      await sleep(random() * 300);
      await agent.end("SIGKILL");
      await server.start();
    }
    assert.equal(await agent.end("SIGKILL"), "SIGKILL");
  }
  const written = await writer.stop();
  const expected = Array.from({ length: written }, (_, number) => number).filter(isEvil);

  await using agent = await AgentProcess.start(files, settings);
  await agent.until(
    async () => await streamCount(server.url, "ALERTS") >= expected.length || undefined,
    `${expected.length} alerts in the stream`,
    60_000,
  );
  await sleep(500);
  assert.equal(await agent.end(), 0);

  const stored = await storedAlerts(server.url, "ALERTS");
  const gaps = stored.filter(({ body }) => body["kind"] === "gap").map(({ body }) => body);
  assert.deepEqual(gaps, [], "a kill is no damage, and nothing was lost");
  const numbers = stored.map(({ body }) => numberOf(body)).sort((a, b) => a - b);
  assert.deepEqual(numbers, expected, "in JetStream each alert once");
  const copies = readFileSync(files.file("alerts.ndjson"), "utf8").trimEnd().split("\n")
    .map((line) => numberOf(JSON.parse(line) as Parameters<typeof numberOf>[0]));
  assert.deepEqual(copies.sort((a, b) => a - b), expected, "in the file each alert once");
  using state = openState(files.file("state/state.db"), { access: "read" });
  assert.equal(state.stats().waiting, 0, "nothing is left in the outbox");
  assert.equal(serverKills >= Math.min(5, SERVER_KILLS), true);
  console.log(
    `${KILLS} kills of the agent, ${serverKills} of nats-server, ${written} lines, ` +
      `${expected.length} alerts: 0 lost, 0 doubled; ${state.stats().duplicates} made again and ` +
      `recognised`,
  );
});

/** Writes lines at some 10,000 a second and rotates every two seconds or so, until stopped. */
function startWriter(path: string): AsyncDisposable & { stop(): Promise<number> } {
  let number = 0;
  let rotations = 0;
  let descriptor = openSync(path, "a");
  const timer = setInterval(() => {
    const lines: string[] = [];
    for (const end = number + 110; number < end; number++) lines.push(logLine(number));
    writeSync(descriptor, `${lines.join("\n")}\n`);
    if (number % 22_000 !== 0) return;
    closeSync(descriptor);
    renameSync(path, `${path}.${++rotations}`);
    descriptor = openSync(path, "a");
  }, 10);
  const stop = (): Promise<number> => {
    clearInterval(timer);
    return Promise.resolve(number);
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** A repeatable stand-in for chance (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
