/**
 * The audit trail of the API in the state file.
 */
import type { AuditQuery, AuditRow, AuditStore, NewAuditRow } from "../admin/view.ts";
import type { StateStore } from "../store/state_store.ts";

/** Keeps rows whole, as the detail of entries that can be listed without reading them. */
export function auditStore(store: StateStore): AuditStore {
  return {
    lastHash() {
      const [newest] = store.auditEntries({ limit: 1 }).entries;
      return newest === undefined ? undefined : (JSON.parse(newest.detail) as NewAuditRow).hash;
    },
    append(row) {
      store.appendAudit({
        atMs: row.ts * 1000,
        actor: row.token ?? row.actor_kind,
        action: `${row.method} ${row.endpoint}`,
        outcome: String(row.status),
        detail: JSON.stringify(row),
      });
    },
    list({ limit, offset, since, until }: AuditQuery) {
      const { count, entries } = store.auditEntries({
        limit,
        offset,
        ...(since === undefined ? {} : { sinceMs: since * 1000 }),
        ...(until === undefined ? {} : { untilMs: until * 1000 + 999 }),
      });
      return {
        count,
        entries: entries.map(({ id, detail }): AuditRow => ({
          id,
          ...JSON.parse(detail) as NewAuditRow,
        })),
      };
    },
  };
}
