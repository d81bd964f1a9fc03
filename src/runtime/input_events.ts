/**
 * One input to its events: the same for the agent, `scan`, `eval`, `explain` and library users.
 */
import { DecodeError } from "../decode/errors.ts";
import type { EventFilter } from "../decode/filter/types.ts";
import { decodeJson, JsonEvent } from "../decode/json.ts";
import { JsonStream } from "../decode/json_stream.ts";
import { type LineFormat, type LineOptions, parseLine } from "../decode/parse_line.ts";
import type { LogEvent } from "../event/event.ts";

/** How inputs are read. */
export interface InputOptions extends LineOptions {
  /** Default `auto`. */
  readonly format?: LineFormat;
  /**
   * Under `auto`: what begins as a JSON object is one or damaged, since the other lines of its file
   * are JSON. Otherwise it is text that happens to begin so.
   */
  readonly expectsJson?: boolean;
  /** Applied to every event before rules see it. */
  readonly filter?: EventFilter;
  /** `keep`: a line that is an array is one event. Default `explode`. */
  readonly jsonArray?: "explode" | "keep";
}

/** Why an input is not an event, or not all that a filter should have made of it. */
export interface InputFailure {
  /** `decode_json`, …, `filter`: a label for counters. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

const JSON_OBJECT_START = /^\s*(?:\[\s*)?\{/;
const ARRAY_START = /^\s*\[/;

/**
 * Calls `visit` with each event of `input`: none for a line of blanks, each member for a line that is
 * an array of objects, what the filter makes of it if there is one. To a filter an array is one value.
 *
 * @param input A line without its end, or an event of a source that decodes by itself.
 * @returns What failed: its decoding, or an output of the filter, whose others are events none the
 *   less. What `visit` throws is thrown.
 */
export function visitEvents(
  input: string | LogEvent,
  options: InputOptions,
  visit: (event: LogEvent) => void,
): InputFailure | undefined {
  let event: LogEvent | undefined;
  try {
    event = typeof input === "string" ? decoded(input, options) : input;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { reason: error.code.toLowerCase(), message: error.message };
  }
  if (event === undefined) return undefined;
  if (options.filter !== undefined) return visitFiltered(event, options.filter, visit);
  const isArrayText = typeof input === "string" && options.jsonArray !== "keep";
  const members = isArrayText && event instanceof JsonEvent ? arrayMembers(input) : undefined;
  if (members === undefined) visit(event);
  else for (const member of members) visit(decodeJson(member));
  return undefined;
}

function decoded(line: string, options: InputOptions): LogEvent | undefined {
  const { format = "auto", expectsJson = false } = options;
  const isJson = expectsJson && format === "auto" && JSON_OBJECT_START.test(line);
  return parseLine(line, isJson ? "json" : format, options);
}

function visitFiltered(
  event: LogEvent,
  filter: EventFilter,
  visit: (event: LogEvent) => void,
): InputFailure | undefined {
  let made: readonly LogEvent[] = [];
  let first: string | undefined;
  let failures = 0;
  const failed = (message: string): void => {
    failures++;
    first ??= message;
  };
  try {
    made = filter(event, failed);
  } catch (error) {
    failed(error instanceof Error ? error.message : String(error));
  }
  for (const one of made) visit(one);
  if (first === undefined) return undefined;
  const message = failures === 1 ? first : `${first}; ${failures - 1} more of its outputs failed`;
  return { reason: "filter", message };
}

/** The texts of the members of an array, if all of them are objects or arrays. */
function arrayMembers(json: string): readonly string[] | undefined {
  if (!ARRAY_START.test(json)) return undefined;
  const members: string[] = [];
  let isPlain = false;
  const stream = new JsonStream({
    value: (text) => void members.push(text),
    problem: () => isPlain = true,
  });
  stream.push(json);
  stream.end();
  return isPlain || members.length === 0 ? undefined : members;
}
