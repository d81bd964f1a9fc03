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

const NO_RESULTS: readonly DetectionResult[] = [];

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
    options: BatchOptions,
  ): BatchResult {
    const engine = this.#engine;
    const results: (readonly DetectionResult[])[] = [];
    const failures: ParseFailure[] = [];
    let events = 0;
    let matches = 0;
    const startedAt = performance.now();
    for (const [index, input] of inputs.entries()) {
      const found = this.#processOne(engine, input, options, (event) => {
        events++;
        return event;
      }, (reason, message) => failures.push({ index, reason, message }));
      matches += found.length;
      results.push(found);
    }
    this.#count(events, matches, failures, options.format ?? "auto", startedAt);
    return { results, failures, events };
  }

  #processOne(
    engine: RuntimeEngine,
    input: string | LogEvent,
    options: BatchOptions,
    counted: (event: LogEvent) => LogEvent,
    fail: (reason: string, message: string) => void,
  ): readonly DetectionResult[] {
    let events: readonly LogEvent[];
    try {
      const event = typeof input === "string"
        ? parseLine(input, options.format ?? "auto", options)
        : input;
      if (event === undefined) return NO_RESULTS;
      if (options.filter === undefined) {
        return engine.evaluate(counted(event), options.logsource);
      }
      events = options.filter(event);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      fail(error.code.toLowerCase(), error.message);
      return NO_RESULTS;
    }
    return events.flatMap((event) => engine.evaluate(counted(event), options.logsource));
  }

  #count(
    events: number,
    matches: number,
    failures: readonly ParseFailure[],
    format: LineFormat,
    startedAt: number,
  ): void {
    const metrics = this.#metrics;
    metrics.observeBatchSize(events);
    metrics.onEventsProcessed(events);
    if (events > 0) {
      metrics.observeProcessingLatency((performance.now() - startedAt) / 1000 / events, events);
    }
    if (matches > 0) metrics.onDetectionMatches(matches);
    for (const { reason } of failures) metrics.onParseError(format, reason);
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
