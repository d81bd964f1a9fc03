/**
 * Writes one 64 KiB chunk of an EVTX file (sections 3 to 7 and 11 of the EVTX description).
 *
 * Everything in a chunk is addressed relative to its first byte and only refers back, so records are
 * written straight into the chunk's buffer; a record that does not fit is taken back whole.
 */
import type { EvtxAttribute, EvtxElement, EvtxInstance, EvtxNode } from "./evtx_tree.ts";
import { type EvtxValue, guidBytes, TYPE, utf16 } from "./evtx_values.ts";

export const CHUNK_SIZE = 65_536;
export const RECORDS_OFFSET = 512;
const NAMES_TABLE = 128;
const TEMPLATES_TABLE = 384;
const NO_DEPENDENCY = 0xffff;

/** A record, and what shall be wrong with it. */
export interface EvtxRecord {
  readonly id: bigint;
  /** Written time in the record header, 100 ns ticks since 1601. */
  readonly writtenTicks: bigint;
  readonly body: readonly EvtxNode[];
  readonly damage?: {
    readonly signature?: number;
    readonly size?: number;
    readonly sizeCopy?: number;
    /** Leave the fragment header or the end-of-stream token out. */
    readonly noFragmentHeader?: boolean;
    readonly noEnd?: boolean;
    /** Write dependency ids into the record's own elements, which have none. */
    readonly dependencies?: boolean;
    /** Bytes between end of stream and size copy, zero-filled to the next multiple of eight. */
    readonly padding?: Uint8Array;
  };
}

/** What shall be wrong with a chunk; offsets and ids as the header gives them. */
export interface ChunkDamage {
  readonly signature?: Uint8Array;
  readonly firstId?: bigint;
  readonly lastId?: bigint;
  readonly lastRecordOffset?: number;
  readonly freeSpaceOffset?: number;
  readonly flags?: number;
  readonly recordsChecksum?: number;
  readonly headerChecksum?: number;
  /** Every name record points to itself as the next of its bucket. */
  readonly cyclicNames?: boolean;
  /** All bucket heads of the string table, e.g. 0 or an offset far outside. */
  readonly nameTable?: number;
  /** Written behind the free space offset: what a wrapped log keeps of older records. */
  readonly slack?: readonly EvtxRecord[];
}

/** Where a record was written. */
export interface RecordPlace {
  readonly id: bigint;
  /** Bytes from the start of the chunk. */
  readonly offset: number;
  readonly size: number;
}

/** Thrown inside when the buffer is full; the record is then taken back. */
class ChunkFull extends Error {}

/** The hash of section 6.2: `h * 65599 + unit` over the name, low 16 bits. */
export function nameHash(units: ArrayLike<number>): number {
  let hash = 0;
  for (let at = 0; at < units.length; at++) hash = (Math.imul(hash, 65_599) + units[at]!) >>> 0;
  return hash & 0xffff;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** IEEE CRC-32 of the parts, one after another. */
export function checksum(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts) {
    for (const byte of part) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 0xff]!;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Units of a string, for `nameHash`. */
function unitsOf(name: string): number[] {
  return Array.from({ length: name.length }, (_, at) => name.charCodeAt(at));
}

/** Collects records until they no longer fit. */
export class ChunkWriter {
  readonly #bytes = new Uint8Array(CHUNK_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #names = new Map<string, number>();
  readonly #templates = new Map<string, number>();
  readonly #records: RecordPlace[] = [];
  #cursor = RECORDS_OFFSET;

  /** The records written so far, in order. */
  get records(): readonly RecordPlace[] {
    return this.#records;
  }

  /**
   * Appends a record.
   *
   * @returns `false` if it does not fit; the chunk is then as it was before.
   * @throws {RangeError} If a value is too long for its u16 size.
   */
  tryAdd(record: EvtxRecord): boolean {
    const start = this.#cursor;
    const tables = this.#bytes.slice(NAMES_TABLE, RECORDS_OFFSET);
    try {
      this.#record(record);
    } catch (error) {
      if (!(error instanceof ChunkFull)) throw error;
      this.#bytes.fill(0, start);
      this.#bytes.set(tables, NAMES_TABLE);
      forgetBehind(this.#names, start);
      forgetBehind(this.#templates, start);
      this.#cursor = start;
      return false;
    }
    this.#records.push({ id: record.id, offset: start, size: this.#cursor - start });
    return true;
  }

  /**
   * Writes the header and gives the chunk up.
   *
   * @param firstNumber Position of the first record in the log, counted from 1.
   * @returns 65,536 bytes.
   */
  finish(firstNumber: bigint, damage: ChunkDamage = {}): Uint8Array {
    const first = this.#records.at(0);
    const last = this.#records.at(-1);
    const free = this.#cursor;
    // Older records behind the free space would else be chained into the live tables.
    const tables = this.#bytes.slice(NAMES_TABLE, RECORDS_OFFSET);
    for (const record of damage.slack ?? []) this.#record(record);
    this.#bytes.set(tables, NAMES_TABLE);
    if (damage.cyclicNames) {
      for (const offset of this.#names.values()) {
        this.#put32(offset, offset);
      }
    }
    if (damage.nameTable !== undefined) {
      for (let bucket = 0; bucket < 64; bucket++) {
        this.#put32(NAMES_TABLE + bucket * 4, damage.nameTable);
      }
    }
    const view = this.#view;
    this.#bytes.set(damage.signature ?? new TextEncoder().encode("ElfChnk\0"), 0);
    view.setBigUint64(8, firstNumber, true);
    view.setBigUint64(16, firstNumber + BigInt(Math.max(this.#records.length - 1, 0)), true);
    view.setBigUint64(24, damage.firstId ?? first?.id ?? 0n, true);
    view.setBigUint64(32, damage.lastId ?? last?.id ?? 0n, true);
    view.setUint32(40, 128, true);
    view.setUint32(44, damage.lastRecordOffset ?? last?.offset ?? 0, true);
    view.setUint32(48, damage.freeSpaceOffset ?? free, true);
    const records = this.#bytes.subarray(RECORDS_OFFSET, damage.freeSpaceOffset ?? free);
    view.setUint32(52, damage.recordsChecksum ?? checksum(records), true);
    view.setUint32(120, damage.flags ?? 1, true);
    const head = checksum(this.#bytes.subarray(0, 120), this.#bytes.subarray(128, RECORDS_OFFSET));
    view.setUint32(124, damage.headerChecksum ?? head, true);
    return this.#bytes;
  }

  #record(record: EvtxRecord): void {
    const { damage } = record;
    const start = this.#cursor;
    this.#u32(damage?.signature ?? 0x2a2a);
    const sizeAt = this.#reserve32();
    this.#u64(record.id);
    this.#u64(record.writtenTicks);
    if (!damage?.noFragmentHeader) this.#fragmentHeader();
    this.#nodes(record.body, damage?.dependencies ?? false);
    if (!damage?.noEnd) this.#u8(0x00);
    if (damage?.padding) this.#raw(damage.padding);
    while ((this.#cursor - start + 4) % 8 !== 0) this.#u8(0);
    const size = this.#cursor + 4 - start;
    this.#u32(damage?.sizeCopy ?? size);
    this.#put32(sizeAt, damage?.size ?? size);
  }

  #fragmentHeader(): void {
    this.#raw(Uint8Array.of(0x0f, 1, 1, 0));
  }

  #nodes(nodes: readonly EvtxNode[], withDependency: boolean): void {
    for (const node of nodes) this.#node(node, withDependency);
  }

  #node(node: EvtxNode, withDependency: boolean): void {
    switch (node.kind) {
      case "element":
        return this.#element(node, withDependency);
      case "instance":
        return this.#instance(node);
      case "text":
        this.#u8(node.more ? 0x45 : 0x05);
        this.#u8(TYPE.string);
        return this.#countedText(node.text);
      case "cdata":
        this.#u8(0x07);
        return this.#countedText(node.text);
      case "charRef":
        this.#u8(0x08);
        return this.#u16(node.unit);
      case "entityRef":
        this.#u8(node.more ? 0x49 : 0x09);
        return this.#name(node.name);
      case "instruction":
        this.#u8(0x0a);
        this.#name(node.target);
        this.#u8(0x0b);
        return this.#countedText(node.data);
      case "slot":
        this.#u8(node.optional ? 0x0e : 0x0d);
        this.#u16(node.index);
        return this.#u8(node.type);
      case "bytes":
        return this.#raw(node.bytes);
    }
  }

  #element(node: EvtxElement, withDependency: boolean): void {
    const attributes = node.attributes;
    this.#u8(attributes.length > 0 ? 0x41 : 0x01);
    // Only elements of a definition carry a dependency id (section 5.2).
    if (withDependency) this.#u16(node.dependency ?? NO_DEPENDENCY);
    const sizeAt = this.#reserve32();
    if (node.nameOffset === undefined) this.#name(node.name);
    else this.#u32(node.nameOffset);
    if (attributes.length > 0) this.#attributes(attributes, withDependency);
    if (node.content.length === 0) {
      this.#u8(0x03);
    } else {
      this.#u8(0x02);
      this.#nodes(node.content, withDependency);
      this.#u8(0x04);
    }
    this.#patchSize(sizeAt);
  }

  #attributes(attributes: readonly EvtxAttribute[], withDependency: boolean): void {
    const sizeAt = this.#reserve32();
    attributes.forEach((attribute, at) => {
      this.#u8(at < attributes.length - 1 ? 0x46 : 0x06);
      this.#name(attribute.name);
      this.#nodes(attribute.value, withDependency);
    });
    this.#patchSize(sizeAt);
  }

  #instance(node: EvtxInstance): void {
    const guid = guidBytes(node.template.guid);
    this.#raw(Uint8Array.of(0x0c, 1));
    this.#raw(guid.subarray(0, 4));
    const known = node.definitionOffset ?? this.#templates.get(node.template.guid);
    if (known === undefined) this.#definition(node, guid);
    else this.#u32(known);
    this.#u32(node.declaredCount ?? node.values.length);
    const descriptorsAt = this.#cursor;
    for (let count = node.values.length; count > 0; count--) this.#reserve32();
    node.values.forEach((value, at) => this.#value(value, descriptorsAt + at * 4));
  }

  #definition(node: EvtxInstance, guid: Uint8Array): void {
    const offset = this.#cursor + 4;
    this.#u32(offset);
    const words = new DataView(guid.buffer);
    const hash = nameHash(Array.from({ length: 8 }, (_, at) => words.getUint16(at * 2, true)));
    const bucket = TEMPLATES_TABLE + (hash & 31) * 4;
    this.#u32(this.#view.getUint32(bucket, true));
    this.#put32(bucket, offset);
    this.#templates.set(node.template.guid, offset);
    this.#raw(guid);
    const sizeAt = this.#reserve32();
    this.#fragmentHeader();
    this.#nodes(node.template.roots, !node.template.noDependencies);
    this.#u8(0x00);
    this.#patchSize(sizeAt);
  }

  #value(value: EvtxValue, descriptorAt: number): void {
    const start = this.#cursor;
    if (value.kind === "bytes") {
      this.#raw(value.bytes);
    } else {
      if (value.header) this.#fragmentHeader();
      this.#nodes(value.body, false);
      this.#u8(0x00);
    }
    const real = this.#cursor - start;
    const size = value.kind === "bytes" ? value.declaredSize ?? real : real;
    if (size > 0xffff) throw new RangeError(`A value of ${size} bytes does not fit a descriptor`);
    this.#view.setUint16(descriptorAt, size, true);
    this.#bytes[descriptorAt + 2] = value.kind === "bytes" ? value.code : TYPE.fragment;
  }

  #name(name: string): void {
    const known = this.#names.get(name);
    if (known !== undefined) return this.#u32(known);
    const offset = this.#cursor + 4;
    const hash = nameHash(unitsOf(name));
    const bucket = NAMES_TABLE + (hash & 63) * 4;
    this.#u32(offset);
    this.#u32(this.#view.getUint32(bucket, true));
    this.#put32(bucket, offset);
    this.#names.set(name, offset);
    this.#u16(hash);
    this.#countedText(name);
    this.#u16(0);
  }

  #countedText(value: string): void {
    if (value.length > 0xffff) throw new RangeError(`${value.length} characters do not fit a u16`);
    this.#u16(value.length);
    this.#raw(utf16(value));
  }

  #raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#room(bytes.length));
  }

  #u8(value: number): void {
    this.#view.setUint8(this.#room(1), value);
  }

  #u16(value: number): void {
    this.#view.setUint16(this.#room(2), value, true);
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#room(4), value, true);
  }

  #u64(value: bigint): void {
    this.#view.setBigUint64(this.#room(8), value, true);
  }

  #put32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  #reserve32(): number {
    return this.#room(4);
  }

  /** Writes into `sizeAt` how many bytes follow it up to here. */
  #patchSize(sizeAt: number): void {
    this.#put32(sizeAt, this.#cursor - sizeAt - 4);
  }

  /** Moves the cursor on by `length` and gives where it was. */
  #room(length: number): number {
    const at = this.#cursor;
    if (at + length > CHUNK_SIZE) throw new ChunkFull();
    this.#cursor = at + length;
    return at;
  }
}

function forgetBehind(offsets: Map<string, number>, start: number): void {
  for (const [key, offset] of offsets) if (offset >= start) offsets.delete(key);
}
