/**
 * Why a rule did or did not match an event: the whole rule, node by node, nothing cut short.
 *
 * Whether an item holds is asked of the engine's own tests, so an explanation cannot disagree with
 * the engine about a value; only the joining of items is done here again.
 *
 * The objects are what `picket explain` writes as JSON, hence their spelling.
 *
 * @see sigma-rules.md, section 22.3
 */
import type { LogEvent } from "../event/event.ts";
import { internField } from "../event/field.ts";
import { lookup } from "../event/lookup.ts";
import type { Value } from "../event/value.ts";
import type {
  ArrayQuantifier,
  Condition,
  Detection,
  DetectionRule,
  Item,
  Level,
  Selection,
} from "../sigma/rule.ts";
import { compileBody, keywordsHold } from "./compile.ts";
import { EvaluationContext } from "./context.ts";
import { type ItemNode, ItemTracer } from "./explain_item.ts";
import {
  compatible,
  type EventKind,
  eventKind,
  type EventLogsource,
  eventTraits,
  needsPresence,
  type StaticLogsource,
} from "./logsource.ts";
import { holdsWithoutEvent } from "./naive.ts";

export type { ItemNode, Reason } from "./explain_item.ts";

/** Of an array, so many members are traced: those that decide come first. */
const MAX_MEMBERS = 8;

export interface SelectionNode {
  readonly type: "selection";
  readonly name: string;
  readonly matched: boolean;
  readonly detection: DetectionNode;
}

export type ConditionNode =
  | SelectionNode
  | {
    readonly type: "and" | "or";
    readonly matched: boolean;
    readonly children: readonly ConditionNode[];
  }
  | { readonly type: "not"; readonly matched: boolean; readonly child: ConditionNode }
  | {
    readonly type: "quantified";
    readonly quantifier: "any" | "all" | number;
    /** As written: `selection_*`. */
    readonly pattern: string;
    readonly matched: boolean;
    readonly need: number;
    readonly got: number;
    /** Sorted by name. */
    readonly branches: readonly Omit<SelectionNode, "type">[];
  };

export interface ArrayNode {
  readonly type: "array";
  readonly field: string;
  readonly quantifier: ArrayQuantifier;
  readonly matched: boolean;
  /** Members of the array, and how many of them satisfy the body. */
  readonly size: number;
  readonly satisfied: number;
  readonly reason: "matched" | "field_absent" | "no_members" | "value_mismatch";
  readonly found_as?: string;
  /** The members that decide, at most eight. */
  readonly members: readonly MemberNode[];
  readonly omitted?: number;
}

/** One member; its body is a detection, or conditions with names of their own. */
export interface MemberNode {
  readonly index: number;
  readonly matched: boolean;
  readonly actual: Value;
  readonly detection?: DetectionNode;
  readonly conditions?: readonly ConditionNode[];
}

export type DetectionNode =
  | { readonly type: "all_of"; readonly matched: boolean; readonly items: readonly ItemNode[] }
  | {
    readonly type: "any_of" | "and";
    readonly matched: boolean;
    readonly branches: readonly DetectionNode[];
  }
  | { readonly type: "keywords"; readonly matched: boolean; readonly item: ItemNode }
  | ArrayNode;

/** Whether a rule is for events such as this one. */
export interface LogsourceNode {
  readonly applies: boolean;
  /** The dimensions that rule out the event. */
  readonly mismatched: readonly string[];
  /**
   * The rule matches by what an event lacks, and the event is a line of text that may be of any log.
   */
  readonly by_absence?: boolean;
  readonly rule: Readonly<Record<string, string>>;
  /** What is known of the event; absent dimensions are not, and rule nothing out. */
  readonly event: {
    readonly product?: string;
    readonly services?: readonly string[];
    readonly categories?: readonly string[];
  };
}

export interface FilterNode {
  readonly title: string;
  readonly id?: string;
  /** `false`: the filter keeps the rule from matching. */
  readonly matched: boolean;
  readonly conditions: readonly ConditionNode[];
}

export interface RuleExplanation {
  readonly rule_title: string;
  readonly rule_id?: string;
  readonly level?: Level;
  readonly matched: boolean;
  readonly logsource: LogsourceNode;
  /** One of them must hold. */
  readonly conditions: readonly ConditionNode[];
  /** All of them must hold. */
  readonly filters?: readonly FilterNode[];
}

export interface ExplainOptions {
  readonly logsourceRouting?: boolean;
  readonly logsource?: StaticLogsource;
}

/** Where items are looked up: the event, or a member of an array in it. */
type Member = { readonly value: Value } | undefined;

const UNROUTED: EventKind = { logsource: {}, names: new Map() };

/** Explains rules for one event after another. */
export class Explainer {
  readonly #options: ExplainOptions;
  readonly #context = new EvaluationContext();
  readonly #items = new ItemTracer(this.#context);
  #kind: EventKind = UNROUTED;

  constructor(options: ExplainOptions = {}) {
    this.#options = options;
  }

  /** Turns to an event, which must stay valid while rules are explained for it. */
  begin(event: LogEvent): void {
    const { logsourceRouting = true, logsource = {} } = this.#options;
    this.#kind = logsourceRouting ? eventKind(eventTraits(event), logsource) : UNROUTED;
    this.#context.begin(event);
    this.#context.useNames(this.#kind.names);
    this.#items.begin(event, this.#kind.names);
  }

  /** Whether `rule` is for events such as that of `begin`; much cheaper than explaining it. */
  applies(rule: DetectionRule): boolean {
    return compatible(rule.logsource, this.#kind.logsource) &&
      !isByAbsence(rule, this.#kind.logsource);
  }

  /** Explains `rule` for the event of `begin`. Its verdict is that of the engine. */
  explain(rule: DetectionRule): RuleExplanation {
    const logsource = explainLogsource(rule, this.#kind.logsource);
    const conditions = this.#conditions(rule.conditions, rule.selections, undefined);
    const filters = rule.filters.map(({ title, id, ...filter }): FilterNode => {
      const own = this.#conditions(filter.conditions, filter.selections, undefined);
      return {
        title,
        ...(id === undefined ? {} : { id }),
        matched: own.some(isMatched),
        conditions: own,
      };
    });
    return {
      rule_title: rule.title,
      ...(rule.id === undefined ? {} : { rule_id: rule.id }),
      ...(rule.level === undefined ? {} : { level: rule.level }),
      matched: logsource.applies && conditions.some(isMatched) && filters.every(isMatched),
      logsource,
      conditions,
      ...(filters.length === 0 ? {} : { filters }),
    };
  }

  #conditions(
    conditions: readonly Condition[],
    selections: readonly Selection[],
    member: Member,
  ): readonly ConditionNode[] {
    // A name that stands in a condition twice is traced once.
    const traced = new Map<string, SelectionNode>();
    const named = (name: string): SelectionNode => {
      let node = traced.get(name);
      if (node === undefined) {
        const selection = selections.find((candidate) => candidate.name === name);
        const detection = selection === undefined
          ? NOTHING
          : this.#detection(selection.detection, member);
        node = { type: "selection", name, matched: detection.matched, detection };
        traced.set(name, node);
      }
      return node;
    };
    return conditions.map((condition) => explainCondition(condition, named));
  }

  #detection(detection: Detection, member: Member): DetectionNode {
    switch (detection.kind) {
      case "all_of": {
        const items = detection.items.map((item) => this.#item(item, member));
        return { type: "all_of", matched: items.every(isMatched), items };
      }
      case "any_of":
      case "and": {
        const branches = detection.branches.map((branch) => this.#detection(branch, member));
        const matched = detection.kind === "any_of"
          ? branches.some(isMatched)
          : branches.every(isMatched);
        return { type: detection.kind, matched, branches };
      }
      case "keywords": {
        const item = this.#item(detection.item, member);
        return { type: "keywords", matched: item.matched, item };
      }
      case "array":
        return this.#array(detection, member);
    }
  }

  #item(item: Item, member: Member): ItemNode {
    if (member !== undefined) {
      const value = item.field === undefined
        ? member.value
        : lookup(member.value, internField(item.field));
      return this.#items.trace(item, value, undefined);
    }
    if (item.field === undefined) {
      return this.#items.keywords(item, keywordsHold(item, this.#context));
    }
    const field = internField(item.field);
    return this.#items.trace(item, this.#context.value(field), field);
  }

  #array(detection: Detection & { readonly kind: "array" }, member: Member): ArrayNode {
    const { quantifier, body } = detection;
    const field = internField(detection.field);
    const value = member === undefined ? this.#context.value(field) : lookup(member.value, field);
    const members = value === undefined || value === null
      ? []
      : Array.isArray(value)
      ? value as readonly Value[]
      : [value];
    const holds = compileBody(body);
    const held = members.map((one) => holds(one, this.#context));
    const satisfied = held.filter(Boolean).length;
    const matched = quantified(quantifier, satisfied, members.length);
    // With `none` it is the members that satisfy the body that keep the block from matching.
    const deciding = quantifier === "none" ? !matched : matched;
    const indexes = [...held.keys()].filter((index) => held[index] === deciding);
    const foundAs = member === undefined ? this.#items.foundAs(field) : undefined;
    return {
      type: "array",
      field: detection.field,
      quantifier,
      matched,
      size: members.length,
      satisfied,
      reason: matched
        ? "matched"
        : value === undefined
        ? "field_absent"
        : members.length === 0
        ? "no_members"
        : "value_mismatch",
      ...(foundAs === undefined ? {} : { found_as: foundAs }),
      members: indexes.slice(0, MAX_MEMBERS).map((index): MemberNode => {
        const own = { value: members[index]! };
        return {
          index,
          matched: held[index]!,
          actual: own.value,
          ...(body.kind === "basic"
            ? { detection: this.#detection(body.detection, own) }
            : { conditions: this.#conditions(body.conditions, body.selections, own) }),
        };
      }),
      ...(indexes.length > MAX_MEMBERS ? { omitted: indexes.length - MAX_MEMBERS } : {}),
    };
  }
}

/** A name that no selection has never holds. */
const NOTHING: DetectionNode = { type: "any_of", matched: false, branches: [] };

function isMatched(node: { readonly matched: boolean }): boolean {
  return node.matched;
}

function explainCondition(
  condition: Condition,
  named: (name: string) => SelectionNode,
): ConditionNode {
  switch (condition.kind) {
    case "selection":
      return named(condition.name);
    case "and":
    case "or": {
      const children = condition.children.map((child) => explainCondition(child, named));
      const matched = condition.kind === "and"
        ? children.every(isMatched)
        : children.some(isMatched);
      return { type: condition.kind, matched, children };
    }
    case "not": {
      const child = explainCondition(condition.child, named);
      return { type: "not", matched: !child.matched, child };
    }
    case "quantified": {
      const { need, names, pattern } = condition;
      const branches = [...names].sort().map((name) => {
        const { matched, detection } = named(name);
        return { name, matched, detection };
      });
      const wanted = need === "all" ? names.length : need;
      const got = branches.filter(isMatched).length;
      return {
        type: "quantified",
        quantifier: need === 1 ? "any" : need,
        pattern,
        matched: got >= wanted,
        need: wanted,
        got,
        branches,
      };
    }
  }
}

function quantified(quantifier: ArrayQuantifier, satisfied: number, size: number): boolean {
  switch (quantifier) {
    case "any":
      return satisfied > 0;
    case "all":
      return size > 0 && satisfied === size;
    case "all_or_empty":
      return satisfied === size;
    case "none":
      return satisfied === 0;
  }
}

function isByAbsence(rule: DetectionRule, event: EventLogsource): boolean {
  return needsPresence(rule.logsource, event) && holdsWithoutEvent(rule);
}

function explainLogsource(rule: DetectionRule, event: EventLogsource): LogsourceNode {
  const byAbsence = isByAbsence(rule, event);
  const { product, category, service, custom } = rule.logsource;
  const dimensions = Object.entries({ product, category, service, ...custom })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    applies: compatible(rule.logsource, event) && !byAbsence,
    ...(byAbsence ? { by_absence: true } : {}),
    mismatched: dimensions.filter(([name, value]) => {
      const own = Object.hasOwn(custom, name)
        ? { custom: { [name]: value } }
        : { custom: {}, [name]: value };
      return !compatible(own, event);
    }).map(([name]) => name),
    rule: Object.fromEntries(dimensions),
    event: {
      ...(event.product === undefined ? {} : { product: event.product }),
      ...(event.services === undefined ? {} : { services: [...event.services] }),
      ...(event.categories === undefined ? {} : { categories: [...event.categories] }),
    },
  };
}
