/**
 * A quick "certainly not" for texts searched anywhere in an event.
 *
 * A few rules look for words in every field. Visiting every leaf of every event for their sake would
 * cost more than all other rules together, so a short list of fragments, of which each word contains
 * one, is looked for in the undecoded event first.
 */

/** Fragments in lower case: printable ASCII without quotes, slashes and backslashes. */
export interface TextGate {
  readonly fragments: readonly string[];
  /** Finds a fragment, in any letter case, in JSON text, or an escape that might hide one. */
  readonly json: { test(text: string): boolean };
  /**
   * Finds a fragment, in any letter case, in UTF-16LE bytes read as Latin-1; `undefined` if a
   * fragment could also be the text of a number, time, GUID, SID or hexadecimal blob.
   */
  readonly utf16: RegExp | undefined;
  /** Whether a text contains a fragment. */
  readonly test: (text: string) => boolean;
}

/** Characters that a fragment may consist of. */
export const GATE_TEXT = /^[\x20-\x7e]+$/;
const ESCAPED_IN_JSON = /["\\/]/;
/** What texts made from binary values consist of. */
const BINARY_TEXT = /^[0-9a-fxstz.:{}-]+$/;
const BOOLEAN_TEXT = "true false";

/** Whether `fragment` can stand in a gate. */
export function isGateText(fragment: string): boolean {
  return GATE_TEXT.test(fragment) && !ESCAPED_IN_JSON.test(fragment);
}

/**
 * The two characters beyond ASCII whose lower-case form has an ASCII letter in it: the Kelvin sign,
 * and the capital I with a dot, which becomes `i` and a combining dot.
 */
const FOREIGN_CAPITALS: ReadonlyMap<string, string> = new Map([["k", "\u212a"], ["i", "\u0130"]]);

/** Escapes that hide a character of a fragment: U+0020 to U+007E and the two foreign capitals. */
const HIDDEN_IN_JSON = "\\\\u00[2-7]|\\\\u212[aA]|\\\\u0130";
/** Numbers that JSON writes in another way than rules see them. */
const REWRITTEN_NUMBER = "[:,[]\\s*-?\\d+(?:\\.\\d+)?[eE]|[:,[]\\s*-?[\\d.]{16}";
const NUMBER_PART = /^[-\d.]+$/;

/** @param fragments Each accepted by `isGateText`, lower-case. */
export function textGate(fragments: readonly string[]): TextGate {
  const spelled = fragments.map((fragment) => [...fragment]);
  const binary = fragments.some((fragment) =>
    (BINARY_TEXT.test(fragment) && !fragment.includes("::")) || BOOLEAN_TEXT.includes(fragment)
  );
  return {
    fragments,
    json: jsonTest(fragments),
    utf16: binary
      ? undefined
      : new RegExp(spelled.map((parts) => parts.map(anyCaseUtf16).join("")).join("|")),
    test: (text) => {
      const lower = text.toLowerCase();
      return fragments.some((fragment) => lower.includes(fragment));
    },
  };
}

/**
 * Texts without letters are found by a plain search, twice as fast as by an expression, and so is the
 * beginning of the escapes, which few lines have.
 */
function jsonTest(fragments: readonly string[]): TextGate["json"] {
  const plain = fragments.filter((fragment) => !/[a-z]/.test(fragment));
  const lettered = fragments.filter((fragment) => !plain.includes(fragment));
  const anyLettered = lettered.length === 0
    ? undefined
    : new RegExp(lettered.map((fragment) => [...fragment].map(anyCase).join("")).join("|"));
  const rewritten = fragments.some((fragment) => NUMBER_PART.test(fragment))
    ? new RegExp(REWRITTEN_NUMBER)
    : undefined;
  const hidden = new RegExp(HIDDEN_IN_JSON);
  return {
    test: (text) => {
      for (const fragment of plain) if (text.includes(fragment)) return true;
      if (text.includes("\\u") && hidden.test(text)) return true;
      return anyLettered?.test(text) === true || rewritten?.test(text) === true;
    },
  };
}

/** An expression for a character in any letter case. */
function anyCase(character: string): string {
  const upper = character.toUpperCase();
  return upper === character
    ? character.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    : `[${character}${upper}${FOREIGN_CAPITALS.get(character) ?? ""}]`;
}

/** `anyCase` in UTF-16LE bytes read as Latin-1. */
function anyCaseUtf16(character: string): string {
  const foreign = FOREIGN_CAPITALS.get(character);
  if (foreign === undefined) return `${anyCase(character)}\\x00`;
  const code = foreign.charCodeAt(0);
  const bytes = [code & 0xff, code >> 8].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  return `(?:[${character}${character.toUpperCase()}]\\x00|${bytes.join("")})`;
}
