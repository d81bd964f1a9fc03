/**
 * `POST /v1/logs`: log records of exporters and collectors, by the API's own listener.
 *
 * @see daemon.md 3.21, delivery.md 3.7
 */
import { ApiError } from "./errors.ts";
import { countAnswer, GRPC, refusal } from "./otlp/export.ts";
import { answerHttpExport, encodingOf, httpAnswer } from "./otlp/http_export.ts";
import { RateLimiter } from "./rate_limit.ts";
import { defineRoute, type Route } from "./route.ts";
import type { Services } from "./services.ts";

export function otlpRoute(services: Services): Route {
  const { limits, metrics, now, view } = services;
  const bytes = new RateLimiter(limits.ingestBytesPerSecond, limits.ingestBurstBytes);
  return defineRoute({
    method: "POST",
    path: "/v1/logs",
    summary: "Give log records by OTLP to the input of type otlp",
    permission: "events:ingest",
    class: "ingest",
    responses: {
      200: { description: "ExportLogsServiceResponse in the request's encoding" },
      400: { description: "The body cannot be unpacked or decoded" },
      404: { description: "There is no input of type otlp" },
      413: { description: "The body is too large" },
      415: { description: "Neither Protocol Buffers nor JSON" },
      429: { description: "No room; nothing was taken" },
      503: { description: "The agent is stopping" },
    },
    handle: async ({ request, caller }) => {
      const receiver = view.otlp?.();
      if (receiver === undefined) {
        throw new ApiError(404, "disabled", "OTLP is not enabled", {
          hint: "add an input of type otlp to the configuration",
        });
      }
      const who = caller.identity.name ?? caller.connection.peer;
      // By the length on the wire: what it unpacks to is bounded for each request. One that is not
      // told beforehand is paid off before the next request.
      const told = Number(request.headers.get("content-length") ?? 0);
      const waitMs = bytes.take(who, now(), told);
      if (waitMs > 0) {
        metrics.onApiRateLimited("ingest");
        const seconds = Math.ceil(waitMs / 1000);
        const refused = refusal(
          "busy",
          "too many bytes a second",
          429,
          GRPC.unavailable,
          seconds,
        );
        countAnswer(refused, "http", metrics);
        return httpAnswer(refused, encodingOf(request.headers.get("content-type")) ?? "json");
      }
      return await answerHttpExport(
        receiver,
        request,
        metrics,
        caller.signal,
        (read) => bytes.charge(who, Math.max(0, read - told)),
      );
    },
  });
}
