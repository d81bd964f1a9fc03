/**
 * Who may send to the listeners of OTLP: whoever has a token of the API with `events:ingest`.
 */
import type { AdminMetrics } from "../admin_metrics.ts";
import { Authenticator, bearer } from "../auth.ts";
import { Lockout } from "../rate_limit.ts";
import { GRPC, type OtlpGuard, refusal } from "./export.ts";

const PERMISSION = "events:ingest";

export interface GuardOptions {
  readonly auth: Authenticator;
  readonly metrics: AdminMetrics;
  /** Wrong tokens of a peer in a minute before it is locked out, and for how long. */
  readonly authFailuresPerMinute: number;
  readonly lockoutMs: number;
  /** Unix milliseconds. */
  readonly now?: () => number;
}

/** Lets everybody in: for listeners that only this machine can reach. */
export const openGuard: OtlpGuard = () => undefined;

/** Wants a token, and locks out whoever guesses. */
export function tokenGuard(options: GuardOptions): OtlpGuard {
  const { auth, metrics, now = Date.now } = options;
  const lockout = new Lockout(options.authFailuresPerMinute, 60_000, options.lockoutMs);
  return (authorization, connection) => {
    const token = bearer(authorization);
    const locked = token === undefined ? 0 : lockout.remainingMs(connection.peer, now());
    // As in the API: who knows a generated token has not guessed it.
    if (locked > 0 && !Authenticator.isGenerated(token!)) {
      metrics.onApiRateLimited("lockout");
      const seconds = Math.ceil(locked / 1000);
      return refusal(
        "unauthorized",
        "too many failed authentications",
        429,
        GRPC.unavailable,
        seconds,
      );
    }
    const decision = auth.decide(authorization, PERMISSION, connection);
    switch (decision.kind) {
      case "allowed":
        return undefined;
      case "unauthorized":
        metrics.onApiAuthFailure("unauthorized");
        if (decision.presented) lockout.fail(connection.peer, now());
        return refusal(
          "unauthorized",
          "missing or invalid bearer token",
          401,
          GRPC.unauthenticated,
        );
      case "forbidden":
        metrics.onApiAuthFailure("forbidden");
        return refusal(
          "forbidden",
          `token lacks required permission '${PERMISSION}'`,
          403,
          GRPC.permissionDenied,
        );
    }
  };
}
