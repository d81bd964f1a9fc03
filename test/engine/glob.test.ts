/**
 * sigma-rules.md, section 11.2, against a table of which prefixes a pattern can consume.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileTokens, plainText } from "../../src/engine/glob.ts";
import type { StringOperator, StringToken } from "../../src/sigma/rule.ts";
import { parseSigmaString } from "../../src/sigma/strings.ts";

const DASHES = "-/\u2013\u2014\u2015";

/** The definition, character by character, for texts in which case plays no part. */
function holds(tokens: readonly StringToken[], operator: StringOperator, text: string): boolean {
  const any: StringToken = { kind: "any" };
  const pattern = [
    ...(operator === "contains" || operator === "endswith" ? [any] : []),
    ...tokens,
    ...(operator === "contains" || operator === "startswith" ? [any] : []),
  ].flatMap((token): (StringToken | string)[] => token.kind === "text" ? [...token.text] : [token]);
  const characters = [...text];
  let reached: ReadonlySet<number> = new Set([0]);
  for (const part of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (typeof part !== "string" && part.kind === "any") {
        for (let end = at; end <= characters.length; end++) next.add(end);
      } else if (at < characters.length) {
        const character = characters[at]!;
        const fits = typeof part === "string"
          ? part === character
          : part.kind === "one" || DASHES.includes(character);
        if (fits) next.add(at + 1);
      }
    }
    reached = next;
  }
  return reached.has(characters.length);
}

const unit = fc.constantFrom("a", "b", "-", "\u2013", "\u{1f600}", "\n");
const token: fc.Arbitrary<StringToken> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.string({ unit, maxLength: 3 }).map((text): StringToken => ({
      kind: "text",
      text,
    })),
  },
  fc.constantFrom<StringToken>({ kind: "any" }, { kind: "one" }, { kind: "dash" }),
);
const OPERATORS = ["equals", "contains", "startswith", "endswith"] as const;

test("compileTokens() matches what the definition matches", () => {
  fc.assert(
    fc.property(
      fc.array(token, { maxLength: 6 }),
      fc.constantFrom(...OPERATORS),
      fc.string({ unit, maxLength: 10 }),
      (tokens, operator, text) => {
        assert.equal(compileTokens(tokens, operator, false)(text), holds(tokens, operator, text));
        assert.equal(compileTokens(tokens, operator, true)(text), holds(tokens, operator, text));
      },
    ),
    { numRuns: 5000 },
  );
});

test("compileTokens() takes hostile texts in bounded time", () => {
  const start = performance.now();
  const tokens = parseSigmaString(`${"*a?".repeat(20)}*b`);
  assert.equal(compileTokens(tokens, "equals", true)("a".repeat(200_000)), false);
  assert.equal(compileTokens(tokens, "contains", true)("a".repeat(200_000)), false);
  assert.ok(performance.now() - start < 2000);
});

test("compileTokens() lets `?` stand for one character that folds to two", () => {
  const one = compileTokens(parseSigmaString("a?c"), "equals", true);
  assert.equal(one("A\u0130C".toLowerCase()), true);
  assert.equal(one("A\u0130\u0130C".toLowerCase()), false);
  const written = compileTokens(parseSigmaString("\u0130?"), "equals", true);
  assert.equal(written("\u0130\u0130".toLowerCase()), true);
});

test("plainText() is the text of a pattern without wildcards", () => {
  assert.equal(plainText([]), "");
  assert.equal(plainText(parseSigmaString("a\\*b")), "a*b");
  assert.equal(plainText(parseSigmaString("a*b")), undefined);
});
