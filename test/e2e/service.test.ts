/**
 * The executable under systemd's protocol, and what `picket service` and `picket doctor` say.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { AgentProcess } from "../support/agent_process.ts";
import { DatagramReceiver, RECEIVER_SKIP } from "../support/datagrams.ts";
import { picket, type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
const WATCHDOG_MS = 1000;

function configOf(files: Scratch): Record<string, unknown> {
  return {
    sources: [{ id: "log", type: "file", paths: [files.file("*.log")] }],
    sinks: [{ type: "file", path: files.file("alerts.ndjson") }],
    state: { path: files.file("state/state.db") },
    api: { enabled: false },
  };
}

test("systemd hears READY, WATCHDOG, RELOADING and STOPPING", {
  skip: skip || RECEIVER_SKIP,
}, async () => {
  using files = scratch();
  const socket = files.file("notify");
  await using systemd = await DatagramReceiver.open(socket);
  await using agent = await AgentProcess.start(files, {
    config: configOf(files),
    env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: String(WATCHDOG_MS * 1000) },
  });
  const ready = await systemd.message("READY=1");
  assert.match(ready, /^STATUS=\d+ rules, 0 events$/m);

  const count = (line: string): number =>
    systemd.messages.filter((message) => message.split("\n").includes(line)).length;
  await pause(3 * WATCHDOG_MS);
  const fed = count("WATCHDOG=1");
  assert.ok(fed >= 5, `fed at half the interval: ${fed} times in 3 intervals`);

  // A process that does not run does not feed it; that is what the watchdog is for.
  process.kill(agent.child.pid!, "SIGSTOP");
  await pause(100);
  const whenStopped = count("WATCHDOG=1");
  await pause(1.5 * WATCHDOG_MS);
  assert.equal(count("WATCHDOG=1"), whenStopped);
  process.kill(agent.child.pid!, "SIGCONT");

  agent.child.kill("SIGHUP");
  const reloading = await systemd.message("RELOADING=1");
  assert.match(reloading, /^MONOTONIC_USEC=\d+$/m);
  await systemd.message("STATUS=reloaded");
  assert.equal(await agent.end("SIGTERM"), 0);
  await systemd.message("STOPPING=1");
  const order = systemd.messages.flatMap((message) => message.split("\n"))
    .filter((line) => /^(?:READY|RELOADING|STOPPING)=/.test(line));
  assert.deepEqual(order, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
});

test("systemd is told why the agent cannot start", { skip: skip || RECEIVER_SKIP }, async () => {
  using files = scratch();
  const socket = files.file("notify");
  await using systemd = await DatagramReceiver.open(socket);
  await using agent = AgentProcess.spawn(files, {
    config: { sinks: [{ type: "fil" }] },
    env: { NOTIFY_SOCKET: socket },
  });
  assert.equal(await agent.exited, 3);
  await systemd.message(/^STATUS=.*picket\.yaml:1:.*sinks\[0\]\.type/m);
  assert.ok(!systemd.messages.some((message) => message.includes("READY=1")));
});

test("service install --dry-run shows the whole unit and needs no rights", {
  skip: skip || (process.platform === "linux" ? false : "shows a systemd unit"),
}, async () => {
  using files = scratch();
  mkdirSync(files.path, { recursive: true });
  writeFileSync(files.file("c.yaml"), JSON.stringify(configOf(files)));
  chmodSync(files.path, 0o755);
  const command = ["service", "install", "--dry-run", "--config", files.file("c.yaml")];
  const { code, stdout } = await picket([...command, "--force"], { wrapper: asNobody() });
  assert.equal(code, 0);
  assert.match(stdout, /^ {4}ExecStart=.* run --config .*c\.yaml$/m);
  assert.match(stdout, new RegExp(`^ {4}ReadWritePaths=.*-${files.path}`, "m"));
  assert.match(stdout, /^ {4}PrivateTmp=false$/m, "its logs are in /tmp");
  assert.match(stdout, /^run systemctl enable picket\.service$/m);
  const refused = await picket(
    ["service", "install", "--config", files.file("c.yaml"), "--force"],
    { wrapper: asNobody() },
  );
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /run it as root: sudo picket service/);
});

test("service install refuses a broken configuration and an executable others may replace", {
  skip,
}, async () => {
  using files = scratch();
  mkdirSync(files.path, { recursive: true });
  writeFileSync(files.file("bad.yaml"), '{"sinks": [{"type": "fil"}]}');
  writeFileSync(files.file("good.yaml"), JSON.stringify(configOf(files)));
  const bad = await picket(["service", "install", "--config", files.file("bad.yaml"), "--force"]);
  assert.equal(bad.code, 3);
  assert.match(bad.stderr, /bad\.yaml:1:.*sinks\[0\]\.type/);
  assert.match(bad.stderr, /nothing has been installed/);
  const none = await picket(["service", "install", "--config", files.file("none.yaml")]);
  assert.equal(none.code, 3);
  assert.match(none.stderr, /picket config init/);
  writeFileSync(files.file("picket"), "");
  chmodSync(files.file("picket"), 0o777);
  const open = await picket([
    ...["service", "install", "--config", files.file("good.yaml")],
    ...["--executable", files.file("picket")],
  ]);
  assert.equal(open.code, 3);
  assert.match(open.stderr, /others than root may write/);
});

test("doctor sees permissions as whoever asks has them", {
  skip: skip || (process.getuid?.() === 0 ? false : "only root can become somebody else"),
}, async () => {
  using files = scratch();
  chmodSync(files.path, 0o755);
  writeFileSync(files.file("secret.log"), "x\n", { mode: 0o600 });
  writeFileSync(files.file("c.yaml"), JSON.stringify(configOf(files)));
  const command = ["doctor", "-c", files.file("c.yaml"), "--output-format", "json"];
  const asRoot = JSON.parse((await picket(command)).stdout) as Report;
  const other = await picket(command, { wrapper: asNobody() });
  const asOther = JSON.parse(other.stdout) as Report;
  const verdict = (report: Report, check: string): string | undefined =>
    report.findings.find((one) => one.check === check)?.verdict;
  assert.equal(verdict(asRoot, "source log"), "pass");
  assert.equal(verdict(asOther, "source log"), "fail");
  assert.equal(verdict(asOther, "sink file"), "fail");
  assert.equal(asOther.ok, false);
  assert.equal(other.code, 1);
  assert.ok(other.seconds < 8, `it took ${other.seconds} s`);
});

interface Report {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly verdict: string }[];
}

/** Starts a program without root's rights, if we have them. */
function asNobody(): readonly string[] {
  if (process.getuid?.() !== 0) return [];
  return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
