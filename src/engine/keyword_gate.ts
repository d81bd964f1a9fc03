/**
 * Choosing the fragments of a text gate.
 */
import { isGateText, type TextGate, textGate } from "../event/text_gate.ts";

/** More fragments than this cost as much as the search they are to save. */
const MAX_FRAGMENTS = 8;
/** Longer lists never come down to so few fragments. */
const MAX_WORDS = 64;
const MIN_LENGTH = 2;
const MAX_LENGTH = 6;
/** Looking for a fragment in one event, and visiting all its leaves, in arbitrary but equal units. */
const FRAGMENT_COST = 2;
const VISIT_COST = 20;
const TYPICAL_EVENT_CHARACTERS = 1500;

/**
 * A gate for words of which each contains one of its fragments.
 *
 * @param words Lower-case.
 * @returns `undefined` if there is no cheap enough gate.
 */
export function keywordGate(words: readonly string[]): TextGate | undefined {
  const uncovered = new Set(words);
  if (uncovered.size > MAX_WORDS) return undefined;
  const candidates = new Map<string, Set<string>>();
  for (const word of uncovered) {
    for (let from = 0; from < word.length; from++) {
      for (let to = from + MIN_LENGTH; to <= Math.min(word.length, from + MAX_LENGTH); to++) {
        const fragment = word.slice(from, to);
        if (!isGateText(fragment)) continue;
        const covered = candidates.get(fragment) ?? new Set();
        candidates.set(fragment, covered.add(word));
      }
    }
  }
  const chosen: string[] = [];
  while (uncovered.size > 0) {
    let best: string | undefined;
    let bestCost = Infinity;
    for (const [fragment, covered] of candidates) {
      let news = 0;
      for (const word of covered) if (uncovered.has(word)) news++;
      const cost = news === 0 ? Infinity : fragmentCost(fragment) / news;
      if (cost < bestCost) {
        best = fragment;
        bestCost = cost;
      }
    }
    if (best === undefined || chosen.length === MAX_FRAGMENTS) return undefined;
    chosen.push(best);
    for (const word of candidates.get(best)!) uncovered.delete(word);
  }
  const expected = chosen.reduce((sum, fragment) => sum + expectedHits(fragment), 0);
  return expected > 0.5 ? undefined : textGate(chosen);
}

/** Gates by their words: the partitions of an engine mostly have the same. */
export class GateCache {
  readonly #gates = new Map<string, TextGate | undefined>();

  get(words: readonly string[]): TextGate | undefined {
    const key = words.join("\u0000");
    if (!this.#gates.has(key)) this.#gates.set(key, keywordGate(words));
    return this.#gates.get(key);
  }
}

function fragmentCost(fragment: string): number {
  return FRAGMENT_COST + VISIT_COST * Math.min(1, expectedHits(fragment));
}

/** How often a fragment is to be expected in an event, from how common its characters are. */
function expectedHits(fragment: string): number {
  let share = TYPICAL_EVENT_CHARACTERS;
  for (const [at, character] of [...fragment].entries()) {
    if (/[a-z]/.test(character)) share *= 0.08;
    else if (/[0-9 ]/.test(character)) share *= 0.1;
    // A mark seldom follows itself.
    else share *= character === fragment[at - 1] ? 0.002 : 0.02;
  }
  return share;
}
