import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeCef, isCef } from "../../src/decode/cef.ts";
import { DecodeError } from "../../src/decode/errors.ts";
import { internField } from "../../src/event/field.ts";
import { cefLine } from "../arbitraries/key_value.ts";
import { assertLinear } from "../support/linear.ts";

const HEAD = "CEF:0|Sec|IDS|1.0|100|Attack|9|";
const HEADER = {
  cef_version: "0",
  deviceVendor: "Sec",
  deviceProduct: "IDS",
  deviceVersion: "1.0",
  signatureId: "100",
  name: "Attack",
  severity: "9",
};

// inputs.md, section 8: the extension behind a usual header.
const EXTENSIONS: readonly (readonly [text: string, fields: Readonly<Record<string, string>>])[] = [
  [
    "src=10.0.0.1 msg=Two words dst=1.2.3.4",
    { src: "10.0.0.1", msg: "Two words", dst: "1.2.3.4" },
  ],
  [String.raw`request=https://e.com?foo\=bar`, { request: "https://e.com?foo=bar" }],
  [String.raw`path=C:\\Windows`, { path: "C:\\Windows" }],
  ["", {}],
  ["   ", {}],
  ["no pair at all", {}],
  ["a=b=c", { a: "b", "": "c" }], // 46
  ["msg=Rücken ü=x", { msg: "Rücken", ü: "x" }], // 45
  [String.raw`msg=one\ntwo\r\three\|`, { msg: "one\ntwo\r\\three\\|" }],
  [String.raw`a=x\\ b=\\\=y`, { a: "x\\", b: "\\=y" }],
  ["a=  x   b=  y  ", { a: "x", b: "y" }],
  ["free text src=1 dst=2", { src: "1", dst: "2" }],
  ["a=1\tb=2", { a: "1\tb", "": "2" }], // Only a blank separates.
  ["a= b=2", { a: "", b: "2" }],
  ["a=b|c d=|", { a: "b|c", d: "|" }],
  ["a =1 b=2", { "": "1", b: "2" }],
  ["a=1 =2", { a: "1", "": "2" }],
  ["a=x\\", { a: "x\\" }],
];

for (const [text, fields] of EXTENSIONS) {
  test(`decodeCef() extension ${JSON.stringify(text)}`, () => {
    assert.deepEqual(decodeCef(HEAD + text).toValue(), { ...HEADER, ...fields });
  });
}

// Section 8: headers. Fields that are not named are those of the line above.
const HEADERS: readonly (readonly [line: string, fields: Readonly<Record<string, string>>])[] = [
  [
    "<134>Feb 14 19:04:54 fw CEF:0|Palo|PAN|10|T|t|7|src=10.0.0.1",
    {
      cef_version: "0",
      deviceVendor: "Palo",
      deviceProduct: "PAN",
      deviceVersion: "10",
      signatureId: "T",
      name: "t",
      severity: "7",
      src: "10.0.0.1",
    },
  ],
  [String.raw`CEF:0|Ven\|dor\\|IDS|1.0|100|Attack|9|`, { ...HEADER, deviceVendor: "Ven|dor\\" }],
  [String.raw`CEF:0|Sec|I\DS|1.0|100|Att\=ack|9|`, {
    ...HEADER,
    deviceProduct: "I\\DS",
    name: "Att\\=ack",
  }],
  ["CEF: 1 |Sec|IDS|1.0|100|Attack|9|", { ...HEADER, cef_version: "1" }], // 47
  ["CEF:007|Sec|IDS|1.0|100|Attack|9|", { ...HEADER, cef_version: "7" }],
  ["CEF:4294967295|Sec|IDS|1.0|100|Attack|9|", { ...HEADER, cef_version: "4294967295" }],
  ["CEF:0| Sec |||100|Größe|Very-High|", {
    ...HEADER,
    deviceVendor: " Sec ",
    deviceProduct: "",
    deviceVersion: "",
    name: "Größe",
    severity: "Very-High",
  }],
];

for (const [line, fields] of HEADERS) {
  test(`decodeCef() header ${JSON.stringify(line)}`, () => {
    assert.deepEqual(decodeCef(line).toValue(), fields);
  });
}

// Section 8, "Errors"; row 48 of section 19.
const ERRORS: readonly (readonly [line: string, code: string, message: RegExp])[] = [
  ["CEF:0|V|P", "DECODE_CEF_HEADER", /2 of 7 pipes/],
  ["CEF:0|V|P|1|1|N|5", "DECODE_CEF_HEADER", /6 of 7 pipes/],
  [String.raw`CEF:0|V|P|1|1|N\|5|`, "DECODE_CEF_HEADER", /6 of 7 pipes/],
  ["CEF:", "DECODE_CEF_HEADER", /0 of 7 pipes/],
  ["disk full", "DECODE_CEF_HEADER", /no "CEF:"/],
  ["cef:0|V|P|1|1|N|5|", "DECODE_CEF_HEADER", /no "CEF:"/],
  ["CEF:x|V|P|1|1|N|5|", "DECODE_CEF_VERSION", /version "x"/],
  ["CEF:|V|P|1|1|N|5|", "DECODE_CEF_VERSION", /version ""/],
  ["CEF:-1|V|P|1|1|N|5|", "DECODE_CEF_VERSION", /version "-1"/],
  ["CEF:1.0|V|P|1|1|N|5|", "DECODE_CEF_VERSION", /version "1\.0"/],
  ["CEF:4294967296|V|P|1|1|N|5|", "DECODE_CEF_VERSION", /version "4294967296"/],
];

for (const [line, code, message] of ERRORS) {
  test(`decodeCef() ${JSON.stringify(line)} is ${code}`, () => {
    assert.throws(() => decodeCef(line), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("decodeCef() does not repeat a long version in its message", () => {
  assert.throws(() => decodeCef(`CEF:${"x".repeat(1000)}|V|P|1|1|N|5|`), (error) => {
    return error instanceof DecodeError && error.message.length < 100;
  });
});

const LABELS: readonly (readonly [text: string, added: Readonly<Record<string, string>>])[] = [
  ["cs1Label=Rule cs1=x", { Rule: "x" }],
  ["cs1=x cs1Label=Rule Name", { "Rule Name": "x" }],
  ["cn3=7 cn3Label=Count", { Count: "7" }],
  ["cfp1=0.5 cfp1Label=Score", { Score: "0.5" }],
  ["c6a2=::1 c6a2Label=Source IPv6", { "Source IPv6": "::1" }],
  ["deviceCustomDate1=1 deviceCustomDate1Label=Seen", { Seen: "1" }],
  ["flexString1=a flexString1Label=F", { F: "a" }],
  ["flexDate1=2 flexDate1Label=D", { D: "2" }],
  ["flexNumber2=3 flexNumber2Label=N", { N: "3" }],
  ["cs1Label=Rule", {}],
  ["cs1Label= cs1=x", {}],
  ["cs1Label=Rule cs2=x", {}],
  ["fooLabel=Rule foo=x", {}],
  ["csLabel=Rule cs=x", {}],
  ["cs1Label=A cs1=x cs2Label=A cs2=y", { A: "x" }],
  // A label is a text from the log: it takes no other field's place.
  ["src=1.2.3.4 cs1Label=src cs1=6.6.6.6", {}],
  ["cs1Label=deviceVendor cs1=forged", {}],
  ["cs1Label=__proto__ cs1=x", { ["__proto__"]: "x" }],
];

for (const [text, added] of LABELS) {
  // Section 20.5.
  test(`decodeCef() labels ${JSON.stringify(text)}`, () => {
    const event = decodeCef(HEAD + text);
    for (const [name, value] of Object.entries(added)) {
      assert.equal(event.get(internField(name)), value);
    }
    const written = [...text.matchAll(/(\w+)=(.*?)(?= \w+=|$)/g)].map((match) =>
      [match[1]!, match[2]!] as const
    );
    const names = Object.fromEntries(written);
    assert.deepEqual(event.toValue(), { ...HEADER, ...names, ...added });
    if (text.includes("forged")) assert.equal(event.get(internField("deviceVendor")), "Sec");
    if (text.includes("6.6.6.6")) assert.equal(event.get(internField("src")), "1.2.3.4");
  });
}

test("decodeCef() the header hides an extension, which answers to its long name", () => {
  const event = decodeCef(`${HEAD}name=inner src=a src=b severity=1`);
  const get = (name: string) => event.get(internField(name));
  assert.equal(get("name"), "Attack");
  assert.equal(get("cef.ext.name"), "inner");
  assert.equal(get("severity"), "9");
  assert.equal(get("cef.ext.severity"), "1");
  assert.equal(get("src"), "a");
  assert.equal(get("cef.ext.src"), undefined);
});

test("decodeCef() reads what was written", () => {
  fc.assert(fc.property(cefLine, ({ line, fields }) => {
    const event = decodeCef(line);
    assert.deepEqual(event.topKeys!()!.slice(0, fields.length), fields.map(([name]) => name));
    const first = new Map(fields.toReversed());
    for (const [name, text] of first) assert.equal(event.get(internField(name)), text);
  }));
});

test("isCef() looks at the start of a line", () => {
  assert.ok(isCef(HEAD));
  assert.ok(isCef("CEF: 0|a"));
  for (const text of ["CEF:x|", "cef:0|", " CEF:0|", "x CEF:0|", "CEF"]) assert.ok(!isCef(text));
});

for (const piece of ["=", "\\", "a=", " ", "a=b ", "|", "cs1Label=a cs1=b "]) {
  test(`decodeCef() takes a time in proportion to repeated ${JSON.stringify(piece)}`, () => {
    assertLinear(piece, 1 << 20, (size) => HEAD + piece.repeat(size / piece.length), (line) => {
      assert.equal(decodeCef(line).get(internField("name")), "Attack");
    });
  });
}
