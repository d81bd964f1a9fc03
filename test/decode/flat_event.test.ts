import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlatEvent, PlainEvent, RAW_FIELD } from "../../src/decode/flat_event.ts";
import { internField } from "../../src/event/field.ts";

type Fields = readonly (readonly [string, string])[];

function texts(event: FlatEvent | PlainEvent): string[] {
  const seen: string[] = [];
  event.someText((text) => {
    seen.push(text);
    return false;
  });
  return seen;
}

// inputs.md, section 4, "KV event".
const LOOKUPS: readonly (readonly [Fields, name: string, expected: string | undefined])[] = [
  [[["a", "1"]], "a", "1"],
  [[["a", "1"]], "A", undefined],
  [[["a", "1"], ["a", "2"]], "a", "1"],
  [[["a.b", "1"]], "a.b", "1"], // a name, not a path
  [[["a", "1"]], "a.b", undefined],
  [[["k[0]", "1"]], "k[0]", "1"],
  [[["a", ""]], "a", ""],
  [[["__proto__", "1"]], "__proto__", "1"],
  [[], "toString", undefined],
  [[["constructor", "1"]], "constructor", "1"],
];

for (const [fields, name, expected] of LOOKUPS) {
  test(`FlatEvent.get() ${JSON.stringify(fields)} ${name} is ${expected}`, () => {
    assert.equal(new FlatEvent(fields).get(internField(name)), expected);
  });
}

test("FlatEvent.someText() visits texts that were in the log, each time they stand there", () => {
  const fields = [["a", "1"], ["a", "2"], ["_own", "3"], [RAW_FIELD, "4"]] as const;
  const event = new FlatEvent(fields, [["_event", "5"], ["User", "6"]]);
  assert.deepEqual(texts(event), ["1", "2", "3", "4"]);
  let visits = 0;
  assert.equal(event.someText(() => ++visits === 2), true);
  assert.equal(visits, 2);
});

test("FlatEvent holds what it was made of", () => {
  const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "a", "b", "_raw", "a.b"));
  fc.assert(fc.property(fc.array(fc.tuple(name, fc.string())), (fields) => {
    const event = new FlatEvent(fields);
    const value = event.toValue() as Readonly<Record<string, string>>;
    assert.deepEqual(event.topKeys(), fields.map(([key]) => key));
    assert.deepEqual(new Set(Object.keys(value)), new Set(fields.map(([key]) => key)));
    for (const [key] of fields) {
      assert.equal(event.get(internField(key)), fields.find(([one]) => one === key)![1]);
      // As JSON, the last of a name counts (inputs.md, section 4).
      assert.equal(value[key], fields.findLast(([one]) => one === key)![1]);
    }
  }));
});

test("PlainEvent is its line and nothing else", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (line, name) => {
    const event = new PlainEvent(line);
    assert.equal(event.get(), undefined);
    assert.deepEqual(event.topKeys(), []);
    assert.deepEqual(texts(event), [line]);
    assert.deepEqual(event.toValue(), { [RAW_FIELD]: line });
    assert.equal(event.someText((text) => text.includes(name)), line.includes(name));
  }));
});

test("FlatEvent answers the first question and the hundredth alike", () => {
  const pairs = fc.array(fc.tuple(fc.constantFrom("a", "b", "c", "__proto__"), fc.string()));
  const asked = fc.array(fc.constantFrom("a", "b", "c", "d", "__proto__"), { maxLength: 30 });
  fc.assert(fc.property(pairs, pairs, asked, (fields, opened, names) => {
    const event = new FlatEvent(fields, opened);
    for (const name of names) {
      const first = [...fields, ...opened].find(([one]) => one === name)?.[1];
      assert.equal(event.get(internField(name)), first);
    }
  }));
});
