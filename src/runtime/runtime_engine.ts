/**
 * Rules together with how events are evaluated against them.
 */
import type { EngineOptions, EventEvaluator } from "../engine/engine.ts";
import type { StaticLogsource } from "../engine/logsource.ts";
import type { DetectionResult } from "../engine/result.ts";
import type { RoutingTally } from "../engine/schema_router.ts";
import type { LogEvent } from "../event/event.ts";
import type { RuleCollection, RuleProblem } from "../sigma/rule.ts";
import { RuntimeError } from "./errors.ts";
import {
  type CompiledRuleSet,
  compileRuleSet,
  openRuleSet,
  type RuleChoice,
  type RuleSetCompiler,
  type RuleSetRequest,
} from "./rule_set.ts";
import { openEvaluator, type SchemaRoutingSettings } from "./schema_routing.ts";

/** Which rules, and how events are evaluated against them. */
export interface RuntimeEngineOptions extends Omit<EngineOptions, "logsource">, RuleChoice {
  /**
   * A rule file, directory or bundle on disk, several of them, or a bundle in memory. Directories
   * are read with all below them (`.yml`, `.yaml`, `.bundle`), in the order of their names.
   */
  readonly rules: string | readonly string[] | Uint8Array | RuleSetRequest;
  /**
   * What a rule or file with errors means: `skip` (default) leaves it out and says so in
   * `LoadStats.problems`, `fail` refuses the whole load, so that the rules of before stay.
   */
  readonly onError?: "skip" | "fail";
  /** Compiles elsewhere, such as in a worker; by default in this thread. */
  readonly compile?: RuleSetCompiler;
  /** Routes events by their schema; by default they are not looked at so. */
  readonly schema?: SchemaRoutingSettings;
  /** Counts what became of events of no schema, on from what it says. */
  readonly routingTally?: RoutingTally;
}

/** What a load found. */
export interface LoadStats {
  /** Detection rules that events are evaluated against now. */
  readonly detectionRules: number;
  /** Correlation rules that were read and checked. */
  readonly correlationRules: number;
  /** Filter rules; each is bound to the detection rules it is for. */
  readonly filters: number;
  /** Errors in rules and files, which were left out; `problems` says why. */
  readonly failed: number;
  /** Errors, and warnings and notes of rules that are in use. */
  readonly problems: readonly RuleProblem[];
}

/**
 * Evaluates events against the rules that were loaded last. Nothing is read before `loadRules()`.
 *
 * ```ts
 * const engine = new RuntimeEngine({ rules: "./rules" });
 * const { detectionRules } = await engine.loadRules();
 * ```
 */
export class RuntimeEngine {
  /** As given. */
  readonly options: RuntimeEngineOptions;
  #engine: EventEvaluator | undefined;
  #compiled: CompiledRuleSet | undefined;
  #stats: LoadStats | undefined;
  #collection: RuleCollection | undefined;

  /** Reads nothing: call `loadRules`, or `use` what was compiled. */
  constructor(options: RuntimeEngineOptions) {
    this.options = options;
  }

  /** What was compiled for the load that succeeded last. */
  get compiled(): CompiledRuleSet | undefined {
    return this.#compiled;
  }

  /** What the load that succeeded last found. */
  get stats(): LoadStats | undefined {
    return this.#stats;
  }

  /** Rules of all kinds that were loaded last. */
  get collection(): RuleCollection | undefined {
    return this.#collection;
  }

  /** The evaluator; `undefined` before the first load. */
  get ruleEngine(): EventEvaluator | undefined {
    return this.#engine;
  }

  /**
   * Reads the rules again and evaluates with them from now on.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` if there were errors and no rule is left, or there were
   *   errors at all and `onError` is `fail`; `problems` has them, the rules of before stay.
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
    return this.use(compiled);
  }

  /**
   * Evaluates with rules that were compiled before.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE`, as `loadRules` does.
   * @throws {BundleError} If `compiled` was not made by `compileRuleSet`.
   * @throws {SchemaError} For a schema file that cannot be used; the rules of before stay.
   */
  use(compiled: CompiledRuleSet): LoadStats {
    const collection = openRuleSet(compiled.bundle, this.options);
    const errors = compiled.problems.filter(({ severity }) => severity === "error");
    const { rules, correlations, filters } = collection;
    const isEmpty = rules.length === 0 && correlations.length === 0;
    const [first] = errors;
    if (first !== undefined && (isEmpty || this.options.onError === "fail")) {
      const place = first.line === undefined ? first.path : `${first.path}:${first.line}`;
      const count = errors.length === 1 ? "one error" : `${errors.length} errors, the first`;
      throw new RuntimeError(
        "RULES_UNUSABLE",
        `Cannot load rules: ${
          isEmpty ? "none is left after " : ""
        }${count} in ${place}: ${first.message}`,
        { problems: errors },
      );
    }
    const { schema, routingTally } = this.options;
    this.#engine = openEvaluator(rules, this.options, schema, routingTally);
    this.#compiled = compiled;
    this.#collection = collection;
    return this.#stats = {
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
    return this.loaded().evaluate(event, logsource);
  }

  /**
   * The evaluator of now, which later loads do not change.
   *
   * @throws {RuntimeError} `RULES_UNUSABLE` before the first load.
   */
  loaded(): EventEvaluator {
    if (this.#engine === undefined) {
      throw new RuntimeError("RULES_UNUSABLE", "Cannot evaluate: loadRules() has not been called");
    }
    return this.#engine;
  }
}

function ruleSetRequest(rules: RuntimeEngineOptions["rules"]): RuleSetRequest {
  if (typeof rules === "string") return { paths: [rules] };
  if (rules instanceof Uint8Array) return { paths: [], bundle: rules };
  return "paths" in rules ? rules : { paths: rules };
}
