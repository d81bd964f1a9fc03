import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { httpSource, type PushResult } from "../../src/ingest/http.ts";
import type { EventBatch } from "../../src/runtime/plugin.ts";

const NEVER = new AbortController().signal;
const MIB = 1 << 20;

function source(options: Parameters<typeof httpSource>[1] = {}) {
  return httpSource({ type: "http", id: "api" }, { bootId: "b", ...options });
}

function payloads({ events }: EventBatch): unknown[] {
  return events.map(({ payload }) => payload);
}

/** Reads and commits until it is aborted, `pauseMs` before each commit. */
async function consume(
  from: ReturnType<typeof source>,
  signal: AbortSignal,
  pauseMs = 0,
): Promise<EventBatch[]> {
  const batches: EventBatch[] = [];
  try {
    for await (const batch of from.read(undefined, signal)) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      batches.push(batch);
      await batch.ack?.();
    }
  } catch (error) {
    assert.equal(error, signal.reason);
  }
  return batches;
}

// delivery.md 3.4, 20.13, 21.3 rows 39 to 41: lines, those that are accepted, indexes rejected.
const REQUESTS: readonly (readonly [readonly string[], readonly string[], readonly number[]])[] = [
  [['{"a":1}'], ['{"a":1}'], []],
  [["a", "b", "c"], ["a", "b", "c"], []],
  [["not json", "{}"], ["not json", "{}"], []],
  [["", "a", " \t"], ["a"], []],
  [["x".repeat(MIB), "x".repeat(MIB + 1), "b"], ["x".repeat(MIB), "b"], [1]],
  [["é".repeat(MIB / 2), "é".repeat(MIB / 2) + "x"], ["é".repeat(MIB / 2)], [1]],
];

REQUESTS.forEach(([lines, accepted, rejected], at) => {
  test(`HttpIngestSource.push() takes request ${at} of the table`, async () => {
    const api = source();
    const controller = new AbortController();
    const batches = consume(api, controller.signal);
    const result = await api.push(lines, NEVER);
    assert.equal(result.kind, "taken");
    assert.equal(result.accepted, accepted.length);
    if (result.kind === "taken") {
      assert.deepEqual(result.rejected.map(({ index }) => index), rejected);
    }
    controller.abort(new Error("done"));
    assert.deepEqual((await batches).flatMap(payloads), accepted);
  });
});

test("HttpIngestSource.push() is answered after the commit, not before", async () => {
  const api = source();
  const controller = new AbortController();
  const pulls = api.read(undefined, controller.signal)[Symbol.asyncIterator]();
  const pulled = pulls.next();
  let answer: PushResult | undefined;
  const pushed = api.push(["a", "b"], NEVER).then((result) => answer = result);
  const batch: EventBatch = (await pulled).value;
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(answer, undefined);
  await batch.ack?.();
  await batch.ack?.();
  assert.deepEqual(await pushed, { kind: "taken", accepted: 2, rejected: [] });
  await pulls.return?.();
});

test("HttpIngestSource.push() takes every line once, however full it is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 15 }),
      async (sizes, events) => {
        const api = source({ capacity: { events }, waitMs: 60_000 });
        const controller = new AbortController();
        const batches = consume(api, controller.signal);
        await Promise.resolve();
        const requests = sizes.map((size, at) =>
          Array.from({ length: size }, (_, n) => `${at}.${n}`)
        );
        const answers = await Promise.all(requests.map((lines) => api.push(lines, NEVER)));
        assert.deepEqual(answers.map(({ accepted }) => accepted), sizes);
        controller.abort(new Error("done"));
        const read = await batches;
        assert.deepEqual(read.flatMap(payloads), requests.flat());
        const ids = read.flatMap(({ events }) => events.map(({ recordId }) => recordId));
        assert.equal(new Set(ids).size, ids.length);
        assert.equal(api.health().lag?.records, 0);
      },
    ),
    { numRuns: 40 },
  );
});

test("HttpIngestSource.push() answers busy when there is no room for long", async () => {
  const api = source({ capacity: { events: 3 }, waitMs: 20 });
  const controller = new AbortController();
  const pulls = api.read(undefined, controller.signal)[Symbol.asyncIterator]();
  const pulled = pulls.next();
  const first = api.push(["a", "b", "c", "d"], NEVER);
  const batch: EventBatch = (await pulled).value;
  assert.deepEqual(await api.push(["e"], NEVER), {
    kind: "busy",
    accepted: 0,
    retryAfterSeconds: 1,
  });
  const waiting = api.push(["f"], NEVER);
  await batch.ack?.();
  assert.equal((await first).kind, "taken");
  const second: EventBatch = (await pulls.next()).value;
  assert.deepEqual(payloads(second), ["f"]);
  await second.ack?.();
  assert.equal((await waiting).kind, "taken");
  await pulls.return?.();
  assert.equal(api.health().counts?.busy, 1);
});

test("HttpIngestSource.push() is answered when nobody reads, or nobody does any more", async () => {
  const api = source();
  assert.deepEqual(await api.push(["a"], NEVER), { kind: "closed", accepted: 0 });
  const controller = new AbortController();
  const reading = consume(api, controller.signal, 5);
  await Promise.resolve();
  const first = api.push(["b"], NEVER);
  await new Promise((resolve) => setTimeout(resolve, 1));
  const second = api.push(["c"], NEVER);
  controller.abort(new Error("stop"));
  // The first was being committed, the second had not been handed out.
  assert.deepEqual(await second, { kind: "closed", accepted: 0 });
  assert.deepEqual(await first, { kind: "taken", accepted: 1, rejected: [] });
  await reading;
});

test("HttpIngestSource.push() rejects when its sender has gone", async () => {
  const api = source();
  const reading = new AbortController();
  const pulls = api.read(undefined, reading.signal)[Symbol.asyncIterator]();
  const pulled = pulls.next();
  const request = new AbortController();
  const pushed = api.push(["a"], request.signal);
  await pulled;
  request.abort(new Error("gone"));
  await assert.rejects(pushed, /gone/);
  assert.equal(api.health().lag?.records, 0);
  await pulls.return?.();
});

test("HttpIngestSource.push() names the records of a repeated request alike", async () => {
  const api = source();
  const controller = new AbortController();
  const batches = consume(api, controller.signal);
  await Promise.resolve();
  for (let time = 0; time < 2; time++) await api.push(["a", "", "b"], NEVER, "k1");
  await api.push(["other"], NEVER, "k1");
  controller.abort(new Error("done"));
  const ids = (await batches).flatMap(({ events }) => events.map(({ recordId }) => recordId));
  assert.match(ids[0]!, /^key:k1:0:[0-9a-f]{16}$/);
  assert.deepEqual(ids.slice(2, 4), ids.slice(0, 2));
  assert.equal(new Set(ids).size, 3);
});
