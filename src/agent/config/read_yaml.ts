/**
 * YAML files as configuration trees with positions.
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  parseDocument,
} from "yaml";
import { ConfigError, type ConfigProblem } from "./problems.ts";
import type { ConfigNode, MapEntry, Origin } from "./tree.ts";

/** A configuration is not larger; a hostile one must not choose how long we read. */
const MAX_FILE_BYTES = 1 << 20;
/** Deeper ones are mistakes; the deepest that the schema knows has 6 levels. */
const MAX_DEPTH = 32;
/** Nodes with those that aliases stand for. */
const MAX_NODES = 100_000;

/** What a file says, and what is odd about it. */
export interface YamlFile {
  /** `undefined` if it says nothing. */
  readonly root: ConfigNode | undefined;
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Reads a configuration file.
 *
 * @throws {ConfigError} `CONFIG_READ` or `CONFIG_SYNTAX`.
 */
export function readYamlFile(file: string, layer: number): YamlFile {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw fileError("CONFIG_READ", file, `could not read config ${file}: ${reason}`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw fileError("CONFIG_SYNTAX", file, "the file is not UTF-8 text");
  }
  return readYaml(text, file, layer);
}

function fileError(code: ConfigError["code"], file: string, message: string): ConfigError {
  const origin: Origin = { kind: "file", file, line: 0, column: 0 };
  return new ConfigError(code, [{ severity: "error", path: "", message, origin }]);
}

/**
 * Reads the first document of a YAML text.
 *
 * @param file Names it in errors.
 * @throws {ConfigError} `CONFIG_SYNTAX`; nothing else, and in time that grows with the text.
 */
export function readYaml(text: string, file: string, layer: number): YamlFile {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    throw fileError("CONFIG_SYNTAX", file, `the file is larger than ${MAX_FILE_BYTES} bytes`);
  }
  const lines = new LineCounter();
  const at = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { kind: "file", file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    // Keys are compared below: the package compares each with each, which is quadratic.
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: "silent",
    });
    const document = Array.isArray(documents) ? documents[0] : undefined;
    if (document === undefined) return { root: undefined, warnings: [] };
    if (document.errors.length > 0) {
      throw new ConfigError(
        "CONFIG_SYNTAX",
        document.errors.slice(0, 10).map(({ message, pos }) => ({
          severity: "error",
          path: "",
          message: `not valid YAML: ${message}`,
          origin: at(pos[0]),
        })),
      );
    }
    const reader = new NodeReader(layer, at);
    const root = document.contents === null ? undefined : reader.read(document.contents, 0);
    const second = Array.isArray(documents) ? documents[1] : undefined;
    return {
      root: checkRoot(root, file),
      warnings: second === undefined ? [] : [{
        severity: "warning",
        path: "",
        message: "only the first YAML document is read",
        origin: at(second.range[0]),
      }],
    };
  } catch (error) {
    // The package composes recursively.
    if (error instanceof RangeError) {
      throw fileError("CONFIG_SYNTAX", file, `nested deeper than ${MAX_DEPTH} levels`);
    }
    throw error;
  }
}

/**
 * The value of an environment variable: YAML, or the text itself where that is none.
 *
 * @see daemon.md, section 11.2
 */
export function readYamlValue(text: string, origin: Origin, layer: number): ConfigNode {
  const plain: ConfigNode = { kind: "scalar", value: text, origin, layer };
  if (text.length > MAX_FILE_BYTES) return plain;
  try {
    const document = parseDocument(text, {
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: "silent",
    });
    if (document.errors.length > 0) return plain;
    if (document.contents === null) return { ...plain, value: null };
    return new NodeReader(layer, () => origin).read(document.contents, 0);
  } catch (error) {
    if (error instanceof RangeError || error instanceof ConfigError) return plain;
    throw error;
  }
}

function checkRoot(root: ConfigNode | undefined, file: string): ConfigNode | undefined {
  if (root === undefined || root.kind === "map") return root;
  if (root.kind === "scalar" && root.value === null) return undefined;
  const found = root.kind === "list" ? "a list" : "a single value";
  throw new ConfigError("CONFIG_SYNTAX", [{
    severity: "error",
    path: "",
    message: `could not parse config ${file}: the top level must be a mapping of sections ` +
      `(api:, rules:, sources:, …), not ${found}`,
    origin: root.origin,
  }]);
}

/** Converts nodes of the package into ours. */
class NodeReader {
  readonly #layer: number;
  readonly #at: (offset: number) => Origin;
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;

  constructor(layer: number, at: (offset: number) => Origin) {
    this.#layer = layer;
    this.#at = at;
  }

  read(node: unknown, depth: number, fallback = 0): ConfigNode {
    const origin = this.#at((node as { range?: readonly number[] } | null)?.range?.[0] ?? fallback);
    const common = { origin, layer: this.#layer };
    if (depth > MAX_DEPTH) throw syntax(`nested deeper than ${MAX_DEPTH} levels`, origin);
    if (++this.#nodes > MAX_NODES) throw syntax(`more than ${MAX_NODES} values`, origin);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) {
        throw syntax(`alias *${node.source} has no anchor before it`, origin);
      }
      return this.read(target, depth + 1);
    }
    const { anchor } = (node ?? {}) as { anchor?: string };
    if (isMap(node)) {
      const entries = new Map<string, MapEntry>();
      for (const pair of node.items) this.#readPair(pair, entries, depth, origin);
      if (anchor !== undefined) this.#anchors.set(anchor, node);
      return { ...common, kind: "map", entries };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item, depth + 1, node.range?.[0]));
      if (anchor !== undefined) this.#anchors.set(anchor, node);
      return { ...common, kind: "list", items };
    }
    if (anchor !== undefined && isScalar(node)) this.#anchors.set(anchor, node);
    return { ...common, kind: "scalar", value: isScalar(node) ? scalarValue(node.value) : null };
  }

  #readPair(pair: Pair, entries: Map<string, MapEntry>, depth: number, parent: Origin): void {
    const range = (pair.key as Node | null)?.range;
    const keyOrigin = range == null ? parent : this.#at(range[0]);
    if (!isScalar(pair.key)) throw syntax("a key must be plain text", keyOrigin);
    const key = String(pair.key.value);
    if (entries.has(key)) throw syntax(`key '${key}' is there twice`, keyOrigin);
    // It would set the prototype of the plain object that is made of this.
    if (key === "__proto__") throw syntax("key '__proto__' is not allowed", keyOrigin);
    entries.set(key, { keyOrigin, node: this.read(pair.value, depth + 1, range?.[1]) });
  }
}

/** Dates and binary values do not occur in the core schema; what else there may be is text. */
function scalarValue(value: unknown): string | number | boolean | null {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return value;
    default:
      return value === null || value === undefined ? null : String(value);
  }
}

function syntax(message: string, origin: Origin): ConfigError {
  return new ConfigError("CONFIG_SYNTAX", [{ severity: "error", path: "", message, origin }]);
}
