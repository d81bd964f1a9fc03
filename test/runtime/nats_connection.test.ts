import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:tls";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nkeys } from "@nats-io/transport-node";
import {
  NatsConnections,
  type NatsLink,
  type NatsStatus,
} from "../../src/runtime/nats/connection.ts";
import { natsSettingsProblem } from "../../src/runtime/nats/options.ts";
import type { NatsAuth, NatsSettings } from "../../src/runtime/settings.ts";
import { freePort, NATS_SKIP, prepareNatsServer, startNatsServer } from "../support/nats_server.ts";
import { makeOperator, makePki, OPENSSL_SKIP } from "../support/nats_tls.ts";

const LIVE = { skip: NATS_SKIP };
const FAST = {
  timeoutMs: 1000,
  reconnectWaitMs: 50,
  reconnectMaxWaitMs: 100,
  reconnectJitterMs: 20,
};
const NEVER = new AbortController().signal;

/** Resolves with the first status that fits, also the present one. */
function until(
  link: NatsLink,
  fits: (status: NatsStatus) => boolean,
  ms = 8000,
): Promise<NatsStatus> {
  return new Promise((resolve, reject) => {
    const check = (status: NatsStatus) => {
      if (!fits(status)) return;
      remove();
      clearTimeout(timer);
      resolve(status);
    };
    const remove = link.onChange(check);
    const timer = setTimeout(() => {
      remove();
      reject(new Error(`still ${JSON.stringify(link.status)}`));
    }, ms);
    check(link.status);
  });
}

async function inDirectory<T>(act: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "picket-nats-test-"));
  try {
    return await act(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// Section 20.9: what cannot work is said before anything is dialled.
const PROBLEMS: readonly (readonly [settings: NatsSettings, problem: RegExp | undefined])[] = [
  [{ servers: ["nats://hub:4222", "tls://[::1]:4222", "hub"] }, undefined],
  [{ servers: [] }, /no NATS server/],
  [{ servers: ["wss://edge:443"] }, /WebSocket/],
  [{ servers: ["http://hub"] }, /scheme/],
  [{ servers: ["nats://user:secret@hub"] }, /^put credentials into/],
  [{ servers: ["nats://hub:99999"] }, /host and port/],
  [{ servers: ["nats://hub"], tls: { cert: "c.pem" } }, /need each other/],
  [{ servers: ["nats://hub"], domain: "leaf", apiPrefix: "$JS.leaf.API" }, /exclude/],
  [{ servers: ["nats://hub"], inboxPrefix: "_INBOX.>" }, /inboxPrefix/],
];
for (const [settings, problem] of PROBLEMS) {
  test(`natsSettingsProblem() ${JSON.stringify(settings)}`, () => {
    const found = natsSettingsProblem(settings);
    if (problem === undefined) assert.equal(found, undefined);
    else assert.match(found ?? "", problem);
  });
}

// Section 20.9: the first connection is made in the background; nothing is ever given up.
test(
  "a link waits for a server that is not there yet, and comes back after kill -9",
  LIVE,
  async () => {
    await using server = await prepareNatsServer();
    await using connections = new NatsConnections();
    const { link } = connections.acquire({ servers: [server.url], ...FAST });
    const waiting = await until(link, ({ failedAttempts }) => failedAttempts >= 2);
    assert.equal(waiting.state, "connecting");
    assert.match(waiting.error ?? "", /refused/);
    await server.start();
    const first = await link.connected(NEVER);
    assert.equal(link.status.reconnects, 0);
    const request = first.request("picket.nobody.answers", "", { timeout: 5000 }).catch((e) => e);
    await request;
    await server.kill();
    await until(link, ({ state }) => state === "reconnecting");
    assert.equal(link.connection, undefined);
    await server.start();
    const up = await until(link, ({ state }) => state === "connected");
    assert.equal(up.reconnects, 1);
    assert.equal(up.failedAttempts, 0);
  },
);

test("connected() rejects with the signal's reason, and when the link is closed", async () => {
  await using connections = new NatsConnections();
  const lease = connections.acquire({ servers: [`127.0.0.1:${await freePort()}`], ...FAST });
  const abort = new AbortController();
  const waiting = lease.link.connected(abort.signal);
  const reason = new Error("stop");
  abort.abort(reason);
  await assert.rejects(waiting, reason);
  const other = lease.link.connected(NEVER);
  const closed = assert.rejects(other, /closed/);
  await lease.release();
  await closed;
  assert.equal(lease.link.status.state, "closed");
  await assert.rejects(lease.link.connected(NEVER), /closed/);
});

test("equal settings share one link until the last user leaves", async () => {
  await using connections = new NatsConnections();
  const servers = [`127.0.0.1:${await freePort()}`];
  const auth = (token: string): NatsAuth => ({ kind: "token", token: () => token });
  const a = connections.acquire({ servers, auth: auth("a"), ...FAST });
  const b = connections.acquire({ ...FAST, auth: auth("a"), servers: [...servers] });
  const c = connections.acquire({ servers, auth: auth("c"), ...FAST });
  assert.equal(a.link, b.link);
  assert.notEqual(a.link, c.link);
  assert.equal(connections.links().length, 2);
  await a.release();
  await a.release();
  assert.notEqual(b.link.status.state, "closed");
  await b.release();
  assert.equal(b.link.status.state, "closed");
  assert.equal(connections.links().length, 1);
});

// Row 58 and section 20.9: every method, right and wrong.
const USER = nkeys.createUser();
const OTHER = nkeys.createUser();
const SEED = (pair: typeof USER) => new TextDecoder().decode(pair.getSeed());
const METHODS: readonly (readonly [config: string, right: NatsAuth, wrong: NatsAuth])[] = [
  [
    "authorization { token: s3cr3t }",
    { kind: "token", token: () => "s3cr3t\n" },
    { kind: "token", token: () => "other" },
  ],
  [
    "authorization { user: u, password: p }",
    { kind: "user", user: "u", password: () => "p" },
    { kind: "user", user: "u", password: () => "no" },
  ],
  [
    `authorization { users: [{ nkey: ${USER.getPublicKey()} }] }`,
    { kind: "nkey", seed: () => SEED(USER) },
    { kind: "nkey", seed: () => SEED(OTHER) },
  ],
];
for (const [config, right, wrong] of METHODS) {
  test(`${right.kind} auth: right connects, wrong is auth_failed`, LIVE, async () => {
    await using server = await startNatsServer({ config, jetstream: false });
    await using connections = new NatsConnections();
    const good = connections.acquire({ servers: [server.url], auth: right, ...FAST });
    const bad = connections.acquire({ servers: [server.url], auth: wrong, ...FAST });
    const none = connections.acquire({ servers: [server.url], auth: { kind: "none" }, ...FAST });
    await until(good.link, ({ state }) => state === "connected");
    for (const { link } of [bad, none]) {
      const status = await until(link, ({ failedAttempts }) => failedAttempts >= 2);
      assert.equal(status.state, "auth_failed");
      assert.equal(status.failure, "auth");
      assert.match(status.error ?? "", /authorization/i);
      assert.doesNotMatch(status.error ?? "", /other|s3cr3t/);
    }
  });
}

test("creds and jwt auth; files are read again after a refusal", LIVE, async () => {
  await inDirectory(async (directory) => {
    const operator = makeOperator();
    await using server = await startNatsServer({ config: operator.config, jetstream: false });
    await using connections = new NatsConnections();
    const [first, second] = [operator.user(), operator.user()];
    const credsFile = join(directory, "agent.creds");
    const jwtFile = join(directory, "agent.jwt");
    await writeFile(credsFile, makeOperator().user().creds);
    await writeFile(jwtFile, second.jwt);
    const servers = [server.url];
    const creds = connections.acquire({
      servers,
      auth: { kind: "creds", file: credsFile },
      ...FAST,
    });
    const jwt = connections.acquire({
      servers,
      auth: { kind: "jwt", jwtFile, seed: () => second.seed },
      ...FAST,
    });
    await until(jwt.link, ({ state }) => state === "connected");
    await until(creds.link, ({ state }) => state === "auth_failed");
    await writeFile(credsFile, "not credentials");
    const broken = await until(creds.link, ({ error }) => error?.includes("Cannot use") ?? false);
    assert.equal(broken.state, "auth_failed");
    await writeFile(credsFile, first.creds.replaceAll("\n", "\r\n"));
    await until(creds.link, ({ state }) => state === "connected");
  });
});

test("an expired JWT ends the connection; the renewed file brings it back", LIVE, async () => {
  await inDirectory(async (directory) => {
    const operator = makeOperator();
    await using server = await startNatsServer({ config: operator.config, jetstream: false });
    await using connections = new NatsConnections();
    const file = join(directory, "agent.creds");
    await writeFile(file, operator.user(Math.floor(Date.now() / 1000) + 2).creds);
    const { link } = connections.acquire({
      servers: [server.url],
      auth: { kind: "creds", file },
      ...FAST,
    });
    await until(link, ({ state }) => state === "connected");
    const expired = await until(link, ({ state }) => state === "auth_failed");
    assert.equal(expired.failure, "auth");
    await writeFile(file, operator.user().creds);
    await until(link, ({ state }) => state === "connected");
  });
});

test("reopen() takes rotated credentials without a break", LIVE, async () => {
  await inDirectory(async (directory) => {
    const operator = makeOperator();
    await using server = await startNatsServer({ config: operator.config, jetstream: false });
    await using connections = new NatsConnections();
    const file = join(directory, "agent.creds");
    await writeFile(file, operator.user().creds);
    const { link } = connections.acquire({
      servers: [server.url],
      auth: { kind: "creds", file },
      ...FAST,
    });
    const before = await link.connected(NEVER);
    link.reopen();
    assert.equal(link.connection, before, "nothing changed");
    await writeFile(file, operator.user().creds);
    link.reopen();
    const status = await until(link, ({ reconnects }) => reconnects === 1);
    assert.equal(status.state, "connected");
    assert.notEqual(link.connection, before);
    assert.equal(before.isClosed(), false, "answers may still come");
  });
});

// Section 20.8: private CA, client certificate, server name.
test("TLS with a private CA, names, and a client certificate", {
  skip: NATS_SKIP || OPENSSL_SKIP,
}, async () => {
  await inDirectory(async (directory) => {
    const pki = await makePki(directory, ["DNS:hub.test", "IP:127.0.0.1"]);
    const tls = `cert_file: "${pki.serverCert}", key_file: "${pki.serverKey}"`;
    await using server = await startNatsServer({ config: `tls { ${tls} }`, jetstream: false });
    await using mutual = await startNatsServer({
      config: `tls { ${tls}, ca_file: "${pki.ca}", verify: true }`,
      jetstream: false,
    });
    const other = join(directory, "other");
    await mkdir(other);
    const local = await makePki(other, ["DNS:localhost"]);
    await using named = await startNatsServer({
      config: `tls { cert_file: "${local.serverCert}", key_file: "${local.serverKey}" }`,
      jetstream: false,
    });
    await using plain = await startNatsServer({ jetstream: false });
    await using connections = new NatsConnections();
    const client = { cert: pki.clientCert, key: pki.clientKey };
    const { ca } = pki;
    const cases:
      readonly (readonly [name: string, settings: NatsSettings, state: RegExp, error?: RegExp])[] =
        [
          ["private CA", { servers: [server.url], tls: { ca } }, /^connected$/],
          [
            "tls:// and CA",
            { servers: [server.url.replace("nats:", "tls:")], tls: { ca } },
            /^connected$/,
          ],
          ["unknown CA", { servers: [server.url], tls: {} }, /^auth_failed$/],
          ["unknown CA, TLS not asked for", { servers: [server.url] }, /^auth_failed$/],
          [
            "server name",
            { servers: [server.url], tls: { ca, serverName: "hub.test" } },
            /^connected$/,
          ],
          [
            "wrong name",
            { servers: [server.url], tls: { ca, serverName: "hub2.test" } },
            /^auth_failed$/,
          ],
          ["name not in the certificate", {
            servers: [`nats://localhost:${server.port}`],
            tls: { ca },
          }, /^auth_failed$/],
          [
            "address not in the certificate",
            { servers: [named.url], tls: { ca: local.ca } },
            /^auth_failed$/,
          ],
          ["insecure", { servers: [server.url], tls: { insecure: true } }, /^connected$/],
          ["client certificate", { servers: [mutual.url], tls: { ca, ...client } }, /^connected$/],
          [
            "no client certificate",
            { servers: [mutual.url], tls: { ca } },
            /^(?:auth_failed|connecting)$/,
          ],
          [
            "missing file",
            { servers: [server.url], tls: { ca: join(directory, "no.pem") } },
            /^auth_failed$/,
            /no\.pem/,
          ],
          [
            "plain server",
            { servers: [plain.url], tls: { required: true } },
            /^connecting$/,
            /tls/,
          ],
        ];
    for (const [name, settings, state, error] of cases) {
      const lease = connections.acquire({ ...settings, ...FAST });
      const status = await until(
        lease.link,
        (one) => one.state === "connected" || one.failedAttempts >= 1,
      );
      assert.match(status.state, state, `${name}: ${JSON.stringify(status)}`);
      if (error !== undefined) assert.match(status.error ?? "", error, name);
      await lease.release();
    }
  });
});

// A server that speaks NATS only inside TLS; nats-server can do that from 2.10.4 on.
test("TLS first", { skip: OPENSSL_SKIP }, async () => {
  await inDirectory(async (directory) => {
    const pki = await makePki(directory, ["IP:127.0.0.1"]);
    const server = createServer({
      cert: readFileSync(pki.serverCert),
      key: readFileSync(pki.serverKey),
    }, (socket) => {
      socket.on("error", () => {});
      socket.write(
        'INFO {"server_id":"x","version":"2.10.4","max_payload":1024,"tls_required":true}\r\n',
      );
      socket.on("data", (data) => {
        if (String(data).includes("PING")) socket.write("PONG\r\n");
      });
    });
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    {
      await using connections = new NatsConnections();
      const { link } = connections.acquire({
        servers: [`127.0.0.1:${address.port}`],
        tls: { ca: pki.ca, first: true },
        ...FAST,
      });
      await until(link, ({ state }) => state === "connected");
    }
    await new Promise((resolve) => server.close(resolve));
  });
});

// Section 20.9: a stale connection is found by pings.
test("a paused server is noticed by pings, and by suspect() without them", LIVE, async () => {
  await using server = await startNatsServer();
  await using connections = new NatsConnections();
  const settings: NatsSettings = { servers: [server.url], ...FAST };
  const pinged = connections.acquire({ ...settings, pingIntervalMs: 100, maxPingsOut: 2 });
  const silent = connections.acquire(settings);
  const connection = await silent.link.connected(NEVER);
  await pinged.link.connected(NEVER);
  await silent.link.suspect(connection);
  assert.equal(silent.link.connection, connection, "a server that answers is not dropped");
  await server.pause();
  await until(pinged.link, ({ state }) => state === "reconnecting");
  assert.equal(silent.link.status.state, "connected");
  await silent.link.suspect(connection);
  await until(silent.link, ({ state }) => state === "reconnecting");
  server.resume();
  await until(silent.link, ({ state }) => state === "connected");
  await until(pinged.link, ({ state }) => state === "connected");
});

test("close() ends within its budget while the server hangs", LIVE, async () => {
  await using server = await startNatsServer();
  const connections = new NatsConnections();
  const { link } = connections.acquire({ servers: [server.url], ...FAST });
  await link.connected(NEVER);
  await server.pause();
  const start = Date.now();
  await link.close(300);
  assert.ok(Date.now() - start < 1500, `took ${Date.now() - start} ms`);
});

test("the next server takes over", LIVE, async () => {
  await using one = await startNatsServer({ jetstream: false });
  await using two = await startNatsServer({ jetstream: false });
  await using connections = new NatsConnections();
  const { link } = connections.acquire({ servers: [one.url, two.url], ...FAST });
  await link.connected(NEVER);
  const first = link.status.server?.endsWith(String(one.port)) ? one : two;
  await first.kill();
  const other = first === one ? two : one;
  const status = await until(
    link,
    ({ state, reconnects }) => state === "connected" && reconnects === 1,
  );
  assert.equal(status.server, `127.0.0.1:${other.port}`);
});

test("a server that announces its end is left at once, without a break", LIVE, async () => {
  await using one = await startNatsServer({ jetstream: false });
  await using two = await startNatsServer({ jetstream: false });
  await using connections = new NatsConnections();
  const { link } = connections.acquire({ servers: [one.url, two.url], ...FAST });
  const before = await link.connected(NEVER);
  const states: string[] = [];
  link.onChange(({ state }) => states.push(state));
  const [first, other] = link.status.server?.endsWith(String(one.port)) ? [one, two] : [two, one];
  first.retire();
  const moved = await until(link, ({ server }) => server === `127.0.0.1:${other.port}`);
  assert.equal(moved.state, "connected");
  assert.deepEqual(states, ["connected"]);
  assert.equal(before.isClosed(), false);
});
