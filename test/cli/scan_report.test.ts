/**
 * The summary and the statistics of a scan.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { painter, textWidth } from "../../cli/render/text.ts";
import {
  notLoadedLines,
  rulesNotLoaded,
  scanProblems,
  type ScanReport,
  scanStatistics,
  scanSummary,
} from "../../cli/scan/report.ts";
import {
  addCounts,
  countComputer,
  countError,
  emptyCounts,
  type ScanCounts,
} from "../../cli/scan/types.ts";
import { parseRules } from "../../src/sigma/parse.ts";
import type { RuleProblem } from "../../src/sigma/rule.ts";

const PLAIN = painter(false);

const RULES = parseRules(
  [
    ["First", "high", "attack.t1059.001"],
    ["Second", "critical", "attack.t1003"],
    ["Third", "high", "attack.execution"],
    ["A title that is so long that no terminal of a usual width can show all of it", "low", "x.y"],
  ].map(([title, level, tag], at) =>
    `title: ${title}\nid: 0000000${at}-0000-4000-8000-000000000000\nlevel: ${level}\n` +
    `tags: [${tag}]\nlogsource: {product: windows}\n` +
    `detection: {selection: {a: b}, condition: selection}\n`
  ).join("---\n"),
  "rules.yml",
).rules;

function problem(path: string, document: number, code = "broken"): RuleProblem {
  return { severity: "error", code, path, document, line: 3, message: `wrong in ${document}` };
}

function report(counts: ScanCounts, overrides: Partial<ScanReport> = {}): ScanReport {
  return {
    files: [{ path: "a.evtx", kind: "evtx", size: 2048 }],
    unreadable: [],
    skipped: { name: 0, binary: 0 },
    collection: { rules: RULES, correlations: [], filters: [], problems: [] },
    rules: RULES,
    outcome: {
      counts,
      applied: [true, true, false, true],
      fields: [],
      interrupted: false,
      hits: () => {
        throw new Error("a report needs no hits");
      },
      discard: () => {},
    },
    seconds: 2,
    ...overrides,
  };
}

function someCounts(): ScanCounts {
  const counts = emptyCounts();
  Object.assign(counts, {
    bytes: 2048,
    events: 1000,
    eventsEvaluated: 900,
    eventsWithHits: 6,
    matches: 7,
    firstTime: Date.UTC(2025, 0, 1),
    lastTime: Date.UTC(2025, 0, 2),
  });
  for (const [rule, hits] of [[2, 2], [0, 2], [1, 1], [3, 2]] as const) {
    counts.byRule.set(rule, hits);
  }
  countComputer(counts, "WS01", 3);
  countComputer(counts, "DC01", 4);
  for (let at = 0; at < 7; at++) countError(counts, "EVTX token", "a.evtx", `byte ${at}`, "bad");
  return counts;
}

test("scanSummary() says what was read, found and lost", () => {
  const lines = scanSummary(report(someCounts()), PLAIN, Infinity);
  const text = lines.join("\n");
  for (
    const part of [
      "Files    1 file, 2.0 KiB",
      "Events   1,000 read, 100 skipped, 6 with hits",
      "Time     2025-01-01T00:00:00.000Z to 2025-01-02T00:00:00.000Z",
      "Matches  7: 1 critical, 4 high, 2 low",
      "Rules    4 loaded, 0 not loaded, 1 never applicable to these events",
      "2.00 s, 500 events/s",
      "7 × EVTX token\n    a.evtx, byte 0: bad\n    a.evtx, byte 1: bad\n    a.evtx, byte 2: bad\n" +
      "    a.evtx, byte 3: bad\n    a.evtx, byte 4: bad\n" +
      "    … 2 more",
    ]
  ) assert.ok(text.includes(part), `${part} in\n${text}`);
  // Gravest first, then most hits, then the order of the rules; computers by hits.
  const order = ["Second", "First", "Third", "A title"].map((title) => text.indexOf(title));
  assert.deepEqual(order, [...order].sort((a, b) => a - b));
  assert.ok(text.indexOf("DC01") < text.indexOf("WS01"));
  assert.match(text, /critical {2}Second +T1003\n/);
});

test("scanSummary() fits tables to the terminal and cuts no message", () => {
  const long = "x".repeat(250);
  const counts = someCounts();
  countError(counts, "EVTX token", "a.evtx", "", long);
  for (const columns of [80, 100]) {
    const lines = scanSummary(report(counts), PLAIN, columns);
    for (const line of lines) assert.ok(textWidth(line) <= columns, line);
  }
  const unreadable = [{ path: "\u001b[2Jb.evtx", message: long }];
  const text = scanSummary(report(counts, { unreadable }), PLAIN, 80).join("\n");
  assert.ok(text.includes(long));
  assert.ok(!text.includes("\u001b"));
});

test("scanSummary() of a scan that read nothing has no holes", () => {
  const text = scanSummary(report(emptyCounts(), { files: [], seconds: 0 }), PLAIN, 80).join("\n");
  assert.match(text, /Time {5}no event tells one/);
  assert.match(text, /Matches {2}none/);
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
});

test("scanStatistics() has every level, and errors with what could not be opened", () => {
  const unreadable = [{ path: "b.evtx", message: "EACCES" }];
  const stats = scanStatistics(report(someCounts(), { unreadable }));
  assert.deepEqual(stats.matches_by_level, {
    critical: 1,
    high: 4,
    medium: 0,
    low: 2,
    informational: 0,
  });
  assert.deepEqual(stats.matches_by_rule, {
    "00000002-0000-4000-8000-000000000000": 2,
    "00000000-0000-4000-8000-000000000000": 2,
    "00000001-0000-4000-8000-000000000000": 1,
    "00000003-0000-4000-8000-000000000000": 2,
  });
  assert.deepEqual(stats.matches_by_computer, { WS01: 3, DC01: 4 });
  assert.equal(stats.errors, 8);
  assert.deepEqual(stats.errors_by_reason, { "unreadable input": 1, "EVTX token": 7 });
  assert.equal(stats.events_per_second, 500);
  assert.ok(stats.peak_rss_bytes > 1 << 20);
  assert.ok(!("integrity" in stats));
  assert.equal(scanStatistics(report(emptyCounts())).first_timestamp, null);
});

test("rulesNotLoaded() counts documents, not their problems", () => {
  const problems = [
    problem("a.yml", 0),
    problem("a.yml", 0, "other"),
    problem("a.yml", 1),
    { ...problem("b.yml", 0), severity: "warning" as const },
  ];
  assert.equal(rulesNotLoaded(problems).length, 2);
  const many = Array.from({ length: 50 }, (_, at) => problem(`\u001b${at}.yml`, 0));
  const lines = notLoadedLines(many, PLAIN);
  assert.equal(lines.length, 7);
  assert.equal(lines[2], "  50 × broken");
  assert.match(lines[6]!, /… 47 more/);
  assert.ok(lines.every((line) => !line.includes("\u001b")));
});

test("scanProblems() is empty where nothing went wrong", () => {
  assert.deepEqual(scanProblems(report(emptyCounts()), PLAIN), []);
});

test("scanSummary() sums integrity up file by file", () => {
  const finding = { kind: "damage", offset: 5, message: "broken", reason: "token" } as const;
  const integrity = [
    { path: "good.evtx", records: 1, findings: [], counts: new Map() },
    {
      path: "bad.evtx",
      records: 1,
      findings: [finding],
      counts: new Map([["damage" as const, 7]]),
    },
  ];
  const lines = scanSummary(report(emptyCounts(), { integrity }), PLAIN, 80);
  const at = lines.indexOf("Integrity");
  assert.deepEqual(lines.slice(at + 1, at + 4), [
    "  nothing suspicious in 1 EVTX file",
    "  bad.evtx",
    "    7 × damage: broken …",
  ]);
  assert.deepEqual(scanStatistics(report(emptyCounts(), { integrity })).integrity?.[1], {
    path: "bad.evtx",
    records: 1,
    findings: [finding],
    counts: { damage: 7 },
  });
});

test("addCounts() adds up to the same whatever part counted what", () => {
  const part = fc.record({
    events: fc.nat(100),
    rules: fc.array(fc.nat(3)),
    computers: fc.array(fc.constantFrom("a", "b", "__proto__")),
    errors: fc.array(fc.constantFrom("token", "size")),
  });
  fc.assert(fc.property(fc.array(part, { maxLength: 5 }), fc.nat(), (parts, seed) => {
    const total = (order: readonly (typeof parts)[number][]) => {
      const sum = emptyCounts();
      for (const { events, rules, computers, errors } of order) {
        const counts = emptyCounts();
        counts.events = events;
        for (const rule of rules) counts.byRule.set(rule, (counts.byRule.get(rule) ?? 0) + 1);
        for (const computer of computers) countComputer(counts, computer);
        for (const error of errors) countError(counts, error, "p", "", "m");
        addCounts(sum, counts);
      }
      for (const { samples } of sum.errors.values()) assert.ok(samples.length <= 5);
      const sorted = (map: ReadonlyMap<unknown, unknown>) =>
        [...map].sort(([a], [b]) => String(a) < String(b) ? -1 : 1);
      const errors = [...sum.errors].map(([reason, { count }]) => `${reason} ${count}`).sort();
      return [sum.events, sorted(sum.byRule), sorted(sum.byComputer), errors];
    };
    const at = parts.length === 0 ? 0 : seed % parts.length;
    assert.deepEqual(total([...parts.slice(at), ...parts.slice(0, at)]), total(parts));
  }));
});
