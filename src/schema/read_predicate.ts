/**
 * One predicate of a schema file.
 *
 * @see inputs.md, section 13.1
 */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { type Field, internField } from "../event/field.ts";
import { type Comparison, foldAscii, type Predicate, type TextPattern } from "./predicate.ts";

/** Compiles the regex of a `matches`; throws an `Error` whose message says what is wrong with it. */
export type CompilePattern = (source: string) => TextPattern;

/** Where predicates stand, and who is told what is wrong with them. */
export interface PredicatePlace {
  /** The name of the schema. */
  readonly schema: string;
  readonly compilePattern: CompilePattern;
  lineOf(node: Node | null | undefined): number;
  /** Notes a problem. Returns `undefined`. */
  fail(node: Node | null | undefined, message: string): undefined;
}

/** Deeper nesting is a mistake or worse. */
const MAX_DEPTH = 32;

const CONDITIONS = [
  "field_present",
  "field_absent",
  "any_of",
  "equals",
  "matches",
  "gt",
  "gte",
  "lt",
  "lte",
  "in",
  "field_equals_field",
  "not",
  "any",
  "all",
] as const;
type Condition = typeof CONDITIONS[number];

/** Reads an item of `match`; problems are told to `place`, and `undefined` is returned. */
export function readPredicate(
  node: Node | null | undefined,
  place: PredicatePlace,
  depth = 0,
): Predicate | undefined {
  const { schema } = place;
  if (depth > MAX_DEPTH) return place.fail(node, `schema '${schema}' is nested too deeply`);
  if (!isMap(node)) {
    return place.fail(
      node,
      `schema '${schema}': a predicate has no condition (write one of ${CONDITIONS.join(", ")})`,
    );
  }
  const found: (readonly [Condition, Node | null])[] = [];
  for (const { key, value } of node.items) {
    const name = scalarSource(key as Node) ?? "";
    const condition = CONDITIONS.find((one) => one === name);
    if (condition === undefined) {
      return place.fail(key as Node, `schema '${schema}': unknown predicate '${name}'`);
    }
    if (!isNull(value as Node | null)) found.push([condition, value as Node | null]);
  }
  const [first, second] = found;
  if (first === undefined) {
    return place.fail(
      node,
      `schema '${schema}': a predicate has no condition (write one of ${CONDITIONS.join(", ")})`,
    );
  }
  if (second !== undefined) {
    return place.fail(
      node,
      `schema '${schema}': a predicate sets multiple conditions; use one per list item`,
    );
  }
  return readCondition(first[0], first[1], place, depth);
}

function readCondition(
  condition: Condition,
  node: Node | null,
  place: PredicatePlace,
  depth: number,
): Predicate | undefined {
  switch (condition) {
    case "field_present":
    case "field_absent": {
      const field = readField(node, condition, place);
      if (field === undefined) return undefined;
      return { kind: condition === "field_present" ? "present" : "absent", field };
    }
    case "any_of": {
      const fields = readTexts(node, "any_of", place);
      return fields === undefined
        ? undefined
        : { kind: "any_of", fields: fields.map((name) => internField(name)) };
    }
    case "equals":
    case "matches": {
      const parts = readParts(node, condition, ["field", "value"], place);
      const field = parts && readField(parts.get("field"), `${condition}.field`, place);
      const value = parts && readText(parts.get("value"), `${condition}.value`, place, node);
      if (field === undefined || value === undefined) return undefined;
      if (condition === "equals") {
        return { kind: "equals", field, value, folded: foldAscii(value) };
      }
      return readPattern(field, value, parts!.get("value"), place);
    }
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return readComparison(condition, node, place);
    case "in": {
      const parts = readParts(node, "in", ["field", "values"], place);
      const field = parts && readField(parts.get("field"), "in.field", place);
      const values = parts && readTexts(parts.get("values"), "in.values", place);
      if (field === undefined || values === undefined) return undefined;
      return { kind: "in", field, values, folded: new Set(values.map(foldAscii)) };
    }
    case "field_equals_field": {
      const parts = readParts(node, condition, ["left", "right"], place);
      const left = parts && readField(parts.get("left"), `${condition}.left`, place);
      const right = parts && readField(parts.get("right"), `${condition}.right`, place);
      return left === undefined || right === undefined ? undefined : { kind: "same", left, right };
    }
    case "not": {
      const predicate = readPredicate(node, place, depth + 1);
      return predicate === undefined ? undefined : { kind: "not", predicate };
    }
    case "any":
    case "all": {
      if (!isSeq(node) || node.items.length === 0) {
        return place.fail(
          node,
          `schema '${place.schema}': '${condition}' needs at least one sub-predicate`,
        );
      }
      const predicates = (node.items as (Node | null)[])
        .map((one) => readPredicate(one, place, depth + 1));
      if (predicates.includes(undefined)) return undefined;
      return { kind: condition, predicates: predicates.filter((one) => one !== undefined) };
    }
  }
}

function readPattern(
  field: Field,
  source: string,
  node: Node | null | undefined,
  place: PredicatePlace,
): Predicate | undefined {
  try {
    return { kind: "matches", field, source, pattern: place.compilePattern(source) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return place.fail(node, `invalid regex in schema '${place.schema}': ${reason}`);
  }
}

function readComparison(
  comparison: Comparison,
  node: Node | null,
  place: PredicatePlace,
): Predicate | undefined {
  const parts = readParts(node, comparison, ["field", "value"], place);
  const field = parts && readField(parts.get("field"), `${comparison}.field`, place);
  if (parts === undefined || field === undefined) return undefined;
  const scalar = parts.get("value");
  const value: unknown = isScalar(scalar) ? scalar.value : undefined;
  if (typeof value !== "number" || Number.isNaN(value)) {
    return place.fail(
      scalar ?? node,
      `schema '${place.schema}': '${comparison}.value' must be a number`,
    );
  }
  return { kind: "compare", comparison, field, value };
}

/** The members of a predicate that has several; all of them and no others. */
function readParts(
  node: Node | null,
  condition: string,
  keys: readonly string[],
  place: PredicatePlace,
): ReadonlyMap<string, Node | null> | undefined {
  if (!isMap(node)) {
    return place.fail(
      node,
      `schema '${place.schema}': '${condition}' needs the keys ${keys.join(" and ")}`,
    );
  }
  const parts = new Map<string, Node | null>();
  for (const { key, value } of (node as YAMLMap<Node, Node | null>).items) {
    const name = scalarSource(key) ?? "";
    if (!keys.includes(name)) {
      return place.fail(key, `schema '${place.schema}': unknown key '${name}' in '${condition}'`);
    }
    parts.set(name, value);
  }
  return parts;
}

function readField(
  node: Node | null | undefined,
  key: string,
  place: PredicatePlace,
): Field | undefined {
  const name = readText(node, key, place, node);
  return name === undefined ? undefined : internField(name);
}

function readText(
  node: Node | null | undefined,
  key: string,
  place: PredicatePlace,
  around: Node | null | undefined,
): string | undefined {
  return scalarSource(node) ??
    place.fail(node ?? around, `schema '${place.schema}': '${key}' must be a text`);
}

function readTexts(
  node: Node | null | undefined,
  key: string,
  place: PredicatePlace,
): readonly string[] | undefined {
  if (!isSeq(node) || node.items.length === 0) {
    return place.fail(node, `schema '${place.schema}': '${key}' must be a list that is not empty`);
  }
  const texts = (node.items as (Node | null)[]).map((one) => readText(one, key, place, node));
  return texts.includes(undefined) ? undefined : texts.filter((one) => one !== undefined);
}

function isNull(node: Node | null | undefined): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

/** A scalar as it is written, so that `1.0` stays `1.0`; `undefined` for anything else. */
export function scalarSource(node: Node | null | undefined): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  const { value, source } = node;
  return typeof value === "string" ? value : source ?? String(value);
}
