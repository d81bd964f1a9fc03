/**
 * The admin API as a Hono application: what every request goes through, around the route table.
 *
 * In this order: request id, Host, Origin, route, lockout, rate, token, permission, body, handler,
 * audit. Whatever goes wrong, the answer is JSON with `error`, `code` and `request_id`.
 */
import { createHash, randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { type AdminMetrics, type Exposition, noopAdminMetrics } from "./admin_metrics.ts";
import { AuditTrail } from "./audit.ts";
import {
  type AuthDecision,
  Authenticator,
  type AuthSettings,
  bearer,
  type Connection,
  type Identity,
} from "./auth.ts";
import { decodeUtf8, readBody } from "./body.ts";
import { ApiError } from "./errors.ts";
import { checkHost, checkOrigin } from "./guard.ts";
import { openApiDocument } from "./openapi.ts";
import { Lockout, RateLimiter } from "./rate_limit.ts";
import { type Caller, defineRoute, json, type Route } from "./route.ts";
import { agentRoutes } from "./routes_agent.ts";
import { ingestRoute } from "./routes_ingest.ts";
import { inputAndSinkRoutes } from "./routes_io.ts";
import { otlpRoute } from "./routes_otlp.ts";
import { observerRoutes } from "./routes_observers.ts";
import { ruleRoutes } from "./routes_rules.ts";
import { streamRoutes } from "./routes_streams.ts";
import {
  type ApiLimits,
  DEFAULT_LIMITS,
  type Services,
  type TailSettings,
  type TapSettings,
} from "./services.ts";
import { Sessions } from "./stream.ts";
import type { AgentView, NewAuditRow } from "./view.ts";

export interface AdminOptions {
  readonly auth?: AuthSettings;
  /** Names that the `Host` header may have beside `localhost` and the bound address. */
  readonly allowedHosts?: readonly string[];
  readonly limits?: Partial<ApiLimits>;
  readonly tap?: TapSettings;
  readonly tail?: TailSettings;
  readonly metrics?: AdminMetrics;
  /** What `GET /metrics` answers with; 503 without. */
  readonly exposition?: Exposition;
  /** Gets what is asked below `/ui`, as `/` and so on; it needs no token and gives no permission. */
  readonly ui?: Hono;
  /** Takes what an operator should know; no secrets in it. */
  readonly warn?: (message: string) => void;
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** For tests. */
  readonly heartbeatMs?: number;
}

/** What a request to the application comes with. */
export type AdminEnv = {
  Bindings: { readonly connection?: Connection };
  Variables: { requestId: string; route: string };
};

export interface AdminApp {
  readonly hono: Hono<AdminEnv>;
  readonly routes: readonly Route[];
  readonly auth: Authenticator;
  readonly metrics: AdminMetrics;
  readonly warn: (message: string) => void;
  /** Ends open streams with their summary, and makes new ones end at once. */
  stop(): void;
}

const UNKNOWN: Connection = { peer: "unknown", local: undefined, transport: "tcp" };
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Makes the application.
 *
 * @throws {AdminError} For settings of authentication that cannot be used.
 */
export function createAdminApp(view: AgentView, options: AdminOptions = {}): AdminApp {
  const now = options.now ?? Date.now;
  const warn = options.warn ?? (() => {});
  const metrics = options.metrics ?? noopAdminMetrics;
  let stopping = false;
  const services: Services = {
    view,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    metrics,
    exposition: options.exposition,
    tap: options.tap ?? {},
    tail: options.tail ?? {},
    tapSessions: new Sessions(options.tap?.maxSessions ?? 2),
    tailSessions: new Sessions(options.tail?.maxSessions ?? 2),
    now,
    heartbeatMs: options.heartbeatMs,
    stopping: () => stopping,
  };
  const auth = new Authenticator(options.auth ?? {}, now, warn);
  const routes = makeRoutes(services);
  const gate = new Gate(services, auth, warn);
  const hono = new Hono<AdminEnv>({ strict: true });

  hono.use("*", async (context, next) => {
    const started = performance.now();
    context.set("route", "unmatched");
    const id = requestId(context.req.header("x-request-id"));
    context.set("requestId", id);
    context.header("x-request-id", id);
    context.header("x-content-type-options", "nosniff");
    context.header("cross-origin-resource-policy", "same-origin");
    context.header("cache-control", "no-store");
    const connection = context.env?.connection ?? UNKNOWN;
    const host = context.req.header("host") ?? new URL(context.req.url).host;
    checkHost(host, connection, options.allowedHosts ?? []);
    if (!isSafe(context.req.method)) checkOrigin(context.req.raw.headers);
    await next();
    const route = context.get("route");
    const method = METHODS.has(context.req.method) ? context.req.method : "other";
    metrics.onApiRequest(route, method, context.res.status, (performance.now() - started) / 1000);
  });
  for (const route of routes) {
    hono.on(route.method, honoPath(route.path), (context) => {
      context.set("route", route.path);
      return gate.serve(route, context);
    });
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const allow = allowedMethods(routes.filter((route) => route.path === path));
    hono.all(honoPath(path), (context) => {
      context.set("route", path);
      throw new ApiError(405, "method_not_allowed", `${context.req.method} is not allowed here`, {
        headers: { allow },
      });
    });
  }
  if (options.ui !== undefined) {
    const { ui } = options;
    // Before the pattern, which matches `/ui` as well.
    for (const path of ["/", "/ui"]) hono.get(path, (context) => context.redirect("/ui/"));
    hono.all("/ui/*", (context) => {
      context.set("route", "ui");
      const url = new URL(context.req.url);
      url.pathname = url.pathname.slice("/ui".length);
      return ui.fetch(new Request(url, context.req.raw));
    });
  }
  hono.notFound((context) =>
    errorAnswer(
      context,
      new ApiError(404, "not_found", "no such path", {
        hint: "see /api/v1/openapi.json",
      }),
    )
  );
  hono.onError((error, context) => {
    if (error instanceof ApiError) return errorAnswer(context, error);
    if (context.req.raw.signal.aborted) {
      return errorAnswer(context, new ApiError(408, "timeout", "the client has gone"));
    }
    warn(`request ${idOf(context)} failed: ${error instanceof Error ? error.stack : error}`);
    return errorAnswer(
      context,
      new ApiError(500, "internal", "the request failed", {
        hint: "the log has the reason, under the request id",
      }),
    );
  });
  return {
    hono,
    routes,
    auth,
    metrics,
    warn,
    stop: () => {
      stopping = true;
      services.tapSessions.stopAll();
      services.tailSessions.stopAll();
    },
  };
}

function makeRoutes(services: Services): readonly Route[] {
  const routes: Route[] = [
    ...agentRoutes(services),
    ...ruleRoutes(services),
    ingestRoute(services),
    otlpRoute(services),
    ...inputAndSinkRoutes(services),
    ...observerRoutes(services),
    ...streamRoutes(services),
  ];
  let document: unknown;
  routes.push(defineRoute({
    method: "GET",
    path: "/api/v1/openapi.json",
    summary: "This description",
    permission: "status:read",
    class: "control",
    responses: { 200: { description: "OpenAPI 3.1", contentType: "application/json" } },
    handle: () => json(document ??= openApiDocument(routes, services.view.version().version)),
  }));
  return routes;
}

/** What stands between a request and its handler. */
class Gate {
  readonly #services: Services;
  readonly #auth: Authenticator;
  readonly #peers: RateLimiter;
  readonly #identities: RateLimiter;
  readonly #lockout: Lockout;
  readonly #trail: AuditTrail | undefined;

  constructor(services: Services, auth: Authenticator, warn: (message: string) => void) {
    const { limits, view, metrics } = services;
    this.#services = services;
    this.#auth = auth;
    this.#peers = new RateLimiter(limits.requestsPerSecond, limits.requestBurst);
    this.#identities = new RateLimiter(limits.requestsPerSecond, limits.requestBurst);
    this.#lockout = new Lockout(limits.authFailuresPerMinute, 60_000, limits.lockoutMs);
    this.#trail = view.audit === undefined ? undefined : new AuditTrail(view.audit, metrics, warn);
  }

  async serve(route: Route, context: Context<AdminEnv>): Promise<Response> {
    const connection = context.env?.connection ?? UNKNOWN;
    const identity = this.#admit(route, context, connection);
    const started = performance.now();
    let digest: string | null = null;
    let status = 500;
    try {
      const response = await this.#run(route, context, { connection, identity }, (bytes) => {
        digest = bytes.length === 0 ? null : createHash("sha256").update(bytes).digest("hex");
      });
      status = response.status;
      return response;
    } catch (error) {
      if (error instanceof ApiError) status = error.status;
      if (status === 413) digest = null;
      throw error;
    } finally {
      if (route.audited === true) {
        this.#trail?.record({
          ...this.#facts(route, context, connection),
          actor_kind: identity.kind,
          token: identity.name,
          payload_digest: digest,
          status,
          duration_ms: Math.round(performance.now() - started),
        });
      }
    }
  }

  /** Lockout, rate, token and permission. */
  #admit(route: Route, context: Context<AdminEnv>, connection: Connection): Identity {
    const { now, metrics } = this.#services;
    const header = context.req.header("authorization");
    if (route.permission === undefined) {
      return decided(this.#auth.decide(header, undefined, connection));
    }
    const token = bearer(header);
    // Who knows a generated token has not guessed it; locking it out would let any local user keep
    // the administrator away.
    const locked = token === undefined ? 0 : this.#lockout.remainingMs(connection.peer, now());
    if (locked > 0 && !Authenticator.isGenerated(token!)) {
      metrics.onApiRateLimited("lockout");
      throw tooMany("too many failed authentications", locked);
    }
    const decision = this.#auth.decide(header, route.permission, connection);
    if (route.class !== "ingest" || decision.kind !== "allowed") {
      // Tokens have buckets of their own: a flood without one must not keep the administrator away.
      const name = decision.kind === "unauthorized" ? null : decision.identity.name;
      if (name === null) this.#limit(this.#peers, connection.peer, "peer");
      else this.#limit(this.#identities, name, "identity");
    }
    switch (decision.kind) {
      case "allowed":
        return decision.identity;
      case "unauthorized":
        metrics.onApiAuthFailure("unauthorized");
        if (decision.presented) this.#lockout.fail(connection.peer, now());
        this.#trail?.recordFailure({
          ...this.#facts(route, context, connection),
          actor_kind: "unauthenticated",
          token: null,
          payload_digest: null,
          status: 401,
          duration_ms: 0,
        });
        throw new ApiError(401, "unauthorized", "missing or invalid bearer token", {
          hint: "make one with: picket token create NAME --role admin",
          headers: { "www-authenticate": "Bearer" },
        });
      case "forbidden":
        metrics.onApiAuthFailure("forbidden");
        throw new ApiError(
          403,
          "forbidden",
          `token lacks required permission '${route.permission}'`,
        );
    }
  }

  #limit(limiter: RateLimiter, key: string, kind: "peer" | "identity"): void {
    const waitMs = limiter.take(key, this.#services.now());
    if (waitMs === 0) return;
    this.#services.metrics.onApiRateLimited(kind);
    throw tooMany("too many requests", waitMs);
  }

  async #run(
    route: Route,
    context: Context<AdminEnv>,
    who: Omit<Caller, "requestId" | "signal">,
    onBody: (bytes: Uint8Array) => void,
  ): Promise<Response> {
    const { limits } = this.#services;
    const gone = context.req.raw.signal;
    const expired = new AbortController();
    const late = new ApiError(503, "timeout", "the request took too long");
    const timer = route.class === "stream"
      ? undefined
      : setTimeout(() => expired.abort(late), limits.requestTimeoutMs);
    const signal = AbortSignal.any([gone, expired.signal]);
    const work = async (): Promise<Response> => {
      const request = context.req.raw;
      let body: unknown;
      if (route.method !== "GET" && route.class !== "ingest") {
        const bytes = await readBody(request, limits.bodyBytes, signal);
        onBody(bytes);
        if (route.body !== undefined) body = parseJson(bytes);
      }
      return await route.run({
        request,
        head: context.req.method === "HEAD",
        params: context.req.param() as Record<string, string>,
        query: context.req.query(),
        body,
        caller: { ...who, requestId: idOf(context), signal },
      });
    };
    try {
      return await Promise.race([work(), rejection(expired.signal)]);
    } finally {
      clearTimeout(timer);
    }
  }

  #facts(
    route: Route,
    context: Context<AdminEnv>,
    connection: Connection,
  ): Pick<NewAuditRow, "ts" | "method" | "endpoint" | "path" | "peer" | "request_id"> {
    return {
      ts: Math.floor(this.#services.now() / 1000),
      method: context.req.method,
      endpoint: route.path,
      path: context.req.path.slice(0, 1024),
      peer: connection.peer,
      request_id: idOf(context),
    };
  }
}

function decided(decision: AuthDecision): Identity {
  if (decision.kind !== "allowed") throw new Error("routes without a permission are open");
  return decision.identity;
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

function tooMany(message: string, waitMs: number): ApiError {
  return new ApiError(429, "rate_limited", message, {
    headers: { "retry-after": String(Math.ceil(waitMs / 1000)) },
  });
}

function parseJson(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "invalid_body", "the body is not JSON");
  }
}

function isSafe(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** `/rules/{id}` as Hono writes it. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function allowedMethods(routes: readonly Route[]): string {
  return routes.flatMap(({ method }) => method === "GET" ? ["GET", "HEAD"] : [method]).join(", ");
}

function requestId(given: string | undefined): string {
  return given !== undefined && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
}

function idOf(context: Context<AdminEnv>): string {
  return context.get("requestId") ?? "unknown";
}

function errorAnswer(context: Context<AdminEnv>, error: ApiError): Response {
  const body = {
    error: error.message,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...error.facts,
    request_id: idOf(context),
  };
  for (const [name, value] of Object.entries(error.headers)) context.header(name, value);
  return context.body(JSON.stringify(body), error.status as 400, {
    "content-type": "application/json",
  });
}
