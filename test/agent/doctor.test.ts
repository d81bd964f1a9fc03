import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { renderFindings } from "../../cli/commands/doctor.ts";
import { diagnose } from "../../src/agent/doctor/diagnose.ts";
import { type Finding, pass, runCheck } from "../../src/agent/doctor/finding.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { openState } from "../../src/store/open_state.ts";
import { freePort, NATS_SKIP, startNatsServer } from "../support/nats_server.ts";
import { tempDir } from "../support/temp_dir.ts";

const RULE = "title: x\nlogsource: {product: linux}\ndetection: {sel: {a: 1}, condition: sel}\n";

interface Examined {
  readonly findings: readonly Finding[];
  readonly seconds: number;
  /** `verdict message` of one check, joined. */
  of(check: string): string;
}

async function examine(directory: string, config: Record<string, unknown>): Promise<Examined> {
  const path = join(directory, "picket.yaml");
  const whole = {
    state: { path: join(directory, "state.db") },
    api: { enabled: false },
    ...config,
  };
  writeFileSync(path, JSON.stringify(whole));
  mkdirSync(join(directory, "rules"), { recursive: true });
  const rule = join(directory, "rules", "x.yml");
  writeFileSync(rule, RULE);
  const before = snapshot(directory);
  const startedAt = performance.now();
  const findings = await diagnose({
    config: {
      configPath: path,
      env: {},
      flags: { rules: { paths: [join(directory, "rules")] } },
    },
    compile: (request) => Promise.resolve(compileRuleSet(request)),
    embeddedRules: undefined,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  assert.deepEqual(snapshot(directory), before, "nothing was changed");
  for (const { verdict, fix, message } of findings) {
    assert.equal(verdict === "pass", fix === undefined, `${message} has a fix unless it is good`);
  }
  const of = (check: string): string =>
    findings.filter((one) => one.check === check)
      .map(({ verdict, message }) => `${verdict} ${message}`).join("\n");
  return { findings, seconds, of };
}

/** Everything below a directory, with times and sizes; what SQLite makes for readers left out. */
function snapshot(directory: string): readonly string[] {
  return (readdirSync(directory, { recursive: true }) as string[])
    .filter((name) => !/-(?:shm|wal)$/.test(name)).sort()
    .map((name) => {
      const { mode, mtimeMs, size, isFile } = facts(join(directory, name));
      return isFile ? `${name} ${mode} ${mtimeMs} ${size}` : name;
    });
}

function facts(path: string) {
  const stat = statSync(path);
  return { ...stat, mode: stat.mode, isFile: stat.isFile() };
}

// daemon.md, section 19.7: what doctor looks at.
test("diagnose() passes what is good", { skip: NATS_SKIP }, async () => {
  await using dir = await tempDir();
  await using server = await startNatsServer();
  const { connect } = await import("@nats-io/transport-node");
  const { jetstreamManager } = await import("@nats-io/jetstream");
  const connection = await connect({ servers: server.url });
  const jsm = await jetstreamManager(connection);
  await jsm.streams.add({ name: "IN", subjects: ["in.>"] });
  await jsm.streams.add({ name: "ALERTS", subjects: ["alerts.>"] });
  await connection.close();
  const http = createServer((_, answer) => answer.end("{}"));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as { readonly port: number };
  writeFileSync(join(dir.path, "a.log"), "x\n");
  openState(join(dir.path, "state.db"), { agentId: "me", reserveBytes: 0 })[Symbol.dispose]();
  const { findings, of } = await examine(dir.path, {
    nats: { servers: [server.url] },
    sources: [
      { id: "log", type: "file", paths: [join(dir.path, "*.log")] },
      { id: "in", type: "nats", subjects: ["in.>"] },
      { id: "otlp", type: "otlp", http: `127.0.0.1:${await freePort()}` },
    ],
    sinks: [
      { id: "hub", type: "nats", subject: "alerts.x" },
      { id: "web", type: "http", url: `http://127.0.0.1:${port}/secret` },
      { id: "file", type: "file", path: join(dir.path, "out", "alerts.ndjson") },
    ],
    api: { addr: `127.0.0.1:${await freePort()}`, auth: { loopback: "trusted" } },
  });
  http.closeAllConnections();
  http.close();
  const others = findings.filter(({ check }) => check !== "service" && check !== "clock");
  assert.deepEqual(others.filter(({ verdict }) => verdict !== "pass"), []);
  assert.match(of("rules"), /^pass 1 detection rule from /);
  assert.match(of("state"), /of agent me, not in use/);
  assert.match(of("source log"), /^pass 1 file readable$/);
  assert.match(of("source in"), /^pass stream IN is there, consumer .* will be made$/);
  assert.match(of("source otlp"), /^pass takes OTLP at 127\.0\.0\.1:\d+ \(HTTP\), POST/);
  assert.match(of("sink hub"), /can be reached/);
  assert.match(of("api"), /is free/);
});

test("diagnose() tells what is bad, and none waits for another", { skip: NATS_SKIP }, async () => {
  await using dir = await tempDir();
  await using server = await startNatsServer();
  const squatter = createTcpServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
  const { port } = squatter.address() as { readonly port: number };
  const silent = createTcpServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const hole = (silent.address() as { readonly port: number }).port;
  writeFileSync(join(dir.path, "file"), "");
  writeFileSync(join(dir.path, "state.db"), "this is no database, though it has the name of one");
  writeFileSync(join(dir.path, "tokens.json"), "{}", { mode: 0o600 });
  const { of, seconds } = await examine(dir.path, {
    sources: [
      { id: "none", type: "file", paths: [join(dir.path, "none", "*.log")] },
      { id: "chan", type: "evtx", channels: [join(dir.path, "none.evtx")] },
      { id: "refused", type: "nats", subjects: ["a"], nats: { servers: ["nats://127.0.0.1:1"] } },
      { id: "streamless", type: "nats", subjects: ["a"], nats: { servers: [server.url] } },
      {
        id: "silent",
        type: "nats",
        subjects: ["a"],
        nats: { servers: [`nats://127.0.0.1:${hole}`] },
      },
      { id: "otlp", type: "otlp", http: `127.0.0.1:${hole}` },
    ],
    sinks: [
      { id: "streamless", type: "nats", subject: "a", nats: { servers: [server.url] } },
      { id: "name", type: "http", url: "https://picket.invalid/secret?token=geheim" },
      { id: "denied", type: "http", url: "http://169.254.169.254/" },
      { id: "file", type: "file", path: join(dir.path, "file", "alerts.ndjson") },
      { id: "unix", type: "unix", path: join(dir.path, "nobody.sock") },
    ],
    api: { addr: `127.0.0.1:${port}`, token_file: join(dir.path, "tokens.json") },
  });
  squatter.close();
  silent.close();
  assert.ok(seconds < 7, `it took ${seconds} s`);
  assert.match(of("state"), /^warn Cannot open .*state\.db/);
  assert.match(of("source none"), /^warn no file matches /);
  assert.match(of("source chan"), /^warn .*none\.evtx does not exist/);
  assert.match(of("source refused"), /^fail nats:\/\/127\.0\.0\.1:1: connection refused/);
  assert.match(of("source streamless"), /^fail nats:.*(?:no stream|not found|matches)/i);
  assert.match(of("source silent"), /^fail nats:.*(?:timeout|no answer)/);
  assert.match(of("source otlp"), /^warn somebody listens at 127\.0\.0\.1:\d+/);
  assert.match(of("sink streamless"), /^fail /);
  assert.match(of("sink name"), /^fail https:\/\/picket\.invalid: .*resolve/);
  assert.doesNotMatch(of("sink name"), /geheim/);
  assert.match(of("sink denied"), /egress policy/);
  assert.match(of("sink file"), /^fail .*not a directory/);
  assert.match(of("sink unix"), /^fail .*ENOENT/);
  assert.match(of("api"), /^fail another program listens/);
  assert.match(of("tokens"), /^fail /);
});

test("diagnose() names each problem of a configuration that cannot be used", async () => {
  await using dir = await tempDir();
  const { findings } = await examine(dir.path, { sinks: [{ type: "fil" }], agnet: {} });
  const problems = findings.filter(({ check }) => check === "config");
  assert.equal(problems.length, 2);
  assert.ok(problems.every(({ verdict, fix }) => verdict === "fail" && /picket\.yaml/.test(fix!)));
  assert.deepEqual([...new Set(findings.map(({ check }) => check))], ["config", "service"]);
});

test("runCheck() ends a check that does not end by itself", async () => {
  let aborted = false;
  const findings = await runCheck({
    name: "stuck",
    run: (signal) => {
      signal.addEventListener("abort", () => aborted = true);
      return new Promise(() => {});
    },
  }, 50);
  assert.deepEqual(findings.map(({ verdict, message }) => ({ verdict, message })), [
    { verdict: "fail", message: "no answer within 0.05 s" },
  ]);
  assert.ok(aborted);
});

test("runCheck() makes a failure of whatever is thrown", async () => {
  await fc.assert(fc.asyncProperty(
    fc.anything({ withNullPrototype: true }),
    fc.boolean(),
    async (thrown, isSync) => {
      const findings = await runCheck({
        name: "x",
        run: () => {
          if (isSync) throw thrown;
          return Promise.reject(thrown);
        },
      }, 1000);
      assert.equal(findings[0]?.verdict, "fail");
      assert.equal(typeof findings[0].message, "string");
    },
  ));
});

test("renderFindings() keeps each finding on lines of its own", () => {
  fc.assert(fc.property(fc.array(fc.string(), { minLength: 1 }), (messages) => {
    const findings: Finding[] = messages.map((message) => ({
      check: "a",
      verdict: "warn",
      message,
      fix: message,
    }));
    const lines = renderFindings([...findings, { check: "b", ...pass("fine") }], (text) => text);
    assert.equal(lines.length, messages.length * 2 + 1);
    for (const line of lines) assert.doesNotMatch(line, /\p{Cc}/u);
  }));
});
