/**
 * `picket service`: the agent as a service of the system.
 */
import { Command } from "commander";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { loadConfig } from "../../src/agent/config/load.ts";
import { ConfigError, problemText } from "../../src/agent/config/problems.ts";
import type { ServiceManager, ServiceStatus } from "../../src/agent/service/manager.ts";
import { missingPrivilege, serviceManager } from "../../src/agent/service/platform.ts";
import { applySteps, describeStep, runProgram, type Step } from "../../src/agent/service/steps.ts";
import { isServiceName, serviceTarget } from "../../src/agent/service/target.ts";
import { type CliIo, EXIT, type ExitCode } from "../io.ts";
import { safeText } from "../render/text.ts";
import { UsageError } from "./common.ts";
import { serviceRunCommand } from "./service_run.ts";

interface ServiceOptions {
  readonly name?: string;
  readonly dryRun: boolean;
}

export interface InstallOptions extends ServiceOptions {
  readonly config?: string;
  readonly executable?: string;
  readonly readAny: boolean;
  readonly force: boolean;
  readonly start: boolean;
}

/** How long a service may take to start or stop before we say so. */
const WAIT_MS = 120_000;
const POLL_MS = 250;

const EXAMPLES = `
Examples:
  sudo picket service install --config /etc/picket/config.yaml --start
  picket service install --dry-run
  picket service status

Exit codes: 0 done, or running; 1 status: not running; 3 wrong configuration or no privilege;
4 a step failed.`;

export function serviceCommand(io: CliIo, exit: (code: ExitCode) => void): Command {
  const command = new Command("service")
    .summary("install and control the agent as a service")
    .description(
      "Makes the agent a service: a systemd unit on Linux, a Windows service, a launchd daemon.",
    )
    .addHelpText("after", EXAMPLES);
  command.addCommand(
    common("install", "check the configuration, then install the service; it starts at boot")
      .option("-c, --config <file>", "configuration; default: the system's")
      .option("--executable <file>", "what to start; default: this executable")
      .option("--read-any", "Linux: let it read files that only root may read", false)
      .option("--start", "start it, too", false)
      .option("--force", "install in spite of what speaks against it", false)
      .action(async (options: InstallOptions) => exit(await serviceInstall(options, io))),
  );
  command.addCommand(
    common("uninstall", "stop and remove the service; configuration, state and logs stay")
      .action(async (options: ServiceOptions) => exit(await serviceUninstall(options, io))),
  );
  for (const verb of ["start", "stop", "restart"] as const) {
    command.addCommand(
      common(verb, `${verb} the service`)
        .action(async (options: ServiceOptions) => exit(await serviceControl(verb, options, io))),
    );
  }
  command.addCommand(
    new Command("status")
      .summary("tell whether the service runs; exit 1 if it does not")
      .option("--name <name>", "of the service")
      .action(async (options: { readonly name?: string }) =>
        exit(await serviceStatus(options, io))
      ),
  );
  command.addCommand(serviceRunCommand(io, exit), { hidden: true });
  return command;
}

function common(verb: string, summary: string): Command {
  return new Command(verb)
    .summary(summary)
    .option("--name <name>", "of the service; default: picket")
    .option("--dry-run", "print what would be done, and do nothing", false);
}

export async function serviceInstall(options: InstallOptions, io: CliIo): Promise<ExitCode> {
  const manager = serviceManager(io.env);
  const name = nameOf(options, manager);
  const config = resolve(options.config ?? manager.defaultConfig);
  if (!existsSync(config)) {
    io.err(`error: there is no ${config}; write one with \`picket config init\`, or name --config`);
    return EXIT.usage;
  }
  const executable = resolve(options.executable ?? process.execPath);
  const problem = executableProblem(executable, manager, options);
  if (problem !== undefined) {
    io.err(`error: ${problem}`);
    io.err("hint: --force installs it nevertheless");
    return EXIT.usage;
  }
  let steps: readonly Step[];
  try {
    // As the service will see it: with the machine's state directory rather than the user's.
    const loaded = loadConfig({
      configPath: config,
      env: { ...io.env, STATE_DIRECTORY: `/var/lib/${name}` },
      around: { isPrivileged: true },
    });
    for (const warning of loaded.warnings) io.err(`warning: ${safeText(problemText(warning))}`);
    const { readAny } = options;
    const target = serviceTarget({ name, executable, config, readAny }, loaded);
    steps = manager.install(target, (await ask(manager, name)).installed);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const one of error.problems) io.err(`error: ${safeText(problemText(one))}`);
    io.err("The configuration cannot be used, so nothing has been installed.");
    return EXIT.usage;
  }
  const code = await perform([...steps], options.dryRun, io);
  if (code !== EXIT.ok || options.dryRun) return code;
  io.err(`Installed the service ${name}.`);
  if (options.start) return await serviceControl("start", options, io);
  io.err(
    `Start it with: picket service start${options.name === undefined ? "" : ` --name ${name}`}`,
  );
  return EXIT.ok;
}

function executableProblem(
  executable: string,
  manager: ServiceManager,
  { force, executable: named }: InstallOptions,
): string | undefined {
  if (named === undefined && /(?:^|[/\\])(?:bun|deno|node)(?:\.exe)?$/.test(executable)) {
    return "this is not the built executable, so there is nothing to start; name --executable";
  }
  return force ? undefined : manager.objection(executable);
}

export async function serviceUninstall(options: ServiceOptions, io: CliIo): Promise<ExitCode> {
  const manager = serviceManager(io.env);
  const name = nameOf(options, manager);
  const { steps, kept } = manager.uninstall(name);
  const { dryRun } = options;
  const { installed, state } = dryRun
    ? { installed: true, state: "running" }
    : await ask(manager, name);
  if (!installed) {
    io.err(`error: there is no service ${name}`);
    return EXIT.usage;
  }
  if (state === "running" || state === "starting") {
    const stopped = await serviceControl("stop", options, io);
    if (stopped !== EXIT.ok) return stopped;
  }
  const code = await perform(steps, dryRun, io);
  if (code === EXIT.ok) io.err(`Kept, for you to remove: ${kept.join(", ")}`);
  return code;
}

export async function serviceControl(
  verb: "start" | "stop" | "restart",
  options: ServiceOptions,
  io: CliIo,
): Promise<ExitCode> {
  const manager = serviceManager(io.env);
  const name = nameOf(options, manager);
  const { dryRun } = options;
  if (verb !== "start") {
    const before = dryRun ? undefined : await ask(manager, name);
    if (before === undefined || before.state === "running" || before.state === "starting") {
      const code = await perform(manager.stop(name), dryRun, io);
      if (code !== EXIT.ok) return code;
      if (!dryRun) await settled(manager, name, "stopping", io.signal);
    } else if (verb === "stop") io.err(`${name} was not running.`);
  }
  if (verb !== "stop") {
    const code = await perform(manager.start(name), dryRun, io);
    if (code !== EXIT.ok) {
      io.err(`Look at: ${manager.logHint(name)}`);
      return code;
    }
  }
  if (dryRun) return EXIT.ok;
  const wanted = verb === "stop" ? "stopped" : "running";
  const { state, detail } = await settled(
    manager,
    name,
    verb === "stop" ? "stopping" : "starting",
    io.signal,
  );
  if (state === wanted || (wanted === "stopped" && state === "failed")) {
    io.err(`${name} is ${state}.`);
    return EXIT.ok;
  }
  io.err(`error: ${name} is ${state}${detail === undefined ? "" : `: ${safeText(detail)}`}`);
  io.err(`Look at: ${manager.logHint(name)}`);
  return EXIT.incomplete;
}

export async function serviceStatus(
  options: { readonly name?: string },
  io: CliIo,
): Promise<ExitCode> {
  const manager = serviceManager(io.env);
  const name = nameOf(options, manager);
  const { installed, state, pid, detail } = await ask(manager, name);
  if (!installed) {
    io.out(`${name}: not installed (${manager.title})\n`);
    if (state === "unknown" && detail !== undefined) io.err(safeText(detail));
    return EXIT.findings;
  }
  const facts = [state, ...(pid === undefined ? [] : [`pid ${pid}`])].join(", ");
  io.out(`${name}: ${facts}${detail === undefined ? "" : ` (${safeText(detail)})`}\n`);
  return state === "running" ? EXIT.ok : EXIT.findings;
}

function nameOf({ name }: { readonly name?: string }, { defaultName }: ServiceManager): string {
  if (name !== undefined && !isServiceName(name)) {
    throw new UsageError("--name takes letters, digits, dots, dashes and underscores");
  }
  return name ?? defaultName;
}

async function ask(manager: ServiceManager, name: string): Promise<ServiceStatus> {
  return manager.readStatus(await runProgram(manager.statusCommand(name)));
}

/** The state after `passing` is over, or after `WAIT_MS`. */
async function settled(
  manager: ServiceManager,
  name: string,
  passing: ServiceStatus["state"],
  signal: AbortSignal,
): Promise<ServiceStatus> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const status = await ask(manager, name);
    if (status.state !== passing || performance.now() > deadline || signal.aborted) return status;
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

/** Shows the steps, or does them. */
async function perform(steps: readonly Step[], dryRun: boolean, io: CliIo): Promise<ExitCode> {
  if (dryRun) {
    for (const step of steps) io.out(`${describeStep(step)}\n`);
    return EXIT.ok;
  }
  const missing = missingPrivilege();
  if (missing !== undefined) {
    io.err(`error: this changes the system and needs its administrator: ${missing}`);
    return EXIT.usage;
  }
  try {
    await applySteps(steps, (message) => io.err(`note: ${safeText(message)}`));
    return EXIT.ok;
  } catch (error) {
    io.err(`error: ${safeText(error instanceof Error ? error.message : String(error))}`);
    return EXIT.incomplete;
  }
}
