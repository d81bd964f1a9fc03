/**
 * The command line: which commands there are, and how their failures become exit codes.
 */
import { Command, CommanderError } from "commander";
import process from "node:process";
import { PicketError } from "../src/event/errors.ts";
import { VERSION } from "./build_info.ts";
import { UsageError } from "./commands/common.ts";
import { evalCommand } from "./commands/eval.ts";
import { explainCommand } from "./commands/explain.ts";
import { evtxCommand } from "./commands/evtx.ts";
import { rulesCommand } from "./commands/rules.ts";
import { runCommand } from "./commands/run.ts";
import { scanCommand } from "./commands/scan.ts";
import { serviceCommand } from "./commands/service.ts";
import {
  type CliIo,
  EXIT,
  type ExitCode,
  OutputClosedError,
  OutputError,
  processIo,
} from "./io.ts";
import { optionDescription } from "./render/help.ts";

/** Runs a command line (without the executable's name). */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    // The first one lets the command finish cleanly, the second does not.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort(new Error("interrupted"));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    const code = await runWith(args, processIo(interrupt.signal));
    // Reads that were given up would keep the process alive.
    if (interrupt.signal.aborted) process.exit(code);
    return code;
  } finally {
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}

/** Runs a command line on given streams. */
export async function runWith(args: readonly string[], io: CliIo): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = buildProgram(io, (result) => code = result);
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    return failure(error, io);
  }
}

function buildProgram(io: CliIo, exit: (code: ExitCode) => void): Command {
  const program = new Command("picket")
    .description("Sigma detection on the endpoint, in one executable.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText(
      "after",
      "\nExamples:\n  picket scan ./evtx\n  picket scan ./evtx --rules ./sigma/rules -o timeline.csv",
    );
  program.addCommand(scanCommand(io, exit));
  program.addCommand(evalCommand(io, exit));
  program.addCommand(explainCommand(io, exit));
  program.addCommand(evtxCommand(io, exit));
  program.addCommand(runCommand(io, exit));
  program.addCommand(serviceCommand(io, exit));
  program.addCommand(rulesCommand(io, exit));
  configure(program, io);
  return program;
}

/** Sends what commander prints to `io`, and makes its exits exceptions, for every command. */
function configure(command: Command, io: CliIo): void {
  command.exitOverride().showSuggestionAfterError(true).configureOutput({
    writeOut: (text) => io.out(text),
    writeErr: (text) => io.errRaw(text),
    getOutHelpWidth: () => Math.min(io.columns, 100),
    getErrHelpWidth: () => Math.min(io.columns, 100),
  });
  command.configureHelp({ optionDescription });
  for (const child of command.commands) configure(child, io);
}

function failure(error: unknown, io: CliIo): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (io.signal.aborted && error === io.signal.reason) return EXIT.interrupted;
  if (error instanceof OutputClosedError) return EXIT.ok;
  if (error instanceof UsageError) {
    io.err(`error: ${error.message}`);
    return EXIT.usage;
  }
  if (error instanceof OutputError) {
    io.err(`error: ${error.message}`);
    return EXIT.incomplete;
  }
  if (error instanceof PicketError) {
    io.err(`error: ${error.message} (${error.code})`);
    return EXIT.ruleError;
  }
  const system = error as { readonly code?: unknown; readonly message?: unknown };
  if (typeof system.code === "string" && /^E[A-Z]+$/.test(system.code)) {
    io.err(`error: ${String(system.message)}`);
    return EXIT.incomplete;
  }
  io.err(
    `Picket has failed unexpectedly; please report this:\n${
      error instanceof Error ? error.stack ?? error.message : String(error)
    }`,
  );
  return EXIT.ruleError;
}
