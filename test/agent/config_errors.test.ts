import assert from "node:assert/strict";
import { test } from "node:test";
import { problemsOf } from "../support/config.ts";

const IO = "sources: [stdin]\nsinks: [stdout]\n";

// daemon.md, sections 4.4, 5, 11.5, 19.7: what is written behind IO, what is said about it.
const PROBLEMS: readonly (readonly [text: string, ...problems: string[]])[] = [
  ["api: {adr: x}", "c.yaml:3:7: api.adr: unknown key (did you mean 'addr'?)"],
  ["outbx: {}", "c.yaml:3:1: outbx: unknown key (did you mean 'outbox'?)"],
  ["batchSize: 3", "c.yaml:3:1: batchSize: unknown key (there is 'limits.batch_size')"],
  [
    "limits: {batchSize: 3}",
    "c.yaml:3:10: limits.batchSize: unknown key (did you mean 'batch_size'?)",
  ],
  ["stop: {all: 1s}", "c.yaml:3:8: stop.all: unknown key (known here: sources, commit, deliver)"],
  ["buffer_size: 1", "c.yaml:3:1: buffer_size: unknown key (there is 'limits.buffer_size')"],
  ["limits:\n  buffer_size: 0", "c.yaml:4:16: limits.buffer_size: must be at least 1"],
  [
    "limits: {batch_size: 1.5}",
    "c.yaml:3:22: limits.batch_size: must be a whole number, not a fraction",
  ],
  ["tap: {max_sessions: 0}", "c.yaml:3:21: tap.max_sessions: must be at least 1"],
  [
    "log: {level: wran}",
    "c.yaml:3:14: log.level: must be trace, debug, info, warn, error or off (did you mean 'warn'?)",
  ],
  ["tap: {enabled: yes}", "c.yaml:3:16: tap.enabled: must be true or false, not text (write true)"],
  ["webhooks: a.yaml", "c.yaml:3:11: webhooks: must be a list, not text (put it into [ ])"],
  ["agent: {labels: [a]}", "c.yaml:3:17: agent.labels: must be a mapping, not a list"],
  ["agent: {id: 7}", 'c.yaml:3:13: agent.id: must be text, not a number (write "7" with quotes)'],
  ["api: []", "c.yaml:3:6: api: must be a mapping, not a list"],
  [
    "stop: {commit: 5}",
    "c.yaml:3:16: stop.commit: must be a duration with units, such as 30s, 5m or 1h 30m (write 5s or 5ms)",
  ],
  ["stop: {commit: 60d}", "c.yaml:3:16: stop.commit: must be at most 24 days"],
  [
    "outbox: {max_bytes: 5GB, max_age: never}",
    "c.yaml:3:35: outbox.max_age: must be a duration with units, such as 30s, 5m or 1h 30m",
  ],
  [
    "outbox: {max_bytes: 9M}",
    "c.yaml:3:21: outbox.max_bytes: must be a size, such as 512MiB, 64KiB, or a whole number of bytes (write 9MiB)",
  ],
  ["outbox: {max_bytes: 9}", "c.yaml:3:21: outbox.max_bytes: must be at least 1048576 bytes"],
  ["version: 2", "c.yaml:3:10: version: must be 1"],
  [
    "rules: {embedded: false}",
    "c.yaml:3:19: rules.embedded: there would be no rules at all (name some in rules.paths)",
  ],
  [
    "metrics: {prefix: Pi-cket}",
    "c.yaml:3:19: metrics.prefix: must be picket or rsigma (did you mean 'picket'?)",
  ],
  [
    "egress: {allow_cidrs: [10.0.0.0/33]}",
    "c.yaml:3:24: egress.allow_cidrs[0]: must be an address with a prefix length, like 10.0.0.0/8",
  ],
  [
    "egress: {policy: defualt}",
    "c.yaml:3:18: egress.policy: must be default, strict or permissive (did you mean 'default'?)",
  ],
  // Section 5: the plaintext policy.
  [
    "api: {addr: 0.0.0.0:9090}",
    "c.yaml:3:13: api.addr: refusing to bind plaintext on non-loopback address (set api.tls.cert and api.tls.key, or api.tls.allow_plaintext: true)",
  ],
  [
    "api: {addr: '[::]:9090'}",
    "c.yaml:3:13: api.addr: refusing to bind plaintext on non-loopback address (set api.tls.cert and api.tls.key, or api.tls.allow_plaintext: true)",
  ],
  [
    "api: {addr: ':9090'}",
    "c.yaml:3:13: api.addr: must be address:port or unix:///path (write 127.0.0.1:9090)",
  ],
  [
    "api: {addr: 'example.org:80'}",
    "c.yaml:3:13: api.addr: must be address:port or unix:///path (write 127.0.0.1:80)",
  ],
  [
    "api: {addr: '127.0.0.1:70000'}",
    "c.yaml:3:13: api.addr: must be address:port or unix:///path (write 127.0.0.1:70000)",
  ],
  [
    "api: {addr: unix://}",
    "c.yaml:3:13: api.addr: must be address:port or unix:///path (write 127.0.0.1:9090)",
  ],
  [
    "api: {tls: {cert: a}}",
    "c.yaml:3:12: api.tls: key is missing: cert and key only work together",
  ],
  ["api: {tls: {min_version: 1.1}}", "c.yaml:3:26: api.tls.min_version: must be 1.2 or 1.3"],
  [
    "api: {addr: unix:///s, tls: {cert: a, key: b}}",
    "c.yaml:3:29: api.tls: a Unix socket has no TLS (remove api.tls)",
  ],
  // Section 4.4: the auth block.
  [
    "api: {auth: {roles: {admin: ['*']}}}",
    "c.yaml:3:29: api.auth.roles.admin: is a built-in role (choose another name)",
  ],
  ["api: {auth: {roles: {a: []}}}", "c.yaml:3:25: api.auth.roles.a: must be at least 1 in number"],
  [
    "api: {auth: {anonymous_permissions: ['Silences:read']}}",
    "c.yaml:3:38: api.auth.anonymous_permissions[0]: must be a permission such as status:read, silences:* or *",
  ],
  [
    "api: {auth: {tokens: [{role: admin, token_env: T}]}}",
    "c.yaml:3:23: api.auth.tokens[0].name: is missing",
  ],
  [
    "api: {auth: {tokens: [{name: a, role: admin}]}}",
    "c.yaml:3:23: api.auth.tokens[0]: has no token (add token_env or token_file)",
  ],
  [
    "api: {auth: {tokens: [{name: a, token_env: T}]}}",
    "c.yaml:3:23: api.auth.tokens[0]: token 'a' needs a role or a list of permissions",
  ],
  [
    "api: {auth: {tokens: [{name: a, role: admni, token_env: T}]}}",
    "c.yaml:3:39: api.auth.tokens[0].role: token 'a' references unknown role 'admni' (did you mean 'admin'?)",
  ],
  [
    "api: {auth: {tokens: [{name: a, role: admin, permissions: ['*'], token_env: T}]}}",
    "c.yaml:3:23: api.auth.tokens[0]: token 'a' sets both role and permissions (use one of them)",
  ],
  [
    "api: {auth: {tokens: [{name: a, role: admin, token_env: T, token_file: f}]}}",
    "c.yaml:3:23: api.auth.tokens[0]: has token_env and token_file (use one of them)",
  ],
  [
    "api: {auth: {tokens: [{name: a, role: admin, token_env: T}, {name: a, role: admin, token_env: U}]}}",
    "c.yaml:3:68: api.auth.tokens[1].name: duplicate token name 'a'",
  ],
  // NATS credentials: exactly one method (delivery.md, section 20.9).
  [
    "nats: {auth: {user: u}}",
    "c.yaml:3:14: nats.auth: user and password only work together (add password_env or password_file)",
  ],
  [
    "nats: {auth: {creds_file: a, token_env: T}}",
    "c.yaml:3:14: nats.auth: has creds_file and token (use exactly one method)",
  ],
  [
    "nats: {auth: {jwt_file: a}}",
    "c.yaml:3:14: nats.auth: jwt_file needs the seed (add nkey_seed_env or nkey_seed_file)",
  ],
  [
    "nats: {auth: {password: hunter2}}",
    "c.yaml:3:15: nats.auth.password: secrets are not written into the configuration (name a variable or a file: password_env or password_file)",
  ],
  [
    "nats: {auth: {token_env: 'hunter 2'}}",
    "c.yaml:3:26: nats.auth.token_env: must be the name of an environment variable, not the secret itself",
  ],
  [
    "nats: {servers: ['http://x']}",
    "c.yaml:3:18: nats.servers[0]: must be like nats://host:4222 or tls://host:4222",
  ],
  [
    "nats: {inbox_prefix: 'a.${agent.id}'}",
    "c.yaml:3:22: nats.inbox_prefix: only ${ENV_VAR} can be replaced here",
  ],
  [
    "nats: {name: 'a/${SITE_NAME}'}",
    "c.yaml:3:14: nats.name: environment variable SITE_NAME is unset or empty",
  ],
  // Syntax.
  [
    "a: [",
    "c.yaml:4:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["log: {}\nlog: {}", "c.yaml:4:1: key 'log' is there twice"],
  ["? [a]\n: b", "c.yaml:3:3: a key must be plain text"],
  ["__proto__: {}", "c.yaml:3:1: key '__proto__' is not allowed"],
  [
    "agent: *a",
    "c.yaml:3:8: alias *a has no anchor before it",
  ],
  ["---\na: 1", "warning: c.yaml:3:1: only the first YAML document is read"],
];
for (const [text, ...problems] of PROBLEMS) {
  test(`a configuration with ${JSON.stringify(text)} is refused in words`, () => {
    assert.deepEqual(problemsOf(`${IO}${text}\n`), problems);
  });
}

// The same for single sources and sinks.
const MEMBERS: readonly (readonly [section: string, member: string, problem: string])[] = [
  [
    "sources",
    "{type: fil, paths: [a]}",
    "3:11: sources[0].type: must be file, evtx, journald, stdin, http, otlp, unix or nats (did you mean 'file'?)",
  ],
  [
    "sources",
    "{paths: [a]}",
    "3:4: sources[0].type: is missing: file, evtx, journald, stdin, http, otlp, unix or nats",
  ],
  ["sources", "{type: file}", "3:4: sources[0].paths: is missing"],
  ["sources", "{type: file, paths: []}", "3:24: sources[0].paths: must be at least 1 in number"],
  [
    "sources",
    "{type: file, paths: [a], multiline: {start: '('}}",
    "3:48: sources[0].multiline.start: must be a regular expression",
  ],
  // inputs.md, section 11.
  [
    "sources",
    "{type: stdin, filter: {jq: '.a | nope'}}",
    "3:31: sources[0].filter.jq: Invalid jq filter '.a | nope': nope/0 is not defined at character 6",
  ],
  [
    "sources",
    "{type: stdin, filter: {jsonpath: '$.['}}",
    "3:37: sources[0].filter.jsonpath: Invalid JSONPath '$.[': unexpected shorthand selector '[' at character 3",
  ],
  // Row 60 of section 19.
  [
    "sources",
    "{type: stdin, filter: {jq: ., jsonpath: $}}",
    "3:26: sources[0].filter: must be {jq: EXPR} or {jsonpath: EXPR}",
  ],
  [
    "sources",
    "{type: stdin, filter: {}}",
    "3:26: sources[0].filter: must be {jq: EXPR} or {jsonpath: EXPR}",
  ],
  [
    "sources",
    "{type: stdin, path: a}",
    "3:18: sources[0].path: unknown key (known here: type, id, format, logsource, labels, syslog_tz, syslog_strip_bom, filter, json_array)",
  ],
  [
    "sources",
    "{type: stdin, syslog_tz: '+2:00'}",
    "3:29: sources[0].syslog_tz: must be an offset such as +02:00, UTC, or a zone such as Europe/Berlin",
  ],
  [
    "sources",
    "{type: nats, subjects: [a], consumer: {deliver: {time: tomorrow}}}",
    "3:59: sources[0].consumer.deliver.time: must be a time such as 2026-11-23T08:00:00Z",
  ],
  ["sources", "sdtin", "3:4: sources[0]: unsupported input source 'sdtin' (did you mean 'stdin'?)"],
  ["sinks", "sdtout", "3:4: sinks[0]: unsupported output sink 'sdtout' (did you mean 'stdout'?)"],
  [
    "sinks",
    "otlp://h:1",
    "3:4: sinks[0]: OTLP over gRPC is not supported for sinks (use otlphttp://HOST:4318, which every collector takes as well)",
  ],
  [
    "sinks",
    "{type: nats, subject: 'a.${alert.lvel}'}",
    "3:26: sinks[0].subject: has the unknown reference ${alert.lvel} (did you mean ${alert.level}?)",
  ],
  [
    "sinks",
    "{type: nats, subject: 'a.${result.level}'}",
    "3:26: sinks[0].subject: has the unknown reference ${result.level} (did you mean ${alert.level}?)",
  ],
  [
    "sinks",
    "{type: nats, subject: 'a.${result.rule.id}'}",
    "3:26: sinks[0].subject: has the unknown reference ${result.rule.id} (did you mean ${alert.rule_id}?)",
  ],
  [
    "sinks",
    "{type: nats, subject: 'a.>'}",
    "3:26: sinks[0].subject: must not contain wildcards: it is published to",
  ],
  ["sinks", "{type: nats, subject: 'a..b'}", "3:26: sinks[0].subject: is not a NATS subject"],
  [
    "sinks",
    "{type: nats, subject: a, compression: zstd}",
    "3:42: sinks[0].compression: must be none or gzip",
  ],
  [
    "sinks",
    "{type: http, url: 'ftp://x'}",
    "3:22: sinks[0].url: must begin with https:// or http://",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', mode: template}",
    "3:4: sinks[0]: mode template needs a body",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', bearer: abc}",
    "3:35: sinks[0].bearer: secrets are not written into the configuration (name a variable or a file: bearer_env or bearer_file)",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', proxy: socks}",
    "3:42: sinks[0].proxy: must be env, none, or a URL like http://proxy:3128",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', tls: {cert: a}}",
    "3:40: sinks[0].tls: cert and key only work together",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', signing: {}}",
    "3:44: sinks[0].signing: has no secret (add secret_env or secret_file)",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', signing: {secret_env: A, scheme: custom}}",
    "3:44: sinks[0].signing: scheme 'custom' and the block 'custom' belong together",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', signing: {secret_env: A, scheme: github, rotate_secret_env: B}}",
    "3:44: sinks[0].signing: scheme github knows no second secret",
  ],
  [
    "sinks",
    "{type: http, url: 'https://x', signing: {secret_env: A, scheme: custom, custom: {signature_header: X, value_format: '{signature}', signed_payload: '{bdy}'}}}",
    "3:151: sinks[0].signing.custom.signed_payload: has an unknown token (known: {body}, {timestamp}, {id})",
  ],
  [
    "sinks",
    "{type: stdout, filter: {min_level: hgih}}",
    "3:39: sinks[0].filter.min_level: must be informational, low, medium, high or critical (did you mean 'high'?)",
  ],
  [
    "sinks",
    "{type: stdout, id: 'a b'}",
    "3:23: sinks[0].id: must be 1 to 64 letters, digits, dots, dashes or underscores",
  ],
];
for (const [section, member, problem] of MEMBERS) {
  test(`${section} with ${member} are refused in words`, () => {
    const other = section === "sources" ? "sinks: [stdout]" : "sources: [stdin]";
    const text = `${other}\n${section}:\n - ${member}\n`;
    assert.deepEqual(problemsOf(text), [`c.yaml:${problem}`]);
  });
}

test("every problem of a file is told at once", () => {
  assert.deepEqual(problemsOf(`${IO}stop: {commit: 5x}\napi: {addr: 1}\ntial: {}\n`).length, 3);
});

test("ids that are there twice, stdin read twice and http without the API are refused", () => {
  assert.deepEqual(
    problemsOf(
      "sources: [{type: stdin, id: a}, {type: stdin, id: a}, http]\nsinks: [stdout]\n" +
        "api: {enabled: false}\n",
    ),
    [
      "c.yaml:1:51: sources[1].id: 'a' is also the id of sources[0]",
      "c.yaml:1:55: sources[2]: an http source needs the API (set api.enabled: true)",
      "c.yaml:1:10: sources: stdin can only be read by one source",
    ],
  );
});

test("what is odd but works is a warning", () => {
  assert.deepEqual(problemsOf("limits: {batch_size: 100, buffer_size: 10}\n"), [
    "warning: sinks: there are no sinks: alerts go nowhere (add one under sinks:)",
    "warning: sources: there are no sources: nothing is read (add one under sources:)",
    "warning: c.yaml:1:22: limits.batch_size: is larger than limits.buffer_size: 10 is used",
  ]);
  assert.deepEqual(
    problemsOf(
      "sources: [stdin]\nsinks: [{type: http, url: 'https://x', headers: {X-Api-Key: hunter2}}, " +
        "{type: nats, subject: 'a.${label.site}'}]",
    ),
    [
      "warning: c.yaml:2:61: sinks[0].headers.X-Api-Key: holds a secret in the open " +
      "(use bearer_env or bearer_file, or ${ENV_VAR})",
      "warning: c.yaml:2:94: sinks[1].subject: label 'site' is not set anywhere (add it under agent.labels)",
    ],
  );
});

for (const [what, text] of [["text", "abc"], ["a list", "- a"], ["a number", "12"]] as const) {
  test(`a file that is ${what} is refused with an explanation`, () => {
    const [problem, ...more] = problemsOf(text);
    assert.deepEqual(more, []);
    assert.match(problem!, /the top level must be a mapping of sections/);
  });
}

for (const [what, text] of [["empty", ""], ["comments", "# a\n\n# b\n"], ["null", "~"]] as const) {
  test(`a file that is ${what} says nothing`, () => {
    const sinks = { flags: { sinks: ["stdout"], sources: ["stdin"] } };
    assert.deepEqual(problemsOf(text, sinks), []);
  });
}

test("a section without anything in it says nothing", () => {
  assert.deepEqual(problemsOf(`${IO}api:\noutbox:\n  max_age:\n`), []);
});
