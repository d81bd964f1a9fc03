/**
 * Turns on the one thread there is: evaluation gives way to timers, connections and the API.
 *
 * A batch that is ready is evaluated without a pause in between, so ten thousand small batches, or
 * batches of many sources, would otherwise be one long stretch of work.
 */

/** Evaluation gives way to everything else this often. */
const TURN_MS = 8;

/** Hands out turns to whoever evaluates, in the order in which they ask. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  /** When the turn of now ends, by `performance.now()`. */
  #endsAt = 0;

  /**
   * Waits for a turn, if the one of now is over or others wait.
   *
   * @returns For how many milliseconds to work before the next call.
   */
  async take(): Promise<number> {
    const left = this.#endsAt - performance.now();
    if (left > 0 && this.#waiting.length === 0) return left;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#next());
    });
    return TURN_MS;
  }

  #next(): void {
    this.#endsAt = performance.now() + TURN_MS;
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#next());
  }
}
