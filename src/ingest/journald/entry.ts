/**
 * The JSON that `journalctl --output=json` writes, one entry a line.
 *
 * Fields stay as journald names them; what programs such as sshd say in `MESSAGE` comes beside them
 * under the names it has in events of syslog, and a record of the audit system under those of audit.log. A value that is no printable UTF-8 comes as an array of bytes,
 * a field with several values as an array of those.
 *
 * @see systemd, "Journal JSON Format"
 */
import { Buffer } from "node:buffer";
import { decodeAudit, isAudit } from "../../decode/auditd/event.ts";
import { DecodeError } from "../../decode/errors.ts";
import { FlatEvent } from "../../decode/flat_event.ts";
import { decodeJson } from "../../decode/json.ts";
import { openMessage } from "../../decode/linux/open.ts";
import { OpenedEvent } from "../../decode/linux/opened_event.ts";
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";

/** An entry, and where it is. */
export interface JournalEntry {
  readonly cursor: string;
  /** With the fields that the text of its message tells, as a line of syslog has them. */
  readonly event: LogEvent;
}

/** Parts that name an entry wherever it is kept: boot, monotonic and real time, hash of the fields. */
const IDENTITY = /(?:^|;)([bmtx])=([0-9a-f]+)/g;
const CURSOR = /^s=[0-9a-f]{32}(?:;[a-z]=[0-9a-f]+)+$/;

/** Whether `text` has the form of a cursor. */
export function isCursor(text: string): boolean {
  return CURSOR.test(text);
}

/**
 * Whether two cursors are of one entry. Entries get other sequence numbers when journald moves them
 * from memory to the disk, so those are not compared.
 */
export function isSameEntry(a: string, b: string): boolean {
  return a === b || (isCursor(a) && identityOf(a) === identityOf(b));
}

function identityOf(cursor: string): string {
  return [...cursor.matchAll(IDENTITY)].map(([, name, value]) => `${name}=${value}`).sort()
    .join(";");
}

/** @returns `undefined` if the line is no entry. */
export function decodeEntry(line: string): JournalEntry | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!isFields(value) || typeof value.__CURSOR !== "string") return undefined;
    const text = decodeBytes(value) ? JSON.stringify(value) : line;
    return { cursor: value.__CURSOR, event: openEntry(decodeJson(text), value) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** There is no journal but on Linux. */
const LINUX: ImpliedLogsource = { product: "linux" };
const NOTHING = new FlatEvent([]);
const onLinux = new WeakMap<ImpliedLogsource, ImpliedLogsource>();

/** The event of an entry, and what the text of its message tells. */
function openEntry(base: LogEvent, entry: Record<string, unknown>): LogEvent {
  const { MESSAGE: message, SYSLOG_IDENTIFIER: identifier, _COMM: command } = entry;
  if (typeof message !== "string") return new OpenedEvent(base, NOTHING, LINUX);
  const record = auditRecord(entry, message);
  if (record !== undefined && isAudit(record)) {
    const audit = decodeAudit(record);
    return new OpenedEvent(base, audit, audit.logsource ?? LINUX);
  }
  // The name under which a program logs counts; that of its file stands in where it is not known.
  const opened = (typeof identifier === "string" ? openMessage(identifier, message) : undefined) ??
    (typeof command === "string" ? openMessage(command, message) : undefined);
  if (opened === undefined) return new OpenedEvent(base, NOTHING, LINUX);
  const added = opened.fields.length === 0 ? NOTHING : new FlatEvent([], opened.fields);
  return new OpenedEvent(base, added, withProduct(opened.logsource));
}

function withProduct(logsource: ImpliedLogsource): ImpliedLogsource {
  if (logsource.product !== undefined) return logsource;
  let linux = onLinux.get(logsource);
  if (linux === undefined) onLinux.set(logsource, linux = { ...logsource, ...LINUX });
  return linux;
}

/**
 * A record of the audit system as audit.log has it: journald writes its type before its fields and
 * keeps its number and time apart. The kernel writes whole records where nobody listens.
 *
 * @see systemd: src/journal/journald-audit.c
 */
function auditRecord(entry: Record<string, unknown>, message: string): string | undefined {
  if (entry._TRANSPORT !== "audit") return message;
  const { _AUDIT_TYPE_NAME: type, _AUDIT_ID: id, __REALTIME_TIMESTAMP: received } = entry;
  const { _SOURCE_REALTIME_TIMESTAMP: written = received } = entry;
  if (typeof type !== "string" || typeof id !== "string" || typeof written !== "string") {
    return undefined;
  }
  const fields = message.slice(message.indexOf(" ") + 1);
  return `type=${type} msg=audit(${written.slice(0, -6)}.${
    written.slice(-6, -3)
  }:${id}): ${fields}`;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Makes texts of bytes, in place; returns whether there were any. */
function decodeBytes(fields: Record<string, unknown>): boolean {
  let changed = false;
  for (const [name, value] of Object.entries(fields)) {
    if (!Array.isArray(value)) continue;
    if (isBytes(value)) {
      fields[name] = Buffer.from(value).toString("utf8");
      changed = true;
    } else if (value.some(isBytes)) {
      fields[name] = value.map((one) => isBytes(one) ? Buffer.from(one).toString("utf8") : one);
      changed = true;
    }
  }
  return changed;
}

/** Values are texts otherwise, so numbers are bytes. */
function isBytes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 &&
    value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255);
}
