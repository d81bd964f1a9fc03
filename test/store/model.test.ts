/**
 * The outbox meets a naive model in memory: arbitrary commits, deliveries, retries, refusals, changes
 * of sinks, restarts. R15; `PICKET_RUNS` sets how many sequences.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { type NewAlert, severityOf } from "../../src/runtime/alert.ts";
import type { Settlement } from "../../src/runtime/outbox.ts";
import { openState } from "../../src/store/open_state.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import { type Level, LEVELS } from "../../src/sigma/rule.ts";
import { TempDirectory } from "./temp_directory.ts";
import { commitOf, PLAIN, sizedAlert } from "./helpers.ts";

const RUNS = Number(process.env["PICKET_RUNS"] ?? 60);
const MAX_BYTES = 2000;
const RECENT = 5;

interface Waiting {
  readonly attempts: number;
  readonly nextMs: number;
}

interface ModelRow {
  readonly seq: number;
  readonly id: string;
  readonly severity: number;
  readonly size: number;
}

/** What is in the outbox, told as plainly as possible. */
class Model {
  nowMs = 1000;
  lastSeq = 0;
  rows: ModelRow[] = [];
  readonly known = new Set<string>();
  readonly sinks = new Map<
    string,
    { minSeverity: number; queue: Map<number, Waiting>; works: boolean }
  >();
  /** By sink: what it was given last. */
  readonly inHand = new Map<string, ReadonlySet<number>>();
  dropped = 0;
  dead = 0;
  /** Dropped and not yet told. */
  untold = 0;
  readonly told: number[] = [];
  position: string | undefined;

  isWaited(seq: number): boolean {
    return [...this.sinks.values()].some(({ queue }) => queue.has(seq));
  }

  bytes(): number {
    return this.rows.reduce((sum, { size }) => sum + size, 0);
  }

  add(row: Omit<ModelRow, "seq">): number {
    const seq = ++this.lastSeq;
    this.rows.push({ ...row, seq });
    for (const { minSeverity, queue } of this.sinks.values()) {
      if (Math.min(row.severity, 5) >= minSeverity) queue.set(seq, { attempts: 0, nextMs: 0 });
    }
    this.known.add(row.id);
    return seq;
  }

  /** Nobody waits for it and it is not among the newest. */
  purge(): void {
    this.rows = this.rows.filter(({ seq }) => this.isWaited(seq) || seq > this.lastSeq - RECENT);
  }

  enforce(): number {
    let dropped = 0;
    this.purge();
    const sinks = [...this.sinks].map(([id, { queue, works }]) => ({ id, queue, works }));
    const waits = (seq: number, works: boolean): boolean =>
      sinks.some((sink) => sink.works === works && sink.queue.has(seq));
    /** What only working sinks wait for does not count. */
    const counted = (): number =>
      this.rows.filter(({ seq }) => !waits(seq, true) || waits(seq, false))
        .reduce((sum, { size }) => sum + size, 0);
    while (counted() > MAX_BYTES) {
      const idle = this.rows.find(({ seq }) => !this.isWaited(seq));
      if (idle !== undefined) {
        this.rows = this.rows.filter((row) => row !== idle);
        continue;
      }
      const hasWorking = sinks.some(({ works }) => works);
      const isInHand = (seq: number) =>
        sinks.some(({ id, works }) => !works && this.inHand.get(id)?.has(seq) === true);
      const [victim] = this.rows
        .filter(({ seq, severity }) =>
          severity < 6 && !isInHand(seq) && (!hasWorking || waits(seq, false))
        )
        .sort((left, right) => left.severity - right.severity || left.seq - right.seq);
      if (victim === undefined) break;
      for (const { queue, works } of sinks) if (!works) queue.delete(victim.seq);
      if (!waits(victim.seq, true)) this.rows = this.rows.filter((row) => row !== victim);
      dropped++;
    }
    this.dropped += dropped;
    this.untold += dropped;
    return dropped;
  }

  pending(sinkId: string, limit: number): readonly number[] {
    const queue = this.sinks.get(sinkId)?.queue ?? new Map<number, Waiting>();
    return [...queue].filter(([, { nextMs }]) => nextMs <= this.nowMs)
      .map(([seq]) => seq).sort((left, right) => left - right).slice(0, limit);
  }
}

class Real {
  readonly files = new TempDirectory();
  state: StateStore;

  constructor() {
    this.state = this.open();
  }

  open(): StateStore {
    return openState(this.files.path("state.db"), {
      ...PLAIN,
      outbox: { maxBytes: MAX_BYTES, fsync: "normal" },
      recentAlerts: RECENT,
    });
  }
}

type Step = fc.Command<Model, Real>;

interface Draft {
  readonly key: number;
  readonly level: Level | null;
  readonly size: number;
}

class CommitStep implements Step {
  readonly drafts: readonly Draft[];
  readonly position: string;

  constructor(drafts: readonly Draft[], position: string) {
    this.drafts = drafts;
    this.position = position;
  }

  check = () => true;

  run(model: Model, { state }: Real): void {
    const alerts = this.drafts.map(({ key, level, size }): NewAlert =>
      sizedAlert(key, size, { level })
    );
    const result = state.commit(commitOf(alerts, model.nowMs, { s: this.position }));
    let added = 0;
    for (const { id, level, body } of alerts) {
      if (model.known.has(id)) continue;
      added++;
      model.add({ id, severity: severityOf(level), size: body.length });
    }
    model.position = this.position;
    const dropped = model.enforce();
    assert.deepEqual(result, { added, duplicates: alerts.length - added, dropped });
    compare(model, state);
  }

  toString = () => `commit(${JSON.stringify(this.drafts)})`;
}

class SettleStep implements Step {
  readonly sinkId: string;
  readonly outcomes: readonly ("delivered" | "retry" | "dead" | "leave")[];

  constructor(sinkId: string, outcomes: SettleStep["outcomes"]) {
    this.sinkId = sinkId;
    this.outcomes = outcomes;
  }

  check = (model: Readonly<Model>) => model.sinks.has(this.sinkId);

  run(model: Model, { state }: Real): void {
    const expected = model.pending(this.sinkId, this.outcomes.length);
    const got = state.pending(this.sinkId, this.outcomes.length, model.nowMs);
    assert.deepEqual(got.map(({ alert }) => alert.seq), expected);
    const queue = model.sinks.get(this.sinkId)!.queue;
    assert.deepEqual(
      got.map(({ attempts }) => attempts),
      expected.map((seq) => queue.get(seq)!.attempts),
    );
    const settlements: Settlement[] = [];
    const sink = model.sinks.get(this.sinkId)!;
    const given = this.outcomes.slice(0, expected.length);
    if (given.includes("delivered")) sink.works = true;
    if (given.includes("retry") || given.includes("dead")) sink.works = false;
    let delivered = false;
    model.inHand.set(
      this.sinkId,
      new Set(expected.filter((_seq, at) => this.outcomes[at] === "leave")),
    );
    for (const [at, seq] of expected.entries()) {
      const outcome = this.outcomes[at]!;
      switch (outcome) {
        case "leave":
          continue;
        case "delivered":
          settlements.push({ seq, outcome });
          delivered = true;
          queue.delete(seq);
          break;
        case "dead":
          settlements.push({ seq, outcome, failure: "poison", error: "x" });
          model.dead++;
          queue.delete(seq);
          break;
        case "retry": {
          const nextMs = model.nowMs + 10 * at;
          settlements.push({ seq, outcome, nextMs, error: "x" });
          queue.set(seq, { attempts: queue.get(seq)!.attempts + 1, nextMs });
        }
      }
    }
    state.settle(this.sinkId, settlements, model.nowMs);
    model.purge();
    if (delivered && model.untold > 0 && model.bytes() <= MAX_BYTES * 0.8) this.#tell(model, state);
    compare(model, state);
  }

  toString = () => `settle(${this.sinkId}, ${this.outcomes.join()})`;

  /** The gap record is the newest alert; its count is what was dropped since the last one. */
  #tell(model: Model, state: StateStore): void {
    const [alert] = state.recentAlerts({ limit: 1 });
    assert.equal(alert?.kind, "gap");
    const { gap } = JSON.parse(alert!.body) as { gap: { count: number } };
    assert.equal(gap.count, model.untold);
    model.told.push(gap.count);
    model.untold = 0;
    model.add({ id: alert!.id, severity: 6, size: alert!.body.length });
  }
}

class SinksStep implements Step {
  readonly sinks: readonly { readonly id: string; readonly minLevel: Level | undefined }[];

  constructor(sinks: SinksStep["sinks"]) {
    this.sinks = sinks;
  }

  // Sinks only join here: what becomes of those that leave has tests of its own.
  check = (model: Readonly<Model>) =>
    [...model.sinks.keys()].every((id) => this.sinks.some((sink) => sink.id === id));

  run(model: Model, { state }: Real): void {
    state.registerSinks(
      this.sinks.map(({ id, minLevel }) => ({
        id,
        filter: minLevel === undefined ? {} : { minLevel },
      })),
      model.nowMs,
    );
    for (const { id, minLevel } of this.sinks) {
      const minSeverity = severityOf(minLevel ?? null);
      const sink = model.sinks.get(id);
      if (sink === undefined) model.sinks.set(id, { minSeverity, queue: new Map(), works: false });
      else {
        sink.minSeverity = minSeverity;
        for (const { seq, severity } of model.rows) {
          if (Math.min(severity, 5) < minSeverity) sink.queue.delete(seq);
        }
      }
    }
    model.purge();
    compare(model, state);
  }

  toString = () => `registerSinks(${JSON.stringify(this.sinks)})`;
}

class RestartStep implements Step {
  check = () => true;

  run(model: Model, real: Real): void {
    real.state[Symbol.dispose]();
    real.state = real.open();
    model.inHand.clear();
    assert.equal(real.state.recovery, undefined);
    compare(model, real.state);
  }

  toString = () => "restart";
}

class WaitStep implements Step {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  check = () => true;

  run(model: Model): void {
    model.nowMs += this.ms;
  }

  toString = () => `wait(${this.ms})`;
}

/** Everything that can be seen from outside. */
function compare(model: Model, state: StateStore): void {
  const waiting = model.rows.filter(({ seq }) => model.isWaited(seq));
  const stats = state.stats();
  assert.equal(stats.waiting, waiting.length);
  assert.equal(stats.waitingBytes, waiting.reduce((sum, { size }) => sum + size, 0));
  assert.equal(stats.waitingBytes + stats.retainedBytes, model.bytes());
  const dropped = Object.values(stats.dropped).reduce((sum, count) => sum + count, 0);
  assert.equal(dropped, model.dropped);
  assert.equal(stats.deadLetters["evicted"], model.dropped);
  assert.equal(stats.deadLetters["deliver"], model.dead);
  assert.equal(state.position("s"), model.position);
  for (const [id, { queue }] of model.sinks) {
    const backlog = state.backlog(id, model.nowMs);
    assert.equal(backlog.alerts, queue.size);
    const sizes = [...queue.keys()].map((seq) => model.rows.find((row) => row.seq === seq)!.size);
    assert.equal(backlog.bytes, sizes.reduce((sum, size) => sum + size, 0));
    assert.deepEqual(
      state.pending(id, 1000, model.nowMs).map(({ alert }) => alert.seq),
      model.pending(id, 1000),
    );
    // The sink is left with a few of them in hand.
    const few = queue.size % 4;
    state.pending(id, few, model.nowMs);
    model.inHand.set(id, new Set(model.pending(id, few)));
  }
  assert.deepEqual(
    state.recentAlerts({ limit: 100 }).map(({ seq }) => seq),
    model.rows.map(({ seq }) => seq).filter((seq) => seq > model.lastSeq - RECENT).reverse(),
  );
}

const draft = fc.record({
  key: fc.nat(60),
  level: fc.constantFrom<Level | null>(null, ...LEVELS),
  size: fc.integer({ min: 60, max: 700 }),
});
const sinkSettings = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom("a", "b", "c"),
    minLevel: fc.constantFrom(undefined, "low" as const, "high" as const),
  }),
  { selector: ({ id }) => id, minLength: 1 },
);
const steps = [
  fc.tuple(fc.array(draft, { maxLength: 8 }), fc.string()).map(([drafts, position]) =>
    new CommitStep(drafts, position)
  ),
  fc.tuple(
    fc.constantFrom("a", "b", "c"),
    fc.array(fc.constantFrom("delivered", "delivered", "retry", "dead", "leave"), {
      minLength: 1,
      maxLength: 12,
    }),
  ).map(([id, outcomes]) => new SettleStep(id, outcomes)),
  sinkSettings.map((sinks) => new SinksStep(sinks)),
  fc.constant(new RestartStep()),
  fc.nat(100).map((ms) => new WaitStep(ms)),
];

test("the outbox does what the model does", { timeout: 900_000 }, () => {
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 40, size: "max" }), (commands) => {
      const real = new Real();
      try {
        fc.modelRun(() => ({ model: new Model(), real }), commands);
      } finally {
        real.state[Symbol.dispose]();
        real.files[Symbol.dispose]();
      }
    }),
    { numRuns: RUNS },
  );
});
