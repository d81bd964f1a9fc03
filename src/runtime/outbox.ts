/**
 * What is kept on disk between evaluating and delivering. `src/store` implements it in SQLite.
 *
 * All calls are synchronous and short; there is one writer, the agent's main thread.
 */
import type { Level } from "../sigma/rule.ts";
import type { Alert, AlertKind, NewAlert } from "./alert.ts";
import type { DeliveryFailure } from "./errors.ts";

/** Everything that happens in one transaction: the group commit. */
export interface Commit {
  readonly alerts: readonly NewAlert[];
  /** By source id: the position behind the last record that `alerts` accounts for. */
  readonly positions: ReadonlyMap<string, string>;
  /** Records that could not be decoded. */
  readonly deadLetters?: readonly NewDeadLetter[];
  /** Unix milliseconds, the `createdMs` of the alerts. */
  readonly nowMs: number;
}

export interface CommitResult {
  /** Alerts that were added. */
  readonly added: number;
  /** Alerts that were there before, or had been delivered before: the same record read again. */
  readonly duplicates: number;
  /** Alerts that had to go to keep the outbox within its bounds. */
  readonly dropped: number;
}

/** Which alerts a sink wants. Empty or absent lists mean all. */
export interface SinkFilter {
  readonly minLevel?: Level;
  /** Rule ids or titles, `*` and `?` as wildcards, without regard to case. */
  readonly rules?: readonly string[];
  readonly excludeRules?: readonly string[];
  readonly kinds?: readonly AlertKind[];
}

/** A sink as the outbox knows it. */
export interface SinkRegistration {
  readonly id: string;
  readonly filter: SinkFilter;
  /** Where a sink that is new begins. Default `newest`: with the next alert. */
  readonly start?: "newest" | "oldest";
}

/** An alert that waits for a sink. */
export interface PendingAlert {
  readonly alert: Alert;
  /** How often it was tried before. */
  readonly attempts: number;
}

/** What became of an alert at a sink. */
export type Settlement =
  | { readonly seq: number; readonly outcome: "delivered" }
  /** To be tried again, not before `nextMs` (Unix milliseconds). */
  | {
    readonly seq: number;
    readonly outcome: "retry";
    readonly nextMs: number;
    readonly error: string;
  }
  /** Given up: it goes to the dead letters. */
  | {
    readonly seq: number;
    readonly outcome: "dead";
    readonly failure: DeliveryFailure;
    readonly error: string;
  };

/** The backlog of one sink. */
export interface SinkBacklog {
  readonly sinkId: string;
  /** Alerts that wait, and the bytes of their bodies. */
  readonly alerts: number;
  readonly bytes: number;
  /** Age of the oldest one, in milliseconds; 0 without any. */
  readonly oldestMs: number;
  readonly deadLetters: number;
}

export type DeadLetterStage = "parse" | "deliver" | "evicted" | "oversize";

export interface NewDeadLetter {
  readonly stage: DeadLetterStage;
  readonly sourceId?: string;
  readonly recordId?: string;
  /** The line or alert as it was. */
  readonly original: string;
  readonly code: string;
  readonly error: string;
}

export interface DeadLetter extends NewDeadLetter {
  readonly id: number;
  readonly createdMs: number;
  readonly sinkId?: string;
  readonly alertId?: string;
  readonly attempts: number;
}

/** The part of the state that delivery works on. */
export interface Outbox {
  /** Makes sinks known; those not named no longer hold rows back. */
  registerSinks(sinks: readonly SinkRegistration[], nowMs: number): void;
  /** The next alerts for a sink in order of `seq`, those not yet due left out. */
  pending(sinkId: string, limit: number, nowMs: number): readonly PendingAlert[];
  /** When the first alert that waits for its next try is due; `undefined` if none waits. */
  nextDueMs(sinkId: string): number | undefined;
  /**
   * Records what became of alerts, moves the sink's cursor and deletes what every sink has.
   *
   * @param peerPosition See `Sink.peerPosition`.
   */
  settle(
    sinkId: string,
    settlements: readonly Settlement[],
    nowMs: number,
    peerPosition?: string,
  ): void;
  peerPosition(sinkId: string): string | undefined;
  backlog(sinkId: string, nowMs: number): SinkBacklog;
  /** The dead letters that no dead-letter sink has got yet, and the call that says it has. */
  unreportedDeadLetters(limit: number): readonly DeadLetter[];
  markDeadLettersReported(ids: readonly number[]): void;
}
