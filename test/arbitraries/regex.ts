/** Patterns, texts for them, and the texts that hurt them most. */
import fc from "fast-check";
import type { Node } from "../../src/engine/regex/ast.ts";
import { RegexError } from "../../src/engine/regex/errors.ts";
import { parseRegex } from "../../src/engine/regex/parse.ts";
import { outline, predicate } from "../../src/engine/regex/charset.ts";

const LEAVES = [
  "a",
  "b",
  "k",
  "s",
  "A",
  "é",
  "Σ",
  "😀",
  ".",
  "[ab]",
  "[^a]",
  "[a-z]",
  "[[a-k]--[b]]",
  "[\\w&&[^b]]",
  "\\d",
  "\\s",
  "\\w",
  "\\W",
  "\\n",
  "\\PL",
  "",
];
const ANCHORS = ["^", "$", "\\A", "\\z", "\\b", "\\B", "\\<", "\\>", "(?m:^)", "(?m:$)"];
const QUANTIFIERS = ["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}"];
const GROUPS = ["(", "(?:", "(?i:", "(?s:", "(?Rm:"];

function patterns(leaves: readonly string[], groups: readonly string[]): fc.Arbitrary<string> {
  return fc.letrec<
    { readonly alternation: string; readonly concat: string; readonly atom: string }
  >(
    (tie) => ({
      alternation: fc.array(tie("concat"), { minLength: 1, maxLength: 3 })
        .map((branches) => branches.join("|")),
      concat: fc.array(tie("atom"), { maxLength: 4 }).map((atoms) => atoms.join("")),
      atom: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        fc.constantFrom(...leaves),
        fc.tuple(
          fc.constantFrom(...groups),
          tie("alternation"),
          fc.constantFrom("", ...QUANTIFIERS),
        )
          .map(([open, inner, quantifier]) => `${open}${inner})${quantifier}`),
        fc.tuple(
          fc.constantFrom(...leaves.filter((leaf) => leaf !== "")),
          fc.constantFrom(...QUANTIFIERS),
        ).map(([leaf, quantifier]) => leaf + quantifier),
      ),
    }),
  ).alternation;
}

/** Small patterns that use nearly everything the syntax has. */
export const regexSource: fc.Arbitrary<string> = patterns([...LEAVES, ...ANCHORS], GROUPS)
  .filter(fitsLimits);

/** Nested counts now and then multiply beyond what a pattern may cost. */
function fitsLimits(source: string): boolean {
  try {
    parseRegex(source, "");
    return true;
  } catch (error) {
    if (error instanceof RegexError && error.code === "REGEX_TOO_LARGE") return false;
    throw error;
  }
}

/** Patterns that mean the same to other engines with the same syntax: ASCII, no lines. */
export const plainRegexSource: fc.Arbitrary<string> = patterns(
  ["a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "^", "$", ""],
  ["(", "(?:"],
);

export const regexFlags: fc.Arbitrary<string> = fc.subarray(["i", "m", "s"])
  .map((flags) => flags.join(""));

/** Texts of the characters that `regexSource` can tell apart. */
export const regexText: fc.Arbitrary<string> = fc.array(
  fc.constantFrom(..."abckszABKS1_ -\n\réÉΣσςİıſK😀\u2028\ud800"),
  { maxLength: 12 },
).map((chars) => chars.join(""));

export const plainText: fc.Arbitrary<string> = fc.array(fc.constantFrom(..."abcd"), {
  maxLength: 16,
}).map((chars) => chars.join(""));

/** Picks a whole number from 0 up to `bound` exclusive. */
export type Pick = (bound: number) => number;

/** A repeatable `Pick` (a linear congruential generator). */
export function picker(seed: number): Pick {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 0x100000000 * bound);
  };
}

const BEYOND_ASCII = ["é", "中", "😀", "\u00a0", "٣", "ſ", "K", "–"];

/** A text that `node` matches, its anchors aside; loops run up to `loops` times. */
export function sampleMatch(node: Node, pick: Pick, loops: number): string {
  switch (node.kind) {
    case "empty":
    case "assert":
      return "";
    case "set": {
      const held: string[] = [];
      const bits = outline(node.set, node.fold);
      for (let code = 0; code < 128; code++) {
        if ((bits[code >> 5]! & (1 << (code & 31))) !== 0) held.push(String.fromCharCode(code));
      }
      const holds = predicate(node.set, node.fold);
      if (held.length === 0) held.push(...BEYOND_ASCII.filter((char) => holds.test(char)));
      return held[pick(held.length)] ?? "";
    }
    case "concat":
      return node.items.map((item) => sampleMatch(item, pick, loops)).join("");
    case "alternate":
      return sampleMatch(node.branches[pick(node.branches.length)]!, pick, loops);
    case "repeat": {
      const most = Math.max(node.min, Math.min(node.max, loops));
      const count = node.min + pick(most - node.min + 1);
      return Array.from({ length: count }, () => sampleMatch(node.body, pick, loops)).join("");
    }
  }
}

/**
 * Texts of `length` characters made from a pattern's own tree to make a careless engine work: its
 * beginnings, its loop bodies and its near misses, over and over.
 */
export function hostileTexts(root: Node, length: number): readonly string[] {
  const pick = picker(1);
  const seeds = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const match = sampleMatch(root, pick, 3);
    // Cut short, a match is a near miss; spoilt, a loop has to be given up at its end.
    seeds.add(match.slice(0, -1)).add(match.slice(0, Math.ceil(match.length / 2)));
    seeds.add(match.slice(0, 1)).add(match.slice(-1)).add(match.slice(1));
    seeds.add(`${match.slice(0, -1)}\u0001`);
  }
  for (const body of loopBodies(root)) seeds.add(sampleMatch(body, pick, 2));
  const first = sampleMatch(root, pick, 1);
  const alphabet = Array.from(new Set(first + "a \n"));
  const texts = [...seeds].filter((seed) => seed !== "").flatMap((seed) => {
    const pumped = seed.repeat(Math.ceil(length / seed.length));
    return [
      pumped.slice(0, length),
      `${first.slice(0, -1)}${pumped}`.slice(0, length - 1) + "\u0001",
    ];
  });
  texts.push(
    Array.from({ length }, () => alphabet[pick(alphabet.length)]!).join("").slice(0, length),
  );
  return texts;
}

function loopBodies(node: Node): readonly Node[] {
  switch (node.kind) {
    case "empty":
    case "set":
    case "assert":
      return [];
    case "concat":
      return node.items.flatMap(loopBodies);
    case "alternate":
      return node.branches.flatMap(loopBodies);
    case "repeat":
      return [node.body, ...loopBodies(node.body)];
  }
}

/** Patterns known to take native engines down, and shapes that strain automata. */
export const HOSTILE_PATTERNS: readonly string[] = [
  "(a+)+$",
  "^(a+)+$",
  "(a|a)*$",
  "(a|aa)+$",
  "([a-zA-Z]+)*$",
  "(.*a){20}",
  "(.*a){20}x",
  "^(([a-z])+.)+[A-Z]([a-z])+$",
  "(x+x+)+y",
  "a*a*a*a*a*b",
  ".*.*=.*;",
  "\\s+$",
  "(?:\\s*\\S*)*\\z\\A",
  "^(\\w+\\s?)*$",
  "(a?){50}a{50}$",
  "[ab]*a[ab]{12}c",
  "[ab]*a[ab]{200}c",
  "(?:a.{0,60}){3}\\bz",
  "(?i)\\bfoo.*\\bbar.*\\bbaz\\b!",
  "(?:[^,]*,){30}x",
  "((a{0,30}){0,30})b",
  ".{1000,}\\z\\A",
];
