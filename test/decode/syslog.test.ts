import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { parseLine } from "../../src/decode/parse_line.ts";
import { decodeSyslog, type SyslogOptions } from "../../src/decode/syslog.ts";
import { parseSyslog } from "../../src/decode/syslog/parse.ts";
import { parseTimeZone } from "../../src/event/zone.ts";
import { openMessage } from "../../src/decode/linux/open.ts";
import type { Value, ValueObject } from "../../src/event/value.ts";
import { CORPUS } from "../support/corpus.ts";

const NOW = { nowMs: Date.UTC(2026, 10, 23) };

// inputs.md, 6.1 to 6.6; line, fields, options.
const LINES: readonly (readonly [string, Value, SyslogOptions?])[] = [
  ["<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick", {
    timestamp: "2026-10-11T22:14:15+00:00",
    hostname: "mymachine",
    appname: "su",
    facility: "LOG_AUTH",
    severity: "SEV_CRIT",
    _raw: "'su root' failed for lonvick",
  }],
  ["<165>1 2024-01-15T10:30:00.000Z web01 myapp 1234 ID47 - Up", {
    timestamp: "2024-01-15T10:30:00+00:00",
    hostname: "web01",
    appname: "myapp",
    procid: "1234",
    msgid: "ID47",
    facility: "LOG_LOCAL4",
    severity: "SEV_NOTICE",
    _raw: "Up",
  }],
  [String.raw`<165>1 2003-10-11T22:14:15.003Z h e - ID47 [x@1 iut="3" a="q\"r"] hi`, {
    timestamp: "2003-10-11T22:14:15.003+00:00",
    hostname: "h",
    appname: "e",
    msgid: "ID47",
    facility: "LOG_LOCAL4",
    severity: "SEV_NOTICE",
    "x@1.iut": "3",
    "x@1.a": 'q"r',
    _raw: "hi",
  }],
  ["<133>Jan 13 16:33:35 haproxy[73411]: Proxy x started.", {
    timestamp: "2026-01-13T16:33:35+00:00",
    appname: "haproxy",
    procid: "73411",
    facility: "LOG_LOCAL0",
    severity: "SEV_NOTICE",
    _raw: "Proxy x started.",
  }],
  ["<13>Oct 11 22:14:15 h : m", {
    timestamp: "2026-10-11T22:14:15+00:00",
    hostname: "h",
    facility: "LOG_USER",
    severity: "SEV_NOTICE",
    _raw: "m",
  }],
  [`<46>Jan  5 15:33:03 h rsyslogd:  [origin software="rsyslogd" x-pid="20506"] start`, {
    timestamp: "2026-01-05T15:33:03+00:00",
    hostname: "h",
    appname: "rsyslogd",
    facility: "LOG_SYSLOG",
    severity: "SEV_INFO",
    "origin.software": "rsyslogd",
    "origin.x-pid": "20506",
    _raw: "start",
  }],
  ["<4>Oct 11 22:14:15 h kernel: [12.5] oom", {
    timestamp: "2026-10-11T22:14:15+00:00",
    hostname: "h",
    appname: "kernel",
    facility: "LOG_KERN",
    severity: "SEV_WARNING",
    _raw: "[12.5] oom",
  }],
  ["<13>1 2024-01-15T10:30:00Z host app - - -", {
    timestamp: "2024-01-15T10:30:00+00:00",
    hostname: "host",
    appname: "app",
    facility: "LOG_USER",
    severity: "SEV_NOTICE",
  }],
  ["<999>Oct 11 22:14:15 h a: m", { _raw: "<999>Oct 11 22:14:15 h a: m" }],
  [`<134>1 2024-01-15T10:30:00Z d a 9 M - {"EventID":1,"syslog_hostname":"keep"}`, {
    EventID: 1,
    syslog_hostname: "keep",
    syslog_timestamp: "2024-01-15T10:30:00+00:00",
    syslog_appname: "a",
    syslog_procid: "9",
    syslog_msgid: "M",
    syslog_facility: "LOG_LOCAL0",
    syslog_severity: "SEV_INFO",
  }],
  [`<134>1 - - - - - - {}`, { syslog_facility: "LOG_LOCAL0", syslog_severity: "SEV_INFO" }],
  ["2026-11-23T08:00:01.25+01:00 web sshd[007]: Failed password", {
    timestamp: "2026-11-23T08:00:01.250+01:00",
    hostname: "web",
    appname: "sshd",
    procid: "7",
    _raw: "Failed password",
  }],
  ["Oct 11 2020 22:14:15 h a: with year, in the zone given", {
    timestamp: "2020-10-11T22:14:15+05:00",
    hostname: "h",
    appname: "a",
    _raw: "with year, in the zone given",
  }, { syslogZone: parseTimeZone("+05:00") }],
  ["Jan 1 00:00:00 h a: next year", {
    timestamp: "2027-01-01T00:00:00+00:00",
    hostname: "h",
    appname: "a",
    _raw: "next year",
  }, { nowMs: Date.UTC(2026, 11, 31, 23) }],
  ["Dec 31 23:59:59 h a: last year", {
    timestamp: "2025-12-31T23:59:59+00:00",
    hostname: "h",
    appname: "a",
    _raw: "last year",
  }, { nowMs: Date.UTC(2026, 0, 1) }],
  ["Feb 29 00:00:00 h a: no such day", { _raw: "Feb 29 00:00:00 h a: no such day" }],
  ["<13>1 2024-01-15T10:30:00Z h a - - - \uFEFFmarked", {
    timestamp: "2024-01-15T10:30:00+00:00",
    hostname: "h",
    appname: "a",
    facility: "LOG_USER",
    severity: "SEV_NOTICE",
    _raw: "marked",
  }],
];

for (const [line, fields, options] of LINES) {
  test(`decodeSyslog() ${line}`, () => {
    const { appname, _raw } = fields as Readonly<Record<string, string | undefined>>;
    // What programs say is tested elsewhere; here it must not hide what the header says.
    const opened = openMessage(appname ?? "", _raw ?? "")?.fields ?? [];
    assert.deepEqual(decodeSyslog(line, { ...NOW, ...options }).toValue(), {
      ...Object.fromEntries(opened),
      ...fields as ValueObject,
    });
  });
}

// inputs.md, 3; 20.5: files without <PRI> are recognised as well.
const AUTO: readonly (readonly [line: string, field: "appname" | "_raw" | "a"])[] = [
  ["Nov 23 16:00:01 host sshd[123]: Failed", "appname"],
  ["<34>Oct 11 22:14:15 mymachine su: failed", "appname"],
  ["2026-11-23T08:00:01+01:00 host cron: x", "appname"],
  ['{"a":1}', "a"],
  ['{"a":1', "_raw"],
  ["<Event xmlns='x'/>", "_raw"],
  ["2026-11-23 08:00:01 ERROR something else", "_raw"],
  ["- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond: x", "_raw"],
];

for (const [line, field] of AUTO) {
  test(`parseLine() auto finds ${field} in ${line}`, () => {
    const value = parseLine(line, "auto", NOW)?.toValue() as Record<string, Value>;
    assert.ok(field in value, JSON.stringify(value));
    if (field === "_raw") assert.deepEqual(value, { _raw: line });
  });
}

test("parseLine() takes blank lines for nothing in every format", () => {
  for (const format of ["auto", "json", "syslog", "plain"] as const) {
    assert.equal(parseLine(" \t\r", format), undefined);
  }
});

const piece = fc.constantFrom(
  ...["<34>", "<", "1 ", "- ", "Oct 11 22:14:15", "2024-01-15T10:30:00Z", " ", ":", "[", "]", "="],
  ...['"', "\\", "a", "[x@1 k=", '{"a":', "}", "sshd[1]", "\uFEFF", "host", "\n"],
);

test("parseSyslog() never throws, keeps to its text and is quick", () => {
  fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 60 }), (pieces) => {
    const line = pieces.join("");
    decodeSyslog(line, NOW).toValue();
    const message = parseSyslog(line, NOW);
    if (message !== undefined) assert.ok(line.includes(message.message));
  }));
  const hostile = ["<1>1 - - - - - ", '[a b="'.repeat(50_000), "[a ".repeat(50_000), " "].join("");
  const startedAt = performance.now();
  for (const size of [1, 2]) parseSyslog(hostile.repeat(size), NOW);
  parseSyslog(`Oct 11 22:14:15 ${"[".repeat(400_000)}`, NOW);
  parseSyslog(`<1>Oct 11 22:14:15 h ${" ".repeat(400_000)}x`, NOW);
  assert.ok(performance.now() - startedAt < 2000, "time grows with the line, not with its square");
});

test("the syslog files of the corpus decode with program and host, Thunderbird's to plain text", () => {
  const directory = join(CORPUS, "syslog");
  if (!existsSync(directory)) {
    console.log("skipped: corpus/syslog is absent");
    return;
  }
  const counts = new Map<string, number>();
  for (const file of ["Linux", "Mac", "OpenSSH", "Thunderbird"]) {
    const text = readFileSync(join(directory, `${file}_2k.log`), "latin1");
    for (const line of text.split("\n").filter((one) => one.trim() !== "")) {
      const value = parseLine(line, "auto", NOW)!.toValue() as Record<string, Value>;
      const isDecoded = "appname" in value && "timestamp" in value;
      counts.set(file, (counts.get(file) ?? 0) + (isDecoded ? 1 : 0));
    }
  }
  assert.equal(counts.get("OpenSSH"), 2000);
  // One names `--` where its program should be.
  assert.equal(counts.get("Linux"), 1999);
  assert.equal(counts.get("Thunderbird"), 0);
  assert.equal(counts.get("Mac"), 2000);
});
