import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { CHUNK_SIZE, nameHash } from "../../support/evtx_chunk.ts";
import type { WindowsEventSpec } from "../../support/evtx_event.ts";
import { element, instance, template } from "../../support/evtx_tree.ts";
import { guidBytes, sidBytes, string, ticksOf } from "../../support/evtx_values.ts";
import { FILE_HEADER_SIZE, oneChunk, writeEvtx } from "../../support/evtx_writer.ts";
import { fixtureFiles } from "../../support/make_fixtures.ts";

const EVENT: WindowsEventSpec = {
  channel: "Application",
  provider: "Test",
  eventId: 1,
  time: "2024-01-17T21:20:00.0000001Z",
  computer: "host",
  data: { A: "x" },
};

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

test("oneChunk() writes the worked bytes of evtx.md section 11", () => {
  const xmlns = "http://schemas.microsoft.com/win/2004/08/events/event";
  const tree = template("aaaaaaaa-0001-4000-8000-000000000001", element("Event", { xmlns }));
  const { bytes } = oneChunk([
    { id: 1n, writtenTicks: 133500000000000001n, body: [instance(tree, [])] },
  ]);
  // The sizes of record, body and element depend on what the template holds; all else is as given.
  const expected: readonly (readonly [offset: number, bytes: string])[] = [
    [0x200, "2a 2a 00 00"],
    [0x208, "01 00 00 00 00 00 00 00 01 c0 83 ed 8a 49 da 01 0f 01 01 00"],
    [0x21c, "0c 01 aa aa aa aa 26 02 00 00 00 00 00 00"],
    [0x22a, "aa aa aa aa 01 00 00 40 80 00 00 00 00 00 00 01"],
    [0x23e, "0f 01 01 00 41 ff ff"],
    [0x249, "4d 02 00 00 00 00 00 00 ba 0c 05 00 45 00 76 00 65 00 6e 00 74 00 00 00"],
    [0x261, "87 00 00 00 06 6a 02 00 00 00 00 00 00 bc 0f 05 00 78 00 6d 00 6c 00 6e 00"],
    [0x27a, "73 00 00 00 05 01 35 00 68 00 74 00"],
  ];
  for (const [offset, want] of expected) {
    const from = FILE_HEADER_SIZE + offset;
    assert.equal(hex(bytes.subarray(from, from + (want.length + 1) / 3)), want);
  }
});

// evtx.md section 18, rows 12 and 13.
const HASHES: readonly (readonly [name: string, hash: number, bucket: number])[] = [
  ["Event", 0x0cba, 58],
  ["xmlns", 0x0fbc, 0x0fbc & 63],
];

for (const [name, hash, bucket] of HASHES) {
  test(`nameHash() of ${name} is ${hash}, bucket ${bucket}`, () => {
    const units = [...name].map((char) => char.charCodeAt(0));
    assert.equal(nameHash(units), hash);
    assert.equal(nameHash(units) & 63, bucket);
  });
}

test("values have the bytes of evtx.md section 18, rows 14 to 18", () => {
  assert.equal(hex(sidBytes("S-1-5-18")), "01 01 00 00 00 00 00 05 12 00 00 00");
  assert.equal(
    hex(guidBytes("54849625-5478-4994-A5BA-3E3B0328C30D")),
    "25 96 84 54 78 54 94 49 a5 ba 3e 3b 03 28 c3 0d",
  );
  assert.equal(ticksOf("1601-01-01T00:00:00Z"), 0n);
  assert.equal(ticksOf("2024-01-17T21:20:00.0000001Z"), 133500000000000001n);
});

test("writeEvtx() starts a new chunk when a record does not fit, and ids go on", () => {
  const { bytes, records } = writeEvtx(Array.from({ length: 700 }, () => EVENT));
  const view = new DataView(bytes.buffer);
  const chunks = view.getUint16(42, true);
  assert.ok(chunks > 1);
  assert.equal(bytes.length, FILE_HEADER_SIZE + chunks * CHUNK_SIZE);
  assert.deepEqual(records.map(({ id }) => id), records.map((_, at) => BigInt(at + 1)));
  assert.equal(view.getBigUint64(24, true), 701n);
  assert.equal(crc32(bytes.subarray(0, 120)), view.getUint32(124, true));
  for (let chunk = 0; chunk < chunks; chunk++) {
    const base = FILE_HEADER_SIZE + chunk * CHUNK_SIZE;
    const own = records.filter((record) => record.chunk === chunk);
    const last = own.at(-1)!;
    const free = view.getUint32(base + 48, true);
    assert.equal(view.getBigUint64(base + 24, true), own[0]!.id);
    assert.equal(view.getBigUint64(base + 32, true), last.id);
    assert.equal(base + view.getUint32(base + 44, true), last.offset);
    assert.equal(base + free, last.offset + last.size);
    // Section 3.1: what the two checksums cover.
    assert.equal(crc32(bytes.subarray(base + 512, base + free)), view.getUint32(base + 52, true));
    const head = crc32(
      bytes.subarray(base + 128, base + 512),
      crc32(bytes.subarray(base, base + 120)),
    );
    assert.equal(head, view.getUint32(base + 124, true));
    for (const { offset, size } of own) {
      assert.equal(size % 8, 0);
      assert.equal(view.getUint32(offset + 4, true), size);
      assert.equal(view.getUint32(offset + size - 4, true), size);
    }
  }
});

test("a chunk's tables lead to every name and definition (sections 6.3 and 7.4)", () => {
  const { bytes } = writeEvtx([EVENT, { ...EVENT, eventId: 2, data: { B: 1 } }]);
  const view = new DataView(bytes.buffer, FILE_HEADER_SIZE);
  const names: string[] = [];
  for (let bucket = 0; bucket < 64; bucket++) {
    let before = CHUNK_SIZE;
    for (let at = view.getUint32(128 + bucket * 4, true); at !== 0; at = view.getUint32(at, true)) {
      assert.ok(at < before, "chains run to lower offsets");
      before = at;
      assert.equal(view.getUint16(at + 4, true) & 63, bucket);
      const units = Array.from(
        { length: view.getUint16(at + 6, true) },
        (_, unit) => view.getUint16(at + 8 + unit * 2, true),
      );
      assert.equal(nameHash(units), view.getUint16(at + 4, true));
      names.push(String.fromCharCode(...units));
    }
  }
  assert.equal(names.length, new Set(names).size);
  assert.ok(
    ["Event", "System", "TimeCreated", "Data", "Name"].every((name) => names.includes(name)),
  );
  let definitions = 0;
  for (let bucket = 0; bucket < 32; bucket++) {
    let at = view.getUint32(384 + bucket * 4, true);
    for (; at !== 0; at = view.getUint32(at, true)) {
      definitions++;
      const words = Array.from({ length: 8 }, (_, word) => view.getUint16(at + 4 + word * 2, true));
      assert.equal(nameHash(words) & 31, bucket);
      assert.equal(view.getUint32(at + 24, true), 0x0001010f);
      assert.equal(view.getUint8(at + 24 + view.getUint32(at + 20, true) - 1), 0);
    }
  }
  // The one for System and one for each EventData.
  assert.equal(definitions, 3);
});

test("a value that does not fit its u16 size is refused (section 10, Q28)", () => {
  const tree = template("aaaaaaaa-0001-4000-8000-000000000001", element("Event"));
  assert.throws(
    () =>
      oneChunk([
        { id: 1n, writtenTicks: 0n, body: [instance(tree, [string("x".repeat(32_768))])] },
      ]),
    RangeError,
  );
  assert.throws(
    () => writeEvtx([{ ...EVENT, data: { A: "x".repeat(20_000), B: "y".repeat(20_000) } }]),
    RangeError,
  );
});

test("a record that does not fit leaves no trace in the chunk it was tried in", () => {
  const big = { ...EVENT, data: { A: "x".repeat(14_000) } };
  const other = { ...EVENT, eventId: 2, userData: { element: "Other", fields: { Name: "y" } } };
  const chunk = (events: readonly WindowsEventSpec[]) =>
    writeEvtx(events).bytes.subarray(FILE_HEADER_SIZE, FILE_HEADER_SIZE + CHUNK_SIZE);
  const { records } = writeEvtx([big, big, { ...big, ...other }, other]);
  assert.deepEqual(records.map((record) => record.chunk), [0, 0, 0, 0]);
  const full = writeEvtx([big, big, { ...EVENT, data: { B: "z".repeat(14_000) } }]);
  assert.deepEqual(full.records.map((record) => record.chunk), [0, 0, 1]);
  const first = full.bytes.subarray(FILE_HEADER_SIZE, FILE_HEADER_SIZE + CHUNK_SIZE);
  assert.ok(Buffer.from(first).equals(chunk([big, big])));
});

test("fixtures/ holds what make_fixtures.ts makes", () => {
  for (const [path, bytes] of fixtureFiles()) {
    const stored = readFileSync(new URL(`../../../fixtures/${path}`, import.meta.url));
    assert.ok(stored.equals(bytes), `${path} is stale: run test/support/make_fixtures.ts`);
  }
});
