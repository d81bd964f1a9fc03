/**
 * Where the file sink had got to, and which alerts stand behind that place.
 *
 * A place is a file and an offset. The file may have been rotated or compressed since, so it is known
 * by what it begins with, not by its name. Lines are compared with whole bodies: the outbox holds an
 * alert's text as it was first written, so equal means the same.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import { LineSplitter } from "../decode/line_splitter.ts";
import type { Alert } from "../runtime/alert.ts";
import { systemCode } from "./fs_failure.ts";

/** Tells a file from others: it holds the first alert, whose id is in no other file. */
export const HEAD_BYTES = 4096;
/** Files are read back so far at most; only a position whose file is gone makes it read that much. */
const LOOK_BACK_BYTES = 128 << 20;

/** Everything before `offset` is accounted for. */
export interface FilePosition {
  readonly offset: number;
  /** `device:inode`; decides only between files that begin alike. */
  readonly file: string;
  /** SHA-256 of the first bytes: `HEAD_BYTES`, or as many as there are before `offset`. */
  readonly head: string;
}

const POSITION = z.object({ offset: z.number(), file: z.string(), head: z.string() });

export function encodePosition(position: FilePosition): string {
  return JSON.stringify(position);
}

/** @returns `undefined` for what this version does not understand: then every file is read. */
export function decodePosition(text: string | undefined): FilePosition | undefined {
  if (text === undefined) return undefined;
  try {
    return POSITION.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function headHash(head: Uint8Array, offset: number): string {
  return createHash("sha256").update(head.subarray(0, offset)).digest("hex").slice(0, 32);
}

/**
 * Which of `alerts` stand behind `position` in the file at `path` or those it was rotated to.
 *
 * @returns Their ids. A file that cannot be read counts as empty: better twice than never.
 */
export async function alertsBehind(
  path: string,
  position: FilePosition | undefined,
  alerts: readonly Alert[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const wanted = new Map<string, string[]>();
  for (const { id, body } of alerts) {
    const line = body.toWellFormed(); // As UTF-8 has it.
    wanted.set(line, [...wanted.get(line) ?? [], id]);
  }
  const found = new Set<string>();
  let budget = LOOK_BACK_BYTES;
  for (const file of await newestFirst(path)) {
    if (budget <= 0 || found.size === alerts.length) break;
    try {
      const start = await startOf(file, position);
      budget -= file.size;
      await eachLine(file, start ?? 0, signal, (line) => {
        const id = wanted.get(line)?.shift();
        if (id !== undefined) found.add(id);
      });
      if (start !== undefined) break;
    } catch (error) {
      signal.throwIfAborted();
      // Gone meanwhile, damaged, or not ours to read.
      if (systemCode(error) === undefined) throw error;
    }
  }
  return found;
}

interface Candidate {
  readonly path: string;
  readonly gzip: boolean;
  readonly size: number;
  readonly id: string;
  readonly changedMs: number;
}

/** The file and its siblings, whoever rotated them. */
async function newestFirst(path: string): Promise<readonly Candidate[]> {
  const names = await readdir(dirname(path)).catch((): string[] => []);
  const all = new Set(names);
  const found: Candidate[] = [];
  for (const name of names) {
    const sibling = name.startsWith(`${basename(path)}.`) && !name.endsWith(".partial");
    if (name !== basename(path) && !sibling) continue;
    const gzip = name.endsWith(".gz");
    if (gzip && all.has(name.slice(0, -3))) continue;
    const full = join(dirname(path), name);
    const info = await stat(full, { bigint: true }).catch(() => undefined);
    if (!info?.isFile()) continue;
    found.push({
      path: full,
      gzip,
      size: Number(info.size),
      id: fileId(info),
      // The current file first, even where clocks were changed.
      changedMs: name === basename(path) ? Infinity : Number(info.mtimeMs),
    });
  }
  return found.sort((one, other) => other.changedMs - one.changedMs);
}

export function fileId({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

/** The offset in `file` that `position` means; `undefined` if it means another file. */
async function startOf(
  file: Candidate,
  position: FilePosition | undefined,
): Promise<number | undefined> {
  if (position === undefined) return undefined;
  const { offset } = position;
  if (!file.gzip && (file.id !== position.file || file.size < offset)) return undefined;
  // An empty head is that of every file.
  if (file.gzip && offset === 0) return undefined;
  const head = await readHead(file, Math.min(offset, HEAD_BYTES));
  return headHash(head, offset) === position.head ? offset : undefined;
}

async function readHead(file: Candidate, length: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let got = 0;
  for await (const block of blocks(file)) {
    parts.push(block.subarray(0, length - got));
    got += block.length;
    if (got >= length) break;
  }
  return Buffer.concat(parts);
}

async function eachLine(
  file: Candidate,
  start: number,
  signal: AbortSignal,
  line: (text: string) => void,
): Promise<void> {
  const splitter = new LineSplitter({ line, tooLong() {} }, start);
  let skip = file.gzip ? start : 0;
  for await (const block of blocks(file, start)) {
    signal.throwIfAborted();
    const skipped = Math.min(skip, block.length);
    skip -= skipped;
    if (skipped < block.length) splitter.push(block.subarray(skipped));
  }
}

/** A compressed file is read from its beginning, whatever `start` says. */
async function* blocks(file: Candidate, start = 0): AsyncIterable<Uint8Array> {
  const raw = createReadStream(file.path, file.gzip ? {} : { start });
  const stream = file.gzip ? raw.pipe(createGunzip()) : raw;
  if (stream !== raw) raw.once("error", (error) => stream.destroy(error));
  try {
    for await (const block of stream) yield block as Uint8Array;
  } finally {
    raw.destroy();
    stream.destroy();
  }
}
