/**
 * What one thread holds while it scans: an engine, its counts and its sorted hits.
 */
import type { EventEvaluator } from "../../src/engine/engine.ts";
import { openEvaluator } from "../../src/runtime/schema_routing.ts";
import { FieldObserver } from "../../src/schema/field_observer.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { type InputReading, inputReading } from "../commands/input_options.ts";
import { HitSorter } from "./hit_sorter.ts";
import {
  emptyCounts,
  type FromWorker,
  type ScanCounts,
  type ScanSettings,
  type ScanUnit,
} from "./types.ts";
import { UnitScanner } from "./unit_scanner.ts";

/** Progress is told at most this often. */
const PROGRESS_MS = 100;

/** Scans units one after another. */
export class ScanSession {
  readonly #rules: readonly DetectionRule[];
  readonly #engine: EventEvaluator;
  readonly #observer: FieldObserver | undefined;
  readonly #counts: ScanCounts = emptyCounts();
  readonly #sorter = new HitSorter();
  readonly #scanner: UnitScanner;
  readonly #send: (message: FromWorker) => void;
  #toldAt = 0;

  private constructor(
    rules: readonly DetectionRule[],
    settings: ScanSettings,
    reading: InputReading,
    send: (message: FromWorker) => void,
  ) {
    this.#rules = rules;
    this.#send = send;
    this.#engine = openEvaluator(rules, settings, settings.schema, this.#counts.routing);
    const { observeMaxKeys } = settings;
    this.#observer = observeMaxKeys === undefined ? undefined : new FieldObserver(observeMaxKeys);
    this.#scanner = new UnitScanner(
      this.#engine,
      settings,
      reading,
      this.#counts,
      this.#sorter,
      this.#observer,
    );
  }

  /** @param rules Already selected. */
  static async open(
    rules: readonly DetectionRule[],
    settings: ScanSettings,
    send: (message: FromWorker) => void,
  ): Promise<ScanSession> {
    const reading = await inputReading(settings.input);
    return new ScanSession(rules, settings, reading, send);
  }

  /** @returns The unit's number of lines; a unit that `signal` breaks off keeps what it gave. */
  scan(unit: ScanUnit, signal: AbortSignal): Promise<number> {
    return this.#scanner.scan(unit, signal, () => this.#tell());
  }

  #tell(): void {
    const now = performance.now();
    if (now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    const { bytes, events } = this.#counts;
    this.#send({ type: "progress", bytes, events, byLevel: this.#byLevel() });
  }

  #byLevel(): Record<string, number> {
    const byLevel: Record<string, number> = {};
    for (const [rule, hits] of this.#counts.byRule) {
      const level = this.#rules[rule]!.level ?? "none";
      byLevel[level] = (byLevel[level] ?? 0) + hits;
    }
    return byLevel;
  }

  /** The counts and hits of all units. */
  finish(): FromWorker & { readonly type: "finished" } {
    return {
      type: "finished",
      counts: this.#counts,
      ...this.#sorter.finish(),
      applied: this.#engine.applied(),
      ...(this.#observer === undefined ? {} : { fields: this.#observer.snapshot() }),
    };
  }
}
