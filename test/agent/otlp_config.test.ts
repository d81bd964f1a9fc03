/**
 * Sources and sinks of OTLP in the configuration, and the examples of docs/otlp.md.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { OtlpSinkSettings, OtlpSourceSettings } from "../../src/runtime/settings.ts";
import type { LoadConfigOptions, LoadedConfig } from "../../src/agent/config/load.ts";
import { loadText, problemsOf, TempFiles } from "../support/config.ts";

const PAGE = readFileSync(new URL("../../docs/otlp.md", import.meta.url), "utf8");
const SINK = "sinks: [stdout]\n";
const SOURCE = "sources: [stdin]\n";

function load(text: string, options: LoadConfigOptions = {}): LoadedConfig {
  using temp = new TempFiles();
  return loadText(text, temp.directory, options);
}

test("the examples of docs/otlp.md load", () => {
  // Those of a collector begin with its own sections.
  const examples = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!)
    .filter((text) => /^(?:sources|sinks):/.test(text));
  assert.equal(examples.length, 4);
  for (const text of examples) {
    const other = text.startsWith("sources") ? SINK : SOURCE;
    assert.doesNotThrow(() => load(`${other}${text}`, { env: { OTLP_TOKEN: "t" } }), text);
  }
});

test("a source of OTLP has its settings", () => {
  const { config } = load(`${SINK}sources:
  - type: otlp
    http: "[::1]:4318"
    grpc: localhost:4317
    tls: { cert: /c.pem, key: /k.pem, client_ca: /ca.pem, min_version: "1.2" }
    require_token: true
    body: parse
    format: syslog
    max_body_bytes: 1MiB
    max_inflated_bytes: 2MiB
    max_line_bytes: 64KiB
    max_connections: 5
`);
  const expected: OtlpSourceSettings = {
    id: "otlp",
    type: "otlp",
    http: "[::1]:4318",
    grpc: "127.0.0.1:4317",
    tls: { cert: "/c.pem", key: "/k.pem", clientCa: "/ca.pem", minVersion: "1.2" },
    requireToken: true,
    body: "parse",
    format: "syslog",
    maxBodyBytes: 1 << 20,
    maxInflatedBytes: 2 << 20,
    maxLineBytes: 64 << 10,
    maxConnections: 5,
  };
  assert.deepEqual(config.sources, [expected]);
});

test("a sink of OTLP has its settings", () => {
  const text = `${SOURCE}sinks:
  - type: otlp
    endpoint: https://hub:4318
    protocol: http/json
    headers: { X-Tenant: blue }
    bearer_env: TOKEN
    gzip: false
    max_batch_bytes: 1MiB
    timeout: 10s
    tls: { ca: /ca.pem }
    proxy: none
`;
  const { config } = load(text, { env: { TOKEN: "t0ken" } });
  const [sink] = config.sinks as readonly OtlpSinkSettings[];
  const { bearer, egress: _, ...rest } = sink!;
  assert.equal(bearer?.(), "t0ken");
  assert.deepEqual(rest, {
    id: "otlp",
    type: "otlp",
    endpoint: "https://hub:4318",
    protocol: "http/json",
    headers: { "X-Tenant": "blue" },
    gzip: false,
    maxBatchBytes: 1 << 20,
    timeoutMs: 10_000,
    tls: { ca: "/ca.pem" },
    proxy: "none",
  });
});

const WRONG: readonly (readonly [text: string, problem: RegExp])[] = [
  [`${SINK}sources: [{type: otlp, http: "0.0.0.0:4318"}]`, /http: refusing to bind plaintext/],
  [`${SINK}sources: [{type: otlp, grpc: "[::]:4317"}]`, /grpc: refusing to bind plaintext/],
  [`${SINK}sources: [{type: otlp, http: "collector:4318"}]`, /http: must be address:port/],
  [`${SINK}sources: [{type: otlp, http: "unix:///x"}]`, /http: must be address:port/],
  [
    `${SINK}sources: [{type: otlp, http: "127.0.0.1:1", grpc: "127.0.0.1:1"}]`,
    /sources\[0\]\.grpc: 127\.0\.0\.1:1 is also sources\[0\]\.http/,
  ],
  [
    `${SINK}api: {addr: "127.0.0.1:4318"}\nsources: [{type: otlp, http: "localhost:4318"}]`,
    /sources\[0\]\.http: localhost:4318 is also api\.addr/,
  ],
  [
    `${SINK}sources: [{type: otlp, grpc: "[::1]:1"}, {id: b, type: otlp, http: "[::1]:1"}]`,
    /sources\[1\]\.http: \[::1\]:1 is also sources\[0\]\.grpc/,
  ],
  [`${SINK}api: {enabled: false}\nsources: [{type: otlp}]`, /nothing listens/],
  [`${SINK}sources: [{type: otlp, body: read}]`, /body: must be/],
  [`${SINK}sources: [{type: otlp, tls: {cert: /c.pem}}]`, /key: is missing/],
  [`${SOURCE}sinks: [{type: otlp, endpoint: "hub:4318"}]`, /endpoint: must begin with https/],
  [`${SOURCE}sinks: [{type: otlp, endpoint: "http://h", protocol: grpc}]`, /protocol: must be/],
  [
    `${SOURCE}sinks: [{type: otlp, endpoint: "http://h", headers: {Authorization: x}}]`,
    /holds a secret in the open/,
  ],
];
for (const [text, problem] of WRONG) {
  test(`the configuration refuses or warns: ${text.replace(/^.*\n/, "")}`, () => {
    assert.match(problemsOf(text).join("\n"), problem);
  });
}

const RIGHT: readonly string[] = [
  "sources: [otlp]",
  'sources: [{type: otlp, http: "0.0.0.0:4318", allow_plaintext: true}]',
  'api: {enabled: false}\nsources: [{type: otlp, http: "127.0.0.1:9090"}]',
  'api: {enabled: false}\nsources: [{type: otlp, http: "127.0.0.1:0", grpc: "127.0.0.1:0"}]',
];
for (const text of RIGHT) {
  test(`the configuration takes: ${text}`, () => {
    assert.deepEqual(problemsOf(`${SINK}${text}`), []);
  });
}
