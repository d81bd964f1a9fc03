/**
 * Lint: what is legal in a rule and yet looks like a mistake, or breaks the official schema.
 *
 * The linter reads the same tree as the parser and asks it about conditions and modifiers, so it
 * never disagrees with what is loaded.
 *
 * @see sigma-rules.md, section 25
 */
import { readDocuments, type RuleDocument } from "./collection.ts";
import { type AdsOptions, lintAds } from "./lint_ads.ts";
import {
  isLintRule,
  LINT_SEVERITIES,
  type LintRuleId,
  type LintSeverity,
} from "./lint_catalogue.ts";
import { lintCorrelation } from "./lint_correlation.ts";
import { lintDetectionRule, lintFilterRule } from "./lint_detection.ts";
import { lintMetadata } from "./lint_metadata.ts";
import { ruleKind } from "./metadata.ts";
import { type ParseOptions, resolveLimits } from "./options.ts";
import { type ParsedFile, parseDocuments } from "./parse.ts";
import { RuleNames } from "./references.ts";
import type { RuleCollection, RuleMetadata, RuleProblem } from "./rule.ts";
import type { YamlMap } from "./yaml.ts";

export type { LintRuleId, LintSeverity } from "./lint_catalogue.ts";

/** One thing the linter found. */
export interface LintFinding {
  readonly rule: LintRuleId;
  readonly severity: LintSeverity;
  readonly message: string;
  /** The file. */
  readonly path: string;
  readonly document: number;
  readonly line: number;
  readonly column: number;
  /** JSON pointer into the document: `/detection/selection/Image|contains`. */
  readonly pointer: string;
  readonly ruleId?: string;
  readonly ruleTitle?: string;
}

/** What `.rsigma-lint.yml` can say; reading that file is the caller's part. */
export interface LintOptions extends ParseOptions {
  readonly disabledRules?: readonly string[];
  readonly severityOverrides?: Readonly<Record<string, LintSeverity>>;
  /** Tag namespaces known besides the built-in ones. */
  readonly tagNamespaces?: readonly string[];
  /** Checks of the documentation of alerts; off without this. */
  readonly ads?: AdsOptions;
}

/** Reports what one document has. `at` is an offset, `steps` lead to the place in the document. */
export type Report = (
  rule: LintRuleId,
  message: string,
  at: number,
  ...steps: readonly string[]
) => void;

/** Everything found in one file's text. Nothing is thrown, whatever `text` is. */
export function lintRules(
  text: string,
  path: string,
  options: LintOptions = {},
): readonly LintFinding[] {
  const { documents, problems } = readDocuments(text, path, resolveLimits(options));
  return lintDocuments(text, documents, problems, options);
}

/** Parses and lints a file, reading its YAML once. */
export function checkRules(
  text: string,
  path: string,
  options: LintOptions = {},
): { readonly parsed: ParsedFile; readonly findings: readonly LintFinding[] } {
  const { documents, problems } = readDocuments(text, path, resolveLimits(options));
  const parsed = parseDocuments(documents, problems, path, options);
  return { parsed, findings: lintDocuments(text, documents, problems, options) };
}

/**
 * What can only be seen when all files are there: references that name nothing, or that name
 * rules of another major version.
 */
export function lintReferences(
  { rules, correlations }: Pick<RuleCollection, "rules" | "correlations">,
  options: LintOptions = {},
): readonly LintFinding[] {
  const names = new RuleNames([...rules, ...correlations]);
  return correlations.flatMap((correlation) => {
    const found: LintFinding[] = [];
    const report = (rule: LintRuleId, message: string) => {
      const finding = collectionFinding(rule, message, correlation, options);
      if (finding !== undefined) found.push(finding);
    };
    for (const reference of correlation.rules) {
      const target = names.find(reference);
      if (target === undefined) {
        report("unknown_rule_reference", `'${reference}' is no loaded rule's id or name`);
        continue;
      }
      if (target.sigmaVersion !== correlation.sigmaVersion) {
        const message = `sigma-version is ${correlation.sigmaVersion}, that of '${reference}' is ` +
          `${target.sigmaVersion}`;
        report("sigma_version_mismatch", message);
      }
      if (target.id !== undefined && target.id !== reference) {
        report("reference_by_name", `'${reference}' is the name of rule ${target.id}`);
      }
    }
    return found;
  });
}

function collectionFinding(
  rule: LintRuleId,
  message: string,
  { id, title, origin }: RuleMetadata,
  options: LintOptions,
): LintFinding | undefined {
  const severity = severityOf(rule, options);
  if (severity === undefined) return undefined;
  return {
    rule,
    severity,
    message,
    ...origin,
    column: 1,
    pointer: "/correlation/rules",
    ...(id === undefined ? {} : { ruleId: id }),
    ruleTitle: title,
  };
}

function severityOf(rule: LintRuleId, options: LintOptions): LintSeverity | undefined {
  if (options.disabledRules?.includes(rule)) return undefined;
  return options.severityOverrides?.[rule] ?? LINT_SEVERITIES[rule];
}

function lintDocuments(
  text: string,
  documents: readonly RuleDocument[],
  problems: readonly RuleProblem[],
  options: LintOptions,
): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  for (const problem of problems) {
    const rule = fileRule(problem.code);
    const severity = severityOf(rule, options);
    if (severity === undefined) continue;
    const { message, path, document = 0, line = 1, column = 1 } = problem;
    findings.push({ rule, severity, message, path, document, line, column, pointer: "" });
  }
  for (const document of documents) {
    lintDocument(document.map, reporter(document, options, findings), options);
  }
  const isSuppressed = readSuppressions(text);
  return findings
    .filter(({ rule, line }) => !isSuppressed(rule, line))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

/** The lint rule for a problem with a document as such. */
function fileRule(code: string): LintRuleId {
  if (code === "yaml_syntax") return "yaml_parse_error";
  return code === "not_a_mapping" ? "not_a_mapping" : "schema_violation";
}

function reporter(
  { log }: RuleDocument,
  options: LintOptions,
  findings: LintFinding[],
): Report {
  return (rule, message, at, ...steps) => {
    const severity = severityOf(rule, options);
    if (severity === undefined) return;
    findings.push({
      rule,
      severity,
      message,
      path: log.path,
      document: log.document,
      ...log.position(at),
      pointer: steps.map((step) => `/${step.replace(/~/g, "~0").replace(/\//g, "~1")}`).join(""),
      ...(log.ruleId === undefined ? {} : { ruleId: log.ruleId }),
      ...(log.ruleTitle === undefined ? {} : { ruleTitle: log.ruleTitle }),
    });
  };
}

function lintDocument(map: YamlMap, report: Report, options: LintOptions): void {
  const kind = ruleKind(map);
  lintMetadata(map, kind, options.tagNamespaces ?? [], report);
  switch (kind) {
    case "detection":
      lintDetectionRule(map, resolveLimits(options), report);
      if (options.ads !== undefined) lintAds(map, options.ads, report);
      break;
    case "filter":
      lintFilterRule(map, resolveLimits(options), report);
      break;
    case "correlation":
      lintCorrelation(map, report);
      break;
  }
}

const DIRECTIVE = /#\s*(?:rsigma|picket)-disable(-next-line)?(?:[ \t]+(.*))?$/;

/** Which findings the comments of a file turn off. */
function readSuppressions(text: string): (rule: LintRuleId, line: number) => boolean {
  if (!text.includes("-disable")) return () => false;
  const spans: { from: number; to: number; rules: readonly string[] }[] = [];
  for (const [index, written] of text.split(/\r?\n/).entries()) {
    const directive = DIRECTIVE.exec(written);
    if (directive === null) continue;
    const rules = (directive[2] ?? "").split(/[\s,[\]]+/).filter(isLintRule);
    const line = index + 1;
    const next = directive[1] !== undefined;
    spans.push({ from: next ? line + 1 : line, to: next ? line + 1 : Infinity, rules });
  }
  return (rule, line) =>
    spans.some(({ from, to, rules }) =>
      line >= from && line <= to && (rules.length === 0 || rules.includes(rule))
    );
}
