/**
 * The 512-byte header of a chunk, and the checksums that say whether its parts belong together.
 */
import { crc32 } from "node:zlib";
import { hasSignature, u32, u64 } from "./bytes.ts";

/** `ElfChnk` and a NUL. */
export const CHUNK_SIGNATURE = new Uint8Array([0x45, 0x6c, 0x66, 0x43, 0x68, 0x6e, 0x6b, 0x00]);
/** Where the first record of a chunk begins. */
export const FIRST_RECORD = 512;

const NO_CRC32 = 0x4;

/** Where the records of a chunk are, by its own account. */
export interface ChunkHeader {
  readonly firstRecordNumber: number | bigint;
  readonly lastRecordNumber: number | bigint;
  readonly firstRecordId: number | bigint;
  readonly lastRecordId: number | bigint;
  readonly headerSize: number;
  readonly lastRecordOffset: number;
  readonly freeSpaceOffset: number;
  readonly dataChecksum: number;
  readonly headerChecksum: number;
  readonly flags: number;
  readonly noCrc32: boolean;
}

/** Whether a chunk begins at the start of `bytes`. */
export function isChunk(bytes: Uint8Array): boolean {
  return bytes.length >= FIRST_RECORD && hasSignature(bytes, 0, CHUNK_SIGNATURE);
}

/**
 * Decodes the header of a chunk; nothing is verified, because the headers of dirty logs are stale
 * while their records are good.
 *
 * @param chunk at least 512 bytes that begin at the `ElfChnk\0` signature.
 * @returns Offsets in bytes from the chunk's start.
 * @see libyal/libevtx, "Windows XML Event Log (EVTX) format", chunk header
 */
export function decodeChunkHeader(chunk: Uint8Array): ChunkHeader {
  const flags = u32(chunk, 120);
  return {
    firstRecordNumber: u64(chunk, 8),
    lastRecordNumber: u64(chunk, 16),
    firstRecordId: u64(chunk, 24),
    lastRecordId: u64(chunk, 32),
    headerSize: u32(chunk, 40),
    lastRecordOffset: u32(chunk, 44),
    freeSpaceOffset: u32(chunk, 48),
    dataChecksum: u32(chunk, 52),
    headerChecksum: u32(chunk, 124),
    flags,
    noCrc32: (flags & NO_CRC32) !== 0,
  };
}

/** Which checksums of a chunk hold; both do when the chunk is flagged as having none. */
export interface ChunkChecksums {
  readonly header: boolean;
  readonly data: boolean;
}

/**
 * Verifies the checksums of a chunk: about 2 µs, since the runtimes' own CRC-32 is vectorised.
 *
 * @param chunk the whole chunk. When it is cut off before its free space, `data` is `false`.
 */
export function verifyChunk(chunk: Uint8Array): ChunkChecksums {
  const { flags, freeSpaceOffset, dataChecksum, headerChecksum } = decodeChunkHeader(chunk);
  if ((flags & NO_CRC32) !== 0) return { header: true, data: true };
  // Bytes 120 to 127 hold the flags and the checksum itself, so the sum skips them.
  const header = crc32(chunk.subarray(128, FIRST_RECORD), crc32(chunk.subarray(0, 120)));
  const data = freeSpaceOffset >= FIRST_RECORD && freeSpaceOffset <= chunk.length &&
    crc32(chunk.subarray(FIRST_RECORD, freeSpaceOffset)) === dataChecksum;
  return { header: header === headerChecksum, data };
}
