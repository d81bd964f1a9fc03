/**
 * Finding which of many literals occur in a text, in one pass.
 *
 * Literals are filed under hashes of three of their characters. The pass hashes triples of the text; an
 * empty slot, by far the usual case, ends the matter, a filled one leads to a chain of literals to
 * compare. Against a dense Aho–Corasick table over the 8,463 literals SigmaHQ looks for in
 * `CommandLine` this is 256 KB instead of 109 MB and no slower.
 *
 * Where all literals are long enough, only every second or fourth triple of the text is hashed: a
 * literal filed under four neighbouring triples of its own meets one of them wherever it stands.
 */

const GRAM = 3;
const MAX_SLOTS_LOG2 = 16;
/** So many slots for an entry, or chains grow and every step costs comparisons. */
const SLOTS_PER_ENTRY = 8;
const STRIDES = [4, 2, 1] as const;

/** An index over distinct literals; a hit is reported as the literal's number. */
export class SubstringIndex {
  readonly #literals: readonly string[];
  readonly #tables: readonly GramTable[];
  /** Numbers of literals too short for a triple. */
  readonly #short: readonly number[];
  readonly #always: readonly number[];

  constructor(literals: readonly string[]) {
    this.#literals = literals;
    const numbers = [...literals.keys()];
    this.#always = numbers.filter((number) => literals[number] === "");
    this.#short = numbers.filter((number) =>
      literals[number] !== "" && literals[number]!.length < GRAM
    );
    const tables: GramTable[] = [];
    let rest = numbers.filter((number) => literals[number]!.length >= GRAM);
    for (const stride of STRIDES) {
      if (rest.length * stride > 2 ** MAX_SLOTS_LOG2 / SLOTS_PER_ENTRY && stride > 1) continue;
      const fitting = rest.filter((number) => literals[number]!.length >= GRAM + stride - 1);
      if (fitting.length === 0) continue;
      tables.push(new GramTable(literals, fitting, stride));
      const filed = new Set(fitting);
      rest = rest.filter((number) => !filed.has(number));
    }
    this.#tables = tables;
  }

  /** Calls `hit` for each literal in `text`, perhaps several times for one. */
  search(text: string, hit: (literal: number) => void): void {
    for (const number of this.#always) hit(number);
    for (const number of this.#short) if (text.includes(this.#literals[number]!)) hit(number);
    for (const table of this.#tables) table.search(text, hit);
  }

  /** Whether any literal is in `text`. */
  test(text: string): boolean {
    if (this.#always.length > 0) return true;
    for (const number of this.#short) if (text.includes(this.#literals[number]!)) return true;
    for (const table of this.#tables) {
      if (table.search(text, undefined) >= 0) return true;
    }
    return false;
  }
}

/** Literals filed under `stride` neighbouring triples each. */
class GramTable {
  readonly #literals: readonly string[];
  readonly #stride: number;
  readonly #shift: number;
  /** The first entry of each slot, or -1; entries are chained by `#next`. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  /** The literal of each entry, and how far into it the entry's triple begins. */
  readonly #numbers: Int32Array;
  readonly #offsets: Int32Array;

  constructor(literals: readonly string[], numbers: readonly number[], stride: number) {
    this.#literals = literals;
    this.#stride = stride;
    const entries = numbers.length * stride;
    const log2 = Math.ceil(Math.log2(entries * SLOTS_PER_ENTRY));
    this.#shift = 32 - Math.min(MAX_SLOTS_LOG2, Math.max(8, log2));
    this.#heads = new Int32Array(2 ** (32 - this.#shift)).fill(-1);
    this.#next = new Int32Array(entries).fill(-1);
    this.#numbers = new Int32Array(entries);
    this.#offsets = new Int32Array(entries);
    const counts = countGrams(literals, numbers, this.#shift);
    let entry = 0;
    for (const number of numbers) {
      const literal = literals[number]!;
      const first = rarestRun(literal, stride, counts, this.#shift);
      for (let offset = first; offset < first + stride; offset++) {
        const slot = gramSlot(literal, offset, this.#shift);
        this.#numbers[entry] = number;
        this.#offsets[entry] = offset;
        this.#next[entry] = this.#heads[slot]!;
        this.#heads[slot] = entry++;
      }
    }
  }

  /**
   * Calls `hit` for each literal in `text`; without `hit` it stops at the first one.
   *
   * @returns The number of a literal that was found, or -1.
   */
  search(text: string, hit: ((literal: number) => void) | undefined): number {
    const heads = this.#heads;
    const shift = this.#shift;
    const stride = this.#stride;
    const last = text.length - GRAM;
    let found = -1;
    for (let at = 0; at <= last; at += stride) {
      const gram = text.charCodeAt(at) ^ (text.charCodeAt(at + 1) << 8) ^
        (text.charCodeAt(at + 2) << 16);
      let entry = heads[Math.imul(gram, MULTIPLIER) >>> shift]!;
      while (entry >= 0) {
        const from = at - this.#offsets[entry]!;
        const number = this.#numbers[entry]!;
        if (from >= 0 && text.startsWith(this.#literals[number]!, from)) {
          if (hit === undefined) return number;
          found = number;
          hit(number);
        }
        entry = this.#next[entry]!;
      }
    }
    return found;
  }
}

/** Knuth's multiplicative constant, 2^32 divided by the golden ratio. */
const MULTIPLIER = 0x9e3779b1;

function gramSlot(text: string, at: number, shift: number): number {
  const gram = text.charCodeAt(at) ^ (text.charCodeAt(at + 1) << 8) ^
    (text.charCodeAt(at + 2) << 16);
  return Math.imul(gram, MULTIPLIER) >>> shift;
}

function countGrams(
  literals: readonly string[],
  numbers: readonly number[],
  shift: number,
): Int32Array {
  const counts = new Int32Array(2 ** (32 - shift));
  for (const number of numbers) {
    const literal = literals[number]!;
    for (let at = 0; at + GRAM <= literal.length; at++) counts[gramSlot(literal, at, shift)]!++;
  }
  return counts;
}

/** Where the `stride` neighbouring triples begin that the fewest literals have. */
function rarestRun(literal: string, stride: number, counts: Int32Array, shift: number): number {
  let best = 0;
  let bestCount = Infinity;
  for (let first = 0; first + stride - 1 + GRAM <= literal.length; first++) {
    let count = 0;
    for (let at = first; at < first + stride; at++) count += counts[gramSlot(literal, at, shift)]!;
    if (count < bestCount) {
      best = first;
      bestCount = count;
    }
  }
  return best;
}
