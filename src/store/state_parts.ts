/**
 * What a `StateStore` is made of, and the figures it gives.
 */
import type { OutboxSettings } from "../runtime/settings.ts";
import type { Database } from "./database.ts";
import type { Recovery } from "./open_file.ts";
import type { Reserve } from "./reserve.ts";

/** Figures of the state file; counts since it was made where nothing else is said. */
export interface StateStats {
  /** Alerts that a sink waits for, and the bytes of their bodies. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Alerts that are kept though every sink has them. */
  readonly retained: number;
  readonly retainedBytes: number;
  readonly deadLetters: Readonly<Record<string, number>>;
  /** Dead letters that had to go for others, by stage. */
  readonly deadLettersDropped: Readonly<Record<string, number>>;
  /** Alerts dropped, by `reason:level`. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly duplicates: number;
  /** How often the disk was full, since the file was opened. */
  readonly diskFull: number;
  /** Whether the ballast has been given up. */
  readonly reserveReleased: boolean;
}

/** What `openState` has found out and checked. */
export interface StateParts {
  readonly db: Database;
  readonly access: "owner" | "operator" | "read";
  readonly agentId: string;
  readonly replacedAgentId: string | undefined;
  readonly recovery: Recovery | undefined;
  readonly reserve: Reserve | undefined;
  readonly lock: Disposable | undefined;
  readonly limits: {
    readonly recentAlerts: number;
    readonly knownIds: number;
    readonly knownIdMs: number;
    readonly deadLetterBytes: number;
    readonly deadLetterMs: number;
    readonly deadLetterRecords: number;
    readonly auditEntries: number;
    readonly auditMs: number;
  };
  readonly settings: OutboxSettings;
  readonly freeBytes: (() => number | undefined) | undefined;
  readonly maxPages: (() => number) | undefined;
}
