/**
 * What holds for all syslog lines: real ones, written ones, hostile ones.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { PlainEvent } from "../../src/decode/flat_event.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import { decodeSyslog } from "../../src/decode/syslog.ts";
import { SyslogEvent } from "../../src/decode/syslog/event.ts";
import { parseSyslog } from "../../src/decode/syslog/parse.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";
import {
  offsetText,
  rfc3164Message,
  rfc5424Message,
  writeRfc3164,
  writeRfc5424,
} from "../arbitraries/syslog.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";
import { assertLinear } from "../support/linear.ts";

const NOW = { nowMs: Date.UTC(2026, 10, 23) };
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const [TIMESTAMP, HOSTNAME, APPNAME, PROCID, RAW] = [
  "timestamp",
  "hostname",
  "appname",
  "procid",
  "_raw",
].map(internField) as [
  ReturnType<typeof internField>,
  ReturnType<typeof internField>,
  ReturnType<typeof internField>,
  ReturnType<typeof internField>,
  ReturnType<typeof internField>,
];

/** What the files of the corpus have: a time, a host, a tag, a message. Slow and simple. */
function naive(line: string): readonly (string | undefined)[] {
  const [, month, day, clock, host, rest] =
    /^([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\S+) (.*)$/.exec(line)!;
  const number = String(MONTHS.indexOf(month!) + 1).padStart(2, "0");
  // Read in November: nothing but December is of the year before.
  const year = month === "Dec" ? 2025 : 2026;
  const timestamp = `${year}-${number}-${day!.padStart(2, "0")}T${clock}+00:00`;
  const [, app, pid, message] = /^([^\s:[\]]+)(?:\[(\d+)\])?(?= |:|$) *:? *(.*)$/.exec(rest!) ??
    [undefined, undefined, undefined, rest];
  return [timestamp, host, app, pid, message!.trim()];
}

function corpusLines(file: string): readonly string[] {
  const text = readFileSync(join(CORPUS, "syslog", `${file}_2k.log`), "utf8");
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}

for (const file of ["Linux", "OpenSSH", "Mac"]) {
  test(
    `parseLine() auto reads every line of ${file} as a naive reader does`,
    skipWithoutCorpus(),
    () => {
      const lines = corpusLines(file);
      assert.equal(lines.length, 2000);
      for (const line of lines) {
        const event = parseLine(line, "auto", NOW)!;
        assert.ok(event instanceof SyslogEvent, line);
        const found = [TIMESTAMP, HOSTNAME, APPNAME, PROCID, RAW].map((field) => event.get(field));
        assert.deepEqual(found, naive(line), line);
        for (const format of ["syslog", "auto"] as const) {
          assert.deepEqual(parseLine(line, format, NOW)!.toValue(), event.toValue());
        }
      }
    },
  );
}

test("parseLine() auto takes the lines of Thunderbird for plain text", skipWithoutCorpus(), () => {
  const lines = corpusLines("Thunderbird");
  assert.equal(lines.length, 2000);
  for (const line of lines) assert.ok(parseLine(line, "auto", NOW) instanceof PlainEvent, line);
});

test("parseSyslog() reads what RFC 5424 writes", () => {
  fc.assert(fc.property(rfc5424Message, fc.boolean(), (written, isMarked) => {
    const { priority, unixMs, offsetMinutes, message } = written;
    const text = writeRfc5424(written);
    // RFC 5424, 6.4: a byte order mark says that the message is UTF-8.
    const line = isMarked && message !== ""
      ? text.slice(0, -message.length) + "\ufeff" + message
      : text;
    const parsed = parseSyslog(line)!;
    const local = new Date(unixMs + offsetMinutes * 60_000).toISOString().slice(0, -1);
    assert.deepEqual(parsed, {
      facility: priority >> 3,
      severity: priority & 7,
      timestamp: `${local.replace(/\.000$/, "")}${offsetText(offsetMinutes)}`,
      hostname: written.hostname,
      appname: written.appname,
      procid: written.procid,
      msgid: written.msgid,
      structured: written.structured.flatMap(({ id, parameters }) =>
        parameters.map(([key, value]) => [`${id}.${key}`, value])
      ),
      message,
      isCertain: true,
    });
  }));
});

test("parseSyslog() reads what RFC 3164 writes, with and without <PRI>", () => {
  const age = fc.integer({ min: -86_400, max: 300 * 86_400 });
  fc.assert(fc.property(rfc3164Message, age, fc.boolean(), (written, seconds, hasPri) => {
    const { priority, unixMs } = written;
    const line = writeRfc3164(written).slice(hasPri ? 0 : String(priority).length + 2);
    assert.deepEqual(parseSyslog(line, { nowMs: unixMs + seconds * 1000 }), {
      facility: hasPri ? priority >> 3 : undefined,
      severity: hasPri ? priority & 7 : undefined,
      timestamp: `${new Date(unixMs).toISOString().slice(0, 19)}+00:00`,
      hostname: written.hostname,
      appname: written.appname,
      procid: written.procid,
      msgid: undefined,
      structured: [],
      message: written.message,
      isCertain: true,
    });
  }));
});

const piece = fc.constantFrom(
  ...["<34>", "<", "1 ", "- ", "Oct 11 22:14:15", "2024-01-15T10:30:00Z", " ", ":", "[", "]", "="],
  ...['"', "\\", "a", "[x@1 k=", '{"a":', "}", "sshd[1]", "\uFEFF", "host", "\n", "%SYS-5-X", ": "],
  ...["CEF:0|", "LEEF:2.0|", "type=A msg=audit(1.2:3): ", "a=1 ", "123: *", "UTC", "kernel: "],
  ...[
    "last message repeated 2 times",
    "Feb 29 ",
    "2024 ",
    "fe80::1",
    "audit: type=1400 audit(1.2:3",
  ],
);
const anyLine = fc.array(fc.oneof(piece, fc.string({ unit: "binary" })), { maxLength: 30 })
  .map((pieces) => pieces.join(""));

test("decodeSyslog() never throws, and its message is a part of the line", () => {
  const options = fc.record({
    nowMs: fc.constantFrom(0, NOW.nowMs),
    syslogStripBom: fc.boolean(),
  }, { requiredKeys: [] });
  fc.assert(
    fc.property(anyLine, options, (line, given) => {
      const event = decodeSyslog(line, given);
      JSON.parse(jsonText(event.toValue()));
      for (const field of [TIMESTAMP, RAW, APPNAME]) event.get(field);
      event.topKeys?.();
      event.someText(() => false);
      const message = parseSyslog(line, given);
      if (message !== undefined) assert.ok(line.includes(message.message));
    }),
    { numRuns: 500 },
  );
});

const HEADS = [
  "",
  "<34>",
  "<34>1 2024-01-15T10:30:00Z h a - - ",
  "<34>1 2024-01-15T10:30:00Z h a - - [a ",
  "<34>Oct 11 22:14:15",
  "<34>Oct 11 22:14:15 ",
  "Oct 11 22:14:15 h ",
  "Oct 11 22:14:15 h a: ",
  "Oct 11 22:14:15 h kernel: [",
  "<34>123: ",
  "<34>%A",
];
const FILLINGS = [
  ...[" ", "1", "[", "]", '"', "\\", ":", "=", "-", "%", "a", "\u2003", "\ufeff"],
  ...[
    '[a b="',
    '[a b="\\',
    "[1]",
    "[1]:",
    "a=1 ",
    'a="',
    "-1",
    "%-1-",
    "1: ",
    ": %",
    ".",
    "CEF:0|",
  ],
];

test("decodeSyslog() takes a time that grows with the line, not faster", () => {
  for (const head of HEADS) {
    for (const filling of FILLINGS) {
      assertLinear(
        `${head}${filling}…`,
        1 << 20,
        (size) => `${head}${filling.repeat(size / filling.length)}x`,
        (line) => {
          decodeSyslog(line, NOW).toValue();
        },
      );
    }
  }
});
