/**
 * One source on its way through the rules: read, evaluate, commit, acknowledge, again and again.
 */
import { getLogger } from "@logtape/logtape";
import type { StaticLogsource } from "../engine/logsource.ts";
import type { DetectionResult } from "../engine/result.ts";
import { jsonText } from "../event/json_text.ts";
import { compileFilter } from "../decode/filter/compile.ts";
import type { LogEvent } from "../event/event.ts";
import { eventTimestamp } from "../event/facts.ts";
import type { NewAlert } from "../runtime/alert.ts";
import type {
  BatchOptions,
  BatchVisitor,
  LogProcessor,
  ParseFailure,
} from "../runtime/log_processor.ts";
import { visitEvents } from "../runtime/input_events.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import type { NewDeadLetter } from "../runtime/outbox.ts";
import type { EventBatch, EventSource, RawEvent } from "../runtime/plugin.ts";
import type { SourceCommon } from "../runtime/settings.ts";
import { type SourceQueue, spawnSource } from "../runtime/spawn_source.ts";
import type { AlertBuilder } from "./alert_builder.ts";
import type { Committer } from "./committer.ts";
import type { Turns } from "./turns.ts";

const log = getLogger(["picket", "input"]);

/** A batch of this many events came from a source that has more at once. */
const FULL_BATCH = 1000;
const LAG_SAMPLE_MS = 1000;
/** Of a line that is no event, so much is kept in the dead letters. */
const MAX_KEPT_TEXT = 64 << 10;

/** Who wants to see events as they pass. */
export interface Taps {
  readonly raw: ReadonlySet<(sourceId: string, text: () => string) => void>;
  readonly decoded: ReadonlySet<(sourceId: string, text: () => string) => void>;
}

/** What a runner needs of the agent. */
export interface RunnerContext {
  /** The processor that the next batch is evaluated with. */
  readonly processor: () => LogProcessor;
  readonly committer: Committer;
  /** Shared by all sources. */
  readonly turns: Turns;
  readonly metrics: MetricsHook;
  readonly taps: Taps;
  /** Sees every event before rules do; absent while nobody observes. */
  readonly observe?: ((event: LogEvent) => void) | undefined;
  readonly keepParseErrors: boolean;
  /** Events of a source that are read ahead at most. */
  readonly queueEvents: number;
  readonly now: () => number;
  /** `limits.batch_size`: events that are evaluated before anything else gets a turn. */
  readonly batchEvents: number;
  /** Called with the results of each event that has some. */
  readonly onResults: (results: readonly DetectionResult[], nowMs: number) => void;
  /** Called behind each batch with how many events it had, and inputs that were none. */
  readonly onBatch: (events: number, parseErrors: number) => void;
  /** Called once a second or less with how old an event was when it was read, in seconds. */
  readonly onLag: (seconds: number, nowMs: number) => void;
  /** Called when the source has come to its end by itself. */
  readonly onEnd: () => void;
}

export type RunnerState = "running" | "paused" | "ended" | "failed";

/** Drives one source until it ends or is stopped. */
export class SourceRunner {
  readonly source: EventSource;
  readonly settings: SourceCommon;
  readonly #context: RunnerContext;
  readonly #builder: AlertBuilder;
  readonly #batchOptions: BatchOptions;
  #position: string | undefined;
  #running: Promise<void> = Promise.resolve();
  #stop = new AbortController();
  #queue: SourceQueue | undefined;
  #state: RunnerState = "paused";
  /** Calls of `pause` that have not resolved. */
  #pausing = 0;
  /** `start` was called behind the last of them. */
  #isWanted = false;
  /** What has been read waits for this. */
  #held: PromiseWithResolvers<void> | undefined;
  #error: string | undefined;
  #events = 0;
  #lastEventMs: number | undefined;
  /** When the age of an event was looked at last. */
  #lagMs = 0;

  /** @param position The one committed last; `undefined` at first sight. */
  constructor(
    source: EventSource,
    settings: SourceCommon,
    position: string | undefined,
    builder: AlertBuilder,
    context: RunnerContext,
  ) {
    this.source = source;
    this.settings = settings;
    this.#position = position;
    this.#builder = builder;
    this.#context = context;
    const { format = "auto", logsource, syslogZone, syslogStripBom, filter, jsonArray } = settings;
    this.#batchOptions = {
      format,
      eventsPerLook: context.batchEvents,
      ...(syslogZone === undefined ? {} : { syslogZone }),
      ...(syslogStripBom === undefined ? {} : { syslogStripBom }),
      ...(logsource === undefined ? {} : { logsource: lowerCase(logsource) }),
      ...(jsonArray === undefined ? {} : { jsonArray }),
      // One of its own for each source: it holds state while it runs.
      ...(filter === undefined ? {} : { filter: compileFilter(filter) }),
    };
    if (filter !== undefined) {
      log.info(`Event filter: ${filter.kind} '${filter.expression}'`, { source: source.id });
    }
  }

  get state(): RunnerState {
    return this.#state;
  }

  /** Why it failed. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Behind what has been evaluated; committed at most a second later. */
  get position(): string | undefined {
    return this.#position;
  }

  get events(): number {
    return this.#events;
  }

  /** Events that were read ahead. */
  get queued(): number {
    return this.#queue?.depth ?? 0;
  }

  /** When events came last, in Unix milliseconds. */
  get lastEventMs(): number | undefined {
    return this.#lastEventMs;
  }

  /** Reads on from where it stopped; once it has, if it is just being paused. */
  start(): void {
    if (this.#pausing > 0) {
      this.#isWanted = true;
      return;
    }
    if (this.#held !== undefined) {
      this.#release();
      this.#state = "running";
      return;
    }
    if (this.#state === "running") return;
    this.#stop = new AbortController();
    this.#state = "running";
    this.#error = undefined;
    this.#running = this.#run(this.#stop.signal);
  }

  /**
   * Stops reading. What was read ahead is still evaluated, within `budgetMs`; a source that can be
   * read again loses nothing by what is dropped then. Resolves when the source is closed.
   */
  async pause(budgetMs: number): Promise<void> {
    this.#pausing++;
    this.#isWanted = false;
    this.#release();
    this.#queue?.stop();
    const abort = (): void =>
      this.#stop.abort(new DOMException("The source was stopped", "AbortError"));
    const timer = setTimeout(abort, budgetMs);
    await this.#running;
    clearTimeout(timer);
    this.#pausing--;
    if (this.#pausing === 0 && this.#isWanted) this.start();
  }

  /**
   * Pauses without closing the source, which is left alone until `start`: for one that can be read
   * only once. What it gives meanwhile waits in the queue and then where it comes from.
   */
  hold(): void {
    if (this.#state !== "running" || this.#pausing > 0) return;
    this.#state = "paused";
    this.#held = Promise.withResolvers();
  }

  #release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { metrics, queueEvents } = this.#context;
    try {
      const queue = this.#queue = spawnSource(this.source, {
        from: this.#position,
        signal,
        capacity: { events: queueEvents },
        metrics,
        onError: ({ error, retryMs, isNew }) => {
          const facts = { source: this.source.id, reason: error.message, retry_ms: retryMs };
          if (isNew) log.warn("A source cannot be read", facts);
          this.#error = error.message;
        },
      });
      for await (const batch of queue) {
        await this.#held?.promise;
        await this.#process(batch, signal);
      }
      await this.#held?.promise;
      // A source that is told to stop ends in the same way as one that has nothing left.
      this.#state = this.#pausing > 0 ? "paused" : "ended";
    } catch (error) {
      this.#release();
      this.#state = "paused";
      if (signal.aborted) return;
      this.#state = "failed";
      this.#error = error instanceof Error ? error.message : String(error);
      log.error("A source has failed", { source: this.source.id, reason: this.#error });
    }
    if (this.#state === "ended") this.#context.onEnd();
  }

  /** One batch: its alerts and the position behind it become one contribution to a commit. */
  async #process(batch: EventBatch, signal: AbortSignal): Promise<void> {
    const { committer, metrics, now, turns } = this.#context;
    const { events, notices = [] } = batch;
    const alerts: NewAlert[] = [];
    const deadLetters: NewDeadLetter[] = [];
    if (events.length > 0) {
      this.#lastEventMs = now();
      this.#tapRaw(events);
      let parseErrors = 0;
      const run = this.#context.processor().startBatch(
        events.map(({ payload }) => payload),
        { ...this.#batchOptions, writtenMs: (index) => events[index]!.writtenMs },
        this.#visitor(events, alerts, deadLetters, () => parseErrors++),
      );
      const startedAt = performance.now();
      let isFinished = false;
      while (!isFinished) {
        const forMs = await turns.take();
        signal.throwIfAborted();
        isFinished = run.step(forMs);
      }
      metrics.observePipelineLatency((performance.now() - startedAt) / 1000);
      this.#events += run.events;
      this.#context.onBatch(run.events, parseErrors);
      this.#sampleLag(events.at(-1)!);
    }
    for (const notice of notices) alerts.push(this.#builder.notice(notice, now()));
    const committed = committer.add({
      sourceId: this.source.id,
      position: batch.position,
      alerts,
      deadLetters,
      needsAck: batch.ack !== undefined,
    }, events.length >= FULL_BATCH);
    this.#position = batch.position;
    if (committed === undefined) return;
    const settled = batch.ack === undefined ? committed : committed.then(() => batch.ack!());
    if (committer.isCrowded) await untilAborted(settled, signal);
  }

  #visitor(
    events: readonly RawEvent[],
    alerts: NewAlert[],
    deadLetters: NewDeadLetter[],
    onFailed: () => void,
  ): BatchVisitor {
    const { now, observe, onResults, keepParseErrors, taps } = this.#context;
    let ordinals = new Map<string, number>();
    let record = -1;
    const failed = ({ index, reason, message }: ParseFailure): void => {
      onFailed();
      if (!keepParseErrors) return;
      const { payload, recordId } = events[index]!;
      const original = typeof payload === "string" ? payload : jsonText(payload.toValue());
      deadLetters.push({
        stage: "parse",
        sourceId: this.source.id,
        recordId,
        original: original.slice(0, MAX_KEPT_TEXT),
        code: reason,
        error: message,
      });
    };
    return {
      failed,
      matched: (index, event, results) => {
        if (index !== record) ordinals = new Map();
        record = index;
        const nowMs = now();
        onResults(results, nowMs);
        try {
          alerts.push(...this.#builder.detections(results, event, events[index]!, nowMs, ordinals));
        } catch (error) {
          // A bug of ours; the source must not stand still before this event for ever.
          const message = error instanceof Error ? error.message : String(error);
          log.error("An alert cannot be written", { source: this.source.id, reason: message });
          failed({ index, reason: "alert", message });
        }
      },
      ...(observe === undefined && taps.decoded.size === 0 ? {} : {
        decoded: (_index: number, event: LogEvent) => {
          observe?.(event);
          if (taps.decoded.size > 0) this.#tapDecoded(event);
        },
      }),
    };
  }

  /** The last event of a batch stands for all of them. */
  #sampleLag({ payload, writtenMs }: RawEvent): void {
    const nowMs = this.#context.now();
    if (Math.abs(nowMs - this.#lagMs) < LAG_SAMPLE_MS) return;
    this.#lagMs = nowMs;
    let event: LogEvent | undefined;
    // What fails has been counted already.
    visitEvents(
      payload,
      { ...this.#batchOptions, nowMs: writtenMs ?? nowMs },
      (one) => event = one,
    );
    const [eventMs] = event === undefined ? [] : eventTimestamp(event);
    if (eventMs !== undefined) this.#context.onLag((nowMs - eventMs) / 1000, nowMs);
  }

  #tapRaw(events: readonly RawEvent[]): void {
    const { raw } = this.#context.taps;
    if (raw.size === 0) return;
    for (const { payload } of events) {
      const text = (): string =>
        typeof payload === "string" ? payload : jsonText(payload.toValue());
      for (const listener of raw) listener(this.source.id, text);
    }
  }

  #tapDecoded(event: LogEvent): void {
    for (const listener of this.#context.taps.decoded) {
      listener(this.source.id, () => jsonText(event.toValue()));
    }
  }
}

/** Resolves as `promise` does, unless `signal` comes first: a stalled commit must not delay a stop. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw signal.reason;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function lowerCase(logsource: NonNullable<SourceCommon["logsource"]>): StaticLogsource {
  const { custom, ...plain } = logsource;
  const lower = (names: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(names).map(([dimension, name]) => [dimension, name.toLowerCase()]),
    );
  return { ...lower(plain), ...(custom === undefined ? {} : { custom: lower(custom) }) };
}
