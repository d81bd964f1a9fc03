/**
 * Syslog lines taken apart: RFC 5424, RFC 3164 as it is found in the wild, and files without `<PRI>`.
 *
 * @see inputs.md, section 6; RFC 5424; RFC 3164
 */
import { readTime, rfc3339, type TimestampOptions } from "../../event/timestamp.ts";
import { skipSpaces } from "../../event/time_text.ts";
import type { SyslogOptions } from "../syslog.ts";
import { parseRfc3164 } from "./rfc3164.ts";
import type { SyslogBody, SyslogMessage } from "./message.ts";
import { structuredData } from "./structured_data.ts";
import { isDigit, messageText, processId, trimmed, wordEnd } from "./text.ts";

/** Times without a year are of 1970, if nobody says when they were read. */
const IN_1970_MS = Date.UTC(1970, 11, 30) - 1;
const MAX_PRI = 255;
const MAX_PRI_DIGITS = 5;
const LESS_THAN = 60;
const GREATER_THAN = 62;
const BLANK = 32;
const DASH = 45;

/**
 * Takes a syslog line apart.
 *
 * @returns `undefined` if it is neither RFC 5424 nor RFC 3164.
 */
export function parseSyslog(line: string, options: SyslogOptions = {}): SyslogMessage | undefined {
  const text = trimmed(line);
  const times: TimestampOptions = {
    zone: options.syslogZone,
    nowMs: options.nowMs ?? IN_1970_MS,
  };
  const isStripped = options.syslogStripBom ?? true;
  if (text.charCodeAt(0) !== LESS_THAN) {
    const body = parseRfc5424(text, 0, times, isStripped) ??
      parseRfc3164(text, 0, false, times, isStripped);
    return body === undefined ? undefined : withPriority(body, undefined);
  }
  let at = 1;
  while (isDigit(text.charCodeAt(at)) && at <= MAX_PRI_DIGITS) at++;
  const priority = at > 1 ? Number(text.slice(1, at)) : NaN;
  if (!(priority <= MAX_PRI) || text.charCodeAt(at) !== GREATER_THAN) return undefined;
  const body = parseRfc5424(text, at + 1, times, isStripped) ??
    parseRfc3164(text, at + 1, true, times, isStripped);
  return body === undefined ? undefined : withPriority(body, priority);
}

function withPriority(body: SyslogBody, priority: number | undefined): SyslogMessage {
  return {
    facility: priority === undefined ? undefined : priority >> 3,
    severity: priority === undefined ? undefined : priority & 7,
    timestamp: body.timestamp,
    hostname: body.hostname,
    appname: body.appname,
    procid: body.procid,
    msgid: body.msgid,
    structured: body.structured,
    message: body.message,
    isCertain: priority !== undefined || body.isCertain,
  };
}

/** VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG */
function parseRfc5424(
  text: string,
  start: number,
  times: TimestampOptions,
  isStripped: boolean,
): SyslogBody | undefined {
  let at = start;
  while (isDigit(text.charCodeAt(at))) at++;
  if (at === start || text.charCodeAt(at) !== BLANK) return undefined;
  at = skipSpaces(text, at);
  let timestamp: string | undefined;
  if (text.charCodeAt(at) === DASH) at++;
  else {
    // What begins with a year and a month's name is RFC 3164.
    if (!isDigit(text.charCodeAt(at)) || text.charCodeAt(at + 10) === BLANK) return undefined;
    const time = readTime(text, at, times);
    if (time === undefined) return undefined;
    timestamp = rfc3339(time);
    at = time.end;
  }
  if (text.charCodeAt(at) !== BLANK) return undefined;
  const words: (string | undefined)[] = [];
  for (at++; words.length < 4; at++) {
    const end = wordEnd(text, at);
    if (end === at) return undefined;
    const word = text.slice(at, end);
    words.push(word === "-" ? undefined : word);
    at = end;
  }
  const data = structuredData(text, skipSpaces(text, at), true);
  if (data === undefined) return undefined;
  const [hostname, appname, procid, msgid] = words;
  return {
    timestamp,
    hostname: hostname?.endsWith(":") ? hostname.slice(0, -1) : hostname,
    appname,
    procid: processId(procid),
    msgid,
    structured: data.fields,
    message: messageText(text, data.end, isStripped),
    isCertain: true,
  };
}
