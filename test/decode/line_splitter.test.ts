import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LineSplitter } from "../../src/decode/line_splitter.ts";

type Found =
  | { readonly line: string; readonly offset: number }
  | { readonly tooLong: number; readonly offset: number };

function split(blocks: readonly Uint8Array[], start = 0, maxLineBytes?: number) {
  const found: Found[] = [];
  const splitter = new LineSplitter(
    {
      line: (line, offset) => found.push({ line, offset }),
      tooLong: (offset, bytes) => found.push({ tooLong: bytes, offset }),
    },
    start,
    maxLineBytes,
  );
  for (const block of blocks) {
    const copy = block.slice();
    splitter.push(copy);
    copy.fill(0x21); // The caller may use its buffer again.
  }
  splitter.end();
  return { found, offset: splitter.offset };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

const ROWS: readonly (readonly [text: string, lines: readonly (readonly [string, number])[]])[] = [
  ["", []],
  ["\n", [["", 0]]],
  ["a", [["a", 0]]],
  ["a\nb\n", [["a", 0], ["b", 2]]],
  ["a\r\nb\r", [["a", 0], ["b", 3]]],
  ["a\rb\n", [["a\rb", 0]]],
  ["\r\n\r\n", [["", 0], ["", 2]]],
  ["a\n\nb", [["a", 0], ["", 2], ["b", 3]]],
  ["\u00e4\n\u{1f600}b\nc", [["\u00e4", 0], ["\u{1f600}b", 3], ["c", 9]]],
];
for (const [text, lines] of ROWS) {
  test(`LineSplitter cuts ${JSON.stringify(text)}`, () => {
    const { found, offset } = split([bytesOf(text)], 100);
    assert.deepEqual(found, lines.map(([line, at]) => ({ line, offset: at + 100 })));
    assert.equal(offset, bytesOf(text).length + 100);
  });
}

test("LineSplitter reports a line over the limit and goes on", () => {
  const { found } = split([bytesOf("abcdef\nxy\nabcde")], 0, 4);
  assert.deepEqual(found, [
    { tooLong: 6, offset: 0 },
    { line: "xy", offset: 7 },
    { tooLong: 5, offset: 10 },
  ]);
});

test("LineSplitter makes U+FFFD of invalid UTF-8", () => {
  const { found } = split([Uint8Array.of(0x61, 0xff, 0x0a, 0xc3, 0x0a)]);
  assert.deepEqual(found, [{ line: "a\ufffd", offset: 0 }, { line: "\ufffd", offset: 3 }]);
});

const bytes = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(0x0a, 0x0d, 0x61, 0x62) },
    fc.constantFrom(0xc3, 0xa4, 0xff, 0x00, 0xf0, 0x9f, 0x98, 0x80),
  ),
  { maxLength: 60 },
).map((list) => Uint8Array.from(list));

test("LineSplitter gives the same lines and offsets however the bytes are cut", () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(60)), fc.integer({ min: 1, max: 8 }), (all, cuts, max) => {
      const places = [...new Set(cuts.map((cut) => Math.min(cut, all.length)))]
        .sort((left, right) => left - right);
      const blocks = [0, ...places].map((from, at) => all.subarray(from, places[at] ?? all.length));
      for (const limit of [undefined, max]) {
        const whole = split([all], 7, limit);
        assert.deepEqual(split(blocks, 7, limit), whole);
        assert.equal(whole.offset, all.length + 7);
      }
    }),
    { numRuns: 2000 },
  );
});

test("LineSplitter's lines are what lies between line feeds", () => {
  fc.assert(fc.property(bytes, (all) => {
    const lines = new TextDecoder("latin1").decode(all).split("\n");
    if (lines.at(-1) === "") lines.pop();
    const { found } = split([all]);
    assert.equal(found.length, lines.length);
    let offset = 0;
    for (const [at, line] of lines.entries()) {
      assert.equal(found[at]?.offset, offset);
      offset += line.length + 1;
    }
  }));
});
