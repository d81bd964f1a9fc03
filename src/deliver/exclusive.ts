/**
 * One piece of work at a time, and a wait that ends with its signal.
 */

/** Runs pieces of work one after another. */
export class Exclusive {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Rejects with the reason of `signal` as soon as it aborts; the work, once begun, goes on in the
   * background and the next piece waits for it.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const result = this.#last.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#last = result.catch(() => {});
    return signal === undefined ? result : orAbort(result, signal);
  }
}

/** `work`, or the reason of `signal` if that aborts before. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
