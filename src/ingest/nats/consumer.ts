/**
 * The durable consumer of a NATS source: found, made or changed.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
  ReplayPolicy,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { SourceError } from "../../runtime/errors.ts";
import { apiCode } from "../../runtime/nats/failure.ts";
import { manager } from "../../runtime/nats/jetstream.ts";
import { derivedName } from "../../runtime/nats/names.ts";
import type { NatsReplay, NatsSourceSettings } from "../../runtime/settings.ts";
import { type NatsPosition, replayKey } from "./position.ts";

export const CONSUMER_DEFAULTS = {
  ackWaitMs: 60_000,
  maxAckPending: 2000,
  maxDeliver: 5,
} as const;

/** Several filters for one consumer. */
const FILTERS_SINCE = "2.10";

export interface OpenConsumer {
  readonly stream: string;
  readonly info: ConsumerInfo;
  /** Whether it was made just now. */
  readonly made: boolean;
}

/** Derived as section 3.6 has it, unless given. */
export function namesOf(settings: NatsSourceSettings): {
  readonly stream: string;
  readonly durable: string;
} {
  const subject = settings.subjects.join("-");
  return {
    stream: settings.stream ?? derivedName("picket", subject),
    durable: settings.durable ?? derivedName("picket-daemon", subject),
  };
}

/**
 * @param from What was committed last, so that a consumer that has to be made resumes behind it.
 * @param replayed Whether this process has opened it before, so that nothing is replayed again.
 * @throws {SourceError} `SOURCE_CONFIG` if somebody has to act.
 * @see spec/delivery.md, sections 3.6 and 20.9
 */
export async function openConsumer(
  connection: NatsConnection,
  settings: NatsSourceSettings,
  from: NatsPosition | undefined,
  replayed: boolean,
): Promise<OpenConsumer> {
  const jsm = await manager(connection, settings.nats);
  const { durable } = namesOf(settings);
  const { stream, info } = await find(jsm, settings, durable);
  if (info === undefined) {
    return { stream, info: await make(jsm, settings, stream, durable, from), made: true };
  }
  if (info.config.deliver_subject !== undefined) {
    throw new SourceError("SOURCE_CONFIG", `Cannot read ${stream}: ${durable} is a push consumer`);
  }
  const replay = settings.replay ?? { kind: "resume" };
  // Done before: committed under the same replay, or the consumer has not delivered anything yet.
  const done = replayed || replay.kind === "resume" || from?.replay === replayKey(replay) ||
    (info.delivered.consumer_seq === 0 && info.config.deliver_policy === policyOf(replay));
  if (done) return { stream, info: await update(jsm, settings, stream, info), made: false };
  switch (settings.onExisting ?? "error") {
    case "resume":
      return { stream, info: await update(jsm, settings, stream, info), made: false };
    case "recreate":
      await jsm.consumers.delete(stream, durable);
      return { stream, info: await make(jsm, settings, stream, durable, undefined), made: true };
    case "error":
      throw new SourceError(
        "SOURCE_CONFIG",
        `Cannot replay ${stream} (${replayKey(replay)}): the durable consumer ${durable} exists ` +
          "and keeps its place; name another durable, or set on_existing to recreate or resume",
      );
  }
}

async function find(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
  durable: string,
): Promise<{ readonly stream: string; readonly info: ConsumerInfo | undefined }> {
  const { stream } = namesOf(settings);
  try {
    return { stream, info: await jsm.consumers.info(stream, durable) };
  } catch (error) {
    const code = apiCode(error);
    if (code === JetStreamApiCodes.ConsumerNotFound) return { stream, info: undefined };
    if (code !== JetStreamApiCodes.StreamNotFound) throw error;
  }
  if (settings.createStream === true) {
    await jsm.streams.add({ name: stream, subjects: [...settings.subjects] });
    return { stream, info: undefined };
  }
  const other = settings.stream === undefined ? await streamOf(jsm, settings) : undefined;
  if (other === undefined) {
    throw new SourceError("SOURCE_CONFIG", `Cannot read ${stream}: there is no such stream`);
  }
  try {
    return { stream: other, info: await jsm.consumers.info(other, durable) };
  } catch (error) {
    if (apiCode(error) !== JetStreamApiCodes.ConsumerNotFound) throw error;
    return { stream: other, info: undefined };
  }
}

/** The one stream that has the subjects, whatever its name. */
async function streamOf(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
): Promise<string | undefined> {
  try {
    return await jsm.streams.find(settings.subjects[0]!);
  } catch (error) {
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}

async function make(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
  stream: string,
  durable: string,
  from: NatsPosition | undefined,
): Promise<ConsumerInfo> {
  if (settings.createConsumer === "never") {
    throw new SourceError(
      "SOURCE_CONFIG",
      `Cannot read ${stream}: there is no consumer ${durable}, and it may not be made`,
    );
  }
  const replay = await startOf(jsm, settings, stream, from);
  return await jsm.consumers.add(stream, {
    durable_name: durable,
    ack_policy: AckPolicy.Explicit,
    replay_policy: ReplayPolicy.Instant,
    deliver_policy: policyOf(replay),
    ...(replay.kind === "sequence" ? { opt_start_seq: replay.sequence } : {}),
    ...(replay.kind === "time" ? { opt_start_time: new Date(replay.timeMs).toISOString() } : {}),
    ...(settings.replicas === undefined ? {} : { num_replicas: settings.replicas }),
    // The source counts deliveries itself: the server would drop a message without a word.
    // With a backoff, servers want a number greater than its steps.
    max_deliver: (settings.backoffMs ?? []).length === 0 ? -1 : 1_000_000,
    ...await filterOf(jsm, settings, stream),
    ...tunable(settings),
  });
}

/** A consumer that was deleted goes on where its source had been. */
async function startOf(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
  stream: string,
  from: NatsPosition | undefined,
): Promise<NatsReplay> {
  const replay = settings.replay ?? { kind: "resume" };
  if (from === undefined || from.stream !== stream || from.replay !== replayKey(replay)) {
    return replay;
  }
  const { state } = await jsm.streams.info(stream);
  // A stream that ends before was made anew, so its sequences mean other messages.
  return state.last_seq < from.floor ? replay : { kind: "sequence", sequence: from.floor + 1 };
}

async function update(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
  stream: string,
  info: ConsumerInfo,
): Promise<ConsumerInfo> {
  if (settings.createConsumer !== "update") return info;
  return await jsm.consumers.update(stream, info.name, {
    ...tunable(settings),
    ...await filterOf(jsm, settings, stream),
  });
}

/** What can be changed later. */
function tunable(settings: NatsSourceSettings): Partial<ConsumerConfig> {
  const { backoffMs = [], inactiveThresholdMs = 0 } = settings;
  const ackWaitMs = backoffMs[0] ?? settings.ackWaitMs ?? CONSUMER_DEFAULTS.ackWaitMs;
  return {
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: settings.maxAckPending ?? CONSUMER_DEFAULTS.maxAckPending,
    backoff: backoffMs.map((ms) => nanos(ms)),
    ...(inactiveThresholdMs === 0 ? {} : { inactive_threshold: nanos(inactiveThresholdMs) }),
  };
}

async function filterOf(
  jsm: JetStreamManager,
  settings: NatsSourceSettings,
  stream: string,
): Promise<Partial<ConsumerConfig>> {
  const { subjects } = settings;
  if (subjects.length === 1) return { filter_subject: subjects[0]! };
  const { config } = await jsm.streams.info(stream);
  // Everything the stream has is wanted: no filter, which any server can do.
  if (config.subjects.every((one) => subjects.includes(one))) return {};
  return { filter_subjects: [...subjects] };
}

/** What a failure to filter by several subjects means. */
export function needsNewerServer(error: unknown): boolean {
  return error instanceof Error && error.message.includes("filter_subjects");
}

export const NEEDS_NEWER_SERVER =
  `several subjects need a server from ${FILTERS_SINCE} on, or a stream of just these`;

function policyOf(replay: NatsReplay): DeliverPolicy {
  switch (replay.kind) {
    case "resume":
    case "all":
      return DeliverPolicy.All;
    case "new":
      return DeliverPolicy.New;
    case "last":
      return DeliverPolicy.Last;
    case "last_per_subject":
      return DeliverPolicy.LastPerSubject;
    case "sequence":
      return DeliverPolicy.StartSequence;
    case "time":
      return DeliverPolicy.StartTime;
  }
}
