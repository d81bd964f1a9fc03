/**
 * Log records that exporters and collectors send by OTLP.
 *
 * An exporter gets its answer when its records have been evaluated and what they gave is on disk, so
 * its retries lose nothing. A request that comes again because its sender had left before the answer
 * is known by its bytes, and its records keep their ids: it gives no second alert.
 *
 * @see delivery.md 3.7, inputs.md 10
 */
import { createHash } from "node:crypto";
import { DecodeError } from "../decode/errors.ts";
import { decodeOtlpJson } from "../decode/otlp/json.ts";
import { decodeOtlpProtobuf } from "../decode/otlp/protobuf.ts";
import type { OtlpOptions, OtlpRequest } from "../decode/otlp/records.ts";
import { parseLine } from "../decode/parse_line.ts";
import type { LogEvent } from "../event/event.ts";
import { SourceError } from "../runtime/errors.ts";
import type { EventBatch, EventSource, SourceHealth } from "../runtime/plugin.ts";
import type { OtlpSourceSettings } from "../runtime/settings.ts";
import { PushQueue, type PushQueueOptions } from "./push_queue.ts";

/** Requests that are read, decoded or evaluated at once; each may hold the bytes of one body. */
const MAX_REQUESTS = 32;
const DEFAULT_BODY_BYTES = 4 << 20;
const DEFAULT_INFLATED_BYTES = 16 << 20;
/** Requests whose senders left that are remembered, and for how long. */
const MAX_LEFT = 1000;
const LEFT_MS = 10 * 60_000;

/** How a request is written. */
export type OtlpEncoding = "protobuf" | "json";

/** What became of a request. */
export type OtlpOutcome =
  /** All but the rejected records are committed. */
  | {
    readonly kind: "taken";
    readonly accepted: number;
    readonly rejected: number;
    /** Why the first of them was rejected. */
    readonly reason: string | undefined;
  }
  /** No room: nothing was taken. */
  | { readonly kind: "busy"; readonly retryAfterSeconds: number }
  /** Nobody reads; some of the records may be committed. */
  | { readonly kind: "closed" };

/** What listeners and the API give requests to. */
export interface OtlpReceiver {
  /** Of a body as it is sent, and unpacked. */
  readonly maxBodyBytes: number;
  readonly maxInflatedBytes: number;
  /**
   * Takes one of the places for requests; `undefined` if all are taken. Disposing gives it back.
   * To be called before a body is read.
   */
  enter(): Disposable | undefined;
  /**
   * Resolves when the records are committed.
   *
   * @throws {OtlpError} If `body` is no request. Rejects with the reason of `signal`.
   */
  receive(body: Uint8Array, encoding: OtlpEncoding, signal: AbortSignal): Promise<OtlpOutcome>;
}

export interface OtlpSource extends EventSource, OtlpReceiver {
  readonly kind: "otlp";
  /** Reads certificates again; whether they had changed. The old ones stay if the new are unusable. */
  reloadTls(): Promise<boolean>;
}

/** Listeners that are open. `close` returns at once; requests under way are still answered. */
export interface OtlpListeners {
  reloadTls(): Promise<boolean>;
  close(): void;
}

export interface OtlpSourceOptions extends PushQueueOptions {
  /** Opens what `settings` name; by default nothing listens, and only the API fills the source. */
  readonly listen?: (receiver: OtlpReceiver) => Promise<OtlpListeners>;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** A source that is filled by OTLP. */
export function otlpSource(
  settings: OtlpSourceSettings,
  options: OtlpSourceOptions = {},
): OtlpSource {
  return new Otlp(settings, options);
}

class Otlp implements OtlpSource {
  readonly id: string;
  readonly kind = "otlp";
  readonly maxBodyBytes: number;
  readonly maxInflatedBytes: number;
  readonly #settings: OtlpSourceSettings;
  readonly #queue: PushQueue;
  readonly #listen: OtlpSourceOptions["listen"];
  readonly #now: () => number;
  readonly #bootId: string;
  readonly #left: LeftRequests;
  readonly #counts = { requests: 0, records: 0, rejected: 0, busy: 0, bodies_kept: 0 };
  #requests = 0;
  #numbered = 0;
  #listeners: OtlpListeners | undefined;
  #error: string | undefined;

  constructor(settings: OtlpSourceSettings, options: OtlpSourceOptions) {
    this.id = settings.id;
    this.maxBodyBytes = settings.maxBodyBytes ?? DEFAULT_BODY_BYTES;
    this.maxInflatedBytes = settings.maxInflatedBytes ?? DEFAULT_INFLATED_BYTES;
    this.#settings = settings;
    this.#queue = new PushQueue(this.id, options);
    this.#listen = options.listen;
    this.#now = options.now ?? Date.now;
    this.#bootId = options.bootId ?? crypto.randomUUID();
    this.#left = new LeftRequests(this.#now);
  }

  health(): SourceHealth {
    const { state, depth } = this.#queue;
    return {
      state: this.#error === undefined ? state : "failed",
      ...(this.#error === undefined ? {} : { error: this.#error }),
      lag: { records: depth },
      counts: { ...this.#counts },
    };
  }

  enter(): Disposable | undefined {
    if (this.#requests >= MAX_REQUESTS) return undefined;
    this.#requests++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (!isOver) this.#requests--;
        isOver = true;
      },
    };
  }

  async receive(
    body: Uint8Array,
    encoding: OtlpEncoding,
    signal: AbortSignal,
  ): Promise<OtlpOutcome> {
    signal.throwIfAborted();
    this.#counts.requests++;
    const { records, rejected, reason } = this.#decode(body, encoding);
    if (records.length === 0) {
      this.#counts.rejected += rejected;
      return { kind: "taken", accepted: 0, rejected, reason };
    }
    const digest = createHash("sha256").update(body).digest("base64");
    const known = this.#left.take(digest);
    const number = known ?? `${this.#bootId}:o${++this.#numbered}`;
    try {
      const outcome = await this.#queue.push(
        records.map(({ event, bytes }, at) => ({
          payload: event,
          bytes,
          recordId: `${number}:${at}`,
        })),
        signal,
      );
      switch (outcome.kind) {
        case "taken":
          this.#counts.records += outcome.accepted;
          this.#counts.rejected += rejected;
          return { kind: "taken", accepted: outcome.accepted, rejected, reason };
        case "busy":
          this.#counts.busy++;
          // It was not taken now, but it may have been before, and comes again.
          if (known !== undefined) this.#left.add(digest, known);
          return { kind: "busy", retryAfterSeconds: outcome.retryAfterSeconds };
        case "closed":
          this.#left.add(digest, number);
          return { kind: "closed" };
      }
    } catch (error) {
      // Its sender has left. Some of it may be on its way, and all of it will come again.
      this.#left.add(digest, number);
      throw error;
    }
  }

  async *read(_from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    signal.throwIfAborted();
    let listeners: OtlpListeners | undefined;
    try {
      listeners = this.#listeners = await this.#listen?.(this);
      this.#error = undefined;
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error);
      throw new SourceError("SOURCE_IO", this.#error, { cause: error });
    }
    try {
      yield* this.#queue.read(signal);
    } finally {
      this.#listeners = undefined;
      listeners?.close();
    }
  }

  async reloadTls(): Promise<boolean> {
    return await this.#listeners?.reloadTls() ?? false;
  }

  #decode(body: Uint8Array, encoding: OtlpEncoding): OtlpRequest {
    const { maxLineBytes, body: bodies } = this.#settings;
    const options: OtlpOptions = {
      ...(maxLineBytes === undefined ? {} : { maxRecordBytes: maxLineBytes }),
      ...(bodies === "parse" ? { parseBody: (line: string) => this.#parse(line) } : {}),
    };
    switch (encoding) {
      case "protobuf":
        return decodeOtlpProtobuf(body, options);
      case "json":
        return decodeOtlpJson(new TextDecoder().decode(body), options);
    }
  }

  /** A body that is not of the format stays as it is. */
  #parse(line: string): LogEvent | undefined {
    const { format, syslogZone, syslogStripBom } = this.#settings;
    try {
      return parseLine(line, format, {
        nowMs: this.#now(),
        ...(syslogZone === undefined ? {} : { syslogZone }),
        ...(syslogStripBom === undefined ? {} : { syslogStripBom }),
      });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#counts.bodies_kept++;
      return undefined;
    }
  }
}

/** Requests that were not answered, by the digest of their bytes, oldest first. */
class LeftRequests {
  readonly #numbers = new Map<string, { readonly number: string; readonly atMs: number }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(digest: string, number: string): void {
    this.#numbers.delete(digest);
    this.#numbers.set(digest, { number, atMs: this.#now() });
    for (const [oldest, { atMs }] of this.#numbers) {
      if (this.#numbers.size <= MAX_LEFT && this.#now() - atMs < LEFT_MS) break;
      this.#numbers.delete(oldest);
    }
  }

  /** The number of a request of these bytes; given out once. */
  take(digest: string): string | undefined {
    const left = this.#numbers.get(digest);
    this.#numbers.delete(digest);
    return left === undefined || this.#now() - left.atMs >= LEFT_MS ? undefined : left.number;
  }
}
