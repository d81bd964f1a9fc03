/**
 * Tells lasting failures of sinks from passing ones, for those who read event logs.
 */
import type { DrainStatus } from "../../deliver/drain_status.ts";

export interface SinkChange {
  readonly sink: string;
  readonly isDown: boolean;
  readonly error: string | undefined;
}

/** Looked at every `LOOK_MS`; a sink that fails at two looks in a row is down. */
export const LOOK_MS = 30_000;

type Looked = Pick<DrainStatus, "id" | "failures" | "lastError">;

export class SinkWatch {
  readonly #failing = new Set<string>();
  readonly #down = new Set<string>();

  /** What has changed since the last look. */
  look(sinks: readonly Looked[]): readonly SinkChange[] {
    const changes: SinkChange[] = [];
    for (const { id, failures, lastError } of sinks) {
      // Its state will not do: in the middle of another try it is `running`.
      if (failures > 0) {
        if (this.#failing.has(id) && !this.#down.has(id)) {
          this.#down.add(id);
          changes.push({ sink: id, isDown: true, error: lastError });
        }
        this.#failing.add(id);
      } else {
        this.#failing.delete(id);
        if (this.#down.delete(id)) changes.push({ sink: id, isDown: false, error: undefined });
      }
    }
    return changes;
  }
}
