/**
 * How long a sink is left alone after a failure.
 *
 * Full jitter, `random(0, min(cap, base · 2^n))`: a thousand agents that lost the same hub in the
 * same second must not come back in the same second.
 */
import type { DeliveryFailure } from "../runtime/errors.ts";

export const BACKOFF_BASE_MS = 500;
export const BACKOFF_MAX_MS = 60_000;
/** Wrong credentials and addresses heal when somebody changes them; knocking often locks accounts. */
export const PAUSE_BASE_FACTOR = 10;
export const PAUSE_MAX_MS = 300_000;
/** A far end may ask for patience, but not put an agent to sleep for a day. */
export const RETRY_AFTER_MAX_MS = 900_000;

export interface BackoffSettings {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * Milliseconds until the next try.
 *
 * @param tries Failed tries before this one: 0 for the first failure.
 * @param retryAfterMs What the far end asked for: the pause is not shorter, up to 15 minutes.
 * @param random From 0 to below 1.
 */
export function backoffMs(
  failure: DeliveryFailure,
  tries: number,
  retryAfterMs: number | undefined,
  settings: BackoffSettings,
  random: () => number,
): number {
  const asked = Math.min(Math.max(0, retryAfterMs ?? 0), RETRY_AFTER_MAX_MS);
  const { base, cap } = boundsOf(failure, settings);
  // Doubling stops at 2^30, long after every cap: no overflow for a week of failures.
  const ceiling = Math.min(cap, base * 2 ** Math.min(tries, 30));
  return Math.max(asked, Math.floor(random() * ceiling));
}

function boundsOf(
  failure: DeliveryFailure,
  { baseMs, maxMs }: BackoffSettings,
): { readonly base: number; readonly cap: number } {
  switch (failure) {
    case "auth":
    case "config":
      return { base: baseMs * PAUSE_BASE_FACTOR, cap: Math.max(maxMs, PAUSE_MAX_MS) };
    case "transient":
    case "poison":
      return { base: baseMs, cap: maxMs };
  }
}
