/**
 * YAML text to a small tree with positions, typed as Sigma wants it.
 *
 * The `yaml` package reads the syntax; typing is ours, because it must keep integers exact and must
 * not guess (`0123` is text, `yes` is text, a date is text). Documents come one by one, so that
 * those before a syntax error are still read.
 *
 * @see sigma-rules.md, section 3
 */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  Schema,
} from "yaml";
import { numberText } from "../event/value.ts";
import type { RuleLimits } from "./limits.ts";
import { RuleError } from "./problems.ts";
import type { Position } from "./rule.ts";

/** `at` is the offset of the node in the file, in UTF-16 units. */
export type YamlNode =
  /** `inset` is how far behind `at` the text begins when it stands on one line as written. */
  | { readonly kind: "string"; readonly at: number; readonly text: string; readonly inset?: number }
  /** `text` is the exact decimal text. */
  | { readonly kind: "integer"; readonly at: number; readonly text: string }
  | { readonly kind: "float"; readonly at: number; readonly text: string; readonly value: number }
  | { readonly kind: "boolean"; readonly at: number; readonly value: boolean }
  | { readonly kind: "null"; readonly at: number }
  | YamlList
  | YamlMap;

export interface YamlList {
  readonly kind: "list";
  readonly at: number;
  readonly items: readonly YamlNode[];
}

export interface YamlMap {
  readonly kind: "map";
  readonly at: number;
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  /** Whether the key was written as text; `4624:` and `true:` were not. */
  readonly isText: boolean;
  readonly at: number;
  readonly value: YamlNode;
}

export type YamlScalar = Exclude<YamlNode, YamlList | YamlMap>;

/** One document of a file, or why it could not be read. */
export type YamlDocument =
  | { readonly index: number; readonly at: number; readonly root: YamlNode | undefined }
  | {
    readonly index: number;
    readonly at: number;
    readonly error: RuleError;
    /** What was read nevertheless, to name the rule. */
    readonly root: YamlNode | undefined;
  };

/** The documents of a file, and where their nodes are. */
export interface YamlFile {
  readonly documents: Iterable<YamlDocument>;
  /** Line and column of an offset, both from 1. Good once the document was read. */
  position(at: number): Position;
}

// No schema resolves anything: every scalar arrives as text. One object serves every document.
const TEXT_ONLY = new Schema({ schema: "failsafe", resolveKnownTags: false });

/**
 * Reads the documents of `text` one at a time.
 *
 * Nothing is thrown: a document that is not YAML ends the file with an `error` whose code is
 * `yaml_syntax`, one that breaks a limit or our typing gives an `error` and the next is read.
 */
export function readYaml(text: string, limits: RuleLimits): YamlFile {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const lines = new LineCounter();
  return {
    documents: readDocuments(source, lines, limits),
    position(at) {
      const { line, col } = lines.linePos(Math.min(at, source.length));
      return line === 0 ? { line: 1, column: at + 1 } : { line, column: col };
    },
  };
}

function* readDocuments(
  text: string,
  lines: LineCounter,
  limits: RuleLimits,
): Generator<YamlDocument> {
  let index = 0;
  const documents = composeDocuments(text, lines);
  while (true) {
    let next: IteratorResult<Document.Parsed, void>;
    try {
      next = documents.next();
    } catch (error) {
      // The package composes recursively and does not catch every stack it exhausts.
      if (!(error instanceof RangeError)) throw error;
      yield { index, at: 0, root: undefined, error: tooDeep(0, limits) };
      return;
    }
    if (next.done) return;
    const document = next.value;
    const at = document.contents?.range[0] ?? document.range[0];
    if (index >= limits.documentsPerFile) {
      const message =
        `more than ${limits.documentsPerFile} YAML documents; the rest of the file is ` +
        "not read: split it";
      yield { index, at, root: undefined, error: new RuleError("too_many_documents", message, at) };
      return;
    }
    const syntax = document.errors[0];
    if (document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION")) {
      yield { index, at, root: undefined, error: tooDeep(at, limits) };
      return;
    }
    // What stands before the first node of a document is held against the document before it.
    const behind = syntax !== undefined &&
      /^---/m.test(text.slice(document.contents?.range[1], syntax.pos[0]));
    if (syntax === undefined || behind) {
      const reader = new NodeReader(limits);
      const root = reader.read(document.contents, 0);
      yield reader.error === undefined
        ? { index, at, root }
        : { index, at, root, error: reader.error };
      index++;
    }
    if (syntax !== undefined) {
      const message = `YAML parse error: ${syntax.message}; nothing behind it in this file is read`;
      const where = syntax.pos[0];
      yield { index, at, root: undefined, error: new RuleError("yaml_syntax", message, where) };
      return;
    }
  }
}

function* composeDocuments(text: string, lines: LineCounter): Generator<Document.Parsed, void> {
  // Keys are checked for repeats below: the package compares each with each, which is quadratic.
  const composer = new Composer({ schema: TEXT_ONLY, uniqueKeys: false, logLevel: "silent" });
  const parser = new Parser(lines.addNewLine);
  for (const token of parser.parse(text)) {
    yield* composer.next(token) as Generator<Document.Parsed>;
  }
  yield* composer.end(false) as Generator<Document.Parsed>;
}

function tooDeep(at: number, limits: RuleLimits): RuleError {
  const message = `collections nested deeper than ${limits.yamlDepth}; a Sigma rule needs far less`;
  return new RuleError("yaml_too_deep", message, at);
}

const YAML_TAG = "tag:yaml.org,2002:";

/** Converts one document's nodes, keeping the first thing that is wrong with them. */
class NodeReader {
  error: RuleError | undefined;
  readonly #limits: RuleLimits;
  readonly #anchors = new Map<string, { node: YamlNode | undefined; size: number }>();
  #nodes = 0;
  #aliased = 0;

  constructor(limits: RuleLimits) {
    this.#limits = limits;
  }

  read(node: Node | null, depth: number): YamlNode | undefined {
    if (node === null) return undefined;
    if (isAlias(node)) return this.#readAlias(node.source, node.range?.[0] ?? 0);
    const anchor = (node as { anchor?: string }).anchor;
    if (anchor === undefined) return this.#readOwn(node, depth);
    const before = this.#nodes + this.#aliased;
    this.#anchors.set(anchor, { node: undefined, size: 0 });
    const read = this.#readOwn(node, depth);
    this.#anchors.set(anchor, { node: read, size: this.#nodes + this.#aliased - before });
    return read;
  }

  #readAlias(name: string, at: number): YamlNode {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      return this.#fail("yaml_alias", `alias *${name} has no anchor before it`, at);
    }
    if (target.node === undefined) {
      return this.#fail("yaml_alias", `alias *${name} stands inside its own anchor`, at);
    }
    this.#aliased += target.size;
    if (this.#aliased > this.#limits.aliasNodes) {
      const message = `aliases stand for more than ${this.#limits.aliasNodes} nodes; write the ` +
        "values out or split the rule";
      return this.#fail("yaml_alias", message, at);
    }
    return target.node;
  }

  #readOwn(node: Node, depth: number): YamlNode {
    this.#nodes++;
    const at = node.range?.[0] ?? 0;
    if (depth > this.#limits.yamlDepth) {
      this.error ??= tooDeep(at, this.#limits);
      return { kind: "null", at };
    }
    if (isScalar(node)) return this.#readScalar(node, at);
    const tag = (node as { tag?: string }).tag;
    if (isSeq(node)) {
      this.#checkTag(tag, "seq", at);
      return { kind: "list", at, items: node.items.map((item) => this.#child(item, depth, at)) };
    }
    if (isMap(node)) {
      this.#checkTag(tag, "map", at);
      return { kind: "map", at, entries: this.#readEntries(node.items, depth, at) };
    }
    return this.#fail("yaml_type", "unreadable YAML node", at);
  }

  #child(node: unknown, depth: number, at: number): YamlNode {
    if (isPair(node)) return this.#fail("yaml_type", "a list entry cannot be a key", at);
    return this.read(node as Node | null, depth + 1) ?? { kind: "null", at };
  }

  #readEntries(
    pairs: readonly { key: unknown; value: unknown }[],
    depth: number,
    mapAt: number,
  ): YamlEntry[] {
    const seen = new Set<string>();
    return pairs.map(({ key, value }) => {
      const keyAt = (key as Node | null)?.range?.[0] ?? mapAt;
      const name = isScalar(key) ? this.#readScalar(key, keyAt) : undefined;
      if (name === undefined) this.#fail("yaml_key", "a key must be plain text", keyAt);
      const text = name === undefined ? "" : keyText(name);
      if (seen.has(text)) {
        const message = `duplicate key '${text}' in one mapping; remove one, or make its values ` +
          "a list";
        this.#fail("duplicate_key", message, keyAt);
      }
      seen.add(text);
      return {
        key: text,
        isText: name?.kind === "string",
        at: keyAt,
        value: this.#child(value, depth, keyAt),
      };
    });
  }

  #readScalar(node: Scalar, at: number): YamlScalar {
    const text = typeof node.value === "string" ? node.value : "";
    const plain = node.type === "PLAIN";
    if (node.tag !== undefined) return this.#readTagged(node.tag, text, plain, at);
    // A text with escapes or folded lines is longer in the file, so columns inside would be off.
    const written = (node.range?.[1] ?? 0) - at;
    if (plain) {
      const scalar = plainScalar(text, at);
      if (scalar.kind !== "string" || written !== text.length) return scalar;
      return { kind: "string", at, text, inset: 0 };
    }
    if (written === text.length + 2) return { kind: "string", at, text, inset: 1 };
    return { kind: "string", at, text };
  }

  #readTagged(tag: string, text: string, plain: boolean, at: number): YamlScalar {
    if (tag === "!" || tag === `${YAML_TAG}str`) return { kind: "string", at, text };
    const scalar = plainScalar(text, at);
    const names = { integer: "int", float: "float", boolean: "bool", null: "null", string: "" };
    if (plain && tag === `${YAML_TAG}${names[scalar.kind]}`) return scalar;
    this.#failTag(tag, at);
    return { kind: "null", at };
  }

  #checkTag(tag: string | undefined, allowed: string, at: number): void {
    if (tag !== undefined && tag !== `${YAML_TAG}${allowed}`) this.#failTag(tag, at);
  }

  #failTag(tag: string, at: number): void {
    const shown = tag.startsWith(YAML_TAG) ? `!!${tag.slice(YAML_TAG.length)}` : tag;
    this.#fail("yaml_tag", `YAML tag ${shown} has no meaning here; remove it`, at);
  }

  #fail(code: RuleError["code"], message: string, at: number): YamlNode {
    this.error ??= new RuleError(code, message, at);
    return { kind: "null", at };
  }
}

const INTEGER = /^[-+]?(?:0|[1-9][0-9]*)$/;
const RADIX = /^0(?:x[0-9a-fA-F]+|o[0-7]+)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const LEADING_ZERO = /^[-+]?0[0-9]+$/;
const INFINITY = /^([-+]?)\.(?:inf|Inf|INF)$/;

/** Types a plain scalar by YAML 1.2's core schema, except that `0123` is text. */
function plainScalar(text: string, at: number): YamlScalar {
  switch (text) {
    case "":
    case "~":
    case "null":
    case "Null":
    case "NULL":
      return { kind: "null", at };
    case "true":
    case "True":
    case "TRUE":
      return { kind: "boolean", at, value: true };
    case "false":
    case "False":
    case "FALSE":
      return { kind: "boolean", at, value: false };
    case ".nan":
    case ".NaN":
    case ".NAN":
      return { kind: "float", at, text: "nan", value: NaN };
  }
  // Most plain scalars are words; one look at the first letter spares them five expressions.
  if (!/^[-+.0-9]/.test(text)) return { kind: "string", at, text };
  if (INTEGER.test(text) || RADIX.test(text)) {
    return { kind: "integer", at, text: BigInt(text.replace(/^\+/, "")).toString() };
  }
  if (FLOAT.test(text) && !LEADING_ZERO.test(text)) return floatScalar(Number(text), at);
  const infinity = INFINITY.exec(text);
  if (infinity !== null) return floatScalar(infinity[1] === "-" ? -Infinity : Infinity, at);
  return { kind: "string", at, text };
}

function floatScalar(value: number, at: number): YamlScalar {
  const text = Number.isFinite(value) ? numberText(value) : value > 0 ? "inf" : "-inf";
  return { kind: "float", at, text, value };
}

function keyText(scalar: YamlScalar): string {
  return scalar.kind === "null" ? "" : nodeText(scalar);
}

/** A scalar as text: numbers in decimal, null as `null`. */
export function nodeText(scalar: YamlScalar): string {
  switch (scalar.kind) {
    case "string":
    case "integer":
    case "float":
      return scalar.text;
    case "boolean":
      return String(scalar.value);
    case "null":
      return "null";
  }
}

/** The value under `key`, if `map` has it. */
export function child(map: YamlMap, key: string): YamlNode | undefined {
  return entry(map, key)?.value;
}

/** The entry of `key`, if `map` has it. */
export function entry(map: YamlMap, key: string): YamlEntry | undefined {
  return map.entries.find((candidate) => candidate.isText && candidate.key === key);
}

/** The text under `key`; `undefined` if there is none or it is no string. */
export function childText(map: YamlMap, key: string): string | undefined {
  const node = child(map, key);
  return node?.kind === "string" ? node.text : undefined;
}
