/**
 * The OTLP sink against real servers, which read what they get with an independent library and with
 * the receiver of Picket itself.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { decodeOtlpJson } from "../../src/decode/otlp/json.ts";
import { decodeOtlpProtobuf } from "../../src/decode/otlp/protobuf.ts";
import { startDrain } from "../../src/deliver/drain.ts";
import { encodeJson, encodeProtobuf } from "../../src/deliver/otlp/encode.ts";
import { readResponse } from "../../src/deliver/otlp/response.ts";
import { otlpSink } from "../../src/deliver/otlp/sink.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import { HttpError } from "../../src/runtime/http/errors.ts";
import type { Sink } from "../../src/runtime/plugin.ts";
import type { OtlpSinkSettings } from "../../src/runtime/settings.ts";
import { makeCa, type Reply, type Seen, serve, serverTls } from "../support/http_servers.ts";
import { MemoryOutbox, newAlert } from "../support/memory_outbox.ts";
import { startReceiver } from "../support/otlp_receiver.ts";
import { decodeMessage, encodeMessage } from "../support/otlp_schema.ts";
import { skipIf } from "../support/skip.ts";
import { sinkSuite } from "../support/sink_suite.ts";

const NEVER = new AbortController().signal;
const CREATED_MS = 1_760_000_000_000;
const NOW_MS = 1_760_000_001_500;
const ORIGIN = { version: "0.1.0", agentId: "agent-1", host: "web-1" };

function sinkOf(
  endpoint: string,
  settings: Partial<OtlpSinkSettings> = {},
  env: Readonly<Record<string, string>> = {},
): Sink {
  return otlpSink({
    id: "hub",
    type: "otlp",
    endpoint,
    egress: { policy: "default" },
    proxy: "none",
    timeoutMs: 1000,
    ...settings,
  }, { origin: ORIGIN, now: () => NOW_MS, env: (name) => env[name] });
}

function alertOf(seq: number, body: Readonly<Record<string, Value>> = {}): Alert {
  const { recordId: _, ...alert } = newAlert({
    id: `pk1-${seq}`,
    ruleTitle: `Rule ${seq}`,
    level: "high",
    body: jsonText({ rule_title: `Rule ${seq}`, ...body }),
  });
  return { ...alert, seq, createdMs: CREATED_MS };
}

function alertsOf(count: number): Alert[] {
  return Array.from({ length: count }, (_, at) => alertOf(at + 1));
}

function plainBody({ headers, body }: Seen): Buffer {
  return headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}

// delivery.md 10, 20.3 "Use".
test("an alert becomes a log record", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url);
  const body = {
    tags: ["attack.t1059"],
    level: "high",
    count: 3,
    ratio: 0.5,
    big: 9_007_199_254_740_993n,
    huge: 18_446_744_073_709_551_615n,
    negative: -7,
    ok: true,
    nothing: null,
    event: { Image: "C:\\x.exe" },
  };
  assert.deepEqual(await sink.send([alertOf(1, body)], NEVER), [undefined]);
  const [seen] = server.seen;
  assert.equal(seen!.method, "POST");
  assert.equal(seen!.url, "/v1/logs");
  assert.equal(seen!.headers["content-type"], "application/x-protobuf");
  assert.equal(seen!.headers["idempotency-key"], "pk1-1");
  const string = (stringValue: string) => ({ stringValue });
  const pair = (key: string, value: unknown) => ({ key, value });
  assert.deepEqual(decodeMessage("Request", plainBody(seen!)), {
    resourceLogs: [{
      resource: {
        attributes: [
          pair("service.name", string("picket")),
          pair("service.version", string("0.1.0")),
          pair("service.instance.id", string("agent-1")),
          pair("host.name", string("web-1")),
        ],
      },
      scopeLogs: [{
        scope: { name: "picket", version: "0.1.0" },
        logRecords: [{
          timeUnixNano: "1760000000000000000",
          observedTimeUnixNano: "1760000001500000000",
          severityNumber: 17,
          severityText: "ERROR",
          body: string("Rule 1"),
          attributes: [
            pair("rule_title", string("Rule 1")),
            pair("tags", { arrayValue: { values: [string("attack.t1059")] } }),
            pair("level", string("high")),
            pair("count", { intValue: "3" }),
            pair("ratio", { doubleValue: 0.5 }),
            pair("big", { intValue: "9007199254740993" }),
            pair("huge", string("18446744073709551615")),
            pair("negative", { intValue: "-7" }),
            pair("ok", { boolValue: true }),
            pair("nothing", {}),
            pair("event", { kvlistValue: { values: [pair("Image", string("C:\\x.exe"))] } }),
            pair("picket.msg_id", string("pk1-1")),
          ],
        }],
      }],
    }],
  });
});

const SEVERITIES = [
  ["critical", 21, "FATAL"],
  ["high", 17, "ERROR"],
  ["medium", 13, "WARN"],
  ["low", 9, "INFO"],
  ["informational", 5, "DEBUG"],
  [null, undefined, undefined],
] as const;
for (const [level, severityNumber, severityText] of SEVERITIES) {
  test(`the level ${level} has its severity`, () => {
    const alert = { ...alertOf(1), level };
    const moment = { ...ORIGIN, nowMs: NOW_MS };
    const alerts = [{ alert, body: {} }];
    for (
      const { records } of [
        decodeOtlpProtobuf(encodeProtobuf(alerts, moment)),
        decodeOtlpJson(encodeJson(alerts, moment)),
      ]
    ) {
      const event = records[0]!.event.toValue() as Record<string, Value>;
      assert.equal(event.severity_number, severityNumber);
      assert.equal(event.severity_text, severityText);
    }
  });
}

/** A value without what OTLP has no word for. */
function carried(value: Value): Value {
  if (typeof value === "bigint" && BigInt.asIntN(64, value) !== value) return String(value);
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(carried);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]) => [key, carried(member)]);
  return Object.fromEntries(entries) as Value;
}

test("whatever an alert holds is read back, from both encodings", () => {
  const { value } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: "grapheme" }),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  const bodies = fc.array(value, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(bodies, (values) => {
      const alerts = values.map((one, at) => ({ alert: alertOf(at), body: { value: one } }));
      const moment = { ...ORIGIN, nowMs: NOW_MS };
      const bytes = encodeProtobuf(alerts, moment);
      decodeMessage("Request", bytes);
      for (
        const { records, rejected } of [
          decodeOtlpProtobuf(bytes),
          decodeOtlpJson(encodeJson(alerts, moment)),
        ]
      ) {
        assert.equal(rejected, 0);
        const read = records.map(({ event }) => (event.toValue() as Record<string, Value>).value);
        assert.deepEqual(read, values.map(carried));
      }
    }),
    { numRuns: 300 },
  );
});

test("messages of any length have their length in front", () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 3_000_000]) {
    const alerts = [{ alert: alertOf(1), body: { text: "é".repeat(length) } }];
    const moment = { ...ORIGIN, nowMs: NOW_MS };
    const bytes = encodeProtobuf(alerts, moment);
    const { records } = decodeOtlpProtobuf(bytes, { maxRecordBytes: 1 << 24 });
    const event = records[0]!.event.toValue() as Record<string, Value>;
    assert.equal((event.text as string).length, length);
    decodeMessage("Request", bytes);
  }
});

test("JSON, compression, headers and a token", async () => {
  await using server = await serve(() => ({}));
  const secret = () => "s3cret\n";
  await using sink = sinkOf(`${server.url}/otlp/v1/logs`, {
    protocol: "http/json",
    bearer: secret,
    headers: { "X-Tenant": "${TENANT}" },
  }, { TENANT: "blue" });
  await sink.send([alertOf(1, { text: "x".repeat(3000) })], NEVER);
  await sink.send([alertOf(2)], NEVER);
  const [large, small] = server.seen;
  assert.equal(large!.url, "/otlp/v1/logs");
  assert.equal(large!.headers["content-type"], "application/json");
  assert.equal(large!.headers["content-encoding"], "gzip");
  assert.equal(large!.headers.authorization, "Bearer s3cret");
  assert.equal(large!.headers["x-tenant"], "blue");
  assert.equal(decodeOtlpJson(plainBody(large!).toString()).records.length, 1);
  assert.equal(small!.headers["content-encoding"], undefined);
});

test("batches are cut by their bytes, and an empty list sends nothing", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url, { maxBatchBytes: 200, gzip: false });
  assert.deepEqual(await sink.send([], NEVER), []);
  assert.equal(server.seen.length, 0);
  const outcomes = await sink.send(alertsOf(20), NEVER);
  assert.deepEqual(outcomes, Array.from({ length: 20 }, () => undefined));
  assert.ok(server.seen.length > 2);
  const titles = server.seen.flatMap((seen) =>
    decodeOtlpProtobuf(plainBody(seen)).records.map(({ event }) =>
      (event.toValue() as Record<string, Value>).body
    )
  );
  assert.deepEqual(titles, alertsOf(20).map(({ ruleTitle }) => ruleTitle));
});

// OTLP specification, "Failures"; delivery.md 20.4.
const ANSWERS: readonly (readonly [reply: Reply, failure: string, retryAfterMs?: number])[] = [
  [{ status: 400, body: "bad" }, "poison"],
  [{ status: 413 }, "poison"],
  [{ status: 401 }, "auth"],
  [{ status: 403 }, "auth"],
  [{ status: 404 }, "config"],
  [{ status: 429, headers: { "retry-after": "7" } }, "transient", 7000],
  [{ status: 502 }, "transient"],
  [{ status: 503, headers: { "retry-after": "2" } }, "transient", 2000],
  [{ status: 504 }, "transient"],
  [{ status: 302, headers: { location: "/x" } }, "config"],
];
for (const [reply, failure, retryAfterMs] of ANSWERS) {
  test(`an answer of ${reply.status} is ${failure}`, async () => {
    await using server = await serve(() => reply);
    await using sink = sinkOf(server.url);
    const [error] = await sink.send([alertOf(1)], NEVER);
    assert.ok(error instanceof DeliveryError);
    assert.equal(error.failure, failure);
    assert.equal(error.retryAfterMs, retryAfterMs);
    assert.equal(error.isFinal, false);
    assert.match(error.message, /^otlp sink hub: HTTP \d+/);
  });
}

/** A reply whose body is bytes, which `Reply` writes as they are. */
function partial(rejected: number, message: string): Reply {
  const bytes = encodeMessage("Response", {
    partialSuccess: { rejectedLogRecords: rejected, errorMessage: message },
  });
  return {
    headers: { "content-type": "application/x-protobuf" },
    // All bytes of these messages are ASCII.
    body: Buffer.from(bytes).toString("latin1"),
  };
}

test("records that a receiver refuses are not sent again", async () => {
  await using server = await serve(() => partial(2, "too old\n"));
  await using sink = sinkOf(server.url);
  const outcomes = await sink.send(alertsOf(3), NEVER);
  assert.equal(server.seen.length, 1);
  for (const error of outcomes) {
    assert.equal(error?.failure, "poison");
    assert.equal(error?.isFinal, true);
    assert.equal(
      error?.message,
      "otlp sink hub: 2 of 3 records were rejected, and which is not told: too old ",
    );
  }
});

test("a partial success buries its batch once, in the outbox's dead letters", async () => {
  let requests = 0;
  await using server = await serve(() => ++requests === 1 ? partial(1, "no") : {});
  const outbox = new MemoryOutbox();
  outbox.registerSinks([{ id: "hub", filter: {}, start: "oldest" }], Date.now());
  outbox.commit({
    alerts: alertsOf(3).map((alert) => ({ ...alert, recordId: "r" })),
    positions: new Map(),
    nowMs: Date.now(),
  });
  const settings: OtlpSinkSettings = {
    id: "hub",
    type: "otlp",
    endpoint: server.url,
    egress: { policy: "default" },
    proxy: "none",
  };
  const sink = otlpSink(settings, { origin: ORIGIN });
  const drain = startDrain({ sink, outbox });
  for (let wait = 0; wait < 200 && outbox.deadLetters.length < 3; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await drain.stop(AbortSignal.timeout(1000));
  assert.equal(outbox.deadLetters.length, 3);
  assert.equal(server.seen.length, 1);
});

test("readResponse() knows both encodings, and takes what it cannot read for success", () => {
  const of = (value: Record<string, unknown>) => encodeMessage("Response", value);
  const text = (value: string) => new TextEncoder().encode(value);
  const NONE = { rejected: 0, message: "" };
  const table: readonly (readonly [Uint8Array, string | undefined, unknown])[] = [
    [new Uint8Array(), undefined, NONE],
    [of({}), "application/x-protobuf", NONE],
    [of({ partialSuccess: { errorMessage: "hm" } }), undefined, { rejected: 0, message: "hm" }],
    [of({ partialSuccess: { rejectedLogRecords: 3 } }), undefined, { rejected: 3, message: "" }],
    [text("{}"), "application/json", NONE],
    [text('{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"m"}}'), "application/json", {
      rejected: 2,
      message: "m",
    }],
    [text("<html>"), "text/html", NONE],
    [text("{"), "application/json", NONE],
    [text("null"), "application/json; charset=utf-8", NONE],
  ];
  for (const [body, type, expected] of table) assert.deepEqual(readResponse(body, type), expected);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    readResponse(bytes, undefined);
    readResponse(bytes, "application/json");
  }));
});

test("settings that cannot work are refused at once", () => {
  const refused = (settings: Partial<OtlpSinkSettings>, message: RegExp) =>
    assert.throws(
      () => sinkOf(settings.endpoint ?? "http://h:4318", settings),
      (error: unknown) => {
        assert.ok(error instanceof HttpError);
        assert.match(error.message, message);
        return true;
      },
    );
  refused({ endpoint: "h:4318" }, /not an http:\/\/ or https:\/\/ URL/);
  refused({ headers: { "a b": "c" } }, /invalid header name/);
  refused({ headers: { Authorization: "x" }, bearer: () => "y" }, /either bearer or/);
  refused({ egress: { policy: "default", denyCidrs: ["x"] } }, /sink 'hub'/);
});

test("the egress policy holds", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url, { egress: { policy: "strict" } });
  const [error] = await sink.send([alertOf(1)], NEVER);
  assert.equal(error?.failure, "config");
  assert.equal(server.seen.length, 0);
});

const CA = makeCa();
test("TLS with an authority of one's own", {
  skip: skipIf(CA === undefined, "there is no openssl"),
}, async () => {
  using ca = CA!;
  const pair = ca.issue("localhost", "DNS:localhost,IP:127.0.0.1");
  await using server = await serve(() => ({}), serverTls(pair));
  await using sink = sinkOf(server.url, { tls: { ca: ca.ca } });
  assert.ok(readFileSync(ca.ca).length > 0);
  assert.deepEqual(await sink.send([alertOf(1)], NEVER), [undefined]);
  await sink.probe?.(NEVER);
  await using stranger = sinkOf(server.url);
  const [error] = await stranger.send([alertOf(1)], NEVER);
  assert.equal(error?.failure, "auth");
});

for (const protocol of ["http/protobuf", "http/json"] as const) {
  test(`what the sink sends by ${protocol}, the receiver takes`, async () => {
    await using receiver = await startReceiver();
    await using sink = sinkOf(receiver.http, { protocol });
    assert.deepEqual(await sink.send(alertsOf(3), NEVER), [undefined, undefined, undefined]);
    assert.deepEqual(receiver.values().map(({ body }) => body), ["Rule 1", "Rule 2", "Rule 3"]);
    assert.equal(receiver.values()[0]!["resource.service.name"], "picket");
  });
}

let bodies: string[] = [];
let isDown = false;
sinkSuite("OtlpSink", async () => {
  bodies = [];
  isDown = false;
  const server = await serve(({ headers, body }) => {
    if (isDown) return { status: 503 };
    const plain = headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    for (const { event } of decodeOtlpProtobuf(plain, { maxRecordBytes: 1 << 24 }).records) {
      bodies.push(bodyOf(event.toValue() as Record<string, Value>));
    }
    return {};
  });
  const make = () => sinkOf(server.url, { timeoutMs: 5000 });
  const sink = make();
  return {
    sink,
    received: () => Promise.resolve(bodies),
    outage: {
      begin: () => Promise.resolve(void (isDown = true)),
      end: () => Promise.resolve(void (isDown = false)),
    },
    again: make,
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

/** The alert's JSON, from what its record holds beside it. */
function bodyOf(event: Record<string, Value>): string {
  const added =
    /^(?:timestamp|observed_timestamp|severity_.*|body|picket\.msg_id|resource\..*|scope\..*)$/;
  return jsonText(
    Object.fromEntries(Object.entries(event).filter(([name]) => !added.test(name))),
  );
}
