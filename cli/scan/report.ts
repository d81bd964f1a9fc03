/**
 * What a scan says about itself when it is done: the summary for people, the statistics for
 * programs.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import type { DetectionRule, RuleCollection, RuleProblem } from "../../src/sigma/rule.ts";
import { LEVELS } from "../../src/sigma/rule.ts";
import type { IntegrityReport } from "../../src/ingest/evtx_integrity.ts";
import { integrityValue, scanIntegrityLines } from "../render/integrity.ts";
import {
  bytes,
  count,
  fit,
  LEVEL_STYLES,
  type Paint,
  plural,
  renderTable,
  safeText,
} from "../render/text.ts";
import type { ScanOutcome } from "./scan.ts";
import type { SkippedFiles } from "./inputs.ts";
import type { InputFile } from "./types.ts";

/** Everything a report is made of. */
export interface ScanReport {
  readonly files: readonly InputFile[];
  readonly unreadable: readonly { readonly path: string; readonly message: string }[];
  readonly skipped: SkippedFiles;
  readonly collection: RuleCollection;
  /** The rules that were evaluated. */
  readonly rules: readonly DetectionRule[];
  readonly outcome: ScanOutcome;
  readonly seconds: number;
  /** For each EVTX file, if it was asked for. */
  readonly integrity?: readonly IntegrityReport[];
}

const TOP = 10;
/** Of the table of rules: what is shown of the techniques, and all that is not the title. */
const TECHNIQUES_WIDTH = 24;
const OTHER_COLUMNS = 2 + 6 + 2 + 13 + 2 + 2 + TECHNIQUES_WIDTH;
const MIN_TITLE = 24;
const LOWEST_FIRST = ["none", ...LEVELS];

/** Rules that a document or file should have given and did not. */
export function rulesNotLoaded(problems: readonly RuleProblem[]): readonly RuleProblem[] {
  const failed = new Map<string, RuleProblem>();
  for (const problem of problems) {
    if (problem.severity !== "error") continue;
    const key = `${problem.path}\u0000${problem.document ?? ""}`;
    if (!failed.has(key)) failed.set(key, problem);
  }
  return [...failed.values()];
}

/** The content of `--stats`. Sizes in bytes, times in seconds. */
export function scanStatistics(report: ScanReport) {
  const { counts } = report.outcome;
  const byRule: Record<string, number> = {};
  for (const [rule, hits] of counts.byRule) {
    const { id, title } = report.rules[rule]!;
    byRule[id ?? title] = (byRule[id ?? title] ?? 0) + hits;
  }
  return {
    files: report.files.length,
    files_skipped: { ...report.skipped },
    bytes: counts.bytes,
    events: counts.events,
    ...routingStatistics(report),
    events_by_format: Object.fromEntries(byCount(counts.byFormat)),
    events_evaluated: counts.eventsEvaluated,
    events_with_hits: counts.eventsWithHits,
    matches: counts.matches,
    matches_by_level: matchesByLevel(report),
    matches_by_rule: byRule,
    matches_by_computer: Object.fromEntries(counts.byComputer),
    first_timestamp: isoTime(counts.firstTime),
    last_timestamp: isoTime(counts.lastTime),
    rules_loaded: report.rules.length,
    rules_failed: rulesNotLoaded(report.collection.problems).length,
    rules_never_applicable: report.outcome.applied.filter((applied) => !applied).length,
    parse_errors: counts.unparseable,
    errors: errorCount(report),
    errors_by_reason: Object.fromEntries([
      ...report.unreadable.length === 0 ? [] : [["unreadable input", report.unreadable.length]],
      ...[...counts.errors.values()].map(({ reason, count }) => [reason, count]),
    ]) as Record<string, number>,
    ...(report.integrity === undefined ? {} : { integrity: report.integrity.map(integrityValue) }),
    interrupted: report.outcome.interrupted,
    seconds: report.seconds,
    events_per_second: counts.events / Math.max(report.seconds, 1e-9),
    peak_rss_bytes: peakRss(),
  };
}

/** The most memory this process has held, in bytes. */
function peakRss(): number {
  try {
    const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (peak !== null) return Number(peak[1]) * 1024;
  } catch {
    // Not Linux. There, a process counts what its parent held when it was started.
  }
  const { maxRSS } = process.resourceUsage();
  // libuv and its kin give kilobytes.
  return maxRSS > 0 ? maxRSS * 1024 : process.memoryUsage().rss;
}

/** Problems of the data: files, chunks, records and lines. */
export function errorCount(report: ScanReport): number {
  let total = report.unreadable.length;
  for (const group of report.outcome.counts.errors.values()) total += group.count;
  return total;
}

function matchesByLevel(report: ScanReport): Record<string, number> {
  const byLevel: Record<string, number> = {};
  for (const level of [...LOWEST_FIRST].reverse()) byLevel[level] = 0;
  for (const [rule, hits] of report.outcome.counts.byRule) {
    byLevel[report.rules[rule]!.level ?? "none"]! += hits;
  }
  if (byLevel["none"] === 0) delete byLevel["none"];
  return byLevel;
}

function timeRange({ firstTime, lastTime }: ScanOutcome["counts"]): string {
  const first = isoTime(firstTime);
  return first === null ? "no event tells one" : `${first} to ${isoTime(lastTime)}`;
}

function isoTime(ms: number): string | null {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : null;
}

/**
 * The summary, line by line.
 *
 * @param columns Tables are cut to this width; messages, which one must be able to read, are not.
 */
export function scanSummary(report: ScanReport, paint: Paint, columns: number): string[] {
  const { counts, applied, interrupted } = report.outcome;
  const notLoaded = rulesNotLoaded(report.collection.problems);
  const never = applied.filter((one) => !one).length;
  const skipped = counts.events - counts.eventsEvaluated;
  const levels = Object.entries(matchesByLevel(report)).filter(([, hits]) => hits > 0)
    .map(([level, hits]) => paint(`${count(hits)} ${level}`, ...LEVEL_STYLES[level] ?? []));
  const lines = [
    interrupted ? paint("Interrupted; so far:", "yellow", "bold") : paint("Summary", "bold"),
    row(
      "Files",
      `${plural(report.files.length, "file")}, ${bytes(counts.bytes)}${skippedText(report)}` +
        (report.unreadable.length === 0
          ? ""
          : paint(`, ${report.unreadable.length} not readable`, "red")),
    ),
    row(
      "Events",
      `${count(counts.events)} read, ${count(skipped)} skipped, ` +
        `${count(counts.eventsWithHits)} with hits` +
        (counts.unparseable === 0
          ? ""
          : paint(`, ${plural(counts.unparseable, "line")} unparseable`, "yellow")),
    ),
    ...formatRow(report),
    ...routingRow(report),
    row("Time", timeRange(counts)),
    row(
      "Matches",
      counts.matches === 0
        ? paint("none", "green")
        : `${count(counts.matches)}: ${levels.join(", ")}`,
    ),
    ...unplacedRow(counts.unplacedMatches, paint),
    row(
      "Rules",
      `${count(report.rules.length)} loaded, ` +
        `${
          notLoaded.length === 0 ? "0 not loaded" : paint(`${notLoaded.length} not loaded`, "red")
        }, ` +
        `${count(never)} never applicable to these events`,
    ),
    row(
      "Speed",
      `${report.seconds.toFixed(2)} s, ` +
        `${count(counts.events / Math.max(report.seconds, 1e-9))} events/s, ` +
        `${bytes(peakRss())} memory`,
    ),
  ];
  lines.push(...topRules(report, paint, columns), ...computers(report, paint));
  if (report.integrity !== undefined) lines.push(...scanIntegrityLines(report.integrity, paint));
  return [...lines, ...scanProblems(report, paint)];
}

/** What went wrong with rules and data, which is also said where no summary is wanted. */
export function scanProblems(report: ScanReport, paint: Paint): string[] {
  const notLoaded = rulesNotLoaded(report.collection.problems);
  return [...notLoadedLines(notLoaded, paint), ...errorLines(report, paint)];
}

/** Text of unknown programs is the one thing that rules for everything are tried on. */
function unplacedRow(matches: number, paint: Paint): string[] {
  if (matches === 0) return [];
  const what = `${count(matches)} of them in lines that tell no product: ` +
    "--logsource product=… leaves out rules for other products";
  return [row("", paint(what, "yellow"))];
}

/** Files below directories that were not read. */
function skippedText({ skipped: { name, binary } }: ScanReport): string {
  const why = [
    ...(name === 0 ? [] : [`${count(name)} not named like a log`]),
    ...(binary === 0 ? [] : [`${count(binary)} binary`]),
  ];
  return why.length === 0 ? "" : `; not read: ${why.join(", ")}`;
}

/** What the events were decoded from, unless it is what one expects of a scan. */
function formatRow({ outcome: { counts } }: ScanReport): string[] {
  const formats = byCount(counts.byFormat);
  if (formats.every(([format]) => format === "evtx" || format === "json")) return [];
  return [row("Formats", formats.map(([name, events]) => `${count(events)} ${name}`).join(", "))];
}

function routingRow({ outcome: { counts: { routing } } }: ScanReport): string[] {
  const { unknown, dropped, errors } = routing;
  if (unknown === 0) return [];
  return [
    row("Schemas", `${count(unknown)} of unknown schema, ${count(dropped + errors)} dropped`),
  ];
}

/** What became of events of no schema, where events are routed by schema. */
function routingStatistics({ outcome: { counts: { routing } } }: ScanReport) {
  const { unknown, dropped, errors } = routing;
  if (unknown === 0) return {};
  return { events_unknown_schema: unknown, events_dropped: dropped, events_refused: errors };
}

function byCount(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].sort(([one, ones], [other, others]) =>
    others - ones || (one < other ? -1 : 1)
  );
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(9)}${text}`;
}

function topRules(report: ScanReport, paint: Paint, columns: number): string[] {
  const top = [...report.outcome.counts.byRule]
    .map(([number, hits]) => ({ number, rule: report.rules[number]!, hits }))
    .sort((left, right) =>
      LOWEST_FIRST.indexOf(right.rule.level ?? "none") -
        LOWEST_FIRST.indexOf(left.rule.level ?? "none") ||
      right.hits - left.hits ||
      left.number - right.number
    );
  if (top.length === 0) return [];
  const titleWidth = Math.max(MIN_TITLE, columns - OTHER_COLUMNS);
  const rows = top.slice(0, TOP).map(({ rule, hits }) => [
    count(hits),
    rule.level ?? "none",
    fit(safeText(rule.title), titleWidth),
    fit(safeText(techniques(rule)), TECHNIQUES_WIDTH),
  ]);
  const more = top.length > TOP ? [`  … and ${plural(top.length - TOP, "more rule")}`] : [];
  return [
    "",
    ...indent(renderTable(["HITS", "LEVEL", "TOP RULES", "ATT&CK"], rows, paint)),
    ...more,
  ];
}

function techniques(rule: DetectionRule): string {
  return rule.tags.filter((tag) => /^attack\.t\d/i.test(tag))
    .map((tag) => tag.slice("attack.".length).toUpperCase()).join(" ");
}

function computers(report: ScanReport, paint: Paint): string[] {
  const all = [...report.outcome.counts.byComputer]
    .sort(([one, ones], [other, others]) => others - ones || (one < other ? -1 : 1));
  if (all.length === 0) return [];
  const rows = all.slice(0, TOP).map(([name, hits]) => [count(hits), safeText(name)]);
  const more = all.length > TOP ? [`  … and ${plural(all.length - TOP, "more computer")}`] : [];
  return ["", ...indent(renderTable(["HITS", "COMPUTERS"], rows, paint)), ...more];
}

/** Rules that were not loaded, grouped by why. */
export function notLoadedLines(problems: readonly RuleProblem[], paint: Paint): string[] {
  if (problems.length === 0) return [];
  const groups = new Map<string, RuleProblem[]>();
  for (const problem of problems) {
    groups.set(problem.code, [...groups.get(problem.code) ?? [], problem]);
  }
  const lines = ["", paint(`${plural(problems.length, "rule")} not loaded`, "red", "bold")];
  for (const [code, group] of groups) {
    lines.push(`  ${count(group.length)} × ${code}`);
    for (const { path, line, message } of group.slice(0, 3)) {
      lines.push(
        `    ${safeText(path)}${line === undefined ? "" : `:${line}`} ${safeText(message)}`,
      );
    }
    if (group.length > 3) lines.push(`    … ${group.length - 3} more; see \`picket rules check\``);
  }
  return lines;
}

function errorLines(report: ScanReport, paint: Paint): string[] {
  const groups = [...report.outcome.counts.errors.values()];
  if (report.unreadable.length > 0) {
    groups.unshift({
      reason: "unreadable input",
      count: report.unreadable.length,
      samples: report.unreadable.slice(0, 3).map(({ path, message }) => ({
        path,
        at: "",
        message,
      })),
    });
  }
  if (groups.length === 0) return [];
  const lines = ["", paint("Problems in the input", "yellow", "bold")];
  for (const { reason, count: total, samples } of groups) {
    lines.push(`  ${count(total)} × ${reason}`);
    for (const { path, at, message } of samples) {
      const place = at === "" ? safeText(path) : `${safeText(path)}, ${at}`;
      lines.push(`    ${place}: ${safeText(message).slice(0, 300)}`);
    }
    if (total > samples.length) lines.push(`    … ${count(total - samples.length)} more`);
  }
  return lines;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
