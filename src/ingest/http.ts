/**
 * Lines that the admin API got by `POST /api/v1/events`.
 *
 * A sender gets its answer when its lines have been evaluated and what they gave is on disk. So a
 * sender that repeats what was not answered loses nothing.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers";
import type { EventBatch, EventSource, RawEvent, SourceHealth } from "../runtime/plugin.ts";
import type { HttpSourceSettings } from "../runtime/settings.ts";
import { MAX_BATCH_EVENTS, MAX_LINE_BYTES, RecordNumbers } from "./line_collector.ts";
import { Doorbell } from "./waiting.ts";

/** What may lie between request and evaluation; one request is taken whatever its size. */
const CAPACITY_EVENTS = 10_000;
const CAPACITY_BYTES = 32 << 20;
/** Characters in a batch, one line aside. */
const MAX_BATCH_BYTES = 4 << 20;
/** How long a request waits for room before it is told to come again. */
const WAIT_MS = 2000;
const RETRY_AFTER_SECONDS = 1;
/** How long a commit may still take when reading has ended; `stop.commit` of the agent. */
const COMMIT_GRACE_MS = 5000;

export interface HttpSourceOptions {
  /** Differs in each run of the agent; by default a random UUID. */
  readonly bootId?: string;
  readonly capacity?: { readonly events?: number; readonly bytes?: number };
  /** Default 2,000. */
  readonly waitMs?: number;
}

/** What became of lines; the API's `IngestResult` without `disabled`. */
export type PushResult =
  /** All but the rejected ones are committed; blank lines count as neither. */
  | {
    readonly kind: "taken";
    readonly accepted: number;
    /** By index into the lines that were given. */
    readonly rejected: readonly { readonly index: number; readonly reason: string }[];
  }
  /** No room: nothing was taken. */
  | { readonly kind: "busy"; readonly accepted: 0; readonly retryAfterSeconds: number }
  /** Nobody reads, or reading ended; the first `accepted` lines are committed. */
  | { readonly kind: "closed"; readonly accepted: number };

export interface HttpIngestSource extends EventSource {
  /**
   * Gives lines to the source, waiting for room for a short while; resolves when they have been
   * committed.
   *
   * @param key The sender's `Idempotency-Key`: the same lines under the same key are the same
   *   records, so that a repeated request gives no second alert.
   * Rejects with the reason of `signal`; lines that were handed out by then are evaluated all the
   * same.
   */
  push(lines: readonly string[], signal: AbortSignal, key?: string): Promise<PushResult>;
}

/** The lines of one call of `push`. */
interface Push {
  readonly events: readonly RawEvent[];
  /** How many were handed out, and how many of those are committed. */
  handedOut: number;
  committed: number;
  readonly settle: (result: "committed" | "closed") => void;
}

/** A source that the admin API fills; see `HttpIngestSource.push`. */
export function httpSource(
  settings: HttpSourceSettings,
  options: HttpSourceOptions = {},
): HttpIngestSource {
  return new HttpQueue(settings, options);
}

class HttpQueue implements HttpIngestSource {
  readonly id: string;
  readonly kind = "http";
  readonly #maxLineBytes: number;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #waitMs: number;
  readonly #numbers: RecordNumbers;
  /** Not yet handed out to the end. */
  readonly #waiting: Push[] = [];
  /** Handed out to the end, but not committed. */
  readonly #unsettled = new Set<Push>();
  readonly #filled = new Doorbell();
  /** Calls that wait for room, in their order. */
  readonly #queueing: (() => void)[] = [];
  #events = 0;
  #bytes = 0;
  #readers = 0;
  #state: SourceHealth["state"] = "starting";
  readonly #counts = { requests: 0, busy: 0, long_lines: 0 };

  constructor(settings: HttpSourceSettings, options: HttpSourceOptions) {
    this.id = settings.id;
    this.#maxLineBytes = settings.maxLineBytes ?? MAX_LINE_BYTES;
    this.#maxEvents = options.capacity?.events ?? CAPACITY_EVENTS;
    this.#maxBytes = options.capacity?.bytes ?? CAPACITY_BYTES;
    this.#waitMs = options.waitMs ?? WAIT_MS;
    this.#numbers = new RecordNumbers(options.bootId);
  }

  health(): SourceHealth {
    return { state: this.#state, lag: { records: this.#events }, counts: { ...this.#counts } };
  }

  async push(lines: readonly string[], signal: AbortSignal, key?: string): Promise<PushResult> {
    signal.throwIfAborted();
    this.#counts.requests++;
    const rejected: { index: number; reason: string }[] = [];
    const kept: { readonly line: string; readonly index: number }[] = [];
    let bytes = 0;
    lines.forEach((line, index) => {
      if (line.trim() === "") return;
      if (isLonger(line, this.#maxLineBytes)) {
        this.#counts.long_lines++;
        rejected.push({ index, reason: `line exceeds ${this.#maxLineBytes} bytes` });
        return;
      }
      kept.push({ line, index });
      bytes += line.length;
    });
    if (kept.length === 0) return { kind: "taken", accepted: 0, rejected };
    if (!await this.#room(kept.length, bytes, signal)) {
      this.#counts.busy++;
      return { kind: "busy", accepted: 0, retryAfterSeconds: RETRY_AFTER_SECONDS };
    }
    if (this.#readers === 0) return { kind: "closed", accepted: 0 };
    const events = kept.map(({ line, index }) => ({
      payload: line,
      recordId: key === undefined ? this.#numbers.next() : keyedId(key, index, line),
      origin: this.id,
    }));
    return await this.#settled(events, bytes, rejected, signal);
  }

  async *read(_from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    this.#readers++;
    this.#state = "running";
    try {
      while (true) {
        while (this.#waiting.length > 0) {
          signal.throwIfAborted();
          yield this.#next();
        }
        await this.#filled.wait(signal);
      }
    } finally {
      if (--this.#readers === 0) this.#close();
    }
  }

  /** Resolves with `true` when there is room, with `false` when waiting for it took too long. */
  async #room(events: number, bytes: number, signal: AbortSignal): Promise<boolean> {
    const fits = () =>
      this.#events === 0 ||
      (this.#events + events <= this.#maxEvents && this.#bytes + bytes <= this.#maxBytes);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#waitMs)]);
    // Whoever came first goes first, lest small requests keep a large one out.
    let isFirst = this.#queueing.length === 0;
    while (!(isFirst && fits()) && this.#readers > 0) {
      if (deadline.aborted) {
        this.#queueing.at(0)?.();
        signal.throwIfAborted();
        return false;
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          deadline.removeEventListener("abort", wake);
          const at = this.#queueing.indexOf(wake);
          isFirst = at === 0;
          if (at >= 0) this.#queueing.splice(at, 1);
          resolve();
        };
        deadline.addEventListener("abort", wake);
        if (isFirst) this.#queueing.unshift(wake);
        else this.#queueing.push(wake);
      });
    }
    return true;
  }

  #settled(
    events: readonly RawEvent[],
    bytes: number,
    rejected: readonly { index: number; reason: string }[],
    signal: AbortSignal,
  ): Promise<PushResult> {
    this.#events += events.length;
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        this.#unsettled.delete(push);
        const at = this.#waiting.indexOf(push);
        if (at >= 0) this.#waiting.splice(at, 1);
        this.#events -= events.length;
        this.#bytes -= bytes;
        this.#queueing.at(0)?.();
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const push: Push = {
        events,
        handedOut: 0,
        committed: 0,
        settle: (result) => {
          leave();
          const accepted = push.committed;
          if (result === "committed") resolve({ kind: "taken", accepted, rejected });
          else resolve({ kind: "closed", accepted });
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(push);
      this.#filled.ring();
      this.#queueing.at(0)?.();
    });
  }

  /** A batch of what waits, of several calls if they are small. */
  #next(): EventBatch {
    const events: RawEvent[] = [];
    const parts: { readonly push: Push; readonly count: number }[] = [];
    let bytes = 0;
    while (this.#waiting.length > 0 && events.length < MAX_BATCH_EVENTS) {
      const push = this.#waiting[0]!;
      const start = push.handedOut;
      while (
        push.handedOut < push.events.length && events.length < MAX_BATCH_EVENTS &&
        bytes < MAX_BATCH_BYTES
      ) {
        const event = push.events[push.handedOut++]!;
        events.push(event);
        bytes += (event.payload as string).length;
      }
      parts.push({ push, count: push.handedOut - start });
      if (push.handedOut < push.events.length) break;
      this.#waiting.shift();
      this.#unsettled.add(push);
    }
    let isAcked = false;
    return {
      events,
      position: this.#numbers.position,
      ack: () => {
        if (isAcked) return Promise.resolve();
        isAcked = true;
        for (const { push, count } of parts) {
          push.committed += count;
          if (push.committed === push.events.length) push.settle("committed");
        }
        return Promise.resolve();
      },
    };
  }

  /** Answers calls when nobody reads any more, those whose commit may be under way a little later. */
  #close(): void {
    this.#state = "stopped";
    for (const push of [...this.#waiting]) {
      if (push.handedOut === 0) push.settle("closed");
      else this.#unsettled.add(push);
    }
    this.#waiting.length = 0;
    for (const wake of [...this.#queueing]) wake();
    if (this.#unsettled.size === 0) return;
    const left = [...this.#unsettled];
    const timer = setTimeout(() => {
      for (const push of left) if (this.#unsettled.has(push)) push.settle("closed");
    }, COMMIT_GRACE_MS);
    timer.unref();
  }
}

/** The digest keeps a key that was used for other lines by mistake from hiding their alerts. */
function keyedId(key: string, index: number, line: string): string {
  const digest = createHash("sha256").update(line).digest("hex").slice(0, 16);
  return `key:${key}:${index}:${digest}`;
}

/** Whether the text is longer than so many bytes of UTF-8; a character has at most three. */
function isLonger(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}
