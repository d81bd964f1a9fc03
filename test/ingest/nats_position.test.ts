import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatPosition,
  type NatsPosition,
  parsePosition,
  Progress,
} from "../../src/ingest/nats/position.ts";

const sequence = fc.nat({ max: 1_000_000 });
const position: fc.Arbitrary<NatsPosition> = fc.record({
  stream: fc.string(),
  consumer: fc.string(),
  created: fc.string(),
  floor: sequence,
  replay: fc.string(),
  above: fc.array(sequence, { maxLength: 20 }),
});

test("parsePosition() reads what formatPosition() writes", () => {
  fc.assert(fc.property(position, (one) => {
    assert.deepEqual(parsePosition(formatPosition(one)), { ...one });
  }));
});

test("parsePosition() never throws", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    const one = parsePosition(text);
    if (one !== undefined) assert.ok(one.floor >= 0);
  }));
  assert.equal(parsePosition(undefined), undefined);
});

// Section 20.6: the position is the contiguous floor, not the maximum.
test("Progress: the only worker knows the floor from gapless deliveries", () => {
  const progress = new Progress(0, [], 0);
  progress.saw(3, 1); // 1 and 2 are other subjects'.
  progress.saw(7, 2);
  progress.take([3, 7]);
  assert.equal(progress.floor, 7);
  assert.deepEqual(progress.above, []);
  assert.ok(progress.isDone(3) && !progress.isDone(8));
});

test("Progress: a gap means another worker, and only the server knows the floor", () => {
  const progress = new Progress(10, [], 5);
  progress.saw(13, 7);
  progress.take([13]);
  assert.equal(progress.floor, 10);
  assert.deepEqual(progress.above, [13]);
  assert.ok(progress.isDone(13) && !progress.isDone(12));
  progress.learn(13, undefined);
  assert.equal(progress.floor, 13);
  progress.saw(14, 9);
  progress.take([14]);
  assert.equal(progress.floor, 13);
  progress.learn(13, 9);
  progress.saw(15, 10);
  progress.take([15]);
  assert.equal(progress.floor, 15);
  assert.deepEqual(progress.above, []);
});

test("Progress calls nothing done that was neither taken nor acknowledged", () => {
  // Deliveries of one consumer to two workers; `mine` are ours.
  const deliveries = fc.array(fc.boolean(), { maxLength: 60 });
  fc.assert(fc.property(deliveries, fc.nat({ max: 10 }), (mine, batch) => {
    const progress = new Progress(0, [], 0);
    const taken = new Set<number>();
    let waiting: number[] = [];
    for (const [at, own] of mine.entries()) {
      if (!own) continue;
      progress.saw(2 * at + 1, at + 1);
      waiting.push(2 * at + 1);
      if (waiting.length > batch) {
        progress.take(waiting);
        for (const seq of waiting) taken.add(seq);
        waiting = [];
      }
    }
    progress.take(waiting);
    for (const seq of waiting) taken.add(seq);
    for (const [at] of mine.entries()) {
      const seq = 2 * at + 1;
      assert.equal(progress.isDone(seq), taken.has(seq), `sequence ${seq}`);
    }
  }));
});
