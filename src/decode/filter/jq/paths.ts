/**
 * Members of values by their keys: reading, setting and deleting without changing what was read.
 */
import { isObject, type Value, type ValueObject } from "../../../event/value.ts";
import type { Budget } from "./budget.ts";
import {
  compare,
  isArray,
  isNumber,
  JqError,
  MAX_VALUE_DEPTH,
  member,
  setMember,
  shown,
  tooDeep,
  typeName,
} from "./values.ts";

/** Longer arrays are not made by setting an element. */
const MAX_INDEX = 1 << 20;

/** `value[key]`: null where there is nothing. */
export function indexValue(value: Value, key: Value, budget: Budget): Value {
  if (typeof key === "string") {
    if (value === null) return null;
    if (isObject(value)) return member(value, key) ?? null;
    throw new JqError(`Cannot index ${typeName(value)} with "${key}"`);
  }
  if (isNumber(key)) {
    if (value === null) return null;
    if (isArray(value)) {
      const at = Math.floor(Number(key));
      return value[at < 0 ? at + value.length : at] ?? null;
    }
  } else if (isObject(key) && (value === null || isArray(value) || typeof value === "string")) {
    return sliceValue(value, member(key, "start") ?? null, member(key, "end") ?? null, budget);
  } else if (isArray(key) && isArray(value)) return indices(value, key, budget);
  if (isObject(value) || isObject(key)) {
    throw new JqError(`Cannot index ${typeName(value)} with ${typeName(key)}`);
  }
  throw new JqError(`Cannot index ${typeName(value)} with ${typeName(key)}`);
}

/** Where `wanted` begins in `list`. */
export function indices(
  list: readonly Value[],
  wanted: readonly Value[],
  budget: Budget,
): Value {
  const found: number[] = [];
  if (wanted.length === 0) return null;
  for (let at = 0; at + wanted.length <= list.length; at++) {
    if (wanted.every((one, step) => compare(list[at + step]!, one, budget) === 0)) found.push(at);
  }
  return found;
}

/** `value[from:to]` of an array, or of a text by characters. */
export function sliceValue(value: Value, from: Value, to: Value, budget: Budget): Value {
  if (value === null) return null;
  if (!isArray(value) && typeof value !== "string") {
    throw new JqError(`Cannot index ${typeName(value)} with object`);
  }
  if ((from !== null && !isNumber(from)) || (to !== null && !isNumber(to))) {
    throw new JqError("Start and end indices of an array slice must be numbers");
  }
  budget.spend(value.length);
  if (isArray(value)) {
    const [start, end] = bounds(value.length, from, to);
    return value.slice(start, end);
  }
  // Most texts have no characters of two units.
  const characters = /[\ud800-\udfff]/.test(value) ? [...value] : value;
  const [start, end] = bounds(characters.length, from, to);
  const part = characters.slice(start, end);
  return typeof part === "string" ? part : part.join("");
}

/** Non-negative start and end with `start <= end`. */
function bounds(
  length: number,
  from: number | bigint | null,
  to: number | bigint | null,
): readonly [number, number] {
  const place = (at: number): number => {
    const placed = at < 0 ? at + length : at;
    return Math.min(Math.max(placed, 0), length);
  };
  const start = from === null || Number.isNaN(from) ? 0 : place(Math.floor(Number(from)));
  const end = to === null || Number.isNaN(to) ? length : place(Math.ceil(Number(to)));
  return [start, Math.max(start, end)];
}

/** What is at the end of `path`; null if a part of it is missing. */
export function getPath(value: Value, path: readonly Value[], budget: Budget): Value {
  let at = value;
  for (const key of path) {
    budget.step();
    if (at === null) return null;
    at = indexValue(at, key, budget);
  }
  return at;
}

/** A copy in which `path` leads to what `change` makes of what is there. */
export function changePath(
  value: Value,
  path: readonly Value[],
  change: (before: Value) => Value,
  budget: Budget,
  at = 0,
): Value {
  if (at === path.length) return change(value);
  if (at > MAX_VALUE_DEPTH) throw tooDeep();
  const key = path[at]!;
  const before = indexValue(value, key, budget);
  return setKey(value, key, changePath(before, path, change, budget, at + 1), budget);
}

function setKey(value: Value, key: Value, next: Value, budget: Budget): Value {
  if (typeof key === "string" && (value === null || isObject(value))) {
    const copy: Record<string, Value> = { ...value };
    budget.members(Object.keys(copy).length);
    setMember(copy, key, next);
    return copy;
  }
  if (isNumber(key) && (value === null || isArray(value))) {
    return setElement(value, key, next, budget);
  }
  if (isObject(key) && (value === null || isArray(value))) {
    if (!isArray(next)) {
      throw new JqError("A slice of an array can only be assigned another array");
    }
    const list = value ?? [];
    const [start, end] = bounds(list.length, boundOf(key, "start"), boundOf(key, "end"));
    budget.spend(list.length + next.length);
    return [...list.slice(0, start), ...next, ...list.slice(end)];
  }
  throw new JqError(
    isObject(key) && typeof value === "string"
      ? "Cannot update string slices"
      : typeof key === "string"
      ? `Cannot index ${typeName(value)} with "${key}"`
      : `Cannot index ${typeName(value)} with ${typeName(key)}`,
  );
}

function setElement(
  value: readonly Value[] | null,
  key: number | bigint,
  next: Value,
  budget: Budget,
): Value {
  const list = [...(value ?? [])];
  const at = Math.floor(Number(key));
  const place = at < 0 ? at + list.length : at;
  if (place < 0) throw new JqError("Out of bounds negative array index");
  if (place > MAX_INDEX || Number.isNaN(place)) throw new JqError("Array index too large");
  budget.spend(Math.max(list.length, place));
  while (list.length < place) list.push(null);
  list[place] = next;
  return list;
}

function boundOf(key: ValueObject, name: "start" | "end"): number | bigint | null {
  const bound = member(key, name) ?? null;
  if (bound === null || isNumber(bound)) return bound;
  throw new JqError("Start and end indices of an array slice must be numbers");
}

/** A copy without what the paths lead to. */
export function deletePaths(value: Value, paths: readonly Value[], budget: Budget): Value {
  const sorted = [...paths].sort((left, right) => compare(right, left, budget));
  let result = value;
  for (const path of sorted) {
    if (!isArray(path)) throw new JqError("Path must be specified as an array");
    result = deletePath(result, path, budget, 0);
  }
  return result;
}

function deletePath(value: Value, path: readonly Value[], budget: Budget, at: number): Value {
  if (at === path.length || value === null) return null;
  if (at > MAX_VALUE_DEPTH) throw tooDeep();
  const key = path[at]!;
  if (at + 1 < path.length) {
    const before = indexValue(value, key, budget);
    if (before === null) return value;
    return setKey(value, key, deletePath(before, path, budget, at + 1), budget);
  }
  if (typeof key === "string" && isObject(value)) {
    if (!Object.hasOwn(value, key)) return value;
    const copy: Record<string, Value> = { ...value };
    budget.members(Object.keys(copy).length);
    delete copy[key];
    return copy;
  }
  if (isArray(value) && isNumber(key)) {
    const index = Math.floor(Number(key));
    const place = index < 0 ? index + value.length : index;
    if (place < 0 || place >= value.length) return value;
    budget.spend(value.length);
    return value.toSpliced(place, 1);
  }
  if (isArray(value) && isObject(key)) {
    const [start, end] = bounds(value.length, boundOf(key, "start"), boundOf(key, "end"));
    budget.spend(value.length);
    return value.toSpliced(start, end - start);
  }
  throw new JqError(
    isObject(value)
      ? `Cannot delete field at object index of ${typeName(key)}: ${shown(key)}`
      : `Cannot delete field at array index of ${typeName(value)}`,
  );
}
