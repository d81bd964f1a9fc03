/**
 * What becomes of one `Export` of logs, whatever it came by: HTTP, gRPC, the admin API.
 *
 * @see delivery.md 3.7, daemon.md 3.21
 */
import { OtlpError } from "../../decode/otlp/errors.ts";
import type { OtlpEncoding, OtlpReceiver } from "../../ingest/otlp.ts";
import { withDeadline } from "../../runtime/http/deadline.ts";
import type { AdminMetrics } from "../admin_metrics.ts";
import type { Connection } from "../auth.ts";
import { ApiError } from "../errors.ts";

/** Codes of gRPC, which answers over HTTP carry as well. */
export const GRPC = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type OtlpTransport = "http" | "grpc";

/** Why a request was refused, as `otlp_errors_total` labels it. */
export type OtlpRefusalReason =
  | "unsupported_content_type"
  | "unsupported_encoding"
  | "decompression"
  | "decode"
  | "too_large"
  | "busy"
  | "channel_closed"
  | "timeout"
  | "unauthorized"
  | "forbidden"
  | "bad_host"
  | "internal";

/** A request of which nothing was taken, or not all of it. */
export interface OtlpRefusal {
  readonly kind: "refused";
  readonly reason: OtlpRefusalReason;
  readonly message: string;
  readonly httpStatus: number;
  readonly grpcStatus: number;
  /** When to come again; absent where that would not help. */
  readonly retryAfterSeconds?: number;
}

export type OtlpAnswer =
  | {
    readonly kind: "taken";
    /** Records that must not be sent again, and why. */
    readonly rejected: number;
    readonly message: string;
  }
  | OtlpRefusal;

/** Whether the sender may: `undefined` if so. */
export type OtlpGuard = (
  authorization: string | undefined,
  connection: Connection,
) => OtlpRefusal | undefined;

export function refusal(
  reason: OtlpRefusalReason,
  message: string,
  httpStatus: number,
  grpcStatus: number,
  retryAfterSeconds?: number,
): OtlpRefusal {
  const refused = { kind: "refused", reason, message, httpStatus, grpcStatus } as const;
  return retryAfterSeconds === undefined ? refused : { ...refused, retryAfterSeconds };
}

/** How long a sender may take to send a body that was let in. */
const LOAD_TIMEOUT_MS = 10_000;
/** Of a whole request; a commit that takes longer has stalled. */
const REQUEST_TIMEOUT_MS = 30_000;
const RETRY_AFTER_SECONDS = 1;

export interface ExportRequest {
  readonly transport: OtlpTransport;
  readonly encoding: OtlpEncoding;
  /** Reads and unpacks the body, within the bounds of the receiver; throws `ApiError`. */
  readonly load: (signal: AbortSignal) => Promise<Uint8Array>;
  /** How long the sender waits for an answer, where it says so. */
  readonly timeoutMs?: number;
}

/**
 * Takes the records of a request; resolves when they are committed.
 *
 * Rejects with the reason of `signal`: then there is nobody to answer.
 */
export async function answerExport(
  receiver: OtlpReceiver,
  request: ExportRequest,
  metrics: AdminMetrics,
  signal: AbortSignal,
): Promise<OtlpAnswer> {
  const answer = await exportLogs(receiver, request, metrics, signal);
  countAnswer(answer, request.transport, metrics);
  return answer;
}

/** Counts what was refused, here or before a body was asked for. */
export function countAnswer(
  answer: OtlpAnswer,
  transport: OtlpTransport,
  metrics: AdminMetrics,
): void {
  if (answer.kind === "refused") metrics.onOtlpError?.(transport, answer.reason);
}

const SLOW_BODY = refusal("timeout", "the body took too long", 408, GRPC.deadlineExceeded);
const SLOW_COMMIT = refusal(
  "timeout",
  "the records could not be committed in time",
  503,
  GRPC.unavailable,
  RETRY_AFTER_SECONDS,
);

/** Its answer is a refusal; see `refused`. */
class Late extends Error {
  readonly refused: OtlpRefusal;

  constructor(refused: OtlpRefusal) {
    super(refused.message);
    this.refused = refused;
  }
}

async function exportLogs(
  receiver: OtlpReceiver,
  { transport, encoding, load, timeoutMs = Infinity }: ExportRequest,
  metrics: AdminMetrics,
  signal: AbortSignal,
): Promise<OtlpAnswer> {
  using place = receiver.enter();
  if (place === undefined) return busy(RETRY_AFTER_SECONDS);
  const inTime = <T>(
    ms: number,
    refused: OtlpRefusal,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => withDeadline(Math.min(ms, timeoutMs), () => new Late(refused), [signal], run);
  try {
    const body = await inTime(LOAD_TIMEOUT_MS, SLOW_BODY, load);
    const outcome = await inTime(
      REQUEST_TIMEOUT_MS,
      SLOW_COMMIT,
      (until) => receiver.receive(body, encoding, until),
    );
    switch (outcome.kind) {
      case "taken":
        metrics.onOtlpRequest?.(transport, encoding);
        metrics.onOtlpRecords?.(outcome.accepted, outcome.rejected);
        return { kind: "taken", rejected: outcome.rejected, message: outcome.reason ?? "" };
      case "busy":
        return busy(outcome.retryAfterSeconds);
      case "closed":
        return refusal(
          "channel_closed",
          "event channel closed",
          503,
          GRPC.unavailable,
          RETRY_AFTER_SECONDS,
        );
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Late) return error.refused;
    if (error instanceof OtlpError) {
      return refusal("decode", error.message, 400, GRPC.invalidArgument);
    }
    if (error instanceof ApiError) return ofApiError(error);
    throw error;
  }
}

function busy(retryAfterSeconds: number): OtlpRefusal {
  return refusal("busy", "no room for more records", 429, GRPC.unavailable, retryAfterSeconds);
}

/** What went wrong with a body before it was decoded. */
function ofApiError({ code, message, status }: ApiError): OtlpRefusal {
  switch (code) {
    case "body_too_large":
      return refusal("too_large", message, 413, GRPC.resourceExhausted);
    case "unsupported_encoding":
      return refusal("unsupported_encoding", message, 415, GRPC.unimplemented);
    case "invalid_body":
      return refusal("decompression", `decompression error: ${message}`, 400, GRPC.invalidArgument);
    default:
      return refusal("internal", message, status, GRPC.internal);
  }
}
