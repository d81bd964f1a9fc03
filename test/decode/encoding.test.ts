/**
 * UTF-16 to UTF-8, in blocks of any size. `inputs.md` 20.3.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { detectEncoding, Utf16Blocks } from "../../src/decode/encoding.ts";

function encoded(text: string, encoding: "utf-16le" | "utf-16be"): Buffer {
  const bytes = Buffer.from(text, "utf16le");
  return encoding === "utf-16be" ? bytes.swap16() : bytes;
}

/** The text that comes out when `bytes` are pushed in blocks of `size`. */
function decoded(bytes: Uint8Array, encoding: "utf-16le" | "utf-16be", size: number): string {
  const blocks = new Utf16Blocks(encoding);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    // One buffer for all blocks, as files are read.
    const block = new Uint8Array(bytes.subarray(at, at + size));
    pieces.push(blocks.push(block));
    block.fill(0x41);
  }
  pieces.push(blocks.end());
  return Buffer.concat(pieces).toString("utf8");
}

const anyEncoding = fc.constantFrom("utf-16le" as const, "utf-16be" as const);

test("Utf16Blocks gives the text whatever the blocks, halves of characters as U+FFFD", () => {
  fc.assert(fc.property(
    fc.string({ unit: "binary", maxLength: 60 }),
    anyEncoding,
    fc.integer({ min: 1, max: 9 }),
    (text, of, size) => {
      assert.equal(decoded(encoded(text, of), of, size), text.toWellFormed());
    },
  ));
});

test("Utf16Blocks takes any bytes and drops half a unit at the end", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 60 }),
    anyEncoding,
    fc.integer({ min: 1, max: 9 }),
    (bytes, of, size) => {
      assert.equal(decoded(bytes, of, size), decoded(bytes, of, 60));
      assert.ok(decoded(bytes, of, size).length <= bytes.length >> 1);
    },
  ));
  assert.equal(decoded(Uint8Array.of(0x61, 0, 0x62), "utf-16le", 1), "a");
});

test("detectEncoding() finds what Utf16Blocks reads", () => {
  const text = "Oct 11 22:14:15 host sshd[1]: Failed password for root\r\n";
  for (const encoding of ["utf-16le", "utf-16be"] as const) {
    assert.equal(detectEncoding(encoded(text, encoding)), encoding);
    assert.equal(detectEncoding(encoded(`\ufeff${text}`, encoding)), encoding);
  }
});
