/**
 * Drives a source: reads ahead of whoever evaluates its batches, within bounds, and reads again
 * after a failure.
 *
 * What is read ahead lies in memory only. That loses nothing from a source that can be read again,
 * since its position is committed with what was evaluated; a source that cannot (stdin, a socket) is
 * stopped with `stop()`, which lets what was taken from it be evaluated first.
 */
import { SourceError } from "./errors.ts";
import { type MetricsHook, noopMetrics } from "./metrics.ts";
import type { EventBatch, EventSource, RawEvent } from "./plugin.ts";

/** `daemon.input.buffer_size` of the reference. */
const DEFAULT_EVENTS = 10_000;
/** Events differ in size by four orders of magnitude, so that their number alone bounds nothing. */
const DEFAULT_BYTES = 32 << 20;
const BACKOFF_BASE_MS = 1000;
const BACKOFF_MAX_MS = 60_000;
/** What a decoded event is taken to weigh if it does not tell. */
const DECODED_EVENT_BYTES = 1024;

/** How a source is driven. */
export interface SpawnOptions {
  /** Where to begin: what was committed last. */
  readonly from: string | undefined;
  /** Ends everything at once: batches that were read ahead are dropped. */
  readonly signal: AbortSignal;
  /** How much is read ahead at most, one batch aside. Default 10,000 events and 32 MiB. */
  readonly capacity?: { readonly events?: number; readonly bytes?: number };
  /** Told of what is read ahead. */
  readonly metrics?: MetricsHook;
  /** Told of each failure before the pause that follows it. */
  readonly onError?: (failure: SourceFailure) => void;
  /** Pauses between tries: doubled from `baseMs` (1,000) to `maxMs` (60,000), half of it by chance. */
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number };
  /** For tests; `Math.random` by default. */
  readonly random?: () => number;
}

/** A failure of a source that will be tried again. */
export interface SourceFailure {
  /** Why reading ended. */
  readonly error: SourceError;
  /** Failures since the last batch, from 1. */
  readonly attempt: number;
  /** The pause that follows, in milliseconds. */
  readonly retryMs: number;
  /** `false` while the same message repeats: one line in the log is enough for it. */
  readonly isNew: boolean;
}

/** Starts reading when it is first pulled; see `SourceQueue`. */
export function spawnSource(source: EventSource, options: SpawnOptions): SourceQueue {
  return new SourceQueue(source, options);
}

/**
 * The batches of a source in their order. One consumer may iterate over it, once.
 *
 * The iteration ends when the source has ended (a finished stdin) or was stopped, after every batch
 * that was read; it rejects with the reason of the signal, and with an error that is no
 * `SourceError`, which is a bug of the source.
 */
export class SourceQueue implements AsyncIterable<EventBatch>, AsyncDisposable {
  /** What it reads. */
  readonly source: EventSource;
  readonly #options: SpawnOptions;
  readonly #metrics: MetricsHook;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  /** Ends the source, not the queue. */
  readonly #stopping = new AbortController();
  readonly #batches: { readonly batch: EventBatch; readonly bytes: number }[] = [];
  #events = 0;
  #bytes = 0;
  #failure: { readonly reason: unknown } | undefined;
  #hasEnded = false;
  #pump: Promise<void> | undefined;
  /** Wakes the consumer, and the pump that waits for room. */
  #wakeConsumer: (() => void) | undefined;
  #wakePump: (() => void) | undefined;

  /** Use `spawnSource`. */
  constructor(source: EventSource, options: SpawnOptions) {
    this.source = source;
    this.#options = options;
    this.#metrics = options.metrics ?? noopMetrics;
    this.#maxEvents = options.capacity?.events ?? DEFAULT_EVENTS;
    this.#maxBytes = options.capacity?.bytes ?? DEFAULT_BYTES;
  }

  /** Events read ahead. */
  get depth(): number {
    return this.#events;
  }

  /** The source has ended by itself or was stopped; batches may still be queued. */
  get ended(): boolean {
    return this.#hasEnded;
  }

  /** Stops reading. What was read is still handed out, then the iteration ends. */
  stop(): void {
    this.#stopping.abort(new Error(`Source ${this.source.id} is being stopped`));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EventBatch, void, void> {
    const { signal } = this.#options;
    const wake = () => this.#wakeConsumer?.();
    signal.addEventListener("abort", wake);
    try {
      this.#pump ??= this.#run();
      while (true) {
        signal.throwIfAborted();
        const next = this.#batches.shift();
        if (next !== undefined) {
          this.#take(next.batch, next.bytes);
          yield next.batch;
        } else if (this.#failure !== undefined) {
          throw this.#failure.reason;
        } else if (this.#hasEnded) {
          return;
        } else {
          await new Promise<void>((resolve) => this.#wakeConsumer = resolve);
          this.#wakeConsumer = undefined;
        }
      }
    } finally {
      signal.removeEventListener("abort", wake);
      await this[Symbol.asyncDispose]();
    }
  }

  /** Stops the source, drops what was read ahead and waits until the source has closed itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    for (const { batch, bytes } of this.#batches.splice(0)) this.#take(batch, bytes);
    await this.#pump;
  }

  #take({ events }: EventBatch, bytes: number): void {
    this.#events -= events.length;
    this.#bytes -= bytes;
    this.#metrics.onInputQueueDepthChange(-events.length);
    this.#wakePump?.();
  }

  async #run(): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#stopping.signal]);
    const wake = () => this.#wakePump?.();
    signal.addEventListener("abort", wake);
    try {
      await this.#readUntilEnd(signal);
    } catch (reason) {
      if (!signal.aborted) this.#failure = { reason };
    } finally {
      signal.removeEventListener("abort", wake);
      this.#hasEnded = true;
      this.#wakeConsumer?.();
    }
  }

  async #readUntilEnd(signal: AbortSignal): Promise<void> {
    const { onError, backoff, random = Math.random } = this.#options;
    const baseMs = backoff?.baseMs ?? BACKOFF_BASE_MS;
    const maxMs = backoff?.maxMs ?? BACKOFF_MAX_MS;
    let position = this.#options.from;
    let attempt = 0;
    let lastMessage: string | undefined;
    while (!signal.aborted) {
      try {
        for await (const batch of this.source.read(position, signal)) {
          position = batch.position;
          attempt = 0;
          lastMessage = undefined;
          await this.#put(batch, signal);
          if (signal.aborted) return;
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SourceError)) throw error;
        attempt++;
        const isConfig = error.code === "SOURCE_CONFIG";
        const longest = isConfig ? maxMs : Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
        const retryMs = Math.round(longest * (0.5 + random() / 2));
        onError?.({ error, attempt, retryMs, isNew: error.message !== lastMessage });
        lastMessage = error.message;
        await pause(retryMs, signal);
      }
    }
  }

  /** Queues the batch, whatever its size; returns when there is room for another. */
  async #put(batch: EventBatch, signal: AbortSignal): Promise<void> {
    let bytes = 0;
    for (const event of batch.events) bytes += payloadBytes(event);
    this.#batches.push({ batch, bytes });
    this.#events += batch.events.length;
    this.#bytes += bytes;
    this.#metrics.onInputQueueDepthChange(batch.events.length);
    this.#metrics.onInput?.(this.source.id, batch.events.length, bytes);
    this.#wakeConsumer?.();
    if (this.#hasRoom()) return;
    this.#metrics.onBackPressure();
    while (!this.#hasRoom() && !signal.aborted) {
      await new Promise<void>((resolve) => this.#wakePump = resolve);
      this.#wakePump = undefined;
    }
  }

  #hasRoom(): boolean {
    return this.#batches.length === 0 ||
      (this.#events < this.#maxEvents && this.#bytes < this.#maxBytes);
  }
}

/** About what an event weighs: characters of a line, the record of an event that knows its size. */
function payloadBytes({ payload }: RawEvent): number {
  if (typeof payload === "string") return payload.length;
  const size = (payload as { readonly size?: unknown }).size;
  return typeof size === "number" ? size : DECODED_EVENT_BYTES;
}

/** Resolves after `ms`, and at once when the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
