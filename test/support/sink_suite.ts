/**
 * What every sink must do, whatever is behind it.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startDrain } from "../../src/deliver/drain.ts";
import type { Alert } from "../../src/runtime/alert.ts";
import { DeliveryError } from "../../src/runtime/errors.ts";
import type { Sink } from "../../src/runtime/plugin.ts";
import { MemoryOutbox, newAlert } from "./memory_outbox.ts";

/** A sink, and its far end as a test sees it. */
export interface SinkHarness extends AsyncDisposable {
  readonly sink: Sink;
  /** The bodies that arrived, in their order. */
  received(): Promise<readonly string[]>;
  /** Makes the far end refuse or go away, and come back. Absent where it cannot. */
  readonly outage?: {
    begin(): Promise<void>;
    end(): Promise<void>;
    /** After the outage alerts may be there twice: the far end has no way to tell. */
    readonly mayRepeat?: boolean;
  };
  /** A second sink for the same far end, as after a restart. */
  again?(): Sink;
}

export interface SinkSuiteOptions {
  readonly skip?: string | false;
  /** Bytes of the largest body to try. Default 300,000. */
  readonly largeBytes?: number;
}

const NEVER = new AbortController().signal;
let seq = 0;

/** Alerts as an outbox would hand them out. */
export function alerts(count: number, more: { readonly body?: string } = {}): Alert[] {
  return Array.from({ length: count }, () => {
    const { recordId: _, ...alert } = newAlert(more);
    return { ...alert, seq: ++seq, createdMs: 1_767_225_600_000 };
  });
}

/** Declares the tests; `make` is called once for each. */
export function sinkSuite(
  name: string,
  make: () => Promise<SinkHarness>,
  options: SinkSuiteOptions = {},
): void {
  const suiteTest = (title: string, body: (harness: SinkHarness) => Promise<void>) =>
    test(`${name} ${title}`, { skip: options.skip ?? false }, async () => {
      await using harness = await make();
      await body(harness);
    });
  const bodies = (list: readonly Alert[]) => list.map(({ body }) => body);
  const arrived = async ({ received }: SinkHarness, count: number) => {
    for (let tries = 0; tries < 200; tries++) {
      const got = await received();
      if (got.length >= count) return got;
      await delay(10);
    }
    return await received();
  };

  suiteTest("delivers alerts in their order, an outcome for each", async (harness) => {
    const list = alerts(250);
    for (let at = 0; at < 250; at += 50) {
      const batch = list.slice(at, at + 50);
      assert.deepEqual(await harness.sink.send(batch, NEVER), batch.map(() => undefined));
    }
    assert.deepEqual(await arrived(harness, 250), bodies(list));
  });

  suiteTest("delivers text of any script and size unchanged", async (harness) => {
    const text = "“quoted” \\ \n\r\u0000 日本語 🦊 \u2028 ";
    const large = "x".repeat(options.largeBytes ?? 300_000);
    const list = [text, large, text.repeat(300)].flatMap((value) =>
      alerts(1, { body: JSON.stringify({ value }) })
    );
    for (const outcome of await harness.sink.send(list, NEVER)) assert.equal(outcome, undefined);
    const got = await arrived(harness, list.length);
    assert.deepEqual(
      got.map((one) => Buffer.byteLength(one)),
      list.map(({ body }) => Buffer.byteLength(body)),
    );
    assert.ok(got.every((one, at) => one === list[at]?.body), "byte for byte");
  });

  suiteTest("takes an empty batch", async ({ sink }) => {
    assert.deepEqual(await sink.send([], NEVER), []);
  });

  suiteTest("sends nothing when its signal has aborted", async (harness) => {
    const reason = new Error("enough");
    await assert.rejects(harness.sink.send(alerts(3), AbortSignal.abort(reason)), reason);
    const list = alerts(1);
    await harness.sink.send(list, NEVER);
    assert.deepEqual(await arrived(harness, 1), bodies(list));
  });

  suiteTest("fails with a DeliveryError in an outage and delivers after it", async (harness) => {
    const { sink, outage } = harness;
    if (outage === undefined) return;
    const [before, during, after] = [alerts(3), alerts(3), alerts(3)];
    await sink.send(before, NEVER);
    await arrived(harness, 3);
    await outage.begin();
    const signal = AbortSignal.timeout(8000);
    const outcomes = await sink.send(during, signal).catch((error: unknown) => {
      assert.ok(error instanceof DeliveryError, String(error));
      return during.map(() => error);
    });
    assert.ok(outcomes.some((one) => one instanceof DeliveryError), "the outage shows");
    await outage.end();
    const left = during.filter((_, at) => outcomes[at] !== undefined);
    // What drives a sink would wait; here the next try may meet the end of the old connection.
    for (let tries = 0; left.length > 0; tries++) {
      const failed = await sink.send(left, NEVER).catch(() => left.map(() => true as const));
      left.splice(0, left.length, ...left.filter((_, at) => failed[at] !== undefined));
      assert.ok(tries < 100, "it recovers");
      if (left.length > 0) await delay(20);
    }
    await sink.send(after, NEVER);
    const expected = bodies([...before, ...during, ...after]);
    const got = await arrived(harness, expected.length);
    const told = outage.mayRepeat ? [...new Set(got)] : got;
    assert.deepEqual(told, expected);
  });

  suiteTest("tells after a restart what has arrived, if it can", async (harness) => {
    const { sink, again } = harness;
    if (again === undefined || sink.reconcile === undefined) return;
    const [settled, lost, unsent] = [alerts(5), alerts(5), alerts(5)];
    await sink.send(settled, NEVER);
    const position = sink.peerPosition?.();
    await sink.send(lost, NEVER);
    await sink[Symbol.asyncDispose]();
    await using next = again();
    const found = await next.reconcile?.([...lost, ...unsent], position, NEVER);
    assert.deepEqual([...found ?? []].sort(), lost.map(({ id }) => id).sort());
    assert.deepEqual([...await next.reconcile?.(unsent, position, NEVER) ?? []], []);
  });

  suiteTest("empties an outbox through a drain", async (harness) => {
    const outbox = new MemoryOutbox();
    outbox.registerSinks([{ id: harness.sink.id, filter: {}, start: "oldest" }], 0);
    const list = Array.from({ length: 300 }, () => newAlert());
    outbox.commit({ alerts: list, positions: new Map(), nowMs: Date.now() });
    const drain = startDrain({ sink: harness.sink, outbox });
    assert.equal(
      await drain.flush(AbortSignal.timeout(8000)),
      true,
      String(drain.status().lastError),
    );
    await drain.stop(AbortSignal.timeout(1000));
    assert.deepEqual(await arrived(harness, 300), list.map(({ body }) => body));
  });

  suiteTest("leaves nothing open", async (harness) => {
    await harness.sink.send(alerts(1), NEVER);
    const open = openFiles();
    await using more = harness.again?.() ?? undefined;
    if (more !== undefined) {
      await more.send(alerts(1), NEVER);
      await more[Symbol.asyncDispose]();
      for (let tries = 0; (openFiles() ?? 0) > (open ?? 0) && tries < 100; tries++) await delay(10);
      assert.ok((openFiles() ?? 0) <= (open ?? 0), "files and sockets are closed");
    }
    await harness.sink[Symbol.asyncDispose]();
    await harness.sink[Symbol.asyncDispose]();
  });
}

/** How many descriptors this process has, where the system tells. */
function openFiles(): number | undefined {
  return process.platform === "linux" ? readdirSync("/proc/self/fd").length : undefined;
}
