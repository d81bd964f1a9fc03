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
  let isEscaped = false;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) {
      isEscaped = true;
      at++;
    } else if (code === PIPE) {
      parts.push(headerText(text.slice(from, at), isEscaped));
      from = at + 1;
      isEscaped = false;
      if (parts.length === pipes) return { parts, end: from };
    }
  }
  parts.push(headerText(text.slice(from), isEscaped));
  return { parts, end: undefined };
}

function headerText(text: string, isEscaped: boolean): string {
  return isEscaped ? text.replace(/\\([|\\])/g, "$1") : text;
}

/** Names of a header's fields, and which lengths they have: a bit each, none is longer than 31. */
export interface HeaderNames {
  readonly names: ReadonlySet<string>;
  readonly lengths: number;
}

/** `names`, ready for `hiddenFields`. */
export function headerNames(names: readonly string[]): HeaderNames {
  return {
    names: new Set(names),
    lengths: names.reduce((bits, { length }) => bits | 1 << length, 0),
  };
}

/**
 * What the names of a header hide: fields of `extension` that have one of them, each under
 * `<format>.ext.<name>`.
 */
export function hiddenFields(
  format: "cef" | "leef",
  { names, lengths }: HeaderNames,
  extension: Pairs,
): (readonly [name: string, text: string])[] {
  const hidden: (readonly [string, string])[] = [];
  for (let at = 0; at < extension.length; at++) {
    const [name, text] = extension[at]!;
    // A part of a line costs little until its characters are looked at; its length costs nothing.
    if (name.length > 31 || (lengths >> name.length & 1) === 0) continue;
    if (names.has(name)) hidden.push([`${format}.ext.${name}`, text]);
  }
  return hidden;
}
