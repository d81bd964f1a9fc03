import assert from "node:assert/strict";
import { test } from "node:test";
import { internField } from "../../../src/event/field.ts";
import type { Value } from "../../../src/event/value.ts";
import { decodeEvtx } from "../../support/evtx_decode.ts";
import { type DataField, eventRecord, guidOf } from "../../support/evtx_event.ts";
import {
  bytes,
  element,
  type EvtxNode,
  instance,
  normal,
  optional,
  template,
  text,
} from "../../support/evtx_tree.ts";
import * as evtx from "../../support/evtx_values.ts";
import { type EvtxValue, NULL_VALUE, raw } from "../../support/evtx_values.ts";
import { oneChunk } from "../../support/evtx_writer.ts";

const TICKS = 133500000000000001n;

/** What the only record of a file with this body reads as. */
function read(body: readonly EvtxNode[]): Value | undefined {
  const { records, problems } = decodeEvtx(oneChunk([{ id: 1n, writtenTicks: TICKS, body }]).bytes);
  assert.deepEqual(problems, []);
  return records[0]?.value;
}

function instanceOf(root: EvtxNode, values: readonly EvtxValue[]): EvtxNode {
  return instance(template(guidOf(JSON.stringify(root)), root), values);
}

// evtx.md section 18, and section 8 for the types without a row.
const VALUES: readonly (readonly [row: string, value: EvtxValue, expected: Value])[] = [
  ["14 SID", raw(0x13, [1, 1, 0, 0, 0, 0, 0, 5, 0x12, 0, 0, 0]), "S-1-5-18"],
  [
    "15 SID of an account",
    evtx.sid("S-1-5-21-1223297778-3299746493-1462173606-500"),
    "S-1-5-21-1223297778-3299746493-1462173606-500",
  ],
  ["SID of 4 bytes", raw(0x13, [1, 1, 0, 0]), "S-?"],
  ["SID that claims more than it has", raw(0x13, [1, 9, 0, 0, 0, 0, 0, 5, 7, 0, 0, 0]), "S-1-5-7"],
  [
    "16 GUID",
    raw(0x0f, [
      ...[0x25, 0x96, 0x84, 0x54, 0x78, 0x54, 0x94, 0x49],
      ...[0xa5, 0xba, 0x3e, 0x3b, 0x03, 0x28, 0xc3, 0x0d],
    ]),
    "54849625-5478-4994-A5BA-3E3B0328C30D",
  ],
  ["17 FILETIME 0", evtx.fileTime(0n), "1601-01-01T00:00:00.000000Z"],
  ["18 FILETIME", evtx.fileTime(133500000000000001n), "2024-01-17T21:20:00.000000Z"],
  ["19 FILETIME of all ones", evtx.fileTime(-1n), "18446744073709551615"],
  ["FILETIME beyond the year 9999", evtx.fileTime(1n << 62n), "4611686018427387904"],
  [
    "20 SYSTEMTIME all zero",
    evtx.systemTime([0, 0, 0, 0, 0, 0, 0, 0]),
    "1601-01-01T00:00:00.000000Z",
  ],
  [
    "21 SYSTEMTIME month 13",
    evtx.systemTime([2024, 13, 1, 1, 0, 0, 0, 0]),
    "E8070D00010001000000000000000000",
  ],
  ["22 HexInt32 0", evtx.hexInt32(0), "0x0"],
  ["22 HexInt32", evtx.hexInt32(0x3e7), "0x3e7"],
  ["23 HexInt64", evtx.hexInt64(0x8020000000000000n), "0x8020000000000000"],
  ["24 bool 0x10", evtx.bool(0x10), true],
  ["24 bool 0x10000", evtx.bool(0x10000), true],
  ["bool 0", evtx.bool(0), false],
  ["25 binary", evtx.binary([0xde, 0xad]), "DEAD"],
  ["26 string with a NUL inside", raw(0x01, [0x41, 0, 0, 0, 0x42, 0]), "A"],
  ["27 string of 3 bytes", raw(0x01, [0x41, 0, 0x42]), "A"],
  ["28 ANSI", raw(0x02, [0xe9, 0, 0x41]), "éA"],
  ["30 string array of one", evtx.stringArray(["x"]), "x"],
  ["31 string array of none", evtx.stringArray([]), ""],
  ["29 string array", evtx.stringArray(["a", "", "b"]), ["a", "", "b"]],
  ["32 string array without its last NUL", raw(0x81, [0x61, 0, 0, 0, 0x62, 0]), ["a", "b"]],
  ["array of UInt32", evtx.arrayOf([evtx.uint32(1), evtx.uint32(2)], 0x08), [1, 2]],
  ["array of HexInt64", evtx.arrayOf([evtx.hexInt64(1n), evtx.hexInt64(2n)], 0x15), ["0x1", "0x2"]],
  [
    "array of SIDs",
    evtx.arrayOf([evtx.sid("S-1-5-18"), evtx.sid("S-1-1-0")], 0x13),
    ["S-1-5-18", "S-1-1-0"],
  ],
  ["42 empty string", evtx.string(""), ""],
  ["string of a terminator only", evtx.string("", true), ""],
  ["trailing blanks stay", evtx.string("ping  -n 6 127.0.0.1 ", true), "ping  -n 6 127.0.0.1 "],
  ["62 UInt64 of all ones", evtx.uint64(18446744073709551615n), 18446744073709551615n],
  ["UInt64 of 2^53 + 1", evtx.uint64(9007199254740993n), 9007199254740993n],
  ["Int64 below -2^53", evtx.int64(-9007199254740993n), -9007199254740993n],
  ["63 astral character", evtx.string("😀"), "😀"],
  ["64 lone surrogate", evtx.string("a\ud800b"), "a\ud800b"],
  ["size_t of 4 bytes", evtx.sizeT(0x858n, 4), "0x858"],
  ["size_t of 8 bytes", evtx.sizeT(0x858n, 8), "0x858"],
  ["real32", evtx.real32(0.1), "0.1"],
  ["real64", evtx.real64(1.5), "1.5"],
  // Section 10, Q18.
  ["Q18 UInt32 of two bytes", raw(0x08, [1, 2]), ""],
  ["Q18 UInt32 of eight bytes", raw(0x08, [1, 0, 0, 0, 9, 9, 9, 9]), 1],
  ["Q18 GUID of nothing", raw(0x0f, []), ""],
  ["43 eight bytes of type 0", raw(0x00, [1, 2, 3, 4, 5, 6, 7, 8]), ""],
];

for (const [row, value, expected] of VALUES) {
  test(`a Data value reads as expected, and so does the next one: ${row}`, () => {
    const data: DataField[] = [["A", value], ["Next", evtx.string("next")]];
    const event = eventRecord({
      channel: "Application",
      provider: "P",
      eventId: 1,
      time: "2024-01-17T21:20:00Z",
      computer: "c",
      data,
    }, 1n);
    const decoded = decodeEvtx(oneChunk([event]).bytes, {}, (record) => {
      const found = record.get(internField("A"));
      assert.deepEqual(found, expected);
      assert.equal(record.get(internField("Next")), "next");
    });
    assert.deepEqual(decoded.problems, []);
    const [record] = decoded.records;
    assert.deepEqual((record!.value as { Event: { EventData: Value } }).Event.EventData, {
      A: expected,
      Next: "next",
    });
  });
}

const slot = normal(0, 0x01);
const name = (value: string, ...content: readonly EvtxNode[]) =>
  element("Data", { Name: value }, content);
const unnamed = (...content: readonly EvtxNode[]) => element("Data", {}, content);
const eventData = (...content: readonly EvtxNode[]) => element("EventData", {}, content);
const header = (value: string) => element("Header", {}, [text(value)]);
const entity = (value: string): EvtxNode => ({ kind: "entityRef", name: value });
const nested = element("Inner", {}, [text("i")]);
const string = (value: string) => evtx.string(value);

// Section 18, rows 33 to 56, sections 9 and 14. The body of a record and what it reads as.
const TREES: readonly (readonly [row: string, body: readonly EvtxNode[], expected: Value])[] = [
  [
    "33 two Data of one name (Q31)",
    [eventData(name("A", text("1")), name("A", text("2")))],
    { EventData: { A: ["1", "2"] } },
  ],
  [
    "34 a Data without a name beside a named one",
    [eventData(name("A", text("1")), unnamed(text("2")))],
    { EventData: { A: "1" } },
  ],
  [
    "35 three unnamed Data",
    [eventData(unnamed(text("x")), unnamed(), unnamed(text("z")))],
    { EventData: { Data: { "#text": ["x", "", "z"] } } },
  ],
  [
    "a sole unnamed Data",
    [eventData(unnamed(text("x")))],
    { EventData: { Data: { "#text": "x" } } },
  ],
  [
    "36 attribute and numeric text",
    [instanceOf(element("E", { Qualifiers: "32768" }, [normal(0, 6)]), [evtx.uint16(6009)])],
    { E: { "#attributes": { Qualifiers: "32768" }, "#text": 6009 } },
  ],
  [
    "37 all attributes empty, no content",
    [element("R", {}, [element("E", { A: "" })])],
    { R: { E: null } },
  ],
  [
    "38 three siblings of one name",
    [element("R", {}, [header("a"), header("b"), header("c")])],
    { R: { Header: "a", Header_1: "b", Header_2: "c" } },
  ],
  [
    "39 entity references",
    [element("R", {}, ["quot", "amp", "lt", "gt", "apos", "nbsp"].map(entity))],
    { R: "\"&<>'&nbsp;" },
  ],
  [
    "40 substitution 99 of 1",
    [instanceOf(element("R", {}, [element("A", {}, [normal(99, 1)]), header("h")]), [string("x")])],
    { R: { A: null, Header: "h" } },
  ],
  [
    "41 optional substitution of null in an attribute",
    [
      instanceOf(element("R", {}, [element("E", { A: optional(0, 1), B: "b" })]), [NULL_VALUE]),
    ],
    { R: { E: { "#attributes": { B: "b" } } } },
  ],
  [
    "42 normal substitution of an empty string in Data",
    [instanceOf(eventData(name("A", slot)), [string("")])],
    { EventData: { A: "" } },
  ],
  [
    "44 nested value with a fragment header",
    [instanceOf(element("R", {}, [optional(0, 0x21)]), [evtx.fragment([nested])])],
    { R: { Inner: "i" } },
  ],
  [
    "44 nested value without a fragment header",
    [instanceOf(element("R", {}, [optional(0, 0x21)]), [evtx.fragment([nested], false)])],
    { R: { Inner: "i" } },
  ],
  [
    "45 nested value of size 0",
    [instanceOf(element("R", {}, [element("A", {}, [optional(0, 0x21)])]), [raw(0x21, [])])],
    { R: { A: null } },
  ],
  ["47 a record with two roots (Q29)", [header("first"), header("second")], { Header: "first" }],
  [
    "54 CDATA",
    [element("R", {}, [{ kind: "cdata", text: "x<y" }])],
    { R: "x<y" },
  ],
  ["55 character reference", [element("R", {}, [{ kind: "charRef", unit: 0x41 }])], { R: "A" }],
  [
    "56 processing instruction in content",
    [element("R", {}, [{ kind: "instruction", target: "p", data: "d" }, text("t")])],
    { R: "t" },
  ],
  [
    "an array in a sole unnamed Data",
    [instanceOf(eventData(unnamed(optional(0, 0x81))), [evtx.stringArray(["a", "", "b"])])],
    { EventData: { Data: { "#text": ["a", "", "b"] } } },
  ],
  [
    "an array of one in a sole unnamed Data",
    [instanceOf(eventData(unnamed(optional(0, 0x81))), [evtx.stringArray(["x"])])],
    { EventData: { Data: { "#text": "x" } } },
  ],
  [
    "an array of none in a sole unnamed Data",
    [instanceOf(eventData(unnamed(optional(0, 0x81))), [evtx.stringArray([])])],
    { EventData: { Data: { "#text": "" } } },
  ],
  [
    "an array repeats the element that holds it",
    [instanceOf(element("R", {}, [element("A", {}, [normal(0, 0x81)])]), [
      evtx.stringArray(["x", "y"]),
    ])],
    { R: { A: "x", A_1: "y" } },
  ],
  [
    "the descriptor's type governs (section 7.5)",
    [instanceOf(element("R", {}, [normal(0, 0x10)]), [evtx.hexInt64(5n)])],
    { R: "0x5" },
  ],
  [
    "Q26 names of different case",
    [element("R", {}, [element("a", {}, [text("1")]), element("A", {}, [text("2")])])],
    { R: { a: "1", A: "2" } },
  ],
  [
    "bit 0x40 of text changes nothing",
    [element("R", {}, [{ kind: "text", text: "a", more: true }, entity("amp"), text("b")])],
    { R: "a&b" },
  ],
  [
    "a name that Object.prototype has",
    [element("R", {}, [
      element("__proto__", {}, [text("x")]),
      element("toString", {}, [text("y")]),
    ])],
    Object.fromEntries([["R", Object.fromEntries([["__proto__", "x"], ["toString", "y"]])]]),
  ],
  [
    "a value text of another type than string (section 5.4)",
    [element("R", {}, [bytes(0x05, 0x08, 7, 0, 0, 0)])],
    { R: 7 },
  ],
];

for (const [row, body, expected] of TREES) {
  test(`a record reads as expected: ${row}`, () => {
    assert.deepEqual(read(body), expected);
  });
}

test("row 34: the view offers unnamed Data beside named ones", () => {
  const body = [
    element("Event", {}, [eventData(name("A", text("1")), unnamed(text("2")))]),
  ];
  const { records } = decodeEvtx(
    oneChunk([{ id: 1n, writtenTicks: TICKS, body }]).bytes,
    {},
    (event) => {
      assert.deepEqual(event.get(internField("Data")), ["2"]);
      assert.equal(event.get(internField("A")), "1");
    },
  );
  assert.equal(records.length, 1);
});
