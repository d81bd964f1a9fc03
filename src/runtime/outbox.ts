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
  /** In the order in which sinks are to get them. */
  readonly alerts: readonly NewAlert[];
  /** By source id: the position behind the last record that `alerts` accounts for. */
  readonly positions: ReadonlyMap<string, string>;
  /** Records that could not be decoded. */
  readonly deadLetters?: readonly NewDeadLetter[];
  /** Unix milliseconds, the `createdMs` of the alerts. */
  readonly nowMs: number;
}

/** What a commit did. */
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
  /** Alerts of this level and above; those without a level are below all. */
  readonly minLevel?: Level;
  /** Rule ids or titles, `*` and `?` as wildcards, without regard to case. */
  readonly rules?: readonly string[];
  /** The same; they win over `rules`. */
  readonly excludeRules?: readonly string[];
  /** Only alerts of these kinds. */
  readonly kinds?: readonly AlertKind[];
}

/** A sink as the outbox knows it. */
export interface SinkRegistration {
  /** The sink's id; its place in the outbox is kept under it. */
  readonly id: string;
  /** Alerts outside of it count as delivered. */
  readonly filter: SinkFilter;
  /** Where a sink that is new begins. Default `newest`: with the next alert. */
  readonly start?: "newest" | "oldest";
}

/** An alert that waits for a sink. */
export interface PendingAlert {
  /** The alert. */
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
  /** The sink. */
  readonly sinkId: string;
  /** Alerts that wait, and the bytes of their bodies. */
  readonly alerts: number;
  /** Of the bodies of those alerts. */
  readonly bytes: number;
  /** Age of the oldest one, in milliseconds; 0 without any. */
  readonly oldestMs: number;
  /** Alerts that were given up for this sink and are still kept. */
  readonly deadLetters: number;
}

/**
 * Where it was given up: a record that is no event, an alert that its sink refused, one that made
 * room, one that is too large.
 */
export type DeadLetterStage = "parse" | "deliver" | "evicted" | "oversize";

/** Something that was given up, before it is committed. */
export interface NewDeadLetter {
  /** Where it was given up. */
  readonly stage: DeadLetterStage;
  /** Where it came from. */
  readonly sourceId?: string;
  /** `RawEvent.recordId`. */
  readonly recordId?: string;
  /** The line or alert as it was. */
  readonly original: string;
  /** A label for counters. */
  readonly code: string;
  /** For people. */
  readonly error: string;
}

/** Something that was given up. */
export interface DeadLetter extends NewDeadLetter {
  /** Ascends. */
  readonly id: number;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** The sink that did not take the alert. */
  readonly sinkId?: string;
  /** The alert. */
  readonly alertId?: string;
  /** How often it was tried. */
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
  /** What `settle` was given last; `undefined` if nothing was. */
  peerPosition(sinkId: string): string | undefined;
  /** What waits for a sink. */
  backlog(sinkId: string, nowMs: number): SinkBacklog;
  /** The dead letters that no dead-letter sink has got yet, and the call that says it has. */
  unreportedDeadLetters(limit: number): readonly DeadLetter[];
  /** The dead-letter sink has these. */
  markDeadLettersReported(ids: readonly number[]): void;
}
