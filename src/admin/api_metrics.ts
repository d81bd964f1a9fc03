/**
 * What the API counts about itself, for Prometheus.
 */
import type { AdminMetrics } from "./admin_metrics.ts";
import { type Families, REQUEST_SECONDS } from "./families.ts";

export class ApiMetrics implements AdminMetrics {
  readonly #authFailures;
  readonly #requests;
  readonly #requestSeconds;
  readonly #rateLimited;
  readonly #tlsConnections;
  readonly #tapSessions;
  readonly #tapActive;
  readonly #tapStreamed;
  readonly #tapDropped;
  readonly #tailActive;
  readonly #tailDropped;
  readonly #auditRecords;
  readonly #auditErrors;
  readonly #otlpRequests;
  readonly #otlpRecords;
  readonly #otlpRejected;
  readonly #otlpErrors;

  constructor(families: Families) {
    this.#authFailures = families.counter("api_auth_failures_total", "Requests refused.", [
      "reason",
    ]);
    for (const reason of ["unauthorized", "forbidden"]) this.#authFailures.inc({ reason }, 0);
    this.#requests = families.counter("api_requests_total", "Requests of the API.", [
      "route",
      "method",
      "status",
    ]);
    this.#requestSeconds = families.histogram(
      "api_request_seconds",
      "Time until a request was answered; for streams, until they began.",
      REQUEST_SECONDS,
      ["route"],
    );
    this.#rateLimited = families.counter("api_rate_limited_total", "Requests over a limit.", [
      "kind",
    ]);
    for (const kind of ["peer", "identity", "ingest", "lockout"]) {
      this.#rateLimited.inc({ kind }, 0);
    }
    this.#tlsConnections = families.gauge("tls_active_connections", "Open TLS connections.");
    this.#tapSessions = families.counter("tap_sessions_total", "Tap sessions opened.");
    this.#tapActive = families.gauge("tap_active_sessions", "Open tap sessions.");
    this.#tapStreamed = families.counter(
      "tap_events_streamed_total",
      "Events given to tap clients.",
    );
    this.#tapDropped = families.counter("tap_events_dropped_total", "Events tap clients missed.");
    this.#tailActive = families.gauge("tail_active_sessions", "Open tail sessions.");
    this.#tailDropped = families.counter(
      "tail_detections_dropped_total",
      "Alerts tail clients missed.",
    );
    this.#auditRecords = families.counter("audit_records_total", "Rows of the audit trail.");
    this.#auditErrors = families.counter("audit_write_errors_total", "Rows that were not written.");
    this.#otlpRequests = families.counter("otlp_requests_total", "Requests of OTLP taken.", [
      "transport",
      "encoding",
    ]);
    this.#otlpRecords = families.counter("otlp_log_records_total", "Log records of OTLP taken.");
    this.#otlpRejected = families.counter(
      "otlp_rejected_log_records_total",
      "Log records of OTLP refused one by one.",
    );
    this.#otlpErrors = families.counter("otlp_errors_total", "Requests of OTLP refused.", [
      "transport",
      "reason",
    ]);
  }

  onApiRequest(route: string, method: string, status: number, seconds: number): void {
    this.#requests.inc({ route, method, status: String(status) });
    this.#requestSeconds.observe({ route }, seconds);
  }
  onApiRateLimited(kind: "peer" | "identity" | "ingest" | "lockout"): void {
    this.#rateLimited.inc({ kind });
  }
  onApiAuthFailure(reason: "unauthorized" | "forbidden"): void {
    this.#authFailures.inc({ reason });
  }
  onTapSession(change: 1 | -1): void {
    if (change > 0) this.#tapSessions.inc();
    this.#tapActive.inc(change);
  }
  onTapStreamed(events: number): void {
    this.#tapStreamed.inc(events);
  }
  onTapDropped(events: number): void {
    this.#tapDropped.inc(events);
  }
  onTailSession(change: 1 | -1): void {
    this.#tailActive.inc(change);
  }
  onTailDropped(alerts: number): void {
    this.#tailDropped.inc(alerts);
  }
  onAuditRecord(): void {
    this.#auditRecords.inc();
  }
  onAuditWriteError(): void {
    this.#auditErrors.inc();
  }
  onTlsConnections(change: 1 | -1): void {
    this.#tlsConnections.inc(change);
  }
  onOtlpRequest(transport: "http" | "grpc", encoding: "protobuf" | "json"): void {
    this.#otlpRequests.inc({ transport, encoding });
  }
  onOtlpRecords(accepted: number, rejected: number): void {
    this.#otlpRecords.inc(accepted);
    this.#otlpRejected.inc(rejected);
  }
  onOtlpError(transport: "http" | "grpc", reason: string): void {
    this.#otlpErrors.inc({ transport, reason });
  }
}
