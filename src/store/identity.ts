/**
 * Which agent this is: a random id that stays with the state file, as long as that stays on its
 * machine. Two agents with one id would suppress each other's alerts at a hub.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { type Database, text } from "./database.ts";

/**
 * Digests of what tells a machine from others, by their kind. Not every kind can always be read: the
 * hardware's id needs root on Linux.
 */
export type MachineFingerprint = Readonly<Record<string, string>>;

export interface Identity {
  readonly agentId: string;
  /** The id that the file had on the machine it was copied from. */
  readonly replaced: string | undefined;
}

/** Longest a system tool may take to tell the machine's id, in milliseconds. */
const TOOL_MS = 5000;

/** The fingerprint of this machine; empty where nothing can be read. */
export function machineFingerprint(): MachineFingerprint {
  const parts: Record<string, string | undefined> = {};
  switch (process.platform) {
    case "win32":
      parts["machine_guid"] = /MachineGuid\s+REG_SZ\s+(\S+)/.exec(
        output("reg", ["query", "HKLM\\SOFTWARE\\Microsoft\\Cryptography", "/v", "MachineGuid"]),
      )?.[1];
      break;
    case "darwin":
      parts["platform_uuid"] = /"IOPlatformUUID" = "([^"]+)"/.exec(
        output("ioreg", ["-rd1", "-c", "IOPlatformExpertDevice"]),
      )?.[1];
      break;
    default:
      parts["machine_id"] = firstLine("/etc/machine-id") ?? firstLine("/var/lib/dbus/machine-id");
      // A cloned disk has the same machine id; the virtual hardware differs.
      parts["product_uuid"] = firstLine("/sys/class/dmi/id/product_uuid");
  }
  const known = Object.entries(parts).filter((part): part is [string, string] => !!part[1]);
  return Object.fromEntries(known.map(([kind, value]) => [kind, digest(kind, value)]));
}

/** Whether two fingerprints are surely of different machines. */
export function isOtherMachine(left: MachineFingerprint, right: MachineFingerprint): boolean {
  return Object.entries(left).some(([kind, value]) => (right[kind] ?? value) !== value);
}

/**
 * The agent's id from the file: kept, made, or made anew on another machine.
 *
 * @param configured An id from the configuration, which is used as it is.
 */
export function loadIdentity(
  db: Database,
  configured: string | undefined,
  fingerprint: MachineFingerprint,
): Identity {
  const stored = metaValue(db, "agent_id");
  const known = parseFingerprint(metaValue(db, "fingerprint"));
  const isCopied = configured === undefined && stored !== undefined &&
    isOtherMachine(known, fingerprint);
  const agentId = configured ?? (stored === undefined || isCopied ? newAgentId() : stored);
  setMeta(db, "agent_id", agentId);
  // Kinds that cannot be read this time are kept, unless they are another machine's.
  const merged = isCopied ? fingerprint : { ...known, ...fingerprint };
  setMeta(db, "fingerprint", JSON.stringify(merged));
  return { agentId, replaced: isCopied ? stored : undefined };
}

/** A value of `meta`. */
export function metaValue(db: Database, name: string): string | undefined {
  const row = db.get("SELECT value FROM meta WHERE name = ?", name);
  return row === undefined ? undefined : text(row, "value");
}

export function setMeta(db: Database, name: string, value: string): void {
  if (metaValue(db, name) === value) return;
  db.run(
    "INSERT INTO meta VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    name,
    value,
  );
}

function newAgentId(): string {
  return `agent-${randomBytes(8).toString("hex")}`;
}

function parseFingerprint(stored: string | undefined): MachineFingerprint {
  try {
    const value: unknown = JSON.parse(stored ?? "{}");
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).filter(([, part]) => typeof part === "string"))
      : {};
  } catch {
    return {};
  }
}

function digest(kind: string, value: string): string {
  return createHash("sha256").update(`picket:${kind}:${value.toLowerCase()}`).digest("hex")
    .slice(0, 32);
}

function firstLine(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").split("\n")[0]?.trim() || undefined;
  } catch {
    return undefined;
  }
}

function output(command: string, args: readonly string[]): string {
  const { stdout } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: TOOL_MS,
    windowsHide: true,
  });
  return stdout ?? "";
}
