/**
 * EVTX files: chunk by chunk through one buffer, whatever the size of the file.
 *
 * Exported for the rest of Picket:
 * - `EvtxFileReader.open(path)`; its `chunkCount`, `header`, `size`;
 * - `reader.readChunks(from, to, decoder, onEvent, onProblem, options)`, synchronous and fast, for
 *   scans: several threads may read ranges of one file, each with its own reader and decoder;
 * - `reader.scan({from, to, decoder, signal, onEvent, onProblem, onBytes})`, the same with pauses in
 *   which it can be aborted;
 * - `reader.events()`, an `AsyncIterable` of events that stay valid, for users of the library;
 * - `readEvtxStream(source, …)` for stdin, and for `.evtx.gz` with `readPackedBlocks` as its source;
 * - `isEvtxFile(path)`, by signature.
 * `readEvtxInfo` is in `evtx_info.ts`, `checkIntegrity` in `evtx_integrity.ts`.
 *
 * How many chunks there are follows from the size of the file. The header's count is stale in every
 * log that was copied while in use, and wraps at 65,536.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { decodeChunk, type DecodeOptions } from "../decode/evtx/decode_chunk.ts";
import { EvtxDecoder } from "../decode/evtx/decoder.ts";
import { EvtxError, type EvtxProblem } from "../decode/evtx/errors.ts";
import type { EvtxEvent } from "../decode/evtx/event.ts";
import {
  CHUNK_SIZE,
  decodeFileHeader,
  FILE_HEADER_SIZE,
  FILE_SIGNATURE,
  type FileHeader,
  isEvtx,
} from "../decode/evtx/file_header.ts";

/** Chunks per read: 1 MiB, the whole memory a reader needs beside its decoder. */
const CHUNKS_PER_READ = 16;

/** Gets an event that is valid until it returns; keep `event.snapshot()`. */
export type OnEvent = (event: EvtxEvent) => void;
/** Gets what is damaged and was stepped over. */
export type OnProblem = (problem: EvtxProblem) => void;

/** What to read of a file, and who gets it. */
export interface EvtxScanOptions extends DecodeOptions {
  /** The first chunk, and the one behind the last; the whole file when left out. */
  readonly from?: number;
  /** Behind the last chunk. */
  readonly to?: number;
  /** Keep one over several files: it knows their templates. */
  readonly decoder?: EvtxDecoder;
  /** Ends the scan between reads. */
  readonly signal?: AbortSignal;
  /** Called for each event. */
  readonly onEvent: OnEvent;
  /** Called for each defect. */
  readonly onProblem: OnProblem;
  /** Called with the size of what was decoded since the call before, in bytes. */
  readonly onBytes?: (bytes: number) => void;
}

/** Reads one file; `close` it, or hold it with `using`. */
export class EvtxFileReader implements Disposable {
  /** As given. */
  readonly path: string;
  /** In bytes, when the file was opened. */
  readonly size: number;
  /** As it stands in the file; stale in a log that was in use. */
  readonly header: FileHeader;
  /** How many chunks the file has room for; a cut-off one at its end counts. */
  readonly chunkCount: number;
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(CHUNKS_PER_READ * CHUNK_SIZE);
  /** Made once, so that the decoder knows them again. */
  readonly #chunks = Array.from(
    { length: CHUNKS_PER_READ },
    (_, index) => this.#buffer.subarray(index * CHUNK_SIZE, (index + 1) * CHUNK_SIZE),
  );
  #isOpen = true;

  private constructor(path: string, descriptor: number, size: number, header: FileHeader) {
    this.path = path;
    this.size = size;
    this.header = header;
    this.chunkCount = Math.ceil((size - FILE_HEADER_SIZE) / CHUNK_SIZE);
    this.#descriptor = descriptor;
  }

  /**
   * Opens a file and reads its header.
   *
   * @throws {EvtxError} `EVTX_IO` if it cannot be opened, `EVTX_TOO_SHORT` or `EVTX_SIGNATURE` if it
   * is no EVTX file.
   */
  static open(path: string): EvtxFileReader {
    const descriptor = attempt(path, () => openSync(path, "r"));
    try {
      const size = attempt(path, () => fstatSync(descriptor).size);
      const block = new Uint8Array(FILE_HEADER_SIZE);
      const length = attempt(path, () => readFully(descriptor, block, 0));
      const header = decodeFileHeader(block.subarray(0, length));
      return new EvtxFileReader(path, descriptor, size, header);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /**
   * Calls `onChunk` with every chunk of `[from, to)` and its offset in the file. The bytes are valid
   * until the callback returns.
   *
   * @throws {EvtxError} `EVTX_IO`.
   */
  forEachChunk(
    from: number,
    to: number,
    onChunk: (chunk: Uint8Array, offset: number) => void,
  ): void {
    const end = Math.min(to, this.chunkCount);
    for (let first = Math.max(0, from); first < end; first += CHUNKS_PER_READ) {
      const wanted = Math.min(CHUNKS_PER_READ, end - first) * CHUNK_SIZE;
      const offset = FILE_HEADER_SIZE + first * CHUNK_SIZE;
      const target = this.#buffer.subarray(0, Math.min(wanted, this.size - offset));
      const length = attempt(this.path, () => readFully(this.#descriptor, target, offset));
      for (let at = 0; at < length; at += CHUNK_SIZE) {
        const chunk = this.#chunks[at / CHUNK_SIZE]!;
        const isWhole = at + CHUNK_SIZE <= length;
        onChunk(isWhole ? chunk : chunk.subarray(0, length - at), offset + at);
      }
    }
  }

  /**
   * Decodes the chunks `[from, to)`, counted from 0 in file order.
   *
   * `onEvent` gets the decoder's one event, valid until the callback returns; see `decodeChunk`.
   *
   * @returns How many events were reported.
   * @throws {EvtxError} `EVTX_IO`.
   */
  readChunks(
    from: number,
    to: number,
    decoder: EvtxDecoder,
    onEvent: OnEvent,
    onProblem: OnProblem,
    options: DecodeOptions = {},
  ): number {
    let count = 0;
    this.forEachChunk(from, to, (chunk, offset) => {
      count += decodeChunk(chunk, offset, decoder, onEvent, onProblem, options);
    });
    return count;
  }

  /**
   * `readChunks` that lets go between reads of 1 MiB, so that a scan can be stopped and can show how
   * far it is.
   *
   * @returns How many events were reported.
   * @throws {EvtxError} `EVTX_IO`; rejects with the reason of the signal.
   */
  async scan(options: EvtxScanOptions): Promise<number> {
    const { decoder = new EvtxDecoder(), onEvent, onProblem, signal } = options;
    const end = Math.min(options.to ?? this.chunkCount, this.chunkCount);
    let count = 0;
    for (let first = options.from ?? 0; first < end; first += CHUNKS_PER_READ) {
      signal?.throwIfAborted();
      const last = Math.min(first + CHUNKS_PER_READ, end);
      count += this.readChunks(first, last, decoder, onEvent, onProblem, options);
      const behind = Math.min(this.size, FILE_HEADER_SIZE + last * CHUNK_SIZE);
      options.onBytes?.(behind - (FILE_HEADER_SIZE + first * CHUNK_SIZE));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return count;
  }

  /**
   * All events in file order. Each stays valid; a chunk's worth of them is held at a time.
   *
   * @throws {EvtxError} `EVTX_IO`.
   */
  async *events(
    onProblem: OnProblem = () => {},
    options: DecodeOptions = {},
  ): AsyncGenerator<EvtxEvent, void, void> {
    const decoder = new EvtxDecoder();
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      const events: EvtxEvent[] = [];
      const keep = (event: EvtxEvent) => events.push(event.snapshot());
      this.readChunks(chunk, chunk + 1, decoder, keep, onProblem, options);
      yield* events;
    }
  }

  /** Closes the file; a second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#descriptor);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Whether the file begins as EVTX files do.
 *
 * @throws {EvtxError} `EVTX_IO` if it cannot be read.
 */
export function isEvtxFile(path: string): boolean {
  const descriptor = attempt(path, () => openSync(path, "r"));
  try {
    const head = new Uint8Array(FILE_SIGNATURE.length);
    return attempt(path, () => readFully(descriptor, head, 0)) === head.length && isEvtx(head);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Decodes an EVTX file that comes as a stream, in pieces of any size; holds one chunk of it.
 *
 * @param onEvent as for `EvtxFileReader.readChunks`.
 * @returns How many events were reported.
 * @throws {EvtxError} `EVTX_TOO_SHORT` or `EVTX_SIGNATURE`. What the source throws passes through.
 */
export async function readEvtxStream(
  source: AsyncIterable<Uint8Array>,
  decoder: EvtxDecoder,
  onEvent: OnEvent,
  onProblem: OnProblem,
  options: DecodeOptions = {},
): Promise<number> {
  const block = new Uint8Array(FILE_HEADER_SIZE);
  const chunk = new Uint8Array(CHUNK_SIZE);
  let target = block;
  let filled = 0;
  let offset = 0;
  let count = 0;
  for await (const piece of source) {
    for (let at = 0; at < piece.length;) {
      const taken = Math.min(piece.length - at, target.length - filled);
      target.set(piece.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled < target.length) continue;
      if (target === block) decodeFileHeader(block);
      else count += decodeChunk(chunk, offset, decoder, onEvent, onProblem, options);
      offset += filled;
      target = chunk;
      filled = 0;
    }
  }
  if (target === block) decodeFileHeader(block.subarray(0, filled));
  if (filled === 0) return count;
  const rest = chunk.subarray(0, filled);
  return count + decodeChunk(rest, offset, decoder, onEvent, onProblem, options);
}

/** Reads until `target` is full or the file ends; returns how much was read. */
function readFully(descriptor: number, target: Uint8Array, position: number): number {
  let length = 0;
  while (length < target.length) {
    const read = readSync(descriptor, target, length, target.length - length, position + length);
    if (read === 0) break;
    length += read;
  }
  return length;
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvtxError("EVTX_IO", `Cannot read EVTX file ${path}: ${reason}`, { cause });
  }
}
