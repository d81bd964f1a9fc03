/**
 * What an event costs against 10, 100, 300, 1,000 and all rules.
 *
 *     bun bench/rules.bench.ts RULES FILE.ndjson [EVENTS]
 *
 * Rules are drawn evenly from the set, so each size has the same mixture. Decoding is timed apart. The
 * indexed results are checked against the naive evaluator on a part of the events before timing.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { decodeJson, type JsonEvent } from "../src/decode/json.ts";
import { RuleEngine } from "../src/engine/engine.ts";
import { loadRules } from "../src/runtime/load_rules.ts";

const [rulesPath, eventsPath, wanted = "50000"] = process.argv.slice(2);
if (rulesPath === undefined || eventsPath === undefined) {
  console.error("bun bench/rules.bench.ts RULES FILE.ndjson [EVENTS]");
  process.exit(3);
}
const { rules } = loadRules([rulesPath]);
const lines = readFileSync(eventsPath, "utf8").split("\n").filter((line) => line !== "");
const step = Math.max(1, Math.floor(lines.length / Number(wanted)));
const sample = lines.filter((_, at) => at % step === 0);
const ROUNDS = 7;
const CHECKED = 100;

function median(times: readonly number[]): number {
  return [...times].sort((left, right) => left - right)[Math.floor(times.length / 2)]!;
}

/** Microseconds an event, the median of some rounds after a first one. */
function perEvent(work: () => void): number {
  work();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    work();
    times.push(performance.now() - startedAt);
  }
  return (median(times) * 1000) / sample.length;
}

let sink = 0;
const decoding = perEvent(() => {
  for (const line of sample) if (decodeJson(line) !== undefined) sink++;
});
console.log(`${sample.length} events; decoding ${decoding.toFixed(2)} µs an event`);
console.log("routing  rules  µs/event evaluated  events/s with decoding  matches");
for (const logsourceRouting of [true, false]) {
  for (const size of [10, 100, 300, 1000, rules.length]) {
    const some = rules.filter((_, at) =>
      Math.floor((at * size) / rules.length) !==
        Math.floor(((at - 1) * size) / rules.length)
    ).slice(0, size);
    const engine = new RuleEngine(some, { logsourceRouting });
    const naive = new RuleEngine(some, { logsourceRouting, index: false });
    for (let at = 0; at < sample.length; at += Math.ceil(sample.length / CHECKED)) {
      const event = decodeJson(sample[at]!);
      assert.deepEqual([...engine.match(event)], [...naive.match(event)]);
    }
    let matches = 0;
    const both = perEvent(() => {
      matches = 0;
      for (const line of sample) {
        const event: JsonEvent = decodeJson(line);
        matches += engine.match(event).length;
      }
    });
    const row = [
      String(logsourceRouting).padEnd(7),
      String(some.length).padStart(6),
      (both - decoding).toFixed(2).padStart(19),
      Math.round(1e6 / both).toLocaleString("en").padStart(23),
      String(matches).padStart(8),
    ];
    console.log(row.join(" "));
  }
}
if (sink === 0) throw new Error("nothing was decoded");
