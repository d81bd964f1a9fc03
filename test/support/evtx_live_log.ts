/**
 * Plays a live event log: a ring of chunks that the service writes record by record, with headers
 * that lag behind, archives beside it, and clearing.
 */
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CHUNK_SIZE, ChunkWriter, type EvtxRecord } from "./evtx_chunk.ts";
import { eventRecord } from "./evtx_event.ts";
import { FILE_HEADER_SIZE, writeEvtxFile } from "./evtx_writer.ts";

/** 2024-01-01 in 100 ns since 1601. */
const START_TICKS = 133_485_408_000_000_000n;
const SECOND_TICKS = 10_000_000n;

export interface LiveLogOptions {
  /** The ring: the oldest chunk is overwritten by the next one. */
  readonly maxChunks?: number;
  /** Chunks the file has room for from the beginning, all zero. */
  readonly preallocated?: number;
  /** Headers are written with every record (`fresh`) or only when the next chunk begins. */
  readonly headers?: "fresh" | "stale";
}

/** A record that was written. */
export interface WrittenRecord {
  readonly id: bigint;
  readonly ticks: bigint;
  /** As a source names it. */
  readonly name: string;
  /** Counts clearings that made ids restart. */
  readonly generation: number;
}

export class LiveLog {
  readonly path: string;
  /** All that was ever written, in order. */
  readonly written: WrittenRecord[] = [];
  readonly #options: LiveLogOptions;
  #bytes: Uint8Array;
  #writer = new ChunkWriter();
  #slot = 0;
  #slots = 1;
  #nextId = 1n;
  #number = 1n;
  #ticks = START_TICKS;
  #generation = 0;
  #archives = 0;
  /** The records that each slot holds. */
  #held: WrittenRecord[][] = [[]];

  constructor(path: string, options: LiveLogOptions = {}) {
    this.path = path;
    this.#options = options;
    this.#bytes = this.#empty();
    this.flush();
  }

  /** Records that are still in the file. */
  get present(): readonly WrittenRecord[] {
    return this.#held.flat();
  }

  /** The records in a slot of the ring. */
  chunk(slot: number): readonly WrittenRecord[] {
    return [...this.#held[slot] ?? []];
  }

  /** Writes records of about `size` bytes. */
  append(count: number, size = 200): this {
    this.write(count, size);
    this.flush();
    return this;
  }

  /** Writes a record in two steps: the file holds half of it until the function is called. */
  appendTorn(size = 200): () => void {
    const before = this.#bytes.slice();
    this.write(1, size);
    const whole = this.#bytes;
    const end = this.#cursorInFile();
    // What is new up to the middle of the record; the rest is as it was.
    const torn = before.length === whole.length ? before : concat(before, whole.length);
    const middle = end - Math.min(size, 96);
    torn.set(whole.subarray(0, middle), 0);
    writeFileSync(this.path, torn);
    return () => this.flush();
  }

  /** Clears the log; ids restart unless `keepIds`. */
  clear(keepIds = false): this {
    if (!keepIds) {
      this.#nextId = 1n;
      this.#generation++;
    }
    this.#number = 1n;
    this.#slot = 0;
    this.#slots = 1;
    this.#writer = new ChunkWriter();
    this.#held = [[]];
    this.#bytes = this.#empty();
    this.flush();
    return this;
  }

  /** Archives the log beside itself and clears it. */
  archive(how: "rename" | "copy" = "rename", keepIds = false): string {
    const time = new Date(Date.UTC(2024, 0, 1, 0, 0, this.#archives++)).toISOString()
      .replace(/[T:.]/g, "-").replace("Z", "");
    const name = `Archive-${basename(this.path, ".evtx")}-${time}.evtx`;
    const path = join(dirname(this.path), name);
    if (how === "rename") renameSync(this.path, path);
    else copyFileSync(this.path, path);
    this.clear(keepIds);
    return path;
  }

  /** Overwrites the signature of a chunk, which loses its records. */
  damageChunk(slot: number): void {
    this.#bytes.set(new Uint8Array(8).fill(0xee), FILE_HEADER_SIZE + slot * CHUNK_SIZE);
    this.#held[slot] = [];
    this.flush();
  }

  /** Overwrites bytes inside the record, which loses it. */
  damageRecord(id: bigint): void {
    const text = new Uint8Array(8);
    new DataView(text.buffer).setBigUint64(0, id, true);
    for (let at = FILE_HEADER_SIZE; at + 24 < this.#bytes.length; at += 8) {
      const isRecord = this.#bytes[at] === 0x2a && this.#bytes[at + 1] === 0x2a &&
        text.every((byte, offset) => this.#bytes[at + 8 + offset] === byte);
      if (isRecord) this.#bytes.fill(0xee, at, at + 48);
    }
    this.flush();
  }

  /** Removes the file and makes it again as it was, as another file. */
  replaceFile(): void {
    const bytes = existsSync(this.path) ? readFileSync(this.path) : this.#bytes;
    writeFileSync(`${this.path}.new`, bytes);
    renameSync(`${this.path}.new`, this.path);
  }

  flush(): void {
    writeFileSync(this.path, this.#bytes);
  }

  /** Writes records without touching the file. */
  write(count: number, size: number): void {
    for (let left = count; left > 0; left--) {
      const id = this.#nextId++;
      this.#ticks += SECOND_TICKS;
      const record = logRecord(id, this.#ticks, size);
      if (!this.#writer.tryAdd(record)) {
        this.#nextSlot();
        if (!this.#writer.tryAdd(record)) throw new RangeError("The record is too large");
      }
      const written = {
        id,
        ticks: record.writtenTicks,
        name: `${id}@${record.writtenTicks}`,
        generation: this.#generation,
      };
      this.written.push(written);
      this.#held[this.#slot]!.push(written);
      this.#store(this.#options.headers !== "stale" || this.#writer.records.length === 1);
    }
  }

  #nextSlot(): void {
    this.#store(true);
    this.#number += BigInt(this.#writer.records.length);
    const max = this.#options.maxChunks ?? Infinity;
    this.#slot = this.#slot + 1 < max ? this.#slot + 1 : 0;
    this.#slots = Math.max(this.#slots, this.#slot + 1);
    this.#held[this.#slot] = [];
    this.#writer = new ChunkWriter();
    const wanted = FILE_HEADER_SIZE + this.#slots * CHUNK_SIZE;
    if (this.#bytes.length < wanted) this.#bytes = concat(this.#bytes, wanted);
  }

  /** Puts the current chunk into the file, leaving what an older one had behind its records. */
  #store(withHeader: boolean): void {
    const chunk = this.#writer.finish(this.#number);
    const end = this.#cursorInFile();
    const at = FILE_HEADER_SIZE + this.#slot * CHUNK_SIZE;
    if (withHeader) this.#bytes.set(chunk.subarray(0, 128), at);
    this.#bytes.set(chunk.subarray(128, end - at), at + 128);
  }

  #cursorInFile(): number {
    const last = this.#writer.records.at(-1);
    const end = last === undefined ? 512 : last.offset + last.size;
    return FILE_HEADER_SIZE + this.#slot * CHUNK_SIZE + end;
  }

  #empty(): Uint8Array {
    const header = writeEvtxFile([], { flags: 1 }).bytes;
    return concat(header, FILE_HEADER_SIZE + (this.#options.preallocated ?? 1) * CHUNK_SIZE);
  }
}

function logRecord(id: bigint, ticks: bigint, size: number): EvtxRecord {
  const ms = Number((ticks - 116_444_736_000_000_000n) / 10_000n);
  return {
    ...eventRecord({
      channel: "Test",
      provider: "P",
      eventId: 1,
      recordId: id,
      time: new Date(ms).toISOString(),
      computer: "c",
      data: { Text: `event ${id}`, Filler: "x".repeat(size) },
    }, id),
    writtenTicks: ticks,
  };
}

function concat(bytes: Uint8Array, length: number): Uint8Array {
  const longer = new Uint8Array(length);
  longer.set(bytes);
  return longer;
}
