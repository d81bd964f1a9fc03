/**
 * The tables of the state file and the way from one version to the next.
 *
 * `user_version` counts the steps of `MIGRATIONS` that a file has seen; `meta` repeats it, so that a
 * flipped bit in the header does not pass for a newer Picket. A step that has been released is never
 * edited; what changes is a new step.
 */
import { StateError } from "../runtime/errors.ts";
import type { Database } from "./database.ts";

/** `PICK`: marks our files in SQLite's header. */
export const APPLICATION_ID = 0x5049434b;

/** The first version: what delivery needs. */
const VERSION_1 = `
-- agent_id, fingerprint, clean_shutdown, schema_version
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
-- Sums that would cost a scan: kept by the transactions, counted anew when the agent starts.
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE source_position(
  source_id TEXT PRIMARY KEY, position TEXT NOT NULL, digest INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE outbox(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL,
  severity INTEGER NOT NULL,      -- 0 without a level to 5 critical; 6: never dropped
  size INTEGER NOT NULL,          -- bytes of body in UTF-8
  digest INTEGER NOT NULL,        -- CRC-32 of body
  created_ms INTEGER NOT NULL, event_ms INTEGER,
  queued_ms INTEGER NOT NULL,     -- when it was put in here: what its age counts from
  source_id TEXT NOT NULL, record_id TEXT NOT NULL, rule_id TEXT, rule_title TEXT NOT NULL,
  body TEXT NOT NULL) STRICT;
CREATE INDEX outbox_drop ON outbox(severity, seq, size);
-- Alerts that no sink waits for: kept until until_ms; 0: as long as they are among the recent ones.
CREATE TABLE retained(
  until_ms INTEGER NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL,
  PRIMARY KEY(until_ms, seq)) WITHOUT ROWID, STRICT;
CREATE INDEX retained_seq ON retained(seq);
-- Ids of alerts in the outbox and of many that have left it: a record that is read again is known.
CREATE TABLE known_id(
  key BLOB PRIMARY KEY, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX known_id_seq ON known_id(seq, at_ms);
CREATE TABLE sink(
  num INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, filter TEXT NOT NULL,
  hold_until_ms INTEGER NOT NULL, -- how long it keeps alerts: far away for a sink in use
  left_seq INTEGER NOT NULL,      -- the newest alert when it was taken out of use
  peer_position TEXT, last_ok_ms INTEGER, last_error TEXT) STRICT;
-- What each sink still has to get. Lane 0 is ready, lane 1 waits for next_ms.
CREATE TABLE sink_queue(
  sink INTEGER NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL,
  attempts INTEGER NOT NULL, next_ms INTEGER, PRIMARY KEY(sink, lane, seq)) WITHOUT ROWID, STRICT;
CREATE INDEX sink_queue_due ON sink_queue(sink, next_ms) WHERE next_ms IS NOT NULL;
CREATE TABLE dead_letter(
  id INTEGER PRIMARY KEY AUTOINCREMENT, created_ms INTEGER NOT NULL, stage TEXT NOT NULL,
  code TEXT NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL, size INTEGER NOT NULL,
  reported INTEGER NOT NULL, sink_id TEXT, alert_id TEXT, source_id TEXT, record_id TEXT,
  alert TEXT,                     -- JSON: what of the alert is not in its body
  original TEXT NOT NULL) STRICT;
CREATE INDEX dead_letter_stage ON dead_letter(stage, id, size);
CREATE INDEX dead_letter_unreported ON dead_letter(id) WHERE reported = 0;
CREATE TABLE drop_log(
  id INTEGER PRIMARY KEY, reason TEXT NOT NULL, severity INTEGER NOT NULL,
  count INTEGER NOT NULL, bytes INTEGER NOT NULL, first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
  reported INTEGER NOT NULL, detail TEXT) STRICT;
CREATE UNIQUE INDEX drop_log_open ON drop_log(reason, severity) WHERE reported = 0;
`;

/** The second version: what operators do, and documents of the agent. */
const VERSION_2 = `
CREATE TABLE document(
  name TEXT PRIMARY KEY, content TEXT NOT NULL, updated_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, actor TEXT NOT NULL,
  action TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
`;

const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2];

/** The version this Picket writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** The version of an open file, 0 for an empty one. */
export function schemaVersion(db: Database): number {
  const header = Number(db.get("PRAGMA user_version")?.["user_version"]);
  if (db.get("SELECT 1 FROM sqlite_schema WHERE name = 'meta'") === undefined) return header;
  const repeated = db.get("SELECT value FROM meta WHERE name = 'schema_version'")?.["value"];
  return repeated === undefined ? header : Number(repeated);
}

/**
 * Brings the file to the current version.
 *
 * @throws {StateError} `STATE_VERSION` if a newer Picket wrote it; the file is as it was.
 */
export function migrate(db: Database, path: string): void {
  const found = schemaVersion(db);
  checkVersion(found, path);
  for (let version = found; version < SCHEMA_VERSION; version++) {
    db.transaction("bring to the current version", () => {
      db.script(MIGRATIONS[version]!);
      writeVersion(db, version + 1);
    });
  }
  if (Number(db.get("PRAGMA user_version")?.["user_version"]) !== SCHEMA_VERSION) {
    db.transaction("write the version of", () => writeVersion(db, SCHEMA_VERSION));
  }
}

/** @throws {StateError} `STATE_VERSION` if a newer Picket wrote the file. */
export function checkVersion(found: number, path: string): void {
  if (found <= SCHEMA_VERSION) return;
  throw new StateError(
    "STATE_VERSION",
    `Cannot open ${path}: it has version ${found} and this Picket knows up to ${SCHEMA_VERSION}; ` +
      "use the newer Picket again, or name another state file",
  );
}

function writeVersion(db: Database, version: number): void {
  db.script(`PRAGMA user_version = ${version}; PRAGMA application_id = ${APPLICATION_ID}`);
  db.run(
    "INSERT INTO meta VALUES ('schema_version', ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    String(version),
  );
}

/** All tables and indexes as text, to be compared with those of a file that is sound. */
export function schemaText(db: Database): string {
  return JSON.stringify(
    db.all(
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    ),
  );
}
