/**
 * Delivers alerts to standard output, for tests that read it slowly or not at all. Arguments: how many
 * alerts, bytes of each, milliseconds after which a call is aborted. Says on stderr how it went.
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { startDrain } from "../../src/deliver/drain.ts";
import { StdoutSink } from "../../src/deliver/stdout_sink.ts";
import { MemoryOutbox, newAlert } from "./memory_outbox.ts";

const [count, bytes, timeoutMs] = process.argv.slice(2).map(Number);
const outbox = new MemoryOutbox();
outbox.registerSinks([{ id: "stdout", filter: {}, start: "oldest" }], 0);
outbox.commit({
  alerts: Array.from(
    { length: count ?? 0 },
    (_, number) =>
      newAlert({ body: JSON.stringify({ number, text: "é".repeat((bytes ?? 0) / 2) }) }),
  ),
  positions: new Map(),
  nowMs: Date.now(),
});
const sink = new StdoutSink({ type: "stdout", id: "stdout" });
const drain = startDrain({
  sink,
  outbox,
  sendTimeoutMs: timeoutMs ?? 60_000,
  settings: { backoffBaseMs: 20, backoffMaxMs: 40 },
});
for (;;) {
  await delay(20);
  const { state, backlog, lastError, retries } = drain.status();
  if (state !== "paused" && backlog.alerts > 0) continue;
  process.stderr.write(JSON.stringify({ state, left: backlog.alerts, lastError, retries }));
  break;
}
await drain.stop(AbortSignal.timeout(100));
process.exit(0);
