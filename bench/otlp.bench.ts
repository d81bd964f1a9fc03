/**
 * What decoding a log record of OTLP costs, beside a library of Protocol Buffers and `JSON.parse`.
 *
 *     bun bench/otlp.bench.ts
 */
import assert from "node:assert/strict";
import { decodeOtlpJson } from "../src/decode/otlp/json.ts";
import { decodeOtlpProtobuf } from "../src/decode/otlp/protobuf.ts";
import { encodeProtobuf } from "../src/deliver/otlp/encode.ts";
import { decodeMessage, encodeMessage, pair, requestOf } from "../test/support/otlp_schema.ts";

const RECORDS = 512;
const ROUNDS = 9;
const ROUND_MS = 200;

/** A line of a log with what a collector's filelog receiver says of it. */
function record(at: number): unknown {
  return {
    timeUnixNano: String(1_763_880_000_000_000_000n + BigInt(at) * 1_000_000n),
    observedTimeUnixNano: "1763880001000000000",
    severityNumber: 9,
    severityText: "INFO",
    body: {
      stringValue: `Nov 23 08:00:0${at % 10} web-1 sshd[${1000 + at}]: Failed password for root ` +
        `from 10.0.0.${at % 250} port ${40_000 + at} ssh2`,
    },
    attributes: [
      pair("log.file.name", "auth.log"),
      pair("log.file.path", "/var/log/auth.log"),
      pair("log.offset", 1_000_000 + at * 120),
      pair("user.name", "root"),
      pair("http.status_code", 200 + at % 100),
      pair("ok", true),
      pair("ratio", 0.25 * at + 0.1),
      pair("thread.name", `worker-${at % 8}`),
    ],
  };
}

const request = requestOf(Array.from({ length: RECORDS }, (_, at) => record(at)), {
  resource: { attributes: [pair("service.name", "shop"), pair("host.name", "web-1")] },
  scope: { name: "app", version: "1.2.3" },
});
const bytes = encodeMessage("Request", request);
const text = JSON.stringify(request);
const alerts = Array.from({ length: RECORDS }, (_, at) => ({
  alert: {
    seq: at,
    id: `pk1-${at}`,
    kind: "detection" as const,
    level: "high" as const,
    ruleId: null,
    ruleTitle: "Rule",
    sourceId: "s",
    createdMs: 0,
    eventMs: undefined,
    body: "",
  },
  body: { rule_title: "Rule", tags: ["a", "b"], level: "high", count: at },
}));

const decoded = decodeOtlpProtobuf(bytes).records.map(({ event }) => event.toValue());
assert.deepEqual(decodeOtlpJson(text).records.map(({ event }) => event.toValue()), decoded);
assert.equal(decoded.length, RECORDS);

const ways: readonly (readonly [name: string, work: () => unknown])[] = [
  ["decodeOtlpProtobuf()", () => decodeOtlpProtobuf(bytes)],
  ["protobufjs, to objects", () => decodeMessage("Request", bytes)],
  ["decodeOtlpJson()", () => decodeOtlpJson(text)],
  ["JSON.parse() alone", () => JSON.parse(text)],
  ["encodeProtobuf() of alerts", () => encodeProtobuf(alerts, { version: "1", nowMs: 0 })],
];
const best = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, work] of ways) {
    const started = performance.now();
    let runs = 0;
    while (performance.now() - started < ROUND_MS) {
      work();
      runs++;
    }
    const nanoseconds = (performance.now() - started) * 1e6 / runs / RECORDS;
    best.set(name, Math.min(best.get(name) ?? Infinity, nanoseconds));
  }
}
console.log(
  `${bytes.length} bytes in Protocol Buffers, ${text.length} in JSON, best of ${ROUNDS}:`,
);
for (const [name, nanoseconds] of best) {
  console.log(`${name.padEnd(28)} ${nanoseconds.toFixed(0).padStart(6)} ns a record`);
}
