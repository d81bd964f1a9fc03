/**
 * Anchors as bit masks, and the size of what a pattern becomes.
 *
 * An assertion looks at the two characters beside a place, and only at their kind: five kinds on
 * either side make 25 contexts, one bit each. Assertions in sequence are then `&`, alternatives `|`.
 */
import type { Assertion, Node } from "./ast.ts";

/** Kinds of a neighbouring character; `EDGE` is the start or end of the text. */
export const EDGE = 0, LF = 1, CR = 2, WORD = 3, OTHER = 4;
export const KINDS = 5;

export const ANYWHERE: number = (1 << (KINDS * KINDS)) - 1;

/** The bit of a place whose neighbours have the kinds `before` and `after`. */
export function contextBit(before: number, after: number): number {
  return 1 << (before * KINDS + after);
}

function holds(assertion: Assertion, before: number, after: number): boolean {
  switch (assertion) {
    case "text_start":
      return before === EDGE;
    case "text_end":
      return after === EDGE;
    case "line_start":
      return before === EDGE || before === LF;
    case "line_end":
      return after === EDGE || after === LF;
    case "line_start_crlf":
      return before === EDGE || before === LF || (before === CR && after !== LF);
    case "line_end_crlf":
      return after === EDGE || after === CR || (after === LF && before !== CR);
    case "word_boundary":
      return (before === WORD) !== (after === WORD);
    case "not_word_boundary":
      return (before === WORD) === (after === WORD);
    case "word_start":
      return before !== WORD && after === WORD;
    case "word_end":
      return before === WORD && after !== WORD;
    case "word_start_half":
      return before !== WORD;
    case "word_end_half":
      return after !== WORD;
  }
}

const masks = new Map<Assertion, number>();

/** The contexts in which `assertion` holds. */
export function assertionMask(assertion: Assertion): number {
  let mask = masks.get(assertion);
  if (mask === undefined) {
    mask = 0;
    for (let before = 0; before < KINDS; before++) {
      for (let after = 0; after < KINDS; after++) {
        if (holds(assertion, before, after)) mask |= contextBit(before, after);
      }
    }
    masks.set(assertion, mask);
  }
  return mask;
}

/** How large the automaton of a pattern would be, told without building it. */
export interface Measure {
  readonly positions: number;
  readonly edges: number;
  /** Positions a match can begin and end with. */
  readonly first: number;
  readonly last: number;
  /** Contexts in which nothing need be consumed. */
  readonly nullable: number;
}

export function measure(node: Node): Measure {
  switch (node.kind) {
    case "empty":
      return { positions: 0, edges: 0, first: 0, last: 0, nullable: ANYWHERE };
    case "assert":
      return { positions: 0, edges: 0, first: 0, last: 0, nullable: assertionMask(node.assertion) };
    case "set":
      return { positions: 1, edges: 0, first: 1, last: 1, nullable: 0 };
    case "concat":
      return node.items.map(measure).reduce(join);
    case "alternate":
      return node.branches.map(measure).reduce((a, b) => ({
        positions: a.positions + b.positions,
        edges: a.edges + b.edges,
        first: a.first + b.first,
        last: a.last + b.last,
        nullable: a.nullable | b.nullable,
      }));
    case "repeat": {
      const body = measure(node.body);
      const nullable = node.min === 0 ? ANYWHERE : body.nullable;
      if (body.positions === 0 || node.max === 0) {
        return { positions: 0, edges: 0, first: 0, last: 0, nullable };
      }
      const copies = node.max === Infinity ? Math.max(node.min, 1) : node.max;
      // A body that some assertion lets be skipped links every copy with every later one.
      const linked = body.nullable !== 0 && body.nullable !== ANYWHERE && node.min > 1;
      const links = linked ? copies * copies : copies;
      return {
        positions: copies * body.positions,
        edges: copies * body.edges + links * body.last * body.first,
        first: linked ? copies * body.first : body.first,
        last: copies * body.last,
        nullable,
      };
    }
  }
}

function join(a: Measure, b: Measure): Measure {
  return {
    positions: a.positions + b.positions,
    edges: a.edges + b.edges + a.last * b.first,
    first: a.nullable === 0 ? a.first : a.first + b.first,
    last: b.nullable === 0 ? b.last : a.last + b.last,
    nullable: a.nullable & b.nullable,
  };
}
