/**
 * What hostile lines may do: nothing but be an event or a `DecodeError`, in a time that grows with
 * their length, and never to the lines beside them.
 *
 * Every format of `LINE_FORMATS` is tried, so one that is added later is covered as well.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "../../src/decode/errors.ts";
import { JsonStream } from "../../src/decode/json_stream.ts";
import { LineSplitter } from "../../src/decode/line_splitter.ts";
import { LINE_FORMATS, type LineFormat, parseLine } from "../../src/decode/parse_line.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { encodeBundle } from "../../src/engine/bundle.ts";
import { LogProcessor } from "../../src/runtime/log_processor.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeEngine } from "../../src/runtime/runtime_engine.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import { windowsEventXml } from "../arbitraries/windows_xml.ts";
import { assertLinear } from "../support/linear.ts";
import { ruleText } from "../support/rules.ts";

const OPTIONS = { nowMs: Date.UTC(2026, 10, 23) };
const FIELDS = ["a", "name", "_raw", "CommandLine", "Event.System.EventID", "a.b[0]", "__proto__"]
  .map(internField);

/**
 * Decodes a line and asks its event everything that the engine and results ask.
 *
 * @returns The event's JSON text, or the code of its error; `undefined` for a line of blanks.
 */
function outcome(line: string, format: LineFormat): string | undefined {
  let event;
  try {
    event = parseLine(line, format, OPTIONS);
  } catch (error) {
    assert.ok(error instanceof DecodeError, `${format}: ${String(error)}`);
    assert.ok(error.message.length < 1000, `${format}: a message repeats the line`);
    return error.code;
  }
  if (event === undefined) return undefined;
  for (const field of FIELDS) event.get(field);
  event.topKeys?.();
  event.someText(() => false);
  return jsonText(event.toValue());
}

function decodeEverywhere(line: string): void {
  for (const format of LINE_FORMATS) {
    const result = outcome(line, format);
    assert.equal(result === undefined, line.trim() === "", format);
  }
}

/** Sound lines, some of them of more than one format. */
const SAMPLES: readonly string[] = [
  '{"a":{"b":[1,"x",null,true]},"n":12345678901234567890,"s":"\\u00e9\\n"}',
  '[{"a":1},{"a":2}]',
  "<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed for lonvick on /dev/pts/8",
  '<165>1 2003-10-11T22:14:15.003Z h app 12 ID47 [ex@1 iut="3" e="A\\"p"][y b="2"] \ufeffmsg é',
  '<134>1 2024-01-15T10:30:00Z d a 9 M - {"EventID":1}',
  "Nov 23 08:00:00 host sshd[17]: Failed password for invalid user x from 10.0.0.1 port 22 ssh2",
  "2026-11-23T08:00:00.123+02:00 host sudo: root : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
  String.raw`level=info msg="say \"é\"" p="C:\\U" took=12ms debug`,
  String.raw`CEF:0|Ven\|dor|P|1|100|Name|9|src=1.2.3.4 msg=a \= b\n cs1Label=Rule cs1=é`,
  "LEEF:1.0|V|P|1|99|src=1.2.3.4\tmsg=two words\tcat=é",
  "LEEF:2.0|V|P|1|99|0x5E|src=1.2.3.4^msg=two words^cat=x",
  "<134>Feb 14 19:04:54 fw CEF:0|V|P|1|1|N|5|src=10.0.0.1",
  'type=EXECVE msg=audit(1600000000.123:456): argc=3 a0="sh" a1="-c" a2=6C73202D6C61',
  "type=SYSCALL msg=audit(1600000000.123:456): arch=c000003e syscall=59 success=yes exit=0 " +
  'a0=55 comm="sh" exe="/bin/sh" key=(null)\x1dARCH=x86_64 SYSCALL=execve AUID="root"',
  windowsEventXml([["CommandLine", "a <b> & é"], ["Empty", ""]]),
  `<13>Oct 11 22:14:15 h x: ${windowsEventXml([["Image", "C:\\a.exe"]])}`,
];

test("parseLine() every truncation of a sound line is an event or an error, in every format", () => {
  for (const sample of SAMPLES) {
    for (let end = 0; end <= sample.length; end++) {
      decodeEverywhere(sample.slice(0, end));
    }
    for (let start = 1; start < sample.length; start += 7) decodeEverywhere(sample.slice(start));
  }
});

test("parseLine() bytes cut anywhere and read as UTF-8 are events or errors", () => {
  for (const sample of SAMPLES) {
    const bytes = Buffer.from(sample);
    for (let end = 0; end <= bytes.length; end += 3) {
      decodeEverywhere(bytes.toString("utf8", end / 2, end));
    }
  }
});

const bytes = fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some).toString("utf8"));
/** Sound lines that were damaged: pieces of two, and bytes between. */
const damaged = fc.tuple(
  fc.constantFrom(...SAMPLES),
  fc.nat({ max: 200 }),
  fc.oneof(bytes, fc.string({ unit: "binary", maxLength: 10 }), fc.constantFrom("\0", "\ud800")),
  fc.constantFrom(...SAMPLES),
  fc.nat({ max: 200 }),
).map(([head, to, middle, tail, from]) => head.slice(0, to) + middle + tail.slice(from));

test("parseLine() random bytes and damaged lines are events or errors, in every format", () => {
  fc.assert(fc.property(fc.oneof(bytes, damaged), decodeEverywhere), { numRuns: 1000 });
});

const LINE_LENGTH = 1 << 20;
/** What is repeated, behind each of the heads. */
const PIECES = [
  "\\",
  "=",
  "|",
  '"',
  "[",
  "{",
  "<",
  " ",
  "a=",
  'a="',
  "a=b ",
  "\\=",
  "a:",
  "CEF:0|",
  "LEEF:1.0|",
  "msg=audit(",
  "type=A msg=audit(1.1:1): ",
  "<1>",
  "&#x",
  "<a>",
  '{"a":',
  "\0",
  "\ud800",
  "é=ü ",
];
const HEADS = [
  "",
  "CEF:0|a|b|c|d|e|f|",
  "LEEF:2.0|a|b|c|d|",
  "type=SYSCALL msg=audit(1.1:1): ",
  "<34>Oct 11 22:14:15 h su: ",
  "<13>1 2024-01-15T10:30:00Z h a - - ",
  "Oct 11 22:14:15 h sshd[1]: ",
  "<Event xmlns='x'><System/>",
];

for (const head of HEADS) {
  test(`parseLine() time grows with the line behind ${JSON.stringify(head)}`, () => {
    for (const piece of PIECES) {
      for (const format of LINE_FORMATS) {
        const name = `${format}: ${head}${JSON.stringify(piece)}`;
        const make = (size: number) => head + piece.repeat(Math.ceil(size / piece.length));
        assertLinear(name, LINE_LENGTH, make, (line) => outcome(line, format));
      }
    }
  });
}

test("parseLine() a hundred thousand brackets do not exhaust the stack", () => {
  const count = 100_000;
  const nests = [["[", "]"], ['{"a":', "}"], ['{"a":[', "]}"], ["<a>", "</a>"], [
    "(",
    ")",
  ]] as const;
  for (const [open, close] of nests) {
    for (
      const head of ["", '{"n":12345678901234567890,"a":', "<13>1 2024-01-15T10:30:00Z h a - - - "]
    ) {
      const tail = head.startsWith("{") ? "}" : "";
      decodeEverywhere(`${head}${open.repeat(count)}1${close.repeat(count)}${tail}`);
      decodeEverywhere(`${head}${open.repeat(count)}`);
    }
  }
});

/** What a stream found: the values' texts, and how many problems it told. */
function streamed(
  pieces: readonly string[],
): { readonly values: string[]; readonly problems: number } {
  const values: string[] = [];
  let problems = 0;
  const stream = new JsonStream({ value: (text) => values.push(text), problem: () => problems++ });
  for (const piece of pieces) stream.push(piece);
  stream.end();
  return { values, problems };
}

test("JsonStream takes any text, however it is cut into blocks", () => {
  fc.assert(fc.property(fc.array(fc.oneof(bytes, damaged), { maxLength: 5 }), (pieces) => {
    assert.deepEqual(streamed(pieces), streamed([pieces.join("")]));
  }));
});

test("JsonStream finds what stands behind values that are no JSON", () => {
  const broken = fc.string({ unit: "binary" }).map((text) =>
    `{${text.replace(/["{}[\]\\]/g, "")}}`
  );
  fc.assert(fc.property(broken, (text) => {
    assert.deepEqual(streamed([`{"a":1}${text}{"b":2}`]).values, ['{"a":1}', text, '{"b":2}']);
  }));
});

test("JsonStream takes a time in proportion to its text", () => {
  for (const piece of ["[", "{", '"', "\\", '{"', "x", ",", "]", '{"a":1}', "[[", " "]) {
    const make = (size: number) => piece.repeat(size / piece.length);
    assertLinear(piece, LINE_LENGTH, make, (text) => {
      // As blocks of a file come, and in one.
      streamed([text]);
      streamed(text.match(/[^]{1,65536}/g) ?? []);
    });
  }
});

const MARKER = "evil-marker";
/** A line of each format in which a rule finds the marker; formats without one take the syslog line. */
const GOOD: Readonly<Partial<Record<LineFormat, string>>> = {
  json: `{"a":"${MARKER}"}`,
  logfmt: `a=1 b=${MARKER} c=2`,
  cef: `CEF:0|V|P|1|1|N|5|msg=${MARKER}`,
  leef: `LEEF:1.0|V|P|1|1|msg=${MARKER}`,
  auditd: `type=EXECVE msg=audit(1600000000.123:456): argc=1 a0="${MARKER}"`,
};
const GOOD_SYSLOG = `<34>Oct 11 22:14:15 h su: ${MARKER}`;

function processor(): LogProcessor {
  const { rules } = parseRules(ruleText({ sel: `- ${MARKER}` }, "sel"), "r.yml");
  const engine = new RuntimeEngine({ rules: [] });
  engine.use(compileRuleSet({
    paths: [],
    bundle: encodeBundle({ rules, correlations: [], filters: [] }, 0),
  }));
  return new LogProcessor(engine);
}

const bad = fc.oneof(
  bytes,
  damaged,
  fc.constantFrom(...SAMPLES, "", "{", '"', "CEF:", "\0\0", "[".repeat(5000), "\ufeff", "\x1d"),
);

test("LogProcessor finds in the lines beside a bad one what it finds in them alone", () => {
  const lines = processor();
  fc.assert(fc.property(bad, fc.constantFrom(...LINE_FORMATS), (line, format) => {
    const good = GOOD[format] ?? GOOD_SYSLOG;
    const batch = lines.processBatchDetailed([good, line, good], { format, ...OPTIONS });
    assert.deepEqual(batch.results.map((results) => results.length), [1, 0, 1]);
    assert.ok(batch.failures.every(({ index }) => index === 1));
    // An array of events counts each of them.
    assert.ok(batch.events >= 2);
  }));
});

test("LineSplitter gives the lines beside bad bytes whole, however the bytes come", () => {
  const badBytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), bad.map((text) => Buffer.from(text)))
    .map((some) => Buffer.from(some.filter((byte) => byte !== 10)));
  fc.assert(
    fc.property(badBytes, fc.nat(), fc.constantFrom(...LINE_FORMATS), (some, cut, format) => {
      const good = GOOD[format] ?? GOOD_SYSLOG;
      const stream = Buffer.concat([Buffer.from(`${good}\n`), some, Buffer.from(`\n${good}\n`)]);
      const found: string[] = [];
      let tooLong = 0;
      const splitter = new LineSplitter(
        { line: (text) => found.push(text), tooLong: () => tooLong++ },
        0,
        200,
      );
      splitter.push(stream.subarray(0, cut % stream.length));
      splitter.push(stream.subarray(cut % stream.length));
      splitter.end();
      assert.equal(found[0], good);
      assert.equal(found.at(-1), good);
      assert.equal(found.length + tooLong, 3);
      for (const line of found) outcome(line, format);
    }),
  );
});
