/**
 * evtx.md, sections 14 (shape) and 15.5 (names), for events that come as XML.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "../../src/decode/errors.ts";
import { decodeWindowsXml, isWindowsXml } from "../../src/decode/windows_xml.ts";
import { MAX_XML_DEPTH, readXml, type XmlElement } from "../../src/decode/xml_reader.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { textGate } from "../../src/event/text_gate.ts";
import type { Value } from "../../src/event/value.ts";
import { eventData, windowsEventXml, xmlDocument } from "../arbitraries/windows_xml.ts";
import { assertLinear } from "../support/linear.ts";
import { resultsOf, rulesOf, ruleText } from "../support/rules.ts";

const SYSMON = windowsEventXml([
  ["Image", "C:\\Windows\\System32\\cmd.exe"],
  ["CommandLine", 'cmd /c "echo <a> & b"'],
  ["Empty", ""],
]);
const XMLNS = "http://schemas.microsoft.com/win/2004/08/events/event";

function withParts(system: string, parts: string): string {
  return `<Event xmlns="${XMLNS}"><System>${system}</System>${parts}</Event>`;
}

function valueOf(xml: string, name: string): Value | undefined {
  return decodeWindowsXml(xml).get(internField(name));
}

test("decodeWindowsXml() gives the shape that evtx_dump gives", () => {
  assert.deepEqual(decodeWindowsXml(SYSMON).toValue(), {
    Event: {
      "#attributes": { xmlns: XMLNS },
      System: {
        Provider: {
          "#attributes": {
            Name: "Microsoft-Windows-Sysmon",
            Guid: "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
          },
        },
        EventID: 1,
        Version: 5,
        Level: 4,
        Task: 1,
        Opcode: 0,
        Keywords: "0x8000000000000000",
        TimeCreated: { "#attributes": { SystemTime: "2020-01-01T00:00:00.000Z" } },
        EventRecordID: 9007199254740993n,
        Correlation: null,
        Execution: { "#attributes": { ProcessID: 3112, ThreadID: 4072 } },
        Channel: "Microsoft-Windows-Sysmon/Operational",
        Computer: "host",
        Security: { "#attributes": { UserID: "S-1-5-18" } },
      },
      EventData: {
        Image: "C:\\Windows\\System32\\cmd.exe",
        CommandLine: 'cmd /c "echo <a> & b"',
        Empty: "",
      },
    },
  });
});

// Section 15.5.
const NAMES: readonly (readonly [name: string, value: Value | undefined])[] = [
  ["Image", "C:\\Windows\\System32\\cmd.exe"],
  ["EventID", 1],
  ["Event.System.EventID", 1],
  ["Event.EventData.Image", "C:\\Windows\\System32\\cmd.exe"],
  ["Channel", "Microsoft-Windows-Sysmon/Operational"],
  ["Computer", "host"],
  ["Provider_Name", "Microsoft-Windows-Sysmon"],
  ["Provider_Guid", "{5770385f-c22a-43e0-bf4c-06f5698ffbd9}"],
  ["TimeCreated", "2020-01-01T00:00:00.000Z"],
  ["EventRecordID", 9007199254740993n],
  ["Execution_ProcessID", 3112],
  ["UserID", "S-1-5-18"],
  ["Event.System.Correlation", null],
  ["Empty", ""],
  ["ParentImage", undefined],
  ["constructor", undefined],
];

for (const [name, value] of NAMES) {
  test(`decodeWindowsXml() ${name}`, () => assert.equal(valueOf(SYSMON, name), value));
}

// Sections 14.2 and 14.3, each with the part of the event that it is about.
const PARTS: readonly (readonly [parts: string, name: string, value: Value | undefined])[] = [
  ["<EventData><Data>p</Data><Data>q</Data><Data/></EventData>", "Data", ["p", "q", ""]],
  ["<EventData><Data>p</Data></EventData>", "Data", "p"],
  ["<EventData><Data>p</Data><Data>q</Data></EventData>", "Data[1]", "q"],
  ["<EventData><Data Name='a'>1</Data><Data Name='a'>2</Data></EventData>", "a", ["1", "2"]],
  ["<EventData><Data Name='a'>1</Data><Data>rest</Data></EventData>", "Data", "rest"],
  ["<EventData><Binary>00FF</Binary></EventData>", "Event.EventData.Binary", "00FF"],
  ["<EventData/>", "Event.EventData", null],
  ["<EventData> </EventData>", "a", undefined],
  ["<UserData><X xmlns='u'><listenerName>L</listenerName></X></UserData>", "listenerName", "L"],
  [
    "<UserData><X><H>1</H><H>2</H><H z='1'>3</H></X></UserData>",
    "Event.UserData.X",
    { H: "1", H_1: "2", H_2: { "#attributes": { z: "1" }, "#text": "3" } },
  ],
  ["<RenderingInfo Culture='en-US'><Message>hello</Message></RenderingInfo>", "Message", "hello"],
  ["<EventData><Data Name='n'>007</Data></EventData>", "n", "007"],
  ["<EventData><Data Name='n'>7</Data></EventData>", "n", "7"],
  ["<EventData><Data Name='n'> two  words </Data></EventData>", "n", " two  words "],
  ["<EventData><Data Name='n'><![CDATA[<&]]>&gt;</Data></EventData>", "n", "<&>"],
  [
    "<EventData><Data Name='n'>&#72;&#x69;&#0;&#xD800;&#x110000;</Data></EventData>",
    "n",
    "Hi\ufffd\ufffd\ufffd",
  ],
  ["<EventData><Data Name='n'>a & b &nbsp; &#x;</Data></EventData>", "n", "a & b &nbsp; &#x;"],
  ["<EventData><Data Name='n'>a<!-- no -->b<?pi no?>c</Data></EventData>", "n", "abc"],
  [`<EventData><Data Name="it's">x</Data></EventData>`, "it's", "x"],
  ["<EventData>\n <Data Name='n'>x</Data>\n</EventData>", "Event.EventData", { n: "x" }],
  ["<EventData><Data Name='__proto__'>x</Data></EventData>", "__proto__", "x"],
];

for (const [parts, name, value] of PARTS) {
  test(`decodeWindowsXml() ${JSON.stringify(parts)}: ${name}`, () => {
    const xml = withParts("<EventID Qualifiers='16384'>7036</EventID>", parts);
    assert.deepEqual(valueOf(xml, name), value);
    assert.equal(valueOf(xml, "EventID"), 7036);
    assert.equal(valueOf(xml, "Qualifiers"), 16384);
  });
}

const DEEP = "<a>".repeat(MAX_XML_DEPTH + 1) + "</a>".repeat(MAX_XML_DEPTH + 1);
const MALFORMED: readonly (readonly [xml: string, message: RegExp])[] = [
  ["", /no element/],
  ["text", /text outside/],
  ["<a/>text", /text outside/],
  ["<a/><b/>", /a second element/],
  ["<a>", /<a> is not closed/],
  ["<a></b>", /<\/b> closes nothing/],
  ["</a>", /<\/a> closes nothing/],
  ["<a></a", /an end tag/],
  ["<a", /the tag <a>/],
  ["<a b>", /the tag <a>/],
  ["<a b=c>", /the tag <a>/],
  ["<a b='c>", /the tag <a>/],
  ["<a b='c'd='e'>", /the tag <a>/],
  ["< a/>", /a tag without a name/],
  ["<>", /a tag without a name/],
  ["<a><![CDATA[x</a>", /no "\]\]>"/],
  ["<a><!-- x</a>", /no "-->"/],
  ["<?xml ", /no "\?>"/],
  ["<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", /a declaration/],
  ["<![CDATA[x]]>", /a declaration/],
  [DEEP, /nest deeper than 64/],
  [`<${"x".repeat(999)}>`, /<x{40}…> is not closed/],
];

for (const [xml, message] of MALFORMED) {
  test(`readXml() ${xml.slice(0, 40)} is malformed: ${message.source}`, () => {
    assert.throws(() => readXml(xml), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.equal(error.code, "DECODE_XML");
      assert.match(error.message, message);
      return true;
    });
  });
}

test("decodeWindowsXml() takes no other document", () => {
  for (const xml of ["<html/>", "<Event/>", "<Events><Event><System/></Event></Events>"]) {
    assert.throws(() => decodeWindowsXml(xml), { code: "DECODE_XML" });
  }
});

test("isWindowsXml() looks at the start tag", () => {
  const some = [SYSMON, ` ${SYSMON}`, `<?xml version="1.0"?>\n${SYSMON}`, "<Event a='b' xmlns ="];
  for (const text of some) assert.ok(isWindowsXml(text), text.slice(0, 40));
  const others = ["<Event>", "<Events xmlns='x'>", "<html>", "x<Event xmlns='x'>", "<Event xmlns"];
  for (const text of others) assert.ok(!isWindowsXml(text), text);
});

test("decodeWindowsXml() events fire the rules of their logsource", () => {
  const fields = ruleText({ sel: "Image|endswith: \\cmd.exe" }, "sel", LOGSOURCE);
  const keyword = ruleText({ sel: "- echo <a>" }, "sel", LOGSOURCE);
  const other = ruleText({ sel: "EventID: 1" }, "sel", LOGSOURCE.replace("creation", "access"));
  for (const [text, count] of [[fields, 1], [keyword, 1], [other, 0]] as const) {
    const results = resultsOf(rulesOf(text), { event: decodeWindowsXml(SYSMON) });
    assert.equal(results.length, count, text);
  }
});

const LOGSOURCE = "logsource:\n  product: windows\n  category: process_creation\n";

test("readXml() reads what was written", () => {
  fc.assert(fc.property(xmlDocument, ({ xml, element }) => {
    assert.deepEqual(plain(readXml(`<?xml version='1.0'?> ${xml}\n`)), element);
  }));
});

/** Without what the reader keeps for itself. */
function plain({ name, attributes, children, text }: XmlElement): XmlElement {
  return { name, attributes, children: children.map(plain), text };
}

test("decodeWindowsXml() finds every text of an event under its name, and by its gate", () => {
  fc.assert(fc.property(eventData, (data) => {
    const event = decodeWindowsXml(windowsEventXml(data));
    const value = event.toValue() as { readonly Event: { readonly EventData: Value } };
    assert.deepEqual(value.Event.EventData, data.length === 0 ? null : Object.fromEntries(data));
    JSON.parse(jsonText(value));
    for (const [name, text] of data) {
      assert.equal(event.get(internField(`Event.EventData.${name}`)) ?? text, text);
      assert.ok(event.someText((found) => found === text));
      const fragment = /[ !#-.:-\[\]-~]+/.exec(text.toLowerCase())?.[0];
      if (fragment !== undefined) assert.ok(event.mayContain!(textGate([fragment])), fragment);
    }
  }));
});

test("readXml() throws nothing but DecodeError", () => {
  const piece = fc.constantFrom(
    "<a>",
    "</a>",
    "<a/>",
    "<",
    ">",
    "&",
    "'",
    '"',
    "=",
    " b='c'",
    "<!--",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(piece, fc.constantFrom("-->", "<![CDATA[", "]]>", "<?", "?>", "x", " "))).map(
      (pieces) => pieces.join(""),
    ),
  );
  fc.assert(fc.property(text, (xml) => {
    try {
      assert.equal(typeof readXml(xml).name, "string");
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
    }
  }));
});

const OPEN = `<Event xmlns='x'><System/><EventData>`;
const HOSTILE = ["<a>", "<a/>", "&", "&#1;", "<", " a='b'", "<a b", "<!--", "]]>", " ", "a", "'"];

for (const piece of HOSTILE) {
  test(`decodeWindowsXml() takes a time in proportion to repeated ${JSON.stringify(piece)}`, () => {
    for (const head of [OPEN, `${OPEN}<Data`, `${OPEN}<Data Name='`, `${OPEN}<![CDATA[`, ""]) {
      const make = (size: number) => head + piece.repeat(size / piece.length);
      assertLinear(`${head}${piece}`, 1 << 20, make, (line) => {
        isWindowsXml(line);
        try {
          decodeWindowsXml(`${line}</EventData></Event>`);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      });
    }
  });
}
