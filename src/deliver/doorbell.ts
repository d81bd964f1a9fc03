/**
 * What a drain waits at: rung gently for new alerts, hard by an operator, for good at the end.
 */
import type { Clock } from "./clock.ts";

export class Doorbell {
  readonly #clock: Clock;
  #sleep: { readonly wake: AbortController; readonly onNotify: boolean } | undefined;
  /** There may be new alerts. Taken back by whoever looks. */
  notified = true;
  /** Do not wait, whatever for. Taken back by whoever looks. */
  forced = true;
  closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  notify(): void {
    this.notified = true;
    if (this.#sleep?.onNotify) this.#sleep.wake.abort();
  }

  force(): void {
    this.forced = true;
    this.#sleep?.wake.abort();
  }

  close(): void {
    this.closed = true;
    this.#sleep?.wake.abort();
  }

  /** Waits, but not where somebody has rung meanwhile. */
  async wait(ms: number, onNotify: boolean): Promise<void> {
    if (this.closed || this.forced || (onNotify && this.notified)) return;
    const wake = new AbortController();
    this.#sleep = { wake, onNotify };
    await this.#clock.wait(ms, wake.signal);
    this.#sleep = undefined;
  }
}
