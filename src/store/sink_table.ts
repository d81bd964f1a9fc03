/**
 * Sinks and what each of them still has to get.
 *
 * An alert is put into the queues of the sinks that want it when it is committed. So a queue holds
 * nothing to skip, the backlog is a sum, and the next alerts are the first rows of a queue whatever
 * lies behind them. A queue has two lanes: ready, and waiting for the next try.
 */
import type { Alert } from "../runtime/alert.ts";
import type { PendingAlert, SinkBacklog, SinkFilter, SinkRegistration } from "../runtime/outbox.ts";
import { ALERT_COLUMNS, type AlertTable, decodeAlert, isIntact, levelOf } from "./alert_table.ts";
import type { Counters } from "./counters.ts";
import { type Database, int, optionalInt, optionalText, type Row, text } from "./database.ts";
import {
  type AlertTest,
  compileFilter,
  type FilterSubject,
  filterText,
  parseFilter,
} from "./sink_filter.ts";
import { DamageError } from "./sqlite_errors.ts";

/** `hold_until_ms` of a sink in use. */
const FOREVER = Number.MAX_SAFE_INTEGER;
/** How long a sink that is no longer configured is remembered, and what only it waits for. */
const REMOVED_MS = 7 * 86_400_000;

const READY = 0;
/** Alerts that become ready in one go: some ten milliseconds. */
const PROMOTED = 1000;
/** A sink that waits for more is behind, whatever its last call gave. */
const MAX_WORKING_BACKLOG = 2000;

interface Sink {
  readonly num: number;
  readonly id: string;
  readonly wants: AlertTest;
}

/** A sink as operators see it. */
export interface SinkInfo {
  readonly id: string;
  readonly active: boolean;
  readonly alerts: number;
  readonly bytes: number;
  /** Of these, how many wait for their next try. */
  readonly retrying: number;
  readonly deadLetters: number;
  readonly lastOkMs: number | undefined;
  readonly lastError: string | undefined;
}

export class SinkTable {
  readonly #db: Database;
  readonly #counters: Counters;
  readonly #alerts: AlertTable;
  #active: readonly Sink[] = [];
  /** Whether there is one sink and none that is remembered: then nobody else waits for anything. */
  #isAlone = false;

  constructor(db: Database, counters: Counters, alerts: AlertTable) {
    this.#db = db;
    this.#counters = counters;
    this.#alerts = alerts;
  }

  /** Reads the sinks in use from the file. */
  load(): void {
    const rows = this.#db.all(
      "SELECT num, id, filter FROM sink WHERE hold_until_ms = ? ORDER BY num",
      FOREVER,
    );
    this.#active = rows.map((row) => ({
      num: int(row, "num"),
      id: text(row, "id"),
      wants: compileFilter(parseFilter(text(row, "filter"))),
    }));
    this.#isAlone = int(this.#db.get("SELECT count(*) AS sinks FROM sink")!, "sinks") === 1;
  }

  hasActive(): boolean {
    return this.#active.length > 0;
  }

  /** The number of a sink, of one that is no longer in use too. */
  numberOf(id: string): number | undefined {
    const active = this.#active.find((sink) => sink.id === id);
    if (active !== undefined) return active.num;
    const row = this.#db.get("SELECT num FROM sink WHERE id = ?", id);
    return row === undefined ? undefined : int(row, "num");
  }

  isActive(id: string): boolean {
    return this.#active.some((sink) => sink.id === id);
  }

  /**
   * Within a transaction. Call `load` after it has committed.
   *
   * @param isRequeue Gives every sink what nobody is known to have: queues did not survive a repair.
   */
  register(sinks: readonly SinkRegistration[], nowMs: number, isRequeue: boolean): void {
    // Until `load`, which counts them anew.
    this.#isAlone = false;
    const wanted = new Map(sinks.map((sink) => [sink.id, sink]));
    for (const row of this.#db.all("SELECT num, id, filter, hold_until_ms, left_seq FROM sink")) {
      const [num, id, untilMs] = [int(row, "num"), text(row, "id"), int(row, "hold_until_ms")];
      const registration = wanted.get(id);
      wanted.delete(id);
      if (registration === undefined) {
        if (untilMs === FOREVER) this.#takeOut(num, nowMs);
        else if (untilMs <= nowMs) this.#forget(num);
        continue;
      }
      const filter = filterText(registration.filter);
      const isChanged = filter !== text(row, "filter");
      this.#db.run(
        "UPDATE sink SET filter = ?, hold_until_ms = ? WHERE num = ?",
        filter,
        FOREVER,
        num,
      );
      if (untilMs !== FOREVER) this.#bringBack(num, int(row, "left_seq"), registration.filter);
      if (isChanged) this.#dropUnwanted(num, compileFilter(registration.filter));
    }
    for (const registration of wanted.values()) this.#add(registration);
    if (!isRequeue) return;
    for (const { id, filter } of sinks) this.#enqueueFrom(this.numberOf(id)!, 0, filter, true);
  }

  /** Puts an alert into the queues of the sinks that want it; `false` if none does. */
  enqueue(seq: number, size: number, subject: FilterSubject): boolean {
    let isWanted = false;
    for (const sink of this.#active) {
      if (!sink.wants(subject)) continue;
      this.enqueueFor(sink.num, seq, size);
      isWanted = true;
    }
    return isWanted;
  }

  /** Puts an alert into one queue; `false` if it is in there. */
  enqueueFor(num: number, seq: number, size: number): boolean {
    if (this.#db.get(IN_QUEUE, num, seq) !== undefined) return false;
    this.#db.run("INSERT INTO sink_queue VALUES (?, ?, ?, ?, 0, NULL)", num, READY, seq, size);
    this.#count(num, 1, size);
    return true;
  }

  /** The first alerts that are ready, in order, and those among them that are damaged. */
  pending(num: number, limit: number, nowMs: number): {
    readonly intact: readonly PendingAlert[];
    readonly damaged: readonly { readonly seq: number; readonly id: string }[];
  } {
    const rows = this.#promote(num, nowMs)
      ? this.#db.all(PENDING, num, limit)
      : this.#db.all(PENDING_OF_BOTH, num, nowMs, limit);
    const intact: PendingAlert[] = [];
    const damaged: { seq: number; id: string }[] = [];
    for (const row of rows) {
      const alert = decodeIntact(row);
      if (alert !== undefined) intact.push({ alert, attempts: int(row, "attempts") });
      else damaged.push({ seq: int(row, "seq"), id: String(row["id"]) });
    }
    return { intact, damaged };
  }

  /** When the first alert in the waiting lane is due. */
  nextDueMs(num: number): number | undefined {
    const row = this.#db.get(
      "SELECT min(next_ms) AS due FROM sink_queue WHERE sink = ? AND next_ms IS NOT NULL",
      num,
    );
    return row === undefined ? undefined : optionalInt(row, "due");
  }

  /** Takes an alert out of a queue; `undefined` if it was not in there. */
  remove(num: number, seq: number): { size: number; attempts: number } | undefined {
    const row = this.#db.get(
      "DELETE FROM sink_queue WHERE sink = ? AND lane IN (0, 1) AND seq = ? RETURNING size, attempts",
      num,
      seq,
    );
    if (row === undefined) return undefined;
    const size = int(row, "size");
    this.#count(num, -1, -size);
    return { size, attempts: int(row, "attempts") };
  }

  /** Moves an alert to the waiting lane. */
  retry(num: number, seq: number, nextMs: number): void {
    this.#db.run(
      "UPDATE OR REPLACE sink_queue SET lane = 1, attempts = attempts + 1, next_ms = ? " +
        "WHERE sink = ? AND lane IN (0, 1) AND seq = ?",
      nextMs,
      num,
      seq,
    );
  }

  /** Makes one alert ready that waits for its next try; `false` if it does not. */
  makeReady(num: number, seq: number): boolean {
    return this.#db.run(
      "UPDATE sink_queue SET lane = 0, next_ms = NULL WHERE sink = ? AND lane = 1 AND seq = ?",
      num,
      seq,
    ) > 0;
  }

  /** Makes alerts that wait for their next try ready: at most `limit` of them. */
  retryNow(num: number, limit: number): number {
    return this.#db.run(
      "UPDATE sink_queue SET lane = 0, next_ms = NULL WHERE sink = ? AND lane = 1 AND seq IN " +
        "(SELECT seq FROM sink_queue WHERE sink = ? AND lane = 1 ORDER BY seq LIMIT ?)",
      num,
      num,
      limit,
    );
  }

  /** Takes an alert out of every queue. */
  removeEverywhere(seq: number, except: readonly number[] = []): void {
    const rows = this.#db.all(
      `DELETE FROM sink_queue WHERE sink IN (SELECT num FROM sink WHERE num NOT IN (${except})) ` +
        "AND lane IN (0, 1) AND seq = ? RETURNING sink, size",
      seq,
    );
    for (const row of rows) this.#count(int(row, "sink"), -1, -int(row, "size"));
  }

  /** Bytes of alerts that some of these sinks wait for and no other. */
  bytesOnlyFor(sinks: readonly number[]): number {
    if (sinks.length === 0) return 0;
    const row = this.#db.get(
      "SELECT total(size) AS bytes FROM (SELECT max(size) AS size FROM sink_queue q " +
        `WHERE sink IN (${sinks}) AND NOT EXISTS (SELECT 1 FROM sink_queue o WHERE o.seq = q.seq ` +
        `AND o.lane IN (0, 1) AND o.sink IN (SELECT num FROM sink WHERE num NOT IN (${sinks}))) ` +
        "GROUP BY seq)",
    );
    return Number(row?.["bytes"] ?? 0);
  }

  /**
   * Lets go of an alert that has left a queue: it is retained unless another sink waits for it.
   *
   * @param untilMs How long it is retained at least, Unix milliseconds; 0 for no time.
   */
  release(seq: number, size: number, untilMs: number): void {
    if (this.#isAlone) {
      this.#alerts.retain(seq, size, untilMs);
      return;
    }
    const row = this.#db.get(
      "SELECT max(hold_until_ms) AS until FROM sink JOIN sink_queue ON sink = num " +
        "WHERE sink IN (SELECT num FROM sink) AND lane IN (0, 1) AND seq = ?",
      seq,
    );
    const heldMs = row === undefined ? undefined : optionalInt(row, "until");
    if (heldMs !== FOREVER) this.#alerts.retain(seq, size, Math.max(untilMs, heldMs ?? 0));
  }

  /** Sinks whose last call succeeded and that have not fallen behind. */
  working(): readonly number[] {
    return this.#db.all(
      "SELECT num FROM sink WHERE hold_until_ms = ? AND last_ok_ms IS NOT NULL AND last_error IS NULL",
      FOREVER,
    ).map((row) => int(row, "num"))
      .filter((num) => this.#counters.value(`queued_rows:${num}`) <= MAX_WORKING_BACKLOG);
  }

  noteSuccess(num: number, nowMs: number): void {
    this.#db.run("UPDATE sink SET last_ok_ms = ?, last_error = NULL WHERE num = ?", nowMs, num);
  }

  noteError(num: number, error: string): void {
    this.#db.run("UPDATE sink SET last_error = ? WHERE num = ?", error, num);
  }

  peerPosition(id: string): string | undefined {
    const row = this.#db.get("SELECT peer_position FROM sink WHERE id = ?", id);
    return row === undefined ? undefined : optionalText(row, "peer_position");
  }

  setPeerPosition(num: number, position: string): void {
    this.#db.run("UPDATE sink SET peer_position = ? WHERE num = ?", position, num);
  }

  backlog(id: string, nowMs: number): SinkBacklog {
    const num = this.numberOf(id) ?? -1;
    return {
      sinkId: id,
      alerts: this.#counters.stored(`queued_rows:${num}`),
      bytes: this.#counters.stored(`queued_bytes:${num}`),
      oldestMs: Math.max(0, nowMs - (this.#oldestMs(num) ?? nowMs)),
      deadLetters: this.#counters.stored(`dead_sink:${id}`),
    };
  }

  infos(): readonly SinkInfo[] {
    const rows = this.#db.all(
      "SELECT num, id, hold_until_ms, last_ok_ms, last_error, (SELECT count(*) FROM sink_queue " +
        "WHERE sink = num AND next_ms IS NOT NULL) AS retrying FROM sink ORDER BY num",
    );
    return rows.map((row): SinkInfo => ({
      id: text(row, "id"),
      active: int(row, "hold_until_ms") === FOREVER,
      alerts: this.#counters.stored(`queued_rows:${int(row, "num")}`),
      bytes: this.#counters.stored(`queued_bytes:${int(row, "num")}`),
      retrying: int(row, "retrying"),
      deadLetters: this.#counters.stored(`dead_sink:${text(row, "id")}`),
      lastOkMs: optionalInt(row, "last_ok_ms"),
      lastError: optionalText(row, "last_error"),
    }));
  }

  #oldestMs(num: number): number | undefined {
    const row = this.#db.get(
      "SELECT min(created_ms) AS at FROM outbox WHERE seq IN (" +
        "(SELECT min(seq) FROM sink_queue WHERE sink = ?1 AND lane = 0), " +
        "(SELECT min(seq) FROM sink_queue WHERE sink = ?1 AND lane = 1))",
      num,
    );
    return row === undefined ? undefined : optionalInt(row, "at");
  }

  /**
   * Moves what has become due to the ready lane, so each row is looked at once a try. If very many
   * are due those go first that have been for longest.
   *
   * @returns `false` if that could not be written: the disk is full, another process writes.
   */
  #promote(num: number, nowMs: number): boolean {
    const due = this.nextDueMs(num);
    if (due === undefined || due > nowMs) return true;
    try {
      this.#db.transaction("update the queue of", () =>
        this.#db.run(
          "UPDATE sink_queue SET lane = 0, next_ms = NULL WHERE sink = ?1 AND lane = 1 AND seq IN " +
            "(SELECT seq FROM sink_queue WHERE sink = ?1 AND next_ms <= ?2 ORDER BY next_ms LIMIT ?3)",
          num,
          nowMs,
          PROMOTED,
        ));
      return true;
    } catch {
      return false;
    }
  }

  #add({ id, filter, start = "newest" }: SinkRegistration): void {
    this.#db.run(
      "INSERT INTO sink (id, filter, hold_until_ms, left_seq) VALUES (?, ?, ?, 0)",
      id,
      filterText(filter),
      FOREVER,
    );
    if (start === "oldest") this.#enqueueFrom(this.numberOf(id)!, 0, filter);
  }

  /** Puts every alert behind `seq` that is still here into a queue. */
  #enqueueFrom(num: number, seq: number, filter: SinkFilter, isWaitedFor = false): void {
    const wants = compileFilter(filter);
    let after = seq;
    while (true) {
      const rows = this.#db.all(
        "SELECT seq, size, kind, severity, rule_id, rule_title FROM outbox WHERE seq > ? " +
          "ORDER BY seq LIMIT 1000",
        after,
      );
      for (const row of rows) {
        after = int(row, "seq");
        if (!wants(subjectOf(row)) || (isWaitedFor && this.#alerts.isRetained(after))) continue;
        if (this.enqueueFor(num, after, int(row, "size"))) this.#alerts.unretain(after);
      }
      if (rows.length < 1000) return;
    }
  }

  /** Its queue stays; what only it waits for is retained for as long as it is remembered. */
  #takeOut(num: number, nowMs: number): void {
    const untilMs = nowMs + REMOVED_MS;
    this.#db.run(
      "UPDATE sink SET hold_until_ms = ?, left_seq = ? WHERE num = ?",
      untilMs,
      this.#alerts.lastSeq(),
      num,
    );
    for (const { seq, size } of this.#queue(num)) this.release(seq, size, 0);
  }

  #bringBack(num: number, leftSeq: number, filter: SinkFilter): void {
    for (const { seq } of this.#queue(num)) {
      if (this.#db.get("SELECT 1 FROM outbox WHERE seq = ?", seq) === undefined) {
        this.remove(num, seq);
      } else this.#alerts.unretain(seq);
    }
    this.#enqueueFrom(num, leftSeq, filter);
  }

  #forget(num: number): void {
    for (const { seq } of this.#queue(num)) this.remove(num, seq);
    this.#db.run("DELETE FROM sink WHERE num = ?", num);
  }

  #dropUnwanted(num: number, wants: AlertTest): void {
    const rows = this.#db.all(
      "SELECT o.seq, o.size, o.kind, o.severity, o.rule_id, o.rule_title " +
        "FROM sink_queue q CROSS JOIN outbox o ON o.seq = q.seq WHERE q.sink = ?",
      num,
    );
    for (const row of rows) {
      if (wants(subjectOf(row))) continue;
      this.remove(num, int(row, "seq"));
      this.release(int(row, "seq"), int(row, "size"), 0);
    }
  }

  #queue(num: number): readonly { readonly seq: number; readonly size: number }[] {
    return this.#db.all("SELECT seq, size FROM sink_queue WHERE sink = ?", num)
      .map((row) => ({ seq: int(row, "seq"), size: int(row, "size") }));
  }

  #count(num: number, rows: number, bytes: number): void {
    this.#counters.add(`queued_rows:${num}`, rows);
    this.#counters.add(`queued_bytes:${num}`, bytes);
  }
}

const IN_QUEUE = "SELECT 1 FROM sink_queue WHERE sink = ? AND lane IN (0, 1) AND seq = ?";

// `CROSS JOIN` keeps SQLite from beginning with the outbox.
const PENDING = `SELECT q.attempts, ${ALERT_COLUMNS} FROM sink_queue q ` +
  "CROSS JOIN outbox o ON o.seq = q.seq WHERE q.sink = ? AND q.lane = 0 ORDER BY q.seq LIMIT ?";

const PENDING_OF_BOTH = `SELECT q.attempts, ${ALERT_COLUMNS} FROM sink_queue q ` +
  "CROSS JOIN outbox o ON o.seq = q.seq WHERE q.sink = ? AND (q.lane = 0 OR q.next_ms <= ?) " +
  "ORDER BY q.seq LIMIT ?";

/** One damaged alert must not keep a queue from moving. */
function decodeIntact(row: Row): Alert | undefined {
  try {
    return isIntact(row) ? decodeAlert(row) : undefined;
  } catch (error) {
    if (error instanceof DamageError) return undefined;
    throw error;
  }
}

function subjectOf(row: Readonly<Record<string, unknown>>): FilterSubject {
  const kind = text(row, "kind") as Alert["kind"];
  return {
    kind,
    level: levelOf(int(row, "severity")),
    ruleId: optionalText(row, "rule_id") ?? null,
    ruleTitle: text(row, "rule_title"),
  };
}
