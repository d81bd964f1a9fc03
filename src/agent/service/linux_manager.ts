/**
 * systemd as the service manager.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { systemDirectory } from "../config/discover.ts";
import { surroundings } from "../config/load.ts";
import type { ServiceManager, ServiceStatus } from "./manager.ts";
import { type Ran, runStep, type Step } from "./steps.ts";
import {
  LOG_GROUPS,
  SERVICE_USER,
  STATE_ROOT,
  systemdUnit,
  sysusersConfig,
} from "./systemd_unit.ts";
import type { ServiceTarget } from "./target.ts";

const SYSUSERS = "/etc/sysusers.d/picket.conf";

export function linuxManager(): ServiceManager {
  const configDirectory = systemDirectory(surroundings());
  return {
    title: "systemd",
    defaultName: "picket",
    defaultConfig: `${configDirectory}/config.yaml`,
    install: (target) => installSteps(target, configDirectory),
    uninstall: (name) => ({
      steps: [
        { kind: "run", argv: ["systemctl", "disable", `${name}.service`], optional: true },
        { kind: "remove", path: unitPath(name) },
        runStep("systemctl", "daemon-reload"),
      ],
      kept: [configDirectory, `${STATE_ROOT}/${name}`, `the user ${SERVICE_USER}`, SYSUSERS],
    }),
    start: (name) => [runStep("systemctl", "start", `${name}.service`)],
    stop: (name) => [runStep("systemctl", "stop", `${name}.service`)],
    statusCommand: (name) => ["systemctl", "show", `${name}.service`, `--property=${PROPERTIES}`],
    readStatus,
    logHint: (name) => `journalctl -u ${name} -n 50 --no-pager`,
    objection: unixObjection,
  };
}

function unitPath(name: string): string {
  return `/etc/systemd/system/${name}.service`;
}

function installSteps(target: ServiceTarget, configDirectory: string): readonly Step[] {
  const owner = { user: SERVICE_USER, group: SERVICE_USER };
  const unit = systemdUnit(target, { groups: LOG_GROUPS.filter(hasGroup) });
  const isSystemConfig = dirname(target.config) === configDirectory;
  const isOwnState = target.stateDirectory === `${STATE_ROOT}/${target.name}`;
  const directories = [...(isOwnState ? [] : [target.stateDirectory]), ...target.writes];
  return [
    { kind: "directory", path: dirname(SYSUSERS), mode: 0o755 },
    { kind: "write", path: SYSUSERS, mode: 0o644, content: sysusersConfig() },
    runStep("systemd-sysusers", SYSUSERS),
    // The configuration may name secrets: it is for root and the service, and nobody else.
    ...(isSystemConfig
      ? [
        { kind: "guard", path: configDirectory, mode: 0o750, group: SERVICE_USER },
        { kind: "guard", path: target.config, mode: 0o640, group: SERVICE_USER },
      ] as const
      : []),
    // systemd makes those it manages itself; their paths begin with /run, /var/log or /var/lib.
    ...directories
      .filter((path) => path !== `/run/${target.name}` && path !== `/var/log/${target.name}`)
      .map((path): Step => ({ kind: "directory", path, mode: 0o750, owner })),
    { kind: "write", path: unitPath(target.name), mode: 0o644, content: unit },
    runStep("systemctl", "daemon-reload"),
    runStep("systemctl", "enable", `${target.name}.service`),
  ];
}

function hasGroup(name: string): boolean {
  try {
    return readFileSync("/etc/group", "utf8").split("\n").some((line) =>
      line.startsWith(`${name}:`)
    );
  } catch {
    return false;
  }
}

const PROPERTIES = "LoadState,ActiveState,SubState,MainPID,StatusText,Result,ExecMainStatus";

function readStatus({ code, output }: Ran): ServiceStatus {
  const value = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, "m").exec(output)?.[1]?.trim() ?? "";
  if (code !== 0) return { installed: false, state: "unknown", detail: output };
  if (value("LoadState") === "not-found") return { installed: false, state: "stopped" };
  const state = STATES[value("ActiveState")] ?? "unknown";
  const pid = Number(value("MainPID"));
  const detail = state === "failed"
    ? `${value("Result")}, exit code ${value("ExecMainStatus")}; ${value("StatusText")}`
    : value("StatusText");
  return {
    installed: true,
    state,
    ...(pid > 0 ? { pid } : {}),
    ...(detail === "" ? {} : { detail }),
  };
}

const STATES: Readonly<Record<string, ServiceStatus["state"]>> = {
  active: "running",
  reloading: "running",
  activating: "starting",
  deactivating: "stopping",
  inactive: "stopped",
  failed: "failed",
};

/** Whoever may write the executable, or move it, would decide what runs as the service. */
export function unixObjection(executable: string): string | undefined {
  if (!existsSync(executable)) return `${executable} does not exist`;
  for (let path = executable;; path = dirname(path)) {
    const { mode, uid } = statSync(path);
    if (uid !== 0 || (mode & 0o022) !== 0) {
      return `others than root may write ${path}, and so replace what runs as a service; ` +
        `install it first: sudo install -m 755 ${executable} /usr/local/bin/picket`;
    }
    if (dirname(path) === path) return undefined;
  }
}
