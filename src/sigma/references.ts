/**
 * What correlations refer to: every reference must name a loaded rule, and no chain of
 * correlations may come back to where it began.
 *
 * @see correlation.md, section 5
 */
import { ruleProblem } from "./problems.ts";
import type { Condition, CorrelationRule, DetectionRule, RuleProblem } from "./rule.ts";
import { didYouMean } from "./suggest.ts";

type Referable = DetectionRule | CorrelationRule;

export interface CheckedReferences {
  /** Those whose references hold, in their order. */
  readonly correlations: readonly CorrelationRule[];
  readonly problems: readonly RuleProblem[];
}

/** Rules by id and by name; the first rule with an id or name has it. */
export class RuleNames {
  readonly #ids = new Map<string, Referable>();
  readonly #names = new Map<string, Referable>();

  constructor(rules: Iterable<Referable>) {
    for (const rule of rules) {
      if (rule.id !== undefined && !this.#ids.has(rule.id)) this.#ids.set(rule.id, rule);
      if (rule.name !== undefined && !this.#names.has(rule.name)) this.#names.set(rule.name, rule);
    }
  }

  /** The rule that `reference` names by its id or its name. */
  find(reference: string): Referable | undefined {
    return this.#ids.get(reference) ?? this.#names.get(reference);
  }

  *known(): Iterable<string> {
    yield* this.#ids.keys();
    yield* this.#names.keys();
  }
}

/** Checks the references of `written`; `rules` are the detections they may name. */
export function checkReferences(
  rules: readonly DetectionRule[],
  written: readonly CorrelationRule[],
): CheckedReferences {
  const names = new RuleNames([...rules, ...written]);
  const dropped = new Map<CorrelationRule, RuleProblem>();
  for (const correlation of written) {
    const message = brokenReference(correlation, names);
    if (message === undefined) continue;
    dropped.set(correlation, ruleProblem("error", "unknown_rule_reference", message, correlation));
  }
  for (const [correlation, path] of findCycles(written, names)) {
    if (dropped.has(correlation)) continue;
    const message = `correlation cycle detected: ${path.map(label).join(" -> ")}`;
    dropped.set(correlation, ruleProblem("error", "correlation_cycle", message, correlation));
  }
  dropDependents(written, names, dropped);
  return {
    correlations: written.filter((correlation) => !dropped.has(correlation))
      .map((correlation) => withImpliedCount(correlation, names)),
    problems: [...dropped.values()],
  };
}

/** A correlation that goes takes along those that refer to it. */
function dropDependents(
  written: readonly CorrelationRule[],
  names: RuleNames,
  dropped: Map<CorrelationRule, RuleProblem>,
): void {
  const dependents = new Map<CorrelationRule, CorrelationRule[]>();
  for (const correlation of written) {
    for (const inner of referred(correlation, names)) {
      const list = dependents.get(inner);
      if (list === undefined) dependents.set(inner, [correlation]);
      else list.push(correlation);
    }
  }
  // A map visits what is added to it on the way, so the whole chain is followed.
  for (const gone of dropped.keys()) {
    for (const outer of dependents.get(gone) ?? []) {
      if (dropped.has(outer)) continue;
      const message = `unknown rule reference: ${label(gone)}: that correlation was not loaded`;
      dropped.set(outer, ruleProblem("error", "unknown_rule_reference", message, outer));
    }
  }
}

function brokenReference(correlation: CorrelationRule, names: RuleNames): string | undefined {
  const missing = correlation.rules.find((reference) => names.find(reference) === undefined);
  if (missing !== undefined) {
    const hint = didYouMean(missing, names.known());
    return `unknown rule reference: ${missing}${hint}; use the id or name of a loaded rule`;
  }
  const { condition } = correlation;
  if (!("expression" in condition)) return undefined;
  const listed = new Set(correlation.rules.map((reference) => names.find(reference)));
  for (const name of conditionNames(condition.expression)) {
    const rule = names.find(name);
    if (rule !== undefined && listed.has(rule)) continue;
    return `unknown rule reference: ${name} in the condition; name one of the correlation's rules`;
  }
  return undefined;
}

function* conditionNames(condition: Condition): Generator<string> {
  switch (condition.kind) {
    case "and":
    case "or":
      for (const child of condition.children) yield* conditionNames(child);
      return;
    case "not":
      yield* conditionNames(condition.child);
      return;
    case "selection":
      yield condition.name;
      return;
    case "quantified":
      yield* condition.names;
      return;
  }
}

/** Two references may be the id and the name of one rule, which then counts once. */
function withImpliedCount(correlation: CorrelationRule, names: RuleNames): CorrelationRule {
  const { condition } = correlation;
  if ("expression" in condition || condition.implied !== true) return correlation;
  const value = new Set(correlation.rules.map((reference) => names.find(reference))).size;
  return { ...correlation, condition: { ...condition, bounds: [{ operator: "gte", value }] } };
}

/** The correlations that lie on a cycle, each with a way from itself to itself. */
function findCycles(
  correlations: readonly CorrelationRule[],
  names: RuleNames,
): ReadonlyMap<CorrelationRule, readonly CorrelationRule[]> {
  const cycles = new Map<CorrelationRule, readonly CorrelationRule[]>();
  const done = new Set<CorrelationRule>();
  for (const start of correlations) {
    const path: CorrelationRule[] = [];
    const places = new Map<CorrelationRule, number>();
    // A stack of its own: a chain may be longer than the call stack is deep.
    const stack: Iterator<CorrelationRule>[] = [];
    const enter = (correlation: CorrelationRule) => {
      places.set(correlation, path.length);
      path.push(correlation);
      stack.push(referred(correlation, names)[Symbol.iterator]());
    };
    if (!done.has(start)) enter(start);
    while (stack.length > 0) {
      const next = stack.at(-1)!.next();
      if (next.done === true) {
        stack.pop();
        const left = path.pop()!;
        places.delete(left);
        done.add(left);
        continue;
      }
      const from = places.get(next.value);
      if (from !== undefined) {
        const loop = path.slice(from);
        loop.forEach((member, index) => {
          if (cycles.has(member)) return;
          cycles.set(member, [...loop.slice(index), ...loop.slice(0, index), member]);
        });
      } else if (!done.has(next.value)) {
        enter(next.value);
      }
    }
  }
  return cycles;
}

function referred(correlation: CorrelationRule, names: RuleNames): readonly CorrelationRule[] {
  return correlation.rules.flatMap((reference) => {
    const rule = names.find(reference);
    return rule?.kind === "correlation" ? [rule] : [];
  });
}

function label({ id, name, title }: CorrelationRule): string {
  return id ?? name ?? title;
}
