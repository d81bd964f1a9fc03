/**
 * What other formats write into the messages of syslog.
 *
 * @see inputs.md, sections 6.5 and 20.5
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import { isObject, type Value } from "../../event/value.ts";
import { decodeAudit, isAudit } from "../auditd/event.ts";
import { decodeCef, isCef } from "../cef.ts";
import { DecodeError } from "../errors.ts";
import { FlatEvent } from "../flat_event.ts";
import { JsonEvent } from "../json.ts";
import { decodeLeef, isLeef } from "../leef.ts";
import { certainLogfmt } from "../logfmt.ts";
import { EnvelopedEvent, envelopeFields } from "./event.ts";
import type { SyslogMessage } from "./message.ts";

/** The header has shown already that the line is one of a program. */
const MIN_LOGFMT_PAIRS = 2;
/** `audit: type=1400 audit(1364481363.243:24287): …`, behind the kernel's own time or without it. */
const KERNEL_AUDIT = /^(?:\[ *\d+\.\d+\] )?(?:audit: )?type=(\w+) audit\((?=\d)/;

/**
 * The event that a message is in a format that shows in its first characters: a JSON object, CEF,
 * LEEF, an audit record. It has the parts of the header as `syslog_…`, unless its own are called so.
 */
export function openPayload(message: SyslogMessage): LogEvent | undefined {
  const text = message.message;
  switch (text.charCodeAt(0)) {
    case 0x7b: // {
      return openJson(message);
    case 0x43: // C
      return isCef(text) ? enveloped(message, text, decodeCef) : undefined;
    case 0x4c: // L
      return isLeef(text) ? enveloped(message, text, decodeLeef) : undefined;
    case 0x5b: // [
    case 0x61: // a
      return openKernelAudit(message);
    case 0x6e: // n
    case 0x74: // t
      return isAudit(text) ? enveloped(message, text, decodeAudit) : openKernelAudit(message);
  }
  return undefined;
}

function openKernelAudit(message: SyslogMessage): LogEvent | undefined {
  const start = KERNEL_AUDIT.exec(message.message);
  if (start === null) return undefined;
  const rest = message.message.slice(start[0].length);
  return enveloped(message, `type=${start[1]} msg=audit(${rest}`, decodeAudit);
}

/** Whether there may be two pairs in a message: much cheaper than to look for them. */
export function mayHoldPairs({ message }: SyslogMessage): boolean {
  const first = message.indexOf("=");
  return first > 0 && message.indexOf("=", first + 1) > 0;
}

/**
 * The event of a message that is `key=value` pairs and hardly anything else.
 *
 * @param logsource What the program that wrote it tells.
 */
export function openPairs(
  message: SyslogMessage,
  logsource?: ImpliedLogsource,
): LogEvent | undefined {
  const pairs = certainLogfmt(message.message, MIN_LOGFMT_PAIRS);
  return pairs === undefined
    ? undefined
    : new EnvelopedEvent(new FlatEvent(pairs, [], logsource), envelopeFields(message));
}

function enveloped(
  message: SyslogMessage,
  text: string,
  decode: (text: string) => LogEvent,
): LogEvent | undefined {
  try {
    return new EnvelopedEvent(decode(text), envelopeFields(message));
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

const CLOSE_BRACE = 0x7d;

function openJson(message: SyslogMessage): JsonEvent | undefined {
  const text = message.message;
  // Of a failure of `JSON.parse` the exception is what costs.
  if (text.charCodeAt(text.length - 1) !== CLOSE_BRACE) return undefined;
  let root: Value;
  try {
    root = JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
  if (!isObject(root)) return undefined;
  const own = root;
  const added = new Map(envelopeFields(message).filter(([name]) => !Object.hasOwn(own, name)));
  if (added.size === 0) return new JsonEvent(root, text);
  // The event's text is what exact integers and keywords are read from, so it gets the members too.
  const members = [...added].map(([name, value]) =>
    `,${JSON.stringify(name)}:${JSON.stringify(value)}`
  );
  const isEmpty = Object.keys(root).length === 0;
  const joined = `${text.slice(0, -1)}${members.join("").slice(isEmpty ? 1 : 0)}}`;
  return new JsonEvent(JSON.parse(joined) as Value, joined);
}
