/**
 * jq's types, order and arithmetic.
 *
 * Integers beyond 2^53 are `bigint`s here as everywhere in Picket, so what a filter passes on keeps its
 * digits, and so do sums, differences and products of whole numbers.
 */
import { jsonText } from "../../../event/json_text.ts";
import { isObject, type Value, type ValueObject } from "../../../event/value.ts";
import type { BinaryOperator } from "./ast.ts";
import type { Budget } from "./budget.ts";

/** What `error` throws and `catch` gets. No `Error`, since a stack is slow to make and nobody sees it. */
export class JqError {
  /** Usually a text. */
  readonly value: Value;

  constructor(value: Value) {
    this.value = value;
  }
}

/** Containers deeper than this are not compared, merged or written: the stack has an end. */
export const MAX_VALUE_DEPTH = 1000;
/** Whole numbers beyond this become rounded ones, so that products stay small. */
const MAX_EXACT = 10n ** 40n;
/** What of a value is shown in a message. */
const SHOWN = 30;

export type TypeName = "null" | "boolean" | "number" | "string" | "array" | "object";

const ORDER: readonly TypeName[] = ["null", "boolean", "number", "string", "array", "object"];

export function typeName(value: Value): TypeName {
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "number":
    case "bigint":
      return "number";
    case "string":
      return "string";
    case "object":
      return Array.isArray(value) ? "array" : "object";
  }
}

export function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isNumber(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

export function isTrue(value: Value): boolean {
  return value !== null && value !== false;
}

/** Beginnings of objects: the engine lists all names before it gives the first. */
const shownObjects = new WeakMap<object, string>();

/** `string ("abc…")`: a value in a message. */
export function shown(value: Value): string {
  if (typeof value !== "object" || value === null) return shownBeginning(value);
  let text = shownObjects.get(value);
  if (text === undefined) shownObjects.set(value, text = shownBeginning(value));
  return text;
}

function shownBeginning(value: Value): string {
  const text = jsonText(beginning(value, { left: SHOWN })).slice(0, SHOWN + 1);
  const short = text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
  return `${typeName(value)} (${short})`;
}

/** Without what would not be shown anyway, which is not even looked at, however large. */
function beginning(value: Value, members: { left: number }): Value {
  members.left--;
  if (typeof value === "string") return value.slice(0, SHOWN + 1);
  if (typeof value !== "object" || value === null) return value;
  if (isArray(value)) {
    const begun: Value[] = [];
    for (const one of value) {
      if (members.left <= 0) break;
      begun.push(beginning(one, members));
    }
    return begun;
  }
  const begun: Record<string, Value> = {};
  const object = value as ValueObject;
  for (const key in object) {
    if (members.left <= 0) break;
    setMember(begun, key.slice(0, SHOWN), beginning(object[key]!, members));
  }
  return begun;
}

/** An object with this member, also if it is called `__proto__`. */
export function setMember(object: Record<string, Value>, key: string, value: Value): void {
  if (key === "__proto__") {
    Object.defineProperty(object, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else object[key] = value;
}

export function member(object: ValueObject, key: string): Value | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** A `bigint` only where a number would be rounded. */
export function exact(value: bigint): number | bigint {
  const rounded = Number(value);
  if (Number.isSafeInteger(rounded)) return rounded;
  return value > MAX_EXACT || value < -MAX_EXACT ? rounded : value;
}

/** What `.[]` gives: the elements of an array, the values of an object. */
export function membersOf(value: Value, budget: Budget): readonly Value[] {
  if (isArray(value)) return value;
  if (!isObject(value)) throw new JqError(`Cannot iterate over ${typeName(value)}`);
  const values = Object.values(value);
  budget.names(values.length);
  return values;
}

/** Sorted names of an object's members. */
export function sortedKeys(object: ValueObject): readonly string[] {
  return Object.keys(object).sort(compareTexts);
}

/** By code points, where `<` goes by UTF-16 units. */
export function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a === b) continue;
    // Halves of characters beyond U+FFFF stand behind everything else.
    const isHalfA = a >= 0xd800 && a < 0xe000;
    const isHalfB = b >= 0xd800 && b < 0xe000;
    return isHalfA === isHalfB ? a - b : isHalfA ? 1 : -1;
  }
  return left.length - right.length;
}

/**
 * jq's order of all values: null, false, true, numbers, texts, arrays, objects.
 *
 * @throws {FilterError} `FILTER_LIMIT`, {JqError} for containers that nest too deeply.
 */
export function compare(left: Value, right: Value, budget: Budget, depth = 0): number {
  if (left === right) return 0;
  budget.step();
  const type = typeName(left);
  const other = typeName(right);
  if (type !== other) return ORDER.indexOf(type) - ORDER.indexOf(other);
  if (depth > MAX_VALUE_DEPTH) throw tooDeep();
  if (typeof left === "string") {
    budget.spend(Math.min(left.length, (right as string).length));
    return compareTexts(left, right as string);
  }
  if (isNumber(left)) return compareNumbers(left, right as number | bigint);
  if (typeof left === "boolean") return left ? 1 : -1;
  if (isArray(left)) return compareArrays(left, right as readonly Value[], budget, depth);
  return compareObjects(left as ValueObject, right as ValueObject, budget, depth);
}

function compareNumbers(left: number | bigint, right: number | bigint): number {
  // Not a number is less than any, also itself.
  if (left < right || Number.isNaN(left)) return -1;
  return left > right || Number.isNaN(right) ? 1 : 0;
}

function compareArrays(
  left: readonly Value[],
  right: readonly Value[],
  budget: Budget,
  depth: number,
): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const order = compare(left[at]!, right[at]!, budget, depth + 1);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareObjects(
  left: ValueObject,
  right: ValueObject,
  budget: Budget,
  depth: number,
): number {
  const keys = sortedKeys(left);
  const others = sortedKeys(right);
  // Sorting takes as long as copying them.
  budget.members(keys.length + others.length);
  const order = compareArrays(keys, others, budget, depth);
  if (order !== 0) return order;
  for (const key of keys) {
    const found = compare(left[key]!, right[key]!, budget, depth + 1);
    if (found !== 0) return found;
  }
  return 0;
}

export function tooDeep(): JqError {
  return new JqError("the value nests too deeply");
}

/** What an operator makes of two values. */
export function combine(
  operator: BinaryOperator,
  left: Value,
  right: Value,
  budget: Budget,
): Value {
  switch (operator) {
    case "+":
      return add(left, right, budget);
    case "-":
      return subtract(left, right, budget);
    case "*":
      return multiply(left, right, budget);
    case "/":
      return divide(left, right, budget);
    case "%":
      return remainder(left, right);
    case "==":
      return compare(left, right, budget) === 0;
    case "!=":
      return compare(left, right, budget) !== 0;
    case "<":
      return compare(left, right, budget) < 0;
    case "<=":
      return compare(left, right, budget) <= 0;
    case ">":
      return compare(left, right, budget) > 0;
    case ">=":
      return compare(left, right, budget) >= 0;
  }
}

function add(left: Value, right: Value, budget: Budget): Value {
  if (left === null) return right;
  if (right === null) return left;
  if (isNumber(left) && isNumber(right)) {
    return arithmetic(left, right, (a, b) => a + b, (a, b) => a + b);
  }
  if (typeof left === "string" && typeof right === "string") {
    budget.text(left.length + right.length);
    return left + right;
  }
  if (isArray(left) && isArray(right)) {
    budget.spend(left.length + right.length);
    return [...left, ...right];
  }
  if (isObject(left) && isObject(right)) return merge(left, right, budget);
  throw new JqError(`${shown(left)} and ${shown(right)} cannot be added`);
}

/** All of them added, null for none; texts and arrays in one go, not copied again and again. */
export function sum(values: readonly Value[], budget: Budget): Value {
  budget.spend(values.length);
  if (values.length > 2 && values.every((value) => typeof value === "string")) {
    budget.text(values.reduce((length, text) => length + text.length, 0));
    return values.join("");
  }
  if (values.length > 2 && values.every(isArray)) {
    budget.spend(values.reduce((length, list) => length + list.length, 0));
    return values.flat(1);
  }
  return values.reduce<Value>((left, right) => add(left, right, budget), null);
}

function merge(left: ValueObject, right: ValueObject, budget: Budget): ValueObject {
  const merged: Record<string, Value> = { ...left };
  const keys = Object.keys(right);
  budget.members(Object.keys(merged).length + keys.length);
  for (const key of keys) setMember(merged, key, right[key]!);
  return merged;
}

function subtract(left: Value, right: Value, budget: Budget): Value {
  if (isNumber(left) && isNumber(right)) {
    return arithmetic(left, right, (a, b) => a - b, (a, b) => a - b);
  }
  if (isArray(left) && isArray(right)) {
    return left.filter((one) => !right.some((other) => compare(one, other, budget) === 0));
  }
  throw new JqError(`${shown(left)} and ${shown(right)} cannot be subtracted`);
}

function multiply(left: Value, right: Value, budget: Budget): Value {
  if (isNumber(left) && isNumber(right)) {
    return arithmetic(left, right, (a, b) => a * b, (a, b) => a * b);
  }
  if (typeof left === "string" && isNumber(right)) return repeat(left, Number(right), budget);
  if (typeof right === "string" && isNumber(left)) return repeat(right, Number(left), budget);
  if (isObject(left) && isObject(right)) return mergeDeep(left, right, budget, 0);
  throw new JqError(`${shown(left)} and ${shown(right)} cannot be multiplied`);
}

/** As jq 1.7: null for 0 and less, fractions below 1 count as 1. */
function repeat(text: string, times: number, budget: Budget): Value {
  if (!(times > 0)) return null;
  const count = times < 1 ? 1 : Math.floor(times);
  budget.text(text.length * count);
  return text.repeat(count);
}

function mergeDeep(
  left: ValueObject,
  right: ValueObject,
  budget: Budget,
  depth: number,
): ValueObject {
  if (depth > MAX_VALUE_DEPTH) throw tooDeep();
  const merged: Record<string, Value> = { ...left };
  const keys = Object.keys(right);
  budget.members(Object.keys(merged).length + keys.length);
  for (const key of keys) {
    const before = member(merged, key);
    const after = right[key]!;
    const both = isObject(before) && isObject(after);
    setMember(merged, key, both ? mergeDeep(before, after, budget, depth + 1) : after);
  }
  return merged;
}

function divide(left: Value, right: Value, budget: Budget): Value {
  if (isNumber(left) && isNumber(right)) {
    if (Number(right) === 0) {
      throw new JqError(
        `${shown(left)} and ${shown(right)} cannot be divided because the divisor is zero`,
      );
    }
    return Number(left) / Number(right);
  }
  if (typeof left === "string" && typeof right === "string") return split(left, right, budget);
  throw new JqError(`${shown(left)} and ${shown(right)} cannot be divided`);
}

/** The texts between separators; an empty text has none. */
export function split(text: string, separator: string, budget: Budget): readonly string[] {
  if (separator === "") budget.rewrite(text.length);
  else budget.spend(text.length);
  if (text === "") return [];
  const parts = separator === "" ? [...text] : text.split(separator);
  budget.spend(parts.length * 8);
  return parts;
}

function remainder(left: Value, right: Value): Value {
  if (!isNumber(left) || !isNumber(right)) {
    throw new JqError(`${shown(left)} and ${shown(right)} cannot be divided`);
  }
  if (Number.isNaN(left) || Number.isNaN(right)) return NaN;
  const divisor = whole(right);
  if (divisor === 0n) {
    throw new JqError(
      `${shown(left)} and ${shown(right)} cannot be divided because the divisor is zero`,
    );
  }
  return exact(whole(left) % divisor);
}

/** Without its fraction, as a signed 64-bit number. */
function whole(value: number | bigint): bigint {
  if (typeof value === "bigint") return value;
  if (value === Infinity) return 2n ** 63n - 1n;
  return value === -Infinity ? -(2n ** 63n) : BigInt(Math.trunc(value));
}

function arithmetic(
  left: number | bigint,
  right: number | bigint,
  rounded: (a: number, b: number) => number,
  precise: (a: bigint, b: bigint) => bigint,
): Value {
  if (typeof left === "number" && typeof right === "number") {
    const result = rounded(left, right);
    const isPrecise = Number.isSafeInteger(result) || !Number.isInteger(left) ||
      !Number.isInteger(right) || Math.abs(left) > 1e20 || Math.abs(right) > 1e20;
    if (isPrecise) return result;
  }
  if (!isWhole(left) || !isWhole(right)) return rounded(Number(left), Number(right));
  return exact(precise(BigInt(left), BigInt(right)));
}

function isWhole(value: number | bigint): boolean {
  return typeof value === "bigint" || Number.isInteger(value);
}
