/**
 * What an alert says about its event whatever it was decoded from: when, and on which computer.
 */
import type { LogEvent } from "./event.ts";
import { internField } from "./field.ts";
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
].map(internField);
const TIME_FIELDS = TIMESTAMP_FIELDS.map(internField);

/**
 * When an event happened, by the first field that holds an instant.
 *
 * @returns Unix milliseconds and the instant as RFC 3339 text, both `undefined` without one.
 */
export function eventTimestamp(
  event: LogEvent,
): readonly [time: number | undefined, text: string | undefined] {
  for (const field of TIME_FIELDS) {
    const value = event.get(field);
    const time = parseTimestamp(value);
    if (time !== undefined) return [time, isoText(value, time)];
  }
  return [undefined, undefined];
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
