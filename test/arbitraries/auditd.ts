/**
 * A writer of audit.log, and logs that it writes: events as the kernel and programs of user space
 * report them, with the records of several processors among one another.
 */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { syscallName } from "../../src/decode/auditd/syscalls.ts";

/** Quoted, or in hex as the kernel writes what could not be read back otherwise. */
export function auditText(text: string): string {
  return /^[\x21\x23-\x7e]*$/.test(text) ? `"${text}"` : hexText(text);
}

/** UTF-8 in capital hex digits. */
export function hexText(text: string): string {
  return Buffer.from(text, "utf8").toString("hex").toUpperCase();
}

/** A path that a system call was given. */
export interface PathSpec {
  readonly name: string;
  /** Default `NORMAL`. */
  readonly nametype?: string;
}

/** A system call with all that the kernel reports about it. */
export interface CallSpec {
  /** Its name on x86-64. */
  readonly syscall: string;
  /** Registers, in hex. */
  readonly registers?: readonly string[];
  readonly success?: boolean;
  readonly exit?: string;
  readonly pid?: number;
  readonly ppid?: number;
  readonly uid?: number;
  readonly euid?: number;
  readonly exe?: string;
  readonly comm?: string;
  readonly keys?: readonly string[];
  /** Of a program that is started. */
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly paths?: readonly PathSpec[];
  /** Hex. */
  readonly saddr?: string;
  readonly title?: readonly string[];
  /** Names of users behind numbers, as `log_format = ENRICHED` adds them. */
  readonly users?: Readonly<Record<string, string>>;
  /** Longer arguments are cut into parts of so many characters or digits. */
  readonly partLength?: number;
  readonly node?: string;
  readonly end?: "proctitle" | "eoe" | "both" | "none";
}

const X86_64 = "c000003e";

function syscallNumber(name: string): number {
  for (let number = 0; number < 600; number++) {
    if (syscallName(X86_64, String(number)) === name) return number;
  }
  throw new RangeError(`no system call ${name}`);
}

function head(type: string, id: string, node: string | undefined): string {
  return `${node === undefined ? "" : `node=${node} `}type=${type} msg=audit(${id}): `;
}

/** The lines of a system call, without line ends. */
export function callLines(id: string, spec: CallSpec): readonly string[] {
  const { node, end = "proctitle" } = spec;
  const lines: string[] = [];
  const add = (type: string, body: string) => lines.push(head(type, id, node) + body);
  add("SYSCALL", syscallBody(spec));
  if (spec.saddr !== undefined) add("SOCKADDR", `saddr=${spec.saddr}`);
  if (spec.args !== undefined) add("EXECVE", argumentsBody(spec.args, spec.partLength));
  if (spec.cwd !== undefined) add("CWD", `cwd=${auditText(spec.cwd)}`);
  for (const [item, { name, nametype = "NORMAL" }] of (spec.paths ?? []).entries()) {
    add(
      "PATH",
      `item=${item} name=${auditText(name)} inode=${1000 + item} dev=fd:01 mode=0100755 ouid=0 ` +
        `ogid=0 rdev=00:00 nametype=${nametype} cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`,
    );
  }
  if (end === "proctitle" || end === "both") {
    add("PROCTITLE", `proctitle=${auditText((spec.title ?? spec.args ?? ["prog"]).join("\0"))}`);
  }
  if (end === "eoe" || end === "both") lines.push(head("EOE", id, node));
  return lines;
}

function syscallBody(spec: CallSpec): string {
  const { success = true, pid = 4242, ppid = 4200, uid = 1000, euid = uid, keys = [] } = spec;
  const registers = [0, 1, 2, 3].map((at) => `a${at}=${spec.registers?.[at] ?? "7ffe12345678"}`);
  const { exe = "/usr/bin/prog", comm = exe.split("/").at(-1)!.slice(0, 15) } = spec;
  const key = keys.length === 0
    ? "(null)"
    : keys.length === 1
    ? auditText(keys[0]!)
    : hexText(keys.join("\x01"));
  const users = Object.entries(spec.users ?? {}).map(([name, user]) => `${name}="${user}"`);
  const added = users.length === 0
    ? ""
    : `\x1dARCH=x86_64 SYSCALL=${spec.syscall} ${users.join(" ")}`;
  return `arch=${X86_64} syscall=${syscallNumber(spec.syscall)} success=${
    success ? "yes" : "no"
  } ` +
    `exit=${spec.exit ?? (success ? "0" : "-13")} ${registers.join(" ")} ` +
    `items=${spec.paths?.length ?? 0} ppid=${ppid} pid=${pid} auid=1000 uid=${uid} gid=${uid} ` +
    `euid=${euid} suid=${uid} fsuid=${uid} egid=${uid} sgid=${uid} fsgid=${uid} tty=pts0 ses=3 ` +
    `comm=${auditText(comm)} exe=${auditText(exe)} subj=unconfined key=${key}${added}`;
}

function argumentsBody(args: readonly string[], partLength = Infinity): string {
  const fields = args.flatMap((text, number) => {
    const written = auditText(text);
    const isQuoted = written.startsWith('"');
    const inner = isQuoted ? written.slice(1, -1) : written;
    if (inner.length <= partLength) return [`a${number}=${written}`];
    const parts: string[] = [];
    for (let at = 0; at < inner.length; at += partLength) {
      const part = inner.slice(at, at + partLength);
      parts.push(`a${number}[${parts.length}]=${isQuoted ? `"${part}"` : part}`);
    }
    return [`a${number}_len=${inner.length}`, ...parts];
  });
  return `argc=${args.length} ${fields.join(" ")}`;
}

/** What a program of user space reports, such as `USER_LOGIN`: one record. */
export function userLine(
  id: string,
  type: string,
  pairs: Readonly<Record<string, string>>,
): string {
  const inner = Object.entries(pairs).map(([name, text]) => `${name}=${text}`).join(" ");
  return `${head(type, id, undefined)}pid=900 uid=0 auid=1000 ses=3 subj=unconfined ` +
    `msg='${inner}'\x1dUID="root" AUID="ann"`;
}

/** A `sockaddr_in`. */
export function inetAddress(address: string, port: number): string {
  const bytes = [
    2,
    0,
    port >> 8,
    port & 255,
    ...address.split(".").map(Number),
    ...Buffer.alloc(8),
  ];
  return Buffer.from(bytes).toString("hex").toUpperCase();
}

/** An id; events of the same second differ in their serial numbers. */
export function auditId(serial: number, seconds = 1_700_000_000): string {
  return `${seconds}.${String(serial % 1000).padStart(3, "0")}:${serial}`;
}

const word = fc.string({ unit: "binary", minLength: 1, maxLength: 12 })
  .map((text) => text.toWellFormed().replaceAll("\0", "0"));

/** The lines of one event that shows its end, by the number of the event. */
const auditEvent: fc.Arbitrary<(serial: number) => readonly string[]> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      args: fc.array(word, { minLength: 1, maxLength: 4 }),
      paths: fc.array(fc.record({ name: word }), { maxLength: 3 }),
      node: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
      end: fc.constantFrom<"proctitle" | "eoe" | "both">("proctitle", "eoe", "both"),
    }).map(({ node, ...rest }) => (serial: number) =>
      callLines(auditId(serial), {
        syscall: "execve",
        cwd: "/",
        ...rest,
        ...(node === undefined ? {} : { node }),
      })
    ),
  },
  fc.constant((serial: number) => [
    userLine(auditId(serial), "USER_LOGIN", { op: "login", acct: '"root"', res: "failed" }),
  ]),
);

/** An event and its lines in a log. */
export interface WrittenLog {
  /** In the order of their first lines. */
  readonly events: readonly (readonly string[])[];
  readonly lines: readonly string[];
}

/** Events whose records stand among one another, those of one event in their order. */
export const auditLog: fc.Arbitrary<WrittenLog> = fc.tuple(
  fc.array(auditEvent, { minLength: 1, maxLength: 12 }),
  fc.array(fc.nat(3), { maxLength: 80 }),
).map(([makers, choices]) => {
  const events = makers.map((make, at) => make(at + 1));
  const waiting = events.map((lines) => [...lines]);
  const lines: string[] = [];
  const order: (readonly string[])[] = [];
  // Of the four oldest that are not finished, as many processors would do it.
  for (let step = 0;; step++) {
    const unfinished = waiting.filter((rest) => rest.length > 0);
    if (unfinished.length === 0) break;
    const choice = choices[step] ?? 0;
    const rest = unfinished[Math.min(choice, unfinished.length - 1)]!;
    const event = events[waiting.indexOf(rest)]!;
    if (rest.length === event.length) order.push(event);
    lines.push(rest.shift()!);
  }
  return { events: order, lines };
});
