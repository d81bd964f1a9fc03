/**
 * `picket tap`: the events that a running agent reads, to look at or to replay.
 */
import { Command, Option } from "commander";
import { addApiOptions, ApiClient, type ApiOptions, duration, wholeNumber } from "../api_client.ts";
import { streamLines } from "../event_stream.ts";
import { type CliIo, EXIT, type ExitCode, writeFully } from "../io.ts";
import { openOutput } from "../output.ts";
import { safeText } from "../render/text.ts";
import { addTalkOptions, type TalkOptions } from "./common.ts";

/** What is typed. */
export interface TapOptions extends ApiOptions, TalkOptions {
  readonly duration: number;
  readonly limit?: number;
  readonly output?: string;
  readonly redactFields?: string;
  readonly stage: "decoded" | "raw";
}

export function tapCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = addApiOptions(
    new Command("tap").summary("follow the events that a running agent reads"),
  )
    .option("--duration <time>", "end after this time (default 30s)", duration, 30_000)
    .option("--limit <count>", "end after so many events", wholeNumber)
    .option("-o, --output <file>", "write to a file")
    .option("--redact-fields <fields>", "replace these values by tokens: user.name,src_ip")
    .addOption(
      new Option("--stage <stage>", "events as rules see them, or lines as they were read")
        .choices(["decoded", "raw"]).default("decoded"),
    );
  return addTalkOptions(command).addHelpText(
    "after",
    "\nExamples:\n  picket tap --limit 100 -o events.ndjson --redact-fields user.name\n" +
      "  picket tap --stage raw --duration 1m",
  ).action(async (options: TapOptions) => exit(await runTap(options, io)));
}

interface Summary {
  readonly captured: number;
  readonly dropped: number;
}

export async function runTap(options: TapOptions, io: CliIo): Promise<ExitCode> {
  const client = new ApiClient(options, io);
  const query = new URLSearchParams({ stage: options.stage, duration: `${options.duration}ms` });
  if (options.limit !== undefined) query.set("limit", String(options.limit));
  if (options.redactFields !== undefined) query.set("redact", options.redactFields);
  using output = openOutput(options.output);
  const { descriptor } = output;
  const write = descriptor !== undefined
    ? (line: string): void => writeFully(descriptor, `${line}\n`)
    : io.outIsTerminal
    ? (line: string): void => io.out(`${safeText(line)}\n`)
    : (line: string): void => io.out(`${line}\n`);
  let captured = 0;
  let summary: Summary | undefined;
  let interrupted = false;
  try {
    const chunks = await client.stream(`/api/v1/tap?${query}`, {}, io.signal);
    // The summary is the last line, so each line waits for the next one.
    let held: string | undefined;
    for await (const line of streamLines(chunks)) {
      if (held !== undefined) {
        write(held);
        captured++;
      }
      held = line;
    }
    summary = held === undefined ? undefined : parseSummary(held);
    if (held !== undefined && summary === undefined) {
      write(held);
      captured++;
    }
  } catch (error) {
    if (!io.signal.aborted || error !== io.signal.reason) throw error;
    interrupted = true;
  }
  if (!options.quiet) tell(options, io, captured, summary, interrupted);
  return summary === undefined && !interrupted ? EXIT.incomplete : EXIT.ok;
}

function parseSummary(line: string): Summary | undefined {
  try {
    const value = JSON.parse(line) as Record<string, Partial<Summary> | undefined> | null;
    const inner = value?.["picket_tap_summary"] ?? value?.["rsigma_tap_summary"];
    if (typeof inner?.captured !== "number") return undefined;
    return { captured: inner.captured, dropped: inner.dropped ?? 0 };
  } catch {
    return undefined;
  }
}

function tell(
  options: TapOptions,
  io: CliIo,
  captured: number,
  summary: Summary | undefined,
  interrupted: boolean,
): void {
  io.err(`tap: captured ${captured}, dropped ${summary?.dropped ?? "unknown"}`);
  if (summary === undefined && !interrupted) io.err("warning: the stream broke off");
  if ((summary?.dropped ?? 0) > 0) {
    io.err("warning: there are gaps: events came faster than they could be shown, or unredacted");
  }
  if (options.output !== undefined && options.output !== "-" && options.stage === "decoded") {
    io.err(`replay: picket eval -e @${safeText(options.output)} --rules <path>`);
  }
}
