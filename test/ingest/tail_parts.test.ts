/**
 * The parts of the file source that need no files. `inputs.md` 20.1, 20.3, 20.4.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { detectEncoding, type Encoding } from "../../src/decode/encoding.ts";
import { LineSplitter } from "../../src/decode/line_splitter.ts";
import {
  type Checkpoint,
  formatCheckpoint,
  formatKnown,
  formatPosition,
  type Known,
  parsePosition,
  pruneKnown,
} from "../../src/ingest/tail/checkpoint.ts";
import { LineBlock, lineEnd } from "../../src/ingest/tail/encoding.ts";
import { Lineage } from "../../src/ingest/tail/fingerprint.ts";
import { compileGlob, matchesPath } from "../../src/ingest/tail/glob.ts";
import { makeJoiner, MAX_JOINED_LINES } from "../../src/ingest/tail/multiline.ts";
import { compareRotatedNames, namesBefore, packingOf } from "../../src/ingest/tail/rotated.ts";
import type { Multiline } from "../../src/runtime/settings.ts";

const GLOBS: readonly (readonly [pattern: string, path: string, expected: boolean])[] = [
  ["/var/log/a.log", "/var/log/a.log", true],
  ["/var/log/a.log", "/var/log/b.log", false],
  ["/var/log/*.log", "/var/log/a.log", true],
  ["/var/log/*.log", "/var/log/.a.log", false],
  ["/var/log/.*", "/var/log/.a", true],
  ["/var/log/*.log", "/var/log/x/a.log", false],
  ["/var/log/**/*.log", "/var/log/a.log", true],
  ["/var/log/**/*.log", "/var/log/x/y/a.log", true],
  ["/var/**/log/**/a", "/var/x/log/y/z/a", true],
  ["/var/**/log/**/a", "/var/x/y/z/a", false],
  ["/var/log/{a,b}?.log", "/var/log/b1.log", true],
  ["/var/log/{a,b{1,2}}.log", "/var/log/b2.log", true],
  ["/var/log/{a}.log", "/var/log/{a}.log", true],
  ["/var/log/[a-c]x", "/var/log/bx", true],
  ["/var/log/[!a-c]x", "/var/log/bx", false],
  ["/var/log/[]]x", "/var/log/]x", true],
  ["/*/x", "/var/x", true],
  ["/var/log/?", "/var/log/\u{1f600}", true],
];
for (const [pattern, path, expected] of GLOBS) {
  test(`compileGlob() ${pattern} ${expected ? "means" : "does not mean"} ${path}`, () => {
    const matches = compileGlob(pattern).some((one) => matchesPath(one, resolve(path)));
    assert.equal(matches, expected);
  });
}

test("compileGlob() refuses braces that stand for too much", () => {
  assert.throws(() => compileGlob("/" + "{a,b}".repeat(12)), RangeError);
});

test("compileGlob() takes any text, and matching ends soon", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 200 }), (glob, path) => {
      for (const one of compileGlob(glob)) assert.equal(typeof matchesPath(one, path), "boolean");
    }),
  );
  const [hostile] = compileGlob("/" + "*a".repeat(60) + "b");
  assert.equal(matchesPath(hostile!, "/" + "a".repeat(255)), false);
});

const ROTATED: readonly (readonly [name: string, before: readonly string[]])[] = [
  ["x.log", []],
  ["x.log.1", ["x.log"]],
  ["x.log.12.gz", ["x.log", "x.log.12"]],
  ["x.log.zst", ["x.log"]],
  ["x.log-20240131", ["x.log"]],
  ["x.log-20240131.gz", ["x.log", "x.log-20240131"]],
  ["x.log.2024-01-31_23-59-59", ["x.log"]],
  ["x-2024-01-31.log", ["x.log"]],
  ["x.2.log", ["x.log"]],
  ["x.log.old", ["x.log"]],
  ["x.log-20240131.2", ["x.log", "x.log-20240131"]],
  ["web01.log", []],
  ["x.log.bak", []],
  ["1.5", ["1"]],
];
for (const [name, before] of ROTATED) {
  test(`namesBefore() of ${name}`, () => {
    const found = namesBefore(name);
    for (const one of before) assert.ok(found.includes(one), `${one} is among ${found}`);
    if (before.length === 0) assert.deepEqual(found, []);
    else assert.equal(found[0], before[0], "the shortest comes first");
  });
}

test("packingOf() goes by the end of the name", () => {
  assert.deepEqual(["a.gz", "a.ZST", "a.gz.1", "gz"].map(packingOf), [
    "gzip",
    "zstd",
    undefined,
    undefined,
  ]);
});

test("compareRotatedNames() puts the older first", () => {
  const sorted = (names: readonly string[]) => names.toSorted(compareRotatedNames);
  assert.deepEqual(sorted(["x.log.1", "x.log.10.gz", "x.log.2.gz"]), [
    "x.log.10.gz",
    "x.log.2.gz",
    "x.log.1",
  ]);
  assert.deepEqual(sorted(["x-2024-02-01.log", "x-2023-12-31.log", "x-2024-01-31.log"]), [
    "x-2023-12-31.log",
    "x-2024-01-31.log",
    "x-2024-02-01.log",
  ]);
});

test("namesBefore() ends soon, whatever the name", () => {
  fc.assert(fc.property(fc.string({ maxLength: 300, unit: "binary" }), (name) => {
    for (const one of namesBefore(name)) assert.ok(one.length < name.length);
  }));
  const start = performance.now();
  namesBefore("2024-01".repeat(36));
  namesBefore(".1".repeat(127));
  assert.ok(performance.now() - start < 50);
});

interface Line {
  readonly text: string;
  readonly offset: number;
  readonly end: number;
}

function cut(bytes: Buffer, encoding: Encoding, maxBytes = 1000, portion = Infinity, start = 0) {
  const counts = { longLines: 0, replacements: 0 };
  const lines: Line[] = [];
  const block = new LineBlock(bytes, start, encoding, maxBytes, counts);
  while (!block.isDone) {
    block.take(portion, { line: (text, offset, end) => lines.push({ text, offset, end }) });
  }
  return { lines, counts };
}

const bytesOf = (text: string) => Buffer.from(text, "utf8");
const be = (text: string) => Buffer.from(text, "utf16le").swap16();

const TEXTS: readonly (readonly [
  name: string,
  bytes: Buffer,
  encoding: Encoding,
  lines: readonly (readonly [text: string, offset: number])[],
])[] = [
  ["CR LF", bytesOf("a\r\nb\n"), "utf-8", [["a", 0], ["b", 3]]],
  ["a lone CR", bytesOf("a\rb\n"), "utf-8", [["a\rb", 0]]],
  ["a byte order mark", bytesOf("\ufeffa\nb\n"), "utf-8", [["a", 0], ["b", 5]]],
  ["invalid UTF-8", Buffer.from([0x61, 0xff, 0x0a]), "utf-8", [["a\ufffd", 0]]],
  ["NULs in front", bytesOf("\0\0\0\0a\n\0\0b\n"), "utf-8", [["a", 4], ["b", 8]]],
  ["NULs in front of \u00e4", bytesOf("\0\0\u00e4\n"), "utf-8", [["\u00e4", 2]]],
  ["no end", bytesOf("a\nb"), "utf-8", [["a", 0], ["b", 2]]],
  ["UTF-16LE", Buffer.from("\ufeff\u00e4b\r\n\u4e2d\n", "utf16le"), "utf-16le", [
    ["\u00e4b", 0],
    ["\u4e2d", 10],
  ]],
  ["UTF-16BE", be("\ufeff\u00e4b\n\u0a0a\n"), "utf-16be", [["\u00e4b", 0], ["\u0a0a", 8]]],
  ["half a pair", Buffer.from("a\ud800\n", "utf16le"), "utf-16le", [["a\ufffd", 0]]],
  ["Latin-1", Buffer.from([0xe4, 0x80, 0x0a]), "latin1", [["\u00e4\x80", 0]]],
  ["Windows-1252", Buffer.from([0xe4, 0x80, 0x0a]), "windows-1252", [["\u00e4\u20ac", 0]]],
];
for (const [name, bytes, encoding, expected] of TEXTS) {
  test(`LineBlock reads ${name}`, () => {
    const { lines, counts } = cut(bytes, encoding);
    assert.deepEqual(lines.map(({ text, offset }) => [text, offset]), expected);
    const isBroken = expected.some(([text]) => text.includes("\ufffd"));
    assert.equal(counts.replacements, isBroken ? 1 : 0);
    assert.equal(lines.at(-1)?.end, bytes.length);
    assert.deepEqual(cut(bytes, encoding, 1000, 1).lines, lines, "one at a time");
  });
}

test("LineBlock cuts long lines, not characters", () => {
  const { lines, counts } = cut(bytesOf("abcdef\n\u00e4\u00e4\u00e4\nxy\n"), "utf-8", 5);
  assert.deepEqual(lines.map(({ text }) => text), ["abcde", "\u00e4\u00e4", "xy"]);
  assert.equal(counts.longLines, 2);
  assert.deepEqual(cut(Buffer.from("abcd\n", "utf16le"), "utf-16le", 4).lines[0]?.text, "ab");
});

test("LineBlock gives what LineSplitter gives", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\u00e4", "\n", "\r", " ", "\u{1f600}") });
  fc.assert(fc.property(text, fc.integer({ min: 1, max: 5 }), (input, portion) => {
    const expected: [string, number][] = [];
    const splitter = new LineSplitter({
      line: (line, offset) => expected.push([line, offset]),
      tooLong: () => assert.fail(),
    });
    splitter.push(bytesOf(input));
    splitter.end();
    const { lines } = cut(bytesOf(input), "utf-8", 1000, portion);
    assert.deepEqual(lines.map((one) => [one.text, one.offset]), expected);
  }));
});

test("LineBlock and lineEnd() take any bytes in any encoding", () => {
  const encoding = fc.constantFrom<Encoding>(
    "utf-8",
    "utf-16le",
    "utf-16be",
    "latin1",
    "windows-1252",
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), encoding, (data, name) => {
    const bytes = Buffer.from(data);
    for (const { text, offset, end } of cut(bytes, name, 8).lines) {
      assert.ok(text.isWellFormed());
      assert.ok(offset <= end && end <= bytes.length);
    }
    for (const which of ["first", "last"] as const) {
      const end = lineEnd(bytes, 0, name, which);
      assert.ok(end === -1 || (end > 0 && end <= bytes.length));
    }
  }));
});

const HEADS: readonly (readonly [name: string, head: Buffer, encoding: Encoding])[] = [
  ["nothing", Buffer.alloc(0), "utf-8"],
  ["text", bytesOf("a line\n"), "utf-8"],
  ["UTF-16LE with a mark", Buffer.from("\ufeff\u4e2d", "utf16le"), "utf-16le"],
  ["UTF-16BE with a mark", be("\ufeff\u4e2d"), "utf-16be"],
  ["UTF-16LE", Buffer.from("a line\n", "utf16le"), "utf-16le"],
  ["UTF-16BE", be("a line\n"), "utf-16be"],
  ["nothing but NULs", Buffer.alloc(100), "utf-8"],
  ["text with a NUL", bytesOf("abc\0def\n"), "utf-8"],
];
for (const [name, head, encoding] of HEADS) {
  test(`detectEncoding() of ${name}`, () => assert.equal(detectEncoding(head), encoding));
}

function join(lines: readonly string[], multiline: Multiline) {
  const events: (readonly [string, number])[] = [];
  const counts = { joinLimits: 0 };
  const joiner = makeJoiner(multiline, (text, offset, _, char) => {
    events.push([text, offset + char / 1000]);
  }, counts);
  lines.forEach((line, at) => joiner.line(line, at * 10, at * 10 + 10));
  return { events, counts, joiner };
}

const JOINS: readonly (readonly [Multiline, readonly string[], readonly string[], string?])[] = [
  [{ kind: "indent" }, ["a", " b", "\tc", "d"], ["a\n b\n\tc"], "d"],
  [{ kind: "indent" }, [" a", "b", "c"], [" a", "b"], "c"],
  [{ kind: "start", pattern: String.raw`^\d{4}-` }, ["x", "2024-a", "b", "2024-c"], [
    "x",
    "2024-a\nb",
  ], "2024-c"],
  [{ kind: "end", pattern: ";$" }, ["a", "b;", "c;", "d"], ["a\nb;", "c;"], "d"],
  [{ kind: "json" }, ["{", ' "a": "}{",', ' "b": [1]', "}", '{"c":1}'], [
    '{\n "a": "}{",\n "b": [1]\n}',
    '{"c":1}',
  ]],
  [{ kind: "json" }, ['[{"a":1},', '{"b":"\\"]"}, {"c":', "[2]}", "]", "{}"], [
    '{"a":1}',
    '{"b":"\\"]"}',
    '{"c":\n[2]}',
    "{}",
  ]],
  [{ kind: "json" }, ["plain", '{"a":1} rest', "[2024] text", "}", '["x", 2]'], [
    "plain",
    '{"a":1}',
    "rest",
    "[2024] text",
    "}",
    '"x"',
    "2",
  ]],
  [{ kind: "json" }, ["{", '"a": 1'], [], '{\n"a": 1'],
];
for (const [multiline, lines, expected, rest] of JOINS) {
  test(`makeJoiner() ${multiline.kind} joins ${JSON.stringify(lines)}`, () => {
    const { events, joiner } = join(lines, multiline);
    assert.deepEqual(events.map(([text]) => text), expected);
    assert.equal(joiner.held.offset !== undefined, rest !== undefined);
    joiner.flush();
    assert.deepEqual(
      events.map(([text]) => text),
      rest === undefined ? expected : [
        ...expected,
        rest,
      ],
    );
  });
}

test("makeJoiner() names several elements of one line apart", () => {
  const { events } = join(["[{},{}", ",{}]"], { kind: "json" });
  assert.equal(new Set(events.map(([, place]) => place)).size, 3);
});

test("makeJoiner() gives an event out when it has too many lines", () => {
  const lines = ["a", ...Array.from({ length: MAX_JOINED_LINES }, () => " b")];
  for (const multiline of [{ kind: "indent" }, { kind: "start", pattern: "a" }] as const) {
    const { events, counts } = join(lines, multiline);
    assert.equal(events.length, 1);
    assert.equal(events[0]?.[0].split("\n").length, MAX_JOINED_LINES);
    assert.equal(counts.joinLimits, 1);
  }
  const open = join(["{", ...Array.from({ length: 600 }, () => '"a":1,')], { kind: "json" });
  assert.equal(open.counts.joinLimits, 1);
});

test("makeJoiner() runs a hostile pattern in linear time", () => {
  const joiner = makeJoiner({ kind: "start", pattern: "^(a+)+$" }, () => {}, { joinLimits: 0 });
  const start = performance.now();
  joiner.line("a".repeat(100_000) + "b", 0, 100_002);
  assert.ok(performance.now() - start < 1000);
});

test("makeJoiner() resumes at what it held", () => {
  const line = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    '{"a":1}',
    ",",
    '"x',
    '[{"b":2},',
    "{},",
    "t",
    " u",
  );
  const kind = fc.constantFrom<Multiline>(
    { kind: "json" },
    { kind: "indent" },
    { kind: "start", pattern: "^t" },
    { kind: "end", pattern: "t$" },
  );
  fc.assert(fc.property(fc.array(line, { maxLength: 12 }), kind, fc.nat(11), (lines, how, stop) => {
    const whole = join(lines, how);
    whole.joiner.flush();
    const first = join(lines.slice(0, stop), how);
    const { offset, skip, inArray } = first.joiner.held;
    const from = offset === undefined ? Math.min(stop, lines.length) : offset / 10;
    const rest: (readonly [string, number])[] = [];
    const second = makeJoiner(
      how,
      (text, at, _, char) => {
        rest.push([text, at + char / 1000]);
      },
      { joinLimits: 0 },
      { skip, inArray },
    );
    lines.slice(from).forEach((text, at) => {
      second.line(text, (from + at) * 10, (from + at) * 10 + 10);
    });
    second.flush();
    assert.deepEqual([...first.events, ...rest], whole.events);
  }));
});

const plain = { noNullPrototype: true } as const;
const count = fc.nat(2 ** 40);
const stretch = fc.record({
  end: fc.integer({ min: 1024, max: 2 ** 40 }),
  length: fc.nat(1024),
  hash: fc.string(),
}, plain);
const known: fc.Arbitrary<Known> = fc.record({
  origin: fc.string(),
  base: count,
  head: stretch,
  tail: stretch,
  key: fc.option(fc.string(), { nil: undefined }),
  ordinal: count,
  size: count,
  mtimeMs: count,
}, plain);
const checkpoint: fc.Arbitrary<Checkpoint> = fc.tuple(
  known,
  fc.record({
    path: fc.string(),
    dev: fc.bigInt({ min: 0n, max: 2n ** 64n }),
    ino: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
    isOrphan: fc.boolean(),
    partial: fc.option(fc.record({ end: count, chars: count, stamp: fc.string() }, plain), {
      nil: undefined,
    }),
    json: fc.option(fc.record({ skip: count, inArray: fc.boolean() }, plain), { nil: undefined }),
    goneMs: fc.option(count, { nil: undefined }),
  }, plain),
  fc.option(fc.record({ until: count, firsts: fc.array(count) }, plain), { nil: undefined }),
).map(([{ size, ...rest }, more, audit]) => ({
  ...rest,
  ...more,
  offset: size,
  ...(audit === undefined ? {} : { audit }),
}));

test("parsePosition() reads what formatPosition() writes", () => {
  fc.assert(
    fc.property(count, fc.array(checkpoint), fc.array(known), (scannedMs, files, contents) => {
      const text = formatPosition(
        scannedMs,
        files.map(formatCheckpoint),
        contents.map(formatKnown),
      );
      assert.deepEqual(parsePosition(text), { scannedMs, files, known: contents });
    }),
  );
});

test("parsePosition() refuses everything else", () => {
  for (const text of ["", "{}", "null", "[]", '{"v":2,"t":1,"files":[],"known":[]}']) {
    assert.equal(parsePosition(text), undefined);
  }
  const good = formatPosition(1, fc.sample(checkpoint, 1).map(formatCheckpoint), []);
  fc.assert(fc.property(fc.nat(good.length), fc.string(), (at, text) => {
    parsePosition(good.slice(0, at) + text + good.slice(at + 1));
  }));
  fc.assert(fc.property(fc.json(), (text) => assert.equal(parsePosition(text), undefined)));
});

test("pruneKnown() keeps the last four of an origin and what is recent", () => {
  const one = fc.sample(known, 1)[0]!;
  const at = (minutes: number) => ({ ...one, origin: "x", mtimeMs: minutes * 60_000 });
  const old = Array.from({ length: 10 }, (_, index) => at(index * 10));
  assert.deepEqual(pruneKnown(old), old.slice(-4));
  const fast = Array.from({ length: 80 }, (_, index) => at(100 + index / 100));
  assert.equal(pruneKnown(fast).length, 64);
});

test("Lineage gives a line the same stamp however much of the file is known", () => {
  const lines = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 300 }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(fc.property(lines, fc.nat(4000), (texts, more) => {
    const bytes = bytesOf(texts.map((text) => text + "\n").join(""));
    let end = 0;
    for (const text of texts) {
      end += text.length + 1;
      const early = new Lineage("x", bytes.subarray(0, Math.min(1024, end)));
      const late = new Lineage("x", bytes.subarray(0, Math.min(1024, end + more)));
      assert.equal(early.stamp(end), late.stamp(end));
    }
  }));
});
