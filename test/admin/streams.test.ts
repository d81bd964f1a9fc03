import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AdminOptions, createAdminApp } from "../../src/admin/app.ts";
import { describeDuration, parseDuration } from "../../src/runtime/duration.ts";
import { parseRedactPaths, redact, redactionToken } from "../../src/admin/redact.ts";
import { StreamSession } from "../../src/admin/stream.ts";
import { noopAdminMetrics } from "../../src/admin/admin_metrics.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { Value } from "../../src/event/value.ts";
import { fakeAlert, FakeView } from "./fake_view.ts";

const SALT = new Uint8Array(16).fill(7);

// delivery.md 14: vectors with a salt of sixteen bytes 0x07.
const VECTORS: readonly (readonly [Value, string])[] = [
  ["10.0.0.1", "cfea2addbf5c8284"],
  ["alice@example.com", "509efebfb0e7ac1e"],
  ["1.2.3.4", "a7650ae0056cebc9"],
  [8080, "ddc2242f78fc557e"],
  [true, "ba916d9388a6625c"],
  [["a", "b"], "e96cb0c8259d2550"],
];

for (const [value, digest] of VECTORS) {
  test(`redactionToken() of ${JSON.stringify(value)} ends in ${digest}`, () => {
    assert.equal(redactionToken(value, SALT), `picket:redacted:${digest}`);
  });
}

const R = (value: Value): string => redactionToken(value, SALT);

// delivery.md 14 and 21.6, 100 to 103; daemon.md 17.4, 64: value, paths, result.
const REDACTIONS: readonly (readonly [Value, string, Value])[] = [
  [{ a: 1, b: 2 }, "a", { a: R(1), b: 2 }],
  [{ a: "x", b: "x" }, "a,b", { a: R("x"), b: R("x") }],
  [
    { users: [{ email: "a" }, { email: "b" }] },
    "users.email",
    { users: [{ email: R("a") }, { email: R("b") }] },
  ],
  [{ ips: ["1", "2"] }, "ips.0", { ips: [R("1"), "2"] }],
  [{ ips: ["1", "2"] }, "ips.7", { ips: ["1", "2"] }],
  [{ a: { b: 1 } }, "a.c", { a: { b: 1 } }],
  [{ a: 1 }, "a.b", { a: 1 }],
  [{ a: { b: [1] } }, "a", { a: R({ b: [1] }) }],
  // The whole rest of the path as a key comes first; else every reading of it is hidden.
  [{ "a.b": 1, a: { b: 2 } }, "a.b", { "a.b": R(1), a: { b: 2 } }],
  [{ "a.b": { c: 1 }, a: { b: { c: 2 } } }, "a.b.c", {
    "a.b": { c: R(1) },
    a: { b: { c: R(2) } },
  }],
  [{ x: [{ "a.b": 1 }] }, "x.a.b", { x: [{ "a.b": R(1) }] }],
  [{ x: [{ "a.b": 1 }] }, "x.0.a.b", { x: [{ "a.b": R(1) }] }],
  [{ n: 9007199254740993n, s: 1 }, "s", { n: 9007199254740993n, s: R(1) }],
];

for (const [value, paths, expected] of REDACTIONS) {
  test(`redact() ${paths} in ${jsonText(value)}`, () => {
    const before = jsonText(value);
    assert.deepEqual(redact(value, parseRedactPaths(paths), SALT), expected);
    assert.equal(jsonText(value), before, "the event itself is left alone");
  });
}

test("parseRedactPaths() trims and drops what is empty", () => {
  assert.deepEqual(parseRedactPaths("user.email, src_ip ,"), ["user.email", "src_ip"]);
});

test("redact() never throws and never shows a value at a path that leads to it", () => {
  const key = fc.constantFrom("a", "b", "a.b", "0", "__proto__", "");
  const tree = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant("SECRET"),
      fc.integer(),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 3 }),
    ),
  })).value as fc.Arbitrary<Value>;
  fc.assert(
    fc.property(tree, fc.array(key, { minLength: 1, maxLength: 4 }), (value, path) => {
      const hidden = redact(
        { top: { [path.join(".")]: "SECRET" } },
        [`top.${path.join(".")}`],
        SALT,
      );
      assert.doesNotMatch(jsonText(hidden), /SECRET/);
      redact(value, [path.join(".")], SALT);
    }),
  );
});

// daemon.md 1, humantime.
const DURATIONS: readonly (readonly [string, number | undefined])[] = [
  ["30s", 30_000],
  ["1m 30s", 90_000],
  ["1h30m", 5_400_000],
  ["2days", 172_800_000],
  ["500ms", 500],
  ["10", undefined],
  ["", undefined],
  ["s", undefined],
  ["-1s", undefined],
  ["1.5s", undefined],
  ["1toString", undefined],
  ["1 fortnight", undefined],
];

for (const [text, ms] of DURATIONS) {
  test(`parseDuration() ${JSON.stringify(text)} is ${ms}`, () => {
    assert.equal(parseDuration(text), ms);
  });
}

test("parseDuration() reads back what describeDuration() writes, and never throws", () => {
  fc.assert(fc.property(fc.nat(1e9), (seconds) => {
    assert.equal(parseDuration(describeDuration(seconds * 1000)), seconds * 1000);
  }));
  fc.assert(fc.property(fc.string(), (text) => {
    const ms = parseDuration(text);
    assert.ok(ms === undefined || ms >= 0);
  }));
});

function make(options: AdminOptions = {}) {
  const view = new FakeView();
  const counts = { tap: 0, tail: 0, tapDropped: 0, tailDropped: 0, streamed: 0 };
  const app = createAdminApp(view, {
    auth: { loopback: "trusted" },
    tap: { enabled: true },
    metrics: {
      ...noopAdminMetrics,
      onTapSession: (change) => counts.tap += change,
      onTailSession: (change) => counts.tail += change,
      onTapDropped: (count) => counts.tapDropped += count,
      onTailDropped: (count) => counts.tailDropped += count,
      onTapStreamed: (count) => counts.streamed += count,
    },
    ...options,
  });
  const open = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await app.hono.fetch(new Request(`http://localhost${path}`, init), {
      connection: { peer: "127.0.0.1", local: "127.0.0.1", transport: "tcp" },
    });
  return { app, view, open, counts };
}

async function lines(response: Response): Promise<string[]> {
  return (await response.text()).split("\n").slice(0, -1);
}

test("tap ends at its limit with a summary", async () => {
  const { view, open, counts } = make();
  const response = await open("/api/v1/tap?limit=2");
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  for (let at = 0; at < 5; at++) view.emitEvent("decoded", `{"at":${at}}`);
  const [first, second, last, ...rest] = await lines(response);
  assert.deepEqual([first, second, rest], ['{"at":0}', '{"at":1}', []]);
  const { captured, dropped, stage } = JSON.parse(last!).picket_tap_summary;
  assert.deepEqual([captured, dropped, stage], [2, 0, "decoded"]);
  assert.deepEqual([counts.tap, counts.streamed, view.listeners], [0, 2, 0]);
});

test("tap with limit 0 is only its summary, and ends at its duration", async () => {
  const { open } = make();
  assert.equal((await lines(await open("/api/v1/tap?limit=0"))).length, 1);
  const started = performance.now();
  assert.equal((await lines(await open("/api/v1/events/stream?duration=50ms"))).length, 1);
  assert.ok(performance.now() - started < 2000);
});

test("tap raw shows lines as they are, and drops what it cannot redact", async () => {
  const { view, open, counts } = make();
  const plain = await open("/api/v1/tap?stage=raw&limit=1");
  view.emitEvent("raw", "not json");
  assert.equal((await lines(plain))[0], "not json");
  const redacted = await open("/api/v1/tap?stage=raw&limit=2&redact=ip");
  view.emitEvent("raw", "not json 10.0.0.1");
  view.emitEvent("raw", '{"ip":"10.0.0.1","n":9007199254740993}');
  view.emitEvent("raw", '{"ip":"10.0.0.1"}');
  const text = await redacted.text();
  assert.doesNotMatch(text, /10\.0\.0\.1/);
  assert.match(text, /"n":9007199254740993/);
  const tokens = text.match(/picket:redacted:[0-9a-f]{16}/g)!;
  assert.equal(tokens.length, 2);
  assert.equal(tokens[0], tokens[1]);
  assert.match(text, /"captured":2,"dropped":1/);
  assert.equal(counts.tapDropped, 1);
});

test("redaction of the configuration holds whatever the client asks for", async () => {
  const { view, open } = make({ tap: { enabled: true, redact: ["user"] } });
  const response = await open("/api/v1/tap?limit=1");
  view.emitEvent("decoded", '{"user":"alice"}');
  assert.doesNotMatch(await response.text(), /alice/);
});

// delivery.md 21.6, 105.
test("a session with a buffer of two drops the third of three offers", async () => {
  const { view, open } = make({ tap: { enabled: true, bufferEvents: 2 } });
  const response = await open("/api/v1/tap?duration=100ms");
  for (let at = 0; at < 3; at++) view.emitEvent("decoded", "{}");
  assert.match(await response.text(), /"captured":2,"dropped":1/);
});

test("a third session is refused; HEAD opens none; a client that goes frees its place", async () => {
  const { view, open, counts } = make();
  const held = [await open("/api/v1/tap"), await open("/api/v1/tap?stage=raw")];
  const third = await open("/api/v1/tap");
  assert.equal(third.status, 409);
  assert.match(String((await third.json() as Record<string, unknown>)["error"]), /capacity/);
  assert.equal(counts.tap, 2);
  await held[0]!.body!.cancel();
  assert.deepEqual([counts.tap, view.listeners], [1, 1]);
  assert.equal((await open("/api/v1/tap", { method: "HEAD" })).status, 200);
  assert.equal(counts.tap, 1);
  const gone = new AbortController();
  await open("/api/v1/tap", { signal: gone.signal });
  assert.equal(counts.tap, 2);
  gone.abort();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(counts.tap, 1);
  await held[1]!.body!.cancel();
});

test("tap and tail that are off say so", async () => {
  const { open } = make({ tap: {}, tail: { enabled: false } });
  for (const path of ["/api/v1/tap?stage=foo&duration=10s", "/api/v1/tap"].slice(1)) {
    assert.equal((await open(path)).status, 503);
  }
  const tail = await open("/api/v1/detections/stream");
  assert.equal(tail.status, 503);
  assert.equal((await tail.json() as Record<string, unknown>)["error"], "detection tail disabled");
});

// delivery.md 21.6, 106 and 107: query, sequence numbers that come through.
const TAILS: readonly (readonly [string, readonly number[]])[] = [
  ["", [1, 2, 3, 4]],
  ["level=high", [1, 3]],
  ["level=informational", [1, 2, 3]],
  ["rule=WHOAMI", [2]],
  ["rule=%20pk-id%20", [3]],
  ["rule=%20", [1, 2, 3, 4]],
];

for (const [query, expected] of TAILS) {
  test(`tail ?${query} shows ${expected}`, async () => {
    const { view, open } = make();
    const response = await open(`/api/v1/detections/stream?duration=30ms&${query}`);
    view.emitAlert(fakeAlert(1));
    view.emitAlert(fakeAlert(2, { level: "low", ruleTitle: "Detect whoami usage" }));
    view.emitAlert(fakeAlert(3, { level: "critical", ruleId: "PK-ID-7" }));
    view.emitAlert(fakeAlert(4, { level: null, kind: "gap" }));
    const all = await lines(response);
    assert.deepEqual(JSON.parse(all.at(-1)!), {
      picket_tail_summary: { streamed: expected.length, dropped: 0 },
    });
    assert.deepEqual(all.slice(0, -1), expected.map((seq) => fakeAlert(seq).body));
  });
}

test("tail as server-sent events has ids, resumes behind one, and keeps the line open", async () => {
  const { view, open } = make({ heartbeatMs: 20 });
  for (let seq = 1; seq <= 4; seq++) view.emitAlert(fakeAlert(seq));
  const response = await open("/api/v1/detections/stream?duration=150ms", {
    headers: { accept: "text/event-stream", "last-event-id": "2" },
  });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  view.emitAlert(fakeAlert(5));
  const text = await response.text();
  assert.ok(text.startsWith("id: 2\nevent: open\ndata: {}\n\n"), "where to resume comes first");
  assert.deepEqual(text.match(/^id: \d+$/gm)!.slice(1), ["id: 3", "id: 4", "id: 5"]);
  assert.ok(text.includes(`id: 3\nevent: alert\ndata: ${fakeAlert(3).body}\n\n`));
  assert.match(text, /\n\n: heartbeat\n\n/);
  assert.match(text, /event: summary\ndata: \{"picket_tail_summary".*\n\n$/);
});

test("alerts are listed newest first, behind a number oldest first", async () => {
  const { view, open } = make();
  for (let seq = 1; seq <= 5; seq++) {
    view.emitAlert(fakeAlert(seq, seq === 2 ? { level: "low" } : {}));
  }
  const list = async (query: string): Promise<readonly number[]> => {
    const text = await (await open(`/api/v1/alerts?${query}`)).text();
    assert.doesNotMatch(text, /9007199254740992/, "large integers keep their digits");
    const { alerts } = JSON.parse(text) as { alerts: readonly { readonly seq: number }[] };
    return alerts.map(({ seq }) => seq);
  };
  assert.deepEqual(await list("limit=2"), [5, 4]);
  assert.deepEqual(await list("after=1&limit=2"), [2, 3]);
  assert.deepEqual(await list("level=high"), [5, 4, 3, 1]);
  assert.deepEqual(await list("since=1700000004"), [5, 4]);
  assert.deepEqual(await list("limit=0"), []);
});

test("stop ends streams at once with their summary, and later ones as well", async () => {
  const { app, view, open, counts } = make();
  const tail = await open("/api/v1/detections/stream");
  const tap = await open("/api/v1/tap?duration=5m");
  view.emitAlert(fakeAlert(1));
  app.stop();
  assert.match(await tail.text(), /^\{"picket_tail_summary":\{"streamed":0,"dropped":1\}\}\n$/);
  assert.match(await tap.text(), /^\{"picket_tap_summary"/);
  assert.match(await (await open("/api/v1/detections/stream")).text(), /^\{"picket_tail_summary"/);
  assert.deepEqual([counts.tail, counts.tap, view.listeners], [0, 0, 0]);
});

test("a stream gives what it took, in order, and counts the rest, however slow its client", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant("read" as const)), {
        maxLength: 12,
      }),
      async (buffer, limit, steps) => {
        let closed = 0;
        const session = new StreamSession({
          format: "ndjson",
          event: "x",
          buffer,
          limit,
          durationMs: undefined,
          summary: ({ sent, dropped }) => `end ${sent} ${dropped}`,
          onClose: () => closed++,
        });
        const reader = session.body().getReader();
        const decoder = new TextDecoder();
        let text = "";
        let offered = 0;
        let ended = false;
        for (const step of steps) {
          if (step !== "read") {
            for (let at = 0; at < step && session.open; at++) {
              const data = String(offered++);
              session.offer(() => ({ data }));
            }
          } else if (offered > 0 && !ended) {
            const { done, value } = await Promise.race([
              reader.read(),
              new Promise<{ done: boolean; value: undefined }>((resolve) =>
                setTimeout(() => resolve({ done: false, value: undefined }), 5)
              ),
            ]);
            ended = done;
            if (value === undefined) return session.abandon(); // Nothing to read yet.
            text += decoder.decode(value);
          }
        }
        session.stop();
        while (!ended) {
          const { done, value } = await reader.read();
          ended = done;
          if (value !== undefined) text += decoder.decode(value);
        }
        const got = text.split("\n").slice(0, -1);
        const [, sent, dropped] = /^end (\d+) (\d+)$/.exec(got.pop()!)!;
        assert.equal(got.length, Number(sent));
        assert.equal(Number(sent) + Number(dropped), offered);
        assert.ok(limit === undefined || got.length <= limit);
        const numbers = got.map(Number);
        assert.deepEqual(numbers, [...new Set(numbers)].sort((left, right) => left - right));
        assert.equal(closed, 1);
      },
    ),
    { numRuns: 200 },
  );
});
