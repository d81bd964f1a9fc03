import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { loadConfig } from "../../src/agent/config/load.ts";
import { unixObjection } from "../../src/agent/service/linux_manager.ts";
import { missingPrivilege, serviceManager } from "../../src/agent/service/platform.ts";
import { applySteps, describeStep, runProgram, runStep } from "../../src/agent/service/steps.ts";
import { isServiceName, serviceTarget } from "../../src/agent/service/target.ts";
import { runWindowsService } from "../../src/agent/service/windows_service.ts";
import { tempDir } from "../support/temp_dir.ts";

const onUnix = { skip: process.platform === "win32" ? "modes are of Unix" : false };
const onlyRoot = {
  skip: process.getuid?.() === 0 ? false : "only root can give files away",
};

test("applySteps() makes what is missing and leaves what is there", onUnix, async () => {
  await using dir = await tempDir();
  const made = join(dir.path, "a", "b");
  const kept = join(dir.path, "kept");
  mkdirSync(kept, { mode: 0o711 });
  await applySteps([
    { kind: "directory", path: made, mode: 0o750 },
    { kind: "directory", path: kept, mode: 0o700 },
    { kind: "write", path: join(made, "unit"), mode: 0o644, content: "[Unit]\n" },
    { kind: "remove", path: join(dir.path, "not there") },
  ], () => assert.fail("nothing to tell"));
  assert.equal(statSync(kept).mode & 0o777, 0o711);
  assert.equal(readFileSync(join(made, "unit"), "utf8"), "[Unit]\n");
  assert.equal(statSync(join(made, "unit")).mode & 0o777, 0o644);
  assert.ok(!existsSync(join(made, "unit.new")));
});

test("applySteps() gives files to a group of this machine", onlyRoot, async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "config.yaml");
  writeFileSync(path, "");
  await applySteps([{ kind: "guard", path, mode: 0o640, group: "adm" }], () => {});
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.notEqual(statSync(path).gid, 0);
  await assert.rejects(
    applySteps([{ kind: "guard", path, mode: 0o640, group: "no-such-group" }], () => {}),
    { code: "SERVICE_FAILED", message: /there is no group no-such-group/ },
  );
});

test("applySteps() stops at a step that fails, unless it is optional", onUnix, async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "after");
  const write = { kind: "write", path, mode: 0o600, content: "" } as const;
  await assert.rejects(applySteps([runStep("false"), write], () => {}), {
    code: "SERVICE_FAILED",
    message: "false failed (1): ",
  });
  assert.ok(!existsSync(path));
  const told: string[] = [];
  await applySteps(
    [{ kind: "run", argv: ["picket-no-such-program"], optional: true }, write],
    (message) => told.push(message),
  );
  assert.equal(told.length, 1);
  assert.ok(existsSync(path));
});

test("runProgram() uses no shell", onUnix, async () => {
  const words = ["$(id)", "a b", "; exit 3", "'", "*"];
  const { code, output } = await runProgram(["printf", "%s\\n", ...words]);
  assert.deepEqual([code, output.split("\n")], [0, words]);
});

test("describeStep() shows all that would be written", () => {
  fc.assert(fc.property(fc.array(fc.stringMatching(/^[ -~]{0,40}$/)), (lines) => {
    const content = lines.join("\n");
    const text = describeStep({ kind: "write", path: "/x", mode: 0o640, content });
    const shown = text.split("\n").slice(1).map((line) => line.replace(/^ {4}/, ""));
    assert.equal(shown.join("\n"), content.trimEnd().replace(/ +$/gm, ""));
  }));
});

test("isServiceName() takes nothing that could leave a path or a command line", () => {
  for (const name of ["Picket", "picket-2", "a.b_c"]) assert.ok(isServiceName(name), name);
  for (const name of ["", "../x", "a b", 'a"b', "-x", "a/b", "a\\b", "a\nb", "a".repeat(65)]) {
    assert.ok(!isServiceName(name), name);
  }
  fc.assert(fc.property(fc.string(), (name) => {
    if (isServiceName(name)) assert.doesNotMatch(name, /[\s/\\"'%$;&|<>]|^-|^\./);
  }));
});

test("serviceTarget() knows every directory that the configuration writes to", onUnix, async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "c.yaml");
  writeFileSync(
    path,
    JSON.stringify({
      sources: [
        { type: "unix", path: "/run/picket/in.sock" },
        { id: "f", type: "file", paths: ["/var/tmp/app/*.log"] },
      ],
      sinks: [{ type: "file", path: "/srv/alerts/a.ndjson" }],
      dead_letters: { sink: { type: "file", path: "/srv/dead/d.ndjson" } },
      state: { path: "/data/state.db" },
      api: { addr: "unix:///run/picket-api/api.sock", token_file: "/etc/picket/tokens.json" },
      log: { file: { path: "/var/log/other/picket.log" } },
    }),
  );
  const loaded = loadConfig({ configPath: path, env: {} });
  const target = serviceTarget(
    { name: "picket", executable: "/usr/bin/picket", config: path, readAny: false },
    loaded,
  );
  assert.deepEqual(target.writes, [
    "/etc/picket",
    "/run/picket",
    "/run/picket-api",
    "/srv/alerts",
    "/srv/dead",
    "/var/log/other",
  ]);
  assert.equal(target.stateDirectory, "/data");
  assert.equal(target.usesTmp, true);
});

test("unixObjection() trusts what root alone can replace", onlyRoot, async () => {
  assert.equal(unixObjection("/usr/bin/env"), undefined);
  assert.match(unixObjection("/nonexistent")!, /does not exist/);
  await using dir = await tempDir();
  const path = join(dir.path, "picket");
  writeFileSync(path, "", { mode: 0o755 });
  assert.match(unixObjection(path)!, /may write \/tmp|may write .*picket-test/);
});

test("serviceManager() knows three systems, and says so on others", () => {
  assert.equal(serviceManager({}, "linux").title, "systemd");
  assert.equal(serviceManager({}, "darwin").title, "launchd");
  assert.equal(serviceManager({}, "win32").title, "Windows services");
  assert.throws(() => serviceManager({}, "haiku"), { code: "SERVICE_UNSUPPORTED" });
  assert.equal(missingPrivilege() === undefined, process.getuid?.() === 0);
});

// systemctl(1) show; the values of a unit that is missing, running, failed.
const SHOWN: readonly (readonly [string, object])[] = [
  ["LoadState=not-found\nActiveState=inactive\nMainPID=0", { installed: false, state: "stopped" }],
  [
    "MainPID=77\nResult=success\nExecMainStatus=0\nLoadState=loaded\nActiveState=active\n" +
    "SubState=running\nStatusText=140 rules, 3 events",
    { installed: true, state: "running", pid: 77, detail: "140 rules, 3 events" },
  ],
  [
    "MainPID=0\nResult=exit-code\nExecMainStatus=3\nLoadState=loaded\nActiveState=failed\n" +
    "SubState=failed\nStatusText=c.yaml:1:1: api: unknown",
    {
      installed: true,
      state: "failed",
      detail: "exit-code, exit code 3; c.yaml:1:1: api: unknown",
    },
  ],
];
for (const [output, expected] of SHOWN) {
  test(`linuxManager() reads ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(serviceManager({}, "linux").readStatus({ code: 0, output }), expected);
  });
}

test("readStatus() makes a state of whatever a system says", () => {
  const output = fc.oneof(fc.string(), fc.constantFrom(...SHOWN.map(([text]) => text)));
  fc.assert(fc.property(
    fc.constantFrom("linux", "darwin", "win32"),
    fc.integer({ min: -1, max: 2000 }),
    output,
    (platform, code, text) => {
      const { installed, state } = serviceManager({}, platform).readStatus({ code, output: text });
      assert.equal(typeof installed, "boolean");
      if (platform !== "win32" && code !== 0) assert.equal(installed, false);
      assert.match(state, /^(?:running|starting|stopping|stopped|failed|unknown)$/);
    },
  ));
});

test("runWindowsService() says where it cannot work", {
  skip: process.platform === "win32" ? "it can here" : false,
}, async () => {
  await assert.rejects(
    runWindowsService({
      name: "Picket",
      dispatch: () => assert.fail("not reached"),
      main: () => assert.fail("not reached"),
    }),
    { code: "SERVICE_UNSUPPORTED" },
  );
});
