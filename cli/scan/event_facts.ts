/**
 * What the timeline and the statistics say of an event that was decoded from text.
 */
import { isAudit } from "../../src/decode/auditd/event.ts";
import { isCef } from "../../src/decode/cef.ts";
import { PlainEvent, RAW_FIELD } from "../../src/decode/flat_event.ts";
import { JsonEvent } from "../../src/decode/json.ts";
import { EnvelopedEvent, SyslogEvent } from "../../src/decode/syslog/event.ts";
import { isLeef } from "../../src/decode/leef.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { type Field, internField } from "../../src/event/field.ts";
import { scalarText } from "../../src/event/value.ts";
import type { TextForm } from "../text_form.ts";

/** The log, or the program that wrote to it. */
const CHANNEL_FIELDS = ["Channel", "appname", "syslog_appname"].map(internField);

/** The channel of an event, or the program that wrote it. */
export function eventChannel(event: LogEvent): string | undefined {
  for (const field of CHANNEL_FIELDS) {
    const text = scalarText(event.get(field));
    if (text !== undefined && text !== "") return text;
  }
  return undefined;
}

/** Longer messages are cut, in characters: hits are held in memory. */
const MAX_MESSAGE = 400;
const MESSAGE_FIELDS = ["message", RAW_FIELD].map(internField);
const JSON_MESSAGE_FIELDS = ["message", "Message", "MESSAGE", "msg", "log"].map(internField);

/** What a line says, for people; `undefined` for JSON, whose fields say it. */
export function eventMessage(event: LogEvent, line: string): string | undefined {
  if (event instanceof PlainEvent) return line.slice(0, MAX_MESSAGE);
  if (event instanceof JsonEvent || isJsonText(line)) return undefined;
  return firstText(event, MESSAGE_FIELDS) ?? line.slice(0, MAX_MESSAGE);
}

/** The field of a JSON event that is written for people. */
export function jsonMessage(event: LogEvent): string | undefined {
  return firstText(event, JSON_MESSAGE_FIELDS);
}

function firstText(event: LogEvent, fields: readonly Field[]): string | undefined {
  for (const field of fields) {
    const text = event.get(field);
    if (typeof text === "string" && text !== "") return text.slice(0, MAX_MESSAGE);
  }
  return undefined;
}

/** The format of the line that gave `event`: a word of `LINE_FORMATS`, or `xml`. */
export function formatOf(event: LogEvent, line: string, form: TextForm): string {
  if (form.kind === "json") return "json";
  if (form.format !== "auto") return form.format;
  const isText = event instanceof PlainEvent;
  if (isJsonText(line)) return isText ? "plain" : "json";
  if (isText) return "plain";
  if (isCef(line)) return "cef";
  if (isLeef(line)) return "leef";
  if (isAudit(line)) return "auditd";
  if (XML_START.test(line)) return "xml";
  if (SYSLOG_START.test(line)) return "syslog";
  return event instanceof SyslogEvent || event instanceof EnvelopedEvent ? "syslog" : "logfmt";
}

function isJsonText(line: string): boolean {
  const start = line.charCodeAt(0);
  return start === OPEN_BRACE || start === OPEN_BRACKET || JSON_START.test(line);
}

const OPEN_BRACE = 123;
const OPEN_BRACKET = 91;
const JSON_START = /^\s+[{[]/;
const XML_START = /^\s*<[A-Za-z?!]/;
/** What a filter has made of the line is told by the line alone. */
const SYSLOG_START = /^\s*(?:<\d|[A-Z][a-z]{2} +\d|\d{4}-\d\d-\d\dT)/;
