/**
 * The listeners of OTLP with the exporters of the OpenTelemetry SDK as clients, and with clients that
 * are nobody's: what is answered, and what that costs.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { deflateSync, gzipSync } from "node:zlib";
import { internField } from "../../../src/event/field.ts";
import type { LogEvent } from "../../../src/event/event.ts";
import { makeCa } from "../../support/http_servers.ts";
import {
  callGrpc,
  exportBy,
  exporterOf,
  EXPORTERS,
  frame,
  type GrpcAnswer,
} from "../../support/otlp_client.ts";
import { startReceiver } from "../../support/otlp_receiver.ts";
import { decodeMessage, encodeMessage, pair, requestOf } from "../../support/otlp_schema.ts";
import { skipIf } from "../../support/skip.ts";

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";
const ONE = encodeMessage("Request", requestOf([{ body: { stringValue: "hello" } }]));
const ONE_JSON = JSON.stringify(requestOf([{ body: { stringValue: "hello" } }]));

async function post(
  url: string,
  body: Uint8Array | string | undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return await fetch(`${url}/v1/logs`, {
    method: "POST",
    headers: { ...headers },
    ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
  });
}

// delivery.md 21.3 row 44: with and without compression, a commit stands behind each answer.
for (const kind of EXPORTERS) {
  for (const gzip of [false, true]) {
    test(`the SDK's exporter ${kind}${gzip ? " with gzip" : ""} delivers its records`, async () => {
      await using receiver = await startReceiver();
      const exporter = exporterOf(kind, kind === "grpc" ? receiver.grpc : receiver.http, { gzip });
      try {
        const big = Array.from({ length: 200 }, (_, at) => ({
          body: `line ${at} of a log with some length`,
          attributes: { "log.offset": at },
        }));
        assert.equal(await exportBy(exporter, big), undefined);
        assert.equal(await exportBy(exporter, [{ body: { EventID: 4625 } }]), undefined);
      } finally {
        await exporter.shutdown();
      }
      const values = receiver.values();
      assert.equal(values.length, 201);
      assert.equal(values[7]!.body, "line 7 of a log with some length");
      assert.equal(values[7]!["log.offset"], 7);
      assert.equal(values[7]!["resource.host.name"], "web-1");
      assert.equal(values[200]!.EventID, 4625);
      const transport = kind === "grpc" ? "grpc protobuf" : kind.replace("/", " ");
      assert.equal(receiver.counts.get(`request ${transport}`), 2);
      assert.equal(receiver.counts.get("records"), 201);
    });
  }
}

// inputs.md 10.1, 19 rows 50, 56 to 58; delivery.md 3.7, 21.3 rows 44 to 46; daemon.md 3.21.
const REQUESTS: readonly (readonly [
  title: string,
  body: Uint8Array | string | undefined,
  headers: Readonly<Record<string, string>>,
  status: number,
  answer: RegExp,
  counted: string,
])[] = [
  ["protobuf", ONE, { "content-type": PROTOBUF }, 200, /^$/, "request http protobuf"],
  [
    "application/protobuf",
    ONE,
    { "content-type": "application/protobuf; v=1" },
    200,
    /^$/,
    "request http protobuf",
  ],
  ["no body", undefined, { "content-type": PROTOBUF }, 200, /^$/, "request http protobuf"],
  [
    "JSON",
    ONE_JSON,
    { "content-type": "application/json; charset=utf-8" },
    200,
    /^\{"partialSuccess":\{"rejectedLogRecords":0,"errorMessage":""\}\}$/,
    "request http json",
  ],
  [
    "gzip",
    gzipSync(ONE_JSON),
    { "content-type": JSON_TYPE, "content-encoding": "gzip" },
    200,
    /"rejectedLogRecords":0/,
    "request http json",
  ],
  [
    "deflate",
    deflateSync(ONE_JSON),
    { "content-type": JSON_TYPE, "content-encoding": "deflate" },
    200,
    /"rejectedLogRecords":0/,
    "request http json",
  ],
  [
    "text/plain",
    "hello",
    { "content-type": "text/plain" },
    415,
    /unsupported content-type: text\/plain \(expected application\/x-protobuf or application\/json\)/,
    "error http unsupported_content_type",
  ],
  [
    "an unknown encoding",
    ONE_JSON,
    { "content-type": JSON_TYPE, "content-encoding": "br" },
    415,
    /unsupported content-encoding 'br'/,
    "error http unsupported_encoding",
  ],
  [
    "broken gzip",
    "hello",
    { "content-type": JSON_TYPE, "content-encoding": "gzip" },
    400,
    /"error":"decompression error: .*"code":3/,
    "error http decompression",
  ],
  [
    "broken JSON",
    "{",
    { "content-type": JSON_TYPE },
    400,
    /"error":"JSON decode error: /,
    "error http decode",
  ],
  [
    "broken protobuf",
    "hello",
    { "content-type": PROTOBUF },
    400,
    /protobuf decode error: /,
    "error http decode",
  ],
  [
    "a body that is too large",
    "x".repeat(70_000),
    { "content-type": JSON_TYPE },
    413,
    /exceeds 65536 bytes/,
    "error http too_large",
  ],
  [
    "a body that is too large unpacked",
    gzipSync(Buffer.alloc(300_000)),
    { "content-type": PROTOBUF, "content-encoding": "gzip" },
    413,
    /unpacked body exceeds 262144 bytes/,
    "error http too_large",
  ],
  [
    "another origin",
    ONE,
    { "content-type": PROTOBUF, origin: "https://evil.example" },
    403,
    /other origins/,
    "error http bad_host",
  ],
];

test("each request over HTTP has its answer, in its own encoding", async (context) => {
  await using receiver = await startReceiver({
    settings: { maxBodyBytes: 65_536, maxInflatedBytes: 262_144 },
  });
  for (const [title, body, headers, status, answer, counted] of REQUESTS) {
    await context.test(title, async () => {
      const before = receiver.counts.get(counted) ?? 0;
      const response = await post(receiver.http, body, headers);
      const text = await response.text();
      assert.equal(response.status, status, text);
      assert.match(text, answer);
      assert.equal(receiver.counts.get(counted), before + 1);
      const isJson = !/protobuf/.test(headers["content-type"] ?? "");
      assert.equal(response.headers.get("content-type"), isJson ? JSON_TYPE : PROTOBUF);
    });
  }
  for (const [method, path, status] of [["GET", "/v1/logs", 405], ["POST", "/v1/traces", 404]]) {
    const response = await fetch(`${receiver.http}${path}`, { method: String(method) });
    assert.equal(response.status, status);
    assert.match(await response.text(), /"error":/);
  }
});

test("a body without a content type is protobuf", async () => {
  await using receiver = await startReceiver();
  const { port } = new URL(receiver.http);
  const status = await new Promise((resolve, reject) => {
    const request = httpRequest({ port, path: "/v1/logs", method: "POST" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on("error", reject);
    request.end(ONE);
  });
  assert.equal(status, 200);
  assert.deepEqual(receiver.values(), [{ body: "hello" }]);
});

test("records that are refused by themselves are told, the others are taken", async () => {
  await using receiver = await startReceiver({ settings: { maxLineBytes: 1000 } });
  const request = requestOf([
    { body: { stringValue: "a" } },
    { body: { stringValue: "x".repeat(2000) } },
    { body: { stringValue: "b" } },
  ]);
  const message = "a record exceeds 1000 bytes";
  const json = await post(receiver.http, JSON.stringify(request), { "content-type": JSON_TYPE });
  assert.deepEqual(await json.json(), {
    partialSuccess: { rejectedLogRecords: 1, errorMessage: message },
  });
  const bytes = encodeMessage("Request", request);
  const binary = await post(receiver.http, bytes, { "content-type": PROTOBUF });
  const answer = new Uint8Array(await binary.arrayBuffer());
  const partial = { partialSuccess: { rejectedLogRecords: "1", errorMessage: message } };
  assert.deepEqual(decodeMessage("Response", answer), partial);
  const grpc = await callGrpc(receiver.grpc, { bytes: frame(bytes) });
  assert.equal(grpc?.status["grpc-status"], "0");
  assert.deepEqual(decodeMessage("Response", grpc!.body.subarray(5)), partial);
  assert.deepEqual(receiver.values().map(({ body }) => body), ["a", "b", "a", "b", "a", "b"]);
  assert.equal(receiver.counts.get("rejected"), 3);
});

// gRPC over HTTP/2, "Responses"; delivery.md 3.7.
const CALLS: readonly (readonly [
  title: string,
  call: Parameters<typeof callGrpc>[1],
  status: string,
  message: RegExp,
  counted: string | undefined,
])[] = [
  ["a message", { bytes: frame(ONE) }, "0", /^$/, "request grpc protobuf"],
  [
    "a packed message",
    { bytes: frame(gzipSync(ONE), true), headers: { "grpc-encoding": "gzip" } },
    "0",
    /^$/,
    "request grpc protobuf",
  ],
  [
    "an unknown encoding",
    { bytes: frame(ONE, true), headers: { "grpc-encoding": "snappy" } },
    "12",
    /unsupported content-encoding 'snappy'/,
    "error grpc unsupported_encoding",
  ],
  [
    "a packed message that does not say how",
    { bytes: frame(ONE, true) },
    "13",
    /without grpc-encoding/,
    "error grpc internal",
  ],
  [
    "broken gzip",
    { bytes: frame(Buffer.from("hello"), true), headers: { "grpc-encoding": "gzip" } },
    "3",
    /decompression error/,
    "error grpc decompression",
  ],
  [
    "a broken message",
    { bytes: frame(Buffer.from("hello")) },
    "3",
    /protobuf decode error/,
    "error grpc decode",
  ],
  ["no message", {}, "3", /not of one whole message/, "error grpc decompression"],
  [
    "half a message",
    { bytes: frame(ONE).subarray(0, 9) },
    "3",
    /not of one whole message/,
    "error grpc decompression",
  ],
  [
    "a message that is too large",
    { bytes: frame(Buffer.alloc(70_000)) },
    "8",
    /exceeds 65536 bytes/,
    "error grpc too_large",
  ],
  [
    "a message that is too large unpacked",
    {
      bytes: frame(gzipSync(Buffer.alloc(300_000)), true),
      headers: { "grpc-encoding": "gzip" },
    },
    "8",
    /unpacked body exceeds 262144 bytes/,
    "error grpc too_large",
  ],
  ["another method", { path: "/x.Y/Export", bytes: frame(ONE) }, "12", /LogsService/, undefined],
];

test("each call over gRPC has its status", async (context) => {
  await using receiver = await startReceiver({
    settings: { maxBodyBytes: 65_536, maxInflatedBytes: 262_144 },
  });
  for (const [title, call, status, message, counted] of CALLS) {
    await context.test(title, async () => {
      const before = counted === undefined ? 0 : receiver.counts.get(counted) ?? 0;
      const answer = await callGrpc(receiver.grpc, call);
      assert.ok(answer);
      assert.equal(answer.headers[":status"], 200);
      assert.equal(answer.status["grpc-status"], status, String(answer.status["grpc-message"]));
      assert.match(decodeURIComponent(String(answer.status["grpc-message"] ?? "")), message);
      if (counted !== undefined) assert.equal(receiver.counts.get(counted), before + 1);
    });
  }
  const other = await callGrpc(receiver.grpc, { headers: { "content-type": "text/plain" } });
  assert.equal(other?.headers[":status"], 415);
});

function retryInfo(answer: GrpcAnswer): unknown {
  const bytes = Buffer.from(String(answer.status["grpc-status-details-bin"]), "base64");
  const { details } = decodeMessage("Status", bytes) as {
    details: readonly { type_url?: string; typeUrl?: string; value: string }[];
  };
  return decodeMessage("RetryInfo", Buffer.from(details[0]!.value, "base64"));
}

test("a full queue asks to come again, over HTTP and gRPC", async () => {
  await using receiver = await startReceiver({
    commits: false,
    source: { capacity: { events: 1 }, waitMs: 50 },
  });
  const leaves = new AbortController();
  const first = fetch(`${receiver.http}/v1/logs`, {
    method: "POST",
    headers: { "content-type": PROTOBUF },
    body: ONE as Uint8Array<ArrayBuffer>,
    signal: leaves.signal,
  });
  while (receiver.events.length === 0) await delay(5);
  const busy = await post(receiver.http, ONE, { "content-type": PROTOBUF });
  assert.equal(busy.status, 429);
  assert.equal(busy.headers.get("retry-after"), "1");
  const status = decodeMessage("Status", new Uint8Array(await busy.arrayBuffer()));
  assert.equal(status.message, "no room for more records");
  const call = await callGrpc(receiver.grpc, { bytes: frame(ONE) });
  assert.equal(call?.status["grpc-status"], "14");
  assert.deepEqual(retryInfo(call!), { retryDelay: { seconds: "1" } });
  assert.equal(receiver.counts.get("error http busy"), 1);
  leaves.abort();
  await assert.rejects(first);
});

test("an exporter that was told to come again comes again", async () => {
  await using receiver = await startReceiver({
    source: { capacity: { events: 1 }, waitMs: 1 },
  });
  const exporters = EXPORTERS.map((kind) =>
    exporterOf(kind, kind === "grpc" ? receiver.grpc : receiver.http, { timeoutMs: 10_000 })
  );
  try {
    // Many at once: most of them are told that there is no room.
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, at) => exportBy(exporters[at % 2]!, [{ body: `b${at}` }])),
    );
    assert.deepEqual(results.filter((error) => error !== undefined), []);
  } finally {
    for (const exporter of exporters) await exporter.shutdown();
  }
  assert.equal(receiver.values().length, 12);
});

// delivery.md 21.3 row 52.
test("listeners that want a token have one of the API", async () => {
  const secret = (token: string) => () => token;
  await using receiver = await startReceiver({
    settings: { requireToken: true },
    auth: {
      tokens: [
        { name: "collector", role: "ingest", secret: secret("right-token") },
        { name: "dashboard", role: "reader", secret: secret("other-token") },
      ],
    },
  });
  for (const kind of EXPORTERS) {
    const url = kind === "grpc" ? receiver.grpc : receiver.http;
    const attempt = async (token?: string): Promise<Error | undefined> => {
      const exporter = exporterOf(kind, url, token === undefined ? {} : { token });
      try {
        return await exportBy(exporter, [{ body: kind }]);
      } finally {
        await exporter.shutdown();
      }
    };
    assert.equal(await attempt("right-token"), undefined);
    assert.ok(await attempt() instanceof Error);
    assert.ok(await attempt("other-token") instanceof Error);
  }
  assert.equal(receiver.events.length, 3);
  const codes = async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await post(receiver.http, ONE, { "content-type": PROTOBUF, ...headers });
    await response.body?.cancel();
    const call = await callGrpc(receiver.grpc, { bytes: frame(ONE), headers });
    return [response.status, response.headers.get("www-authenticate"), call?.status["grpc-status"]];
  };
  assert.deepEqual(await codes(), [401, "Bearer", "16"]);
  assert.deepEqual(await codes("other-token"), [403, null, "7"]);
  assert.deepEqual(await codes("wrong"), [401, "Bearer", "16"]);
  assert.equal(receiver.counts.get("error grpc forbidden"), 2);
  for (let attempt = 0; attempt < 5; attempt++) await codes("wrong");
  assert.equal((await codes("wrong"))[0], 429);
});

const CA = makeCa();
const NO_OPENSSL = skipIf(CA === undefined, "there is no openssl");

test("the exporters speak TLS, and certificates are exchanged", { skip: NO_OPENSSL }, async () => {
  using ca = CA!;
  const first = ca.issue("localhost", "DNS:localhost,IP:127.0.0.1");
  await using receiver = await startReceiver({ settings: { tls: first } });
  assert.match(receiver.http, /^https:/);
  const send = async (kind: typeof EXPORTERS[number]) => {
    const url = kind === "grpc" ? receiver.grpc : receiver.http;
    const exporter = exporterOf(kind, url, { ca: readFileSync(ca.ca) });
    try {
      return await exportBy(exporter, [{ body: kind }]);
    } finally {
      await exporter.shutdown();
    }
  };
  for (const kind of EXPORTERS) assert.equal(await send(kind), undefined);
  assert.equal(await receiver.source.reloadTls(), false);
  ca.issue("localhost", "DNS:localhost,IP:127.0.0.1");
  assert.equal(await receiver.source.reloadTls(), true);
  for (const kind of EXPORTERS) assert.equal(await send(kind), undefined);
  assert.equal(receiver.events.length, 6);
});

/** Members of gzip, one behind the other, are one stream: ten thousand of a megabyte take 10 MB. */
function zeros(members: number): Buffer {
  const member = gzipSync(Buffer.alloc(1 << 20), { level: 9 });
  return Buffer.concat(Array.from({ length: members }, () => member));
}

async function peakOf<T>(work: () => Promise<T>): Promise<readonly [result: T, bytes: number]> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => peak = Math.max(peak, process.memoryUsage.rss()), 5);
  try {
    const result = await work();
    return [result, Math.max(peak, process.memoryUsage.rss()) - before];
  } finally {
    clearInterval(timer);
  }
}

test("a gzip of ten gigabytes of zeros costs neither time nor memory", async () => {
  await using receiver = await startReceiver();
  const whole = zeros(10_240);
  const half = whole.subarray(0, 4 << 20);
  const headers = { "content-type": PROTOBUF, "content-encoding": "gzip" };
  const started = performance.now();
  const [statuses, bytes] = await peakOf(async () => {
    const bombs = [
      // As large as the body itself may be, several at once, and the neighbours between them.
      ...Array.from({ length: 6 }, () => post(receiver.http, half, headers)),
      post(receiver.http, whole, headers),
    ].map((one) => one.then(({ status }) => status, () => 0));
    const calls = [half, whole].map((bomb) =>
      callGrpc(receiver.grpc, {
        bytes: frame(bomb, true),
        headers: { "grpc-encoding": "gzip" },
      }).then((answer) => String(answer?.status["grpc-status"]))
    );
    const neighbours = Array.from(
      { length: 5 },
      () => post(receiver.http, ONE, { "content-type": PROTOBUF }).then(({ status }) => status),
    );
    assert.deepEqual(await Promise.all(neighbours), [200, 200, 200, 200, 200]);
    return await Promise.all([...bombs, ...calls]);
  });
  // The last may also be cut off while it is still being sent.
  assert.deepEqual(statuses.slice(0, 6), [413, 413, 413, 413, 413, 413]);
  assert.ok(statuses[6] === 413 || statuses[6] === 0, String(statuses[6]));
  assert.equal(statuses[7], "8");
  assert.ok(statuses[8] === "8" || statuses[8] === "undefined", String(statuses[8]));
  assert.ok(performance.now() - started < 10_000);
  assert.ok(bytes < 400 << 20, `${bytes >> 20} MiB`);
  assert.equal(receiver.events.length, 5);
});

test("clients that hang keep nobody out, and are cut off", async () => {
  await using receiver = await startReceiver({ settings: { maxConnections: 20 } });
  const { port } = new URL(receiver.http);
  const sockets = Array.from({ length: 8 }, () => {
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write(
      "POST /v1/logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
        "content-length: 1000\r\n\r\n{",
    );
    return socket;
  });
  const hanging = Array.from({ length: 4 }, () =>
    callGrpc(receiver.grpc, {
      bytes: frame(ONE).subarray(0, 7),
      headers: { "grpc-timeout": "300m" },
      hang: true,
    }));
  await delay(100);
  const response = await post(receiver.http, ONE, { "content-type": PROTOBUF });
  assert.equal(response.status, 200);
  assert.equal((await callGrpc(receiver.grpc, { bytes: frame(ONE) }))?.status["grpc-status"], "0");
  // A deadline of the caller's own comes first here; without one it is ten seconds.
  for (const answer of await Promise.all(hanging)) {
    assert.equal(answer?.status["grpc-status"], "4");
  }
  assert.equal(receiver.counts.get("error grpc timeout"), 4);
  for (const socket of sockets) socket.destroy();
});

test("a body of the source's own places is asked for, more must wait outside", async () => {
  await using receiver = await startReceiver({ settings: { maxConnections: 200 } });
  const places = Array.from({ length: 32 }, () => receiver.source.enter());
  assert.ok(places.every((place) => place !== undefined));
  const busy = await post(receiver.http, ONE, { "content-type": PROTOBUF });
  assert.equal(busy.status, 429);
  for (const place of places) place![Symbol.dispose]();
  assert.equal((await post(receiver.http, ONE, { "content-type": PROTOBUF })).status, 200);
});

test("bytes that are no HTTP/2 close their own connection alone", async () => {
  await using receiver = await startReceiver();
  const { port } = new URL(receiver.grpc);
  for (const text of ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "\0\x01\x02".repeat(1000), "PRI * "]) {
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => {});
    socket.end(text);
    await delay(20);
    socket.destroy();
  }
  assert.equal((await callGrpc(receiver.grpc, { bytes: frame(ONE) }))?.status["grpc-status"], "0");
});

test("a body is read as a line when the source says so", async () => {
  await using receiver = await startReceiver({ settings: { body: "parse" } });
  const request = requestOf([{
    body: { stringValue: "<38>Feb 14 19:59:01 web-1 sshd[1001]: Failed password for root" },
    attributes: [pair("log.file.name", "auth.log")],
  }]);
  await post(receiver.http, JSON.stringify(request), { "content-type": JSON_TYPE });
  const event = receiver.events[0]!.payload as LogEvent;
  assert.equal(event.get(internField("log.file.name")), "auth.log");
  assert.notEqual(event.get(internField("appname")), undefined);
});
