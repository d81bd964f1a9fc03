import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { SinkDrain } from "../../src/deliver/drain.ts";
import { type NatsSink, natsSink } from "../../src/deliver/nats_sink.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import { NatsConnections } from "../../src/runtime/nats/connection.ts";
import type { NatsSinkSettings } from "../../src/runtime/settings.ts";
import { MemoryOutbox, newAlert } from "../support/memory_outbox.ts";
import {
  NATS_SKIP,
  type NatsServer,
  prepareNatsServer,
  startNatsServer,
} from "../support/nats_server.ts";
import { alerts, sinkSuite } from "../support/sink_suite.ts";
import { TcpProxy } from "../support/tcp_proxy.ts";

const LIVE = { skip: NATS_SKIP };
const NEVER = new AbortController().signal;
const AGENT = { agent: { id: "a1", host: "h" } };
const FAST = {
  timeoutMs: 1000,
  reconnectWaitMs: 50,
  reconnectMaxWaitMs: 200,
  reconnectJitterMs: 20,
};

interface Stored {
  readonly id: string;
  readonly subject: string;
  readonly body: string;
  readonly header: (name: string) => string;
}

async function makeStream(server: NatsServer, config: Partial<StreamConfig> = {}): Promise<void> {
  const connection = await connect({ servers: server.url });
  const jsm = await jetstreamManager(connection);
  await jsm.streams.add({ name: "ALERTS", subjects: ["picket.alert.>"], ...config });
  await connection.close();
}

/** What the hub holds, in its order. */
async function stored(
  server: NatsServer,
  user?: { user: string; pass: string },
): Promise<readonly Stored[]> {
  const connection = await connect({ servers: server.url, ...user });
  try {
    const jsm = await jetstreamManager(connection);
    const { state } = await jsm.streams.info("ALERTS");
    const messages: Stored[] = [];
    if (state.messages === 0) return messages;
    const consumer = await jsm.jetstream().consumers.get("ALERTS");
    for await (const one of await consumer.consume({ max_messages: 2000 })) {
      const encoded = one.headers?.get("Content-Encoding") === "gzip";
      messages.push({
        id: one.headers?.get("Nats-Msg-Id") ?? "",
        subject: one.subject,
        body: encoded ? gunzipSync(one.data).toString() : Buffer.from(one.data).toString(),
        header: (name) => one.headers?.get(name) ?? "",
      });
      if (messages.length >= state.messages) break;
    }
    return messages;
  } finally {
    await connection.close();
  }
}

function settingsFor(url: string, more: Partial<NatsSinkSettings> = {}): NatsSinkSettings {
  return {
    type: "nats",
    id: "hub",
    nats: { servers: [url], ...FAST, ...more.nats },
    subject: "picket.alert.${agent.id}.${alert.level}",
    ackTimeoutMs: 1000,
    ...more,
  };
}

/** A sink of its own connection on a server with a stream. */
async function withSink(
  options: {
    readonly server?: Parameters<typeof startNatsServer>[0];
    readonly stream?: Partial<StreamConfig> | false;
    readonly sink?: Partial<NatsSinkSettings>;
  },
  act: (sink: NatsSink, server: NatsServer) => Promise<void>,
): Promise<void> {
  await using server = await startNatsServer(options.server);
  if (options.stream !== false) await makeStream(server, options.stream);
  await using connections = new NatsConnections();
  await using sink = natsSink(settingsFor(server.url, options.sink), { connections, ...AGENT });
  await act(sink, server);
}

sinkSuite("natsSink()", async () => {
  const server = await startNatsServer();
  await makeStream(server);
  const connections = new NatsConnections();
  const make = () => natsSink(settingsFor(server.url), { connections, ...AGENT });
  const sink = make();
  return {
    sink,
    again: make,
    received: async () => (await stored(server)).map(({ body }) => body),
    outage: { begin: () => server.kill(), end: () => server.start() },
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]();
      await connections[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}, { skip: NATS_SKIP });

test("messages carry id, type and headers of their own; repeats are counted", LIVE, async () => {
  await withSink({
    sink: { headers: { "Picket-Rule": "${alert.rule_title}" }, expectStream: "ALERTS" },
  }, async (sink, server) => {
    const list = alerts(3);
    await sink.send(list, NEVER);
    assert.deepEqual(await sink.send(list, NEVER), [undefined, undefined, undefined]);
    assert.equal(sink.counts.duplicates, 3);
    assert.equal(sink.counts.published, 6);
    const got = await stored(server);
    assert.deepEqual(got.map(({ id }) => id), list.map(({ id }) => id));
    assert.equal(got[0]?.subject, "picket.alert.a1.high");
    assert.equal(got[0]?.header("Content-Type"), "application/json");
    assert.equal(got[0]?.header("Picket-Rule"), "Test rule");
    assert.deepEqual(JSON.parse(sink.peerPosition() ?? ""), { stream: "ALERTS", seq: 3 });
    await sink.probe(NEVER);
  });
});

test("gzip: bodies above 1 KiB only", LIVE, async () => {
  await withSink({ sink: { gzip: true } }, async (sink, server) => {
    const list = [...alerts(1), ...alerts(1, { body: JSON.stringify({ x: "y".repeat(5000) }) })];
    await sink.send(list, NEVER);
    const got = await stored(server);
    assert.deepEqual(got.map(({ header }) => header("Content-Encoding")), ["", "gzip"]);
    assert.deepEqual(got.map(({ body }) => body), list.map(({ body }) => body));
  });
});

// Section 20.3, point 5.
test("what is too large loses its event; what is still too large is poison", LIVE, async () => {
  await withSink({ server: { config: "max_payload: 4096" } }, async (sink, server) => {
    const big = "x".repeat(5000);
    const list = [
      ...alerts(1, { body: JSON.stringify({ a: 1, event: { big } }) }),
      ...alerts(1, { body: JSON.stringify({ big }) }),
      ...alerts(1),
    ];
    const outcomes = await sink.send(list, NEVER);
    assert.deepEqual(outcomes.map((one) => one?.failure), [undefined, "poison", undefined]);
    assert.match(outcomes[1]?.message ?? "", /oversize/);
    const got = await stored(server);
    assert.deepEqual(JSON.parse(got[0]?.body ?? ""), { a: 1, truncated: ["event"] });
    assert.equal(got.length, 2);
    assert.deepEqual([sink.counts.truncated, sink.counts.oversize], [1, 1]);
  });
  await withSink({ stream: { max_msg_size: 1000 } }, async (sink) => {
    const list = [...alerts(1, { body: JSON.stringify({ x: "y".repeat(2000) }) }), ...alerts(1)];
    const outcomes = await sink.send(list, NEVER);
    assert.deepEqual(outcomes.map((one) => one?.failure), ["poison", undefined]);
  });
});

// Section 20.4: the class decides whether alerts wait.
test("no stream is a configuration failure, and heals", LIVE, async () => {
  await withSink({ stream: false }, async (sink, server) => {
    const list = alerts(2);
    const outcomes = await sink.send(list, NEVER);
    assert.deepEqual(outcomes.map((one) => one?.failure), ["config", "config"]);
    await assert.rejects(sink.probe(NEVER), { failure: "config" });
    await delay(50);
    assert.match(sink.warnings[0] ?? "", /no stream/);
    await makeStream(server);
    assert.deepEqual(await sink.send(list, NEVER), [undefined, undefined]);
  });
  await withSink({ server: { jetstream: false }, stream: false }, async (sink) => {
    assert.equal((await sink.send(alerts(1), NEVER))[0]?.failure, "config");
  });
  await withSink({ sink: { expectStream: "OTHER" } }, async (sink) => {
    assert.equal((await sink.send(alerts(1), NEVER))[0]?.failure, "config");
  });
});

const USERS = (agent: string) =>
  `authorization { users: [ { user: hub, password: h }, { user: a1, password: p, permissions: { ${agent} } } ] }`;
const AS_AGENT = { auth: { kind: "user", user: "a1", password: () => "p" } } as const;

test("a subject that is not permitted fails alone", LIVE, async () => {
  const config = USERS('publish: ["picket.alert.a1.high"], subscribe: ["_INBOX.>"]');
  await using server = await startNatsServer({ config });
  await using connections = new NatsConnections();
  await using sink = natsSink(
    settingsFor(server.url, { nats: { servers: [server.url], ...FAST, ...AS_AGENT } }),
    { connections, ...AGENT },
  );
  const hub = await connect({ servers: server.url, user: "hub", pass: "h" });
  await (await jetstreamManager(hub)).streams.add({ name: "ALERTS", subjects: ["picket.alert.>"] });
  await hub.close();
  const list = alerts(20).map((one, at) => at % 3 === 0 ? { ...one, level: "low" as const } : one);
  const outcomes = await sink.send(list, NEVER);
  assert.deepEqual(
    outcomes.map((one) => one?.failure),
    list.map(({ level }) => level === "low" ? "auth" : undefined),
  );
  // Not being permitted to read only means that repeats cannot be told.
  assert.equal((await sink.reconcile(list.slice(0, 1), undefined, NEVER)).size, 0);
  assert.equal(sink.counts.ambiguous, 1);
});

// Section 20.10: reconciling needs one permission, for the agent's own subjects.
test("least privilege suffices to reconcile", LIVE, async () => {
  const config = USERS(
    'publish: ["picket.alert.a1.>", "$JS.API.CONSUMER.CREATE.ALERTS.*.picket.alert.a1.*"], ' +
      'subscribe: ["_INBOX.a1.>"]',
  );
  await using server = await startNatsServer({ config });
  const hub = await connect({ servers: server.url, user: "hub", pass: "h" });
  await (await jetstreamManager(hub)).streams.add({ name: "ALERTS", subjects: ["picket.alert.>"] });
  await hub.close();
  await using connections = new NatsConnections();
  const nats = { servers: [server.url], ...FAST, ...AS_AGENT, inboxPrefix: "_INBOX.a1" };
  const settings = settingsFor(server.url, { nats, expectStream: "ALERTS" });
  await using sink = natsSink(settings, { connections, ...AGENT });
  const [first, second] = [alerts(3), alerts(3)];
  assert.deepEqual(await sink.send(first, NEVER), [undefined, undefined, undefined]);
  const position = sink.peerPosition();
  await sink.send(second, NEVER);
  await using later = natsSink(settings, { connections, ...AGENT });
  const found = await later.reconcile([...first, ...second], position, NEVER);
  assert.deepEqual([...found].sort(), second.map(({ id }) => id).sort());
  assert.equal(later.counts.ambiguous, 0);
});

// Row 58.
test("refused credentials are an auth failure", LIVE, async () => {
  await using server = await startNatsServer({ config: "authorization { token: t }" });
  await using connections = new NatsConnections();
  const nats = {
    servers: [server.url],
    ...FAST,
    auth: { kind: "token", token: () => "x" },
  } as const;
  await using sink = natsSink(settingsFor(server.url, { nats }), { connections, ...AGENT });
  await assert.rejects(sink.send(alerts(1), NEVER), (error) => {
    assert.ok(error instanceof DeliveryError);
    assert.equal(error.failure, "auth");
    return true;
  });
});

test("send() is transient without a server and stops with its signal", async () => {
  await using connections = new NatsConnections();
  await using sink = natsSink(settingsFor("nats://127.0.0.1:1"), { connections, ...AGENT });
  await assert.rejects(sink.send(alerts(1), NEVER), { failure: "transient" });
  const abort = new AbortController();
  const sending = sink.send(alerts(1), abort.signal);
  const reason = new Error("stop");
  setTimeout(() => abort.abort(reason), 20);
  await assert.rejects(sending, reason);
});

// Section 20.3, point 4.
test("the stream is looked at: window, discarding, retention", LIVE, async () => {
  const stream = { duplicate_window: nanos(1000), max_age: nanos(60_000) };
  await withSink({ stream }, async (sink) => {
    await sink.send(alerts(1), NEVER);
    await delay(100);
    assert.deepEqual(sink.warnings.map((one) => one.replace(/.*ALERTS /, "")), [
      "knows duplicates for 1 s only",
      "discards its oldest alerts at a limit, whether read or not",
    ]);
  });
});

test("createStream makes one with a duplicate window of two minutes", LIVE, async () => {
  await withSink(
    { stream: false, sink: { createStream: true, expectStream: "ALERTS" } },
    async (sink, server) => {
      assert.deepEqual(await sink.send(alerts(1), NEVER), [undefined]);
      const connection = await connect({ servers: server.url });
      const { config } = await (await jetstreamManager(connection)).streams.info("ALERTS");
      assert.deepEqual(config.subjects, ["picket.alert.a1.*"]);
      assert.equal(config.duplicate_window, nanos(120_000));
      await connection.close();
    },
  );
});

test("core NATS: delivered when flushed, refused subjects are told apart", LIVE, async () => {
  const config = USERS('publish: ["picket.alert.a1.high"]');
  await using server = await startNatsServer({ config, jetstream: false });
  await using connections = new NatsConnections();
  const nats = { servers: [server.url], ...FAST, ...AS_AGENT };
  await using sink = natsSink(settingsFor(server.url, { nats, jetstream: false }), {
    connections,
    ...AGENT,
  });
  const hub = await connect({ servers: server.url, user: "hub", pass: "h" });
  const got: string[] = [];
  hub.subscribe("picket.alert.>", {
    callback: (_, message) => void got.push(message.headers?.get("Nats-Msg-Id") ?? ""),
  });
  await hub.flush();
  const list = alerts(4).map((one, at) => at === 2 ? { ...one, level: "low" as const } : one);
  const outcomes = await sink.send(list, NEVER);
  assert.deepEqual(outcomes.map((one) => one?.failure), [undefined, undefined, "auth", undefined]);
  await hub.flush();
  assert.deepEqual(got, list.filter(({ level }) => level === "high").map(({ id }) => id));
  await hub.close();
});

// Row 118: stored, acknowledgement cut, back after the duplicate window.
for (const expectedSequence of [false, true]) {
  test(
    `a lost acknowledgement gives no duplicate, expectedSequence ${expectedSequence}`,
    LIVE,
    async () => {
      await using server = await startNatsServer();
      await makeStream(server, { duplicate_window: nanos(500) });
      await using proxy = await TcpProxy.start(server.port);
      await using connections = new NatsConnections();
      const settings = settingsFor(proxy.url, { ackTimeoutMs: 300, expectedSequence });
      const [first, second, third] = [alerts(5), alerts(5), alerts(2)];
      let position: string | undefined;
      {
        await using sink = natsSink(settings, { connections, ...AGENT });
        assert.deepEqual(await sink.send(first, NEVER), first.map(() => undefined));
        position = sink.peerPosition();
        proxy.mute = true;
        const cut = await sink.send(second, NEVER);
        assert.ok(cut.every((one) => one?.failure === "transient"), "no acknowledgement came");
        assert.equal(sink.peerPosition(), position, "what is in doubt is above the position");
        proxy.mute = false;
        proxy.cut();
        await delay(1200);
        // The same process: without being asked, the sink looks before it sends again.
        const outcomes = await sink.send([...second, ...third], NEVER);
        assert.ok(outcomes.every((one) => one === undefined), String(outcomes.find(Boolean)));
      }
      const ids = [...first, ...second, ...third].map(({ id }) => id);
      assert.deepEqual((await stored(server)).map(({ id }) => id), ids);
      // Another process, the position from before: the same answer, however late.
      await delay(700);
      await using next = natsSink(settings, { connections, ...AGENT });
      const found = await next.reconcile([...second, ...third], position, NEVER);
      assert.equal(found.size, 7);
    },
  );
}

// Row 118a: what is stored need not be the beginning of what was sent.
test("only what is missing in the middle is sent again", LIVE, async () => {
  await withSink({ stream: { duplicate_window: nanos(200) } }, async (sink, server) => {
    const [one, two, three] = alerts(3) as [Alert, Alert, Alert];
    const position = JSON.stringify({ stream: "ALERTS", seq: 0 });
    await sink.send([one, three], NEVER);
    await delay(500);
    const found = await sink.reconcile([one, two, three], position, NEVER);
    assert.deepEqual([...found].sort(), [one.id, three.id].sort());
    await sink.send([two], NEVER);
    assert.deepEqual((await stored(server)).map(({ id }) => id), [one.id, three.id, two.id]);
  });
});
type Alert = ReturnType<typeof alerts>[number];

test("expectedSequence: somebody else's message in between does no harm", LIVE, async () => {
  await withSink({ sink: { expectedSequence: true } }, async (sink, server) => {
    const other = await connect({ servers: server.url });
    const js = (await jetstreamManager(other)).jetstream();
    const list = alerts(6);
    await js.publish("picket.alert.a1.high", "foreign");
    await sink.send(list.slice(0, 3), NEVER);
    await js.publish("picket.alert.a1.high", "foreign");
    const outcomes = await sink.send(list.slice(3), NEVER);
    assert.ok(outcomes.every((one) => one === undefined), String(outcomes.find(Boolean)));
    await other.close();
    const own = (await stored(server)).filter(({ id }) => id !== "");
    assert.deepEqual(own.map(({ id }) => id), list.map(({ id }) => id));
    assert.equal(own[0]?.header("Picket-Level"), "high");
  });
});

test("a range that is gone, a stream made anew and rubbish for a position", LIVE, async () => {
  await withSink({}, async (sink, server) => {
    const list = alerts(5);
    await sink.send(list, NEVER);
    const hub = await connect({ servers: server.url });
    const jsm = await jetstreamManager(hub);
    await jsm.streams.purge("ALERTS", { seq: 4 });
    await using next = natsSink(settingsFor(server.url), {
      connections: new NatsConnections(),
      ...AGENT,
    });
    const at = (seq: number) => JSON.stringify({ stream: "ALERTS", seq });
    const found = await next.reconcile(list, at(1), NEVER);
    assert.deepEqual([...found], [list[3]!.id, list[4]!.id]);
    assert.equal(next.counts.ambiguous, 3);
    // Everything the stream has is above a position that it never reached.
    assert.equal((await next.reconcile(list, at(1000), NEVER)).size, 2);
    assert.equal((await next.reconcile(list, "rubbish", NEVER)).size, 2);
    await jsm.streams.delete("ALERTS");
    assert.equal((await next.reconcile(list, at(1), NEVER)).size, 0);
    await hub.close();
  });
});

// Sections 20.4 and 20.9: a server that hangs keeps its sockets open.
test(
  "a paused server: acknowledgements time out, and nothing is doubled after it",
  LIVE,
  async () => {
    await withSink({ sink: { ackTimeoutMs: 300 } }, async (sink, server) => {
      const list = alerts(10);
      await sink.send(list.slice(0, 5), NEVER);
      await server.pause();
      const outcomes = await sink.send(list.slice(5), NEVER);
      assert.deepEqual(outcomes.map((one) => one?.failure), Array(5).fill("transient"));
      assert.ok(sink.counts.ackTimeouts > 0);
      await delay(1300);
      assert.notEqual(sink.status().state, "connected", "the link noticed");
      server.resume();
      await sendUntilDelivered(sink, list.slice(5));
      assert.deepEqual((await stored(server)).map(({ id }) => id), list.map(({ id }) => id));
    });
  },
);

async function sendUntilDelivered(sink: NatsSink, list: readonly Alert[]): Promise<void> {
  for (let left = list, tries = 0; left.length > 0; tries++) {
    assert.ok(tries < 100, "it recovers");
    const sent = left;
    const failed = await sink.send(sent, NEVER).catch(() => sent.map(() => true as const));
    left = sent.filter((_, at) => failed[at] !== undefined);
    if (left.length > 0) await delay(50);
  }
}

function drainOf(sink: NatsSink, count: number, batchMax = 100) {
  const outbox = new MemoryOutbox();
  outbox.registerSinks([{ id: sink.id, filter: {}, start: "oldest" }], 0);
  const list = Array.from({ length: count }, () => newAlert());
  outbox.commit({ alerts: list, positions: new Map(), nowMs: Date.now() });
  const drain = new SinkDrain({
    sink,
    outbox,
    settings: { batchMax, backoffBaseMs: 20, backoffMaxMs: 100 },
  });
  return { drain, outbox, ids: list.map(({ id }) => id) };
}

// Row 117, without the hour.
test("a hub that appears late gets everything in order", LIVE, async () => {
  await using server = await prepareNatsServer();
  await using connections = new NatsConnections();
  await using sink = natsSink(
    settingsFor(server.url, { createStream: true, expectStream: "ALERTS" }),
    {
      connections,
      ...AGENT,
    },
  );
  const { drain, outbox, ids } = drainOf(sink, 2000);
  await delay(300);
  await server.start();
  while (!(await drain.flush(AbortSignal.timeout(10_000)))) await delay(20);
  await drain.stop(AbortSignal.timeout(1000));
  assert.equal(outbox.backlog(sink.id, Date.now()).alerts, 0);
  assert.deepEqual((await stored(server)).map(({ id }) => id), ids);
});

// Row 116, the part of the sink: the hub dies five times.
test("kill -9 of the hub during 10,000 alerts: each is there once", LIVE, async () => {
  await using server = await startNatsServer();
  await makeStream(server, { duplicate_window: nanos(100) });
  await using proxy = await TcpProxy.start(server.port);
  await using connections = new NatsConnections();
  await using sink = natsSink(settingsFor(proxy.url, { maxInFlight: 256 }), {
    connections,
    ...AGENT,
  });
  const { drain, outbox, ids } = drainOf(sink, 10_000, 500);
  for (let kills = 1; kills <= 5; kills++) {
    const goal = kills * 1500;
    while (drain.status().delivered < goal) await delay(1);
    // What the server still stores is acknowledged in vain, as on a line that breaks before it.
    proxy.mute = kills % 2 === 1;
    await delay(kills * 3);
    await server.kill();
    proxy.mute = false;
    await delay(150); // Longer than the server remembers ids.
    await server.start();
  }
  while (!(await drain.flush(AbortSignal.timeout(10_000)))) await delay(20);
  await drain.stop(AbortSignal.timeout(1000));
  assert.equal(outbox.backlog(sink.id, Date.now()).alerts, 0);
  const got = (await stored(server)).map(({ id }) => id);
  assert.equal(new Set(got).size, got.length, "no repeats");
  assert.deepEqual([...got].sort(), [...ids].sort());
  assert.ok(sink.status().reconnects >= 5);
  assert.equal(sink.counts.ambiguous, 0);
  assert.ok(sink.counts.reconciled > 0, "some were stored and not acknowledged");
  console.log(`natsSink() after 5 kills: ${JSON.stringify(sink.counts)}`);
});
