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
const REGISTER = /^a[0-3]$/;
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
  #fields: ReadonlyMap<string, Value> | undefined;
  #value: ValueObject | undefined;

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
    const value = this.#all().get(field.name);
    return value !== undefined || field.path === undefined ? value : this.#inside(field);
  }

  topKeys(): readonly string[] {
    return [...this.#all().keys(), ...this.#types(), "records"];
  }

  /** The texts of records and the command line; not the numbers by which the kernel keeps its books. */
  someText(visit: (text: string) => boolean): boolean {
    for (const [name, value] of this.#all()) {
      if (BOOKS.has(name) || name === "timestamp" || name === "audit_id") continue;
      if (typeof value === "string") {
        if (visit(value)) return true;
      } else if (Array.isArray(value)) {
        for (const one of value as readonly Value[]) if (visit(String(one))) return true;
      }
    }
    return false;
  }

  /**
   * What happened, by the names of Sigma, and `records` as they are: by type an object, or a list of
   * objects where there are several.
   */
  toValue(): Value {
    return this.#value ??= this.#describe();
  }

  #all(): ReadonlyMap<string, Value> {
    return this.#fields ??= this.#merge();
  }

  #types(): ReadonlySet<string> {
    return new Set(this.#records.map(({ type }) => type));
  }

  #merge(): ReadonlyMap<string, Value> {
    const { syscall, paths } = this.#facts;
    const call = recordOf(this.#records, "SYSCALL");
    const found = new Map<string, string | Set<string>>();
    for (const [name, text] of this.#args) found.set(name, text);
    const hasArgs = this.#args.size > 0;
    for (const { type, fields } of this.#records) {
      for (const [name, text] of fields) {
        if (name.length === 2 && hasArgs && REGISTER.test(name)) continue;
        if (type === "EXECVE" && this.#isArgument(name)) continue;
        if (name === "hostname") continue;
        if (name === "key" && text.includes("\x01")) {
          for (const key of text.split("\x01")) addValue(found, name, key);
        } else {
          addValue(found, name, text);
        }
      }
    }
    for (const name of paths) addValue(found, "name", name);
    const all = new Map<string, Value>(Object.entries(this.#head()));
    for (const [name, texts] of found) {
      all.set(name, typeof texts === "string" ? texts : [...texts]);
    }
    if (syscall !== undefined) {
      all.set("SYSCALL", syscall);
      const number = call?.fields.get("syscall");
      if (number !== undefined) all.set("syscall", new Spellings(number, syscall));
    }
    for (const [name, value] of Object.entries(this.#names())) all.set(name, value);
    return all;
  }

  #isArgument(name: string): boolean {
    return name.charCodeAt(0) === 0x61 && /^a\d+(?:\[|_len$|$)/.test(name);
  }

  #names(): Record<string, Value> {
    return sigmaNames(this.#records, this.#facts, [...this.#args.values()]);
  }

  /** When, which and where. */
  #head(): Record<string, Value> {
    const [first] = this.#records;
    const { id, node } = first!;
    const timestamp = instantOf(id);
    const types = [...this.#types()];
    return {
      ...(timestamp === undefined ? {} : { timestamp }),
      audit_id: id,
      ...(node === undefined ? {} : { hostname: node }),
      type: types.length === 1 ? types[0]! : types,
    };
  }

  /** `TYPE.name`, or a path into the event as results carry it. */
  #inside(field: Field): Value | undefined {
    const dot = field.name.indexOf(".");
    if (dot < 0) return undefined;
    const type = field.name.slice(0, dot), name = field.name.slice(dot + 1);
    if (type === "records") return lookup(this.toValue(), field);
    const isExecve = type === "EXECVE";
    const arg = isExecve ? this.#args.get(name) : undefined;
    if (arg !== undefined) return arg;
    if (isExecve && this.#isArgument(name)) return undefined;
    const found = new Map<string, string | Set<string>>();
    for (const record of this.#records) {
      const text = record.type === type ? record.fields.get(name) : undefined;
      if (text !== undefined) addValue(found, name, text);
    }
    const texts = found.get(name);
    if (texts === undefined && type === "SYSCALL" && name === "SYSCALL") return this.#facts.syscall;
    return texts === undefined || typeof texts === "string" ? texts : [...texts];
  }

  #describe(): ValueObject {
    const all = this.#all();
    const call = recordOf(this.#records, "SYSCALL");
    const chosen: Record<string, Value> = this.#head();
    if (this.#facts.syscall !== undefined) chosen["SYSCALL"] = this.#facts.syscall;
    const success = call?.fields.get("success");
    if (success !== undefined) chosen["success"] = success;
    const key = all.get("key");
    if (key !== undefined && key !== "(null)") chosen["key"] = key;
    return { ...chosen, ...this.#names(), records: this.#recordObjects() };
  }

  #recordObjects(): ValueObject {
    const byType = new Map<string, ValueObject[]>();
    for (const { type, fields } of this.#records) {
      const list = byType.get(type) ?? [];
      // Arguments may be spread over several records.
      if (type === "EXECVE" && list.length > 0) continue;
      const own = type === "EXECVE"
        ? [...[...fields].filter(([name]) => !this.#isArgument(name)), ...this.#args]
        : [...fields].filter(([name]) => name !== "msg");
      list.push(Object.fromEntries(own));
      byType.set(type, list);
    }
    const entries = [...byType].map(([type, list]) =>
      [type, list.length === 1 ? list[0]! : list] as const
    );
    return Object.fromEntries(entries);
  }
}

function addValue(found: Map<string, string | Set<string>>, name: string, text: string): void {
  const known = found.get(name);
  if (known === undefined) found.set(name, text);
  else if (typeof known !== "string") {
    if (known.size < MAX_VALUES) known.add(text);
  } else if (known !== text) found.set(name, new Set([known, text]));
}

/** The instant in `SECONDS.MILLIS:SERIAL`, RFC 3339; `undefined` beyond the range of `Date`. */
function instantOf(id: string): string | undefined {
  const dot = id.indexOf(".");
  const fraction = id.slice(dot + 1, id.indexOf(":"));
  const ms = Number(id.slice(0, dot)) * 1000;
  if (!(ms <= 253_402_300_799_000)) return undefined;
  return `${new Date(ms).toISOString().slice(0, 20)}${fraction.padStart(3, "0")}Z`;
}
