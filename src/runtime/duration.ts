/**
 * Durations as people write them: `30s`, `1m 30s`, `500ms`.
 *
 * @see daemon.md, section 1 (humantime)
 */

/** Milliseconds in one of each unit. A month is 30.44 days, a year 365.25. */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  nsec: 1e-6,
  us: 1e-3,
  usec: 1e-3,
  ms: 1,
  msec: 1,
  s: 1000,
  sec: 1000,
  secs: 1000,
  second: 1000,
  seconds: 1000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  hrs: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
  M: 2_630_016_000,
  month: 2_630_016_000,
  months: 2_630_016_000,
  y: 31_557_600_000,
  year: 31_557_600_000,
  years: 31_557_600_000,
};

// Longest first, so that `min` is not read as `m` and `in`.
const UNIT_NAMES = Object.keys(DURATION_UNITS).sort((a, b) => b.length - a.length).join("|");

/** A whole duration: pairs of a number and a unit, summed. Also the `pattern` of the JSON Schema. */
export const DURATION = new RegExp(
  `^[0-9]{1,15}(?:${UNIT_NAMES})(?: ?[0-9]{1,15}(?:${UNIT_NAMES}))*$`,
);
const PAIR = new RegExp(`([0-9]+)(${UNIT_NAMES})`, "g");

/** Longer durations are mistakes, and timers cannot hold them; 100 years. */
const MAX_DURATION_MS = 3_155_760_000_000;

/**
 * The milliseconds of `30s`, `1m 30s`, `500ms`; `undefined` for anything else, bare numbers included.
 *
 * Fractions of a millisecond are rounded up, so that no wait becomes none.
 */
export function parseDuration(text: string): number | undefined {
  if (text.length > 100 || !DURATION.test(text)) return undefined;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(PAIR)) sum += Number(count) * DURATION_UNITS[unit!]!;
  const rounded = Math.ceil(Number(sum.toFixed(6)));
  return rounded <= MAX_DURATION_MS ? rounded : undefined;
}

/** The shortest text that `parseDuration` reads as `ms`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const size = DURATION_UNITS[unit]!;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms === 0 ? "0s" : `${ms}ms`;
}

/** For people, in whole seconds: `90000` → `1m 30s`. */
export function describeDuration(ms: number): string {
  let rest = Math.floor(ms / 1000);
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const value = Math.floor(rest / size);
    rest -= value * size;
    if (value > 0) parts.push(`${value}${unit}`);
  }
  return parts.join(" ") || "0s";
}
