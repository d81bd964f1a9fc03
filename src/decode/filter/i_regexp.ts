/**
 * I-Regexp (RFC 9485), the regular expressions of JSONPath, in linear time.
 */
import { jsonpath } from "json-p3";
import { RE2JS } from "re2js";

/** Patterns that are kept; they may come from events. */
const MAX_PATTERNS = 100;
/** Longer ones match nothing, as ones that cannot be read. */
const MAX_PATTERN = 2048;

type Test = (text: string) => boolean;

const NEVER: Test = () => false;
/** Only asked whether a pattern is one: it would run it with an engine that backtracks. */
const checker = new jsonpath.functions.Match({ throwErrors: true, cacheSize: 0 });
const tests = new Map<string, Test>();

/**
 * What a pattern says of a text. One that cannot be read says no, as the standard wants it.
 *
 * @param isWhole `match()`: all of the text; else `search()`: a part of it.
 */
export function regexTest(pattern: string, isWhole: boolean): Test {
  const key = `${isWhole}${pattern}`;
  let test = tests.get(key);
  if (test === undefined) {
    if (tests.size >= MAX_PATTERNS) tests.clear();
    test = pattern.length > MAX_PATTERN ? NEVER : compile(pattern, isWhole);
    tests.set(key, test);
  }
  return test;
}

function compile(pattern: string, isWhole: boolean): Test {
  try {
    checker.call("", pattern);
    // A dot is anything but the two line ends.
    const written = pattern.replace(
      /\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\./g,
      (part) => part === "." ? "[^\\n\\r]" : part,
    );
    const regex = RE2JS.compile(written);
    return isWhole ? (text) => regex.testExact(text) : (text) => regex.test(text);
  } catch {
    return NEVER;
  }
}
