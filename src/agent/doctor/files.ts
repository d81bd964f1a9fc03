/**
 * Whether files can be read and written, asked without touching them.
 */
import { accessSync, constants, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { userInfo } from "node:os";

/** Why `path` cannot be read; `undefined` if it can. */
export function readProblem(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return reasonOf(error, path);
  }
}

/** Why a file could not be written at `path`, with the directories on the way made first. */
export function writeProblem(path: string): string | undefined {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return `${path} is a directory`;
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") return reasonOf(error, path);
  }
  for (let directory = dirname(path);; directory = dirname(directory)) {
    try {
      if (!statSync(directory).isDirectory()) return `${directory} is not a directory`;
      accessSync(directory, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      const isTop = dirname(directory) === directory;
      if (codeOf(error) !== "ENOENT" || isTop) return reasonOf(error, directory);
    }
  }
}

/** Free bytes for us on the disk that `path` is on, or will be on. */
export function freeBytes(path: string): number | undefined {
  for (let place = path;; place = dirname(place)) {
    try {
      const { bavail, bsize } = statfsSync(place);
      return bavail * bsize;
    } catch {
      if (dirname(place) === place) return undefined;
    }
  }
}

/** Who we are, for messages about permissions. */
export function whoAmI(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "?"}`;
  }
}

function reasonOf(error: unknown, path: string): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return `${path} does not exist`;
    case "EACCES":
    case "EPERM":
      return `${whoAmI()} has no permission for ${path}`;
    case "EROFS":
      return `${path} is on a read-only file system`;
    case "ENOTDIR":
      return `part of ${path} is not a directory`;
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { readonly code?: string }).code;
}
