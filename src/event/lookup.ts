/**
 * Finding a field in a nested value, as the reference's JSON events do it.
 *
 * The flat key wins; then the path is walked, and a key met on an array is looked up in each of its
 * members, so one path can reach several values.
 */
import type { Field, PathSegment } from "./field.ts";
import { isObject, type Value, type ValueObject } from "./value.ts";

/** Deeper values are not entered, so that a hostile event cannot exhaust the stack. */
export const MAX_EVENT_DEPTH = 64;

/** The value of `field` in `root`; several values reached through arrays come as an array. */
export function lookup(root: Value, field: Field): Value | undefined {
  if (isObject(root)) {
    const flat = ownValue(root, field.name, field.inherited);
    if (flat !== undefined) return flat;
    if (field.path === undefined) return undefined;
  } else if (field.path === undefined) {
    return undefined;
  }
  const found: Value[] = [];
  walk(root, field.path, 0, 0, found);
  if (found.length === 0) return undefined;
  return found.length === 1 ? found[0] : found;
}

/** A key's own value. `inherited` says that the key also stands on `Object.prototype`. */
function ownValue(object: ValueObject, key: string, inherited: boolean): Value | undefined {
  if (inherited && !Object.hasOwn(object, key)) return undefined;
  return object[key];
}

function walk(
  value: Value,
  path: readonly PathSegment[],
  at: number,
  depth: number,
  found: Value[],
): void {
  if (depth > MAX_EVENT_DEPTH) return;
  if (at === path.length) {
    found.push(value);
    return;
  }
  if (Array.isArray(value)) {
    for (const member of value as readonly Value[]) walk(member, path, at, depth + 1, found);
    return;
  }
  if (!isObject(value)) return;
  const segment = path[at]!;
  const before = found.length;
  const child = stepInto(value, segment);
  if (child !== undefined) walk(child, path, at + 1, depth + 1, found);
  // A key that itself contains dots may hold an object: `{"a.b": {"c": 1}}` answers to `a.b.c`,
  // also where there is an `a` that leads nowhere.
  let key = segment.key;
  for (let end = at + 1; end < path.length && path[end - 1]!.indexes.length === 0; end++) {
    if (found.length > before) return;
    key += `.${path[end]!.key}`;
    const joined = stepInto(value, { key, indexes: path[end]!.indexes });
    if (joined !== undefined) walk(joined, path, end + 1, depth + 1, found);
  }
}

/** The child under the segment's key, then the element each position names. */
function stepInto(object: ValueObject, segment: PathSegment): Value | undefined {
  let value: Value | undefined = Object.hasOwn(object, segment.key)
    ? object[segment.key]
    : undefined;
  for (const index of segment.indexes) {
    if (!Array.isArray(value)) return undefined;
    value = (value as readonly Value[]).at(index);
  }
  return value;
}

/** Calls `visit` with the text of each scalar leaf of `value` until it returns `true`. */
export function someLeafText(
  value: Value,
  text: (leaf: Value) => string | undefined,
  visit: (text: string) => boolean,
  depth = 0,
): boolean {
  if (typeof value !== "object" || value === null) {
    const leaf = text(value);
    return leaf !== undefined && visit(leaf);
  }
  if (depth > MAX_EVENT_DEPTH) return false;
  if (Array.isArray(value)) {
    for (const member of value as readonly Value[]) {
      if (someLeafText(member, text, visit, depth + 1)) return true;
    }
    return false;
  }
  const object = value as ValueObject;
  for (const key of Object.keys(object)) {
    if (someLeafText(object[key]!, text, visit, depth + 1)) return true;
  }
  return false;
}
