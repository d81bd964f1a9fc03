/**
 * Puts an agent together: state file, metrics, connections, sources, sinks, API.
 */
import { getLogger } from "@logtape/logtape";
import type { Hono } from "hono";
import type { AuthSettings } from "../admin/auth.ts";
import { type AdminApp, createAdminApp } from "../admin/app.ts";
import { PrometheusMetrics } from "../admin/prometheus.ts";
import type { NatsFacts, ScrapeFacts } from "../admin/scrape_metrics.ts";
import { type AdminServer, serveAdmin } from "../admin/serve.ts";
import type { ConfigInfo, LogLevelInfo } from "../admin/view.ts";
import { startDeadLetterDrain } from "../deliver/dead_letter_sink.ts";
import type { SinkDrain } from "../deliver/drain.ts";
import type { NatsSink } from "../deliver/nats_sink.ts";
import { loadWebhooks } from "../deliver/http/webhooks.ts";
import type { HttpIngestSource } from "../ingest/http.ts";
import { StateError } from "../runtime/errors.ts";
import { NatsConnections } from "../runtime/nats/connection.ts";
import type { EventSource, Sink } from "../runtime/plugin.ts";
import type { RuleSetCompiler } from "../runtime/rule_set.ts";
import { openState } from "../store/open_state.ts";
import type { StateStore } from "../store/state_store.ts";
import { Agent } from "./agent.ts";
import { auditStore } from "./audit_store.ts";
import type { LoadedConfig } from "./config/load.ts";
import { describeConfig, maskUrl } from "./config/show.ts";
import type { AgentConfig, ApiConfig } from "./config/types.ts";
import { makeSink, makeSource, type Shared } from "./factories.ts";
import { otlpListening, otlpSources } from "./otlp.ts";
import { LiveView } from "./view.ts";

const log = getLogger(["picket", "agent"]);

/** What the surroundings give an agent. */
export interface ComposeOptions {
  readonly loaded: LoadedConfig;
  readonly reloadConfig: () => LoadedConfig;
  readonly compile: RuleSetCompiler;
  readonly embeddedRules: Uint8Array | undefined;
  readonly version: string;
  readonly commit: string | null;
  readonly runtime: string;
  readonly setLogLevel: (level: LogLevelInfo["level"]) => void;
  /** The page at `/ui/`. */
  readonly ui?: Hono;
  /** Gives up a start that is still loading rules; later it does nothing. */
  readonly signal?: AbortSignal;
}

/** An agent that runs. */
export interface RunningAgent {
  readonly agent: Agent;
  /** Where the API listens; `undefined` without one. */
  readonly url: string | undefined;
  /** Stops everything in order and closes the state file. A second call waits for the first. */
  stop(): Promise<void>;
}

const MAINTAIN_MS = 60_000;

/**
 * Starts an agent; the API listens before rules are loaded, so that a slow start can be watched.
 *
 * @throws {StateError} If the state file cannot be used and must be.
 * @throws {AdminError} If the API cannot listen.
 * @throws {RuntimeError} `RULES_UNUSABLE`.
 * Rejects with the reason of `options.signal`. Nothing is left open by a start that fails.
 */
export async function startAgent(options: ComposeOptions): Promise<RunningAgent> {
  const { loaded } = options;
  const { config } = loaded;
  const { store, problem: stateProblem } = openStateOf(config);
  const stack: (() => Promise<void> | void)[] = [() => store[Symbol.dispose]()];
  const unwind = async (): Promise<void> => {
    for (const close of stack.toReversed()) await close();
  };
  try {
    const metrics = new PrometheusMetrics({
      ...options,
      prefix: config.metrics.prefix === "rsigma" ? "rsigma" : "picket",
    });
    const connections = new NatsConnections();
    stack.push(() => connections[Symbol.asyncDispose]());
    /** Made last, but parts made before refer to it. */
    const admin: { app?: AdminApp; server?: AdminServer } = {};
    let made = 0;
    const shared: Shared = {
      connections,
      metrics,
      nextBootId: () => `${store.bootId}.${made++}`,
      version: options.version,
      listenOtlp: otlpListening({
        api: config.api,
        auth: authSettings(config.api),
        metrics,
        shared: () => admin.app?.auth,
      }),
      onConnected: (sinkId) => agent.sinks.retry(sinkId),
    };
    const agent: Agent = new Agent({
      ...options,
      store,
      ...(stateProblem === undefined ? {} : { stateProblem }),
      metrics,
      makeSource: (settings) => makeSource(settings, shared),
      makeSink: (settings, identity, { sources }): Sink =>
        makeSink(settings, shared, { ...identity, sources }),
      onLogLevel: (level) => options.setLogLevel(level === "off" ? "error" : level),
      onReload: async () => {
        const reloads = [admin.server, ...otlpSources(sourcesOf(agent))].map((one) =>
          one?.reloadTls()
        );
        return (await Promise.all(reloads)).includes(true);
      },
      moreSinks: ({ webhooks, egress }) => loadWebhooks(webhooks, { egress }),
    });
    const view = new LiveView(agent, {
      ...options,
      config: () => {
        const { config: shown, sources } = describeConfig(agent.loaded);
        return { config: shown as ConfigInfo["config"], origins: sources };
      },
      ...logLevels(config, options.setLogLevel),
      ingest: async (lines, signal, key) => {
        const source = sourcesOf(agent).find(isHttpSource);
        return source === undefined ? { kind: "disabled" } : await source.push(lines, signal, key);
      },
      otlp: () => otlpSources(sourcesOf(agent)).at(0),
      audit: config.api.audit.enabled ? auditStore(store) : undefined,
    });
    if (config.api.enabled) {
      admin.app = createAdminApp(view, adminOptions(config, metrics, options.ui));
      admin.server = await serve(admin.app, config.api);
      stack.push(() => admin.server?.stop());
    }
    metrics.onScrape(() => ({
      sinks: view.sinks(),
      inputs: view.inputs(),
      tlsExpiresMs: admin.server?.tlsExpiresMs(),
      nats: natsFacts(connections, agent.sinks.sinks.filter(isNatsSink)),
      dropped: droppedAlerts(store),
      observed: agent.observers.facts(
        agent.rules.collection.rules,
        agent.config.rules.logsourceRouting,
      ),
    }));
    const late: { letters?: SinkDrain | undefined; maintenance?: ReturnType<typeof setInterval> } =
      {};
    stack.push(
      () => late.letters?.stop(AbortSignal.timeout(config.stop.deliverMs)),
      () => clearInterval(late.maintenance),
      // Before the start, which may fail when some sinks are already at work.
      () => agent.stop(),
    );
    await agent.start(options.signal);
    late.letters = startLetters(config, agent, store, metrics, shared);
    late.maintenance = setInterval(() => maintain(store), MAINTAIN_MS);
    let stopping: Promise<void> | undefined;
    return { agent, url: admin.server?.url, stop: () => stopping ??= unwind() };
  } catch (error) {
    await unwind();
    throw error;
  }
}

/** Opens the state file; one that is not required and cannot be used is replaced by memory. */
function openStateOf(
  config: AgentConfig,
): { readonly store: StateStore; readonly problem: string | undefined } {
  const { path, fsync, required } = config.state;
  const options = {
    outbox: { fsync, ...config.outbox },
    deadLetterRecords: config.deadLetters.maxRecords,
    auditEntries: config.api.audit.maxEntries,
    auditMs: config.api.audit.maxAgeMs,
    ...(config.agent.id === undefined ? {} : { agentId: config.agent.id }),
  };
  let store: StateStore;
  let problem: string | undefined;
  try {
    store = openState(path, options);
  } catch (error) {
    const isOurs = error instanceof StateError;
    if (!isOurs || required || error.code === "STATE_BUSY" || error.code === "STATE_VERSION") {
      throw error;
    }
    log.error("The state file cannot be used: a crash now loses alerts and positions", {
      path,
      reason: error.message,
    });
    problem = error.message;
    store = openState(":memory:", options);
  }
  const { recovery, replacedAgentId } = store;
  if (recovery !== undefined) {
    log.error("The state file was damaged and has been replaced", {
      problem: recovery.problem,
      set_aside: recovery.setAside,
    });
  }
  if (replacedAgentId !== undefined) {
    log.warn("This state was copied from another machine; the agent has a new id", {
      old: replacedAgentId,
      new: store.agentId,
    });
  }
  return { store, problem };
}

function adminOptions(
  config: AgentConfig,
  metrics: PrometheusMetrics,
  ui: Hono | undefined,
): NonNullable<Parameters<typeof createAdminApp>[1]> {
  const { api, tap, tail } = config;
  const { rateLimit } = api;
  return {
    auth: authSettings(api),
    allowedHosts: api.auth.allowedHosts,
    limits: {
      requestsPerSecond: rateLimit.requestsPerSecond,
      requestBurst: rateLimit.burst,
      ingestBytesPerSecond: rateLimit.ingestBytesPerSecond,
      authFailuresPerMinute: rateLimit.authFailuresPerMinute,
      lockoutMs: rateLimit.lockoutMs,
      bodyBytes: api.audit.maxBodyBytes,
      ingestInflatedBytes: api.maxBodyBytes,
      requestTimeoutMs: api.requestTimeoutMs,
    },
    tap,
    tail,
    metrics,
    exposition: metrics,
    ...(ui === undefined || !config.ui.enabled ? {} : { ui }),
    warn: (message) => getLogger(["picket", "admin"]).warn("{message}", { message }),
  };
}

function authSettings({ auth, tokenFile }: ApiConfig): AuthSettings {
  return {
    tokens: auth.tokens.map(({ name, grant, token }) => ({ name, ...grant, secret: token })),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    roles: auth.roles,
    anonymousPermissions: auth.anonymousPermissions,
    loopback: auth.loopback,
    unixSocket: auth.loopback,
  };
}

async function serve(app: AdminApp, api: ApiConfig): Promise<AdminServer> {
  const { address } = api;
  const server = await serveAdmin(app, {
    addr: address.kind === "unix"
      ? `unix://${address.path}`
      : `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`,
    ...(api.tls === undefined ? {} : { tls: api.tls }),
    allowPlaintext: api.allowPlaintext,
    maxConnections: api.maxConnections,
  });
  log.info("API server listening", { addr: server.url });
  return server;
}

function logLevels(
  config: AgentConfig,
  setLevel: (level: LogLevelInfo["level"]) => void,
): {
  readonly logLevel: () => LogLevelInfo;
  readonly setLogLevel: (level: LogLevelInfo["level"], seconds: number | undefined) => LogLevelInfo;
} {
  const configured = config.log.level === "off" ? "error" : config.log.level;
  let current: LogLevelInfo = { level: configured, configured, reverts: null };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const set = (level: LogLevelInfo["level"], reverts: number | null): LogLevelInfo => {
    clearTimeout(timer);
    setLevel(level);
    return current = { level, configured, reverts };
  };
  return {
    logLevel: () => current,
    setLogLevel: (level, seconds) => {
      if (seconds === undefined) return set(level, null);
      const info = set(level, Math.floor(Date.now() / 1000) + seconds);
      timer = setTimeout(() => set(configured, null), seconds * 1000);
      timer.unref();
      return info;
    },
  };
}

/** Records of lines and alerts that were given up, to the sink for them. */
function startLetters(
  config: AgentConfig,
  agent: Agent,
  store: StateStore,
  metrics: PrometheusMetrics,
  shared: Shared,
): SinkDrain | undefined {
  const settings = config.deadLetters.sink;
  if (settings === undefined) return undefined;
  const { identity } = agent;
  const sink: Sink = makeSink(settings, shared, { ...identity, sources: config.sources });
  return startDeadLetterDrain({ sink, outbox: store, settings, metrics, agentId: store.agentId });
}

function droppedAlerts(store: StateStore): NonNullable<ScrapeFacts["dropped"]> {
  try {
    return Object.entries(store.stats().dropped).map(([name, count]) => {
      const [reason = "", level = ""] = name.split(":");
      return { reason, level, count };
    });
  } catch {
    return []; // A damaged state file must not take the other metrics with it.
  }
}

function natsFacts(connections: NatsConnections, sinks: readonly NatsSink[]): NatsFacts {
  return {
    connections: connections.links().map(({ settings, status }) => ({
      server: status.server ?? settings.servers.map(maskUrl).join(","),
      state: status.state,
      reconnects: status.reconnects,
    })),
    sinks: sinks.map(({ id, counts: { duplicates, ambiguous } }) => ({
      id,
      duplicates,
      ambiguous,
    })),
  };
}

function sourcesOf(agent: Agent): readonly EventSource[] {
  return agent.sources.runners.map(({ source }) => source);
}

function isHttpSource(source: EventSource): source is HttpIngestSource {
  return source.kind === "http";
}

function isNatsSink(sink: Sink): sink is NatsSink {
  return sink.kind === "nats";
}

function maintain(store: StateStore): void {
  try {
    store.maintain(Date.now());
  } catch (error) {
    log.warn("The state file cannot be tidied", { reason: String(error) });
  }
}
