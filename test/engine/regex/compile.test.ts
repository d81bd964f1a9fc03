import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { buildAutomaton } from "../../../src/engine/regex/automaton.ts";
import { trimEnds } from "../../../src/engine/regex/ast.ts";
import { checkRegex, compileRegex } from "../../../src/engine/regex/compile.ts";
import { RegexError } from "../../../src/engine/regex/errors.ts";
import { LinearMatcher } from "../../../src/engine/regex/linear.ts";
import { parseRegex } from "../../../src/engine/regex/parse.ts";
import { translate } from "../../../src/engine/regex/translate.ts";
import {
  plainRegexSource,
  plainText,
  regexFlags,
  regexSource,
  regexText,
} from "../../arbitraries/regex.ts";
import { matchesNaively } from "../../support/regex_oracle.ts";

type Row = readonly [source: string, flags: string, text: string, expected: boolean];

// Sigma rules specification, section 13, in the order of its table.
const MEANING: readonly Row[] = [
  // match
  ["b", "", "abc", true],
  ["", "", "anything", true],
  ["a|", "", "", true],
  // case
  ["Admin", "", "admin", false],
  ["Admin", "i", "xADMINx", true],
  ["(?i)admin", "", "ADMIN", true],
  // flags
  ["^b.c$", "ims", "a\nB\nC", true],
  ["^b.c$", "im", "a\nB\nC", false],
  // `.`
  ["a.c", "", "a\nc", false],
  ["a.c", "", "a\rc", true],
  ["a.c", "", "a\u2028c", true],
  ["a.c", "s", "a\nc", true],
  ["^.$", "", "😀", true],
  ["^.{2}$", "", "😀", false],
  ["^..$", "", "a\ud800", true],
  // `^` `$`
  ["^a$", "", "a\n", false],
  ["^a$", "", "a", true],
  ["^a$", "m", "b\na\nc", true],
  ["^a$", "m", "b\ra\rc", false],
  ["^a$", "m", "b\u2028a", false],
  ["a$", "m", "a\r\n", false],
  // `\d \w \s \b`
  [String.raw`\d`, "", "٣", true],
  [String.raw`\D`, "", "٣", false],
  [String.raw`\w`, "", "é", true],
  [String.raw`\w`, "", "–", false],
  [String.raw`\s`, "", "\u00a0", true],
  [String.raw`\s`, "", "\ufeff", false],
  [String.raw`\bna\b`, "", "éna", false],
  [String.raw`\bna\b`, "", "– na", true],
  [String.raw`a\Bb`, "", "ab", true],
  // `(?i)`
  ["(?i)k", "", "\u212a", true],
  ["(?i)STRASSE", "", "ſtraſſe", true],
  ["(?i)ß", "", "SS", false],
  ["(?i)ß", "", "ẞ", true],
  ["(?i)σ", "", "ς", true],
  ["(?i)θ", "", "ϑ", true],
  ["(?i)[^x]", "", "X", false],
  ["(?i)[^x]", "", "xXa", true],
  [String.raw`(?i)\p{Lu}`, "", "a", true],
  [String.raw`(?i)\P{Lu}`, "", "a", false],
  [String.raw`(?i)[^\p{Lu}]`, "", "a", false],
  // inline flags
  ["a(?i)b", "", "aB", true],
  ["a(?i)b", "", "AB", false],
  ["(?i:a)b", "", "AB", false],
  ["(?i)a(?-i)b", "", "Ab", true],
  ["(?i)a(?-i)b", "", "AB", false],
  ["(a(?i)b|c)d", "", "Cd", true],
  ["(a(?i)b|c)d", "", "CD", false],
  ["(?x) a  b # comment\n c [ d ]", "", "abcd", true],
  [String.raw`(?x)a\ b`, "", "a b", true],
  ["(?U)^a+?$", "", "aaa", true],
  [String.raw`(?-u)\w`, "", "é", false],
  [String.raw`(?-u:\b)a`, "", "éa", true],
  ["(?i-u)k", "", "\u212a", false],
  ["(?Rm)^a$", "", "b\r\na\r\n", true],
  ["(?R).", "", "\r", false],
  ["(?Rm)^", "", "", true],
  [String.raw`(?Rm)a$\r`, "", "a\r\n", true],
  [String.raw`(?Rm)a\r$`, "", "a\r\n", false],
  // not supported, but read otherwise: a possessive quantifier is a repeated repetition
  ["^a++$", "", "aaa", true],
  ["^a{2}{3}$", "", "aaaaaa", true],
  ["^a{2}{3}$", "", "aaaaa", false],
  // what is no syntax error
  ["a}", "", "a}", true],
  ["a]", "", "a]", true],
  [String.raw`\"\%\/\-\'\ \{`, "", `"%/-' {`, true],
  ["^a{,2}$", "", "aa", true],
  // extras
  [String.raw`\Aa\z`, "m", "b\na", false],
  [String.raw`\Aa\z`, "m", "a", true],
  ["(?P<first>a)(?<second>b)", "", "ab", true],
  ["^[[:alpha:]]+$", "", "aZ", true],
  ["[[:alpha:]]", "", "é", false],
  ["[[:^alpha:]]", "", "é", true],
  ["^[[:alpha:][:digit:]_]+$", "", "a1_", true],
  ["[:alpha:]", "", "z", false],
  ["^[a-z&&[^aeiou]]+$", "", "xyz", true],
  ["[a-z&&[^aeiou]]", "", "aei", false],
  ["[a-z--[b-y]]", "", "bcy", false],
  ["[a-z--b-y]", "", "z", true],
  ["^[a-c~~b-d]+$", "", "ad", true],
  ["[a-c~~b-d]", "", "bc", false],
  ["[a&&b]", "", "ab", false],
  [String.raw`^\x41\x{42}\u0043\u{44}\U00000045$`, "", "ABCDE", true],
  [String.raw`\x{10FFFF}`, "", "\u{10ffff}", true],
  [String.raw`^\a\f\t\n\r\v$`, "", "\x07\f\t\n\r\v", true],
  [String.raw`^\p{Greek}\pL\p{Lu}\P{L}$`, "", "λaA1", true],
  [String.raw`\p{^L}`, "", "a", false],
  [String.raw`\p{gc!=lowercase letter}`, "", "a", false],
  [String.raw`\p{sc=cyrillic}`, "", "ж", true],
  [String.raw`[^\PL]`, "", "a", true],
  [String.raw`\<foo\>`, "", "a foo b", true],
  [String.raw`\<foo\>`, "", "afoo b", false],
  [String.raw`\b{start}foo\b{end}`, "", "foo", true],
  [String.raw`\b{start-half}o`, "", "foo", false],
  [String.raw`f\b{end-half}`, "", "foo", false],
  // classes
  ["[]a]+$", "", "]", true],
  ["[^]a]", "", "]a", false],
  ["^[-a]+$", "", "-a", true],
  ["^[a-]+$", "", "-a", true],
  ["^[%+-]+$", "", "%-+", true],
  [String.raw`[\w+|\s]`, "", "|", true],
  ["[a-z-9]", "", "-", true],
  // repetition
  ["^(?:ab){2,3}$", "", "abab", true],
  ["^(?:ab){2,3}$", "", "abababab", false],
  ["^a{0}b$", "", "b", true],
  ["^(a?){3}$", "", "aaa", true],
  ["^(a?){3}$", "", "aaaa", false],
  ["^(?:a*)*$", "", "aa", true],
  [String.raw`^(?:a|\b){3}$`, "", "aa", true],
  [String.raw`^(?:a|\b)+b`, "", "b", true],
  ["(){4294967295}", "", "", true],
];

for (const [source, flags, text, expected] of MEANING) {
  const title = `${JSON.stringify(source)} ${flags} on ${JSON.stringify(text)}`;
  test(`compileRegex() ${title} gives ${expected}`, () => {
    assert.equal(compileRegex(source, flags).test(text), expected);
    assert.equal(linear(source, flags).test(text), expected, "on the linear engine");
    const native = translate(trimEnds(parseRegex(source, flags).root));
    assert.equal(native?.test(text) ?? expected, expected, `natively, as ${native}`);
    assert.equal(matchesNaively(parseRegex(source, flags), text), expected, "naively");
  });
}

// Sigma rules specification, section 13, rows "not supported", "syntax errors" and "limits".
const REFUSED: readonly (readonly [
  source: string,
  code: RegexError["code"],
  offset: number,
  message: RegExp,
])[] = [
  ["(?=a)b", "REGEX_UNSUPPORTED", 0, /look-ahead/],
  ["x(?!a)b", "REGEX_UNSUPPORTED", 1, /look-ahead.*filter/],
  ["(?<=a)b", "REGEX_UNSUPPORTED", 0, /look-behind/],
  ["(?<!a)b", "REGEX_UNSUPPORTED", 0, /look-behind/],
  [String.raw`(a)\1`, "REGEX_UNSUPPORTED", 3, /back-references/],
  ["(?P<n>a)(?P=n)", "REGEX_UNSUPPORTED", 8, /back-references/],
  [String.raw`(?<n>a)\k<n>`, "REGEX_UNSUPPORTED", 7, /back-references/],
  ["(?>a)", "REGEX_UNSUPPORTED", 0, /atomic/],
  ["(?(1)a|b)", "REGEX_UNSUPPORTED", 0, /conditional/],
  [String.raw`a\Z`, "REGEX_UNSUPPORTED", 1, /`\\z`/],
  [String.raw`\Ga`, "REGEX_UNSUPPORTED", 0, /`\\G`/],
  [String.raw`\h`, "REGEX_UNSUPPORTED", 0, /\[ \\t\]/],
  [String.raw`a\Kb`, "REGEX_UNSUPPORTED", 1, /`\\K`/],
  [String.raw`\p{Klingon}`, "REGEX_UNSUPPORTED", 0, /Klingon/],
  ["(?-u).", "REGEX_UNSUPPORTED", 5, /\(\?-u\)/],
  ["{", "REGEX_SYNTAX", 0, /write `\\{`/],
  ["a{x}", "REGEX_SYNTAX", 1, /count/],
  ["a{", "REGEX_SYNTAX", 1, /count/],
  ["a{3,2}", "REGEX_SYNTAX", 1, /backwards/],
  ["a{4294967296}", "REGEX_SYNTAX", 1, /too large/],
  ["*a", "REGEX_SYNTAX", 0, /nothing to repeat/],
  ["a|+", "REGEX_SYNTAX", 2, /nothing to repeat/],
  ["(?i)*", "REGEX_SYNTAX", 0, /nothing to repeat/],
  [String.raw`\y`, "REGEX_SYNTAX", 0, /unknown escape/],
  [String.raw`C:\Users`, "REGEX_SYNTAX", 2, /hexadecimal/],
  ["a\\", "REGEX_SYNTAX", 1, /backslash ends/],
  ["[open", "REGEX_SYNTAX", 0, /unclosed character class/],
  ["[]", "REGEX_SYNTAX", 0, /unclosed character class/],
  ["[z-a]", "REGEX_SYNTAX", 1, /backwards/],
  [String.raw`[a-\d]`, "REGEX_SYNTAX", 1, /range/],
  [String.raw`[\b]`, "REGEX_SYNTAX", 1, /anchor/],
  ["(a", "REGEX_SYNTAX", 0, /unclosed group/],
  ["a)", "REGEX_SYNTAX", 1, /opens nowhere/],
  ["(?q)a", "REGEX_SYNTAX", 2, /unknown flag/],
  ["(?ii)a", "REGEX_SYNTAX", 3, /twice/],
  ["(?)a", "REGEX_SYNTAX", 0, /flag is missing/],
  ["(?i-)a", "REGEX_SYNTAX", 0, /flag is missing/],
  ["(?<a>x)(?<a>y)", "REGEX_SYNTAX", 7, /twice/],
  ["(?<1>x)", "REGEX_SYNTAX", 0, /group name/],
  [String.raw`\x{110000}`, "REGEX_SYNTAX", 0, /hexadecimal/],
  [String.raw`\xg0`, "REGEX_SYNTAX", 0, /hexadecimal/],
  ["(".repeat(300) + ")".repeat(300), "REGEX_TOO_LARGE", 251, /nested/],
  ["[".repeat(300), "REGEX_TOO_LARGE", 250, /nested/],
  ["a" + "+".repeat(300), "REGEX_TOO_LARGE", 253, /nested/],
  ["(".repeat(200) + "a" + "+++)".repeat(200), "REGEX_TOO_LARGE", 703, /nested/],
  ["a{100}{101}", "REGEX_TOO_LARGE", 0, /10100 characters/],
  ["((a{1000}){1000}){1000}", "REGEX_TOO_LARGE", 0, /count less far/],
  ["a?".repeat(1000), "REGEX_TOO_LARGE", 0, /optional parts/],
];

for (const [source, code, offset, message] of REFUSED) {
  const title = source.length > 40 ? `${source.slice(0, 12)}…` : source;
  test(`compileRegex() refuses ${title} with ${code}`, () => {
    assert.throws(() => compileRegex(source, ""), (error) => {
      assert.ok(error instanceof RegexError);
      assert.deepEqual([error.code, error.offset], [code, offset]);
      assert.match(error.message, /^invalid regex pattern: /);
      assert.match(error.message, message);
      assert.equal(checkRegex(source, ""), error.reason);
      return true;
    });
  });
}

test("checkRegex() has nothing to say of a good pattern", () => {
  assert.equal(checkRegex("a+", "i"), undefined);
});

test("compileRegex() throws RegexError or nothing, in bounded time", () => {
  const noise = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.array(fc.constantFrom(..."()[]{}?*+|\\^$-&~:,=<>!imsxuURpPbBdx0129az# \n"), {
      maxLength: 30,
    }).map((chars) => chars.join("")),
  );
  fc.assert(
    fc.property(noise, regexText, (source, text) => {
      const problem = checkRegex(source, "");
      if (problem === undefined) compileRegex(source, "").test(text);
      else assert.match(problem, /\(at offset \d+\)$/);
    }),
    { numRuns: 2000, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
  );
});

test("compileRegex() finds what the naive matcher finds, on either engine", () => {
  fc.assert(
    fc.property(regexSource, regexFlags, regexText, (source, flags, text) => {
      const pattern = parseRegex(source, flags);
      const expected = matchesNaively(pattern, text);
      assert.equal(compileRegex(source, flags).test(text), expected, "as compiled");
      assert.equal(linear(source, flags).test(text), expected, "linear");
      // Inputs this small cannot hang the native engine, so unsafe patterns are compared as well.
      const native = translate(trimEnds(pattern.root));
      if (native !== undefined) assert.equal(native.test(text), expected, `native ${native}`);
    }),
    { numRuns: 1500 },
  );
});

test("compileRegex() finds what RE2 finds where both read a pattern alike", () => {
  fc.assert(
    fc.property(plainRegexSource, plainText, (source, text) => {
      assert.equal(compileRegex(source, "").test(text), RE2JS.compile(source).test(text));
    }),
    { numRuns: 500 },
  );
});

test("LinearMatcher answers the same whatever texts came before", () => {
  fc.assert(
    fc.property(regexSource, fc.array(regexText, { maxLength: 12 }), (source, texts) => {
      const used = linear(source, "");
      for (const text of texts) assert.equal(used.test(text), linear(source, "").test(text));
    }),
    { numRuns: 300 },
  );
});

function linear(source: string, flags: string): LinearMatcher {
  const pattern = parseRegex(source, flags);
  return new LinearMatcher(buildAutomaton({ ...pattern, root: trimEnds(pattern.root) }));
}
