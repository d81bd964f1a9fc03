/**
 * Waiting for files to change: a timer, cut short by the file system's notifications.
 *
 * Notifications are a hint and never a proof: network file systems send none for what other hosts
 * write, Windows sends none for a file that is kept open, and a queue can overflow. So files are
 * asked at every interval all the same, and a directory that cannot be watched costs only latency.
 * `fs.watch` on each directory is all that is needed of it; chokidar would look after every file in
 * the directories by itself, with lists and polls of its own beside ours.
 */
import { type FSWatcher, watch } from "node:fs";

/** Watched directories; systems limit them (Linux: per user), and a glob may mean thousands. */
const MAX_WATCHED = 256;

export class Wake {
  readonly #watchers = new Map<string, FSWatcher | undefined>();
  readonly #isEnabled: boolean;
  #names: ReadonlySet<string> = new Set();
  #isDue = false;
  #wake: (() => void) | undefined;

  /** @param isEnabled Whether to use notifications at all. */
  constructor(isEnabled: boolean) {
    this.#isEnabled = isEnabled;
  }

  /**
   * Watches exactly these directories from now on.
   *
   * @param names Of files whose growth is of interest; files that come and go always are.
   */
  watch(directories: readonly string[], names: ReadonlySet<string>): void {
    this.#names = names;
    if (!this.#isEnabled) return;
    const wanted = new Set(directories.slice(0, MAX_WATCHED));
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher?.close();
      this.#watchers.delete(path);
    }
    for (const path of wanted) {
      if (!this.#watchers.has(path)) this.#watchers.set(path, this.#open(path));
    }
  }

  /** Ends the present or the next wait. */
  notify(): void {
    this.#isDue = true;
    this.#wake?.();
  }

  /**
   * Waits until something has changed or `ms` have passed, `atLeastMs` in any case; rejects with the
   * reason of `signal`.
   *
   * @returns Whether something has changed.
   */
  async wait(atLeastMs: number, ms: number, signal: AbortSignal): Promise<boolean> {
    if (atLeastMs > 0) await this.#sleep(atLeastMs, signal, false);
    if (!this.#isDue) await this.#sleep(ms - atLeastMs, signal, true);
    const isDue = this.#isDue;
    this.#isDue = false;
    return isDue;
  }

  async #sleep(ms: number, signal: AbortSignal, isLight: boolean): Promise<void> {
    signal.throwIfAborted();
    if (ms > 0) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        if (isLight) this.#wake = done;
        signal.addEventListener("abort", done);
      });
    }
    signal.throwIfAborted();
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher?.close();
    this.#watchers.clear();
  }

  #open(path: string): FSWatcher | undefined {
    try {
      const watcher = watch(path, { persistent: false }, (event, name) => {
        if (event === "change" && name !== null && !this.#names.has(name)) return;
        this.notify();
      });
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.set(path, undefined);
      });
      return watcher;
    } catch {
      return undefined;
    }
  }
}
