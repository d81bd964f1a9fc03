/**
 * Opens the file behind the state: makes it, checks it, sets it aside if it is damaged.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { StateError } from "../runtime/errors.ts";
import { Database } from "./database.ts";
import { metaValue } from "./identity.ts";
import { recount } from "./recount.ts";
import { type Salvage, salvage } from "./salvage.ts";
import { APPLICATION_ID, checkVersion, migrate, schemaText, schemaVersion } from "./schema.ts";
import { DamageError, faultOf, stateError } from "./sqlite_errors.ts";
import { walDamage } from "./wal_check.ts";

/** What was wrong with the file and what was done about it. */
export interface Recovery {
  /** `replaced`: a new file was made. `log`: the file is sound, the end of its log is lost. */
  readonly kind: "replaced" | "log";
  /** In words. */
  readonly problem: string;
  /** Where the damaged files are now; `-wal` and `-shm` stand beside it. */
  readonly setAside: string;
  /** What was saved into the new file. */
  readonly salvage: Salvage | undefined;
}

/** A recovery in one line, for logs and gap records. */
export function recoveryText({ kind, problem, setAside, salvage }: Recovery): string {
  const incomplete = salvage?.incomplete ?? [];
  const saved = kind === "log"
    ? "the file itself is sound"
    : incomplete.length === 0
    ? "all tables could be read"
    : `incomplete: ${incomplete.join(", ")}`;
  return `${problem}; ${saved}; what was damaged is ${setAside}`;
}

export interface OpenedFile {
  readonly db: Database;
  readonly recovery: Recovery | undefined;
}

export interface OpenFileOptions {
  readonly fsync: "full" | "normal";
  readonly nowMs: number;
  /** Longest that saving from a damaged file may take. */
  readonly salvageMs: number;
  /** Whether an agent has had this file open before. */
  readonly wasUsed: boolean;
}

/** Up to this size the whole file is checked at every start: some 100 ms. */
const ALWAYS_CHECKED_BYTES = 64 * 2 ** 20;
/** Damaged files that are kept, so that they do not fill the disk. */
const KEPT_DAMAGED = 3;
const JOURNAL_BYTES = 16 * 2 ** 20;

/**
 * Opens the file for its owner; damage does not keep it from opening.
 *
 * @throws {StateError} `STATE_VERSION`, or `STATE_IO` if the directory or file cannot be used.
 */
export function openOwned(path: string, options: OpenFileOptions): OpenedFile {
  if (path === ":memory:") return { db: openChecked(path, options), recovery: undefined };
  try {
    const setAside = asidePath(path, options.nowMs);
    const missing = missingContent(path, options.wasUsed);
    if (missing !== undefined) return replace(path, setAside, missing, options);
    prepare(path);
    const lost = walDamage(`${path}-wal`);
    if (lost !== undefined) copyFileSync(`${path}-wal`, `${setAside}-wal`);
    try {
      const db = openChecked(path, options);
      // What a crash left behind in the log must not look like damage after the next one.
      db.get("PRAGMA wal_checkpoint(TRUNCATE)");
      if (lost === undefined) return { db, recovery: undefined };
      return { db, recovery: { kind: "log", problem: lost, setAside, salvage: undefined } };
    } catch (error) {
      if (!isDamage(error, path)) throw error;
      return replace(path, setAside, rootMessage(error), options);
    }
  } catch (error) {
    throw stateError("open", path, error);
  }
}

/**
 * Opens the file beside its owner, or while nobody owns it.
 *
 * @throws {StateError} `STATE_VERSION` if the file has another version; `STATE_IO` if it is damaged or missing.
 */
export function openBeside(path: string, readOnly: boolean): Database {
  let db: Database | undefined;
  try {
    if (!existsSync(path)) throw new Error("there is no such file");
    db = new Database(path, { readOnly });
    const version = schemaVersion(db);
    checkVersion(version, path);
    if (schemaText(db) !== soundSchema()) {
      throw new DamageError(
        version === 0
          ? "it is not a state file"
          : "it was written by an older Picket or is damaged; start the agent once",
      );
    }
    if (!readOnly) configure(db, "full");
    return db;
  } catch (error) {
    db?.[Symbol.dispose]();
    throw stateError("open", path, error);
  }
}

/** The problems that SQLite's own check finds; empty if there are none. */
export function checkFile(db: Database, isThorough: boolean): readonly string[] {
  const pragma = isThorough ? "integrity_check" : "quick_check";
  return db.all(`PRAGMA ${pragma}(20)`).map((row) => String(row[pragma]))
    .filter((line) => line !== "ok");
}

/**
 * A file that has lost everything: SQLite would take it for a new one, and delete its log.
 */
function missingContent(path: string, wasUsed: boolean): string | undefined {
  const isThere = existsSync(path);
  if (isThere && statSync(path).size > 0) return undefined;
  if (existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0) {
    return isThere ? "it is empty, its log is not" : "it is missing, its log is not";
  }
  return isThere && wasUsed ? "it is empty" : undefined;
}

function prepare(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

function openChecked(path: string, { fsync, wasUsed }: OpenFileOptions): Database {
  const db = new Database(path);
  try {
    const isNew = Number(db.get("SELECT count(*) AS tables FROM sqlite_schema")!["tables"]) === 0;
    // SQLite takes a file of less than a header for an empty one.
    if (isNew && wasUsed && path !== ":memory:" && statSync(path).size > 0) {
      throw new DamageError("it has no tables");
    }
    if (isNew) db.script("PRAGMA auto_vacuum = INCREMENTAL");
    else checkOurs(db, path);
    migrate(db, path);
    if (isNew) db.run("INSERT INTO counter VALUES ('last_seq', 0)");
    else verify(db, path);
    configure(db, fsync);
    db.transaction("count the content of", () => recount(db));
    return db;
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

/** Somebody else's database is not touched, however the path came about. */
function checkOurs(db: Database, path: string): void {
  if (Number(db.get("PRAGMA application_id")?.["application_id"]) === APPLICATION_ID) return;
  if (db.get("SELECT 1 FROM sqlite_schema WHERE name = 'sink_queue'") !== undefined) return;
  throw new StateError("STATE_IO", `Cannot open ${path}: it is another program's database`);
}

function verify(db: Database, path: string): void {
  if (schemaText(db) !== soundSchema()) throw new DamageError("its schema is damaged");
  if (db.get("PRAGMA encoding")?.["encoding"] !== "UTF-8") {
    throw new DamageError("its encoding is damaged");
  }
  const isClean = metaValue(db, "clean_shutdown") === "1";
  if (isClean && statSync(path).size > ALWAYS_CHECKED_BYTES) return;
  const [problem] = checkFile(db, false);
  if (problem !== undefined) throw new DamageError(problem);
}

function configure(db: Database, fsync: "full" | "normal"): void {
  db.script(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${fsync === "full" ? "FULL" : "NORMAL"}; ` +
      `PRAGMA journal_size_limit = ${JOURNAL_BYTES}; PRAGMA wal_autocheckpoint = 1000; ` +
      "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA cell_size_check = ON; " +
      "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = OFF",
  );
}

let sound: string | undefined;

/** The schema as this Picket makes it. */
function soundSchema(): string {
  if (sound === undefined) {
    using db = new Database(":memory:");
    migrate(db, ":memory:");
    sound = schemaText(db);
  }
  return sound;
}

/** Whether the content of the file is the cause, rather than the system or a newer Picket. */
function isDamage(error: unknown, path: string): boolean {
  if (error instanceof StateError) {
    return error.code === "STATE_IO" && error.cause !== undefined && isDamage(error.cause, path);
  }
  // Renaming a file that never was ours would harm somebody: a text file, say, named by mistake.
  if (!isLikelyOurs(path)) return false;
  switch (faultOf(error)) {
    case "damaged":
      return true;
    case "readonly":
      return isWritable(path);
    case "other":
      return (error as { readonly code?: unknown }).code === "ERR_SQLITE_ERROR";
    case "full":
    case "busy":
    case "io":
      return false;
  }
}

function isLikelyOurs(path: string): boolean {
  return /\.(?:db|sqlite3?)$/i.test(path) || existsSync(`${path}.reserve`) ||
    existsSync(`${path}-wal`);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function replace(
  path: string,
  setAside: string,
  problem: string,
  options: OpenFileOptions,
): OpenedFile {
  for (const suffix of ["-wal", "-shm", ""]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix);
  }
  prepare(path);
  const db = openChecked(path, options);
  // The first page has to be in the file, not in the log only, to stand in for a damaged one.
  db.get("PRAGMA wal_checkpoint(TRUNCATE)");
  const saved = salvage(setAside, db, performance.now() + options.salvageMs);
  db.transaction("count the content of", () => recount(db));
  forgetOldest(path);
  return { db, recovery: { kind: "replaced", problem, setAside, salvage: saved } };
}

/** Two damages in one millisecond must not overwrite each other. */
function asidePath(path: string, nowMs: number): string {
  for (let ms = nowMs;; ms++) {
    const candidate = `${path}.corrupt-${ms}`;
    if (!existsSync(candidate) && !existsSync(`${candidate}-wal`)) return candidate;
  }
}

function forgetOldest(path: string): void {
  const prefix = `${basename(path)}.corrupt-`;
  const stamps = new Set(
    readdirSync(dirname(path)).filter((name) => name.startsWith(prefix))
      .map((name) => Number.parseInt(name.slice(prefix.length), 10)),
  );
  for (const stamp of [...stamps].sort((left, right) => right - left).slice(KEPT_DAMAGED)) {
    for (const suffix of ["", "-wal", "-shm"]) {
      rmSync(join(dirname(path), `${prefix}${stamp}${suffix}`), { force: true });
    }
  }
}

function rootMessage(error: unknown): string {
  if (error instanceof StateError && error.cause !== undefined) return rootMessage(error.cause);
  return error instanceof Error ? error.message : String(error);
}
