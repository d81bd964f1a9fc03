/**
 * Time as delivery sees it: an argument, so that an outage of a day is a test of a second.
 */

/** The time of day and a way to wait. */
export interface Clock {
  /** Unix milliseconds. May jump; how long a wait takes does not depend on it. */
  nowMs(): number;
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts. Never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

// A timer holds 31 bits of milliseconds; what waits longer wakes up now and then and looks again.
const LONGEST_TIMER_MS = 2_000_000_000;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  wait(ms, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.min(Math.max(0, ms), LONGEST_TIMER_MS));
      signal.addEventListener("abort", finish);
    });
  },
};
