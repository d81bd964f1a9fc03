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

  constructor(families: Families) {
    this.#families = families;
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

  update({ sinks, inputs, tlsExpiresMs, dropped = [], nats }: ScrapeFacts): void {
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
    if (tlsExpiresMs === undefined) return;
    // Made when it is needed: without TLS the family would tell a certificate that ends now.
    this.#expiry ??= this.#families.gauge(
      "tls_certificate_expiry_seconds",
      "Until the certificate of the API ends; negative afterwards.",
    );
    this.#expiry.set((tlsExpiresMs - Date.now()) / 1000);
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
