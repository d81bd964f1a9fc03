/**
 * What the engine asks of an event, whatever it was decoded from.
 */
import type { Field } from "./field.ts";
import type { Value } from "./value.ts";

/** One decoded event. */
export interface LogEvent {
  /**
   * The value of `field`, `undefined` if the event does not have it (an explicit null is a value).
   *
   * The answer does not change during the life of the event, so callers may remember it.
   */
  get(field: Field): Value | undefined;

  /**
   * Calls `visit` with the text of each scalar leaf, at any depth, until it returns `true`.
   * Keys are not visited.
   *
   * @returns Whether a call returned `true`.
   */
  someText(visit: (text: string) => boolean): boolean;

  /** The whole event, as results carry it under `event`. Integers beyond 2^53 are `bigint`. */
  toValue(): Value;
}
