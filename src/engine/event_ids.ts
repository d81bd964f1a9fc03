/**
 * The event ids without which a rule cannot match.
 *
 * Most rules of the Windows services name theirs, so an event with another id need not look at them.
 */
import { parseStrictNumber } from "../event/value.ts";
import type { Condition, Detection, DetectionRule, Item, Pattern } from "../sigma/rule.ts";
import { plainText } from "./glob.ts";

/** One of these, or `undefined` if the rule can match any event id or none. */
export function necessaryEventIds(rule: DetectionRule): ReadonlySet<number> | undefined {
  return union(rule.conditions.map((condition) => conditionIds(rule, condition)));
}

type Ids = ReadonlySet<number> | undefined;

function conditionIds(rule: DetectionRule, condition: Condition): Ids {
  switch (condition.kind) {
    case "selection":
      return selectionIds(rule, condition.name);
    case "and":
      return intersection(condition.children.map((child) => conditionIds(rule, child)));
    case "or":
      return union(condition.children.map((child) => conditionIds(rule, child)));
    case "not":
      return undefined;
    case "quantified": {
      const branches = condition.names.map((name) => selectionIds(rule, name));
      if (condition.need === "all") return intersection(branches);
      return condition.need <= 0 ? undefined : union(branches);
    }
  }
}

function selectionIds(rule: DetectionRule, name: string): Ids {
  const selection = rule.selections.find((candidate) => candidate.name === name);
  return selection === undefined ? undefined : detectionIds(selection.detection);
}

function detectionIds(detection: Detection): Ids {
  switch (detection.kind) {
    case "all_of":
      return intersection(detection.items.map(itemIds));
    case "any_of":
      return union(detection.branches.map(detectionIds));
    case "and":
      return intersection(detection.branches.map(detectionIds));
    case "keywords":
    case "array":
      return undefined;
  }
}

function itemIds(item: Item): Ids {
  if (item.field !== "EventID" || item.negated || item.all) return undefined;
  const ids = new Set<number>();
  for (const pattern of item.patterns) {
    const id = patternId(pattern);
    if (id === undefined) return undefined;
    ids.add(id);
  }
  return ids;
}

/** The id a pattern stands for. Events are told apart by ids in plain decimal only. */
function patternId(pattern: Pattern): number | undefined {
  if (pattern.kind === "number") {
    const id = parseStrictNumber(pattern.text);
    return id !== undefined && Number.isSafeInteger(id) ? id : undefined;
  }
  if (pattern.kind !== "string" || pattern.operator !== "equals") return undefined;
  const text = plainText(pattern.tokens);
  return text !== undefined && /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}

/** All hold: what every known set allows. */
function intersection(sets: readonly Ids[]): Ids {
  let joined: Ids;
  for (const set of sets) {
    if (set === undefined) continue;
    joined = joined === undefined ? set : new Set([...joined].filter((id) => set.has(id)));
  }
  return joined;
}

/** One holds: nothing is necessary unless each set is known. */
function union(sets: readonly Ids[]): Ids {
  const joined = new Set<number>();
  for (const set of sets) {
    if (set === undefined) return undefined;
    for (const id of set) joined.add(id);
  }
  return joined;
}
