/**
 * Files as blocks of bytes.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Buffer } from "node:buffer";
import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Packing } from "./tail/rotated.ts";

/** Large enough that reading costs nothing beside parsing, small enough not to matter in memory. */
const BLOCK_BYTES = 256 << 10;

/** Bytes that tell how a file is packed. */
export const PACKING_BYTES = 4;

/** By the first bytes: those of a gzip member (RFC 1952) or of a Zstandard frame (RFC 8878). */
export function packingIn(head: Uint8Array): Packing | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const isZstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  return isZstd ? "zstd" : undefined;
}

function unpacker(packing: Packing): Transform {
  return packing === "gzip"
    ? createGunzip({ chunkSize: BLOCK_BYTES })
    : createZstdDecompress({ chunkSize: BLOCK_BYTES });
}

/** The first `length` bytes of a file, or those from `from` on; fewer if it is shorter. */
export async function readHead(path: string, length: number, from = 0): Promise<Uint8Array> {
  await using file = await open(path);
  const head = new Uint8Array(length);
  const { bytesRead } = await file.read(head, 0, length, from);
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

/** The unpacked bytes of a file; `onPacked` is told how many packed bytes have been read. */
export async function* readPackedBlocks(
  path: string,
  packing: Packing,
  onPacked: (bytes: number) => void,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const packed = createReadStream(path, { highWaterMark: BLOCK_BYTES });
  packed.on("data", (chunk) => onPacked(chunk.length));
  const unpacked = unpacker(packing);
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
 * The unpacked bytes of a stream.
 *
 * @param packed Read ahead of, so its blocks must not be overwritten by later ones; those of
 *   `readBlocks` are.
 */
export async function* unpackBlocks(
  packed: AsyncIterable<Uint8Array>,
  packing: Packing,
): AsyncIterable<Uint8Array> {
  const unpacked = unpacker(packing);
  // A failure of the source reaches the consumer through `unpacked`.
  pipeline(Readable.from(packed), unpacked, () => {});
  for await (const block of unpacked) yield block as Uint8Array;
}
