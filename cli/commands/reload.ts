/**
 * `picket reload`: makes a running agent read its rules and settings again, and tells what changed.
 */
import { Command, Option } from "commander";
import type { ReloadResult } from "../../src/admin/view.ts";
import { prettyJsonText } from "../../src/event/json_text.ts";
import { addApiOptions, ApiClient, type ApiOptions } from "../api_client.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { type Paint, painter, plural, safeText, type Style } from "../render/text.ts";
import { addTalkOptions, type TalkOptions } from "./common.ts";
import { parseAnswer } from "./status.ts";

/** What is typed. */
export interface ReloadOptions extends ApiOptions, TalkOptions {
  readonly dryRun: boolean;
  readonly wait: boolean;
  readonly outputFormat?: "json" | "text";
}

/** The agent answers after 30 s whatever happens. */
const WAIT_MS = 40_000;

export function reloadCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = addApiOptions(
    new Command("reload").summary("make a running agent read rules and settings again"),
  )
    .option("--dry-run", "only tell what would change", false)
    .option("--no-wait", "do not wait for the outcome")
    .addOption(
      new Option("--output-format <format>", "default: text on a terminal, else json")
        .choices(["text", "json"]),
    );
  return addTalkOptions(command).addHelpText(
    "after",
    "\nExamples:\n  picket reload --dry-run\n  picket reload\n\n" +
      "Exit codes: 0 reloaded, 2 something could not be reloaded, 3 the agent did not answer,\n" +
      "4 it is still at it after 30 s.",
  ).action(async (options: ReloadOptions) => exit(await runReload(options, io)));
}

export async function runReload(options: ReloadOptions, io: CliIo): Promise<ExitCode> {
  const client = new ApiClient(options, io);
  const query = options.dryRun ? "?dry_run=1" : options.wait ? "?wait=1" : "";
  const { body } = query === ""
    ? await client.ask("POST", "/api/v1/reload")
    : await client.ask("POST", `/api/v1/reload${query}`, Math.max(WAIT_MS, options.timeout));
  const answer = parseAnswer(body);
  if ((options.outputFormat ?? (io.outIsTerminal ? "text" : "json")) === "json") {
    io.out(`${io.outIsTerminal ? prettyJsonText(answer) : body.trim()}\n`);
  } else if (isResult(answer)) {
    for (const line of reloadLines(answer, painter(useColor(options.color, io)))) {
      io.out(`${line}\n`);
    }
  } else io.out(`${safeText(String(answer["status"] ?? "done"))}\n`);
  if (answer["status"] === "reload_running") return EXIT.incomplete;
  return isResult(answer) && !answer.ok ? EXIT.ruleError : EXIT.ok;
}

function isResult(
  answer: Readonly<Record<string, unknown>>,
): answer is Readonly<Record<string, unknown>> & ReloadResult {
  return "ok" in answer && "components" in answer && "rules" in answer;
}

/** What changed, one thing a line, and a summary. */
function reloadLines(result: ReloadResult, paint: Paint): readonly string[] {
  const { rules } = result;
  const lines: string[] = [];
  const list = (
    mark: string,
    style: Style,
    items: readonly { readonly id: string; readonly title: string }[],
    total: number,
  ): void => {
    for (const { id, title } of items) {
      lines.push(paint(`${mark} ${safeText(`${title} (${id})`)}`, style));
    }
    if (total > items.length) {
      lines.push(paint(`${mark} … and ${total - items.length} more`, style));
    }
  };
  list("+", "green", rules.added, rules.added_total);
  list("-", "red", rules.removed, rules.removed_total);
  list("~", "yellow", rules.changed, rules.changed_total);
  for (const { file, line, error } of rules.failed) {
    const place = line === undefined ? file : `${file}:${line}`;
    lines.push(paint(`! ${safeText(`${place}: ${error}`)}`, "red"));
  }
  for (const { name, outcome, message } of result.components) {
    if (outcome === "unchanged" || outcome === "skipped") continue;
    const text = `${name}: ${outcome.replace("_", " ")}${
      message === undefined ? "" : `: ${message}`
    }`;
    lines.push(paint(safeText(text), outcome === "reloaded" ? "dim" : "red"));
  }
  const changes = `${rules.added_total} added, ${rules.removed_total} removed, ` +
    `${rules.changed_total} changed, ${rules.failed_total} failed`;
  const loaded = plural(rules.loaded_total, "rule");
  if (result.ok) {
    lines.push(`${result.dry_run ? "Would reload" : "Reloaded"}: ${loaded}; ${changes}`);
  } else {
    const verb = result.dry_run ? "Would be refused" : "Refused";
    lines.push(`${verb}: nothing changes, the ${loaded} of before stay in service`);
  }
  return lines;
}
