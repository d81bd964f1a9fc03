/**
 * A log file that somebody else is writing to, opened for one look.
 *
 * Nothing the file says about itself is relied on: its header and the headers of its chunks may be
 * older than the records. What a chunk holds is told by its records, and where it belongs by the id
 * of the first of them.
 *
 * The file is opened for reading only, with every kind of sharing, and is closed after each look, so
 * that the service that owns it can rename, archive or delete it.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { hasSignature, i32, isZero, u32, u64 } from "../../decode/evtx/bytes.ts";
import {
  CHUNK_SIGNATURE,
  decodeChunkHeader,
  FIRST_RECORD,
  isChunk,
} from "../../decode/evtx/chunk_header.ts";
import { decodeChunk } from "../../decode/evtx/decode_chunk.ts";
import type { EvtxDecoder } from "../../decode/evtx/decoder.ts";
import type { EvtxProblem } from "../../decode/evtx/errors.ts";
import type { EvtxEvent } from "../../decode/evtx/event.ts";
import { CHUNK_SIZE, FILE_HEADER_SIZE, isEvtx } from "../../decode/evtx/file_header.ts";

/** Signature, size, id and time of a record. */
const RECORD_HEAD_SIZE = 24;
const HEAD_SIZE = FIRST_RECORD + RECORD_HEAD_SIZE;
const RECORD_MAGIC = 0x2a2a;
/** The part of the file header that is in use, and of a chunk's what comes before its tables. */
const HEADER_SIZE = 128;
/** What empty chunks have for the id of a first record. */
const NO_ID = 0xffff_ffff_ffff_ffffn;

/** A record by its id and the time it was written, in 100 ns since 1601: unique in a log for ever. */
export interface RecordName {
  readonly id: bigint;
  readonly ticks: bigint;
}

/** The first record of a chunk. */
export interface ChunkHead extends RecordName {
  readonly index: number;
}

export interface LogRecord extends RecordName {
  /** Its size stands behind it a second time: it was written to its end. */
  readonly isWhole: boolean;
  /** Stays valid. */
  readonly event: EvtxEvent;
}

/** What was found in a chunk. */
export interface ChunkRead {
  /** Those behind the id that was asked for, ascending. */
  readonly records: readonly LogRecord[];
  /** When the record with that id itself was written, if it is in the chunk. */
  readonly afterTicks: bigint | undefined;
  /** Of all its records; 0 without any. */
  readonly maxId: bigint;
  /** Where the last record ends, in bytes from the start of the chunk. */
  readonly end: number;
  readonly problems: readonly EvtxProblem[];
}

/** An open log; hold it with `using`. What it throws has the `code` of the system's error. */
export class LogFile implements Disposable {
  readonly path: string;
  readonly size: number;
  readonly identity: string;
  readonly modifiedMs: number;
  readonly chunkCount: number;
  /** Whether it begins as EVTX files do. One that is just being made does not yet. */
  readonly isLog: boolean;
  readonly #descriptor: number;

  private constructor(path: string, descriptor: number) {
    const { size, dev, ino, mtimeMs } = fstatSync(descriptor);
    this.path = path;
    this.#descriptor = descriptor;
    this.size = size;
    this.identity = `${dev}:${ino}`;
    this.modifiedMs = mtimeMs;
    this.chunkCount = Math.max(0, Math.ceil((size - FILE_HEADER_SIZE) / CHUNK_SIZE));
    this.isLog = isEvtx(this.#bytes(0, 8));
  }

  static open(path: string): LogFile {
    const descriptor = openSync(path, "r");
    try {
      return new LogFile(path, descriptor);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** The first record of a chunk; `undefined` if there is no chunk or nothing in it yet. */
  head(index: number): ChunkHead | undefined {
    if (index >= this.chunkCount) return undefined;
    const bytes = this.#bytes(offsetOf(index), HEAD_SIZE);
    if (!isChunk(bytes)) return undefined;
    if (bytes.length === HEAD_SIZE && i32(bytes, FIRST_RECORD) === RECORD_MAGIC) {
      const id = BigInt(u64(bytes, FIRST_RECORD + 8));
      return { index, id, ticks: BigInt(u64(bytes, FIRST_RECORD + 16)) };
    }
    // The record is damaged, or was never written: then the header holds no id either.
    const id = BigInt(decodeChunkHeader(bytes).firstRecordId);
    return id === 0n || id === NO_ID ? undefined : { index, id, ticks: 0n };
  }

  /** The chunks with records, in the order of their records, and how many are no chunks at all. */
  survey(): { readonly heads: readonly ChunkHead[]; readonly foreign: number } {
    const heads: ChunkHead[] = [];
    let foreign = 0;
    for (let index = 0; index < this.chunkCount; index++) {
      const head = this.head(index);
      if (head !== undefined) heads.push(head);
      else if (this.#isForeign(index)) foreign++;
    }
    heads.sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : a.index - b.index);
    return { heads, foreign };
  }

  /** The records of a chunk with ids above `after`. */
  readChunk(index: number, after: bigint, decoder: EvtxDecoder): ChunkRead {
    const chunk = this.#bytes(offsetOf(index), CHUNK_SIZE);
    const free = isChunk(chunk) ? decodeChunkHeader(chunk).freeSpaceOffset : 0;
    const records: LogRecord[] = [];
    const problems: EvtxProblem[] = [];
    let afterTicks: bigint | undefined;
    let max: RecordName = { id: 0n, ticks: 0n };
    let end = FIRST_RECORD;
    decodeChunk(chunk, 0, decoder, (event) => {
      const at = event.offset;
      const id = BigInt(u64(chunk, at + 8));
      const ticks = BigInt(u64(chunk, at + 16));
      // Slack of a log that was cleared holds records with higher ids, which look like new ones.
      const isSlack = at >= free && end > FIRST_RECORD &&
        (id !== max.id + 1n || ticks < max.ticks);
      if (isSlack || id <= max.id) return;
      max = { id, ticks };
      end = at + event.size;
      if (id === after) afterTicks = ticks;
      if (id <= after) return;
      const isWhole = u32(chunk, end - 4) === event.size;
      records.push({ id, ticks, isWhole, event: event.snapshot() });
    }, (problem) => problems.push(problem));
    return { records, afterTicks, maxId: max.id, end, problems };
  }

  /**
   * Bytes that are others after every change at the place where a log is written: the headers, what
   * stands behind the last record, the beginning of the next chunk.
   */
  probe(chunk: number, end: number): Uint8Array {
    const next = this.nextChunk(chunk);
    const parts = [
      this.#bytes(0, HEADER_SIZE),
      this.#bytes(offsetOf(chunk), HEADER_SIZE),
      this.#bytes(offsetOf(chunk) + end, RECORD_HEAD_SIZE),
      this.#bytes(offsetOf(next), HEADER_SIZE),
      this.#bytes(offsetOf(next) + FIRST_RECORD, RECORD_HEAD_SIZE),
    ];
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** The chunk that is written after this one: logs are rings. */
  nextChunk(index: number): number {
    return index + 1 < this.chunkCount ? index + 1 : 0;
  }

  #isForeign(index: number): boolean {
    const bytes = this.#bytes(offsetOf(index), HEADER_SIZE);
    return !hasSignature(bytes, 0, CHUNK_SIGNATURE) && !isZero(bytes, 0, bytes.length);
  }

  /** As much of `length` bytes as there is. */
  #bytes(position: number, length: number): Uint8Array {
    const target = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const from = position + filled;
      const read = readSync(this.#descriptor, target, filled, length - filled, from);
      if (read === 0) break;
      filled += read;
    }
    return target.subarray(0, filled);
  }
}

function offsetOf(index: number): number {
  return FILE_HEADER_SIZE + index * CHUNK_SIZE;
}
