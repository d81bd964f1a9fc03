/**
 * `picket config init`: writes a commented configuration to begin with.
 */
import { Command } from "commander";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { configJsonSchema } from "../../src/agent/config/json_schema.ts";
import { configTemplate, SCHEMA_FILE } from "../../src/agent/config/template.ts";
import { prettyJsonText } from "../../src/event/json_text.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { UsageError } from "./common.ts";

export interface ConfigInitOptions {
  readonly output: string;
  readonly force: boolean;
  readonly schema: boolean;
  /** Default: this machine's. */
  readonly platform?: string;
}

export function configInitCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  return new Command("init")
    .summary("write a commented configuration to begin with")
    .option("-o, --output <file>", "where to write it; - for stdout", "picket.yaml")
    .option("--force", "replace a file that is there", false)
    .option("--no-schema", `do not write ${SCHEMA_FILE} beside it, which editors use`)
    .addHelpText(
      "after",
      "\nExamples:\n  picket config init\n  picket config init -o /etc/picket/config.yaml --force",
    )
    .action((options: ConfigInitOptions) => exit(configInit(options, io)));
}

/** Refuses to replace a file without `force`. */
export function configInit(options: ConfigInitOptions, io: CliIo): ExitCode {
  const text = configTemplate(options.platform ?? process.platform);
  if (options.output === "-") {
    io.out(text);
    return EXIT.ok;
  }
  const file = resolve(options.output);
  if (!options.force && existsSync(file)) {
    throw new UsageError(
      `refusing to overwrite existing ${options.output} (pass --force to replace it)`,
    );
  }
  write(file, text, options.force);
  io.err(`Wrote ${options.output}`);
  if (options.schema) {
    // It says the same on every machine, so an older one may go.
    write(join(dirname(file), SCHEMA_FILE), `${prettyJsonText(configJsonSchema())}\n`, true);
  }
  io.err(`Next: picket config validate -c ${options.output}`);
  return EXIT.ok;
}

function write(file: string, text: string, replace: boolean): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { flag: replace ? "w" : "wx", mode: 0o640 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot write ${file}: ${reason}`, { cause: error });
  }
}
