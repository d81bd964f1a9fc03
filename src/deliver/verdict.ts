/**
 * What the answers to one `send` mean for its alerts and for the sink.
 *
 * The rule: a failure is an alert's own if the same call delivered another alert, and the sink's
 * otherwise. An own failure delays that alert alone; a failure of the sink delays everything behind
 * it, which is what keeps the order through an outage.
 */
import type { Alert } from "../runtime/alert.ts";
import type { DeliveryError, DeliveryFailure } from "../runtime/errors.ts";
import type { PendingAlert, Settlement } from "../runtime/outbox.ts";
import { backoffMs, type BackoffSettings } from "./backoff.ts";

/** The answer to one `send`. */
export interface Answer {
  readonly batch: readonly PendingAlert[];
  /** One for each alert of the batch. */
  readonly outcomes: readonly (DeliveryError | undefined)[];
  /** The call was rejected as a whole: any of the alerts may have arrived. */
  readonly thrown: boolean;
}

/** Why and for how long nothing is sent. */
export interface Rest {
  readonly error: DeliveryError;
  readonly ms: number;
}

export interface Verdict {
  readonly settlements: readonly Settlement[];
  readonly delivered: number;
  /** The sink as a whole failed: nothing is sent for so long. */
  readonly rest: Rest | undefined;
  /** Alerts that may have arrived although they count as failed. */
  readonly inDoubt: readonly Alert[];
  /** The batch was refused as a whole; sent one by one, the alert that is to blame shows. */
  readonly oneByOne: boolean;
}

export interface JudgeContext {
  readonly nowMs: number;
  /** Calls in a row that failed as a whole before this one. */
  readonly failures: number;
  readonly backoff: BackoffSettings;
  readonly random: () => number;
  /** The alert fails where others pass, so its failure says nothing about the sink. */
  isOwn(alert: Alert): boolean;
  /** Whether an alert has failed for so long that it is given up; asked for `config` only. */
  isHopeless(alert: Alert): boolean;
}

export function judge({ batch, outcomes, thrown }: Answer, context: JudgeContext): Verdict {
  const failed = outcomes.filter((one) => one !== undefined);
  const delivered = outcomes.length - failed.length;
  const mayAskAgain = failed.some(({ isFinal }) => !isFinal);
  if (
    batch.length > 1 && mayAskAgain && failed.every(isPoison) && (thrown || delivered === 0)
  ) {
    // One bad alert spoils a body that carries many; burying all of them for it would be loss.
    const inDoubt = thrown ? batch.map(({ alert }) => alert) : [];
    return { settlements: [], delivered: 0, rest: undefined, inDoubt, oneByOne: true };
  }

  const blame = failed.find((error) => !isPoison(error));
  const own = delivered > 0 || batch.every(({ alert }) => context.isOwn(alert));
  const rest = blame === undefined || own
    ? undefined
    : { error: blame, ms: restMs(failed, blame.failure, context) };
  const settlements = batch.map(({ alert, attempts }, at): Settlement => {
    const error = outcomes[at];
    if (error === undefined) return { seq: alert.seq, outcome: "delivered" };
    const { failure, message, retryAfterMs } = error;
    if (isPoison(error) || (failure === "config" && context.isHopeless(alert))) {
      return { seq: alert.seq, outcome: "dead", failure, error: message };
    }
    const ms = rest?.ms ??
      backoffMs(failure, attempts, retryAfterMs, context.backoff, context.random);
    return { seq: alert.seq, outcome: "retry", nextMs: context.nowMs + ms, error: message };
  });
  const inDoubt = batch.filter((_, at) =>
    settlements[at]?.outcome === "retry" && (thrown || outcomes[at]?.failure === "transient")
  ).map(({ alert }) => alert);
  return { settlements, delivered, rest, inDoubt, oneByOne: false };
}

function restMs(
  failed: readonly DeliveryError[],
  failure: DeliveryFailure,
  { failures, backoff, random }: JudgeContext,
): number {
  const asked = Math.max(0, ...failed.map(({ retryAfterMs }) => retryAfterMs ?? 0));
  return backoffMs(failure, failures, asked, backoff, random);
}

function isPoison({ failure }: DeliveryError): boolean {
  return failure === "poison";
}
