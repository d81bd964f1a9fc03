/**
 * TLS, client certificates and proxies of the HTTP client, against real servers.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { copyFileSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { HttpClient, type HttpClientOptions } from "../../src/runtime/http/client.ts";
import { HttpError, type HttpFailure } from "../../src/runtime/http/errors.ts";
import { proxyFor } from "../../src/runtime/http/proxy.ts";
import { TlsFiles } from "../../src/runtime/http/tls_files.ts";
import { makeCa, serve, serveProxy, serverTls } from "../support/http_servers.ts";

const NEVER = new AbortController().signal;
const GET = { method: "GET" };
const ca = makeCa();
const skip = ca === undefined ? "skipped: openssl is not installed" : false;
after(() => ca?.[Symbol.dispose]());

const hub = ca?.issue("hub", "DNS:hub.test");
const address = ca?.issue("address", "IP:127.0.0.1");
const agent = ca?.issue("agent", "DNS:agent.test");

function client(options: Partial<HttpClientOptions> = {}): HttpClient {
  return new HttpClient({
    egress: { policy: "default" },
    component: "test",
    proxy: "none",
    timeoutMs: 3_000,
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ...options,
  });
}

function isHttpError(code: HttpFailure, message = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

test(
  "request() checks the certificate for the name, at the checked address",
  { skip },
  async () => {
    await using server = await serve(() => ({ body: "secret" }), serverTls(hub!));
    const url = `https://hub.test:${server.port}/`;
    await using trusting = client({ tls: { ca: ca!.ca } });
    for (let n = 0; n < 3; n++) {
      assert.equal((await trusting.request({ ...GET, url }, NEVER)).status, 200);
    }
    assert.equal(server.connections(), 1);
    assert.equal(server.seen[0]?.headers.host, `hub.test:${server.port}`);

    const other = `https://other.test:${server.port}/`;
    await assert.rejects(trusting.request({ ...GET, url: other }, NEVER), isHttpError("HTTP_TLS"));
    await assert.rejects(
      trusting.request({ ...GET, url: server.url }, NEVER),
      isHttpError("HTTP_TLS"),
    );
    await using strangers = client();
    await assert.rejects(strangers.request({ ...GET, url }, NEVER), isHttpError("HTTP_TLS"));
    await using named = client({ tls: { ca: ca!.ca, serverName: "hub.test" } });
    assert.equal((await named.request({ ...GET, url: other }, NEVER)).status, 200);
    await using insecure = client({ tls: { insecure: true } });
    assert.equal((await insecure.request({ ...GET, url: other }, NEVER)).status, 200);
  },
);

test("request() checks certificates of addresses", { skip }, async () => {
  await using server = await serve(() => ({}), serverTls(address!));
  await using http = client({ tls: { ca: ca!.ca } });
  assert.equal((await http.request({ ...GET, url: server.url }, NEVER)).status, 200);
});

test("request() shows its certificate, and says when it is refused", { skip }, async () => {
  const options = { ...serverTls(hub!), requestCert: true, rejectUnauthorized: true };
  await using server = await serve(() => ({}), { ...options, ca: readFileSync(ca!.ca) });
  const url = `https://hub.test:${server.port}/`;
  await using known = client({ tls: { ca: ca!.ca, ...agent! } });
  assert.equal((await known.request({ ...GET, url }, NEVER)).status, 200);
  await using unknown = client({ tls: { ca: ca!.ca } });
  await assert.rejects(unknown.request({ ...GET, url }, NEVER), isHttpError("HTTP_TLS"));
});

test(
  "request() to a server without TLS fails",
  { skip },
  async () => {
    await using plain = await serve(() => ({}));
    await using http = client({ tls: { ca: ca!.ca } });
    await assert.rejects(
      http.request({ ...GET, url: `https://hub.test:${plain.port}/` }, NEVER),
      (error) => error instanceof HttpError && /^HTTP_(?:TLS|CONNECT)$/.test(error.code),
    );
    assert.equal(plain.seen.length, 0);
  },
);

test(
  "TlsFiles reads changed files again, and keeps what worked while they do not fit",
  { skip },
  () => {
    const path = (name: string) => join(ca!.directory, `live.${name}`);
    const put = (pair: { readonly cert: string; readonly key: string }, seconds: number) => {
      copyFileSync(pair.cert, path("pem"));
      copyFileSync(pair.key, path("key"));
      for (const name of ["pem", "key"]) utimesSync(path(name), seconds, seconds);
    };
    put(agent!, 1_000);
    const files = new TlsFiles({ ca: ca!.ca, cert: path("pem"), key: path("key") });
    assert.equal(files.current().version, 1);
    assert.equal(files.current().version, 1);
    put(hub!, 2_000);
    const second = files.current();
    assert.equal(second.version, 2);

    copyFileSync(agent!.key, path("key")); // A key that is not the certificate's.
    assert.equal(files.current().context, second.context);
    writeFileSync(path("key"), "");
    assert.equal(files.current().context, second.context);
    put(agent!, 3_000);
    assert.equal(files.current().version, 3);
    files.reopen();
    assert.equal(files.current().version, 4);
  },
);

test("TlsFiles says what is wrong with files", { skip }, () => {
  const nonsense = join(ca!.directory, "nonsense.pem");
  const damaged = join(ca!.directory, "damaged.pem");
  writeFileSync(nonsense, "nonsense");
  writeFileSync(damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const missing = join(ca!.directory, "missing.pem");
  const cases: readonly (readonly [ConstructorParameters<typeof TlsFiles>[0], RegExp])[] = [
    [{ ca: missing }, /^failed to read tls\.ca '.*missing\.pem': .*ENOENT/],
    [{ ca: nonsense }, /^invalid tls\.ca PEM: no certificate/],
    [{ ca: damaged }, /^invalid tls\.ca PEM: /],
    [{ cert: agent!.cert }, /must be set together/],
    [{ cert: agent!.cert, key: hub!.key }, /does not belong/],
    [{ cert: agent!.cert, key: nonsense }, /^invalid tls\.key PEM: /],
  ];
  for (const [settings, message] of cases) {
    assert.throws(() => new TlsFiles(settings).current(), isHttpError("HTTP_SETTINGS", message));
  }
});

test("request() reconnects when certificates have changed", { skip }, async () => {
  await using server = await serve(() => ({}), serverTls(hub!));
  const live = join(ca!.directory, "live-ca.pem");
  copyFileSync(ca!.ca, live);
  await using http = client({ tls: { ca: live } });
  const request = { ...GET, url: `https://hub.test:${server.port}/` };
  await http.request(request, NEVER);
  await http.request(request, NEVER);
  assert.equal(server.connections(), 1);
  utimesSync(live, 5_000, 5_000);
  await http.request(request, NEVER);
  assert.equal(server.connections(), 2);
  http.reopen();
  await http.request(request, NEVER);
  assert.equal(server.connections(), 3);
});

test("request() asks a proxy for http:// and tunnels https:// through it", { skip }, async () => {
  await using proxy = await serveProxy();
  await using target = await serve(() => ({ body: "through" }), serverTls(hub!));
  await using http = client({
    proxy: `http://me:p%40ss@127.0.0.1:${proxy.port}`,
    tls: { ca: ca!.ca },
    // Names that only the proxy knows.
    resolve: (name) => Promise.reject(new Error(`unknown ${name}`)),
  });
  const plain = await http.request({ ...GET, url: "http://hub.test/a?b" }, NEVER);
  assert.equal(Buffer.from(plain.body).toString(), "proxied");
  const credentials = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
  assert.equal(proxy.seen[0]?.url, "http://hub.test/a?b");
  assert.equal(proxy.seen[0]?.headers.host, "hub.test");
  assert.equal(proxy.seen[0]?.headers["proxy-authorization"], credentials);

  const url = `https://hub.test:${target.port}/`;
  for (let n = 0; n < 2; n++) {
    const response = await http.request({ ...GET, url }, NEVER);
    assert.equal(Buffer.from(response.body).toString(), "through");
  }
  assert.equal(proxy.seen.length, 2);
  assert.equal(proxy.seen[1]?.method, "CONNECT");
  assert.equal(proxy.seen[1]?.url, `hub.test:${target.port}`);
  assert.equal(proxy.seen[1]?.headers["proxy-authorization"], credentials);
  assert.equal(target.seen[0]?.headers["proxy-authorization"], undefined);
});

test("request() reaches a proxy by TLS", { skip }, async () => {
  await using proxy = await serveProxy(200, serverTls(address!));
  await using target = await serve(() => ({ body: "through" }), serverTls(hub!));
  await using http = client({ proxy: proxy.url, tls: { ca: ca!.ca } });
  const url = `https://hub.test:${target.port}/`;
  const response = await http.request({ ...GET, url }, NEVER);
  assert.equal(Buffer.from(response.body).toString(), "through");
  assert.equal(proxy.seen.length, 1);
  // A setting for the target does not make any proxy do.
  await using strangers = client({ proxy: proxy.url, tls: { insecure: true } });
  await assert.rejects(strangers.request({ ...GET, url }, NEVER), isHttpError("HTTP_TLS"));
  assert.equal(proxy.seen.length, 1);
});

test("request() through a proxy does not wait for a name server that is not there", async () => {
  await using proxy = await serveProxy();
  await using http = client({ proxy: proxy.url, resolve: () => new Promise(() => {}) });
  const response = await http.request({ ...GET, url: "http://hub.test/" }, NEVER);
  assert.equal(Buffer.from(response.body).toString(), "proxied");
});

// delivery.md, 20.8: the policy holds for the proxy and for what it is asked to reach.
test("the egress policy holds for proxies and behind them", async () => {
  await using proxy = await serveProxy();
  const by = `http://127.0.0.1:${proxy.port}`;
  const targets = [
    ["http://169.254.169.254/", /link-local/],
    ["https://[64:ff9b::a9fe:a9fe]/", /link-local/],
    ["http://two.test/", /link-local address 169\.254\.169\.254/],
  ] as const;
  await using open = client({
    proxy: by,
    resolve: () => Promise.resolve(["8.8.8.8", "169.254.169.254"]),
  });
  for (const [url, message] of targets) {
    await assert.rejects(open.request({ ...GET, url }, NEVER), isHttpError("HTTP_DENIED", message));
  }
  await using strict = client({
    egress: { policy: "strict" },
    proxy: by,
    resolve: () => Promise.resolve(["8.8.8.8"]),
  });
  await assert.rejects(
    strict.request({ ...GET, url: "http://public.test/" }, NEVER),
    isHttpError("HTTP_DENIED", /loopback address 127\.0\.0\.1/),
  );
  assert.equal(proxy.connections(), 0);
});

for (
  const [status, code] of [[407, "HTTP_PROXY"], [403, "HTTP_PROXY"], [502, "HTTP_CONNECT"]] as const
) {
  test(`request() through a proxy that answers ${status} fails with ${code}`, async () => {
    await using proxy = await serveProxy(status);
    await using http = client({ proxy: proxy.url });
    await assert.rejects(
      http.request({ ...GET, url: "https://hub.test/" }, NEVER),
      isHttpError(code, new RegExp(`answered ${status} to CONNECT`)),
    );
  });
}

// [variables, URL, proxy host:port or nothing]
const ENVIRONMENTS: readonly (readonly [Record<string, string>, string, string | undefined])[] = [
  [{}, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p:3128" }, "http://a.test/", "p:3128"],
  [{ HTTP_PROXY: "http://p:3128" }, "https://a.test/", undefined],
  [{ HTTPS_PROXY: "p:3128" }, "https://a.test/", "p:3128"],
  [{ https_proxy: "http://low", HTTPS_PROXY: "http://up" }, "https://a.test/", "low:80"],
  [{ ALL_PROXY: "https://all" }, "http://a.test/", "all:443"],
  [{ HTTP_PROXY: " " }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", REQUEST_METHOD: "GET" }, "http://a.test/", undefined],
  [{ http_proxy: "http://p", REQUEST_METHOD: "GET" }, "http://a.test/", "p:80"],
  [{ HTTP_PROXY: "http://p", NO_PROXY: "*" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", NO_PROXY: "b.test, a.test" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: ".test" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: "test" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: "*.test" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: "est" }, "http://a.test/", "p:80"],
  [{ HTTP_PROXY: "http://p", no_proxy: "a.test:81" }, "http://a.test/", "p:80"],
  [{ HTTP_PROXY: "http://p", no_proxy: "a.test:80" }, "http://a.test/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: "10.0.0.0/8" }, "http://10.1.2.3/", undefined],
  [{ HTTP_PROXY: "http://p", no_proxy: "::1" }, "http://[::1]:8080/", undefined],
];

for (const [variables, url, expected] of ENVIRONMENTS) {
  test(`proxyFor() ${JSON.stringify(variables)} ${url}: ${expected ?? "none"}`, () => {
    const proxy = proxyFor(new URL(url), "env", (name) => variables[name]);
    assert.equal(proxy === undefined ? undefined : `${proxy.host}:${proxy.port}`, expected);
    assert.equal(proxyFor(new URL(url), "none", (name) => variables[name]), undefined);
  });
}

test("proxyFor() refuses what is no HTTP proxy, without showing its password", () => {
  const url = new URL("http://a.test/");
  for (const setting of ["socks5://u:pa55@p", "http://u:pa55@", "ftp://u:pa55@p"]) {
    assert.throws(() => proxyFor(url, setting, () => undefined), (error) => {
      assert.ok(error instanceof HttpError);
      assert.equal(error.code, "HTTP_SETTINGS");
      assert.doesNotMatch(error.message, /pa55/);
      return true;
    });
  }
});
