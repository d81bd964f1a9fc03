/**
 * `picket rules list`: what there is.
 */
import { Command, Option } from "commander";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import {
  type CorrelationRule,
  type DetectionRule,
  type Level,
  LEVELS,
  type Logsource,
  type RuleCollection,
} from "../../src/sigma/rule.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { csvLine } from "../render/csv.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { fit, LEVEL_STYLES, type Paint, painter, plural, safeText } from "../render/text.ts";
import { renderTable } from "../render/text.ts";
import { notLoadedLines, rulesNotLoaded } from "../scan/report.ts";
import { loadSources } from "../scan/select_rules.ts";
import {
  addRuleOptions,
  addTalkOptions,
  levelOption,
  type RuleOptions,
  ruleSources,
  staticLogsource,
  type TalkOptions,
} from "./common.ts";

const SORTS = ["level", "title", "id", "logsource", "status", "path"] as const;
type Sort = typeof SORTS[number];

/** What is typed. */
export interface ListOptions extends RuleOptions, TalkOptions {
  readonly minLevel?: Level;
  readonly logsource: Partial<Record<"product" | "service" | "category", string>>;
  readonly sort: Sort;
  readonly outputFormat?: OutputFormat;
}

/** One line of the list; the JSON of it. */
interface Row {
  readonly title: string;
  readonly id: string | null;
  readonly level: Level | null;
  readonly status: string | null;
  readonly kind: "detection" | "correlation";
  readonly logsource: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly path: string;
  readonly line: number;
}

const MIN_TITLE = 24;

export function rulesListCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("list")
    .summary("list rules")
    .argument("[path...]", "rule files, directories or bundles; default: the embedded rules");
  addRuleOptions(command)
    .addOption(levelOption())
    .option(
      "--logsource <key=value,...>",
      "only rules that name this product, service or category",
      staticLogsource,
      {},
    )
    .addOption(new Option("--sort <column>", "order").choices(SORTS).default("level"))
    .addOption(
      new Option("--output-format <format>", "default: table").choices(OUTPUT_FORMATS),
    );
  addTalkOptions(command);
  return command.addHelpText(
    "after",
    "\nExamples:\n  picket rules list --min-level high\n" +
      "  picket rules list ./sigma/rules --logsource category=dns_query --output-format csv",
  )
    .action(async (paths: string[], options: ListOptions) =>
      exit(await runList({ ...options, rules: [...options.rules, ...paths] }, io))
    );
}

export async function runList(options: ListOptions, io: CliIo): Promise<ExitCode> {
  const collection = await loadSources(ruleSources(options));
  const rows = listRows(collection).filter((row) => isWanted(row, options))
    .sort((left, right) => compareRows(left, right, options.sort));
  writeRows(rows, options, io);
  const notLoaded = rulesNotLoaded(collection.problems);
  if (!options.quiet) {
    for (const line of notLoadedLines(notLoaded, painter(false))) io.err(line);
    io.err(summary(rows));
  }
  return rows.length === 0 && notLoaded.length > 0 ? EXIT.ruleError : EXIT.ok;
}

function listRows({ rules, correlations }: RuleCollection): Row[] {
  return [...rules, ...correlations].map((rule: DetectionRule | CorrelationRule): Row => ({
    title: rule.title,
    id: rule.id ?? null,
    level: rule.level ?? null,
    status: rule.status ?? null,
    kind: rule.kind,
    logsource: rule.kind === "detection" ? dimensions(rule.logsource) : {},
    tags: rule.tags,
    path: rule.origin.path,
    line: rule.origin.line,
  }));
}

function dimensions({ product, category, service, custom }: Logsource): Record<string, string> {
  const named = Object.entries({ product, category, service, ...custom });
  return Object.fromEntries(
    named.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function isWanted(row: Row, { minLevel, logsource }: ListOptions): boolean {
  const lowest = minLevel === undefined ? 0 : LEVELS.indexOf(minLevel);
  if (lowest > 0 && (row.level === null || LEVELS.indexOf(row.level) < lowest)) return false;
  return Object.entries(logsource).every(([name, value]) =>
    row.logsource[name]?.toLowerCase() === value
  );
}

function compareRows(left: Row, right: Row, sort: Sort): number {
  return compareColumn(left, right, sort) || compareText(left.title, right.title) ||
    compareText(left.path, right.path) || left.line - right.line;
}

function compareColumn(left: Row, right: Row, sort: Sort): number {
  switch (sort) {
    case "level":
      return levelNumber(right) - levelNumber(left);
    case "logsource":
      return compareText(logsourceText(left), logsourceText(right));
    case "title":
    case "id":
    case "status":
    case "path":
      return compareText(left[sort] ?? "", right[sort] ?? "");
  }
}

function levelNumber({ level }: Row): number {
  return level === null ? -1 : LEVELS.indexOf(level);
}

/** The same order on every machine, whatever its language. */
function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function writeRows(rows: readonly Row[], options: ListOptions, io: CliIo): void {
  switch (options.outputFormat ?? "table") {
    case "json":
      io.out(`${prettyJsonText(rows)}\n`);
      break;
    case "ndjson":
      io.out(rows.map((row) => `${jsonText(row)}\n`).join(""));
      break;
    case "csv":
      io.out(
        csvLine(["LEVEL", "TITLE", "ID", "LOGSOURCE", "STATUS", "PATH", "LINE"]) +
          rows.map((row) => csvLine([...cells(row), row.path, String(row.line)])).join(""),
      );
      break;
    case "table":
      if (rows.length > 0) {
        const table = tableLines(rows, io, painter(useColor(options.color, io)));
        io.out(`${table.join("\n")}\n`);
      }
      break;
  }
}

function cells(row: Row): string[] {
  return [row.level ?? "-", row.title, row.id ?? "-", logsourceText(row), row.status ?? "-"];
}

function logsourceText({ kind, logsource }: Row): string {
  if (kind === "correlation") return "(correlation)";
  const { product, category, service, ...custom } = logsource;
  const parts = [product, category, service, ...Object.values(custom)];
  return parts.filter((part) => part !== undefined).join("/") || "any";
}

function tableLines(rows: readonly Row[], io: CliIo, paint: Paint): string[] {
  const shown = rows.map((row) => cells(row).map(safeText));
  const header = ["LEVEL", "TITLE", "ID", "LOGSOURCE", "STATUS"];
  // On a terminal the title is what gives way; anywhere else nothing is cut.
  const others = header.map((name, column) =>
    column === 1 ? 0 : Math.max(name.length, ...shown.map((row) => row[column]!.length)) + 2
  ).reduce((sum, width) => sum + width, 0);
  const titleWidth = io.outIsTerminal ? Math.max(MIN_TITLE, io.columns - others) : Infinity;
  const lines = renderTable(
    header,
    shown.map((row) => row.map((cell, column) => column === 1 ? fit(cell, titleWidth) : cell)),
    paint,
  );
  return lines.map((line, at) => {
    const level = rows[at - 2]?.level;
    const styles = level == null ? undefined : LEVEL_STYLES[level];
    const trimmed = line.trimEnd();
    return styles === undefined
      ? trimmed
      : paint(trimmed.slice(0, level!.length), ...styles) + trimmed.slice(level!.length);
  });
}

function summary(rows: readonly Row[]): string {
  const levels = [...LEVELS].reverse().map((level) => ({
    level,
    count: rows.filter((row) => row.level === level).length,
  })).filter(({ count }) => count > 0).map(({ level, count }) => `${count} ${level}`);
  return `${plural(rows.length, "rule")}${levels.length === 0 ? "" : `: ${levels.join(", ")}`}`;
}
