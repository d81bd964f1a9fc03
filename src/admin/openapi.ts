/**
 * The OpenAPI document, made from the route table.
 */
import { z } from "zod";
import { API_ERROR_CODES } from "./errors.ts";
import type { Route } from "./route.ts";

type JsonObject = Record<string, unknown>;

const errorSchema = z.object({
  error: z.string(),
  code: z.enum(API_ERROR_CODES),
  hint: z.string().optional(),
  request_id: z.string(),
});

/** An OpenAPI 3.1 document of `routes`. */
export function openApiDocument(routes: readonly Route[], version: string): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routes) {
    const path = paths[route.path] ??= {};
    path[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Picket", version, license: { name: "MIT", identifier: "MIT" } },
    paths,
    components: {
      schemas: { Error: jsonSchema(errorSchema, "output") },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
  };
}

function operation(route: Route): JsonObject {
  const responses: Record<string, JsonObject> = {};
  for (const [status, { description, schema, contentType }] of Object.entries(route.responses)) {
    responses[status] = { description, ...content(Number(status), schema, contentType) };
  }
  responses["default"] ??= { description: "Error", ...errorContent };
  const parameters = [
    ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    })),
    ...queryParameters(route.query),
  ];
  return {
    operationId: operationId(route),
    summary: route.summary,
    security: route.permission === undefined ? [] : [{ token: [] }],
    ...(route.permission === undefined ? {} : { "x-permission": route.permission }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === undefined ? {} : {
      requestBody: {
        required: true,
        content: { "application/json": { schema: jsonSchema(route.body, "input") } },
      },
    }),
    ...(route.class !== "ingest" ? {} : {
      requestBody: { required: true, content: { "text/plain": { schema: { type: "string" } } } },
    }),
    responses,
  };
}

function operationId({ method, path }: Route): string {
  const words = path.replace(/^\/api\/v1/, "").split(/[^a-z]+/).filter((word) => word !== "");
  return [method.toLowerCase(), ...words.map((word) => word[0]!.toUpperCase() + word.slice(1))]
    .join("");
}

const errorContent = {
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};

function content(
  status: number,
  schema: z.ZodType | undefined,
  contentType: string | undefined,
): JsonObject {
  if (schema !== undefined) {
    return { content: { "application/json": { schema: jsonSchema(schema, "output") } } };
  }
  if (contentType !== undefined) {
    return { content: { [contentType]: { schema: { type: "string" } } } };
  }
  return status >= 400 ? errorContent : {};
}

function queryParameters(query: z.ZodObject | undefined): JsonObject[] {
  if (query === undefined) return [];
  const { properties } = jsonSchema(query, "input") as { readonly properties: JsonObject };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: "query", schema }));
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
