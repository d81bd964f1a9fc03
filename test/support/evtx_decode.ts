/**
 * Decodes a whole EVTX file from memory, for tests: what a reader of files does, without the reading.
 */
import type { Value } from "../../src/event/value.ts";
import { decodeChunk, type DecodeOptions } from "../../src/decode/evtx/decode_chunk.ts";
import { EvtxDecoder } from "../../src/decode/evtx/decoder.ts";
import type { EvtxProblem } from "../../src/decode/evtx/errors.ts";
import type { EvtxEvent } from "../../src/decode/evtx/event.ts";
import {
  CHUNK_SIZE,
  decodeFileHeader,
  FILE_HEADER_SIZE,
} from "../../src/decode/evtx/file_header.ts";

/** What is kept of an event when the decoder goes on. */
export interface DecodedRecord {
  readonly id: number | bigint;
  /** From the start of the file. */
  readonly offset: number;
  readonly chunkOffset: number;
  readonly recovered: boolean;
  readonly value: Value;
}

export interface DecodedEvtx {
  readonly records: readonly DecodedRecord[];
  readonly problems: readonly EvtxProblem[];
  readonly sizeCopyMismatches: number;
}

/**
 * Every record of the file.
 *
 * @param onEvent is called for each event while it is loaded.
 * @throws {EvtxError} if it is no EVTX file.
 */
export function decodeEvtx(
  bytes: Uint8Array,
  options: DecodeOptions = {},
  onEvent: (event: EvtxEvent) => void = () => {},
): DecodedEvtx {
  decodeFileHeader(bytes);
  const decoder = new EvtxDecoder();
  const records: DecodedRecord[] = [];
  const problems: EvtxProblem[] = [];
  for (let at = FILE_HEADER_SIZE; at < bytes.length; at += CHUNK_SIZE) {
    const chunk = bytes.subarray(at, at + CHUNK_SIZE);
    const keep = (event: EvtxEvent) => {
      onEvent(event);
      const { recordId: id, offset, recovered } = event;
      records.push({ id, offset, chunkOffset: at, recovered, value: event.toValue() });
    };
    decodeChunk(chunk, at, decoder, keep, (problem) => problems.push(problem), options);
  }
  return { records, problems, sizeCopyMismatches: decoder.counters.sizeCopyMismatches };
}
