/**
 * What a field of an event can hold, and the coercions Sigma applies to it.
 *
 * Integers beyond 2^53 are `bigint`, because Windows writes 64-bit keywords and handles and a rule
 * that names one must not match its neighbour.
 */

/** A value of an event field: JSON, with exact integers. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Value[]
  | ValueObject;

/** An object of values. */
export interface ValueObject {
  readonly [key: string]: Value;
}

/**
 * One text in the spellings that rules may use for it. A list like any other to a test that any
 * member may pass; where values are compared as wholes, each spelling stands for the value.
 */
export class Spellings extends Array<string> {}

/** Whether `value` is an object with keys (not null, not an array). */
export function isObject(value: Value | undefined): value is ValueObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The text a rule compares with: strings as they are, numbers in decimal without an exponent,
 * `true` / `false`. Null, arrays and objects have no text.
 */
export function scalarText(value: Value | undefined): string | undefined {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return numberText(value);
    case "bigint":
      return value.toString();
    case "boolean":
      return value ? "true" : "false";
    default:
      return undefined;
  }
}

/** Shortest decimal text of a double that reads back as itself, never with an exponent. */
export function numberText(value: number): string {
  const text = String(value);
  const exponentAt = text.indexOf("e");
  if (exponentAt < 0) return text;
  const negative = text.startsWith("-");
  const mantissa = text.slice(negative ? 1 : 0, exponentAt);
  const exponent = Number(text.slice(exponentAt + 1));
  const point = mantissa.indexOf(".");
  const digits = mantissa.replace(".", "");
  const whole = (point < 0 ? mantissa.length : point) + exponent;
  const sign = negative ? "-" : "";
  if (whole <= 0) return `${sign}0.${"0".repeat(-whole)}${digits}`;
  if (whole >= digits.length) return `${sign}${digits}${"0".repeat(whole - digits.length)}`;
  return `${sign}${digits.slice(0, whole)}.${digits.slice(whole)}`;
}

// Each character has one place in the expression, so a long text of digits takes one pass.
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NAMED = /^([+-]?)(inf|infinity|nan)$/i;

/**
 * Reads a number as strictly as the reference does: no blanks, no hex, no separators.
 *
 * @returns `undefined` if `text` is not a number. `nan` and `inf` in any case are numbers.
 */
export function parseStrictNumber(text: string): number | undefined {
  if (DECIMAL.test(text)) return Number(text);
  const named = NAMED.exec(text);
  if (named === null) return undefined;
  if (named[2]!.toLowerCase() === "nan") return NaN;
  return named[1] === "-" ? -Infinity : Infinity;
}
