import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseSize } from "../../src/agent/config/units.ts";
import { formatDuration, parseDuration } from "../../src/runtime/duration.ts";

// daemon.md, section 1 (humantime): text, milliseconds.
const DURATIONS: readonly (readonly [text: string, ms: number | undefined])[] = [
  ["30s", 30_000],
  ["500ms", 500],
  ["1m 30s", 90_000],
  ["1h30m", 5_400_000],
  ["2hours 5mins", 7_500_000],
  ["1d", 86_400_000],
  ["1w", 604_800_000],
  ["1M", 2_630_016_000],
  ["1month", 2_630_016_000],
  ["1y", 31_557_600_000],
  ["1min", 60_000],
  ["0s", 0],
  ["1us", 1],
  ["2500us", 3],
  ["720h", 2_592_000_000],
  ["30", undefined],
  ["", undefined],
  ["s", undefined],
  ["30 s", undefined],
  ["30s ", undefined],
  ["30s  5ms", undefined],
  ["1.5h", undefined],
  ["-1s", undefined],
  ["30x", undefined],
  ["101y", undefined],
];
for (const [text, ms] of DURATIONS) {
  test(`parseDuration() ${JSON.stringify(text)} is ${ms}`, () => {
    assert.equal(parseDuration(text), ms);
  });
}

const SIZES: readonly (readonly [text: string, bytes: number | undefined])[] = [
  ["512MiB", 536_870_912],
  ["1KiB", 1024],
  ["1 GiB", 1_073_741_824],
  ["1.5GB", 1_500_000_000],
  ["64kB", 64_000],
  ["10B", 10],
  ["0B", 0],
  ["512", undefined],
  ["512M", undefined],
  ["MiB", undefined],
  ["-1MiB", undefined],
  ["999999999999999TiB", undefined],
];
for (const [text, bytes] of SIZES) {
  test(`parseSize() ${JSON.stringify(text)} is ${bytes}`, () => {
    assert.equal(parseSize(text), bytes);
  });
}

test("parseDuration() reads what formatDuration() writes", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 3_000_000_000_000 }), (ms) => {
    assert.equal(parseDuration(formatDuration(ms)), ms);
  }));
});

test("parseDuration() and parseSize() take any text in bounded time", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 500 }),
    fc.stringMatching(/^[0-9smhdwMy .]{0,500}$/),
  );
  fc.assert(fc.property(text, (written) => {
    const ms = parseDuration(written);
    assert.ok(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0));
    const bytes = parseSize(written);
    assert.ok(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0));
  }));
  const started = performance.now();
  parseDuration("1m".repeat(200_000));
  parseSize("1".repeat(1_000_000));
  assert.ok(performance.now() - started < 500);
});
