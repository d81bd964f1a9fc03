/**
 * `picket rules …`: what can be done with rules without events.
 */
import { Command } from "commander";
import type { CliIo, ExitCode } from "../io.ts";
import { rulesBundleCommand } from "./rules_bundle.ts";

export function rulesCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("rules").summary("check, list and pack rules");
  group.addCommand(rulesBundleCommand(io, exit));
  return group;
}
