/**
 * Sums that the tables could only give by a scan.
 *
 * Changes are collected during a transaction and written at its end, once each. They stand in the
 * file, not in memory, so what another process changes is seen.
 */
import { type Database, int, text } from "./database.ts";

export class Counters {
  readonly #db: Database;
  readonly #read = new Map<string, number>();
  readonly #changes = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** Begins a transaction: forgets what was read before and what a failed one had changed. */
  begin(): void {
    this.#read.clear();
    this.#changes.clear();
  }

  /** Changes a counter; only between `begin` and `flush`. */
  add(name: string, change: number): void {
    if (change !== 0) this.#changes.set(name, (this.#changes.get(name) ?? 0) + change);
  }

  /** The value within a transaction, its own changes included. */
  value(name: string): number {
    let stored = this.#read.get(name);
    if (stored === undefined) {
      stored = this.stored(name);
      this.#read.set(name, stored);
    }
    return stored + (this.#changes.get(name) ?? 0);
  }

  /** The value as it is in the file. */
  stored(name: string): number {
    const row = this.#db.get("SELECT value FROM counter WHERE name = ?", name);
    return row === undefined ? 0 : int(row, "value");
  }

  /** All counters whose name begins with `prefix`, without the prefix. */
  withPrefix(prefix: string): ReadonlyMap<string, number> {
    const rows = this.#db.all(
      "SELECT name, value FROM counter WHERE name >= ? AND name < ?",
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return new Map(rows.map((row) => [text(row, "name").slice(prefix.length), int(row, "value")]));
  }

  /** Writes the changes of the transaction, before it commits. */
  flush(): void {
    for (const [name, change] of this.#changes) {
      if (change === 0) continue;
      this.#db.run(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
        name,
        change,
      );
    }
    this.begin();
  }
}
