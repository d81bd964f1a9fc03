import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlatEvent, PlainEvent } from "../../src/decode/flat_event.ts";
import { DecodeError } from "../../src/decode/errors.ts";
import { JsonEvent } from "../../src/decode/json.ts";
import { EnvelopedEvent, SyslogEvent } from "../../src/decode/syslog/event.ts";
import { LINE_FORMATS, type LineFormat, parseLine } from "../../src/decode/parse_line.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { eventJson } from "../arbitraries/sigma_rule.ts";

const BOM = "\ufeff";
/** Syslog times without a year are of this one. */
const OPTIONS = { nowMs: Date.UTC(2026, 10, 23) };

/** Formats that do not take every line. */
const STRICT: ReadonlySet<LineFormat> = new Set(["json", "cef", "leef", "auditd"]);

type Kind = "json" | "flat" | "enveloped" | "other" | "plain" | "blank" | "error";

function kindOf(line: string, format: LineFormat): Kind {
  let event: LogEvent | undefined;
  try {
    event = parseLine(line, format, OPTIONS);
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    assert.equal(error.code.split("_")[1], format.toUpperCase());
    return "error";
  }
  if (event === undefined) return "blank";
  if (event instanceof EnvelopedEvent) return "enveloped";
  if (event instanceof JsonEvent) return "json";
  if (event instanceof FlatEvent || event instanceof SyslogEvent) return "flat";
  return event instanceof PlainEvent ? "plain" : "other";
}

// inputs.md, section 3 and 19; the rows of Picket where they differ from the reference's.
const KINDS: readonly (readonly [format: LineFormat, line: string, expected: Kind])[] = [
  ["auto", '{"EventID": 1}', "json"], // 1
  ["auto", "  [1,2]", "json"], // 2
  ["auto", "{not json}", "plain"], // 3
  ["auto", "<34>Oct 11 22:14:15 h su: x", "flat"], // 4
  ["auto", "<html>", "plain"], // 5
  ["auto", "ERROR: disk", "plain"], // 6
  ["auto", "level=info a=b", "plain"], // 7
  ["auto", "CEF:0|a|b|c|d|e|1|", "flat"], // 8, Picket
  ["auto", `${BOM}{"a":1}`, "json"], // 9, Picket
  ["auto", '"x"', "plain"], // section 3: a scalar is plain
  ["auto", "42", "plain"],
  // 20.5, in the order of Picket.
  ["auto", " CEF:0|a|b|c|d|e|1|", "flat"],
  ["auto", "CEF:0|a|b", "plain"],
  ["auto", "LEEF:1.0|a|b|c|d|x=1", "flat"],
  // A stated format loses nothing of what a relay put before the line.
  ["cef", "<34>Oct 11 22:14:15 h CEF:0|a|b|c|d|e|1|", "enveloped"],
  ["leef", "Oct 11 22:14:15 h app: LEEF:1.0|a|b|c|d|x=1", "enveloped"],
  ["cef", "<34>Oct 11 22:14:15 h CEF:0|a|b", "error"],
  ["cef", "some words, then CEF:0|a|b|c|d|e|1|", "flat"],
  ["cef", "<34>Oct 11 22:14:15 h LEEF:1.0|a|b|c|d|x=1", "error"],
  ["auto", "<Event xmlns='x'><System><EventID>1</EventID></System></Event>", "other"],
  ["auto", "<Event xmlns='x'><System>", "plain"],
  ["auto", "type=USER_LOGIN msg=audit(1364481363.243:24287): pid=1", "other"],
  ["auto", "type=USER_LOGIN msg=audit(", "plain"],
  ["auto", "node=a type=USER_LOGIN msg=audit(1364481363.243:24287): pid=1", "other"],
  ["auto", "level=info a=b c=d", "flat"],
  ["auto", "tag=info a=b c=d", "flat"],
  ["auto", "node=info a=b c=d", "flat"],
  ["auto", "Count=1 a=b c=d", "flat"],
  ["auto", "level=info a=b and more than some other words", "plain"],
  ["auto", "{a=1 b=2 c=3}", "plain"],
  ["auto", "[12.5] a message]", "plain"],
  ["auto", "  Dec 28 16:49:07 h nginx: GET", "flat"],
  ["auto", "<13>Dec 28 16:49:07 h CEF:0|a|b|c|d|e|1|", "enveloped"],
  ["auto", "<Event xmlns='x'>", "plain"],
  ["auto", "<999>Oct 11 22:14:15 h a: m", "plain"], // 6.6
  // A file without <PRI>: Picket takes it for syslog if it names a program.
  ["auto", "Dec 28 16:49:07 h nginx: GET", "flat"],
  ["auto", "Dec 28 16:49:07 happened", "plain"],
  ["auto", '<134>1 2024-01-15T10:30:00Z d a 9 M - {"EventID":1}', "json"],
  ["json", "not json", "error"], // 11
  ["json", '""', "json"], // 12
  ["json", "42", "json"],
  ["json", `${BOM}{"a":1}`, "json"],
  ["json", '{"a":1} {"b":2}', "error"],
  ["json", "<34>Oct 11 22:14:15 h su: x", "error"],
  ["syslog", "gibberish", "flat"], // 30
  ["syslog", "Dec 28 16:49:07 happened", "flat"],
  ["plain", '{"a":1}', "plain"],
  ["plain", "disk full", "plain"],
  // 10
  ...LINE_FORMATS.flatMap((format) =>
    ["", "   ", "\t\r\n", "\u00a0\u2003", BOM].map((line) => [format, line, "blank"] as const)
  ),
];

for (const [format, line, expected] of KINDS) {
  test(`parseLine() ${format} ${JSON.stringify(line)} is ${expected}`, () => {
    assert.equal(kindOf(line, format), expected);
  });
}

test("parseLine() reads what the line looks like if it is told no format", () => {
  assert.ok(parseLine('{"a":1}') instanceof JsonEvent);
  assert.ok(parseLine("disk full") instanceof PlainEvent);
});

// inputs.md, section 19: what events of lines hold.
test("parseLine() json: the last of two members counts, digits are kept, a text has no fields", () => {
  const a = internField("a");
  assert.equal(parseLine('{"a":1,"a":2}', "json")!.get(a), 2); // 13
  assert.equal(parseLine('{"_user_id":7}', "json")!.get(internField("_user_id")), 7); // 14
  const big = parseLine('{"a":18446744073709551615}', "json")!;
  assert.equal(big.get(a), 18446744073709551615n); // 15, Picket
  const text = parseLine('"whoami"', "json")!; // 12
  assert.equal(text.get(a), undefined);
  assert.equal(text.someText((found) => found === "whoami"), true);
  assert.equal(parseLine("42", "json")!.someText((found) => found !== "42"), false);
});

const anyLine = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 80 }) },
  eventJson,
  fc.tuple(
    fc.constantFrom(
      "<34>",
      "<13>1 ",
      "{",
      "[",
      BOM,
      " ",
      "Oct 11 22:14:15 h ",
      "2026-01-01T00:00:00Z ",
    ),
    fc.string({ maxLength: 60 }),
    fc.constantFrom("", "}", "]", "su: x", '- [a b="c"] x', ' {"a":1}'),
  ).map((parts) => parts.join("")),
);

test("parseLine() takes every line where the format does, and gives nothing for blanks alone", () => {
  fc.assert(fc.property(anyLine, fc.constantFrom(...LINE_FORMATS), (line, format) => {
    const kind = kindOf(line, format);
    assert.equal(kind === "blank", line.trim() === "");
    if (kind === "error") assert.ok(STRICT.has(format));
    if (kind !== "blank" && kind !== "error") {
      // Whoever carries the event on can: no event is without a JSON text.
      JSON.parse(jsonText(parseLine(line, format, OPTIONS)!.toValue()));
    }
  }));
});

test("parseLine() auto and json agree on objects", () => {
  fc.assert(fc.property(eventJson, (line) => {
    assert.deepEqual(parseLine(line)!.toValue(), parseLine(line, "json")!.toValue());
  }));
});

test("parseLine() takes a time that grows with the line, not faster", () => {
  const size = 1 << 19;
  const hostile = [
    "{".repeat(size),
    "[".repeat(size),
    `<34>${" ".repeat(size)}`,
    `<34>Oct 11 22:14:15 h ${"[".repeat(size)}`,
    `<13>1 2024-01-15T10:30:00Z h a - - ${'[a b="\\'.repeat(size / 8)}`,
    `<13>1 2024-01-15T10:30:00Z h a - - [a ${'b="c" '.repeat(size / 8)}`,
    " ".repeat(size) + "x",
    "Oct 1" + " ".repeat(size),
    `Dec 28 16:49:07 h ${"a".repeat(size)}`,
    `Dec 28 16:49:07 h ${"a:".repeat(size / 2)}`,
    `{"a":"${"\\u0041".repeat(size / 8)}"`,
  ];
  for (const line of hostile) {
    for (const format of LINE_FORMATS) {
      const startedAt = performance.now();
      kindOf(line, format);
      const ms = performance.now() - startedAt;
      // A quadratic scan of half a million characters takes minutes.
      assert.ok(ms < 2000, `${format} ${line.slice(0, 40)}… took ${ms} ms`);
    }
  }
});
