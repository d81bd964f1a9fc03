/**
 * Rules to matchers.
 *
 * A rule becomes a tree of small functions. Items that stand in several rules are compiled once and
 * their answer is remembered for the rest of the event: `Image|endswith: '\powershell.exe'` is asked
 * by hundreds of rules and answered once.
 */
import { type Field, internField } from "../event/field.ts";
import { lookup } from "../event/lookup.ts";
import type { Value } from "../event/value.ts";
import type {
  ArrayBody,
  ArrayQuantifier,
  Condition,
  Detection,
  DetectionRule,
  Item,
  Selection,
} from "../sigma/rule.ts";
import type { EvaluationContext } from "./context.ts";
import { compileItem, compileKeywords, existsWithoutField, type KeywordTest } from "./item_test.ts";

/** Whether something holds for the event the context is at. */
export type Matcher = (context: EvaluationContext) => boolean;

/** Compiles rules for one engine; items are shared among them. */
export class RuleCompiler {
  readonly #items = new Map<string, Matcher>();

  /** The rule with its filters, which have names of their own. */
  compile(rule: DetectionRule): Matcher {
    const own = this.#conditions(rule.selections, rule.conditions);
    const filters = rule.filters.map(({ selections, conditions }) =>
      this.#conditions(selections, conditions)
    );
    if (filters.length === 0) return own;
    return (context) => own(context) && filters.every((filter) => filter(context));
  }

  /** One of the conditions holds. */
  #conditions(selections: readonly Selection[], conditions: readonly Condition[]): Matcher {
    const compiled = new Map<string, Matcher>();
    const named = (name: string): Matcher => {
      const known = compiled.get(name);
      if (known !== undefined) return known;
      const selection = selections.find((candidate) => candidate.name === name);
      const matcher = selection === undefined ? never : this.#detection(selection.detection);
      compiled.set(name, matcher);
      return matcher;
    };
    return anyMatcher(conditions.map((condition) => compileCondition(condition, named)));
  }

  #detection(detection: Detection): Matcher {
    switch (detection.kind) {
      case "all_of":
        return allMatcher(detection.items.map((item) => this.#item(item)));
      case "any_of":
        return anyMatcher(detection.branches.map((branch) => this.#detection(branch)));
      case "and":
        return allMatcher(detection.branches.map((branch) => this.#detection(branch)));
      case "keywords":
        return this.#item(detection.item);
      case "array": {
        const field = internField(detection.field);
        const block = compileArray(detection.quantifier, detection.body);
        return (context) => block(context.value(field), context);
      }
    }
  }

  #item(item: Item): Matcher {
    const key = JSON.stringify([item.field, item.all, item.negated, item.patterns]);
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const matcher = remember(
      item.field === undefined ? keywordMatcher(item) : fieldMatcher(item, internField(item.field)),
    );
    this.#items.set(key, matcher);
    return matcher;
  }
}

const never: Matcher = () => false;

/** Asks once an event. */
function remember(matcher: Matcher): Matcher {
  let epoch = 0;
  let answer = false;
  return (context) => {
    if (context.epoch === epoch) return answer;
    answer = matcher(context);
    epoch = context.epoch;
    return answer;
  };
}

function fieldMatcher(item: Item, field: Field): Matcher {
  const test = compileItem(item);
  return (context) => {
    const value = context.value(field);
    return typeof value === "string"
      ? test(value, context.lower(field, value), context)
      : test(value, undefined, context);
  };
}

const keywordMatchers = new WeakMap<Item, Matcher>();

/** Whether a keyword item holds for the event of `context`. */
export function keywordsHold(item: Item, context: EvaluationContext): boolean {
  let matcher = keywordMatchers.get(item);
  if (matcher === undefined) keywordMatchers.set(item, matcher = keywordMatcher(item));
  return matcher(context);
}

function keywordMatcher(item: Item): Matcher {
  const known = existsWithoutField(item);
  if (known !== undefined) return () => known;
  const tests = compileKeywords(item);
  const found = (context: EvaluationContext): boolean => {
    const texts = context.texts();
    const somewhere = (test: KeywordTest): boolean => {
      for (let at = 0; at < texts.length; at++) {
        if (test(texts[at]!, context.lowerText(at), context)) return true;
      }
      return false;
    };
    return item.all ? tests.every(somewhere) : tests.some(somewhere);
  };
  return item.negated ? (context) => !found(context) : found;
}

function allMatcher(matchers: readonly Matcher[]): Matcher {
  if (matchers.length === 1) return matchers[0]!;
  return (context) => {
    for (const matcher of matchers) if (!matcher(context)) return false;
    return true;
  };
}

function anyMatcher(matchers: readonly Matcher[]): Matcher {
  if (matchers.length === 1) return matchers[0]!;
  return (context) => {
    for (const matcher of matchers) if (matcher(context)) return true;
    return false;
  };
}

function compileCondition(condition: Condition, named: (name: string) => Matcher): Matcher {
  switch (condition.kind) {
    case "selection":
      return named(condition.name);
    case "and":
      return allMatcher(condition.children.map((child) => compileCondition(child, named)));
    case "or":
      return anyMatcher(condition.children.map((child) => compileCondition(child, named)));
    case "not": {
      const child = compileCondition(condition.child, named);
      return (context) => !child(context);
    }
    case "quantified": {
      const branches = condition.names.map(named);
      if (condition.need === "all") return allMatcher(branches);
      if (condition.need === 1) return anyMatcher(branches);
      return atLeast(condition.need, branches);
    }
  }
}

function atLeast(need: number, matchers: readonly Matcher[]): Matcher {
  return (context) => {
    let missing = need;
    for (const matcher of matchers) {
      if (missing <= 0) break;
      if (matcher(context)) missing--;
    }
    return missing <= 0;
  };
}

/** Tests one member of an array; `context` is for `fieldref`, which sees the whole event. */
export type MemberTest = (member: Value, context: EvaluationContext) => boolean;
export type ArrayTest = (value: Value | undefined, context: EvaluationContext) => boolean;

/** Compiles an array block; the test takes the array's value. */
export function compileArray(quantifier: ArrayQuantifier, body: ArrayBody): ArrayTest {
  const member = compileBody(body);
  const whenEmpty = quantifier === "all_or_empty" || quantifier === "none";
  return (value, context) => {
    if (value === undefined || value === null) return whenEmpty;
    const members = Array.isArray(value) ? value as readonly Value[] : [value];
    if (members.length === 0) return whenEmpty;
    switch (quantifier) {
      case "any":
        return members.some((one) => member(one, context));
      case "all":
      case "all_or_empty":
        return members.every((one) => member(one, context));
      case "none":
        return !members.some((one) => member(one, context));
    }
  };
}

/** Compiles the body of an array block. */
export function compileBody(body: ArrayBody): MemberTest {
  if (body.kind === "basic") return memberDetection(body.detection);
  const tests = new Map(body.selections.map(({ name, detection }) => [
    name,
    memberDetection(detection),
  ]));
  const conditions = body.conditions.map((condition) => memberCondition(condition, tests));
  return (member, context) => conditions.some((test) => test(member, context));
}

function memberCondition(
  condition: Condition,
  tests: ReadonlyMap<string, MemberTest>,
): MemberTest {
  switch (condition.kind) {
    case "selection":
      return tests.get(condition.name) ?? (() => false);
    case "and": {
      const children = condition.children.map((child) => memberCondition(child, tests));
      return (member, context) => children.every((child) => child(member, context));
    }
    case "or": {
      const children = condition.children.map((child) => memberCondition(child, tests));
      return (member, context) => children.some((child) => child(member, context));
    }
    case "not": {
      const child = memberCondition(condition.child, tests);
      return (member, context) => !child(member, context);
    }
    case "quantified": {
      const branches = condition.names.map((name) => tests.get(name) ?? (() => false));
      const need = condition.need === "all" ? branches.length : condition.need;
      return (member, context) => branches.filter((test) => test(member, context)).length >= need;
    }
  }
}

function memberDetection(detection: Detection): MemberTest {
  switch (detection.kind) {
    case "all_of": {
      const items = detection.items.map(memberItem);
      return (member, context) => items.every((item) => item(member, context));
    }
    case "keywords":
      return memberItem(detection.item);
    case "any_of": {
      const branches = detection.branches.map(memberDetection);
      return (member, context) => branches.some((branch) => branch(member, context));
    }
    case "and": {
      const branches = detection.branches.map(memberDetection);
      return (member, context) => branches.every((branch) => branch(member, context));
    }
    case "array": {
      const field = internField(detection.field);
      const block = compileArray(detection.quantifier, detection.body);
      return (member, context) => block(lookup(member, field), context);
    }
  }
}

/** Without a field the item is about the member itself. */
function memberItem(item: Item): MemberTest {
  const test = compileItem(item);
  if (item.field === undefined) return (member, context) => test(member, undefined, context);
  const field = internField(item.field);
  return (member, context) => test(lookup(member, field), undefined, context);
}
