/**
 * `picket rules check`: what is wrong with rule files, for their authors and for CI.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import { isLintRule } from "../../src/sigma/lint_catalogue.ts";
import type { LintSeverity } from "../../src/sigma/lint.ts";
import { type CheckFinding, type CheckReport, checkRuleFiles, weight } from "../check_rules.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { findLintConfig, readLintConfig } from "../lint_config.ts";
import { csvLine } from "../render/csv.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { type Paint, painter, plural, safeText, type Style } from "../render/text.ts";
import { addTalkOptions, collect, readKey, type TalkOptions } from "./common.ts";

const FAIL_LEVELS = ["error", "warning", "info"] as const;

/** What is typed. */
export interface CheckOptions extends TalkOptions {
  readonly lint: boolean;
  readonly failLevel: typeof FAIL_LEVELS[number];
  readonly disable: readonly string[];
  readonly tagNamespace: readonly string[];
  readonly config?: string;
  readonly bundleKey?: string;
  readonly outputFormat?: OutputFormat;
}

const EXAMPLES = `
Examples:
  picket rules check ./rules
  picket rules check rule.yml --fail-level warning
  picket rules check ./rules --disable missing_author,missing_description --output-format csv

A file .picket-lint.yml or .rsigma-lint.yml beside the rules or above them is read: disabled_rules,
severity_overrides, exclude, tag_namespaces, ads. In a rule file, the comment
\`# picket-disable-next-line RULE\` turns off a lint rule for a line.

Exit codes: 0 nothing at or above --fail-level, 2 something, 3 wrong usage.`;

export function rulesCheckCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("check")
    .summary("report everything that is wrong with rules")
    .argument("<path...>", "rule files, directories or bundles")
    .option("--no-lint", "only what keeps rules from loading, or loads otherwise than written")
    .addOption(
      new Option("--fail-level <severity>", "exit with 2 for this severity and graver ones")
        .choices(FAIL_LEVELS).default("error"),
    )
    .option("--disable <rule,...>", "lint rules to leave out", lintRules, [])
    .option("--tag-namespace <name>", "a tag namespace of your own; repeat for more", collect, [])
    .option("--config <file>", "lint configuration, in place of the one that is found")
    .option("--bundle-key <file>", "PEM public key that bundles must be signed with")
    .addOption(
      new Option("--output-format <format>", "default: table").choices(OUTPUT_FORMATS),
    );
  addTalkOptions(command);
  return command.addHelpText("after", EXAMPLES)
    .action((paths: string[], options: CheckOptions) => exit(runCheck(paths, options, io)));
}

function lintRules(text: string, previous: readonly string[]): readonly string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  for (const name of names) {
    if (!isLintRule(name)) throw new InvalidArgumentError(`there is no lint rule '${name}'`);
  }
  return [...previous, ...names];
}

export function runCheck(
  paths: readonly string[],
  options: CheckOptions,
  io: CliIo,
): ExitCode {
  const config = options.config === undefined ? undefined : readLintConfig(options.config);
  const report = checkRuleFiles(paths, {
    lint: options.lint,
    ...(options.bundleKey === undefined ? {} : { bundleKey: readKey(options.bundleKey) }),
    lintOptions: { disabledRules: options.disable, tagNamespaces: options.tagNamespace },
    configOf: (path) => config ?? findLintConfig(path),
  });
  writeReport(report, options, io);
  const limit = weight(options.failLevel);
  return report.findings.some(({ severity }) => weight(severity) <= limit)
    ? EXIT.ruleError
    : EXIT.ok;
}

function writeReport(report: CheckReport, options: CheckOptions, io: CliIo): void {
  const { findings } = report;
  const format = options.outputFormat ?? "table";
  switch (format) {
    case "table": {
      const paint = painter(useColor(options.color, io));
      const lines = findings.map((finding) => findingLine(finding, paint));
      if (!options.quiet) lines.push(summary(report));
      if (lines.length > 0) io.out(`${lines.join("\n")}\n`);
      return;
    }
    case "json":
      io.out(`${prettyJsonText({ summary: totals(report), findings: findings.map(value) })}\n`);
      break;
    case "ndjson":
      io.out(findings.map((finding) => `${jsonText(value(finding))}\n`).join(""));
      break;
    case "csv":
      io.out(
        csvLine(["PATH", "SEVERITY", "RULE", "LINE", "MESSAGE", "COLUMN"]) +
          findings.map(({ path, severity, code, line, message, column }) =>
            csvLine([path, severity, code, String(line ?? ""), message, String(column ?? "")])
          ).join(""),
      );
      break;
  }
  if (!options.quiet) io.err(summary(report));
}

const SEVERITY_STYLES: Readonly<Record<LintSeverity, readonly Style[]>> = {
  error: ["red", "bold"],
  warning: ["yellow"],
  info: ["blue"],
  hint: ["dim"],
};

function findingLine(finding: CheckFinding, paint: Paint): string {
  const { path, line, column, severity, code, message } = finding;
  const place = [safeText(path), line, line === undefined ? undefined : column]
    .filter((part) => part !== undefined).join(":");
  return `${paint(place, "cyan")} ${paint(`${severity}[${code}]`, ...SEVERITY_STYLES[severity])} ` +
    safeText(message);
}

function totals({ files, rules, findings }: CheckReport) {
  const of = (severity: LintSeverity): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const failed = findings.filter(({ severity }) => severity === "error" || severity === "warning");
  return {
    files_checked: files,
    files_failed: new Set(failed.map(({ path }) => path)).size,
    rules,
    errors: of("error"),
    warnings: of("warning"),
    infos: of("info"),
    hints: of("hint"),
  };
}

function summary(report: CheckReport): string {
  const { files_checked: files, rules, errors, warnings, infos, hints } = totals(report);
  return `Checked ${plural(files, "file")}: ${plural(rules, "rule")}, ${
    plural(errors, "error")
  }, ` +
    `${plural(warnings, "warning")}, ${plural(infos, "info")}` +
    (hints === 0 ? "" : `, ${plural(hints, "hint")}`);
}

/** The JSON of a finding; its first five keys are those of other linters. */
function value(finding: CheckFinding) {
  const { path, severity, code, message, line, column, stage, ruleId, ruleTitle } = finding;
  return {
    path,
    severity,
    rule: code,
    message,
    line: line ?? null,
    column: column ?? null,
    stage,
    ...(ruleId === undefined ? {} : { rule_id: ruleId }),
    ...(ruleTitle === undefined ? {} : { rule_title: ruleTitle }),
  };
}
