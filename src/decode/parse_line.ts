/**
 * One line of a log to one event, in the format its source has.
 *
 * @see inputs.md, section 3
 */
import type { LogEvent } from "../event/event.ts";
import { monthOf } from "../event/time_text.ts";
import { decodeAudit, isAudit } from "./auditd/event.ts";
import { decodeCef, isCef } from "./cef.ts";
import { FlatEvent, PlainEvent } from "./flat_event.ts";
import { DecodeError } from "./errors.ts";
import { decodeJson, decodeJsonLine } from "./json.ts";
import { decodeLeef, isLeef } from "./leef.ts";
import { certainLogfmt, decodeLogfmt } from "./logfmt.ts";
import { isBlank, isDigit, skipBlanks } from "./syslog/text.ts";
import { parseSyslog } from "./syslog/parse.ts";
import { openPayload } from "./syslog/payload.ts";
import { decodeCertainSyslog, decodeSyslog, type SyslogOptions } from "./syslog.ts";
import { decodeWindowsXml, isWindowsXml } from "./windows_xml.ts";

/**
 * The formats of lines. `auto` decides by each line, in this order: JSON, CEF and LEEF, Windows events
 * in XML, audit records, syslog that has a priority or names a program, logfmt that is nothing else,
 * plain text.
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

/** What some editors and Windows programs begin files with: part of no record. */
const BYTE_ORDER_MARK = "\ufeff";

/**
 * Decodes a line.
 *
 * @param line One record without its line end; a byte order mark in front of it counts as nothing.
 *   Audit records of one event may come together, a line each.
 * @param options `syslogZone` and `nowMs` complete the times of syslog lines that tell no
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
  const text = line.startsWith(BYTE_ORDER_MARK) ? line.slice(1) : line;
  const start = skipBlanks(text, 0);
  if (start === text.length || (text[start] === BYTE_ORDER_MARK && text.trim() === "")) {
    return undefined;
  }
  switch (format) {
    case "json":
      return decodeJsonLine(text);
    case "syslog":
      return decodeSyslog(text, options);
    case "logfmt":
      return decodeLogfmt(text);
    case "cef":
      return behindHeader(text, start, isCef, options) ?? decodeCef(text);
    case "leef":
      return behindHeader(text, start, isLeef, options) ?? decodeLeef(text);
    case "auditd":
      return decodeAudit(text);
    case "plain":
      return new PlainEvent(text, options);
    case "auto":
      return parseAny(text, start, options);
  }
}

/** What relays put before a line tells its time and host, whether its format is stated or not. */
function behindHeader(
  line: string,
  start: number,
  isFormat: (text: string) => boolean,
  options: LineOptions,
): LogEvent | undefined {
  if (isFormat(start === 0 ? line : line.slice(start))) return undefined;
  const message = parseSyslog(line, options);
  return message !== undefined && isFormat(message.message) ? openPayload(message) : undefined;
}

/** Fewer pairs than this are found in any sentence about settings. */
const MIN_LOGFMT_PAIRS = 3;

function parseAny(line: string, start: number, options: LineOptions): LogEvent {
  const event = parseCertain(start === 0 ? line : line.slice(start), options);
  if (event !== undefined) return event;
  // Most lines of text have no `=` at all.
  const pairs = line.includes("=") ? certainLogfmt(line, MIN_LOGFMT_PAIRS) : undefined;
  return pairs === undefined ? new PlainEvent(line, options) : new FlatEvent(pairs);
}

/**
 * Formats that show in their first characters, by the first of which the one to try is chosen: what
 * is looked at for every line of a log must be little. What only looks like one of them is none.
 */
function parseCertain(line: string, options: LineOptions): LogEvent | undefined {
  switch (line[0]) {
    case "{":
      return endsWith(line, "}") ? tried(line, decodeJson) : undefined;
    case "[":
      return endsWith(line, "]") ? tried(line, decodeJson) : undefined;
    case "<":
      if (isDigit(line.charCodeAt(1))) return decodeCertainSyslog(line, options);
      return isWindowsXml(line) ? tried(line, decodeWindowsXml) : undefined;
    case "C":
      return isCef(line) ? tried(line, decodeCef) : undefined;
    case "L":
      return isLeef(line) ? tried(line, decodeLeef) : undefined;
    case "n":
    case "t":
      if (isAudit(line)) return tried(line, decodeAudit);
      break;
  }
  return mayBeTime(line) ? decodeCertainSyslog(line, options) : undefined;
}

/** Whether files of syslog without `<PRI>` begin their lines so. */
function mayBeTime(line: string): boolean {
  if (isDigit(line.charCodeAt(0))) {
    // A date, or the version of RFC 5424 and a date.
    return line[4] === "-" || line[6] === "-" || line[4] === " ";
  }
  return line[3] === " " && monthOf(line, 0) > 0;
}

function endsWith(line: string, last: string): boolean {
  let at = line.length - 1;
  while (isBlank(line.charCodeAt(at))) at--;
  return line[at] === last;
}

/** `undefined` if the line is not what it looked like. */
function tried(line: string, decode: (line: string) => LogEvent): LogEvent | undefined {
  try {
    return decode(line);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
