/**
 * A listener that takes nothing but `POST /v1/logs`, where exporters expect it.
 */
import { Hono } from "hono";
import type { OtlpReceiver } from "../../ingest/otlp.ts";
import type { AdminMetrics } from "../admin_metrics.ts";
import type { AdminEnv } from "../app.ts";
import type { Connection } from "../auth.ts";
import { ApiError } from "../errors.ts";
import { checkHost, checkOrigin } from "../guard.ts";
import { type AdminServer, serveAdmin, type ServeOptions } from "../serve.ts";
import { countAnswer, GRPC, type OtlpGuard, refusal } from "./export.ts";
import { answerHttpExport, encodingOf, httpAnswer } from "./http_export.ts";

const UNKNOWN: Connection = { peer: "unknown", local: undefined, transport: "tcp" };

export interface OtlpListenerOptions extends ServeOptions {
  readonly receiver: OtlpReceiver;
  readonly guard: OtlpGuard;
  readonly metrics: AdminMetrics;
  /** Names that the `Host` header may have beside `localhost` and the bound address. */
  readonly allowedHosts?: readonly string[];
  readonly warn: (message: string) => void;
}

/**
 * Starts listening.
 *
 * @throws {AdminError} `ADMIN_ADDRESS`, `ADMIN_PLAINTEXT`, `ADMIN_TLS` or `ADMIN_BIND`.
 */
export async function listenHttp(options: OtlpListenerOptions): Promise<AdminServer> {
  const { metrics, warn } = options;
  const hono = new Hono<AdminEnv>({ strict: true });
  hono.post("/v1/logs", (context) => {
    const connection = context.env?.connection ?? UNKNOWN;
    return answer(options, context.req.raw, connection);
  });
  hono.all("/v1/logs", () => errorResponse(405, "POST log records here", { allow: "POST" }));
  hono.notFound(() => errorResponse(404, "no such path: logs are taken at /v1/logs"));
  hono.onError((error) => {
    warn(`a request of OTLP failed: ${error instanceof Error ? error.stack : error}`);
    return errorResponse(500, "the request failed");
  });
  const app = { hono, metrics, warn, stop: () => {}, auth: { [Symbol.dispose]: () => {} } };
  return await serveAdmin(app, options);
}

async function answer(
  { receiver, guard, metrics, allowedHosts = [] }: OtlpListenerOptions,
  request: Request,
  connection: Connection,
): Promise<Response> {
  const { headers } = request;
  const encoding = encodingOf(headers.get("content-type")) ?? "json";
  try {
    // A page on the internet can make a browser send a body without a type, which would be taken.
    checkHost(headers.get("host") ?? undefined, connection, allowedHosts);
    checkOrigin(headers);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const refused = refusal("bad_host", error.message, error.status, GRPC.permissionDenied);
    countAnswer(refused, "http", metrics);
    return httpAnswer(refused, encoding);
  }
  const denied = guard(headers.get("authorization") ?? undefined, connection);
  if (denied !== undefined) {
    countAnswer(denied, "http", metrics);
    return httpAnswer(denied, encoding);
  }
  try {
    return await answerHttpExport(receiver, request, metrics, request.signal);
  } catch (error) {
    if (request.signal.aborted) return errorResponse(408, "the client has gone");
    throw error;
  }
}

function errorResponse(
  status: number,
  error: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify({ error }), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
