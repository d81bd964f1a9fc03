/**
 * The exporters of the OpenTelemetry SDK as clients, and gRPC by hand for what they do not do.
 */
import { Buffer } from "node:buffer";
import { connect, type IncomingHttpHeaders } from "node:http2";
import { credentials, Metadata } from "@grpc/grpc-js";
import { type AnyValue, type LogAttributes, SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter as GrpcExporter } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, type LogRecordExporter, type SdkLogRecord } from "@opentelemetry/sdk-logs";

/** Which of the SDK's exporters. */
export const EXPORTERS = ["http/protobuf", "http/json", "grpc"] as const;
export type ExporterKind = typeof EXPORTERS[number];

export interface ExporterOptions {
  readonly gzip?: boolean;
  readonly token?: string;
  /** PEM, for TLS. */
  readonly ca?: Buffer;
  readonly timeoutMs?: number;
}

/** @param url Where the listener is: `http://127.0.0.1:4318`. */
export function exporterOf(
  kind: ExporterKind,
  url: string,
  options: ExporterOptions = {},
): LogRecordExporter {
  const { gzip = false, token, ca, timeoutMs = 5000 } = options;
  const common = {
    timeoutMillis: timeoutMs,
    compression: gzip ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
  };
  if (kind === "grpc") {
    const metadata = new Metadata();
    if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
    return new GrpcExporter({
      ...common,
      // A certificate names the host, which an address is not to this client.
      url: url.replace("127.0.0.1", "localhost"),
      metadata,
      credentials: ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca),
    });
  }
  const http = {
    ...common,
    url: `${url}/v1/logs`,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca === undefined ? {} : { httpAgentOptions: { ca } }),
  };
  return kind === "http/json" ? new JsonExporter(http) : new ProtobufExporter(http);
}

/** A record to be. */
export interface Emitted {
  readonly body?: AnyValue;
  readonly attributes?: LogAttributes;
}

/** Records of the SDK, of the service `shop` on `web-1`. */
export function sdkRecords(emitted: readonly Emitted[]): SdkLogRecord[] {
  const records: SdkLogRecord[] = [];
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "shop", "host.name": "web-1" }),
    processors: [{
      onEmit: (record) => void records.push(record),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    }],
  });
  const logger = provider.getLogger("app", "1.2.3");
  for (const one of emitted) {
    logger.emit({ severityNumber: SeverityNumber.INFO, severityText: "INFO", ...one });
  }
  return records;
}

/** Sends; resolves with the error, `undefined` if the far end took the records. */
export async function exportBy(
  exporter: LogRecordExporter,
  emitted: readonly Emitted[],
): Promise<Error | undefined> {
  return await new Promise((resolve) => {
    exporter.export(sdkRecords(emitted), ({ code, error }) => {
      resolve(code === 0 ? undefined : error ?? new Error("the export failed"));
    });
  });
}

/** The answer to a call of gRPC. */
export interface GrpcAnswer {
  readonly headers: IncomingHttpHeaders;
  /** The trailers, or the headers where there are no others. */
  readonly status: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface GrpcCall {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent after the headers; not ended if `hang`. */
  readonly bytes?: Uint8Array;
  readonly hang?: boolean;
}

export const EXPORT_PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/** A frame of gRPC. */
export function frame(message: Uint8Array, isPacked = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = isPacked ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** One call without a library; `undefined` if it ended without an answer. */
export async function callGrpc(url: string, call: GrpcCall): Promise<GrpcAnswer | undefined> {
  const session = connect(url);
  session.on("error", () => {});
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": call.path ?? EXPORT_PATH,
      "content-type": "application/grpc",
      te: "trailers",
      ...call.headers,
    });
    let headers: IncomingHttpHeaders | undefined;
    let trailers: IncomingHttpHeaders | undefined;
    const parts: Buffer[] = [];
    stream.on("response", (got) => headers = got);
    stream.on("trailers", (got) => trailers = got);
    stream.on("data", (part: Buffer) => parts.push(part));
    const closed = new Promise<void>((resolve) => {
      stream.on("close", resolve);
      stream.on("error", () => resolve());
      // Deno's client does not close a stream that was reset while it had more to send.
      stream.on("end", () => setTimeout(resolve, 50));
    });
    if (call.hang === true) stream.write(call.bytes ?? new Uint8Array());
    else stream.end(call.bytes ?? new Uint8Array());
    await closed;
    if (headers === undefined) return undefined;
    return { headers, status: trailers ?? headers, body: Buffer.concat(parts) };
  } finally {
    session.destroy();
  }
}
