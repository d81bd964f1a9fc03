/**
 * Sending alerts in groups, a request each: what a failure means for the others of its group and for
 * the groups behind it.
 *
 * @see delivery.md, section 20.4
 */
import type { DeliveryError } from "../../runtime/errors.ts";
import type { Failed } from "./answer.ts";
import { failed } from "./answer.ts";
import { halves, type Placed } from "./batch.ts";

/**
 * After so long no further request of a `send` is begun: what was delivered must be recorded before
 * whoever called gives up.
 */
const SEND_BUDGET_MS = 60_000;
/** Failures in a row that are taken for the far end's, not the alerts'. */
const MAX_FAILURES_IN_ROW = 3;

/**
 * Sends `groups` one after another.
 *
 * @param count How many alerts the call of `Sink.send` has; those in no group count as delivered.
 * @param deliver Sends one group; `undefined` if the far end has its alerts.
 * @returns What `Sink.send` returns.
 */
export async function sendGroups(
  label: string,
  count: number,
  groups: readonly (readonly Placed[])[],
  deliver: (group: readonly Placed[]) => Promise<Failed | undefined>,
): Promise<readonly (DeliveryError | undefined)[]> {
  const outcomes = Array.from({ length: count }, (): DeliveryError | undefined => undefined);
  const queue = groups.toReversed(); // The next group is taken from the end.
  const until = performance.now() + SEND_BUDGET_MS;
  let stop: DeliveryError | undefined;
  let inRow = 0;
  for (let group = queue.pop(); group !== undefined; group = queue.pop()) {
    if (stop === undefined && performance.now() > until) {
      stop = failed(label, "transient", "no time left to send it", true).error;
    }
    const result = stop === undefined ? await deliver(group) : undefined;
    if (result?.error.failure === "poison" && !result.error.isFinal && group.length > 1) {
      // Which alert is to blame shows when the others pass without it.
      const [first, second] = halves(group);
      queue.push(second, first);
      continue;
    }
    const error = stop ?? result?.error;
    if (error === undefined) {
      inRow = 0;
      continue;
    }
    for (const { index } of group) outcomes[index] = error;
    if (result === undefined || error.failure === "poison") continue;
    if (result.stops || ++inRow >= MAX_FAILURES_IN_ROW) stop = error;
  }
  return outcomes;
}
