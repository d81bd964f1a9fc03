import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError, problemText } from "../../src/agent/config/problems.ts";
import { configSchema } from "../../src/agent/config/schema.ts";
import { parseSinkSpec, parseSourceSpec, splitSpec } from "../../src/agent/config/specs.ts";
import { nodeOf } from "../../src/agent/config/tree.ts";
import { validate } from "../../src/agent/config/validate.ts";
import { loadText, problemsOf, TempFiles } from "../support/config.ts";

// delivery.md, sections 3.1 and 21.1.
const SOURCES: readonly (readonly [spec: string, value: unknown])[] = [
  ["stdin", { type: "stdin" }],
  ["stdin://", { type: "stdin" }],
  ["STDIN", { type: "stdin" }],
  ["http", { type: "http" }],
  ["journald", { type: "journald" }],
  ["nats://h:4222/a.b.>", {
    type: "nats",
    nats: { servers: ["nats://h:4222"] },
    subjects: ["a.b.>"],
  }],
  ["nats://h:4222", { type: "nats", nats: { servers: ["nats://h:4222"] }, subjects: [">"] }],
  ["tls://h/a", { type: "nats", nats: { servers: ["tls://h"] }, subjects: ["a"] }],
  ["unix:///run/x.sock", { type: "unix", path: "/run/x.sock" }],
  ["file:///var/log/a.log", { type: "file", paths: ["/var/log/a.log"] }],
  ["file://a.log?start_at=start&max_line_bytes=2048&read_rotated=false", {
    type: "file",
    paths: ["a.log"],
    start_at: "start",
    max_line_bytes: 2048,
    read_rotated: false,
  }],
  ["/var/log/app?.log", { type: "file", paths: ["/var/log/app?.log"] }],
  ["otlp", { type: "otlp" }],
  ["otlp?grpc=127.0.0.1:4317", { type: "otlp", grpc: "127.0.0.1:4317" }],
  ["./a", { type: "file", paths: ["./a"] }],
  ["app.log", { type: "file", paths: ["app.log"] }],
  ["C:\\logs\\a.log", { type: "file", paths: ["C:\\logs\\a.log"] }],
  ["C:/logs/a.log", { type: "file", paths: ["C:/logs/a.log"] }],
  ["evtx:Microsoft-Windows-Sysmon/Operational", {
    type: "evtx",
    channels: ["Microsoft-Windows-Sysmon/Operational"],
  }],
  ["C:\\logs\\Security.EVTX", { type: "evtx", channels: ["C:\\logs\\Security.EVTX"] }],
];
for (const [spec, value] of SOURCES) {
  test(`parseSourceSpec() ${spec}`, () => assert.deepEqual(parseSourceSpec(spec).value, value));
}

// delivery.md, sections 8.1 and 21.1.
const SINKS: readonly (readonly [spec: string, value: unknown, ...warnings: RegExp[]])[] = [
  ["stdout", { type: "stdout" }],
  ["stdout://", { type: "stdout" }],
  ["stdout?format=ndjson", { type: "stdout" }],
  ["stdout?pretty=true", { type: "stdout", pretty: true }],
  ["file:///o.ndjson?on_full=drop&format=ndjson", { type: "file", path: "/o.ndjson" }, /on_full/],
  ["file:///o.ndjson?on_full=block", { type: "file", path: "/o.ndjson" }],
  ["file:///o.ndjson?on_full=later", { type: "file", path: "/o.ndjson" }, /unknown/],
  ["nats://h:4222/a.b", { type: "nats", nats: { servers: ["nats://h:4222"] }, subject: "a.b" }],
  ["unix:///s", { type: "unix", path: "/s" }],
  ["https://h/x?a=b&format=ocsf", { type: "http", url: "https://h/x?a=b&format=ocsf" }],
  ["otlphttp://h:4318", { type: "otlp", endpoint: "http://h:4318" }],
  ["otlphttps://h:1/x?compression=gzip&ca=/ca.pem&client_cert=/c.pem&client_key=/k.pem", {
    type: "otlp",
    endpoint: "https://h:1/x",
    gzip: true,
    tls: { ca: "/ca.pem", cert: "/c.pem", key: "/k.pem" },
  }],
  ["out/alerts.ndjson", { type: "file", path: "out/alerts.ndjson" }],
];
for (const [spec, value, ...warnings] of SINKS) {
  test(`parseSinkSpec() ${spec}`, () => {
    const result = parseSinkSpec(spec);
    assert.deepEqual(result.value, value);
    assert.equal(result.warnings.length, warnings.length);
    warnings.forEach((pattern, at) => assert.match(result.warnings[at]!, pattern));
  });
}

const REFUSED: readonly (readonly [parse: typeof parseSinkSpec, spec: string, message: RegExp])[] =
  [
    [parseSourceSpec, "kafka://h/x", /unsupported input source 'kafka'/],
    [parseSourceSpec, "stdinn", /unsupported input source 'stdinn' \(did you mean 'stdin'\?\)/],
    [parseSourceSpec, "", /unsupported input source/],
    [parseSourceSpec, "nats://h:4222/", /the subject behind the server is empty/],
    [parseSourceSpec, "nats:///a", /a server is missing/],
    [parseSourceSpec, "unix://", /a path is missing/],
    [parseSourceSpec, "http://h/x", /nothing may stand behind 'http'/],
    [parseSinkSpec, "stdout?format", /unknown sink format/],
    [parseSinkSpec, "stdout?format=bogus", /unknown sink format/],
    [parseSinkSpec, "stdout?format=ocsf", /'ocsf' is not supported by this version/],
    [parseSinkSpec, "stdout?format=ndjson&format=ocsf", /may be specified only once/],
    // delivery.md 21.1 row 5.
    [parseSinkSpec, "otlphttp://h:1?format=ndjson", /'format' is not supported on OTLP sinks/],
    [parseSinkSpec, "otlphttps://", /a host is missing/],
    [parseSinkSpec, "otlps://h:4317", /use otlphttps:\/\/HOST:4318/],
    [parseSinkSpec, "file://a?x=1&x=2", /parameter 'x' is there twice/],
    [parseSinkSpec, "file://a?__proto__=1", /not a key/],
  ];
for (const [parse, spec, message] of REFUSED) {
  test(`${parse.name}() refuses ${JSON.stringify(spec)}`, () => {
    assert.throws(() => parse(spec), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, message);
      return true;
    });
  });
}

test("splitSpec() splits at the first question mark and decodes nothing", () => {
  assert.deepEqual(splitSpec("file:///o.ndjson?on_full=drop&format=ocsf"), {
    base: "file:///o.ndjson",
    pairs: [["on_full", "drop"], ["format", "ocsf"]],
  });
  assert.deepEqual(splitSpec("stdout?format"), { base: "stdout", pairs: [["format", ""]] });
  assert.deepEqual(splitSpec("stdout?a=%20=?"), { base: "stdout", pairs: [["a", "%20=?"]] });
});

test("any text is a source or sink, or a ConfigError, and what it gives passes the schema or is told", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 100 }),
    fc.tuple(
      fc.constantFrom("file://", "nats://", "unix://", "evtx:", "stdout", "https://", "stdin", ""),
      fc.string({ maxLength: 30 }),
      fc.constantFrom("", "?on_full=drop", "?format=ndjson", "?id=x&batch_max=3", "?=&&"),
    ).map((parts) => parts.join("")),
  );
  fc.assert(fc.property(text, (spec) => {
    for (
      const [section, parse] of [["sources", parseSourceSpec], ["sinks", parseSinkSpec]] as const
    ) {
      try {
        const { value } = parse(spec);
        const root = nodeOf({ [section]: [value] }, { origin: { kind: "flag" }, layer: 1 });
        validate(configSchema, root);
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }
  }));
});

/** Every key of the reference's daemon section that Picket gives a meaning. */
const RSIGMA = `
version: 1
global: {log_format: json}
daemon:
  rules: rules/
  api:
    addr: 127.0.0.1:7000
    tls: {cert: c.pem, key: k.pem, client_ca: ca.pem, min_version: "tls1.2"}
    auth: {anonymous_permissions: ["metrics:read"], roles: {soc: ["*:read"]},
           tokens: [{name: prom, role: soc, token_env: TOK}]}
    audit: {enabled: true, max_entries: 5, max_age: 24h, max_body_bytes: 1024}
  input: {source: "nats://h:4222/edge.>", format: json, syslog_tz: "+01:00", buffer_size: 500,
          batch_size: 50, jq: ".Records[]?"}
  output:
    sinks: ["stdout?on_full=block", "file:///tmp/x.ndjson"]
    dlq: file:///tmp/dlq.ndjson
    drain_timeout: 7
    include_event: true
    pretty: true
    backoff_base_ms: 100
    backoff_max_ms: 5000
    batch_max: 64
    webhooks: [hooks.yaml]
  state: {db: state.db}
  engine: {match_detail: summary, egress_policy: strict, observe_fields: true, observe_fields_max_keys: 7}
  schema: {discover: true, routing: true, partition_rules: true, config: s.yml, on_unknown: drop}
  nats: {consumer_group: grp}
  tap: {enabled: true, buffer_events: 10, max_sessions: 3, max_duration: 2m}
  tail: {enabled: false, buffer_events: 11, max_sessions: 4}
  logsource_routing: {enabled: false, field_map: {product: os, custom: {x: y}},
    event_logsource: {product: windows, custom: {a: b}}}
`;

// daemon.md, section 11.4.
test("a configuration of rsigma works", () => {
  using temp = new TempFiles();
  const { config, warnings } = loadText(RSIGMA, temp.directory, { env: { TOK: "t" } });
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.rules.paths, [temp.path("rules/")]);
  assert.equal(config.rules.matchDetail, "summary");
  assert.equal(config.rules.includeEvent, true);
  assert.equal(config.rules.logsourceRouting, false);
  assert.deepEqual(config.rules.logsourceFields, { product: "os", custom: { x: "y" } });
  assert.deepEqual(config.schema, {
    observe: true,
    discover: true,
    routing: true,
    config: temp.path("s.yml"),
    onUnknown: "drop",
    partitionRules: true,
  });
  assert.deepEqual(config.observeFields, { enabled: true, maxKeys: 7 });
  assert.deepEqual(config.sources, [{
    id: "nats",
    type: "nats",
    nats: { servers: ["nats://h:4222"] },
    subjects: ["edge.>"],
    durable: "grp",
    format: "json",
    syslogZone: { kind: "fixed", minutes: 60 },
    filter: { kind: "jq", expression: ".Records[]?" },
    logsource: { product: "windows", custom: { a: "b" } },
  }]);
  const batching = { batchMax: 64, backoffBaseMs: 100, backoffMaxMs: 5000 };
  assert.deepEqual(config.sinks, [
    { id: "stdout", type: "stdout", pretty: true, ...batching },
    { id: "file", type: "file", path: "/tmp/x.ndjson", ...batching },
  ]);
  assert.equal(config.deadLetters.sink?.type, "file");
  assert.deepEqual(config.webhooks, [temp.path("hooks.yaml")]);
  assert.deepEqual(config.limits.bufferSize, 500);
  assert.deepEqual(config.limits.batchSize, 50);
  assert.equal(config.stop.deliverMs, 7000);
  assert.equal(config.state.path, temp.path("state.db"));
  assert.equal(config.egress.policy, "strict");
  assert.deepEqual(config.api.address, { kind: "tcp", host: "127.0.0.1", port: 7000 });
  assert.deepEqual(config.api.tls, {
    cert: temp.path("c.pem"),
    key: temp.path("k.pem"),
    clientCa: temp.path("ca.pem"),
    minVersion: "1.2",
  });
  assert.equal(config.api.auth.tokens[0]!.token(), "t");
  assert.deepEqual(config.api.audit, {
    enabled: true,
    maxEntries: 5,
    maxAgeMs: 86_400_000,
    maxBodyBytes: 1024,
  });
  assert.deepEqual(config.tap, {
    enabled: true,
    bufferEvents: 10,
    maxSessions: 3,
    maxDurationMs: 120_000,
  });
  assert.deepEqual(config.tail, { enabled: false, bufferEvents: 11, maxSessions: 4 });
  assert.equal(config.log.format, "json");
});

const IO = "sources: [stdin]\nsinks: [stdout]\n";

test("sections of rsigma that Picket does not have are said, never passed over in silence", () => {
  const text =
    `${IO}daemon: {pipelines: [sysmon], correlation: {suppress: 5m}, enrichers: e.yaml,` +
    " alert_pipeline: a, risk: r," +
    " output: {retry_max: 3}, state: {save_interval: 30}, engine: {bloom_prefilter: true}}\n" +
    "eval: {rules: x}\nhygiene: {}\nglobal: {color: always}\n";
  const told = problemsOf(text).map((line) => line.replace(/^warning: c\.yaml:\d+:\d+: /, ""));
  assert.deepEqual(
    told.filter((line) => line.includes("not supported")),
    [
      "daemon.pipelines",
      "daemon.enrichers",
      "daemon.alert_pipeline",
      "daemon.risk",
      "daemon.correlation",
      "hygiene",
    ].map((key) => `${key}: is not supported by this version and has no effect`),
  );
  assert.deepEqual(
    told.filter((line) => line.includes("has no effect: ")).map((line) => line.split(":")[0]),
    [
      "daemon.output.retry_max",
      "daemon.state.save_interval",
      "daemon.engine.bloom_prefilter",
      "global.color",
      "eval",
    ],
  );
});

// inputs.md, section 11.
test("a filter of rsigma that cannot be compiled is told by its own name", () => {
  assert.deepEqual(problemsOf("sinks: [stdout]\ndaemon: {input: {jq: '.['}}\n"), [
    "c.yaml:2:22: daemon.input.jq: Invalid jq filter '.[': unexpected the end, expected a filter at character 3",
  ]);
});

// What is written behind IO, what is said about it.
const DAEMON_PROBLEMS: readonly (readonly [text: string, problem: string])[] = [
  [
    "daemon: {engine: {match_detial: full}}",
    "c.yaml:3:19: daemon.engine.match_detial: unknown key (did you mean 'match_detail'?)",
  ],
  [
    "daemon: {api: {addr: 0.0.0.0:9090}}",
    "c.yaml:3:22: daemon.api.addr: refusing to bind plaintext on non-loopback address (set api.tls.cert and api.tls.key, or api.tls.allow_plaintext: true)",
  ],
  [
    "daemon: {input: {buffer_size: 0}}",
    "c.yaml:3:31: daemon.input.buffer_size: must be at least 1",
  ],
  [
    "daemon: {api: {addr: '127.0.0.1:1'}}\napi: {addr: '127.0.0.1:2'}",
    "warning: c.yaml:3:22: daemon.api.addr: is ignored: api.addr says the same",
  ],
  [
    "daemon: {api: {audit: {max_age: x}}}",
    "c.yaml:3:33: daemon.api.audit.max_age: must be a duration with units, such as 30s, 5m or 1h 30m",
  ],
];
for (const [text, problem] of DAEMON_PROBLEMS) {
  test(`a configuration with ${text} is told by its own names`, () => {
    assert.deepEqual(problemsOf(`${IO}${text}\n`), [problem]);
  });
}

test("a higher layer wins under either name", () => {
  using temp = new TempFiles();
  const options = { env: { PICKET_DAEMON__API__ADDR: "127.0.0.1:2" } };
  const first = loadText(`${IO}api: {addr: "127.0.0.1:1"}`, temp.directory, options);
  assert.deepEqual(first.config.api.address, { kind: "tcp", host: "127.0.0.1", port: 2 });
  assert.deepEqual(first.warnings.map(problemText), []);
  const second = loadText(`${IO}daemon: {api: {addr: "127.0.0.1:1"}}`, temp.directory, {
    env: { PICKET_API__ADDR: "127.0.0.1:3" },
  });
  assert.deepEqual(second.config.api.address, { kind: "tcp", host: "127.0.0.1", port: 3 });
});
