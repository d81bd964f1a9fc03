/**
 * `picket service`: the agent as a service of the system.
 */
import { Command } from "commander";
import type { CliIo, ExitCode } from "../io.ts";
import { serviceRunCommand } from "./service_run.ts";

export function serviceCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("service").summary("install and control the agent as a service");
  command.addCommand(serviceRunCommand(io, exit), { hidden: true });
  return command;
}
