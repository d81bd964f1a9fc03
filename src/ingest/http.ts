/**
 * Lines that the admin API got by `POST /api/v1/events`; answered when they are committed.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { EventBatch, EventSource, SourceHealth } from "../runtime/plugin.ts";
import type { HttpSourceSettings } from "../runtime/settings.ts";
import { MAX_LINE_BYTES } from "./line_collector.ts";
import { type PushedRecord, PushQueue, type PushQueueOptions } from "./push_queue.ts";

export type HttpSourceOptions = PushQueueOptions;

/** What became of lines; the API's `IngestResult` without `disabled`. */
export type PushResult =
  /** All but the rejected ones are committed; blank lines count as neither. */
  | {
    readonly kind: "taken";
    readonly accepted: number;
    /** By index into the lines that were given. */
    readonly rejected: readonly { readonly index: number; readonly reason: string }[];
  }
  /** No room: nothing was taken. */
  | { readonly kind: "busy"; readonly accepted: 0; readonly retryAfterSeconds: number }
  /** Nobody reads, or reading ended; the first `accepted` lines are committed. */
  | { readonly kind: "closed"; readonly accepted: number };

export interface HttpIngestSource extends EventSource {
  /**
   * Gives lines to the source, waiting for room for a short while; resolves when they have been
   * committed.
   *
   * @param key The sender's `Idempotency-Key`: the same lines under the same key are the same
   *   records, so that a repeated request gives no second alert.
   * Rejects with the reason of `signal`; lines that were handed out by then are evaluated all the
   * same.
   */
  push(lines: readonly string[], signal: AbortSignal, key?: string): Promise<PushResult>;
}

/** A source that the admin API fills; see `HttpIngestSource.push`. */
export function httpSource(
  settings: HttpSourceSettings,
  options: HttpSourceOptions = {},
): HttpIngestSource {
  return new HttpSource(settings, options);
}

class HttpSource implements HttpIngestSource {
  readonly id: string;
  readonly kind = "http";
  readonly #maxLineBytes: number;
  readonly #queue: PushQueue;
  readonly #counts = { requests: 0, busy: 0, long_lines: 0 };

  constructor(settings: HttpSourceSettings, options: HttpSourceOptions) {
    this.id = settings.id;
    this.#maxLineBytes = settings.maxLineBytes ?? MAX_LINE_BYTES;
    this.#queue = new PushQueue(this.id, options);
  }

  health(): SourceHealth {
    const { state, depth } = this.#queue;
    return { state, lag: { records: depth }, counts: { ...this.#counts } };
  }

  async push(lines: readonly string[], signal: AbortSignal, key?: string): Promise<PushResult> {
    signal.throwIfAborted();
    this.#counts.requests++;
    const rejected: { index: number; reason: string }[] = [];
    const kept: PushedRecord[] = [];
    lines.forEach((line, index) => {
      if (line.trim() === "") return;
      if (isLonger(line, this.#maxLineBytes)) {
        this.#counts.long_lines++;
        rejected.push({ index, reason: `line exceeds ${this.#maxLineBytes} bytes` });
        return;
      }
      const record = { payload: line, bytes: line.length };
      kept.push(key === undefined ? record : { ...record, recordId: keyedId(key, index, line) });
    });
    if (kept.length === 0) return { kind: "taken", accepted: 0, rejected };
    const outcome = await this.#queue.push(kept, signal);
    if (outcome.kind === "busy") this.#counts.busy++;
    return outcome.kind === "taken" ? { ...outcome, rejected } : outcome;
  }

  read(_from: string | undefined, signal: AbortSignal): AsyncIterable<EventBatch> {
    return this.#queue.read(signal);
  }
}

/** The digest keeps a key that was used for other lines by mistake from hiding their alerts. */
function keyedId(key: string, index: number, line: string): string {
  const digest = createHash("sha256").update(line).digest("hex").slice(0, 16);
  return `key:${key}:${index}:${digest}`;
}

/** Whether the text is longer than so many bytes of UTF-8; a character has at most three. */
function isLonger(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}
