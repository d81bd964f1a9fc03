import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { Hono } from "hono";
import type { z } from "zod";
import { type AdminApp, type AdminOptions, createAdminApp } from "../../src/admin/app.ts";
import { firstBrokenRow } from "../../src/admin/audit.ts";
import type { Connection } from "../../src/admin/auth.ts";
import { API_ERROR_CODES } from "../../src/admin/errors.ts";
import { fakeAlert, FakeView } from "./fake_view.ts";

const LOCAL: Connection = { peer: "127.0.0.1", local: "127.0.0.1", transport: "tcp" };
const TOKENS = {
  tokens: [
    { name: "root", role: "admin", secret: () => "root-secret" },
    { name: "op", role: "operator", secret: () => "op-secret" },
    { name: "reader", role: "reader", secret: () => "reader-secret" },
    { name: "shipper", role: "ingest", secret: () => "ingest-secret" },
    { name: "soc", role: "soc", secret: () => "soc-secret" },
    { name: "debug", permissions: ["tap:read"], secret: () => "debug-secret" },
    { name: "all", permissions: ["*:read!"], secret: () => "all-secret" },
  ],
  roles: { soc: ["*:read", "inputs:write"] },
} as const;
const UNLIMITED = { requestsPerSecond: 1e6, requestBurst: 1e6, authFailuresPerMinute: 1e6 };

function make(options: AdminOptions = {}, view = new FakeView()) {
  const app = createAdminApp(view, {
    auth: TOKENS,
    limits: UNLIMITED,
    tap: { enabled: true },
    ...options,
  });
  const ask = async (
    method: string,
    path: string,
    token?: string | null,
    init: RequestInit & { readonly connection?: Connection } = {},
  ): Promise<Response> => {
    const headers = new Headers(init.headers);
    const bearer = token === undefined ? "root-secret" : token;
    if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
    return await app.hono.fetch(
      new Request(`http://127.0.0.1:9090${path}`, { ...init, method, headers }),
      { connection: init.connection ?? LOCAL },
    );
  };
  return { app, view, ask };
}

type Json = Record<string, unknown>;
const body = async (response: Response): Promise<Json> => await response.json() as Json;

// daemon.md 4.5 and 17.2: who, request, status.
const DECISIONS: readonly (readonly [string | null, string, string, number])[] = [
  [null, "GET", "/healthz", 200],
  [null, "GET", "/readyz", 200],
  [null, "HEAD", "/healthz", 200],
  ["wrong", "GET", "/healthz", 200],
  [null, "GET", "/metrics", 401],
  [null, "GET", "/api/v1/status", 401],
  [null, "POST", "/api/v1/events", 401],
  ["wrong", "GET", "/api/v1/status", 401],
  ["root-secret", "GET", "/api/v1/status", 200],
  ["root-secret", "HEAD", "/api/v1/status", 200],
  ["reader-secret", "GET", "/api/v1/rules", 200],
  ["reader-secret", "POST", "/api/v1/reload", 403],
  ["reader-secret", "POST", "/api/v1/events", 403],
  ["op-secret", "POST", "/api/v1/reload", 403],
  ["root-secret", "POST", "/api/v1/reload", 200],
  ["ingest-secret", "POST", "/api/v1/events", 200],
  ["ingest-secret", "GET", "/api/v1/status", 403],
  ["soc-secret", "POST", "/api/v1/inputs/auth/pause", 200],
  ["soc-secret", "POST", "/api/v1/sinks/hub/retry", 403],
  // daemon.md 19.3: `*:read` does not show events nor the audit trail.
  ["reader-secret", "GET", "/api/v1/tap?limit=0", 403],
  ["reader-secret", "GET", "/api/v1/audit", 403],
  ["debug-secret", "GET", "/api/v1/tap?limit=0", 200],
  ["all-secret", "GET", "/api/v1/audit", 200],
  ["all-secret", "POST", "/api/v1/reload", 403],
  ["root-secret", "GET", "/api/v1/audit", 200],
];

for (const [token, method, path, status] of DECISIONS) {
  test(`${method} ${path} as ${token ?? "nobody"} gives ${status}`, async () => {
    const { ask } = make();
    const response = await ask(method, path, token);
    assert.equal(response.status, status);
    if (status === 401) {
      assert.equal(response.headers.get("www-authenticate"), "Bearer");
      assert.equal((await body(response))["error"], "missing or invalid bearer token");
    } else await response.body?.cancel();
  });
}

test("anonymous permissions hold without a token, and never for a wrong one", async () => {
  const { ask } = make({ auth: { ...TOKENS, anonymousPermissions: ["rules:read"] } });
  assert.equal((await ask("GET", "/api/v1/rules", null)).status, 200);
  assert.equal((await ask("GET", "/api/v1/status", null)).status, 401);
  assert.equal((await ask("GET", "/api/v1/rules", "wrong")).status, 401);
  const basic = await ask("GET", "/api/v1/rules", null, {
    headers: { authorization: "Basic cm9vdDpyb290LXNlY3JldA==" },
  });
  assert.equal(basic.status, 200);
});

test("a trusted loopback interface needs no token; a wrong one is still refused", async () => {
  const { ask } = make({ auth: { loopback: "trusted" } });
  assert.equal((await ask("GET", "/api/v1/status", null)).status, 200);
  assert.equal((await ask("GET", "/api/v1/status", "wrong")).status, 401);
  const far: Connection = { peer: "10.0.0.1", local: "127.0.0.1", transport: "tcp" };
  assert.equal((await ask("GET", "/api/v1/status", null, { connection: far })).status, 401);
});

// One row a kind of answer: its schema must hold for what the handler really gives.
const ANSWERS: readonly (readonly [string, string, number])[] = [
  ["GET", "/healthz", 200],
  ["GET", "/readyz", 200],
  ["GET", "/api/v1/status", 200],
  ["GET", "/api/v1/version", 200],
  ["GET", "/api/v1/stats", 200],
  ["GET", "/api/v1/config", 200],
  ["GET", "/api/v1/log-level", 200],
  ["GET", "/api/v1/rules", 200],
  ["GET", "/api/v1/rules?list=1", 200],
  ["GET", "/api/v1/rules/rule-0", 200],
  ["POST", "/api/v1/reload", 200],
  ["POST", "/api/v1/reload?wait=1", 200],
  ["POST", "/api/v1/reload?dry_run=1", 200],
  ["GET", "/api/v1/reloads", 200],
  ["POST", "/api/v1/events", 200],
  ["GET", "/api/v1/inputs", 200],
  ["POST", "/api/v1/inputs/auth/pause", 200],
  ["POST", "/api/v1/inputs/auth/resume", 200],
  ["GET", "/api/v1/sinks", 200],
  ["POST", "/api/v1/sinks/hub/retry", 200],
  ["GET", "/api/v1/alerts", 200],
  ["GET", "/api/v1/audit", 200],
];

for (const [method, path, status] of ANSWERS) {
  test(`the answer of ${method} ${path} fits its schema`, async () => {
    const { app, view, ask } = make();
    view.emitAlert(fakeAlert(1));
    await ask("POST", "/api/v1/reload");
    const response = await ask(method, path);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("content-type"), "application/json");
    const route = routeOf(app, method, path);
    const schema: z.ZodType = route.responses[status]!.schema!;
    schema.parse(await response.json());
  });
}

function routeOf(app: AdminApp, method: string, path: string) {
  const place = path.replace(/\?.*/, "");
  return app.routes.find((route) =>
    route.method === method &&
    new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/]+")}$`).test(place)
  )!;
}

test("route table, permissions and OpenAPI document are one", async () => {
  const { app, ask } = make();
  const document = await body(await ask("GET", "/api/v1/openapi.json"));
  const described: string[] = [];
  for (const [path, operations] of Object.entries(document["paths"] as Json)) {
    for (const [method, operation] of Object.entries(operations as Json)) {
      described.push(
        `${method.toUpperCase()} ${path} ${(operation as Json)["x-permission"] ?? "open"}`,
      );
    }
  }
  const served = app.routes.map(({ method, path, permission }) =>
    `${method} ${path} ${permission ?? "open"}`
  );
  assert.deepEqual(described.sort(), [...served].sort());
  assert.equal(new Set(served).size, served.length);
  const ids = Object.values(document["paths"] as Json).flatMap((operations) =>
    Object.values(operations as Json).map((operation) => (operation as Json)["operationId"])
  );
  assert.equal(new Set(ids).size, ids.length, "operation ids are unique");
  // Every route that needs a permission really refuses without one, and changes are audited.
  for (const { method, path, permission, audited, class: kind } of app.routes) {
    const place = path.replace(/\{\w+\}/g, "x");
    const response = await ask(method, place, null);
    assert.equal(response.status, permission === undefined ? 200 : 401, `${method} ${path}`);
    assert.equal(audited === true, method !== "GET" && kind !== "ingest", `${method} ${path}`);
  }
  const open = app.routes.filter(({ permission }) => permission === undefined);
  assert.deepEqual(open.map(({ path }) => path), ["/healthz", "/readyz"]);
});

// daemon.md 19.2: JSON errors everywhere. Method, path, status, code, text.
const ERRORS: readonly (readonly [string, string, number, string, RegExp])[] = [
  ["GET", "/nothing", 404, "not_found", /no such path/],
  ["DELETE", "/api/v1/status", 405, "method_not_allowed", /DELETE/],
  ["OPTIONS", "/api/v1/status", 405, "method_not_allowed", /OPTIONS/],
  ["GET", "/api/v1/rules?list=1&limit=abc", 400, "invalid_parameter", /limit 'abc'/],
  ["GET", "/api/v1/rules?limit=-1", 400, "invalid_parameter", /limit '-1'/],
  ["GET", "/api/v1/rules?level=severe", 400, "invalid_parameter", /level 'severe'/],
  ["GET", "/api/v1/rules/none", 404, "not_found", /no rule 'none'/],
  ["POST", "/api/v1/inputs/none/pause", 404, "not_found", /no input 'none'/],
  ["POST", "/api/v1/sinks/none/retry", 404, "not_found", /no sink 'none'/],
  // daemon.md 17.4, 59 and 60; delivery.md 21.6, 98.
  ["GET", "/api/v1/tap?duration=10m", 400, "invalid_parameter", /10m exceeds .* max_duration 5m/],
  ["GET", "/api/v1/tap?duration=10", 400, "invalid_parameter", /duration '10'/],
  ["GET", "/api/v1/tap?stage=foo", 400, "invalid_parameter", /stage 'foo' \(expected 'decoded'/],
  ["GET", "/api/v1/detections/stream?level=severe", 400, "invalid_parameter", /level 'severe'/],
  ["GET", "/metrics", 503, "disabled", /metrics disabled/],
];

for (const [method, path, status, code, text] of ERRORS) {
  test(`${method} ${path} is refused with ${status} ${code}`, async () => {
    const { ask } = make();
    const response = await ask(method, path, undefined, { headers: { "x-request-id": "r-1" } });
    assert.equal(response.status, status);
    assert.equal(response.headers.get("x-request-id"), "r-1");
    const answer = await body(response);
    assert.equal(answer["code"], code);
    assert.equal(answer["request_id"], "r-1");
    assert.match(String(answer["error"]), text);
    if (status === 405) assert.equal(response.headers.get("allow"), "GET, HEAD");
  });
}

test("a handler that fails gives 500 without its reason", async () => {
  const view = new FakeView();
  view.reloadResult = new Error("secret detail");
  const warnings: string[] = [];
  const { ask } = make({ warn: (message) => warnings.push(message) }, view);
  const response = await ask("POST", "/api/v1/reload?wait=1");
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret detail/);
  assert.match(warnings.join(), /secret detail/);
});

test("readyz tells why the agent is not ready", async () => {
  const { view, app, ask } = make();
  view.ready = {
    rules_loaded: false,
    reasons: [{ code: "rules_not_loaded", message: "still loading" }],
    degraded: [{ code: "sink_failing", message: "hub: refused" }],
  };
  const response = await ask("GET", "/readyz", null);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), {
    status: "not_ready",
    rules_loaded: false,
    reasons: ["rules_not_loaded"],
    degraded: ["sink_failing"],
  });
  view.ready = { rules_loaded: true, reasons: [], degraded: [] };
  app.stop();
  assert.deepEqual((await body(await ask("GET", "/readyz", null)))["reasons"], ["shutting_down"]);
});

// daemon.md 19.3: Host, Origin, Sec-Fetch-Site, method, status.
const PLACES: readonly (readonly [string, string | null, string | null, string, number])[] = [
  ["127.0.0.1:9090", null, null, "GET", 200],
  ["localhost", null, null, "GET", 200],
  ["LOCALHOST.:1", null, null, "GET", 200],
  ["[::1]:9090", null, null, "GET", 200],
  ["agent.example", null, null, "GET", 200],
  ["evil.example", null, null, "GET", 403],
  ["localhost.evil.example", null, null, "GET", 403],
  ["10.1.1.1", null, null, "GET", 403],
  ["localhost", "http://localhost", null, "POST", 200],
  ["localhost:9090", "http://localhost:9090", "same-origin", "POST", 200],
  ["localhost:9090", "http://localhost:8080", null, "POST", 403],
  ["localhost", "http://evil.example", null, "POST", 403],
  ["localhost", "null", null, "POST", 403],
  ["localhost", null, "cross-site", "POST", 403],
  ["localhost", null, "same-site", "POST", 403],
];

for (const [host, origin, site, method, status] of PLACES) {
  test(`${method} at ${host} from ${origin ?? site ?? "a tool"} gives ${status}`, async () => {
    const { ask } = make({ allowedHosts: ["Agent.example"] });
    const response = await ask(
      method,
      method === "GET" ? "/api/v1/status" : "/api/v1/reload",
      undefined,
      {
        headers: {
          host,
          ...(origin === null ? {} : { origin }),
          ...(site === null ? {} : { "sec-fetch-site": site }),
        },
      },
    );
    assert.equal(response.status, status);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  });
}

test("requests are limited by token, and by peer without one", async () => {
  let now = 0;
  const { ask } = make({ limits: {}, now: () => now });
  const statuses = async (token: string | null, count: number): Promise<number[]> => {
    const all: number[] = [];
    for (let at = 0; at < count; at++) all.push((await ask("GET", "/api/v1/status", token)).status);
    return all;
  };
  assert.deepEqual(new Set(await statuses("root-secret", 40)), new Set([200]));
  const limited = await ask("GET", "/api/v1/status");
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("retry-after"), "1");
  assert.equal((await body(limited))["code"], "rate_limited");
  assert.equal((await ask("GET", "/healthz")).status, 200, "probes are not limited");
  assert.equal((await ask("GET", "/api/v1/status", "reader-secret")).status, 200);
  const anonymous = await statuses(null, 45);
  assert.deepEqual(anonymous.slice(0, 40), new Array(40).fill(401));
  assert.deepEqual(anonymous.slice(40), new Array(5).fill(429));
  now += 1000;
  assert.deepEqual(await statuses("root-secret", 20), new Array(20).fill(200));
});

test("five wrong tokens lock a peer out for a minute", async () => {
  let now = 0;
  const { ask } = make({ limits: {}, now: () => now });
  for (let at = 0; at < 5; at++) {
    assert.equal((await ask("GET", "/api/v1/status", `guess-${at}`)).status, 401);
  }
  const locked = await ask("GET", "/api/v1/status", "root-secret");
  assert.equal(locked.status, 429);
  assert.equal(locked.headers.get("retry-after"), "60");
  const other: Connection = { ...LOCAL, peer: "127.0.0.2" };
  assert.equal((await ask("GET", "/api/v1/status", undefined, { connection: other })).status, 200);
  now += 60_000;
  assert.equal((await ask("GET", "/api/v1/status", "root-secret")).status, 200);
});

test("reload is queued, waited for, or only tried", async () => {
  const { view, ask } = make();
  for (let at = 0; at < 4; at++) {
    assert.deepEqual(await body(await ask("POST", "/api/v1/reload")), {
      status: "reload_triggered",
    });
  }
  const full = await ask("POST", "/api/v1/reload");
  assert.equal(full.status, 429);
  assert.equal((await body(full))["status"], "reload_already_pending");
  const waited = await body(await ask("POST", "/api/v1/reload?wait"));
  assert.equal(waited["status"], "reloaded");
  assert.equal(waited["ok"], true);
  const tried = await body(await ask("POST", "/api/v1/reload?dry_run=1"));
  assert.deepEqual([tried["status"], tried["dry_run"]], ["dry_run", true]);
  view.reloadResult = { ...(view.reloadResult as { ok: boolean }), ok: false } as never;
  assert.equal((await body(await ask("POST", "/api/v1/reload?wait=1")))["status"], "failed");
});

test("rules are listed by page and filter, with an ETag", async () => {
  const view = new FakeView();
  view.ruleCount = 250;
  const { ask } = make({}, view);
  const first = await body(await ask("GET", "/api/v1/rules?list=1"));
  assert.equal((first["items"] as unknown[]).length, 100);
  assert.deepEqual([first["total"], first["next_offset"]], [250, 100]);
  const last = await body(await ask("GET", "/api/v1/rules?list=1&offset=200&limit=5000"));
  assert.deepEqual([(last["items"] as unknown[]).length, last["next_offset"], last["limit"]], [
    50,
    null,
    1000,
  ]);
  const found = await body(await ask("GET", "/api/v1/rules?list=1&q=ALPHA&level=high"));
  assert.deepEqual((found["items"] as Json[]).map(({ id }) => id), ["rule-0"]);
  const response = await ask("GET", "/api/v1/rules?list=1");
  const etag = response.headers.get("etag")!;
  const again = await ask("GET", "/api/v1/rules?list=1", undefined, {
    headers: { "if-none-match": `"x", W/${etag}` },
  });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), "");
  view.ruleCount = 251;
  const changed = await ask("GET", "/api/v1/rules?list=1", undefined, {
    headers: { "if-none-match": etag },
  });
  assert.equal(changed.status, 200);
});

test("changes are audited in a chain, failures too, reads are not", async () => {
  const { view, ask } = make();
  await ask("GET", "/api/v1/status");
  await ask("POST", "/api/v1/inputs/auth/pause", "root-secret", {
    body: "{}",
    headers: { "x-request-id": "req-7" },
  });
  await ask("POST", "/api/v1/sinks/none/retry");
  await ask("PUT", "/api/v1/log-level", undefined, {
    body: '{"level":"debug","duration":"10m"}',
  });
  await ask("POST", "/api/v1/reload", "reader-secret");
  await ask("POST", "/api/v1/reload", "wrong");
  const { rows } = view.audit!;
  assert.deepEqual(
    rows.map(({ endpoint, path, token, actor_kind, status }) => [
      endpoint,
      path,
      token,
      actor_kind,
      status,
    ]),
    [
      ["/api/v1/inputs/{id}/pause", "/api/v1/inputs/auth/pause", "root", "token", 200],
      ["/api/v1/sinks/{id}/retry", "/api/v1/sinks/none/retry", "root", "token", 404],
      ["/api/v1/log-level", "/api/v1/log-level", "root", "token", 200],
      ["/api/v1/reload", "/api/v1/reload", null, "unauthenticated", 401],
    ],
  );
  assert.equal(rows[0]!.request_id, "req-7");
  assert.equal(rows[0]!.peer, "127.0.0.1");
  assert.match(rows[0]!.payload_digest!, /^44136fa355b3678a/); // SHA-256 of {}
  assert.equal(rows[1]!.payload_digest, null);
  assert.equal(firstBrokenRow(rows), undefined);
  for (let at = 0; at < rows.length; at++) {
    const forged = rows.map((row, index) => index === at ? { ...row, status: 204 } : row);
    assert.equal(firstBrokenRow(forged)?.id, at + 1);
  }
  assert.equal(firstBrokenRow(rows.filter(({ id }) => id !== 2))?.id, 3);
  const answer = await body(await ask("GET", "/api/v1/audit?limit=1&offset=1"));
  assert.equal(answer["count"], 4);
  assert.equal((answer["entries"] as Json[])[0]!["id"], 3);
  view.audit = undefined;
  assert.equal((await ask("GET", "/api/v1/audit")).status, 503);
});

test("a body beyond the audited size is refused and recorded without a digest", async () => {
  const { view, ask } = make({ limits: { ...UNLIMITED, bodyBytes: 16 } });
  const response = await ask("POST", "/api/v1/reload", undefined, { body: "x".repeat(17) });
  assert.equal(response.status, 413);
  assert.equal((await body(response))["max_bytes"], 16);
  assert.deepEqual(view.audit!.rows.map(({ status, payload_digest }) => [status, payload_digest]), [
    [413, null],
  ]);
  assert.equal(view.reloadQueue, 4, "the handler did not run");
});

test("an audit trail that cannot be written is reported and stops nothing", async () => {
  const warnings: string[] = [];
  const { view, ask } = make({ warn: (message) => warnings.push(message) });
  view.audit!.fail = true;
  assert.equal((await ask("POST", "/api/v1/reload")).status, 200);
  assert.match(warnings.join(), /disk full/);
});

test("the log level is changed by a checked body", async () => {
  const { ask } = make();
  const put = (text: string): Promise<Response> =>
    ask("PUT", "/api/v1/log-level", undefined, { body: text });
  assert.deepEqual(await body(await put('{"level":"debug","duration":"1h 30m"}')), {
    level: "debug",
    configured: "info",
    reverts: 1_700_000_000 + 5400,
  });
  for (const wrong of ['{"level":"loud"}', "{", "[]", '{"level":"info","x":1}', '{"level":1}']) {
    const response = await put(wrong);
    assert.equal(response.status, 400, wrong);
    assert.equal((await body(response))["code"], "invalid_body");
  }
});

// daemon.md 3.8 and 19.2, delivery.md 20.13: body, accepted, errors by line.
const BODIES: readonly (readonly [string, number, readonly number[]])[] = [
  ['{"a":1}', 1, []],
  ['{"a":1}\n{"a":2}\r\n{"a":3}\n', 3, []],
  ["\n  \n{}\n\t\n{}", 2, []],
  [`{}\n${"x".repeat(1_048_577)}\n{}`, 2, [2]],
  [`{}\n${"x".repeat(1_048_576)}`, 2, []],
  [`{}\n${"é".repeat(524_289)}`, 1, [2]],
];

for (const [text, accepted, lines] of BODIES) {
  test(`ingest of ${JSON.stringify(text.slice(0, 30))} accepts ${accepted}`, async () => {
    const { view, ask } = make();
    for (
      const [name, packed] of [["", text], ["gzip", gzipSync(text)], [
        "zstd",
        zstdCompressSync(text),
      ]] as const
    ) {
      view.ingested = [];
      const answer = await body(
        await ask("POST", "/api/v1/events", "ingest-secret", {
          body: packed,
          headers: name === "" ? {} : { "content-encoding": name },
        }),
      );
      assert.equal(answer["accepted"], accepted);
      assert.equal(view.ingested.length, accepted);
      assert.deepEqual((answer["errors"] as Json[]).map(({ line }) => line), lines);
    }
  });
}

test("ingest refuses what is too large, damaged or unwanted", async () => {
  const { view, ask } = make({ limits: { ...UNLIMITED, ingestInflatedBytes: 1 << 20 } });
  const post = (init: RequestInit): Promise<Response> =>
    ask("POST", "/api/v1/events", undefined, init);
  const bomb = gzipSync(new Uint8Array(50 << 20));
  assert.ok(bomb.length < 100_000);
  const gzip = { "content-encoding": "gzip" };
  assert.equal((await post({ body: bomb, headers: gzip })).status, 413);
  assert.equal((await post({ body: "no gzip", headers: gzip })).status, 400);
  assert.equal((await post({ body: "x", headers: { "content-encoding": "br" } })).status, 415);
  assert.equal((await post({ body: new Uint8Array([0xff, 0xfe]) })).status, 400);
  const long = await make().ask("POST", "/api/v1/events", undefined, {
    body: "x".repeat(1_048_577),
  });
  assert.equal(long.status, 413);
  const { max_bytes, accepted } = await body(long);
  assert.deepEqual([max_bytes, accepted], [1_048_576, 0]);
  view.ingestResult = () => ({ kind: "busy", accepted: 1, retryAfterSeconds: 2.2 });
  const busy = await post({ body: "a\nb" });
  assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "3"]);
  assert.equal((await body(busy))["accepted"], 1);
  view.ingestResult = () => ({ kind: "closed", accepted: 1 });
  assert.equal((await post({ body: "a" })).status, 503);
  view.ingestResult = () => ({ kind: "disabled" });
  assert.equal((await post({ body: "a" })).status, 404);
  view.ingestResult = () => ({
    kind: "taken",
    accepted: 1,
    rejected: [{ index: 1, reason: "not JSON" }],
  });
  assert.deepEqual(await body(await post({ body: "{}\n\nx" })), {
    accepted: 1,
    rejected: 1,
    errors: [{ line: 3, reason: "not JSON" }],
  });
});

test("an Idempotency-Key makes a repeated request count once", async () => {
  const { view, ask } = make();
  const post = (text: string, key: string, token = "ingest-secret"): Promise<Response> =>
    ask("POST", "/api/v1/events", token, { body: text, headers: { "idempotency-key": key } });
  await post("a\nb", "k1");
  const again = await post("a\nb", "k1");
  assert.equal(again.headers.get("idempotent-replay"), "true");
  assert.equal((await body(again))["accepted"], 2);
  assert.equal(view.ingested.length, 2);
  assert.equal((await post("other", "k1")).status, 409);
  await post("other", "k1", "root-secret");
  await post("other", "k2");
  assert.equal(view.ingested.length, 4);
  assert.equal((await post("x", "k 3")).status, 400);
});

test("a handler that takes too long is given up", async () => {
  const view = new FakeView();
  view.ingestResult = () => new Promise(() => {});
  const { ask } = make({ limits: { ...UNLIMITED, requestTimeoutMs: 50 } }, view);
  const response = await ask("POST", "/api/v1/events", undefined, { body: "a" });
  assert.equal(response.status, 503);
  assert.equal((await body(response))["code"], "timeout");
});

test("a page is served below /ui, behind the same checks of Host and Origin", async () => {
  const ui = new Hono();
  ui.get("/", (context) => context.html("page"));
  ui.get("/app.js", (context) => context.text("code"));
  const { ask } = make({ ui });
  const page = await ask("GET", "/ui/", null);
  assert.deepEqual([page.status, await page.text()], [200, "page"]);
  assert.equal(await (await ask("GET", "/ui/app.js?v=1", null)).text(), "code");
  for (const path of ["/", "/ui"]) {
    const response = await ask("GET", path, null);
    assert.deepEqual([response.status, response.headers.get("location")], [302, "/ui/"]);
  }
  assert.equal((await ask("GET", "/ui/none", null)).status, 404);
  assert.equal((await ask("GET", "/ui/", null, { headers: { host: "evil" } })).status, 403);
  assert.equal((await make().ask("GET", "/ui/", null)).status, 404);
});

test("any request gets a JSON answer with a known status", async () => {
  const { app, ask } = make();
  const paths = app.routes.map(({ path }) => path);
  const path = fc.oneof(
    fc.constantFrom(...paths),
    fc.tuple(fc.constantFrom(...paths), fc.string({ maxLength: 20 })).map(([base, more]) =>
      `${base}?${more}`
    ),
    fc.tuple(
      fc.constantFrom(...paths),
      fc.constantFrom("limit", "offset", "level", "duration", "stage", "after", "wait", "since"),
      fc.string({ maxLength: 12 }),
    ).map(([base, name, value]) => `${base}?limit=0&${name}=${encodeURIComponent(value)}`),
    fc.webPath().map((one) => `/${one}`),
    fc.constantFrom("/api/v1/rules/%", "/api/v1/rules/%E0%A4%A", "/api/v1/rules/%2e%2e%2f", "/ui"),
  );
  const known = new Set([200, 202, 304, 400, 401, 403, 404, 405, 409, 413, 415, 429, 503]);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
      path,
      fc.constantFrom(null, "root-secret", "reader-secret", "", "wrong"),
      fc.dictionary(
        fc.constantFrom(
          "accept",
          "last-event-id",
          "if-none-match",
          "content-encoding",
          "idempotency-key",
          "x-request-id",
          "authorization",
          "origin",
        ),
        fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\x20-\x7e]/g, "")),
      ),
      fc.option(fc.uint8Array({ maxLength: 100 }), { nil: undefined }),
      async (method, place, token, headers, bytes) => {
        let request: { path: string; init: RequestInit };
        try {
          new URL(`http://127.0.0.1:9090${place}`);
          request = {
            path: place,
            init: {
              headers,
              ...(bytes === undefined || method === "GET" || method === "HEAD"
                ? {}
                : { body: bytes }),
            },
          };
        } catch {
          return; // No URL, so no request.
        }
        const response = await ask(method, request.path, token, request.init);
        assert.ok(known.has(response.status), `${method} ${place} gave ${response.status}`);
        const type = response.headers.get("content-type");
        const text = await limited(response);
        if (response.status >= 400) {
          assert.equal(type, "application/json");
          if (method !== "HEAD") {
            const answer = JSON.parse(text) as Json;
            assert.ok((API_ERROR_CODES as readonly unknown[]).includes(answer["code"]));
            assert.equal(typeof answer["error"], "string");
            assert.equal(answer["request_id"], response.headers.get("x-request-id"));
          }
        } else if (type === "application/json" && method !== "HEAD") JSON.parse(text);
      },
    ),
    { numRuns: 500 },
  );
});

/** The text of an answer; a stream without an end is left after its first part. */
async function limited(response: Response): Promise<string> {
  const type = response.headers.get("content-type");
  if (type === "application/json" || response.body === null) return await response.text();
  await response.body.cancel();
  return "";
}
