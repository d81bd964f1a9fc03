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
  readonly json: RegExp;
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

/** @param fragments Each accepted by `isGateText`, lower-case. */
export function textGate(fragments: readonly string[]): TextGate {
  const anyCase = (character: string): string => {
    const upper = character.toUpperCase();
    return upper === character
      ? character.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
      : `[${character}${upper}]`;
  };
  const spelled = fragments.map((fragment) => [...fragment].map(anyCase));
  const binary = fragments.some((fragment) =>
    (BINARY_TEXT.test(fragment) && !fragment.includes("::")) || BOOLEAN_TEXT.includes(fragment)
  );
  return {
    fragments,
    // `\u0020` to `\u007e` can spell any character of a fragment.
    json: new RegExp([...spelled.map((parts) => parts.join("")), "\\\\u00[2-7]"].join("|")),
    utf16: binary ? undefined : new RegExp(spelled.map((parts) => parts.join("\\x00")).join("|")),
    test: (text) => {
      const lower = text.toLowerCase();
      return fragments.some((fragment) => lower.includes(fragment));
    },
  };
}
