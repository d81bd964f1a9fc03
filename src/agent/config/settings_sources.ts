/**
 * Settings of sources.
 */
import { parseTimeZone } from "../../event/zone.ts";
import type { FilterSettings } from "../../decode/filter/types.ts";
import type {
  Multiline,
  NatsReplay,
  NatsSourceSettings,
  OtlpSourceSettings,
  SourceCommon,
  SourceSettings,
} from "../../runtime/settings.ts";
import type { CheckedSource } from "./schema.ts";
import { type Making, natsSettings } from "./settings_nats.ts";
import { bytes, defined, millis, textValues } from "./settings_values.ts";
import type { KeyPath } from "./tree.ts";

export function sourceSettings(
  source: CheckedSource,
  path: KeyPath,
  making: Making,
): SourceSettings {
  const common = sourceCommon(source);
  switch (source.type) {
    case "file":
      return defined({
        ...common,
        type: "file",
        paths: source.paths,
        exclude: source.exclude,
        startAt: source.start_at,
        encoding: source.encoding,
        multiline: multiline(source.multiline),
        maxLineBytes: bytes(source.max_line_bytes) ?? making.maxLineBytes,
        pollMs: millis(source.poll),
        readRotated: source.read_rotated,
        root: source.root,
      });
    case "evtx":
      return defined({
        ...common,
        type: "evtx",
        channels: source.channels,
        startAt: source.start_at,
        pollMs: millis(source.poll),
      });
    case "journald":
      return defined({
        ...common,
        type: "journald",
        units: source.units,
        startAt: source.start_at,
        command: source.command,
        directory: source.directory,
      });
    case "stdin":
      return { ...common, type: "stdin" };
    case "http":
      return defined({
        ...common,
        type: "http",
        maxLineBytes: bytes(source.max_line_bytes) ?? making.maxLineBytes,
      });
    case "otlp":
      return otlpSource(source, common, making);
    case "unix":
      return defined({
        ...common,
        type: "unix",
        path: source.path,
        maxLineBytes: bytes(source.max_line_bytes) ?? making.maxLineBytes,
      });
    case "nats":
      return natsSource(source, common, path, making);
  }
}

function sourceCommon(source: CheckedSource): SourceCommon {
  return defined({
    id: source.id ?? source.type,
    format: source.format,
    logsource: source.logsource === undefined ? undefined : defined({
      product: source.logsource.product,
      service: source.logsource.service,
      category: source.logsource.category,
      custom: source.logsource.custom,
    }),
    labels: source.labels === undefined ? undefined : textValues(source.labels),
    syslogZone: source.syslog_tz === undefined ? undefined : parseTimeZone(source.syslog_tz),
    syslogStripBom: source.syslog_strip_bom,
    filter: filterSettings(source.filter),
    jsonArray: source.json_array,
  });
}

/** One of the two is there: the schema says so. */
function filterSettings(written: CheckedSource["filter"]): FilterSettings | undefined {
  if (written?.jq !== undefined) return { kind: "jq", expression: written.jq };
  if (written?.jsonpath === undefined) return undefined;
  return { kind: "jsonpath", expression: written.jsonpath };
}

function multiline(
  written: Extract<CheckedSource, { type: "file" }>["multiline"],
): Multiline | undefined {
  if (written === undefined) return undefined;
  if (typeof written === "string") return { kind: written };
  return "start" in written
    ? { kind: "start", pattern: written.start }
    : { kind: "end", pattern: written.end };
}

function otlpSource(
  source: Extract<CheckedSource, { type: "otlp" }>,
  common: SourceCommon,
  making: Making,
): OtlpSourceSettings {
  const { tls } = source;
  return defined({
    ...common,
    type: "otlp",
    // Listeners want addresses: which of a name's would it be?
    http: source.http?.replace(/^localhost:/, "127.0.0.1:"),
    grpc: source.grpc?.replace(/^localhost:/, "127.0.0.1:"),
    tls: tls === undefined ? undefined : defined({
      cert: tls.cert,
      key: tls.key,
      clientCa: tls.client_ca,
      minVersion: tls.min_version,
    }),
    allowPlaintext: source.allow_plaintext,
    requireToken: source.require_token,
    body: source.body,
    maxBodyBytes: bytes(source.max_body_bytes),
    maxInflatedBytes: bytes(source.max_inflated_bytes),
    maxLineBytes: bytes(source.max_line_bytes) ?? making.maxLineBytes,
    maxConnections: source.max_connections,
  });
}

function natsSource(
  source: Extract<CheckedSource, { type: "nats" }>,
  common: SourceCommon,
  path: KeyPath,
  making: Making,
): NatsSourceSettings {
  const { stream, consumer } = source;
  return defined({
    ...common,
    type: "nats",
    nats: natsSettings(source.nats, path, making),
    subjects: source.subjects,
    stream: stream?.name,
    createStream: stream?.create,
    durable: consumer?.durable,
    createConsumer: consumer?.create,
    replay: consumer?.deliver === undefined ? undefined : replay(consumer.deliver),
    onExisting: consumer?.on_existing,
    ackWaitMs: millis(consumer?.ack?.wait),
    maxAckPending: consumer?.ack?.max_pending,
    maxDeliver: consumer?.ack?.max_deliver,
    backoffMs: consumer?.ack?.backoff?.map((step) => millis(step)),
    doubleAck: consumer?.ack?.double,
    fetchBatch: consumer?.fetch?.batch,
    fetchBytes: bytes(consumer?.fetch?.bytes),
    fetchExpiresMs: millis(consumer?.fetch?.expires),
    idleHeartbeatMs: millis(consumer?.fetch?.idle_heartbeat),
    inactiveThresholdMs: millis(consumer?.inactive_threshold),
    replicas: consumer?.replicas,
  });
}

type Deliver = NonNullable<
  NonNullable<Extract<CheckedSource, { type: "nats" }>["consumer"]>["deliver"]
>;

function replay(deliver: Deliver): NatsReplay {
  if (typeof deliver === "string") return { kind: deliver };
  return "sequence" in deliver
    ? { kind: "sequence", sequence: deliver.sequence }
    : { kind: "time", timeMs: Date.parse(deliver.time) };
}
