/**
 * One step of a position automaton over all its active positions at once, 32 to a machine word.
 *
 * Most positions lead to their right neighbour only, so a shift moves them together. The rest, ends
 * of loops and choices, are kept per word as (bits, targets): if one of the bits is active, so are
 * the targets after the step.
 */
import type { Automaton } from "./automaton.ts";
import { KINDS } from "./context.ts";

/** A bit set of positions. */
export type Bits = Int32Array;

interface Table {
  /** Positions that lead to their right neighbour. */
  readonly shifted: Bits;
  /**
   * The other edges, flat, since a step reads them for each character: bits, twice the number of
   * target words, then word number and bits of each. `jumpsAt[word]` is where a word's begin.
   */
  readonly jumps: Int32Array;
  readonly jumpsAt: Int32Array;
  readonly first: Bits;
  /** Word number and bits, alternating. */
  readonly last: readonly number[];
  readonly nullable: boolean;
}

export class Steps {
  /** Words in a bit set of positions. */
  readonly words: number;
  readonly #automaton: Automaton;
  readonly #tables: (Table | undefined)[] = [];

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
    this.words = Math.max(1, (automaton.setOf.length + 31) >> 5);
  }

  /** Whether a match ends at a place whose neighbours have these kinds. */
  accepts(active: Bits, before: number, after: number): boolean {
    const { last, nullable } = this.#table(before, after);
    if (nullable) return true;
    for (let at = 0; at < last.length; at += 2) {
      if ((active[last[at]!]! & last[at + 1]!) !== 0) return true;
    }
    return false;
  }

  /**
   * Moves over one character into `next`. A search begins anew at every place, so the first
   * positions are always entered as well.
   *
   * @param allowed Positions whose set holds the character.
   * @returns Whether a position is active afterwards.
   */
  advance(active: Bits, before: number, after: number, allowed: Bits, next: Bits): boolean {
    const { shifted, jumps, jumpsAt, first } = this.#table(before, after);
    const { words } = this;
    for (let word = 0; word < words; word++) next[word] = first[word]!;
    for (let word = 0; word < words; word++) {
      const bits = active[word]!;
      if (bits === 0) continue;
      const moving = bits & shifted[word]!;
      next[word]! |= moving << 1;
      if (moving < 0 && word + 1 < words) next[word + 1]! |= 1;
      const end = jumpsAt[word + 1]!;
      for (let at = jumpsAt[word]!; at < end;) {
        const taken = (bits & jumps[at]!) !== 0;
        const behind = at + 2 + jumps[at + 1]!;
        if (taken) {
          for (at += 2; at < behind; at += 2) next[jumps[at]!]! |= jumps[at + 1]!;
        }
        at = behind;
      }
    }
    let any = 0;
    for (let word = 0; word < words; word++) any |= next[word]! &= allowed[word]!;
    return any !== 0;
  }

  #table(before: number, after: number): Table {
    const context = before * KINDS + after;
    return this.#tables[context] ??= this.#build(1 << context);
  }

  #build(context: number): Table {
    const { follow, first, last, nullable } = this.#automaton;
    const { words } = this;
    const shifted = new Int32Array(words);
    const jumps: { bits: number; readonly targets: number[] }[][] = [];
    for (let word = 0; word < words; word++) jumps.push([]);
    const known = new Map<string, { bits: number; readonly targets: number[] }>();
    for (const [position, edges] of follow.entries()) {
      const word = position >> 5, bit = 1 << (position & 31);
      const targets: number[] = [];
      for (const { to, mask } of edges) {
        if ((mask & context) === 0) continue;
        if (to === position + 1) shifted[word]! |= bit;
        else addBit(targets, to);
      }
      if (targets.length === 0) continue;
      const key = `${word}:${targets}`;
      const jump = known.get(key);
      if (jump !== undefined) {
        jump.bits |= bit;
      } else {
        const fresh = { bits: bit, targets };
        known.set(key, fresh);
        jumps[word]!.push(fresh);
      }
    }
    const firstBits = new Int32Array(words);
    for (const { to, mask } of first) {
      if ((mask & context) !== 0) firstBits[to >> 5]! |= 1 << (to & 31);
    }
    const lastBits: number[] = [];
    for (const { to, mask } of last) {
      if ((mask & context) !== 0) addBit(lastBits, to);
    }
    const accepting = (nullable & context) !== 0;
    const flat: number[] = [];
    const jumpsAt = new Int32Array(words + 1);
    for (const [word, here] of jumps.entries()) {
      for (const { bits, targets } of here) flat.push(bits, targets.length, ...targets);
      jumpsAt[word + 1] = flat.length;
    }
    return {
      shifted,
      jumps: Int32Array.from(flat),
      jumpsAt,
      first: firstBits,
      last: lastBits,
      nullable: accepting,
    };
  }
}

/** Adds a position to (word, bits) pairs; edges mostly come in ascending order. */
function addBit(pairs: number[], position: number): void {
  const word = position >> 5, bit = 1 << (position & 31);
  for (let at = pairs.length - 2; at >= 0; at -= 2) {
    if (pairs[at] === word) {
      pairs[at + 1]! |= bit;
      return;
    }
  }
  pairs.push(word, bit);
}
