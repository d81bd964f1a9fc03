/**
 * The state file: what the agent must not forget.
 *
 * One process owns it, the agent; `openState` sees to that. Others may read it at any time, and
 * change queues and dead letters in short transactions of their own (`access: "operator"`): sums and
 * queues stand in the file and are read inside each transaction, so the agent sees every change, and
 * it waits up to five seconds for the other's transaction to end.
 */
import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { type Alert, type NewAlert, severityOf } from "../runtime/alert.ts";
import { StateError } from "../runtime/errors.ts";
import type {
  Commit,
  CommitResult,
  DeadLetter,
  Outbox,
  PendingAlert,
  Settlement,
  SinkBacklog,
  SinkRegistration,
} from "../runtime/outbox.ts";
import type { OutboxSettings } from "../runtime/settings.ts";
import { AlertTable, type RecentQuery } from "./alert_table.ts";
import { Bounds } from "./bounds.ts";
import { Counters } from "./counters.ts";
import type { Database } from "./database.ts";
import { type DeadLetterQuery, DeadLetterTable, STAGES } from "./dead_letter_table.ts";
import { gapAlert } from "./gap.ts";
import { metaValue, setMeta } from "./identity.ts";
import { type AuditPage, type AuditQuery, type NewAuditEntry, Notebook } from "./notebook.ts";
import { type Recovery, recoveryText } from "./open_file.ts";
import { Operator } from "./operator.ts";
import { type SinkInfo, SinkTable } from "./sink_table.ts";
import type { StateParts, StateStats } from "./state_parts.ts";

/** Longest error text that is kept of a sink, in characters. */
const MAX_ERROR = 500;
/** Retained alerts deleted in one go when a commit finds no room. */
const MADE_ROOM = 256;
/** Free pages given back to the file system in one go. */
const VACUUM_PAGES = 256;

export class StateStore implements Outbox, Disposable {
  /** Stays with the file, on its machine; goes into every alert id. */
  readonly agentId: string;
  /** The id in a file that came from another machine, and which `agentId` has replaced. */
  readonly replacedAgentId: string | undefined;
  /** New with every opening. */
  readonly bootId: string = randomUUID();
  /** What was wrong with the file when it was opened. */
  readonly recovery: Recovery | undefined;

  readonly #db: Database;
  readonly #parts: StateParts;
  readonly #counters: Counters;
  readonly #alerts: AlertTable;
  readonly #sinks: SinkTable;
  readonly #deadLetters: DeadLetterTable;
  readonly #bounds: Bounds;
  readonly #notebook: Notebook;
  readonly #operator: Operator;
  /** What each sink was given last and has not settled. */
  readonly #inHand = new Map<number, Set<number>>();
  #settings: OutboxSettings;
  #diskFull = 0;
  #isOpen = true;

  /** Use `openState`. */
  constructor(parts: StateParts) {
    const { db, limits } = parts;
    this.#parts = parts;
    this.#db = db;
    this.#settings = parts.settings;
    this.agentId = parts.agentId;
    this.replacedAgentId = parts.replacedAgentId;
    this.recovery = parts.recovery;
    this.#counters = new Counters(db);
    this.#alerts = new AlertTable(db, this.#counters, limits);
    this.#sinks = new SinkTable(db, this.#counters, this.#alerts);
    this.#deadLetters = new DeadLetterTable(db, this.#counters, {
      maxBytes: limits.deadLetterBytes,
      maxAgeMs: limits.deadLetterMs,
      maxRecords: limits.deadLetterRecords,
    });
    const tables = {
      db,
      counters: this.#counters,
      alerts: this.#alerts,
      sinks: this.#sinks,
      deadLetters: this.#deadLetters,
    };
    this.#bounds = new Bounds(tables, parts.settings, parts.freeBytes);
    this.#bounds.isInHand = (seq, except) =>
      [...this.#inHand].some(([num, seqs]) => !except.includes(num) && seqs.has(seq));
    this.#bounds.inHand = () => [...this.#inHand.values()].reduce((sum, { size }) => sum + size, 0);
    this.#notebook = new Notebook(db, limits);
    this.#operator = new Operator(tables);
    this.#sinks.load();
    if (parts.recovery !== undefined) this.#noteRecovery(parts.recovery);
  }

  /** Whether damage has shown since the file was opened: opening it again repairs it. */
  get isDamaged(): boolean {
    return this.#db.isDamaged;
  }

  /** Takes over other bounds, after a reload. `fsync` counts from the next opening. */
  configure(settings: OutboxSettings): void {
    this.#settings = settings;
    this.#bounds.settings = settings;
  }

  // --- what the pipeline does -----------------------------------------------------------------

  /**
   * Writes alerts, positions and dead letters in one transaction: all of it or nothing.
   *
   * A commit that changes nothing writes nothing.
   *
   * @throws {StateError} Nothing has changed. `STATE_FULL`: there is no room, try again later;
   *   `STATE_BUSY`: another process has written for long; `STATE_IO`: anything else.
   */
  commit(commit: Commit): CommitResult {
    const { alerts, positions, deadLetters = [] } = commit;
    if (alerts.length === 0 && deadLetters.length === 0) {
      const isNew = this.#db.query(
        "read",
        () => [...positions].some(([id, position]) => this.#notebook.position(id) !== position),
      );
      if (!isNew) return { added: 0, duplicates: 0, dropped: 0 };
    }
    const { maxPages } = this.#parts;
    if (maxPages !== undefined) this.#db.get(`PRAGMA max_page_count = ${maxPages()}`);
    while (true) {
      try {
        return this.#write("commit to", () => this.#commit(commit));
      } catch (error) {
        if (!(error instanceof StateError) || error.code !== "STATE_FULL") throw error;
        // What every sink has must not keep new alerts out.
        // (The bound that `block` keeps has seen to that itself, and has no cause.)
        if (error.cause === undefined) throw error;
        if (!this.#purgeRetained()) throw error;
      }
    }
  }

  /** Where to resume reading a source; `undefined` for one that has not been read. */
  position(sourceId: string): string | undefined {
    return this.#read(() => this.#notebook.position(sourceId));
  }

  positions(): ReadonlyMap<string, string> {
    return this.#read(() => this.#notebook.positions());
  }

  /** Moves a source by hand. Alerts it gives again are recognised while their ids are known. */
  setPosition(sourceId: string, position: string, nowMs: number): void {
    this.#write("move a position in", () => this.#notebook.setPosition(sourceId, position, nowMs));
  }

  /** Forgets where a source was; `false` if it was not known. */
  forgetSource(sourceId: string): boolean {
    return this.#write("forget a source in", () => this.#notebook.forgetSource(sourceId));
  }

  // --- what delivery does: `Outbox` -----------------------------------------------------------

  /**
   * Makes sinks known. One that is not named any more holds nothing back: what only it waits for
   * makes room first when room is needed, and is gone after seven days.
   */
  registerSinks(sinks: readonly SinkRegistration[], nowMs: number): void {
    this.#writeWithReserve("register sinks in", () => {
      const isRequeue = metaValue(this.#db, "requeue") === "1";
      this.#sinks.register(sinks, nowMs, isRequeue);
      if (isRequeue) setMeta(this.#db, "requeue", "0");
    });
    this.#sinks.load();
    const named = new Set(sinks.map(({ id }) => this.#sinks.numberOf(id)));
    for (const num of this.#inHand.keys()) if (!named.has(num)) this.#inHand.delete(num);
    this.#writeWithReserve("write gap records to", () => {
      this.#reportGaps(nowMs, false);
      this.#alerts.purge(nowMs);
    });
  }

  pending(sinkId: string, limit: number, nowMs: number): readonly PendingAlert[] {
    const num = this.#read(() => this.#sinks.numberOf(sinkId));
    if (num === undefined) return [];
    while (true) {
      const { intact, damaged } = this.#read(() => this.#sinks.pending(num, limit, nowMs));
      if (damaged.length === 0) {
        this.#inHand.set(num, new Set(intact.map(({ alert }) => alert.seq)));
        return intact;
      }
      this.#writeWithReserve("set damaged alerts aside in", () => {
        for (const { seq, id } of damaged) this.#giveUpDamaged(num, sinkId, seq, id, nowMs);
      });
    }
  }

  nextDueMs(sinkId: string): number | undefined {
    return this.#read(() => {
      const num = this.#sinks.numberOf(sinkId);
      return num === undefined ? undefined : this.#sinks.nextDueMs(num);
    });
  }

  settle(
    sinkId: string,
    settlements: readonly Settlement[],
    nowMs: number,
    peerPosition?: string,
  ): void {
    this.#writeWithReserve("write deliveries to", () => {
      const num = this.#sinks.numberOf(sinkId);
      if (num === undefined) return;
      const hasDelivered = settlements.some(({ outcome }) => outcome === "delivered");
      if (hasDelivered) this.#sinks.noteSuccess(num, nowMs);
      for (const { seq } of settlements) this.#inHand.get(num)?.delete(seq);
      for (const settlement of settlements) this.#settle(num, sinkId, settlement, nowMs);
      if (peerPosition !== undefined) this.#sinks.setPeerPosition(num, peerPosition);
      this.#alerts.purge(nowMs);
      if (hasDelivered) this.#reportGaps(nowMs, true);
    });
  }

  peerPosition(sinkId: string): string | undefined {
    return this.#read(() => this.#sinks.peerPosition(sinkId));
  }

  backlog(sinkId: string, nowMs: number): SinkBacklog {
    return this.#read(() => this.#sinks.backlog(sinkId, nowMs));
  }

  unreportedDeadLetters(limit: number): readonly DeadLetter[] {
    return this.#read(() => this.#deadLetters.unreported(limit));
  }

  markDeadLettersReported(ids: readonly number[]): void {
    if (ids.length === 0) return;
    this.#writeWithReserve("mark dead letters in", () => this.#deadLetters.markReported(ids));
  }

  /**
   * What has to happen when nothing else does: call it every minute or so. Drops what is too old,
   * moves the log into the file, gives free pages back, restores the ballast.
   */
  maintain(nowMs: number): void {
    this.#writeWithReserve("tidy", () => {
      this.#bounds.dropOld(nowMs);
      this.#alerts.purge(nowMs);
      this.#alerts.forgetIds(nowMs);
      this.#deadLetters.purge(nowMs);
    });
    this.#parts.reserve?.fill();
    this.#read(() => {
      this.#db.get(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
      this.#db.get("PRAGMA wal_checkpoint(PASSIVE)");
    });
  }

  /** The newest alerts, newest first, delivered or not. */
  recentAlerts(query: RecentQuery = {}): readonly Alert[] {
    return this.#read(() => this.#alerts.recent(query));
  }

  /** A text kept under a name. */
  getDocument(name: string): string | undefined {
    return this.#read(() => this.#notebook.document(name));
  }

  /** Keeps a text under a name; `undefined` deletes it. */
  putDocument(name: string, content: string | undefined, nowMs: number = Date.now()): void {
    this.#write("keep a document in", () => this.#notebook.putDocument(name, content, nowMs));
  }

  /** Adds to the audit trail, which keeps 10,000 entries and 30 days. */
  appendAudit(entry: NewAuditEntry): void {
    this.#writeWithReserve("audit in", () => this.#notebook.appendAudit(entry));
  }

  auditEntries(query: AuditQuery = {}): AuditPage {
    return this.#read(() => this.#notebook.audit(query));
  }

  deadLetters(query: DeadLetterQuery = {}): readonly DeadLetter[] {
    return this.#read(() => this.#deadLetters.list(query));
  }

  sinks(): readonly SinkInfo[] {
    return this.#read(() => this.#sinks.infos());
  }

  /** What operators may do to queues and dead letters. */
  get operator(): Operator {
    return this.#operator;
  }

  stats(): StateStats {
    return this.#read(() => {
      const stored = (name: string) => this.#counters.stored(name);
      const byStage = (prefix: string) =>
        Object.fromEntries(STAGES.map((stage) => [stage, stored(`${prefix}:${stage}`)]));
      const [retained, retainedBytes] = [stored("retained_rows"), stored("retained_bytes")];
      return {
        waiting: stored("outbox_rows") - retained,
        waitingBytes: stored("outbox_bytes") - retainedBytes,
        retained,
        retainedBytes,
        deadLetters: byStage("dead_rows"),
        deadLettersDropped: byStage("dead_dropped"),
        dropped: Object.fromEntries(this.#counters.withPrefix("dropped:")),
        duplicates: stored("duplicates"),
        diskFull: this.#diskFull,
        reserveReleased: this.#parts.reserve?.isReleased ?? false,
      };
    });
  }

  /** Closes the file and says in it that it was closed; lets go of it in any case. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      if (this.#parts.access === "owner" && !this.isDamaged) {
        this.#db.transaction("close", () => setMeta(this.#db, "clean_shutdown", "1"));
      }
    } catch {
      // Not said, so the next start checks the file.
    } finally {
      try {
        this.#db[Symbol.dispose]();
      } finally {
        this.#parts.lock?.[Symbol.dispose]();
      }
    }
  }

  #commit({ alerts, positions, deadLetters = [], nowMs }: Commit): CommitResult {
    const bytesBefore = this.#counters.value("outbox_bytes");
    let added = 0;
    let dropped = 0;
    for (const alert of alerts) {
      if (this.#alerts.isKnown(alert.id)) continue;
      added++;
      if (this.#isOversize(alert, nowMs)) dropped++;
      else this.#add(alert, nowMs);
    }
    for (const [sourceId, position] of positions) {
      this.#notebook.setPosition(sourceId, position, nowMs);
    }
    for (const letter of deadLetters) this.#deadLetters.add(letter, nowMs);
    const duplicates = alerts.length - added;
    this.#counters.add("duplicates", duplicates);
    this.#alerts.purge(nowMs);
    dropped += this.#bounds.enforce(bytesBefore, nowMs);
    this.#alerts.forgetIds(nowMs);
    return { added, duplicates, dropped };
  }

  /** Deletes some of the retained alerts; `false` if there were none, or the disk does not allow it. */
  #purgeRetained(): boolean {
    try {
      return this.#writeWithReserve("make room in", () => {
        let purged = 0;
        while (purged < MADE_ROOM && this.#alerts.purgeOne()) purged++;
        return purged > 0;
      });
    } catch {
      return false;
    }
  }

  #add(alert: NewAlert, nowMs: number, isProtected = false): void {
    const seq = this.#alerts.nextSeq();
    const size = this.#alerts.insert(alert, seq, { createdMs: nowMs, nowMs, isProtected });
    if (!this.#sinks.enqueue(seq, size, alert)) {
      this.#alerts.retain(seq, size, this.#retainedUntil(nowMs));
    }
  }

  /** An alert that is larger than the outbox would push out all others and then itself. */
  #isOversize(alert: NewAlert, nowMs: number): boolean {
    const bytes = Buffer.byteLength(alert.body);
    if (!this.#bounds.isOversize(bytes)) return false;
    const seq = this.#alerts.nextSeq();
    this.#alerts.remember(alert.id, seq, nowMs);
    const error = "larger than outbox.max_bytes";
    this.#deadLetters.add(
      { stage: "oversize", original: alert.body, code: "oversize", error },
      nowMs,
      { alert: { ...alert, seq, createdMs: nowMs } },
    );
    const severity = severityOf(alert.level);
    this.#bounds.note(
      { reason: "oversize", severity, count: 1, bytes, firstSeq: seq, lastSeq: seq },
      nowMs,
    );
    return true;
  }

  #settle(num: number, sinkId: string, settlement: Settlement, nowMs: number): void {
    const { seq } = settlement;
    switch (settlement.outcome) {
      case "delivered":
        this.#leave(num, seq, nowMs);
        break;
      case "retry":
        this.#sinks.retry(num, seq, settlement.nextMs);
        this.#sinks.noteError(num, settlement.error.slice(0, MAX_ERROR));
        break;
      case "dead": {
        const { failure, error } = settlement;
        const found = this.#operator.alertAt(seq);
        const left = this.#leave(num, seq, nowMs);
        if (left !== undefined && found !== undefined) {
          this.#deadLetters.add(
            { stage: "deliver", original: found.body, code: failure, error },
            nowMs,
            { sinkId, alert: found, attempts: left.attempts + 1 },
          );
        }
        this.#sinks.noteError(num, error.slice(0, MAX_ERROR));
      }
    }
  }

  /** Takes an alert out of a queue, if it has not been evicted or dropped meanwhile. */
  #leave(num: number, seq: number, nowMs: number): { readonly attempts: number } | undefined {
    const removed = this.#sinks.remove(num, seq);
    if (removed !== undefined) {
      this.#sinks.release(seq, removed.size, this.#retainedUntil(nowMs));
    }
    return removed;
  }

  #giveUpDamaged(num: number, sinkId: string, seq: number, id: string, nowMs: number): void {
    this.#leave(num, seq, nowMs);
    const body = this.#db.get("SELECT CAST(body AS TEXT) AS body FROM outbox WHERE seq = ?", seq);
    this.#deadLetters.add(
      {
        stage: "deliver",
        original: String(body?.["body"] ?? ""),
        code: "corrupt",
        error: `alert ${id} was damaged in the state file`,
      },
      nowMs,
      { sinkId },
    );
  }

  #retainedUntil(nowMs: number): number {
    const { retainMs = 0 } = this.#settings;
    return retainMs === 0 ? 0 : nowMs + retainMs;
  }

  /** Gap records wait until there is a sink to get them. */
  #reportGaps(nowMs: number, hasDelivered: boolean): void {
    if (!this.#sinks.hasActive()) return;
    for (const gap of this.#bounds.endEpisodes(nowMs, hasDelivered)) {
      const alert = gapAlert(gap, this.agentId);
      if (!this.#alerts.isKnown(alert.id)) this.#add(alert, nowMs, true);
    }
  }

  #noteRecovery(recovery: Recovery): void {
    this.#writeWithReserve("write what was repaired to", () => {
      const seq = this.#alerts.lastSeq();
      this.#bounds.note({
        reason: "corrupt",
        severity: 0,
        count: recovery.salvage?.lostAlerts ?? 0,
        bytes: 0,
        firstSeq: seq,
        lastSeq: seq,
        detail: recoveryText(recovery),
      }, Date.now());
    });
  }

  #read<T>(work: () => T): T {
    return this.#db.query("read", work);
  }

  #write<T>(action: string, work: () => T): T {
    try {
      return this.#db.transaction(action, () => {
        this.#counters.begin();
        const result = work();
        this.#counters.flush();
        return result;
      });
    } catch (error) {
      if (error instanceof StateError && error.code === "STATE_FULL") this.#diskFull++;
      throw error;
    }
  }

  /** A write that makes room, or tells of loss: it may use the ballast. New alerts may not. */
  #writeWithReserve<T>(action: string, work: () => T): T {
    try {
      return this.#write(action, work);
    } catch (error) {
      const isFull = error instanceof StateError && error.code === "STATE_FULL";
      if (!isFull || this.#parts.reserve?.release() !== true) throw error;
      return this.#write(action, work);
    }
  }
}
