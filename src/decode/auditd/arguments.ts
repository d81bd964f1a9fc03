/**
 * The arguments of a program from its `EXECVE` records.
 *
 * A long argument is cut into `a1[0]`, `a1[1]`, …, behind its `a1_len`, and a long list goes on in
 * further records. An argument in hex may be cut inside a character, so its parts are put together
 * before they are decoded.
 */
import { decodeHexText } from "./hex.ts";
import type { AuditRecord } from "./record.ts";

const WHOLE = /^a(\d{1,9})$/;
const PART = /^a(\d{1,9})\[(\d{1,9})\]$/;

/** The arguments by name (`a0`, …), in their order. */
export function joinArguments(records: readonly AuditRecord[]): ReadonlyMap<string, string> {
  const args: { readonly number: number; readonly name: string; readonly text: string }[] = [];
  const parts = new Map<number, string[]>();
  let isSorted = true;
  const push = (number: number, name: string, text: string) => {
    if (args.length > 0 && args[args.length - 1]!.number > number) isSorted = false;
    args.push({ number, name, text });
  };
  for (const { type, fields } of records) {
    if (type !== "EXECVE") continue;
    for (const [name, text] of fields) {
      if (name.charCodeAt(0) !== 0x61) continue;
      const whole = WHOLE.exec(name);
      if (whole !== null) {
        push(Number(whole[1]), name, text);
        continue;
      }
      const part = PART.exec(name);
      if (part === null) continue;
      const number = Number(part[1]);
      const known = parts.get(number);
      if (known === undefined) parts.set(number, [text]);
      else known.push(text);
    }
  }
  for (const [number, pieces] of parts) push(number, `a${number}`, joinPieces(pieces));
  if (!isSorted) args.sort((a, b) => a.number - b.number);
  return new Map(args.map(({ name, text }) => [name, text]));
}

/** @param pieces Texts in quotes, or hex. */
function joinPieces(pieces: readonly string[]): string {
  if (!pieces.some((piece) => piece.startsWith('"'))) {
    const hex = pieces.join("");
    return decodeHexText(hex) ?? hex;
  }
  return pieces.map((piece) =>
    piece.startsWith('"') ? piece.replace(/^"|"$/g, "") : decodeHexText(piece) ?? piece
  ).join("");
}
