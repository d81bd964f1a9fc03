/**
 * Lint of detections, filters, their items and conditions.
 *
 * @see sigma-rules.md, section 25, groups "detection", "modifiers" and "filter"
 */
import { parseArrayPath } from "./array_path.ts";
import { ConditionError, parseCondition } from "./condition.ts";
import { offsetInFile } from "./detection.ts";
import { ARRAY_MATCHING_SINCE } from "./item.ts";
import type { RuleLimits } from "./limits.ts";
import type { Report } from "./lint.ts";
import { parseSigmaVersion } from "./metadata.ts";
import { parseFieldKey, splitKey } from "./modifiers.ts";
import { RuleError } from "./problems.ts";
import { child, type YamlEntry, type YamlMap, type YamlNode } from "./yaml.ts";

const LOGSOURCE_VALUE = /^[a-z0-9_.-]+$/;
const AGGREGATION = /\|\s*(?:count|min|max|avg|sum|near)\b/i;

export function lintDetectionRule(map: YamlMap, limits: RuleLimits, report: Report): void {
  const logsource = child(map, "logsource");
  if (logsource === undefined) {
    const message = "name the log source: category, product or service";
    report("missing_logsource", message, map.at, "logsource");
  } else {
    lintLogsource(logsource, report);
  }
  const detection = child(map, "detection");
  if (detection?.kind !== "map") {
    const message = "a rule needs a detection with selections and a condition";
    report("missing_detection", message, detection?.at ?? map.at, "detection");
    return;
  }
  const selections = detection.entries.filter(({ key }) =>
    key !== "condition" && key !== "timeframe"
  );
  if (selections.length === 0) {
    report("empty_detection", "the detection has no selections", detection.at, "detection");
  }
  lintSection(detection, selections, map, ["detection"], limits, report);
  if (child(detection, "condition") === undefined) {
    report("missing_condition", "say which selections must hold", detection.at, "detection");
  }
}

export function lintFilterRule(map: YamlMap, limits: RuleLimits, report: Report): void {
  const logsource = child(map, "logsource");
  if (logsource === undefined) {
    const message = "without a logsource the filter applies to rules of every log source";
    report("missing_filter_logsource", message, map.at, "logsource");
  } else {
    lintLogsource(logsource, report);
  }
  for (const key of ["level", "status"] as const) {
    const node = child(map, key);
    if (node !== undefined) report(`filter_has_${key}`, `a filter has no ${key}`, node.at, key);
  }
  const filter = child(map, "filter");
  if (filter?.kind !== "map") {
    const at = filter?.at ?? map.at;
    report("missing_filter", "a filter needs a mapping under filter", at, "filter");
    return;
  }
  const rules = child(filter, "rules");
  if (rules !== undefined && rules.kind !== "string" && rules.kind !== "list") {
    const message = "rules is 'any' or a list of ids, names or titles";
    report("missing_filter_rules", message, rules.at, "filter", "rules");
  }
  const selections = filter.entries.filter(({ key }) =>
    key !== "condition" && key !== "rules" && key !== "timeframe"
  );
  if (selections.length === 0) {
    report("missing_filter_selection", "the filter has no selection", filter.at, "filter");
  }
  lintSection(filter, selections, map, ["filter"], limits, report);
  if (child(filter, "condition") === undefined) {
    const message = "say when the rules may fire, for instance `not selection`";
    report("missing_filter_condition", message, filter.at, "filter");
  }
}

function lintLogsource(node: YamlNode, report: Report): void {
  if (node.kind !== "map") return;
  for (const { key, value } of node.entries) {
    if (key === "definition" || value.kind !== "string" || LOGSOURCE_VALUE.test(value.text)) {
      continue;
    }
    const message = `'${value.text}' should consist of a-z, 0-9, '_', '.' and '-'`;
    report("logsource_value_not_lowercase", message, value.at, "logsource", key);
  }
}

/** What holds for every place in a document, so that it need not be passed one by one. */
interface Section {
  readonly sigmaVersion: number;
  readonly limits: RuleLimits;
  readonly report: Report;
}

function lintSection(
  map: YamlMap,
  selections: readonly YamlEntry[],
  root: YamlMap,
  steps: readonly string[],
  limits: RuleLimits,
  report: Report,
): void {
  const sigmaVersion = parseSigmaVersion(child(root, "sigma-version"));
  const section = { sigmaVersion, limits, report };
  for (const { key, value } of selections) lintSelection(value, [...steps, key], section);
  const names = selections.map(({ key }) => key);
  const condition = child(map, "condition");
  for (const text of condition?.kind === "list" ? condition.items : [condition]) {
    if (text?.kind === "string") lintCondition(text, names, [...steps, "condition"], section);
  }
}

function lintCondition(
  node: Extract<YamlNode, { kind: "string" }>,
  names: readonly string[],
  steps: readonly string[],
  { limits, report }: Section,
): void {
  if (AGGREGATION.test(node.text)) {
    const message = "aggregation in a condition is deprecated: write a correlation rule";
    report("deprecated_aggregation_syntax", message, node.at, ...steps);
    return;
  }
  try {
    const options = { maxBytes: limits.conditionBytes, maxDepth: limits.conditionDepth };
    const { oddKeywords } = parseCondition(node.text, names, options);
    for (const { text, offset } of oddKeywords) {
      const message = `write '${text.toLowerCase()}': other tools take '${text}' for a name`;
      report("non_lowercase_keyword", message, offsetInFile(node, offset), ...steps);
    }
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    const unknown = error.code === "unknown_detection_identifier" ||
      error.code === "selector_selects_nothing";
    const rule = unknown ? "condition_references_unknown" : "invalid_condition";
    report(rule, error.message, offsetInFile(node, error.offset), ...steps);
  }
}

function lintSelection(node: YamlNode, steps: readonly string[], section: Section): void {
  if (node.kind === "list") {
    for (const [index, item] of node.items.entries()) {
      if (item.kind === "map" || item.kind === "list") {
        lintSelection(item, [...steps, String(index)], section);
      }
    }
  }
  if (node.kind !== "map") return;
  lintFlattenedArrays(node, steps, section);
  for (const entry of node.entries) lintItem(entry, [...steps, entry.key], section);
}

/** `c[any].p` and `c[any].q` side by side may be satisfied by different members. */
function lintFlattenedArrays(node: YamlMap, steps: readonly string[], section: Section): void {
  if (section.sigmaVersion < ARRAY_MATCHING_SINCE) return;
  const seen = new Set<string>();
  for (const { key, at } of node.entries) {
    const prefix = quantifiedPrefix(key, at);
    if (prefix === undefined) continue;
    if (seen.has(prefix)) {
      const message = `several keys begin with '${prefix}': different members may satisfy them; ` +
        `put them under one '${prefix}:' to bind them to the same member`;
      section.report("flattened_array_correlation", message, at, ...steps, key);
    }
    seen.add(prefix);
  }
}

function quantifiedPrefix(key: string, at: number): string | undefined {
  try {
    const { field, quantifier, rest } = parseArrayPath(splitKey(key).field, at);
    return quantifier === undefined || rest === "" ? undefined : `${field}[${quantifier}]`;
  } catch (error) {
    if (error instanceof RuleError) return undefined;
    throw error;
  }
}

const SELECTOR = /(?<!\\)\[(?:any|all|all_or_empty|none|-?\d+)\](?:\.|$)/;

function lintItem(entry: YamlEntry, steps: readonly string[], section: Section): void {
  const { key, at, value } = entry;
  const { report, sigmaVersion } = section;
  const { field } = splitKey(key);
  if (sigmaVersion < ARRAY_MATCHING_SINCE && SELECTOR.test(field)) {
    const message = `'${field}' selects array members only with sigma-version: ` +
      `${ARRAY_MATCHING_SINCE}; now the brackets belong to the name`;
    report("array_matching_without_version", message, at, ...steps);
  }
  lintModifiers(entry, steps, report);
  if (value.kind === "map") {
    lintSelection(value, steps, section);
  } else if (value.kind === "list") {
    if (value.items.length === 0) {
      report("empty_value_list", `'${key}' has no values and never matches`, at, ...steps);
    }
    if (value.items.some((item) => item.kind === "null") && value.items.length > 1) {
      const message = "null in a list also matches a missing field; a selection of its own for " +
        "it is clearer";
      report("null_in_value_list", message, at, ...steps);
    }
  }
  if (field === "") return;
  for (const item of value.kind === "list" ? value.items : [value]) {
    if (item.kind !== "string" || !/^\*+$/.test(item.text) || key.includes("|re")) continue;
    const message = `'${item.text}' matches whatever is there: write '${field}|exists: true'`;
    report("wildcard_only_value", message, item.at, ...steps);
  }
}

function lintModifiers(
  { key, at, value }: YamlEntry,
  steps: readonly string[],
  report: Report,
): void {
  const { modifiers } = splitKey(key);
  if (modifiers.length === 0) return;
  if (modifiers.includes("all")) {
    if (value.kind !== "map" && (value.kind !== "list" || value.items.length < 2)) {
      const message = "|all has a meaning for two or more values only; remove it";
      report("single_value_all_modifier", message, at, ...steps);
    }
    if (modifiers.includes("re")) {
      report("all_with_re", "|re|all: one expression may say the same", at, ...steps);
    }
  }
  try {
    const { modifiers: set } = parseFieldKey(key, at);
    if (set.utf16 !== undefined && set.base64 === undefined) {
      const message = `|${set.utf16} without base64 searches text with U+0000 between letters`;
      report("utf16_without_base64", message, at, ...steps);
    }
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    report("incompatible_modifiers", error.message, at, ...steps);
    return;
  }
  lintOrder(modifiers, at, steps, report);
}

/** Stages of a value, in the order they are applied whatever the chain says. */
const STAGES: readonly RegExp[] = [
  /^expand$/,
  /^(?:wide|utf16le|utf16be|utf16)$/,
  /^base64(?:offset)?$/,
];

function lintOrder(
  modifiers: readonly string[],
  at: number,
  steps: readonly string[],
  report: Report,
): void {
  const stages = modifiers.flatMap((name) => {
    const stage = STAGES.findIndex((pattern) => pattern.test(name));
    return stage < 0 ? [] : [{ name, stage }];
  });
  const late = stages.find(({ stage }, index) => index > 0 && stage < stages[index - 1]!.stage);
  if (late === undefined) return;
  const message = `|${late.name} is applied before the encoding written in front of it`;
  report("modifier_order", message, at, ...steps);
}
