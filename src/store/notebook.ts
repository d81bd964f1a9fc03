/**
 * Positions of sources, documents of the agent, and the audit trail: small tables without a story.
 */
import { crc32 } from "node:zlib";
import { type Database, int, text } from "./database.ts";

/** What somebody did to the agent. */
export interface NewAuditEntry {
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Who: the name of a token, `cli`, `agent`. */
  readonly actor: string;
  /** What: `POST /api/v1/reload`, `outbox drop`. */
  readonly action: string;
  /** What came of it: a status, `ok`, an error. */
  readonly outcome: string;
  /** JSON text. */
  readonly detail: string;
}

export interface AuditEntry extends NewAuditEntry {
  readonly id: number;
}

export interface AuditQuery {
  /** Unix milliseconds, both inclusive. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Default 100. */
  readonly limit?: number;
  readonly offset?: number;
}

export interface AuditPage {
  /** All entries of that time. */
  readonly count: number;
  /** Newest first. */
  readonly entries: readonly AuditEntry[];
}

/** How much of the audit trail stays. */
export interface AuditBounds {
  readonly auditEntries: number;
  readonly auditMs: number;
}

export class Notebook {
  readonly #db: Database;
  readonly #bounds: AuditBounds;

  constructor(db: Database, bounds: AuditBounds) {
    this.#db = db;
    this.#bounds = bounds;
  }

  /** The position of a source; `undefined` for one that has none, or whose text is damaged. */
  position(sourceId: string): string | undefined {
    const row = this.#db.get(
      "SELECT position, digest FROM source_position WHERE source_id = ?",
      sourceId,
    );
    return row !== undefined && isIntact(row) ? text(row, "position") : undefined;
  }

  positions(): ReadonlyMap<string, string> {
    const rows = this.#db.all("SELECT * FROM source_position ORDER BY source_id");
    return new Map(
      rows.filter(isIntact).map((row) => [text(row, "source_id"), text(row, "position")]),
    );
  }

  /** Sources whose position is not what was written. */
  damagedPositions(): readonly string[] {
    const rows = this.#db.all("SELECT * FROM source_position ORDER BY source_id");
    return rows.filter((row) => !isIntact(row)).map((row) => text(row, "source_id"));
  }

  setPosition(sourceId: string, position: string, nowMs: number): void {
    this.#db.run(
      "INSERT INTO source_position VALUES (?, ?, ?, ?) ON CONFLICT(source_id) DO UPDATE SET " +
        "position = excluded.position, digest = excluded.digest, updated_ms = excluded.updated_ms",
      sourceId,
      position,
      crc32(position),
      nowMs,
    );
  }

  forgetSource(sourceId: string): boolean {
    return this.#db.run("DELETE FROM source_position WHERE source_id = ?", sourceId) > 0;
  }

  document(name: string): string | undefined {
    const row = this.#db.get("SELECT content FROM document WHERE name = ?", name);
    return row === undefined ? undefined : text(row, "content");
  }

  putDocument(name: string, content: string | undefined, nowMs: number): void {
    if (content === undefined) {
      this.#db.run("DELETE FROM document WHERE name = ?", name);
      return;
    }
    this.#db.run(
      "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT(name) DO UPDATE SET " +
        "content = excluded.content, updated_ms = excluded.updated_ms",
      name,
      content,
      nowMs,
    );
  }

  appendAudit({ atMs, actor, action, outcome, detail }: NewAuditEntry): void {
    this.#db.run(
      "INSERT INTO audit (at_ms, actor, action, outcome, detail) VALUES (?, ?, ?, ?, ?)",
      atMs,
      actor,
      action,
      outcome,
      detail,
    );
    this.#db.run(
      "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?",
      this.#bounds.auditEntries,
    );
    this.#db.run(
      "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT 100) AND at_ms < ?",
      atMs - this.#bounds.auditMs,
    );
  }

  audit(query: AuditQuery): AuditPage {
    const { sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER, limit = 100, offset = 0 } = query;
    const count = this.#db.get(
      "SELECT count(*) AS count FROM audit WHERE at_ms BETWEEN ? AND ?",
      sinceMs,
      untilMs,
    );
    const rows = this.#db.all(
      "SELECT * FROM audit WHERE at_ms BETWEEN ? AND ? ORDER BY id DESC LIMIT ? OFFSET ?",
      sinceMs,
      untilMs,
      limit,
      offset,
    );
    return {
      count: count === undefined ? 0 : int(count, "count"),
      entries: rows.map((row) => ({
        id: int(row, "id"),
        atMs: int(row, "at_ms"),
        actor: text(row, "actor"),
        action: text(row, "action"),
        outcome: text(row, "outcome"),
        detail: text(row, "detail"),
      })),
    };
  }
}

function isIntact(row: Readonly<Record<string, unknown>>): boolean {
  return crc32(text(row, "position")) === row["digest"];
}
