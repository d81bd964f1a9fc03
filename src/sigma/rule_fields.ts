/**
 * Which fields of events rules ask for, and in what part of a rule.
 */
import type {
  ArrayBody,
  CorrelationRule,
  Detection,
  DetectionRule,
  FilterRule,
  Item,
  Pattern,
  Selection,
} from "./rule.ts";

/** Where a field stands. `reference` is the other side of `fieldref` or a placeholder. */
export type FieldSource =
  | "detection"
  | "reference"
  | "filter"
  | "group_by"
  | "condition"
  | "alias";

export interface FieldUse {
  readonly field: string;
  readonly source: FieldSource;
}

/** The fields of a rule, each with each of its sources once. */
export function ruleFields(
  rule: DetectionRule | CorrelationRule | FilterRule,
): readonly FieldUse[] {
  const uses = new Map<string, FieldUse>();
  const add = (field: string, source: FieldSource): void => {
    uses.set(`${source} ${field}`, { field, source });
  };
  switch (rule.kind) {
    case "detection":
      selectionFields(rule.selections, "", "detection", add);
      break;
    case "filter":
      selectionFields(rule.selections, "", "filter", add);
      break;
    case "correlation": {
      const aliases = new Set(Object.keys(rule.aliases));
      for (const field of rule.groupBy) if (!aliases.has(field)) add(field, "group_by");
      if ("fields" in rule.condition) {
        for (const field of rule.condition.fields) {
          if (!aliases.has(field)) add(field, "condition");
        }
      }
      for (const fields of Object.values(rule.aliases)) {
        for (const field of Object.values(fields)) add(field, "alias");
      }
      break;
    }
  }
  return [...uses.values()];
}

type Add = (field: string, source: FieldSource) => void;

function selectionFields(
  selections: readonly Selection[],
  prefix: string,
  source: FieldSource,
  add: Add,
): void {
  for (const { detection } of selections) detectionFields(detection, prefix, source, add);
}

/** @param prefix The array whose members the detection is tried on, with a dot. */
function detectionFields(
  detection: Detection,
  prefix: string,
  source: FieldSource,
  add: Add,
): void {
  switch (detection.kind) {
    case "all_of":
      for (const item of detection.items) itemFields(item, prefix, source, add);
      break;
    case "any_of":
    case "and":
      for (const branch of detection.branches) detectionFields(branch, prefix, source, add);
      break;
    case "keywords":
      itemFields(detection.item, prefix, source, add);
      break;
    case "array": {
      const field = prefix + detection.field;
      add(field, source);
      bodyFields(detection.body, `${field}.`, source, add);
      break;
    }
  }
}

function bodyFields(body: ArrayBody, prefix: string, source: FieldSource, add: Add): void {
  if (body.kind === "basic") detectionFields(body.detection, prefix, source, add);
  else selectionFields(body.selections, prefix, source, add);
}

function itemFields(item: Item, prefix: string, source: FieldSource, add: Add): void {
  if (item.field !== undefined) add(prefix + item.field, source);
  for (const pattern of item.patterns) patternFields(pattern, add);
}

function patternFields(pattern: Pattern, add: Add): void {
  if (pattern.kind === "fieldref") add(pattern.field, "reference");
  if (pattern.kind === "any") { for (const part of pattern.patterns) patternFields(part, add); }
  if (pattern.kind === "template") {
    for (const part of pattern.parts) if (part.kind === "field") add(part.field, "reference");
  }
}
