/**
 * Hits in order, in bounded memory: what does not fit is sorted, written to a temporary file, and
 * merged at the end.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LineSplitter } from "../../src/decode/line_splitter.ts";
import { readBlocks } from "../../src/ingest/blocks.ts";
import { OutputError, writeFully } from "../io.ts";
import type { Hit } from "./types.ts";

/** Characters of hits held by one worker before they go to a file. */
const MAX_HELD_CHARACTERS = 4 << 20;

/** Hits are written to a file so many at a time. */
const LINES_PER_WRITE = 256;

/** Time, file, record, rule: total, and the same whatever worker found a hit. */
export function compareHits(left: Hit, right: Hit): number {
  // Two events without a time are equal here; Infinity - Infinity would be NaN.
  if (left.time !== right.time) return left.time < right.time ? -1 : 1;
  return left.file - right.file || left.position - right.position ||
    left.unit - right.unit || left.line - right.line || left.rule - right.rule;
}

/** Takes hits in any order. */
export class HitSorter {
  readonly #limit: number;
  #held: Hit[] = [];
  #characters = 0;
  #directory: string | undefined;
  readonly #runs: string[] = [];

  constructor(limit = MAX_HELD_CHARACTERS) {
    this.#limit = limit;
  }

  add(hit: Hit): void {
    flatten(hit.head);
    this.#held.push(hit);
    this.#characters += hit.head.length + hit.tail.length;
    if (this.#characters > this.#limit) this.#spill();
  }

  /** What is still held, sorted, and the files of the rest. */
  finish(): { readonly hits: readonly Hit[]; readonly runs: readonly string[] } {
    return { hits: this.#held.sort(compareHits), runs: this.#runs };
  }

  #spill(): void {
    try {
      this.#directory ??= mkdtempSync(join(tmpdir(), runPrefix()));
      const path = join(this.#directory, `${this.#runs.length}.run`);
      this.#write(path);
      this.#runs.push(path);
    } catch (error) {
      throw sortError(error);
    }
    this.#held = [];
    this.#characters = 0;
  }

  #write(path: string): void {
    const descriptor = openRun(path);
    const hits = this.#held.sort(compareHits);
    try {
      for (let from = 0; from < hits.length; from += LINES_PER_WRITE) {
        writeFully(
          descriptor,
          hits.slice(from, from + LINES_PER_WRITE).map(runLine).join(""),
        );
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

function openRun(path: string): number {
  return openSync(path, "wx", 0o600);
}

function sortError(error: unknown): OutputError {
  const reason = error instanceof Error ? error.message : String(error);
  return new OutputError(
    `Cannot sort the results in ${tmpdir()}: ${reason}; TMPDIR can name another directory`,
    { cause: error },
  );
}

/** Threads of a process have the same. */
function runPrefix(): string {
  return `picket-scan-${process.pid}-`;
}

/** Deletes the temporary files of all sorters of this process, however far they came. */
export function removeAllRuns(): void {
  try {
    for (const name of readdirSync(tmpdir())) {
      if (name.startsWith(runPrefix())) {
        rmSync(join(tmpdir(), name), { recursive: true, force: true });
      }
    }
  } catch {
    // Without the directory there is nothing to delete.
  }
}

function runLine(hit: Hit): string {
  const { time, file, position, rule, unit, line, head, tail } = hit;
  const when = Number.isFinite(time) ? time : null;
  return `${JSON.stringify([when, file, position, rule, unit, line, head, tail])}\n`;
}

function parseRunLine(text: string): Hit {
  const [when, file, position, rule, unit, line, head, tail] = JSON.parse(text) as [
    number | null,
    number,
    number,
    number,
    number,
    number,
    string,
    string,
  ];
  return { time: when ?? Infinity, file, position, rule, unit, line, head, tail };
}

/**
 * Makes the engine join the pieces that a text was put together from: held as they are, with the nodes
 * that join them, they take many times its room.
 */
function flatten(text: string): void {
  text.indexOf("\u0000");
}

/** A sorted sequence that is merged with others. */
interface Run {
  head: Hit;
  readonly rest: AsyncGenerator<Hit>;
}

/** Files that are read at once: each takes a descriptor and a block of memory. */
const MAX_OPEN_RUNS = 64;

/**
 * Merges sorted sequences, from memory and from files; the files are deleted.
 *
 * @param maxOpen From 2; more files than that are merged in several passes.
 * @throws {OutputError} If a pass could not be written.
 */
export async function* mergeHits(
  held: readonly (readonly Hit[])[],
  files: readonly string[],
  maxOpen = MAX_OPEN_RUNS,
): AsyncIterable<Hit> {
  try {
    let last = files;
    for (let pass = 0; last.length > maxOpen; pass++) last = await mergePass(last, maxOpen, pass);
    yield* merge([...held.map(fromMemory), ...last.map(fromFile)]);
  } finally {
    removeRuns(files);
  }
}

/** Makes one file of each `maxOpen` files. */
async function mergePass(
  files: readonly string[],
  maxOpen: number,
  pass: number,
): Promise<readonly string[]> {
  const merged: string[] = [];
  for (let from = 0; from < files.length; from += maxOpen) {
    const group = files.slice(from, from + maxOpen);
    const path = join(group[0]!, "..", `${pass}-${from}.merged`);
    const descriptor = openRun(path);
    try {
      let lines: string[] = [];
      for await (const hit of merge(group.map(fromFile))) {
        if (lines.push(runLine(hit)) < LINES_PER_WRITE) continue;
        writeFully(descriptor, lines.join(""));
        lines = [];
      }
      writeFully(descriptor, lines.join(""));
    } catch (error) {
      throw sortError(error);
    } finally {
      closeSync(descriptor);
    }
    for (const file of group) rmSync(file);
    merged.push(path);
  }
  return merged;
}

async function* merge(sources: readonly AsyncGenerator<Hit>[]): AsyncGenerator<Hit> {
  const heap: Run[] = [];
  try {
    for (const source of sources) {
      const first = await source.next();
      if (first.done !== true) pushRun(heap, { head: first.value, rest: source });
    }
    while (heap.length > 0) {
      const [run] = heap;
      yield run!.head;
      const next = await run!.rest.next();
      if (next.done === true) {
        const last = heap.pop()!;
        if (heap.length === 0) break;
        heap[0] = last;
      } else run!.head = next.value;
      sink(heap);
    }
  } finally {
    // A merge that is given up must not leave files open.
    for (const source of sources) await source.return(undefined);
  }
}

/** Deletes the temporary files of sorters. */
export function removeRuns(files: readonly string[]): void {
  for (const file of files) rmSync(join(file, ".."), { recursive: true, force: true });
}

// deno-lint-ignore require-await
async function* fromMemory(hits: readonly Hit[]): AsyncGenerator<Hit> {
  yield* hits;
}

async function* fromFile(path: string): AsyncGenerator<Hit> {
  let hits: Hit[] = [];
  const splitter = new LineSplitter(
    {
      line: (text) => {
        if (text !== "") hits.push(parseRunLine(text));
      },
      tooLong: () => {},
    },
    0,
    Infinity,
  );
  for await (const block of readBlocks(path)) {
    splitter.push(block);
    yield* hits;
    hits = [];
  }
  splitter.end();
  yield* hits;
}

function pushRun(heap: Run[], run: Run): void {
  let at = heap.push(run) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (compareHits(heap[parent]!.head, run.head) <= 0) break;
    heap[at] = heap[parent]!;
    heap[parent] = run;
    at = parent;
  }
}

/** Restores the heap after its first run has moved on. */
function sink(heap: Run[]): void {
  const run = heap[0]!;
  let at = 0;
  while (true) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && compareHits(heap[child + 1]!.head, heap[child]!.head) < 0) {
      child++;
    }
    if (compareHits(run.head, heap[child]!.head) <= 0) break;
    heap[at] = heap[child]!;
    heap[child] = run;
    at = child;
  }
}
