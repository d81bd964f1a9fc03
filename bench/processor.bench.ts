/**
 * What `LogProcessor` adds to decoding and evaluating: lines a second of `processBatchLines` against a
 * bare loop of `decodeJson` and `engine.evaluate`, in batches of 128 and 2,048 lines.
 *
 *     bun bench/processor.bench.ts [RULES [FILE.ndjson…]]
 *
 * Without arguments: the project's rules, and the lines of `fixtures/json` repeated with other numbers.
 * The rounds of the ways alternate, so that whatever else the machine does falls on all of them.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { decodeJson } from "../src/decode/json.ts";
import type { DetectionResult } from "../src/engine/result.ts";
import { LogProcessor } from "../src/runtime/log_processor.ts";

const LINES = 40_000;
const ROUNDS = 15;
const BATCHES = [128, 2048];

const [rules = fileURLToPath(new URL("../rules", import.meta.url)), ...paths] = process.argv
  .slice(2);

function fixtures(): string[] {
  const directory = fileURLToPath(new URL("../fixtures/json", import.meta.url));
  return readdirSync(directory).sort().map((name) => `${directory}/${name}`);
}

function linesOf(path: string): string[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  return text.split("\n").filter((line) => line !== "");
}

const read = (paths.length === 0 ? fixtures() : paths).flatMap(linesOf);
/** No two alike, as in a log: every copy has a number of its own. */
const lines = Array.from({ length: LINES }, (_, at) => {
  const line = read[at % read.length]!;
  return at < read.length || !line.endsWith("}") ? line : `${line.slice(0, -1)},"copy":${at}}`;
});

const processor = await LogProcessor.open({ rules });
const engine = processor.engine.loaded();

type Way = (work: (results: readonly DetectionResult[]) => void) => void;

const ways: ReadonlyMap<string, Way> = new Map([
  ["decodeJson + evaluate", (work: Parameters<Way>[0]) => {
    for (const line of lines) work(engine.evaluate(decodeJson(line)));
  }],
  ...BATCHES.map((size): [string, Way] => [`processBatchLines of ${size}`, (work) => {
    for (let at = 0; at < lines.length; at += size) {
      for (const one of processor.processBatchLines(lines.slice(at, at + size))) work(one);
    }
  }]),
]);

function median(numbers: readonly number[]): number {
  return [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)]!;
}

const expected: (readonly DetectionResult[])[] = [];
const times = new Map<string, number[]>();
for (const [name, way] of ways) {
  const results: (readonly DetectionResult[])[] = [];
  way((one) => results.push(one));
  if (expected.length === 0) expected.push(...results);
  assert.deepEqual(results, expected);
  times.set(name, []);
}
const matches = expected.reduce((sum, one) => sum + one.length, 0);
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, way] of ways) {
    let seen = 0;
    const startedAt = performance.now();
    way((one) => seen += one.length);
    times.get(name)!.push(performance.now() - startedAt);
    assert.equal(seen, matches);
  }
}
const bytes = lines.reduce((sum, line) => sum + line.length, 0) / LINES;
console.log(
  `${engine.rules.length} rules, ${LINES} lines of ${
    bytes.toFixed(0)
  } characters, ${matches} matches`,
);
const bare = median([...times.values()][0]!);
for (const [name, all] of times) {
  const ms = median(all);
  const rate = Math.round(LINES / ms * 1000).toLocaleString("en");
  console.log(`${name.padEnd(28)} ${rate.padStart(9)} lines/s  ${(bare / ms).toFixed(2)}`);
}
