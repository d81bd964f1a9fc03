/**
 * Conditions: `selection and not 1 of filter_*`, text to a tree.
 *
 * @see sigma-rules.md, sections 14.1 to 14.4
 */
import { DEFAULT_LIMITS } from "./limits.ts";
import { PicketError } from "../event/errors.ts";
import type { ProblemCode } from "./problems.ts";
import type { Condition } from "./rule.ts";
import { didYouMean } from "./suggest.ts";

export type ConditionErrorCode = Extract<
  ProblemCode,
  | "condition_syntax"
  | "condition_too_deep"
  | "condition_too_long"
  | "selector_selects_nothing"
  | "unknown_detection_identifier"
>;

/** A condition that cannot be used; `offset` is where in its text, in UTF-16 units. */
export class ConditionError extends PicketError {
  override readonly name = "ConditionError";
  readonly code: ConditionErrorCode;
  readonly offset: number;

  constructor(code: ConditionErrorCode, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}

export interface ConditionOptions {
  /** Bytes of the text as UTF-8. */
  readonly maxBytes?: number;
  /** Parentheses inside parentheses. */
  readonly maxDepth?: number;
  /** Whether identifiers may name what is not in `names`; the caller checks them. */
  readonly openNames?: boolean;
}

/** A condition and what is odd, though not wrong, about how it is written. */
export interface ParsedCondition {
  readonly condition: Condition;
  /** Keywords not in lower case, which other tools refuse. */
  readonly oddKeywords: readonly { readonly text: string; readonly offset: number }[];
  /** Selectors that ask for more selections than there are, so they never hold. */
  readonly unreachable: readonly { readonly text: string; readonly offset: number }[];
}

/**
 * Parses a condition over the selections called `names`.
 *
 * `not` binds tighter than `and`, `and` tighter than `or`; nested groups of one kind are joined,
 * and a double `not` is dropped. A selector's names keep the order of `names`.
 *
 * @throws {ConditionError} Also for a name that is not in `names` and for a selector that selects
 * none of them, unless `openNames` allows the former.
 */
export function parseCondition(
  text: string,
  names: readonly string[],
  options: ConditionOptions = {},
): ParsedCondition {
  const maxBytes = options.maxBytes ?? DEFAULT_LIMITS.conditionBytes;
  // Three bytes a unit at most: only a text that might be too long is measured.
  const bytes = text.length * 3 > maxBytes ? new TextEncoder().encode(text).length : text.length;
  if (bytes > maxBytes) {
    const message = `Condition string too long (${bytes} bytes, max ${maxBytes})`;
    throw new ConditionError("condition_too_long", message, 0);
  }
  return new ConditionParser(text, names, options).parse();
}

/** Line and column of `offset` in `text`, both from 1. */
export function placeInText(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}

interface Token {
  readonly kind: "word" | "(" | ")" | "end" | "other";
  readonly text: string;
  /** In lower case, to recognize keywords. */
  readonly keyword: string;
  readonly at: number;
}

const WORD = /[A-Za-z0-9_*-]+/y;
/** A condition of allowed length over a file of selections could otherwise ask for a billion. */
const MAX_COMPARISONS = 2_000_000;
const KEYWORDS: ReadonlySet<string> = new Set(["and", "or", "not", "all", "any", "of", "them"]);
const IDENTIFIER = /^[A-Za-z0-9_-]+$/;

class ConditionParser {
  readonly #text: string;
  readonly #names: readonly string[];
  readonly #known: ReadonlySet<string>;
  readonly #maxDepth: number;
  readonly #openNames: boolean;
  readonly #oddKeywords: { text: string; offset: number }[] = [];
  readonly #unreachable: { text: string; offset: number }[] = [];
  readonly #selected = new Map<string, readonly string[]>();
  #compared = 0;
  #at = 0;
  #token: Token;

  constructor(text: string, names: readonly string[], options: ConditionOptions) {
    this.#text = text;
    this.#names = names;
    this.#known = new Set(names);
    this.#maxDepth = options.maxDepth ?? DEFAULT_LIMITS.conditionDepth;
    this.#openNames = options.openNames ?? false;
    this.#token = this.#scan();
  }

  parse(): ParsedCondition {
    const condition = this.#parseOr(0);
    if (this.#token.kind !== "end") this.#unexpected("'and', 'or' or the end");
    return { condition, oddKeywords: this.#oddKeywords, unreachable: this.#unreachable };
  }

  #parseOr(depth: number): Condition {
    const children = [this.#parseAnd(depth)];
    while (this.#takeKeyword("or")) children.push(this.#parseAnd(depth));
    return group("or", children);
  }

  #parseAnd(depth: number): Condition {
    const children = [this.#parseNot(depth)];
    while (this.#takeKeyword("and")) children.push(this.#parseNot(depth));
    return group("and", children);
  }

  #parseNot(depth: number): Condition {
    let negated = false;
    while (this.#takeKeyword("not")) negated = !negated;
    const child = this.#parsePrimary(depth);
    if (!negated) return child;
    return child.kind === "not" ? child.child : { kind: "not", child };
  }

  #parsePrimary(depth: number): Condition {
    const token = this.#token;
    if (token.kind === "(") {
      if (depth === this.#maxDepth) {
        const message = `Condition parse error at ${this.#place(token.at)}: more than ` +
          `${this.#maxDepth} nested parentheses`;
        throw new ConditionError("condition_too_deep", message, token.at);
      }
      this.#next();
      const inner = this.#parseOr(depth + 1);
      if (this.#token.kind !== ")") this.#unexpected("')'");
      this.#next();
      return inner;
    }
    if (token.kind !== "word") this.#unexpected("a selection, a selector or '('");
    return this.#parseSelector() ?? this.#parseIdentifier();
  }

  #parseSelector(): Condition | undefined {
    const { text, keyword, at } = this.#token;
    // White space between a number and `of` may be missing.
    const joined = /^(\d+)of$/i.exec(text);
    const count = joined?.[1] ?? (/^(?:\d+|all|any)$/.test(keyword) ? keyword : undefined);
    if (count === undefined) return undefined;
    if (joined !== null) {
      const next = this.#peek();
      if (next.kind !== "word" || (KEYWORDS.has(next.keyword) && next.keyword !== "them")) {
        return undefined;
      }
      this.#next();
    } else {
      if (this.#peek().keyword !== "of") return undefined;
      if (/\D/.test(count)) this.#noteKeyword(this.#token);
      this.#next();
      this.#noteKeyword(this.#token);
      this.#next();
    }
    const pattern = this.#token;
    const isThem = pattern.keyword === "them";
    if (pattern.kind !== "word" || (KEYWORDS.has(pattern.keyword) && !isThem)) {
      this.#unexpected("'them' or a pattern like 'selection_*' after 'of'");
    }
    if (isThem) this.#noteKeyword(pattern);
    this.#next();
    return this.#selector(count, isThem ? "them" : pattern.text, at);
  }

  #selector(count: string, pattern: string, at: number): Condition {
    const names = this.#select(pattern, at);
    const written = `${count} of ${pattern}`;
    if (names.length === 0) {
      const message = `selector matches no selection: '${written}' at ${this.#place(at)}; ` +
        `selections are ${listNames(this.#names)}`;
      throw new ConditionError("selector_selects_nothing", message, at);
    }
    const need = count === "all" ? "all" : count === "any" ? 1 : Number(count);
    if (need !== "all" && need > names.length) {
      this.#unreachable.push({ text: written, offset: at });
    }
    // Any number beyond the selections means the same, and `1e400` would not survive JSON.
    const bounded = need === "all" ? need : Math.min(need, names.length + 1);
    return { kind: "quantified", need: bounded, pattern, names };
  }

  #select(pattern: string, at: number): readonly string[] {
    const known = this.#selected.get(pattern);
    if (known !== undefined) return known;
    this.#compared += this.#names.length;
    if (this.#compared > MAX_COMPARISONS) {
      const message = `Condition compares more than ${MAX_COMPARISONS} names with patterns; use ` +
        "fewer selectors or selections";
      throw new ConditionError("condition_too_long", message, at);
    }
    const selects = pattern === "them"
      ? (name: string) => !name.startsWith("_")
      : globMatcher(pattern);
    const names = this.#names.filter(selects);
    this.#selected.set(pattern, names);
    return names;
  }

  #parseIdentifier(): Condition {
    const { text, keyword, at } = this.#token;
    if (KEYWORDS.has(keyword)) this.#unexpected("a selection, a selector or '('");
    if (!IDENTIFIER.test(text)) {
      this.#fail(`a pattern needs '1 of' or 'all of' before it: '${text}'`, at);
    }
    if (!this.#openNames && !this.#known.has(text)) {
      const message = `unknown detection identifier: ${text}${didYouMean(text, this.#names)}; ` +
        `selections are ${listNames(this.#names)}`;
      throw new ConditionError("unknown_detection_identifier", message, at);
    }
    this.#next();
    return { kind: "selection", name: text };
  }

  #takeKeyword(keyword: "and" | "or" | "not"): boolean {
    if (this.#token.kind !== "word" || this.#token.keyword !== keyword) return false;
    this.#noteKeyword(this.#token);
    this.#next();
    return true;
  }

  #noteKeyword(token: Token): void {
    if (token.text === token.keyword) return;
    this.#oddKeywords.push({ text: token.text, offset: token.at });
  }

  #next(): void {
    this.#token = this.#scan();
  }

  #peek(): Token {
    const at = this.#at;
    const token = this.#scan();
    this.#at = at;
    return token;
  }

  #scan(): Token {
    const text = this.#text;
    while (this.#at < text.length && " \t\n".includes(text[this.#at]!)) this.#at++;
    const at = this.#at;
    if (at === text.length) return { kind: "end", text: "", keyword: "", at };
    const char = text[at]!;
    if (char === "(" || char === ")") {
      this.#at++;
      return { kind: char, text: char, keyword: char, at };
    }
    WORD.lastIndex = at;
    const word = WORD.exec(text)?.[0];
    if (word === undefined) {
      const shown = String.fromCodePoint(text.codePointAt(at)!);
      this.#at += shown.length;
      return { kind: "other", text: shown, keyword: shown, at };
    }
    this.#at += word.length;
    return { kind: "word", text: word, keyword: word.toLowerCase(), at };
  }

  #unexpected(expected: string): never {
    const { kind, text, at } = this.#token;
    if (text === "|") {
      const message = "a pipe begins an aggregation, which Sigma 2 has replaced: write a " +
        "correlation rule";
      this.#fail(message, at);
    }
    const found = kind === "end" ? "the end" : `'${text.slice(0, 40)}'`;
    this.#fail(`expected ${expected}, found ${found}`, at);
  }

  #fail(detail: string, at: number): never {
    const message = `Condition parse error at ${this.#place(at)}: ${detail}`;
    throw new ConditionError("condition_syntax", message, at);
  }

  #place(offset: number): string {
    const { line, column } = placeInText(this.#text, offset);
    return `${line}:${column}`;
  }
}

function group(kind: "and" | "or", children: readonly Condition[]): Condition {
  if (children.length === 1) return children[0]!;
  return {
    kind,
    children: children.flatMap((child) => child.kind === kind ? child.children : [child]),
  };
}

/** Whether a name fits `pattern`, in which `*` is any run of characters. */
function globMatcher(pattern: string): (name: string) => boolean {
  const parts = pattern.split("*");
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return (name) => name === pattern;
  return (name) => {
    // Prefix and suffix may not overlap; what is between is found from left to right.
    if (name.length < first.length + last.length) return false;
    if (!name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (const part of rest) {
      const found = name.indexOf(part, at);
      if (found < 0 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}

/** Names for a message, cut short where there are many. */
function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `'${name.slice(0, 60)}'`).join(", ");
  if (names.length === 0) return "none";
  return names.length > 8 ? `${shown}, …` : shown;
}
