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
  onEventsProcessed(count: number): void;
  onParseError(format: string, reason: string): void;
  onDetectionMatches(count: number): void;
  onCorrelationMatches(count: number): void;
  onDetectionMatchDetail?(ruleTitle: string, level: Level | null): void;
  observeProcessingLatency(seconds: number, events: number): void;
  observePipelineLatency(seconds: number): void;
  observeBatchSize(events: number): void;
  observeBatchPhase?(phase: BatchPhase, seconds: number): void;
  onInputQueueDepthChange(change: number): void;
  onOutputQueueDepthChange(change: number): void;
  onBackPressure(): void;
  setCorrelationStateEntries(entries: number): void;
  setRulesLoaded?(detection: number, correlation: number, failed: number): void;
  onReload?(failedComponents: number): void;
  /** Lines and bytes that a source has read. */
  onInput?(sourceId: string, lines: number, bytes: number): void;
  onCommit?(seconds: number, added: number, duplicates: number, dropped: number): void;
  /** How long ago, in seconds, `events` events happened when they were read. */
  observeEventLag?(seconds: number, events: number): void;
  /** The state file could not take a commit for want of room. */
  onDiskFull?(): void;
  onDeadLetters?(stage: string, code: string, count: number): void;
  registerSink?(sinkId: string, kind: string): void;
  onSinkDelivered?(sinkId: string, kind: string, alerts: number): void;
  onSinkRetry?(sinkId: string): void;
  onSinkDropped?(sinkId: string, alerts: number): void;
  /** `failure` is a `DeliveryFailure`; `final` when the alert was given up. */
  onSinkFailure?(sinkId: string, failure: string, final: boolean): void;
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
