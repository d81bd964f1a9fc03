/**
 * Files to one collection: what rules say about each other.
 *
 * @see sigma-rules.md, section 18; correlation.md, section 5
 */
import type { ParsedFile } from "./parse.ts";
import { ruleProblem } from "./problems.ts";
import { checkReferences } from "./references.ts";
import {
  type BoundFilter,
  type CorrelationRule,
  type DetectionRule,
  type FilterRule,
  type Level,
  LEVELS,
  type Logsource,
  type RuleCollection,
  type RuleMetadata,
  type RuleProblem,
  type Status,
} from "./rule.ts";

/** Which rules to take; without a choice, all. */
export interface AssembleOptions {
  /** Take rules of these statuses, and rules without one. */
  readonly statuses?: readonly Status[];
  /** Take rules of this level or above, and rules without one. */
  readonly minimumLevel?: Level;
}

/**
 * Joins files: binds filters to the rules they target, and checks ids and references.
 *
 * The order of rules is that of `files`; a correlation that refers to nothing, or to itself by a
 * detour, is left out. A repeated id is a warning, both rules are kept. A detection that a
 * correlation refers to is taken whatever `options` say, since the correlation is blind without it.
 */
export function assembleRules(
  files: readonly ParsedFile[],
  options: AssembleOptions = {},
): RuleCollection {
  const filters = files.flatMap((file) => file.filters);
  const all = files.flatMap((file) => file.rules);
  const written = files.flatMap((file) => file.correlations);
  const referred = new Set(written.flatMap((correlation) => correlation.rules));
  const rules = all.filter((rule) =>
    isWanted(rule, options) ||
    (rule.id !== undefined && referred.has(rule.id)) ||
    (rule.name !== undefined && referred.has(rule.name))
  );
  const references = checkReferences(rules, written);
  const { correlations } = references;
  return {
    rules: bindFilters(rules, filters),
    correlations: bindFilters(correlations, filters),
    filters,
    problems: [
      ...files.flatMap((file) => file.problems),
      ...repeatedIds([...all, ...written, ...filters]),
      ...references.problems,
      ...unmatchedTargets(filters, [...all, ...correlations]),
    ],
  };
}

function isWanted({ status, level }: RuleMetadata, options: AssembleOptions): boolean {
  const { statuses, minimumLevel } = options;
  if (statuses !== undefined && status !== undefined && !statuses.includes(status)) return false;
  return minimumLevel === undefined || level === undefined ||
    LEVELS.indexOf(level) >= LEVELS.indexOf(minimumLevel);
}

/**
 * The rules with the filters that apply to them, in the order of `filters`.
 *
 * A filter for every rule is not bound to correlations: it holds for the rules they are made of
 * already.
 */
export function bindFilters<R extends DetectionRule | CorrelationRule>(
  rules: readonly R[],
  filters: readonly FilterRule[],
): readonly R[] {
  if (filters.length === 0) return rules;
  return rules.map((rule) => {
    const bound = filters.filter((filter) => applies(filter, rule)).map(bind);
    return bound.length === 0 ? rule : withFilters(rule, [...(rule.filters ?? []), ...bound]);
  });
}

/** A copy. Of a rule whose members are parsed on demand they stay where they are. */
function withFilters<R extends DetectionRule | CorrelationRule>(
  rule: R,
  filters: readonly BoundFilter[],
): R {
  if (Object.getPrototypeOf(rule) === Object.prototype) return { ...rule, filters };
  return Object.create(rule, { filters: { value: filters, enumerable: true } }) as R;
}

function applies(filter: FilterRule, rule: DetectionRule | CorrelationRule): boolean {
  const targeted = filter.targets.length === 0
    ? rule.kind === "detection"
    : filter.targets.some((target) => isCalled(rule, target));
  if (!targeted || filter.logsource === undefined || rule.kind === "correlation") return targeted;
  return containsLogsource(filter.logsource, rule.logsource);
}

function isCalled(rule: RuleMetadata, target: string): boolean {
  return rule.id === target || rule.name === target || rule.title === target;
}

/** Whether the rule has each dimension that the filter names, letter case aside. */
function containsLogsource(filter: Logsource, rule: Logsource): boolean {
  return (["category", "product", "service"] as const).every((dimension) =>
    filter[dimension] === undefined ||
    filter[dimension].toLowerCase() === rule[dimension]?.toLowerCase()
  );
}

function bind({ title, id, selections, conditions }: FilterRule): BoundFilter {
  return { title, ...(id === undefined ? {} : { id }), selections, conditions };
}

function repeatedIds(rules: readonly RuleMetadata[]): readonly RuleProblem[] {
  const first = new Map<string, RuleMetadata>();
  return rules.flatMap((rule) => {
    if (rule.id === undefined) return [];
    const earlier = first.get(rule.id);
    if (earlier === undefined) {
      first.set(rule.id, rule);
      return [];
    }
    const { path, line } = earlier.origin;
    const message = `id ${rule.id} is already used by '${earlier.title}' (${path}:${line}); ` +
      "give each rule its own";
    return [ruleProblem("warning", "duplicate_id", message, rule)];
  });
}

function unmatchedTargets(
  filters: readonly FilterRule[],
  rules: readonly RuleMetadata[],
): readonly RuleProblem[] {
  const known = new Set(rules.flatMap(({ id, name, title }) => [id, name, title]));
  return filters.flatMap((filter) =>
    filter.targets.filter((target) => !known.has(target)).map((target) => {
      const message = `filter target '${target}' is no loaded rule's id, name or title`;
      return ruleProblem("warning", "filter_target_unmatched", message, filter);
    })
  );
}
