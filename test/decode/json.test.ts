import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "../../src/decode/errors.ts";
import { decodeJson } from "../../src/decode/json.ts";
import { internField } from "../../src/event/field.ts";
import { jsonText } from "../../src/event/json_text.ts";

const REFUSED: readonly string[] = [
  "",
  " ",
  "1",
  '"x"',
  "null",
  "true",
  "{",
  "[1,]",
  "{'a':1}",
  "{}{}",
  "NaN",
];
for (const text of REFUSED) {
  test(`decodeJson() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => decodeJson(text), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.equal(error.code, "DECODE_JSON");
      return true;
    });
  });
}

test("decodeJson() gives back what was written, integers with all their digits", () => {
  const big = fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n });
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), big);
  const event = fc.dictionary(fc.string(), fc.oneof(leaf, fc.array(leaf)), {
    noNullPrototype: true,
  });
  fc.assert(fc.property(event, (root) => {
    const text = jsonText(root);
    assert.deepEqual(decodeJson(text).toValue(), root);
    for (const [key, value] of Object.entries(root)) {
      // A fresh event each: reading one field must not depend on another having been read.
      assert.deepEqual(decodeJson(text).get(internField(key)), value);
    }
  }));
});

test("decodeJson() takes an integer's digits from its own place alone", () => {
  const rows: readonly (readonly [text: string, n: bigint])[] = [
    ['{"x":{"n":1000000000000000},"n" :9007199254740993}', 9007199254740993n],
    ['{"x":{"n":1000000000000000},"\\u006e":9007199254740993}', 9007199254740993n],
    ['{"n":9007199254740995,"n":9007199254740993}', 9007199254740993n],
    ['{"x":"\\"n\\":9007199254740997","n":9007199254740993}', 9007199254740993n],
    ['{"n":\n 9007199254740993 }', 9007199254740993n],
    ['{"x":[{"n":9007199254740997}],"n":9007199254740993}', 9007199254740993n],
  ];
  for (const [text, n] of rows) {
    assert.equal(decodeJson(text).get(internField("n")), n, text);
    assert.equal((decodeJson(text).toValue() as { n: bigint }).n, n, text);
  }
});

test("JsonEvent.get() gives the same answer before and after exact numbers were needed", () => {
  const event = decodeJson(
    '{"a":{"b":[1,9007199254740993]},"c":"x","n":9007199254740993,"f":1e20}',
  );
  const names = ["a", "a.b", "c", "n", "f", "a.b[1]", "none"];
  const first = names.map((name) => event.get(internField(name)));
  event.toValue();
  assert.deepEqual(names.map((name) => event.get(internField(name))), first);
  assert.equal(event.get(internField("n")), 9007199254740993n);
  assert.deepEqual(event.get(internField("a.b")), [1, 9007199254740993n]);
});

test("decodeJson() throws nothing but DecodeError, and events answer anything", () => {
  const unit = fc.constantFrom(...'{}[]:,"\\01eE.-+tfnu \n\u00e4');
  const fields = ["a", "Event.System.EventID", "EventID", "__proto__", "x[0]"].map(internField);
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string({ unit, maxLength: 40 })), (text) => {
    try {
      const event = decodeJson(text);
      for (const field of fields) event.get(field);
      event.someText(() => false);
      jsonText(event.toValue());
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
    }
  }));
});

test("decodeJson() bounds what deep nesting costs", () => {
  const depth = 20_000;
  const text = `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`;
  try {
    const event = decodeJson(text);
    assert.equal(event.someText(() => true), false);
    assert.notEqual(event.get(internField("a.a")), undefined);
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
  }
});
