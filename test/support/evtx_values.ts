/**
 * Values of a template instance, as bytes: the encoding half of section 8 of the EVTX description.
 *
 * A value is a type code and its bytes. Helpers build the well-formed ones; `raw` and `declared`
 * build the others, because a writer of test files must be able to lie about both.
 */
import type { EvtxNode } from "./evtx_tree.ts";

/** One substitution value: the bytes and what its descriptor says of them. */
export type EvtxValue =
  | {
    readonly kind: "bytes";
    readonly code: number;
    readonly bytes: Uint8Array;
    /** Size the descriptor claims; the real one when absent. */
    readonly declaredSize?: number;
  }
  | {
    /** A nested fragment (type 0x21), written in place because its offsets are chunk-relative. */
    readonly kind: "fragment";
    readonly body: readonly EvtxNode[];
    /** Write `0F 01 01 00` in front; Windows sometimes leaves it out (section 5.1). */
    readonly header: boolean;
  };

export const TYPE = {
  null: 0x00,
  string: 0x01,
  ansi: 0x02,
  int8: 0x03,
  uint8: 0x04,
  int16: 0x05,
  uint16: 0x06,
  int32: 0x07,
  uint32: 0x08,
  int64: 0x09,
  uint64: 0x0a,
  real32: 0x0b,
  real64: 0x0c,
  bool: 0x0d,
  binary: 0x0e,
  guid: 0x0f,
  sizeT: 0x10,
  fileTime: 0x11,
  systemTime: 0x12,
  sid: 0x13,
  hexInt32: 0x14,
  hexInt64: 0x15,
  fragment: 0x21,
} as const;

/** Flag of an array type. */
export const ARRAY = 0x80;

/** A value with any type code and any bytes. */
export function raw(code: number, bytes: Uint8Array | readonly number[]): EvtxValue {
  return { kind: "bytes", code, bytes: Uint8Array.from(bytes) };
}

/** `value` whose descriptor claims `size` bytes. */
export function declared(value: EvtxValue, size: number): EvtxValue {
  if (value.kind !== "bytes") throw new RangeError("Only values of plain bytes can lie about size");
  return { ...value, declaredSize: size };
}

export const NULL_VALUE: EvtxValue = raw(TYPE.null, []);

/** UTF-16LE bytes of `text`, lone surrogates included. */
export function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes[at * 2] = unit & 0xff;
    bytes[at * 2 + 1] = unit >> 8;
  }
  return bytes;
}

/** A string; providers differ in whether a terminator is stored (section 8.1). */
export function string(text: string, terminated = false): EvtxValue {
  return raw(TYPE.string, utf16(terminated ? `${text}\0` : text));
}

/** A byte string; each character must be below U+0100. */
export function ansi(text: string): EvtxValue {
  return raw(TYPE.ansi, [...text].map((char) => char.charCodeAt(0)));
}

export function int8(value: number): EvtxValue {
  return raw(TYPE.int8, [value & 0xff]);
}

export function uint8(value: number): EvtxValue {
  return raw(TYPE.uint8, [value]);
}

export function int16(value: number): EvtxValue {
  return raw(TYPE.int16, integerBytes(value, 2));
}

export function uint16(value: number): EvtxValue {
  return raw(TYPE.uint16, integerBytes(value, 2));
}

export function int32(value: number): EvtxValue {
  return raw(TYPE.int32, integerBytes(value, 4));
}

export function uint32(value: number): EvtxValue {
  return raw(TYPE.uint32, integerBytes(value, 4));
}

export function int64(value: bigint): EvtxValue {
  return raw(TYPE.int64, integerBytes(value, 8));
}

export function uint64(value: bigint): EvtxValue {
  return raw(TYPE.uint64, integerBytes(value, 8));
}

export function hexInt32(value: number): EvtxValue {
  return raw(TYPE.hexInt32, integerBytes(value, 4));
}

export function hexInt64(value: bigint): EvtxValue {
  return raw(TYPE.hexInt64, integerBytes(value, 8));
}

/** A `size_t`, 4 or 8 bytes wide. */
export function sizeT(value: bigint, width: 4 | 8): EvtxValue {
  return raw(TYPE.sizeT, integerBytes(value, width));
}

export function real32(value: number): EvtxValue {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return raw(TYPE.real32, bytes);
}

export function real64(value: number): EvtxValue {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return raw(TYPE.real64, bytes);
}

/** A BOOL; Windows writes other words than 0 and 1 too, so the word can be given. */
export function bool(value: boolean | number): EvtxValue {
  return raw(TYPE.bool, integerBytes(Number(value), 4));
}

export function binary(bytes: Uint8Array | readonly number[]): EvtxValue {
  return raw(TYPE.binary, bytes);
}

/** A GUID from its text, with or without braces. */
export function guid(text: string): EvtxValue {
  return raw(TYPE.guid, guidBytes(text));
}

/** 100 ns ticks since 1601-01-01 UTC. */
export function fileTime(ticks: bigint): EvtxValue {
  return raw(TYPE.fileTime, integerBytes(ticks, 8));
}

/** Year, month, day of week, day, hour, minute, second, milliseconds. */
export function systemTime(words: readonly number[]): EvtxValue {
  return raw(TYPE.systemTime, words.flatMap((word) => [...integerBytes(word, 2)]));
}

/** A SID from its text, `S-1-5-18`. */
export function sid(text: string): EvtxValue {
  return raw(TYPE.sid, sidBytes(text));
}

/** Strings packed one after another, each with its terminator. */
export function stringArray(items: readonly string[]): EvtxValue {
  return raw(TYPE.string | ARRAY, utf16(items.map((item) => `${item}\0`).join("")));
}

/** An array of values of one fixed-width type (or of SIDs), back to back. */
export function arrayOf(items: readonly EvtxValue[], code: number): EvtxValue {
  const bytes = items.flatMap((item) => item.kind === "bytes" ? [...item.bytes] : []);
  return raw(code | ARRAY, bytes);
}

export function fragment(body: readonly EvtxNode[], header = true): EvtxValue {
  return { kind: "fragment", body, header };
}

/** `value` as `width` little-endian bytes, two's complement. */
export function integerBytes(value: number | bigint, width: 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt.asIntN(64, BigInt(value)), true);
  return bytes.slice(0, width);
}

const GUID = /^\{?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}?$/i;

/** The 16 bytes of a GUID: u32, u16, u16 little-endian, then eight bytes as written. */
export function guidBytes(text: string): Uint8Array {
  const parts = GUID.exec(text);
  if (parts === null) throw new RangeError(`Not a GUID: ${text}`);
  const [, first, second, third, fourth, fifth] = parts;
  const tail = `${fourth}${fifth}`.match(/../g)!.map((pair) => parseInt(pair, 16));
  return Uint8Array.from([
    ...integerBytes(parseInt(first!, 16), 4),
    ...integerBytes(parseInt(second!, 16), 2),
    ...integerBytes(parseInt(third!, 16), 2),
    ...tail,
  ]);
}

/** Revision, count, big-endian authority, little-endian sub-authorities. */
export function sidBytes(text: string): Uint8Array {
  const [letter, revision, authority, ...rest] = text.split("-");
  if (letter !== "S" || authority === undefined) throw new RangeError(`Not a SID: ${text}`);
  return Uint8Array.from([
    Number(revision),
    rest.length,
    ...integerBytes(BigInt(authority), 8).slice(0, 6).toReversed(),
    ...rest.flatMap((part) => [...integerBytes(BigInt(part), 4)]),
  ]);
}

const TICKS_TO_UNIX = 116_444_736_000_000_000n;
const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,7}))?Z$/;

/** Ticks of an ISO 8601 UTC time with up to seven digits behind the point. */
export function ticksOf(time: string): bigint {
  const parts = TIME.exec(time);
  if (parts === null) throw new RangeError(`Not a UTC time: ${time}`);
  const seconds = BigInt(Date.parse(`${parts[1]}Z`)) / 1000n;
  return seconds * 10_000_000n + BigInt((parts[2] ?? "").padEnd(7, "0")) + TICKS_TO_UNIX;
}
