import assert from "node:assert/strict";
import { test } from "node:test";
import { Committer } from "../../src/agent/committer.ts";
import { SourceSet } from "../../src/agent/source_set.ts";
import { Turns } from "../../src/agent/turns.ts";
import { LogProcessor } from "../../src/runtime/log_processor.ts";
import { noopMetrics } from "../../src/runtime/metrics.ts";
import type { EventBatch, EventSource } from "../../src/runtime/plugin.ts";
import { compileRuleSet } from "../../src/runtime/rule_set.ts";
import { RuntimeEngine } from "../../src/runtime/runtime_engine.ts";
import type { SourceSettings } from "../../src/runtime/settings.ts";

/** A source of numbered lines; positions are the number of the next one. */
class Numbers implements EventSource {
  readonly id: string;
  kind = "file";
  readonly #closeMs: number;
  /** Where it ends by itself; Infinity: it waits for ever after the third. */
  end: number;
  reads: (string | undefined)[] = [];

  constructor(id: string, end: number, closeMs = 0) {
    this.id = id;
    this.end = end;
    this.#closeMs = closeMs;
  }

  async *read(from: string | undefined, signal: AbortSignal): AsyncGenerator<EventBatch> {
    this.reads.push(from);
    try {
      for (let at = Number(from ?? 0); at < Math.min(3, this.end); at++) {
        yield {
          events: [{ payload: `{"n":${at}}`, recordId: `${at}`, origin: this.id }],
          position: `${at + 1}`,
        };
      }
      if (this.end !== Infinity) return;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      throw signal.reason;
    } finally {
      await new Promise((resolve) => setTimeout(resolve, this.#closeMs));
    }
  }

  health(): { readonly state: "running" } {
    return { state: "running" };
  }
}

interface Rig extends Disposable {
  readonly set: SourceSet;
  readonly positions: Map<string, string>;
  ends: number;
  apply(...sources: EventSource[]): Promise<void>;
}

function rig(): Rig {
  const engine = new RuntimeEngine({ rules: [] });
  engine.use(compileRuleSet({ paths: [] }));
  const processor = new LogProcessor(engine);
  const positions = new Map<string, string>();
  const committer = new Committer((commit) => {
    for (const [id, position] of commit.positions) positions.set(id, position);
    return { added: commit.alerts.length, duplicates: 0, dropped: 0 };
  }, { committed() {}, stalled() {}, recovered() {}, refused() {} });
  let made = new Map<string, EventSource>();
  const built: Rig = {
    positions,
    ends: 0,
    set: new SourceSet({
      context: {
        processor: () => processor,
        committer,
        turns: new Turns(),
        metrics: noopMetrics,
        taps: { raw: new Set(), decoded: new Set() },
        keepParseErrors: false,
        queueEvents: 10_000,
        batchEvents: 128,
        now: Date.now,
        onResults() {},
        onBatch() {},
        onLag() {},
      },
      agent: { id: "a", host: "h", labels: {} },
      addIds: true,
      make: ({ id }) => made.get(id)!,
      position: (id) => positions.get(id),
      stopMs: 1000,
      onEnd: () => built.ends++,
    }),
    async apply(...sources) {
      made = new Map(sources.map((source) => [source.id, source]));
      const settings = sources.map(({ id }): SourceSettings => ({ id, type: "stdin" }));
      await built.set.apply(built.set.prepare(settings), () => committer.flush());
    },
    [Symbol.dispose]: () => committer[Symbol.dispose](),
  };
  return built;
}

async function until(probe: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!probe()) {
    assert.ok(performance.now() < deadline, "in time");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test("SourceSet.pause() is not the end of the only source", async () => {
  using it = rig();
  const live = new Numbers("live", Infinity);
  await it.apply(live);
  await until(() => it.set.runner("live")!.events === 3);
  assert.equal(await it.set.pause("live", "operator"), true);
  assert.equal(it.set.runner("live")!.state, "paused");
  assert.equal(it.ends, 0);
  assert.equal(it.set.hasEnded, false);
  it.set.resume("live");
  await until(() => live.reads.length === 2);
  assert.deepEqual(live.reads, [undefined, "3"]);
  await it.set.stop(1000);
  assert.equal(it.ends, 0);
});

test("SourceSet tells of the end of a source that was paused and resumed before", async () => {
  using it = rig();
  const live = new Numbers("live", Infinity);
  await it.apply(live);
  await until(() => it.set.runner("live")!.events === 3);
  await it.set.pause("live", "operator");
  live.end = 3;
  it.set.resume("live");
  await until(() => it.ends === 1);
  assert.equal(it.set.hasEnded, true);
});

test("SourceSet.resume() while the source is still being paused makes it read on", async () => {
  using it = rig();
  const slow = new Numbers("slow", Infinity, 100);
  await it.apply(slow);
  await until(() => it.set.runner("slow")!.events === 3);
  const pausing = it.set.pause("slow", "operator");
  assert.equal(it.set.resume("slow"), true);
  await pausing;
  await until(() => slow.reads.length === 2);
  assert.equal(it.set.runner("slow")!.state, "running");
  assert.equal(it.set.pausedBy("slow"), undefined);
  const [, again] = [it.set.resume("slow"), it.set.pause("slow", "operator")];
  await again;
  assert.equal(it.set.runner("slow")!.state, "paused");
  await it.set.stop(1000);
});

test("SourceSet.resume() does nothing once all sources have been stopped", async () => {
  using it = rig();
  const live = new Numbers("live", Infinity);
  await it.apply(live);
  await until(() => it.set.runner("live")!.events === 3);
  const stopping = it.set.stop(1000);
  assert.equal(it.set.resume("live"), false);
  await stopping;
  assert.equal(it.set.resume("live"), false);
  assert.equal(it.set.runner("live")!.state, "paused");
  assert.deepEqual(live.reads, [undefined]);
});

test("SourceSet.pause() leaves a pipe open, whose lines wait", async () => {
  using it = rig();
  const { promise, resolve } = Promise.withResolvers<void>();
  let pulled = 0;
  const pipe: EventSource = {
    id: "pipe",
    kind: "stdin",
    health: () => ({ state: "running" }),
    async *read(_from, signal) {
      for (pulled = 1; pulled <= 6; pulled++) {
        if (pulled === 4) await promise;
        signal.throwIfAborted();
        const events = [{ payload: "{}", recordId: `${pulled}`, origin: "pipe" }];
        yield { events, position: `${pulled}` };
      }
    },
  };
  await it.apply(pipe);
  const runner = it.set.runner("pipe")!;
  await until(() => runner.events === 3);
  await it.set.pause("pipe", "operator");
  assert.equal(runner.state, "paused");
  resolve();
  await until(() => pulled === 7);
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(runner.events, 3);
  assert.equal(it.ends, 0);
  it.set.resume("pipe");
  await until(() => it.ends === 1);
  assert.equal(runner.events, 6);
  assert.equal(runner.state, "ended");
});

test("SourceSet.stop() evaluates what waits in a pipe that is paused", async () => {
  using it = rig();
  const pipe = new Numbers("pipe", Infinity);
  pipe.kind = "stdin";
  await it.apply(pipe);
  it.set.runner("pipe")!.hold();
  await until(() => pipe.reads.length === 1);
  await new Promise((done) => setTimeout(done, 20));
  await it.set.stop(1000);
  assert.equal(it.set.runner("pipe")!.events, 3);
  assert.equal(it.set.runner("pipe")!.state, "paused");
});
