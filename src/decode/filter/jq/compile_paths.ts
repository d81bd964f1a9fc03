/**
 * The parts of jq that lead to members of values, and those that change them there.
 */
import { isObject, type Value } from "../../../event/value.ts";
import type { Node } from "./ast.ts";
import { Break, type Code, each, type Env, keysOf, madeUp, ROOT, stepped } from "./machine.ts";
import { changePath, deletePaths, getPath, indexValue, sliceValue } from "./paths.ts";
import type { Compiling, Scope } from "./scope.ts";
import { combine, isArray, isTrue, JqError, shown } from "./values.ts";

const PLAIN = { "+=": "+", "-=": "-", "*=": "*", "/=": "/", "%=": "%" } as const;

/** `.[]`. */
export function iterate(compiler: Compiling): Code {
  const budget = compiler.budget;
  return (input, path, _env, emit) => {
    if (isArray(input)) {
      for (const [at, value] of input.entries()) {
        budget.step();
        emit(value, stepped(path, at, input));
      }
    } else if (isObject(input)) {
      const keys = Object.keys(input);
      budget.names(keys.length);
      for (const key of keys) {
        budget.step();
        emit(input[key]!, stepped(path, key, input));
      }
    } else {
      const what = input === null ? "null" : shown(input);
      throw new JqError(`Cannot iterate over ${what}`);
    }
  };
}

/** `.key`, `.[key]`. */
export function index(
  compiler: Compiling,
  node: Extract<Node, { kind: "index" }>,
  scope: Scope,
  isSpine: boolean,
): Code {
  const budget = compiler.budget;
  if (node.key.kind === "literal") {
    const key = node.key.value;
    const step: Code = (input, path, _env, emit) => {
      budget.step();
      emit(indexValue(input, key, budget), stepped(path, key, input));
    };
    return chained(compiler, node.target, step, scope, isSpine);
  }
  const target = compiler.node(node.target, scope);
  const keys = compiler.node(node.key, scope);
  return (input, path, env, emit) =>
    each(keys, input, env, (key) =>
      target(input, path, env, (value, way) => {
        budget.step();
        emit(indexValue(value, key, budget), stepped(way, key, value));
      }));
}

/** `.[from:to]`. */
export function slice(
  compiler: Compiling,
  node: Extract<Node, { kind: "slice" }>,
  scope: Scope,
  isSpine: boolean,
): Code {
  const budget = compiler.budget;
  const nothing: Code = (_input, _path, _env, emit) => emit(null, undefined);
  const from = node.from === undefined ? nothing : compiler.node(node.from, scope);
  const to = node.to === undefined ? nothing : compiler.node(node.to, scope);
  const target = compiler.node(node.target, scope, isSpine);
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

/** `=`, `|=` and the likes of `+=`. */
export function update(
  compiler: Compiling,
  node: Extract<Node, { kind: "update" }>,
  scope: Scope,
): Code {
  const budget = compiler.budget;
  const left = compiler.node(node.left, scope);
  const right = compiler.node(node.right, scope);
  const { operator } = node;
  const paths = (input: Value, env: Env | undefined): (readonly Value[])[] => {
    const found: (readonly Value[])[] = [];
    left(input, ROOT, env, (value, path) => {
      const keys = keysOf(path, value);
      budget.names(keys.length + 1);
      found.push(keys);
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

/** `step` of each output of `target`. */
export function chained(
  compiler: Compiling,
  target: Node,
  step: Code,
  scope: Scope,
  isSpine: boolean,
): Code {
  if (target.kind === "identity") return step;
  return compiler.piped(compiler.node(target, scope, isSpine), step, isSpine);
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
