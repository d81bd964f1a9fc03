/**
 * `node:sqlite` as the store uses it: cached statements, checked columns, one kind of transaction.
 *
 * `run`, `get` and `all` throw what SQLite throws. `transaction` and `query`, which every public call
 * goes through, turn that into `StateError`.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { DamageError, faultOf, stateError } from "./sqlite_errors.ts";

export type Row = Readonly<Record<string, unknown>>;

/** How long to wait for another process's short transaction, in milliseconds. */
const BUSY_MS = 5000;

export interface DatabaseOptions {
  readonly readOnly?: boolean;
  readonly busyMs?: number;
}

export class Database implements Disposable {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #isDamaged = false;

  /** Throws what SQLite throws. */
  constructor(path: string, { readOnly = false, busyMs = BUSY_MS }: DatabaseOptions = {}) {
    this.path = path;
    this.#db = new DatabaseSync(path, { readOnly, timeout: busyMs });
  }

  /** Whether a page or value turned out to be damaged since the file was opened. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** Runs one statement and returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#statement(sql).all(...values);
  }

  /** Rows one by one; for tables that may be large, or end in a damaged page. */
  iterate(sql: string, ...values: SQLInputValue[]): Iterable<Row> {
    return this.#statement(sql).iterate(...values);
  }

  /** Several statements, for schemas. */
  script(sql: string): void {
    this.#db.exec(sql);
  }

  /**
   * Runs `work` in a transaction that begins with the write lock.
   *
   * @param action What is being done, for the error: `commit alerts to`.
   * @throws {StateError} Nothing of `work` has happened.
   */
  transaction<T>(action: string, work: () => T): T {
    try {
      this.run("BEGIN IMMEDIATE");
      const result = work();
      this.run("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw this.#failure(action, error);
    }
  }

  /** Runs `work`, which only reads. */
  query<T>(action: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#failure(action, error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** After some failures, such as a full disk, SQLite has rolled back by itself. */
  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.run("ROLLBACK");
    } catch {
      // The failure that led here is what the caller gets to see.
    }
  }

  #failure(action: string, error: unknown): Error {
    if (faultOf(error) === "damaged") this.#isDamaged = true;
    return stateError(action, this.path, error);
  }
}

export function int(row: Row, name: string): number {
  const value = row[name];
  if (typeof value !== "number") throw new DamageError(`column ${name} holds no number`);
  return value;
}

export function text(row: Row, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw new DamageError(`column ${name} holds no text`);
  return value;
}

export function optionalInt(row: Row, name: string): number | undefined {
  return row[name] === null ? undefined : int(row, name);
}

export function optionalText(row: Row, name: string): string | undefined {
  return row[name] === null ? undefined : text(row, name);
}
