/**
 * The 4,096-byte block in front of the chunks of an EVTX file.
 *
 * Its counters describe an older state whenever the log was copied while in use, so nothing here
 * bounds reading: the size of the file does.
 */
import { crc32 } from "node:zlib";
import { hasSignature, u16, u32, u64 } from "./bytes.ts";
import { EvtxError } from "./errors.ts";

/** `ElfFile` and a NUL. */
export const FILE_SIGNATURE = new Uint8Array([0x45, 0x6c, 0x66, 0x46, 0x69, 0x6c, 0x65, 0x00]);
/** Where chunk 0 begins, in bytes. */
export const FILE_HEADER_SIZE = 4096;
/** Size of a chunk on disk, in bytes. */
export const CHUNK_SIZE = 65536;

const DIRTY = 0x1;
const FULL = 0x2;
const NO_CRC32 = 0x4;

/** What the file says about itself. */
export interface FileHeader {
  readonly firstChunk: number | bigint;
  readonly lastChunk: number | bigint;
  readonly nextRecordId: number | bigint;
  readonly headerSize: number;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly blockSize: number;
  /** Modulo 65,536; stale in dirty files. */
  readonly chunkCount: number;
  readonly flags: number;
  readonly dirty: boolean;
  readonly full: boolean;
  readonly noCrc32: boolean;
  readonly checksum: number;
  /** True as well for files that are flagged as having no checksums. */
  readonly checksumValid: boolean;
}

/** Whether `bytes` begins as an EVTX file does. */
export function isEvtx(bytes: Uint8Array): boolean {
  return hasSignature(bytes, 0, FILE_SIGNATURE);
}

/**
 * Decodes the file header. A wrong checksum is told, not thrown: it says that a copy is dirty.
 *
 * @param block the file's first 4,096 bytes.
 * @throws {EvtxError} `EVTX_TOO_SHORT` or `EVTX_SIGNATURE`.
 * @see libyal/libevtx, "Windows XML Event Log (EVTX) format", file header
 */
export function decodeFileHeader(block: Uint8Array): FileHeader {
  if (block.length < FILE_HEADER_SIZE) {
    const size = `${block.length} of ${FILE_HEADER_SIZE} bytes`;
    throw new EvtxError("EVTX_TOO_SHORT", `Cannot read EVTX header: file too short, ${size}`);
  }
  if (!isEvtx(block)) {
    throw new EvtxError("EVTX_SIGNATURE", "Cannot read EVTX header: invalid file signature");
  }
  const flags = u32(block, 120);
  const checksum = u32(block, 124);
  const noCrc32 = (flags & NO_CRC32) !== 0;
  return {
    firstChunk: u64(block, 8),
    lastChunk: u64(block, 16),
    nextRecordId: u64(block, 24),
    headerSize: u32(block, 32),
    minorVersion: u16(block, 36),
    majorVersion: u16(block, 38),
    blockSize: u16(block, 40),
    chunkCount: u16(block, 42),
    flags,
    dirty: (flags & DIRTY) !== 0,
    full: (flags & FULL) !== 0,
    noCrc32,
    checksum,
    checksumValid: noCrc32 || crc32(block.subarray(0, 120)) === checksum,
  };
}
