/**
 * The substitution values of one record: where they are, and those already decoded.
 */
import type { Value } from "../../event/value.ts";
import { u16, u32 } from "./bytes.ts";
import { RecordError } from "./errors.ts";
import { CHUNK_SIZE } from "./file_header.ts";
import { ANSI_STRING, ARRAY, BINXML, NULL, SID, SIZE_T, STRING, widthOf } from "./value_type.ts";
import type { ValueReader } from "./values.ts";

/** A chunk has no room for more descriptors of four bytes. */
const MAX_SLOTS = CHUNK_SIZE / 4;

/**
 * The slots of an outer instance (level 0) and, behind them, those of the one inside it (level 1).
 *
 * A slot's value is decoded when it is first asked for and remembered for the life of the record.
 */
export class Slots {
  readonly #values: ValueReader;
  readonly #offsets: Int32Array;
  readonly #sizes: Int32Array;
  readonly #types: Uint8Array;
  /** `#memo[i]` is the value of this record if `#stamps[i]` is `#stamp`. */
  readonly #memo: (Value | undefined)[] = [];
  readonly #stamps: Int32Array;
  #stamp = 1;
  #outerCount = 0;
  #count = 0;
  /** A value is an ANSI string, so not all texts of the record are UTF-16. */
  hasAnsi = false;
  /** Bytes in array values; 0 if the record has none. */
  arrayBytes = 0;
  /** The last slot of the instance loaded last that holds a non-empty fragment, or -1. */
  fragment = -1;
  /** How many such slots that instance has. */
  fragmentCount = 0;

  constructor(values: ValueReader, capacity = MAX_SLOTS) {
    this.#values = values;
    this.#offsets = new Int32Array(capacity);
    this.#sizes = new Int32Array(capacity);
    this.#types = new Uint8Array(capacity);
    this.#stamps = new Int32Array(capacity);
  }

  /** Forgets the record before. */
  clear(): void {
    // The stamp wraps once in two billion records; then old stamps could be taken for new ones.
    if (++this.#stamp === 0x7fffffff) {
      this.#stamps.fill(0);
      this.#stamp = 1;
    }
    this.#outerCount = 0;
    this.#count = 0;
    this.arrayBytes = 0;
    this.hasAnsi = false;
  }

  /**
   * Loads the descriptors that begin with their count at `at`, as the next level.
   *
   * @returns Where the values end.
   * @throws {RecordError} `value` if they run past `end` or have a type that cannot be read.
   */
  load(at: number, end: number): number {
    const bytes = this.#values.bytes;
    const first = this.#count;
    const count = at + 4 <= end ? u32(bytes, at) : MAX_SLOTS;
    const total = first + count;
    let descriptor = at + 4;
    let offset = descriptor + count * 4;
    if (offset > end || total > this.#offsets.length) {
      throw new RecordError("value", `${count} substitution values do not fit the record`, at);
    }
    this.fragment = -1;
    this.fragmentCount = 0;
    for (let slot = first; slot < total; slot++, descriptor += 4) {
      const size = u16(bytes, descriptor);
      const type = bytes[descriptor + 2]!;
      this.#offsets[slot] = offset;
      this.#sizes[slot] = size;
      this.#types[slot] = type;
      offset += size;
      if (type >= BINXML) {
        if (widthOf(type) < 0) throw unreadable(type, descriptor);
        if (type >= ARRAY) this.arrayBytes += size;
        else if (size > 0) {
          this.fragment = slot - first;
          this.fragmentCount++;
        }
      } else if (widthOf(type) < 0) throw unreadable(type, descriptor);
      if (type === ANSI_STRING) this.hasAnsi = true;
    }
    if (offset > end) {
      throw new RecordError("value", "substitution values run past the end of the record", at);
    }
    if (first === 0) this.#outerCount = count;
    this.#count = total;
    return offset;
  }

  /** The bytes that offsets refer to. */
  get bytes(): Uint8Array {
    return this.#values.bytes;
  }

  /** How many values there are at all levels. */
  get count(): number {
    return this.#count;
  }

  /** How many values the outer instance has. */
  get outerCount(): number {
    return this.#outerCount;
  }

  /** The number under which `typeOf` and its like know a substitution; -1 if there is no value. */
  slot(level: number, index: number): number {
    if (level === 0) return index < this.#outerCount ? index : -1;
    const slot = index + this.#outerCount;
    return slot < this.#count ? slot : -1;
  }

  typeOf(slot: number): number {
    return this.#types[slot]!;
  }

  offsetOf(slot: number): number {
    return this.#offsets[slot]!;
  }

  sizeOf(slot: number): number {
    return this.#sizes[slot]!;
  }

  /** Whether the value would be decoded to `undefined`. */
  isEmpty(slot: number): boolean {
    const size = this.#sizes[slot]!;
    const type = this.#types[slot]!;
    switch (type) {
      case STRING:
        return size < 2 || u16(this.#values.bytes, this.#offsets[slot]!) === 0;
      case NULL:
      case BINXML:
        return true;
      case SIZE_T:
        return size < 4;
      case ANSI_STRING:
        return this.valueOf(slot) === undefined;
      case ARRAY | STRING:
        return size < 2;
      case ARRAY | SID:
        return size < 8;
      default:
        return size < widthOf(type) || size === 0;
    }
  }

  /** The value, decoded; `undefined` when it is empty. Arrays are arrays whatever their length. */
  valueOf(slot: number): Value | undefined {
    if (slot < 0) return undefined;
    if (this.#stamps[slot] === this.#stamp) return this.#memo[slot];
    const value = this.#values.decode(
      this.#types[slot]!,
      this.#offsets[slot]!,
      this.#sizes[slot]!,
    );
    this.#stamps[slot] = this.#stamp;
    this.#memo[slot] = value;
    return value;
  }

  /** The value as Windows writes it in XML. */
  xmlOf(slot: number): string {
    if (slot < 0) return "";
    return this.#values.xmlText(this.#types[slot]!, this.#offsets[slot]!, this.#sizes[slot]!);
  }

  /** Another spelling of the value, see `ValueReader.alternate`. */
  alternateOf(slot: number): string | undefined {
    if (slot < 0) return undefined;
    return this.#values.alternate(this.#types[slot]!, this.#offsets[slot]!, this.#sizes[slot]!);
  }

  /** The same slots over `values`, whose bytes begin `shift` bytes later in the chunk. */
  copy(values: ValueReader, shift: number): Slots {
    const copy = new Slots(values, this.#count);
    for (let slot = 0; slot < this.#count; slot++) {
      copy.#offsets[slot] = this.#offsets[slot]! - shift;
      copy.#sizes[slot] = this.#sizes[slot]!;
      copy.#types[slot] = this.#types[slot]!;
    }
    copy.#outerCount = this.#outerCount;
    copy.#count = this.#count;
    copy.arrayBytes = this.arrayBytes;
    return copy;
  }
}

function unreadable(type: number, at: number): RecordError {
  const hex = `0x${type.toString(16).padStart(2, "0")}`;
  return new RecordError("value", `substitution type ${hex} cannot be read`, at);
}
