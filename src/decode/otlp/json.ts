/**
 * `ExportLogsServiceRequest` in OTLP/JSON to events.
 *
 * Names are camelCase, as OTLP has it, or snake_case, as some programs write them; unknown ones are
 * passed over. Integers of 64 bits are texts or numbers, ids hexadecimal, bytes base64.
 *
 * @see OpenTelemetry protocol specification, "JSON Protobuf Encoding"; inputs.md 10.2
 */
import { Buffer } from "node:buffer";
import { parseJsonText } from "../../event/json_text.ts";
import { isObject, type Value, type ValueObject } from "../../event/value.ts";
import { OtlpError } from "./errors.ts";
import {
  checkDepth,
  type Envelope,
  finite,
  type Members,
  type OtlpOptions,
  type OtlpRequest,
  RecordCollector,
  recordMembers,
  setMember,
  setText,
  TooDeep,
} from "./records.ts";
import { decimalNanosecondsText } from "./time.ts";

/** A number that `JSON.parse` may have rounded; texts that look like one only cost time. */
const LONG_NUMBER = /[:[,]\s*-?\d{16}/;
/** What a value costs beyond its text, about as much as on the wire. */
const VALUE_BYTES = 8;

/**
 * Decodes a request.
 *
 * @throws {OtlpError} `OTLP_JSON` if `text` is not JSON or no such message.
 */
export function decodeOtlpJson(text: string, options: OtlpOptions = {}): OtlpRequest {
  const collector = new RecordCollector(options);
  const root = objectOf(parse(text), "the request");
  for (const one of list(root, "resourceLogs", "resource_logs")) {
    const resourceLogs = objectOf(one, "resourceLogs");
    const resource = resourceEnvelope(resourceLogs);
    for (const inner of list(resourceLogs, "scopeLogs", "scope_logs")) {
      const scopeLogs = objectOf(inner, "scopeLogs");
      const envelope = scopeEnvelope(scopeLogs, resource);
      for (const record of list(scopeLogs, "logRecords", "log_records")) {
        addRecord(collector, objectOf(record, "logRecords"), envelope);
      }
    }
  }
  return collector.finish();
}

function parse(text: string): Value {
  try {
    return LONG_NUMBER.test(text) ? parseJsonText(text) : JSON.parse(text) as Value;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OtlpError("OTLP_JSON", `JSON decode error: ${reason}`, { cause: error });
  }
}

function wrong(what: string): OtlpError {
  return new OtlpError("OTLP_JSON", `JSON decode error: ${what}`);
}

function objectOf(value: Value, name: string): ValueObject {
  if (isObject(value)) return value;
  throw wrong(`${name} must be an object`);
}

/** A member by either name; `undefined` for null, which is the default as well. */
function member(object: ValueObject, camel: string, snake = camel): Value | undefined {
  if (Object.hasOwn(object, camel)) return object[camel] ?? undefined;
  return Object.hasOwn(object, snake) ? object[snake] ?? undefined : undefined;
}

function list(object: ValueObject, camel: string, snake = camel): readonly Value[] {
  const value = member(object, camel, snake);
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as readonly Value[];
  throw wrong(`${camel} must be a list`);
}

function text(object: ValueObject, camel: string, snake = camel): string {
  const value = member(object, camel, snake) ?? "";
  if (typeof value === "string") return value;
  throw wrong(`${camel} must be a text`);
}

/** Whatever is read counts what it holds, in place of its length on the wire. */
class Measure {
  bytes = 0;

  add(textLength: number): void {
    this.bytes += textLength + VALUE_BYTES;
  }
}

function resourceEnvelope(resourceLogs: ValueObject): Envelope {
  return envelope({}, 0, undefined, (members, measure) => {
    setText(members, "resource.schema_url", text(resourceLogs, "schemaUrl", "schema_url"));
    const resource = member(resourceLogs, "resource");
    if (resource !== undefined) {
      pairs(list(objectOf(resource, "resource"), "attributes"), members, 0, "resource.", measure);
    }
  });
}

function scopeEnvelope(scopeLogs: ValueObject, resource: Envelope): Envelope {
  return envelope({ ...resource.members }, resource.bytes, resource.refused, (members, measure) => {
    setText(members, "scope.schema_url", text(scopeLogs, "schemaUrl", "schema_url"));
    const written = member(scopeLogs, "scope");
    if (written === undefined) return;
    const scope = objectOf(written, "scope");
    setText(members, "scope.name", text(scope, "name"));
    setText(members, "scope.version", text(scope, "version"));
    pairs(list(scope, "attributes"), members, 0, "scope.attributes.", measure);
  });
}

function envelope(
  members: Members,
  bytes: number,
  refused: string | undefined,
  fill: (members: Members, measure: Measure) => void,
): Envelope {
  const measure = new Measure();
  try {
    fill(members, measure);
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    refused ??= "a resource or scope nests too deep";
  }
  return {
    members,
    bytes: bytes + measure.bytes,
    ...(refused === undefined ? {} : { refused }),
  };
}

function addRecord(collector: RecordCollector, record: ValueObject, envelope: Envelope): void {
  const measure = new Measure();
  let members: Members | undefined;
  let tooDeep: TooDeep | undefined;
  try {
    members = readRecord(record, measure);
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error;
    tooDeep = error;
  }
  collector.add(measure.bytes, envelope, () => {
    if (members === undefined) throw tooDeep;
    return members;
  });
}

function readRecord(record: ValueObject, measure: Measure): Members {
  const fields = {
    time: time(record, "timeUnixNano", "time_unix_nano"),
    observed: time(record, "observedTimeUnixNano", "observed_time_unix_nano"),
    severity: severity(record),
    severityText: text(record, "severityText", "severity_text"),
    flags: Number(integer(member(record, "flags") ?? 0, "flags")),
    traceId: text(record, "traceId", "trace_id").toLowerCase(),
    spanId: text(record, "spanId", "span_id").toLowerCase(),
    eventName: text(record, "eventName", "event_name"),
  };
  measure.add(fields.severityText.length + fields.eventName.length + 64);
  return recordMembers(fields, (members) => {
    const written = member(record, "body");
    if (written === undefined) return;
    const body = objectOf(written, "body");
    const entries = member(body, "kvlistValue", "kvlist_value");
    if (entries !== undefined) {
      pairs(list(objectOf(entries, "kvlistValue"), "values"), members, 0, "", measure);
      return;
    }
    const value = anyValue(body, 1, measure);
    if (value !== undefined) members.body = value;
  }, (members) => pairs(list(record, "attributes"), members, 0, "", measure));
}

function time(record: ValueObject, camel: string, snake: string): string {
  const value = member(record, camel, snake) ?? 0;
  const digits = typeof value === "number" ? String(Math.trunc(value)) : String(value);
  if (digits === "0" || digits === "") return "";
  const written = decimalNanosecondsText(digits);
  if (written !== undefined) return written;
  if (/^0+$/.test(digits)) return "";
  throw wrong(`${camel} must be nanoseconds`);
}

const SEVERITIES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** A number, or `SEVERITY_NUMBER_WARN2` as other writers of Protocol Buffers' JSON have it. */
function severity(record: ValueObject): number {
  const value = member(record, "severityNumber", "severity_number") ?? 0;
  if (typeof value === "number") return Math.trunc(value);
  const match = /^SEVERITY_NUMBER_([A-Z]+)([234]?)$/.exec(String(value));
  if (match === null) return Number(integer(value, "severityNumber"));
  const at = SEVERITIES.indexOf(match[1]!);
  return at < 0 ? 0 : at * 4 + Number(match[2] || 1);
}

/** Adds a list of `{key, value}`; one without a value adds nothing. */
function pairs(
  list: readonly Value[],
  members: Members,
  depth: number,
  prefix: string,
  measure: Measure,
): void {
  for (const one of list) {
    const pair = objectOf(one, "an attribute");
    const written = member(pair, "value");
    if (written === undefined) continue;
    const key = text(pair, "key");
    measure.add(key.length);
    const value = anyValue(objectOf(written, "value"), depth + 1, measure) ?? null;
    setMember(members, prefix + key, value);
  }
}

/** An `AnyValue`; `undefined` if it has none. */
function anyValue(written: ValueObject, depth: number, measure: Measure): Value | undefined {
  checkDepth(depth);
  const string = member(written, "stringValue", "string_value");
  if (string !== undefined) {
    if (typeof string !== "string") throw wrong("stringValue must be a text");
    measure.add(string.length);
    return string;
  }
  measure.add(0);
  const int = member(written, "intValue", "int_value");
  if (int !== undefined) return integer(int, "intValue");
  const bool = member(written, "boolValue", "bool_value");
  if (bool !== undefined) return bool === true || bool === "true";
  const double = member(written, "doubleValue", "double_value");
  if (double !== undefined) return finite(Number(double));
  const array = member(written, "arrayValue", "array_value");
  if (array !== undefined) {
    return list(objectOf(array, "arrayValue"), "values").map((one) =>
      anyValue(objectOf(one, "a value"), depth + 1, measure) ?? null
    );
  }
  const entries = member(written, "kvlistValue", "kvlist_value");
  if (entries !== undefined) {
    const members: Members = {};
    pairs(list(objectOf(entries, "kvlistValue"), "values"), members, depth, "", measure);
    return members;
  }
  if (member(written, "bytesValue", "bytes_value") === undefined) return undefined;
  const bytes = text(written, "bytesValue", "bytes_value");
  measure.add(bytes.length);
  return Buffer.from(bytes, "base64").toString("hex");
}

const INTEGER = /^-?\d{1,19}$/;

/** An integer of 64 bits, written as a text or a number. */
function integer(value: Value, name: string): number | bigint {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  const digits = String(value);
  if (typeof value !== "bigint" && (typeof value !== "string" || !INTEGER.test(digits))) {
    throw wrong(`${name} must be an integer`);
  }
  const exact = BigInt(digits);
  if (BigInt.asIntN(64, exact) !== exact) throw wrong(`${name} must fit 64 bits`);
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}
