/**
 * Records, and what the readers of a source have in common.
 */
import type { Buffer } from "node:buffer";
import type { RawEvent, SourceNotice } from "../../runtime/plugin.ts";
import type { Multiline } from "../../runtime/settings.ts";
import type { Encoding } from "../../decode/encoding.ts";
import type { TextCounts } from "./encoding.ts";
import type { AuditOrigins } from "./audit_lines.ts";
import type { Lineage } from "./fingerprint.ts";
import type { Generation } from "./generation.ts";
import type { JoinCounts } from "./multiline.ts";

/** A line, or what was joined of several. Most are never asked for more than their text. */
export class FileEvent implements RawEvent {
  readonly payload: string;
  readonly #lineage: Lineage;
  readonly #offset: number;
  /** Behind its first line. */
  readonly #end: number;

  constructor(payload: string, lineage: Lineage, offset: number, end: number) {
    this.payload = payload;
    this.#lineage = lineage;
    this.#offset = offset;
    this.#end = end;
  }

  get recordId(): string {
    return `${this.#lineage.stamp(this.#end)}:${this.#offset}`;
  }

  get origin(): string {
    return this.#lineage.origin;
  }

  get writtenMs(): number {
    return this.#lineage.writtenMs ?? Date.now();
  }
}

/** A record whose id does not follow from where it stands alone. */
export class NamedEvent extends FileEvent {
  readonly #id: string;

  constructor(payload: string, lineage: Lineage, id: string) {
    super(payload, lineage, 0, 0);
    this.#id = id;
  }

  override get recordId(): string {
    return this.#id;
  }
}

/**
 * Tells of a line that was cut: what stood behind is not searched, so whoever writes to a log could
 * hide there.
 *
 * @param end Behind the line, or behind what of it has been read.
 */
export function cutNotice(
  lineage: Lineage,
  offset: number,
  end: number,
  maxLineBytes: number,
): SourceNotice {
  return {
    id: `long_line:${lineage.stamp(end)}:${offset}`,
    reason: "long_line",
    message: `a line at byte ${offset} of ${lineage.origin} was cut after ${maxLineBytes} bytes; ` +
      "what stands behind them was not searched",
    facts: { path: lineage.origin, offset, max_line_bytes: maxLineBytes },
  };
}

/** What all generations of a source have in common. */
export interface ReadContext {
  /** Shared: each read overwrites it. Holds the longest line and more. */
  readonly buffer: Buffer;
  readonly encoding: Encoding | undefined;
  readonly multiline: Multiline | undefined;
  /** Audit records are joined wherever they appear, although `multiline` does not say so. */
  readonly joinsAudit: boolean;
  readonly auditOrigins: AuditOrigins;
  readonly maxLineBytes: number;
  readonly counts: TextCounts & JoinCounts;
  emit(event: FileEvent): void;
  notice(notice: SourceNotice): void;
  /** Whether no file has come, gone or been renamed since the last look. */
  isCurrent(): boolean;
  /** How many generations of this origin began with the same line before. */
  ordinalOf(generation: Generation, key: string): number;
}

/**
 * `replaced`: the file no longer holds this content. `stale`: names have changed since the
 * directories were looked through, which must be done first.
 */
export type ReadOutcome = "lines" | "idle" | "replaced" | "stale";

/** What happened to files; all counts since the source was made. */
export interface RotationCounts {
  rotations: number;
  truncations: number;
  replacements: number;
  /** Bytes that were seen in a file and were gone before they could be read. */
  lostBytes: number;
}
