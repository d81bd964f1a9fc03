/**
 * Requests of OTLP, in the objects that OTLP/JSON and protobufjs share.
 */
import fc from "fast-check";

const INT64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const { value } = fc.letrec<{ value: unknown; pair: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.string({ unit: "binary" }).map((stringValue) => ({ stringValue })),
    fc.boolean().map((boolValue) => ({ boolValue })),
    INT64.map((int) => ({ intValue: String(int) })),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((doubleValue) => ({ doubleValue })),
    fc.constant({}),
    fc.array(tie("value"), { maxLength: 4 }).map((values) => ({ arrayValue: { values } })),
    fc.array(tie("pair"), { maxLength: 4 }).map((values) => ({ kvlistValue: { values } })),
  ),
  pair: fc.record({ key: name(), value: tie("value") }),
}));

/** Names that are also members of every object are among them. */
function name(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom("body", "timestamp", "trace_id", "__proto__", "constructor", "a.b", ""),
    fc.string({ maxLength: 12 }),
  );
}

const attributes = fc.array(fc.record({ key: name(), value }), { maxLength: 6 });
const nanoseconds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const text = fc.string({ unit: "binary", maxLength: 20 });
const hex = fc.constantFrom("", "5b8efff798038103d269b633813fc60c", "00ff");

const record = fc.record({
  timeUnixNano: nanoseconds,
  observedTimeUnixNano: nanoseconds,
  severityNumber: fc.integer({ min: 0, max: 24 }),
  severityText: text,
  body: value,
  attributes,
  flags: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  traceId: hex,
  spanId: hex,
  eventName: text,
}, { requiredKeys: [] });

const scopeLogs = fc.record({
  scope: fc.record({ name: text, version: text, attributes }, { requiredKeys: [] }),
  logRecords: fc.array(record, { maxLength: 4 }),
  schemaUrl: text,
}, { requiredKeys: [] });

const resourceLogs = fc.record({
  resource: fc.record({ attributes }),
  scopeLogs: fc.array(scopeLogs, { maxLength: 3 }),
  schemaUrl: text,
}, { requiredKeys: [] });

/** A request; ids are hexadecimal, as OTLP/JSON has them. */
export const otlpRequest: fc.Arbitrary<Record<string, unknown>> = fc.record({
  resourceLogs: fc.array(resourceLogs, { maxLength: 3 }),
});
