/**
 * What the agent needs of the machine: rules, state, address, clock, service.
 */
import { existsSync, statSync } from "node:fs";
import { request } from "node:http";
import process from "node:process";
import { readTokenFile } from "../../admin/token_file.ts";
import { StateError } from "../../runtime/errors.ts";
import type { RuleSetCompiler } from "../../runtime/rule_set.ts";
import { schemaConfig } from "../../runtime/schema_routing.ts";
import { isOwned } from "../../store/owner_lock.ts";
import { openState } from "../../store/open_state.ts";
import type { AgentConfig, ApiConfig } from "../config/types.ts";
import { agentSchema, ruleSettings, usesEmbedded } from "../rule_settings.ts";
import type { ServiceManager } from "../service/manager.ts";
import { runProgram } from "../service/steps.ts";
import { freeBytes, readProblem, writeProblem } from "./files.ts";
import { fail, type Judgement, messageOf, pass, warn } from "./finding.ts";
import { isListening, needsRoot, target } from "./ports.ts";

const MAX_LISTED = 3;
const MAX_MESSAGE = 120;
const MIB = 2 ** 20;
/** What the agent keeps free of the disk unless it is configured. */
const MIN_FREE_BYTES = 256 * MIB;
/** Nothing that Picket reads is older than Picket, and a clock before that has lost its battery. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
const SKEW_MS = 60_000;

export async function checkRules(
  config: AgentConfig,
  embedded: Uint8Array | undefined,
  compile: RuleSetCompiler,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const { rules } = config;
  const where = [...rules.paths, ...usesEmbedded(rules) ? ["the embedded rules"] : []].join(", ");
  const compiled = await compile(ruleSettings(rules, embedded).request, signal);
  const count = compiled.rules.filter(({ kind }) => kind === "detection").length;
  const errors = compiled.problems.filter(({ severity }) => severity === "error");
  if (count === 0) {
    const [first] = errors;
    return [
      fail(
        `no rules in ${where}${first === undefined ? "" : `: ${first.message}`}`,
        "name a directory with Sigma rules in rules.paths, or use the embedded ones",
      ),
    ];
  }
  const fix = "picket rules check lists everything that is wrong with them";
  const judge = rules.onError === "fail" ? fail : warn;
  return [
    pass(`${count} detection rule${count === 1 ? "" : "s"} from ${where}`),
    ...(errors.length === 0
      ? []
      : [judge(`${errors.length} error${errors.length === 1 ? "" : "s"} in rules`, fix)]),
    ...errors.slice(0, MAX_LISTED).map(({ path, line, message }) =>
      judge(`${path}${line === undefined ? "" : `:${line}`}: ${shortened(message)}`, fix)
    ),
  ];
}

/** The schema file, if the agent uses one. */
export function checkSchema({ schema }: AgentConfig): readonly Judgement[] {
  if (schema.config === undefined) return [];
  const what = schema.routing || schema.observe
    ? agentSchema(schema)
    : agentSchema({ ...schema, observe: true });
  const signatures = schemaConfig(what.file).signatures.length;
  const found = `${signatures} schema${signatures === 1 ? "" : "s"} in ${schema.config}`;
  return schema.routing || schema.observe ? [pass(found)] : [
    warn(`${found} are not used`, "set schema.routing or schema.observe, or remove schema.config"),
  ];
}

/** Some problems list every word that would have been right. */
function shortened(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
}

/** The state file, and room for it. */
export function checkState({ state, outbox }: AgentConfig): readonly Judgement[] {
  const { path } = state;
  const judged: Judgement[] = [];
  const problem = writeProblem(path);
  if (problem !== undefined) {
    const fix = "give the directory to the service's user, or set state.path";
    judged.push((state.required ? fail : warn)(`${path}: ${problem}`, fix));
  } else if (!existsSync(path)) judged.push(pass(`${path} can be made`));
  else judged.push(existing(path));
  const free = freeBytes(path);
  const wanted = outbox.minFreeBytes ?? MIN_FREE_BYTES;
  if (free !== undefined && free < wanted) {
    judged.push(
      fail(
        `${Math.floor(free / MIB)} MiB free on its disk, the agent keeps ${
          Math.floor(wanted / MIB)
        } MiB free and drops alerts before that`,
        "make room, move state.path to a larger disk, or lower outbox.min_free_bytes",
      ),
    );
  } else if (free !== undefined) {
    judged.push(pass(`${Math.floor(free / MIB)} MiB free on its disk`));
  }
  return judged;
}

function existing(path: string): Judgement {
  const use = isOwned(path) ? "in use by a running agent" : "not in use";
  try {
    using store = openState(path, { access: "read" });
    return pass(`${path} is sound, of agent ${store.agentId}, ${use}`);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return error.code === "STATE_VERSION"
      ? fail(error.message, "use the newer Picket again, or name another state.path")
      : warn(
        error.message,
        "the agent sets a damaged file aside at its next start and saves what it can",
      );
  }
}

/** Whether the API can listen, or already does. */
export async function checkApi(api: ApiConfig, signal: AbortSignal): Promise<readonly Judgement[]> {
  if (!api.enabled) return [pass("is turned off")];
  const { address } = api;
  const where = address.kind === "unix" ? address.path : `${address.host}:${address.port}`;
  if (address.kind === "tcp" && address.port === 0) return [pass("listens at any free port")];
  if (!await isListening(address, signal)) {
    if (address.kind === "unix") {
      const problem = writeProblem(address.path);
      return problem === undefined
        ? [pass(`${where} is free`)]
        : [fail(problem, "make the directory, and give it to the service's user")];
    }
    return needsRoot(address.port)
      ? [warn(`${where} is a port for root`, "choose a port from 1024 in api.addr")]
      : [pass(`${where} is free`)];
  }
  // With TLS it may want a certificate of us, so whoever listens cannot be asked.
  if (api.tls !== undefined) {
    return [warn(`somebody listens at ${where}`, "right if it is the agent; else change api.addr")];
  }
  return await isPicket(api, signal)
    ? [pass(`an agent answers at ${where}`)]
    : [fail(`another program listens at ${where}`, "stop it, or choose another api.addr")];
}

function isPicket(api: ApiConfig, signal: AbortSignal): Promise<boolean> {
  const to = target(api.address);
  return new Promise((resolve) => {
    const asked = request({
      ...("path" in to ? { socketPath: to.path } : to),
      path: "/healthz",
      headers: { host: "localhost" },
      signal,
    }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => {
        if (text.length < 1000) text += part;
      });
      answer.once("end", () => resolve(/^\{"status":\s*"ok"/.test(text.trim())));
      answer.once("error", () => resolve(false));
    });
    asked.once("error", () => resolve(false));
    asked.end();
  });
}

/** Whether somebody can use the API, and nobody else can. */
export function checkTokens({ enabled, auth, tokenFile }: ApiConfig): readonly Judgement[] {
  if (!enabled) return [];
  const judged: Judgement[] = [];
  let count = auth.tokens.length;
  if (tokenFile !== undefined && existsSync(tokenFile)) {
    const problem = readProblem(tokenFile);
    if (problem !== undefined) return [fail(problem, "give the file to the service's user")];
    try {
      count += readTokenFile(tokenFile).length;
    } catch (error) {
      return [fail(messageOf(error), "chmod 600 on it, or make it anew with picket token create")];
    }
    if (process.platform !== "win32" && (statSync(tokenFile).mode & 0o077) !== 0) {
      judged.push(warn(`others may read ${tokenFile}`, `chmod 600 ${tokenFile}`));
    }
  }
  for (const { name, token } of auth.tokens) {
    try {
      token();
    } catch (error) {
      judged.push(fail(`token ${name}: ${messageOf(error)}`, "provide the secret it names"));
    }
  }
  if (count > 0) judged.push(pass(`${count} token${count === 1 ? "" : "s"}`));
  else if (auth.loopback === "required") {
    judged.push(
      warn("there are no tokens, so the API answers nothing but health", "picket token create"),
    );
  }
  return judged;
}

/** Alerts carry times, and correlation works with them. */
export async function checkClock(
  statePath: string,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const nowMs = Date.now();
  const shown = new Date(nowMs).toISOString();
  const fix = "set the clock, and let it be synchronised (timedatectl set-ntp true, w32tm /resync)";
  if (nowMs < EARLIEST_MS) return [fail(`this machine believes it is ${shown}`, fix)];
  const written = statSync(statePath, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written > nowMs + SKEW_MS) {
    return [warn(`${shown} is before the last change of ${statePath}`, fix)];
  }
  if (process.platform === "linux") {
    const { code, output } = await runProgram(
      ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
      signal,
    );
    if (code === 0 && output === "no") return [warn(`${shown}, not synchronised`, fix)];
  }
  return [pass(shown)];
}

/** Whether the agent starts with the machine. */
export async function checkService(
  manager: ServiceManager,
  signal: AbortSignal,
): Promise<readonly Judgement[]> {
  const name = manager.defaultName;
  const ran = await runProgram(manager.statusCommand(name), signal);
  const { installed, state, detail } = manager.readStatus(ran);
  if (!installed) {
    return state === "unknown"
      ? [warn(`${manager.title} cannot be asked`, "right in a container; else run it as root")]
      : [warn(`${name} is not installed`, "picket service install --start")];
  }
  const said = `${name} is ${state}${detail === undefined ? "" : ` (${detail})`}`;
  if (state === "running") return [pass(said)];
  return state === "failed"
    ? [fail(said, manager.logHint(name))]
    : [warn(said, "picket service start")];
}
