/**
 * What the state file costs: commits of 1, 10 and 256 alerts with their position, draining by
 * `pending` and `settle`, and one look at the queue with 200,000 alerts waiting.
 *
 *     bun bench/store.bench.ts [DIRECTORY]
 *
 * Figures are medians of rounds, each in a new file in DIRECTORY (default: the system's temporary one).
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { NewAlert } from "../src/runtime/alert.ts";
import { openState } from "../src/store/open_state.ts";
import type { StateStore } from "../src/store/state_store.ts";

const parent = process.argv[2] ?? tmpdir();
const ROUNDS = 5;
const BODY_BYTES = 1000;
const PAD = "x".repeat(BODY_BYTES);

let made = 0;

function alert(level: NewAlert["level"] = "medium"): NewAlert {
  const id = `pk1-${(made++ * 2654435761 % 2 ** 32).toString(16).padStart(8, "0")}${
    made.toString(16).padStart(24, "0")
  }`;
  return {
    id,
    kind: "detection",
    level,
    ruleId: "rule",
    ruleTitle: "A rule",
    sourceId: "s",
    recordId: String(made),
    eventMs: made,
    body: `{"alert_id":"${id}","pad":"${PAD}"}`,
  };
}

function alerts(count: number, level?: NewAlert["level"]): readonly NewAlert[] {
  return Array.from({ length: count }, () => alert(level));
}

function commit(state: StateStore, batch: readonly NewAlert[]): void {
  state.commit({ alerts: batch, positions: new Map([["s", String(made)]]), nowMs: made });
}

function withState<T>(fsync: "full" | "normal", work: (state: StateStore) => T): T {
  const directory = mkdtempSync(join(parent, "picket-bench-"));
  try {
    using state = openState(join(directory, "state.db"), {
      outbox: { fsync, maxBytes: 1 << 30 },
      reserveBytes: 0,
    });
    state.registerSinks([{ id: "a", filter: {} }], 0);
    return work(state);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)]!;
}

function rounds(work: () => number): number {
  work();
  return median(Array.from({ length: ROUNDS }, work));
}

/** Seconds that `work` takes. */
function seconds(work: () => void): number {
  const startedAt = performance.now();
  work();
  return (performance.now() - startedAt) / 1000;
}

function show(name: string, value: number, unit: string): void {
  console.log(`${name.padEnd(44)} ${Math.round(value).toLocaleString("en").padStart(9)} ${unit}`);
}

for (const fsync of ["full", "normal"] as const) {
  for (const size of [1, 10, 256]) {
    const commits = size === 256 ? 40 : 300;
    const rate = rounds(() =>
      withState(fsync, (state) => {
        const batches = Array.from({ length: commits }, () => alerts(size));
        return commits / seconds(() => batches.forEach((batch) => commit(state, batch)));
      })
    );
    show(
      `commits of ${size} alerts, fsync ${fsync}`,
      rate,
      `commits/s, ${Math.round(rate * size).toLocaleString("en")} alerts/s`,
    );
  }
  for (const size of [100, 256]) {
    const rate = rounds(() =>
      withState(fsync, (state) => {
        const all = 10_000;
        for (let at = 0; at < all; at += 250) commit(state, alerts(250));
        let drained = 0;
        const took = seconds(() => {
          while (true) {
            const pending = state.pending("a", size, made);
            if (pending.length === 0) return;
            drained += pending.length;
            state.settle(
              "a",
              pending.map(({ alert: { seq } }) => ({ seq, outcome: "delivered" })),
              made,
            );
          }
        });
        assert.equal(drained, all);
        return all / took;
      })
    );
    show(`draining by ${size}, fsync ${fsync}`, rate, "alerts/s");
  }
}

withState("normal", (state) => {
  state.registerSinks([
    { id: "a", filter: {} },
    { id: "rare", filter: { minLevel: "critical" } },
  ], 0);
  const all = 200_000;
  for (let at = 0; at < all; at += 1000) commit(state, alerts(1000, "low"));
  commit(state, alerts(1, "critical"));
  const micros = (work: () => void) => 1e6 * rounds(() => seconds(work));
  assert.equal(state.pending("rare", 100, made).length, 1);
  show("200,001 waiting: pending(100)", micros(() => state.pending("a", 100, made)), "us");
  show("  pending(100), one of all wanted", micros(() => state.pending("rare", 100, made)), "us");
  show("  backlog()", micros(() => state.backlog("a", made)), "us");
  show("  nextDueMs()", micros(() => state.nextDueMs("a")), "us");
  // Everything fails once: the whole backlog waits for its next try.
  while (state.pending("a", 1000, made).length > 0) {
    state.settle(
      "a",
      state.pending("a", 1000, made).map(({ alert: { seq } }) => ({
        seq,
        outcome: "retry",
        nextMs: made + 1000 + seq,
        error: "down",
      })),
      made,
    );
  }
  show("200,001 in back-off: pending(100)", micros(() => state.pending("a", 100, made)), "us");
  const due = made + 1000 + all / 2;
  show("  half of them become due", 1e6 * seconds(() => state.pending("a", 100, due)), "us");
  show("  pending(100) after that", micros(() => state.pending("a", 100, due)), "us");
});
