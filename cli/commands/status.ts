/**
 * `picket status`: what a running agent says about itself.
 */
import { Command, Option } from "commander";
import { describeDuration } from "../../src/runtime/duration.ts";
import type { Status } from "../../src/admin/view.ts";
import { parseJsonText, prettyJsonText } from "../../src/event/json_text.ts";
import { addApiOptions, ApiClient, ApiClientError, type ApiOptions } from "../api_client.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { csvLine } from "../render/csv.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "../render/hits.ts";
import { painter, renderTable, safeText } from "../render/text.ts";
import { addTalkOptions, type TalkOptions } from "./common.ts";

/** What is typed. */
export interface StatusOptions extends ApiOptions, TalkOptions {
  readonly outputFormat?: OutputFormat;
}

export function statusCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = addApiOptions(
    new Command("status").summary("ask a running agent how it is"),
  ).addOption(
    new Option("--output-format <format>", "default: table on a terminal, else ndjson")
      .choices(OUTPUT_FORMATS),
  );
  return addTalkOptions(command).addHelpText(
    "after",
    "\nExamples:\n  PICKET_API_TOKEN=pkt_… picket status\n" +
      "  picket status --addr unix:///run/picket/api.sock --output-format json",
  ).action(async (options: StatusOptions) => exit(await runStatus(options, io)));
}

export async function runStatus(options: StatusOptions, io: CliIo): Promise<ExitCode> {
  const { body } = await new ApiClient(options, io).ask("GET", "/api/v1/status");
  const format = options.outputFormat ?? (io.outIsTerminal ? "table" : "ndjson");
  switch (format) {
    case "ndjson":
      io.out(`${body.trim()}\n`);
      break;
    case "json":
      io.out(`${prettyJsonText(parseAnswer(body))}\n`);
      break;
    case "csv":
      io.out(
        csvLine(["METRIC", "VALUE"]) +
          rows(parseAnswer(body)).map((row) => csvLine([...row])).join(""),
      );
      break;
    case "table": {
      const paint = painter(useColor(options.color, io));
      const shown = rows(parseAnswer(body)).map((row) => row.map(safeText));
      io.out(`${renderTable(["METRIC", "VALUE"], shown, paint).join("\n")}\n`);
      break;
    }
  }
  return EXIT.ok;
}

/** An answer as an object. @throws {ApiClientError} */
export function parseAnswer(body: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseJsonText(body);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch {
    // Not JSON: no agent, most likely another server.
  }
  throw new ApiClientError("The answer is not an agent's (is this Picket's address?)");
}

const COUNTS = [
  "detection_rules",
  "correlation_rules",
  "failed_rules",
  "correlation_state_entries",
  "events_processed",
  "parse_errors",
  "detection_matches",
  "correlation_matches",
  "alerts",
] as const;

function rows(answer: Readonly<Record<string, unknown>>): readonly (readonly [string, string])[] {
  // Another version may leave members out, so nothing is taken for granted.
  const status = answer as Partial<Status>;
  const out: [string, string][] = [["status", String(status.status ?? "unknown")]];
  for (const name of COUNTS) {
    if (status[name] !== undefined) out.push([name, String(status[name])]);
  }
  if (typeof status.uptime_seconds === "number") {
    out.push(["uptime", describeDuration(status.uptime_seconds * 1000)]);
  }
  const { readiness, last_reload: reload } = status;
  for (const { code, message } of readiness?.reasons ?? []) {
    out.push(["not ready", `${code}: ${message}`]);
  }
  for (const { code, message } of readiness?.degraded ?? []) {
    out.push(["degraded", `${code}: ${message}`]);
  }
  if (reload != null) out.push(["last_reload", reload.ok ? "ok" : "failed"]);
  return out;
}
