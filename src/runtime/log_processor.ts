/**
 * Lines in, results out, with rules that can be exchanged meanwhile.
 */
import type { EventFilter } from "../decode/filter/types.ts";
import type { LineFormat } from "../decode/parse_line.ts";
import type { EventEvaluator } from "../engine/engine.ts";
import type { StaticLogsource } from "../engine/logsource.ts";
import type { DetectionResult } from "../engine/result.ts";
import type { LogEvent } from "../event/event.ts";
import { type InputOptions, visitEvents } from "./input_events.ts";
import { type MetricsHook, noopMetrics } from "./metrics.ts";
import { type LoadStats, RuntimeEngine, type RuntimeEngineOptions } from "./runtime_engine.ts";

/** How the lines of a batch are read. */
export interface BatchOptions extends InputOptions {
  /** What is known of the logsource of events that do not tell it. */
  readonly logsource?: StaticLogsource;
  /** Events that `BatchRun.step` evaluates between two looks at the clock. Default 32. */
  readonly eventsPerLook?: number;
  /**
   * When an input was written at the latest, in Unix milliseconds, if that is known: instead of
   * `nowMs` for what has lain for long.
   */
  readonly writtenMs?: (index: number) => number | undefined;
}

/** An input that is not an event. */
export interface ParseFailure {
  /** Its place in the batch, from 0. */
  readonly index: number;
  /** `decode_json`, `filter`, `unknown_schema` or `evaluate`: a label for counters. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

/** What became of a batch. */
export interface BatchResult {
  /** For each input, at its index, the results of its events, in the order of the rules. */
  readonly results: readonly (readonly DetectionResult[])[];
  /** In the order of the inputs; only outputs of a filter can have failed beside others. */
  readonly failures: readonly ParseFailure[];
  /** Events that were evaluated: blank inputs and failures are none. */
  readonly events: number;
}

/** What is told while a batch is evaluated. `index` counts the inputs from 0. */
export interface BatchVisitor {
  /** Called for events with results only. */
  matched(index: number, event: LogEvent, results: readonly DetectionResult[]): void;
  /** Called for inputs that are no events, or whose filter failed in part, in their order. */
  failed(failure: ParseFailure): void;
  /** Called for every event before it is evaluated. */
  decoded?(index: number, event: LogEvent): void;
}

const NO_RESULTS: readonly DetectionResult[] = [];
/** Events between two looks at the clock: some tenths of a millisecond. */
const EVENTS_PER_LOOK = 32;
/** What was written later is as good as written now. */
const LONG_AGO_MS = 86_400_000;

/** A batch on its way through the rules of when it was begun; see `LogProcessor.startBatch`. */
export class BatchRun {
  readonly #engine: EventEvaluator;
  readonly #inputs: readonly (string | LogEvent)[];
  readonly #options: BatchOptions;
  readonly #visitor: BatchVisitor;
  readonly #metrics: MetricsHook;
  #next = 0;
  #events = 0;
  #matches = 0;
  #seconds = 0;
  /** For the inputs that were written when the last old one was. */
  #old: BatchOptions | undefined;

  /**
   * Use `LogProcessor.startBatch`.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` if `engine` has not loaded its rules.
   */
  constructor(
    engine: RuntimeEngine,
    inputs: readonly (string | LogEvent)[],
    options: BatchOptions,
    visitor: BatchVisitor,
    metrics: MetricsHook,
  ) {
    this.#engine = engine.loaded();
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
   * Evaluates for about `forMs` milliseconds, at least some events; `Infinity` for all that is left.
   *
   * @returns Whether the batch is finished. Call no more then.
   */
  step(forMs: number): boolean {
    const startedAt = performance.now();
    const inputs = this.#inputs;
    const perLook = this.#options.eventsPerLook ?? EVENTS_PER_LOOK;
    while (this.#next < inputs.length) {
      const end = Math.min(inputs.length, this.#next + perLook);
      // An input that holds many events counts as many.
      const enough = this.#events + perLook;
      for (; this.#next < end && this.#events < enough; this.#next++) {
        this.#one(this.#next, inputs[this.#next]!);
      }
      if (performance.now() - startedAt >= forMs) break;
    }
    this.#seconds += (performance.now() - startedAt) / 1000;
    if (this.#next < inputs.length) return false;
    this.#count();
    return true;
  }

  #one(index: number, input: string | LogEvent): void {
    const failure = visitEvents(
      input,
      this.#optionsOf(index),
      (event) => this.#evaluate(index, event),
    );
    if (failure !== undefined) this.#fail(index, failure.reason, failure.message);
  }

  /** Files that are written to have been written just now: only old ones need options of their own. */
  #optionsOf(index: number): BatchOptions {
    const writtenMs = this.#options.writtenMs?.(index);
    if (writtenMs === undefined || writtenMs > this.#options.nowMs! - LONG_AGO_MS) {
      return this.#options;
    }
    if (this.#old?.nowMs !== writtenMs) this.#old = { ...this.#options, nowMs: writtenMs };
    return this.#old;
  }

  #fail(index: number, reason: string, message: string): void {
    this.#metrics.onParseError(this.#options.format ?? "auto", reason);
    this.#visitor.failed({ index, reason, message });
  }

  #evaluate(index: number, event: LogEvent): void {
    this.#events++;
    this.#visitor.decoded?.(index, event);
    let results: readonly DetectionResult[];
    try {
      results = this.#engine.evaluate(event, this.#options.logsource);
    } catch (error) {
      // A bug of ours; one event must not keep all others from being looked at.
      this.#fail(index, "evaluate", error instanceof Error ? error.message : String(error));
      return;
    }
    if (results.length === 0) {
      const refusal = this.#engine.lastRefusal;
      if (refusal !== undefined) this.#fail(index, "unknown_schema", refusal);
      return;
    }
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
  /** The reloads so far: they follow one another, so that the last one called for wins. */
  #reloads: Promise<unknown> = Promise.resolve();

  /**
   * @param engine Whose rules have been loaded.
   * @param metrics Told of events, failures and matches.
   */
  constructor(engine: RuntimeEngine, metrics: MetricsHook = noopMetrics) {
    this.#engine = engine;
    this.#metrics = metrics;
  }

  /**
   * Loads the rules of `options` and evaluates with them; `processor.engine.stats` tells what there
   * is.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE`.
   */
  static async open(
    options: RuntimeEngineOptions,
    metrics: MetricsHook = noopMetrics,
  ): Promise<LogProcessor> {
    const engine = new RuntimeEngine(options);
    const stats = await engine.loadRules();
    metrics.setRulesLoaded?.(stats.detectionRules, stats.correlationRules, stats.failed);
    return new LogProcessor(engine, metrics);
  }

  /** The engine that the next batch will be evaluated with. */
  get engine(): RuntimeEngine {
    return this.#engine;
  }

  /**
   * The results for each of `lines`, at its index, in the order of the rules. Lines are JSON or
   * whatever `auto` makes of them, which takes every line.
   */
  processBatchLines(lines: readonly string[]): readonly (readonly DetectionResult[])[] {
    return this.processBatchDetailed(lines, {}).results;
  }

  /**
   * The same for lines of a known format. A line that is not of it has no results, as one without a
   * match; `processBatchDetailed` tells them apart.
   */
  processBatchWithFormat(
    lines: readonly string[],
    format: LineFormat,
    filter?: EventFilter,
  ): readonly (readonly DetectionResult[])[] {
    const options = filter === undefined ? { format } : { format, filter };
    return this.processBatchDetailed(lines, options).results;
  }

  /**
   * The same, and which inputs were not events. An input may be an event already.
   *
   * Never throws for what is in the inputs.
   */
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

  /**
   * Begins a batch that is evaluated in steps, all of them with the rules of now, whatever is loaded
   * or swapped meanwhile. Its visitor sees the events behind the results.
   *
   * ```ts
   * const run = processor.startBatch(lines, {}, { matched: console.log, failed: console.warn });
   * while (!run.step(8)) await new Promise(setImmediate); // Others get their turn every 8 ms.
   * ```
   */
  startBatch(
    inputs: readonly (string | LogEvent)[],
    options: BatchOptions,
    visitor: BatchVisitor,
  ): BatchRun {
    return new BatchRun(this.#engine, inputs, options, visitor, this.#metrics);
  }

  /**
   * Loads the rules again. Batches that have begun finish with the old ones, the next one sees the
   * new ones. Reloads that are called for meanwhile follow one another.
   *
   * @returns What is in the rules that are in service now.
   * @throws {RuntimeError} `RULES_UNUSABLE`, with the reason in `message` and `problems`; the old
   *   rules stay.
   * Rejects with the reason of `signal`; the old rules stay.
   */
  reloadRules(signal?: AbortSignal): Promise<LoadStats> {
    const reload = this.#reloads.then(() => this.#reload(signal));
    this.#reloads = reload.catch(() => {});
    return reload;
  }

  async #reload(signal: AbortSignal | undefined): Promise<LoadStats> {
    let before: RuntimeEngine;
    let next: RuntimeEngine;
    let stats: LoadStats;
    do {
      signal?.throwIfAborted();
      before = this.#engine;
      next = new RuntimeEngine(before.options);
      stats = await next.loadRules(signal);
      // An engine that was swapped in meanwhile may have other options: its rules are wanted now.
    } while (this.#engine !== before);
    this.#engine = next;
    this.#metrics.setRulesLoaded?.(stats.detectionRules, stats.correlationRules, stats.failed);
    return stats;
  }

  /**
   * Evaluates with another engine from the next batch on. Batches that have begun finish with the
   * one of before.
   */
  swapEngine(engine: RuntimeEngine): void {
    this.#engine = engine;
  }
}
