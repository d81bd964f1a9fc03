/**
 * The syntax tree of a pattern, reduced to what decides *whether* it matches.
 *
 * Sigma only asks for yes or no. So captures are plain groups, lazy and greedy repetition are one,
 * and flags have been resolved into the nodes they touch.
 */
import type { CharSet } from "./charset.ts";

/** Conditions on the two characters beside a place in the text. */
export type Assertion =
  | "text_start"
  | "text_end"
  | "line_start"
  | "line_end"
  | "line_start_crlf"
  | "line_end_crlf"
  | "word_boundary"
  | "not_word_boundary"
  | "word_start"
  | "word_end"
  | "word_start_half"
  | "word_end_half";

export type Node =
  | { readonly kind: "empty" }
  /** One character. `fold` closes the set under Unicode simple case folding. */
  | { readonly kind: "set"; readonly set: CharSet; readonly fold: boolean }
  | { readonly kind: "assert"; readonly assertion: Assertion }
  | { readonly kind: "concat"; readonly items: readonly Node[] }
  | { readonly kind: "alternate"; readonly branches: readonly Node[] }
  /** `max` is `Infinity` for `*` and `+`. */
  | { readonly kind: "repeat"; readonly body: Node; readonly min: number; readonly max: number };

export interface Pattern {
  readonly root: Node;
  /** Whether `\b` and its kin ask for ASCII words; only under `(?-u)`. */
  readonly asciiWords: boolean;
}

export const EMPTY: Node = { kind: "empty" };

/** `items` one after the other, without needless nesting. */
export function concat(items: readonly Node[]): Node {
  const flat: Node[] = [];
  for (const item of items) {
    if (item.kind === "concat") { for (const inner of item.items) flat.push(inner); }
    else if (item.kind !== "empty") flat.push(item);
  }
  if (flat.length === 0) return EMPTY;
  return flat.length === 1 ? flat[0]! : { kind: "concat", items: flat };
}

/**
 * Whether `node` can match without consuming anything. An assertion counts, since it may hold; a
 * set never does.
 */
export function isNullable(node: Node): boolean {
  switch (node.kind) {
    case "empty":
    case "assert":
      return true;
    case "set":
      return false;
    case "concat":
      return node.items.every(isNullable);
    case "alternate":
      return node.branches.some(isNullable);
    case "repeat":
      return node.min === 0 || isNullable(node.body);
  }
}

/**
 * Cuts away what cannot change whether a search finds anything: `x{m,n}` at either end of a pattern
 * is as good as `x{m}`, so `.*foo.+` is searched as `foo.`. Anchors stay, and shield what they hold.
 */
export function trimEnds(node: Node): Node {
  return trimEnd(trimEnd(node, "last"), "first");
}

function trimEnd(node: Node, end: "first" | "last"): Node {
  switch (node.kind) {
    case "empty":
    case "set":
    case "assert":
      return node;
    case "concat": {
      const items = [...node.items];
      while (items.length > 0) {
        const at = end === "first" ? 0 : items.length - 1;
        const trimmed = trimEnd(items[at]!, end);
        if (trimmed.kind !== "empty") {
          items[at] = trimmed;
          break;
        }
        items.splice(at, 1);
      }
      return concat(items);
    }
    case "alternate": {
      const branches = node.branches.map((branch) => trimEnd(branch, end));
      // One branch that asks for nothing makes the whole choice ask for nothing.
      return branches.some((branch) => branch.kind === "empty")
        ? EMPTY
        : { kind: "alternate", branches };
    }
    case "repeat":
      if (node.min === 0) return EMPTY;
      if (node.min === 1) return trimEnd(node.body, end);
      return node.max === node.min ? node : { ...node, max: node.min };
  }
}
