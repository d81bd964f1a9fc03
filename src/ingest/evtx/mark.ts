/**
 * How far a log has been read, and how that is written down.
 */
import { SourceError } from "../../runtime/errors.ts";
import type { RecordName } from "./log_file.ts";

/** How far one log has been read. */
export interface Mark {
  /** The record read last; its id is 0 before the first one. */
  readonly last: RecordName;
  /**
   * The first record of the chunk with that one, or of the log before the first one was read: tells
   * a damaged log from another one.
   */
  readonly anchor: RecordName;
  /**
   * Missing ids up to this one are no loss: they were missing when the log was first seen.
   * `first`: nothing is known about the ids before the first record that will be seen.
   */
  readonly quiet: bigint | "first";
}

export const NO_RECORD: RecordName = { id: 0n, ticks: 0n };

/** All logs of a source. */
export interface EvtxPosition {
  /** Entries of the settings whose files were looked for before: files they gain begin at the start. */
  readonly known: readonly string[];
  readonly marks: ReadonlyMap<string, Mark>;
}

/** One line of JSON. */
export function formatPosition({ known, marks }: EvtxPosition): string {
  const logs: Record<string, string> = {};
  for (const [origin, { last, anchor, quiet }] of marks) {
    logs[origin] = [last.id, last.ticks, anchor.id, anchor.ticks, quiet].join(" ");
  }
  return JSON.stringify({ v: 1, known, logs });
}

const MARK = /^(\d{1,20}) (\d{1,20}) (\d{1,20}) (\d{1,20}) (\d{1,20}|first)$/;

/** @throws {SourceError} `SOURCE_CONFIG` if `text` is no position of this version. */
export function parsePosition(text: string): EvtxPosition {
  try {
    const value = JSON.parse(text) as { v?: unknown; known?: unknown; logs?: unknown };
    const { v, known, logs } = value;
    if (v !== 1 || !Array.isArray(known) || typeof logs !== "object" || logs === null) {
      throw new RangeError("it is of another version");
    }
    const marks = new Map<string, Mark>();
    for (const [origin, written] of Object.entries(logs)) {
      const match = MARK.exec(String(written));
      if (match === null) throw new RangeError(`the mark of ${origin} is damaged`);
      const [id, ticks, anchorId, anchorTicks] = match.slice(1, 5).map(BigInt) as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      const last = { id, ticks };
      const anchor = { id: anchorId, ticks: anchorTicks };
      marks.set(origin, {
        last,
        anchor,
        quiet: match[5] === "first" ? "first" : BigInt(match[5]!),
      });
    }
    return { known: known.map(String), marks };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `Cannot use the position of the event logs: ${reason}`;
    throw new SourceError("SOURCE_CONFIG", message, { cause });
  }
}
