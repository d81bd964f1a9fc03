/**
 * Routes about the agent as a whole: probes, metrics, status, version, configuration, log level and
 * audit trail.
 */
import { z } from "zod";
import { ApiError } from "./errors.ts";
import { durationParameter, jsonWithEtag, page, pageParameters, wholeNumber } from "./params.ts";
import { defineRoute, json, type Route } from "./route.ts";
import type { Services } from "./services.ts";
import {
  auditRow,
  configInfo,
  degradedReason,
  LOG_LEVELS,
  logLevelInfo,
  readinessReason,
  stats,
  status,
  versionInfo,
} from "./view.ts";

const readyAnswer = z.object({
  status: z.enum(["ready", "not_ready"]),
  rules_loaded: z.boolean(),
  reasons: z.array(readinessReason),
  degraded: z.array(degradedReason),
});

export function agentRoutes(services: Services): Route[] {
  const { view } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/healthz",
      summary: "Whether the process answers",
      class: "open",
      responses: { 200: { description: "It does", schema: z.object({ status: z.literal("ok") }) } },
      handle: () => json({ status: "ok" }),
    }),
    defineRoute({
      method: "GET",
      path: "/readyz",
      summary: "Whether the agent does its work, and why not",
      class: "open",
      responses: {
        200: {
          description: "Ready; `degraded` tells what is wrong all the same",
          schema: readyAnswer,
        },
        503: { description: "Not ready", schema: readyAnswer },
      },
      handle: () => {
        const { rules_loaded, reasons, degraded } = view.readiness();
        const codes = reasons.map(({ code }) => code);
        if (services.stopping() && !codes.includes("shutting_down")) codes.push("shutting_down");
        const ready = codes.length === 0;
        // Anybody may ask, so it is codes without the messages, which name files and sinks.
        return json({
          status: ready ? "ready" : "not_ready",
          rules_loaded,
          reasons: codes,
          degraded: [...new Set(degraded.map(({ code }) => code))],
        }, ready ? 200 : 503);
      },
    }),
    defineRoute({
      method: "GET",
      path: "/metrics",
      summary: "Metrics in the Prometheus text format",
      permission: "metrics:read",
      class: "control",
      responses: { 200: { description: "Text format 0.0.4", contentType: "text/plain" } },
      handle: async () => {
        const { exposition } = services;
        if (exposition === undefined) throw new ApiError(503, "disabled", "metrics disabled");
        return new Response(await exposition.metrics(), {
          headers: { "content-type": exposition.contentType },
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/status",
      summary: "Counts, readiness and the last reload",
      permission: "status:read",
      class: "control",
      responses: { 200: { description: "Status", schema: status } },
      handle: () => json(view.status()),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/version",
      summary: "What runs here",
      permission: "status:read",
      class: "control",
      responses: { 200: { description: "Version", schema: versionInfo } },
      handle: () => json(view.version()),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/stats",
      summary: "Rates, busiest rules, queues and memory",
      permission: "status:read",
      class: "control",
      responses: { 200: { description: "Statistics", schema: stats } },
      handle: () => json(view.stats()),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/config",
      summary: "The effective configuration without its secrets, and where each value comes from",
      permission: "config:read",
      class: "control",
      responses: {
        200: { description: "Configuration", schema: configInfo },
        304: { description: "Unchanged" },
      },
      handle: ({ request }) => jsonWithEtag(request, view.config()),
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/log-level",
      summary: "The log level in force",
      permission: "log-level:read",
      class: "control",
      responses: { 200: { description: "Log level", schema: logLevelInfo } },
      handle: () => json(view.logLevel()),
    }),
    defineRoute({
      method: "PUT",
      path: "/api/v1/log-level",
      summary: "Change the log level, for a while or until the next start",
      permission: "log-level:write",
      audited: true,
      class: "control",
      body: z.strictObject({
        level: z.enum(LOG_LEVELS),
        duration: durationParameter.optional(),
      }),
      responses: { 200: { description: "Log level", schema: logLevelInfo } },
      handle: ({ body }) => {
        const revert = body.duration === undefined ? undefined : Math.ceil(body.duration / 1000);
        return json(view.setLogLevel(body.level, revert));
      },
    }),
    auditRoute(services),
  ];
}

function auditRoute({ view }: Services): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/audit",
    summary: "Who changed what, newest first",
    permission: "audit:read",
    class: "control",
    query: z.object({
      ...pageParameters,
      since: wholeNumber.optional(),
      until: wholeNumber.optional(),
    }),
    responses: {
      200: {
        description: "`count` ignores limit and offset",
        schema: z.object({ count: z.int(), entries: z.array(auditRow) }),
      },
      503: { description: "No audit trail" },
    },
    handle: ({ query }) => {
      if (view.audit === undefined) {
        throw new ApiError(503, "disabled", "audit trail disabled", {
          hint: "it needs a state file and api.audit.enabled",
        });
      }
      const { since, until } = query;
      return json(view.audit.list({
        ...page(query),
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      }));
    },
  });
}
