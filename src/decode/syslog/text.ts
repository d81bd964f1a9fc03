/**
 * Blanks around the parts of a line. A byte order mark is none: inside a message it is a character
 * like any other (`String.prototype.trim` takes it away).
 */

/** Whether `code` is of a blank, a tab, a line end or another white space of Unicode. */
export function isBlank(code: number): boolean {
  if (code <= 32) return code === 32 || (code >= 9 && code <= 13);
  return code >= 0xa0 && isWideBlank(code);
}

function isWideBlank(code: number): boolean {
  return code === 0xa0 || code === 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x3000;
}

/** The index of the first character at or behind `at` that is not blank; the length if all are. */
export function skipBlanks(text: string, at: number): number {
  while (at < text.length && isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** `text` from `at` without the blanks around it. */
export function trimmed(text: string, at = 0): string {
  const start = skipBlanks(text, at);
  let end = text.length;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const BOM = "\uFEFF";

/** Behind the word that begins at `at`. */
export function wordEnd(text: string, at: number): number {
  while (at < text.length && !isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** Whether `code` is of `0` to `9`. */
export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Numbers are written without leading zeros. */
export function processId(word: string | undefined): string | undefined {
  return word !== undefined && word.charCodeAt(0) === 48 && /^\d+$/.test(word)
    ? word.replace(/^0+(?=\d)/, "")
    : word;
}

/** The rest of a line as its message; `isStripped`: without the byte order mark that may begin it. */
export function messageText(text: string, at: number, isStripped: boolean): string {
  const start = skipBlanks(text, at);
  return trimmed(text, isStripped && text.startsWith(BOM, start) ? start + 1 : start);
}
