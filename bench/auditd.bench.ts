/**
 * Audit events: joining and decoding on one core, and following a file with joining and without it.
 *
 * Run with `bun bench/auditd.bench.ts`; `PICKET_AUDIT_EVENTS` sets another number of events.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { decodeAudit } from "../src/decode/auditd/event.ts";
import { AuditJoiner } from "../src/decode/auditd/join.ts";
import { internField } from "../src/event/field.ts";
import { fileSource } from "../src/ingest/tail/file_source.ts";
import { auditId, callLines, userLine } from "../test/arbitraries/auditd.ts";

const EVENTS = Number(process.env["PICKET_AUDIT_EVENTS"] ?? 40_000);
const ROUNDS = 7;
const FIELDS = ["Image", "CommandLine", "type", "a1", "name", "TargetFilename"].map(internField);

/** Executions of six records, two at a time, and every fourth time a login. */
function makeLines(): readonly string[] {
  const lines: string[] = [];
  for (let serial = 1; serial < EVENTS; serial += 2) {
    const [first, second] = [serial, serial + 1].map((own) =>
      callLines(auditId(own, 1_700_000_000 + Math.floor(own / 1000)), {
        syscall: "execve",
        exe: "/usr/bin/grep",
        args: ["grep", "-r", `my pattern ${own}`, "/srv/data"],
        cwd: "/home/ann",
        paths: [{ name: "/usr/bin/grep" }, { name: "/lib64/ld-linux-x86-64.so.2" }],
        keys: ["exec"],
        users: { AUID: "ann", UID: "ann" },
      })
    );
    first!.forEach((line, at) => lines.push(line, second![at]!));
    if (serial % 8 === 1) lines.push(userLine(auditId(serial), "USER_LOGIN", { op: "login" }));
  }
  return lines;
}

const lines = makeLines();
const bytes = lines.reduce((sum, line) => sum + line.length + 1, 0);

function joinAll(take: (text: string) => void): number {
  let events = 0;
  const joiner = new AuditJoiner<undefined>((text) => {
    events++;
    take(text);
  });
  for (const line of lines) joiner.line(line, undefined);
  joiner.flush();
  return events;
}

async function follow(path: string, format: "auto" | "plain", records: number): Promise<void> {
  const source = fileSource({ type: "file", id: "b", paths: [path], startAt: "start", format });
  let count = 0;
  for await (const { events } of source.read(undefined, new AbortController().signal)) {
    count += events.length;
    if (count >= records) break;
  }
  assert.equal(count, records);
}

async function measure(name: string, run: () => void | Promise<void>): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await run();
    times.push((performance.now() - start) / 1000);
  }
  const sorted = times.toSorted((a, b) => a - b);
  // The least disturbed round; the one in the middle says how busy the machine was.
  const seconds = sorted[0]!, middle = sorted[ROUNDS >> 1]!;
  const perSecond = (count: number) => Math.round(count / seconds).toLocaleString("en");
  console.log(
    `${name}: ${perSecond(lines.length)} lines/s, ${perSecond(total)} events/s, ` +
      `${(bytes / seconds / 1e6).toFixed(0)} MB/s (median ${
        (middle / seconds).toFixed(1)
      } times as long)`,
  );
}

const total = joinAll(() => {});
console.log(`${lines.length} lines, ${total} events, ${(bytes / 1e6).toFixed(0)} MB`);
assert.equal(total, EVENTS + Math.ceil(EVENTS / 8));
await measure("join", () => void joinAll(() => {}));
await measure("join and decode", () => void joinAll((text) => void decodeAudit(text).logsource));
await measure("join, decode, ask for six fields", () =>
  void joinAll((text) => {
    const event = decodeAudit(text);
    for (const field of FIELDS) event.get(field);
  }));
await measure("single records, decode, ask for six fields", () => {
  for (const line of lines) {
    const event = decodeAudit(line);
    for (const field of FIELDS) event.get(field);
  }
});
const directory = mkdtempSync(join(tmpdir(), "picket-audit-bench-"));
try {
  const path = join(directory, "audit.log");
  writeFileSync(path, lines.join("\n") + "\n");
  await measure("follow, no joining", () => follow(path, "plain", lines.length));
  await measure("follow, joining", () => follow(path, "auto", total));
} finally {
  rmSync(directory, { recursive: true });
}
