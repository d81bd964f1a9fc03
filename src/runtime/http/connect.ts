/**
 * Connections to addresses that the egress policy has seen.
 *
 * A name is resolved once; what is connected to is an address of that answer, so that a name server
 * that answers differently a second time decides nothing. The name is kept for `Host`, for the
 * server name in TLS and for the check of the certificate.
 */
import { lookup } from "node:dns/promises";
import http from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { MetricsHook } from "../metrics.ts";
import type { TlsSettings } from "../settings.ts";
import { parseAddress } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import type { EgressDenial, EgressPolicy } from "./egress.ts";
import { plainHost } from "./egress.ts";
import { causeText, errorCode, HttpError } from "./errors.ts";
import type { Proxy } from "./proxy.ts";
import type { TlsFiles } from "./tls_files.ts";

/** Gives the addresses of a name; rejects or gives none if it has none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/** What all connections of a client share. */
export interface ConnectOptions {
  readonly policy: EgressPolicy;
  readonly tlsFiles: TlsFiles;
  /** For a proxy that is reached by TLS: the same authorities, no certificate of ours. */
  readonly proxyTlsFiles: TlsFiles;
  readonly tls: TlsSettings | undefined;
  readonly resolve: Resolver;
  readonly metrics: MetricsHook;
  /** Who asks, for `egress_denied_total`. */
  readonly component: string;
}

/** How many addresses of a name are tried. */
const MAX_ADDRESSES = 4;
/** Behind a proxy there is often no name server; a name may not cost the whole time to connect. */
const PROXIED_NAME_MS = 1_000;

/** All addresses of the system's resolver, in its order. */
export const systemResolver: Resolver = async (host) =>
  (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => address);

/**
 * Opens a connection to the host of `url`, by way of `proxy` if there is one.
 *
 * For `https:` it is encrypted and the certificate has been checked.
 *
 * @throws {HttpError} `HTTP_DENIED`, `HTTP_CONNECT`, `HTTP_TLS`, `HTTP_PROXY`, `HTTP_SETTINGS`.
 * Rejects with the reason of `signal`, and leaves no socket behind.
 */
export async function connectTo(
  url: URL,
  proxy: Proxy | undefined,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<Duplex> {
  const host = plainHost(url.hostname);
  const port = portOf(url);
  const secure = url.protocol === "https:";
  if (proxy === undefined) {
    const socket = await openSocket(await allowedAddresses(host, port, options, signal), signal, {
      host,
      port,
    });
    return secure ? await startTls(socket, host, options, true, signal) : socket;
  }
  await checkProxied(host, port, options, signal);
  const addresses = await allowedAddresses(proxy.host, proxy.port, options, signal);
  const socket = await openSocket(addresses, signal, proxy);
  const carrier = proxy.secure
    ? await startTls(socket, proxy.host, options, false, signal)
    : socket;
  if (!secure) return carrier;
  const tunnel = await openTunnel(carrier, `${url.hostname}:${port}`, proxy, signal);
  return await startTls(tunnel, host, options, true, signal);
}

export function portOf(url: URL): number {
  return url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
}

/** The addresses of a host that may be connected to, at least one. */
async function allowedAddresses(
  host: string,
  port: number,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  deny(options.policy.checkHost(host, port), options);
  const literal = parseAddress(host) !== undefined;
  const addresses = literal ? [host] : await resolveName(host, options, signal);
  if (addresses.length === 0) {
    throw new HttpError("HTTP_CONNECT", `no addresses resolved for '${host}'`);
  }
  const denials = addresses.map((address) => options.policy.checkAddress(address));
  const allowed = addresses.filter((_, index) => denials[index] === undefined);
  if (allowed.length === 0) deny(denials[0], options);
  return allowed.slice(0, MAX_ADDRESSES);
}

/**
 * The target of a proxied request. The proxy resolves it anew, so none of its addresses may be a
 * denied one; a name that only the proxy knows is left to the proxy.
 */
async function checkProxied(
  host: string,
  port: number,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<void> {
  deny(options.policy.checkHost(host, port), options);
  if (parseAddress(host) !== undefined) return deny(options.policy.checkAddress(host), options);
  const late = () => new HttpError("HTTP_TIMEOUT", `cannot resolve '${host}' in time`);
  const addresses = await withDeadline(
    PROXIED_NAME_MS,
    late,
    [signal],
    (inner) => resolveName(host, options, inner),
  ).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof HttpError)) throw error;
    return [];
  });
  for (const address of addresses) deny(options.policy.checkAddress(address), options);
}

function deny(denial: EgressDenial | undefined, options: ConnectOptions): void {
  if (denial === undefined) return;
  options.metrics.onEgressDenied?.(denial.class, options.component);
  throw new HttpError("HTTP_DENIED", denial.message);
}

async function resolveName(
  host: string,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await abortable(options.resolve(host), signal);
  } catch (error) {
    signal.throwIfAborted();
    const message = `cannot resolve '${host}': ${errorCode(error) ?? causeText(error)}`;
    throw new HttpError("HTTP_CONNECT", message, { cause: error });
  }
}

async function openSocket(
  addresses: readonly string[],
  signal: AbortSignal,
  target: { readonly host: string; readonly port: number },
): Promise<net.Socket> {
  let last: unknown;
  for (const address of addresses) {
    signal.throwIfAborted();
    try {
      return await openOne(address, target.port, signal);
    } catch (error) {
      signal.throwIfAborted();
      last = error;
    }
  }
  const cause = errorCode(last) ?? causeText(last);
  const at = addresses.includes(target.host) ? "" : ` (${addresses.join(", ")})`;
  const message = `cannot connect to ${target.host}:${target.port}${at}: ${cause}`;
  throw new HttpError("HTTP_CONNECT", message, { cause: last });
}

function openOne(address: string, port: number, signal: AbortSignal): Promise<net.Socket> {
  const socket = net.connect({ host: address, port, noDelay: true });
  return settled(socket, "connect", signal, (error) => error);
}

/**
 * Encrypts a connection and checks the certificate against the name.
 *
 * @param toTarget Whether the far end is the one that the settings speak of; a proxy gets no client
 *   certificate, and its own is always checked, for its own name.
 */
function startTls(
  socket: Duplex,
  host: string,
  options: ConnectOptions,
  toTarget: boolean,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  const name = toTarget ? options.tls?.serverName ?? host : host;
  const files = toTarget ? options.tlsFiles : options.proxyTlsFiles;
  let connection: tls.TLSSocket;
  try {
    connection = tls.connect({
      socket,
      // RFC 6066 knows no addresses as server names.
      servername: net.isIP(name) === 0 ? name : "",
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      rejectUnauthorized: !(toTarget && options.tls?.insecure === true),
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
      secureContext: files.current().context,
    });
  } catch (error) {
    socket.destroy();
    throw error instanceof HttpError ? error : tlsError(host, error);
  }
  return settled(connection, "secureConnect", signal, (error) => tlsError(host, error))
    .catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
}

/** A far end that hangs up during the handshake may be restarting; any other reason will stay. */
function tlsError(host: string, error: unknown): HttpError {
  const code = errorCode(error);
  const lost = code === "ECONNRESET" || code === "EPIPE" || code === "ETIMEDOUT" ||
    code === undefined && error instanceof Error && error.message === HUNG_UP;
  const message = `TLS handshake with ${host} failed: ${causeText(error)}`;
  return new HttpError(lost ? "HTTP_CONNECT" : "HTTP_TLS", message, { cause: error });
}

/** Asks a proxy for a tunnel to `authority`. */
async function openTunnel(
  carrier: Duplex,
  authority: string,
  proxy: Proxy,
  signal: AbortSignal,
): Promise<Duplex> {
  const agent = new SocketAgent(carrier);
  const request = http.request({
    agent,
    method: "CONNECT",
    path: authority,
    headers: {
      host: authority,
      ...(proxy.authorization === undefined ? {} : { "proxy-authorization": proxy.authorization }),
    },
  });
  const answered = new Promise<Duplex>((resolve, reject) => {
    request.once("connect", (response, socket) => {
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return resolve(socket);
      const refused = status === 401 || status === 403 || status === 407;
      const message = `proxy ${proxy.host}:${proxy.port} answered ${status} to CONNECT`;
      reject(new HttpError(refused ? "HTTP_PROXY" : "HTTP_CONNECT", message));
    });
    request.once("response", (response) => {
      const message = `proxy ${proxy.host}:${proxy.port} answered ${response.statusCode}`;
      reject(new HttpError("HTTP_CONNECT", message));
    });
    request.on("error", (error) => {
      const message = `proxy ${proxy.host}:${proxy.port}: ${causeText(error)}`;
      reject(new HttpError("HTTP_CONNECT", message, { cause: error }));
    });
    request.once("close", () => {
      reject(new HttpError("HTTP_CONNECT", `proxy ${proxy.host}:${proxy.port} hung up`));
    });
  });
  request.end();
  try {
    return await abortable(answered, signal);
  } catch (error) {
    request.destroy();
    carrier.destroy();
    throw error;
  }
}

/** Stands for the connection that is not there; what takes an error does not look at it. */
const ENDED: Duplex = new net.Socket().destroy();

/** Hands one connection to `node:http`; reuses it for as long as it lives and opens no other. */
export class SocketAgent extends http.Agent {
  #socket: Duplex | undefined;

  constructor(socket: Duplex) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined && !socket.destroyed) return socket;
    // Not thrown: Deno asks again by itself when a kept connection ends, where nobody would catch it.
    queueMicrotask(() => callback?.(new StaleConnection("the connection has ended"), ENDED));
    return undefined;
  }
}

/** The far end closed a kept connection before the next request went out. */
export class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

const HUNG_UP = "the far end hung up";

/** Waits for `event`; on failure and abort the socket is destroyed. */
function settled<S extends Duplex>(
  socket: S,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  wrap: (error: unknown) => unknown,
): Promise<S> {
  return new Promise<S>((resolve, reject) => {
    const finish = (act: () => void) => {
      signal.removeEventListener("abort", onAbort);
      socket.off(event, onEvent).off("close", onClose);
      act();
    };
    const fail = (error: unknown) =>
      finish(() => {
        socket.destroy();
        reject(error);
      });
    const onAbort = () => fail(signal.reason);
    const onEvent = () => finish(() => resolve(socket));
    const onClose = () => fail(wrap(new Error(HUNG_UP)));
    // Stays on: an error after the event is for whoever uses the socket, and must not be unheard.
    socket.on("error", (error) => fail(wrap(error)));
    socket.once(event, onEvent).once("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** `promise`, or the reason of `signal`, whichever comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      return reject(signal.reason);
    }
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
