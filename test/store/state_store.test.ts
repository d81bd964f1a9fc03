/** The state file as the agent uses it: delivery spec 20.2, 20.3, 20.5, 21.7. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import type { NewAlert } from "../../src/runtime/alert.ts";
import { StateError } from "../../src/runtime/errors.ts";
import type { Settlement, SinkFilter } from "../../src/runtime/outbox.ts";
import type { Level } from "../../src/sigma/rule.ts";
import { Database } from "../../src/store/database.ts";
import { openState } from "../../src/store/open_state.ts";
import { TempDirectory } from "./temp_directory.ts";
import {
  commitOf,
  drain,
  memoryState,
  newAlert,
  pendingIds,
  PLAIN,
  sizedAlert,
} from "./helpers.ts";

function delivered(...seqs: readonly number[]): readonly Settlement[] {
  return seqs.map((seq) => ({ seq, outcome: "delivered" }));
}

test("commit() counts an id once, also after it was delivered and deleted (20.2)", () => {
  using state = memoryState({ recentAlerts: 0 });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  assert.deepEqual(
    state.commit(commitOf([newAlert(1), newAlert(1), newAlert(2)], 5, { auth: "p1" })),
    { added: 2, duplicates: 1, dropped: 0 },
  );
  drain(state, "a");
  assert.equal(state.stats().retained, 0);
  assert.deepEqual(state.commit(commitOf([newAlert(2), newAlert(3)])), {
    added: 1,
    duplicates: 1,
    dropped: 0,
  });
  assert.equal(state.position("auth"), "p1");
  assert.deepEqual(pendingIds(state, "a"), ["alert-3"]);
});

test("commit() forgets ids beyond their number, never those that wait", () => {
  using state = memoryState({ recentAlerts: 0, knownIds: 10 });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert("waits")]));
  const [first] = state.pending("a", 1, 0);
  state.settle("a", [{ seq: first!.alert.seq, outcome: "retry", nextMs: 1e15, error: "x" }], 0);
  for (let key = 0; key < 50; key++) {
    state.commit(commitOf([newAlert(key)]));
    drain(state, "a");
  }
  const again = (key: string | number) => state.commit(commitOf([newAlert(key)])).duplicates;
  assert.equal(again("waits"), 1);
  assert.equal(again(49), 1);
  assert.equal(again(0), 0);
  // Once it has left, its id goes too.
  state.operator.retryNow("a");
  drain(state, "a");
  assert.equal(again("waits"), 0);
});

test("commit() of nothing new writes nothing", () => {
  using files = new TempDirectory();
  using state = openState(files.path("state.db"), PLAIN);
  state.commit(commitOf([], 1, { auth: "p1" }));
  const size = statSync(files.path("state.db-wal")).size;
  state.commit(commitOf([], 2, { auth: "p1" }));
  assert.equal(statSync(files.path("state.db-wal")).size, size);
  state.commit(commitOf([], 3, { auth: "p2" }));
  assert.ok(statSync(files.path("state.db-wal")).size > size);
});

// Which of the alerts below a filter lets through; runtime/outbox.ts, SinkFilter.
const FILTERS: readonly (readonly [filter: SinkFilter, expected: readonly string[]])[] = [
  [{}, ["low", "high", "none", "gap"]],
  [{ minLevel: "high" }, ["high", "gap"]],
  [{ kinds: ["gap"] }, ["gap"]],
  [{ rules: ["LOGIN*"] }, ["low", "high"]],
  [{ rules: ["r-?"] }, ["low", "none"]],
  [{ rules: ["login*"], excludeRules: ["*failed"] }, ["low"]],
  [{ rules: [], kinds: [] }, ["low", "high", "none", "gap"]],
];

for (const [filter, expected] of FILTERS) {
  test(`registerSinks() with ${JSON.stringify(filter)} lets ${expected.join()} through`, () => {
    using state = memoryState();
    state.registerSinks([{ id: "a", filter }], 0);
    state.commit(commitOf([
      newAlert("low", { level: "low", ruleId: "r-1", ruleTitle: "Login from afar" }),
      newAlert("high", { level: "high", ruleId: "r-22", ruleTitle: "Login failed" }),
      newAlert("none", { level: null, ruleId: "r-3", ruleTitle: "Other" }),
      newAlert("gap", { level: "critical", kind: "gap", ruleId: null, ruleTitle: "Lost" }),
    ]));
    assert.deepEqual(pendingIds(state, "a"), expected.map((key) => `alert-${key}`));
    assert.equal(state.backlog("a", 0).alerts, expected.length);
  });
}

test("registerSinks() starts a new sink at the newest or the oldest alert", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2, { level: "high" })]));
  state.registerSinks([
    { id: "a", filter: {} },
    { id: "new", filter: {} },
    { id: "old", filter: { minLevel: "high" }, start: "oldest" },
  ], 0);
  state.commit(commitOf([newAlert(3)]));
  assert.deepEqual(pendingIds(state, "new"), ["alert-3"]);
  assert.deepEqual(pendingIds(state, "old"), ["alert-2"]);
  assert.deepEqual(pendingIds(state, "nobody"), []);
});

test("registerSinks() applies a changed filter to what waits", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2, { level: "high" })]));
  state.registerSinks([{ id: "a", filter: { minLevel: "high" } }], 0);
  assert.deepEqual(pendingIds(state, "a"), ["alert-2"]);
  assert.equal(state.stats().waiting, 1);
});

test("registerSinks() without a sink: it pins nothing, and goes on if it comes back (21.7 #123)", () => {
  const outbox = { maxBytes: 1000 };
  using state = memoryState({ outbox, recentAlerts: 0 });
  const a = { id: "a", filter: {} };
  const b = { id: "b", filter: {} };
  state.registerSinks([a, b], 0);
  state.commit(commitOf([1, 2, 3].map((key) => sizedAlert(key, 200))));
  drain(state, "a");
  // What a sink that works is about to get would not count.
  state.settle("a", [{ seq: 3, outcome: "retry", nextMs: 0, error: "refused" }], 0);
  state.registerSinks([a], 0);
  assert.equal(state.stats().waiting, 0);
  // Three new ones need the room: the oldest that only b waited for go, and nothing is lost.
  assert.equal(state.commit(commitOf([4, 5, 6].map((key) => sizedAlert(key, 200)))).dropped, 0);
  state.registerSinks([a, b], 1000);
  assert.deepEqual(pendingIds(state, "b"), [2, 3, 4, 5, 6].map((key) => `alert-${key}`).slice(-5));
  state.registerSinks([a], 0);
  state.registerSinks([a], 8 * 86_400_000);
  assert.deepEqual(state.sinks().map(({ id }) => id), ["a"]);
});

test("registerSinks() keeps what the only sink had waited for until it comes back", () => {
  using state = memoryState({ recentAlerts: 0 });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2)]));
  state.registerSinks([], 10);
  assert.deepEqual([state.stats().waiting, state.stats().retained], [0, 2]);
  state.commit(commitOf([newAlert(3)]));
  state.registerSinks([{ id: "a", filter: {} }], 20);
  assert.deepEqual(pendingIds(state, "a"), ["alert-1", "alert-2"]);
  state.registerSinks([], 30);
  state.registerSinks([], 30 + 7 * 86_400_000);
  assert.deepEqual([state.stats().retained, state.sinks().length], [0, 0]);
});

test("pending() leaves out what is not due, and keeps the order", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([1, 2, 3, 4].map((key) => newAlert(key))));
  state.settle("a", [
    { seq: 1, outcome: "retry", nextMs: 5000, error: "refused" },
    { seq: 3, outcome: "retry", nextMs: 3000, error: "refused" },
    { seq: 4, outcome: "delivered" },
  ], 1000);
  assert.deepEqual(pendingIds(state, "a", 2999), ["alert-2"]);
  assert.equal(state.nextDueMs("a"), 3000);
  assert.deepEqual(pendingIds(state, "a", 3000), ["alert-2", "alert-3"]);
  assert.equal(state.nextDueMs("a"), 5000);
  assert.deepEqual(
    state.pending("a", 10, 5000).map(({ alert, attempts }) => [alert.seq, attempts]),
    [[1, 1], [2, 0], [3, 1]],
  );
  assert.equal(state.sinks()[0]!.lastError, "refused");
  state.settle("a", delivered(1, 2, 3, 3, 99), 6000);
  assert.deepEqual(state.backlog("a", 7000), {
    sinkId: "a",
    alerts: 0,
    bytes: 0,
    oldestMs: 0,
    deadLetters: 0,
  });
});

test("pending() sets a damaged body aside and goes on", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  using state = openState(path, PLAIN);
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2)]));
  {
    using other = new Database(path);
    other.run("UPDATE outbox SET body = replace(body, 'alert', 'Alert') WHERE seq = 1");
  }
  assert.deepEqual(pendingIds(state, "a"), ["alert-2"]);
  assert.deepEqual(state.deadLetters().map(({ code, sinkId }) => [code, sinkId]), [
    ["corrupt", "a"],
  ]);
});

test("settle() moves what was given up to the dead letters, and replay brings it back", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }, { id: "b", filter: {} }], 0);
  state.commit({
    ...commitOf([newAlert(1, { level: "high", eventMs: 7 })], 10),
    deadLetters: [{
      stage: "parse",
      sourceId: "auth",
      recordId: "9",
      original: "no json",
      code: "json",
      error: "Unexpected token",
    }],
  });
  state.settle("a", [{ seq: 1, outcome: "dead", failure: "poison", error: "413" }], 20);
  state.settle("b", delivered(1), 20);
  const [parse, dead] = state.deadLetters();
  assert.deepEqual(
    { ...dead, id: 0, original: "" },
    {
      id: 0,
      createdMs: 20,
      stage: "deliver",
      code: "poison",
      error: "413",
      attempts: 1,
      original: "",
      sinkId: "a",
      alertId: "alert-1",
      sourceId: "auth",
      recordId: "1",
    },
  );
  assert.equal(state.backlog("a", 0).deadLetters, 1);
  assert.deepEqual(state.unreportedDeadLetters(10).map(({ id }) => id), [parse!.id, dead!.id]);
  state.markDeadLettersReported([parse!.id]);
  assert.deepEqual(state.unreportedDeadLetters(10).map(({ id }) => id), [dead!.id]);

  const { replayed, refused } = state.operator.replay([parse!.id, dead!.id, 77], 30);
  assert.equal(replayed, 1);
  assert.deepEqual(refused.map(({ id }) => id), [parse!.id, 77]);
  const [again] = state.pending("a", 10, 40);
  assert.deepEqual(again!.alert.id, "alert-1");
  assert.deepEqual([again!.alert.createdMs, again!.alert.eventMs], [10, 7]);
  assert.deepEqual(pendingIds(state, "b"), []);
  assert.equal(state.backlog("a", 0).deadLetters, 0);
  // The same record read once more is still known.
  assert.equal(state.commit(commitOf([newAlert(1)])).duplicates, 1);
});

test("commit() keeps critical and high alerts, counts the others, tells it once (21.7 #119)", () => {
  const outbox = { maxBytes: 1 << 20 };
  using state = memoryState({ outbox, recentAlerts: 0, deadLetterBytes: 1 << 18 });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  const levels = ["low", "medium", "high", "informational", "low"] as const;
  let dropped = 0;
  let committed = 0;
  for (let batch = 0; batch < 50; batch++) {
    const alerts = Array.from(
      { length: 100 },
      (_, at) => sizedAlert(`${batch}-${at}`, 1000, { level: levels[at % 5]! }),
    );
    committed += alerts.length;
    dropped += state.commit(commitOf(alerts, 1000 + batch)).dropped;
    assert.ok(state.stats().waitingBytes <= outbox.maxBytes);
  }
  // 1,000 alerts of 1,000 bytes are high and all but 48 of those that fit.
  const waiting = state.stats().waiting;
  assert.equal(waiting + dropped, committed);
  const counted = state.stats().dropped;
  assert.equal(Object.values(counted).reduce((sum, count) => sum + count, 0), dropped);
  assert.equal(counted["max_bytes:high"], undefined);
  const stats = state.stats();
  assert.equal(stats.deadLetters["evicted"]! + stats.deadLettersDropped["evicted"]!, dropped);

  const seen: { readonly id: string; readonly level: string | null; readonly body: string }[] = [];
  for (let round = 0; round < 100; round++) {
    const pending = state.pending("a", 100, 5000);
    if (pending.length === 0) break;
    seen.push(...pending.map(({ alert }) => alert));
    state.settle("a", delivered(...pending.map(({ alert }) => alert.seq)), 5000);
  }
  assert.equal(seen.filter(({ level }) => level === "high").length, 1000);
  const gaps = seen.filter(({ body }) => body.includes('"kind":"gap"'));
  assert.equal(gaps.length, 1);
  const { gap, level } = JSON.parse(gaps[0]!.body) as {
    gap: Record<string, unknown>;
    level: string;
  };
  assert.equal(level, "critical");
  assert.equal(gap["reason"], "max_bytes");
  assert.equal(gap["count"], dropped);
  const byLevel = gap["by_level"] as Record<string, number>;
  assert.equal(Object.values(byLevel).reduce((sum, count) => sum + count, 0), dropped);
  assert.equal(byLevel["low"], counted["max_bytes:low"]);
  assert.ok(gap["first_seq"] as number <= (gap["last_seq"] as number));
});

test("commit() with drop_oldest drops the oldest whatever its level", () => {
  using state = memoryState({ outbox: { maxBytes: 300, onFull: "drop_oldest" } });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([sizedAlert(1, 100, { level: "critical" })]));
  state.commit(commitOf([2, 3].map((key) => sizedAlert(key, 100, { level: "low" }))));
  assert.equal(state.commit(commitOf([sizedAlert(4, 100, { level: "low" })])).dropped, 1);
  assert.deepEqual(pendingIds(state, "a"), ["alert-2", "alert-3", "alert-4"]);
});

test("commit() with block refuses, changes nothing, and goes on when there is room", () => {
  using state = memoryState({ outbox: { maxBytes: 300, onFull: "block" } });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([1, 2, 3].map((key) => sizedAlert(key, 100)), 1, { auth: "3" }));
  const full = commitOf([sizedAlert(4, 100)], 2, { auth: "4" });
  assert.throws(
    () => state.commit(full),
    (error) => error instanceof StateError && error.code === "STATE_FULL",
  );
  assert.equal(state.position("auth"), "3");
  assert.equal(state.stats().waiting, 3);
  state.settle("a", delivered(1), 3);
  assert.deepEqual(state.commit(full), { added: 1, duplicates: 0, dropped: 0 });
  assert.equal(state.position("auth"), "4");
});

test("commit() drops what is too old, and an alert larger than the outbox", () => {
  using state = memoryState({ outbox: { maxBytes: 1000, maxAgeMs: 1000 } });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1)], 1000));
  state.commit(commitOf([newAlert(2)], 1500));
  assert.equal(state.commit(commitOf([sizedAlert(3, 2000)], 2100)).dropped, 2);
  assert.deepEqual(pendingIds(state, "a"), ["alert-2"]);
  assert.deepEqual(state.deadLetters().map(({ stage, alertId }) => [stage, alertId]), [
    ["oversize", "alert-3"],
    ["evicted", "alert-1"],
  ]);
  assert.deepEqual(state.stats().dropped, { "max_age:medium": 1, "oversize:medium": 1 });
});

test("commit() stops growing while little of the disk is free", () => {
  let free = 1 << 30;
  using state = memoryState({ freeBytes: () => free, outbox: { minFreeBytes: 1 << 28 } });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  const megabyte = (key: number) => [sizedAlert(key, 1 << 20, { level: "low" })];
  for (let key = 0; key < 20; key++) state.commit(commitOf(megabyte(key), key * 2000));
  free = 1000;
  const { dropped } = state.commit(commitOf(megabyte(20), 50_000));
  assert.equal(dropped, 1);
  assert.equal(state.stats().waiting, 20);
  assert.equal(state.deadLetters().length, 0, "a move would not free anything");
  drain(state, "a", 51_000);
  assert.equal(state.stats().dropped["min_free:low"], 1);
});

test("recentAlerts() gives the newest, delivered or not", () => {
  using state = memoryState({ recentAlerts: 3 });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  for (let key = 1; key <= 5; key++) {
    state.commit(commitOf([newAlert(key, { level: key === 4 ? "high" : "low" })], key));
    drain(state, "a");
  }
  const seqs = (query: Parameters<typeof state.recentAlerts>[0]) =>
    state.recentAlerts(query).map(({ seq }) => seq);
  assert.deepEqual(seqs({}), [5, 4, 3]);
  assert.deepEqual(seqs({ limit: 1 }), [5]);
  assert.deepEqual(seqs({ minLevel: "high" }), [4]);
  assert.deepEqual(seqs({ sinceMs: 5 }), [5]);
  assert.deepEqual(seqs({ afterSeq: 4 }), [5]);
  assert.deepEqual(seqs({ rule: "rule-1" }), [5, 4, 3]);
  assert.deepEqual(seqs({ rule: "A rule" }), [5, 4, 3]);
  assert.deepEqual(seqs({ rule: "other" }), []);
  assert.equal(state.stats().retained, 3);
});

test("settle() with retainMs keeps delivered alerts, and they can be sent again (20.7)", () => {
  using state = memoryState({ recentAlerts: 0, outbox: { retainMs: 1000 } });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2)], 100));
  drain(state, "a", 100);
  assert.equal(state.operator.send("a", [1]), 1);
  assert.deepEqual(pendingIds(state, "a"), ["alert-1"]);
  state.maintain(1100);
  assert.deepEqual(state.operator.rows({ delivered: true }).map(({ alert }) => alert.seq), [1]);
  drain(state, "a", 2000);
  state.maintain(3000);
  assert.deepEqual(state.operator.rows({ delivered: true }), []);
});

test("operator.drop() takes alerts from one sink or all", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }, { id: "b", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2)]));
  assert.equal(state.operator.drop([1, 9], "a"), 1);
  assert.deepEqual(pendingIds(state, "a"), ["alert-2"]);
  assert.deepEqual(pendingIds(state, "b"), ["alert-1", "alert-2"]);
  assert.equal(state.operator.drop([1, 2], undefined), 2);
  assert.equal(state.stats().waiting, 0);
});

test("documents, positions and the audit trail", () => {
  using state = memoryState();
  assert.equal(state.getDocument("overrides"), undefined);
  state.putDocument("overrides", "{}", 1);
  state.putDocument("overrides", '{"a":1}', 2);
  assert.equal(state.getDocument("overrides"), '{"a":1}');
  state.putDocument("overrides", undefined, 3);
  assert.equal(state.getDocument("overrides"), undefined);
  state.setPosition("x", "1", 1);
  assert.deepEqual([...state.positions()], [["x", "1"]]);
  assert.equal(state.forgetSource("x"), true);
  assert.equal(state.forgetSource("x"), false);
  const day = 86_400_000;
  for (const atMs of [1, 2, 31 * day, 31 * day + 5]) {
    state.appendAudit({ atMs, actor: "cli", action: "test", outcome: "ok", detail: "{}" });
  }
  const page = state.auditEntries({ limit: 1, sinceMs: 0 });
  assert.equal(page.count, 2);
  assert.equal(page.entries[0]!.atMs, 31 * day + 5);
});

test("peerPosition() is what was settled last", () => {
  using state = memoryState();
  state.registerSinks([{ id: "a", filter: {} }], 0);
  assert.equal(state.peerPosition("a"), undefined);
  state.settle("a", [], 1, '{"seq":4}');
  assert.equal(state.peerPosition("a"), '{"seq":4}');
});

test("openState() lets one agent in, and readers and operators beside it", () => {
  using files = new TempDirectory();
  const path = files.path("sub/state.db");
  using state = openState(path, PLAIN);
  state.registerSinks([{ id: "a", filter: {} }], 0);
  state.commit(commitOf([newAlert(1), newAlert(2)]));
  assert.throws(
    () => openState(path, PLAIN),
    (error) => error instanceof StateError && error.code === "STATE_BUSY",
  );
  using reader = openState(path, { access: "read" });
  assert.deepEqual(reader.operator.rows().map(({ alert }) => alert.seq), [1, 2]);
  assert.throws(() => reader.operator.drop([1], undefined), StateError);
  using operator = openState(path, { access: "operator" });
  assert.equal(operator.operator.drop([1], undefined), 1);
  // The agent sees it at once.
  assert.equal(state.backlog("a", 0).alerts, 1);
  assert.deepEqual(pendingIds(state, "a"), ["alert-2"]);
  if (process.platform !== "win32") assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("openState() goes on where it was closed", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  let agentId: string;
  {
    using state = openState(path, PLAIN);
    agentId = state.agentId;
    state.registerSinks([{ id: "a", filter: {} }], 0);
    state.commit(commitOf([newAlert(1)], 1, { auth: "p" }));
  }
  using state = openState(path, PLAIN);
  assert.equal(state.agentId, agentId);
  assert.equal(state.recovery, undefined);
  assert.deepEqual(pendingIds(state, "a"), ["alert-1"]);
  assert.equal(state.commit(commitOf([newAlert(1)])).duplicates, 1);
  state.commit(commitOf([newAlert(2)]));
  assert.deepEqual(state.pending("a", 9, 0).map(({ alert }) => alert.seq), [1, 2]);
});

// 20.3 and 21.7 #118b: fingerprints before and after, whether the id stays.
const MACHINES: readonly (readonly [
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  isKept: boolean,
])[] = [
  [{ machine_id: "1" }, { machine_id: "1" }, true],
  [{ machine_id: "1" }, { machine_id: "2" }, false],
  [{ machine_id: "1", product_uuid: "1" }, { machine_id: "1", product_uuid: "2" }, false],
  [{ machine_id: "1", product_uuid: "1" }, { machine_id: "1" }, true],
  [{}, { machine_id: "1" }, true],
  [{ machine_id: "1" }, {}, true],
];

for (const [before, after, isKept] of MACHINES) {
  test(`openState() ${isKept ? "keeps" : "replaces"} the id: ${JSON.stringify([before, after])}`, () => {
    using files = new TempDirectory();
    const path = files.path("state.db");
    let first: string;
    {
      using state = openState(path, { ...PLAIN, fingerprint: before });
      first = state.agentId;
    }
    {
      using state = openState(path, { ...PLAIN, fingerprint: after });
      assert.equal(state.agentId === first, isKept);
      assert.equal(state.replacedAgentId, isKept ? undefined : first);
    }
    using state = openState(path, { ...PLAIN, fingerprint: { machine_id: "9" }, agentId: "mine" });
    assert.equal(state.agentId, "mine");
    assert.equal(state.replacedAgentId, undefined);
  });
}

test("a sink that is down costs one that works nothing", () => {
  using files = new TempDirectory();
  using state = openState(files.path("state.db"), {
    ...PLAIN,
    outbox: { maxBytes: 20_000, fsync: "normal" },
    recentAlerts: 0,
  });
  state.registerSinks([{ id: "down", filter: {} }, { id: "works", filter: {} }], 0);
  const alert = (key: number, level: Level): NewAlert => sizedAlert(key, 500, { level });
  const settleWorking = (): number[] => {
    const got = pendingIds(state, "works", 1000);
    const all = state.pending("works", 1000, 0);
    state.settle("works", all.map(({ alert: { seq } }) => ({ seq, outcome: "delivered" })), 0);
    return all.map(({ alert: { seq } }) => seq).slice(0, got.length);
  };
  state.commit(commitOf([alert(1, "high")], 0, { s: "1" }));
  const [first] = state.pending("down", 1, 0);
  const seq = first!.alert.seq;
  state.settle("down", [{ seq, outcome: "retry", nextMs: 1e12, error: "refused" }], 0);
  settleWorking();
  for (let key = 2; key <= 40; key++) state.commit(commitOf([alert(key, "high")], 0, { s: "2" }));
  assert.equal(settleWorking().length, 39);
  // The outbox is full of what the other one waits for; now comes a burst of lower ones.
  const burst = Array.from({ length: 60 }, (_, at) => alert(100 + at, "low"));
  state.commit(commitOf(burst, 0, { s: "3" }));
  assert.equal(settleWorking().length, 60, "the one that works gets every alert");
  const { alerts } = state.backlog("down", 0);
  assert.ok(alerts <= 40, `the other keeps what fits, the highest: ${alerts}`);
  state.commit(commitOf([alert(900, "critical")], 0, { s: "4" }));
  assert.ok(state.stats().waitingBytes <= 20_000, "and the bound holds again");
  const dropped = Object.entries(state.stats().dropped);
  assert.deepEqual(dropped.map(([name]) => name.split(":")[1]).includes("low"), true);
});

test("dead letters and the audit trail keep to the numbers they are given", () => {
  using state = memoryState({ deadLetterRecords: 3, auditEntries: 2 });
  for (let number = 1; number <= 5; number++) {
    const letter = { stage: "parse", original: `${number}`, code: "x", error: "y" } as const;
    state.commit({ ...commitOf([], number, { s: `${number}` }), deadLetters: [letter] });
    const entry = { actor: "a", action: `${number}`, outcome: "200", detail: "{}" };
    state.appendAudit({ atMs: number, ...entry });
  }
  assert.deepEqual(state.deadLetters().map(({ original }) => original).sort(), ["3", "4", "5"]);
  assert.equal(state.stats().deadLettersDropped["parse"], 2);
  assert.deepEqual(state.auditEntries().entries.map(({ action }) => action), ["5", "4"]);
});
