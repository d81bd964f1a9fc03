import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileRegex, requiredLiterals } from "../../../src/engine/regex/compile.ts";
import { parseRegex } from "../../../src/engine/regex/parse.ts";
import {
  picker,
  regexFlags,
  regexSource,
  regexText,
  sampleMatch,
} from "../../arbitraries/regex.ts";

// Sigma rules specification, section 23.3, "regex → mandatory literals of the pattern".
const REQUIRED: readonly (readonly [
  source: string,
  flags: string,
  literals: readonly string[] | undefined,
])[] = [
  // concatenation: the longest; an anchor parts nothing
  [String.raw`net\s+config`, "", ["config"]],
  [String.raw`^C:\\Users`, "", [String.raw`c:\users`]],
  ["foo$bar", "", ["foobar"]],
  ["ab.cd", "", ["ab"]],
  ["Program[Dd]ata", "", ["programdata"]],
  // alternation: every branch gives one, or there is none
  ["(?:System32|SysWOW64)", "", ["system32", "syswow64"]],
  ["x(?:a|b)yy", "", ["xayy", "xbyy"]],
  ["foo|.", "", undefined],
  ["foo|ba.+quux", "", ["foo", "quux"]],
  // repetition: at least once
  ["(?:abc)+", "", ["abc"]],
  ["(?:abc){2,}", "", ["abcabc"]],
  ["(?:abc)*", "", undefined],
  ["(?:abc)?de", "", ["de"]],
  ["a{5}", "", ["aaaaa"]],
  // what everything holds is worth nothing
  [String.raw`:[^\\]`, "", undefined],
  ["a", "", undefined],
  ["", "", undefined],
  [String.raw`\d{3}-\w+`, "", undefined],
  // case folding: the Kelvin sign lowers to k, the long s to itself
  ["cmd.EXE", "i", ["cmd"]],
  ["(?i)kk", "", ["kk"]],
  ["(?i)as", "", ["as", "aſ"]],
  ["(?i-u)as", "", ["as"]],
  ["É1", "", ["é1"]],
  ["(?i)é1a", "", ["1a"]],
  // Σ lowers to σ or ς, İ to two characters
  ["ΟΔΟΣ", "", ["οδο"]],
  ["Σ", "", undefined],
  ["İx", "", ["i̇x"]],
];

for (const [source, flags, literals] of REQUIRED) {
  test(`requiredLiterals() of ${source} ${flags} are ${literals?.join(", ")}`, () => {
    assert.deepEqual(requiredLiterals(source, flags), literals);
  });
}

test("compileRegex() promises literals that occur in every text it matches", () => {
  let matches = 0;
  const seeds = fc.integer();
  fc.assert(
    fc.property(regexSource, regexFlags, regexText, seeds, (source, flags, text, seed) => {
      const regex = compileRegex(source, flags);
      const sample = sampleMatch(parseRegex(source, flags).root, picker(seed), 3);
      for (const candidate of [text, sample, text + sample, sample.toUpperCase(), `${sample}Σ`]) {
        if (!regex.test(candidate)) continue;
        matches++;
        const lowered = candidate.toLowerCase();
        for (const clause of regex.literals) {
          const held = clause.some((literal) => lowered.includes(literal));
          assert.ok(held, `${JSON.stringify(candidate)} holds none of ${JSON.stringify(clause)}`);
        }
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(matches > 1000, `only ${matches} texts matched`);
});
