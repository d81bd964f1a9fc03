import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, get, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { Agent, get as getTls, type RequestOptions } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { checkPlaintext, parseListenAddress } from "../../src/admin/address.ts";
import { type AdminOptions, createAdminApp } from "../../src/admin/app.ts";
import { noopAdminMetrics } from "../../src/admin/admin_metrics.ts";
import { type AdminServer, serveAdmin, type ServeOptions } from "../../src/admin/serve.ts";
import { fakeAlert, FakeView } from "./fake_view.ts";

const TRUSTED: AdminOptions = { auth: { loopback: "trusted", unixSocket: "trusted" } };

async function start(options: AdminOptions = TRUSTED, serve: Partial<ServeOptions> = {}) {
  const view = new FakeView();
  const warnings: string[] = [];
  const app = createAdminApp(view, { warn: (message) => warnings.push(message), ...options });
  const server = await serveAdmin(app, { addr: "127.0.0.1:0", ...serve });
  return { view, app, server, warnings, [Symbol.asyncDispose]: () => server.stop() };
}

function portOf(server: AdminServer): number {
  assert.ok(server.address.kind === "tcp");
  return server.address.port;
}

/** What a server answers to bytes as they stand. */
function raw(port: number, text: string, ms = 3000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let out = "";
    socket.on("data", (data) => out += String(data));
    socket.on("error", () => {});
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(out);
    });
    socket.write(text);
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

function ask(options: RequestOptions & { readonly tls?: boolean }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (options.tls === true ? getTls : get)(
      { agent: false, ...options },
      (answer) => {
        let text = "";
        answer.on("data", (data) => text += String(data));
        answer.on(
          "end",
          () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }),
        );
        answer.on("error", reject);
      },
    );
    request.on("error", reject);
  });
}

class TempDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "picket-admin-"));

  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A self-signed certificate for localhost; `false` without openssl. */
function makeCertificate(directory: TempDirectory, name: string, days = 60): boolean {
  try {
    execFileSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", directory.file(`${name}.key`), "-out", directory.file(`${name}.pem`)],
      ...["-days", String(days), "-subj", `/CN=${name}`],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("a server at port 0 tells its port and answers", async () => {
  await using running = await start();
  assert.match(running.server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const response = await fetch(`${running.server.url}/healthz`);
  assert.deepEqual([response.status, await response.json()], [200, { status: "ok" }]);
  const head = await fetch(`${running.server.url}/api/v1/status`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
});

test("the peer's address is known, so loopback can be trusted and failures counted", async () => {
  await using running = await start({ auth: {} });
  const url = `${running.server.url}/api/v1/status`;
  const statuses: number[] = [];
  for (let at = 0; at < 6; at++) {
    const response = await fetch(url, { headers: { authorization: `Bearer no-${at}` } });
    statuses.push(response.status);
    await response.text();
  }
  assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
  assert.equal(running.view.audit!.rows[0]!.peer, "127.0.0.1");
});

// What no HTTP client would send: request, first line of the answer, whether it is JSON.
const MALFORMED: readonly (readonly [string, string, RegExp, boolean])[] = [
  ["no HTTP at all", "\x00\x01 nonsense\r\n\r\n", /^HTTP\/1\.1 400 /, true],
  ["an unknown method", "FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", /^HTTP\/1\.1 400 /, true],
  ["a Host of nonsense", "GET / HTTP/1.1\r\nHost: a b<>\r\n\r\n", /^HTTP\/1\.1 400 /, true],
  [
    "an absolute address",
    "GET http://evil/api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    /^HTTP\/1\.1 400 /,
    true,
  ],
  ["another name", "GET /healthz HTTP/1.1\r\nHost: evil\r\n\r\n", /^HTTP\/1\.1 403 /, true],
  [
    "a header of 20 KB",
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
    true,
  ],
];

for (const [what, text, status, isJson] of MALFORMED) {
  test(`a server survives ${what}`, async () => {
    await using running = await start();
    const answer = await raw(portOf(running.server), text, 1000);
    assert.match(answer, status);
    assert.equal(/content-type: application\/json/i.test(answer), isJson);
    assert.equal((await fetch(`${running.server.url}/healthz`)).status, 200);
  });
}

test("a chunked body without a length reaches the audit trail; a refused one gets its answer", async () => {
  await using running = await start();
  const head = "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  const answer = await raw(
    portOf(running.server),
    `${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(running.view.audit!.rows[0]!.payload_digest!, /^44136fa355b3678a/);
  const large = "x".repeat(60_000);
  const refused = await raw(
    portOf(running.server),
    `POST /api/v1/none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n${large}`,
  );
  assert.match(refused, /^HTTP\/1\.1 404 /);
});

test("no more connections than allowed are held", async () => {
  await using running = await start(TRUSTED, { maxConnections: 2 });
  const port = portOf(running.server);
  const closed: boolean[] = [];
  const sockets = Array.from({ length: 4 }, (_, at) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => closed[at] = true);
    socket.on("data", () => {});
    // Bun notices a connection with its first bytes.
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(closed.filter((one) => one).length, 2);
  for (const socket of sockets) socket.destroy();
  for (let at = 0; at < 50; at++) {
    const response = await fetch(`${running.server.url}/healthz`).catch(() => undefined);
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail("places become free again");
});

test("streams flow as alerts come, notice a client that goes, and end with the server", async () => {
  const running = await start();
  const gone = new AbortController();
  const url = `${running.server.url}/api/v1/detections/stream`;
  const first = await fetch(url, { signal: gone.signal });
  const reader = first.body!.getReader();
  running.view.emitAlert(fakeAlert(1));
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), `${fakeAlert(1).body}\n`);
  gone.abort();
  await reader.read().catch(() => {});
  for (let at = 0; at < 100 && running.view.listeners > 0; at++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(running.view.listeners, 0, "the place is free");
  const second = await fetch(url);
  const idle = connect(portOf(running.server), "127.0.0.1");
  idle.on("error", () => {});
  const started = performance.now();
  await running.server.stop();
  assert.ok(performance.now() - started < 1500);
  assert.match(await second.text(), /^\{"picket_tail_summary":\{"streamed":0,"dropped":0\}\}\n$/);
  await assert.rejects(fetch(`${running.server.url}/healthz`));
  idle.destroy();
});

test("a client that does not read keeps neither the agent nor its end waiting", async () => {
  const running = await start({ ...TRUSTED, tap: { enabled: true } });
  const socket = connect(portOf(running.server), "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET /api/v1/tap HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (let at = 0; at < 100 && running.view.listeners === 0; at++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(running.view.listeners, 1);
  const event = JSON.stringify({ text: "x".repeat(2000) });
  for (let at = 0; at < 20_000; at++) {
    running.view.emitEvent("decoded", event);
    if (at % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const started = performance.now();
  await running.server.stop();
  assert.ok(performance.now() - started < 1500);
  socket.destroy();
});

test("parseListenAddress() and checkPlaintext()", () => {
  assert.deepEqual(parseListenAddress("[::1]:9090"), { kind: "tcp", host: "::1", port: 9090 });
  for (const wrong of ["not-an-addr", "localhost:1", "1.2.3.4", "1.2.3.4:70000", ":1", "unix://"]) {
    assert.throws(() => parseListenAddress(wrong), { code: "ADMIN_ADDRESS" });
  }
  assert.throws(() => checkPlaintext(parseListenAddress("0.0.0.0:0"), false), {
    message: /refusing to bind plaintext on non-loopback address .*--allow-plaintext/,
  });
  checkPlaintext(parseListenAddress("0.0.0.0:0"), true);
  for (const loopback of ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"]) {
    checkPlaintext(parseListenAddress(loopback), false);
  }
});

test("a port that is taken is an error", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const { port } = other.address() as { readonly port: number };
  await assert.rejects(start(TRUSTED, { addr: `127.0.0.1:${port}` }), { code: "ADMIN_BIND" });
  other.close();
});

const UNIX = { skip: process.platform === "win32" ? "no Unix sockets on Windows" : false };

test("a Unix socket is its owner's alone, and goes with the server", UNIX, async () => {
  using directory = new TempDirectory();
  const path = directory.file("api.sock");
  const mask = process.umask();
  const running = await start(TRUSTED, { addr: `unix://${path}` });
  assert.equal(process.umask(), mask);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const answer = await ask({ socketPath: path, path: "/api/v1/status", host: "anything.example" });
  assert.equal(answer.status, 200);
  await assert.rejects(start(TRUSTED, { addr: `unix://${path}` }), {
    message: /already in use by a running process/,
  });
  await running.server.stop();
  assert.equal(existsSync(path), false);
});

test("a stale socket is taken over, anything else is not", UNIX, async () => {
  using directory = new TempDirectory();
  const path = directory.file("api.sock");
  // A process that is killed leaves its socket behind.
  const script = `const s = require("node:net").createServer(); s.listen(${
    JSON.stringify(path)
  }, () => process.kill(process.pid, "SIGKILL"));`;
  const isDeno = "deno" in process.versions;
  try {
    if (isDeno) {
      execFileSync(process.execPath, [
        "eval",
        `import { createRequire } from "node:module"; const require = createRequire(import.meta.url); import process from "node:process"; ${script}`,
      ]);
    } else execFileSync(process.execPath, ["-e", script]);
  } catch {
    // Killed, as intended.
  }
  assert.ok(existsSync(path), "the socket was left behind");
  {
    await using running = await start(TRUSTED, { addr: `unix://${path}` });
    assert.equal((await ask({ socketPath: path, path: "/healthz" })).status, 200);
    assert.match(running.warnings.join(), /removing stale unix socket/);
  }
  writeFileSync(path, "precious");
  await assert.rejects(start(TRUSTED, { addr: `unix://${path}` }), { message: /no socket/ });
  assert.equal(readFileSync(path, "utf8"), "precious");
});

test("TLS options and a Unix socket exclude each other", async () => {
  await assert.rejects(start(TRUSTED, { addr: "unix:///x", tls: { cert: "no", key: "no" } }), {
    message: process.platform === "win32" ? /./ : /cannot be combined with a unix:\/\//,
  });
});

function subjectOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false };
    const socket = connectTls(options, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test("TLS serves, counts, refuses old versions, and changes its certificate while streams go on", async (context: TestContext) => {
  using directory = new TempDirectory();
  if (!makeCertificate(directory, "first") || !makeCertificate(directory, "second", 90)) {
    return context.skip("openssl is not installed");
  }
  writeFileSync(directory.file("c.pem"), readFileSync(directory.file("first.pem")));
  writeFileSync(directory.file("c.key"), readFileSync(directory.file("first.key")));
  let connections = 0;
  const metrics = {
    ...noopAdminMetrics,
    onTlsConnections: (change: 1 | -1): void => void (connections += change),
  };
  await using running = await start({ ...TRUSTED, metrics }, {
    tls: { cert: directory.file("c.pem"), key: directory.file("c.key") },
  });
  const { server } = running;
  const port = portOf(server);
  assert.match(server.url, /^https:/);
  const ca = readFileSync(directory.file("first.pem"));
  const options = { tls: true, port, host: "127.0.0.1", servername: "localhost", ca };
  assert.equal((await ask({ ...options, path: "/api/v1/status" })).status, 200);
  await assert.rejects(ask({ ...options, path: "/healthz", maxVersion: "TLSv1.2" }));
  assert.equal(await subjectOf(port), "first");
  const expires = server.tlsExpiresMs()!;
  assert.ok(Math.abs(expires - Date.now() - 60 * 86_400_000) < 86_400_000);

  const agent = new Agent({ keepAlive: false });
  const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    getTls({
      ...{ port, host: "127.0.0.1", servername: "localhost", ca, agent },
      path: "/api/v1/detections/stream?limit=1",
    }, resolve).on("error", reject);
  });
  assert.equal(connections, 1);
  let streamed = "";
  stream.on("data", (data) => streamed += String(data));
  const ended = new Promise((resolve) => stream.on("end", resolve));

  assert.equal(await server.reloadTls(), false, "nothing has changed");
  writeFileSync(directory.file("c.pem"), "garbage");
  await assert.rejects(server.reloadTls(), { message: /no certificates found in/ });
  assert.equal(await subjectOf(port), "first");
  writeFileSync(directory.file("c.pem"), readFileSync(directory.file("second.pem")));
  await assert.rejects(server.reloadTls(), { message: /does not fit certificate/ });
  writeFileSync(directory.file("c.key"), readFileSync(directory.file("second.key")));
  assert.equal(await server.reloadTls(), true);
  assert.equal(await subjectOf(port), "second");
  assert.ok(server.tlsExpiresMs()! > expires);
  running.view.emitAlert(fakeAlert(1));
  await ended;
  assert.match(streamed, /"seq":1/);
  assert.match(streamed, /picket_tail_summary/);
});

test("TLS with a client authority refuses who has no certificate of it", async (context: TestContext) => {
  using directory = new TempDirectory();
  if (!makeCertificate(directory, "server") || !makeCertificate(directory, "client")) {
    return context.skip("openssl is not installed");
  }
  await using running = await start(TRUSTED, {
    tls: {
      cert: directory.file("server.pem"),
      key: directory.file("server.key"),
      clientCa: directory.file("client.pem"),
      minVersion: "1.2",
    },
  });
  const options = {
    tls: true,
    port: portOf(running.server),
    host: "127.0.0.1",
    servername: "localhost",
    path: "/healthz",
    ca: readFileSync(directory.file("server.pem")),
  };
  await assert.rejects(ask(options));
  const pair = (name: string) => ({
    cert: readFileSync(directory.file(`${name}.pem`)),
    key: readFileSync(directory.file(`${name}.key`)),
  });
  await assert.rejects(ask({ ...options, ...pair("server") }));
  assert.equal((await ask({ ...options, ...pair("client") })).status, 200);
  assert.equal((await ask({ ...options, ...pair("client"), maxVersion: "TLSv1.2" })).status, 200);
});

test("a slow handshake does not keep others waiting", async (context: TestContext) => {
  using directory = new TempDirectory();
  if (!makeCertificate(directory, "server")) return context.skip("openssl is not installed");
  await using running = await start(TRUSTED, {
    tls: { cert: directory.file("server.pem"), key: directory.file("server.key") },
  });
  const port = portOf(running.server);
  const silent = connect(port, "127.0.0.1");
  silent.on("error", () => {});
  await new Promise((resolve) => silent.once("connect", resolve));
  const started = performance.now();
  const ca = readFileSync(directory.file("server.pem"));
  const options = { tls: true, port, host: "127.0.0.1", servername: "localhost", ca };
  assert.equal((await ask({ ...options, path: "/healthz" })).status, 200);
  assert.ok(performance.now() - started < 2000);
  silent.destroy();
});

// daemon.md 17.3, 50: what keeps a TLS listener from starting.
test("certificates that cannot be used are named", async () => {
  using directory = new TempDirectory();
  writeFileSync(directory.file("empty.pem"), "");
  writeFileSync(
    directory.file("locked.key"),
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
  );
  writeFileSync(
    directory.file("plain.key"),
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  );
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["none.pem", "plain.key", /cannot read .*none\.pem/],
    ["empty.pem", "plain.key", /no certificates found in .*empty\.pem/],
    ["empty.pem", "locked.key", /encrypted private key in .*locked\.key .*openssl/],
    ["empty.pem", "empty.pem", /no private key found in .*empty\.pem/],
  ];
  for (const [cert, key, message] of cases) {
    await assert.rejects(
      start(TRUSTED, { tls: { cert: directory.file(cert), key: directory.file(key) } }),
      { code: "ADMIN_TLS", message },
    );
  }
});

test("an upload that stalls is given up when the server stops", async () => {
  const running = await start();
  const request = httpRequest({
    port: portOf(running.server),
    host: "127.0.0.1",
    method: "POST",
    path: "/api/v1/events",
    headers: { "content-length": "1000" },
  });
  request.on("error", () => {});
  request.write("half");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const started = performance.now();
  await running.server.stop();
  assert.ok(performance.now() - started < 1500);
  request.destroy();
  assert.equal(running.view.ingested.length, 0);
});
