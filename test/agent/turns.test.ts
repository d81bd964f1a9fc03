import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../src/agent/turns.ts";

function work(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
}

test("Turns.take() goes on at once while the turn lasts, and lets timers run after it", async () => {
  const turns = new Turns();
  await turns.take();
  let isDue = false;
  setTimeout(() => isDue = true, 1);
  let rounds = 0;
  while (!isDue) {
    assert.ok(++rounds < 10_000, "the timer had its turn");
    const forMs = await turns.take();
    assert.ok(forMs > 0 && forMs <= 8, `${forMs}`);
    work(Math.min(1, forMs));
  }
});

test("Turns.take() gives turns in the order in which they are asked for", async () => {
  const turns = new Turns();
  const order: string[] = [];
  await Promise.all(["a", "b", "c"].map(async (name) => {
    for (let round = 0; round < 4; round++) {
      work(Math.max(await turns.take(), 8));
      order.push(name);
    }
  }));
  assert.equal(order.join(""), "abcabcabcabc");
});

test("Turns.take() lets others run after a few milliseconds of work, however many ask", async () => {
  const turns = new Turns();
  let isWorking = true;
  let worked = 0;
  let longest = 0;
  const beating = (async () => {
    while (isWorking) {
      worked = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
      longest = Math.max(longest, worked);
    }
  })();
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (let batch = 0; batch < 20; batch++) {
      await turns.take();
      work(1);
      worked++;
    }
  }));
  isWorking = false;
  await beating;
  assert.ok(longest > 0 && longest < 20, `${longest} batches of a millisecond in one go`);
});
