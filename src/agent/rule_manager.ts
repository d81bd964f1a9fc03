/**
 * The rules of a running agent: loading, exchanging and remembering the last good ones.
 */
import { getLogger } from "@logtape/logtape";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { decodeBundle } from "../engine/bundle.ts";
import type { LogsourceTally } from "../engine/logsource.ts";
import type { RoutingTally } from "../engine/schema_router.ts";
import type { EngineOptions } from "../engine/engine.ts";
import { RuntimeError } from "../runtime/errors.ts";
import { LogProcessor } from "../runtime/log_processor.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import {
  type CompiledRuleSet,
  compileRuleSet,
  type RuleChoice,
  type RuleSetCompiler,
  type RuleSetRequest,
  type RuleSummary,
} from "../runtime/rule_set.ts";
import { type LoadStats, RuntimeEngine } from "../runtime/runtime_engine.ts";
import type { RuleProblem } from "../sigma/rule.ts";
import type { RuleCollectionPart } from "./event_observers.ts";
import type { AgentSchema } from "./rule_settings.ts";

const log = getLogger(["picket", "rules"]);

/** Which rules, and what to make of errors in them. */
export interface RuleSettings {
  readonly request: RuleSetRequest;
  readonly choice: RuleChoice;
  readonly engine: Omit<EngineOptions, "logsource">;
  /** Absent: nothing asks for schemas. */
  readonly schema?: AgentSchema;
  /**
   * `skip` leaves out what has errors at the start, and refuses a reload that brings new ones;
   * `fail` refuses both.
   */
  readonly onError: "skip" | "fail";
}

export interface RuleManagerOptions {
  readonly compile: RuleSetCompiler;
  /** Where the last good rules are kept; absent: nowhere. */
  readonly lastGoodPath?: string;
  readonly metrics: MetricsHook;
  /** Go on counting whatever rules are in service. */
  readonly routingTally?: RoutingTally;
  readonly logsourceTally?: LogsourceTally;
  /** Called when rules are in service. */
  readonly onUse?: (settings: RuleSettings) => void;
}

/** What a reload changes, or would change. */
export interface RuleDiff {
  readonly added: readonly RuleSummary[];
  readonly removed: readonly RuleSummary[];
  readonly changed: readonly RuleSummary[];
}

/** How a reload of the rules ended. */
export interface RuleReload {
  readonly outcome: "reloaded" | "unchanged" | "refused";
  /** Why it was refused. */
  readonly message?: string;
  readonly diff: RuleDiff;
  readonly failed: readonly RuleProblem[];
  /** Rules in service afterwards. */
  readonly loaded: number;
  /** How long evaluation stood still, in milliseconds. */
  readonly pauseMs: number;
}

const NO_RULES: RuleCollectionPart = { rules: [], correlations: [], filters: [] };
const NO_DIFF: RuleDiff = { added: [], removed: [], changed: [] };

/** Owns the processor; all calls that change rules are serialised by the caller. */
export class RuleManager {
  readonly #options: RuleManagerOptions;
  #settings: RuleSettings;
  #processor: LogProcessor | undefined;
  #stats: LoadStats | undefined;
  #compiled: CompiledRuleSet | undefined;
  #usesLastGood = false;

  constructor(settings: RuleSettings, options: RuleManagerOptions) {
    this.#settings = settings;
    this.#options = options;
  }

  /**
   * What evaluates events.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` before `load` has succeeded.
   */
  get processor(): LogProcessor {
    if (this.#processor === undefined) {
      throw new RuntimeError("RULES_UNUSABLE", "Cannot evaluate: no rules have been loaded");
    }
    return this.#processor;
  }

  get isLoaded(): boolean {
    return this.#processor !== undefined;
  }

  get stats(): LoadStats | undefined {
    return this.#stats;
  }

  /** The rules in service, also those that the settings leave out. */
  get rules(): readonly RuleSummary[] {
    return this.#compiled?.rules ?? [];
  }

  /** Those that events are evaluated against, and what came with them. */
  get collection(): RuleCollectionPart {
    return this.#processor?.engine.collection ?? NO_RULES;
  }

  get sha256(): string | undefined {
    return this.#compiled?.sha256;
  }

  get settings(): RuleSettings {
    return this.#settings;
  }

  /** Whether the current rules could not be loaded and older ones are in service. */
  get usesLastGood(): boolean {
    return this.#usesLastGood;
  }

  /**
   * Loads the rules; if that fails, those that were good before.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` if there are none of these either.
   * Rejects with the reason of `signal`.
   */
  async load(signal: AbortSignal): Promise<LoadStats> {
    try {
      const compiled = await this.#options.compile(this.#settings.request, signal);
      const refusal = this.#settings.onError === "fail" ? firstErrors(compiled) : undefined;
      if (refusal !== undefined) {
        const problems = compiled.problems.filter(({ severity }) => severity === "error");
        throw new RuntimeError("RULES_UNUSABLE", refusal, { problems });
      }
      return this.#use(compiled, this.#settings);
    } catch (error) {
      signal.throwIfAborted();
      const stats = this.#loadLastGood(error);
      if (stats !== undefined) return stats;
      if (error instanceof RuntimeError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new RuntimeError("RULES_UNUSABLE", `Cannot load rules: ${reason}`, { cause: error });
    }
  }

  #loadLastGood(error: unknown): LoadStats | undefined {
    const path = this.#options.lastGoodPath;
    if (path === undefined || !existsSync(path)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    try {
      const stats = this.#use(
        compileRuleSet({ paths: [], bundle: this.#readLastGood(path) }),
        this.#settings,
      );
      this.#usesLastGood = true;
      const problems = error instanceof RuntimeError ? error.problems : [];
      // What keeps the current rules from being used is what people want to see, and what a reload
      // that mends some of it is compared with.
      this.#stats = { ...stats, failed: problems.length, problems };
      log.error("Rules cannot be loaded; the last good ones are in service", {
        reason,
        rules: stats.detectionRules,
      });
      return stats;
    } catch (cause) {
      log.error("The last good rules cannot be loaded either", {
        path,
        reason: cause instanceof Error ? cause.message : String(cause),
      });
      return undefined;
    }
  }

  /** Where bundles have to be signed, what was kept of them has to be as well. */
  #readLastGood(path: string): Uint8Array {
    const bytes = readFileSync(path);
    const { bundleKey } = this.#settings.request;
    if (bundleKey !== undefined) decodeBundle(bytes, bundleKey);
    return bytes;
  }

  #use(compiled: CompiledRuleSet, settings: RuleSettings): LoadStats {
    const { logsourceTally, routingTally } = this.#options;
    const engine = new RuntimeEngine({
      ...settings.engine,
      ...settings.choice,
      rules: settings.request,
      ...(logsourceTally === undefined ? {} : { logsourceTally }),
      ...(routingTally === undefined ? {} : { routingTally }),
      ...(settings.schema?.routing ? { schema: settings.schema } : {}),
    });
    const stats = engine.use(compiled);
    if (this.#processor === undefined) {
      this.#processor = new LogProcessor(engine, this.#options.metrics);
    } else this.#processor.swapEngine(engine);
    this.#settings = settings;
    this.#stats = stats;
    this.#compiled = compiled;
    this.#usesLastGood = false;
    this.#options.metrics.setRulesLoaded?.(
      stats.detectionRules,
      stats.correlationRules,
      stats.failed,
    );
    this.#keepAsLastGood(compiled);
    this.#options.onUse?.(settings);
    return stats;
  }

  #keepAsLastGood({ bundle }: CompiledRuleSet): void {
    const path = this.#options.lastGoodPath;
    if (path === undefined) return;
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.new`, bundle, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      log.warn("The rules cannot be kept for the next start", {
        path,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /**
   * Compiles the rules anew and, unless something is wrong with them, evaluates with them from the
   * next batch on.
   *
   * @param settings Replace the current ones if the reload succeeds.
   * Rejects with the reason of `signal`.
   */
  async reload(
    options: { readonly dryRun: boolean; readonly settings?: RuleSettings },
    signal: AbortSignal,
  ): Promise<RuleReload> {
    const settings = options.settings ?? this.#settings;
    const loaded = (): number => this.#stats?.detectionRules ?? 0;
    let compiled: CompiledRuleSet;
    try {
      compiled = await this.#options.compile(settings.request, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      return refused(message, NO_DIFF, [], loaded());
    }
    const diff = diffRules(this.rules, compiled.rules);
    const failed = compiled.problems.filter(({ severity }) => severity === "error");
    const refusal = this.#refusal(compiled, failed, settings);
    if (refusal !== undefined) return refused(refusal, diff, failed, loaded());
    const isSame = compiled.sha256 === this.#compiled?.sha256 && !this.#usesLastGood &&
      settings === this.#settings;
    if (options.dryRun || isSame) {
      const outcome = isSame ? "unchanged" : "reloaded";
      return { outcome, diff, failed, loaded: loaded(), pauseMs: 0 };
    }
    const startedAt = performance.now();
    try {
      this.#use(compiled, settings);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      return refused(error.message, diff, failed, loaded());
    }
    const pauseMs = performance.now() - startedAt;
    return { outcome: "reloaded", diff, failed, loaded: loaded(), pauseMs };
  }

  #refusal(
    compiled: CompiledRuleSet,
    failed: readonly RuleProblem[],
    settings: RuleSettings,
  ): string | undefined {
    if (settings.onError === "fail") return firstErrors(compiled);
    const before = errorsByPath(this.#stats?.problems ?? []);
    for (const [path, count] of errorsByPath(failed)) {
      if (count <= (before.get(path) ?? 0)) continue;
      const { message, line } = failed.find((problem) => problem.path === path)!;
      return `${path}${line === undefined ? "" : `:${line}`}: ${message}`;
    }
    const isEmpty = !compiled.rules.some(({ kind }) => kind === "detection");
    if (isEmpty && (this.#stats?.detectionRules ?? 0) > 0) {
      return `no rule is left in ${settings.request.paths.join(", ") || "the embedded rules"}`;
    }
    return undefined;
  }
}

function refused(
  message: string,
  diff: RuleDiff,
  failed: readonly RuleProblem[],
  loaded: number,
): RuleReload {
  return { outcome: "refused", message, diff, failed, loaded, pauseMs: 0 };
}

function firstErrors(compiled: CompiledRuleSet): string | undefined {
  const errors = compiled.problems.filter(({ severity }) => severity === "error");
  if (errors.length === 0) return undefined;
  const { path, message } = errors[0]!;
  return `Cannot load rules: ${errors.length} with errors, the first in ${path}: ${message}`;
}

function errorsByPath(problems: readonly RuleProblem[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { path, severity } of problems) {
    if (severity === "error") counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

/** Rules are the same by id, or by title where they have none. */
export function diffRules(before: readonly RuleSummary[], after: readonly RuleSummary[]): RuleDiff {
  const old = new Map(before.map((rule) => [rule.key, rule]));
  const now = new Set(after.map(({ key }) => key));
  return {
    added: after.filter(({ key }) => !old.has(key)),
    removed: before.filter(({ key }) => !now.has(key)),
    changed: after.filter((rule) => {
      const known = old.get(rule.key);
      return known !== undefined && known.hash !== rule.hash;
    }),
  };
}
