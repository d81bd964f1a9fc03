/**
 * Records that others push, on their way to the one who reads the source.
 *
 * Whoever pushes gets his answer when his records have been evaluated and what they gave is on disk.
 * So a sender that repeats what was not answered loses nothing.
 */
import { setTimeout } from "node:timers";
import type { LogEvent } from "../event/event.ts";
import type { EventBatch, RawEvent, SourceHealth } from "../runtime/plugin.ts";
import { MAX_BATCH_EVENTS, RecordNumbers } from "./line_collector.ts";
import { Doorbell } from "./waiting.ts";

/** What may lie between push and evaluation; one push is taken whatever its size. */
const CAPACITY_EVENTS = 10_000;
const CAPACITY_BYTES = 32 << 20;
/** Bytes in a batch, one record aside. */
const MAX_BATCH_BYTES = 4 << 20;
/** How long a push waits for room before its sender is told to come again. */
const WAIT_MS = 2000;
const RETRY_AFTER_SECONDS = 1;
/** How long a commit may still take when reading has ended; `stop.commit` of the agent. */
const COMMIT_GRACE_MS = 5000;

export interface PushQueueOptions {
  /** Differs in each run of the agent; by default a random UUID. */
  readonly bootId?: string;
  readonly capacity?: { readonly events?: number; readonly bytes?: number };
  /** Default 2,000. */
  readonly waitMs?: number;
  /** Called for each push that has to wait for room. */
  readonly onWait?: () => void;
}

/** One record that is pushed. */
export interface PushedRecord {
  readonly payload: string | LogEvent;
  /** What it counts against the capacity. */
  readonly bytes: number;
  /** Default: a number within this run of the agent. */
  readonly recordId?: string;
}

/** What became of a push. */
export type PushOutcome =
  /** All of it is committed. */
  | { readonly kind: "taken"; readonly accepted: number }
  /** No room: nothing was taken. */
  | { readonly kind: "busy"; readonly accepted: 0; readonly retryAfterSeconds: number }
  /** Nobody reads, or reading ended; the first `accepted` records are committed. */
  | { readonly kind: "closed"; readonly accepted: number };

/** The records of one call of `push`. */
interface Push {
  readonly events: readonly RawEvent[];
  readonly sizes: readonly number[];
  /** How many were handed out, and how many of those are committed. */
  handedOut: number;
  committed: number;
  readonly settle: (result: "committed" | "closed") => void;
}

/** The queue behind one source. */
export class PushQueue {
  readonly #id: string;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #waitMs: number;
  readonly #onWait: () => void;
  readonly #numbers: RecordNumbers;
  /** Not yet handed out to the end. */
  readonly #waiting: Push[] = [];
  /** Handed out to the end, but not committed. */
  readonly #unsettled = new Set<Push>();
  readonly #filled = new Doorbell();
  /** Calls that wait for room, in their order. */
  readonly #queueing: Doorbell[] = [];
  #events = 0;
  #bytes = 0;
  #readers = 0;
  #state: SourceHealth["state"] = "starting";

  /** @param id The source's, which is the origin of its records. */
  constructor(id: string, options: PushQueueOptions) {
    this.#id = id;
    this.#maxEvents = options.capacity?.events ?? CAPACITY_EVENTS;
    this.#maxBytes = options.capacity?.bytes ?? CAPACITY_BYTES;
    this.#waitMs = options.waitMs ?? WAIT_MS;
    this.#onWait = options.onWait ?? (() => {});
    this.#numbers = new RecordNumbers(options.bootId);
  }

  get state(): SourceHealth["state"] {
    return this.#state;
  }

  /** Records that are not committed. */
  get depth(): number {
    return this.#events;
  }

  /**
   * Queues records, waiting for room for a short while; resolves when they have been committed.
   *
   * Rejects with the reason of `signal`; records that were handed out by then are evaluated all the
   * same.
   */
  async push(records: readonly PushedRecord[], signal: AbortSignal): Promise<PushOutcome> {
    signal.throwIfAborted();
    const bytes = records.reduce((sum, record) => sum + record.bytes, 0);
    if (!await this.#room(records.length, bytes, signal)) {
      return { kind: "busy", accepted: 0, retryAfterSeconds: RETRY_AFTER_SECONDS };
    }
    if (signal.aborted || this.#readers === 0) {
      this.#giveBack(records.length, bytes);
      signal.throwIfAborted();
      return { kind: "closed", accepted: 0 };
    }
    return await this.#settled(records, bytes, signal);
  }

  /** The batches of a source that is filled by `push`; see `EventSource.read`. */
  async *read(signal: AbortSignal): AsyncGenerator<EventBatch> {
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

  /**
   * Resolves with `true` when there is room, with `false` when waiting for it took too long.
   *
   * The room is taken at once: another push may come before this one goes on.
   */
  async #room(events: number, bytes: number, signal: AbortSignal): Promise<boolean> {
    const take = (): true => {
      this.#events += events;
      this.#bytes += bytes;
      return true;
    };
    const fits = () =>
      this.#events === 0 ||
      (this.#events + events <= this.#maxEvents && this.#bytes + bytes <= this.#maxBytes);
    // Whoever came first goes first, lest small pushes keep a large one out.
    if (this.#readers === 0 || (this.#queueing.length === 0 && fits())) return take();
    this.#onWait();
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(this.#waitMs)]);
    const bell = new Doorbell();
    this.#queueing.push(bell);
    try {
      while (this.#readers > 0 && !(this.#queueing[0] === bell && fits())) {
        await bell.wait(deadline);
      }
      return take();
    } catch (error) {
      signal.throwIfAborted();
      if (!deadline.aborted) throw error;
      return false;
    } finally {
      this.#queueing.splice(this.#queueing.indexOf(bell), 1);
      this.#queueing.at(0)?.ring();
    }
  }

  #giveBack(events: number, bytes: number): void {
    this.#events -= events;
    this.#bytes -= bytes;
    this.#queueing.at(0)?.ring();
  }

  #settled(
    records: readonly PushedRecord[],
    bytes: number,
    signal: AbortSignal,
  ): Promise<PushOutcome> {
    const events = records.map(({ payload, recordId }) => ({
      payload,
      recordId: recordId ?? this.#numbers.next(),
      origin: this.#id,
    }));
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        this.#unsettled.delete(push);
        const at = this.#waiting.indexOf(push);
        if (at >= 0) this.#waiting.splice(at, 1);
        this.#giveBack(events.length, bytes);
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const push: Push = {
        events,
        sizes: records.map((record) => record.bytes),
        handedOut: 0,
        committed: 0,
        settle: (result) => {
          leave();
          const accepted = push.committed;
          resolve({ kind: result === "committed" ? "taken" : "closed", accepted });
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(push);
      this.#filled.ring();
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
        bytes += push.sizes[push.handedOut]!;
        events.push(push.events[push.handedOut++]!);
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
    for (const bell of this.#queueing) bell.ring();
    if (this.#unsettled.size === 0) return;
    const left = [...this.#unsettled];
    const timer = setTimeout(() => {
      for (const push of left) if (this.#unsettled.has(push)) push.settle("closed");
    }, COMMIT_GRACE_MS);
    timer.unref();
  }
}
