/**
 * Values to JSON text, with integers of any size.
 */
import type { Value } from "./value.ts";

/** Values nested deeper are written as the text `"[too deep]"`. */
const MAX_DEPTH = 512;

/**
 * The JSON text of `value`, on one line. `bigint`s become plain numbers with all their digits;
 * members that are `undefined` are left out, as `JSON.stringify` leaves them out.
 */
export function jsonText(value: unknown): string {
  return write(value, 0);
}

/** `jsonText` over several lines, indented by two blanks a level. */
export function prettyJsonText(value: unknown): string {
  return writePretty(value, "", 0);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return Number.isFinite(value) ? String(value) : "null";
    case "bigint":
      return value.toString();
    case "boolean":
      return value ? "true" : "false";
    case "object":
      break;
    default:
      return "null";
  }
  if (value === null) return "null";
  if (depth >= MAX_DEPTH) return '"[too deep]"';
  if (Array.isArray(value)) {
    return `[${value.map((member) => write(member, depth + 1)).join(",")}]`;
  }
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${write(member, depth + 1)}`);
  }
  return `{${members.join(",")}}`;
}

function writePretty(value: unknown, indent: string, depth: number): string {
  if (typeof value !== "object" || value === null || depth >= MAX_DEPTH) {
    return write(value, depth);
  }
  const inner = `${indent}  `;
  const members = Array.isArray(value)
    ? value.map((member: unknown) => writePretty(member, inner, depth + 1))
    : Object.entries(value).filter(([, member]) => member !== undefined).map(([key, member]) =>
      `${JSON.stringify(key)}: ${writePretty(member, inner, depth + 1)}`
    );
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (members.length === 0) return `${open}${close}`;
  return `${open}\n${inner}${members.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** Reads back what `jsonText` wrote; integers beyond 2^53 become `bigint`. */
export function parseJsonText(text: string): Value {
  const parse = JSON.parse as (
    text: string,
    reviver: (key: string, value: Value, context?: { readonly source?: string }) => Value,
  ) => Value;
  return parse(text, (_key, value, context) => {
    if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
    const source = context?.source;
    return source !== undefined && /^-?\d{16,20}$/.test(source) ? BigInt(source) : value;
  });
}
