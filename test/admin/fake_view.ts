/** An agent that is made up: the API cannot tell. */
import type { ObserverView, SchemaReport } from "../../src/admin/observer_view.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import type { FieldReport } from "../../src/runtime/field_report.ts";
import type { DiscoveryReport } from "../../src/schema/discovery.ts";
import type { Level } from "../../src/sigma/rule.ts";
import type {
  AgentView,
  AuditQuery,
  AuditRow,
  AuditStore,
  IngestResult,
  InputInfo,
  LogLevelInfo,
  NewAuditRow,
  Readiness,
  ReloadResult,
  RuleInfo,
  SinkInfo,
  Status,
  TapEvent,
  TapStage,
} from "../../src/admin/view.ts";

export const RELOAD: ReloadResult = {
  id: 1,
  trigger: "api",
  started: 1_700_000_000,
  duration_ms: 12,
  dry_run: false,
  ok: true,
  components: [{ name: "rules", outcome: "reloaded" }],
  rules: {
    added: [{ id: "b", title: "Beta" }],
    removed: [],
    changed: [],
    failed: [{ file: "bad.yml", line: 3, code: "invalid_yaml", error: "no" }],
    added_total: 1,
    removed_total: 0,
    changed_total: 0,
    failed_total: 1,
    loaded_total: 2,
  },
};

export function fakeAlert(seq: number, more: Partial<Alert> = {}): Alert {
  return {
    seq,
    id: `pk1-${seq}`,
    kind: "detection",
    level: "high",
    ruleId: "a",
    ruleTitle: "Alpha rule",
    sourceId: "auth",
    createdMs: 1_700_000_000_000 + seq * 1000,
    eventMs: undefined,
    body: `{"rule_title":"Alpha rule","seq":${seq},"big":9007199254740993}`,
    ...more,
  };
}

export class MemoryAudit implements AuditStore {
  readonly rows: AuditRow[] = [];
  fail = false;

  lastHash(): string | undefined {
    return this.rows.at(-1)?.hash;
  }

  append(row: NewAuditRow): void {
    if (this.fail) throw new Error("disk full");
    this.rows.push({ id: this.rows.length + 1, ...row });
  }

  list({ limit, offset, since, until }: AuditQuery) {
    const found = this.rows.filter(({ ts }) => ts >= (since ?? 0) && ts <= (until ?? Infinity))
      .reverse();
    return { count: found.length, entries: found.slice(offset, offset + limit) };
  }
}

/** Observers that are off unless they have something to tell. */
export class FakeObservers implements ObserverView {
  fieldReport: FieldReport | undefined;
  schemaReport: SchemaReport | undefined;
  suggested: DiscoveryReport | undefined;

  fields() {
    return this.fieldReport;
  }

  resetFields() {
    return { keys: 4, events: 7 };
  }

  schemas() {
    return this.schemaReport;
  }

  resetSchemas() {
    return { classified: 2, unknown: 1 };
  }

  suggestions() {
    return this.suggested;
  }
}

export class FakeView implements AgentView {
  readonly observers: FakeObservers = new FakeObservers();
  audit: MemoryAudit | undefined = new MemoryAudit();
  ready: Readiness = { rules_loaded: true, reasons: [], degraded: [] };
  reloadQueue = 4;
  reloadResult: ReloadResult | Error = RELOAD;
  recent: Alert[] = [];
  paused = false;
  ingested: string[] = [];
  ingestResult: ((lines: readonly string[]) => IngestResult | Promise<IngestResult>) | undefined;
  ruleCount = 2;
  readonly #alertListeners = new Set<(alert: Alert) => void>();
  readonly #eventListeners = new Map<TapStage, Set<(event: TapEvent) => void>>();
  #logLevel: LogLevelInfo = { level: "info", configured: "info", reverts: null };

  get listeners(): number {
    return this.#alertListeners.size +
      [...this.#eventListeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  emitAlert(alert: Alert): void {
    this.recent.push(alert);
    for (const listener of [...this.#alertListeners]) listener(alert);
  }

  emitEvent(stage: TapStage, text: string): void {
    for (const listener of [...this.#eventListeners.get(stage) ?? []]) {
      listener({ sourceId: "auth", text: () => text });
    }
  }

  version() {
    return {
      name: "picket",
      version: "0.1.0",
      commit: null,
      runtime: "test",
      os: "linux",
      arch: "x64",
      features: [],
      rule_bundle: null,
    };
  }

  status(): Status {
    return {
      status: "running",
      agent_id: "agent-1",
      detection_rules: this.ruleCount,
      correlation_rules: 0,
      failed_rules: 1,
      correlation_state_entries: 0,
      events_processed: 10,
      parse_errors: 1,
      detection_matches: 3,
      correlation_matches: 0,
      alerts: 3,
      uptime_seconds: 63.5,
      readiness: this.ready,
      last_reload: RELOAD,
    };
  }

  readiness(): Readiness {
    return this.ready;
  }

  stats() {
    const rate = { m1: 1, m5: 1, m15: 1 };
    return {
      uptime_seconds: 63.5,
      events_per_second: rate,
      alerts_per_second: rate,
      top_rules: [],
      input_queue_depth: 0,
      outbox: { alerts: 0, bytes: 0, oldest_seconds: 0 },
      memory_rss_bytes: 1,
      event_lag_seconds: null,
    };
  }

  config() {
    return { config: { api: { addr: "127.0.0.1:9090" } }, origins: { "api.addr": "default" } };
  }

  rules(): readonly RuleInfo[] {
    const levels: readonly Level[] = ["high", "low"];
    return Array.from({ length: this.ruleCount }, (_, at): RuleInfo => ({
      id: `rule-${at}`,
      title: at === 0 ? "Alpha rule" : `Rule ${at}`,
      kind: "detection",
      level: levels[at % 2]!,
      status: "loaded",
      product: "windows",
      category: null,
      service: null,
      file: `rules/${at}.yml`,
      line: 1,
      tags: ["attack.t1059"],
      matches_total: at,
      last_match: null,
    }));
  }

  rule(id: string) {
    const found = this.rules().find((rule) => rule.id === id);
    return found === undefined ? undefined : {
      ...found,
      description: null,
      author: null,
      references: [],
      falsepositives: [],
      source: "title: Alpha rule\n",
    };
  }

  ruleErrors() {
    return [{ file: "bad.yml", code: "invalid_yaml", error: "no" }];
  }

  rulesPath(): string {
    return "rules";
  }

  requestReload(): boolean {
    return this.reloadQueue-- > 0;
  }

  reload({ dryRun }: { readonly dryRun: boolean }): Promise<ReloadResult> {
    if (this.reloadResult instanceof Error) return Promise.reject(this.reloadResult);
    return Promise.resolve({ ...this.reloadResult, dry_run: dryRun });
  }

  reloads(): readonly ReloadResult[] {
    return [RELOAD];
  }

  inputs(): readonly InputInfo[] {
    return [{
      id: "auth",
      kind: "file",
      state: this.paused ? "paused" : "running",
      error: null,
      paused_reason: this.paused ? "operator" : null,
      position: "12",
      lag: { bytes: 3 },
      counts: { files: 1 },
      events_total: 10,
      last_event: 1_700_000_000,
    }];
  }

  pauseInput(id: string): InputInfo | undefined {
    if (id !== "auth") return undefined;
    this.paused = true;
    return this.inputs()[0];
  }

  resumeInput(id: string): InputInfo | undefined {
    if (id !== "auth") return undefined;
    this.paused = false;
    return this.inputs()[0];
  }

  sinks(): readonly SinkInfo[] {
    return [{
      id: "hub",
      kind: "nats",
      state: "waiting",
      error: "connection refused",
      last_error: 1_700_000_000,
      last_success: null,
      next_try: 1_700_000_030,
      delivered_total: 0,
      backlog: { alerts: 3, bytes: 300, oldest_seconds: 2.5 },
      dead_letters: 0,
    }];
  }

  retrySink(id: string): SinkInfo | undefined {
    return id === "hub" ? this.sinks()[0] : undefined;
  }

  recentAlerts(): readonly Alert[] {
    return this.recent;
  }

  onAlert(listener: (alert: Alert) => void): () => void {
    this.#alertListeners.add(listener);
    return () => this.#alertListeners.delete(listener);
  }

  onEvent(stage: TapStage, listener: (event: TapEvent) => void): () => void {
    const listeners = this.#eventListeners.get(stage) ?? new Set();
    this.#eventListeners.set(stage, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  ingest(lines: readonly string[]): Promise<IngestResult> {
    if (this.ingestResult !== undefined) return Promise.resolve(this.ingestResult(lines));
    this.ingested.push(...lines);
    return Promise.resolve({ kind: "taken", accepted: lines.length, rejected: [] });
  }

  logLevel(): LogLevelInfo {
    return this.#logLevel;
  }

  setLogLevel(level: LogLevelInfo["level"], revertAfterSeconds: number | undefined): LogLevelInfo {
    const reverts = revertAfterSeconds === undefined ? null : 1_700_000_000 + revertAfterSeconds;
    return this.#logLevel = { level, configured: "info", reverts };
  }
}
