/**
 * Instants written in events: the one reader of all notations of time.
 *
 * Texts without a zone are read as UTC unless the caller knows better, which is what Windows and
 * Sysmon mean by them.
 *
 * @see inputs.md, sections 6.2, 12 and 20.5
 */
import { daysSince1970, isDate } from "./calendar.ts";
import { usualTime } from "./other_times.ts";
import { digit, four, monthOf, readZone, skipSpaces, two } from "./time_text.ts";
import type { Value } from "./value.ts";
import { offsetMinutes, type TimeZone, UTC } from "./zone.ts";

/** The fields, in this order, that say when an event happened. */
export const TIMESTAMP_FIELDS: readonly string[] = [
  "@timestamp",
  "timestamp",
  "EventTime",
  "TimeCreated",
  "eventTime",
  "syslog_timestamp",
  "Event.System.TimeCreated.#attributes.SystemTime",
  "UtcTime",
  "time",
  "ts",
  "_time",
  // CEF, LEEF, the journal of systemd.
  "rt",
  "devTime",
  "start",
  "end",
  "__REALTIME_TIMESTAMP",
  // Fortinet, osquery, Okta, Microsoft 365.
  "eventtime",
  "unixTime",
  "published",
  "CreationTime",
];

/** What completes times that do not tell everything. */
export interface TimestampOptions {
  /** Of times without a zone. Default UTC. */
  readonly zone?: TimeZone | undefined;
  /** Unix milliseconds when the time was read: gives times without a year theirs. */
  readonly nowMs?: number | undefined;
}

/** A time as it is written. */
export interface WrittenTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** 0 to 86,400: the last one is a leap second, which is the second that follows it. */
  readonly secondOfDay: number;
  readonly nanoseconds: number;
  /** East of UTC. */
  readonly offsetMinutes: number;
  /** The index behind it. */
  readonly end: number;
}

const DAY_MS = 86_400_000;
/** A clock that is wrong by more than this is no reason to take a time for one of last year. */
const MAX_AHEAD_MS = 2 * DAY_MS;

/**
 * Reads an instant.
 *
 * @param value One of
 *   - ISO 8601 / RFC 3339: `2024-07-10T03:45:00.123Z`; a blank may stand for the `T`, a comma for the
 *     point, the zone (`Z`, `UTC`, `+hh:mm`, `+hhmm`, `+hh`) and the time may be absent;
 *   - `Jul 10 03:45:00`, `Jul 10 2024 03:45:00.123 CEST`, `2024 Jul 10 03:45:00` (syslog, CEF);
 *     without a year only if `options.nowMs` is there;
 *   - `10/Jul/2024:03:45:00 +0200` (web servers);
 *   - `2024/07/10 03:45:00`, `10-Jul-2024 03:45:00`, `Wed Jul 10 03:45:00 2024`,
 *     `Wed, 10 Jul 2024 03:45:00 +0200`, `20240710T034500Z`;
 *   - Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by size, as a number
 *     or as a text of as many digits as such times have had since 1973.
 * @returns Milliseconds since 1970-01-01 UTC with their fraction, or `undefined`.
 */
export function parseTimestamp(
  value: Value | undefined,
  options: TimestampOptions = NO_OPTIONS,
): number | undefined {
  switch (typeof value) {
    case "string":
      return parseTimestampText(value, options);
    case "number":
      return fromUnix(value);
    case "bigint":
      return fromUnix(Number(value));
    default:
      return undefined;
  }
}

const NO_OPTIONS: TimestampOptions = {};

/** 100,000,000 days in nanoseconds, the range of `Date` (ECMA-262, "Time Values and Time Range"). */
const MAX_UNIX = 8.64e21;

function fromUnix(value: number): number | undefined {
  const size = Math.abs(value);
  // Also what is no number. Beyond, not even nanoseconds would be an instant that `Date` knows.
  if (!(size <= MAX_UNIX)) return undefined;
  if (size > 1e17) return value / 1e6;
  if (size > 1e14) return value / 1e3;
  if (size > 1e12) return value;
  return value * 1000;
}

/**
 * Seconds to nanoseconds of 1973 to 2286. Fewer digits are a count or a date, and fourteen are a date
 * with its time; audit records write seconds and milliseconds with a point between.
 */
const UNIX_TEXT = /^(?:\d{9,10}(?:\.\d{1,9})?|\d{12,13}(?:\.\d{1,6})?|\d{15,16}|\d{18,19})$/;
/** `Jul 10 2024 03:45:00.123456789 +02:00` and some blanks. */
const MAX_TEXT = 48;
const DATE_LENGTH = 10;

function parseTimestampText(text: string, options: TimestampOptions): number | undefined {
  if (text.length < 9 || text.length > MAX_TEXT) return undefined;
  const time = readAnyTime(text, 0, options);
  if (time !== undefined) return time.end === text.length ? unixMs(time) : undefined;
  if (UNIX_TEXT.test(text)) return fromUnix(Number(text));
  return text.length === DATE_LENGTH ? parseDate(text, options.zone) : undefined;
}

/** `2024-07-10`: its beginning. */
function parseDate(text: string, zone: TimeZone = UTC): number | undefined {
  if (text.charCodeAt(7) !== DASH || text.charCodeAt(4) !== DASH) return undefined;
  const [year, month, day] = [four(text, 0), two(text, 5), two(text, 8)];
  if (!isDate(year, month, day)) return undefined;
  const localMs = daysSince1970(year, month, day) * DAY_MS;
  return localMs - offsetMinutes(zone, localMs) * 60_000;
}

/** Unix milliseconds with their fraction. */
export function unixMs(time: WrittenTime): number {
  return daysSince1970(time.year, time.month, time.day) * DAY_MS +
    (time.secondOfDay - time.offsetMinutes * 60) * 1000 + time.nanoseconds / 1e6;
}

/** RFC 3339 text with a numeric offset and no, three, six or nine digits of the second's fraction. */
export function rfc3339(time: WrittenTime): string {
  const { secondOfDay, nanoseconds, offsetMinutes } = time;
  const minute = Math.floor(secondOfDay / 60);
  const clock = secondOfDay < 86_400
    ? `${dateText(time)}T${TWO[Math.floor(minute / 60)]}:${TWO[minute % 60]}:${
      TWO[secondOfDay % 60]
    }`
    : new Date((daysSince1970(time.year, time.month, time.day) + 1) * DAY_MS)
      .toISOString().slice(0, 19);
  const fraction = nanoseconds === 0 ? "" : fractionText(nanoseconds);
  return offsetMinutes === 0
    ? `${clock}${fraction}+00:00`
    : `${clock}${fraction}${offsetText(offsetMinutes)}`;
}

const TWO = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));

function dateText({ year, month, day }: WrittenTime): string {
  return `${TWO[Math.floor(year / 100)]}${TWO[year % 100]}-${TWO[month]}-${TWO[day]}`;
}

function fractionText(nanoseconds: number): string {
  return `.${String(nanoseconds).padStart(9, "0").replace(/(?:000){1,2}$/, "")}`;
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${TWO[Math.floor(size / 60)]}:${TWO[size % 60]}`;
}

/**
 * Reads the date and time that begin at `at`, in the notations of ISO 8601, syslog and web servers.
 *
 * @returns `undefined` if there is none, or none that exists. What follows it is not looked at.
 */
export function readTime(
  text: string,
  at: number,
  options: TimestampOptions = NO_OPTIONS,
): WrittenTime | undefined {
  if (digit(text, at) < 0) return readMonthFirst(text, at, NO_YEAR, options);
  switch (text.charCodeAt(at + 4)) {
    case DASH:
      return readIso(text, at, options);
    case BLANK:
      return readMonthFirst(text, at + 5, four(text, at), options);
    default:
      return text.charCodeAt(at + 2) === SLASH ? readWebServer(text, at, options) : undefined;
  }
}

/** To be inferred; -1 is what stands for digits that are none. */
const NO_YEAR = -2;
const BLANK = 32;
const COMMA = 44;
const DASH = 45;
const POINT = 46;
const SLASH = 47;
const COLON = 58;
const UPPER_T = 84;
const LOWER = 32;

/** `yyyy-mm-ddThh:mm:ss` */
function readIso(text: string, at: number, options: TimestampOptions): WrittenTime | undefined {
  if (text.charCodeAt(at + 7) !== DASH) return undefined;
  const separator = text.charCodeAt(at + 10);
  if (separator !== BLANK && (separator & ~LOWER) !== UPPER_T) return undefined;
  return complete(text, at + 11, four(text, at), two(text, at + 5), two(text, at + 8), options);
}

/** `dd/Mmm/yyyy:hh:mm:ss` */
function readWebServer(
  text: string,
  at: number,
  options: TimestampOptions,
): WrittenTime | undefined {
  if (text.charCodeAt(at + 6) !== SLASH || text.charCodeAt(at + 11) !== COLON) return undefined;
  const month = monthOf(text, at + 3);
  return complete(text, at + 12, four(text, at + 7), month, two(text, at), options);
}

/** `Mmm d[d] [yyyy] hh:mm:ss`, or without the year if that stood before. */
function readMonthFirst(
  text: string,
  start: number,
  yearBefore: number,
  options: TimestampOptions,
): WrittenTime | undefined {
  const month = monthOf(text, start);
  if (month < 0) return undefined;
  let at = skipSpaces(text, start + 3);
  if (at === start + 3) return undefined;
  let day = digit(text, at++);
  if (digit(text, at) >= 0) day = day * 10 + digit(text, at++);
  if (text.charCodeAt(at) !== BLANK) return undefined;
  at = skipSpaces(text, at);
  let year = yearBefore;
  if (year === NO_YEAR && text.charCodeAt(at + 2) !== COLON) {
    year = four(text, at);
    if (text.charCodeAt(at + 4) !== BLANK) return undefined;
    at = skipSpaces(text, at + 4);
  }
  return complete(text, at, year, month, day, options);
}

/** `hh:mm:ss`, a fraction and a zone behind a date. */
function complete(
  text: string,
  at: number,
  year: number,
  month: number,
  day: number,
  options: TimestampOptions,
): WrittenTime | undefined {
  const hour = two(text, at);
  const minute = two(text, at + 3);
  const second = two(text, at + 6);
  if (hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 60) {
    return undefined;
  }
  if (text.charCodeAt(at + 2) !== COLON || text.charCodeAt(at + 5) !== COLON) return undefined;
  const secondOfDay = hour * 3600 + minute * 60 + second;
  if (year === NO_YEAR) {
    if (options.nowMs === undefined || month < 0) return undefined;
    year = yearOf(month, day, secondOfDay, options.nowMs);
  }
  if (!isDate(year, month, day)) return undefined;
  let end = at + 8;
  let nanoseconds = 0;
  const point = text.charCodeAt(end);
  if ((point === POINT || point === COMMA) && digit(text, end + 1) >= 0) {
    let unit = 100_000_000;
    for (end++; digit(text, end) >= 0; end++) {
      if (unit < 1) return undefined;
      nanoseconds += digit(text, end) * unit;
      unit /= 10;
    }
  }
  const zone = text.charCodeAt(end) === BLANK ? undefined : readZone(text, end);
  if (zone !== undefined) {
    const [offset, behind] = zone;
    return { year, month, day, secondOfDay, nanoseconds, offsetMinutes: offset, end: behind };
  }
  const { zone: stated = UTC } = options;
  const offset = stated.kind === "fixed"
    ? stated.minutes
    : offsetMinutes(stated, daysSince1970(year, month, day) * DAY_MS + secondOfDay * 1000);
  return { year, month, day, secondOfDay, nanoseconds, offsetMinutes: offset, end };
}

/**
 * `time` in the zone that stands one blank behind it, where there is one. `readTime` leaves it alone,
 * since in logs a word follows that may look like one.
 */
export function inZoneBehind(text: string, time: WrittenTime): WrittenTime {
  if (text.charCodeAt(time.end) !== BLANK) return time;
  const zone = readZone(text, time.end + 1);
  return zone === undefined ? time : { ...time, offsetMinutes: zone[0], end: zone[1] };
}

/**
 * Reads the date and time that begin at `at`, in any notation of `parseTimestamp` but Unix time and
 * dates alone, with the zone that may stand one blank behind it.
 */
export function readAnyTime(
  text: string,
  at: number,
  options: TimestampOptions = NO_OPTIONS,
): WrittenTime | undefined {
  const time = readTime(text, at, options);
  if (time !== undefined) return inZoneBehind(text, time);
  const usual = usualTime(text, at);
  if (usual === undefined) return undefined;
  const [rewritten, behind] = usual;
  const read = readTime(rewritten, 0, options);
  if (read === undefined) return undefined;
  const zoned = inZoneBehind(rewritten, read);
  if (zoned.end !== rewritten.length) return undefined;
  if (zoned !== read) return { ...zoned, end: behind };
  const zone = readZone(text, behind);
  return zone === undefined
    ? inZoneBehind(text, { ...read, end: behind })
    : { ...read, offsetMinutes: zone[0], end: zone[1] };
}

/** The latest year in which a time is not more than two days ahead of `nowMs`. */
function yearOf(month: number, day: number, secondOfDay: number, nowMs: number): number {
  // Zones are fewer hours apart than that.
  const latest = nowMs + MAX_AHEAD_MS;
  const year = new Date(latest).getUTCFullYear();
  const ms = daysSince1970(year, month, day) * DAY_MS + secondOfDay * 1000;
  return ms <= latest ? year : year - 1;
}

/** The ISO 8601 week number, 1 to 53, of the instant's UTC day. */
export function isoWeek(unixMs: number): number {
  const day = new Date(unixMs);
  const thursday = new Date(unixMs);
  thursday.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  const newYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return Math.floor((thursday.getTime() - newYear) / 86_400_000 / 7) + 1;
}
