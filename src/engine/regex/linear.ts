/**
 * Matching in linear time, whatever the pattern and the text.
 *
 * The position automaton is made deterministic as texts need it: a state is a set of positions, a
 * known transition costs one array read. Some patterns have exponentially many such sets
 * (`a[ab]{40}c`), and a hostile text visits a new one with each character. So what a text may add is
 * bounded; beyond that the sets themselves are stepped, which takes time proportional to the
 * pattern's size for each character, and remembers nothing.
 */
import { Alphabet, END_CLASS } from "./alphabet.ts";
import type { Automaton } from "./automaton.ts";
import { EDGE, OTHER } from "./context.ts";
import { type Bits, Steps } from "./steps.ts";

/** Values of the transition table that are no state. */
const UNKNOWN = -1, ACCEPT = -2, REJECT = -3;

/** Table cells and bit-set words of one pattern, 4 bytes each; the table is emptied beyond. */
const MAX_CELLS = 128 * 1024;
/** States a text may add at first; then sets are stepped for a while, and it may add some more. */
const FREE_STATES = 1024, MORE_STATES = 64, STEPPED_CHARACTERS = 4096;

export class LinearMatcher {
  readonly #steps: Steps;
  readonly #alphabet: Alphabet;
  readonly #anchored: boolean;
  /** Whether a match can begin only at the start of the text. */
  readonly #startOnly: boolean;
  #stride = 0;
  /** Row after row; a state is the index of its row's first cell. */
  #table: Int32Array = new Int32Array(0);
  #sets: Bits[] = [];
  #before: number[] = [];
  #ids = new Map<string, number>();
  #start = 0;
  #steppedTo = 0;

  constructor(automaton: Automaton) {
    this.#steps = new Steps(automaton);
    this.#alphabet = new Alphabet(automaton, this.#steps.words);
    this.#anchored = automaton.anchored;
    const atStart = 0b11111; // the contexts whose left neighbour is `EDGE`
    this.#startOnly = (automaton.nullable & ~atStart) === 0 &&
      automaton.first.every(({ mask }) => (mask & ~atStart) === 0);
    this.#reset();
  }

  /** Whether the pattern matches somewhere in `text`. */
  test(text: string): boolean {
    const alphabet = this.#alphabet;
    const { ascii } = alphabet;
    const { length } = text;
    let budget = FREE_STATES;
    let table = this.#table;
    let state = this.#start;
    for (let at = 0; at < length; at++) {
      const begin = at;
      const unit = text.charCodeAt(at);
      let column: number;
      if (unit < 128) {
        column = ascii[unit]!;
      } else {
        const code = text.codePointAt(at)!;
        if (code > 0xffff) at++;
        column = alphabet.classOf(code);
        if (alphabet.size > this.#stride) {
          state = this.#restart(state);
          table = this.#table;
        }
      }
      let next = table[state + column]!;
      if (next < 0) {
        if (next === UNKNOWN) {
          if (this.#full()) state = this.#restart(state);
          if (budget-- > 0) {
            next = this.#explore(state, column);
          } else {
            next = this.#stepThrough(text, begin, state);
            at = this.#steppedTo - 1;
            budget = MORE_STATES;
          }
          table = this.#table;
        }
        if (next === ACCEPT) return true;
        if (next === REJECT) return false;
      }
      state = next;
    }
    let verdict = table[state + END_CLASS]!;
    if (verdict === UNKNOWN) verdict = this.#explore(state, END_CLASS);
    return verdict === ACCEPT;
  }

  /**
   * Reads on from `from` without the table, and notes in `#steppedTo` how far it came.
   *
   * @returns The state that is reached there, or the verdict.
   */
  #stepThrough(text: string, from: number, state: number): number {
    const { ascii, allowed, kinds } = this.#alphabet;
    const steps = this.#steps;
    const row = state / this.#stride;
    let active: Bits = Int32Array.from(this.#sets[row]!);
    let next: Bits = new Int32Array(active.length);
    let before = this.#before[row]!;
    const end = Math.min(text.length, from + STEPPED_CHARACTERS);
    let at = from;
    while (at < end) {
      const unit = text.charCodeAt(at++);
      let column: number;
      if (unit < 128) {
        column = ascii[unit]!;
      } else {
        const code = text.codePointAt(at - 1)!;
        if (code > 0xffff) at++;
        column = this.#alphabet.classOf(code);
      }
      const kind = kinds[column]!;
      if (steps.accepts(active, before, kind)) return ACCEPT;
      const alive = steps.advance(active, before, kind, allowed[column]!, next);
      if (!alive && this.#startOnly) return REJECT;
      [active, next] = [next, active];
      before = kind;
    }
    this.#steppedTo = at;
    if (this.#alphabet.size > this.#stride) this.#reset();
    return this.#state(active, before);
  }

  /** Works out one transition and enters it into the table. */
  #explore(state: number, column: number): number {
    const row = state / this.#stride;
    const active = this.#sets[row]!, before = this.#before[row]!;
    const kind = this.#alphabet.kinds[column]!;
    let target: number;
    if (this.#steps.accepts(active, before, kind)) {
      target = ACCEPT;
    } else if (column === END_CLASS) {
      target = REJECT;
    } else {
      const next = new Int32Array(active.length);
      const allowed = this.#alphabet.allowed[column]!;
      const alive = this.#steps.advance(active, before, kind, allowed, next);
      target = !alive && this.#startOnly ? REJECT : this.#state(next, kind);
    }
    this.#table[state + column] = target;
    return target;
  }

  #state(set: Bits, before: number): number {
    const key = keyOf(set, before);
    let state = this.#ids.get(key);
    if (state === undefined) {
      state = this.#sets.length * this.#stride;
      if (state + this.#stride > this.#table.length) {
        const grown = new Int32Array(Math.max(this.#table.length * 2, this.#stride * 8));
        grown.fill(UNKNOWN);
        grown.set(this.#table);
        this.#table = grown;
      }
      this.#sets.push(set);
      this.#before.push(before);
      this.#ids.set(key, state);
    }
    return state;
  }

  #full(): boolean {
    return this.#sets.length * (this.#stride + this.#steps.words) > MAX_CELLS;
  }

  /** Empties the table and enters the set of `state` anew. */
  #restart(state: number): number {
    const row = state / this.#stride;
    const set = this.#sets[row]!, before = this.#before[row]!;
    this.#reset();
    return this.#state(set, before);
  }

  #reset(): void {
    // Room for some classes beyond ASCII, which come as texts bring them.
    this.#stride = this.#alphabet.size + 4;
    this.#table = new Int32Array(0);
    this.#sets = [];
    this.#before = [];
    this.#ids = new Map();
    // Without anchors every place is alike, so that there is but one empty state.
    this.#start = this.#state(new Int32Array(this.#steps.words), this.#anchored ? EDGE : OTHER);
  }
}

function keyOf(set: Bits, before: number): string {
  let key = String.fromCharCode(before);
  for (const word of set) key += String.fromCharCode(word & 0xffff, word >>> 16);
  return key;
}
