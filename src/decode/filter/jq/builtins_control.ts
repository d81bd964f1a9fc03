/**
 * Built-in functions that decide which outputs there are, and those about paths.
 */
import { isObject, type Value } from "../../../event/value.ts";
import { type Budget, limit as overLimit } from "./budget.ts";
import {
  type Code,
  collect,
  combinations,
  computed,
  each,
  type Emit,
  type Env,
  keysOf,
  madeUp,
  type Native,
  type Path,
  ROOT,
  simple,
  stepped,
  until,
} from "./machine.ts";
import { changePath, deletePaths, getPath } from "./paths.ts";
import { isArray, isNumber, isTrue, JqError, membersOf, sum, typeName } from "./values.ts";

/** `..`: the input and all below it, parents first; without recursion, however deep it nests. */
export const recurse: Native = (_args, budget) => (input, path, _env, emit) => {
  const left: (readonly [Value, Path])[] = [[input, path]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [value, way] = next;
    budget.step();
    emit(value, way);
    if (isArray(value)) {
      budget.names(value.length);
      for (let at = value.length - 1; at >= 0; at--) {
        left.push([value[at]!, stepped(way, at, value)]);
      }
    } else if (isObject(value)) {
      const keys = Object.keys(value);
      budget.names(keys.length);
      for (const key of keys.reverse()) left.push([value[key]!, stepped(way, key, value)]);
    }
  }
};

/** Emits the input and what `next` makes of it again and again; without recursion here either. */
function descend(
  next: Code,
  input: Value,
  path: Path,
  env: Env | undefined,
  step: () => void,
  emit: Emit,
): void {
  type Item = readonly [Value, Path] | { readonly error: unknown };
  const left: Item[] = [[input, path]];
  for (let item = left.pop(); item !== undefined; item = left.pop()) {
    if ("error" in item) throw item.error;
    const [value, way] = item;
    step();
    emit(value, way);
    const found: Item[] = [];
    try {
      next(value, way, env, (below, to) => {
        step();
        found.push([below, to]);
      });
    } catch (error) {
      if (!(error instanceof JqError)) throw error;
      // Those that were found before it come before it.
      found.push({ error });
    }
    for (let at = found.length - 1; at >= 0; at--) left.push(found[at]!);
  }
}

/** `if cond then ., (update | _) else empty end`, what `while` and `until` are made of. */
const whileTrue: Native = ([condition, update], budget) => (input, path, env, emit) => {
  const next: Code = (value, way, outer, give) =>
    update!(value, way, outer, (after, to) =>
      each(condition!, after, outer, (holds) => {
        if (isTrue(holds)) give(after, to);
      }));
  each(condition!, input, env, (holds) => {
    if (isTrue(holds)) descend(next, input, path, env, () => budget.step(), emit);
  });
};

const untilTrue: Native = ([condition, update], budget) => (input, path, env, emit) => {
  const left: (readonly [Value, Path])[] = [[input, path]];
  for (let item = left.pop(); item !== undefined; item = left.pop()) {
    const [value, way] = item;
    budget.step();
    const found: (readonly [Value, Path])[] = [];
    each(condition!, value, env, (holds) => {
      if (isTrue(holds)) emit(value, way);
      else update!(value, way, env, (after, to) => found.push([after, to]));
    });
    left.push(...found.reverse());
  }
};

const range: Native = (args, budget) => (input, path, env, emit) =>
  combinations(args, input, env, (values) => {
    const numbers = values.map((value) => {
      if (!isNumber(value)) throw new JqError("Range bounds must be numeric");
      return Number(value);
    });
    const [from, to, by] = numbers.length === 1
      ? [0, numbers[0]!, 1]
      : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
    if (by === 0 && from < to) throw overLimit("a range that does not advance");
    for (let at = from; by > 0 ? at < to : at > to; at += by) {
      budget.step();
      emit(at, madeUp(path));
    }
  });

/** How many outputs are wanted. */
function countOf(value: Value): number {
  if (isNumber(value)) return Number(value);
  throw new JqError(`Invalid arguments: a count is a number, not ${typeName(value)}`);
}

const limit: Native = ([count, body]) => (input, path, env, emit) =>
  each(count!, input, env, (value) => {
    const wanted = countOf(value);
    if (wanted < 0) throw new JqError("Invalid arguments: limit doesn't support negative count");
    let seen = 0;
    if (wanted === 0) return;
    until(body!, input, path, env, (found, way) => {
      seen++;
      emit(found, way);
      return seen >= wanted;
    });
  });

const skip: Native = ([count, body]) => (input, path, env, emit) =>
  each(count!, input, env, (value) => {
    let left = countOf(value);
    if (left < 0) throw new JqError("Invalid arguments: skip doesn't support negative count");
    body!(input, path, env, (found, way) => {
      if (left <= 0) emit(found, way);
      else left--;
    });
  });

const firstOf: Native = ([body]) => (input, path, env, emit) =>
  until(body!, input, path, env, (found, way) => {
    emit(found, way);
    return true;
  });

const lastOf: Native = ([body]) => (input, path, env, emit) => {
  let last: readonly [Value, Path] | undefined;
  body!(input, path, env, (found, way) => {
    last = [found, way];
  });
  if (last !== undefined) emit(...last);
};

const nthOf: Native = ([count, body]) => (input, path, env, emit) =>
  each(count!, input, env, (value) => {
    let left = countOf(value);
    if (left < 0) throw new JqError("Out of bounds negative array index");
    until(body!, input, path, env, (found, way) => {
      if (left-- >= 1) return false;
      emit(found, way);
      return true;
    });
  });

/** `any` and `all`: whether the test of an output of the generator gives `decides`. */
function quantifier(decides: boolean): Native {
  return ([generator, test]) => (input, path, env, emit) => {
    let found = !decides;
    until(generator!, input, undefined, env, (value) => {
      until(test!, value, undefined, env, (holds) => {
        if (isTrue(holds) === decides) found = decides;
        return found === decides;
      });
      return found === decides;
    });
    emit(found, madeUp(path));
  };
}

/** `.[]` where nobody asks for paths. */
function items(budget: Budget): Code {
  return (input, _path, _env, emit) => {
    for (const value of membersOf(input, budget)) {
      budget.step();
      emit(value, undefined);
    }
  };
}
const SELF: Code = (input, _path, _env, emit) => emit(input, undefined);

const select: Native = ([condition], budget) => (input, path, env, emit) =>
  each(condition!, input, env, (holds) => {
    budget.step();
    if (isTrue(holds)) emit(input, path);
  });

const map: Native = ([body], budget) => (input, path, env, emit) => {
  const made: Value[] = [];
  for (const item of membersOf(input, budget)) {
    budget.step();
    body!(item, undefined, env, (value) => {
      budget.step();
      made.push(value);
    });
  }
  emit(made, madeUp(path));
};

const paths: Native = ([body], budget) => (input, path, env, emit) =>
  body!(input, ROOT, env, (value, way) => {
    const keys = keysOf(way, value);
    budget.names(keys.length);
    emit(keys, madeUp(path));
  });

const getPaths: Native = ([body], budget) => (input, path, env, emit) =>
  each(body!, input, env, (keys) => {
    const found = getPath(input, pathOf(keys), budget);
    let way = path;
    for (const key of pathOf(keys)) way = stepped(way, key, input);
    emit(found, way);
  });

const remove: Native = ([body], budget) => (input, path, env, emit) => {
  const found: Value[] = [];
  body!(input, ROOT, env, (value, way) => {
    const keys = keysOf(way, value);
    budget.names(keys.length + 1);
    found.push(keys);
  });
  emit(deletePaths(input, found, budget), madeUp(path));
};

function pathOf(value: Value): readonly Value[] {
  if (isArray(value)) return value;
  throw new JqError("Path must be specified as an array");
}

function throwing(value: Value): never {
  throw new JqError(value);
}

/** Passes its input on if it is of one of the types. */
function only(test: (value: Value) => boolean): Native {
  return () => (input, path, _env, emit) => {
    if (test(input)) emit(input, path);
  };
}

const isContainer = (value: Value): boolean => typeof value === "object" && value !== null;

export const CONTROL: Readonly<Record<string, Native>> = {
  "empty/0": () => () => {},
  "error/0": () => (input) => throwing(input),
  "error/1": ([message]) => (input, _path, env) => each(message!, input, env, throwing),
  "not/0": simple((input) => !isTrue(input)),
  "select/1": select,
  "map/1": map,
  "recurse/0": recurse,
  "recurse/1": ([next], budget) => (input, path, env, emit) =>
    descend(next!, input, path, env, () => budget.step(), emit),
  // Of the same input for ever, until somebody has enough.
  "repeat/1": ([body], budget) => (input, path, env, emit) => {
    for (;;) {
      budget.step();
      body!(input, path, env, emit);
    }
  },
  "while/2": whileTrue,
  "until/2": untilTrue,
  "range/1": range,
  "range/2": range,
  "range/3": range,
  "limit/2": limit,
  "skip/2": skip,
  "first/1": firstOf,
  "last/1": lastOf,
  "nth/2": nthOf,
  "isempty/1": ([body]) => (input, path, env, emit) => {
    let empty = true;
    until(body!, input, undefined, env, () => {
      empty = false;
      return true;
    });
    emit(empty, madeUp(path));
  },
  "any/0": (_args, budget) => quantifier(true)([items(budget), SELF], budget),
  "any/1": ([test], budget) => quantifier(true)([items(budget), test!], budget),
  "any/2": quantifier(true),
  "all/0": (_args, budget) => quantifier(false)([items(budget), SELF], budget),
  "all/1": ([test], budget) => quantifier(false)([items(budget), test!], budget),
  "all/2": quantifier(false),
  "path/1": paths,
  "getpath/1": getPaths,
  "setpath/2": computed((input, [path, value], budget) =>
    changePath(input, pathOf(path!), () => value!, budget)
  ),
  "delpaths/1": computed((input, [found], budget) => {
    if (!isArray(found!)) throw new JqError("Paths must be specified as an array");
    return deletePaths(input, found, budget);
  }),
  "del/1": remove,
  "values/0": only((value) => value !== null),
  "nulls/0": only((value) => value === null),
  "booleans/0": only((value) => typeof value === "boolean"),
  "numbers/0": only(isNumber),
  "strings/0": only((value) => typeof value === "string"),
  "arrays/0": only(isArray),
  "objects/0": only(isObject),
  "iterables/0": only(isContainer),
  "scalars/0": only((value) => !isContainer(value)),
  "debug/0": only(() => true),
  "debug/1": only(() => true),
  "stderr/0": only(() => true),
  "add/1": ([body], budget) => (input, path, env, emit) => {
    emit(sum(collect(body!, input, env, budget), budget), madeUp(path));
  },
  "add/0": simple((input, budget) => sum(membersOf(input, budget), budget)),
};
