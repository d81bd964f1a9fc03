import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLine } from "../../src/decode/parse_line.ts";
import { decodeSyslog, type SyslogOptions } from "../../src/decode/syslog.ts";
import { parseTimeZone } from "../../src/event/zone.ts";
import { openMessage } from "../../src/decode/linux/open.ts";
import type { Value, ValueObject } from "../../src/event/value.ts";

const NOW = { nowMs: Date.UTC(2026, 10, 23) };

const PRIORITY_13 = { facility: "LOG_USER", severity: "SEV_NOTICE" };
const HEAD = {
  timestamp: "2024-01-15T10:30:00+00:00",
  hostname: "h",
  appname: "a",
  ...PRIORITY_13,
};
const BSD = { timestamp: "2026-10-11T22:14:15+00:00", hostname: "h", appname: "x", ...PRIORITY_13 };

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
  // Section 19: 22 to 25.
  ["<13>1 2024-01-15T10:30:00Z h a - - - \uFEFFan event", { ...HEAD, _raw: "an event" }],
  ["<13>1 2024-01-15T10:30:00Z h a - - - \uFEFF \uFEFFone mark is left out", {
    ...HEAD,
    _raw: "\uFEFFone mark is left out",
  }],
  ['<13>1 2024-01-15T10:30:00Z h a - - - \uFEFF{"EventID":1}', {
    EventID: 1,
    syslog_timestamp: "2024-01-15T10:30:00+00:00",
    syslog_hostname: "h",
    syslog_appname: "a",
    syslog_facility: "LOG_USER",
    syslog_severity: "SEV_NOTICE",
  }],
  [
    "<13>1 2024-01-15T10:30:00Z h a - - - \uFEFFmarked",
    { ...HEAD, _raw: "\uFEFFmarked" },
    { syslogStripBom: false },
  ],
  [
    '<13>1 2024-01-15T10:30:00Z h a - - - \uFEFF{"EventID":1}',
    { ...HEAD, _raw: '\uFEFF{"EventID":1}' },
    { syslogStripBom: false },
  ],
  ["<13>1 2024-01-15T10:30:00Z h a - - - \uFEFF", HEAD],
  // 26, and the zone of a place.
  ["<34>Oct 11 22:14:15 m x: t", {
    ...BSD,
    hostname: "m",
    timestamp: "2026-10-11T22:14:15+05:00",
    facility: "LOG_AUTH",
    severity: "SEV_CRIT",
    _raw: "t",
  }, { syslogZone: parseTimeZone("+05:00") }],
  ["<13>Oct 11 22:14:15 h x: summer", {
    ...BSD,
    timestamp: "2026-10-11T22:14:15+02:00",
    _raw: "summer",
  }, { syslogZone: parseTimeZone("Europe/Berlin") }],
  ["<13>Jan 11 22:14:15 h x: winter", {
    ...BSD,
    timestamp: "2026-01-11T22:14:15+01:00",
    _raw: "winter",
  }, { syslogZone: parseTimeZone("Europe/Berlin") }],
  // 29 to 31, 36, 39 to 41.
  ["<134> Feb 29 14:07:19 h sshd - - - m", { _raw: "<134> Feb 29 14:07:19 h sshd - - - m" }],
  [" gibberish ", { _raw: "gibberish" }],
  ["Dec 28 16:49:07 h nginx: GET", {
    timestamp: "2025-12-28T16:49:07+00:00",
    hostname: "h",
    appname: "nginx",
    _raw: "GET",
  }],
  [`<13>Oct 11 22:14:15 h x:  [software="r" x="1"] start`, {
    ...BSD,
    _raw: `[software="r" x="1"] start`,
  }],
  ["<13>Oct 11 22:14:15 h x[8539]:msg", { ...BSD, procid: "8539", _raw: "msg" }],
  ["<191>Oct 11 22:14:15 h x: m", {
    ...BSD,
    facility: "LOG_LOCAL7",
    severity: "SEV_DEBUG",
    _raw: "m",
  }],
  ["<192>Oct 11 22:14:15 h x: m", {
    timestamp: BSD.timestamp,
    hostname: "h",
    appname: "x",
    severity: "SEV_EMERG",
    _raw: "m",
  }],
  ["<13>OCT 11 22:14:15 h x: m", { ...BSD, _raw: "m" }],
  // 32 to 35, 37, 38.
  ["<13>1 2024-01-15T10:30:00Z h a - - [incorrect x] m", { ...HEAD, _raw: "m" }],
  ["<13>1 2024-01-15T10:30:00Z h a - - [empty] m", { ...HEAD, _raw: "m" }],
  [`<13>1 2024-01-15T10:30:00Z h a - - [a x="1"][b y="2"] m`, {
    ...HEAD,
    "a.x": "1",
    "b.y": "2",
    _raw: "m",
  }],
  [`<13>1 2024-01-15T10:30:00Z h a - - [e eventSource= "App"] m`, {
    ...HEAD,
    "e.eventSource": "App",
    _raw: "m",
  }],
  ["<13>1 2024-01-15T10:30:00Z h: OX:rpd - - - m", { ...HEAD, appname: "OX:rpd", _raw: "m" }],
  ["<28>1 2020-05-22T14:59:09.250-03:00 h a - - - m", {
    ...HEAD,
    timestamp: "2020-05-22T14:59:09.250-03:00",
    facility: "LOG_DAEMON",
    severity: "SEV_WARNING",
    _raw: "m",
  }],
  ["<13>1 2024-01-15T10:30:00Z h a - -", { _raw: "<13>1 2024-01-15T10:30:00Z h a - -" }],
  // Unlike the reference: a dash is no time, and none is lost (6.1, "Quirks").
  ["- a b c", { _raw: "- a b c" }],
  ["<13>Oct 11 22:14:15 h x: -bash: y", { ...BSD, _raw: "-bash: y" }],
  ["<13>Oct 11 22:14:15 h  two blanks", {
    timestamp: BSD.timestamp,
    hostname: "h",
    facility: "LOG_USER",
    severity: "SEV_NOTICE",
    _raw: "two blanks",
  }],
  ["<13>Oct 11 22:14:15 web01 disk full", {
    ...BSD,
    hostname: "web01",
    appname: "disk",
    _raw: "full",
  }],
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
