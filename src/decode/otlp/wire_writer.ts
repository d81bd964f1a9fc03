/**
 * Writes the wire format of Protocol Buffers, as far as OTLP's messages need it.
 *
 * @see protobuf.dev, "Encoding"
 */
import { Buffer } from "node:buffer";
import { WIRE } from "./wire.ts";

const FIRST_BYTES = 256;
/** What a length is given room for before it is known: enough for 2 MiB - 1 bytes. */
const LENGTH_BYTES = 3;

/** Appends fields to one buffer; what is 0 or empty is left out where `proto3` leaves it out. */
export class WireWriter {
  #bytes = Buffer.alloc(FIRST_BYTES);
  #length = 0;

  /** What was written. The writer must not be used any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  varint(field: number, value: number | bigint): void {
    this.#tag(field, WIRE.varint);
    if (typeof value === "number" && value >= 0 && value <= 0xffff_ffff) this.#uint32(value);
    else this.#uint64(BigInt.asUintN(64, BigInt(value)));
  }

  double(field: number, value: number): void {
    this.#tag(field, WIRE.fixed64);
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  fixed64(field: number, value: bigint): void {
    this.#tag(field, WIRE.fixed64);
    this.#reserve(8);
    this.#length = this.#bytes.writeBigUInt64LE(value, this.#length);
  }

  string(field: number, text: string): void {
    this.#tag(field, WIRE.bytes);
    const bytes = Buffer.byteLength(text, "utf8");
    this.#uint32(bytes);
    this.#reserve(bytes);
    this.#length += this.#bytes.write(text, this.#length, "utf8");
  }

  /** A nested message; `write` appends its fields to this writer. */
  message(field: number, write: () => void): void {
    this.#tag(field, WIRE.bytes);
    this.#reserve(LENGTH_BYTES);
    const start = this.#length + LENGTH_BYTES;
    this.#length = start;
    write();
    const length = this.#length - start;
    // Rarely the room is too small; mostly it is too large, and the bytes move down.
    const needed = length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 5;
    const shift = needed - LENGTH_BYTES;
    if (shift > 0) this.#reserve(shift);
    if (shift !== 0) this.#bytes.copyWithin(start + shift, start, start + length);
    this.#length = start - LENGTH_BYTES;
    if (needed === 5) this.#paddedLength(length);
    else this.#uint32(length);
    this.#length += length;
  }

  #tag(field: number, kind: number): void {
    this.#uint32(field << 3 | kind);
  }

  #uint32(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = rest & 0x7f | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** In five bytes whatever it is, since four or five would be a further case. */
  #paddedLength(value: number): void {
    for (let part = 0; part < 4; part++) {
      this.#bytes[this.#length++] = value >>> (7 * part) & 0x7f | 0x80;
    }
    this.#bytes[this.#length++] = value >>> 28;
  }

  #uint64(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
