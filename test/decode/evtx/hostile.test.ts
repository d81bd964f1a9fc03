/**
 * What forged bytes may cost. `damage.test.ts` says what is read out of damaged files; here is that
 * no file can take more time or memory than a file of its size has a right to.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "../../../src/decode/evtx/byte_buffer.ts";
import { decodeChunk } from "../../../src/decode/evtx/decode_chunk.ts";
import { EvtxDecoder } from "../../../src/decode/evtx/decoder.ts";
import { EVTX_PROBLEM_REASONS, type EvtxProblem } from "../../../src/decode/evtx/errors.ts";
import { JsonTextWriter } from "../../../src/decode/evtx/json_text.ts";
import { toXml } from "../../../src/decode/evtx/xml.ts";
import { internField } from "../../../src/event/field.ts";
import { CHUNK_SIZE, type EvtxRecord } from "../../support/evtx_chunk.ts";
import {
  element,
  type EvtxNode,
  type EvtxTemplate,
  instance,
  normal,
  template,
} from "../../support/evtx_tree.ts";
import { ARRAY, fragment, raw, string, TYPE } from "../../support/evtx_values.ts";
import { FILE_HEADER_SIZE, oneChunk } from "../../support/evtx_writer.ts";

/** A sound chunk takes a millisecond or two; machines under load take longer. */
const LIMIT_MS = 2000;
/** What a record may become: section 9's limits and `MAX_NODES` bound it. */
const MAX_JSON_BYTES = 128 << 20;

const FIELDS = ["EventID", "Channel", "Image", "Data", "Event.System.Level", "HostApplication"]
  .map(internField);

function record(...body: readonly EvtxNode[]): EvtxRecord {
  return { id: 1n, writtenTicks: 133500000000000001n, body };
}

function guid(last: number): string {
  return `aaaaaaaa-0001-4000-8000-${last.toString(16).padStart(12, "0")}`;
}

/** Decodes a chunk and asks everything of its events; returns the largest JSON text. */
function exhaust(chunk: Uint8Array, recover = false): number {
  const problems: EvtxProblem[] = [];
  const writer = new JsonTextWriter();
  const out = new ByteBuffer();
  let largest = 0;
  const start = performance.now();
  const count = decodeChunk(
    chunk,
    0,
    new EvtxDecoder(),
    (event) => {
      for (const field of FIELDS) event.get(field);
      event.someText(() => false);
      out.clear();
      writer.append(event, out);
      largest = Math.max(largest, out.length);
      toXml(event);
      event.snapshot().toValue();
    },
    (problem) => problems.push(problem),
    { recover },
  );
  const took = performance.now() - start;
  assert.ok(took < LIMIT_MS, `took ${took} ms`);
  assert.ok(count + problems.length <= CHUNK_SIZE / 8);
  for (const { reason, offset } of problems) {
    assert.ok(EVTX_PROBLEM_REASONS.includes(reason));
    assert.ok(offset >= 0 && offset <= CHUNK_SIZE);
  }
  assert.ok(largest <= MAX_JSON_BYTES, `${largest} bytes of JSON`);
  return largest;
}

function chunkOf(...records: readonly EvtxRecord[]): Uint8Array {
  return oneChunk(records).bytes.slice(FILE_HEADER_SIZE);
}

/** A template that names its one value `times` times. */
function repeating(times: number, type: number, last = 1): EvtxTemplate {
  const uses = Array.from({ length: times }, () => element("D", {}, [normal(0, type)]));
  return template(guid(last), element("Event", {}, uses));
}

function nest(levels: number, times: number): EvtxNode {
  const value = levels === 0 ? string("x".repeat(100)) : fragment([nest(levels - 1, times)]);
  return instance(repeating(times, levels === 0 ? TYPE.string : TYPE.fragment, levels), [value]);
}

const BOMBS: readonly (readonly [string, EvtxRecord])[] = [
  [
    "one long string a thousand times",
    record(instance(repeating(1000, TYPE.string), [
      string("x".repeat(15_000)),
    ])),
  ],
  [
    "one long binary 16 times",
    record(instance(repeating(16, TYPE.binary), [
      raw(TYPE.binary, new Uint8Array(50_000)),
    ])),
  ],
  ["ten levels of ten fragments", record(nest(10, 10))],
  [
    "an array of bytes that repeats an element of many",
    record(instance(
      template(
        guid(1),
        element("Event", {}, [
          element("D", {}, [
            normal(0, ARRAY | TYPE.uint8),
            ...Array.from({ length: 500 }, () => element("E")),
          ]),
        ]),
      ),
      [raw(ARRAY | TYPE.uint8, new Uint8Array(30_000))],
    )),
  ],
  [
    "named Data repeated by an array",
    record(instance(
      template(
        guid(1),
        element("Event", {}, [
          element("EventData", {}, [
            element("Data", { Name: "a" }, [normal(0, ARRAY | TYPE.string)]),
          ]),
        ]),
      ),
      [raw(ARRAY | TYPE.string, new Uint8Array(50_000))],
    )),
  ],
];

for (const [name, bomb] of BOMBS) {
  test(`a record cannot expand without bound: ${name}`, () => {
    exhaust(chunkOf(bomb));
  });
}

test("many records cannot expand to more together than a few of them", () => {
  const bombs = Array.from(
    { length: 150 },
    (_, at) => ({ ...record(nest(6, 8)), id: BigInt(at + 1) }),
  );
  exhaust(chunkOf(...bombs.slice(0, 120)));
});

test("definitions that overlap are compiled to a bounded length", () => {
  // Every record claims a definition of its own, and each covers most of the chunk.
  const chunk = chunkOf(...Array.from({ length: 300 }, (_, at) => ({
    ...record(instance(repeating(4, TYPE.string, at + 1), [string("")])),
    id: BigInt(at + 1),
  })));
  const view = new DataView(chunk.buffer);
  for (let at = 512; at + 64 < chunk.length && view.getUint32(at, true) === 0x2a2a;) {
    // Record header 24, fragment header 4, instance header 10, then next offset and GUID.
    const size = at + 24 + 4 + 10 + 20;
    view.setUint32(size, CHUNK_SIZE - size - 4, true);
    at += view.getUint32(at + 4, true);
  }
  exhaust(chunk);
});

test("a chunk of records of the least size is walked in linear time", () => {
  const chunk = chunkOf(record(element("Event")));
  const view = new DataView(chunk.buffer);
  for (let at = 512; at + 32 <= CHUNK_SIZE; at += 32) {
    view.setUint32(at, 0x2a2a, true);
    view.setUint32(at + 4, at % 64 === 0 ? 32 : 0, true);
    view.setUint32(at + 20, 0x01d0_0000, true);
    view.setUint32(at + 28, 32, true);
  }
  exhaust(chunk, true);
});

const SOUND = chunkOf(
  ...[1n, 2n, 3n].map((id) => ({
    ...record(instance(
      template(
        guid(7),
        element("Event", {}, [
          element("System", {}, [element("EventID", {}, [normal(0, TYPE.uint16)])]),
          normal(1, TYPE.fragment),
        ]),
      ),
      [
        raw(TYPE.uint16, [1, 0]),
        fragment([instance(
          template(
            guid(8),
            element("EventData", {}, [
              element("Data", { Name: "Image" }, [normal(0, TYPE.string)]),
            ]),
          ),
          [string("C:\\a.exe")],
        )]),
      ],
    )),
    id,
  })),
);

test("decodeChunk() comes to an end on any bytes behind a chunk's signature", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), fc.boolean(), (bytes, recover) => {
    const chunk = new Uint8Array(CHUNK_SIZE);
    chunk.set(SOUND.subarray(0, 512));
    chunk.set(bytes, 512);
    exhaust(chunk, recover);
  }));
});

test("decodeChunk() comes to an end on any bytes in place of records' insides", () => {
  const place = fc.tuple(fc.integer({ min: 512, max: 1800 }), fc.uint8Array({ maxLength: 16 }));
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 4 }), (places) => {
      const chunk = SOUND.slice();
      for (const [at, bytes] of places) chunk.set(bytes, at);
      exhaust(chunk);
    }),
    { numRuns: 300 },
  );
});
