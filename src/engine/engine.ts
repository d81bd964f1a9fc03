/**
 * Rules against events.
 *
 * `RuleEngine` is the indexed evaluator; `naive.ts` walks every rule and is what it is tested
 * against. Which one runs is an option, so that a doubt can be settled in the field.
 */
import type { LogEvent } from "../event/event.ts";
import type { DetectionRule } from "../sigma/rule.ts";
import { type Matcher, RuleCompiler } from "./compile.ts";
import { EvaluationContext, NO_EVENT } from "./context.ts";
import { ResultBuilder } from "./detail.ts";
import { necessaryEventIds } from "./event_ids.ts";
import {
  eventKind,
  eventTraits,
  type LogsourceFields,
  type LogsourceTally,
  statedLogsource,
  type StaticLogsource,
} from "./logsource.ts";
import { matchNaively } from "./naive.ts";
import type { IndexedRule } from "./partition.ts";
import type { DetectionResult, MatchDetail } from "./result.ts";
import { storedFacts } from "./rule_store.ts";
import { Router } from "./router.ts";
import { countWitnesses, type Popularity, ruleWitnesses, type WitnessSet } from "./witness.ts";

/** How rules are evaluated, and what results say. */
export interface EngineOptions {
  /** Default `off`. */
  readonly matchDetail?: MatchDetail;
  /** Puts the event into each result. Default `false`. */
  readonly includeEvent?: boolean;
  /** Evaluates a rule only on events of its logsource. Default `true`. */
  readonly logsourceRouting?: boolean;
  /** `false` walks every rule on every event. Default `true`. */
  readonly index?: boolean;
  /** What is known of the logsource of events that do not tell it themselves. */
  readonly logsource?: StaticLogsource;
  /** Fields that tell the logsource of an event; not looked at unless given. */
  readonly logsourceFields?: LogsourceFields;
  /** Counts what routing by logsource spares. */
  readonly logsourceTally?: LogsourceTally;
}

/** Events that state more combinations of the rules' logsources than this do so on purpose. */
const MAX_STATED = 256;
/** Stands for a product, service or category that no rule names. */
const OTHER = "\u0000other";

const NO_MATCHES: readonly number[] = [];
const NO_RESULTS: readonly DetectionResult[] = [];

/** Rules that events are evaluated against, one event at a time. */
export interface EventEvaluator {
  /** Results come in their order. */
  readonly rules: readonly DetectionRule[];
  /** The numbers of the rules of the results that `evaluate` returned last. */
  readonly lastMatched: readonly number[];
  /** See `RuleEngine.match`. */
  match(event: LogEvent, logsource?: StaticLogsource): readonly number[];
  /** See `RuleEngine.evaluate`. */
  evaluate(event: LogEvent, logsource?: StaticLogsource): readonly DetectionResult[];
  /** Whether each rule applies to a kind of event that has been met. */
  applied(): readonly boolean[];
  /** Why the last event was refused, for people; absent where none ever is. */
  readonly lastRefusal?: string | undefined;
}

/** Evaluates events one at a time; not to be shared between concurrent evaluations. */
export class RuleEngine implements EventEvaluator {
  /** As given; results come in their order. */
  readonly rules: readonly DetectionRule[];
  readonly #options: EngineOptions;
  readonly #context = new EvaluationContext();
  readonly #indexed: readonly IndexedRule[];
  readonly #router: Router;
  /** By what events state of their logsource. */
  readonly #stated = new Map<string, Router>();
  /** The same, by the very object that a caller gives again and again. */
  readonly #given = new WeakMap<StaticLogsource, Router>();
  #named: ReadonlySet<string> | undefined;
  readonly #results: ResultBuilder;
  readonly #matched: number[] = [];
  #lastMatched: readonly number[] = [];

  /** Indexes nothing yet: that happens when events of a logsource are first met. */
  constructor(rules: readonly DetectionRule[], options: EngineOptions = {}) {
    this.rules = rules;
    this.#options = options;
    this.#results = new ResultBuilder({
      matchDetail: options.matchDetail ?? "off",
      includeEvent: options.includeEvent ?? false,
    });
    this.#indexed = indexRules(rules);
    this.#router = this.#newRouter(options.logsource ?? {});
  }

  #newRouter(fixed: StaticLogsource): Router {
    const { logsourceRouting = true, logsourceTally } = this.#options;
    return new Router(this.rules, this.#indexed, logsourceRouting, fixed, logsourceTally);
  }

  /** The router for events that state what this one states, or for which it is `given`. */
  #routerOf(event: LogEvent, given: StaticLogsource | undefined): Router {
    const fields = this.#options.logsourceFields;
    if (fields === undefined) {
      if (given === undefined) return this.#router;
      let router = this.#given.get(given);
      if (router === undefined) this.#given.set(given, router = this.#statedRouter(given));
      return router;
    }
    return this.#statedRouter(statedLogsource(event, fields, this.#fixed(given)));
  }

  /** What is known of an event beforehand. */
  #fixed(given: StaticLogsource | undefined): StaticLogsource {
    return given ?? this.#options.logsource ?? {};
  }

  #statedRouter(stated: StaticLogsource): Router {
    const known = this.#named ??= namedLogsources(this.rules);
    // All names that no rule has mean the same, so that events cannot make up routers.
    const key = JSON.stringify(
      stated,
      (_key, part: unknown) => typeof part === "string" && !known.has(part) ? OTHER : part,
    );
    let router = this.#stated.get(key);
    if (router === undefined) {
      if (this.#stated.size >= MAX_STATED) this.#stated.clear();
      this.#stated.set(key, router = this.#newRouter(JSON.parse(key) as StaticLogsource));
    }
    return router;
  }

  /**
   * The numbers of the rules that match, ascending. The array is only valid until the next call.
   *
   * @param logsource What is known of this event, in place of the engine's `logsource` option.
   */
  match(event: LogEvent, logsource?: StaticLogsource): readonly number[] {
    const context = this.#context;
    context.begin(event);
    if (this.#options.index === false) return this.#matchNaively(event, logsource);
    const matched = this.#matched;
    matched.length = 0;
    for (const partition of this.#routerOf(event, logsource).route(context)) {
      partition.evaluate(context, matched);
    }
    if (matched.length === 0) return NO_MATCHES;
    return matched.length === 1 ? matched : matched.sort((left, right) => left - right);
  }

  #matchNaively(event: LogEvent, given: StaticLogsource | undefined): readonly number[] {
    const { logsourceFields: fields, logsourceRouting } = this.#options;
    const known = this.#fixed(given);
    const fixed = fields === undefined ? known : statedLogsource(event, fields, known);
    const kind = logsourceRouting === false
      ? { logsource: {}, names: new Map() }
      : eventKind(eventTraits(event), fixed);
    this.#context.useNames(kind.names);
    return matchNaively(this.rules, event, kind);
  }

  /** The numbers of the rules of the results that `evaluate` returned last. */
  get lastMatched(): readonly number[] {
    return this.#lastMatched;
  }

  /** The results of the rules that match, in the order of the rules; `logsource` as for `match`. */
  evaluate(event: LogEvent, logsource?: StaticLogsource): readonly DetectionResult[] {
    const matched = this.match(event, logsource);
    this.#lastMatched = matched;
    if (matched.length === 0) return NO_RESULTS;
    return matched.map((number) => this.#results.build(this.rules[number]!, this.#context));
  }

  /** Whether each rule applies to a kind of event that has been met. */
  applied(): readonly boolean[] {
    const met = new Array<boolean>(this.rules.length).fill(this.#options.index === false);
    for (const router of [this.#router, ...this.#stated.values()]) {
      for (const partition of router.partitions()) {
        if (partition.used) { for (const rule of partition.rules) met[rule] = true; }
      }
    }
    return met;
  }
}

/** Every name in a logsource of `rules`, lower-case, and those that mean something by themselves. */
function namedLogsources(rules: readonly DetectionRule[]): ReadonlySet<string> {
  const names = new Set(["windows"]);
  for (const { logsource: { product, service, category, custom } } of rules) {
    for (const name of [product, service, category, ...Object.values(custom)]) {
      if (name !== undefined) names.add(name.toLowerCase());
    }
  }
  return names;
}

/** Rules with what their index needs, each worked out when first asked for. */
function indexRules(rules: readonly DetectionRule[]): readonly IndexedRule[] {
  const compiler = new RuleCompiler();
  // Items remember answers by the number of the event, so another context needs items of its own.
  const nothing = new EvaluationContext();
  const apart = new RuleCompiler();
  let popularity: Popularity | undefined;
  return rules.map((rule) => {
    const stored = storedFacts(rule);
    let compiled: Matcher | undefined;
    const matcher = (): Matcher => compiled ??= compiler.compile(rule);
    const witnesses = (): WitnessSet => {
      if (stored !== undefined) return stored.witnesses();
      popularity ??= countWitnesses(rules.filter((one) => storedFacts(one) === undefined));
      return ruleWitnesses(rule, popularity);
    };
    return {
      matcher,
      witnesses,
      holdsWithoutEvent: () => {
        if (witnesses() !== undefined) return false;
        nothing.begin(NO_EVENT);
        return apart.compile(rule)(nothing);
      },
      eventIds: stored === undefined ? necessaryEventIds(rule) : stored.eventIds,
    };
  });
}
