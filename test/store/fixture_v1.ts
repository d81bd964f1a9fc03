/**
 * Writes a state file of version 1 as it was, by its own statements: `src` may change, what has been
 * written may not.
 */
import { crc32 } from "node:zlib";
import { DatabaseSync } from "node:sqlite";

const SCHEMA = `
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

/** Two sinks, three alerts of which one is delivered, a position, a dead letter, a drop to report. */
export function writeVersion1(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x5049434b");
    db.exec(SCHEMA);
    db.exec(`
      INSERT INTO meta VALUES ('schema_version', '1'), ('agent_id', 'agent-old'),
        ('fingerprint', '{"machine_id":"m1"}'), ('clean_shutdown', '1');
      INSERT INTO counter VALUES ('last_seq', 3), ('outbox_rows', 3);
      INSERT INTO sink VALUES
        (1, 'hub', '{}', 9007199254740991, 0, '{"seq":7}', 1000, NULL),
        (2, 'log', '{"minLevel":"high"}', 9007199254740991, 0, NULL, NULL, 'refused');
      INSERT INTO drop_log VALUES (1, 'max_bytes', 2, 4, 400, 1, 9, 500, 600, 0, NULL);
      INSERT INTO dead_letter (created_ms, stage, code, error, attempts, size, reported, original)
        VALUES (900, 'parse', 'json', 'Unexpected token', 0, 3, 0, 'bad');
    `);
    db.prepare("INSERT INTO source_position VALUES ('auth', ?, ?, 1000)").run("p3", crc32("p3"));
    for (const seq of [1, 2, 3]) {
      const body = JSON.stringify({ alert_id: `alert-${seq}` });
      db.prepare(
        "INSERT INTO outbox VALUES (?, ?, 'detection', 4, ?, ?, 1000, NULL, 1000, 'auth', ?, 'r', 'A rule', ?)",
      ).run(seq, `alert-${seq}`, body.length, crc32(body), String(seq), body);
    }
    db.exec(`
      INSERT INTO retained VALUES (0, 1, 22);
      INSERT INTO sink_queue VALUES (1, 0, 2, 22, 0, NULL), (1, 1, 3, 22, 2, 5000),
        (2, 0, 3, 22, 0, NULL);
      PRAGMA user_version = 1;
      PRAGMA journal_mode = WAL;
    `);
  } finally {
    db.close();
  }
}
