/**
 * The configuration of the agent after it has been checked: what `src/agent` works from.
 *
 * Everything with a default has it; times are milliseconds, sizes bytes, paths absolute.
 */
import type { LogsourceFields } from "../../engine/logsource.ts";
import type { MatchDetail } from "../../engine/result.ts";
import type {
  EgressSettings,
  OutboxSettings,
  Secret,
  SinkSettings,
  SourceSettings,
} from "../../runtime/settings.ts";
import type { UnknownPolicy } from "../../schema/config.ts";
import type { Level } from "../../sigma/rule.ts";

export interface AgentConfig {
  readonly agent: {
    /** Absent: the agent makes one at its first start and keeps it in the state. */
    readonly id?: string;
    /** Go into every alert. */
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly rules: RulesConfig;
  readonly reload: {
    readonly watch: boolean;
    readonly debounceMs: number;
    /** 0: never. */
    readonly pollIntervalMs: number;
  };
  readonly schema: SchemaSectionConfig;
  readonly observeFields: { readonly enabled: boolean; readonly maxKeys: number };
  readonly sources: readonly SourceSettings[];
  readonly sinks: readonly SinkSettings[];
  /** Files and directories of webhook definitions. */
  readonly webhooks: readonly string[];
  readonly deadLetters: {
    readonly sink?: SinkSettings;
    /** Whether lines that could not be decoded are kept, too. */
    readonly keepParseErrors: boolean;
    readonly maxRecords: number;
  };
  readonly output: {
    /** `alert_id` in each alert. */
    readonly nativeIds: boolean;
  };
  readonly state: {
    readonly path: string;
    readonly fsync: "full" | "normal";
    /** Whether the agent refuses to start without it. */
    readonly required: boolean;
  };
  readonly outbox: OutboxSettings;
  readonly egress: EgressSettings;
  readonly api: ApiConfig;
  readonly ui: { readonly enabled: boolean };
  readonly tap: {
    readonly enabled: boolean;
    readonly bufferEvents: number;
    readonly maxSessions: number;
    readonly maxDurationMs: number;
  };
  readonly tail: {
    readonly enabled: boolean;
    readonly bufferEvents: number;
    readonly maxSessions: number;
  };
  readonly log: LogConfig;
  readonly limits: {
    /** Events that are evaluated together, and that may wait for it. */
    readonly batchSize: number;
    readonly bufferSize: number;
    /** How long a commit waits for more. */
    readonly commitWaitMs: number;
    /** For sources that do not set their own. */
    readonly maxLineBytes: number;
  };
  /** How long each part of stopping may take. */
  readonly stop: {
    readonly sourcesMs: number;
    readonly commitMs: number;
    readonly deliverMs: number;
  };
  readonly metrics: {
    /** `picket`, or `rsigma` for existing dashboards. */
    readonly prefix: "picket" | "rsigma";
  };
}

export interface RulesConfig {
  /** Files, directories, bundles. */
  readonly paths: readonly string[];
  /** `auto`: the embedded rules, unless `paths` names others. */
  readonly embedded: "auto" | boolean;
  /** Path of the PEM public key that bundles must be signed with. */
  readonly bundleKey?: string;
  /** Whether a rule that does not load is left out, or keeps the set from loading. */
  readonly onError: "skip" | "fail";
  readonly minLevel?: Level;
  /** Ids or titles of rules that are not evaluated. */
  readonly disable: readonly string[];
  readonly matchDetail: MatchDetail;
  readonly includeEvent: boolean;
  readonly logsourceRouting: boolean;
  /** Fields in which events tell their logsource. */
  readonly logsourceFields?: LogsourceFields;
}

export interface SchemaSectionConfig {
  /** Whether schemas are counted; so they are with `discover`. */
  readonly observe: boolean;
  readonly discover: boolean;
  /** Whether events are evaluated as their schema says. */
  readonly routing: boolean;
  /** Path of a schema file. */
  readonly config?: string;
  /** Beats what the file says. */
  readonly onUnknown?: UnknownPolicy;
  readonly partitionRules: boolean;
}

/** Where the API listens. `host` is an IP address without brackets; port 0 is any free one. */
export type ApiAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface ApiConfig {
  readonly enabled: boolean;
  readonly address: ApiAddress;
  /** Absent: plaintext, which a public address only has when `allowPlaintext` says so. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly clientCa?: string;
    readonly minVersion: "1.2" | "1.3";
  };
  readonly allowPlaintext: boolean;
  readonly auth: ApiAuthConfig;
  /** The token store. */
  readonly tokenFile?: string;
  readonly rateLimit: {
    readonly requestsPerSecond: number;
    readonly burst: number;
    /** 0: no limit. */
    readonly ingestBytesPerSecond: number;
    readonly authFailuresPerMinute: number;
    readonly lockoutMs: number;
  };
  readonly maxConnections: number;
  /** Of one request's body, inflated. */
  readonly maxBodyBytes: number;
  readonly requestTimeoutMs: number;
  readonly audit: {
    readonly enabled: boolean;
    readonly maxEntries: number;
    readonly maxAgeMs: number;
    readonly maxBodyBytes: number;
  };
}

export interface ApiAuthConfig {
  /** What works without a token, besides the probes. */
  readonly anonymousPermissions: readonly string[];
  /** Roles besides the built-in ones. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly tokens: readonly ApiTokenConfig[];
  /** `trusted`: callers from this machine need no token. */
  readonly loopback: "required" | "trusted";
  /** Values of `Host` that are accepted besides the bound address and `localhost`. */
  readonly allowedHosts: readonly string[];
}

export interface ApiTokenConfig {
  readonly name: string;
  readonly grant:
    | { readonly role: string }
    | { readonly permissions: readonly string[] };
  readonly token: Secret;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "off";

export interface LogConfig {
  readonly level: LogLevel;
  /** `auto`: text on a terminal, else JSON. */
  readonly format: "auto" | "text" | "json";
  readonly file?: { readonly path: string; readonly maxBytes: number; readonly keep: number };
}
