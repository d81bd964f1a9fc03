import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { test } from "node:test";
import { Command } from "commander";
import fc from "fast-check";
import { parseTarget } from "../../cli/api_client.ts";
import { reloadCommand } from "../../cli/commands/reload.ts";
import { statusCommand } from "../../cli/commands/status.ts";
import { alertLine, tailCommand } from "../../cli/commands/tail.ts";
import { tapCommand } from "../../cli/commands/tap.ts";
import { tokenCommand } from "../../cli/commands/token.ts";
import { UsageError } from "../../cli/commands/common.ts";
import { serverSentEvents, streamLines } from "../../cli/event_stream.ts";
import { EXIT, type ExitCode } from "../../cli/io.ts";
import { painter } from "../../cli/render/text.ts";
import { type AdminOptions, createAdminApp } from "../../src/admin/app.ts";
import { type AdminServer, serveAdmin, type ServeOptions } from "../../src/admin/serve.ts";
import { fakeAlert, FakeView, RELOAD } from "../admin/fake_view.ts";
import { FakeIo, TempFiles } from "../support/cli_io.ts";

/** Streams of a command whose surroundings a test chooses. */
class TestIo extends FakeIo {
  override readonly env: Record<string, string>;
  readonly #abort = new AbortController();
  override readonly signal = this.#abort.signal;

  constructor(env: Record<string, string> = {}, outIsTerminal = false) {
    super(outIsTerminal);
    this.env = env;
  }

  interrupt(): void {
    this.#abort.abort(new Error("interrupted"));
  }
}

/** Runs one of the commands under test as the program does. */
async function run(args: readonly string[], io: TestIo): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const exit = (result: ExitCode): void => void (code = result);
  const program = new Command("picket").exitOverride();
  const commands = [statusCommand, reloadCommand, tailCommand, tapCommand, tokenCommand];
  for (const make of commands) program.addCommand(make(io, exit));
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(`error: ${error.message}`);
    return EXIT.usage;
  }
}

async function start(options: AdminOptions = {}, serve: Partial<ServeOptions> = {}) {
  const view = new FakeView();
  const app = createAdminApp(view, {
    auth: { tokens: [{ name: "root", role: "admin", secret: () => "root-secret" }] },
    tap: { enabled: true },
    limits: { requestsPerSecond: 0, authFailuresPerMinute: 0 },
    ...options,
  });
  const server = await serveAdmin(app, { addr: "127.0.0.1:0", ...serve });
  return { view, server, [Symbol.asyncDispose]: () => server.stop() };
}

const TOKEN = { PICKET_API_TOKEN: "root-secret" };

async function until(condition: () => boolean): Promise<void> {
  for (let at = 0; at < 500 && !condition(); at++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(condition(), "it happens within five seconds");
}

// daemon.md 13.5: what is typed, host, port, TLS.
const TARGETS: readonly (readonly [string, string, number, boolean])[] = [
  ["127.0.0.1:9090", "127.0.0.1", 9090, false],
  ["0.0.0.0:9090", "127.0.0.1", 9090, false],
  ["[::]:9090", "::1", 9090, false],
  ["agent.example:1", "agent.example", 1, false],
  ["http://a/", "a", 80, false],
  ["https://a.example:8443/", "a.example", 8443, true],
];

for (const [text, host, port, tls] of TARGETS) {
  test(`parseTarget() ${text}`, () => {
    assert.deepEqual(parseTarget(text), { kind: "tcp", host, port, tls, base: "" });
  });
}

test("parseTarget() refuses what is no address", () => {
  assert.deepEqual(parseTarget("unix:///run/x"), { kind: "unix", path: "/run/x" });
  assert.deepEqual(parseTarget("https://p/agent/"), {
    ...{ kind: "tcp", host: "p", port: 443, tls: true, base: "/agent" },
  });
  for (const wrong of ["", "host", "unix://", "http://", "http://u:p@h:1", "a b:1", "h:99999"]) {
    assert.throws(() => parseTarget(wrong), UsageError, wrong);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseTarget(text);
    } catch (error) {
      assert.ok(error instanceof UsageError);
    }
  }));
});

test("status prints the answer as it is, or as a table", async () => {
  await using running = await start();
  const addr = ["--addr", running.server.url];
  const plain = new TestIo(TOKEN);
  assert.equal(await run(["status", ...addr], plain), 0);
  assert.deepEqual(JSON.parse(plain.text), running.view.status());
  const terminal = new TestIo(TOKEN, true);
  assert.equal(await run(["status", ...addr, "--color", "never"], terminal), 0);
  assert.match(terminal.text, /^METRIC +VALUE\n/);
  assert.match(terminal.text, /\nuptime +1m 3s\n/);
  const csv = new TestIo(TOKEN);
  await run(["status", ...addr, "--output-format", "csv"], csv);
  assert.match(csv.text, /^METRIC,VALUE\nstatus,running\ndetection_rules,2\n/);
});

test("the token comes from a variable, a named variable or a file", async () => {
  await using running = await start();
  using files = new TempFiles({ token: "root-secret\n", empty: "" });
  const status = (args: readonly string[], env: Record<string, string>): Promise<ExitCode> =>
    run(["status", "--addr", running.server.url, ...args], new TestIo(env));
  assert.equal(await status([], TOKEN), 0);
  assert.equal(await status(["--token-env", "T"], { T: "root-secret" }), 0);
  assert.equal(await status(["--token-file", files.path("token")], {}), 0);
  assert.equal(await status(["--token-env", "T"], TOKEN), EXIT.usage);
  assert.equal(await status(["--token-file", files.path("empty")], TOKEN), EXIT.usage);
  assert.equal(await status(["--token-env", "T"], { T: "a\r\nX: y" }), EXIT.usage);
});

test("a refusal and an agent that is not there are told apart, with exit code 3", async () => {
  await using running = await start();
  const refused = new TestIo({ PICKET_API_TOKEN: "wrong" });
  assert.equal(await run(["status", "--addr", running.server.url], refused), EXIT.usage);
  assert.match(refused.errText, /refused: missing or invalid bearer token \(give a token with/);
  assert.doesNotMatch(refused.errText, /wrong/);
  const { port } = await freePort();
  const absent = new TestIo();
  assert.equal(await run(["status", "--addr", `127.0.0.1:${port}`], absent), EXIT.usage);
  assert.match(absent.errText, /Cannot reach the agent at .*\(is the daemon running\?\)/);
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port: silentPort } = silent.address() as { readonly port: number };
  const late = new TestIo();
  const args = ["status", "--addr", `127.0.0.1:${silentPort}`, "--timeout", "100ms"];
  assert.equal(await run(args, late), EXIT.usage);
  assert.match(late.errText, /no answer within 0\.1 s/);
  silent.closeAllConnections();
  silent.close();
});

async function freePort(): Promise<{ readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return address;
}

test("commands reach a Unix socket", {
  skip: process.platform === "win32" ? "no Unix sockets on Windows" : false,
}, async () => {
  using files = new TempFiles();
  const addr = `unix://${files.path("api.sock")}`;
  await using running = await start({}, { addr });
  const io = new TestIo(TOKEN);
  assert.equal(await run(["status", "--addr", addr], io), 0);
  assert.match(io.text, /"status":"running"/);
  const tail = new TestIo(TOKEN);
  const done = run(["tail", "--addr", addr, "--limit", "1"], tail);
  await until(() => running.view.listeners === 1);
  running.view.emitAlert(fakeAlert(1));
  assert.equal(await done, 0);
  assert.equal(tail.text, `${fakeAlert(1).body}\n`);
});

test("commands trust the authority they are given", async (context) => {
  using files = new TempFiles();
  try {
    execFileSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", files.path("key.pem"), "-out", files.path("cert.pem"), "-days", "60"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
    ], { stdio: "ignore" });
  } catch {
    return context.skip("openssl is not installed");
  }
  await using running = await start({}, {
    tls: { cert: files.path("cert.pem"), key: files.path("key.pem") },
  });
  const args = ["status", "--addr", running.server.url];
  assert.equal(await run(args, new TestIo(TOKEN)), EXIT.usage);
  assert.equal(await run([...args, "--ca", files.path("cert.pem")], new TestIo(TOKEN)), 0);
  assert.equal(await run([...args, "--ca", files.path("none")], new TestIo(TOKEN)), EXIT.usage);
});

test("reload prints what changed and says by its exit code whether it worked", async () => {
  await using running = await start();
  const reload = async (args: readonly string[]): Promise<readonly [ExitCode, string]> => {
    const io = new TestIo(TOKEN, true);
    const all = ["reload", "--addr", running.server.url, "--color", "never", ...args];
    return [await run(all, io), io.text];
  };
  assert.deepEqual(await reload([]), [
    0,
    "+ Beta (b)\n! bad.yml:3: no\nrules: reloaded\n" +
    "Reloaded: 2 rules; 1 added, 0 removed, 0 changed, 1 failed\n",
  ]);
  const [code, text] = await reload(["--dry-run"]);
  assert.equal(code, 0);
  assert.match(text, /\nWould reload: 2 rules/);
  assert.deepEqual(await reload(["--no-wait"]), [0, "reload_triggered\n"]);
  running.view.reloadResult = {
    ...RELOAD,
    ok: false,
    components: [{ name: "rules", outcome: "failed", message: "evil \u001b[2J" }],
  };
  const [failed, shown] = await reload([]);
  assert.equal(failed, EXIT.ruleError);
  assert.match(shown, /rules: failed: evil \\x1b\[2J\nRefused: nothing changes, the 2 rules/);
  const piped = new TestIo(TOKEN);
  assert.equal(await run(["reload", "--addr", running.server.url], piped), EXIT.ruleError);
  assert.equal(JSON.parse(piped.text).status, "failed");
});

test("tail takes a lost connection up again behind the last alert", async () => {
  await using first = await start();
  const { server, view } = first;
  const io = new TestIo(TOKEN);
  const done = run(["tail", "--addr", server.url, "--limit", "4"], io);
  await until(() => view.listeners === 1);
  view.emitAlert(fakeAlert(1));
  view.emitAlert(fakeAlert(2));
  await until(() => io.writes.length === 2);
  await server.stop();
  await until(() => /tail: /.test(io.errText));
  assert.ok(server.address.kind === "tcp");
  const app = createAdminApp(view, {
    auth: { tokens: [{ name: "root", role: "admin", secret: () => "root-secret" }] },
  });
  view.recent.push(fakeAlert(3));
  await using second = await serveAdmin(app, { addr: `127.0.0.1:${server.address.port}` });
  assert.ok(second.url === server.url);
  await until(() => view.listeners === 1);
  view.emitAlert(fakeAlert(4));
  assert.equal(await done, 0);
  assert.equal(io.text, [1, 2, 3, 4].map((seq) => `${fakeAlert(seq).body}\n`).join(""));
  assert.match(io.errText, /tail: streamed 4, dropped 0\n$/);
});

test("tail misses nothing of a break before its first alert", async () => {
  const first = await start();
  const { view, server } = first;
  view.recent.push(fakeAlert(7));
  const io = new TestIo(TOKEN);
  const done = run(["tail", "-q", "--addr", server.url, "--limit", "1"], io);
  await until(() => view.listeners === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await server.stop();
  view.recent.push(fakeAlert(8));
  const app = createAdminApp(view, {
    auth: {
      loopback: "trusted",
      tokens: [
        {
          name: "root",
          role: "admin",
          secret: () => "root-secret",
        },
      ],
    },
  });
  await using second: AdminServer = await serveAdmin(app, {
    addr: `127.0.0.1:${server.address.kind === "tcp" ? server.address.port : 0}`,
  });
  assert.equal(second.url, server.url);
  assert.equal(await done, 0);
  assert.equal(io.text, `${fakeAlert(8).body}\n`);
});

test("tail ends at its duration, by Ctrl-C, and at once where it may not", async () => {
  await using running = await start();
  const addr = ["--addr", running.server.url];
  const timed = new TestIo(TOKEN);
  assert.equal(await run(["tail", ...addr, "--duration", "100ms"], timed), 0);
  const stopped = new TestIo(TOKEN);
  const done = run(["tail", ...addr], stopped);
  await until(() => running.view.listeners === 1);
  stopped.interrupt();
  assert.equal(await done, 0);
  assert.match(stopped.errText, /tail: streamed 0/);
  await until(() => running.view.listeners === 0);
  assert.equal(await run(["tail", ...addr], new TestIo({ PICKET_API_TOKEN: "no" })), EXIT.usage);
});

test("alertLine() cannot steer a terminal and fits it", () => {
  const plain = painter(false);
  const line = alertLine(
    JSON.stringify({
      rule_title: "Evil \u001b[2J\u202e rule",
      level: "high\u0007",
      event_time: "2026-11-23T08:30:01.5Z",
      source: { computer: "dc01\r\n" },
      matched_fields: [{ field: "Image", value: "a\u009bb" }, null, 7],
    }),
    plain,
    200,
  );
  assert.match(line, /^08:30:01 high\\x07 +Evil \\x1b\[2J\\x202e rule {2}dc01 +Image=a\\x9bb/);
  fc.assert(fc.property(
    fc.oneof(
      fc.json(),
      fc.string({ unit: "binary" }),
      fc.record({
        level: fc.anything(),
        event_time: fc.anything(),
        rule_title: fc.string({ unit: "binary" }),
        source: fc.anything(),
        matched_fields: fc.anything(),
      }).map((value) => JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? 1 : inner)),
    ),
    (body) => {
      // deno-lint-ignore no-control-regex
      assert.doesNotMatch(alertLine(body, plain, 80), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    },
  ));
});

test("tap writes events to a file, without the summary", async () => {
  await using running = await start();
  using files = new TempFiles();
  const io = new TestIo(TOKEN);
  const out = files.path("events.ndjson");
  const done = run(
    ["tap", "--addr", running.server.url, "--limit", "2", "-o", out, "--redact-fields", "a b,c&d"],
    io,
  );
  await until(() => running.view.listeners === 1);
  for (const value of [1, 2]) running.view.emitEvent("decoded", `{"n":${value},"c&d":"secret"}`);
  assert.equal(await done, 0);
  const text = readFileSync(out, "utf8");
  assert.equal(text.split("\n").length, 3);
  assert.doesNotMatch(text, /secret|summary/);
  assert.match(io.errText, /tap: captured 2, dropped 0\nreplay: picket eval -e @/);
  const raw = new TestIo(TOKEN, true);
  const args = ["tap", "--addr", running.server.url, "--stage", "raw", "--limit", "1"];
  const shown = run(args, raw);
  await until(() => running.view.listeners === 1);
  running.view.emitEvent("raw", "evil \u001b[2J");
  assert.equal(await shown, 0);
  assert.equal(raw.text, "evil \\x1b[2J\n");
  const long = new TestIo(TOKEN);
  assert.equal(await run([...args, "--duration", "10m"], long), EXIT.usage);
  assert.match(long.errText, /exceeds the daemon's tap max_duration 5m/);
});

test("tokens are created, listed, used and revoked", async () => {
  using files = new TempFiles();
  const file = files.path("tokens.json");
  const token = async (...args: string[]): Promise<readonly [ExitCode, TestIo]> => {
    const io = new TestIo();
    return [await run(["token", ...args, "--file", file], io), io];
  };
  const [created, { text }] = await token("create", "bot", "--role", "reader", "--expires", "90d");
  assert.equal(created, 0);
  assert.match(text, /^pkt_[\w-]{43}\n$/);
  const secret = text.trim();
  assert.ok(!readFileSync(file, "utf8").includes(secret.slice(4)));
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
  const [twice, again] = await token("create", "bot", "--role", "reader");
  assert.equal(twice, EXIT.usage);
  assert.match(again.errText, /there is one named 'bot'/);
  const wrong: readonly (readonly string[])[] = [
    ["create", "x"],
    ["create", "x", "--role", "reader", "--permission", "a:b"],
    ["create", "x", "--permission", "silences"],
    ["create", "x", "--role", "nobody"],
    ["revoke", "nobody"],
  ];
  for (const args of wrong) assert.equal((await token(...args))[0], EXIT.usage, args.join(" "));

  let now = Date.now();
  await using running = await start({ auth: { tokenFile: file }, now: () => now });
  const status = (): Promise<ExitCode> =>
    run(["status", "--addr", running.server.url], new TestIo({ PICKET_API_TOKEN: secret }));
  assert.equal(await status(), 0);
  const [, second] = await token("create", "late", "--permission", "status:read");
  now += 1500; // The agent looks at the file once a second.
  const late = new TestIo({ PICKET_API_TOKEN: second.text.trim() });
  assert.equal(await run(["status", "--addr", running.server.url], late), 0);
  writeFileSync(file, readFileSync(file, "utf8").replace('"version": 1', '"version": 2'));
  now += 1500;
  assert.equal(await status(), 0, "a damaged file locks nobody out");
  writeFileSync(file, readFileSync(file, "utf8").replace('"version": 2', '"version": 1'));
  now += 91 * 86_400_000;
  assert.equal(await status(), EXIT.usage, "the token has expired");
  now -= 90 * 86_400_000;
  assert.equal(await status(), 0);
  assert.equal((await token("revoke", "bot"))[0], 0);
  now += 1500;
  assert.equal(await status(), EXIT.usage, "the token is revoked");
  await running.server.stop();
  const [, list] = await token("list");
  assert.match(list.text, /^NAME +MAY +CREATED +EXPIRES +USED\n-.*\nlate +status:read +\d{4}-/);
  const [, json] = await token("list", "--output-format", "json");
  assert.doesNotMatch(json.text, /digest|salt/);
  assert.equal(typeof JSON.parse(json.text)[0].last_used, "number");
});

test("serverSentEvents() and streamLines() do not care how text is cut", async () => {
  const text = ': hi\n\nid: 1\nevent: alert\ndata: {"a":1}\n\ndata: x\ndata:y\n\nid: 3\n\nrest';
  await fc.assert(fc.asyncProperty(fc.array(fc.nat(text.length)), async (cuts) => {
    const at = [0, ...cuts.sort((left, right) => left - right), text.length];
    const chunks = async function* (): AsyncGenerator<string> {
      for (const [index, from] of at.slice(0, -1).entries()) yield text.slice(from, at[index + 1]);
    };
    const events = [];
    for await (const event of serverSentEvents(chunks())) events.push(event);
    assert.deepEqual(events, [
      { id: "1", event: "alert", data: '{"a":1}' },
      { id: "1", event: "message", data: "x\ny" },
    ]);
    const lines = [];
    for await (const line of streamLines(chunks())) lines.push(line);
    assert.deepEqual(lines, text.split("\n").slice(0, -1));
  }));
});
