/**
 * `expand`: `%name%` in a value, filled from configured lists or from the event.
 *
 * @see sigma-rules.md, section 12.10
 */
import { RuleError } from "./problems.ts";
import type { StringToken, TemplatePart } from "./rule.ts";
import { joinTokens, parseSigmaString, textTokens } from "./strings.ts";

/** One value of a placeholder: a Sigma string with wildcards, or literal text from a feed. */
export type PlaceholderValue = string | { readonly literal: string };

/** The values of each placeholder, by its name without the percent signs. */
export type Placeholders = ReadonlyMap<string, readonly PlaceholderValue[]>;

export type ExpandPart =
  | { readonly kind: "source"; readonly source: string }
  | { readonly kind: "placeholder"; readonly name: string };

const PLACEHOLDER = /(\\?)%([^%\\*?\s]+)%/y;

/**
 * Splits a value at its placeholders. The parts between are Sigma strings in source form.
 *
 * `\%` is a literal percent, as the specification has it, unless it begins a placeholder that is
 * closed without a backslash: in `C:\Users\%user%\x` the backslash is a path separator, and taking
 * it for an escape would make a rule that silently never matches.
 */
export function splitPlaceholders(source: string): readonly ExpandPart[] {
  const parts: ExpandPart[] = [];
  let text = "";
  for (let at = 0; at < source.length;) {
    const pair = source.slice(at, at + 2);
    if (pair === "\\\\" || pair === "\\*" || pair === "\\?") {
      text += pair;
      at += 2;
      continue;
    }
    PLACEHOLDER.lastIndex = at;
    const placeholder = pair.includes("%") ? PLACEHOLDER.exec(source) : null;
    if (placeholder !== null) {
      text += placeholder[1]!;
      if (text !== "") parts.push({ kind: "source", source: text });
      text = "";
      parts.push({ kind: "placeholder", name: placeholder[2]! });
      at += placeholder[0].length;
    } else if (pair === "\\%") {
      text += "%";
      at += 2;
    } else {
      text += source[at];
      at++;
    }
  }
  if (text !== "") parts.push({ kind: "source", source: text });
  return parts;
}

/**
 * The strings that `parts` stand for: each combination of the placeholders' values.
 *
 * @throws {RuleError} `unresolved_placeholder`, or `too_many_values` beyond `limit` combinations.
 */
export function fillPlaceholders(
  parts: readonly ExpandPart[],
  placeholders: Placeholders | undefined,
  limit: number,
  at: number,
): readonly (readonly StringToken[])[] {
  let filled: (readonly StringToken[])[] = [[]];
  for (const part of parts) {
    const choices = part.kind === "source"
      ? [parseSigmaString(part.source)]
      : valuesOf(part.name, placeholders, at);
    if (filled.length * choices.length > limit) {
      const message = `placeholders stand for more than ${limit} values; use one a value`;
      throw new RuleError("too_many_values", message, at);
    }
    filled = filled.flatMap((head) => choices.map((tail) => joinTokens([head, tail])));
  }
  return filled;
}

function valuesOf(
  name: string,
  placeholders: Placeholders | undefined,
  at: number,
): readonly (readonly StringToken[])[] {
  const values = placeholders?.get(name);
  if (values === undefined || values.length === 0) {
    const state = values === undefined ? "define" : "its list is empty: fill";
    const message = `unresolved placeholder '%${name}%': ${state} it in a pipeline's vars or in ` +
      "the placeholders file";
    throw new RuleError("unresolved_placeholder", message, at);
  }
  return values.map((value) =>
    typeof value === "string" ? parseSigmaString(value) : textTokens(value.literal)
  );
}

/** The template whose placeholders are fields of the event; wildcards stay literal characters. */
export function eventTemplate(parts: readonly ExpandPart[]): readonly TemplatePart[] {
  return parts.map((part): TemplatePart => {
    if (part.kind === "placeholder") return { kind: "field", field: part.name };
    const text = parseSigmaString(part.source).map((token) => {
      switch (token.kind) {
        case "text":
          return token.text;
        case "any":
          return "*";
        case "one":
          return "?";
        case "dash":
          return "-";
      }
    });
    return { kind: "text", text: text.join("") };
  });
}
