/**
 * From a line in a log to its alert in JetStream, while the log grows by 10,000 lines a second; and
 * what the agent takes when nothing happens.
 *
 *   bun bench/latency.bench.ts RULES [--rate 10000] [--seconds 20]
 *
 * RULES is a bundle or directory, such as SigmaHQ's. One line in a hundred matches a rule that is added
 * to them and says when it was written; a subscriber of the stream's subject takes the time of arrival. All of
 * it runs on one machine and one clock. `nats-server` must be installed.
 */
import { connect } from "@nats-io/transport-node";
import { appendFileSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { AgentProcess } from "../test/support/agent_process.ts";
import { makeStream } from "../test/support/hub.ts";
import { startNatsServer } from "../test/support/nats_server.ts";
import { scratch } from "../test/support/picket.ts";
import { writeEvilRule } from "../test/support/log_lines.ts";

const rules = process.argv[2];
if (rules === undefined) {
  console.error("usage: bun bench/latency.bench.ts RULES [--rate 10000] [--seconds 20]");
  process.exit(3);
}
const option = (name: string, standard: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? standard : Number(process.argv[at + 1]);
};
const rate = option("rate", 10_000);
const seconds = option("seconds", 20);
const IDLE_SECONDS = 20;

using files = scratch();
await using server = await startNatsServer();
await makeStream(server.url, "ALERTS", "picket.alert.>");
writeEvilRule(files.file("evil.yml"));
await using agent = await AgentProcess.start(files, {
  config: {
    rules: { paths: [resolve(rules), files.file("evil.yml")] },
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
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
  },
});
await agent.message("Sink started");
await sleep(8000); // What the start left behind is collected meanwhile.

const before = cpuSeconds(agent.child.pid!);
await sleep(IDLE_SECONDS * 1000);
const idle = (cpuSeconds(agent.child.pid!) - before) / IDLE_SECONDS;
const idleBytes = agent.residentBytes();

const connection = await connect({ servers: server.url });
const latencies: number[] = [];
const subscription = connection.subscribe("picket.alert.x");
void (async () => {
  for await (const message of subscription) {
    const written = /--at (\d+)/.exec(message.string())?.[1];
    if (written !== undefined) latencies.push(Date.now() - Number(written));
  }
})();

let number = 0;
const startedAt = performance.now();
const busyBefore = cpuSeconds(agent.child.pid!);
while (performance.now() - startedAt < seconds * 1000) {
  const due = Math.floor((performance.now() - startedAt) / 1000 * rate);
  const lines: string[] = [];
  for (; number < due; number++) lines.push(line(number));
  if (lines.length > 0) appendFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
  await sleep(5);
}
await sleep(2000);
const busy = (cpuSeconds(agent.child.pid!) - busyBefore) / seconds;
latencies.sort((left, right) => left - right);
const at = (share: number): number =>
  latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
console.log(
  `idle: ${(idle * 100).toFixed(2)} % of a core, ${(idleBytes / 1e6).toFixed(0)} MB resident\n` +
    `${rate} lines/s for ${seconds} s: ${latencies.length} alerts, write to JetStream ` +
    `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${latencies.at(-1)} ms; ` +
    `${(busy * 100).toFixed(0)} % of a core, ${(agent.residentBytes() / 1e6).toFixed(0)} MB`,
);
await connection.close();
await agent.end();

function line(of: number): string {
  const command = of % 100 === 0 ? `/tmp/evil --at ${Date.now()}` : `/usr/bin/worker --job ${of}`;
  return `{"Image":"/usr/bin/worker","CommandLine":"${command}","User":"root","n":${of},` +
    `"ParentImage":"/usr/lib/systemd/systemd"}`;
}

/** User and system time of a process. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
