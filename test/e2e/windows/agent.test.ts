/**
 * The Windows executable under Wine: an offline scan, the agent, and the agent as a native service.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeStream, storedAlerts, streamCount } from "../../support/hub.ts";
import { LiveLog } from "../../support/evtx_live_log.ts";
import { NATS_SKIP, type NatsServer, startNatsServer } from "../../support/nats_server.ts";
import { FIXTURES, hitsOf, picket, skipWithoutExecutable } from "../../support/picket.ts";
import { windowsExecutable, Wine, WINE_SKIP, type WineRan } from "../../support/wine.ts";

const { skip: noExecutable } = skipWithoutExecutable();
const skip = WINE_SKIP || NATS_SKIP || noExecutable;

const EXE = "C:\\Program Files\\Picket\\picket.exe";
const CONFIG = "C:\\ProgramData\\Picket\\config.yaml";
/** Under Wine, services have another `%ProgramData%` than people. */
const LOG = "C:\\logs\\picket.log";
const SERVICE = "Picket";
const PARAMCHANGE = "6";
const OWN_RELOAD = "128";
const INTERROGATE = "4";

let wine: Wine;
let server: NatsServer;
let build: string;
let unavailable: string | undefined;

before(async () => {
  if (skip !== false) return;
  build = mkdtempSync(join(tmpdir(), "picket-windows-"));
  const executable = await timed("build", () => Promise.resolve(windowsExecutable(build)));
  if ("reason" in executable) {
    unavailable = executable.reason;
    console.log(`skipped: ${unavailable}`);
    return;
  }
  wine = await timed("prefix", () => Wine.create());
  wine.copy(executable.path, EXE);
  wine.copy(`${FIXTURES}/evtx`, "C:\\evtx");
  wine.write("C:\\rules\\evil.yml", ruleOf("evil"));
  wine.write("C:\\logs\\.keep", "");
  server = await startNatsServer();
  await makeStream(server.url, "ALERTS", "alerts.>");
}, { timeout: 300_000 });

after(async () => {
  await wine?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  if (build !== undefined) rmSync(build, { recursive: true, force: true });
});

/** A step on Windows; its time is printed. */
function windows(name: string, body: () => Promise<void>): void {
  test(name, { skip, timeout: 120_000 }, async (context) => {
    if (unavailable !== undefined) context.skip(unavailable);
    else await timed(name, body);
  });
}

windows("scan finds what it finds on this machine", async () => {
  const options = ["scan", "--output-format", "ndjson", "--no-logsource-routing"];
  const there = await wine.run([EXE, ...options, "C:\\evtx"]);
  const here = await picket([...options, `${FIXTURES}/evtx`]);
  const facts = (ndjson: string): readonly string[] =>
    hitsOf(ndjson).map(({ rule_id, source }) =>
      [
        rule_id,
        source.record_id,
        source.path.split(/[\\/]/).slice(-2).join("/"),
      ].join(" ")
    );
  assert.equal(there.code, here.code, there.stderr);
  assert.ok(facts(here.stdout).length > 10);
  assert.deepEqual(facts(there.stdout), facts(here.stdout));
});

windows("an agent that is killed goes on where it was", async () => {
  const config = "C:\\killed\\config.yaml";
  wine.write(config, configOf("C:\\killed", "alerts.killed"));
  wine.write("C:\\killed\\a.ndjson", "");
  const lines = (from: number, to: number): void => {
    for (let number = from; number < to; number++) {
      appendFileSync(wine.host("C:\\killed\\a.ndjson"), `${line(number)}\r\n`);
    }
  };
  let agent = start(config);
  lines(0, 50);
  await until(async () => await streamCount(server.url, "ALERTS") >= 50);
  await kill(agent);
  lines(50, 100);
  agent = start(config);
  lines(100, 120);
  await until(async () => await streamCount(server.url, "ALERTS") >= 120);
  await kill(agent);
  const numbers = (await storedAlerts(server.url, "ALERTS")).map(({ body }) => numberIn(body));
  assert.deepEqual(numbers.sort((a, b) => a - b), Array.from({ length: 120 }, (_, at) => at));
});

windows("service install refuses what cannot run", async () => {
  wine.write(CONFIG, '{"sinks": [{"type": "fil"}]}');
  const broken = await wine.run([EXE, "service", "install"]);
  assert.equal(broken.code, 3);
  assert.match(broken.stderr, /sinks\[0\]\.type/);
  wine.write("C:\\open\\picket.yaml", configOf("C:\\open", "alerts.open"));
  wine.copy(wine.host(EXE), "C:\\open\\picket.exe");
  const open = await wine.run([
    ...["C:\\open\\picket.exe", "service", "install"],
    ...["--config", "C:\\open\\picket.yaml"],
  ]);
  assert.equal(open.code, 3);
  assert.match(open.stderr, /not below Program Files/);
  assert.equal((await query()).state, "none");
});

windows("service install, start, status; it delivers from EVTX and JSON", async () => {
  wine.write(CONFIG, configOf("C:\\service", "alerts.service"));
  wine.write("C:\\service\\a.ndjson", "");
  const log = new LiveLog(wine.host("C:\\service\\Test.evtx"));
  const dry = await wine.run([EXE, "service", "install", "--dry-run"]);
  assert.match(
    dry.stdout,
    /sc\.exe create Picket binPath= '"C:\\Program Files\\Picket\\picket\.exe"/,
  );
  assert.equal((await query()).state, "none", "a dry run does nothing");
  const installed = await wine.run([EXE, "service", "install", "--start"]);
  assert.equal(installed.code, 0, installed.stderr);
  assert.deepEqual(await query(), { state: "RUNNING", win32: 0, own: 0 });
  const status = await wine.run([EXE, "service", "status"]);
  assert.deepEqual([status.code, status.stdout], [0, "Picket: running\n"]);

  const before = await streamCount(server.url, "ALERTS");
  appendFileSync(wine.host("C:\\service\\a.ndjson"), `${line(1000)}\n`);
  log.append(20);
  await until(async () => await streamCount(server.url, "ALERTS") >= before + 21);
  log.append(5);
  await until(async () => await streamCount(server.url, "ALERTS") >= before + 26);
  const fresh = (await storedAlerts(server.url, "ALERTS")).slice(before);
  assert.equal(new Set(fresh.map(({ msgId }) => msgId)).size, 26);
});

windows("PARAMCHANGE and 128 reload, INTERROGATE is answered", async () => {
  wine.write("C:\\rules\\more.yml", ruleOf("newcomer"));
  assert.match((await control(PARAMCHANGE)).stdout, /^state 4/);
  const reloads = (): number => logged("Rules and pipelines reloaded").length;
  await until(() => reloads() >= 1);
  assert.equal(logged("Rules and pipelines reloaded")[0]!["added"], 1);
  const before = await streamCount(server.url, "ALERTS");
  appendFileSync(
    wine.host("C:\\service\\a.ndjson"),
    `${JSON.stringify({ CommandLine: "newcomer --job 1001" })}\n`,
  );
  await until(async () => await streamCount(server.url, "ALERTS") > before);
  assert.match((await control(OWN_RELOAD)).stdout, /^state 4/);
  await until(() => reloads() >= 2);
  assert.match((await control(INTERROGATE)).stdout, /^state 4/);
  assert.equal((await query()).state, "RUNNING");
});

windows("service restart and stop end in STOPPED with code 0", async () => {
  const restarted = await wine.run([EXE, "service", "restart"]);
  assert.equal(restarted.code, 0, restarted.stderr);
  assert.equal((await query()).state, "RUNNING");
  const stopped = await wine.run([EXE, "service", "stop"]);
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.deepEqual(await query(), { state: "STOPPED", win32: 0, own: 0 });
  const complete = logged("Streaming pipeline complete");
  assert.equal(complete.length, 2, "both times in order");
  assert.equal((await wine.run([EXE, "service", "status"])).code, 1);
});

// quality.md, row 22: a service must not hang in START_PENDING because of its configuration.
windows("a bad configuration is STOPPED with an exit code and a message", async () => {
  wine.write(CONFIG, configOf("C:\\service", "alerts.service").replace("{", '{ "snacks": {},'));
  const startedAt = performance.now();
  const started = await wine.run([EXE, "service", "start"]);
  const seconds = (performance.now() - startedAt) / 1000;
  assert.equal(started.code, 4);
  assert.match(started.stderr, /Picket is failed: exit code 3/);
  assert.deepEqual(await query(), { state: "STOPPED", win32: 1066, own: 3 });
  assert.ok(seconds < 10, `known after ${seconds} s`);
  const log = readFileSync(wine.host("C:\\users\\Public\\Picket\\logs\\picket.log"), "utf8");
  assert.match(log, /Picket cannot start.*snacks/);
});

windows("a state file that cannot be used is STOPPED, too", async () => {
  const config = configOf("C:\\service", "alerts.service")
    .replace("C:\\\\service\\\\state.db", "C:\\\\windows\\\\system32\\\\kernel32.dll\\\\state.db");
  wine.write(CONFIG, config.replace('"required": false', '"required": true'));
  assert.equal((await wine.run([EXE, "service", "start"])).code, 4);
  assert.deepEqual(await query(), { state: "STOPPED", win32: 1066, own: 4 });
  assert.match(String(logged("Picket cannot start")[0]?.["reason"]), /STATE_/);
});

windows("service uninstall leaves what is the administrator's", async () => {
  const { code, stderr } = await wine.run([EXE, "service", "uninstall"]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Kept, for you to remove: C:\\ProgramData\\Picket/);
  assert.equal((await query()).state, "none");
  assert.ok(wine.has(CONFIG));
});

windows("doctor looks at Windows", async () => {
  wine.write(CONFIG, configOf("C:\\service", "alerts.service"));
  const { code, stdout } = await wine.run([EXE, "doctor", "-c", CONFIG, "--output-format", "json"]);
  const { findings } = JSON.parse(stdout) as {
    findings: { check: string; verdict: string; message: string }[];
  };
  const failed = findings.filter(({ verdict }) => verdict === "fail");
  assert.deepEqual(failed, []);
  assert.equal(code, 0);
  for (const check of ["source json", "source evtx", "sink hub", "state", "rules"]) {
    assert.equal(findings.find((one) => one.check === check)?.verdict, "pass", check);
  }
  const service = findings.find(({ check }) => check === "service");
  assert.match(service!.message, /not installed/);
});

function ruleOf(word: string): string {
  return JSON.stringify({
    title: `Says ${word}`,
    level: "high",
    logsource: { product: "windows" },
    detection: {
      sel: [
        { "CommandLine|contains": word },
        ...(word === "evil" ? [{ "Text|contains": "event" }] : []),
      ],
      condition: "sel",
    },
  });
}

function configOf(directory: string, subject: string): string {
  return JSON.stringify(
    {
      rules: { paths: ["C:\\rules"] },
      reload: { watch: false },
      sources: [
        {
          id: "json",
          type: "file",
          paths: [`${directory}\\*.ndjson`],
          format: "json",
          start_at: "start",
          logsource: { product: "windows" },
        },
        { id: "evtx", type: "evtx", channels: [`${directory}\\Test.evtx`], start_at: "start" },
      ],
      sinks: [{ id: "hub", type: "nats", subject, nats: { servers: [server.url] } }],
      state: { path: `${directory}\\state.db`, required: false },
      api: { enabled: false },
      log: { file: { path: LOG } },
    },
    undefined,
    1,
  ).replaceAll('":"', '": "');
}

function line(number: number): string {
  return JSON.stringify({ CommandLine: `evil.exe --job ${number}` });
}

function numberIn(
  body: { readonly matched_fields: readonly { readonly value: unknown }[] },
): number {
  return Number(/--job (\d+)/.exec(String(body.matched_fields[0]?.value))?.[1]);
}

/** An agent in the foreground of its own. */
function start(config: string): ChildProcess {
  return spawn("wine", [EXE, "run", "-c", config], { env: wine.env, stdio: "ignore" });
}

async function kill(agent: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => agent.once("exit", resolve));
  agent.kill("SIGKILL");
  await ended;
}

function control(code: string): Promise<WineRan> {
  return wine.run(["C:\\control.exe", SERVICE, code]);
}

/** What the service manager knows. */
async function query(): Promise<{ state: string; win32?: number; own?: number }> {
  const { code, stdout } = await wine.run(["sc", "query", SERVICE]);
  if (code !== 0) return { state: "none" };
  const number = (name: string): number =>
    Number(new RegExp(`${name}\\s*: (\\d+)`).exec(stdout)?.[1]);
  return {
    state: /STATE\s*: \d+\s+(\w+)/.exec(stdout)?.[1] ?? stdout,
    win32: number("WIN32_EXIT_CODE"),
    own: number("SERVICE_EXIT_CODE"),
  };
}

/** The facts of messages in the service's log. */
function logged(message: string): readonly Readonly<Record<string, unknown>>[] {
  if (!wine.has(LOG)) return [];
  return readFileSync(wine.host(LOG), "utf8").split("\n").filter((text) => text !== "")
    .map((text) => (JSON.parse(text) as { fields: { message: string } }).fields)
    .filter((fields) => fields.message === message);
}

async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await holds()) {
    if (performance.now() > deadline) {
      const log = wine.has(LOG) ? readFileSync(wine.host(LOG), "utf8").slice(-3000) : "no log";
      throw new Error(`it did not come to pass: ${holds}\n${log}`);
    }
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  }
}
