/**
 * The agent: sources through rules into the state file, and from there to sinks.
 *
 * It starts in an order that lets each part see a world that is ready for it, and stops in the
 * opposite one: first nothing more is read, then what was evaluated is committed, then sinks get a
 * last chance. Whatever they do not take is in the outbox and goes out after the next start.
 */
import { getLogger } from "@logtape/logtape";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { Alert } from "../runtime/alert.ts";
import type { StateError } from "../runtime/errors.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import type { CommitResult } from "../runtime/outbox.ts";
import type { EventSource, Sink } from "../runtime/plugin.ts";
import type { RuleSetCompiler } from "../runtime/rule_set.ts";
import type { SinkSettings, SourceSettings } from "../runtime/settings.ts";
import type { StateStore } from "../store/state_store.ts";
import type { AgentIdentity } from "./alert_builder.ts";
import { Committer } from "./committer.ts";
import type { LoadedConfig } from "./config/load.ts";
import { ConfigError } from "./config/problems.ts";
import type { AgentConfig } from "./config/types.ts";
import { LagSamples, RateCounter, RuleCounters } from "./counters.ts";
import { Reloader } from "./reloader.ts";
import { RuleManager } from "./rule_manager.ts";
import { EventObservers } from "./event_observers.ts";
import { agentSchema, ruleSettings } from "./rule_settings.ts";
import { type PreparedSinks, SinkSet } from "./sink_set.ts";
import { type PreparedSources, SourceSet } from "./source_set.ts";
import { Turns } from "./turns.ts";

const log = getLogger(["picket", "agent"]);

/** What an agent is made of that depends on where it runs. */
export interface AgentOptions {
  readonly loaded: LoadedConfig;
  /** Reads the configuration again, for a reload. */
  readonly reloadConfig: () => LoadedConfig;
  readonly store: StateStore;
  /** Why the state is in memory only, if it is. */
  readonly stateProblem?: string;
  readonly compile: RuleSetCompiler;
  /** The bundle inside the executable. */
  readonly embeddedRules: Uint8Array | undefined;
  readonly metrics: MetricsHook;
  readonly makeSource: (settings: SourceSettings) => EventSource;
  readonly makeSink: (settings: SinkSettings, agent: AgentIdentity, config: AgentConfig) => Sink;
  readonly onLogLevel?: (level: AgentConfig["log"]["level"]) => void;
  /** Reads certificates of the API again; whether they had changed. */
  readonly onReload?: () => Promise<boolean>;
  /** Sinks beyond those of the configuration, such as those of webhook files. */
  readonly moreSinks?: (config: AgentConfig) => readonly SinkSettings[];
  readonly now?: () => number;
}

/** What goes on in the agent, for whoever shows it. */
export interface AgentEvents {
  readonly raw: Set<(sourceId: string, text: () => string) => void>;
  readonly decoded: Set<(sourceId: string, text: () => string) => void>;
}

/** What a configuration needs, made but not yet put to work. */
export interface PreparedConfig {
  readonly loaded: LoadedConfig;
  readonly sinks: PreparedSinks;
  readonly sources: PreparedSources;
}

/** Sinks that are still failing are given up after this long once every source has ended. */
const FINISH_MS = 10_000;
const TELL_DROPPED_MS = 60_000;
/** Pause between tries to commit what sources gave last. */
const COMMIT_RETRY_MS = 250;
/** Rules that cannot be used are told one by one up to this many; the rest is in the API. */
const TOLD_FAILURES = 10;
/** Alerts of one commit that listeners are told of at most. */
const MAX_TOLD = 1000;

export class Agent {
  readonly identity: AgentIdentity;
  readonly store: StateStore;
  readonly rules: RuleManager;
  readonly reloader: Reloader;
  readonly sources: SourceSet;
  readonly sinks: SinkSet;
  readonly counters: RuleCounters = new RuleCounters();
  readonly observers: EventObservers;
  readonly events: AgentEvents = { raw: new Set(), decoded: new Set() };
  readonly startedMs: number;
  readonly eventRate: RateCounter;
  readonly alertRate: RateCounter;
  readonly lag: LagSamples = new LagSamples();
  readonly #options: AgentOptions;
  readonly #committer: Committer;
  readonly #now: () => number;
  readonly #stopping = new AbortController();
  readonly #finished = Promise.withResolvers<void>();
  #loaded: LoadedConfig;
  /** What sinks are being made for. */
  #applying: AgentConfig;
  #stalled: StateError | undefined;
  #hasStarted = false;
  #parseErrors = 0;
  /** Alerts dropped since that was told last, and when it was. */
  #dropped = 0;
  #toldDroppedMs = 0;
  readonly #listeners = new Set<(alerts: readonly Alert[]) => void>();
  /** Of the alert that they were told of last. */
  #toldSeq = 0;

  constructor(options: AgentOptions) {
    const { loaded, store, metrics } = options;
    const { config } = loaded;
    this.#options = options;
    this.#loaded = loaded;
    this.#applying = config;
    this.#now = options.now ?? Date.now;
    this.startedMs = this.#now();
    this.eventRate = new RateCounter(this.startedMs);
    this.alertRate = new RateCounter(this.startedMs);
    this.store = store;
    this.identity = { id: store.agentId, host: hostname(), labels: config.agent.labels };
    const observers = this.observers = new EventObservers(config, this.startedMs, this.#now);
    const schema = agentSchema(config.schema);
    this.rules = new RuleManager(ruleSettings(config.rules, options.embeddedRules, schema), {
      routingTally: observers.routing,
      logsourceTally: observers.logsource,
      onUse: ({ schema }) => observers.use(schema),
      compile: options.compile,
      lastGoodPath: join(dirname(config.state.path), "last_good.bundle"),
      metrics,
    });
    this.#committer = new Committer(
      (commit) => store.commit(commit),
      {
        committed: (result, seconds) => this.#onCommit(result, seconds),
        stalled: (error) => {
          this.#stalled = error;
          if (error.code === "STATE_FULL") metrics.onDiskFull?.();
          log.error("The state file takes nothing; reading pauses until it does", {
            reason: error.message,
            code: error.code,
          });
        },
        refused: (count, error) =>
          log.error("The state file refuses some alerts; they are made dead letters", {
            alerts: count,
            reason: error.message,
          }),
        recovered: () => {
          this.#stalled = undefined;
          log.info("The state file takes alerts again; reading goes on");
        },
      },
      this.#now,
      config.limits.commitWaitMs,
    );
    this.sinks = new SinkSet({
      outbox: store,
      metrics,
      make: (settings) => options.makeSink(settings, this.identity, this.#applying),
      now: this.#now,
    });
    this.sources = new SourceSet({
      context: {
        processor: () => this.rules.processor,
        committer: this.#committer,
        turns: new Turns(),
        metrics,
        taps: this.events,
        observe: observers.observe,
        keepParseErrors: config.deadLetters.keepParseErrors,
        queueEvents: config.limits.bufferSize,
        batchEvents: config.limits.batchSize,
        now: this.#now,
        onResults: (results, nowMs) => {
          this.counters.count(results, nowMs);
          for (const { rule_title, level } of results) {
            metrics.onDetectionMatchDetail?.(rule_title, level);
          }
        },
        onLag: (seconds, nowMs) => {
          this.lag.add(seconds, nowMs);
          metrics.observeEventLag?.(seconds, 1);
        },
        onBatch: (events, parseErrors) => {
          this.eventRate.add(events);
          this.#parseErrors += parseErrors;
          observers.tellUnknown();
        },
      },
      agent: this.identity,
      addIds: config.output.nativeIds,
      make: options.makeSource,
      position: (id) => store.position(id),
      stopMs: config.stop.sourcesMs,
      onEnd: () => void this.#onSourceEnd(),
    });
    this.reloader = new Reloader(this, options);
  }

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  get config(): AgentConfig {
    return this.#loaded.config;
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Why the state is in memory only, if it is. */
  get stateProblem(): string | undefined {
    return this.#options.stateProblem;
  }

  /** Why the state file takes nothing, while it does not. */
  get stalled(): StateError | undefined {
    return this.#stalled;
  }

  get parseErrors(): number {
    return this.#parseErrors;
  }

  /** Resolves when every source has come to its end and what they gave has been delivered. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /**
   * Loads rules, connects sinks, reads sources.
   *
   * @param signal Gives up while rules are being loaded.
   * @throws {RuntimeError} `RULES_UNUSABLE` if there are no rules to work with.
   */
  async start(signal?: AbortSignal): Promise<void> {
    const signals = [this.#stopping.signal, ...signal === undefined ? [] : [signal]];
    const stats = await this.rules.load(AbortSignal.any(signals));
    log.info("Rules loaded", {
      detection_rules: stats.detectionRules,
      correlation_rules: stats.correlationRules,
      failed: stats.failed,
    });
    const failures = stats.problems.filter(({ severity }) => severity === "error");
    for (const { path, line, message } of failures.slice(0, TOLD_FAILURES)) {
      log.warn("A rule cannot be used", { file: path, line, reason: message });
    }
    if (stats.detectionRules === 0) log.warn("No rule is in service");
    if (stats.correlationRules > 0) {
      log.warn("Correlation rules are checked but not evaluated by this version", {
        correlation_rules: stats.correlationRules,
      });
    }
    await this.apply(this.prepare(this.#loaded));
    this.reloader.watch();
    this.#hasStarted = true;
  }

  /**
   * Makes the sources and sinks that `loaded` needs and the agent does not have; nothing changes.
   *
   * @throws {PicketError} For settings that cannot work.
   */
  prepare(loaded: LoadedConfig): PreparedConfig {
    const { config } = loaded;
    this.#applying = config;
    const settings = [...config.sinks, ...this.#options.moreSinks?.(config) ?? []];
    const ids = settings.map(({ id }) => id);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) {
      const message = `two sinks have the id '${twice}', one of them a webhook`;
      throw new ConfigError("CONFIG_INVALID", [
        { severity: "error", path: "webhooks", message, origin: { kind: "default" } },
      ]);
    }
    // Sources first: nothing has to be undone of them.
    const sources = this.sources.prepare(config.sources);
    return { loaded, sources, sinks: this.sinks.prepare(settings) };
  }

  /** Makes sources and sinks those that were prepared. */
  async apply({ loaded, sinks, sources }: PreparedConfig): Promise<void> {
    await this.sinks.apply(sinks);
    await this.sources.apply(sources, () => this.#committer.flush());
    this.#loaded = loaded;
  }

  /** Stops in order; resolves when everything is closed but the state file. */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.#stopping.abort(new DOMException("The agent is stopping", "AbortError"));
    const { stop } = this.config;
    await this.reloader.close();
    await this.sources.stop(stop.sourcesMs);
    if (!await this.#commitRest(stop.commitMs)) {
      log.warn("The last alerts could not be committed; their events are read again", {});
    }
    this.#committer[Symbol.dispose]();
    const budget = AbortSignal.timeout(stop.deliverMs);
    await this.sinks.flush(budget);
    await this.sinks.stop(budget);
    if (this.#hasStarted) log.info("Streaming pipeline complete");
  }

  /** Commits what has been evaluated, trying again for so long; `false` if it is to no avail. */
  async #commitRest(forMs: number): Promise<boolean> {
    const endsAt = performance.now() + forMs;
    while (!this.#committer.flush()) {
      if (performance.now() >= endsAt) return false;
      await new Promise<void>((resolve) => setTimeout(resolve, COMMIT_RETRY_MS));
    }
    return true;
  }

  #onCommit(result: CommitResult, seconds: number): void {
    this.#options.metrics.onCommit?.(seconds, result.added, result.duplicates, result.dropped);
    if (result.dropped > 0) this.#tellDropped(result.dropped);
    if (result.added === 0) return;
    this.alertRate.add(result.added);
    this.sinks.notify();
    try {
      this.#tellAlerts();
    } catch (error) {
      // They are on disk; who watches must not keep the agent from going on.
      log.warn("Listeners could not be told of alerts", { reason: String(error) });
    }
  }

  /** One line a minute at most: an outage makes thousands. */
  #tellDropped(alerts: number): void {
    this.#dropped += alerts;
    const nowMs = this.#now();
    if (Math.abs(nowMs - this.#toldDroppedMs) < TELL_DROPPED_MS) return;
    log.error("The outbox is full; the lowest alerts are dropped", { alerts: this.#dropped });
    this.#dropped = 0;
    this.#toldDroppedMs = nowMs;
  }

  /** Calls `listener` after each commit with the alerts in it. Returns what ends that. */
  onAlerts(listener: (alerts: readonly Alert[]) => void): () => void {
    // What was committed before has no news for the first one who listens.
    if (this.#listeners.size === 0) {
      this.#toldSeq = this.store.recentAlerts({ limit: 1 })[0]?.seq ?? 0;
    }
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells listeners what has been committed since they were told last. */
  #tellAlerts(): void {
    if (this.#listeners.size === 0) return;
    const fresh = this.store.recentAlerts({ limit: MAX_TOLD, afterSeq: this.#toldSeq })
      .toReversed();
    this.#toldSeq = fresh.at(-1)?.seq ?? this.#toldSeq;
    for (const listener of this.#listeners) listener(fresh);
  }

  async #onSourceEnd(): Promise<void> {
    if (!this.sources.hasEnded || this.isStopping) return;
    log.info("Every source has come to its end; delivering what is left");
    // What a pipe gave cannot be read again, so it waits until the state file takes it.
    while (!this.isStopping && !await this.#commitRest(COMMIT_RETRY_MS));
    try {
      while (!await this.sinks.flush(AbortSignal.timeout(FINISH_MS))) {
        if (this.isStopping || !this.sinks.isDelivering) break;
      }
    } catch (error) {
      log.error("What is left cannot be delivered now", { reason: String(error) });
    }
    this.#finished.resolve();
  }
}
