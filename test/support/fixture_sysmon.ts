/** Sysmon 15 events by kind, with the fields and types it gives them. */
import { guidOf, type WindowsEventSpec } from "./evtx_event.ts";
import { type EvtxValue, guid, hexInt32, hexInt64, uint16, uint32 } from "./evtx_values.ts";
import { accountText, type Host, type Process, SYSTEM } from "./fixture_hosts.ts";

function utcTime(time: string): string {
  return time.replace("T", " ").replace(/Z$/, "").padEnd(23, "0").slice(0, 23);
}

function processGuid(host: Host, pid: number): EvtxValue {
  return guid(guidOf(`${host.computer} ${pid}`));
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("\\") + 1);
}

/** Stand-ins of the right shape: no file of that name is meant. */
function hashes(image: string): string {
  const hex = guidOf(image).replaceAll("-", "").toUpperCase();
  return `MD5=${hex},SHA256=${hex}${hex},IMPHASH=${hex}`;
}

function sysmon(
  host: Host,
  time: string,
  eventId: number,
  version: number,
  data: Exclude<WindowsEventSpec["data"], undefined>,
): WindowsEventSpec {
  return {
    channel: "Microsoft-Windows-Sysmon/Operational",
    provider: "Microsoft-Windows-Sysmon",
    providerGuid: "5770385f-c22a-43e0-bf4c-06f5698ffbd9",
    eventId,
    version,
    task: eventId,
    time,
    computer: host.computer,
    userId: "S-1-5-18",
    processId: 3208,
    threadId: 1724,
    data: { RuleName: "-", UtcTime: utcTime(time), ...data },
  };
}

/** Sysmon 1. */
export function processCreate(host: Host, time: string, process: Process): WindowsEventSpec {
  const { parent, user } = process;
  return sysmon(host, time, 1, 5, {
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    Image: process.image,
    FileVersion: process.company === undefined ? "-" : "10.0.19041.1 (WinBuild.160101.0800)",
    Description: process.description ?? "-",
    Product: process.company === undefined ? "-" : "Microsoft® Windows® Operating System",
    Company: process.company ?? "-",
    OriginalFileName: process.originalName ?? fileName(process.image),
    CommandLine: process.commandLine,
    CurrentDirectory: process.directory ?? "C:\\Windows\\system32\\",
    User: accountText(user),
    LogonGuid: guid(guidOf(`${host.computer} ${user.logonId}`)),
    LogonId: hexInt64(user.logonId),
    TerminalSessionId: uint32(user === SYSTEM ? 0 : 1),
    IntegrityLevel: process.integrity ?? (user === SYSTEM ? "System" : "Medium"),
    Hashes: hashes(process.image),
    ParentProcessGuid: processGuid(host, parent?.pid ?? 0),
    ParentProcessId: uint32(parent?.pid ?? 0),
    ParentImage: parent?.image ?? "-",
    ParentCommandLine: parent?.commandLine ?? "-",
    ParentUser: parent === undefined ? "-" : accountText(parent.user),
  });
}

/** Sysmon 3. */
export function networkConnect(
  host: Host,
  time: string,
  process: Process,
  to: { readonly address: string; readonly name: string; readonly port: number },
): WindowsEventSpec {
  return sysmon(host, time, 3, 5, {
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    Image: process.image,
    User: accountText(process.user),
    Protocol: "tcp",
    Initiated: true,
    SourceIsIpv6: false,
    SourceIp: host.address,
    SourceHostname: host.computer,
    SourcePort: uint16(50268),
    SourcePortName: "-",
    DestinationIsIpv6: false,
    DestinationIp: to.address,
    DestinationHostname: to.name,
    DestinationPort: uint16(to.port),
    DestinationPortName: to.port === 443 ? "https" : to.port === 80 ? "http" : "-",
  });
}

/** Sysmon 8. */
export function createRemoteThread(
  host: Host,
  time: string,
  from: Process,
  into: Process,
): WindowsEventSpec {
  return sysmon(host, time, 8, 2, {
    SourceProcessGuid: processGuid(host, from.pid),
    SourceProcessId: uint32(from.pid),
    SourceImage: from.image,
    TargetProcessGuid: processGuid(host, into.pid),
    TargetProcessId: uint32(into.pid),
    TargetImage: into.image,
    NewThreadId: uint32(7264),
    StartAddress: "0x000001F8A3B10000",
    StartModule: "-",
    StartFunction: "-",
    SourceUser: accountText(from.user),
    TargetUser: accountText(into.user),
  });
}

/** Sysmon 10. */
export function processAccess(
  host: Host,
  time: string,
  from: Process,
  to: Process,
  access: number,
  callTrace: string,
): WindowsEventSpec {
  return sysmon(host, time, 10, 3, {
    SourceProcessGUID: processGuid(host, from.pid),
    SourceProcessId: uint32(from.pid),
    SourceThreadId: uint32(5120),
    SourceImage: from.image,
    TargetProcessGUID: processGuid(host, to.pid),
    TargetProcessId: uint32(to.pid),
    TargetImage: to.image,
    GrantedAccess: hexInt32(access),
    CallTrace: callTrace,
    SourceUser: accountText(from.user),
    TargetUser: accountText(to.user),
  });
}

/** Sysmon 11. */
export function fileCreate(
  host: Host,
  time: string,
  process: Process,
  target: string,
): WindowsEventSpec {
  return sysmon(host, time, 11, 2, {
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    Image: process.image,
    TargetFilename: target,
    CreationUtcTime: utcTime(time),
    User: accountText(process.user),
  });
}

/** Sysmon 13. */
export function registrySet(
  host: Host,
  time: string,
  process: Process,
  target: string,
  details: string,
): WindowsEventSpec {
  return sysmon(host, time, 13, 2, {
    EventType: "SetValue",
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    Image: process.image,
    TargetObject: target,
    Details: details,
    User: accountText(process.user),
  });
}

/** Sysmon 17. */
export function pipeCreate(
  host: Host,
  time: string,
  process: Process,
  pipe: string,
): WindowsEventSpec {
  return sysmon(host, time, 17, 1, {
    EventType: "CreatePipe",
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    PipeName: pipe,
    Image: process.image,
    User: accountText(process.user),
  });
}

/** Sysmon 22. */
export function dnsQuery(
  host: Host,
  time: string,
  process: Process,
  name: string,
  results: string,
): WindowsEventSpec {
  return sysmon(host, time, 22, 5, {
    ProcessGuid: processGuid(host, process.pid),
    ProcessId: uint32(process.pid),
    QueryName: name,
    QueryStatus: "0",
    QueryResults: results,
    Image: process.image,
    User: accountText(process.user),
  });
}
