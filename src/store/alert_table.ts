/**
 * The alerts themselves: rows of `outbox`, the ids that are known, and rows that no sink waits for.
 *
 * A row leaves in two steps. When the last sink has it, it is `retained`: until `retainMs` has passed
 * and newer alerts have pushed it out of the recent ones. Then it is deleted; its id stays known.
 * Retained rows go first when room is needed, and nobody loses anything by that.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Alert, AlertKind, NewAlert } from "../runtime/alert.ts";
import { severityOf } from "../runtime/alert.ts";
import { type Level, LEVELS } from "../sigma/rule.ts";
import type { Counters } from "./counters.ts";
import { type Database, int, optionalInt, optionalText, type Row, text } from "./database.ts";
import { DamageError } from "./sqlite_errors.ts";

/** The severity column of alerts that bounds may not touch: our own records of what was lost. */
export const PROTECTED = 6;

/** Columns that make an `Alert`, of a table that is called `o`. */
export const ALERT_COLUMNS =
  "o.seq, o.id, o.kind, o.severity, o.digest, o.created_ms, o.event_ms, o.source_id, o.rule_id, o.rule_title, o.body";

export interface AlertTableOptions {
  /** How many of the newest alerts stay for `recent`. */
  readonly recentAlerts: number;
  /** How many ids stay known, and for how long. */
  readonly knownIds: number;
  readonly knownIdMs: number;
}

export interface RecentQuery {
  /** Unix milliseconds: alerts committed at this time or later. */
  readonly sinceMs?: number;
  /** Alerts behind this one. */
  readonly afterSeq?: number;
  readonly minLevel?: Level;
  /** A rule's id or title. */
  readonly rule?: string;
  /** Default 100. */
  readonly limit?: number;
}

/** Rows deleted in one go at most, so that no commit takes long. */
const PURGE_ROWS = 2000;

export class AlertTable {
  readonly #db: Database;
  readonly #counters: Counters;
  readonly #options: AlertTableOptions;

  constructor(db: Database, counters: Counters, options: AlertTableOptions) {
    this.#db = db;
    this.#counters = counters;
    this.#options = options;
  }

  /** Whether an alert with this id is here or has been here. */
  isKnown(id: string): boolean {
    return this.#db.get("SELECT 1 FROM known_id WHERE key = ?", idKey(id)) !== undefined;
  }

  /** The sequence number that an id was last given. */
  seqOf(id: string): number | undefined {
    const row = this.#db.get("SELECT seq FROM known_id WHERE key = ?", idKey(id));
    return row === undefined ? undefined : int(row, "seq");
  }

  /** Remembers an id without keeping its alert. */
  remember(id: string, seq: number, nowMs: number): void {
    const added = this.#db.run(
      "INSERT INTO known_id VALUES (?, ?, ?) ON CONFLICT(key) DO NOTHING",
      idKey(id),
      seq,
      nowMs,
    );
    if (added === 0) {
      this.#db.run("UPDATE known_id SET seq = ?, at_ms = ? WHERE key = ?", seq, nowMs, idKey(id));
    }
    this.#counters.add("known_ids", added);
  }

  nextSeq(): number {
    this.#counters.add("last_seq", 1);
    return this.#counters.value("last_seq");
  }

  lastSeq(): number {
    return this.#counters.value("last_seq");
  }

  /** Adds an alert and makes its id known. The caller puts it into queues or retains it. */
  insert(
    alert: NewAlert,
    seq: number,
    { createdMs, nowMs, isProtected = false }: {
      readonly createdMs: number;
      readonly nowMs: number;
      readonly isProtected?: boolean;
    },
  ): number {
    const size = Buffer.byteLength(alert.body);
    this.#db.run(
      "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      seq,
      alert.id,
      alert.kind,
      isProtected ? PROTECTED : severityOf(alert.level),
      size,
      crc32(alert.body),
      createdMs,
      alert.eventMs === undefined ? null : Math.floor(alert.eventMs),
      nowMs,
      alert.sourceId,
      alert.recordId,
      alert.ruleId,
      alert.ruleTitle,
      alert.body,
    );
    this.remember(alert.id, seq, nowMs);
    this.#counters.add("outbox_rows", 1);
    this.#counters.add("outbox_bytes", size);
    return size;
  }

  /** Nobody waits for this row any more: it is kept for as long as there is a reason to. */
  retain(seq: number, size: number, untilMs: number): void {
    if (untilMs === 0 && seq <= this.lastSeq() - this.#options.recentAlerts) {
      this.delete(seq, size);
      return;
    }
    this.#db.run("INSERT OR IGNORE INTO retained VALUES (?, ?, ?)", untilMs, seq, size);
    this.#counters.add("retained_rows", 1);
    this.#counters.add("retained_bytes", size);
  }

  /** Whether nobody waits for this row. */
  isRetained(seq: number): boolean {
    return this.#db.get("SELECT 1 FROM retained WHERE seq = ?", seq) !== undefined;
  }

  /** Somebody waits for this row again; nothing happens if somebody did. */
  unretain(seq: number): void {
    const rows = this.#db.all("SELECT until_ms, size FROM retained WHERE seq = ?", seq);
    for (const row of rows) this.#forgetRetained(int(row, "until_ms"), seq, int(row, "size"));
  }

  delete(seq: number, size: number): void {
    if (seq <= this.#counters.value("forgotten_seq")) {
      const row = this.#db.get("SELECT id FROM outbox WHERE seq = ?", seq);
      if (row !== undefined) this.#forgetId(idKey(text(row, "id")));
    }
    this.#db.run("DELETE FROM outbox WHERE seq = ?", seq);
    this.#counters.add("outbox_rows", -1);
    this.#counters.add("outbox_bytes", -size);
  }

  /** Deletes retained rows whose time is over. */
  purge(nowMs: number): void {
    const recentFrom = this.lastSeq() - this.#options.recentAlerts;
    const expired = this.#db.all(
      "SELECT until_ms, seq, size FROM retained WHERE until_ms > 0 AND until_ms <= ? LIMIT ?",
      nowMs,
      PURGE_ROWS,
    );
    for (const row of expired) {
      const [seq, size] = [int(row, "seq"), int(row, "size")];
      this.#forgetRetained(int(row, "until_ms"), seq, size);
      if (seq <= recentFrom) this.delete(seq, size);
      else this.retain(seq, size, 0);
    }
    const old = this.#db.all(
      "SELECT seq, size FROM retained WHERE until_ms = 0 AND seq <= ? LIMIT ?",
      recentFrom,
      PURGE_ROWS,
    );
    for (const row of old) this.#deleteRetained(0, row);
  }

  /** Deletes the retained row that is missed least; `false` if there is none. */
  purgeOne(): boolean {
    const row = this.#db.get("SELECT until_ms, seq, size FROM retained LIMIT 1");
    if (row === undefined) return false;
    this.#deleteRetained(int(row, "until_ms"), row);
    return true;
  }

  /**
   * Forgets ids beyond the bounds, oldest first. That of an alert that is still here is passed over;
   * `delete` forgets it.
   */
  forgetIds(nowMs: number): void {
    let surplus = this.#counters.value("known_ids") - this.#options.knownIds;
    const rows = this.#db.all(
      "SELECT key, seq, at_ms FROM known_id WHERE seq > ? ORDER BY seq LIMIT ?",
      this.#counters.value("forgotten_seq"),
      Math.min(Math.max(surplus, 16), PURGE_ROWS),
    );
    for (const row of rows) {
      if (surplus <= 0 && int(row, "at_ms") >= nowMs - this.#options.knownIdMs) break;
      const seq = int(row, "seq");
      this.#counters.add("forgotten_seq", seq - this.#counters.value("forgotten_seq"));
      if (this.#db.get("SELECT 1 FROM outbox WHERE seq = ?", seq) !== undefined) continue;
      this.#forgetId(row["key"] as Uint8Array);
      surplus--;
    }
  }

  /** The newest alerts, newest first. */
  recent(query: RecentQuery): readonly Alert[] {
    const { sinceMs = 0, afterSeq = 0, minLevel, rule = null, limit = 100 } = query;
    const rows = this.#db.all(
      `SELECT ${ALERT_COLUMNS} FROM outbox o WHERE o.seq > ? AND o.severity >= ? ` +
        "AND o.created_ms >= ? AND (?4 IS NULL OR o.rule_id = ?4 OR o.rule_title = ?4) " +
        "ORDER BY o.seq DESC LIMIT ?5",
      Math.max(afterSeq, this.#counters.stored("last_seq") - this.#options.recentAlerts),
      minLevel === undefined ? 0 : severityOf(minLevel),
      sinceMs,
      rule,
      limit,
    );
    return rows.map(decodeAlert);
  }

  #forgetId(key: Uint8Array): void {
    this.#counters.add("known_ids", -this.#db.run("DELETE FROM known_id WHERE key = ?", key));
  }

  #deleteRetained(untilMs: number, row: Row): void {
    this.#forgetRetained(untilMs, int(row, "seq"), int(row, "size"));
    this.delete(int(row, "seq"), int(row, "size"));
  }

  #forgetRetained(untilMs: number, seq: number, size: number): void {
    this.#db.run("DELETE FROM retained WHERE until_ms = ? AND seq = ?", untilMs, seq);
    this.#counters.add("retained_rows", -1);
    this.#counters.add("retained_bytes", -size);
  }
}

const KINDS: readonly AlertKind[] = ["detection", "correlation", "gap"];

/** An alert from `ALERT_COLUMNS`. */
export function decodeAlert(row: Row): Alert {
  const kind = KINDS.find((one) => one === row["kind"]);
  if (kind === undefined) throw new DamageError(`an alert has the kind ${String(row["kind"])}`);
  return {
    seq: int(row, "seq"),
    id: text(row, "id"),
    kind,
    level: levelOf(int(row, "severity")),
    ruleId: optionalText(row, "rule_id") ?? null,
    ruleTitle: text(row, "rule_title"),
    sourceId: text(row, "source_id"),
    createdMs: int(row, "created_ms"),
    eventMs: optionalInt(row, "event_ms"),
    body: text(row, "body"),
  };
}

/** The level of a severity, `null` for 0. */
export function levelOf(severity: number): Level | null {
  return severity <= 0 ? null : LEVELS[Math.min(severity, LEVELS.length) - 1] ?? null;
}

/** Whether the body is what was written. */
export function isIntact(row: Row): boolean {
  return typeof row["body"] === "string" && crc32(row["body"]) === row["digest"];
}

/** 16 bytes that stand for an id: those of `alertId` as they are, others by their digest. */
export function idKey(id: string): Uint8Array {
  const digits = /^pk1-([0-9a-f]{32})$/.exec(id)?.[1];
  if (digits !== undefined) return Buffer.from(digits, "hex");
  return createHash("sha256").update(id).digest().subarray(0, 16);
}
