/**
 * Connections to NATS that are kept up in the background.
 *
 * The client's own reconnecting is off: a broken connection ends, every request on it fails at once,
 * and a new one is made with credentials read anew. So nothing waits in buffers that a sink believes
 * to be on their way, and waiting, order of servers and giving up (never) are decided here.
 */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { getLogger } from "@logtape/logtape";
import { connect, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import type { DeliveryFailure } from "../errors.ts";
import type { NatsSettings, Secret } from "../settings.ts";
import { describeFailure, natsFailure } from "./failure.ts";
import {
  connectionOptions,
  hostOf,
  NATS_DEFAULTS,
  type NatsServerAddress,
  readCredentials,
} from "./options.ts";

const log = getLogger(["picket", "nats"]);

/** Refused credentials are retried more slowly: the cap of waiting is this many times longer. */
const AUTH_WAIT_FACTOR = 5;
/** How long `close` waits for what is under way. */
const DRAIN_BUDGET_MS = 2_000;
/** How long a connection that has been replaced stays open for answers still due. */
const RETIRE_MS = 2_000;

export type NatsState = "connecting" | "connected" | "reconnecting" | "auth_failed" | "closed";

/** What can be told about a connection. */
export interface NatsStatus {
  readonly state: NatsState;
  /** Host and port that is or was connected last. */
  readonly server: string | undefined;
  /** The last failure in words and by class; `undefined` while connected. */
  readonly error: string | undefined;
  readonly failure: DeliveryFailure | undefined;
  /** How often a lost connection was replaced. */
  readonly reconnects: number;
  /** Attempts that failed since the connection was up. */
  readonly failedAttempts: number;
}

export interface NatsLinkOptions {
  /** 0 to below 1; for tests. */
  readonly random?: () => number;
}

/** One connection as its users see it; `NatsConnections` makes it. */
export class NatsLink {
  readonly settings: NatsSettings;
  readonly #random: () => number;
  readonly #listeners = new Set<(status: NatsStatus) => void>();
  readonly #violations = new Set<(subject: string, error: Error) => void>();
  readonly #closing = new AbortController();
  /** Connections that were replaced and still may get answers, with the timers that end them. */
  readonly #retired = new Map<NatsConnection, ReturnType<typeof setTimeout>>();
  #status: NatsStatus = {
    state: "connecting",
    server: undefined,
    error: undefined,
    failure: undefined,
    reconnects: 0,
    failedAttempts: 0,
  };
  #connection: NatsConnection | undefined;
  #replaced = Promise.withResolvers<void>();
  #fingerprint = "";
  #everConnected = false;
  #lastGood: NatsServerAddress | undefined;
  #gossip: readonly NatsServerAddress[] = [];
  #wake: (() => void) | undefined;
  #checking: Promise<void> | undefined;
  #moving: Promise<void> | undefined;
  readonly #running: Promise<void>;

  constructor(settings: NatsSettings, options: NatsLinkOptions = {}) {
    this.settings = settings;
    this.#random = options.random ?? Math.random;
    this.#running = this.#run();
  }

  get status(): NatsStatus {
    return this.#status;
  }

  /** The connection if it is up right now. */
  get connection(): NatsConnection | undefined {
    return this.#connection;
  }

  /** Calls `listener` on each change of the status; the result ends that. */
  onChange(listener: (status: NatsStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells of publishes and subscriptions that the server refused; the result ends that. */
  onViolation(listener: (subject: string, error: Error) => void): () => void {
    this.#violations.add(listener);
    return () => this.#violations.delete(listener);
  }

  /** Resolves when the connection is up; rejects with the signal's reason or when closed. */
  connected(signal: AbortSignal): Promise<NatsConnection> {
    signal.throwIfAborted();
    if (this.#connection !== undefined) return Promise.resolve(this.#connection);
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        signal.removeEventListener("abort", onAbort);
        remove();
        act();
      };
      const onAbort = () => settle(() => reject(signal.reason));
      const remove = this.onChange((status) => {
        const connection = this.#connection;
        if (connection !== undefined) settle(() => resolve(connection));
        else if (status.state === "closed") settle(() => reject(new Error("NATS link is closed")));
      });
      signal.addEventListener("abort", onAbort);
      if (this.#status.state === "closed") {
        settle(() => reject(new Error("NATS link is closed")));
      }
    });
  }

  /**
   * Something was not answered on `connection`: if the server does not answer a ping in time either,
   * the connection is dropped. A server that hangs keeps its sockets open, so nothing else tells.
   */
  suspect(connection: NatsConnection): Promise<void> {
    if (connection !== this.#connection) return Promise.resolve();
    this.#checking ??= this.#ping(connection).finally(() => this.#checking = undefined);
    return this.#checking;
  }

  /** Tries again now instead of after the current pause. */
  retryNow(): void {
    this.#wake?.();
  }

  /** Reads credentials and certificates again; if they changed, a new connection takes over. */
  reopen(): void {
    this.retryNow();
    if (this.#connection === undefined) return;
    let fingerprint: string;
    try {
      fingerprint = readCredentials(this.settings).fingerprint;
    } catch (error) {
      log.warn("NATS connection stays as it is: {error}", { error: describeFailure(error) });
      return;
    }
    if (fingerprint !== this.#fingerprint) this.#move(this.#pool(), "credentials changed");
  }

  /** Ends everything; what is under way has `budgetMs` to finish. */
  async close(budgetMs = DRAIN_BUDGET_MS): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort();
      this.#wake?.();
      const connection = this.#connection;
      this.#connection = undefined;
      for (const [retired, timer] of this.#retired) {
        clearTimeout(timer);
        void retired.close();
      }
      this.#retired.clear();
      if (connection !== undefined) {
        // Draining waits for a pong, which a server that hangs never sends.
        await within(connection.drain().catch(() => {}), budgetMs);
        await connection.close();
      }
      this.#change({ state: "closed" });
    }
    await within(Promise.allSettled([this.#running, this.#moving]), budgetMs);
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      if (!(await this.#round(this.#pool()))) {
        await this.#pause(this.#delay(this.#status.failedAttempts - 1));
        continue;
      }
      await this.#lost();
      // A hub that comes back must not meet the whole fleet at once.
      if (!closing.aborted) await this.#pause(this.#random() * this.#jitter(0));
    }
  }

  /** Waits until the connection, or the one that replaced it, ends by itself. */
  async #lost(): Promise<void> {
    for (let current = this.#connection; current !== undefined; current = this.#connection) {
      const error: unknown = await Promise.race([current.closed(), this.#replaced.promise]);
      if (this.#closing.signal.aborted) return;
      if (this.#connection === current) {
        this.#connection = undefined;
        this.#failed(error ?? new Error("the server closed the connection"), 0);
      }
    }
  }

  /** One attempt at each server. */
  async #round(pool: readonly NatsServerAddress[]): Promise<boolean> {
    let failure: unknown;
    for (const server of pool) {
      if (this.#closing.signal.aborted) return false;
      try {
        await this.#dial(server);
        return true;
      } catch (error) {
        // A refusal is what somebody has to act on, whatever the other servers say.
        if (failure === undefined || natsFailure(failure) === "transient") failure = error;
      }
    }
    if (!this.#closing.signal.aborted) this.#failed(failure, 1);
    return false;
  }

  async #dial(server: NatsServerAddress): Promise<void> {
    const credentials = readCredentials(this.settings);
    const connection = await connect(connectionOptions(this.settings, server, credentials));
    if (this.#closing.signal.aborted) {
      await connection.close();
      throw new Error("NATS link is closed");
    }
    this.#fingerprint = credentials.fingerprint;
    this.#adopt(connection, server);
  }

  #adopt(connection: NatsConnection, server: NatsServerAddress): void {
    const previous = this.#connection;
    this.#connection = connection;
    this.#lastGood = server;
    this.#learn(connection, server);
    void this.#watch(connection, server);
    if (previous !== undefined) {
      this.#retire(previous);
      this.#replaced.resolve();
      this.#replaced = Promise.withResolvers();
    }
    const again = this.#everConnected;
    this.#everConnected = true;
    log.info("NATS connected to {server}", { server: connection.getServer(), again });
    this.#change({
      state: "connected",
      server: connection.getServer(),
      error: undefined,
      failure: undefined,
      failedAttempts: 0,
      reconnects: this.#status.reconnects + (again ? 1 : 0),
    });
  }

  async #watch(connection: NatsConnection, server: NatsServerAddress): Promise<void> {
    for await (const event of connection.status()) {
      switch (event.type) {
        case "error":
          if (event.error instanceof PermissionViolationError) {
            const { subject } = event.error;
            for (const listener of this.#violations) listener(subject, event.error);
          }
          log.warn("NATS {server} says {error}", {
            server: connection.getServer(),
            error: event.error.message,
          });
          break;
        case "staleConnection":
          // The client would first wait until its last bytes are written, which may be never.
          void connection.close();
          break;
        case "ldm": {
          const others = this.#pool().filter(({ url }) => url !== server.url);
          if (connection === this.#connection) this.#move(others, "the server is shutting down");
          break;
        }
        case "update":
          this.#learn(connection, server);
          break;
        case "close":
        case "disconnect":
        case "forceReconnect":
        case "ping":
        case "reconnect":
        case "reconnecting":
        case "slowConsumer":
          break;
      }
    }
  }

  /** Connects to one of `pool` beside the connection there is, and then takes that one instead. */
  #move(pool: readonly NatsServerAddress[], reason: string): void {
    if (this.#moving !== undefined || pool.length === 0) return;
    log.info("NATS makes a new connection: {reason}", { reason });
    this.#moving = (async () => {
      for (const server of pool) {
        try {
          await this.#dial(server);
          return;
        } catch (error) {
          log.warn("NATS {server}: {error}", {
            server: server.url,
            error: describeFailure(error),
          });
        }
      }
    })().finally(() => this.#moving = undefined);
  }

  #retire(connection: NatsConnection): void {
    const timer = setTimeout(() => {
      this.#retired.delete(connection);
      void connection.close();
    }, RETIRE_MS);
    this.#retired.set(connection, timer);
  }

  async #ping(connection: NatsConnection): Promise<void> {
    const timeoutMs = this.settings.timeoutMs ?? NATS_DEFAULTS.timeoutMs;
    const answered = await within(connection.flush().then(() => true, () => true), timeoutMs);
    if (answered === true || connection !== this.#connection) return;
    log.warn("NATS {server} does not answer, dropping the connection", {
      server: connection.getServer(),
    });
    void connection.close();
  }

  /** The servers in the order to try them: the last good one first, the others shuffled. */
  #pool(): readonly NatsServerAddress[] {
    const known = new Map<string, NatsServerAddress>();
    for (const url of this.settings.servers) known.set(url, { url });
    for (const server of this.#gossip) known.set(server.url, server);
    const others = [...known.values()].filter(({ url }) => url !== this.#lastGood?.url)
      .map((server) => ({ server, order: this.#random() }))
      .sort((a, b) => a.order - b.order).map(({ server }) => server);
    return this.#lastGood === undefined ? others : [this.#lastGood, ...others];
  }

  #learn(connection: NatsConnection, server: NatsServerAddress): void {
    const host = hostOf(server.url);
    const tlsName = server.tlsName ?? (isIP(host) === 0 ? host : undefined);
    const scheme = /^tls:/i.test(server.url) ? "tls" : "nats";
    this.#gossip = (connection.info?.connect_urls ?? [])
      .map((address) => ({ url: `${scheme}://${address}`, tlsName }));
  }

  #failed(error: unknown, attempts: number): void {
    const failure = natsFailure(error);
    const state = failure === "auth"
      ? "auth_failed"
      : this.#everConnected
      ? "reconnecting"
      : "connecting";
    const message = describeFailure(error);
    // One line for each new reason, not for each attempt of a long outage.
    if (message !== this.#status.error || state !== this.#status.state) {
      log.warn("NATS {state}: {error}", { state, error: message });
    }
    this.#change({
      state,
      error: message,
      failure,
      failedAttempts: this.#status.failedAttempts + attempts,
    });
  }

  #change(change: Partial<NatsStatus>): void {
    this.#status = { ...this.#status, ...change };
    for (const listener of [...this.#listeners]) listener(this.#status);
  }

  #backoff(failures: number): number {
    const base = this.settings.reconnectWaitMs ?? NATS_DEFAULTS.reconnectWaitMs;
    const most = (this.settings.reconnectMaxWaitMs ?? NATS_DEFAULTS.reconnectMaxWaitMs) *
      (this.#status.state === "auth_failed" ? AUTH_WAIT_FACTOR : 1);
    return Math.min(most, base * 2 ** Math.min(failures, 30));
  }

  #jitter(failures: number): number {
    return this.settings.reconnectJitterMs ?? this.#backoff(failures);
  }

  #delay(failures: number): number {
    return this.#backoff(failures) + this.#random() * this.#jitter(failures);
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#wake = end;
    });
  }
}

/** A user's hold on a link. */
export interface NatsLease {
  readonly link: NatsLink;
  /** The last one out closes the connection; a second call does nothing. */
  release(): Promise<void>;
}

/** The connections of an agent: one for each distinct settings, however many sinks and sources. */
export class NatsConnections implements AsyncDisposable {
  readonly #options: NatsLinkOptions;
  readonly #links = new Map<string, { readonly link: NatsLink; users: number }>();
  readonly #functions = new WeakMap<Secret, number>();
  #functionCount = 0;

  constructor(options: NatsLinkOptions = {}) {
    this.#options = options;
  }

  /** The links there are, for status pages and metrics. */
  links(): readonly NatsLink[] {
    return [...this.#links.values()].map(({ link }) => link);
  }

  /** Begins to connect, unless somebody else with the same settings did already. */
  acquire(settings: NatsSettings): NatsLease {
    const key = this.#key(settings);
    const entry = this.#links.get(key) ?? { link: new NatsLink(settings, this.#options), users: 0 };
    entry.users++;
    this.#links.set(key, entry);
    let released = false;
    return {
      link: entry.link,
      release: async () => {
        if (released) return;
        released = true;
        if (--entry.users > 0) return;
        if (this.#links.get(key) === entry) this.#links.delete(key);
        await entry.link.close();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const links = this.links();
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }

  /** Equal for equal settings; secrets by a digest of what they are now. */
  #key(settings: NatsSettings): string {
    const plain = JSON.stringify(settings, (_, value: unknown) => {
      if (typeof value === "function") return this.#secretKey(value as Secret);
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
    });
    return createHash("sha256").update(plain).digest("hex");
  }

  #secretKey(secret: Secret): string {
    try {
      return createHash("sha256").update(secret()).digest("hex");
    } catch {
      // Not readable yet: nobody else's secret is the same for sure.
      const known = this.#functions.get(secret) ?? ++this.#functionCount;
      this.#functions.set(secret, known);
      return `secret ${known}`;
    }
  }
}

/** What `promise` gives, or `undefined` after `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
