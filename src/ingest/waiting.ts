/**
 * Waiting for somebody else in the same process.
 */

/** Something that one waits for and others announce; an announcement nobody waited for is kept. */
export class Doorbell {
  #rung = false;
  #answer: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#answer?.();
  }

  /** Resolves once it has rung since the last call; rejects with the reason of `signal`. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#rung) {
      const onAbort = () => this.#answer?.();
      signal.addEventListener("abort", onAbort, { once: true });
      await new Promise<void>((resolve) => this.#answer = resolve);
      this.#answer = undefined;
      signal.removeEventListener("abort", onAbort);
      signal.throwIfAborted();
    }
    this.#rung = false;
  }
}
