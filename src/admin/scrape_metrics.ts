/**
 * Gauges about sinks, sources and the certificate, computed when somebody looks.
 */
import type { Counter, Gauge } from "prom-client";
import type { Families } from "./families.ts";
import type { InputInfo, SinkInfo } from "./view.ts";

/** What is asked for at each scrape. */
export interface ScrapeFacts {
  readonly sinks: readonly SinkInfo[];
  readonly inputs: readonly InputInfo[];
  /** Unix milliseconds; `undefined` without TLS. */
  readonly tlsExpiresMs: number | undefined;
  /** Alerts that had to go from the outbox, ever since the state file was made. */
  readonly dropped?: readonly {
    readonly reason: string;
    readonly level: string;
    readonly count: number;
  }[];
  /** Absent without NATS. */
  readonly nats?: NatsFacts;
  readonly observed?: ObservedFacts;
}

/** What is known of the fields, schemas and logsources of events, since the start. */
export interface ObservedFacts {
  readonly fields?: { readonly events: number; readonly keys: number; readonly overflow: number };
  readonly schemas?: {
    readonly bySchema: readonly (readonly [schema: string, count: number])[];
    readonly unknown: number;
    readonly ambiguous: number;
    /** Schemas that discovery would propose; `undefined` without it. */
    readonly clusters: number | undefined;
  };
  /** Events of no schema that were not evaluated; absent without routing by schema. */
  readonly refused?: { readonly dropped: number; readonly errors: number };
  readonly logsource?: { readonly pruned: number; readonly without: number };
  /** Rules by schema, where that decides which are evaluated. */
  readonly pruning?: readonly {
    readonly schema: string;
    readonly eligible: number;
    readonly pruned: number;
  }[];
}

/** What NATS connections and sinks have counted since they were made. */
export interface NatsFacts {
  readonly connections: readonly {
    readonly server: string;
    readonly state: string;
    readonly reconnects: number;
  }[];
  readonly sinks: readonly {
    readonly id: string;
    readonly duplicates: number;
    readonly ambiguous: number;
  }[];
}

type SinkRow = readonly [name: string, help: string, value: (sink: SinkInfo) => number];

const SINK_ROWS: readonly SinkRow[] = [
  ["sink_queue_depth", "Alerts that wait for a sink.", ({ backlog }) => backlog.alerts],
  ["sink_up", "1 while a sink takes alerts.", ({ state }) => state === "running" ? 1 : 0],
  ["sink_spool_bytes", "Bytes of alerts that wait.", ({ backlog }) => backlog.bytes],
  [
    "sink_oldest_seconds",
    "Age of the oldest alert that waits.",
    ({ backlog }) => backlog.oldest_seconds,
  ],
  ["outbox_rows", "Alerts that wait for a sink.", ({ backlog }) => backlog.alerts],
  ["outbox_bytes", "Bytes of alerts that wait.", ({ backlog }) => backlog.bytes],
  [
    "outbox_oldest_age_seconds",
    "Age of the oldest alert that waits.",
    ({ backlog }) => backlog.oldest_seconds,
  ],
  ["dead_letter_rows", "Dead letters kept.", (sink) => sink.dead_letters],
];
const LAG_UNITS = ["seconds", "bytes", "records"] as const;

export class ScrapeMetrics {
  readonly #sinks: readonly (readonly [Gauge<string>, (sink: SinkInfo) => number])[];
  readonly #lags: readonly (readonly [Gauge<string>, string])[];
  readonly #paused: Gauge<string>;
  readonly #redeliveries: Counter<string>;
  readonly #families: Families;
  readonly #dropped: Counter<string>;
  readonly #natsState: Gauge<string>;
  readonly #natsReconnects: Counter<string>;
  readonly #natsDuplicates: Counter<string>;
  readonly #natsAmbiguous: Counter<string>;
  /** By counter: what each label's source of counts told last. */
  readonly #seen = new Map<Counter<string>, Map<string, number>>();
  #expiry: Gauge<string> | undefined;
  readonly #observed: ReturnType<typeof observedFamilies>;

  constructor(families: Families) {
    this.#families = families;
    this.#observed = observedFamilies(families);
    this.#sinks = SINK_ROWS.map(([name, help, value]) => [
      families.gauge(name, help, ["sink"]),
      value,
    ]);
    this.#lags = LAG_UNITS.map((unit) => [
      families.gauge(`source_lag_${unit}`, `How far a source is behind its end, in ${unit}.`, [
        "source",
      ]),
      unit,
    ]);
    this.#paused = families.gauge("source_paused", "1 for each source that is not read.", [
      "source",
      "reason",
    ]);
    this.#redeliveries = families.counter(
      "source_redeliveries_total",
      "Records that a source gave again.",
      ["source"],
    );
    this.#dropped = families.counter(
      "outbox_dropped_total",
      "Alerts that had to go to keep the outbox within its bounds.",
      ["reason", "level"],
    );
    this.#natsState = families.gauge(
      "nats_connection_state",
      "1 for the state that a NATS connection is in.",
      ["server", "state"],
    );
    this.#natsReconnects = families.counter(
      "nats_reconnects_total",
      "NATS connections that were lost and replaced.",
      ["server"],
    );
    this.#natsDuplicates = families.counter(
      "nats_publish_duplicates_total",
      "Alerts that JetStream knew already.",
      ["sink"],
    );
    this.#natsAmbiguous = families.counter(
      "nats_ambiguous_total",
      "Alerts sent again without knowing whether they were stored.",
      ["sink"],
    );
  }

  update({ sinks, inputs, tlsExpiresMs, dropped = [], nats, observed }: ScrapeFacts): void {
    for (const [gauge, value] of this.#sinks) {
      gauge.reset();
      for (const sink of sinks) gauge.set({ sink: sink.id }, value(sink));
    }
    for (const [gauge, unit] of this.#lags) {
      gauge.reset();
      for (const { id, lag } of inputs) {
        if (lag[unit] !== undefined) gauge.set({ source: id }, lag[unit]);
      }
    }
    this.#paused.reset();
    for (const { id, paused_reason: reason } of inputs) {
      if (reason !== null) this.#paused.set({ source: id, reason }, 1);
    }
    for (const { id, counts } of inputs) {
      this.#advance(this.#redeliveries, { source: id }, counts["redeliveries"] ?? 0);
    }
    for (const { reason, level, count } of dropped) {
      this.#advance(this.#dropped, { reason, level }, count);
    }
    if (nats !== undefined) this.#updateNats(nats);
    if (observed !== undefined) this.#updateObserved(observed);
    if (tlsExpiresMs === undefined) return;
    // Made when it is needed: without TLS the family would tell a certificate that ends now.
    this.#expiry ??= this.#families.gauge(
      "tls_certificate_expiry_seconds",
      "Until the certificate of the API ends; negative afterwards.",
    );
    this.#expiry.set((tlsExpiresMs - Date.now()) / 1000);
  }

  #updateObserved({ fields, schemas, refused, logsource, pruning = [] }: ObservedFacts): void {
    const families = this.#observed;
    if (fields !== undefined) {
      this.#advance(families.fieldEvents, {}, fields.events);
      this.#advance(families.fieldOverflow, {}, fields.overflow);
      families.fieldKeys.set(fields.keys);
    }
    if (schemas !== undefined) {
      for (const [schema, count] of schemas.bySchema) {
        this.#advance(families.bySchema, { schema }, count);
      }
      this.#advance(families.unknown, {}, schemas.unknown);
      this.#advance(families.ambiguous, {}, schemas.ambiguous);
      if (schemas.clusters !== undefined) families.clusters.set(schemas.clusters);
    }
    if (refused !== undefined) {
      this.#advance(families.refused, { action: "drop" }, refused.dropped);
      this.#advance(families.refused, { action: "error" }, refused.errors);
    }
    if (logsource !== undefined) {
      this.#advance(families.pruned, {}, logsource.pruned);
      this.#advance(families.withoutLogsource, {}, logsource.without);
    }
    families.schemaEligible.reset();
    families.schemaPruned.reset();
    for (const { schema, eligible, pruned } of pruning) {
      families.schemaEligible.set({ schema }, eligible);
      families.schemaPruned.set({ schema }, pruned);
    }
  }

  #updateNats({ connections, sinks }: NatsFacts): void {
    this.#natsState.reset();
    for (const { server, state, reconnects } of connections) {
      this.#natsState.set({ server, state }, 1);
      this.#advance(this.#natsReconnects, { server }, reconnects);
    }
    for (const { id, duplicates, ambiguous } of sinks) {
      this.#advance(this.#natsDuplicates, { sink: id }, duplicates);
      this.#advance(this.#natsAmbiguous, { sink: id }, ambiguous);
    }
  }

  /** Whoever counts may be made anew and begin at 0; the total never falls. */
  #advance(counter: Counter<string>, labels: Readonly<Record<string, string>>, now: number): void {
    const seen = this.#seen.get(counter) ?? new Map<string, number>();
    this.#seen.set(counter, seen);
    const key = JSON.stringify(labels);
    const before = seen.get(key) ?? 0;
    counter.inc({ ...labels }, now >= before ? now - before : now);
    seen.set(key, now);
  }
}

/** Counters are fed from counts since the start, so that a reset of an observer does not stall them. */
function observedFamilies(families: Families) {
  return {
    fieldEvents: families.counter(
      "fields_observed_total",
      "Events whose fields were looked at.",
    ),
    fieldKeys: families.gauge(
      "fields_observer_unique_keys",
      "Distinct fields that are counted.",
    ),
    fieldOverflow: families.counter(
      "fields_observer_overflow_dropped_total",
      "Fields that were met and not counted for want of room.",
    ),
    bySchema: families.counter("events_by_schema_total", "Events of a schema.", ["schema"]),
    unknown: families.counter("events_unknown_schema_total", "Events of no schema."),
    ambiguous: families.counter(
      "events_ambiguous_schema_total",
      "Events of two schemas that say as much.",
    ),
    clusters: families.gauge(
      "unknown_schema_clusters",
      "Schemas that discovery would propose.",
    ),
    refused: families.counter(
      "events_refused_by_schema_total",
      "Events of no schema that were not evaluated.",
      ["action"],
    ),
    pruned: families.counter(
      "rules_pruned_by_logsource_total",
      "Rules that were not looked at since they are for other logsources, over all events.",
    ),
    withoutLogsource: families.counter(
      "events_without_logsource_total",
      "Events that every rule may be for, since nothing is known of their logsource.",
    ),
    schemaEligible: families.gauge(
      "schema_rules_eligible",
      "Rules that events of a schema meet.",
      ["schema"],
    ),
    schemaPruned: families.gauge(
      "schema_rules_pruned",
      "Rules that events of a schema are not for.",
      ["schema"],
    ),
  };
}
