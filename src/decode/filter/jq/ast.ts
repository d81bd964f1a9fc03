/**
 * The syntax tree of a jq program.
 *
 * @see https://jqlang.org/manual/v1.7/
 */
import type { Value } from "../../../event/value.ts";

/** Operators that compute one value of two. */
export type BinaryOperator = "+" | "-" | "*" | "/" | "%" | "==" | "!=" | "<" | "<=" | ">" | ">=";

/** Operators that change what the paths of their left side lead to. */
export type UpdateOperator = "=" | "|=" | "+=" | "-=" | "*=" | "/=" | "%=" | "//=";

/** What `as` binds: a variable, or variables inside an array or object. */
export type Pattern =
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "array"; readonly items: readonly Pattern[] }
  | { readonly kind: "object"; readonly entries: readonly PatternEntry[] };

/** `$name`, `key: pattern` or `$name: pattern`. */
export interface PatternEntry {
  readonly key: Node;
  readonly variable: string | undefined;
  readonly value: Pattern | undefined;
}

/** A function; parameters that begin with `$` are values, others are filters. */
export interface Definition {
  readonly name: string;
  readonly params: readonly string[];
  readonly body: Node;
}

/** `if` or `elif` and what follows. */
export interface Branch {
  readonly when: Node;
  readonly then: Node;
}

/** A filter. `at` is an offset in the program, where errors may name one. */
export type Node =
  | { readonly kind: "identity" }
  | { readonly kind: "recurse" }
  | { readonly kind: "literal"; readonly value: Value }
  /** Texts and filters in turn; what filters give is written in `format`. */
  | {
    readonly kind: "string";
    readonly format: string | undefined;
    readonly parts: readonly (string | Node)[];
  }
  | { readonly kind: "format"; readonly name: string; readonly at: number }
  | { readonly kind: "index"; readonly target: Node; readonly key: Node }
  | {
    readonly kind: "slice";
    readonly target: Node;
    readonly from: Node | undefined;
    readonly to: Node | undefined;
  }
  | { readonly kind: "iterate"; readonly target: Node }
  | { readonly kind: "variable"; readonly name: string; readonly at: number }
  | { readonly kind: "array"; readonly body: Node | undefined }
  | { readonly kind: "object"; readonly entries: readonly (readonly [key: Node, value: Node])[] }
  | { readonly kind: "negate"; readonly body: Node }
  | { readonly kind: "pipe" | "comma"; readonly left: Node; readonly right: Node }
  | { readonly kind: "alternative"; readonly left: Node; readonly right: Node }
  | { readonly kind: "and" | "or"; readonly left: Node; readonly right: Node }
  | {
    readonly kind: "binary";
    readonly operator: BinaryOperator;
    readonly left: Node;
    readonly right: Node;
  }
  | {
    readonly kind: "update";
    readonly operator: UpdateOperator;
    readonly left: Node;
    readonly right: Node;
  }
  | { readonly kind: "try"; readonly body: Node; readonly handler: Node | undefined }
  | {
    readonly kind: "if";
    readonly branches: readonly Branch[];
    readonly otherwise: Node | undefined;
  }
  | {
    readonly kind: "reduce";
    readonly source: Node;
    readonly pattern: Pattern;
    readonly start: Node;
    readonly update: Node;
  }
  | {
    readonly kind: "foreach";
    readonly source: Node;
    readonly pattern: Pattern;
    readonly start: Node;
    readonly update: Node;
    readonly extract: Node | undefined;
  }
  | {
    readonly kind: "bind";
    readonly source: Node;
    /** Further ones are tried when a former one does not fit (`?//`). */
    readonly patterns: readonly Pattern[];
    readonly body: Node;
  }
  | { readonly kind: "label"; readonly name: string; readonly body: Node }
  | { readonly kind: "break"; readonly name: string; readonly at: number }
  | { readonly kind: "define"; readonly definition: Definition; readonly body: Node }
  | {
    readonly kind: "call";
    readonly name: string;
    readonly args: readonly Node[];
    readonly at: number;
  };
