/**
 * Log records of OTLP, in both encodings, against the tables of the specification, the SDK's
 * serializers and an independent reader of Protocol Buffers.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, type SdkLogRecord } from "@opentelemetry/sdk-logs";
import { JsonLogsSerializer, ProtobufLogsSerializer } from "@opentelemetry/otlp-transformer";
import fc from "fast-check";
import { OtlpError } from "../../src/decode/otlp/errors.ts";
import { decodeOtlpJson } from "../../src/decode/otlp/json.ts";
import { decodeOtlpProtobuf } from "../../src/decode/otlp/protobuf.ts";
import type { OtlpOptions, OtlpRequest } from "../../src/decode/otlp/records.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import { eventComputer, eventTimestamp } from "../../src/event/facts.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { otlpRequest } from "../arbitraries/otlp.ts";
import { assertLinear } from "../support/linear.ts";
import { encodeMessage, pair, requestOf } from "../support/otlp_schema.ts";

/** protobufjs takes bytes as base64, OTLP/JSON writes ids in hexadecimal. */
function withBinaryIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBinaryIds);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      (key === "traceId" || key === "spanId") && typeof member === "string"
        ? Buffer.from(member, "hex")
        : withBinaryIds(member),
    ]),
  );
}

function protobufOf(request: Record<string, unknown>): Uint8Array {
  return encodeMessage("Request", withBinaryIds(request) as Record<string, unknown>);
}

function valuesOf({ records }: OtlpRequest): readonly Value[] {
  return records.map(({ event }) => event.toValue());
}

/** Decodes in both encodings, which must agree. */
function decodeBoth(request: Record<string, unknown>, options: OtlpOptions = {}): OtlpRequest {
  const fromProtobuf = decodeOtlpProtobuf(protobufOf(request), options);
  const fromJson = decodeOtlpJson(JSON.stringify(request), options);
  assert.deepEqual(valuesOf(fromJson), valuesOf(fromProtobuf));
  assert.equal(fromJson.rejected, fromProtobuf.rejected);
  return fromProtobuf;
}

const DEAD_BEEF = { bytesValue: Buffer.from([0xde, 0xad, 0xbe, 0xef]).toString("base64") };
const NANOSECONDS = "1700000000123456789";

// inputs.md 10.2, 19 rows 51 to 54, delivery.md 3.7 and 21.3 rows 47, 48, 50, 51.
const RECORDS: readonly (readonly [title: string, record: unknown, event: Value])[] = [
  ["an empty record", {}, {}],
  ["times", { timeUnixNano: NANOSECONDS, observedTimeUnixNano: "1" }, {
    timestamp: "2023-11-14T22:13:20.123456789Z",
    observed_timestamp: "1970-01-01T00:00:00.000000001Z",
  }],
  ["the last time there is", { timeUnixNano: String(2n ** 64n - 1n) }, {
    timestamp: "2554-07-21T23:34:33.709551615Z",
  }],
  ["times of 0", { timeUnixNano: "0", observedTimeUnixNano: "0" }, {}],
  ["a severity", { severityNumber: 17, severityText: "ERROR" }, {
    severity_number: 17,
    severity_text: "ERROR",
  }],
  ["a body that is a text", { body: { stringValue: "hello" } }, { body: "hello" }],
  ["a body of the empty text", { body: { stringValue: "" } }, { body: "" }],
  ["a body without a value", { body: {} }, {}],
  ["a body that is a list", {
    body: { arrayValue: { values: [{ intValue: 1 }, {}, { boolValue: true }] } },
  }, { body: [1, null, true] }],
  ["a body that is a number", { body: { doubleValue: 0.5 } }, { body: 0.5 }],
  ["a body of pairs", {
    body: { kvlistValue: { values: [pair("EventID", 4625), pair("TargetUserName", "root")] } },
  }, { EventID: 4625, TargetUserName: "root" }],
  ["a body of pairs, one without a value", {
    body: { kvlistValue: { values: [{ key: "a" }, pair("b", 1)] } },
  }, { b: 1 }],
  ["an attribute without a value", { attributes: [{ key: "a" }] }, {}],
  ["an attribute whose value is none", { attributes: [{ key: "a", value: {} }] }, { a: null }],
  ["an attribute named body", {
    body: { stringValue: "x" },
    attributes: [pair("body", "y")],
  }, { body: "y" }],
  ["an attribute named timestamp", {
    timeUnixNano: NANOSECONDS,
    attributes: [pair("timestamp", "x")],
  }, { timestamp: "x" }],
  ["a body that has a trace id, which the record's overwrites", {
    body: { kvlistValue: { values: [pair("trace_id", "x"), pair("timestamp", "y")] } },
    timeUnixNano: NANOSECONDS,
    traceId: "5b8efff798038103d269b633813fc60c",
  }, { trace_id: "5b8efff798038103d269b633813fc60c", timestamp: "y" }],
  ["bytes", { body: { bytesValue: "3q0=" } }, { body: "dead" }],
  ["bytes in a list", {
    attributes: [{ key: "b", value: { arrayValue: { values: [DEAD_BEEF] } } }],
  }, {
    b: ["deadbeef"],
  }],
  ["ids and flags", {
    traceId: "5b8efff798038103d269b633813fc60c",
    spanId: "eee19b7ec3c1b174",
    flags: 0xff01,
  }, {
    trace_id: "5b8efff798038103d269b633813fc60c",
    span_id: "eee19b7ec3c1b174",
    trace_flags: 1,
  }],
  ["the name of the event", { eventName: "login" }, { "event.name": "login" }],
  ["names with dots", { attributes: [pair("user.id", "alice")] }, { "user.id": "alice" }],
  ["nested values", {
    attributes: [{
      key: "a",
      value: { kvlistValue: { values: [pair("b", 1), { key: "c", value: {} }] } },
    }],
  }, { a: { b: 1, c: null } }],
  ["names of every object", {
    attributes: [pair("__proto__", "p"), pair("constructor", "c"), pair("", "e")],
  }, JSON.parse('{"__proto__":"p","constructor":"c","":"e"}')],
  ["a name twice", { attributes: [pair("a", 1), pair("a", 2)] }, { a: 2 }],
  ["integers of 53 bits and more", {
    attributes: ["9007199254740991", "9007199254740993", "-9223372036854775808", "-1"].map(
      (intValue, at) => ({ key: `n${at}`, value: { intValue } }),
    ),
  }, { n0: 9007199254740991, n1: 9007199254740993n, n2: -9223372036854775808n, n3: -1 }],
];
for (const [title, record, event] of RECORDS) {
  test(`an OTLP record: ${title}`, () => {
    const [value, ...more] = valuesOf(decodeBoth(requestOf([record])));
    assert.deepEqual(value, event);
    assert.equal(more.length, 0);
  });
}

test("doubles that JSON does not have are null", () => {
  for (const [double, text] of [[NaN, "NaN"], [Infinity, "Infinity"], [-Infinity, "-Infinity"]]) {
    const record = (doubleValue: unknown) => requestOf([{ body: { doubleValue } }]);
    assert.deepEqual(valuesOf(decodeOtlpProtobuf(protobufOf(record(double)))), [{ body: null }]);
    assert.deepEqual(valuesOf(decodeOtlpJson(JSON.stringify(record(text)))), [{ body: null }]);
  }
});

test("an empty request has no records", () => {
  assert.deepEqual(decodeBoth({}), { records: [], rejected: 0, reason: undefined });
  assert.equal(decodeOtlpProtobuf(new Uint8Array()).records.length, 0);
});

// inputs.md 10.2 "Example", 19 row 55, 20.5; delivery.md 21.3 row 49.
test("records have the members of their resource and scope", () => {
  const request = {
    resourceLogs: [{
      resource: { attributes: [pair("host.name", "h1"), pair("os.type", "linux")] },
      schemaUrl: "https://r/1",
      scopeLogs: [
        { scope: { name: "lib", version: "1" }, logRecords: [{}, { body: { stringValue: "b" } }] },
        {
          scope: { name: "other", attributes: [pair("k", "v")] },
          schemaUrl: "https://s/1",
          logRecords: [{}],
        },
      ],
    }],
  };
  const resource = {
    "resource.schema_url": "https://r/1",
    "resource.host.name": "h1",
    "resource.os.type": "linux",
  };
  assert.deepEqual(valuesOf(decodeBoth(request)), [
    { ...resource, "scope.name": "lib", "scope.version": "1" },
    { body: "b", ...resource, "scope.name": "lib", "scope.version": "1" },
    {
      ...resource,
      "scope.schema_url": "https://s/1",
      "scope.name": "other",
      "scope.attributes.k": "v",
    },
  ]);
});

test("fields may come in any order on the wire, known ones of another wire type are passed over", () => {
  const parts = [
    encodeMessage("Request", { resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] }),
    encodeMessage("Request", { resourceLogs: [{ resource: { attributes: [pair("a", 1)] } }] }),
  ].map((bytes) => bytes.subarray(2)); // Without the tag and the length of `resource_logs`.
  const body = Buffer.concat(parts);
  // Field 1 as a varint, and 15 as a group with a fixed32 in it.
  const strange = Buffer.from([0x08, 0x05, 0x7b, 0x0d, 1, 2, 3, 4, 0x7c]);
  const bytes = Buffer.concat([strange, Buffer.from([0x0a, body.length]), body, strange]);
  assert.deepEqual(valuesOf(decodeOtlpProtobuf(bytes)), [{ "resource.a": 1 }]);
});

test("an event is asked for flat names, paths, texts and facts", () => {
  const [record] = decodeBoth(requestOf([{
    timeUnixNano: NANOSECONDS,
    body: {
      kvlistValue: {
        values: [
          pair("Image", "C:\\x.exe"),
          { key: "a", value: { kvlistValue: { values: [pair("b", "deep")] } } },
        ],
      },
    },
    attributes: [pair("a.b", "flat")],
  }], { resource: { attributes: [pair("host.name", "h1")] } })).records;
  const { event } = record!;
  const get = (name: string) => event.get(internField(name));
  assert.equal(get("Image"), "C:\\x.exe");
  assert.equal(get("a.b"), "flat");
  assert.deepEqual(get("a"), { b: "deep" });
  assert.equal(get("resource.host.name"), "h1");
  assert.equal(get("toString"), undefined);
  assert.equal(get("__proto__"), undefined);
  assert.deepEqual(event.topKeys?.(), ["timestamp", "Image", "a", "a.b", "resource.host.name"]);
  assert.equal(event.someText((text) => text === "deep"), true);
  assert.equal(event.someText((text) => text === "h1"), true);
  assert.equal(event.someText((text) => text === "Image"), false);
  assert.equal(eventTimestamp(event)[1], "2023-11-14T22:13:20.123456789Z");
  assert.equal(eventComputer(event), "h1");
});

test("a Windows event in the body answers to the names of Sigma", () => {
  const windows = (values: readonly unknown[]) => ({ kvlistValue: { values } });
  const [record] = decodeBoth(requestOf([{
    body: windows([{
      key: "Event",
      value: windows([
        { key: "System", value: windows([pair("EventID", 1), pair("Channel", "Security")]) },
        { key: "EventData", value: windows([pair("Image", "C:\\x.exe")]) },
      ]),
    }]),
  }])).records;
  const { event } = record!;
  assert.equal(event.get(internField("EventID")), 1);
  assert.equal(event.get(internField("Image")), "C:\\x.exe");
  assert.equal(event.topKeys?.(), undefined);
});

/** How other writers of OTLP/JSON differ. */
const JSON_FORMS: readonly (readonly [title: string, text: string, events: Value])[] = [
  [
    "snake_case",
    '{"resource_logs":[{"scope_logs":[{"log_records":[{"time_unix_nano":"1",' +
    '"severity_text":"INFO","body":{"string_value":"x"},"trace_id":"AB"}]}]}]}',
    [{
      timestamp: "1970-01-01T00:00:00.000000001Z",
      severity_text: "INFO",
      body: "x",
      trace_id: "ab",
    }],
  ],
  [
    "numbers for 64-bit integers",
    record(
      '{"timeUnixNano":1700000000123456789,' +
        '"body":{"intValue":9007199254740993}}',
    ),
    [{
      timestamp: "2023-11-14T22:13:20.123456789Z",
      body: 9007199254740993n,
    }],
  ],
  ["names of severities", record('{"severityNumber":"SEVERITY_NUMBER_WARN2"}'), [
    { severity_number: 14 },
  ]],
  ["unknown members and null", record('{"later":[[]],"body":null,"attributes":null,"flags":"1"}'), [
    { trace_flags: 1 },
  ]],
];
function record(text: string): string {
  return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${text}]}]}]}`;
}
for (const [title, text, events] of JSON_FORMS) {
  test(`decodeOtlpJson() takes ${title}`, () => {
    assert.deepEqual(valuesOf(decodeOtlpJson(text)), events);
  });
}

// inputs.md 19 row 57.
const NOT_JSON: readonly string[] = [
  "",
  "nope",
  "[]",
  "1",
  '{"resourceLogs":{}}',
  '{"resourceLogs":[1]}',
  record('"x"'),
  record('{"attributes":[null]}'),
  record('{"attributes":[{"key":1,"value":{}}]}'),
  record('{"body":"x"}'),
  record('{"body":{"stringValue":1}}'),
  record('{"body":{"intValue":"1.5"}}'),
  record('{"body":{"intValue":"9223372036854775808"}}'),
  record('{"timeUnixNano":"yesterday"}'),
  `${"[".repeat(200_000)}${"]".repeat(200_000)}`,
];
for (const text of NOT_JSON) {
  test(`decodeOtlpJson() refuses ${text.slice(0, 80)}`, () => {
    assert.throws(() => decodeOtlpJson(text), (error: unknown) => {
      assert.ok(error instanceof OtlpError);
      assert.equal(error.code, "OTLP_JSON");
      assert.match(error.message, /^JSON decode error: /);
      assert.ok(error.message.length < 500);
      return true;
    });
  });
}

test("decodeOtlpProtobuf() refuses bytes that are no message", () => {
  for (const bytes of [[0x0a], [0x0a, 5, 1], [0, 0], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff], [7]]) {
    assert.throws(() => decodeOtlpProtobuf(Uint8Array.from(bytes)), (error: unknown) => {
      assert.ok(error instanceof OtlpError);
      assert.equal(error.code, "OTLP_PROTOBUF");
      assert.match(error.message, /^protobuf decode error: /);
      return true;
    });
  }
});

function nested(levels: number): unknown {
  let value: unknown = { intValue: 1 };
  for (let level = 0; level < levels; level++) value = { arrayValue: { values: [value] } };
  return value;
}

const LIMITS: readonly (readonly [
  title: string,
  request: Record<string, unknown>,
  options: OtlpOptions,
  left: number,
  rejected: number,
  reason: RegExp,
])[] = [
  [
    "a record that nests too deep",
    requestOf([{}, { body: nested(70) }, {}]),
    {},
    2,
    1,
    /deeper than 64/,
  ],
  [
    "a record that is too large",
    requestOf([{}, { body: { stringValue: "x".repeat(2000) } }, {}]),
    { maxRecordBytes: 1000 },
    2,
    1,
    /exceeds 1000 bytes/,
  ],
  [
    "too many records",
    requestOf(Array.from({ length: 20 }, () => ({}))),
    { maxRecords: 5 },
    5,
    15,
    /more than 5 records/,
  ],
  [
    "a resource that is too large",
    requestOf([{}, {}], { resource: { attributes: [pair("a", "x".repeat(70_000))] } }),
    {},
    0,
    2,
    /resource and its scope exceed/,
  ],
  [
    "a resource that nests too deep",
    requestOf([{}], { resource: { attributes: [{ key: "a", value: nested(70) }] } }),
    {},
    0,
    1,
    /nests too deep/,
  ],
];
for (const [title, request, options, left, rejected, reason] of LIMITS) {
  test(`${title} is refused, its neighbours are not`, () => {
    const decoded = decodeBoth(request, options);
    assert.equal(decoded.records.length, left);
    assert.equal(decoded.rejected, rejected);
    assert.match(decoded.reason ?? "", reason);
  });
}

test("values nest as deep as rules look", () => {
  assert.equal(decodeBoth(requestOf([{ body: nested(60) }])).records.length, 1);
});

test("a resource with each of many records costs no more than the bound", () => {
  const attributes = [pair("a", "x".repeat(60_000))];
  const request = requestOf(Array.from({ length: 10_000 }, () => ({})), {
    resource: { attributes },
  });
  const { records, rejected, reason } = decodeOtlpProtobuf(protobufOf(request));
  assert.equal(records.length + rejected, 10_000);
  assert.ok(records.length * 60_000 <= 256 << 20);
  assert.match(reason ?? "", /with their resources exceed/);
});

const PARSE: OtlpOptions = {
  parseBody: (line) => parseLine(line, "auto", { nowMs: Date.UTC(2026, 10, 23) }),
};

// What a collector's filelog receiver sends: the line in the body, its file in the attributes.
const BODIES: readonly (readonly [body: string, expected: Record<string, Value>])[] = [
  ['{"EventID":4625,"log.file.name":"mine"}', { EventID: 4625, "log.file.name": "mine" }],
  ["<34>Oct 11 22:14:15 mymachine su[12]: x", { "log.file.name": "auth.log" }],
  ["CEF:0|Acme|fw|1|100|blocked|5|src=10.0.0.1", { src: "10.0.0.1", "resource.host.name": "h1" }],
  ["just words", { body: "just words" }],
  ["", { body: "" }],
];
for (const [body, expected] of BODIES) {
  test(`a body is read as a line: ${body}`, () => {
    const request = requestOf([{
      body: { stringValue: body },
      attributes: [
        pair("log.file.name", "auth.log"),
      ],
    }], { resource: { attributes: [pair("host.name", "h1")] } });
    const { event } = decodeBoth(request, PARSE).records[0]!;
    const value = event.toValue() as Record<string, Value>;
    for (const [name, wanted] of Object.entries(expected)) {
      assert.deepEqual(event.get(internField(name)), wanted, name);
      assert.deepEqual(value[name], wanted, name);
    }
    assert.equal("body" in value, "body" in expected);
    assert.equal(event.get(internField("resource.host.name")), "h1");
    assert.equal(event.someText((text) => text === "h1"), true);
  });
}

test("bodies stay as they are without parseBody", () => {
  const request = requestOf([{ body: { stringValue: '{"a":1}' } }]);
  assert.deepEqual(valuesOf(decodeBoth(request)), [{ body: '{"a":1}' }]);
});

function sdkRecords(): SdkLogRecord[] {
  const records: SdkLogRecord[] = [];
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "shop", "host.name": "web-1" }),
    processors: [{
      onEmit: (record) => void records.push(record),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    }],
  });
  const logger = provider.getLogger("app", "1.2.3");
  logger.emit({ body: "hello", severityNumber: 9, severityText: "INFO", eventName: "e" });
  logger.emit({
    timestamp: [1_700_000_000, 123_456_789],
    body: { user: { name: "root", ids: [0, 1.5, null, true] } },
    attributes: { "log.offset": 2 ** 40, big: 2 ** 53 + 2, negative: -5, nothing: null },
  });
  logger.emit({ body: new Uint8Array([1, 2, 255]), attributes: { list: ["a", "b"] } });
  return records;
}

test("what the SDK serializes is read in both encodings alike", () => {
  const records = sdkRecords();
  const bytes = ProtobufLogsSerializer.serializeRequest(records)!;
  const text = new TextDecoder().decode(JsonLogsSerializer.serializeRequest(records)!);
  const events = valuesOf(decodeOtlpProtobuf(bytes)) as readonly Record<string, Value>[];
  assert.deepEqual(valuesOf(decodeOtlpJson(text)), events);
  assert.equal(events.length, 3);
  assert.equal(events[0]!.body, "hello");
  assert.equal(events[0]!["event.name"], "e");
  assert.equal(events[1]!.timestamp, "2023-11-14T22:13:20.123456789Z");
  assert.deepEqual(events[1]!.user, { name: "root", ids: [0, 1.5, null, true] });
  assert.equal(events[1]!["log.offset"], 2 ** 40);
  assert.equal(events[2]!.body, "0102ff");
  assert.equal(events[2]!["resource.service.name"], "shop");
  assert.equal(events[2]!["scope.version"], "1.2.3");
});

test("both encodings give the same events, whatever is in a request", () => {
  fc.assert(
    fc.property(otlpRequest, (request) => {
      const { records, rejected } = decodeBoth(request);
      assert.equal(rejected, 0);
      for (const { event } of records) {
        const value = event.toValue() as Record<string, Value>;
        for (const name of Object.keys(value)) {
          assert.deepEqual(event.get(internField(name)), value[name]);
        }
        jsonText(value);
      }
    }),
    { numRuns: 300 },
  );
});

test("decodeOtlpProtobuf() gives events or an OtlpError for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        valuesOf(decodeOtlpProtobuf(bytes));
      } catch (error) {
        assert.ok(error instanceof OtlpError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("decodeOtlpJson() gives events or an OtlpError for any JSON", () => {
  const shapes = fc.json({ maxDepth: 6 }).map((text) =>
    text.replaceAll('"a"', '"resourceLogs"').replaceAll('"b"', '"scopeLogs"')
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), shapes, shapes.map(record)), (text) => {
      try {
        valuesOf(decodeOtlpJson(text));
      } catch (error) {
        assert.ok(error instanceof OtlpError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("a request that was cut or changed anywhere is an OtlpError or fewer events", () => {
  const bytes = ProtobufLogsSerializer.serializeRequest(sdkRecords())!;
  const whole = decodeOtlpProtobuf(bytes).records.length;
  const text = new TextDecoder().decode(JsonLogsSerializer.serializeRequest(sdkRecords())!);
  const outcome = (decode: () => OtlpRequest): number | undefined => {
    try {
      return decode().records.length;
    } catch (error) {
      assert.ok(error instanceof OtlpError, String(error));
      return undefined;
    }
  };
  for (let end = 0; end < bytes.length; end++) {
    const left = outcome(() => decodeOtlpProtobuf(bytes.subarray(0, end)));
    // The message has one member, whose length tells that something is missing.
    assert.equal(left, end === 0 ? 0 : undefined);
    const changed = Uint8Array.from(bytes);
    changed[end] = changed[end]! ^ (1 << end % 8);
    const after = outcome(() => decodeOtlpProtobuf(changed)) ?? 0;
    assert.ok(after <= whole + 1);
  }
  for (let end = 0; end < text.length; end += 3) {
    assert.equal(outcome(() => decodeOtlpJson(text.slice(0, end))), undefined);
  }
});

/** What a sender could make of few bytes. */
const BOMBS: readonly (readonly [name: string, make: (size: number) => Uint8Array])[] = [
  ["empty records", (size) => repeated([0x12, 0], size, [0x12, 0x0a])],
  ["empty attributes of one record", (size) => repeated([0x32, 0], size, [0x12, 0x12, 0x0a])],
  ["nested lists", (size) => {
    // Each level is `array_value` of one value; lengths are of five bytes.
    const levels = Math.floor(size / 12);
    const bytes: number[] = [];
    for (let level = 0; level < levels; level++) {
      const left = (levels - level - 1) * 12;
      bytes.push(0x2a, ...varint5(left + 6), 0x0a, ...varint5(left));
    }
    return wrapped(bytes, [0x2a, 0x12, 0x12, 0x0a]);
  }],
  ["groups in groups", (size) => new Uint8Array(size).fill(0x7b)],
];
function varint5(value: number): number[] {
  return [0, 7, 14, 21].map((shift) => value >>> shift & 0x7f | 0x80).concat(value >>> 28);
}
function wrapped(bytes: readonly number[], tags: readonly number[]): Uint8Array {
  let inner = Buffer.from(bytes);
  for (const tag of tags) {
    inner = Buffer.concat([Buffer.from([tag, ...varint5(inner.length)]), inner]);
  }
  return inner;
}
function repeated(unit: readonly number[], size: number, tags: readonly number[]): Uint8Array {
  const bytes = Array.from({ length: size }, (_, at) => unit[at % unit.length]!);
  return wrapped(bytes, tags);
}
for (const [name, make] of BOMBS) {
  test(`${name} take time in proportion to their bytes`, () => {
    assertLinear(name, 1 << 20, make, (bytes) => {
      try {
        const { records, rejected } = decodeOtlpProtobuf(bytes);
        assert.ok(records.length <= 100_000);
        assert.ok(records.length + rejected > 0);
      } catch (error) {
        assert.ok(error instanceof OtlpError, String(error));
      }
    });
  });
}
