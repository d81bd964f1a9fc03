import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { ByteBuffer } from "../../../src/decode/evtx/byte_buffer.ts";
import { decodeChunkHeader, verifyChunk } from "../../../src/decode/evtx/chunk_header.ts";
import type { EvtxProblemReason } from "../../../src/decode/evtx/errors.ts";
import { decodeFileHeader } from "../../../src/decode/evtx/file_header.ts";
import { JsonTextWriter } from "../../../src/decode/evtx/json_text.ts";
import { toXml } from "../../../src/decode/evtx/xml.ts";
import { internField } from "../../../src/event/field.ts";
import { jsonText } from "../../../src/event/json_text.ts";
import { lookup } from "../../../src/event/lookup.ts";
import { isObject, type Value, type ValueObject } from "../../../src/event/value.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";

const CORPUS = fileURLToPath(new URL("../../../../shared/corpus/", import.meta.url));
const PARSER = `${CORPUS}evtx/parser/`;
const options = existsSync(PARSER) ? {} : { skip: `no corpus at ${CORPUS}` };

function load(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

function filesBelow(folder: string, suffix: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(path).isDirectory()) return filesBelow(path, suffix);
    return path.endsWith(suffix) ? [path] : [];
  });
}

/**
 * Section 17: file, records, problems by reason. Where our numbers are not those of the reference, it
 * loses the rest of a chunk that we find again (RdpCoreTS 1,910, RemoteConnectionManager 1,774,
 * zero data size 335, bad chunk magic 270), or it returns a record whose values were never written
 * (HelloForBusiness 6, and one of bad chunk magic).
 */
const COUNTS: readonly (readonly [
  file: string,
  records: number,
  problems: Readonly<Partial<Record<EvtxProblemReason, number>>>,
])[] = [
  ["security.evtx", 2261, {}],
  ["security_bad_string_cache.evtx", 2261, {}],
  ["system.evtx", 1881, {}],
  ["sysmon.evtx", 358, { chunk_magic: 8 }],
  ["2-vss_7-System.evtx", 1160, {}],
  ["Application_no_crc32.evtx", 17, {}],
  ["post-Security.evtx", 126, {}],
  ["sample-with-irregular-bool-values.evtx", 3028, {}],
  ["sample-with-zero-data-size-event.evtx", 449, { record_size: 1 }],
  ["sample_with_a_bad_chunk_magic.evtx", 300, { chunk_magic: 2, partial: 1, record_magic: 1 }],
  [
    "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational.evtx",
    1973,
    { value: 2, record_magic: 2 },
  ],
  [
    "2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational.evtx",
    1795,
    { token: 1, record_magic: 1 },
  ],
  ["2-system-Microsoft-Windows-LiveId%4Operational.evtx", 399, {}],
  [
    "E_ShadowCopy6_windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational.evtx",
    459,
    {},
  ],
  ["E_Windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational.evtx", 340, {}],
  ["E_Windows_system32_winevt_logs_Microsoft-Windows-Shell-Core%4Operational.evtx", 1146, {}],
  ["Microsoft-Windows-HelloForBusiness%4Operational.evtx", 5, { partial: 1 }],
  ["Microsoft-Windows-LanguagePackSetup%4Operational.evtx", 17, {}],
  ["MSExchange_Management_wec.evtx", 1, {}],
  ["issue_201.evtx", 1, {}],
  ["new-user-security.evtx", 4, {}],
  ["Security_short_selected.evtx", 7, {}],
  ["Security_with_size_t.evtx", 636, {}],
];

for (const [file, records, problems] of COUNTS) {
  test(`decodeChunk() finds ${records} records in ${file}`, options, () => {
    const decoded = decodeEvtx(load(PARSER + file));
    const counts: Partial<Record<EvtxProblemReason, number>> = {};
    for (const { reason } of decoded.problems) counts[reason] = (counts[reason] ?? 0) + 1;
    assert.equal(decoded.records.length, records);
    assert.deepEqual(counts, problems);
  });
}

test("18/9: a corrupt string table changes nothing", options, () => {
  const [good, bad] = ["security.evtx", "security_bad_string_cache.evtx"].map((file) =>
    decodeEvtx(load(PARSER + file)).records.map(({ value }) => value)
  );
  assert.deepEqual(bad, good);
});

test("18/1, 18/2: headers of security.evtx", options, () => {
  const file = load(`${PARSER}security.evtx`);
  const header = decodeFileHeader(file);
  const { firstChunk, lastChunk, nextRecordId, headerSize, blockSize, chunkCount } = header;
  assert.deepEqual([firstChunk, lastChunk, nextRecordId, headerSize, blockSize, chunkCount], [
    0,
    25,
    2226,
    128,
    4096,
    26,
  ]);
  assert.deepEqual([header.majorVersion, header.minorVersion, header.dirty], [3, 1, true]);
  assert.ok(header.checksumValid);
  const chunk = file.subarray(4096, 4096 + 65536);
  const decoded = decodeChunkHeader(chunk);
  assert.deepEqual(
    [decoded.firstRecordNumber, decoded.lastRecordNumber, decoded.firstRecordId],
    [1, 91, 1],
  );
  assert.deepEqual([decoded.lastRecordId, decoded.headerSize], [91, 128]);
  assert.deepEqual([decoded.lastRecordOffset, decoded.freeSpaceOffset], [64928, 65376]);
  assert.deepEqual([decoded.dataChecksum, decoded.headerChecksum], [4252479141, 978805790]);
  assert.deepEqual(verifyChunk(chunk), { header: true, data: true });
  const changed = chunk.slice();
  changed[600]! ^= 1;
  assert.deepEqual(verifyChunk(changed), { header: true, data: false });
  changed[130]! ^= 1;
  assert.deepEqual(verifyChunk(changed), { header: false, data: false });
});

/** Section 14.5: file, record, path, value. */
const EXAMPLES: readonly (readonly [file: string, id: number, path: string, value: Value])[] = [
  ["security.evtx", 1, "Event.System.Keywords", "0x8020000000000000"],
  ["security.evtx", 1, "Event.System.Correlation", null],
  ["security.evtx", 1, "Event.EventData", null],
  ["security.evtx", 1, "Event.System.Execution", {
    "#attributes": { ProcessID: 456, ThreadID: 460 },
  }],
  [
    "security.evtx",
    1,
    "Event.System.TimeCreated",
    { "#attributes": { SystemTime: "2016-07-08T18:12:51.681640Z" } },
  ],
  ["system.evtx", 1, "Event.EventData", {
    Data: { "#text": ["10.00.", "15063", "", "Multiprocessor Free", "0"] },
    Binary: null,
  }],
  ["system.evtx", 2, "Event.EventData", {
    Data: { "#text": "" },
    Binary: "E107070003000C00110010001C00D6000000000000000000",
  }],
  ["system.evtx", 46, "Event.UserData.UMDFReflectorDependencyMissing.Dependency", "WUDFPf"],
  ["sysmon.evtx", 1742, "Event.EventData.CommandLine", "ping  -n 6 127.0.0.1 "],
  ["sysmon.evtx", 1742, "Event.EventData.ProcessGuid", "94F748D5-4A45-5A42-0000-0010D265F20F"],
  ["sysmon.evtx", 1742, "Event.EventData.LogonId", "0x3e7"],
  ["sample-with-irregular-bool-values.evtx", 2, "Event.EventData", {
    IsServiceRestart: false,
    IsMachineBoot: true,
  }],
  ["MSExchange_Management_wec.evtx", 1, "Event.System.EventID.#attributes.Qualifiers", "16384"],
  ["Security_with_size_t.evtx", 196, "Event.EventData.HandleId", "0x7eec"],
  ["Security_with_size_t.evtx", 196, "Event.EventData.OldSd", ""],
];

for (const [file, id, path, expected] of EXAMPLES) {
  test(`14.5: ${file} record ${id} has ${path}`, options, () => {
    const record = decodeEvtx(load(PARSER + file)).records.find((each) => each.id === id);
    const value = lookup(record?.value ?? null, internField(path));
    assert.deepEqual(value, expected);
  });
}

test("every event of the corpus reads the same as object, JSON text and by field", options, () => {
  const out = new ByteBuffer();
  const decoder = new TextDecoder();
  let events = 0;
  for (const path of filesBelow(CORPUS, ".evtx")) {
    // One for each decoder, whose layouts it knows by number.
    const writer = new JsonTextWriter();
    const { sizeCopyMismatches } = decodeEvtx(load(path), {}, (event) => {
      events++;
      const projection = event.toValue();
      if (events % 5 === 0) assert.match(toXml(event), /^<Event[ >][^]*<\/Event>$/);
      for (const [name, value] of namedData(projection)) {
        assert.deepEqual(event.get(internField(`Event.EventData.${name}`)), value, name);
        if (!RESERVED.has(name)) assert.deepEqual(event.get(internField(name)), value, name);
      }
      out.clear();
      writer.append(event, out);
      assert.equal(decoder.decode(out.written()), jsonText(projection));
    });
    assert.ok(sizeCopyMismatches <= 4, path);
  }
  assert.ok(events > 24_000, `${events} events`);
});

const RESERVED: ReadonlySet<string> = new Set([
  "EventID",
  "Version",
  "Level",
  "Task",
  "Opcode",
  "Keywords",
  "EventRecordID",
  "Channel",
  "Computer",
  "Data",
]);

function namedData(projection: ValueObject): readonly (readonly [string, Value])[] {
  const root = projection["Event"];
  const data = isObject(root) ? root["EventData"] : undefined;
  return isObject(data) ? Object.entries(data).filter(([name]) => !/^#|[.[\]\\]/.test(name)) : [];
}

test(
  "decodeEvtx() comes to an end on a real log with bits flipped or its end cut off",
  options,
  () => {
    const file = load(`${PARSER}sysmon.evtx`).subarray(0, 4096 + 2 * 65536);
    const sound = decodeEvtx(file).records.length;
    const flip = fc.tuple(fc.integer({ min: 4096, max: file.length - 1 }), fc.nat({ max: 7 }));
    const damage = fc.array(flip, { maxLength: 20 });
    const size = fc.oneof(fc.constant(file.length), fc.integer({ min: 4096, max: file.length }));
    fc.assert(
      fc.property(damage, size, (flips, length) => {
        const damaged = file.slice(0, length);
        for (const [at, bit] of flips) if (at < length) damaged[at]! ^= 1 << bit;
        const begin = performance.now();
        const { records, problems } = decodeEvtx(damaged, { recover: true });
        assert.ok(performance.now() - begin < 2000);
        for (const { offset } of problems) assert.ok(offset <= length);
        if (flips.length === 0 && length === file.length) assert.ok(records.length >= sound);
      }),
      { numRuns: 150 },
    );
  },
);

/** Files whose JSON is not what the EVTX beside it says; evtx_dump agrees with us there. */
const EDITED_BY_HAND = "ad691d92-15f2-4181-9aa4-723c74f9ddc3.json";

test("events say what SigmaHQ's JSON beside them says", options, () => {
  let files = 0;
  for (const path of filesBelow(`${CORPUS}regression`, ".json")) {
    const evtx = path.replace(/\.json$/, ".evtx");
    if (!existsSync(evtx) || path.endsWith(EDITED_BY_HAND)) continue;
    const expected = objectsOf(readFileSync(path, "utf8"));
    const { records } = decodeEvtx(load(evtx));
    assert.deepEqual(records.map(({ value }) => comparable(value)), expected.map(comparable), path);
    files++;
  }
  assert.ok(files > 80, `${files} files`);
});

/** Some of the files hold several objects, one after another. */
function objectsOf(text: string): Value[] {
  const objects: Value[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const end = endOfObject(rest);
    objects.push(JSON.parse(rest.slice(0, end)) as Value);
    rest = rest.slice(end).trim();
  }
  return objects;
}

function endOfObject(text: string): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") depth++;
    if (token === "}" && --depth === 0) return index + 1;
  }
  return text.length;
}

/** Section 14.1: those files have trailing white space trimmed, and times with other digits. */
function comparable(value: Value): Value {
  if (typeof value === "string") {
    return value.trim().replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d*Z$/, "$1Z");
  }
  if (Array.isArray(value)) return (value as readonly Value[]).map(comparable);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, comparable(each)]));
}
