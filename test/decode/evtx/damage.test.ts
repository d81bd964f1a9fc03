import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EvtxError, type EvtxProblemReason } from "../../../src/decode/evtx/errors.ts";
import { CHUNK_SIZE, type ChunkDamage, type EvtxRecord } from "../../support/evtx_chunk.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";
import { eventRecord, type WindowsEventSpec } from "../../support/evtx_event.ts";
import { bytes, element, instance, normal, optional, template } from "../../support/evtx_tree.ts";
import { fragment, NULL_VALUE, raw, string, TYPE, uint32 } from "../../support/evtx_values.ts";
import {
  FILE_HEADER_SIZE,
  type FileDamage,
  oneChunk,
  writeEvtxFile,
} from "../../support/evtx_writer.ts";

const TIME = "2024-01-17T21:20:00.0000001Z";
const TICKS = 133500000000000001n;

function event(id: bigint, data: WindowsEventSpec["data"] = { Text: `event ${id}` }): EvtxRecord {
  return eventRecord(
    { channel: "Security", provider: "P", eventId: 1, time: TIME, computer: "c", data: data ?? {} },
    id,
  );
}

/** Records 1, 2, 3 of which the second has this damage. */
function three(damage: EvtxRecord["damage"]): readonly EvtxRecord[] {
  return [event(1n), { ...event(2n), ...(damage === undefined ? {} : { damage }) }, event(3n)];
}

interface Case {
  readonly row: string;
  readonly file: Uint8Array;
  readonly ids: readonly number[];
  readonly problems?: readonly EvtxProblemReason[];
  readonly sizeCopyMismatches?: number;
}

function chunked(
  damage: ChunkDamage,
  records: readonly EvtxRecord[] = three(undefined),
): Uint8Array {
  return oneChunk(records, damage).bytes;
}

/** Three chunks of one record each. */
function filed(damage: FileDamage, second: ChunkDamage = {}): Uint8Array {
  return writeEvtxFile([
    { records: [event(1n)] },
    { records: [event(2n)], damage: second },
    { records: [event(3n)] },
  ], damage).bytes;
}

function cut(at: (records: readonly { offset: number; size: number }[]) => number): Uint8Array {
  const { bytes, records } = oneChunk(three(undefined));
  return bytes.slice(0, at(records));
}

/** The slot of chunk 1 filled with `byte` from its first byte on, signature included. */
function overwritten(byte: number): Uint8Array {
  const file = filed({});
  const from = FILE_HEADER_SIZE + CHUNK_SIZE;
  return file.fill(byte, from, from + 4096);
}

/** A record as a crash leaves it: descriptors there, every value zero. */
function halfWritten(id: bigint): EvtxRecord {
  const { body, ...record } = event(id);
  const [node] = body;
  if (node?.kind !== "instance") throw new Error("events are written with templates");
  const values = node.values.map((value) =>
    value.kind === "bytes" ? raw(value.code, new Uint8Array(value.bytes.length)) : NULL_VALUE
  );
  return { ...record, body: [instance(node.template, values)] };
}

/** The records of which one is zero from end to end. */
function holed(all: readonly EvtxRecord[], hole: number): Uint8Array {
  const { bytes, records } = oneChunk(all);
  const { offset, size } = records[hole]!;
  return bytes.fill(0, offset, offset + size);
}

const older = [event(1n), event(2n)];

// evtx.md section 10 (column Picket) and the rows of section 18 that are about files and chunks.
const CASES: readonly Case[] = [
  {
    row: "Q1 the header counts too few chunks (18/61)",
    file: filed({ chunkCount: 1, flags: 1 }),
    ids: [1, 2, 3],
  },
  {
    row: "Q1 the next record id is stale",
    file: filed({ nextRecordId: 2n, flags: 1 }),
    ids: [1, 2, 3],
  },
  { row: "Q2 the header counts too many chunks", file: filed({ chunkCount: 9 }), ids: [1, 2, 3] },
  { row: "Q2 zero chunks at the end", file: filed({ zeroChunks: [3, 4] }), ids: [1, 2, 3] },
  {
    row: "Q3 zero chunks between and in front",
    file: filed({ zeroChunks: [0, 2] }),
    ids: [1, 2, 3],
  },
  {
    row: "Q4 a chunk with a foreign signature",
    file: filed({}, { signature: new TextEncoder().encode("ElfChnkX") }),
    ids: [1, 3],
    problems: ["chunk_magic"],
  },
  {
    row: "Q4 a zero signature with data behind",
    file: filed({}, { signature: new Uint8Array(8) }),
    ids: [1, 3],
    problems: ["chunk_magic"],
  },
  { row: "Q4 foreign data", file: overwritten(0x5a), ids: [1, 3], problems: ["chunk_magic"] },
  {
    row: "Q5 the file ends inside the third record",
    file: cut((records) => records[2]!.offset + 100),
    ids: [1, 2],
    problems: ["truncated"],
  },
  {
    row: "Q5 the file ends between records",
    file: cut((records) => records[2]!.offset),
    ids: [1, 2],
    problems: ["truncated"],
  },
  {
    row: "Q5 the file ends behind the records",
    file: cut((r) => r[2]!.offset + r[2]!.size),
    ids: [1, 2, 3],
  },
  {
    row: "Q5 trailing bytes (18/7)",
    file: filed({ trailing: new Uint8Array(1000) }),
    ids: [1, 2, 3],
  },
  { row: "18/5 a header and nothing else", file: writeEvtxFile([]).bytes, ids: [] },
  {
    row: "18/6 a header and a zero chunk",
    file: writeEvtxFile([], { zeroChunks: [0] }).bytes,
    ids: [],
  },
  { row: "a chunk without records", file: writeEvtxFile([{ records: [] }]).bytes, ids: [] },
  { row: "the header checksum of the file is wrong", file: filed({ checksum: 1 }), ids: [1, 2, 3] },
  {
    row: "Q7 wrong checksum of the records",
    file: chunked({ recordsChecksum: 1 }),
    ids: [1, 2, 3],
  },
  {
    row: "Q8 wrong checksum of the chunk header",
    file: chunked({ headerChecksum: 1 }),
    ids: [1, 2, 3],
  },
  { row: "Q9 an empty string table", file: chunked({ nameTable: 0 }), ids: [1, 2, 3] },
  {
    row: "Q9 a string table of wild offsets",
    file: chunked({ nameTable: 0xfffffff0 }),
    ids: [1, 2, 3],
  },
  {
    row: "18/53 name chains that are circles",
    file: chunked({ cyclicNames: true }),
    ids: [1, 2, 3],
  },
  {
    row: "Q10 free space offset too large",
    file: chunked({ freeSpaceOffset: 65_536 }),
    ids: [1, 2, 3],
  },
  {
    row: "Q10 free space offset and last id too large (18/8)",
    file: chunked({ freeSpaceOffset: 65_536, lastId: 103n }),
    ids: [1, 2, 3],
  },
  { row: "Q11 last id too small", file: chunked({ lastId: 1n }), ids: [1, 2, 3] },
  {
    row: "Q11 free space offset too small",
    file: chunked({ freeSpaceOffset: 512, lastId: 0n }),
    ids: [1, 2, 3],
  },
  {
    row: "Q11 slack of older records (18/60)",
    file: chunked({ slack: older }, [event(7n), event(8n)]),
    ids: [7, 8],
  },
  {
    row: "Q11 older records behind a stale free space offset",
    file: chunked({ slack: older, freeSpaceOffset: 512 }, [event(7n), event(8n)]),
    ids: [7, 8],
  },
  {
    row: "Q12 record signature overwritten",
    file: chunked({}, three({ signature: 0x12345678 })),
    ids: [1, 3],
    problems: ["record_magic"],
  },
  {
    row: "Q12 a record in sectors that were never written",
    file: holed(three(undefined), 1),
    ids: [1, 3],
    problems: ["record_magic"],
  },
  {
    row: "Q10 zeros, and behind them an older record that the header claims",
    file: holed([event(7n), event(8n), event(2n)], 1),
    ids: [7],
  },
  {
    row: "Q13 record size 0",
    file: chunked({}, three({ size: 0 })),
    ids: [1, 3],
    problems: ["record_size"],
  },
  {
    row: "Q13 record size below 28",
    file: chunked({}, three({ size: 24 })),
    ids: [1, 3],
    problems: ["record_size"],
  },
  {
    row: "a record size that is no multiple of 8",
    file: chunked({}, three({ size: 1001 })),
    ids: [1, 3],
    problems: ["record_size"],
  },
  {
    row: "Q14 a record that runs past the chunk",
    file: chunked({}, three({ size: 0x7ffffff8 })),
    ids: [1, 3],
    problems: ["record_size"],
  },
  {
    row: "Q15 size copy wrong (18/59)",
    file: chunked({}, three({ sizeCopy: 0 })),
    ids: [1, 2, 3],
    sizeCopyMismatches: 1,
  },
  {
    row: "Q16 values never written",
    file: chunked({}, [event(1n), halfWritten(2n), event(3n)]),
    ids: [1, 3],
    problems: ["partial"],
  },
  {
    row: "Q17 only a fragment header and end of stream (18/48)",
    file: chunked({}, [event(1n), { id: 2n, writtenTicks: TICKS, body: [] }, event(3n)]),
    ids: [1, 3],
    problems: ["partial"],
  },
  {
    row: "Q17 only an end of stream",
    file: chunked({}, [
      event(1n),
      { id: 2n, writtenTicks: TICKS, body: [], damage: { noFragmentHeader: true } },
      event(3n),
    ]),
    ids: [1, 3],
    problems: ["partial"],
  },
  {
    row: "Q20 ids out of order",
    file: chunked({}, [event(9n), event(2n), event(5n)]),
    ids: [9, 2, 5],
  },
  {
    row: "Q21 undefined bits in the file's flags",
    file: filed({ flags: 0x1b970000 }),
    ids: [1, 2, 3],
  },
  {
    row: "Q22 no checksums",
    file: writeEvtxFile([{
      records: three(undefined),
      damage: { flags: 5, recordsChecksum: 0, headerChecksum: 0 },
    }], { flags: 4, minorVersion: 2, checksum: 0 }).bytes,
    ids: [1, 2, 3],
  },
  {
    row: "Q30 much padding that is not zero (18/58)",
    file: chunked({}, three({ padding: new Uint8Array(963).fill(0xab) })),
    ids: [1, 2, 3],
  },
  {
    row: "a stream without its end",
    file: chunked({}, three({ noEnd: true })),
    ids: [1, 2, 3],
  },
];

for (const { row, file, ids, problems = [], sizeCopyMismatches = 0 } of CASES) {
  test(`decodeChunk(): ${row}`, () => {
    const decoded = decodeEvtx(file);
    assert.deepEqual(decoded.records.map(({ id }) => id), ids);
    assert.deepEqual(decoded.problems.map(({ reason }) => reason), problems);
    assert.equal(decoded.sizeCopyMismatches, sizeCopyMismatches);
    assert.ok(decoded.records.every(({ recovered }) => !recovered));
  });
}

// Section 10, Q6; section 18, rows 3 and 4.
const REFUSED: readonly (readonly [row: string, file: Uint8Array, code: EvtxError["code"]])[] = [
  ["empty", new Uint8Array(0), "EVTX_TOO_SHORT"],
  ["100 bytes", filed({}).slice(0, 100), "EVTX_TOO_SHORT"],
  ["4,095 bytes", filed({}).slice(0, 4095), "EVTX_TOO_SHORT"],
  [
    "wrong signature",
    filed({ signature: new TextEncoder().encode("ElfFile\x01") }),
    "EVTX_SIGNATURE",
  ],
];

for (const [row, file, code] of REFUSED) {
  test(`decodeFileHeader() refuses a file: ${row}`, () => {
    assert.throws(
      () => decodeEvtx(file),
      (error) => error instanceof EvtxError && error.code === code,
    );
  });
}

// Records that stand between two sound ones; these must come out whatever the one between is.
const tree = template("12345678-0000-4000-8000-000000000001", element("Event", {}, [normal(0, 1)]));
const twoRoots = template("12345678-0000-4000-8000-000000000002", element("A"), element("B"));

function deepElements(depth: number) {
  let node = element("E");
  for (let level = 1; level < depth; level++) node = element("E", {}, [node]);
  return node;
}

function deepFragments(depth: number) {
  const outer = template(
    "12345678-0000-4000-8000-000000000003",
    element("Event", {}, [optional(0, TYPE.fragment)]),
  );
  let node = instance(outer, [string("innermost")]);
  for (let level = 1; level < depth; level++) node = instance(outer, [fragment([node])]);
  return node;
}

const BROKEN: readonly (readonly [
  row: string,
  body: EvtxRecord["body"],
  reason: EvtxProblemReason,
])[] = [
  ["Q19 unknown token 0x73", [element("Event", {}, [bytes(0x73)])], "token"],
  ["Q19 an unknown token as the root", [bytes(0x73)], "token"],
  ["an end of element without one", [bytes(0x04)], "token"],
  ["18/46 a definition with two roots", [instance(twoRoots, [])], "token"],
  [
    "18/49 definition offset beyond the chunk",
    [{ ...instance(tree, [string("x")]), definitionOffset: 0x7fffffff }],
    "template",
  ],
  [
    "Q24 a back reference to no definition",
    [{ ...instance(tree, [string("x")]), definitionOffset: 60_000 }],
    "template",
  ],
  [
    "18/50 name offset beyond the chunk",
    [{ ...element("Event"), nameOffset: 0x7fffffff }],
    "token",
  ],
  ["18/51 600 nested elements", [deepElements(600)], "depth"],
  ["18/52 100 nested fragments", [deepFragments(100)], "depth"],
  ["18/57 type 0x22 in a descriptor", [instance(tree, [raw(0x22, [1, 2])])], "value"],
  ["section 8: a handle", [instance(tree, [raw(0x20, [1, 2, 3, 4])])], "value"],
  ["section 8: an array of binaries", [instance(tree, [raw(0x8e, [1, 2])])], "value"],
  [
    "more values claimed than fit",
    [{ ...instance(tree, [string("x")]), declaredCount: 0x10000000 }],
    "value",
  ],
  [
    "values that run past the record",
    [instance(tree, [{ kind: "bytes", code: 1, bytes: Uint8Array.of(), declaredSize: 60_000 }])],
    "value",
  ],
  [
    "section 9: an instance inside a definition",
    [instance(template("12345678-0000-4000-8000-000000000004", instance(tree, [])), [])],
    "token",
  ],
];

for (const [row, body, reason] of BROKEN) {
  test(`decodeChunk() reports one record and reads on: ${row}`, () => {
    const file = chunked({}, [event(1n), { id: 2n, writtenTicks: TICKS, body }, event(3n)]);
    const decoded = decodeEvtx(file);
    assert.deepEqual(decoded.records.map(({ id }) => id), [1, 3]);
    assert.deepEqual(decoded.problems.map((problem) => problem.reason), [reason]);
  });
}

test("decodeChunk() with `recover` also reports slack and chunks without a signature", () => {
  const slack = decodeEvtx(chunked({ slack: older }, [event(7n), event(8n)]), { recover: true });
  assert.deepEqual(slack.records.map(({ id, recovered }) => [id, recovered]), [
    [7, false],
    [8, false],
    [1, true],
    [2, true],
  ]);
  const headless = decodeEvtx(filed({}, { signature: new Uint8Array(8) }), { recover: true });
  assert.deepEqual(headless.records.map(({ id, recovered }) => [id, recovered]), [
    [1, false],
    [2, true],
    [3, false],
  ]);
});

test("Q24: a lost definition is taken from another chunk, by GUID prefix", () => {
  const lost: EvtxRecord = {
    id: 2n,
    writtenTicks: TICKS,
    body: [{ ...instance(tree, [string("found")]), definitionOffset: 60_000 }],
  };
  const whole: EvtxRecord = { id: 1n, writtenTicks: TICKS, body: [instance(tree, [uint32(5)])] };
  const { bytes } = writeEvtxFile([{ records: [whole] }, { records: [lost] }]);
  const { records, problems } = decodeEvtx(bytes);
  assert.deepEqual(problems, []);
  assert.deepEqual(records.map(({ value, recovered }) => [value, recovered]), [
    [{ Event: 5 }, false],
    [{ Event: "found", _evtx: { recovered: true } }, true],
  ]);
});

test("Q23: dependency ids may be missing in a definition or stand outside of one", () => {
  const inner = element("System", { a: "1" }, [element("Channel", {}, [normal(0, 1)])]);
  const without = {
    ...template("12345678-0000-4000-8000-000000000005", element("Event", { b: "2" }, [inner])),
    noDependencies: true,
  };
  const file = chunked({}, [
    { id: 1n, writtenTicks: TICKS, body: [instance(without, [string("x")])] },
    {
      id: 2n,
      writtenTicks: TICKS,
      body: [element("Event", { b: "2" }, [element("Channel", {}, [{ kind: "text", text: "y" }])])],
      damage: { dependencies: true },
    },
  ]);
  const { records, problems } = decodeEvtx(file);
  assert.deepEqual(problems, []);
  assert.deepEqual(records.map(({ value }) => value), [
    { Event: { "#attributes": { b: "2" }, System: { "#attributes": { a: "1" }, Channel: "x" } } },
    { Event: { "#attributes": { b: "2" }, Channel: "y" } },
  ]);
});

test("decodeChunk() never throws, whatever bytes are overwritten", () => {
  const { bytes: sound } = writeEvtxFile([
    { records: [event(1n), event(2n, { A: ["x", "y"], B: 1, C: null }), event(3n)] },
    { records: [event(4n), { id: 5n, writtenTicks: TICKS, body: [deepFragments(5)] }] },
  ]);
  const used = 6000;
  const place = fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: used })).map(([chunk, at]) =>
    FILE_HEADER_SIZE + chunk * CHUNK_SIZE + at
  );
  const overwrite = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 8 }));
  fc.assert(
    fc.property(
      fc.array(overwrite, { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      (edits, recover) => {
        const file = sound.slice();
        for (const [at, patch] of edits) file.set(patch, at);
        const started = performance.now();
        const decoded = decodeEvtx(file, { recover });
        // Two chunks of two small records; a second is a thousand times what they take.
        assert.ok(performance.now() - started < 1000);
        assert.ok(decoded.records.length <= (2 * CHUNK_SIZE) / 28);
      },
    ),
    { numRuns: 400 },
  );
});

test("decodeChunk() never throws, wherever the file ends", () => {
  const sound = filed({});
  fc.assert(fc.property(fc.integer({ min: FILE_HEADER_SIZE, max: sound.length }), (length) => {
    const { records } = decodeEvtx(sound.slice(0, length));
    assert.deepEqual(records.map(({ id }) => id), [1, 2, 3].slice(0, records.length));
  }));
});
