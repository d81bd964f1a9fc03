/**
 * What programs of Linux say in the text of their syslog messages, as fields.
 *
 * @see docs/linux.md for the names
 */
import type { ImpliedLogsource } from "../../event/event.ts";
import { addField, EVENT_FIELD, type TextField } from "./pattern.ts";
import { onlyLogsource, searchMessage } from "./programs.ts";

/** A message taken apart. */
export interface OpenedMessage {
  /** Beside those of the syslog header, in the order of the text. */
  readonly fields: readonly (readonly [name: string, text: string])[];
  /** The same object for all messages alike. */
  readonly logsource: ImpliedLogsource;
}

/** What syslog daemons make of a text that comes again and again. */
const REPEATED = /^message repeated (\d{1,9}) times: \[ ?(.*)\]$/s;
const NO_FIELDS: readonly TextField[] = [];
const PROCESS = "process_creation";
const COMMAND = "CommandLine";

/**
 * Opens a message of a program that is known.
 *
 * Each field is a part of `message`, but for `_event`, the name of what was found, and `ParentImage`,
 * the usual path of the program that starts a command. Takes time in proportion to the length of
 * `message`, whatever is in it, and never throws.
 *
 * @param program As syslog names it, such as `sshd`, `sshd(pam_unix)` or `/usr/sbin/cron`.
 * @param message Without the program; several lines are one message.
 * @returns `undefined` for any other program; a message without fields if its text is not known.
 */
export function openMessage(program: string, message: string): OpenedMessage | undefined {
  const logsource = onlyLogsource(program);
  return logsource === undefined
    ? openNow(program, message)
    : new LateMessage(program, message, logsource);
}

/** A message that is not looked at before its fields are asked for: few rules do. */
class LateMessage implements OpenedMessage {
  readonly logsource: ImpliedLogsource;
  readonly #program: string;
  readonly #message: string;
  #fields: readonly TextField[] | undefined;

  constructor(program: string, message: string, logsource: ImpliedLogsource) {
    this.logsource = logsource;
    this.#program = program;
    this.#message = message;
  }

  get fields(): readonly TextField[] {
    return this.#fields ??= openNow(this.#program, this.#message)?.fields ?? NO_FIELDS;
  }
}

function openNow(program: string, message: string): OpenedMessage | undefined {
  const repeated = message.startsWith("message repeated ") ? REPEATED.exec(message) : null;
  const found = searchMessage(program, repeated?.[2]?.trim() ?? message);
  if (found === undefined) return undefined;
  const { match, logsource, image } = found;
  if (match === undefined) return { fields: NO_FIELDS, logsource };
  const { pattern, fields } = match;
  if (pattern.category === PROCESS) addProcess(fields, image);
  addField(fields, "RepeatCount", repeated?.[1]);
  fields.push([EVENT_FIELD, pattern.name]);
  return { fields, logsource };
}

/** The program of a command that names it by its path, and the program that started it. */
function addProcess(fields: TextField[], parent: string | undefined): void {
  const command = fields.find(([name]) => name === COMMAND)?.[1];
  if (command?.startsWith("/")) addField(fields, "Image", /^\S+/.exec(command)?.[0]);
  addField(fields, "ParentImage", parent);
}
