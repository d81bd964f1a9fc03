/**
 * The command line: which commands there are, and how their failures become exit codes.
 */
import { Command, CommanderError } from "commander";
import process from "node:process";
import { PicketError } from "../src/event/errors.ts";
import { VERSION } from "./build_info.ts";
import { UsageError } from "./commands/common.ts";
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
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  try {
    const code = await runWith(args, processIo(interrupt.signal));
    // Reads and connections that were given up would keep the process alive.
    const { givesUp = false } = COMMANDS.find(({ name }) => name === namedIn(args)) ?? {};
    if (interrupt.signal.aborted || givesUp) process.exit(code);
    return code;
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  }
}

/** On Windows also Ctrl-Break and the closing of the console, which is SIGHUP there. */
const STOP_SIGNALS: readonly NodeJS.Signals[] = process.platform === "win32"
  ? ["SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"]
  : ["SIGINT", "SIGTERM"];

/** Runs a command line on given streams. */
export async function runWith(args: readonly string[], io: CliIo): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = await buildProgram(args, io, (result) => code = result);
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    return failure(error, io);
  }
}

type MakeCommand = (io: CliIo, exit: (code: ExitCode) => void) => Command;

interface CommandEntry {
  readonly name: string;
  /** Under which heading help lists it. */
  readonly group: string;
  readonly summary: string;
  /** Loads its code: who scans does not wait for the agent's, and the other way round. */
  readonly load: () => Promise<MakeCommand>;
  /** It does not wait for what takes too long. */
  readonly givesUp?: true;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: "scan",
    group: "Events:",
    summary: "find what the rules match in event logs and text logs",
    load: async () => (await import("./commands/scan.ts")).scanCommand,
  },
  {
    name: "eval",
    group: "Events:",
    summary: "evaluate one event, one file or a stream of events",
    load: async () => (await import("./commands/eval.ts")).evalCommand,
  },
  {
    name: "explain",
    group: "Events:",
    summary: "say why rules did or did not match an event",
    load: async () => (await import("./commands/explain.ts")).explainCommand,
  },
  {
    name: "classify",
    group: "Events:",
    summary: "say what kind of log events are from",
    load: async () => (await import("./commands/classify.ts")).classifyCommand,
  },
  {
    name: "evtx",
    group: "Events:",
    summary: "look into EVTX files without rules",
    load: async () => (await import("./commands/evtx.ts")).evtxCommand,
  },
  {
    name: "rules",
    group: "Rules:",
    summary: "check, list and pack rules",
    load: async () => (await import("./commands/rules.ts")).rulesCommand,
  },
  {
    name: "run",
    group: "Agent:",
    summary: "follow logs, evaluate them, deliver alerts",
    load: async () => (await import("./commands/run.ts")).runCommand,
  },
  {
    name: "service",
    group: "Agent:",
    summary: "install and control the agent as a service",
    load: async () => (await import("./commands/service.ts")).serviceCommand,
  },
  {
    name: "doctor",
    group: "Agent:",
    summary: "look for what keeps the agent from its work",
    load: async () => (await import("./commands/doctor.ts")).doctorCommand,
    givesUp: true,
  },
  {
    name: "config",
    group: "Agent:",
    summary: "write, check and show the agent's configuration",
    load: async () => (await import("./commands/config.ts")).configCommand,
  },
  {
    name: "token",
    group: "Agent:",
    summary: "create and revoke tokens of the API",
    load: async () => (await import("./commands/token.ts")).tokenCommand,
  },
  {
    name: "status",
    group: "A running agent:",
    summary: "ask a running agent how it is",
    load: async () => (await import("./commands/status.ts")).statusCommand,
  },
  {
    name: "tail",
    group: "A running agent:",
    summary: "follow the alerts of a running agent",
    load: async () => (await import("./commands/tail.ts")).tailCommand,
  },
  {
    name: "tap",
    group: "A running agent:",
    summary: "follow the events that a running agent reads",
    load: async () => (await import("./commands/tap.ts")).tapCommand,
  },
  {
    name: "reload",
    group: "A running agent:",
    summary: "make a running agent read rules and settings again",
    load: async () => (await import("./commands/reload.ts")).reloadCommand,
  },
  {
    name: "outbox",
    group: "A running agent:",
    summary: "look at alerts that wait for sinks, and steer them",
    load: async () => (await import("./commands/outbox.ts")).outboxCommand,
  },
  {
    name: "dlq",
    group: "A running agent:",
    summary: "look at dead letters, replay or drop them",
    load: async () => (await import("./commands/dlq.ts")).dlqCommand,
  },
];

/** The command that a command line names, or asks help for. */
function namedIn(args: readonly string[]): string | undefined {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  return first === "help" ? second : first;
}

/** The program with the code of the command that `args` name; of the others only what help says. */
async function buildProgram(
  args: readonly string[],
  io: CliIo,
  exit: (code: ExitCode) => void,
): Promise<Command> {
  const program = new Command("picket")
    .description("Sigma detection on the endpoint, in one executable.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpText(
      "after",
      "\nExamples:\n  picket scan ./evtx\n  picket scan ./evtx --rules ./sigma/rules -o timeline.csv\n" +
        "  picket run -c picket.yaml",
    );
  const named = namedIn(args);
  for (const { name, group, summary, load } of COMMANDS) {
    const command = name === named
      ? (await load())(io, exit)
      : new Command(name).summary(summary).usage("[options]");
    program.addCommand(command.helpGroup(group));
  }
  configure(program, io);
  return program;
}

/** What is written behind a command without arguments is mostly the file that it is to read. */
const TOO_MANY = /^error: too many arguments/;
const AT_FILE = "A file of events is given as -e @FILE.\n";

/** Sends what commander prints to `io`, and makes its exits exceptions, for every command. */
function configure(command: Command, io: CliIo): void {
  const takesEvents = command.options.some(({ long }) => long === "--event");
  command.exitOverride().showSuggestionAfterError(true).configureOutput({
    writeOut: (text) => io.out(text),
    writeErr: (text) => io.errRaw(text),
    outputError: (text, write) =>
      write(`${text}${takesEvents && TOO_MANY.test(text) ? AT_FILE : ""}`),
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
