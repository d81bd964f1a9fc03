/**
 * As much of JSON Schema 2020-12 as Picket's own schemas use. An unknown keyword is an error, so
 * that nothing is passed over.
 */
type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set([
  "$schema",
  "$defs",
  "title",
  "description",
  "default",
  "deprecated",
  "format",
]);

/** Where `value` does not fit `schema`: paths with the keyword. */
export function schemaErrors(root: Schema, value: unknown): readonly string[] {
  return check(root, root, value, "");
}

function check(root: Schema, schema: Schema, value: unknown, path: string): string[] {
  return Object.entries(schema).flatMap(([keyword, rule]) =>
    ANNOTATIONS.has(keyword) ? [] : checkKeyword(root, schema, keyword, rule, value, path)
  );
}

function checkKeyword(
  root: Schema,
  schema: Schema,
  keyword: string,
  rule: unknown,
  value: unknown,
  path: string,
): string[] {
  const fails = (failed: boolean): string[] => failed ? [`${path} ${keyword}`] : [];
  const inner = (sub: unknown, at: unknown, step: string): string[] =>
    check(root, sub as Schema, at, `${path}/${step}`);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const members = isObject ? Object.entries(value as Record<string, unknown>) : [];
  switch (keyword) {
    case "$ref": {
      const name = /^#\/\$defs\/(.+)$/.exec(String(rule))?.[1];
      const target = (root["$defs"] as Record<string, Schema>)[name ?? ""];
      if (target === undefined) throw new Error(`no definition ${String(rule)}`);
      return check(root, target, value, path);
    }
    case "type":
      return fails(![rule].flat().some((type) => isType(value, String(type))));
    case "const":
      return fails(value !== rule);
    case "enum":
      return fails(!(rule as unknown[]).includes(value));
    case "pattern":
      return fails(typeof value === "string" && !new RegExp(String(rule), "u").test(value));
    case "minLength":
      return fails(typeof value === "string" && value.length < Number(rule));
    case "minimum":
      return fails(typeof value === "number" && value < Number(rule));
    case "maximum":
      return fails(typeof value === "number" && value > Number(rule));
    case "minItems":
      return fails(Array.isArray(value) && value.length < Number(rule));
    case "maxItems":
      return fails(Array.isArray(value) && value.length > Number(rule));
    case "items":
      return Array.isArray(value) ? value.flatMap((item, at) => inner(rule, item, String(at))) : [];
    case "required":
      return (rule as string[]).flatMap((key) =>
        isObject && !(key in (value as object)) ? [`${path}/${key} required`] : []
      );
    case "properties":
      return members.flatMap(([key, member]) => {
        const sub = (rule as Record<string, Schema>)[key];
        return sub === undefined ? [] : inner(sub, member, key);
      });
    case "additionalProperties": {
      const known = Object.keys((schema["properties"] ?? {}) as object);
      return members.filter(([key]) => !known.includes(key)).flatMap(([key, member]) =>
        rule === false ? [`${path}/${key} unknown`] : inner(rule, member, key)
      );
    }
    case "propertyNames":
      return members.flatMap(([key]) => inner(rule, key, key));
    case "anyOf":
    case "oneOf": {
      const fitting = (rule as Schema[]).filter((sub) => check(root, sub, value, "").length === 0);
      return fails(fitting.length === 0 || (keyword === "oneOf" && fitting.length > 1));
    }
    default:
      throw new Error(`keyword ${keyword} is not supported here`);
  }
}

function isType(value: unknown, type: string): boolean {
  switch (type) {
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
      return typeof value === "string";
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    default:
      throw new Error(`type ${type} is not supported here`);
  }
}
