/**
 * What programs of Linux say in the text of their syslog messages, as fields.
 */
import type { ImpliedLogsource } from "../../event/event.ts";

/** A message taken apart. */
export interface OpenedMessage {
  /** Beside those of the syslog header, in the order of the text. */
  readonly fields: readonly (readonly [name: string, text: string])[];
  /** The same object for all messages alike. */
  readonly logsource: ImpliedLogsource;
}

/**
 * Opens a message of a program that is known.
 *
 * @param program As syslog names it, such as `sshd`.
 * @returns `undefined` for any other program.
 */
export function openMessage(_program: string, _message: string): OpenedMessage | undefined {
  return undefined;
}
