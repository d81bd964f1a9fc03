/**
 * Writes EVTX files for tests, intact or damaged in the ways section 11 of the EVTX description lists.
 *
 * `writeEvtx` takes events as a person thinks of them; `writeEvtxFile` takes chunks of records as
 * they stand in the file, and is where damage is asked for.
 */
import {
  checksum,
  CHUNK_SIZE,
  type ChunkDamage,
  ChunkWriter,
  type EvtxRecord,
  type RecordPlace,
} from "./evtx_chunk.ts";
import { eventRecord, type EventStyle, type WindowsEventSpec } from "./evtx_event.ts";

export const FILE_HEADER_SIZE = 4096;

export interface EvtxChunk {
  readonly records: readonly EvtxRecord[];
  readonly damage?: ChunkDamage;
}

/** What shall be wrong with the file around its chunks. */
export interface FileDamage {
  readonly signature?: Uint8Array;
  readonly firstChunk?: bigint;
  readonly lastChunk?: bigint;
  readonly nextRecordId?: bigint;
  readonly chunkCount?: number;
  readonly minorVersion?: number;
  readonly flags?: number;
  readonly checksum?: number;
  /** Slots of 65,536 zero bytes put in, by their index in the finished file. */
  readonly zeroChunks?: readonly number[];
  /** Appended behind the last chunk. */
  readonly trailing?: Uint8Array;
  /** Cut the file to this many bytes. */
  readonly truncateTo?: number;
}

export interface WrittenEvtx {
  readonly bytes: Uint8Array;
  /** Every record that is not slack, in file order; `offset` counts from the file's first byte. */
  readonly records: readonly (RecordPlace & { readonly chunk: number })[];
}

export interface WriteOptions extends EventStyle {
  readonly file?: FileDamage;
  /** Damage for the chunks by index. */
  readonly chunks?: readonly ChunkDamage[];
}

/**
 * Writes a log of `events`, as many chunks as they need.
 *
 * @throws {RangeError} If one event does not fit a chunk.
 */
export function writeEvtx(
  events: readonly WindowsEventSpec[],
  options: WriteOptions = {},
): WrittenEvtx {
  const records = events.map((event, at) => eventRecord(event, BigInt(at + 1), options));
  return assemble(fillChunks(records), options.file ?? {}, options.chunks ?? []);
}

/**
 * Writes chunks whose records were dealt out by hand.
 *
 * @throws {RangeError} If the records of a chunk do not fit it.
 */
export function writeEvtxFile(chunks: readonly EvtxChunk[], file: FileDamage = {}): WrittenEvtx {
  const writers = chunks.map((chunk) => {
    const writer = new ChunkWriter();
    for (const record of chunk.records) {
      if (!writer.tryAdd(record)) {
        throw new RangeError(`Record ${record.id} does not fit its chunk`);
      }
    }
    return writer;
  });
  return assemble(writers, file, chunks.map((chunk) => chunk.damage ?? {}));
}

/** One chunk with these records, as `writeEvtxFile` wants them. */
export function oneChunk(records: readonly EvtxRecord[], damage: ChunkDamage = {}): WrittenEvtx {
  return writeEvtxFile([{ records, damage }]);
}

function fillChunks(records: readonly EvtxRecord[]): readonly ChunkWriter[] {
  const writers: ChunkWriter[] = [];
  for (const record of records) {
    if (writers.at(-1)?.tryAdd(record)) continue;
    const fresh = new ChunkWriter();
    if (!fresh.tryAdd(record)) throw new RangeError(`Record ${record.id} does not fit a chunk`);
    writers.push(fresh);
  }
  return writers;
}

function assemble(
  writers: readonly ChunkWriter[],
  file: FileDamage,
  damages: readonly ChunkDamage[],
): WrittenEvtx {
  const slots: Uint8Array[] = [];
  const places: (RecordPlace & { chunk: number })[] = [];
  const zero = new Set(file.zeroChunks ?? []);
  let firstNumber = 1n;
  writers.forEach((writer, at) => {
    while (zero.has(slots.length)) slots.push(new Uint8Array(CHUNK_SIZE));
    const chunk = slots.length;
    const base = FILE_HEADER_SIZE + chunk * CHUNK_SIZE;
    for (const place of writer.records) {
      places.push({ ...place, offset: base + place.offset, chunk });
    }
    slots.push(writer.finish(firstNumber, damages[at]));
    firstNumber += BigInt(writer.records.length);
  });
  while (zero.has(slots.length)) slots.push(new Uint8Array(CHUNK_SIZE));
  const header = fileHeader(slots.length, (places.at(-1)?.id ?? 0n) + 1n, file);
  const bytes = concat([header, ...slots, file.trailing ?? new Uint8Array(0)]);
  return { bytes: bytes.slice(0, file.truncateTo ?? bytes.length), records: places };
}

function fileHeader(chunks: number, nextId: bigint, damage: FileDamage): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(damage.signature ?? new TextEncoder().encode("ElfFile\0"), 0);
  view.setBigUint64(8, damage.firstChunk ?? 0n, true);
  view.setBigUint64(16, damage.lastChunk ?? BigInt(Math.max(chunks - 1, 0)), true);
  view.setBigUint64(24, damage.nextRecordId ?? nextId, true);
  view.setUint32(32, 128, true);
  view.setUint16(36, damage.minorVersion ?? 1, true);
  view.setUint16(38, 3, true);
  view.setUint16(40, FILE_HEADER_SIZE, true);
  view.setUint16(42, damage.chunkCount ?? chunks & 0xffff, true);
  view.setUint32(120, damage.flags ?? 0, true);
  view.setUint32(124, damage.checksum ?? checksum(bytes.subarray(0, 120)), true);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
