/**
 * Which results an enricher or webhook is for, as its `scope` block says.
 *
 * @see enrichment.md, section 5
 */
import { type Level, LEVELS } from "../sigma/rule.ts";

/** Lists that are absent or empty constrain nothing; all others must be met. */
export interface ScopeSettings {
  /** Rule ids; entries with `*`, `?` or `[` are patterns of titles. */
  readonly rules?: readonly string[];
  /** Tags; those that end in `*` are beginnings. */
  readonly tags?: readonly string[];
  readonly levels?: readonly string[];
}

/** What a scope looks at. */
export interface Scoped {
  readonly ruleId: string | null;
  readonly ruleTitle: string;
  readonly level: Level | null;
  readonly tags: () => readonly string[];
}

export type Scope = (result: Scoped) => boolean;

/** A scope, or what is wrong with its settings. */
export type ScopeReading = { readonly scope: Scope } | { readonly error: string };

/** How many patterns the alternatives of one may stand for. */
const MAX_ALTERNATIVES = 64;

export function parseScope(settings: ScopeSettings): ScopeReading {
  const ids = new Set<string>();
  const titles: Glob[] = [];
  for (const entry of settings.rules ?? []) {
    if (!/[*?[]/.test(entry)) {
      ids.add(entry);
      continue;
    }
    const globs = parseGlob(entry);
    if (typeof globs === "string") {
      return { error: `invalid scope.rules glob '${entry}': ${globs}` };
    }
    titles.push(...globs);
  }
  const levels = new Set<string>(settings.levels);
  for (const level of levels) {
    if (!(LEVELS as readonly string[]).includes(level)) {
      return { error: `invalid scope.levels entry '${level}' (valid: ${LEVELS.join(", ")})` };
    }
  }
  const tagTests = (settings.tags ?? []).map(tagTest);
  const hasRules = (settings.rules ?? []).length > 0;
  return {
    scope: ({ ruleId, ruleTitle, level, tags }) =>
      (levels.size === 0 || (level !== null && levels.has(level))) &&
      (!hasRules || (ruleId !== null && ids.has(ruleId)) ||
        titles.some((glob) => globMatches(glob, ruleTitle))) &&
      (tagTests.length === 0 || tags().some((tag) => tagTests.some((test) => test(tag)))),
  };
}

function tagTest(entry: string): (tag: string) => boolean {
  if (!entry.endsWith("*")) return (tag) => tag === entry;
  // `attack.*` means what begins with `attack`, as the reference has it.
  const prefix = entry.endsWith(".*") ? entry.slice(0, -2) : entry.replace(/\*+$/, "");
  return (tag) => tag.startsWith(prefix);
}

/** A character, `?`, `*`, or a set of characters. */
type GlobToken =
  | string
  | typeof ONE
  | typeof MANY
  | { readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };
type Glob = readonly GlobToken[];
const ONE = 1;
const MANY = 2;

/** The patterns that `text` stands for once its `{a,b}` are written out, or what is wrong. */
function parseGlob(text: string): readonly Glob[] | string {
  const texts = alternatives(text);
  if (typeof texts === "string") return texts;
  const globs: Glob[] = [];
  for (const one of texts) {
    const glob = tokens(one);
    if (typeof glob === "string") return glob;
    globs.push(glob);
  }
  return globs;
}

function alternatives(text: string): readonly string[] | string {
  let open: string[] = [text];
  const done: string[] = [];
  while (open.length > 0) {
    const next: string[] = [];
    for (const one of open) {
      const close = one.search(/(?<!\\)\}/);
      if (close < 0) {
        if (/(?<!\\)\{/.test(one)) return "a '{' is not closed";
        done.push(one);
        continue;
      }
      // The innermost pair: the last `{` before the first `}`.
      const begin = one.lastIndexOf("{", close);
      if (begin < 0) return "a '}' was not opened";
      for (const choice of one.slice(begin + 1, close).split(",")) {
        next.push(one.slice(0, begin) + choice + one.slice(close + 1));
      }
    }
    if (next.length + done.length > MAX_ALTERNATIVES) {
      return `it stands for more than ${MAX_ALTERNATIVES} patterns`;
    }
    open = next;
  }
  return done;
}

function tokens(text: string): Glob | string {
  const glob: GlobToken[] = [];
  const characters = [...text];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "*") {
      if (glob.at(-1) !== MANY) glob.push(MANY);
    } else if (character === "?") glob.push(ONE);
    else if (character === "\\" && at + 1 < characters.length) glob.push(characters[++at]!);
    else if (character === "[") {
      // A `]` that comes first stands for itself.
      const first = at + (/[!^]/.test(characters[at + 1] ?? "") ? 2 : 1);
      const close = characters.indexOf("]", first + 1);
      if (close < 0) return "a '[' is not closed";
      glob.push({ negated: first > at + 1, ranges: ranges(characters.slice(first, close)) });
      at = close;
    } else glob.push(character);
  }
  return glob;
}

function ranges(characters: readonly string[]): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  for (let at = 0; at < characters.length; at++) {
    const from = characters[at]!;
    const isRange = characters[at + 1] === "-" && at + 2 < characters.length;
    found.push([from, isRange ? characters[at + 2]! : from]);
    if (isRange) at += 2;
  }
  return found;
}

/** Goes back to the last `*` only, so no text takes longer than pattern times text. */
function globMatches(glob: Glob, text: string): boolean {
  const characters = [...text];
  let at = 0;
  let token = 0;
  let star = -1;
  let resume = 0;
  while (at < characters.length) {
    const current = glob[token];
    if (current === MANY) {
      star = token++;
      resume = at;
    } else if (current !== undefined && tokenMatches(current, characters[at]!)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resume;
    } else return false;
  }
  while (glob[token] === MANY) token++;
  return token === glob.length;
}

function tokenMatches(token: GlobToken, character: string): boolean {
  if (typeof token === "string") return token === character;
  if (typeof token === "number") return true;
  const inside = token.ranges.some(([from, to]) => from <= character && character <= to);
  return inside !== token.negated;
}
