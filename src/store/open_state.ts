/**
 * `openState`: the one way to the state file.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { OutboxSettings } from "../runtime/settings.ts";
import {
  loadIdentity,
  type MachineFingerprint,
  machineFingerprint,
  metaValue,
  setMeta,
} from "./identity.ts";
import { openBeside, openOwned } from "./open_file.ts";
import { lockOwner } from "./owner_lock.ts";
import { Reserve } from "./reserve.ts";
import { stateError } from "./sqlite_errors.ts";
import { StateStore } from "./state_store.ts";

export interface StateOptions {
  /**
   * `owner` (default): the agent; there is one. `operator` changes queues and dead letters beside
   * it, `read` only looks.
   */
  readonly access?: "owner" | "operator" | "read";
  readonly outbox?: OutboxSettings;
  /** The agent's id, if it is configured. */
  readonly agentId?: string;
  /** Default: this machine's. */
  readonly fingerprint?: MachineFingerprint;
  /** Ballast for a full disk. Default 16 MiB; 0 for none. */
  readonly reserveBytes?: number;
  /** Newest alerts that stay for `recentAlerts`. Default 1000. */
  readonly recentAlerts?: number;
  /**
   * How many ids of alerts stay known, and how long: default 500,000 (some 30 MB) and seven days.
   * They only have to reach back as far as a source can give a record once more: to the correlation
   * snapshot (seconds), a NATS redelivery (minutes to days), an operator's rewind.
   */
  readonly knownIds?: number;
  readonly knownIdMs?: number;
  /** Bytes of dead letters of each stage, and how long they stay. Default 32 MiB and 30 days. */
  readonly deadLetterBytes?: number;
  readonly deadLetterMs?: number;
  /** Dead letters of each stage. Default 10,000. */
  readonly deadLetterRecords?: number;
  /** Entries of the audit trail, and how long they stay. Default 10,000 and 30 days. */
  readonly auditEntries?: number;
  readonly auditMs?: number;
  /** Longest that saving from a damaged file may take. Default 10,000 ms. */
  readonly salvageMs?: number;
  /** Free bytes of the disk, for tests. */
  readonly freeBytes?: () => number | undefined;
  /** A quota in pages of 4 KiB, read before every commit; for tests. */
  readonly maxPages?: () => number;
  /** Unix milliseconds. */
  readonly nowMs?: number;
}

const RESERVE_BYTES = 16 * 2 ** 20;
const DAY_MS = 86_400_000;

/**
 * Opens the state file, and makes it if the agent opens it for the first time.
 *
 * A damaged file is set aside and replaced, what is readable is saved into the new one, and
 * `recovery` tells of it. `:memory:` gives a state that is gone with the process.
 *
 * @throws {StateError} `STATE_BUSY` if another agent has it, `STATE_VERSION` if a newer Picket wrote it,
 *   `STATE_FULL`, `STATE_IO`.
 */
export function openState(path: string, options: StateOptions = {}): StateStore {
  const { access = "owner", nowMs = Date.now() } = options;
  if (access !== "owner") return openedBeside(path, access, options);
  const isFile = path !== ":memory:";
  const wasUsed = isFile && existsSync(`${path}.lock`);
  if (isFile) makeDirectory(path);
  const lock = isFile ? lockOwner(path) : undefined;
  try {
    const { db, recovery } = openOwned(path, {
      fsync: options.outbox?.fsync ?? "full",
      salvageMs: options.salvageMs ?? 10_000,
      nowMs,
      wasUsed,
    });
    try {
      const fingerprint = options.fingerprint ?? machineFingerprint();
      const identity = db.transaction("write the agent's id to", () => {
        setMeta(db, "clean_shutdown", "0");
        return loadIdentity(db, options.agentId, fingerprint);
      });
      const reserve = isFile ? new Reserve(path, options.reserveBytes ?? RESERVE_BYTES) : undefined;
      reserve?.fill();
      return new StateStore({
        db,
        access,
        agentId: identity.agentId,
        replacedAgentId: identity.replaced,
        recovery,
        reserve,
        lock,
        limits: limitsOf(options),
        settings: options.outbox ?? {},
        freeBytes: options.freeBytes,
        maxPages: options.maxPages,
      });
    } catch (error) {
      db[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    lock?.[Symbol.dispose]();
    throw error;
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw stateError("make the directory of", path, error);
  }
}

function openedBeside(
  path: string,
  access: "operator" | "read",
  options: StateOptions,
): StateStore {
  const db = openBeside(path, access === "read");
  try {
    return new StateStore({
      db,
      access,
      agentId: db.query("read", () => metaValue(db, "agent_id")) ?? "",
      replacedAgentId: undefined,
      recovery: undefined,
      reserve: undefined,
      lock: undefined,
      limits: limitsOf(options),
      settings: options.outbox ?? {},
      freeBytes: options.freeBytes,
      maxPages: undefined,
    });
  } catch (error) {
    db[Symbol.dispose]();
    throw error;
  }
}

function limitsOf(options: StateOptions): {
  recentAlerts: number;
  knownIds: number;
  knownIdMs: number;
  deadLetterBytes: number;
  deadLetterMs: number;
  deadLetterRecords: number;
  auditEntries: number;
  auditMs: number;
} {
  return {
    recentAlerts: options.recentAlerts ?? 1000,
    knownIds: options.knownIds ?? 500_000,
    knownIdMs: options.knownIdMs ?? 7 * DAY_MS,
    deadLetterBytes: options.deadLetterBytes ?? 32 * 2 ** 20,
    deadLetterMs: options.deadLetterMs ?? 30 * DAY_MS,
    deadLetterRecords: options.deadLetterRecords ?? 10_000,
    auditEntries: options.auditEntries ?? 10_000,
    auditMs: options.auditMs ?? 30 * DAY_MS,
  };
}
