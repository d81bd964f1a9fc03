/**
 * Sets of characters, as the brackets of a pattern write them.
 *
 * No Unicode tables stand here. ASCII membership is computed exactly; beyond ASCII a set is asked
 * through a native one-character class, whose tables every runtime carries. What the safety
 * analysis needs to know of the rest of Unicode is only which of four kinds a set may touch.
 */

export type CharSet =
  | { readonly kind: "range"; readonly from: number; readonly to: number }
  /** Unicode `\d`, `\s`, `\w`. */
  | { readonly kind: "perl"; readonly name: "d" | "s" | "w" }
  /** What stands between the braces of a native `\p{}`. */
  | { readonly kind: "property"; readonly expression: string }
  | { readonly kind: "union"; readonly items: readonly CharSet[] }
  | { readonly kind: "negated"; readonly item: CharSet }
  | {
    readonly kind: "intersection" | "difference" | "symmetric";
    readonly left: CharSet;
    readonly right: CharSet;
  };

export const MAX_CODE_POINT = 0x10ffff;
const KELVIN = 0x212a; // folds to k
const LONG_S = 0x017f; // folds to s

// UTS #18 Annex C, which the Rust crate follows.
const PERL_SOURCE = {
  d: String.raw`\p{Nd}`,
  s: String.raw`\p{White_Space}`,
  w: String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`,
} as const;

/** Kinds of characters beyond ASCII: decimal digits, other word characters, spaces, the rest. */
const DIGIT = 1, WORD = 2, SPACE = 4, REST = 8, EVERY = 15;
const PERL_KINDS = { d: DIGIT, s: SPACE, w: DIGIT | WORD } as const;

export function range(from: number, to: number): CharSet {
  return { kind: "range", from, to };
}

export function negate(item: CharSet): CharSet {
  return item.kind === "negated" ? item.item : { kind: "negated", item };
}

export function isAsciiLetter(code: number): boolean {
  const lower = code | 0x20;
  return code < 128 && lower >= 0x61 && lower <= 0x7a;
}

/** Every character that an ASCII `code` equals under Unicode simple case folding, itself first. */
function asciiFoldings(code: number): readonly number[] {
  if (!isAsciiLetter(code)) return [code];
  const lower = code | 0x20;
  if (lower === 0x6b) return [code, code ^ 0x20, KELVIN];
  if (lower === 0x73) return [code, code ^ 0x20, LONG_S];
  return [code, code ^ 0x20];
}

/** 128 bits, one for each ASCII character. */
type AsciiBits = readonly [number, number, number, number];

/** Bits 1 to 26 of the words that hold A to Z and a to z. */
const LETTER_BITS = 0x07fffffe;
const LOWER_K = 1 << (0x6b & 31), LOWER_S = 1 << (0x73 & 31);
const PERL_BITS: Readonly<Record<"d" | "s" | "w", AsciiBits>> = {
  d: [0, 0x03ff0000, 0, 0],
  s: [0x3e00, 1, 0, 0],
  w: [0, 0x03ff0000, LETTER_BITS | (1 << 31), LETTER_BITS],
};

function asciiBits(set: CharSet, fold: boolean): AsciiBits {
  switch (set.kind) {
    case "range":
      return rangeBits(set.from, set.to, fold);
    case "perl":
      return PERL_BITS[set.name];
    case "property": {
      const holds = predicate(set, fold);
      const bits: [number, number, number, number] = [0, 0, 0, 0];
      for (let code = 0; code < 128; code++) {
        if (holds.test(String.fromCharCode(code))) bits[code >> 5]! |= 1 << (code & 31);
      }
      return bits;
    }
    case "union":
      return set.items.map((item) => asciiBits(item, fold))
        .reduce((a, b) => combine(a, b, (x, y) => x | y), [0, 0, 0, 0]);
    case "negated": {
      const [a, b, c, d] = asciiBits(set.item, fold);
      return [~a, ~b, ~c, ~d];
    }
    case "intersection":
    case "difference":
    case "symmetric": {
      const left = asciiBits(set.left, fold), right = asciiBits(set.right, fold);
      if (set.kind === "intersection") return combine(left, right, (x, y) => x & y);
      return set.kind === "difference"
        ? combine(left, right, (x, y) => x & ~y)
        : combine(left, right, (x, y) => x ^ y);
    }
  }
}

function combine(a: AsciiBits, b: AsciiBits, by: (x: number, y: number) => number): AsciiBits {
  return [by(a[0], b[0]), by(a[1], b[1]), by(a[2], b[2]), by(a[3], b[3])];
}

function rangeBits(from: number, to: number, fold: boolean): AsciiBits {
  const word = (start: number): number => {
    const low = Math.max(from - start, 0), high = Math.min(to - start, 31);
    // Shift counts are taken modulo 32, so that a full word needs no case of its own.
    return low > high ? 0 : (-1 << low) & (-1 >>> (31 - high));
  };
  const a = word(0), b = word(32);
  let c = word(64), d = word(96);
  if (fold) {
    let letters = (c | d) & LETTER_BITS;
    if (from <= KELVIN && to >= KELVIN) letters |= LOWER_K;
    if (from <= LONG_S && to >= LONG_S) letters |= LOWER_S;
    c |= letters;
    d |= letters;
  }
  return [a, b, c, d];
}

/** Which of the four kinds a set may touch, and which it holds completely. */
interface Kinds {
  readonly may: number;
  readonly must: number;
}

function kindsOf(set: CharSet, fold: boolean): Kinds {
  switch (set.kind) {
    case "range":
      if (set.from === 0 && set.to === MAX_CODE_POINT) return { may: EVERY, must: EVERY };
      if (set.to >= 128) {
        if (set.from < set.to || fold) return { may: EVERY, must: 0 };
        return { may: kindOf(set.from), must: 0 };
      }
      // The Kelvin sign and the long s are letters.
      return { may: fold && foldsBeyondAscii(set) ? WORD : 0, must: 0 };
    case "perl":
      return { may: PERL_KINDS[set.name], must: PERL_KINDS[set.name] };
    case "property":
      return { may: EVERY, must: 0 };
    case "union": {
      const all = set.items.map((item) => kindsOf(item, fold));
      return {
        may: all.reduce((bits, kinds) => bits | kinds.may, 0),
        must: all.reduce((bits, kinds) => bits | kinds.must, 0),
      };
    }
    case "negated": {
      const { may, must } = kindsOf(set.item, fold);
      return { may: EVERY & ~must, must: EVERY & ~may };
    }
    case "intersection":
    case "difference":
    case "symmetric": {
      const left = kindsOf(set.left, fold), right = kindsOf(set.right, fold);
      if (set.kind === "intersection") {
        return { may: left.may & right.may, must: left.must & right.must };
      }
      if (set.kind === "difference") {
        return { may: left.may & ~right.must, must: left.must & ~right.may };
      }
      return {
        may: (left.may & ~right.must) | (right.may & ~left.must),
        must: (left.must & ~right.may) | (right.must & ~left.may),
      };
    }
  }
}

function foldsBeyondAscii(set: { readonly from: number; readonly to: number }): boolean {
  return [0x4b, 0x53, 0x6b, 0x73].some((code) => code >= set.from && code <= set.to);
}

function kindOf(code: number): number {
  const text = String.fromCodePoint(code);
  if (/^\p{Nd}$/u.test(text)) return DIGIT;
  if (/^\p{White_Space}$/u.test(text)) return SPACE;
  return isWordCharacter(code) ? WORD : REST;
}

const WORD_CHARACTER = new RegExp(`^[${PERL_SOURCE.w}]$`, "u");

/** Whether `code` is a word character to `\b` and `\w`. */
export function isWordCharacter(code: number): boolean {
  if (code < 128) return (PERL_BITS.w[code >> 5]! & (1 << (code & 31))) !== 0;
  return WORD_CHARACTER.test(String.fromCodePoint(code));
}

/**
 * A set for set algebra on the safe side: 128 bits for ASCII, exact, then four bits for the kinds of
 * other characters it may hold.
 */
export type Outline = readonly [number, number, number, number, number];

/** The outline of a set; two sets whose outlines share no bit have no character in common. */
export function outline(set: CharSet, fold: boolean): Outline {
  return [...asciiBits(set, fold), kindsOf(set, fold).may];
}

export function overlaps(a: Outline, b: Outline): boolean {
  return ((a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]) | (a[4] & b[4])) !== 0;
}

/** The characters of a small set, or `undefined` if there are more than `limit` or nobody knows. */
export function members(set: CharSet, fold: boolean, limit: number): Set<number> | undefined {
  if (set.kind === "range" && set.from === set.to && !fold) return new Set([set.from]);
  const found = new Set<number>();
  const ranges = set.kind === "union" ? set.items : [set];
  for (const item of ranges) {
    if (item.kind !== "range") return undefined;
    if (item.to - item.from >= limit) return undefined;
    // Beyond ASCII, who folds to whom needs tables that are not here.
    if (fold && item.to >= 128) return undefined;
    for (let code = item.from; code <= item.to; code++) {
      for (const other of fold ? asciiFoldings(code) : [code]) found.add(other);
    }
    if (found.size > limit) return undefined;
  }
  return found;
}

/** `code` in a native pattern; below U+10000 the text means the same under any flags. */
export function escapeCode(code: number): string {
  if (code > 0xffff) return `\\u{${code.toString(16)}}`;
  if (code < 128 && (isAsciiLetter(code) || (code >= 0x30 && code <= 0x39))) {
    return String.fromCharCode(code);
  }
  return `\\u${code.toString(16).padStart(4, "0")}`;
}

/** What stands for `set` between the brackets of a native class with flag `v`. */
function innerSource(set: CharSet): string {
  switch (set.kind) {
    case "range":
      return set.from === set.to
        ? escapeCode(set.from)
        : `${escapeCode(set.from)}-${escapeCode(set.to)}`;
    case "perl":
      return PERL_SOURCE[set.name];
    case "property":
      return `\\p{${set.expression}}`;
    case "union":
      return set.items.map(innerSource).join("");
    case "negated":
    case "intersection":
    case "difference":
    case "symmetric":
      return classSource(set);
  }
}

/** `set` as a native class for flag `v`. Case folding is left to flag `i`. */
export function classSource(set: CharSet): string {
  switch (set.kind) {
    case "range":
    case "perl":
    case "property":
    case "union":
      return `[${innerSource(set)}]`;
    case "negated":
      return `[^${innerSource(set.item)}]`;
    case "intersection":
      return `[${classSource(set.left)}&&${classSource(set.right)}]`;
    case "difference":
      return `[${classSource(set.left)}--${classSource(set.right)}]`;
    case "symmetric": {
      const left = classSource(set.left), right = classSource(set.right);
      return `[[${left}--${right}][${right}--${left}]]`;
    }
  }
}

/** Tells for a text of one code point whether the set holds it. */
export function predicate(set: CharSet, fold: boolean): RegExp {
  return new RegExp(`^${classSource(set)}$`, fold ? "iv" : "v");
}

/**
 * The set with case folding written out, so that no flag `i` is needed.
 *
 * @returns `undefined` where that needs folding tables: a letter beyond ASCII, or a property.
 */
export function unfolded(set: CharSet): CharSet | undefined {
  switch (set.kind) {
    case "range": {
      if (set.to === MAX_CODE_POINT && set.from === 0) return set;
      if (set.to >= 128) return undefined;
      const items: CharSet[] = [set];
      for (let code = set.from; code <= set.to; code++) {
        for (const other of asciiFoldings(code)) {
          if (other < set.from || other > set.to) items.push(range(other, other));
        }
      }
      return items.length === 1 ? set : { kind: "union", items };
    }
    case "perl":
      return set; // Closed under folding already.
    case "property":
      return undefined;
    case "union": {
      const items = set.items.map(unfolded);
      return items.every((item) => item !== undefined) ? { kind: "union", items } : undefined;
    }
    case "negated": {
      const item = unfolded(set.item);
      return item && { kind: "negated", item };
    }
    case "intersection":
    case "difference":
    case "symmetric": {
      const left = unfolded(set.left), right = unfolded(set.right);
      return left && right && { kind: set.kind, left, right };
    }
  }
}
