/**
 * What the sources of type `otlp` have from the agent: the tokens of the API, and a place in it.
 */
import { getLogger } from "@logtape/logtape";
import { Authenticator, type AuthSettings } from "../admin/auth.ts";
import type { AdminMetrics } from "../admin/admin_metrics.ts";
import { openOtlpListeners } from "../admin/otlp/listen.ts";
import type { OtlpSource } from "../ingest/otlp.ts";
import type { EventSource } from "../runtime/plugin.ts";
import type { ApiConfig } from "./config/types.ts";
import type { Shared } from "./factories.ts";

const log = getLogger(["picket", "input"]);

export interface OtlpAgent {
  readonly api: ApiConfig;
  readonly auth: AuthSettings;
  readonly metrics: AdminMetrics;
  /** The authenticator of the API, where there is one: token files have one writer. */
  readonly shared: () => Authenticator | undefined;
}

/** What opens the listeners of sources. */
export function otlpListening(options: OtlpAgent): NonNullable<Shared["listenOtlp"]> {
  const { api, metrics } = options;
  const warn = (message: string): void => log.warn("{message}", { message });
  let own: Authenticator | undefined;
  return (settings, receiver) =>
    openOtlpListeners(settings, receiver, {
      auth: options.shared() ?? (own ??= new Authenticator(options.auth, Date.now, warn)),
      metrics,
      authFailuresPerMinute: api.rateLimit.authFailuresPerMinute,
      lockoutMs: api.rateLimit.lockoutMs,
      allowedHosts: api.auth.allowedHosts,
      warn,
      onListening: (transport, addr) =>
        log.info("OTLP listening", { source: settings.id, transport, addr }),
    });
}

/** The sources of OTLP among others. */
export function otlpSources(sources: readonly EventSource[]): readonly OtlpSource[] {
  return sources.filter((source): source is OtlpSource => source.kind === "otlp");
}
