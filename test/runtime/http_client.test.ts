/**
 * The HTTP client against servers that behave, and servers that do not.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { HttpClient, type HttpClientOptions } from "../../src/runtime/http/client.ts";
import { HttpError, type HttpFailure } from "../../src/runtime/http/errors.ts";
import { TokenBucket } from "../../src/runtime/http/token_bucket.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import { answerRaw, serve, serveRaw, type TestServer } from "../support/http_servers.ts";

const NEVER = new AbortController().signal;
const BODY = Buffer.from('{"a":1}');

function client(options: Partial<HttpClientOptions> = {}): HttpClient {
  return new HttpClient({
    egress: { policy: "default" },
    component: "test",
    proxy: "none",
    timeoutMs: 1_500,
    ...options,
  });
}

function isHttpError(code: HttpFailure, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HttpError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

test("request() sends method, path, host, headers as UTF-8 and the body", async () => {
  await using server = await serve(() => ({ status: 201, headers: { "x-a": "b" }, body: "done" }));
  await using http = client({ resolve: () => Promise.resolve(["127.0.0.1"]) });
  const response = await http.request({
    method: "PUT",
    url: `http://us%65r:p%40ss@hub.test:${server.port}/a%20b?c=d#e`,
    headers: { "X-Title": "Füße", "Content-Type": "application/json" },
    body: BODY,
  }, NEVER);
  assert.equal(response.status, 201);
  assert.equal(response.headers["x-a"], "b");
  assert.equal(Buffer.from(response.body).toString(), "done");
  assert.equal(response.truncated, false);
  const [seen] = server.seen;
  assert.equal(seen?.method, "PUT");
  assert.equal(seen?.url, "/a%20b?c=d");
  assert.equal(seen?.headers.host, `hub.test:${server.port}`);
  assert.equal(Buffer.from(String(seen?.headers["x-title"]), "latin1").toString("utf8"), "Füße");
  assert.equal(seen?.headers["content-length"], String(BODY.length));
  const credentials = Buffer.from("user:p@ss").toString("base64");
  assert.equal(seen?.headers.authorization, `Basic ${credentials}`);
  assert.deepEqual(seen?.body, BODY);
});

test("request() uses a connection again, and replaces one that was closed meanwhile", async () => {
  await using server = await serve(() => ({ body: "ok" }));
  await using http = client();
  const request = { method: "POST", url: `${server.url}/`, body: BODY };
  for (let n = 0; n < 5; n++) await http.request(request, NEVER);
  assert.equal(server.connections(), 1);

  // Hangs up at the second request of each connection.
  let answered = 0;
  await using closing = await serveRaw((socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.endsWith(BODY.toString())) return;
      if (text.split(BODY.toString()).length > 2) {
        socket.destroy();
        return;
      }
      answered++;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  for (let n = 0; n < 3; n++) {
    const response = await http.request({ ...request, url: closing.url }, NEVER);
    assert.equal(response.status, 200);
  }
  assert.equal(answered, 3);
  assert.equal(closing.connections(), 3);
});

test("request() connects to the address that was checked, not to a second answer", async () => {
  await using server = await serve(() => ({}));
  let asked = 0;
  await using http = client({
    egress: { policy: "strict", allowCidrs: ["127.0.0.2/32"] },
    // Allowed at first, denied afterwards; were it asked twice, the denied one would be used.
    resolve: () => Promise.resolve([asked++ === 0 ? "127.0.0.2" : "127.0.0.1"]),
    connectTimeoutMs: 1_000,
  });
  const request = { method: "GET", url: `http://rebind.test:${server.port}/` };
  // Nothing listens on 127.0.0.2 where addresses of 127/8 are distinct.
  await assert.rejects(http.request(request, NEVER), isHttpError("HTTP_CONNECT"));
  assert.equal(asked, 1);
  await assert.rejects(http.request(request, NEVER), isHttpError("HTTP_DENIED", /loopback/));
  assert.equal(server.connections(), 0);
});

test("request() leaves denied addresses of a name out and uses the others", async () => {
  await using server = await serve(() => ({}));
  const denied: string[] = [];
  const metrics = {
    ...noopMetrics,
    onEgressDenied: (addressClass: string, component: string) => {
      denied.push(`${addressClass} ${component}`);
    },
  };
  await using some = client({
    metrics,
    resolve: () => Promise.resolve(["169.254.169.254", "127.0.0.1"]),
  });
  const url = `http://two.test:${server.port}/`;
  assert.equal((await some.request({ method: "GET", url }, NEVER)).status, 200);
  assert.deepEqual(denied, []);
  await using none = client({
    metrics,
    resolve: () => Promise.resolve(["169.254.169.254", "fd00:ec2::254"]),
  });
  await assert.rejects(
    none.request({ method: "GET", url }, NEVER),
    isHttpError("HTTP_DENIED", /^egress policy denied link-local address 169\.254\.169\.254$/),
  );
  assert.deepEqual(denied, ["link-local test"]);
  await using empty = client({ resolve: () => Promise.resolve([]) });
  await assert.rejects(
    empty.request({ method: "GET", url }, NEVER),
    isHttpError("HTTP_CONNECT", /no addresses resolved for 'two\.test'/),
  );
});

// delivery.md, 21.6 row 97.
test("request() does not go to a denied literal, nor where a redirect leads to one", async () => {
  await using http = client({ maxRedirects: 3 });
  for (const url of ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/"]) {
    await assert.rejects(http.request({ method: "GET", url }, NEVER), isHttpError("HTTP_DENIED"));
  }
  for (
    const location of [
      "http://169.254.169.254/latest",
      "http://0xa9fea9fe/",
      "//2852039166/",
      "http://[::ffff:a9fe:a9fe]/",
    ]
  ) {
    await using server = await serve(() => ({ status: 307, headers: { location } }));
    await assert.rejects(
      http.request({ method: "POST", url: server.url, body: BODY }, NEVER),
      isHttpError("HTTP_DENIED", /169\.254\.169\.254|a9fe:a9fe/),
    );
  }
});

test("request() follows redirects only when told to, and not to other schemes", async () => {
  await using server = await serve((_, count) =>
    count === 1 ? { status: 302, headers: { location: "/next" } } : {}
  );
  await using off = client();
  const response = await off.request({ method: "POST", url: server.url, body: BODY }, NEVER);
  assert.equal(response.status, 302);
  assert.equal(server.seen.length, 1);

  await using loop = await serve(() => ({ status: 308, headers: { location: "/again" } }));
  await using on = client({ maxRedirects: 2 });
  await assert.rejects(
    on.request({ method: "POST", url: loop.url, body: BODY }, NEVER),
    isHttpError("HTTP_REDIRECT", /more than 2 times/),
  );
  assert.equal(loop.seen.length, 3);

  await using file = await serve(() => ({ status: 302, headers: { location: "file:///etc/x" } }));
  await assert.rejects(
    on.request({ method: "GET", url: file.url }, NEVER),
    isHttpError("HTTP_REDIRECT", /scheme 'file:'/),
  );
});

// delivery.md, 20.8 and 12.4: method and body stay for 307 and 308 only.
for (
  const [status, method, keeps] of [
    [301, "GET", false],
    [302, "GET", false],
    [303, "GET", false],
    [307, "POST", true],
    [308, "POST", true],
  ] as const
) {
  test(`request() ${status} goes on with ${method} and drops credentials across origins`, async () => {
    await using target = await serve(() => ({ body: "there" }));
    await using server = await serve((_, count) => ({
      status,
      headers: { location: count === 1 ? "/same" : `${target.url}/other` },
    }));
    await using http = client({ maxRedirects: 5 });
    const response = await http.request({
      method: "POST",
      url: server.url,
      headers: { authorization: "Bearer s", "x-key": "s", "content-type": "text/plain" },
      body: BODY,
    }, NEVER);
    assert.equal(response.method, method);
    assert.equal(response.url.href, `${target.url}/other`);
    const [, same] = server.seen;
    assert.equal(same?.method, method);
    assert.equal(same?.headers.authorization, "Bearer s");
    const [other] = target.seen;
    assert.equal(other?.headers.authorization, undefined);
    assert.equal(other?.headers["x-key"], undefined);
    assert.equal(other?.headers.host, `127.0.0.1:${target.port}`);
    assert.equal(other?.body.length, keeps ? BODY.length : 0);
    assert.equal(other?.headers["content-type"], keeps ? "text/plain" : undefined);
  });
}

const HEADERS = "HTTP/1.1 200 OK\r\n";
/** Writes the same bytes for as long as somebody reads. */
async function endless(start: string, more: string): Promise<TestServer> {
  return await serveRaw((socket) => {
    socket.once("data", () => {
      socket.write(start);
      const timer = setInterval(() => socket.write(more.repeat(50)), 2);
      socket.on("close", () => clearInterval(timer));
    });
  });
}

const HOSTILE: readonly (readonly [string, () => Promise<TestServer>, HttpFailure])[] = [
  ["accepts and says nothing", () => serveRaw(() => {}), "HTTP_TIMEOUT"],
  ["hangs in the headers", () => answerRaw(HEADERS, true), "HTTP_TIMEOUT"],
  [
    "hangs in the body",
    () => answerRaw(`${HEADERS}Content-Length: 9\r\n\r\nabc`, true),
    "HTTP_TIMEOUT",
  ],
  ["closes at once", () => serveRaw((socket) => socket.destroy()), "HTTP_PROTOCOL"],
  ["closes without an answer", () => answerRaw(""), "HTTP_PROTOCOL"],
  ["closes in the headers", () => answerRaw(HEADERS), "HTTP_PROTOCOL"],
  [
    "closes in the body",
    () => answerRaw(`${HEADERS}Content-Length: 9\r\n\r\nabc`),
    "HTTP_PROTOCOL",
  ],
  [
    "closes in a chunk",
    () => answerRaw(`${HEADERS}Transfer-Encoding: chunked\r\n\r\n5\r\nabc`),
    "HTTP_PROTOCOL",
  ],
  [
    "sends a bad chunk",
    () => answerRaw(`${HEADERS}Transfer-Encoding: chunked\r\n\r\nzz\r\n`),
    "HTTP_PROTOCOL",
  ],
  ["sends garbage", () => answerRaw("\0\x01garbage\r\n\r\n"), "HTTP_PROTOCOL"],
  ["speaks something else", () => answerRaw("SSH-2.0-x\r\n", true), "HTTP_PROTOCOL"],
  [
    "changes the protocol",
    () => answerRaw("HTTP/1.1 101 Sw\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", true),
    "HTTP_PROTOCOL",
  ],
  ["sends endless headers", () => endless(HEADERS, `X: ${"a".repeat(500)}\r\n`), "HTTP_PROTOCOL"],
  ["sends one endless header", () => endless(`${HEADERS}X: `, "a".repeat(500)), "HTTP_PROTOCOL"],
  ["sends an endless status", () => endless("HTTP/1.1 200 ", "a".repeat(500)), "HTTP_PROTOCOL"],
  [
    "asks to continue for ever",
    () => endless("", "HTTP/1.1 100 Continue\r\n\r\n"),
    "HTTP_PROTOCOL",
  ],
];

for (const [name, start, code] of HOSTILE) {
  test(`request() to a server that ${name}: ${code} in time`, async () => {
    await using server = await start();
    await using http = client({ timeoutMs: 400 });
    const began = performance.now();
    const request = { method: "POST", url: server.url, body: BODY };
    await assert.rejects(http.request(request, NEVER), isHttpError(code));
    assert.ok(performance.now() - began < 3_000);
  });
}

const WHOLE: readonly (readonly [string, string, string])[] = [
  [
    "100 before the answer",
    `HTTP/1.1 100 Continue\r\n\r\n${HEADERS}Content-Length: 2\r\n\r\nok`,
    "ok",
  ],
  [
    "103 before the answer",
    `HTTP/1.1 103 Early\r\n\r\n${HEADERS}Content-Length: 2\r\n\r\nok`,
    "ok",
  ],
  ["chunks", `${HEADERS}Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n`, "ok"],
  ["a body that ends with the connection", `${HEADERS}\r\nok`, "ok"],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok", "ok"],
  ["no body", "HTTP/1.1 204 No\r\n\r\n", ""],
];

for (const [name, answer, body] of WHOLE) {
  test(`request() reads ${name}`, async () => {
    await using server = await answerRaw(answer);
    await using http = client();
    const response = await http.request({ method: "POST", url: server.url, body: BODY }, NEVER);
    assert.equal(Buffer.from(response.body).toString(), body);
  });
}

test("request() reads no more of a body than its limit", async () => {
  await using server = await endless(`${HEADERS}\r\n`, "a".repeat(1_000));
  await using http = client();
  const response = await http.request({ method: "GET", url: server.url }, NEVER);
  assert.equal(response.body.length, 64 << 10);
  assert.equal(response.truncated, true);
});

test("request() gets the early answer to a body that is too large", async () => {
  await using server = await serveRaw((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      socket.resume();
    });
  });
  await using http = client();
  const body = Buffer.alloc(4 << 20);
  const response = await http.request({ method: "POST", url: server.url, body }, NEVER);
  assert.equal(response.status, 413);
});

test("request() ends with the reason of its signal, wherever it waits", async () => {
  await using hanging = await serveRaw(() => {});
  const cases = [
    client(),
    client({ resolve: () => new Promise(() => {}) }),
    client({ resolve: () => Promise.resolve(["127.0.0.1"]) }),
  ];
  for (const http of cases) {
    const controller = new AbortController();
    const reason = new Error("stopped");
    const request = { method: "GET", url: `http://localhost:${hanging.port}/` };
    const running = http.request(request, controller.signal);
    const timer = setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(running, (error) => error === reason);
    clearTimeout(timer);
    await http[Symbol.asyncDispose]();
  }
  const aborted = AbortSignal.abort(new Error("before"));
  await assert.rejects(client().request({ method: "GET", url: "http://x/" }, aborted), /before/);
});

test("request() limits how long a connection may take, and names that do not answer", async () => {
  await using http = client({ connectTimeoutMs: 100, resolve: () => new Promise(() => {}) });
  const url = "http://slow.test/";
  await assert.rejects(
    http.request({ method: "GET", url }, NEVER),
    isHttpError("HTTP_TIMEOUT", /no connection to http:\/\/slow\.test within 100 ms/),
  );
});

test("request() tells names that do not exist and ports that are closed", async () => {
  const server = await serve(() => ({}));
  await server[Symbol.asyncDispose]();
  await using http = client();
  await assert.rejects(
    http.request({ method: "GET", url: server.url }, NEVER),
    isHttpError("HTTP_CONNECT", /ECONNREFUSED/),
  );
  await using unknown = client({
    resolve: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })),
  });
  await assert.rejects(
    unknown.request({ method: "GET", url: "http://nowhere.invalid/" }, NEVER),
    isHttpError("HTTP_CONNECT", /cannot resolve 'nowhere\.invalid': ENOTFOUND/),
  );
});

test("request() refuses what cannot be written, and shows no secret", async () => {
  await using http = client();
  const cases: readonly (readonly [string, string, Record<string, string>])[] = [
    ["GET", "no url with token-1", {}],
    ["GET", "ftp://token-1@x/", {}],
    ["G T", "http://127.0.0.1:1/", {}],
    ["GET", "http://127.0.0.1:1/", { "a b": "token-1" }],
    ["GET", "http://127.0.0.1:1/", { a: "token-1\r\nb: c" }],
    ["GET", "http://127.0.0.1:1/", { a: "token-1\0" }],
  ];
  for (const [method, url, headers] of cases) {
    await assert.rejects(http.request({ method, url, headers }, NEVER), (error) => {
      assert.ok(error instanceof HttpError);
      assert.equal(error.code, "HTTP_REQUEST");
      assert.doesNotMatch(error.message, /token-1/);
      return true;
    });
  }
});

test("dispose ends what runs and refuses what comes", async () => {
  await using hanging = await serveRaw(() => {});
  const http = client();
  const request = { method: "GET", url: hanging.url };
  const running = assert.rejects(http.request(request, NEVER), isHttpError("HTTP_CONNECT"));
  await http[Symbol.asyncDispose]();
  await running;
  await assert.rejects(http.request(request, NEVER), isHttpError("HTTP_CONNECT", /closed/));
});

test("request() classes whatever bytes come back, in bounded time", async () => {
  let answer = Buffer.alloc(0);
  await using server = await serveRaw((socket) => {
    socket.once("data", () => socket.end(answer));
  });
  await using http = client({ timeoutMs: 1_000 });
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const head = fc.constantFrom("HTTP/1.1 ", "HTTP/1.1 200 OK\r\n", `${HEADERS}\r\n`, "HTTP/2 ");
  const answers = fc.oneof(
    bytes,
    fc.tuple(head, bytes).map(([start, rest]) => Buffer.concat([Buffer.from(start), rest])),
  );
  await fc.assert(
    fc.asyncProperty(answers, async (bytes) => {
      answer = bytes;
      const request = { method: "POST", url: server.url, body: BODY };
      try {
        const { status } = await http.request(request, NEVER);
        assert.ok(status >= 100 && status <= 999);
      } catch (error) {
        assert.ok(error instanceof HttpError, String(error));
        assert.equal(error.code, "HTTP_PROTOCOL");
      }
    }),
    { numRuns: 100 },
  );
});

// delivery.md, 12.5 and 21.5 row 78.
test("TokenBucket: two in 100 ms, the third waits about 50 ms", () => {
  let nowMs = 0;
  const bucket = new TokenBucket(2, 100, () => nowMs);
  assert.equal(bucket.take(), 0);
  assert.equal(bucket.take(), 0);
  assert.equal(bucket.take(), 50);
  nowMs += 50;
  assert.equal(bucket.take(), 0);
  assert.equal(bucket.take(), 50);
});

test("TokenBucket never lets more through than it holds and gains", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 60 });
  fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), steps, (requests, waits) => {
    let nowMs = 0;
    let taken = 0;
    const bucket = new TokenBucket(requests, 1_000, () => nowMs);
    for (const wait of waits) {
      nowMs += wait;
      const needed = bucket.take();
      if (needed === 0) taken++;
      else assert.ok(needed <= 1_000 / requests + 1e-6);
      assert.ok(taken <= requests + nowMs * requests / 1_000 + 1e-6);
    }
  }));
});
