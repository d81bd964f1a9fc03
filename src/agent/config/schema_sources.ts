/**
 * `sources`: where events come from.
 *
 * @see delivery.md, sections 3 and 20.9
 */
import { z } from "zod";
import { compileFilter } from "../../decode/filter/compile.ts";
import { FilterError } from "../../decode/filter/errors.ts";
import { LINE_FORMATS } from "../../decode/parse_line.ts";
import { parseTimeZone, TimeZoneError } from "../../event/zone.ts";
import { natsAckSchema, natsSchema } from "./schema_shared.ts";
import { age, count, id, path, size, text, texts, wait } from "./schema_values.ts";

/** Lines longer than this are not lines. */
const MAX_LINE = 64 << 20;

/** `{jq: EXPR}` or `{jsonpath: EXPR}`, compiled once to see whether it can be. */
const filter = z.strictObject({
  jq: text().optional(),
  jsonpath: text().optional(),
}).superRefine((written, context) => {
  const { jq, jsonpath } = written;
  if ((jq === undefined) === (jsonpath === undefined)) {
    context.addIssue({ code: "custom", message: "must be {jq: EXPR} or {jsonpath: EXPR}" });
    return;
  }
  for (const kind of ["jq", "jsonpath"] as const) {
    const expression = written[kind];
    if (expression === undefined) continue;
    const problem = filterProblem(kind, expression);
    if (problem !== undefined) {
      context.addIssue({ code: "custom", message: problem, path: [kind] });
    }
  }
}).describe("picks events out of what was read: {jq: EXPR} or {jsonpath: EXPR}");

function filterProblem(kind: "jq" | "jsonpath", expression: string): string | undefined {
  try {
    compileFilter({ kind, expression });
    return undefined;
  } catch (error) {
    if (error instanceof FilterError) return error.message;
    throw error;
  }
}

const common = {
  id: id().optional().describe("name in metrics, positions and alerts; default: the type"),
  format: z.enum(LINE_FORMATS).optional().describe(
    "of each line; auto (default) tells by the line",
  ),
  logsource: z.strictObject({
    product: text().optional(),
    service: text().optional(),
    category: text().optional(),
    custom: z.record(z.string(), text()).optional(),
  }).optional().describe("what is known of events that do not tell it themselves"),
  labels: texts(text()).optional().describe("go into every alert of this source"),
  syslog_tz: z.string().refine(isTimeZone, {
    error: "must be an offset such as +02:00, UTC, or a zone such as Europe/Berlin",
  }).optional().describe(
    "zone of syslog timestamps without one: +HH:MM, UTC or a name such as Europe/Berlin; default UTC",
  ),
  syslog_strip_bom: z.boolean().optional().describe(
    "leave out a byte order mark that begins a syslog message; default true",
  ),
  filter: filter.optional(),
  json_array: z.enum(["explode", "keep"]).optional().describe(
    "a line that is a JSON array of objects: an event for each (explode, default) or one; a filter sees the array",
  ),
};

const lineLength = size(64, MAX_LINE).optional().describe("longer lines are cut; default 1MiB");
const startAt = z.enum(["start", "end"]).optional().describe(
  "where to begin at the first start; default end",
);

const regex = text().refine(isRegex, { error: "must be a regular expression" });

function isTimeZone(written: string): boolean {
  try {
    parseTimeZone(written);
    return true;
  } catch (error) {
    if (error instanceof TimeZoneError) return false;
    throw error;
  }
}

function isRegex(source: string): boolean {
  try {
    new RegExp(source, "u");
    return true;
  } catch {
    return false;
  }
}

export const fileSource = z.strictObject({
  type: z.literal("file"),
  ...common,
  paths: z.array(path()).min(1).describe("paths and globs: *, ?, **, {a,b}, [abc]"),
  exclude: z.array(path()).optional().describe("paths and globs that are left out"),
  start_at: startAt,
  encoding: z.enum(["utf-8", "utf-16le", "utf-16be", "latin1", "windows-1252"]).optional(),
  multiline: z.union([
    z.literal("indent"),
    z.literal("json"),
    z.literal("auditd"),
    z.strictObject({ start: regex }),
    z.strictObject({ end: regex }),
  ], { error: "must be indent, json, auditd, {start: REGEX} or {end: REGEX}" }).optional().describe(
    "how lines make up a record",
  ),
  max_line_bytes: lineLength,
  poll: wait(10).optional().describe("default 250ms"),
  read_rotated: z.boolean().optional().describe("catch up in rotated siblings; default true"),
  root: path().optional().describe("only files whose real path is inside this directory"),
});

export const evtxSource = z.strictObject({
  type: z.literal("evtx"),
  ...common,
  channels: z.array(text()).min(1).describe(
    "names of Windows channels (Security) or paths of .evtx files",
  ),
  start_at: startAt,
  poll: wait(10).optional().describe("default 500ms"),
});

export const journaldSource = z.strictObject({
  type: z.literal("journald"),
  ...common,
  units: z.array(text()).optional().describe("only these units; default all"),
  start_at: startAt,
  command: text().optional().describe("the program, default journalctl"),
  directory: path().optional().describe("of a journal that is not this machine's"),
});

export const stdinSource = z.strictObject({ type: z.literal("stdin"), ...common });

export const httpSource = z.strictObject({
  type: z.literal("http"),
  ...common,
  max_line_bytes: lineLength,
}).describe("POST /api/v1/events of the API");

const listen = text();

export const otlpSource = z.strictObject({
  type: z.literal("otlp"),
  ...common,
  http: listen.optional().describe(
    "address:port of a listener for OTLP over HTTP, such as 127.0.0.1:4318",
  ),
  grpc: listen.optional().describe(
    "address:port of a listener for OTLP over gRPC, such as 127.0.0.1:4317",
  ),
  tls: z.strictObject({
    cert: path().describe("PEM file: the certificate and those up to its authority"),
    key: path().describe("PEM file: its key"),
    client_ca: path().optional().describe("PEM file: clients must show a certificate of it"),
    min_version: z.enum(["1.2", "1.3"]).optional(),
  }).optional().describe("TLS of both listeners"),
  allow_plaintext: z.boolean().optional().describe("beyond loopback something else protects it"),
  require_token: z.boolean().optional().describe(
    "whether listeners want a token of the API with events:ingest; default: beyond loopback",
  ),
  body: z.enum(["keep", "parse"]).optional().describe(
    "parse reads a body that is a text as a line of format; default keep",
  ),
  max_body_bytes: size(1024, 1 << 30).optional().describe("default 4MiB"),
  max_inflated_bytes: size(1024, 1 << 30).optional().describe("the same unpacked, default 16MiB"),
  max_line_bytes: size(64, MAX_LINE).optional().describe(
    "larger records are refused; default 1MiB",
  ),
  max_connections: count(1, 10_000).optional().describe("of each listener, default 64"),
}).describe("POST /v1/logs of the API, and listeners of its own");

export const unixSource = z.strictObject({
  type: z.literal("unix"),
  ...common,
  path: path(),
  max_line_bytes: lineLength,
});

export const natsSource = z.strictObject({
  type: z.literal("nats"),
  ...common,
  nats: natsSchema.optional().describe("what differs from the top-level nats block"),
  subjects: z.array(text().regex(/^[^\s]+$/, { error: "must not contain blanks" })).min(1),
  stream: z.strictObject({
    name: text().optional(),
    create: z.boolean().optional().describe("make it if it is missing: for development"),
  }).optional(),
  consumer: z.strictObject({
    durable: z.string().regex(/^[A-Za-z0-9_-]{1,200}$/, {
      error: "must be letters, digits, dashes or underscores",
    }).optional(),
    mode: z.literal("pull").optional(),
    create: z.enum(["never", "if_missing", "update"]).optional(),
    deliver: z.union([
      z.enum(["resume", "all", "new", "last", "last_per_subject"]),
      z.strictObject({ sequence: count(1, Number.MAX_SAFE_INTEGER) }),
      z.strictObject({
        time: z.iso.datetime({
          offset: true,
          error: "must be a time such as 2026-11-23T08:00:00Z",
        }),
      }),
    ], {
      error: "must be resume, all, new, last, last_per_subject, {sequence: N} or {time: RFC3339}",
    }).optional(),
    on_existing: z.enum(["resume", "error", "recreate"]).optional(),
    ack: natsAckSchema.optional(),
    fetch: z.strictObject({
      batch: count(1, 10_000).optional(),
      bytes: size(1024, 1 << 30).optional(),
      expires: wait(1000).optional(),
      idle_heartbeat: wait(500).optional(),
    }).optional(),
    inactive_threshold: age().optional(),
    replicas: count(0, 5).optional(),
  }).optional(),
});

export const sourceSchema = z.discriminatedUnion("type", [
  fileSource,
  evtxSource,
  journaldSource,
  stdinSource,
  httpSource,
  otlpSource,
  unixSource,
  natsSource,
]);
