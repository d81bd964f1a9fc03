import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { certainLogfmt, decodeLogfmt, parseLogfmt } from "../../src/decode/logfmt.ts";
import { internField } from "../../src/event/field.ts";
import { logfmtLine } from "../arbitraries/key_value.ts";
import { assertLinear } from "../support/linear.ts";

type Row = readonly [line: string, fields: readonly (readonly [name: string, text: string])[]];

// inputs.md, section 7, and rows 42 and 43 of section 19.
const ROWS: readonly Row[] = [
  [
    'level=info msg="request handled" took=12ms',
    [["level", "info"], ["msg", "request handled"], ["took", "12ms"]],
  ],
  [String.raw`msg="say \"hi\"" p="C:\\U"`, [["msg", 'say "hi"'], ["p", "C:\\U"]]],
  [String.raw`msg="a\nb"`, [["msg", String.raw`a\nb`]]],
  ["debug level=x", [["debug", "true"], ["level", "x"]]],
  ["k= e=a=b", [["k", ""], ["e", "a=b"]]],
  ["=junk a=1", [["a", "1"]]],
  ['m="open', [["m", "open"]]],
  ['a="x"b c', [["a", "x"], ["b", "true"], ["c", "true"]]],
  ['msg="café"', [["msg", "café"]]],
  ["msg=café ключ=значение", [["msg", "café"], ["ключ", "значение"]]],
  ['a="" b', [["a", ""], ["b", "true"]]],
  ['a=x"y z"', [["a", 'x"y'], ['z"', "true"]]],
  ['a="x"=b c=1', [["a", "x"], ["c", "1"]]],
  ['m="ends in \\', [["m", "ends in \\"]]],
  ['m="ends in \\"', [["m", 'ends in "']]],
  ["  \t a=1 \t\tb=2  ", [["a", "1"], ["b", "2"]]],
  ["a=1\u00a0b=2", [["a", "1\u00a0b=2"]]], // Separators are blank and tab only.
  ["a=1 a=2", [["a", "1"], ["a", "2"]]],
  ["= == a", [["a", "true"]]],
  ["", []],
];

for (const [line, fields] of ROWS) {
  test(`parseLogfmt() ${JSON.stringify(line)}`, () => {
    assert.deepEqual(parseLogfmt(line), fields);
  });
}

test("decodeLogfmt() keeps duplicates; the first of them answers", () => {
  const event = decodeLogfmt("user=alice user=bob");
  assert.equal(event.get(internField("user")), "alice");
  assert.deepEqual(event.topKeys?.(), ["user", "user"]);
  assert.equal(event.someText((text) => text === "bob"), true);
});

test("parseLogfmt() reads what was written", () => {
  fc.assert(fc.property(logfmtLine, ({ line, fields }) => {
    assert.deepEqual(parseLogfmt(line), fields);
  }));
});

// inputs.md, section 20.5: at least three pairs, and nine tenths of the line.
const CERTAIN: readonly (readonly [line: string, expected: boolean])[] = [
  ['level=info msg="request handled" took=12ms', true],
  ['time="2026-11-23T08:00:00Z" level=warning msg="a b c" error="no such file"', true],
  ["ts=1 caller=main.go:12 level=debug", true],
  ['date=2026-05-10 time=11:50:48 devname="fw-1" devid=FG800 type="event" subtype="vpn"', true],
  ["a=1 b=2", false],
  ["level=info a=b", false], // Row 7 of section 19.
  ["the settings were a=1 b=2 c=3 and all was well", false],
  ["a=1 b=2 c=3 x", true], // One character of thirteen.
  ["a=1 b=2 c=3 word", false],
  ["https://example.com/?a=1&b=2&c=3", false],
  ["GET https://example.com/?a=1 https://example.com/?b=2 https://example.com/?c=3", false],
  ["if x=1, y=2, z=3 then", false],
  ["x=1, y=2, z=3", false], // Values between commas are another format.
  ["a=1; b=2; c=3;", false],
  ["name=value", false],
  ["=a =b =c =d", false],
  ["1=2 3=4 5=6", false],
  ["(a=1) (b=2) (c=3)", false],
  ["Nov 23 08:00:00 host app: a=1 b=2 c=3", false],
  ["2026-11-23 08:00:00 INFO a=1 b=2 c=3 d=4", false],
  ["aaa bbb ccc", false],
  ["", false],
];

for (const [line, expected] of CERTAIN) {
  test(`certainLogfmt() ${JSON.stringify(line)}: ${expected}`, () => {
    const pairs = certainLogfmt(line, 3);
    assert.deepEqual(pairs, expected ? parseLogfmt(line) : undefined);
  });
}

test("certainLogfmt() asks for as many pairs as it is told", () => {
  assert.deepEqual(certainLogfmt("user=root tty=pts/0", 2), [["user", "root"], ["tty", "pts/0"]]);
  assert.equal(certainLogfmt("user=root tty=pts/0", 3), undefined);
});

test("certainLogfmt() never takes words of letters for pairs", () => {
  const words = fc.array(fc.string({ minLength: 1 }).map((text) => text.replace(/[=\s]/g, "x")));
  fc.assert(fc.property(words, (some) => {
    assert.equal(certainLogfmt(some.join(" "), 1), undefined);
  }));
});

test("certainLogfmt() takes lines of nothing but pairs, and says of them what parseLogfmt() says", () => {
  const pair = fc.tuple(fc.constantFrom("a", "k.b", "_c", "d@e/f"), fc.stringMatching(/^[a-z"]*$/));
  const pairs = fc.array(pair, { minLength: 3 });
  fc.assert(fc.property(pairs, (some) => {
    const line = some.map(([name, text]) => `${name}="${text.replaceAll('"', '\\"')}"`).join(" ");
    assert.deepEqual(certainLogfmt(line, 3), some);
  }));
});

for (const piece of ['a="\\', "a=", "a ", '"', "=", "a=b ", " "]) {
  test(`parseLogfmt() takes a time in proportion to repeated ${JSON.stringify(piece)}`, () => {
    assertLinear(piece, 1 << 20, (size) => piece.repeat(size / piece.length), (line) => {
      parseLogfmt(line);
      certainLogfmt(line, 3);
    });
  });
}
