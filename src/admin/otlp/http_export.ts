/**
 * `POST /v1/logs`: OTLP over HTTP.
 *
 * @see OpenTelemetry protocol specification, "OTLP/HTTP"; daemon.md 3.21
 */
import type { OtlpEncoding, OtlpReceiver } from "../../ingest/otlp.ts";
import type { AdminMetrics } from "../admin_metrics.ts";
import { inflate, readBody } from "../body.ts";
import { answerExport, countAnswer, GRPC, type OtlpAnswer, refusal } from "./export.ts";
import { responseBytes, responseJson, statusBytes, statusJson } from "./messages.ts";

const CONTENT_TYPES: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

/**
 * Answers a request, in its own encoding.
 *
 * @param onRead Told of the length of the body on the wire.
 * Rejects with the reason of `signal`.
 */
export async function answerHttpExport(
  receiver: OtlpReceiver,
  request: Request,
  metrics: AdminMetrics,
  signal: AbortSignal,
  onRead?: (bytes: number) => void,
): Promise<Response> {
  const contentType = request.headers.get("content-type");
  const encoding = encodingOf(contentType);
  if (encoding === undefined) {
    const shown = contentType!.slice(0, 100);
    const refused = refusal(
      "unsupported_content_type",
      `unsupported content-type: ${shown} (expected application/x-protobuf or application/json)`,
      415,
      GRPC.invalidArgument,
    );
    countAnswer(refused, "http", metrics);
    return httpAnswer(refused, "json");
  }
  const { maxBodyBytes, maxInflatedBytes } = receiver;
  const answer = await answerExport(
    receiver,
    {
      transport: "http",
      encoding,
      load: async (until) => {
        const packed = await readBody(request, maxBodyBytes, until);
        onRead?.(packed.length);
        return await inflate(packed, request.headers.get("content-encoding"), maxInflatedBytes);
      },
    },
    metrics,
    signal,
  );
  return httpAnswer(answer, encoding);
}

/** The encoding of a content type; without one it is Protocol Buffers. */
export function encodingOf(contentType: string | null): OtlpEncoding | undefined {
  const [type = ""] = (contentType ?? "").split(";");
  switch (type.trim().toLowerCase()) {
    case "":
    case "application/x-protobuf":
    case "application/protobuf":
      return "protobuf";
    case "application/json":
      return "json";
    default:
      return undefined;
  }
}

/** @param encoding The request's. */
export function httpAnswer(answer: OtlpAnswer, encoding: OtlpEncoding): Response {
  const isTaken = answer.kind === "taken";
  const body = encoding === "json"
    ? isTaken ? responseJson(answer) : statusJson(answer)
    : isTaken
    ? responseBytes(answer)
    : statusBytes(answer);
  const headers: Record<string, string> = { "content-type": CONTENT_TYPES[encoding] };
  if (!isTaken && answer.retryAfterSeconds !== undefined) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(answer.retryAfterSeconds)));
  }
  if (!isTaken && answer.httpStatus === 401) headers["www-authenticate"] = "Bearer";
  return new Response(body as string | Uint8Array<ArrayBuffer>, {
    status: isTaken ? 200 : answer.httpStatus,
    headers,
  });
}
