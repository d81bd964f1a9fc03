/**
 * Windows' service manager, asked through `sc.exe`.
 */
import { win32 } from "node:path";
import type { Environment } from "../config/secret.ts";
import { EVENT_SOURCE } from "./event_log.ts";
import type { ServiceManager, ServiceStatus } from "./manager.ts";
import { type Ran, type Run, runStep, type Step } from "./steps.ts";
import type { ServiceTarget } from "./target.ts";

/** SYSTEM and Administrators by their identifiers: their names differ with the language. */
const SYSTEM = "*S-1-5-18";
const ADMINISTRATORS = "*S-1-5-32-544";
const EVENT_KEY =
  `HKLM\\SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\${EVENT_SOURCE}`;
/** Comes with Windows and shows messages as they are, whatever their number. */
const EVENT_MESSAGES = "%SystemRoot%\\Microsoft.NET\\Framework64\\v4.0.30319\\EventLogMessages.dll";
const ERROR_SERVICE_SPECIFIC_ERROR = 1066;
const ERROR_SERVICE_NEVER_STARTED = 1077;
const ERROR_SERVICE_DOES_NOT_EXIST = 1060;

export function windowsManager(env: Environment): ServiceManager {
  const directory = win32.join(env["ProgramData"] || "C:\\ProgramData", "Picket");
  return {
    title: "Windows services",
    defaultName: "Picket",
    defaultConfig: win32.join(directory, "config.yaml"),
    install: (target, isInstalled) => installSteps(target, isInstalled, directory),
    uninstall: (name) => ({
      steps: [
        runStep("sc.exe", "delete", name),
        { kind: "run", argv: ["reg.exe", "delete", EVENT_KEY, "/f"], optional: true },
      ],
      kept: [directory],
    }),
    start: (name) => [runStep("sc.exe", "start", name)],
    stop: (name) => [runStep("sc.exe", "stop", name)],
    statusCommand: (name) => ["sc.exe", "query", name],
    readStatus,
    logHint: () =>
      `type "${win32.join(directory, "logs", "picket.log")}", and Event Viewer: Application, ` +
      `source ${EVENT_SOURCE}`,
    objection: (executable) => objection(executable, env),
  };
}

function installSteps(
  target: ServiceTarget,
  isInstalled: boolean,
  directory: string,
): readonly Step[] {
  const { name } = target;
  return [
    { kind: "directory", path: directory, mode: 0o700 },
    { kind: "directory", path: win32.join(directory, "logs"), mode: 0o700 },
    ...[target.stateDirectory, ...target.writes].filter((path) => !isInside(path, directory))
      .map((path): Step => ({ kind: "directory", path, mode: 0o700 })),
    // Anybody may make directories in ProgramData, so ours may be somebody else's by now.
    quiet("icacls.exe", directory, "/setowner", ADMINISTRATORS, "/T", "/C", "/Q"),
    runStep(
      "icacls.exe",
      directory,
      "/inheritance:r",
      "/grant:r",
      `${SYSTEM}:(OI)(CI)F`,
      `${ADMINISTRATORS}:(OI)(CI)F`,
      "/Q",
    ),
    quiet("icacls.exe", win32.join(directory, "*"), "/reset", "/T", "/C", "/Q"),
    runStep(
      "sc.exe",
      isInstalled ? "config" : "create",
      name,
      "binPath=",
      serviceCommandLine(target),
      "start=",
      "delayed-auto",
      "DisplayName=",
      name === "Picket" ? "Picket detection agent" : `Picket detection agent (${name})`,
    ),
    quiet("sc.exe", "description", name, "Evaluates Sigma rules on logs and forwards alerts."),
    runStep(
      "sc.exe",
      "failure",
      name,
      "reset=",
      "86400",
      "actions=",
      "restart/5000/restart/30000/restart/60000",
    ),
    ...[["EventMessageFile", "REG_EXPAND_SZ", EVENT_MESSAGES], ["TypesSupported", "REG_DWORD", "7"]]
      .map(([value, type, data]) =>
        quiet("reg.exe", "add", EVENT_KEY, "/v", value!, "/t", type!, "/d", data!, "/f")
      ),
  ];
}

function quiet(...argv: [string, ...string[]]): Run {
  return { kind: "run", argv, optional: true };
}

/** What Windows starts. Without the quotes `C:\Program.exe` would be tried first. */
export function serviceCommandLine({ executable, config, name }: ServiceTarget): string {
  return `"${executable}" service run --name ${name} --config "${config}"`;
}

function isInside(path: string, directory: string): boolean {
  return `${path}\\`.toLowerCase().startsWith(`${directory}\\`.toLowerCase());
}

/** What runs as SYSTEM must not lie where others may write. */
function objection(executable: string, env: Environment): string | undefined {
  const safe = [env["ProgramFiles"], env["ProgramW6432"], env["SystemRoot"]];
  if (safe.some((directory) => directory && isInside(executable, directory))) return undefined;
  const place = win32.join(env["ProgramFiles"] || "C:\\Program Files", "Picket");
  return `${executable} is not below Program Files, so others than administrators may be able to ` +
    `replace what would run as SYSTEM; copy it to ${place} first`;
}

/** The answer of `sc query`: names of states are the same in every language, labels are not. */
function readStatus({ code, output }: Ran): ServiceStatus {
  // Wine's `sc` fails without a word.
  if (code === ERROR_SERVICE_DOES_NOT_EXIST || /\b1060\b/.test(output) || output === "") {
    return { installed: false, state: "stopped" };
  }
  const state = STATES[/:\s+[1-7]\s+([A-Z_]+)/.exec(output)?.[1] ?? ""];
  if (code !== 0 || state === undefined) {
    return { installed: false, state: "unknown", detail: output };
  }
  const [win32Code = 0, ownCode = 0] = [...output.matchAll(/:\s+(\d+)\s+\(0x/g)]
    .map((match) => Number(match[1]));
  if (state !== "stopped" || win32Code === 0 || win32Code === ERROR_SERVICE_NEVER_STARTED) {
    return { installed: true, state };
  }
  const detail = win32Code === ERROR_SERVICE_SPECIFIC_ERROR
    ? `exit code ${ownCode}`
    : `Windows error ${win32Code}`;
  return { installed: true, state: "failed", detail };
}

const STATES: Readonly<Record<string, ServiceStatus["state"]>> = {
  STOPPED: "stopped",
  START_PENDING: "starting",
  STOP_PENDING: "stopping",
  RUNNING: "running",
};
