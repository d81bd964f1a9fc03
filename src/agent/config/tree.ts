/**
 * Configuration as a tree in which every node knows where it was written.
 *
 * Layers are merged as such trees, so that an error in the merged whole still names the file and
 * line, the variable or the flag that caused it.
 */

/** Where a value was written. */
export type Origin =
  | { readonly kind: "default" }
  | {
    readonly kind: "file";
    readonly file: string;
    readonly line: number;
    readonly column: number;
  }
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "flag" };

/** What a configuration is made of: JSON values. */
export type ConfigValue =
  | string
  | number
  | boolean
  | null
  | readonly ConfigValue[]
  | { readonly [key: string]: ConfigValue | undefined };

/** A key path: names of mappings and numbers of list members. */
export type KeyPath = readonly (string | number)[];

interface NodeCommon {
  readonly origin: Origin;
  /** Which layer it is from; higher ones win. */
  readonly layer: number;
  /** The key path as it was written, where it was written under an older name. */
  readonly writtenAs?: string;
}

export interface ScalarNode extends NodeCommon {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}

export interface ListNode extends NodeCommon {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}

export interface MapNode extends NodeCommon {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  /** Where the key stands. */
  readonly keyOrigin: Origin;
  readonly node: ConfigNode;
}

export type ConfigNode = ScalarNode | ListNode | MapNode;

/** Makes a tree of a plain value; every node gets the same origin. `undefined` and null are left out. */
export function nodeOf(
  value: ConfigValue,
  common: { readonly origin: Origin; readonly layer: number; readonly writtenAs?: string },
): ConfigNode {
  if (typeof value !== "object" || value === null) return { ...common, kind: "scalar", value };
  if (isList(value)) {
    return { ...common, kind: "list", items: value.map((member) => nodeOf(member, common)) };
  }
  const entries = new Map<string, MapEntry>();
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    entries.set(key, { keyOrigin: common.origin, node: nodeOf(member, common) });
  }
  return { ...common, kind: "map", entries };
}

function isList(value: object): value is readonly ConfigValue[] {
  return Array.isArray(value);
}

/** The plain value of a tree; keys without a value are left out. */
export function plainOf(node: ConfigNode): ConfigValue {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainOf);
    case "map": {
      const plain: Record<string, ConfigValue> = {};
      for (const [key, entry] of node.entries) {
        if (!isUnset(entry.node)) plain[key] = plainOf(entry.node);
      }
      return plain;
    }
  }
}

/** `key:` with nothing behind it says nothing. */
export function isUnset(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/** Blocks that the highest layer which has them replaces as a whole: a token must not survive. */
const UNITS: ReadonlySet<string> = new Set([
  "api.auth",
  "api.audit",
  "nats.auth",
  "daemon.api.auth",
  "daemon.api.audit",
]);

/** Lays `upper` over `lower`: mappings key by key, everything else as a whole. */
export function mergeNodes(lower: ConfigNode, upper: ConfigNode, path: KeyPath = []): ConfigNode {
  if (isUnset(upper)) return lower;
  if (lower.kind !== "map" || upper.kind !== "map" || UNITS.has(path.join("."))) return upper;
  const entries = new Map(lower.entries);
  for (const [key, entry] of upper.entries) {
    const below = entries.get(key);
    if (below === undefined) entries.set(key, entry);
    else if (!isUnset(entry.node)) {
      const node = mergeNodes(below.node, entry.node, [...path, key]);
      entries.set(key, { keyOrigin: entry.keyOrigin, node });
    }
  }
  return { ...upper, entries };
}

/** The node at `path`, or the last one on the way to it. */
export function nearestNode(root: ConfigNode, path: KeyPath): ConfigNode {
  let node = root;
  for (const step of path) {
    const next = childNode(node, step);
    if (next === undefined) return node;
    node = next;
  }
  return node;
}

/** The node at `path`. */
export function nodeAt(root: ConfigNode, path: KeyPath): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    if (node === undefined) return undefined;
    node = childNode(node, step);
  }
  return node;
}

export function childNode(node: ConfigNode, step: string | number): ConfigNode | undefined {
  switch (node.kind) {
    case "scalar":
      return undefined;
    case "list":
      return typeof step === "number" ? node.items[step] : undefined;
    case "map":
      return node.entries.get(String(step))?.node;
  }
}

/** `node` with `child` at `path`; mappings on the way are made. */
export function withNode(node: ConfigNode, path: KeyPath, child: ConfigNode): ConfigNode {
  const [step, ...rest] = path;
  if (step === undefined) return child;
  if (node.kind === "list" && typeof step === "number") {
    return {
      ...node,
      items: node.items.map((item, at) => at === step ? withNode(item, rest, child) : item),
    };
  }
  const base: MapNode = node.kind === "map"
    ? node
    : { kind: "map", origin: child.origin, layer: child.layer, entries: new Map() };
  const entries = new Map(base.entries);
  const before = entries.get(String(step));
  const below = before?.node ??
    { kind: "map", origin: child.origin, layer: child.layer, entries: new Map() };
  entries.set(String(step), {
    keyOrigin: before?.keyOrigin ?? child.origin,
    node: withNode(below, rest, child),
  });
  return { ...base, entries };
}

/** `node` without the key at `path`. */
export function withoutNode(node: ConfigNode, path: KeyPath): ConfigNode {
  const [step, ...rest] = path;
  if (step === undefined || node.kind !== "map") return node;
  const entry = node.entries.get(String(step));
  if (entry === undefined) return node;
  const entries = new Map(node.entries);
  if (rest.length === 0) entries.delete(String(step));
  else entries.set(String(step), { ...entry, node: withoutNode(entry.node, rest) });
  return { ...node, entries };
}

/** `sinks[0].filter.min_level`. */
export function pathText(path: KeyPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
