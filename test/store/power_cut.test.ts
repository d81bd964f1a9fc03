/**
 * A power cut, simulated: of the log only a part has reached the disk, and its last page is torn.
 * Every part recovers to one moment, and holds all commits that were synced into it. R2, 21.7 #122;
 * `PICKET_CUTS` sets how many.
 */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { openState } from "../../src/store/open_state.ts";
import { commitOf, newAlert, PLAIN } from "./helpers.ts";
import { TempDirectory } from "./temp_directory.ts";

const CUTS = Number(process.env["PICKET_CUTS"] ?? 120);
const COMMITS = 60;

test(`${CUTS} power cuts: every part of the log recovers`, { timeout: 900_000 }, () => {
  using files = new TempDirectory();
  const path = files.path("trace.db");
  /** How long the log was after each commit, which is when it had been synced. */
  const synced: number[] = [];
  using state = openState(path, PLAIN);
  state.registerSinks([{ id: "a", filter: {} }], 0);
  const registered = statSync(`${path}-wal`).size;
  for (let number = 0; number < COMMITS; number++) {
    const alerts = Array.from({ length: 1 + number % 5 }, (_, at) => newAlert(`${number}.${at}`));
    state.commit(commitOf(alerts, number, { s: String(number) }));
    synced.push(statSync(`${path}-wal`).size);
  }
  const log = readFileSync(`${path}-wal`);
  assert.equal(log.length, synced.at(-1));
  let torn = 0;
  for (let cut = 0; cut < CUTS; cut++) {
    // Half of the cuts stand exactly behind a commit, the others anywhere.
    const at = cut % 2 === 0
      ? synced[cut / 2 % COMMITS]!
      : registered + (cut * 7919 * 31) % (log.length - registered);
    const part = new Uint8Array(log.subarray(0, at));
    if (cut % 4 === 1) {
      // The page that was being written holds something else.
      const from = Math.max(synced.findLast((size) => size <= at) ?? registered, at - 700);
      part.fill(0xa5, from);
      torn++;
    }
    using copy = new TempDirectory();
    const there = copy.path("state.db");
    copyFileSync(path, there);
    writeFileSync(`${there}-wal`, part);
    using recovered = openState(there, PLAIN);
    const expected = synced.filter((size) => size <= at).length - 1;
    assert.equal(Number(recovered.position("s") ?? -1), expected);
    const ids = recovered.pending("a", 1000, 0).map(({ alert }) => alert.id);
    const all = Array.from(
      { length: expected + 1 },
      (_, number) =>
        Array.from({ length: 1 + number % 5 }, (_, index) => `alert-${number}.${index}`),
    ).flat();
    assert.deepEqual(ids, all);
    assert.notEqual(recovered.recovery?.kind, "replaced");
  }
  console.log(`${CUTS} cuts, ${torn} of them torn: 0 synced commits lost`);
});
