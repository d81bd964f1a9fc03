/**
 * `picket dlq …`: dead letters, which are records that could not be decoded and alerts that a sink
 * refused or that had to make room.
 */
import { Command, Option } from "commander";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import type { DeadLetter, DeadLetterStage } from "../../src/runtime/outbox.ts";
import { STAGES } from "../../src/store/dead_letter_table.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { count, fit, painter, plural, renderTable, safeText } from "../render/text.ts";
import { UsageError } from "./common.ts";
import {
  addStateOptions,
  audit,
  formatOption,
  limitOption,
  openNamed,
  type StateFlags,
  type StateFormat,
} from "./outbox.ts";

export interface DlqSelection extends StateFlags {
  readonly stage?: DeadLetterStage;
  readonly sink?: string;
}

export interface DlqListOptions extends DlqSelection {
  readonly limit: number;
  readonly outputFormat: StateFormat;
}

export interface DlqChangeOptions extends DlqSelection {
  readonly all: boolean;
}

const MAX_TEXT = 60;
const PAGE = 1000;

export function dlqCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("dlq").summary("look at dead letters, replay or drop them");

  addSelection(group.command("list").summary("list dead letters, oldest first"))
    .addOption(limitOption())
    .addOption(formatOption())
    .addHelpText(
      "after",
      "\nExamples:\n  picket dlq list --stage parse\n  picket dlq list --output-format ndjson",
    )
    .action((options: DlqListOptions) => exit(dlqList(options, io)));

  addSelection(
    group.command("replay").summary("put the alerts of dead letters back into the outbox")
      .argument("[id...]", "numbers of dead letters")
      .option("--all", "all that hold an alert and fit --stage and --sink", false),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  picket dlq replay 12 13\n  picket dlq replay --sink hub --all\n\n" +
        "Alerts keep their ids, so a receiver that has one already can tell. Letters of the stage\n" +
        "parse hold records, not alerts: give them to their source again.",
    )
    .action((ids: string[], options: DlqChangeOptions) => exit(dlqReplay(ids, options, io)));

  addSelection(
    group.command("drop").summary("delete dead letters")
      .argument("[id...]", "numbers of dead letters")
      .option("--all", "all that fit --stage and --sink", false),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  picket dlq drop 12\n  picket dlq drop --stage parse --all",
    )
    .action((ids: string[], options: DlqChangeOptions) => exit(dlqDrop(ids, options, io)));
  return group;
}

export function dlqList(options: DlqListOptions, io: CliIo): ExitCode {
  using state = openNamed(options, "read");
  const letters = state.deadLetters({ ...selection(options), limit: options.limit });
  switch (options.outputFormat) {
    case "json":
      io.out(`${prettyJsonText(letters.map(letterJson))}\n`);
      break;
    case "ndjson":
      io.out(letters.map((letter) => `${jsonText(letterJson(letter))}\n`).join(""));
      break;
    case "table":
      if (letters.length > 0) io.out(`${table(letters, options, io).join("\n")}\n`);
  }
  if (!options.quiet) {
    const { deadLetters, deadLettersDropped } = state.stats();
    const all = Object.values(deadLetters).reduce((sum, rows) => sum + rows, 0);
    const gone = Object.values(deadLettersDropped).reduce((sum, rows) => sum + rows, 0);
    io.err(
      plural(all, "dead letter") +
        (gone === 0 ? "" : `; ${count(gone)} more had to make room or were too old`) +
        (letters.length === options.limit ? `; --limit shows ${count(options.limit)}` : ""),
    );
  }
  return EXIT.ok;
}

export function dlqReplay(
  ids: readonly string[],
  options: DlqChangeOptions,
  io: CliIo,
): ExitCode {
  using state = openNamed(options, "operator");
  // Of those that are not named, letters without an alert are left out without a word.
  const numbers = chosen(state, ids, options, ({ alertId }) => alertId !== undefined);
  const { replayed, refused } = state.operator.replay(numbers, Date.now());
  audit(state, "dlq replay", { ...selection(options), ids, all: options.all, replayed });
  for (const { id, reason } of refused) io.err(`dead letter ${id} stays: ${reason}`);
  io.err(`${plural(replayed, "alert")} put back into the outbox`);
  return refused.length === 0 ? EXIT.ok : EXIT.incomplete;
}

export function dlqDrop(ids: readonly string[], options: DlqChangeOptions, io: CliIo): ExitCode {
  using state = openNamed(options, "operator");
  const dropped = state.operator.dropDeadLetters(chosen(state, ids, options, () => true));
  audit(state, "dlq drop", { ...selection(options), ids, all: options.all, dropped });
  io.err(`${plural(dropped, "dead letter")} dropped`);
  return EXIT.ok;
}

function addSelection(command: Command): Command {
  return addStateOptions(command)
    .addOption(new Option("--stage <stage>", "only letters of this stage").choices(STAGES))
    .option("--sink <id>", "only letters of this sink");
}

function selection({ stage, sink }: DlqSelection): { stage?: DeadLetterStage; sinkId?: string } {
  return {
    ...(stage === undefined ? {} : { stage }),
    ...(sink === undefined ? {} : { sinkId: sink }),
  };
}

function chosen(
  state: StateStore,
  ids: readonly string[],
  options: DlqChangeOptions,
  isMeant: (letter: DeadLetter) => boolean,
): number[] {
  if (options.all === (ids.length > 0)) {
    throw new UsageError("Name the dead letters by their numbers, or give --all");
  }
  if (!options.all) {
    return ids.map((text) => {
      if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${text} is no number of a dead letter`);
      return Number(text);
    });
  }
  const numbers: number[] = [];
  for (let afterId = 0;;) {
    const letters = state.deadLetters({ ...selection(options), afterId, limit: PAGE });
    if (letters.length === 0) return numbers;
    afterId = letters.at(-1)!.id;
    numbers.push(...letters.filter(isMeant).map(({ id }) => id));
  }
}

/** The first three as the reference's records have them. */
function letterJson(letter: DeadLetter): Record<string, unknown> {
  return {
    original_event: letter.original,
    error: letter.error,
    timestamp: new Date(letter.createdMs).toISOString(),
    id: letter.id,
    stage: letter.stage,
    error_code: letter.code,
    attempts: letter.attempts,
    sink: letter.sinkId,
    alert_id: letter.alertId,
    source: letter.sourceId,
    record_id: letter.recordId,
  };
}

function table(letters: readonly DeadLetter[], options: DlqListOptions, io: CliIo): string[] {
  return renderTable(
    ["ID", "TIME", "STAGE", "CODE", "SINK", "SOURCE", "ERROR", "ORIGINAL"],
    letters.map((letter) => [
      String(letter.id),
      new Date(letter.createdMs).toISOString(),
      letter.stage,
      safeText(letter.code),
      safeText(letter.sinkId ?? "-"),
      safeText(letter.sourceId ?? "-"),
      fit(safeText(letter.error), MAX_TEXT),
      fit(safeText(letter.original), MAX_TEXT),
    ]),
    painter(useColor(options.color, io)),
  );
}
