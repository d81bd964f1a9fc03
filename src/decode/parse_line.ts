/**
 * One line of a log to one event, in the format its source has.
 *
 * @see inputs.md, section 3
 */
import type { LogEvent } from "../event/event.ts";
import { PlainEvent } from "./flat_event.ts";
import { DecodeError, decodeJson } from "./json.ts";

/** The formats of lines; `auto` decides by each line. */
export const LINE_FORMATS = ["auto", "json", "plain"] as const;
export type LineFormat = typeof LINE_FORMATS[number];

/** How lines are read beyond their format. */
export interface LineOptions {
  /** Minutes east of UTC for syslog timestamps without a zone. Default 0. */
  readonly syslogOffsetMinutes?: number;
}

const NOT_BLANK = /\S/;

/**
 * Decodes a line.
 *
 * @returns `undefined` for a line of blanks, which is no event and no error.
 * @throws {DecodeError} `DECODE_JSON` if `format` is `json` and the line is not; the other formats
 *   take every line.
 */
export function parseLine(
  line: string,
  format: LineFormat,
  _options: LineOptions = {},
): LogEvent | undefined {
  if (!NOT_BLANK.test(line)) return undefined;
  switch (format) {
    case "json":
      return decodeJson(line);
    case "plain":
      return new PlainEvent(line);
    case "auto":
      return parseAny(line);
  }
}

const JSON_START = /^\s*[{[]/;

function parseAny(line: string): LogEvent {
  if (JSON_START.test(line)) {
    try {
      return decodeJson(line);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return new PlainEvent(line);
}
