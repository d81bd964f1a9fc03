/**
 * The end of a file of lines after a crash.
 */
import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";

const BLOCK_BYTES = 64 << 10;
const LF = 10;

/**
 * Makes a file end with a whole line.
 *
 * What stands behind the last line end is cut off if it is the beginning of a JSON object, which is
 * what a crash in the middle of an append leaves. An object that is whole lacks only its line end, and
 * text that was never ours is not ours to remove: these get one.
 *
 * @param handle Open for reading and appending.
 * @param truncate Cuts the file to a length.
 * @returns The length of the file.
 */
export async function repairTail(
  handle: FileHandle,
  truncate: (length: number) => Promise<void>,
): Promise<number> {
  const { size } = await handle.stat();
  const tail = await tailOf(handle, size);
  if (tail.length === 0) return size;
  if (isTorn(tail)) {
    await truncate(size - tail.length);
    return size - tail.length;
  }
  await handle.write(Buffer.of(LF));
  return size + 1;
}

/** The bytes behind the last line end. */
async function tailOf(handle: FileHandle, size: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const block = Buffer.alloc(end - start);
    const { bytesRead } = await handle.read(block, 0, block.length, start);
    const read = block.subarray(0, bytesRead);
    const lineEnd = read.lastIndexOf(LF);
    parts.unshift(read.subarray(lineEnd + 1));
    if (lineEnd >= 0) break;
    end = start;
  }
  return Buffer.concat(parts);
}

function isTorn(tail: Buffer): boolean {
  if (tail[0] !== "{".charCodeAt(0)) {
    // A power cut can leave a length without contents.
    return tail.every((byte) => byte === 0);
  }
  try {
    JSON.parse(tail.toString("utf8"));
    return false;
  } catch {
    return true;
  }
}
