import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { escapeXml, launchdPlist } from "../../src/agent/service/launchd_plist.ts";
import { systemdUnit } from "../../src/agent/service/systemd_unit.ts";
import type { ServiceTarget } from "../../src/agent/service/target.ts";
import { serviceCommandLine, windowsManager } from "../../src/agent/service/windows_manager.ts";
import { tempDir } from "../support/temp_dir.ts";

const TARGET: ServiceTarget = {
  name: "picket",
  executable: "/usr/local/bin/picket",
  config: "/etc/picket/config.yaml",
  writes: [],
  stateDirectory: "/var/lib/picket",
  usesTmp: false,
  readAny: false,
};
const GROUPS = { groups: ["adm", "systemd-journal"] };

function lines(target: Partial<ServiceTarget> = {}): readonly string[] {
  return systemdUnit({ ...TARGET, ...target }, GROUPS).split("\n");
}

/** systemd's own reader; `undefined` where it is not installed. */
function analyze(unit: string): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", unit], {
    encoding: "utf8",
  });
  return { status, said: `${stdout}${stderr}`.trim() };
}

function hasAnalyze(): boolean {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
const SKIP = hasAnalyze() ? false : "systemd-analyze is not installed";
if (SKIP !== false) console.log(`skipped: ${SKIP}`);

test("systemdUnit() is what daemon.md 19.4 asks for", () => {
  const unit = lines();
  for (
    const line of [
      "Type=notify",
      "WatchdogSec=30",
      "ExecStart=/usr/local/bin/picket run --config /etc/picket/config.yaml",
      "ExecReload=/bin/kill -HUP $MAINPID",
      "Restart=on-failure",
      "User=picket",
      "NoNewPrivileges=true",
      "ProtectSystem=strict",
      "ProtectHome=read-only",
      "PrivateTmp=true",
      "MemoryMax=512M",
      "CPUQuota=50%",
      "StateDirectory=picket",
      "LogsDirectory=picket",
      "RuntimeDirectory=picket",
      "SupplementaryGroups=adm systemd-journal",
    ]
  ) assert.ok(unit.includes(line), line);
});

test("systemdUnit() opens only what the configuration writes to", () => {
  assert.ok(!lines().some((line) => line.startsWith("ReadWritePaths")));
  const unit = lines({ writes: ["/srv/alerts", "/srv/a b"], stateDirectory: "/data/state" });
  assert.ok(unit.includes('ReadWritePaths=-/data/state -/srv/alerts "-/srv/a b"'));
  assert.ok(!unit.some((line) => line.startsWith("StateDirectory")));
  assert.ok(lines({ usesTmp: true }).includes("PrivateTmp=false"));
  assert.ok(lines({ readAny: true }).includes("AmbientCapabilities=CAP_DAC_READ_SEARCH"));
});

test("systemdUnit() has no line for groups that do not exist", () => {
  const unit = systemdUnit(TARGET, { groups: [] });
  assert.ok(!unit.includes("SupplementaryGroups"));
});

// systemd.syntax(7) "Quoting", systemd.unit(5) "Specifiers", systemd.service(5) "Command lines".
const ESCAPES: readonly (readonly [path: string, written: string])[] = [
  ["/etc/p.yaml", "/etc/p.yaml"],
  ["/etc/a b.yaml", '"/etc/a b.yaml"'],
  ["/etc/50%.yaml", "/etc/50%%.yaml"],
  ["/etc/$HOME.yaml", '"/etc/$$HOME.yaml"'],
  [String.raw`/etc/a"b\c.yaml`, String.raw`"/etc/a\"b\\c.yaml"`],
];
for (const [path, written] of ESCAPES) {
  test(`systemdUnit() writes ${path} as ${written}`, () => {
    const start = lines({ config: path }).find((line) => line.startsWith("ExecStart="));
    assert.equal(start, `ExecStart=/usr/local/bin/picket run --config ${written}`);
  });
}

test("systemdUnit() refuses paths that would end the line or the word", () => {
  for (const executable of ["/opt/a\nb", "/opt/$x", "/opt/a\\b", '/opt/a"b']) {
    assert.throws(() => lines({ executable }), { code: "SERVICE_FAILED" });
  }
  assert.throws(() => lines({ config: "/etc/x\nExecStartPre=/bin/rm" }), {
    code: "SERVICE_FAILED",
  });
});

test("systemdUnit() never lets a path add a setting", () => {
  const keys = (unit: readonly string[]): readonly string[] =>
    unit.map((line) => line.split("=")[0]!);
  const expected = keys(lines({ writes: ["/x"] }));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    try {
      const path = `/srv/${text}`;
      assert.deepEqual(keys(lines({ config: path, writes: [path] })), expected);
    } catch (error) {
      assert.equal((error as { readonly code?: string }).code, "SERVICE_FAILED");
    }
  }));
});

test("systemd accepts the unit", { skip: SKIP }, async () => {
  await using dir = await tempDir();
  for (const odd of ["plain", "with blank", "50%n", "größer"]) {
    const executable = join(dir.path, odd, "picket");
    mkdirSync(dirname(executable));
    copyFileSync("/bin/true", executable);
    chmodSync(executable, 0o755);
    const unit = join(dir.path, odd, "picket.service");
    const config = join(dir.path, odd, "a $b 'c.yaml");
    const target = { ...TARGET, executable, config, writes: [dirname(config)], readAny: true };
    writeFileSync(unit, systemdUnit(target, GROUPS));
    assert.deepEqual(analyze(unit), { status: 0, said: "" }, odd);
    writeFileSync(unit, systemdUnit(target, GROUPS).replace("Restart=", "Restrat="));
    assert.match(analyze(unit).said, /Unknown key/, "it would tell what it does not know");
  }
});

test("escapeXml() gives text that reads back", () => {
  const unescape = (xml: string): string =>
    xml.replace(/&(lt|gt|amp|quot|apos|#9);/g, (_, name: string) => READ[name]!);
  fc.assert(fc.property(fc.string(), (text) => {
    const xml = escapeXml(text);
    assert.doesNotMatch(xml, /[<>"']|&(?!(?:lt|gt|amp|quot|apos|#9);)/);
    assert.equal(unescape(xml), text.replace(/\p{Cc}/gu, (one) => one === "\t" ? one : "?"));
  }));
});
const READ: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
  "#9": "\t",
};

test("launchdPlist() names the program and its configuration", () => {
  const plist = launchdPlist({ ...TARGET, config: "/etc/a & <b>.yaml" });
  assert.match(plist, /<string>io\.picket\.agent<\/string>/);
  assert.match(plist, /<string>\/usr\/local\/bin\/picket<\/string>\n\s*<string>run<\/string>/);
  assert.match(plist, /<string>\/etc\/a &amp; &lt;b&gt;\.yaml<\/string>/);
  assert.match(plist, /<key>RunAtLoad<\/key>\s*<true\/>/);
});

const WINDOWS: ServiceTarget = {
  ...TARGET,
  name: "Picket",
  executable: "C:\\Program Files\\Picket\\picket.exe",
  config: "C:\\ProgramData\\Picket\\config.yaml",
  stateDirectory: "C:\\ProgramData\\Picket",
};

test("serviceCommandLine() quotes paths: `C:\\Program.exe` must not be what starts", () => {
  assert.equal(
    serviceCommandLine(WINDOWS),
    '"C:\\Program Files\\Picket\\picket.exe" service run --name Picket ' +
      '--config "C:\\ProgramData\\Picket\\config.yaml"',
  );
});

test("windowsManager() restarts after 5, 30 and 60 seconds, and starts late", () => {
  const argvs = windowsManager({}).install(WINDOWS, false).map((step) =>
    step.kind === "run" ? step.argv.join(" ") : step.kind
  );
  assert.ok(argvs.some((argv) => argv.includes("start= delayed-auto")));
  assert.ok(
    argvs.includes(
      "sc.exe failure Picket reset= 86400 actions= restart/5000/restart/30000/restart/60000",
    ),
  );
});

test("windowsManager() changes a service that is there instead of making it again", () => {
  const verbs = (isInstalled: boolean): readonly (string | undefined)[] =>
    windowsManager({}).install(WINDOWS, isInstalled)
      .map((step) => step.kind === "run" && step.argv[0] === "sc.exe" ? step.argv[1] : undefined);
  assert.ok(verbs(false).includes("create") && !verbs(false).includes("config"));
  assert.ok(verbs(true).includes("config") && !verbs(true).includes("create"));
});

// Answers of sc.exe, English and German, and systemd's; the numbers are those of winerror.h.
const SC = (state: string, win32: string, own: string): string =>
  `\nSERVICE_NAME: Picket\n        TYPE               : 10  WIN32_OWN_PROCESS\n` +
  `        STATE              : ${state}\n        WIN32_EXIT_CODE    : ${win32}\n` +
  `        SERVICE_EXIT_CODE  : ${own}\n        CHECKPOINT         : 0x0\n`;
const STATUSES: readonly (readonly [code: number, output: string, expected: object])[] = [
  [0, SC("4  RUNNING", "0  (0x0)", "0  (0x0)"), { installed: true, state: "running" }],
  [0, SC("2  START_PENDING", "0  (0x0)", "0  (0x0)"), { installed: true, state: "starting" }],
  [0, SC("1  STOPPED", "1077  (0x435)", "0  (0x0)"), { installed: true, state: "stopped" }],
  [
    0,
    SC("1  STOPPED", "1066  (0x42a)", "3  (0x3)"),
    { installed: true, state: "failed", detail: "exit code 3" },
  ],
  [
    0,
    SC("1  STOPPED", "1053  (0x41d)", "0  (0x0)").replace("STATE", "STATUS")
      .replace("WIN32_EXIT_CODE", "WIN32_BEENDIGUNGSCODE"),
    { installed: true, state: "failed", detail: "Windows error 1053" },
  ],
  [1060, "[SC] EnumQueryServicesStatus:OpenService FEHLER 1060:", {
    installed: false,
    state: "stopped",
  }],
];
for (const [code, output, expected] of STATUSES) {
  test(`windowsManager() reads ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(windowsManager({}).readStatus({ code, output }), expected);
  });
}
