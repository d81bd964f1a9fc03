/**
 * The HTTP client for everything the agent asks for by itself: sinks, enrichers, sources.
 *
 * It differs from `fetch` in what it does not do: it connects to no address that the egress policy
 * has not seen, follows no redirect it was not told to, reads no more than it was told to, and has
 * an end in time. `node:http` does the protocol on both runtimes; connections are opened here,
 * because only then is it certain that the address that was checked is the one that is used.
 */
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { type MetricsHook, noopMetrics } from "../metrics.ts";
import type { EgressSettings, TlsSettings } from "../settings.ts";
import { type ConnectOptions, connectTo, type Resolver, StaleConnection } from "./connect.ts";
import { portOf, systemResolver } from "./connect.ts";
import { withDeadline } from "./deadline.ts";
import { egressPolicy } from "./egress.ts";
import { HttpError } from "./errors.ts";
import { type Connection, connectionOf, exchange, type WireResponse } from "./exchange.ts";
import { basicAuthorization, type Environment, type Proxy, proxyFor } from "./proxy.ts";
import { TlsFiles } from "./tls_files.ts";

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_BODY_BYTES = 64 << 10;
/** Servers commonly keep idle connections for 5 s; a request must not meet one being closed. */
const IDLE_MS = 4_000;
const MAX_IDLE = 8;

export interface HttpClientOptions {
  readonly egress: EgressSettings;
  /** Who asks, as `egress_denied_total` labels it: `sink:hub`. */
  readonly component: string;
  readonly tls?: TlsSettings | undefined;
  /** Default `env`. */
  readonly proxy?: "env" | "none" | string | undefined;
  /** Default 5,000: name, connection, proxy and TLS together. */
  readonly connectTimeoutMs?: number | undefined;
  /** Default 30,000: a whole request with its redirects. */
  readonly timeoutMs?: number | undefined;
  /** Default 0: a redirect is an answer like any other. */
  readonly maxRedirects?: number | undefined;
  /** Default 64 KiB of an answer's body; the rest is not read. */
  readonly maxBodyBytes?: number | undefined;
  readonly metrics?: MetricsHook | undefined;
  readonly env?: Environment | undefined;
  /** Default: the system's. */
  readonly resolve?: Resolver | undefined;
}

export interface HttpRequest {
  readonly method: string;
  /** `http:` or `https:`; a user and password in it become an `Authorization` header. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}

export interface HttpResponse extends WireResponse {
  /** The method and URL of the last hop: redirects can turn a POST into a GET. */
  readonly method: string;
  readonly url: URL;
}

export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #connect: ConnectOptions;
  readonly #idle = new Map<string, { connection: Connection; expire: () => void }[]>();
  readonly #open = new Set<Connection>();
  readonly #closed = new AbortController();

  /** @throws {HttpError} `HTTP_SETTINGS` for an egress policy that cannot be read. */
  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#connect = {
      policy: egressPolicy(options.egress),
      tlsFiles: new TlsFiles(options.tls),
      proxyTlsFiles: new TlsFiles(options.tls?.ca === undefined ? {} : { ca: options.tls.ca }),
      tls: options.tls,
      resolve: options.resolve ?? systemResolver,
      metrics: options.metrics ?? noopMetrics,
      component: options.component,
    };
  }

  /**
   * Sends a request and reads the answer, whatever its status.
   *
   * A kept connection that turns out to be closed is replaced once, so a request may reach the far
   * end twice; that is no more than its sender must expect when an answer is lost.
   *
   * @throws {HttpError} There is no answer; see `HttpFailure`. Always within `timeoutMs`.
   * Rejects with the reason of `signal`.
   */
  async request(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const first = parseUrl(request.url);
    const headers = lowerNames(request.headers ?? {});
    checkRequest(request.method, headers);
    const authorization = basicAuthorization(first);
    if (authorization !== undefined) headers.authorization ??= authorization;
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const late = () =>
      new HttpError("HTTP_TIMEOUT", `no answer from ${first.origin} within ${timeoutMs} ms`);
    return await this.#limited(timeoutMs, late, signal, async (inner) => {
      let hop: Hop = { url: first, method: request.method, headers, body: request.body };
      for (let redirects = 0;; redirects++) {
        const response = await this.#exchange(hop, inner);
        const target = redirectTarget(response.status, response.headers.location, hop.url);
        const max = this.#options.maxRedirects ?? 0;
        if (target === undefined || max === 0) return { ...response, ...last(hop) };
        if (redirects >= max) {
          throw new HttpError("HTTP_REDIRECT", `${first.origin} redirected more than ${max} times`);
        }
        hop = nextHop(hop, response.status, target);
      }
    });
  }

  /**
   * Resolves, connects and, for `https:`, shakes hands, without sending a request.
   *
   * @throws {HttpError} As `request`.
   */
  async probe(url: string, signal: AbortSignal): Promise<void> {
    const connection = await this.#connection(parseUrl(url), signal);
    connection.socket.destroy();
  }

  /** Reads certificates again and leaves connections that were made with the old ones. */
  reopen(): void {
    this.#connect.tlsFiles.reopen();
    this.#connect.proxyTlsFiles.reopen();
    this.#dropIdle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new HttpError("HTTP_CONNECT", "the HTTP client is closed"));
    this.#dropIdle();
    for (const { socket, agent } of this.#open) {
      socket.destroy();
      agent.destroy();
    }
    return Promise.resolve();
  }

  async #exchange(hop: Hop, signal: AbortSignal): Promise<WireResponse> {
    const { url, method, body } = hop;
    const proxy = this.#proxy(url);
    const absolute = proxy !== undefined && url.protocol === "http:";
    const headers = { host: url.host, "user-agent": "picket", ...hop.headers };
    const wire = {
      method,
      body,
      target: absolute ? `${url.origin}${url.pathname}${url.search}` : url.pathname + url.search,
      headers: {
        ...headers,
        ...(body === undefined && (method === "GET" || method === "HEAD")
          ? {}
          : { "content-length": String(body?.byteLength ?? 0) }),
        ...(absolute && proxy.authorization !== undefined
          ? { "proxy-authorization": proxy.authorization }
          : {}),
      },
    };
    const limit = this.#options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
    // Looked up first: changed certificates change the key.
    const key = this.#key(url, proxy);
    const kept = this.#take(key);
    if (kept !== undefined) {
      try {
        return await this.#run(kept, key, wire, limit, signal);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
      }
    }
    const fresh = await this.#connection(url, signal);
    try {
      return await this.#run(fresh, key, wire, limit, signal);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      const message = `${url.origin} closed the connection: ${error.message}`;
      throw new HttpError("HTTP_PROTOCOL", message, { cause: error });
    }
  }

  /** An exchange, after which the connection is kept if the far end keeps it. */
  async #run(
    connection: Connection,
    key: string,
    wire: Parameters<typeof exchange>[1],
    limit: number,
    signal: AbortSignal,
  ): Promise<WireResponse> {
    const keep = () => this.#keep(key, connection);
    connection.agent.once("free", keep);
    try {
      return await exchange(connection, wire, limit, signal);
    } catch (error) {
      connection.agent.off("free", keep);
      throw error;
    }
  }

  async #connection(url: URL, signal: AbortSignal): Promise<Connection> {
    const timeoutMs = this.#options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    const late = () =>
      new HttpError("HTTP_TIMEOUT", `no connection to ${url.origin} within ${timeoutMs} ms`);
    const socket = await this.#limited(
      timeoutMs,
      late,
      signal,
      (inner) => connectTo(url, this.#proxy(url), this.#connect, inner),
    );
    const connection = connectionOf(socket);
    this.#open.add(connection);
    socket.once("close", () => this.#open.delete(connection));
    return connection;
  }

  /** `withDeadline` that disposing ends as well. */
  async #limited<T>(
    timeoutMs: number,
    late: () => Error,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return await withDeadline(timeoutMs, late, [signal, this.#closed.signal], run);
  }

  #proxy(url: URL): Proxy | undefined {
    return proxyFor(url, this.#options.proxy ?? "env", this.#options.env ?? readEnvironment);
  }

  #key(url: URL, proxy: Proxy | undefined): string {
    const by = proxy === undefined ? "" : `${proxy.secure}:${proxy.host}:${proxy.port}`;
    const version = url.protocol === "https:" ? this.#connect.tlsFiles.current().version : 0;
    return `${url.protocol}//${url.hostname}:${portOf(url)} ${by} ${version}`;
  }

  #take(key: string): Connection | undefined {
    const list = this.#idle.get(key);
    while (list !== undefined && list.length > 0) {
      const { connection, expire } = list.at(-1)!;
      expire();
      if (!connection.socket.destroyed) return connection;
    }
    return undefined;
  }

  #keep(key: string, connection: Connection): void {
    const { socket } = connection;
    if (socket.destroyed || this.#closed.signal.aborted || this.#open.size > MAX_IDLE) {
      socket.destroy();
      return;
    }
    const list = this.#idle.get(key) ?? [];
    const expire = () => {
      clearTimeout(timer);
      socket.off("close", expire);
      const at = list.indexOf(entry);
      if (at >= 0) list.splice(at, 1);
      if (list.length === 0) this.#idle.delete(key);
    };
    const entry = { connection, expire };
    const timer = setTimeout(() => socket.destroy(), IDLE_MS).unref();
    socket.once("close", expire);
    list.push(entry);
    this.#idle.set(key, list);
  }

  #dropIdle(): void {
    for (const { connection, expire } of [...this.#idle.values()].flat()) {
      expire();
      connection.socket.destroy();
    }
  }
}

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

function last({ url, method }: Hop): { readonly url: URL; readonly method: string } {
  return { url, method };
}

function readEnvironment(name: string): string | undefined {
  return process.env[name];
}

/** Reads a URL that this client can ask. */
export function parseUrl(text: string): URL {
  const url = URL.parse(text);
  // The text may hold a token, so only what is wrong with it is told.
  if (url === null) throw new HttpError("HTTP_REQUEST", "the URL cannot be read");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new HttpError("HTTP_REQUEST", `URLs of scheme '${url.protocol}' cannot be asked`);
  }
  return url;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Whether `text` can be the name of a header or method. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

function checkRequest(method: string, headers: Readonly<Record<string, string>>): void {
  if (!isToken(method)) throw new HttpError("HTTP_REQUEST", `invalid method '${method}'`);
  for (const [name, value] of Object.entries(headers)) {
    if (!isToken(name)) throw new HttpError("HTTP_REQUEST", `invalid header name '${name}'`);
    if (CONTROL.test(value)) {
      throw new HttpError("HTTP_REQUEST", `invalid header value for '${name}': a line end or such`);
    }
  }
}

function lowerNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/** Where an answer sends us, if it does. */
function redirectTarget(
  status: number,
  location: string | undefined,
  from: URL,
): URL | undefined {
  if (location === undefined || ![301, 302, 303, 307, 308].includes(status)) return undefined;
  const target = URL.parse(location, from);
  if (target === null) {
    throw new HttpError("HTTP_REDIRECT", `${from.origin} redirected to what is no URL`);
  }
  return target;
}

/** What may go to another origin; anything else can be a credential. */
const HARMLESS = new Set(["accept", "content-type", "content-encoding", "user-agent"]);

function nextHop(hop: Hop, status: number, target: URL): Hop {
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    const message = `${hop.url.origin} redirected to scheme '${target.protocol}'`;
    throw new HttpError("HTTP_REDIRECT", message);
  }
  if (hop.url.protocol === "https:" && target.protocol === "http:") {
    const message = `${hop.url.origin} redirected from https to ${target.origin}`;
    throw new HttpError("HTTP_REDIRECT", message);
  }
  const sameOrigin = target.origin === hop.url.origin;
  const keepsBody = status === 307 || status === 308 || hop.method === "GET" ||
    hop.method === "HEAD";
  const headers = Object.fromEntries(
    Object.entries(hop.headers).filter(([name]) =>
      name !== "host" && (sameOrigin || HARMLESS.has(name)) &&
      (keepsBody || !name.startsWith("content-"))
    ),
  );
  return {
    url: target,
    method: keepsBody ? hop.method : "GET",
    headers,
    body: keepsBody ? hop.body : undefined,
  };
}
