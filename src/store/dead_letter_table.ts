/**
 * Dead letters: records that could not be decoded, alerts that a sink refused or that had to make
 * room, each as it was.
 *
 * Every stage has room of its own, so that a source of garbage does not push out refused alerts.
 * When it is used up the oldest letters go, and are counted.
 */
import { Buffer } from "node:buffer";
import type { Alert, AlertKind, NewAlert } from "../runtime/alert.ts";
import type { DeadLetter, DeadLetterStage, NewDeadLetter } from "../runtime/outbox.ts";
import type { Level } from "../sigma/rule.ts";
import type { Counters } from "./counters.ts";
import { type Database, int, optionalText, type Row, text } from "./database.ts";
import { DamageError } from "./sqlite_errors.ts";

export const STAGES: readonly DeadLetterStage[] = ["parse", "deliver", "evicted", "oversize"];

export interface DeadLetterBounds {
  /** Bytes of originals, by stage. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Letters, by stage. */
  readonly maxRecords: number;
}

export interface DeadLetterQuery {
  readonly stage?: DeadLetterStage;
  readonly sinkId?: string;
  /** Only letters behind this one. */
  readonly afterId?: number;
  /** Default 100. */
  readonly limit?: number;
}

/** Who gave an alert up, and how often it had been tried. */
interface Refusal {
  readonly sinkId?: string;
  readonly alert?: Alert & { readonly recordId: string };
  readonly attempts?: number;
}

/** Longest error text that is kept, in characters. */
const MAX_ERROR = 500;
/** Letters deleted in one go at most. */
const PURGE_LETTERS = 1000;

export class DeadLetterTable {
  readonly #db: Database;
  readonly #counters: Counters;
  readonly #bounds: DeadLetterBounds;

  constructor(db: Database, counters: Counters, bounds: DeadLetterBounds) {
    this.#db = db;
    this.#counters = counters;
    this.#bounds = bounds;
  }

  /** Adds a letter; older ones of its stage go if need be. `false` if it is too large by itself. */
  add(letter: NewDeadLetter, nowMs: number, refusal: Refusal = {}): boolean {
    const size = Buffer.byteLength(letter.original);
    if (size > this.#bounds.maxBytes || this.#bounds.maxRecords === 0) {
      this.#counters.add(`dead_dropped:${letter.stage}`, 1);
      return false;
    }
    const { maxBytes, maxRecords } = this.#bounds;
    while (
      this.#counters.value(`dead_bytes:${letter.stage}`) + size > maxBytes ||
      this.#counters.value(`dead_rows:${letter.stage}`) >= maxRecords
    ) {
      if (!this.#dropOldest(letter.stage)) break;
    }
    const { alert, sinkId = null, attempts = 0 } = refusal;
    this.#db.run(
      "INSERT INTO dead_letter (created_ms, stage, code, error, attempts, size, reported, sink_id, " +
        "alert_id, source_id, record_id, alert, original) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
      nowMs,
      letter.stage,
      letter.code,
      letter.error.slice(0, MAX_ERROR),
      attempts,
      size,
      sinkId,
      alert?.id ?? null,
      letter.sourceId ?? alert?.sourceId ?? null,
      letter.recordId ?? alert?.recordId ?? null,
      alert === undefined ? null : envelopeText(alert),
      letter.original,
    );
    this.#count(letter.stage, sinkId, 1, size);
    return true;
  }

  /** Removes a letter; `false` if it is not there. */
  remove(id: number): boolean {
    const row = this.#db.get(
      "DELETE FROM dead_letter WHERE id = ? RETURNING stage, sink_id, size",
      id,
    );
    if (row === undefined) return false;
    this.#count(stageOf(row), optionalText(row, "sink_id") ?? null, -1, -int(row, "size"));
    return true;
  }

  get(id: number): DeadLetter | undefined {
    const row = this.#db.get("SELECT * FROM dead_letter WHERE id = ?", id);
    return row === undefined ? undefined : decodeLetter(row);
  }

  /** The alert inside a letter; `undefined` for letters of records. */
  alertOf(id: number): { readonly alert: NewAlert; readonly createdMs: number } | undefined {
    const row = this.#db.get("SELECT alert, original FROM dead_letter WHERE id = ?", id);
    const envelope = row === undefined ? undefined : optionalText(row, "alert");
    return envelope === undefined ? undefined : parseEnvelope(envelope, text(row!, "original"));
  }

  list({ stage, sinkId, afterId = 0, limit = 100 }: DeadLetterQuery): readonly DeadLetter[] {
    const rows = this.#db.all(
      "SELECT * FROM dead_letter WHERE id > ?1 AND (?2 IS NULL OR stage = ?2) " +
        "AND (?3 IS NULL OR sink_id = ?3) ORDER BY id LIMIT ?4",
      afterId,
      stage ?? null,
      sinkId ?? null,
      limit,
    );
    return rows.map(decodeLetter);
  }

  unreported(limit: number): readonly DeadLetter[] {
    return this.#db.all(
      "SELECT * FROM dead_letter WHERE reported = 0 ORDER BY id LIMIT ?",
      limit,
    ).map(decodeLetter);
  }

  markReported(ids: readonly number[]): void {
    for (const id of ids) this.#db.run("UPDATE dead_letter SET reported = 1 WHERE id = ?", id);
  }

  /** Deletes letters that are too old. */
  purge(nowMs: number): void {
    const rows = this.#db.all(
      "SELECT id, created_ms FROM dead_letter ORDER BY id LIMIT ?",
      PURGE_LETTERS,
    );
    for (const row of rows) {
      if (int(row, "created_ms") >= nowMs - this.#bounds.maxAgeMs) return;
      this.#drop(int(row, "id"));
    }
  }

  #dropOldest(stage: DeadLetterStage): boolean {
    const row = this.#db.get(
      "SELECT id FROM dead_letter WHERE stage = ? ORDER BY id LIMIT 1",
      stage,
    );
    return row !== undefined && this.#drop(int(row, "id"), stage);
  }

  #drop(id: number, stage = this.get(id)?.stage): boolean {
    if (stage !== undefined) this.#counters.add(`dead_dropped:${stage}`, 1);
    return this.remove(id);
  }

  #count(stage: DeadLetterStage, sinkId: string | null, rows: number, bytes: number): void {
    this.#counters.add(`dead_rows:${stage}`, rows);
    this.#counters.add(`dead_bytes:${stage}`, bytes);
    if (sinkId !== null) this.#counters.add(`dead_sink:${sinkId}`, rows);
  }
}

function decodeLetter(row: Row): DeadLetter {
  const sinkId = optionalText(row, "sink_id");
  const alertId = optionalText(row, "alert_id");
  const sourceId = optionalText(row, "source_id");
  const recordId = optionalText(row, "record_id");
  return {
    id: int(row, "id"),
    createdMs: int(row, "created_ms"),
    stage: stageOf(row),
    code: text(row, "code"),
    error: text(row, "error"),
    attempts: int(row, "attempts"),
    original: text(row, "original"),
    ...(sinkId === undefined ? {} : { sinkId }),
    ...(alertId === undefined ? {} : { alertId }),
    ...(sourceId === undefined ? {} : { sourceId }),
    ...(recordId === undefined ? {} : { recordId }),
  };
}

function stageOf(row: Row): DeadLetterStage {
  const stage = STAGES.find((one) => one === row["stage"]);
  if (stage === undefined) throw new DamageError(`a dead letter has no stage`);
  return stage;
}

/** What `parseEnvelope` needs besides the body. */
function envelopeText(alert: Alert & { readonly recordId: string }): string {
  const { id, kind, level, ruleId, ruleTitle, sourceId, recordId, createdMs, eventMs } = alert;
  return JSON.stringify({
    id,
    kind,
    level,
    ruleId,
    ruleTitle,
    sourceId,
    recordId,
    createdMs,
    eventMs,
  });
}

function parseEnvelope(
  envelope: string,
  body: string,
): { readonly alert: NewAlert; readonly createdMs: number } {
  let parts: Partial<Record<string, unknown>>;
  try {
    parts = JSON.parse(envelope) as Partial<Record<string, unknown>>;
  } catch (error) {
    throw new DamageError("the alert of a dead letter is no JSON", { cause: error });
  }
  const { id, kind, level, ruleId, ruleTitle, sourceId, recordId, createdMs, eventMs } = parts;
  return {
    createdMs: Number(createdMs),
    alert: {
      id: String(id),
      kind: kind as AlertKind,
      level: (level ?? null) as Level | null,
      ruleId: typeof ruleId === "string" ? ruleId : null,
      ruleTitle: String(ruleTitle),
      sourceId: String(sourceId),
      recordId: String(recordId),
      eventMs: typeof eventMs === "number" ? eventMs : undefined,
      body,
    },
  };
}
