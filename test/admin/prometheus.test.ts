import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PrometheusMetrics } from "../../src/admin/prometheus.ts";
import { FakeView } from "./fake_view.ts";

interface Family {
  readonly type: string;
  readonly help: string;
  /** By name and labels as they are written. */
  readonly samples: Map<string, number>;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABELS = String.raw`\{(?:${NAME}="(?:[^"\\\n]|\\[\\"n])*"(?:,(?!\})|(?=\})))*\}`;
const SAMPLE = new RegExp(
  `^(${NAME})(${LABELS})? (NaN|[+-]?(?:Inf|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?))$`,
);

/** Reads text format 0.0.4; throws for what is none. */
function parse(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n"));
  const families = new Map<string, Family>();
  let current: { name: string; family: Family } | undefined;
  let help = "";
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    const header = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line);
    if (header !== null) {
      const [, kind, name, rest] = header;
      if (kind === "HELP") {
        help = rest!;
        continue;
      }
      assert.ok(["counter", "gauge", "histogram"].includes(rest!), line);
      assert.ok(!families.has(name!), `${name} comes once`);
      current = { name: name!, family: { type: rest!, help, samples: new Map() } };
      families.set(name!, current.family);
      continue;
    }
    const match = SAMPLE.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    const [, name, labels = "", value] = match;
    assert.ok(current !== undefined);
    const base = current.family.type === "histogram"
      ? name!.replace(/_(?:bucket|sum|count)$/, "")
      : name!;
    assert.equal(base, current.name, line);
    const key = name! + labels;
    assert.ok(!current.family.samples.has(key), `${key} comes once`);
    current.family.samples.set(key, Number(value!.replace("Inf", "Infinity")));
  }
  return families;
}

function make(prefix: "picket" | "rsigma" = "picket") {
  const view = new FakeView();
  const metrics = new PrometheusMetrics({ prefix, version: "0.1.0", runtime: "test 1" });
  metrics.onScrape(() => ({
    dropped: [{ reason: "max_bytes", level: "low", count: 3 }],
    sinks: view.sinks(),
    inputs: view.inputs(),
    tlsExpiresMs: Date.now() + 3_600_000,
  }));
  return { view, metrics, read: async () => parse(await metrics.metrics()) };
}

function sample(families: Map<string, Family>, key: string): number | undefined {
  const name = key.replace(/\{.*/, "");
  return (families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, "")))
    ?.samples.get(key);
}

// daemon.md 12.2, rows 1 to 19, 28 to 35, 42, 43, 55 to 60, 87, 88: name, type.
const CATALOGUE: readonly (readonly [string, string])[] = [
  ["events_processed_total", "counter"],
  ["events_parse_errors_total", "counter"],
  ["detection_matches_total", "counter"],
  ["correlation_matches_total", "counter"],
  ["detection_rules_loaded", "gauge"],
  ["correlation_rules_loaded", "gauge"],
  ["correlation_state_entries", "gauge"],
  ["reloads_total", "counter"],
  ["reloads_failed_total", "counter"],
  ["uptime_seconds", "gauge"],
  ["input_queue_depth", "gauge"],
  ["output_queue_depth", "gauge"],
  ["back_pressure_events_total", "counter"],
  ["event_processing_seconds", "histogram"],
  ["pipeline_latency_seconds", "histogram"],
  ["batch_size", "histogram"],
  ["dlq_events_total", "counter"],
  ["detection_matches_by_rule_total", "counter"],
  ["correlation_matches_by_rule_total", "counter"],
  ["api_auth_failures_total", "counter"],
  ["batch_phase_duration_seconds", "histogram"],
  ["sink_queue_depth", "gauge"],
  ["sink_retries_total", "counter"],
  ["sink_dropped_total", "counter"],
  ["sink_delivery_failures_total", "counter"],
  ["webhook_requests_total", "counter"],
  ["webhook_request_duration_seconds", "histogram"],
  ["tls_certificate_expiry_seconds", "gauge"],
  ["tls_active_connections", "gauge"],
  ["tap_sessions_total", "counter"],
  ["tap_active_sessions", "gauge"],
  ["tap_events_streamed_total", "counter"],
  ["tap_events_dropped_total", "counter"],
  ["tail_active_sessions", "gauge"],
  ["tail_detections_dropped_total", "counter"],
  ["audit_records_total", "counter"],
  ["audit_write_errors_total", "counter"],
  // daemon.md 19.2 to 19.6, delivery.md 20.12.
  ["api_requests_total", "counter"],
  ["api_request_seconds", "histogram"],
  ["api_rate_limited_total", "counter"],
  ["outbox_rows", "gauge"],
  ["outbox_bytes", "gauge"],
  ["outbox_oldest_age_seconds", "gauge"],
  ["outbox_commits_total", "counter"],
  ["outbox_commit_seconds", "histogram"],
  ["outbox_duplicates_total", "counter"],
  ["outbox_dropped_total", "counter"],
  ["outbox_disk_full_total", "counter"],
  ["sink_delivered_total", "counter"],
  ["sink_last_success_timestamp_seconds", "gauge"],
  ["sink_errors_total", "counter"],
  ["sink_up", "gauge"],
  ["sink_spool_bytes", "gauge"],
  ["sink_oldest_seconds", "gauge"],
  ["dead_letter_rows", "gauge"],
  ["dead_letter_total", "counter"],
  ["source_lag_seconds", "gauge"],
  ["source_paused", "gauge"],
  ["source_redeliveries_total", "counter"],
  ["egress_denied_total", "counter"],
  ["event_lag_seconds", "histogram"],
  ["build_info", "gauge"],
];

for (const prefix of ["picket", "rsigma"] as const) {
  test(`the exposition holds the catalogue with the prefix ${prefix}`, async () => {
    const families = await make(prefix).read();
    for (const [name, type] of CATALOGUE) {
      assert.equal(families.get(`${prefix}_${name}`)?.type, type, name);
      assert.notEqual(families.get(`${prefix}_${name}`)?.help, "");
    }
    for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes"]) {
      assert.ok(families.has(name), name);
      assert.ok([...families.get(name)!.samples.values()][0]! > 0, name);
    }
  });
}

// What must be there with 0 before anything happens.
const ZEROS: readonly string[] = [
  "picket_events_processed_total",
  "picket_reloads_failed_total",
  'picket_api_auth_failures_total{reason="unauthorized"}',
  'picket_api_auth_failures_total{reason="forbidden"}',
  'picket_sink_retries_total{sink="hub"}',
  'picket_sink_dropped_total{sink="hub"}',
  'picket_sink_delivery_failures_total{sink="hub"}',
  'picket_sink_delivered_total{sink="hub",kind="nats"}',
  'picket_webhook_requests_total{webhook_id="w",outcome="rate_limited_wait"}',
  'picket_webhook_request_duration_seconds_count{webhook_id="w"}',
  'picket_batch_phase_duration_seconds_count{phase="parse"}',
  'picket_batch_phase_duration_seconds_bucket{le="0.5",phase="dispatch"}',
  'picket_event_processing_seconds_bucket{le="0.00001"}',
  'picket_event_processing_seconds_bucket{le="+Inf"}',
];

test("series that are known beforehand begin at 0", async () => {
  const { metrics, read } = make();
  metrics.registerSink("hub", "nats");
  metrics.registerWebhook("w");
  const families = await read();
  for (const key of ZEROS) assert.equal(sample(families, key), 0, key);
});

test("what is reported is counted", async () => {
  const { metrics, read, view } = make();
  metrics.onEventsProcessed(5);
  metrics.onParseError("json", "decode_json");
  metrics.onParseError("auto", "filter");
  metrics.onParseError("auto", "filter");
  metrics.onDetectionMatchDetail('Say "hi"\n\\o/', null);
  metrics.observeProcessingLatency(0.00002, 3);
  metrics.observeProcessingLatency(7, 2);
  metrics.onInputQueueDepthChange(5);
  metrics.onInputQueueDepthChange(-2);
  metrics.onReload(2);
  metrics.onCommit(0.002, 4, 1);
  metrics.onDeadLetters("parse", "JSON_SYNTAX", 2);
  metrics.onSinkFailure("hub", "transient", false);
  metrics.onSinkFailure("hub", "poison", true);
  metrics.onTapSession(1);
  metrics.onTapSession(-1);
  metrics.onApiRequest("/api/v1/status", "GET", 200, 0.003);
  view.paused = true;
  const families = await read();
  const expected: readonly (readonly [string, number])[] = [
    ["picket_events_processed_total", 5],
    ['picket_events_parse_errors_total{format="json",reason="decode_json"}', 1],
    ['picket_events_parse_errors_total{format="auto",reason="filter"}', 2],
    [
      String
        .raw`picket_detection_matches_by_rule_total{rule_title="Say \"hi\"\n\\o/",level="unknown"}`,
      1,
    ],
    ['picket_event_processing_seconds_bucket{le="0.00005"}', 3],
    ['picket_event_processing_seconds_bucket{le="0.1"}', 3],
    ['picket_event_processing_seconds_bucket{le="+Inf"}', 5],
    ["picket_event_processing_seconds_count", 5],
    ["picket_input_queue_depth", 3],
    ["picket_reloads_total", 1],
    ["picket_reloads_failed_total", 2],
    ["picket_outbox_duplicates_total", 1],
    ['picket_outbox_dropped_total{reason="max_bytes",level="low"}', 3],
    ["picket_dlq_events_total", 2],
    ['picket_dead_letter_total{stage="parse",code="JSON_SYNTAX"}', 2],
    ['picket_sink_errors_total{sink="hub",class="transient"}', 1],
    ['picket_sink_delivery_failures_total{sink="hub"}', 1],
    ["picket_tap_sessions_total", 1],
    ["picket_tap_active_sessions", 0],
    ['picket_api_requests_total{route="/api/v1/status",method="GET",status="200"}', 1],
    ['picket_outbox_rows{sink="hub"}', 3],
    ['picket_outbox_oldest_age_seconds{sink="hub"}', 2.5],
    ['picket_sink_up{sink="hub"}', 0],
    ['picket_source_lag_bytes{source="auth"}', 3],
    ['picket_source_paused{source="auth",reason="operator"}', 1],
    ['picket_build_info{version="0.1.0",commit="unknown",runtime="test 1"}', 1],
  ];
  for (const [key, value] of expected) assert.equal(sample(families, key), value, key);
  const expiry = sample(families, "picket_tls_certificate_expiry_seconds")!;
  assert.ok(expiry > 3590 && expiry <= 3600);
  view.paused = false;
  assert.equal(
    sample(await read(), 'picket_source_paused{source="auth",reason="operator"}'),
    undefined,
  );
});

test("without TLS nothing is said about a certificate", async () => {
  const metrics = new PrometheusMetrics();
  metrics.onScrape(() => ({ sinks: [], inputs: [], tlsExpiresMs: undefined }));
  assert.equal(parse(await metrics.metrics()).has("picket_tls_certificate_expiry_seconds"), false);
});

test("rule titles beyond 5,000 are counted as other", async () => {
  const { metrics, read } = make();
  for (let at = 0; at < 5100; at++) metrics.onDetectionMatchDetail(`Rule ${at}`, "high");
  metrics.onDetectionMatchDetail("Rule 7", "high");
  const { samples } = (await read()).get("picket_detection_matches_by_rule_total")!;
  assert.equal(samples.size, 5001);
  const of = (title: string): number | undefined =>
    samples.get(`picket_detection_matches_by_rule_total{rule_title="${title}",level="high"}`);
  assert.deepEqual([of("other"), of("Rule 7")], [100, 2]);
});

test("whatever happens, the text is valid, counters never fall and histograms add up", async () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant("rule" as const), text }),
          fc.record({ kind: fc.constant("sink" as const), text }),
          fc.record({
            kind: fc.constant("latency" as const),
            seconds: fc.double({ min: 0, max: 10, noNaN: true }),
            events: fc.nat(1000),
          }),
          fc.record({ kind: fc.constant("commit" as const), count: fc.nat(100) }),
        ),
        { maxLength: 20 },
      ),
      async (actions) => {
        const { metrics, read } = make();
        const act = (): void => {
          for (const action of actions) {
            switch (action.kind) {
              case "rule":
                metrics.onDetectionMatchDetail(action.text, "low");
                break;
              case "sink":
                metrics.onSinkFailure(action.text, action.text, true);
                break;
              case "latency":
                metrics.observeProcessingLatency(action.seconds, action.events);
                break;
              case "commit":
                metrics.onCommit(action.count / 1000, action.count, 0);
                break;
            }
          }
        };
        act();
        const before = await read();
        act();
        const after = await read();
        for (const [name, { type, samples }] of before) {
          for (const [key, value] of samples) {
            if (type === "counter" || type === "histogram") {
              assert.ok(after.get(name)!.samples.get(key)! >= value, key);
            }
          }
        }
        const { samples } = after.get("picket_event_processing_seconds")!;
        const buckets = [...samples].filter(([key]) => key.includes("_bucket"))
          .map(([, value]) => value);
        assert.deepEqual(buckets, [...buckets].sort((left, right) => left - right));
        assert.equal(buckets.at(-1), samples.get("picket_event_processing_seconds_count"));
      },
    ),
    { numRuns: 50 },
  );
});
