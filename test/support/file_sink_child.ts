/**
 * A process to be killed: delivers numbered alerts through a file sink, with an outbox that remembers
 * in a journal what was settled. Arguments: path, journal, how many alerts, rotation size.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { startDrain } from "../../src/deliver/drain.ts";
import { FileSink } from "../../src/deliver/file_sink.ts";
import type { Settlement } from "../../src/runtime/outbox.ts";
import { MemoryOutbox, newAlert } from "./memory_outbox.ts";

const [path = "", journal = "", total = "0", rotateBytes = "0"] = process.argv.slice(2);

class JournalOutbox extends MemoryOutbox {
  override settle(
    sinkId: string,
    settlements: readonly Settlement[],
    nowMs: number,
    peerPosition?: string,
  ): void {
    // One line, one write: whole or torn, like a transaction.
    appendFileSync(journal, `\n${JSON.stringify({ settlements, peerPosition })}`);
    super.settle(sinkId, settlements, nowMs, peerPosition);
  }

  restore(text: string): void {
    for (const line of text.split("\n")) {
      try {
        const { settlements, peerPosition } = JSON.parse(line);
        super.settle("file", settlements, 0, peerPosition);
      } catch {
        // Torn by a kill: never happened.
      }
    }
  }
}

const outbox = new JournalOutbox();
outbox.registerSinks([{ id: "file", filter: {}, start: "oldest" }], 0);
outbox.commit({
  alerts: Array.from({ length: Number(total) }, (_, number) => {
    const id = `pk1-${String(number).padStart(32, "0")}`;
    const body = JSON.stringify({ number, alert_id: id, text: "x".repeat(number % 300) });
    return newAlert({ id, body });
  }),
  positions: new Map(),
  nowMs: 0,
});
if (existsSync(journal)) outbox.restore(readFileSync(journal, "utf8"));

const sink = new FileSink({
  type: "file",
  id: "file",
  path,
  rotateBytes: Number(rotateBytes),
  rotateKeep: 1000,
});
process.stdout.write("ready\n");
const drain = startDrain({ sink, outbox, settings: { batchMax: 7 } });
const all = await drain.flush(AbortSignal.timeout(60_000));
await drain.stop(AbortSignal.timeout(1000));
await sink[Symbol.asyncDispose]();
process.exitCode = all ? 0 : 1;
