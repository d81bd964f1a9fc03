/**
 * Audit records and events. `inputs.md` 20.1 and 20.5; Linux audit documentation, "Audit Event
 * Parsing Specification".
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeAudit, isAudit } from "../../src/decode/auditd/event.ts";
import { parseAuditRecord } from "../../src/decode/auditd/record.ts";
import { decodeSocketAddress } from "../../src/decode/auditd/sockaddr.ts";
import { syscallName } from "../../src/decode/auditd/syscalls.ts";
import { DecodeError } from "../../src/decode/errors.ts";
import { parseLine } from "../../src/decode/parse_line.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { eventComputer, eventTimestamp } from "../../src/event/facts.ts";
import { internField } from "../../src/event/field.ts";
import { isObject, type Value } from "../../src/event/value.ts";
import {
  auditId,
  callLines,
  type CallSpec,
  hexText,
  inetAddress,
  userLine,
} from "../arbitraries/auditd.ts";

const HEAD = "msg=audit(1364481363.243:24287):";

/** Lines with the fields of the record, in its order; `undefined` for what is no record. */
const RECORDS: readonly (readonly [string, Readonly<Record<string, string>> | undefined])[] = [
  [`type=SYSCALL ${HEAD} arch=c000003e exe="/bin/cat" key=(null) tty=pts0`, {
    arch: "c000003e",
    exe: "/bin/cat",
    key: "(null)",
    tty: "pts0",
  }],
  // Enriched: names in capitals behind U+001D, with braces for addresses.
  [`type=SYSCALL ${HEAD} uid=0 key="k"\x1dARCH=x86_64 SYSCALL=open UID="root"`, {
    uid: "0",
    key: "k",
    ARCH: "x86_64",
    SYSCALL: "open",
    UID: "root",
  }],
  [`type=SYSCALL ${HEAD} uid=0 key="k"#035ARCH=x86_64 UID="root"`, {
    uid: "0",
    key: "k",
    ARCH: "x86_64",
    UID: "root",
  }],
  [`type=SOCKADDR ${HEAD} saddr=01\x1dSADDR={ saddr_fam=inet laddr=1.2.3.4 lport=80 }`, {
    saddr: "01",
    SADDR: "saddr_fam=inet laddr=1.2.3.4 lport=80",
  }],
  // A program's own pairs, its quotes among them.
  [
    `type=USER_LOGIN ${HEAD} pid=1 msg='op=login acct="root" exe="/usr/sbin/sshd" hostname=? ` +
    `addr=1.2.3.4 terminal=ssh res=failed'`,
    {
      pid: "1",
      msg:
        'op=login acct="root" exe="/usr/sbin/sshd" hostname=? addr=1.2.3.4 terminal=ssh res=failed',
      op: "login",
      acct: "root",
      exe: "/usr/sbin/sshd",
      hostname: "?",
      addr: "1.2.3.4",
      terminal: "ssh",
      res: "failed",
    },
  ],
  [`type=USER_CMD ${HEAD} msg='cwd="/home/a b" cmd=6C73202D6C terminal=pts/0 res=success'`, {
    msg: 'cwd="/home/a b" cmd=6C73202D6C terminal=pts/0 res=success',
    cwd: "/home/a b",
    cmd: "ls -l",
    terminal: "pts/0",
    res: "success",
  }],
  // As RHEL 5 wrote them.
  [
    `type=USER_AUTH ${HEAD} msg='PAM: auth acct="a" : exe="/bin/su" (hostname=?, addr=?, res=success)'`,
    {
      msg: 'PAM: auth acct="a" : exe="/bin/su" (hostname=?, addr=?, res=success)',
      acct: "a",
      exe: "/bin/su",
      hostname: "?",
      addr: "?",
      res: "success",
      message: "PAM: auth :",
    },
  ],
  [`type=AVC ${HEAD} avc:  denied  { read write } for  pid=2465 comm="httpd" path=2F612062`, {
    pid: "2465",
    comm: "httpd",
    path: "/a b",
    message: "avc: denied { read write } for",
    seresult: "denied",
    seperms: "read write",
  }],
  // Hex of even length in capitals, and only where texts can be in hex.
  [`type=PATH ${HEAD} name=2F612062 inode=1234 dev=ABCD`, {
    name: "/a b",
    inode: "1234",
    dev: "ABCD",
  }],
  [`type=PATH ${HEAD} name=2F612 exe=beef comm="6162"`, {
    name: "2F612",
    exe: "beef",
    comm: "6162",
  }],
  [`type=USER_ACCT ${HEAD} acct=C3A4E282AC name=C3`, { acct: "ä€", name: "\ufffd" }],
  [`type=PROCTITLE ${HEAD} proctitle=6C73002D6C002F612062000`.slice(0, -1), {
    proctitle: "ls -l /a b",
  }],
  [`type=EXECVE ${HEAD} argc=2 a0="ls" a1=2D6C`, { argc: "2", a0: "ls", a1: "-l" }],
  // The registers of a system call stay hex.
  [`type=SYSCALL ${HEAD} a0=4142 a1=0`, { a0: "4142", a1: "0" }],
  [`type=UNKNOWN[1334] ${HEAD} prog-id=6 op=LOAD`, { "prog-id": "6", op: "LOAD" }],
  [`audit: type=1400 audit(1464.123:7): apparmor="DENIED" profile="/usr/bin/x y"`, {
    apparmor: "DENIED",
    profile: "/usr/bin/x y",
  }],
  [`node=web1 type=EOE ${HEAD} `, {}],
  // Cut off.
  [`type=SYSCALL ${HEAD} exe="/bin/c`, { exe: "/bin/c" }],
  [`type=USER_CMD ${HEAD} msg='cwd="/`, { msg: 'cwd="/', cwd: "/" }],
  [`type=SYSCALL ${HEAD} a=1 a=2 =x b= c`, { a: "1", b: "", message: "=x c" }],
  [`type=SYSCALL ${HEAD}`, {}],
  ["type=SYSCALL msg=audit(1364481363.243): a=1", undefined],
  ["type=SYSCALL msg=audit(1.2:3", undefined],
  ["type= msg=audit(1.2:3): a=1", undefined],
  ["type=SYSCALL audience", undefined],
  ["node= type=", undefined],
  ["", undefined],
];
for (const [line, expected] of RECORDS) {
  test(`parseAuditRecord() ${JSON.stringify(line)}`, () => {
    const record = parseAuditRecord(line);
    assert.equal(isAudit(line), expected !== undefined);
    assert.deepEqual(
      record === undefined ? undefined : Object.fromEntries(record.fields),
      expected,
    );
  });
}

/** Socket addresses as the kernel reports them. */
const ADDRESSES: readonly (readonly [string, unknown])[] = [
  ["0200115CC0A801050000000000000000", { family: "inet", address: "192.168.1.5", port: 4444 }],
  ["0A0001BB0000000020010DB800000000000000000000000100000000", {
    family: "inet6",
    address: "2001:db8::1",
    port: 443,
  }],
  ["0A0000500000000000000000000000000000FFFF0102030400000000", {
    family: "inet6",
    address: "1.2.3.4",
    port: 80,
  }],
  ["0A0000500000000000000000000000000000000000000001", {
    family: "inet6",
    address: "::1",
    port: 80,
  }],
  ["01002F7661722F72756E2F782E736F636B00", { family: "local", path: "/var/run/x.sock" }],
  ["0100007361620063", { family: "local", path: "@sab@c" }],
  ["100000000000000000000000", { family: "netlink" }],
  ["2600", { family: "alg" }],
  ["0000", { family: "unspec" }],
  // Of a big-endian machine.
  ["0002115CC0A80105", { family: "inet", address: "192.168.1.5", port: 4444 }],
  ["0200115C", undefined],
  ["0A0001BB00000000", undefined],
  ["02", undefined],
  ["FF00", undefined],
  ["xx", undefined],
];
for (const [hex, expected] of ADDRESSES) {
  test(`decodeSocketAddress() ${hex}`, () => {
    assert.deepEqual(decodeSocketAddress(hex), expected);
  });
}

test("syscallName() knows three architectures and nothing else", () => {
  assert.equal(syscallName("c000003e", "59"), "execve");
  assert.equal(syscallName("c000003e", "319"), "memfd_create");
  assert.equal(syscallName("c00000b7", "221"), "execve");
  assert.equal(syscallName("40000003", "11"), "execve");
  for (const [arch, number] of [["c000003e", "9999"], ["c000003e", "-1"], ["?", "1"]] as const) {
    assert.equal(syscallName(arch, number), undefined);
  }
});

const eventOf = (spec: CallSpec) => decodeAudit(callLines(auditId(7), spec).join("\n"));
const get = (event: LogEvent, name: string) => event.get(internField(name));

const EXECUTION = eventOf({
  syscall: "execve",
  exe: "/usr/bin/bash",
  args: ["bash", "-c", "echo 'a b'", "x".repeat(40), "ü".repeat(9)],
  partLength: 17,
  cwd: "/home/ann",
  paths: [{ name: "bin/../run.sh" }, { name: "/lib64/ld.so" }],
  keys: ["exec", "other"],
  uid: 1000,
  users: { UID: "ann", AUID: "ann" },
  node: "web1",
});

/** Names of an execution that rules ask for. */
const ANSWERS: readonly (readonly [string, Value | undefined])[] = [
  ["type", ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]],
  ["timestamp", "2023-11-14T22:13:20.007Z"],
  ["audit_id", "1700000000.007:7"],
  ["hostname", "web1"],
  ["SYSCALL", "execve"],
  ["a0", "bash"],
  ["a2", "echo 'a b'"],
  ["a3", "x".repeat(40)],
  ["a4", "ü".repeat(9)],
  ["a5", undefined],
  ["EXECVE.a4", "ü".repeat(9)],
  ["EXECVE.a4[0]", undefined],
  ["SYSCALL.a0", "7ffe12345678"],
  ["SYSCALL.exe", "/usr/bin/bash"],
  ["key", ["exec", "other"]],
  ["name", ["bin/../run.sh", "/lib64/ld.so", "/home/ann/run.sh"]],
  ["PATH.name", ["bin/../run.sh", "/lib64/ld.so"]],
  ["records.PATH[1].name", "/lib64/ld.so"],
  ["records.EXECVE.a1", "-c"],
  ["Image", "/usr/bin/bash"],
  ["CommandLine", `bash -c echo 'a b' ${"x".repeat(40)} ${"ü".repeat(9)}`],
  ["CurrentDirectory", "/home/ann"],
  ["User", "ann"],
  ["ProcessId", "4242"],
  ["ParentProcessId", "4200"],
  ["LogonId", "1000"],
  ["TargetFilename", undefined],
  ["DestinationIp", undefined],
  ["ParentImage", undefined],
  ["NOSUCH.name", undefined],
];
for (const [name, expected] of ANSWERS) {
  test(`an execution answers ${name}`, () => assert.deepEqual(get(EXECUTION, name), expected));
}

test("an event answers a name of a system call and its number", () => {
  assert.deepEqual([...get(EXECUTION, "syscall") as readonly Value[]], ["59", "execve"]);
});

/** What happened, the categories, and what answers. */
const KINDS: readonly (readonly [string, CallSpec, string[], Record<string, Value>])[] = [
  ["an execution that failed", { syscall: "execve", args: ["a"], success: false }, [], {}],
  [
    "a file that was made",
    {
      syscall: "openat",
      registers: ["ffffff9c", "0", "241"],
      cwd: "/etc/cron.d",
      paths: [{ name: "/etc/cron.d", nametype: "PARENT" }, { name: "./x", nametype: "CREATE" }],
    },
    ["file_event"],
    { TargetFilename: "/etc/cron.d/x" },
  ],
  [
    "a file made in a directory that is open",
    {
      syscall: "openat",
      registers: ["5", "0", "241"],
      cwd: "/etc/cron.d",
      paths: [{ name: "x", nametype: "CREATE" }],
    },
    ["file_event"],
    { TargetFilename: "x" },
  ],
  [
    "a file that was emptied",
    {
      syscall: "openat",
      registers: ["ffffff9c", "0", "241"],
      cwd: "/",
      paths: [{ name: "/etc/crontab" }],
    },
    ["file_event"],
    { TargetFilename: "/etc/crontab" },
  ],
  [
    "a file that was read",
    {
      syscall: "openat",
      registers: ["ffffff9c", "0", "0"],
      paths: [{ name: "/etc/crontab" }],
    },
    [],
    {},
  ],
  [
    "a file that could not be made",
    {
      syscall: "creat",
      success: false,
      paths: [{ name: "/etc/x", nametype: "CREATE" }],
    },
    [],
    {},
  ],
  [
    "a file that got another name",
    {
      syscall: "rename",
      paths: [{ name: "/a", nametype: "DELETE" }, { name: "/b", nametype: "CREATE" }],
    },
    ["file_event"],
    { TargetFilename: "/b" },
  ],
  [
    "two files that vanished",
    {
      syscall: "unlink",
      paths: [{ name: "/a", nametype: "DELETE" }, { name: "/b", nametype: "DELETE" }],
    },
    ["file_delete"],
    { TargetFilename: ["/a", "/b"] },
  ],
  ["a connection", { syscall: "connect", saddr: inetAddress("203.0.113.5", 4444) }, [
    "network_connection",
  ], {
    DestinationIp: "203.0.113.5",
    DestinationPort: "4444",
    Initiated: "true",
    DestinationIsIpv6: "false",
    family: "inet",
  }],
  [
    "a connection on its way",
    {
      syscall: "connect",
      saddr: inetAddress("203.0.113.5", 4444),
      success: false,
      exit: "-115",
    },
    ["network_connection"],
    { DestinationIp: "203.0.113.5" },
  ],
  [
    "a connection that was refused",
    {
      syscall: "connect",
      saddr: inetAddress("203.0.113.5", 4444),
      success: false,
      exit: "-111",
    },
    [],
    { laddr: "203.0.113.5", lport: "4444" },
  ],
  [
    "a connection from elsewhere",
    {
      syscall: "accept4",
      saddr: inetAddress("203.0.113.5", 50000),
    },
    ["network_connection"],
    { SourceIp: "203.0.113.5", SourcePort: "50000", Initiated: "false" },
  ],
  ["a port that is listened to", { syscall: "bind", saddr: inetAddress("0.0.0.0", 80) }, [], {}],
  ["a socket of this machine", { syscall: "connect", saddr: "01002F612F62" }, [], {
    family: "local",
    path: "/a/b",
  }],
];
for (const [name, spec, categories, answers] of KINDS) {
  test(`decodeAudit() of ${name}`, () => {
    const event = eventOf(spec);
    assert.equal(event.logsource?.product, "linux");
    assert.deepEqual(event.logsource?.services, new Set(["auditd"]));
    assert.deepEqual(event.logsource?.categories, new Set(categories));
    assert.equal(eventOf(spec).logsource, event.logsource, "is one object");
    for (const [field, expected] of Object.entries(answers)) {
      assert.deepEqual(get(event, field), expected, field);
    }
    for (const field of ["TargetFilename", "DestinationIp", "SourceIp"]) {
      if (!(field in answers)) assert.equal(get(event, field), undefined, field);
    }
  });
}

test("an alert is about the node, not about the far side of a login", () => {
  const pairs = { op: "login", hostname: "evil.example", addr: "203.0.113.5", res: "failed" };
  const alone = decodeAudit(userLine(auditId(1), "USER_LOGIN", pairs));
  assert.equal(eventComputer(alone), undefined);
  assert.equal(get(alone, "USER_LOGIN.hostname"), "evil.example");
  const named = decodeAudit(`node=web1 ${userLine(auditId(1), "USER_LOGIN", pairs)}`);
  assert.equal(eventComputer(named), "web1");
  assert.equal(eventTimestamp(named)[1], "2023-11-14T22:13:20.001Z");
});

test("keywords are looked for in texts, not in the books of the kernel", () => {
  const texts: string[] = [];
  EXECUTION.someText((text) => (texts.push(text), false));
  for (const wanted of ["bash", "/home/ann/run.sh", "exec other", "EXECVE", "echo 'a b'"]) {
    assert.ok(texts.includes(wanted), wanted);
  }
  assert.ok(!texts.includes("c000003e"));
  assert.ok(!texts.includes("0100755"));
});

test("results carry what happened first, and each record", () => {
  const value = EXECUTION.toValue();
  assert.ok(isObject(value) && isObject(value["records"]));
  assert.deepEqual(Object.keys(value).slice(0, 4), ["timestamp", "audit_id", "hostname", "type"]);
  assert.deepEqual(Object.keys(value["records"]), [
    "SYSCALL",
    "EXECVE",
    "CWD",
    "PATH",
    "PROCTITLE",
  ]);
  assert.equal((value["records"]["PATH"] as readonly Value[]).length, 2);
});

test("parseLine() takes records of one event together", () => {
  const lines = callLines(auditId(1), { syscall: "execve", args: ["id"] });
  for (const format of ["auto", "auditd"] as const) {
    assert.equal(get(parseLine(lines.join("\n"), format)!, "CommandLine"), "id");
  }
  assert.throws(() => parseLine("type=x", "auditd"), { code: "DECODE_AUDITD" });
});

const argument = fc.string({ unit: "binary", maxLength: 30 }).map((text) =>
  text.toWellFormed().replaceAll("\0", " ")
);

test("decodeAudit() reads what the writer wrote", () => {
  const spec = fc.record({
    args: fc.array(argument, { minLength: 1, maxLength: 8 }),
    exe: argument.map((text) => `/${text}`),
    cwd: argument.map((text) => `/${text}`),
    comm: argument,
    key: argument.filter((text) => text !== "" && !text.includes("\x01")),
    name: argument.map((text) => `/${text}`),
    // In whole bytes, as the kernel cuts.
    partLength: fc.integer({ min: 1, max: 20 }).map((half) => half * 2),
    node: fc.option(fc.constant("n1"), { nil: undefined }),
  });
  fc.assert(fc.property(spec, ({ name, key, node, ...rest }) => {
    const event = eventOf({
      syscall: "execve",
      ...rest,
      keys: [key],
      paths: [{ name }],
      ...(node === undefined ? {} : { node }),
    });
    const given = rest.args.map((_, at) => get(event, `a${at}`));
    assert.deepEqual(given, rest.args);
    assert.equal(get(event, "CommandLine"), rest.args.join(" "));
    assert.equal(get(event, "SYSCALL.exe"), rest.exe);
    assert.equal(get(event, "comm"), rest.comm);
    assert.equal(get(event, "cwd"), rest.cwd);
    assert.equal(get(event, "key"), key);
    assert.equal(get(event, "name"), name);
    assert.equal(get(event, "hostname"), node);
  }));
});

/** Asks an event for everything. */
function exhaust(event: LogEvent): void {
  for (const name of ["Image", "a0", "SYSCALL.a0", "records.PATH[0].name", "__proto__", "x.y"]) {
    get(event, name);
  }
  event.someText(() => false);
  event.topKeys?.();
  event.toValue();
  assert.ok(event.logsource);
}

test("decodeAudit() throws nothing but DecodeError", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom('"', "'", "=", " ", "\x1d", "\n", "{", "}", "#035A=", "msg='", "a0=", "a1[0]="),
    fc.constantFrom("saddr=0200", "name=", "syscall=", "arch=c000003e ", "key=", "__proto__=1 "),
    fc.constantFrom(`\ntype=EXECVE ${HEAD} `, `\ntype=PATH ${HEAD} `, `\ntype=AVC ${HEAD} avc: `),
  );
  const text = fc.tuple(
    fc.constantFrom("", "type=", `type=SYSCALL ${HEAD} `, `node=x type=EXECVE ${HEAD} `),
    fc.array(piece, { maxLength: 30 }),
  ).map(([start, rest]) => start + rest.join(""));
  fc.assert(
    fc.property(text, (records) => {
      try {
        exhaust(decodeAudit(records));
      } catch (error) {
        assert.ok(error instanceof DecodeError && error.code === "DECODE_AUDITD");
      }
    }),
    { numRuns: 2000 },
  );
});

test("decodeAudit() reads every truncation of an event", () => {
  const whole = callLines(auditId(1), {
    syscall: "connect",
    args: ["a", "b c"],
    cwd: "/x y",
    paths: [{ name: "é" }],
    saddr: inetAddress("1.2.3.4", 5),
    users: { UID: "ann" },
  }).join("\n");
  for (let end = 0; end <= whole.length; end++) {
    const part = whole.slice(0, end);
    if (isAudit(part)) exhaust(decodeAudit(part));
  }
});

/** A line of 1 MiB of `unit`. */
const hostile = (start: string, unit: string) =>
  start + unit.repeat(Math.ceil((1 << 20) / unit.length));
const PATH_RECORD = `\ntype=PATH ${HEAD} name="x" nametype=CREATE`;
const HOSTILE: readonly (readonly [string, string])[] = [
  ["blanks", hostile(`type=A ${HEAD}`, " ")],
  ["words", hostile(`type=A ${HEAD} `, "a ")],
  ["names", hostile(`type=A ${HEAD} `, "a")],
  ["pairs", hostile(`type=A ${HEAD} `, "a=b ")],
  ["quotes", hostile(`type=A ${HEAD} `, `a="`)],
  ["single quotes", hostile(`type=A ${HEAD} `, `a='b' `)],
  ["single quotes without an end", hostile(`type=A ${HEAD} `, `a='b`)],
  ["braces in single quotes", hostile(`type=A ${HEAD} `, `a='b={' `)],
  ["braces", hostile(`type=A ${HEAD} `, `a={ `)],
  ["separators", hostile(`type=A ${HEAD} `, "\x1d")],
  ["escaped separators", hostile(`type=A ${HEAD} `, "#035")],
  ["hex", hostile(`type=PATH ${HEAD} name=`, "41")],
  [
    "arguments",
    `type=EXECVE ${HEAD} ` +
    Array.from({ length: 120_000 }, (_, at) => `a${at}=41`).join(" "),
  ],
  [
    "arguments backwards",
    `type=EXECVE ${HEAD} ` +
    Array.from({ length: 120_000 }, (_, at) => `a${120_000 - at}=41`).join(" "),
  ],
  [
    "parts",
    `type=EXECVE ${HEAD} ` +
    Array.from({ length: 90_000 }, (_, at) => `a1[${at}]=41`).join(" "),
  ],
  ["types", Array.from({ length: 30_000 }, (_, at) => `type=T${at} ${HEAD} a=${at}`).join("\n")],
  ["paths", hostile(`type=CWD ${HEAD} cwd="/${"x/".repeat(2000)}"`, PATH_RECORD)],
  ["a long directory", hostile(`type=CWD ${HEAD} cwd="/${"x".repeat(400_000)}"`, PATH_RECORD)],
  [
    "values of a name",
    hostile(
      `type=A ${HEAD} a=0`,
      Array.from({ length: 500 }, (_, at) => `\ntype=B ${HEAD} a=${at}`).join(""),
    ),
  ],
];
for (const [name, text] of HOSTILE) {
  test(`decodeAudit() takes no long time for a mebibyte of ${name}`, () => {
    const start = performance.now();
    exhaust(decodeAudit(text));
    assert.ok(performance.now() - start < 3000);
  });
}

test("decodeAudit() takes what programs write into texts for texts", () => {
  // A program whose name is a record: it comes in hex, so it cannot forge fields.
  const forged = 'x" uid=0 exe="/usr/bin/passwd';
  const event = eventOf({ syscall: "execve", args: ["x"], comm: forged, exe: "/tmp/x" });
  assert.equal(get(event, "comm"), forged);
  assert.equal(get(event, "Image"), "/tmp/x");
  assert.equal(hexText("a"), "61");
});
