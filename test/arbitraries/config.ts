/** Configurations that each key's own checks accept, built from the schema itself. */
import fc from "fast-check";
import type { z } from "zod";
import { leafKind } from "../../src/agent/config/schema_walk.ts";
import type { ConfigValue } from "../../src/agent/config/tree.ts";

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly keyType?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly values?: readonly ConfigValue[];
  readonly entries?: Readonly<Record<string, ConfigValue>>;
  readonly checks?: readonly { readonly _zod: { readonly def: { readonly pattern?: RegExp } } }[];
}

/** Keys whose values must fit others, which a schema does not say. */
const SPECIAL: Readonly<Record<string, fc.Arbitrary<ConfigValue>>> = {
  addr: fc.constantFrom("127.0.0.1:0", "[::1]:9090", "unix:///run/p.sock", "localhost:1"),
  subject: fc.constantFrom("a", "a.${agent.id}", "p.${alert.level}.${source.id}"),
  url: fc.constantFrom("https://h/x", "http://[::1]:8080/", "https://h/${detection.rule.id}"),
  proxy: fc.constantFrom("env", "none", "http://p:3128"),
  allow_cidrs: fc.constantFrom(["10.0.0.0/8"], ["fc00::/7", "1.2.3.4"], []),
  deny_cidrs: fc.constantFrom(["10.0.0.0/8"], []),
  servers: fc.constantFrom(["nats://h:4222"], ["tls://a", "b:4222"]),
  start: fc.constantFrom("^x", "a+b"),
  end: fc.constantFrom("^x", "a+b"),
};

/** Written texts of all shapes, those that YAML must quote included. */
const anyText = fc.oneof(
  fc.stringMatching(/^[a-z0-9./_-]{1,12}$/),
  fc.constantFrom(
    "true",
    "12",
    "null",
    "~",
    "a: b",
    "#x",
    "- y",
    " z ",
    "ü\u2028é",
    "'",
    '"',
    "0x1f",
  ),
  fc.string({ minLength: 1, maxLength: 8 }),
);

export function valueFor(schema: z.ZodType, key = ""): fc.Arbitrary<ConfigValue> {
  const special = SPECIAL[key];
  const definition = schema.def as unknown as Definition;
  switch (definition.type) {
    case "optional":
    case "default":
    case "prefault":
      return valueFor(definition.innerType!, key);
    case "object":
      return objectFor(definition.shape!);
    case "array":
      return special ??
        fc.array(valueFor(definition.element!, key), { minLength: 1, maxLength: 3 });
    case "record":
      return fc.dictionary(
        valueFor(definition.keyType!) as fc.Arbitrary<string>,
        valueFor(definition.valueType!),
        { maxKeys: 3 },
      );
    case "union":
      return fc.oneof(...definition.options!.map((option) => valueFor(option, key)));
    case "literal":
      return fc.constantFrom(...definition.values!);
    case "enum":
      return fc.constantFrom(...Object.values(definition.entries!));
    case "boolean":
      return fc.boolean();
    case "number": {
      const { minValue, maxValue } = schema as z.ZodNumber;
      const min = Math.max(minValue ?? 0, 0);
      return fc.integer({ min, max: Math.min(maxValue ?? 100, min + 1000) });
    }
    case "string":
      return special ?? textFor(schema, definition);
    default:
      throw new Error(`no values for ${definition.type}`);
  }
}

function textFor(schema: z.ZodType, definition: Definition): fc.Arbitrary<string> {
  switch (leafKind(schema)) {
    case "duration":
      return fc.constantFrom("1s", "1m 30s", "20m", "1h30m", "5000ms");
    case "size":
      return fc.constantFrom("2MiB", "3MB", "1.5MiB");
    case "path":
      return fc.stringMatching(/^\/[a-z0-9 .#:'"-]{1,12}$/);
    case "secret_place":
      return fc.constantFrom("TOKEN", "A_B");
    case "headers":
    case "url":
    case undefined:
      break;
  }
  const pattern = definition.checks?.map((check) => check._zod.def.pattern)
    .find((one) => one !== undefined);
  if (pattern === undefined) return anyText;
  return /T\\d|\(\?!|\(\?=/.test(pattern.source) || pattern.source.length > 300
    ? fc.constantFrom("2026-01-01T00:00:00Z", "2026-11-23T08:30:00+01:00")
    : fc.stringMatching(pattern);
}

/** What is required and a few of the rest. */
function objectFor(shape: Readonly<Record<string, z.ZodType>>): fc.Arbitrary<ConfigValue> {
  const entries = Object.entries(shape);
  const optional = entries.filter(([, schema]) => schema.safeParse(undefined).success);
  const required = entries.filter((entry) => !optional.includes(entry));
  return fc.subarray(optional, { maxLength: Math.min(4, optional.length) }).chain((chosen) =>
    fc.record(
      Object.fromEntries(
        [...required, ...chosen].map(([key, schema]) => [key, valueFor(schema, key)]),
      ),
      { noNullPrototype: true },
    )
  );
}
