/**
 * Dead letters on their way to a sink of their own.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deadLetterRecord, startDeadLetterDrain } from "../../src/deliver/dead_letter_sink.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import type { Sink } from "../../src/runtime/plugin.ts";
import { MemoryOutbox, newAlert } from "../support/memory_outbox.ts";
import { SimClock } from "../support/sim_clock.ts";

// Delivery specification, section 7 and section 20.13: rsigma's three keys first, in their order.
test("deadLetterRecord() has rsigma's keys first and then what they leave open", () => {
  const letter = {
    id: 7,
    stage: "deliver",
    original: '{"rule_id":"r1","rule_title":"T"}',
    code: "poison",
    error: "HTTP 413",
    createdMs: Date.UTC(2026, 0, 31, 12),
    sinkId: "chat",
    alertId: "pk1-1",
    attempts: 2,
  } as const;
  assert.equal(
    deadLetterRecord(letter, "agent-7f3a"),
    '{"original_event":"{\\"rule_id\\":\\"r1\\",\\"rule_title\\":\\"T\\"}","error":"HTTP 413",' +
      '"timestamp":"2026-01-31T12:00:00.000+00:00","stage":"deliver","sink":"chat",' +
      '"alert_id":"pk1-1","rule_id":"r1","attempts":2,"error_code":"poison","agent":"agent-7f3a",' +
      '"source":null,"record_id":null,"dead_letter_id":7}',
  );
});

test("startDeadLetterDrain() reports each dead letter once, also after failures", async () => {
  const clock = new SimClock();
  const outbox = new MemoryOutbox();
  outbox.registerSinks([{ id: "main", filter: {}, start: "oldest" }], 0);
  const commit = (originals: readonly string[]) =>
    outbox.commit({
      alerts: [],
      positions: new Map(),
      deadLetters: originals.map((original) => ({
        stage: "parse",
        sourceId: "auth",
        original,
        code: "JSON",
        error: "parse error",
      })),
      nowMs: clock.nowMs(),
    });
  commit(["not json 1", "not json 2", "refused"]);
  const got: Alert[] = [];
  let calls = 0;
  const sink: Sink = {
    id: "dlq",
    kind: "file",
    send(alerts) {
      if (calls++ === 0) return Promise.reject(new DeliveryError("transient", "disk full"));
      const outcomes = alerts.map(({ body }) =>
        body.includes("refused") ? new DeliveryError("poison", "too odd") : undefined
      );
      got.push(...alerts.filter((_, at) => outcomes[at] === undefined));
      return Promise.resolve(outcomes);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const drain = startDeadLetterDrain({ sink, outbox, agentId: "agent-1", clock });
  assert.equal(drain.status().backlog.alerts, 3);
  assert.equal(await clock.run(() => outbox.unreportedDeadLetters(10).length === 0), true);
  commit(["not json 3"]);
  drain.notify();
  await clock.run(() => got.length === 3, 1000);
  const records = got.map(({ body }) => JSON.parse(body));
  assert.deepEqual(
    records.map((one) => [one.original_event, one.error, one.stage, one.source, one.agent]),
    ["not json 1", "not json 2", "not json 3"].map((
      original,
    ) => [original, "parse error", "parse", "auth", "agent-1"]),
  );
  assert.equal(new Set(got.map(({ id }) => id)).size, 3, "ids of their own");
  assert.equal(outbox.deadLetters.length, 4, "the refused one makes no new dead letter");
  await drain.stop(AbortSignal.abort());
});

test("a dead letter of a sink names alert and rule", async () => {
  const clock = new SimClock();
  const outbox = new MemoryOutbox();
  outbox.registerSinks([{ id: "main", filter: {}, start: "oldest" }], 0);
  const body = JSON.stringify({ rule_title: "T", rule_id: "r-9" });
  outbox.commit({ alerts: [newAlert({ id: "pk1-9", body })], positions: new Map(), nowMs: 0 });
  outbox.settle("main", [{ seq: 1, outcome: "dead", failure: "poison", error: "HTTP 400" }], 0);
  const got: Alert[] = [];
  const sink: Sink = {
    id: "dlq",
    kind: "file",
    send(alerts) {
      got.push(...alerts);
      return Promise.resolve(alerts.map(() => undefined));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const drain = startDeadLetterDrain({ sink, outbox, agentId: "agent-1", clock });
  await clock.run(() => got.length === 1, 1000);
  const record = JSON.parse(got[0]?.body ?? "{}");
  assert.deepEqual(
    [record.original_event, record.sink, record.alert_id, record.rule_id, record.error_code],
    [body, "main", "pk1-9", "r-9", "poison"],
  );
  await drain.stop(AbortSignal.abort());
});
