/**
 * Lines in, results out, with rules that can be exchanged meanwhile.
 */
import { DecodeError } from "../decode/json.ts";
import { type LineFormat, type LineOptions, parseLine } from "../decode/parse_line.ts";
import type { StaticLogsource } from "../engine/logsource.ts";
import type { DetectionResult } from "../engine/result.ts";
import type { LogEvent } from "../event/event.ts";
import { type MetricsHook, noopMetrics } from "./metrics.ts";
import { type LoadStats, RuntimeEngine } from "./runtime_engine.ts";

/** Makes any number of events of one; none drops it. Throwing counts as a parse error. */
export type EventFilter = (event: LogEvent) => readonly LogEvent[];

/** How the lines of a batch are read. */
export interface BatchOptions extends LineOptions {
  readonly format?: LineFormat;
  readonly filter?: EventFilter;
  /** What is known of the logsource of events that do not tell it. */
  readonly logsource?: StaticLogsource;
}

/** An input that is not an event. */
export interface ParseFailure {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly reason: string;
  readonly message: string;
}

export interface BatchResult {
  /** For each input the results of its events, in the order of the rules. */
  readonly results: readonly (readonly DetectionResult[])[];
  readonly failures: readonly ParseFailure[];
  /** Events that were evaluated: blank inputs and failures are none. */
  readonly events: number;
}

/** What is told while a batch is evaluated. `index` counts the inputs from 0. */
export interface BatchVisitor {
  /** Called for events with results only. */
  matched(index: number, event: LogEvent, results: readonly DetectionResult[]): void;
  failed(failure: ParseFailure): void;
  /** Called for every event before it is evaluated. */
  decoded?(index: number, event: LogEvent): void;
}

const NO_RESULTS: readonly DetectionResult[] = [];
/** Events between two looks at the clock: some tenths of a millisecond. */
const EVENTS_PER_LOOK = 32;

/** A batch on its way through the rules. */
export class BatchRun {
  readonly #engine: RuntimeEngine;
  readonly #inputs: readonly (string | LogEvent)[];
  readonly #options: BatchOptions;
  readonly #visitor: BatchVisitor;
  readonly #metrics: MetricsHook;
  #next = 0;
  #events = 0;
  #matches = 0;
  #seconds = 0;

  constructor(
    engine: RuntimeEngine,
    inputs: readonly (string | LogEvent)[],
    options: BatchOptions,
    visitor: BatchVisitor,
    metrics: MetricsHook,
  ) {
    this.#engine = engine;
    this.#inputs = inputs;
    this.#options = { nowMs: Date.now(), ...options };
    this.#visitor = visitor;
    this.#metrics = metrics;
  }

  /** Events that have been evaluated. */
  get events(): number {
    return this.#events;
  }

  /**
   * Evaluates for about `forMs` milliseconds.
   *
   * @returns Whether the batch is finished.
   */
  step(forMs: number): boolean {
    const startedAt = performance.now();
    const inputs = this.#inputs;
    while (this.#next < inputs.length) {
      const end = Math.min(inputs.length, this.#next + EVENTS_PER_LOOK);
      for (; this.#next < end; this.#next++) this.#one(this.#next, inputs[this.#next]!);
      if (performance.now() - startedAt >= forMs) break;
    }
    this.#seconds += (performance.now() - startedAt) / 1000;
    if (this.#next < inputs.length) return false;
    this.#count();
    return true;
  }

  #one(index: number, input: string | LogEvent): void {
    const { format = "auto", filter } = this.#options;
    try {
      const event = typeof input === "string" ? parseLine(input, format, this.#options) : input;
      if (event === undefined) return;
      if (filter === undefined) this.#evaluate(index, event);
      else for (const made of filter(event)) this.#evaluate(index, made);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const reason = error.code.toLowerCase();
      this.#metrics.onParseError(format, reason);
      this.#visitor.failed({ index, reason, message: error.message });
    }
  }

  #evaluate(index: number, event: LogEvent): void {
    this.#events++;
    this.#visitor.decoded?.(index, event);
    const results = this.#engine.evaluate(event, this.#options.logsource);
    if (results.length === 0) return;
    this.#matches += results.length;
    this.#visitor.matched(index, event, results);
  }

  #count(): void {
    const metrics = this.#metrics;
    const events = this.#events;
    metrics.observeBatchSize(events);
    metrics.onEventsProcessed(events);
    if (events > 0) metrics.observeProcessingLatency(this.#seconds / events, events);
    metrics.observeBatchPhase?.("evaluate", this.#seconds);
    if (this.#matches > 0) metrics.onDetectionMatches(this.#matches);
  }
}

/**
 * Evaluates batches of lines and reloads rules between them.
 *
 * A batch is evaluated with one set of rules from its first line to its last.
 *
 * ```ts
 * const processor = await LogProcessor.open({ rules: "./rules" });
 * const results = processor.processBatchLines(['{"Image":"C:\\\\mimikatz.exe"}']);
 * ```
 */
export class LogProcessor {
  readonly #metrics: MetricsHook;
  #engine: RuntimeEngine;

  /** @param engine Whose rules have been loaded. */
  constructor(engine: RuntimeEngine, metrics: MetricsHook = noopMetrics) {
    this.#engine = engine;
    this.#metrics = metrics;
  }

  /** Loads the rules of `options` and evaluates with them. */
  static async open(
    options: ConstructorParameters<typeof RuntimeEngine>[0],
    metrics?: MetricsHook,
  ): Promise<LogProcessor> {
    const engine = new RuntimeEngine(options);
    await engine.loadRules();
    return new LogProcessor(engine, metrics);
  }

  /** The engine that the next batch will be evaluated with. */
  get engine(): RuntimeEngine {
    return this.#engine;
  }

  /** The results for each of `lines`, which are JSON or whatever `auto` makes of them. */
  processBatchLines(lines: readonly string[]): readonly (readonly DetectionResult[])[] {
    return this.processBatchDetailed(lines, {}).results;
  }

  /** The same for lines of a known format. */
  processBatchWithFormat(
    lines: readonly string[],
    format: LineFormat,
    filter?: EventFilter,
  ): readonly (readonly DetectionResult[])[] {
    const options = filter === undefined ? { format } : { format, filter };
    return this.processBatchDetailed(lines, options).results;
  }

  /** The same, and which inputs were not events. An input may be an event already. */
  processBatchDetailed(
    inputs: readonly (string | LogEvent)[],
    options: BatchOptions = {},
  ): BatchResult {
    const results = inputs.map(() => NO_RESULTS);
    const failures: ParseFailure[] = [];
    const run = this.startBatch(inputs, options, {
      // An input that a filter made several events of has the results of all of them.
      matched: (index, _event, found) => results[index] = [...results[index]!, ...found],
      failed: (failure) => failures.push(failure),
    });
    run.step(Infinity);
    return { results, failures, events: run.events };
  }

  /** Begins a batch that is evaluated in steps, all of them with the rules of now. */
  startBatch(
    inputs: readonly (string | LogEvent)[],
    options: BatchOptions,
    visitor: BatchVisitor,
  ): BatchRun {
    return new BatchRun(this.#engine, inputs, options, visitor, this.#metrics);
  }

  /**
   * Loads the rules again. Batches that are being evaluated finish with the old ones.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE`; the old rules stay.
   */
  async reloadRules(signal?: AbortSignal): Promise<LoadStats> {
    const next = new RuntimeEngine(this.#engine.options);
    const stats = await next.loadRules(signal);
    this.#engine = next;
    this.#metrics.setRulesLoaded?.(stats.detectionRules, stats.correlationRules, stats.failed);
    return stats;
  }

  /** Evaluates with another engine from the next batch on. */
  swapEngine(engine: RuntimeEngine): void {
    this.#engine = engine;
  }
}
