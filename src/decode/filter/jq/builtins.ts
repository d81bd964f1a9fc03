/**
 * The built-in functions by name and number of arguments.
 */
import type { Definition } from "./ast.ts";
import { CONTROL } from "./builtins_control.ts";
import { LISTS } from "./builtins_lists.ts";
import { NUMBERS } from "./builtins_numbers.ts";
import { TEXTS } from "./builtins_texts.ts";
import { DATES } from "./dates.ts";
import type { Native } from "./machine.ts";
import { parseDefinitions } from "./parse.ts";
import { PRELUDE } from "./prelude.ts";
import { REGEXES } from "./regex.ts";

/** A function that jq has. */
export type Builtin =
  | { readonly kind: "native"; readonly make: Native }
  | { readonly kind: "prelude"; readonly definition: Definition }
  /** One that Picket leaves out. */
  | { readonly kind: "missing"; readonly why: string };

const NO_CLOCK = "a filter gives the same whenever it runs";
const NO_INPUT = "a filter sees one event";
const NO_WORLD = "a filter sees nothing but its event";

const NO_STREAM = "an event is one value";

const MISSING: Readonly<Record<string, string>> = {
  "now/0": NO_CLOCK,
  "localtime/0": NO_CLOCK,
  "strflocaltime/1": NO_CLOCK,
  "input/0": NO_INPUT,
  "inputs/0": NO_INPUT,
  "input_filename/0": NO_INPUT,
  "input_line_number/0": NO_INPUT,
  "env/0": NO_WORLD,
  "halt/0": NO_WORLD,
  "halt_error/0": NO_WORLD,
  "halt_error/1": NO_WORLD,
  "get_search_list/0": NO_WORLD,
  "modulemeta/0": NO_WORLD,
  "tostream/0": NO_STREAM,
  "fromstream/1": NO_STREAM,
  "truncate_stream/1": NO_STREAM,
};

const NATIVES: ReadonlyMap<string, Native> = new Map(
  Object.entries({ ...CONTROL, ...LISTS, ...NUMBERS, ...TEXTS, ...REGEXES, ...DATES }),
);

let prelude: Map<string, Definition> | undefined;

/** Parsed at the first use: most programs need none of it. */
function definitions(): Map<string, Definition> {
  return prelude ??= new Map(
    parseDefinitions(PRELUDE).map((one) => [`${one.name}/${one.params.length}`, one]),
  );
}

/** The function, `undefined` if jq has none of this name and number of arguments. */
export function builtin(name: string, arity: number): Builtin | undefined {
  const key = `${name}/${arity}`;
  const make = NATIVES.get(key);
  if (make !== undefined) return { kind: "native", make };
  const definition = definitions().get(key);
  if (definition !== undefined) return { kind: "prelude", definition };
  const why = Object.hasOwn(MISSING, key) ? MISSING[key] : undefined;
  return why === undefined ? undefined : { kind: "missing", why };
}
