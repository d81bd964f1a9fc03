/**
 * The names of the fields that an event has, whatever it was decoded from.
 *
 * @see inputs.md, section 4
 */
import { someValueLeaf } from "../decode/leaf_names.ts";
import type { LogEvent } from "../event/event.ts";

/**
 * Calls `visit` with each leaf name of `event` until it returns `true`; a name may come twice.
 *
 * @returns Whether a call returned `true`.
 */
export function someLeafName(event: LogEvent, visit: (name: string) => boolean): boolean {
  if (event.someFieldName !== undefined) return event.someFieldName(visit);
  // As a value, a line of plain text has a member that cannot be asked for.
  if (event.topKeys?.()?.length === 0) return false;
  return someValueLeaf(event.toValue(), visit);
}

/** Whether `event` has a field at all. */
export function hasLeaf(event: LogEvent): boolean {
  return someLeafName(event, () => true);
}
