/**
 * What PAM modules write in the name of any program, such as
 * `pam_unix(sshd:auth): authentication failure; logname= uid=0 …`.
 *
 * @see Linux-PAM 1.0 to 1.7: libpam/pam_syslog.c, modules/pam_unix, pam_faillock, pam_tally2,
 *   pam_succeed_if; sssd: pam_sss
 */
import {
  addField,
  type PatternMatch,
  patternSearch,
  type PatternTable,
  type TextField,
} from "./pattern.ts";

/** What stands behind `pam_unix(sshd:auth): `; `sshd(pam_unix)` writes the same as its message. */
export const PAM: PatternTable = {
  authentication: [{
    name: "pam_authentication_failed",
    regex:
      /^authentication failure; logname=(\S*) uid=(\S*) euid=(\S*) tty=(\S*) ruser=(\S*) rhost=(\S*)(?: +user=(.*))?$/s,
    fields: [
      "LoginName",
      "SubjectUserId",
      "EffectiveUserId",
      "Terminal",
      "SubjectUserName",
      "SourceIp",
      "User",
    ],
  }, {
    name: "pam_authenticated",
    regex:
      /^authentication success; logname=(\S*) uid=(\S*) euid=(\S*) tty=(\S*) ruser=(\S*) rhost=(\S*)(?: +user=(.*))?$/s,
    fields: [
      "LoginName",
      "SubjectUserId",
      "EffectiveUserId",
      "Terminal",
      "SubjectUserName",
      "SourceIp",
      "User",
    ],
  }],
  check: [{ name: "pam_user_unknown", regex: /^check pass; user unknown$/, fields: [] }],
  session: [{
    name: "session_opened",
    regex: /^session opened for user ([^\s(]+)(?:\(uid=(\d+)\))? by ([^\s(]*)(?:\(uid=(\d+)\))?$/,
    fields: ["User", "UserId", "SubjectUserName", "SubjectUserId"],
  }, {
    name: "session_closed",
    regex: /^session closed for user (\S+)$/,
    fields: ["User"],
  }],
  password: [{
    name: "password_changed",
    regex: /^password changed for (\S+)$/,
    fields: ["User"],
  }],
  account: [{
    name: "account_expired",
    regex: /^account (\S+) has (?:expired|password changed in future)\b/,
    fields: ["User"],
  }],
  expired: [{
    name: "password_expired",
    regex: /^expired password for user (\S+)/,
    fields: ["User"],
  }],
  Consecutive: [{
    name: "account_locked",
    regex: /^Consecutive login failures for user (\S+) account (?:temporarily )?locked\b/,
    fields: ["User"],
  }],
  user: [{
    name: "account_locked",
    regex: /^user (\S+) \(\d+\) (?:has been locked out by|tally \d+, deny \d+)/,
    fields: ["User"],
  }],
  requirement: [{
    name: "pam_requirement_failed",
    regex: /^requirement "([^"]*)" not met by user "([^"]*)"/,
    fields: ["Reason", "User"],
  }],
  auth: [{
    name: "pam_no_password",
    regex: /^auth could not identify password for \[([^\]]*)\]/,
    fields: ["User"],
  }],
  received: [{
    name: "pam_authentication_failed",
    regex: /^received for user (\S+): \d+ \((.*)\)$/s,
    fields: ["User", "Reason"],
  }],
};

const search = patternSearch(PAM);
const HEAD = /^(pam_\w{1,40})\(([^\s:()]{1,80}):(\w{1,20})\): */;

/**
 * A message of a PAM module, with its head.
 *
 * @returns `undefined` if it is of no such module; what was found is `undefined` for a text that is not
 *   known.
 */
export function searchPam(
  message: string,
): { readonly match: PatternMatch | undefined } | undefined {
  const head = message.startsWith("pam_") ? HEAD.exec(message) : null;
  if (head === null) return undefined;
  const found = search(message.slice(head[0].length));
  if (found === undefined) return { match: undefined };
  const fields: TextField[] = [];
  addField(fields, "PamModule", head[1]);
  addField(fields, "PamService", head[2]);
  addField(fields, "PamType", head[3]);
  fields.push(...found.fields);
  return { match: { pattern: found.pattern, fields } };
}

/** A message without a head: older systems name the module with the program, `sshd(pam_unix)`. */
export function searchPamText(message: string): PatternMatch | undefined {
  return search(message);
}
