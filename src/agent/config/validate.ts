/**
 * Checks a configuration tree against the schema and says in words what is wrong, and where.
 */
import type { z } from "zod";
import { nearest } from "../../sigma/suggest.ts";
import type { ConfigProblem } from "./problems.ts";
import { isMapping, knownKeys, leafKind, placesOf, schemaAt } from "./schema_walk.ts";
import {
  type ConfigNode,
  type ConfigValue,
  type KeyPath,
  nearestNode,
  nodeAt,
  pathText,
  plainOf,
} from "./tree.ts";

export type Checked<T> =
  | { readonly data: T; readonly problems: readonly [] }
  | { readonly data: undefined; readonly problems: readonly ConfigProblem[] };

/** More problems than this help nobody. */
const MAX_PROBLEMS = 100;

/** The configuration with defaults, or everything that is wrong with it. */
export function validate<T>(schema: z.ZodType<T>, root: ConfigNode): Checked<T> {
  const value = plainOf(root);
  const result = schema.safeParse(value);
  if (result.success) return { data: result.data, problems: [] };
  const telling = new Telling(schema, root, value);
  const problems: ConfigProblem[] = [];
  for (const issue of result.error.issues) {
    problems.push(...telling.tell(issue));
    if (problems.length >= MAX_PROBLEMS) break;
  }
  return { data: undefined, problems: withoutRepeats(problems) };
}

/** Several checks of one leaf may say the same. */
function withoutRepeats(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ path, message }) => {
    const key = `${path}\n${message}`;
    return !seen.has(key) && seen.add(key);
  });
}

class Telling {
  readonly #schema: z.ZodType;
  readonly #root: ConfigNode;
  readonly #value: ConfigValue;

  constructor(schema: z.ZodType, root: ConfigNode, value: ConfigValue) {
    this.#schema = schema;
    this.#root = root;
    this.#value = value;
  }

  tell(issue: z.core.$ZodIssue): ConfigProblem[] {
    const path = issue.path.filter((step) => typeof step !== "symbol");
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, MAX_PROBLEMS).map((key) => this.#unknownKey([...path, key], key));
    }
    const node = nearestNode(this.#root, path);
    const written = valueAt(this.#value, path);
    const suggestion = this.#suggest(issue, path, written);
    return [{
      severity: "error",
      path: node.writtenAs ?? pathText(path),
      message: this.#message(issue, written),
      ...(suggestion === undefined ? {} : { suggestion }),
      origin: node.origin,
    }];
  }

  #unknownKey(path: KeyPath, key: string): ConfigProblem {
    const parent = path.slice(0, -1);
    const known = knownKeys(this.#schema, this.#value, parent);
    const owner = nodeAt(this.#root, parent);
    const entry = owner?.kind === "map" ? owner.entries.get(key) : undefined;
    const common = {
      severity: "error",
      path: entry?.node.writtenAs ?? pathText(path),
      origin: entry?.keyOrigin ?? nearestNode(this.#root, parent).origin,
    } as const;
    const secret = secretNames(key, known);
    if (secret.length > 0) {
      return {
        ...common,
        message: "secrets are not written into the configuration",
        suggestion: `name a variable or a file: ${secret.join(" or ")}`,
      };
    }
    const snake = key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll("-", "_").toLowerCase();
    const near = nearest(key, known) ?? nearest(snake, known);
    // A key inside a source or sink was not meant for a section.
    const isMember = parent.some((step) => typeof step === "number");
    const elsewhere = near === undefined && !isMember ? placesOf(this.#schema, snake) : [];
    const suggestion = near !== undefined
      ? `did you mean '${near}'?`
      : elsewhere.length > 0
      ? `there is ${elsewhere.map((place) => `'${place}'`).join(" and ")}`
      : known.length > 0 && known.length <= 12
      ? `known here: ${known.join(", ")}`
      : undefined;
    return {
      ...common,
      message: "unknown key",
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  }

  #message(issue: z.core.$ZodIssue, written: ConfigValue | undefined): string {
    switch (issue.code) {
      case "invalid_type":
        if (written === undefined) return "is missing";
        // A leaf with an error text of its own knows better than the general one.
        return isOwnText(issue.message)
          ? issue.message
          : `must be ${typeName(issue.expected)}, not ${describe(written)}`;
      case "invalid_value":
        return isOwnText(issue.message)
          ? issue.message
          : `must be ${oneOf(issue.values.map(String))}`;
      case "too_small":
        if (isOwnText(issue.message)) return issue.message;
        return `must be at least ${issue.minimum}${unitOf(issue.origin)}`;
      case "too_big":
        if (isOwnText(issue.message)) return issue.message;
        return `must be at most ${issue.maximum}${unitOf(issue.origin)}`;
      case "invalid_union": {
        const options = "options" in issue && Array.isArray(issue.options)
          ? issue.options.map(String)
          : [];
        if (options.length > 0) {
          return written === undefined
            ? `is missing: ${oneOf(options)}`
            : `must be ${oneOf(options)}`;
        }
        return isOwnText(issue.message) ? issue.message : `cannot be ${describe(written)}`;
      }
      case "invalid_key":
        return `name ${issue.issues[0]?.message ?? "is not allowed"}`;
      case "invalid_format":
        return isOwnText(issue.message) ? issue.message : `must be ${issue.format}`;
      case "unrecognized_keys":
      case "not_multiple_of":
      case "invalid_element":
      case "custom":
        return issue.message;
    }
  }

  #suggest(
    issue: z.core.$ZodIssue,
    path: KeyPath,
    written: ConfigValue | undefined,
  ): string | undefined {
    const options = issue.code === "invalid_value"
      ? issue.values
      : issue.code === "invalid_union" && "options" in issue && Array.isArray(issue.options)
      ? issue.options
      : undefined;
    if (options !== undefined && typeof written === "string") {
      const near = nearest(written, options.map(String));
      return near === undefined ? undefined : `did you mean '${near}'?`;
    }
    const kind = leafKind(schemaAt(this.#schema, this.#value, path));
    if (kind === "duration" && isBareNumber(written)) {
      return `write ${written}s or ${written}ms`;
    }
    if (kind === "size" && typeof written === "string") return nearSize(written);
    if (issue.code !== "invalid_type" || written === undefined) return undefined;
    if (issue.expected === "array" && !Array.isArray(written)) return "put it into [ ]";
    if (issue.expected === "string" && !isMapping(written) && !Array.isArray(written)) {
      return `write "${String(written)}" with quotes`;
    }
    if (issue.expected === "boolean" && typeof written === "string") {
      if (/^(?:yes|on)$/i.test(written)) return "write true";
      if (/^(?:no|off)$/i.test(written)) return "write false";
    }
    return undefined;
  }
}

function isBareNumber(written: ConfigValue | undefined): boolean {
  return typeof written === "number" ||
    (typeof written === "string" && /^[0-9]{1,15}$/.test(written));
}

/** `512M` is meant to be `512MiB`. */
function nearSize(written: string): string | undefined {
  const match = /^([0-9]{1,15}) ?([kmgt])b?$/i.exec(written);
  if (match === null) return undefined;
  const unit = match[2]!.toUpperCase();
  return `write ${match[1]}${unit === "K" ? "K" : unit}iB`;
}

/** Keys that sound as if a secret stood behind them. */
const SECRET_WORD = /^(?:password|passwd|pass|secret|token|bearer|api_?key|credentials?)$/i;

function secretNames(key: string, known: readonly string[]): readonly string[] {
  const base = key === "nkey" || key === "seed" ? "nkey_seed" : key;
  const own = [`${base}_env`, `${base}_file`].filter((name) => known.includes(name));
  if (own.length > 0 || !SECRET_WORD.test(key)) return own;
  return known.filter((name) => /^(?!jwt|creds).*_(?:env|file)$/.test(name));
}

/** The package's own texts begin like this; ours do not. */
function isOwnText(message: string): boolean {
  return !/^(?:Invalid|Too (?:small|big)|Unrecognized|Expected)/.test(message);
}

function typeName(expected: string): string {
  switch (expected) {
    case "object":
    case "record":
      return "a mapping";
    case "array":
      return "a list";
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "int":
      return "a whole number";
    case "number":
      return "a number";
    default:
      return expected;
  }
}

/** Says what is there without repeating it: it may be a secret in the wrong place. */
function describe(written: ConfigValue | undefined): string {
  if (written === undefined) return "missing";
  if (written === null) return "nothing";
  if (Array.isArray(written)) return "a list";
  switch (typeof written) {
    case "string":
      return "text";
    case "number":
      return Number.isInteger(written) ? "a number" : "a fraction";
    case "boolean":
      return "true or false";
    default:
      return "a mapping";
  }
}

function oneOf(options: readonly string[]): string {
  if (options.length === 1) return options[0]!;
  return `${options.slice(0, -1).join(", ")} or ${options.at(-1)}`;
}

function unitOf(origin: string): string {
  switch (origin) {
    case "string":
      return " characters long";
    case "array":
      return " in number";
    default:
      return "";
  }
}

export function valueAt(value: ConfigValue, path: KeyPath): ConfigValue | undefined {
  let here: ConfigValue | undefined = value;
  for (const step of path) {
    if (Array.isArray(here)) here = typeof step === "number" ? here[step] : undefined;
    else here = isMapping(here) ? here[String(step)] : undefined;
  }
  return here;
}
