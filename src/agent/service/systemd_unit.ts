/**
 * The systemd unit of the agent, as text.
 *
 * It runs as the system user `picket`, which systemd-sysusers makes, rather than as a dynamic one:
 * alerts written outside the state directory would else belong to a number that another service may
 * get later, and a configuration with secrets could be readable for everybody or nobody only.
 */
import { ServiceError } from "./errors.ts";
import type { ServiceTarget } from "./target.ts";

/** The user and group of the service. */
export const SERVICE_USER = "picket";
/** Groups that may read logs on Debian and its like, and the journal. */
export const LOG_GROUPS = ["adm", "systemd-journal"] as const;
/** Where state is unless the configuration says otherwise. */
export const STATE_ROOT = "/var/lib";

/** Those of `LOG_GROUPS` that exist: a unit with a group that does not would not start. */
export interface UnitSurroundings {
  readonly groups: readonly string[];
}

/**
 * The text of `NAME.service`.
 *
 * @throws {ServiceError} `SERVICE_FAILED` for paths that cannot stand in a unit.
 */
export function systemdUnit(target: ServiceTarget, { groups }: UnitSurroundings): string {
  const { name, executable, config, stateDirectory, readAny, usesTmp } = target;
  // systemd takes neither variables nor these characters in the first word, escaped or not.
  if (/["'$\\]/.test(executable)) throw unfit(executable);
  const isOwnState = stateDirectory === `${STATE_ROOT}/${name}`;
  const writes = [...(isOwnState ? [] : [stateDirectory]), ...target.writes];
  const capability = readAny ? "CAP_DAC_READ_SEARCH" : "";
  const line = (condition: boolean, text: string): readonly string[] => condition ? [text] : [];
  return [
    "[Unit]",
    "Description=Picket, Sigma detection on the endpoint",
    "Wants=network-online.target",
    "After=network-online.target systemd-journald.service",
    "",
    "[Service]",
    "Type=notify",
    // `main` would do as long as the agent speaks to systemd itself and not through systemd-notify.
    "NotifyAccess=main",
    `ExecStart=${word(executable)} run --config ${argument(config)}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    "WatchdogSec=30",
    "Restart=on-failure",
    "RestartSec=5",
    // A wrong configuration does not get better by trying again.
    "RestartPreventExitStatus=3",
    // The state file may have to be checked, and what waits may have to be delivered.
    "TimeoutStartSec=120",
    "TimeoutStopSec=45",
    "",
    `User=${SERVICE_USER}`,
    `Group=${SERVICE_USER}`,
    ...line(groups.length > 0, `SupplementaryGroups=${groups.join(" ")}`),
    "UMask=0027",
    ...line(isOwnState, `StateDirectory=${name}`),
    ...line(isOwnState, "StateDirectoryMode=0700"),
    `LogsDirectory=${name}`,
    `RuntimeDirectory=${name}`,
    "RuntimeDirectoryMode=0750",
    // What is not there yet is left out, so that one missing directory does not keep the rest down.
    ...line(
      writes.length > 0,
      `ReadWritePaths=${writes.map((path) => word(`-${path}`)).join(" ")}`,
    ),
    "",
    "NoNewPrivileges=true",
    `CapabilityBoundingSet=${capability}`,
    `AmbientCapabilities=${capability}`,
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    // A private /tmp would hide the logs that the configuration names there.
    `PrivateTmp=${usesTmp ? "false" : "true"}`,
    "ProtectKernelTunables=true",
    "ProtectKernelModules=true",
    "ProtectControlGroups=true",
    "ProtectClock=true",
    "ProtectHostname=true",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=true",
    "RestrictRealtime=true",
    "RestrictSUIDSGID=true",
    "LockPersonality=true",
    "SystemCallArchitectures=native",
    "MemoryMax=512M",
    "CPUQuota=50%",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** The file for systemd-sysusers that makes the user. */
export function sysusersConfig(): string {
  return `u ${SERVICE_USER} - "Picket detection agent" ${STATE_ROOT}/picket /usr/sbin/nologin\n`;
}

/** A path as one word of a setting: specifiers escaped, quoted where that is needed. */
function word(path: string): string {
  if (/\p{Cc}/u.test(path)) throw unfit(path);
  const text = path.replaceAll("%", "%%");
  if (/^[\w./:@%+,=-]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, (character) => `\\${character}`)}"`;
}

/** The same for arguments of commands, where variables are expanded. */
function argument(path: string): string {
  return word(path).replaceAll("$", "$$$$");
}

function unfit(path: string): ServiceError {
  return new ServiceError(
    "SERVICE_FAILED",
    `Cannot install: systemd cannot start ${
      JSON.stringify(path)
    }; use a path without such characters`,
  );
}
