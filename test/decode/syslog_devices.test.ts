/**
 * What devices and programs send beyond the RFCs, and what they carry inside.
 *
 * @see inputs.md, sections 6.1, 6.5 and 20.5
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FlatEvent, PlainEvent } from "../../src/decode/flat_event.ts";
import { JsonEvent } from "../../src/decode/json.ts";
import { openMessage } from "../../src/decode/linux/open.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import { decodeSyslog, type SyslogOptions } from "../../src/decode/syslog.ts";
import { EnvelopedEvent, SyslogEvent } from "../../src/decode/syslog/event.ts";
import { parseSyslog } from "../../src/decode/syslog/parse.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { eventComputer, eventTimestamp } from "../../src/event/facts.ts";
import { internField } from "../../src/event/field.ts";
import type { Value } from "../../src/event/value.ts";
import { parseTimeZone } from "../../src/event/zone.ts";

const NOW = { nowMs: Date.UTC(2026, 10, 23) };

type Header = readonly [
  timestamp: string | undefined,
  hostname: string | undefined,
  appname: string | undefined,
  procid: string | undefined,
  message: string,
];

const OCT = "2026-10-11T22:14:15+00:00";
const JAN = "2024-01-15T10:30:00+00:00";

// All of them are syslog for `auto` as well.
const DEVICES: readonly (readonly [line: string, expected: Header, options?: SyslogOptions])[] = [
  // Cisco IOS: sequence numbers, clocks that are not synchronised, names, zones.
  [
    "<189>123: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console",
    [
      "2026-03-01T18:46:11.123+00:00",
      undefined,
      "%SYS-5-CONFIG_I",
      undefined,
      "Configured from console",
    ],
  ],
  [
    "<189>29: r1: *Apr 29 13:58:40.411 CET: %SYS-SW1-5-CONFIG_I: Configured",
    ["2026-04-29T13:58:40.411+01:00", "r1", "%SYS-SW1-5-CONFIG_I", undefined, "Configured"],
  ],
  [
    "<189>29: .Apr 29 13:58:40: %SYS-5-CONFIG_I: Configured",
    ["2026-04-29T13:58:40+02:00", undefined, "%SYS-5-CONFIG_I", undefined, "Configured"],
    { syslogZone: parseTimeZone("Europe/Berlin") },
  ],
  // Palo Alto Networks: a row of CSV instead of a program.
  [
    "<14>Jan 15 2024 10:30:00 PA-VM 1,2024/01/15 10:30:00,007000000000,TRAFFIC,end,2049",
    [JAN, "PA-VM", undefined, undefined, "1,2024/01/15 10:30:00,007000000000,TRAFFIC,end,2049"],
  ],
  // A relay has put its own header before it.
  [
    "Mar  1 18:46:11 10.0.0.1 123: *Mar  1 18:46:10.123: %SYS-5-CONFIG_I: Configured",
    ["2026-03-01T18:46:11+00:00", "10.0.0.1", "%SYS-5-CONFIG_I", undefined, "Configured"],
  ],
  // Cisco ASA: with and without time, host and zone.
  ["<166>Jan 15 2024 10:30:00: %ASA-6-302013: Built", [
    JAN,
    undefined,
    "%ASA-6-302013",
    undefined,
    "Built",
  ]],
  ["<166>Jan 15 2024 10:30:00 fw : %ASA-6-302013: Built", [
    JAN,
    "fw",
    "%ASA-6-302013",
    undefined,
    "Built",
  ]],
  ["<166>Jan 15 2024 10:30:00 fw %ASA-6-302013: Built", [
    JAN,
    "fw",
    "%ASA-6-302013",
    undefined,
    "Built",
  ]],
  ["<166>:Jan 15 2024 10:30:00 UTC: %ASA-6-302013: Built", [
    JAN,
    undefined,
    "%ASA-6-302013",
    undefined,
    "Built",
  ]],
  ["<166>%ASA-6-302013: Built", [undefined, undefined, "%ASA-6-302013", undefined, "Built"]],
  // Other orders and notations of time.
  ["<13>2024 Jan 15 10:30:00 h app: x", [JAN, "h", "app", undefined, "x"]],
  ["<13>2024-01-15 10:30:00 h app: x", [JAN, "h", "app", undefined, "x"]],
  ["2024-01-15 10:30:00 h sshd[12]: x", [JAN, "h", "sshd", "12", "x"]],
  ["2024-01-15 10:30:00.5 h sshd[12]: [a] x: y", [
    "2024-01-15T10:30:00.500+00:00",
    "h",
    "sshd",
    "12",
    "[a] x: y",
  ]],
  // macOS: `log show --style syslog`, install.log.
  ["2024-01-15 10:30:00.123456-0800  localhost sshd[12]: (libsystem) x", [
    "2024-01-15T10:30:00.123456-08:00",
    "localhost",
    "sshd",
    "12",
    "(libsystem) x",
  ]],
  ["2024-01-15 10:30:00-08 mac softwareupdated[12]: x", [
    "2024-01-15T10:30:00-08:00",
    "mac",
    "softwareupdated",
    "12",
    "x",
  ]],
  ["<13>2024-01-15T10:30:00 h app: x", ["2024-01-15T10:30:00+01:00", "h", "app", undefined, "x"], {
    syslogZone: parseTimeZone("Europe/Berlin"),
  }],
  ["<13>Jan 15 2024 10:30:00.5 h app: x", [
    "2024-01-15T10:30:00.500+00:00",
    "h",
    "app",
    undefined,
    "x",
  ]],
  ["2024-01-15T10:30:00.123456+01:00 h app[12]: x", [
    "2024-01-15T10:30:00.123456+01:00",
    "h",
    "app",
    "12",
    "x",
  ]],
  ["1 2024-01-15T10:30:00Z h app 12 - - x", [JAN, "h", "app", "12", "x"]],
  // Hosts.
  ["<13>Oct 11 22:14:15 10.1.2.3 app: x", [OCT, "10.1.2.3", "app", undefined, "x"]],
  ["<13>Oct 11 22:14:15 fe80::1 app[2]: x", [OCT, "fe80::1", "app", "2", "x"]],
  ["<13>Oct 11 22:14:15 ::1 app[2]: x", [OCT, "::1", "app", "2", "x"]],
  ["<13>Oct 11 22:14:15 [2001:db8::1] app: x", [OCT, "[2001:db8::1]", "app", undefined, "x"]],
  ["<13>Oct 11 22:14:15 2001:db8::1: x", [OCT, "2001:db8::1", undefined, undefined, "x"]],
  ["<13>Oct 11 22:14:15 sudo[12]:x", [OCT, undefined, "sudo", "12", "x"]],
  // syslogd itself.
  ["Oct 11 22:14:15 h last message repeated 3 times", [
    OCT,
    "h",
    undefined,
    undefined,
    "last message repeated 3 times",
  ]],
  ["Oct 11 22:14:15: --- last message repeated 1 time ---", [
    OCT,
    undefined,
    undefined,
    undefined,
    "--- last message repeated 1 time ---",
  ]],
  ["Oct 11 22:14:15 mac --- last message repeated 1 time ---", [
    OCT,
    "mac",
    undefined,
    undefined,
    "--- last message repeated 1 time ---",
  ]],
  ["Oct 11 22:14:15 h  -- root[2421]: ROOT LOGIN ON tty2", [
    OCT,
    "h",
    undefined,
    undefined,
    "-- root[2421]: ROOT LOGIN ON tty2",
  ]],
  // Brackets are no names.
  ["<4>Oct 11 22:14:15 h [12.5] oom", [OCT, "h", undefined, undefined, "[12.5] oom"]],
  ["<4>Oct 11 22:14:15 [12.5] oom", [OCT, undefined, undefined, undefined, "[12.5] oom"]],
];

for (const [line, expected, options] of DEVICES) {
  test(`parseSyslog() ${line}`, () => {
    const parsed = parseSyslog(line, { ...NOW, ...options })!;
    const { timestamp, hostname, appname, procid, message } = parsed;
    assert.deepEqual([timestamp, hostname, appname, procid, message], expected);
    const event = parseLine(line, "auto", NOW);
    assert.ok(event instanceof SyslogEvent);
    assert.equal(event.get(internField("message")), message);
  });
}

// Times of other logs.
const NOT_SYSLOG: readonly string[] = [
  "2024-01-15T10:30:00Z ERROR something else",
  "2024-01-15T10:30:00Z ERROR something: else",
  "2024-01-15T10:30:00Z [WARN] something: else",
  "2024-01-15T10:30:00Z something else",
  "2024-01-15 10:30:00 host app: x",
  "2024-01-15 10:30:00,123 INFO worker[12]: x",
  "2024-01-15 10:30:00.123 UTC [1234] LOG:  x",
  "2024-01-15 10:30:00 UTC [1234]: [1-1] user=postgres x",
  "2024-01-15 10:30:00   host app[12]: x",
  "10/Oct/2000:13:55:36 -0700 host app: x",
  "Oct 11 22:14:15 happened",
  "Oct 11 22:14:15",
  "October 11 22:14:15 h app: x",
  "Marketing is on",
  "May we?",
  "<13>hello world",
  "<13>",
  "<>Oct 11 22:14:15 h app: x",
  "<256>Oct 11 22:14:15 h app: x",
  "<000013>Oct 11 22:14:15 h app: x",
  "<1 3>Oct 11 22:14:15 h app: x",
];
for (const line of NOT_SYSLOG) {
  test(`parseLine() auto takes ${line} for plain text`, () => {
    assert.ok(parseLine(line, "auto", NOW) instanceof PlainEvent);
  });
}

const AT_H = { syslog_timestamp: OCT, syslog_hostname: "h" };
const PRIORITY = { syslog_facility: "LOG_USER", syslog_severity: "SEV_NOTICE" };
const CEF = {
  cef_version: "0",
  deviceVendor: "V",
  deviceProduct: "P",
  deviceVersion: "1",
  signatureId: "T",
  name: "n",
  severity: "7",
  src: "10.0.0.1",
};

// What is inside a line, and its object.
const PAYLOADS: readonly (readonly [line: string, value: Value])[] = [
  ['<13>Oct 11 22:14:15 h app: {"EventID":1}', {
    EventID: 1,
    ...AT_H,
    ...PRIORITY,
    syslog_appname: "app",
  }],
  ['<13>Oct 11 22:14:15 h {"EventID":1}', { EventID: 1, ...AT_H, ...PRIORITY }],
  ['Oct 11 22:14:15 h {"a":{"b":1}}', { a: { b: 1 }, ...AT_H }],
  ['<13>{"a":1}', { a: 1, ...PRIORITY }],
  ["<13>Oct 11 22:14:15 h CEF:0|V|P|1|T|n|7|src=10.0.0.1", { ...CEF, ...AT_H, ...PRIORITY }],
  ["Oct 11 22:14:15 h CEF:0|V|P|1|T|n|7|src=10.0.0.1", { ...CEF, ...AT_H }],
  ["<13>CEF:0|V|P|1|T|n|7|src=10.0.0.1", { ...CEF, ...PRIORITY }],
  ["<13>1 2026-10-11T22:14:15Z h app 1 m - CEF:0|V|P|1|T|n|7|src=10.0.0.1 syslog_procid=own", {
    ...CEF,
    ...AT_H,
    ...PRIORITY,
    syslog_appname: "app",
    syslog_procid: "own",
    syslog_msgid: "m",
  }],
  ["<13>Oct 11 22:14:15 h LEEF:1.0|V|P|1|T|src=10.0.0.1\tdst=1.2.3.4", {
    leef_version: "1.0",
    deviceVendor: "V",
    deviceProduct: "P",
    deviceVersion: "1",
    eventId: "T",
    src: "10.0.0.1",
    dst: "1.2.3.4",
    ...AT_H,
    ...PRIORITY,
  }],
  ['<13>1 2026-10-11T22:14:15Z h app - - [x a="1"] level=info msg="a b"', {
    level: "info",
    msg: "a b",
    ...AT_H,
    ...PRIORITY,
    syslog_appname: "app",
    "sd.x.a": "1",
  }],
  ['<13>date=2024-01-15 time=10:30:00 devname="fg" type="event"', {
    date: "2024-01-15",
    time: "10:30:00",
    devname: "fg",
    type: "event",
    ...PRIORITY,
  }],
  ['<13>Oct 11 22:14:15 h date=2024-01-15 time=10:30:00 devname="fg"', {
    date: "2024-01-15",
    time: "10:30:00",
    devname: "fg",
    ...AT_H,
    ...PRIORITY,
  }],
];

for (const [line, value] of PAYLOADS) {
  test(`decodeSyslog() opens ${line}`, () => {
    for (const event of [decodeSyslog(line, NOW), parseLine(line, "auto", NOW)!]) {
      assert.ok(event instanceof JsonEvent || event instanceof EnvelopedEvent);
      assert.deepEqual(event.toValue(), value);
      for (const [name, member] of Object.entries(value as object)) {
        assert.deepEqual(event.get(internField(name)), member, name);
      }
      assert.deepEqual(new Set(event.topKeys?.()), new Set(Object.keys(value as object)));
    }
  });
}

// What only looks like one of them stays text.
const TEXTS: readonly string[] = [
  "{not json}",
  "[1,2]",
  '"x"',
  "CEF:0|V|P",
  "CEF:x|V|P|1|T|n|7|",
  "LEEF:9.0|x",
  "Clear text",
  "Later",
  "a=1 but not more than that",
  "a=1",
  "type=x",
  "audit: type=1400 audit(",
];
for (const text of TEXTS) {
  test(`decodeSyslog() leaves ${text} as it is`, () => {
    const event = decodeSyslog(`<13>Oct 11 22:14:15 h some: ${text}`, NOW);
    assert.ok(event instanceof SyslogEvent);
    assert.equal(event.get(internField("_raw")), text);
  });
}

const AUDIT = "msg=audit(1364481363.243:24287): pid=1 uid=0 auid=0 res=failed";
const KERNEL = 'audit(1364481363.243:24287): apparmor="DENIED" operation="open" profile="x"';
const AUDITS: readonly (readonly [message: string, type: string])[] = [
  [`audispd: type=USER_LOGIN ${AUDIT}`, "USER_LOGIN"],
  [`audispd: node=web type=USER_LOGIN ${AUDIT}`, "USER_LOGIN"],
  [`kernel: audit: type=1400 ${KERNEL}`, "AVC"],
  [`kernel: [   12.345678] audit: type=1400 ${KERNEL}`, "AVC"],
  [`kernel: [12.345678] type=1400 ${KERNEL}`, "AVC"],
];
for (const [message, type] of AUDITS) {
  test(`decodeSyslog() opens ${message}`, () => {
    const event = decodeSyslog(`Oct 11 22:14:15 h ${message}`, NOW);
    assert.ok(event instanceof EnvelopedEvent);
    assert.equal(event.get(internField("type")), type);
    assert.equal(event.get(internField("syslog_hostname")), "h");
    assert.equal(event.get(internField("syslog_timestamp")), OCT);
  });
}

function visited(event: LogEvent): string[] {
  const texts: string[] = [];
  event.someText((text) => {
    texts.push(text);
    return false;
  });
  return texts;
}

test("SyslogEvent spells priority and message in other ways, to rules alone", () => {
  const event = decodeSyslog("<34>Oct 11 22:14:15 h app[7]: text", NOW);
  const expected: Readonly<Record<string, Value>> = {
    message: "text",
    facility_name: "auth",
    facility_code: 4,
    severity_name: "crit",
    severity_code: 2,
  };
  const value = event.toValue() as Readonly<Record<string, Value>>;
  for (const [name, other] of Object.entries(expected)) {
    assert.equal(event.get(internField(name)), other);
    assert.ok(event.topKeys!()!.includes(name));
    assert.ok(!(name in value));
  }
  // No keyword is looked for twice.
  assert.deepEqual(visited(event), [OCT, "h", "app", "7", "LOG_AUTH", "SEV_CRIT", "text"]);
});

test("SyslogEvent has no other spelling of what is not there", () => {
  const event = decodeSyslog("Oct 11 22:14:15 h app:", NOW);
  for (
    const name of ["message", "facility_name", "facility_code", "severity_name", "severity_code"]
  ) {
    assert.equal(event.get(internField(name)), undefined);
  }
  // Facilities beyond the last one have a number alone.
  const beyond = decodeSyslog("<199>Oct 11 22:14:15 h app: x", NOW);
  assert.equal(beyond.get(internField("facility_code")), 24);
  assert.equal(beyond.get(internField("facility_name")), undefined);
  // A pair that is called so is what the sender means.
  const own = decodeSyslog('<13>1 - - - - - - message=own b="c"', NOW);
  assert.equal(own.get(internField("message")), "own");
});

test("SyslogEvent has what a known program says, once, and its logsource", () => {
  const message = "Failed password for root from 1.2.3.4 port 22 ssh2";
  const event = decodeSyslog(`<38>Oct 11 22:14:15 web sshd[12]: ${message}`, NOW);
  const opened = openMessage("sshd", message)!;
  assert.ok(opened.fields.length > 0);
  assert.equal(event.logsource, opened.logsource);
  const value = event.toValue() as Readonly<Record<string, Value>>;
  for (const [name, text] of opened.fields) {
    assert.equal(event.get(internField(name)), text);
    assert.equal(value[name], text);
    assert.ok(event.topKeys!()!.includes(name));
  }
  assert.deepEqual(visited(event).filter((text) => message.includes(text)), [message]);
  assert.deepEqual(Object.keys(value).slice(0, 2), ["timestamp", "hostname"]);
});

test("the header's names win over those of an opened message", () => {
  const event = new FlatEvent([["hostname", "h"], ["_raw", "x"]], [["hostname", "other"], [
    "User",
    "u",
  ]]);
  assert.equal(event.get(internField("hostname")), "h");
  assert.deepEqual(event.toValue(), { hostname: "h", _raw: "x", User: "u" });
});

test("EnvelopedEvent looks for keywords in the event and in the header", () => {
  const event = decodeSyslog("<13>Oct 11 22:14:15 h app: level=info msg=hello", NOW);
  assert.deepEqual(visited(event), ["info", "hello", OCT, "h", "app", "LOG_USER", "SEV_NOTICE"]);
});

test("alerts tell the time and the host of lines that carry another event", () => {
  const event = decodeSyslog('Oct 11 22:14:15 h app: {"a":1}', NOW);
  assert.equal(eventTimestamp(event)[0], Date.parse(OCT));
  assert.equal(eventComputer(event), "h");
});
