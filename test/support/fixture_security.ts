/** Events of the Security log by kind, with the fields and types Windows 10 gives them. */
import type { WindowsEventSpec } from "./evtx_event.ts";
import { guid, hexInt32, hexInt64, sid, uint32 } from "./evtx_values.ts";
import { type Account, type Host, type Process, subject, SYSTEM } from "./fixture_hosts.ts";

const AUDIT_SUCCESS = 0x8020000000000000n;
const AUDIT_FAILURE = 0x8010000000000000n;

function security(
  host: Host,
  time: string,
  eventId: number,
  task: number,
  data: Exclude<WindowsEventSpec["data"], undefined>,
  more: Partial<WindowsEventSpec> = {},
): WindowsEventSpec {
  return {
    channel: "Security",
    provider: "Microsoft-Windows-Security-Auditing",
    providerGuid: "54849625-5478-4994-a5ba-3e3b0328c30d",
    eventId,
    level: 0,
    task,
    keywords: AUDIT_SUCCESS,
    time,
    computer: host.computer,
    processId: 648,
    threadId: 4212,
    data,
    ...more,
  };
}

const NOBODY: Account = { name: "-", domain: "-", sid: "S-1-0-0", logonId: 0n };

/** Security 4624. */
export function logon(
  host: Host,
  time: string,
  account: Account,
  type: number,
  from = "-",
): WindowsEventSpec {
  const remote = type === 3 || type === 10;
  return security(host, time, 4624, 12544, {
    ...subject(remote ? NOBODY : SYSTEM),
    TargetUserSid: sid(account.sid),
    TargetUserName: account.name,
    TargetDomainName: account.domain,
    TargetLogonId: hexInt64(account.logonId),
    LogonType: uint32(type),
    LogonProcessName: remote ? "NtLmSsp " : "User32 ",
    AuthenticationPackageName: remote ? "NTLM" : "Negotiate",
    WorkstationName: remote ? "-" : host.computer.split(".")[0]!,
    LogonGuid: guid("00000000-0000-0000-0000-000000000000"),
    TransmittedServices: "-",
    LmPackageName: remote ? "NTLM V2" : "-",
    KeyLength: uint32(remote ? 128 : 0),
    ProcessId: hexInt64(remote ? 0n : 0x4d4n),
    ProcessName: remote ? "-" : "C:\\Windows\\System32\\svchost.exe",
    IpAddress: from,
    IpPort: from === "-" ? "-" : "50106",
    ImpersonationLevel: "%%1833",
    RestrictedAdminMode: "-",
    TargetOutboundUserName: "-",
    TargetOutboundDomainName: "-",
    VirtualAccount: "%%1843",
    TargetLinkedLogonId: hexInt64(0n),
    ElevatedToken: "%%1842",
  }, { version: 2 });
}

/** Security 4625: unknown user or bad password. */
export function logonFailure(
  host: Host,
  time: string,
  user: string,
  type: number,
  from: string,
): WindowsEventSpec {
  return security(host, time, 4625, 12544, {
    ...subject(NOBODY),
    TargetUserSid: sid("S-1-0-0"),
    TargetUserName: user,
    TargetDomainName: host.domain,
    Status: hexInt32(0xc000006d),
    FailureReason: "%%2313",
    SubStatus: hexInt32(0xc000006a),
    LogonType: uint32(type),
    LogonProcessName: "NtLmSsp ",
    AuthenticationPackageName: "NTLM",
    WorkstationName: "kali",
    TransmittedServices: "-",
    LmPackageName: "-",
    KeyLength: uint32(0),
    ProcessId: hexInt64(0n),
    ProcessName: "-",
    IpAddress: from,
    IpPort: "0",
  }, { keywords: AUDIT_FAILURE });
}

/** Security 4634. */
export function logoff(host: Host, time: string, account: Account, type: number): WindowsEventSpec {
  return security(host, time, 4634, 12545, {
    TargetUserSid: sid(account.sid),
    TargetUserName: account.name,
    TargetDomainName: account.domain,
    TargetLogonId: hexInt64(account.logonId),
    LogonType: uint32(type),
  });
}

/** Security 4688, version 2. */
export function auditProcessCreate(host: Host, time: string, process: Process): WindowsEventSpec {
  const { parent, user } = process;
  return security(host, time, 4688, 13312, {
    ...subject(user),
    NewProcessId: hexInt64(BigInt(process.pid)),
    NewProcessName: process.image,
    TokenElevationType: process.integrity === "High" ? "%%1937" : "%%1936",
    ProcessId: hexInt64(BigInt(parent?.pid ?? 4)),
    CommandLine: process.commandLine,
    TargetUserSid: sid("S-1-0-0"),
    TargetUserName: "-",
    TargetDomainName: "-",
    TargetLogonId: hexInt64(0n),
    ParentProcessName: parent?.image ?? "",
    MandatoryLabel: sid(process.integrity === "High" ? "S-1-16-12288" : "S-1-16-8192"),
  }, { version: 2, processId: 4 });
}

/** Security 4698. */
export function taskCreated(
  host: Host,
  time: string,
  account: Account,
  name: string,
  command: string,
): WindowsEventSpec {
  return security(host, time, 4698, 12804, {
    ...subject(account),
    TaskName: name,
    TaskContent:
      `<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2">\r\n  <Actions>\r\n` +
      `    <Exec><Command>${command}</Command></Exec>\r\n  </Actions>\r\n</Task>`,
  });
}

/** Security 4720. */
export function userCreated(
  host: Host,
  time: string,
  by: Account,
  created: Account,
): WindowsEventSpec {
  return security(host, time, 4720, 13824, {
    TargetUserName: created.name,
    TargetDomainName: created.domain,
    TargetSid: sid(created.sid),
    ...subject(by),
    PrivilegeList: "-",
    SamAccountName: created.name,
    DisplayName: "%%1793",
    UserPrincipalName: "-",
    HomeDirectory: "%%1793",
    HomePath: "%%1793",
    ScriptPath: "%%1793",
    ProfilePath: "%%1793",
    UserWorkstations: "%%1793",
    PasswordLastSet: "%%1794",
    AccountExpires: "%%1794",
    PrimaryGroupId: "513",
    AllowedToDelegateTo: "-",
    OldUacValue: "0x0",
    NewUacValue: "0x15",
    UserAccountControl: "\r\n\t\t%%2080\r\n\t\t%%2082\r\n\t\t%%2084",
    UserParameters: "%%1793",
    SidHistory: "-",
    LogonHours: "%%1797",
  });
}

/** Security 4732: a member put into the local group Administrators. */
export function administratorAdded(
  host: Host,
  time: string,
  by: Account,
  member: Account,
): WindowsEventSpec {
  return security(host, time, 4732, 13826, {
    MemberName: "-",
    MemberSid: sid(member.sid),
    TargetUserName: "Administrators",
    TargetDomainName: "Builtin",
    TargetSid: sid("S-1-5-32-544"),
    ...subject(by),
    PrivilegeList: "-",
  });
}

/** Security 1102, written by the event log service itself. */
export function logCleared(host: Host, time: string, by: Account): WindowsEventSpec {
  return {
    channel: "Security",
    provider: "Microsoft-Windows-Eventlog",
    providerGuid: "fc65ddd8-d6ef-4962-83d5-6e5cfe9ce148",
    eventId: 1102,
    task: 104,
    keywords: 0x4020000000000000n,
    time,
    computer: host.computer,
    processId: 1052,
    threadId: 1320,
    userData: {
      element: "LogFileCleared",
      namespace: "http://manifests.microsoft.com/win/2004/08/windows/eventlog",
      fields: subject(by),
    },
  };
}
