/**
 * The group commit: what sources have given meanwhile goes to disk together.
 *
 * A commit costs about as much for one alert as for hundreds, so it waits a few milliseconds for
 * company. It fails as a whole and is tried again as a whole; sources wait meanwhile, so the
 * logs themselves are the buffer and memory stays bounded.
 */
import type { NewAlert } from "../runtime/alert.ts";
import type { Commit, CommitResult, NewDeadLetter } from "../runtime/outbox.ts";
import { StateError } from "../runtime/errors.ts";

/** What one batch of a source amounts to. */
export interface Contribution {
  readonly sourceId: string;
  readonly position: string;
  readonly alerts: readonly NewAlert[];
  readonly deadLetters: readonly NewDeadLetter[];
  /** Whether somebody waits for an acknowledgement. */
  readonly needsAck: boolean;
}

export interface CommitterEvents {
  committed(result: CommitResult, seconds: number): void;
  /** The state file does not take anything; told once until `recovered`. */
  stalled(error: StateError): void;
  recovered(): void;
  /** So many alerts or dead letters cannot be stored and were set aside. */
  refused(count: number, error: StateError): void;
}

/** How long alerts wait for company. */
const LINGER_MS = 5;
/** The same while a source catches up, by default: its next batches will bring company. */
const BUSY_LINGER_MS = 25;
/** So many alerts, or characters of them, do not wait. */
const FULL_GROUP = 256;
const FULL_GROUP_TEXT = 4 << 20;
/**
 * How long a position waits that no alert came with: losing it means reading on from a little
 * earlier, which gives nothing that is not known.
 */
const POSITION_MS = 1000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;

/** Collects contributions and commits them. */
export class Committer implements Disposable {
  readonly #commit: (commit: Commit) => CommitResult;
  readonly #events: CommitterEvents;
  readonly #now: () => number;
  readonly #busyLingerMs: number;
  readonly #lingerMs: number;
  #alerts: NewAlert[] = [];
  /** Characters of their bodies, and of what dead letters hold. */
  #text = 0;
  #deadLetters: NewDeadLetter[] = [];
  #positions = new Map<string, string>();
  #waiting: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;
  #retryMs = 0;

  /** @param waitMs How long alerts wait for company at most. */
  constructor(
    commit: (commit: Commit) => CommitResult,
    events: CommitterEvents,
    now: () => number = Date.now,
    waitMs: number = BUSY_LINGER_MS,
  ) {
    this.#busyLingerMs = waitMs;
    this.#lingerMs = Math.min(LINGER_MS, waitMs);
    this.#commit = commit;
    this.#events = events;
    this.#now = now;
  }

  /** Whether commits fail at the moment. */
  get isStalled(): boolean {
    return this.#retryMs > 0;
  }

  /** Whether sources should wait for the next commit before they bring more. */
  get isCrowded(): boolean {
    return this.isStalled || this.#alerts.length >= FULL_GROUP || this.#text >= FULL_GROUP_TEXT;
  }

  /**
   * Takes what a batch gave.
   *
   * @param isBusy The source has more at once.
   * @returns Resolves after the commit; `undefined` if nobody needs to know, since the batch gave
   *   nothing.
   */
  add(contribution: Contribution, isBusy: boolean): Promise<void> | undefined {
    const { sourceId, position, alerts, deadLetters, needsAck } = contribution;
    this.#positions.set(sourceId, position);
    for (const alert of alerts) {
      this.#alerts.push(alert);
      this.#text += alert.body.length;
    }
    for (const letter of deadLetters) {
      this.#deadLetters.push(letter);
      this.#text += letter.original.length;
    }
    const matters = alerts.length > 0 || deadLetters.length > 0 || needsAck;
    if (!matters && !this.isStalled) {
      this.#schedule(POSITION_MS);
      return undefined;
    }
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.isStalled) {
      this.#schedule(this.isCrowded ? 0 : isBusy ? this.#busyLingerMs : this.#lingerMs);
    }
    return done;
  }

  /** Commits now what has come together; `false` if the state file did not take it. */
  flush(): boolean {
    this.#cancel();
    if (this.#positions.size === 0 && this.#alerts.length === 0) return true;
    const startedAt = performance.now();
    let result: CommitResult;
    try {
      result = this.#commit({
        alerts: this.#alerts,
        positions: this.#positions,
        deadLetters: this.#deadLetters,
        nowMs: this.#now(),
      });
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      this.#fail(error);
      return this.#setAside(error) && this.flush();
    }
    this.#alerts = [];
    this.#text = 0;
    this.#deadLetters = [];
    this.#positions = new Map();
    if (this.isStalled) this.#events.recovered();
    this.#retryMs = 0;
    this.#events.committed(result, (performance.now() - startedAt) / 1000);
    for (const resolve of this.#waiting.splice(0)) resolve();
    return true;
  }

  /**
   * Finds what the state file refuses although it takes everything else, and makes dead letters of
   * it: one alert that cannot be stored must not stop all that come after.
   *
   * @returns Whether anything has changed, so that another try makes sense.
   */
  #setAside(error: StateError): boolean {
    if (error.code !== "STATE_IO" || this.#retryMs < LONGEST_RETRY_MS) return false;
    if (this.#alerts.length + this.#deadLetters.length === 0 || !this.#takes({})) return false;
    const letters = this.#deadLetters.filter((letter) => !this.#takes({ deadLetters: [letter] }));
    const alerts = this.#alerts.filter((alert) => !this.#takes({ alerts: [alert] }));
    this.#alerts = [];
    this.#deadLetters = alerts.map(({ sourceId, recordId, body }) => ({
      stage: "deliver",
      sourceId,
      recordId,
      original: body,
      code: "state_refused",
      error: error.message,
    }));
    if (letters.length + alerts.length > 0) {
      this.#events.refused(letters.length + alerts.length, error);
    }
    return true;
  }

  /** Commits a part of what has come together, positions aside. */
  #takes(part: Partial<Commit>): boolean {
    try {
      const commit = { alerts: [], positions: new Map<string, string>(), nowMs: this.#now() };
      this.#events.committed(this.#commit({ ...commit, ...part }), 0);
      return true;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      return false;
    }
  }

  #fail(error: StateError): void {
    if (!this.isStalled) this.#events.stalled(error);
    this.#retryMs = Math.min(LONGEST_RETRY_MS, Math.max(FIRST_RETRY_MS, this.#retryMs * 2));
    this.#schedule(this.#retryMs);
  }

  #schedule(inMs: number): void {
    const at = performance.now() + inMs;
    if (at >= this.#dueAt) return;
    this.#cancel();
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.flush(), inMs);
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}
