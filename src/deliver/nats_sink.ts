/**
 * Alerts to NATS: JetStream with acknowledgements, or core NATS without.
 *
 * **Once each.** Every message carries the alert's id, by which the server discards repeats within
 * its duplicate window. For what comes back later than that, the sink remembers the stream sequence
 * below which nothing of it is in doubt (`peerPosition`), and `reconcile` reads the ids of its own
 * messages above. What is stored need not be the beginning of what was sent, so ids decide.
 */
import { getLogger } from "@logtape/logtape";
import { jetstream, JetStreamApiCodes, type JetStreamClient } from "@nats-io/jetstream";
import { type NatsConnection, TimeoutError } from "@nats-io/transport-node";
import type { Alert } from "../runtime/alert.ts";
import { DeliveryError, type DeliveryFailure } from "../runtime/errors.ts";
import type { NatsConnections, NatsLease, NatsStatus } from "../runtime/nats/connection.ts";
import {
  apiCode,
  causes,
  describeFailure,
  isNoResponders,
  natsFailure,
} from "../runtime/nats/failure.ts";
import { manager } from "../runtime/nats/jetstream.ts";
import { jetStreamOptions, NATS_DEFAULTS, natsSettingsProblem } from "../runtime/nats/options.ts";
import type { Sink } from "../runtime/plugin.ts";
import type { NatsSinkSettings } from "../runtime/settings.ts";
import { publishCore } from "./nats/core.ts";
import { headerTemplates } from "./nats/headers.ts";
import { type NatsMessage, natsMessage } from "./nats/message.ts";
import { lastSequence, parsePosition, readStoredIds, type StreamPosition } from "./nats/stored.ts";
import { checkStream } from "./nats/stream_check.ts";
import { type SubjectTemplate, subjectTemplate, type TemplateScope } from "./nats/template.ts";
import { PublishWindow, withSignal } from "./nats/window.ts";

const log = getLogger(["picket", "nats"]);

const MAX_IN_FLIGHT = 64;
/** Ids found stored of alerts that nobody asked about yet: more than were ever in flight. */
const MAX_FOUND = 10_000;
/** The server's default, in case it says nothing. */
const MAX_PAYLOAD = 1 << 20;
/** The message alone does not fit into the stream. */
const API_MESSAGE_TOO_LARGE = 10054;
const WRONG_SEQUENCE: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

export interface NatsSinkContext extends TemplateScope {
  readonly connections: NatsConnections;
  /** Called when the connection is up (again), so that whoever waits need not wait any longer. */
  readonly onConnected?: () => void;
}

/** Counts since the sink was made. */
export interface NatsSinkCounts {
  readonly published: number;
  /** Acknowledged as known already: `nats_publish_duplicates_total`. */
  readonly duplicates: number;
  /** Found stored by reading the stream, so not sent again. */
  readonly reconciled: number;
  /** Sent again without knowing whether they were there: `nats_ambiguous_total`. */
  readonly ambiguous: number;
  /** Sent without their event, or not at all, for their size. */
  readonly truncated: number;
  readonly oversize: number;
  readonly ackTimeouts: number;
}

export interface NatsSink extends Required<Sink> {
  readonly counts: NatsSinkCounts;
  /** What the sink found questionable about the stream when it connected last. */
  readonly warnings: readonly string[];
  status(): NatsStatus;
}

/**
 * @throws {DeliveryError} `config` if the settings can never work: unknown references in the subject
 *   or a header, a subject with wildcards, URLs of another scheme.
 */
export function natsSink(settings: NatsSinkSettings, context: NatsSinkContext): NatsSink {
  return new JetStreamSink(settings, context);
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

class JetStreamSink implements NatsSink {
  readonly id: string;
  readonly kind = "nats";
  readonly counts: Mutable<NatsSinkCounts> = {
    published: 0,
    duplicates: 0,
    reconciled: 0,
    ambiguous: 0,
    truncated: 0,
    oversize: 0,
    ackTimeouts: 0,
  };
  readonly #settings: NatsSinkSettings;
  readonly #template: SubjectTemplate;
  readonly #headers: ReadonlyMap<string, (alert: Alert) => string>;
  readonly #lease: NatsLease;
  readonly #unlisten: () => void;
  readonly #maxInFlight: number;
  readonly #ackTimeoutMs: number;
  #warnings: readonly string[] = [];
  /** The connection whose stream was looked at, and what came of it. */
  #checked: NatsConnection | undefined;
  #stream: string | undefined;
  /** The highest acknowledged place. */
  #acked: StreamPosition | undefined;
  /** Published and not heard of since, with the place below which they cannot be. */
  readonly #doubtful = new Map<string, StreamPosition | undefined>();
  /** Known to be stored although nobody said so to whoever sends them. */
  readonly #found = new Set<string>();
  /** For `expectedSequence`: the last sequence of each subject. */
  readonly #lastOfSubject = new Map<string, number>();

  constructor(settings: NatsSinkSettings, context: NatsSinkContext) {
    this.id = settings.id;
    this.#settings = settings;
    const problem = natsSettingsProblem(settings.nats);
    if (problem !== undefined) throw new DeliveryError("config", `Cannot use NATS: ${problem}`);
    this.#template = subjectTemplate(settings.subject, context);
    this.#headers = headerTemplates(settings, context);
    this.#maxInFlight = settings.expectedSequence === true
      ? 1
      : Math.max(1, settings.maxInFlight ?? MAX_IN_FLIGHT);
    this.#ackTimeoutMs = settings.ackTimeoutMs ?? NATS_DEFAULTS.timeoutMs;
    this.#lease = context.connections.acquire(settings.nats);
    this.#unlisten = this.#lease.link.onChange(({ state }) => {
      if (state === "connected") context.onConnected?.();
    });
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  status(): NatsStatus {
    return this.#lease.link.status;
  }

  async send(
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    signal.throwIfAborted();
    const connection = await this.#connected(signal);
    if (this.#settings.jetstream === false) return await this.#sendCore(connection, alerts, signal);
    const doubtful = alerts.filter(({ id }) => this.#doubtful.has(id));
    // Whoever sends should have asked; asking twice is cheaper than sending twice.
    if (doubtful.length > 0) {
      const found = await this.reconcile(doubtful, undefined, signal);
      for (const id of found) this.#found.add(id);
    }
    return await this.#sendStream(connection, alerts, signal);
  }

  /** JSON of `{stream, seq}`: everything sent and not acknowledged is above. */
  peerPosition(): string | undefined {
    const place = this.#floor(this.#doubtful.keys());
    return place === undefined ? undefined : JSON.stringify(place);
  }

  async reconcile(
    alerts: readonly Alert[],
    peerPosition: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    if (this.#settings.jetstream === false || alerts.length === 0) return new Set();
    const connection = await this.#connected(signal);
    const asked = alerts.map(({ id }) => id);
    const stored = await readStoredIds(connection, {
      settings: this.#settings.nats,
      stream: this.#stream ?? this.#settings.expectStream,
      filter: this.#template.filter,
      after: this.#lookAfter(asked, parsePosition(peerPosition)),
    }, signal);
    const found = new Set(asked.filter((id) => stored.ids.has(id) || this.#found.has(id)));
    // What was read settles the doubt about all others, too: nobody may ask about them any more.
    for (const id of this.#doubtful.keys()) {
      if (stored.ids.has(id) && this.#found.size < MAX_FOUND) this.#found.add(id);
    }
    this.#doubtful.clear();
    for (const id of asked) this.#found.delete(id);
    this.counts.reconciled += found.size;
    if (stored.ambiguous !== undefined) {
      this.counts.ambiguous += asked.length - found.size;
      log.warn("Sink {sink} may repeat {alerts} alerts: {reason}", {
        sink: this.id,
        alerts: asked.length - found.size,
        reason: stored.ambiguous,
      });
    }
    return found;
  }

  reopen(): void {
    this.#checked = undefined;
    this.#lease.link.reopen();
  }

  async probe(signal: AbortSignal): Promise<void> {
    const connection = await this.#connected(signal);
    try {
      await withSignal(connection.flush(), signal);
      if (this.#settings.jetstream === false) return;
      const jsm = await manager(connection, this.#settings.nats);
      await withSignal(jsm.streams.find(this.#template.filter), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#error(natsFailure(error), error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlisten();
    await this.#lease.release();
  }

  /** The connection, or why there is none. */
  async #connected(signal: AbortSignal): Promise<NatsConnection> {
    const { link } = this.#lease;
    if (link.connection !== undefined) return link.connection;
    const timeoutMs = this.#settings.nats.timeoutMs ?? NATS_DEFAULTS.timeoutMs;
    const limit = new AbortController();
    const onAbort = () => limit.abort();
    signal.addEventListener("abort", onAbort);
    const timer = setTimeout(onAbort, timeoutMs);
    try {
      signal.throwIfAborted();
      return await link.connected(limit.signal);
    } catch {
      signal.throwIfAborted();
      const { failure = "transient", error = "no connection yet" } = link.status;
      throw this.#error(failure, new Error(error));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #sendStream(
    connection: NatsConnection,
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    await this.#check(connection);
    const client = jetstream(connection, jetStreamOptions(this.#settings.nats));
    const outcomes = new Array<DeliveryError | undefined>(alerts.length);
    const window = new PublishWindow(this.#maxInFlight);
    /** What every further alert, or every one of a subject, would fail for as well. */
    let halt: DeliveryError | undefined;
    const refused = new Map<string, DeliveryError>();
    for (const [at, alert] of alerts.entries()) {
      signal.throwIfAborted();
      if (window.full) await withSignal(window.room(), signal);
      const subject = this.#template.subject(alert);
      const known = halt ?? refused.get(subject);
      if (known !== undefined || this.#found.delete(alert.id)) {
        outcomes[at] = known;
        continue;
      }
      const message = this.#message(connection, alert);
      if (message === undefined) {
        outcomes[at] = this.#oversize(alert);
        continue;
      }
      window.add(
        this.#publish(client, connection, alert, subject, message, signal)
          .then((failure) => {
            outcomes[at] = failure;
            if (failure?.failure === "transient") halt ??= failure;
            else if (failure !== undefined && failure.failure !== "poison") {
              refused.set(subject, failure);
            }
          }),
      );
    }
    await withSignal(window.idle(), signal);
    return outcomes;
  }

  /** One publish and its acknowledgement. Never rejects. */
  async #publish(
    client: JetStreamClient,
    connection: NatsConnection,
    alert: Alert,
    subject: string,
    message: NatsMessage,
    signal: AbortSignal,
    tries = 0,
  ): Promise<DeliveryError | undefined> {
    const { expectStream, expectedSequence } = this.#settings;
    if (!this.#doubtful.has(alert.id)) this.#doubtful.set(alert.id, this.#acked);
    const expect = {
      ...(expectStream === undefined ? {} : { streamName: expectStream }),
      ...(expectedSequence === true
        ? { lastSubjectSequence: this.#lastOfSubject.get(subject) ?? 0 }
        : {}),
    };
    try {
      const ack = await client.publish(subject, message.data, {
        headers: message.headers,
        timeout: this.#ackTimeoutMs,
        expect,
      });
      // Anybody may answer a request; only a stream gives a sequence.
      if (typeof ack.stream !== "string" || !(ack.seq > 0)) {
        throw new Error("not a stream's answer");
      }
      this.#doubtful.delete(alert.id);
      this.#note({ stream: ack.stream, seq: ack.seq });
      this.#lastOfSubject.set(subject, Math.max(ack.seq, this.#lastOfSubject.get(subject) ?? 0));
      this.counts.published++;
      if (ack.duplicate) this.counts.duplicates++;
      if (message.truncated) this.counts.truncated++;
      return undefined;
    } catch (error) {
      const code = apiCode(error);
      if (WRONG_SEQUENCE.has(code) && expectedSequence === true && tries < 2) {
        return await this.#afterWrongSequence(
          error,
          () => this.#publish(client, connection, alert, subject, message, signal, tries + 1),
          { connection, alert, subject, signal },
        );
      }
      if (code === API_MESSAGE_TOO_LARGE) {
        this.#doubtful.delete(alert.id);
        return this.#oversize(alert);
      }
      return await this.#classify(connection, alert, subject, error);
    }
  }

  async #classify(
    connection: NatsConnection,
    alert: Alert,
    subject: string,
    error: unknown,
  ): Promise<DeliveryError> {
    const failure = natsFailure(error);
    // The server said no, so it does not have it.
    if (failure !== "transient" || apiCode(error) !== 0) this.#doubtful.delete(alert.id);
    if (causes(error).some((one) => one instanceof TimeoutError)) {
      this.counts.ackTimeouts++;
      void this.#lease.link.suspect(connection);
      return this.#error("transient", new Error(`no acknowledgement for ${alert.id}`));
    }
    if (isNoResponders(error)) return await this.#withoutStream(connection, subject);
    return this.#error(failure, error);
  }

  /** Nobody took a publish: there is no stream, or it has no leader just now. */
  async #withoutStream(connection: NatsConnection, subject: string): Promise<DeliveryError> {
    const missing = new Error(`no stream takes ${subject}, or JetStream is off`);
    try {
      const jsm = await manager(connection, this.#settings.nats);
      await jsm.streams.find(subject);
      return this.#error("transient", new Error(`the stream of ${subject} does not answer`));
    } catch (error) {
      if (apiCode(error) === JetStreamApiCodes.StreamNotFound) {
        return this.#error("config", missing);
      }
      // It took alerts before, so the whole of JetStream may be on its way up.
      const failure = this.#lastOfSubject.has(subject) ? "transient" : "config";
      return this.#error(natsFailure(error) === "transient" ? "transient" : failure, missing);
    }
  }

  /** Somebody wrote to the subject: most likely this sink, before it lost an acknowledgement. */
  async #afterWrongSequence(
    error: unknown,
    again: () => Promise<DeliveryError | undefined>,
    { connection, alert, subject, signal }: {
      readonly connection: NatsConnection;
      readonly alert: Alert;
      readonly subject: string;
      readonly signal: AbortSignal;
    },
  ): Promise<DeliveryError | undefined> {
    try {
      const found = await this.reconcile([alert], this.peerPosition(), signal);
      const { nats } = this.#settings;
      this.#lastOfSubject.set(subject, await lastSequence(connection, nats, subject, error));
      if (found.has(alert.id)) return undefined;
    } catch (cause) {
      return cause instanceof DeliveryError ? cause : this.#error(natsFailure(cause), cause);
    }
    return await again();
  }

  async #sendCore(
    connection: NatsConnection,
    alerts: readonly Alert[],
    signal: AbortSignal,
  ): Promise<readonly (DeliveryError | undefined)[]> {
    const made = alerts.map((alert) => ({
      alert,
      subject: this.#template.subject(alert),
      message: this.#message(connection, alert),
    }));
    const fitting = made.flatMap(({ subject, message }) =>
      message === undefined ? [] : [{ subject, message }]
    );
    const { link } = this.#lease;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#ackTimeoutMs)]);
    try {
      const refused = await publishCore({ connection, link }, fitting, limit);
      return made.map(({ alert, subject, message }) => {
        if (message === undefined) return this.#oversize(alert);
        const violation = refused.get(subject);
        if (violation !== undefined) return this.#error("auth", violation);
        this.counts.published++;
        if (message.truncated) this.counts.truncated++;
        return undefined;
      });
    } catch (error) {
      signal.throwIfAborted();
      void link.suspect(connection);
      throw this.#error("transient", error);
    }
  }

  #message(connection: NatsConnection, alert: Alert): NatsMessage | undefined {
    return natsMessage(alert, {
      gzip: this.#settings.gzip === true,
      extra: this.#headers,
      maxPayload: connection.info?.max_payload ?? MAX_PAYLOAD,
    });
  }

  #oversize(alert: Alert): DeliveryError {
    this.counts.oversize++;
    return this.#error(
      "poison",
      new Error(`oversize: ${alert.body.length} characters are more than the server takes`),
    );
  }

  async #check(connection: NatsConnection): Promise<void> {
    if (this.#checked === connection) return;
    this.#checked = connection;
    const check = checkStream(connection, this.#settings, this.#template.filter)
      .then(({ stream, warnings }) => {
        this.#stream = stream ?? this.#stream;
        for (const warning of warnings.filter((one) => !this.#warnings.includes(one))) {
          log.warn("Sink {sink}: {warning}", { sink: this.id, warning });
        }
        this.#warnings = warnings;
      })
      .catch(() => {}); // The connection went; the next one is looked at again.
    // Nothing else depends on it, so alerts need not wait for it.
    if (this.#settings.createStream === true) await check;
  }

  #note(place: StreamPosition): void {
    const other = this.#acked?.stream !== place.stream;
    if (other || this.#acked === undefined || place.seq > this.#acked.seq) this.#acked = place;
  }

  /** The place above which all of `asked` must be, if they were stored. */
  #lookAfter(
    asked: readonly string[],
    given: StreamPosition | undefined,
  ): StreamPosition | undefined {
    const own = this.#floor(this.#doubtful.keys());
    if (given === undefined) return asked.every((id) => this.#doubtful.has(id)) ? own : undefined;
    this.#acked ??= given;
    // Both hold for what this sink sent itself, so the lower one is on the safe side.
    return own !== undefined && own.stream === given.stream && own.seq < given.seq ? own : given;
  }

  /** The lowest place that was known when one of `ids` was sent, or else the highest of all. */
  #floor(ids: Iterable<string>): StreamPosition | undefined {
    let floor = this.#acked;
    for (const id of ids) {
      const place = this.#doubtful.get(id);
      if (place === undefined) return undefined;
      if (floor === undefined || place.seq < floor.seq || place.stream !== floor.stream) {
        floor = place;
      }
    }
    return floor;
  }

  #error(failure: DeliveryFailure, cause: unknown): DeliveryError {
    return new DeliveryError(
      failure,
      `Cannot deliver to ${this.id}: ${describeFailure(cause)}`,
      { cause },
    );
  }
}
