/**
 * What both encodings of OTLP have in common: how a request becomes events, within limits.
 *
 * @see inputs.md, sections 10.2 and 20.5
 */
import type { LogEvent } from "../../event/event.ts";
import { MAX_EVENT_DEPTH } from "../../event/lookup.ts";
import type { Value } from "../../event/value.ts";
import { PlainEvent } from "../flat_event.ts";
import { OtlpEvent, OtlpLineEvent } from "./event.ts";

/** An object while it is being filled. */
export type Members = Record<string, Value>;

/** What a request may hold; what is beyond is refused by the record. */
export interface OtlpLimits {
  /** Records of one request. Default 100,000: an empty one takes two bytes on the wire. */
  readonly maxRecords?: number;
  /** Bytes of one record, as of one line. Default 1 MiB. */
  readonly maxRecordBytes?: number;
}

/** How records become events. */
export interface OtlpOptions extends OtlpLimits {
  /**
   * Reads the line that a collector has put into the body; `undefined` where it is none. Without it
   * bodies stay as they are.
   */
  readonly parseBody?: (line: string) => LogEvent | undefined;
}

/** One record that was understood. */
export interface OtlpRecord {
  readonly event: LogEvent;
  /** Its size in bytes, about. */
  readonly bytes: number;
}

/** A request that was understood. */
export interface OtlpRequest {
  /** In the order of the request. */
  readonly records: readonly OtlpRecord[];
  /** Records that were refused, and why the first of them was. */
  readonly rejected: number;
  readonly reason: string | undefined;
}

const DEFAULT_MAX_RECORDS = 100_000;
const DEFAULT_MAX_RECORD_BYTES = 1 << 20;
/** A resource is looked through for each of its records. */
const MAX_SHARED_BYTES = 64 << 10;
/**
 * Bytes of all records, the resource counted with each: what a request costs to evaluate, which a
 * large resource and many small records could make a thousand times its size.
 */
const MAX_TOTAL_BYTES = 256 << 20;

/** A value that nests deeper than rules look; `RecordCollector` counts the record as refused. */
export class TooDeep extends Error {
  override readonly name = "TooDeep";
}

/** @throws {TooDeep} Below the depth that rules look to. */
export function checkDepth(depth: number): void {
  if (depth > MAX_EVENT_DEPTH) throw new TooDeep();
}

/** What stands around records: the resource's members and, after them, the scope's. */
export interface Envelope {
  readonly members: Members;
  /** Size in bytes, about. */
  readonly bytes: number;
  /** Why records in it are refused. */
  readonly refused?: string;
}

/** Takes records one by one. */
export class RecordCollector {
  readonly #options: OtlpOptions;
  readonly #maxRecords: number;
  readonly #maxRecordBytes: number;
  readonly #records: OtlpRecord[] = [];
  #total = 0;
  #rejected = 0;
  #reason: string | undefined;

  constructor(options: OtlpOptions) {
    this.#options = options;
    this.#maxRecords = options.maxRecords ?? DEFAULT_MAX_RECORDS;
    this.#maxRecordBytes = options.maxRecordBytes ?? DEFAULT_MAX_RECORD_BYTES;
  }

  /**
   * @param bytes Of the record on the wire.
   * @param read Reads it. A `TooDeep` that it throws refuses the record alone.
   */
  add(bytes: number, envelope: Envelope, read: () => Members): void {
    const refused = this.#refusal(bytes, envelope);
    if (refused !== undefined) {
      this.#reject(refused);
      return;
    }
    let own: Members;
    try {
      own = read();
    } catch (error) {
      if (!(error instanceof TooDeep)) throw error;
      this.#reject(`a record nests deeper than ${MAX_EVENT_DEPTH} levels`);
      return;
    }
    this.#total += bytes + envelope.bytes;
    this.#records.push({ event: this.#event(own, envelope.members), bytes });
  }

  finish(): OtlpRequest {
    return { records: this.#records, rejected: this.#rejected, reason: this.#reason };
  }

  #refusal(bytes: number, envelope: Envelope): string | undefined {
    if (envelope.refused !== undefined) return envelope.refused;
    if (envelope.bytes > MAX_SHARED_BYTES) {
      return `a resource and its scope exceed ${MAX_SHARED_BYTES} bytes`;
    }
    if (bytes > this.#maxRecordBytes) return `a record exceeds ${this.#maxRecordBytes} bytes`;
    if (this.#records.length >= this.#maxRecords) {
      return `the request has more than ${this.#maxRecords} records`;
    }
    if (this.#total + bytes + envelope.bytes > MAX_TOTAL_BYTES) {
      return `the request's records with their resources exceed ${MAX_TOTAL_BYTES} bytes`;
    }
    return undefined;
  }

  #reject(reason: string): void {
    this.#rejected++;
    this.#reason ??= reason;
  }

  #event(own: Members, shared: Members): LogEvent {
    const { parseBody } = this.#options;
    const { body } = own;
    if (parseBody === undefined || typeof body !== "string") return new OtlpEvent(own, shared);
    const line = parseBody(body);
    // A line without fields says no more than the body does.
    if (line === undefined || line instanceof PlainEvent) return new OtlpEvent(own, shared);
    const { body: _, ...rest } = own;
    return new OtlpLineEvent(line, new OtlpEvent(rest, shared));
  }
}

/** Sets a member, whatever its name: a later one overwrites an earlier one. */
export function setMember(members: Members, name: string, value: Value): void {
  if (name === "__proto__") {
    Object.defineProperty(members, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  } else members[name] = value;
}

/** A double as JSON can have it. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** What a record has besides body and attributes; empty and 0 where it has not. */
export interface RecordFields {
  time: string;
  observed: string;
  severity: number;
  severityText: string;
  /** Only the lower eight bits are the trace flags of W3C, the others are reserved. */
  flags: number;
  traceId: string;
  spanId: string;
  eventName: string;
}

/** Members of a record in the order in which a later one overwrites an earlier one. */
export function recordMembers(
  fields: RecordFields,
  addBody: (members: Members) => void,
  addAttributes: (members: Members) => void,
): Members {
  const members: Members = {};
  setText(members, "timestamp", fields.time);
  setText(members, "observed_timestamp", fields.observed);
  if (fields.severity !== 0) members.severity_number = fields.severity;
  setText(members, "severity_text", fields.severityText);
  addBody(members);
  setText(members, "trace_id", fields.traceId);
  setText(members, "span_id", fields.spanId);
  const flags = fields.flags & 0xff;
  if (flags !== 0) members.trace_flags = flags;
  setText(members, "event.name", fields.eventName);
  addAttributes(members);
  return members;
}

/** Sets a member that is left out where it is empty. */
export function setText(members: Members, name: string, text: string): void {
  if (text !== "") members[name] = text;
}
