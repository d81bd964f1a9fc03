/**
 * How many alerts a second a local JetStream server acknowledges, by publishes in flight.
 *
 * Run with: bun bench/nats.bench.ts [alerts] [rounds]
 */
import process from "node:process";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { natsSink } from "../src/deliver/nats_sink.ts";
import { NatsConnections } from "../src/runtime/nats/connection.ts";
import type { Alert } from "../src/runtime/alert.ts";
import { NATS_SKIP, startNatsServer } from "../test/support/nats_server.ts";

const COUNT = Number(process.argv[2] ?? 10_000);
const ROUNDS = Number(process.argv[3] ?? 5);
const BATCH = 1000;
/** As large as a usual alert with its event. */
const BODY = JSON.stringify({
  rule_title: "Bench",
  level: "high",
  event: { pad: "x".repeat(1500) },
});

if (NATS_SKIP !== false) process.exit(0);
await using server = await startNatsServer();
const hub = await connect({ servers: server.url });
await (await jetstreamManager(hub)).streams.add({ name: "ALERTS", subjects: ["picket.alert.>"] });
await using connections = new NatsConnections();
const signal = new AbortController().signal;
let seq = 0;

for (const maxInFlight of [1, 64, 256]) {
  await using sink = natsSink({
    type: "nats",
    id: "hub",
    nats: { servers: [server.url] },
    subject: "picket.alert.${agent.id}.${alert.level}",
    maxInFlight,
  }, { connections, agent: { id: "bench", host: "bench" } });
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = sink.counts.published;
    const start = performance.now();
    for (let sent = 0; sent < COUNT; sent += BATCH) {
      const alerts = Array.from({ length: BATCH }, (): Alert => ({
        seq: ++seq,
        id: `pk1-${seq.toString(16).padStart(32, "0")}`,
        kind: "detection",
        level: "high",
        ruleId: "r",
        ruleTitle: "Bench",
        sourceId: "s",
        createdMs: 0,
        eventMs: undefined,
        body: BODY,
      }));
      const failed = (await sink.send(alerts, signal)).find((one) => one !== undefined);
      if (failed !== undefined) throw failed;
    }
    const seconds = (performance.now() - start) / 1000;
    if (sink.counts.published - before !== COUNT) throw new Error("not all were acknowledged");
    rates.push(COUNT / seconds);
  }
  rates.sort((a, b) => a - b);
  const median = Math.round(rates[Math.floor(rates.length / 2)]!);
  const spread = `${Math.round(rates[0]!)}–${Math.round(rates.at(-1)!)}`;
  console.log(`maxInFlight ${maxInFlight}: ${median} alerts/s (median of ${ROUNDS}, ${spread})`);
}
await hub.close();
