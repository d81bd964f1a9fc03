/**
 * The bytes of one file, by offset: as they are, or unpacked.
 */
import { Buffer } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, read, readSync } from "node:fs";
import process from "node:process";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type Facts, factsOf, isInside, toFacts } from "./discover.ts";
import type { Packing } from "./rotated.ts";

/** A pipe in the place of a log must not hold us until somebody writes to it. */
const OPEN_FLAGS = process.platform === "win32"
  ? constants.O_RDONLY
  : constants.O_RDONLY | constants.O_NONBLOCK;
const BLOCK_BYTES = 256 << 10;

/** Something that bytes are read from; whoever opened it closes it. */
export interface Content {
  /** Facts of the file behind; the size is that of the file, also where it is packed. */
  facts(): Facts & { readonly links: number };
  /** Fills `target` from `position` on until it is full or the content ends. */
  read(target: Buffer, position: number): Promise<number>;
  close(): void;
}

/** The first bytes of a text, from `base` on. */
export async function readHead(content: Content, target: Buffer, base: number): Promise<number> {
  return content instanceof PlainContent
    ? content.readNow(target, base)
    : await content.read(target, base);
}

/** Opens a file as it is packed; otherwise like `openPlain`. */
export function openContent(
  path: string,
  packing: Packing | undefined,
  root: string | undefined,
): Content {
  const file = openPlain(path, root);
  return packing === undefined ? file : new PackedContent(file, packing);
}

/**
 * Opens a regular file.
 *
 * @param root If given, the file that was opened must be inside it.
 * @throws what `node:fs` throws, and an error with code `EACCES` for what is no file or outside.
 */
function openPlain(path: string, root: string | undefined): PlainContent {
  const descriptor = openSync(path, OPEN_FLAGS);
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    if (!stat.isFile()) throw denied(`${path} is not a file`);
    if (root !== undefined) {
      // The path may have been turned into a link since it was looked at.
      const facts = isInside(root, path) ? factsOf(path) : undefined;
      if (facts?.ino !== stat.ino || facts.dev !== stat.dev) {
        throw denied(`${path} leads out of ${root}`);
      }
    }
    return new PlainContent(descriptor);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function denied(message: string): Error {
  return Object.assign(new Error(message), { code: "EACCES" });
}

export class PlainContent implements Content {
  readonly #descriptor: number;
  #isOpen = true;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  facts(): Facts & { readonly links: number } {
    const stat = fstatSync(this.#descriptor, { bigint: true });
    return { ...toFacts(stat), links: Number(stat.nlink) };
  }

  async read(target: Buffer, position: number): Promise<number> {
    let length = 0;
    while (length < target.length) {
      if (!this.#isOpen) throw new Error("the file has been closed");
      const count = await this.#readOnce(target, length, position + length);
      if (count === 0) break;
      length += count;
    }
    return length;
  }

  /**
   * Reads a few bytes in one call, so that they are of one state of the file: between two calls it
   * may be truncated and written anew.
   */
  readNow(target: Buffer, position: number): number {
    return readSync(this.#descriptor, target, 0, target.length, position);
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }

  #readOnce(target: Buffer, at: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#descriptor, target, at, target.length - at, position, (error, count) => {
        if (error) reject(error);
        else resolve(count);
      });
    });
  }
}

/** A compressed file, unpacked from its start; going back a little is free, further starts anew. */
export class PackedContent implements Content {
  readonly #file: PlainContent;
  readonly #packing: Packing;
  #blocks: AsyncIterator<Uint8Array> | undefined;
  #stop: (() => void) | undefined;
  /** Unpacked bytes from `#from` on that a later call may ask for. */
  #window: Buffer = Buffer.alloc(0);
  #from = 0;
  #isDone = false;
  /** What is packed was cut off or damaged; what came before is given out first. */
  #failure: unknown;

  /** @param file Closed with this. */
  constructor(file: PlainContent, packing: Packing) {
    this.#file = file;
    this.#packing = packing;
  }

  /** Why unpacking ended before the end of the file. */
  get failure(): unknown {
    return this.#failure;
  }

  facts(): Facts & { readonly links: number } {
    return this.#file.facts();
  }

  async read(target: Buffer, position: number): Promise<number> {
    if (this.#blocks === undefined || position < this.#from) this.restart();
    const pieces = [this.#window];
    let end = this.#from + this.#window.length;
    const wanted = position + target.length;
    while (end < wanted && !this.#isDone) {
      const value = await this.#next();
      if (value === undefined) break;
      end += value.length;
      if (end <= position) {
        pieces.length = 0;
        this.#from = end;
      } else {
        pieces.push(Buffer.from(value));
      }
    }
    if (end <= position && this.#failure !== undefined) throw this.#failure;
    const window = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    const skip = Math.min(window.length, Math.max(0, position - this.#from));
    this.#window = window.subarray(skip);
    this.#from += skip;
    return this.#from < position ? 0 : this.#window.copy(target);
  }

  /** Begins anew at the start of the file, which may have been written to. */
  restart(): void {
    this.#stop?.();
    this.#window = Buffer.alloc(0);
    this.#from = 0;
    this.#isDone = false;
    this.#failure = undefined;
    const unpacked = this.#packing === "gzip"
      ? createGunzip({ chunkSize: BLOCK_BYTES })
      : createZstdDecompress({ chunkSize: BLOCK_BYTES });
    const packed = Readable.from(blocksOf(this.#file), { objectMode: false });
    // A failure of the file reaches the reader through `unpacked`.
    pipeline(packed, unpacked, () => {});
    this.#blocks = (unpacked as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    this.#stop = () => {
      packed.destroy();
      unpacked.destroy();
    };
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#blocks = undefined;
    this.#window = Buffer.alloc(0);
    this.#file.close();
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#blocks!.next();
      if (done !== true) return value;
    } catch (error) {
      this.#failure = error;
    }
    this.#isDone = true;
    return undefined;
  }
}

async function* blocksOf(file: PlainContent): AsyncGenerator<Uint8Array> {
  for (let position = 0;;) {
    const block = Buffer.allocUnsafe(BLOCK_BYTES);
    const count = await file.read(block, position);
    if (count > 0) yield block.subarray(0, count);
    position += count;
    if (count < block.length) return;
  }
}
