/**
 * Keeps the first bytes of a content, as they come.
 */
import { Buffer } from "node:buffer";
import { type Content, PlainContent } from "./content.ts";
import { leadingNuls } from "../../decode/encoding.ts";
import { HEAD_BYTES, type Lineage } from "./fingerprint.ts";

/** If the text begins behind a hole, so does the fingerprint. */
export function skipHole(lineage: Lineage, data: Buffer, offset: number): void {
  const nuls = leadingNuls(data);
  if (nuls === 0 || nuls >= data.length) return;
  lineage.base = offset + nuls;
  lineage.head = Buffer.from(data.subarray(nuls, nuls + HEAD_BYTES));
}

/** Reads what has been added to the first bytes; `false` if they are not the same any more. */
export function growHead(lineage: Lineage, content: PlainContent): boolean {
  if (lineage.head.length >= HEAD_BYTES) return true;
  const head = Buffer.alloc(HEAD_BYTES);
  const length = content.readNow(head, lineage.base);
  const known = lineage.head.length;
  if (length < known || !head.subarray(0, known).equals(lineage.head)) return false;
  // A hole that is still all there is has no fingerprint.
  if (known === 0 && leadingNuls(head.subarray(0, length)) > 0) return true;
  lineage.head = head.subarray(0, length);
  return true;
}

/** The same for a packed content, from what was unpacked. */
export function growPackedHead(lineage: Lineage, data: Buffer, offset: number): void {
  const at = lineage.base + lineage.head.length;
  if (lineage.head.length >= HEAD_BYTES || offset > at) return;
  const more = data.subarray(at - offset, at - offset + HEAD_BYTES - lineage.head.length);
  lineage.head = Buffer.concat([lineage.head, more]);
}

/** Whether the file still begins as it did: it may have been truncated while it was read. */
export function sameHead({ head, base }: Lineage, content: Content | undefined): boolean {
  if (!(content instanceof PlainContent) || head.length === 0) return true;
  const now = Buffer.allocUnsafe(head.length);
  return content.readNow(now, base) === head.length && now.equals(head);
}
