/**
 * Sigma strings: text with wildcards, as tokens.
 *
 * @see sigma-rules.md, section 11.1
 */
import type { StringToken } from "./rule.ts";

const ANY: StringToken = { kind: "any" };
const ONE: StringToken = { kind: "one" };

/**
 * Reads a rule string: `*` and `?` are wildcards, `\` takes the meaning from `*`, `?` and `\`, and
 * is itself before anything else. The empty string has no tokens; runs of `*` become one.
 */
export function parseSigmaString(source: string): readonly StringToken[] {
  if (!/[*?\\]/.test(source)) return textTokens(source);
  const tokens: StringToken[] = [];
  let text = "";
  for (let at = 0; at < source.length; at++) {
    const char = source[at]!;
    if (char === "\\") {
      const next = source[at + 1];
      if (next === "*" || next === "?" || next === "\\") {
        text += next;
        at++;
      } else {
        text += char;
      }
    } else if (char === "*" || char === "?") {
      if (text !== "") tokens.push({ kind: "text", text });
      text = "";
      if (char === "?") tokens.push(ONE);
      else if (tokens.at(-1)?.kind !== "any") tokens.push(ANY);
    } else {
      text += char;
    }
  }
  if (text !== "") tokens.push({ kind: "text", text });
  return tokens;
}

/** Tokens of a text without wildcards. */
export function textTokens(text: string): readonly StringToken[] {
  return text === "" ? [] : [{ kind: "text", text }];
}

/** Puts token lists behind each other, so that neighbouring texts become one token. */
export function joinTokens(parts: Iterable<readonly StringToken[]>): readonly StringToken[] {
  const joined: StringToken[] = [];
  for (const part of parts) {
    for (const token of part) {
      const last = joined.at(-1);
      if (token.kind === "text" && last?.kind === "text") {
        joined[joined.length - 1] = { kind: "text", text: last.text + token.text };
      } else if (token.kind !== "any" || last?.kind !== "any") {
        joined.push(token);
      }
    }
  }
  return joined;
}

/** The text of tokens without a wildcard; `undefined` if there is one. */
export function plainText(tokens: readonly StringToken[]): string | undefined {
  let text = "";
  for (const token of tokens) {
    if (token.kind !== "text") return undefined;
    text += token.text;
  }
  return text;
}

/** Writes tokens so that `parseSigmaString` reads them back. `dash` has no notation: `-`. */
export function formatSigmaString(tokens: readonly StringToken[]): string {
  return tokens.map((token) => {
    switch (token.kind) {
      case "text":
        return token.text.replace(/[*?\\]/g, "\\$&");
      case "any":
        return "*";
      case "one":
        return "?";
      case "dash":
        return "-";
    }
  }).join("");
}
