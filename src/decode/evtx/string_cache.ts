/**
 * Strings that come again: Channel, Computer, Image, user names.
 *
 * A direct-mapped cache keyed by a hash of a few code units. On a hit the earlier string is
 * returned, whose hash the runtime has already computed, so maps and equality tests behind it are
 * cheap; nothing is allocated.
 */
import type { Utf16Reader } from "./utf16.ts";

/** A power of two. 4,096 strings of at most 128 characters hold 1 MiB at the very most. */
const ENTRIES = 4096;
/** Comparing a longer string costs more than making it again. */
const MAX_UNITS = 128;

export class StringCache {
  readonly #entries: string[] = new Array(ENTRIES).fill("");

  /** The string of `units` code units at `at`, up to its first NUL; `undefined` if that is empty. */
  get(bytes: Uint8Array, at: number, units: number, utf16: Utf16Reader): string | undefined {
    if (units > MAX_UNITS) return cut(utf16.read(at, units));
    const end = at + units * 2;
    let hash = units;
    const step = (units >> 3) * 2 + 2;
    for (let i = end - 2; i >= at; i -= step) {
      hash = Math.imul(hash, 31) + bytes[i]! + (bytes[i + 1]! << 8) | 0;
    }
    const entry = (hash ^ (hash >>> 12)) & (ENTRIES - 1);
    const known = this.#entries[entry]!;
    if (known.length === units) {
      let i = 0;
      let from = at;
      while (i < units && known.charCodeAt(i) === (bytes[from]! | (bytes[from + 1]! << 8))) {
        i++;
        from += 2;
      }
      if (i === units) return known;
    }
    const text = utf16.read(at, units);
    const kept = cut(text);
    if (kept === text) this.#entries[entry] = text;
    return kept;
  }
}

function cut(text: string): string | undefined {
  const nul = text.indexOf("\0");
  if (nul < 0) return text;
  return nul === 0 ? undefined : text.slice(0, nul);
}
