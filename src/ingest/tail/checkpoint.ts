/**
 * The position of a file source: one JSON text with a checkpoint for each file.
 *
 * It is written with every batch, so keys are short, what has its default is left out, and the text
 * of a file that has not moved is used again.
 */
import type { AuditHeld } from "./audit_lines.ts";
import type { Stretch } from "./fingerprint.ts";

/** Contents that have been read and are gone from the files, kept per origin whatever their age. */
const KEPT_KNOWN = 4;
/** The most that are kept of an origin that rotates every few seconds. */
const MAX_KNOWN = 64;
/** Contents written this close to the newest one are kept as well. */
export const SLACK_MS = 60_000;
/** Open audit events of a content; the joiner has no more. */
const MAX_FIRSTS = 1000;
/** Entries of a position that are read at all; far above what a machine has in logs. */
const MAX_ENTRIES = 100_000;

/** How far one content has been read. */
export interface Checkpoint {
  readonly origin: string;
  /** Where it was seen last. */
  readonly path: string;
  readonly dev: bigint;
  readonly ino: bigint;
  /** Its file has been truncated and holds something else. */
  readonly isOrphan: boolean;
  /** Where its text begins, behind leading NULs. */
  readonly base: number;
  readonly head: Stretch;
  readonly tail: Stretch;
  /** Hash of its first line, `undefined` while that is incomplete; see `Lineage`. */
  readonly key: string | undefined;
  readonly ordinal: number;
  /** Of the first byte that has not become part of a record. */
  readonly offset: number;
  /** When its file was written last, as far as known. Unix milliseconds. */
  readonly mtimeMs: number;
  /** The unfinished last line that was given out; see `Generation.givePartial`. */
  readonly partial: Partial | undefined;
  /** Where `multiline: json` stands inside a line: characters to skip, and whether in an array. */
  readonly json: { readonly skip: number; readonly inArray: boolean } | undefined;
  /** Which of the lines from `offset` on have become part of records, where audit records are joined. */
  readonly audit?: AuditHeld;
  /** Since when no file with this content has been found. Unix milliseconds. */
  readonly goneMs: number | undefined;
}

/** An unfinished line: where it ended, how long its text was, and the stamp of its id. */
export interface Partial {
  /** Offset. */
  readonly end: number;
  /** UTF-16 code units. */
  readonly chars: number;
  readonly stamp: string;
}

/** A content that has been read to its end. */
export interface Known {
  readonly origin: string;
  readonly base: number;
  readonly head: Stretch;
  readonly tail: Stretch;
  readonly key: string | undefined;
  readonly ordinal: number;
  /** Bytes. */
  readonly size: number;
  readonly mtimeMs: number;
}

export interface Position {
  /** When directories were looked through last. Unix milliseconds. */
  readonly scannedMs: number;
  readonly files: readonly Checkpoint[];
  readonly known: readonly Known[];
}

export function formatCheckpoint(one: Checkpoint): string {
  return JSON.stringify({
    o: one.origin,
    p: one.path === one.origin ? undefined : one.path,
    d: String(one.dev),
    i: String(one.ino),
    x: one.isOrphan ? 1 : undefined,
    b: one.base === 0 ? undefined : one.base,
    h: formatStretch(one.head),
    t: formatStretch(one.tail),
    k: one.key,
    n: one.ordinal === 0 ? undefined : one.ordinal,
    at: one.offset,
    m: Math.trunc(one.mtimeMs),
    l: one.partial === undefined ? undefined : formatPartial(one.partial),
    j: one.json === undefined ? undefined : [one.json.skip, one.json.inArray ? 1 : 0],
    a: one.audit === undefined ? undefined : [one.audit.until, ...one.audit.firsts],
    g: one.goneMs,
  });
}

export function formatKnown(one: Known): string {
  return JSON.stringify({
    o: one.origin,
    b: one.base === 0 ? undefined : one.base,
    h: formatStretch(one.head),
    t: formatStretch(one.tail),
    k: one.key,
    n: one.ordinal === 0 ? undefined : one.ordinal,
    s: one.size,
    m: Math.trunc(one.mtimeMs),
  });
}

/** @param files Results of `formatCheckpoint`. @param known Results of `formatKnown`. */
export function formatPosition(
  scannedMs: number,
  files: readonly string[],
  known: readonly string[],
): string {
  return `{"v":1,"t":${scannedMs},"files":[${files.join(",")}],"known":[${known.join(",")}]}`;
}

/** Reads what `formatPosition` wrote; `undefined` if it is anything else. */
export function parsePosition(text: string): Position | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(data) || data["v"] !== 1 || !isCount(data["t"])) return undefined;
  const { files, known } = data;
  if (!Array.isArray(files) || !Array.isArray(known)) return undefined;
  if (files.length + known.length > MAX_ENTRIES) return undefined;
  const checkpoints = files.map(toCheckpoint), finished = known.map(toKnown);
  if (checkpoints.includes(undefined) || finished.includes(undefined)) return undefined;
  return {
    scannedMs: data["t"],
    files: checkpoints.filter((one) => one !== undefined),
    known: finished.filter((one) => one !== undefined),
  };
}

/**
 * What is worth keeping of the contents that were read: per origin the last four, and those written
 * within a minute of the newest, since a file as old as that may still pass for a new one.
 *
 * @param known In the order in which they were finished.
 */
export function pruneKnown(known: readonly Known[]): Known[] {
  const newest = new Map<string, number>();
  for (const { origin, mtimeMs } of known) {
    newest.set(origin, Math.max(newest.get(origin) ?? 0, mtimeMs));
  }
  const counts = new Map<string, number>();
  return known.toReversed().filter(({ origin, mtimeMs }) => {
    const count = (counts.get(origin) ?? 0) + 1;
    counts.set(origin, count);
    const isRecent = mtimeMs >= newest.get(origin)! - SLACK_MS;
    return count <= KEPT_KNOWN || (isRecent && count <= MAX_KNOWN);
  }).reverse();
}

function formatPartial({ end, chars, stamp }: Partial): readonly [number, number, string] {
  return [end, chars, stamp];
}

function formatStretch({ end, length, hash }: Stretch): readonly [number, number, string] {
  return [end, length, hash];
}

function toCheckpoint(data: unknown): Checkpoint | undefined {
  const known = toKnown(isObject(data) ? { ...data, s: data["at"] } : data);
  if (known === undefined || !isObject(data)) return undefined;
  const { p = known.origin, d, i, x, l, j, g } = data;
  if (typeof p !== "string" || !isDecimal(d) || !isDecimal(i)) return undefined;
  if (g !== undefined && !isCount(g)) return undefined;
  const partial = toPartial(l), json = toPair(j), audit = toAudit(data["a"]);
  const { size: offset, ...rest } = known;
  return {
    ...rest,
    offset,
    path: p,
    dev: BigInt(d),
    ino: BigInt(i),
    isOrphan: x === 1,
    partial,
    json: json === undefined ? undefined : { skip: json[0], inArray: json[1] === 1 },
    goneMs: g,
    ...(audit === undefined ? {} : { audit }),
  };
}

function toKnown(data: unknown): Known | undefined {
  if (!isObject(data)) return undefined;
  const { o, b = 0, k, n = 0, s, m } = data;
  const head = toStretch(data["h"]), tail = toStretch(data["t"]);
  if (typeof o !== "string" || head === undefined || tail === undefined) return undefined;
  if (k !== undefined && typeof k !== "string") return undefined;
  if (!isCount(b) || !isCount(n) || !isCount(s) || !isCount(m)) return undefined;
  return { origin: o, base: b, head, tail, key: k, ordinal: n, size: s, mtimeMs: m };
}

function toStretch(data: unknown): Stretch | undefined {
  if (!Array.isArray(data)) return undefined;
  const [end, length, hash] = data as unknown[];
  if (!isCount(end) || !isCount(length) || typeof hash !== "string") return undefined;
  return length <= end ? { end, length, hash } : undefined;
}

function toPartial(data: unknown): Partial | undefined {
  if (!Array.isArray(data)) return undefined;
  const [end, chars, stamp] = data as unknown[];
  return isCount(end) && isCount(chars) && typeof stamp === "string"
    ? { end, chars, stamp }
    : undefined;
}

function toAudit(data: unknown): AuditHeld | undefined {
  if (!Array.isArray(data) || data.length > MAX_FIRSTS + 1) return undefined;
  const [until, ...firsts] = data as unknown[];
  if (!isCount(until) || !firsts.every(isCount)) return undefined;
  return { until, firsts };
}

function toPair(data: unknown): readonly [number, unknown] | undefined {
  if (!Array.isArray(data)) return undefined;
  const [first, second] = data as unknown[];
  return isCount(first) ? [first, second] : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDecimal(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,40}$/.test(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
