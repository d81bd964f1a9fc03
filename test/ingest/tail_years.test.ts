/**
 * inputs.md, section 20.5: times without a year are completed by when their file was written.
 */
import assert from "node:assert/strict";
import { appendFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileSource } from "../../src/ingest/tail/file_source.ts";
import type { RawEvent } from "../../src/runtime/plugin.ts";
import { LogProcessor } from "../../src/runtime/log_processor.ts";
import { Scratch } from "../support/tail.ts";
import { TempFiles } from "../support/cli_io.ts";

const LINE = "Oct 11 22:14:15 web su: x\n";
const OLD = Date.UTC(2021, 5, 1);
const RULE = JSON.stringify({ title: "r", detection: { s: { x: "y" }, condition: "s" } });

/** The records of a file as it is, then of what is appended. */
async function* records(path: string, signal: AbortSignal): AsyncGenerator<RawEvent> {
  const source = fileSource({
    type: "file",
    id: "f",
    paths: [path],
    startAt: "start",
    pollMs: 20,
  });
  for await (const { events } of source.read(undefined, signal)) yield* events;
}

async function yearOf(event: RawEvent, nowMs: number): Promise<string> {
  using files = new TempFiles({ "r.yml": RULE });
  const processor = await LogProcessor.open({ rules: files.path("r.yml") });
  let year = "";
  processor.startBatch([event.payload], { nowMs, writtenMs: () => event.writtenMs }, {
    matched: () => {},
    failed: () => assert.fail(),
    decoded: (_, decoded) => {
      year = JSON.stringify(decoded.toValue()).slice(14, 18);
    },
  }).step(Infinity);
  return year;
}

test("a file that has lain for years gives its records the year it was written in", async () => {
  using scratch = new Scratch();
  const path = join(scratch.directory, "auth.log");
  writeFileSync(path, LINE);
  utimesSync(path, OLD / 1000, OLD / 1000);
  const stop = new AbortController();
  const read = records(path, stop.signal);
  const old = (await read.next()).value as RawEvent;
  assert.equal(old.writtenMs, OLD);
  assert.equal(await yearOf(old, Date.UTC(2026, 10, 23)), "2020");
  appendFileSync(path, LINE);
  const fresh = (await read.next()).value as RawEvent;
  assert.ok(fresh.writtenMs! > Date.now() - 60_000);
  const { payload, recordId, origin } = fresh;
  const now = Date.now();
  assert.equal(await yearOf(fresh, now), await yearOf({ payload, recordId, origin }, now));
  stop.abort();
  await read.return(undefined);
});

test("BatchRun takes what was written in the last day for written now", async () => {
  const nowMs = Date.UTC(2026, 10, 23);
  const event = (writtenMs?: number): RawEvent => ({
    payload: LINE.trim(),
    recordId: "1",
    origin: "o",
    ...(writtenMs === undefined ? {} : { writtenMs }),
  });
  assert.equal(await yearOf(event(), nowMs), "2026");
  assert.equal(await yearOf(event(nowMs - 80_000_000), nowMs), "2026");
  assert.equal(await yearOf(event(nowMs - 90_000_000), nowMs), "2026");
  assert.equal(await yearOf(event(Date.UTC(2026, 8, 1)), nowMs), "2025");
});
