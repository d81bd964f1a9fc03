/**
 * Limits of time that end with the work they limit.
 */
import { clearTimeout, setTimeout } from "node:timers";

/**
 * Runs `run` with a signal that fires when one of `signals` does, or after `timeoutMs` with
 * `reason()`. No timer or listener is left when it returns, which `AbortSignal.any` and
 * `AbortSignal.timeout` do not promise for signals that live as long as the agent.
 */
export async function withDeadline<T>(
  timeoutMs: number,
  reason: () => Error,
  signals: readonly AbortSignal[],
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (const signal of signals) signal.throwIfAborted();
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(reason()), timeoutMs);
  const onAbort = (event: Event) => {
    if (event.target instanceof AbortSignal) controller.abort(event.target.reason);
  };
  for (const signal of signals) signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener("abort", onAbort);
  }
}
