/**
 * The ballast: a file beside the state file that is given up when the disk is full, so that what has
 * been delivered, and what was lost, can still be written down.
 */
import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { freeBytes } from "./bounds.ts";

const BLOCK_BYTES = 1 << 20;
/** It comes back when this many times its size is free. */
const COMFORTABLE = 3;

export class Reserve {
  readonly #path: string;
  readonly #bytes: number;
  #isReleased = false;

  /** With 0 bytes there is none. */
  constructor(statePath: string, bytes: number) {
    this.#path = `${statePath}.reserve`;
    this.#bytes = bytes;
  }

  /** Whether it has been given up and is not yet back. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Makes the file, if there is room to spare. */
  fill(): void {
    if (this.#bytes === 0 || this.#isThere()) return;
    const free = freeBytes(dirname(this.#path));
    if (free !== undefined && free < this.#bytes * COMFORTABLE) {
      this.#isReleased = true;
      return;
    }
    try {
      const file = openSync(this.#path, "w", 0o600);
      try {
        // Some file systems store zeros as nothing at all.
        const block = new Uint8Array(BLOCK_BYTES);
        for (let at = 0; at < BLOCK_BYTES; at += 512) block[at] = 1 + (at / 512) % 255;
        for (let written = 0; written < this.#bytes; written += block.length) {
          writeSync(file, block, 0, Math.min(block.length, this.#bytes - written));
        }
      } finally {
        closeSync(file);
      }
      this.#isReleased = false;
    } catch {
      this.release();
    }
  }

  /** Gives the room up; `false` if there was none. */
  release(): boolean {
    const wasThere = this.#isThere();
    try {
      rmSync(this.#path, { force: true });
    } catch {
      return false;
    }
    this.#isReleased = this.#bytes > 0;
    return wasThere;
  }

  #isThere(): boolean {
    try {
      return statSync(this.#path).size > 0;
    } catch {
      return false;
    }
  }
}
