/**
 * What the kernel of Linux writes: packets that netfilter logs, crashes, modules, devices.
 *
 * macOS logs as `kernel` as well, so only what is known to be of Linux is taken for it.
 *
 * @see Linux 4.19 to 6.12: net/ipv4/netfilter/nf_log_syslog.c, kernel/printk, mm/oom_kill.c
 */
import {
  addField,
  type MessagePattern,
  type PatternMatch,
  patternSearch,
  type PatternTable,
  type TextField,
} from "./pattern.ts";

export const KERNEL: PatternTable = {
  "traps:": [{
    name: "process_crashed",
    regex: /^traps: ([^[]*)\[(\d+)\] (?:trap )?(.{1,60}?) ip:[\da-f]+ sp:[\da-f]+ error:[\da-f]+/,
    fields: ["ProcessName", "ProcessId", "Reason"],
  }],
  device: [{
    name: "promiscuous_mode",
    regex: /^device (\S+) entered promiscuous mode$/,
    fields: ["Interface"],
  }],
  Out: [{
    name: "out_of_memory",
    regex: /^Out of memory: Kill(?:ed)? process (\d+) \(([^)]*)\)/,
    fields: ["ProcessId", "ProcessName"],
  }],
  "TCP:": [{
    name: "syn_flood",
    regex: /^TCP: (?:request_sock_TCP: )?[Pp]ossible SYN flooding on port (?:(\S+):)?(\d+)\./,
    fields: ["DestinationIp", "DestinationPort"],
  }],
  Kernel: [{
    name: "kernel_command_line",
    regex: /^Kernel command line: (.*)$/s,
    fields: ["KernelCommandLine"],
  }],
  usb: [{
    name: "usb_device",
    regex: /^usb (\S+): New USB device found, idVendor=(\w+), idProduct=(\w+)/,
    fields: ["Device", "VendorId", "ProductId"],
  }],
  "*": [
    {
      name: "process_crashed",
      regex: /^([^[]{1,32})\[(\d+)\]: (segfault) at /,
      fields: ["ProcessName", "ProcessId", "Reason"],
    },
    {
      name: "promiscuous_mode",
      regex: /^(?:\S+ \S+ )?([\w.@-]+): entered promiscuous mode$/,
      fields: ["Interface"],
    },
    {
      name: "module_unsigned",
      regex: /^([\w-]+): module verification failed: (.*)$/s,
      fields: ["ModuleName", "Reason"],
    },
    {
      name: "module_foreign",
      regex: /^([\w-]+): loading out-of-tree module taints kernel\.$/,
      fields: ["ModuleName"],
    },
    {
      name: "bpf_writes_user_memory",
      regex: /^([^[]{1,32})\[(\d+)\] is installing a program with (bpf_probe_write_user) helper\b/,
      fields: ["ProcessName", "ProcessId", "Function"],
    },
  ],
};

const search = patternSearch(KERNEL);

/** `[12345.678901] `, the time since boot. */
const UPTIME = /^\[ {0,12}\d{1,12}\.\d{1,9}\] */;

const PACKET: MessagePattern = {
  name: "packet",
  regex: /^/,
  fields: [],
  category: "firewall",
};

/**
 * Netfilter's names, and what they are called here: as in network connections, and as SigmaHQ's
 * firewall rules ask for them.
 */
const PACKET_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["IN", ["InInterface"]],
  ["OUT", ["OutInterface"]],
  ["MAC", ["MacAddresses"]],
  ["SRC", ["SourceIp", "src_ip"]],
  ["DST", ["DestinationIp", "dst_ip"]],
  ["PROTO", ["Protocol"]],
  ["SPT", ["SourcePort", "src_port"]],
  ["DPT", ["DestinationPort", "dst_port"]],
  ["UID", ["UserId"]],
  ["GID", ["GroupId"]],
]);

const UFW = /^\[UFW ([A-Z ]{1,20})\]$/;
/** A packet has some twenty words; names are not looked for behind that. */
const MAX_WORDS = 64;
/** Rules write up to 64 characters in front of a packet; an address of Ethernet takes 40. */
const MAX_PREFIX = 128, MAX_HEAD = 512;

/** A message of the kernel, and whether its form tells that it is Linux. */
export function searchKernel(
  message: string,
): { readonly match: PatternMatch | undefined; readonly isLinux: boolean } {
  const uptime = UPTIME.exec(message)?.[0].length ?? 0;
  const text = uptime === 0 ? message : message.slice(uptime);
  const match = packet(text) ?? search(text);
  return { match, isLinux: uptime > 0 || match !== undefined };
}

function packet(text: string): PatternMatch | undefined {
  const start = packetStart(text);
  if (start === undefined) return undefined;
  const fields: TextField[] = [];
  const rule = text.slice(0, start).trim();
  addField(fields, "RuleName", rule);
  addField(fields, "action", UFW.exec(rule)?.[1]);
  const seen = new Set<string>();
  let from = start;
  for (let word = 0; word < MAX_WORDS && from < text.length; word++) {
    // What an ICMP error quotes in brackets is another packet.
    if (text[from] === "[") break;
    const blank = text.indexOf(" ", from);
    const end = blank < 0 ? text.length : blank;
    const equals = text.indexOf("=", from);
    const key = equals < 0 || equals > end ? "" : text.slice(from, Math.min(equals, from + 8));
    if (!seen.has(key)) {
      seen.add(key);
      for (const name of PACKET_KEYS.get(key) ?? []) {
        addField(fields, name, text.slice(equals + 1, end));
      }
    }
    from = end + 1;
  }
  return { pattern: PACKET, fields };
}

/** Where `IN=… OUT=… … SRC=…` begins, within what can stand in front of it. */
function packetStart(text: string): number | undefined {
  const head = text.length > MAX_HEAD ? text.slice(0, MAX_HEAD) : text;
  const source = head.indexOf(" SRC=");
  if (source < 0) return undefined;
  const out = head.lastIndexOf(" OUT=", source);
  const start = out < 0 ? -1 : head.lastIndexOf("IN=", out);
  return start < 0 || start > MAX_PREFIX || head.slice(start, out).includes(" ")
    ? undefined
    : start;
}
