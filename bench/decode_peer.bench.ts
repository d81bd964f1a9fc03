/**
 * Lines of each format through whole processes: `picket eval` beside `rsigma engine eval`, one rule, the
 * same file, one core.
 *
 *     bun bench/decode_peer.bench.ts --rsigma FILE [--picket FILE] [--lines N] [--runs N] [FORMAT…]
 *
 * The peer knows logfmt and CEF if it was built so (`cargo install rsigma --features logfmt,cef`); a
 * format that it refuses is left out. Before any time is taken the matches are counted. Runs alternate;
 * what is printed are medians, and the median of the ratios pair by pair.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type BenchFormat, decodeLines, markedLines, MARKER } from "./decode_lines.ts";

/** The field that the rule looks in; keywords of the whole line where there is none. */
const FORMATS: ReadonlyMap<BenchFormat, string | undefined> = new Map([
  ["json", "CommandLine"],
  ["syslog", "_raw"],
  ["logfmt", "msg"],
  ["cef", "msg"],
  ["plain", undefined],
]);

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    picket: { type: "string", default: "dist/picket" },
    rsigma: { type: "string", default: process.env["RSIGMA"] ?? "rsigma" },
    lines: { type: "string", default: "500000" },
    runs: { type: "string", default: "5" },
    cpu: { type: "string", default: "0" },
  },
});
const count = Number(options.lines);
const runs = Number(options.runs);
const directory = mkdtempSync(join(tmpdir(), "picket-bench-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
const output = join(directory, "out");

function writeLines(format: BenchFormat): string {
  const path = join(directory, `${format}.log`);
  const text: string[] = [];
  for (const line of decodeLines(format, count)) text.push(line);
  writeFileSync(path, `${text.join("\n")}\n`);
  return path;
}

function writeRule(format: BenchFormat, field: string | undefined): string {
  const path = join(directory, `${format}.yml`);
  const selection = field === undefined
    ? `    - ${MARKER}\n`
    : `    ${field}|contains: ${MARKER}\n`;
  writeFileSync(
    path,
    "title: Marked\nid: 00000000-0000-4000-8000-00000000be4c\nstatus: test\nlevel: low\n" +
      "logsource:\n  definition: any\n" +
      `detection:\n  selection:\n${selection}  condition: selection\n`,
  );
  return path;
}

interface Run {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of the processor, which other programs on the machine do not change much. */
  readonly cpu: number;
}

/** Runs a command on one core, its output into a file; `undefined` if it refuses its arguments. */
function run(command: readonly string[]): Run | undefined {
  const figures = join(directory, "time.txt");
  const target = openSync(output, "w");
  const startedAt = performance.now();
  const { status, error } = spawnSync(
    "taskset",
    ["-c", options.cpu, "/usr/bin/time", "-f", "%U %S", "-o", figures, ...command],
    { stdio: ["ignore", target, "ignore"] },
  );
  const wall = (performance.now() - startedAt) / 1000;
  closeSync(target);
  if (error !== undefined) throw error;
  // Matches are no failure, but some programs tell them by their exit status.
  if (status !== 0 && status !== 1) return undefined;
  const [user, system] = readFileSync(figures, "utf8").trim().split(/\s+/).slice(-2).map(Number);
  return { wall, cpu: user! + system! };
}

function matches(): number {
  return readFileSync(output, "utf8").split("\n").filter((line) => line.includes("be4c")).length;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)]!;
}

function rate(seconds: number): string {
  return Math.round(count / seconds).toLocaleString("en");
}

console.log(
  "| format | Picket, lines/s | rsigma, lines/s | ratio, wall | ratio, processor time |",
);
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const [format, field] of FORMATS) {
  if (positionals.length > 0 && !positionals.includes(format)) continue;
  const [file, rule] = [writeLines(format), writeRule(format, field)];
  const tail = ["-r", rule, "-e", `@${file}`, "--input-format", format];
  const ours = [options.picket, "eval", ...tail, "-q", "--output-format", "ndjson"];
  const theirs = [options.rsigma, "engine", "eval", ...tail, "-q", "--output-format", "ndjson"];
  const first = run(ours);
  assert.ok(first !== undefined, `${ours.join(" ")} failed`);
  assert.equal(matches(), markedLines(count), `${format}: picket`);
  if (run(theirs) === undefined) {
    console.log(`| ${format} | ${rate(first.wall)} | does not know it | | |`);
    continue;
  }
  assert.equal(matches(), markedLines(count), `${format}: rsigma`);
  const times: { readonly ours: Run; readonly theirs: Run }[] = [];
  for (let round = 0; round < runs; round++) times.push({ ours: run(ours)!, theirs: run(theirs)! });
  const rates = (["ours", "theirs"] as const).map((who) =>
    rate(median(times.map((time) => time[who].wall)))
  );
  const ratios = (["wall", "cpu"] as const).map((figure) =>
    median(times.map((time) => time.theirs[figure] / time.ours[figure])).toFixed(2)
  );
  console.log(`| ${[format, ...rates, ...ratios].join(" | ")} |`);
  rmSync(file);
}
