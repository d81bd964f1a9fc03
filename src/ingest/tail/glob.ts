/**
 * Paths with wildcards, as the settings of a file source name them.
 *
 * `*` and `?` stay inside a directory and skip names that begin with a dot, `**` stands for any
 * number of directories, `{a,b}` for either, `[a-z]` and `[!a-z]` for a character. Matching takes
 * time proportional to the product of both lengths at worst, whatever the pattern. On Windows `\` is
 * a separator and case does not count; elsewhere `\` makes the next character an ordinary one.
 */
import { resolve } from "node:path";
import process from "node:process";

const IS_WINDOWS = process.platform === "win32";
/** Patterns that the braces of one may stand for. */
const MAX_ALTERNATIVES = 1000;

type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "any" }
  | {
    readonly kind: "set";
    readonly negated: boolean;
    readonly ranges: readonly (readonly [string, string])[];
  };

/** One step of a path. */
export type Segment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "pattern"; readonly tokens: readonly Token[]; readonly dots: boolean }
  | { readonly kind: "directories" };

/** A pattern, cut into the directory from which to look and the steps below it. */
export interface PathPattern {
  /** Absolute. */
  readonly root: string;
  readonly segments: readonly Segment[];
}

/**
 * Compiles a path or pattern; several if it has braces.
 *
 * @throws {RangeError} if its braces stand for more than 1,000 patterns.
 */
export function compileGlob(pattern: string): readonly PathPattern[] {
  return expandBraces(IS_WINDOWS ? pattern.replaceAll("\\", "/") : pattern).map(compileOne);
}

/** Whether the whole of an absolute path fits. */
export function matchesPath({ root, segments }: PathPattern, path: string): boolean {
  const names = splitPath(path);
  const above = splitPath(root);
  if (names.length < above.length) return false;
  if (!above.every((name, index) => sameName(name, names[index]!))) return false;
  return matchSegments(segments, names.slice(above.length));
}

/** Whether one name fits one step; `**` fits none, the walk over directories handles it. */
export function matchesName(segment: Segment, name: string): boolean {
  switch (segment.kind) {
    case "name":
      return sameName(segment.name, name);
    case "pattern":
      return (segment.dots || !name.startsWith(".")) && matchTokens(segment.tokens, fold(name));
    case "directories":
      return false;
  }
}

export function splitPath(path: string): string[] {
  return (IS_WINDOWS ? path.replaceAll("\\", "/") : path).split("/").filter((name) => name !== "");
}

function fold(text: string): string {
  return IS_WINDOWS ? text.toLowerCase() : text;
}

function sameName(a: string, b: string): boolean {
  return fold(a) === fold(b);
}

function expandBraces(pattern: string): string[] {
  const done: string[] = [];
  const open = [pattern];
  for (let text = open.pop(); text !== undefined; text = open.pop()) {
    const group = findGroup(text);
    if (group === undefined) {
      done.push(text);
    } else {
      const { from, to, parts } = group;
      for (const part of parts.toReversed()) open.push(text.slice(0, from) + part + text.slice(to));
    }
    if (done.length + open.length > MAX_ALTERNATIVES) {
      throw new RangeError(`Cannot use path ${pattern}: its braces stand for too many paths`);
    }
  }
  return done;
}

/** The first `{a,b}` of a pattern; one without a comma or an end is text. */
function findGroup(text: string): { from: number; to: number; parts: string[] } | undefined {
  for (let from = text.indexOf("{"); from >= 0; from = text.indexOf("{", from + 1)) {
    if (!IS_WINDOWS && text[from - 1] === "\\") continue;
    const commas: number[] = [];
    let depth = 0;
    for (let at = from; at < text.length; at++) {
      if (text[at] === "{") depth++;
      else if (text[at] === "," && depth === 1) commas.push(at);
      else if (text[at] === "}" && --depth === 0) {
        if (commas.length === 0) break;
        const ends = [from, ...commas, at];
        const parts = ends.slice(1).map((end, index) => text.slice(ends[index]! + 1, end));
        return { from, to: at + 1, parts };
      }
    }
  }
  return undefined;
}

function compileOne(pattern: string): PathPattern {
  const names = pattern.split("/");
  const magic = names.findIndex((name) => compileSegment(name).kind !== "name");
  // The last step is always looked for in its directory, so that a plain path is one too.
  const cut = magic < 0 ? names.length - 1 : magic;
  const above = names.slice(0, cut).map(unescape).join("/");
  const isTop = above === "" ? pattern.startsWith("/") : /^[A-Za-z]:$/.test(above) && IS_WINDOWS;
  const root = resolve(isTop ? `${above}/` : above);
  const segments = names.slice(cut).filter((name) => name !== "").map(compileSegment);
  return { root, segments };
}

function unescape(name: string): string {
  return IS_WINDOWS ? name : name.replace(/\\(.)/g, "$1");
}

function compileSegment(name: string): Segment {
  if (name === "**") return { kind: "directories" };
  const tokens: Token[] = [];
  let text = "";
  const flush = () => {
    if (text !== "") tokens.push({ kind: "text", text: fold(text) });
    text = "";
  };
  for (let at = 0; at < name.length; at++) {
    const char = name[at]!;
    const set = char === "[" ? /^\[(!|\^)?(\]?[^\]]*)\]/.exec(name.slice(at)) : null;
    if (char === "*" || char === "?") {
      flush();
      if (char === "?") tokens.push({ kind: "one" });
      else if (tokens.at(-1)?.kind !== "any") tokens.push({ kind: "any" });
    } else if (set !== null && set[2] !== "") {
      flush();
      tokens.push({ kind: "set", negated: set[1] !== undefined, ranges: rangesOf(set[2]!) });
      at += set[0].length - 1;
    } else if (char === "\\" && at + 1 < name.length) {
      text += name[++at]!;
    } else {
      text += char;
    }
  }
  flush();
  if (tokens.every((token) => token.kind === "text")) {
    return { kind: "name", name: unescape(name) };
  }
  return { kind: "pattern", tokens, dots: name.startsWith(".") };
}

function rangesOf(set: string): (readonly [string, string])[] {
  const chars = [...fold(set)];
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < chars.length; at++) {
    if (chars[at + 1] === "-" && at + 2 < chars.length) {
      ranges.push([chars[at]!, chars[at + 2]!]);
      at += 2;
    } else {
      ranges.push([chars[at]!, chars[at]!]);
    }
  }
  return ranges;
}

/** The last `*` alone is tried again further right, so nothing is tried more than once a place. */
function matchTokens(tokens: readonly Token[], name: string): boolean {
  let token = 0, at = 0, star = -1, starAt = 0;
  while (at < name.length || token < tokens.length) {
    const one = tokens[token];
    if (one?.kind === "any") {
      star = token++;
      starAt = at;
      continue;
    }
    const length = one === undefined ? -1 : lengthAt(one, name, at);
    if (length >= 0) {
      token++;
      at += length;
    } else if (star >= 0 && starAt < name.length) {
      token = star + 1;
      at = ++starAt;
    } else return false;
  }
  return true;
}

/** How many code units of `name` the token takes at `at`, or -1. */
function lengthAt(token: Token, name: string, at: number): number {
  if (token.kind === "text") return name.startsWith(token.text, at) ? token.text.length : -1;
  const code = name.codePointAt(at);
  if (code === undefined) return -1;
  const char = String.fromCodePoint(code);
  if (token.kind === "set") {
    const isIn = token.ranges.some(([from, to]) => from <= char && char <= to);
    if (isIn === token.negated) return -1;
  }
  return char.length;
}

function matchSegments(segments: readonly Segment[], names: readonly string[]): boolean {
  let segment = 0, at = 0, star = -1, starAt = 0;
  while (at < names.length || segment < segments.length) {
    const one = segments[segment];
    if (one?.kind === "directories") {
      star = segment++;
      starAt = at;
    } else if (one !== undefined && at < names.length && matchesName(one, names[at]!)) {
      segment++;
      at++;
    } else if (star >= 0 && starAt < names.length) {
      segment = star + 1;
      at = ++starAt;
    } else return false;
  }
  return true;
}
