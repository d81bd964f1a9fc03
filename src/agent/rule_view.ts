/**
 * The rules of the agent as the API shows them.
 */
import { readFileSync, statSync } from "node:fs";
import { extname } from "node:path";
import type { RuleDetail, RuleFailure, RuleInfo } from "../admin/view.ts";
import { titleKey } from "../runtime/alert.ts";
import type { RuleSummary } from "../runtime/rule_set.ts";
import { LEVELS, type RuleProblem } from "../sigma/rule.ts";
import type { RuleCounters } from "./counters.ts";
import type { RuleManager } from "./rule_manager.ts";

/** So many failures are listed. */
const MAX_FAILURES = 1000;
/** Larger files are bundles or no rules. */
const MAX_SOURCE_BYTES = 1 << 20;

export function ruleInfos(rules: RuleManager, counters: RuleCounters): readonly RuleInfo[] {
  const isTaken = choiceOf(rules);
  const infos = rules.rules
    .filter(({ kind }) => kind !== "filter")
    .map((rule) => ruleInfo(rule, isTaken(rule), counters));
  return [...infos, ...failures(rules).filter(isRule).map(failedRule)];
}

/** Files and rules that could not be used. */
export function ruleFailures(rules: RuleManager): readonly RuleFailure[] {
  return failures(rules).slice(0, MAX_FAILURES).map(ruleFailure);
}

export function ruleFailure(problem: RuleProblem): RuleFailure {
  return {
    file: problem.path,
    ...(problem.line === undefined ? {} : { line: problem.line }),
    ...(problem.ruleId === undefined ? {} : { id: problem.ruleId }),
    ...(problem.ruleTitle === undefined ? {} : { title: problem.ruleTitle }),
    code: problem.code,
    error: problem.message,
  };
}

export function ruleDetail(
  id: string,
  rules: RuleManager,
  counters: RuleCounters,
): RuleDetail | undefined {
  const info = ruleInfos(rules, counters).find((rule) => rule.id === id);
  if (info === undefined) return undefined;
  const rule = rules.isLoaded
    ? rules.processor.engine.ruleEngine?.rules.find((one) => (one.id ?? titleKey(one.title)) === id)
    : undefined;
  return {
    ...info,
    description: rule?.description ?? null,
    author: rule?.author ?? null,
    references: [...rule?.references ?? []],
    falsepositives: [...rule?.falsepositives ?? []],
    source: sourceText(info.file),
  };
}

/** The file of a rule, if it still is one of text. */
function sourceText(path: string): string | null {
  if (!/\.ya?ml$/.test(extname(path))) return null;
  try {
    return statSync(path).size > MAX_SOURCE_BYTES ? null : readFileSync(path, "utf8");
  } catch {
    return null; // It has been moved since, or came in a bundle.
  }
}

function choiceOf({ settings: { choice } }: RuleManager): (rule: RuleSummary) => boolean {
  const lowest = choice.minLevel === undefined ? 0 : LEVELS.indexOf(choice.minLevel);
  const disabled = new Set(choice.disabled?.map((name) => name.toLowerCase()));
  return ({ id, title, level }) =>
    !disabled.has(title.toLowerCase()) && !(id !== null && disabled.has(id.toLowerCase())) &&
    (level === null || LEVELS.indexOf(level) >= lowest);
}

function ruleInfo(rule: RuleSummary, isTaken: boolean, counters: RuleCounters): RuleInfo {
  const id = rule.id ?? titleKey(rule.title);
  const matches = counters.get(id);
  return {
    id,
    title: rule.title,
    kind: rule.kind === "correlation" ? "correlation" : "detection",
    level: rule.level,
    status: isTaken ? "loaded" : "disabled",
    product: rule.product,
    category: rule.category,
    service: rule.service,
    file: rule.file,
    line: rule.line,
    tags: [...rule.tags],
    matches_total: matches?.matches ?? 0,
    last_match: matches === undefined ? null : Math.floor(matches.lastMs / 1000),
    ...(isTaken ? {} : { error: "left out by the configuration" }),
  };
}

function failures(rules: RuleManager): readonly RuleProblem[] {
  return rules.stats?.problems.filter(({ severity }) => severity === "error") ?? [];
}

function isRule({ ruleId, ruleTitle }: RuleProblem): boolean {
  return ruleId !== undefined || ruleTitle !== undefined;
}

function failedRule(problem: RuleProblem): RuleInfo {
  return {
    id: problem.ruleId ?? titleKey(problem.ruleTitle ?? problem.path),
    title: problem.ruleTitle ?? problem.ruleId ?? problem.path,
    kind: "detection",
    level: null,
    status: "failed",
    product: null,
    category: null,
    service: null,
    file: problem.path,
    line: problem.line ?? null,
    tags: [],
    matches_total: 0,
    last_match: null,
    error: problem.message,
  };
}
