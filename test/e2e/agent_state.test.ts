/**
 * The agent on a bad day: a damaged state file, a full disk, a clock that jumps, a long outage with
 * little room.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { AgentProcess } from "../support/agent_process.ts";
import { makeStream, storedAlerts } from "../support/hub.ts";
import { evilNumbers, logLine, numberOf, writeEvilRule } from "../support/log_lines.ts";
import { freePort, NATS_SKIP, startNatsServer } from "../support/nats_server.ts";
import { type Scratch, scratch, skipWithoutExecutable } from "../support/picket.ts";

const { skip } = skipWithoutExecutable();
/** Bytes of alerts: the least that the configuration allows. */
const ROOM = 1 << 20;

interface Delivered {
  readonly kind: string;
  readonly level: string;
  readonly gap?: Readonly<Record<string, unknown>>;
  readonly matched_fields: readonly { readonly field: string; readonly value: unknown }[];
}

/** One source and one sink, in the scratch directory. */
function configOf(files: Scratch, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    rules: { paths: [files.file("rules")] },
    sources: [{
      id: "app",
      type: "file",
      paths: [files.file("app.log")],
      format: "json",
      start_at: "start",
    }],
    sinks: [{ id: "out", type: "file", path: files.file("out.ndjson") }],
    state: { path: files.file("state/state.db") },
    api: { addr: "127.0.0.1:0", auth: { loopback: "trusted" } },
    ...more,
  };
}

function prepare(files: Scratch): void {
  mkdirSync(files.file("rules"));
  mkdirSync(files.file("state"));
  writeEvilRule(files.file("rules/evil.yml"));
}

function append(files: Scratch, from: number, to: number): void {
  const lines: string[] = [];
  for (let number = from; number < to; number++) lines.push(logLine(number));
  appendFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
}

function delivered(path: string): readonly Delivered[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Delivered);
}

function numbersIn(path: string): readonly number[] {
  return delivered(path).filter(({ kind }) => kind === "detection").map(numberOf)
    .sort((left, right) => left - right);
}

/** What may happen to a file on a disk that fails. */
const DAMAGES:
  readonly (readonly [name: string, damage: (descriptor: number, size: number) => void])[] = [
    [
      "its header overwritten",
      (file) => writeSync(file, new Uint8Array(100).fill(0x5a), 0, 100, 0),
    ],
    ["cut in half", (file, size) => ftruncateSync(file, Math.floor(size / 2))],
    ["all zeros", (file, size) => writeSync(file, new Uint8Array(size), 0, size, 0)],
    ["noise in its second page", (file) => {
      writeSync(file, new Uint8Array(512).fill(0xa7), 0, 512, 4096 + 1024);
    }],
    ["empty", (file) => ftruncateSync(file, 0)],
  ];

for (const [name, damage] of DAMAGES) {
  test(`a state file with ${name} is set aside, and the agent goes on`, { skip }, async () => {
    using files = scratch();
    prepare(files);
    // Nobody listens there, so alerts stay in the outbox.
    const unreachable = {
      sinks: [{ id: "out", type: "unix", path: files.file("nobody.sock") }],
    };
    append(files, 0, 5000);
    {
      await using agent = await AgentProcess.start(files, {
        config: { ...configOf(files, unreachable) },
      });
      await agent.until(
        async () => (await waiting(agent)) === 50 || undefined,
        "50 alerts in the outbox",
      );
      await agent.end("SIGKILL");
    }
    const path = files.file("state/state.db");
    for (const file of [path]) {
      const descriptor = openSync(file, "r+");
      damage(descriptor, fstatSync(descriptor).size);
      closeSync(descriptor);
    }
    const startedAt = performance.now();
    await using agent = await AgentProcess.start(files, { config: { ...configOf(files) } });
    const startSeconds = (performance.now() - startedAt) / 1000;
    append(files, 5000, 6000);
    await agent.until(() => {
      const found = numbersIn(files.file("out.ndjson"));
      return found.filter((number) => number >= 5000).length === 10 || undefined;
    }, "the alerts of new lines");
    const aside = readdirSync(files.file("state")).filter((file) => file.includes("corrupt"));
    const told = agent.log.some(({ fields }) =>
      fields.message.startsWith("The state file was damaged")
    );
    const numbers = numbersIn(files.file("out.ndjson"));
    assert.equal(new Set(numbers).size, numbers.length, "no alert twice");
    const old = numbers.filter((number) => number < 5000).length;
    // Where the write-ahead log still held the damaged page, nothing was damaged.
    if (told) assert.ok(aside.length > 0, "the damaged file is kept");
    else assert.equal(old, 50, "what is not reported is not lost");
    assert.equal(await agent.end(), 0);
    console.log(
      `state ${name}: ready after ${startSeconds.toFixed(1)} s, ` +
        `${old} of 50 old alerts saved or made again${told ? ", reported" : ", nothing damaged"}`,
    );
  });
}

async function waiting(agent: AgentProcess): Promise<number> {
  const { body } = await agent.api("/api/v1/sinks");
  const [sink] = (body as { items: readonly { backlog: { alerts: number } }[] }).items;
  return sink?.backlog.alerts ?? 0;
}

test("a full disk stops reading, loses nothing, and reading goes on when there is room", {
  skip: skip || (process.getuid?.() === 0 ? false : "skipped: mounting a small disk needs root"),
}, async (context) => {
  using files = scratch();
  prepare(files);
  const disk = files.file("state");
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]);
  if (mount.status !== 0) {
    console.log(`skipped: mount is not allowed here: ${String(mount.stderr)}`);
    context.skip("mount is not allowed here");
    return;
  }
  try {
    await using agent = await AgentProcess.start(files, {
      config: { ...configOf(files, { outbox: { min_free_bytes: 0 } }) },
    });
    append(files, 0, 10_000);
    await agent.until(() => numbersIn(files.file("out.ndjson")).length === 100 || undefined, "100");
    fillUp(`${disk}/hog`);
    append(files, 10_000, 400_000);
    await agent.until(
      () =>
        agent.log.find(({ fields }) => fields.message.startsWith("The state file takes nothing")),
      "the agent to notice",
      60_000,
    );
    const ready = await agent.api("/readyz");
    assert.equal(ready.status, 503);
    assert.match(JSON.stringify(ready.body), /disk_low/);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    rmSync(`${disk}/hog`);
    await agent.until(
      () =>
        agent.log.find(({ fields }) => fields.message.startsWith("The state file takes alerts")),
      "reading to go on",
      30_000,
    );
    const expected = evilNumbers(400_000);
    await agent.until(
      () => numbersIn(files.file("out.ndjson")).length >= expected.length || undefined,
      "all alerts",
      60_000,
    );
    assert.deepEqual(numbersIn(files.file("out.ndjson")), expected);
    assert.equal((await agent.api("/readyz")).status, 200);
    assert.equal(await agent.end(), 0);
  } finally {
    spawnSync("umount", ["-l", disk]);
  }
});

/** Takes every block of a small disk. */
function fillUp(path: string): void {
  const descriptor = openSync(path, "w");
  try {
    for (let size = 1 << 20; size >= 512;) {
      try {
        if (writeSync(descriptor, new Uint8Array(size)) < size) size /= 2;
      } catch {
        size /= 2;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

const FAKETIME = ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"].find(existsSync);

test("the clock jumps a day ahead and back: every alert once", {
  skip: skip || (FAKETIME === undefined ? "skipped: libfaketime is not installed" : false),
}, async () => {
  using files = scratch();
  prepare(files);
  const clock = files.file("clock");
  writeFileSync(clock, "+0");
  await using agent = await AgentProcess.start(files, {
    config: {
      ...configOf(files, {
        // By its age the file would be rotated at each jump.
        sinks: [{
          id: "out",
          type: "file",
          path: files.file("out.ndjson"),
          rotate: { max_age: "0s" },
        }],
      }),
    },
    env: {
      LD_PRELOAD: FAKETIME!,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      // Timers run on the monotonic clock, which does not jump.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
  let written = 0;
  for (const jump of ["+0", "+1d", "-1d", "+0", "-1d", "+1d", "+0"]) {
    writeFileSync(clock, jump);
    append(files, written, written += 1000);
    await agent.until(
      () => numbersIn(files.file("out.ndjson")).length === written / 100 || undefined,
      `the alerts of ${written} lines after a jump to ${jump}`,
      20_000,
    );
  }
  assert.deepEqual(numbersIn(files.file("out.ndjson")), evilNumbers(written));
  const days = new Set(
    delivered(files.file("out.ndjson")).map((alert) =>
      (alert as unknown as { detected_at: string }).detected_at.slice(0, 10)
    ),
  );
  assert.ok(days.size >= 3, `the agent saw the jumps: ${[...days].join(" ")}`);
  assert.equal(await agent.end(), 0);
});

test(
  "an outage with little room: the lowest and oldest go, counted and reported, the rest arrives",
  {
    skip: skip || NATS_SKIP,
  },
  async () => {
    using files = scratch();
    prepare(files);
    for (const level of ["low", "medium", "critical"]) {
      writeFileSync(
        files.file(`rules/${level}.yml`),
        `title: Level ${level}\nid: level-${level}\nlevel: ${level}\nlogsource: {product: linux}\n` +
          `detection:\n  selection: {Level: ${level}}\n  condition: selection\n`,
      );
    }
    const port = await freePort();
    const config = configOf(files, {
      sinks: [{
        id: "hub",
        type: "nats",
        nats: {
          servers: [`nats://127.0.0.1:${port}`],
          reconnect: { wait: "100ms", max_wait: "300ms" },
        },
        subject: "picket.alert.${alert.level}",
        backoff_base: "50ms",
        backoff_max: "300ms",
      }],
      outbox: { max_bytes: ROOM, min_free_bytes: 0 },
    });
    const lines: string[] = [];
    const counts = { low: 0, medium: 0, critical: 0 };
    for (let number = 0; number < 6000; number++) {
      const level = number % 10 === 0 ? "critical" : number % 2 === 0 ? "medium" : "low";
      counts[level]++;
      lines.push(JSON.stringify({ Level: level, number, padding: "x".repeat(50) }));
    }
    await using agent = await AgentProcess.start(files, { config: { ...config } });
    appendFileSync(files.file("app.log"), `${lines.join("\n")}\n`);
    await agent.until(async () => {
      const { body } = await agent.api("/api/v1/status");
      return (body as { alerts: number }).alerts === lines.length || undefined;
    }, "all alerts to be committed");
    const kept = await waiting(agent);
    const { body } = await agent.api("/api/v1/sinks");
    const bytes =
      (body as { items: readonly { backlog: { bytes: number } }[] }).items[0]!.backlog.bytes;
    assert.ok(bytes <= ROOM, `bounded: ${bytes}`);

    await using server = await startNatsServer({ port });
    await makeStream(server.url, "ALERTS", "picket.alert.>");
    await agent.until(
      async () => (await waiting(agent)) === 0 || undefined,
      "the backlog to drain",
      60_000,
    );
    const stored = (await storedAlerts(server.url, "ALERTS")).map(({ body }) =>
      body as unknown as Delivered
    );
    const of = (level: string): number =>
      stored.filter(({ kind, level: its }) => kind === "detection" && its === level).length;
    assert.equal(of("critical"), counts.critical, "every critical alert is there");
    const gaps = stored.filter(({ kind }) => kind === "gap");
    const lost = gaps.reduce((sum, { gap }) => sum + Number(gap!["count"]), 0);
    const arrived = of("low") + of("medium") + of("critical");
    assert.equal(arrived + lost, lines.length, "what did not arrive is accounted for exactly");
    assert.ok(of("low") === 0 || of("medium") === counts.medium, "low went before medium");
    assert.ok(lost > 0 && kept < lines.length);
    assert.equal(await agent.end(), 0);
    console.log(`outage with 1 MiB of room: ${arrived} delivered, ${lost} dropped and reported`);
  },
);
