/**
 * The listener of the admin API, on `node:http` and `node:https` in both runtimes.
 *
 * Replacing a certificate opens a second server on the same port and lets the first one keep its
 * connections: Bun's servers cannot change theirs. Nobody listens for one or two milliseconds then.
 */
import { getRequestListener } from "@hono/node-server";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import process from "node:process";
import { addressUrl, checkPlaintext, type ListenAddress, parseListenAddress } from "./address.ts";
import type { AdminApp, AdminEnv } from "./app.ts";
import type { Connection } from "./auth.ts";
import { AdminError } from "./errors.ts";
import { loadTls, type ServerTlsSettings, type TlsMaterial } from "./tls.ts";

/** What is served: the API, or another application that is guarded in the same way. */
export type ServedApp = Pick<AdminApp, "hono" | "metrics" | "warn" | "stop"> & {
  readonly auth: Disposable;
};

export interface ServeOptions {
  /** `127.0.0.1:9090`, `unix:///path`; port 0 takes any free one. */
  readonly addr: string;
  readonly tls?: ServerTlsSettings;
  readonly allowPlaintext?: boolean;
  /** Default 256. */
  readonly maxConnections?: number;
  /** How long requests may take to be answered at the end. Default 250 ms. */
  readonly stopGraceMs?: number;
}

export interface AdminServer extends AsyncDisposable {
  /** The real address: `http://127.0.0.1:34567`, `unix:///path`. */
  readonly url: string;
  readonly address: ListenAddress;
  /** Unix milliseconds at which the certificate ends; `undefined` without TLS. */
  tlsExpiresMs(): number | undefined;
  /**
   * Reads certificate, key and client authority again; open connections stay.
   *
   * @returns Whether they had changed. `false` without TLS.
   * @throws {AdminError} `ADMIN_TLS`; the old ones stay in service.
   */
  reloadTls(): Promise<boolean>;
  /** Ends streams with their summary, and everything else at once; never waits for a client. */
  stop(): Promise<void>;
}

const MAX_HEADER_BYTES = 16 << 10;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_CONNECTIONS = 256;
/** How long the last bytes of streams may take to reach their clients at the end. */
const STOP_GRACE_MS = 250;

/**
 * Starts listening.
 *
 * @throws {AdminError} `ADMIN_ADDRESS`, `ADMIN_PLAINTEXT`, `ADMIN_TLS` or `ADMIN_BIND`.
 */
export async function serveAdmin(app: ServedApp, options: ServeOptions): Promise<AdminServer> {
  const address = parseListenAddress(options.addr);
  if (options.tls !== undefined && address.kind === "unix") {
    throw new AdminError("ADMIN_ADDRESS", "TLS options cannot be combined with a unix:// address");
  }
  let material = options.tls === undefined ? undefined : loadTls(options.tls);
  if (material === undefined) checkPlaintext(address, options.allowPlaintext === true);
  else warnOfExpiry(app, material);
  const listener = requestListener(app, address);
  const sockets = new Set<Socket>();
  const make = (tls: TlsMaterial | undefined): Server =>
    makeServer(app, listener, sockets, tls, options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
  let server = make(material);
  const bound = await bind(server, address, app);
  let stopped: Promise<void> | undefined;
  const old = new Set<Server>();

  const stop = (): Promise<void> =>
    stopped ??= (async () => {
      app.stop();
      const servers = [server, ...old];
      const closed = Promise.all(servers.map(closeServer));
      await graceful(closed, options.stopGraceMs ?? STOP_GRACE_MS);
      for (const one of servers) one.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      app.auth[Symbol.dispose]();
      if (bound.kind === "unix") removeSocket(bound.path);
    })();

  return {
    url: addressUrl(bound, material !== undefined),
    address: bound,
    tlsExpiresMs: () => material?.expiresMs,
    reloadTls: async () => {
      if (options.tls === undefined || stopped !== undefined) return false;
      const fresh = loadTls(options.tls);
      if (
        fresh.cert === material!.cert && fresh.key === material!.key && fresh.ca === material!.ca
      ) return false;
      const next = make(fresh);
      const previous = server;
      old.add(previous);
      void closeServer(previous).then(() => old.delete(previous));
      try {
        await listen(next, bound);
      } catch (error) {
        // Somebody else took the port in between: better the old certificate than no API.
        server = make(material);
        await bind(server, bound, app);
        throw new AdminError("ADMIN_TLS", `cannot change the certificate: ${messageOf(error)}`, {
          cause: error,
        });
      }
      server = next;
      material = fresh;
      warnOfExpiry(app, fresh);
      return true;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function requestListener(app: ServedApp, address: ListenAddress): Listener {
  const answer = getRequestListener(
    (request, env) => {
      const { socket } = (env as { readonly incoming: IncomingMessage }).incoming;
      const connection: Connection = address.kind === "unix"
        ? { peer: "unix", local: undefined, transport: "unix" }
        : {
          peer: socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, "") ?? "unknown",
          local: socket.localAddress,
          transport: "tcp",
        };
      const bindings: AdminEnv["Bindings"] = { connection };
      return app.hono.fetch(request, bindings);
    },
    { overrideGlobalObjects: false },
  );
  return (request, response) => {
    const { host } = request.headers;
    // The adapter answers these by itself, and not in JSON.
    if (!/^\/[\x21-\x7e]*$/.test(request.url ?? "") || (host !== undefined && !isHost(host))) {
      request.resume();
      response.writeHead(400, { "content-type": "application/json", connection: "close" });
      response.end(BAD_REQUEST);
      return;
    }
    void Promise.resolve(answer(request, response)).catch((error: unknown) => {
      app.warn(`cannot answer: ${messageOf(error)}`);
      response.destroy();
    });
  };
}

const BAD_REQUEST = JSON.stringify({
  error: "malformed request",
  code: "bad_request",
  request_id: "none",
});

function isHost(host: string): boolean {
  return /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.test(host) &&
    URL.canParse(`http://${host}/`);
}

function makeServer(
  app: ServedApp,
  listener: Listener,
  sockets: Set<Socket>,
  tls: TlsMaterial | undefined,
  maxConnections: number,
): Server {
  const common = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    connectionsCheckingInterval: 5000,
  };
  const server = tls === undefined ? createServer(common, listener) : createTlsServer({
    ...common,
    cert: tls.cert,
    key: tls.key,
    minVersion: tls.minVersion,
    handshakeTimeout: HEADERS_TIMEOUT_MS,
    ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
  }, listener);
  server.maxConnections = maxConnections;
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.add(socket);
    if (tls !== undefined) app.metrics.onTlsConnections(1);
    socket.once("close", () => {
      sockets.delete(socket);
      if (tls !== undefined) app.metrics.onTlsConnections(-1);
    });
  });
  server.on("tlsClientError", (error: Error) => app.warn(`TLS handshake failed: ${error.message}`));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
    const status = error.code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? "408 Request Timeout"
      : "400 Bad Request";
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
        `Content-Length: ${BAD_REQUEST.length}\r\n\r\n${BAD_REQUEST}`,
    );
  });
  return server;
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const ready = (): void => {
      server.off("error", reject);
      resolve();
    };
    if (address.kind === "unix") server.listen(address.path, ready);
    else server.listen(address.port, address.host, ready);
  });
}

/** Listens, after taking away a socket file that nobody answers at. */
async function bind(
  server: Server,
  address: ListenAddress,
  app: ServedApp,
): Promise<ListenAddress> {
  try {
    if (address.kind === "tcp") {
      await listen(server, address);
      return { ...address, port: (server.address() as AddressInfo).port };
    }
    await clearStaleSocket(address.path, app);
    // Between bind and chmod anybody could connect; the mask covers that gap. It is the whole
    // process's, so it only holds for this call, within which the socket is bound.
    const mask = setMask(0o177);
    let listening: Promise<void>;
    try {
      listening = listen(server, address);
    } finally {
      if (mask !== undefined) setMask(mask);
    }
    await listening;
    chmodSync(address.path, 0o600);
    return address;
  } catch (error) {
    if (error instanceof AdminError) throw error;
    throw new AdminError(
      "ADMIN_BIND",
      `cannot listen at ${addressUrl(address, false)}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Sets the process's file mask; `undefined` where there is none to set. */
function setMask(mask: number): number | undefined {
  try {
    return process.umask(mask);
  } catch {
    return undefined;
  }
}

async function clearStaleSocket(path: string, app: ServedApp): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ENOENT") return;
    throw error;
  }
  if (!isSocket) {
    throw new AdminError("ADMIN_BIND", `cannot listen at unix://${path}: it is no socket`);
  }
  if (await answers(path)) {
    throw new AdminError(
      "ADMIN_BIND",
      `unix socket ${path} is already in use by a running process`,
    );
  }
  app.warn(`removing stale unix socket ${path}`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The runtime removes it as well.
  }
}

/** Resolves with `closed`, or when it takes too long. */
async function graceful(closed: Promise<unknown>, graceMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, graceMs));
  await Promise.race([closed, late]);
  clearTimeout(timer);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

const EXPIRY_WARNING_MS = 30 * 86_400_000;

function warnOfExpiry(app: ServedApp, { expiresMs }: TlsMaterial): void {
  const left = expiresMs - Date.now();
  if (left <= 0) app.warn("the certificate of the API has expired");
  else if (left < EXPIRY_WARNING_MS) {
    app.warn(`the certificate of the API expires in ${Math.floor(left / 86_400_000)} days`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
