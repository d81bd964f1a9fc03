/**
 * What the admin API asks of the agent.
 *
 * The agent implements `AgentView`; nothing else of it is known here, so the API is tested with a
 * view that is made up. Results are the JSON that goes over the wire, in its spelling: the schemas
 * below are their types, what the tests check answers with, and what the OpenAPI document says.
 *
 * Times are whole Unix seconds, durations name their unit. Text of errors must hold no secrets.
 */
import { z } from "zod";
import type { OtlpReceiver } from "../ingest/otlp.ts";
import type { Alert } from "../runtime/alert.ts";
import type { ObserverView } from "./observer_view.ts";

const count = z.int().nonnegative();
const seconds = z.int().nonnegative();
const level = z.enum(["informational", "low", "medium", "high", "critical"]);

/** Why the agent is not ready; `daemon.md` 19.2. */
export const readinessReason = z.enum([
  "rules_not_loaded",
  "no_rules",
  "shutting_down",
  "sink_stalled",
  "state_db_unwritable",
  "disk_low",
]);
export type ReadinessReason = z.infer<typeof readinessReason>;

/** Something that is wrong and does not keep the agent from working. */
export const degradedReason = z.enum([
  "last_reload_failed",
  "rules_failed",
  "input_failed",
  "sink_failing",
  "dead_letters",
  "watcher_failed",
  "clock_skew",
  "last_good_rules",
  "state_in_memory",
]);
export type DegradedReason = z.infer<typeof degradedReason>;

export const readiness = z.object({
  rules_loaded: z.boolean(),
  /** Empty when ready. */
  reasons: z.array(z.object({ code: readinessReason, message: z.string() })),
  degraded: z.array(z.object({ code: degradedReason, message: z.string() })),
});
export type Readiness = z.infer<typeof readiness>;

/** A rule, or a file, that could not be used. */
export const ruleFailure = z.object({
  file: z.string(),
  line: z.int().optional(),
  id: z.string().optional(),
  title: z.string().optional(),
  code: z.string(),
  error: z.string(),
});
export type RuleFailure = z.infer<typeof ruleFailure>;

export const ruleRef = z.object({ id: z.string(), title: z.string() });

/** One part of a reload and what became of it. */
export const reloadComponent = z.object({
  /** `rules`, `config`, `sinks`, `tls`, `tokens`, … */
  name: z.string(),
  outcome: z.enum(["reloaded", "unchanged", "failed", "needs_restart", "skipped"]),
  /** For `failed`: why. For `needs_restart`: which settings. */
  message: z.string().optional(),
});

/** What a reload did, or would do. Lists hold at most 1,000 entries; the counts are exact. */
export const reloadResult = z.object({
  /** Counts the reloads of this process from 1; 0 for a dry run. */
  id: count,
  trigger: z.enum(["api", "signal", "watcher", "service", "poll"]),
  started: seconds,
  duration_ms: z.number().nonnegative(),
  dry_run: z.boolean(),
  /** Whether no component failed. */
  ok: z.boolean(),
  components: z.array(reloadComponent),
  rules: z.object({
    added: z.array(ruleRef),
    removed: z.array(ruleRef),
    changed: z.array(ruleRef),
    failed: z.array(ruleFailure),
    added_total: count,
    removed_total: count,
    changed_total: count,
    failed_total: count,
    /** Rules in service afterwards. */
    loaded_total: count,
  }),
});
export type ReloadResult = z.infer<typeof reloadResult>;

export const status = z.object({
  status: z.enum(["loading", "running", "stopping"]),
  agent_id: z.string(),
  detection_rules: count,
  correlation_rules: count,
  /** Rules and files that could not be used. */
  failed_rules: count,
  correlation_state_entries: count,
  events_processed: count,
  parse_errors: count,
  detection_matches: count,
  correlation_matches: count,
  /** Alerts committed since start. */
  alerts: count,
  uptime_seconds: z.number().nonnegative(),
  readiness,
  last_reload: reloadResult.nullable(),
});
export type Status = z.infer<typeof status>;

export const ruleInfo = z.object({
  /** The rule's id, `titleKey` of one without. */
  id: z.string(),
  title: z.string(),
  kind: z.enum(["detection", "correlation"]),
  level: level.nullable(),
  status: z.enum(["loaded", "failed", "disabled"]),
  product: z.string().nullable(),
  category: z.string().nullable(),
  service: z.string().nullable(),
  file: z.string(),
  line: z.int().nullable(),
  tags: z.array(z.string()),
  matches_total: count,
  last_match: seconds.nullable(),
  /** For `failed` and `disabled`. */
  error: z.string().optional(),
});
export type RuleInfo = z.infer<typeof ruleInfo>;

export const ruleDetail = ruleInfo.extend({
  description: z.string().nullable(),
  author: z.string().nullable(),
  references: z.array(z.string()),
  falsepositives: z.array(z.string()),
  /** The rule as YAML, where its file can still be read. */
  source: z.string().nullable(),
});
export type RuleDetail = z.infer<typeof ruleDetail>;

export const inputInfo = z.object({
  id: z.string(),
  kind: z.string(),
  state: z.enum(["starting", "running", "waiting", "failed", "stopped", "paused"]),
  error: z.string().nullable(),
  /** Why it is paused: `operator`, `outbox_full`. */
  paused_reason: z.string().nullable(),
  /** The committed position, in the source's notation. */
  position: z.string().nullable(),
  lag: z.record(z.string(), z.number()),
  counts: z.record(z.string(), z.number()),
  events_total: count,
  last_event: seconds.nullable(),
});
export type InputInfo = z.infer<typeof inputInfo>;

export const sinkInfo = z.object({
  id: z.string(),
  kind: z.string(),
  state: z.enum(["running", "waiting", "paused", "stopped"]),
  error: z.string().nullable(),
  last_error: seconds.nullable(),
  last_success: seconds.nullable(),
  /** When it is tried again. */
  next_try: seconds.nullable(),
  delivered_total: count,
  backlog: z.object({ alerts: count, bytes: count, oldest_seconds: z.number().nonnegative() }),
  dead_letters: count,
});
export type SinkInfo = z.infer<typeof sinkInfo>;

export const versionInfo = z.object({
  name: z.string(),
  version: z.string(),
  commit: z.string().nullable(),
  /** `bun 1.4.5`, `deno 2.9.5`. */
  runtime: z.string(),
  os: z.string(),
  arch: z.string(),
  features: z.array(z.string()),
  rule_bundle: z.object({ id: z.string(), sha256: z.string() }).nullable(),
});
export type VersionInfo = z.infer<typeof versionInfo>;

export const stats = z.object({
  uptime_seconds: z.number().nonnegative(),
  /** Per second, over the last 1, 5 and 15 minutes. */
  events_per_second: z.object({ m1: z.number(), m5: z.number(), m15: z.number() }),
  alerts_per_second: z.object({ m1: z.number(), m5: z.number(), m15: z.number() }),
  top_rules: z.array(z.object({
    id: z.string(),
    title: z.string(),
    level: level.nullable(),
    matches_total: count,
  })),
  input_queue_depth: count,
  outbox: z.object({ alerts: count, bytes: count, oldest_seconds: z.number().nonnegative() }),
  memory_rss_bytes: count,
  /** Seconds between an event and now, median of the last minute. */
  event_lag_seconds: z.number().nullable(),
});
export type Stats = z.infer<typeof stats>;

export const configInfo = z.object({
  /** The effective configuration; secrets are `***`. */
  config: z.record(z.string(), z.unknown()),
  /** Where each leaf comes from, by dotted path: `default`, `env:PICKET_X`, a file's path, `flag`. */
  origins: z.record(z.string(), z.string()),
});
export interface ConfigInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly origins: Readonly<Record<string, string>>;
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export const logLevelInfo = z.object({
  level: z.enum(LOG_LEVELS),
  /** The level of the configuration. */
  configured: z.enum(LOG_LEVELS),
  /** When `configured` returns. */
  reverts: seconds.nullable(),
});
export type LogLevelInfo = z.infer<typeof logLevelInfo>;

/** One row of the audit trail; `hash` covers all else but `id` (see `audit.ts`). */
export const auditRow = z.object({
  id: count,
  ts: seconds,
  method: z.string(),
  /** The route's pattern, `/api/v1/inputs/{id}/pause`. */
  endpoint: z.string(),
  /** The path asked for. */
  path: z.string(),
  actor_kind: z.enum(["anonymous", "token", "loopback", "unix", "unauthenticated"]),
  token: z.string().nullable(),
  peer: z.string(),
  request_id: z.string(),
  /** SHA-256 of the body in hex; `null` without one. */
  payload_digest: z.string().nullable(),
  status: z.int(),
  duration_ms: z.number().nonnegative(),
  prev_hash: z.string(),
  hash: z.string(),
});
export type AuditRow = z.infer<typeof auditRow>;
export type NewAuditRow = Omit<AuditRow, "id">;

export interface AuditQuery {
  readonly limit: number;
  readonly offset: number;
  /** Unix seconds, both inclusive. */
  readonly since?: number;
  readonly until?: number;
}

/** Where audit rows are kept; prunes itself. Calls are synchronous and throw `StateError`. */
export interface AuditStore {
  /** The hash of the newest row ever written, pruned ones included; `undefined` before the first. */
  lastHash(): string | undefined;
  append(row: NewAuditRow): void;
  /** Newest first; `count` ignores limit and offset. */
  list(query: AuditQuery): { readonly count: number; readonly entries: readonly AuditRow[] };
}

/** What became of lines for the `http` input. */
export type IngestResult =
  /** `rejected` by index into the lines that were given. */
  | {
    readonly kind: "taken";
    readonly accepted: number;
    readonly rejected: readonly { readonly index: number; readonly reason: string }[];
  }
  /** No room: the first `accepted` lines were taken, the rest may come again. */
  | { readonly kind: "busy"; readonly accepted: number; readonly retryAfterSeconds: number }
  /** The agent is stopping. */
  | { readonly kind: "closed"; readonly accepted: number }
  /** There is no input of type `http`. */
  | { readonly kind: "disabled" };

export type TapStage = "raw" | "decoded";

/** An event on its way. */
export interface TapEvent {
  readonly sourceId: string;
  /** The line as it was, or the event as JSON. Only valid while the listener runs. */
  text(): string;
}

/** The agent as the API sees it. */
export interface AgentView {
  version(): VersionInfo;
  status(): Status;
  readiness(): Readiness;
  stats(): Stats;
  config(): ConfigInfo;

  /** All rules, failed ones included, in a stable order. */
  rules(): readonly RuleInfo[];
  /** By id as `rules` gives it. */
  rule(id: string): RuleDetail | undefined;
  /** Files and rules that could not be used, at most 1,000. */
  ruleErrors(): readonly RuleFailure[];
  /** Paths of rules, bundles and `embedded`, for people. */
  rulesPath(): string;

  /** Queues a reload; `false` when enough are queued already. */
  requestReload(): boolean;
  /** Reloads now, behind one that runs, or finds out what that would change. */
  reload(options: { readonly dryRun: boolean }, signal: AbortSignal): Promise<ReloadResult>;
  /** The last 20, newest first. */
  reloads(): readonly ReloadResult[];

  inputs(): readonly InputInfo[];
  /** `undefined` when there is no such input. Pausing twice is not an error. */
  pauseInput(id: string): InputInfo | undefined;
  resumeInput(id: string): InputInfo | undefined;
  sinks(): readonly SinkInfo[];
  /** Makes a sink try again now, whatever its pause; `undefined` when there is no such sink. */
  retrySink(id: string): SinkInfo | undefined;

  /** The alerts kept for consoles (about 1,000), oldest first. */
  recentAlerts(): readonly Alert[];
  /** Calls `listener` for each alert after its commit, in order. Returns what ends that. */
  onAlert(listener: (alert: Alert) => void): () => void;
  /** Calls `listener` for each event; costs nothing while nobody listens. */
  onEvent(stage: TapStage, listener: (event: TapEvent) => void): () => void;

  /**
   * Gives lines to the input of type `http`; waits for room for a short while only.
   *
   * @param key Of the sender: the same lines under the same key are the same records, also after a
   *   restart.
   */
  ingest(lines: readonly string[], signal: AbortSignal, key?: string): Promise<IngestResult>;
  /** The input of type `otlp`, the first of several; `undefined` without any. */
  otlp?(): OtlpReceiver | undefined;

  /** Fields and schemas of events. */
  readonly observers: ObserverView;

  /** `undefined` without a state file or with the trail turned off. */
  readonly audit: AuditStore | undefined;

  logLevel(): LogLevelInfo;
  /** @param revertAfterSeconds `undefined` keeps the level until the next start. */
  setLogLevel(level: LogLevelInfo["level"], revertAfterSeconds: number | undefined): LogLevelInfo;
}
