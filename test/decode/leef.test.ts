import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "../../src/decode/errors.ts";
import { decodeLeef, isLeef } from "../../src/decode/leef.ts";
import { internField } from "../../src/event/field.ts";
import { leefLine } from "../arbitraries/key_value.ts";
import { assertLinear } from "../support/linear.ts";

const HEADER = {
  deviceVendor: "M",
  deviceProduct: "P",
  deviceVersion: "1",
  eventId: "99",
};
const V1 = "LEEF:1.0|M|P|1|99|";
const V2 = "LEEF:2.0|M|P|1|99|";

type Row = readonly [line: string, fields: Readonly<Record<string, string>>];

// IBM, "QRadar Log Event Extended Format (LEEF) Guide", "LEEF event components".
const ROWS: readonly Row[] = [
  [`${V1}src=1.2.3.4\tdst=5.6.7.8\tsev=5`, { src: "1.2.3.4", dst: "5.6.7.8", sev: "5" }],
  [`Jan 18 11:07:53 host ${V1}src=1.2.3.4`, { src: "1.2.3.4" }],
  [`${V1}`, {}],
  [`${V1} \t `, {}],
  [`${V1}url=http://e.com/?a=b&c=d\tx=`, { url: "http://e.com/?a=b&c=d", x: "" }],
  [`${V1}msg=two words\tcat= Größe `, { msg: "two words", cat: "Größe" }],
  [`${V1}msg=with\ttab\tcat=x`, { msg: "with\ttab", cat: "x" }],
  [`${V1}free text\tcat=x`, { _raw: "free text", cat: "x" }],
  [`${V1}=x\tcat=y`, { _raw: "=x", cat: "y" }],
  [`${V1}a|b=c|d\te=f`, { "a|b": "c|d", e: "f" }],
  [`${V2}^|src=1^msg=a=b c^d`, { src: "1", msg: "a=b c^d" }],
  [`${V2}x5E|src=1^cat=a\tb`, { src: "1", cat: "a\tb" }],
  [`${V2}0x5e|src=1^cat=a`, { src: "1", cat: "a" }],
  [`${V2}x7C|src=1|cat=a`, { src: "1", cat: "a" }],
  [`${V2}^|src=1^^cat=a^`, { src: "1", cat: "a" }],
  [`${V2}||src=1|cat=a`, { "|src": "1|cat=a" }], // No delimiter, then a key of its own making.
  [`${V2}x09|src=1\tcat=a`, { src: "1", cat: "a" }],
  [`${V2}|src=1\tcat=a`, { src: "1", cat: "a" }],
  [`${V2}😀|src=1😀cat=a`, { src: "1", cat: "a" }],
  [`${V2}src=1\tcat=a`, { src: "1", cat: "a" }], // The delimiter's part left out.
  [`${V2}src=1|2\tcat=a`, { src: "1|2", cat: "a" }],
  [`${V2}^|src=1 cat=a`, { src: "1 cat=a" }], // A delimiter that is stated is believed.
  // Devices that write blanks where the format has tabs.
  [`${V1}src=1.2.3.4 msg=two words dst=5`, { src: "1.2.3.4", msg: "two words", dst: "5" }],
  [`${V1}src=1 url=http://e.com/?a=b&c=d x=`, { src: "1", url: "http://e.com/?a=b&c=d", x: "" }],
  [`${V1}free text src=1 dst=2`, { _raw: "free text", src: "1", dst: "2" }],
  [`${V2}|src=1 dst=2`, { src: "1", dst: "2" }],
];

for (const [line, fields] of ROWS) {
  test(`decodeLeef() ${JSON.stringify(line)}`, () => {
    const leef_version = /LEEF:(\d\.\d)/.exec(line)![1]!;
    assert.deepEqual(decodeLeef(line).toValue(), { leef_version, ...HEADER, ...fields });
  });
}

const ERRORS: readonly (readonly [line: string, code: string, message: RegExp])[] = [
  ["disk full", "DECODE_LEEF_HEADER", /no "LEEF:"/],
  ["LEEF:1.0|M|P|1|99", "DECODE_LEEF_HEADER", /4 of 5 pipes/],
  ["LEEF:", "DECODE_LEEF_HEADER", /0 of 5 pipes/],
  ["LEEF:x|M|P|1|99|", "DECODE_LEEF_VERSION", /version "x"/],
  ["LEEF:|M|P|1|99|", "DECODE_LEEF_VERSION", /version ""/],
  [`LEEF:${"1".repeat(99)}|M|P|1|99|`, "DECODE_LEEF_VERSION", /version "1{20}"/],
];

for (const [line, code, message] of ERRORS) {
  test(`decodeLeef() ${JSON.stringify(line.slice(0, 30))} is ${code}`, () => {
    assert.throws(() => decodeLeef(line), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("decodeLeef() versions are numbers with or without a fraction", () => {
  for (const [written, version] of [["1", "1"], [" 1.0 ", "1.0"], ["2.0", "2.0"], ["3", "3"]]) {
    const event = decodeLeef(`LEEF:${written}|M|P|1|99|src=1\tdst=2`);
    assert.equal(event.get(internField("leef_version")), version);
    assert.equal(event.get(internField("dst")), "2");
  }
});

test("decodeLeef() the header hides an attribute, which answers to its long name", () => {
  const event = decodeLeef(`${V1}eventId=inner\tsrc=a\tsrc=b`);
  assert.equal(event.get(internField("eventId")), "99");
  assert.equal(event.get(internField("leef.ext.eventId")), "inner");
  assert.equal(event.get(internField("src")), "a");
});

test("decodeLeef() reads what was written", () => {
  fc.assert(fc.property(leefLine, ({ line, fields }) => {
    const event = decodeLeef(line);
    assert.deepEqual(event.topKeys!()!.slice(0, fields.length), fields.map(([name]) => name));
    const first = new Map(fields.toReversed());
    for (const [name, text] of first) assert.equal(event.get(internField(name)), text);
  }));
});

test("isLeef() looks at the start of a line", () => {
  assert.ok(isLeef(V1));
  for (const text of ["LEEF:x|", "leef:1.0|", " LEEF:1.0|", "CEF:0|"]) assert.ok(!isLeef(text));
});

for (const piece of ["=", "\\", "\t", " ", "a=b ", "a=b\t", "|", " a", " a=", "a=b\tc\t"]) {
  for (const head of [V1, V2]) {
    const name = `${head.slice(0, 8)} ${JSON.stringify(piece)}`;
    test(`decodeLeef() takes a time in proportion to repeated ${name}`, () => {
      assertLinear(piece, 1 << 20, (size) => head + piece.repeat(size / piece.length), (line) => {
        assert.equal(decodeLeef(line).get(internField("eventId")), "99");
      });
    });
  }
}
