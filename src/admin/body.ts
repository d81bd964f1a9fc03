/**
 * Bodies of requests, bounded before and after unpacking.
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip, inflate as inflateZlib, zstdDecompress } from "node:zlib";
import { ApiError } from "./errors.ts";

function tooLarge(maxBytes: number, what: string): ApiError {
  return new ApiError(413, "body_too_large", `${what} exceeds ${maxBytes} bytes`, {
    facts: { max_bytes: maxBytes },
  });
}

/**
 * Reads a body, whether its length was announced or not.
 *
 * @throws {ApiError} 413 beyond `maxBytes`.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > maxBytes) throw tooLarge(maxBytes, "request body");
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const stop = (): void => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  try {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) break;
      size += value.length;
      if (size > maxBytes) {
        void reader.cancel().catch(() => {});
        throw tooLarge(maxBytes, "request body");
      }
      parts.push(value);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Packed bytes above which what comes out is allocated in larger pieces: three times as fast. */
const LARGE_BYTES = 64 << 10;
const LARGE_CHUNK_BYTES = 1 << 20;

type Inflate = (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number; readonly chunkSize?: number },
) => Promise<Buffer>;
const INFLATERS: Readonly<Record<string, Inflate>> = {
  gzip: promisify(gunzip) as Inflate,
  deflate: promisify(inflateZlib) as Inflate,
  zstd: promisify(zstdDecompress) as Inflate,
};

/** What is being unpacked, and what waits for that. */
let unpacking: Promise<unknown> = Promise.resolve();

/**
 * Runs `work` when what was given before has ended. Bodies are unpacked one after another, so that
 * many bombs at once take no more room than one; each takes some tens of milliseconds at most.
 */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = unpacking.then(work);
  unpacking = result.catch(() => {});
  return result;
}

/**
 * Undoes a `Content-Encoding`.
 *
 * @throws {ApiError} 413 beyond `maxBytes`, 415 for an unknown encoding, 400 for damaged data.
 */
export async function inflate(
  bytes: Uint8Array,
  encoding: string | null,
  maxBytes: number,
): Promise<Uint8Array> {
  const name = (encoding ?? "").trim().toLowerCase();
  if (name === "" || name === "identity") {
    if (bytes.length > maxBytes) throw tooLarge(maxBytes, "request body");
    return bytes;
  }
  const inflater = Object.hasOwn(INFLATERS, name) ? INFLATERS[name] : undefined;
  if (inflater === undefined) {
    throw new ApiError(415, "unsupported_encoding", `unsupported content-encoding '${name}'`, {
      hint: "send gzip, deflate, zstd or none",
    });
  }
  try {
    return await inTurn(() =>
      inflater(bytes, {
        maxOutputLength: maxBytes,
        ...(bytes.length > LARGE_BYTES ? { chunkSize: LARGE_CHUNK_BYTES } : {}),
      })
    );
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes, "unpacked body");
    throw new ApiError(400, "invalid_body", `the body is not valid ${name}`);
  }
}

/** @throws {ApiError} 400 for what is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, "invalid_body", "the body is not UTF-8 text");
  }
}
