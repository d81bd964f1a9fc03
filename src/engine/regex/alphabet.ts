/**
 * Characters sorted into classes that a pattern cannot tell apart, found as they are met.
 *
 * Only the characters of real texts are ever classified: ASCII at the start, others when first seen.
 * So no Unicode table is built, and a transition table has a column for each class, not character.
 */
import type { Automaton } from "./automaton.ts";
import { isWordCharacter, outline, predicate } from "./charset.ts";
import { CR, EDGE, LF, OTHER, WORD } from "./context.ts";
import type { Bits } from "./steps.ts";

/** The class of what lies behind the last character. */
export const END_CLASS = 0;
/** Astral characters remembered at once: some thousand are more than any language needs. */
const MAX_ASTRAL = 4096;

export class Alphabet {
  /** Class of each ASCII character. */
  readonly ascii: Uint16Array = new Uint16Array(128);
  /** By class: the positions whose set holds it, and the kind of its characters for anchors. */
  readonly allowed: Bits[] = [];
  readonly kinds: number[];
  readonly #automaton: Automaton;
  readonly #positions: readonly Bits[];
  readonly #predicates: (RegExp | undefined)[] = [];
  readonly #classes = new Map<string, number>();
  /** 256 code units each; 0 is not yet known, since no character is of `END_CLASS`. */
  readonly #pages: (Uint16Array | undefined)[] = [];
  readonly #astral = new Map<number, number>();

  constructor(automaton: Automaton, words: number) {
    this.#automaton = automaton;
    this.allowed.push(new Int32Array(words));
    this.kinds = [automaton.anchored ? EDGE : OTHER];
    const positions = automaton.sets.map(() => new Int32Array(words));
    for (const [position, id] of automaton.setOf.entries()) {
      positions[id]![position >> 5]! |= 1 << (position & 31);
    }
    this.#positions = positions;
    const outlines = automaton.sets.map(({ set, fold }) => outline(set, fold));
    for (let code = 0; code < 128; code++) {
      const held: number[] = [];
      for (let id = 0; id < outlines.length; id++) {
        if ((outlines[id]![code >> 5]! & (1 << (code & 31))) !== 0) held.push(id);
      }
      this.ascii[code] = this.#intern(held, this.#kind(code));
    }
  }

  get size(): number {
    return this.allowed.length;
  }

  /** The class of any character beyond ASCII. */
  classOf(code: number): number {
    if (code > 0xffff) {
      let known = this.#astral.get(code);
      if (known === undefined) {
        if (this.#astral.size >= MAX_ASTRAL) this.#astral.clear();
        known = this.#classify(code);
        this.#astral.set(code, known);
      }
      return known;
    }
    const page = this.#pages[code >> 8] ??= new Uint16Array(256);
    return page[code & 0xff] ||= this.#classify(code);
  }

  #classify(code: number): number {
    const text = String.fromCodePoint(code);
    const held: number[] = [];
    for (const [id, { set, fold }] of this.#automaton.sets.entries()) {
      if ((this.#predicates[id] ??= predicate(set, fold)).test(text)) held.push(id);
    }
    return this.#intern(held, this.#kind(code));
  }

  #kind(code: number): number {
    const { anchored, asciiWords } = this.#automaton;
    if (!anchored) return OTHER;
    if (code === 0x0a) return LF;
    if (code === 0x0d) return CR;
    if (asciiWords && code >= 128) return OTHER;
    return isWordCharacter(code) ? WORD : OTHER;
  }

  #intern(held: readonly number[], kind: number): number {
    const key = `${kind}:${held}`;
    let id = this.#classes.get(key);
    if (id === undefined) {
      const bits = new Int32Array(this.allowed[0]!.length);
      for (const set of held) {
        const positions = this.#positions[set]!;
        for (let word = 0; word < bits.length; word++) bits[word]! |= positions[word]!;
      }
      id = this.allowed.push(bits) - 1;
      this.kinds.push(kind);
      this.#classes.set(key, id);
    }
    return id;
  }
}
