/**
 * `picket rules …`: what can be done with rules without events.
 */
import { Command } from "commander";
import type { CliIo, ExitCode } from "../io.ts";
import { rulesBundleCommand } from "./rules_bundle.ts";
import { rulesCheckCommand } from "./rules_check.ts";
import { rulesFieldsCommand } from "./rules_fields.ts";
import { rulesListCommand } from "./rules_list.ts";

export function rulesCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const group = new Command("rules").summary("check, list and pack rules");
  group.addCommand(rulesCheckCommand(io, exit));
  group.addCommand(rulesListCommand(io, exit));
  group.addCommand(rulesFieldsCommand(io, exit));
  group.addCommand(rulesBundleCommand(io, exit));
  return group;
}
