/**
 * Reads its standard input as the agent does and writes what it got; for `stdin.test.ts`. With an
 * argument it stops by itself after so many milliseconds, though its input goes on.
 */
import process from "node:process";
import { stdinSource } from "../../src/ingest/stdin.ts";

const stopMs = Number(process.argv[2] ?? 0);
const signal = stopMs > 0 ? AbortSignal.timeout(stopMs) : new AbortController().signal;
const source = stdinSource({ type: "stdin", id: "stdin" }, { bootId: "boot" });
try {
  for await (const { events } of source.read(undefined, signal)) {
    for (const { payload, recordId } of events) console.log(`${recordId} ${String(payload)}`);
  }
  console.log(`ended ${source.ended} ${JSON.stringify(source.health())}`);
} catch (error) {
  console.log(`aborted ${(error as Error).name}`);
  // Deno cannot take back a read of standard input that is under way, and waits for it.
  if ("Deno" in globalThis) process.exit(0);
}
