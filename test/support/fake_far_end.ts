/**
 * A far end with a script: what it stores of each call, and how the call ends.
 */
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError, type DeliveryFailure } from "../../src/runtime/errors.ts";
import type { Sink } from "../../src/runtime/plugin.ts";

export type Move =
  | { readonly kind: "ok" }
  /** The call fails as a whole after the first `stored` alerts arrived. */
  | {
    readonly kind: "fail";
    readonly failure: Exclude<DeliveryFailure, "poison">;
    readonly stored: number;
    readonly retryAfterMs?: number;
  }
  /** Alerts whose place is in `failed` fail; of those, even places have arrived all the same. */
  | { readonly kind: "partial"; readonly failed: readonly number[] }
  /** Never answers. */
  | { readonly kind: "hang"; readonly stored: number }
  /** The process dies: `onCrash` is called, the call never answers. */
  | { readonly kind: "crash"; readonly stored: number };

export class FakeFarEnd {
  /** Ids in order of arrival, repeats included. */
  readonly stored: string[] = [];
  readonly calls: (readonly string[])[] = [];
  reopened = 0;
  reconciled = 0;
  onCrash: () => void = () => {};
  /** One move for each call; afterwards everything is fine. */
  script: Move[];
  /** Ids that are refused by themselves, in every call. */
  readonly poison: ReadonlySet<string>;

  constructor(script: readonly Move[] = [], poison: ReadonlySet<string> = new Set()) {
    this.script = [...script];
    this.poison = poison;
  }

  /** A sink of it, as one process has it. */
  sink(options: { readonly reconciles: boolean; readonly id?: string }): Sink {
    let position: string | undefined;
    const keep = (alerts: readonly Alert[]) => {
      for (const { id } of alerts) if (!this.poison.has(id)) this.stored.push(id);
    };
    const base: Sink = {
      id: options.id ?? "fake",
      kind: "http",
      send: async (alerts, signal) => {
        this.calls.push(alerts.map(({ id }) => id));
        // An answer takes a turn, as it does in life.
        await Promise.resolve();
        const move = this.script.shift() ?? { kind: "ok" };
        switch (move.kind) {
          case "ok":
          case "partial": {
            const failed = new Set(move.kind === "partial" ? move.failed : []);
            keep(alerts.filter((_, at) => !failed.has(at) || at % 2 === 0));
            position = String(this.stored.length);
            return alerts.map(({ id }, at) =>
              this.poison.has(id)
                ? new DeliveryError("poison", "refused")
                : failed.has(at)
                ? new DeliveryError("transient", "no acknowledgement")
                : undefined
            );
          }
          case "fail":
            keep(alerts.slice(0, move.stored));
            throw new DeliveryError(move.failure, `scripted ${move.failure}`, {
              retryAfterMs: move.retryAfterMs,
            });
          case "hang":
          case "crash":
            keep(alerts.slice(0, move.stored));
            if (move.kind === "crash") this.onCrash();
            return await new Promise((_, reject) => {
              if (signal.aborted) return reject(signal.reason);
              signal.addEventListener("abort", () => reject(signal.reason), { once: true });
            });
        }
      },
      reopen: () => {
        this.reopened++;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    if (!options.reconciles) return base;
    return {
      ...base,
      peerPosition: () => position,
      reconcile: async (alerts, from) => {
        this.reconciled++;
        await Promise.resolve();
        // Reads behind the position only: a position that is too late shows as a repeat.
        const there = new Set(this.stored.slice(Number(from ?? 0)));
        position = String(this.stored.length);
        return new Set(alerts.map(({ id }) => id).filter((id) => there.has(id)));
      },
    };
  }
}
