/**
 * The sources of a running agent; exchanged one by one when settings change.
 */
import { getLogger } from "@logtape/logtape";
import type { EventSource } from "../runtime/plugin.ts";
import type { SourceSettings } from "../runtime/settings.ts";
import { type AgentIdentity, AlertBuilder } from "./alert_builder.ts";
import { settingsKey } from "./settings_key.ts";
import { type RunnerContext, SourceRunner } from "./source_runner.ts";

const log = getLogger(["picket", "input"]);

interface RunningSource {
  readonly key: string;
  readonly runner: SourceRunner;
  /** Stopped by an operator, so a reload does not start it. */
  pausedBy: string | undefined;
}

export interface SourceSetOptions {
  readonly context: Omit<RunnerContext, "onEnd">;
  readonly agent: AgentIdentity;
  /** `output.native_ids` of the configuration. */
  readonly addIds: boolean;
  /** Makes a source; nothing is opened yet. Throws for settings that cannot work. */
  readonly make: (settings: SourceSettings) => EventSource;
  /** The position committed last. */
  readonly position: (sourceId: string) => string | undefined;
  /** How long a source that is stopped may take to hand out what it has read. */
  readonly stopMs: number;
  /** Called when a source has ended by itself. */
  readonly onEnd: () => void;
}

/** Sources that have been made and wait to be started by `apply`. Nothing of theirs is open yet. */
export interface PreparedSources {
  readonly wanted: readonly SourceSettings[];
  readonly made: ReadonlyMap<string, { readonly key: string; readonly source: EventSource }>;
}

/** Owns sources and their runners. Calls of `apply` must not overlap. */
export class SourceSet {
  readonly #options: SourceSetOptions;
  #running = new Map<string, RunningSource>();
  #isStopped = false;

  constructor(options: SourceSetOptions) {
    this.#options = options;
  }

  get runners(): readonly SourceRunner[] {
    return [...this.#running.values()].map(({ runner }) => runner);
  }

  runner(id: string): SourceRunner | undefined {
    return this.#running.get(id)?.runner;
  }

  /** Who paused a source. */
  pausedBy(id: string): string | undefined {
    return this.#running.get(id)?.pausedBy;
  }

  /** Whether every source has come to its end, as stdin does. */
  get hasEnded(): boolean {
    return this.#running.size > 0 && this.runners.every(({ state }) => state === "ended");
  }

  /**
   * Makes the sources of `wanted` that are new or have changed; they do nothing yet.
   *
   * @throws What `make` throws.
   */
  prepare(wanted: readonly SourceSettings[]): PreparedSources {
    const made = new Map<string, { readonly key: string; readonly source: EventSource }>();
    for (const settings of wanted) {
      const key = settingsKey(settings);
      if (this.#running.get(settings.id)?.key !== key) {
        made.set(settings.id, { key, source: this.#options.make(settings) });
      }
    }
    return { wanted, made };
  }

  /**
   * Makes the sources those that were prepared; one whose settings are the same goes on undisturbed.
   *
   * @param beforeStart Called when old ones have stopped, so that their positions are committed.
   */
  async apply({ wanted, made }: PreparedSources, beforeStart: () => void): Promise<void> {
    const { stopMs } = this.#options;
    const kept = new Set(wanted.map(({ id }) => id));
    const gone = [...this.#running].filter(([id]) => !kept.has(id) || made.has(id));
    await Promise.all(gone.map(([id, { runner }]) => {
      this.#running.delete(id);
      return runner.pause(stopMs);
    }));
    beforeStart();
    for (const settings of wanted) {
      const fresh = made.get(settings.id);
      if (fresh !== undefined) this.#start(settings, fresh.key, fresh.source);
    }
  }

  #start(settings: SourceSettings, key: string, source: EventSource): void {
    const { agent, addIds, context, position, onEnd } = this.#options;
    const builder = new AlertBuilder(
      agent,
      { id: settings.id, kind: source.kind, labels: settings.labels ?? {} },
      addIds,
    );
    const runner = new SourceRunner(source, settings, position(settings.id), builder, {
      ...context,
      onEnd,
    });
    this.#running.set(settings.id, { key, runner, pausedBy: undefined });
    runner.start();
    log.info("Event source started", { source: settings.id, type: settings.type });
  }

  /** Stops a source until `resume`; `false` if there is none of this id. */
  async pause(id: string, by: string): Promise<boolean> {
    const one = this.#running.get(id);
    if (one === undefined) return false;
    one.pausedBy = by;
    // A pipe that was closed cannot be opened again.
    if (one.runner.source.kind === "stdin") one.runner.hold();
    else await one.runner.pause(this.#options.stopMs);
    return true;
  }

  /** Reads on; `false` if there is no source of this id, or all have been stopped. */
  resume(id: string): boolean {
    const one = this.#running.get(id);
    if (one === undefined || this.#isStopped) return false;
    one.pausedBy = undefined;
    one.runner.start();
    return true;
  }

  /** Stops all of them for good. */
  async stop(budgetMs: number): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.runners.map((runner) => runner.pause(budgetMs)));
  }
}
