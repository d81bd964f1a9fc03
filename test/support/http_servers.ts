/**
 * Real servers on loopback for tests of the HTTP client and sink: polite ones, and ones that write
 * whatever bytes a test wants.
 */
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A request as a server got it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Tells connections apart. */
  readonly clientPort: number;
}

/** What a server answers. */
export interface Reply {
  readonly status?: number;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string;
}

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly seen: readonly Seen[];
  /** Connections that were accepted. */
  readonly connections: () => number;
  /** Where it listens: `http://127.0.0.1:PORT`. */
  readonly url: string;
}

/** A server that answers each request with what `reply` gives; `seen` has the request already. */
export async function serve(
  reply: (request: Seen, count: number) => Reply | Promise<Reply>,
  tls?: https.ServerOptions,
): Promise<TestServer> {
  const seen: Seen[] = [];
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on("error", () => {});
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const one: Seen = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks),
        clientPort: request.socket.remotePort ?? 0,
      };
      seen.push(one);
      const { status = 200, headers = {}, body = "" } = await reply(one, seen.length);
      response.writeHead(status, headers).end(body);
    });
  };
  const server = tls === undefined
    ? http.createServer(onRequest)
    : https.createServer(tls, onRequest).on("tlsClientError", () => {});
  return await listening(server, seen, tls !== undefined);
}

/** A server that hands each connection to `handle`. */
export async function serveRaw(handle: (socket: net.Socket) => void): Promise<TestServer> {
  return await listening(net.createServer(handle), [], false);
}

/** A server that waits for a request and then writes `answer`, and ends or stays. */
export async function answerRaw(answer: string, stay = false): Promise<TestServer> {
  return await serveRaw((socket) => {
    socket.once("data", () => stay ? socket.write(answer) : socket.end(answer));
  });
}

/** An HTTP proxy: tunnels CONNECT and answers anything else itself with `proxied`. */
export async function serveProxy(
  connectStatus = 200,
  tls?: https.ServerOptions,
): Promise<TestServer> {
  const seen: Seen[] = [];
  const note = (request: http.IncomingMessage) => {
    const { method = "", url = "", headers, socket } = request;
    seen.push({ method, url, headers, body: Buffer.alloc(0), clientPort: socket.remotePort ?? 0 });
  };
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
    note(request);
    request.resume().on("end", () => response.end("proxied"));
  };
  const server = tls === undefined
    ? http.createServer(onRequest)
    : https.createServer(tls, onRequest).on("tlsClientError", () => {});
  server.on("connect", (request, client) => {
    note(request);
    client.on("error", () => {});
    if (connectStatus !== 200) {
      client.end(`HTTP/1.1 ${connectStatus} no\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const target = net.connect(Number(request.url?.split(":").at(-1)), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 OK\r\n\r\n");
      target.pipe(client).pipe(target);
    });
    target.on("error", () => client.destroy());
    client.on("close", () => target.destroy());
  });
  return await listening(server, seen, tls !== undefined);
}

async function listening(
  server: net.Server,
  seen: readonly Seen[],
  secure: boolean,
): Promise<TestServer> {
  const sockets = new Set<net.Socket>();
  let connections = 0;
  server.on("connection", (socket: net.Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    seen,
    connections: () => connections,
    url: `${secure ? "https" : "http"}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A certification authority in a directory of its own. */
export interface TestCa extends Disposable {
  readonly directory: string;
  /** The path of its certificate. */
  readonly ca: string;
  /** Makes a certificate for names such as `DNS:hub.test`; gives the paths. */
  issue(name: string, altNames: string): { readonly cert: string; readonly key: string };
}

/** `undefined` where there is no openssl. */
export function makeCa(): TestCa | undefined {
  const directory = mkdtempSync(join(tmpdir(), "picket-ca-"));
  const path = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    const out = ["-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "2"];
    openssl("req", "-x509", ...newKey, ...out, "-subj", "/CN=Picket test CA");
  } catch {
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
  return {
    directory,
    ca: path("ca.pem"),
    issue(name, altNames) {
      const [key, request, cert] = ["key", "csr", "pem"].map((end) => path(`${name}.${end}`)) as [
        string,
        string,
        string,
      ];
      openssl("req", ...newKey, "-keyout", key, "-out", request, "-subj", `/CN=${name}`);
      writeFileSync(path(`${name}.ext`), `subjectAltName=${altNames}`);
      const issuer = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"];
      const names = ["-extfile", path(`${name}.ext`)];
      openssl("x509", "-req", "-in", request, ...issuer, "-out", cert, "-days", "2", ...names);
      return { cert, key };
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Options of an https server for what `issue` gave. */
export function serverTls(
  pair: { readonly cert: string; readonly key: string },
): https.ServerOptions {
  return { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
}
