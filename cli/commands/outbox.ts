/**
 * `picket outbox …`: what waits for the sinks, in the state file itself.
 *
 * All of it works beside a running agent: reading always does, and changes are short transactions that
 * the agent sees with its next look at a queue.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig } from "../../src/agent/config/load.ts";
import { ConfigError } from "../../src/agent/config/problems.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import { StateError } from "../../src/runtime/errors.ts";
import { checkFile, openBeside } from "../../src/store/open_file.ts";
import { openState } from "../../src/store/open_state.ts";
import type { OutboxRow } from "../../src/store/operator.ts";
import { isOwned } from "../../src/store/owner_lock.ts";
import { faultOf } from "../../src/store/sqlite_errors.ts";
import type { StateStore } from "../../src/store/state_store.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { bytes, count, fit, painter, plural, renderTable, safeText } from "../render/text.ts";
import { addTalkOptions, type TalkOptions, UsageError } from "./common.ts";

export const STATE_FORMATS = ["table", "json", "ndjson"] as const;
export type StateFormat = typeof STATE_FORMATS[number];

export interface StateFlags extends TalkOptions {
  readonly state?: string;
  readonly config?: string;
}

export interface OutboxListOptions extends StateFlags {
  readonly sink?: string;
  readonly all: boolean;
  readonly limit: number;
  readonly outputFormat: StateFormat;
}

export interface OutboxChangeOptions extends StateFlags {
  readonly sink?: string;
  readonly all: boolean;
}

const MAX_TITLE = 48;
const PAGE = 1000;

export function outboxCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("outbox").summary("look at alerts that wait for sinks, and steer them");

  addStateOptions(
    group.command("list").summary("list the sinks and the alerts that wait for them")
      .option("--sink <id>", "only what this sink waits for")
      .option("--all", "also alerts that every sink has and that are kept", false),
  )
    .addOption(limitOption())
    .addOption(formatOption())
    .addHelpText(
      "after",
      "\nExamples:\n  picket outbox list\n  picket outbox list --sink hub --output-format ndjson",
    )
    .action((options: OutboxListOptions) => exit(outboxList(options, io)));

  addStateOptions(group.command("show").summary("print an alert and where it stands"))
    .argument("<alert>", "number or id of the alert")
    .addHelpText("after", "\nExamples:\n  picket outbox show 4711\n  picket outbox show pk1-b44e…")
    .action((alert: string, options: StateFlags) => exit(outboxShow(alert, options, io)));

  addStateOptions(
    group.command("retry").summary("try again now, or send once more what is still kept")
      .argument("[alert...]", "numbers or ids of alerts; default: all that wait for their next try")
      .requiredOption("--sink <id>", "the sink that is to get them"),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  picket outbox retry --sink hub\n  picket outbox retry --sink hub 4711 4712",
    )
    .action((alerts: string[], options: OutboxChangeOptions) =>
      exit(outboxRetry(alerts, options, io))
    );

  addStateOptions(
    group.command("drop").summary("take alerts out of the queue of a sink, or of all sinks")
      .argument("[alert...]", "numbers or ids of alerts")
      .option("--sink <id>", "only from the queue of this sink")
      .option("--all", "everything that waits", false),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  picket outbox drop 4711\n  picket outbox drop --sink old-hub --all",
    )
    .action((alerts: string[], options: OutboxChangeOptions) =>
      exit(outboxDrop(alerts, options, io))
    );

  addStateOptions(group.command("check").summary("check the state file; exit 1 if it is damaged"))
    .addHelpText(
      "after",
      "\nExample:\n  picket outbox check --state /var/lib/picket/state.db\n\n" +
        "A damaged file is set aside and replaced when the agent starts; what is readable is kept.",
    )
    .action((options: StateFlags) => exit(outboxCheck(options, io)));
  return group;
}

/** `--state` and `--config`, and the options of every command. */
export function addStateOptions(command: Command): Command {
  return addTalkOptions(
    command
      .option("--state <file>", "the state file; default: that of the agent's configuration")
      .option("-c, --config <file>", "the configuration that names it; default: as picket run"),
  );
}

export function formatOption(): Option {
  return new Option("--output-format <format>", "how to print").choices(STATE_FORMATS)
    .default("table");
}

export function limitOption(): Option {
  return new Option("--limit <n>", "at most this many").default(100).argParser((text) => {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("give a number from 1");
    return Number(text);
  });
}

/** Opens the state file that is named, or that of the configuration. */
export function openNamed(flags: StateFlags, access: "operator" | "read"): StateStore {
  return openState(statePath(flags), { access });
}

function statePath({ state, config }: StateFlags): string {
  if (state !== undefined) return state;
  try {
    return loadConfig(config === undefined ? {} : { configPath: config }).config.state.path;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new UsageError(`${error.message}\nor name the state file with --state`, { cause: error });
  }
}

export function outboxList(options: OutboxListOptions, io: CliIo): ExitCode {
  using state = openNamed(options, "read");
  const { sink, all, limit, outputFormat } = options;
  const rows = state.operator.rows({
    limit,
    delivered: all,
    ...(sink === undefined ? {} : { sinkId: sink }),
  });
  switch (outputFormat) {
    case "json":
      io.out(`${prettyJsonText({ sinks: state.sinks(), alerts: rows.map(rowJson) })}\n`);
      break;
    case "ndjson":
      io.out(rows.map((row) => `${jsonText(rowJson(row))}\n`).join(""));
      break;
    case "table":
      writeTables(state, rows, options, io);
  }
  if (!options.quiet) {
    const { waiting, waitingBytes, retained } = state.stats();
    io.err(
      `${plural(waiting, "alert")} waiting (${bytes(waitingBytes)}), ${count(retained)} kept` +
        (rows.length === limit ? `; --limit shows ${count(limit)}` : ""),
    );
  }
  return EXIT.ok;
}

export function outboxShow(key: string, options: StateFlags, io: CliIo): ExitCode {
  using state = openNamed(options, "read");
  const row = state.operator.row(alertKey(key));
  if (row === undefined) throw new UsageError(`There is no alert ${key} in the outbox`);
  io.out(`${prettyJsonText({ ...rowJson(row), body: parseBody(row.alert.body) })}\n`);
  return EXIT.ok;
}

export function outboxRetry(
  alerts: readonly string[],
  options: OutboxChangeOptions,
  io: CliIo,
): ExitCode {
  using state = openNamed(options, "operator");
  const sink = knownSink(state, options.sink!);
  const seqs = sequenceNumbers(state, alerts);
  const retried = alerts.length === 0
    ? state.operator.retryNow(sink)
    : state.operator.send(sink, seqs);
  audit(state, "outbox retry", { sink, alerts, retried });
  io.err(`${plural(retried, "alert")} to be sent to ${sink} now`);
  return EXIT.ok;
}

export function outboxDrop(
  alerts: readonly string[],
  options: OutboxChangeOptions,
  io: CliIo,
): ExitCode {
  if (options.all === (alerts.length > 0)) {
    throw new UsageError("Name the alerts to drop, or give --all");
  }
  using state = openNamed(options, "operator");
  const sink = options.sink === undefined ? undefined : knownSink(state, options.sink);
  let dropped = 0;
  if (!options.all) dropped = state.operator.drop(sequenceNumbers(state, alerts), sink);
  else {
    for (let afterSeq = 0;;) {
      const rows = state.operator.rows({
        afterSeq,
        limit: PAGE,
        ...(sink === undefined ? {} : { sinkId: sink }),
      });
      if (rows.length === 0) break;
      afterSeq = rows.at(-1)!.alert.seq;
      dropped += state.operator.drop(rows.map(({ alert }) => alert.seq), sink);
    }
  }
  audit(state, "outbox drop", { sink: sink ?? null, alerts, all: options.all, dropped });
  io.err(`${plural(dropped, "alert")} dropped${sink === undefined ? "" : ` from ${sink}`}`);
  return EXIT.ok;
}

export function outboxCheck(options: StateFlags, io: CliIo): ExitCode {
  const path = statePath(options);
  const problems = checkState(path);
  for (const problem of problems) io.out(`${safeText(problem)}\n`);
  if (!options.quiet) {
    const owner = isOwned(path) ? "; an agent is running on it" : "";
    io.err(
      problems.length === 0
        ? `${path} is sound${owner}`
        : `${path} is damaged${owner}: restart the agent, which replaces the file and keeps what is ` +
          "readable",
    );
  }
  return problems.length === 0 ? EXIT.ok : EXIT.findings;
}

/** What is wrong with a state file, which may be too damaged to be opened. */
function checkState(path: string): readonly string[] {
  try {
    using db = openBeside(path, true);
    return db.query("check", () => checkFile(db, true));
  } catch (error) {
    if (faultOf(error instanceof StateError ? error.cause : error) !== "damaged") throw error;
    return [error instanceof Error ? error.message : String(error)];
  }
}

/** A line for the audit trail of the state file. */
export function audit(state: StateStore, action: string, detail: unknown): void {
  state.appendAudit({
    atMs: Date.now(),
    actor: "cli",
    action,
    outcome: "ok",
    detail: jsonText(detail),
  });
}

function knownSink(state: StateStore, id: string): string {
  const ids = state.sinks().map((sink) => sink.id);
  if (ids.includes(id)) return id;
  throw new UsageError(
    `There is no sink ${id} in the state file; ${
      ids.length === 0 ? "it knows none" : `it knows ${ids.join(", ")}`
    }`,
  );
}

function alertKey(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

function sequenceNumbers(state: StateStore, keys: readonly string[]): number[] {
  return keys.map((text) => {
    const row = state.operator.row(alertKey(text));
    if (row === undefined) throw new UsageError(`There is no alert ${text} in the outbox`);
    return row.alert.seq;
  });
}

function rowJson({ alert, places }: OutboxRow): Record<string, unknown> {
  const { seq, id, kind, level, ruleId, ruleTitle, sourceId, recordId, createdMs, eventMs } = alert;
  return {
    seq,
    id,
    kind,
    level,
    rule_id: ruleId,
    rule_title: ruleTitle,
    source: sourceId,
    record_id: recordId,
    created: new Date(createdMs).toISOString(),
    event_time: eventMs === undefined ? null : new Date(eventMs).toISOString(),
    waits_for: places.map(({ sinkId, attempts, nextMs }) => ({
      sink: sinkId,
      attempts,
      next_try: nextMs === undefined ? null : new Date(nextMs).toISOString(),
    })),
  };
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function writeTables(
  state: StateStore,
  rows: readonly OutboxRow[],
  options: OutboxListOptions,
  io: CliIo,
): void {
  const paint = painter(useColor(options.color, io));
  const sinks = state.sinks().filter(({ id }) => options.sink === undefined || id === options.sink);
  const lines = renderTable(
    ["SINK", "STATE", "WAITING", "RETRYING", "BYTES", "DEAD", "LAST OK", "LAST ERROR"],
    sinks.map((sink) => [
      safeText(sink.id),
      sink.active ? "active" : "removed",
      count(sink.alerts),
      count(sink.retrying),
      bytes(sink.bytes),
      count(sink.deadLetters),
      sink.lastOkMs === undefined ? "-" : new Date(sink.lastOkMs).toISOString(),
      fit(safeText(sink.lastError ?? "-"), MAX_TITLE),
    ]),
    paint,
  );
  if (rows.length > 0) {
    lines.push(
      "",
      ...renderTable(
        ["SEQ", "LEVEL", "KIND", "RULE", "CREATED", "WAITS FOR"],
        rows.map(({ alert, places }) => [
          String(alert.seq),
          alert.level ?? "-",
          alert.kind,
          fit(safeText(alert.ruleTitle), MAX_TITLE),
          new Date(alert.createdMs).toISOString(),
          safeText(
            places.map(({ sinkId, attempts }) =>
              attempts === 0 ? sinkId : `${sinkId} (tried ${attempts}x)`
            ).join(", ") || "-",
          ),
        ]),
        paint,
      ),
    );
  }
  io.out(`${lines.join("\n")}\n`);
}
