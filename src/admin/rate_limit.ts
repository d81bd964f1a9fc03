/**
 * Token buckets by key, and the lockout after failed authentications.
 *
 * Time is an argument, in milliseconds of any clock that does not go back.
 */

/** Keys that are remembered at most: addresses and token names, the stalest go first. */
const MAX_KEYS = 10_000;

interface Bucket {
  tokens: number;
  lastMs: number;
}

/** Lets `perSecond` units a second pass for each key, and `burst` at once; 0 a second: all of them. */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perSecond: number, burst: number) {
    if (!(perSecond >= 0 && burst >= 1)) throw new RangeError("rate and burst must be positive");
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /**
   * Takes `cost` units.
   *
   * @returns 0 if they were there; else the milliseconds until they will be, and nothing is taken.
   *   What exceeds the burst is let through when the bucket is full, and paid off afterwards.
   */
  take(key: string, nowMs: number, cost = 1): number {
    if (this.#perSecond === 0) return 0;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: this.#burst, lastMs: nowMs };
    } else {
      const gained = Math.max(0, nowMs - bucket.lastMs) / 1000 * this.#perSecond;
      bucket.tokens = Math.min(this.#burst, bucket.tokens + gained);
      bucket.lastMs = nowMs;
      this.#buckets.delete(key); // Moves it behind all others: the map is in order of use.
    }
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KEYS) {
      for (const stalest of this.#buckets.keys()) {
        this.#buckets.delete(stalest);
        break;
      }
    }
    const needed = Math.min(cost, this.#burst);
    if (bucket.tokens < needed) {
      return Math.max(1, Math.ceil((needed - bucket.tokens) / this.#perSecond * 1000));
    }
    bucket.tokens -= cost;
    return 0;
  }

  /** Takes `cost` units that turned out to be used after a `take`; they are paid off before the next. */
  charge(key: string, cost: number): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens -= cost;
  }
}

interface Failures {
  /** When the failures of the last minute were. */
  times: number[];
  lockedUntilMs: number;
}

/** Locks a peer out for a while after too many wrong tokens; 0 allowed failures: never. */
export class Lockout {
  readonly #maxFailures: number;
  readonly #windowMs: number;
  readonly #lockMs: number;
  readonly #peers = new Map<string, Failures>();

  constructor(maxFailures = 5, windowMs = 60_000, lockMs = 60_000) {
    this.#maxFailures = maxFailures;
    this.#windowMs = windowMs;
    this.#lockMs = lockMs;
  }

  /** How long `peer` is locked out; 0 if it is not. */
  remainingMs(peer: string, nowMs: number): number {
    const failures = this.#peers.get(peer);
    return failures === undefined ? 0 : Math.max(0, failures.lockedUntilMs - nowMs);
  }

  /** Notes a wrong token. */
  fail(peer: string, nowMs: number): void {
    if (this.#maxFailures === 0) return;
    const failures = this.#peers.get(peer) ?? { times: [], lockedUntilMs: 0 };
    this.#peers.delete(peer);
    this.#peers.set(peer, failures);
    failures.times = failures.times.filter((time) => nowMs - time < this.#windowMs);
    failures.times.push(nowMs);
    if (failures.times.length >= this.#maxFailures) {
      failures.lockedUntilMs = nowMs + this.#lockMs;
      failures.times = [];
    }
    if (this.#peers.size > MAX_KEYS) {
      for (const stalest of this.#peers.keys()) {
        this.#peers.delete(stalest);
        break;
      }
    }
  }
}
