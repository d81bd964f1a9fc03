/**
 * SigmaHQ's rules for Linux on audit records that a writer makes for each of them, joined and decoded
 * as a source would do it. `inputs.md` 20.1.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeAudit } from "../../src/decode/auditd/event.ts";
import { AuditJoiner } from "../../src/decode/auditd/join.ts";
import { RuleEngine } from "../../src/engine/engine.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { loadRules } from "../../src/runtime/load_rules.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { auditId, callLines, hexText, userLine } from "../arbitraries/auditd.ts";
import { ordinary, recordsFor, UNANSWERED, waysToFire } from "../support/audit_samples.ts";
import { CORPUS, skipWithoutCorpus } from "../support/corpus.ts";

const CATEGORIES = ["process_creation", "file_event", "network_connection"];

let loaded: readonly DetectionRule[] | undefined;

/** Those whose files say so, which saves reading all others. */
function linuxRules(): readonly DetectionRule[] {
  if (loaded !== undefined) return loaded;
  const files = ["rules", "rules-emerging-threats", "rules-threat-hunting"].flatMap((name) => {
    const root = join(CORPUS, "sigma", name);
    return (readdirSync(root, { recursive: true }) as string[])
      .filter((file) => file.endsWith(".yml")).map((file) => join(root, file)).sort();
  });
  const linux = files.filter((file) => readFileSync(file, "utf8").includes("product: linux"));
  return loaded = loadRules(linux).rules;
}

/** The events of a log. */
function eventsOf(lines: readonly string[]): readonly LogEvent[] {
  const events: LogEvent[] = [];
  const joiner = new AuditJoiner((text) => events.push(decodeAudit(text)));
  for (const line of lines) joiner.line(line, undefined);
  joiner.flush();
  return events;
}

function firing(engine: RuleEngine, lines: readonly string[]): ReadonlySet<string> {
  const titles = eventsOf(lines).flatMap((event) => engine.evaluate(event))
    .map(({ rule_title }) => rule_title);
  return new Set(titles);
}

/** The records of several events, line by line from each in turn. */
function interleave(logs: readonly (readonly string[])[]): readonly string[] {
  const longest = Math.max(...logs.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => logs.flatMap((log) => log.slice(at, at + 1)))
    .flat();
}

/** What an ordinary machine does: nothing that a rule should say anything about. */
const BENIGN: readonly string[] = interleave([
  callLines(auditId(1), {
    syscall: "execve",
    exe: "/usr/bin/ls",
    args: ["ls", "/srv/data"],
    cwd: "/srv",
    paths: [{ name: "/usr/bin/ls" }, { name: "/lib64/ld-linux-x86-64.so.2" }],
  }),
  callLines(auditId(2), {
    syscall: "openat",
    exe: "/usr/bin/prog",
    registers: ["ffffff9c", "7ffe0", "241", "1b6"],
    cwd: "/srv/data",
    paths: [{ name: "/srv/data", nametype: "PARENT" }, { name: "out.txt", nametype: "CREATE" }],
  }),
  callLines(auditId(3), {
    syscall: "connect",
    exe: "/usr/bin/prog",
    saddr: "020001BBC0A80001" + "0".repeat(16),
  }),
  [userLine(auditId(4), "SERVICE_START", { unit: "app", res: "success" })],
]);

test(
  "each auditd rule of SigmaHQ fires on records written for it, and on none like them",
  skipWithoutCorpus(),
  () => {
    const rules = linuxRules().filter(({ logsource }) => logsource.service === "auditd");
    const engine = new RuleEngine(linuxRules());
    assert.ok(rules.length > 40);
    const silent: string[] = [];
    for (const [at, rule] of rules.entries()) {
      const fires = waysToFire(rule).filter((wants) => {
        const lines = recordsFor(wants, undefined, 10 + at);
        return lines !== undefined && firing(engine, interleave([BENIGN, lines])).has(rule.title);
      });
      if (fires.length === 0) silent.push(rule.title);
      for (const wants of fires) {
        const lines = recordsFor(ordinary(wants), undefined, 10 + at) ?? [];
        assert.ok(!firing(engine, lines).has(rule.title), `${rule.title}: ${lines.join("\n")}`);
      }
    }
    console.log(`${rules.length - silent.length} of ${rules.length} auditd rules fire`);
    assert.deepEqual(silent, []);
  },
);

test("no Linux rule of SigmaHQ fires on what an ordinary machine does", skipWithoutCorpus(), () => {
  assert.deepEqual([...firing(new RuleEngine(linuxRules()), BENIGN)], []);
});

test("rules for processes, files and connections fire on audit events", skipWithoutCorpus(), () => {
  const engine = new RuleEngine(linuxRules());
  for (const category of CATEGORIES) {
    const rules = linuxRules().filter(({ logsource }) => logsource.category === category);
    const silent: string[] = [];
    let unanswered = 0;
    for (const [at, rule] of rules.entries()) {
      const ways = waysToFire(rule);
      if (ways.every((way) => [...way.keys()].some((name) => UNANSWERED.has(name)))) {
        unanswered++;
        continue;
      }
      const fires = ways.some((wants) => {
        const lines = recordsFor(wants, category, 10 + at);
        return lines !== undefined && firing(engine, interleave([BENIGN, lines])).has(rule.title);
      });
      if (!fires) silent.push(rule.title);
    }
    const fired = rules.length - unanswered - silent.length;
    console.log(`${category}: ${fired} of ${rules.length} rules fire, ${unanswered} ask for more`);
    assert.deepEqual(silent, [], category);
  }
});

test("an argument in hex is matched as the text it is", skipWithoutCorpus(), () => {
  const engine = new RuleEngine(linuxRules());
  const lines = callLines(auditId(9), {
    syscall: "execve",
    args: ["grep", "-r", "my password", "/home"],
    exe: "/usr/bin/grep",
  });
  assert.ok(lines.some((line) => line.includes(hexText("my password"))));
  assert.ok(firing(engine, lines).has("Credentials In Files - Linux"));
});

test("index and naive evaluator agree on audit events", skipWithoutCorpus(), () => {
  const rules = linuxRules();
  const indexed = new RuleEngine(rules), naive = new RuleEngine(rules, { index: false });
  const lines = [...BENIGN];
  for (const [at, rule] of rules.entries()) {
    const { category, service } = rule.logsource;
    if (service !== "auditd" && !CATEGORIES.includes(category ?? "")) continue;
    const [wants] = waysToFire(rule);
    lines.push(...wants === undefined ? [] : recordsFor(wants, category, 10 + at) ?? []);
  }
  let matches = 0;
  // Naive evaluation takes a tenth of a second an event.
  for (const [at, event] of eventsOf(lines).entries()) {
    if (at % 10 !== 0) continue;
    const found = [...indexed.match(event)];
    matches += found.length;
    assert.deepEqual(found, [...naive.match(event)]);
  }
  assert.ok(matches > 15);
});
