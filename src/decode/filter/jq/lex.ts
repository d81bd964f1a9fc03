/**
 * The tokens of a jq program, one at a time, since what is inside a string is a program again.
 */
import { FilterError } from "../errors.ts";

export type TokenKind =
  | "number"
  /** Only the quote that opens it: the parser reads on with `stringPart`. */
  | "string"
  /** `.name`, without the dot. */
  | "field"
  /** `$name`, without the dollar. */
  | "variable"
  /** `@name`, with the at sign. */
  | "format"
  | "word"
  | "symbol"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Offset in the program. */
  readonly at: number;
}

/** Why a program cannot be read; `parseJq` and its callers add what it was. */
export function syntaxError(message: string, at: number): FilterError {
  return new FilterError("FILTER_SYNTAX", message, at);
}

const BLANK = /(?:\s|#[^\n]*)*/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const FIELD = /\.([A-Za-z_]\w*)/y;
const WORD = /[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*/y;
const VARIABLE = /\$([A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)/y;
const FORMAT = /@[A-Za-z_]\w*/y;
const SYMBOL = /\?\/\/|\/\/=|\|=|\+=|-=|\*=|\/=|%=|==|!=|<=|>=|\/\/|\.\.|[-.[\]{}()|,:;=<>+*/%?$]/y;
const PLAIN_TEXT = /[^"\\]+/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  "b": "\b",
  "f": "\f",
  "n": "\n",
  "r": "\r",
  "t": "\t",
};

/** Reads tokens with one token of lookahead. */
export class Lexer {
  readonly source: string;
  #at = 0;
  #peeked: Token | undefined;

  constructor(source: string) {
    this.source = source;
  }

  /** The next token, which stays. */
  peek(): Token {
    return this.#peeked ??= this.#read();
  }

  next(): Token {
    const token = this.peek();
    this.#peeked = undefined;
    return token;
  }

  /** Whether the next token is this symbol or word, which stays. */
  sees(text: string): boolean {
    const token = this.peek();
    return token.text === text && (token.kind === "symbol" || token.kind === "word");
  }

  /** Takes the next token if it is this symbol or word. */
  takes(text: string): boolean {
    if (!this.sees(text)) return false;
    this.#peeked = undefined;
    return true;
  }

  /** @throws {FilterError} if the next token is another. */
  expect(text: string): void {
    if (!this.takes(text)) throw this.unexpected(`'${text}'`);
  }

  unexpected(wanted?: string): FilterError {
    const { kind, text, at } = this.peek();
    const found = kind === "end" ? "the end" : `'${kind === "field" ? "." : ""}${text}'`;
    const instead = wanted === undefined ? "" : `, expected ${wanted}`;
    return syntaxError(`unexpected ${found}${instead}`, at);
  }

  /**
   * The text up to the next `\(` or closing quote of the string that the last token opened. Behind
   * `\(`, the parser reads a filter and `)`, and calls again.
   */
  stringPart(): { readonly text: string; readonly isLast: boolean } {
    let text = "";
    for (;;) {
      text += this.#match(PLAIN_TEXT)?.[0] ?? "";
      const at = this.#at;
      const character = this.source[at];
      if (character === undefined) throw syntaxError("a string is not closed", at);
      this.#at++;
      if (character === '"') return { text, isLast: true };
      const escape = this.source[this.#at++] ?? "";
      if (escape === "(") return { text, isLast: false };
      if (escape === "u") {
        const digits = this.source.slice(this.#at, this.#at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw syntaxError("an escape is cut", at);
        text += String.fromCharCode(parseInt(digits, 16));
        this.#at += 4;
        continue;
      }
      const meant = ESCAPES[escape];
      if (meant === undefined) throw syntaxError(`unknown escape '\\${escape}'`, at);
      text += meant;
    }
  }

  #read(): Token {
    this.#match(BLANK);
    const at = this.#at;
    if (at >= this.source.length) return { kind: "end", text: "", at };
    if (this.source[at] === '"') {
      this.#at++;
      return { kind: "string", text: '"', at };
    }
    // `..a` is no field, `.5` is a number.
    const found = this.#token(NUMBER, "number", at) ?? this.#token(FIELD, "field", at) ??
      this.#token(VARIABLE, "variable", at) ?? this.#token(FORMAT, "format", at) ??
      this.#token(WORD, "word", at) ?? this.#token(SYMBOL, "symbol", at);
    if (found === undefined) throw syntaxError(`unexpected '${this.source[at]}'`, at);
    return found;
  }

  #token(pattern: RegExp, kind: TokenKind, at: number): Token | undefined {
    const match = this.#match(pattern);
    return match === null ? undefined : { kind, text: match[1] ?? match[0], at };
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.source);
    if (match !== null) this.#at += match[0].length;
    return match;
  }
}
