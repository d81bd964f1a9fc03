/**
 * `picket eval`: one stream of events in, results out as soon as they are found.
 */
import { Command, Option } from "commander";
import type { EngineOptions, EventEvaluator } from "../../src/engine/engine.ts";
import type { RoutingTally } from "../../src/engine/schema_router.ts";
import { openEvaluator, type SchemaRoutingSettings } from "../../src/runtime/schema_routing.ts";
import type { FieldObserver } from "../../src/schema/field_observer.ts";
import type { DetectionRule, Level, RuleCollection } from "../../src/sigma/rule.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import {
  type EventCounts,
  type EventInput,
  eventInput,
  type EventProblem,
  type EventSink,
  readEvents,
} from "../read_events.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { type MatchRenderer, matchRenderer } from "../render/matches.ts";
import { count, painter, plural, safeText } from "../render/text.ts";
import { notLoadedLines, rulesNotLoaded } from "../scan/report.ts";
import { loadSources, selectRules, unknownRules } from "../scan/select_rules.ts";
import type { RuleSources } from "../scan/types.ts";
import {
  addEngineOptions,
  addRuleOptions,
  addTalkOptions,
  collect,
  type EngineFlags,
  levelOption,
  type RuleOptions,
  ruleSources,
  type TalkOptions,
  UsageError,
} from "./common.ts";
import { addInputOptions, type InputFlags, inputReading, inputSettings } from "./input_options.ts";
import {
  addSchemaOptions,
  fieldObserver,
  logsourceOptions,
  type SchemaFlags,
  schemaRouting,
  writeFieldReport,
} from "./schema_options.ts";

/** What is typed. */
export interface EvalOptions
  extends RuleOptions, EngineFlags, InputFlags, SchemaFlags, TalkOptions {
  readonly event?: string;
  readonly minLevel?: Level;
  readonly rule: readonly string[];
  readonly outputFormat?: OutputFormat;
  readonly pretty: boolean;
  readonly failOnDetection: boolean;
  readonly strict: boolean;
  readonly failOnParseError: boolean;
  /** `false`: no summary line. */
  readonly stats: boolean;
}

/** Lines that could not be read are told one by one up to this many, then counted. */
const TOLD_PROBLEMS = 5;
/** Text is written in pieces of about this many characters, and whenever input pauses. */
const WRITE_CHARACTERS = 64 << 10;
/** The width of tables that are not for a terminal. */
const WIDE_COLUMNS = 200;

const EXAMPLES = `
Examples:
  picket eval -e '{"Channel":"Security","EventID":1102}'
  picket eval -r rules/ -e @Security.evtx --output-format table
  tail -f /var/log/auth.log | picket eval -r rules/
  picket eval -e 'Oct 11 22:14:15 web sshd[7]: Accepted password for root from 192.0.2.9 port 4711 ssh2'
  curl -s https://logs.example/batch | picket eval --jq '.records[].event' --fail-on-parse-error

Exit codes: 0 done, 1 something found (--fail-on-detection), 2 rules or the event not usable,
3 wrong usage, 4 some input could not be read (--fail-on-parse-error, --strict, or none could be),
130 interrupted.`;

export function evalCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("eval")
    .summary("evaluate one event, one file or a stream of events")
    .description(
      "Evaluates the events of --event, or of stdin, and prints each result as soon as it is\n" +
        "found, in the order of the input. For many files and a timeline, see picket scan.",
    )
    .option("-e, --event <event|@file>", "JSON or a line of a log, or a file; default: stdin");
  addRuleOptions(command)
    .addOption(levelOption())
    .option("--rule <id|title>", "only this rule; repeat for more", collect, [])
    .addOption(
      new Option("--output-format <format>", "default: json on a terminal, else ndjson")
        .choices(OUTPUT_FORMATS),
    )
    .option("--pretty", "indent JSON also when it is not for a terminal", false)
    .option("--fail-on-detection", "exit with 1 if something was found", false)
    .option("--strict", "exit with 2 if a rule could not be loaded, 4 for a bad line", false)
    .option("--fail-on-parse-error", "exit with 4 if a line is not an event", false)
    .option("--no-stats", "no summary line");
  addInputOptions(command);
  addSchemaOptions(command);
  addEngineOptions(command);
  addTalkOptions(command);
  return command.addHelpText("after", EXAMPLES)
    .action(async (options: EvalOptions) => exit(await runEval(options, io)));
}

/** @param stdin Where events come from without `--event`; the process's own when left out. */
export async function runEval(
  options: EvalOptions,
  io: CliIo,
  stdin?: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
): Promise<ExitCode> {
  const sources = ruleSources(options);
  const reading = await inputReading(await inputSettings(options));
  const paint = painter(useColor(options.color, { ...io, outIsTerminal: io.errIsTerminal }));
  const collection = await loadSources(sources);
  for (const name of unknownRules(collection.rules, options.rule)) {
    throw new UsageError(`--rule: no rule has the id or title "${name}"`);
  }
  const rules = selectRules(collection.rules, {
    minLevel: options.minLevel,
    onlyRules: options.rule,
  });
  const notLoaded = rulesNotLoaded(collection.problems);
  if (rules.length === 0) {
    for (const line of notLoadedLines(notLoaded, paint).slice(1)) io.err(line);
    io.err("Cannot evaluate: no rule could be loaded or selected");
    return EXIT.ruleError;
  }
  if (!options.quiet) {
    for (const line of notLoadedLines(notLoaded, paint).slice(1)) io.err(line);
    io.err(loadedLine(rules, collection, sources));
  }

  const input = eventInput(options.event);
  const routing = schemaRouting(options);
  for (const warning of routing.warnings) io.err(`warning: ${warning}`);
  const observer = fieldObserver(options);
  const evaluation = new Evaluation(rules, options, routing.schema, observer, io);
  const startedAt = performance.now();
  let interrupted = false;
  try {
    evaluation.counts = await readEvents(input, reading.options, evaluation, io.signal, stdin);
  } catch (error) {
    if (!io.signal.aborted) throw error;
    interrupted = true;
  }
  evaluation.finish();
  if (!options.quiet && options.stats) io.err(evaluation.summary(input));
  if (observer !== undefined) {
    const seconds = (performance.now() - startedAt) / 1000;
    writeFieldReport(options, observer.snapshot(), { ...collection, rules }, seconds, io);
  }
  if (interrupted) return EXIT.interrupted;
  if (options.strict && notLoaded.length > 0) return EXIT.ruleError;
  if (options.failOnDetection && evaluation.matches > 0) return EXIT.findings;
  const { events, problems, unreadable } = evaluation;
  if (options.failOnParseError && unreadable > 0) return EXIT.incomplete;
  return problems > 0 && (options.strict || events === 0) ? EXIT.incomplete : EXIT.ok;
}

function loadedLine(
  rules: readonly DetectionRule[],
  { correlations }: RuleCollection,
  { paths, embedded }: RuleSources,
): string {
  const from = embedded ? "the embedded rules" : paths.map(safeText).join(", ");
  const ignored = correlations.length === 0
    ? ""
    : ` (${plural(correlations.length, "correlation rule")} not evaluated: they need a history)`;
  return `Loaded ${plural(rules.length, "detection rule")} from ${from}${ignored}`;
}

/** Evaluates events as they come and writes what matches. */
class Evaluation implements EventSink {
  matches = 0;
  events = 0;
  /** When the input has come to its end. */
  counts: EventCounts | undefined;
  readonly #problems: Record<EventProblem, number> = { evtx: 0, unparseable: 0, filter: 0 };
  readonly #engine: EventEvaluator;
  readonly #observer: FieldObserver | undefined;
  readonly #routing: RoutingTally = { unknown: 0, dropped: 0, errors: 0 };
  readonly #renderer: MatchRenderer;
  readonly #io: CliIo;
  #isEvtx = false;
  #pending = "";
  #started = false;

  constructor(
    rules: readonly DetectionRule[],
    options: EvalOptions,
    schema: SchemaRoutingSettings | undefined,
    observer: FieldObserver | undefined,
    io: CliIo,
  ) {
    const { matchDetail, includeEvent, logsourceRouting, index } = options;
    const engineOptions: EngineOptions = {
      matchDetail,
      includeEvent,
      logsourceRouting,
      index,
      ...logsourceOptions(options),
    };
    this.#engine = openEvaluator(rules, engineOptions, schema, this.#routing);
    this.#observer = observer;
    this.#io = io;
    const format = options.outputFormat ??
      (options.pretty || io.outIsTerminal ? "json" : "ndjson");
    this.#renderer = matchRenderer(format, {
      columns: io.outIsTerminal ? io.columns : WIDE_COLUMNS,
      paint: painter(useColor(options.color, io)),
      pretty: options.pretty || io.outIsTerminal,
    });
    if (format === "csv") this.#start();
  }

  event(...[event, place]: Parameters<EventSink["event"]>): void {
    this.events++;
    if (place.recordId !== undefined) this.#isEvtx = true;
    this.#observer?.observe(event);
    for (const result of this.#engine.evaluate(event)) {
      this.matches++;
      this.#start();
      this.#pending += this.#renderer.render(result);
    }
    if (this.#pending.length >= WRITE_CHARACTERS) this.pause();
  }

  get problems(): number {
    return this.#problems.evtx + this.unreadable;
  }

  /** Lines, or outputs of the filter. */
  get unreadable(): number {
    return this.#problems.unparseable + this.#problems.filter;
  }

  problem(kind: EventProblem, place: string, message: string): void {
    this.#problems[kind]++;
    if (this.problems <= TOLD_PROBLEMS) {
      const what = kind === "filter" ? "Filter failed at" : "Skipped";
      this.#io.err(`${what} ${place}: ${safeText(message).slice(0, 300)}`);
    } else if (this.problems === TOLD_PROBLEMS + 1) {
      this.#io.err("Skipped more; the rest is only counted");
    }
  }

  /** Nothing that was found waits for what has not come yet. */
  pause(): boolean {
    if (this.#pending !== "") this.#io.out(this.#pending);
    this.#pending = "";
    return true;
  }

  finish(): void {
    this.pause();
    if (this.problems > TOLD_PROBLEMS) {
      this.#io.err(`Skipped ${count(this.problems)} lines or records in all`);
    }
  }

  summary(input: EventInput): string {
    const noun = this.#isEvtx ? "EVTX record" : "event";
    const { evtx, unparseable, filter } = this.#problems;
    const { unknown, dropped, errors } = this.#routing;
    const replaced = this.counts?.replaced ?? 0;
    const skipped = [
      ...(evtx === 0 ? [] : [`${count(evtx)} skipped`]),
      ...(unparseable === 0 ? [] : [`${plural(unparseable, "line")} unparseable`]),
      ...(filter === 0 ? [] : [plural(filter, "filter error")]),
      ...(unknown === 0
        ? []
        : [`${count(unknown)} unknown schema`, `${count(dropped + errors)} dropped`]),
      ...(replaced === 0 ? [] : [`${plural(replaced, "line")} not UTF-8`]),
    ].map((text) => `, ${text}`).join("");
    const isOne = input.kind === "inline" && this.events === 1 && skipped === "";
    if (isOne && this.matches === 0) return "No matches.";
    const matches = `${count(this.matches)} ${this.matches === 1 ? "match" : "matches"}`;
    return `Processed ${plural(this.events, noun)}, ${matches}${skipped}.`;
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#pending += this.#renderer.header;
  }
}
