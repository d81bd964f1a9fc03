/**
 * `picket config …`: write, check and show the agent's configuration.
 *
 * @see daemon.md, section 11.6
 */
import { Command } from "commander";
import type { CliIo, ExitCode } from "../io.ts";
import { configInitCommand } from "./config_init.ts";
import { configPathCommand, configSchemaCommand, configShowCommand } from "./config_show.ts";
import { configValidateCommand } from "./config_validate.ts";

export function configCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("config").summary("write, check and show the agent's configuration");
  group.addCommand(configInitCommand(io, exit));
  group.addCommand(configValidateCommand(io, exit));
  group.addCommand(configShowCommand(io, exit));
  group.addCommand(configSchemaCommand(io, exit));
  group.addCommand(configPathCommand(io, exit));
  return group;
}
