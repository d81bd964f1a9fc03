/**
 * Draining the outbox, in simulated time: the classes of failure, order, repeats, stopping.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type SinkDrain, startDrain } from "../../src/deliver/drain.ts";
import type { DrainOptions } from "../../src/deliver/drain_status.ts";
import type { Level } from "../../src/sigma/rule.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import type { Outbox } from "../../src/runtime/outbox.ts";
import type { Sink } from "../../src/runtime/plugin.ts";
import { FakeFarEnd, type Move } from "../support/fake_far_end.ts";
import { MemoryOutbox, newAlert } from "../support/memory_outbox.ts";
import { SimClock } from "../support/sim_clock.ts";

const ABORTED = AbortSignal.abort(new Error("stopped"));
const HOUR_MS = 3_600_000;
/** For runs with PICKET_PROPERTY_RUNS set to many. */
const LONG = { timeout: 600_000 };

function id(number: number): string {
  return `pk1-${String(number).padStart(32, "0")}`;
}

/** An outbox with a sink named `fake` and `count` alerts for it. */
function outboxOf(count: number, clock: SimClock, sinks: readonly string[] = ["fake"]) {
  const outbox = new MemoryOutbox();
  outbox.registerSinks(sinks.map((one) => ({ id: one, filter: {}, start: "oldest" })), 0);
  add(outbox, 0, count, clock);
  return outbox;
}

function add(outbox: MemoryOutbox, from: number, count: number, clock: SimClock, level?: Level) {
  const alerts = Array.from(
    { length: count },
    (_, at) => newAlert({ id: id(from + at), ...(level === undefined ? {} : { level }) }),
  );
  outbox.commit({ alerts, positions: new Map(), nowMs: clock.nowMs() });
}

function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, at) => id(from + at));
}

interface Setting {
  readonly clock: SimClock;
  readonly outbox: MemoryOutbox;
  readonly far: FakeFarEnd;
  readonly drain: SinkDrain;
}

async function draining(
  options: {
    readonly alerts?: number;
    readonly script?: readonly Move[];
    readonly poison?: readonly string[];
    readonly reconciles?: boolean;
    readonly drain?: Partial<DrainOptions>;
  },
  body: (setting: Setting) => Promise<void>,
): Promise<void> {
  const clock = new SimClock();
  const outbox = outboxOf(options.alerts ?? 0, clock);
  const far = new FakeFarEnd(options.script, new Set(options.poison));
  const drain = startDrain({
    sink: far.sink({ reconciles: options.reconciles ?? false }),
    outbox,
    clock,
    random: () => 0.999999,
    ...options.drain,
  });
  try {
    await body({ clock, outbox, far, drain });
  } finally {
    await drain.stop(ABORTED);
  }
}

const transient = (stored = 0, retryAfterMs?: number): Move => ({
  kind: "fail",
  failure: "transient",
  stored,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});
const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);

// Delivery specification 21.2, row 16.
test("SinkDrain delivers what waits in order and empties the outbox", async () => {
  await draining({ alerts: 10 }, async ({ clock, outbox, far, drain }) => {
    assert.equal(await clock.run(() => far.stored.length === 10), true);
    await clock.settle();
    assert.deepEqual(far.stored, ids(0, 10));
    assert.deepEqual(
      { ...drain.status(), lastOkMs: undefined },
      {
        id: "fake",
        kind: "http",
        state: "idle",
        lastOkMs: undefined,
        lastError: undefined,
        lastErrorMs: undefined,
        failures: 0,
        delivered: 10,
        dead: 0,
        retries: 0,
        nextTryMs: undefined,
        backlog: { sinkId: "fake", alerts: 0, bytes: 0, oldestMs: 0, deadLetters: 0 },
      },
    );
    assert.equal(outbox.pending("fake", 10, Infinity).length, 0);
  });
});

// Row 17: the same ids in each try.
test("SinkDrain sends the same alerts again after failures", async () => {
  await draining({ alerts: 3, script: [transient(), transient()] }, async ({ clock, far }) => {
    assert.equal(await clock.run(() => far.stored.length === 3), true);
    assert.deepEqual(far.calls, times(3, ids(0, 3)));
  });
});

// Rows 18 and 23 and specification 20.13: every sink gets every alert; a slow one holds up none.
test("SinkDrain goes on while the drain of another sink hangs", async () => {
  const clock = new SimClock();
  const outbox = outboxOf(5, clock, ["fast", "slow"]);
  const fast = new FakeFarEnd();
  const slow = new FakeFarEnd([{ kind: "hang", stored: 0 }]);
  const drains = [
    startDrain({ sink: fast.sink({ id: "fast", reconciles: false }), outbox, clock }),
    startDrain({ sink: slow.sink({ id: "slow", reconciles: false }), outbox, clock }),
  ];
  await clock.run(() => fast.stored.length === 5, 1000);
  await clock.settle();
  assert.equal(drains[0]?.status().backlog.alerts, 0);
  assert.equal(drains[1]?.status().backlog.alerts, 5, "the outbox keeps them for the slow sink");
  assert.equal(await clock.run(() => slow.stored.length === 5), true, "the deadline ends the hang");
  assert.deepEqual(slow.stored, fast.stored);
  for (const drain of drains) await drain.stop(ABORTED);
});

// Rows 20 and 21 in Picket's way: transient for ever, poison at once; rows 121 of section 21.7.
test("SinkDrain buries the poison alert alone", async () => {
  const poison = [id(42)];
  await draining({ alerts: 100, poison }, async ({ clock, outbox, far, drain }) => {
    await clock.run(() => drain.status().backlog.alerts === 0);
    assert.deepEqual(far.stored, ids(0, 100).filter((one) => one !== poison[0]));
    assert.deepEqual(
      outbox.deadLetters.map(({ alertId, code, stage, sinkId, attempts }) => ({
        alertId,
        code,
        stage,
        sinkId,
        attempts,
      })),
      [{ alertId: poison[0], code: "poison", stage: "deliver", sinkId: "fake", attempts: 1 }],
    );
    assert.equal(drain.status().dead, 1);
  });
});

test("SinkDrain finds the alert to blame when a whole call is refused as poison", async () => {
  const clock = new SimClock();
  const outbox = outboxOf(6, clock);
  const far = new FakeFarEnd([], new Set([id(3)]));
  const inner = far.sink({ reconciles: false });
  // A body that carries many alerts is refused whole.
  const sink: Sink = {
    ...inner,
    async send(alerts, signal) {
      const outcomes = await inner.send(
        alerts.some((one) => one.id === id(3)) ? alerts.filter((one) => one.id === id(3)) : alerts,
        signal,
      );
      const [bad] = outcomes.filter((one) => one !== undefined);
      return alerts.map(() => bad);
    },
  };
  const drain = startDrain({ sink, outbox, clock });
  await clock.run(() => drain.status().backlog.alerts === 0);
  assert.deepEqual(far.stored, ids(0, 6).filter((one) => one !== id(3)));
  assert.deepEqual(outbox.deadLetters.map(({ alertId }) => alertId), [id(3)]);
  await drain.stop(ABORTED);
});

// Row 25 with section 20.4: base · 2^n up to the cap, full jitter below it.
test("SinkDrain backs off exponentially up to the cap", async () => {
  const script = times(12, transient());
  await draining({ alerts: 1, script }, async ({ clock, far, drain }) => {
    const startMs = clock.nowMs();
    const tries: number[] = [];
    while (far.calls.length < 10) {
      const before = far.calls.length;
      await clock.run(() => far.calls.length > before);
      tries.push(clock.nowMs() - startMs);
    }
    const pauses = tries.slice(1).map((ms, at) => ms - (tries[at] ?? 0));
    const ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
    for (const [at, ceiling] of ceilings.entries()) {
      assert.ok(Math.abs((pauses[at] ?? 0) - ceiling) <= 1, `${pauses[at]} is ${ceiling}`);
    }
    assert.equal(drain.status().state, "backoff");
    assert.equal(drain.status().failures, 10);
    assert.equal(drain.status().backlog.alerts, 1);
  });
});

// Section 20.4: Retry-After, cap 15 minutes.
for (const [asked, expected] of [[7000, 7000], [86_400_000, 900_000]] as const) {
  test(`SinkDrain waits ${expected} ms when asked for ${asked}`, async () => {
    const script = [transient(0, asked)];
    await draining({ alerts: 1, script }, async ({ clock, far }) => {
      await clock.run(() => far.calls.length === 1);
      const sinceMs = clock.nowMs();
      await clock.run(() => far.calls.length === 2);
      assert.equal(clock.nowMs() - sinceMs, expected);
    });
  });
}

// Section 20.4: after 5 failures one probe a period. Section 21.7, row 117: in order afterwards.
test("SinkDrain probes a dead sink with single alerts and delivers in order afterwards", async () => {
  const script = times(40, transient());
  await draining({ alerts: 5000, script }, async ({ clock, far, drain }) => {
    assert.equal(await clock.run(() => drain.status().backlog.alerts === 0), true);
    // The batches of the first five calls, then one alert each. Every tenth probe tries the next, too.
    assert.deepEqual(far.calls.slice(0, 40).map((call) => call.length), [
      ...times(5, 100),
      ...times(35, 1),
    ]);
    assert.deepEqual(far.stored, ids(0, 5000));
    assert.deepEqual(far.calls.slice(40, 48).map((call) => call.length), [
      1,
      2,
      4,
      8,
      16,
      32,
      64,
      100,
    ]);
  });
});

// Section 20.4 and quality row 19: 401 pauses the sink and keeps the spool.
for (const failure of ["auth", "config"] as const) {
  test(`SinkDrain pauses after ${failure}, reopens before each try and keeps the alerts`, async () => {
    const script = times(20, { kind: "fail", failure, stored: 0 } as const);
    await draining({ alerts: 10, script }, async ({ clock, far, outbox, drain }) => {
      await clock.run(() => far.calls.length === 12);
      await clock.settle();
      assert.equal(drain.status().state, "paused");
      const sinceMs = clock.nowMs();
      await clock.run(() => far.calls.length === 13);
      assert.ok(Math.abs(clock.nowMs() - sinceMs - 300_000) <= 1, "cap of five minutes");
      assert.equal(far.reopened, 11, "one of the calls was the trial of the second alert");
      assert.equal(outbox.deadLetters.length, 0);
      assert.equal(await clock.run(() => far.stored.length === 10), true);
      assert.deepEqual(far.stored, ids(0, 10));
    });
  });
}

test("SinkDrain buries after a day of refusal by configuration, not before", async () => {
  const script = times(1000, { kind: "fail", failure: "config", stored: 0 } as const);
  await draining({ alerts: 2, script }, async ({ clock, outbox, drain }) => {
    await clock.pass(23.9 * HOUR_MS);
    assert.equal(outbox.deadLetters.length, 0);
    await clock.run(() => outbox.deadLetters.length > 0, HOUR_MS);
    assert.deepEqual(outbox.deadLetters.map(({ alertId, code }) => ({ alertId, code })), [
      { alertId: id(0), code: "config" },
    ]);
    assert.ok(drain.status().backlog.alerts <= 1);
  });
});

test("SinkDrain lets others pass an alert that keeps failing alone", async () => {
  const clock = new SimClock();
  const outbox = outboxOf(30, clock);
  const far = new FakeFarEnd();
  const inner = far.sink({ reconciles: false });
  let broken = true;
  // A server that breaks on one alert, whatever comes with it.
  const sink: Sink = {
    ...inner,
    send(alerts, signal) {
      if (broken && alerts.some((one) => one.id === id(7))) far.script.unshift(transient());
      return inner.send(alerts, signal);
    },
  };
  const drain = startDrain({ sink, outbox, clock, settings: { batchMax: 10 } });
  assert.equal(await clock.run(() => far.stored.length === 29, HOUR_MS), true);
  assert.deepEqual(far.stored, ids(0, 30).filter((one) => one !== id(7)));
  add(outbox, 30, 5, clock);
  drain.notify();
  await clock.pass(1);
  assert.equal(far.stored.length, 34, "later alerts do not wait for it");
  broken = false;
  assert.equal(await clock.run(() => far.stored.length === 35, HOUR_MS), true);
  await drain.stop(ABORTED);
});

test("SinkDrain.notify() wakes an idle drain, retryNow() one that backs off", async () => {
  await draining({ script: [transient(0, 600_000)] }, async ({ clock, outbox, far, drain }) => {
    await clock.settle();
    assert.equal(drain.status().state, "idle");
    add(outbox, 0, 1, clock);
    drain.notify();
    await clock.pass(1);
    assert.equal(far.calls.length, 1);
    assert.equal(drain.status().state, "backoff");
    assert.equal(drain.status().nextTryMs, clock.nowMs() - 1 + 600_000);
    drain.notify();
    await clock.pass(1000);
    assert.equal(far.calls.length, 1, "new alerts do not cut a back-off short");
    drain.retryNow();
    await clock.pass(0);
    assert.deepEqual(far.stored, [id(0)]);
  });
});

// Section 20.8: critical results skip the linger.
test("SinkDrain lingers for a fuller batch, but not with a critical alert", async () => {
  const settings = { lingerMs: 200, batchMax: 10 };
  await draining({ drain: { settings } }, async ({ clock, outbox, far, drain }) => {
    await clock.settle();
    for (let at = 0; at < 4; at++) {
      add(outbox, at, 1, clock);
      drain.notify();
      await clock.pass(40);
    }
    assert.equal(far.calls.length, 0);
    await clock.pass(40);
    assert.deepEqual(far.calls, [ids(0, 4)]);
    add(outbox, 10, 1, clock);
    drain.notify();
    await clock.settle();
    add(outbox, 11, 1, clock, "critical");
    drain.notify();
    await clock.settle();
    assert.deepEqual(far.calls.at(-1), ids(10, 12), "no wait");
    add(outbox, 20, 10, clock);
    drain.notify();
    await clock.settle();
    assert.deepEqual(far.calls.at(-1), ids(20, 30), "full");
  });
});

test("SinkDrain survives a clock that is set back by a day", async () => {
  const script: Move[] = [{ kind: "partial", failed: [1] }, transient(), transient()];
  await draining({ alerts: 3, script }, async ({ clock, far, drain }) => {
    await clock.settle();
    assert.deepEqual(far.stored, [id(0), id(2)]);
    clock.jump(-24 * HOUR_MS);
    await clock.run(() => drain.status().backlog.alerts === 0, 5 * 60_000);
    assert.equal(drain.status().backlog.alerts, 0, "it does not wait for yesterday to pass");
  });
});

test("SinkDrain delays an alert that failed alone, whatever comes meanwhile", async () => {
  const script: Move[] = [{ kind: "partial", failed: [1] }];
  await draining({ alerts: 3, script }, async ({ clock, outbox, far, drain }) => {
    await clock.settle();
    for (let at = 3; at < 6; at++) {
      await clock.pass(100);
      add(outbox, at, 1, clock);
      drain.notify();
    }
    await clock.pass(1000);
    assert.deepEqual(far.stored, [0, 2, 3, 4, 5, 1].map(id), "500 ms later");
  });
});

test("SinkDrain keeps the order when it starts in the middle of an outage", async () => {
  await draining(
    { alerts: 3, script: [transient(0, 600_000)] },
    async ({ clock, outbox, far, drain }) => {
      await clock.settle();
      await drain.stop(ABORTED);
      add(outbox, 3, 3, clock);
      const next = startDrain({ sink: far.sink({ reconciles: false }), outbox, clock });
      await clock.settle();
      assert.deepEqual(far.stored, ids(0, 6));
      await next.stop(ABORTED);
    },
  );
});

test("SinkDrain.stop() lets the call in flight end, within its budget", async () => {
  const clock = new SimClock();
  for (const inTime of [true, false]) {
    const outbox = outboxOf(3, clock);
    let answer = () => {};
    const sink: Sink = {
      id: "fake",
      kind: "http",
      send: (alerts, signal) =>
        new Promise((resolve, reject) => {
          answer = () => resolve(alerts.map(() => undefined));
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const drain = startDrain({ sink, outbox, clock });
    await clock.settle();
    const budget = new AbortController();
    const stopped = drain.stop(budget.signal);
    await clock.settle();
    assert.equal(drain.status().state, "running");
    if (inTime) answer();
    else budget.abort();
    await stopped;
    assert.equal(drain.status().state, "stopped");
    assert.equal(outbox.backlog("fake", 0).alerts, inTime ? 0 : 3);
  }
});

test("SinkDrain.stop() does not wait for a back-off, nor for a sink that ignores its signal", async () => {
  await draining({ alerts: 1, script: [transient(0, 600_000)] }, async ({ clock, drain }) => {
    await clock.settle();
    const sinceMs = clock.nowMs();
    await drain.stop(new AbortController().signal);
    assert.equal(clock.nowMs(), sinceMs);
  });
  const clock = new SimClock();
  const deaf: Sink = {
    id: "fake",
    kind: "http",
    send: () => new Promise(() => {}),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const drain = startDrain({ sink: deaf, outbox: outboxOf(1, clock), clock });
  await clock.settle();
  const stopped = drain.stop(ABORTED);
  await clock.pass(1001);
  await stopped;
});

test("SinkDrain.flush() says whether everything was delivered", async () => {
  await draining({ alerts: 250 }, async ({ clock, far, drain }) => {
    const flushed = drain.flush(new AbortController().signal);
    await clock.run(() => far.stored.length === 250, 1);
    assert.equal(await flushed, true);
    assert.equal(await drain.flush(ABORTED), false);
  });
  const script = times(3, transient(0, 60_000));
  await draining({ alerts: 5, script }, async ({ clock, far, drain }) => {
    await clock.settle();
    assert.equal(far.calls.length, 1);
    const flushed = drain.flush(new AbortController().signal);
    await clock.settle();
    assert.equal(await flushed, false);
    assert.equal(far.calls.length, 2, "one try at once");
  });
});

test("SinkDrain delivers once although the outbox cannot record it for a while", async () => {
  const clock = new SimClock();
  const outbox = outboxOf(3, clock);
  let full = 3;
  const flaky: Outbox = Object.create(outbox, {
    settle: {
      value: (...given: Parameters<Outbox["settle"]>) => {
        if (full-- > 0) throw new Error("database or disk is full");
        outbox.settle(...given);
      },
    },
    pending: { value: outbox.pending.bind(outbox) },
    nextDueMs: { value: outbox.nextDueMs.bind(outbox) },
    peerPosition: { value: outbox.peerPosition.bind(outbox) },
    backlog: { value: outbox.backlog.bind(outbox) },
  });
  const far = new FakeFarEnd();
  const drain = startDrain({ sink: far.sink({ reconciles: false }), outbox: flaky, clock });
  assert.equal(await clock.run(() => drain.status().backlog.alerts === 0, 10_000), true);
  assert.deepEqual(far.stored, ids(0, 3));
  assert.match(drain.status().lastError ?? "", /disk is full/);
  await drain.stop(ABORTED);
});

test("SinkDrain counts what it does", async () => {
  const seen: string[] = [];
  const metrics = {
    ...noopMetrics,
    registerSink: (...args: unknown[]) => seen.push(`register ${args.join(" ")}`),
    onSinkDelivered: (...args: unknown[]) => seen.push(`delivered ${args.join(" ")}`),
    onSinkRetry: (...args: unknown[]) => seen.push(`retry ${args.join(" ")}`),
    onSinkFailure: (...args: unknown[]) => seen.push(`failure ${args.join(" ")}`),
  };
  const script = [transient()];
  await draining(
    { alerts: 2, poison: [id(1)], script, drain: { metrics } },
    async ({ clock, drain }) => {
      assert.deepEqual(seen, ["register fake http"], "before any traffic (section 21.2, row 33)");
      await clock.run(() => drain.status().backlog.alerts === 0);
      assert.deepEqual(seen.slice(1), [
        "failure fake transient false",
        "retry fake",
        "failure fake transient false",
        "retry fake",
        "failure fake poison true",
        "delivered fake http 1",
      ]);
    },
  );
});

const stored = fc.nat({ max: 6 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Move>({ kind: "ok" }) },
  fc.record({
    kind: fc.constant("fail" as const),
    failure: fc.constantFrom("transient" as const, "auth" as const, "config" as const),
    stored,
  }),
  fc.record({ kind: fc.constant("hang" as const), stored }),
  fc.record({ kind: fc.constant("crash" as const), stored }),
);
const partial: fc.Arbitrary<Move> = fc.record({
  kind: fc.constant("partial" as const),
  failed: fc.uniqueArray(fc.nat({ max: 5 }), { maxLength: 4 }),
});

interface Scenario {
  readonly script: readonly Move[];
  readonly poison: readonly number[];
  readonly batchMax: number;
  readonly reconciles: boolean;
  readonly lingerMs: number;
}

function scenario(moves: fc.Arbitrary<Move>): fc.Arbitrary<Scenario> {
  return fc.record({
    script: fc.array(moves, { maxLength: 25 }),
    poison: fc.uniqueArray(fc.nat({ max: 29 }), { maxLength: 3 }),
    batchMax: fc.integer({ min: 1, max: 7 }),
    reconciles: fc.boolean(),
    lingerMs: fc.constantFrom(0, 50),
  });
}

/** Delivers 30 alerts, in three commits, through crashes; returns what the far end got. */
async function play({ script, poison, batchMax, reconciles, lingerMs }: Scenario) {
  const clock = new SimClock();
  const outbox = outboxOf(10, clock);
  const far = new FakeFarEnd(script, new Set(poison.map(id)));
  let random = 1;
  let crashed = false;
  far.onCrash = () => {
    crashed = true;
  };
  let drain: SinkDrain | undefined;
  const start = () => {
    let alive = true;
    const guarded: Outbox = new Proxy(outbox, {
      get(target, name) {
        // What a dead process would still like to record does not happen.
        if (!alive) throw new Error("dead");
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    drain = startDrain({
      sink: far.sink({ reconciles }),
      outbox: guarded,
      clock,
      random: () => (random = (random * 16807) % 2147483647) / 2147483647,
      settings: { batchMax, lingerMs },
    });
    return () => {
      alive = false;
    };
  };
  let kill = start();
  for (let round = 0; round < 60; round++) {
    if (round === 1 || round === 2) add(outbox, round * 10, 10, clock);
    drain?.notify();
    await clock.run(
      () => crashed || (round > 2 && outbox.backlog("fake", 0).alerts === 0),
      round < 3 ? 2000 : undefined,
    );
    if (!crashed) {
      if (round > 2) break;
      continue;
    }
    crashed = false;
    kill();
    await drain?.stop(ABORTED);
    kill = start();
  }
  const left = outbox.backlog("fake", 0).alerts;
  await drain?.stop(ABORTED);
  return { far, outbox, left };
}

function checkArrivals({ far, outbox, left }: Awaited<ReturnType<typeof play>>, given: Scenario) {
  const good = ids(0, 30).filter((one) => !far.poison.has(one));
  assert.equal(left, 0);
  assert.deepEqual([...new Set(far.stored)].sort(), good, "each alert arrives");
  assert.deepEqual(
    outbox.deadLetters.map(({ alertId }) => alertId).sort(),
    given.poison.map(id).sort(),
    "the dead letters are the poison, each once",
  );
  if (given.reconciles) assert.equal(far.stored.length, good.length, "nothing arrives twice");
  const failures = given.script.filter(({ kind }) => kind !== "ok").length;
  const repeats = far.stored.length - good.length;
  assert.ok(repeats <= failures * given.batchMax, "at most what was in flight comes again");
}

test(
  "SinkDrain delivers everything through any failures, once where the sink can tell",
  LONG,
  async () => {
    await fc.assert(
      fc.asyncProperty(scenario(fc.oneof(move, partial)), async (given) => {
        checkArrivals(await play(given), given);
      }),
      { numRuns: Number(process.env["PICKET_PROPERTY_RUNS"] ?? 300) },
    );
  },
);

test("SinkDrain keeps the order where whole calls fail", LONG, async () => {
  await fc.assert(
    fc.asyncProperty(scenario(move), async (given) => {
      const result = await play(given);
      checkArrivals(result, given);
      const first = [...new Set(result.far.stored)];
      assert.deepEqual(first, [...first].sort(), "in order of commit");
    }),
    { numRuns: Number(process.env["PICKET_PROPERTY_RUNS"] ?? 200) },
  );
});

test("SinkDrain.status() answers although the outbox cannot be read", async () => {
  const outbox = new MemoryOutbox();
  outbox.registerSinks([{ id: "s", filter: {} }], 0);
  const broken = Object.assign(Object.create(outbox) as MemoryOutbox, {
    backlog(): never {
      throw new Error("damaged");
    },
  });
  const sink: Sink = {
    id: "s",
    kind: "test",
    send: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const drain = startDrain({ sink, outbox: broken });
  const { backlog } = drain.status();
  assert.equal(backlog.alerts, 0);
  assert.match(drain.status().lastError!, /damaged/);
  await drain.stop(AbortSignal.timeout(1000));
});
