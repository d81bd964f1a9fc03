/**
 * Lint of a document's metadata.
 *
 * @see sigma-rules.md, section 25, groups "metadata", "related" and "version"
 */
import type { Report } from "./lint.ts";
import {
  RELATED_TYPES,
  type RuleKind,
  SIGMA_VERSION_MAX,
  sigmaMajor,
  STANDARD_KEYS,
  STATUSES,
} from "./metadata.ts";
import { LEVELS } from "./rule.ts";
import { didYouMean, nearest } from "./suggest.ts";
import { child, childText, type YamlMap, type YamlNode } from "./yaml.ts";

const MAX_TITLE = 256;
const MAX_DESCRIPTION = 65_535;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TAG = /^[a-z0-9_-]+\.[a-z0-9._-]+$/;
const TAG_NAMESPACES = ["attack", "car", "cve", "d3fend", "detection", "stp", "tlp"];

/** Attributes that mean something to Picket, without `rsigma.` or `picket.`. */
const ATTRIBUTES = [
  "include_event",
  "timestamp_field",
  "suppress",
  "action",
  "correlation_event_mode",
  "max_correlation_events",
  "max_group_entries",
  "window",
  "gap",
  "risk_score",
];

export function lintMetadata(
  map: YamlMap,
  kind: RuleKind,
  tagNamespaces: readonly string[],
  report: Report,
): void {
  lintTexts(map, report);
  lintEnums(map, kind, report);
  lintDates(map, report);
  lintKeys(map, kind, report);
  lintTags(child(map, "tags"), [...TAG_NAMESPACES, ...tagNamespaces], report);
  lintLists(map, report);
  lintRelated(map, report);
  const version = child(map, "sigma-version");
  const major = version === undefined ? undefined : sigmaMajor(version);
  if (version !== undefined && major !== undefined && major > SIGMA_VERSION_MAX) {
    const message = `sigma-version ${major} is not supported; the highest is ${SIGMA_VERSION_MAX}`;
    report("unsupported_sigma_version", message, version.at, "sigma-version");
  }
}

function lintTexts(map: YamlMap, report: Report): void {
  const title = child(map, "title");
  if (title?.kind !== "string") {
    report("missing_title", "a rule needs a title", title?.at ?? map.at, "title");
  } else if (title.text.trim() === "") {
    report("empty_title", "the title is empty", title.at, "title");
  }
  const limits = [
    ["title", "title_too_long", MAX_TITLE],
    ["name", "name_too_long", MAX_TITLE],
    ["taxonomy", "taxonomy_too_long", MAX_TITLE],
    ["description", "description_too_long", MAX_DESCRIPTION],
  ] as const;
  for (const [key, rule, limit] of limits) {
    const node = child(map, key);
    if (node?.kind !== "string" || node.text.length <= limit) continue;
    report(rule, `${key} has ${node.text.length} characters, more than ${limit}`, node.at, key);
  }
  if (child(map, "description") === undefined) {
    report("missing_description", "say what the rule detects in a description", map.at);
  }
  if (child(map, "author") === undefined) {
    report("missing_author", "name an author", map.at);
  }
  const id = child(map, "id");
  if (id !== undefined && (id.kind !== "string" || !UUID.test(id.text))) {
    report("invalid_id", "id should be a UUID (8-4-4-4-12 hexadecimal digits)", id.at, "id");
  }
}

function lintEnums(map: YamlMap, kind: RuleKind, report: Report): void {
  const status = child(map, "status");
  const statusText = status?.kind === "string" ? status.text : "";
  if (status !== undefined && !STATUSES.some((known) => known === statusText)) {
    const hint = didYouMean(statusText, STATUSES) || `; allowed are ${STATUSES.join(", ")}`;
    report("invalid_status", `unknown status '${statusText}'${hint}`, status.at, "status");
  }
  const level = child(map, "level");
  const levelText = level?.kind === "string" ? level.text : "";
  if (level === undefined) {
    // A filter has no level of its own.
    if (kind !== "filter") report("missing_level", "give the rule a level", map.at);
  } else if (!LEVELS.some((known) => known === levelText)) {
    const hint = didYouMean(levelText, LEVELS) || `; allowed are ${LEVELS.join(", ")}`;
    report("invalid_level", `unknown level '${levelText}'${hint}`, level.at, "level");
  }
  if (statusText === "deprecated" && child(map, "related") === undefined) {
    const message = "a deprecated rule should name its successor under related";
    report("deprecated_without_related", message, status!.at, "status");
  }
}

function lintDates(map: YamlMap, report: Report): void {
  const date = child(map, "date");
  const modified = child(map, "modified");
  const begun = date === undefined ? undefined : calendarDate(date);
  const changed = modified === undefined ? undefined : calendarDate(modified);
  if (date !== undefined && begun === undefined) {
    report("invalid_date", "date must be a real day as YYYY-MM-DD", date.at, "date");
  }
  if (modified !== undefined && changed === undefined) {
    const message = "modified must be a real day as YYYY-MM-DD";
    report("invalid_modified", message, modified.at, "modified");
  }
  if (begun !== undefined && changed !== undefined && changed < begun) {
    const message = `modified (${changed}) is before date (${begun})`;
    report("modified_before_date", message, modified!.at, "modified");
  }
}

/** The text of a node that is a day of the calendar. */
function calendarDate(node: YamlNode): string | undefined {
  if (node.kind !== "string") return undefined;
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(node.text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return day >= 1 && day <= (days[month - 1] ?? 0) ? node.text : undefined;
}

function lintKeys(map: YamlMap, kind: RuleKind, report: Report): void {
  const known = STANDARD_KEYS[kind];
  for (const { key, isText, at } of map.entries) {
    if (!isText || known.includes(key)) continue;
    if (lintAttribute(key, at, report)) continue;
    const lower = key.toLowerCase();
    if (lower !== key) {
      report("non_lowercase_key", `key '${key}' should be '${lower}'`, at, key);
    } else {
      const near = nearest(key, known);
      if (near === undefined) continue;
      report("unknown_key", `unknown key '${key}' (did you mean '${near}'?)`, at, key);
    }
  }
  const attributes = child(map, "custom_attributes");
  if (attributes?.kind !== "map") return;
  for (const { key, at } of attributes.entries) lintAttribute(key, at, report, "custom_attributes");
}

/** Whether `key` is in a name space of ours; a name near to one of ours is a slip of the pen. */
function lintAttribute(
  key: string,
  at: number,
  report: Report,
  ...steps: readonly string[]
): boolean {
  const own = /^(rsigma|picket)\.(.*)$/.exec(key);
  if (own === null) return false;
  const name = own[2]!;
  if (ATTRIBUTES.includes(name) || name.startsWith("ads.")) return true;
  const near = nearest(name, ATTRIBUTES);
  if (near !== undefined) {
    const message = `unknown attribute '${key}' (did you mean '${own[1]}.${near}'?)`;
    report("unknown_attribute", message, at, ...steps, key);
  }
  return true;
}

function lintTags(
  node: YamlNode | undefined,
  namespaces: readonly string[],
  report: Report,
): void {
  if (node?.kind !== "list") return;
  for (const [index, tag] of node.items.entries()) {
    if (tag.kind !== "string" || !TAG.test(tag.text)) {
      const message = "a tag is namespace.name in lower case";
      report("invalid_tag", message, tag.at, "tags", String(index));
      continue;
    }
    const namespace = tag.text.slice(0, tag.text.indexOf("."));
    if (namespaces.includes(namespace)) continue;
    const message = `unknown tag namespace '${namespace}'${didYouMean(namespace, namespaces)}`;
    report("unknown_tag_namespace", message, tag.at, "tags", String(index));
  }
}

function lintLists(map: YamlMap, report: Report): void {
  const repeats = [
    ["tags", "duplicate_tags"],
    ["references", "duplicate_references"],
    ["fields", "duplicate_fields"],
  ] as const;
  for (const [key, rule] of repeats) {
    const seen = new Set<string>();
    for (const [index, item] of textItems(child(map, key))) {
      if (seen.has(item.text)) {
        report(rule, `'${item.text}' is listed twice`, item.at, key, String(index));
      }
      seen.add(item.text);
    }
  }
  const shorts = [
    ["falsepositives", "falsepositive_too_short"],
    ["scope", "scope_too_short"],
  ] as const;
  for (const [key, rule] of shorts) {
    for (const [index, item] of textItems(child(map, key))) {
      if (item.text.length >= 2) continue;
      report(rule, `an entry of ${key} has at least 2 characters`, item.at, key, String(index));
    }
  }
}

function* textItems(
  node: YamlNode | undefined,
): Generator<readonly [number, Extract<YamlNode, { kind: "string" }>]> {
  if (node?.kind !== "list") return;
  for (const [index, item] of node.items.entries()) {
    if (item.kind === "string") yield [index, item];
  }
}

function lintRelated(map: YamlMap, report: Report): void {
  const related = child(map, "related");
  if (related?.kind !== "list") return;
  for (const [index, item] of related.items.entries()) {
    const steps = ["related", String(index)];
    if (
      item.kind !== "map" || child(item, "id") === undefined || child(item, "type") === undefined
    ) {
      report("related_missing_required", "related entry needs id and type", item.at, ...steps);
      continue;
    }
    const id = childText(item, "id");
    if (id === undefined || !UUID.test(id)) {
      report("invalid_related_id", "related id should be a UUID", item.at, ...steps, "id");
    }
    const type = childText(item, "type") ?? "";
    if (!RELATED_TYPES.some((known) => known === type)) {
      const hint = didYouMean(type, RELATED_TYPES) || `; known are ${RELATED_TYPES.join(", ")}`;
      const at = child(item, "type")!.at;
      report("invalid_related_type", `unknown type '${type}'${hint}`, at, ...steps, "type");
    }
  }
}
