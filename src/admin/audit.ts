/**
 * The audit trail: who changed what, each row bound to the one before it by a hash.
 *
 * @see daemon.md 8 and 19.3
 */
import { createHash } from "node:crypto";
import type { AdminMetrics } from "./admin_metrics.ts";
import { RateLimiter } from "./rate_limit.ts";
import type { AuditRow, AuditStore, NewAuditRow } from "./view.ts";

/** `prev_hash` of the first row. */
export const AUDIT_GENESIS = "0".repeat(64);

/** SHA-256 over a row's members in a fixed order, its own hash and number left out. */
export function auditHash(row: Omit<NewAuditRow, "hash">): string {
  return createHash("sha256").update(JSON.stringify([
    row.prev_hash,
    row.ts,
    row.method,
    row.endpoint,
    row.path,
    row.actor_kind,
    row.token,
    row.peer,
    row.request_id,
    row.payload_digest,
    row.status,
    row.duration_ms,
  ])).digest("hex");
}

/** The first row, oldest first, that was changed or follows one that is missing. */
export function firstBrokenRow(rows: readonly AuditRow[]): AuditRow | undefined {
  let previous: string | undefined;
  for (const row of rows) {
    if (row.hash !== auditHash(row)) return row;
    // What came before the first row may have been pruned.
    if (previous !== undefined && row.prev_hash !== previous) return row;
    previous = row.hash;
  }
  return undefined;
}

/** Failed authentications that are recorded, a minute. */
const FAILURES_PER_MINUTE = 10;

/** Writes rows; a trail that cannot be written is counted and reported, requests go on. */
export class AuditTrail {
  readonly #store: AuditStore;
  readonly #metrics: AdminMetrics;
  readonly #warn: (message: string) => void;
  readonly #failures = new RateLimiter(FAILURES_PER_MINUTE / 60, FAILURES_PER_MINUTE);
  #lastHash: string | undefined;

  constructor(store: AuditStore, metrics: AdminMetrics, warn: (message: string) => void) {
    this.#store = store;
    this.#metrics = metrics;
    this.#warn = warn;
  }

  record(row: Omit<NewAuditRow, "prev_hash" | "hash">): void {
    try {
      const chained = {
        ...row,
        prev_hash: this.#lastHash ?? this.#store.lastHash() ?? AUDIT_GENESIS,
      };
      const hash = auditHash(chained);
      this.#store.append({ ...chained, hash });
      this.#lastHash = hash;
      this.#metrics.onAuditRecord();
    } catch (error) {
      this.#metrics.onAuditWriteError();
      this.#warn(`cannot write the audit trail: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Records a failed authentication, if there were not too many of late. */
  recordFailure(row: Omit<NewAuditRow, "prev_hash" | "hash">): void {
    if (this.#failures.take("", row.ts * 1000) === 0) this.record(row);
  }
}
