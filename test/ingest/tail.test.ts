/**
 * Following text files. `quality.md` rows 12 to 15, `inputs.md` 20.1 to 20.3.
 */
import assert from "node:assert/strict";
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { pause, Scratch, Tail } from "../support/tail.ts";

test("fileSource() begins at the end, and at the start of later files", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "old 1\nold 2\n");
  await using tail = new Tail([scratch.path("*.log")]);
  await tail.started();
  appendFileSync(scratch.path("a.log"), "new 1\n");
  await tail.records(1);
  writeFileSync(scratch.path("b.log"), "b 1\nb 2\n");
  await tail.records(3);
  assert.deepEqual(tail.texts, ["new 1", "b 1", "b 2"]);
  assert.deepEqual(tail.seen.map(({ origin }) => origin), ["a.log", "b.log", "b.log"]);
});

test("fileSource() follows a rename", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n2\n");
  await using tail = new Tail([path], { startAt: "start" });
  await tail.records(2);
  appendFileSync(path, "3\n");
  renameSync(path, scratch.path("x.log.1"));
  writeFileSync(path, "4\n5\n");
  appendFileSync(scratch.path("x.log.1"), "late\n");
  await tail.records(6);
  await pause(100);
  assert.deepEqual(tail.texts.toSorted(), ["1", "2", "3", "4", "5", "late"]);
  assert.equal(tail.texts.indexOf("3") < tail.texts.indexOf("4"), true);
});
