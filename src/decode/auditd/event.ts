/**
 * What the Linux audit daemon writes to audit.log: one record a line, several records an event.
 */
import type { LogEvent } from "../../event/event.ts";
import { DecodeError } from "../errors.ts";

/** Whether `line` begins as an audit record does. */
export function isAudit(line: string): boolean {
  return /^(?:node=\S+ )?type=\S+ msg=audit\(/.test(line);
}

/**
 * Decodes the records of one event, a line each; a single record is an event as well.
 *
 * @throws {DecodeError} `DECODE_AUDITD` if the first line is not a record.
 */
export function decodeAudit(_records: string): LogEvent {
  throw new DecodeError("DECODE_AUDITD", "Cannot decode audit records: not there yet");
}
