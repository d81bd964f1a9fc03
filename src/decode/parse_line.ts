/**
 * One line of a log to one event, in the format its source has.
 *
 * @see inputs.md, section 3
 */
import type { LogEvent } from "../event/event.ts";
import { decodeAudit, isAudit } from "./auditd/event.ts";
import { decodeCef, isCef } from "./cef.ts";
import { FlatEvent, PlainEvent } from "./flat_event.ts";
import { DecodeError } from "./errors.ts";
import { decodeJson, decodeJsonLine } from "./json.ts";
import { decodeLeef, isLeef } from "./leef.ts";
import { certainLogfmt, decodeLogfmt } from "./logfmt.ts";
import { decodeSyslog, parseSyslog, syslogEvent, type SyslogOptions } from "./syslog.ts";

/**
 * The formats of lines. `auto` decides by each line, in this order: JSON, CEF and LEEF, audit records,
 * syslog that has a priority or names a program, logfmt that is nothing else, plain text.
 */
export const LINE_FORMATS = [
  "auto",
  "json",
  "syslog",
  "logfmt",
  "cef",
  "leef",
  "auditd",
  "plain",
] as const;
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
 *   Audit records of one event may come together, a line each.
 * @param options `syslogOffsetMinutes` and `nowMs` complete the times of syslog lines that tell no
 *   zone or no year.
 * @returns `undefined` for a line of blanks, which is no event and no error.
 * @throws {DecodeError} if `format` is `json`, `cef`, `leef` or `auditd` and the line is not; a JSON
 *   text or number is an event without fields. The other formats take every line.
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
    case "logfmt":
      return decodeLogfmt(text);
    case "cef":
      return decodeCef(text);
    case "leef":
      return decodeLeef(text);
    case "auditd":
      return decodeAudit(text);
    case "plain":
      return new PlainEvent(text);
    case "auto":
      return parseAny(text, options);
  }
}

const JSON_START = /^\s*[{[]/;

/** What files without `<PRI>` begin with; the rest of the line decides. */
const SYSLOG_START = /^\s*(?:<\d|\d{4}-\d\d-\d\d[Tt]|[A-Z][a-z]{2} +\d{1,2} +\d)/;

/** Fewer pairs than this are found in any sentence about settings. */
const MIN_LOGFMT_PAIRS = 3;

function parseAny(line: string, options: LineOptions): LogEvent {
  const event = parseCertain(line);
  if (event !== undefined) return event;
  if (SYSLOG_START.test(line)) {
    const message = parseSyslog(line, options);
    // Without a program a time and some words would do, which any log has.
    if (
      message !== undefined && (line.trimStart().startsWith("<") || message.appname !== undefined)
    ) {
      return syslogEvent(message);
    }
  }
  const pairs = certainLogfmt(line, MIN_LOGFMT_PAIRS);
  return pairs === undefined ? new PlainEvent(line) : new FlatEvent(pairs);
}

/** Formats that show in their first characters; what only looks like them is tried as others. */
function parseCertain(line: string): LogEvent | undefined {
  try {
    if (JSON_START.test(line)) return decodeJson(line);
    if (isCef(line)) return decodeCef(line);
    if (isLeef(line)) return decodeLeef(line);
    if (isAudit(line)) return decodeAudit(line);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  return undefined;
}
