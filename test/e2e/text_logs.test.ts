/**
 * Text logs as a user meets them: the built executable on directories, streams and the syslog corpus.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";
import {
  hitsOf,
  PICKET,
  picket,
  type Scratch,
  scratch,
  skipWithoutExecutable,
} from "../support/picket.ts";

const built = skipWithoutExecutable();
const corpus = { skip: built.skip || skipWithoutCorpus().skip };
const isRoot = process.getuid?.() === 0;

const FAILED = "Failed password for root from 192.0.2.9 port 4711 ssh2";
const RULE = `title: Failed
id: 00000000-0000-4000-8000-000000000001
logsource:
  product: linux
detection:
  keywords:
    - Failed password
  condition: keywords
level: high
`;

function line(second: number, text = FAILED): string {
  return `Oct 11 22:14:${String(second).padStart(2, "0")} web sshd[7]: ${text}\n`;
}

interface Stats {
  readonly files: number;
  readonly files_skipped: Readonly<Record<string, number>>;
  readonly events: number;
  readonly events_by_format: Readonly<Record<string, number>>;
  readonly matches: number;
  readonly parse_errors: number;
  readonly errors_by_reason: Readonly<Record<string, number>>;
}

/** Scans with the rule above; `paths` are relative to `dir`. */
async function scanned(dir: Scratch, paths: readonly string[], ...args: readonly string[]) {
  writeFileSync(dir.file("rule.yml"), RULE);
  const stats = dir.file("stats.out");
  const run = await picket([
    ...["scan", ...paths.map((path) => join(dir.path, path))],
    ...["-r", dir.file("rule.yml"), "--stats", stats, ...args],
  ]);
  const counts = existsSync(stats) ? JSON.parse(readFileSync(stats, "utf8")) as Stats : undefined;
  return { ...run, counts, hits: hitsOf(run.stdout) };
}

test(
  "scan reads the logs of a directory, whatever their format, and nothing else",
  built,
  async () => {
    using dir = scratch();
    mkdirSync(dir.file("log/audit"), { recursive: true });
    const files: Readonly<Record<string, string | Uint8Array>> = {
      "auth.log": line(1),
      "auth.log.1": line(2),
      "auth.log.2.gz": gzipSync(line(3)),
      "auth.log-20261011.zst": zstdCompressSync(line(4)),
      "syslog": `<38>${line(5)}`,
      "messages-20261011": line(6),
      "secure": Buffer.from(`\ufeff${line(7)}`, "utf16le"),
      "cron.1.gz": gzipSync(line(8)),
      "app.json": `{"msg":${JSON.stringify(FAILED)},"time":"2026-10-11T22:14:09Z"}`,
      "app.cef": `CEF:0|a|b|1|2|${FAILED}|5|rt=1791756850000\n`,
      "audit/audit.log":
        "type=USER_LOGIN msg=audit(1791756851.000:1): msg='op=\"Failed password\"'\n",
      // No logs, by name or by content.
      "notes.txt": line(9),
      "syslog.conf": line(9),
      "lastlog": "\0".repeat(292),
      "wtmp": `\u0007\0\0\0pts/0\0\0\0Failed password\0\0\0`,
      "binary.log": `\u007fELF\u0002\0\0\0Failed password\n`,
      "packed.log.gz": gzipSync("\u0001\0\0\0Failed password\n"),
      "empty.log": "",
    };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(
        dir.file(`log/${name}`),
        content,
      );
    }
    const { code, hits, counts, stderr } = await scanned(dir, ["log"]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      hits.map(({ source }) => source.path.slice(dir.path.length + 5)).sort(),
      Object.keys(files).slice(0, 11).sort(),
    );
    assert.deepEqual(counts?.events_by_format, { syslog: 8, auditd: 1, cef: 1, json: 1 });
    assert.deepEqual(counts?.files_skipped, { name: 4, binary: 2 });
    assert.match(stderr, /not read: 4 not named like a log, 2 binary/);
    assert.match(stderr, /Formats {2}8 syslog, 1 auditd, 1 cef, 1 json/);
  },
);

test("scan reads a file that is named, unless it is binary", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("notes.txt"), line(1));
  writeFileSync(dir.file("core"), "\u007fELF\u0002\0\0\0");
  const { code, hits, stderr } = await scanned(dir, ["notes.txt", "core"]);
  assert.equal(code, 4);
  assert.equal(hits.length, 1);
  assert.match(stderr, /Cannot read .*core: binary: neither EVTX nor text/);
});

test("scan goes past pipes, sockets, broken links and files it may not read", {
  skip: built.skip || (process.platform === "win32" && "skipped: no mkfifo"),
}, async () => {
  using dir = scratch();
  mkdirSync(dir.file("log"));
  writeFileSync(dir.file("log/a.log"), line(1));
  writeFileSync(dir.file("log/secret.log"), line(2));
  chmodSync(dir.file("log/secret.log"), 0);
  execFileSync("mkfifo", [dir.file("log/fifo.log")]);
  execFileSync("ln", ["-s", "nowhere", dir.file("log/link.log")]);
  const server = createServer().listen(dir.file("log/socket.log"));
  try {
    const { hits, stderr, code } = await scanned(dir, ["log"]);
    assert.equal(hits.length, isRoot ? 2 : 1);
    assert.equal(code, 4, "the broken link cannot be read");
    assert.match(stderr, /Cannot read .*link\.log: /);
    if (!isRoot) assert.match(stderr, /Cannot read .*secret\.log: /);
    const named = await scanned(dir, ["log/socket.log"]);
    assert.equal(named.code, 4);
    assert.match(named.stderr, /unreadable file/);
  } finally {
    server.close();
  }
});

test("scan bears hostile text", built, async () => {
  using dir = scratch();
  const random = new Uint8Array(200_000);
  crypto.getRandomValues(random.subarray(0, 65_536));
  for (let at = 65_536; at < random.length; at++) random[at] = random[at - 65_536]! || 1;
  random.forEach((byte, at) => random[at] = byte || 1);
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "random.log": random,
    "cut_utf16.log": Buffer.from(`\ufeff${line(1)}x`, "utf16le").subarray(0, -1),
    "long.log": `${line(1)}${"x".repeat(17 << 20)}\n${line(2)}`,
    "blank_lines.log": `${"\n".repeat(300_000)}${line(3)}`,
    "nul_hole.log": `${"\0".repeat(18 << 20)}${line(4)}`,
    "nested.log": `${"[".repeat(200_000)}\n${'{"a":'.repeat(50_000)}\n${line(5)}`,
    "pairs.log": `${"a=1 ".repeat(200_000)}\n${"=".repeat(200_000)}\n${line(6)}`,
    "quotes.log": `CEF:0|${"\\|".repeat(200_000)}\n<34>1 ${'[a b="'.repeat(50_000)}\n${line(7)}`,
    "mark.log": "\ufeff",
    "cut.log.gz": gzipSync(line(8).repeat(5000)).subarray(0, 150),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(dir.file(name), content);
  const { code, hits, stderr, seconds, peakBytes } = await scanned(dir, Object.keys(files));
  assert.equal(code, 4, stderr);
  const found = new Set(hits.map(({ source }) => source.path.slice(dir.path.length + 1)));
  for (const name of Object.keys(files).filter((one) => !/random|mark|\.gz/.test(one))) {
    assert.ok(found.has(name), name);
  }
  assert.match(stderr, /1 × line too long/);
  assert.match(stderr, /invalid UTF-8/);
  assert.match(stderr, /× unreadable file\n.*cut\.log\.gz/);
  assert.ok(seconds < 40, `${seconds} s`);
  assert.ok(peakBytes < 500 << 20, `${peakBytes} bytes`);
});

test("scan gives the same of text logs with any number of threads", built, async () => {
  using dir = scratch();
  // Long lines: what counts is that there are more than one part.
  const noise = line(1, "x y ".repeat(2500));
  const more = `${line(2)}plain text\n<34>1 2026-10-11T22:14:15Z h app - - - é\n`;
  writeFileSync(dir.file("large.log"), `${noise.repeat(100)}${more}`.repeat(36));
  const audit = [
    "type=SYSCALL msg=audit(1791756851.000:1): arch=c000003e syscall=59 success=yes pid=9",
    `type=EXECVE msg=audit(1791756851.000:1): argc=2 a0="${"x".repeat(9000)}" a1="Failed password"`,
    "type=PROCTITLE msg=audit(1791756851.000:1): proctitle=6563686F",
  ].join("\n");
  writeFileSync(dir.file("audit.log"), `${audit}\n`.repeat(4000));
  const one = await scanned(dir, ["large.log", "audit.log"], "-q", "--threads", "1");
  const some = await scanned(dir, ["large.log", "audit.log"], "-q", "--threads", "4");
  assert.equal(one.code, 0, one.stderr);
  assert.equal(one.hits.filter(({ source }) => source.path.endsWith("large.log")).length, 36);
  assert.deepEqual(one.counts?.events_by_format, { auditd: 4000, syslog: 3672, plain: 36 });
  assert.ok(some.stdout === one.stdout, "the same bytes");
  assert.deepEqual(some.counts?.events_by_format, one.counts?.events_by_format);
  const places = one.hits.flatMap(({ source }) =>
    source.path.endsWith("large.log") ? [source.record_id] : []
  );
  assert.deepEqual(places, places.map((_, at) => at * 103 + 101));
});

test("scan reads every line of the syslog corpus as an event", corpus, async () => {
  using dir = scratch();
  const stats = dir.file("stats.json");
  for (const threads of ["1", "2"]) {
    const { code } = await picket([
      "scan",
      join(CORPUS, "syslog"),
      "-q",
      "--stats",
      stats,
      "--threads",
      threads,
    ]);
    assert.equal(code, 0);
    const counts = JSON.parse(readFileSync(stats, "utf8")) as Stats;
    assert.equal(counts.files, 4);
    assert.equal(counts.events, 8000);
    assert.deepEqual(counts.events_by_format, { syslog: 6000, plain: 2000 });
    assert.equal(counts.parse_errors, 0);
    assert.deepEqual(counts.errors_by_reason, {});
  }
});

test("scan - and eval read standard input of any kind", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("rule.yml"), RULE);
  const inputs: readonly Uint8Array[] = [
    Buffer.from(line(1)),
    gzipSync(line(1)),
    zstdCompressSync(line(1)),
    Buffer.from(`\ufeff${line(1)}`, "utf16le"),
    Buffer.from(JSON.stringify({ msg: FAILED })),
  ];
  for (const stdin of inputs) {
    for (const command of [["scan", "-"], ["eval"]]) {
      const { code, stdout, stderr } = await picket([...command, "-r", dir.file("rule.yml")], {
        stdin,
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout.match(/"rule_title":"Failed"/g)?.length, 1, stderr);
    }
  }
  const binary = await picket(["eval", "-r", dir.file("rule.yml")], {
    stdin: Buffer.from("\u007fELF\u0002\0\0\0"),
  });
  assert.equal(binary.code, 2);
  assert.match(binary.stderr, /Cannot read stdin: neither EVTX nor text/);
});

test("eval answers each line of a live stream at once", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("rule.yml"), RULE);
  const child = spawn(PICKET, ["eval", "-q", "-r", dir.file("rule.yml")], { stdio: "pipe" });
  const answers = child.stdout[Symbol.asyncIterator]();
  const slowest: number[] = [];
  try {
    for (let at = 0; at < 5; at++) {
      const startedAt = performance.now();
      child.stdin.write(at % 2 === 0 ? line(at) : `${JSON.stringify({ msg: FAILED })}\n`);
      const { value } = await answers.next();
      assert.match(String(value), /"rule_title":"Failed"/);
      // The first answer waits for the start of the process.
      if (at > 0) slowest.push(performance.now() - startedAt);
    }
    child.stdin.end();
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0);
  } finally {
    child.kill("SIGKILL");
  }
  assert.ok(Math.max(...slowest) < 1000, `${slowest}`);
});
