/**
 * sigma-rules.md, section 12.6: instants in events.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isoWeek, parseTimestamp } from "../../src/event/timestamp.ts";
import type { Value } from "../../src/event/value.ts";

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

test("parseTimestamp() takes any text", () => {
  const unit = fc.constantFrom(..."0123456789-:.TZ +");
  fc.assert(fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
    const instant = parseTimestamp(text);
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
