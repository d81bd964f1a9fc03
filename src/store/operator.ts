/**
 * What operators do to queues and dead letters: `picket outbox`, `picket dlq`, and the API.
 *
 * Each call is one short transaction, so it may run beside the agent; large jobs are cut into pieces.
 */
import type { Alert } from "../runtime/alert.ts";
import { ALERT_COLUMNS, decodeAlert } from "./alert_table.ts";
import type { BoundsTables } from "./bounds.ts";
import { int, optionalInt, optionalText, type Row, text } from "./database.ts";

/** An alert with what it needs to be made again. */
export type StoredAlert = Alert & { readonly recordId: string };

/** Where an alert stands in the queue of a sink. */
export interface QueuePlace {
  readonly sinkId: string;
  readonly attempts: number;
  /** Unix milliseconds; `undefined` while it is ready. */
  readonly nextMs: number | undefined;
}

export interface OutboxRow {
  readonly alert: StoredAlert;
  /** The sinks that wait for it; none for alerts that are only kept. */
  readonly places: readonly QueuePlace[];
}

export interface OutboxQuery {
  /** Only what this sink waits for. */
  readonly sinkId?: string;
  readonly afterSeq?: number;
  /** Also alerts that no sink waits for. Default `false`. */
  readonly delivered?: boolean;
  /** Default 100. */
  readonly limit?: number;
}

/** Which dead letters were put back, and why others were not. */
export interface ReplayResult {
  readonly replayed: number;
  readonly refused: readonly { readonly id: number; readonly reason: string }[];
}

const PIECE = 1000;

export class Operator {
  readonly #tables: BoundsTables;

  constructor(tables: BoundsTables) {
    this.#tables = tables;
  }

  /** Alerts in the outbox, oldest first. */
  rows(query: OutboxQuery = {}): readonly OutboxRow[] {
    const { sinkId, afterSeq = 0, delivered = false, limit = 100 } = query;
    const { db, sinks } = this.#tables;
    return db.query("read", () => {
      const num = sinkId === undefined ? null : sinks.numberOf(sinkId) ?? -1;
      const rows = db.all(
        `SELECT ${ALERT_COLUMNS}, o.record_id FROM outbox o WHERE o.seq > ?1 AND (?2 OR EXISTS (` +
          "SELECT 1 FROM sink_queue q WHERE q.sink IN (SELECT num FROM sink) " +
          "AND q.lane IN (0, 1) AND q.seq = o.seq AND (?3 IS NULL OR q.sink = ?3))) " +
          "ORDER BY o.seq LIMIT ?4",
        afterSeq,
        delivered && sinkId === undefined ? 1 : 0,
        num,
        limit,
      );
      return rows.map((row) => ({
        alert: decodeStored(row),
        places: this.#places(int(row, "seq")),
      }));
    });
  }

  /** One alert by its number or id. */
  row(key: number | string): OutboxRow | undefined {
    const { db, alerts } = this.#tables;
    return db.query("read", () => {
      const seq = typeof key === "number" ? key : alerts.seqOf(key);
      const alert = seq === undefined ? undefined : this.alertAt(seq);
      return alert === undefined ? undefined : { alert, places: this.#places(alert.seq) };
    });
  }

  /** The alert with this number, if it is still here. */
  alertAt(seq: number): StoredAlert | undefined {
    const row = this.#tables.db.get(
      `SELECT ${ALERT_COLUMNS}, o.record_id FROM outbox o WHERE o.seq = ?`,
      seq,
    );
    return row === undefined ? undefined : decodeStored(row);
  }

  /** Makes alerts that wait for their next try ready now; returns how many. */
  retryNow(sinkId: string): number {
    const { sinks } = this.#tables;
    let all = 0;
    while (true) {
      const moved = this.#write("retry alerts in", () => {
        const num = sinks.numberOf(sinkId);
        return num === undefined ? 0 : sinks.retryNow(num, PIECE);
      });
      all += moved;
      if (moved < PIECE) return all;
    }
  }

  /**
   * Puts alerts that are still here into the queue of a sink once more, or makes them ready now.
   *
   * @returns How many that was: those that were ready already are not counted.
   */
  send(sinkId: string, seqs: readonly number[]): number {
    const { db, sinks, alerts } = this.#tables;
    let sent = 0;
    for (let from = 0; from < seqs.length; from += PIECE) {
      sent += this.#write("send alerts again from", () => {
        const num = sinks.numberOf(sinkId);
        if (num === undefined) return 0;
        return seqs.slice(from, from + PIECE).filter((seq) => {
          const row = db.get("SELECT size FROM outbox WHERE seq = ?", seq);
          if (row === undefined) return false;
          if (sinks.enqueueFor(num, seq, int(row, "size"))) {
            alerts.unretain(seq);
            return true;
          }
          return sinks.makeReady(num, seq);
        }).length;
      });
    }
    return sent;
  }

  /**
   * Takes alerts out of the queue of a sink, or of all sinks. That is no loss to report: somebody wanted it.
   *
   * @returns How many there were.
   */
  drop(seqs: readonly number[], sinkId: string | undefined): number {
    const { db, sinks } = this.#tables;
    let dropped = 0;
    for (let from = 0; from < seqs.length; from += PIECE) {
      dropped += this.#write("drop alerts from", () => {
        const only = sinkId === undefined ? undefined : sinks.numberOf(sinkId);
        if (sinkId !== undefined && only === undefined) return 0;
        return seqs.slice(from, from + PIECE).filter((seq) => {
          const queues = db.all(
            "SELECT sink FROM sink_queue WHERE sink IN (SELECT num FROM sink) " +
              "AND lane IN (0, 1) AND seq = ?",
            seq,
          ).map((row) => int(row, "sink")).filter((num) => only === undefined || num === only);
          let size: number | undefined;
          for (const num of queues) size = sinks.remove(num, seq)?.size ?? size;
          if (size !== undefined) sinks.release(seq, size, 0);
          return size !== undefined;
        }).length;
      });
    }
    return dropped;
  }

  /** Puts the alerts of dead letters back into the outbox, with their ids, and removes the letters. */
  replay(ids: readonly number[], nowMs: number): ReplayResult {
    const refused: { id: number; reason: string }[] = [];
    let replayed = 0;
    for (let from = 0; from < ids.length; from += PIECE) {
      const piece = ids.slice(from, from + PIECE);
      const reasons = this.#write(
        "replay dead letters of",
        () => piece.map((id) => ({ id, reason: this.#replayOne(id, nowMs) })),
      );
      for (const { id, reason } of reasons) {
        if (reason === undefined) replayed++;
        else refused.push({ id, reason });
      }
    }
    return { replayed, refused };
  }

  /** Removes dead letters; returns how many there were. */
  dropDeadLetters(ids: readonly number[]): number {
    let dropped = 0;
    for (let from = 0; from < ids.length; from += PIECE) {
      dropped += this.#write(
        "drop dead letters from",
        () =>
          ids.slice(from, from + PIECE).filter((id) => this.#tables.deadLetters.remove(id)).length,
      );
    }
    return dropped;
  }

  #replayOne(id: number, nowMs: number): string | undefined {
    const { db, alerts, sinks, deadLetters } = this.#tables;
    const letter = deadLetters.get(id);
    if (letter === undefined) return "there is no such dead letter";
    const found = deadLetters.alertOf(id);
    if (found === undefined) {
      return letter.stage === "parse"
        ? "it holds a record, not an alert: give the record to its source again"
        : "its alert is damaged";
    }
    const { alert, createdMs } = found;
    const known = alerts.seqOf(alert.id);
    const present = known === undefined
      ? undefined
      : db.get("SELECT size FROM outbox WHERE seq = ?", known);
    const seq = present === undefined ? alerts.nextSeq() : known!;
    const size = present === undefined
      ? alerts.insert(alert, seq, { createdMs, nowMs })
      : int(present, "size");
    if (present !== undefined) alerts.unretain(seq);
    if (letter.sinkId === undefined) {
      if (!sinks.enqueue(seq, size, alert)) sinks.release(seq, size, 0);
    } else {
      const num = sinks.isActive(letter.sinkId) ? sinks.numberOf(letter.sinkId) : undefined;
      if (num === undefined) {
        if (present === undefined) alerts.delete(seq, size);
        else sinks.release(seq, size, 0);
        return `its sink ${letter.sinkId} is not configured`;
      }
      sinks.enqueueFor(num, seq, size);
    }
    deadLetters.remove(id);
    return undefined;
  }

  #places(seq: number): readonly QueuePlace[] {
    return this.#tables.db.all(
      "SELECT s.id, q.attempts, q.next_ms FROM sink s JOIN sink_queue q ON q.sink = s.num " +
        "WHERE q.lane IN (0, 1) AND q.seq = ? ORDER BY s.num",
      seq,
    ).map((row) => ({
      sinkId: text(row, "id"),
      attempts: int(row, "attempts"),
      nextMs: optionalInt(row, "next_ms"),
    }));
  }

  #write<T>(action: string, work: () => T): T {
    const { db, counters } = this.#tables;
    return db.transaction(action, () => {
      counters.begin();
      const result = work();
      counters.flush();
      return result;
    });
  }
}

function decodeStored(row: Row): StoredAlert {
  return { ...decodeAlert(row), recordId: optionalText(row, "record_id") ?? "" };
}
