/**
 * Arbitrary Windows events, each with the JSON projection (evtx.md section 14) it must read back as.
 */
import fc from "fast-check";
import type { Value } from "../../src/event/value.ts";
import type { DataField, EventStyle, WindowsEventSpec } from "../support/evtx_event.ts";
import * as evtx from "../support/evtx_values.ts";

/** A value as written and as read. An empty one reads as `undefined`. */
export interface TypedValue {
  readonly value: evtx.EvtxValue;
  readonly expected: Value | undefined;
}

/** A value and what it reads as: `written(3, int8, 3)`. */
function typed<T>(
  source: fc.Arbitrary<T>,
  write: (value: T) => evtx.EvtxValue,
  read: (value: T) => Value | undefined,
): fc.Arbitrary<TypedValue> {
  return source.map((value) => ({ value: write(value), expected: read(value) }));
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function orEmpty(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** Any code units but NUL, which ends a string: surrogates may stand alone. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.array(fc.integer({ min: 1, max: 0xffff }), { maxLength: 20 })
    .map((units) => String.fromCharCode(...units)),
).map((value) => value.replaceAll("\0", " "));

const bytes = fc.uint8Array({ maxLength: 40 });

// Years 1601 to 9999.
const MAX_TICKS = 2_650_467_743_999_999_999n;

const guidText = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((value) => {
  const hex = Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .join("-").toUpperCase();
});

const sidText = fc.tuple(
  fc.integer({ min: 0, max: 255 }),
  fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }),
  fc.array(fc.nat({ max: 0xffffffff }), { maxLength: 15 }),
).map(([revision, authority, rest]) => ["S", revision, authority, ...rest].join("-"));

/** Ticks as a date with six digits of a second, computed apart from the decoder. */
function ticksText(ticks: bigint): string {
  const micros = ticks / 10n - 11_644_473_600_000_000n;
  const second = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n);
  const fraction = String(micros - second * 1_000_000n).padStart(6, "0");
  return `${new Date(Number(second) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

const date = fc.date({
  min: new Date("1601-01-01T00:00:00.000Z"),
  max: new Date("9999-12-31T23:59:59.999Z"),
  noInvalidDate: true,
});

function dateWords(value: Date): number[] {
  return [
    value.getUTCFullYear(),
    value.getUTCMonth() + 1,
    value.getUTCDay(),
    value.getUTCDate(),
    value.getUTCHours(),
    value.getUTCMinutes(),
    value.getUTCSeconds(),
    value.getUTCMilliseconds(),
  ];
}

const u64 = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt(0n, 1000n));

/** A value of every type but arrays and nested fragments. */
export const scalarValue: fc.Arbitrary<TypedValue> = fc.oneof(
  typed(text, (value) => evtx.string(value), orEmpty),
  typed(text, (value) => evtx.string(value, true), orEmpty),
  // Latin-1 from U+00A0 on is the same in windows-1252.
  typed(
    fc.array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0xa0, max: 0xff })))
      .map((codes) => String.fromCharCode(...codes)),
    evtx.ansi,
    orEmpty,
  ),
  typed(fc.integer({ min: -128, max: 127 }), evtx.int8, (value) => value),
  typed(fc.nat({ max: 255 }), evtx.uint8, (value) => value),
  typed(fc.integer({ min: -32768, max: 32767 }), evtx.int16, (value) => value),
  typed(fc.nat({ max: 65535 }), evtx.uint16, (value) => value),
  typed(fc.integer(), evtx.int32, (value) => value),
  typed(fc.nat({ max: 0xffffffff }), evtx.uint32, (value) => value),
  typed(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), evtx.int64, exact),
  typed(u64, evtx.uint64, exact),
  typed(fc.integer(), evtx.bool, (value) => value !== 0),
  typed(
    bytes,
    evtx.binary,
    (value) =>
      orEmpty(Array.from(value, (b) => b.toString(16).padStart(2, "0")).join("").toUpperCase()),
  ),
  typed(guidText, evtx.guid, (value) => value),
  typed(u64, (value) => evtx.sizeT(value, 8), (value) => `0x${value.toString(16)}`),
  typed(
    fc.nat({ max: 0xffffffff }),
    (value) => evtx.sizeT(BigInt(value), 4),
    (value) => `0x${value.toString(16)}`,
  ),
  typed(fc.bigInt({ min: 0n, max: MAX_TICKS }), evtx.fileTime, ticksText),
  typed(
    date,
    (value) => evtx.systemTime(dateWords(value)),
    (value) => value.toISOString().replace("Z", "000Z"),
  ),
  typed(sidText, evtx.sid, (value) => value),
  typed(fc.nat({ max: 0xffffffff }), evtx.hexInt32, (value) => `0x${value.toString(16)}`),
  typed(u64, evtx.hexInt64, (value) => `0x${value.toString(16)}`),
  fc.constant({ value: evtx.NULL_VALUE, expected: undefined }),
);

/** A row of strings without NUL; it repeats its element, so it reads as its items. */
export const stringArrayValue: fc.Arbitrary<TypedValue> = typed(
  fc.array(text, { maxLength: 5 }),
  evtx.stringArray,
  (items) => items.length === 1 ? orEmpty(items[0]!) : items.length === 0 ? undefined : items,
);

export interface EventCase {
  readonly spec: WindowsEventSpec;
  readonly style: EventStyle;
  /** Of `toValue()`. */
  readonly expected: Value;
}

const style: fc.Arbitrary<EventStyle> = fc.record({ noNestedHeader: fc.boolean() });

const name = fc.oneof(
  fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 12 }),
  fc.constantFrom("Image", "EventID", "Data", "toString", "__proto__", "#text", "a.b[0]"),
);

/** What stands beside the payload; provider and channel are never empty. */
const system = fc.record({
  channel: fc.constantFrom("Security", "Microsoft-Windows-Sysmon/Operational", "Ünïcode 😀"),
  provider: text.map((value) => `P${value}`),
  providerGuid: fc.option(guidText, { nil: undefined }),
  eventSourceName: fc.option(fc.constant("Source"), { nil: undefined }),
  eventId: fc.nat({ max: 65535 }),
  qualifiers: fc.option(fc.nat({ max: 65535 }), { nil: undefined }),
  version: fc.nat({ max: 255 }),
  level: fc.nat({ max: 255 }),
  task: fc.nat({ max: 65535 }),
  opcode: fc.nat({ max: 255 }),
  keywords: u64,
  time: date.map((value) => value.toISOString()),
  computer: fc.constantFrom("ws1", "dc.corp.example"),
  userId: fc.option(sidText, { nil: undefined }),
  processId: fc.nat({ max: 0xffffffff }),
  threadId: fc.nat({ max: 0xffffffff }),
  activityId: fc.option(guidText, { nil: undefined }),
  relatedActivityId: fc.option(guidText, { nil: undefined }),
});

type SystemFields = typeof system extends fc.Arbitrary<infer T> ? T : never;

/** Members that have a value; `undefined` when none has. */
function object(entries: readonly (readonly [string, Value | undefined])[]): Value | undefined {
  const kept = entries.filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

function attributes(entries: Readonly<Record<string, Value | undefined>>): Value {
  const kept = object(Object.entries(entries));
  return kept === undefined ? null : { "#attributes": kept };
}

function expectedSystem(fields: SystemFields, recordId: bigint): Value {
  return {
    Provider: attributes({
      Name: fields.provider,
      Guid: fields.providerGuid,
      EventSourceName: fields.eventSourceName,
    }),
    EventID: fields.qualifiers === undefined
      ? fields.eventId
      : { "#attributes": { Qualifiers: fields.qualifiers }, "#text": fields.eventId },
    Version: fields.version,
    Level: fields.level,
    Task: fields.task,
    Opcode: fields.opcode,
    Keywords: `0x${fields.keywords.toString(16)}`,
    TimeCreated: attributes({ SystemTime: fields.time.replace("Z", "000Z") }),
    EventRecordID: exact(recordId),
    Correlation: attributes({
      ActivityID: fields.activityId,
      RelatedActivityID: fields.relatedActivityId,
    }),
    Execution: attributes({ ProcessID: fields.processId, ThreadID: fields.threadId }),
    Channel: fields.channel,
    Computer: fields.computer,
    Security: attributes({ UserID: fields.userId }),
  };
}

interface Payload {
  readonly spec: Pick<WindowsEventSpec, "data" | "userData">;
  readonly expected: readonly (readonly [string, Value])[];
}

/** Named fields; a name met again, or an array, makes all its values an array. */
const namedData: fc.Arbitrary<Payload> = fc.array(
  fc.tuple(name, fc.oneof({ weight: 9, arbitrary: scalarValue }, stringArrayValue)),
  { minLength: 1, maxLength: 12 },
).map((fields) => {
  const values = new Map<string, Value[]>();
  for (const [key, { expected }] of fields) {
    const row = values.get(key) ?? [];
    values.set(key, row);
    if (Array.isArray(expected)) row.push(...expected);
    else row.push(expected ?? "");
  }
  const members = [...values].map(([key, row]) => [key, row.length === 1 ? row[0]! : row]);
  return {
    spec: { data: fields.map(([key, { value }]): DataField => [key, value]) },
    expected: [["EventData", Object.fromEntries(members)]],
  };
});

/** Fields without names, as classic providers write them. */
const positionalData: fc.Arbitrary<Payload> = fc.array(scalarValue, { minLength: 1, maxLength: 6 })
  .map((fields) => {
    const row = fields.map(({ expected }) => expected ?? "");
    return {
      spec: { data: fields.map(({ value }): DataField => [undefined, value]) },
      expected: [["EventData", { Data: { "#text": row.length === 1 ? row[0]! : row } }]],
    };
  });

const userData: fc.Arbitrary<Payload> = fc.uniqueArray(
  fc.tuple(fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/), scalarValue),
  { minLength: 1, maxLength: 6, selector: ([key]) => key },
).map((fields) => ({
  spec: {
    userData: {
      element: "EventXML",
      namespace: "Event_NS",
      fields: Object.fromEntries(fields.map(([key, { value }]) => [key, value])),
    },
  },
  expected: [["UserData", {
    EventXML: {
      "#attributes": { xmlns: "Event_NS" },
      ...Object.fromEntries(fields.map(([key, { expected }]) => [key, expected ?? null])),
    },
  }]],
}));

const payload = fc.oneof(
  { weight: 4, arbitrary: namedData },
  { weight: 1, arbitrary: positionalData },
  { weight: 2, arbitrary: userData },
  { weight: 1, arbitrary: fc.constant<Payload>({ spec: {}, expected: [] }) },
);

/** An event with its projection, written with templates. */
export const windowsEvent: fc.Arbitrary<EventCase> = fc.record({
  fields: system,
  part: payload,
  style,
  // The id also stands in the record header; 0 marks a record that was never finished.
  recordId: fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }),
}).map(({ fields, part, style, recordId }) => {
  const given = Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as unknown as WindowsEventSpec;
  return {
    spec: { ...given, ...part.spec, recordId },
    style,
    expected: {
      Event: {
        "#attributes": { xmlns: "http://schemas.microsoft.com/win/2004/08/events/event" },
        System: expectedSystem(fields, recordId),
        ...Object.fromEntries(part.expected),
      },
    },
  };
});
