/**
 * Messages of sshd, and what they say.
 */

/** A message and what it opens to; `ParentImage` and `Image` with the rest. */
export interface LinuxSample {
  readonly program: string;
  readonly message: string;
  /** The name of the pattern. */
  readonly event: string;
  readonly fields: Readonly<Record<string, string>>;
}

export const sample = (
  program: string,
  message: string,
  event: string,
  fields: Readonly<Record<string, string>> = {},
): LinuxSample => ({ program, message, event, fields });

const FROM = { SourceIp: "198.51.100.23", SourcePort: "50122" };

export const SSHD_SAMPLES: readonly LinuxSample[] = [
  sample("sshd", "Accepted password for root from 198.51.100.23 port 50122 ssh2", "ssh_login", {
    AuthMethod: "password",
    User: "root",
    ...FROM,
  }),
  sample(
    "sshd-session",
    "Accepted publickey for deploy from 2001:db8::5 port 50122 ssh2: ED25519 SHA256:47DEQpj8HBSa+/TImW",
    "ssh_login",
    {
      AuthMethod: "publickey",
      User: "deploy",
      SourceIp: "2001:db8::5",
      SourcePort: "50122",
      KeyType: "ED25519",
      KeyFingerprint: "SHA256:47DEQpj8HBSa+/TImW",
    },
  ),
  sample(
    "sshd",
    "Accepted publickey for git from 198.51.100.23 port 50122 ssh2: RSA " +
      "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
    "ssh_login",
    {
      AuthMethod: "publickey",
      User: "git",
      ...FROM,
      KeyType: "RSA",
      KeyFingerprint: "43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
    },
  ),
  sample(
    "sshd",
    "Accepted publickey for ops from 198.51.100.23 port 50122 ssh2: ED25519-CERT SHA256:AbC ID ops " +
      "(serial 7) CA RSA SHA256:xyz",
    "ssh_login",
    {
      AuthMethod: "publickey",
      User: "ops",
      ...FROM,
      KeyType: "ED25519-CERT",
      KeyFingerprint: "SHA256:AbC",
    },
  ),
  sample(
    "sshd",
    "Accepted gssapi-with-mic for ann from gw.example.net port 50122 ssh2",
    "ssh_login",
    {
      AuthMethod: "gssapi-with-mic",
      User: "ann",
      SourceHostname: "gw.example.net",
      SourcePort: "50122",
    },
  ),
  sample(
    "sshd",
    "Failed password for invalid user admin from 198.51.100.23 port 50122 ssh2",
    "ssh_login_failed",
    { AuthMethod: "password", User: "admin", ...FROM },
  ),
  sample(
    "sshd",
    "Failed password for root from 198.51.100.23 port 50122 ssh2",
    "ssh_login_failed",
    {
      AuthMethod: "password",
      User: "root",
      ...FROM,
    },
  ),
  sample(
    "sshd",
    // A name that tells a lie: what stands behind it is the truth.
    "Failed none for invalid user root from 192.0.2.1 port 22 ssh2 from 198.51.100.23 port 50122 ssh2",
    "ssh_login_failed",
    { AuthMethod: "none", User: "root from 192.0.2.1 port 22 ssh2", ...FROM },
  ),
  sample(
    "sshd",
    "Failed password for invalid user  from 198.51.100.23 port 50122",
    "ssh_login_failed",
    {
      AuthMethod: "password",
      ...FROM,
    },
  ),
  sample(
    "sshd",
    "Failed publickey for ann from 198.51.100.23 port 50122 ssh2: RSA SHA256:AbC",
    "ssh_login_failed",
    { AuthMethod: "publickey", User: "ann", ...FROM, KeyType: "RSA" },
  ),
  sample(
    "sshd",
    "message repeated 5 times: [ Failed password for root from 198.51.100.23 port 50122 ssh2]",
    "ssh_login_failed",
    { AuthMethod: "password", User: "root", ...FROM, RepeatCount: "5" },
  ),
  sample(
    "sshd",
    "Partial publickey for ann from 198.51.100.23 port 50122 ssh2",
    "ssh_login_partial",
    {
      AuthMethod: "publickey",
      User: "ann",
      ...FROM,
    },
  ),
  sample(
    "sshd",
    "Postponed keyboard-interactive for ann from 198.51.100.23 port 50122 ssh2 [preauth]",
    "ssh_login_postponed",
    { AuthMethod: "keyboard-interactive", User: "ann", ...FROM },
  ),
  sample("sshd", "Invalid user oracle from 198.51.100.23 port 50122", "ssh_user_unknown", {
    User: "oracle",
    ...FROM,
  }),
  sample("sshd", "Invalid user two words from 198.51.100.23", "ssh_user_unknown", {
    User: "two words",
    SourceIp: "198.51.100.23",
  }),
  sample("sshd", "Illegal user test from ::ffff:198.51.100.23", "ssh_user_unknown", {
    User: "test",
    SourceIp: "::ffff:198.51.100.23",
  }),
  sample("sshd", "input_userauth_request: invalid user webmaster [preauth]", "ssh_user_unknown", {
    User: "webmaster",
  }),
  sample(
    "sshd",
    "User backup from 198.51.100.23 not allowed because not listed in AllowUsers",
    "ssh_user_refused",
    { User: "backup", SourceIp: "198.51.100.23", Reason: "not listed in AllowUsers" },
  ),
  sample(
    "sshd",
    "User bin not allowed because shell /sbin/nologin does not exist",
    "ssh_user_refused",
    {
      User: "bin",
      Reason: "shell /sbin/nologin does not exist",
    },
  ),
  sample("sshd", "ROOT LOGIN REFUSED FROM 198.51.100.23 port 50122", "ssh_root_refused", FROM),
  sample(
    "sshd",
    "error: maximum authentication attempts exceeded for invalid user pi from 198.51.100.23 port " +
      "50122 ssh2 [preauth]",
    "ssh_attempts_exhausted",
    { User: "pi", ...FROM },
  ),
  sample(
    "sshd",
    "Disconnecting: Too many authentication failures for root [preauth]",
    "ssh_attempts_exhausted",
    { User: "root" },
  ),
  sample(
    "sshd",
    "Disconnecting authenticating user root 198.51.100.23 port 50122: Too many authentication " +
      "failures [preauth]",
    "ssh_disconnected",
    { User: "root", ...FROM, Reason: "Too many authentication failures" },
  ),
  sample("sshd", "Disconnecting: Corrupted MAC on input. [preauth]", "ssh_disconnected", {
    Reason: "Corrupted MAC on input.",
  }),
  sample(
    "sshd",
    "Disconnected from invalid user ftp 198.51.100.23 port 50122 [preauth]",
    "ssh_disconnected",
    { User: "ftp", ...FROM },
  ),
  sample("sshd", "Disconnected from user ann 198.51.100.23 port 50122", "ssh_disconnected", {
    User: "ann",
    ...FROM,
  }),
  sample("sshd", "Disconnected from 198.51.100.23 port 50122", "ssh_disconnected", FROM),
  sample(
    "sshd",
    "Received disconnect from 198.51.100.23: 11: Bye Bye [preauth]",
    "ssh_disconnected",
    {
      SourceIp: "198.51.100.23",
      Reason: "Bye Bye",
    },
  ),
  sample(
    "sshd",
    "error: Received disconnect from 2001:db8::5 port 50122:3: com.jcraft.jsch.JSchException: Auth " +
      "fail [preauth]",
    "ssh_disconnected",
    {
      SourceIp: "2001:db8::5",
      SourcePort: "50122",
      Reason: "com.jcraft.jsch.JSchException: Auth fail",
    },
  ),
  sample(
    "sshd",
    "Connection closed by authenticating user root 198.51.100.23 port 50122 [preauth]",
    "ssh_closed",
    { User: "root", ...FROM },
  ),
  sample("sshd", "Connection reset by 198.51.100.23 port 50122", "ssh_closed", FROM),
  sample("sshd", "Connection closed by 198.51.100.23 [preauth]", "ssh_closed", {
    SourceIp: "198.51.100.23",
  }),
  sample(
    "sshd",
    'Connection from 198.51.100.23 port 50122 on 203.0.113.9 port 22 rdomain ""',
    "ssh_connected",
    { ...FROM, DestinationIp: "203.0.113.9", DestinationPort: "22" },
  ),
  sample(
    "sshd",
    "Did not receive identification string from 198.51.100.23 port 50122",
    "ssh_no_banner",
    FROM,
  ),
  sample(
    "sshd",
    "Bad protocol version identification 'GET / HTTP/1.1' from 198.51.100.23 port 50122",
    "ssh_bad_banner",
    { Banner: "GET / HTTP/1.1", ...FROM },
  ),
  sample(
    "sshd",
    "error: banner exchange: Connection from 198.51.100.23 port 50122: invalid format",
    "ssh_bad_banner",
    { ...FROM, Reason: "invalid format" },
  ),
  sample(
    "sshd",
    "Unable to negotiate with 198.51.100.23 port 50122: no matching key exchange method found. " +
      "Their offer: diffie-hellman-group1-sha1 [preauth]",
    "ssh_negotiation_failed",
    {
      ...FROM,
      Reason: "no matching key exchange method found. Their offer: diffie-hellman-group1-sha1",
    },
  ),
  sample(
    "sshd",
    "reverse mapping checking getaddrinfo for host.example.net [198.51.100.23] failed - POSSIBLE " +
      "BREAK-IN ATTEMPT!",
    "ssh_name_mismatch",
    { SourceHostname: "host.example.net", SourceIp: "198.51.100.23" },
  ),
  sample(
    "sshd",
    "Address 198.51.100.23 maps to localhost, but this does not map back to the address - POSSIBLE " +
      "BREAK-IN ATTEMPT!",
    "ssh_name_mismatch",
    { SourceIp: "198.51.100.23", SourceHostname: "localhost" },
  ),
  sample(
    "sshd",
    "Authentication refused: bad ownership or modes for file /home/ann/.ssh/authorized_keys",
    "ssh_key_file_refused",
    { TargetFilename: "/home/ann/.ssh/authorized_keys" },
  ),
  sample("sshd", "Server listening on 0.0.0.0 port 22.", "ssh_listening", {
    DestinationIp: "0.0.0.0",
    DestinationPort: "22",
  }),
  sample("sshd", "subsystem request for sftp by user ann", "ssh_subsystem", {
    Subsystem: "sftp",
    User: "ann",
  }),
  sample(
    "sshd",
    "Starting session: shell on pts/0 for ann from 198.51.100.23 port 50122 id 0",
    "ssh_session_started",
    { Terminal: "pts/0", User: "ann", ...FROM },
  ),
  sample(
    "sshd",
    "Starting session: subsystem 'sftp' for ann from 198.51.100.23 port 50122 id 0",
    "ssh_session_started",
    { Subsystem: "sftp", User: "ann", ...FROM },
  ),
  sample(
    "sshd",
    "Close session: user ann from 198.51.100.23 port 50122 id 0",
    "ssh_session_closed",
    { User: "ann", ...FROM },
  ),
  sample(
    "sshd",
    "fatal: Timeout before authentication for 198.51.100.23 port 50122",
    "ssh_login_timeout",
    FROM,
  ),
  sample(
    "sshd",
    "Timeout before authentication for connection from 198.51.100.23 to 203.0.113.9, pid = 99",
    "ssh_login_timeout",
    { SourceIp: "198.51.100.23", DestinationIp: "203.0.113.9" },
  ),
  sample(
    "sshd",
    "drop connection #10 from [198.51.100.23]:50122 on [203.0.113.9]:22 past MaxStartups",
    "ssh_connection_dropped",
    {
      ...FROM,
      DestinationIp: "203.0.113.9",
      DestinationPort: "22",
      Reason: "past MaxStartups",
    },
  ),
  sample(
    "sshd",
    "session process 4711 for connection from 198.51.100.23 to 203.0.113.9 killed by signal 11",
    "ssh_session_crashed",
    {
      ProcessId: "4711",
      SourceIp: "198.51.100.23",
      DestinationIp: "203.0.113.9",
      Signal: "11",
    },
  ),
  sample(
    "sshd",
    "error: PAM: Authentication failure for illegal user bob from gw.example.net",
    "ssh_pam_failed",
    { Reason: "Authentication failure", User: "bob", SourceHostname: "gw.example.net" },
  ),
  sample(
    "sshd",
    "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.23  " +
      "user=root",
    "pam_authentication_failed",
    {
      FailureCount: "2",
      SubjectUserId: "0",
      EffectiveUserId: "0",
      Terminal: "ssh",
      SourceIp: "198.51.100.23",
      User: "root",
    },
  ),
];
