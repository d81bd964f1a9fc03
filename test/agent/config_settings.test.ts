import assert from "node:assert/strict";
import { test } from "node:test";
import { configHints } from "../../src/agent/config/hints.ts";
import { parseApiAddress } from "../../src/agent/config/settings.ts";
import type {
  EvtxSourceSettings,
  FileSinkSettings,
  FileSourceSettings,
  HttpSinkSettings,
  HttpSourceSettings,
  JournaldSourceSettings,
  NatsSinkSettings,
  NatsSourceSettings,
  StdinSourceSettings,
  StdoutSinkSettings,
  UnixSinkSettings,
  UnixSourceSettings,
} from "../../src/runtime/settings.ts";
import { loadText, TempFiles } from "../support/config.ts";

/** With everything the type can have: a new setting without a key here fails to compile. */
type Complete<T> = { readonly [K in keyof Required<T>]: Exclude<T[K], undefined> };

/** Secrets are functions: what they give is compared. */
function plain(value: unknown): unknown {
  if (typeof value === "function") return `secret ${String(value())}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

const COMMON_SOURCE = "format: json, logsource: {product: p, service: s, category: c}, " +
  "labels: {a: 1}, syslog_tz: '-02:30', syslog_strip_bom: false, filter: {jq: .a}, json_array: keep";
const common = {
  format: "json",
  logsource: { product: "p", service: "s", category: "c" },
  labels: { a: "1" },
  syslogZone: { kind: "fixed", minutes: -150 },
  syslogStripBom: false,
  filter: { kind: "jq", expression: ".a" },
  jsonArray: "keep",
} as const;

const NATS = `
nats:
  servers: ["nats://a:4222", "tls://b"]
  name: "p/\${SITE}"
  auth: {user: u, password_env: PW}
  tls: {ca: /ca, cert: /cert, key: /key, server_name: n, insecure: true, required: true, first: true}
  jetstream: {domain: d, api_prefix: $JS.x.API, timeout: 7s}
  inbox_prefix: _INBOX.\${SITE}
  reconnect: {wait: 1s, max_wait: 2s, jitter: 3ms}
  ping: {interval: 4s, max_out: 5}
`;
const nats = {
  servers: ["nats://a:4222", "tls://b"],
  name: "p/hq",
  auth: { kind: "user", user: "u", password: "secret pw" },
  tls: {
    ca: "/ca",
    cert: "/cert",
    key: "/key",
    serverName: "n",
    insecure: true,
    required: true,
    first: true,
  },
  domain: "d",
  apiPrefix: "$JS.x.API",
  inboxPrefix: "_INBOX.hq",
  timeoutMs: 7000,
  reconnectWaitMs: 1000,
  reconnectMaxWaitMs: 2000,
  reconnectJitterMs: 3,
  pingIntervalMs: 4000,
  maxPingsOut: 5,
} as const;
const ENV = { SITE: "hq", PW: "pw", TOK: "tok", OLD: "old" };

test("every setting of every source can be configured", () => {
  using temp = new TempFiles();
  const { config } = loadText(
    `
sinks: [stdout]
sources:
  - {type: file, id: f, ${COMMON_SOURCE}, paths: [/a], exclude: [/b], start_at: start, encoding: utf-16le,
     multiline: {start: "^x"}, max_line_bytes: 2KiB, poll: 1s, read_rotated: false, root: /r}
  - {type: evtx, id: e, ${COMMON_SOURCE}, channels: [Security], start_at: start, poll: 2s}
  - {type: journald, id: j, ${COMMON_SOURCE}, units: [u], start_at: end, command: jc, directory: /d}
  - {type: stdin, id: s, ${COMMON_SOURCE}}
  - {type: http, id: h, ${COMMON_SOURCE}, max_line_bytes: 100}
  - {type: unix, id: u, ${COMMON_SOURCE}, path: /s, max_line_bytes: 1MiB}
  - type: nats
    id: n
    ${COMMON_SOURCE.replaceAll(/, (?=\w+:)(?![^{]*\})/g, "\n    ")}
    subjects: [a, b.>]
    stream: {name: S, create: true}
    consumer:
      durable: D
      mode: pull
      create: update
      deliver: {time: "2026-01-01T00:00:00Z"}
      on_existing: recreate
      ack: {policy: explicit, wait: 60s, max_pending: 2, max_deliver: 3, backoff: [1s, 2m], double: true}
      fetch: {batch: 10, bytes: 8MiB, expires: 30s, idle_heartbeat: 15s}
      inactive_threshold: 1h
      replicas: 3
${NATS}`,
    temp.directory,
    { env: ENV },
  );
  const file: Complete<FileSourceSettings> = {
    id: "f",
    ...common,
    type: "file",
    paths: ["/a"],
    exclude: ["/b"],
    startAt: "start",
    encoding: "utf-16le",
    multiline: { kind: "start", pattern: "^x" },
    maxLineBytes: 2048,
    pollMs: 1000,
    readRotated: false,
    root: "/r",
  };
  const evtx: Complete<EvtxSourceSettings> = {
    id: "e",
    ...common,
    type: "evtx",
    channels: ["Security"],
    startAt: "start",
    pollMs: 2000,
  };
  const journald: Complete<JournaldSourceSettings> = {
    id: "j",
    ...common,
    type: "journald",
    units: ["u"],
    startAt: "end",
    command: "jc",
    directory: "/d",
  };
  const stdin: Complete<StdinSourceSettings> = { id: "s", ...common, type: "stdin" };
  const http: Complete<HttpSourceSettings> = {
    id: "h",
    ...common,
    type: "http",
    maxLineBytes: 100,
  };
  const unix: Complete<UnixSourceSettings> = {
    id: "u",
    ...common,
    type: "unix",
    path: "/s",
    maxLineBytes: 1 << 20,
  };
  const central: Complete<Omit<NatsSourceSettings, "nats">> & { readonly nats: unknown } = {
    id: "n",
    ...common,
    type: "nats",
    nats,
    subjects: ["a", "b.>"],
    stream: "S",
    createStream: true,
    durable: "D",
    createConsumer: "update",
    replay: { kind: "time", timeMs: Date.UTC(2026, 0, 1) },
    onExisting: "recreate",
    ackWaitMs: 60_000,
    maxAckPending: 2,
    maxDeliver: 3,
    backoffMs: [1000, 120_000],
    doubleAck: true,
    fetchBatch: 10,
    fetchBytes: 8 << 20,
    fetchExpiresMs: 30_000,
    idleHeartbeatMs: 15_000,
    inactiveThresholdMs: 3_600_000,
    replicas: 3,
  };
  assert.deepEqual(plain(config.sources), [file, evtx, journald, stdin, http, unix, central]);
});

test("every setting of every sink can be configured", () => {
  using temp = new TempFiles();
  const shared = "filter: {min_level: high, rules: [a*], exclude_rules: [b], kinds: [gap]}, " +
    "batch_max: 9, linger: 1ms, backoff_base: 2ms, backoff_max: 3s, start: oldest";
  const { config } = loadText(
    `
sources: [stdin]
sinks:
  - {type: stdout, id: o, ${shared}, pretty: true}
  - {type: file, id: f, ${shared}, path: /p, rotate: {max_bytes: 1MiB, max_age: 1h, keep: 2, gzip: false}, fsync: none}
  - {type: unix, id: u, ${shared}, path: /s}
  - {type: nats, id: n, ${shared}, subject: "a.\${SITE}.\${agent.id}", jetstream: true, stream: {expect: A, create: true},
     headers: {X: 1}, max_in_flight: 4, ack_timeout: 5s, expected_sequence: true, compression: gzip,
     min_duplicate_window: 2m, nats: {auth: {token_env: TOK}, servers: [c]}}
  - type: http
    id: h
    filter: {min_level: high, rules: [a*], exclude_rules: [b], kinds: [gap]}
    batch_max: 9
    linger: 1ms
    backoff_base: 2ms
    backoff_max: 3s
    start: oldest
    url: "https://x/\${detection.rule.title}"
    method: put
    headers: {A: b}
    bearer_env: TOK
    mode: template
    body: "{}"
    gzip: true
    max_batch_bytes: 4KiB
    connect_timeout: 1s
    timeout: 2s
    rate_limit: {requests: 3, per: 1m}
    signing: {scheme: custom, secret_env: TOK, rotate_secret_env: OLD, secret_encoding: utf8,
      custom: {algorithm: sha512, encoding: base64, signature_header: S, value_format: "v={signature}",
               signed_payload: "{id}.{body}", timestamp_header: T, id_header: I}}
    tls: {ca: /ca, cert: /cert, key: /key, server_name: n, insecure: false}
    proxy: http://proxy:3128
    max_redirects: 1
    expect_status: [304]
egress: {policy: strict, allow_hosts: [a], deny_hosts: [b], allow_cidrs: [10.0.0.0/8], deny_cidrs: ["fc00::/7"], allow_ports: [443]}
${NATS}`,
    temp.directory,
    { env: ENV },
  );
  const rest = {
    filter: { minLevel: "high", rules: ["a*"], excludeRules: ["b"], kinds: ["gap"] },
    batchMax: 9,
    lingerMs: 1,
    backoffBaseMs: 2,
    backoffMaxMs: 3000,
    start: "oldest",
  } as const;
  const stdout: Complete<StdoutSinkSettings> = { id: "o", ...rest, type: "stdout", pretty: true };
  const file: Complete<FileSinkSettings> = {
    id: "f",
    ...rest,
    type: "file",
    path: "/p",
    rotateBytes: 1 << 20,
    rotateAgeMs: 3_600_000,
    rotateKeep: 2,
    rotateGzip: false,
    fsync: "none",
  };
  const unix: Complete<UnixSinkSettings> = { id: "u", ...rest, type: "unix", path: "/s" };
  const hub: Complete<Omit<NatsSinkSettings, "nats">> & { readonly nats: unknown } = {
    id: "n",
    ...rest,
    type: "nats",
    // Its own keys over the shared ones; `auth` as a whole.
    nats: { ...nats, servers: ["c"], auth: { kind: "token", token: "secret tok" } },
    subject: "a.hq.${agent.id}",
    jetstream: true,
    expectStream: "A",
    createStream: true,
    headers: { X: "1" },
    maxInFlight: 4,
    ackTimeoutMs: 5000,
    expectedSequence: true,
    gzip: true,
    minDuplicateWindowMs: 120_000,
  };
  const http: Complete<Omit<HttpSinkSettings, "bearer" | "signing">> & {
    readonly bearer: unknown;
    readonly signing: unknown;
  } = {
    id: "h",
    ...rest,
    type: "http",
    url: "https://x/${detection.rule.title}",
    method: "PUT",
    headers: { A: "b" },
    bearer: "secret tok",
    mode: "template",
    body: "{}",
    gzip: true,
    maxBatchBytes: 4096,
    connectTimeoutMs: 1000,
    timeoutMs: 2000,
    rateLimit: { requests: 3, perMs: 60_000 },
    signing: {
      scheme: "custom",
      secret: "secret tok",
      rotateSecret: "secret old",
      secretEncoding: "utf8",
      algorithm: "sha512",
      encoding: "base64",
      signatureHeader: "S",
      valueFormat: "v={signature}",
      signedPayload: "{id}.{body}",
      timestampHeader: "T",
      idHeader: "I",
    },
    tls: { ca: "/ca", cert: "/cert", key: "/key", serverName: "n", insecure: false },
    proxy: "http://proxy:3128",
    maxRedirects: 1,
    expectStatus: [304],
    egress: {
      policy: "strict",
      allowHosts: ["a"],
      denyHosts: ["b"],
      allowCidrs: ["10.0.0.0/8"],
      denyCidrs: ["fc00::/7"],
      allowPorts: [443],
    },
  };
  assert.deepEqual(plain(config.sinks), [stdout, file, unix, hub, http]);
});

// delivery.md, section 20.9: what `auth` says, what becomes of it.
const AUTHS: readonly (readonly [text: string, auth: unknown])[] = [
  ["{creds_file: /c}", { kind: "creds", file: "/c" }],
  ["{token_env: TOK}", { kind: "token", token: "secret tok" }],
  ["{nkey_seed_env: TOK}", { kind: "nkey", seed: "secret tok" }],
  ["{jwt_file: /j, nkey_seed_env: TOK}", { kind: "jwt", jwtFile: "/j", seed: "secret tok" }],
];
for (const [text, auth] of AUTHS) {
  test(`nats.auth ${text}`, () => {
    using temp = new TempFiles();
    const { config } = loadText(
      `sources: [stdin]\nsinks: [{type: nats, subject: a}]\nnats: {auth: ${text}}`,
      temp.directory,
      { env: ENV },
    );
    const [sink] = config.sinks;
    assert.ok(sink?.type === "nats");
    assert.deepEqual(plain(sink.nats.auth), auth);
  });
}

// daemon.md, sections 5 and 6.
const ADDRESSES: readonly (readonly [text: string, address: unknown])[] = [
  ["127.0.0.1:9090", { kind: "tcp", host: "127.0.0.1", port: 9090 }],
  ["localhost:0", { kind: "tcp", host: "127.0.0.1", port: 0 }],
  ["[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
  ["unix:///run/p.sock", { kind: "unix", path: "/run/p.sock" }],
  ["::1:80", undefined],
  ["[::1]", undefined],
  ["[1.2.3.4]:80", undefined],
  ["1.2.3:80", undefined],
  ["256.1.1.1:80", undefined],
  ["host:80", undefined],
  ["127.0.0.1:65536", undefined],
  ["9090", undefined],
];
for (const [text, address] of ADDRESSES) {
  test(`parseApiAddress() ${text}`, () => assert.deepEqual(parseApiAddress(text), address));
}

test("the rest of the configuration arrives in milliseconds and bytes", () => {
  using temp = new TempFiles();
  const { config } = loadText(
    `
sources: [stdin]
sinks: [stdout]
agent: {id: a1}
rules: {paths: [/r], embedded: true, bundle_key: /k, on_error: fail, min_level: low, disable: [x],
  match_detail: full, include_event: true, logsource_routing: false, logsource_fields: {service: svc}}
schema: {observe: true, config: /s.yml}
observe_fields: {enabled: true, max_keys: 9}
reload: {watch: false, debounce: 1s, poll_interval: 0s}
outbox: {max_bytes: 1GiB, max_age: 7d, min_free_bytes: 0, on_full: block, retain: 1h}
state: {path: /s, fsync: normal, required: true}
api:
  addr: "0.0.0.0:1"
  tls: {cert: /c, key: /k, client_ca: /ca, min_version: 1.2}
  token_file: /t
  auth: {roles: {soc: ["*:read"]}, tokens: [{name: n, role: soc, token_env: TOK}], allowed_hosts: [h]}
  rate_limit: {requests_per_second: 1, burst: 2, ingest_bytes_per_second: 1MiB, auth_failures_per_minute: 3, lockout: 4s}
  max_connections: 5
  max_body_bytes: 1MiB
  request_timeout: 6s
  audit: {enabled: false, max_entries: 7, max_age: 8h, max_body_bytes: 9}
log: {level: debug, format: json, file: {path: /l, max_bytes: 1MiB, keep: 1}}
limits: {batch_size: 500, buffer_size: 400, commit_wait: 1ms, max_line_bytes: 1KiB}
stop: {sources: 1s, commit: 2s, deliver: 3s}
metrics: {prefix: rsigma}
dead_letters: {sink: "file:///d", keep_parse_errors: true, max_records: 4}
output: {native_ids: false}
ui: {enabled: false}
tail: {enabled: false, buffer_events: 1, max_sessions: 1}
tap: {enabled: true, buffer_events: 2, max_sessions: 3, max_duration: 1m}
`,
    temp.directory,
    { env: ENV },
  );
  const { sources: _sources, sinks: _sinks, egress: _egress, webhooks: _webhooks, ...rest } =
    config;
  assert.deepEqual(plain(rest), {
    agent: { id: "a1", labels: {} },
    rules: {
      paths: ["/r"],
      embedded: true,
      bundleKey: "/k",
      onError: "fail",
      minLevel: "low",
      disable: ["x"],
      matchDetail: "full",
      includeEvent: true,
      logsourceRouting: false,
      logsourceFields: { service: "svc" },
    },
    schema: {
      observe: true,
      discover: false,
      routing: false,
      config: "/s.yml",
      partitionRules: false,
    },
    observeFields: { enabled: true, maxKeys: 9 },
    reload: { watch: false, debounceMs: 1000, pollIntervalMs: 0 },
    deadLetters: {
      sink: { id: "dead-letters", type: "file", path: "/d" },
      keepParseErrors: true,
      maxRecords: 4,
    },
    output: { nativeIds: false },
    state: { path: "/s", fsync: "normal", required: true },
    outbox: {
      maxBytes: 1 << 30,
      maxAgeMs: 604_800_000,
      minFreeBytes: 0,
      onFull: "block",
      fsync: "normal",
      retainMs: 3_600_000,
    },
    api: {
      enabled: true,
      address: { kind: "tcp", host: "0.0.0.0", port: 1 },
      tls: { cert: "/c", key: "/k", clientCa: "/ca", minVersion: "1.2" },
      allowPlaintext: false,
      auth: {
        anonymousPermissions: [],
        roles: { soc: ["*:read"] },
        tokens: [{ name: "n", grant: { role: "soc" }, token: "secret tok" }],
        loopback: "required",
        allowedHosts: ["h"],
      },
      tokenFile: "/t",
      rateLimit: {
        requestsPerSecond: 1,
        burst: 2,
        ingestBytesPerSecond: 1 << 20,
        authFailuresPerMinute: 3,
        lockoutMs: 4000,
      },
      maxConnections: 5,
      maxBodyBytes: 1 << 20,
      requestTimeoutMs: 6000,
      audit: { enabled: false, maxEntries: 7, maxAgeMs: 28_800_000, maxBodyBytes: 9 },
    },
    ui: { enabled: false },
    tap: { enabled: true, bufferEvents: 2, maxSessions: 3, maxDurationMs: 60_000 },
    tail: { enabled: false, bufferEvents: 1, maxSessions: 1 },
    log: { level: "debug", format: "json", file: { path: "/l", maxBytes: 1 << 20, keep: 1 } },
    // daemon.md, section 11.4: the batch is no larger than the buffer (delivery.md, 21.1, case 14).
    limits: { batchSize: 400, bufferSize: 400, commitWaitMs: 1, maxLineBytes: 1024 },
    stop: { sourcesMs: 1000, commitMs: 2000, deliverMs: 3000 },
    metrics: { prefix: "rsigma" },
  });
});

test("configHints() names what this machine lacks", () => {
  using temp = new TempFiles({ "there.log": "" });
  const loaded = loadText(
    "sources: [{type: file, paths: [there.log, gone.log, '*.log']}]\n" +
      "sinks: [{type: file, path: sub/out}, {type: file, path: there.log/out}]\n" +
      "nats: {auth: {token_env: GONE}}\nwebhooks: [w.yaml]\nstate: {path: s.db}\n",
    temp.directory,
  );
  const hints = configHints(loaded, {}).map(({ path, message }) => `${path}: ${message}`);
  assert.deepEqual(hints.map((hint) => hint.replaceAll(`${temp.directory}/`, "")), [
    "sources[0].paths: gone.log does not exist",
    "sinks[1].path: there.log is no directory",
    "nats.auth.token_env: environment variable GONE is unset or empty",
    "webhooks: w.yaml does not exist",
  ]);
});
