import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { loadConfig, type LoadConfigOptions } from "../../src/agent/config/load.ts";
import {
  defaultStatePath,
  findConfigFiles,
  type Surroundings,
} from "../../src/agent/config/discover.ts";
import { ConfigError, originLabel, problemText } from "../../src/agent/config/problems.ts";
import { describeConfig } from "../../src/agent/config/show.ts";
import { emptyAround, loadText, TempFiles } from "../support/config.ts";

/** Loads what is found around `cwd`. */
function loadAround(
  temp: TempFiles,
  options: LoadConfigOptions & { readonly cwd?: string } = {},
): ReturnType<typeof loadConfig> {
  const { cwd = temp.directory, ...rest } = options;
  return loadConfig({
    env: {},
    around: { ...emptyAround(temp.directory), cwd },
    ...rest,
  });
}

function failureOf(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  return assert.fail("the configuration was accepted");
}

// daemon.md, section 11.1: all files are merged; later ones win per leaf, lists as a whole.
test("loadConfig() merges system, user, .picketrc and ./picket.yaml in this order", () => {
  using temp = new TempFiles({
    "etc/config.yaml": "agent: {labels: {a: etc, b: etc, c: etc, d: etc}}\nwebhooks: [/x, /y]\n",
    "etc/config.yml": "nonsense: [",
    "home/.config/picket/config.yml": "agent: {labels: {b: user, c: user, d: user}}\n",
    ".picketrc": "agent: {labels: {c: rc, d: rc}}\nwebhooks: [/z]\n",
    "deep/er/picket.yml": "agent: {labels: {d: cwd}}\n",
  });
  const loaded = loadAround(temp, { cwd: temp.path("deep/er") });
  assert.deepEqual(loaded.config.agent.labels, { a: "etc", b: "user", c: "rc", d: "cwd" });
  assert.deepEqual(loaded.config.webhooks, ["/z"]);
  assert.deepEqual(loaded.files, [
    temp.path("etc/config.yaml"),
    temp.path("home/.config/picket/config.yml"),
    temp.path(".picketrc"),
    temp.path("deep/er/picket.yml"),
  ]);
  const { sources } = describeConfig(loaded);
  assert.equal(sources["agent.labels.b"], `${temp.path("home/.config/picket/config.yml")}:1`);
  assert.equal(sources["log.level"], "default");
});

test("XDG_CONFIG_HOME and picket.yaml take precedence over ~/.config and picket.yml", () => {
  using temp = new TempFiles({
    "xdg/picket/config.yaml": "",
    "home/.config/picket/config.yaml": "",
    "picket.yaml": "",
    "picket.yml": "",
  });
  const env = { XDG_CONFIG_HOME: temp.path("xdg") };
  assert.deepEqual(findConfigFiles({ ...emptyAround(temp.directory), env } as Surroundings), [
    temp.path("xdg/picket/config.yaml"),
    temp.path("picket.yaml"),
  ]);
});

test("--config replaces what would be found", () => {
  using temp = new TempFiles({
    "picket.yaml": "log: {level: debug}",
    "other/a.yaml": "tap: {enabled: true}\nrules: {paths: [./r]}",
  });
  const { config, files } = loadAround(temp, { configPath: "other/a.yaml" });
  assert.equal(config.log.level, "info");
  assert.equal(config.tap.enabled, true);
  assert.deepEqual(files, [temp.path("other/a.yaml")]);
  // Relative paths begin at the file that names them.
  assert.deepEqual(config.rules.paths, [temp.path("other/r")]);
});

// daemon.md, 17.6, case 111.
test("a --config that is not there is an error", () => {
  using temp = new TempFiles();
  const error = failureOf(() => loadAround(temp, { configPath: "none.yaml" }));
  assert.equal(error.code, "CONFIG_READ");
  assert.match(error.message, /could not read config .*none\.yaml/);
});

// daemon.md, 17.6, case 115.
test("flag beats environment beats file beats default, leaf by leaf", () => {
  using temp = new TempFiles({ "picket.yaml": "limits: {buffer_size: 3000, batch_size: 30}" });
  const env = { PICKET_LIMITS__BUFFER_SIZE: "2000" };
  const flags = { limits: { buffer_size: 1000 } };
  const steps: readonly (readonly [LoadConfigOptions, number, string])[] = [
    [{ configPath: temp.path("empty.yaml") }, 10_000, "default"],
    [{}, 3000, `${temp.path("picket.yaml")}:1`],
    [{ env }, 2000, "env PICKET_LIMITS__BUFFER_SIZE"],
    [{ env, flags }, 1000, "flag"],
  ];
  writeFileSync(temp.path("empty.yaml"), "");
  for (const [options, size, origin] of steps) {
    const loaded = loadAround(temp, options);
    assert.equal(loaded.config.limits.bufferSize, size);
    assert.equal(originLabel(loaded.originOf(["limits", "buffer_size"])), origin);
  }
  assert.equal(loadAround(temp, { env, flags }).config.limits.batchSize, 30);
});

test("the auth and audit blocks of a higher file replace lower ones as a whole", () => {
  using temp = new TempFiles({
    "etc/config.yaml":
      "api: {addr: '127.0.0.1:1', auth: {tokens: [{name: a, role: admin, token_env: A}], loopback: trusted}, audit: {max_entries: 5}}",
    "picket.yaml":
      "api: {auth: {anonymous_permissions: ['metrics:read']}, audit: {enabled: false}}",
  });
  const { api } = loadAround(temp).config;
  assert.deepEqual(api.auth.tokens, []);
  assert.equal(api.auth.loopback, "required");
  assert.equal(api.audit.maxEntries, 10_000);
  assert.deepEqual(api.address, { kind: "tcp", host: "127.0.0.1", port: 1 });
});

// daemon.md, section 11.2: values are YAML.
test("environment variables have the types of YAML", () => {
  using temp = new TempFiles();
  const env = {
    PICKET_AGENT__LABELS: "{site: hq, n: 4}",
    PICKET_SINKS: '["stdout", "file:///var/log/x.ndjson"]',
    PICKET_SOURCES: "stdin",
    PICKET_TAP__ENABLED: "true",
    PICKET_TAP__MAX_SESSIONS: "7",
    PICKET_STATE__PATH: "rel/s.db",
    PICKET_OUTBOX__MAX_AGE: "",
    PICKET_HOME: "/not/a/setting",
    PICKET_CONFIG: "/not/a/setting",
  };
  const { config, warnings } = loadAround(temp, { env });
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.agent.labels, { site: "hq", n: "4" });
  assert.deepEqual(config.sinks, [
    { id: "stdout", type: "stdout" },
    { id: "file", type: "file", path: "/var/log/x.ndjson" },
  ]);
  assert.deepEqual(config.sources, [{ id: "stdin", type: "stdin" }]);
  assert.equal(config.tap.enabled, true);
  assert.equal(config.tap.maxSessions, 7);
  assert.equal(config.state.path, temp.path("rel/s.db"));
});

// daemon.md, 17.6, case 114.
test("a variable that does not fit is ignored with a warning, the others count", () => {
  using temp = new TempFiles();
  const env = {
    PICKET_SINKS: "not-a-sink",
    PICKET_SOURCES: "[stdin]",
    PICKET_API__ADDR: "127.0.0.1:7777",
    PICKET_TAP__MAX_SESSIONS: "many",
    PICKET_API__ADRR: "1",
  };
  const { config, warnings } = loadAround(temp, { env });
  assert.deepEqual(config.api.address, { kind: "tcp", host: "127.0.0.1", port: 7777 });
  assert.deepEqual(config.sinks, []);
  assert.equal(config.tap.maxSessions, 2);
  assert.deepEqual(
    warnings.map(problemText).filter((text) => text.includes("ignoring")),
    [
      "ignoring environment variable PICKET_SINKS: sinks: unsupported output sink 'not-a-sink' " +
      "(known: stdout, file, nats, tls, unix, http, https, otlphttp, otlphttps)",
      "ignoring environment variable PICKET_API__ADRR: api.adrr: unknown key (did you mean 'addr'?)",
      "ignoring environment variable PICKET_TAP__MAX_SESSIONS: tap.max_sessions: " +
      "must be a number, not text",
    ].sort((left, right) => warningOrder(left) - warningOrder(right)),
  );
});

/** Problems of older notations come first, then those of the schema in its order. */
function warningOrder(text: string): number {
  return ["PICKET_SINKS", "PICKET_API__ADRR", "PICKET_TAP__"].findIndex((name) =>
    text.includes(name)
  );
}

test("an address that a variable makes public is refused, and the variable is named", () => {
  using temp = new TempFiles();
  const env = { PICKET_API__ADDR: "0.0.0.0:9090" };
  const error = failureOf(() => loadAround(temp, { env }));
  assert.match(
    error.message,
    /^environment variable PICKET_API__ADDR: api\.addr: refusing to bind/,
  );
});

// daemon.md, section 1: off unless asked for.
test("RSIGMA_ variables count with --compat-env, each with a warning, PICKET_ ones win", () => {
  using temp = new TempFiles();
  const env = {
    RSIGMA_DAEMON__API__ADDR: "127.0.0.1:1111",
    RSIGMA_DAEMON__INPUT__BUFFER_SIZE: "42",
    PICKET_DAEMON__INPUT__BUFFER_SIZE: "43",
  };
  assert.equal(loadAround(temp, { env }).config.limits.bufferSize, 43);
  assert.deepEqual(loadAround(temp, { env }).config.api.address, {
    kind: "tcp",
    host: "127.0.0.1",
    port: 9090,
  });
  const { config, warnings } = loadAround(temp, { env, compatEnv: true });
  assert.deepEqual(config.api.address, { kind: "tcp", host: "127.0.0.1", port: 1111 });
  assert.equal(config.limits.bufferSize, 43);
  const old = warnings.map(problemText).filter((text) => text.includes("old name"));
  assert.deepEqual(old, [
    "environment variable RSIGMA_DAEMON__API__ADDR: daemon.api.addr: old name of a setting " +
    "(write PICKET_DAEMON__API__ADDR)",
    "environment variable RSIGMA_DAEMON__INPUT__BUFFER_SIZE: daemon.input.buffer_size: old name " +
    "of a setting (write PICKET_DAEMON__INPUT__BUFFER_SIZE)",
  ]);
});

test("a flag that does not fit is an error that says command line", () => {
  using temp = new TempFiles();
  const error = failureOf(() => loadAround(temp, { flags: { log: { level: "inf" } } }));
  assert.match(error.message, /^command line: log\.level: .*did you mean 'info'/);
});

test("secrets are read when they are asked for, and never told", () => {
  using temp = new TempFiles({ "s/pw": "hunter2\r\n", "s/empty": "\n" });
  const env: Record<string, string> = { BEARER: "hunter3" };
  const text = `
sources: [stdin]
sinks:
  - {type: http, url: "https://user:hunter4@h/x?api_key=hunter5&a=b", bearer_env: BEARER,
     headers: {Authorization: Basic hunter6, X-Token: "\${TOKEN}", X-Site: hq}}
  - {type: http, url: "https://hooks.slack.com/services/T/B/hunter7", bearer_file: s/empty}
nats: {servers: ["nats://u:hunter8@h:4222"], auth: {user: u, password_file: s/pw}}
api: {auth: {tokens: [{name: t, role: reader, token_env: UNSET}]}}
`;
  const loaded = loadText(text, temp.directory, { env });
  const [first, second] = loaded.config.sinks;
  assert.ok(first?.type === "http" && second?.type === "http");
  assert.equal(first.bearer?.(), "hunter3");
  env["BEARER"] = "rotated";
  assert.equal(first.bearer?.(), "rotated");
  const empty = failureOf(() => second.bearer?.());
  assert.equal(empty.code, "CONFIG_SECRET");
  assert.match(empty.message, /c\.yaml:6:\d+: sinks\[1\]\.bearer_file: file .*empty is empty$/);
  const token = loaded.config.api.auth.tokens[0]!.token;
  assert.match(failureOf(token).message, /environment variable UNSET is unset or empty/);
  const shown = JSON.stringify([describeConfig(loaded), loaded.warnings]);
  assert.doesNotMatch(shown, /hunter/);
  const { config } = describeConfig(loaded, "sinks");
  assert.deepEqual((config["sinks"] as { readonly headers?: unknown }[])[0]!.headers, {
    Authorization: "***",
    "X-Token": "${TOKEN}",
    "X-Site": "hq",
  });
});

test("a secret written into the file is not repeated by the error", () => {
  using temp = new TempFiles();
  for (
    const text of [
      "nats: {auth: {password: hunter2}}",
      "nats: {auth: {user: u, password_env: hunter-2}}",
      "nats: {auth: {token_file: [hunter2]}}",
      "sinks: ['nast://u:hunter2@h/x']",
      "sinks: [{type: http, url: 'hunter2@x'}]",
      "sinks: [{type: http, url: {a: hunter2}}]",
      "sinks: [{type: http, url: 'https://x', proxy: hunter2}]",
      "api: {auth: {tokens: [hunter2]}}",
    ]
  ) {
    const error = failureOf(() => loadText(text, temp.directory));
    assert.doesNotMatch(error.message, /hunter/, text);
  }
});

// daemon.md, section 11.3.
test("NATS credentials of the environment count where the configuration names none", () => {
  using temp = new TempFiles();
  const env = { NATS_USER: "u", NATS_PASSWORD: "p" };
  const text = "sources: ['nats://h:4222/a']\nsinks: [stdout]\n";
  const own = `${text}nats: {auth: {creds_file: /c}}`;
  const kinds = [text, own].map((one) => {
    const [source] = loadText(one, temp.directory, { env }).config.sources;
    return source?.type === "nats" ? source.nats.auth?.kind : undefined;
  });
  assert.deepEqual(kinds, ["user", "creds"]);
  const { sources } = describeConfig(loadText(text, temp.directory, { env }), "nats");
  assert.equal(sources["nats.auth.user"], "env NATS_USER");
});

// daemon.md, section 19.4.
const STATES: readonly (readonly [Partial<Surroundings>, string])[] = [
  [{ platform: "linux", isPrivileged: true }, "/var/lib/picket/state.db"],
  [{ platform: "linux", isPrivileged: false }, "/home/u/.local/state/picket/state.db"],
  [{ platform: "linux", isPrivileged: true, env: { STATE_DIRECTORY: "/s:/t" } }, "/s/state.db"],
  [{ platform: "darwin", isPrivileged: true }, "/Library/Application Support/Picket/state.db"],
  [{ platform: "win32", isPrivileged: true }, "C:\\ProgramData\\Picket\\state.db"],
  [
    { platform: "win32", isPrivileged: true, env: { ProgramData: "D:\\Data" } },
    "D:\\Data\\Picket\\state.db",
  ],
  [
    { platform: "win32", isPrivileged: false, home: "C:\\Users\\u", env: {} },
    "C:\\Users\\u\\AppData\\Local\\Picket\\state.db",
  ],
];
for (const [around, path] of STATES) {
  test(`the state of ${JSON.stringify(around)} is at ${path}`, () => {
    const whole = { env: {}, cwd: "/", home: "/home/u", platform: "linux", isPrivileged: true };
    assert.equal(defaultStatePath({ ...whole, ...around }), path);
  });
}

test("a Windows configuration resolves Windows paths and leaves channels alone", () => {
  using temp = new TempFiles();
  const flags = {
    sources: [
      { type: "evtx", channels: ["Microsoft-Windows-Sysmon/Operational", "logs\\a.evtx"] },
      { type: "file", paths: ["D:\\logs\\*.log", "b.log", "~\\c.log"], exclude: ["*.gz", "x\\y"] },
    ],
    sinks: ["stdout"],
  };
  const around = {
    ...emptyAround(temp.directory),
    platform: "win32",
    cwd: "C:\\picket",
    home: "C:\\Users\\u",
  };
  const { config } = loadConfig({ env: {}, flags, around });
  assert.deepEqual(config.sources, [
    {
      id: "evtx",
      type: "evtx",
      channels: ["Microsoft-Windows-Sysmon/Operational", "C:\\picket\\logs\\a.evtx"],
    },
    {
      id: "file",
      type: "file",
      paths: ["D:\\logs\\*.log", "C:\\picket\\b.log", "C:\\Users\\u\\c.log"],
      exclude: ["*.gz", "C:\\picket\\x\\y"],
      maxLineBytes: 1 << 20,
    },
  ]);
});

test("default ids are the type, numbered past those that are taken", () => {
  using temp = new TempFiles();
  const text = "sources: [stdin]\nsinks: [stdout, {type: file, path: a, id: stdout-2}, stdout, " +
    "stdout]\ndead_letters: {sink: stdout}\n";
  const { config } = loadText(text, temp.directory);
  assert.deepEqual(config.sinks.map(({ id }) => id), [
    "stdout",
    "stdout-2",
    "stdout-3",
    "stdout-4",
  ]);
  assert.equal(config.deadLetters.sink?.id, "dead-letters");
});

test("anchors and aliases work, and cannot be used to exhaust memory", () => {
  using temp = new TempFiles();
  const { config } = loadText(
    "sources: [stdin]\nsinks:\n - {type: stdout, filter: &f {min_level: high}}\n" +
      " - {type: file, path: a, filter: *f}\n",
    temp.directory,
  );
  assert.deepEqual(config.sinks.map(({ filter }) => filter), [
    { minLevel: "high" },
    { minLevel: "high" },
  ]);
  const levels = Array.from(
    { length: 20 },
    (_, at) => `x${at}: &a${at} [${at === 0 ? "1" : `${`*a${at - 1},`.repeat(9)} *a${at - 1}`}]`,
  );
  const error = failureOf(() => loadText(levels.join("\n"), temp.directory));
  assert.match(error.message, /more than 100000 values|nested deeper than 32/);
});

test("files that are too large, too deep or not UTF-8 are refused", () => {
  using temp = new TempFiles();
  const cases: readonly (readonly [string | Uint8Array, RegExp])[] = [
    [`a: ${"x".repeat(1 << 20)}`, /larger than 1048576 bytes/],
    [`a: ${"[".repeat(60)}${"]".repeat(60)}`, /nested deeper than 32 levels/],
    [`a: ${"[".repeat(300_000)}`, /nested deeper than|not valid YAML/],
    [new Uint8Array([0x61, 0x3a, 0x20, 0xff]), /not UTF-8/],
  ];
  for (const [content, expected] of cases) {
    const file = join(temp.directory, "x", "c.yaml");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    const error = failureOf(() => loadAround(temp, { configPath: file }));
    assert.equal(error.code, "CONFIG_SYNTAX");
    assert.match(error.message, expected);
  }
});
