/**
 * What is asked of a file before it is known whose content it holds.
 */
import { Buffer } from "node:buffer";
import { detectEncoding, type Encoding, leadingNuls } from "../../decode/encoding.ts";
import { type Content, PackedContent, readHead } from "./content.ts";
import { lineEnd } from "./encoding.ts";
import { digest, HEAD_BYTES, type Stretch } from "./fingerprint.ts";

/** Bytes in front of the end of a file that are searched for the start of its last line. */
const BLOCK_BYTES = 1 << 20;
/** NULs at the start of a file that are searched for the text behind them. */
const MAX_HOLE = 64 << 20;

/** The first bytes of a content. */
export interface Sample {
  /** Offset of `head`: NULs in front are no text. */
  readonly base: number;
  readonly head: Buffer;
}

export async function takeSample(content: Content): Promise<Sample> {
  const head = Buffer.alloc(HEAD_BYTES);
  let base = 0;
  let block = head;
  while (base < MAX_HOLE) {
    const length = await readHead(content, block, base);
    const nuls = leadingNuls(block.subarray(0, length));
    if (nuls === 0 || nuls < length) {
      const count = nuls === 0 && block === head
        ? length
        : await readHead(content, head, base + nuls);
      return { base: base + nuls, head: head.subarray(0, count) };
    }
    base += nuls;
    block = Buffer.alloc(BLOCK_BYTES);
  }
  return { base: 0, head: Buffer.alloc(0) };
}

/**
 * Where reading begins that leaves out what is there: behind the last line end, since a line that is
 * not finished will be. A packed content is left out whole.
 */
export async function lastLineStart(
  content: Content,
  { head }: Sample,
  encoding: Encoding = detectEncoding(head),
): Promise<number> {
  if (content instanceof PackedContent) return await lengthOf(content);
  const { size } = content.facts();
  const block = Buffer.alloc(Math.min(size, BLOCK_BYTES));
  const start = size - block.length;
  const count = await content.read(block, start);
  const end = lineEnd(block.subarray(0, count), start, encoding, "last");
  return end >= 0 ? start + end : start === 0 ? 0 : size;
}

async function lengthOf(content: Content): Promise<number> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let size = 0;
  for (;;) {
    const count = await content.read(block, size);
    size += count;
    if (count < block.length) return size;
  }
}

/** Whether the content has these bytes at this place. */
export async function holds(content: Content, { end, length, hash }: Stretch): Promise<boolean> {
  const bytes = Buffer.alloc(length);
  return await content.read(bytes, end - length) === length && digest(bytes) === hash;
}
