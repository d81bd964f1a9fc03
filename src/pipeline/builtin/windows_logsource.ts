/**
 * Which Sigma logsource a Windows event belongs to, and which other names its fields go by.
 *
 * Facts: the Sigma taxonomy appendix, and SigmaHQ's `tests/thor.yml` for event ids and field
 * renames. Channel names are compared without regard to ASCII case, as Windows does.
 */

/** Service → channels. A name that ends in `*` stands for every channel that begins so. */
const SERVICE_CHANNELS: Readonly<Record<string, readonly string[]>> = {
  "application": ["Application"],
  "application-experience": [
    "Microsoft-Windows-Application-Experience/Program-Telemetry",
    "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
  ],
  "applocker": [
    "Microsoft-Windows-AppLocker/MSI and Script",
    "Microsoft-Windows-AppLocker/EXE and DLL",
    "Microsoft-Windows-AppLocker/Packaged app-Deployment",
    "Microsoft-Windows-AppLocker/Packaged app-Execution",
  ],
  "appmodel-runtime": ["Microsoft-Windows-AppModel-Runtime/Admin"],
  "appxdeployment-server": ["Microsoft-Windows-AppXDeploymentServer/Operational"],
  "appxpackaging-om": ["Microsoft-Windows-AppxPackaging/Operational"],
  "bitlocker": ["Microsoft-Windows-BitLocker/BitLocker Management"],
  "bits-client": ["Microsoft-Windows-Bits-Client/Operational"],
  "capi2": ["Microsoft-Windows-CAPI2/Operational"],
  "certificateservicesclient-lifecycle-system": [
    "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
  ],
  "codeintegrity-operational": ["Microsoft-Windows-CodeIntegrity/Operational"],
  "dhcp": ["Microsoft-Windows-DHCP-Server/Operational"],
  "diagnosis-scripted": ["Microsoft-Windows-Diagnosis-Scripted/Operational"],
  "dns-client": [
    "Microsoft-Windows-DNS Client Events/Operational",
    "Microsoft-Windows-DNS-Client/Operational",
  ],
  "dns-server": ["DNS Server"],
  "dns-server-analytic": ["Microsoft-Windows-DNS-Server/Analytical"],
  "dns-server-audit": ["Microsoft-Windows-DNS-Server/Audit"],
  "driver-framework": ["Microsoft-Windows-DriverFrameworks-UserMode/Operational"],
  "firewall-as": ["Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"],
  "hyper-v-worker": ["Microsoft-Windows-Hyper-V-Worker*"],
  "iis-configuration": ["Microsoft-IIS-Configuration/Operational"],
  "kernel-event-tracing": ["Microsoft-Windows-Kernel-EventTracing*"],
  "kernel-shimengine": [
    "Microsoft-Windows-Kernel-ShimEngine/Operational",
    "Microsoft-Windows-Kernel-ShimEngine/Diagnostic",
  ],
  "ldap": ["Microsoft-Windows-LDAP-Client/Debug"],
  "lsa-server": ["Microsoft-Windows-LSA/Operational"],
  "msexchange-management": ["MSExchange Management"],
  "ntfs": ["Microsoft-Windows-Ntfs/Operational"],
  "ntlm": ["Microsoft-Windows-NTLM/Operational"],
  "openssh": ["OpenSSH/Operational"],
  "powershell": ["Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"],
  "powershell-classic": ["Windows PowerShell"],
  "printservice-admin": ["Microsoft-Windows-PrintService/Admin"],
  "printservice-operational": ["Microsoft-Windows-PrintService/Operational"],
  "security": ["Security"],
  "security-mitigations": [
    "Microsoft-Windows-Security-Mitigations/Kernel Mode",
    "Microsoft-Windows-Security-Mitigations/User Mode",
  ],
  "sense": ["Microsoft-Windows-SENSE/Operational"],
  "servicebus-client": [
    "Microsoft-ServiceBus-Client/Operational",
    "Microsoft-ServiceBus-Client/Admin",
  ],
  // SigmaHQ rules write this name for the same channels.
  "microsoft-servicebus-client": [
    "Microsoft-ServiceBus-Client/Operational",
    "Microsoft-ServiceBus-Client/Admin",
  ],
  "shell-core": ["Microsoft-Windows-Shell-Core/Operational"],
  "smbclient-connectivity": ["Microsoft-Windows-SmbClient/Connectivity"],
  "smbclient-security": ["Microsoft-Windows-SmbClient/Security"],
  "smbserver-connectivity": ["Microsoft-Windows-SMBServer/Connectivity"],
  "sysmon": ["Microsoft-Windows-Sysmon/Operational"],
  "system": ["System"],
  "taskscheduler": ["Microsoft-Windows-TaskScheduler/Operational"],
  "terminalservices-localsessionmanager": [
    "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
  ],
  "terminalservices-remoteconnectionmanager": [
    "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
  ],
  "vhdmp": ["Microsoft-Windows-VHDMP/Operational"],
  "windefend": ["Microsoft-Windows-Windows Defender/Operational"],
  "wmi": ["Microsoft-Windows-WMI-Activity/Operational"],
};

/** Category → where its events are recorded. */
const CATEGORY_EVENTS: Readonly<Record<string, readonly (readonly [string, readonly number[]])[]>> =
  {
    "process_creation": [["sysmon", [1]], ["security", [4688]]],
    "file_change": [["sysmon", [2]]],
    "network_connection": [["sysmon", [3]]],
    "sysmon_status": [["sysmon", [4, 16]]],
    "process_termination": [["sysmon", [5]]],
    "driver_load": [["sysmon", [6]]],
    "image_load": [["sysmon", [7]]],
    "create_remote_thread": [["sysmon", [8]]],
    "raw_access_thread": [["sysmon", [9]]],
    "process_access": [["sysmon", [10]]],
    "file_event": [["sysmon", [11]]],
    "registry_event": [["sysmon", [12, 13, 14]]],
    "registry_add": [["sysmon", [12]]],
    "registry_delete": [["sysmon", [12]]],
    "registry_set": [["sysmon", [13]]],
    "registry_rename": [["sysmon", [14]]],
    "create_stream_hash": [["sysmon", [15]]],
    "pipe_created": [["sysmon", [17, 18]]],
    "wmi_event": [["sysmon", [19, 20, 21]]],
    "dns_query": [["sysmon", [22]]],
    "file_delete": [["sysmon", [23]]],
    "clipboard_capture": [["sysmon", [24]]],
    "clipboard_change": [["sysmon", [24]]],
    "process_tampering": [["sysmon", [25]]],
    "file_delete_detected": [["sysmon", [26]]],
    "file_block_executable": [["sysmon", [27]]],
    "file_block_shredding": [["sysmon", [28]]],
    "file_executable_detected": [["sysmon", [29]]],
    "sysmon_error": [["sysmon", [255]]],
    "ps_module": [["powershell", [4103]]],
    "ps_script": [["powershell", [4104]]],
    "ps_classic_start": [["powershell-classic", [400]]],
    "ps_classic_provider_start": [["powershell-classic", [600]]],
    "ps_classic_script": [["powershell-classic", [800]]],
    "antivirus": [[
      "windefend",
      [1006, 1007, 1008, 1009, 1010, 1011, 1012, 1017, 1018, 1019, 1115, 1116],
    ]],
  };

/** What Windows Defender calls its fields; rules leave the blanks out or write `_` for them. */
const DEFENDER_NAMES: readonly string[] = [
  "Action ID",
  "Action Name",
  "Category ID",
  "Category Name",
  "Detection ID",
  "Detection Time",
  "Detection User",
  "Engine Version",
  "Error Code",
  "Error Description",
  "Execution Name",
  "Feature Name",
  "New Value",
  "Old Value",
  "Origin Name",
  "Process Name",
  "Product Name",
  "Product Version",
  "Remediation User",
  "Severity ID",
  "Severity Name",
  "Source Name",
  "Status Code",
  "Threat ID",
  "Threat Name",
  "Type Name",
];

/**
 * `service` or `service/event id` → rule field → the names it may have in an event, tried in this
 * order.
 */
const FIELD_NAMES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "security/4688": {
    "Image": ["Image", "NewProcessName"],
    "ParentImage": ["ParentImage", "ParentProcessName"],
  },
  "windefend": {
    "Signature": ["Signature", "Threat Name", "ThreatName"],
    "Filename": ["Filename", "Path"],
    // `SourceName` would else be the name of the provider.
    ...Object.fromEntries(
      DEFENDER_NAMES.flatMap((name) =>
        [name.replaceAll(" ", ""), name.replaceAll(" ", "_")].map((written) => [
          written,
          [name, written],
        ])
      ),
    ),
  },
};

/** What the collectors that write Windows events as flat JSON call the System fields. */
const FLAT_FIELD_NAMES: Readonly<Record<string, readonly string[]>> = {
  "Provider_Name": ["Provider_Name", "ProviderName", "SourceName", "Provider"],
  "Computer": ["Computer", "Hostname", "ComputerName"],
  "EventRecordID": ["EventRecordID", "RecordNumber"],
};

const NO_NAMES: ReadonlyMap<string, readonly string[]> = new Map();

/** The Sigma logsources that one kind of Windows event belongs to. */
export interface WindowsLogsource {
  readonly services: ReadonlySet<string>;
  readonly categories: ReadonlySet<string>;
  /** The names of fields that have several in events, in the order they are to be tried. */
  readonly fieldNames: ReadonlyMap<string, readonly string[]>;
}

const serviceByChannel = new Map<string, Set<string>>();
const servicesByPrefix: (readonly [prefix: string, service: string])[] = [];
for (const [service, channels] of Object.entries(SERVICE_CHANNELS)) {
  for (const channel of channels) {
    const key = channel.toLowerCase();
    if (key.endsWith("*")) {
      servicesByPrefix.push([key.slice(0, -1), service]);
      continue;
    }
    const services = serviceByChannel.get(key) ?? new Set();
    serviceByChannel.set(key, services.add(service));
  }
}

/** Every service of the table: these are recorded in their channels and nowhere else. */
export const WINDOWS_SERVICES: ReadonlySet<string> = new Set(Object.keys(SERVICE_CHANNELS));

/** Event ids that the table tells apart. */
export const WINDOWS_CATEGORY_EVENT_IDS: ReadonlySet<number> = new Set(
  Object.values(CATEGORY_EVENTS).flatMap((events) => events.flatMap(([, ids]) => ids)),
);

/** Sysmon records creation and deletion of registry keys under one event id. */
const REGISTRY_EVENT_TYPES: Readonly<Record<string, string>> = {
  "CreateKey": "registry_delete",
  "DeleteKey": "registry_add",
  "DeleteValue": "registry_add",
};

/**
 * The services recorded in a channel.
 *
 * @returns `undefined` for a channel the taxonomy does not know; nothing is then ruled out.
 */
export function windowsServices(channel: string): ReadonlySet<string> | undefined {
  const key = channel.toLowerCase();
  const exact = serviceByChannel.get(key);
  if (exact !== undefined) return exact;
  const found = servicesByPrefix.filter(([prefix]) => key.startsWith(prefix));
  return found.length === 0 ? undefined : new Set(found.map(([, service]) => service));
}

/** Who records the events of the categories, so that a renamed channel does not hide them. */
const PROVIDER_SERVICES: ReadonlyMap<string, string> = new Map([
  ["microsoft-windows-sysmon", "sysmon"],
  ["microsoft-windows-security-auditing", "security"],
  ["microsoft-windows-powershell", "powershell"],
  ["powershellcore", "powershell"],
  ["powershell", "powershell-classic"],
  ["microsoft-windows-windows defender", "windefend"],
]);

/**
 * The service a provider of category events belongs to.
 *
 * @returns `undefined` for any other provider: its events are in none of the categories.
 */
export function providerService(provider: string): string | undefined {
  return PROVIDER_SERVICES.get(provider.toLowerCase());
}

/** Whether the categories of an event also hang on its `EventType` field (Sysmon 12). */
export function dependsOnEventType(services: ReadonlySet<string>, eventId: number): boolean {
  return eventId === 12 && services.has("sysmon");
}

/**
 * The logsource of an event of a known channel.
 *
 * @param services What `windowsServices` gave for its channel.
 * @param eventId `undefined` if the event has none: every category of the services is possible.
 * @param eventType The `EventType` field where `dependsOnEventType`; an unknown text rules out none.
 */
export function windowsLogsource(
  services: ReadonlySet<string>,
  eventId: number | undefined,
  eventType?: string,
): WindowsLogsource {
  const categories = new Set<string>();
  for (const [category, places] of Object.entries(CATEGORY_EVENTS)) {
    const here = places.some(([service, ids]) =>
      services.has(service) && (eventId === undefined || ids.includes(eventId))
    );
    if (here) categories.add(category);
  }
  const excluded = eventType === undefined || !Object.hasOwn(REGISTRY_EVENT_TYPES, eventType)
    ? undefined
    : REGISTRY_EVENT_TYPES[eventType];
  if (excluded !== undefined) categories.delete(excluded);
  return { services, categories, fieldNames: fieldNames(services, eventId) };
}

/** Field names of an event whose channel the table does not know. */
export function flatFieldNames(): ReadonlyMap<string, readonly string[]> {
  return flatNames;
}

/** By a name that rules use, the names that fields may have in events of one kind or another. */
export function eventFieldNames(): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, readonly string[]>(flatNames);
  for (const table of Object.values(FIELD_NAMES)) {
    for (const [field, others] of Object.entries(table)) {
      names.set(field, [...names.get(field) ?? [], ...others]);
    }
  }
  return names;
}

const flatNames: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(FLAT_FIELD_NAMES));

function fieldNames(
  services: ReadonlySet<string>,
  eventId: number | undefined,
): ReadonlyMap<string, readonly string[]> {
  let names: Map<string, readonly string[]> | undefined;
  for (const service of services) {
    for (const key of [service, `${service}/${eventId}`]) {
      if (!Object.hasOwn(FIELD_NAMES, key)) continue;
      names ??= new Map(flatNames);
      for (const [field, others] of Object.entries(FIELD_NAMES[key]!)) names.set(field, others);
    }
  }
  return names ?? (services.size > 0 ? flatNames : NO_NAMES);
}
