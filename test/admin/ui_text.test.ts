/**
 * What the page makes of texts and streams: the modules without a DOM, as the browser gets them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bytes,
  duration,
  localTime,
  MAX_SHOWN,
  pieces,
  plain,
  rate,
  relative,
  utcTime,
} from "../../src/admin/ui/page/format.js";
import { inline, parseExact, pretty } from "../../src/admin/ui/page/json_text.js";
import { backoff, EventParser } from "../../src/admin/ui/page/stream.js";

// Hostile text and what is shown of it: Unicode categories Cc, Cf, Cs, Zl, Zp and ignorable characters.
const HOSTILE: readonly (readonly [text: string, shown: string])[] = [
  ["plain text", "plain text"],
  ["tab\tand\nline\r\nends", "tab\tand\nline\r\nends"],
  ["\u001b[31mred", "\\x1b[31mred"],
  ["a\rb", "a\\x0db"],
  ["nul\0", "nul\\x00"],
  ["\u009b2J", "\\x9b2J"],
  ["photo\u202egpj.exe", "photo\\u202egpj.exe"],
  ["\u2066isolate\u2069", "\\u2066isolate\\u2069"],
  ["zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"],
  ["line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"],
  ["filler\u3164", "filler\\u3164"],
  ["tag\u{e0041}", "tag\\u{e0041}"],
  ["lone\ud800 surrogate", "lone\\ud800 surrogate"],
  ["\u{1f600} \u00e4\u4e2d \u05d0", "\u{1f600} \u00e4\u4e2d \u05d0"],
  ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
];

for (const [text, shown] of HOSTILE) {
  test(`plain() shows ${JSON.stringify(text)}`, () => assert.equal(plain(text), shown));
}

test("pieces() leaves nothing that acts, and loses nothing", () => {
  const character = fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }),
    fc.constantFrom("\u202e", "\u001b", "\r", "\n", "\ud800", "\u200d", "\u{e0020}"),
  );
  fc.assert(fc.property(fc.array(character), (parts) => {
    const text = parts.join("");
    for (const piece of pieces(text)) {
      assert.doesNotMatch(
        piece.text,
        /(?![\t\n]|\r\n)[\p{Cc}\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\p{Cs}]/u,
      );
      if (piece.hidden) assert.match(piece.text, /^\\(?:x[\da-f]{2}|u[\da-f]{4}|u\{[\da-f]+\})$/);
    }
    const back = pieces(text).map(({ text: one, hidden }) =>
      hidden ? String.fromCodePoint(parseInt(one.replace(/[^\da-f]|^\\[xu]/g, ""), 16)) : one
    ).join("");
    assert.equal(back, text);
  }));
});

test("pieces() cuts a long text and says so", () => {
  const found = pieces("a".repeat(MAX_SHOWN + 5));
  assert.equal(found[0]!.text.length, MAX_SHOWN);
  assert.deepEqual(found[1], { text: "... 5 more characters", hidden: true });
});

const NUMBERS: readonly (readonly [string, string])[] = [
  [bytes(0), "0 B"],
  [bytes(1023), "1023 B"],
  [bytes(1536), "1.5 KiB"],
  [bytes(150 * 1024 ** 2), "150 MiB"],
  [rate(0), "0"],
  [rate(0.001), "<0.01"],
  [rate(0.5), "0.50"],
  [rate(12.34), "12.3"],
  [rate(12_345.6), "12,346"],
  [duration(0), "0 s"],
  [duration(0.3), "<1 s"],
  [duration(61), "1 min 1 s"],
  [duration(7200), "2 h"],
  [duration(90_061), "1 d 1 h"],
  [duration(86_400 + 59), "1 d"],
  [relative(1000, 1500), "just now"],
  [relative(1000, 6000), "5 s ago"],
  [relative(61_000, 1000), "in 1 min"],
  [relative(0, 40 * 86_400_000), localTime(0).slice(0, 16)],
  [utcTime(0), "1970-01-01 00:00:00 UTC"],
  [utcTime(Number.NaN), "invalid time"],
  [localTime(8.64e15 + 1), "invalid time"],
];

for (const [shown, expected] of NUMBERS) {
  test(`numbers and times: ${expected}`, () => assert.equal(shown, expected));
}

const HAS_RAW_JSON = "rawJSON" in JSON;

test("parseExact() keeps the digits of large integers", {
  skip: HAS_RAW_JSON ? false : "skipped: this runtime has no JSON.rawJSON",
}, () => {
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (big) => {
    const text = `{"id":${big},"text":"${big}","near":[1.5,0]}`;
    assert.equal(JSON.stringify(parseExact(text)), text);
  }));
});

test("parseExact() and pretty() give back what JSON says", () => {
  fc.assert(fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
    const text = JSON.stringify(value);
    assert.deepEqual(JSON.parse(pretty(parseExact(text))), JSON.parse(text));
  }));
  assert.throws(() => parseExact("{"), SyntaxError);
});

test("inline() shows texts as they are and anything else as JSON", () => {
  assert.equal(inline("a b"), "a b");
  assert.equal(inline(["a", 1, null]), '["a",1,null]');
  assert.equal(inline(undefined), "");
});

// WHATWG HTML 9.2.6: stream, events.
const STREAMS: readonly (readonly [string, readonly (readonly [string, string, string?])[]])[] = [
  ["data: a\n\n", [["message", "a"]]],
  ["id: 7\nevent: alert\ndata: {}\n\n", [["alert", "{}", "7"]]],
  [": heartbeat\n\n", []],
  ["data: a\ndata: b\n\n", [["message", "a\nb"]]],
  ["data\n\ndata:\n\n", [["message", ""], ["message", ""]]],
  ["data:x\r\n\r\ndata:y\r\rdata:z\n\n", [["message", "x"], ["message", "y"], ["message", "z"]]],
  ["id: 1\ndata: a\n\ndata: b\n\n", [["message", "a", "1"], ["message", "b", "1"]]],
  ["event: alert\n\ndata: a\n\n", [["message", "a"]]],
  ["data: cut off", []],
];

for (const [stream, expected] of STREAMS) {
  test(`EventParser reads ${JSON.stringify(stream)}, however it is cut`, () => {
    const wanted = expected.map(([event, data, id]) => ({ event, data, id }));
    assert.deepEqual(new EventParser().push(stream), wanted);
    const parser = new EventParser();
    assert.deepEqual([...stream].flatMap((one) => parser.push(one)), wanted);
  });
}

test("EventParser gives the same events wherever chunks end, and never throws", () => {
  const line = fc.constantFrom(
    "data: x",
    "id: 3",
    "event: alert",
    ":",
    "",
    "\r",
    "dat",
    "retry: 1",
  );
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(6)), (lines, cuts) => {
      const text = lines.join("\n");
      const whole = new EventParser().push(text);
      const parser = new EventParser();
      const found = [];
      let at = 0;
      for (const cut of cuts) {
        found.push(...parser.push(text.slice(at, at + cut)));
        at += cut;
      }
      found.push(...parser.push(text.slice(at)));
      assert.deepEqual(found, whole);
    }),
  );
});

test("EventParser refuses an event without end", () => {
  const parser = new EventParser();
  const line = `data: ${"x".repeat(1 << 20)}\n`;
  assert.throws(() => {
    for (let count = 0; count < 20; count++) parser.push(line);
  }, /too long/);
});

test("backoff() doubles from half a second to thirty", () => {
  assert.deepEqual([0, 1, 2, 6, 50].map((attempt) => backoff(attempt, 0)), [
    500,
    1000,
    2000,
    30_000,
    30_000,
  ]);
  fc.assert(
    fc.property(fc.nat(1000), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, chance) => {
      const ms = backoff(attempt, chance);
      assert.ok(ms >= 375 && ms <= 30_000);
    }),
  );
});
