/**
 * The lock that makes an agent the only owner of a state file.
 *
 * It is a second, empty SQLite file with an open exclusive transaction: SQLite locks files on every
 * system we run on, the system lets go when the process dies, and readers of the state file itself
 * are not shut out, as `locking_mode=EXCLUSIVE` would do.
 */
import { DatabaseSync } from "node:sqlite";
import { closeSync, existsSync, openSync, truncateSync } from "node:fs";
import { StateError } from "../runtime/errors.ts";
import { faultOf, stateError } from "./sqlite_errors.ts";

/** How long to wait for an agent that is just ending, in milliseconds. */
const WAIT_MS = 500;

/**
 * Takes the lock of a state file.
 *
 * @throws {StateError} `STATE_BUSY` if another process has it.
 */
export function lockOwner(path: string, waitMs: number = WAIT_MS): Disposable {
  const lockPath = `${path}.lock`;
  try {
    return lock(lockPath, waitMs);
  } catch (error) {
    const fault = faultOf(error);
    if (fault === "busy") {
      throw new StateError(
        "STATE_BUSY",
        `Cannot open ${path}: another Picket is running on it`,
        { cause: error },
      );
    }
    if (fault !== "damaged") throw stateError("lock", path, error);
  }
  // Somebody else would have been in the way before its content was looked at.
  try {
    truncateSync(lockPath);
    return lock(lockPath, waitMs);
  } catch (error) {
    throw stateError("lock", path, error);
  }
}

/** Whether an agent has the state file open. */
export function isOwned(path: string): boolean {
  if (!existsSync(`${path}.lock`)) return false;
  try {
    lockOwner(path, 0)[Symbol.dispose]();
    return false;
  } catch (error) {
    return error instanceof StateError && error.code === "STATE_BUSY";
  }
}

function lock(lockPath: string, waitMs: number): Disposable {
  closeSync(openSync(lockPath, "a", 0o600));
  const db = new DatabaseSync(lockPath, { timeout: waitMs });
  try {
    // The journal would be written only if the transaction changed something.
    db.prepare("PRAGMA journal_mode = MEMORY").get();
    db.prepare("BEGIN EXCLUSIVE").run();
  } catch (error) {
    db.close();
    throw error;
  }
  return { [Symbol.dispose]: () => db.close() };
}
