/**
 * How much the outbox may hold, what goes when that is reached, and the account of it.
 *
 * Losses of one reason form an episode: it begins with the first alert dropped and ends when sinks
 * take alerts again and there is room, or after an hour of both. At its end one alert of kind `gap`
 * tells what was lost. Episodes stand in `drop_log`, so a crash in between changes no count.
 */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { StateError } from "../runtime/errors.ts";
import type { OutboxSettings } from "../runtime/settings.ts";
import { ALERT_COLUMNS, type AlertTable, decodeAlert, levelOf, PROTECTED } from "./alert_table.ts";
import type { Counters } from "./counters.ts";
import { type Database, int, optionalText, type Row, text } from "./database.ts";
import type { DeadLetterTable } from "./dead_letter_table.ts";
import type { Gap } from "./gap.ts";
import type { SinkTable } from "./sink_table.ts";

const DEFAULT_MAX_BYTES = 512 * 2 ** 20;
const DEFAULT_MAX_AGE_MS = 30 * 86_400_000;
const DEFAULT_MIN_FREE = 256 * 2 ** 20;
/** What the outbox may hold however little of the disk is free: sinks that work must be fed. */
const LOW_DISK_BYTES = 16 * 2 ** 20;
/** How far the outbox may be over its bound, at least, for what working sinks are about to get. */
const LEAST_EXCESS = 2 ** 20;
/** An episode ends when the outbox is this full or less. */
const RELIEVED = 0.8;
const LONGEST_EPISODE_MS = 3_600_000;
/** How long a look at the file system counts, in milliseconds. */
const STATFS_MS = 1000;
/** Rows of the drop log that stay once they have been reported. */
const KEPT_EPISODES = 1000;

type Reason = "max_bytes" | "max_age" | "min_free" | "oversize";

interface Loss {
  readonly reason: string;
  readonly severity: number;
  readonly count: number;
  readonly bytes: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly detail?: string;
}

/** Which tables the bounds work on. */
export interface BoundsTables {
  readonly db: Database;
  readonly counters: Counters;
  readonly alerts: AlertTable;
  readonly sinks: SinkTable;
  readonly deadLetters: DeadLetterTable;
}

/** Bytes free on a file system for this user; `undefined` where nobody can tell. */
export function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

export class Bounds {
  readonly #tables: BoundsTables;
  readonly #freeBytes: () => number | undefined;
  #settings: OutboxSettings;
  #free: { readonly atMs: number; readonly bytes: number | undefined } | undefined;

  constructor(
    tables: BoundsTables,
    settings: OutboxSettings,
    free: () => number | undefined = () =>
      tables.db.path === ":memory:" ? undefined : freeBytes(dirname(tables.db.path)),
  ) {
    this.#tables = tables;
    this.#settings = settings;
    this.#freeBytes = free;
  }

  /** Whether a sink, `except` not counted, has an alert in hand that may be on its way right now. */
  isInHand: (seq: number, except: readonly number[]) => boolean = () => false;
  /** How many alerts that can be true of. */
  inHand: () => number = () => 0;

  set settings(settings: OutboxSettings) {
    this.#settings = settings;
  }

  get maxBytes(): number {
    return this.#settings.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  /**
   * Brings the outbox within its bounds after alerts have been added.
   *
   * @param bytesBefore What it held before they were.
   * @returns How many alerts went.
   * @throws {StateError} `STATE_FULL` if alerts would have to go and may not.
   */
  enforce(bytesBefore: number, nowMs: number): number {
    const { counters } = this.#tables;
    let dropped = this.dropOld(nowMs);
    const isLow = this.#isDiskLow(nowMs);
    const limit = isLow
      ? Math.min(this.maxBytes, Math.max(bytesBefore, LOW_DISK_BYTES))
      : this.maxBytes;
    if (counters.value("outbox_bytes") <= limit) return dropped;
    // One sink that is down must not cost another, that works, what it is about to get: what only
    // working sinks wait for does not count.
    let working = this.#tables.sinks.working();
    let transit = this.#tables.sinks.bytesOnlyFor(working);
    while (counters.value("outbox_bytes") - transit > limit) {
      if (this.#tables.alerts.purgeOne()) continue;
      if (this.#settings.onFull === "block") {
        // A commit larger than the outbox would otherwise block for ever.
        if (bytesBefore === 0) break;
        throw new StateError(
          "STATE_FULL",
          `Cannot commit alerts to ${this.#tables.db.path}: the outbox holds ${bytesBefore} bytes ` +
            `of at most ${limit}, and outbox.on_full is block`,
        );
      }
      const reason = isLow && limit < this.maxBytes ? "min_free" : "max_bytes";
      const kept = this.#dropOne(reason, working, nowMs);
      if (kept === undefined) break;
      transit += kept;
      dropped++;
      if (counters.value("outbox_bytes") - limit > Math.max(limit / 4, LEAST_EXCESS)) {
        // So much is on its way that working sinks have to share the loss.
        working = [];
        transit = 0;
      }
    }
    return dropped;
  }

  /** Drops what is older than the outbox keeps. */
  dropOld(nowMs: number): number {
    const before = nowMs - (this.#settings.maxAgeMs ?? DEFAULT_MAX_AGE_MS);
    let dropped = 0;
    while (true) {
      const row = this.#tables.db.get(`${OLDEST} LIMIT 1`);
      if (row === undefined || int(row, "queued_ms") >= before) return dropped;
      const seq = int(row, "seq");
      if (!this.#tables.alerts.isRetained(seq)) {
        this.#drop(row, "max_age", nowMs);
        dropped++;
      } else {
        this.#tables.alerts.unretain(seq);
        this.#tables.alerts.delete(seq, int(row, "size"));
      }
    }
  }

  /** Whether a body is larger than the whole outbox may be. */
  isOversize(size: number): boolean {
    return size > this.maxBytes;
  }

  /** Adds a loss to the episode of its reason. */
  note(loss: Loss, nowMs: number): void {
    const { db, counters } = this.#tables;
    db.run(
      "INSERT INTO drop_log (reason, severity, count, bytes, first_seq, last_seq, from_ms, to_ms, " +
        "reported, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?) " +
        "ON CONFLICT(reason, severity) WHERE reported = 0 DO UPDATE SET " +
        "count = count + excluded.count, bytes = bytes + excluded.bytes, " +
        "first_seq = min(first_seq, excluded.first_seq), " +
        "last_seq = max(last_seq, excluded.last_seq), to_ms = excluded.to_ms, detail = excluded.detail",
      loss.reason,
      loss.severity,
      loss.count,
      loss.bytes,
      loss.firstSeq,
      loss.lastSeq,
      nowMs,
      nowMs,
      loss.detail ?? null,
    );
    counters.add(`dropped:${loss.reason}:${levelName(loss.severity)}`, loss.count);
  }

  /**
   * Ends the episodes that are over.
   *
   * @param hasDelivered Whether a sink has just taken alerts.
   */
  endEpisodes(nowMs: number, hasDelivered: boolean): readonly Gap[] {
    const { db, counters } = this.#tables;
    const open = db.all(
      "SELECT reason, min(id) AS id, sum(count) AS count, min(first_seq) AS first_seq, " +
        "max(last_seq) AS last_seq, min(from_ms) AS from_ms, max(to_ms) AS to_ms, " +
        "max(detail) AS detail FROM drop_log WHERE reported = 0 GROUP BY reason",
    );
    const ended: Gap[] = [];
    for (const row of open) {
      const reason = text(row, "reason");
      const isRelieved = counters.value("outbox_bytes") <= this.maxBytes * RELIEVED &&
        (reason !== "min_free" || !this.#isDiskLow(nowMs));
      const isLong = nowMs - int(row, "from_ms") >= LONGEST_EPISODE_MS;
      if (reason !== "corrupt" && !(hasDelivered && (isRelieved || isLong))) continue;
      ended.push(this.#end(reason, row));
    }
    return ended;
  }

  #end(reason: string, row: Row): Gap {
    const { db } = this.#tables;
    const levels = db.all(
      "SELECT severity, count FROM drop_log WHERE reported = 0 AND reason = ? AND count > 0 " +
        "ORDER BY severity DESC",
      reason,
    );
    db.run("UPDATE drop_log SET reported = 1 WHERE reported = 0 AND reason = ?", reason);
    db.run(
      "DELETE FROM drop_log WHERE reported = 1 AND id <= (SELECT max(id) FROM drop_log) - ?",
      KEPT_EPISODES,
    );
    const detail = optionalText(row, "detail");
    return {
      id: `drop:${int(row, "id")}:${int(row, "from_ms")}`,
      reason,
      count: int(row, "count"),
      byLevel: Object.fromEntries(
        levels.map((level) => [levelName(int(level, "severity")), int(level, "count")]),
      ),
      firstSeq: int(row, "first_seq"),
      lastSeq: int(row, "last_seq"),
      fromMs: int(row, "from_ms"),
      toMs: int(row, "to_ms"),
      ...(detail === undefined ? {} : { detail }),
    };
  }

  /**
   * Drops one alert for the sinks that are behind.
   *
   * @returns Its bytes if a working sink still has to get it and it stays for that, else 0;
   *   `undefined` if there is none to drop.
   */
  #dropOne(reason: Reason, working: readonly number[], nowMs: number): number | undefined {
    const { onFull = "drop_lowest" } = this.#settings;
    const { db } = this.#tables;
    const order = onFull === "drop_oldest" ? OLDEST : LOWEST;
    const behind = working.length === 0 ? "" : `AND EXISTS (${waitsFor(`NOT IN (${working})`)})`;
    // An alert that is dropped while it is being delivered would be both, and counted wrongly.
    const row = db
      .all(`${order.replace("ORDER BY", `${behind} ORDER BY`)} LIMIT ?`, this.inHand() + 1)
      .find((one) => !this.isInHand(int(one, "seq"), working));
    if (row === undefined) return undefined;
    const stays = working.length > 0 &&
      db.get(
          `SELECT 1 FROM outbox WHERE seq = ? AND EXISTS (${waitsFor(`IN (${working})`)})`,
          int(row, "seq"),
        ) !== undefined;
    this.#drop(row, reason, nowMs, stays ? working : undefined);
    if (!stays) return 0;
    return int(row, "size");
  }

  /** @param keepFor Sinks that still get it; without any it is gone. */
  #drop(row: Row, reason: Reason, nowMs: number, keepFor?: readonly number[]): void {
    const { db, alerts, sinks, deadLetters } = this.#tables;
    const [seq, size, severity] = [int(row, "seq"), int(row, "size"), int(row, "severity")];
    sinks.removeEverywhere(seq, keepFor);
    // On a disk that is nearly full a move would free nothing.
    if (reason !== "min_free") {
      const full = db.get(`SELECT ${ALERT_COLUMNS}, o.record_id FROM outbox o WHERE seq = ?`, seq)!;
      const alert = { ...decodeAlert(full), recordId: text(full, "record_id") };
      const error = reason === "max_age" ? "older than outbox.max_age" : "the outbox was full";
      deadLetters.add(
        { stage: "evicted", original: alert.body, code: reason, error },
        nowMs,
        { alert },
      );
    }
    if (keepFor === undefined) alerts.delete(seq, size);
    this.note({ reason, severity, count: 1, bytes: size, firstSeq: seq, lastSeq: seq }, nowMs);
  }

  #isDiskLow(nowMs: number): boolean {
    if (this.#free === undefined || Math.abs(nowMs - this.#free.atMs) >= STATFS_MS) {
      this.#free = { atMs: nowMs, bytes: this.#freeBytes() };
    }
    const { bytes } = this.#free;
    return bytes !== undefined && bytes < (this.#settings.minFreeBytes ?? DEFAULT_MIN_FREE);
  }
}

const LOWEST = "SELECT seq, size, severity, queued_ms FROM outbox INDEXED BY outbox_drop " +
  `WHERE severity < ${PROTECTED} ORDER BY severity, seq`;
const OLDEST = "SELECT seq, size, severity, queued_ms FROM outbox NOT INDEXED " +
  `WHERE severity < ${PROTECTED} ORDER BY seq`;

/** Whether one of some sinks waits for a row of the outbox. */
function waitsFor(sinks: string): string {
  return "SELECT 1 FROM sink_queue q WHERE q.lane IN (0, 1) AND q.seq = outbox.seq " +
    `AND q.sink IN (SELECT num FROM sink WHERE num ${sinks})`;
}

function levelName(severity: number): string {
  return levelOf(severity) ?? "none";
}
