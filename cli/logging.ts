/**
 * Where the agent's own messages go: stderr or a file, as text or as lines of JSON.
 */
import { configureSync, type LogRecord } from "@logtape/logtape";
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { LogConfig, LogLevel } from "../src/agent/config/types.ts";
import { jsonText } from "../src/event/json_text.ts";
import { writeFully } from "./io.ts";
import { safeText } from "./render/text.ts";

/** Changes the level while the agent runs. */
export interface Logging {
  setLevel(level: LogLevel): void;
}

const LEVELS: Readonly<Record<string, number>> = {
  trace: 0,
  debug: 1,
  info: 2,
  warn: 3,
  warning: 3,
  error: 4,
  fatal: 4,
  off: 5,
};
const NAMES: Readonly<Record<string, string>> = { warning: "WARN", fatal: "ERROR" };

/**
 * Sends messages to where `config` says. A file is taken in place of stderr.
 *
 * @param writeLine Writes to stderr.
 */
export function configureLogging(
  config: LogConfig,
  isTerminal: boolean,
  writeLine: (line: string) => void,
): Logging {
  let lowest = LEVELS[config.level]!;
  const asJson = config.format === "json" || (config.format === "auto" && !isTerminal);
  const file = config.file === undefined ? undefined : new LogFile(config.file);
  configureSync({
    reset: true,
    sinks: {
      out(record) {
        if (LEVELS[record.level]! < lowest) return;
        const line = asJson ? jsonLine(record) : textLine(record);
        if (file === undefined) writeLine(line);
        else file.write(`${line}\n`);
      },
    },
    loggers: [
      { category: "picket", sinks: ["out"], lowestLevel: "trace" },
      { category: ["logtape", "meta"], sinks: ["out"], lowestLevel: "warning" },
    ],
  });
  return {
    setLevel(level) {
      lowest = LEVELS[level]!;
    },
  };
}

function messageOf(record: LogRecord): string {
  return record.message.map((part) => typeof part === "string" ? part : jsonText(part)).join("");
}

/** One JSON object: `timestamp`, `level`, `target`, and the message with its facts in `fields`. */
function jsonLine(record: LogRecord): string {
  return jsonText({
    timestamp: new Date(record.timestamp).toISOString(),
    level: NAMES[record.level] ?? record.level.toUpperCase(),
    fields: { message: messageOf(record), ...plain(record.properties) },
    target: record.category.join("::"),
  });
}

function textLine(record: LogRecord): string {
  const level = (NAMES[record.level] ?? record.level.toUpperCase()).padEnd(5);
  const facts = Object.entries(plain(record.properties))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? quoted(value) : value}`);
  const when = new Date(record.timestamp).toISOString();
  return `${when} ${level} ${safeText(messageOf(record))}${facts.join("")}`;
}

function quoted(text: string): string {
  const safe = safeText(text);
  return /^[\w./:@%+-]+$/.test(safe) ? safe : JSON.stringify(safe);
}

function plain(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties)) {
    facts[name] = value instanceof Error ? value.message : value;
  }
  return facts;
}

/** A log file of bounded size: `agent.log`, `agent.log.1`, … */
class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #descriptor: number | undefined;
  #bytes = 0;

  constructor(file: NonNullable<LogConfig["file"]>) {
    this.#path = file.path;
    this.#maxBytes = file.maxBytes;
    this.#keep = file.keep;
    mkdirSync(dirname(file.path), { recursive: true, mode: 0o750 });
    this.#open();
  }

  write(line: string): void {
    try {
      if (this.#descriptor === undefined || this.#bytes > this.#maxBytes) this.#rotate();
      writeFully(this.#descriptor!, line);
      this.#bytes += line.length;
    } catch {
      // Nowhere left to say it; the agent goes on.
    }
  }

  #open(): void {
    this.#descriptor = openSync(this.#path, "a", 0o640);
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  #rotate(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    rmSync(`${this.#path}.${this.#keep}`, { force: true });
    for (let number = this.#keep - 1; number >= 0; number--) {
      const from = number === 0 ? this.#path : `${this.#path}.${number}`;
      try {
        renameSync(from, `${this.#path}.${number + 1}`);
      } catch {
        // It does not exist yet.
      }
    }
    this.#open();
  }
}
