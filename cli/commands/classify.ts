/**
 * `picket classify`: what kind of log each event is from, and schemas for those nobody knows.
 *
 * @see inputs.md, sections 13.3 and 16
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { type SchemaRoute, SchemaRoutes } from "../../src/engine/schema_router.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import {
  pipelineProblem,
  readSchemaFile,
  schemaConfig,
  type SchemaFile,
} from "../../src/runtime/schema_routing.ts";
import { CATCH_ALL } from "../../src/schema/builtin.ts";
import { checkSchemaConfig } from "../../src/schema/check.ts";
import type { Classification, ClassificationDetail } from "../../src/schema/classifier.ts";
import type { SchemaConfig } from "../../src/schema/config.ts";
import { DEFAULT_DISCOVERY, discoverSchemas, discoveryReport } from "../../src/schema/discovery.ts";
import { SchemaError, type SchemaProblem } from "../../src/schema/errors.ts";
import { mostFirst } from "../../src/schema/field_observer.ts";
import { SampleCollector } from "../../src/schema/samples.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { eventInput, type EventSink, readEvents } from "../read_events.ts";
import { count, painter, plural, renderTable, safeText } from "../render/text.ts";
import { addTalkOptions, type TalkOptions, UsageError } from "./common.ts";
import { addInputOptions, type InputFlags, inputReading, inputSettings } from "./input_options.ts";

const FORMATS = ["table", "json", "ndjson"] as const;

/** What is typed. */
export interface ClassifyOptions extends InputFlags, TalkOptions {
  readonly event?: string;
  readonly schemaConfig?: string;
  readonly explain: boolean;
  readonly check: boolean;
  readonly suggest: boolean;
  readonly emit: "report" | "yaml";
  readonly minSupport: number;
  readonly similarity: number;
  readonly maxCandidates: number;
  readonly maxPredicates: number;
  readonly valueMarkers: boolean;
  readonly outputFormat?: typeof FORMATS[number];
}

/** Lines that could not be read are told one by one up to this many, then counted. */
const TOLD_PROBLEMS = 5;
/** Text is written in pieces of about this many characters, and whenever input pauses. */
const WRITE_CHARACTERS = 64 << 10;

const EXAMPLES = `
Examples:
  picket classify -e '{"ecs":{"version":"8.11"},"winlog":{"channel":"Security"}}' --explain
  picket classify -e @events.ndjson --output-format json
  picket classify -e @events.ndjson --suggest --emit yaml > schemas.yml
  picket classify --schema-config schemas.yml --check

Exit codes: 0 done, 2 the event is not usable, 3 wrong usage, a schema file that cannot be used or
findings of --check, 4 nothing could be read, 130 interrupted.`;

export function classifyCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("classify")
    .summary("say what kind of log events are from")
    .description(
      "Names the schema of each event of --event, or of stdin: ecs, sysmon, aws_cloudtrail and\n" +
        "so on, and those of your own. Events of schemas that are not known can be mined for\n" +
        "signatures (--suggest).",
    )
    .option("-e, --event <event|@file>", "JSON or a line of a log, or a file; default: stdin")
    .option("--schema-config <file>", "schemas and bindings of your own")
    .option("--explain", "say which conditions held", false)
    .option("--check", "look for mistakes in the schema file and read no events", false)
    .addOption(
      new Option("--output-format <format>", "default: table on a terminal, else ndjson")
        .choices(FORMATS),
    )
    .option("--suggest", "propose signatures for events that are not recognised", false)
    .addOption(
      new Option("--emit <what>", "with --suggest: a report, or a schema file")
        .choices(["report", "yaml"]).default("report"),
    )
    .option("--min-support <n>", "events a proposal needs", whole, DEFAULT_DISCOVERY.minSupport)
    .option(
      "--similarity <part>",
      "part of their fields that events of a schema share",
      part,
      DEFAULT_DISCOVERY.similarity,
    )
    .option("--max-candidates <n>", "proposals", whole, DEFAULT_DISCOVERY.maxCandidates)
    .option(
      "--max-predicates <n>",
      "conditions of a proposal",
      whole,
      DEFAULT_DISCOVERY.maxPredicates,
    )
    .option("--no-value-markers", "propose by the names of fields alone");
  addInputOptions(command);
  addTalkOptions(command);
  return command.addHelpText("after", EXAMPLES)
    .action(async (options: ClassifyOptions) => exit(await runClassify(options, io)));
}

/** @param stdin Where events come from without `--event`; the process's own when left out. */
export async function runClassify(
  options: ClassifyOptions,
  io: CliIo,
  stdin?: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
): Promise<ExitCode> {
  if (options.check) return runCheck(options, io);
  const { file, config } = readConfig(options.schemaConfig);
  if (file !== undefined && !options.quiet) {
    for (const problem of config.warnings) io.err(`warning: ${problemText(file.path, problem)}`);
  }
  const routes = new SchemaRoutes(config);
  const reading = await inputReading(await inputSettings(options));
  const sink = options.suggest
    ? new Suggestions(routes, options, io)
    : new Classifications(routes, file !== undefined, options, io);
  const read = new CountingSink(sink, io);
  let interrupted = false;
  try {
    await readEvents(eventInput(options.event), reading.options, read, io.signal, stdin);
  } catch (error) {
    if (!io.signal.aborted) throw error;
    interrupted = true;
  }
  sink.finish(read.problems);
  if (interrupted) return EXIT.interrupted;
  return read.problems > 0 && read.events === 0 ? EXIT.incomplete : EXIT.ok;
}

function readConfig(
  path: string | undefined,
): { readonly file: SchemaFile | undefined; readonly config: SchemaConfig } {
  try {
    const file = path === undefined ? undefined : readSchemaFile(path);
    return { file, config: schemaConfig(file) };
  } catch (error) {
    if (error instanceof SchemaError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/** `--check`: everything that is wrong or looks wrong. */
function runCheck({ schemaConfig: path, quiet }: ClassifyOptions, io: CliIo): ExitCode {
  if (path === undefined) throw new UsageError("--check needs --schema-config");
  let problems: readonly SchemaProblem[];
  let config: SchemaConfig | undefined;
  try {
    config = schemaConfig(readSchemaFile(path));
    problems = checkSchemaConfig(config, pipelineProblem);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    problems = error.problems;
  }
  for (const problem of config?.warnings ?? []) {
    io.err(`warning: ${problemText(path, problem)}`);
  }
  for (const problem of problems) io.out(`${problemText(path, problem)}\n`);
  if (problems.length > 0) return EXIT.usage;
  if (!quiet && config !== undefined) {
    const { signatures, routing } = config;
    io.err(
      `${safeText(path)}: ${plural(signatures.length, "schema")}, ` +
        `${plural(routing.bindings.length, "binding")}, nothing wrong`,
    );
  }
  return EXIT.ok;
}

function problemText(path: string, { line, message }: SchemaProblem): string {
  return `${safeText(path)}${line === undefined ? "" : `:${line}`}: ${safeText(message)}`;
}

/** What is done with events. */
interface Work {
  event(event: LogEvent): void;
  /** Writes what has been found so far, if anything is written before the end. */
  flush(): void;
  finish(parseErrors: number): void;
}

/** Counts events, and tells of what is none. */
class CountingSink implements EventSink {
  events = 0;
  problems = 0;
  readonly #work: Work;
  readonly #io: CliIo;

  constructor(work: Work, io: CliIo) {
    this.#work = work;
    this.#io = io;
  }

  event(event: LogEvent): void {
    this.events++;
    this.#work.event(event);
  }

  problem(_kind: unknown, place: string, message: string): void {
    this.problems++;
    if (this.problems <= TOLD_PROBLEMS) {
      this.#io.err(`Skipped ${place}: ${safeText(message).slice(0, 300)}`);
    } else if (this.problems === TOLD_PROBLEMS + 1) {
      this.#io.err("Skipped more; the rest is only counted");
    }
  }

  pause(): boolean {
    this.#work.flush();
    return true;
  }
}

/** Names the schema of each event. */
class Classifications implements Work {
  readonly #routes: SchemaRoutes;
  readonly #options: ClassifyOptions;
  readonly #io: CliIo;
  readonly #format: typeof FORMATS[number];
  /** Only where there is a file do events have somewhere to go. */
  readonly #showsRoutes: boolean;
  readonly #bySchema = new Map<string, number>();
  /** JSON begins with the summary, so its events wait. */
  readonly #waiting: unknown[] = [];
  #pending = "";
  #events = 0;
  #unknown = 0;
  #ambiguous = 0;

  constructor(routes: SchemaRoutes, showsRoutes: boolean, options: ClassifyOptions, io: CliIo) {
    this.#routes = routes;
    this.#showsRoutes = showsRoutes;
    this.#options = options;
    this.#io = io;
    this.#format = options.outputFormat ?? (io.outIsTerminal ? "table" : "ndjson");
    if (this.#format === "table") {
      const paint = painter(useColor(options.color, io));
      this.#pending = `${paint(tableLine("#", "SCHEMA", "SPECIFICITY"), "bold")}\n`;
    }
  }

  event(event: LogEvent): void {
    const index = this.#events++;
    const { classifier } = this.#routes;
    const found = classifier.classify(event);
    const detail = this.#options.explain ? classifier.explain(event) : undefined;
    if (found === undefined) this.#unknown++;
    else this.#bySchema.set(found.schema, (this.#bySchema.get(found.schema) ?? 0) + 1);
    if (found?.isAmbiguous) this.#ambiguous++;
    const route = this.#showsRoutes ? this.#routes.route(found) : undefined;
    switch (this.#format) {
      case "table":
        this.#pending += tableRow(index, found, detail);
        break;
      case "ndjson":
        this.#pending += `${jsonText(this.#entry(index, found, detail, route))}\n`;
        break;
      case "json":
        this.#waiting.push(this.#entry(index, found, detail, route));
        break;
    }
    if (this.#pending.length >= WRITE_CHARACTERS) this.flush();
  }

  #entry(
    index: number,
    found: Classification | undefined,
    detail: ClassificationDetail | undefined,
    route: SchemaRoute | undefined,
  ) {
    return {
      index,
      schema: found?.schema ?? null,
      specificity: found?.specificity ?? null,
      ...(found?.isAmbiguous ? { ambiguous: true } : {}),
      ...(detail === undefined ? {} : {
        explanation: {
          schema: detail.signature.name,
          specificity: detail.signature.specificity,
          predicates: detail.predicates,
        },
      }),
      ...(route === undefined ? {} : {
        route: {
          action: route.action,
          ...(route.action === "evaluate" ? { pipelines: this.#routes.sets[route.set]! } : {}),
          unknown: route.isUnknown,
        },
      }),
    };
  }

  flush(): void {
    if (this.#pending !== "") this.#io.out(this.#pending);
    this.#pending = "";
  }

  finish(parseErrors: number): void {
    const schemas = [...this.#bySchema].sort(mostFirst);
    if (this.#format === "json") {
      const summary = {
        total_events: this.#events,
        classified: this.#events - this.#unknown,
        unknown: this.#unknown,
        ambiguous: this.#ambiguous,
        parse_errors: parseErrors,
        by_schema: Object.fromEntries(schemas),
      };
      this.#pending += `${prettyJsonText({ summary, events: this.#waiting })}\n`;
    }
    this.flush();
    if (this.#options.quiet || this.#format === "json") return;
    const parts = [
      ...schemas.map(([schema, events]) => `${count(events)} ${safeText(schema)}`),
      ...(this.#unknown === 0 ? [] : [`${count(this.#unknown)} unknown`]),
    ];
    const ambiguous = this.#ambiguous === 0 ? "" : `; ${count(this.#ambiguous)} ambiguous`;
    const skipped = parseErrors === 0 ? "" : `; ${plural(parseErrors, "line")} unparseable`;
    this.#io.err(
      `${plural(this.#events, "event")}${parts.length === 0 ? "" : ": "}` +
        `${parts.join(", ")}${ambiguous}${skipped}`,
    );
  }
}

function tableLine(index: string, schema: string, specificity: string): string {
  return `${index.padStart(7)}  ${schema.padEnd(24)}  ${specificity}`;
}

function tableRow(
  index: number,
  found: Classification | undefined,
  detail: ClassificationDetail | undefined,
): string {
  const ambiguous = found?.isAmbiguous ? " (ambiguous)" : "";
  const schema = safeText(found?.schema ?? "unknown") + ambiguous;
  const line = tableLine(String(index), schema, String(found?.specificity ?? "-"));
  if (detail === undefined) return `${line}\n`;
  const title = found === undefined ? [`nearest: ${safeText(detail.signature.name)}`] : [];
  const conditions = detail.predicates.map(({ predicate, matched }) =>
    `${matched ? "yes" : "no "} ${safeText(predicate)}`
  );
  return [line, ...[...title, ...conditions].map((text) => " ".repeat(9) + text), ""].join("\n");
}

/** Mines events that are of no schema, or only of the catch-all. */
class Suggestions implements Work {
  readonly #routes: SchemaRoutes;
  readonly #options: ClassifyOptions;
  readonly #io: CliIo;
  readonly #samples: SampleCollector;

  constructor(routes: SchemaRoutes, options: ClassifyOptions, io: CliIo) {
    this.#routes = routes;
    this.#options = options;
    this.#io = io;
    this.#samples = new SampleCollector(
      options.valueMarkers ? DEFAULT_DISCOVERY.maxValueCardinality : 0,
    );
  }

  event(event: LogEvent): void {
    const found = this.#routes.classifier.classify(event);
    if (found === undefined || found.schema === CATCH_ALL) this.#samples.add(event);
  }

  flush(): void {}

  finish(parseErrors: number): void {
    const { emit, outputFormat, quiet, color } = this.#options;
    const found = discoverSchemas(
      this.#samples.groups(),
      this.#routes.classifier.signatures,
      this.#options,
    );
    const report = discoveryReport(found, parseErrors);
    const format = outputFormat ?? (this.#io.outIsTerminal ? "table" : "json");
    if (emit === "yaml") this.#io.out(report.signatures_yaml);
    else if (format === "json") this.#io.out(`${prettyJsonText(report)}\n`);
    else if (format === "ndjson") {
      this.#io.out(report.candidates.map((one) => `${jsonText(one)}\n`).join(""));
    } else {
      const rows = report.candidates.map((one) => [
        safeText(one.name),
        count(one.support),
        `${(100 * one.coverage_of_unknown).toFixed(1)} %`,
        String(one.specificity),
        safeText(one.predicates.join(" and ")),
      ]);
      const header = ["NAME", "EVENTS", "PART", "SPECIFICITY", "CONDITIONS"];
      const paint = painter(useColor(color, this.#io));
      this.#io.out(`${renderTable(header, rows, paint).join("\n")}\n`);
    }
    for (const { name, overlap_warnings } of report.candidates) {
      for (const warning of overlap_warnings) {
        this.#io.err(`warning: ${safeText(name)}: ${warning}`);
      }
    }
    if (quiet) return;
    const { events_mined, shapes, candidates } = report.summary;
    this.#io.err(
      `${plural(events_mined, "event")} not recognised, in ${plural(shapes, "shape")}: ` +
        `${plural(candidates, "proposal")}`,
    );
  }
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("give a whole number from 1");
  return Number(text);
}

function part(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError("give a number from 0 to 1");
  }
  return value;
}
