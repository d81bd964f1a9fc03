/**
 * What the API counts about itself, without knowing who keeps the counts.
 */
export interface AdminMetrics {
  /** `route` is a pattern of the route table, `unmatched` or `ui`. */
  onApiRequest(route: string, method: string, status: number, seconds: number): void;
  onApiRateLimited(kind: "peer" | "identity" | "ingest" | "lockout"): void;
  onApiAuthFailure(reason: "unauthorized" | "forbidden"): void;
  onTapSession(change: 1 | -1): void;
  onTapStreamed(events: number): void;
  /** Called once, at the end of a session. */
  onTapDropped(events: number): void;
  onTailSession(change: 1 | -1): void;
  onTailDropped(alerts: number): void;
  onAuditRecord(): void;
  onAuditWriteError(): void;
  onTlsConnections(change: 1 | -1): void;
  /** A request of OTLP was understood and its records are committed. */
  onOtlpRequest?(transport: "http" | "grpc", encoding: "protobuf" | "json"): void;
  /** Its records; `rejected` ones are lost, and their sender was told so. */
  onOtlpRecords?(accepted: number, rejected: number): void;
  /** A request was refused; `reason` is an `OtlpRefusalReason`. */
  onOtlpError?(transport: "http" | "grpc", reason: string): void;
}

export const noopAdminMetrics: AdminMetrics = {
  onApiRequest() {},
  onApiRateLimited() {},
  onApiAuthFailure() {},
  onTapSession() {},
  onTapStreamed() {},
  onTapDropped() {},
  onTailSession() {},
  onTailDropped() {},
  onAuditRecord() {},
  onAuditWriteError() {},
  onTlsConnections() {},
};

/** The text of `GET /metrics`. */
export interface Exposition {
  readonly contentType: string;
  metrics(): Promise<string>;
}
