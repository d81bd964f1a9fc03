/**
 * Tests of one event that a schema signature is made of.
 *
 * Texts are compared without regard to the case of ASCII letters. A value without a text of its own,
 * a list or an object, equals nothing.
 *
 * @see inputs.md, section 13.1
 */
import type { LogEvent } from "../event/event.ts";
import type { Field } from "../event/field.ts";
import { parseStrictNumber, scalarText, type Value } from "../event/value.ts";
import { hasLeaf } from "./leaves.ts";

/** How `compare` compares. */
export type Comparison = "gt" | "gte" | "lt" | "lte";

/** What `matches` asks a text. */
export interface TextPattern {
  /** Whether it is found somewhere in `text`. */
  test(text: string): boolean;
}

/** A test; lists are not empty. */
export type Predicate =
  | { readonly kind: "present"; readonly field: Field }
  | { readonly kind: "absent"; readonly field: Field }
  | { readonly kind: "any_of"; readonly fields: readonly Field[] }
  | {
    readonly kind: "equals";
    readonly field: Field;
    readonly value: string;
    /** `value` as `foldAscii` gives it. */
    readonly folded: string;
  }
  | {
    readonly kind: "matches";
    readonly field: Field;
    /** The pattern as it is written. */
    readonly source: string;
    readonly pattern: TextPattern;
  }
  | {
    readonly kind: "compare";
    readonly comparison: Comparison;
    readonly field: Field;
    readonly value: number;
  }
  | {
    readonly kind: "in";
    readonly field: Field;
    readonly values: readonly string[];
    /** `values` as `foldAscii` gives them. */
    readonly folded: ReadonlySet<string>;
  }
  | { readonly kind: "same"; readonly left: Field; readonly right: Field }
  | { readonly kind: "not"; readonly predicate: Predicate }
  | { readonly kind: "any"; readonly predicates: readonly Predicate[] }
  | { readonly kind: "all"; readonly predicates: readonly Predicate[] }
  | { readonly kind: "has_any_field" };

/** Whether `event` satisfies `predicate`. Never throws. */
export function holds(predicate: Predicate, event: LogEvent): boolean {
  switch (predicate.kind) {
    case "present":
      return event.get(predicate.field) !== undefined;
    case "absent":
      return event.get(predicate.field) === undefined;
    case "any_of":
      return predicate.fields.some((field) => event.get(field) !== undefined);
    case "equals": {
      const text = scalarText(event.get(predicate.field));
      return text !== undefined &&
        (text === predicate.value ||
          (text.length === predicate.folded.length && foldAscii(text) === predicate.folded));
    }
    case "matches": {
      const text = scalarText(event.get(predicate.field));
      return text !== undefined && predicate.pattern.test(text);
    }
    case "compare":
      return compares(predicate.comparison, event.get(predicate.field), predicate.value);
    case "in": {
      const text = scalarText(event.get(predicate.field));
      return text !== undefined && predicate.folded.has(foldAscii(text));
    }
    case "same": {
      const left = scalarText(event.get(predicate.left));
      if (left === undefined) return false;
      const right = scalarText(event.get(predicate.right));
      return right !== undefined && foldAscii(left) === foldAscii(right);
    }
    case "not":
      return !holds(predicate.predicate, event);
    case "any":
      return predicate.predicates.some((one) => holds(one, event));
    case "all":
      return predicate.predicates.every((one) => holds(one, event));
    case "has_any_field":
      return hasLeaf(event);
  }
}

function compares(comparison: Comparison, value: Value | undefined, limit: number): boolean {
  const number = numberOf(value);
  if (number === undefined) return false;
  switch (comparison) {
    case "gt":
      return number > limit;
    case "gte":
      return number >= limit;
    case "lt":
      return number < limit;
    case "lte":
      return number <= limit;
  }
}

/** JavaScript compares a `bigint` with a number exactly. */
function numberOf(value: Value | undefined): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return typeof value === "string" ? parseStrictNumber(value) : undefined;
}

// deno-lint-ignore no-control-regex
const NOT_ASCII = /[^\u0000-\u007f]/;

/** `text` with its ASCII letters in lower case, all others as they are. */
export function foldAscii(text: string): string {
  if (!NOT_ASCII.test(text)) return text.toLowerCase();
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

const COMPARISON_SIGNS: Readonly<Record<Comparison, string>> = {
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

/** The predicate for people, as explanations and suggestions show it; section 13.3. */
export function describePredicate(predicate: Predicate): string {
  switch (predicate.kind) {
    case "present":
      return `field_present(${predicate.field.name})`;
    case "absent":
      return `field_absent(${predicate.field.name})`;
    case "any_of":
      return `any_of([${predicate.fields.map(({ name }) => name).join(", ")}])`;
    case "equals":
      return `${predicate.field.name} == ${JSON.stringify(predicate.value)}`;
    case "matches":
      return `${predicate.field.name} matches /${predicate.source}/`;
    case "compare":
      return `${predicate.field.name} ${COMPARISON_SIGNS[predicate.comparison]} ${predicate.value}`;
    case "in":
      return `${predicate.field.name} in [${predicate.values.join(", ")}]`;
    case "same":
      return `${predicate.left.name} == ${predicate.right.name}`;
    case "not":
      return `not(${describePredicate(predicate.predicate)})`;
    case "any":
      return `any(${predicate.predicates.map(describePredicate).join(" | ")})`;
    case "all":
      return `all(${predicate.predicates.map(describePredicate).join(" & ")})`;
    case "has_any_field":
      return "has_any_field";
  }
}
