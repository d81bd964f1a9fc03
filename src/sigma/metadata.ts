/**
 * The keys of a rule that do not detect anything: who wrote it, what it is called, how bad it is.
 *
 * @see sigma-rules.md, sections 4, 6, 7 and 21
 */
import type { Value } from "../event/value.ts";
import { DROPPED_ATTRIBUTES, type ParseOptions } from "./options.ts";
import type { ProblemLog } from "./problems.ts";
import {
  type Level,
  LEVELS,
  type Logsource,
  type RelatedType,
  type RuleMetadata,
  type Status,
} from "./rule.ts";
import { didYouMean } from "./suggest.ts";
import { child, childText, nodeText, type YamlMap, type YamlNode } from "./yaml.ts";

export const STATUSES: readonly Status[] = [
  "stable",
  "test",
  "experimental",
  "deprecated",
  "unsupported",
];

export const RELATED_TYPES: readonly RelatedType[] = [
  "correlation",
  "derived",
  "obsolete",
  "merged",
  "renamed",
  "similar",
];

/** The major a document without `sigma-version` has. */
export const SIGMA_VERSION_FLOOR = 2;
/** The highest major we know the rules of. */
export const SIGMA_VERSION_MAX = 3;

export type RuleKind = "detection" | "filter" | "correlation";

const COMMON_KEYS = [
  "title",
  "sigma-version",
  "id",
  "related",
  "name",
  "taxonomy",
  "status",
  "description",
  "license",
  "author",
  "references",
  "date",
  "modified",
  "fields",
  "falsepositives",
  "level",
  "tags",
  "scope",
  "custom_attributes",
] as const;

/** The keys each kind of document may have; all others are custom attributes. */
export const STANDARD_KEYS: Readonly<Record<RuleKind, readonly string[]>> = {
  detection: [...COMMON_KEYS, "logsource", "detection"],
  filter: [...COMMON_KEYS, "logsource", "filter"],
  correlation: [...COMMON_KEYS, "correlation", "generate"],
};

/** What a document is, by the keys it has. */
export function ruleKind(map: YamlMap): RuleKind {
  if (child(map, "correlation") !== undefined) return "correlation";
  return child(map, "filter") !== undefined ? "filter" : "detection";
}

/**
 * Reads the metadata of a document.
 *
 * @returns `undefined` if the title is missing or the version is unknown, which is recorded.
 */
export function parseMetadata(
  map: YamlMap,
  kind: RuleKind,
  options: ParseOptions,
  log: ProblemLog,
): RuleMetadata | undefined {
  const sigmaVersion = parseSigmaVersion(child(map, "sigma-version"), log);
  const title = childText(map, "title");
  if (title === undefined) {
    log.error("missing_field", "Missing required field 'title': add a text", map.at);
  }
  if (sigmaVersion > SIGMA_VERSION_MAX) {
    const message = `sigma-version ${sigmaVersion} is not supported; the highest is ` +
      `${SIGMA_VERSION_MAX}: update Picket or lower it`;
    log.error("unsupported_sigma_version", message, child(map, "sigma-version")!.at);
  }
  if (title === undefined || sigmaVersion > SIGMA_VERSION_MAX) return undefined;

  const text = <K extends string>(key: K): { readonly [P in K]?: string } => {
    const value = childText(map, key);
    return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: string };
  };
  const status = parseEnum(map, "status", STATUSES, "invalid_status", log);
  const level = parseEnum<Level>(map, "level", LEVELS, "invalid_level", log);
  return {
    title,
    ...text("id"),
    ...text("name"),
    ...text("taxonomy"),
    ...(status === undefined ? {} : { status }),
    ...text("description"),
    ...text("license"),
    ...text("author"),
    ...text("date"),
    ...text("modified"),
    ...(level === undefined ? {} : { level }),
    related: parseRelated(child(map, "related"), log),
    references: texts(child(map, "references")),
    fields: texts(child(map, "fields")),
    falsepositives: texts(child(map, "falsepositives")),
    tags: texts(child(map, "tags")),
    scope: texts(child(map, "scope")),
    sigmaVersion,
    customAttributes: parseCustomAttributes(map, kind, options),
    origin: { path: log.path, document: log.document, line: log.position(map.at).line },
  };
}

/** A text or the texts of a list; entries of other types are dropped. */
export function texts(node: YamlNode | undefined): readonly string[] {
  if (node?.kind === "string") return [node.text];
  if (node?.kind !== "list") return [];
  return node.items.flatMap((item) => item.kind === "string" ? [item.text] : []);
}

function parseEnum<T extends string>(
  map: YamlMap,
  key: string,
  allowed: readonly T[],
  code: "invalid_status" | "invalid_level",
  log: ProblemLog,
): T | undefined {
  const node = child(map, key);
  if (node === undefined || node.kind === "null") return undefined;
  const written = node.kind === "list" || node.kind === "map" ? `a ${node.kind}` : nodeText(node);
  const value = allowed.find((candidate) => node.kind === "string" && candidate === written);
  if (value === undefined) {
    const hint = didYouMean(written, allowed) || `; allowed are ${allowed.join(", ")}`;
    log.warn(code, `invalid ${key}: '${written}'${hint}; the rule is loaded without`, node.at);
  }
  return value;
}

function parseRelated(node: YamlNode | undefined, log: ProblemLog): RuleMetadata["related"] {
  if (node === undefined || node.kind === "null") return [];
  if (node.kind !== "list") {
    log.warn("invalid_related", "related must be a list of {id, type}; it is ignored", node.at);
    return [];
  }
  return node.items.flatMap((item, index) => {
    const warn = (detail: string) =>
      log.warn("invalid_related", `related[${index}] ${detail}; the entry is ignored`, item.at);
    if (item.kind !== "map") return warn("is not a mapping of id and type"), [];
    const id = childText(item, "id");
    const written = childText(item, "type");
    if (id === undefined) return warn("has no id"), [];
    if (written === undefined) return warn("has no type"), [];
    const type = RELATED_TYPES.find((known) => known === written);
    if (type !== undefined) return [{ id, type }];
    return warn(`has the unknown type '${written}'${didYouMean(written, RELATED_TYPES)}`), [];
  });
}

/** The major version, the floor when there is none or it cannot be read. */
export function parseSigmaVersion(node: YamlNode | undefined, log?: ProblemLog): number {
  if (node === undefined) return SIGMA_VERSION_FLOOR;
  const major = sigmaMajor(node);
  if (major !== undefined) return major;
  const written = node.kind === "list" || node.kind === "map" ? `a ${node.kind}` : nodeText(node);
  const message = `invalid sigma-version: '${written}'; write a major version such as ` +
    `${SIGMA_VERSION_MAX}. It is taken for ${SIGMA_VERSION_FLOOR}`;
  log?.warn("invalid_sigma_version", message, node.at);
  return SIGMA_VERSION_FLOOR;
}

/** The major that a `sigma-version` names. */
export function sigmaMajor(node: YamlNode): number | undefined {
  if (node.kind !== "integer" && node.kind !== "float" && node.kind !== "string") return undefined;
  const match = /^v?(\d{1,9})(?:\.[\w.+-]*)?$/.exec(node.text.trim());
  return match === null ? undefined : Number(match[1]);
}

/** A `logsource` mapping. Keys whose value is no text are left out, and said so. */
export function parseLogsource(node: YamlNode | undefined, log: ProblemLog): Logsource | undefined {
  if (node === undefined) return { custom: {} };
  if (node.kind !== "map") {
    const message = "Invalid rule: logsource must be a mapping of category, product or service";
    log.error("invalid_logsource", message, node.at);
    return undefined;
  }
  const standard: { category?: string; product?: string; service?: string; definition?: string } =
    {};
  const custom: (readonly [string, string])[] = [];
  for (const { key, isText, value, at } of node.entries) {
    if (!isText) continue;
    const known = (["category", "product", "service", "definition"] as const)
      .find((name) => name === key);
    if (value.kind === "string") {
      if (known === undefined) custom.push([key, value.text]);
      else standard[known] = value.text;
    } else if (known === undefined) {
      log.warn("invalid_logsource", `logsource '${key}' is no text and is ignored`, at);
    }
  }
  return { ...standard, custom: Object.fromEntries(custom) };
}

function parseCustomAttributes(
  map: YamlMap,
  kind: RuleKind,
  options: ParseOptions,
): Readonly<Record<string, Value>> {
  const standard = STANDARD_KEYS[kind];
  const dropped = options.droppedAttributes ?? DROPPED_ATTRIBUTES;
  const nested = child(map, "custom_attributes");
  const attributes = new Map<string, Value>();
  const add = (entries: YamlMap["entries"]) => {
    for (const { key, isText, value } of entries) {
      if (isText && !dropped.includes(key)) attributes.set(key, plainValue(value));
    }
  };
  add(map.entries.filter(({ key }) => !standard.includes(key)));
  if (nested?.kind === "map") add(nested.entries);
  return Object.fromEntries(attributes);
}

/**
 * A YAML value as JSON has it. NaN and infinities become null; an integer beyond 2^53 becomes its
 * decimal text, since JSON would round it.
 */
export function plainValue(node: YamlNode): Value {
  switch (node.kind) {
    case "string":
      return node.text;
    case "integer": {
      const value = Number(node.text);
      return Number.isSafeInteger(value) ? value : node.text;
    }
    case "float":
      return Number.isFinite(node.value) ? node.value + 0 : null;
    case "boolean":
      return node.value;
    case "null":
      return null;
    case "list":
      return node.items.map(plainValue);
    case "map":
      return Object.fromEntries(
        node.entries.filter(({ isText }) => isText).map(({ key, value }) => [
          key,
          plainValue(value),
        ]),
      );
  }
}
