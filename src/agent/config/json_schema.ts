/**
 * The JSON Schema of a configuration file, for editors.
 */
import { z } from "zod";
import { fileSchema } from "./schema.ts";

/** JSON Schema, draft 2020-12, made of the schema that loading checks against. */
export function configJsonSchema(): { readonly [key: string]: unknown } {
  const { $schema, ...schema } = z.toJSONSchema(fileSchema, {
    io: "input",
    target: "draft-2020-12",
    reused: "ref",
  });
  return {
    $schema,
    title: "Picket configuration",
    description: "picket.yaml: what the agent reads, evaluates and delivers",
    ...schema,
  };
}
