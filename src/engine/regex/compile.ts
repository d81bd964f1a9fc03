/**
 * `|re`: patterns in the syntax and with the meaning of the Rust `regex` crate, in linear time.
 *
 * Reading a pattern is all that loading a rule costs. Which engine runs it is decided when the first
 * text comes, since most rules of a set never see one.
 */
import { type Pattern, trimEnds } from "./ast.ts";
import { buildAutomaton } from "./automaton.ts";
import { RegexError } from "./errors.ts";
import { LinearMatcher } from "./linear.ts";
import { type Clause, literalClauses } from "./literals.ts";
import { parseRegex } from "./parse.ts";
import { isNativeSafe } from "./safety.ts";
import { translate } from "./translate.ts";

/** A pattern that is ready to meet texts. */
export interface CompiledRegex {
  readonly source: string;
  readonly flags: string;
  /** `native` if the pattern's shape bounds what backtracking can cost; see `safety.ts`. */
  readonly engine: "native" | "linear";
  /**
   * What must occur in `text.toLowerCase()` for the pattern to match: of each clause at least one
   * literal, the clause that rules out most first. Empty if nothing must.
   */
  readonly literals: readonly Clause[];
  /** Whether the pattern matches somewhere in `text`. Takes time proportional to its length. */
  test(text: string): boolean;
}

/**
 * Compiles a pattern.
 *
 * @param source As written in the rule.
 * @param flags Those of `i`, `m`, `s` that modifiers switch on, in any order.
 * @throws {RegexError} `REGEX_SYNTAX`, `REGEX_UNSUPPORTED`, `REGEX_TOO_LARGE`
 * @see https://docs.rs/regex/latest/regex/#syntax
 */
export function compileRegex(source: string, flags: string): CompiledRegex {
  return new LazyRegex(source, flags, parseRegex(source, flags));
}

/** The `reason` for which `compileRegex` would refuse the pattern, or `undefined`. */
export function checkRegex(source: string, flags: string): string | undefined {
  try {
    parseRegex(source, flags);
    return undefined;
  } catch (error) {
    if (error instanceof RegexError) return error.reason;
    throw error;
  }
}

/**
 * Lower-cased literals of which at least one occurs in `text.toLowerCase()` whenever the pattern
 * matches `text`; `undefined` if there are none worth looking for.
 *
 * @throws {RegexError} as `compileRegex`
 */
export function requiredLiterals(source: string, flags: string): readonly string[] | undefined {
  return literalClauses(parseRegex(source, flags).root)[0];
}

interface Engine {
  readonly kind: CompiledRegex["engine"];
  readonly matcher: { test(text: string): boolean };
}

class LazyRegex implements CompiledRegex {
  readonly source: string;
  readonly flags: string;
  readonly #pattern: Pattern;
  #engine: Engine | undefined;
  #literals: readonly Clause[] | undefined;

  constructor(source: string, flags: string, pattern: Pattern) {
    this.source = source;
    this.flags = flags;
    this.#pattern = pattern;
  }

  get engine(): CompiledRegex["engine"] {
    return (this.#engine ??= chooseEngine(this.#pattern)).kind;
  }

  get literals(): readonly Clause[] {
    return this.#literals ??= literalClauses(this.#pattern.root);
  }

  test(text: string): boolean {
    return (this.#engine ??= chooseEngine(this.#pattern)).matcher.test(text);
  }
}

function chooseEngine(pattern: Pattern): Engine {
  const root = trimEnds(pattern.root);
  const automaton = buildAutomaton({ ...pattern, root });
  const native = isNativeSafe(root, automaton) ? translate(root) : undefined;
  return native === undefined
    ? { kind: "linear", matcher: new LinearMatcher(automaton) }
    : { kind: "native", matcher: native };
}
