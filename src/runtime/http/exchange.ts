/**
 * One request and its answer over one connection.
 *
 * `node:http` reads and writes HTTP/1.1; what stands here bounds what a far end can make of that.
 */
import { Buffer } from "node:buffer";
import http from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { SocketAgent, StaleConnection } from "./connect.ts";
import { causeText, errorCode, HttpError } from "./errors.ts";

/** Interim answers (1xx) before the real one; nobody sends more than a few. */
const MAX_INTERIM = 16;

/** What is put on the wire. Header values are written as UTF-8. */
export interface WireRequest {
  readonly method: string;
  /** The path, or the whole URL for a proxy. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

export interface WireResponse {
  readonly status: number;
  /** Names in small letters. */
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array;
  /** Whether `body` was cut off at the limit. */
  readonly truncated: boolean;
}

/** A connection with the agent that lets `node:http` use it again. */
export interface Connection {
  readonly socket: Duplex;
  readonly agent: SocketAgent;
  /** Whether a request has gone over it before. */
  used: boolean;
}

export function connectionOf(socket: Duplex): Connection {
  return { socket, agent: new SocketAgent(socket), used: false };
}

/**
 * Sends a request and reads its answer, at most `maxBodyBytes` of the body.
 *
 * @throws {HttpError} `HTTP_PROTOCOL` for anything but a whole HTTP answer, `HTTP_TLS` if our
 *   certificate is refused, which TLS 1.3 says late.
 * @throws {StaleConnection} The connection was used before and ended before any answer.
 * Rejects with the reason of `signal`. The connection is destroyed on any failure.
 */
export function exchange(
  connection: Connection,
  wire: WireRequest,
  maxBodyBytes: number,
  signal: AbortSignal,
): Promise<WireResponse> {
  const wasUsed = connection.used;
  connection.used = true;
  return new Promise((resolve, reject) => {
    let interim = 0;
    let answered = false;
    let settled = false;
    const settle = (act: () => void) => {
      if (settled) return;
      settled = true;
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (error: unknown) =>
      settle(() => {
        connection.socket.destroy();
        request?.destroy();
        reject(error);
      });
    const broken = (error: unknown) => fail(classify(error, wasUsed && !answered));
    const onAbort = () => fail(signal.reason);

    let request: http.ClientRequest | undefined;
    try {
      request = http.request({
        agent: connection.agent,
        method: wire.method,
        path: wire.target,
        headers: latin1(wire.headers),
        setHost: false,
      });
    } catch (error) {
      return fail(classify(error, wasUsed));
    }
    const onInterim = () => {
      if (++interim > MAX_INTERIM) broken(new Error(`more than ${MAX_INTERIM} interim answers`));
    };
    request.on("continue", onInterim).on("information", onInterim);
    request.on("error", broken);
    request.once("upgrade", (_response, socket) => {
      socket.destroy();
      broken(new Error("the far end changed the protocol"));
    });
    request.once("close", () => {
      if (!answered) broken(new Error("the connection ended before an answer"));
    });
    request.once("response", (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = (truncated: boolean) =>
        settle(() => {
          if (truncated) connection.socket.destroy();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
            truncated,
          });
        });
      response.on("data", (chunk: Buffer) => {
        const room = maxBodyBytes - length;
        chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
        length += chunk.length;
        if (length > maxBodyBytes) finish(true);
      });
      // One turn later the agent has the connection back, and the next request can use it.
      response.once("end", () => setImmediate(() => finish(false)));
      response.once("error", broken);
      response.once("close", () => {
        if (!response.complete) broken(new Error("the connection ended inside the answer"));
      });
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) return onAbort();
    // Given with `end`, a text body would be written in one encoding with the header.
    if (wire.body === undefined) request.end();
    else request.end(Buffer.from(wire.body.buffer, wire.body.byteOffset, wire.body.byteLength));
  });
}

function classify(error: unknown, mayBeStale: boolean): Error {
  if (error instanceof StaleConnection) return error;
  const code = errorCode(error);
  if (code !== undefined && /^ERR_SSL_|^EPROTO$/.test(code)) {
    return new HttpError("HTTP_TLS", `TLS failed: ${causeText(error)}`, { cause: error });
  }
  if (mayBeStale && (code === undefined || /^(?:ECONNRESET|EPIPE|ECONNABORTED)$/.test(code))) {
    return new StaleConnection(causeText(error), { cause: error });
  }
  return new HttpError("HTTP_PROTOCOL", `no whole HTTP answer: ${causeText(error)}`, {
    cause: error,
  });
}

/** `node:http` writes a character a byte, so UTF-8 goes in as its bytes. */
function latin1(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map((
      [name, value],
    ) => [name, Buffer.from(value, "utf8").toString("latin1")]),
  );
}
