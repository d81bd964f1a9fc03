/**
 * The source of OTLP: when a request is answered, and what becomes of one that comes again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { OtlpError } from "../../src/decode/otlp/errors.ts";
import { type OtlpOutcome, type OtlpSource, otlpSource } from "../../src/ingest/otlp.ts";
import { SourceError } from "../../src/runtime/errors.ts";
import type { EventBatch } from "../../src/runtime/plugin.ts";
import { encodeMessage, requestOf } from "../support/otlp_schema.ts";

const NEVER = new AbortController().signal;

function body(...texts: readonly string[]): Uint8Array {
  return encodeMessage(
    "Request",
    requestOf(texts.map((stringValue) => ({ body: { stringValue } }))),
  );
}

function source(options: Parameters<typeof otlpSource>[1] = {}): OtlpSource {
  return otlpSource({ type: "otlp", id: "collector" }, { bootId: "b", ...options });
}

/** Reads a source batch by batch. */
function pulls(from: OtlpSource, signal = NEVER): AsyncIterator<EventBatch> {
  return from.read(undefined, signal)[Symbol.asyncIterator]();
}

function ids({ events }: EventBatch): readonly string[] {
  return events.map(({ recordId }) => recordId);
}

test("a request is answered after the commit of its last record, not before", async () => {
  const api = source();
  const reading = pulls(api);
  const pulled = reading.next();
  let outcome: OtlpOutcome | undefined;
  const texts = Array.from({ length: 3000 }, (_, at) => `r${at}`);
  const received = api.receive(body(...texts), "protobuf", NEVER).then((got) => outcome = got);
  const first: EventBatch = (await pulled).value;
  assert.equal(first.events.length, 2048);
  assert.equal(first.events[0]!.origin, "collector");
  await first.ack?.();
  const second: EventBatch = (await reading.next()).value;
  await delay(10);
  assert.equal(outcome, undefined);
  await second.ack?.();
  assert.deepEqual(await received, {
    kind: "taken",
    accepted: 3000,
    rejected: 0,
    reason: undefined,
  });
  assert.equal(new Set([...ids(first), ...ids(second)]).size, 3000);
  assert.deepEqual(api.health().counts, {
    requests: 1,
    records: 3000,
    rejected: 0,
    busy: 0,
    bodies_kept: 0,
  });
  await reading.return?.();
});

test("a request without records is answered at once, one that is none is an error", async () => {
  const api = source();
  assert.equal((await api.receive(new Uint8Array(), "protobuf", NEVER)).kind, "taken");
  assert.equal(
    (await api.receive(new TextEncoder().encode("{}"), "json", NEVER)).kind,
    "taken",
  );
  await assert.rejects(api.receive(new Uint8Array([1]), "protobuf", NEVER), OtlpError);
  await assert.rejects(api.receive(new Uint8Array([0xff, 0xfe]), "json", NEVER), OtlpError);
});

test("a request whose sender left before the answer keeps its ids when it comes again", async () => {
  const api = source();
  const reading = pulls(api);
  const pulled = reading.next();
  const leaves = new AbortController();
  const left = api.receive(body("a", "b"), "protobuf", leaves.signal);
  const first: EventBatch = (await pulled).value;
  leaves.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  await first.ack?.();
  const again = reading.next();
  const answered = api.receive(body("a", "b"), "protobuf", NEVER);
  const second: EventBatch = (await again).value;
  assert.deepEqual(ids(second), ids(first));
  await second.ack?.();
  assert.equal((await answered).kind, "taken");
  // Answered now: the same bytes are another request, as two equal heartbeats are.
  const further = reading.next();
  void api.receive(body("a", "b"), "protobuf", NEVER);
  const third: EventBatch = (await further).value;
  assert.equal(ids(third).some((id) => ids(first).includes(id)), false);
  await third.ack?.();
  await reading.return?.();
});

test("a request that comes again when there is no room keeps its ids as well", async () => {
  const api = source({ capacity: { events: 2 }, waitMs: 20 });
  const reading = pulls(api);
  const pulled = reading.next();
  const leaves = new AbortController();
  const left = api.receive(body("a", "b"), "protobuf", leaves.signal);
  const first: EventBatch = (await pulled).value;
  leaves.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  const other = api.receive(body("c", "d"), "protobuf", NEVER);
  const busy = await api.receive(body("a", "b"), "protobuf", NEVER);
  assert.equal(busy.kind, "busy");
  const second: EventBatch = (await reading.next()).value;
  await second.ack?.();
  assert.equal((await other).kind, "taken");
  const again = api.receive(body("a", "b"), "protobuf", NEVER);
  const third: EventBatch = (await reading.next()).value;
  assert.deepEqual(ids(third), ids(first));
  await third.ack?.();
  assert.equal((await again).kind, "taken");
});

test("requests without an answer are forgotten after a while", async () => {
  let nowMs = 0;
  const api = source({ now: () => nowMs });
  const reading = pulls(api);
  const batchOf = async (text: string, signal: AbortSignal) => {
    const pulled = reading.next();
    const received = api.receive(body(text), "protobuf", signal).catch(() => undefined);
    const batch: EventBatch = (await pulled).value;
    return { batch, received };
  };
  const leaves = new AbortController();
  const first = await batchOf("a", leaves.signal);
  leaves.abort();
  await first.received;
  await first.batch.ack?.();
  nowMs = 11 * 60_000;
  const second = await batchOf("a", NEVER);
  assert.notDeepEqual(ids(second.batch), ids(first.batch));
  await second.batch.ack?.();
  await reading.return?.();
});

test("nobody reads: a request is told that the source is closed", async () => {
  const api = source();
  assert.deepEqual(await api.receive(body("a"), "protobuf", NEVER), { kind: "closed" });
});

test("a full queue is counted as back-pressure and told", async () => {
  let waits = 0;
  const api = source({ capacity: { events: 1 }, waitMs: 10, onWait: () => waits++ });
  const reading = pulls(api);
  const pulled = reading.next();
  const first = api.receive(body("a"), "protobuf", NEVER);
  const batch: EventBatch = (await pulled).value;
  assert.deepEqual(await api.receive(body("b"), "protobuf", NEVER), {
    kind: "busy",
    retryAfterSeconds: 1,
  });
  assert.equal(waits, 1);
  await batch.ack?.();
  assert.equal((await first).kind, "taken");
  await reading.return?.();
});

test("places are bounded and given back once", () => {
  const api = source();
  const places = Array.from({ length: 40 }, () => api.enter());
  assert.equal(places.filter((place) => place !== undefined).length, 32);
  places[0]![Symbol.dispose]();
  places[0]![Symbol.dispose]();
  assert.notEqual(api.enter(), undefined);
  assert.equal(api.enter(), undefined);
});

test("an address that cannot be used is a SourceError, and the listeners are closed at the end", async () => {
  let closed = 0;
  let fails = true;
  const api = source({
    listen: () => {
      if (fails) return Promise.reject(new Error("address in use"));
      return Promise.resolve({ reloadTls: () => Promise.resolve(true), close: () => closed++ });
    },
  });
  await assert.rejects(pulls(api).next(), (error: unknown) => {
    assert.ok(error instanceof SourceError);
    assert.equal(error.code, "SOURCE_IO");
    return true;
  });
  assert.deepEqual(
    [api.health().state, api.health().error],
    ["failed", "address in use"],
  );
  assert.equal(await api.reloadTls(), false);
  fails = false;
  const stop = new AbortController();
  const pulled = pulls(api, stop.signal).next();
  await delay(5);
  assert.equal(api.health().state, "running");
  assert.equal(await api.reloadTls(), true);
  stop.abort(new Error("over"));
  await assert.rejects(pulled, /over/);
  assert.equal(closed, 1);
});
