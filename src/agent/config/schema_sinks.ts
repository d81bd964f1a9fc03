/**
 * `sinks`: where alerts go.
 *
 * @see delivery.md, sections 8, 12.6, 20.5, 20.8 and 20.9
 */
import { z } from "zod";
import { natsSchema, secretKeys, tlsSchema } from "./schema_shared.ts";
import {
  count,
  headerName,
  id,
  leafKinds,
  path,
  size,
  text,
  texts,
  url,
  wait,
} from "./schema_values.ts";
import { LEVELS } from "../../sigma/rule.ts";

export const levelSchema = z.enum(LEVELS);

const common = {
  id: id().optional().describe("name in metrics and in the outbox; default: the type"),
  filter: z.strictObject({
    min_level: levelSchema.optional(),
    rules: z.array(text()).optional().describe("rule ids or titles, * and ? as wildcards"),
    exclude_rules: z.array(text()).optional(),
    kinds: z.array(z.enum(["detection", "correlation", "gap"])).optional(),
  }).optional().describe("which alerts it gets; default all"),
  batch_max: count(1, 10_000).optional().describe("alerts sent together at most, default 100"),
  linger: wait(0).optional().describe("how long to wait for more alerts, default 0s"),
  backoff_base: wait().optional().describe("first pause between tries, default 500ms"),
  backoff_max: wait().optional().describe("longest pause between tries, default 60s"),
  start: z.enum(["newest", "oldest"]).optional().describe(
    "where a new sink begins in the outbox, default newest",
  ),
};

export const stdoutSink = z.strictObject({
  type: z.literal("stdout"),
  ...common,
  pretty: z.boolean().optional().describe("indented JSON"),
});

export const fileSink = z.strictObject({
  type: z.literal("file"),
  ...common,
  path: path(),
  rotate: z.strictObject({
    max_bytes: size().optional().describe("default 100MiB, 0 never"),
    max_age: wait(0).optional().describe("default 24h, 0s never"),
    keep: count(0, 100_000).optional().describe("rotated files that stay, default 7"),
    gzip: z.boolean().optional().describe("default true"),
  }).optional(),
  fsync: z.enum(["always", "interval", "none"]).optional().describe("default always"),
});

export const unixSink = z.strictObject({ type: z.literal("unix"), ...common, path: path() });

export const natsSink = z.strictObject({
  type: z.literal("nats"),
  ...common,
  nats: natsSchema.optional().describe("what differs from the top-level nats block"),
  subject: text().regex(/^\S+$/, { error: "must not contain blanks" }).describe(
    "with ${agent.id}, ${agent.host}, ${alert.level}, ${alert.rule_id}, ${source.id}, " +
      "${label.NAME}, ${ENV_VAR}",
  ),
  jetstream: z.boolean().optional().describe(
    "false publishes without acknowledgement, so alerts can be lost; default true",
  ),
  stream: z.strictObject({
    expect: text().optional().describe("the stream that must answer"),
    create: z.boolean().optional().describe("make it if it is missing: for development"),
  }).optional(),
  headers: texts(headerName()).register(leafKinds, { kind: "headers" }).optional(),
  max_in_flight: count(1, 10_000).optional().describe("default 64"),
  ack_timeout: wait().optional(),
  expected_sequence: z.boolean().optional().describe(
    "one publish at a time: no duplicates whatever the duplicate window",
  ),
  compression: z.enum(["none", "gzip"]).optional(),
  min_duplicate_window: wait(0).optional().describe("warn below this, default 2m"),
});

const signingCommon = {
  ...secretKeys("secret"),
  ...secretKeys("rotate_secret"),
  secret_encoding: z.enum(["utf8", "base64"]).optional(),
};

export const signingSchema = z.strictObject({
  scheme: z.enum(["standard", "github", "custom"]).default("standard"),
  ...signingCommon,
  custom: z.strictObject({
    algorithm: z.enum(["sha256", "sha512"]).optional(),
    encoding: z.enum(["hex", "base64"]).optional(),
    signature_header: headerName(),
    value_format: text().describe("with {signature}, {timestamp}, {id}"),
    signed_payload: text().describe("with {body}, {timestamp}, {id}"),
    timestamp_header: headerName().optional(),
    id_header: headerName().optional(),
  }).optional(),
});

export const httpSink = z.strictObject({
  type: z.literal("http"),
  ...common,
  url: url().describe("${detection.…} and ${ENV_VAR} are replaced"),
  method: z.string().regex(/^[A-Za-z]{1,20}$/, { error: "must be an HTTP method" }).optional(),
  headers: texts(headerName()).register(leafKinds, { kind: "headers" }).optional(),
  ...secretKeys("bearer"),
  mode: z.enum(["ndjson", "json", "template"]).optional().describe(
    "ndjson (default) and json send batches, template one request an alert",
  ),
  body: text().optional().describe("for mode template"),
  gzip: z.boolean().optional(),
  max_batch_bytes: size(1024, 1 << 30).optional().describe("default 512KiB"),
  connect_timeout: wait().optional(),
  timeout: wait().optional(),
  rate_limit: z.strictObject({ requests: count(1, 1_000_000), per: wait() }).optional(),
  signing: signingSchema.optional(),
  tls: tlsSchema.optional(),
  proxy: url().optional().describe("env (default), none, or the URL of a proxy"),
  max_redirects: count(0, 10).optional(),
  expect_status: z.array(count(100, 599)).optional().describe("statuses that count besides 2xx"),
});

export const otlpSink = z.strictObject({
  type: z.literal("otlp"),
  ...common,
  endpoint: url().describe("https://collector:4318; ${ENV_VAR} is replaced"),
  protocol: z.enum(["http/protobuf", "http/json"]).optional().describe("default http/protobuf"),
  headers: texts(headerName()).register(leafKinds, { kind: "headers" }).optional(),
  ...secretKeys("bearer"),
  gzip: z.boolean().optional().describe("default true"),
  max_batch_bytes: size(1024, 1 << 30).optional().describe("default 512KiB"),
  connect_timeout: wait().optional(),
  timeout: wait().optional(),
  tls: tlsSchema.optional(),
  proxy: url().optional().describe("env (default), none, or the URL of a proxy"),
});

export const sinkSchema = z.discriminatedUnion("type", [
  stdoutSink,
  fileSink,
  unixSink,
  natsSink,
  httpSink,
  otlpSink,
]);
