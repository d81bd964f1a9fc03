/**
 * What following a file costs: 200 MB through the file source, beside the plain way of reading
 * lines (`readBlocks` and `LineSplitter`), and what twenty idle files cost.
 *
 * Run with `bun bench/tail.bench.ts`; `PICKET_TAIL_MB` sets another size.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LineSplitter } from "../src/decode/line_splitter.ts";
import { readBlocks } from "../src/ingest/blocks.ts";
import { fileSource } from "../src/ingest/tail/file_source.ts";

const MEGABYTES = Number(process.env["PICKET_TAIL_MB"] ?? 200);
const ROUNDS = 9;
const IDLE_FILES = 20;
const IDLE_MS = 10_000;

const directory = mkdtempSync(join(tmpdir(), "picket-tail-bench-"));

function writeLog(path: string): number {
  const lines = Array.from(
    { length: 5000 },
    (_, at) =>
      `2026-01-31T12:00:${String(at % 60).padStart(2, "0")}Z web${at % 7} sshd[${at}]: Failed ` +
      `password for invalid user u${at} from 203.0.113.${at % 250} port ${at} ssh2`,
  );
  const block = lines.join("\n") + "\n";
  writeFileSync(path, "");
  let bytes = 0, count = 0;
  while (bytes < MEGABYTES * 1e6) {
    appendFileSync(path, block);
    bytes += block.length;
    count += lines.length;
  }
  return count;
}

async function readPlainly(path: string): Promise<number> {
  let lines = 0, length = 0;
  const splitter = new LineSplitter({
    line: (text) => {
      lines++;
      length += text.length;
    },
    tooLong: () => {},
  });
  for await (const block of readBlocks(path)) splitter.push(block);
  splitter.end();
  assert.ok(length > 0);
  return lines;
}

/** The same, with what a source has to give: a record for each line, in batches. */
async function readRecords(path: string): Promise<number> {
  let lines = 0, length = 0;
  let batch: { readonly payload: string; readonly offset: number }[] = [];
  const give = () => {
    for (const { payload } of batch) length += payload.length;
    lines += batch.length;
    batch = [];
  };
  const splitter = new LineSplitter({
    line: (payload, offset) => {
      batch.push({ payload, offset });
      if (batch.length === 4096) give();
    },
    tooLong: () => {},
  });
  for await (const block of readBlocks(path)) splitter.push(block);
  splitter.end();
  give();
  assert.ok(length > 0);
  return lines;
}

async function readAsSource(path: string, lines: number): Promise<{ batches: number }> {
  const source = fileSource({ type: "file", id: "b", paths: [path], startAt: "start" });
  let count = 0, length = 0, batches = 0;
  for await (const { events } of source.read(undefined, new AbortController().signal)) {
    for (const { payload } of events) length += (payload as string).length;
    count += events.length;
    batches++;
    if (count >= lines) break;
  }
  assert.equal(count, lines);
  assert.ok(length > 0);
  return { batches };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Share of a core, in percent, of what `run` does until it is aborted. */
async function idleCpu(run: (signal: AbortSignal) => Promise<void>): Promise<number> {
  const abort = new AbortController();
  const done = run(abort.signal).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const { user, system } = process.cpuUsage(before);
  abort.abort();
  await done;
  return (user + system) / 1000 / IDLE_MS * 100;
}

async function followIdle(watch: boolean, signal: AbortSignal): Promise<void> {
  const paths = Array.from({ length: IDLE_FILES }, (_, at) => join(directory, `idle${at}.log`));
  for (const path of paths) writeFileSync(path, "a line\n");
  const source = fileSource({ type: "file", id: "i", paths }, { watch });
  for await (const _ of source.read(undefined, signal));
}

/** What the runtime takes for being woken four times a second. */
async function wakeOnly(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 250));
}

/** Milliseconds from the writing of a line to its event: median and 99th percentile. */
async function latency(watch: boolean): Promise<readonly [number, number]> {
  const path = join(directory, `latency${watch}.log`);
  writeFileSync(path, "");
  const abort = new AbortController();
  const source = fileSource({ type: "file", id: "l", paths: [path] }, { watch });
  const delays: number[] = [];
  const run = (async () => {
    for await (const { events } of source.read(undefined, abort.signal)) {
      for (const { payload } of events) delays.push(performance.now() - Number(payload));
    }
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let count = 0; count < 100; count++) {
    appendFileSync(path, `${performance.now()}\n`);
    await new Promise((resolve) => setTimeout(resolve, 20 + (count * 37) % 60));
  }
  await new Promise((resolve) => setTimeout(resolve, 400));
  abort.abort();
  await run;
  assert.equal(delays.length, 100);
  delays.sort((a, b) => a - b);
  return [delays[50]!, delays[99]!];
}

try {
  const path = join(directory, "big.log");
  const lines = writeLog(path);
  let plain = Infinity, records = Infinity, followed = Infinity, batches = 0;
  for (let round = 0; round < ROUNDS; round++) {
    plain = Math.min(plain, await timed(() => readPlainly(path)));
    records = Math.min(records, await timed(() => readRecords(path)));
    followed = Math.min(
      followed,
      await timed(async () => {
        ({ batches } = await readAsSource(path, lines));
      }),
    );
  }
  const rate = (seconds: number) =>
    `${(MEGABYTES / seconds).toFixed(0)} MB/s, ${(lines / seconds / 1e6).toFixed(2)} M lines/s`;
  console.log(`tail/plain      ${rate(plain)}`);
  console.log(`tail/records    ${rate(records)}`);
  console.log(`tail/source     ${rate(followed)}, ${batches} batches`);
  const ratios = [plain / followed, records / followed].map((ratio) => ratio.toFixed(2));
  console.log(`tail/ratio      ${ratios[0]} to plain, ${ratios[1]} to records`);
  for (const watch of [true, false]) {
    const name = watch ? "watched" : "polled ";
    const [median, worst] = await latency(watch);
    console.log(`tail/latency/${name} ${median.toFixed(1)} ms median, ${worst.toFixed(1)} ms p99`);
    const share = await idleCpu((signal) => followIdle(watch, signal));
    console.log(`tail/idle/${name} ${share.toFixed(3)} % of a core`);
  }
  console.log(`tail/idle/nothing ${(await idleCpu(wakeOnly)).toFixed(3)} % of a core`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
