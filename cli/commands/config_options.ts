/**
 * What the `picket config` commands share: how the configuration is found, and how problems are told.
 */
import type { Command } from "commander";
import {
  loadConfig,
  type LoadConfigOptions,
  type LoadedConfig,
} from "../../src/agent/config/load.ts";
import { ConfigError, type ConfigProblem, problemText } from "../../src/agent/config/problems.ts";
import type { CliIo } from "../io.ts";
import { safeText } from "../render/text.ts";

export interface ConfigOptions {
  readonly config?: string;
  readonly compatEnv?: boolean;
  /** Tests look for files elsewhere. */
  readonly around?: NonNullable<LoadConfigOptions["around"]>;
}

/** `--config`, `--compat-env`. */
export function addConfigOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "read this file and no other")
    .option("--compat-env", "accept RSIGMA_… variables as well", false);
}

/** The options of `loadConfig`. */
export function loadOptions(options: ConfigOptions, io: CliIo): LoadConfigOptions {
  return {
    env: io.env,
    ...(options.config === undefined ? {} : { configPath: options.config }),
    ...(options.compatEnv === undefined ? {} : { compatEnv: options.compatEnv }),
    ...(options.around === undefined ? {} : { around: options.around }),
  };
}

/** The configuration, or what is wrong with it. */
export function tryLoad(options: ConfigOptions, io: CliIo): LoadedConfig | ConfigError {
  try {
    return loadConfig(loadOptions(options, io));
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** Writes problems to stderr, one a line. */
export function tellProblems(problems: readonly ConfigProblem[], io: CliIo): void {
  for (const problem of problems) {
    io.err(`${problem.severity}: ${safeText(problemText(problem))}`);
  }
}
