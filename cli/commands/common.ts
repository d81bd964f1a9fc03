/**
 * Options and checks that several commands share.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { readFileSync } from "node:fs";
import { parseTimestamp } from "../../src/event/timestamp.ts";
import type { StaticLogsource } from "../../src/engine/logsource.ts";
import { MATCH_DETAILS } from "../../src/engine/result.ts";
import { LEVELS } from "../../src/sigma/rule.ts";
import type { ColorMode } from "../io.ts";
import type { RuleSources } from "../scan/types.ts";

/** The command line or a setting is wrong: exit code 3. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Collects an option that may be given several times. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

export interface RuleOptions {
  readonly rules: readonly string[];
  readonly embeddedRules: boolean;
  readonly bundleKey?: string;
}

/** `--rules`, `--no-embedded-rules`, `--bundle-key`. */
export function addRuleOptions(command: Command): Command {
  return command
    .option("-r, --rules <path>", "rule file, directory or bundle; repeat for more", collect, [])
    .option("--no-embedded-rules", "use only the rules of --rules")
    .option("--bundle-key <file>", "PEM public key that bundles must be signed with");
}

/**
 * Where the rules come from. Naming rules replaces the embedded ones: who scans with SigmaHQ does not
 * expect a second opinion.
 */
export function ruleSources(options: RuleOptions): RuleSources {
  if (options.rules.length === 0 && !options.embeddedRules) {
    throw new UsageError("--no-embedded-rules needs --rules: there would be no rules at all");
  }
  return {
    paths: options.rules,
    embedded: options.embeddedRules && options.rules.length === 0,
    ...(options.bundleKey === undefined ? {} : { bundleKey: readKey(options.bundleKey) }),
  };
}

/** The content of `--bundle-key`. */
export function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot read --bundle-key: ${reason}`, { cause: error });
  }
}

export interface EngineFlags {
  readonly matchDetail: "off" | "summary" | "full";
  readonly includeEvent: boolean;
  readonly logsourceRouting: boolean;
  readonly index: boolean;
  readonly logsource: StaticLogsource;
}

/** The options that say how events are evaluated and what results hold. */
export function addEngineOptions(command: Command): Command {
  return command
    .option("--include-event", "put the whole event into each result", false)
    .addOption(
      new Option("--match-detail <level>", "say more about why a rule matched")
        .choices(MATCH_DETAILS).default("off"),
    )
    .option(
      "--logsource <key=value,...>",
      "logsource of events that do not tell it",
      staticLogsource,
      {},
    )
    .option("--no-logsource-routing", "evaluate every rule on every event")
    .option("--no-index", "evaluate without the index: slow, to cross-check results");
}

/** The value of `--logsource`. */
export function staticLogsource(text: string): StaticLogsource {
  const parts: Record<string, string> = {};
  for (const part of text.split(",")) {
    const [key, value] = part.split("=").map((piece) => piece.trim().toLowerCase());
    if (key !== "product" && key !== "service" && key !== "category" || !value) {
      throw new InvalidArgumentError("give product=…, service=… or category=…");
    }
    parts[key!] = value;
  }
  return parts;
}

/** `--color` and `--quiet`. */
export function addTalkOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--color <when>", "colour tables and messages")
        .choices(["auto", "always", "never"]).default("auto"),
    )
    .option("-q, --quiet", "no progress and no summary; errors remain", false);
}

export interface TalkOptions {
  readonly color: ColorMode;
  readonly quiet: boolean;
}

/** A time on the command line: ISO 8601, or a day. */
export function instant(text: string): number {
  const time = parseTimestamp(text);
  if (time === undefined) {
    throw new InvalidArgumentError("give a time such as 2026-11-23 or 2026-11-23T08:30:00Z");
  }
  return time;
}

/** A whole number from 1. */
export function positive(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError("give a whole number from 1");
  return Number(text);
}

/** The smallest level to report. */
export function levelOption(): Option {
  return new Option("--min-level <level>", "only rules of this level and above").choices(LEVELS);
}
