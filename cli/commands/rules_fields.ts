/**
 * `picket rules fields`: what events must have for the rules to see anything.
 */
import { Command, Option } from "commander";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { RuleCollection } from "../../src/sigma/rule.ts";
import { type FieldSource, ruleFields } from "../../src/sigma/rule_fields.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { csvLine } from "../render/csv.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { painter, renderTable, safeText } from "../render/text.ts";
import { notLoadedLines, rulesNotLoaded } from "../scan/report.ts";
import { loadSources } from "../scan/select_rules.ts";
import {
  addRuleOptions,
  addTalkOptions,
  type RuleOptions,
  ruleSources,
  type TalkOptions,
} from "./common.ts";

/** What is typed. */
export interface FieldsOptions extends RuleOptions, TalkOptions {
  readonly filters: boolean;
  readonly outputFormat?: OutputFormat;
}

/** A field with what uses it; the JSON of it. */
interface FieldRow {
  readonly field: string;
  /** Rules of any kind that name it. */
  readonly rule_count: number;
  readonly sources: readonly FieldSource[];
}

export function rulesFieldsCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("fields")
    .summary("list the fields that rules ask for")
    .argument("[path...]", "rule files, directories or bundles; default: the embedded rules");
  addRuleOptions(command)
    .option("--no-filters", "leave out the fields of filters")
    .addOption(
      new Option("--output-format <format>", "default: table").choices(OUTPUT_FORMATS),
    );
  addTalkOptions(command);
  return command.addHelpText("after", "\nExample:\n  picket rules fields ./sigma/rules")
    .action(async (paths: string[], options: FieldsOptions) =>
      exit(await runFields({ ...options, rules: [...options.rules, ...paths] }, io))
    );
}

export async function runFields(options: FieldsOptions, io: CliIo): Promise<ExitCode> {
  const collection = await loadSources(ruleSources(options));
  const rows = fieldRows(collection, options.filters);
  const { rules, correlations, filters } = collection;
  switch (options.outputFormat ?? "table") {
    case "json": {
      const summary = {
        total_rules: rules.length,
        total_correlations: correlations.length,
        total_filters: filters.length,
        unique_fields: rows.length,
        pipelines_applied: 0,
      };
      io.out(`${prettyJsonText({ summary, fields: rows })}\n`);
      break;
    }
    case "ndjson":
      io.out(rows.map((row) => `${jsonText(row)}\n`).join(""));
      break;
    case "csv":
      io.out(
        csvLine(["FIELD", "RULES", "SOURCES"]) + rows.map((row) => csvLine(cells(row))).join(""),
      );
      break;
    case "table": {
      const paint = painter(useColor(options.color, io));
      const table = renderTable(
        ["FIELD", "RULES", "SOURCES"],
        rows.map((row) => cells(row).map(safeText)),
        paint,
      );
      io.out(`${table.map((line) => line.trimEnd()).join("\n")}\n`);
      break;
    }
  }
  const notLoaded = rulesNotLoaded(collection.problems);
  if (!options.quiet) {
    for (const line of notLoadedLines(notLoaded, painter(false))) io.err(line);
    io.err(
      `Rules: ${rules.length} detection, ${correlations.length} correlation, ` +
        `${filters.length} filter | Pipelines: 0 | Unique fields: ${rows.length}`,
    );
  }
  const loaded = rules.length + correlations.length + filters.length;
  return loaded === 0 && notLoaded.length > 0 ? EXIT.ruleError : EXIT.ok;
}

/** Fields that most rules need come first. */
function fieldRows(
  { rules, correlations, filters }: RuleCollection,
  withFilters: boolean,
): readonly FieldRow[] {
  const fields = new Map<string, { count: number; readonly sources: Set<FieldSource> }>();
  for (const rule of [...rules, ...correlations, ...(withFilters ? filters : [])]) {
    const uses = ruleFields(rule);
    for (const { field, source } of uses) {
      const known = fields.get(field) ?? { count: 0, sources: new Set() };
      known.sources.add(source);
      fields.set(field, known);
    }
    for (const field of new Set(uses.map((use) => use.field))) fields.get(field)!.count++;
  }
  return [...fields].map(([field, { count, sources }]): FieldRow => ({
    field,
    rule_count: count,
    sources: [...sources].sort(),
  })).sort((left, right) =>
    right.rule_count - left.rule_count || (left.field < right.field ? -1 : 1)
  );
}

function cells({ field, rule_count: rules, sources }: FieldRow): string[] {
  return [field, String(rules), sources.join(", ")];
}
