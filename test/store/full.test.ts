/**
 * No room: a quota (SQLite's page limit) and a real file system of a few megabytes. R4, 20.5,
 * 21.7 #120.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { StateError } from "../../src/runtime/errors.ts";
import { openState, type StateOptions } from "../../src/store/open_state.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import { commitOf, drain, PLAIN, sizedAlert } from "./helpers.ts";
import { TempDirectory } from "./temp_directory.ts";

function isFull(error: unknown): boolean {
  return error instanceof StateError && error.code === "STATE_FULL";
}

function batch(number: number): ReturnType<typeof commitOf> {
  const alerts = Array.from({ length: 20 }, (_, at) => sizedAlert(number * 20 + at, 2000));
  return commitOf(alerts, 1000, { s: String(number) });
}

/** Commits until there is no room; returns how many batches went in. */
function fill(state: StateStore, from = 0): number {
  for (let number = from; number < from + 5000; number++) {
    try {
      state.commit(batch(number));
    } catch (error) {
      assert.ok(isFull(error), String(error));
      return number;
    }
  }
  throw new Error("there was no end to the room");
}

test("commit() over a quota is STATE_FULL and changes nothing; more quota mends it", () => {
  using files = new TempDirectory();
  let pages = 400;
  using state = openState(files.path("state.db"), { ...PLAIN, maxPages: () => pages });
  state.registerSinks([{ id: "a", filter: {} }], 0);
  const batches = fill(state);
  const before = state.stats();
  assert.throws(() => state.commit(batch(batches)), isFull);
  assert.equal(state.position("s"), String(batches - 1));
  assert.deepEqual({ ...state.stats(), diskFull: 1 }, before);
  pages = 800;
  const more = fill(state, batches);
  assert.ok(more > batches);
  assert.equal(state.backlog("a", 0).alerts, more * 20);
  assert.equal(drain(state, "a"), more * 20);
  assert.equal(state.commit(batch(more)).added, 20);
});

const room = process.platform === "linux" && process.getuid?.() === 0
  ? undefined
  : "a small tmpfs needs Linux and root";

for (const fsync of ["full", "normal"] as const) {
  test(`a full disk with fsync ${fsync}: nothing is lost, deliveries go on, it recovers`, (context) => {
    if (room !== undefined) return skip(context, room);
    using files = new TempDirectory();
    const directory = files.path("small");
    mkdirSync(directory);
    const mount = ["-t", "tmpfs", "-o", "size=12m", "tmpfs", directory];
    if (spawnSync("mount", mount).status !== 0) return skip(context, "mount is not allowed here");
    try {
      const options: StateOptions = {
        ...PLAIN,
        freeBytes: () => undefined,
        reserveBytes: 2 << 20,
        recentAlerts: 0,
        outbox: { fsync },
      };
      const path = `${directory}/state.db`;
      const state = openState(path, options);
      state.registerSinks([{ id: "a", filter: {} }], 0);
      assert.ok(existsSync(`${path}.reserve`));
      const batches = fill(state);
      assert.ok(batches > 50);
      // Whoever asks again gets the same answer, and nothing has moved.
      for (let tries = 0; tries < 5; tries++) {
        assert.throws(() => state.commit(batch(batches)), isFull);
      }
      assert.equal(state.position("s"), String(batches - 1));
      assert.equal(state.backlog("a", 0).alerts, batches * 20);
      assert.ok(existsSync(`${path}.reserve`), "new alerts do not get the ballast");
      // Somebody else takes even the last block.
      const hog = `${directory}/hog`;
      try {
        for (let size = 1 << 16;; size += 1 << 16) writeFileSync(hog, new Uint8Array(size));
      } catch {
        // Full.
      }
      const settled = state.pending("a", 20, 0).map(({ alert }) => alert.seq);
      state.settle("a", settled.map((seq) => ({ seq, outcome: "delivered" })), 1);
      assert.equal(state.backlog("a", 0).alerts, (batches - 1) * 20);
      rmSync(hog);
      assert.equal(drain(state, "a"), (batches - 1) * 20);
      // Without a restart it takes alerts again.
      assert.deepEqual(state.commit(batch(batches)), { added: 20, duplicates: 0, dropped: 0 });
      assert.equal(state.stats().diskFull > 0, true);
      state.maintain(5000);
      state[Symbol.dispose]();
      using again = openState(path, options);
      assert.equal(again.recovery, undefined);
      assert.equal(again.position("s"), String(batches));
      assert.equal(again.backlog("a", 0).alerts, 20);
    } finally {
      spawnSync("umount", ["-l", directory]);
    }
  });
}

test("opening on a full disk fails with STATE_FULL, not by setting the file aside", (context) => {
  if (room !== undefined) return skip(context, room);
  using files = new TempDirectory();
  const directory = files.path("small");
  mkdirSync(directory);
  if (
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]).status !== 0
  ) return skip(context, "mount is not allowed here");
  try {
    const path = `${directory}/state.db`;
    {
      using state = openState(path, PLAIN);
      state.commit(batch(1));
    }
    try {
      for (let size = 1 << 12;; size += 1 << 12) {
        writeFileSync(`${directory}/hog`, new Uint8Array(size));
      }
    } catch {
      // Full.
    }
    assert.throws(() => openState(path, PLAIN), isFull);
    rmSync(`${directory}/hog`);
    using state = openState(path, PLAIN);
    assert.equal(state.recovery, undefined);
    assert.equal(state.position("s"), "1");
  } finally {
    spawnSync("umount", ["-l", directory]);
  }
});

function skip(context: { skip(message?: string): void }, reason: string): void {
  console.log(`skipped: ${reason}`);
  context.skip(reason);
}
