/**
 * A whole scan: parts dealt to threads, their hits merged into one order.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { type SharedRules, shareRules } from "../../src/engine/rule_store.ts";
import type { FieldCounts } from "../../src/schema/field_observer.ts";
import type { DetectionRule } from "../../src/sigma/rule.ts";
import { OutputError } from "../io.ts";
import { SCAN_WORKER_URL } from "../worker_url.ts";
import { mergeHits, removeAllRuns, removeRuns } from "./hit_sorter.ts";
import { ScanSession } from "./session.ts";
import {
  addCounts,
  emptyCounts,
  type FromWorker,
  type Hit,
  type ScanCounts,
  type ScanSettings,
  type ScanUnit,
  type ToWorker,
} from "./types.ts";

export interface ScanProgress {
  readonly bytes: number;
  readonly events: number;
  readonly unitsDone: number;
  readonly byLevel: Readonly<Record<string, number>>;
}

export interface ScanOutcome {
  readonly counts: ScanCounts;
  /** Whether each rule applied to an event that was met. */
  readonly applied: readonly boolean[];
  /** What each thread counted, if fields are counted. */
  readonly fields: readonly FieldCounts[];
  /** The scan was stopped before its end. */
  readonly interrupted: boolean;
  /** In order; to be read once. */
  hits(): AsyncIterable<OrderedHit>;
  /** Deletes temporary files; to be called in the end. */
  discard(): void;
}

/** A hit as it is written: a JSON object on one line. */
export interface OrderedHit {
  readonly rule: number;
  readonly json: string;
}

type Finished = FromWorker & { readonly type: "finished" };

/**
 * Scans `units` with `threads` threads; with one, in this thread.
 *
 * @param rules The selected rules; threads share one copy of them.
 */
export async function scan(
  units: readonly ScanUnit[],
  rules: readonly DetectionRule[],
  settings: ScanSettings,
  threads: number,
  onProgress: (progress: ScanProgress) => void,
  signal: AbortSignal,
): Promise<ScanOutcome> {
  const lines = new Array<number>(units.length).fill(0);
  // For when the scan fails, or a second Ctrl-C ends it at once.
  process.once("exit", removeAllRuns);
  const finished = threads <= 1 || units.length <= 1
    ? [await scanHere(units, rules, settings, lines, onProgress, signal)]
    : await scanInWorkers(units, shareRules(rules), settings, threads, lines, onProgress, signal);
  const counts = emptyCounts();
  for (const part of finished) addCounts(counts, part.counts);
  const applied = rules.map((_, at) => finished.some((part) => part.applied[at] === true));
  const held = finished.map((part) => part.hits);
  const runs = finished.flatMap((part) => part.runs);
  const firstLines = firstLineOfUnits(units, lines);
  return {
    counts,
    applied,
    fields: finished.flatMap((part) => part.fields ?? []),
    interrupted: signal.aborted,
    async *hits() {
      for await (const hit of mergeHits(held, runs)) {
        yield { rule: hit.rule, json: finishHit(hit, firstLines) };
      }
    },
    discard: () => {
      removeRuns(runs);
      process.off("exit", removeAllRuns);
    },
  };
}

/** Puts the record id in: that of a line is known when the lines of earlier units are counted. */
function finishHit(hit: Hit, firstLines: readonly number[]): string {
  const recordId = hit.line === 0 ? "" : String(firstLines[hit.unit]! + hit.line);
  return `${hit.head}${recordId}${hit.tail}`;
}

/** How many lines of the same file come before each unit. */
function firstLineOfUnits(units: readonly ScanUnit[], lines: readonly number[]): number[] {
  const first: number[] = [];
  for (const [at, unit] of units.entries()) {
    const before = units[at - 1];
    first.push(before?.fileNumber === unit.fileNumber ? first[at - 1]! + lines[at - 1]! : 0);
  }
  return first;
}

async function scanHere(
  units: readonly ScanUnit[],
  rules: readonly DetectionRule[],
  settings: ScanSettings,
  lines: number[],
  onProgress: (progress: ScanProgress) => void,
  signal: AbortSignal,
): Promise<Finished> {
  let unitsDone = 0;
  const session = await ScanSession.open(rules, settings, (message) => {
    if (message.type === "progress") onProgress({ ...message, unitsDone });
  });
  for (const unit of units) {
    lines[unit.number] = await session.scan(unit, signal);
    unitsDone++;
    // A small file is over before a timer or signal had its turn.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (signal.aborted) break;
  }
  return session.finish();
}

/** Deals units to workers as they become free. */
async function scanInWorkers(
  units: readonly ScanUnit[],
  shared: SharedRules,
  settings: ScanSettings,
  threads: number,
  lines: number[],
  onProgress: (progress: ScanProgress) => void,
  signal: AbortSignal,
): Promise<readonly Finished[]> {
  const latest = new Map<number, FromWorker & { readonly type: "progress" }>();
  const workers: Worker[] = [];
  let next = 0;
  let unitsDone = 0;
  const tell = (): void => {
    const byLevel: Record<string, number> = {};
    let bytes = 0;
    let events = 0;
    for (const progress of latest.values()) {
      bytes += progress.bytes;
      events += progress.events;
      for (const [level, hits] of Object.entries(progress.byLevel)) {
        byLevel[level] = (byLevel[level] ?? 0) + hits;
      }
    }
    onProgress({ bytes, events, unitsDone, byLevel });
  };

  const runWorker = (id: number): Promise<Finished> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(SCAN_WORKER_URL);
      workers.push(worker);
      const send = (message: ToWorker): void => worker.postMessage(message);
      const stop = (): void => send({ type: "stop" });
      signal.addEventListener("abort", stop, { once: true });
      const deal = (): void => {
        const unit = signal.aborted ? undefined : units[next++];
        send(unit === undefined ? { type: "finish" } : { type: "unit", unit });
      };
      worker.on("error", reject);
      worker.on("message", (message: FromWorker) => {
        switch (message.type) {
          case "ready":
            deal();
            break;
          case "progress":
            latest.set(id, message);
            tell();
            break;
          case "done":
            lines[message.unit] = message.lines;
            unitsDone++;
            deal();
            break;
          case "finished":
            signal.removeEventListener("abort", stop);
            resolve(message);
            void worker.terminate();
            break;
          case "failed":
            reject(
              message.output ? new OutputError(message.message) : new Error(message.message),
            );
            void worker.terminate();
            break;
        }
      });
      send({ type: "start", rules: shared, settings });
    });
  const count = Math.min(threads, units.length);
  try {
    return await Promise.all(Array.from({ length: count }, (_, id) => runWorker(id)));
  } catch (error) {
    for (const worker of workers) void worker.terminate();
    throw error;
  }
}
