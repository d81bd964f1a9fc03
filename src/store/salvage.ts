/**
 * Saves what can still be read of a damaged state file.
 *
 * Rows are copied one by one; where a page cannot be read, reading goes on behind it. If the first
 * page, which holds the header and the schema, is damaged, that of a new file takes its place in a
 * copy: with `auto_vacuum` the roots of the tables are always the same pages.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { Database, int, type Row } from "./database.ts";
import { setMeta } from "./identity.ts";

/** What was saved. */
export interface Salvage {
  /** Rows by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tables of which a part could not be read. */
  readonly incomplete: readonly string[];
  /** Alerts that sinks were waiting for and that are gone. */
  readonly lostAlerts: number;
}

/** Tables with a number as their key are read around damaged pages, others from both ends. */
const TABLES: readonly {
  readonly name: string;
  readonly key: string;
  readonly byNumber: boolean;
}[] = [
  { name: "meta", key: "name", byNumber: false },
  { name: "counter", key: "name", byNumber: false },
  { name: "source_position", key: "source_id", byNumber: false },
  { name: "sink", key: "num", byNumber: true },
  { name: "outbox", key: "seq", byNumber: true },
  { name: "sink_queue", key: "sink, lane, seq", byNumber: false },
  { name: "retained", key: "until_ms, seq", byNumber: false },
  { name: "dead_letter", key: "id", byNumber: true },
  { name: "drop_log", key: "id", byNumber: true },
  { name: "document", key: "name", byNumber: false },
  { name: "audit", key: "id", byNumber: true },
  { name: "known_id", key: "key", byNumber: false },
];

const BATCH = 200;
/** Rows looked up one by one behind a damaged page. */
const MAX_LOOKUPS = 10_000;
const PAGE_BYTES = 4096;
/** Bytes 28 to 39 of the header: pages in the file, first page and number of free pages. */
const SIZE_OFFSET = 28;

/**
 * Copies what is readable.
 *
 * @param damagedPath The file that was set aside, its log beside it.
 * @param target A new state file with the current schema.
 * @param deadline `performance.now()` at which copying ends.
 */
export function salvage(damagedPath: string, target: Database, deadline: number): Salvage {
  const nothing = { rows: {}, incomplete: TABLES.map(({ name }) => name), lostAlerts: 0 };
  const copyPath = `${damagedPath}.copy`;
  let source: Database | undefined;
  try {
    source = openReadable(damagedPath) ?? openRepaired(damagedPath, copyPath, target);
    return source === undefined ? nothing : copyAll(source, target, deadline);
  } catch {
    // A file that resists is kept as it is; starting without it is what matters now.
    return nothing;
  } finally {
    try {
      source?.[Symbol.dispose]();
    } catch {
      // Closing may try to write.
    }
    for (const suffix of ["", "-wal", "-shm"]) rmSync(copyPath + suffix, { force: true });
  }
}

function openReadable(path: string): Database | undefined {
  let db: Database | undefined;
  try {
    db = new Database(path, { readOnly: true });
    for (const { name } of TABLES.slice(0, 6)) db.get(`SELECT * FROM ${name} LIMIT 0`);
    return db;
  } catch {
    db?.[Symbol.dispose]();
    return undefined;
  }
}

function openRepaired(path: string, copyPath: string, target: Database): Database | undefined {
  const size = existsSync(path) ? statSync(path).size : 0;
  if (size > 0) copyFileSync(path, copyPath);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copyPath}-wal`);
  const page = new Uint8Array(PAGE_BYTES);
  const sound = openSync(target.path, "r");
  try {
    readSync(sound, page, 0, PAGE_BYTES, 0);
  } finally {
    closeSync(sound);
  }
  const view = new DataView(page.buffer);
  view.setUint32(SIZE_OFFSET, Math.max(1, Math.floor(size / PAGE_BYTES)));
  view.setUint32(SIZE_OFFSET + 4, 0);
  view.setUint32(SIZE_OFFSET + 8, 0);
  const copy = openSync(copyPath, size > 0 ? "r+" : "w");
  try {
    writeSync(copy, page, 0, PAGE_BYTES, 0);
  } finally {
    closeSync(copy);
  }
  return openReadable(copyPath);
}

function copyAll(source: Database, target: Database, deadline: number): Salvage {
  return target.transaction("repair", () => {
    const rows: Record<string, number> = {};
    const incomplete: string[] = [];
    target.run("DELETE FROM meta WHERE name <> 'schema_version'");
    for (const table of TABLES) {
      const copied = table.byNumber
        ? copyAround(source, target, table.name, table.key, deadline)
        : copyFromEnds(source, target, table.name, table.key, deadline);
      rows[table.name] = copied.rows;
      if (!copied.isComplete) incomplete.push(table.name);
    }
    const lostAlerts = reconcile(target, incomplete);
    return { rows, incomplete, lostAlerts };
  });
}

/** Makes queues and alerts agree again. */
function reconcile(target: Database, incomplete: readonly string[]): number {
  const lost = target.get(
    "SELECT count(DISTINCT seq) AS lost FROM sink_queue WHERE seq NOT IN (SELECT seq FROM outbox)",
  );
  target.run("DELETE FROM sink_queue WHERE seq NOT IN (SELECT seq FROM outbox)");
  target.run("DELETE FROM sink_queue WHERE sink NOT IN (SELECT num FROM sink)");
  target.run("DELETE FROM retained WHERE seq NOT IN (SELECT seq FROM outbox)");
  if (["sink", "sink_queue"].some((name) => incomplete.includes(name))) {
    setMeta(target, "requeue", "1");
  } else {
    target.run(
      "INSERT INTO retained SELECT 0, seq, size FROM outbox WHERE seq NOT IN " +
        "(SELECT seq FROM sink_queue) AND seq NOT IN (SELECT seq FROM retained)",
    );
  }
  return lost === undefined ? 0 : int(lost, "lost");
}

interface Copied {
  readonly rows: number;
  readonly isComplete: boolean;
}

function copyAround(
  source: Database,
  target: Database,
  table: string,
  key: string,
  deadline: number,
): Copied {
  const sql = `SELECT * FROM ${table} NOT INDEXED WHERE ${key} > ? ORDER BY ${key} LIMIT ?`;
  let after = -1;
  let rows = 0;
  let isComplete = true;
  let step = 1;
  let limit = BATCH;
  while (performance.now() < deadline && Number.isSafeInteger(after)) {
    let batch: readonly Row[];
    try {
      batch = source.all(sql, after, limit);
      // The last step may have led past rows that are sound.
      if (step > 1) batch = [...readBetween(source, table, key, after - step / 2, after), ...batch];
    } catch {
      isComplete = false;
      // One at a time up to the damaged page, then ever further until behind it.
      if (limit > 1) limit = 1;
      else {
        after += step;
        step *= 2;
      }
      continue;
    }
    for (const row of batch) {
      if (insert(target, table, row)) rows++;
      else isComplete = false;
    }
    if (batch.length < limit) return { rows, isComplete };
    after = Math.max(after, Number(batch.at(-1)![key]));
    if (step > 1) [step, limit] = [1, BATCH];
  }
  return { rows, isComplete: false };
}

/** The rows with keys above `from` up to `to`, each looked up by itself. */
function readBetween(
  source: Database,
  table: string,
  key: string,
  from: number,
  to: number,
): Row[] {
  const rows: Row[] = [];
  for (let at = Math.max(from, to - MAX_LOOKUPS) + 1; at <= to; at++) {
    try {
      const row = source.get(`SELECT * FROM ${table} WHERE ${key} = ?`, at);
      if (row !== undefined) rows.push(row);
    } catch {
      // On the damaged page.
    }
  }
  return rows;
}

function copyFromEnds(
  source: Database,
  target: Database,
  table: string,
  key: string,
  deadline: number,
): Copied {
  let rows = 0;
  const descending = key.split(", ").map((column) => `${column} DESC`).join(", ");
  for (const order of [key, descending]) {
    try {
      for (const row of source.iterate(`SELECT * FROM ${table} ORDER BY ${order}`)) {
        if (performance.now() >= deadline) return { rows, isComplete: false };
        if (insert(target, table, row)) rows++;
      }
      return { rows, isComplete: order === key };
    } catch {
      // The other end is next.
    }
  }
  return { rows, isComplete: false };
}

/** `false` if the row is not one that could have been written. */
function insert(target: Database, table: string, row: Row): boolean {
  const columns = Object.keys(row);
  const sql = `INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${
    columns.map(() => "?").join(", ")
  })`;
  try {
    return target.run(sql, ...Object.values(row) as (string | number | null | Uint8Array)[]) > 0;
  } catch (error) {
    if (/constraint|datatype|no column/.test(error instanceof Error ? error.message : "")) {
      return false;
    }
    throw error;
  }
}
