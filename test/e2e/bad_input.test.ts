/**
 * What must not hurt: damaged and hostile data, hostile rules, files that cannot be read or written,
 * readers that go away, Ctrl-C. Long because it is one list: each case makes its own bad input.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FIXTURES, hitsOf, picket, scratch, skipWithoutExecutable } from "../support/picket.ts";

const built = skipWithoutExecutable();
const isRoot = process.getuid?.() === 0;
const FLAT = join(FIXTURES, "json/ws02_flat.ndjson");
const SECURITY = join(FIXTURES, "evtx/dc01/security.evtx");
const SECURITY_RECORDS = 27;
const MEMORY = 400 << 20;

/** Hits every event whose `Image` contains `ok`. */
const OK_RULE = `title: Ok
id: 00000000-0000-4000-8000-000000000001
logsource:
  product: windows
detection:
  selection:
    Image|contains: ok
  condition: selection
level: high
`;
const OK = '{"Image":"ok"}\n';

function text(...parts: readonly string[]): Uint8Array {
  return Buffer.from(parts.join(""), "utf8");
}

function random(bytes: number): Uint8Array {
  let state = 42;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
}

function nested(open: string, inner: string, close: string, depth: number): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

interface BadInput {
  readonly name: string;
  readonly content: () => Uint8Array;
  readonly code: number;
  /** Hits of the rule above: what was readable must not be lost. */
  readonly hits: number;
  /** What stderr must say. */
  readonly says: RegExp;
}

const HUGE = 100 << 20;
const BAD_JSON: readonly BadInput[] = [
  { name: "empty.ndjson", content: () => text(), code: 4, hits: 0, says: /No event was read/ },
  {
    name: "random.ndjson",
    content: () => random(300_000),
    code: 4,
    hits: 0,
    says: /× not a JSON event/,
  },
  {
    name: "long_line.ndjson",
    content: () => text(OK, '{"Image":"ok ', "x".repeat(HUGE), '"}\n', OK),
    code: 0,
    hits: 2,
    says: /1 × line too long\n.*byte 15: a line of 104857\d\d\d bytes was skipped/,
  },
  {
    name: "only_long_line.ndjson",
    content: () => text("x".repeat(HUGE)),
    code: 4,
    hits: 0,
    says: /1 × line too long/,
  },
  {
    name: "long_value.json",
    content: () => text("[", OK, ',{"Image":"ok ', "x".repeat(HUGE), '"},', OK, "]"),
    code: 0,
    hits: 2,
    says: /a JSON value longer than 16777216 characters was skipped/,
  },
  {
    name: "not_utf8.ndjson",
    content: () =>
      Buffer.concat([
        text('{"Image":"ok '),
        Uint8Array.of(0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80),
        text('"}\n', OK),
      ]),
    code: 0,
    hits: 2,
    says: /invalid UTF-8/,
  },
  {
    name: "deep.ndjson",
    content: () =>
      text(
        `{"Image":"ok","a":${nested("[", "1", "]", 10_000)}}\n`,
        `{"Image":"ok","a":${nested('{"a":', "1", "}", 10_000)}}\n`,
        nested('{"Image":', '"ok"', "}", 10_000),
        "\n",
        OK,
      ),
    code: 0,
    hits: 3,
    says: /Events {3}4 read/,
  },
  {
    name: "unclosed.ndjson",
    content: () => text("[".repeat(1_000_000), "\n", OK),
    code: 4,
    hits: 0,
    says: /the file ends inside a JSON value/,
  },
  {
    name: "nul.ndjson",
    content: () => text('{"Image":"ok\u0000"}\n', "\u0000".repeat(100_000), "\n", OK),
    code: 0,
    hits: 1,
    says: /1 × not a JSON event/,
  },
  {
    name: "escaped_nul.ndjson",
    content: () => text('{"Image":"ok\\u0000\\u001b[2J","a\\u0000b":1}\n'),
    code: 0,
    hits: 1,
    says: /Events {3}1 read/,
  },
  {
    name: "cut.ndjson.gz",
    content: () => gzipSync(text(OK.repeat(1000), random(100_000).join(","))).subarray(0, 90_000),
    code: 4,
    hits: 1000,
    says: /cut.ndjson.gz: unexpected end of file/,
  },
  {
    name: "not_gzip.ndjson.gz",
    content: () => Buffer.concat([Uint8Array.of(0x1f, 0x8b), random(5000)]),
    code: 4,
    hits: 0,
    says: /Cannot read .*not_gzip.ndjson.gz: /,
  },
  {
    name: "bomb.ndjson.gz",
    content: () => gzipSync(text(OK, "x".repeat(HUGE), "\n", OK)),
    code: 0,
    hits: 2,
    says: /1 × line too long/,
  },
];

for (const { name, content, code: expected, hits, says } of BAD_JSON) {
  test(`scan bears ${name}`, built, async () => {
    using dir = scratch();
    writeFileSync(dir.file("r.yml"), OK_RULE);
    writeFileSync(dir.file(name), content());
    const args = ["--rules", dir.file("r.yml"), "--include-event"];
    const { code, stdout, stderr, peakBytes, seconds } = await picket(
      ["scan", dir.file(name), ...args],
    );
    assert.equal(code, expected, stderr);
    assert.equal(stdout.split("\n").length - 1, hits, stderr);
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /unexpectedly|\n +at /);
    assert.ok(peakBytes < MEMORY, `${peakBytes} bytes`);
    assert.ok(seconds < 20);
    // What stands beside it is read all the same, and a thread of its own does no worse.
    writeFileSync(dir.file("good.ndjson"), OK.repeat(5));
    const both = await picket(["scan", dir.path, ...args, "--threads", "2"]);
    assert.equal(both.stdout.split("\n").length - 1, hits + 5);
    assert.ok(both.peakBytes < MEMORY, `${both.peakBytes} bytes`);
  });
}

test("scan keeps every intact record of a damaged EVTX file", built, async () => {
  using dir = scratch();
  const intact = readFileSync(SECURITY);
  const record = (id: number): number => {
    for (let at = 4096 + 512; at < intact.length; at++) {
      if (intact.readUInt32LE(at) === 0x2a2a && intact.readUInt32LE(at + 8) === id) return at;
    }
    throw new Error(`no record ${id}`);
  };
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(intact);
    copy[at] = value;
    return copy;
  };
  const cases: readonly (readonly [string, Uint8Array, number, number, RegExp])[] = [
    ["signature", changed(record(90219), 0), 0, 26, /EVTX record_magic/],
    ["size", changed(record(90219) + 5, 0xff), 0, 26, /EVTX record_/],
    ["cut", intact.subarray(0, record(90219) + 40), 0, 9, /EVTX truncated/],
    ["cut_chunk", intact.subarray(0, 4096 + 300), 4, 0, /No event was read/],
    ["cut_header", intact.subarray(0, 100), 4, 0, /file too short, 100 of 4096 bytes/],
    ["no_chunks", intact.subarray(0, 4096), 4, 0, /No event was read/],
    ["empty", new Uint8Array(), 4, 0, /file too short/],
    ["signature_of_file", changed(0, 0), 4, 0, /invalid file signature/],
    ["noise", random(300_000), 4, 0, /invalid file signature/],
    ["noise_in_header", Buffer.concat([intact.subarray(0, 4096), random(200_000)]), 4, 0, /./],
  ];
  for (const [name, content, expected, events, says] of cases) {
    const path = dir.file(`${name}.evtx`);
    writeFileSync(path, content);
    const { code, stderr, peakBytes } = await picket(["scan", path]);
    assert.equal(code, expected, `${name}: ${stderr}`);
    assert.match(stderr, says, name);
    assert.match(stderr, new RegExp(`Events {3}${events} read`), `${name}: ${stderr}`);
    assert.ok(peakBytes < MEMORY);
    const dump = await picket(["evtx", "dump", path]);
    assert.equal(dump.stdout.split("\n").length - 1, events, name);
    for (const args of [["evtx", "info", path], ["evtx", "info", path, "--integrity"]]) {
      const info = await picket(args);
      assert.ok(info.code === 0 || info.code === 4, info.stderr);
      assert.doesNotMatch(info.stderr, /unexpectedly/);
    }
  }
});

test("scan bears EVTX files with flipped bits and loses none beside them", built, async () => {
  using dir = scratch();
  const intact = readFileSync(SECURITY);
  const noise = random(100_000);
  for (let file = 0; file < 60; file++) {
    const copy = Buffer.from(intact);
    for (let flip = 0; flip <= file; flip++) {
      const at = 4 * (file * 61 + flip);
      const offset = (noise[at]! << 16 | noise[at + 1]! << 8 | noise[at + 2]!) % intact.length;
      copy[offset]! ^= 1 << (noise[at + 3]! & 7);
    }
    writeFileSync(dir.file(`flipped_${file}.evtx`), copy);
  }
  copyFileSync(SECURITY, dir.file("intact.evtx"));
  const { code, stdout, stderr, peakBytes } = await picket(["scan", dir.path, "--integrity"]);
  assert.ok(code === 0 || code === 4, stderr);
  const alone = hitsOf((await picket(["scan", dir.file("intact.evtx")])).stdout);
  assert.deepEqual(
    hitsOf(stdout).filter(({ source }) => source.path === dir.file("intact.evtx")),
    alone,
  );
  const read = Number(/Events {3}([\d,]+) read/.exec(stderr)![1]!.replace(",", ""));
  assert.ok(read > 20 * SECURITY_RECORDS && read <= 61 * SECURITY_RECORDS, `${read} records`);
  assert.ok(peakBytes < MEMORY);
});

const LAUGHS = Array.from(
  { length: 12 },
  (_, at) => `x${at + 1}: &x${at + 1} [${`*x${at}, `.repeat(9)}]\n`,
).join("");

function rule(detection: string, condition = "selection"): string {
  return `title: Hostile\nid: 00000000-0000-4000-8000-000000000002\nlogsource:\n` +
    `  product: windows\ndetection:\n  selection:\n    ${detection}\n  condition: ${condition}\n`;
}

/** Rule files, and the code of the problem; `undefined` for those that are merely expensive. */
const HOSTILE_RULES: readonly (readonly [string, () => string | Uint8Array, RegExp | undefined])[] =
  [
    [
      "an alias inside its own anchor",
      () =>
        "title: C\ndetection: &d\n  selection: &s\n    Image: x\n    more: *s\n  other: *d\n" +
        "  condition: selection\n",
      /yaml_alias/,
    ],
    [
      "aliases that multiply",
      () => `x0: &x0 [x, x]\n${LAUGHS}${rule("Image: *x12")}`,
      /yaml_alias/,
    ],
    ["a value of 10 MB", () => rule(`Image|contains: '${"x".repeat(10 << 20)}'`), /file_too_large/],
    [
      "a value of 500 KB",
      () => rule(`Image|contains: '${"x".repeat(500_000)}'`),
      /too_long|too_large/,
    ],
    [
      "60,000 values",
      () =>
        rule(
          `Image|contains:\n${
            Array.from({ length: 60_000 }, (_, at) => `      - v${at}\n`).join("")
          }`,
        ),
      undefined,
    ],
    ["collections nested 100,000 deep", () => "[".repeat(100_000), /yaml_too_deep/],
    ["mappings nested 5,000 deep", () => "{a: ".repeat(5000), /yaml_too_deep|yaml_syntax/],
    [
      "a condition nested 20,000 deep",
      () => rule("Image: x", nested("(", "selection", ")", 20_000)),
      /condition_too_deep/,
    ],
    [
      "a condition of 15,000 nots",
      () => rule("Image: x", `${"not ".repeat(15_000)}selection`),
      undefined,
    ],
    ["NUL bytes", () => "title: a\0b\ndetection: {}\n", /× \w+/],
    ["random bytes", () => random(100_000), /invalid_utf8/],
    ["3,000 wildcards", () => rule(`Image|contains: '${"*a".repeat(3000)}'`), undefined],
    ["(a+)+$", () => rule("Image|re: '(a+)+$'"), undefined],
    ["(a|a)*b", () => rule("Image|re: '(a|a)*b'"), undefined],
    ["(.*a){20}", () => rule("Image|re: '(.*a){20}'"), undefined],
    ["(x+x+)+y", () => rule("Image|re: '(x+x+)+y'"), undefined],
    ["(a?){3000}a{3000}", () => rule("Image|re: '(a?){3000}a{3000}'"), undefined],
    ["a{1000}{1000}", () => rule("Image|re: 'a{1000}{1000}'"), /invalid_regex/],
    [
      "nested counts",
      () => rule("Image|re: '(((a{0,100}){0,100}){0,100}){0,100}'"),
      /invalid_regex/,
    ],
    ["5,000 groups", () => rule(`Image|re: '${nested("(", "a", ")", 5000)}'`), /invalid_regex/],
    ["a back-reference", () => rule("Image|re: '(a+)\\1'"), /invalid_regex/],
  ];

for (const [name, content, problem] of HOSTILE_RULES) {
  test(`scan bears a rule with ${name}`, built, async () => {
    using dir = scratch();
    writeFileSync(dir.file("hostile.yml"), content());
    writeFileSync(dir.file("ok.yml"), OK_RULE);
    const values = ["a".repeat(500_000) + "!", "x".repeat(500_000), "ok", "ab".repeat(100_000)];
    writeFileSync(
      dir.file("events.ndjson"),
      values.map((value) => `{"Image":"${value}"}\n`).join(""),
    );
    const args = ["scan", dir.file("events.ndjson"), "--rules", dir.path];
    const { code, stdout, stderr, seconds, peakBytes } = await picket(args);
    assert.equal(code, 0, stderr);
    assert.ok(hitsOf(stdout).some(({ rule_title: title }) => title === "Ok"));
    if (problem === undefined) assert.match(stderr, /2 rules loaded, 0 not loaded/);
    else {
      assert.match(stderr, problem);
      assert.match(stderr, /hostile\.yml/);
    }
    assert.ok(stderr.length < 20_000, `${stderr.length} characters on stderr`);
    assert.ok(seconds < 10, `${seconds} s`);
    assert.ok(peakBytes < MEMORY, `${peakBytes} bytes`);
  });
}

test("scan follows links once and says which lead nowhere", built, async () => {
  using dir = scratch();
  mkdirSync(dir.file("a/b/c"), { recursive: true });
  copyFileSync(FLAT, dir.file("a/b/c/log.ndjson"));
  symlinkSync("..", dir.file("a/b/up"));
  symlinkSync("../../../a", dir.file("a/b/c/again"));
  symlinkSync("a/b/c/log.ndjson", dir.file("same.ndjson"));
  symlinkSync("self.ndjson", dir.file("self.ndjson"));
  symlinkSync("nowhere", dir.file("dangling.ndjson"));
  const { code, stdout, stderr } = await picket(["scan", dir.path, dir.file("a"), dir.path]);
  assert.equal(code, 4);
  assert.equal(hitsOf(stdout).length, 4);
  assert.match(stderr, /Cannot read .*dangling.ndjson: ENOENT/);
  assert.match(stderr, /Cannot read .*self.ndjson: ELOOP/);
  assert.match(stderr, /1 file, .* 2 not readable/);
});

test("scan says when there was nothing to read", built, async () => {
  using dir = scratch();
  for (const path of [dir.path, dir.file("missing"), dir.file("*.evtx"), "/dev/null"]) {
    const { code, stderr } = await picket(["scan", path]);
    assert.equal(code, 4);
    assert.match(stderr, /No event was read/);
  }
  const { stderr } = await picket(["scan", dir.file("\u001b[2Jmissing")]);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(stderr, /\u001b/);
});

const unprivileged = !isRoot
  ? []
  : existsSync("/usr/bin/setpriv")
  ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
  : undefined;

test("scan reads on beside what it may not read", {
  skip: built.skip || (unprivileged === undefined && "skipped: root without setpriv"),
}, async () => {
  using dir = scratch();
  chmodSync(dir.path, 0o755);
  mkdirSync(dir.file("closed"));
  copyFileSync(FLAT, dir.file("readable.ndjson"));
  copyFileSync(FLAT, dir.file("secret.ndjson"));
  copyFileSync(SECURITY, dir.file("secret.evtx"));
  for (const name of ["secret.ndjson", "secret.evtx", "closed"]) chmodSync(dir.file(name), 0);
  const { code, stdout, stderr } = await picket(["scan", dir.path], { wrapper: unprivileged! });
  chmodSync(dir.file("closed"), 0o700);
  assert.equal(code, 4, stderr);
  assert.equal(hitsOf(stdout).length, 4);
  for (const name of ["secret.ndjson", "secret.evtx", "closed"]) {
    assert.match(stderr, new RegExp(`Cannot read .*${name}: EACCES: permission denied`));
  }
  assert.match(stderr, /3 not readable/);
});

/** A file system of 256 KiB, or why there is none. */
function smallDisk(path: string): string | undefined {
  if (!isRoot) return "skipped: mounting a small file system needs root";
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", path], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `skipped: ${error instanceof Error ? error.message.split("\n")[1] : String(error)}`;
  }
}

/** About 22 MB of hits, more than is sorted in memory. */
function manyHits(path: string): void {
  const pad = "x".repeat(1000);
  const lines: string[] = [];
  for (let line = 0; line < 20_000; line++) {
    const when = new Date(Date.UTC(2025, 0, 1) + (line * 7919 % 20_000) * 1000).toISOString();
    lines.push(`{"@timestamp":"${when}","Image":"ok","Line":${line + 1},"Pad":"${pad}"}`);
  }
  writeFileSync(path, lines.join("\n"));
}

test("scan says when the disk is full, wherever it is", built, async (t) => {
  using dir = scratch();
  for (const args of [["-o", "/dev/full"], ["--stats", "/dev/full"]]) {
    if (!existsSync("/dev/full")) break;
    const { code, stderr } = await picket(["scan", FIXTURES, ...args]);
    assert.equal(code, 4);
    assert.match(stderr, /\nSummary\n[^]*error: Cannot write .*ENOSPC/);
  }
  const disk = dir.file("disk");
  mkdirSync(disk);
  const reason = smallDisk(disk);
  if (reason !== undefined) {
    console.log(reason);
    t.skip(reason);
    return;
  }
  try {
    writeFileSync(dir.file("r.yml"), OK_RULE);
    manyHits(dir.file("log.ndjson"));
    const args = ["scan", dir.file("log.ndjson"), "--rules", dir.file("r.yml"), "--include-event"];
    const full = await picket([...args, "-o", join(disk, "hits.ndjson")]);
    assert.equal(full.code, 4);
    assert.match(full.stderr, /\nSummary\n[^]*error: Cannot write output: ENOSPC/);
    // What fitted is there, in order, and whole but for the last line.
    const lines = readFileSync(join(disk, "hits.ndjson"), "utf8").split("\n").slice(0, -1);
    assert.ok(lines.length > 100);
    assert.doesNotThrow(() => lines.map((line) => JSON.parse(line)));
    for (const threads of ["1", "2"]) {
      const env = { ...process.env as Record<string, string>, TMPDIR: disk };
      const extra = ["--threads", threads, ...threads === "2" ? [FLAT] : []];
      const spilled = await picket([...args, ...extra, "-o", dir.file("hits.ndjson")], { env });
      assert.equal(spilled.code, 4);
      assert.match(spilled.stderr, /error: Cannot sort the results in .*ENOSPC.*TMPDIR/);
      assert.doesNotMatch(spilled.stderr, /\n +at /);
      assert.deepEqual(readdirSync(disk).filter((name) => name.startsWith("picket-")), []);
    }
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("scan sorts more hits than it holds and leaves no temporary file", built, async () => {
  using dir = scratch();
  mkdirSync(dir.file("tmp"));
  const env = { ...process.env as Record<string, string>, TMPDIR: dir.file("tmp") };
  writeFileSync(dir.file("r.yml"), OK_RULE);
  manyHits(dir.file("log.ndjson"));
  copyFileSync(dir.file("log.ndjson"), dir.file("copy.ndjson"));
  const paths = [dir.file("log.ndjson"), dir.file("copy.ndjson")];
  const args = ["scan", ...paths, "-q", "--rules", dir.file("r.yml"), "--include-event"];
  const one = await picket([...args, "--threads", "1"], { env });
  const two = await picket([...args, "--threads", "2"], { env });
  assert.equal(one.stdout, two.stdout);
  const hits = hitsOf(one.stdout);
  assert.equal(hits.length, 40_000);
  for (const { source, event } of hits) assert.equal(event!["Line"], source.record_id);
  const times = hits.map(({ source }) => source.timestamp!);
  assert.deepEqual(times, [...times].sort());
  assert.deepEqual(readdirSync(dir.file("tmp")), []);
  const early = await picket(args, { env, closeStdoutEarly: true });
  assert.equal(early.code, 0);
  assert.equal(early.stderr, "");
  assert.deepEqual(readdirSync(dir.file("tmp")), []);
});

test(
  "a reader that goes away is no error",
  { skip: built.skip || process.platform === "win32" },
  async () => {
    const shell = (command: string) => ({ wrapper: ["sh", "-c", command] });
    for (const args of [["scan", FIXTURES, "-q"], ["evtx", "dump", SECURITY]]) {
      const { stdout, stderr, seconds } = await picket(
        args,
        shell(`{ "$0" "$@"; echo "exit $?" >&2; } | head -n 1`),
      );
      assert.match(stdout, /^\{.*\}\n$/);
      assert.match(stderr, /exit 0\n$/);
      assert.doesNotMatch(stderr, /error/i);
      assert.ok(seconds < 5);
    }
  },
);

/** A log that takes seconds when it is read without index. */
function slowLog(path: string): void {
  const lines = readFileSync(FLAT, "utf8").trim().split("\n");
  const out: string[] = [];
  for (let line = 0; line < 60_000; line++) out.push(lines[line % lines.length]!);
  writeFileSync(path, out.join("\n"));
}

test("Ctrl-C ends a scan with what was found and exit code 130", built, async () => {
  using dir = scratch();
  slowLog(dir.file("log.ndjson"));
  slowLog(dir.file("other.ndjson"));
  for (const threads of ["1", "2"]) {
    const args = ["--no-index", "--no-logsource-routing", "--threads", threads];
    let sent = false;
    const { code, stdout, stderr, seconds } = await picket(["scan", dir.path, ...args], {
      onStderr: (_, child) => {
        if (!sent) setTimeout(() => child.kill("SIGINT"), 1500);
        sent = true;
      },
    });
    assert.equal(code, 130, stderr);
    assert.match(stderr, /\nInterrupted; so far:\n/);
    const read = Number(/Events {3}([\d,]+) read/.exec(stderr)![1]!.replaceAll(",", ""));
    assert.ok(read > 0 && read < 120_000, `${read} events`);
    assert.ok(hitsOf(stdout).length > 0);
    assert.ok(seconds < 8, `${seconds} s`);
  }
});

test("Ctrl-C ends a scan that waits for a silent pipe", built, async () => {
  using dir = scratch();
  execFileSync("mkfifo", [dir.file("pipe")]);
  for (const path of ["-", dir.file("pipe")]) {
    const { code, stderr, seconds } = await picket(["scan", path], {
      stdin: "open",
      onStderr: (text, child) => {
        if (!text.includes("Interrupted")) setTimeout(() => child.kill("SIGTERM"), 200);
      },
    });
    assert.equal(code, 130);
    assert.match(stderr, /Interrupted; so far:/);
    assert.ok(seconds < 5, `${seconds} s`);
  }
});

test("a second Ctrl-C ends a scan at once and leaves no temporary file", built, async () => {
  using dir = scratch();
  slowLog(dir.file("log.ndjson"));
  mkdirSync(dir.file("tmp"));
  const env = { ...process.env as Record<string, string>, TMPDIR: dir.file("tmp") };
  const args = [
    "--no-index",
    "--no-logsource-routing",
    "--include-event",
    "--match-detail",
    "full",
  ];
  let sent = false;
  let signalledAt = 0;
  const { code } = await picket(["scan", dir.path, ...args], {
    env,
    onStderr: (_, child) => {
      if (sent) return;
      sent = true;
      setTimeout(() => {
        signalledAt = performance.now();
        child.kill("SIGINT");
        child.kill("SIGINT");
        setTimeout(() => child.kill("SIGINT"), 50);
      }, 1500);
    },
  });
  assert.equal(code, 130);
  assert.ok(performance.now() - signalledAt < 2500, `${performance.now() - signalledAt} ms`);
  assert.deepEqual(readdirSync(dir.file("tmp")), []);
});
