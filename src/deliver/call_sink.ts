/**
 * One call of a sink, with a deadline, its failures as values.
 */
import { DeliveryError } from "../runtime/errors.ts";
import type { PendingAlert } from "../runtime/outbox.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { Clock } from "./clock.ts";
import type { Answer } from "./verdict.ts";

/** Characters of the bodies of one call; a sink with a bound of its own divides further. */
const CALL_TEXT = 8 << 20;

export interface CallContext {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the call at once. */
  readonly stop: AbortSignal;
}

/**
 * Sends a batch.
 *
 * @returns `undefined` if `stop` aborted; any of the alerts may have arrived then.
 */
export async function sendTo(
  sink: Sink,
  batch: readonly PendingAlert[],
  context: CallContext,
): Promise<Answer | undefined> {
  const alerts = batch.map(({ alert }) => alert);
  const got = await callSink(sink, (signal) => sink.send(alerts, signal), context);
  if (got === undefined) return undefined;
  if (got instanceof DeliveryError) return { batch, outcomes: alerts.map(() => got), thrown: true };
  if (got.length === alerts.length) return { batch, outcomes: got, thrown: false };
  const broken = new DeliveryError(
    "transient",
    `Cannot deliver to ${sink.id}: ${got.length} outcomes for ${alerts.length} alerts`,
  );
  return { batch, outcomes: alerts.map(() => broken), thrown: true };
}

/** Awaits `work`. Whatever else than `DeliveryError` it throws is transient: a bug may pass, too. */
export async function callSink<T extends object>(
  sink: Sink,
  work: (signal: AbortSignal) => Promise<T>,
  { clock, timeoutMs, stop }: CallContext,
): Promise<T | DeliveryError | undefined> {
  const ended = new AbortController();
  const call = new AbortController();
  // Not `AbortSignal.any`: it would tie every call to a signal that lives as long as the drain.
  const onStop = () => call.abort(stop.reason);
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop);
  const timer = clock.wait(timeoutMs, ended.signal).then(() => {
    if (!ended.signal.aborted) call.abort(new Error(`no answer within ${timeoutMs} ms`));
  });
  try {
    return await work(call.signal);
  } catch (error) {
    if (stop.aborted) return undefined;
    if (error instanceof DeliveryError) return error;
    return new DeliveryError("transient", `Cannot deliver to ${sink.id}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    stop.removeEventListener("abort", onStop);
    ended.abort();
    await timer;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first alerts whose bodies fit into one call; at least one. */
export function withinText(batch: readonly PendingAlert[]): readonly PendingAlert[] {
  let length = 0;
  const end = batch.findIndex(({ alert }, at) =>
    (length += alert.body.length) > CALL_TEXT && at > 0
  );
  return end < 0 ? batch : batch.slice(0, end);
}
