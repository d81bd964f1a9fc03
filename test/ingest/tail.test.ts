/**
 * Following text files, case by case. `quality.md` rows 12 to 15 and R4, `inputs.md` 20.1 to 20.3.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { SourceError } from "../../src/runtime/errors.ts";
import { fileSource } from "../../src/ingest/tail/file_source.ts";
import type { FileProblem } from "../../src/ingest/tail/following.ts";
import { skipIf } from "../support/skip.ts";
import { pause, Scratch, Tail } from "../support/tail.ts";

const START = { startAt: "start" } as const;
const REFUSED = skipIf(
  process.platform === "win32" || process.getuid?.() === 0,
  "only a user who is not root can be refused a file",
);

test("fileSource() begins at the end, and at the start of later files", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "old 1\nold 2\nnew");
  await using tail = new Tail([scratch.path("*.log")]);
  await tail.started();
  appendFileSync(scratch.path("a.log"), " 1\n");
  await tail.records(1);
  writeFileSync(scratch.path("b.log"), "b 1\nb 2\n");
  await tail.records(3);
  assert.deepEqual(tail.texts, ["new 1", "b 1", "b 2"]);
  assert.deepEqual(tail.seen.map(({ origin }) => origin), ["a.log", "b.log", "b.log"]);
});

test("fileSource() says where it begins before it gives a record", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "1\n");
  await using tail = new Tail([scratch.path("a.log")], START);
  await tail.records(1);
  assert.equal(tail.positions[0]?.count, 0);
});

test("fileSource() waits for a directory and for a file", async () => {
  using scratch = new Scratch();
  const path = scratch.path("later/deeper/x.log");
  await using tail = new Tail([path]);
  await tail.started();
  assert.equal(tail.source.health().state, "waiting");
  assert.equal(tail.source.health().error, undefined);
  mkdirSync(scratch.path("later/deeper"), { recursive: true });
  writeFileSync(path, "1\n");
  await tail.records(1);
  assert.equal(tail.source.health().state, "running");
});

test("fileSource() follows a rename and its late writer, the old file first", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n2\n");
  await using tail = new Tail([path], START);
  await tail.records(2);
  appendFileSync(path, "3\n");
  renameSync(path, scratch.path("x.log.1"));
  writeFileSync(path, "4\n5\n");
  await tail.records(5);
  appendFileSync(scratch.path("x.log.1"), "late\n");
  await tail.records(6);
  assert.deepEqual(tail.texts, ["1", "2", "3", "4", "5", "late"]);
  assert.equal(tail.count("rotations"), 1);
});

test("fileSource() lets go of a rotated file when nobody writes to it any more", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n");
  await using tail = new Tail([scratch.path("x.log*")], START, { lateMs: 100 });
  await tail.records(1);
  renameSync(path, scratch.path("x.log.1"));
  writeFileSync(path, "2\n");
  await tail.records(2);
  await tail.until(() => tail.count("open") === 1, "closing");
  assert.equal(tail.count("files"), 1);
  appendFileSync(path, "3\n");
  await tail.records(3);
  await pause(200);
  assert.deepEqual(tail.texts, ["1", "2", "3"]);
});

test("fileSource() lets go of a deleted file", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n");
  await using tail = new Tail([path], START, { deletedMs: 100 });
  await tail.records(1);
  rmSync(path);
  await tail.until(() => tail.count("open") === 0, "closing");
  writeFileSync(path, "2\n");
  await tail.records(2);
  assert.deepEqual(tail.texts, ["1", "2"]);
});

test("fileSource() reads what copytruncate copied but had not been read", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n");
  await using tail = new Tail([path], { ...START, pollMs: 200 }, { watch: false });
  await tail.records(1);
  appendFileSync(path, "2\n");
  copyFileSync(path, scratch.path("x.log.1"));
  truncateSync(path);
  appendFileSync(path, "3\n");
  await tail.records(3);
  assert.deepEqual(tail.texts.toSorted(), ["1", "2", "3"]);
  assert.equal(tail.count("truncations") + tail.count("replacements"), 1);
});

test("fileSource() counts what it saw and could not read before a truncation", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "one\nhalf a line");
  await using tail = new Tail([path], START, { lateMs: 100, partialMs: 60_000 });
  await tail.records(1);
  await pause(50);
  truncateSync(path);
  await tail.until(() => tail.count("lost_bytes") === 11, "the count");
  assert.equal(tail.count("truncations"), 1);
});

test("fileSource() begins anew when a file was replaced by a longer one at the same inode", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "a first line\n");
  await using tail = new Tail([path], START);
  await tail.records(1);
  writeFileSync(path, "another first line\nand a second\n");
  await tail.records(3);
  assert.deepEqual(tail.texts.slice(1), ["another first line", "and a second"]);
});

test("fileSource() tells contents with the same header by what stands in front of its place", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const header = "#header ".repeat(200) + "\n";
  writeFileSync(path, header + "first 1\n");
  let position: string;
  {
    await using tail = new Tail([path], START);
    await tail.records(2);
    position = tail.position;
  }
  writeFileSync(path, header + "other 1\nother 2\n");
  await using tail = new Tail([path], {}, {}, position);
  await tail.records(3);
  assert.deepEqual(tail.texts.slice(1), ["other 1", "other 2"]);
});

test("fileSource() numbers contents that are the same", async () => {
  using scratch = new Scratch();
  const path = scratch.path("job.log");
  writeFileSync(path, "started\nfailed\n");
  await using tail = new Tail([path], START);
  await tail.records(2);
  for (let run = 1; run <= 3; run++) {
    truncateSync(path);
    await pause(60);
    appendFileSync(path, "started\nfailed\n");
    await tail.records(2 * run + 2);
  }
  assert.equal(new Set(tail.seen.map(({ id }) => id)).size, 8);
});

test("fileSource() takes a file that rsync replaced for the same", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const lines = Array.from({ length: 200 }, (_, at) => `a line of a log, ${at}\n`).join("");
  writeFileSync(path, lines);
  await using tail = new Tail([path], START);
  await tail.records(200);
  writeFileSync(scratch.path(".x.log.tmp"), lines + "more\n");
  renameSync(scratch.path(".x.log.tmp"), path);
  await tail.records(201);
  await pause(100);
  assert.equal(tail.seen.length, 201);
});

/** What may happen to a log while nobody reads it; each line is in some file afterwards. */
const DOWNTIME: readonly (readonly [name: string, happen: (scratch: Scratch) => void])[] = [
  ["nothing", () => {}],
  ["a rename", (scratch) => renameSync(scratch.path("x.log"), scratch.path("x.log.1"))],
  ["a dated name", (scratch) => {
    renameSync(scratch.path("x.log"), scratch.path("x.log-20240131"));
  }],
  ["gzip", (scratch) => {
    writeFileSync(scratch.path("x.log.1.gz"), gzipSync("1\n2\n3\n"));
    rmSync(scratch.path("x.log"));
  }],
  ["zstd", (scratch) => {
    writeFileSync(scratch.path("x.log.1.zst"), zstdCompressSync(Buffer.from("1\n2\n3\n")));
    rmSync(scratch.path("x.log"));
  }],
  ["copytruncate", (scratch) => {
    copyFileSync(scratch.path("x.log"), scratch.path("x.log.1"));
    truncateSync(scratch.path("x.log"));
  }],
  ["three rotations", (scratch) => {
    renameSync(scratch.path("x.log"), scratch.path("x.log.3"));
    writeFileSync(scratch.path("x.log.2.gz"), gzipSync("between 1\n"));
    writeFileSync(scratch.path("x.log.1"), "between 2\n");
  }],
];
for (const [name, happen] of DOWNTIME) {
  test(`fileSource() goes on after downtime with ${name}`, async () => {
    using scratch = new Scratch();
    const path = scratch.path("x.log");
    writeFileSync(path, "1\n2\n");
    // A rotated file from before its time is not its concern.
    writeFileSync(scratch.path("x.log.9.gz"), gzipSync("old\n"));
    utimesSync(scratch.path("x.log.9.gz"), 1000, 1000);
    let position: string;
    {
      await using tail = new Tail([path], START);
      await tail.records(2);
      position = tail.position;
    }
    appendFileSync(path, "3\n");
    happen(scratch);
    appendFileSync(path, "4\n");
    const expected = name === "three rotations" ? ["3", "between 1", "between 2", "4"] : ["3", "4"];
    await using tail = new Tail([path], {}, {}, position);
    await tail.records(expected.length);
    await pause(80);
    assert.deepEqual(tail.texts, expected);
    assert.ok(tail.seen.every(({ origin }) => origin === "x.log"));
  });
}

test("fileSource() gives a line the same id under each name", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "");
  const ids: string[] = [];
  let position = "";
  for (let round = 0; round < 4; round++) {
    await using tail = new Tail([path], START, {}, round === 0 ? undefined : position);
    if (round === 0) {
      await tail.started();
      position = tail.positions[0]!.position;
      appendFileSync(path, "a\nb\n");
    }
    await tail.records(2);
    ids.push(tail.seen.map(({ id, origin }) => `${origin} ${id}`).join());
    if (round === 0) renameSync(path, scratch.path("x.log.1"));
    if (round === 1) copyFileSync(scratch.path("x.log.1"), scratch.path("x.log.2"));
    if (round === 1) rmSync(scratch.path("x.log.1"));
    if (round === 2) writeFileSync(scratch.path("x.log.3.gz"), gzipSync("a\nb\n"));
    if (round === 2) rmSync(scratch.path("x.log.2"));
  }
  assert.equal(new Set(ids).size, 1, ids.join("\n"));
});

test("fileSource() starts anew where it is told a position beyond the end", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n2\n3\n");
  let position: string;
  {
    await using tail = new Tail([path], START);
    await tail.records(3);
    position = tail.position;
  }
  writeFileSync(path, "4\n");
  await using tail = new Tail([path], {}, {}, position);
  await tail.records(1);
  assert.deepEqual(tail.texts, ["4"]);
});

test("fileSource() starts anew with a position of another kind, and says so", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("x.log"), "1\n");
  const problems: FileProblem[] = [];
  const onProblem = (problem: FileProblem) => problems.push(problem);
  await using tail = new Tail([scratch.path("x.log")], START, { onProblem }, "s=7;i=1");
  await tail.records(1);
  assert.deepEqual(problems.map(({ code }) => code), ["POSITION"]);
  assert.equal(tail.count("bad_positions"), 1);
});

test("fileSource() keeps an unfinished line back, then gives it out once", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\nunfin");
  await using tail = new Tail([path], START, { partialMs: 300 });
  await tail.records(1);
  await pause(100);
  assert.equal(tail.seen.length, 1);
  await tail.records(2);
  assert.equal(tail.texts[1], "unfin");
  appendFileSync(path, "\nnext\n");
  await tail.records(3);
  assert.deepEqual(tail.texts, ["1", "unfin", "next"]);
});

test("fileSource() gives a line that grew out again under the same id", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "unfin");
  let position: string;
  let first;
  {
    await using tail = new Tail([path], START, { partialMs: 50 });
    await tail.records(1);
    first = tail.seen[0]!;
    position = tail.position;
  }
  await using tail = new Tail([path], START, { partialMs: 50 }, position);
  await pause(150);
  assert.deepEqual(tail.texts, [], "it is not given out again as it was");
  appendFileSync(path, "ished\r\nnext\n");
  await tail.records(2);
  assert.deepEqual(tail.texts, ["unfinished", "next"]);
  assert.equal(tail.seen[0]?.id, first.id);
});

test("fileSource() cuts a line that is too long, in bounded memory", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n");
  for (let count = 0; count < 40; count++) appendFileSync(path, "x".repeat(1 << 17));
  appendFileSync(path, "\n2\n");
  await using tail = new Tail([path], { ...START, maxLineBytes: 1000 });
  await tail.records(3);
  assert.deepEqual(tail.texts, ["1", "x".repeat(1000), "2"]);
  assert.equal(tail.count("long_lines"), 1);
  assert.deepEqual(tail.notices.map(({ reason, facts }) => [reason, facts["offset"]]), [
    ["long_line", 2],
  ]);
  await tail.stop();
  // Read again, it is the same notice, by which alerts are told apart.
  await using again = new Tail([path], { ...START, maxLineBytes: 1000 });
  await again.records(3);
  assert.deepEqual(again.notices, tail.notices);
});

test("fileSource() tells of long lines in any encoding, and of unfinished ones at their end", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const settings = { ...START, maxLineBytes: 100, encoding: "utf-16le" } as const;
  writeFileSync(path, `${"é".repeat(51)}\n`, "utf16le");
  appendFileSync(path, "b".repeat(70), "utf16le");
  await using tail = new Tail([path], settings, { partialMs: 50 });
  await tail.records(2);
  assert.deepEqual(tail.notices.map(({ facts }) => facts["offset"]), [0]);
  appendFileSync(path, "\nend\n", "utf16le");
  await tail.until(() => tail.texts.includes("end"), "the last line");
  assert.deepEqual(tail.notices.map(({ facts }) => facts["offset"]), [0, 104]);
});

test("fileSource() reads a long line that comes in pieces", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "");
  await using tail = new Tail([path], START);
  await tail.started();
  for (let count = 0; count < 10; count++) {
    appendFileSync(path, String(count).repeat(50_000));
    await pause(25);
  }
  appendFileSync(path, "\n");
  await tail.records(1);
  assert.equal(tail.texts[0]?.length, 500_000);
});

test("fileSource() steps over the hole that truncation leaves under a writer", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const descriptor = openSync(path, "w");
  const line = "a line that is written at the writer's own place\n";
  writeSync(descriptor, line.repeat(3));
  await using tail = new Tail([path], START);
  await tail.records(3);
  copyFileSync(path, scratch.path("x.log.1"));
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, "behind the hole\n");
  await tail.records(4);
  assert.equal(tail.texts[3], "behind the hole");
  writeSync(descriptor, "more\n");
  await tail.records(5);
  closeSync(descriptor);
  assert.equal(new Set(tail.seen.map(({ id }) => id)).size, 5);
});

test("fileSource() steps over a hole of many megabytes", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "");
  truncateSync(path, 20 << 20);
  appendFileSync(path, "text\n");
  await using tail = new Tail([path], START);
  await tail.records(1);
  assert.deepEqual(tail.texts, ["text"]);
  assert.equal(tail.count("long_lines"), 0);
});

test("fileSource() reads a file that was allocated ahead", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "");
  truncateSync(path, 64 << 10);
  await using tail = new Tail([path], START);
  await tail.started();
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, "1\n");
  await tail.records(1);
  // File systems note the time of a change in ticks of a few milliseconds.
  await pause(30);
  writeSync(descriptor, "2\n");
  closeSync(descriptor);
  await tail.records(2);
  assert.deepEqual(tail.texts, ["1", "2"]);
});

for (const encoding of ["utf-16le", "utf-16be"] as const) {
  test(`fileSource() follows ${encoding}, written byte by byte`, async () => {
    using scratch = new Scratch();
    const path = scratch.path("x.log");
    const bytes = Buffer.from("\ufeffeins\r\nzw\u00f6lf \u4e0a\n", "utf16le");
    if (encoding === "utf-16be") bytes.swap16();
    writeFileSync(path, bytes.subarray(0, 9));
    await using tail = new Tail([path], START);
    await tail.started();
    for (let at = 9; at < bytes.length; at++) {
      appendFileSync(path, bytes.subarray(at, at + 1));
      await pause(6);
    }
    await tail.records(2);
    assert.deepEqual(tail.texts, ["eins", "zw\u00f6lf \u4e0a"]);
  });
}

test("fileSource() counts lines with invalid bytes", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("x.log"), Buffer.from([0x61, 0xff, 0x0a, 0xc3, 0xa4, 0x0a]));
  await using tail = new Tail([scratch.path("x.log")], START);
  await tail.records(2);
  assert.deepEqual(tail.texts, ["a\ufffd", "\u00e4"]);
  assert.equal(tail.count("decode_replacements"), 1);
});

test("fileSource() never stands inside an event of several lines", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const texts = ["Error: a\n at x\n at y", "plain", "Error: b\n at z"];
  writeFileSync(path, texts.join("\n") + "\n");
  const settings = { ...START, multiline: { kind: "indent" } } as const;
  let positions: string[];
  {
    await using tail = new Tail([path], settings, { heldMs: 150 });
    await tail.records(3);
    assert.deepEqual(tail.texts, texts);
    positions = tail.positions.map(({ position }) => position);
  }
  const ids: string[] = [];
  for (const position of positions) {
    await using tail = new Tail([path], settings, { heldMs: 20 }, position);
    await pause(120);
    assert.deepEqual(tail.texts, texts.slice(texts.length - tail.texts.length));
    ids.push(...tail.seen.map(({ id, text }) => `${id} ${text}`));
  }
  assert.equal(new Set(ids).size, 3);
});

test("fileSource() reads JSON over several lines, the last one without an end", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.json");
  writeFileSync(path, '[{\n "a": 1\n},\n{"b": 2}, {"c":\n3}]\n{"d":\n4}');
  const settings = { ...START, multiline: { kind: "json" } } as const;
  await using tail = new Tail([path], settings, { heldMs: 100 });
  await tail.records(4);
  assert.deepEqual(tail.texts.map((text) => JSON.parse(text)), [
    { a: 1 },
    { b: 2 },
    { c: 3 },
    { d: 4 },
  ]);
  assert.equal(new Set(tail.seen.map(({ id }) => id)).size, 4);
});

test("fileSource() reads more files than it may have open, and finds them again", async () => {
  using scratch = new Scratch();
  const names = Array.from({ length: 30 }, (_, at) => `f${at}.log`);
  for (const name of names) writeFileSync(scratch.path(name), `${name} first\n`);
  await using tail = new Tail([scratch.path("*.log")], START, { maxOpen: 5 });
  await tail.records(30);
  assert.ok(tail.count("open") <= 5);
  for (const name of names) appendFileSync(scratch.path(name), `${name} second\n`);
  await tail.records(60);
  renameSync(scratch.path("f3.log"), scratch.path("f3.log.1"));
  writeFileSync(scratch.path("f3.log"), "third\n");
  await tail.records(61);
  await pause(100);
  assert.equal(tail.seen.length, 61);
  assert.equal(new Set(tail.texts).size, 61);
});

test("fileSource() reads a file with two names once", {
  skip: process.platform === "win32" && "links need rights on Windows",
}, async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("real.log"), "1\n");
  symlinkSync(scratch.path("real.log"), scratch.path("link.log"));
  await using tail = new Tail([scratch.path("*.log")], START);
  await tail.records(1);
  await pause(80);
  assert.equal(tail.seen.length, 1);
});

test("fileSource() follows a link that is set to another file", {
  skip: process.platform === "win32" && "links need rights on Windows",
}, async () => {
  using scratch = new Scratch();
  const path = scratch.path("current");
  writeFileSync(scratch.path("one"), "1\n");
  writeFileSync(scratch.path("two"), "2\n");
  symlinkSync(scratch.path("one"), path);
  await using tail = new Tail([path], START);
  await tail.records(1);
  rmSync(path);
  symlinkSync(scratch.path("two"), path);
  await tail.records(2);
  assert.deepEqual(tail.texts, ["1", "2"]);
});

test("fileSource() does not leave its root by links", {
  skip: process.platform === "win32" && "links need rights on Windows",
}, async () => {
  using scratch = new Scratch();
  const root = scratch.makeDirectory("root");
  const outside = scratch.makeDirectory("outside");
  writeFileSync(scratch.path("outside/secret.log"), "secret\n");
  writeFileSync(scratch.path("root/a.log"), "a\n");
  symlinkSync(scratch.path("outside/secret.log"), scratch.path("root/b.log"));
  symlinkSync(outside, scratch.path("root/sub"));
  symlinkSync(scratch.path("root/a.log"), scratch.path("root/c.log"));
  await using tail = new Tail([scratch.path("root/**/*.log")], { ...START, root });
  await tail.records(1);
  await pause(80);
  assert.deepEqual(tail.texts, ["a"]);
});

test("fileSource() leaves out what is excluded and what is no file", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "a\n");
  writeFileSync(scratch.path("b.log"), "b\n");
  writeFileSync(scratch.path("c.log"), "c\n");
  mkdirSync(scratch.path("d.log"));
  const exclude = ["b.*", scratch.path("c.log")];
  await using tail = new Tail([scratch.path("*.log")], { ...START, exclude });
  await tail.records(1);
  await pause(80);
  assert.deepEqual(tail.texts, ["a"]);
});

test("fileSource() leaves rotated files alone when told so", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "1\n");
  let position: string;
  {
    await using tail = new Tail([path], START);
    await tail.records(1);
    position = tail.position;
  }
  appendFileSync(path, "2\n");
  renameSync(path, scratch.path("x.log.1"));
  writeFileSync(path, "3\n");
  await using tail = new Tail([path], { readRotated: false }, {}, position);
  await tail.records(1);
  await pause(80);
  assert.deepEqual(tail.texts, ["3"]);
});

test("fileSource() reads a packed file that is named, and outlives a damaged one", async () => {
  using scratch = new Scratch();
  const packed = gzipSync("1\n2\n3\n");
  writeFileSync(scratch.path("old.gz"), packed);
  writeFileSync(scratch.path("cut.gz"), gzipSync("x\n".repeat(100_000)).subarray(0, 150));
  writeFileSync(scratch.path("x.log"), "");
  const paths = ["old.gz", "cut.gz", "x.log"].map((name) => scratch.path(name));
  const problems: FileProblem[] = [];
  await using tail = new Tail(paths, {}, { onProblem: (problem) => problems.push(problem) });
  await tail.until(() => tail.texts.includes("3"), "the archive");
  appendFileSync(scratch.path("x.log"), "live\n");
  await tail.until(() => tail.texts.includes("live"), "a line of another file");
  assert.deepEqual(problems.map(({ path }) => path), [scratch.path("cut.gz")]);
  assert.equal(tail.source.health().state, "waiting");
});

test("fileSource() reports a file that may not be read once, and reads it when it may", {
  skip: REFUSED,
}, async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "a\n");
  writeFileSync(scratch.path("b.log"), "b\n");
  chmodSync(scratch.path("a.log"), 0);
  const problems: FileProblem[] = [];
  const options = { onProblem: (problem: FileProblem) => problems.push(problem) };
  await using tail = new Tail([scratch.path("*.log")], START, options);
  await tail.records(1);
  assert.match(tail.source.health().error ?? "", /a\.log.*EACCES/);
  chmodSync(scratch.path("a.log"), 0o600);
  await tail.records(2);
  assert.deepEqual(problems.map(({ code }) => code), ["EACCES", ""]);
});

test("fileSource() reports a directory that may not be read", {
  skip: REFUSED,
}, async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("a.log"), "a\n");
  const closed = scratch.makeDirectory("closed");
  writeFileSync(scratch.path("closed/b.log"), "b\n");
  chmodSync(closed, 0);
  try {
    await using tail = new Tail([scratch.path("**/*.log")], START);
    await tail.records(1);
    assert.match(tail.source.health().error ?? "", /closed.*EACCES/);
    chmodSync(closed, 0o700);
    await tail.records(2);
    await tail.until(() => tail.source.health().state === "running", "the end of the trouble");
  } finally {
    chmodSync(closed, 0o700);
  }
});

test("fileSource() stops at once and leaves nothing open", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("x.log"), "1\n");
  const tail = new Tail([scratch.path("x.log")], { ...START, pollMs: 60_000 }, { watch: false });
  await tail.records(1);
  const start = performance.now();
  await tail.stop();
  assert.ok(performance.now() - start < 100);
  assert.equal(tail.source.health().state, "stopped");
  assert.equal(tail.count("open"), 0);
});

test("fileSource() gives large files out in batches with positions of their own", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  const lines = Array.from({ length: 30_000 }, (_, at) => `line ${at} ${"x".repeat(at % 100)}`);
  writeFileSync(path, lines.join("\n") + "\n");
  assert.ok(statSync(path).size > 1 << 20);
  await using tail = new Tail([path], START);
  await tail.records(30_000);
  assert.deepEqual(tail.texts, lines);
  const sizes = tail.positions.map(({ count }, at) => count - (tail.positions[at - 1]?.count ?? 0));
  assert.ok(Math.max(...sizes) <= 4096);
  const middle = tail.positions.find(({ count }) => count > 10_000)!;
  await using rest = new Tail([path], {}, {}, middle.position);
  await rest.records(30_000 - middle.count);
  assert.deepEqual(rest.texts, lines.slice(middle.count));
  assert.deepEqual(
    rest.seen.map(({ id }) => id),
    tail.seen.slice(middle.count).map(({ id }) => id),
  );
});

test("fileSource() is woken by the file system", async () => {
  using scratch = new Scratch();
  const path = scratch.path("x.log");
  writeFileSync(path, "");
  await using tail = new Tail([path], { ...START, pollMs: 5000 });
  await tail.started();
  await pause(50);
  appendFileSync(path, "1\n");
  await tail.until(() => tail.seen.length === 1, "a line", 2000);
});

test("fileSource() refuses settings that cannot work", () => {
  const make = (settings: object) => () =>
    fileSource({ type: "file", id: "x", paths: ["/x"], ...settings });
  const isConfig = (error: unknown) =>
    error instanceof SourceError && error.code === "SOURCE_CONFIG";
  assert.throws(make({ multiline: { kind: "start", pattern: "(" } }), isConfig);
  assert.throws(make({ multiline: { kind: "end", pattern: String.raw`(a)\1` } }), isConfig);
  assert.throws(make({ paths: ["/" + "{a,b}".repeat(12)] }), isConfig);
});
