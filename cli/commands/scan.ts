/**
 * `picket scan`: files in, timeline out.
 */
import { Command, Option } from "commander";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Level } from "../../src/sigma/rule.ts";
import { EvtxError } from "../../src/decode/evtx/errors.ts";
import type { SchemaRoutingSettings } from "../../src/runtime/schema_routing.ts";
import { checkIntegrityInSteps, type IntegrityReport } from "../../src/ingest/evtx_integrity.ts";
import {
  type CliIo,
  EXIT,
  type ExitCode,
  OutputClosedError,
  OutputError,
  useColor,
  writeFully,
} from "../io.ts";
import { checkWritable, openOutput } from "../output.ts";
import { hitRenderer, OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { ProgressLine } from "../render/progress.ts";
import { painter, plural, safeText } from "../render/text.ts";
import { findInputs, planUnits } from "../scan/inputs.ts";
import {
  errorCount,
  notLoadedLines,
  rulesNotLoaded,
  scanProblems,
  type ScanReport,
  scanStatistics,
  scanSummary,
} from "../scan/report.ts";
import { scan, type ScanOutcome, type ScanProgress } from "../scan/scan.ts";
import { loadSources, selectRules, unknownRules } from "../scan/select_rules.ts";
import type { InputFile, ScanSettings } from "../scan/types.ts";
import {
  addEngineOptions,
  addRuleOptions,
  addTalkOptions,
  collect,
  type EngineFlags,
  instant,
  levelOption,
  positive,
  type RuleOptions,
  ruleSources,
  type TalkOptions,
  UsageError,
} from "./common.ts";
import { addInputOptions, type InputFlags, inputSettings } from "./input_options.ts";
import {
  addSchemaOptions,
  fieldObserver,
  logsourceOptions,
  type SchemaFlags,
  schemaRouting,
  writeFieldReport,
} from "./schema_options.ts";

/** What is typed. */
export interface ScanOptions
  extends RuleOptions, EngineFlags, InputFlags, SchemaFlags, TalkOptions {
  readonly minLevel?: Level;
  readonly rule: readonly string[];
  readonly exclude: readonly string[];
  readonly since?: number;
  readonly until?: number;
  readonly threads?: number;
  readonly outputFormat?: OutputFormat;
  readonly output?: string;
  readonly stats?: string;
  readonly integrity?: boolean;
  readonly failOnDetection: boolean;
  readonly strict: boolean;
  readonly failOnParseError: boolean;
}

const EXAMPLES = `
Examples:
  picket scan ./evtx
  picket scan ./evtx --rules ./sigma/rules --min-level high -o timeline.csv
  picket scan /var/log --rules ./sigma/rules/linux --syslog-tz Europe/Berlin
  picket scan export.json --jq '.hits.hits[]._source' --timestamp-field event.created
  zcat events.ndjson.gz | picket scan - --logsource product=windows

Exit codes: 0 done, 1 something found (--fail-on-detection), 2 rules not usable (or --strict and
some not loaded), 3 wrong usage, 4 some input could not be read, 130 interrupted.`;

export function scanCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("scan")
    .summary("find what the rules match in logs of any format")
    .description(
      "Reads EVTX files, JSON and text logs, plain or packed, and prints what the rules match in\n" +
        "the order of time. A file that is named is read whatever its name; below directories files\n" +
        "named like logs are: *.evtx, *.json, *.ndjson, *.jsonl, *.log, *.cef, *.leef, *.logfmt,\n" +
        "syslog, messages, secure, cron, maillog, also as rotation leaves them (auth.log.2.gz).\n" +
        "`-` is stdin.",
    )
    .argument("<path...>", "files, directories, patterns, or -");
  addRuleOptions(command)
    .addOption(levelOption())
    .option("--rule <id|title>", "only this rule; repeat for more", collect, [])
    .option("--exclude <glob>", "skip files of this name or path; repeat for more", collect, [])
    .option("--since <time>", "only events at or after this time", instant)
    .option("--until <time>", "only events at or before this time", instant)
    .option("--threads <n>", "worker threads (default: cores)", positive)
    .addOption(
      new Option("--output-format <format>", "default: table on a terminal, else ndjson")
        .choices(OUTPUT_FORMATS),
    )
    .option("-o, --output <file>", "write results to a file; its ending chooses the format")
    .option("--stats <file>", "write statistics as JSON")
    .option("--integrity", "also look for signs of tampering in EVTX files", false)
    .option("--fail-on-detection", "exit with 1 if something was found", false)
    .option("--strict", "exit with 2 if a rule could not be loaded, 4 for damaged records", false)
    .option("--fail-on-parse-error", "exit with 4 if a line or record is not an event", false);
  addInputOptions(command);
  addSchemaOptions(command);
  addEngineOptions(command);
  addTalkOptions(command);
  return command.addHelpText("after", EXAMPLES)
    .action(async (paths: string[], options: ScanOptions) =>
      exit(await runScan(paths, options, io))
    );
}

/** Starting a thread takes as long as scanning so many bytes. */
const BYTES_WORTH_A_THREAD = 16 << 20;

export async function runScan(
  paths: readonly string[],
  options: ScanOptions,
  io: CliIo,
): Promise<ExitCode> {
  const startedAt = performance.now();
  const paint = painter(useColor(options.color, { ...io, outIsTerminal: io.errIsTerminal }));
  const sources = ruleSources(options);
  const routing = schemaRouting(options);
  const observer = fieldObserver(options);
  const settings = await scanSettings(options, routing.schema, observer?.maxKeys);

  const [inputs, collection] = await Promise.all([
    findInputs(paths, {
      exclude: options.exclude,
      outputs: [options.output, options.stats],
      format: options.inputFormat,
    }),
    loadSources(sources),
  ]);
  const rules = selectRules(collection.rules, settings);
  for (const name of unknownRules(collection.rules, options.rule)) {
    throw new UsageError(`--rule: no rule has the id or title "${name}"`);
  }
  const notLoaded = rulesNotLoaded(collection.problems);
  if (rules.length === 0) {
    for (const line of notLoadedLines(notLoaded, paint)) io.err(line);
    io.err("Cannot scan: no rule could be loaded or selected");
    return EXIT.ruleError;
  }
  if (!options.quiet) {
    io.err(
      `${plural(rules.length, "rule")} loaded, ${notLoaded.length} not loaded; ` +
        `${plural(inputs.files.length, "file")} to scan`,
    );
  }
  for (const warning of routing.warnings) io.err(`warning: ${warning}`);
  for (const { path, message } of inputs.problems) {
    io.err(`Cannot read ${safeText(path)}: ${safeText(message)}`);
  }

  // A path that cannot be written is better known before the scan than after it.
  using output = openOutput(options.output);
  if (options.stats !== undefined) checkWritable("--stats", options.stats);
  const units = await planUnits(inputs.files);
  const totalBytes = inputs.files.reduce((sum, file) => sum + file.size, 0);
  const progress = new ProgressLine(io, inputs.files.length, totalBytes, options.quiet);
  const threads = options.threads ??
    Math.min(availableParallelism(), Math.ceil(totalBytes / BYTES_WORTH_A_THREAD));
  const onProgress = (state: ScanProgress): void => progress.update(state);
  const outcome = await scan(units, rules, settings, threads, onProgress, io.signal);
  progress.clear();

  const written = await writeHits(outcome, options, output.descriptor, io);
  const integrity = options.integrity ? await integrityOf(inputs.files, io) : undefined;
  const report: ScanReport = {
    files: inputs.files,
    unreadable: inputs.problems,
    skipped: inputs.skipped,
    collection,
    rules,
    outcome,
    seconds: (performance.now() - startedAt) / 1000,
    ...(integrity === undefined ? {} : { integrity }),
  };
  const lost = [written, writeStatistics(report, options.stats)]
    .filter((result) => result instanceof OutputError);
  const lines = options.quiet
    ? scanProblems(report, paint)
    : ["", ...scanSummary(report, paint, io.errIsTerminal ? io.columns : Infinity)];
  for (const line of lines) io.err(line);
  for (const { message } of lost) io.err(`error: ${message}`);
  if (observer !== undefined) {
    for (const counts of outcome.fields) observer.merge(counts);
    writeFieldReport(options, observer.snapshot(), { ...collection, rules }, report.seconds, io);
  }
  return exitCode(report, options, notLoaded.length, written === "closed", lost.length > 0, io);
}

function exitCode(
  report: ScanReport,
  options: ScanOptions,
  notLoaded: number,
  closed: boolean,
  lost: boolean,
  io: CliIo,
): ExitCode {
  const { counts, interrupted } = report.outcome;
  if (interrupted) return EXIT.interrupted;
  if (counts.events === 0) {
    io.err(`No event was read: nothing in ${plural(report.files.length, "file")} could be scanned`);
  }
  if (lost) return EXIT.incomplete;
  if (options.strict && notLoaded > 0) return EXIT.ruleError;
  if (options.failOnDetection && counts.matches > 0) return EXIT.findings;
  if (closed) return EXIT.ok;
  const unreadable = report.unreadable.length > 0 || counts.errors.has("unreadable file");
  if (unreadable || counts.events === 0) return EXIT.incomplete;
  if (options.failOnParseError && counts.unparseable > 0) return EXIT.incomplete;
  return options.strict && errorCount(report) > 0 ? EXIT.incomplete : EXIT.ok;
}

/** What `--integrity` asks for; a file that cannot be read has been reported by the scan. */
async function integrityOf(
  files: readonly InputFile[],
  io: CliIo,
): Promise<readonly IntegrityReport[]> {
  const reports: IntegrityReport[] = [];
  for (const { path, kind, packing } of files) {
    if (kind !== "evtx" || io.signal.aborted) continue;
    if (packing !== undefined) {
      io.err(`Cannot check the integrity of ${safeText(path)}: unpack it first`);
      continue;
    }
    try {
      reports.push(await checkIntegrityInSteps(path, io.signal));
    } catch (error) {
      if (!(error instanceof EvtxError) && !io.signal.aborted) throw error;
    }
  }
  return reports;
}

function writeStatistics(
  report: ScanReport,
  path: string | undefined,
): "written" | OutputError {
  try {
    if (path !== undefined) {
      writeFileSync(path, `${JSON.stringify(scanStatistics(report), jsonNumber, 2)}\n`);
    }
    return "written";
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return new OutputError(`Cannot write --stats ${path}: ${reason}`, { cause: error });
  }
}

/** Record ids beyond 2^53 are only found in damaged files; as a text they keep their digits. */
function jsonNumber(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

async function scanSettings(
  options: ScanOptions,
  schema: SchemaRoutingSettings | undefined,
  observeMaxKeys: number | undefined,
): Promise<ScanSettings> {
  return {
    matchDetail: options.matchDetail,
    includeEvent: options.includeEvent,
    logsourceRouting: options.logsourceRouting,
    index: options.index,
    ...logsourceOptions(options),
    ...(schema === undefined ? {} : { schema }),
    ...(observeMaxKeys === undefined ? {} : { observeMaxKeys }),
    since: options.since,
    until: options.until,
    minLevel: options.minLevel,
    onlyRules: options.rule,
    input: await inputSettings(options),
  };
}

function outputFormat(options: ScanOptions, io: CliIo): OutputFormat {
  if (options.outputFormat !== undefined) return options.outputFormat;
  if (options.output !== undefined) {
    if (/\.csv$/i.test(options.output)) return "csv";
    return /\.txt$/i.test(options.output) ? "table" : "ndjson";
  }
  return io.outIsTerminal ? "table" : "ndjson";
}

/** Text is written in pieces of this many characters. */
const WRITE_CHARACTERS = 64 << 10;

/**
 * @param descriptor Of the output file; `undefined` for stdout.
 * @returns `closed` if the reader of the output went away before the end.
 */
async function writeHits(
  outcome: ScanOutcome,
  options: ScanOptions,
  descriptor: number | undefined,
  io: CliIo,
): Promise<"written" | "closed" | OutputError> {
  const toFile = descriptor !== undefined;
  const renderer = hitRenderer(outputFormat(options, io), {
    columns: toFile ? 200 : io.columns,
    paint: painter(!toFile && useColor(options.color, io)),
    pretty: !toFile && io.outIsTerminal,
  });
  const write = toFile
    ? (text: string) => writeFully(descriptor, text)
    : (text: string) => io.out(text);
  let pending = outcome.counts.matches > 0 || toFile ? renderer.header : "";
  try {
    for await (const { json } of outcome.hits()) {
      pending += renderer.render(json);
      if (pending.length < WRITE_CHARACTERS) continue;
      write(pending);
      pending = "";
    }
    if (pending !== "") write(pending);
    return "written";
  } catch (error) {
    if (error instanceof OutputClosedError) return "closed";
    if (error instanceof OutputError) return error;
    throw error;
  } finally {
    outcome.discard();
  }
}
