/**
 * The files a command writes. They are opened before the work begins: a path that cannot be written
 * is better known then.
 */
import { closeSync, openSync } from "node:fs";
import { UsageError } from "./commands/common.ts";

/** Where `-o` goes. */
export interface Output extends Disposable {
  /** `undefined` for stdout. */
  readonly descriptor: number | undefined;
}

/**
 * Creates the file that `-o` names; without one, or for `-`, output goes to stdout.
 *
 * @throws {UsageError} If it cannot be created.
 */
export function openOutput(path: string | undefined): Output {
  if (path === undefined || path === "-") {
    return { descriptor: undefined, [Symbol.dispose]: () => {} };
  }
  const descriptor = open("--output", path, "w");
  return { descriptor, [Symbol.dispose]: () => closeSync(descriptor) };
}

/**
 * Whether a file that is written in the end can be; what it holds is kept until then.
 *
 * @throws {UsageError} If it cannot.
 */
export function checkWritable(option: string, path: string): void {
  closeSync(open(option, path, "a"));
}

function open(option: string, path: string, flags: "a" | "w"): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot write ${option} ${path}: ${reason}`, { cause: error });
  }
}
