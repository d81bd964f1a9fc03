/**
 * What the encoding modifiers make of a value: UTF-16 bytes, base64 text, dash variants.
 *
 * @see sigma-rules.md, section 12.9
 */
import type { StringToken } from "./rule.ts";
import { joinTokens } from "./strings.ts";

export type Utf16Form = "wide" | "utf16be" | "utf16";

/** The UTF-16 bytes of `text`; `utf16` puts the byte order mark FF FE before them. */
export function utf16Bytes(text: string, form: Utf16Form): Uint8Array<ArrayBuffer> {
  const mark = form === "utf16" ? "\uFEFF" : "";
  const source = mark + text;
  const bytes = new Uint8Array(source.length * 2);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < source.length; at++) {
    view.setUint16(at * 2, source.charCodeAt(at), form !== "utf16be");
  }
  return bytes;
}

/** One character of U+0000 to U+00FF a byte: how bytes look in a log that took them for Latin-1. */
export function bytesAsText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Standard base64 with padding. */
export function base64(bytes: Uint8Array): string {
  return btoa(bytesAsText(bytes));
}

/** Characters to drop in front, by how many bytes the value stands behind a multiple of three. */
const DROP_FRONT = [0, 2, 3] as const;
/** Characters to drop at the padded end, by how many bytes the last group holds. */
const DROP_END = [0, 3, 2] as const;

/**
 * The three texts of which one stands in any base64 stream that contains `bytes`, by the value's
 * offset modulo 3. What the neighbouring bytes of the stream would change is cut off at both ends.
 *
 * @returns `undefined` if `bytes` is so short that one of them would be empty.
 */
export function base64Offsets(bytes: Uint8Array): readonly string[] | undefined {
  const texts = DROP_FRONT.map((front, shift) => {
    const shifted = new Uint8Array(shift + bytes.length);
    shifted.set(bytes, shift);
    const encoded = base64(shifted);
    return encoded.slice(front, encoded.length - DROP_END[shifted.length % 3]!);
  });
  return texts.includes("") ? undefined : texts;
}

/** The characters that Windows programs, or those who disguise a command, write for an option. */
const DASHES = "-/\u2013\u2014\u2015";
const WORD = /[\p{L}\p{N}_]/u;

/**
 * Replaces each dash or slash that begins a word by the token that stands for all five.
 *
 * A dash inside a word or between blanks is not an option and stays as it is.
 */
export function dashTokens(tokens: readonly StringToken[]): readonly StringToken[] {
  return joinTokens(tokens.map((token) =>
    token.kind === "text" ? splitAtDashes(token.text) : [
      token,
    ]
  ));
}

function splitAtDashes(text: string): readonly StringToken[] {
  const tokens: StringToken[] = [];
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    if (!DASHES.includes(text[at]!)) continue;
    // Half of a surrogate pair is no word character; options are not written with such letters.
    const startsWord = at + 1 < text.length && WORD.test(text[at + 1]!) &&
      (at === 0 || !WORD.test(text[at - 1]!));
    if (!startsWord) continue;
    if (at > begin) tokens.push({ kind: "text", text: text.slice(begin, at) });
    tokens.push({ kind: "dash" });
    begin = at + 1;
  }
  if (begin < text.length) tokens.push({ kind: "text", text: text.slice(begin) });
  return tokens;
}
