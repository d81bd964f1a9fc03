/**
 * Routes about the fields and schemas of events.
 *
 * @see daemon.md 3.16 and 3.17
 */
import { z } from "zod";
import { ApiError } from "./errors.ts";
import {
  fieldSummary,
  missingField,
  schemaReport,
  suggestionReport,
  unknownField,
} from "./observer_view.ts";
import { page, paged, pageOf, pageParameters } from "./params.ts";
import { defineRoute, json, type Route } from "./route.ts";
import type { Services } from "./services.ts";

const query = z.object(pageParameters);
const OFF = { 503: { description: "Observation is off" } };

export function observerRoutes({ view: { observers } }: Services): Route[] {
  const fields = () =>
    observers.fields() ??
      off("field observation disabled", "set observe_fields.enabled: true and restart");
  const schemas = () =>
    observers.schemas() ??
      off("schema observation disabled", "set schema.observe: true and restart");
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/fields",
      summary: "Fields of events beside the fields that rules ask for",
      permission: "fields:read",
      class: "control",
      query,
      responses: {
        200: {
          description: "Counts, and a page of each list",
          schema: z.object({
            summary: fieldSummary,
            unknown: z.object(pageOf(unknownField)),
            missing: z.object(pageOf(missingField)),
          }),
        },
        ...OFF,
      },
      handle: ({ query }) => {
        const { summary, unknown, missing } = fields();
        const part = page(query);
        return json({ summary, unknown: paged(unknown, part), missing: paged(missing, part) });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/fields/unknown",
      summary: "Fields of events that no rule asks for, most frequent first",
      permission: "fields:read",
      class: "control",
      query,
      responses: {
        200: { description: "A page", schema: z.object(pageOf(unknownField)) },
        ...OFF,
      },
      handle: ({ query }) => json(paged(fields().unknown, page(query))),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/fields/missing",
      summary: "Fields that rules ask for and no event had",
      permission: "fields:read",
      class: "control",
      query,
      responses: {
        200: { description: "A page", schema: z.object(pageOf(missingField)) },
        ...OFF,
      },
      handle: ({ query }) => json(paged(fields().missing, page(query))),
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/fields/observer",
      summary: "Forget the fields that were observed",
      permission: "fields:write",
      audited: true,
      class: "control",
      responses: {
        200: {
          description: "What was counted before",
          schema: z.object({
            status: z.literal("reset"),
            previous_keys: z.int(),
            previous_events: z.int(),
          }),
        },
        ...OFF,
      },
      handle: () => {
        fields();
        const { keys = 0, events = 0 } = observers.resetFields() ?? {};
        return json({ status: "reset", previous_keys: keys, previous_events: events });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/schemas",
      summary: "How many events there are of each schema",
      permission: "schemas:read",
      class: "control",
      responses: { 200: { description: "Counts", schema: schemaReport }, ...OFF },
      handle: () => json(schemas()),
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/v1/schemas",
      summary: "Forget the schemas that were observed",
      permission: "schemas:write",
      audited: true,
      class: "control",
      responses: {
        200: {
          description: "What was counted before",
          schema: z.object({
            status: z.literal("reset"),
            previous_classified: z.int(),
            previous_unknown: z.int(),
          }),
        },
        ...OFF,
      },
      handle: () => {
        schemas();
        const { classified = 0, unknown = 0 } = observers.resetSchemas() ?? {};
        return json({
          status: "reset",
          previous_classified: classified,
          previous_unknown: unknown,
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/schemas/suggestions",
      summary: "Signatures for events that no schema is known of",
      permission: "schemas:read",
      class: "control",
      responses: { 200: { description: "Proposals", schema: suggestionReport }, ...OFF },
      handle: () =>
        json(
          observers.suggestions() ??
            off("schema discovery sampling disabled", "set schema.discover: true and restart"),
        ),
    }),
  ];
}

function off(message: string, hint: string): never {
  throw new ApiError(503, "disabled", message, { hint });
}
