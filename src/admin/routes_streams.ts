/**
 * Alerts and events as they come: recent alerts, the tail of alerts, the tap of events.
 *
 * @see daemon.md 3.18, 3.19 and 19.2, delivery.md 14
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { jsonText, parseJsonText } from "../event/json_text.ts";
import type { Alert } from "../runtime/alert.ts";
import { LEVELS } from "../sigma/rule.ts";
import { describeDuration } from "../runtime/duration.ts";
import { ApiError, invalidParameter } from "./errors.ts";
import { durationParameter, levelParameter, wholeNumber } from "./params.ts";
import { parseRedactPaths, redact } from "./redact.ts";
import { defineRoute, jsonText as jsonAnswer, type Route } from "./route.ts";
import type { Services } from "./services.ts";
import { type StreamFormat, type StreamItem, StreamSession } from "./stream.ts";
import type { TapEvent, TapStage } from "./view.ts";

const DEFAULT_BUFFER = 8192;
const DEFAULT_TAP_MS = 30_000;
const MAX_TAP_MS = 300_000;
const MAX_ALERTS = 1000;

const ruleParameter = z.string().max(500);
const alertFilter = { level: levelParameter.optional(), rule: ruleParameter.optional() };
type AlertFilter = {
  readonly level?: typeof LEVELS[number] | undefined;
  readonly rule?: string | undefined;
};

export function streamRoutes(services: Services): Route[] {
  return [alertsRoute(services), tailRoute(services), ...tapRoutes(services)];
}

/** Whether an alert is of the level or above, and its rule's title or id holds the text. */
function wants({ level, rule }: AlertFilter): (alert: Alert) => boolean {
  const text = rule?.trim().toLowerCase() ?? "";
  const lowest = level === undefined ? -1 : LEVELS.indexOf(level);
  return (alert) =>
    (lowest < 0 || (alert.level !== null && LEVELS.indexOf(alert.level) >= lowest)) &&
    (text === "" || alert.ruleTitle.toLowerCase().includes(text) ||
      (alert.ruleId?.toLowerCase().includes(text) ?? false));
}

function alertsRoute({ view }: Services): Route {
  return defineRoute({
    method: "GET",
    path: "/api/v1/alerts",
    summary: "Recent alerts, newest first; behind `after` oldest first",
    permission: "detections:read",
    class: "control",
    query: z.object({
      ...alertFilter,
      since: wholeNumber.optional(),
      after: wholeNumber.optional(),
      limit: wholeNumber.optional(),
    }),
    responses: {
      200: {
        description: "`count` is how many of the kept alerts fit",
        schema: z.object({
          count: z.int(),
          alerts: z.array(z.object({
            seq: z.int(),
            id: z.string(),
            kind: z.enum(["detection", "correlation", "gap"]),
            level: z.enum(LEVELS as readonly ["low", ...typeof LEVELS[number][]]).nullable(),
            rule_id: z.string().nullable(),
            rule_title: z.string(),
            source: z.string(),
            created: z.int(),
            event_time: z.int().nullable(),
            alert: z.record(z.string(), z.unknown()),
          })),
        }),
      },
    },
    handle: ({ query }) => {
      const { since, after } = query;
      const isWanted = wants(query);
      const found = view.recentAlerts().filter((alert) =>
        (since === undefined || alert.createdMs >= since * 1000) &&
        (after === undefined || alert.seq > after) && isWanted(alert)
      );
      const limit = Math.min(query.limit ?? 100, MAX_ALERTS);
      const shown = after === undefined
        ? found.slice(Math.max(0, found.length - limit)).reverse()
        : found.slice(0, limit);
      // Bodies go in as they are: parsing them would lose digits of large integers.
      return jsonAnswer(`{"count":${found.length},"alerts":[${shown.map(alertJson).join(",")}]}`);
    },
  });
}

function alertJson(alert: Alert): string {
  const head = JSON.stringify({
    seq: alert.seq,
    id: alert.id,
    kind: alert.kind,
    level: alert.level,
    rule_id: alert.ruleId,
    rule_title: alert.ruleTitle,
    source: alert.sourceId,
    created: Math.floor(alert.createdMs / 1000),
    event_time: alert.eventMs === undefined ? null : Math.floor(alert.eventMs / 1000),
  });
  return `${head.slice(0, -1)},"alert":${alert.body}}`;
}

function tailRoute(services: Services): Route {
  const { view, tail, tailSessions: sessions, metrics } = services;
  return defineRoute({
    method: "GET",
    path: "/api/v1/detections/stream",
    summary: "Alerts as they are committed, as NDJSON or server-sent events",
    permission: "detections:read",
    class: "stream",
    query: z.object({
      ...alertFilter,
      duration: durationParameter.optional(),
      limit: wholeNumber.optional(),
      after: wholeNumber.optional(),
    }),
    responses: {
      200: { description: "One alert a line, then a summary", contentType: "application/x-ndjson" },
      409: { description: "Too many sessions" },
      503: { description: "The tail is off" },
    },
    handle: ({ request, head, query, caller }) => {
      if (tail.enabled === false) {
        throw new ApiError(503, "disabled", "detection tail disabled", {
          hint: "set api.tail.enabled",
        });
      }
      const after = query.after ?? lastEventId(request);
      if (sessions.full) throw capacity("tail", tail.maxSessions ?? 2);
      const format = streamFormat(request);
      if (head) return streamAnswer(null, format);
      const session: StreamSession = new StreamSession({
        format,
        event: "alert",
        buffer: Math.max(1, tail.bufferEvents ?? DEFAULT_BUFFER),
        limit: query.limit,
        durationMs: query.duration,
        openingId: String(after ?? view.recentAlerts().at(-1)?.seq ?? 0),
        ...(services.heartbeatMs === undefined ? {} : { heartbeatMs: services.heartbeatMs }),
        summary: ({ sent, dropped }) =>
          JSON.stringify({ picket_tail_summary: { streamed: sent, dropped } }),
        onClose: ({ dropped }) => {
          unsubscribe();
          sessions.delete(session);
          metrics.onTailSession(-1);
          metrics.onTailDropped(dropped);
        },
      });
      const isWanted = wants(query);
      const item = (alert: Alert): StreamItem => ({ id: String(alert.seq), data: alert.body });
      // Nothing is committed between these two steps, so no alert is missed and none comes twice.
      if (after !== undefined) {
        for (const alert of view.recentAlerts()) {
          if (alert.seq > after && isWanted(alert)) session.offer(() => item(alert), true);
        }
      }
      const unsubscribe = view.onAlert((alert) => {
        if (isWanted(alert)) session.offer(() => item(alert));
      });
      sessions.add(session);
      metrics.onTailSession(1);
      caller.signal.addEventListener("abort", () => session.abandon(), { once: true });
      if (services.stopping()) session.stop();
      return streamAnswer(session, format);
    },
  });
}

function tapRoutes(services: Services): Route[] {
  const { view, tap, tapSessions: sessions, metrics } = services;
  const at = (path: string, summary: string): Route =>
    defineRoute({
      method: "GET",
      path,
      summary,
      permission: "tap:read",
      class: "stream",
      query: z.object({
        duration: durationParameter.optional(),
        limit: wholeNumber.optional(),
        stage: z.enum(["decoded", "raw"], { error: "expected 'decoded' or 'raw'" }).optional(),
        redact: z.string().max(4096).optional(),
      }),
      responses: {
        200: {
          description: "One event a line, then a summary",
          contentType: "application/x-ndjson",
        },
        409: { description: "Too many sessions" },
        503: { description: "The tap is off" },
      },
      handle: ({ request, head, query, caller }) => {
        if (tap.enabled !== true) {
          throw new ApiError(503, "disabled", "event tap disabled", {
            hint: "set tap.enabled in the configuration",
          });
        }
        const durationMs = query.duration ?? DEFAULT_TAP_MS;
        const maxMs = tap.maxDurationMs ?? MAX_TAP_MS;
        if (durationMs > maxMs) {
          throw invalidParameter(
            `duration ${describeDuration(durationMs)} exceeds the daemon's tap max_duration ` +
              describeDuration(maxMs),
          );
        }
        if (sessions.full) throw capacity("tap", tap.maxSessions ?? 2);
        const format = streamFormat(request);
        if (head) return streamAnswer(null, format);
        const stage = query.stage ?? "decoded";
        const paths = [...(tap.redact ?? []), ...parseRedactPaths(query.redact ?? "")];
        const session: StreamSession = new StreamSession({
          format,
          event: "event",
          buffer: Math.max(1, tap.bufferEvents ?? DEFAULT_BUFFER),
          limit: query.limit,
          durationMs,
          ...(services.heartbeatMs === undefined ? {} : { heartbeatMs: services.heartbeatMs }),
          summary: ({ sent, dropped, durationMs }) =>
            JSON.stringify({
              picket_tap_summary: { captured: sent, dropped, duration_ms: durationMs, stage },
            }),
          onClose: ({ sent, dropped }) => {
            unsubscribe();
            sessions.delete(session);
            metrics.onTapSession(-1);
            metrics.onTapStreamed(sent);
            metrics.onTapDropped(dropped);
          },
        });
        const render = tapRenderer(stage, paths);
        const unsubscribe = view.onEvent(stage, (event) => {
          if (session.open) session.offer(() => render(event));
        });
        sessions.add(session);
        metrics.onTapSession(1);
        caller.signal.addEventListener("abort", () => session.abandon(), { once: true });
        if (services.stopping()) session.stop();
        return streamAnswer(session, format);
      },
    });
  return [
    at("/api/v1/tap", "Events as they are evaluated, or lines as they are read"),
    at("/api/v1/events/stream", "The same as /api/v1/tap"),
  ];
}

/** `undefined` for what cannot be redacted, which is dropped rather than leaked. */
function tapRenderer(
  stage: TapStage,
  paths: readonly string[],
): (event: TapEvent) => StreamItem | undefined {
  const salt = randomBytes(16);
  return (event) => {
    const text = event.text();
    if (paths.length === 0) {
      // A record over several lines would pass for several events.
      return { data: stage === "raw" ? text.replaceAll(/\r?\n/g, "\\n") : text };
    }
    try {
      return { data: jsonText(redact(parseJsonText(text), paths, salt)) };
    } catch {
      return undefined;
    }
  };
}

function capacity(what: "tap" | "tail", max: number): ApiError {
  return new ApiError(409, "conflict", `${what} session capacity reached`, {
    hint: `at most ${max} sessions; end another one or raise api.${what}.max_sessions`,
  });
}

function streamFormat(request: Request): StreamFormat {
  return request.headers.get("accept")?.includes("text/event-stream") === true ? "sse" : "ndjson";
}

/** Whatever else a client sends, it has just not seen anything yet. */
function lastEventId(request: Request): number | undefined {
  const id = request.headers.get("last-event-id");
  return id !== null && /^\d{1,15}$/.test(id) ? Number(id) : undefined;
}

function streamAnswer(session: StreamSession | null, format: StreamFormat): Response {
  return new Response(session === null ? null : session.body(), {
    headers: {
      "content-type": format === "sse" ? "text/event-stream" : "application/x-ndjson",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    },
  });
}
