/**
 * What a route is. One table of them gives the paths that are served, the permissions they need,
 * what is audited and the OpenAPI document.
 */
import type { z } from "zod";
import type { Connection, Identity } from "./auth.ts";
import { ApiError, type ApiErrorCode } from "./errors.ts";
import type { Permission } from "./permissions.ts";

/** Who asks, and how. */
export interface Caller {
  readonly identity: Identity;
  readonly connection: Connection;
  readonly requestId: string;
  /** Aborted when the client has gone or the time is up. */
  readonly signal: AbortSignal;
}

/** A request whose parameters have been checked. */
export interface ApiRequest<Query, Body> {
  readonly request: Request;
  readonly head: boolean;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Caller;
}

export interface RouteResponse {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Default `application/json`. */
  readonly contentType?: string;
}

interface RouteFacts {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/api/v1/rules/{id}` */
  readonly path: string;
  readonly summary: string;
  /** Absent for the routes that are open to everybody. */
  readonly permission?: Permission;
  /** Recorded in the audit trail. */
  readonly audited?: boolean;
  /**
   * `control`: limited to so many requests a second; `open`: not limited; `ingest`: limited by bytes,
   * and the handler reads the body itself; `stream`: as `control`, but without a time limit.
   */
  readonly class: "control" | "open" | "ingest" | "stream";
  readonly query?: z.ZodObject;
  /** JSON; without it a body is taken for the audit trail and ignored. */
  readonly body?: z.ZodType;
  readonly responses: Readonly<Record<number, RouteResponse>>;
}

export interface Route extends RouteFacts {
  readonly run: (request: ApiRequest<unknown, unknown>) => Response | Promise<Response>;
}

/**
 * Makes a route whose handler gets checked parameters.
 *
 * Its `run` throws {@link ApiError} 400 for parameters and bodies that do not fit the schemas.
 */
export function defineRoute<Query extends z.ZodObject, Body extends z.ZodType>(
  facts: RouteFacts & {
    readonly query?: Query;
    readonly body?: Body;
    readonly handle: (
      request: ApiRequest<z.output<Query>, z.output<Body>>,
    ) => Response | Promise<Response>;
  },
): Route {
  const { handle, ...rest } = facts;
  return {
    ...rest,
    run: (request) => {
      const query = check(facts.query, request.query, "invalid_parameter") as z.output<Query>;
      const body = check(facts.body, request.body, "invalid_body") as z.output<Body>;
      return handle({ ...request, query, body });
    },
  };
}

function check(schema: z.ZodType | undefined, value: unknown, code: ApiErrorCode): unknown {
  if (schema === undefined) return {};
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const name = issue.path.join(".") || "body";
  const given = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
  const shown = typeof given === "string" ? ` '${given.slice(0, 100)}'` : "";
  throw new ApiError(400, code, `invalid ${name}${shown} (${issue.message})`);
}

/** A JSON answer. */
export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return jsonText(JSON.stringify(value), status, headers);
}

/** The same for JSON that is text already. */
export function jsonText(
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
