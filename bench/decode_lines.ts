/**
 * Lines of every format for `decode.ts` and `decode_peer.ts`, as programs write them. No two of a format
 * are alike, and one in a thousand holds `MARKER`.
 */

/** What the rule of the comparison looks for. */
export const MARKER = "evil-marker";
const MARKED_EVERY = 1000;

/** The formats there are lines of. */
export const BENCH_FORMATS = [
  "json",
  "syslog",
  "logfmt",
  "cef",
  "leef",
  "auditd",
  "xml",
  "plain",
] as const;
export type BenchFormat = typeof BENCH_FORMATS[number];

/** How many of `count` lines hold the marker. */
export function markedLines(count: number): number {
  return Math.ceil(count / MARKED_EVERY);
}

/** The first `count` lines of a format. */
export function* decodeLines(format: BenchFormat, count: number): Iterable<string> {
  for (let number = 0; number < count; number++) yield line(format, number);
}

function line(format: BenchFormat, number: number): string {
  const marker = number % MARKED_EVERY === 0 ? ` ${MARKER}` : "";
  const second = String(number % 60).padStart(2, "0");
  const minute = String(Math.floor(number / 60) % 60).padStart(2, "0");
  const time = `08:${minute}:${second}`;
  const address = `10.${number >> 16 & 255}.${number >> 8 & 255}.${number & 255}`;
  switch (format) {
    case "json":
      return `{"@timestamp":"2026-11-23T${time}Z","EventID":1,"Computer":"ws-${number % 50}",` +
        `"Image":"C:\\\\Windows\\\\System32\\\\svchost.exe","ProcessId":${number},` +
        `"CommandLine":"svchost.exe -k netsvcs -p -s ${number}${marker}","User":"NT AUTHORITY"}`;
    case "syslog":
      return `<38>Nov 23 ${time} host-${number % 50} sshd[${number}]: ` +
        `Failed password for invalid user u${number} from ${address} port 51234 ssh2${marker}`;
    case "logfmt":
      return `time=2026-11-23T${time}Z level=info host=node-${number % 50} ` +
        `msg="request handled by worker ${number}${marker}" method=GET path=/api/v1/items/${number} ` +
        `status=200 took=12ms addr=${address}`;
    case "cef":
      return `CEF:0|Vendor|Firewall|10.1|${number % 900}|Connection refused|5|` +
        `rt=1763884800${number % 1000} src=${address} spt=51234 dst=10.0.0.1 dpt=443 proto=TCP ` +
        `act=deny cs1Label=Rule cs1=block-${number % 40} msg=Packet ${number} was dropped${marker}`;
    case "leef":
      return `LEEF:1.0|Vendor|Firewall|10.1|${number % 900}|src=${address}\tsrcPort=51234\t` +
        `dst=10.0.0.1\tdstPort=443\tproto=TCP\tsev=5\tcat=deny\tmsg=Packet ${number} was dropped${marker}`;
    case "auditd":
      return `type=SYSCALL msg=audit(17638848${minute}.${second}3:${number}): arch=c000003e ` +
        `syscall=59 success=yes exit=0 a0=55d0 a1=55d1 ppid=1 pid=${number} auid=1000 uid=0 gid=0 ` +
        `tty=pts0 ses=3 comm="sh${marker}" exe="/usr/bin/dash" key="exec"`;
    case "xml":
      return "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>" +
        "<Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385F-C22A-43E0-BF4C-06F5698FFBD9}'/>" +
        "<EventID>1</EventID><Version>5</Version><Level>4</Level><Task>1</Task><Opcode>0</Opcode>" +
        `<Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2026-11-23T${time}.000Z'/>` +
        `<EventRecordID>${number}</EventRecordID><Correlation/><Execution ProcessID='3112' ` +
        "ThreadID='4072'/><Channel>Microsoft-Windows-Sysmon/Operational</Channel>" +
        `<Computer>ws-${number % 50}</Computer><Security UserID='S-1-5-18'/></System><EventData>` +
        "<Data Name='Image'>C:\\Windows\\System32\\svchost.exe</Data>" +
        `<Data Name='CommandLine'>svchost.exe -k &quot;netsvcs&quot; ${number}${marker}</Data>` +
        "<Data Name='User'>NT AUTHORITY\\SYSTEM</Data></EventData></Event>";
    case "plain":
      return `[${time}] worker ${number} took the next job from ${address} and finished it${marker}`;
  }
}
