/**
 * Patterns as native `RegExp` of the same meaning.
 *
 * Nothing is left to the reader's defaults: characters and classes are written as code points, case
 * folding is written out, groups do not capture. Flag `v` is set only where a set may hold
 * characters beyond U+FFFF; without it both native engines are faster and mean the same.
 */
import type { Node } from "./ast.ts";
import { type CharSet, classSource, escapeCode, unfolded } from "./charset.ts";

/** Longest source a repeated group may be written out to, in UTF-16 units. */
const MAX_UNROLLED = 2048;

/**
 * Translates a pattern.
 *
 * @returns `undefined` for what native syntax has no fast equal of: line anchors, Unicode word
 * boundaries, case folding beyond ASCII, some loops in repeated groups.
 */
export function translate(root: Node): RegExp | undefined {
  const writer = new Writer();
  const source = writer.write(root);
  if (source === undefined) return undefined;
  return new RegExp(source, writer.wide ? "v" : "");
}

class Writer {
  /** Whether code points, not UTF-16 units, must be consumed. */
  wide = false;

  write(node: Node): string | undefined {
    switch (node.kind) {
      case "empty":
        return "(?:)";
      case "set": {
        const set = node.fold ? unfolded(node.set) : node.set;
        if (set === undefined) return undefined;
        if (!isNarrow(set)) this.wide = true;
        return set.kind === "range" && set.from === set.to
          ? escapeCode(set.from)
          : classSource(set);
      }
      case "assert":
        if (node.assertion === "text_start") return "(?:^)";
        return node.assertion === "text_end" ? "(?:$)" : undefined;
      case "concat":
        return this.#all(node.items)?.join("");
      case "alternate": {
        const branches = this.#all(node.branches);
        return branches && `(?:${branches.join("|")})`;
      }
      case "repeat":
        return this.#repeat(node.body, node.min, node.max);
    }
  }

  /**
   * JavaScriptCore saves its state for each turn of a repeated group; once loops inside have eaten
   * some ten thousand characters it falls back to its interpreter, measured at 900 ns a character
   * against 4. So such groups are written out, or left to the linear engine.
   */
  #repeat(body: Node, min: number, max: number): string | undefined {
    const source = this.write(body);
    if (source === undefined) return undefined;
    if (body.kind === "set") return source + quantifier(min, max);
    if (max > 1 && hasLoop(body)) {
      return min === max && min * source.length <= MAX_UNROLLED ? source.repeat(min) : undefined;
    }
    return `(?:${source})${quantifier(min, max)}`;
  }

  #all(nodes: readonly Node[]): readonly string[] | undefined {
    const sources: string[] = [];
    for (const node of nodes) {
      const source = this.write(node);
      if (source === undefined) return undefined;
      sources.push(source);
    }
    return sources;
  }
}

function hasLoop(node: Node): boolean {
  switch (node.kind) {
    case "empty":
    case "set":
    case "assert":
      return false;
    case "concat":
      return node.items.some(hasLoop);
    case "alternate":
      return node.branches.some(hasLoop);
    case "repeat":
      return node.max === Infinity || hasLoop(node.body);
  }
}

function quantifier(min: number, max: number): string {
  if (max === Infinity) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

/** Whether every character of the set is one UTF-16 unit that is no half of a pair. */
function isNarrow(set: CharSet): boolean {
  switch (set.kind) {
    case "range":
      return set.to < 0xd800 || (set.from > 0xdfff && set.to <= 0xffff);
    case "union":
      return set.items.every(isNarrow);
    case "perl":
    case "property":
    case "negated":
    case "intersection":
    case "difference":
    case "symmetric":
      return false;
  }
}
