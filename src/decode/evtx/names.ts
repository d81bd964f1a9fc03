/**
 * Element and attribute names of one chunk, found through their references.
 *
 * The chunk's table of names is never read: a damaged one exists in the wild, and every name a
 * record needs is referred to by its offset anyway.
 */
import { u16 } from "./bytes.ts";
import { RecordError } from "./errors.ts";
import { CHUNK_SIZE } from "./file_header.ts";
import type { ValueReader } from "./values.ts";

/** Bytes of a name record around its characters: next, hash, count, terminator. */
export const NAME_OVERHEAD = 10;

export class NameTable {
  readonly #values: ValueReader;
  readonly #byOffset: (string | undefined)[] = new Array(CHUNK_SIZE).fill(undefined);
  readonly #known: number[] = [];

  /** @param values reads from the current chunk. */
  constructor(values: ValueReader) {
    this.#values = values;
  }

  /** Forgets the names of the chunk before. */
  clear(): void {
    for (const offset of this.#known) this.#byOffset[offset] = undefined;
    this.#known.length = 0;
  }

  /**
   * The name recorded at `offset` of the chunk.
   *
   * @throws {RecordError} `token` if the chunk does not hold all of it.
   */
  at(offset: number): string {
    const known = this.#byOffset[offset];
    if (known !== undefined) return known;
    const bytes = this.#values.bytes;
    if (offset + NAME_OVERHEAD > bytes.length) throw outside(offset);
    const units = u16(bytes, offset + 6);
    if (offset + NAME_OVERHEAD + units * 2 > bytes.length) throw outside(offset);
    const name = this.#values.utf16(offset + 8, units);
    this.#byOffset[offset] = name;
    this.#known.push(offset);
    return name;
  }
}

function outside(offset: number): RecordError {
  return new RecordError("token", `name at ${offset} lies outside of the chunk`, offset);
}

/**
 * The hash a name record carries.
 *
 * @see libyal/libevtx, "Windows XML Event Log (EVTX) format", name hash
 */
export function nameHash(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash, 65599) + name.charCodeAt(i) | 0;
  return hash & 0xffff;
}
