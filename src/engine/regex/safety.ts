/**
 * Which patterns the native, backtracking engine may run.
 *
 * A backtracking search costs, for each place in the text where it begins, one walk over the text
 * for each path it tries. This bounds what it does per character of text, for the worst text:
 *
 *     cost = first + walks × paths × choices
 *
 * - `walks`: how many beginnings can be under way over the same character. A walk that began at `i`
 *   and reaches `j` has stepped over every later beginning in between. Each of those holds a
 *   character the pattern can begin with. So if at most `k` positions of any path through the
 *   pattern, its first aside, can hold such a character, at most `k + 1` walks overlap. Where such a
 *   position can repeat without bound there is no bound: `a+b` takes quadratic time on `aaaa…`.
 *   A pattern that begins with `^` has one walk.
 * - `paths`: how many paths of one walk are alive at the same character. In a loop there must be one
 *   way at most to go on for any character, out of the loop included; this rules out `(a+)+`,
 *   `(a|a)*`, `a*a*` and `.*x`, where exponential and polynomial times come from. Choices outside
 *   loops multiply at most to a number, which is counted.
 * - `choices`: how many continuations are looked at to find the live ones.
 *
 * Whether two positions can hold the same character is decided on outlines of their sets, which
 * only ever say "yes" too often. Anchors are ignored, since they only end paths early. Trimming
 * (`trimEnds`) comes first: `.*foo.*` is run as `foo`, so its loops cost nothing.
 */
import { isNullable, type Node } from "./ast.ts";
import type { Automaton } from "./automaton.ts";
import { type Outline, outline, overlaps } from "./charset.ts";

/** A step takes V8 up to 3 ns and the goal is 15 ns a character; the linear engine takes 2 to 6. */
export const MAX_COST = 5;
/** Beyond this many characters the analysis costs more than the native engine could win. */
const MAX_POSITIONS = 256;

/**
 * Whether the pattern can be run natively at a cost of at most `MAX_COST` steps for each character
 * of any text.
 *
 * @param root The trimmed pattern that `automaton` was built from.
 */
export function isNativeSafe(root: Node, automaton: Automaton): boolean {
  if (automaton.setOf.length > MAX_POSITIONS || hasEmptyChoices(root)) return false;
  return worstCost(automaton) <= MAX_COST;
}

/** The most steps for one character of text; `Infinity` where no bound is known. */
export function worstCost(automaton: Automaton): number {
  const analysis = new Analysis(automaton);
  const choices = Math.max(1, ...automaton.follow.map((edges) => edges.length));
  return automaton.first.length + analysis.walks() * analysis.paths() * choices;
}

/**
 * Whether a part that can be empty is repeated or offered twice, so that there is more than one way
 * to pass it by. The automaton no longer shows those.
 */
function hasEmptyChoices(node: Node): boolean {
  switch (node.kind) {
    case "empty":
    case "set":
    case "assert":
      return false;
    case "concat":
      return node.items.some(hasEmptyChoices);
    case "alternate":
      return node.branches.filter(isNullable).length > 1 || node.branches.some(hasEmptyChoices);
    case "repeat":
      return isNullable(node.body) || hasEmptyChoices(node.body);
  }
}

class Analysis {
  readonly #outlines: readonly Outline[];
  readonly #targets: readonly (readonly number[])[];
  readonly #first: readonly number[];
  readonly #startOnly: boolean;
  /** Strongly connected component of each position; targets come in components of lower number. */
  readonly #component: number[] = [];
  /** Positions in the order in which their components are complete. */
  readonly #order: number[] = [];
  readonly #looping: boolean[] = [];

  constructor(automaton: Automaton) {
    const outlines = automaton.sets.map(({ set, fold }) => outline(set, fold));
    this.#outlines = automaton.setOf.map((id) => outlines[id]!);
    this.#targets = automaton.follow.map((edges) => edges.map(({ to }) => to));
    this.#first = automaton.first.map(({ to }) => to);
    this.#startOnly = automaton.first.every(({ mask }) => (mask & ~0b11111) === 0);
    this.#findComponents();
  }

  /** Walks that can be under way over the same character. */
  walks(): number {
    if (this.#startOnly) return 1;
    const beginning: [number, number, number, number, number] = [0, 0, 0, 0, 0];
    for (const position of this.#first) {
      this.#outlines[position]!.forEach((bits, word) => beginning[word]! |= bits);
    }
    // Longest way to the end of the pattern, counted in positions that can hold a beginning.
    const longest: number[] = [];
    for (const position of this.#order) {
      const begins = overlaps(this.#outlines[position]!, beginning);
      if (begins && this.#looping[position]) return Infinity;
      longest[position] = begins ? 1 : 0;
    }
    // Loops hold no beginnings, so a component counts as its best exit.
    const ofComponent: number[] = [];
    for (const position of this.#order) {
      let best = 0;
      for (const target of this.#targets[position]!) {
        if (this.#component[target] !== this.#component[position]) {
          best = Math.max(best, ofComponent[this.#component[target]!]!);
        }
      }
      const component = this.#component[position]!;
      ofComponent[component] = Math.max(ofComponent[component] ?? 0, best + longest[position]!);
    }
    return Math.max(
      1,
      ...this.#first.map((position) => {
        const total = ofComponent[this.#component[position]!]!;
        return total - longest[position]! + 1;
      }),
    );
  }

  /** Paths of one walk that can be alive at the same character. */
  paths(): number {
    const ofComponent: number[] = [];
    for (const position of this.#order) {
      const component = this.#component[position]!;
      const weight = (target: number): number =>
        this.#component[target] === component ? 1 : ofComponent[this.#component[target]!]!;
      const most = this.#mostAlive(
        this.#targets[position]!,
        weight,
        (target) => this.#looping[position]! && this.#component[target] === component,
      );
      ofComponent[component] = Math.max(ofComponent[component] ?? 1, most);
    }
    return this.#mostAlive(
      this.#first,
      (target) => ofComponent[this.#component[target]!]!,
      () => false,
    );
  }

  /**
   * The largest sum of weights over targets that can hold the same character; `Infinity` if one of
   * several such targets must not have company.
   */
  #mostAlive(
    targets: readonly number[],
    weight: (target: number) => number,
    alone: (target: number) => boolean,
  ): number {
    let most = 1;
    let clash = false;
    for (let i = 0; i < targets.length; i++) {
      most = Math.max(most, weight(targets[i]!));
      for (let j = 0; j < i; j++) {
        if (!overlaps(this.#outlines[targets[i]!]!, this.#outlines[targets[j]!]!)) continue;
        if (alone(targets[i]!) || alone(targets[j]!)) return Infinity;
        clash = true;
      }
    }
    if (!clash) return most;
    // Symbol by symbol: the ASCII characters and the four kinds of others.
    for (let symbol = 0; symbol < 132; symbol++) {
      const word = symbol >> 5, bit = 1 << (symbol & 31);
      let sum = 0;
      for (const target of targets) {
        if ((this.#outlines[target]![word]! & bit) !== 0) sum += weight(target);
      }
      most = Math.max(most, sum);
    }
    return most;
  }

  /** Tarjan's algorithm. */
  #findComponents(): void {
    const index: (number | undefined)[] = [];
    const low: number[] = [];
    const open: number[] = [];
    let count = 0, components = 0;
    const visit = (position: number): void => {
      index[position] = low[position] = count++;
      open.push(position);
      for (const target of this.#targets[position]!) {
        if (index[target] === undefined) visit(target);
        if (this.#component[target] === undefined) {
          low[position] = Math.min(low[position]!, low[target]!);
        }
      }
      if (low[position] !== index[position]) return;
      const start = open.indexOf(position);
      const members = open.splice(start);
      const loops = members.length > 1 || this.#targets[position]!.includes(position);
      for (const member of members) {
        this.#component[member] = components;
        this.#looping[member] = loops;
        this.#order.push(member);
      }
      components++;
    };
    for (let position = 0; position < this.#targets.length; position++) {
      if (index[position] === undefined) visit(position);
    }
  }
}
