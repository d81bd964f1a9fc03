/**
 * Events to the rules for their schema.
 *
 * There is an engine for each list of pipelines that rules are compiled with; which one sees an event,
 * and what its schema implies of the logsource, is decided once per schema.
 *
 * @see inputs.md, section 14
 */
import type { LogEvent } from "../event/event.ts";
import { BUILT_IN_ALIASES, IMPLIED_LOGSOURCES, type SchemaLogsource } from "../schema/builtin.ts";
import { type Classification, SchemaClassifier } from "../schema/classifier.ts";
import type { SchemaConfig, UnknownPolicy } from "../schema/config.ts";
import type { DetectionRule } from "../sigma/rule.ts";
import type { EventEvaluator, RuleEngine } from "./engine.ts";
import type { StaticLogsource } from "./logsource.ts";
import type { DetectionResult } from "./result.ts";

/** What becomes of an event. The same object for all events of a schema. */
export interface SchemaRoute {
  readonly action: "evaluate" | "drop" | "error";
  /** Which engine; 0 is the default. */
  readonly set: number;
  /** What the schema implies, or its binding states. */
  readonly logsource: StaticLogsource | undefined;
  /** No signature matched. */
  readonly isUnknown: boolean;
}

/** What a schema file, and what overrides it, come to. */
export class SchemaRoutes {
  readonly classifier: SchemaClassifier;
  readonly onUnknown: UnknownPolicy;
  /** The pipelines of each set; that of number 0 is the default. */
  readonly sets: readonly (readonly string[])[];
  /** Whether schemas are bound at all: otherwise everything goes to the default. */
  readonly hasBindings: boolean;
  readonly #bySchema = new Map<string, SchemaRoute>();
  readonly #unknown: SchemaRoute;
  /** Products of the schemas of each set; `undefined` if one of them has none. */
  readonly #products: (ReadonlySet<string> | undefined)[];

  /** @param onUnknown Beats what the file says. */
  constructor(config: SchemaConfig, onUnknown?: UnknownPolicy) {
    const { routing, signatures } = config;
    this.classifier = new SchemaClassifier(signatures);
    this.onUnknown = onUnknown ?? routing.onUnknown ?? "warn";
    this.hasBindings = routing.bindings.length > 0;
    const sets: (readonly string[])[] = [routing.defaultPipelines];
    const setOf = (pipelines: readonly string[]): number => {
      const key = JSON.stringify(pipelines);
      const known = sets.findIndex((one) => JSON.stringify(one) === key);
      return known >= 0 ? known : sets.push(pipelines) - 1;
    };
    const bound = new Map<string, { readonly set: number; readonly logsource?: SchemaLogsource }>();
    for (const { schema, pipelines, logsource } of routing.bindings) {
      // Of two bindings of a schema the first counts; `checkSchemaConfig` tells of the other.
      if (bound.has(schema)) continue;
      bound.set(schema, {
        set: setOf(pipelines),
        ...(logsource === undefined ? {} : { logsource }),
      });
    }
    const aliases = new Map([...BUILT_IN_ALIASES, ...routing.aliases]);
    for (const { name } of this.classifier.signatures) {
      const canonical = aliases.get(name);
      const binding = bound.get(name) ??
        (canonical === undefined ? undefined : bound.get(canonical));
      this.#bySchema.set(name, {
        action: "evaluate",
        set: binding?.set ?? 0,
        logsource: binding?.logsource ?? IMPLIED_LOGSOURCES.get(name) ??
          (canonical === undefined ? undefined : IMPLIED_LOGSOURCES.get(canonical)),
        isUnknown: false,
      });
    }
    this.sets = sets;
    this.#products = sets.map((_, set) => this.#productsOf(set));
    this.#unknown = {
      action: this.onUnknown === "drop" || this.onUnknown === "error" ? this.onUnknown : "evaluate",
      set: 0,
      logsource: undefined,
      isUnknown: true,
    };
  }

  /** What becomes of events that are classified so. */
  route(classification: Classification | undefined): SchemaRoute {
    return classification === undefined
      ? this.#unknown
      : this.#bySchema.get(classification.schema) ?? this.#unknown;
  }

  /** What `schema` implies, or its binding states, of the logsource. */
  logsourceOf(schema: string): StaticLogsource | undefined {
    return this.#bySchema.get(schema)?.logsource;
  }

  /**
   * The numbers of the rules that a set needs when rules are dealt out by product: events of schemas
   * that all imply a product have no use for rules of others. `undefined` for all of them.
   *
   * @see inputs.md, section 14.3
   */
  rulesFor(set: number, rules: readonly DetectionRule[]): readonly number[] | undefined {
    const products = set === 0 ? undefined : this.#products[set];
    if (products === undefined) return undefined;
    const numbers: number[] = [];
    rules.forEach(({ logsource: { product } }, number) => {
      if (product === undefined || products.has(product.toLowerCase())) numbers.push(number);
    });
    return numbers;
  }

  #productsOf(set: number): ReadonlySet<string> | undefined {
    const products = new Set<string>();
    for (const route of this.#bySchema.values()) {
      if (route.set !== set) continue;
      if (route.logsource?.product === undefined) return undefined;
      products.add(route.logsource.product);
    }
    return products;
  }
}

/** Rules that were compiled with the pipelines of a set. */
export interface SchemaRuleSet {
  readonly engine: RuleEngine;
  /** The number that each of its rules has among those of set 0; absent: the same. */
  readonly numbers?: readonly number[];
}

/** What became of events of no schema; one object may outlive many routers. */
export interface RoutingTally {
  /** Of no schema, whatever became of them. */
  unknown: number;
  /** Not evaluated, by `drop`. */
  dropped: number;
  /** Not evaluated, by `error`. */
  errors: number;
}

const NOTHING: readonly DetectionResult[] = [];
const NONE: readonly number[] = [];
const NO_LOGSOURCE: StaticLogsource = {};

/** Evaluates each event with the rules for its schema; otherwise like a `RuleEngine`. */
export class SchemaRouter implements EventEvaluator {
  readonly routes: SchemaRoutes;
  readonly #sets: readonly SchemaRuleSet[];
  readonly #logsource: StaticLogsource;
  /** Merged logsources, by what is stated and the route: engines know them by identity. */
  readonly #merged = new WeakMap<StaticLogsource, Map<SchemaRoute, StaticLogsource>>();
  #last: SchemaRuleSet | undefined;
  /** What became of events of no schema so far. */
  readonly tally: RoutingTally;
  #refusal: string | undefined;

  /**
   * @param sets One for each of `routes.sets`.
   * @param logsource What is stated of events that nothing is stated of in `evaluate`.
   */
  constructor(
    routes: SchemaRoutes,
    sets: readonly SchemaRuleSet[],
    logsource: StaticLogsource = NO_LOGSOURCE,
    tally: RoutingTally = { unknown: 0, dropped: 0, errors: 0 },
  ) {
    if (sets.length !== routes.sets.length) {
      throw new RangeError(`Cannot route: ${routes.sets.length} sets of rules are needed`);
    }
    this.routes = routes;
    this.#sets = sets;
    this.#logsource = logsource;
    this.tally = tally;
  }

  /** Those of set 0. */
  get rules(): readonly DetectionRule[] {
    return this.#sets[0]!.engine.rules;
  }

  get lastRefusal(): string | undefined {
    return this.#refusal;
  }

  /** What becomes of `event`. */
  route(event: LogEvent): SchemaRoute {
    return this.routes.route(this.routes.classifier.classify(event));
  }

  evaluate(event: LogEvent, logsource?: StaticLogsource): readonly DetectionResult[] {
    const route = this.#begin(event);
    if (route === undefined) return NOTHING;
    return this.#last!.engine.evaluate(event, this.#logsourceFor(route, logsource));
  }

  match(event: LogEvent, logsource?: StaticLogsource): readonly number[] {
    const route = this.#begin(event);
    if (route === undefined) return NONE;
    const matched = this.#last!.engine.match(event, this.#logsourceFor(route, logsource));
    return this.#numbers(matched);
  }

  get lastMatched(): readonly number[] {
    return this.#last === undefined ? NONE : this.#numbers(this.#last.engine.lastMatched);
  }

  applied(): readonly boolean[] {
    const applied = new Array<boolean>(this.rules.length).fill(false);
    for (const { engine, numbers } of this.#sets) {
      engine.applied().forEach((met, at) => {
        if (met) applied[numbers?.[at] ?? at] = true;
      });
    }
    return applied;
  }

  /** Chooses the engine and counts; `undefined` if the event is not to be evaluated. */
  #begin(event: LogEvent): SchemaRoute | undefined {
    const route = this.route(event);
    this.#refusal = undefined;
    if (route.isUnknown) this.tally.unknown++;
    switch (route.action) {
      case "evaluate":
        this.#last = this.#sets[route.set]!;
        return route;
      case "drop":
        this.tally.dropped++;
        break;
      case "error":
        this.tally.errors++;
        this.#refusal = "no schema matches the event";
        break;
    }
    this.#last = undefined;
    return undefined;
  }

  #numbers(matched: readonly number[]): readonly number[] {
    const numbers = this.#last?.numbers;
    return numbers === undefined ? matched : matched.map((number) => numbers[number]!);
  }

  /** What is stated, and what the schema implies where nothing is. */
  #logsourceFor(
    route: SchemaRoute,
    given: StaticLogsource | undefined,
  ): StaticLogsource | undefined {
    const implied = route.logsource;
    if (implied === undefined) return given;
    const stated = given ?? this.#logsource;
    let byRoute = this.#merged.get(stated);
    if (byRoute === undefined) this.#merged.set(stated, byRoute = new Map());
    let merged = byRoute.get(route);
    if (merged === undefined) byRoute.set(route, merged = mergeLogsources(implied, stated));
    return merged;
  }
}

/** `stated` where it says something, else `implied`. */
export function mergeLogsources(
  implied: StaticLogsource,
  stated: StaticLogsource,
): StaticLogsource {
  const custom = { ...implied.custom, ...stated.custom };
  return {
    ...implied,
    ...stated,
    ...(Object.keys(custom).length === 0 ? {} : { custom }),
  };
}
