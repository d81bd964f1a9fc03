/**
 * Looks at everything the agent depends on, and changes nothing.
 */
import { hostname } from "node:os";
import { loadWebhooks } from "../../deliver/http/webhooks.ts";
import { noopMetrics } from "../../runtime/metrics.ts";
import { NatsConnections } from "../../runtime/nats/connection.ts";
import type { RuleSetCompiler } from "../../runtime/rule_set.ts";
import type { SinkSettings } from "../../runtime/settings.ts";
import { configHints } from "../config/hints.ts";
import { loadConfig, type LoadConfigOptions, type LoadedConfig } from "../config/load.ts";
import { ConfigError, type ConfigProblem, originText, problemText } from "../config/problems.ts";
import { makeSink, type Shared } from "../factories.ts";
import { serviceManager } from "../service/platform.ts";
import { type Check, fail, type Finding, messageOf, pass, runCheck, warn } from "./finding.ts";
import {
  checkApi,
  checkClock,
  checkRules,
  checkSchema,
  checkService,
  checkState,
  checkTokens,
} from "./machine.ts";
import { sinkCheck } from "./sinks.ts";
import { sourceCheck } from "./sources.ts";

export interface DiagnoseOptions {
  readonly config: LoadConfigOptions;
  readonly compile: RuleSetCompiler;
  readonly embeddedRules: Uint8Array | undefined;
  /** How long each check may take. Default 5000. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
/** Closing connections is a courtesy that nobody waits for. */
const CLOSE_MS = 500;

/** All findings, in the order in which people read a configuration. Never rejects. */
export async function diagnose(options: DiagnoseOptions): Promise<readonly Finding[]> {
  const { timeoutMs = TIMEOUT_MS } = options;
  const env = options.config.env ?? {};
  let loaded: LoadedConfig | undefined;
  const findings: Finding[] = [];
  try {
    loaded = loadConfig(options.config);
    findings.push(...configFindings(loaded, env));
  } catch (error) {
    findings.push(...configFailures(error));
  }
  const connections = new NatsConnections();
  const checks: readonly Check[] = [
    ...(loaded === undefined ? [] : checksOf(loaded, connections, options)),
    { name: "service", run: (signal) => checkService(serviceManager(env), signal) },
  ];
  const judged = await Promise.all(checks.map((check) => runCheck(check, timeoutMs)));
  await Promise.race([
    connections[Symbol.asyncDispose](),
    new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref()),
  ]);
  return [...findings, ...judged.flat()];
}

function checksOf(
  { config }: LoadedConfig,
  connections: NatsConnections,
  { compile, embeddedRules }: DiagnoseOptions,
): readonly Check[] {
  const shared: Shared = {
    connections,
    metrics: noopMetrics,
    nextBootId: () => "doctor",
    version: "doctor",
    onConnected: () => {},
  };
  const identity = {
    id: config.agent.id ?? "doctor",
    host: hostname(),
    labels: config.agent.labels,
    sources: config.sources,
  };
  const make = (settings: SinkSettings) => makeSink(settings, shared, identity);
  const letters = config.deadLetters.sink;
  const sinks = [...config.sinks, ...(letters === undefined ? [] : [letters])];
  return [
    { name: "rules", run: (signal) => checkRules(config, embeddedRules, compile, signal) },
    { name: "schema", run: () => checkSchema(config) },
    { name: "state", run: () => checkState(config) },
    ...config.sources.map((settings) => sourceCheck(settings, connections)),
    ...sinks.map((settings) => sinkCheck(settings, make)),
    ...webhookChecks(config, make),
    { name: "api", run: (signal) => checkApi(config.api, signal) },
    { name: "tokens", run: () => checkTokens(config.api) },
    { name: "clock", run: (signal) => checkClock(config.state.path, signal) },
  ];
}

function webhookChecks(
  { webhooks, egress }: LoadedConfig["config"],
  make: Parameters<typeof sinkCheck>[1],
): readonly Check[] {
  if (webhooks.length === 0) return [];
  try {
    return loadWebhooks(webhooks, { egress }).map((settings) => sinkCheck(settings, make));
  } catch (error) {
    const reason = messageOf(error);
    return [{ name: "webhooks", run: () => [fail(reason, "correct the file of webhooks")] }];
  }
}

function configFindings(
  loaded: LoadedConfig,
  env: Readonly<Record<string, string | undefined>>,
): readonly Finding[] {
  const check = "config";
  const { config, files, warnings } = loaded;
  const judged = [
    files.length === 0
      ? warn("there is no configuration file, so nothing is read", "picket config init")
      : pass(files.join(", ")),
    ...warnings.map((problem) => warn(problemText(problem), fixOf(problem))),
    // Rules, sources, sinks and state are looked at by themselves.
    ...configHints(loaded, env).filter(({ path }) =>
      !/^(?:rules|sources|sinks|state)\b.*paths?\b/.test(path)
    )
      .map((problem) => warn(problemText(problem), fixOf(problem))),
    ...(files.length > 0 && config.sources.length === 0
      ? [warn("there are no sources, so nothing is read", "add one under sources")]
      : []),
    ...(files.length > 0 && config.sinks.length === 0 && config.webhooks.length === 0
      ? [warn("there are no sinks, so alerts go nowhere", "add one under sinks")]
      : []),
  ];
  return judged.map((one) => ({ check, ...one }));
}

function configFailures(error: unknown): readonly Finding[] {
  const check = "config";
  if (!(error instanceof ConfigError)) {
    return [{ check, ...fail(messageOf(error), "picket config validate") }];
  }
  return error.problems.map((problem) => ({
    check,
    ...fail(problemText(problem), fixOf(problem)),
  }));
}

function fixOf({ origin }: ConfigProblem): string {
  const where = originText(origin);
  return where === "" ? "picket config validate tells more" : `change it at ${where}`;
}
