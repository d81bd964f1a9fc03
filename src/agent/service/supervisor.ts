/**
 * Whoever has started the agent and wants to know how it is: systemd, Windows' service manager.
 */
import type { RunningAgent } from "../compose.ts";

/** Told of the agent's life by `picket run`; every call returns at once and throws nothing. */
export interface Supervisor {
  /** Takes the agent's own messages where the configuration names no file; stderr without one. */
  readonly logFile?: string;
  /** Calls `reload` whenever the configuration and the rules are to be read again. */
  onReload(reload: () => void): void;
  /** The agent reads its sources. */
  ready(running: RunningAgent): void;
  /** A reload has begun, or ended; `problem` says why it changed nothing. */
  reloading(): void;
  reloaded(problem: string | undefined): void;
  stopping(): void;
  /** There is no agent any more, or there was none: `problem` says why. */
  ended(problem: string | undefined): void;
}

/**
 * Makes any number of requests one reload that begins after the last of them.
 *
 * @param reload Gives what went wrong; must not reject.
 */
export function coalesced(
  reload: () => Promise<string | undefined>,
  supervisor: Pick<Supervisor, "reloading" | "reloaded">,
): () => void {
  let isRunning = false;
  let isWanted = false;
  const work = async (): Promise<void> => {
    supervisor.reloading();
    let problem: string | undefined;
    while (isWanted) {
      isWanted = false;
      problem = await reload();
    }
    // Before anybody can ask again: from here on it takes a reload of its own.
    isRunning = false;
    supervisor.reloaded(problem);
  };
  return () => {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    void work();
  };
}
