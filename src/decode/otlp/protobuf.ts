/**
 * `ExportLogsServiceRequest` in Protocol Buffers to events.
 *
 * The messages are read straight into what events hold. Fields may come in any order, so a message
 * around records is gone through twice: for what stands around them, and for the records.
 *
 * @see opentelemetry.proto.collector.logs.v1 and opentelemetry.proto.logs.v1, inputs.md 10.2
 */
import type { Value } from "../../event/value.ts";
import {
  checkDepth,
  type Envelope,
  finite,
  type Members,
  type OtlpOptions,
  type OtlpRequest,
  RecordCollector,
  type RecordFields,
  recordMembers,
  setMember,
  setText,
  TooDeep,
} from "./records.ts";
import { nanosecondsText } from "./time.ts";
import { WIRE, WireReader } from "./wire.ts";

const { bytes: BYTES, fixed32: FIXED32, fixed64: FIXED64, varint: VARINT } = WIRE;

const ANY_STRING = 1 << 3 | BYTES;
const ANY_BOOL = 2 << 3 | VARINT;
const ANY_INT = 3 << 3 | VARINT;
const ANY_DOUBLE = 4 << 3 | FIXED64;
const ANY_ARRAY = 5 << 3 | BYTES;
const ANY_KVLIST = 6 << 3 | BYTES;
const ANY_BYTES = 7 << 3 | BYTES;
/** Of `ArrayValue` and `KeyValueList`. */
const VALUES = 1 << 3 | BYTES;
const PAIR_KEY = 1 << 3 | BYTES;
const PAIR_VALUE = 2 << 3 | BYTES;

const RESOURCE_LOGS = 1 << 3 | BYTES;
const RESOURCE = 1 << 3 | BYTES;
const RESOURCE_ATTRIBUTES = 1 << 3 | BYTES;
const SCOPE_LOGS = 2 << 3 | BYTES;
const SCOPE = 1 << 3 | BYTES;
const SCOPE_NAME = 1 << 3 | BYTES;
const SCOPE_VERSION = 2 << 3 | BYTES;
const SCOPE_ATTRIBUTES = 3 << 3 | BYTES;
const LOG_RECORDS = 2 << 3 | BYTES;
/** Of `ResourceLogs` and `ScopeLogs`. */
const SCHEMA_URL = 3 << 3 | BYTES;

const TIME = 1 << 3 | FIXED64;
const OBSERVED_TIME = 11 << 3 | FIXED64;
const SEVERITY_NUMBER = 2 << 3 | VARINT;
const SEVERITY_TEXT = 3 << 3 | BYTES;
const BODY = 5 << 3 | BYTES;
const ATTRIBUTES = 6 << 3 | BYTES;
const FLAGS = 8 << 3 | FIXED32;
const TRACE_ID = 9 << 3 | BYTES;
const SPAN_ID = 10 << 3 | BYTES;
const EVENT_NAME = 12 << 3 | BYTES;

/** Strings that came before, in whatever request. */
const strings: string[] = new Array(4096).fill("");

/**
 * Decodes a request.
 *
 * Takes time in proportion to `bytes`; nothing in the result refers to them.
 *
 * @throws {OtlpError} `OTLP_PROTOBUF` if they are no such message.
 */
export function decodeOtlpProtobuf(bytes: Uint8Array, options: OtlpOptions = {}): OtlpRequest {
  return new Decoder(bytes, options).decode();
}

class Decoder {
  readonly #reader: WireReader;
  readonly #collector: RecordCollector;

  constructor(bytes: Uint8Array, options: OtlpOptions) {
    this.#reader = new WireReader(bytes, strings);
    this.#collector = new RecordCollector(options);
  }

  decode(): OtlpRequest {
    const reader = this.#reader;
    const end = reader.length;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === RESOURCE_LOGS) this.#resourceLogs(reader.nested(end));
      else reader.skip(tag, end);
    }
    return this.#collector.finish();
  }

  #resourceLogs(end: number): void {
    const reader = this.#reader;
    const from = reader.at;
    const members: Members = {};
    const attributes: Members = {};
    let size = 0;
    let refused: string | undefined;
    while (reader.at < end) {
      const tag = reader.tag(end);
      const start = reader.at;
      if (tag === SCHEMA_URL) setText(members, "resource.schema_url", reader.string(end));
      else if (tag === RESOURCE) {
        refused ??= this.#around(reader.nested(end), (inner, stop) => {
          if (inner === RESOURCE_ATTRIBUTES) this.#pair(stop, attributes, 0, "resource.");
          else reader.skip(inner, stop);
        });
      } else {
        reader.skip(tag, end);
        continue;
      }
      size += reader.at - start;
    }
    Object.assign(members, attributes);
    const envelope = { members, bytes: size, ...(refused === undefined ? {} : { refused }) };
    reader.at = from;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === SCOPE_LOGS) this.#scopeLogs(reader.nested(end), envelope);
      else reader.skip(tag, end);
    }
  }

  #scopeLogs(end: number, resource: Envelope): void {
    const reader = this.#reader;
    const from = reader.at;
    const members: Members = { ...resource.members };
    let size = resource.bytes;
    let refused = resource.refused;
    while (reader.at < end) {
      const tag = reader.tag(end);
      const start = reader.at;
      if (tag === SCHEMA_URL) setText(members, "scope.schema_url", reader.string(end));
      else if (tag === SCOPE) {
        refused ??= this.#around(reader.nested(end), (inner, stop) => {
          if (inner === SCOPE_NAME) setText(members, "scope.name", reader.string(stop));
          else if (inner === SCOPE_VERSION) setText(members, "scope.version", reader.string(stop));
          else if (inner === SCOPE_ATTRIBUTES) this.#pair(stop, members, 0, "scope.attributes.");
          else reader.skip(inner, stop);
        });
      } else {
        reader.skip(tag, end);
        continue;
      }
      size += reader.at - start;
    }
    const envelope = { members, bytes: size, ...(refused === undefined ? {} : { refused }) };
    reader.at = from;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag !== LOG_RECORDS) {
        reader.skip(tag, end);
        continue;
      }
      const stop = reader.nested(end);
      this.#collector.add(stop - reader.at, envelope, () => this.#record(stop));
      reader.at = stop;
    }
  }

  /** A message around records. @returns Why these are refused, if they are. */
  #around(end: number, field: (tag: number, end: number) => void): string | undefined {
    const reader = this.#reader;
    try {
      while (reader.at < end) field(reader.tag(end), end);
      return undefined;
    } catch (error) {
      if (!(error instanceof TooDeep)) throw error;
      reader.at = end;
      return "a resource or scope nests too deep";
    }
  }

  #record(end: number): Members {
    const reader = this.#reader;
    const fixed: RecordFields = {
      time: "",
      observed: "",
      severity: 0,
      severityText: "",
      flags: 0,
      traceId: "",
      spanId: "",
      eventName: "",
    };
    let body = 0;
    let attributes = 0;
    while (reader.at < end) {
      const at = reader.at;
      const tag = reader.tag(end);
      switch (tag) {
        case TIME:
          fixed.time = this.#time(end);
          break;
        case OBSERVED_TIME:
          fixed.observed = this.#time(end);
          break;
        case SEVERITY_NUMBER:
          fixed.severity = reader.int32(end);
          break;
        case SEVERITY_TEXT:
          fixed.severityText = reader.string(end);
          break;
        case FLAGS:
          fixed.flags = reader.fixed32(end);
          break;
        case TRACE_ID:
          fixed.traceId = reader.hex(end);
          break;
        case SPAN_ID:
          fixed.spanId = reader.hex(end);
          break;
        case EVENT_NAME:
          fixed.eventName = reader.string(end);
          break;
        case BODY:
          // Of several, the last; none is at the very beginning, where its tag is.
          body = reader.at;
          reader.skip(tag, end);
          break;
        case ATTRIBUTES:
          if (attributes === 0) attributes = at;
          reader.skip(tag, end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    return recordMembers(fixed, (members) => {
      if (body === 0) return;
      reader.at = body;
      this.#body(reader.nested(end), members);
    }, (members) => {
      if (attributes === 0) return;
      reader.at = attributes;
      while (reader.at < end) {
        const tag = reader.tag(end);
        if (tag === ATTRIBUTES) this.#pair(end, members, 0, "");
        else reader.skip(tag, end);
      }
    });
  }

  /** @returns The empty text for 0, which says that there is no time. */
  #time(end: number): string {
    const [low, high] = this.#reader.fixed64(end);
    return low === 0 && high === 0 ? "" : nanosecondsText(high, low);
  }

  /** A list of pairs becomes members of the record, anything else its `body`. */
  #body(end: number, members: Members): void {
    const reader = this.#reader;
    const from = reader.at;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === ANY_KVLIST) {
        const stop = reader.nested(end);
        while (reader.at < stop) {
          const inner = reader.tag(stop);
          if (inner === VALUES) this.#pair(stop, members, 0, "");
          else reader.skip(inner, stop);
        }
        reader.at = end;
        return;
      }
      reader.skip(tag, end);
    }
    reader.at = from;
    const value = this.#value(end, 1);
    if (value !== undefined) members.body = value;
  }

  /** A `KeyValue`; one without a value adds nothing. */
  #pair(outer: number, members: Members, depth: number, prefix: string): void {
    const reader = this.#reader;
    const end = reader.nested(outer);
    let key = "";
    let value: Value | undefined;
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === PAIR_KEY) key = reader.string(end);
      else if (tag === PAIR_VALUE) value = this.#value(reader.nested(end), depth + 1) ?? null;
      else reader.skip(tag, end);
    }
    if (value !== undefined) setMember(members, prefix === "" ? key : prefix + key, value);
  }

  /** An `AnyValue`, of several the last; `undefined` if it has none. */
  #value(end: number, depth: number): Value | undefined {
    checkDepth(depth);
    const reader = this.#reader;
    let value: Value | undefined;
    while (reader.at < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case ANY_STRING:
          value = reader.string(end);
          break;
        case ANY_BOOL:
          value = reader.int64(end) !== 0;
          break;
        case ANY_INT:
          value = reader.int64(end);
          break;
        case ANY_DOUBLE:
          value = finite(reader.double(end));
          break;
        case ANY_ARRAY:
          value = this.#array(reader.nested(end), depth);
          break;
        case ANY_KVLIST:
          value = this.#object(reader.nested(end), depth);
          break;
        case ANY_BYTES:
          value = reader.hex(end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    return value;
  }

  #array(end: number, depth: number): readonly Value[] {
    const reader = this.#reader;
    const values: Value[] = [];
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === VALUES) values.push(this.#value(reader.nested(end), depth + 1) ?? null);
      else reader.skip(tag, end);
    }
    return values;
  }

  #object(end: number, depth: number): Members {
    const reader = this.#reader;
    const members: Members = {};
    while (reader.at < end) {
      const tag = reader.tag(end);
      if (tag === VALUES) this.#pair(end, members, depth, "");
      else reader.skip(tag, end);
    }
    return members;
  }
}
