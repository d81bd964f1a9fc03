/**
 * What a drain is given, and what it tells about itself: numbers for the API, counters for the
 * metrics.
 */
import type { DeliveryFailure } from "../runtime/errors.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import type { Outbox, SinkBacklog } from "../runtime/outbox.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { SinkCommon } from "../runtime/settings.ts";
import type { Clock } from "./clock.ts";

/** What a drain works with. */
export interface DrainOptions {
  /** Is left to its owner to dispose of. */
  readonly sink: Sink;
  /** The sink must be registered in it. */
  readonly outbox: Outbox;
  /** Sizes of batches and pauses. */
  readonly settings?: Omit<SinkCommon, "id" | "filter" | "start">;
  /** How long a refusal by configuration must last before an alert goes to the dead letters. */
  readonly configGraceMs?: number;
  /** A call that takes longer is aborted. Default 300,000. */
  readonly sendTimeoutMs?: number;
  /** Told of deliveries. */
  readonly metrics?: MetricsHook;
  /** For tests. */
  readonly clock?: Clock;
  /** From 0 to below 1, for the jitter. */
  readonly random?: () => number;
}

/** What a drain is doing. */
export type DrainState =
  /** Sending, or about to. */
  | "running"
  /** Nothing is due. */
  | "idle"
  /** Waiting after a failure that heals by itself. */
  | "backoff"
  /** Waiting after a failure of credentials or configuration. */
  | "paused"
  | "stopped";

/** A sink as the API shows it; times in Unix milliseconds, counts since the drain began. */
export interface DrainStatus {
  /** The sink's. */
  readonly id: string;
  /** The sink's. */
  readonly kind: string;
  /** What it is doing. */
  readonly state: DrainState;
  /** When the far end last took something. */
  readonly lastOkMs: number | undefined;
  /** Why it last did not. */
  readonly lastError: string | undefined;
  /** When that was. */
  readonly lastErrorMs: number | undefined;
  /** Calls in a row that failed as a whole. */
  readonly failures: number;
  /** Alerts that the far end has. */
  readonly delivered: number;
  /** Alerts given up. */
  readonly dead: number;
  /** Failed tries of alerts, each of which is followed by another. */
  readonly retries: number;
  /** When it tries again, if it waits. */
  readonly nextTryMs: number | undefined;
  /** What waits. */
  readonly backlog: SinkBacklog;
}

/** The counts of one drain. */
export class DrainTally {
  readonly #sink: Sink;
  readonly #metrics: MetricsHook;
  lastOkMs: number | undefined;
  lastError: string | undefined;
  lastErrorMs: number | undefined;
  delivered = 0;
  dead = 0;
  retries = 0;

  constructor(sink: Sink, metrics: MetricsHook) {
    this.#sink = sink;
    this.#metrics = metrics;
    metrics.registerSink?.(sink.id, sink.kind);
  }

  ok(alerts: number, nowMs: number): void {
    this.lastOkMs = nowMs;
    this.delivered += alerts;
    this.#metrics.onSinkDelivered?.(this.#sink.id, this.#sink.kind, alerts);
  }

  /** One alert was not taken; it is tried again or given up. */
  failed(failure: DeliveryFailure, given: "retry" | "dead"): void {
    this.#metrics.onSinkFailure?.(this.#sink.id, failure, given === "dead");
    if (given === "dead") {
      this.dead++;
      this.#metrics.onDeadLetters?.("deliver", failure, 1);
      return;
    }
    this.retries++;
    this.#metrics.onSinkRetry?.(this.#sink.id);
  }

  /** The sink could not even be asked. */
  unreachable(failure: DeliveryFailure): void {
    this.#metrics.onSinkFailure?.(this.#sink.id, failure, false);
  }

  error(message: string, nowMs: number): void {
    this.lastError = message;
    this.lastErrorMs = nowMs;
  }
}
