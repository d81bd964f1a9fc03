/**
 * Built-in functions on numbers.
 */
import type { Value } from "../../../event/value.ts";
import { computed, type Native, simple } from "./machine.ts";
import { isNumber, JqError, shown } from "./values.ts";

function numberOf(value: Value): number {
  if (isNumber(value)) return Number(value);
  throw new JqError(`${shown(value)} number required`);
}

function unary(compute: (value: number) => number): Native {
  return simple((input) => compute(numberOf(input)));
}

/** Whole numbers stay as they are, with all their digits. */
function rounding(compute: (value: number) => number): Native {
  return simple((input) => typeof input === "bigint" ? input : compute(numberOf(input)));
}

function binary(compute: (left: number, right: number) => number): Native {
  return computed((_input, [left, right]) => compute(numberOf(left!), numberOf(right!)));
}

/** Half away from zero, as C rounds, also below it. */
function round(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

/** Half to the even neighbour. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function exponent(value: number): number {
  return value === 0 || !Number.isFinite(value) ? 0 : Math.floor(Math.log2(Math.abs(value)));
}

/** A fraction of 0.5 to 1 and the power of two it is multiplied with. */
function fractionAndExponent(value: number): Value {
  if (value === 0 || !Number.isFinite(value)) return [value, 0];
  const power = exponent(value) + 1;
  return [value / 2 ** power, power];
}

function isNormal(value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) >= 2.2250738585072014e-308;
}

const SAME_AS_MATH = [
  "acos",
  "acosh",
  "asin",
  "asinh",
  "atan",
  "atanh",
  "cbrt",
  "cos",
  "cosh",
  "exp",
  "expm1",
  "log",
  "log10",
  "log1p",
  "log2",
  "sin",
  "sinh",
  "sqrt",
  "tan",
  "tanh",
] as const;

export const NUMBERS: Readonly<Record<string, Native>> = {
  ...Object.fromEntries(SAME_AS_MATH.map((name) => [`${name}/0`, unary(Math[name])])),
  "floor/0": rounding(Math.floor),
  "ceil/0": rounding(Math.ceil),
  "round/0": rounding(round),
  "trunc/0": rounding(Math.trunc),
  "rint/0": rounding(roundEven),
  "nearbyint/0": rounding(roundEven),
  "fabs/0": unary(Math.abs),
  "abs/0": simple((input) => {
    if (!isNumber(input)) throw new JqError(`${shown(input)} has no absolute value`);
    return input < 0 ? -input : input;
  }),
  "exp2/0": unary((value) => 2 ** value),
  "exp10/0": unary((value) => 10 ** value),
  "pow10/0": unary((value) => 10 ** value),
  "logb/0": unary((value) => value === 0 ? -Infinity : exponent(value)),
  "significand/0": unary((value) => value === 0 ? 0 : value / 2 ** exponent(value)),
  "frexp/0": simple((input) => fractionAndExponent(numberOf(input))),
  "modf/0": simple((input) => {
    const value = numberOf(input);
    const whole = Math.trunc(value);
    return [Number.isFinite(value) ? value - whole : 0, whole];
  }),
  "pow/2": binary((base, power) => base ** power),
  "atan2/2": binary(Math.atan2),
  "fmod/2": binary((left, right) => left % right),
  "fmin/2": binary(Math.min),
  "fmax/2": binary(Math.max),
  "hypot/2": binary(Math.hypot),
  "ldexp/2": binary((value, power) => value * 2 ** power),
  "scalb/2": binary((value, power) => value * 2 ** power),
  "scalbln/2": binary((value, power) => value * 2 ** power),
  "copysign/2": binary((value, sign) =>
    Object.is(Math.sign(sign), -0) || sign < 0 ? -Math.abs(value) : Math.abs(value)
  ),
  "infinite/0": () => (_input, path, _env, emit) => emit(Infinity, path),
  "nan/0": () => (_input, path, _env, emit) => emit(NaN, path),
  "isinfinite/0": simple((input) => {
    const value = numberOf(input);
    return value === Infinity || value === -Infinity;
  }),
  "isnan/0": simple((input) => Number.isNaN(numberOf(input))),
  "isnormal/0": simple((input) => isNormal(numberOf(input))),
};
