/**
 * From the checked configuration to the settings that the parts of the agent take.
 */
import { isIP } from "node:net";
import { parseIpv6 } from "../../event/ip.ts";
import type { AgentConfig, ApiAddress, ApiConfig, ApiTokenConfig } from "./types.ts";
import type { CheckedConfig } from "./schema.ts";
import { makeSecret, type Making } from "./settings_nats.ts";
import { sinkSettings } from "./settings_sinks.ts";
import { sourceSettings } from "./settings_sources.ts";
import { bytes, defined, millis, textValues } from "./settings_values.ts";

/**
 * Everything in numbers, with secrets as functions.
 *
 * @param config Checked and cross-checked: ids are set, paths absolute.
 */
export function toSettings(config: CheckedConfig, making: Making): AgentConfig {
  const { egress, outbox, state } = config;
  return {
    agent: defined({ id: config.agent.id, labels: textValues(config.agent.labels) }),
    rules: defined({
      paths: config.rules.paths,
      embedded: config.rules.embedded,
      bundleKey: config.rules.bundle_key,
      onError: config.rules.on_error,
      minLevel: config.rules.min_level,
      disable: config.rules.disable,
      matchDetail: config.rules.match_detail,
      includeEvent: config.rules.include_event,
      logsourceRouting: config.rules.logsource_routing,
      logsourceFields: config.rules.logsource_fields === undefined
        ? undefined
        : defined(config.rules.logsource_fields),
    }),
    schema: defined({
      observe: config.schema.observe || config.schema.discover,
      discover: config.schema.discover,
      routing: config.schema.routing,
      config: config.schema.config,
      onUnknown: config.schema.on_unknown,
      partitionRules: config.schema.partition_rules,
    }),
    observeFields: {
      enabled: config.observe_fields.enabled,
      maxKeys: config.observe_fields.max_keys,
    },
    reload: {
      watch: config.reload.watch,
      debounceMs: millis(config.reload.debounce),
      pollIntervalMs: millis(config.reload.poll_interval),
    },
    sources: config.sources.map((source, at) => sourceSettings(source, ["sources", at], making)),
    sinks: config.sinks.map((sink, at) => sinkSettings(sink, ["sinks", at], making)),
    webhooks: config.webhooks,
    deadLetters: defined({
      sink: config.dead_letters.sink === undefined
        ? undefined
        : sinkSettings(config.dead_letters.sink, ["dead_letters", "sink"], making),
      keepParseErrors: config.dead_letters.keep_parse_errors,
      maxRecords: config.dead_letters.max_records,
    }),
    output: { nativeIds: config.output.native_ids },
    state: { path: state.path ?? making.statePath, fsync: state.fsync, required: state.required },
    outbox: {
      maxBytes: bytes(outbox.max_bytes),
      maxAgeMs: millis(outbox.max_age),
      minFreeBytes: bytes(outbox.min_free_bytes),
      onFull: outbox.on_full,
      fsync: state.fsync,
      retainMs: millis(outbox.retain),
    },
    egress: {
      policy: egress.policy,
      allowHosts: egress.allow_hosts,
      denyHosts: egress.deny_hosts,
      allowCidrs: egress.allow_cidrs,
      denyCidrs: egress.deny_cidrs,
      allowPorts: egress.allow_ports,
    },
    api: apiSettings(config.api, making),
    ui: config.ui,
    tap: {
      enabled: config.tap.enabled,
      bufferEvents: config.tap.buffer_events,
      maxSessions: config.tap.max_sessions,
      maxDurationMs: millis(config.tap.max_duration),
    },
    tail: {
      enabled: config.tail.enabled,
      bufferEvents: config.tail.buffer_events,
      maxSessions: config.tail.max_sessions,
    },
    log: defined({
      level: config.log.level,
      format: config.log.format,
      file: config.log.file === undefined ? undefined : {
        path: config.log.file.path,
        maxBytes: bytes(config.log.file.max_bytes),
        keep: config.log.file.keep,
      },
    }),
    limits: {
      batchSize: Math.min(config.limits.batch_size, config.limits.buffer_size),
      bufferSize: config.limits.buffer_size,
      commitWaitMs: millis(config.limits.commit_wait),
      maxLineBytes: bytes(config.limits.max_line_bytes),
    },
    stop: {
      sourcesMs: millis(config.stop.sources),
      commitMs: millis(config.stop.commit),
      deliverMs: millis(config.stop.deliver),
    },
    metrics: config.metrics,
  };
}

function apiSettings(api: CheckedConfig["api"], making: Making): ApiConfig {
  const { tls, auth } = api;
  return defined({
    enabled: api.enabled,
    address: parseApiAddress(api.addr) ?? { kind: "tcp", host: "127.0.0.1", port: 9090 },
    tls: tls.cert === undefined || tls.key === undefined ? undefined : defined({
      cert: tls.cert,
      key: tls.key,
      clientCa: tls.client_ca,
      minVersion: String(tls.min_version).endsWith("1.2") ? "1.2" : "1.3",
    }),
    allowPlaintext: tls.allow_plaintext,
    auth: {
      anonymousPermissions: auth.anonymous_permissions,
      roles: auth.roles,
      tokens: auth.tokens.map((token, at): ApiTokenConfig => ({
        name: token.name,
        grant: token.role === undefined
          ? { permissions: token.permissions ?? [] }
          : { role: token.role },
        token: makeSecret(token, "token", ["api", "auth", "tokens", at], making) ?? (() => ""),
      })),
      loopback: auth.loopback,
      allowedHosts: auth.allowed_hosts,
    },
    tokenFile: api.token_file,
    rateLimit: {
      requestsPerSecond: api.rate_limit.requests_per_second,
      burst: api.rate_limit.burst,
      ingestBytesPerSecond: bytes(api.rate_limit.ingest_bytes_per_second),
      authFailuresPerMinute: api.rate_limit.auth_failures_per_minute,
      lockoutMs: millis(api.rate_limit.lockout),
    },
    maxConnections: api.max_connections,
    maxBodyBytes: bytes(api.max_body_bytes),
    requestTimeoutMs: millis(api.request_timeout),
    audit: {
      enabled: api.audit.enabled,
      maxEntries: api.audit.max_entries,
      maxAgeMs: millis(api.audit.max_age),
      maxBodyBytes: bytes(api.audit.max_body_bytes),
    },
  });
}

/**
 * `127.0.0.1:9090`, `[::1]:9090`, `localhost:9090`, `unix:///run/picket.sock`; `undefined` for
 * anything else, names of hosts included.
 */
export function parseApiAddress(written: string): ApiAddress | undefined {
  if (written.startsWith("unix://")) {
    const path = written.slice("unix://".length);
    return path === "" ? undefined : { kind: "unix", path };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+|localhost)):([0-9]{1,5})$/.exec(written);
  if (match === null) return undefined;
  const [, six, four, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (six !== undefined) {
    return isIP(six) === 6 ? { kind: "tcp", host: six, port } : undefined;
  }
  const host = four === "localhost" ? "127.0.0.1" : four!;
  return isIP(host) === 4 ? { kind: "tcp", host, port } : undefined;
}

/** Whether only this machine can connect to it. */
export function isLocalAddress(address: ApiAddress): boolean {
  switch (address.kind) {
    case "unix":
      return true;
    case "tcp":
      return address.host.startsWith("127.") || isIpv6Loopback(address.host);
  }
}

function isIpv6Loopback(host: string): boolean {
  const groups = parseIpv6(host);
  return groups !== undefined && groups.slice(0, 7).every((group) => group === 0) &&
    groups[7] === 1;
}
