/**
 * `picket tail`: the alerts of a running agent as they come.
 *
 * Server-sent events carry the number of each alert, so a broken connection is taken up again behind
 * the last one seen: nothing is shown twice, and nothing is missed that the agent still keeps.
 */
import { Command, Option } from "commander";
import { setTimeout as sleep } from "node:timers/promises";
import { type Level, LEVELS } from "../../src/sigma/rule.ts";
import {
  addApiOptions,
  ApiClient,
  ApiClientError,
  type ApiOptions,
  duration,
  wholeNumber,
} from "../api_client.ts";
import { serverSentEvents } from "../event_stream.ts";
import { type CliIo, EXIT, type ExitCode, useColor } from "../io.ts";
import { fit, LEVEL_STYLES, type Paint, painter, safeText } from "../render/text.ts";
import { addTalkOptions, type TalkOptions } from "./common.ts";

/** What is typed. */
export interface TailOptions extends ApiOptions, TalkOptions {
  readonly level?: Level;
  readonly rule?: string;
  readonly limit?: number;
  readonly duration?: number;
  readonly json: boolean;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export function tailCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = addApiOptions(
    new Command("tail").summary("follow the alerts of a running agent"),
  )
    .addOption(new Option("--level <level>", "only alerts of this level and above").choices(LEVELS))
    .option("--rule <text>", "only rules whose title or id holds this")
    .option("--limit <count>", "end after so many alerts", wholeNumber)
    .option("--duration <time>", "end after this time", duration)
    .option("--json", "one JSON object a line; the default unless stdout is a terminal", false);
  return addTalkOptions(command).addHelpText(
    "after",
    "\nExamples:\n  picket tail --level high\n  picket tail --limit 10 --json | jq .rule_title",
  ).action(async (options: TailOptions) => exit(await runTail(options, io)));
}

/** How far a tail has come, over all of its connections. */
interface Progress {
  streamed: number;
  dropped: number;
  lastId: string | undefined;
  /** Whether the agent has answered at least once. */
  connected: boolean;
}

export async function runTail(options: TailOptions, io: CliIo): Promise<ExitCode> {
  const client = new ApiClient(options, io);
  const endMs = options.duration === undefined ? Infinity : Date.now() + options.duration;
  const progress: Progress = { streamed: 0, dropped: 0, lastId: undefined, connected: false };
  const show = renderer(options, io);
  let pauseMs = FIRST_PAUSE_MS;
  try {
    while (!isDone(options, progress, endMs)) {
      const before = progress.streamed;
      try {
        await follow(client, options, progress, endMs, show, io.signal);
        if (progress.streamed > before) pauseMs = FIRST_PAUSE_MS;
        if (isDone(options, progress, endMs)) break;
        if (!options.quiet) io.err("tail: the agent ended the stream, connecting again");
      } catch (error) {
        if (!(error instanceof ApiClientError) || !isWorthRetrying(error, progress)) throw error;
        if (progress.streamed > before) pauseMs = FIRST_PAUSE_MS;
        if (!options.quiet) io.err(`tail: ${error.message}; trying again`);
        if (error.retryAfterMs !== undefined) pauseMs = Math.max(pauseMs, error.retryAfterMs);
      }
      // Up to half more, so that many clients do not come back at once.
      const wait = Math.min(pauseMs * (1 + Math.random() / 2), Math.max(0, endMs - Date.now()));
      await pause(wait, io.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  } catch (error) {
    // Ctrl-C is how a tail normally ends.
    if (!io.signal.aborted || error !== io.signal.reason) throw error;
  }
  if (!options.quiet) io.err(`tail: streamed ${progress.streamed}, dropped ${progress.dropped}`);
  return EXIT.ok;
}

function isDone({ limit }: TailOptions, { streamed }: Progress, endMs: number): boolean {
  return (limit !== undefined && streamed >= limit) || Date.now() >= endMs;
}

/** A wrong option or token stays wrong; an agent that restarts comes back. */
function isWorthRetrying({ status }: ApiClientError, { connected }: Progress): boolean {
  return connected && (status === undefined || status === 409 || status === 429 || status >= 500);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** One connection, until it ends. */
async function follow(
  client: ApiClient,
  options: TailOptions,
  progress: Progress,
  endMs: number,
  show: (body: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = new URLSearchParams();
  if (options.level !== undefined) query.set("level", options.level);
  if (options.rule !== undefined) query.set("rule", options.rule);
  if (options.limit !== undefined) query.set("limit", String(options.limit - progress.streamed));
  if (endMs !== Infinity) query.set("duration", `${Math.max(1, Math.ceil(endMs - Date.now()))}ms`);
  const headers = {
    accept: "text/event-stream",
    ...(progress.lastId === undefined ? {} : { "last-event-id": progress.lastId }),
  };
  const stop = new AbortController();
  const chunks = await client.stream(
    `/api/v1/detections/stream?${query}`,
    headers,
    AbortSignal.any([signal, stop.signal]),
  );
  progress.connected = true;
  for await (const { id, event, data } of serverSentEvents(chunks)) {
    if (event === "summary") {
      progress.dropped += droppedOf(data);
      continue;
    }
    if (id !== undefined) progress.lastId = id;
    if (event !== "alert") continue;
    progress.streamed++;
    show(data);
  }
  signal.throwIfAborted();
}

function droppedOf(summary: string): number {
  try {
    const value = JSON.parse(summary) as Record<string, { readonly dropped?: unknown } | undefined>;
    const { dropped } = value["picket_tail_summary"] ?? value["rsigma_tail_summary"] ?? {};
    return typeof dropped === "number" ? dropped : 0;
  } catch {
    return 0;
  }
}

function renderer(options: TailOptions, io: CliIo): (body: string) => void {
  if (options.json || !io.outIsTerminal) return (body) => io.out(`${body}\n`);
  const paint = painter(useColor(options.color, io));
  return (body) => io.out(`${alertLine(body, paint, io.columns)}\n`);
}

/** One alert for people: when, how bad, what, where, and the values that matched. */
export function alertLine(body: string, paint: Paint, columns: number): string {
  const alert = objectOf(body);
  if (alert === undefined) return fit(safeText(body), columns);
  const level = typeof alert["level"] === "string" ? alert["level"] : "none";
  const time = text(alert["event_time"]) || text(alert["detected_at"]);
  const clock = (/T(\d\d:\d\d:\d\d)/.exec(time)?.[1] ?? "--:--:--").padEnd(8);
  const source = (alert["source"] ?? {}) as Readonly<Record<string, unknown>>;
  const place = text(source["computer"]) || text(source["id"]);
  const fields = Array.isArray(alert["matched_fields"]) ? alert["matched_fields"] : [];
  const values = fields.slice(0, 4).map((field: unknown) => {
    const { field: name, value } = (field ?? {}) as Readonly<Record<string, unknown>>;
    return name === undefined ? "" : `${text(name)}=${text(value)}`;
  });
  const head = `${clock} ${fit(level, 13).padEnd(13)} `;
  const rest = safeText(
    [text(alert["rule_title"]), place, values.join(" ")].filter(Boolean).join("  "),
  );
  const styles = LEVEL_STYLES[Object.hasOwn(LEVEL_STYLES, level) ? level : "none"]!;
  const shown = fit(rest, Math.max(20, columns - head.length));
  return `${paint(clock, "dim")} ${paint(safeText(fit(level, 13).padEnd(13)), ...styles)} ${shown}`;
}

function objectOf(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null
      ? value as Readonly<Record<string, unknown>>
      : undefined;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === "string"
    ? value
    : value === undefined || value === null
    ? ""
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
}
