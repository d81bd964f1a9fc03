/**
 * The interfaces that event sources and sinks implement.
 *
 * The way of an event: a source yields batches of records with the position behind them; what the
 * rules make of a batch is committed together with that position; sinks are fed from what was
 * committed. So a record is never lost between a source and a sink, and a record that is read twice
 * gives alerts with the same ids as the first time.
 */
import type { LogEvent } from "../event/event.ts";
import type { Alert } from "./alert.ts";
import type { DeliveryError } from "./errors.ts";

/** One record as its source has it. */
export interface RawEvent {
  /** A line or message still to be decoded, or an event of a source that decodes by itself. */
  readonly payload: string | LogEvent;
  /**
   * Names the record among all of its origin, for ever: it goes into alert ids. Reading the same
   * record again gives the same id; a getter may build it, since few records need it.
   */
  readonly recordId: string;
  /** The place inside the source, such as the path of a file; the source's id where there is none. */
  readonly origin: string;
  /**
   * When the record was written at the latest, in Unix milliseconds, where the source knows: times in
   * it that tell no year are before that. Absent for what is read as soon as it is written.
   */
  readonly writtenMs?: number;
}

/** Records that were read together. */
export interface EventBatch {
  /** In the order of their origin. */
  readonly events: readonly RawEvent[];
  /** Where to resume behind this batch, in the source's own notation. */
  readonly position: string;
  /**
   * Called once, after the batch and its alerts are on disk. Logs a failure instead of rejecting.
   * Absent where the origin needs no acknowledgement.
   */
  ack?(): Promise<void>;
  /** What the source itself has to report, such as lost events: becomes alerts of kind `gap`. */
  readonly notices?: readonly SourceNotice[];
}

/** Something a source reports as an alert of its own. */
export interface SourceNotice {
  /** Names the notice for ever, as `RawEvent.recordId` does. */
  readonly id: string;
  /** What happened: `event_loss`, `log_cleared`, `truncated`. */
  readonly reason: string;
  /** For people; becomes the alert's title. */
  readonly message: string;
  /** Facts for the alert's `gap` object; JSON values. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** What a source can tell about itself; all counts since it was made. */
export interface SourceHealth {
  /** `waiting` for something that will come by itself: a file, a connection. */
  readonly state: "starting" | "running" | "waiting" | "failed" | "stopped";
  /** The last failure, in words, while `state` is `failed` or `waiting`. */
  readonly error?: string;
  /** Bytes, records or seconds behind the end, where the source knows: `{bytes: 120}`. */
  readonly lag?: Readonly<Record<string, number>>;
  /** Other numbers: `files`, `rotations`, `truncations`, `replacements`, `long_lines`. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** Where events come from. */
export interface EventSource {
  /** Names the source in positions and alerts; the same for ever. */
  readonly id: string;
  /** `file`, `evtx`, `journald`, `stdin`, `http`, `otlp`, `unix`, `nats`. */
  readonly kind: string;
  /**
   * Reads on behind `from`, waiting for more where the source is live.
   *
   * Opens on the first pull and closes itself on `break`, failure and abort. What is pulled slowly
   * is read slowly. A batch holds at most a few thousand records or a few megabytes, and at least
   * one record, notice or a moved position.
   *
   * @param from A position that an earlier batch of this source carried; `undefined` at first sight.
   * @throws {SourceError} Nothing has been skipped; the caller may call `read` again.
   * Rejects with the reason of `signal`.
   */
  read(from: string | undefined, signal: AbortSignal): AsyncIterable<EventBatch>;
  /** How it is doing now; cheap. */
  health(): SourceHealth;
}

/** Where alerts go. */
export interface Sink extends AsyncDisposable {
  /** Names the sink in the outbox; the same for ever. */
  readonly id: string;
  /** `stdout`, `file`, `nats`, `http`, `unix`, `otlp`. */
  readonly kind: string;
  /**
   * Delivers alerts in their order; connects when needed.
   *
   * @returns For each alert `undefined` if the far end has it, else why not. One that failed does
   *   not keep the next from being tried, unless it would fail for the same reason.
   * @throws {DeliveryError} The same failure for all of them; any of them may have arrived.
   * Rejects with the reason of `signal`.
   */
  send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]>;
  /** The far end's own position after what was sent last, kept for `reconcile`. JSON text. */
  peerPosition?(): string | undefined;
  /**
   * Which of `alerts` the far end already holds, asked before sending what may have been sent before
   * a crash or a broken connection.
   *
   * @param peerPosition What `peerPosition` gave when the outbox was last updated.
   * @returns Their ids; empty where the far end cannot tell.
   */
  reconcile?(
    alerts: readonly Alert[],
    peerPosition: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>>;
  /** Opens files again and reads certificates and credentials again: SIGHUP and reload. */
  reopen?(): void;
  /** Tries to reach the far end without delivering anything; for `picket doctor`. */
  probe?(signal: AbortSignal): Promise<void>;
}
