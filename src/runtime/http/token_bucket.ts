/**
 * How many requests may go out in a time.
 *
 * @see delivery.md, section 12.5
 */

/** A bucket of `requests` tokens, full at first, that fills up continuously in `perMs`. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #tokens: number;
  #filledMs: number;

  /** @param now Milliseconds that never go back. */
  constructor(requests: number, perMs: number, now: () => number = () => performance.now()) {
    if (!(requests >= 1) || !(perMs > 0)) throw new RangeError("A bucket needs room and time");
    this.#capacity = requests;
    this.#perMs = perMs;
    this.#now = now;
    this.#tokens = requests;
    this.#filledMs = now();
  }

  /**
   * Takes a token if there is one.
   *
   * @returns 0, or how many milliseconds to wait before trying again.
   */
  take(): number {
    const nowMs = this.#now();
    const gained = (nowMs - this.#filledMs) * this.#capacity / this.#perMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + Math.max(0, gained));
    this.#filledMs = nowMs;
    // A sum of fractions that should be 1 can miss it by a rounding error.
    if (this.#tokens >= 1 - 1e-9) {
      this.#tokens = Math.max(0, this.#tokens - 1);
      return 0;
    }
    return (1 - this.#tokens) * this.#perMs / this.#capacity;
  }
}
