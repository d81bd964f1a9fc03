/**
 * What an EVTX file holds, for `picket evtx info`.
 */
import { decodeChunk } from "../decode/evtx/decode_chunk.ts";
import {
  type ChunkHeader,
  decodeChunkHeader,
  isChunk,
  verifyChunk,
} from "../decode/evtx/chunk_header.ts";
import { EvtxDecoder } from "../decode/evtx/decoder.ts";
import type { EvtxProblemReason } from "../decode/evtx/errors.ts";
import type { FileHeader } from "../decode/evtx/file_header.ts";
import { EvtxFileReader } from "./evtx_file.ts";

/** What one slot of 65,536 bytes holds. */
export interface EvtxChunkInfo {
  /** From 0 in file order. */
  readonly index: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** `empty`: nothing but zeros or no records; `foreign`: no chunk, but not zero either. */
  readonly state: "used" | "empty" | "foreign";
  readonly header: ChunkHeader | undefined;
  readonly headerChecksumValid: boolean;
  readonly dataChecksumValid: boolean;
  readonly records: number;
  /** Lowest and highest record id, `undefined` if there is no record. */
  readonly recordIds: Range<number | bigint> | undefined;
}

/** Both ends belong to it. */
export interface Range<T> {
  readonly first: T;
  readonly last: T;
}

export interface EvtxInfo {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly header: FileHeader;
  readonly chunks: readonly EvtxChunkInfo[];
  readonly records: number;
  readonly recordIds: Range<number | bigint> | undefined;
  /** Unix time in milliseconds of the earliest and latest `TimeCreated`. */
  readonly timeMs: Range<number> | undefined;
  /** Records by channel. */
  readonly channels: ReadonlyMap<string, number>;
  /** What was stepped over, by reason. */
  readonly problems: ReadonlyMap<EvtxProblemReason, number>;
  /** Records whose size does not stand a second time behind them: written in part. */
  readonly sizeCopyMismatches: number;
}

/**
 * Reads a whole file and sums up what is in it.
 *
 * @throws {EvtxError} if it cannot be read or is no EVTX file.
 */
export function readEvtxInfo(path: string): EvtxInfo {
  using reader = EvtxFileReader.open(path);
  const decoder = new EvtxDecoder();
  const chunks: EvtxChunkInfo[] = [];
  const channels = new Map<string, number>();
  const problems = new Map<EvtxProblemReason, number>();
  let recordIds: Range<number | bigint> | undefined;
  let timeMs: Range<number> | undefined;
  let records = 0;
  reader.forEachChunk(0, reader.chunkCount, (chunk, offset) => {
    let chunkIds: Range<number | bigint> | undefined;
    const count = decodeChunk(chunk, offset, decoder, (event) => {
      chunkIds = widen(chunkIds, event.recordId);
      timeMs = widen(timeMs, event.timestampMs);
      increment(channels, event.channel ?? "");
    }, ({ reason }) => increment(problems, reason));
    if (chunkIds !== undefined) {
      recordIds = widen(widen(recordIds, chunkIds.first), chunkIds.last);
    }
    records += count;
    const header = isChunk(chunk) ? decodeChunkHeader(chunk) : undefined;
    const checksums = header === undefined ? undefined : verifyChunk(chunk);
    chunks.push({
      index: chunks.length,
      offset,
      state: stateOf(chunk, count),
      header,
      headerChecksumValid: checksums?.header ?? false,
      dataChecksumValid: checksums?.data ?? false,
      records: count,
      recordIds: chunkIds,
    });
  });
  return {
    path,
    size: reader.size,
    header: reader.header,
    chunks,
    records,
    recordIds,
    timeMs,
    channels,
    problems,
    sizeCopyMismatches: decoder.counters.sizeCopyMismatches,
  };
}

function stateOf(chunk: Uint8Array, records: number): EvtxChunkInfo["state"] {
  if (isChunk(chunk)) return records > 0 ? "used" : "empty";
  return chunk.every((byte) => byte === 0) ? "empty" : "foreign";
}

function widen<T extends number | bigint>(range: Range<T> | undefined, value: T): Range<T> {
  if (range === undefined) return { first: value, last: value };
  if (value >= range.first && value <= range.last) return range;
  return {
    first: value < range.first ? value : range.first,
    last: value > range.last ? value : range.last,
  };
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
