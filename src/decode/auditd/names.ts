/**
 * What the records of one audit event say under the names that Sigma rules have for it.
 *
 * The meaning of the names is that of Sysmon for Linux, which SigmaHQ's rules for processes, files
 * and connections of Linux were written for.
 */
import type { Value } from "../../event/value.ts";
import type { AuditRecord } from "./record.ts";
import { syscallName } from "./syscalls.ts";

/** System calls that start a program. */
const EXECUTING: ReadonlySet<string> = new Set(["execve", "execveat"]);
/** System calls that reach out, and those that are reached. */
const CONNECTING: ReadonlySet<string> = new Set(["connect", "sendto", "sendmsg", "sendmmsg"]);
const ACCEPTING: ReadonlySet<string> = new Set(["accept", "accept4"]);
/** System calls whose names are relative to a directory that is open, by its descriptor. */
const RELATIVE: ReadonlyMap<string, readonly string[]> = new Map([
  ["openat", ["a0"]],
  ["openat2", ["a0"]],
  ["mkdirat", ["a0"]],
  ["mknodat", ["a0"]],
  ["unlinkat", ["a0"]],
  ["symlinkat", ["a1"]],
  ["linkat", ["a0", "a2"]],
  ["renameat", ["a0", "a2"]],
  ["renameat2", ["a0", "a2"]],
  ["execveat", ["a0"]],
  ["fchmodat", ["a0"]],
  ["fchmodat2", ["a0"]],
  ["fchownat", ["a0"]],
  ["newfstatat", ["a0"]],
  ["faccessat", ["a0"]],
  ["faccessat2", ["a0"]],
  ["utimensat", ["a0"]],
]);
/** Where the flags of a system call are that opens files; `creat` always empties them. */
const OPEN_FLAGS: ReadonlyMap<string, string> = new Map([["open", "a1"], ["openat", "a2"]]);
/** `linux/fcntl.h`; the same on x86 and arm64. */
const O_TRUNC = 0x200;
/** The directory that a process is in; `AT_FDCWD` as 32 or 64 bits. */
const CURRENT_DIRECTORY = /^(?:f{8})?ffffff9c$/;
/** A connection that is on its way: `EINPROGRESS`, by number or by name. */
const IN_PROGRESS: ReadonlySet<string> = new Set(["-115", "EINPROGRESS"]);
/** Paths of an event that are looked at; the kernel reports tens. */
const MAX_PATHS = 1000;
/** `PATH_MAX` of Linux; a working directory is no longer. */
const MAX_PATH = 4096;
/** What stands where there is no value. */
const NOTHING: ReadonlySet<string> = new Set(["?", "(null)", "(none)", "(unset)", ""]);

/** What an event did, as far as rules ask for it. */
export interface AuditFacts {
  /** Of the system call, if there is one that is known. */
  readonly syscall: string | undefined;
  /** It did not work. */
  readonly isFailed: boolean;
  readonly isExecution: boolean;
  /** The names of its paths, made absolute where that is known to be right. */
  readonly paths: readonly string[];
  /** Names that were made, or emptied; those that vanished if there are none. */
  readonly files: readonly AuditFile[];
  readonly connection: Connection | undefined;
}

interface AuditFile {
  readonly name: string;
  readonly change: "created" | "deleted";
}

/** The far end of a connection. */
interface Connection {
  readonly initiated: boolean;
  readonly address: string;
  readonly port: string;
}

/** The first record of a type. */
export function recordOf(records: readonly AuditRecord[], type: string): AuditRecord | undefined {
  for (const record of records) if (record.type === type) return record;
  return undefined;
}

/** What happened, by the system call, its paths and its address. */
export function auditFacts(records: readonly AuditRecord[]): AuditFacts {
  const call = recordOf(records, "SYSCALL");
  const syscall = call === undefined ? undefined : nameOfCall(call);
  const isFailed = call?.fields.get("success") === "no";
  const isExecution = !isFailed &&
    ((syscall !== undefined && EXECUTING.has(syscall)) ||
      recordOf(records, "EXECVE") !== undefined);
  const paths = pathsOf(records, call, syscall);
  return {
    syscall,
    isFailed,
    isExecution,
    paths: paths.map(({ name }) => name),
    files: isFailed || paths.length === 0 ? [] : filesOf(paths, call, syscall),
    connection: connectionOf(records, call, syscall),
  };
}

function nameOfCall(call: AuditRecord): string | undefined {
  const { fields } = call;
  const name = fields.get("SYSCALL");
  if (name !== undefined) return name;
  const written = fields.get("syscall");
  if (written === undefined) return undefined;
  // What interpreting tools print has the name in place of the number.
  return /^\d{1,6}$/.test(written) ? syscallName(fields.get("arch") ?? "", written) : written;
}

interface Path {
  readonly name: string;
  readonly nametype: string | undefined;
}

function filesOf(
  paths: readonly Path[],
  call: AuditRecord | undefined,
  syscall: string | undefined,
): readonly AuditFile[] {
  const named = (wanted: string, change: AuditFile["change"]): AuditFile[] =>
    paths.filter(({ nametype }) => nametype === wanted).map(({ name }) => ({ name, change }));
  const created = named("CREATE", "created");
  if (created.length > 0) return created;
  const deleted = named("DELETE", "deleted");
  return deleted.length === 0 && empties(call, syscall) ? named("NORMAL", "created") : deleted;
}

/** Whether a file that was there before is empty now, which Sysmon calls a file that was created. */
function empties(call: AuditRecord | undefined, syscall: string | undefined): boolean {
  if (syscall === "creat") return true;
  const flags = call?.fields.get(OPEN_FLAGS.get(syscall ?? "") ?? "");
  return flags !== undefined && (Number.parseInt(flags, 16) & O_TRUNC) !== 0;
}

function connectionOf(
  records: readonly AuditRecord[],
  call: AuditRecord | undefined,
  syscall: string | undefined,
): Connection | undefined {
  const fields = recordOf(records, "SOCKADDR")?.fields;
  const address = fields?.get("laddr"), port = fields?.get("lport");
  if (address === undefined || port === undefined) return undefined;
  const initiated = syscall === undefined || CONNECTING.has(syscall);
  if (!initiated && !ACCEPTING.has(syscall)) return undefined;
  const isFailed = call?.fields.get("success") === "no" &&
    !IN_PROGRESS.has(call.fields.get("exit") ?? "");
  return isFailed ? undefined : { initiated, address, port };
}

/**
 * The names of the `PATH` records that have one. They are relative to the working directory unless the
 * system call was given another one; then they stay as they are.
 */
function pathsOf(
  records: readonly AuditRecord[],
  call: AuditRecord | undefined,
  syscall: string | undefined,
): readonly Path[] {
  const cwd = recordOf(records, "CWD")?.fields.get("cwd");
  const isElsewhere = (RELATIVE.get(syscall ?? "") ?? []).some((argument) => {
    const descriptor = call?.fields.get(argument);
    return descriptor !== undefined && !CURRENT_DIRECTORY.test(descriptor);
  });
  const isUsable = cwd !== undefined && cwd.startsWith("/") && cwd.length <= MAX_PATH;
  const base = isUsable && !isElsewhere ? resolvePath("", cwd) : undefined;
  const paths: Path[] = [];
  for (const { type, fields } of records) {
    const name = type === "PATH" ? fields.get("name") : undefined;
    if (name === undefined || NOTHING.has(name)) continue;
    if (paths.length === MAX_PATHS) break;
    const isAbsolute = name.startsWith("/") || base === undefined;
    const full = isAbsolute ? name : resolvePath(base, name);
    paths.push({ name: full === "" ? "/" : full, nametype: fields.get("nametype") });
  }
  return paths;
}

/** @param base An absolute path without `.` and `..`; empty for the root. */
function resolvePath(base: string, name: string): string {
  let path = base;
  for (const part of name.split("/")) {
    if (part === "..") path = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    else if (part !== "" && part !== ".") path += `/${part}`;
  }
  return path;
}

/** Where a name that rules ask for is found in records, in the order in which they are tried. */
type Origins = readonly (readonly [type: string, field: string])[];

const IMAGE: Origins = [["SYSCALL", "exe"], ["", "exe"]];
const DIRECTORY: Origins = [["CWD", "cwd"], ["", "cwd"]];
const TITLE: Origins = [["PROCTITLE", "proctitle"], ["", "cmd"]];
const PID: Origins = [["SYSCALL", "pid"], ["", "pid"]];
const PARENT_PID: Origins = [["SYSCALL", "ppid"], ["", "ppid"]];
const USER: Origins = [["SYSCALL", "UID"], ["", "UID"]];
const USER_ID: Origins = [["SYSCALL", "uid"], ["", "uid"]];

function find(records: readonly AuditRecord[], origins: Origins): string | undefined {
  for (const [type, field] of origins) {
    for (const record of records) {
      if (type !== "" && record.type !== type) continue;
      const text = record.fields.get(field);
      if (text !== undefined && !NOTHING.has(text)) return text;
    }
  }
  return undefined;
}

/**
 * Fields under Sigma's names, in the order in which people like to read them.
 *
 * `CommandLine` is the arguments with a blank between any two and no quotes added, as
 * `/proc/PID/cmdline` is usually shown and as rules expect it; without an `EXECVE` the process title,
 * which the kernel cuts at 128 bytes. `User` is the name that the daemon added, `root` for 0, else the
 * number; `LogonId` is the number, as in events of Sysmon for Linux.
 *
 * @param args Of `EXECVE`.
 */
export function sigmaNames(
  records: readonly AuditRecord[],
  facts: AuditFacts,
  args: readonly string[],
): ReadonlyMap<string, Value> {
  const uid = find(records, USER_ID);
  const found = new Map<string, Value>();
  const add = (name: string, value: Value | undefined) => {
    if (value !== undefined) found.set(name, value);
  };
  add("Image", find(records, IMAGE));
  add("CommandLine", args.length > 0 ? args.join(" ") : find(records, TITLE));
  add("CurrentDirectory", find(records, DIRECTORY));
  add("User", find(records, USER) ?? (uid === "0" ? "root" : uid));
  add("ProcessId", find(records, PID));
  add("ParentProcessId", find(records, PARENT_PID));
  add("LogonId", uid);
  const { files, connection } = facts;
  if (files.length > 0) {
    add("TargetFilename", files.length > 1 ? files.map(({ name }) => name) : files[0]!.name);
  }
  if (connection !== undefined) {
    const { initiated, address, port } = connection;
    const remote = initiated ? "Destination" : "Source";
    add("Initiated", String(initiated));
    add(`${remote}Ip`, address);
    add(`${remote}Port`, port);
    add(`${remote}IsIpv6`, String(address.includes(":")));
  }
  return found;
}
