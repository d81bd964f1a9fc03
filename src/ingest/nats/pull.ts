/**
 * Messages pulled from a consumer, one request after the other, on one connection.
 *
 * The next request goes out when what the last one brought has been taken, so at most two requests'
 * worth of messages are in memory and a slow reader leaves the rest with the server.
 */
import { createInbox, type Msg, nanos, type NatsConnection } from "@nats-io/transport-node";
import { type Delivery, deliveryOf } from "../../runtime/nats/jetstream.ts";
import type { NatsSourceSettings } from "../../runtime/settings.ts";

const FETCH_BATCH = 200;
const FETCH_BYTES = 8 << 20;
const FETCH_EXPIRES_MS = 30_000;
const IDLE_HEARTBEAT_MS = 15_000;
/** Pause after a request that the server ended early with a status of its own. */
const REFUSED_PAUSE_MS = 250;

export interface Pulled {
  readonly message: Msg;
  readonly delivery: Delivery;
}

export class PullFeed {
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #batch: number;
  readonly #bytes: number;
  readonly #expiresMs: number;
  readonly #heartbeatMs: number;
  readonly #subscription: ReturnType<NatsConnection["subscribe"]>;
  #queue: Pulled[] = [];
  /** Messages that the request under way may still bring; 0 without one. */
  #outstanding = 0;
  #brought = 0;
  /** After a message too large for a request of so many bytes: one message, whatever its size. */
  #oversize = false;
  #notBeforeMs = 0;
  #activeMs = Date.now();
  #failure: Error | undefined;
  /** Set by `close`: gets what still comes. */
  #refuse: ((late: Pulled) => void) | undefined;
  #wake: (() => void) | undefined;

  constructor(
    connection: NatsConnection,
    settings: NatsSourceSettings,
    place: { readonly prefix: string; readonly stream: string; readonly consumer: string },
  ) {
    this.#connection = connection;
    this.#subject = `${place.prefix}.CONSUMER.MSG.NEXT.${place.stream}.${place.consumer}`;
    const pending = settings.maxAckPending ?? Number.MAX_SAFE_INTEGER;
    this.#batch = Math.max(1, Math.min(settings.fetchBatch ?? FETCH_BATCH, pending));
    this.#bytes = settings.fetchBytes ?? FETCH_BYTES;
    this.#expiresMs = settings.fetchExpiresMs ?? FETCH_EXPIRES_MS;
    // The server takes no longer ones.
    this.#heartbeatMs = Math.min(
      settings.idleHeartbeatMs ?? IDLE_HEARTBEAT_MS,
      Math.floor(this.#expiresMs / 2),
    );
    this.#subscription = connection.subscribe(createInbox(settings.nats.inboxPrefix), {
      callback: (error, message) => {
        if (error) this.#fail(error);
        else this.#receive(message);
      },
    });
    void connection.closed().then((error) =>
      this.#fail(error instanceof Error ? error : new Error("connection closed"))
    );
  }

  /** What has come and was not taken. */
  get waiting(): readonly Pulled[] {
    return this.#queue;
  }

  /**
   * Waits for messages and takes them, up to the size of a request.
   *
   * @param untilMs When to return without any (Unix milliseconds).
   * @throws What ended the feed; rejects with the signal's reason.
   */
  async take(untilMs: number, signal: AbortSignal): Promise<readonly Pulled[]> {
    while (this.#queue.length === 0) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const nowMs = Date.now();
      if (nowMs >= untilMs) return [];
      if (this.#outstanding === 0 && nowMs >= this.#notBeforeMs) this.#request();
      const silentMs = this.#activeMs + 2 * this.#heartbeatMs + 1000;
      if (this.#outstanding > 0 && nowMs >= silentMs) throw new Error("the server went silent");
      const next = this.#outstanding > 0 ? silentMs : this.#notBeforeMs;
      await this.#sleep(Math.min(next, untilMs) - nowMs, signal);
    }
    let bytes = 0;
    let count = 0;
    for (const { message } of this.#queue) {
      bytes += message.data.length;
      if (count > 0 && (count >= this.#batch || bytes > this.#bytes)) break;
      count++;
    }
    const taken = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    if (this.#outstanding === 0 && this.#queue.length < this.#batch) this.#request();
    return taken;
  }

  /**
   * Ends it. The server may be answering the request under way just now, so messages can still come.
   *
   * @param refuse Gets those and what nobody took.
   */
  close(refuse: (late: Pulled) => void): void {
    this.#failure ??= new Error("closed");
    this.#refuse = refuse;
    if (!this.#connection.isClosed()) this.#subscription.drain().catch(() => {});
    for (const late of this.#queue) refuse(late);
    this.#queue = [];
  }

  #request(): void {
    if (this.#failure !== undefined) return;
    const batch = this.#oversize ? 1 : this.#batch;
    this.#outstanding = batch;
    this.#brought = 0;
    this.#activeMs = Date.now();
    this.#connection.publish(
      this.#subject,
      JSON.stringify({
        batch,
        ...(this.#oversize ? {} : { max_bytes: this.#bytes }),
        expires: nanos(this.#expiresMs),
        idle_heartbeat: nanos(this.#heartbeatMs),
      }),
      { reply: this.#subscription.getSubject() },
    );
    this.#oversize = false;
  }

  #receive(message: Msg): void {
    this.#activeMs = Date.now();
    const delivery = deliveryOf(message.reply);
    if (delivery !== undefined && this.#refuse !== undefined) {
      this.#refuse({ message, delivery });
    } else if (delivery !== undefined) {
      this.#queue.push({ message, delivery });
      this.#brought++;
      this.#outstanding = Math.max(0, this.#outstanding - 1);
    } else {
      this.#status(message.headers?.code ?? 0, message.headers?.description ?? "");
    }
    this.#wake?.();
  }

  #status(code: number, description: string): void {
    if (code === 100) return; // A heartbeat.
    this.#outstanding = 0;
    if (code === 404 || code === 408) return; // Nothing came in time, or no more.
    if (code === 409 && /maxbytes/i.test(description)) {
      this.#oversize = this.#brought === 0;
      return;
    }
    if (code === 409 && !/deleted|push based/i.test(description)) {
      this.#notBeforeMs = Date.now() + REFUSED_PAUSE_MS;
      return;
    }
    const text = code === 503 ? "JetStream does not answer" : description;
    this.#fail(new Error(`the consumer cannot be read: ${text} (${code})`));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, Math.max(1, ms));
      signal.addEventListener("abort", end);
      this.#wake = end;
    });
  }
}
