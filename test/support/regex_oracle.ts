/**
 * What a pattern matches, worked out straight from its tree: for each node and each start the set of
 * places where it can end. No automaton, no backtracking, nothing remembered; slow and plain.
 */
import type { Assertion, Node, Pattern } from "../../src/engine/regex/ast.ts";
import { predicate } from "../../src/engine/regex/charset.ts";

/** Whether `pattern` matches somewhere in `text`. */
export function matchesNaively(pattern: Pattern, text: string): boolean {
  const chars = Array.from(text);
  const context: Context = { chars, word: pattern.asciiWords ? /^[0-9A-Za-z_]$/ : UNICODE_WORD };
  return chars.concat("").some((_, start) => ends(pattern.root, context, start).size > 0);
}

interface Context {
  readonly chars: readonly string[];
  readonly word: RegExp;
}

const UNICODE_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

function ends(node: Node, context: Context, start: number): ReadonlySet<number> {
  switch (node.kind) {
    case "empty":
      return new Set([start]);
    case "set": {
      const char = context.chars[start];
      const held = char !== undefined && predicate(node.set, node.fold).test(char);
      return new Set(held ? [start + 1] : []);
    }
    case "assert":
      return new Set(holds(node.assertion, context, start) ? [start] : []);
    case "concat":
      return node.items.reduce<ReadonlySet<number>>(
        (places, item) => step(item, context, places),
        new Set([start]),
      );
    case "alternate":
      return new Set(node.branches.flatMap((branch) => [...ends(branch, context, start)]));
    case "repeat": {
      let places: ReadonlySet<number> = new Set([start]);
      for (let count = 0; count < node.min; count++) places = step(node.body, context, places);
      const found = new Set(places);
      for (let count = node.min; count < node.max && places.size > 0; count++) {
        const next = step(node.body, context, places);
        places = new Set([...next].filter((place) => !found.has(place)));
        for (const place of places) found.add(place);
      }
      return found;
    }
  }
}

function step(node: Node, context: Context, places: ReadonlySet<number>): ReadonlySet<number> {
  return new Set([...places].flatMap((place) => [...ends(node, context, place)]));
}

function holds(assertion: Assertion, { chars, word }: Context, at: number): boolean {
  const before = chars[at - 1], after = chars[at];
  const wordBefore = before !== undefined && word.test(before);
  const wordAfter = after !== undefined && word.test(after);
  switch (assertion) {
    case "text_start":
      return before === undefined;
    case "text_end":
      return after === undefined;
    case "line_start":
      return before === undefined || before === "\n";
    case "line_end":
      return after === undefined || after === "\n";
    case "line_start_crlf":
      return before === undefined || before === "\n" || (before === "\r" && after !== "\n");
    case "line_end_crlf":
      return after === undefined || after === "\r" || (after === "\n" && before !== "\r");
    case "word_boundary":
      return wordBefore !== wordAfter;
    case "not_word_boundary":
      return wordBefore === wordAfter;
    case "word_start":
      return !wordBefore && wordAfter;
    case "word_end":
      return wordBefore && !wordAfter;
    case "word_start_half":
      return !wordBefore;
    case "word_end_half":
      return !wordAfter;
  }
}
