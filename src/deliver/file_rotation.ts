/**
 * Rotated files of the file sink: `alerts.ndjson.000001`, later `alerts.ndjson.000001.gz`.
 *
 * Numbers ascend and are never used twice while a file of that number is there, so no rotation has to
 * rename older files and a crash in the middle leaves nothing half moved. A compressed file gets its
 * name only when it is whole and on the disk, and the original goes only after that.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { lstat, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

const PARTIAL = ".partial";

export interface RotatedFile {
  readonly path: string;
  readonly number: number;
  readonly gzip: boolean;
}

/** What rotations of `path` left, oldest first. */
export async function rotatedFiles(path: string): Promise<readonly RotatedFile[]> {
  const found: RotatedFile[] = [];
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const match = /^(\d{6,15})(\.gz)?$/.exec(name.slice(basename(path).length + 1));
    if (match?.[1] === undefined) continue;
    found.push({
      path: join(dirname(path), name),
      number: Number(match[1]),
      gzip: match[2] !== undefined,
    });
  }
  return found.sort((one, other) =>
    one.number - other.number || Number(one.gzip) - Number(other.gzip)
  );
}

/** Gives the closed file at `path` its rotated name. */
export async function renameRotated(path: string): Promise<void> {
  const last = (await rotatedFiles(path)).at(-1)?.number ?? 0;
  const target = `${path}.${String(last + 1).padStart(6, "0")}`;
  // `rename` replaces what is there, and files are never replaced here.
  if (await lstat(target).catch(() => undefined) !== undefined) {
    throw new Error(`${target} is there already`);
  }
  await rename(path, target);
  await syncDirectory(path);
}

/**
 * Compresses rotated files, removes all but the newest `keep`, and what a crash left of compressing.
 *
 * A file that is there in both forms is compressed again: the original is the one to trust.
 */
export async function tidyRotated(
  path: string,
  { keep, gzip }: { readonly keep: number; readonly gzip: boolean },
  signal: AbortSignal,
): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    const rest = name.slice(basename(path).length);
    if (name.startsWith(basename(path)) && /^\.\d{6,15}\.gz\.partial$/.test(rest)) {
      await rm(join(dirname(path), name), { force: true });
    }
  }
  const files = await rotatedFiles(path);
  const numbers = [...new Set(files.map(({ number }) => number))];
  const kept = new Set(numbers.slice(Math.max(0, numbers.length - keep)));
  for (const file of files) {
    signal.throwIfAborted();
    if (!kept.has(file.number)) await rm(file.path, { force: true });
    else if (gzip && !file.gzip) await compress(file.path, signal);
  }
}

async function compress(path: string, signal: AbortSignal): Promise<void> {
  const target = `${path}.gz`;
  const partial = `${target}${PARTIAL}`;
  const { mode, atime, mtime } = await stat(path);
  try {
    await pipeline(
      createReadStream(path),
      createGzip(),
      createWriteStream(partial, { mode: mode & 0o777 }),
      { signal },
    );
    const file = await open(partial, "r+");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await utimes(partial, atime, mtime);
    await rename(partial, target);
    await syncDirectory(path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await rm(path);
}

/** Puts the names in the directory of `path` on the disk, where the system has a call for that. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } catch (error) {
    // Some network file systems refuse; they have no names that a crash could take back.
    if (!(error instanceof Error && "code" in error && error.code === "EINVAL")) throw error;
  } finally {
    await directory.close();
  }
}
