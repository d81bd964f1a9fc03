/**
 * Syslog lines to events.
 *
 * @see inputs.md, section 6
 */
import type { LogEvent } from "../event/event.ts";
import type { TimeZone } from "../event/zone.ts";
import { FlatEvent, RAW_FIELD, TEXT_LINE } from "./flat_event.ts";
import { openMessage } from "./linux/open.ts";
import { SyslogEvent } from "./syslog/event.ts";
import type { SyslogMessage } from "./syslog/message.ts";
import { parseSyslog } from "./syslog/parse.ts";
import { mayHoldPairs, openPairs, openPayload } from "./syslog/payload.ts";
import { trimmed } from "./syslog/text.ts";

export interface SyslogOptions {
  /** Of timestamps without a zone. Default UTC. */
  readonly syslogZone?: TimeZone;
  /** Whether a byte order mark that begins a message is left out. Default `true`. */
  readonly syslogStripBom?: boolean;
  /**
   * Unix milliseconds when the line was read or last written: timestamps without a year are of the
   * latest year in which they are not more than two days ahead of it. Without it, of 1970.
   */
  readonly nowMs?: number;
}

/**
 * Decodes a line as syslog. A line that is not becomes an event with `_raw` alone; a message that is
 * JSON, CEF, LEEF, an audit record or `key=value` pairs becomes that event, with the parts of the
 * header under `syslog_…`.
 */
export function decodeSyslog(line: string, options: SyslogOptions = {}): LogEvent {
  const message = parseSyslog(line, options);
  if (message === undefined) return new FlatEvent([[RAW_FIELD, trimmed(line)]], [], TEXT_LINE);
  return syslogEvent(message);
}

/**
 * Decodes a line that may be of any format.
 *
 * @returns `undefined` unless it has a priority, names a program or carries one of the formats above.
 */
export function decodeCertainSyslog(line: string, options: SyslogOptions): LogEvent | undefined {
  const message = parseSyslog(line, options);
  if (message === undefined) return undefined;
  // Without a program a time and some words would do, which any log has.
  return message.isCertain ? syslogEvent(message) : openPayload(message);
}

/** The event of a line that has been taken apart. */
export function syslogEvent(message: SyslogMessage): LogEvent {
  const payload = openPayload(message);
  if (payload !== undefined) return payload;
  const { appname } = message;
  const opened = appname === undefined ? undefined : openMessage(appname, message.message);
  // Of some programs no more is known than what kind of log theirs is.
  const pairs = mayHoldPairs(message) && (opened === undefined || opened.fields.length === 0)
    ? openPairs(message, opened?.logsource)
    : undefined;
  return pairs ?? new SyslogEvent(message, opened);
}
