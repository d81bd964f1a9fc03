/**
 * What the handlers of the API work with.
 */
import type { AdminMetrics, Exposition } from "./admin_metrics.ts";
import type { Sessions } from "./stream.ts";
import type { AgentView } from "./view.ts";

/** Bounds that an operator may set; sizes in bytes. A rate of 0 is no limit. */
export interface ApiLimits {
  /** Requests a second of one peer or token, and how many at once. */
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  /** Ingested bytes a second, and how many at once. */
  readonly ingestBytesPerSecond: number;
  readonly ingestBurstBytes: number;
  /** Bodies of all routes but ingest. */
  readonly bodyBytes: number;
  /** Bodies of ingest as they are sent, and unpacked. */
  readonly ingestBytes: number;
  readonly ingestInflatedBytes: number;
  readonly ingestLineBytes: number;
  readonly authFailuresPerMinute: number;
  readonly lockoutMs: number;
  readonly requestTimeoutMs: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  requestsPerSecond: 20,
  requestBurst: 40,
  ingestBytesPerSecond: 16 << 20,
  ingestBurstBytes: 64 << 20,
  bodyBytes: 65_536,
  ingestBytes: 8 << 20,
  ingestInflatedBytes: 16 << 20,
  ingestLineBytes: 1 << 20,
  authFailuresPerMinute: 5,
  lockoutMs: 60_000,
  requestTimeoutMs: 30_000,
};

export interface TapSettings {
  /** Default `false`: it shows whole events. */
  readonly enabled?: boolean;
  readonly bufferEvents?: number;
  readonly maxSessions?: number;
  readonly maxDurationMs?: number;
  /** Paths that are redacted whatever the client asks for. */
  readonly redact?: readonly string[];
}

export interface TailSettings {
  /** Default `true`. */
  readonly enabled?: boolean;
  readonly bufferEvents?: number;
  readonly maxSessions?: number;
}

export interface Services {
  readonly view: AgentView;
  readonly limits: ApiLimits;
  readonly metrics: AdminMetrics;
  readonly exposition: Exposition | undefined;
  readonly tap: TapSettings;
  readonly tail: TailSettings;
  readonly tapSessions: Sessions;
  readonly tailSessions: Sessions;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** For tests. */
  readonly heartbeatMs: number | undefined;
  readonly stopping: () => boolean;
}
