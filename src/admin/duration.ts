/**
 * Durations as query parameters have them: `30s`, `1m 30s`, `2h`.
 */
const UNITS: Readonly<Record<string, number>> = {
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
};

/** Milliseconds; `undefined` for what is no duration. Bare numbers are none. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 100 || !/^\s*(?:\d{1,12}\s*[a-z]+\s*)+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+)\s*([a-z]+)/g)) {
    const factor = Object.hasOwn(UNITS, unit!) ? UNITS[unit!] : undefined;
    if (factor === undefined) return undefined;
    sum += Number(number) * factor;
  }
  return sum;
}

/** `90000` → `1m 30s`. */
export function formatDuration(ms: number): string {
  let rest = Math.floor(ms / 1000);
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const value = Math.floor(rest / size);
    rest -= value * size;
    if (value > 0) parts.push(`${value}${unit}`);
  }
  return parts.join(" ") || "0s";
}
