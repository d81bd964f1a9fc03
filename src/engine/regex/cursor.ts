/** Where the parser stands in a pattern, and the flags that hold there. */
import { RegexError } from "./errors.ts";

/** Groups and classes inside one another; the reference's limit. */
export const MAX_NESTING = 250;

/** The flags of a pattern that can change within it. */
export interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
  readonly u: boolean;
  readonly R: boolean;
  /** Swaps greedy and lazy, which changes no answer here. */
  readonly U: boolean;
}

export const NO_FLAGS: Flags = {
  i: false,
  m: false,
  s: false,
  x: false,
  u: true,
  R: false,
  U: false,
};

export class Cursor {
  offset = 0;
  flags: Flags = NO_FLAGS;
  /** Set once `\b` or a kin is met, to whether it means ASCII words. */
  asciiWords: boolean | undefined;
  stackedRepetitions = 0;
  readonly groupNames: Set<string> = new Set();
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  get atEnd(): boolean {
    return this.offset >= this.#source.length;
  }

  get unicode(): boolean {
    return this.flags.u;
  }

  /** The next `length` UTF-16 units, fewer at the end. */
  ahead(length: number): string {
    return this.#source.slice(this.offset, this.offset + length);
  }

  /** As `ahead`, with blanks left out where flag `x` ignores them. */
  aheadUnblanked(length: number): string {
    if (!this.flags.x) return this.ahead(length);
    const { offset } = this;
    let text = "";
    for (; text.length < length && !this.atEnd; this.skipBlank()) {
      text += String.fromCodePoint(this.next());
    }
    this.offset = offset;
    return text;
  }

  /** Steps over `text` if it is next. */
  take(text: string): boolean {
    if (!this.#source.startsWith(text, this.offset)) return false;
    this.offset += text.length;
    return true;
  }

  skip(length: number): void {
    this.offset += length;
  }

  /** Steps over one character and gives its code point. */
  next(): number {
    const code = this.#source.codePointAt(this.offset);
    if (code === undefined) throw this.error("REGEX_SYNTAX", "the pattern ends too early");
    this.offset += code > 0xffff ? 2 : 1;
    return code;
  }

  /** The text up to `end`, stepping over both; `undefined` if there is none. */
  until(end: string): string | undefined {
    const at = this.#source.indexOf(end, this.offset);
    if (at < 0) return undefined;
    const text = this.#source.slice(this.offset, at);
    this.offset = at + end.length;
    return text;
  }

  /** Under flag `x`, steps over white space and `#` comments. */
  skipBlank(): void {
    if (!this.flags.x) return;
    for (;;) {
      if (this.take("#")) {
        if (this.until("\n") === undefined) this.offset = this.#source.length;
      } else if (/^\p{White_Space}/u.test(this.ahead(1))) {
        this.offset++;
      } else {
        return;
      }
    }
  }

  error(code: RegexError["code"], message: string, offset: number = this.offset): RegexError {
    return new RegexError(code, message, offset);
  }
}
