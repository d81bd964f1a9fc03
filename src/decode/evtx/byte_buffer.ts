/**
 * A byte array that grows, for text that is written piece by piece.
 */

const FIRST_SIZE = 1 << 16;
const encoder = new TextEncoder();

export class ByteBuffer {
  /** Only the first `length` bytes are written. Replaced by a larger one when it is full. */
  bytes: Uint8Array = new Uint8Array(FIRST_SIZE);
  length = 0;

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.length + size, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Appends `text` as UTF-8. */
  text(text: string): void {
    this.reserve(text.length * 3);
    this.length += encoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  /** What has been written: a view, valid until the next call that writes. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }
}
