/**
 * RFC 3164, the BSD syslog protocol, with everything that devices leave out or put in:
 * `TIMESTAMP HOSTNAME TAG[PID]: MSG`.
 *
 * What the reference loses is kept: a message's leading dash, and `CEF:`, `LEEF:`, `{` and `[` that
 * stand where the tag would be.
 *
 * @see inputs.md, section 6.1
 */
import { skipSpaces } from "../../event/time_text.ts";
import {
  inZoneBehind,
  readTime,
  rfc3339,
  type TimestampOptions,
  type WrittenTime,
} from "../../event/timestamp.ts";
import type { SyslogBody } from "./message.ts";
import { structuredData, type StructuredFields } from "./structured_data.ts";
import { isBlank, isDigit, messageText, processId, wordEnd } from "./text.ts";

const BLANK = 32;
const PERCENT = 37;
const DASH = 45;
const SLASH = 47;
const COLON = 58;
const UPPER_C = 67;
const UPPER_L = 76;
const OPEN_BRACKET = 91;
const LOWER_L = 108;
const OPEN_BRACE = 123;

/** What stands where host and program would: syslogd itself speaks. */
const REPEATED = /(?:--- )?last message repeated \d+ times?(?: ---)?$/y;
/** `%ASA-6-302013`, `%SYS-SW1-5-CONFIG_I`; bounded, since its parts can be told apart in many ways. */
const CISCO_TAG = /%[A-Z][A-Z0-9_]{0,31}(?:-[A-Z0-9_]{1,32}){0,4}-[0-7]-[A-Z0-9_]{1,64}(?=:)/y;
/**
 * What Cisco puts before the time: a sequence number, perhaps the host's name, and a mark of a clock
 * that is not synchronised.
 */
const CISCO_START = /:?(?:\d+: +)?(?:([\w.-]{1,255}): +(?=[*.]|[A-Z][a-z]{2} ))?[*.]?(?=[A-Z\d])/y;
/** Payloads that a tag must not be made of. */
const PAYLOAD = /(?:CEF|LEEF): ?\d+(?:\.\d)?\|/y;
/** What firewalls write straight behind `<PRI>`. */
const TIMELESS = /(?:CEF|LEEF): ?\d+(?:\.\d)?\||\{\s*["}]|[A-Za-z_][\w.-]*=/y;
/** What stands behind the times of many logs, where syslog has its host. */
const LEVEL =
  /^\[?(?:trace|debug|info|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|emerg|alert)\]?$/i;
/** `log show --style syslog` of macOS, templates of rsyslog. */
const HOST_AND_PROCESS = / ( ?)([^\s:[\]]{1,255}) [^\s:[\]]{1,255}\[\d{1,10}\]: /y;
/** Those that begin otherwise than names do. */
const IPV6_HOST = /(?:::[\da-f:.]*|\[[\da-f.]*:[\da-f:.]+\])(?=:? )/iy;
/** Programs such as login call themselves `-- root`. */
const DASHED_TAG = /^-- \S+\[\d+\]: /;

const CISCO_MESSAGE = ": %";
/** A sequence number, the longest name of a host, and a time. */
const MAX_CISCO_START = 320;

/** Host and program, and where the rest begins. */
interface Names {
  readonly hostname: string | undefined;
  readonly tag: string | undefined;
  /** A colon ends the tag. */
  readonly isEnded: boolean;
  readonly end: number;
}

/**
 * Takes apart what follows `<PRI>`.
 *
 * @param hasPri A line that begins with `<PRI>` is syslog whatever its time looks like.
 * @returns `undefined` if there is no time, and no message that tells its kind in its first word.
 */
export function parseRfc3164(
  text: string,
  start: number,
  hasPri: boolean,
  times: TimestampOptions,
  isStripped: boolean,
): SyslogBody | undefined {
  const at = skipSpaces(text, start);
  const time = readLineTime(text, at, hasPri, times);
  const behind = hasPri ? text.indexOf(CISCO_MESSAGE, at) : -1;
  const cisco = behind < 0 || behind - at > MAX_CISCO_START
    ? undefined
    : readCiscoStart(text, at, times);
  if (cisco !== undefined) {
    const names = { hostname: cisco.hostname, tag: undefined, isEnded: true, end: cisco.time.end };
    return body(text, rfc3339(cisco.time), names, false, isStripped);
  }
  if (time !== undefined) {
    const end = text.charCodeAt(time.end) === COLON ? time.end + 1 : time.end;
    const isIso = text.charCodeAt(at + 4) === DASH;
    return body(text, rfc3339(time), readNames(text, end, times), isIso, isStripped);
  }
  if (!hasPri) return undefined;
  if (!isAt(TIMELESS, text, at) && !isAt(CISCO_TAG, text, at)) return undefined;
  const names = { hostname: undefined, tag: undefined, isEnded: false, end: at };
  return body(text, undefined, names, false, isStripped);
}

function isAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}

/** The time of a line, with nothing but a colon glued to it. */
function readLineTime(
  text: string,
  at: number,
  hasPri: boolean,
  times: TimestampOptions,
): WrittenTime | undefined {
  // Times of web servers.
  if (text.charCodeAt(at + 2) === SLASH) return undefined;
  const time = readTime(text, at, times);
  if (time === undefined) return undefined;
  // Without `<PRI>` a date, a blank and a time are those of other logs, but for a process behind them.
  if (text.charCodeAt(at + 4) === DASH && text.charCodeAt(at + 10) === BLANK && !hasPri) {
    HOST_AND_PROCESS.lastIndex = time.end;
    const found = HOST_AND_PROCESS.exec(text);
    if (found === null || LEVEL.test(found[2]!)) return undefined;
    // macOS writes a second blank.
    return found[1] === "" ? time : { ...time, end: time.end + 1 };
  }
  const end = text.charCodeAt(time.end) === COLON ? time.end + 1 : time.end;
  return end === text.length || text.charCodeAt(end) === BLANK ? time : undefined;
}

/** `123: host: *Mar  1 18:46:11.123 UTC`, behind which there is a colon. */
function readCiscoStart(
  text: string,
  at: number,
  times: TimestampOptions,
): { readonly time: WrittenTime; readonly hostname: string | undefined } | undefined {
  CISCO_START.lastIndex = at;
  const start = CISCO_START.exec(text);
  const time = start === null ? undefined : readTime(text, at + start[0].length, times);
  if (time === undefined) return undefined;
  const hostname = start![1];
  const zoned = inZoneBehind(text, time);
  if (text.charCodeAt(zoned.end) === COLON) return { time: zoned, hostname };
  return text.charCodeAt(time.end) === COLON ? { time, hostname } : undefined;
}

/** One blank stands before each name; a second one means that the name is missing. */
function readNames(text: string, start: number, times: TimestampOptions): Names {
  const hostAt = start + 1;
  if (!isHost(text, start)) {
    return { hostname: undefined, tag: undefined, isEnded: false, end: start };
  }
  const wordAt = wordEnd(text, hostAt);
  const colon = tagColon(text, hostAt, wordAt);
  if (colon > 0) {
    return { hostname: undefined, tag: text.slice(hostAt, colon), isEnded: true, end: colon };
  }
  const isEnded = text.charCodeAt(wordAt - 1) === COLON;
  const hostEnd = isEnded ? wordAt - 1 : wordAt;
  const hostname = text.slice(hostAt, hostEnd);
  if (isEnded || !isName(text, hostEnd)) {
    return isTag(hostname)
      ? { hostname: undefined, tag: hostname, isEnded, end: hostEnd }
      : { hostname, tag: undefined, isEnded, end: hostEnd };
  }
  const tagEnd = endOfTag(text, hostEnd + 1);
  const tag = text.slice(hostEnd + 1, tagEnd);
  // Firewalls begin with `date=2024-01-15 time=…` or `1,2024/01/15 10:30:00,…`.
  if (tag.includes("=") || tag.includes(",")) {
    return { hostname, tag: undefined, isEnded: false, end: hostEnd };
  }
  if (isDigit(text.charCodeAt(hostEnd + 1))) {
    const relayed = readCiscoStart(text, hostEnd + 1, times);
    if (relayed !== undefined) {
      return { hostname, tag: undefined, isEnded: true, end: relayed.time.end };
    }
  }
  return { hostname, tag, isEnded: text.charCodeAt(tagEnd) === COLON, end: tagEnd };
}

/** Whether the one blank at `at` is followed by what may be a tag. */
function isName(text: string, at: number): boolean {
  if (text.charCodeAt(at) !== BLANK) return false;
  const code = text.charCodeAt(at + 1);
  switch (code) {
    case COLON:
    case OPEN_BRACE:
    case OPEN_BRACKET:
      return false;
    case PERCENT:
      return !isAt(CISCO_TAG, text, at + 1);
    case DASH:
    case LOWER_L:
      return !isAt(REPEATED, text, at + 1);
    case UPPER_C:
    case UPPER_L:
      return !isAt(PAYLOAD, text, at + 1);
    default:
      return at + 1 < text.length && !isBlank(code);
  }
}

/** Whether the one blank at `at` is followed by what may be a host or, without one, a tag. */
function isHost(text: string, at: number): boolean {
  switch (text.charCodeAt(at + 1)) {
    case COLON:
    case OPEN_BRACKET:
      return text.charCodeAt(at) === BLANK && isAt(IPV6_HOST, text, at + 1);
    default:
      return isName(text, at);
  }
}

/** Where the colon of a `name[pid]:` stands to which the message is glued; -1 in other words. */
function tagColon(text: string, start: number, end: number): number {
  const close = text.indexOf("]", start);
  if (close < 0 || close >= end || text.charCodeAt(close + 1) !== COLON) return -1;
  return isTag(text.slice(start, close + 1)) ? close + 1 : -1;
}

function endOfTag(text: string, at: number): number {
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COLON || isBlank(code)) break;
    at++;
  }
  return at;
}

/** No host is called like that. */
function isTag(word: string): boolean {
  return word.endsWith("]") && /^[^\s:[\]]+\[\d+\]$/.test(word);
}

const NO_FIELDS: StructuredFields = [];

function body(
  text: string,
  timestamp: string | undefined,
  names: Names,
  isIso: boolean,
  isStripped: boolean,
): SyslogBody {
  const { hostname, tag } = names;
  let at = behindTag(text, names.end);
  let appname = tag;
  let procid: string | undefined;
  let isEnded = names.isEnded;
  if (tag === undefined) {
    if (text.charCodeAt(at) === PERCENT && isAt(CISCO_TAG, text, at)) {
      isEnded = true;
      appname = text.slice(at, CISCO_TAG.lastIndex);
      at = behindTag(text, CISCO_TAG.lastIndex);
    }
  } else if (tag.endsWith("]")) {
    const open = tag.lastIndexOf("[");
    if (open > 0 && tag.indexOf("]") === tag.length - 1) {
      appname = tag.slice(0, open);
      procid = processId(tag.slice(open + 1, -1));
    }
  }
  const data = text.charCodeAt(at) === OPEN_BRACKET ? structuredData(text, at, false) : undefined;
  const message = messageText(text, data?.end ?? at, isStripped);
  const isCertain = appname === undefined
    ? isAt(REPEATED, message, 0) || DASHED_TAG.test(message)
    : !isIso || procid !== undefined || (isEnded && !LEVEL.test(hostname ?? ""));
  return {
    timestamp,
    hostname,
    appname,
    procid,
    msgid: undefined,
    structured: data?.fields ?? NO_FIELDS,
    message,
    isCertain,
  };
}

/** Behind blanks, a colon and blanks. */
function behindTag(text: string, start: number): number {
  const at = skipSpaces(text, start);
  return text.charCodeAt(at) === COLON ? skipSpaces(text, at + 1) : at;
}
