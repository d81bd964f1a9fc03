import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SourceError } from "../../src/runtime/errors.ts";
import { type MetricsHook, noopMetrics } from "../../src/runtime/metrics.ts";
import type { EventBatch, EventSource } from "../../src/runtime/plugin.ts";
import { type SourceFailure, spawnSource } from "../../src/runtime/spawn_source.ts";

const NEVER = new AbortController().signal;

function batch(from: number, count: number): EventBatch {
  const events = Array.from({ length: count }, (_, at) => ({
    payload: `line ${from + at}`,
    recordId: String(from + at),
    origin: "o",
  }));
  return { events, position: String(from + count) };
}

interface Counting extends EventSource {
  /** How many batches were handed out, over all calls of `read`. */
  readonly produced: () => number;
  readonly closed: () => number;
}

/** Numbers from `from` to `total`; fails where `failsAt` says so, then waits if it is live. */
function counting(
  total: number,
  size: number,
  failsAt: readonly number[] = [],
  isLive = false,
): Counting {
  const failures = [...failsAt];
  let produced = 0;
  let closed = 0;
  return {
    id: "counting",
    kind: "test",
    produced: () => produced,
    closed: () => closed,
    health: () => ({ state: "running" }),
    async *read(from = "0", signal) {
      try {
        for (let at = Number(from); at < total; at += size) {
          await Promise.resolve();
          signal.throwIfAborted();
          if (failures.length > 0 && at >= failures[0]!) {
            failures.shift();
            throw new SourceError("SOURCE_IO", `failed at ${at}`);
          }
          produced++;
          yield batch(at, Math.min(size, total - at));
        }
        if (isLive) await new Promise((_, reject) => signal.onabort = () => reject(signal.reason));
      } finally {
        closed++;
      }
    },
  };
}

function numbers(batches: readonly EventBatch[]): number[] {
  return batches.flatMap(({ events }) => events.map(({ recordId }) => Number(recordId)));
}

const fast = { backoff: { baseMs: 1, maxMs: 2 } };

test("spawnSource() hands out every event once, whatever fails and however small the queue is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat({ max: 60 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 20 }),
      async (total, size, failures, events) => {
        const source = counting(total, size, failures.sort((a, b) => a - b));
        const options = { from: undefined, signal: NEVER, capacity: { events }, ...fast };
        const found: EventBatch[] = [];
        for await (const one of spawnSource(source, options)) {
          found.push(one);
          if (found.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        assert.deepEqual(numbers(found), Array.from({ length: total }, (_, at) => at));
      },
    ),
    { numRuns: 40 },
  );
});

test("SourceQueue reads ahead up to its bounds and then waits", async () => {
  for (const capacity of [{ events: 25 }, { bytes: 6 * 25 }]) {
    const source = counting(1000, 10);
    let depth = 0;
    let backPressure = 0;
    const metrics: MetricsHook = {
      ...noopMetrics,
      onInputQueueDepthChange: (change) => depth += change,
      onBackPressure: () => backPressure++,
    };
    const queue = spawnSource(source, { from: undefined, signal: NEVER, capacity, metrics });
    const pulls = queue[Symbol.asyncIterator]();
    await pulls.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    // One was pulled, three fill the queue: it is full once a batch has reached its bound.
    assert.equal(source.produced(), 4);
    assert.equal(depth, 30);
    assert.equal(queue.depth, 30);
    assert.equal(backPressure, 1);
    await pulls.return();
    assert.equal(depth, 0);
    assert.equal(source.closed(), 1);
  }
});

test("SourceQueue reports failures with growing pauses, and repeated ones as such", async () => {
  const failures: SourceFailure[] = [];
  const source: EventSource = {
    id: "broken",
    kind: "test",
    health: () => ({ state: "failed" }),
    // deno-lint-ignore require-yield
    async *read() {
      await Promise.resolve();
      if (failures.length >= 5) return;
      throw new SourceError(failures.length < 4 ? "SOURCE_IO" : "SOURCE_CONFIG", "no");
    },
  };
  const queue = spawnSource(source, {
    from: undefined,
    signal: NEVER,
    backoff: { baseMs: 2, maxMs: 8 },
    random: () => 1,
    onError: (failure) => failures.push(failure),
  });
  for await (const _ of queue) assert.fail("nothing is read");
  assert.deepEqual(failures.map(({ attempt, retryMs, isNew }) => [attempt, retryMs, isNew]), [
    [1, 2, true],
    [2, 4, false],
    [3, 8, false],
    [4, 8, false],
    // Trying again soon does not help where somebody has to change something.
    [5, 8, false],
  ]);
});

test("SourceQueue.stop() ends the source and still hands out what was read", async () => {
  const source = counting(30, 10, [], true);
  const queue = spawnSource(source, { from: undefined, signal: NEVER });
  const pulls = queue[Symbol.asyncIterator]();
  const found = [(await pulls.next()).value!];
  await new Promise((resolve) => setTimeout(resolve, 10));
  queue.stop();
  for (let next = await pulls.next(); !next.done; next = await pulls.next()) found.push(next.value);
  assert.deepEqual(numbers(found), Array.from({ length: 30 }, (_, at) => at));
  assert.equal(source.closed(), 1);
  assert.ok(queue.ended);
});

test("SourceQueue rejects with the reason of its signal at once", async () => {
  const controller = new AbortController();
  const source = counting(0, 1, [], true);
  const queue = spawnSource(source, { from: undefined, signal: controller.signal });
  const pulled = queue[Symbol.asyncIterator]().next();
  setTimeout(() => controller.abort(new Error("enough")), 5);
  await assert.rejects(pulled, /enough/);
  assert.equal(source.closed(), 1);
});

test("SourceQueue passes an error on that is a bug", async () => {
  const source: EventSource = {
    id: "bug",
    kind: "test",
    health: () => ({ state: "failed" }),
    async *read() {
      yield await Promise.resolve(batch(0, 1));
      throw new TypeError("bug");
    },
  };
  const pulls = spawnSource(source, { from: undefined, signal: NEVER })[Symbol.asyncIterator]();
  assert.equal((await pulls.next()).value?.position, "1");
  await assert.rejects(pulls.next(), TypeError);
});
