/**
 * What CEF and LEEF share: a header between pipes, and fields that its names hide.
 */
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
 * What the names of a header hide: fields of `extension` that have one of them, each under
 * `<format>.ext.<name>`.
 */
export function hiddenFields(
  format: "cef" | "leef",
  header: ReadonlySet<string>,
  extension: Pairs,
): (readonly [name: string, text: string])[] {
  const hidden: (readonly [string, string])[] = [];
  for (const [name, text] of extension) {
    if (header.has(name)) hidden.push([`${format}.ext.${name}`, text]);
  }
  return hidden;
}
