/**
 * A source of OTLP with its listeners, and somebody who reads it.
 */
import { noopAdminMetrics } from "../../src/admin/admin_metrics.ts";
import { Authenticator, type AuthSettings } from "../../src/admin/auth.ts";
import { openOtlpListeners } from "../../src/admin/otlp/listen.ts";
import { type OtlpSource, otlpSource, type OtlpSourceOptions } from "../../src/ingest/otlp.ts";
import type { LogEvent } from "../../src/event/event.ts";
import type { Value } from "../../src/event/value.ts";
import type { RawEvent } from "../../src/runtime/plugin.ts";
import type { OtlpSourceSettings } from "../../src/runtime/settings.ts";

export interface ReceiverOptions {
  readonly settings?: Partial<OtlpSourceSettings>;
  readonly source?: Omit<OtlpSourceOptions, "listen">;
  readonly auth?: AuthSettings;
  /** `false`: nothing is committed, so nothing is answered. */
  readonly commits?: boolean;
}

/** A receiver that runs. */
export interface TestReceiver extends AsyncDisposable {
  readonly source: OtlpSource;
  /** Of the listeners. */
  readonly http: string;
  readonly grpc: string;
  readonly events: readonly RawEvent[];
  /** Their values, in their order. */
  values(): readonly Readonly<Record<string, Value>>[];
  /** What was counted: `request http json`, `error grpc decode`. */
  readonly counts: ReadonlyMap<string, number>;
  /** What operators were warned of. */
  readonly warnings: readonly string[];
}

/** Listens on free ports of loopback. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<TestReceiver> {
  const settings: OtlpSourceSettings = {
    type: "otlp",
    id: "collector",
    http: "127.0.0.1:0",
    grpc: "127.0.0.1:0",
    ...options.settings,
  };
  const counts = new Map<string, number>();
  const count = (what: string, by = 1): void => void counts.set(what, (counts.get(what) ?? 0) + by);
  const warnings: string[] = [];
  const urls = new Map<string, string>();
  const metrics = {
    ...noopAdminMetrics,
    onOtlpRequest: (transport: string, encoding: string) =>
      count(`request ${transport} ${encoding}`),
    onOtlpRecords: (accepted: number, rejected: number) => {
      count("records", accepted);
      count("rejected", rejected);
    },
    onOtlpError: (transport: string, reason: string) => count(`error ${transport} ${reason}`),
    onApiAuthFailure: (reason: string) => count(`auth ${reason}`),
  };
  const opened = Promise.withResolvers<void>();
  const source = otlpSource(settings, {
    bootId: "boot",
    ...options.source,
    listen: async (receiver) => {
      const listeners = await openOtlpListeners(settings, receiver, {
        auth: new Authenticator(options.auth ?? {}, Date.now, () => {}),
        metrics,
        authFailuresPerMinute: 5,
        lockoutMs: 60_000,
        warn: (message) => warnings.push(message),
        onListening: (transport, url) => urls.set(transport, url),
      });
      opened.resolve();
      return listeners;
    },
  });
  const events: RawEvent[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    try {
      for await (const batch of source.read(undefined, stop.signal)) {
        events.push(...batch.events);
        if (options.commits !== false) await batch.ack?.();
      }
    } catch (error) {
      if (!stop.signal.aborted) opened.reject(error);
    }
  })();
  await opened.promise;
  return {
    source,
    http: urls.get("http") ?? "",
    grpc: urls.get("grpc") ?? "",
    events,
    values: () =>
      events.map(({ payload }) => (payload as LogEvent).toValue() as Record<string, Value>),
    counts,
    warnings,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new DOMException("The test is over", "AbortError"));
      await reading;
    },
  };
}
