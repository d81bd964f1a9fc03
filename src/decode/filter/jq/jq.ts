/**
 * jq 1.7 within bounds.
 *
 * Picket has its own: of what npm offers, the one that is right in everything is jq itself as
 * WebAssembly, which compiles its program anew for every event and cannot be stopped, and none of
 * the others knows half of the language. See docs/benchmarks.md.
 */
import type { Value, ValueObject } from "../../../event/value.ts";
import { FilterError } from "../errors.ts";
import { Budget, limit, MAX_OUTPUTS } from "./budget.ts";
import { Compiler } from "./compile.ts";
import { toText } from "./formats.ts";
import { Break, type Code } from "./machine.ts";
import { parseJq } from "./parse.ts";
import { JqError } from "./values.ts";

/** A program that is ready to meet values. */
export interface JqProgram {
  /**
   * Calls `emit` for each output, in order, and `failed` for each that cannot be made. Neither may run
   * the same program.
   *
   * @throws {FilterError} `FILTER_LIMIT` if the value takes more steps or outputs than one may; what
   *   was emitted before stands.
   */
  run(input: Value, emit: (output: Value) => void, failed: (message: string) => void): void;
}

/**
 * Compiles a program. Modules, times of now, further inputs and the environment are left out.
 *
 * @throws {FilterError} `FILTER_SYNTAX`; its message does not repeat the program.
 * @see https://jqlang.org/manual/v1.7/
 */
export function compileJq(program: string): JqProgram {
  const budget = new Budget();
  let failed: (message: string) => void = () => {};
  let outputs = 0;
  /** Errors count as well: each is a message that somebody has to keep. */
  const count = (): void => {
    if (++outputs > MAX_OUTPUTS) throw limit(`more than ${MAX_OUTPUTS} outputs of one event`);
  };
  const code = compiled(program, budget, (error) => {
    count();
    failed(messageOf(error, budget));
  });
  return {
    run(input, emit, onError) {
      budget.reset();
      failed = onError;
      outputs = 0;
      try {
        code(input, undefined, undefined, (value) => {
          count();
          // Of parts that stand in it many times, an output is as large as if each were another.
          if (value !== input) measure(value, budget);
          emit(value);
        });
      } catch (error) {
        throw bounded(error);
      }
    },
  };
}

function compiled(program: string, budget: Budget, onError: (error: JqError) => void): Code {
  try {
    return new Compiler(budget, onError).program(parseJq(program));
  } catch (error) {
    // A chain of thousands of operators is no brackets, but a deep tree all the same.
    if (!(error instanceof RangeError)) throw error;
    throw new FilterError("FILTER_SYNTAX", "the program nests too deeply", undefined, {
      cause: error,
    });
  }
}

/** UTF-16 units of output that take a step: a few dozen MiB for one event. */
const WEIGHT_OF_TEXT = 4;

/** Counts what an output consists of, without recursion, since it may nest to any depth. */
function measure(output: Value, budget: Budget): void {
  if (typeof output !== "object" || output === null) return;
  const left: Value[] = [output];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (typeof value === "string") budget.spend(value.length * WEIGHT_OF_TEXT);
    else budget.step();
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) { for (const member of value as readonly Value[]) left.push(member); }
    else {
      const object = value as ValueObject;
      for (const key in object) left.push(object[key]!);
    }
  }
}

/** Characters of a message; it is for people. */
const MAX_MESSAGE = 1000;

/** What `error` was given, as a text. */
function messageOf({ value }: JqError, budget: Budget): string {
  if (value === null) return "null (null) not a string";
  try {
    const text = toText(value, budget);
    return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`;
  } catch (error) {
    if (error instanceof JqError) return "an error that cannot be written";
    throw error;
  }
}

/** Errors of the engine that runs us about its own bounds are about ours. */
function bounded(error: unknown): unknown {
  if (error instanceof FilterError) return error;
  if (error instanceof RangeError) return limit("the program or the event nests too deeply");
  // `break` where its label has been left already.
  return error instanceof Break ? new FilterError("FILTER_VALUE", "break") : error;
}
