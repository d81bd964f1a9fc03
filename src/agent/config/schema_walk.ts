/**
 * Walking the schema beside a value: which keys are known at a path, and what a leaf is.
 */
import type { z } from "zod";
import { type LeafKind, leafKinds } from "./schema_values.ts";
import {
  type ConfigNode,
  type ConfigValue,
  type KeyPath,
  plainOf,
  type ScalarNode,
} from "./tree.ts";

/** The parts of a schema's definition that are looked at. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly values?: readonly unknown[];
}

function definition(schema: z.ZodType): Definition {
  // What is read is the documented definition; its type is a union of all of the package's own.
  return schema.def as unknown as Definition;
}

/** The schema without `optional`, `default` and their like around it. */
function unwrap(schema: z.ZodType): z.ZodType {
  const { innerType } = definition(schema);
  return innerType === undefined ? schema : unwrap(innerType);
}

/** The member of a union that `value` is meant for; the schema itself if it is none. */
function choose(schema: z.ZodType, value: ConfigValue | undefined): z.ZodType | undefined {
  const bare = unwrap(schema);
  const { discriminator, options } = definition(bare);
  if (options === undefined) return bare;
  if (!isMapping(value)) return undefined;
  if (discriminator === undefined) {
    const mapping = options.find((option) => definition(unwrap(option)).type === "object");
    const nested = options.find((option) => definition(unwrap(option)).discriminator !== undefined);
    return nested === undefined ? mapping && unwrap(mapping) : choose(nested, value);
  }
  return options.find((option) => {
    const key = definition(option).shape?.[discriminator];
    return key !== undefined && definition(key).values?.includes(value[discriminator]);
  });
}

export function isMapping(
  value: ConfigValue | undefined,
): value is { readonly [key: string]: ConfigValue | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function childValue(
  value: ConfigValue | undefined,
  step: string | number,
): ConfigValue | undefined {
  if (Array.isArray(value)) return typeof step === "number" ? value[step] : undefined;
  return isMapping(value) ? value[String(step)] : undefined;
}

function childSchema(
  schema: z.ZodType,
  value: ConfigValue | undefined,
  step: string | number,
): z.ZodType | undefined {
  const chosen = choose(schema, value);
  if (chosen === undefined) return undefined;
  const { element, shape, valueType } = definition(chosen);
  return typeof step === "number" ? element : shape?.[step] ?? valueType;
}

/** The schema of what stands at `path` of `value`. */
export function schemaAt(
  schema: z.ZodType,
  value: ConfigValue,
  path: KeyPath,
): z.ZodType | undefined {
  let at: z.ZodType | undefined = schema;
  let here: ConfigValue | undefined = value;
  for (const step of path) {
    if (at === undefined) return undefined;
    at = childSchema(at, here, step);
    here = childValue(here, step);
  }
  return at;
}

/** The keys that a mapping at `path` may have. */
export function knownKeys(schema: z.ZodType, value: ConfigValue, path: KeyPath): readonly string[] {
  const at = schemaAt(schema, value, path);
  if (at === undefined) return [];
  let here: ConfigValue | undefined = value;
  for (const step of path) here = childValue(here, step);
  const chosen = choose(at, here);
  return chosen === undefined ? [] : Object.keys(definition(chosen).shape ?? {});
}

/** What kind of leaf a schema is. */
export function leafKind(schema: z.ZodType | undefined): LeafKind | undefined {
  if (schema === undefined) return undefined;
  return leafKinds.get(unwrap(schema))?.kind ?? leafKinds.get(schema)?.kind;
}

/** `root` with every leaf replaced by what `change` makes of it. */
export function mapLeaves(
  schema: z.ZodType,
  root: ConfigNode,
  change: (leaf: ScalarNode, kind: LeafKind | undefined, path: KeyPath) => ScalarNode,
): ConfigNode {
  const visit = (
    node: ConfigNode,
    at: z.ZodType | undefined,
    value: ConfigValue | undefined,
    outer: LeafKind | undefined,
    path: KeyPath,
  ): ConfigNode => {
    const kind = leafKind(at) ?? outer;
    const child = (step: string | number, member: ConfigNode): ConfigNode => {
      const below = at === undefined ? undefined : childSchema(at, value, step);
      return visit(member, below, childValue(value, step), kind, [...path, step]);
    };
    switch (node.kind) {
      case "scalar":
        return change(node, kind, path);
      case "list":
        return { ...node, items: node.items.map((item, index) => child(index, item)) };
      case "map": {
        const entries = [...node.entries].map(([key, entry]) =>
          [key, { ...entry, node: child(key, entry.node) }] as const
        );
        return { ...node, entries: new Map(entries) };
      }
    }
  };
  return visit(root, schema, plainOf(root), undefined, []);
}

/** Where else in the schema a key stands, as `outbox.max_bytes`; the first two places. */
export function placesOf(schema: z.ZodType, name: string): readonly string[] {
  const found: string[] = [];
  const visit = (at: z.ZodType, path: string, depth: number): void => {
    const { shape } = definition(unwrap(at));
    if (shape === undefined || depth > 3) return;
    for (const [key, child] of Object.entries(shape)) {
      const place = path === "" ? key : `${path}.${key}`;
      if (key === name) found.push(place);
      visit(child, place, depth + 1);
    }
  };
  visit(schema, "", 0);
  return found.slice(0, 2);
}
