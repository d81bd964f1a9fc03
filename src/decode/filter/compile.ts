/**
 * Expressions to filters of events.
 *
 * @see inputs.md, sections 11 and 20.5
 */
import type { LogEvent } from "../../event/event.ts";
import type { Value } from "../../event/value.ts";
import { FilterError } from "./errors.ts";
import { compileJq } from "./jq/jq.ts";
import { compileJsonPath } from "./json_path.ts";
import { ValueEvent } from "./value_event.ts";
import type { EventFilter, FilterSettings } from "./types.ts";

/** Emits outputs and tells errors; throws what ends it. */
type Run = (
  input: Value,
  emit: (output: Value) => void,
  failed: (message: string) => void,
) => void;

/**
 * Compiles a filter.
 *
 * It is applied to what `toValue` of an event gives: flat events are objects of texts, a plain line is
 * `{"_raw": line}`. Each output is an event, also one that is no object. An output that is the event
 * itself, as those of `select(…)`, is the very same event, with all that is known of it.
 *
 * A filter holds state while it runs; it may be used for any number of events, one after the other.
 *
 * ```ts
 * const filter = compileFilter({ kind: "jq", expression: ".Records[]?" });
 * const events = filter(decodeJson('{"Records":[{"eventName":"x"}]}'), console.warn);
 * ```
 *
 * @throws {FilterError} `FILTER_SYNTAX`: `Invalid jq filter '<expression>': …` or `Invalid JSONPath
 *   '<expression>': …`, with the offset where it is known.
 */
export function compileFilter({ kind, expression }: FilterSettings): EventFilter {
  const run = compileRun(kind, expression);
  return (event, failed) => {
    const input = event.toValue();
    const made: LogEvent[] = [];
    try {
      run(
        input,
        (output) => made.push(output === input ? event : new ValueEvent(output)),
        (message) => failed(`${kind} runtime error: ${message}`),
      );
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      failed(`${kind} runtime error: ${error.message}`);
    }
    return made;
  };
}

function compileRun(kind: FilterSettings["kind"], expression: string): Run {
  try {
    switch (kind) {
      case "jq": {
        const program = compileJq(expression);
        return (input, emit, failed) => program.run(input, emit, failed);
      }
      case "jsonpath": {
        const path = compileJsonPath(expression);
        return (input, emit) => path.run(input, emit);
      }
    }
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    const { message, offset } = error;
    const what = kind === "jq" ? "jq filter" : "JSONPath";
    const place = offset === undefined ? "" : ` at character ${offset + 1}`;
    throw new FilterError(
      "FILTER_SYNTAX",
      `Invalid ${what} '${expression}': ${message}${place}`,
      offset,
      { cause: error },
    );
  }
}
