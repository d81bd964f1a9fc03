/**
 * The one schema of the configuration: types, checks, defaults, and the JSON Schema for editors.
 */
import { z } from "zod";
import { MATCH_DETAILS } from "../../engine/result.ts";
import { UNKNOWN_POLICIES } from "../../schema/config.ts";
import { DEFAULT_MAX_FIELDS } from "../../schema/field_observer.ts";
import { daemonSchema, OTHER_SECTIONS } from "./schema_daemon.ts";
import { natsSchema } from "./schema_shared.ts";
import { secretKeys } from "./schema_shared.ts";
import { levelSchema, sinkSchema } from "./schema_sinks.ts";
import { sourceSchema } from "./schema_sources.ts";
import { age, count, id, path, size, text, texts, wait } from "./schema_values.ts";

const permission = z.string().trim().regex(/^(?:\*|(?:\*|[a-z0-9_-]+):(?:\*|[a-z0-9_-]+))!?$/, {
  error: "must be a permission such as status:read, silences:* or *",
});

/** Sources, and sinks: each holds files, connections or a cursor in the outbox. */
const MAX_MEMBERS = 1000;

const agent = z.strictObject({
  id: id().optional().describe("default: made at the first start and kept in the state"),
  labels: texts(text()).default({}).describe("go into every alert"),
}).prefault({}).describe("who this agent is");

const rules = z.strictObject({
  paths: z.array(path()).default([]).describe("rule files, directories and bundles"),
  embedded: z.union([z.literal("auto"), z.boolean()], { error: "must be auto, true or false" })
    .default("auto").describe("auto: the embedded rules, unless paths names others"),
  bundle_key: path().optional().describe("PEM public key that bundles must be signed with"),
  on_error: z.enum(["skip", "fail"]).default("skip").describe("for rules that do not load"),
  min_level: levelSchema.optional(),
  disable: z.array(text()).default([]).describe("ids or titles of rules to leave out"),
  match_detail: z.enum(MATCH_DETAILS).default("off"),
  include_event: z.boolean().default(false).describe("put the whole event into each alert"),
  logsource_routing: z.boolean().default(true).describe(
    "evaluate a rule only on events of its logsource",
  ),
  logsource_fields: z.strictObject({
    product: text().optional(),
    service: text().optional(),
    category: text().optional(),
    custom: z.record(z.string(), text()).optional(),
  }).optional().describe("fields in which events tell their logsource"),
}).prefault({});

const schema = z.strictObject({
  observe: z.boolean().default(false).describe("count the schemas of events"),
  discover: z.boolean().default(false).describe("propose schemas for others; implies observe"),
  routing: z.boolean().default(false).describe("evaluate events as their schema says"),
  config: path().optional().describe("a file of schemas and bindings"),
  on_unknown: z.enum(UNKNOWN_POLICIES).optional().describe(
    "what becomes of events of no schema; default: what the file says, else warn",
  ),
  partition_rules: z.boolean().default(false).describe(
    "leave out rules for products that a schema is not of",
  ),
}).prefault({}).describe("what kind of log an event is from");

const observeFields = z.strictObject({
  enabled: z.boolean().default(false),
  max_keys: count(1, 10_000_000).default(DEFAULT_MAX_FIELDS),
}).prefault({}).describe("count which fields events have");

const reload = z.strictObject({
  watch: z.boolean().default(true).describe("reload when a rule or configuration file changes"),
  debounce: wait(0).default("500ms"),
  poll_interval: wait(0).default("60s").describe("look for changes this often, too; 0s never"),
}).prefault({});

const deadLetters = z.strictObject({
  sink: sinkSchema.optional().describe("where they go besides the state file"),
  keep_parse_errors: z.boolean().default(false).describe("keep lines that could not be decoded"),
  max_records: count(0, 10_000_000).default(10_000),
}).prefault({}).describe("what could not be decoded or delivered");

const state = z.strictObject({
  path: path().optional().describe("of the SQLite file; default depends on the system"),
  fsync: z.enum(["full", "normal"]).default("full").describe(
    "full survives a power cut, normal only a crash of the process",
  ),
  required: z.boolean().default(false).describe("refuse to start when it cannot be written"),
}).prefault({});

const outbox = z.strictObject({
  max_bytes: size(1 << 20).default("512MiB").describe("of waiting alerts"),
  max_age: age().default("30d"),
  min_free_bytes: size().default("256MiB").describe("disk space that stays free"),
  on_full: z.enum(["drop_lowest", "drop_oldest", "block"]).default("drop_lowest"),
  retain: age().default("0s").describe("keep delivered alerts this long"),
}).prefault({}).describe("bounds of what waits on disk for the sinks");

const hostname = text().regex(/^[^\s/]+$/, { error: "must be a host name" });
const egress = z.strictObject({
  policy: z.enum(["default", "strict", "permissive"]).default("default"),
  allow_hosts: z.array(hostname).default([]),
  deny_hosts: z.array(hostname).default([]),
  allow_cidrs: z.array(text()).default([]),
  deny_cidrs: z.array(text()).default([]),
  allow_ports: z.array(count(1, 65_535)).default([]),
}).prefault({}).describe("where outgoing connections may go");

const apiTls = z.strictObject({
  cert: path().optional().describe("PEM file, leaf first"),
  key: path().optional().describe("PEM file of the private key"),
  client_ca: path().optional().describe("client certificates must be signed by one of these"),
  min_version: z.union([
    z.literal(1.2),
    z.literal(1.3),
    z.enum(["1.2", "1.3"]),
    z.string().regex(/^(?:tls|TLS)1\.[23]$/),
  ], { error: "must be 1.2 or 1.3" }).default("1.3"),
  allow_plaintext: z.boolean().default(false).describe("allow a public address without TLS"),
}).prefault({});

const apiAuth = z.strictObject({
  anonymous_permissions: z.array(permission).default([]),
  roles: z.record(id(), z.array(permission).min(1)).default({}).describe("roles of one's own"),
  tokens: z.array(z.strictObject({
    name: id(),
    role: id().optional().describe("reader, operator, ingest, admin, or one of roles"),
    permissions: z.array(permission).min(1).optional(),
    ...secretKeys("token"),
  })).default([]),
  loopback: z.enum(["required", "trusted"]).default("required").describe(
    "whether callers on this machine need a token",
  ),
  allowed_hosts: z.array(hostname).default([]).describe("accepted values of the Host header"),
}).prefault({});

const api = z.strictObject({
  enabled: z.boolean().default(true),
  addr: text().default("127.0.0.1:9090").describe("address:port or unix:///path"),
  tls: apiTls,
  auth: apiAuth,
  token_file: path().optional().describe("the token store"),
  rate_limit: z.strictObject({
    requests_per_second: count(1, 1_000_000).default(20),
    burst: count(1, 1_000_000).default(40),
    ingest_bytes_per_second: size().default(0).describe("0: no limit"),
    auth_failures_per_minute: count(1, 1_000_000).default(5),
    lockout: wait(0).default("60s"),
  }).prefault({}),
  max_connections: count(1, 65_535).default(256),
  max_body_bytes: size(1024, 1 << 30).default("16MiB").describe("of one request, inflated"),
  request_timeout: wait(100).default("30s"),
  audit: z.strictObject({
    enabled: z.boolean().default(true),
    max_entries: count(1, 10_000_000).default(10_000),
    max_age: age().default("720h"),
    max_body_bytes: size(0, 1 << 30).default("64KiB"),
  }).prefault({}),
}).prefault({}).describe("the admin API");

const sessions = {
  buffer_events: count(1, 1_000_000).default(8192),
  max_sessions: count(1, 1000).default(2),
};

const log = z.strictObject({
  level: z.enum(["trace", "debug", "info", "warn", "error", "off"]).default("info"),
  format: z.enum(["auto", "text", "json"]).default("auto"),
  file: z.strictObject({
    path: path(),
    max_bytes: size(64 << 10).default("10MiB"),
    keep: count(0, 1000).default(5),
  }).optional(),
}).prefault({});

/** What Picket itself understands; what a file may say besides is in `configSchema`. */
const shape = {
  version: z.literal(1, { error: "must be 1" }).default(1),
  agent,
  rules,
  reload,
  schema,
  observe_fields: observeFields,
  sources: z.array(sourceSchema).max(MAX_MEMBERS).default([]).describe("where events come from"),
  sinks: z.array(sinkSchema).max(MAX_MEMBERS).default([]).describe("where alerts go"),
  nats: natsSchema.prefault({}).describe("shared by NATS sources and sinks"),
  webhooks: z.array(path()).default([]).describe("files and directories of webhook definitions"),
  dead_letters: deadLetters,
  output: z.strictObject({
    native_ids: z.boolean().default(true).describe("alert_id in each alert"),
  }).prefault({}),
  state,
  outbox,
  egress,
  api,
  ui: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
  tap: z.strictObject({
    enabled: z.boolean().default(false),
    ...sessions,
    max_duration: wait(1000).default("5m"),
  }).prefault({}).describe("live events over the API"),
  tail: z.strictObject({ enabled: z.boolean().default(true), ...sessions }).prefault({}).describe(
    "live alerts over the API",
  ),
  log,
  limits: z.strictObject({
    batch_size: count(1, 10_000).default(128).describe("events evaluated together"),
    buffer_size: count(1, 1_000_000).default(10_000).describe("events that wait"),
    commit_wait: wait(0).default("25ms").describe("how long a commit waits for more alerts"),
    max_line_bytes: size(64, 64 << 20).default("1MiB"),
  }).prefault({}),
  stop: z.strictObject({
    sources: wait(0).default("2s"),
    commit: wait(0).default("5s"),
    deliver: wait(0).default("10s"),
  }).prefault({}).describe("how long each part of stopping may take"),
  metrics: z.strictObject({
    prefix: z.enum(["picket", "rsigma"]).default("picket").describe(
      "of metric names; rsigma for existing dashboards",
    ),
  }).prefault({}),
};

/** The configuration proper, after older notations have been translated. */
export const configSchema = z.strictObject(shape);

/** A configuration that has been checked, still in the words of the file. */
export type CheckedConfig = z.output<typeof configSchema>;
export type CheckedSource = CheckedConfig["sources"][number];
export type CheckedSink = CheckedConfig["sinks"][number];
export type CheckedNats = CheckedConfig["nats"];

/** What a file may say. */
export const fileSchema = z.strictObject({
  ...shape,
  sources: z.array(z.union([sourceSchema, text()])).optional().describe("where events come from"),
  sinks: z.array(z.union([sinkSchema, text()])).optional().describe("where alerts go"),
  dead_letters: deadLetters.unwrap().extend({ sink: z.union([sinkSchema, text()]).optional() })
    .optional(),
  daemon: daemonSchema.optional(),
  ...OTHER_SECTIONS,
});
