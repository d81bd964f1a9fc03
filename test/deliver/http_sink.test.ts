/**
 * The HTTP sink against real servers: what is sent, what each answer means, what is tried again.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { parseRetryAfter } from "../../src/deliver/http/answer.ts";
import { groupByBytes, requestId } from "../../src/deliver/http/batch.ts";
import {
  httpSink,
  type HttpSinkContext,
  type WebhookSettings,
} from "../../src/deliver/http/sink.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError, type DeliveryFailure } from "../../src/runtime/errors.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import type { Sink } from "../../src/runtime/plugin.ts";
import { parseScope } from "../../src/runtime/scope.ts";
import { answerRaw, type Reply, serve, serveRaw } from "../support/http_servers.ts";
import { newAlert } from "../support/memory_outbox.ts";

const NEVER = new AbortController().signal;

function alertOf(seq: number, result: Record<string, unknown> = {}): Alert {
  const id = `pk1-${String(seq).padStart(32, "0")}`;
  const body = {
    rule_title: `Rule "${seq}"`,
    rule_id: "r-9",
    level: "high",
    tags: ["attack.execution"],
    matched_fields: [{ field: "CommandLine", value: 'powershell -enc "AAA"' }],
    ...result,
  };
  return {
    ...newAlert({ id, ruleTitle: String(body.rule_title), body: JSON.stringify(body) }),
    seq,
    createdMs: 1_760_000_000_000 + seq,
  };
}

function alertsOf(count: number): Alert[] {
  return Array.from({ length: count }, (_, at) => alertOf(at + 1));
}

function sinkOf(
  url: string,
  settings: Partial<WebhookSettings> = {},
  context: HttpSinkContext = {},
): Sink {
  return httpSink({
    id: "hub",
    type: "http",
    url,
    egress: { policy: "default" },
    proxy: "none",
    timeoutMs: 1_000,
    ...settings,
  }, context);
}

/** `-` for what was delivered, else the class of failure. */
function classes(outcomes: readonly (DeliveryError | undefined)[]): (DeliveryFailure | "-")[] {
  return outcomes.map((one) => one === undefined ? "-" : one.failure);
}

test("send() puts a batch into one request as NDJSON", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url);
  const alerts = alertsOf(3);
  assert.deepEqual(await sink.send(alerts, NEVER), [undefined, undefined, undefined]);
  const [seen, ...more] = server.seen;
  assert.equal(more.length, 0);
  assert.equal(seen?.method, "POST");
  assert.equal(seen?.headers["content-type"], "application/x-ndjson");
  assert.equal(seen?.body.toString(), alerts.map(({ body }) => `${body}\n`).join(""));
  assert.match(String(seen?.headers["idempotency-key"]), /^pkb1-[0-9a-f]{32}$/);
});

test("send() puts a batch into a JSON array", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url, { mode: "json", method: "put" });
  const alerts = alertsOf(2);
  await sink.send(alerts, NEVER);
  assert.equal(server.seen[0]?.method, "PUT");
  assert.equal(server.seen[0]?.headers["content-type"], "application/json");
  const sent = JSON.parse(server.seen[0]!.body.toString());
  assert.deepEqual(sent, alerts.map(({ body }) => JSON.parse(body)));
});

test("send() cuts batches by bytes, in order", async () => {
  await using server = await serve(() => ({}));
  const alerts = alertsOf(10);
  const bytes = Buffer.byteLength(alerts[0]!.body) + 1;
  await using sink = sinkOf(server.url, { maxBatchBytes: bytes * 3 + 10 });
  assert.deepEqual(classes(await sink.send(alerts, NEVER)), alerts.map(() => "-"));
  assert.deepEqual(
    server.seen.map(({ body }) => body.toString().split("\n").length - 1),
    [3, 3, 3, 1],
  );
  assert.equal(
    server.seen.map(({ body }) => body.toString()).join(""),
    alerts.map(({ body }) => `${body}\n`).join(""),
  );
});

test("groupByBytes() keeps order and bounds, and loses nothing", () => {
  const bodies = fc.array(fc.string({ unit: "grapheme", maxLength: 40 }), { maxLength: 30 });
  fc.assert(fc.property(bodies, fc.integer({ min: 1, max: 200 }), (texts, maxBytes) => {
    const placed = texts.map((body, index) => ({ alert: { ...alertOf(index), body }, index }));
    const groups = groupByBytes(placed, maxBytes);
    assert.deepEqual(groups.flat(), placed);
    for (const group of groups) {
      assert.ok(group.length > 0);
      const bytes = group.reduce((sum, { alert }) => sum + Buffer.byteLength(alert.body) + 1, 0);
      assert.ok(group.length === 1 || bytes < maxBytes);
    }
  }));
});

// delivery.md, 21.5 rows 70, 74, 77 and 79; 20.3 for id and time.
test("send() in mode template makes a request an alert, signed alike each time", async () => {
  await using server = await serve((_, count) => ({ status: count === 1 ? 500 : 204 }));
  const settings = {
    mode: "template",
    url: `${server.url}/hook/\${detection.rule.id}`,
    headers: { Authorization: "Bearer ${TOK}", "X-Static": "yes" },
    body: '{"text":"${detection.rule.title}: ${detection.fields.CommandLine}"}',
    signing: { scheme: "standard", secret: () => "key" },
  } as const;
  const context = { env: (name: string) => name === "TOK" ? "t0ken" : undefined };
  const alert = alertOf(7);
  for (const expected of ["transient", "-", "-"]) {
    // A sink of its own each time, as after a restart.
    await using sink = sinkOf(settings.url, settings, context);
    assert.deepEqual(classes(await sink.send([alert], NEVER)), [expected]);
  }
  assert.equal(server.seen.length, 3);
  for (const { url, headers, body } of server.seen) {
    assert.equal(url, "/hook/r-9");
    assert.deepEqual(JSON.parse(body.toString()), {
      text: 'Rule "7": powershell -enc "AAA"',
    });
    assert.equal(headers.authorization, "Bearer t0ken");
    assert.equal(headers["x-static"], "yes");
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["idempotency-key"], alert.id);
    assert.equal(headers["webhook-id"], alert.id);
    assert.equal(headers["webhook-timestamp"], "1760000000");
    const hmac = createHmac("sha256", "key").update(`${alert.id}.1760000000.`).update(body);
    assert.equal(headers["webhook-signature"], `v1,${hmac.digest("base64")}`);
  }
});

test("send() in mode template without a body sends none", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url, { mode: "template", method: "GET" });
  await sink.send([alertOf(1)], NEVER);
  assert.equal(server.seen[0]?.method, "GET");
  assert.equal(server.seen[0]?.body.length, 0);
  assert.equal(server.seen[0]?.headers["content-type"], undefined);
});

test("send() compresses, and signs what it sends", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(server.url, {
    gzip: true,
    bearer: () => "s3cret\n",
    signing: { scheme: "github", secret: () => "key" },
  });
  const alerts = alertsOf(20);
  await sink.send(alerts, NEVER);
  const { headers, body } = server.seen[0]!;
  assert.equal(headers["content-encoding"], "gzip");
  assert.equal(headers.authorization, "Bearer s3cret");
  assert.equal(gunzipSync(body).toString(), alerts.map((one) => `${one.body}\n`).join(""));
  const digest = createHmac("sha256", "key").update(body).digest("hex");
  assert.equal(headers["x-hub-signature-256"], `sha256=${digest}`);

  await sink.send([alertOf(1)], NEVER); // Too small to gain anything.
  assert.equal(server.seen[1]?.headers["content-encoding"], undefined);
});

test("requestId() names the same alerts alike, and others otherwise", () => {
  const placed = (...seqs: number[]) => seqs.map((seq, index) => ({ alert: alertOf(seq), index }));
  assert.equal(requestId(placed(1, 2)), requestId(placed(1, 2)));
  const ids = [placed(1), placed(1, 2), placed(2, 1), placed(1, 2, 3)].map(requestId);
  assert.equal(new Set(ids).size, 4);
  assert.equal(requestId(placed(5)), alertOf(5).id);
});

// delivery.md, 20.4; quality.md, row 19: only 2xx counts, and only 400, 413 and 422 blame the alert.
const STATUSES: readonly (readonly [number, Reply["headers"], DeliveryFailure | "-"])[] = [
  [200, {}, "-"],
  [202, {}, "-"],
  [204, {}, "-"],
  [299, {}, "-"],
  [300, {}, "config"],
  [302, { location: "http://169.254.169.254/" }, "config"],
  [304, {}, "config"],
  [400, {}, "poison"],
  [401, {}, "auth"],
  [402, {}, "config"],
  [403, {}, "auth"],
  [404, {}, "config"],
  [405, {}, "config"],
  [407, {}, "auth"],
  [408, {}, "transient"],
  [409, {}, "config"],
  [410, {}, "config"],
  [413, {}, "poison"],
  [418, {}, "config"],
  [422, {}, "poison"],
  [425, {}, "transient"],
  [429, {}, "transient"],
  [500, {}, "transient"],
  [503, {}, "transient"],
  [599, {}, "transient"],
];

test("send() classes every status", async () => {
  let answer: Reply = {};
  await using server = await serve(() => answer);
  await using sink = sinkOf(server.url);
  for (const [status, headers = {}, expected] of STATUSES) {
    answer = { status, headers };
    const [error] = await sink.send([alertOf(1)], NEVER);
    assert.equal(error?.failure ?? "-", expected, String(status));
    if (error !== undefined) {
      assert.match(error.message, new RegExp(`http sink hub: HTTP ${status}`));
    }
  }
  assert.equal(server.seen.length, STATUSES.length);
});

test("send() takes the statuses that are expected", async () => {
  await using server = await serve(() => ({ status: 409 }));
  await using sink = sinkOf(server.url, { expectStatus: [409] });
  assert.deepEqual(await sink.send([alertOf(1)], NEVER), [undefined]);
});

test("send() quotes why an alert was refused, on one line", async () => {
  await using server = await serve(() => ({ status: 422, body: "bad\n\tfield\u001b[0m" }));
  await using sink = sinkOf(server.url);
  const [error] = await sink.send([alertOf(1)], NEVER);
  assert.equal(error?.message, "http sink hub: HTTP 422: bad field [0m");
});

const NOW_MS = Date.parse("2025-10-09T08:53:20Z");
const RETRY_AFTER: readonly (readonly [string | undefined, number | undefined])[] = [
  [undefined, undefined],
  ["0", 0],
  ["7", 7_000],
  [" 7 ", 7_000],
  ["99999", 900_000],
  ["9".repeat(400), 900_000],
  ["Thu, 09 Oct 2025 08:54:20 GMT", 60_000],
  ["Thursday, 09-Oct-25 08:54:20 GMT", 60_000],
  ["Thu Oct  9 08:54:20 2025", 60_000],
  ["Thu, 09 Oct 2025 08:00:00 GMT", 0],
  ["Fri, 09 Oct 2026 08:54:20 GMT", 900_000],
  ["-5", undefined],
  ["1.5", undefined],
  ["2025", 900_000],
  ["soon", undefined],
  ["Thu, 99 Foo 2025", undefined],
  ["2025-10-09T08:54:20Z", undefined],
];

for (const [value, expected] of RETRY_AFTER) {
  test(`parseRetryAfter() ${value?.slice(0, 40)}: ${expected}`, () => {
    assert.equal(parseRetryAfter(value, NOW_MS), expected);
  });
}

test("parseRetryAfter() gives 0 to 15 minutes or nothing, whatever comes", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const ms = parseRetryAfter(text, NOW_MS);
    assert.ok(ms === undefined || (ms >= 0 && ms <= 900_000));
  }));
});

test("send() tells how long the far end wants to be left alone, and asks it nothing more", async () => {
  const date = "Thu, 09 Oct 2025 08:54:20 GMT";
  for (const [value, ms] of [["30", 30_000], [date, 60_000]] as const) {
    await using server = await serve(() => ({ status: 429, headers: { "retry-after": value } }));
    await using sink = sinkOf(server.url, { mode: "template" }, { now: () => NOW_MS });
    const outcomes = await sink.send(alertsOf(5), NEVER);
    assert.deepEqual(outcomes.map((one) => one?.retryAfterMs), [ms, ms, ms, ms, ms]);
    assert.equal(server.seen.length, 1);
  }
});

// delivery.md, 21.7 row 121, and the brief of a batch that is refused.
test("send() finds the alerts that spoil a batch", async () => {
  const bad = new Set([13, 14, 77]);
  let requests = 0;
  await using server = await serve(({ body }) => {
    requests++;
    const lines = body.toString().trimEnd().split("\n");
    const spoilt = lines.some((line) => bad.has(Number(/\d+/.exec(line)?.[0])));
    return { status: spoilt ? 400 : 200 };
  });
  await using sink = sinkOf(server.url);
  const outcomes = await sink.send(alertsOf(100), NEVER);
  const poison = outcomes.flatMap((one, at) => one === undefined ? [] : [at + 1]);
  assert.deepEqual(poison, [...bad]);
  assert.deepEqual([...new Set(outcomes.map((one) => one?.failure))], [undefined, "poison"]);
  assert.ok(requests < 60, `${requests} requests`);
});

test("send() delivers each alert of a refused batch once, whichever are refused", async () => {
  let bad = new Set<number>();
  const taken = new Map<number, number>();
  await using server = await serve(({ body }) => {
    const numbers = body.toString().trimEnd().split("\n").map((line) =>
      Number(/\d+/.exec(line)?.[0])
    );
    if (numbers.some((one) => bad.has(one))) return { status: 413 };
    for (const one of numbers) taken.set(one, (taken.get(one) ?? 0) + 1);
    return {};
  });
  await using sink = sinkOf(server.url);
  const refused = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(refused, async (numbers) => {
      bad = new Set(numbers);
      taken.clear();
      const outcomes = await sink.send(alertsOf(12), NEVER);
      for (const [at, outcome] of outcomes.entries()) {
        assert.equal(outcome?.failure, bad.has(at + 1) ? "poison" : undefined);
        assert.equal(taken.get(at + 1), bad.has(at + 1) ? undefined : 1);
      }
    }),
    { numRuns: 30 },
  );
});

test("send() goes on after one failure, and stops where all would fail", async () => {
  // One alert that the server cannot digest does not keep the others waiting.
  await using picky = await serve(({ body }) => ({ status: body.toString() === "2" ? 500 : 200 }));
  const settings = { mode: "template", body: "${detection.event}" } as const;
  const alerts = [1, 2, 3, 4].map((seq) => alertOf(seq, { event: seq }));
  await using one = sinkOf(picky.url, settings);
  assert.deepEqual(classes(await one.send(alerts, NEVER)), ["-", "transient", "-", "-"]);

  for (
    const [status, expected, requests] of [
      [401, "auth", 1],
      [503, "transient", 1],
      [500, "transient", 3],
      [404, "config", 3],
    ] as const
  ) {
    await using server = await serve(() => ({ status }));
    await using sink = sinkOf(server.url, settings);
    const outcomes = await sink.send(alertsOf(8), NEVER);
    assert.deepEqual(classes(outcomes), outcomes.map(() => expected));
    assert.equal(server.seen.length, requests, String(status));
  }
});

test("send() to a far end that is not there asks once", async () => {
  const gone = await serve(() => ({}));
  await gone[Symbol.asyncDispose]();
  await using sink = sinkOf(gone.url, { mode: "template" });
  const outcomes = await sink.send(alertsOf(4), NEVER);
  assert.deepEqual(classes(outcomes), Array(4).fill("transient"));
  assert.match(outcomes[0]!.message, /^http sink hub: request error: .*ECONNREFUSED/);
});

// The issue: hangs, closes mid-response, garbage; all transient, in bounded time.
for (
  const [name, start] of [
    ["hangs", () => serveRaw(() => {})],
    ["closes mid-response", () => answerRaw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")],
    ["sends garbage", () => answerRaw("\u0001\u0002\u0003\r\n\r\n")],
    ["sends 100-continue only", () => answerRaw("HTTP/1.1 100 Continue\r\n\r\n")],
  ] as const
) {
  test(`send() to a server that ${name} is transient`, async () => {
    await using server = await start();
    await using sink = sinkOf(server.url, { timeoutMs: 300 });
    const began = performance.now();
    assert.deepEqual(classes(await sink.send(alertsOf(2), NEVER)), ["transient", "transient"]);
    assert.ok(performance.now() - began < 3_000);
  });
}

// delivery.md, 21.6 row 97, and the issue: a redirect to the metadata address.
test("send() names where a redirect leads, and does not go to a denied address", async () => {
  const location = "http://169.254.169.254/latest/meta-data?token=1";
  await using server = await serve(() => ({ status: 307, headers: { location } }));
  await using off = sinkOf(server.url);
  const [first] = await off.send([alertOf(1)], NEVER);
  assert.equal(first?.failure, "config");
  assert.match(first!.message, /redirected to http:\/\/169\.254\.169\.254\/latest\/meta-data, not/);
  assert.doesNotMatch(first!.message, /token/);
  await using on = sinkOf(server.url, { maxRedirects: 3 });
  const [second] = await on.send([alertOf(1)], NEVER);
  assert.equal(second?.failure, "config");
  assert.match(second!.message, /egress policy denied link-local address 169\.254\.169\.254/);
});

test("send() does not take the answer to a GET for delivery of a POST", async () => {
  await using server = await serve((request) =>
    request.url === "/login" ? { body: "log in" } : { status: 302, headers: { location: "/login" } }
  );
  await using sink = sinkOf(server.url, { maxRedirects: 3 });
  const [error] = await sink.send([alertOf(1)], NEVER);
  assert.equal(error?.failure, "config");
  assert.match(error!.message, /makes the POST a GET/);

  await using kept = await serve((request) =>
    request.url === "/new" ? {} : { status: 308, headers: { location: "/new" } }
  );
  await using following = sinkOf(kept.url, { maxRedirects: 1 });
  assert.deepEqual(await following.send([alertOf(1)], NEVER), [undefined]);
  assert.equal(kept.seen[1]?.body.toString(), `${alertOf(1).body}\n`);
});

test("send() under a strict policy reaches nothing on loopback, and counts the denial", async () => {
  await using server = await serve(() => ({}));
  const denied: string[] = [];
  const metrics = {
    ...noopMetrics,
    onEgressDenied: (addressClass: string, component: string) => {
      denied.push(`${addressClass} ${component}`);
    },
  };
  await using sink = sinkOf(server.url, { egress: { policy: "strict" } }, { metrics });
  assert.deepEqual(classes(await sink.send(alertsOf(2), NEVER)), ["config", "config"]);
  assert.deepEqual(denied, ["loopback sink:hub"]);
  assert.equal(server.connections(), 0);
});

// delivery.md, 12.4 step 2: what an alert makes invalid is its own fault.
test("send() blames an alert whose values make no header or URL, or lead elsewhere", async () => {
  await using server = await serve(() => ({}));
  const cases: readonly (readonly [Partial<WebhookSettings>, string])[] = [
    [{ headers: { "X-Title": "${detection.rule.title}" } }, "two\nlines"],
    [{ headers: { "X-Title": "${detection.rule.title}" } }, "a\0b"],
    [{ url: `${server.url}/\${detection.rule.title}` }, "two\r\nlines"],
    [
      { url: `${server.url.replace("http://", "http://user:x${detection.rule.title}@")}/` },
      "@169.254.169.254/",
    ],
  ];
  for (const [settings, title] of cases) {
    await using sink = sinkOf(server.url, { mode: "template", ...settings });
    const alerts = [alertOf(1, { rule_title: title }), alertOf(2, { rule_title: "fine" })];
    assert.deepEqual(classes(await sink.send(alerts, NEVER)), ["poison", "-"]);
  }
  assert.equal(server.seen.length, cases.length);
});

// delivery.md, 21.5 rows 73 and 75.
test("send() counts what is out of a webhook's scope as delivered, without a request", async () => {
  await using server = await serve(() => ({}));
  const reading = parseScope({ levels: ["critical"] });
  assert.ok("scope" in reading);
  await using sink = sinkOf(server.url, {
    mode: "template",
    webhook: { kind: "detection", scope: reading.scope },
  });
  const alerts: Alert[] = [
    alertOf(1),
    { ...alertOf(2), level: "critical" },
    { ...alertOf(3), level: "critical", kind: "correlation" },
  ];
  assert.deepEqual(await sink.send(alerts, NEVER), [undefined, undefined, undefined]);
  assert.equal(server.seen.length, 1);
  assert.equal(server.seen[0]?.headers["idempotency-key"], alerts[1]!.id);

  const tags = parseScope({ tags: ["exfil"] });
  assert.ok("scope" in tags);
  await using tagged = sinkOf(server.url, {
    mode: "template",
    webhook: { kind: "detection", scope: tags.scope },
  });
  await tagged.send([alertOf(1), alertOf(4, { tags: ["exfil"] })], NEVER);
  assert.equal(server.seen.length, 2);
});

test("send() keeps its rate, and leaves long waits to whoever retries", async () => {
  await using server = await serve(() => ({}));
  const fast = { mode: "template", rateLimit: { requests: 2, perMs: 100 } } as const;
  await using sink = sinkOf(server.url, fast);
  const began = performance.now();
  assert.deepEqual(classes(await sink.send(alertsOf(4), NEVER)), ["-", "-", "-", "-"]);
  assert.ok(performance.now() - began >= 90, `${performance.now() - began} ms`);

  const slow = { mode: "template", rateLimit: { requests: 1, perMs: 60_000 } } as const;
  await using patient = sinkOf(server.url, slow);
  const outcomes = await patient.send(alertsOf(3), NEVER);
  assert.deepEqual(classes(outcomes), ["-", "transient", "transient"]);
  assert.ok(outcomes[1]!.retryAfterMs! > 50_000);
});

test("send() ends with the reason of its signal", async () => {
  await using server = await serveRaw(() => {});
  await using sink = sinkOf(server.url);
  const controller = new AbortController();
  const running = sink.send(alertsOf(2), controller.signal);
  const timer = setTimeout(() => controller.abort(new Error("stopped")), 50);
  await assert.rejects(running, /^Error: stopped$/);
  clearTimeout(timer);
  await assert.rejects(sink.send([], AbortSignal.abort(new Error("before"))), /before/);
});

test("probe() connects and sends nothing", async () => {
  await using server = await serve(() => ({}));
  await using sink = sinkOf(`${server.url}/\${detection.rule.id}`, { mode: "template" });
  await sink.probe!(NEVER);
  // A server hears of a connection a little after its client.
  for (let n = 0; n < 100 && server.connections() === 0; n++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(server.connections(), 1);
  assert.equal(server.seen.length, 0);
  await using denied = sinkOf(server.url, { egress: { policy: "strict" } });
  await assert.rejects(
    denied.probe!(NEVER),
    (error) => error instanceof DeliveryError && error.failure === "config",
  );
});

test("send() reads secrets each time, and says where one is missing", async () => {
  await using server = await serve(() => ({}));
  let secret: string | undefined = "one";
  const bearer = () => {
    if (secret === undefined) throw new Error("environment variable TOK is unset or empty");
    return secret;
  };
  await using sink = sinkOf(server.url, { bearer });
  await sink.send([alertOf(1)], NEVER);
  secret = "two";
  await sink.send([alertOf(1)], NEVER);
  assert.deepEqual(server.seen.map(({ headers }) => headers.authorization), [
    "Bearer one",
    "Bearer two",
  ]);
  secret = undefined;
  const [error] = await sink.send([alertOf(1)], NEVER);
  assert.equal(error?.failure, "config");
  assert.match(error!.message, /environment variable TOK is unset or empty/);
});

const WRONG: readonly (readonly [string, Partial<WebhookSettings>, RegExp])[] = [
  ["a reference in a batch", { headers: { a: "${detection.rule.id}" } }, /needs mode: template/],
  ["a body in a batch", { body: "x" }, /body needs mode: template/],
  ["an unset variable", { url: "https://x/${UNSET_VARIABLE}" }, /'UNSET_VARIABLE' .* not set/],
  ["a malformed reference", { headers: { a: "${a.b}" } }, /malformed .* field 'headers\.a'/],
  ["no URL", { url: "nonsense" }, /is not an http:\/\/ or https:\/\/ URL/],
  ["another scheme", { url: "ftp://x/" }, /is not an http:\/\/ or https:\/\/ URL/],
  [
    "a host from an alert",
    { mode: "template", url: "https://${detection.fields.Host}/" },
    /must not depend on an alert/,
  ],
  [
    "a port from an alert",
    { mode: "template", url: "https://x:${detection.fields.Port}/" },
    /must not depend on an alert/,
  ],
  ["a bad header name", { headers: { "a b": "c" } }, /invalid header name 'a b'/],
  ["two authorizations", { bearer: () => "x", headers: { authorization: "y" } }, /either bearer/],
  ["a bad method", { method: "G T" }, /invalid HTTP method/],
  ["a bad list", { egress: { policy: "default", denyCidrs: ["x"] } }, /egress\.deny_cidrs/],
  ["a taken length", { headers: { "Content-Length": "1" } }, /set by the connection itself/],
];

for (const [name, settings, message] of WRONG) {
  test(`httpSink() refuses ${name}`, () => {
    assert.throws(() => sinkOf("https://x/", settings), { code: "HTTP_SETTINGS", message });
  });
}
