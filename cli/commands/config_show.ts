/**
 * `picket config show`, `schema` and `path`: what is in force and where it comes from.
 */
import { Command, Option } from "commander";
import { stringify } from "yaml";
import { configJsonSchema } from "../../src/agent/config/json_schema.ts";
import { configFiles } from "../../src/agent/config/load.ts";
import { ConfigError } from "../../src/agent/config/problems.ts";
import { configSchema } from "../../src/agent/config/schema.ts";
import { describeConfig, leavesOf } from "../../src/agent/config/show.ts";
import { pathText } from "../../src/agent/config/tree.ts";
import { jsonText, prettyJsonText } from "../../src/event/json_text.ts";
import { didYouMean } from "../../src/sigma/suggest.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { painter, safeText } from "../render/text.ts";
import { UsageError } from "./common.ts";
import {
  addConfigOptions,
  type ConfigOptions,
  loadOptions,
  tellProblems,
  tryLoad,
} from "./config_options.ts";

const FORMATS = ["text", "json", "yaml"] as const;

export interface ConfigShowOptions extends ConfigOptions {
  readonly format: typeof FORMATS[number];
  readonly for?: string;
}

export function configShowCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("show")
    .summary("the configuration in force, and where each value comes from");
  return addConfigOptions(command)
    .addOption(new Option("--format <format>", "").choices(FORMATS).default("text"))
    .option("--for <section>", "only one section, such as api")
    .addHelpText(
      "after",
      "\nExamples:\n  picket config show --for api\n  picket config show --format yaml",
    )
    .action((options: ConfigShowOptions) => exit(configShow(options, io)));
}

export function configShow(options: ConfigShowOptions, io: CliIo): ExitCode {
  const sections = Object.keys(configSchema.shape);
  if (options.for !== undefined && !sections.includes(options.for)) {
    throw new UsageError(
      `there is no section '${options.for}'${didYouMean(options.for, sections)}`,
    );
  }
  const loaded = tryLoad(options, io);
  if (loaded instanceof ConfigError) {
    tellProblems(loaded.problems, io);
    return EXIT.usage;
  }
  const { config, sources } = describeConfig(loaded, options.for);
  switch (options.format) {
    case "json":
      io.out(`${prettyJsonText({ config, sources })}\n`);
      break;
    case "yaml":
      io.out(stringify(config));
      break;
    case "text": {
      const paint = painter(io.outIsTerminal && io.env["NO_COLOR"] === undefined);
      const lines = leavesOf(config).map(({ path, value }) => {
        const key = pathText(path);
        return { key, line: `${key} = ${safeText(jsonText(value))}`, source: sources[key] ?? "" };
      }).sort((left, right) => left.key < right.key ? -1 : left.key > right.key ? 1 : 0);
      for (const { line, source } of lines) {
        io.out(`${line}  ${paint(`(${safeText(source)})`, "dim")}\n`);
      }
      break;
    }
  }
  tellProblems(loaded.warnings, io);
  return EXIT.ok;
}

export function configSchemaCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  return new Command("schema")
    .summary("the JSON Schema of the configuration, for editors")
    .addHelpText("after", "\nExamples:\n  picket config schema > picket.schema.json")
    .action(() => {
      io.out(`${prettyJsonText(configJsonSchema())}\n`);
      exit(EXIT.ok);
    });
}

export function configPathCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("path")
    .summary("the files that are read, the one that counts least first");
  return addConfigOptions(command)
    .addHelpText("after", "\nExamples:\n  picket config path")
    .action((options: ConfigOptions) => exit(configPath(options, io)));
}

export function configPath(options: ConfigOptions, io: CliIo): ExitCode {
  const files = configFiles(loadOptions(options, io));
  io.out(files.length === 0 ? "none\n" : files.map((file) => `${file}\n`).join(""));
  return EXIT.ok;
}
