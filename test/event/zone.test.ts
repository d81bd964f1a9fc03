import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PicketError } from "../../src/event/errors.ts";
import { offsetMinutes, parseTimeZone, type TimeZone, UTC } from "../../src/event/zone.ts";

const fixed = (minutes: number): TimeZone => ({ kind: "fixed", minutes });

// inputs.md, sections 1 and 20.5, and row 83; text, zone.
const ZONES: readonly (readonly [text: string, zone: TimeZone | undefined])[] = [
  ["UTC", UTC],
  ["utc", UTC],
  ["Z", UTC],
  ["+00:00", fixed(0)],
  ["-00:00", fixed(0)],
  ["+05:30", fixed(330)],
  [" -02:30 ", fixed(-150)],
  ["+14:00", fixed(840)],
  ["+0530", undefined], // 83
  ["05:30", undefined],
  ["+5:30", undefined],
  ["+05:3", undefined],
  ["+05:60", undefined],
  ["+05:99", undefined],
  ["+15:00", undefined],
  ["-24:00", undefined],
  ["+05", undefined],
  ["", undefined],
  ["Europe/Berlin", { kind: "named", name: "Europe/Berlin" }],
  ["america/new_york", { kind: "named", name: "america/new_york" }],
  ["Etc/GMT+5", { kind: "named", name: "Etc/GMT+5" }],
  ["Europe/Berln", undefined],
  ["Mars", undefined],
  ["../etc/passwd", undefined],
];

for (const [text, zone] of ZONES) {
  test(`parseTimeZone() '${text}' is ${zone === undefined ? "refused" : JSON.stringify(zone)}`, () => {
    if (zone !== undefined) assert.deepEqual(parseTimeZone(text), zone);
    else assert.throws(() => parseTimeZone(text), { code: "TIME_ZONE", name: "TimeZoneError" });
  });
}

test("parseTimeZone() says what it expects", () => {
  assert.throws(() => parseTimeZone("+0530"), {
    message: "Invalid timezone offset: '+0530' (expected +HH:MM or -HH:MM)",
  });
});

// What the clocks show, and their minutes east of UTC.
const OFFSETS: readonly (readonly [zone: string, local: string, minutes: number])[] = [
  ["Europe/Berlin", "2024-01-15T00:00:00Z", 60],
  ["Europe/Berlin", "2024-07-15T00:00:00Z", 120],
  ["Europe/Berlin", "2024-03-31T01:59:59Z", 60],
  ["Europe/Berlin", "2024-03-31T03:00:00Z", 120],
  ["Europe/Berlin", "2024-10-27T02:59:59Z", 120],
  ["Europe/Berlin", "2024-10-27T03:00:00Z", 60],
  ["America/New_York", "2024-11-03T00:59:00Z", -240],
  ["America/New_York", "2024-11-03T02:00:00Z", -300],
  ["Asia/Kathmandu", "2024-01-01T00:00:00Z", 345],
  ["Australia/Lord_Howe", "2024-04-07T01:00:00Z", 660],
  ["Australia/Lord_Howe", "2024-04-07T02:00:00Z", 630],
  ["Etc/GMT+5", "2024-04-07T02:00:00Z", -300],
  ["Europe/Berlin", "1969-07-20T20:17:00Z", 60],
];
for (const [zone, local, minutes] of OFFSETS) {
  test(`offsetMinutes() of ${zone} at ${local} is ${minutes}`, () => {
    // Twice, since the first answer is remembered.
    for (let time = 0; time < 2; time++) {
      assert.equal(offsetMinutes(parseTimeZone(zone), Date.parse(local)), minutes);
    }
  });
}

test("offsetMinutes() remembers no more than it may", () => {
  const berlin = parseTimeZone("Europe/Berlin");
  // Every quarter of an hour of two months.
  for (let at = 0; at < 6000; at++) {
    assert.equal(offsetMinutes(berlin, Date.UTC(2024, 5, 1) + at * 900_000), 120);
  }
  assert.equal(offsetMinutes(berlin, Date.UTC(2024, 0, 1)), 60);
});

test("parseTimeZone() refuses with its own error or gives a zone that works", () => {
  const unit = fc.constantFrom(..."+-:0123456789ZUTCutcEurope/Berlin");
  fc.assert(fc.property(fc.oneof(fc.string({ unit, maxLength: 8 }), fc.string()), (text) => {
    let zone: TimeZone;
    try {
      zone = parseTimeZone(text);
    } catch (error) {
      assert.ok(error instanceof PicketError, String(error));
      return;
    }
    assert.ok(Math.abs(offsetMinutes(zone, 0)) < 24 * 60);
  }));
});
