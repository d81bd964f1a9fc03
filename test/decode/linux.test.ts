import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import fc from "fast-check";
import { openMessage } from "../../src/decode/linux/open.ts";
import { OpenedEvent } from "../../src/decode/linux/opened_event.ts";
import { FlatEvent } from "../../src/decode/flat_event.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { internField } from "../../src/event/field.ts";
import { textGate } from "../../src/event/text_gate.ts";
import { assertLinear } from "../support/linear.ts";
import { LINUX_SAMPLES } from "../support/linux_samples.ts";

for (const { program, message, event, fields } of LINUX_SAMPLES) {
  test(`openMessage() ${program}: ${message}`, () => {
    const opened = openMessage(program, message)!;
    const { _event, ...others } = Object.fromEntries(opened.fields);
    assert.equal(_event, event);
    assert.deepEqual(others, fields);
    assert.equal(new Set(opened.fields.map(([name]) => name)).size, opened.fields.length);
  });
}

/** Services and categories: SigmaHQ's logsources for Linux; product `linux` unless said. */
const LOGSOURCES: readonly (readonly [string, string, string, string, string?])[] = [
  ["sshd", "Failed password for root from 192.0.2.1 port 22 ssh2", "auth sshd syslog", ""],
  ["sshd-session", "a text nobody knows", "auth sshd syslog", ""],
  ["/usr/sbin/sshd", "a text nobody knows", "auth sshd syslog", ""],
  ["sshd(pam_unix)", "check pass; user unknown", "auth sshd syslog", ""],
  ["sshd(pam_unix)", "a text nobody knows", "auth sshd syslog", ""],
  [
    "sudo",
    "a : TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/id",
    "auth sudo syslog",
    "process_creation",
  ],
  [
    "sudo",
    "a : command not allowed ; TTY=x ; PWD=/ ; USER=root ; COMMAND=/bin/id",
    "auth sudo syslog",
    "",
  ],
  ["sudo", "a : TTY=x ; PWD=/ ; USER=root ; COMMAND=list", "auth sudo syslog", ""],
  ["CRON", "(root) CMD (id)", "cron syslog", "process_creation"],
  ["crond", "(root) CMDEND (id)", "cron syslog", ""],
  ["CRON", "pam_unix(cron:session): session closed for user root", "auth cron syslog", ""],
  ["crond(pam_unix)", "session closed for user root", "auth cron syslog", ""],
  ["xrdp", "pam_unix(xrdp:session): session closed for user root", "auth syslog", ""],
  ["xrdp(pam_unix)", "session closed for user root", "auth syslog", ""],
  ["useradd", "new group: name=a, GID=1", "auth syslog useradd", ""],
  ["kernel", "[1.5] anything", "kernel syslog", ""],
  ["kernel", "IOThunderboltSwitch<0>(0x0)::listenerCallback", "kernel syslog", "", ""],
  ["kernel", "IN=a OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=TCP", "kernel syslog", "firewall"],
  ["clamd", "/tmp/x: Eicar FOUND", "clamav syslog", "antivirus"],
  ["guacd", "anything", "guacamole syslog", ""],
  ["vsftpd", "anything", "syslog vsftpd", ""],
  ["systemd-resolved", "anything", "syslog systemd", ""],
  ["rsyslogd", "imuxsock begins to drop messages from pid 1", "rsyslogd syslog", ""],
  ["syslogd", "ASL Sender Statistics", "syslog syslogd", "", ""],
  ["postfix/smtpd", "connect from unknown[192.0.2.1]", "postfix syslog", "", ""],
];

for (const [program, message, services, categories, product = "linux"] of LOGSOURCES) {
  test(`openMessage() tells the logsource of ${program}: ${message}`, () => {
    const { logsource } = openMessage(program, message)!;
    assert.equal(logsource.product ?? "", product);
    assert.equal([...logsource.services!].sort().join(" "), services);
    assert.equal([...logsource.categories!].join(" "), categories);
    assert.equal(openMessage(program, message)!.logsource, logsource, "one object");
  });
}

test("openMessage() knows no program of macOS, nor one that both have under another name", () => {
  for (const program of ["com.apple.cts", "corecaptured", "QQ", "xsshd", "", "(a)"]) {
    assert.equal(
      openMessage(program, "Failed password for root from 192.0.2.1 port 22"),
      undefined,
    );
  }
});

const programs = [...new Set(LINUX_SAMPLES.map(({ program }) => program))];
const pieces = LINUX_SAMPLES.flatMap(({ message }) => message.split(/(?=[ ([:=])/));
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 }))).map((parts) =>
    parts.join("")
  ),
  fc.constantFrom(...LINUX_SAMPLES.map(({ message }) => message)).chain((message) =>
    fc.nat(message.length).map((end) => message.slice(0, end))
  ),
);

/** What is not a part of the message: `_event`, and the parents of processes. */
const CONSTANTS = new Set([
  "/usr/bin/sudo",
  "/usr/sbin/cron",
  "/usr/sbin/crond",
  "/usr/bin/doas",
  "/usr/bin/pkexec",
]);

test("openMessage() invents nothing, whatever the message", () => {
  const events = new Set(LINUX_SAMPLES.map(({ event }) => event));
  fc.assert(
    fc.property(fc.constantFrom(...programs), hostile, (program, message) => {
      const opened = openMessage(program, message);
      for (const [name, text] of opened?.fields ?? []) {
        if (name === "_event") assert.ok(events.has(text));
        else if (name === "ParentImage") assert.ok(CONSTANTS.has(text));
        else assert.ok(text !== "" && message.includes(text), `${name}: ${text}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("openMessage() takes time in proportion to the message", () => {
  const size = 1 << 20;
  for (const [program, ...messages] of hostileMessages()) {
    for (const message of messages) {
      const [start, repeated] = message;
      assertLinear(
        `${program}: ${start}|${repeated}`,
        size,
        (length) => start + repeated.repeat(Math.ceil(length / repeated.length)) + "\n\u0001",
        (text) => openMessage(program!, text),
      );
    }
  }
});

/** The beginning of each sample, then a part of it again and again; no end that fits. */
function* hostileMessages(): Generator<[string, ...(readonly [string, string])[]]> {
  const seen = new Set<string>();
  for (const { program, message, event } of LINUX_SAMPLES) {
    if (seen.has(event)) continue;
    seen.add(event);
    const words = message.split(" ");
    const half = words.slice(0, Math.ceil(words.length / 2)).join(" ");
    const rest = message.slice(words[0]!.length);
    yield [program, [message, rest || "x"], [half, " "], [`${words[0]} `, "(root) "], [half, "a"]];
  }
}

const PART = 1 << 16;
/** A hundred times what the slowest takes; quadratic work on 64 KiB takes seconds. */
const MAX_MS = 1000;

test("openMessage() finds no part of a message that is slow when it is repeated", () => {
  for (const { program, message } of LINUX_SAMPLES) {
    const words = message.split(/(?<=[ :;[\]()='",])/);
    for (let at = 0; at < words.length; at++) {
      for (const length of [1, 2, 4]) {
        const part = words.slice(at, at + length).join("");
        const text = words.slice(0, at).join("") + part.repeat(Math.ceil(PART / part.length)) +
          "\n";
        const elapsed = (): number => {
          const start = performance.now();
          openMessage(program, text);
          return performance.now() - start;
        };
        // Whoever else is at work on the machine is not so twice.
        assert.ok(elapsed() < MAX_MS || elapsed() < MAX_MS, `${program}: ${part} in ${message}`);
      }
    }
  }
});

test("openMessage() is documented", () => {
  const path = fileURLToPath(new URL("../../docs/linux.md", import.meta.url));
  assert.ok(existsSync(path));
  const page = readFileSync(path, "utf8");
  const names = new Set(
    LINUX_SAMPLES.flatMap(({ event, fields }) => [event, ...Object.keys(fields)]),
  );
  assert.deepEqual([...names].filter((name) => !page.includes(`\`${name}\``)), []);
});

test("OpenedEvent has the fields of the event first, and of the message then", () => {
  const { fields, logsource } = openMessage(
    "sshd",
    "Failed password for root from 192.0.2.1 port 22 ssh2",
  )!;
  const base = decodeJson('{"User":"entry","MESSAGE":"m"}');
  const event = new OpenedEvent(base, new FlatEvent([], fields), logsource);
  assert.equal(event.get(internField("User")), "entry");
  assert.equal(event.get(internField("SourceIp")), "192.0.2.1");
  assert.equal(event.get(internField("Nothing")), undefined);
  assert.equal(event.logsource, logsource);
  assert.deepEqual(event.toValue(), {
    User: "entry",
    MESSAGE: "m",
    AuthMethod: "password",
    SourceIp: "192.0.2.1",
    SourcePort: "22",
    _event: "ssh_login_failed",
  });
  const texts: string[] = [];
  event.someText((text) => texts.push(text) > 99);
  // What was read out of the message is in the message.
  assert.deepEqual(texts, ["entry", "m"]);
  assert.ok(event.topKeys()!.includes("MESSAGE") && event.topKeys()!.includes("SourcePort"));
  assert.equal(event.mayContain(textGate(["entry"])), true);
  assert.equal(event.mayContain(textGate(["nowhere"])), false);
});
