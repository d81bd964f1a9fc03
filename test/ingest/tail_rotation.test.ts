/**
 * Rotation against a naive model: whatever is done to a log, and wherever reading stops and begins
 * again, each line comes, and comes once. `quality.md` R5 and R15.
 *
 * `PICKET_ROTATIONS` sets how many rotations are done, 200 by default.
 */
import assert from "node:assert/strict";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { pause, Scratch, type Seen, Tail } from "../support/tail.ts";

const ROTATIONS = Number(process.env["PICKET_ROTATIONS"] ?? 200);
const ROTATIONS_PER_SCRIPT = 6;

type Step =
  | { readonly kind: "write"; readonly lines: number; readonly length: number }
  /** The start of a line, whose rest comes with the next step that writes. */
  | { readonly kind: "partial" }
  /** A process that has not noticed the rotation yet. */
  | { readonly kind: "late" }
  | { readonly kind: "rotate"; readonly how: "rename" | "copytruncate" | "delete" }
  | { readonly kind: "gzip"; readonly keepTime: boolean }
  | { readonly kind: "pause"; readonly ms: number }
  | { readonly kind: "stop" }
  /** @param back How many positions are lost, as if the process had been killed. */
  | { readonly kind: "start"; readonly back: number };

const otherStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      lines: fc.integer({ min: 1, max: 12 }),
      length: fc.constantFrom(0, 0, 40, 400),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "partial" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "late" }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("gzip" as const), keepTime: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("pause" as const), ms: fc.constantFrom(1, 15, 40) }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "stop" }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("start" as const),
      back: fc.constantFrom(0, 0, 1, 3, 8),
    }),
  },
);

/** A number of rotations with other things between them. */
const script: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.tuple(
    fc.array(otherStep, { minLength: 1, maxLength: 4 }),
    fc.constantFrom("rename", "rename", "copytruncate", "copytruncate", "delete"),
  ),
  { minLength: ROTATIONS_PER_SCRIPT, maxLength: ROTATIONS_PER_SCRIPT },
).map((parts) => parts.flatMap(([before, how]): Step[] => [...before, { kind: "rotate", how }]));

interface Setting {
  readonly glob: boolean;
  readonly watch: boolean;
  /** Each content begins with the same line; nothing is deleted then. */
  readonly header: boolean;
}

const setting = fc.record({ glob: fc.boolean(), watch: fc.boolean(), header: fc.boolean() });

/** The log and its writer. */
class Log {
  readonly written: string[] = [];
  headers = 0;
  readonly #scratch: Scratch;
  readonly #hasHeader: boolean;
  #next = 0;
  #unfinished = "";
  /** Whether `x.log.1` was the log itself, to which a late writer may still write. */
  #isRenamed = false;

  constructor(scratch: Scratch, hasHeader: boolean) {
    this.#scratch = scratch;
    this.#hasHeader = hasHeader;
    this.#create();
  }

  get path(): string {
    return this.#scratch.path("x.log");
  }

  write(lines: number, length: number): void {
    let text = this.#finish();
    for (let count = 0; count < lines; count++) text += this.#line(length) + "\n";
    appendFileSync(this.path, text);
  }

  partial(): void {
    if (this.#unfinished !== "") return;
    this.#unfinished = this.#line(20);
    appendFileSync(this.path, this.#unfinished.slice(0, 9));
  }

  late(): void {
    const path = this.#scratch.path("x.log.1");
    if (this.#isRenamed && existsSync(path)) appendFileSync(path, this.#line(10) + "\n");
  }

  rotate(how: "rename" | "copytruncate" | "delete"): void {
    appendFileSync(this.path, this.#finish());
    if (how === "delete") {
      rmSync(this.path);
    } else {
      this.#shift(1);
      const target = this.#scratch.path("x.log.1");
      if (how === "rename") renameSync(this.path, target);
      else copyFileSync(this.path, target);
      this.#isRenamed = how === "rename";
      if (how === "copytruncate") truncateSync(this.path);
    }
    this.#create();
  }

  gzip(keepTime: boolean): void {
    const path = this.#scratch.path("x.log.1");
    if (!existsSync(path)) return;
    const { mtime } = statSync(path);
    writeFileSync(path + ".gz", gzipSync(readFileSync(path)));
    if (keepTime) utimesSync(path + ".gz", mtime, mtime);
    rmSync(path);
  }

  #create(): void {
    if (!existsSync(this.path)) writeFileSync(this.path, "");
    if (!this.#hasHeader) return;
    // At once: files that hold the header and nothing else cannot be told apart.
    appendFileSync(this.path, `#header\n${this.#line(0)}\n`);
    this.headers++;
  }

  /** Makes room for `x.log.1`, as logrotate does. */
  #shift(number: number): void {
    for (const packed of ["", ".gz"]) {
      const path = this.#scratch.path(`x.log.${number}${packed}`);
      if (!existsSync(path)) continue;
      this.#shift(number + 1);
      renameSync(path, this.#scratch.path(`x.log.${number + 1}${packed}`));
    }
  }

  #line(length: number): string {
    const line = `line ${this.#next++} ${"x".repeat(length)}`;
    this.written.push(line);
    return line;
  }

  #finish(): string {
    const text = this.#unfinished === "" ? "" : this.#unfinished.slice(9) + "\n";
    this.#unfinished = "";
    return text;
  }

  end(): void {
    appendFileSync(this.path, this.#finish());
  }
}

/** What all runs of the source over one script gave. */
class Runs {
  readonly seen: Seen[] = [];
  readonly positions: string[] = [];
  hasCrashed = false;
  #tail: Tail | undefined;
  readonly #open: (from: string | undefined) => Tail;

  constructor(open: (from: string | undefined) => Tail) {
    this.#open = open;
  }

  get isRunning(): boolean {
    return this.#tail !== undefined;
  }

  start(back: number): void {
    if (this.#tail !== undefined) return;
    const lost = Math.min(back, Math.max(0, this.positions.length - 1));
    if (lost > 0) this.hasCrashed = true;
    this.positions.length -= lost;
    this.#tail = this.#open(this.positions.at(-1));
  }

  /** Waits until the source has seen what there is: what was rotated before is not its concern. */
  async started(): Promise<void> {
    await this.#tail?.started();
  }

  async stop(): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined) return;
    this.#tail = undefined;
    await tail.stop();
    this.seen.push(...tail.seen);
    this.positions.push(...tail.positions.map(({ position }) => position));
  }

  /** Waits until every line has been seen. */
  async caughtUp(log: Log): Promise<void> {
    const tail = this.#tail;
    assert.ok(tail);
    const texts = new Set(this.seen.map(({ text }) => text));
    let at = 0;
    await tail.until(() => {
      for (; at < tail.seen.length; at++) texts.add(tail.seen[at]!.text);
      return log.written.every((line) => texts.has(line));
    }, "a line");
  }
}

async function follow(steps: readonly Step[], { glob, watch, header }: Setting): Promise<void> {
  using scratch = new Scratch();
  const log = new Log(scratch, header);
  const paths = [scratch.path(glob ? "x.log*" : "x.log")];
  const run = new Runs((from) =>
    new Tail(paths, { startAt: "start", pollMs: 15 }, { watch, partialMs: 60_000 }, from)
  );
  run.start(0);
  try {
    await run.started();
    for (const step of steps) {
      switch (step.kind) {
        case "write":
          log.write(step.lines, step.length);
          break;
        case "partial":
          log.partial();
          break;
        case "late":
          log.late();
          break;
        case "rotate":
          // What is deleted before it was read is lost, in the model as well.
          if (step.how === "delete") {
            if (header || !run.isRunning) break;
            log.end();
            await run.caughtUp(log);
          }
          log.rotate(step.how);
          break;
        case "gzip":
          log.gzip(step.keepTime);
          break;
        case "pause":
          await pause(step.ms);
          break;
        case "stop":
          await run.stop();
          break;
        case "start":
          await run.stop();
          run.start(step.back);
          break;
      }
    }
    log.end();
    run.start(0);
    await run.caughtUp(log);
    await pause(60);
  } finally {
    await run.stop();
  }
  compare(log, run);
}

function compare(log: Log, run: Runs): void {
  const idsOf = new Map<string, Set<string>>();
  const textOf = new Map<string, string>();
  for (const { text, id, origin } of run.seen) {
    const key = `${origin} ${id}`;
    assert.equal(textOf.get(key) ?? text, text, `${key} names one line`);
    textOf.set(key, text);
    idsOf.set(text, (idsOf.get(text) ?? new Set()).add(key));
    assert.equal(origin, "x.log");
  }
  for (const [text, ids] of idsOf) {
    const expected = text === "#header" ? log.headers : 1;
    assert.equal(ids.size, expected, `${text} has the ids ${[...ids].join(", ")}`);
  }
  assert.deepEqual(
    new Set(idsOf.keys()),
    new Set([...log.written, ...log.headers ? ["#header"] : []]),
  );
  if (!run.hasCrashed) {
    assert.equal(run.seen.length, log.written.length + log.headers, "nothing came twice");
  }
}

test("fileSource() reads each line once, whatever happens to the log", {
  timeout: 3600_000,
}, async () => {
  const numRuns = Math.ceil(ROTATIONS / ROTATIONS_PER_SCRIPT);
  await fc.assert(fc.asyncProperty(script, setting, follow), { numRuns, endOnFailure: true });
});
