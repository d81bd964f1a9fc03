/**
 * JSONPath, RFC 9535.
 *
 * `json-p3` passes all 703 tests of the standard's compliance suite and compiles a path once;
 * `jsonpath-rfc9535` fails 41, such as three conditions joined by `&&`, and parses the path for each
 * event. See docs/benchmarks.md. What the package leaves open is done here: bounds, regular
 * expressions in linear time, integers beyond 2^53.
 */
import {
  FunctionExpressionType,
  JSONPathEnvironment,
  JSONPathError,
  type JSONPathQuery,
  type JSONValue,
} from "json-p3";
import { isObject, type Value } from "../../event/value.ts";
import { FilterError } from "./errors.ts";
import { regexTest } from "./i_regexp.ts";

/** Values nested deeper are not looked at by `..`. */
const MAX_DEPTH = 512;
/** Nodes of one event. */
const MAX_NODES = 10_000;
/** Values that one event may make a path look at: some tenths of a second. */
const MAX_VISITS = 5_000_000;

/** A path that is ready to meet values. */
export interface JsonPath {
  /**
   * Calls `emit` with each value the path leads to, in the order of the standard.
   *
   * @throws {FilterError} `FILTER_LIMIT`; what was emitted before stands.
   */
  run(root: Value, emit: (found: Value) => void): void;
}

const environment = new JSONPathEnvironment({ maxRecursionDepth: MAX_DEPTH });
for (const name of ["match", "search"] as const) {
  environment.functionRegister.set(name, {
    argTypes: [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType],
    returnType: FunctionExpressionType.LogicalType,
    call: (text: unknown, pattern: unknown) =>
      typeof text === "string" && typeof pattern === "string" &&
      regexTest(pattern, name === "match")(text),
  });
}

/**
 * Compiles a path.
 *
 * @throws {FilterError} `FILTER_SYNTAX`; its message does not repeat the path.
 */
export function compileJsonPath(path: string): JsonPath {
  const query = parse(path);
  const cost = costOf(path);
  // Only conditions look at numbers; the question mark may be in a name, which does no harm.
  const compares = path.includes("?");
  return {
    run(root, emit) {
      if (cost !== undefined) checkCost(root, cost);
      const rounded = compares && hasBigint(root, 0) ? withoutBigints(root, 0) : root;
      let found = 0;
      try {
        for (const node of query.lazyQuery(rounded as JSONValue)) {
          if (++found > MAX_NODES) throw limit(`more than ${MAX_NODES} outputs of one event`);
          emit(rounded === root ? node.value as Value : at(root, node.location));
        }
      } catch (error) {
        // The package's bound on depth, or the engine's that runs us.
        if (error instanceof JSONPathError || error instanceof RangeError) {
          throw limit("the event nests too deeply");
        }
        throw error;
      }
    },
  };
}

function parse(path: string): JSONPathQuery {
  try {
    return environment.compile(path);
  } catch (error) {
    if (!(error instanceof JSONPathError)) throw error;
    const { index } = error.token;
    // The package repeats the path and the place behind its message.
    const message = error.message.replace(/ \('[\s\S]*':\d+\)$/, "");
    throw new FilterError("FILTER_SYNTAX", message, index, { cause: error });
  }
}

function limit(what: string): FilterError {
  return new FilterError("FILTER_LIMIT", `too much: ${what}`);
}

/** How often an expression looks at all of an event again for each of its values. */
interface Cost {
  /** Queries in conditions that begin at the root and lead to many values. */
  readonly absolute: number;
  /** Descents in conditions. */
  readonly descents: number;
}

const TEXT = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/g;
const ONE_VALUE = /\$(?:\.[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*|\[(?:''|-?\d+)\])*(?!\s*[.[])/g;

/** `undefined` for what takes time in proportion to the event, as nearly every path does. */
function costOf(path: string): Cost | undefined {
  const bare = path.replace(TEXT, "''");
  const condition = bare.indexOf("?");
  if (condition < 0) return undefined;
  const conditions = bare.slice(condition).replace(ONE_VALUE, "");
  const absolute = conditions.split("$").length - 1;
  const descents = conditions.split("..").length - 1;
  return absolute + descents === 0 ? undefined : { absolute, descents };
}

function checkCost(root: Value, { absolute, descents }: Cost): void {
  const { values, depth } = measure(root);
  if (values ** (absolute + 1) * depth ** descents > MAX_VISITS) {
    throw limit(`more than ${MAX_VISITS} steps for one event`);
  }
}

function measure(root: Value): { readonly values: number; readonly depth: number } {
  let values = 0;
  let depth = 0;
  for (let level: Value[] = [root]; level.length > 0; depth++) {
    values += level.length;
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null ? Object.values(value) as Value[] : []
    );
  }
  return { values, depth };
}

function hasBigint(value: Value, depth: number): boolean {
  if (typeof value === "bigint") return true;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return false;
  const members = value as Readonly<Record<string, Value>>;
  for (const key in members) if (hasBigint(members[key]!, depth + 1)) return true;
  return false;
}

/** The package compares numbers only; `root` itself if there is nothing to round. */
function withoutBigints(value: Value, depth: number): Value {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  const members = Object.values(value) as Value[];
  const rounded = members.map((member) => withoutBigints(member, depth + 1));
  if (rounded.every((member, place) => member === members[place])) return value;
  if (!isObject(value)) return rounded;
  return Object.fromEntries(Object.keys(value).map((key, place) => [key, rounded[place]!]));
}

function at(root: Value, location: readonly (string | number)[]): Value {
  let value = root;
  for (const key of location) value = (value as Readonly<Record<string | number, Value>>)[key]!;
  return value;
}
