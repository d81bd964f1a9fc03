/**
 * inputs.md, sections 12 and 20.5: when lines of no known format say that they were written, and the
 * notations of time that few programs have.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PlainEvent } from "../../src/decode/flat_event.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import { eventTimestamp } from "../../src/event/facts.ts";
import { lineTime } from "../../src/event/line_time.ts";
import { parseTimestamp } from "../../src/event/timestamp.ts";
import { parseTimeZone } from "../../src/event/zone.ts";

const NOW = Date.UTC(2024, 10, 23, 20);
const AT = Date.UTC(2024, 6, 10, 3, 45, 0);

/** Lines of one instant, 2024-07-10T03:45:00Z. */
const LINES: readonly string[] = [
  "2024-07-10 03:45:00.000 UTC [1234] LOG:  connection authorized: user=postgres database=db",
  "2024-07-10 03:45:00 10.0.0.1 GET /index.html - 80 - 10.0.0.2 Mozilla/5.0 - 200 0 0 15",
  "2024-07-10T03:45:00.000000Z 0 [Note] [MY-010000] [Server] Ready for connections",
  "2024-07-10T05:45:00.000000000+02:00 stdout F hello world",
  "2024-07-09 19:45:00.000000-0800 0x1234 Default 0x0 123 0 loginwindow: (Security) x",
  "[2024-07-10 03:45:00,000] {scheduler.py:12} INFO - started",
  "INFO 2024-07-10 03:45:00,000 org.example.Main started",
  "[INFO] 2024-07-10 03:45:00 started",
  '"2024-07-10 03:45:00","web","started"',
  "2024/07/10 03:45:00 [error] 7#7: *1 open() failed",
  "1,2024/07/10 03:45:00,007000000000,TRAFFIC,end,2049",
  "10-Jul-2024 03:45:00.000 queries: info: client @0x7f 192.0.2.1#54321: query: example.com",
  "[10-Jul-2024 03:45:00 UTC] PHP Warning:  Undefined variable",
  "[Wed Jul 10 03:45:00.000000 2024] [core:error] [pid 7] AH00124: Request exceeded the limit",
  "[Wed Jul 10 03:45:00 2024] usb 1-1: new device",
  "Wed Jul 10 05:45:00 CEST 2024 backup begins",
  "Wed, 10 Jul 2024 03:45:00 +0000 mail",
  "20240710T034500Z started",
  "20240710 03:45:00 started",
  "I0710 03:45:00.000000       1 main.go:12] starting the thing",
  "*Jul 10 03:45:00.000: %SYS-5-CONFIG_I: Configured from console",
  "000021: *Jul 10 03:45:00.000 UTC: %SYS-5-CONFIG_I: Configured from console",
  "1720583100.000000\tCAbc\t10.0.0.1\t5353\t192.0.2.4\t53\tudp",
  "1720583100.000     87 10.0.0.1 TCP_MISS/200 4711 GET http://example.com/ - DIRECT/192.0.2.4",
  '192.0.2.1 - frank [09/Jul/2024:20:45:00 -0700] "GET /a.gif?a=1&b=2 HTTP/1.0" 200 2326',
  '[::1]:80 - frank [10/Jul/2024:03:45:00 +0000] "GET / HTTP/1.0" 200 2326',
  "Jul 10 03:45:00 some words",
];
for (const line of LINES) {
  test(`lineTime() of ${line}`, () => {
    assert.equal(lineTime(line, { nowMs: NOW }), AT);
    const event = parseLine(line, "plain", { nowMs: NOW })!;
    assert.deepEqual(eventTimestamp(event), [AT, "2024-07-10T03:45:00.000Z"]);
  });
}

const TIMELESS: readonly string[] = [
  "java.lang.NullPointerException: foo",
  "\tat com.example.Foo.bar(Foo.java:12)",
  "[   12.345678] usb 1-1: new high-speed USB device number 2 using xhci_hcd",
  "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port",
  "10,01/15/24,10:30:00,Assign,192.0.2.10,host.example.com",
  "2024-02-30 10:30:00 there is no such day",
  "I1323 10:00:00.123456       1 main.go:12] nor such a month",
  "1234567 items",
  "12345678901234567890 items",
  "",
];
for (const line of TIMELESS) {
  test(`lineTime() finds none in ${JSON.stringify(line)}`, () => {
    assert.equal(lineTime(line, { nowMs: NOW }), undefined);
  });
}

test("lineTime() takes times without a zone for those of the zone that is stated", () => {
  const zone = parseTimeZone("Europe/Berlin");
  assert.equal(lineTime("2024-07-10 05:45:00 x", { zone }), AT);
  assert.equal(lineTime("[Wed Jul 10 05:45:00 2024] x", { zone }), AT);
  assert.equal(lineTime("2024-07-10 03:45:00 UTC x", { zone }), AT);
  const options = { syslogZone: zone!, nowMs: NOW };
  assert.equal(parseLine("2024/07/10 05:45:00 x", "auto", options)?.lineTime?.(), AT);
});

test("lineTime() needs to be told when a line without a year was read", () => {
  assert.equal(lineTime("Jul 10 03:45:00 some words", {}), undefined);
  assert.equal(lineTime("I0710 03:45:00.000000 1 main.go:12] x", {}), undefined);
});

test("eventTimestamp() of a plain event does not look into its text for fields", () => {
  assert.deepEqual(eventTimestamp(new PlainEvent("timestamp=2024-07-10T03:45:00Z")), [
    undefined,
    undefined,
  ]);
});

const PAIRS: readonly (readonly [line: string, unixMs: number | undefined])[] = [
  ['date=2024-07-10 time=05:45:00 tz="+0200" devname="FGT" type="traffic"', AT],
  ["<189>date=2024-07-10 time=03:45:00 devname=FGT type=traffic", AT],
  ["date=2024-07-10 time=03:45:00 tz=IST type=traffic", AT],
  ['{"date":"2024/07/10","time":"03:45:00.000"}', AT],
  ["date=2024-07-10 time=later type=traffic", undefined],
  ['date=2024-07-09 time=03:45:00 type=traffic timestamp="2024-07-10T03:45:00Z"', AT],
];
for (const [line, unixMs] of PAIRS) {
  test(`eventTimestamp() of ${line}`, () => {
    assert.equal(eventTimestamp(parseLine(line)!)[0], unixMs);
  });
}

const TEXTS: readonly (readonly [text: string, unixMs: number | undefined])[] = [
  ["2024/07/10 03:45:00", AT],
  ["2024/07/10 03:45:00.804 +0200", AT - 7_200_000 + 804],
  ["10-Jul-2024 03:45:00", AT],
  ["Wed Jul 10 03:45:00 2024", AT],
  ["Wed Jul 10 03:45:00 2024 UTC", AT],
  ["Wed, 10 Jul 2024 03:45:00 GMT", AT],
  ["20240710T034500Z", AT],
  ["20240710T034500+0200", AT - 7_200_000],
  ["2024/02/30 03:45:00", undefined],
  ["2024/07/10 03:45:00 and more", undefined],
  ["Wed Jul 10", undefined],
];
for (const [text, unixMs] of TEXTS) {
  test(`parseTimestamp() of ${text}`, () => assert.equal(parseTimestamp(text), unixMs));
}

test("lineTime() never throws, whatever stands before and behind a time", () => {
  const parts = fc.constantFrom(...LINES).chain((line) =>
    fc.nat(line.length).map((cut) => line.slice(0, cut))
  );
  fc.assert(fc.property(fc.string(), parts, fc.string(), (before, line, behind) => {
    const time = lineTime(`${before}${line}${behind}`, { nowMs: NOW });
    assert.ok(time === undefined || !Number.isNaN(new Date(time).getTime()));
  }));
});

test("lineTime() looks at the beginning of a long line only", () => {
  for (const unit of ["[", "1", "1,", "[1/", " ", "INFO ", "Jul 10 "]) {
    const line = unit.repeat((1 << 20) / unit.length);
    const startedAt = performance.now();
    for (let count = 0; count < 20; count++) lineTime(line, { nowMs: NOW });
    assert.ok(performance.now() - startedAt < 1000, JSON.stringify(unit));
  }
});
