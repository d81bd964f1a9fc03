/**
 * sigma-rules.md, section 12.6, and inputs.md, sections 6.2, 12 and 20.5: instants in events.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  isoWeek,
  parseTimestamp,
  readTime,
  rfc3339,
  type TimestampOptions,
  unixMs,
} from "../../src/event/timestamp.ts";
import type { Value } from "../../src/event/value.ts";
import { parseTimeZone, type TimeZone } from "../../src/event/zone.ts";

const AT = Date.UTC(2024, 6, 10, 3, 45, 0);
const INSTANTS: readonly (readonly [value: Value, unixMs: number | undefined])[] = [
  ["2024-07-10T03:45:00Z", AT],
  ["2024-07-10t03:45:00z", AT],
  ["2024-07-10T05:45:00+02:00", AT],
  ["2024-07-09T23:15:00-04:30", AT],
  ["2024-07-10T03:45:00", AT],
  ["2024-07-10 03:45:00", AT],
  ["2024-07-10 03:45:00.804", AT + 804],
  ["2024-07-10T03:45:00.5Z", AT + 500],
  ["2024-07-10 03:45:00 UTC", AT],
  ["2024-06-30T23:59:60Z", Date.UTC(2024, 6, 1)],
  ["0099-01-01T00:00:00Z", Date.parse("0099-01-01T00:00:00Z")],
  [1720583100, AT],
  [1720583100.9, AT + 900],
  [1720583100000, AT],
  [1720583100000000, AT],
  [1720583100000000000n, AT],
  [0, 0],
  [-1, -1000],
  [1_000_000_000_000, 1e15],
  [1_000_000_000_001, 1_000_000_000_001],
  ["2024-02-30T00:00:00Z", undefined],
  ["2023-02-29T00:00:00Z", undefined],
  ["2024-13-01T00:00:00Z", undefined],
  ["2024-07-10T24:00:00Z", undefined],
  ["2024-07-10T03:60:00Z", undefined],
  ["2024-07-10T03:45:61Z", undefined],
  ["2024-07-10T03:45:00+24:00", undefined],
  ["2024-07-10T03:45", undefined],
  ["10/07/2024 03:45:00", undefined],
  ["1720583100", AT],
  ["soon", undefined],
  ["", undefined],
  [NaN, undefined],
  [Infinity, undefined],
  [true, undefined],
  [null, undefined],
  [[AT], undefined],
];
for (const [value, unixMs] of INSTANTS) {
  test(`parseTimestamp() of ${String(value)}`, () => assert.equal(parseTimestamp(value), unixMs));
}

test("parseTimestamp() reads what Date writes", () => {
  const date = fc.date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59Z"),
    noInvalidDate: true,
  });
  fc.assert(fc.property(date, (instant) => {
    const text = instant.toISOString();
    // Fractions are read as doubles, so a last bit may differ.
    assert.ok(Math.abs(parseTimestamp(text)! - instant.getTime()) < 0.001, text);
    assert.equal(
      Math.round(parseTimestamp(text.replace("T", " ").replace("Z", ""))!),
      instant.getTime(),
    );
  }));
});

const NOW = Date.UTC(2026, 10, 23, 12);
const BERLIN = parseTimeZone("Europe/Berlin");
const INDIA = parseTimeZone("+05:30");

// inputs.md, sections 6.2, 12, 19 and 20.5; text, instant in RFC 3339 or nothing, options.
const NOTATIONS: readonly (readonly [string, string | undefined, TimestampOptions?])[] = [
  // ISO 8601: zones, fractions, dates.
  ["2024-07-10T03:45:00+0200", "2024-07-10T01:45:00Z"],
  ["2024-07-10T03:45:00-02", "2024-07-10T05:45:00Z"],
  ["2024-07-10 03:45:00 +02:00", "2024-07-10T01:45:00Z"],
  ["2024-07-10 03:45:00 EST", "2024-07-10T08:45:00Z"],
  ["2024-07-10 03:45:00 IST", undefined], // India, Israel, Ireland
  ["2024-07-10T03:45:00,123456Z", "2024-07-10T03:45:00.123Z"],
  ["2024-07-10T03:45:00.123456789Z", "2024-07-10T03:45:00.123Z"],
  ["2024-07-10T03:45:00.1234567890Z", undefined],
  ["2024-07-10T03:45:00.Z", undefined],
  ["2024-07-10T03:45:00+02:", undefined],
  ["2024-07-10T03:45:00+2", undefined],
  ["2024-07-10T03:45:00+02:60", undefined],
  ["2024-07-10T03:45:00Zulu", undefined],
  ["2024-07-10T03:45:00Z ", undefined],
  ["2024-07-10", "2024-07-10T00:00:00Z"],
  ["2024-07-10", "2024-07-09T22:00:00Z", { zone: BERLIN }],
  ["2024-07-32", undefined],
  ["2024/07/10", undefined],
  ["20x4-07-10T03:45:00Z", undefined, { nowMs: NOW }],
  // The default zone counts where none is written.
  ["2024-07-10T03:45:00", "2024-07-10T01:45:00Z", { zone: BERLIN }],
  ["2024-01-10T03:45:00", "2024-01-10T02:45:00Z", { zone: BERLIN }],
  ["2024-01-10T03:45:00", "2024-01-09T22:15:00Z", { zone: INDIA }],
  ["2024-01-10T03:45:00Z", "2024-01-10T03:45:00Z", { zone: BERLIN }],
  // Clocks that are put forward skip 02:30, and show it twice when they are put back.
  ["2024-03-31T01:59:59", "2024-03-31T00:59:59Z", { zone: BERLIN }],
  ["2024-03-31T02:30:00", "2024-03-31T01:30:00Z", { zone: BERLIN }],
  ["2024-03-31T03:00:00", "2024-03-31T01:00:00Z", { zone: BERLIN }],
  ["2024-10-27T02:30:00", "2024-10-27T00:30:00Z", { zone: BERLIN }],
  ["2024-10-27T03:00:00", "2024-10-27T02:00:00Z", { zone: BERLIN }],
  // Leap seconds.
  ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"],
  ["2016-12-31T23:59:60.5+01:00", "2016-12-31T23:00:00.5Z"],
  ["Dec 31 2016 23:59:60", "2017-01-01T00:00:00Z"],
  // BSD syslog and CEF.
  ["Oct 11 22:14:15", undefined], // nobody says when it was read
  ["Oct 11 22:14:15", "2026-10-11T22:14:15Z", { nowMs: NOW }],
  ["OCT 11 22:14:15", "2026-10-11T22:14:15Z", { nowMs: NOW }], // 41
  ["Oct  1 22:14:15.25", "2026-10-01T22:14:15.25Z", { nowMs: NOW }],
  ["Oct 1 22:14:15", "2026-10-01T22:14:15Z", { nowMs: NOW }],
  ["Oct 11 2020 22:14:15", "2020-10-11T22:14:15Z"],
  ["Oct 11 2020 22:14:15.123", "2020-10-11T22:14:15.123Z"],
  ["Oct 11 2020 22:14:15 CEST", "2020-10-11T20:14:15Z"],
  ["Oct 11 2020 22:14:15.123 +05:00", "2020-10-11T17:14:15.123Z"],
  ["Oct 11 2020 22:14:15", "2020-10-11T20:14:15Z", { zone: BERLIN }],
  ["2020 Oct 11 22:14:15", "2020-10-11T22:14:15Z"],
  ["20x0 Oct 11 22:14:15", undefined, { nowMs: NOW }],
  ["October 11 22:14:15", undefined, { nowMs: NOW }],
  ["Okt 11 22:14:15", undefined, { nowMs: NOW }],
  ["Oct 32 22:14:15", undefined, { nowMs: NOW }],
  ["Oct 0 22:14:15", undefined, { nowMs: NOW }],
  ["Oct 11 24:14:15", undefined, { nowMs: NOW }],
  ["Oct 11 22:14", undefined, { nowMs: NOW }],
  ["Oct11 22:14:15", undefined, { nowMs: NOW }],
  // The year of those without one.
  ["Jan  1 00:00:00", "2027-01-01T00:00:00Z", { nowMs: Date.UTC(2026, 11, 31) }], // 27
  ["Jan  1 23:59:59", "2027-01-01T23:59:59Z", { nowMs: Date.UTC(2026, 11, 31) }],
  ["Jan  3 00:00:00", "2026-01-03T00:00:00Z", { nowMs: Date.UTC(2026, 11, 31) }],
  ["Dec 31 23:59:59", "2025-12-31T23:59:59Z", { nowMs: Date.UTC(2026, 0, 1) }], // 28
  ["Nov 23 12:00:00", "2025-11-23T12:00:00Z", { nowMs: Date.UTC(2026, 2, 1) }],
  ["Mar  3 00:00:00", "2026-03-03T00:00:00Z", { nowMs: Date.UTC(2026, 2, 1) }],
  ["Mar  3 00:00:01", "2025-03-03T00:00:01Z", { nowMs: Date.UTC(2026, 2, 1) }],
  ["Feb 29 14:07:19", undefined, { nowMs: NOW }], // 29
  ["Feb 29 14:07:19", "2024-02-29T14:07:19Z", { nowMs: Date.UTC(2024, 5, 1) }],
  ["Feb 29 14:07:19", "2024-02-29T14:07:19Z", { nowMs: Date.UTC(2025, 0, 1) }],
  ["Feb 29 14:07:19", undefined, { nowMs: Date.UTC(2025, 5, 1) }],
  // Web servers.
  ["10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"],
  ["10/Oct/2000:13:55:36", "2000-10-10T13:55:36Z"],
  ["31/Feb/2000:13:55:36 -0700", undefined],
  // Unix time as text.
  ["1364481363.243", "2013-03-28T14:36:03.243Z"], // audit records
  ["1720583100000", "2024-07-10T03:45:00Z"],
  ["1720583100000000", "2024-07-10T03:45:00Z"],
  ["1720583100000000000", "2024-07-10T03:45:00Z"],
  ["20240710", undefined],
  ["20240710034500", undefined],
  ["-1720583100", undefined],
  ["1720583100 ", undefined],
];
for (const [text, expected, options] of NOTATIONS) {
  const { zone, nowMs } = options ?? {};
  const place = zone === undefined ? "" : zone.kind === "named" ? zone.name : `+${zone.minutes}`;
  const now = nowMs === undefined ? "" : new Date(nowMs).toISOString();
  test(`parseTimestamp() of '${text}' ${place} ${now}`, () => {
    const found = parseTimestamp(text, options);
    const ms = found === undefined ? undefined : Math.floor(found);
    assert.equal(ms, expected === undefined ? undefined : Date.parse(expected));
  });
}

const second = fc.integer({
  min: Date.UTC(1971, 0, 1) / 1000,
  max: Date.UTC(2100, 0, 1) / 1000,
}).map((seconds) => seconds * 1000);

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
function bsdText(ms: number): string {
  const date = new Date(ms);
  const day = String(date.getUTCDate()).padStart(2, " ");
  return `${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)}`;
}

test("parseTimestamp() gives times without a year the one in which they were written", () => {
  const age = fc.integer({ min: -2 * 86_400, max: 363 * 86_400 - 1 });
  fc.assert(fc.property(second, age, (ms, seconds) => {
    assert.equal(parseTimestamp(bsdText(ms), { nowMs: ms + seconds * 1000 }), ms);
  }));
});

test("parseTimestamp() reads what the clocks of a place show", () => {
  const names = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"];
  const clocks = names.map((timeZone) =>
    [
      parseTimeZone(timeZone),
      new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }),
    ] as const
  );
  // Hours around the changes of 2024 and 2025, and any other time.
  const change = fc.constantFrom(
    ...["2024-03-31T01Z", "2024-10-27T01Z", "2024-03-10T07Z", "2024-11-03T06Z", "2025-04-05T15Z"],
    ...["2024-10-05T15:30Z"],
  ).map((text) => Date.parse(text.replace(/T(\d\d)Z/, "T$1:00Z")));
  const near = fc.tuple(change, fc.integer({ min: -7200, max: 7200 }))
    .map(([ms, seconds]) => ms + seconds * 1000);
  fc.assert(fc.property(fc.oneof(second, near), fc.constantFrom(...clocks), (ms, [zone, clock]) => {
    const shown = clock.format(ms);
    const found = parseTimestamp(shown, { zone })!;
    assert.equal(clock.format(found), shown);
    // Of an hour that comes twice it is the first.
    assert.ok(found <= ms && ms - found <= 3_600_000, `${shown}: ${found} for ${ms}`);
  }));
});

test("rfc3339() writes what readTime() reads", () => {
  const zone = fc.integer({ min: -14 * 60, max: 14 * 60 })
    .map((minutes): TimeZone => ({ kind: "fixed", minutes }));
  const fraction = fc.integer({ min: 0, max: 999_999_999 });
  fc.assert(fc.property(second, fraction, zone, (ms, nanoseconds, zone) => {
    const digits = String(nanoseconds).padStart(9, "0");
    const written = readTime(`${new Date(ms).toISOString().slice(0, 19)}.${digits}`, 0, { zone })!;
    assert.equal(written.nanoseconds, nanoseconds);
    const text = rfc3339(written);
    assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?:\d{3}){1,3})?[+-]\d\d:\d\d$/);
    assert.deepEqual(readTime(text, 0), { ...written, end: text.length });
    const read = Date.parse(text.replace(/(\.\d{3})\d+/, "$1"));
    assert.ok(Math.abs(unixMs(written) - read - 0.5) <= 0.501, `${read}`);
  }));
});

test("rfc3339() writes a leap second as the second that follows it", () => {
  assert.equal(rfc3339(readTime("2016-12-31T23:59:60Z", 0)!), "2017-01-01T00:00:00+00:00");
  assert.equal(
    rfc3339(readTime("Jun 30 2015 23:59:60.25 host", 0)!),
    "2015-07-01T00:00:00.250+00:00",
  );
});

test("parseTimestamp() takes any text", () => {
  const unit = fc.constantFrom(..."0123456789-:.,/TZ +JanFebDec");
  const part = fc.constantFrom(
    "Jan ",
    "Feb 29 ",
    "2024-",
    "12:34:56",
    "10/Oct/",
    ":",
    "1720583100",
  );
  const text = fc.array(fc.oneof(fc.string({ unit, maxLength: 8 }), part), { maxLength: 8 });
  fc.assert(fc.property(text, fc.constantFrom(undefined, NOW), (parts, nowMs) => {
    const instant = parseTimestamp(parts.join(""), { nowMs, zone: BERLIN });
    assert.ok(instant === undefined || Number.isFinite(instant));
  }));
});

const WEEKS: readonly (readonly [day: string, week: number])[] = [
  ["2020-12-28", 53],
  ["2021-01-03", 53],
  ["2021-01-04", 1],
  ["2024-12-29", 52],
  ["2024-12-30", 1],
  ["2016-01-03", 53],
  ["2022-01-01", 52],
  ["2023-01-01", 52],
  ["2026-06-15", 25],
];
for (const [day, week] of WEEKS) {
  test(`isoWeek() of ${day}`, () => assert.equal(isoWeek(Date.parse(day)), week));
}
