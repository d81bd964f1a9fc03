/**
 * Small conversions from checked leaves to settings.
 */
import { sizeBytes } from "./schema_values.ts";
import { parseDuration } from "../../runtime/duration.ts";

/** `T` with the members that may be `undefined` optional instead. */
export type Defined<T> =
  & { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] }
  & { readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** Leaves out members that are `undefined`, which optional members of settings may not be. */
export function defined<const T extends object>(value: T): Defined<T> {
  const kept = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(kept) as Defined<T>;
}

/** The milliseconds of a checked duration. */
export function millis(written: string): number;
export function millis(written: string | undefined): number | undefined;
export function millis(written: string | undefined): number | undefined {
  return written === undefined ? undefined : parseDuration(written) ?? 0;
}

/** The bytes of a checked size. */
export function bytes(written: number | string): number;
export function bytes(written: number | string | undefined): number | undefined;
export function bytes(written: number | string | undefined): number | undefined {
  return written === undefined ? undefined : sizeBytes(written) ?? 0;
}

/** Values as text: `vlan: 12` is `"12"`. */
export function textValues(
  values: Readonly<Record<string, string | number | boolean>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}
