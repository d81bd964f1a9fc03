/**
 * What tells the content of one log file from that of another.
 *
 * Inodes are given again and names are rotated, so a file is known by its bytes: by those at its
 * start, which stay the same while it grows and are the same in a compressed copy, and by those in
 * front of the place where reading stopped, which differ even where every file begins with the same
 * header. A file of one byte has a fingerprint: what grows is how many bytes it covers.
 */
import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { NUL_RUN } from "../../decode/encoding.ts";

/** Bytes at the start of a file that its fingerprint covers. Beyond the headers of IIS and Zeek. */
export const HEAD_BYTES = 1024;
/** Bytes in front of the place of reading that must still be the same. */
export const TAIL_BYTES = 64;

/** 64 bits of the SHA-256, in hex: files of one log are told apart, not secrets kept. */
export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** How many NUL bytes stand at the end; counted as at the start. */
export function trailingNuls(bytes: Uint8Array): number {
  let count = 0;
  while (count < bytes.length && bytes[bytes.length - 1 - count] === 0) count++;
  return count < NUL_RUN ? 0 : count === bytes.length ? count : count & ~1;
}

/** Part of the bytes of a file, by hash: the `length` bytes that end at `end`. */
export interface Stretch {
  readonly end: number;
  readonly length: number;
  readonly hash: string;
}

/**
 * One content that stood, or stands, under an origin; names its records.
 *
 * A record's id is made of content alone: the hash of the file's bytes from the first one to the end
 * of the record's first line, at most 1,024 of them, and the offset of the record. Neither time nor
 * name nor inode nor the moment at which the file was first seen goes in, so a line has the same id
 * in `x.log`, in `x.log.1` and in `x.log.1.gz`, before a crash and after it.
 *
 * A log that is written anew with the same beginning (`job > job.log`, no timestamps) would repeat
 * ids, and the alerts of its second run would pass for repetitions. So contents of one origin that
 * begin with the same line are numbered, and the number is part of the id: 0, which is left out, for
 * the first one. The numbers are kept in the position.
 */
export class Lineage {
  readonly origin: string;
  /** Offset of the first byte of `head`: behind NULs that the file begins with. */
  base = 0;
  /** The first bytes, as far as they are known; only grows. */
  head: Buffer;
  /** The hash of the first line, once it is complete. */
  key: string | undefined;
  /** How many contents of this origin began with the same line before. */
  ordinal = 0;
  /** When its file was last written before it was read last; Unix milliseconds. */
  writtenMs: number | undefined;
  #headHash: string | undefined;

  constructor(origin: string, head: Buffer) {
    this.origin = origin;
    this.head = head;
  }

  /** The part of ids that depends on the bytes up to `end`, the offset behind a line. */
  stamp(end: number): string {
    const length = Math.min(end - this.base, HEAD_BYTES, this.head.length);
    const hash = length < HEAD_BYTES
      ? digest(this.head.subarray(0, length))
      : this.#headHash ??= digest(this.head.subarray(0, HEAD_BYTES));
    return this.ordinal === 0 ? hash : `${hash}-${this.ordinal}`;
  }

  /** Whether `bytes`, the first ones of a file behind its NULs, can belong to this content. */
  beginsLike(bytes: Uint8Array): boolean {
    const length = Math.min(bytes.length, this.head.length);
    return this.head.subarray(0, length).equals(bytes.subarray(0, length));
  }
}
