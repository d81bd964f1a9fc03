/**
 * Settings of sinks.
 */
import type {
  HttpSigning,
  HttpSinkSettings,
  NatsSinkSettings,
  OtlpSinkSettings,
  SinkCommon,
  SinkSettings,
} from "../../runtime/settings.ts";
import type { CheckedSink } from "./schema.ts";
import { expand, makeSecret, type Making, natsSettings, tlsSettings } from "./settings_nats.ts";
import { bytes, defined, millis, textValues } from "./settings_values.ts";
import type { KeyPath } from "./tree.ts";

export function sinkSettings(sink: CheckedSink, path: KeyPath, making: Making): SinkSettings {
  const common = sinkCommon(sink);
  switch (sink.type) {
    case "stdout":
      return defined({ ...common, type: "stdout", pretty: sink.pretty });
    case "file":
      return defined({
        ...common,
        type: "file",
        path: sink.path,
        rotateBytes: bytes(sink.rotate?.max_bytes),
        rotateAgeMs: millis(sink.rotate?.max_age),
        rotateKeep: sink.rotate?.keep,
        rotateGzip: sink.rotate?.gzip,
        fsync: sink.fsync,
      });
    case "unix":
      return { ...common, type: "unix", path: sink.path };
    case "nats":
      return natsSink(sink, common, path, making);
    case "http":
      return httpSink(sink, common, path, making);
    case "otlp":
      return otlpSink(sink, common, path, making);
  }
}

function sinkCommon(sink: CheckedSink): SinkCommon {
  return defined({
    id: sink.id ?? sink.type,
    filter: sink.filter === undefined ? undefined : defined({
      minLevel: sink.filter.min_level,
      rules: sink.filter.rules,
      excludeRules: sink.filter.exclude_rules,
      kinds: sink.filter.kinds,
    }),
    batchMax: sink.batch_max,
    lingerMs: millis(sink.linger),
    backoffBaseMs: millis(sink.backoff_base),
    backoffMaxMs: millis(sink.backoff_max),
    start: sink.start,
  });
}

function natsSink(
  sink: Extract<CheckedSink, { type: "nats" }>,
  common: SinkCommon,
  path: KeyPath,
  making: Making,
): NatsSinkSettings {
  return defined({
    ...common,
    type: "nats",
    nats: natsSettings(sink.nats, path, making),
    subject: expand(sink.subject, making.env),
    jetstream: sink.jetstream,
    expectStream: sink.stream?.expect,
    createStream: sink.stream?.create,
    headers: sink.headers === undefined ? undefined : textValues(sink.headers),
    maxInFlight: sink.max_in_flight,
    ackTimeoutMs: millis(sink.ack_timeout),
    expectedSequence: sink.expected_sequence,
    gzip: sink.compression === undefined ? undefined : sink.compression === "gzip",
    minDuplicateWindowMs: millis(sink.min_duplicate_window),
  });
}

function httpSink(
  sink: Extract<CheckedSink, { type: "http" }>,
  common: SinkCommon,
  path: KeyPath,
  making: Making,
): HttpSinkSettings {
  return defined({
    ...common,
    type: "http",
    url: sink.url,
    method: sink.method?.toUpperCase(),
    headers: sink.headers === undefined ? undefined : textValues(sink.headers),
    bearer: makeSecret(sink, "bearer", path, making),
    mode: sink.mode,
    body: sink.body,
    gzip: sink.gzip,
    maxBatchBytes: bytes(sink.max_batch_bytes),
    connectTimeoutMs: millis(sink.connect_timeout),
    timeoutMs: millis(sink.timeout),
    rateLimit: sink.rate_limit === undefined
      ? undefined
      : { requests: sink.rate_limit.requests, perMs: millis(sink.rate_limit.per) },
    signing: sink.signing === undefined
      ? undefined
      : signing(sink.signing, [...path, "signing"], making),
    tls: sink.tls === undefined ? undefined : tlsSettings(sink.tls),
    proxy: sink.proxy,
    maxRedirects: sink.max_redirects,
    expectStatus: sink.expect_status,
    egress: making.egress,
  });
}

function otlpSink(
  sink: Extract<CheckedSink, { type: "otlp" }>,
  common: SinkCommon,
  path: KeyPath,
  making: Making,
): OtlpSinkSettings {
  return defined({
    ...common,
    type: "otlp",
    endpoint: sink.endpoint,
    protocol: sink.protocol,
    headers: sink.headers === undefined ? undefined : textValues(sink.headers),
    bearer: makeSecret(sink, "bearer", path, making),
    gzip: sink.gzip,
    maxBatchBytes: bytes(sink.max_batch_bytes),
    connectTimeoutMs: millis(sink.connect_timeout),
    timeoutMs: millis(sink.timeout),
    tls: sink.tls === undefined ? undefined : tlsSettings(sink.tls),
    proxy: sink.proxy,
    egress: making.egress,
  });
}

function signing(
  written: NonNullable<Extract<CheckedSink, { type: "http" }>["signing"]>,
  path: KeyPath,
  making: Making,
): HttpSigning | undefined {
  const secret = makeSecret(written, "secret", path, making);
  if (secret === undefined) return undefined;
  const common = defined({
    secret,
    rotateSecret: makeSecret(written, "rotate_secret", path, making),
    secretEncoding: written.secret_encoding,
  });
  if (written.scheme !== "custom") return { ...common, scheme: written.scheme };
  const { custom } = written;
  if (custom === undefined) return undefined;
  return {
    ...common,
    ...defined({
      scheme: "custom",
      algorithm: custom.algorithm,
      encoding: custom.encoding,
      signatureHeader: custom.signature_header,
      valueFormat: custom.value_format,
      signedPayload: custom.signed_payload,
      timestampHeader: custom.timestamp_header,
      idHeader: custom.id_header,
    }),
  };
}
