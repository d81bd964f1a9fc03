/**
 * Why a filter cannot be used, or an output of it cannot be made.
 */
import { PicketError } from "../../event/errors.ts";

/** What is wrong with a filter. */
export type FilterErrorCode =
  /** The expression cannot be compiled. */
  | "FILTER_SYNTAX"
  /** An output cannot be made of this event. */
  | "FILTER_VALUE"
  /** The event would take more steps, outputs or memory than one event may. */
  | "FILTER_LIMIT";

/** A filter that cannot be compiled, or that failed for an event. */
export class FilterError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "FilterError";
  /** What is wrong. */
  readonly code: FilterErrorCode;
  /** The offset in the expression at which it cannot be read, in UTF-16 units, where it is known. */
  readonly offset: number | undefined;

  /** Made by `compileFilter` and what it compiles. */
  constructor(code: FilterErrorCode, message: string, offset?: number, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.offset = offset;
  }
}
