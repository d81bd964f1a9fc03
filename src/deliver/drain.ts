/**
 * From the outbox to one sink: takes what waits, sends it, records what became of it.
 *
 * Each sink has a drain of its own, so a sink that is down or slow holds up no other.
 *
 * **Nothing is lost**: an alert leaves the outbox when its sink has it, or for the dead letters when
 * the far end says that it will never take this one. Everything else is tried again for ever.
 *
 * **Order**: alerts arrive in the order of their commits, except that an alert which failed alone,
 * while others of the same call were delivered, follows when its own next try succeeds. The same
 * goes for an alert that failed ten times and was then overtaken by way of trial (`STUCK_TRIES`).
 *
 * **Repeats**: an alert may have arrived although its call failed or the process died before that
 * was recorded. Before such an alert is sent again, `Sink.reconcile` is asked whether it is there. A
 * sink that cannot tell gets at most one batch again for each such failure or death, with the same
 * ids.
 */
import { getLogger } from "@logtape/logtape";
import type { Alert } from "../runtime/alert.ts";
import { DeliveryError } from "../runtime/errors.ts";
import { noopMetrics } from "../runtime/metrics.ts";
import type { Outbox, PendingAlert, Settlement } from "../runtime/outbox.ts";
import type { Sink } from "../runtime/plugin.ts";
import {
  BACKOFF_BASE_MS,
  BACKOFF_MAX_MS,
  backoffMs,
  type BackoffSettings,
  PAUSE_MAX_MS,
  RETRY_AFTER_MAX_MS,
} from "./backoff.ts";
import { type CallContext, callSink, messageOf, sendTo, withinText } from "./call_sink.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Doorbell } from "./doorbell.ts";
import {
  type DrainOptions,
  type DrainState,
  type DrainStatus,
  DrainTally,
} from "./drain_status.ts";
import { type Answer, judge, type Rest, type Verdict } from "./verdict.ts";

const log = getLogger(["picket", "deliver"]);

export const BATCH_MAX = 100;
/** Failed calls in a row after which a sink gets one alert a period instead of a batch. */
const PROBE_AFTER = 5;
/** Every so many failed tries of the alert in front, the next one shows whether it is to blame. */
const STUCK_TRIES = 10;
/** Alerts that may have been on their way when the process ended; more than any batch. */
const RECONCILE_AT_START = 1000;
/** How often an idle drain looks by itself, for what another process put back into the outbox. */
const IDLE_MS = 30_000;
/** Pause after the state file refused a change. */
const STATE_RETRY_MS = 1000;
/** A `send` that takes longer is aborted; sinks have shorter limits of their own. */
const SEND_TIMEOUT_MS = 300_000;
/** How long `stop` waits for a sink that was aborted. */
const ABORT_GRACE_MS = 1000;
/** Alerts whose first refusal by configuration is remembered. */
const GRACE_ENTRIES = 10_000;
/** Later than every next try: what waits is taken whether due or not. */
const WHENEVER = Number.MAX_SAFE_INTEGER;

/** Starts delivering; `stop` ends it. */
export function startDrain(options: DrainOptions): SinkDrain {
  return new SinkDrain(options);
}

export class SinkDrain {
  readonly #sink: Sink;
  readonly #outbox: Outbox;
  readonly #tally: DrainTally;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoff: BackoffSettings;
  readonly #longestPauseMs: number;
  readonly #batchMax: number;
  readonly #lingerMs: number;
  readonly #configGraceMs: number;
  readonly #calls: CallContext;
  readonly #done: Promise<void>;
  readonly #abort = new AbortController();
  readonly #bell: Doorbell;

  #state: DrainState = "idle";
  readonly #flushes = new Set<(all: boolean) => void>();

  /** The sink as a whole failed; nothing is sent for so long. */
  #rest: Rest | undefined;
  /** When the last rest was to end; what it delayed is due then. */
  #restedUntilMs = 0;
  #failures = 0;
  /** Alerts of the next call at most: 1 while probing, then doubled by each success. */
  #limit: number;
  /** Alerts up to this one go one by one. */
  #aloneUntil = 0;
  /** Alerts that fail where others pass. They go alone, and not before the others. */
  readonly #stuck = new Set<number>();
  /** Whether it is the turn of the stuck ones. */
  #stuckTurn = false;
  /** When the configuration of the far end first refused an alert. */
  readonly #refusedMs = new Map<number, number>();
  /** Alerts that may have arrived. */
  readonly #inDoubt = new Map<number, Alert>();
  /** The far end's position before the first of those. */
  #position: string | undefined;
  /** What became of alerts, as long as the outbox could not take it. */
  #owed: Settlement[] = [];
  #nextTryMs: number | undefined;

  constructor(options: DrainOptions) {
    const { sink, outbox, settings = {} } = options;
    this.#sink = sink;
    this.#outbox = outbox;
    this.#tally = new DrainTally(sink, options.metrics ?? noopMetrics);
    this.#clock = options.clock ?? systemClock;
    this.#bell = new Doorbell(this.#clock);
    this.#random = options.random ?? Math.random;
    this.#backoff = {
      baseMs: settings.backoffBaseMs ?? BACKOFF_BASE_MS,
      maxMs: settings.backoffMaxMs ?? BACKOFF_MAX_MS,
    };
    this.#longestPauseMs = Math.max(RETRY_AFTER_MAX_MS, PAUSE_MAX_MS, this.#backoff.maxMs);
    this.#batchMax = Math.max(1, settings.batchMax ?? BATCH_MAX);
    this.#limit = this.#batchMax;
    this.#lingerMs = settings.lingerMs ?? 0;
    this.#configGraceMs = options.configGraceMs ?? 86_400_000;
    this.#calls = {
      clock: this.#clock,
      timeoutMs: options.sendTimeoutMs ?? SEND_TIMEOUT_MS,
      stop: this.#abort.signal,
    };
    this.#done = this.#run();
  }

  get id(): string {
    return this.#sink.id;
  }

  /** Says that alerts were committed. Cheap; may be called for alerts that this sink does not want. */
  notify(): void {
    this.#bell.notify();
  }

  /** Tries at once what waits for a later try: an operator's wish, a network that came back. */
  retryNow(): void {
    this.#bell.force();
  }

  status(): DrainStatus {
    const { id } = this.#sink;
    // A state file that cannot be read is told of elsewhere; whoever asks gets an answer.
    const unknown = { sinkId: id, alerts: 0, bytes: 0, oldestMs: 0, deadLetters: 0 };
    return {
      id,
      kind: this.#sink.kind,
      state: this.#state,
      lastOkMs: this.#tally.lastOkMs,
      lastError: this.#tally.lastError,
      lastErrorMs: this.#tally.lastErrorMs,
      failures: this.#failures,
      delivered: this.#tally.delivered,
      dead: this.#tally.dead,
      retries: this.#tally.retries,
      nextTryMs: this.#nextTryMs,
      backlog: this.#read(() => this.#outbox.backlog(id, this.#clock.nowMs()), unknown),
    };
  }

  /**
   * Delivers what waits, with one immediate try where the sink is resting.
   *
   * @returns Whether nothing waits any more; `false` also once `signal` aborts.
   */
  flush(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#state === "stopped" || signal.aborted) return resolve(false);
      const finish = (all: boolean) => {
        this.#flushes.delete(finish);
        signal.removeEventListener("abort", onAbort);
        resolve(all);
      };
      const onAbort = () => finish(false);
      signal.addEventListener("abort", onAbort);
      this.#flushes.add(finish);
      this.#bell.notify();
      this.#bell.force();
    });
  }

  /**
   * Ends delivery: nothing new is sent, a call that is under way may finish until `budget` aborts.
   * A sink that is resting ends at once. What was not delivered stays in the outbox.
   *
   * The sink itself is left to its owner to dispose of.
   */
  async stop(budget: AbortSignal): Promise<void> {
    this.#bell.close();
    const onBudget = () => this.#abort.abort(budget.reason);
    if (budget.aborted) onBudget();
    else budget.addEventListener("abort", onBudget);
    await Promise.race([this.#done, this.#afterAbort()]);
    budget.removeEventListener("abort", onBudget);
  }

  /** A sink that does not heed its signal must not keep the agent from ending. */
  async #afterAbort(): Promise<void> {
    const ended = new AbortController();
    void this.#done.then(() => ended.abort());
    const { signal } = this.#abort;
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        ended.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    await this.#clock.wait(ABORT_GRACE_MS, ended.signal);
  }

  async #run(): Promise<void> {
    this.#position = this.#read(() => this.#outbox.peerPosition(this.#sink.id), undefined);
    if (this.#sink.reconcile !== undefined) {
      const { id } = this.#sink;
      const waiting = this.#read(
        () => this.#outbox.pending(id, Math.max(RECONCILE_AT_START, this.#batchMax), WHENEVER),
        [],
      );
      for (const { alert } of waiting) this.#inDoubt.set(alert.seq, alert);
    }
    while (!this.#bell.closed) {
      try {
        await this.#step();
      } catch (error) {
        // Only the outbox throws here: a state file that is full or locked now may not be later.
        this.#noteError(`Cannot use the outbox: ${messageOf(error)}`);
        this.#bell.forced = false;
        this.#answerFlushes(false);
        await this.#bell.wait(STATE_RETRY_MS, false);
      }
    }
    if (this.#owed.length > 0) this.#read(() => this.#settle([]), undefined);
    this.#state = "stopped";
    this.#nextTryMs = undefined;
    this.#answerFlushes(false);
  }

  async #step(): Promise<void> {
    if (this.#owed.length > 0) this.#settle([]);
    if (this.#rest !== undefined) {
      const { error, ms } = this.#rest;
      this.#state = error.failure === "transient" ? "backoff" : "paused";
      this.#answerFlushes(false);
      await this.#bell.wait(ms, false);
      this.#rest = undefined;
      if (this.#bell.closed) return;
      // Whoever mended the credentials or the configuration need not tell us.
      if (error.failure !== "transient") this.#sink.reopen?.();
    }
    const batch = await this.#take();
    if (batch.length === 0 || this.#bell.closed) return;
    this.#state = "running";
    const doubtful = batch.some(({ alert }) => this.#inDoubt.has(alert.seq));
    if (doubtful && this.#sink.reconcile !== undefined) {
      // What it finds leaves the outbox, so the batch is taken anew.
      await this.#reconcile();
      return;
    }
    await this.#deliver(batch);
  }

  /** The next batch; waits for one, and for it to fill up. Empty where it is worth another look. */
  async #take(): Promise<readonly PendingAlert[]> {
    const whenever = this.#bell.forced;
    this.#bell.forced = false;
    this.#bell.notified = false;
    let batch = this.#look(whenever);
    if (batch.length === 0) {
      const dueMs = this.#outbox.nextDueMs(this.#sink.id);
      if (dueMs !== undefined && dueMs - this.#clock.nowMs() > this.#longestPauseMs) {
        // Nothing is put off that far: the clock was set back. Tomorrow would be too late.
        this.#bell.forced = true;
        return [];
      }
      this.#state = "idle";
      this.#nextTryMs = dueMs;
      this.#answerFlushes(dueMs === undefined);
      const ms = dueMs === undefined ? IDLE_MS : dueMs - this.#clock.nowMs();
      await this.#bell.wait(Math.min(Math.max(ms, 0), IDLE_MS), true);
      return [];
    }
    if (this.#lingerMs > 0) {
      const untilMs = this.#clock.nowMs() + this.#lingerMs;
      while (!this.#isUrgent(batch)) {
        const ms = untilMs - this.#clock.nowMs();
        // A clock that was set back must not make the wait longer than it was meant to be.
        if (ms <= 0 || ms > this.#lingerMs) break;
        await this.#bell.wait(ms, true);
        this.#bell.notified = false;
        batch = this.#look(whenever);
      }
    }
    this.#nextTryMs = undefined;
    return batch;
  }

  #isUrgent(batch: readonly PendingAlert[]): boolean {
    return batch.length === 0 || batch.length >= this.#limit || this.#bell.closed ||
      this.#bell.forced ||
      this.#flushes.size > 0 ||
      batch.some(({ alert, attempts }) => alert.level === "critical" || attempts > 0);
  }

  #look(whenever: boolean): readonly PendingAlert[] {
    const { id } = this.#sink;
    const nowMs = this.#clock.nowMs();
    // After a rest everything it delayed is due, even if the timer was a millisecond early.
    const dueMs = whenever ? WHENEVER : Math.max(nowMs, this.#restedUntilMs);
    const room = this.#limit + this.#stuck.size;
    const all = this.#outbox.pending(id, room, dueMs);
    const stuck = all.filter(({ alert }) => this.#stuck.has(alert.seq));
    const others = stuck.length === 0
      ? all
      : all.filter(({ alert }) => !this.#stuck.has(alert.seq));
    if (stuck.length > 0 && (others.length === 0 || this.#stuckTurn)) return stuck.slice(0, 1);
    const first = others[0];
    if (first === undefined) return [];
    const limit = first.alert.seq <= this.#aloneUntil ? 1 : this.#limit;
    return withinText(others.slice(0, limit));
  }

  async #reconcile(): Promise<void> {
    const alerts = [...this.#inDoubt.values()].sort((one, other) => one.seq - other.seq);
    const found = await callSink(
      this.#sink,
      async (signal) =>
        await this.#sink.reconcile?.(alerts, this.#position, signal) ?? new Set<string>(),
      this.#calls,
    );
    if (found === undefined) return; // Stopped.
    if (found instanceof DeliveryError) {
      this.#noteError(found.message);
      this.#tally.unreachable(found.failure);
      const ms = backoffMs(
        found.failure,
        this.#failures,
        found.retryAfterMs,
        this.#backoff,
        this.#random,
      );
      this.#startRest({ error: found, ms });
      return;
    }
    const arrived = alerts.filter(({ id }) => found.has(id));
    this.#inDoubt.clear();
    if (arrived.length > 0) this.#noteSuccess(arrived.length);
    this.#settle(arrived.map(({ seq }): Settlement => ({ seq, outcome: "delivered" })));
  }

  async #deliver(batch: readonly PendingAlert[]): Promise<void> {
    const answer = await sendTo(this.#sink, batch, this.#calls);
    if (answer === undefined) return;
    const verdict = this.#judge(answer);
    const [front] = batch;
    // Known before the trial below records a position.
    for (const alert of verdict.inDoubt) this.#inDoubt.set(alert.seq, alert);
    const stuckTrial = verdict.rest !== undefined && batch.length === 1 && front !== undefined &&
      (front.attempts + 1) % STUCK_TRIES === 0;
    if (!stuckTrial || !await this.#overtakes(front)) {
      this.#conclude(answer, verdict);
      return;
    }
    // Only this alert fails. From now on it waits for itself alone.
    this.#stuck.add(front.alert.seq);
    this.#conclude(answer, this.#judge(answer));
  }

  /** Whether the alert behind `front` is delivered where `front` is not. */
  async #overtakes(front: PendingAlert): Promise<boolean> {
    const dueMs = Math.max(this.#clock.nowMs(), this.#restedUntilMs);
    const next = this.#outbox.pending(this.#sink.id, 2 + this.#stuck.size, dueMs)
      .find(({ alert: { seq } }) => seq !== front.alert.seq && !this.#stuck.has(seq));
    if (next === undefined) return false;
    if (this.#inDoubt.has(next.alert.seq) && this.#sink.reconcile !== undefined) return false;
    const answer = await sendTo(this.#sink, [next], this.#calls);
    if (answer === undefined) return false;
    const verdict = this.#judge(answer);
    if (verdict.delivered > 0) {
      this.#conclude(answer, verdict);
      return true;
    }
    // It fails as well, so nothing has been learned but that it may be there now.
    for (const alert of verdict.inDoubt) this.#inDoubt.set(alert.seq, alert);
    return false;
  }

  #judge(answer: Answer): Verdict {
    const nowMs = this.#clock.nowMs();
    return judge(answer, {
      nowMs,
      failures: this.#failures,
      backoff: this.#backoff,
      random: this.#random,
      isOwn: ({ seq }) => this.#stuck.has(seq),
      isHopeless: ({ seq }) => {
        const sinceMs = this.#refusedMs.get(seq);
        return sinceMs !== undefined && nowMs - sinceMs >= this.#configGraceMs;
      },
    });
  }

  #conclude({ batch, outcomes }: Answer, verdict: Verdict): void {
    const nowMs = this.#clock.nowMs();
    for (const alert of verdict.inDoubt) this.#inDoubt.set(alert.seq, alert);
    for (const [at, { seq, outcome }] of verdict.settlements.entries()) {
      const failure = outcomes[at]?.failure;
      if (failure !== undefined) {
        this.#tally.failed(failure, outcome === "dead" ? outcome : "retry");
      }
      if (outcome === "dead") {
        log.warn("An alert was given up and is among the dead letters", {
          sink: this.#sink.id,
          alert: batch[at]?.alert.id,
          failure,
          reason: outcomes[at]?.message,
        });
      }
      if (outcome !== "retry") {
        this.#inDoubt.delete(seq);
        this.#stuck.delete(seq);
        this.#refusedMs.delete(seq);
      } else if (failure === "config" && this.#refusedMs.size < GRACE_ENTRIES) {
        this.#refusedMs.set(seq, this.#refusedMs.get(seq) ?? nowMs);
      }
    }
    if (verdict.oneByOne) this.#aloneUntil = batch.at(-1)?.alert.seq ?? 0;
    const error = outcomes.find((one) => one !== undefined);
    if (error !== undefined) this.#noteError(error.message);

    if (verdict.rest !== undefined) {
      this.#startRest(verdict.rest);
    } else if (verdict.delivered > 0) {
      this.#noteSuccess(verdict.delivered);
    }
    this.#stuckTurn = verdict.delivered > 0 && !this.#stuckTurn;
    this.#settle(verdict.settlements);
  }

  #startRest(rest: Rest): void {
    this.#rest = rest;
    this.#failures++;
    this.#restedUntilMs = this.#clock.nowMs() + rest.ms;
    this.#nextTryMs = this.#restedUntilMs;
    // Bad credentials and configuration do not heal between two alerts.
    if (this.#failures >= PROBE_AFTER || rest.error.failure !== "transient") this.#limit = 1;
    if (this.#failures === 1 || this.#failures === PROBE_AFTER) {
      log.warn("Sink {sink} failed {failures} times in a row, next try in {ms} ms: {error}", {
        sink: this.#sink.id,
        failures: this.#failures,
        ms: rest.ms,
        error: rest.error.message,
      });
    }
  }

  #noteSuccess(alerts: number): void {
    if (this.#failures > 0) {
      log.info("Sink {sink} takes alerts again after {failures} failures", {
        sink: this.#sink.id,
        failures: this.#failures,
      });
    }
    this.#failures = 0;
    this.#limit = Math.min(this.#batchMax, this.#limit * 2);
    this.#tally.ok(alerts, this.#clock.nowMs());
  }

  #noteError(message: string): void {
    this.#tally.error(message, this.#clock.nowMs());
  }

  /** Records settlements, and those that could not be recorded before. */
  #settle(settlements: readonly Settlement[]): void {
    this.#owed.push(...settlements);
    // A position that lies behind an alert in doubt would hide it from `reconcile`.
    if (this.#inDoubt.size === 0) this.#position = this.#sink.peerPosition?.() ?? this.#position;
    this.#outbox.settle(this.#sink.id, this.#owed, this.#clock.nowMs(), this.#position);
    this.#owed = [];
  }

  #read<T>(work: () => T, otherwise: T): T {
    try {
      return work();
    } catch (error) {
      this.#noteError(`Cannot use the outbox: ${messageOf(error)}`);
      return otherwise;
    }
  }

  #answerFlushes(all: boolean): void {
    // One who asked during the call that has just failed still has a try to come.
    if (this.#bell.forced && this.#state !== "stopped") return;
    for (const answer of [...this.#flushes]) answer(all);
  }
}
