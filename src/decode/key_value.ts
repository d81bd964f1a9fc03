/**
 * What CEF and LEEF share: a header between pipes, and fields that the header's names hide.
 */
import { RAW_FIELD } from "./flat_event.ts";

/** Names and texts in the order of a line. */
export type Pairs = readonly (readonly [name: string, text: string])[];

const BACKSLASH = 92;
const PIPE = 124;

/**
 * The parts of `text` from `start` up to each of `pipes` pipes; a backslash takes the next character
 * with it.
 *
 * @returns The parts, and where the text behind the last pipe begins; all parts there are and
 *   `undefined` if there are fewer pipes. The last of these parts is what no pipe ended.
 */
export function splitHeader(
  text: string,
  start: number,
  pipes: number,
): { readonly parts: readonly string[]; readonly end: number | undefined } {
  const parts: string[] = [];
  let from = start;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === PIPE) {
      parts.push(unescapeHeader(text.slice(from, at)));
      from = at + 1;
      if (parts.length === pipes) return { parts, end: from };
    }
  }
  parts.push(unescapeHeader(text.slice(from)));
  return { parts, end: undefined };
}

function unescapeHeader(text: string): string {
  return text.includes("\\") ? text.replace(/\\([|\\])/g, "$1") : text;
}

/**
 * Header and extension as one list. The header comes first and so hides an extension of the same
 * name, which is given once more under `<format>.ext.<name>`.
 *
 * @param header Fields of fixed names.
 */
export function joinHeader(format: "cef" | "leef", header: Pairs, extension: Pairs): Pairs {
  const fields = [...header, ...extension];
  for (const [name, text] of extension) {
    if (name !== RAW_FIELD && header.some(([taken]) => taken === name)) {
      fields.push([`${format}.ext.${name}`, text]);
    }
  }
  return fields;
}
