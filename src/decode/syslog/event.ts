/**
 * The events of syslog lines, and of what other formats carry inside them.
 *
 * @see inputs.md, sections 6.3, 6.5 and 20.5
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import { isObject, type Value, type ValueObject } from "../../event/value.ts";
import { FlatEvent, RAW_FIELD, TEXT_LINE } from "../flat_event.ts";
import type { OpenedMessage } from "../linux/open.ts";
import type { SyslogMessage } from "./message.ts";

const FACILITIES = (
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clockd " +
  "local0 local1 local2 local3 local4 local5 local6 local7"
).split(" ");
const SEVERITIES = "emerg alert crit err warning notice info debug".split(" ");
const LOG_NAMES = FACILITIES.map((name) => `LOG_${name.toUpperCase()}`);
const SEV_NAMES = SEVERITIES.map((name) => `SEV_${name.toUpperCase()}`);

type Named = readonly (readonly [name: string, text: string])[];
type MutableNamed = (readonly [name: string, text: string])[];

/** The header in the order of the spec; absent parts are left out. */
function headerFields(message: SyslogMessage, prefix: "" | "syslog_"): MutableNamed {
  const { timestamp, hostname, appname, procid, msgid, facility, severity } = message;
  const fields: MutableNamed = [];
  if (timestamp !== undefined) fields.push([`${prefix}timestamp`, timestamp]);
  if (hostname !== undefined) fields.push([`${prefix}hostname`, hostname]);
  if (appname !== undefined) fields.push([`${prefix}appname`, appname]);
  if (procid !== undefined) fields.push([`${prefix}procid`, procid]);
  if (msgid !== undefined) fields.push([`${prefix}msgid`, msgid]);
  const facilityName = facility === undefined ? undefined : LOG_NAMES[facility];
  if (facilityName !== undefined) fields.push([`${prefix}facility`, facilityName]);
  if (severity !== undefined) fields.push([`${prefix}severity`, SEV_NAMES[severity]!]);
  return fields;
}

/** What an event inside a syslog line gets of the line's header. */
export function envelopeFields(message: SyslogMessage): Named {
  const fields = headerFields(message, "syslog_");
  for (const [name, text] of message.structured) fields.push([`sd.${name}`, text]);
  return fields;
}

function allFields(message: SyslogMessage): Named {
  const fields = headerFields(message, "");
  if (message.structured.length > 0) fields.push(...message.structured);
  if (message.message !== "") fields.push([RAW_FIELD, message.message]);
  return fields;
}

const OTHER_NAMES = ["message"];
const PRIORITY_NAMES = [
  "facility_name",
  "severity_name",
  "facility_code",
  "severity_code",
  ...OTHER_NAMES,
];

/**
 * A syslog line whose message is text.
 *
 * Rules may also ask for `message`, which is `_raw`, and for the priority as `facility_name`,
 * `severity_name` (as in syslog.conf), `facility_code` and `severity_code` (numbers). These are other
 * spellings of what is there: alerts do not carry them, observers do not see them, and keywords are
 * not looked for in them.
 *
 * Most rules ask for the message alone, so nothing is put together before it is asked for.
 */
export class SyslogEvent implements LogEvent {
  readonly logsource: ImpliedLogsource;
  readonly #message: SyslogMessage;
  readonly #opened: OpenedMessage | undefined;
  #flat: FlatEvent | undefined;

  /** @param opened What the message says in fields. */
  constructor(message: SyslogMessage, opened?: OpenedMessage) {
    this.logsource = opened?.logsource ?? TEXT_LINE;
    this.#message = message;
    this.#opened = opened;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    const { facility, severity } = this.#message;
    switch (field.name) {
      case "_raw":
      case "message":
        return this.#message.message === "" ? undefined : this.#message.message;
      case "appname":
        return this.#message.appname;
      case "hostname":
        return this.#message.hostname;
      case "timestamp":
        return this.#message.timestamp;
      case "procid":
        return this.#message.procid;
      case "msgid":
        return this.#message.msgid;
      case "facility":
        return facility === undefined ? undefined : LOG_NAMES[facility];
      case "severity":
        return severity === undefined ? undefined : SEV_NAMES[severity];
      case "facility_code":
        return facility;
      case "severity_code":
        return severity;
      case "facility_name":
        return facility === undefined ? undefined : FACILITIES[facility];
      case "severity_name":
        return severity === undefined ? undefined : SEVERITIES[severity];
    }
    if (this.#message.structured.length === 0 && this.#opened === undefined) return undefined;
    return this.#asFlat().get(field);
  }

  /** With the fields of the spec alone. */
  #asFlat(): FlatEvent {
    return this.#flat ??= new FlatEvent(allFields(this.#message), this.#opened?.fields);
  }

  /** Those of the fields and their other spellings. */
  topKeys(): readonly string[] {
    const names = this.#message.facility === undefined ? OTHER_NAMES : PRIORITY_NAMES;
    return [...this.#asFlat().topKeys(), ...names];
  }

  /** See `LogEvent.someText`. What the message was opened to is in the message. */
  someText(visit: (text: string) => boolean): boolean {
    return allFields(this.#message).some(([, text]) => visit(text));
  }

  /** See `FlatEvent.toValue`. */
  toValue(): Value {
    return this.#asFlat().toValue();
  }
}

/**
 * An event that came inside a syslog line: its own fields, and those of the line's header where it has
 * none of the name.
 */
export class EnvelopedEvent implements LogEvent {
  readonly product?: string;
  readonly logsource?: ImpliedLogsource;
  readonly #inner: LogEvent;
  readonly #header: Named;

  /** @param header See `envelopeFields`. */
  constructor(inner: LogEvent, header: Named) {
    if (inner.product !== undefined) this.product = inner.product;
    if (inner.logsource !== undefined) this.logsource = inner.logsource;
    this.#inner = inner;
    this.#header = header;
  }

  /** See `LogEvent.get`. */
  get(field: Field): Value | undefined {
    return this.#inner.get(field) ?? this.#header.find(([name]) => name === field.name)?.[1];
  }

  /** Those of the event and of the header, if the event knows its own. */
  topKeys(): readonly string[] | undefined {
    const keys = this.#inner.topKeys?.();
    return keys === undefined ? undefined : [...keys, ...this.#header.map(([name]) => name)];
  }

  /** See `LogEvent.alternateText`. */
  alternateText(field: Field): string | undefined {
    return this.#inner.alternateText?.(field);
  }

  /** See `LogEvent.someText`. */
  someText(visit: (text: string) => boolean): boolean {
    return this.#inner.someText(visit) || this.#header.some(([, text]) => visit(text));
  }

  /** The event's own value with the header's fields behind. */
  toValue(): Value {
    const inner = this.#inner.toValue();
    const members: ValueObject = isObject(inner) ? inner : { [RAW_FIELD]: inner };
    const added = this.#header.filter(([name]) => !Object.hasOwn(members, name));
    return { ...members, ...Object.fromEntries(added) };
  }
}
