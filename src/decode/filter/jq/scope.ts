/**
 * The names a jq program knows at each of its places, and how far out each is when it runs.
 */
import type { Node } from "./ast.ts";
import type { Budget } from "./budget.ts";
import type { Code, Env } from "./machine.ts";

/** A function of the program, or a built-in one that is written in jq. */
export interface FunctionEntry {
  readonly kind: "function";
  readonly name: string;
  readonly params: readonly string[];
  /** Missing while it is being compiled, for a function that calls itself. */
  code: Code | undefined;
  readonly parent: Scope;
  readonly depth: number;
}

/** The names that are known at a place in a program; `depth` counts the `Env`s there are. */
export type Scope =
  | undefined
  | FunctionEntry
  | {
    readonly kind: "variable" | "closure" | "label";
    readonly name: string;
    readonly parent: Scope;
    readonly depth: number;
  };

/** What the parts of the compiler need of one another. */
export interface Compiling {
  readonly budget: Budget;
  /** @param isSpine Whether its outputs are outputs of the program, so that errors end only one. */
  node(node: Node, scope: Scope, isSpine?: boolean): Code;
  /** `right` of each output of `left`. */
  piped(left: Code, right: Code, isSpine: boolean): Code;
}

/** The depth of a name inside `scope`. */
export function deeper(scope: Scope): number {
  return (scope?.depth ?? 0) + 1;
}

/** `scope` and variables inside it, each inside the one before. */
export function withVariables(scope: Scope, names: readonly string[]): Scope {
  let inner = scope;
  for (const name of names) {
    inner = { kind: "variable", name, parent: inner, depth: deeper(inner) };
  }
  return inner;
}

/** How far out the nearest name of the kind is. */
export function hopsTo(scope: Scope, kind: "variable" | "label", name: string): number | undefined {
  for (let entry = scope; entry !== undefined; entry = entry.parent) {
    if (entry.kind === kind && entry.name === name) return scope!.depth - entry.depth;
  }
  return undefined;
}

/** The variables `hops` further out. */
export function up(env: Env | undefined, hops: number): Env | undefined {
  let at = env;
  for (let hop = 0; hop < hops; hop++) at = at!.parent;
  return at;
}
