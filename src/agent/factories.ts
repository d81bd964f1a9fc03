/**
 * Settings to the sources and sinks they describe.
 */
import { getLogger } from "@logtape/logtape";
import { FileSink } from "../deliver/file_sink.ts";
import { httpSink } from "../deliver/http/sink.ts";
import { otlpSink } from "../deliver/otlp/sink.ts";
import { natsSink } from "../deliver/nats_sink.ts";
import { StdoutSink } from "../deliver/stdout_sink.ts";
import { UnixSink } from "../deliver/unix_sink.ts";
import { evtxSource } from "../ingest/evtx/source.ts";
import { httpSource } from "../ingest/http.ts";
import { journaldSource } from "../ingest/journald.ts";
import { type OtlpListeners, type OtlpReceiver, otlpSource } from "../ingest/otlp.ts";
import { natsSource } from "../ingest/nats_source.ts";
import { stdinSource } from "../ingest/stdin.ts";
import { fileSource } from "../ingest/tail/file_source.ts";
import type { FileProblem } from "../ingest/tail/following.ts";
import { unixSource } from "../ingest/unix.ts";
import type { MetricsHook } from "../runtime/metrics.ts";
import type { NatsConnections } from "../runtime/nats/connection.ts";
import type { EventSource, Sink } from "../runtime/plugin.ts";
import type { OtlpSourceSettings, SinkSettings, SourceSettings } from "../runtime/settings.ts";
import type { AgentIdentity } from "./alert_builder.ts";

const log = getLogger(["picket", "input"]);

/** What sources and sinks share. */
export interface Shared {
  readonly connections: NatsConnections;
  readonly metrics: MetricsHook;
  /**
   * What the numbers of records begin with that have no position: differs in each run of the agent and,
   * within one, for each source that is made. A source that takes the place of another of its id would
   * give the numbers of that one again, and alerts of the same number are taken for repetitions.
   */
  readonly nextBootId: () => string;
  /** Of Picket, for far ends that want to know. */
  readonly version: string;
  /** Opens the listeners of a source of type `otlp`; without it none has any. */
  readonly listenOtlp?: (
    settings: OtlpSourceSettings,
    receiver: OtlpReceiver,
  ) => Promise<OtlpListeners>;
  /** Told when the far end of a sink can be reached again. */
  readonly onConnected: (sinkId: string) => void;
}

export function makeSource(settings: SourceSettings, shared: Shared): EventSource {
  const { connections, nextBootId } = shared;
  switch (settings.type) {
    case "file":
      return fileSource(settings, { onProblem: tellProblem(settings.id) });
    case "evtx":
      return evtxSource(settings);
    case "journald":
      return journaldSource(settings);
    case "stdin":
      return stdinSource(settings, { bootId: nextBootId() });
    case "http":
      return httpSource(settings, { bootId: nextBootId() });
    case "otlp":
      return otlpOf(settings, shared);
    case "unix":
      return unixSource(settings, { bootId: nextBootId() });
    case "nats":
      return natsSource(settings, { connections });
  }
}

function otlpOf(
  settings: OtlpSourceSettings,
  { nextBootId, metrics, listenOtlp }: Shared,
): EventSource {
  return otlpSource(settings, {
    bootId: nextBootId(),
    onWait: () => metrics.onBackPressure(),
    ...(listenOtlp === undefined
      ? {}
      : { listen: (receiver: OtlpReceiver) => listenOtlp(settings, receiver) }),
  });
}

/** One line for each change of a file's state. */
function tellProblem(source: string): (problem: FileProblem) => void {
  return ({ path, code, message }) => {
    if (code === "") log.info("A file can be read again", { source, path });
    else log.warn("A file cannot be read", { source, path, code, reason: message });
  };
}

/** @param agent Subjects of NATS may name it, its labels and those of its sources. */
export function makeSink(
  settings: SinkSettings,
  shared: Shared,
  agent: AgentIdentity & { readonly sources: readonly SourceSettings[] },
): Sink {
  const { connections, metrics } = shared;
  switch (settings.type) {
    case "stdout":
      return new StdoutSink(settings);
    case "file":
      return new FileSink(settings);
    case "unix":
      return new UnixSink(settings);
    case "nats":
      return natsSink(settings, {
        connections,
        agent,
        labels: agent.labels,
        sourceLabels: Object.fromEntries(
          agent.sources.map(({ id, labels = {} }) => [id, labels]),
        ),
        onConnected: () => shared.onConnected(settings.id),
      });
    case "http":
      return httpSink(settings, { metrics });
    case "otlp":
      return otlpSink(settings, {
        metrics,
        origin: { version: shared.version, agentId: agent.id, host: agent.host },
      });
  }
}
