import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JsonStream } from "../../src/decode/json_stream.ts";

interface Found {
  readonly value?: string;
  readonly problem?: string;
  readonly offset: number;
}

function cut(pieces: readonly string[], maxCharacters?: number): readonly Found[] {
  const found: Found[] = [];
  const stream = new JsonStream({
    value: (value, offset) => found.push({ value, offset }),
    problem: (problem, offset) => found.push({ problem, offset }),
  }, maxCharacters);
  for (const piece of pieces) stream.push(piece);
  stream.end();
  return found;
}

const STRAY = "text that is not JSON";
const ROWS: readonly (readonly [
  text: string,
  values: readonly (readonly [offset: number, value: string])[],
  problems?: readonly (readonly [offset: number, problem: string])[],
])[] = [
  ["", []],
  ["[]", []],
  ['[{"a":1},{"b":[2]}]', [[1, '{"a":1}'], [9, '{"b":[2]}']]],
  ['{"a":1}{"b":2}\n{"c":3}', [[0, '{"a":1}'], [7, '{"b":2}'], [15, '{"c":3}']]],
  ['{"a":\n {"b":"}]\\"{"}\n}', [[0, '{"a":\n {"b":"}]\\"{"}\n}']]],
  ['\ufeff [ {"a":1} ] ', [[4, '{"a":1}']]],
  ["[[1],[2]]", [[1, "[1]"], [5, "[2]"]]],
  ['x {"a":1} y', [[2, '{"a":1}']], [[0, STRAY], [10, STRAY]]],
  ['{"a":1} ]', [[0, '{"a":1}']], [[8, STRAY]]],
  ['{"a":{"b":1}', [], [[0, "the file ends inside a JSON value"]]],
  ['[{"a":"', [], [[1, "the file ends inside a JSON value"]]],
];
for (const [text, values, problems = []] of ROWS) {
  test(`JsonStream cuts ${JSON.stringify(text)}`, () => {
    const found = cut([text]);
    assert.deepEqual(
      found.filter(({ value }) => value !== undefined),
      values.map(([offset, value]) => ({ value, offset })),
    );
    assert.deepEqual(
      found.filter(({ problem }) => problem !== undefined),
      problems.map(([offset, problem]) => ({ problem, offset })),
    );
  });
}

test("JsonStream skips a value over the limit, once, and goes on", () => {
  const long = `{"a":"${"x".repeat(20)}"}`;
  const problem = "a JSON value longer than 10 characters was skipped";
  const expected = [{ problem, offset: 0 }, { value: "{}", offset: long.length }];
  assert.deepEqual(cut([`${long}{}`], 10), expected);
  assert.deepEqual(cut([...`${long}{}`], 10), expected);
  assert.deepEqual(cut([...long.slice(0, -1)], 10), [{ problem, offset: 0 }]);
});

function cutAt(text: string, cuts: readonly number[]): readonly string[] {
  const places = [...new Set(cuts.map((place) => Math.min(place, text.length)))]
    .sort((left, right) => left - right);
  return [0, ...places].map((from, at) => text.slice(from, places[at] ?? text.length));
}

const soup = fc.string({
  unit: fc.constantFrom(...'{}[]",:\\ \n1ax', "\ufeff", "\u{1f600}"),
  maxLength: 60,
});
const documents = fc.tuple(fc.array(fc.object(), { maxLength: 4 }), fc.nat(3)).map(
  ([values, form]) =>
    form === 0
      ? JSON.stringify(values)
      : values.map((value) => JSON.stringify(value, null, form === 1 ? 2 : 0)).join(
        form === 2 ? "" : "\n",
      ),
);

test("JsonStream gives the same however the text is cut", () => {
  fc.assert(
    fc.property(
      fc.oneof(soup, documents),
      fc.array(fc.nat(80)),
      fc.integer({ min: 1, max: 12 }),
      (text, cuts, max) => {
        const pieces = cutAt(text, cuts);
        assert.deepEqual(cut(pieces), cut([text]));
        assert.deepEqual(cut(pieces, max), cut([text], max));
      },
    ),
    { numRuns: 2000 },
  );
});

test("JsonStream gives back the values that were written", () => {
  fc.assert(fc.property(fc.array(fc.object(), { maxLength: 5 }), fc.boolean(), (values, listed) => {
    const text = listed
      ? JSON.stringify(values, null, 1)
      : values.map((value) => JSON.stringify(value)).join("\n");
    const found = cut([text]);
    assert.deepEqual(
      found.map(({ value }) => JSON.parse(value!) as unknown),
      values.map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    );
    for (const { value, offset } of found) {
      assert.equal(text.slice(offset, offset + value!.length), value);
    }
  }));
});
