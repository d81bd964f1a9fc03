/**
 * Events from a JetStream stream, by a durable pull consumer.
 *
 * A message is acknowledged after it and its alerts are on disk. One that comes again, because an
 * acknowledgement was lost or the process died before sending it, is known by its sequence and only
 * acknowledged. Acknowledgements do not depend on the connection that brought the message, so they
 * are sent after a break as well.
 *
 * @see spec/delivery.md, sections 3.6, 20.6 and 20.9
 */
import { gunzipSync } from "node:zlib";
import { getLogger } from "@logtape/logtape";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { SourceError } from "../runtime/errors.ts";
import type { NatsConnections, NatsLease } from "../runtime/nats/connection.ts";
import { describeFailure, isApiRefusal, natsFailure } from "../runtime/nats/failure.ts";
import { manager } from "../runtime/nats/jetstream.ts";
import { isName, isSubscription } from "../runtime/nats/names.ts";
import { natsSettingsProblem } from "../runtime/nats/options.ts";
import type {
  EventBatch,
  EventSource,
  RawEvent,
  SourceHealth,
  SourceNotice,
} from "../runtime/plugin.ts";
import type { NatsSourceSettings } from "../runtime/settings.ts";
import {
  CONSUMER_DEFAULTS,
  namesOf,
  NEEDS_NEWER_SERVER,
  needsNewerServer,
  type OpenConsumer,
  openConsumer,
} from "./nats/consumer.ts";
import { formatPosition, isOf, parsePosition, Progress, replayKey } from "./nats/position.ts";
import { type Pulled, PullFeed } from "./nats/pull.ts";

const log = getLogger(["picket", "nats"]);

/** Pause before trying again what failed while the connection was up. */
const RETRY_PAUSE_MS = 500;
/** How often the server is asked how far behind the source is. */
const REFRESH_MS = 15_000;
/** How long the connection stays for acknowledgements of batches that are being committed. */
const LAST_ACKS_MS = 2_000;
/** Acknowledgements kept while there is no connection; without them messages come again. */
const MAX_OWED = 100_000;
/** Inflated size of a compressed message. */
const MAX_INFLATED = 16 << 20;
/** Characters of a given-up message that its notice keeps. */
const MAX_NOTICE_TEXT = 64 << 10;
/** The server's own, where a consumer does not say. */
const SERVER_ACK_WAIT_NANOS = 30e9;
/** What a message may grow by when it is inflated. */
const MAX_RATIO = 100;

const ACK = "+ACK";
const NAK = "-NAK";
const WORKING = "+WPI";
const TERM = "+TERM";

export interface NatsSourceContext {
  readonly connections: NatsConnections;
}

/** @throws {SourceError} `SOURCE_CONFIG` if the settings can never work. */
export function natsSource(settings: NatsSourceSettings, context: NatsSourceContext): EventSource {
  const problem = problemOf(settings);
  if (problem !== undefined) {
    throw new SourceError("SOURCE_CONFIG", `Cannot read NATS for ${settings.id}: ${problem}`);
  }
  return new NatsSource(settings, context);
}

function problemOf(settings: NatsSourceSettings): string | undefined {
  const { stream, durable } = namesOf(settings);
  if (settings.subjects.length === 0) return "no subject is given";
  const wrong = settings.subjects.find((one) => !isSubscription(one));
  if (wrong !== undefined) return `${JSON.stringify(wrong)} is not a subject`;
  if (!isName(stream)) return `${JSON.stringify(stream)} is not a name of a stream`;
  if (!isName(durable)) return `${JSON.stringify(durable)} is not a name of a consumer`;
  return natsSettingsProblem(settings.nats);
}

/** A message that was handed out and is not settled. */
interface Held {
  readonly seq: number;
  /** Where its acknowledgement goes: the reply subject of its last delivery. */
  reply: string;
  /** Given up: not to be delivered again. */
  readonly dead: boolean;
}

class NatsSource implements EventSource {
  readonly id: string;
  readonly kind = "nats";
  readonly #settings: NatsSourceSettings;
  readonly #connections: NatsConnections;
  readonly #counts = {
    messages: 0,
    redelivered: 0,
    blank: 0,
    repeated: 0,
    terminated: 0,
    acks: 0,
    ack_failures: 0,
  };
  #state: SourceHealth["state"] = "starting";
  #error: string | undefined;
  #behind: number | undefined;
  #opened = false;

  constructor(settings: NatsSourceSettings, context: NatsSourceContext) {
    this.id = settings.id;
    this.#settings = settings;
    this.#connections = context.connections;
  }

  health(): SourceHealth {
    return {
      state: this.#state,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#behind === undefined ? {} : { lag: { messages: this.#behind } }),
      counts: { ...this.#counts },
    };
  }

  async *read(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    const lease = this.#connections.acquire(this.#settings.nats);
    const settler = new Settler(lease, this.#settings, this.#counts);
    let position = from;
    try {
      while (true) {
        const connection = await this.#connected(lease, signal);
        try {
          for await (const batch of this.#readFrom(position, connection, settler, signal)) {
            position = batch.position;
            yield batch;
          }
        } catch (error) {
          signal.throwIfAborted();
          this.#judge(error);
          void lease.link.suspect(connection);
          await pause(RETRY_PAUSE_MS, signal);
        }
      }
    } catch (error) {
      this.#state = signal.aborted ? "stopped" : "failed";
      throw error;
    } finally {
      if (this.#state === "running") this.#state = "stopped";
      settler.finish();
    }
  }

  async #connected(lease: NatsLease, signal: AbortSignal): Promise<NatsConnection> {
    const { link } = lease;
    if (link.connection !== undefined) return link.connection;
    const note = () => {
      this.#state = this.#state === "starting" ? "starting" : "waiting";
      this.#error = link.status.error ?? this.#error;
    };
    note();
    const remove = link.onChange(note);
    try {
      return await link.connected(signal);
    } finally {
      remove();
    }
  }

  /** Passes what may pass by itself; throws what somebody has to look at. */
  #judge(error: unknown): void {
    this.#error = describeFailure(error);
    this.#state = "waiting";
    if (error instanceof SourceError) throw error;
    if (needsNewerServer(error)) {
      throw new SourceError("SOURCE_CONFIG", `Cannot read NATS: ${NEEDS_NEWER_SERVER}`);
    }
    const message = `Cannot read NATS for ${this.id}: ${this.#error}`;
    if (isApiRefusal(error)) throw new SourceError("SOURCE_CONFIG", message, { cause: error });
    log.warn("{message}", { message });
    switch (natsFailure(error)) {
      case "transient":
        return;
      case "auth":
        throw new SourceError("SOURCE_DENIED", message, { cause: error });
      case "config":
      case "poison":
        throw new SourceError("SOURCE_CONFIG", message, { cause: error });
    }
  }

  /** Reads on one connection until it ends. */
  async *#readFrom(
    position: string | undefined,
    connection: NatsConnection,
    settler: Settler,
    signal: AbortSignal,
  ): AsyncGenerator<EventBatch> {
    const before = parsePosition(position);
    const opened = await openConsumer(connection, this.#settings, before, this.#opened);
    this.#opened = true;
    signal.throwIfAborted();
    const { stream, info } = opened;
    const jsm = await manager(connection, this.#settings.nats);
    const { name, created } = info;
    const replay = replayKey(this.#settings.replay ?? { kind: "resume" });
    // One that was made anew for a replay delivers what is done once more.
    const same = before !== undefined && !opened.made && before.replay === replay &&
      isOf(before, { stream, name, created });
    const progress = progressOf(opened, same ? before : undefined, settler);
    settler.begin(connection, info.config.ack_wait ?? SERVER_ACK_WAIT_NANOS, info.config.backoff);
    const { apiPrefix = "$JS.API" } = jsm.getOptions();
    const feed = new PullFeed(connection, this.#settings, {
      prefix: apiPrefix,
      stream,
      consumer: info.name,
    });
    settler.alsoWorking(() => feed.waiting);
    this.#state = "running";
    this.#error = undefined;
    this.#behind = info.num_pending;
    let refreshMs = Date.now() + REFRESH_MS;
    try {
      while (true) {
        const pulled = await feed.take(refreshMs, signal);
        if (Date.now() >= refreshMs) {
          const now = await jsm.consumers.info(stream, info.name);
          refreshMs = Date.now() + REFRESH_MS;
          this.#behind = now.num_pending;
          const ours = now.num_ack_pending <= settler.size + feed.waiting.length + pulled.length;
          // Messages that wait here unseen would count twice.
          const quiet = pulled.length === 0 && feed.waiting.length === 0;
          progress.learn(
            now.ack_floor.stream_seq,
            ours && quiet ? now.delivered.consumer_seq : undefined,
          );
        }
        const batch = this.#batch(pulled, opened, progress, settler);
        if (batch !== undefined) yield batch;
      }
    } finally {
      // Whoever reads next should not have to wait until these are due again.
      feed.close(({ message }) => settler.reply(message.reply, NAK));
    }
  }

  #batch(
    pulled: readonly Pulled[],
    { stream, info }: OpenConsumer,
    progress: Progress,
    settler: Settler,
  ): EventBatch | undefined {
    const events: RawEvent[] = [];
    const notices: SourceNotice[] = [];
    const held: Held[] = [];
    const { maxDeliver = CONSUMER_DEFAULTS.maxDeliver } = this.#settings;
    for (const { message, delivery } of pulled) {
      const { streamSeq: seq, count } = delivery;
      progress.saw(seq, delivery.consumerSeq);
      this.#behind = delivery.pending;
      if (count > 1) this.#counts.redelivered++;
      if (settler.again(seq, message.reply ?? "")) continue;
      if (progress.isDone(seq)) {
        this.#counts.repeated++;
        settler.reply(message.reply, ACK);
        continue;
      }
      const dead = maxDeliver > 0 && count > maxDeliver;
      held.push({ seq, reply: message.reply ?? "", dead });
      if (dead) {
        notices.push(giveUp(stream, message, seq, count));
        this.#counts.terminated++;
        continue;
      }
      const payload = textOf(message);
      if (payload.trim() === "") {
        this.#counts.blank++;
        continue;
      }
      this.#counts.messages++;
      events.push({ payload, recordId: String(seq), origin: `nats:${stream}` });
    }
    if (held.length === 0) return undefined;
    progress.take(held.map(({ seq }) => seq));
    settler.hold(held);
    return {
      events,
      position: formatPosition({
        stream,
        consumer: info.name,
        created: info.created,
        floor: progress.floor,
        replay: replayKey(this.#settings.replay ?? { kind: "resume" }),
        above: progress.above,
      }),
      ack: () => settler.settle(held),
      ...(notices.length === 0 ? {} : { notices }),
    };
  }
}

function progressOf(
  { info }: OpenConsumer,
  before: ReturnType<typeof parsePosition>,
  settler: Settler,
): Progress {
  // What this reader still holds comes again and is told apart by that.
  const alone = info.num_ack_pending <= settler.size;
  const floor = Math.max(info.ack_floor.stream_seq, before?.floor ?? 0);
  return new Progress(floor, before?.above ?? [], alone ? info.delivered.consumer_seq : undefined);
}

function giveUp(stream: string, message: Msg, seq: number, deliveries: number): SourceNotice {
  return {
    id: `${stream}:${seq}:max_deliver`,
    reason: "max_deliver",
    message: `Message ${seq} of ${stream} was delivered ${deliveries} times and is given up`,
    facts: {
      stream,
      sequence: seq,
      subject: message.subject,
      deliveries,
      payload: textOf(message).slice(0, MAX_NOTICE_TEXT),
    },
  };
}

/** The message as text; one that cannot be inflated stays as it is, for the dead letters. */
function textOf(message: Msg): string {
  const encoding = message.headers?.get("Content-Encoding").toLowerCase();
  let data: Uint8Array = message.data;
  if (encoding === "gzip") {
    try {
      const maxOutputLength = Math.min(MAX_INFLATED, Math.max(4096, data.length * MAX_RATIO));
      data = gunzipSync(data, { maxOutputLength });
    } catch {
      // Not what it says it is.
    }
  }
  return new TextDecoder().decode(data);
}

/**
 * What one reader owes the server: acknowledgements, and signs of life for what is still worked on.
 * It outlives the reader for a moment, for batches that are just being committed.
 */
class Settler {
  readonly #lease: NatsLease;
  readonly #settings: NatsSourceSettings;
  readonly #counts: { acks: number; ack_failures: number };
  readonly #held = new Map<number, Held>();
  /** Replies for which there was no connection. */
  #owed: (readonly [reply: string, answer: string])[] = [];
  #waiting: () => readonly Pulled[] = () => [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #release: ReturnType<typeof setTimeout> | undefined;
  #finished = false;

  constructor(
    lease: NatsLease,
    settings: NatsSourceSettings,
    counts: { acks: number; ack_failures: number },
  ) {
    this.#lease = lease;
    this.#settings = settings;
    this.#counts = counts;
  }

  get size(): number {
    return this.#held.size;
  }

  /** There is a connection: pays what is owed and keeps the server patient. */
  begin(connection: NatsConnection, ackWait: number, backoff: readonly number[] | undefined): void {
    const owed = this.#owed;
    this.#owed = [];
    for (const [reply, answer] of owed) connection.publish(reply, answer);
    clearInterval(this.#timer);
    const waitMs = Math.min(ackWait, ...(backoff ?? [])) / 1e6;
    this.#timer = setInterval(() => this.#working(), Math.max(20, waitMs / 2));
  }

  /** Messages that are not held yet and need signs of life as well. */
  alsoWorking(waiting: () => readonly Pulled[]): void {
    this.#waiting = waiting;
  }

  /** Whether a message that came again is still worked on. */
  again(seq: number, reply: string): boolean {
    const held = this.#held.get(seq);
    if (held === undefined) return false;
    held.reply = reply;
    return true;
  }

  hold(messages: readonly Held[]): void {
    for (const one of messages) this.#held.set(one.seq, one);
  }

  /** The messages are on disk. */
  async settle(messages: readonly Held[]): Promise<void> {
    const doubtful: Promise<void>[] = [];
    for (const one of messages) {
      if (!this.#held.delete(one.seq)) continue;
      if (one.dead) this.reply(one.reply, TERM);
      else if (this.#settings.doubleAck === true) doubtful.push(this.#confirmed(one.reply));
      else this.reply(one.reply, ACK);
      this.#counts.acks++;
    }
    await Promise.all(doubtful);
    if (this.#finished && this.#held.size === 0) this.#end();
  }

  reply(to: string | undefined, answer: string): void {
    if (to === undefined || to === "") return;
    const { connection } = this.#lease.link;
    try {
      if (connection !== undefined) return connection.publish(to, answer);
    } catch {
      // It has just ended.
    }
    // Signs of life and refusals only matter while there is a connection.
    const matters = answer === ACK || answer === TERM;
    if (matters && this.#owed.length < MAX_OWED) this.#owed.push([to, answer]);
  }

  /** The reader ended. */
  finish(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#finished = true;
    if (this.#held.size === 0) return this.#end();
    this.#release = setTimeout(() => this.#end(), LAST_ACKS_MS);
  }

  #end(): void {
    clearTimeout(this.#release);
    void this.#lease.release();
  }

  #working(): void {
    for (const { reply } of this.#held.values()) this.reply(reply, WORKING);
    for (const { message } of this.#waiting()) this.reply(message.reply, WORKING);
  }

  /** The acknowledgement is acknowledged. */
  async #confirmed(reply: string): Promise<void> {
    const { connection } = this.#lease.link;
    try {
      if (connection === undefined) throw new Error("no connection");
      await connection.request(reply, ACK, { timeout: this.#settings.nats.timeoutMs ?? 5_000 });
    } catch (error) {
      this.#counts.ack_failures++;
      log.warn("Source {source} could not acknowledge a message: {error}", {
        source: this.#settings.id,
        error: describeFailure(error),
      });
      this.reply(reply, ACK);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
