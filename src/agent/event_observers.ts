/**
 * What is counted of events on their way to the rules: fields, schemas, and what becomes of both.
 */
import { getLogger } from "@logtape/logtape";
import type { ObserverView, SchemaReport } from "../admin/observer_view.ts";
import type { ObservedFacts } from "../admin/scrape_metrics.ts";
import {
  compatible,
  type EventLogsource,
  type LogsourceTally,
  type StaticLogsource,
} from "../engine/logsource.ts";
import type { RoutingTally, SchemaRoutes } from "../engine/schema_router.ts";
import type { LogEvent } from "../event/event.ts";
import { type FieldReport, fieldReport, ruleFieldTable } from "../runtime/field_report.ts";
import { schemaRoutes } from "../runtime/schema_routing.ts";
import { SchemaClassifier } from "../schema/classifier.ts";
import { discoverSchemas, type Discovery, discoveryReport } from "../schema/discovery.ts";
import { FieldObserver } from "../schema/field_observer.ts";
import type { FieldValues } from "../schema/samples.ts";
import { SchemaObserver } from "../schema/observer.ts";
import type { DetectionRule, RuleCollection } from "../sigma/rule.ts";
import type { AgentConfig } from "./config/types.ts";
import type { AgentSchema } from "./rule_settings.ts";

const log = getLogger(["picket", "schema"]);

/** The live sample has no values to look at. */
const NO_VALUES: ReadonlyMap<string, FieldValues> = new Map();
/** Suggestions are worked out anew when there is news, and not more often than this. */
const DISCOVERY_MS = 5000;
/** Events of no schema are told of this often at most. */
const TELL_UNKNOWN_MS = 600_000;

/** Observers of one agent; what is off costs nothing. */
export class EventObservers {
  readonly routing: RoutingTally = { unknown: 0, dropped: 0, errors: 0 };
  readonly logsource: LogsourceTally = { pruned: 0, withoutLogsource: 0 };
  /** Shows an event to all observers; `undefined` while there is none. */
  readonly observe: ((event: LogEvent) => void) | undefined;
  readonly #fields: FieldObserver | undefined;
  readonly #schemas: SchemaObserver | undefined;
  readonly #now: () => number;
  #fieldsSinceMs: number;
  #schemasSinceMs: number;
  #routes: SchemaRoutes | undefined;
  #toldUnknown = 0;
  #toldUnknownMs: number | undefined;
  #discovery: { readonly atMs: number; readonly found: Discovery } | undefined;

  constructor(
    { observeFields, schema }: Pick<AgentConfig, "observeFields" | "schema">,
    startedMs: number,
    now: () => number,
  ) {
    this.#now = now;
    this.#fieldsSinceMs = this.#schemasSinceMs = startedMs;
    const fields = this.#fields = observeFields.enabled
      ? new FieldObserver(observeFields.maxKeys)
      : undefined;
    const schemas = this.#schemas = schema.observe
      ? new SchemaObserver(new SchemaClassifier(), schema.discover)
      : undefined;
    this.observe = fields === undefined && schemas === undefined ? undefined : (event) => {
      fields?.observe(event);
      schemas?.observe(event);
    };
  }

  /** Rules with these settings are in service now. */
  use(schema: AgentSchema = { routing: false }): void {
    this.#routes = undefined;
    this.#discovery = undefined;
    if (!schema.routing && this.#schemas === undefined) return;
    const routes = schemaRoutes(schema);
    if (this.#schemas !== undefined) this.#schemas.classifier = routes.classifier;
    if (!schema.routing) return;
    this.#routes = routes;
    if (!routes.hasBindings) {
      log.warn("Events are routed by schema, but no schema is bound: all meet the same rules");
    }
  }

  /** To be called behind each batch: says that events are of no schema, if that is to be said. */
  tellUnknown(): void {
    const { unknown } = this.routing;
    if (unknown === this.#toldUnknown || this.#routes?.onUnknown !== "warn") return;
    const nowMs = this.#now();
    const toldMs = this.#toldUnknownMs;
    if (toldMs !== undefined && Math.abs(nowMs - toldMs) < TELL_UNKNOWN_MS) return;
    log.warn("Some events are of no known schema; all rules look at them", {
      events: unknown - this.#toldUnknown,
    });
    this.#toldUnknown = unknown;
    this.#toldUnknownMs = nowMs;
  }

  /** What is counted, for metrics. */
  facts(rules: readonly DetectionRule[], routesByLogsource: boolean): ObservedFacts {
    const fields = this.#fields;
    const schemas = this.#schemas;
    const totals = schemas?.lifetime();
    return {
      logsource: { pruned: this.logsource.pruned, without: this.logsource.withoutLogsource },
      ...(fields === undefined ? {} : {
        fields: {
          events: fields.lifetimeEvents,
          keys: fields.keys,
          overflow: fields.lifetimeOverflow,
        },
      }),
      ...(totals === undefined ? {} : {
        schemas: {
          bySchema: totals.bySchema,
          unknown: totals.unknown,
          ambiguous: totals.ambiguous,
          clusters: schemas?.isDiscovering ? this.#discover()?.candidates.length : undefined,
        },
      }),
      ...(this.#routes === undefined ? {} : { refused: this.routing }),
      pruning: this.#pruning(rules, routesByLogsource),
    };
  }

  /** What the API shows. */
  view(
    rules: () => RuleCollectionPart,
    routesByLogsource: () => boolean,
  ): ObserverView {
    /** Worked out once for a set of rules. */
    const tables = new WeakMap<readonly DetectionRule[], ReturnType<typeof ruleFieldTable>>();
    const table = (): ReturnType<typeof ruleFieldTable> => {
      const collection = rules();
      let known = tables.get(collection.rules);
      if (known === undefined) tables.set(collection.rules, known = ruleFieldTable(collection));
      return known;
    };
    return {
      fields: (): FieldReport | undefined =>
        this.#fields === undefined
          ? undefined
          : fieldReport(this.#fields.snapshot(), table(), this.#seconds(this.#fieldsSinceMs)),
      resetFields: () => {
        const fields = this.#fields;
        if (fields === undefined) return undefined;
        const { keys, events } = fields;
        fields.reset();
        this.#fieldsSinceMs = this.#now();
        return { keys, events };
      },
      schemas: () => this.#schemaReport(rules().rules, routesByLogsource()),
      resetSchemas: () => {
        const schemas = this.#schemas;
        if (schemas === undefined) return undefined;
        const { classified, unknown } = schemas.snapshot();
        schemas.reset();
        this.#discovery = undefined;
        this.#schemasSinceMs = this.#now();
        return { classified, unknown };
      },
      suggestions: () => {
        const found = this.#discover();
        return found === undefined ? undefined : discoveryReport(found);
      },
    };
  }

  #seconds(sinceMs: number): number {
    return Math.max(0, this.#now() - sinceMs) / 1000;
  }

  #schemaReport(
    rules: readonly DetectionRule[],
    routesByLogsource: boolean,
  ): SchemaReport | undefined {
    if (this.#schemas === undefined) return undefined;
    const counts = this.#schemas.snapshot();
    return {
      summary: {
        events_observed: counts.events,
        classified: counts.classified,
        unknown: counts.unknown,
        ambiguous: counts.ambiguous,
        uptime_seconds: this.#seconds(this.#schemasSinceMs),
      },
      by_schema: counts.bySchema.map(([schema, count]) => ({ schema, count })),
      unknown_shapes: counts.unknownShapes.map(({ keys, count }) => ({ keys: [...keys], count })),
      routing_pruning: this.#pruning(rules, routesByLogsource),
    };
  }

  /** For each schema that was met, how many rules its events meet. */
  #pruning(
    rules: readonly DetectionRule[],
    routesByLogsource: boolean,
  ): SchemaReport["routing_pruning"] {
    const routes = this.#routes;
    if (routes === undefined || this.#schemas === undefined || !routesByLogsource) return [];
    return this.#schemas.lifetime().bySchema.map(([schema]) => {
      const logsource = eventLogsource(routes.logsourceOf(schema) ?? {});
      const eligible = rules.filter((rule) => compatible(rule.logsource, logsource)).length;
      return { schema, eligible, pruned: rules.length - eligible };
    });
  }

  #discover(): Discovery | undefined {
    const schemas = this.#schemas;
    if (schemas === undefined || !schemas.isDiscovering) return undefined;
    const nowMs = this.#now();
    if (this.#discovery === undefined || Math.abs(nowMs - this.#discovery.atMs) > DISCOVERY_MS) {
      const groups = schemas.snapshot().minedShapes
        .map(({ keys, count }) => ({ keys, count, fields: NO_VALUES }));
      this.#discovery = {
        atMs: nowMs,
        found: discoverSchemas(groups, schemas.classifier.signatures),
      };
    }
    return this.#discovery.found;
  }
}

/** The rules in service. */
export type RuleCollectionPart = Pick<RuleCollection, "rules" | "correlations" | "filters">;

function eventLogsource(implied: StaticLogsource): EventLogsource {
  const { product, service, category, custom } = implied;
  return {
    ...(product === undefined ? {} : { product }),
    ...(service === undefined ? {} : { services: new Set([service]) }),
    ...(category === undefined ? {} : { categories: new Set([category]) }),
    ...(custom === undefined ? {} : { custom }),
  };
}
