/**
 * Which files a scan reads, what it takes them for, and how it cuts them.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { findInputs, planUnits } from "../../cli/scan/inputs.ts";
import type { InputFile } from "../../cli/scan/types.ts";
import { HEAD_BYTES, textForm } from "../../cli/text_form.ts";
import { FIXTURES, type Scratch, scratch } from "../support/picket.ts";

const EVTX = readFileSync(join(FIXTURES, "evtx/dc01/security.evtx"));
const LINES = '{"a":1}\n{"a":2}\n';

/** The found files, relative to `dir`. */
async function found(
  dir: Scratch,
  paths: readonly string[],
  exclude: readonly string[] = [],
): Promise<string[]> {
  const { files } = await findInputs(paths.map((path) => join(dir.path, path)), { exclude });
  return files.map(({ path }) => path.slice(dir.path.length + 1));
}

function tree(dir: Scratch): void {
  mkdirSync(dir.file("logs/deep"), { recursive: true });
  mkdirSync(dir.file("a[b]"));
  writeFileSync(dir.file("logs/b.evtx"), EVTX);
  writeFileSync(dir.file("logs/a.ndjson"), LINES);
  writeFileSync(dir.file("logs/c.JSON"), "[]");
  writeFileSync(dir.file("logs/d.jsonl.gz"), gzipSync(LINES));
  writeFileSync(dir.file("logs/e.evtx.gz"), gzipSync(EVTX));
  writeFileSync(dir.file("logs/renamed.bin"), EVTX);
  writeFileSync(dir.file("logs/notes.txt"), LINES);
  writeFileSync(dir.file("logs/deep/f.ndjson"), LINES);
  writeFileSync(dir.file("a[b]/g.ndjson"), LINES);
}

function kindOf({ kind, form, packing }: InputFile): string {
  return [form?.kind ?? kind, ...(packing === undefined ? [] : [packing])].join(" ");
}

const LOGS = [
  "logs/a.ndjson",
  "logs/b.evtx",
  "logs/c.JSON",
  "logs/d.jsonl.gz",
  "logs/deep/f.ndjson",
  "logs/e.evtx.gz",
  "logs/renamed.bin",
];

test("findInputs() takes logs below a directory and any file that is named", async () => {
  using dir = scratch();
  tree(dir);
  assert.deepEqual(await found(dir, ["logs"]), LOGS);
  assert.deepEqual(await found(dir, ["logs/notes.txt"]), ["logs/notes.txt"]);
  assert.deepEqual(await found(dir, ["logs/b.evtx", "logs", "logs/deep"]), [
    "logs/b.evtx",
    ...LOGS.filter((path) => path !== "logs/b.evtx"),
  ]);
  const { files } = await findInputs([dir.file("logs"), "-"]);
  assert.deepEqual(files.map(kindOf), [
    "lines",
    "evtx",
    "json",
    "lines gzip",
    "lines",
    "evtx gzip",
    "evtx",
    "stream",
  ]);
});

test("findInputs() expands patterns, unless a file has that very name", async () => {
  using dir = scratch();
  tree(dir);
  assert.deepEqual(await found(dir, ["logs/*.ndjson"]), ["logs/a.ndjson"]);
  assert.deepEqual(await found(dir, ["**/*.ndjson"]), [
    "a[b]/g.ndjson",
    "logs/a.ndjson",
    "logs/deep/f.ndjson",
  ]);
  assert.deepEqual(await found(dir, ["logs/{a,b}.*"]), ["logs/a.ndjson", "logs/b.evtx"]);
  assert.deepEqual(await found(dir, ["a[b]"]), ["a[b]/g.ndjson"]);
  assert.deepEqual(await found(dir, ["l*"]), LOGS);
  const { problems } = await findInputs([dir.file("*.none"), dir.file("none")]);
  assert.deepEqual(problems.map(({ message }) => message), [
    "no such file or directory",
    "no such file or directory",
  ]);
});

test("findInputs() leaves out what --exclude names by name, path or place below the root", async () => {
  using dir = scratch();
  tree(dir);
  const without = (pattern: RegExp) => LOGS.filter((path) => !pattern.test(path));
  assert.deepEqual(await found(dir, ["logs"], ["*.evtx"]), without(/\.evtx$/));
  assert.deepEqual(await found(dir, ["logs"], ["deep"]), without(/deep/));
  assert.deepEqual(await found(dir, ["logs"], ["deep/*"]), without(/deep/));
  assert.deepEqual(await found(dir, ["logs"], [dir.file("logs/a.ndjson")]), without(/a\.nd/));
  assert.deepEqual(await found(dir, ["logs"], ["**"]), []);
});

test("findInputs() reads a file once and survives loops of links", async () => {
  using dir = scratch();
  mkdirSync(dir.file("a"));
  writeFileSync(dir.file("a/log.ndjson"), LINES);
  symlinkSync("..", dir.file("a/up"));
  symlinkSync("a", dir.file("b"));
  symlinkSync("a/log.ndjson", dir.file("c.ndjson"));
  symlinkSync("loop.ndjson", dir.file("loop.ndjson"));
  const { files, problems } = await findInputs([dir.path, dir.file("b"), dir.path]);
  assert.deepEqual(files.map(({ path }) => path), [dir.file("a/log.ndjson")]);
  assert.deepEqual(problems.map(({ path }) => path), [dir.file("loop.ndjson")]);
});

test("findInputs() never takes an output for an input", async () => {
  using dir = scratch();
  writeFileSync(dir.file("log.ndjson"), LINES);
  writeFileSync(dir.file("out.ndjson"), LINES);
  symlinkSync("out.ndjson", dir.file("link.ndjson"));
  const outputs = [undefined, dir.file("link.ndjson"), dir.file("not_yet.json")];
  const { files } = await findInputs([dir.path, dir.file("out.ndjson")], { outputs });
  assert.deepEqual(files.map(({ path }) => path), [dir.file("log.ndjson")]);
});

test("findInputs() opens no pipe, and takes only those that are named", {
  skip: process.platform === "win32" && "skipped: no mkfifo",
}, async () => {
  using dir = scratch();
  execFileSync("mkfifo", [dir.file("p.ndjson")]);
  const none = { files: [], problems: [], skipped: { name: 0, binary: 0 } };
  assert.deepEqual(await findInputs([dir.path]), none);
  const { files } = await findInputs([dir.file("p.ndjson")]);
  assert.deepEqual(files.map(({ kind }) => kind), ["stream"]);
});

const KINDS: readonly (readonly [string, "lines" | "json"])[] = [
  ["", "lines"],
  ['{"a":1}\n{"a":2}', "lines"],
  ['\uFEFF  \n{"a":1}\n{"a":2}', "lines"],
  ['{"a":1}', "json"],
  ['{\n "a":1\n}', "json"],
  ['{"a":[\n1]}', "json"],
  ['{"a":1,\n"b":2}', "json"],
  ['{"a":1,\r\n"b":2}', "json"],
  ['[{"a":1}]', "json"],
  ["[\n", "json"],
  ['{"a":"cut\n{"a":2}', "lines"],
  [`{"a":"${"x".repeat(5000)}`, "lines"],
  ["no json at all\n", "lines"],
];

for (const [text, expected] of KINDS) {
  test(`textForm() takes ${JSON.stringify(text.slice(0, 30))} for ${expected}`, () => {
    const head = new TextEncoder().encode(text).subarray(0, HEAD_BYTES);
    assert.equal(textForm(head, "json", false)?.kind, expected);
  });
}

test("planUnits() cuts lines behind line ends, EVTX between chunks, and nothing else", async () => {
  using dir = scratch();
  const line = `{"a":"${"x".repeat(999_990)}"}\n`;
  const path = dir.file("large.ndjson");
  writeFileSync(path, line.repeat(100));
  const size = 100 * line.length;
  const form = textForm(new TextEncoder().encode("x\n"), "auto", false)!;
  const lined: InputFile = { path, kind: "text", form, size };
  const logs: InputFile = { path, kind: "evtx", size };
  const lines = await planUnits([lined]);
  assert.ok(lines.length >= 3);
  for (const { from } of lines) assert.equal(from % line.length, 0);
  const evtx = await planUnits([logs]);
  assert.ok(evtx.length >= 3);
  for (const { from } of evtx) assert.equal((from - 4096 * Math.sign(from)) % 65_536, 0);
  for (const units of [lines, evtx]) {
    assert.equal(units[0]!.from, 0);
    assert.equal(units.at(-1)!.to, Infinity);
    for (const [at, { to }] of units.slice(0, -1).entries()) assert.equal(units[at + 1]!.from, to);
    assert.deepEqual(units.map(({ number }) => number), units.map((_, at) => at));
  }
  const wholes: readonly InputFile[] = [
    { ...lined, form: { ...form, kind: "json" } },
    { ...lined, form: { ...form, isAudit: true } },
    { ...lined, form: { ...form, encoding: "utf-16le" } },
    { ...lined, packing: "gzip" },
    { ...logs, packing: "zstd" },
    { path, kind: "stream", size },
  ];
  for (const whole of wholes) {
    assert.equal((await planUnits([whole])).length, 1);
  }
  writeFileSync(path, "x".repeat(size));
  assert.equal((await planUnits([lined])).length, 1);
});
