/**
 * Items in words: what results and explanations call a matcher and its pattern.
 */
import type { Item, Pattern, StringToken } from "../sigma/rule.ts";
import { plainText } from "./glob.ts";
import type { MatcherName } from "./result.ts";

/** Longer pattern texts are cut, in bytes of UTF-8. */
const MAX_PATTERN_BYTES = 256;

export interface ItemDescription {
  readonly matcher: MatcherName;
  readonly pattern?: string;
  readonly caseSensitive?: boolean;
}

/** Describes the patterns of an item, taken together. */
export function describeItem(item: Item): ItemDescription {
  const described = describePatterns(item.patterns);
  const matcher = item.field === undefined ? "keyword" : described.matcher;
  return {
    matcher,
    ...(described.pattern === undefined ? {} : { pattern: truncate(described.pattern) }),
    ...(described.caseSensitive === undefined ? {} : { caseSensitive: described.caseSensitive }),
  };
}

function describePatterns(patterns: readonly Pattern[]): ItemDescription {
  if (patterns.length === 1) return describePattern(patterns[0]!);
  const parts = patterns.map(describePattern);
  const cases = new Set(parts.map((part) => part.caseSensitive));
  const [only] = cases;
  return {
    matcher: "one_of",
    pattern: parts.map((part) => part.pattern ?? "").join(", "),
    ...(cases.size === 1 && only !== undefined ? { caseSensitive: only } : {}),
  };
}

function describePattern(pattern: Pattern): ItemDescription {
  switch (pattern.kind) {
    case "string": {
      const plain = plainText(pattern.tokens);
      if (plain === undefined) {
        return { matcher: "regex", pattern: regexText(pattern) };
      }
      return {
        matcher: pattern.operator === "equals" ? "exact" : pattern.operator,
        pattern: pattern.cased ? plain : plain.toLowerCase(),
        caseSensitive: pattern.cased,
      };
    }
    case "number":
      return { matcher: "numeric", pattern: `= ${pattern.text}` };
    case "compare":
      return { matcher: "numeric", pattern: `${COMPARE_SIGNS[pattern.operator]} ${pattern.text}` };
    case "boolean":
      return { matcher: "bool", pattern: String(pattern.value) };
    case "null":
      return { matcher: "null" };
    case "regex": {
      const flags = pattern.flags === "" ? "" : `(?${pattern.flags})`;
      return { matcher: "regex", pattern: `${flags}${pattern.source}` };
    }
    case "cidr":
      return { matcher: "cidr", pattern: pattern.network };
    case "exists":
      return { matcher: "exists", pattern: String(pattern.expected) };
    case "fieldref":
      return { matcher: "fieldref", pattern: pattern.field, caseSensitive: pattern.cased };
    case "timepart":
      return { matcher: "timestamp", pattern: `= ${pattern.value}` };
    case "template":
      return {
        matcher: "expand",
        pattern: pattern.parts.map((part) => part.kind === "text" ? part.text : `%${part.field}%`)
          .join(""),
        caseSensitive: pattern.cased,
      };
    case "any":
      return describePatterns(pattern.patterns);
  }
}

const COMPARE_SIGNS = { gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/** The regular expression that a pattern with wildcards amounts to. */
function regexText(pattern: Pattern & { readonly kind: "string" }): string {
  const { operator, cased, tokens } = pattern;
  const start = operator === "equals" || operator === "startswith" ? "^" : "";
  const end = operator === "equals" || operator === "endswith" ? "$" : "";
  return `(?${cased ? "" : "i"}s)${start}${tokens.map(tokenText).join("")}${end}`;
}

function tokenText(token: StringToken): string {
  switch (token.kind) {
    case "any":
      return ".*";
    case "one":
      return ".";
    case "dash":
      return "[-/\u2013\u2014\u2015]";
    case "text":
      return token.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  }
}

function truncate(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= MAX_PATTERN_BYTES) return text;
  let end = MAX_PATTERN_BYTES - 3;
  while ((bytes[end]! & 0xc0) === 0x80) end--; // Not inside a character.
  return `${new TextDecoder().decode(bytes.subarray(0, end))}...`;
}
