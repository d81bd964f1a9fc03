/**
 * Why an outgoing HTTP request came to nothing.
 */
import { PicketError } from "../../event/errors.ts";

/** Why there was no answer. */
export type HttpFailure =
  /** The address, host, port or scheme is not one that the egress policy lets through. */
  | "HTTP_DENIED"
  /** The name has no address now, or no connection came about. */
  | "HTTP_CONNECT"
  /** No handshake: a certificate is not trusted, not for this name, or ours was refused. */
  | "HTTP_TLS"
  /** The proxy wants credentials, or does not want us. */
  | "HTTP_PROXY"
  | "HTTP_TIMEOUT"
  /** The answer was not HTTP, or ended too early. */
  | "HTTP_PROTOCOL"
  /** A redirect that is not followed. */
  | "HTTP_REDIRECT"
  /** The request cannot be written: its URL, method or a header is not valid. */
  | "HTTP_REQUEST"
  /** A setting is wrong or a file of the settings cannot be read. */
  | "HTTP_SETTINGS";

/** A request failed before there was an answer. Messages name the origin, never path or headers. */
export class HttpError extends PicketError {
  /** The class, also where it has been minified. */
  override readonly name = "HttpError";
  /** Why there was no answer. */
  readonly code: HttpFailure;

  /** Made by the HTTP client. */
  constructor(code: HttpFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export function causeText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" ? error.name : error.message;
}

/** The `code` that Node's errors carry. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
