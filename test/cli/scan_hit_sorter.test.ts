/**
 * Sorting more hits than are held, on the way through temporary files.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import {
  compareHits,
  HitSorter,
  mergeHits,
  removeAllRuns,
  removeRuns,
} from "../../cli/scan/hit_sorter.ts";
import { OutputError } from "../../cli/io.ts";
import type { Hit } from "../../cli/scan/types.ts";

const TEXTS = ['{"a":1', "ä€😀", "line\nend\u2028", "\u0000\u001b", '"\\', "\ud800"];

const hit: fc.Arbitrary<Hit> = fc.record({
  time: fc.oneof(
    fc.constantFrom(0, -1, 1.5, 1_741_680_921_204.123, Infinity),
    fc.double({ noNaN: true, min: -8.64e15, max: 8.64e15 }).map((time) => time + 0),
  ),
  file: fc.nat(2),
  position: fc.nat(3),
  rule: fc.nat(3),
  unit: fc.nat(2),
  line: fc.nat(3),
  head: fc.constantFrom(...TEXTS),
  tail: fc.constantFrom(...TEXTS),
});

function ownRuns(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`picket-scan-${process.pid}-`));
}

async function all(merged: AsyncIterable<Hit>): Promise<Hit[]> {
  const hits: Hit[] = [];
  for await (const one of merged) hits.push(one);
  return hits;
}

test("mergeHits() gives the order of a plain sort, whatever was spilled", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(hit, { maxLength: 30 }), { maxLength: 4 }),
      fc.constantFrom(1, 20, 100, 1_000_000),
      fc.constantFrom(2, 3, 64),
      async (threads, limit, maxOpen) => {
        const parts = threads.map((hits) => {
          const sorter = new HitSorter(limit);
          for (const one of hits) sorter.add(one);
          return sorter.finish();
        });
        const held = parts.map((part) => part.hits);
        const merged = await all(mergeHits(held, parts.flatMap(({ runs }) => runs), maxOpen));
        assert.deepEqual(
          merged.map(sortKey),
          threads.flat().sort(compareHits).map(sortKey),
        );
        // Texts come back as they were; equal keys may come in either order.
        assert.deepEqual(merged.map(wholeKey).sort(), threads.flat().map(wholeKey).sort());
        assert.deepEqual(ownRuns(), []);
      },
    ),
    { numRuns: 150 },
  );
});

function sortKey({ time, file, position, unit, line, rule }: Hit): unknown[] {
  return [time, file, position, unit, line, rule];
}

function wholeKey(one: Hit): string {
  return [...sortKey(one).map(String), JSON.stringify([one.head, one.tail])].join(" ");
}

test("compareHits() is an order: antisymmetric and transitive", () => {
  fc.assert(fc.property(hit, hit, hit, (a, b, c) => {
    assert.equal(Math.sign(compareHits(a, b)), -Math.sign(compareHits(b, a)) + 0);
    if (compareHits(a, b) <= 0 && compareHits(b, c) <= 0) assert.ok(compareHits(a, c) <= 0);
  }));
});

function spilled(): { readonly hits: readonly Hit[]; readonly runs: readonly string[] } {
  const sorter = new HitSorter(10);
  for (let at = 0; at < 5; at++) {
    sorter.add({
      time: 5 - at,
      file: 0,
      position: at,
      rule: 0,
      unit: 0,
      line: 0,
      head: "0123456789",
      tail: "" + at,
    });
  }
  return sorter.finish();
}

test("temporary files are gone when a merge is given up, failed or never begun", async () => {
  const { hits, runs } = spilled();
  assert.ok(runs.length > 0 && ownRuns().length === 1);
  for await (const { time } of mergeHits([hits], runs)) {
    assert.equal(time, 1);
    break;
  }
  assert.deepEqual(ownRuns(), []);

  const failing = spilled();
  await assert.rejects(async () => {
    for await (const _ of mergeHits([failing.hits], failing.runs)) throw new Error("full");
  }, /full/);
  assert.deepEqual(ownRuns(), []);

  removeRuns(spilled().runs);
  assert.deepEqual(ownRuns(), []);
  spilled();
  removeAllRuns();
  assert.deepEqual(ownRuns(), []);
});

test("a directory that cannot hold temporary files is named", () => {
  const before = process.env["TMPDIR"];
  const directory = mkdtempSync(join(tmpdir(), "picket-test-"));
  process.env["TMPDIR"] = join(directory, "missing");
  try {
    assert.throws(spilled, (error) => {
      assert.ok(error instanceof OutputError);
      assert.match(error.message, /^Cannot sort the results in .*missing: .*TMPDIR/);
      return true;
    });
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
    rmSync(directory, { recursive: true });
  }
});
