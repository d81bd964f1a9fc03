/**
 * The agent as its API shows it.
 */
import { arch, platform } from "node:os";
import process from "node:process";
import type {
  AgentView,
  AuditStore,
  ConfigInfo,
  DegradedReason,
  IngestResult,
  InputInfo,
  LogLevelInfo,
  Readiness,
  ReadinessReason,
  ReloadResult,
  RuleDetail,
  RuleFailure,
  RuleInfo,
  SinkInfo,
  Stats,
  Status,
  TapEvent,
  TapStage,
  VersionInfo,
} from "../admin/view.ts";
import type { ObserverView } from "../admin/observer_view.ts";
import type { DrainStatus } from "../deliver/drain_status.ts";
import type { OtlpReceiver } from "../ingest/otlp.ts";
import type { Alert } from "../runtime/alert.ts";
import { LINE_FORMATS } from "../decode/parse_line.ts";
import type { Agent } from "./agent.ts";
import { ruleDetail, ruleFailures, ruleInfos } from "./rule_view.ts";
import type { SourceRunner } from "./source_runner.ts";

/** What the view shows that the agent does not know. */
export interface ViewOptions {
  readonly version: string;
  readonly commit: string | null;
  readonly runtime: string;
  readonly config: () => ConfigInfo;
  readonly logLevel: () => LogLevelInfo;
  readonly setLogLevel: (
    level: LogLevelInfo["level"],
    revertAfterSeconds: number | undefined,
  ) => LogLevelInfo;
  readonly ingest: AgentView["ingest"];
  readonly otlp?: NonNullable<AgentView["otlp"]>;
  readonly audit: AuditStore | undefined;
}

/** A sink with a backlog that has not delivered for so long has stalled. */
const STALLED_MS = 15 * 60_000;
const TOP_RULES = 10;
/** What the state file keeps of them. */
const RECENT_ALERTS = 1000;
/** Events from further in the future mean that a clock is wrong. */
const MAX_SKEW_SECONDS = 5;

/** Answers of `AgentView` from a running agent. */
export class LiveView implements AgentView {
  readonly #agent: Agent;
  readonly #options: ViewOptions;
  readonly observers: ObserverView;

  constructor(agent: Agent, options: ViewOptions) {
    this.#agent = agent;
    this.#options = options;
    this.observers = agent.observers.view(
      () => agent.rules.collection,
      () => agent.config.rules.logsourceRouting,
    );
  }

  get audit(): AuditStore | undefined {
    return this.#options.audit;
  }

  version(): VersionInfo {
    const { version, commit, runtime } = this.#options;
    const sha256 = this.#agent.rules.sha256;
    return {
      name: "picket",
      version,
      commit,
      runtime,
      os: platform(),
      arch: arch(),
      features: ["evtx", ...LINE_FORMATS.slice(1), "journald", "nats", "http", "otlp"],
      rule_bundle: sha256 === undefined ? null : { id: sha256.slice(0, 12), sha256 },
    };
  }

  status(): Status {
    const agent = this.#agent;
    const stats = agent.rules.stats;
    return {
      status: agent.isStopping ? "stopping" : agent.rules.isLoaded ? "running" : "loading",
      agent_id: agent.identity.id,
      detection_rules: stats?.detectionRules ?? 0,
      correlation_rules: stats?.correlationRules ?? 0,
      failed_rules: stats?.failed ?? 0,
      correlation_state_entries: 0,
      events_processed: agent.eventRate.total,
      parse_errors: agent.parseErrors,
      detection_matches: agent.counters.matches,
      correlation_matches: 0,
      alerts: agent.alertRate.total,
      uptime_seconds: this.#uptime(),
      readiness: this.readiness(),
      last_reload: agent.reloader.history[0] ?? null,
    };
  }

  #uptime(): number {
    return (Date.now() - this.#agent.startedMs) / 1000;
  }

  readiness(): Readiness {
    const { rules, isStopping, stalled } = this.#agent;
    const reasons: { code: ReadinessReason; message: string }[] = [];
    if (!rules.isLoaded) {
      reasons.push({ code: "rules_not_loaded", message: "Rules are being loaded" });
    } else if (rules.stats?.detectionRules === 0) {
      reasons.push({ code: "no_rules", message: "No rule is in service" });
    }
    if (isStopping) reasons.push({ code: "shutting_down", message: "The agent is stopping" });
    if (stalled !== undefined) {
      const code = stalled.code === "STATE_FULL" ? "disk_low" : "state_db_unwritable";
      reasons.push({ code, message: stalled.message });
    }
    for (const status of this.#agent.sinks.status()) {
      if (!isStalled(status)) continue;
      const minutes = Math.round(status.backlog.oldestMs / 60_000);
      const message = `Sink ${status.id}: ${status.backlog.alerts} alerts wait since ` +
        `${minutes} minutes: ${status.lastError ?? "no answer"}`;
      reasons.push({ code: "sink_stalled", message });
    }
    return { rules_loaded: rules.isLoaded, reasons, degraded: this.#degraded() };
  }

  #degraded(): Readiness["degraded"] {
    const { lag, rules, reloader, sinks, sources, stateProblem } = this.#agent;
    const found: { code: DegradedReason; message: string }[] = [];
    if (stateProblem !== undefined) {
      const message = `The state is in memory, so a crash loses alerts: ${stateProblem}`;
      found.push({ code: "state_in_memory", message });
    }
    const last = reloader.history[0];
    if (last !== undefined && !last.ok) {
      const failure = last.components.find(({ outcome }) => outcome === "failed");
      found.push({ code: "last_reload_failed", message: failure?.message ?? "The reload failed" });
    }
    const behind = lag.median(Date.now());
    if (behind !== null && behind < -MAX_SKEW_SECONDS) {
      const message = `Events come from ${
        Math.round(-behind)
      } seconds in the future: a clock is wrong`;
      found.push({ code: "clock_skew", message });
    }
    if (rules.usesLastGood) {
      const message = "The current rules cannot be loaded; the last good ones are in service";
      found.push({ code: "last_good_rules", message });
    }
    const failed = rules.stats?.failed ?? 0;
    if (failed > 0) {
      found.push({ code: "rules_failed", message: `${failed} rules or files cannot be used` });
    }
    for (const runner of sources.runners) {
      const { state, error } = inputState(runner);
      if (state !== "failed") continue;
      const message = `Input ${runner.source.id}: ${error ?? "it has failed"}`;
      found.push({ code: "input_failed", message });
    }
    for (const { id, state, lastError, backlog } of sinks.status()) {
      if (state === "backoff" || state === "paused") {
        found.push({ code: "sink_failing", message: `Sink ${id}: ${lastError ?? state}` });
      }
      if (backlog.deadLetters > 0) {
        const message = `Sink ${id}: ${backlog.deadLetters} dead letters`;
        found.push({ code: "dead_letters", message });
      }
    }
    return found;
  }

  stats(): Stats {
    const { eventRate, alertRate, counters, sinks, sources } = this.#agent;
    const now = Date.now();
    const backlogs = sinks.status().map(({ backlog }) => backlog);
    return {
      uptime_seconds: this.#uptime(),
      events_per_second: eventRate.rates(now),
      alerts_per_second: alertRate.rates(now),
      top_rules: counters.top(TOP_RULES).map(([id, { title, level, matches }]) => ({
        id,
        title,
        level,
        matches_total: matches,
      })),
      input_queue_depth: sources.runners.reduce((sum, { queued }) => sum + queued, 0),
      outbox: {
        alerts: Math.max(0, ...backlogs.map(({ alerts }) => alerts)),
        bytes: Math.max(0, ...backlogs.map(({ bytes }) => bytes)),
        oldest_seconds: Math.max(0, ...backlogs.map(({ oldestMs }) => oldestMs / 1000)),
      },
      memory_rss_bytes: process.memoryUsage.rss(),
      event_lag_seconds: this.#agent.lag.median(now),
    };
  }

  config(): ConfigInfo {
    return this.#options.config();
  }

  rules(): readonly RuleInfo[] {
    return ruleInfos(this.#agent.rules, this.#agent.counters);
  }

  rule(id: string): RuleDetail | undefined {
    return ruleDetail(id, this.#agent.rules, this.#agent.counters);
  }

  ruleErrors(): readonly RuleFailure[] {
    return ruleFailures(this.#agent.rules);
  }

  rulesPath(): string {
    const { paths, bundle } = this.#agent.rules.settings.request;
    return [...bundle === undefined ? [] : ["embedded"], ...paths].join(", ");
  }

  requestReload(): boolean {
    return this.#agent.reloader.request("api");
  }

  reload({ dryRun }: { readonly dryRun: boolean }): Promise<ReloadResult> {
    return this.#agent.reloader.reload("api", dryRun);
  }

  reloads(): readonly ReloadResult[] {
    return this.#agent.reloader.history;
  }

  inputs(): readonly InputInfo[] {
    return this.#agent.sources.runners.map((runner) => this.#input(runner));
  }

  #input(runner: SourceRunner): InputInfo {
    const { state, error } = inputState(runner);
    const health = runner.source.health();
    const { lastEventMs } = runner;
    const stalled = this.#agent.stalled;
    return {
      id: runner.source.id,
      kind: runner.source.kind,
      state: stalled !== undefined && state === "running" ? "paused" : state,
      error: error ?? null,
      paused_reason: this.#agent.sources.pausedBy(runner.source.id) ??
        (stalled === undefined ? null : "outbox_full"),
      position: runner.position ?? null,
      lag: { ...health.lag },
      counts: { ...health.counts },
      events_total: runner.events,
      last_event: lastEventMs === undefined ? null : Math.floor(lastEventMs / 1000),
    };
  }

  pauseInput(id: string): InputInfo | undefined {
    const runner = this.#agent.sources.runner(id);
    if (runner === undefined) return undefined;
    void this.#agent.sources.pause(id, "operator");
    return { ...this.#input(runner), state: "paused" };
  }

  resumeInput(id: string): InputInfo | undefined {
    const runner = this.#agent.sources.runner(id);
    if (runner === undefined || !this.#agent.sources.resume(id)) return undefined;
    return this.#input(runner);
  }

  sinks(): readonly SinkInfo[] {
    return this.#agent.sinks.status().map(sinkInfo);
  }

  retrySink(id: string): SinkInfo | undefined {
    const status = this.#agent.sinks.retry(id);
    return status === undefined ? undefined : sinkInfo(status);
  }

  recentAlerts(): readonly Alert[] {
    return this.#agent.store.recentAlerts({ limit: RECENT_ALERTS }).toReversed();
  }

  onAlert(listener: (alert: Alert) => void): () => void {
    return this.#agent.onAlerts((committed) => committed.forEach((alert) => listener(alert)));
  }

  onEvent(stage: TapStage, listener: (event: TapEvent) => void): () => void {
    const listeners = this.#agent.events[stage];
    const tell = (sourceId: string, text: () => string): void => listener({ sourceId, text });
    listeners.add(tell);
    return () => listeners.delete(tell);
  }

  ingest(lines: readonly string[], signal: AbortSignal, key?: string): Promise<IngestResult> {
    return this.#options.ingest(lines, signal, key);
  }

  otlp(): OtlpReceiver | undefined {
    return this.#options.otlp?.();
  }

  logLevel(): LogLevelInfo {
    return this.#options.logLevel();
  }

  setLogLevel(level: LogLevelInfo["level"], revertAfterSeconds: number | undefined): LogLevelInfo {
    return this.#options.setLogLevel(level, revertAfterSeconds);
  }
}

/** How a source is, by what drives it and by what it says itself. */
function inputState(
  runner: SourceRunner,
): { readonly state: InputInfo["state"]; readonly error: string | undefined } {
  switch (runner.state) {
    case "running": {
      const { state, error } = runner.source.health();
      return { state, error: error ?? runner.error };
    }
    case "paused":
      return { state: "paused", error: undefined };
    case "ended":
      return { state: "stopped", error: undefined };
    case "failed":
      return { state: "failed", error: runner.error };
  }
}

function isStalled({ backlog, lastOkMs, state }: DrainStatus): boolean {
  if (backlog.alerts === 0 || (state !== "backoff" && state !== "paused")) return false;
  return backlog.oldestMs > STALLED_MS && Date.now() - (lastOkMs ?? 0) > STALLED_MS;
}

function sinkInfo(status: DrainStatus): SinkInfo {
  const { backlog } = status;
  const inSeconds = (ms: number | undefined): number | null =>
    ms === undefined ? null : Math.floor(ms / 1000);
  return {
    id: status.id,
    kind: status.kind,
    state: SINK_STATES[status.state],
    error: status.state === "running" || status.state === "idle" ? null : status.lastError ?? null,
    last_error: inSeconds(status.lastErrorMs),
    last_success: inSeconds(status.lastOkMs),
    next_try: inSeconds(status.nextTryMs),
    delivered_total: status.delivered,
    backlog: {
      alerts: backlog.alerts,
      bytes: backlog.bytes,
      oldest_seconds: backlog.oldestMs / 1000,
    },
    dead_letters: backlog.deadLetters,
  };
}

const SINK_STATES: Readonly<Record<DrainStatus["state"], SinkInfo["state"]>> = {
  running: "running",
  idle: "running",
  backoff: "waiting",
  paused: "paused",
  stopped: "stopped",
};
