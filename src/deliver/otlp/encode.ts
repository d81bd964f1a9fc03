/**
 * Alerts as log records of OTLP.
 *
 * @see delivery.md, section 10; opentelemetry.proto.logs.v1
 */
import { WireWriter } from "../../decode/otlp/wire_writer.ts";
import { jsonText } from "../../event/json_text.ts";
import { isObject, type Value, type ValueObject } from "../../event/value.ts";
import type { Alert } from "../../runtime/alert.ts";
import type { Level } from "../../sigma/rule.ts";

/** Who sends. */
export interface OtlpOrigin {
  readonly version: string;
  /** Of the agent, where there is one. */
  readonly agentId?: string;
  readonly host?: string;
}

/** What a request says beside its alerts. */
export interface OtlpMoment extends OtlpOrigin {
  /** When the records are sent, in Unix milliseconds. */
  readonly nowMs: number;
}

/** An alert and its body, read. */
export interface OtlpAlert {
  readonly alert: Alert;
  readonly body: Value;
}

const NAME = "picket";
/** Of the attribute with the alert's id, by which a receiver can tell what comes twice. */
const ID_ATTRIBUTE = "picket.msg_id";

const SEVERITIES: Readonly<Record<Level, readonly [number: number, text: string]>> = {
  critical: [21, "FATAL"],
  high: [17, "ERROR"],
  medium: [13, "WARN"],
  low: [9, "INFO"],
  informational: [5, "DEBUG"],
};

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

function resourceAttributes(origin: OtlpOrigin): ValueObject {
  return {
    "service.name": NAME,
    "service.version": origin.version,
    ...(origin.agentId === undefined ? {} : { "service.instance.id": origin.agentId }),
    ...(origin.host === undefined ? {} : { "host.name": origin.host }),
  };
}

/** Every member of the alert's JSON, and its id. */
function attributes({ alert, body }: OtlpAlert): readonly (readonly [string, Value])[] {
  return [...isObject(body) ? Object.entries(body) : [], [ID_ATTRIBUTE, alert.id]];
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.trunc(ms)) * 1_000_000n;
}

/** `ExportLogsServiceRequest` in Protocol Buffers. */
export function encodeProtobuf(alerts: readonly OtlpAlert[], moment: OtlpMoment): Uint8Array {
  const writer = new WireWriter();
  writer.message(1, () => {
    writer.message(1, () => {
      for (const [key, value] of Object.entries(resourceAttributes(moment))) {
        writePair(writer, 1, key, value);
      }
    });
    writer.message(2, () => {
      writer.message(1, () => {
        writer.string(1, NAME);
        writer.string(2, moment.version);
      });
      for (const one of alerts) writer.message(2, () => writeRecord(writer, one, moment));
    });
  });
  return writer.finish();
}

function writeRecord(writer: WireWriter, one: OtlpAlert, { nowMs }: OtlpMoment): void {
  const { createdMs, level, ruleTitle } = one.alert;
  writer.fixed64(1, nanoseconds(createdMs));
  if (level !== null) {
    const [number, text] = SEVERITIES[level];
    writer.varint(2, number);
    writer.string(3, text);
  }
  writer.message(5, () => writer.string(1, ruleTitle));
  for (const [key, value] of attributes(one)) writePair(writer, 6, key, value);
  writer.fixed64(11, nanoseconds(nowMs));
}

/** A `KeyValue`. */
function writePair(writer: WireWriter, field: number, key: string, value: Value): void {
  writer.message(field, () => {
    writer.string(1, key);
    writer.message(2, () => writeValue(writer, value));
  });
}

/** The fields of an `AnyValue`; none for null. */
function writeValue(writer: WireWriter, value: Value): void {
  switch (typeof value) {
    case "string":
      writer.string(1, value);
      return;
    case "boolean":
      writer.varint(2, value ? 1 : 0);
      return;
    case "number":
      if (Number.isSafeInteger(value)) writer.varint(3, value);
      else writer.double(4, value);
      return;
    case "bigint":
      // A u64 of Windows keeps its digits as a text; a double would name its neighbour.
      if (isInt64(value)) writer.varint(3, value);
      else writer.string(1, String(value));
      return;
    case "object":
      break;
  }
  if (value === null) return;
  if (isObject(value)) {
    writer.message(6, () => {
      for (const [key, member] of Object.entries(value)) writePair(writer, 1, key, member);
    });
    return;
  }
  writer.message(5, () => {
    for (const member of value as readonly Value[]) {
      writer.message(1, () => writeValue(writer, member));
    }
  });
}

function isInt64(value: bigint): boolean {
  return value >= MIN_INT64 && value <= MAX_INT64;
}

/** The same request in OTLP/JSON. */
export function encodeJson(alerts: readonly OtlpAlert[], moment: OtlpMoment): string {
  return jsonText({
    resourceLogs: [{
      resource: { attributes: Object.entries(resourceAttributes(moment)).map(jsonPair) },
      scopeLogs: [{
        scope: { name: NAME, version: moment.version },
        logRecords: alerts.map((one) => jsonRecord(one, moment)),
      }],
    }],
  });
}

function jsonRecord(one: OtlpAlert, { nowMs }: OtlpMoment): Value {
  const { createdMs, level, ruleTitle } = one.alert;
  const severity: ValueObject = level === null
    ? {}
    : { severityNumber: SEVERITIES[level][0], severityText: SEVERITIES[level][1] };
  return {
    timeUnixNano: String(nanoseconds(createdMs)),
    observedTimeUnixNano: String(nanoseconds(nowMs)),
    ...severity,
    body: { stringValue: ruleTitle },
    attributes: attributes(one).map(jsonPair),
  };
}

function jsonPair([key, value]: readonly [string, Value]): Value {
  return { key, value: jsonValue(value) };
}

function jsonValue(value: Value): ValueObject {
  switch (typeof value) {
    case "string":
      return { stringValue: value };
    case "boolean":
      return { boolValue: value };
    case "number":
      // Integers of 64 bits are texts in the JSON of Protocol Buffers.
      return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    case "bigint":
      return isInt64(value) ? { intValue: String(value) } : { stringValue: String(value) };
    case "object":
      break;
  }
  if (value === null) return {};
  if (isObject(value)) return { kvlistValue: { values: Object.entries(value).map(jsonPair) } };
  return { arrayValue: { values: (value as readonly Value[]).map(jsonValue) } };
}
