/**
 * Rules together with how events are evaluated against them.
 */
import { type EngineOptions, RuleEngine } from "../engine/engine.ts";
import type { StaticLogsource } from "../engine/logsource.ts";
import type { DetectionResult } from "../engine/result.ts";
import type { LogEvent } from "../event/event.ts";
import type { RuleProblem } from "../sigma/rule.ts";
import { RuntimeError } from "./errors.ts";
import {
  type CompiledRuleSet,
  compileRuleSet,
  openRuleSet,
  type RuleChoice,
  type RuleSetCompiler,
  type RuleSetRequest,
} from "./rule_set.ts";

export interface RuntimeEngineOptions extends Omit<EngineOptions, "logsource">, RuleChoice {
  /** A rule file, directory or bundle on disk, several of them, or a bundle in memory. */
  readonly rules: string | readonly string[] | Uint8Array | RuleSetRequest;
  /** Compiles elsewhere, such as in a worker; by default in this thread. */
  readonly compile?: RuleSetCompiler;
}

/** What a load found. */
export interface LoadStats {
  readonly detectionRules: number;
  /** Correlation rules that were read and checked. */
  readonly correlationRules: number;
  readonly filters: number;
  /** Rules and files that could not be used; `problems` says why. */
  readonly failed: number;
  readonly problems: readonly RuleProblem[];
}

/**
 * Evaluates events against the rules that were loaded last.
 *
 * ```ts
 * const engine = new RuntimeEngine({ rules: "./rules" });
 * const { detectionRules } = await engine.loadRules();
 * ```
 */
export class RuntimeEngine {
  readonly options: RuntimeEngineOptions;
  #engine: RuleEngine | undefined;
  #compiled: CompiledRuleSet | undefined;

  constructor(options: RuntimeEngineOptions) {
    this.options = options;
  }

  /** What was compiled for the load that succeeded last. */
  get compiled(): CompiledRuleSet | undefined {
    return this.#compiled;
  }

  /** The evaluator; `undefined` before the first load. */
  get ruleEngine(): RuleEngine | undefined {
    return this.#engine;
  }

  /**
   * Reads the rules again and evaluates with them from now on.
   *
   * Single rules that cannot be used are left out and are in the result.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` if nothing could be read where rules were expected; the
   *   rules of before stay.
   * Rejects with the reason of `signal`.
   */
  async loadRules(signal: AbortSignal = new AbortController().signal): Promise<LoadStats> {
    const compile = this.options.compile ?? ((request) => Promise.resolve(compileRuleSet(request)));
    let compiled: CompiledRuleSet;
    try {
      compiled = await compile(ruleSetRequest(this.options.rules), signal);
    } catch (cause) {
      signal.throwIfAborted();
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RuntimeError("RULES_UNUSABLE", `Cannot load rules: ${reason}`, { cause });
    }
    const stats = this.use(compiled);
    return stats;
  }

  /**
   * Evaluates with rules that were compiled before.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` if there were errors and no rule is left.
   */
  use(compiled: CompiledRuleSet): LoadStats {
    const collection = openRuleSet(compiled.bundle, this.options);
    const errors = compiled.problems.filter(({ severity }) => severity === "error");
    const { rules, correlations, filters } = collection;
    if (rules.length === 0 && correlations.length === 0 && errors.length > 0) {
      throw new RuntimeError(
        "RULES_UNUSABLE",
        `Cannot load rules: none is left after ${errors.length} errors, the first in ${
          errors[0]!.path
        }: ${errors[0]!.message}`,
      );
    }
    this.#engine = new RuleEngine(rules, this.options);
    this.#compiled = compiled;
    return {
      detectionRules: rules.length,
      correlationRules: correlations.length,
      filters: filters.length,
      failed: errors.length,
      problems: compiled.problems,
    };
  }

  /**
   * The results of one event, in the order of the rules.
   *
   * @param logsource What is known of the event's logsource from elsewhere. Give the same object for
   *   all events it is known of.
   * @throws {RuntimeError} `RULES_UNUSABLE` before the first load.
   */
  evaluate(event: LogEvent, logsource?: StaticLogsource): readonly DetectionResult[] {
    const engine = this.#engine;
    if (engine === undefined) {
      throw new RuntimeError("RULES_UNUSABLE", "Cannot evaluate: loadRules() has not been called");
    }
    return engine.evaluate(event, logsource);
  }
}

function ruleSetRequest(rules: RuntimeEngineOptions["rules"]): RuleSetRequest {
  if (typeof rules === "string") return { paths: [rules] };
  if (rules instanceof Uint8Array) return { paths: [], bundle: rules };
  return "paths" in rules ? rules : { paths: rules };
}
