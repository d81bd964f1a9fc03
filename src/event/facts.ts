/**
 * What an alert says about its event whatever it was decoded from: when, and on which computer.
 */
import type { LogEvent } from "./event.ts";
import { type Field, internField } from "./field.ts";
import { parseTimestamp, TIMESTAMP_FIELDS } from "./timestamp.ts";
import { scalarText, type Value } from "./value.ts";

/** Fields that name the host, in the order they are tried. */
const COMPUTER_FIELDS = [
  "Computer",
  "Hostname",
  "ComputerName",
  "host.name",
  "hostname",
  "host",
  "HOSTNAME",
  "syslog_hostname",
  "resource.host.name",
].map(internField);
const TIME_FIELDS = TIMESTAMP_FIELDS.map(internField);
/** Smaller numbers in fields with names such as `time` and `start` are durations or counts. */
const MIN_UNIX = 1e8;
const NO_FIELDS: readonly Field[] = [];
const NO_TIME = [undefined, undefined] as const;

/**
 * When an event happened, by the first field that holds an instant, or by the beginning of a line
 * without fields.
 *
 * @param fields Tried before the built-in ones.
 * @returns Unix milliseconds and the instant as RFC 3339 text, both `undefined` without one.
 */
export function eventTimestamp(
  event: LogEvent,
  fields: readonly Field[] = NO_FIELDS,
): readonly [time: number | undefined, text: string | undefined] {
  if (event.lineTime !== undefined) return ofLine(event.lineTime());
  return firstTime(event, fields) ?? firstTime(event, TIME_FIELDS, MIN_UNIX) ??
    dateAndTime(event) ?? NO_TIME;
}

const [DATE, TIME, ZONE] = ["date", "time", "tz"].map(internField) as [Field, Field, Field];
const NUMERIC_ZONE = /^[+-]\d\d:?\d\d$/;

/** Firewalls write `date=2024-07-10 time=03:45:00 tz="+0200"`, some of them no zone. */
function dateAndTime(event: LogEvent): readonly [time: number, text: string] | undefined {
  const date = event.get(DATE);
  const clock = event.get(TIME);
  if (typeof date !== "string" || typeof clock !== "string") return undefined;
  const zone = event.get(ZONE);
  const behind = typeof zone === "string" && NUMERIC_ZONE.test(zone) ? zone : "";
  const time = parseTimestamp(`${date} ${clock}${behind}`);
  return time === undefined ? undefined : [time, new Date(time).toISOString()];
}

function ofLine(
  time: number | undefined,
): readonly [time: number | undefined, text: string | undefined] {
  return time === undefined ? NO_TIME : [time, new Date(time).toISOString()];
}

function firstTime(
  event: LogEvent,
  fields: readonly Field[],
  minNumber = -Infinity,
): readonly [time: number, text: string] | undefined {
  for (const field of fields) {
    const value = event.get(field);
    if (typeof value === "number" && value < minNumber) continue;
    const time = parseTimestamp(value);
    if (time !== undefined) return [time, isoText(value, time)];
  }
  return undefined;
}

/** A text that is already in the usual form keeps its digits beyond the millisecond. */
function isoText(value: Value | undefined, time: number): string {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) return value;
  return new Date(time).toISOString();
}

/** The computer that an event names. */
export function eventComputer(event: LogEvent): string | undefined {
  for (const field of COMPUTER_FIELDS) {
    const text = scalarText(event.get(field));
    if (text !== undefined && text !== "") return text;
  }
  return undefined;
}
