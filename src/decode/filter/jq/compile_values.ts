/**
 * The parts of jq that make values: texts, objects, variables.
 */
import type { Value } from "../../../event/value.ts";
import type { Node } from "./ast.ts";
import { formatter } from "./formats.ts";
import { syntaxError } from "./lex.ts";
import { type Code, each, madeUp } from "./machine.ts";
import { type Compiling, hopsTo, type Scope, up } from "./scope.ts";
import { JqError, setMember, shown } from "./values.ts";

/** `$name`. */
export function variable(name: string, at: number, scope: Scope): Code {
  const hops = hopsTo(scope, "variable", name);
  if (hops === undefined) throw syntaxError(`$${name} is not defined`, at);
  return (_input, path, env, emit) => emit(up(env, hops)!.value, madeUp(path));
}

/** A string with filters in it. */
export function textOf(
  compiler: Compiling,
  parts: readonly (string | Node)[],
  name: string | undefined,
  scope: Scope,
): Code {
  const budget = compiler.budget;
  const format = formatOf(name ?? "@text", 0);
  const codes = parts.map((part) => typeof part === "string" ? part : compiler.node(part, scope));
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

/** `{…}`. */
export function objectOf(
  compiler: Compiling,
  entries: readonly (readonly [Node, Node])[],
  scope: Scope,
): Code {
  const budget = compiler.budget;
  const codes = entries.map(([key, value]) => ({
    name: key.kind === "literal" && typeof key.value === "string" ? key.value : undefined,
    key: compiler.node(key, scope),
    value: compiler.node(value, scope),
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

/** @throws {FilterError} for a format that jq does not have. */
export function formatOf(name: string, at: number): NonNullable<ReturnType<typeof formatter>> {
  const found = formatter(name);
  if (found === undefined) throw syntaxError(`${name} is not a valid format`, at);
  return found;
}
