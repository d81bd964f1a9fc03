/**
 * What a failure of the NATS client means for whoever wanted something of the server.
 */
import {
  AuthorizationError,
  InvalidArgumentError,
  NoRespondersError,
  PermissionViolationError,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { JetStreamApiError } from "@nats-io/jetstream";
import { DeliveryError, type DeliveryFailure } from "../errors.ts";

/** Longest chain of causes that is followed. */
const MAX_CAUSES = 8;

/** `err_code` of the JetStream API, server's `errors.json`. What is not listed may pass with time. */
const API_FAILURES: ReadonlyMap<number, DeliveryFailure> = new Map([
  [10039, "config"], // JetStream not enabled for the account.
  [10076, "config"], // JetStream not enabled.
  [10059, "config"], // Stream not found.
  [10060, "config"], // The stream is not the expected one.
  [10053, "config"], // Stream is sealed.
  [10054, "poison"], // Message larger than the stream takes.
  [10079, "poison"], // Stream names or headers that do not fit.
  [10097, "poison"], // Headers larger than the store takes.
]);

const TLS_CODE =
  /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|EPROTO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE)/;
/** Deno's TLS has no such codes; alerts of the peer come as text everywhere. */
const TLS_TEXT =
  /peer certificate|unknown ?issuer|unknown ca|bad certificate|certificate (?:required|expired|verify|has expired)|handshake fail|alert number|received fatal alert/i;
const NOT_TLS =
  /does not support 'tls'|is not available on this server|unexpected response from server/;

/** `error` and its causes, outermost first. */
export function causes(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  let one = error;
  while (one !== undefined && one !== null && chain.length < MAX_CAUSES && !chain.includes(one)) {
    chain.push(one);
    one = one instanceof Error ? one.cause : undefined;
  }
  return chain;
}

/** Nobody listens on the subject: no stream has it, or its leader is being chosen. */
export function isNoResponders(error: unknown): boolean {
  return causes(error).some((one) => one instanceof NoRespondersError);
}

/** The `err_code` of a JetStream API error, 0 for other errors. */
export function apiCode(error: unknown): number {
  for (const one of causes(error)) if (one instanceof JetStreamApiError) return one.code;
  return 0;
}

/** The JetStream API found fault with the request itself, so asking again gives the same. */
export function isApiRefusal(error: unknown): boolean {
  return causes(error).some((one) => one instanceof JetStreamApiError && one.status === 400);
}

/**
 * The class of a failure; unknown ones are `transient`, so nothing is given up for a guess.
 *
 * @see spec/delivery.md, section 20.4
 */
export function natsFailure(error: unknown): DeliveryFailure {
  for (const one of causes(error)) {
    if (one instanceof DeliveryError) return one.failure;
    if (
      one instanceof AuthorizationError || one instanceof UserAuthenticationExpiredError ||
      one instanceof PermissionViolationError
    ) return "auth";
    if (one instanceof NoRespondersError) return "config";
    if (one instanceof JetStreamApiError) return API_FAILURES.get(one.code) ?? "transient";
    if (one instanceof InvalidArgumentError && one.message.includes("max_payload")) return "poison";
    if (!(one instanceof Error)) continue;
    if (NOT_TLS.test(one.message)) return "config";
    const code = (one as { readonly code?: unknown }).code;
    if ((typeof code === "string" && TLS_CODE.test(code)) || TLS_TEXT.test(one.message)) {
      return "auth";
    }
  }
  return "transient";
}

/** What happened in words, the cause included where it says more. */
export function describeFailure(error: unknown): string {
  const words: string[] = [];
  for (const one of causes(error)) {
    const text = one instanceof Error ? one.message : String(one);
    if (text !== "" && !words.some((word) => word.includes(text))) words.push(text);
  }
  return words.length === 0 ? "connection closed" : words.join(": ");
}
