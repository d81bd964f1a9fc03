/**
 * The Unix socket sink, with a real listener.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { UnixSink } from "../../src/deliver/unix_sink.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import { alerts, sinkSuite } from "../support/sink_suite.ts";
import { tempDir } from "../support/temp_dir.ts";

const NEVER = new AbortController().signal;

interface Listener extends AsyncDisposable {
  readonly path: string;
  /** Whole lines of all connections, each connection's in its order. */
  lines(): string[];
  /** What connections ended with behind their last line end. */
  torn(): string[];
  listen(): Promise<void>;
  close(): Promise<void>;
  /** Whether new connections are read. */
  reading: boolean;
  readonly sockets: Set<Socket>;
}

let pipes = 0;

async function listener(): Promise<Listener> {
  const directory = await tempDir();
  const path = process.platform === "win32"
    ? String.raw`\\.\pipe\picket-test-${process.pid}-${++pipes}`
    : join(directory.path, "alerts.sock");
  const texts: { text: string }[] = [];
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const self: Listener = {
    path,
    sockets,
    reading: true,
    lines: () => texts.flatMap(({ text }) => text.split("\n").slice(0, -1)),
    torn: () => texts.map(({ text }) => text.split("\n").at(-1) ?? "").filter((one) => one !== ""),
    listen: () =>
      new Promise((resolve) => {
        server = createServer((socket) => {
          const got = { text: "" };
          texts.push(got);
          sockets.add(socket);
          socket.on("error", () => {});
          socket.on("close", () => sockets.delete(socket));
          socket.setEncoding("utf8");
          if (self.reading) socket.on("data", (part: string) => (got.text += part));
          else socket.pause();
        }).listen(path, resolve);
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      const closing = server;
      server = undefined;
      if (closing !== undefined) await new Promise((resolve) => closing.close(resolve));
      await rm(path, { force: true });
    },
    [Symbol.asyncDispose]: async () => {
      await self.close();
      await directory[Symbol.asyncDispose]();
    },
  };
  await self.listen();
  return self;
}

sinkSuite("UnixSink", async () => {
  const far = await listener();
  const again = () => new UnixSink({ type: "unix", id: "unix", path: far.path });
  const sink = again();
  return {
    sink,
    again,
    received: () => Promise.resolve(far.lines()),
    outage: { begin: () => far.close(), end: () => far.listen(), mayRepeat: true },
    [Symbol.asyncDispose]: async () => {
      await sink[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
    },
  };
});

test("UnixSink fails transiently without a listener and names the path", async () => {
  await using directory = await tempDir();
  const path = join(directory.path, "nobody.sock");
  await using sink = new UnixSink({ type: "unix", id: "unix", path });
  await assert.rejects(sink.send(alerts(1), NEVER), (error: unknown) => {
    assert.ok(error instanceof DeliveryError);
    assert.equal(error.failure, "transient");
    assert.ok(error.message.includes(path), error.message);
    return true;
  });
});

test("UnixSink waits for a reader that does not read, until it is aborted", async () => {
  await using far = await listener();
  far.reading = false;
  await using sink = new UnixSink({ type: "unix", id: "unix", path: far.path });
  const list = alerts(40, { body: JSON.stringify({ text: "x".repeat(50_000) }) });
  const budget = new AbortController();
  let ended = false;
  const sent = sink.send(list, budget.signal).finally(() => (ended = true));
  sent.catch(() => {});
  await delay(200);
  assert.equal(ended, false, "nothing is called delivered that the system has not taken");
  const sinceMs = performance.now();
  budget.abort(new Error("stop"));
  await assert.rejects(sent, /stop/);
  assert.ok(performance.now() - sinceMs < 100);
  far.reading = true;
  assert.deepEqual(await sink.send(list, NEVER), list.map(() => undefined));
  for (let tries = 0; far.lines().length < 40 && tries < 200; tries++) await delay(10);
  assert.deepEqual(far.lines(), list.map(({ body }) => body), "on a connection of their own");
});

test("UnixSink notices a reader that went away while there was nothing to send", async () => {
  await using far = await listener();
  await using sink = new UnixSink({ type: "unix", id: "unix", path: far.path });
  const list = alerts(2);
  await sink.send(list.slice(0, 1), NEVER);
  for (let tries = 0; far.lines().length < 1 && tries < 100; tries++) await delay(10);
  for (const socket of far.sockets) socket.end();
  await delay(50);
  await sink.send(list.slice(1), NEVER);
  for (let tries = 0; far.lines().length < 2 && tries < 100; tries++) await delay(10);
  assert.deepEqual(far.lines(), list.map(({ body }) => body));
  assert.deepEqual(far.torn(), []);
});
