/**
 * The messages that answer an `Export`, in both encodings.
 *
 * @see opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse, google.rpc.Status
 */
import { Buffer } from "node:buffer";
import { WireWriter } from "../../decode/otlp/wire_writer.ts";
import type { OtlpAnswer, OtlpRefusal } from "./export.ts";

type Taken = Extract<OtlpAnswer, { kind: "taken" }>;

/** `ExportLogsServiceResponse`: empty unless records were rejected. */
export function responseBytes({ rejected, message }: Taken): Uint8Array {
  const writer = new WireWriter();
  if (rejected > 0) {
    writer.message(1, () => {
      writer.varint(1, rejected);
      writer.string(2, message);
    });
  }
  return writer.finish();
}

/** The same in JSON, where the reference always has the member. */
export function responseJson({ rejected, message }: Taken): string {
  return JSON.stringify({
    partialSuccess: { rejectedLogRecords: rejected, errorMessage: message },
  });
}

/** `google.rpc.Status`; says when to come again where that is known. */
export function statusBytes(
  { grpcStatus, message, retryAfterSeconds }: OtlpRefusal,
): Uint8Array {
  const writer = new WireWriter();
  writer.varint(1, grpcStatus);
  writer.string(2, message);
  if (retryAfterSeconds !== undefined) {
    // `google.protobuf.Any` of `google.rpc.RetryInfo`, whose first field is a `Duration`.
    writer.message(3, () => {
      writer.string(1, "type.googleapis.com/google.rpc.RetryInfo");
      writer.message(2, () => {
        writer.message(1, () => writer.varint(1, retryAfterSeconds));
      });
    });
  }
  return writer.finish();
}

/** The same in JSON, with the member `error` that every answer of the API has. */
export function statusJson({ grpcStatus, message }: OtlpRefusal): string {
  return JSON.stringify({ error: message, code: grpcStatus, message });
}

/** The header `grpc-status-details-bin`. */
export function statusHeader(refused: OtlpRefusal): string {
  return Buffer.from(statusBytes(refused)).toString("base64").replace(/=+$/, "");
}
