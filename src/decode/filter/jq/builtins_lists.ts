/**
 * Built-in functions on arrays and objects.
 */
import { isObject, type Value, type ValueObject } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import { collect, computed, madeUp, type Native, simple } from "./machine.ts";
import { indexValue, indices } from "./paths.ts";
import {
  compare,
  isArray,
  isNumber,
  JqError,
  MAX_VALUE_DEPTH,
  member,
  membersOf,
  setMember,
  shown,
  sortedKeys,
  tooDeep,
  typeName,
} from "./values.ts";

function listOf(value: Value, what: string): readonly Value[] {
  if (isArray(value)) return value;
  throw new JqError(`${shown(value)} cannot be ${what}, as it is not an array`);
}

interface Keyed {
  readonly value: Value;
  readonly key: Value;
}

/** Items with what `f` gives for each, `[f]`; sorted if wanted. */
type Grouping = (items: readonly Keyed[], budget: Budget) => Value;

/** `…_by(f)` and, without an argument, the same by the items themselves. */
function by(what: string, compute: Grouping): Native {
  return ([key], budget) => (input, path, env, emit) => {
    const items = listOf(input, what).map((value) => {
      budget.step();
      return { value, key: key === undefined ? value : collect(key, value, env, budget) };
    });
    emit(compute(items, budget), madeUp(path));
  };
}

function sorted(items: readonly Keyed[], budget: Budget): Keyed[] {
  return items.toSorted((left, right) => compare(left.key, right.key, budget));
}

function groups(items: readonly Keyed[], budget: Budget): Keyed[][] {
  const found: Keyed[][] = [];
  for (const item of sorted(items, budget)) {
    const last = found.at(-1);
    if (last !== undefined && compare(last[0]!.key, item.key, budget) === 0) last.push(item);
    else found.push([item]);
  }
  return found;
}

function most(sign: 1 | -1): Grouping {
  return (items, budget) => {
    let best = items[0];
    for (const item of items.slice(1)) {
      const order = compare(item.key, best!.key, budget) * sign;
      // Of equal ones, the first is the least and the last the greatest.
      if (order > 0 || (order === 0 && sign > 0)) best = item;
    }
    return best === undefined ? null : best.value;
  };
}

const SORT: Native = by(
  "sorted",
  (items, budget) => sorted(items, budget).map(({ value }) => value),
);
const GROUP: Native = by(
  "grouped",
  (items, budget) => groups(items, budget).map((group) => group.map(({ value }) => value)),
);
const UNIQUE: Native = by(
  "grouped",
  (items, budget) => groups(items, budget).map((group) => group[0]!.value),
);
const MIN: Native = by("iterated over", most(-1));
const MAX: Native = by("iterated over", most(1));

function length(input: Value, budget: Budget): Value {
  if (input === null) return 0;
  switch (typeof input) {
    case "string": {
      budget.spend(input.length);
      let count = input.length;
      // A character of two units has a second half.
      for (const _ of input.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) count--;
      return count;
    }
    case "number":
      return Math.abs(input);
    case "bigint":
      return input < 0n ? -input : input;
    case "boolean":
      throw new JqError(`${shown(input)} has no length`);
    case "object":
      return isArray(input) ? input.length : membersOf(input, budget).length;
  }
}

function has(input: Value, key: Value): boolean {
  if (isObject(input) && typeof key === "string") return Object.hasOwn(input, key);
  if (isArray(input) && isNumber(key)) return key >= 0 && key < input.length;
  throw new JqError(`Cannot check whether ${typeName(input)} has a ${typeName(key)} key`);
}

/** Whether all of `part` is somewhere in `whole`. */
function contains(whole: Value, part: Value, budget: Budget, depth = 0): boolean {
  budget.step();
  if (depth > MAX_VALUE_DEPTH) throw tooDeep();
  if (isObject(whole) && isObject(part)) {
    const keys = Object.keys(part);
    budget.names(keys.length);
    return keys.every((key) =>
      Object.hasOwn(whole, key) && contains(whole[key]!, part[key]!, budget, depth + 1)
    );
  }
  if (isArray(whole) && isArray(part)) {
    return part.every((one) => whole.some((other) => contains(other, one, budget, depth + 1)));
  }
  if (typeof whole === "string" && typeof part === "string") {
    budget.spend(whole.length);
    return whole.includes(part);
  }
  if (depth > 0 || typeName(whole) === typeName(part)) return compare(whole, part, budget) === 0;
  throw new JqError(`${shown(whole)} and ${shown(part)} cannot have their containment checked`);
}

function flatten(list: readonly Value[], depth: number, into: Value[], budget: Budget): Value[] {
  for (const value of list) {
    budget.step();
    if (isArray(value) && depth > 0) flatten(value, depth - 1, into, budget);
    else into.push(value);
  }
  return into;
}

function flattened(input: Value, depth: Value, budget: Budget): Value {
  if (!isNumber(depth)) throw new JqError("flatten depth must be a number");
  if (depth < 0) throw new JqError("flatten depth must not be negative");
  return flatten(membersOf(input, budget), Math.min(Number(depth), MAX_VALUE_DEPTH), [], budget);
}

/** Of an array as well, with places for keys. */
function toEntries(input: Value, budget: Budget): Value {
  if (isArray(input)) {
    budget.members(input.length);
    return input.map((value, key) => ({ key, value }));
  }
  if (!isObject(input)) throw new JqError(`${shown(input)} has no keys`);
  const keys = Object.keys(input);
  budget.spend(keys.length * 8);
  return keys.map((key) => ({ key, value: input[key]! }));
}

const KEY_NAMES = ["key", "k", "name", "Name", "Key", "K"] as const;

function fromEntries(input: Value, budget: Budget): Value {
  const made: Record<string, Value> = {};
  for (const entry of isObject(input) ? membersOf(input, budget) : listOf(input, "iterated over")) {
    budget.step();
    if (!isObject(entry)) throw new JqError(`Cannot index ${typeName(entry)} with "key"`);
    const found = KEY_NAMES.map((name) => member(entry, name))
      .find((value) => value !== undefined && value !== null && value !== false);
    const key = found ?? KEY_NAMES.map((name) =>
      member(entry, name)
    ).find((one) => one !== undefined) ?? null;
    const value = ["value", "v", "Value", "V"].map((name) => member(entry, name))
      .find((one) => one !== undefined) ?? null;
    setMember(made, keyText(key), value);
  }
  return made;
}

function keyText(key: Value): string {
  if (typeof key === "string") return key;
  if (key === null || typeof key === "boolean" || isNumber(key)) return String(key);
  throw new JqError(`Cannot use ${shown(key)} as object key`);
}

function keys(input: Value, isSorted: boolean, budget: Budget): Value {
  if (isArray(input)) {
    budget.names(input.length);
    return input.map((_one, at) => at);
  }
  if (!isObject(input)) throw new JqError(`${shown(input)} has no keys`);
  const found = isSorted ? sortedKeys(input) : Object.keys(input);
  budget.members(found.length);
  return found;
}

function transposed(input: Value, budget: Budget): Value {
  const rows = listOf(input, "transposed").map((row) => listOf(row, "transposed"));
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
  budget.spend(width * rows.length);
  return Array.from({ length: width }, (_one, at) => rows.map((row) => row[at] ?? null));
}

/** Where a text, an array or a value is found. */
function indicesOf(input: Value, wanted: Value, budget: Budget): Value {
  if (input === null) return null;
  if (typeof input === "string" && typeof wanted === "string") {
    return textIndices(input, wanted, budget);
  }
  if (isArray(input)) return indices(input, isArray(wanted) ? wanted : [wanted], budget);
  return indexValue(input, wanted, budget);
}

/** Places in characters. */
function textIndices(text: string, wanted: string, budget: Budget): Value {
  budget.spend(text.length);
  if (wanted === "") return null;
  const found: number[] = [];
  const isPlain = !/[\ud800-\udfff]/.test(text);
  let characters = 0;
  let counted = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    budget.step();
    if (isPlain) found.push(at);
    else {
      characters += [...text.slice(counted, at)].length;
      counted = at;
      found.push(characters);
    }
  }
  return found;
}

function oneIndex(place: 0 | -1): Native {
  return computed((input, [wanted], budget) => {
    const found = indicesOf(input, wanted!, budget);
    return isArray(found) ? found.at(place) ?? null : null;
  });
}

/** The place of a value in a sorted array, or `-1 -` the place where it belongs. */
function binarySearch(input: Value, wanted: Value, budget: Budget): Value {
  const list = listOf(input, "searched from");
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const order = compare(list[middle]!, wanted, budget);
    if (order === 0) return middle;
    if (order < 0) from = middle + 1;
    else to = middle;
  }
  return -1 - from;
}

/** `with_entries(f)`, which many programs have. */
const withEntries: Native = ([body], budget) => (input, path, env, emit) => {
  const made: Value[] = [];
  for (const entry of toEntries(input, budget) as readonly Value[]) {
    body!(entry, undefined, env, (value) => {
      budget.step();
      made.push(value);
    });
  }
  emit(fromEntries(made, budget), madeUp(path));
};

export const LISTS: Readonly<Record<string, Native>> = {
  "length/0": simple(length),
  "keys/0": simple((input, budget) => keys(input, true, budget)),
  "keys_unsorted/0": simple((input, budget) => keys(input, false, budget)),
  "has/1": computed((input, [key]) => has(input, key!)),
  "in/1": computed((input, [whole]) => has(whole!, input)),
  "contains/1": computed((input, [part], budget) => contains(input, part!, budget)),
  "inside/1": computed((input, [whole], budget) => contains(whole!, input, budget)),
  "sort/0": SORT,
  "sort_by/1": SORT,
  "group_by/1": GROUP,
  "unique/0": UNIQUE,
  "unique_by/1": UNIQUE,
  "min/0": MIN,
  "min_by/1": MIN,
  "max/0": MAX,
  "max_by/1": MAX,
  "reverse/0": simple((input, budget) => {
    if (input === null) return [];
    if (typeof input === "string") {
      budget.rewrite(input.length);
      return [...input].reverse().join("");
    }
    const list = listOf(input, "reversed");
    budget.spend(list.length);
    return list.toReversed();
  }),
  "flatten/0": simple((input, budget) => flattened(input, MAX_VALUE_DEPTH, budget)),
  "flatten/1": computed((input, [depth], budget) => flattened(input, depth!, budget)),
  "to_entries/0": simple(toEntries),
  "from_entries/0": simple(fromEntries),
  "with_entries/1": withEntries,
  "transpose/0": simple(transposed),
  "indices/1": computed((input, [wanted], budget) => indicesOf(input, wanted!, budget)),
  "_indices/1": computed((input, [wanted], budget) => indicesOf(input, wanted!, budget)),
  "index/1": oneIndex(0),
  "rindex/1": oneIndex(-1),
  "bsearch/1": computed((input, [wanted], budget) => binarySearch(input, wanted!, budget)),
  "toarray/0": simple((input) => isArray(input) ? input : [input]),
  "IN/1": ([source], budget) => (input, path, env, emit) => {
    const found = collect(source!, input, env, budget)
      .some((one) => compare(one, input, budget) === 0);
    emit(found, madeUp(path));
  },
  "map_values/1": ([body], budget) => (input, path, env, emit) => {
    const first = (value: Value): Value | undefined => collect(body!, value, env, budget)[0];
    emit(mapValues(input, first, budget), madeUp(path));
  },
};

function mapValues(
  input: Value,
  change: (value: Value) => Value | undefined,
  budget: Budget,
): Value {
  if (isArray(input)) {
    return input.map((value) => change(value)).filter((value) => value !== undefined);
  }
  if (!isObject(input)) throw new JqError(`Cannot iterate over ${typeName(input)}`);
  const made: Record<string, Value> = {};
  for (const [key, value] of Object.entries(input as ValueObject)) {
    budget.step();
    const changed = change(value);
    if (changed !== undefined) setMember(made, key, changed);
  }
  return made;
}
