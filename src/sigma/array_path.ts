/**
 * Array selectors in a field path: `connections[any].ip`.
 *
 * @see sigma-rules.md, sections 9.3 and 17.1
 */
import { RuleError } from "./problems.ts";
import type { ArrayQuantifier } from "./rule.ts";

/** A field path cut at its first quantified segment. */
export interface ArrayPath {
  /** Up to and with that segment, without the quantifier; the whole path when there is none. */
  readonly field: string;
  readonly quantifier: ArrayQuantifier | undefined;
  /** Behind that segment; empty when nothing follows. */
  readonly rest: string;
  /** Whether a segment names a position, as `args[0]` does. */
  readonly indexed: boolean;
}

const QUANTIFIERS: readonly ArrayQuantifier[] = ["any", "all", "all_or_empty", "none"];
const POSITION = /^[+-]?\d+$/;

/**
 * Takes a field of a rule with `sigma-version: 3` apart.
 *
 * @throws {RuleError} `array_selector`.
 */
export function parseArrayPath(path: string, at: number): ArrayPath {
  if (!path.includes("[")) return { field: path, quantifier: undefined, rest: "", indexed: false };
  const segments = path.split(".");
  const kept: string[] = [];
  let indexed = false;
  for (const [index, segment] of segments.entries()) {
    const selector = readSelector(segment, path, at);
    if (selector === undefined) {
      kept.push(segment);
    } else if (typeof selector.token === "number") {
      // Lookups know no plus sign.
      kept.push(`${selector.name}[${selector.token}]`);
      indexed = true;
    } else {
      const field = [...kept, selector.name].join(".");
      const rest = segments.slice(index + 1).join(".");
      return { field, quantifier: selector.token, rest, indexed };
    }
  }
  return { field: kept.join("."), quantifier: undefined, rest: "", indexed };
}

function readSelector(
  segment: string,
  path: string,
  at: number,
): { name: string; token: ArrayQuantifier | number } | undefined {
  const open = unescapedBracket(segment);
  const closed = segment.endsWith("]") && !segment.endsWith("\\]");
  if (open < 0 || !closed) return undefined;
  const name = segment.slice(0, open);
  const token = segment.slice(open + 1, -1);
  const fail = (detail: string): never => {
    const message = `Invalid field specification: ${detail} in '${path}'`;
    throw new RuleError("array_selector", message, at, path);
  };
  if (name === "") fail(`selector '[${token}]' has no field name before it`);
  if (/(?<!\\)[[\]]/.test(token)) fail(`two selectors on one segment '${segment}'`);
  const quantifier = QUANTIFIERS.find((known) => known === token);
  if (quantifier !== undefined) return { name, token: quantifier };
  const position = POSITION.test(token) ? Number(token) + 0 : NaN;
  if (Number.isSafeInteger(position)) return { name, token: position };
  const message = `unknown array selector '[${token}]'; use any, all, all_or_empty, none or a ` +
    "position, or write \\[ and \\] for brackets that belong to the name,";
  return fail(message);
}

function unescapedBracket(segment: string): number {
  return segment.startsWith("[") ? 0 : segment.search(/(?<!\\)\[/);
}
