/**
 * Counts anew what the counters hold, when the agent starts: a flipped bit in a sum must not throw
 * alerts away. Indexes hold all that is needed, so bodies are not read.
 */
import { type Database, int, text } from "./database.ts";

export function recount(db: Database): void {
  const found = new Map<string, number>();
  const sum = (rows: string, bytes: string | undefined, sql: string): void => {
    for (const row of db.all(sql)) {
      const suffix = row["name"] === undefined ? "" : String(row["name"]);
      found.set(`${rows}${suffix}`, int(row, "rows"));
      if (bytes !== undefined) found.set(`${bytes}${suffix}`, int(row, "bytes"));
    }
  };
  sum(
    "outbox_rows",
    "outbox_bytes",
    "SELECT count(*) AS rows, total(size) AS bytes FROM outbox INDEXED BY outbox_drop",
  );
  sum(
    "retained_rows",
    "retained_bytes",
    "SELECT count(*) AS rows, total(size) AS bytes FROM retained",
  );
  sum("known_ids", undefined, "SELECT count(*) AS rows FROM known_id");
  sum(
    "queued_rows:",
    "queued_bytes:",
    "SELECT sink AS name, count(*) AS rows, total(size) AS bytes FROM sink_queue GROUP BY sink",
  );
  sum(
    "dead_rows:",
    "dead_bytes:",
    "SELECT stage AS name, count(*) AS rows, total(size) AS bytes FROM dead_letter GROUP BY stage",
  );
  sum(
    "dead_sink:",
    undefined,
    "SELECT sink_id AS name, count(*) AS rows FROM dead_letter WHERE sink_id IS NOT NULL " +
      "GROUP BY sink_id",
  );
  const last = db.get(
    "SELECT max(coalesce((SELECT max(seq) FROM outbox), 0), " +
      "coalesce((SELECT max(seq) FROM known_id), 0)) AS seq",
  )!;
  for (const row of db.all("SELECT name, value FROM counter")) {
    const [name, value] = [text(row, "name"), int(row, "value")];
    if (name === "last_seq") {
      // Sequence numbers of alerts that are gone were given out too, so the counter may be ahead.
      if (value >= int(last, "seq") && value < MAX_SEQ) found.set(name, value);
    } else if (COUNTED.test(name)) {
      if (!found.has(name)) found.set(name, 0);
    } else if (value >= 0 && value < MAX_SEQ) found.set(name, value);
  }
  if (!found.has("last_seq")) found.set("last_seq", int(last, "seq") + AHEAD);
  const forgotten = found.get("forgotten_seq") ?? 0;
  if (forgotten > found.get("last_seq")!) found.set("forgotten_seq", 0);
  write(db, found);
}

/** A counter of sequence numbers above this is damaged: it leaves room for a million a second for years. */
const MAX_SEQ = 2 ** 50;
/** How far the counter is put ahead when it was lost, past numbers that may have been given out. */
const AHEAD = 1_000_000;
const COUNTED = /^(?:outbox|retained|queued|dead)_(?:rows|bytes|sink)|^known_ids$/;

function write(db: Database, found: ReadonlyMap<string, number>): void {
  const stored = new Map(
    db.all("SELECT name, value FROM counter").map((row) => [row["name"], row["value"]]),
  );
  for (const [name, value] of found) {
    if (stored.get(name) === value) continue;
    db.run(
      "INSERT INTO counter VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
      name,
      value,
    );
  }
  for (const name of stored.keys()) {
    if (!found.has(String(name))) db.run("DELETE FROM counter WHERE name = ?", String(name));
  }
}
