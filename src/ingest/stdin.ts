/**
 * Lines from standard input.
 */
import process from "node:process";
import { SourceError } from "../runtime/errors.ts";
import type { EventBatch, EventSource, SourceHealth } from "../runtime/plugin.ts";
import type { StdinSourceSettings } from "../runtime/settings.ts";
import { LineCollector, RecordNumbers } from "./line_collector.ts";

/** What is read: `process.stdin`, or a stream that a test writes to. */
export interface InputStream extends AsyncIterable<Uint8Array | string> {
  destroy(): unknown;
}

export interface StdinOptions {
  /** Differs in each run of the agent; by default a random UUID. */
  readonly bootId?: string;
  readonly input?: InputStream;
}

export interface StdinSource extends EventSource {
  /**
   * The input has come to its end: nothing will ever follow, so that an agent without another live
   * source evaluates what is left and exits.
   */
  readonly ended: boolean;
}

/**
 * Reads lines until the input ends, which ends the iteration.
 *
 * Bytes that are no UTF-8 become U+FFFD; a line above 1 MiB is lost, counted and noticed. Positions
 * mean nothing to a later run, since a pipe cannot be read twice.
 *
 * Under Deno a read that is under way when the source is aborted keeps the process alive until the
 * writer does something: end it with `process.exit`. Bun lets go.
 */
export function stdinSource(
  settings: StdinSourceSettings,
  options: StdinOptions = {},
): StdinSource {
  const lines = new LineCollector(new RecordNumbers(options.bootId), settings.id);
  let state: SourceHealth["state"] = "starting";
  let ended = false;

  async function* read(_from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    if (ended) return;
    const input = options.input ?? process.stdin;
    // Also takes the reader off the event loop, which would keep the process alive.
    const onAbort = () => void input.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    const splitter = lines.stream();
    state = "running";
    try {
      for await (const block of untilAborted(input, signal)) {
        splitter.push(typeof block === "string" ? ENCODER.encode(block) : block);
        for (let batch = lines.take(); batch !== undefined; batch = lines.take()) yield batch;
      }
      signal.throwIfAborted();
      splitter.end();
      for (let batch = lines.take(); batch !== undefined; batch = lines.take()) yield batch;
      ended = true;
    } catch (cause) {
      signal.throwIfAborted();
      // A stream that failed is closed for good.
      ended = true;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SourceError("SOURCE_IO", `Cannot read standard input: ${reason}`, { cause });
    } finally {
      signal.removeEventListener("abort", onAbort);
      state = "stopped";
    }
  }

  return {
    id: settings.id,
    kind: "stdin",
    read,
    health: () => ({ state, counts: { ...lines.counts } }),
    get ended() {
      return ended;
    },
  };
}

/**
 * What `input` yields until the signal is aborted, which rejects with its reason. The pull that is
 * under way then is left alone: a destroyed stream does not answer it in every runtime.
 */
async function* untilAborted<T>(input: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const pulls = input[Symbol.asyncIterator]();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => onAbort = () => reject(signal.reason));
  aborted.catch(() => {});
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (true) {
      signal.throwIfAborted();
      const next = await Promise.race([pulls.next(), aborted]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const ENCODER = new TextEncoder();
