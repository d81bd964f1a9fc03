/**
 * Which messages a stream holds already, told by their `Nats-Msg-Id`.
 *
 * An ephemeral push consumer is made whose name and filter stand in the API subject, so an agent
 * needs one permission, for its own subjects alone: `$JS.API.CONSUMER.CREATE.STREAM.*.<filter>`. The
 * server deletes the consumer when the subscription ends.
 */
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  type JetStreamManager,
  ReplayPolicy,
} from "@nats-io/jetstream";
import { createInbox, nanos, type NatsConnection, nuid } from "@nats-io/transport-node";
import { DeliveryError } from "../../runtime/errors.ts";
import { apiCode, describeFailure, natsFailure } from "../../runtime/nats/failure.ts";
import { deliveryOf, manager } from "../../runtime/nats/jetstream.ts";
import { NATS_DEFAULTS } from "../../runtime/nats/options.ts";
import type { NatsSettings } from "../../runtime/settings.ts";

/** More than this is not read: somebody else's messages, or a history without a position. */
const MAX_READ = 500_000;
const HEARTBEAT_MS = 2_000;

/** A place in a stream. */
export interface StreamPosition {
  readonly stream: string;
  readonly seq: number;
}

/** What `peerPosition` wrote; whatever else is no position. */
export function parsePosition(text: string | undefined): StreamPosition | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { stream, seq } = value as { readonly stream?: unknown; readonly seq?: unknown };
  return typeof stream === "string" && Number.isSafeInteger(seq) && (seq as number) >= 0
    ? { stream, seq: seq as number }
    : undefined;
}

export interface StoredIds {
  readonly ids: ReadonlySet<string>;
  /** Why messages may be there that were not seen; `undefined` if all were seen. */
  readonly ambiguous: string | undefined;
}

export interface StoredQuery {
  readonly settings: NatsSettings;
  /** Where to look if `after` does not tell. */
  readonly stream: string | undefined;
  /** The subjects to look at. */
  readonly filter: string;
  /** Only messages above are looked at. */
  readonly after: StreamPosition | undefined;
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Reads the ids of messages above a position, headers only.
 *
 * @throws {DeliveryError} `transient`: ask again later. What is not permitted or gone for good is
 *   `ambiguous` instead.
 */
export async function readStoredIds(
  connection: NatsConnection,
  query: StoredQuery,
  signal: AbortSignal,
): Promise<StoredIds> {
  try {
    const jsm = await manager(connection, query.settings);
    const stream = query.after?.stream ?? query.stream ?? await jsm.streams.find(query.filter);
    const { start, ambiguous } = await startOf(jsm, stream, query.after);
    signal.throwIfAborted();
    const read = await readFrom(connection, jsm, { ...query, start, stream }, signal);
    return { ids: read.ids, ambiguous: read.ambiguous ?? ambiguous };
  } catch (error) {
    signal.throwIfAborted();
    if (apiCode(error) === JetStreamApiCodes.StreamNotFound) {
      return { ids: NONE, ambiguous: "the stream is gone" };
    }
    // On a connection that has ended, or to a server that hangs, permission was not the question.
    const failure = natsFailure(error);
    if (failure === "transient" || connection.isClosed()) {
      throw new DeliveryError(
        "transient",
        `Cannot read what the stream holds: ${describeFailure(error)}`,
        { cause: error },
      );
    }
    return { ids: NONE, ambiguous: describeFailure(error) };
  }
}

/** The first sequence to read. Asking for the stream's state is a permission that may be missing. */
async function startOf(
  jsm: JetStreamManager,
  stream: string,
  after: StreamPosition | undefined,
): Promise<{ readonly start: number; readonly ambiguous?: string }> {
  if (after === undefined) return { start: 1 };
  const start = after.seq + 1;
  try {
    const { state } = await jsm.streams.info(stream);
    // Shorter than what it acknowledged: made anew, or restored from before.
    if (state.last_seq < after.seq) return { start: 1 };
    return state.first_seq > start && state.last_seq >= start
      ? { start, ambiguous: `the stream begins at ${state.first_seq} now` }
      : { start };
  } catch (error) {
    if (natsFailure(error) === "auth") return { start };
    throw error;
  }
}

async function readFrom(
  connection: NatsConnection,
  jsm: JetStreamManager,
  query: StoredQuery & { readonly start: number; readonly stream: string },
  signal: AbortSignal,
): Promise<StoredIds> {
  const ids = new Set<string>();
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  promise.catch(() => {}); // Nobody may be waiting yet when it fails.
  let delivered = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silenceMs = 2 * HEARTBEAT_MS + (query.settings.timeoutMs ?? NATS_DEFAULTS.timeoutMs);
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => reject(new Error("the stream does not answer")), silenceMs);
  };
  const onAbort = () => reject(signal.reason);
  const subscription = connection.subscribe(createInbox(query.settings.inboxPrefix), {
    callback(error, message) {
      if (error) return reject(error);
      watch();
      if (message.headers?.code === 100) {
        message.respond(); // Flow control wants an answer; heartbeats have no reply subject.
        return;
      }
      const at = deliveryOf(message.reply);
      if (at === undefined) return;
      if (at.consumerSeq !== ++delivered) return reject(new Error("messages were skipped"));
      const id = message.headers?.get("Nats-Msg-Id");
      if (id !== undefined && id !== "") ids.add(id);
      if (at.pending === 0) resolve(undefined);
      else if (delivered >= MAX_READ) resolve(`only ${MAX_READ} messages were read`);
    },
  });
  void connection.closed().then(() => reject(new Error("connection closed")));
  signal.addEventListener("abort", onAbort);
  watch();
  try {
    const info = await jsm.consumers.add(query.stream, {
      name: `picket-${nuid.next()}`,
      deliver_subject: subscription.getSubject(),
      filter_subject: query.filter,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      ...(query.start > 1
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: query.start }
        : { deliver_policy: DeliverPolicy.All }),
      headers_only: true,
      mem_storage: true,
      num_replicas: 1,
      flow_control: true,
      idle_heartbeat: nanos(HEARTBEAT_MS),
    });
    if (info.num_pending === 0 && info.delivered.consumer_seq === 0 && delivered === 0) {
      return { ids, ambiguous: undefined };
    }
    return { ambiguous: await promise, ids };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    subscription.unsubscribe();
  }
}

/**
 * The sequence of the last message of a subject, after a publish that expected another one.
 *
 * @param refusal The server's answer, which usually tells; asking would be one more permission.
 */
export async function lastSequence(
  connection: NatsConnection,
  settings: NatsSettings,
  subject: string,
  refusal: unknown,
): Promise<number> {
  const told = /wrong last sequence: (\d+)/.exec(describeFailure(refusal))?.[1];
  if (told !== undefined) return Number(told);
  const jsm = await manager(connection, settings);
  const stream = await jsm.streams.find(subject);
  const last = await jsm.streams.getMessage(stream, { last_by_subj: subject });
  return last?.seq ?? 0;
}
