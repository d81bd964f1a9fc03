import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { socketAddress, systemdNotifier, watchdogMs } from "../../src/agent/service/notify.ts";
import { SinkWatch } from "../../src/agent/service/sink_watch.ts";
import { coalesced } from "../../src/agent/service/supervisor.ts";
import { StallWatch, statusLine } from "../../src/agent/service/systemd_supervisor.ts";
import { StateError } from "../../src/runtime/errors.ts";
import { DatagramReceiver, RECEIVER_SKIP } from "../support/datagrams.ts";
import { tempDir } from "../support/temp_dir.ts";

for (const isAbstract of [false, true]) {
  const kind = isAbstract ? "an abstract name" : "a path";
  test(`systemdNotifier() sends to a socket with ${kind}`, { skip: RECEIVER_SKIP }, async () => {
    await using dir = await tempDir();
    const path = isAbstract ? `@picket-${dir.path.slice(1)}` : join(dir.path, "notify");
    await using receiver = await DatagramReceiver.open(path);
    const notifier = systemdNotifier({ NOTIFY_SOCKET: path });
    assert.ok(notifier !== undefined);
    assert.equal(notifier.via, "Bun" in globalThis ? "socket" : "systemd-notify");
    assert.ok(notifier.send(["READY=1", "STATUS=3 rules, größer"]));
    const message = await receiver.message("READY=1");
    assert.match(message, /^STATUS=3 rules, größer$/m);
  });
}

test("systemdNotifier() is absent without a socket, and for names that are none", () => {
  for (const NOTIFY_SOCKET of [undefined, "", "relative", "/", "@"]) {
    assert.equal(systemdNotifier(NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET }), undefined);
  }
});

test("systemdNotifier() does not mind that nobody listens", { skip: RECEIVER_SKIP }, () => {
  const notifier = systemdNotifier({ NOTIFY_SOCKET: "/nonexistent/notify" });
  assert.equal(typeof notifier?.send(["READY=1"]), "boolean");
});

// unix(7): family in the machine's order, path with a zero, abstract names without one.
test("socketAddress() is a sockaddr_un", () => {
  assert.deepEqual([...socketAddress("/a")!], [1, 0, 0x2f, 0x61, 0]);
  assert.deepEqual([...socketAddress("@a")!], [1, 0, 0, 0x61]);
  assert.equal(socketAddress(`/${"a".repeat(106)}`)?.length, 110);
  assert.equal(socketAddress(`/${"a".repeat(107)}`), undefined);
  assert.equal(socketAddress(`@${"a".repeat(107)}`)?.length, 110);
  assert.equal(socketAddress(`@${"a".repeat(108)}`), undefined);
});

// sd_watchdog_enabled(3)
const WATCHDOGS: readonly (readonly [Record<string, string>, number | undefined])[] = [
  [{}, undefined],
  [{ WATCHDOG_USEC: "30000000" }, 30_000],
  [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 30_000],
  [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, undefined],
  [{ WATCHDOG_USEC: "0" }, undefined],
  [{ WATCHDOG_USEC: "soon" }, undefined],
];
for (const [env, expected] of WATCHDOGS) {
  test(`watchdogMs(${JSON.stringify(env)}) is ${expected}`, () => {
    assert.equal(watchdogMs(env, 7), expected);
  });
}

test("StallWatch asks for a restart only where that may help", () => {
  const broken = new StateError("STATE_IO", "disk I/O error");
  const full = new StateError("STATE_FULL", "no space");
  const watch = new StallWatch();
  assert.equal(watch.isCurable(broken, 0), false);
  assert.equal(watch.isCurable(broken, 59_999), false);
  assert.equal(watch.isCurable(broken, 60_000), true);
  assert.equal(watch.isCurable(undefined, 60_001), false, "it has recovered");
  assert.equal(watch.isCurable(broken, 60_002), false, "and counts anew");
  for (let ms = 0; ms < 600_000; ms += 1000) assert.equal(watch.isCurable(full, ms), false);
});

test("statusLine() is one line whatever an error says", () => {
  const agent = {
    rules: { stats: { detectionRules: 12 } },
    eventRate: { total: 34 },
    sinks: { status: () => [{ state: "running" }, { state: "backoff" }] },
    stalled: new StateError("STATE_IO", "two\nlines"),
  } as unknown as Parameters<typeof statusLine>[0];
  assert.equal(
    statusLine(agent),
    "12 rules, 34 events, 1 of 2 sinks failing, state file: two lines",
  );
});

test("statusLine() does without the sinks when the state file cannot be read", () => {
  const agent = {
    rules: { stats: undefined },
    eventRate: { total: 0 },
    sinks: {
      status: () => {
        throw new StateError("STATE_IO", "file is not a database");
      },
    },
    stalled: undefined,
  } as unknown as Parameters<typeof statusLine>[0];
  assert.equal(statusLine(agent), "0 rules, 0 events");
});

test("coalesced() never runs two reloads at once, and one after the last request", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 20 }),
    async (pauses) => {
      let requests = 0;
      let seen = 0;
      let running = 0;
      const told: string[] = [];
      const request = coalesced(async () => {
        assert.equal(++running, 1);
        seen = requests;
        for (let turn = 0; turn < 2; turn++) await Promise.resolve();
        running--;
        return undefined;
      }, {
        reloading: () => told.push("begin"),
        reloaded: () => told.push("end"),
      });
      for (const pause of pauses) {
        requests++;
        request();
        for (let turn = 0; turn < pause; turn++) await Promise.resolve();
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
      assert.equal(seen, requests);
      assert.deepEqual(told, told.map((_, at) => at % 2 === 0 ? "begin" : "end"));
      assert.equal(told.length % 2, 0);
    },
  ));
});

test("SinkWatch tells of a sink that is down, once, and when it is up again", () => {
  const watch = new SinkWatch();
  const look = (failures: number) => watch.look([{ id: "hub", failures, lastError: "refused" }]);
  assert.deepEqual(look(1), [], "it may be passing");
  assert.deepEqual(look(2), [{ sink: "hub", isDown: true, error: "refused" }]);
  assert.deepEqual(look(3), []);
  assert.deepEqual(look(0), [{ sink: "hub", isDown: false, error: undefined }]);
  assert.deepEqual(look(1), []);
  assert.deepEqual(look(0), [], "it was not down");
});
