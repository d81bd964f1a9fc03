/**
 * What a receiver of OTLP says about the records it was sent.
 *
 * @see opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse; OpenTelemetry protocol
 *   specification, "Partial Success"
 */
import { OtlpError } from "../../decode/otlp/errors.ts";
import { WIRE, WireReader } from "../../decode/otlp/wire.ts";
import { isObject, type Value } from "../../event/value.ts";

/** Records that were refused for good. */
export interface PartialSuccess {
  readonly rejected: number;
  /** Of the receiver; may be empty. */
  readonly message: string;
}

const NOTHING: PartialSuccess = { rejected: 0, message: "" };
const PARTIAL_SUCCESS = 1 << 3 | WIRE.bytes;
const REJECTED = 1 << 3 | WIRE.varint;
const MESSAGE = 2 << 3 | WIRE.bytes;

/** Reads an answer in either encoding; what cannot be read says that nothing was refused. */
export function readResponse(body: Uint8Array, contentType: string | undefined): PartialSuccess {
  try {
    return /^application\/json\b/i.test(contentType ?? "")
      ? ofJson(JSON.parse(new TextDecoder().decode(body)) as Value)
      : ofProtobuf(body);
  } catch (error) {
    if (error instanceof OtlpError || error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}

function ofJson(root: Value): PartialSuccess {
  const partial = isObject(root) ? root.partialSuccess ?? root.partial_success : undefined;
  if (!isObject(partial)) return NOTHING;
  const rejected = Number(partial.rejectedLogRecords ?? partial.rejected_log_records ?? 0);
  const message = partial.errorMessage ?? partial.error_message;
  return {
    rejected: Number.isFinite(rejected) ? rejected : 0,
    message: typeof message === "string" ? message : "",
  };
}

function ofProtobuf(body: Uint8Array): PartialSuccess {
  const reader = new WireReader(body);
  let rejected = 0;
  let message = "";
  while (reader.at < reader.length) {
    const tag = reader.tag(reader.length);
    if (tag !== PARTIAL_SUCCESS) {
      reader.skip(tag, reader.length);
      continue;
    }
    const end = reader.nested(reader.length);
    while (reader.at < end) {
      const inner = reader.tag(end);
      if (inner === REJECTED) rejected = Number(reader.int64(end));
      else if (inner === MESSAGE) message = reader.string(end);
      else reader.skip(inner, end);
    }
  }
  return { rejected, message };
}
