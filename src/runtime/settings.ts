/**
 * The settings of sources, sinks and what they share, after the configuration has been checked.
 *
 * `src/agent/config` makes these from YAML (`timeout: 30s` becomes `timeoutMs: 30000`, sizes become
 * bytes, secrets become functions that read them); library users write them down directly.
 */
import type { FilterSettings } from "../decode/filter/types.ts";
import type { LineFormat } from "../decode/parse_line.ts";
import type { TimeZone } from "../event/zone.ts";
import type { SinkFilter } from "./outbox.ts";

/**
 * A secret that is read when it is needed, so that a rotated one is picked up and none lies in a
 * settings object. Throws `SettingError`-like messages that name the file or variable, not the value.
 */
export type Secret = () => string;

/** TLS as a client. Paths of PEM files; they are read again when they have changed. */
export interface TlsSettings {
  /** Certificates to trust in place of the system's. */
  readonly ca?: string;
  /** The client's certificate, with those that lead to its authority. */
  readonly cert?: string;
  /** Its key. */
  readonly key?: string;
  /** The name that the server's certificate must have. Default: the host's. */
  readonly serverName?: string;
  /** Only for tests and emergencies: accepts any certificate. */
  readonly insecure?: boolean;
}

/** What every source has. */
export interface SourceCommon {
  /** Names the source in alerts, positions and metrics; keep it, or reading begins anew. */
  readonly id: string;
  /** Default `auto`. */
  readonly format?: LineFormat;
  /** What is known of events that do not tell it themselves. */
  readonly logsource?: {
    readonly product?: string;
    readonly service?: string;
    readonly category?: string;
    /** Dimensions of one's own. */
    readonly custom?: Readonly<Record<string, string>>;
  };
  /** Go into every alert of the source. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of syslog timestamps without a zone. Default UTC. */
  readonly syslogZone?: TimeZone;
  /** Whether a byte order mark that begins a syslog message is left out. Default `true`. */
  readonly syslogStripBom?: boolean;
  /** Picks events out of what was read; it has been compiled once, so that it can be. */
  readonly filter?: FilterSettings;
  /** A line that is a JSON array of objects: an event for each, or one. Default `explode`. */
  readonly jsonArray?: "explode" | "keep";
}

/** How several lines become one record. */
export type Multiline =
  /** Lines that begin with a blank or tab belong to the line before. */
  | { readonly kind: "indent" }
  | { readonly kind: "start"; readonly pattern: string }
  | { readonly kind: "end"; readonly pattern: string }
  /** Objects over several lines. */
  | { readonly kind: "json" }
  /** Records of the audit system, by the id of their event. */
  | { readonly kind: "auditd" };

/** Text log files; see `fileSource`. */
export interface FileSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "file";
  /** Paths and globs (`*`, `?`, `**`, `{a,b}`, `[…]`). */
  readonly paths: readonly string[];
  /** Globs of files that are left out. */
  readonly exclude?: readonly string[];
  /** Where files begin that are there at the first start. Default `end`; later ones at `start`. */
  readonly startAt?: "start" | "end";
  /** Default: told by its first bytes, else UTF-8. */
  readonly encoding?: "utf-8" | "utf-16le" | "utf-16be" | "latin1" | "windows-1252";
  /** Default: each line is a record, but with `format` `auto` or `auditd` audit records are joined. */
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

/** Windows event logs; see `evtxSource`. */
export interface EvtxSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "evtx";
  /** Paths of .evtx files, or names of Windows channels (`Security`). */
  readonly channels: readonly string[];
  /** Where logs begin that are there at the first start. Default `end`. */
  readonly startAt?: "start" | "end";
  /** Default 500. */
  readonly pollMs?: number;
}

/** The journal of systemd; see `journaldSource`. */
export interface JournaldSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "journald";
  /** Only these units; default all. */
  readonly units?: readonly string[];
  /** Where to begin at the first start. Default `end`. */
  readonly startAt?: "start" | "end";
  /** The program, `journalctl` by default. */
  readonly command?: string;
  /** Journal files elsewhere, such as copied ones. */
  readonly directory?: string;
}

/** Standard input; see `stdinSource`. */
export interface StdinSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "stdin";
}

/** Lines that are pushed; see `httpSource`. */
export interface HttpSourceSettings extends SourceCommon {
  /** Filled by `POST /api/v1/events` of the admin listener. */
  readonly type: "http";
  /** Longer lines are refused. Default 1 MiB. */
  readonly maxLineBytes?: number;
}

/** Log records that are sent by OTLP; see `otlpSource`. */
export interface OtlpSourceSettings extends SourceCommon {
  /** Also filled by `POST /v1/logs` of the admin listener. */
  readonly type: "otlp";
  /** Where OTLP over HTTP is taken: `127.0.0.1:4318`, `[::1]:4318`. Default: nowhere else. */
  readonly http?: string;
  /** The same for gRPC, which needs an address of its own. */
  readonly grpc?: string;
  /** Of both listeners: PEM files. */
  readonly tls?: {
    /** The certificate and those between it and the authority. */
    readonly cert: string;
    /** Its key, without a passphrase. */
    readonly key: string;
    /** Clients must then show a certificate of it. */
    readonly clientCa?: string;
    /** Default `1.3`. */
    readonly minVersion?: "1.2" | "1.3";
  };
  /** Beyond loopback there must be TLS, unless something else protects the connection. */
  readonly allowPlaintext?: boolean;
  /** Whether listeners want a token with `events:ingest`. Default: those beyond loopback do. */
  readonly requireToken?: boolean;
  /**
   * `parse` reads a body that is a text as a line of `format`, and adds its fields to those of the
   * record. Default `keep`.
   */
  readonly body?: "keep" | "parse";
  /** Larger bodies are refused. Default 4 MiB. */
  readonly maxBodyBytes?: number;
  /** The same for bodies that were unpacked. Default 16 MiB. */
  readonly maxInflatedBytes?: number;
  /** Larger records are refused. Default 1 MiB. */
  readonly maxLineBytes?: number;
  /** Of each listener. Default 64. */
  readonly maxConnections?: number;
}

/** Lines from whoever connects to a socket; see `unixSource`. */
export interface UnixSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "unix";
  /** Of the socket, or a Windows pipe (`\\.\pipe\picket`). */
  readonly path: string;
  /** Longer lines are lost and noticed. Default 1 MiB. */
  readonly maxLineBytes?: number;
}

/** Where a new consumer of a stream begins. */
export type NatsReplay =
  | { readonly kind: "resume" }
  | { readonly kind: "all" }
  | { readonly kind: "new" }
  | { readonly kind: "last" }
  | { readonly kind: "last_per_subject" }
  | { readonly kind: "sequence"; readonly sequence: number }
  /** Unix milliseconds. */
  | { readonly kind: "time"; readonly timeMs: number };

/** How to say who we are. Files are read again when the connection is made again. */
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
  /** Shown by the server. Default `picket`. */
  readonly name?: string;
  /** Default `none`. */
  readonly auth?: NatsAuth;
  /**
   * `required` refuses a server without TLS, `first` begins with the handshake, before any
   * greeting. `tls://` URLs need nothing of this.
   */
  readonly tls?: TlsSettings & { readonly required?: boolean; readonly first?: boolean };
  /** JetStream domain. */
  readonly domain?: string;
  /** Prefix of the JetStream API in place of `$JS.API`. */
  readonly apiPrefix?: string;
  /** Prefix of reply subjects in place of `_INBOX`. */
  readonly inboxPrefix?: string;
  /** Default 5000. */
  readonly timeoutMs?: number;
  /** First pause between tries to connect, doubled each time. Default 2000. */
  readonly reconnectWaitMs?: number;
  /** Longest pause. Default 60,000. */
  readonly reconnectMaxWaitMs?: number;
  /** At most so much is added to a pause by chance. Default: as long as the pause. */
  readonly reconnectJitterMs?: number;
  /** Default 30,000. */
  readonly pingIntervalMs?: number;
  /** Pings without an answer after which the connection is given up. Default 2. */
  readonly maxPingsOut?: number;
}

/** A durable JetStream consumer; see `natsSource`. */
export interface NatsSourceSettings extends SourceCommon {
  /** Tells settings apart. */
  readonly type: "nats";
  /** The server. */
  readonly nats: NatsSettings;
  /** Subjects of one stream; wildcards are allowed. */
  readonly subjects: readonly string[];
  /** Default: derived from the subject. */
  readonly stream?: string;
  /** Makes the stream if it is missing; for development. Default `false`. */
  readonly createStream?: boolean;
  /** Default: derived from the subject. */
  readonly durable?: string;
  /** Default `if_missing`. */
  readonly createConsumer?: "never" | "if_missing" | "update";
  /** Where to begin. Default `resume`: behind what was acknowledged, at the start at first. */
  readonly replay?: NatsReplay;
  /** What to do when `replay` is not `resume` and the durable exists. Default `error`. */
  readonly onExisting?: "resume" | "error" | "recreate";
  /** After so long without an acknowledgement a message comes again. Default 60,000. */
  readonly ackWaitMs?: number;
  /** Messages that may be out without an acknowledgement. Default 2000. */
  readonly maxAckPending?: number;
  /** A message that comes more often is given up, with a notice. Default 5; 0 for never. */
  readonly maxDeliver?: number;
  /** Waits before each further delivery, in place of `ackWaitMs`. */
  readonly backoffMs?: readonly number[];
  /** Waits for the server's word that it has the acknowledgement. Default `false`. */
  readonly doubleAck?: boolean;
  /** Messages of one request. Default 200. */
  readonly fetchBatch?: number;
  /** Bytes of one request. Default 8 MiB. */
  readonly fetchBytes?: number;
  /** How long a request waits for messages. Default 30,000. */
  readonly fetchExpiresMs?: number;
  /** How often the server says that it has nothing. Default 15,000. */
  readonly idleHeartbeatMs?: number;
  /** The server forgets the consumer when unused for so long. Default 0: never. */
  readonly inactiveThresholdMs?: number;
  /** Of the consumer's state. Default: the stream's. */
  readonly replicas?: number;
}

/** Settings of any source, told apart by `type`. */
export type SourceSettings =
  | FileSourceSettings
  | EvtxSourceSettings
  | JournaldSourceSettings
  | StdinSourceSettings
  | HttpSourceSettings
  | OtlpSourceSettings
  | UnixSourceSettings
  | NatsSourceSettings;

/** What every sink has. */
export interface SinkCommon {
  /** Names the sink in the outbox and in metrics; keep it, or it begins anew. */
  readonly id: string;
  /** Which alerts the sink wants. Default all. */
  readonly filter?: SinkFilter;
  /** Alerts a call of `send` gets at most. Default 100. */
  readonly batchMax?: number;
  /** How long to wait for more alerts before sending fewer. Default 0; critical ones never wait. */
  readonly lingerMs?: number;
  /** First and longest pause between tries. Default 500 and 60,000. */
  readonly backoffBaseMs?: number;
  /** The longest pause. */
  readonly backoffMaxMs?: number;
  /** Default `newest`. */
  readonly start?: "newest" | "oldest";
}

/** Standard output; see `StdoutSink`. */
export interface StdoutSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "stdout";
  /** Indented over several lines. Default `false`. */
  readonly pretty?: boolean;
}

/** A file; see `FileSink`. */
export interface FileSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "file";
  /** Directories that are missing are made. */
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

/** A socket; see `UnixSink`. */
export interface UnixSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "unix";
  /** Of the socket, or of a Windows pipe. */
  readonly path: string;
}

/** NATS, with JetStream's word that it has an alert; see `natsSink`. */
export interface NatsSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "nats";
  /** The server. */
  readonly nats: NatsSettings;
  /** With `${agent.id}`, `${agent.host}`, `${alert.level}`, `${alert.rule_id}`, `${source.id}`, `${label.NAME}`. */
  readonly subject: string;
  /** `false` publishes to core NATS: without acknowledgement, so loss is possible. Default `true`. */
  readonly jetstream?: boolean;
  /** The stream that must answer. */
  readonly expectStream?: string;
  /** Makes the stream if it is missing; for development. Default `false`. */
  readonly createStream?: boolean;
  /** Further headers, with the references of `subject`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 64. */
  readonly maxInFlight?: number;
  /** How long to wait for an acknowledgement. Default 5000. */
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

/** An HTTP server; see `httpSink`. */
export interface HttpSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "http";
  /** Templates of the webhook notation (`${detection.rule.title}`, `${ENV_VAR}`). */
  readonly url: string;
  /** Default `POST`. */
  readonly method?: string;
  /** Further headers; values may be templates. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A token for `Authorization: Bearer`. */
  readonly bearer?: Secret;
  /** `ndjson` and `json` send a batch in one request, `template` one request an alert. Default `ndjson`. */
  readonly mode?: "ndjson" | "json" | "template";
  /** For `template`: the body, values escaped for JSON texts. */
  readonly body?: string;
  /** Compresses bodies above 1 KiB. Default `false`. */
  readonly gzip?: boolean;
  /** Default 512 KiB. */
  readonly maxBatchBytes?: number;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Of one request, connecting included. Default 30,000. */
  readonly timeoutMs?: number;
  /** Not more than `requests` in `perMs` milliseconds. Default: no limit. */
  readonly rateLimit?: { readonly requests: number; readonly perMs: number };
  /** Signs requests, so that the far end knows who sent them. */
  readonly signing?: HttpSigning;
  /** For `https`. */
  readonly tls?: TlsSettings;
  /** `env` (default) honours HTTP(S)_PROXY and NO_PROXY. */
  readonly proxy?: "env" | "none" | string;
  /** Default 0: a redirect is a configuration error. */
  readonly maxRedirects?: number;
  /** Statuses that count as delivered besides 2xx. */
  readonly expectStatus?: readonly number[];
  /** Where requests may go. */
  readonly egress: EgressSettings;
}

/** A collector, or whatever else takes OTLP over HTTP; see `otlpSink`. */
export interface OtlpSinkSettings extends SinkCommon {
  /** Tells settings apart. */
  readonly type: "otlp";
  /** `https://collector:4318`; `/v1/logs` is added where there is no path. `${ENV_VAR}` is replaced. */
  readonly endpoint: string;
  /** Default `http/protobuf`. */
  readonly protocol?: "http/protobuf" | "http/json";
  /** Further headers; values may hold `${ENV_VAR}`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A token for `Authorization: Bearer`. */
  readonly bearer?: Secret;
  /** Compresses bodies above 1 KiB. Default `true`: every collector understands it. */
  readonly gzip?: boolean;
  /** Default 512 KiB. */
  readonly maxBatchBytes?: number;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
  /** Of one request, connecting included. Default 30,000. */
  readonly timeoutMs?: number;
  /** For `https`. */
  readonly tls?: TlsSettings;
  /** `env` (default) honours HTTP(S)_PROXY and NO_PROXY. */
  readonly proxy?: "env" | "none" | string;
  /** Where requests may go. */
  readonly egress: EgressSettings;
}

/** Settings of any sink, told apart by `type`. */
export type SinkSettings =
  | StdoutSinkSettings
  | FileSinkSettings
  | UnixSinkSettings
  | NatsSinkSettings
  | HttpSinkSettings
  | OtlpSinkSettings;

/** Where outgoing connections may go. */
export interface EgressSettings {
  /**
   * What is denied: `default` link-local addresses and those of cloud metadata, `strict` loopback
   * and private ones as well, `permissive` nothing.
   */
  readonly policy: "default" | "strict" | "permissive";
  /** Only these names. */
  readonly allowHosts?: readonly string[];
  /** Never these names. */
  readonly denyHosts?: readonly string[];
  /** Addresses that are allowed whatever `policy` denies. */
  readonly allowCidrs?: readonly string[];
  /** Addresses that are denied, even if allowed elsewhere. */
  readonly denyCidrs?: readonly string[];
  /** Only these ports. */
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
