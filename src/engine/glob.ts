/**
 * String patterns of rules as tests of a text.
 *
 * A pattern without wildcards is one native comparison. One with wildcards is cut at its `*` into
 * pieces that are looked for from left to right; since a piece has one length in characters
 * wherever it is found, the leftmost place is always the best, and nothing is ever tried twice.
 */
import type { StringOperator, StringToken } from "../sigma/rule.ts";

/** Tells whether a text fits. For a pattern that ignores case the text is already lower-case. */
export type TextTest = (text: string) => boolean;

/** A run of a pattern without `*`: text, `ONE` for any character, `DASH` for any dash. */
type Piece = readonly (string | typeof ONE | typeof DASH)[];
const ONE = 1;
const DASH = 2;

/** The characters that `windash` takes for one another. */
const DASHES = "-/\u2013\u2014\u2015";

/** The text of a pattern without wildcards. */
export function plainText(tokens: readonly StringToken[]): string | undefined {
  if (tokens.length === 0) return "";
  const [token] = tokens;
  return tokens.length === 1 && token!.kind === "text" ? token!.text : undefined;
}

/** Compiles a pattern; with `lower` its texts are lower-cased, as the tested text must be. */
export function compileTokens(
  tokens: readonly StringToken[],
  operator: StringOperator,
  lower: boolean,
): TextTest {
  const plain = plainText(tokens);
  if (plain !== undefined) return plainTest(lower ? plain.toLowerCase() : plain, operator);
  const test = globTest(cutAtStars(tokens, lower), operator);
  if (!lower || tokens.every((token) => token.kind !== "one")) return test;
  const composed = globTest(cutAtStars(tokens, lower).map(composePiece), operator);
  return (text) => test(text) || (text.includes(DOTTED_I) && composed(compose(text)));
}

/** What U+0130 becomes in lower case, the one character that becomes two: `?` stands for both. */
const DOTTED_I = "i\u0307";

function compose(text: string): string {
  return text.replaceAll(DOTTED_I, "\u0130");
}

function composePiece(piece: Piece): Piece {
  return piece.map((part) => typeof part === "string" ? compose(part) : part);
}

function plainTest(needle: string, operator: StringOperator): TextTest {
  switch (operator) {
    case "equals":
      return (text) => text === needle;
    case "contains":
      return (text) => text.includes(needle);
    case "startswith":
      return (text) => text.startsWith(needle);
    case "endswith":
      return (text) => text.endsWith(needle);
  }
}

function cutAtStars(tokens: readonly StringToken[], lower: boolean): Piece[] {
  const pieces: (string | typeof ONE | typeof DASH)[][] = [[]];
  for (const token of tokens) {
    switch (token.kind) {
      case "any":
        pieces.push([]);
        break;
      case "one":
        pieces.at(-1)!.push(ONE);
        break;
      case "dash":
        pieces.at(-1)!.push(DASH);
        break;
      case "text":
        pieces.at(-1)!.push(lower ? token.text.toLowerCase() : token.text);
        break;
    }
  }
  return pieces;
}

function globTest(pieces: readonly Piece[], operator: StringOperator): TextTest {
  const atStart = operator === "equals" || operator === "startswith";
  const atEnd = operator === "equals" || operator === "endswith";
  const last = pieces.length - 1;
  return (text) => {
    let from = 0;
    for (let at = 0; at <= last; at++) {
      const piece = pieces[at]!;
      if (at === 0 && atStart) {
        from = matchAt(piece, text, 0);
        if (from < 0 || (at === last && atEnd && from !== text.length)) return false;
      } else if (at === last && atEnd) {
        return matchBefore(piece, text, text.length) >= from;
      } else {
        from = find(piece, text, from);
        if (from < 0) return false;
      }
    }
    return true;
  };
}

/** Where the piece ends if it stands at `from`, or -1. */
function matchAt(piece: Piece, text: string, from: number): number {
  let at = from;
  for (const part of piece) {
    if (typeof part === "string") {
      if (!text.startsWith(part, at)) return -1;
      at += part.length;
    } else {
      if (at >= text.length || (part === DASH && !DASHES.includes(text[at]!))) return -1;
      at += isPair(text, at) ? 2 : 1;
    }
  }
  return at;
}

/** Where the piece begins if it ends at `end`, or -1. */
function matchBefore(piece: Piece, text: string, end: number): number {
  let at = end;
  for (let index = piece.length - 1; index >= 0; index--) {
    const part = piece[index]!;
    if (typeof part === "string") {
      at -= part.length;
      if (at < 0 || !text.startsWith(part, at)) return -1;
    } else {
      if (at <= 0 || (part === DASH && !DASHES.includes(text[at - 1]!))) return -1;
      at -= at >= 2 && isPair(text, at - 2) ? 2 : 1;
    }
  }
  return at;
}

/** Where the leftmost occurrence at or behind `from` ends, or -1. */
function find(piece: Piece, text: string, from: number): number {
  const [head] = piece;
  if (head === undefined) return from;
  for (let at = from; at <= text.length; at++) {
    if (typeof head === "string") {
      at = text.indexOf(head, at);
      if (at < 0) return -1;
    } else if (at > 0 && isPair(text, at - 1)) continue; // Not in the middle of a character.
    const end = matchAt(piece, text, at);
    if (end >= 0) return end;
  }
  return -1;
}

/** Whether one character beyond the basic plane stands at `at` as two code units. */
function isPair(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
}
