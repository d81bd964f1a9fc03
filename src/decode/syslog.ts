/**
 * Syslog lines to events: RFC 5424, RFC 3164 as it is found in the wild, and files without `<PRI>`.
 *
 * @see inputs.md, section 6; RFC 5424; RFC 3164
 */
import type { LogEvent } from "../event/event.ts";
import { isObject, type Value } from "../event/value.ts";
import { FlatEvent, RAW_FIELD } from "./flat_event.ts";
import { JsonEvent } from "./json.ts";

export interface SyslogOptions {
  /** Minutes east of UTC for timestamps without a zone. Default 0. */
  readonly syslogOffsetMinutes?: number;
  /** Unix milliseconds now, by which timestamps without a year get theirs. Default: 1970. */
  readonly nowMs?: number;
}

/** A line taken apart; absent parts are `undefined`. */
export interface SyslogMessage {
  readonly facility: number | undefined;
  readonly severity: number | undefined;
  /** RFC 3339 with a numeric offset. */
  readonly timestamp: string | undefined;
  readonly hostname: string | undefined;
  readonly appname: string | undefined;
  readonly procid: string | undefined;
  readonly msgid: string | undefined;
  /** `<sd-id>.<name>` and value, in the order of the line. */
  readonly structured: readonly (readonly [name: string, value: string])[];
  readonly message: string;
}

const FACILITIES = (
  "KERN USER MAIL DAEMON AUTH SYSLOG LPR NEWS UUCP CRON AUTHPRIV FTP NTP AUDIT ALERT CLOCKD " +
  "LOCAL0 LOCAL1 LOCAL2 LOCAL3 LOCAL4 LOCAL5 LOCAL6 LOCAL7"
).split(" ").map((name) => `LOG_${name}`);
const SEVERITIES = "EMERG ALERT CRIT ERR WARNING NOTICE INFO DEBUG"
  .split(" ").map((name) => `SEV_${name}`);

const PRI = /^<(\d{1,5})>/;
const VERSION = /^\d+ +/;
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|z|[+-]\d\d:?\d\d)$/;
const BSD_TIME =
  /^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) +(\d{1,2}) +(?:(\d{4}) +)?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?:?(?= |$)/i;
const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
const BOM = "\uFEFF";

/**
 * Decodes a line as syslog. A line that is not becomes an event with `_raw` alone; a message that is
 * a JSON object becomes that object, with the parts of the header under `syslog_…`.
 */
export function decodeSyslog(line: string, options: SyslogOptions = {}): LogEvent {
  const message = parseSyslog(line, options);
  if (message === undefined) return new FlatEvent([[RAW_FIELD, line.trim()]]);
  return syslogEvent(message);
}

/** The event of a line that has been taken apart. */
export function syslogEvent(message: SyslogMessage): LogEvent {
  return jsonMessage(message) ?? new FlatEvent(flatFields(message));
}

/**
 * Takes a syslog line apart.
 *
 * @returns `undefined` if it is neither RFC 5424 nor RFC 3164.
 */
export function parseSyslog(line: string, options: SyslogOptions = {}): SyslogMessage | undefined {
  const text = line.trim();
  const pri = PRI.exec(text);
  const code = pri === null ? undefined : Number(pri[1]);
  if (code !== undefined && code > 255) return undefined;
  if (code === undefined && text.startsWith("<")) return undefined;
  const head = {
    facility: code === undefined || code >= 192 ? undefined : code >> 3,
    severity: code === undefined ? undefined : code & 7,
  };
  const rest = text.slice(pri === null ? 0 : pri[0].length);
  const body = parseRfc5424(rest) ?? parseRfc3164(rest, options);
  return body === undefined ? undefined : { ...head, ...body };
}

type Body = Omit<SyslogMessage, "facility" | "severity">;

/** VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG] */
function parseRfc5424(text: string): Body | undefined {
  const version = VERSION.exec(text);
  if (version === null) return undefined;
  const words = new Words(text, version[0].length);
  const time = words.word();
  if (time === undefined) return undefined;
  const timestamp = time === "-" ? undefined : isoTime(time);
  if (time !== "-" && timestamp === undefined) return undefined;
  const [hostname, appname, procid, msgid] = [
    words.word(),
    words.word(),
    words.word(),
    words.word(),
  ];
  if (msgid === undefined) return undefined;
  const data = structuredData(text, words.skipBlanks(), true);
  if (data === undefined) return undefined;
  return {
    timestamp,
    hostname: present(hostname)?.replace(/:$/, ""),
    appname: present(appname),
    procid: pid(present(procid)),
    msgid: present(msgid),
    structured: data.fields,
    message: messageText(text.slice(data.end)),
  };
}

/** [TIMESTAMP [HOSTNAME] [TAG[pid]][:]] MSG, with everything that devices leave out. */
function parseRfc3164(text: string, options: SyslogOptions): Body | undefined {
  const start = text.search(/[^ ]/);
  const rest = start < 0 ? "" : text.slice(start);
  const time = leadingTime(rest, options);
  if (time === undefined) return undefined;
  let at = time.length;
  // One blank each; a second one means that the part is missing.
  const first = /^ ([^\s:]\S*?)(?=:?(?: |$)|:)/.exec(rest.slice(at))?.[1];
  if (first !== undefined) at += 1 + first.length;
  const second = first === undefined || rest[at] === ":"
    ? undefined
    : /^ ([^\s:]+)/.exec(rest.slice(at))?.[1];
  if (second !== undefined) at += 1 + second.length;
  const tag = second ?? (first !== undefined && isTag(first) ? first : undefined);
  const hostname = second === undefined && tag !== undefined ? undefined : first;
  const { appname, procid } = splitTag(tag);
  at += /^ *:? */.exec(rest.slice(at))![0].length;
  const data = structuredData(rest, at, false);
  return {
    timestamp: time.timestamp,
    hostname,
    appname,
    procid,
    msgid: undefined,
    structured: data?.fields ?? [],
    message: messageText(rest.slice(data?.end ?? at)),
  };
}

/** Walks words that one blank each separates. */
class Words {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  word(): string | undefined {
    const start = this.#at;
    let end = start;
    while (end < this.#text.length && !isBlank(this.#text.charCodeAt(end))) end++;
    if (end === start) return undefined;
    this.#at = end < this.#text.length ? end + 1 : end;
    return this.#text.slice(start, end);
  }

  skipBlanks(): number {
    while (this.#text[this.#at] === " ") this.#at++;
    return this.#at;
  }
}

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

function present(word: string | undefined): string | undefined {
  return word === undefined || word === "-" ? undefined : word;
}

function isTag(word: string): boolean {
  return /^[^\s[\]]+\[\d+\]$/.test(word);
}

function splitTag(
  tag: string | undefined,
): { readonly appname: string | undefined; readonly procid: string | undefined } {
  const parts = tag === undefined ? null : /^(.+)\[([^[\]]*)\]$/.exec(tag);
  if (parts === null) return { appname: tag, procid: undefined };
  return { appname: parts[1], procid: pid(parts[2]) };
}

/** Numbers are written without leading zeros. */
function pid(word: string | undefined): string | undefined {
  return word !== undefined && /^\d+$/.test(word) ? word.replace(/^0+(?=\d)/, "") : word;
}

function messageText(text: string): string {
  const body = text.trimStart();
  return (body.startsWith(BOM) ? body.slice(1) : body).trim();
}

/**
 * The timestamp at the start of an RFC 3164 line.
 *
 * @returns Its length in characters, and RFC 3339 text; `undefined` if there is none.
 */
function leadingTime(
  text: string,
  options: SyslogOptions,
): { readonly length: number; readonly timestamp: string } | undefined {
  const word = /^\S+/.exec(text)?.[0];
  if (word === undefined) return undefined;
  const iso = isoTime(word);
  if (iso !== undefined) return { length: word.length, timestamp: iso };
  const parts = BSD_TIME.exec(text);
  if (parts === null) return undefined;
  const [whole, name, day, year, hour, minute, second, fraction] = parts;
  const month = MONTHS.indexOf(name!.toLowerCase()) / 3;
  const now = new Date(options.nowMs ?? 0);
  const inferred = year === undefined ? inferYear(month, now) : Number(year);
  const offset = options.syslogOffsetMinutes ?? 0;
  const timestamp = localTime(
    [inferred, month, Number(day), Number(hour), Number(minute), Number(second)],
    fraction,
    offsetText(offset),
  );
  return timestamp === undefined ? undefined : { length: whole.length, timestamp };
}

/** In December a line of January is from the next year, in January one of December from the last. */
function inferYear(month: number, now: Date): number {
  const year = now.getUTCFullYear();
  if (now.getUTCMonth() === 11 && month === 0) return year + 1;
  if (now.getUTCMonth() === 0 && month === 11) return year - 1;
  return year;
}

function isoTime(word: string): string | undefined {
  const parts = RFC3339.exec(word);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = parts;
  const numbers = [year, month, day, hour, minute, second].map(Number) as Clock;
  numbers[1] -= 1;
  const digits = /^[Zz]$/.test(zone!) ? "+00:00" : zone!.replace(/^(...)(\d\d)$/, "$1:$2");
  return localTime(numbers, fraction, digits);
}

type Clock = [
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
];

/** RFC 3339 text of a time that exists; a leap second is the second after. */
function localTime(clock: Clock, fraction: string | undefined, zone: string): string | undefined {
  const [year, month, day, hour, minute, second] = clock;
  if (hour > 23 || minute > 59 || second > 60 || !(month >= 0)) return undefined;
  const date = new Date(Date.UTC(year, month, day, hour, minute, second));
  if (second < 60 && (date.getUTCDate() !== day || date.getUTCMonth() !== month)) return undefined;
  if (Number.isNaN(date.getTime())) return undefined;
  const digits = fraction === undefined || /^0*$/.test(fraction)
    ? ""
    : `.${fraction.padEnd(Math.ceil(fraction.length / 3) * 3, "0").replace(/(?:000)+$/, "")}`;
  return `${date.toISOString().slice(0, 19)}${digits}${zone}`;
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

const ELEMENT_ID = /[^\s="\]]+/y;
const PARAMETER = /([^\s="\]]+)= *"((?:[^"\\]|\\.)*)"/ys;

/**
 * `-` or `[id name="value" …]…` at `at`.
 *
 * @param isStrict RFC 5424: it must be there; a group that is malformed is skipped. Otherwise text
 *   that only looks like it belongs to the message.
 * @returns Where it ends; `undefined` if there is none.
 */
function structuredData(
  text: string,
  at: number,
  isStrict: boolean,
): { readonly fields: readonly (readonly [string, string])[]; readonly end: number } | undefined {
  const fields: (readonly [string, string])[] = [];
  if (isStrict && text[at] === "-") return { fields, end: at + 1 };
  let end = at;
  while (text[end] === "[") {
    const group = structuredGroup(text, end);
    if (group === undefined || (!isStrict && group.fields.length === 0)) {
      if (!isStrict) return undefined;
      const close = text.indexOf("]", end);
      if (close < 0) return undefined;
      end = close + 1;
      continue;
    }
    fields.push(...group.fields);
    end = group.end;
  }
  return end === at ? undefined : { fields, end };
}

function structuredGroup(
  text: string,
  at: number,
): { readonly fields: readonly (readonly [string, string])[]; readonly end: number } | undefined {
  ELEMENT_ID.lastIndex = at + 1;
  const id = ELEMENT_ID.exec(text)?.[0];
  if (id === undefined) return undefined;
  const fields: (readonly [string, string])[] = [];
  let end = at + 1 + id.length;
  while (text[end] === " ") {
    while (text[end] === " ") end++;
    if (text[end] === "]") break;
    PARAMETER.lastIndex = end;
    const parameter = PARAMETER.exec(text);
    if (parameter === null) return undefined;
    fields.push([`${id}.${parameter[1]}`, unescape(parameter[2]!)]);
    end = PARAMETER.lastIndex;
  }
  return text[end] === "]" ? { fields, end: end + 1 } : undefined;
}

function unescape(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replace(
    /\\(["\]\\n])/g,
    (_, character: string) => character === "n" ? "\n" : character,
  );
}

function namedParts(
  message: SyslogMessage,
): readonly (readonly [name: string, text: string | undefined])[] {
  const { facility, severity } = message;
  return [
    ["timestamp", message.timestamp],
    ["hostname", message.hostname],
    ["appname", message.appname],
    ["procid", message.procid],
    ["msgid", message.msgid],
    ["facility", facility === undefined ? undefined : FACILITIES[facility]],
    ["severity", severity === undefined ? undefined : SEVERITIES[severity]],
  ];
}

function flatFields(message: SyslogMessage): readonly (readonly [string, string])[] {
  const fields = namedParts(message)
    .filter((part): part is readonly [string, string] => part[1] !== undefined);
  const raw = message.message === "" ? [] : [[RAW_FIELD, message.message] as const];
  return [...fields, ...message.structured, ...raw];
}

function jsonMessage(message: SyslogMessage): JsonEvent | undefined {
  if (!message.message.startsWith("{")) return undefined;
  let root: Value;
  try {
    root = JSON.parse(message.message) as Value;
  } catch {
    return undefined;
  }
  if (!isObject(root)) return undefined;
  const added: Record<string, Value> = {};
  for (const [name, text] of namedParts(message)) {
    if (text !== undefined) added[`syslog_${name}`] = text;
  }
  for (const [name, text] of message.structured) added[`sd.${name}`] = text;
  const names = Object.keys(added).filter((name) => !Object.hasOwn(root, name));
  if (names.length === 0) return new JsonEvent(root, message.message);
  // The event's text is what exact integers and keywords are read from, so it gets the members too.
  const members = names.map((name) => `,${JSON.stringify(name)}:${JSON.stringify(added[name])}`);
  const isEmpty = Object.keys(root).length === 0;
  const end = message.message.lastIndexOf("}");
  const joined = members.join("").slice(isEmpty ? 1 : 0);
  const text = `${message.message.slice(0, end)}${joined}}`;
  return new JsonEvent(JSON.parse(text) as Value, text);
}
