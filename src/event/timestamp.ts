/**
 * Instants written in events.
 *
 * Texts without a zone are read as UTC, which is what Windows and Sysmon mean by them.
 */
import type { Value } from "./value.ts";

const TEXT =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d{2}:?\d{2})?)?$/i;

/** 100,000,000 days in nanoseconds, the range of `Date` (ECMA-262, "Time Values and Time Range"). */
const MAX_UNIX = 8.64e21;

/** The fields, in this order, that say when an event happened. */
export const TIMESTAMP_FIELDS: readonly string[] = [
  "@timestamp",
  "timestamp",
  "EventTime",
  "TimeCreated",
  "eventTime",
  "UtcTime",
  "time",
];

/**
 * Reads an instant.
 *
 * @param value An ISO 8601 / RFC 3339 text (a blank may stand for the `T`, the zone may be absent),
 *   or Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by size.
 * @returns Milliseconds since 1970-01-01 UTC with their fraction, or `undefined`.
 */
export function parseTimestamp(value: Value | undefined): number | undefined {
  switch (typeof value) {
    case "string":
      return parseTimestampText(value);
    case "number":
      return fromUnix(value);
    case "bigint":
      return fromUnix(Number(value));
    default:
      return undefined;
  }
}

function fromUnix(value: number): number | undefined {
  const size = Math.abs(value);
  // Also what is no number. Beyond, not even nanoseconds would be an instant that `Date` knows.
  if (!(size <= MAX_UNIX)) return undefined;
  if (size > 1e17) return value / 1e6;
  if (size > 1e14) return value / 1e3;
  if (size > 1e12) return value;
  return Math.trunc(value) * 1000;
}

function parseTimestampText(text: string): number | undefined {
  if (text.length < 10 || text.length > 40) return undefined;
  const match = TEXT.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone = ""] =
    match;
  const monthNumber = Number(month);
  const dayNumber = Number(day);
  // A leap second is the second that follows it.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(Number(year), monthNumber - 1, dayNumber);
  if (midnight.getUTCMonth() !== monthNumber - 1 || midnight.getUTCDate() !== dayNumber) {
    return undefined;
  }
  const offset = zoneMinutes(zone);
  if (offset === undefined) return undefined;
  const seconds = Number(hour) * 3600 + (Number(minute) - offset) * 60 + Number(second);
  return midnight.getTime() + seconds * 1000 +
    (fraction === "" ? 0 : Number(`0.${fraction}`) * 1000);
}

function zoneMinutes(zone: string): number | undefined {
  if (zone === "" || /^(z|utc)$/i.test(zone)) return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}

/** The ISO 8601 week number, 1 to 53, of the instant's UTC day. */
export function isoWeek(unixMs: number): number {
  const day = new Date(unixMs);
  const thursday = new Date(unixMs);
  thursday.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  const newYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return Math.floor((thursday.getTime() - newYear) / 86_400_000 / 7) + 1;
}
