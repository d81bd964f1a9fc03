import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type JetStreamManager, jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { natsSource } from "../../src/ingest/nats_source.ts";
import { parsePosition } from "../../src/ingest/nats/position.ts";
import { SourceError } from "../../src/runtime/errors.ts";
import { NatsConnections } from "../../src/runtime/nats/connection.ts";
import type { EventBatch, EventSource } from "../../src/runtime/plugin.ts";
import type { NatsSourceSettings } from "../../src/runtime/settings.ts";
import {
  NATS_SKIP,
  type NatsServer,
  prepareNatsServer,
  startNatsServer,
} from "../support/nats_server.ts";

const LIVE = { skip: NATS_SKIP };
const FAST = {
  timeoutMs: 1000,
  reconnectWaitMs: 50,
  reconnectMaxWaitMs: 200,
  reconnectJitterMs: 20,
};

/** A server with a stream, and what tests do to it. */
class Rig implements AsyncDisposable {
  readonly server: NatsServer;
  readonly connections = new NatsConnections();
  hub!: NatsConnection;
  jsm!: JetStreamManager;

  constructor(server: NatsServer) {
    this.server = server;
  }

  static async make(stream: Partial<StreamConfig> | false = {}, config = ""): Promise<Rig> {
    const rig = new Rig(await startNatsServer({ config }));
    await rig.attach();
    if (stream !== false) {
      await rig.jsm.streams.add({ name: "EDGE", subjects: ["edge.>"], ...stream });
    }
    return rig;
  }

  async attach(): Promise<void> {
    this.hub = await connect({ servers: this.server.url, reconnectTimeWait: 50 });
    this.jsm = await jetstreamManager(this.hub);
  }

  async publish(from: number, to: number, subject = "edge.win"): Promise<void> {
    const js = this.jsm.jetstream();
    for (let n = from; n <= to; n++) await js.publish(subject, JSON.stringify({ n }));
  }

  source(more: Partial<NatsSourceSettings> = {}): EventSource {
    const settings: NatsSourceSettings = {
      type: "nats",
      id: "central",
      nats: { servers: [this.server.url], ...FAST },
      subjects: ["edge.>"],
      stream: "EDGE",
      durable: "corr",
      ...more,
    };
    return natsSource(settings, { connections: this.connections });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connections[Symbol.asyncDispose]();
    await this.hub.close();
    await this.server[Symbol.asyncDispose]();
  }
}

interface Read {
  readonly payloads: string[];
  readonly ids: string[];
  readonly batches: EventBatch[];
  position: string | undefined;
}

/** Reads until `enough` holds, acknowledging as the agent does. */
async function readUntil(
  source: EventSource,
  enough: (read: Read) => boolean,
  { from, ack = true, ms = 4000 }: { from?: string; ack?: boolean; ms?: number } = {},
): Promise<Read> {
  const read: Read = { payloads: [], ids: [], batches: [], position: from };
  const stop = new AbortController();
  const timer = setTimeout(() => {
    stop.abort(new Error(`read only ${JSON.stringify(read.payloads)}`));
  }, ms);
  try {
    for await (const batch of source.read(from, stop.signal)) {
      read.batches.push(batch);
      for (const { payload, recordId } of batch.events) {
        assert.equal(typeof payload, "string");
        read.payloads.push(String(payload));
        read.ids.push(recordId);
      }
      read.position = batch.position;
      if (ack) await batch.ack?.();
      if (enough(read)) break;
    }
  } finally {
    clearTimeout(timer);
  }
  return read;
}

const count = (wanted: number) => ({ payloads }: Read) => payloads.length >= wanted;
const numbers = ({ payloads }: Read) => payloads.map((one) => JSON.parse(one).n as number);
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

// Row 53.
test("payloads arrive unchanged, with the stream's sequence as their name", LIVE, async () => {
  await using rig = await Rig.make();
  const js = rig.jsm.jetstream();
  const text = '{"a":"日本語 🦊","b":1}';
  await js.publish("edge.win", text);
  const fields = headers();
  fields.set("Content-Encoding", "gzip");
  await js.publish("edge.win", gzipSync(text), { headers: fields });
  const source = rig.source();
  const read = await readUntil(source, count(2));
  assert.deepEqual(read.payloads, [text, text]);
  assert.deepEqual(read.ids, ["1", "2"]);
  assert.equal(read.batches[0]?.events[0]?.origin, "nats:EDGE");
  const position = parsePosition(read.position);
  assert.equal(position?.stream, "EDGE");
  assert.equal(position?.consumer, "corr");
  assert.equal(position?.floor, 2);
  assert.equal(source.health().counts?.messages, 2);
  await delay(100);
  assert.equal((await rig.jsm.consumers.info("EDGE", "corr")).num_ack_pending, 0);
});

// Row 54.
test("what was not acknowledged comes again, what was does not", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 3);
  const first = await readUntil(rig.source({ ackWaitMs: 300 }), count(3), { ack: false });
  const again = await readUntil(rig.source(), count(3));
  assert.deepEqual(again.payloads, first.payloads);
  await rig.publish(4, 4);
  const more = await readUntil(rig.source(), count(1), { from: again.position! });
  assert.deepEqual(numbers(more), [4]);
});

// Section 20.6: committed, the process died before the acknowledgement.
test("what was committed and not acknowledged is only acknowledged", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 5);
  const lost = await readUntil(rig.source({ ackWaitMs: 200 }), count(5), { ack: false });
  await rig.publish(6, 6);
  const source = rig.source({ ackWaitMs: 200 });
  const reading = readUntil(source, ({ payloads }) => payloads.length > 0, {
    from: lost.position!,
  });
  assert.deepEqual(numbers(await reading), [6]);
  const next = rig.source({ ackWaitMs: 200 });
  const stop = new AbortController();
  const idle = (async () => {
    for await (const batch of next.read(lost.position, stop.signal)) {
      assert.deepEqual(batch.events, []);
    }
  })();
  for (let tries = 0; tries < 100; tries++) {
    if ((await rig.jsm.consumers.info("EDGE", "corr")).num_ack_pending === 0) break;
    await delay(50);
  }
  assert.equal((await rig.jsm.consumers.info("EDGE", "corr")).num_ack_pending, 0);
  stop.abort(new Error("done"));
  await assert.rejects(idle, /done/);
});

// Rows 55 and 56, and the other replays of section 20.9.
const T = Date.now();
const REPLAYS: readonly (readonly [NatsSourceSettings["replay"], readonly number[]])[] = [
  [{ kind: "resume" }, [1, 2, 3, 4, 5, 6]],
  [{ kind: "all" }, [1, 2, 3, 4, 5, 6]],
  [{ kind: "sequence", sequence: 3 }, [3, 4, 5, 6]],
  [{ kind: "last" }, [5, 6]],
  [{ kind: "new" }, [6]],
  [{ kind: "last_per_subject" }, [4, 5, 6]],
  [{ kind: "time", timeMs: T - 3_600_000 }, [1, 2, 3, 4, 5, 6]],
  [{ kind: "time", timeMs: T + 3_600_000 }, [6]],
];
for (const [replay, expected] of REPLAYS) {
  test(`replay ${JSON.stringify(replay)}`, LIVE, async () => {
    await using rig = await Rig.make();
    await rig.publish(1, 3);
    await rig.publish(4, 4, "edge.linux");
    await rig.publish(5, 5);
    const reading = readUntil(rig.source({ replay: replay! }), count(expected.length));
    for (let tries = 0; tries < 100; tries++) {
      const known = await rig.jsm.consumers.info("EDGE", "corr").catch(() => undefined);
      if (known !== undefined) break;
      await delay(20);
    }
    await rig.publish(6, 6);
    assert.deepEqual(numbers(await reading), expected);
  });
}

// Row 57.
test("two sources of one durable share the messages", LIVE, async () => {
  await using rig = await Rig.make();
  const seen: string[] = [];
  const workers = [1, 2].map(() => rig.source({ fetchBatch: 10 }));
  const stop = new AbortController();
  const done = workers.map(async (worker) => {
    let own = 0;
    for await (const batch of worker.read(undefined, stop.signal)) {
      for (const { recordId } of batch.events) seen.push(recordId);
      own += batch.events.length;
      await batch.ack?.();
      if (seen.length >= 300) stop.abort(new Error("done"));
      await delay(1);
    }
    return own;
  });
  await rig.publish(1, 300);
  const ends = await Promise.allSettled(done);
  assert.ok(ends.every((one) => one.status === "rejected" && /done/.test(String(one.reason))));
  assert.deepEqual(seen.map(Number).sort((a, b) => a - b), range(1, 300));
  assert.ok(workers.every((one) => (one.health().counts?.messages ?? 0) > 0), "both got some");
});

// Row 58.
test("refused credentials: the source waits and says why", LIVE, async () => {
  const server = await startNatsServer({ config: "authorization { user: u, password: p }" });
  await using connections = new NatsConnections();
  const make = (password: string) =>
    natsSource({
      type: "nats",
      id: "central",
      nats: {
        servers: [server.url],
        ...FAST,
        auth: { kind: "user", user: "u", password: () => password },
      },
      subjects: ["edge.>"],
      createStream: true,
    }, { connections });
  const wrong = make("no");
  await assert.rejects(readUntil(wrong, count(1), { ms: 500 }), /read only/);
  assert.match(wrong.health().error ?? "", /authorization/i);
  const hub = await connect({ servers: server.url, user: "u", pass: "p" });
  const reading = readUntil(make("p"), count(1));
  for (let tries = 0; tries < 100; tries++) {
    try {
      // Section 3.6: the name of the stream is derived from the subject.
      await (await jetstreamManager(hub)).streams.info("picket-edge");
      break;
    } catch {
      await delay(20);
    }
  }
  await (await jetstreamManager(hub)).jetstream().publish("edge.x", '{"n":1}');
  const read = await reading;
  assert.equal(parsePosition(read.position)?.consumer, "picket-daemon-edge");
  await hub.close();
  await connections[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

// Row 68.
test("a replay of an existing durable is refused, recreated or ignored", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 5);
  // The server may just be answering a reader that has left; that message is due after this.
  const ackWaitMs = 300;
  const before = await readUntil(rig.source({ ackWaitMs }), count(5));
  const replay = { kind: "sequence", sequence: 4 } as const;
  await assert.rejects(
    readUntil(rig.source({ ackWaitMs, replay }), count(1), { from: before.position! }),
    (error) => {
      assert.ok(error instanceof SourceError);
      assert.equal(error.code, "SOURCE_CONFIG");
      assert.match(error.message, /corr.*exists/);
      return true;
    },
  );
  const again = rig.source({ ackWaitMs, replay, onExisting: "recreate" });
  const replayed = await readUntil(again, count(2), { from: before.position! });
  assert.deepEqual(numbers(replayed), [4, 5]);
  // The next start finds the replay done.
  await rig.publish(6, 6);
  const next = rig.source({ ackWaitMs, replay, onExisting: "recreate" });
  assert.deepEqual(numbers(await readUntil(next, count(1), { from: replayed.position! })), [6]);
  const strict = rig.source({ ackWaitMs, replay });
  await rig.publish(7, 7);
  assert.deepEqual(numbers(await readUntil(strict, count(1), { from: replayed.position! })), [7]);
  await rig.publish(8, 8);
  const ignored = rig.source({ ackWaitMs, replay: { kind: "all" }, onExisting: "resume" });
  assert.deepEqual(numbers(await readUntil(ignored, count(1))), [8]);
});

// Row 69.
test("blank messages are acknowledged once", LIVE, async () => {
  await using rig = await Rig.make();
  const js = rig.jsm.jetstream();
  await js.publish("edge.win", "");
  await js.publish("edge.win", "  \n");
  const source = rig.source({ ackWaitMs: 200 });
  const read = await readUntil(source, ({ position }) => parsePosition(position)?.floor === 2);
  assert.deepEqual(read.payloads, []);
  assert.equal(source.health().counts?.blank, 2);
  await delay(500);
  const info = await rig.jsm.consumers.info("EDGE", "corr");
  assert.equal(info.num_ack_pending, 0);
  assert.equal(info.num_redelivered, 0);
});

test("createConsumer: never, and update", LIVE, async () => {
  await using rig = await Rig.make();
  await assert.rejects(readUntil(rig.source({ createConsumer: "never" }), count(1)), /may not be/);
  await rig.publish(1, 1);
  await readUntil(rig.source({ maxAckPending: 10, backoffMs: [1000, 2000] }), count(1));
  const made = (await rig.jsm.consumers.info("EDGE", "corr")).config;
  assert.equal(made.max_ack_pending, 10);
  assert.equal(made.ack_wait, 1e9);
  assert.deepEqual(made.backoff, [1e9, 2e9]);
  await rig.publish(2, 2);
  const source = rig.source({ createConsumer: "update", maxAckPending: 20, ackWaitMs: 5000 });
  await readUntil(source, count(1));
  assert.equal((await rig.jsm.consumers.info("EDGE", "corr")).config.max_ack_pending, 20);
});

test("streams: missing, found by subject, several subjects", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 1);
  await assert.rejects(readUntil(rig.source({ stream: "NONE" }), count(1)), {
    code: "SOURCE_CONFIG",
  });
  const { stream: _, ...settings } = {
    type: "nats",
    id: "x",
    nats: { servers: [rig.server.url], ...FAST },
    subjects: ["edge.win"],
    stream: undefined,
  } as const;
  const found = natsSource(settings, { connections: rig.connections });
  assert.deepEqual(numbers(await readUntil(found, count(1))), [1]);
  await rig.jsm.streams.add({ name: "TWO", subjects: ["a.>", "b.>"] });
  await rig.publish(2, 2, "a.x");
  await rig.publish(3, 3, "b.x");
  const both = rig.source({ stream: "TWO", subjects: ["b.>", "a.>"] });
  assert.deepEqual(numbers(await readUntil(both, count(2))), [2, 3]);
});

test("settings that can never work are refused at once", () => {
  const connections = new NatsConnections();
  const base = { type: "nats", id: "x", nats: { servers: ["h"] }, subjects: ["a"] } as const;
  const wrong: readonly Partial<NatsSourceSettings>[] = [
    { subjects: [] },
    { subjects: ["a b"] },
    { subjects: [">.a"] },
    { stream: "A.B" },
    { durable: "a b" },
    { nats: { servers: [] } },
  ];
  for (const one of wrong) {
    assert.throws(() => natsSource({ ...base, ...one }, { connections }), {
      code: "SOURCE_CONFIG",
    });
  }
  assert.deepEqual(connections.links(), []);
});

// Section 20.6: long batches report progress, so nobody else gets their messages.
test("a batch that takes longer than ackWait is not delivered again", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 30);
  const stop = new AbortController();
  const source = rig.source({ ackWaitMs: 200, fetchBatch: 10 });
  const got: number[] = [];
  for await (const batch of source.read(undefined, stop.signal)) {
    await delay(700);
    for (const { recordId } of batch.events) got.push(Number(recordId));
    await batch.ack?.();
    if (got.length >= 30) break;
  }
  assert.deepEqual(got, range(1, 30));
  assert.equal(source.health().counts?.redelivered, 0);
});

test("a message that is never committed is given up after maxDeliver", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 1);
  const settings = { ackWaitMs: 100, maxDeliver: 2 };
  for (let tries = 0; tries < 2; tries++) {
    const read = await readUntil(rig.source(settings), count(1), { ack: false });
    assert.deepEqual(numbers(read), [1]);
    await delay(50);
  }
  const source = rig.source(settings);
  const read = await readUntil(source, ({ batches }) => batches.some(({ notices }) => notices));
  const [notice] = read.batches.at(-1)?.notices ?? [];
  assert.equal(notice?.reason, "max_deliver");
  assert.equal(notice?.id, "EDGE:1:max_deliver");
  assert.equal(notice?.facts.sequence, 1);
  assert.equal(notice?.facts.payload, '{"n":1}');
  assert.deepEqual(read.payloads, []);
  assert.equal(source.health().counts?.terminated, 1);
  await delay(300);
  const info = await rig.jsm.consumers.info("EDGE", "corr");
  assert.deepEqual([info.num_ack_pending, info.num_pending], [0, 0]);
});

test("doubleAck waits until the server has the acknowledgement", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 50);
  const stop = new AbortController();
  for await (const batch of rig.source({ doubleAck: true }).read(undefined, stop.signal)) {
    await batch.ack?.();
    const info = await rig.jsm.consumers.info("EDGE", "corr");
    if (info.ack_floor.stream_seq === 50) break;
  }
});

test("messages larger than fetchBytes arrive", LIVE, async () => {
  await using rig = await Rig.make();
  const js = rig.jsm.jetstream();
  const big = JSON.stringify({ n: 2, pad: "x".repeat(50_000) });
  await rig.publish(1, 1);
  await js.publish("edge.win", big);
  await rig.publish(3, 3);
  const source = rig.source({ fetchBytes: 10_000, fetchBatch: 10 });
  assert.deepEqual(numbers(await readUntil(source, count(3))), [1, 2, 3]);
});

// Section 20.9: reconnect without loss.
test("kill -9 of the server: everything is read, nothing twice", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 600);
  const source = rig.source({ ackWaitMs: 500, fetchBatch: 50 });
  const stop = new AbortController();
  const got: number[] = [];
  let kills = 0;
  for await (const batch of source.read(undefined, stop.signal)) {
    for (const { recordId } of batch.events) got.push(Number(recordId));
    if (got.length >= 200 * (kills + 1) && kills < 2) {
      kills++;
      await rig.server.kill();
      await batch.ack?.(); // There is no connection to send it on.
      await rig.server.start();
    } else {
      await batch.ack?.();
    }
    if (got.length >= 600) break;
  }
  assert.equal(kills, 2);
  const wrong = got.findIndex((seq, at) => seq !== at + 1);
  assert.equal(wrong, -1, `${got.slice(Math.max(0, wrong - 3), wrong + 8)} of ${got.length}`);
  for (let tries = 0; tries < 100; tries++) {
    const { num_ack_pending } = await rig.jsm.consumers.info("EDGE", "corr").catch(() => ({
      num_ack_pending: -1,
    }));
    if (num_ack_pending === 0) return;
    await delay(50);
  }
  assert.fail("acknowledgements arrived in the end");
});

test("a paused server is noticed, and reading goes on when it wakes", LIVE, async () => {
  await using rig = await Rig.make();
  await rig.publish(1, 1);
  const source = rig.source({ fetchExpiresMs: 600, idleHeartbeatMs: 300 });
  const stop = new AbortController();
  const got: number[] = [];
  for await (const batch of source.read(undefined, stop.signal)) {
    for (const { recordId } of batch.events) got.push(Number(recordId));
    await batch.ack?.();
    if (got.length === 2) break;
    await rig.server.pause();
    setTimeout(() => {
      assert.equal(source.health().state, "waiting");
      rig.server.resume();
      void rig.publish(2, 2);
    }, 3500);
  }
  assert.deepEqual(got, [1, 2]);
});

test(
  "the server may come later, and a deleted consumer is made again where it was",
  LIVE,
  async () => {
    const server = await prepareNatsServer();
    await using rig = new Rig(server);
    const source = rig.source();
    const first = readUntil(source, count(2));
    await delay(200);
    await server.start();
    await rig.attach();
    await assert.rejects(first, { code: "SOURCE_CONFIG" }, "no stream yet");
    await rig.jsm.streams.add({ name: "EDGE", subjects: ["edge.>"] });
    await rig.publish(1, 2);
    const read = await readUntil(source, count(2));
    assert.deepEqual(numbers(read), [1, 2]);
    await rig.jsm.consumers.delete("EDGE", "corr");
    await rig.publish(3, 3);
    assert.deepEqual(numbers(await readUntil(source, count(1), { from: read.position! })), [3]);
  },
);

test("abort ends reading at once with the signal's reason", LIVE, async () => {
  await using rig = await Rig.make();
  const stop = new AbortController();
  const reason = new Error("stop");
  setTimeout(() => stop.abort(reason), 100);
  const start = Date.now();
  await assert.rejects(async () => {
    for await (const _ of rig.source().read(undefined, stop.signal)) assert.fail("nothing to read");
  }, reason);
  assert.ok(Date.now() - start < 1000);
});
