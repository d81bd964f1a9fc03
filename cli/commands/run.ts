/**
 * `picket run`: the agent in the foreground, as a terminal, systemd or the service starts it.
 */
import { getLogger } from "@logtape/logtape";
import { Command, Option } from "commander";
import process from "node:process";
import { AdminError } from "../../src/admin/errors.ts";
import { uiApp } from "../../src/admin/ui/app.ts";
import { type RunningAgent, startAgent } from "../../src/agent/compose.ts";
import { loadConfig, type LoadedConfig } from "../../src/agent/config/load.ts";
import { ConfigError, problemText } from "../../src/agent/config/problems.ts";
import type { LogConfig } from "../../src/agent/config/types.ts";
import { PicketError } from "../../src/event/errors.ts";
import { RuntimeError, StateError } from "../../src/runtime/errors.ts";
import type { ConfigValue } from "../../src/agent/config/tree.ts";
import { coalesced, type Supervisor } from "../../src/agent/service/supervisor.ts";
import { foregroundSupervisor } from "../../src/agent/service/systemd_supervisor.ts";
import { VERSION } from "../build_info.ts";
import { compileInWorker } from "../compile_rules.ts";
import { embeddedRulesBundle } from "../embedded_rules.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { configureLogging } from "../logging.ts";
import { collect } from "./common.ts";

const log = getLogger(["picket", "agent"]);

/** What is typed. */
export interface RunOptions {
  readonly config?: string;
  readonly rules: readonly string[];
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly state?: string;
  readonly apiAddr?: string;
  /** `false`: no API. */
  readonly api: boolean;
  readonly includeEvent?: boolean;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

const EXAMPLES = `
Examples:
  picket run -c picket.yaml
  picket run --rules ./rules --input file:///var/log/auth.log --output stdout
  journalctl -fo json | picket run --input stdin --output nats://hub:4222/picket.alerts

Exit codes: 0 stopped, 2 no rules could be loaded, 3 wrong configuration, 4 the state file or an
address could not be used, 130 forced to stop.`;

export function runCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  return new Command("run")
    .summary("follow logs, evaluate them, deliver alerts")
    .description(
      "Runs the agent in the foreground: follows the configured sources, evaluates every event\n" +
        "and delivers every alert, through rotation, reload, crash and outage.",
    )
    .option("-c, --config <file>", "configuration; default: picket.yaml, then the system's")
    .option("-r, --rules <path>", "rule file, directory or bundle; repeat for more", collect, [])
    .option("--input <spec>", "stdin, file:///PATH, nats://…, unix:///PATH; repeat", collect, [])
    .option("--output <spec>", "stdout, file:///PATH, nats://…, http…; repeat", collect, [])
    .option("--state <file>", "the state file")
    .option("--api-addr <address>", "where the API listens: 127.0.0.1:9090 or unix:///PATH")
    .option("--no-api", "no API")
    .option("--include-event", "put the whole event into each alert")
    .addOption(
      new Option("--log-level <level>", "least important messages to show")
        .choices(["trace", "debug", "info", "warn", "error", "off"]),
    )
    .addOption(
      new Option("--log-format <format>", "default: text on a terminal, else JSON")
        .choices(["auto", "text", "json"]),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (options: RunOptions) => exit(await run(options, io)));
}

/** Runs the agent until `io.signal` aborts or every source has ended. */
export async function run(
  options: RunOptions,
  io: CliIo,
  supervisor: Supervisor = foregroundSupervisor(io.env),
): Promise<ExitCode> {
  const load = (): LoadedConfig =>
    loadConfig({
      ...(options.config === undefined ? {} : { configPath: options.config }),
      flags: flagsOf(options),
      env: io.env,
    });
  let loaded: LoadedConfig;
  try {
    loaded = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map(problemText);
    for (const problem of problems) io.err(`error: ${problem}`);
    supervisor.ended(problems.join("\n"));
    return EXIT.usage;
  }
  for (const warning of loaded.warnings) io.err(problemText(warning));
  const logging = configureLogging(
    withLogFile(loaded.config.log, supervisor.logFile),
    io.errIsTerminal,
    (line) => io.err(line),
  );
  let running: RunningAgent;
  try {
    running = await startAgent({
      loaded,
      reloadConfig: load,
      compile: compileInWorker,
      embeddedRules: await embeddedRulesBundle(),
      version: VERSION,
      commit: null,
      runtime: runtimeName(),
      setLogLevel: logging.setLevel,
      ui: uiApp(),
      signal: io.signal,
    });
  } catch (error) {
    if (io.signal.aborted && error === io.signal.reason) {
      supervisor.ended(undefined);
      return EXIT.ok;
    }
    return startFailure(error, io, supervisor);
  }
  try {
    await untilStopped(running, io.signal, supervisor);
  } finally {
    supervisor.stopping();
    await running.stop();
    supervisor.ended(undefined);
  }
  return EXIT.ok;
}

/** A service has no terminal: its messages go into a file even if the configuration names none. */
function withLogFile(log: LogConfig, path: string | undefined): LogConfig {
  if (log.file !== undefined || path === undefined) return log;
  return { ...log, file: { path, maxBytes: 10 << 20, keep: 5 } };
}

/** Says why the agent cannot start. */
function startFailure(error: unknown, io: CliIo, supervisor: Supervisor): ExitCode {
  if (!(error instanceof PicketError)) throw error;
  const problem = `${error.message} (${error.code})`;
  io.err(`error: ${problem}`);
  supervisor.ended(problem);
  if (error instanceof RuntimeError) return EXIT.ruleError;
  const isBusy = error instanceof AdminError && error.code === "ADMIN_BIND";
  return isBusy || error instanceof StateError ? EXIT.incomplete : EXIT.usage;
}

/** Resolves at a signal to stop, or when every source has come to its end. */
async function untilStopped(
  running: RunningAgent,
  signal: AbortSignal,
  supervisor: Supervisor,
): Promise<void> {
  const { agent } = running;
  supervisor.onReload(coalesced(() => reload(agent), supervisor));
  supervisor.ready(running);
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([stopped, agent.finished]);
  if (signal.aborted) log.info("Shutdown signal received");
}

/** Reads everything again; gives why that changed nothing. The reloader writes the log. */
async function reload(agent: RunningAgent["agent"]): Promise<string | undefined> {
  try {
    const { components } = await agent.reloader.reload("signal", false);
    return components.find(({ outcome }) => outcome === "failed")?.message;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions as Readonly<Record<string, string | undefined>>;
  if (bun !== undefined) return `bun ${bun}`;
  return deno !== undefined ? `deno ${deno}` : `node ${node}`;
}

/** The command line in the words of the configuration. */
function flagsOf(options: RunOptions): Record<string, ConfigValue | undefined> {
  const log = {
    ...(options.logLevel === undefined ? {} : { level: options.logLevel }),
    ...(options.logFormat === undefined ? {} : { format: options.logFormat }),
  };
  const rules = {
    ...(options.rules.length === 0 ? {} : { paths: options.rules }),
    ...(options.includeEvent === true ? { include_event: true } : {}),
  };
  const api = {
    ...(options.api ? {} : { enabled: false }),
    ...(options.apiAddr === undefined ? {} : { addr: options.apiAddr }),
  };
  return {
    ...(Object.keys(log).length === 0 ? {} : { log }),
    ...(Object.keys(rules).length === 0 ? {} : { rules }),
    ...(Object.keys(api).length === 0 ? {} : { api }),
    ...(options.state === undefined ? {} : { state: { path: options.state } }),
    ...(options.input.length === 0 ? {} : { sources: options.input }),
    ...(options.output.length === 0 ? {} : { sinks: options.output }),
  };
}
