/**
 * What the Linux audit daemon writes to audit.log: one record a line, several records an event.
 *
 * An event answers to these names:
 * - those of its records' fields. A name that several records have is a list of their values, except
 *   that `a0`, `a1`, … are the arguments of the program where there is an `EXECVE`, and never the
 *   registers that `SYSCALL` has under these names. Relative names of paths are in `name` as they are
 *   and as absolute ones, several keys of one record are a list;
 * - `type`, a list of all types, so that a rule for `type: SYSCALL` holds for the joined event;
 * - `SYSCALL`, the name of the system call, by the daemon or by our tables; `syscall` has both, the
 *   number and the name;
 * - `TYPE.name`, such as `PATH.name` and `SYSCALL.a0`, for the fields of one type alone;
 * - Sigma's names for processes, files and connections, see `sigmaNames`;
 * - `timestamp`, `audit_id`, and `hostname` for the `node` that wrote it. The `hostname` of a remote
 *   side is `USER_LOGIN.hostname`: an alert must not take it for the machine it is about.
 *
 * @see inputs.md, sections 20.1 and 20.5
 */
import type { ImpliedLogsource, LogEvent } from "../../event/event.ts";
import type { Field } from "../../event/field.ts";
import { lookup } from "../../event/lookup.ts";
import { Spellings, type Value, type ValueObject } from "../../event/value.ts";
import { DecodeError } from "../errors.ts";
import { joinArguments } from "./arguments.ts";
import { type AuditFacts, auditFacts, recordOf, sigmaNames } from "./names.ts";
import { type AuditRecord, parseAuditHeader, parseAuditRecord } from "./record.ts";

/** Values of one name that are kept; the kernel writes tens. */
const MAX_VALUES = 1000;
const EXECVE = "EXECVE";
const REGISTER = /^a[0-3]$/;
/** An argument, a part of one, or its length. */
const ARGUMENT = /^a\d+(?:\[|_len$|$)/;
const A = 0x61;
/** Stands between the keys of a rule that has several. */
const KEYS = "\x01";
/** Numbers by which the kernel keeps its books: not what a keyword means. */
const BOOKS: ReadonlySet<string> = new Set([
  "arch",
  "argc",
  "cap_fe",
  "cap_fi",
  "cap_fp",
  "cap_frootid",
  "cap_fver",
  "dev",
  "egid",
  "euid",
  "exit",
  "fsgid",
  "fsuid",
  "gid",
  "inode",
  "item",
  "items",
  "mode",
  "msg",
  "ogid",
  "ouid",
  "pid",
  "ppid",
  "rdev",
  "saddr",
  "ses",
  "sgid",
  "suid",
  "syscall",
]);

/** Whether `line` begins as an audit record does. */
export function isAudit(line: string): boolean {
  return parseAuditHeader(line) !== undefined;
}

/**
 * Decodes the records of one event, a line each; a single record is an event as well.
 *
 * @param records A line that is no record counts as part of the one before.
 * @throws {DecodeError} `DECODE_AUDITD` if the first line is not a record.
 */
export function decodeAudit(records: string): LogEvent {
  const parsed: AuditRecord[] = [];
  for (let from = 0; from < records.length;) {
    const found = records.indexOf("\n", from);
    const end = found < 0 ? records.length : found;
    const line = records.slice(from, records.charCodeAt(end - 1) === 0x0d ? end - 1 : end);
    from = end + 1;
    if (line === "") continue;
    const record = parseAuditRecord(line.trimStart());
    if (record !== undefined) {
      parsed.push(record);
    } else if (parsed.length === 0) {
      break;
    } else {
      const { fields } = parsed[parsed.length - 1]!;
      if (!fields.has("message")) fields.set("message", line);
    }
  }
  if (parsed.length === 0) {
    const message = "Cannot decode audit record: it does not begin with type=… msg=audit(…):";
    throw new DecodeError("DECODE_AUDITD", message);
  }
  return new AuditEvent(parsed);
}

/** Logsources by what is in an event; each is one object. */
const logsources = new Map<number, ImpliedLogsource>();
const CATEGORIES = ["process_creation", "file_event", "file_delete", "network_connection"] as const;

function logsourceOf({ isExecution, files, connection }: AuditFacts): ImpliedLogsource {
  const change = files[0]?.change;
  const bits = (isExecution ? 1 : 0) | (change === "created" ? 2 : 0) |
    (change === "deleted" ? 4 : 0) | (connection !== undefined ? 8 : 0);
  let known = logsources.get(bits);
  if (known === undefined) {
    const categories = new Set<string>(CATEGORIES.filter((_, at) => (bits & (1 << at)) !== 0));
    known = { product: "linux", services: new Set(["auditd"]), categories };
    logsources.set(bits, known);
  }
  return known;
}

class AuditEvent implements LogEvent {
  readonly #records: readonly AuditRecord[];
  readonly #args: ReadonlyMap<string, string>;
  readonly #facts: AuditFacts;
  #head: ReadonlyMap<string, Value> | undefined;
  #names: ReadonlyMap<string, Value> | undefined;

  /** @param records At least one. */
  constructor(records: readonly AuditRecord[]) {
    this.#records = records;
    this.#args = joinArguments(records);
    this.#facts = auditFacts(records);
  }

  get logsource(): ImpliedLogsource {
    return logsourceOf(this.#facts);
  }

  get(field: Field): Value | undefined {
    const { name } = field;
    const value = this.#headNames().get(name) ?? this.#sigmaNames().get(name) ??
      this.#recorded(name);
    return value !== undefined || field.path === undefined ? value : this.#inside(field);
  }

  topKeys(): readonly string[] {
    const keys = new Set([...this.#headNames().keys(), ...this.#sigmaNames().keys()]);
    for (const { type, fields } of this.#records) {
      keys.add(type);
      for (const name of fields.keys()) keys.add(name);
    }
    for (const name of this.#args.keys()) keys.add(name);
    return [...keys, "records"];
  }

  /** The texts of records and the command line; not the numbers by which the kernel keeps its books. */
  someText(visit: (text: string) => boolean): boolean {
    for (const { type, fields } of this.#records) {
      if (visit(type)) return true;
      for (const [name, text] of fields) {
        if (BOOKS.has(name)) continue;
        if (name.charCodeAt(0) === A && this.#isNumbered(type, name)) continue;
        if (visit(name === "key" ? text.replaceAll(KEYS, " ") : text)) return true;
      }
    }
    const { paths, syscall } = this.#facts;
    for (const text of this.#args.values()) if (visit(text)) return true;
    for (const text of paths) if (visit(text)) return true;
    if (syscall !== undefined && visit(syscall)) return true;
    return this.#args.size > 0 && visit([...this.#args.values()].join(" "));
  }

  /**
   * What happened, by the names of Sigma, and `records` as they are: by type an object, or a list of
   * objects where there are several.
   */
  toValue(): Value {
    const call = recordOf(this.#records, "SYSCALL");
    const chosen = new Map(this.#headNames());
    if (this.#facts.syscall !== undefined) chosen.set("SYSCALL", this.#facts.syscall);
    chosen.delete("syscall");
    const success = call?.fields.get("success");
    if (success !== undefined) chosen.set("success", success);
    const key = this.#recorded("key");
    if (key !== undefined && key !== "(null)") chosen.set("key", key);
    for (const [name, value] of this.#sigmaNames()) chosen.set(name, value);
    return { ...Object.fromEntries(chosen), records: this.#recordObjects() };
  }

  #sigmaNames(): ReadonlyMap<string, Value> {
    return this.#names ??= sigmaNames(this.#records, this.#facts, [...this.#args.values()]);
  }

  /** When, which, where, and the system call. */
  #headNames(): ReadonlyMap<string, Value> {
    if (this.#head !== undefined) return this.#head;
    const head = new Map<string, Value>();
    const { id, node } = this.#records[0]!;
    const timestamp = instantOf(id);
    if (timestamp !== undefined) head.set("timestamp", timestamp);
    head.set("audit_id", id);
    if (node !== undefined) head.set("hostname", node);
    const types = [...new Set(this.#records.map(({ type }) => type))];
    head.set("type", types.length === 1 ? types[0]! : types);
    const { syscall } = this.#facts;
    if (syscall !== undefined) {
      head.set("SYSCALL", syscall);
      const number = recordOf(this.#records, "SYSCALL")?.fields.get("syscall");
      if (number !== undefined) head.set("syscall", new Spellings(number, syscall));
    }
    return this.#head = head;
  }

  /** A name as records have it, of all of them or of those of one type. */
  #recorded(name: string, type?: string): Value | undefined {
    const isArgument = name.charCodeAt(0) === A && ARGUMENT.test(name);
    if (isArgument && (type === undefined || type === EXECVE)) {
      const argument = this.#args.get(name);
      if (argument !== undefined) return argument;
    }
    // The far side of a login must not pass for the machine it is about.
    if (name === "hostname" && type === undefined) return undefined;
    let found: string | Set<string> | undefined;
    for (const record of this.#records) {
      if (type !== undefined && record.type !== type) continue;
      const text = record.fields.get(name);
      if (text === undefined) continue;
      if (isArgument && type === undefined && this.#isNumbered(record.type, name)) continue;
      if (isArgument && record.type === EXECVE) continue;
      if (name === "key" && text.includes(KEYS)) {
        for (const key of text.split(KEYS)) found = withValue(found, key);
      } else {
        found = withValue(found, text);
      }
    }
    if (name === "name" && type === undefined) {
      for (const path of this.#facts.paths) found = withValue(found, path);
    }
    if (found === undefined && type === "SYSCALL" && name === type) return this.#facts.syscall;
    return found === undefined || typeof found === "string" ? found : [...found];
  }

  /** Whether a name stands for an argument in raw form, or for a register where there are arguments. */
  #isNumbered(type: string, name: string): boolean {
    if (type === EXECVE) return ARGUMENT.test(name);
    return type === "SYSCALL" && REGISTER.test(name) && this.#args.size > 0;
  }

  /** `TYPE.name`, or a path into the event as results carry it. */
  #inside(field: Field): Value | undefined {
    const dot = field.name.indexOf(".");
    if (dot < 0) return undefined;
    const type = field.name.slice(0, dot);
    return type === "records"
      ? lookup(this.toValue(), field)
      : this.#recorded(field.name.slice(dot + 1), type);
  }

  #recordObjects(): ValueObject {
    const byType = new Map<string, ValueObject[]>();
    for (const { type, fields } of this.#records) {
      const list = byType.get(type) ?? [];
      // Arguments may be spread over several records.
      if (type === EXECVE && list.length > 0) continue;
      const own: (readonly [string, Value])[] = [];
      for (const [name, text] of fields) {
        if (name === "msg" || (type === EXECVE && ARGUMENT.test(name))) continue;
        own.push([name, name === "key" && text.includes(KEYS) ? text.split(KEYS) : text]);
      }
      if (type === EXECVE) { for (const argument of this.#args) own.push(argument); }
      list.push(Object.fromEntries(own));
      byType.set(type, list);
    }
    const entries = [...byType].map(([type, list]) =>
      [type, list.length === 1 ? list[0]! : list] as const
    );
    return Object.fromEntries(entries);
  }
}

function withValue(known: string | Set<string> | undefined, text: string): string | Set<string> {
  if (known === undefined || known === text) return text;
  if (typeof known === "string") return new Set([known, text]);
  return known.size < MAX_VALUES ? known.add(text) : known;
}

/** The instant in `SECONDS.MILLIS:SERIAL`, RFC 3339; `undefined` beyond the range of `Date`. */
function instantOf(id: string): string | undefined {
  const dot = id.indexOf(".");
  const fraction = id.slice(dot + 1, id.indexOf(":"));
  const ms = Number(id.slice(0, dot)) * 1000;
  if (!(ms <= 253_402_300_799_000)) return undefined;
  return `${new Date(ms).toISOString().slice(0, 20)}${fraction.padStart(3, "0")}Z`;
}
