/**
 * The sections of rsigma's configuration that Picket reads as well, so that such a file works.
 *
 * Keys are checked like Picket's own. `translate.ts` says what each means; sections of parts that
 * Picket does not have are accepted with a warning.
 *
 * @see daemon.md, section 11.4
 */
import { z } from "zod";
import { LINE_FORMATS } from "../../decode/parse_line.ts";
import { UNKNOWN_POLICIES } from "../../schema/config.ts";
import { count, path, text, wait } from "./schema_values.ts";

const anything = z.unknown();
const seconds = count(0, 1_000_000);

const tlsSchema = z.strictObject({
  cert: path().optional(),
  key: path().optional(),
  client_ca: path().optional(),
  min_version: z.union([z.number(), z.string()]).optional(),
  allow_plaintext: z.boolean().optional(),
});

const logsource = z.strictObject({
  product: text().optional(),
  service: text().optional(),
  category: text().optional(),
  custom: z.record(z.string(), z.string()).optional(),
});

/** What a key leaf of the section means is in `translate.ts`, by its path. */
export const daemonSchema = z.strictObject({
  rules: path().optional(),
  pipelines: anything.optional(),
  sources: anything.optional(),
  enrichers: anything.optional(),
  alert_pipeline: anything.optional(),
  risk: anything.optional(),
  api: z.strictObject({
    addr: text().optional(),
    tls: tlsSchema.optional(),
    auth: z.strictObject({
      anonymous_permissions: z.array(z.string()).optional(),
      roles: z.record(z.string(), z.array(z.string())).optional(),
      tokens: z.array(z.strictObject({
        name: text(),
        role: text().optional(),
        permissions: z.array(z.string()).optional(),
        token_env: text().optional(),
      })).optional(),
    }).optional(),
    audit: z.strictObject({
      enabled: z.boolean().optional(),
      max_entries: z.int().optional(),
      max_age: z.string().optional(),
      max_body_bytes: z.int().optional(),
      sink: anything.optional(),
    }).optional(),
  }).optional(),
  input: z.strictObject({
    source: text().optional(),
    format: z.enum(LINE_FORMATS).optional(),
    syslog_tz: z.string().optional(),
    syslog_strip_bom: z.boolean().optional(),
    buffer_size: z.int().optional(),
    batch_size: z.int().optional(),
    jq: text().optional(),
    jsonpath: text().optional(),
  }).optional(),
  output: z.strictObject({
    sinks: z.array(text()).optional(),
    dlq: text().optional(),
    drain_timeout: seconds.optional(),
    include_event: z.boolean().optional(),
    pretty: z.boolean().optional(),
    retry_max: anything.optional(),
    backoff_base_ms: count(1, 2_147_483_647).optional(),
    backoff_max_ms: count(1, 2_147_483_647).optional(),
    batch_max: count(1, 10_000).optional(),
    batch_flush_ms: anything.optional(),
    webhooks: z.array(path()).optional(),
  }).optional(),
  correlation: anything.optional(),
  state: z.strictObject({
    db: path().optional(),
    save_interval: anything.optional(),
  }).optional(),
  engine: z.strictObject({
    bloom_prefilter: anything.optional(),
    bloom_max_bytes: anything.optional(),
    cross_rule_ac: anything.optional(),
    observe_fields: z.boolean().optional(),
    observe_fields_max_keys: z.int().optional(),
    allow_remote_include: anything.optional(),
    match_detail: z.enum(["off", "summary", "full"]).optional(),
    egress_policy: z.enum(["default", "strict", "permissive"]).optional(),
  }).optional(),
  nats: z.strictObject({ consumer_group: text().optional() }).optional(),
  tap: z.strictObject({
    enabled: z.boolean().optional(),
    buffer_events: z.int().optional(),
    max_sessions: z.int().optional(),
    max_duration: wait().optional(),
  }).optional(),
  tail: z.strictObject({
    enabled: z.boolean().optional(),
    buffer_events: z.int().optional(),
    max_sessions: z.int().optional(),
  }).optional(),
  dispositions: anything.optional(),
  schema: z.strictObject({
    observe: z.boolean().optional(),
    discover: z.boolean().optional(),
    routing: z.boolean().optional(),
    partition_rules: z.boolean().optional(),
    config: path().optional(),
    on_unknown: z.enum(UNKNOWN_POLICIES).optional(),
  }).optional(),
  logsource_routing: z.strictObject({
    enabled: z.boolean().optional(),
    field_map: logsource.optional(),
    event_logsource: logsource.optional(),
    strict: anything.optional(),
  }).optional(),
}).meta({ deprecated: true, description: "rsigma's section, still read; picket's own keys win" });

/** Top-level sections of rsigma beside `daemon`. */
export const OTHER_SECTIONS = {
  global: z.strictObject({
    log_format: z.enum(["text", "json"]).optional(),
    color: anything.optional(),
    output_format: anything.optional(),
  }).meta({ deprecated: true }).optional(),
  eval: anything.meta({ deprecated: true }).optional(),
  backtest: anything.meta({ deprecated: true }).optional(),
  coverage: anything.meta({ deprecated: true }).optional(),
  scorecard: anything.meta({ deprecated: true }).optional(),
  visibility: anything.meta({ deprecated: true }).optional(),
  doc: anything.meta({ deprecated: true }).optional(),
  hygiene: anything.meta({ deprecated: true }).optional(),
  mcp: anything.meta({ deprecated: true }).optional(),
} as const;

/** What of a file is rsigma's. */
export const foreignSchema = z.strictObject({ daemon: daemonSchema.optional(), ...OTHER_SECTIONS });
