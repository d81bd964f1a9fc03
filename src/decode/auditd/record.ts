/**
 * One record of the audit system: a line of audit.log.
 *
 * A record is `type=T msg=audit(SECONDS.MILLIS:SERIAL): name=value …`. Values are bare, in double
 * quotes, or, where a program of user space wrote them, a text of further pairs in single quotes. The
 * kernel quotes a text that somebody else chose, and writes it as bare hexadecimal digits if it could
 * not be read back otherwise. Behind U+001D the daemon adds what it made of numbers, under names in
 * capitals.
 *
 * @see Linux audit documentation, "Audit Event Parsing Specification"; `auparse/typetab.h`
 */
import { decodeHexText } from "./hex.ts";
import { decodeSocketAddress } from "./sockaddr.ts";

/** What stands in front of the fields of a record. */
export interface AuditHeader {
  /** The name of the record's type; `UNKNOWN[1334]` where the daemon does not know it. */
  readonly type: string;
  /** Of the machine, if the daemon adds it. */
  readonly node: string | undefined;
  /** `SECONDS.MILLIS:SERIAL`: the same for all records of an event of one machine. */
  readonly id: string;
  /** Where the fields begin. */
  readonly end: number;
}

/** A record with its fields, decoded. */
export interface AuditRecord {
  readonly type: string;
  readonly node: string | undefined;
  readonly id: string;
  /**
   * By name; of a name that stands twice the first. Texts that were quoted or in hex are as they
   * were; parts of a long argument (`a1[0]`) are still as the record has them.
   */
  readonly fields: Map<string, string>;
}

/** Types that some writers name by number: those of the kernel's own log, and of newer kernels. */
const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ["1006", "LOGIN"],
  ["1300", "SYSCALL"],
  ["1302", "PATH"],
  ["1305", "CONFIG_CHANGE"],
  ["1306", "SOCKADDR"],
  ["1307", "CWD"],
  ["1309", "EXECVE"],
  ["1318", "OBJ_PID"],
  ["1319", "TTY"],
  ["1320", "EOE"],
  ["1321", "BPRM_FCAPS"],
  ["1322", "CAPSET"],
  ["1323", "MMAP"],
  ["1325", "NETFILTER_CFG"],
  ["1326", "SECCOMP"],
  ["1327", "PROCTITLE"],
  ["1330", "KERN_MODULE"],
  ["1334", "BPF"],
  ["1335", "EVENT_LISTENER"],
  ["1336", "URINGOP"],
  ["1337", "OPENAT2"],
  ["1400", "AVC"],
  ["1700", "ANOM_PROMISCUOUS"],
  ["1701", "ANOM_ABEND"],
  ["1702", "ANOM_LINK"],
]);

/** Fields whose texts somebody else chose, so that they may be in hex. */
const ENCODED: ReadonlySet<string> = new Set([
  "acct",
  "cgroup",
  "cmd",
  "comm",
  "cwd",
  "data",
  "device",
  "dir",
  "exe",
  "file",
  "grp",
  "info",
  "invalid_context",
  "key",
  "name",
  "new-chardev",
  "new-disk",
  "new-fs",
  "new-net",
  "new-rng",
  "new_group",
  "ocomm",
  "old-chardev",
  "old-disk",
  "old-fs",
  "old-net",
  "old-rng",
  "path",
  "proctitle",
  "profile",
  "root_dir",
  "sw",
  "vm",
  "watch",
]);

const ARGUMENT = /^a\d+$/;
const ARGUMENT_PART = /^a\d+\[\d+\]$/;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true }), toUtf8 = new TextEncoder();
/** Longer ones are no names that come again. */
const MAX_NAME = 32;

/** A name of a field and what it says about values. */
interface FieldName {
  readonly text: string;
  readonly isEncoded: boolean;
  /** Of `EXECVE`: `a0`. */
  readonly isArgument: boolean;
}

/**
 * Names that were met, by a hash of them. The same fifty stand in all records, so a name is not made
 * anew for each of them; what falls on the same place takes it.
 */
const names: (FieldName | undefined)[] = Array.from({ length: 1024 }, () => undefined);

function fieldName(text: string, from: number, to: number, hash: number): FieldName {
  const place = hash & 1023;
  const known = names[place];
  if (known !== undefined && known.text.length === to - from && text.startsWith(known.text, from)) {
    return known;
  }
  const slice = text.slice(from, to);
  const isShort = slice.length <= MAX_NAME;
  // A slice would keep the whole line in memory for as long as it is known.
  const own = isShort ? utf8.decode(toUtf8.encode(slice)) : slice;
  const name = { text: own, isEncoded: ENCODED.has(own), isArgument: ARGUMENT.test(own) };
  if (isShort) names[place] = name;
  return name;
}

/** Names and lengths far beyond what is written; so a hostile header takes no time. */
const MAX_NODE = 256, MAX_TYPE = 64, MAX_ID = 64;
const ID = /^\d{1,12}\.\d{1,9}:\d{1,20}$/;
const TYPE = /^[A-Z][A-Z0-9_]*(?:\[\d+\])?$|^\d{4}$/;
/** Group separator; rsyslog writes it as `#035`. */
const ENRICHED = "\x1d";
const ESCAPED_ENRICHED = /#035(?=[A-Z_]+=)/;
const BLANK = 0x20, EQUALS = 0x3d, DOUBLE = 0x22, SINGLE = 0x27, BRACE = 0x7b, OPENING = 0x28;

/** Reads what a record begins with; `undefined` if `line` is none. A leading `audit: ` is skipped. */
export function parseAuditHeader(line: string): AuditHeader | undefined {
  let at = line.startsWith("audit: ") ? 7 : 0;
  let node: string | undefined;
  if (line.startsWith("node=", at)) {
    const end = line.indexOf(" ", at);
    if (end < 0 || end - at > MAX_NODE) return undefined;
    node = line.slice(at + 5, end);
    at = end + 1;
  }
  if (!line.startsWith("type=", at)) return undefined;
  const typeEnd = line.indexOf(" ", at);
  if (typeEnd < 0 || typeEnd - at > MAX_TYPE) return undefined;
  const type = line.slice(at + 5, typeEnd);
  at = typeEnd + 1;
  if (line.startsWith("msg=", at)) at += 4;
  if (!line.startsWith("audit(", at) || !TYPE.test(type)) return undefined;
  const idEnd = line.indexOf(")", at);
  if (idEnd < 0 || idEnd - at > MAX_ID) return undefined;
  const id = line.slice(at + 6, idEnd);
  if (!ID.test(id)) return undefined;
  const end = line.charCodeAt(idEnd + 1) === 0x3a ? idEnd + 2 : idEnd + 1;
  return { type: typeName(type), node, id, end };
}

function typeName(type: string): string {
  if (type.charCodeAt(0) <= 0x39) return TYPE_NAMES.get(type) ?? `UNKNOWN[${type}]`;
  if (!type.startsWith("UNKNOWN[")) return type;
  return TYPE_NAMES.get(type.slice(8, -1)) ?? type;
}

/** Reads a record; `undefined` if `line` is none. Takes time proportional to its length. */
export function parseAuditRecord(line: string): AuditRecord | undefined {
  const header = parseAuditHeader(line);
  if (header === undefined) return undefined;
  const { type, node, id, end } = header;
  const fields = new Map<string, string>();
  let bodyEnd = line.indexOf(ENRICHED, end), enriched = bodyEnd + 1;
  if (bodyEnd < 0 && line.includes("#035", end)) {
    bodyEnd = line.search(ESCAPED_ENRICHED);
    enriched = bodyEnd + 4;
  }
  const words: string[] = [];
  readPairs(line.slice(end, bodyEnd < 0 ? undefined : bodyEnd), type, fields, words, false);
  if (bodyEnd >= 0) readPairs(line.slice(enriched), type, fields, words, true);
  if (words.length > 0) readWords(words, fields);
  const address = fields.get("saddr");
  if (address !== undefined) readAddress(address, fields);
  return { type, node, id, fields };
}

/**
 * Reads pairs; what is no pair goes to `words`.
 *
 * Every search ends at the end of `text`, at most once without having found anything.
 *
 * @param isInner Single quotes have no meaning any more.
 */
function readPairs(
  text: string,
  type: string,
  fields: Map<string, string>,
  words: string[],
  isInner: boolean,
): void {
  const { length } = text;
  let at = 0;
  while (at < length) {
    if (text.charCodeAt(at) === BLANK) {
      at++;
      continue;
    }
    const from = text.charCodeAt(at) === OPENING ? at + 1 : at;
    let equals = from, hash = 0, code = text.charCodeAt(from);
    // Beyond the end it is not a number.
    while (code !== EQUALS && code !== BLANK && equals < length) {
      hash = (hash * 31 + code) | 0;
      code = text.charCodeAt(++equals);
    }
    if (code !== EQUALS || equals === at) {
      const end = equals === at ? endOf(text, " ", at) : equals;
      words.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    const start = equals + 1;
    const name = fieldName(text, from, equals, hash);
    code = text.charCodeAt(start);
    let end: number;
    if (code === DOUBLE) {
      end = endOf(text, '"', start + 1);
      // The parts of an argument are put together before they are decoded.
      const isPart = type === "EXECVE" && ARGUMENT_PART.test(name.text);
      add(fields, name.text, isPart ? text.slice(start, end + 1) : text.slice(start + 1, end));
    } else if (code === SINGLE && !isInner) {
      end = endOfSingle(text, start + 1);
      const inner = text.slice(start + 1, end);
      add(fields, name.text, inner);
      readPairs(inner, type, fields, words, true);
    } else if (code === BRACE) {
      end = endOf(text, "}", start + 1);
      add(fields, name.text, text.slice(start + 1, end).trim());
    } else {
      end = endOf(text, " ", start);
      addBare(fields, name, text.slice(start, end), type);
    }
    at = end + 1;
  }
}

function add(fields: Map<string, string>, name: string, text: string): void {
  if (!fields.has(name)) fields.set(name, text);
}

/** Texts in hex are decoded; what a program of old wrote into brackets loses them. */
function addBare(
  fields: Map<string, string>,
  { text: name, isEncoded, isArgument }: FieldName,
  text: string,
  type: string,
): void {
  if (fields.has(name)) return;
  const decoded = isEncoded || (isArgument && type === "EXECVE") ? decodeHexText(text) : undefined;
  if (decoded !== undefined) {
    fields.set(name, name === "proctitle" ? argumentsOf(decoded) : decoded);
    return;
  }
  const last = text.charCodeAt(text.length - 1);
  const isLoose = last === 0x2c || (last === 0x29 && !text.includes("("));
  fields.set(name, isLoose ? text.replace(/[,)]{1,2}$/, "") : text);
}

/** The arguments of a process title, which end with NULs, with blanks between them. */
function argumentsOf(title: string): string {
  let end = title.length;
  while (end > 0 && title.charCodeAt(end - 1) === 0) end--;
  return title.slice(0, end).replaceAll("\0", " ");
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? text.length : end;
}

/** The quote that a blank or the end follows; those inside do not end the text. */
function endOfSingle(text: string, from: number): number {
  let end = endOf(text, "'", from);
  while (end < text.length - 1 && text.charCodeAt(end + 1) !== BLANK) {
    end = endOf(text, "'", end + 1);
  }
  return end;
}

/** `avc:  denied  { read write } for` has no names; anything else that has none is the `message`. */
function readWords(words: readonly string[], fields: Map<string, string>): void {
  add(fields, "message", words.join(" "));
  if (words[0] !== "avc:") return;
  const open = words.indexOf("{"), close = words.indexOf("}");
  if (words[1] !== undefined) add(fields, "seresult", words[1]);
  if (open >= 0 && close > open) add(fields, "seperms", words.slice(open + 1, close).join(" "));
}

function readAddress(hex: string, fields: Map<string, string>): void {
  const address = decodeSocketAddress(hex);
  if (address === undefined) return;
  add(fields, "family", address.family);
  if ("address" in address) {
    add(fields, "laddr", address.address);
    add(fields, "lport", String(address.port));
  } else if ("path" in address) {
    add(fields, "path", address.path);
  }
}
