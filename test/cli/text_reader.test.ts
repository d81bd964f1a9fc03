/**
 * Bytes of any log to events: what their first bytes tell, encodings, holes, joined records.
 * `inputs.md` 3, 20.3, 20.5.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { HEAD_BYTES, type TextForm, textForm } from "../../cli/text_form.ts";
import { TextReader } from "../../cli/text_reader.ts";
import type { LineFormat } from "../../src/decode/parse_line.ts";
import { jsonText } from "../../src/event/json_text.ts";
import type { InputOptions } from "../../src/runtime/input_events.ts";

const SSHD = "Oct 11 22:14:15 web sshd[7]: Failed password for root from 192.0.2.9 port 4711 ssh2";
const AUDIT = 'type=USER_CMD msg=audit(1700000000.001:7): pid=1 uid=0 cmd="id"';

function utf16(text: string, mark: boolean, swapped: boolean): Uint8Array {
  const bytes = Buffer.from(mark ? `\ufeff${text}` : text, "utf16le");
  return swapped ? bytes.swap16() : bytes;
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? Buffer.from(content) : content;
}

/** `kind format` and what else is known, `binary` for `undefined`. */
function described(form: TextForm | undefined): string {
  if (form === undefined) return "binary";
  const { kind, format, expectsJson, isAudit, encoding } = form;
  return [
    kind,
    format,
    ...(expectsJson ? ["expects JSON"] : []),
    ...(isAudit ? ["audit"] : []),
    ...(encoding === "utf-8" ? [] : [encoding]),
  ].join(" ");
}

const FORMS: readonly (readonly [string | Uint8Array, string])[] = [
  ["", "lines auto"],
  [`${SSHD}\n`, "lines auto"],
  ['{"a":1}\n{"a":2}\n', "lines auto expects JSON"],
  ['{\n  "a": 1\n}', "json auto expects JSON"],
  ['[{"a":1}]', "json auto expects JSON"],
  ["[\n", "json auto expects JSON"],
  ["{}", "json auto expects JSON"],
  // Brackets that begin text.
  ["[    0.000000] Linux version 6.1\n", "lines auto"],
  ["[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok\n", "lines auto"],
  ["{core} ready\n", "lines auto"],
  [`${AUDIT}\n`, "lines auto audit"],
  [`garbage\n${AUDIT}\n`, "lines auto audit"],
  ["CEF:0|a|b|c|d|e|5|\n", "lines auto"],
  // Encodings: marks, and zero bytes where Latin letters have them.
  [`\ufeff{"a":1}\n{"a":2}`, "lines auto expects JSON"],
  [utf16(`${SSHD}\r\n`, true, false), "lines auto utf-16le"],
  [utf16(`${SSHD}\r\n`, false, false), "lines auto utf-16le"],
  [utf16(`${SSHD}\r\n`, true, true), "lines auto utf-16be"],
  [utf16('[{"a":1}]', true, true), "json auto expects JSON utf-16be"],
  // A hole of NULs in front of lines is text, other NULs are not.
  [`\0\0\0\0\0\0\0\0${SSHD}\n`, "lines auto"],
  [`${SSHD}\n${"\0".repeat(9)}${SSHD}\n`, "lines auto"],
  [`${SSHD}\n${"\0".repeat(5000)}`.slice(0, HEAD_BYTES), "lines auto"],
  ["\0".repeat(HEAD_BYTES), "binary"],
  ["\0", "binary"],
  // Somebody may write one into a log.
  [`${SSHD}\n${SSHD}\0\n\u001b[1m${SSHD}\n`, "lines auto"],
  [`${SSHD}\n${SSHD}\0\u0001\n`, "binary"],
  ["abc\0def\0gh", "binary"],
  [Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0), "binary"],
  // utmp: a login record with a name in a field of NULs.
  [`\u0007\0\0\0\u0001\0\0\0pts/0${"\0".repeat(27)}root${"\0".repeat(28)}`, "binary"],
];

for (const [content, expected] of FORMS) {
  test(`textForm() takes ${JSON.stringify(bytesOf(content).slice(0, 24))} for ${expected}`, () => {
    assert.equal(described(textForm(bytesOf(content), "auto", false)), expected);
  });
}

test("textForm() holds to a stated format and to names of JSON", () => {
  const noise = bytesOf("abc\0def\0gh");
  assert.equal(described(textForm(noise, "auto", true)), "lines json");
  assert.equal(described(textForm(noise, "plain", false)), "lines plain");
  assert.equal(described(textForm(bytesOf("[{}]"), "json", false)), "json json");
  assert.equal(described(textForm(bytesOf("[{}]"), "syslog", true)), "lines syslog");
  assert.equal(described(textForm(bytesOf(SSHD), "auditd", false)), "lines auditd audit");
});

interface Read {
  /** `line: event` */
  readonly events: readonly string[];
  /** `line: reason` */
  readonly problems: readonly string[];
  readonly lines: number;
  readonly replaced: number;
}

interface ReadOptions {
  readonly format?: LineFormat;
  readonly options?: InputOptions;
  /** How many bytes are pushed at a time. */
  readonly size?: number;
}

function read(
  content: string | Uint8Array,
  { format = "auto", options = {}, size = 7 }: ReadOptions = {},
): Read {
  const bytes = bytesOf(content);
  const form = textForm(bytes.subarray(0, HEAD_BYTES), format, false);
  assert.ok(form !== undefined);
  const events: string[] = [];
  const problems: string[] = [];
  const reader = new TextReader(form, { nowMs: Date.UTC(2025, 10, 1), ...options }, {
    event: (event, { line }) => events.push(`${line}: ${jsonText(event.toValue())}`),
    problem: (reason, { line }) =>
      problems.push(`${line}: ${reason.kind === "record" ? reason.reason : reason.kind}`),
  });
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.slice(at, at + size));
  reader.end();
  return { events, problems, lines: reader.lines, replaced: reader.replaced };
}

const CASES: readonly (readonly [string, string | Uint8Array, Partial<Read>, ReadOptions?])[] = [
  ["no bytes", "", { events: [], lines: 0 }],
  ["CR LF, blanks and no end", "a\r\n\r\n \nb", { events: ['1: {"_raw":"a"}', '4: {"_raw":"b"}'] }],
  ["a byte order mark", "\ufeffa\n", { events: ['1: {"_raw":"a"}'], replaced: 0 }],
  ["UTF-16", utf16("ä\r\n€\n", true, false), { events: ['1: {"_raw":"ä"}', '2: {"_raw":"€"}'] }],
  ["UTF-16, swapped", utf16("ab\ncd", true, true), {
    events: ['1: {"_raw":"ab"}', '2: {"_raw":"cd"}'],
  }],
  [
    "a hole in front of a line",
    `x\n${"\0".repeat(10)}y\n`,
    { events: ['1: {"_raw":"x"}', '2: {"_raw":"y"}'] },
  ],
  [
    "invalid UTF-8",
    Uint8Array.of(0x61, 0xff, 0x0a, 0x62, 0x0a, 0xc3, 0x0a),
    { events: ['1: {"_raw":"a\ufffd"}', '2: {"_raw":"b"}', '3: {"_raw":"\ufffd"}'], replaced: 2 },
  ],
  [
    "damaged JSON among JSON",
    '{"a":1}\n{"a":\nfree text\n[{"b":2},{"b":3}]\n',
    {
      events: ['1: {"a":1}', '3: {"_raw":"free text"}', '4: {"b":2}', '4: {"b":3}'],
      problems: ["2: decode_json"],
    },
  ],
  [
    "a pretty-printed array",
    '[\n  {"a": 1},\n  {"a": 2}\n]\n',
    { events: ['1: {"a":1}', '2: {"a":2}'] },
  ],
  [
    "a format that is not that of the lines",
    "x\nCEF:0|a|b|c|d|e|5|\n",
    { problems: ["1: decode_cef_header"], lines: 2 },
    { format: "cef" },
  ],
  [
    "an array with a filter",
    '[{"a":1},{"a":2}]',
    { events: ['1: [{"a":1},{"a":2}]'] },
    { options: { filter: (event) => [event] } },
  ],
];

for (const [name, content, expected, options] of CASES) {
  test(`TextReader reads ${name}`, () => {
    const found = read(content, options);
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(found[key as keyof Read], value, key);
    }
  });
}

test("TextReader joins the records of an audit event and places it at its first line", () => {
  const { events, lines } = read([
    'type=SYSCALL msg=audit(1700000000.001:7): arch=c000003e syscall=59 success=yes pid=9 comm="id"',
    "Oct 11 22:14:15 web app: between",
    'type=EXECVE msg=audit(1700000000.001:7): argc=1 a0="id"',
    "type=PROCTITLE msg=audit(1700000000.001:7): proctitle=6964",
    AUDIT.replace(":7)", ":8)"),
  ].join("\n"));
  assert.equal(lines, 5);
  assert.equal(events.length, 3);
  const joined = events.find((event) => event.startsWith("1: "))!;
  assert.match(joined, /"EXECVE"/);
  assert.match(joined, /"PROCTITLE"/);
  assert.deepEqual(events.map((event) => Number(event.split(":")[0])).sort(), [1, 2, 5]);
});

test("TextReader gives the same whatever the blocks", () => {
  const line = fc.oneof(
    fc.constantFrom(SSHD, AUDIT, '{"a":1}', "[1.5] x", "", "CEF:0|a|b|c|d|e|5|", "ä€\u{1f600}"),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(fc.property(
    fc.array(line, { maxLength: 8 }),
    fc.constantFrom("utf-8", "utf-16le", "utf-16be"),
    fc.integer({ min: 1, max: 40 }),
    (lines, encoding, size) => {
      const text = lines.join("\n");
      const bytes = encoding === "utf-8"
        ? bytesOf(text)
        : utf16(text, true, encoding === "utf-16be");
      const options: ReadOptions = { format: lines.length % 2 === 0 ? "syslog" : "plain" };
      assert.deepEqual(read(bytes, { ...options, size }), read(bytes, { ...options, size: 1000 }));
    },
  ));
});
