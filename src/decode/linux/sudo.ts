/**
 * What sudo writes: `deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/id`.
 *
 * @see sudo 1.8 to 1.9: lib/eventlog/eventlog.c, new_logline()
 */
import { addField, type MessagePattern, type PatternMatch, type TextField } from "./pattern.ts";

/** sudo's names, kept because rules ask for them, and the names of what they mean. */
const KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["HOST", ["HOST"]],
  ["TTY", ["TTY", "Terminal"]],
  ["CHROOT", ["CHROOT"]],
  ["PWD", ["PWD", "CurrentDirectory"]],
  ["USER", ["USER", "User"]],
  ["GROUP", ["GROUP", "GroupName"]],
  ["TSID", ["TSID"]],
  ["ENV", ["ENV"]],
  ["COMMAND", ["COMMAND", "CommandLine"]],
]);

const RAN: MessagePattern = {
  name: "sudo_command",
  regex: /^/,
  fields: [],
  category: "process_creation",
};
/** `sudo -l` and `sudo -v` run nothing; the end of a command is not its start. */
const ASKED: MessagePattern = { name: "sudo_listed", regex: /^/, fields: [] };
const ENDED: MessagePattern = { name: "sudo_command_ended", regex: /^/, fields: [] };
const REFUSED: MessagePattern = { name: "sudo_refused", regex: /^/, fields: [] };

/** Of the nine keys and a reason, so that a text of nothing but separators is left early. */
const MAX_PARTS = 16;
/** ` ; SIGNAL=TERM` and ` ; EXIT=1`, at the end of the command only. */
const END = /(?: ; SIGNAL=(\w{1,12}))?(?: ; EXIT=(\d{1,5}))?$/;
const END_LENGTH = 48;

/** @returns `undefined` if the message tells of no command. */
export function searchSudo(message: string): PatternMatch | undefined {
  const colon = message.indexOf(" : ");
  if (colon <= 0) return undefined;
  const fields: TextField[] = [];
  addField(fields, "SubjectUserName", message.slice(0, colon));
  let reason: string | undefined;
  let at = colon + 3;
  for (let part = 0; part < MAX_PARTS; part++) {
    const equals = message.indexOf("=", at);
    if (message.startsWith("COMMAND=", at)) {
      return withCommand(fields, message.slice(at + 8), reason);
    }
    const end = message.indexOf(" ; ", at);
    if (end < 0 || equals < 0) return undefined;
    const names = equals < end ? KEYS.get(message.slice(at, Math.min(equals, at + 16))) : undefined;
    if (names === undefined) {
      reason = message.slice(at, end);
      addField(fields, "Reason", reason);
    } else {
      for (const name of names) addField(fields, name, message.slice(equals + 1, end));
    }
    at = end + 3;
  }
  return undefined;
}

function withCommand(
  fields: TextField[],
  text: string,
  reason: string | undefined,
): PatternMatch {
  const tail = Math.max(0, text.length - END_LENGTH);
  const [ending, signal, exitCode] = END.exec(text.slice(tail)) ?? [""];
  const command = text.slice(0, text.length - ending.length);
  addField(fields, "COMMAND", command);
  addField(fields, "CommandLine", command);
  addField(fields, "Signal", signal);
  addField(fields, "ExitCode", exitCode);
  if (reason !== undefined) return { pattern: REFUSED, fields };
  if (ending !== "") return { pattern: ENDED, fields };
  return { pattern: /^(?:list|validate)(?: |$)/.test(command) ? ASKED : RAN, fields };
}
