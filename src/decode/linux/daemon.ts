/**
 * What services write that some rule is about: systemd, vsftpd, ClamAV, guacd, xinetd, ftpd, named.
 *
 * @see systemd 204 to 257: src/core; vsftpd 3.0: logging.c; ClamAV 0.103 to 1.4: clamd/scanner.c;
 *   guacamole-server 1.0 to 1.5: src/libguac/user.c; BIND 9: lib/ns/xfrout.c
 */
import type { PatternTable } from "./pattern.ts";

export const SYSTEMD: PatternTable = {
  Starting: [{
    name: "service_starting",
    regex: /^Starting (.*?)\.{3}$/s,
    fields: ["ServiceName"],
  }],
  Started: [
    {
      name: "session_started",
      regex: /^Started Session (\w+) of [Uu]ser (\S+?)\.?$/,
      fields: ["SessionName", "User"],
    },
    { name: "service_started", regex: /^Started (.*?)\.?$/s, fields: ["ServiceName"] },
  ],
  Stopping: [{
    name: "service_stopping",
    regex: /^Stopping (.*?)\.{3}$/s,
    fields: ["ServiceName"],
  }],
  Stopped: [{ name: "service_stopped", regex: /^Stopped (.*?)\.?$/s, fields: ["ServiceName"] }],
  "*": [{
    name: "service_failed",
    regex: /^(\S+?): (?:Failed with result|Main process exited, code=\w+, status=)(.*?)\.?$/s,
    fields: ["ServiceName", "Reason"],
  }],
};

const CLIENT = `Client "([^"]*)"`;

export const VSFTPD: PatternTable = {
  "CONNECT:": [{
    name: "ftp_connected",
    regex: new RegExp(`^CONNECT: ${CLIENT}(?:, "(.*)")?$`, "s"),
    fields: ["SourceIp", "Reason"],
  }],
  "*": [
    {
      name: "ftp_login",
      regex: new RegExp(`^\\[([^\\]]*)\\] OK LOGIN: ${CLIENT}`),
      fields: ["User", "SourceIp"],
    },
    {
      name: "ftp_login_failed",
      regex: new RegExp(`^\\[([^\\]]*)\\] FAIL LOGIN: ${CLIENT}(?:, "(.*)")?$`, "s"),
      fields: ["User", "SourceIp", "Reason"],
    },
    {
      name: "ftp_file",
      regex: new RegExp(`^\\[([^\\]]*)\\] (OK|FAIL) ([A-Z]{1,20}): ${CLIENT}, "([^"]*)"`),
      fields: ["User", "Result", "Action", "SourceIp", "TargetFilename"],
    },
  ],
};

export const CLAMAV: PatternTable = {
  "*": [{
    name: "malware_found",
    regex: /^(.*): (\S+?)(?:\([\da-f]{32}:\d+\))? FOUND$/s,
    fields: ["Filename", "Signature"],
    category: "antivirus",
  }],
};

export const GUACD: PatternTable = {
  User: [
    {
      name: "guacamole_joined",
      regex: /^User "([^"]*)" joined connection "([^"]*)" \((\d+) users? now present\)$/,
      fields: ["UserId", "ConnectionId", "UserCount"],
    },
    {
      name: "guacamole_left",
      regex: /^User "([^"]*)" disconnected \((\d+) users? remain\)$/,
      fields: ["UserId", "UserCount"],
    },
  ],
};

export const XINETD: PatternTable = {
  "START:": [{
    name: "service_connected",
    regex: /^START: (\S+) (?:pid=(\d+) )?from=(\S+)$/,
    fields: ["ServiceName", "ProcessId", "SourceIp"],
  }],
  "FAIL:": [{
    name: "service_refused",
    regex: /^FAIL: (\S+) (\S+) from=(\S+)$/,
    fields: ["ServiceName", "Reason", "SourceIp"],
  }],
  Deactivating: [{
    name: "service_deactivated",
    regex: /^Deactivating service (\S+) due to (.*)$/s,
    fields: ["ServiceName", "Reason"],
  }],
};

export const FTPD: PatternTable = {
  connection: [{
    name: "ftp_connected",
    regex: /^connection from (\S+)(?: \(([^)]*)\))?/,
    fields: ["SourceIp", "SourceHostname"],
  }],
  FTP: [{
    name: "ftp_login",
    regex: /^FTP LOGIN FROM ([^\s,]+)(?: \[[^\]]*\])?, (\S+)/,
    fields: ["SourceIp", "User"],
  }],
  ANONYMOUS: [{
    name: "ftp_login",
    regex: /^ANONYMOUS FTP LOGIN FROM ([^\s,]+)(?: \[[^\]]*\])?, +\(?([^)]*)/,
    fields: ["SourceIp", "User"],
  }],
  failed: [{
    name: "ftp_login_failed",
    regex: /^failed login from (\S+)/,
    fields: ["SourceIp"],
  }],
};

export const NAMED: PatternTable = {
  client: [{
    name: "dns_transfer_refused",
    regex:
      /^client (?:@\S+ )?([\da-fA-F.:]+)#(\d+)(?: \([^)]*\))?: (?:view \S+: )?zone transfer '([^']*)' denied$/,
    fields: ["SourceIp", "SourcePort", "QueryName"],
  }],
  denied: [{
    name: "dns_transfer_refused",
    regex: /^denied AXFR from \[([^\]]*)\]\.(\d+) for "([^"]*)"/,
    fields: ["SourceIp", "SourcePort", "QueryName"],
  }],
};
