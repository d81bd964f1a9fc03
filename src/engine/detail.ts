/**
 * From a match to its result: which selections held, and on which values.
 *
 * This runs once a match, so it walks the rule itself instead of its compiled form.
 */
import { internField } from "../event/field.ts";
import type { Value } from "../event/value.ts";
import { includesEvent } from "../sigma/attributes.ts";
import type { Condition, Detection, DetectionRule, Item, Selection } from "../sigma/rule.ts";
import { type ArrayTest, compileArray, keywordsHold } from "./compile.ts";
import type { EvaluationContext } from "./context.ts";
import { describeItem } from "./describe.ts";
import { compileItem, compileKeywords, type ItemTest, type KeywordTest } from "./item_test.ts";
import type { DetectionResult, FieldMatch, MatchDetail } from "./result.ts";

/** A keyword found in very many places is reported in this many. */
const MAX_KEYWORD_HITS = 16;

export interface DetailOptions {
  readonly matchDetail: MatchDetail;
  readonly includeEvent: boolean;
}

/** Builds results for rules known to match the event of a context. */
export class ResultBuilder {
  readonly #options: DetailOptions;
  readonly #tests = new WeakMap<Item, ItemTest>();
  readonly #keywords = new WeakMap<Item, readonly KeywordTest[]>();
  readonly #blocks = new WeakMap<Detection, ArrayTest>();

  constructor(options: DetailOptions) {
    this.#options = options;
  }

  /** The result of `rule`, which matches the event `context` is at. */
  build(rule: DetectionRule, context: EvaluationContext): DetectionResult {
    const names = this.#matchedNames(rule, context);
    const fields: FieldMatch[] = [];
    for (const name of names) {
      const selection = rule.selections.find((candidate) => candidate.name === name)!;
      this.#describe(selection.detection, name, context, fields);
    }
    const attributes = rule.customAttributes;
    return {
      rule_title: rule.title,
      rule_id: rule.id ?? null,
      level: rule.level ?? null,
      tags: rule.tags,
      ...(Object.keys(attributes).length === 0 ? {} : { custom_attributes: attributes }),
      matched_selections: names,
      matched_fields: fields,
      ...(rule.filters.length === 0 ? {} : {
        filters: rule.filters.map(({ id, title }) => id === undefined ? { title } : { id, title }),
      }),
      ...(this.#options.includeEvent || includesEvent(rule)
        ? { event: context.event.toValue() }
        : {}),
    };
  }

  #matchedNames(rule: DetectionRule, context: EvaluationContext): readonly string[] {
    const holds = (name: string) => this.selectionHolds(rule.selections, name, context);
    for (const condition of rule.conditions) {
      const names = new Set<string>();
      if (collectNames(condition, holds, names)) return [...names];
    }
    return [];
  }

  /** Whether a selection holds for the event of `context`. */
  selectionHolds(
    selections: readonly Selection[],
    name: string,
    context: EvaluationContext,
  ): boolean {
    const selection = selections.find((candidate) => candidate.name === name);
    return selection !== undefined && this.detectionHolds(selection.detection, context);
  }

  detectionHolds(detection: Detection, context: EvaluationContext): boolean {
    switch (detection.kind) {
      case "all_of":
        return detection.items.every((item) => this.itemHolds(item, context));
      case "any_of":
        return detection.branches.some((branch) => this.detectionHolds(branch, context));
      case "and":
        return detection.branches.every((branch) => this.detectionHolds(branch, context));
      case "keywords":
        return this.itemHolds(detection.item, context);
      case "array": {
        let block = this.#blocks.get(detection);
        if (block === undefined) {
          block = compileArray(detection.quantifier, detection.body);
          this.#blocks.set(detection, block);
        }
        return block(context.value(internField(detection.field)), context);
      }
    }
  }

  itemHolds(item: Item, context: EvaluationContext): boolean {
    if (item.field === undefined) return keywordsHold(item, context);
    let test = this.#tests.get(item);
    if (test === undefined) this.#tests.set(item, test = compileItem(item));
    return test(context.value(internField(item.field)), undefined, context);
  }

  #describe(
    detection: Detection,
    selection: string,
    context: EvaluationContext,
    fields: FieldMatch[],
  ): void {
    switch (detection.kind) {
      case "all_of":
        for (const item of detection.items) this.#describeItem(item, selection, context, fields);
        break;
      case "any_of":
      case "and":
        for (const branch of detection.branches) {
          if (this.detectionHolds(branch, context)) {
            this.#describe(branch, selection, context, fields);
          }
        }
        break;
      case "keywords":
        this.#describeItem(detection.item, selection, context, fields);
        break;
      case "array": {
        const value = ownValue(detection.field, context);
        if (value !== undefined) fields.push({ field: detection.field, value });
        break;
      }
    }
  }

  #describeItem(
    item: Item,
    selection: string,
    context: EvaluationContext,
    fields: FieldMatch[],
  ): void {
    const detailed = this.#options.matchDetail !== "off";
    if (item.field === undefined) {
      if (detailed) this.#describeKeywords(item, selection, context, fields);
      return;
    }
    const value = ownValue(item.field, context);
    if (value !== undefined) {
      fields.push({ field: item.field, value, ...this.#description(item, selection) });
    } else if (detailed && item.patterns.some((pattern) => pattern.kind === "null")) {
      fields.push({ field: item.field, value: null, ...this.#description(item, selection) });
    }
  }

  #describeKeywords(
    item: Item,
    selection: string,
    context: EvaluationContext,
    fields: FieldMatch[],
  ): void {
    let tests = this.#keywords.get(item);
    if (tests === undefined) this.#keywords.set(item, tests = compileKeywords(item));
    const description = this.#description(item, selection);
    let hits = 0;
    for (const [at, text] of context.texts().entries()) {
      const lower = context.lowerText(at);
      if (!tests.some((test) => test(text, lower, context))) continue;
      fields.push({ field: "keyword", value: text, ...description });
      if (++hits === MAX_KEYWORD_HITS) break;
    }
  }

  #description(item: Item, selection: string): Omit<FieldMatch, "field" | "value"> {
    const { matchDetail } = this.#options;
    if (matchDetail === "off") return {};
    const { matcher, pattern, caseSensitive } = describeItem(item);
    return {
      selection,
      matcher,
      ...(matchDetail === "full" && pattern !== undefined ? { pattern } : {}),
      ...(caseSensitive === undefined ? {} : { case_sensitive: caseSensitive }),
      ...(item.negated ? { negated: true } : {}),
    };
  }
}

/** The value as the event has it, in one spelling. */
function ownValue(name: string, context: EvaluationContext): Value | undefined {
  return context.plainValue(internField(name));
}

/**
 * Evaluates a condition and notes the names that are true on the way, as the reference does: `and`
 * and `or` stop early, selectors look at all their selections, `not` does not hide what held in it.
 */
export function collectNames(
  condition: Condition,
  holds: (name: string) => boolean,
  names: Set<string>,
): boolean {
  switch (condition.kind) {
    case "selection": {
      const held = holds(condition.name);
      if (held) names.add(condition.name);
      return held;
    }
    case "and":
      return condition.children.every((child) => collectNames(child, holds, names));
    case "or":
      return condition.children.some((child) => collectNames(child, holds, names));
    case "not":
      return !collectNames(condition.child, holds, names);
    case "quantified": {
      const held = condition.names.filter(holds);
      for (const name of held) names.add(name);
      const need = condition.need === "all" ? condition.names.length : condition.need;
      return held.length >= need;
    }
  }
}
