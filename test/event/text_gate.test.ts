import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeJson } from "../../src/decode/json.ts";
import { keywordGate } from "../../src/engine/keyword_gate.ts";
import { isGateText, textGate } from "../../src/event/text_gate.ts";

const unit = fc.constantFrom(
  ..."kKiI\u212a\u0130sSaA019.-eE ",
  "\u0307",
  "\u00e4",
  "\\",
  '"',
  "/",
  "\n",
  "<",
);
const text = fc.string({ unit, maxLength: 8 });
const fragment = fc.string({
  unit: fc.constantFrom(..."kisa01.-e <"),
  minLength: 1,
  maxLength: 3,
});

/** JSON text of a string in which any character may be an escape, as any writer may choose. */
const spelled = fc.tuple(text, fc.infiniteStream(fc.nat(2))).map(([value, choices]) => {
  let json = "";
  for (const character of value) {
    const choice = choices.next().value as number;
    const hex = character.charCodeAt(0).toString(16).padStart(4, "0");
    if (choice === 0 || character.length > 1) json += JSON.stringify(character).slice(1, -1);
    else if (character === "/" && choice === 1) json += "\\/";
    else json += `\\u${choice === 1 ? hex : hex.toUpperCase()}`;
  }
  return `"${json}"`;
});
const numeral = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.integer({ min: -99, max: 99 }), fc.nat(9), fc.integer({ min: -5, max: 25 }))
    .map(([whole, part, exponent]) => `${whole}.${part}e${exponent}`),
  fc.bigInt({ min: 0n, max: 10n ** 25n }).map(String),
  fc.nat(99).map((whole) => `${whole}.29999999999999999999`),
  fc.constantFrom("true", "false", "null"),
);
const document = fc.array(fc.oneof(spelled, numeral), { maxLength: 4 }).chain((leaves) =>
  fc.constantFrom(
    `[${leaves.join(",")}]`,
    `[ ${leaves.join(" , ")} ]`,
    `{${leaves.map((leaf, at) => `"q${at}":${leaf}`).join(",")}}`,
    `{"q":{"r":\n[${leaves.join(",\n")}]}}`,
  )
);

test("TextGate.json lets every event pass that has a fragment in a leaf", () => {
  fc.assert(
    fc.property(
      fc.array(fragment.filter(isGateText), { minLength: 1, maxLength: 3 }),
      document,
      (fragments, json) => {
        const gate = textGate(fragments);
        const event = decodeJson(json);
        if (event.someText(gate.test)) assert.ok(event.mayContain(gate), json);
      },
    ),
    { numRuns: 3000 },
  );
});

test("keywordGate() gives fragments that every word contains", () => {
  const word = fc.string({ unit: fc.constantFrom(..."abck\u00e4./ '<01"), maxLength: 10 });
  fc.assert(fc.property(fc.array(word, { maxLength: 12 }), (words) => {
    const gate = keywordGate(words);
    if (gate === undefined) return;
    for (const one of words) {
      assert.ok(gate.fragments.some((part) => one.includes(part)), one);
      assert.ok(gate.test(`x${one.toUpperCase()}x`));
    }
  }));
});

const ROWS: readonly (readonly [fragment: string, json: string, passes: boolean])[] = [
  ["mimi", '{"m":"xMIMIx"}', true],
  ["mimi", '{"m":"mim i"}', false],
  ["mimi", '{"m":"\\u006dimi"}', true],
  ["mimi", '{"m":"\\u00e4"}', false],
  ["462", '{"id":4.62e2}', true],
  ["462", '{"id":[1, 4.62E2]}', true],
  ["462", '{"id":"4.62e2"}', false],
  ["a46", '{"id":4.62e2}', false],
  ["k", '{"m":"\u212a"}', true],
];
for (const [part, json, passes] of ROWS) {
  test(`TextGate of ${part} ${passes ? "passes" : "stops"} ${json}`, () => {
    assert.equal(decodeJson(json).mayContain(textGate([part])), passes);
  });
}
