/**
 * What is added to a merged configuration before it is checked: absolute paths and default ids.
 */
import { absolutePath, pathRules, type Surroundings } from "./discover.ts";
import { configSchema } from "./schema.ts";
import { mapLeaves } from "./schema_walk.ts";
import {
  type ConfigNode,
  type KeyPath,
  nodeAt,
  type Origin,
  type ScalarNode,
  withNode,
} from "./tree.ts";

/** Relative paths begin at the file that names them; those of flags and variables at `cwd`. */
export function withAbsolutePaths(root: ConfigNode, around: Surroundings): ConfigNode {
  return mapLeaves(configSchema, root, (leaf, kind, path) => {
    if (typeof leaf.value !== "string" || leaf.value === "") return leaf;
    if (kind !== "path" && !isEventLogFile(leaf.value, path)) return leaf;
    // `exclude: ["*.gz"]` speaks of names, not of places.
    if (path.includes("exclude") && !/[/\\]/.test(leaf.value)) return leaf;
    return { ...leaf, value: absolutePath(leaf.value, baseOf(leaf.origin, around), around) };
  });
}

/** Names of channels contain slashes, too (`Microsoft-Windows-Sysmon/Operational`). */
function isEventLogFile(written: string, path: KeyPath): boolean {
  return path[0] === "sources" && path[2] === "channels" &&
    (/\.evtx$/i.test(written) || /^(?:\.{1,2}|~)[/\\]/.test(written));
}

function baseOf(origin: Origin, around: Surroundings): string {
  return origin.kind === "file" ? pathRules(around.platform).dirname(origin.file) : around.cwd;
}

/** Sources and sinks without an id get their type, and a number when that is taken. */
export function withDefaultIds(root: ConfigNode): ConfigNode {
  let result = root;
  for (const section of ["sources", "sinks"]) {
    const list = nodeAt(result, [section]);
    if (list?.kind !== "list") continue;
    const taken = new Set(list.items.map((item) => textAt(item, "id")));
    const numbers = new Map<string, number>();
    const items = list.items.map((item) => {
      const type = textAt(item, "type");
      if (item.kind !== "map" || type === undefined || item.entries.has("id")) return item;
      let id = type;
      let number = numbers.get(type) ?? 2;
      while (taken.has(id)) id = `${type}-${number++}`;
      numbers.set(type, number);
      taken.add(id);
      return withNode(item, ["id"], defaultScalar(id));
    });
    result = withNode(result, [section], { ...list, items });
  }
  const dead = nodeAt(result, ["dead_letters", "sink"]);
  if (dead?.kind !== "map" || dead.entries.has("id")) return result;
  return withNode(result, ["dead_letters", "sink", "id"], defaultScalar("dead-letters"));
}

function textAt(node: ConfigNode, key: string): string | undefined {
  const child = nodeAt(node, [key]);
  return child?.kind === "scalar" && typeof child.value === "string" ? child.value : undefined;
}

function defaultScalar(value: string): ScalarNode {
  return { kind: "scalar", value, origin: { kind: "default" }, layer: 0 };
}
