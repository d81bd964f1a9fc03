/**
 * The outbox in plain arrays: what `src/store` does in SQLite, written as naively as it reads.
 *
 * Tests of delivery run on it, and tests of the store compare with it.
 */
import type { Alert, NewAlert } from "../../src/runtime/alert.ts";
import { severityOf } from "../../src/runtime/alert.ts";
import type {
  Commit,
  CommitResult,
  DeadLetter,
  NewDeadLetter,
  Outbox,
  PendingAlert,
  Settlement,
  SinkBacklog,
  SinkFilter,
  SinkRegistration,
} from "../../src/runtime/outbox.ts";

interface Waiting {
  attempts: number;
  nextMs: number;
  error: string;
}

interface SinkState {
  readonly filter: SinkFilter;
  /** Alerts up to here are not for this sink. */
  readonly behind: number;
  readonly finished: Set<number>;
  readonly waiting: Map<number, Waiting>;
  position: string | undefined;
}

export class MemoryOutbox implements Outbox {
  #alerts: Alert[] = [];
  #seq = 0;
  readonly #ids = new Set<string>();
  readonly #sinks = new Map<string, SinkState>();
  readonly #positions = new Map<string, string>();
  readonly #dead: DeadLetter[] = [];
  readonly #reported = new Set<number>();

  commit(commit: Commit): CommitResult {
    let duplicates = 0;
    for (const { recordId: _, ...alert } of commit.alerts) {
      if (this.#ids.has(alert.id)) {
        duplicates++;
        continue;
      }
      this.#ids.add(alert.id);
      this.#alerts.push({ ...alert, seq: ++this.#seq, createdMs: commit.nowMs });
    }
    for (const [source, position] of commit.positions) this.#positions.set(source, position);
    for (const letter of commit.deadLetters ?? []) this.#bury(letter, commit.nowMs);
    return { added: commit.alerts.length - duplicates, duplicates, dropped: 0 };
  }

  sourcePosition(sourceId: string): string | undefined {
    return this.#positions.get(sourceId);
  }

  /** Every dead letter, reported or not. */
  get deadLetters(): readonly DeadLetter[] {
    return this.#dead;
  }

  registerSinks(sinks: readonly SinkRegistration[], _nowMs: number): void {
    const named = new Set(sinks.map(({ id }) => id));
    for (const id of this.#sinks.keys()) if (!named.has(id)) this.#sinks.delete(id);
    for (const { id, filter, start } of sinks) {
      const known = this.#sinks.get(id);
      this.#sinks.set(id, {
        filter,
        behind: known?.behind ?? (start === "oldest" ? 0 : this.#seq),
        finished: known?.finished ?? new Set(),
        waiting: known?.waiting ?? new Map(),
        position: known?.position,
      });
    }
    this.#forget();
  }

  pending(sinkId: string, limit: number, nowMs: number): readonly PendingAlert[] {
    const { waiting } = this.#sink(sinkId);
    const found: PendingAlert[] = [];
    for (const alert of this.#open(sinkId)) {
      if (found.length >= limit) break;
      const row = waiting.get(alert.seq);
      if ((row?.nextMs ?? 0) <= nowMs) found.push({ alert, attempts: row?.attempts ?? 0 });
    }
    return found;
  }

  nextDueMs(sinkId: string): number | undefined {
    const times = [...this.#sink(sinkId).waiting.values()].map(({ nextMs }) => nextMs);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  settle(
    sinkId: string,
    settlements: readonly Settlement[],
    nowMs: number,
    peerPosition?: string,
  ): void {
    const sink = this.#sink(sinkId);
    for (const settlement of settlements) {
      const alert = this.#alerts.find(({ seq }) => seq === settlement.seq);
      if (alert === undefined || sink.finished.has(alert.seq)) continue;
      const attempts = (sink.waiting.get(alert.seq)?.attempts ?? 0) + 1;
      if (settlement.outcome === "retry") {
        const { nextMs, error } = settlement;
        sink.waiting.set(alert.seq, { attempts, nextMs, error });
        continue;
      }
      sink.waiting.delete(alert.seq);
      sink.finished.add(alert.seq);
      if (settlement.outcome === "dead") {
        const { failure, error } = settlement;
        this.#bury(
          { stage: "deliver", original: alert.body, code: failure, error },
          nowMs,
          { sinkId, alertId: alert.id, attempts },
        );
      }
    }
    sink.position = peerPosition ?? sink.position;
    this.#forget();
  }

  peerPosition(sinkId: string): string | undefined {
    return this.#sink(sinkId).position;
  }

  backlog(sinkId: string, nowMs: number): SinkBacklog {
    const alerts = [...this.#open(sinkId)];
    return {
      sinkId,
      alerts: alerts.length,
      bytes: alerts.reduce((sum, { body }) => sum + new TextEncoder().encode(body).length, 0),
      oldestMs: alerts[0] === undefined ? 0 : Math.max(0, nowMs - alerts[0].createdMs),
      deadLetters: this.#dead.filter((letter) => letter.sinkId === sinkId).length,
    };
  }

  unreportedDeadLetters(limit: number): readonly DeadLetter[] {
    return this.#dead.filter(({ id }) => !this.#reported.has(id)).slice(0, limit);
  }

  markDeadLettersReported(ids: readonly number[]): void {
    for (const id of ids) this.#reported.add(id);
  }

  #sink(id: string): SinkState {
    const sink = this.#sinks.get(id);
    if (sink === undefined) throw new RangeError(`Cannot use sink ${id}: it is not registered`);
    return sink;
  }

  /** What the sink has still to get, due or not. */
  *#open(sinkId: string): Iterable<Alert> {
    const { behind, finished, filter } = this.#sink(sinkId);
    for (const alert of this.#alerts) {
      if (alert.seq > behind && !finished.has(alert.seq) && wants(filter, alert)) yield alert;
    }
  }

  #bury(
    letter: NewDeadLetter,
    createdMs: number,
    more: { sinkId?: string; alertId?: string; attempts: number } = { attempts: 0 },
  ): void {
    this.#dead.push({ ...letter, ...more, id: this.#dead.length + 1, createdMs });
  }

  /** Deletes alerts that no sink waits for, from the oldest on. */
  #forget(): void {
    const sinks = [...this.#sinks.values()];
    if (sinks.length === 0) return;
    let gone = 0;
    for (const alert of this.#alerts) {
      const wanted = sinks.some(({ behind, finished, filter }) =>
        alert.seq > behind && !finished.has(alert.seq) && wants(filter, alert)
      );
      if (wanted) break;
      gone++;
      for (const { finished } of sinks) finished.delete(alert.seq);
    }
    if (gone > 0) this.#alerts = this.#alerts.slice(gone);
  }
}

function wants(filter: SinkFilter, { level, ruleId, ruleTitle, kind }: Alert): boolean {
  const named = (patterns: readonly string[]) =>
    patterns.some((pattern) => [ruleId ?? "", ruleTitle].some((name) => matches(pattern, name)));
  const { minLevel, kinds = [], rules = [], excludeRules = [] } = filter;
  return (minLevel === undefined || severityOf(level) >= severityOf(minLevel)) &&
    (kinds.length === 0 || kinds.includes(kind)) &&
    (rules.length === 0 || named(rules)) && !named(excludeRules);
}

function matches(pattern: string, name: string): boolean {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(String.raw`\*`, ".*").replaceAll(String.raw`\?`, ".");
  return new RegExp(`^${source}$`, "is").test(name);
}

let made = 0;

/** An alert to commit, with an id and a body of its own. */
export function newAlert(more: Partial<NewAlert> = {}): NewAlert {
  const id = more.id ?? `pk1-${String(++made).padStart(32, "0")}`;
  return {
    id,
    kind: "detection",
    level: "high",
    ruleId: "7c8a1d90-1111-4222-8333-444455556666",
    ruleTitle: "Test rule",
    sourceId: "test",
    eventMs: undefined,
    recordId: id,
    body: JSON.stringify({ rule_title: "Test rule", level: more.level ?? "high", alert_id: id }),
    ...more,
  };
}
