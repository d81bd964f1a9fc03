/**
 * Everything that is wrong with rule files, or looks like it: what keeps rules from loading, and
 * what the linter finds.
 */
import { readFileSync } from "node:fs";
import { isBundle } from "../src/engine/bundle.ts";
import { checkRegex } from "../src/engine/regex/compile.ts";
import { listRuleFiles, readRuleFiles } from "../src/runtime/load_rules.ts";
import { assembleRules } from "../src/sigma/assemble.ts";
import {
  checkRules,
  type LintFinding,
  type LintOptions,
  lintReferences,
  type LintRuleId,
  type LintSeverity,
} from "../src/sigma/lint.ts";
import type { ParsedFile } from "../src/sigma/parse.ts";
import type { ProblemCode } from "../src/sigma/problems.ts";
import type { RuleProblem } from "../src/sigma/rule.ts";
import { isLintConfig, type LintConfig } from "./lint_config.ts";

/** One thing to tell the author of a rule. */
export interface CheckFinding {
  readonly path: string;
  /** From 1; absent where a file as a whole is meant. */
  readonly line?: number;
  readonly column?: number;
  readonly severity: LintSeverity;
  /** Stable `snake_case` name. */
  readonly code: string;
  readonly message: string;
  /** `load`: found by the loader; of these an error keeps the rule out. */
  readonly stage: "load" | "lint";
  readonly ruleId?: string;
  readonly ruleTitle?: string;
}

export interface CheckReport {
  readonly files: number;
  /** Rules that load: detections, correlations and filters. */
  readonly rules: number;
  /** By file, line and column. */
  readonly findings: readonly CheckFinding[];
}

export interface CheckOptions {
  readonly lint: boolean;
  readonly bundleKey?: string;
  /** Added to what the configuration of each path says. */
  readonly lintOptions: LintOptions;
  readonly configOf: (path: string) => LintConfig;
}

/** Parse problems that a lint rule reports as well, under its own name. */
const TWINS: Partial<Readonly<Record<ProblemCode, readonly LintRuleId[]>>> = {
  yaml_syntax: ["yaml_parse_error"],
  condition_syntax: ["invalid_condition", "deprecated_aggregation_syntax"],
  unknown_detection_identifier: ["condition_references_unknown"],
  unknown_modifier: ["incompatible_modifiers"],
  invalid_modifiers: ["incompatible_modifiers", "single_value_all_modifier", "all_with_re"],
  empty_selection: ["empty_detection"],
  invalid_logsource: ["missing_logsource"],
  invalid_timespan: ["invalid_timespan_format", "invalid_gap_format"],
  invalid_related: ["invalid_related_type", "related_missing_required", "invalid_related_id"],
  correlation_type: ["invalid_correlation_type"],
  correlation_rules: ["missing_correlation_rules", "empty_correlation_rules"],
  correlation_window: ["invalid_window_mode", "missing_session_gap", "gap_without_session"],
  correlation_condition: [
    "missing_correlation_condition",
    "missing_condition_field",
    "condition_value_not_numeric",
    "invalid_condition_operator",
  ],
  invalid_sigma_version: ["unsupported_sigma_version"],
  array_selector: ["array_matching_without_version"],
  missing_field: [
    "missing_title",
    "empty_title",
    "missing_detection",
    "missing_condition",
    "missing_correlation",
    "missing_correlation_type",
    "missing_correlation_rules",
    "missing_correlation_timespan",
    "missing_correlation_condition",
    "missing_filter",
    "missing_filter_selection",
    "missing_filter_condition",
  ],
};

const BY_WEIGHT: readonly LintSeverity[] = ["error", "warning", "info", "hint"];

/** Checks every rule file under `paths`. Nothing that is wrong with one stops the others. */
export function checkRuleFiles(paths: readonly string[], options: CheckOptions): CheckReport {
  const parsed: ParsedFile[] = [];
  const lint: LintFinding[] = [];
  let files = 0;
  for (const path of paths) {
    const config = options.configOf(path);
    const lintOptions = joinOptions(config.options, options.lintOptions);
    const listing = listRuleFiles(path);
    if (listing.problems.length > 0) {
      parsed.push({ path, rules: [], correlations: [], filters: [], problems: listing.problems });
    }
    for (const file of listing.files) {
      if (isLintConfig(file) || config.isExcluded(file)) continue;
      files++;
      const text = ruleText(file);
      if (text === undefined) {
        // A bundle, or a file that cannot be read: the loader says which.
        const { bundleKey } = options;
        parsed.push(...readRuleFiles([file], bundleKey === undefined ? {} : { bundleKey }).files);
        continue;
      }
      const checked = checkRules(text, file, { ...lintOptions, checkRegex });
      parsed.push(checked.parsed);
      lint.push(...checked.findings);
    }
  }
  const collection = assembleRules(parsed);
  if (options.lint) lint.push(...lintReferences(collection, options.lintOptions));
  const { rules, correlations, filters } = collection;
  return {
    files,
    rules: rules.length + correlations.length + filters.length,
    findings: merge(collection.problems, options.lint ? lint : []).sort(compareFindings),
  };
}

function joinOptions(first: LintOptions, second: LintOptions): LintOptions {
  return {
    ...first,
    ...second,
    disabledRules: [...first.disabledRules ?? [], ...second.disabledRules ?? []],
    tagNamespaces: [...first.tagNamespaces ?? [], ...second.tagNamespaces ?? []],
  };
}

/** The text of a rule file; `undefined` if it is none. */
function ruleText(path: string): string | undefined {
  try {
    const bytes = readFileSync(path);
    return isBundle(bytes) ? undefined : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Joins both lists; what both tell of one line is told once, as the graver of the two. */
function merge(problems: readonly RuleProblem[], lint: readonly LintFinding[]): CheckFinding[] {
  const byLine = new Map<string, LintFinding[]>();
  for (const finding of lint) {
    const key = `${finding.path}\0${finding.line}`;
    const here = byLine.get(key);
    if (here === undefined) byLine.set(key, [finding]);
    else here.push(finding);
  }
  const dropped = new Set<LintFinding>();
  const told: CheckFinding[] = [];
  for (const problem of problems) {
    const here = byLine.get(`${problem.path}\0${problem.line ?? 1}`) ?? [];
    const twin = here.find((finding) => isTwin(problem, finding) && !dropped.has(finding));
    if (twin === undefined) told.push(fromProblem(problem));
    else if (weight(twin.severity) >= weight(problem.severity)) {
      dropped.add(twin);
      told.push(fromProblem(problem));
    }
  }
  return [...told, ...lint.filter((finding) => !dropped.has(finding)).map(fromLint)];
}

function isTwin({ code }: RuleProblem, { rule }: LintFinding): boolean {
  if (code === rule || rule === "schema_violation") return true;
  return Object.hasOwn(TWINS, code) && TWINS[code as ProblemCode]!.includes(rule);
}

/** 0 is the gravest. */
export function weight(severity: LintSeverity): number {
  return BY_WEIGHT.indexOf(severity);
}

function fromProblem(problem: RuleProblem): CheckFinding {
  const { path, line, column, severity, code, message, ruleId, ruleTitle } = problem;
  return {
    path,
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
    severity,
    code,
    message,
    stage: "load",
    ...(ruleId === undefined ? {} : { ruleId }),
    ...(ruleTitle === undefined ? {} : { ruleTitle }),
  };
}

function fromLint(finding: LintFinding): CheckFinding {
  const { path, line, column, severity, rule, message, ruleId, ruleTitle } = finding;
  return {
    path,
    line,
    column,
    severity,
    code: rule,
    message,
    stage: "lint",
    ...(ruleId === undefined ? {} : { ruleId }),
    ...(ruleTitle === undefined ? {} : { ruleTitle }),
  };
}

function compareFindings(left: CheckFinding, right: CheckFinding): number {
  if (left.path !== right.path) return left.path < right.path ? -1 : 1;
  return (left.line ?? 0) - (right.line ?? 0) || (left.column ?? 0) - (right.column ?? 0) ||
    weight(left.severity) - weight(right.severity);
}
