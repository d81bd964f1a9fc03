/**
 * The position automaton (Glushkov's) of a pattern: a state for each character of the pattern, no
 * empty transitions, each edge marked with the contexts in which its anchors let it be taken.
 *
 * @see V. M. Glushkov, "The abstract theory of automata", 1961
 */
import type { Node, Pattern } from "./ast.ts";
import { type CharSet, classSource } from "./charset.ts";
import { ANYWHERE, assertionMask } from "./context.ts";

/** A set of characters as some positions of the automaton ask for it. */
export interface SetUse {
  readonly set: CharSet;
  readonly fold: boolean;
}

/** A way to `to`, open in the contexts of `mask`. */
export interface Edge {
  readonly to: number;
  readonly mask: number;
}

export interface Automaton {
  /** The distinct sets; `setOf[position]` is an index into it. */
  readonly sets: readonly SetUse[];
  readonly setOf: readonly number[];
  /** Edges out of each position. One target may occur more than once. */
  readonly follow: readonly (readonly Edge[])[];
  readonly first: readonly Edge[];
  /** `last[i].to` is a position that may end a match. */
  readonly last: readonly Edge[];
  /** Contexts in which the empty text matches. */
  readonly nullable: number;
  /** Whether an anchor occurs, so that neighbours have to be known. */
  readonly anchored: boolean;
  readonly asciiWords: boolean;
}

interface Fragment {
  readonly first: readonly Edge[];
  readonly last: readonly Edge[];
  readonly nullable: number;
}

const NOTHING: Fragment = { first: [], last: [], nullable: ANYWHERE };

/** Builds the automaton of a pattern whose size `parseRegex` has checked. */
export function buildAutomaton(pattern: Pattern): Automaton {
  const builder = new Builder();
  const { first, last, nullable } = builder.fragment(pattern.root);
  return {
    sets: builder.sets,
    setOf: builder.setOf,
    follow: builder.follow,
    first,
    last,
    nullable,
    anchored: builder.anchored,
    asciiWords: pattern.asciiWords,
  };
}

class Builder {
  readonly sets: SetUse[] = [];
  readonly setOf: number[] = [];
  readonly follow: Edge[][] = [];
  anchored = false;
  readonly #setIds = new Map<string, number>();
  /** Copies of a repeated part share their nodes. */
  readonly #nodeIds = new Map<Node, number>();

  fragment(node: Node): Fragment {
    switch (node.kind) {
      case "empty":
        return NOTHING;
      case "assert":
        this.anchored = true;
        return { first: [], last: [], nullable: assertionMask(node.assertion) };
      case "set": {
        const edge = [{ to: this.#position(node), mask: ANYWHERE }];
        return { first: edge, last: edge, nullable: 0 };
      }
      case "concat":
        return node.items.map((item) => this.fragment(item))
          .reduce((left, right) => this.#join(left, right));
      case "alternate": {
        const branches = node.branches.map((branch) => this.fragment(branch));
        return {
          first: branches.flatMap(({ first }) => first),
          last: branches.flatMap(({ last }) => last),
          nullable: branches.reduce((mask, branch) => mask | branch.nullable, 0),
        };
      }
      case "repeat":
        return this.#repeat(node.body, node.min, node.max);
    }
  }

  #position(node: Node & { readonly kind: "set" }): number {
    let id = this.#nodeIds.get(node);
    if (id === undefined) {
      const { set, fold } = node;
      const key = (fold ? "i" : "c") + classSource(set);
      id = this.#setIds.get(key);
      if (id === undefined) {
        id = this.sets.push({ set, fold }) - 1;
        this.#setIds.set(key, id);
      }
      this.#nodeIds.set(node, id);
    }
    this.follow.push([]);
    return this.setOf.push(id) - 1;
  }

  #connect(last: readonly Edge[], first: readonly Edge[]): void {
    for (const from of last) {
      for (const { to, mask } of first) {
        if ((from.mask & mask) !== 0) this.follow[from.to]!.push({ to, mask: from.mask & mask });
      }
    }
  }

  #join(left: Fragment, right: Fragment): Fragment {
    this.#connect(left.last, right.first);
    return {
      first: left.nullable === 0 ? left.first : [...left.first, ...within(right.first, left)],
      last: right.nullable === 0 ? right.last : [...right.last, ...within(left.last, right)],
      nullable: left.nullable & right.nullable,
    };
  }

  #repeat(body: Node, min: number, max: number): Fragment {
    if (max === 0) return NOTHING;
    let copy = this.fragment(body);
    if (copy.first.length === 0) return min === 0 ? NOTHING : copy;
    // What may always be skipped may be repeated fewer times instead.
    const least = copy.nullable === ANYWHERE ? 0 : min;
    let whole = copy;
    for (let count = 2; count <= least; count++) {
      copy = this.fragment(body);
      whole = this.#join(whole, copy);
    }
    if (max === Infinity) {
      this.#connect(copy.last, copy.first);
    } else {
      // x{0,3} is x(x(x)?)?: a further copy is entered from the one before it only.
      let ends = whole.last;
      const lasts = [...whole.last];
      for (let count = Math.max(least, 1) + 1; count <= max; count++) {
        copy = this.fragment(body);
        this.#connect(ends, copy.first);
        ends = copy.last;
        for (const end of ends) lasts.push(end);
      }
      whole = { ...whole, last: lasts };
    }
    return least === 0 ? { ...whole, nullable: ANYWHERE } : whole;
  }
}

/** `edges` where the neighbouring `skipped` fragment can be left out. */
function within(edges: readonly Edge[], skipped: Fragment): readonly Edge[] {
  if (skipped.nullable === ANYWHERE) return edges;
  return edges.map(({ to, mask }) => ({ to, mask: mask & skipped.nullable }))
    .filter(({ mask }) => mask !== 0);
}
