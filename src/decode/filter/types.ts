/**
 * What stands between the decoder of a source and the rules: an expression that picks events out of
 * what was decoded.
 *
 * @see inputs.md, section 11
 */
import type { LogEvent } from "../../event/event.ts";

/** Told of an output that could not be made; `message` is for people. */
export type FilterFailed = (message: string) => void;

/**
 * Makes any number of events of one before rules see it; none drops it, `[event]` passes it on.
 *
 * Outputs that cannot be made are told to `failed`, the others are events none the less. If it throws,
 * all outputs are lost. Either way its input is a `ParseFailure` of the reason `filter`.
 */
export type EventFilter = (event: LogEvent, failed: FilterFailed) => readonly LogEvent[];

/** An expression and its language. */
export interface FilterSettings {
  /** jq 1.7, or JSONPath as RFC 9535 has it. */
  readonly kind: "jq" | "jsonpath";
  /** As the operator wrote it. */
  readonly expression: string;
}
