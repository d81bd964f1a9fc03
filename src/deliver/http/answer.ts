/**
 * What an answer, or the lack of one, means for the alerts that were sent.
 *
 * @see delivery.md, section 20.4
 */
import { DeliveryError, type DeliveryFailure } from "../../runtime/errors.ts";
import { causeText, HttpError, type HttpFailure } from "../../runtime/http/errors.ts";
import type { HttpResponse } from "../../runtime/http/client.ts";

/** A failure of one request. */
export interface Failed {
  readonly error: DeliveryError;
  /** Whether the next request would fail alike: then it is not made. */
  readonly stops: boolean;
}

/** Nobody is left alone for longer, whatever he asks for. */
const MAX_RETRY_AFTER_MS = 15 * 60_000;
/** As much of the far end's explanation as an error quotes. */
const MAX_QUOTE = 200;

export interface AnswerContext {
  /** What errors begin with: `webhook hub`. */
  readonly label: string;
  readonly expectStatus: readonly number[];
  /** The method that was asked for; a redirect may have changed it. */
  readonly method: string;
  readonly nowMs: number;
}

/** @returns `undefined` if the far end has the alerts. */
export function judgeResponse(response: HttpResponse, context: AnswerContext): Failed | undefined {
  const { status } = response;
  if (response.method !== context.method) {
    const message = `redirected to ${place(response.url)}, which makes the ${context.method} a ` +
      `${response.method} without the alerts; set the URL to where the far end takes them`;
    return failed(context.label, "config", message, false);
  }
  if ((status >= 200 && status < 300) || context.expectStatus.includes(status)) return undefined;
  const named = `HTTP ${status}`;
  if (status >= 300 && status < 400) {
    const to = URL.parse(response.headers.location ?? "", response.url);
    const target = to === null ? "" : ` to ${place(to)}`;
    return failed(context.label, "config", `${named}: redirected${target}, not followed`, false);
  }
  if (status === 401 || status === 403 || status === 407) {
    return failed(context.label, "auth", named, true);
  }
  if (status === 404 || status === 405 || status === 410) {
    return failed(context.label, "config", named, false);
  }
  const isAsked = status === 408 || status === 425 || status === 429 || status >= 500;
  if (isAsked || status < 200) {
    const retryAfterMs = parseRetryAfter(response.headers["retry-after"], context.nowMs);
    const stops = status === 429 || status === 503 || retryAfterMs !== undefined;
    return failed(context.label, "transient", named, stops, { retryAfterMs });
  }
  if (status === 400 || status === 413 || status === 422) {
    return failed(context.label, "poison", named + quote(response.body), false);
  }
  // Other 4xx say that the request as such is wrong, which no single alert can be blamed for.
  return failed(context.label, "config", named + quote(response.body), false);
}

const FAILURES: Readonly<Record<HttpFailure, DeliveryFailure>> = {
  HTTP_DENIED: "config",
  HTTP_CONNECT: "transient",
  HTTP_TLS: "auth",
  HTTP_PROXY: "auth",
  HTTP_TIMEOUT: "transient",
  HTTP_PROTOCOL: "transient",
  HTTP_REDIRECT: "config",
  HTTP_REQUEST: "poison",
  HTTP_SETTINGS: "config",
};

/** What was thrown instead of an answer; anything unknown passes through. */
export function judgeError(error: unknown, label: string): Failed {
  if (!(error instanceof HttpError)) throw error;
  const failure = FAILURES[error.code];
  const message = failure === "poison" ? error.message : `request error: ${causeText(error)}`;
  const stops = failure !== "poison" && error.code !== "HTTP_REDIRECT";
  return failed(label, failure, message, stops, { cause: error });
}

export function failed(
  label: string,
  failure: DeliveryFailure,
  message: string,
  stops: boolean,
  options: {
    readonly retryAfterMs?: number | undefined;
    readonly isFinal?: boolean;
    readonly cause?: unknown;
  } = {},
): Failed {
  return { error: new DeliveryError(failure, `${label}: ${message}`, options), stops };
}

/**
 * The milliseconds that `Retry-After` asks for, as seconds or as an HTTP date; at most 15 minutes.
 *
 * @returns `undefined` without the header and for anything else in it.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  // `Date.parse` reads much that is no date; all three forms of HTTP begin with the weekday.
  if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  const atMs = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
  if (!Number.isFinite(atMs)) return undefined;
  return Math.min(Math.max(0, atMs - nowMs), MAX_RETRY_AFTER_MS);
}

/** A URL without what could be a secret in it. */
function place(url: URL): string {
  return `${url.origin}${url.pathname}`.slice(0, MAX_QUOTE);
}

function quote(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, 4 * MAX_QUOTE))
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f-\x9f\s]+/g, " ").trim();
  if (text === "") return "";
  return `: ${text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text}`;
}
