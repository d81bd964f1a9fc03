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
  readonly #redelivered = new Map<string, number>();
  readonly #families: Families;
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
  }

  update({ sinks, inputs, tlsExpiresMs }: ScrapeFacts): void {
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
    for (const { id, counts } of inputs) this.#countRedeliveries(id, counts["redeliveries"] ?? 0);
    if (tlsExpiresMs === undefined) return;
    // Made when it is needed: without TLS the family would tell a certificate that ends now.
    this.#expiry ??= this.#families.gauge(
      "tls_certificate_expiry_seconds",
      "Until the certificate of the API ends; negative afterwards.",
    );
    this.#expiry.set((tlsExpiresMs - Date.now()) / 1000);
  }

  /** A source that is made anew counts from 0; the total never falls. */
  #countRedeliveries(source: string, now: number): void {
    const before = this.#redelivered.get(source) ?? 0;
    this.#redeliveries.inc({ source }, now >= before ? now - before : now);
    this.#redelivered.set(source, now);
  }
}
