/**
 * The configuration that `picket config init` writes.
 *
 * Lines with `#` and one blank are settings that are not in force, shown with their defaults or an
 * example; with the `#` and the blank removed they are valid. Lines with `##` are explanations.
 */

/** Name of the JSON Schema beside the configuration. */
export const SCHEMA_FILE = "picket.schema.json";

/** The template for a platform, as `process.platform` names it. */
export function configTemplate(platform: string): string {
  return `# yaml-language-server: $schema=./${SCHEMA_FILE}
## Configuration of Picket. Check it with "picket config validate", look at the result with
## "picket config show". Durations are written 30s or 1h 30m, sizes 512MiB; relative paths begin
## at this file. Secrets are never written here: each has a key for a variable (…_env) and one for
## a file (…_file). Every key can be set by a variable, too: PICKET_API__ADDR sets api.addr.
version: 1

## Who this agent is. Without an id it makes one; labels go into every alert.
# agent:
#   id: web-1
#   labels: { site: hq, tenant: example }

## The embedded rules are in force unless paths names others (embedded: true uses both).
# rules:
#   paths: [rules/, sigma.bundle]
#   embedded: auto
#   bundle_key: bundle-key.pem
#   on_error: skip
#   min_level: medium
#   disable: [5f0cb3a2-0000-4000-8000-000000000000]
#   match_detail: off
#   include_event: false
#   logsource_routing: true
#   logsource_fields: { product: host.os.type }

## What kind of log an event is from: counted, and routed by (see docs/schemas.md).
# schema:
#   observe: false
#   discover: false
#   routing: false
#   config: schemas.yml
#   on_unknown: warn
#   partition_rules: false

## Which fields events have, beside those that rules ask for: GET /api/v1/fields.
# observe_fields:
#   enabled: false
#   max_keys: 10000

## What is read. Types: file, evtx, journald, stdin, http, otlp, unix,
## nats. Lines are JSON, syslog, CEF, LEEF, logfmt, audit records or text: no format is needed.
sources:
${platform === "win32" ? WINDOWS_SOURCES : platform === "darwin" ? MAC_SOURCES : LINUX_SOURCES}
#   - id: web
#     type: file
#     paths: ["/var/log/nginx/*.log"]
#     exclude: ["*.gz"]
#     start_at: end
#     logsource: { product: linux, service: nginx }
#     multiline: indent
#     syslog_tz: Europe/Berlin
#   - id: cloudtrail
#     type: file
#     paths: [/var/log/cloudtrail/*.json]
#     format: json
#     logsource: { product: aws, service: cloudtrail }
#     filter: { jq: '.Records[]?' }
#   - type: http
#     format: json
#   - type: otlp
#     http: 127.0.0.1:4318
#     grpc: 127.0.0.1:4317
#     body: parse
#   - type: unix
#     path: /run/picket/events.sock
#   - id: central
#     type: nats
#     subjects: ["edge.*.windows.>"]
#     stream: { name: EDGE }
#     consumer:
#       durable: picket-central
#       deliver: resume
#       ack: { wait: 60s, max_pending: 2000, max_deliver: 5 }
#       fetch: { batch: 200, bytes: 8MiB, expires: 30s }

## Where alerts go. Types: stdout, file, unix, nats, http, otlp. Each keeps its own place in the
## outbox.
sinks:
  - type: stdout
#   - type: file
#     path: alerts.ndjson
#     rotate: { max_bytes: 100MiB, max_age: 24h, keep: 7, gzip: true }
#     fsync: always
#   - id: hub
#     type: nats
#     subject: "picket.alert.\${label.site}.\${agent.id}.\${alert.level}"
#     filter: { min_level: medium }
#     stream: { expect: ALERTS }
#   - id: siem
#     type: http
#     url: https://siem.example/ingest
#     bearer_env: SIEM_TOKEN
#     filter: { min_level: high, exclude_rules: ["Test *"] }
#     mode: ndjson
#     gzip: true
#     signing: { scheme: standard, secret_file: secrets/siem }

## Shared by all NATS sources and sinks, which may override it key by key under their own nats:.
# nats:
#   servers: ["tls://hub-1.example:4222", "tls://hub-2.example:4222"]
#   auth: { creds_file: picket.creds }
#   tls: { ca: hub-ca.pem }
#   reconnect: { wait: 2s, max_wait: 60s, jitter: 500ms }

## Files of webhooks (YAML with a list "webhooks:").
# webhooks: [webhooks.yaml]

## What could not be delivered stays in the state file; a sink gets it as well.
# dead_letters:
#   sink: { type: file, path: dead.ndjson }
#   keep_parse_errors: false
#   max_records: 10000

## Positions, waiting alerts, audit: one SQLite file. fsync: normal survives a crash, full a power cut.
# state:
#   path: ${STATE_EXAMPLES[platform] ?? "/var/lib/picket/state.db"}
#   fsync: full
#   required: false

## How much may wait for sinks that are down, and what goes first when that is too much.
# outbox:
#   max_bytes: 512MiB
#   max_age: 30d
#   min_free_bytes: 256MiB
#   on_full: drop_lowest
#   retain: 0s

## Where HTTP sinks may connect to. strict also denies private addresses and this machine.
# egress:
#   policy: default
#   allow_hosts: []
#   deny_hosts: []
#   allow_cidrs: []
#   deny_cidrs: []
#   allow_ports: []

## The admin API. An address that others can reach needs tls.cert and tls.key.
# api:
#   enabled: true
#   addr: 127.0.0.1:9090
#   tls: { cert: server.pem, key: server.key, min_version: "1.3" }
#   token_file: tokens.json
#   auth:
#     anonymous_permissions: ["metrics:read"]
#     loopback: required
#     tokens:
#       - { name: prometheus, role: reader, token_env: PICKET_PROMETHEUS_TOKEN }
#   rate_limit: { requests_per_second: 20, burst: 40 }
#   audit: { enabled: true, max_entries: 10000, max_age: 720h }
# ui: { enabled: true }

## Live events (off) and live alerts (on) over the API.
# tap: { enabled: false, buffer_events: 8192, max_sessions: 2, max_duration: 5m }
# tail: { enabled: true, buffer_events: 8192, max_sessions: 2 }

## format auto: text on a terminal, else JSON.
# log:
#   level: info
#   format: auto
#   file: { path: picket.log, max_bytes: 10MiB, keep: 5 }

# reload: { watch: true, debounce: 500ms, poll_interval: 60s }
# output: { native_ids: true }
# limits: { batch_size: 128, buffer_size: 10000, commit_wait: 25ms, max_line_bytes: 1MiB }
# stop: { sources: 2s, commit: 5s, deliver: 10s }
# metrics: { prefix: picket }
`;
}

const STATE_EXAMPLES: Readonly<Record<string, string>> = {
  win32: "C:\\ProgramData\\Picket\\state.db",
  darwin: "/Library/Application Support/Picket/state.db",
};

const LINUX_SOURCES = `  - type: journald
    logsource: { product: linux }
  - id: audit
    type: file
    paths: [/var/log/audit/audit.log]
    logsource: { product: linux, service: auditd }`;

const MAC_SOURCES = `  - type: file
    paths: [/var/log/system.log]
    logsource: { product: macos }`;

const WINDOWS_SOURCES = `  - type: evtx
    channels:
      - Security
      - System
      - Microsoft-Windows-Sysmon/Operational
      - Microsoft-Windows-PowerShell/Operational`;
