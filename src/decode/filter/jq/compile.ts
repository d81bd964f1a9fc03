/**
 * Syntax trees to functions.
 */
import { isObject, type Value } from "../../../event/value.ts";
import type { Definition, Node, Pattern } from "./ast.ts";
import type { Budget } from "./budget.ts";
import { builtin } from "./builtins.ts";
import { recurse } from "./builtins_control.ts";
import { formatter } from "./formats.ts";
import { syntaxError } from "./lex.ts";
import {
  Break,
  type Code,
  collect,
  each,
  type Emit,
  Env,
  keysOf,
  madeUp,
  ROOT,
  stepped,
} from "./machine.ts";
import { changePath, deletePaths, getPath, indexValue, sliceValue } from "./paths.ts";
import {
  combine,
  isArray,
  isNumber,
  isTrue,
  JqError,
  setMember,
  shown,
  typeName,
} from "./values.ts";

/** A function of the program, or a built-in one that is written in jq. */
interface FunctionEntry {
  readonly kind: "function";
  readonly name: string;
  readonly params: readonly string[];
  /** Missing while it is being compiled, for a function that calls itself. */
  code: Code | undefined;
  readonly parent: Scope;
  readonly depth: number;
}

/** The names that are known at a place in a program; `depth` counts the `Env`s there are. */
type Scope =
  | undefined
  | FunctionEntry
  | {
    readonly kind: "variable" | "closure" | "label";
    readonly name: string;
    readonly parent: Scope;
    readonly depth: number;
  };

/** Compiles a tree; `onError` is told of outputs that could not be made while others can. */
export class Compiler {
  readonly #budget: Budget;
  readonly #onError: (error: JqError) => void;
  /** Built-in functions that are written in jq. */
  readonly #prelude = new Map<string, FunctionEntry>();

  constructor(budget: Budget, onError: (error: JqError) => void) {
    this.#budget = budget;
    this.#onError = onError;
  }

  /** @throws {FilterError} `FILTER_SYNTAX` for names that are not known. */
  program(node: Node): Code {
    return this.#guarded(this.#node(node, undefined, true));
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
  #node(node: Node, scope: Scope, isSpine = false): Code {
    const budget = this.#budget;
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
        return this.#string(node.parts, node.format, scope);
      case "format": {
        const format = formatOf(node.name, node.at);
        return (input, path, _env, emit) => emit(format(input, budget), madeUp(path));
      }
      case "index":
        return this.#index(node, scope, isSpine);
      case "slice":
        return this.#slice(node, scope, isSpine);
      case "iterate":
        return this.#chained(node.target, this.#iterate(), scope, isSpine);
      case "variable":
        return this.#variable(node.name, node.at, scope);
      case "array": {
        if (node.body === undefined) return (_in, path, _env, emit) => emit([], madeUp(path));
        const body = this.#node(node.body, scope);
        return (input, path, env, emit) => emit(collect(body, input, env, budget), madeUp(path));
      }
      case "object":
        return this.#object(node.entries, scope);
      case "negate": {
        const body = this.#node(node.body, scope);
        return (input, path, env, emit) =>
          each(body, input, env, (value) => {
            if (!isNumber(value)) throw new JqError(`${shown(value)} cannot be negated`);
            emit(-value, madeUp(path));
          });
      }
      case "pipe":
        return this.#piped(
          this.#node(node.left, scope, isSpine),
          this.#node(node.right, scope, isSpine),
          isSpine,
        );
      case "comma": {
        const left = this.#node(node.left, scope, isSpine);
        const right = this.#node(node.right, scope, isSpine);
        const first = isSpine ? this.#guarded(left) : left;
        return (input, path, env, emit) => {
          budget.step();
          first(input, path, env, emit);
          right(input, path, env, emit);
        };
      }
      case "alternative":
        return this.#alternative(node, scope);
      case "and":
      case "or":
        return this.#logical(node, scope);
      case "binary": {
        const left = this.#node(node.left, scope);
        const right = this.#node(node.right, scope);
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
        return this.#update(node, scope);
      case "try":
        return this.#try(node, scope);
      case "if":
        return this.#conditional(node, scope, isSpine);
      case "reduce":
        return this.#reduce(node, scope);
      case "foreach":
        return this.#foreach(node, scope);
      case "bind":
        return this.#bind(node, scope, isSpine);
      case "label": {
        const inner: Scope = {
          kind: "label",
          name: node.name,
          parent: scope,
          depth: deeper(scope),
        };
        const body = this.#node(node.body, inner);
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
        return this.#node(node.body, entry, isSpine);
      }
      case "call":
        return this.#call(node, scope);
    }
  }

  #piped(left: Code, right: Code, isSpine: boolean): Code {
    const budget = this.#budget;
    const next = isSpine ? this.#guarded(right) : right;
    return (input, path, env, emit) =>
      left(input, path, env, (value, way) => {
        budget.step();
        next(value, way, env, emit);
      });
  }

  /** `step` of each output of `target`. */
  #chained(target: Node, step: Code, scope: Scope, isSpine: boolean): Code {
    if (target.kind === "identity") return step;
    return this.#piped(this.#node(target, scope, isSpine), step, isSpine);
  }

  #iterate(): Code {
    const budget = this.#budget;
    return (input, path, _env, emit) => {
      if (isArray(input)) {
        for (const [at, value] of input.entries()) {
          budget.step();
          emit(value, stepped(path, at, input));
        }
      } else if (isObject(input)) {
        for (const key of Object.keys(input)) {
          budget.step();
          emit(input[key]!, stepped(path, key, input));
        }
      } else {
        const what = input === null ? "null" : shown(input);
        throw new JqError(`Cannot iterate over ${what}`);
      }
    };
  }

  #index(node: Extract<Node, { kind: "index" }>, scope: Scope, isSpine: boolean): Code {
    const budget = this.#budget;
    if (node.key.kind === "literal") {
      const key = node.key.value;
      const step: Code = (input, path, _env, emit) => {
        budget.step();
        emit(indexValue(input, key, budget), stepped(path, key, input));
      };
      return this.#chained(node.target, step, scope, isSpine);
    }
    const target = this.#node(node.target, scope);
    const keys = this.#node(node.key, scope);
    return (input, path, env, emit) =>
      each(keys, input, env, (key) =>
        target(input, path, env, (value, way) => {
          budget.step();
          emit(indexValue(value, key, budget), stepped(way, key, value));
        }));
  }

  #slice(node: Extract<Node, { kind: "slice" }>, scope: Scope, isSpine: boolean): Code {
    const budget = this.#budget;
    const nothing: Code = (_input, _path, _env, emit) => emit(null, undefined);
    const from = node.from === undefined ? nothing : this.#node(node.from, scope);
    const to = node.to === undefined ? nothing : this.#node(node.to, scope);
    const target = this.#node(node.target, scope, isSpine);
    return (input, path, env, emit) =>
      each(
        from,
        input,
        env,
        (start) =>
          each(to, input, env, (end) =>
            target(input, path, env, (value, way) =>
              emit(sliceValue(value, start, end, budget), stepped(way, { start, end }, value)))),
      );
  }

  #variable(name: string, at: number, scope: Scope): Code {
    const hops = hopsTo(scope, "variable", name);
    if (hops === undefined) throw syntaxError(`$${name} is not defined`, at);
    return (_input, path, env, emit) => emit(up(env, hops)!.value, madeUp(path));
  }

  #string(
    parts: readonly (string | Node)[],
    name: string | undefined,
    scope: Scope,
  ): Code {
    const budget = this.#budget;
    const format = formatOf(name ?? "@text", 0);
    const codes = parts.map((part) => typeof part === "string" ? part : this.#node(part, scope));
    return (input, path, env, emit) => {
      const next = (at: number, text: string): void => {
        const code = codes[at];
        if (code === undefined) emit(text, madeUp(path));
        else if (typeof code === "string") next(at + 1, text + code);
        else {
          each(code, input, env, (value) => {
            const more = format(value, budget);
            budget.text(text.length + more.length);
            next(at + 1, text + more);
          });
        }
      };
      next(0, "");
    };
  }

  #object(entries: readonly (readonly [Node, Node])[], scope: Scope): Code {
    const budget = this.#budget;
    const codes = entries.map(([key, value]) => ({
      name: key.kind === "literal" && typeof key.value === "string" ? key.value : undefined,
      key: this.#node(key, scope),
      value: this.#node(value, scope),
    }));
    return (input, path, env, emit) => {
      budget.spend(codes.length);
      const keys: string[] = [];
      const values: Value[] = [];
      const next = (at: number): void => {
        const code = codes[at];
        if (code === undefined) {
          const made: Record<string, Value> = {};
          for (let i = 0; i < keys.length; i++) setMember(made, keys[i]!, values[i]!);
          emit(made, madeUp(path));
          return;
        }
        const withKey = (key: Value): void => {
          if (typeof key !== "string") {
            throw new JqError(`Object keys must be strings, not ${shown(key)}`);
          }
          code.value(input, undefined, env, (value) => {
            keys[at] = key;
            values[at] = value;
            next(at + 1);
          });
        };
        if (code.name !== undefined) withKey(code.name);
        else code.key(input, undefined, env, withKey);
      };
      next(0);
    };
  }

  #alternative(node: Extract<Node, { kind: "alternative" }>, scope: Scope): Code {
    const left = this.#node(node.left, scope);
    const right = this.#node(node.right, scope);
    return (input, path, env, emit) => {
      let found = false;
      // What happens to an output is not an error of what gave it.
      const passed = new Passing();
      try {
        left(input, path, env, (value, way) => {
          if (!isTrue(value)) return;
          found = true;
          passed.on(emit, value, way);
        });
      } catch (error) {
        if (!(error instanceof JqError) || passed.failed) throw error;
      }
      if (!found) right(input, path, env, emit);
    };
  }

  #logical(node: Extract<Node, { kind: "and" | "or" }>, scope: Scope): Code {
    const left = this.#node(node.left, scope);
    const right = this.#node(node.right, scope);
    const decides = node.kind === "or";
    return (input, path, env, emit) =>
      each(left, input, env, (first) => {
        if (isTrue(first) === decides) emit(decides, madeUp(path));
        else each(right, input, env, (second) => emit(isTrue(second), madeUp(path)));
      });
  }

  #try(node: Extract<Node, { kind: "try" }>, scope: Scope): Code {
    const body = this.#node(node.body, scope);
    const handler = node.handler === undefined ? undefined : this.#node(node.handler, scope);
    return (input, path, env, emit) => {
      const passed = new Passing();
      try {
        body(input, path, env, (value, way) => passed.on(emit, value, way));
      } catch (error) {
        if (!(error instanceof JqError) || passed.failed) throw error;
        handler?.(error.value, madeUp(path), env, emit);
      }
    };
  }

  #conditional(node: Extract<Node, { kind: "if" }>, scope: Scope, isSpine: boolean): Code {
    let otherwise: Code = node.otherwise === undefined
      ? (input, path, _env, emit) => emit(input, path)
      : this.#node(node.otherwise, scope, isSpine);
    for (const branch of node.branches.toReversed()) {
      const when = this.#node(branch.when, scope);
      const then = this.#node(branch.then, scope, isSpine);
      const not = otherwise;
      otherwise = (input, path, env, emit) =>
        each(when, input, env, (value) => {
          this.#budget.step();
          (isTrue(value) ? then : not)(input, path, env, emit);
        });
    }
    return otherwise;
  }

  #reduce(node: Extract<Node, { kind: "reduce" }>, scope: Scope): Code {
    const budget = this.#budget;
    const source = this.#node(node.source, scope);
    const { bind, inner } = this.#pattern(node.pattern, scope);
    const start = this.#node(node.start, scope);
    const update = this.#node(node.update, inner);
    return (input, path, env, emit) =>
      start(input, path, env, (first, way) => {
        let state = first;
        let at = way;
        each(source, input, env, (value) =>
          bind(value, input, env, (bound) => {
            budget.step();
            const before = state;
            const from = at;
            // Without an output the state is lost.
            state = null;
            at = madeUp(path);
            update(before, from, bound, (next, to) => {
              state = next;
              at = to;
            });
          }));
        emit(state, at);
      });
  }

  #foreach(node: Extract<Node, { kind: "foreach" }>, scope: Scope): Code {
    const budget = this.#budget;
    const source = this.#node(node.source, scope);
    const { bind, inner } = this.#pattern(node.pattern, scope);
    const start = this.#node(node.start, scope);
    const update = this.#node(node.update, inner);
    const extract = node.extract === undefined ? undefined : this.#node(node.extract, inner);
    return (input, path, env, emit) =>
      start(input, path, env, (first, way) => {
        let state = first;
        let at = way;
        each(source, input, env, (value) =>
          bind(value, input, env, (bound) => {
            budget.step();
            update(state, at, bound, (next, to) => {
              state = next;
              at = to;
              if (extract === undefined) emit(next, to);
              else extract(next, to, bound, emit);
            });
          }));
      });
  }

  #bind(node: Extract<Node, { kind: "bind" }>, scope: Scope, isSpine: boolean): Code {
    const source = this.#node(node.source, scope);
    // Each alternative sees the variables of all, null where they are another's.
    const names = [...new Set(node.patterns.flatMap(variablesOf))];
    const isChoice = node.patterns.length > 1;
    const choices = node.patterns.map((pattern) => {
      const outer = isChoice ? withVariables(scope, names) : scope;
      const { bind, inner } = this.#pattern(pattern, outer);
      return { bind, body: this.#node(node.body, inner, isSpine) };
    });
    return (input, path, env, emit) =>
      each(source, input, env, (value) => {
        let outer = env;
        if (isChoice) { for (const _ of names) outer = new Env(outer, null); }
        const tryChoice = (at: number): void => {
          const { bind, body } = choices[at]!;
          const run = (): void =>
            bind(value, input, outer, (bound) => {
              this.#budget.step();
              body(input, path, bound, emit);
            });
          if (at + 1 === choices.length) return run();
          try {
            run();
          } catch (error) {
            if (!(error instanceof JqError)) throw error;
            tryChoice(at + 1);
          }
        };
        tryChoice(0);
      });
  }

  /** What binds a pattern's variables, and the scope in which they are known. */
  #pattern(pattern: Pattern, scope: Scope): { bind: Bind; inner: Scope } {
    switch (pattern.kind) {
      case "variable":
        return {
          bind: (value, _input, env, use) => use(new Env(env, value)),
          inner: withVariables(scope, [pattern.name]),
        };
      case "array":
        return this.#patterns(
          pattern.items.map((item, at) => ({
            key: { kind: "literal", value: at },
            variable: undefined,
            value: item,
          })),
          scope,
        );
      case "object":
        return this.#patterns(pattern.entries, scope);
    }
  }

  #patterns(
    entries: Extract<Pattern, { kind: "object" }>["entries"],
    scope: Scope,
  ): { bind: Bind; inner: Scope } {
    const budget = this.#budget;
    let inner = scope;
    const steps = entries.map((entry) => {
      const key = this.#node(entry.key, inner);
      if (entry.variable !== undefined) inner = withVariables(inner, [entry.variable]);
      const nested = entry.value === undefined ? undefined : this.#pattern(entry.value, inner);
      if (nested !== undefined) inner = nested.inner;
      const isVariable = entry.variable !== undefined;
      return { key, isVariable, nested: nested?.bind };
    });
    const bind: Bind = (value, input, env, use) => {
      const next = (at: number, bound: Env | undefined): void => {
        const step = steps[at];
        if (step === undefined) return use(bound);
        each(step.key, input, bound, (key) => {
          if (typeof key === "string" ? isArray(value) : isObject(value)) {
            throw new JqError(`Cannot index ${typeName(value)} with ${typeName(key)}`);
          }
          const part = indexValue(value, key, budget);
          const own = step.isVariable ? new Env(bound, part) : bound;
          if (step.nested === undefined) next(at + 1, own);
          else step.nested(part, input, own, (inside) => next(at + 1, inside));
        });
      };
      next(0, env);
    };
    return { bind, inner };
  }

  #update(node: Extract<Node, { kind: "update" }>, scope: Scope): Code {
    const budget = this.#budget;
    const left = this.#node(node.left, scope);
    const right = this.#node(node.right, scope);
    const { operator } = node;
    const paths = (input: Value, env: Env | undefined): (readonly Value[])[] => {
      const found: (readonly Value[])[] = [];
      left(input, ROOT, env, (value, path) => {
        budget.step();
        found.push(keysOf(path, value));
      });
      return found;
    };
    if (operator === "|=") {
      return (input, path, env, emit) => {
        const deleted: (readonly Value[])[] = [];
        let result = input;
        for (const way of paths(input, env)) {
          const before = getPath(result, way, budget);
          const after = first(right, before, env);
          if (after === undefined) deleted.push(way);
          else result = changePath(result, way, () => after, budget);
        }
        emit(deletePaths(result, deleted, budget), madeUp(path));
      };
    }
    return (input, path, env, emit) =>
      each(right, input, env, (value) => {
        let result = input;
        for (const way of paths(input, env)) {
          result = changePath(result, way, (before) => {
            if (operator === "=") return value;
            if (operator === "//=") return isTrue(before) ? before : value;
            return combine(PLAIN[operator], before, value, budget);
          }, budget);
        }
        emit(result, madeUp(path));
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
    entry.code = this.#node(body, inner);
    return entry;
  }

  #call(node: Extract<Node, { kind: "call" }>, scope: Scope): Code {
    const { name, at } = node;
    const args = node.args.map((arg) => this.#node(arg, scope));
    for (let entry = scope; entry !== undefined; entry = entry.parent) {
      if (entry.name !== name) continue;
      const hops = scope!.depth - entry.depth;
      if (entry.kind === "closure" && args.length === 0) {
        return (input, path, env, emit) => {
          this.#budget.step();
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
    if (known.kind === "native") return known.make(args, this.#budget);
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
    const budget = this.#budget;
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

/** Calls `use` with the variables of a pattern bound to the parts of `value`. */
type Bind = (
  value: Value,
  input: Value,
  env: Env | undefined,
  use: (env: Env | undefined) => void,
) => void;

const PLAIN = { "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%" } as const;

/** Passes outputs on and remembers whether what became of one was an error. */
class Passing {
  failed = false;

  on(emit: Emit, value: Value, path: Parameters<Emit>[1]): void {
    try {
      emit(value, path);
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}

/** The first output, without asking for another. */
function first(code: Code, input: Value, env: Env | undefined): Value | undefined {
  const enough = new Break();
  let found: Value | undefined;
  try {
    each(code, input, env, (value) => {
      found = value;
      throw enough;
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
  return found;
}

function formatOf(name: string, at: number): NonNullable<ReturnType<typeof formatter>> {
  const found = formatter(name);
  if (found === undefined) throw syntaxError(`${name} is not a valid format`, at);
  return found;
}

function deeper(scope: Scope): number {
  return (scope?.depth ?? 0) + 1;
}

function withVariables(scope: Scope, names: readonly string[]): Scope {
  let inner = scope;
  for (const name of names) {
    inner = { kind: "variable", name, parent: inner, depth: deeper(inner) };
  }
  return inner;
}

/** How far out the nearest name of the kind is. */
function hopsTo(scope: Scope, kind: "variable" | "label", name: string): number | undefined {
  for (let entry = scope; entry !== undefined; entry = entry.parent) {
    if (entry.kind === kind && entry.name === name) return scope!.depth - entry.depth;
  }
  return undefined;
}

function up(env: Env | undefined, hops: number): Env | undefined {
  let at = env;
  for (let hop = 0; hop < hops; hop++) at = at!.parent;
  return at;
}

function variablesOf(pattern: Pattern): readonly string[] {
  switch (pattern.kind) {
    case "variable":
      return [pattern.name];
    case "array":
      return pattern.items.flatMap(variablesOf);
    case "object":
      return pattern.entries.flatMap(({ variable, value }) => [
        ...(variable === undefined ? [] : [variable]),
        ...(value === undefined ? [] : variablesOf(value)),
      ]);
  }
}
