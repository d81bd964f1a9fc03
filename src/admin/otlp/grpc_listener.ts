/**
 * `LogsService/Export` over gRPC.
 *
 * One unary method needs little of gRPC: a frame in, a frame and trailers out. It is written here on
 * `node:http2`, which every library of gRPC uses as well, so that a body is asked for only after the
 * token was seen, and unpacked within the same bounds as over HTTP: `@grpc/grpc-js` inflates every
 * message of a stream that arrives at once, and brings 430 KB and twenty packages.
 *
 * The port is its own: neither runtime's `node:http` serves HTTP/2 without TLS beside HTTP/1.1.
 *
 * @see grpc/grpc, "gRPC over HTTP2"
 */
import { Buffer } from "node:buffer";
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { addressUrl, checkPlaintext, type ListenAddress, parseListenAddress } from "../address.ts";
import type { AdminMetrics } from "../admin_metrics.ts";
import type { Connection } from "../auth.ts";
import { inflate } from "../body.ts";
import { AdminError, ApiError } from "../errors.ts";
import { loadTls, type TlsMaterial } from "../tls.ts";
import { answerExport, countAnswer, GRPC, type OtlpAnswer, refusal } from "./export.ts";
import type { OtlpListenerOptions } from "./http_listener.ts";
import { responseBytes, statusHeader } from "./messages.ts";

const EXPORT_PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
/** What is understood of `grpc-encoding`. */
const ENCODINGS = "identity,gzip,deflate,zstd";
/** A byte that says whether the message is compressed, and its length. */
const PREFIX_BYTES = 5;
const DEFAULT_MAX_CONNECTIONS = 64;
/** Requests of one connection at once; exporters send one after another. */
const MAX_STREAMS = 16;
/** A connection without a request is closed after so long; exporters connect again. */
const IDLE_MS = 5 * 60_000;
const STOP_GRACE_MS = 250;

type AnyServer = Http2Server | Http2SecureServer;

export interface GrpcListener {
  /** The real address: `http://127.0.0.1:4317`. */
  readonly url: string;
  readonly port: number;
  /**
   * Reads certificate and key again; open connections stay.
   *
   * @returns Whether they had changed.
   * @throws {AdminError} `ADMIN_TLS`; the old ones stay in service.
   */
  reloadTls(): Promise<boolean>;
  /** Ends what is idle at once and the rest after `stopGraceMs`. */
  stop(): Promise<void>;
}

/**
 * Starts listening.
 *
 * @throws {AdminError} `ADMIN_ADDRESS`, `ADMIN_PLAINTEXT`, `ADMIN_TLS` or `ADMIN_BIND`.
 */
export async function listenGrpc(options: OtlpListenerOptions): Promise<GrpcListener> {
  const address = parseListenAddress(options.addr);
  if (address.kind === "unix") {
    throw new AdminError("ADMIN_ADDRESS", "OTLP over gRPC needs address:port");
  }
  let material = options.tls === undefined ? undefined : loadTls(options.tls);
  if (material === undefined) checkPlaintext(address, options.allowPlaintext === true);
  const sessions = new Set<ServerHttp2Session>();
  const make = (tls: TlsMaterial | undefined): AnyServer => makeServer(options, sessions, tls);
  let server = make(material);
  const bound = await bind(server, address);
  let stopped: Promise<void> | undefined;
  return {
    url: addressUrl(bound, material !== undefined),
    port: bound.port,
    reloadTls: async () => {
      if (options.tls === undefined || stopped !== undefined) return false;
      const fresh = loadTls(options.tls);
      if (
        fresh.cert === material!.cert && fresh.key === material!.key && fresh.ca === material!.ca
      ) return false;
      server.close();
      server = make(fresh);
      await bind(server, bound);
      material = fresh;
      return true;
    },
    stop: () =>
      stopped ??= (async () => {
        server.close();
        for (const session of sessions) session.close();
        const until = performance.now() + (options.stopGraceMs ?? STOP_GRACE_MS);
        while (sessions.size > 0 && performance.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        for (const session of sessions) session.destroy();
      })(),
  };
}

function makeServer(
  options: OtlpListenerOptions,
  sessions: Set<ServerHttp2Session>,
  tls: TlsMaterial | undefined,
): AnyServer {
  const settings = { maxConcurrentStreams: MAX_STREAMS, enablePush: false };
  const server = tls === undefined ? createServer({ settings }) : createSecureServer({
    settings,
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
  });
  const maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
  server.on("session", (session) => {
    if (sessions.size >= maxConnections) return session.destroy();
    sessions.add(session);
    if (tls !== undefined) options.metrics.onTlsConnections(1);
    session.once("close", () => {
      sessions.delete(session);
      if (tls !== undefined) options.metrics.onTlsConnections(-1);
    });
    session.setTimeout(IDLE_MS, () => session.destroy());
    session.on("error", () => session.destroy());
  });
  server.on("sessionError", () => {}); // Whoever speaks no HTTP/2 is cut off, and that is all.
  server.on("tlsClientError", (error: Error) => {
    options.warn(`OTLP over gRPC: TLS handshake failed: ${error.message}`);
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {}); // Its end is seen by its `close`.
    serve(options, stream as ServerHttp2Stream, headers).catch((error: unknown) => {
      options.warn(
        `a request of OTLP failed: ${error instanceof Error ? error.stack : String(error)}`,
      );
      stream.close();
    });
  });
  return server;
}

async function serve(
  { receiver, guard, metrics }: OtlpListenerOptions,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<void> {
  const contentType = headers["content-type"] ?? "";
  if (!/^application\/grpc(?:\+proto)?(?:;|$)/.test(contentType)) {
    stream.respond({ ":status": 415 }, { endStream: true });
    stream.close();
    return;
  }
  if (headers[":method"] !== "POST" || headers[":path"] !== EXPORT_PATH) {
    const message = "only LogsService/Export is served";
    finish(stream, refusal("internal", message, 404, GRPC.unimplemented), metrics, false);
    return;
  }
  const denied = guard(headers.authorization, connectionOf(stream));
  if (denied !== undefined) {
    finish(stream, denied, metrics);
    return;
  }
  const gone = new AbortController();
  const onClose = () => gone.abort(new DOMException("The client has gone", "AbortError"));
  stream.once("close", onClose);
  try {
    const answer = await answerExport(
      receiver,
      {
        transport: "grpc",
        encoding: "protobuf",
        timeoutMs: timeoutOf(headers["grpc-timeout"]),
        load: async (signal) => {
          const { isPacked, bytes } = await readMessage(stream, receiver.maxBodyBytes, signal);
          if (!isPacked) return await inflate(bytes, null, receiver.maxInflatedBytes);
          const encoding = String(headers["grpc-encoding"] ?? "identity");
          if (encoding === "identity") {
            // "Compression" of gRPC asks for INTERNAL: what the bytes are cannot be known.
            throw new ApiError(400, "internal", "a compressed message without grpc-encoding");
          }
          return await inflate(bytes, encoding, receiver.maxInflatedBytes);
        },
      },
      metrics,
      gone.signal,
    );
    finish(stream, answer, metrics, false);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    stream.off("close", onClose);
  }
}

/**
 * The one message of a unary call.
 *
 * @throws {ApiError} 413 beyond `maxBytes`, 400 for what is no message.
 * Rejects with the reason of `signal`.
 */
function readMessage(
  stream: ServerHttp2Stream,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ readonly isPacked: boolean; readonly bytes: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const settle = (then: () => void): void => {
      stream.off("data", onData);
      stream.off("end", onEnd);
      signal.removeEventListener("abort", onAbort);
      stream.pause();
      then();
    };
    const onData = (part: Buffer): void => {
      parts.push(part);
      size += part.length;
      if (size <= maxBytes + PREFIX_BYTES) return;
      settle(() =>
        reject(
          new ApiError(413, "body_too_large", `message exceeds ${maxBytes} bytes`),
        )
      );
    };
    const onEnd = (): void => {
      const bytes = Buffer.concat(parts);
      const isWhole = bytes.length >= PREFIX_BYTES && bytes[0]! <= 1 &&
        bytes.readUInt32BE(1) === bytes.length - PREFIX_BYTES;
      settle(() =>
        isWhole
          ? resolve({ isPacked: bytes[0] === 1, bytes: bytes.subarray(PREFIX_BYTES) })
          : reject(new ApiError(400, "invalid_body", "the call is not of one whole message"))
      );
    };
    const onAbort = (): void => settle(() => reject(signal.reason));
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    stream.on("data", onData);
    stream.on("end", onEnd);
  });
}

/** Sends an answer; whatever the client still sends is not read. */
function finish(
  stream: ServerHttp2Stream,
  answer: OtlpAnswer,
  metrics: AdminMetrics,
  count = true,
): void {
  if (count) countAnswer(answer, "grpc", metrics);
  if (stream.destroyed || stream.closed) return;
  const common = {
    ":status": 200,
    "content-type": "application/grpc",
    "grpc-accept-encoding": ENCODINGS,
  };
  if (answer.kind === "refused") {
    stream.respond({
      ...common,
      "grpc-status": String(answer.grpcStatus),
      "grpc-message": percentEncoded(answer.message),
      "grpc-status-details-bin": statusHeader(answer),
    }, { endStream: true });
    // Nobody waits for the rest of a message that was refused before its end.
    if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    return;
  }
  const message = responseBytes(answer);
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  stream.respond(common, { waitForTrailers: true });
  stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(GRPC.ok) }));
  stream.end(frame);
}

function connectionOf(stream: ServerHttp2Stream): Connection {
  const socket = stream.session?.socket;
  return {
    peer: socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "unknown",
    local: socket?.localAddress,
    transport: "tcp",
  };
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The milliseconds of `grpc-timeout`: at most eight digits and a unit. */
function timeoutOf(header: string | readonly string[] | undefined): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(header ?? ""));
  return match === null ? Infinity : Number(match[1]) * UNIT_MS[match[2]!]!;
}

/** As `grpc-message` has it: visible ASCII but `%` as it is, everything else by its bytes. */
function percentEncoded(text: string): string {
  let written = "";
  for (const byte of Buffer.from(text, "utf8")) {
    written += byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
  }
  return written;
}

function bind(
  server: AnyServer,
  address: Extract<ListenAddress, { kind: "tcp" }>,
): Promise<Extract<ListenAddress, { kind: "tcp" }>> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      const message = `cannot listen at ${addressUrl(address, false)}: ${error.message}`;
      reject(new AdminError("ADMIN_BIND", message, { cause: error }));
    };
    server.once("error", onError);
    server.listen(address.port, address.host, () => {
      server.off("error", onError);
      resolve({ ...address, port: (server.address() as AddressInfo).port });
    });
  });
}
