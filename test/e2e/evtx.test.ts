/**
 * `picket evtx dump | info` of the built executable.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FIXTURES, picket, scratch, skipWithoutExecutable } from "../support/picket.ts";

const built = skipWithoutExecutable();
const SECURITY = join(FIXTURES, "evtx/dc01/security.evtx");
const DAMAGED = join(FIXTURES, "evtx/dc01/sysmon_damaged.evtx");

interface Dumped {
  readonly Event: { readonly System: Readonly<Record<string, unknown>> };
}

const recordId = ({ Event }: Dumped): unknown => Event.System["EventRecordID"];
const SECURITY_IDS = Array.from({ length: 27 }, (_, at) => 90_210 + at);

test("evtx dump writes every record, one a line", built, async () => {
  using dir = scratch();
  const { code, stdout, stderr } = await picket(["evtx", "dump", SECURITY]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => recordId(JSON.parse(line) as Dumped)), SECURITY_IDS);
  await picket(["evtx", "dump", SECURITY, "-o", dir.file("dump.ndjson")]);
  assert.equal(readFileSync(dir.file("dump.ndjson"), "utf8"), stdout);
  writeFileSync(dir.file("security.evtx.gz"), gzipSync(readFileSync(SECURITY)));
  assert.equal((await picket(["evtx", "dump", dir.file("security.evtx.gz")])).stdout, stdout);
});

test("evtx dump writes the same values as indented JSON", built, async () => {
  const plain = (await picket(["evtx", "dump", SECURITY])).stdout;
  const { stdout } = await picket(["evtx", "dump", SECURITY, "--output-format", "json"]);
  const values = stdout.split(/\n(?=\{)/);
  assert.deepEqual(
    values.map((text) => JSON.parse(text) as unknown),
    plain.trimEnd().split("\n").map((text) => JSON.parse(text) as unknown),
  );
});

test("evtx dump writes XML", built, async () => {
  const { stdout } = await picket(["evtx", "dump", SECURITY, "--output-format", "xml"]);
  const ids = [...stdout.matchAll(/<EventRecordID>(\d+)<\/EventRecordID>/g)].map(([, id]) => +id!);
  assert.deepEqual(ids, SECURITY_IDS);
  assert.equal(stdout.match(/^<Event xmlns=/gm)?.length, 27);
  assert.equal(stdout.match(/^<\/Event>$/gm)?.length, 27);
});

test("evtx dump names damaged records on stderr and writes the others", built, async () => {
  const { code, stdout, stderr } = await picket(["evtx", "dump", DAMAGED]);
  assert.equal(code, 0);
  const ids = stdout.trimEnd().split("\n").map((line) => recordId(JSON.parse(line) as Dumped));
  assert.deepEqual(ids, [2201, 2203, 2204, 2205, 2206, 2207, 2208, 2209, 2210]);
  assert.match(stderr, /sysmon_damaged\.evtx: Cannot decode record at 8704: /);
});

test("evtx dump and info refuse what is not EVTX", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("a.evtx"), "ElfFile?");
  const cases = [join(FIXTURES, "json/ws02_flat.ndjson"), dir.file("a.evtx"), dir.file("none")];
  for (const path of cases) {
    for (const command of ["dump", "info"]) {
      const { code, stdout, stderr } = await picket(["evtx", command, path]);
      assert.equal(code, 4);
      assert.equal(stdout, "");
      assert.ok(stderr.includes(path), stderr);
    }
  }
  const wrong = await picket(["evtx", "dump", SECURITY, "-o", join(dir.path, "none", "x")]);
  assert.equal(wrong.code, 3);
  writeFileSync(dir.file("b.evtx.gz"), gzipSync(readFileSync(SECURITY)));
  const packed = await picket(["evtx", "info", dir.file("b.evtx.gz")]);
  assert.equal(packed.code, 4);
  assert.match(packed.stderr, /unpack it/);
});

test("evtx info sums a file up", built, async () => {
  const { code, stdout } = await picket(["evtx", "info", SECURITY]);
  assert.equal(code, 0);
  assert.match(stdout, /Chunks {4}1 used of 1, 1 by the header\n/);
  assert.match(stdout, /Records {3}27, ids 90210 to 90236, next by the header 90237\n/);
  assert.match(stdout, /Channel {3}Security: 27 records\n/);
  assert.match(stdout, /Damage {4}none\n/);
  assert.doesNotMatch(stdout, /Integrity/);
});

test("evtx info --integrity shows traces of tampering", built, async () => {
  const { stdout } = await picket(["evtx", "info", DAMAGED, SECURITY, "--integrity"]);
  assert.match(stdout, /Integrity 1 × checksum_mismatch, 1 × damage, 1 × record_gap\n/);
  assert.match(stdout, /Integrity 1 × log_cleared\n/);
  const json = await picket(
    ["evtx", "info", DAMAGED, "--integrity", "--output-format", "json"],
  );
  const info = JSON.parse(json.stdout) as {
    readonly records: number;
    readonly problems: unknown;
    readonly integrity: { readonly counts: unknown; readonly findings: readonly unknown[] };
  };
  assert.equal(info.records, 9);
  assert.deepEqual(info.problems, { record_magic: 1 });
  assert.deepEqual(info.integrity.counts, { checksum_mismatch: 1, damage: 1, record_gap: 1 });
  assert.equal(info.integrity.findings.length, 3);
});
