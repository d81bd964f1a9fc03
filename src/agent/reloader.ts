/**
 * Reloads: rules and configuration read again, all of it or nothing.
 */
import { getLogger } from "@logtape/logtape";
import { type FSWatcher, watch as watchFiles } from "chokidar";
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import type { ReloadResult } from "../admin/view.ts";
import { listRuleFiles } from "../runtime/load_rules.ts";
import type { RuleSummary } from "../runtime/rule_set.ts";
import type { Agent, AgentOptions, PreparedConfig } from "./agent.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { AgentConfig } from "./config/types.ts";
import type { RuleReload } from "./rule_manager.ts";
import { agentSchema, ruleSettings } from "./rule_settings.ts";
import { ruleFailure } from "./rule_view.ts";
import { settingsKey } from "./settings_key.ts";

const log = getLogger(["picket", "reload"]);

/** Reloads that are remembered, and entries of their lists. */
const MAX_HISTORY = 20;
const MAX_LISTED = 1000;
/** Reloads that may wait, the one that runs not counted. */
const MAX_QUEUED = 4;

export type ReloadTrigger = ReloadResult["trigger"];
type Component = ReloadResult["components"][number];
type ChangedRules = { readonly settings?: ReturnType<typeof ruleSettings> };

/** Runs one reload at a time. */
export class Reloader {
  readonly #agent: Agent;
  readonly #options: AgentOptions;
  readonly #stop = new AbortController();
  readonly #history: ReloadResult[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #count = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #poll: ReturnType<typeof setInterval> | undefined;
  #watcher: FSWatcher | undefined;
  /** Which paths it watches. */
  #watched: string | undefined;
  /** Digest of the watched files when they were loaded last. */
  #seen = "";

  constructor(agent: Agent, options: AgentOptions) {
    this.#agent = agent;
    this.#options = options;
  }

  /** Newest first. */
  get history(): readonly ReloadResult[] {
    return this.#history;
  }

  /** Reloads soon; several requests within the debounce become one. `false` if enough wait. */
  request(trigger: ReloadTrigger): boolean {
    if (this.#queued >= MAX_QUEUED || this.#stop.signal.aborted) return false;
    if (this.#timer !== undefined) return true;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.reload(trigger, false).catch((error: unknown) => {
        if (!this.#stop.signal.aborted) {
          log.error("Failed to reload rules", { reason: String(error) });
        }
      });
    }, this.#agent.config.reload.debounceMs);
    return true;
  }

  /** Reloads when those before have ended. Rejects when the agent stops. */
  reload(trigger: ReloadTrigger, dryRun: boolean): Promise<ReloadResult> {
    this.#queued++;
    const result = this.#queue.then(() => {
      this.#stop.signal.throwIfAborted();
      return this.#run(trigger, dryRun);
    }).finally(() => this.#queued--);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #run(trigger: ReloadTrigger, dryRun: boolean): Promise<ReloadResult> {
    const startedMs = Date.now();
    const startedAt = performance.now();
    const components: Component[] = [];
    const prepared = this.#prepare(components);
    // Before they are read: what changes meanwhile is seen afterwards.
    const digest = this.#digest(prepared?.loaded ?? this.#agent.loaded);
    let rules: RuleReload | undefined;
    if (prepared !== undefined) {
      let isApplied = false;
      try {
        rules = await this.#agent.rules.reload(
          { dryRun, ...prepared.changedRules },
          this.#stop.signal,
        );
        components.push(rulesComponent(rules));
        if (rules.outcome === "refused") components.push({ name: "inputs", outcome: "skipped" });
        else if (!dryRun) {
          isApplied = true;
          await this.#applyConfig(prepared, components);
          await this.#reloadTls(components);
        }
      } finally {
        if (!isApplied) await this.#agent.sinks.discard(prepared.sinks);
      }
    }
    const ok = components.every(({ outcome }) => outcome !== "failed");
    const result = reloadResult(
      {
        id: dryRun ? 0 : ++this.#count,
        trigger,
        started: Math.floor(startedMs / 1000),
        duration_ms: performance.now() - startedAt,
        dry_run: dryRun,
        ok,
        components,
      },
      rules,
      this.#agent.rules.stats?.detectionRules ?? 0,
    );
    if (dryRun) return result;
    this.#seen = digest;
    if (this.#agent.config.reload.watch) this.#watchFiles();
    this.#history.unshift(result);
    this.#history.length = Math.min(this.#history.length, MAX_HISTORY);
    this.#options.metrics.onReload?.(
      components.filter(({ outcome }) => outcome === "failed").length,
    );
    tell(result, rules);
    return result;
  }

  /**
   * Everything that a reload needs besides the rules, made before anything is exchanged, so that a
   * reload which fails has changed nothing.
   */
  #prepare(
    components: Component[],
  ): PreparedConfig & { readonly changedRules: ChangedRules } | undefined {
    try {
      const loaded = this.#options.reloadConfig();
      const changedRules = this.#changedRules(loaded.config);
      return { ...this.#agent.prepare(loaded), changedRules };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      components.push({ name: "config", outcome: "failed", message });
      return undefined;
    }
  }

  #changedRules({ rules, schema: section }: AgentConfig): ChangedRules {
    const schema = agentSchema(section);
    const { settings } = this.#agent.rules;
    const isSame = settingsKey(rules) === settingsKey(this.#agent.config.rules) &&
      settingsKey(schema) === settingsKey(settings.schema ?? {});
    return isSame ? {} : { settings: ruleSettings(rules, this.#options.embeddedRules, schema) };
  }

  async #applyConfig(prepared: PreparedConfig, components: Component[]): Promise<void> {
    const before = this.#agent.config;
    const { config } = prepared.loaded;
    // What the agent was started with, not what a reload before this one asked for.
    const started = this.#options.loaded.config;
    const fixed = NEED_RESTART.filter((name) =>
      settingsKey({ of: fixedPart(started, name) }) !== settingsKey({ of: fixedPart(config, name) })
    );
    if (fixed.length > 0) {
      components.push({ name: "config", outcome: "needs_restart", message: fixed.join(", ") });
      log.warn("Some settings have changed that need a restart", { settings: fixed.join(", ") });
    }
    if (before.log.level !== config.log.level) this.#options.onLogLevel?.(config.log.level);
    const outcome = (name: "sources" | "sinks"): Component["outcome"] =>
      settingsKey({ of: before[name] }) === settingsKey({ of: config[name] })
        ? "unchanged"
        : "reloaded";
    const parts: Component[] = [
      { name: "inputs", outcome: outcome("sources") },
      { name: "sinks", outcome: outcome("sinks") },
    ];
    try {
      await this.#agent.apply(prepared);
      components.push(...parts);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      components.push({ name: "config", outcome: "failed", message });
    }
  }

  async #reloadTls(components: Component[]): Promise<void> {
    try {
      if (await this.#options.onReload?.()) components.push({ name: "tls", outcome: "reloaded" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      components.push({ name: "tls", outcome: "failed", message });
    }
  }

  /** Reloads when rule files or the configuration change. */
  watch(): void {
    this.#seen = this.#digest(this.#agent.loaded);
    const { watch, pollIntervalMs } = this.#agent.config.reload;
    if (!watch) return;
    this.#watchFiles();
    if (pollIntervalMs === 0) return;
    this.#poll = setInterval(() => {
      if (this.#digest(this.#agent.loaded) !== this.#seen) this.request("poll");
    }, pollIntervalMs);
  }

  /** Watches the files of the configuration of now, if they are others than those before. */
  #watchFiles(): void {
    const paths = [...this.#agent.config.rules.paths, ...otherFiles(this.#agent.loaded)];
    const key = JSON.stringify(paths);
    if (key === this.#watched || this.#stop.signal.aborted) return;
    this.#watched = key;
    const before = this.#watcher;
    this.#watcher = undefined;
    void before?.close();
    if (paths.length === 0) return;
    const watcher = this.#watcher = watchFiles(paths, {
      ignoreInitial: true,
      followSymlinks: true,
    });
    watcher.on("all", (_event, path) => {
      if (/\.(?:ya?ml|bundle)$/.test(path) || paths.includes(path)) this.request("watcher");
    });
    watcher.on(
      "error",
      (error) =>
        log.warn("Files cannot be watched; they are looked at from time to time", {
          reason: String(error),
        }),
    );
  }

  /** Of the names, sizes and times of what is watched. */
  #digest(loaded: LoadedConfig): string {
    const hash = createHash("sha256");
    const files = loaded.config.rules.paths.flatMap((path) => listRuleFiles(path).files);
    for (const file of [...files, ...otherFiles(loaded)]) {
      try {
        const { size, mtimeMs } = statSync(file);
        hash.update(`${file}\0${size}\0${mtimeMs}\0`);
      } catch {
        hash.update(`${file}\0gone\0`);
      }
    }
    return hash.digest("hex");
  }

  async close(): Promise<void> {
    this.#stop.abort(new DOMException("The agent is stopping", "AbortError"));
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    await this.#watcher?.close();
    await this.#queue;
  }
}

/** Parts that are made once. */
const NEED_RESTART = [
  "agent",
  "reload",
  "deadLetters",
  "output",
  "state",
  "outbox",
  "api",
  "ui",
  "tap",
  "tail",
  "log",
  "limits",
  "observeFields",
  "schema",
  "stop",
  "metrics",
] as const;

/** What of a part cannot change while the agent runs. */
function fixedPart(config: AgentConfig, name: typeof NEED_RESTART[number]): unknown {
  switch (name) {
    case "log":
      return { ...config.log, level: undefined };
    case "schema":
      return { observe: config.schema.observe, discover: config.schema.discover };
    default:
      return config[name];
  }
}

/** Files that a reload reads besides rules. */
function otherFiles(
  { config: { api, schema, webhooks }, files }: LoadedConfig,
): readonly string[] {
  return [
    ...webhooks,
    ...schema.config === undefined ? [] : [schema.config],
    ...api.tls === undefined ? [] : [api.tls.cert, api.tls.key],
    ...files,
  ];
}

function rulesComponent(rules: RuleReload): Component {
  const outcome = rules.outcome === "refused" ? "failed" : rules.outcome;
  return rules.message === undefined
    ? { name: "rules", outcome }
    : { name: "rules", outcome, message: rules.message };
}

function reloadResult(
  about: Omit<ReloadResult, "rules">,
  rules: RuleReload | undefined,
  loaded: number,
): ReloadResult {
  const { added = [], removed = [], changed = [] } = rules?.diff ?? {};
  const failed = rules?.failed ?? [];
  return {
    ...about,
    rules: {
      added: added.slice(0, MAX_LISTED).map(ruleRef),
      removed: removed.slice(0, MAX_LISTED).map(ruleRef),
      changed: changed.slice(0, MAX_LISTED).map(ruleRef),
      failed: failed.slice(0, MAX_LISTED).map(ruleFailure),
      added_total: added.length,
      removed_total: removed.length,
      changed_total: changed.length,
      failed_total: failed.length,
      loaded_total: loaded,
    },
  };
}

function ruleRef({ key, title }: RuleSummary): { id: string; title: string } {
  return { id: key, title };
}

function tell(result: ReloadResult, rules: RuleReload | undefined): void {
  const { added_total, removed_total, changed_total, failed_total, loaded_total } = result.rules;
  const facts = {
    trigger: result.trigger,
    added: added_total,
    removed: removed_total,
    changed: changed_total,
    failed: failed_total,
    loaded: loaded_total,
    pause_ms: Math.round((rules?.pauseMs ?? 0) * 10) / 10,
  };
  if (result.ok) log.info("Rules and pipelines reloaded", facts);
  else {
    const failure = result.components.find(({ outcome }) => outcome === "failed");
    log.error("Failed to reload rules", { ...facts, reason: failure?.message });
  }
}
