/**
 * The sinks of a running agent, each with its drain; exchanged one by one when settings change.
 */
import { getLogger } from "@logtape/logtape";
import { type SinkDrain, startDrain } from "../deliver/drain.ts";
import type { DrainStatus } from "../deliver/drain_status.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import type { Outbox } from "../runtime/outbox.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { SinkSettings } from "../runtime/settings.ts";
import { settingsKey } from "./settings_key.ts";

const log = getLogger(["picket", "deliver"]);

/** How long a sink that is replaced may take to finish what it is sending. */
const REPLACE_MS = 2000;

interface RunningSink {
  readonly key: string;
  readonly settings: SinkSettings;
  readonly sink: Sink;
  readonly drain: SinkDrain;
}

export interface SinkSetOptions {
  readonly outbox: Outbox;
  readonly metrics: MetricsHook;
  /** Makes a sink; nothing is connected yet. Throws for settings that cannot work. */
  readonly make: (settings: SinkSettings) => Sink;
  readonly now: () => number;
}

/** Sinks that have been made and wait to be put to work by `apply`. */
export interface PreparedSinks {
  readonly wanted: readonly SinkSettings[];
  readonly made: ReadonlyMap<string, { readonly key: string; readonly sink: Sink }>;
}

/** Owns sinks and drains. Calls of `apply` must not overlap. */
export class SinkSet {
  readonly #options: SinkSetOptions;
  #running = new Map<string, RunningSink>();

  constructor(options: SinkSetOptions) {
    this.#options = options;
  }

  get sinks(): readonly Sink[] {
    return [...this.#running.values()].map(({ sink }) => sink);
  }

  /**
   * Makes the sinks of `wanted` that are new or have changed; they do nothing yet.
   *
   * @throws What `make` throws; then nothing is left of those that were made before.
   */
  prepare(wanted: readonly SinkSettings[]): PreparedSinks {
    const made = new Map<string, { readonly key: string; readonly sink: Sink }>();
    try {
      for (const settings of wanted) {
        const key = settingsKey(settings);
        if (this.#running.get(settings.id)?.key !== key) {
          made.set(settings.id, { key, sink: this.#options.make(settings) });
        }
      }
    } catch (error) {
      void this.discard({ wanted, made });
      throw error;
    }
    return { wanted, made };
  }

  /** Disposes of sinks that are not to be put to work after all. */
  async discard({ made }: PreparedSinks): Promise<void> {
    await Promise.all([...made.values()].map(({ sink }) => dispose(sink)));
  }

  /**
   * Makes the sinks those that were prepared: what is new starts, what has changed is replaced, what
   * is gone stops, the rest opens its files and reads its credentials again.
   */
  async apply({ wanted, made }: PreparedSinks): Promise<void> {
    const { outbox, metrics, now } = this.#options;
    const kept = new Set(wanted.map(({ id }) => id));
    const gone = [...this.#running.values()]
      .filter(({ sink: { id } }) => !kept.has(id) || made.has(id));
    for (const { sink } of gone) this.#running.delete(sink.id);
    for (const { sink } of this.#running.values()) sink.reopen?.();
    await Promise.all(gone.map((one) => close(one, AbortSignal.timeout(REPLACE_MS))));
    outbox.registerSinks(
      wanted.map(({ id, filter = {}, start }) => ({
        id,
        filter,
        ...(start === undefined ? {} : { start }),
      })),
      now(),
    );
    for (const settings of wanted) {
      const fresh = made.get(settings.id);
      if (fresh === undefined) continue;
      const drain = startDrain({ sink: fresh.sink, outbox, settings, metrics });
      this.#running.set(settings.id, { ...fresh, settings, drain });
      log.info("Sink started", { sink: settings.id, type: settings.type });
    }
  }

  /** There are new alerts. */
  notify(): void {
    for (const { drain } of this.#running.values()) drain.notify();
  }

  /** Whether at least one sink takes alerts at the moment. */
  get isDelivering(): boolean {
    return this.status().some(({ state }) => state === "running");
  }

  status(): readonly DrainStatus[] {
    return [...this.#running.values()].map(({ drain }) => drain.status());
  }

  /** Makes one sink try again now; `undefined` if there is none of this id. */
  retry(id: string): DrainStatus | undefined {
    const drain = this.#running.get(id)?.drain;
    drain?.retryNow();
    return drain?.status();
  }

  /** Delivers what waits, as far as sinks take it. Returns whether nothing is left. */
  async flush(signal: AbortSignal): Promise<boolean> {
    const drains = [...this.#running.values()].map(({ drain }) => drain.flush(signal));
    return (await Promise.all(drains)).every(Boolean);
  }

  /** Ends delivery; what is being sent may finish until `budget` aborts. */
  async stop(budget: AbortSignal): Promise<void> {
    const running = [...this.#running.values()];
    this.#running = new Map();
    await Promise.all(running.map((one) => close(one, budget)));
  }
}

async function close({ drain, sink }: RunningSink, budget: AbortSignal): Promise<void> {
  await drain.stop(budget);
  await dispose(sink);
}

async function dispose(sink: Sink): Promise<void> {
  try {
    await sink[Symbol.asyncDispose]();
  } catch (error) {
    log.warn("A sink did not close cleanly", { sink: sink.id, reason: String(error) });
  }
}
