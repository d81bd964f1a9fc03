/**
 * What a compiled jq program consists of.
 *
 * Each filter is a function that calls `emit` for each of its outputs: nothing is built for outputs that
 * are looked at once, and whoever has seen enough leaves by throwing.
 */
import type { Value } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import { JqError, shown } from "./values.ts";

/**
 * The way from where `path(…)` stands to a value: its last key and the way before it. `undefined` where
 * nobody asks, which is nearly everywhere.
 */
export type Path = PathStep | undefined;

export interface PathStep {
  readonly parent: PathStep | undefined;
  readonly key: Value;
}

/** Called for each output, with the way to it if ways are asked for. */
export type Emit = (value: Value, path: Path) => void;

/** A compiled filter. */
export type Code = (input: Value, path: Path, env: Env | undefined, emit: Emit) => void;

/** A filter as an argument: it sees the variables of where it is written. */
export interface Closure {
  readonly code: Code;
  readonly env: Env | undefined;
}

/** One variable, argument or label, and those outside it. Which is how far out is known when compiling. */
export class Env {
  readonly parent: Env | undefined;
  readonly value: Value;
  readonly closure: Closure | undefined;
  readonly label: Break | undefined;

  constructor(
    parent: Env | undefined,
    value: Value,
    closure?: Closure,
    label?: Break,
  ) {
    this.parent = parent;
    this.value = value;
    this.closure = closure;
    this.label = label;
  }
}

/** Thrown to leave a filter whose further outputs nobody wants; caught by who made it. */
export class Break {}

/** Builds a filter from those of its arguments. */
export type Native = (args: readonly Code[], budget: Budget) => Code;

/** Where paths begin. */
export const ROOT: PathStep = { parent: undefined, key: null };
/** The way to a value that is not a part of the input. */
const BROKEN: PathStep = { parent: undefined, key: null };

/** `path` one step further. */
export function stepped(path: Path, key: Value, from: Value): Path {
  if (path === undefined) return undefined;
  if (path === BROKEN) throw invalidPath(from);
  return { parent: path, key };
}

/** For a value that was made, not found. */
export function madeUp(path: Path): Path {
  return path === undefined ? undefined : BROKEN;
}

/** The keys from where `path(…)` stands to `value`. */
export function keysOf(path: Path, value: Value): readonly Value[] {
  if (path === BROKEN) throw invalidPath(value);
  const keys: Value[] = [];
  for (let at = path; at !== undefined && at !== ROOT; at = at.parent) keys.push(at.key);
  return keys.reverse();
}

function invalidPath(value: Value): JqError {
  return new JqError(`Invalid path expression with result ${shown(value)}`);
}

/** Calls `use` with each output of `code`. */
export function each(
  code: Code,
  input: Value,
  env: Env | undefined,
  use: (value: Value) => void,
): void {
  code(input, undefined, env, use);
}

/** All outputs of `code`. */
export function collect(
  code: Code,
  input: Value,
  env: Env | undefined,
  budget: Budget,
): Value[] {
  const all: Value[] = [];
  code(input, undefined, env, (value) => {
    budget.step();
    all.push(value);
  });
  return all;
}

/** Calls `use` with each combination of the outputs of `codes`, the first of which vary slowest. */
export function combinations(
  codes: readonly Code[],
  input: Value,
  env: Env | undefined,
  use: (values: readonly Value[]) => void,
): void {
  const values: Value[] = [];
  const next = (at: number): void => {
    if (at === codes.length) use(values);
    else {
      codes[at]!(input, undefined, env, (value) => {
        values[at] = value;
        next(at + 1);
      });
    }
  };
  next(0);
}

/** A filter whose one output is computed of its input. */
export function simple(compute: (input: Value, budget: Budget) => Value): Native {
  return (_args, budget) => (input, path, _env, emit) => {
    budget.step();
    emit(compute(input, budget), madeUp(path));
  };
}

/** A filter whose output is computed of its input and one output of each argument. */
export function computed(
  compute: (input: Value, args: readonly Value[], budget: Budget) => Value,
): Native {
  return (args, budget) => (input, path, env, emit) => {
    budget.step();
    combinations(args, input, env, (values) => {
      emit(compute(input, values, budget), madeUp(path));
    });
  };
}

/** Runs `code` until `use` says that it has seen enough. */
export function until(
  code: Code,
  input: Value,
  path: Path,
  env: Env | undefined,
  use: (value: Value, path: Path) => boolean,
): void {
  const enough = new Break();
  try {
    code(input, path, env, (value, way) => {
      if (use(value, way)) throw enough;
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
}
