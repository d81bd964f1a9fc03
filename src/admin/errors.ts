/**
 * Failures of the API: those that keep it from starting, and those that answer a request.
 */
import { PicketError } from "../event/errors.ts";

/** The API cannot start with these settings, or a file it needs cannot be used. */
export class AdminError extends PicketError {
  override readonly name = "AdminError";
  readonly code:
    | "ADMIN_ADDRESS"
    | "ADMIN_BIND"
    | "ADMIN_PLAINTEXT"
    | "ADMIN_TLS"
    | "ADMIN_AUTH"
    | "ADMIN_TOKENS";

  constructor(code: AdminError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The stable codes of error answers, `daemon.md` 19.2. */
export const API_ERROR_CODES = [
  "bad_request",
  "unauthorized",
  "forbidden",
  "bad_host",
  "bad_origin",
  "not_found",
  "method_not_allowed",
  "disabled",
  "invalid_parameter",
  "invalid_body",
  "body_too_large",
  "unsupported_encoding",
  "rate_limited",
  "conflict",
  "busy",
  "timeout",
  "unavailable",
  "internal",
] as const;
export type ApiErrorCode = typeof API_ERROR_CODES[number];

/** A request that is answered with an error; `facts` become members of the answer. */
export class ApiError extends PicketError {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ApiErrorCode,
    message: string,
    more: {
      readonly hint?: string;
      readonly facts?: Readonly<Record<string, unknown>>;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = more.hint;
    this.facts = more.facts ?? {};
    this.headers = more.headers ?? {};
  }
}

/** 400 for a query parameter. */
export function invalidParameter(message: string): ApiError {
  return new ApiError(400, "invalid_parameter", message);
}

/** 404 for a thing that a path names. */
export function notFound(what: string, id: string): ApiError {
  return new ApiError(404, "not_found", `no ${what} '${id}'`);
}
