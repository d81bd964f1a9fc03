/**
 * The agent for programs that have it inside: a configuration goes in, a handle comes out.
 *
 * What `compose.ts` gives the executable shows every part of the agent. This shows what such a
 * program needs, in types that stay as they are when the parts change.
 */
import { compileRuleSet, type RuleSetCompiler } from "../runtime/rule_set.ts";
import type { StateStore } from "../store/state_store.ts";
import { startAgent } from "./compose.ts";
import { loadConfig, type LoadConfigOptions } from "./config/load.ts";
import type { ConfigProblem } from "./config/problems.ts";
import type { AgentConfig } from "./config/types.ts";

/** A configuration that can be used. */
export interface ReadConfig {
  /** All settings, defaults filled in. */
  readonly config: AgentConfig;
  /** The files that were read, the one that counts least first. */
  readonly files: readonly string[];
  /** What is odd in them, and can be used all the same. */
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Reads, merges and checks the configuration, as `picket run` does.
 *
 * @throws {ConfigError} With everything that is wrong in `problems`.
 */
export function readConfig(options: LoadConfigOptions = {}): ReadConfig {
  return loadConfig(options);
}

/** Where the configuration is, and what surrounds the agent. */
export interface EmbedOptions extends LoadConfigOptions {
  /** Compiles rules elsewhere, such as in a worker; by default in this thread. */
  readonly compile?: RuleSetCompiler;
  /** A bundle that is used where the configuration names no rules. */
  readonly embeddedRules?: Uint8Array;
  /** Of the program; shown by the API. Default `embedded`. */
  readonly version?: string;
  /** Told when somebody changes the log level through the API. */
  readonly setLogLevel?: (level: "trace" | "debug" | "info" | "warn" | "error") => void;
}

/** What became of a part of the agent in a reload. */
export interface ReloadedPart {
  /** `rules`, `config`, `inputs`, `sinks`, `tls`. */
  readonly name: string;
  readonly outcome: "reloaded" | "unchanged" | "failed" | "needs_restart" | "skipped";
  /** Why it failed, or which settings need a restart. */
  readonly message?: string | undefined;
}

/** An agent that runs in this process. Disposing of it stops it. */
export interface EmbeddedAgent extends AsyncDisposable {
  /** The agent's id, from the configuration or the state file. */
  readonly id: string;
  /** Where the API listens; `undefined` without one. */
  readonly url: string | undefined;
  /** The state file: alerts, backlogs, dead letters. It belongs to the agent, which closes it. */
  readonly state: StateStore;
  /** Resolves when every source has come to its end and what they gave has been delivered. */
  readonly finished: Promise<void>;
  /** Reads configuration and rules again. What fails leaves the old in service and says why. */
  reload(): Promise<readonly ReloadedPart[]>;
  /** Stops everything in order and closes the state file. A second call waits for the first. */
  stop(): Promise<void>;
}

/**
 * Starts an agent as `picket run` does: sources, rules, state file, sinks, reload, API.
 *
 * It handles no signals of the process and writes no log of its own: configure `@logtape/logtape`
 * for the category `picket`.
 *
 * @throws {ConfigError} If the configuration cannot be used.
 * @throws {StateError} If the state file cannot be used and must be.
 * @throws {RuntimeError} `RULES_UNUSABLE` if there are no rules to work with.
 */
export async function embedAgent(options: EmbedOptions = {}): Promise<EmbeddedAgent> {
  const load = (): ReturnType<typeof loadConfig> => loadConfig(options);
  const { agent, url, stop } = await startAgent({
    loaded: load(),
    reloadConfig: load,
    compile: options.compile ?? ((request) => Promise.resolve(compileRuleSet(request))),
    embeddedRules: options.embeddedRules,
    version: options.version ?? "embedded",
    commit: null,
    runtime: "embedded",
    setLogLevel: options.setLogLevel ?? (() => {}),
  });
  return {
    id: agent.identity.id,
    url,
    state: agent.store,
    finished: agent.finished,
    reload: async () => (await agent.reloader.reload("signal", false)).components,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
