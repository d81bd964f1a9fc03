/**
 * Keeps systemd informed, and asks to be restarted where only that helps.
 */
import { getLogger } from "@logtape/logtape";
import process from "node:process";
import type { StateError } from "../../runtime/errors.ts";
import type { RunningAgent } from "../compose.ts";
import type { Environment } from "../config/secret.ts";
import { type Notifier, systemdNotifier, watchdogMs } from "./notify.ts";
import type { Supervisor } from "./supervisor.ts";

const log = getLogger(["picket", "service"]);

/** How often `systemctl status` is given new figures. */
const STATUS_MS = 10_000;
/** A state file that cannot be written for so long will not recover by itself. */
const STALLED_MS = 60_000;

/** A `Supervisor` for a process in the foreground: SIGHUP reloads, systemd is told if it is there. */
export function foregroundSupervisor(
  env: Environment,
  notifier: Notifier | undefined = systemdNotifier(env),
): Supervisor {
  const tell = (...lines: string[]): void => void notifier?.send(lines);
  const timers: ReturnType<typeof setInterval>[] = [];
  let reload: (() => void) | undefined;
  let isEarly = false;
  const onHangup = (): void => {
    if (reload === undefined) isEarly = true;
    else reload();
  };
  // From the beginning, since a signal that nobody takes ends the process.
  if (process.platform !== "win32") process.on("SIGHUP", onHangup);
  return {
    onReload(callback) {
      reload = callback;
      if (isEarly) callback();
    },
    ready({ agent }) {
      if (notifier === undefined) return;
      const status = (): string => `STATUS=${statusLine(agent)}`;
      tell("READY=1", status());
      timers.push(setInterval(() => tell(status()), STATUS_MS));
      const limitMs = watchdogMs(env);
      if (limitMs === undefined) return;
      const health = new StallWatch();
      const feed = (): void => {
        if (health.isCurable(agent.stalled, performance.now())) {
          log.error("The state file cannot be written; the watchdog is left to restart the agent");
        } else tell("WATCHDOG=1");
      };
      feed();
      // The timer runs only while the event loop does, which is half of what it says.
      timers.push(setInterval(feed, limitMs / 2));
    },
    reloading() {
      tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    },
    reloaded(problem) {
      tell("READY=1", `STATUS=${problem === undefined ? "reloaded" : `reload failed: ${problem}`}`);
    },
    stopping() {
      for (const timer of timers) clearInterval(timer);
      tell("STOPPING=1", "STATUS=stopping");
    },
    ended(problem) {
      for (const timer of timers) clearInterval(timer);
      process.off("SIGHUP", onHangup);
      if (problem !== undefined) tell(`STATUS=${oneLine(problem)}`);
    },
  };
}

/**
 * Tells a stall that a restart may cure from one it cannot: a full disk is as full afterwards, but
 * a file that was replaced or damaged is opened anew, or set aside.
 */
export class StallWatch {
  #since: number | undefined;

  /** @param nowMs Any clock that only goes forward. */
  isCurable(stalled: StateError | undefined, nowMs: number): boolean {
    if (stalled?.code !== "STATE_IO") {
      this.#since = undefined;
      return false;
    }
    this.#since ??= nowMs;
    return nowMs - this.#since >= STALLED_MS;
  }
}

type Shown = Pick<RunningAgent["agent"], "rules" | "eventRate" | "sinks" | "stalled">;

/** One line for `systemctl status`; never throws. */
export function statusLine({ rules, eventRate, sinks, stalled }: Shown): string {
  return [
    `${rules.stats?.detectionRules ?? 0} rules`,
    `${eventRate.total} events`,
    ...failingSinks(sinks),
    ...(stalled === undefined ? [] : [`state file: ${oneLine(stalled.message)}`]),
  ].join(", ");
}

function failingSinks(sinks: Shown["sinks"]): readonly string[] {
  try {
    const all = sinks.status();
    const failing = all.filter(({ state }) => state === "backoff" || state === "paused").length;
    return failing === 0 ? [] : [`${failing} of ${all.length} sinks failing`];
  } catch {
    return []; // What waits for them is in the state file, which may be what is broken.
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 500);
}
