/**
 * Whole processes beside each other: Picket and its peers on the same files, rules and core.
 *
 *     bun bench/peers.ts --rules DIR --ndjson FILE --evtx FILE [--picket FILE] [--rsigma FILE]
 *                        [--evtx-dump FILE] [--runs N]
 *
 * Peers come from their registries (`cargo install rsigma evtx`). Runs alternate, so that a machine that
 * drifts drifts for both; what is printed are medians, and the median of the ratios pair by pair. Before
 * any time is taken, the matches are compared: the same rules on the same events, as often.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    rules: { type: "string" },
    bundle: { type: "string" },
    ndjson: { type: "string" },
    evtx: { type: "string" },
    picket: { type: "string", default: "dist/picket" },
    rsigma: { type: "string", default: "rsigma" },
    "evtx-dump": { type: "string", default: "evtx_dump" },
    runs: { type: "string", default: "5" },
    cpu: { type: "string", default: "0" },
  },
});
const runs = Number(options.runs);
const directory = mkdtempSync(join(tmpdir(), "picket-bench-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly wall: number;
  readonly cpu: number;
  readonly rssMb: number;
}

/** Runs a command on one core, its output into a file, and takes its figures from GNU time. */
function run(command: readonly string[], output: string): Run {
  const figures = join(directory, "time.txt");
  const target = openSync(output, "w");
  const startedAt = performance.now();
  const { status, error } = spawnSync(
    "taskset",
    ["-c", options.cpu, "/usr/bin/time", "-f", "%U %S %M", "-o", figures, ...command],
    { stdio: ["ignore", target, "ignore"] },
  );
  const wall = (performance.now() - startedAt) / 1000;
  closeSync(target);
  if (error !== undefined || status !== 0) {
    throw new Error(`${command.join(" ")} failed: ${error?.message ?? `exit ${status}`}`);
  }
  const [user, system, kilobytes] = readText(figures).trim().split(/\s+/).slice(-3).map(Number);
  return { wall, cpu: user! + system!, rssMb: kilobytes! / 1024 };
}

function readText(path: string): string {
  const descriptor = openSync(path, "r");
  const bytes = new Uint8Array(statSync(path).size);
  readSync(descriptor, bytes, 0, bytes.length, 0);
  closeSync(descriptor);
  return new TextDecoder().decode(bytes);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)]!;
}

/** Alternates two commands and prints their figures. */
function compare(
  title: string,
  units: number,
  unit: string,
  ours: readonly string[],
  theirs: readonly string[],
): void {
  const rows: { ours: Run; theirs: Run }[] = [];
  const out = join(directory, "out");
  run(ours, out);
  run(theirs, out);
  for (let round = 0; round < runs; round++) {
    rows.push({ ours: run(ours, out), theirs: run(theirs, out) });
  }
  console.log(`\n${title}: ${runs} runs in turn, one core, medians`);
  for (const who of ["ours", "theirs"] as const) {
    const wall = median(rows.map((row) => row[who].wall));
    const name = who === "ours" ? "picket" : theirs[0]!.split("/").at(-1)!;
    console.log(
      `  ${name.padEnd(10)} ${wall.toFixed(2)} s wall, ` +
        `${median(rows.map((row) => row[who].cpu)).toFixed(2)} s cpu, ` +
        `${median(rows.map((row) => row[who].rssMb)).toFixed(0)} MiB, ` +
        `${Math.round(units / wall).toLocaleString("en")} ${unit}/s`,
    );
  }
  const ratio = median(rows.map((row) => row.theirs.wall / row.ours.wall));
  console.log(`  picket is ${ratio.toFixed(2)} times as fast (wall, median of ${runs} pairs)`);
}

/** Counts (rule, event) pairs of result lines; the order of keys in events does not matter. */
function matchSet(path: string): Map<string, number> {
  const pairs = new Map<string, number>();
  const descriptor = openSync(path, "r");
  const block = new Uint8Array(1 << 24);
  const decoder = new TextDecoder();
  let rest = "";
  for (let read = 1; read > 0;) {
    read = readSync(descriptor, block, 0, block.length, null);
    const lines = (rest + decoder.decode(block.subarray(0, read), { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const { rule_id, rule_title, event } = JSON.parse(line);
      const digest = createHash("md5").update(canonical(event)).digest("base64");
      const key = `${rule_id}\t${rule_title}\t${digest}`;
      pairs.set(key, (pairs.get(key) ?? 0) + 1);
    }
  }
  closeSync(descriptor);
  return pairs;
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part: unknown) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  );
}

function compareMatches(ours: readonly string[], theirs: readonly string[]): void {
  const files = [join(directory, "ours"), join(directory, "theirs")] as const;
  run([...ours, "--include-event"], files[0]);
  run([...theirs, "--include-event"], files[1]);
  const [own, other] = [matchSet(files[0]), matchSet(files[1])];
  let same = 0;
  const different = new Map<string, number>();
  for (const key of new Set([...own.keys(), ...other.keys()])) {
    const [a, b] = [own.get(key) ?? 0, other.get(key) ?? 0];
    same += Math.min(a, b);
    if (a === b) continue;
    const rule = `${a > b ? "only picket" : "only peer"}: ${key.split("\t")[1]}`;
    different.set(rule, (different.get(rule) ?? 0) + Math.abs(a - b));
  }
  console.log(`  the same matches: ${same.toLocaleString("en")} pairs of rule and event`);
  for (const [rule, count] of [...different].sort((a, b) => b[1] - a[1])) {
    console.log(`  ${count} × ${rule}`);
  }
}

const rules = options.bundle ?? options.rules;
if (options.ndjson !== undefined && options.rules !== undefined && rules !== undefined) {
  const events = readLines(options.ndjson);
  const scan = [options.picket, "scan", options.ndjson, "-r", rules, "-q", "--threads", "1"];
  const peer = [options.rsigma, "engine", "eval", "-r", options.rules, "-e", `@${options.ndjson}`];
  const quiet = ["-q", "--output-format", "ndjson"];
  console.log("Matches without logsource routing");
  compareMatches([...scan, "--no-logsource-routing"], [...peer, ...quiet]);
  compare("NDJSON, every rule on every event", events, "events", [
    ...scan,
    "--no-logsource-routing",
  ], [...peer, ...quiet]);
  const routed = [...peer, ...quiet, "--logsource-routing", "--event-logsource", "product=windows"];
  console.log("\nMatches with logsource routing (the peer knows the product only)");
  compareMatches(scan, routed);
  compare("NDJSON, with logsource routing", events, "events", scan, routed);
}
if (options.evtx !== undefined) {
  const out = join(directory, "records");
  run([options.picket, "evtx", "dump", options.evtx, "--output-format", "ndjson"], out);
  compare("EVTX to JSON lines", readLines(out), "records", [
    options.picket,
    "evtx",
    "dump",
    options.evtx,
    "--output-format",
    "ndjson",
  ], [options["evtx-dump"], "-t", "1", "-o", "jsonl", options.evtx]);
}

function readLines(path: string): number {
  const descriptor = openSync(path, "r");
  const block = new Uint8Array(1 << 24);
  let lines = 0;
  for (let read = 1; read > 0;) {
    read = readSync(descriptor, block, 0, block.length, null);
    for (let at = block.indexOf(10); at >= 0 && at < read; at = block.indexOf(10, at + 1)) lines++;
  }
  closeSync(descriptor);
  return lines;
}
