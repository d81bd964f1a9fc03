/**
 * What programs write that let somebody be somebody else or log in, other than sshd and sudo: su,
 * login, doas, pkexec, polkitd, systemd-logind.
 *
 * @see util-linux 2.30 to 2.41: login-utils/{su-common,login}.c; shadow: src/{su,login}.c;
 *   OpenDoas 6.8: doas.c; polkit 0.105 to 126: src/programs/pkexec.c, src/polkitbackend;
 *   systemd 204 to 257: src/login
 */
import type { PatternTable } from "./pattern.ts";

export const SU: PatternTable = {
  "(to": [{
    name: "su",
    regex: /^\(to (\S+)\) (\S+) on (\S+)$/,
    fields: ["User", "SubjectUserName", "Terminal"],
  }],
  FAILED: [
    {
      name: "su_failed",
      regex: /^FAILED SU \(to (\S+)\) (\S+) on (\S+)$/,
      fields: ["User", "SubjectUserName", "Terminal"],
    },
    {
      name: "su_failed",
      regex: /^FAILED su for (\S+) by (\S+)$/,
      fields: ["User", "SubjectUserName"],
    },
  ],
  Successful: [{
    name: "su",
    regex: /^Successful su for (\S+) by (\S+)$/,
    fields: ["User", "SubjectUserName"],
  }],
  "+": [{
    name: "su",
    regex: /^\+ (\S+) ([^\s:]+)[:-](\S+)$/,
    fields: ["Terminal", "SubjectUserName", "User"],
  }],
  "-": [{
    name: "su_failed",
    regex: /^- (\S+) ([^\s:]+)[:-](\S+)$/,
    fields: ["Terminal", "SubjectUserName", "User"],
  }],
  "'su": [{
    name: "su_failed",
    regex: /^'su (\S+)' failed for (\S+)(?: on (\S+))?$/,
    fields: ["User", "SubjectUserName", "Terminal"],
  }],
  BAD: [{
    name: "su_failed",
    regex: /^BAD SU (\S+) to (\S+) on (\S+)$/,
    fields: ["SubjectUserName", "User", "Terminal"],
  }],
  "*": [{
    name: "su",
    regex: /^(\S+) to (\S+) on (\S+)$/,
    fields: ["SubjectUserName", "User", "Terminal"],
  }],
};

export const LOGIN: PatternTable = {
  FAILED: [
    {
      name: "login_failed",
      regex: /^FAILED LOGIN \(\d+\) on '([^']*)'(?: from '([^']*)')? FOR '([^']*)', (.*)$/s,
      fields: ["Terminal", "SourceIp", "User", "Reason"],
    },
    {
      name: "login_failed",
      regex: /^FAILED LOGIN (?:\d+|SESSION) FROM (\S+) FOR (\S*), (.*)$/s,
      fields: ["Terminal", "User", "Reason"],
    },
  ],
  TOO: [{
    name: "login_failed",
    regex: /^TOO MANY LOGIN TRIES \((\d+)\) FROM (\S+) FOR (\S*), (.*)$/s,
    fields: ["FailureCount", "Terminal", "User", "Reason"],
  }],
  ROOT: [{
    name: "login",
    regex: /^(ROOT) LOGIN +(?:ON|on) '?([^\s']+)'?(?: (?:FROM|from) '?([^\s']+)'?)?$/,
    fields: ["", "Terminal", "SourceIp"],
  }],
  LOGIN: [{
    name: "login",
    regex: /^LOGIN ON (\S+) BY (\S+)(?: FROM (\S+))?$/,
    fields: ["Terminal", "User", "SourceIp"],
  }],
};

export const DOAS: PatternTable = {
  failed: [{
    name: "doas_refused",
    regex: /^failed auth for (\S+)$/,
    fields: ["SubjectUserName"],
  }],
  command: [{
    name: "doas_refused",
    regex: /^command not permitted for (\S+): (.*)$/s,
    fields: ["SubjectUserName", "CommandLine"],
  }],
  "*": [{
    name: "doas_command",
    regex: /^(\S+) ran command (.*) as (\S+) from (.*)$/s,
    fields: ["SubjectUserName", "CommandLine", "User", "CurrentDirectory"],
    category: "process_creation",
  }],
};

export const PKEXEC: PatternTable = {
  "*": [
    {
      name: "pkexec_command",
      regex:
        /^([^\s:]+): Executing command \[USER=([^\]]*)\] \[TTY=([^\]]*)\] \[CWD=([^\]]*)\] \[COMMAND=(.*)\]$/s,
      fields: ["SubjectUserName", "User", "Terminal", "CurrentDirectory", "CommandLine"],
      category: "process_creation",
    },
    {
      name: "pkexec_refused",
      regex:
        /^([^\s:]+): ([^[]*) \[USER=([^\]]*)\] \[TTY=([^\]]*)\] \[CWD=([^\]]*)\] \[COMMAND=(.*)\]$/s,
      fields: ["SubjectUserName", "Reason", "User", "Terminal", "CurrentDirectory", "CommandLine"],
    },
  ],
};

export const POLKIT: PatternTable = {
  Operator: [{
    name: "polkit_authenticated",
    regex:
      /^Operator of (\S+) successfully authenticated as unix-user:(\S+) to gain \w+ authorization for action (\S+) /,
    fields: ["SessionName", "User", "Action"],
  }, {
    name: "polkit_refused",
    regex: /^Operator of (\S+) FAILED to authenticate to gain authorization for action (\S+) /,
    fields: ["SessionName", "Action"],
  }],
};

export const LOGIND: PatternTable = {
  New: [{
    name: "session_opened",
    regex: /^New session '?(\w+)'? of user '?([^\s']+?)'?(?: with .{0,200})?\.?$/,
    fields: ["SessionName", "User"],
  }],
  Removed: [{
    name: "session_closed",
    regex: /^Removed session (\w+)\.$/,
    fields: ["SessionName"],
  }],
};
