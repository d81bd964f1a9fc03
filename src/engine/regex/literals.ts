/**
 * Texts that must occur wherever a pattern matches.
 *
 * The engine looks for literals in lower-cased values, so what is promised here is promised of
 * `text.toLowerCase()`. That maps each character by itself, save Σ, whose image depends on its
 * neighbours; no literal is drawn from a set that holds it. A set gives the images of all its
 * characters: `[Kk\u{212A}]` has one, `k`; `(?i)s` has two, `s` and `ſ`.
 */
import type { Node } from "./ast.ts";
import { members } from "./charset.ts";

/** At least one of these occurs in the lower-cased text of every match. */
export type Clause = readonly string[];

/** Shorter literals occur everywhere. */
const MIN_LENGTH = 2;
/** Alternatives of a clause; a longer list costs an index more than it saves. */
const MAX_ALTERNATIVES = 64;
/** Alternatives that may arise from multiplying out neighbouring choices. */
const MAX_PRODUCT = 16;
const MAX_LITERAL = 128;
const MAX_SET = 6;
const CAPITAL_SIGMA = 0x3a3;

interface Facts {
  /** Every image the node can match, if they are few. */
  readonly exact: Clause | undefined;
  readonly clauses: readonly Clause[];
}

/**
 * What must occur for `root` to match: each clause is a promise of its own, the best one first.
 * Empty if nothing is certain.
 */
export function literalClauses(root: Node): readonly Clause[] {
  const { exact, clauses } = factsOf(root);
  const all = [...clauses, ...(exact === undefined ? [] : [exact])].filter(isUseful);
  const unique = new Map(all.map((clause) => [clause.join("\0"), clause]));
  return [...unique.values()].sort(compareClauses);
}

function isUseful(clause: Clause): boolean {
  return clause.length > 0 && clause.length <= MAX_ALTERNATIVES && shortest(clause) >= MIN_LENGTH;
}

function shortest(clause: Clause): number {
  return clause.reduce((least, literal) => Math.min(least, literal.length), Infinity);
}

/** Longest shortest literal first, then fewer alternatives. */
function compareClauses(a: Clause, b: Clause): number {
  return shortest(b) - shortest(a) || a.length - b.length;
}

function factsOf(node: Node): Facts {
  switch (node.kind) {
    case "empty":
    case "assert":
      return { exact: [""], clauses: [] };
    case "set":
      return { exact: images(node), clauses: [] };
    case "concat":
      return concatFacts(node.items.map(factsOf));
    case "alternate":
      return alternateFacts(node.branches.map(factsOf));
    case "repeat": {
      if (node.min === 0) return { exact: node.max === 0 ? [""] : undefined, clauses: [] };
      // x{2,} holds two neighbouring x for certain; more than a few say nothing new.
      const copies = Math.min(node.min, 16);
      const body = factsOf(node.body);
      const inner = concatFacts(Array.from({ length: copies }, () => body));
      if (node.max === copies) return inner;
      const certain = inner.exact === undefined ? [] : [inner.exact];
      return { exact: undefined, clauses: [...inner.clauses, ...certain].filter(isUseful) };
    }
  }
}

function images(node: Node & { readonly kind: "set" }): Clause | undefined {
  const { set, fold } = node;
  if (set.kind === "range" && set.from === set.to && set.from < 128 && !fold) {
    return [String.fromCharCode(set.from).toLowerCase()];
  }
  const codes = members(set, fold, MAX_SET);
  if (codes === undefined || codes.size === 0 || codes.has(CAPITAL_SIGMA)) return undefined;
  return [...new Set(Array.from(codes, (code) => String.fromCodePoint(code).toLowerCase()))];
}

function concatFacts(parts: readonly Facts[]): Facts {
  const clauses: Clause[] = [];
  let run: Clause = [""];
  let whole = true;
  const close = (): void => {
    if (isUseful(run)) clauses.push(run);
    run = [""];
    whole = false;
  };
  for (const { exact, clauses: inner } of parts) {
    clauses.push(...inner);
    if (exact === undefined) {
      close();
      continue;
    }
    if (exact.length > 1 && exact.length * run.length > MAX_PRODUCT) close();
    run = product(run, exact);
    if (run.some(({ length }) => length > MAX_LITERAL) || run.length > MAX_PRODUCT) close();
  }
  const exact = whole ? run : undefined;
  if (!whole) close();
  return { exact, clauses: bestFew(clauses) };
}

function product(left: Clause, right: Clause): Clause {
  if (left.length === 1 && right.length === 1) return [left[0]! + right[0]!];
  return [...new Set(left.flatMap((head) => right.map((tail) => head + tail)))];
}

function alternateFacts(branches: readonly Facts[]): Facts {
  const exact = branches.every((branch) => branch.exact !== undefined)
    ? [...new Set(branches.flatMap((branch) => branch.exact!))]
    : undefined;
  const best = branches.map((branch) => {
    const own = [...branch.clauses, ...(branch.exact === undefined ? [] : [branch.exact])];
    return own.filter(isUseful).sort(compareClauses)[0];
  });
  const union = best.every((clause) => clause !== undefined)
    ? [...new Set(best.flatMap((clause) => clause!))]
    : [];
  return {
    exact: exact !== undefined && exact.length <= MAX_ALTERNATIVES ? exact : undefined,
    clauses: isUseful(union) ? [union] : [],
  };
}

/** A handful of promises is enough to gate a pattern. */
function bestFew(clauses: readonly Clause[]): readonly Clause[] {
  return clauses.length <= 4 ? clauses : [...clauses].sort(compareClauses).slice(0, 4);
}
