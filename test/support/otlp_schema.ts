/**
 * OTLP's messages as an independent library reads and writes them: the other side in tests.
 *
 * @see open-telemetry/opentelemetry-proto, common/v1, resource/v1, logs/v1, collector/logs/v1
 */
import protobuf from "protobufjs";

const SCHEMA = `
syntax = "proto3";
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message Scope {
  string name = 1; string version = 2; repeated KeyValue attributes = 3;
  uint32 dropped_attributes_count = 4;
}
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message LogRecord {
  fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; int32 severity_number = 2;
  string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6;
  uint32 dropped_attributes_count = 7; fixed32 flags = 8; bytes trace_id = 9; bytes span_id = 10;
  string event_name = 12;
}
message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
message ResourceLogs {
  Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3;
}
message Request { repeated ResourceLogs resource_logs = 1; }
message PartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
message Response { PartialSuccess partial_success = 1; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message Any { string type_url = 1; bytes value = 2; }
message RetryInfo { Duration retry_delay = 1; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
`;

// The default of 100 messages is about as deep as records may nest.
protobuf.util.recursionLimit = 1000;
const root = protobuf.parse(SCHEMA).root.resolveAll();

export type MessageName = "Request" | "Response" | "Status" | "RetryInfo";

/** The bytes of a message; 64-bit integers may be texts. */
export function encodeMessage(name: MessageName, value: Record<string, unknown>): Uint8Array {
  const type = root.lookupType(name);
  return type.encode(type.fromObject(value)).finish();
}

/** A message; 64-bit integers are texts, bytes are base64, what is not there is absent. */
export function decodeMessage(name: MessageName, bytes: Uint8Array): Record<string, unknown> {
  const type = root.lookupType(name);
  return type.toObject(type.decode(bytes), { longs: String, bytes: String });
}

/** A request of these records, with a resource and a scope. */
export function requestOf(
  logRecords: readonly unknown[],
  more: {
    readonly resource?: unknown;
    readonly scope?: unknown;
    readonly schemaUrl?: string;
    readonly scopeSchemaUrl?: string;
  } = {},
): Record<string, unknown> {
  const { resource, scope, schemaUrl, scopeSchemaUrl } = more;
  return {
    resourceLogs: [{
      ...(resource === undefined ? {} : { resource }),
      scopeLogs: [{
        ...(scope === undefined ? {} : { scope }),
        logRecords,
        ...(scopeSchemaUrl === undefined ? {} : { schemaUrl: scopeSchemaUrl }),
      }],
      ...(schemaUrl === undefined ? {} : { schemaUrl }),
    }],
  };
}

/** `{key, value: {stringValue}}` and the like, by the type of `value`. */
export function pair(key: string, value: string | number | boolean): unknown {
  switch (typeof value) {
    case "string":
      return { key, value: { stringValue: value } };
    case "boolean":
      return { key, value: { boolValue: value } };
    case "number":
      return { key, value: Number.isInteger(value) ? { intValue: value } : { doubleValue: value } };
  }
}
