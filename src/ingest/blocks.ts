/**
 * Files as blocks of bytes.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Buffer } from "node:buffer";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** Large enough that reading costs nothing beside parsing, small enough not to matter in memory. */
const BLOCK_BYTES = 256 << 10;

/** The first two bytes of a gzip member. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/** The first `length` bytes of a file, fewer if it is shorter. */
export async function readHead(path: string, length: number): Promise<Uint8Array> {
  await using file = await open(path);
  const head = new Uint8Array(length);
  const { bytesRead } = await file.read(head, 0, length, 0);
  return head.subarray(0, bytesRead);
}

/**
 * The bytes `[from, to)` of a file. The yielded block is overwritten by the next one.
 *
 * @param to Reading stops here or at the end of the file.
 */
export async function* readBlocks(
  path: string,
  from = 0,
  to = Infinity,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  let position = from;
  while (position < to) {
    signal?.throwIfAborted();
    const wanted = Math.min(BLOCK_BYTES, to - position);
    const { bytesRead } = await file.read(buffer, 0, wanted, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** The unpacked bytes of a gzip file; `onPacked` is told how many packed bytes have been read. */
export async function* readGzipBlocks(
  path: string,
  onPacked: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const packed = createReadStream(path, { highWaterMark: BLOCK_BYTES });
  packed.on("data", (chunk) => onPacked(chunk.length));
  const unpacked = createGunzip({ chunkSize: BLOCK_BYTES });
  packed.on("error", (error) => unpacked.destroy(error));
  packed.pipe(unpacked);
  try {
    for await (const block of unpacked) {
      signal?.throwIfAborted();
      yield block as Uint8Array;
    }
  } finally {
    packed.destroy();
    unpacked.destroy();
  }
}

/**
 * The unpacked bytes of a gzip stream.
 *
 * @param packed Read ahead of, so its blocks must not be overwritten by later ones; those of
 *   `readBlocks` are.
 */
export async function* gunzipBlocks(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const unpacked = createGunzip({ chunkSize: BLOCK_BYTES });
  // A failure of the source reaches the consumer through `unpacked`.
  pipeline(Readable.from(packed), unpacked, () => {});
  for await (const block of unpacked) yield block as Uint8Array;
}
