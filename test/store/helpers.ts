/** Alerts and state files for tests of the store. */
import type { NewAlert } from "../../src/runtime/alert.ts";
import type { Commit } from "../../src/runtime/outbox.ts";
import { openState, type StateOptions } from "../../src/store/open_state.ts";
import type { StateStore } from "../../src/store/state_store.ts";

/** A machine that never changes, no ballast, a disk with room: what most tests want. */
export const PLAIN: StateOptions = {
  fingerprint: { machine_id: "m1" },
  reserveBytes: 0,
  freeBytes: () => undefined,
};

export function newAlert(key: string | number, changes: Partial<NewAlert> = {}): NewAlert {
  const id = `alert-${key}`;
  return {
    id,
    kind: "detection",
    level: "medium",
    ruleId: "rule-1",
    ruleTitle: "A rule",
    sourceId: "auth",
    recordId: String(key),
    eventMs: undefined,
    body: JSON.stringify({ alert_id: id }),
    ...changes,
  };
}

/** An alert whose body has exactly `bytes` bytes. */
export function sizedAlert(
  key: string | number,
  bytes: number,
  changes: Partial<NewAlert> = {},
): NewAlert {
  const head = `{"alert_id":"alert-${key}","pad":"`;
  return newAlert(key, {
    ...changes,
    body: `${head}${"x".repeat(Math.max(0, bytes - head.length - 2))}"}`,
  });
}

export function commitOf(
  alerts: readonly NewAlert[],
  nowMs = 1000,
  positions: Readonly<Record<string, string>> = {},
): Commit {
  return { alerts, positions: new Map(Object.entries(positions)), nowMs };
}

export function memoryState(options: StateOptions = {}): StateStore {
  return openState(":memory:", { ...PLAIN, ...options });
}

export function pendingIds(state: StateStore, sinkId: string, nowMs = 1e12): readonly string[] {
  return state.pending(sinkId, 1000, nowMs).map(({ alert }) => alert.id);
}

/** Settles everything that is pending as delivered; returns how many there were. */
export function drain(state: StateStore, sinkId: string, nowMs = 1000): number {
  let all = 0;
  while (true) {
    const pending = state.pending(sinkId, 256, nowMs);
    if (pending.length === 0) return all;
    all += pending.length;
    state.settle(
      sinkId,
      pending.map(({ alert }) => ({ seq: alert.seq, outcome: "delivered" })),
      nowMs,
    );
  }
}
