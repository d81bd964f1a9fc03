/**
 * The parts of jq that decide what is run, how often, and with which variables.
 */
import { isObject, type Value } from "../../../event/value.ts";
import type { Node, Pattern } from "./ast.ts";
import { type Code, each, type Emit, Env, madeUp } from "./machine.ts";
import { indexValue } from "./paths.ts";
import { type Compiling, type Scope, withVariables } from "./scope.ts";
import { isArray, isTrue, JqError, typeName } from "./values.ts";

/** Calls `use` with the variables of a pattern bound to the parts of `value`. */
type Bind = (
  value: Value,
  input: Value,
  env: Env | undefined,
  use: (env: Env | undefined) => void,
) => void;

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

/** `left // right`. */
export function alternative(
  compiler: Compiling,
  node: Extract<Node, { kind: "alternative" }>,
  scope: Scope,
): Code {
  const left = compiler.node(node.left, scope);
  const right = compiler.node(node.right, scope);
  return (input, path, env, emit) => {
    let found = false;
    left(input, path, env, (value, way) => {
      if (!isTrue(value)) return;
      found = true;
      emit(value, way);
    });
    if (!found) right(input, path, env, emit);
  };
}

/** `and`, `or`. */
export function logical(
  compiler: Compiling,
  node: Extract<Node, { kind: "and" | "or" }>,
  scope: Scope,
): Code {
  const left = compiler.node(node.left, scope);
  const right = compiler.node(node.right, scope);
  const decides = node.kind === "or";
  return (input, path, env, emit) =>
    each(left, input, env, (first) => {
      if (isTrue(first) === decides) emit(decides, madeUp(path));
      else each(right, input, env, (second) => emit(isTrue(second), madeUp(path)));
    });
}

/** `try body catch handler`, `body?`. */
export function tried(
  compiler: Compiling,
  node: Extract<Node, { kind: "try" }>,
  scope: Scope,
): Code {
  const body = compiler.node(node.body, scope);
  const handler = node.handler === undefined ? undefined : compiler.node(node.handler, scope);
  return (input, path, env, emit) => {
    // What happens to an output is not an error of what gave it.
    const passed = new Passing();
    try {
      body(input, path, env, (value, way) => passed.on(emit, value, way));
    } catch (error) {
      if (!(error instanceof JqError) || passed.failed) throw error;
      handler?.(error.value, madeUp(path), env, emit);
    }
  };
}

/** `if`. */
export function conditional(
  compiler: Compiling,
  node: Extract<Node, { kind: "if" }>,
  scope: Scope,
  isSpine: boolean,
): Code {
  let otherwise: Code = node.otherwise === undefined
    ? (input, path, _env, emit) => emit(input, path)
    : compiler.node(node.otherwise, scope, isSpine);
  for (const branch of node.branches.toReversed()) {
    const when = compiler.node(branch.when, scope);
    const then = compiler.node(branch.then, scope, isSpine);
    const not = otherwise;
    otherwise = (input, path, env, emit) =>
      each(when, input, env, (value) => {
        compiler.budget.step();
        (isTrue(value) ? then : not)(input, path, env, emit);
      });
  }
  return otherwise;
}

/** `reduce`: the last state. */
export function reduced(
  compiler: Compiling,
  node: Extract<Node, { kind: "reduce" }>,
  scope: Scope,
): Code {
  const budget = compiler.budget;
  const source = compiler.node(node.source, scope);
  const { bind, inner } = binder(compiler, node.pattern, scope);
  const start = compiler.node(node.start, scope);
  const update = compiler.node(node.update, inner);
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

/** `foreach`: every state. */
export function foreach(
  compiler: Compiling,
  node: Extract<Node, { kind: "foreach" }>,
  scope: Scope,
): Code {
  const budget = compiler.budget;
  const source = compiler.node(node.source, scope);
  const { bind, inner } = binder(compiler, node.pattern, scope);
  const start = compiler.node(node.start, scope);
  const update = compiler.node(node.update, inner);
  const extract = node.extract === undefined ? undefined : compiler.node(node.extract, inner);
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

/** `source as pattern | body`. */
export function bound(
  compiler: Compiling,
  node: Extract<Node, { kind: "bind" }>,
  scope: Scope,
  isSpine: boolean,
): Code {
  const source = compiler.node(node.source, scope);
  // Each alternative sees the variables of all, null where they are another's.
  const names = [...new Set(node.patterns.flatMap(variablesOf))];
  const isChoice = node.patterns.length > 1;
  const choices = node.patterns.map((pattern) => {
    const outer = isChoice ? withVariables(scope, names) : scope;
    const { bind, inner } = binder(compiler, pattern, outer);
    return { bind, body: compiler.node(node.body, inner, isSpine) };
  });
  return (input, path, env, emit) =>
    each(source, input, env, (value) => {
      let outer = env;
      if (isChoice) { for (const _ of names) outer = new Env(outer, null); }
      const tryChoice = (at: number): void => {
        const { bind, body } = choices[at]!;
        const run = (): void =>
          bind(value, input, outer, (inside) => {
            compiler.budget.step();
            body(input, path, inside, emit);
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
function binder(compiler: Compiling, pattern: Pattern, scope: Scope): { bind: Bind; inner: Scope } {
  switch (pattern.kind) {
    case "variable":
      return {
        bind: (value, _input, env, use) => use(new Env(env, value)),
        inner: withVariables(scope, [pattern.name]),
      };
    case "array":
      return binders(
        compiler,
        pattern.items.map((item, at) => ({
          key: { kind: "literal", value: at },
          variable: undefined,
          value: item,
        })),
        scope,
      );
    case "object":
      return binders(compiler, pattern.entries, scope);
  }
}

/** The same for the parts of an array or object. */
function binders(
  compiler: Compiling,
  entries: Extract<Pattern, { kind: "object" }>["entries"],
  scope: Scope,
): { bind: Bind; inner: Scope } {
  const budget = compiler.budget;
  let inner = scope;
  const steps = entries.map((entry) => {
    const key = compiler.node(entry.key, inner);
    if (entry.variable !== undefined) inner = withVariables(inner, [entry.variable]);
    const nested = entry.value === undefined ? undefined : binder(compiler, entry.value, inner);
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
