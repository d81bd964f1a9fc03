/**
 * What OpenSSH's server writes.
 *
 * Names of users come from the client and may hold blanks or look like the rest of a message, so the
 * last ` from ` counts.
 *
 * @see OpenSSH 3.9 to 10.0: auth.c, auth2.c, monitor.c, packet.c, session.c, sshd.c
 */
import { patternSearch, type PatternTable } from "./pattern.ts";

/** `sshd`, `sshd-session` and `sshd-auth`, without `error: ` and ` [preauth]`. */
export const SSHD: PatternTable = {
  Accepted: [{
    name: "ssh_login",
    regex:
      /^Accepted (\S+) for (.*) from (\S+) port (\d+)(?: ssh2?)?(?:: (\S+)(?: .*?(SHA256:\S+|(?:[\da-f]{2}:){15}[\da-f]{2}))?.*)?$/s,
    fields: ["AuthMethod", "User", "SourceIp", "SourcePort", "KeyType", "KeyFingerprint"],
  }],
  Failed: [{
    name: "ssh_login_failed",
    regex:
      /^Failed (\S+) for (?:(?:invalid|illegal) user )?(.*) from (\S+) port (\d+)(?: ssh2?)?(?:: (\S+).*)?$/s,
    fields: ["AuthMethod", "User", "SourceIp", "SourcePort", "KeyType"],
  }],
  Partial: [{
    name: "ssh_login_partial",
    regex: /^Partial (\S+) for (?:invalid user )?(.*) from (\S+) port (\d+)(?: ssh2?)?(?:: .*)?$/s,
    fields: ["AuthMethod", "User", "SourceIp", "SourcePort"],
  }],
  Postponed: [{
    name: "ssh_login_postponed",
    regex: /^Postponed (\S+) for (?:invalid user )?(.*) from (\S+) port (\d+)(?: ssh2?)?$/s,
    fields: ["AuthMethod", "User", "SourceIp", "SourcePort"],
  }],
  Invalid: [{
    name: "ssh_user_unknown",
    regex: /^Invalid user (.*) from (\S+)(?: port (\d+))?$/s,
    fields: ["User", "SourceIp", "SourcePort"],
  }],
  Illegal: [{
    name: "ssh_user_unknown",
    regex: /^Illegal user (.*) from (\S+)$/s,
    fields: ["User", "SourceIp"],
  }],
  "input_userauth_request:": [{
    name: "ssh_user_unknown",
    regex: /^input_userauth_request: (?:invalid|illegal) user (.*)$/s,
    fields: ["User"],
  }],
  User: [
    {
      name: "ssh_user_refused",
      regex: /^User (.*) from (\S+) not allowed because (.*)$/s,
      fields: ["User", "SourceIp", "Reason"],
    },
    {
      name: "ssh_user_refused",
      regex: /^User (\S+) (?:not allowed|login denied)[, ]+because (.*)$/s,
      fields: ["User", "Reason"],
    },
  ],
  ROOT: [{
    name: "ssh_root_refused",
    regex: /^(ROOT) LOGIN REFUSED FROM (\S+)(?: port (\d+))?$/,
    fields: ["", "SourceIp", "SourcePort"],
  }],
  maximum: [{
    name: "ssh_attempts_exhausted",
    regex:
      /^maximum authentication attempts exceeded for (?:invalid user )?(.*) from (\S+) port (\d+)(?: ssh2?)?$/s,
    fields: ["User", "SourceIp", "SourcePort"],
  }],
  Disconnecting: [
    {
      name: "ssh_disconnected",
      regex: /^Disconnecting (?:(?:invalid|authenticating) user (.*) )?(\S+) port (\d+): (.*)$/s,
      fields: ["User", "SourceIp", "SourcePort", "Reason"],
    },
  ],
  "Disconnecting:": [
    {
      name: "ssh_attempts_exhausted",
      regex: /^Disconnecting: Too many authentication failures(?: for (?:invalid user )?(.*))?$/s,
      fields: ["User"],
    },
    { name: "ssh_disconnected", regex: /^Disconnecting: (.*)$/s, fields: ["Reason"] },
  ],
  Disconnected: [{
    name: "ssh_disconnected",
    regex: /^Disconnected from (?:(?:(?:invalid|authenticating) )?user (.*) )?(\S+) port (\d+)$/s,
    fields: ["User", "SourceIp", "SourcePort"],
  }],
  Received: [{
    name: "ssh_disconnected",
    regex: /^Received disconnect from (\S+?)(?: port (\d+))?: ?\d+: (.*)$/s,
    fields: ["SourceIp", "SourcePort", "Reason"],
  }],
  Connection: [
    {
      name: "ssh_closed",
      regex:
        /^Connection (?:closed|reset) by (?:(?:invalid|authenticating) user (.*) )?(\S+) port (\d+)$/s,
      fields: ["User", "SourceIp", "SourcePort"],
    },
    { name: "ssh_closed", regex: /^Connection (?:closed|reset) by (\S+)$/, fields: ["SourceIp"] },
    {
      name: "ssh_connected",
      regex: /^Connection from (\S+) port (\d+)(?: on (\S+) port (\d+))?(?: rdomain .*)?$/s,
      fields: ["SourceIp", "SourcePort", "DestinationIp", "DestinationPort"],
    },
  ],
  Did: [{
    name: "ssh_no_banner",
    regex: /^Did not receive identification string from (\S+?)(?: port (\d+))?$/,
    fields: ["SourceIp", "SourcePort"],
  }],
  Bad: [{
    name: "ssh_bad_banner",
    regex: /^Bad protocol version identification '(.*)' from (\S+)(?: port (\d+))?$/s,
    fields: ["Banner", "SourceIp", "SourcePort"],
  }],
  banner: [{
    name: "ssh_bad_banner",
    regex: /^banner exchange: Connection from (\S+) port (\d+): (.*)$/s,
    fields: ["SourceIp", "SourcePort", "Reason"],
  }],
  Unable: [{
    name: "ssh_negotiation_failed",
    regex: /^Unable to negotiate with (\S+)(?: port (\d+))?: (.*)$/s,
    fields: ["SourceIp", "SourcePort", "Reason"],
  }],
  reverse: [{
    name: "ssh_name_mismatch",
    regex: /^reverse mapping checking getaddrinfo for (\S+) \[([\da-fA-F.:%]+)\] failed\b/,
    fields: ["SourceHostname", "SourceIp"],
  }],
  Address: [{
    name: "ssh_name_mismatch",
    regex: /^Address (\S+) maps to (\S+), but this does not map back to the address\b/,
    fields: ["SourceIp", "SourceHostname"],
  }],
  Authentication: [
    {
      name: "ssh_key_file_refused",
      regex: /^Authentication refused: bad ownership or modes for (?:file|directory) (.*)$/s,
      fields: ["TargetFilename"],
    },
  ],
  Server: [{
    name: "ssh_listening",
    regex: /^Server listening on (\S+) port (\d+)\.?$/,
    fields: ["DestinationIp", "DestinationPort"],
  }],
  subsystem: [{
    name: "ssh_subsystem",
    regex: /^subsystem request for (\S+)(?: by user (.*))?$/s,
    fields: ["Subsystem", "User"],
  }],
  Starting: [{
    name: "ssh_session_started",
    regex:
      /^Starting session: (?:shell|forced-command|command|subsystem '([^']*)')(?: \(\w+\))?(?: '.*')?(?: on (\S+))? for (\S+) from (\S+) port (\d+)(?: id \d+)?$/s,
    fields: ["Subsystem", "Terminal", "User", "SourceIp", "SourcePort"],
  }],
  Close: [{
    name: "ssh_session_closed",
    regex: /^Close session: user (\S+) from (\S+) port (\d+) id \d+$/,
    fields: ["User", "SourceIp", "SourcePort"],
  }],
  Timeout: [{
    name: "ssh_login_timeout",
    regex:
      /^Timeout before authentication for (?:connection from )?(\S+?)(?: port (\d+))?(?: to (\S+?))?(?:, pid = \d+)?$/,
    fields: ["SourceIp", "SourcePort", "DestinationIp"],
  }],
  drop: [{
    name: "ssh_connection_dropped",
    regex: /^drop connection #\d+ from \[([^\]]*)\]:(\d+) on \[([^\]]*)\]:(\d+) (.*)$/s,
    fields: ["SourceIp", "SourcePort", "DestinationIp", "DestinationPort", "Reason"],
  }],
  session: [{
    name: "ssh_session_crashed",
    regex:
      /^session process (\d+) for (?:connection from (\S+) to (\S+) )?.{0,200}killed by signal (\d+)\b/,
    fields: ["ProcessId", "SourceIp", "DestinationIp", "Signal"],
  }],
  "PAM:": [{
    name: "ssh_pam_failed",
    regex: /^PAM: ([A-Za-z ]{1,80}?) for (?:illegal user )?(.*) from (\S+)$/s,
    fields: ["Reason", "User", "SourceIp"],
  }],
  PAM: [{
    name: "pam_authentication_failed",
    regex:
      /^PAM (\d+) more authentication failures?; logname=(\S*) uid=(\S*) euid=(\S*) tty=(\S*) ruser=(\S*) rhost=(\S*)(?: +user=(.*))?$/s,
    fields: [
      "FailureCount",
      "LoginName",
      "SubjectUserId",
      "EffectiveUserId",
      "Terminal",
      "SubjectUserName",
      "SourceIp",
      "User",
    ],
  }],
};

const search = patternSearch(SSHD);
const SEVERITY = /^(?:error|fatal): /;
const PREAUTH = " [preauth]";

/** A message of sshd. */
export function searchSshd(message: string): ReturnType<typeof search> {
  const start = SEVERITY.exec(message)?.[0].length ?? 0;
  const end = message.length - (message.endsWith(PREAUTH) ? PREAUTH.length : 0);
  return search(start === 0 && end === message.length ? message : message.slice(start, end));
}
