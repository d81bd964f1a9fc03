/**
 * launchd as the service manager.
 */
import { dirname } from "node:path";
import { systemDirectory } from "../config/discover.ts";
import { surroundings } from "../config/load.ts";
import { launchdLabel, launchdPlist, MAC_LOG } from "./launchd_plist.ts";
import { unixObjection } from "./linux_manager.ts";
import type { ServiceManager, ServiceStatus } from "./manager.ts";
import { type Ran, runStep, type Step } from "./steps.ts";
import type { ServiceTarget } from "./target.ts";

export function macosManager(): ServiceManager {
  const configDirectory = systemDirectory(surroundings());
  return {
    title: "launchd",
    defaultName: "picket",
    defaultConfig: `${configDirectory}/config.yaml`,
    install: installSteps,
    uninstall: (name) => ({
      steps: [
        { kind: "run", argv: ["launchctl", "bootout", serviceOf(name)], optional: true },
        { kind: "remove", path: plistPath(name) },
      ],
      kept: [configDirectory, "/Library/Application Support/Picket", dirname(MAC_LOG)],
    }),
    start: (name) => [runStep("launchctl", "kickstart", serviceOf(name))],
    // It ends with code 0, after which KeepAlive lets it rest.
    stop: (name) => [runStep("launchctl", "kill", "SIGTERM", serviceOf(name))],
    statusCommand: (name) => ["launchctl", "print", serviceOf(name)],
    readStatus,
    logHint: () => `tail ${MAC_LOG}`,
    objection: unixObjection,
  };
}

function plistPath(name: string): string {
  return `/Library/LaunchDaemons/${launchdLabel(name)}.plist`;
}

function serviceOf(name: string): string {
  return `system/${launchdLabel(name)}`;
}

function installSteps(target: ServiceTarget): readonly Step[] {
  const root = { user: "root", group: "wheel" };
  return [
    ...[target.stateDirectory, dirname(MAC_LOG), ...target.writes]
      .map((path): Step => ({ kind: "directory", path, mode: 0o750, owner: root })),
    {
      kind: "write",
      path: plistPath(target.name),
      mode: 0o644,
      content: launchdPlist(target),
    },
    // A definition from before would stay in force.
    { kind: "run", argv: ["launchctl", "bootout", serviceOf(target.name)], optional: true },
    runStep("launchctl", "bootstrap", "system", plistPath(target.name)),
  ];
}

function readStatus({ code, output }: Ran): ServiceStatus {
  if (code !== 0) return { installed: false, state: "stopped" };
  const pid = Number(/^\s*pid = (\d+)$/m.exec(output)?.[1] ?? 0);
  const exit = /^\s*last exit code = (\d+)/m.exec(output)?.[1];
  if (pid > 0) return { installed: true, state: "running", pid };
  return exit === undefined || exit === "0"
    ? { installed: true, state: "stopped" }
    : { installed: true, state: "failed", detail: `exit code ${exit}` };
}
