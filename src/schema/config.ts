/**
 * Schema files: signatures of one's own, and which rules events of a schema meet.
 *
 * Keys inside predicates are checked strictly, since a misspelt one would change what is classified;
 * others that are not known are told of and ignored.
 *
 * @see inputs.md, sections 13.1 and 14.1
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import type { SchemaLogsource, Signature } from "./builtin.ts";
import { SchemaError, type SchemaProblem } from "./errors.ts";
import {
  type CompilePattern,
  type PredicatePlace,
  readPredicate,
  scalarSource,
} from "./read_predicate.ts";

/** What becomes of events of no schema; `warn` evaluates them and says so. */
export const UNKNOWN_POLICIES = ["warn", "drop", "passthrough", "error"] as const;
export type UnknownPolicy = typeof UNKNOWN_POLICIES[number];

/** Rules for the events of one schema. */
export interface SchemaBinding {
  readonly schema: string;
  /** Names or paths, in their order. */
  readonly pipelines: readonly string[];
  /** In place of what the schema implies. */
  readonly logsource?: SchemaLogsource;
  readonly line: number;
}

/** Which rules events meet. */
export interface RoutingConfig {
  /** `undefined` if the file does not say: a flag or the default does. */
  readonly onUnknown: UnknownPolicy | undefined;
  /** For events without a binding. */
  readonly defaultPipelines: readonly string[];
  readonly aliases: ReadonlyMap<string, string>;
  /** Where each alias stands. */
  readonly aliasLines: ReadonlyMap<string, number>;
  readonly bindings: readonly SchemaBinding[];
}

/** A signature of a schema file. */
export interface OwnSignature extends Signature {
  readonly line: number;
}

/** What a schema file says. */
export interface SchemaConfig {
  readonly signatures: readonly OwnSignature[];
  readonly routing: RoutingConfig;
  /** Keys that mean nothing. */
  readonly warnings: readonly SchemaProblem[];
}

/** What holds without a file. */
export const NO_SCHEMA_CONFIG: SchemaConfig = {
  signatures: [],
  routing: {
    onUnknown: undefined,
    defaultPipelines: [],
    aliases: new Map(),
    aliasLines: new Map(),
    bindings: [],
  },
  warnings: [],
};

/** Longer files are not schema files. */
export const MAX_SCHEMA_FILE_CHARACTERS = 4 << 20;
const DEFAULT_SPECIFICITY = 50;
const MAX_SPECIFICITY = 0xffff_ffff;

/**
 * Reads a schema file.
 *
 * @param path For messages only.
 * @throws {SchemaError} `SCHEMA_YAML` if `text` is not YAML, `SCHEMA_INVALID` if it says something
 *   that is not understood; `problems` has all of it.
 */
export function parseSchemaConfig(
  text: string,
  path: string,
  compilePattern: CompilePattern,
): SchemaConfig {
  if (text.length > MAX_SCHEMA_FILE_CHARACTERS) {
    throw new SchemaError("SCHEMA_YAML", path, [{ line: undefined, message: "it is too large" }]);
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const lineOf = (node: Node | null | undefined): number =>
    lineCounter.linePos(node?.range?.[0] ?? 0).line || 1;
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => ({
      line: lineCounter.linePos(pos[0]).line,
      message: `it is not YAML: ${message}`,
    }));
    throw new SchemaError("SCHEMA_YAML", path, problems);
  }
  const reader = new Reader(lineOf, compilePattern);
  const config = reader.config(document.contents);
  if (reader.problems.length > 0) throw new SchemaError("SCHEMA_INVALID", path, reader.problems);
  return config;
}

class Reader implements PredicatePlace {
  readonly problems: SchemaProblem[] = [];
  readonly lineOf: (node: Node | null | undefined) => number;
  readonly compilePattern: CompilePattern;
  readonly #warnings: SchemaProblem[] = [];
  schema = "";

  constructor(lineOf: PredicatePlace["lineOf"], compilePattern: CompilePattern) {
    this.lineOf = lineOf;
    this.compilePattern = compilePattern;
  }

  fail(node: Node | null | undefined, message: string): undefined {
    this.problems.push({ line: this.lineOf(node), message });
    return undefined;
  }

  config(root: Node | null): SchemaConfig {
    if (root === null || (isScalar(root) && root.value === null)) return NO_SCHEMA_CONFIG;
    if (!isMap(root)) {
      this.fail(root, "a schema file has the keys 'schemas' and 'routing'");
      return NO_SCHEMA_CONFIG;
    }
    const map = root as YAMLMap<Node, Node | null>;
    this.#warnUnknown(map, ["schemas", "routing"], "");
    const signatures = this.#list(member(map, "schemas"), "schemas")
      .map((node) => this.#signature(node))
      .filter((one) => one !== undefined);
    return { signatures, routing: this.#routing(member(map, "routing")), warnings: this.#warnings };
  }

  #signature(node: Node | null): OwnSignature | undefined {
    if (!isMap(node)) return this.fail(node, "a schema has the keys 'name' and 'match'");
    const map = node as YAMLMap<Node, Node | null>;
    this.#warnUnknown(map, ["name", "specificity", "match"], "schemas: ");
    const name = this.#text(member(map, "name"), "name", node);
    if (name === undefined) return undefined;
    this.schema = name;
    const match = member(map, "match");
    if (match === undefined) return this.fail(node, `schema '${name}' has no 'match'`);
    const list = this.#list(match, "match");
    if (list.length === 0) {
      return this.fail(match, `schema '${name}' matches everything: 'match' is empty`);
    }
    const predicates = list.map((one) => readPredicate(one, this));
    const specificity = this.#specificity(member(map, "specificity"));
    if (specificity === undefined || predicates.includes(undefined)) return undefined;
    return {
      name,
      specificity,
      predicates: predicates.filter((one) => one !== undefined),
      isOwn: true,
      line: this.lineOf(node),
    };
  }

  #specificity(node: Node | null | undefined): number | undefined {
    if (isUnset(node)) return DEFAULT_SPECIFICITY;
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (
      typeof value === "number" && Number.isInteger(value) && value >= 0 &&
      value <= MAX_SPECIFICITY
    ) return value;
    return this.fail(node, `specificity of schema '${this.schema}' must be a whole number from 0`);
  }

  #routing(node: Node | null | undefined): RoutingConfig {
    const none = NO_SCHEMA_CONFIG.routing;
    if (isUnset(node)) return none;
    if (!isMap(node)) {
      this.fail(node, "'routing' must have keys");
      return none;
    }
    const map = node as YAMLMap<Node, Node | null>;
    this.#warnUnknown(map, ["on_unknown", "default_pipelines", "aliases", "bindings"], "routing: ");
    const aliases = new Map<string, string>();
    const aliasLines = new Map<string, number>();
    for (const [key, value] of this.#entries(member(map, "aliases"), "aliases")) {
      const canonical = this.#text(value, "aliases", value);
      if (canonical === undefined) continue;
      aliases.set(key, canonical);
      aliasLines.set(key, this.lineOf(value));
    }
    return {
      onUnknown: this.#policy(member(map, "on_unknown")),
      defaultPipelines: this.#texts(member(map, "default_pipelines"), "default_pipelines"),
      aliases,
      aliasLines,
      bindings: this.#list(member(map, "bindings"), "bindings")
        .map((one) => this.#binding(one)).filter((one) => one !== undefined),
    };
  }

  #policy(node: Node | null | undefined): UnknownPolicy | undefined {
    if (isUnset(node)) return undefined;
    const value: unknown = isScalar(node) ? node.value : undefined;
    const policy = UNKNOWN_POLICIES.find((one) => one === value);
    return policy ??
      this.fail(node, `'on_unknown' must be one of ${UNKNOWN_POLICIES.join(", ")}`);
  }

  #binding(node: Node | null): SchemaBinding | undefined {
    if (!isMap(node)) return this.fail(node, "a binding has the keys 'schema' and 'pipelines'");
    const map = node as YAMLMap<Node, Node | null>;
    this.#warnUnknown(map, ["schema", "pipelines", "logsource"], "bindings: ");
    const schema = this.#text(member(map, "schema"), "schema", node);
    const pipelines = this.#texts(member(map, "pipelines"), "pipelines");
    const logsource = this.#logsource(member(map, "logsource"));
    if (schema === undefined) return undefined;
    return {
      schema,
      pipelines,
      ...(logsource === undefined ? {} : { logsource }),
      line: this.lineOf(node),
    };
  }

  #logsource(node: Node | null | undefined): SchemaLogsource | undefined {
    if (isUnset(node)) return undefined;
    const custom: Record<string, string> = {};
    const told: { product?: string; service?: string; category?: string } = {};
    // A blank value says nothing.
    const nameIn = (value: Node | null, key: string): string | undefined => {
      const text = isUnset(value) ? "" : scalarSource(value);
      if (text === undefined) return this.fail(value, `'${key}' must be a text`);
      return text.trim().toLowerCase() || undefined;
    };
    for (const [key, value] of this.#entries(node, "logsource")) {
      if (key === "product" || key === "service" || key === "category") {
        const name = nameIn(value, key);
        if (name !== undefined) told[key] = name;
      } else if (key === "custom") {
        for (const [dimension, one] of this.#entries(value, "custom")) {
          const name = nameIn(one, dimension);
          if (name !== undefined) custom[dimension] = name;
        }
      } else {
        this.#warnings.push({
          line: this.lineOf(value),
          message: `logsource: '${key}' is not known and is ignored`,
        });
      }
    }
    return Object.keys(custom).length === 0 ? told : { ...told, custom };
  }

  #text(
    node: Node | null | undefined,
    key: string,
    place: Node | null | undefined,
  ): string | undefined {
    const text = scalarSource(node);
    if (text !== undefined && text.trim() !== "") return text;
    return this.fail(node ?? place, `'${key}' must be a text`);
  }

  #texts(node: Node | null | undefined, key: string): readonly string[] {
    return this.#list(node, key).map((one) => this.#text(one, key, node))
      .filter((one) => one !== undefined);
  }

  #list(node: Node | null | undefined, key: string): readonly (Node | null)[] {
    if (isUnset(node)) return [];
    if (isSeq(node)) return node.items as readonly (Node | null)[];
    this.fail(node, `'${key}' must be a list`);
    return [];
  }

  #entries(
    node: Node | null | undefined,
    key: string,
  ): readonly (readonly [string, Node | null])[] {
    if (isUnset(node)) return [];
    if (!isMap(node)) {
      this.fail(node, `'${key}' must have keys`);
      return [];
    }
    return node.items.map(({ key: name, value }) =>
      [scalarSource(name as Node) ?? "", value as Node | null] as const
    );
  }

  #warnUnknown(map: YAMLMap<Node, Node | null>, known: readonly string[], where: string): void {
    for (const { key } of map.items) {
      const name = scalarSource(key) ?? "";
      if (known.includes(name)) continue;
      this.#warnings.push({
        line: this.lineOf(key),
        message: `${where}'${name}' is not known and is ignored`,
      });
    }
  }
}

function member(map: YAMLMap<Node, Node | null>, key: string): Node | null | undefined {
  return map.get(key, true) as Node | null | undefined;
}

function isUnset(node: Node | null | undefined): node is null | undefined {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}
