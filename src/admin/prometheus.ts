/**
 * The metrics of the agent for Prometheus. Names, labels and buckets are the interface: dashboards of
 * rsigma work with the prefix `rsigma_`.
 *
 * @see daemon.md 12 and 19.3 to 19.6, delivery.md 20.12
 */
import { Registry } from "prom-client";
import type { BatchPhase, MetricsHook } from "../runtime/metrics.ts";
import type { Level } from "../sigma/rule.ts";
import type { Exposition } from "./admin_metrics.ts";
import { ApiMetrics } from "./api_metrics.ts";
import { Families, REQUEST_SECONDS } from "./families.ts";
import { ProcessMetrics } from "./process_metrics.ts";
import { type ScrapeFacts, ScrapeMetrics } from "./scrape_metrics.ts";
import { WeightedHistogram } from "./weighted_histogram.ts";

export interface PrometheusOptions {
  /** Default `picket`; the names begin with it and `_`. */
  readonly prefix?: "picket" | "rsigma";
  readonly version?: string;
  readonly commit?: string | null;
  /** `bun 1.4.5` */
  readonly runtime?: string;
}

/** Values of a label that comes from rules or the network; further ones become `other`. */
const MAX_LABEL_VALUES = 5000;

const SECONDS_9 = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1];
const SECONDS_10 = [...SECONDS_9, 0.5];
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
/** Event lag: from a moment to a day, and events from the future. */
const LAG_SECONDS = [-60, 0, 0.1, 0.5, 1, 5, 15, 60, 300, 3600, 86_400];
const PHASES: readonly BatchPhase[] = [
  "parse",
  "decode_merge",
  "observe",
  "evaluate",
  "result_merge",
  "dispatch",
];
const WEBHOOK_OUTCOMES = ["success", "permanent_failure", "rate_limited_wait"] as const;

/** Counts what the runtime, the delivery and, inherited, the API report. */
export class PrometheusMetrics extends ApiMetrics implements MetricsHook, Exposition {
  readonly contentType: string;
  readonly #registry: Registry;
  readonly #started = performance.now();
  readonly #ruleTitles = new LabelValues(MAX_LABEL_VALUES);
  #facts: (() => ScrapeFacts) | undefined;

  readonly #uptime;
  readonly #process;
  readonly #scrape;
  readonly #events;
  readonly #parseErrors;
  readonly #detections;
  readonly #correlations;
  readonly #detectionRules;
  readonly #correlationRules;
  readonly #failedRules;
  readonly #stateEntries;
  readonly #reloads;
  readonly #reloadsFailed;
  readonly #inputQueue;
  readonly #outputQueue;
  readonly #backPressure;
  readonly #processing;
  readonly #pipeline;
  readonly #batchSize;
  readonly #deadLetters;
  readonly #deadLettersBy;
  readonly #detectionsByRule;
  readonly #correlationsByRule;
  readonly #phases;
  readonly #sinkRetries;
  readonly #sinkDropped;
  readonly #sinkFailures;
  readonly #sinkErrors;
  readonly #sinkDelivered;
  readonly #sinkLastSuccess;
  readonly #webhookRequests;
  readonly #webhookSeconds;
  readonly #commits;
  readonly #commitSeconds;
  readonly #duplicates;
  readonly #diskFull;
  readonly #sourceLines;
  readonly #sourceBytes;
  readonly #eventLag;
  readonly #egressDenied;

  constructor(options: PrometheusOptions = {}) {
    const registry = new Registry();
    const prefix = `${options.prefix ?? "picket"}_`;
    const families = new Families(registry, prefix);
    super(families);
    this.#registry = registry;
    this.contentType = this.#registry.contentType;

    this.#events = families.counter("events_processed_total", "Events evaluated.");
    this.#parseErrors = families.counter("events_parse_errors_total", "Lines that did not parse.", [
      "format",
      "reason",
    ]);
    this.#detections = families.counter("detection_matches_total", "Detection results produced.");
    this.#correlations = families.counter(
      "correlation_matches_total",
      "Correlation results produced.",
    );
    this.#detectionRules = families.gauge("detection_rules_loaded", "Detection rules in service.");
    this.#correlationRules = families.gauge(
      "correlation_rules_loaded",
      "Correlation rules in service.",
    );
    this.#failedRules = families.gauge("rules_failed", "Rules and files that could not be used.");
    this.#stateEntries = families.gauge("correlation_state_entries", "Live correlation windows.");
    this.#reloads = families.counter("reloads_total", "Reloads after the start.");
    this.#reloadsFailed = families.counter(
      "reloads_failed_total",
      "Components that failed to reload.",
    );
    this.#inputQueue = families.gauge("input_queue_depth", "Events read and not yet evaluated.");
    this.#outputQueue = families.gauge("output_queue_depth", "Results not yet committed.");
    this.#backPressure = families.counter(
      "back_pressure_events_total",
      "Times a source had to wait.",
    );
    this.#processing = new WeightedHistogram(
      `${prefix}event_processing_seconds`,
      "Time to evaluate an event.",
      SECONDS_9,
      this.#registry,
    );
    this.#pipeline = families.histogram(
      "pipeline_latency_seconds",
      "From the first event of a batch to the commit of its results.",
      SECONDS_10,
    );
    this.#batchSize = families.histogram("batch_size", "Events in a batch.", BATCH_SIZES);
    this.#deadLetters = families.counter("dlq_events_total", "Dead letters.");
    this.#detectionsByRule = families.counter(
      "detection_matches_by_rule_total",
      "Detections by rule.",
      [
        "rule_title",
        "level",
      ],
    );
    this.#correlationsByRule = families.counter(
      "correlation_matches_by_rule_total",
      "Correlations by rule.",
      ["rule_title", "level", "correlation_type"],
    );
    this.#phases = families.histogram(
      "batch_phase_duration_seconds",
      "Time in each phase of a batch.",
      SECONDS_10,
      ["phase"],
    );
    for (const phase of PHASES) this.#phases.zero({ phase });

    this.#sinkRetries = families.counter("sink_retries_total", "Deliveries tried again.", ["sink"]);
    this.#sinkDropped = families.counter("sink_dropped_total", "Alerts dropped undelivered.", [
      "sink",
    ]);
    this.#sinkFailures = families.counter("sink_delivery_failures_total", "Alerts given up.", [
      "sink",
    ]);
    this.#sinkErrors = families.counter("sink_errors_total", "Failed deliveries.", [
      "sink",
      "class",
    ]);
    this.#sinkDelivered = families.counter("sink_delivered_total", "Alerts delivered.", [
      "sink",
      "kind",
    ]);
    this.#sinkLastSuccess = families.gauge(
      "sink_last_success_timestamp_seconds",
      "When a sink took an alert last, Unix seconds.",
      ["sink"],
    );
    this.#webhookRequests = families.counter("webhook_requests_total", "Requests of webhooks.", [
      "webhook_id",
      "outcome",
    ]);
    this.#webhookSeconds = families.histogram(
      "webhook_request_duration_seconds",
      "Time a webhook took to answer.",
      REQUEST_SECONDS,
      ["webhook_id"],
    );
    this.#commits = families.counter("outbox_commits_total", "Transactions of the outbox.");
    this.#commitSeconds = families.histogram(
      "outbox_commit_seconds",
      "Time of a transaction.",
      COMMIT_SECONDS,
    );
    this.#duplicates = families.counter(
      "outbox_duplicates_total",
      "Alerts that were there before.",
    );
    this.#diskFull = families.counter("outbox_disk_full_total", "Commits refused by a full disk.");
    this.#deadLettersBy = families.counter("dead_letter_total", "Dead letters by cause.", [
      "stage",
      "code",
    ]);
    this.#sourceLines = families.counter("source_lines_total", "Records read.", ["source"]);
    this.#sourceBytes = families.counter("source_bytes_total", "Bytes read.", ["source"]);
    this.#eventLag = new WeightedHistogram(
      `${prefix}event_lag_seconds`,
      "How old events are when they are evaluated.",
      LAG_SECONDS,
      this.#registry,
    );
    this.#egressDenied = families.counter("egress_denied_total", "Connections refused by policy.", [
      "class",
      "component",
    ]);

    this.#uptime = families.gauge("uptime_seconds", "Since the start.");
    families.gauge("build_info", "Always 1.", ["version", "commit", "runtime"]).set({
      version: options.version ?? "unknown",
      commit: options.commit ?? "unknown",
      runtime: options.runtime ?? "unknown",
    }, 1);
    this.#process = new ProcessMetrics(this.#registry, prefix);
    this.#scrape = new ScrapeMetrics(families);
  }

  /** Says where to ask for what is only worked out at a scrape. */
  onScrape(facts: () => ScrapeFacts): void {
    this.#facts = facts;
  }

  /** The exposition in text format 0.0.4. */
  async metrics(): Promise<string> {
    this.#uptime.set((performance.now() - this.#started) / 1000);
    await this.#process.update();
    if (this.#facts !== undefined) this.#scrape.update(this.#facts());
    return await this.#registry.metrics();
  }

  onEventsProcessed(count: number): void {
    this.#events.inc(count);
  }
  onParseError(format: string, reason: string): void {
    this.#parseErrors.inc({ format, reason });
  }
  onDetectionMatches(count: number): void {
    this.#detections.inc(count);
  }
  onCorrelationMatches(count: number): void {
    this.#correlations.inc(count);
  }
  onDetectionMatchDetail(ruleTitle: string, level: Level | null): void {
    const rule_title = this.#ruleTitles.bounded(ruleTitle);
    this.#detectionsByRule.inc({ rule_title, level: level ?? "unknown" });
  }
  onCorrelationMatchDetail(ruleTitle: string, level: Level | null, type: string): void {
    const rule_title = this.#ruleTitles.bounded(ruleTitle);
    this.#correlationsByRule.inc({ rule_title, level: level ?? "unknown", correlation_type: type });
  }
  observeProcessingLatency(seconds: number, events: number): void {
    this.#processing.observeMany(seconds, events);
  }
  observePipelineLatency(seconds: number): void {
    this.#pipeline.observe(seconds);
  }
  observeBatchSize(events: number): void {
    this.#batchSize.observe(events);
  }
  observeBatchPhase(phase: BatchPhase, seconds: number): void {
    this.#phases.observe({ phase }, seconds);
  }
  onInputQueueDepthChange(change: number): void {
    this.#inputQueue.inc(change);
  }
  onOutputQueueDepthChange(change: number): void {
    this.#outputQueue.inc(change);
  }
  onBackPressure(): void {
    this.#backPressure.inc();
  }
  setCorrelationStateEntries(entries: number): void {
    this.#stateEntries.set(entries);
  }
  setRulesLoaded(detection: number, correlation: number, failed: number): void {
    this.#detectionRules.set(detection);
    this.#correlationRules.set(correlation);
    this.#failedRules.set(failed);
  }
  onReload(failedComponents: number): void {
    this.#reloads.inc();
    this.#reloadsFailed.inc(failedComponents);
  }
  onInput(source: string, lines: number, bytes: number): void {
    this.#sourceLines.inc({ source }, lines);
    this.#sourceBytes.inc({ source }, bytes);
  }
  onCommit(seconds: number, _added: number, duplicates: number): void {
    this.#commits.inc();
    this.#commitSeconds.observe(seconds);
    this.#duplicates.inc(duplicates);
  }
  onDeadLetters(stage: string, code: string, count: number): void {
    this.#deadLetters.inc(count);
    this.#deadLettersBy.inc({ stage, code }, count);
  }
  registerSink(sink: string, kind: string): void {
    for (const counter of [this.#sinkRetries, this.#sinkDropped, this.#sinkFailures]) {
      counter.inc({ sink }, 0);
    }
    this.#sinkDelivered.inc({ sink, kind }, 0);
  }
  onSinkDelivered(sink: string, kind: string, alerts: number): void {
    this.#sinkDelivered.inc({ sink, kind }, alerts);
    this.#sinkLastSuccess.set({ sink }, Math.floor(Date.now() / 1000));
  }
  onSinkRetry(sink: string): void {
    this.#sinkRetries.inc({ sink });
  }
  onSinkDropped(sink: string, alerts: number): void {
    this.#sinkDropped.inc({ sink }, alerts);
  }
  onSinkFailure(sink: string, failure: string, final: boolean): void {
    this.#sinkErrors.inc({ sink, class: failure });
    if (final) this.#sinkFailures.inc({ sink });
  }
  onEgressDenied(addressClass: string, component: string): void {
    this.#egressDenied.inc({ class: addressClass, component });
  }
  onDiskFull(): void {
    this.#diskFull.inc();
  }
  /** Seconds between an event's time and now, of `events` events. */
  observeEventLag(seconds: number, events: number): void {
    this.#eventLag.observeMany(seconds, events);
  }
  registerWebhook(id: string): void {
    for (const outcome of WEBHOOK_OUTCOMES) {
      this.#webhookRequests.inc({ webhook_id: id, outcome }, 0);
    }
    this.#webhookSeconds.zero({ webhook_id: id });
  }
  onWebhookRequest(id: string, outcome: typeof WEBHOOK_OUTCOMES[number], seconds?: number): void {
    this.#webhookRequests.inc({ webhook_id: id, outcome });
    if (seconds !== undefined) this.#webhookSeconds.observe({ webhook_id: id }, seconds);
  }
}

/** Keeps the values of a label within bounds. */
class LabelValues {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  bounded(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max) return "other";
    this.#known.add(value);
    return value;
  }
}
