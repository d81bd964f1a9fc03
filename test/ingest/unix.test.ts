import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import fc from "fast-check";
import { unixSource } from "../../src/ingest/unix.ts";
import { SourceError } from "../../src/runtime/errors.ts";
import type { EventBatch, EventSource } from "../../src/runtime/plugin.ts";

const folder = mkdtempSync(join(tmpdir(), "picket-unix-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const MIB = 1 << 20;
let sockets = 0;

/** A source that is being read; `batches` grows, `stop` closes it. */
class Reading {
  readonly path: string;
  readonly source: EventSource;
  readonly batches: EventBatch[] = [];
  readonly #controller = new AbortController();
  readonly #done: Promise<unknown>;
  #hold: Promise<void> = Promise.resolve();

  constructor(path = join(folder, `${++sockets}.sock`), maxConnections = 256) {
    this.path = path;
    this.source = unixSource({ type: "unix", id: "u", path }, { bootId: "b", maxConnections });
    this.#done = this.#read().catch((error) => error);
  }

  get lines(): unknown[] {
    return this.batches.flatMap(({ events }) => events.map(({ payload }) => payload));
  }

  /** Leaves what comes from now on unread until the returned function is called. */
  hold(): () => void {
    let release = () => {};
    this.#hold = new Promise((resolve) => release = resolve);
    return release;
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    for (const start = Date.now(); !condition();) {
      if (Date.now() - start > 10_000) assert.fail(`waited too long for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  ready(): Promise<void> {
    return this.until(() => this.source.health().state === "running", "the socket");
  }

  /** What ended the reading. */
  stop(): Promise<unknown> {
    this.#controller.abort(new Error("stop"));
    return this.#done;
  }

  async #read(): Promise<void> {
    for await (const batch of this.source.read(undefined, this.#controller.signal)) {
      this.batches.push(batch);
      await this.#hold;
    }
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function send(path: string, data: string | Uint8Array): Promise<void> {
  const socket = await open(path);
  await new Promise<void>((resolve) => socket.end(data, () => resolve()));
  socket.destroy();
}

const skip = process.platform === "win32" ? "no Unix sockets" : false;

// delivery.md 3.5 and 21.3 rows 34, 35; 20.13 for bytes that are no UTF-8.
const STREAMS: readonly (readonly [what: string, data: string | Uint8Array, expected: string[]])[] =
  [
    ["blank lines", '{"a":1}\n   \n{"b":2}\n', ['{"a":1}', '{"b":2}']],
    ["a line above the bound", `${"x".repeat(MIB + 10)}\n{"ok":true}\n`, ['{"ok":true}']],
    ["a line of 1 MiB", `${"x".repeat(MIB)}\n{"ok":true}\n`, ["x".repeat(MIB), '{"ok":true}']],
    ["a last line without an end", "a\nb", ["a", "b"]],
    ["CR LF", "a\r\nb\r\n", ["a", "b"]],
    ["bytes that are no UTF-8", Uint8Array.of(0xff, 10, 0x61, 10), ["\ufffd", "a"]],
  ];

for (const [what, data, expected] of STREAMS) {
  test(`unixSource() reads ${what}`, { skip }, async () => {
    const reading = new Reading();
    await reading.ready();
    await send(reading.path, data);
    await reading.until(() => reading.lines.length >= expected.length, "the lines");
    assert.deepEqual(reading.lines, expected);
    await reading.stop();
  });
}

test("unixSource() makes its file for its owner only and removes it", { skip }, async () => {
  const reading = new Reading();
  await reading.ready();
  assert.equal(statSync(reading.path).mode & 0o777, 0o600);
  const idle = await open(reading.path);
  idle.on("error", () => {});
  assert.match(String(await reading.stop()), /stop/);
  assert.ok(!existsSync(reading.path));
  assert.equal(reading.source.health().state, "stopped");
  idle.destroy();
});

test("unixSource() replaces a socket that was left behind", { skip }, async () => {
  const path = join(folder, "stale.sock");
  // A process that is killed leaves its socket.
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, ` +
    `() => process.kill(process.pid, "SIGKILL"))`;
  const flags = "Deno" in globalThis ? ["eval", "--ext=cjs"] : ["-e"];
  spawnSync(process.execPath, [...flags, script]);
  assert.ok(statSync(path).isSocket());
  const reading = new Reading(path);
  await reading.ready();
  await send(path, "a\n");
  await reading.until(() => reading.lines.length === 1, "the line");
  await reading.stop();
});

test("unixSource() leaves the socket of a live owner alone", { skip }, async () => {
  const path = join(folder, "live.sock");
  const owner = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => owner.listen(path, resolve));
  const reading = new Reading(path);
  await reading.until(() => reading.source.health().state === "failed", "the failure");
  assert.match(reading.source.health().error ?? "", /another process listens there/);
  const found = await reading.stop();
  assert.ok(found instanceof SourceError);
  assert.equal(found.code, "SOURCE_CONFIG");
  assert.ok(existsSync(path));
  await new Promise((resolve) => owner.close(resolve));
});

test("unixSource() removes no file that is not a socket", { skip }, async () => {
  const path = join(folder, "precious");
  writeFileSync(path, "precious");
  const reading = new Reading(path);
  await reading.until(() => reading.source.health().state === "failed", "the failure");
  assert.match(String(await reading.stop()), /no socket/);
  assert.equal(statSync(path).size, 8);
});

test("unixSource() says what is wrong with its path", { skip }, async () => {
  const reading = new Reading(join(folder, "missing", "x.sock"));
  await reading.until(() => reading.source.health().state === "failed", "the failure");
  const error = await reading.stop();
  assert.ok(error instanceof SourceError);
  assert.equal(error.code, "SOURCE_CONFIG");
});

test("unixSource() reads many connections, each in its order", { skip }, async () => {
  const reading = new Reading();
  await reading.ready();
  const writers = Array.from({ length: 40 }, (_, writer) => writer);
  await Promise.all(writers.map((writer) => {
    const lines = Array.from({ length: 100 }, (_, at) => `${writer}.${at}\n`);
    return send(reading.path, lines.join(""));
  }));
  await reading.until(() => reading.lines.length >= 4000, "the lines");
  for (const writer of writers) {
    const own = reading.lines.filter((line) => String(line).startsWith(`${writer}.`));
    assert.deepEqual(own, Array.from({ length: 100 }, (_, at) => `${writer}.${at}`));
  }
  const ids = reading.batches.flatMap(({ events }) => events.map(({ recordId }) => recordId));
  assert.equal(new Set(ids).size, 4000);
  await reading.stop();
});

test("unixSource() does not read what nobody takes", { skip }, async () => {
  const reading = new Reading();
  await reading.ready();
  const release = reading.hold();
  const socket = await open(reading.path);
  const line = `${"x".repeat(1023)}\n`;
  const total = 32 * MIB / line.length;
  let written = 0;
  const write = () => {
    while (written < total) {
      written++;
      if (socket.write(line)) continue;
      socket.once("drain", write);
      return;
    }
    socket.end();
  };
  write();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const held = written;
  assert.ok(held * line.length < 12 * MIB, `${held * line.length} bytes were taken`);
  release();
  await reading.until(() => reading.lines.length === total, "all lines");
  await reading.stop();
  socket.destroy();
});

test("unixSource() turns connections above its bound away", { skip }, async () => {
  const reading = new Reading(undefined, 2);
  await reading.ready();
  const kept = [await open(reading.path), await open(reading.path)];
  const third = await open(reading.path);
  await new Promise((resolve) => third.once("close", resolve));
  assert.equal(reading.source.health().counts?.refused, 1);
  kept[0]!.destroy();
  await reading.until(() => reading.source.health().counts?.connections === 1, "a free place");
  await send(reading.path, "a\n");
  await reading.until(() => reading.lines.length === 1, "the line");
  await reading.stop();
  for (const socket of kept) socket.destroy();
});

test("unixSource() gives the same lines however they are cut into writes", { skip }, async () => {
  const reading = new Reading();
  await reading.ready();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" }).map((line) => `-${line.replace(/[\r\n]/g, "")}`)),
      fc.array(fc.nat({ max: 100 }), { maxLength: 5 }),
      async (lines, cuts) => {
        reading.batches.length = 0;
        const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
        const socket = await open(reading.path);
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length]
          .sort((a, b) => a - b);
        for (let at = 1; at < places.length; at++) {
          await new Promise<void>((resolve) => {
            socket.write(bytes.slice(places[at - 1], places[at]), () => resolve());
          });
        }
        socket.end();
        await reading.until(() => reading.lines.length >= lines.length, "the lines");
        assert.deepEqual(reading.lines, lines);
        socket.destroy();
      },
    ),
    { numRuns: 30 },
  );
  await reading.stop();
});
