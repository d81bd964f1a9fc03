/**
 * `picket explain`: why rules did or did not match an event.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { RuleEngine } from "../../src/engine/engine.ts";
import { Explainer, type RuleExplanation } from "../../src/engine/explain.ts";
import { compareWays, type NearMiss, nearMiss } from "../../src/engine/near_miss.ts";
import type { StaticLogsource } from "../../src/engine/logsource.ts";
import type { LogEvent } from "../../src/event/event.ts";
import { JsonEvent } from "../../src/decode/json.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { DetectionRule, RuleCollection } from "../../src/sigma/rule.ts";
import { RuleNames } from "../../src/sigma/references.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import {
  eventInput,
  EventInputError,
  type EventPlace,
  type EventProblem,
  type EventSink,
  readEvents,
} from "../read_events.ts";
import {
  explanationLines,
  fieldLines,
  logsourceText,
  nearMissLines,
} from "../render/explanation.ts";
import { count, type Paint, painter, plural, safeText } from "../render/text.ts";
import { notLoadedLines, rulesNotLoaded } from "../scan/report.ts";
import { loadSources, selectRules } from "../scan/select_rules.ts";
import {
  addRuleOptions,
  addTalkOptions,
  collect,
  positive,
  type RuleOptions,
  ruleSources,
  staticLogsource,
  type TalkOptions,
} from "./common.ts";
import { addInputOptions, type InputFlags, inputReading, inputSettings } from "./input_options.ts";

export type ExplainFormat = "tree" | "json" | "ndjson";
export const EXPLAIN_FORMATS: readonly ExplainFormat[] = ["tree", "json", "ndjson"];

/** What is typed. */
export interface ExplainOptions extends RuleOptions, InputFlags, TalkOptions {
  readonly event?: string;
  readonly rule: readonly string[];
  readonly all: boolean;
  /** `true` without a number. */
  readonly whyNot?: true | number;
  readonly record?: number;
  readonly limit: number;
  readonly logsourceRouting: boolean;
  readonly logsource: StaticLogsource;
  readonly outputFormat: ExplainFormat;
  readonly failOnParseError: boolean;
}

/** Up to so many rules are all explained without being asked to. */
const FEW_RULES = 10;
/** More trees than this in a row are hardly wanted. */
const DEFAULT_LIMIT = 10;
const DEFAULT_NEAREST = 5;
const TOLD_PROBLEMS = 5;
/** Ranking thousands of rules over many events takes a while, which is told this often. */
const PROGRESS_MS = 1000;

const EXAMPLES = `
Examples:
  picket explain -r rule.yml -e '{"Image":"C:\\\\Windows\\\\System32\\\\cmd.exe"}'
  picket explain -r rules/ -e @event.json --why-not
  picket explain -e 'Oct 11 22:14:15 web sshd[7]: Failed password for root' --why-not
  picket explain -e @Security.evtx --rule "Security Audit Log Emptied" --why-not 3

Of more than ${FEW_RULES} rules only those that match are explained, unless --rule or --all asks for
others. --why-not ranks what did not match, over all events of the input; of many rules it leaves
out those for other logsources, unless the logsource is all that is in the way.

Exit codes: 0 explained, matching or not, 2 rules not usable, 3 wrong usage or no usable event,
4 a line is not an event (--fail-on-parse-error), 130 interrupted.`;

export function explainCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("explain")
    .summary("say why rules did or did not match an event")
    .description(
      "Shows every selection and condition of a rule, with filters and logsource, and for each\n" +
        "check the value it met in the event and why it holds or fails.",
    )
    .option("-e, --event <event|@file>", "JSON or a line of a log, or a file; default: stdin");
  addRuleOptions(command)
    .option("--rule <id|title>", "only this rule; repeat for more", collect, [])
    .option("--all", "explain every rule, however many", false)
    .option("--why-not [count]", "what came closest to a match, and what was missing", positive)
    .option("--record <n>", "only the event of this record id, or number in JSON", wholeNumber)
    .option("--limit <n>", "events to explain", positive, DEFAULT_LIMIT)
    .option(
      "--logsource <key=value,...>",
      "logsource of events that do not tell it",
      staticLogsource,
      {},
    )
    .option("--no-logsource-routing", "ignore the rules' logsources")
    .addOption(
      new Option("--output-format <format>", "how to write it").choices(EXPLAIN_FORMATS)
        .default("tree"),
    );
  command.option("--fail-on-parse-error", "exit with 4 if a line is not an event", false);
  addInputOptions(command);
  addTalkOptions(command);
  return command.addHelpText("after", EXAMPLES)
    .action(async (options: ExplainOptions) => exit(await runExplain(options, io)));
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError("give a whole number");
  return Number(text);
}

/** @param stdin Where events come from without `--event`; the process's own when left out. */
export async function runExplain(
  options: ExplainOptions,
  io: CliIo,
  stdin?: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
): Promise<ExitCode> {
  const reading = await inputReading(await inputSettings(options));
  const collection = await loadSources(ruleSources(options));
  const paint = painter(useColor(options.color, io));
  const notLoaded = rulesNotLoaded(collection.problems);
  if (!options.quiet || collection.rules.length === 0) {
    for (const line of notLoadedLines(notLoaded, painter(false)).slice(1)) io.err(line);
  }
  const rules = chooseRules(collection, options.rule, (line) => io.err(line));
  if (rules === undefined || rules.length === 0) {
    if (rules !== undefined) io.err("Cannot explain: no rule could be loaded");
    return EXIT.ruleError;
  }

  const explanation = new Explanations(rules, options, io, paint);
  try {
    const input = eventInput(options.event);
    await readEvents(input, reading.options, explanation, io.signal, stdin);
  } catch (error) {
    if (error instanceof EventInputError) {
      io.err(`error: ${error.message}`);
      return EXIT.usage;
    }
    if (!io.signal.aborted) throw error;
    return EXIT.interrupted;
  }
  if (explanation.events === 0) {
    io.err(
      options.record === undefined
        ? "error: the input has no event to explain"
        : `error: the input has no event ${options.record}`,
    );
    return EXIT.usage;
  }
  explanation.finish();
  return options.failOnParseError && explanation.problems > 0 ? EXIT.incomplete : EXIT.ok;
}

/** The rules that are named; a correlation stands for the rules it is made of. */
function chooseRules(
  { rules, correlations }: RuleCollection,
  names: readonly string[],
  say: (line: string) => void,
): readonly DetectionRule[] | undefined {
  if (names.length === 0) return rules;
  const byName = new RuleNames([...rules, ...correlations]);
  const chosen = new Set<DetectionRule>();
  for (const name of names) {
    const own = selectRules(rules, { minLevel: undefined, onlyRules: [name] });
    for (const rule of own) chosen.add(rule);
    const correlation = correlations.find(({ id, name: short, title }) =>
      [id, short, title].some((known) => known?.toLowerCase() === name.toLowerCase())
    );
    if (correlation !== undefined) {
      say(`"${safeText(correlation.title)}" is a correlation; explaining the rules it counts`);
      const bases = [...correlation.rules];
      // The list grows while it is walked: correlations of correlations. Cycles are not loaded.
      for (const reference of bases) {
        const base = byName.find(reference);
        if (base?.kind === "correlation") bases.push(...base.rules);
        else if (base !== undefined) chosen.add(base);
      }
    } else if (own.length === 0) {
      say(`error: --rule: no rule has the id or title "${safeText(name)}"`);
      return undefined;
    }
  }
  return rules.filter((rule) => chosen.has(rule));
}

/** An explanation that is to be shown, and of which event. */
interface Shown {
  readonly place: EventPlace;
  readonly explanation: RuleExplanation;
  readonly near?: NearMiss;
}

interface Near extends Shown, Explained {
  readonly near: NearMiss;
  /** Of the event, as lines. */
  readonly fields: readonly string[];
}

interface Explained {
  readonly rule: DetectionRule;
  readonly explanation: RuleExplanation;
}

class Explanations implements EventSink {
  events = 0;
  /** Lines, records and outputs of the filter that are no events. */
  problems = 0;
  readonly #rules: readonly DetectionRule[];
  readonly #options: ExplainOptions;
  readonly #io: CliIo;
  readonly #paint: Paint;
  readonly #explainer: Explainer;
  #unrouted: RuleEngine | undefined;
  /** How many of the nearest misses are kept; 0 without `--why-not`. */
  readonly #keep: number;
  readonly #json: Shown[] = [];
  readonly #nearest: Near[] = [];
  readonly #isFiltered: boolean;
  #explained = 0;
  #matches = 0;
  #more = false;
  #stop = false;
  #toldAt = performance.now();

  constructor(
    rules: readonly DetectionRule[],
    options: ExplainOptions,
    io: CliIo,
    paint: Paint,
  ) {
    this.#rules = rules;
    this.#options = options;
    this.#io = io;
    this.#paint = paint;
    this.#explainer = new Explainer(options);
    this.#isFiltered = options.jq !== undefined || options.jsonpath !== undefined;
    this.#keep = options.whyNot === true ? DEFAULT_NEAREST : options.whyNot ?? 0;
  }

  event(...[event, place]: Parameters<EventSink["event"]>): void {
    const { record, limit } = this.#options;
    if (record !== undefined && Number(place.recordId ?? place.number) !== record) return;
    if (this.#keep === 0 && this.events >= limit) {
      this.#more = true;
      this.#stop = true;
      return;
    }
    this.events++;
    this.#explainer.begin(event);
    const explained = this.#candidates(event).map((rule) => ({
      rule,
      explanation: this.#explainer.explain(rule),
    }));
    this.#matches += explained.filter(({ explanation }) => explanation.matched).length;
    if (this.#keep > 0) this.#rank(explained, event, place, this.#keep);
    else this.#show(explained.map(({ explanation }) => explanation), event, place);
    if (record !== undefined) this.#stop = true;
  }

  /**
   * The rules to explain. Of very many that are only ranked, a rule for other events is worth a look
   * if nothing but its logsource keeps it from matching.
   */
  #candidates(event: LogEvent): readonly DetectionRule[] {
    if (this.#keep === 0 || this.#rules.length <= FEW_RULES) return this.#rules;
    this.#unrouted ??= new RuleEngine(this.#rules, { logsourceRouting: false });
    const held = new Set(this.#unrouted.match(event));
    return this.#rules.filter((rule, number) => held.has(number) || this.#explainer.applies(rule));
  }

  problem(kind: EventProblem, place: string, message: string): void {
    this.problems++;
    if (this.problems > TOLD_PROBLEMS) return;
    const what = kind === "filter" ? "Filter failed at" : "Skipped";
    this.#io.err(`${what} ${place}: ${safeText(message).slice(0, 300)}`);
  }

  pause(): boolean {
    const now = performance.now();
    if (this.#keep > 0 && this.#io.errIsTerminal && now - this.#toldAt > PROGRESS_MS) {
      this.#toldAt = now;
      if (!this.#options.quiet) this.#io.errRaw(`\r${plural(this.events, "event")} compared`);
    }
    return !this.#stop;
  }

  /** Keeps the nearest of what did not match: of each rule one event, of a single rule several. */
  #rank(explained: readonly Explained[], event: LogEvent, place: EventPlace, keep: number): void {
    let fields: readonly string[] | undefined;
    for (const { rule, explanation } of explained) {
      if (explanation.matched) continue;
      const near = nearMiss(explanation);
      const last = this.#nearest.at(-1);
      if (this.#nearest.length >= keep && last && compareWays(near, last.near) >= 0) continue;
      const same = this.#rules.length === 1
        ? -1
        : this.#nearest.findIndex((other) => other.rule === rule);
      if (same >= 0) {
        if (compareWays(near, this.#nearest[same]!.near) >= 0) continue;
        this.#nearest.splice(same, 1);
      }
      // Behind those that are as near: the first event and the first rule stay first.
      const behind = this.#nearest.findIndex((other) => compareWays(near, other.near) < 0);
      const at = behind < 0 ? this.#nearest.length : behind;
      this.#nearest.splice(at, 0, {
        rule,
        place,
        explanation,
        near,
        fields: fields ??= this.#fields(event, place),
      });
      if (this.#nearest.length > keep) this.#nearest.pop();
    }
  }

  #show(explanations: readonly RuleExplanation[], event: LogEvent, place: EventPlace): void {
    const { all, rule, outputFormat } = this.#options;
    const shown = all || rule.length > 0 || this.#rules.length <= FEW_RULES
      ? explanations
      : explanations.filter(({ matched }) => matched);
    this.#explained += shown.length;
    if (outputFormat !== "tree") {
      for (const explanation of shown) this.#json.push({ place, explanation });
      return;
    }
    const lines = [this.#heading(place, explanations[0]!), ...this.#fields(event, place)];
    for (const explanation of shown) lines.push("", ...explanationLines(explanation, this.#paint));
    this.#io.out(`${this.events > 1 ? "\n" : ""}${lines.join("\n")}\n`);
  }

  /** What a line was decoded to: not what was given. */
  #fields(event: LogEvent, { text }: EventPlace): readonly string[] {
    const isGiven = text === undefined ||
      (event instanceof JsonEvent && !this.#isFiltered && /^\s*[{[]/.test(text));
    return isGiven ? [] : fieldLines(event.toValue(), this.#paint);
  }

  #heading(place: EventPlace, { logsource }: RuleExplanation): string {
    const known = this.#options.logsourceRouting ? logsourceText(logsource) : "not considered";
    return `${this.#paint(placeText(place), "bold")}; logsource: ${known}`;
  }

  finish(): void {
    const { outputFormat, quiet } = this.#options;
    if (this.#keep > 0 && this.#io.errIsTerminal && !quiet) this.#io.errRaw("\r\u001b[K");
    if (outputFormat === "tree") this.#showNearest();
    else this.#writeJson(this.#keep > 0 ? this.#nearest : this.#json);
    if (this.problems > TOLD_PROBLEMS) {
      this.#io.err(`Skipped ${count(this.problems)} lines or records in all`);
    }
    if (quiet) return;
    this.#io.err("");
    this.#io.err(this.#summary());
    if (this.#more) {
      this.#io.err(
        `Stopped after ${plural(this.events, "event")}: --limit N explains more, ` +
          "--record N one of them, --why-not ranks all",
      );
    }
  }

  #summary(): string {
    const of = `${plural(this.#rules.length, "rule")} and ${plural(this.events, "event")}`;
    const matches = `${count(this.#matches)} ${this.#matches === 1 ? "match" : "matches"}`;
    const hidden = this.#rules.length * this.events - this.#explained;
    const hint = this.#keep > 0 || hidden === 0
      ? ""
      : "; --why-not shows what came close, --rule ID one rule, --all everything";
    return `${matches} of ${of}${hint}`;
  }

  #showNearest(): void {
    if (this.#keep === 0) return;
    if (this.#nearest.length === 0) {
      this.#io.out("Every rule matches every event.\n");
      return;
    }
    const blocks = this.#nearest.map(({ place, explanation, near }) => {
      const lines = nearMissLines(explanation, near, this.#paint);
      return (this.events > 1 ? [this.#heading(place, explanation), ...lines] : lines).join("\n");
    });
    const first = this.#nearest[0]!;
    const heading = this.events > 1
      ? []
      : [[this.#heading(first.place, first.explanation), ...first.fields].join("\n")];
    this.#io.out(`${[...heading, ...blocks].join("\n\n")}\n`);
  }

  #writeJson(shown: readonly Shown[]): void {
    const values = shown.map(({ place, explanation, near }) => ({
      ...explanation,
      ...(this.events === 1 ? {} : {
        event: {
          number: place.number,
          ...(place.recordId === undefined ? {} : { record_id: place.recordId }),
        },
      }),
      ...(near === undefined ? {} : { near_miss: nearMissValue(near) }),
    }));
    if (this.#options.outputFormat === "ndjson") {
      this.#io.out(values.map((value) => `${jsonText(value)}\n`).join(""));
    } else {
      this.#io.out(`${this.#io.outIsTerminal ? prettyJsonText(values) : jsonText(values)}\n`);
    }
  }
}

function placeText({ number, recordId }: EventPlace): string {
  return recordId === undefined ? `Event ${number}` : `Event ${number}, record ${recordId}`;
}

/** The items themselves are in the tree; here is which of them. */
function nearMissValue({ missing, held, blockers }: NearMiss) {
  return {
    missing: Number.isFinite(missing) ? missing : null,
    held,
    blockers: blockers.map(({ node, ...place }) => ({
      ...place,
      field: node.field,
      ...("key" in node ? { key: node.key, line: node.line, reason: node.reason } : {}),
    })),
  };
}
