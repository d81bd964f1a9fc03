/**
 * What SQLite's failures mean for the state file.
 *
 * Deno leaves the result code off some errors and keeps only the text, so both are looked at.
 * The codes are those of https://www.sqlite.org/rescode.html.
 */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { StateError } from "../runtime/errors.ts";

export type Fault = "full" | "busy" | "damaged" | "readonly" | "io" | "other";

/** A value of the file that no version of Picket would have written. */
export class DamageError extends Error {
  override readonly name = "DamageError";
}

const IOERR_WRITE = 778;
const IOERR_SHORT_READ = 522;
const IOERR_SHMSIZE = 4874;

/** What a failure of SQLite, or of decoding what it gave, stands for. */
export function faultOf(error: unknown): Fault {
  if (error instanceof DamageError) return "damaged";
  if (!(error instanceof Error)) return "other";
  const { errcode } = error as { readonly errcode?: unknown };
  if (typeof errcode !== "number") return faultOfText(error.message);
  if (errcode === IOERR_SHORT_READ) return "damaged";
  if (errcode === IOERR_SHMSIZE) return "full";
  switch (errcode & 0xff) {
    case 5:
    case 6:
      return "busy";
    case 8:
      return "readonly";
    case 10:
    case 14:
      return "io";
    case 11:
    case 26:
      return "damaged";
    case 13:
      return "full";
    default:
      return "other";
  }
}

const TEXTS: readonly (readonly [text: string, fault: Fault])[] = [
  ["database is locked", "busy"],
  ["database table is locked", "busy"],
  ["database or disk is full", "full"],
  ["malformed", "damaged"],
  ["file is not a database", "damaged"],
  ["readonly database", "readonly"],
  ["disk I/O error", "io"],
  ["unable to open database", "io"],
];

function faultOfText(message: string): Fault {
  return TEXTS.find(([text]) => message.includes(text))?.[1] ?? "other";
}

/** The `StateError` for a failed action; one that is a `StateError` already passes through. */
export function stateError(action: string, path: string, error: unknown): StateError {
  if (error instanceof StateError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new StateError(codeOf(error, path), `Cannot ${action} ${path}: ${reason}`, {
    cause: error,
  });
}

function codeOf(error: unknown, path: string): StateError["code"] {
  switch (faultOf(error)) {
    case "full":
      return "STATE_FULL";
    case "busy":
      return "STATE_BUSY";
    case "io":
      return isWriteFailure(error) && isOutOfRoom(path) ? "STATE_FULL" : "STATE_IO";
    case "damaged":
    case "readonly":
    case "other":
      return "STATE_IO";
  }
}

function isWriteFailure(error: unknown): boolean {
  const { errcode } = error as { readonly errcode?: unknown };
  return errcode === undefined || errcode === IOERR_WRITE;
}

const PROBE_BYTES = 65_536; // More than what is left in a block that is already ours.

/** A quota that is used up reaches us as an I/O error without a reason: writing a file tells. */
function isOutOfRoom(path: string): boolean {
  if (path === ":memory:") return false;
  const probe = `${path}.probe`;
  try {
    const file = openSync(probe, "w", 0o600);
    try {
      writeSync(file, new Uint8Array(PROBE_BYTES));
    } finally {
      closeSync(file);
      unlinkSync(probe);
    }
    return false;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
  }
}
