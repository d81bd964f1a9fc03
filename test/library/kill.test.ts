/**
 * A program that is made of the library's parts, as `docs/library.md` shows it, keeps the agent's
 * promise: killed at random again and again, it delivers every alert, and none twice.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { Project } from "../support/doc_examples.ts";
import { evilNumbers, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";

/** Reads app.log into alerts.ndjson until it is told to stop by a line on standard input. */
const PROGRAM = `
import process from "node:process";
import {
  AlertBuilder, FileSink, fileSource, LogProcessor, type NewAlert, openState, spawnSource, startDrain,
} from "picket";

const stop = new AbortController();
process.stdin.once("data", () => stop.abort());
const processor = await LogProcessor.open({ rules: "evil.yml" });
using state = openState("state.db", { reserveBytes: 0 });
await using sink = new FileSink({ type: "file", id: "alerts", path: "alerts.ndjson" });
state.registerSinks([{ id: sink.id, filter: {} }], Date.now());
const drain = startDrain({ sink, outbox: state });
const source = fileSource({
  type: "file", id: "app", paths: ["app.log"], startAt: "start", pollMs: 20,
});
const builder = new AlertBuilder(
  { id: state.agentId, host: "h", labels: {} },
  { id: source.id, kind: source.kind, labels: {} },
  true,
);
console.log("started");
try {
  const from = state.position(source.id);
  for await (const batch of spawnSource(source, { from, signal: stop.signal })) {
    const nowMs = Date.now();
    const alerts: NewAlert[] = (batch.notices ?? []).map((one) => builder.notice(one, nowMs));
    processor.startBatch(batch.events.map(({ payload }) => payload), {}, {
      matched(index, event, results) {
        alerts.push(...builder.detections(results, event, batch.events[index]!, nowMs, new Map()));
      },
      failed: ({ message }) => { throw new Error(message); },
    }).step(Infinity);
    state.commit({ alerts, positions: new Map([[source.id, batch.position]]), nowMs });
    drain.notify();
    await batch.ack?.();
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
await drain.flush(AbortSignal.timeout(10_000));
await drain.stop(AbortSignal.timeout(1000));
process.exit(0);
`;

const RUN = "Deno" in globalThis ? ["run", "-A", "--no-check", "program.ts"] : ["program.ts"];
const KILLS = Number(process.env["PICKET_KILLS"] ?? 6);
const LINES_A_RUN = 4000;

/** Runs the program while `during` does what it does to it; gives its exit code. */
async function run(
  project: Project,
  during: (child: { kill(): void; stop(): void }) => Promise<void>,
): Promise<number | null> {
  const child = spawn(process.execPath, RUN, { cwd: project.path, stdio: "pipe" });
  let stderr = "";
  child.stderr.on("data", (text) => stderr += text);
  child.stdin.on("error", () => {});
  const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
  await new Promise((resolve) => {
    child.stdout.once("data", resolve);
    child.on("close", resolve);
  });
  await during({
    kill: () => void child.kill("SIGKILL"),
    stop: () => void child.stdin.end("stop\n"),
  });
  const code = await exited;
  if (code !== null) assert.equal(code, 0, stderr);
  return code;
}

test(`a program of the library's parts loses and repeats nothing over ${KILLS} kills`, async () => {
  using project = new Project();
  const path = (name: string) => join(project.path, name);
  project.write("program.ts", PROGRAM);
  writeEvilRule(path("evil.yml"));
  writeFileSync(path("app.log"), "");
  let lines = 0;
  const write = (count: number) => {
    const from = lines;
    lines += count;
    appendFileSync(
      path("app.log"),
      Array.from({ length: count }, (_, at) => `${logLine(from + at)}\n`).join(""),
    );
  };
  const delivered = () =>
    existsSync(path("alerts.ndjson"))
      ? readFileSync(path("alerts.ndjson"), "utf8").split("\n").filter((line) => line !== "")
      : [];
  for (let kill = 0; kill < KILLS; kill++) {
    await run(project, async (child) => {
      for (let part = 0; part < 4; part++) {
        write(LINES_A_RUN / 4);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      }
      child.kill();
    });
  }
  const partly = delivered().length;
  const code = await run(project, async (child) => {
    write(100);
    const wanted = evilNumbers(lines).length;
    const deadline = Date.now() + 30_000;
    while (delivered().length < wanted && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.stop();
  });
  assert.equal(code, 0);
  const numbers = delivered().map((line) => numberOf(JSON.parse(line)));
  assert.deepEqual(numbers, evilNumbers(lines));
  console.log(`${KILLS} kills, ${numbers.length} alerts, ${partly} of them before the last start`);
});
