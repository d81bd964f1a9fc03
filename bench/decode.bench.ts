/**
 * Lines a second of each decoder, told the format and left to find it (`auto`).
 *
 *     bun bench/decode.bench.ts [FORMAT…]
 *
 * An event is asked for two fields, one of which it has, since decoders put work off until then. The
 * rounds of the ways alternate, so that whatever else the machine does falls on all of them. With
 * `../shared/corpus` beside the project its syslog files are read as well.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type LineFormat, parseLine } from "../src/decode/parse_line.ts";
import type { LogEvent } from "../src/event/event.ts";
import { type Field, internField } from "../src/event/field.ts";
import {
  BENCH_FORMATS,
  type BenchFormat,
  decodeLines,
  markedLines,
  MARKER,
} from "./decode_lines.ts";

const LINES = 20_000;
const ROUNDS = 11;
const OPTIONS = { nowMs: Date.UTC(2026, 10, 23) };
const ABSENT = internField("TargetFilename");
const FIELDS: Readonly<Record<BenchFormat, string>> = {
  json: "CommandLine",
  syslog: "_raw",
  logfmt: "msg",
  cef: "msg",
  leef: "msg",
  auditd: "comm",
  xml: "CommandLine",
  plain: "_raw",
};
const SYSLOG = fileURLToPath(new URL("../../shared/corpus/syslog", import.meta.url));

interface Way {
  readonly name: string;
  readonly format: LineFormat;
  readonly lines: readonly string[];
  readonly field: Field;
}

function generated(format: BenchFormat): readonly Way[] {
  const lines = [...decodeLines(format, LINES)];
  const field = internField(FIELDS[format]);
  const auto: Way = { name: `${format}, auto`, format: "auto", lines, field };
  // XML is a format of `auto` only.
  return format === "xml" ? [auto] : [{ name: format, format, lines, field }, auto];
}

function corpus(): readonly Way[] {
  if (!existsSync(SYSLOG)) {
    console.log("skipped: ../shared/corpus is absent");
    return [];
  }
  const field = internField("_raw");
  return readdirSync(SYSLOG).filter((name) => name.endsWith(".log")).sort().flatMap((name) => {
    const lines = readFileSync(join(SYSLOG, name), "utf8").split(/\r?\n/).filter((one) =>
      one !== ""
    );
    return (["syslog", "auto"] as const).map((format) => ({
      name: `${basename(name, ".log")}, ${format}`,
      format,
      lines,
      field,
    }));
  });
}

function decode({ format, lines, field }: Way, visit: (event: LogEvent) => void): void {
  for (const line of lines) {
    const event = parseLine(line, format, OPTIONS);
    if (event === undefined) continue;
    event.get(field);
    event.get(ABSENT);
    visit(event);
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)]!;
}

const chosen = process.argv.slice(2);
const formats = BENCH_FORMATS.filter((one) => chosen.length === 0 || chosen.includes(one));
const ways = [...formats.flatMap(generated), ...(chosen.length === 0 ? corpus() : [])];

// Every line is an event, and the marked ones are found.
for (const way of ways) {
  let events = 0;
  let marked = 0;
  decode(way, (event) => {
    events++;
    if (event.someText((text) => text.includes(MARKER))) marked++;
  });
  assert.equal(events, way.lines.length, way.name);
  if (way.lines.length === LINES) assert.equal(marked, markedLines(LINES), way.name);
}

const times = ways.map((): number[] => []);
for (let round = 0; round < ROUNDS; round++) {
  ways.forEach((way, index) => {
    let events = 0;
    const startedAt = performance.now();
    decode(way, () => events++);
    times[index]!.push((performance.now() - startedAt) / events);
  });
}
ways.forEach(({ name, lines }, index) => {
  const ms = median(times[index]!);
  const characters = lines.reduce((sum, line) => sum + line.length, 0) / lines.length;
  console.log(
    `${name.padEnd(24)} ${Math.round(1000 / ms).toLocaleString("en").padStart(10)} lines/s  ` +
      `${(ms * 1000).toFixed(2).padStart(6)} µs a line of ${characters.toFixed(0)} characters`,
  );
});
