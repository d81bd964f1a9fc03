/**
 * The bytes of a substitution to the value a rule compares with.
 *
 * Nothing here fails: a value is read within the window its descriptor gives it, one that is too
 * short for its type is empty, and a time that is none comes out as raw text and is counted.
 */
import type { Value } from "../../event/value.ts";
import { numberText, scalarText } from "../../event/value.ts";
import { i32, i64, u16, u32, u64 } from "./bytes.ts";
import { filetimeMs, filetimeRemainder, isFiletime, systemtimeMs, TimeFormat } from "./filetime.ts";
import { StringCache } from "./string_cache.ts";
import { Utf16Reader } from "./utf16.ts";
import {
  ANSI_STRING,
  ARRAY,
  BINARY,
  BINXML,
  BOOL,
  FILETIME,
  GUID,
  HEXINT32,
  HEXINT64,
  INT16,
  INT32,
  INT64,
  INT8,
  NULL,
  REAL32,
  REAL64,
  SID,
  SIZE_T,
  STRING,
  SYSTEMTIME,
  UINT16,
  UINT32,
  UINT64,
  UINT8,
  widthOf,
} from "./value_type.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const HEX_UPPER = HEX.map((text) => text.toUpperCase());
const WINDOWS_1252 = new TextDecoder("windows-1252");
/** What U+0000 inside a string is shown as where the whole string is asked for. */
const NUL_PICTURE = "\u2400";

/** Decodes values out of one chunk at a time. */
export class ValueReader {
  /** Times that could not be written as a date, since the reader was made. */
  badTimes = 0;
  bytes: Uint8Array = new Uint8Array();
  readonly #time = new TimeFormat();
  readonly #strings: StringCache;
  #utf16 = new Utf16Reader(this.bytes);
  /** Wrapping memory costs more than a map look-up, and readers reuse their chunk buffers. */
  readonly #wrapped = new WeakMap<Uint8Array, Utf16Reader>();

  /** @param strings shared by readers of one thread, because each cache takes 32 KiB when empty. */
  constructor(strings: StringCache = new StringCache()) {
    this.#strings = strings;
  }

  /** A reader of `bytes` that shares this one's strings. */
  over(bytes: Uint8Array): ValueReader {
    const reader = new ValueReader(this.#strings);
    reader.use(bytes);
    return reader;
  }

  /** Makes offsets mean positions in `bytes`, from now on. */
  use(bytes: Uint8Array): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    let reader = this.#wrapped.get(bytes);
    if (reader === undefined) {
      reader = new Utf16Reader(bytes);
      this.#wrapped.set(bytes, reader);
    }
    this.#utf16 = reader;
  }

  /** The `units` UTF-16 code units at byte `at`. */
  utf16(at: number, units: number): string {
    return this.#utf16.read(at, units);
  }

  /** The bytes `[at, end)` as one character each. */
  latin1(at: number, end: number): string {
    return this.#utf16.latin1(at, end);
  }

  /**
   * The value of `type` in the `size` bytes at `at`; `undefined` when it is empty.
   *
   * An array is always returned as one, whatever the number of its items.
   */
  decode(type: number, at: number, size: number): Value | undefined {
    if (type === STRING) return this.#string(at, size);
    if (size < widthOf(type)) return undefined;
    const bytes = this.bytes;
    switch (type) {
      case UINT8:
        return bytes[at]!;
      case UINT16:
        return u16(bytes, at);
      case UINT32:
        return u32(bytes, at);
      case UINT64:
        return u64(bytes, at);
      case GUID:
        return guidText(bytes, at, HEX_UPPER);
      case HEXINT32:
        return `0x${u32(bytes, at).toString(16)}`;
      case HEXINT64:
        return hex64(bytes, at);
      case SIZE_T:
        if (size >= 8) return hex64(bytes, at);
        return size >= 4 ? `0x${u32(bytes, at).toString(16)}` : undefined;
      case SID:
        return size === 0 ? undefined : sidText(bytes, at, size);
      case FILETIME:
        return this.#filetime(at, false);
      case SYSTEMTIME:
        return this.#systemtime(at, false);
      case BOOL:
        return i32(bytes, at) !== 0;
      case BINARY:
        return size === 0 ? undefined : hexText(bytes, at, size);
      case INT8:
        return (bytes[at]! << 24) >> 24;
      case INT16:
        return (u16(bytes, at) << 16) >> 16;
      case INT32:
        return i32(bytes, at);
      case INT64:
        return i64(bytes, at);
      case REAL32:
        return real32Text(this.#view().getFloat32(at, true));
      case REAL64:
        return realText(this.#view().getFloat64(at, true));
      case ANSI_STRING:
        return this.#ansi(at, size);
      case NULL:
      case BINXML:
        return undefined;
    }
    if ((type & ARRAY) === 0) return undefined;
    const items = this.#items(type & ~ARRAY, at, size);
    return items.length === 0 ? undefined : items;
  }

  /**
   * The value as Windows writes it in XML: GUIDs as `{lower case}`, times with all seven digits.
   *
   * @returns `""` when it is empty.
   */
  xmlText(type: number, at: number, size: number): string {
    if (size >= widthOf(type)) {
      if (type === GUID) return bracedGuid(this.bytes, at);
      if (type === FILETIME) return this.#filetime(at, true);
      if (type === SYSTEMTIME) return this.#systemtime(at, true);
    }
    const value = this.decode(type, at, size);
    if (Array.isArray(value)) return value.map((item) => scalarText(item) ?? "").join(",");
    return scalarText(value) ?? "";
  }

  /**
   * Another spelling a rule may use: `{lower case}` for a GUID; for a string with a NUL in it, the
   * whole of it with U+2400 in the place of each NUL.
   */
  alternate(type: number, at: number, size: number): string | undefined {
    if (type === GUID) return size < 16 ? undefined : bracedGuid(this.bytes, at);
    if (type !== STRING || size < 4) return undefined;
    let units = size >> 1;
    while (units > 0 && u16(this.bytes, at + units * 2 - 2) === 0) units--;
    const text = this.#utf16.read(at, units);
    return text.includes("\0") ? text.replaceAll("\0", NUL_PICTURE) : undefined;
  }

  #string(at: number, size: number): string | undefined {
    const bytes = this.bytes;
    let units = size >> 1;
    if (units > 0 && (bytes[at + units * 2 - 2]! | bytes[at + units * 2 - 1]!) === 0) units--;
    if (units === 0) return undefined;
    return this.#strings.get(bytes, at, units, this.#utf16);
  }

  #ansi(at: number, size: number): string | undefined {
    const kept = this.bytes.subarray(at, at + size).filter((byte) => byte !== 0);
    return kept.length === 0 ? undefined : WINDOWS_1252.decode(kept);
  }

  #filetime(at: number, whole: boolean): string {
    if (!isFiletime(this.bytes, at)) {
      this.badTimes++;
      return String(u64(this.bytes, at));
    }
    const ms = filetimeMs(this.bytes, at);
    const remainder = filetimeRemainder(this.bytes, at);
    return whole ? this.#time.ticks(ms, remainder) : this.#time.micros(ms, remainder);
  }

  #systemtime(at: number, whole: boolean): string {
    const ms = systemtimeMs(this.bytes, at);
    if (ms === undefined) {
      this.badTimes++;
      return hexText(this.bytes, at, 16);
    }
    return whole ? this.#time.ticks(ms, 0) : this.#time.micros(ms, 0);
  }

  #items(type: number, at: number, size: number): Value[] {
    const end = at + size;
    const items: Value[] = [];
    if (type === STRING) {
      for (let from = at; from + 1 < end;) {
        let to = from;
        while (to + 1 < end && (this.bytes[to]! | this.bytes[to + 1]!) !== 0) to += 2;
        items.push(this.#utf16.read(from, (to - from) >> 1));
        from = to + 2;
      }
      return items;
    }
    if (type === SID) {
      for (let from = at; from + 8 <= end;) {
        const length = Math.min(8 + 4 * this.bytes[from + 1]!, end - from);
        items.push(sidText(this.bytes, from, length));
        from += length;
      }
      return items;
    }
    const width = widthOf(type);
    if (width <= 0) return items;
    for (let from = at; from + width <= end; from += width) {
      items.push(this.decode(type, from, width) ?? null);
    }
    return items;
  }

  #view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }
}

function hex64(bytes: Uint8Array, at: number): string {
  const high = u32(bytes, at + 4);
  const low = u32(bytes, at).toString(16);
  return high === 0 ? `0x${low}` : `0x${high.toString(16)}${low.padStart(8, "0")}`;
}

/** Upper-case hex digits, two a byte. */
function hexText(bytes: Uint8Array, at: number, size: number): string {
  let text = "";
  for (let i = at; i < at + size; i++) text += HEX_UPPER[bytes[i]!]!;
  return text;
}

/** `D1D2D3D4-…`: the first three groups are little-endian numbers, the rest bytes in order. */
function guidText(b: Uint8Array, at: number, hex: readonly string[]): string {
  return hex[b[at + 3]!]! + hex[b[at + 2]!]! + hex[b[at + 1]!]! + hex[b[at]!]! + "-" +
    hex[b[at + 5]!]! + hex[b[at + 4]!]! + "-" + hex[b[at + 7]!]! + hex[b[at + 6]!]! + "-" +
    hex[b[at + 8]!]! + hex[b[at + 9]!]! + "-" + hex[b[at + 10]!]! + hex[b[at + 11]!]! +
    hex[b[at + 12]!]! + hex[b[at + 13]!]! + hex[b[at + 14]!]! + hex[b[at + 15]!]!;
}

function bracedGuid(bytes: Uint8Array, at: number): string {
  return `{${guidText(bytes, at, HEX)}}`;
}

/** `S-1-5-…`; the authority is big-endian, unlike everything else in the file. */
function sidText(bytes: Uint8Array, at: number, size: number): string {
  if (size < 8) return "S-?";
  const authority = (bytes[at + 2]! * 256 + bytes[at + 3]!) * 0x1_0000_0000 +
    bytes[at + 4]! * 0x100_0000 + bytes[at + 5]! * 0x1_0000 + bytes[at + 6]! * 0x100 +
    bytes[at + 7]!;
  let text = `S-${bytes[at]!}-${authority}`;
  const end = Math.min(at + size, at + 8 + 4 * bytes[at + 1]!);
  for (let sub = at + 8; sub + 4 <= end; sub += 4) text += `-${u32(bytes, sub)}`;
  return text;
}

/** Text of a double: digits without an exponent, `inf`, `NaN`. */
function realText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : numberText(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "inf" : "-inf";
}

/** The fewest digits that read back as the same 32-bit float, not as its double. */
function real32Text(value: number): string {
  if (!Number.isFinite(value)) return realText(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return realText(short);
  }
  return realText(Number(value.toPrecision(9)));
}
