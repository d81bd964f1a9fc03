/**
 * The walk through the records of a chunk, and what is done where they are damaged.
 *
 * A chunk needs nothing outside of itself, so chunks may be decoded in any order and a damaged one
 * harms no other. Inside one, a bad record costs itself: the walk goes on behind it, or finds the
 * next sound record by its signature.
 */
import { i32, isZero, u32, u64 } from "./bytes.ts";
import { decodeChunkHeader, FIRST_RECORD, isChunk } from "./chunk_header.ts";
import { type EvtxProblem, type EvtxProblemReason, RecordError } from "./errors.ts";
import type { EvtxEvent } from "./event.ts";
import { CHUNK_SIZE } from "./file_header.ts";
import type { EvtxDecoder } from "./decoder.ts";

/** `**` and two NULs, as a little-endian integer. */
const RECORD_MAGIC = 0x2a2a;
/** Header and size copy. */
export const MIN_RECORD_SIZE = 28;
/** Records are multiples of 8 bytes long, so they begin at multiples of 8. */
const RECORD_ALIGNMENT = 8;
/** High words of FILETIME for 1980 and 2200: what a record found by its signature may carry. */
const EARLIEST_TIME = 0x01a8e79f;
const LATEST_TIME = 0x02a00000;
/** How much zero says that the records of a chunk end here. */
const ZERO_RUN = 64;

export interface DecodeOptions {
  /** Also report what slack and chunks without a signature still hold; `event.recovered` is set. */
  readonly recover?: boolean;
}

/**
 * Decodes the records of one chunk.
 *
 * `onEvent` gets the decoder's one event object, loaded with the record: it is valid until the
 * callback returns (`EvtxEvent.snapshot()` keeps it). Nothing refers to `chunk` after the call.
 *
 * @param chunk the chunk; shorter than 65,536 bytes if the file ends in it.
 * @param chunkOffset where it begins in the file, in bytes; offsets of problems are absolute.
 * @returns How many events were reported. Never throws for what the bytes are.
 */
export function decodeChunk(
  chunk: Uint8Array,
  chunkOffset: number,
  decoder: EvtxDecoder,
  onEvent: (event: EvtxEvent) => void,
  onProblem: (problem: EvtxProblem) => void,
  options: DecodeOptions = {},
): number {
  const walk = new ChunkWalk(chunk, chunkOffset, decoder, onEvent, onProblem);
  if (isChunk(chunk)) {
    decoder.begin(chunk, chunkOffset);
    walk.records(decodeChunkHeader(chunk).freeSpaceOffset);
    if (options.recover) walk.slack();
  } else if (!isZero(chunk, 0, chunk.length)) {
    walk.noChunk();
    if (options.recover) {
      decoder.begin(chunk, chunkOffset);
      walk.slack();
    }
  }
  return walk.count;
}

class ChunkWalk {
  count = 0;
  readonly #chunk: Uint8Array;
  readonly #chunkOffset: number;
  readonly #decoder: EvtxDecoder;
  readonly #onEvent: (event: EvtxEvent) => void;
  readonly #onProblem: (problem: EvtxProblem) => void;
  /** Where the walk ended: behind the last record, or before what is none. */
  #at = FIRST_RECORD;

  constructor(
    chunk: Uint8Array,
    chunkOffset: number,
    decoder: EvtxDecoder,
    onEvent: (event: EvtxEvent) => void,
    onProblem: (problem: EvtxProblem) => void,
  ) {
    this.#chunk = chunk;
    this.#chunkOffset = chunkOffset;
    this.#decoder = decoder;
    this.#onEvent = onEvent;
    this.#onProblem = onProblem;
  }

  /** The records up to the free space, and behind it those a stale header does not know of. */
  records(freeSpaceOffset: number): void {
    const chunk = this.#chunk;
    let maxId: number | bigint = -1;
    let at = FIRST_RECORD;
    while (at + MIN_RECORD_SIZE <= chunk.length) {
      const isFree = at >= freeSpaceOffset;
      if (i32(chunk, at) !== RECORD_MAGIC) {
        if (isFree) break;
        const next = findRecord(chunk, at + RECORD_ALIGNMENT);
        if (isZero(chunk, at, Math.min(at + ZERO_RUN, chunk.length))) {
          // Zeros are the end where the header claims too much. Only newer records behind them, in
          // what it calls used, say that they are a hole instead: sectors that were never written.
          if (next < 0 || next >= freeSpaceOffset || u64(chunk, next + 8) <= maxId) break;
        }
        this.#problem("record_magic", at, `no record where one should begin${skipping(at, next)}`);
        if (next < 0) break;
        at = next;
        continue;
      }
      const size = u32(chunk, at + 4);
      const fits = size >= MIN_RECORD_SIZE && size % RECORD_ALIGNMENT === 0 &&
        at + size <= chunk.length;
      if (!fits) {
        if (isFree) break;
        const isCut = at + size > chunk.length && chunk.length < CHUNK_SIZE && size < CHUNK_SIZE;
        const next = findRecord(chunk, at + RECORD_ALIGNMENT);
        const message = isCut
          ? `the file ends inside a record of ${size} bytes`
          : `record size ${size} is not 28 to what is left of the chunk${skipping(at, next)}`;
        this.#problem(isCut ? "truncated" : "record_size", at, message);
        if (next < 0) break;
        at = next;
        continue;
      }
      const id = u64(chunk, at + 8);
      const isWhole = u32(chunk, at + size - 4) === size;
      // Slack holds older records as a rule, so only newer and intact ones count.
      if (isFree && (!isWhole || id <= maxId)) break;
      if (!isWhole) this.#decoder.counters.sizeCopyMismatches++;
      // A record of another log, in the buffer an export was made with, has no template here.
      if (!this.#record(at, size, false, isFree) && isFree) break;
      if (id > maxId) maxId = id;
      at += size;
    }
    this.#at = at;
    if (chunk.length < CHUNK_SIZE && at < freeSpaceOffset && at + MIN_RECORD_SIZE > chunk.length) {
      this.#problem("truncated", chunk.length, "the file ends inside a chunk");
    }
  }

  /** Every intact record behind the walk. */
  slack(): void {
    const chunk = this.#chunk;
    for (let at = findRecord(chunk, this.#at); at >= 0; at = findRecord(chunk, at)) {
      const size = u32(chunk, at + 4);
      this.#record(at, size, true, true);
      at += size;
    }
  }

  /** Tells that there is no chunk where one should be. */
  noChunk(): void {
    const isCut = this.#chunk.length < CHUNK_SIZE;
    if (isCut) this.#problem("truncated", 0, `the file ends in ${this.#chunk.length} bytes`);
    else this.#problem("chunk_magic", 0, "chunk signature is wrong");
  }

  /**
   * Reports the record, or the problem it has.
   *
   * @param isSlack slack is overwritten piece by piece, so what is broken there is no problem.
   * @returns Whether there was an event.
   */
  #record(at: number, size: number, recovered: boolean, isSlack: boolean): boolean {
    try {
      const event = this.#decoder.decode(at, size, recovered);
      if (event !== undefined) {
        this.count++;
        this.#onEvent(event);
        return true;
      }
      if (!isSlack) this.#problem("partial", at, "record was not written to its end");
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      if (!isSlack) this.#problem(error.reason, at, error.message);
    }
    return false;
  }

  #problem(reason: EvtxProblemReason, at: number, message: string): void {
    const offset = this.#chunkOffset + at;
    const what = reason === "chunk_magic" ? "chunk" : "record";
    this.#onProblem({ reason, message: `Cannot decode ${what} at ${offset}: ${message}`, offset });
  }
}

/**
 * Where the next record begins that looks sound: signature, size, size copy and time all fit.
 *
 * @param from a multiple of 8; records begin nowhere else.
 * @param isHidden do without the size copy, which whoever hid a record in another had to overwrite.
 * @returns Bytes from the start of the chunk, or -1.
 */
export function findRecord(chunk: Uint8Array, from: number, isHidden = false): number {
  for (let at = from; at + MIN_RECORD_SIZE <= chunk.length; at += RECORD_ALIGNMENT) {
    if (i32(chunk, at) !== RECORD_MAGIC) continue;
    const size = u32(chunk, at + 4);
    if (size < MIN_RECORD_SIZE || size % RECORD_ALIGNMENT !== 0) continue;
    if (at + size > chunk.length) continue;
    if (!isHidden && u32(chunk, at + size - 4) !== size) continue;
    const time = u32(chunk, at + 20);
    if (time >= EARLIEST_TIME && time <= LATEST_TIME) return at;
  }
  return -1;
}

function skipping(at: number, next: number): string {
  return next < 0 ? "; the rest of the chunk is lost" : `; ${next - at} bytes skipped`;
}
