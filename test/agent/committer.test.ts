import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Committer } from "../../src/agent/committer.ts";
import type { NewAlert } from "../../src/runtime/alert.ts";
import { StateError } from "../../src/runtime/errors.ts";
import type { Commit, CommitResult } from "../../src/runtime/outbox.ts";

function alert(id: string): NewAlert {
  return {
    id,
    kind: "detection",
    level: "high",
    ruleId: "r",
    ruleTitle: "R",
    sourceId: "s",
    recordId: id,
    eventMs: undefined,
    body: "{}",
  };
}

/** A state file that fails when told to. */
class FakeState {
  readonly commits: Commit[] = [];
  fails = 0;
  readonly commit = (commit: Commit): CommitResult => {
    if (this.fails > 0) {
      this.fails--;
      throw new StateError("STATE_FULL", "no room");
    }
    this.commits.push({ ...commit, positions: new Map(commit.positions) });
    return { added: commit.alerts.length, duplicates: 0, dropped: 0 };
  };
}

function committer(state: FakeState, told: string[] = []): Committer {
  return new Committer(state.commit, {
    committed: ({ added }) => told.push(`committed ${added}`),
    stalled: ({ code }) => told.push(code),
    recovered: () => told.push("recovered"),
    refused: (count) => told.push(`refused ${count}`),
  }, () => 7);
}

const nothing = { alerts: [], deadLetters: [], needsAck: false } as const;

test("Committer commits alerts of several sources together, within a few milliseconds", async () => {
  const state = new FakeState();
  using subject = committer(state);
  await Promise.all([
    subject.add({ ...nothing, sourceId: "a", position: "1", alerts: [alert("x")] }, false),
    subject.add({ ...nothing, sourceId: "b", position: "9", alerts: [alert("y")] }, false),
  ]);
  assert.equal(state.commits.length, 1);
  assert.deepEqual(state.commits[0]!.alerts.map(({ id }) => id), ["x", "y"]);
  assert.deepEqual([...state.commits[0]!.positions], [["a", "1"], ["b", "9"]]);
  assert.equal(state.commits[0]!.nowMs, 7);
});

test("Committer lets a source go on whose batch gave nothing, and commits its position later", () => {
  const state = new FakeState();
  using subject = committer(state);
  assert.equal(subject.add({ ...nothing, sourceId: "a", position: "1" }, false), undefined);
  assert.equal(subject.add({ ...nothing, sourceId: "a", position: "2" }, false), undefined);
  assert.equal(state.commits.length, 0);
  assert.equal(subject.flush(), true);
  assert.deepEqual([...state.commits[0]!.positions], [["a", "2"]]);
});

test("Committer holds everything while the state file takes nothing, then commits it once", async () => {
  const state = new FakeState();
  const told: string[] = [];
  using subject = committer(state, told);
  state.fails = 2;
  const first = subject.add(
    { ...nothing, sourceId: "a", position: "1", alerts: [alert("x")] },
    true,
  );
  assert.equal(subject.flush(), false);
  assert.equal(subject.isStalled, true);
  const second = subject.add({ ...nothing, sourceId: "b", position: "5" }, false);
  assert.notEqual(second, undefined, "a stalled state file holds up every source");
  await Promise.all([first, second]);
  assert.deepEqual(told, ["STATE_FULL", "recovered", "committed 1"]);
  assert.deepEqual([...state.commits[0]!.positions], [["a", "1"], ["b", "5"]]);
});

test("Committer sets aside what the state file never takes, and goes on with the rest", () => {
  const commits: Commit[] = [];
  const told: string[] = [];
  using subject = new Committer((commit) => {
    if (commit.alerts.some(({ id }) => id === "bad")) throw new StateError("STATE_IO", "no");
    commits.push({ ...commit, positions: new Map(commit.positions) });
    return { added: commit.alerts.length, duplicates: 0, dropped: 0 };
  }, {
    committed: () => {},
    stalled: ({ code }) => told.push(code),
    recovered: () => told.push("recovered"),
    refused: (count) => told.push(`refused ${count}`),
  });
  const alerts = ["x", "bad", "y"].map(alert);
  void subject.add({ ...nothing, sourceId: "a", position: "3", alerts }, true);
  // Only after it has had time to be a passing fault.
  for (let tries = 0; tries < 5; tries++) assert.equal(subject.flush(), false);
  assert.equal(subject.flush(), true);
  assert.deepEqual(commits.flatMap(({ alerts }) => alerts.map(({ id }) => id)), ["x", "y"]);
  assert.deepEqual(
    commits.flatMap(({ deadLetters = [] }) => deadLetters.map(({ code }) => code)),
    ["state_refused"],
  );
  assert.deepEqual([...commits.at(-1)!.positions], [["a", "3"]]);
  assert.deepEqual(told, ["STATE_IO", "refused 1", "recovered"]);
});

test("Committer makes sources wait when a group is full, and only then", () => {
  const state = new FakeState();
  using subject = committer(state);
  const alerts = Array.from({ length: 255 }, (_, number) => alert(`x${number}`));
  void subject.add({ ...nothing, sourceId: "a", position: "1", alerts }, true);
  assert.equal(subject.isCrowded, false);
  void subject.add({ ...nothing, sourceId: "a", position: "2", alerts: [alert("y")] }, true);
  assert.equal(subject.isCrowded, true);
  assert.equal(subject.flush(), true);
  assert.equal(subject.isCrowded, false);
  const large = { ...alert("z"), body: "x".repeat(5 << 20) };
  void subject.add({ ...nothing, sourceId: "a", position: "3", alerts: [large] }, true);
  assert.equal(subject.isCrowded, true, "by size as well");
});

test("Committer never commits a position without the alerts before it", async () => {
  const step = fc.record({
    source: fc.constantFrom("a", "b", "c"),
    alerts: fc.nat({ max: 3 }),
    fails: fc.nat({ max: 1 }),
    flush: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) => {
      const state = new FakeState();
      using subject = committer(state);
      const given = new Map<string, string[]>();
      let number = 0;
      for (const { source, alerts, fails, flush } of steps) {
        state.fails = fails;
        const fresh = Array.from({ length: alerts }, () => alert(`${source}${number++}`));
        const all = given.get(source) ?? [];
        all.push(...fresh.map(({ id }) => id));
        given.set(source, all);
        const position = String(all.length);
        void subject.add({ ...nothing, sourceId: source, position, alerts: fresh }, true);
        if (flush) subject.flush();
        check(state, given);
      }
      state.fails = 0;
      assert.equal(subject.flush(), true);
      check(state, given);
      for (const [source, ids] of given) {
        assert.deepEqual(committedOf(state, source), ids, "each alert once, in its order");
      }
      return Promise.resolve();
    }),
  );
});

function committedOf(state: FakeState, source: string): string[] {
  return state.commits.flatMap(({ alerts }) => alerts.map(({ id }) => id))
    .filter((id) => id.startsWith(source));
}

/** What is committed of each source is exactly what stands before its committed position. */
function check(state: FakeState, given: ReadonlyMap<string, readonly string[]>): void {
  const positions = new Map(state.commits.flatMap(({ positions }) => [...positions]));
  for (const [source, ids] of given) {
    const position = Number(positions.get(source) ?? 0);
    assert.deepEqual(committedOf(state, source), ids.slice(0, position));
  }
}

test("Committer makes sources wait for dead letters as it does for alerts", async () => {
  const state = new FakeState();
  using subject = committer(state);
  const letter = { stage: "parse", original: "x".repeat(5 << 20), code: "c", error: "e" } as const;
  const done = subject.add(
    { ...nothing, sourceId: "a", position: "1", deadLetters: [letter] },
    false,
  );
  assert.equal(subject.isCrowded, true);
  await done;
  assert.equal(subject.isCrowded, false);
});
