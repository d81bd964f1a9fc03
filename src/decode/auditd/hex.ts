/**
 * Texts that the audit system writes as hexadecimal digits because of a blank, a quote, a control
 * character or a byte beyond ASCII in them.
 */

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * The text behind `hex`, which is UTF-8; what is not becomes U+FFFD.
 *
 * @returns `undefined` if it is not pairs of digits and capitals, as the audit system writes them: an
 *   account that is named `beef` or `cafe` is none.
 */
export function decodeHexText(hex: string): string | undefined {
  if (hex.length === 0 || hex.length % 2 !== 0) return undefined;
  let text = "";
  for (let at = 0; at < hex.length; at += 2) {
    const high = digitOf(hex.charCodeAt(at)), low = digitOf(hex.charCodeAt(at + 1));
    if (high < 0 || low < 0) return undefined;
    if (high > 7) {
      const bytes = decodeHexBytes(hex);
      return bytes === undefined ? undefined : utf8.decode(bytes);
    }
    text += String.fromCharCode(high * 16 + low);
  }
  return text;
}

/** The bytes behind `hex`; `undefined` as for `decodeHexText`. */
export function decodeHexBytes(hex: string): Uint8Array | undefined {
  if (hex.length === 0 || hex.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    const high = digitOf(hex.charCodeAt(2 * at)), low = digitOf(hex.charCodeAt(2 * at + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[at] = high * 16 + low;
  }
  return bytes;
}

function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x41 && code <= 0x46 ? code - 0x37 : -1;
}
