/**
 * `picket config validate`: everything that is wrong with the configuration, with file and line.
 */
import { Command, Option } from "commander";
import { configHints } from "../../src/agent/config/hints.ts";
import { configFiles, type LoadedConfig } from "../../src/agent/config/load.ts";
import { ConfigError, type ConfigProblem } from "../../src/agent/config/problems.ts";
import { agentSchema } from "../../src/agent/rule_settings.ts";
import { prettyJsonText } from "../../src/event/json_text.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { plural } from "../render/text.ts";
import {
  addConfigOptions,
  type ConfigOptions,
  loadOptions,
  tellProblems,
  tryLoad,
} from "./config_options.ts";

export interface ConfigValidateOptions extends ConfigOptions {
  readonly strict: boolean;
  readonly format: "text" | "json";
}

export function configValidateCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("validate")
    .summary("report everything that is wrong with the configuration; exit 3 if it cannot be used");
  return addConfigOptions(command)
    .option("--strict", "warnings count as errors", false)
    .addOption(new Option("--format <format>", "").choices(["text", "json"]).default("text"))
    .addHelpText(
      "after",
      "\nExamples:\n  picket config validate\n" +
        "  picket config validate -c picket.yaml --strict --format json",
    )
    .action((options: ConfigValidateOptions) => exit(configValidate(options, io)));
}

export function configValidate(options: ConfigValidateOptions, io: CliIo): ExitCode {
  const loaded = withSchema(tryLoad(options, io));
  const failed = loaded instanceof ConfigError;
  const problems = failed ? loaded.problems : loaded.warnings;
  // What this machine lacks says nothing about the file, so it is never an error.
  const hints = failed ? [] : configHints(loaded, io.env);
  const ok = !failed && !(options.strict && problems.length > 0);
  if (options.format === "json") {
    const files = failed ? configFiles(loadOptions(options, io)) : loaded.files;
    io.out(`${
      prettyJsonText({
        ok,
        sources: files,
        problems: problems.map(problemJson),
        hints: hints.map(problemJson),
        ...(ok ? {} : { error: failed ? loaded.message : "there are warnings" }),
      })
    }\n`);
    return ok ? EXIT.ok : EXIT.usage;
  }
  tellProblems(problems, io);
  for (const { path, message } of hints) io.err(`hint: ${path}: ${message}`);
  if (!failed && loaded.files.length === 0) io.err("There is no configuration file.");
  io.err(
    ok ? "Config is valid." : `Config is not valid: ${plural(problems.length, "problem")}.`,
  );
  return ok ? EXIT.ok : EXIT.usage;
}

/** The schema file is part of what the agent is told, so its mistakes count. */
function withSchema(loaded: LoadedConfig | ConfigError): LoadedConfig | ConfigError {
  if (loaded instanceof ConfigError) return loaded;
  try {
    agentSchema(loaded.config.schema);
    return loaded;
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function problemJson(
  { severity, path, message, suggestion, origin }: ConfigProblem,
): Readonly<Record<string, unknown>> {
  return {
    severity,
    key: path,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
    ...(origin.kind === "file"
      ? { file: origin.file, line: origin.line, column: origin.column }
      : origin.kind === "env"
      ? { env: origin.name }
      : {}),
  };
}
