/**
 * Against the real `journalctl`, on journals that the real `systemd-journal-remote` writes while they
 * are followed (Debian: systemd, systemd-journal-remote); and a stand-in for what those do not do.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import fc from "fast-check";
import { decodeAudit } from "../../src/decode/auditd/event.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { internField } from "../../src/event/field.ts";
import { decodeEntry, isCursor, isSameEntry } from "../../src/ingest/journald/entry.ts";
import { journaldSource } from "../../src/ingest/journald.ts";
import { SourceError } from "../../src/runtime/errors.ts";
import type { EventBatch, EventSource } from "../../src/runtime/plugin.ts";
import type { JournaldSourceSettings } from "../../src/runtime/settings.ts";

const root = mkdtempSync(join(tmpdir(), "picket-journal-"));
after(() => rmSync(root, { recursive: true, force: true }));

const REMOTE = "/lib/systemd/systemd-journal-remote";
const hasJournal = existsSync(REMOTE) && spawnSync("journalctl", ["--version"]).status === 0;
const skip = hasJournal ? false : "journalctl or systemd-journal-remote is not installed";
const noShell = process.platform === "win32" ? "needs a POSIX shell" : false;

type Fields = Readonly<Record<string, string | Uint8Array>>;

/** Writes entries into a journal that may be followed meanwhile. */
class Journal {
  readonly directory = mkdtempSync(join(root, "j-"));
  #count = 0;
  #files = 0;
  #writer: ChildProcess;

  constructor() {
    this.#writer = this.#open();
  }

  /** @param boot One hex digit. */
  add(fields: Fields, boot = "0"): void {
    const number = ++this.#count;
    const parts: (string | Uint8Array)[] = [
      `__REALTIME_TIMESTAMP=${1_700_000_000_000_000 + number * 1_000_000}\n`,
      `__MONOTONIC_TIMESTAMP=${number * 1000}\n`,
      `_BOOT_ID=${boot.repeat(32)}\n`,
    ];
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value === "string") parts.push(`${name}=${value}\n`);
      else {
        const size = new Uint8Array(8);
        new DataView(size.buffer).setUint32(0, value.length, true);
        parts.push(`${name}\n`, size, value, "\n");
      }
    }
    parts.push("\n");
    for (const part of parts) this.#writer.stdin!.write(part);
  }

  /** Ends the writer, and waits until all is in the file. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#writer.once("close", resolve));
    this.#writer.stdin!.end();
    await closed;
  }

  /** Goes on in another file; the old one is closed. */
  async rotate(): Promise<void> {
    await this.close();
    this.#writer = this.#open();
  }

  #open(): ChildProcess {
    const file = join(this.directory, `log${++this.#files}.journal`);
    return spawn(REMOTE, ["-o", file, "-"], { stdio: ["pipe", "ignore", "ignore"] });
  }
}

function source(journal: Journal, more: Partial<JournaldSourceSettings> = {}): EventSource {
  const { directory } = journal;
  return journaldSource({ type: "journald", id: "journal", directory, ...more });
}

async function readUntil(
  source: EventSource,
  from: string | undefined,
  isDone: (batches: readonly EventBatch[]) => boolean,
  onBatch: () => void = () => {},
): Promise<readonly EventBatch[]> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("waited too long")), 10_000);
  const batches: EventBatch[] = [];
  try {
    for await (const batch of source.read(from, controller.signal)) {
      batches.push(batch);
      if (isDone(batches)) return batches;
      onBatch();
    }
  } finally {
    clearTimeout(timer);
  }
  return assert.fail("the source ended");
}

const MESSAGE = internField("MESSAGE");

function messages(batches: readonly EventBatch[]): unknown[] {
  return batches.flatMap(({ events }) => events)
    .map(({ payload }) => (payload as LogEvent).get(MESSAGE));
}

const atLeast = (count: number) => (batches: readonly EventBatch[]) =>
  messages(batches).length >= count;
const timeout = 20_000;

test(
  "journaldSource() follows a real journal and goes on behind a cursor",
  { skip, timeout },
  async () => {
    const journal = new Journal();
    for (let at = 1; at <= 5; at++) journal.add({ MESSAGE: `m${at}` });
    await journal.rotate();
    let added = 5;
    const follow = source(journal);
    const begun = await readUntil(
      follow,
      undefined,
      atLeast(3),
      // The first batch says where the end was.
      () => {
        if (added === 5) { while (added < 8) journal.add({ MESSAGE: `m${++added}` }); }
      },
    );
    assert.deepEqual(messages(begun), ["m6", "m7", "m8"]);
    const events = begun.flatMap(({ events }) => events);
    assert.ok(events.every(({ recordId, origin }) => isCursor(recordId) && origin === "journal"));
    journal.add({ MESSAGE: "m9" });
    const later = await readUntil(source(journal), begun.at(-1)!.position, atLeast(1));
    assert.deepEqual(messages(later), ["m9"]);
    assert.deepEqual(later.flatMap(({ notices }) => notices ?? []), []);
    assert.equal(follow.health().state, "stopped");
    await journal.close();
  },
);

test(
  "journaldSource() reads what was written before the last boot",
  { skip, timeout },
  async () => {
    const journal = new Journal();
    journal.add({ MESSAGE: "old" }, "a");
    journal.add({ MESSAGE: "old too" }, "a");
    journal.add({ MESSAGE: "new" }, "b");
    await journal.close();
    const all = await readUntil(source(journal, { startAt: "start" }), undefined, atLeast(3));
    assert.deepEqual(messages(all), ["old", "old too", "new"]);
    const position = `${all[0]!.events[0]!.recordId}|`;
    assert.deepEqual(messages(await readUntil(source(journal), position, atLeast(2))), [
      "old too",
      "new",
    ]);
  },
);

test("journaldSource() gives fields as they are, bytes as text", { skip, timeout }, async () => {
  const journal = new Journal();
  const long = "y".repeat(10_000);
  journal.add({
    MESSAGE: Uint8Array.of(0x61, 0xff, 0x62),
    COLOR: Uint8Array.of(0x1b, 0x5b, 0x6d, 0xc3, 0xa9),
    _SYSTEMD_UNIT: "a.service",
    LONG: long,
  });
  await journal.close();
  const [batch] = await readUntil(source(journal, { startAt: "start" }), undefined, atLeast(1));
  const event = batch!.events[0]!.payload as LogEvent;
  assert.equal(event.get(MESSAGE), "a\ufffdb");
  assert.equal(event.get(internField("COLOR")), "\x1b[mé");
  assert.equal(event.get(internField("_SYSTEMD_UNIT")), "a.service");
  assert.equal(event.get(internField("LONG")), long);
});

test("journaldSource() reads the units it is told to", { skip, timeout }, async () => {
  const journal = new Journal();
  journal.add({ MESSAGE: "1", _SYSTEMD_UNIT: "a.service" });
  journal.add({ MESSAGE: "2", _SYSTEMD_UNIT: "b.service" });
  journal.add({ MESSAGE: "3", _SYSTEMD_UNIT: "c.service" });
  await journal.close();
  const settings = { startAt: "start", units: ["a.service", "c.service"] } as const;
  const batches = await readUntil(source(journal, settings), undefined, atLeast(2));
  assert.deepEqual(messages(batches), ["1", "3"]);
  // Another choice of units hides the entry read last, which is no loss.
  const { position } = batches.at(-1)!;
  const first = batches[0]!.events[0]!.recordId;
  const other = source(journal, { units: ["b.service"] });
  const [next] = await readUntil(other, `${first}|a.service,c.service`, atLeast(1));
  assert.deepEqual(next!.notices, []);
  assert.ok(position.endsWith("|a.service,c.service"));
});

test("journaldSource() tells when the journal has lost its place", { skip, timeout }, async () => {
  const journal = new Journal();
  journal.add({ MESSAGE: "1" });
  await journal.rotate();
  journal.add({ MESSAGE: "2" });
  await journal.close();
  const all = await readUntil(source(journal, { startAt: "start" }), undefined, atLeast(2));
  const first = all[0]!.events[0]!.recordId;
  rmSync(join(journal.directory, "log1.journal"));
  const later = await readUntil(source(journal), `${first}|`, atLeast(1));
  assert.deepEqual(messages(later), ["2"]);
  assert.deepEqual(later[0]!.notices?.map(({ reason }) => reason), ["event_loss"]);
});

test("journaldSource() begins in a journal without entries", { skip, timeout }, async () => {
  const journal = new Journal();
  await journal.close();
  const [first] = await readUntil(source(journal), undefined, (all) => all.length > 0);
  assert.match(first!.position, /^@\d+\|$/);
  assert.deepEqual(first!.events, []);
});

/** A program in the place of `journalctl`. */
function program(script: string): string {
  const path = join(mkdtempSync(join(root, "p-")), "journalctl");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function withProgram(command: string, more: Partial<JournaldSourceSettings> = {}): EventSource {
  return journaldSource({ type: "journald", id: "j", command, startAt: "start", ...more });
}

const CURSOR = `s=${"0".repeat(32)};i=1;b=${"1".repeat(32)};m=1;t=2;x=3`;

test(
  "journaldSource() ends its program when it is stopped",
  { skip: noShell, timeout },
  async () => {
    const pidFile = join(root, "pid");
    const command = program(`echo $$ > ${pidFile}; exec sleep 1000`);
    const controller = new AbortController();
    const source = withProgram(command);
    const pulled = source.read(undefined, controller.signal)[Symbol.asyncIterator]().next();
    const until = Date.now() + 5000;
    while (!existsSync(pidFile) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    controller.abort(new Error("stop"));
    await assert.rejects(pulled, /stop/);
    assert.throws(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0));
  },
);

test(
  "journaldSource() ends a program that does not want to",
  { skip: noShell, timeout },
  async () => {
    const pidFile = join(root, "pid2");
    const line = JSON.stringify({ __CURSOR: CURSOR, MESSAGE: "x" });
    const command = program(
      `trap '' TERM; echo $$ > ${pidFile}; echo '${line}'; while true; do sleep 0.2; done`,
    );
    const [batch] = await readUntil(withProgram(command), undefined, atLeast(1));
    assert.equal(batch!.events.length, 1);
    assert.throws(() => process.kill(Number(readFileSync(pidFile, "utf8")), 0));
  },
);

test("journaldSource() passes its settings as arguments, not through a shell", {
  skip: noShell,
  timeout,
}, async () => {
  const out = join(root, "args");
  const command = program(`for one in "$@"; do echo "$one" >> ${out}; done; exit 1`);
  const units = ["a b;touch /tmp/x", "--vacuum-size=1"];
  const read = withProgram(command, { units, directory: "/d" }).read(
    `${CURSOR}|`,
    new AbortController().signal,
  );
  await assert.rejects(read[Symbol.asyncIterator]().next(), SourceError);
  assert.deepEqual(readFileSync(out, "utf8").trim().split("\n"), [
    "--output=json",
    "--all",
    "--no-pager",
    "--merge",
    "--directory=/d",
    "--unit=a b;touch /tmp/x",
    "--unit=--vacuum-size=1",
    "--follow",
    "--no-tail",
    `--cursor=${CURSOR}`,
  ]);
});

// What the program does, the code and words of the error.
const FAILURES: readonly (readonly [string, SourceError["code"], RegExp])[] = [
  ["echo 'Failed to open: no' >&2; exit 1", "SOURCE_IO", /Failed to open: no/],
  ["echo 'insufficient permissions' >&2; exit 1", "SOURCE_DENIED", /permissions/],
  ["exit 0", "SOURCE_IO", /ended by itself/],
  ["kill -9 $$", "SOURCE_IO", /status/],
];

for (const [script, code, words] of FAILURES) {
  test(
    `journaldSource() fails when its program does: ${script}`,
    { skip: noShell, timeout },
    async () => {
      const follow = withProgram(program(script));
      const read = follow.read(undefined, new AbortController().signal);
      await assert.rejects(
        read[Symbol.asyncIterator]().next(),
        (error) => error instanceof SourceError && error.code === code && words.test(error.message),
      );
      assert.equal(follow.health().state, "failed");
      assert.match(follow.health().error ?? "", words);
    },
  );
}

test("journaldSource() says that there is no journalctl", async () => {
  const read = withProgram(join(root, "nowhere")).read(undefined, new AbortController().signal);
  await assert.rejects(
    read[Symbol.asyncIterator]().next(),
    (error) => error instanceof SourceError && error.code === "SOURCE_CONFIG",
  );
});

test("journaldSource() keeps a line that is no entry", { skip: noShell, timeout }, async () => {
  const line = JSON.stringify({ __CURSOR: CURSOR, MESSAGE: "x" });
  const command = program(`echo '${line}'; echo '{"broken'; exec sleep 5`);
  const batches = await readUntil(
    withProgram(command),
    undefined,
    (all) => all.flatMap(({ events }) => events).length >= 2,
  );
  const events = batches.flatMap(({ events }) => events);
  assert.equal(events[1]!.payload, '{"broken');
  assert.equal(events[1]!.recordId, `${CURSOR}+1`);
  assert.equal(batches.at(-1)!.position, `${CURSOR}|`);
});

// Two cursors, whether they are of one entry: those of an entry in memory and on the disk differ in
// `s` and `i`.
const PAIRS: readonly (readonly [string, string, boolean])[] = [
  [CURSOR, CURSOR, true],
  [CURSOR, CURSOR.replace("i=1", "i=7").replace("s=0", "s=f"), true],
  [CURSOR, CURSOR.replace("x=3", "x=4"), false],
  [CURSOR, CURSOR.replace("m=1", "m=2"), false],
];

for (const [a, b, expected] of PAIRS) {
  test(`isSameEntry() ${b.slice(2, 3)} ${b.slice(33)}: ${expected}`, () => {
    assert.equal(isSameEntry(a, b), expected);
  });
}

test("decodeEntry() takes any line", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
    const entry = decodeEntry(line);
    assert.ok(entry === undefined || typeof entry.cursor === "string");
  }));
});

test("decodeEntry() makes the text of any bytes", () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), (text) => {
    const bytes = [...new TextEncoder().encode(text)];
    const line = JSON.stringify({ __CURSOR: CURSOR, A: bytes, B: [bytes, "x"], C: ["x", "y"] });
    const event = decodeEntry(line)!.event;
    const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
    assert.deepEqual(event.toValue(), {
      __CURSOR: CURSOR,
      A: expected,
      B: [expected, "x"],
      C: ["x", "y"],
    });
  }));
});

test("journaldSource() opens what programs say", { skip, timeout }, async () => {
  const journal = new Journal();
  journal.add({ MESSAGE: "first" });
  await journal.rotate();
  const batches = await readUntil(source(journal), undefined, atLeast(1), () => {
    journal.add({
      SYSLOG_IDENTIFIER: "sshd",
      MESSAGE: "Accepted password for root from 192.0.2.7 port 50122 ssh2",
    });
  });
  await journal.close();
  const event = batches.flatMap(({ events }) => events)[0]!.payload as LogEvent;
  assert.equal(event.get(internField("SourceIp")), "192.0.2.7");
  assert.equal(event.get(MESSAGE), "Accepted password for root from 192.0.2.7 port 50122 ssh2");
  assert.deepEqual([...event.logsource!.services!], ["sshd", "auth", "syslog"]);
});

/** What an entry tells of its logsource, and the fields that its message opens to. */
const ENTRIES: readonly (readonly [
  Readonly<Record<string, unknown>>,
  string,
  Readonly<Record<string, unknown>>,
])[] = [
  [{ SYSLOG_IDENTIFIER: "su", MESSAGE: "(to root) ann on pts/0" }, "su auth syslog", {
    User: "root",
    SubjectUserName: "ann",
    Terminal: "pts/0",
    _event: "su",
  }],
  // What a program calls itself counts; its file stands in.
  [{ SYSLOG_IDENTIFIER: "x", _COMM: "su", MESSAGE: "(to root) ann on pts/0" }, "su auth syslog", {
    User: "root",
    SubjectUserName: "ann",
    Terminal: "pts/0",
    _event: "su",
  }],
  [{ _COMM: "su", MESSAGE: "no such text" }, "su auth syslog", {}],
  [{ SYSLOG_IDENTIFIER: "su", MESSAGE: "(to root) ann on pts/0", User: "own" }, "su auth syslog", {
    SubjectUserName: "ann",
    Terminal: "pts/0",
    _event: "su",
  }],
  [
    { SYSLOG_IDENTIFIER: "su", MESSAGE: [...new TextEncoder().encode("(to root) a on b")] },
    "su auth syslog",
    {
      MESSAGE: "(to root) a on b",
      User: "root",
      SubjectUserName: "a",
      Terminal: "b",
      _event: "su",
    },
  ],
  [{ SYSLOG_IDENTIFIER: "kernel", MESSAGE: "anything" }, "kernel syslog", {}],
  [{ SYSLOG_IDENTIFIER: "com.example", MESSAGE: "anything" }, "", {}],
  [{ SYSLOG_IDENTIFIER: ["su", "x"], MESSAGE: "anything" }, "", {}],
  [{ SYSLOG_IDENTIFIER: "su", MESSAGE: null }, "", {}],
  [{ SYSLOG_IDENTIFIER: "su" }, "", {}],
];

for (const [entry, services, added] of ENTRIES) {
  test(`decodeEntry() ${JSON.stringify(entry).slice(0, 100)}`, () => {
    const fields = { __CURSOR: CURSOR, ...entry };
    const { event } = decodeEntry(JSON.stringify(fields))!;
    assert.equal(event.logsource!.product, "linux", "there is no journal elsewhere");
    assert.equal([...event.logsource!.services ?? []].join(" "), services);
    assert.deepEqual(event.toValue(), { ...fields, ...added });
    const again = decodeEntry(JSON.stringify(fields))!.event;
    assert.equal(again.logsource, event.logsource, "one object for all alike");
  });
}

test("decodeEntry() opens records of the audit system", () => {
  const record =
    'pid=7 uid=0 auid=1000 ses=1 msg=\'op=login acct="root" exe="/usr/sbin/sshd" res=failed\'';
  const entry = {
    __CURSOR: CURSOR,
    __REALTIME_TIMESTAMP: "1700000001000000",
    _SOURCE_REALTIME_TIMESTAMP: "1700000000123000",
    _TRANSPORT: "audit",
    _AUDIT_TYPE_NAME: "USER_LOGIN",
    _AUDIT_ID: "48",
    SYSLOG_IDENTIFIER: "audit",
    MESSAGE: `USER_LOGIN ${record}`,
  };
  const line = `type=USER_LOGIN msg=audit(1700000000.123:48): ${record}`;
  const kernel = { __CURSOR: CURSOR, _TRANSPORT: "kernel", MESSAGE: `audit: ${line}` };
  const expected = decodeAudit(line);
  for (const { event } of [entry, kernel].map((one) => decodeEntry(JSON.stringify(one))!)) {
    for (const name of ["type", "acct", "exe", "res", "timestamp", "audit_id"]) {
      assert.deepEqual(event.get(internField(name)), expected.get(internField(name)), name);
    }
    assert.equal(event.logsource, expected.logsource);
    assert.equal(event.get(internField("__CURSOR")), CURSOR);
  }
  const bad = { ...entry, _AUDIT_ID: "x) y" };
  assert.deepEqual(decodeEntry(JSON.stringify(bad))!.event.toValue(), bad);
});
