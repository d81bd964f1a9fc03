/**
 * `picket service run`: what Windows' service manager starts. Elsewhere that is `picket run`.
 */
import { getConfig, getLogger } from "@logtape/logtape";
import { Command } from "commander";
import { appendFileSync, mkdirSync } from "node:fs";
import { win32 } from "node:path";
import { Worker } from "node:worker_threads";
import type { RunningAgent } from "../../src/agent/compose.ts";
import { surroundings } from "../../src/agent/config/load.ts";
import { systemDirectory } from "../../src/agent/config/discover.ts";
import { type EventName, reportEvent } from "../../src/agent/service/event_log.ts";
import { LOOK_MS, SinkWatch } from "../../src/agent/service/sink_watch.ts";
import type { Supervisor } from "../../src/agent/service/supervisor.ts";
import {
  type DispatcherStart,
  runWindowsService,
  type ServiceSession,
} from "../../src/agent/service/windows_service.ts";
import { jsonText } from "../../src/event/json_text.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { SERVICE_WORKER_URL } from "../worker_url.ts";
import { run, type RunOptions } from "./run.ts";

const log = getLogger(["picket", "service"]);

interface ServiceRunOptions {
  readonly config?: string;
  readonly name: string;
  readonly logFile?: string;
}

export function serviceRunCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  return new Command("run")
    .summary("run as the service that Windows has started")
    .option("-c, --config <file>", "configuration; default: the system's")
    .option("--name <name>", "of the service", "Picket")
    .option("--log-file <file>", "default: %ProgramData%\\Picket\\logs\\picket.log")
    .action(async (options: ServiceRunOptions) => exit(await serviceRun(options, io)));
}

/** Answers the service manager while the agent runs; the exit code is the agent's. */
export async function serviceRun(options: ServiceRunOptions, io: CliIo): Promise<ExitCode> {
  const logFile = options.logFile ?? defaultLogFile(io);
  let code: ExitCode = EXIT.ruleError;
  await runWindowsService({
    name: options.name,
    dispatch: dispatchInWorker,
    main: async (session) => {
      const supervisor = serviceSupervisor(session, logFile);
      try {
        code = await run(runOptions(options), serviceIo(io, session.stop), supervisor);
      } catch (error) {
        supervisor.ended(error instanceof Error ? error.stack ?? error.message : String(error));
      }
      return code;
    },
  });
  return code;
}

/** `%ProgramData%\Picket\logs\picket.log` */
export function defaultLogFile(io: CliIo): string {
  return win32.join(systemDirectory(surroundings({ env: io.env })), "logs", "picket.log");
}

function runOptions({ config }: ServiceRunOptions): RunOptions {
  return {
    ...(config === undefined ? {} : { config }),
    rules: [],
    input: [],
    output: [],
    api: true,
  };
}

/** A service has no streams that anybody could read. */
function serviceIo(io: CliIo, stop: AbortSignal): CliIo {
  const signal = AbortSignal.any([io.signal, stop]);
  return { ...io, signal, outIsTerminal: false, errIsTerminal: false };
}

/** The thread lasts as long as the service. */
function dispatchInWorker(start: DispatcherStart): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(SERVICE_WORKER_URL);
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.postMessage(start);
  });
}

/** Tells Windows how the agent is, and its event log what matters. */
function serviceSupervisor(session: ServiceSession, logFile: string): Supervisor {
  let looking: ReturnType<typeof setInterval> | undefined;
  const report = (event: EventName, message: string): void => {
    try {
      reportEvent(event, message);
    } catch {
      // The log file has it as well.
    }
  };
  return {
    logFile,
    onReload: (reload) => session.onReload(reload),
    ready({ agent }) {
      session.running();
      const watch = new SinkWatch();
      looking = setInterval(() => {
        for (const { sink, isDown, error } of watch.look(statusOf(agent.sinks))) {
          if (!isDown) report("sinkUp", `The sink ${sink} takes alerts again.`);
          else report("sinkDown", `The sink ${sink} takes no alerts, which wait: ${error ?? ""}`);
        }
      }, LOOK_MS);
      report("started", `Picket has started with ${agent.rules.stats?.detectionRules ?? 0} rules.`);
    },
    reloading() {},
    reloaded(problem) {
      if (problem === undefined) report("reloaded", "Rules and configuration have been reloaded.");
      else report("reloadFailed", `The reload has changed nothing: ${problem}`);
    },
    stopping() {
      clearInterval(looking);
      session.stopping();
    },
    ended(problem) {
      clearInterval(looking);
      if (problem === undefined) {
        report("stopped", "Picket has stopped.");
        return;
      }
      const message = looking === undefined ? "Picket cannot start" : "Picket has failed";
      // Without a configuration there is no log yet.
      if (getConfig() === null) appendToLog(logFile, message, problem);
      else log.error("{message}", { message, reason: problem });
      report("cannotStart", `${message}: ${problem}`);
    },
  };
}

/** None while the state file, where their backlog is, cannot be read. */
function statusOf(sinks: RunningAgent["agent"]["sinks"]): ReturnType<typeof sinks.status> {
  try {
    return sinks.status();
  } catch {
    return [];
  }
}

function appendToLog(path: string, message: string, reason: string): void {
  const line = jsonText({
    timestamp: new Date().toISOString(),
    level: "ERROR",
    fields: { message, reason },
    target: "picket::service",
  });
  try {
    mkdirSync(win32.dirname(path), { recursive: true });
    appendFileSync(path, `${line}\n`, { mode: 0o640 });
  } catch {
    // Windows' event log has it.
  }
}
