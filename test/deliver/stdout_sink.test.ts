/**
 * Standard output as a sink, with real pipes.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { StdoutSink } from "../../src/deliver/stdout_sink.ts";
import { alerts, sinkSuite } from "../support/sink_suite.ts";
import { tempDir } from "../support/temp_dir.ts";

const NEVER = new AbortController().signal;
const CHILD = fileURLToPath(new URL("../support/stdout_sink_child.ts", import.meta.url));

async function fileHarness(pretty = false) {
  const directory = await tempDir();
  const path = join(directory.path, "out");
  const fd = openSync(path, "a");
  const again = () => new StdoutSink({ type: "stdout", id: "stdout", pretty }, fd);
  return {
    sink: again(),
    again: pretty ? undefined : again,
    text: () => readFileSync(path, "utf8"),
    received: () => Promise.resolve(readFileSync(path, "utf8").split("\n").slice(0, -1)),
    [Symbol.asyncDispose]: async () => {
      closeSync(fd);
      await directory[Symbol.asyncDispose]();
    },
  };
}

sinkSuite("StdoutSink", async () => {
  const { again: _, ...harness } = await fileHarness();
  return harness;
});

test("StdoutSink indents when asked to", async () => {
  await using harness = await fileHarness(true);
  const [alert] = alerts(1, { body: '{"a":{"b":[1,"x"]}}' });
  assert.ok(alert);
  await harness.sink.send([alert], NEVER);
  const expected = '{\n  "a": {\n    "b": [\n      1,\n      "x"\n    ]\n  }\n}\n';
  assert.equal(harness.text(), expected);
});

function child(count: number, bytes: number, timeoutMs = 60_000): ChildProcess {
  const flags = "Deno" in globalThis ? ["run", "-A", CHILD] : [CHILD];
  return spawn(process.execPath, [...flags, ...[count, bytes, timeoutMs].map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function textOf(stream: ChildProcess["stdout"], pauseMs = 0): Promise<string> {
  let text = "";
  stream?.setEncoding("utf8");
  for await (const part of stream ?? []) {
    text += part;
    if (pauseMs > 0) await delay(pauseMs);
  }
  return text;
}

function numbers(text: string): number[] {
  assert.ok(text.endsWith("\n"), "the last line is whole");
  return text.split("\n").slice(0, -1).map((line) => Number(JSON.parse(line).number));
}

test("StdoutSink waits for a slow reader", async () => {
  const process = child(300, 3000);
  const [out, report] = await Promise.all([textOf(process.stdout, 5), textOf(process.stderr)]);
  assert.deepEqual(numbers(out), Array.from({ length: 300 }, (_, at) => at));
  assert.equal(JSON.parse(report).left, 0);
});

test("StdoutSink finishes its line after an aborted call and repeats nothing", async () => {
  const process = child(40, 50_000, 150);
  // Nobody reads for a while: the pipe fills up in the middle of a line, calls run into their limit.
  await delay(800);
  const [out, report] = await Promise.all([textOf(process.stdout), textOf(process.stderr)]);
  assert.deepEqual(numbers(out), Array.from({ length: 40 }, (_, at) => at));
  const { left, retries } = JSON.parse(report);
  assert.equal(left, 0);
  assert.ok(retries > 0, "a call was aborted");
});

test("StdoutSink pauses when its reader is gone", async () => {
  const process = child(5000, 1000);
  process.stdout?.once("data", () => process.stdout?.destroy());
  const report = JSON.parse(await textOf(process.stderr));
  assert.equal(report.state, "paused");
  assert.match(report.lastError, /EPIPE|broken pipe/i);
  assert.ok(report.left > 0, "the outbox keeps what was not written");
});
