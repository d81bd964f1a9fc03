/**
 * Syntax trees to functions.
 */
import type { Definition, Node } from "./ast.ts";
import type { Budget } from "./budget.ts";
import { builtin } from "./builtins.ts";
import { recurse } from "./builtins_control.ts";
import {
  alternative,
  bound,
  conditional,
  foreach,
  logical,
  reduced,
  tried,
} from "./compile_flow.ts";
import { chained, index, iterate, slice, update } from "./compile_paths.ts";
import { formatOf, objectOf, textOf, variable } from "./compile_values.ts";
import { syntaxError } from "./lex.ts";
import { Break, type Code, collect, each, Env, madeUp } from "./machine.ts";
import {
  type Compiling,
  deeper,
  type FunctionEntry,
  hopsTo,
  type Scope,
  up,
  withVariables,
} from "./scope.ts";
import { combine, isNumber, JqError, shown } from "./values.ts";

/** Compiles a tree; `onError` is told of outputs that could not be made while others can. */
export class Compiler implements Compiling {
  /** Of all it compiles. */
  readonly budget: Budget;
  readonly #onError: (error: JqError) => void;
  /** Built-in functions that are written in jq. */
  readonly #prelude = new Map<string, FunctionEntry>();

  constructor(budget: Budget, onError: (error: JqError) => void) {
    this.budget = budget;
    this.#onError = onError;
  }

  /** @throws {FilterError} `FILTER_SYNTAX` for names that are not known. */
  program(node: Node): Code {
    return this.#guarded(this.node(node, undefined, true));
  }

  /**
   * An error ends what gave it and nothing else: where `.records[] | …` fails for one record, the next
   * one is looked at.
   */
  #guarded(code: Code): Code {
    return (input, path, env, emit) => {
      try {
        code(input, path, env, emit);
      } catch (error) {
        if (!(error instanceof JqError)) throw error;
        this.#onError(error);
      }
    };
  }

  /** @param isSpine Whether its outputs are outputs of the program, so that errors end only one. */
  node(node: Node, scope: Scope, isSpine = false): Code {
    const budget = this.budget;
    switch (node.kind) {
      case "identity":
        return (input, path, _env, emit) => emit(input, path);
      case "recurse":
        return recurse([], budget);
      case "literal": {
        const { value } = node;
        return (_input, path, _env, emit) => emit(value, madeUp(path));
      }
      case "string":
        return textOf(this, node.parts, node.format, scope);
      case "format": {
        const format = formatOf(node.name, node.at);
        return (input, path, _env, emit) => emit(format(input, budget), madeUp(path));
      }
      case "index":
        return index(this, node, scope, isSpine);
      case "slice":
        return slice(this, node, scope, isSpine);
      case "iterate":
        return chained(this, node.target, iterate(this), scope, isSpine);
      case "variable":
        return variable(node.name, node.at, scope);
      case "array": {
        if (node.body === undefined) return (_in, path, _env, emit) => emit([], madeUp(path));
        const body = this.node(node.body, scope);
        return (input, path, env, emit) => emit(collect(body, input, env, budget), madeUp(path));
      }
      case "object":
        return objectOf(this, node.entries, scope);
      case "negate": {
        const body = this.node(node.body, scope);
        return (input, path, env, emit) =>
          each(body, input, env, (value) => {
            if (!isNumber(value)) throw new JqError(`${shown(value)} cannot be negated`);
            emit(-value, madeUp(path));
          });
      }
      case "pipe":
        return this.piped(
          this.node(node.left, scope, isSpine),
          this.node(node.right, scope, isSpine),
          isSpine,
        );
      case "comma": {
        const left = this.node(node.left, scope, isSpine);
        const right = this.node(node.right, scope, isSpine);
        const first = isSpine ? this.#guarded(left) : left;
        return (input, path, env, emit) => {
          budget.step();
          first(input, path, env, emit);
          right(input, path, env, emit);
        };
      }
      case "alternative":
        return alternative(this, node, scope);
      case "and":
      case "or":
        return logical(this, node, scope);
      case "binary": {
        const left = this.node(node.left, scope);
        const right = this.node(node.right, scope);
        const { operator } = node;
        return (input, path, env, emit) => {
          budget.step();
          each(
            right,
            input,
            env,
            (second) =>
              each(
                left,
                input,
                env,
                (first) => emit(combine(operator, first, second, budget), madeUp(path)),
              ),
          );
        };
      }
      case "update":
        return update(this, node, scope);
      case "try":
        return tried(this, node, scope);
      case "if":
        return conditional(this, node, scope, isSpine);
      case "reduce":
        return reduced(this, node, scope);
      case "foreach":
        return foreach(this, node, scope);
      case "bind":
        return bound(this, node, scope, isSpine);
      case "label": {
        const inner: Scope = {
          kind: "label",
          name: node.name,
          parent: scope,
          depth: deeper(scope),
        };
        const body = this.node(node.body, inner);
        return (input, path, env, emit) => {
          const label = new Break();
          try {
            body(input, path, new Env(env, null, undefined, label), emit);
          } catch (error) {
            if (error !== label) throw error;
          }
        };
      }
      case "break": {
        const hops = hopsTo(scope, "label", node.name);
        if (hops === undefined) throw syntaxError(`$*label-${node.name} is not defined`, node.at);
        return (_input, _path, env) => {
          throw up(env, hops)!.label;
        };
      }
      case "define": {
        const entry = this.#define(node.definition, scope);
        return this.node(node.body, entry, isSpine);
      }
      case "call":
        return this.#call(node, scope);
    }
  }

  piped(left: Code, right: Code, isSpine: boolean): Code {
    const budget = this.budget;
    const next = isSpine ? this.#guarded(right) : right;
    return (input, path, env, emit) =>
      left(input, path, env, (value, way) => {
        budget.step();
        next(value, way, env, emit);
      });
  }

  #define(definition: Definition, scope: Scope): FunctionEntry {
    const { name, params, body } = definition;
    const entry: FunctionEntry = {
      kind: "function",
      name,
      params,
      code: undefined,
      parent: scope,
      depth: scope?.depth ?? 0,
    };
    let inner: Scope = entry;
    for (const param of params) {
      const isValue = param.startsWith("$");
      const bare = isValue ? param.slice(1) : param;
      inner = { kind: "closure", name: bare, parent: inner, depth: deeper(inner) };
      if (isValue) inner = withVariables(inner, [bare]);
    }
    entry.code = this.node(body, inner);
    return entry;
  }

  #call(node: Extract<Node, { kind: "call" }>, scope: Scope): Code {
    const { name, at } = node;
    const args = node.args.map((arg) => this.node(arg, scope));
    for (let entry = scope; entry !== undefined; entry = entry.parent) {
      if (entry.name !== name) continue;
      const hops = scope!.depth - entry.depth;
      if (entry.kind === "closure" && args.length === 0) {
        return (input, path, env, emit) => {
          this.budget.step();
          const { code, env: outer } = up(env, hops)!.closure!;
          code(input, path, outer, emit);
        };
      }
      if (entry.kind === "function" && entry.params.length === args.length) {
        return this.#callFunction(entry, args, hops);
      }
    }
    const known = builtin(name, args.length);
    if (known === undefined) {
      throw syntaxError(`${name}/${args.length} is not defined`, at);
    }
    if (known.kind === "native") return known.make(args, this.budget);
    if (known.kind === "missing") throw syntaxError(`${name} is not available: ${known.why}`, at);
    const key = `${name}/${args.length}`;
    let entry = this.#prelude.get(key);
    if (entry === undefined) {
      entry = this.#define(known.definition, undefined);
      this.#prelude.set(key, entry);
    }
    return this.#callFunction(entry, args, undefined);
  }

  /** @param hops From the call to where the function is defined; `undefined` for a built-in one. */
  #callFunction(entry: FunctionEntry, args: readonly Code[], hops: number | undefined): Code {
    const budget = this.budget;
    const { params } = entry;
    return (input, path, env, emit) => {
      const next = (at: number, frame: Env | undefined): void => {
        const arg = args[at];
        if (arg === undefined) return entry.code!(input, path, frame, emit);
        if (!params[at]!.startsWith("$")) {
          return next(at + 1, new Env(frame, null, { code: arg, env }));
        }
        each(arg, input, env, (value) => {
          const code: Code = (_input, way, _env, give) => give(value, madeUp(way));
          next(at + 1, new Env(new Env(frame, null, { code, env: undefined }), value));
        });
      };
      budget.enter();
      try {
        next(0, hops === undefined ? undefined : up(env, hops));
      } finally {
        budget.leave();
      }
    };
  }
}
