/**
 * Routes about inputs and sinks.
 */
import { z } from "zod";
import { notFound } from "./errors.ts";
import { page, paged, pageOf, pageParameters } from "./params.ts";
import { defineRoute, json, type Route } from "./route.ts";
import type { Services } from "./services.ts";
import { inputInfo, sinkInfo } from "./view.ts";

export function inputAndSinkRoutes({ view }: Services): Route[] {
  const change = (action: "pause" | "resume", summary: string): Route =>
    defineRoute({
      method: "POST",
      path: `/api/v1/inputs/{id}/${action}`,
      summary,
      permission: "inputs:write",
      audited: true,
      class: "control",
      responses: {
        200: { description: "The input afterwards", schema: inputInfo },
        404: { description: "No such input" },
      },
      handle: ({ params }) => {
        const id = params["id"]!;
        const input = action === "pause" ? view.pauseInput(id) : view.resumeInput(id);
        if (input === undefined) throw notFound("input", id);
        return json(input);
      },
    });
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/inputs",
      summary: "Where events come from",
      permission: "inputs:read",
      class: "control",
      query: z.object(pageParameters),
      responses: { 200: { description: "Inputs", schema: z.object(pageOf(inputInfo)) } },
      handle: ({ query }) => json(paged(view.inputs(), page(query))),
    }),
    change("pause", "Stop reading an input; nothing is lost that can be read later"),
    change("resume", "Read an input again"),
    defineRoute({
      method: "GET",
      path: "/api/v1/sinks",
      summary: "Where alerts go, and how many wait",
      permission: "sinks:read",
      class: "control",
      query: z.object(pageParameters),
      responses: { 200: { description: "Sinks", schema: z.object(pageOf(sinkInfo)) } },
      handle: ({ query }) => json(paged(view.sinks(), page(query))),
    }),
    defineRoute({
      method: "POST",
      path: "/api/v1/sinks/{id}/retry",
      summary: "Make a sink try again now",
      permission: "sinks:write",
      audited: true,
      class: "control",
      responses: {
        200: { description: "The sink afterwards", schema: sinkInfo },
        404: { description: "No such sink" },
      },
      handle: ({ params }) => {
        const sink = view.retrySink(params["id"]!);
        if (sink === undefined) throw notFound("sink", params["id"]!);
        return json(sink);
      },
    }),
  ];
}
