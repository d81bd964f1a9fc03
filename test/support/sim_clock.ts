/**
 * A clock that jumps from timer to timer: a day of back-off in a few milliseconds.
 */
import type { Clock } from "../../src/deliver/clock.ts";

export class SimClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ readonly atMs: number; readonly fire: () => void }>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = {
        atMs: this.#nowMs + Math.max(0, ms),
        fire: () => {
          this.#timers.delete(timer);
          signal.removeEventListener("abort", timer.fire);
          resolve();
        },
      };
      this.#timers.add(timer);
      signal.addEventListener("abort", timer.fire);
    });
  }

  /** Sets the time of day without letting any wait end: what an administrator or NTP does. */
  jump(ms: number): void {
    const moved = [...this.#timers];
    this.#timers.clear();
    this.#nowMs += ms;
    for (const timer of moved) {
      Object.assign(timer, { atMs: timer.atMs + ms });
      this.#timers.add(timer);
    }
  }

  /** Lets everything run that needs no time. */
  async settle(): Promise<void> {
    // A turn of the event loop ends chains of promises of any length.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Runs until `done`, at most for `limitMs`. @returns Whether it got done. */
  async run(done: () => boolean, limitMs = 7 * 86_400_000): Promise<boolean> {
    const untilMs = this.#nowMs + limitMs;
    for (;;) {
      await this.settle();
      if (done()) return true;
      let next: { readonly atMs: number; readonly fire: () => void } | undefined;
      for (const timer of this.#timers) if (timer.atMs < (next?.atMs ?? Infinity)) next = timer;
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs;
        return false;
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
    }
  }

  /** Lets `ms` milliseconds pass. */
  async pass(ms: number): Promise<void> {
    await this.run(() => false, ms);
  }
}
