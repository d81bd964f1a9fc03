/**
 * What the runtime tells about its work, without knowing who counts.
 *
 * Each method is named after the metric family that it feeds; `src/admin` feeds Prometheus.
 */
import type { Level } from "../sigma/rule.ts";

/** Phases of a batch, as `batch_phase_duration_seconds` labels them. */
export type BatchPhase =
  | "parse"
  | "decode_merge"
  | "observe"
  | "evaluate"
  | "result_merge"
  | "dispatch";

/** The hook; durations are in seconds, `change…` takes a signed difference. */
export interface MetricsHook {
  /** Events that were evaluated, behind each batch. */
  onEventsProcessed(count: number): void;
  /** An input was no event; `reason` is that of `ParseFailure`. */
  onParseError(format: string, reason: string): void;
  /** Results of a batch. */
  onDetectionMatches(count: number): void;
  /** Results of correlations; none is evaluated yet. */
  onCorrelationMatches(count: number): void;
  /** One result of a rule. */
  onDetectionMatchDetail?(ruleTitle: string, level: Level | null): void;
  /** Seconds that each of `events` took on average. */
  observeProcessingLatency(seconds: number, events: number): void;
  /** Seconds that a batch was on its way through the rules, pauses included. */
  observePipelineLatency(seconds: number): void;
  /** Events of a batch. */
  observeBatchSize(events: number): void;
  /** Seconds that a phase of a batch took. */
  observeBatchPhase?(phase: BatchPhase, seconds: number): void;
  /** Events that were read ahead, or taken. */
  onInputQueueDepthChange(change: number): void;
  /** Alerts that wait for the commit, or were committed. */
  onOutputQueueDepthChange(change: number): void;
  /** A source has to wait, since as much was read ahead as may be. */
  onBackPressure(): void;
  /** Groups that correlations remember. */
  setCorrelationStateEntries(entries: number): void;
  /** What is in service after a load: `failed` counts errors. */
  setRulesLoaded?(detection: number, correlation: number, failed: number): void;
  /** A reload has ended; 0 if all of it succeeded. */
  onReload?(failedComponents: number): void;
  /** Lines and bytes that a source has read. */
  onInput?(sourceId: string, lines: number, bytes: number): void;
  /** A transaction of the outbox; see `CommitResult`. */
  onCommit?(seconds: number, added: number, duplicates: number, dropped: number): void;
  /** How long ago, in seconds, `events` events happened when they were read. */
  observeEventLag?(seconds: number, events: number): void;
  /** The state file could not take a commit for want of room. */
  onDiskFull?(): void;
  /** Records and alerts that were given up; `stage` is a `DeadLetterStage`. */
  onDeadLetters?(stage: string, code: string, count: number): void;
  /** A sink begins to deliver; its counts are 0. */
  registerSink?(sinkId: string, kind: string): void;
  /** The far end has so many alerts more. */
  onSinkDelivered?(sinkId: string, kind: string, alerts: number): void;
  /** An alert will be tried again. */
  onSinkRetry?(sinkId: string): void;
  /** Alerts that made room in the outbox before this sink had them. */
  onSinkDropped?(sinkId: string, alerts: number): void;
  /** `failure` is a `DeliveryFailure`; `final` when the alert was given up. */
  onSinkFailure?(sinkId: string, failure: string, final: boolean): void;
  /** A connection that the egress policy does not allow. */
  onEgressDenied?(addressClass: string, component: string): void;
}

/** Counts nothing. */
export const noopMetrics: MetricsHook = {
  onEventsProcessed() {},
  onParseError() {},
  onDetectionMatches() {},
  onCorrelationMatches() {},
  observeProcessingLatency() {},
  observePipelineLatency() {},
  observeBatchSize() {},
  onInputQueueDepthChange() {},
  onOutputQueueDepthChange() {},
  onBackPressure() {},
  setCorrelationStateEntries() {},
};
