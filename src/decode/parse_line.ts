/**
 * One line of a log to one event, in the format its source has.
 *
 * @see inputs.md, section 3
 */
import type { LogEvent } from "../event/event.ts";
import { PlainEvent } from "./flat_event.ts";
import { DecodeError, decodeJson, decodeJsonLine } from "./json.ts";
import { decodeSyslog, parseSyslog, syslogEvent, type SyslogOptions } from "./syslog.ts";

/**
 * The formats of lines. `auto` decides by each line: JSON if it is, syslog if it begins like that and
 * names a program, else plain text.
 */
export const LINE_FORMATS = ["auto", "json", "syslog", "plain"] as const;
export type LineFormat = typeof LINE_FORMATS[number];

/** How lines are read beyond their format. */
export type LineOptions = SyslogOptions;

const NOT_BLANK = /\S/;
/** What some editors and Windows programs begin files with: part of no record. */
const BYTE_ORDER_MARK = "\ufeff";

/**
 * Decodes a line.
 *
 * @param line One record without its line end; a byte order mark in front of it counts as nothing.
 * @param options `syslogOffsetMinutes` and `nowMs` complete the times of syslog lines that tell no
 *   zone or no year.
 * @returns `undefined` for a line of blanks, which is no event and no error.
 * @throws {DecodeError} `DECODE_JSON` if `format` is `json` and the line is not; a JSON text or
 *   number is an event without fields. The other formats take every line.
 */
export function parseLine(
  line: string,
  format: LineFormat = "auto",
  options: LineOptions = {},
): LogEvent | undefined {
  if (!NOT_BLANK.test(line)) return undefined;
  const text = line.startsWith(BYTE_ORDER_MARK) ? line.slice(1) : line;
  switch (format) {
    case "json":
      return decodeJsonLine(text);
    case "syslog":
      return decodeSyslog(text, options);
    case "plain":
      return new PlainEvent(text);
    case "auto":
      return parseAny(text, options);
  }
}

const JSON_START = /^\s*[{[]/;

/** What files without `<PRI>` begin with; the rest of the line decides. */
const SYSLOG_START = /^\s*(?:<\d|\d{4}-\d\d-\d\d[Tt]|[A-Z][a-z]{2} +\d{1,2} +\d)/;

function parseAny(line: string, options: LineOptions): LogEvent {
  if (JSON_START.test(line)) {
    try {
      return decodeJson(line);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  if (SYSLOG_START.test(line)) {
    const message = parseSyslog(line, options);
    // Without a program a time and some words would do, which any log has.
    if (
      message !== undefined && (line.trimStart().startsWith("<") || message.appname !== undefined)
    ) {
      return syslogEvent(message);
    }
  }
  return new PlainEvent(line);
}
