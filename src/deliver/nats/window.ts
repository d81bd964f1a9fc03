/**
 * How many publishes may wait for their acknowledgement at once.
 */

/** Bounded set of promises that never reject. */
export class PublishWindow {
  readonly #max: number;
  #open = 0;
  #waiting: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get full(): boolean {
    return this.#open >= this.#max;
  }

  add(work: Promise<void>): void {
    this.#open++;
    void work.finally(() => {
      this.#open--;
      this.#waiting?.();
    });
  }

  /** Resolves when one more may begin. One caller at a time. */
  room(): Promise<void> {
    return this.#until(() => !this.full);
  }

  /** Resolves when nothing is left. */
  idle(): Promise<void> {
    return this.#until(() => this.#open === 0);
  }

  #until(fits: () => boolean): Promise<void> {
    if (fits()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = () => {
        if (!fits()) return;
        this.#waiting = undefined;
        resolve();
      };
    });
  }
}

/** Waits, but not longer than `signal` allows; rejects with its reason. */
export async function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
