/**
 * The settings of sources, sinks and what they share, after the configuration has been checked.
 *
 * `src/agent/config` makes these from YAML (`timeout: 30s` becomes `timeoutMs: 30000`, sizes become
 * bytes, secrets become functions that read them); library users write them down directly.
 */
import type { LineFormat } from "../decode/parse_line.ts";
import type { SinkFilter } from "./outbox.ts";

/**
 * A secret that is read when it is needed, so that a rotated one is picked up and none lies in a
 * settings object. Throws `SettingError`-like messages that name the file or variable, not the value.
 */
export type Secret = () => string;

/** TLS as a client. Paths of PEM files; they are read again when they have changed. */
export interface TlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  /** Only for tests and emergencies: accepts any certificate. */
  readonly insecure?: boolean;
}

/** What every source has. */
export interface SourceCommon {
  readonly id: string;
  /** Default `auto`. */
  readonly format?: LineFormat;
  /** What is known of events that do not tell it themselves. */
  readonly logsource?: {
    readonly product?: string;
    readonly service?: string;
    readonly category?: string;
  };
  /** Go into every alert of the source. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Minutes east of UTC for syslog timestamps without a zone. Default 0. */
  readonly syslogOffsetMinutes?: number;
}

export type Multiline =
  /** Lines that begin with a blank or tab belong to the line before. */
  | { readonly kind: "indent" }
  | { readonly kind: "start"; readonly pattern: string }
  | { readonly kind: "end"; readonly pattern: string }
  /** Objects over several lines. */
  | { readonly kind: "json" };

export interface FileSourceSettings extends SourceCommon {
  readonly type: "file";
  /** Paths and globs (`*`, `?`, `**`, `{a,b}`, `[…]`). */
  readonly paths: readonly string[];
  readonly exclude?: readonly string[];
  /** Where files begin that are there at the first start. Default `end`; later ones at `start`. */
  readonly startAt?: "start" | "end";
  /** Default: told by its first bytes, else UTF-8. */
  readonly encoding?: "utf-8" | "utf-16le" | "utf-16be" | "latin1" | "windows-1252";
  readonly multiline?: Multiline;
  /** Default 1 MiB. */
  readonly maxLineBytes?: number;
  /** Default 250. */
  readonly pollMs?: number;
  /** Catches up compressed and renamed siblings after downtime. Default `true`. */
  readonly readRotated?: boolean;
  /** Only files whose real path is inside this directory. */
  readonly root?: string;
}

export interface EvtxSourceSettings extends SourceCommon {
  readonly type: "evtx";
  /** Paths of .evtx files, or names of Windows channels (`Security`). */
  readonly channels: readonly string[];
  readonly startAt?: "start" | "end";
  /** Default 500. */
  readonly pollMs?: number;
}

export interface JournaldSourceSettings extends SourceCommon {
  readonly type: "journald";
  readonly units?: readonly string[];
  readonly startAt?: "start" | "end";
  /** The program, `journalctl` by default. */
  readonly command?: string;
  readonly directory?: string;
}

export interface StdinSourceSettings extends SourceCommon {
  readonly type: "stdin";
}

export interface HttpSourceSettings extends SourceCommon {
  /** Filled by `POST /api/v1/events` of the admin listener. */
  readonly type: "http";
  readonly maxLineBytes?: number;
}

export interface UnixSourceSettings extends SourceCommon {
  readonly type: "unix";
  readonly path: string;
  readonly maxLineBytes?: number;
}

export type NatsReplay =
  | { readonly kind: "resume" }
  | { readonly kind: "all" }
  | { readonly kind: "new" }
  | { readonly kind: "last" }
  | { readonly kind: "last_per_subject" }
  | { readonly kind: "sequence"; readonly sequence: number }
  /** Unix milliseconds. */
  | { readonly kind: "time"; readonly timeMs: number };

export type NatsAuth =
  | { readonly kind: "none" }
  | { readonly kind: "creds"; readonly file: string }
  | { readonly kind: "token"; readonly token: Secret }
  | { readonly kind: "user"; readonly user: string; readonly password: Secret }
  | { readonly kind: "nkey"; readonly seed: Secret }
  | { readonly kind: "jwt"; readonly jwtFile: string; readonly seed: Secret };

/** How to reach NATS; one connection serves every source and sink with equal settings. */
export interface NatsSettings {
  /** `nats://host:4222`, `tls://…`. */
  readonly servers: readonly string[];
  readonly name?: string;
  readonly auth?: NatsAuth;
  readonly tls?: TlsSettings & { readonly required?: boolean; readonly first?: boolean };
  readonly domain?: string;
  readonly apiPrefix?: string;
  readonly inboxPrefix?: string;
  /** Default 5000. */
  readonly timeoutMs?: number;
  readonly reconnectWaitMs?: number;
  readonly reconnectMaxWaitMs?: number;
  readonly reconnectJitterMs?: number;
  readonly pingIntervalMs?: number;
  readonly maxPingsOut?: number;
}

export interface NatsSourceSettings extends SourceCommon {
  readonly type: "nats";
  readonly nats: NatsSettings;
  readonly subjects: readonly string[];
  /** Default: derived from the subject. */
  readonly stream?: string;
  /** Makes the stream if it is missing; for development. Default `false`. */
  readonly createStream?: boolean;
  /** Default: derived from the subject. */
  readonly durable?: string;
  /** Default `if_missing`. */
  readonly createConsumer?: "never" | "if_missing" | "update";
  readonly replay?: NatsReplay;
  /** What to do when `replay` is not `resume` and the durable exists. Default `error`. */
  readonly onExisting?: "resume" | "error" | "recreate";
  readonly ackWaitMs?: number;
  readonly maxAckPending?: number;
  readonly maxDeliver?: number;
  readonly backoffMs?: readonly number[];
  readonly doubleAck?: boolean;
  readonly fetchBatch?: number;
  readonly fetchBytes?: number;
  readonly fetchExpiresMs?: number;
  readonly idleHeartbeatMs?: number;
  readonly inactiveThresholdMs?: number;
  readonly replicas?: number;
}

export type SourceSettings =
  | FileSourceSettings
  | EvtxSourceSettings
  | JournaldSourceSettings
  | StdinSourceSettings
  | HttpSourceSettings
  | UnixSourceSettings
  | NatsSourceSettings;

/** What every sink has. */
export interface SinkCommon {
  readonly id: string;
  readonly filter?: SinkFilter;
  /** Alerts a call of `send` gets at most. Default 100. */
  readonly batchMax?: number;
  /** How long to wait for more alerts before sending fewer. Default 0; critical ones never wait. */
  readonly lingerMs?: number;
  /** First and longest pause between tries. Default 500 and 60,000. */
  readonly backoffBaseMs?: number;
  readonly backoffMaxMs?: number;
  /** Default `newest`. */
  readonly start?: "newest" | "oldest";
}

export interface StdoutSinkSettings extends SinkCommon {
  readonly type: "stdout";
  readonly pretty?: boolean;
}

export interface FileSinkSettings extends SinkCommon {
  readonly type: "file";
  readonly path: string;
  /** Default 100 MiB; 0 never. */
  readonly rotateBytes?: number;
  /** Default 24 h; 0 never. */
  readonly rotateAgeMs?: number;
  /** How many rotated files stay. Default 7. */
  readonly rotateKeep?: number;
  /** Default `true`. */
  readonly rotateGzip?: boolean;
  /** Default `always`: an alert counts as delivered when it is on the disk. */
  readonly fsync?: "always" | "interval" | "none";
}

export interface UnixSinkSettings extends SinkCommon {
  readonly type: "unix";
  readonly path: string;
}

export interface NatsSinkSettings extends SinkCommon {
  readonly type: "nats";
  readonly nats: NatsSettings;
  /** With `${agent.id}`, `${agent.host}`, `${alert.level}`, `${alert.rule_id}`, `${source.id}`, `${label.NAME}`. */
  readonly subject: string;
  /** `false` publishes to core NATS: without acknowledgement, so loss is possible. Default `true`. */
  readonly jetstream?: boolean;
  /** The stream that must answer. */
  readonly expectStream?: string;
  readonly createStream?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 64. */
  readonly maxInFlight?: number;
  readonly ackTimeoutMs?: number;
  /** One publish at a time, each with the subject's last sequence: no duplicate whatever the window. */
  readonly expectedSequence?: boolean;
  /** Bodies above 1 KiB are gzipped, with `Content-Encoding: gzip`. Default `false`. */
  readonly gzip?: boolean;
  /** Warns when the stream's duplicate window is shorter. Default 120,000. */
  readonly minDuplicateWindowMs?: number;
}

/** Signing of HTTP requests: `spec` of Standard Webhooks, GitHub's header, or a scheme of one's own. */
export type HttpSigning =
  & {
    readonly secret: Secret;
    readonly rotateSecret?: Secret;
    readonly secretEncoding?: "utf8" | "base64";
  }
  & (
    | { readonly scheme: "standard" | "github" }
    | {
      readonly scheme: "custom";
      readonly algorithm?: "sha256" | "sha512";
      readonly encoding?: "hex" | "base64";
      readonly signatureHeader: string;
      readonly valueFormat: string;
      readonly signedPayload: string;
      readonly timestampHeader?: string;
      readonly idHeader?: string;
    }
  );

export interface HttpSinkSettings extends SinkCommon {
  readonly type: "http";
  /** Templates of the webhook notation (`${detection.rule.title}`, `${ENV_VAR}`). */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bearer?: Secret;
  /** `ndjson` and `json` send a batch in one request, `template` one request an alert. Default `ndjson`. */
  readonly mode?: "ndjson" | "json" | "template";
  /** For `template`: the body, values escaped for JSON texts. */
  readonly body?: string;
  readonly gzip?: boolean;
  /** Default 512 KiB. */
  readonly maxBatchBytes?: number;
  readonly connectTimeoutMs?: number;
  readonly timeoutMs?: number;
  readonly rateLimit?: { readonly requests: number; readonly perMs: number };
  readonly signing?: HttpSigning;
  readonly tls?: TlsSettings;
  /** `env` (default) honours HTTP(S)_PROXY and NO_PROXY. */
  readonly proxy?: "env" | "none" | string;
  /** Default 0: a redirect is a configuration error. */
  readonly maxRedirects?: number;
  /** Statuses that count as delivered besides 2xx. */
  readonly expectStatus?: readonly number[];
  readonly egress: EgressSettings;
}

export type SinkSettings =
  | StdoutSinkSettings
  | FileSinkSettings
  | UnixSinkSettings
  | NatsSinkSettings
  | HttpSinkSettings;

/** Where outgoing connections may go. */
export interface EgressSettings {
  readonly policy: "default" | "strict" | "permissive";
  readonly allowHosts?: readonly string[];
  readonly denyHosts?: readonly string[];
  readonly allowCidrs?: readonly string[];
  readonly denyCidrs?: readonly string[];
  readonly allowPorts?: readonly number[];
}

/** Bounds of the outbox. */
export interface OutboxSettings {
  /** Default 512 MiB of alert bodies. */
  readonly maxBytes?: number;
  /** Default 30 days. */
  readonly maxAgeMs?: number;
  /** Disk space that stays free. Default 256 MiB. */
  readonly minFreeBytes?: number;
  /** Default `drop_lowest`: the lowest level first, in it the oldest. */
  readonly onFull?: "drop_lowest" | "drop_oldest" | "block";
  /** `full` (default) survives a power cut, `normal` only a crash of the process. */
  readonly fsync?: "full" | "normal";
  /** How long delivered alerts stay for a replay. Default 0. */
  readonly retainMs?: number;
}
