/** Events of the other Windows logs by kind: System, PowerShell, Defender, Terminal Services. */
import { guidOf, type WindowsEventSpec } from "./evtx_event.ts";
import { fileTime, guid, ticksOf, uint32, utf16 } from "./evtx_values.ts";
import { type Account, accountText, type Host } from "./fixture_hosts.ts";

function serviceControl(
  host: Host,
  time: string,
  eventId: number,
  data: Exclude<WindowsEventSpec["data"], undefined>,
): WindowsEventSpec {
  return {
    channel: "System",
    provider: "Service Control Manager",
    providerGuid: "555908d1-a6d7-4695-8e1e-26931d2012f4",
    eventSourceName: "Service Control Manager",
    eventId,
    qualifiers: 16384,
    keywords: 0x8080000000000000n,
    time,
    computer: host.computer,
    processId: 628,
    threadId: 4480,
    data,
  };
}

/** System 7045. */
export function serviceInstalled(
  host: Host,
  time: string,
  name: string,
  path: string,
): WindowsEventSpec {
  return serviceControl(host, time, 7045, {
    ServiceName: name,
    ImagePath: path,
    ServiceType: "user mode service",
    StartType: "demand start",
    AccountName: "LocalSystem",
  });
}

/** System 7036; the state's number also stands in its binary data. */
export function serviceState(
  host: Host,
  time: string,
  name: string,
  state: "running" | "stopped",
): WindowsEventSpec {
  return {
    ...serviceControl(host, time, 7036, { param1: name, param2: state }),
    binary: utf16(`${name}/${state === "running" ? 4 : 1}\0`),
  };
}

/** System 6005: a classic event with one empty positional string. */
export function logStarted(host: Host, time: string): WindowsEventSpec {
  return {
    channel: "System",
    provider: "EventLog",
    eventId: 6005,
    qualifiers: 32768,
    keywords: 0x80000000000000n,
    time,
    computer: host.computer,
    processId: 0,
    threadId: 0,
    data: [[undefined, ["", "", "", "", "", "", ""]]],
    binary: Uint8Array.of(0xe9, 0x07, 0x03, 0x00, 0x0b, 0x00),
  };
}

/** PowerShell 4104. Windows logs suspicious-looking blocks as warnings (level 3). */
export function scriptBlock(
  host: Host,
  time: string,
  account: Account,
  script: string,
  level = 5,
): WindowsEventSpec {
  return {
    channel: "Microsoft-Windows-PowerShell/Operational",
    provider: "Microsoft-Windows-PowerShell",
    providerGuid: "a0c1853b-5c40-4b15-8766-3cf1c58f985a",
    eventId: 4104,
    version: 1,
    level,
    task: 2,
    opcode: 15,
    keywords: 0n,
    time,
    computer: host.computer,
    userId: account.sid,
    processId: 6412,
    threadId: 7008,
    activityId: guidOf(`activity ${time}`),
    data: {
      MessageNumber: 1,
      MessageTotal: 1,
      ScriptBlockText: script,
      ScriptBlockId: guid(guidOf(script)),
      Path: "",
    },
  };
}

function defender(
  host: Host,
  time: string,
  eventId: number,
  level: number,
  data: Readonly<Record<string, string>>,
): WindowsEventSpec {
  return {
    channel: "Microsoft-Windows-Windows Defender/Operational",
    provider: "Microsoft-Windows-Windows Defender",
    providerGuid: "11cd958a-c507-4ef3-b3f2-5fd9dfbd2c78",
    eventId,
    level,
    time,
    computer: host.computer,
    userId: "S-1-5-18",
    processId: 2716,
    threadId: 3388,
    data: {
      "Product Name": "Microsoft Defender Antivirus",
      "Product Version": "4.18.25010.11",
      ...data,
    },
  };
}

/** Defender 1116: malware found. */
export function malwareFound(
  host: Host,
  time: string,
  user: Account,
  threat: string,
  path: string,
): WindowsEventSpec {
  return defender(host, time, 1116, 3, {
    "Detection ID": `{${guidOf(`${threat} ${time}`).toUpperCase()}}`,
    "Detection Time": time,
    "Threat ID": "2147725349",
    "Threat Name": threat,
    "Severity ID": "5",
    "Severity Name": "Severe",
    "Category ID": "8",
    "Category Name": "Trojan",
    "Source Name": "Real-Time Protection",
    "Process Name": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
    "Detection User": accountText(user),
    Path: `file:_${path}`,
    "Action ID": "9",
    "Action Name": "Not Applicable",
    "Error Code": "0x00000000",
    "Error Description": "The operation completed successfully. ",
  });
}

/** Defender 5001: real-time protection turned off. */
export function protectionDisabled(host: Host, time: string): WindowsEventSpec {
  return defender(host, time, 5001, 4, {});
}

/** Defender 2000: signatures updated. */
export function signaturesUpdated(host: Host, time: string): WindowsEventSpec {
  return defender(host, time, 2000, 4, {
    "Current security intelligence Version": "1.425.120.0",
    "Previous security intelligence Version": "1.425.98.0",
    "Update Source": "Microsoft Update Server",
  });
}

/** TerminalServices-RemoteConnectionManager 1149: a user authenticated, before the logon itself. */
export function rdpAuthenticated(
  host: Host,
  time: string,
  account: Account,
  from: string,
): WindowsEventSpec {
  return {
    channel: "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
    provider: "Microsoft-Windows-TerminalServices-RemoteConnectionManager",
    providerGuid: "c76baa63-ae81-421c-b425-340b4b24157f",
    eventId: 1149,
    keywords: 0x1000000000000000n,
    time,
    computer: host.computer,
    userId: "S-1-5-20",
    processId: 1140,
    threadId: 5560,
    userData: {
      element: "EventXML",
      namespace: "Event_NS",
      fields: { Param1: account.name, Param2: account.domain, Param3: from },
    },
  };
}

/** TerminalServices-LocalSessionManager 21: session logon succeeded. */
export function sessionStarted(
  host: Host,
  time: string,
  account: Account,
  from: string,
): WindowsEventSpec {
  return {
    channel: "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
    provider: "Microsoft-Windows-TerminalServices-LocalSessionManager",
    providerGuid: "5d896912-022d-40aa-a3a8-4fa5515c76d7",
    eventId: 21,
    keywords: 0x1000000000000000n,
    time,
    computer: host.computer,
    userId: "S-1-5-18",
    processId: 1012,
    threadId: 2208,
    userData: {
      element: "EventXML",
      namespace: "Event_NS",
      fields: { User: accountText(account), SessionID: uint32(2), Address: from },
    },
  };
}

/** Kernel-General 1: the clock was set; a FILETIME pair and a process, all typed. */
export function clockSet(host: Host, time: string): WindowsEventSpec {
  return {
    channel: "System",
    provider: "Microsoft-Windows-Kernel-General",
    providerGuid: "a68ca8b7-004f-d7b6-a698-07e2de0f1f5d",
    eventId: 1,
    version: 2,
    task: 5,
    keywords: 0x8000000000000010n,
    time,
    computer: host.computer,
    userId: "S-1-5-19",
    data: {
      NewTime: fileTime(ticksOf(time)),
      OldTime: fileTime(ticksOf(time) - 1_250_000n),
      Reason: uint32(2),
      ProcessName: "\\Device\\HarddiskVolume3\\Windows\\System32\\svchost.exe",
      ProcessID: uint32(1188),
    },
  };
}
