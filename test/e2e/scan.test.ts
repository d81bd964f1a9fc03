/**
 * `picket scan` as a user meets it: the built executable on the fixtures.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FIXTURES, hitsOf, picket, scratch, skipWithoutExecutable } from "../support/picket.ts";

const built = skipWithoutExecutable();
const FLAT = join(FIXTURES, "json/ws02_flat.ndjson");
const SECURITY = join(FIXTURES, "evtx/dc01/security.evtx");

function rule(title: string, id: number, detection: string, level = "high"): string {
  return `title: ${title}\nid: 00000000-0000-4000-8000-${String(id).padStart(12, "0")}\n` +
    `status: test\nlogsource:\n  category: process_creation\n  product: windows\n` +
    `detection:\n  selection:\n    ${detection}\n  condition: selection\nlevel: ${level}\n`;
}

test("scan finds the intrusion of the fixtures with the embedded rules", built, async () => {
  const { code, stdout, stderr } = await picket(["scan", FIXTURES]);
  assert.equal(code, 0);
  const hits = hitsOf(stdout);
  const critical = hits.filter(({ level }) => level === "critical").map((hit) => [
    hit.rule_title,
    hit.source.computer,
    hit.source.record_id,
  ]);
  assert.deepEqual(critical.sort(), [
    ["Account Created With The User Number Of Root", "web02", 14],
    ["Account Created With The User Number Of Root", "web03", 23],
    ["Defender Detected An Intruder's Tool", "WS01.corp.example", 78],
    ["LSASS Opened By Code That Writes Memory Dumps", "WS01.corp.example", 4124],
    ["Named Pipe Of An Attack Framework", "WS01.corp.example", 4121],
  ]);
  assert.deepEqual(
    new Set(hits.map(({ source }) => source.computer)),
    new Set(["WS01.corp.example", "WS02.corp.example", "DC01.corp.example", "web02", "web03"]),
  );
  for (const { source, matched_fields: fields } of hits) {
    // Where only keywords matched, the message is what there is to show.
    const hasMessage = source.path.endsWith(".log") || fields.length === 0;
    assert.deepEqual(Object.keys(source), [
      "path",
      "record_id",
      "channel",
      "computer",
      "timestamp",
      ...(hasMessage ? ["message"] : []),
    ]);
    assert.ok(source.path.startsWith(FIXTURES));
    assert.equal(typeof source.record_id, "number");
    assert.match(source.timestamp ?? "", /^2025-03-11T\d\d:\d\d:\d\d(?:\.\d+)?Z$/);
  }
  const times = hits.map(({ source }) => Date.parse(source.timestamp!));
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  assert.match(stderr, /^\d+ rules loaded, 0 not loaded; 12 files to scan\n/);
  assert.match(stderr, /Events {3}153 read, 0 skipped, 48 with hits/);
  assert.match(stderr, /1 × EVTX record_magic/);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(stdout + stderr, /\u001b/);
});

test(
  "scan gives the same bytes with any number of threads and without the index",
  built,
  async () => {
    const expected = await picket(["scan", FIXTURES, "-q", "--threads", "1"]);
    const others = [["--threads", "2"], ["--threads", "4"], ["--no-index"], []];
    for (const format of ["ndjson", "csv", "table", "json"]) {
      const args = ["scan", FIXTURES, "-q", "--output-format", format];
      const first = format === "ndjson" ? expected : await picket([...args, "--threads", "1"]);
      for (const other of format === "ndjson" ? others : [["--threads", "3"]]) {
        const { stdout } = await picket([...args, ...other]);
        assert.ok(stdout.length > 1000);
        assert.equal(stdout, first.stdout, other.join(" "));
      }
    }
  },
);

test("scan writes the format that the ending of -o names", built, async () => {
  using dir = scratch();
  const expected = await picket(["scan", FIXTURES, "-q"]);
  const formats: readonly (readonly [string, RegExp])[] = [
    ["hits.csv", /^timestamp,level,rule_title,rule_id,computer,channel,record_id,path,tags,/],
    ["hits.txt", /^TIME \(UTC\) +LEVEL +RULE +COMPUTER +RECORD +DETAILS\n2025-03-11 08:15:21/],
    ["hits.ndjson", /^\{"rule_title":/],
    ["hits", /^\{"rule_title":/],
  ];
  for (const [name, head] of formats) {
    const { code, stdout } = await picket(["scan", FIXTURES, "-q", "-o", dir.file(name)]);
    assert.equal(code, 0);
    assert.equal(stdout, "");
    const text = readFileSync(dir.file(name), "utf8");
    assert.match(text, head);
    if (head.source.includes('rule_title"')) assert.equal(text, expected.stdout);
    else assert.equal(text.split("\n").length - 2, hitsOf(expected.stdout).length);
  }
  // A second run must not read what the first has left below the scanned directory.
  copyFileSync(FLAT, dir.file("log.ndjson"));
  const paths = [dir.file("log.ndjson"), dir.file("hits.ndjson")];
  for (let run = 0; run < 2; run++) {
    await picket(["scan", ...paths, "-q", "-o", dir.file("hits.ndjson")]);
    const hits = hitsOf(readFileSync(dir.file("hits.ndjson"), "utf8"));
    assert.equal(hits.length, 4);
  }
});

test("scan --stats counts what the output holds", built, async () => {
  using dir = scratch();
  const path = dir.file("stats.json");
  const { stdout } = await picket(["scan", FIXTURES, "-q", "--stats", path, "--integrity"]);
  const hits = hitsOf(stdout);
  const stats = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  const byRule: Record<string, number> = {};
  const byLevel: Record<string, number> = {};
  for (const { rule_id: id, level } of hits) {
    byRule[id] = (byRule[id] ?? 0) + 1;
    byLevel[level] = (byLevel[level] ?? 0) + 1;
  }
  assert.equal(stats["files"], 12);
  assert.ok(stats["bytes"] as number > 500_000);
  assert.equal(stats["events"], 153);
  assert.equal(stats["events_evaluated"], 153);
  assert.equal(stats["matches"], hits.length);
  assert.deepEqual(stats["matches_by_rule"], byRule);
  assert.deepEqual(stats["matches_by_level"], { low: 0, informational: 0, ...byLevel });
  assert.ok(stats["rules_loaded"] as number >= 100);
  assert.equal(stats["rules_failed"], 0);
  assert.equal(stats["errors"], 1);
  assert.deepEqual(stats["errors_by_reason"], { "EVTX record_magic": 1 });
  for (const name of ["seconds", "events_per_second", "peak_rss_bytes"]) {
    assert.ok(stats[name] as number > 0, name);
  }
  const integrity = stats["integrity"] as readonly {
    readonly path: string;
    readonly counts: Readonly<Record<string, number>>;
  }[];
  assert.equal(integrity.length, 8);
  const suspicious = integrity.filter(({ counts }) => Object.keys(counts).length > 0)
    .map(({ path, counts }) => [path.slice(FIXTURES.length + 1), counts]);
  assert.deepEqual(suspicious, [
    ["evtx/dc01/security.evtx", { log_cleared: 1 }],
    ["evtx/dc01/sysmon_damaged.evtx", { checksum_mismatch: 1, damage: 1, record_gap: 1 }],
  ]);
});

test("scan --integrity sums its findings up on stderr", built, async () => {
  const { code, stderr } = await picket(["scan", join(FIXTURES, "evtx"), "--integrity"]);
  assert.equal(code, 0);
  assert.match(stderr, /\nIntegrity\n {2}nothing suspicious in 6 EVTX files\n/);
  assert.match(stderr, /1 × log_cleared: the Security log says that a log was cleared at 2025/);
  assert.match(stderr, /1 × record_gap: /);
});

test("scan selects rules, files and times", built, async () => {
  const all = hitsOf((await picket(["scan", FIXTURES, "-q"])).stdout);
  const cut = "2025-03-11T08:16:00Z";
  const cases: readonly (readonly [readonly string[], (hit: typeof all[number]) => boolean])[] = [
    [["--min-level", "critical"], ({ level }) => level === "critical"],
    [["--min-level", "high"], ({ level }) => level === "critical" || level === "high"],
    [
      ["--rule", "named pipe of an attack framework"],
      ({ rule_title: title }) => title === "Named Pipe Of An Attack Framework",
    ],
    [["--rule", all[0]!.rule_id], ({ rule_id: id }) => id === all[0]!.rule_id],
    [["--exclude", "*.evtx"], ({ source }) => !source.path.endsWith(".evtx")],
    [
      ["--exclude", "evtx/dc01", "--exclude", "json", "--exclude", "syslog"],
      ({ source }) => source.path.includes("evtx/ws01"),
    ],
    [["--since", cut], ({ source }) => Date.parse(source.timestamp!) >= Date.parse(cut)],
    [["--until", cut], ({ source }) => Date.parse(source.timestamp!) <= Date.parse(cut)],
    [["--since", "2025-03-12"], () => false],
  ];
  for (const [args, keeps] of cases) {
    const { stdout, code } = await picket(["scan", FIXTURES, "-q", ...args]);
    assert.equal(code, 0, args.join(" "));
    assert.deepEqual(hitsOf(stdout), all.filter(keeps), args.join(" "));
  }
});

test("scan says with its exit code what was found and what was wrong", built, async () => {
  using dir = scratch();
  writeFileSync(dir.file("bad.yml"), "title: Broken\ndetection: 5\n");
  writeFileSync(dir.file("good.yml"), rule("Good", 1, "Image|endswith: '\\nothing.exe'"));
  const damaged = join(FIXTURES, "evtx/dc01/sysmon_damaged.evtx");
  const cases: readonly (readonly [readonly string[], number])[] = [
    [[FIXTURES], 0],
    [[FIXTURES, "--fail-on-detection"], 1],
    [[FLAT, "--fail-on-detection", "--rules", dir.file("good.yml")], 0],
    [[FLAT, "--rules", dir.path], 0],
    [[FLAT, "--rules", dir.path, "--strict"], 2],
    [[FLAT, "--rules", dir.file("bad.yml")], 2],
    [[FLAT, "--rules", dir.file("missing.yml")], 2],
    [[damaged], 0],
    [[damaged, "--strict"], 4],
    [[FLAT, "--rule", "no such rule"], 3],
    [[FLAT, "--threads", "0"], 3],
    [[FLAT, "--no-embedded-rules"], 3],
    [[FLAT, "--since", "yesterday"], 3],
    [[FLAT, "--unknown"], 3],
    [[], 3],
    [[FLAT, "-o", join(dir.path, "missing", "hits.csv")], 3],
    [[dir.file("missing.evtx")], 4],
    [[dir.file("missing.evtx"), FLAT], 4],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await picket(["scan", ...args]);
    assert.equal(code, expected, `${args.join(" ")}: ${stderr}`);
    assert.doesNotMatch(stderr, /unexpectedly|\n +at /);
  }
  const usage = await picket(["scan", FLAT, "--sinc", "2025-01-01"]);
  assert.match(usage.stderr, /Did you mean --since\?/);
});

test("scan --quiet leaves errors and nothing else on stderr", built, async () => {
  assert.equal((await picket(["scan", FLAT, "-q"])).stderr, "");
  const { stderr } = await picket(["scan", FLAT, "/nonexistent", "-q"]);
  assert.match(stderr, /^Cannot read \/nonexistent: /);
});

test("scan adds the event and the detail that are asked for", built, async () => {
  const plain = hitsOf((await picket(["scan", FLAT, "-q"])).stdout);
  const { stdout } = await picket(["scan", FLAT, "-q", "--include-event"]);
  const lines = readFileSync(FLAT, "utf8").split("\n");
  for (const [at, { event, ...rest }] of hitsOf(stdout).entries()) {
    assert.deepEqual(rest, plain[at]);
    assert.deepEqual(event, JSON.parse(lines[rest.source.record_id! - 1]!));
  }
  for (const level of ["summary", "full"]) {
    const hits = hitsOf((await picket(["scan", FLAT, "-q", "--match-detail", level])).stdout);
    assert.equal(hits.length, plain.length);
    const size = (list: readonly unknown[]): number => JSON.stringify(list).length;
    assert.ok(size(hits) > size(plain), level);
  }
});

test("scan --no-logsource-routing evaluates every rule on every event", built, async () => {
  using dir = scratch();
  const elsewhere = rule("Any", 1, "Channel: Security").replace("process_creation", "dns_query");
  writeFileSync(dir.file("r.yml"), elsewhere);
  const args = ["scan", SECURITY, "-q", "--rules", dir.file("r.yml")];
  assert.equal((await picket(args)).stdout, "");
  const hits = hitsOf((await picket([...args, "--no-logsource-routing"])).stdout);
  assert.equal(hits.length, 27);
});

test("scan reads stdin, packed files and streams as it reads files", built, async () => {
  using dir = scratch();
  const bare = (text: string): unknown[] =>
    hitsOf(text).map(({ source: { path: _, ...source }, ...hit }) => ({ ...hit, source }));
  for (const path of [FLAT, SECURITY]) {
    const expected = bare((await picket(["scan", path, "-q"])).stdout);
    assert.ok(expected.length >= 2);
    const content = readFileSync(path);
    for (const stdin of [content, gzipSync(content)]) {
      const { stdout, code } = await picket(["scan", "-", "-q"], { stdin });
      assert.equal(code, 0);
      assert.deepEqual(bare(stdout), expected);
      assert.ok(hitsOf(stdout).every(({ source }) => source.path === "-"));
    }
    const packed = dir.file(`${path.endsWith("x") ? "a.evtx" : "a.ndjson"}.gz`);
    writeFileSync(packed, gzipSync(content));
    assert.deepEqual(bare((await picket(["scan", packed, "-q"])).stdout), expected);
    const piped = await picket(["scan", "/dev/stdin", "-q"], {
      wrapper: ["sh", "-c", `cat "$0" | "$@"`, path],
    });
    assert.deepEqual(bare(piped.stdout), expected);
  }
  const found = hitsOf((await picket(["scan", dir.path, "-q"])).stdout);
  assert.equal(new Set(found.map(({ source }) => source.path)).size, 2);
});

test("scan numbers the lines of a file that several threads share", built, async () => {
  using dir = scratch();
  const path = dir.file("large.ndjson");
  const wanted: number[] = [];
  const blocks: string[] = [];
  for (let line = 1; line <= 100_000; line++) {
    const isWanted = line % 7919 === 0 || line === 1 || line === 100_000;
    if (isWanted) wanted.push(line);
    blocks.push(JSON.stringify({
      "@timestamp": new Date(Date.UTC(2025, 0, 1) + line).toISOString(),
      EventID: 1,
      Channel: "Microsoft-Windows-Sysmon/Operational",
      Image: isWanted ? "C:\\Temp\\needle.exe" : "C:\\Windows\\explorer.exe",
      Note: (line % 3 === 0 ? "ä" : "a").repeat(600 + line % 200),
    }));
  }
  writeFileSync(path, blocks.join("\n"));
  writeFileSync(dir.file("r.yml"), rule("Needle", 1, "Image|endswith: '\\needle.exe'"));
  mkdirSync(dir.file("tmp"));
  let first: string | undefined;
  for (const threads of ["1", "2", "4"]) {
    const { stdout, code, peakBytes } = await picket(
      ["scan", path, "-q", "--rules", dir.file("r.yml"), "--threads", threads],
    );
    assert.equal(code, 0);
    assert.deepEqual(hitsOf(stdout).map(({ source }) => source.record_id), wanted);
    assert.equal(first ??= stdout, stdout);
    assert.ok(peakBytes < 400 << 20, `${peakBytes} bytes of memory with ${threads} threads`);
  }
});

test("help and version are answered on stdout", built, async () => {
  const version = await picket(["--version"]);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  for (const command of [[], ["scan"], ["evtx"], ["evtx", "dump"], ["rules", "bundle", "build"]]) {
    const { stdout, code, stderr } = await picket([...command, "--help"]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /^Usage: picket/);
    assert.ok(stdout.split("\n").every((line) => line.length <= 100), command.join(" "));
  }
  const unknown = await picket(["scna"]);
  assert.equal(unknown.code, 3);
  assert.match(unknown.stderr, /Did you mean scan\?/);
});
