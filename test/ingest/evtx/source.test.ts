import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import fc from "fast-check";
import { internField } from "../../../src/event/field.ts";
import type { LogEvent } from "../../../src/event/event.ts";
import { channelPath, findLogs, isChannelName } from "../../../src/ingest/evtx/paths.ts";
import { formatPosition, parsePosition } from "../../../src/ingest/evtx/mark.ts";
import { evtxSource } from "../../../src/ingest/evtx/source.ts";
import { SourceError } from "../../../src/runtime/errors.ts";
import type { EventBatch, EventSource } from "../../../src/runtime/plugin.ts";
import type { EvtxSourceSettings } from "../../../src/runtime/settings.ts";
import { skipIf } from "../../support/skip.ts";
import { LiveLog } from "../../support/evtx_live_log.ts";

const root = mkdtempSync(join(tmpdir(), "picket-evtx-source-"));
after(() => rmSync(root, { recursive: true, force: true }));
const NEVER = new AbortController().signal;
const TEXT = internField("Text");

function folder(): string {
  return mkdtempSync(join(root, "logs-"));
}

function source(
  channels: readonly string[],
  more: Partial<EvtxSourceSettings> = {},
): EventSource {
  return evtxSource({ type: "evtx", id: "windows", channels, pollMs: 5, ...more });
}

/** Reads until the condition holds, or fails. */
async function readUntil(
  source: EventSource,
  from: string | undefined,
  isDone: (batches: readonly EventBatch[]) => boolean,
): Promise<readonly EventBatch[]> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("waited too long")), 10_000);
  const batches: EventBatch[] = [];
  try {
    for await (const batch of source.read(from, controller.signal)) {
      batches.push(batch);
      if (isDone(batches)) return batches;
    }
  } finally {
    clearTimeout(timer);
  }
  return assert.fail("the source ended");
}

function names(batches: readonly EventBatch[], origin?: string): string[] {
  return batches.flatMap(({ events }) => events)
    .filter((event) => origin === undefined || event.origin === origin)
    .map(({ recordId }) => recordId);
}

const atLeast = (count: number) => (batches: readonly EventBatch[]) =>
  names(batches).length >= count;

test("evtxSource() follows a log from its end and goes on from a position", async () => {
  const log = new LiveLog(join(folder(), "a.evtx")).append(20);
  const first = source([log.path]);
  const pulls = first.read(undefined, NEVER)[Symbol.asyncIterator]();
  const seen: EventBatch = (await pulls.next()).value;
  assert.deepEqual(seen.events, []);
  setTimeout(() => log.append(5), 20);
  const batch: EventBatch = (await pulls.next()).value;
  assert.deepEqual(names([batch]), log.written.slice(20).map(({ name }) => name));
  assert.equal(batch.events[0]!.origin, log.path);
  await pulls.return?.();
  assert.equal(first.health().state, "stopped");
  log.append(7);
  const later = await readUntil(source([log.path]), batch.position, atLeast(7));
  assert.deepEqual(names(later), log.written.slice(25).map(({ name }) => name));
  // Events stay valid when others have been decoded after them.
  const events = later.flatMap(({ events }) => events);
  const texts = events.map(({ payload }) => (payload as LogEvent).get(TEXT));
  assert.deepEqual(texts, [26, 27, 28, 29, 30, 31, 32].map((id) => `event ${id}`));
  assert.equal((events[0]!.payload as LogEvent).product, "windows");
});

test("evtxSource() follows several logs with one position", async () => {
  const directory = folder();
  const one = new LiveLog(join(directory, "one.evtx")).append(30);
  const two = new LiveLog(join(directory, "two.evtx")).append(40);
  const settings = { startAt: "start" } as const;
  const channels = [join(directory, "*.evtx")];
  const batches = await readUntil(source(channels, settings), undefined, atLeast(70));
  assert.deepEqual(names(batches, one.path), one.written.map(({ name }) => name));
  assert.deepEqual(names(batches, two.path), two.written.map(({ name }) => name));
  one.append(3);
  const later = await readUntil(source(channels), batches.at(-1)!.position, atLeast(3));
  assert.deepEqual(names(later), one.written.slice(30).map(({ name }) => name));
});

test("evtxSource() reads a log that appears later from its start", async () => {
  const directory = folder();
  const path = join(directory, "late.evtx");
  const other = new LiveLog(join(directory, "there.evtx")).append(5);
  const follow = source([path, other.path]);
  setTimeout(() => new LiveLog(path).append(4), 60);
  const batches = await readUntil(follow, undefined, atLeast(4));
  assert.equal(names(batches, path).length, 4);
  assert.equal(names(batches, other.path).length, 0);
  // Also when it appeared while nobody was reading.
  const glob = join(directory, "*.evtx");
  const begun = await readUntil(source([glob]), undefined, (all) => all.length > 0);
  const fresh = new LiveLog(join(directory, "z.evtx")).append(6);
  const found = await readUntil(
    source([glob]),
    begun[0]!.position,
    (all) => names(all, fresh.path).length >= 6,
  );
  assert.deepEqual(names(found, fresh.path), fresh.written.map(({ name }) => name));
});

test("evtxSource() reads archives as part of their log", async () => {
  const directory = folder();
  const log = new LiveLog(join(directory, "Sys.evtx")).append(10);
  const glob = [join(directory, "*.evtx")];
  const begun = await readUntil(source(glob, { startAt: "start" }), undefined, atLeast(10));
  log.append(20).archive();
  log.append(5);
  const batches = await readUntil(source(glob), begun.at(-1)!.position, atLeast(25));
  assert.deepEqual(names(batches), log.written.slice(10).map(({ name }) => name));
  const origins = new Set(batches.flatMap(({ events }) => events.map(({ origin }) => origin)));
  assert.deepEqual([...origins], [log.path]);
});

test("evtxSource() tells what was lost and goes on", async () => {
  const log = new LiveLog(join(folder(), "ring.evtx"), { maxChunks: 2 }).append(10);
  const begun = await readUntil(source([log.path]), undefined, (all) => all.length > 0);
  log.append(2000);
  const follow = source([log.path]);
  const batches = await readUntil(follow, begun.at(-1)!.position, (all) => {
    return names(all).at(-1) === log.written.at(-1)!.name;
  });
  const notices = batches.flatMap(({ notices }) => notices ?? []);
  assert.deepEqual(notices.map(({ reason }) => reason), ["event_loss"]);
  assert.equal(notices[0]!.facts.first_record_id, 11);
  assert.equal(follow.health().counts?.lost_records, notices[0]!.facts.records);
});

test("evtxSource() begins anew with a notice when its position cannot be read", async () => {
  const log = new LiveLog(join(folder(), "a.evtx")).append(2);
  const [first] = await readUntil(source([log.path]), "{}", (all) => all.length > 0);
  assert.deepEqual(first!.notices?.map(({ reason }) => reason), ["position_lost"]);
});

test("evtxSource() waits for a log that is no log yet", async () => {
  const path = join(folder(), "a.evtx");
  writeFileSync(path, "");
  const follow = source([path]);
  setTimeout(() => new LiveLog(path).append(3), 50);
  // It was there, but its records were not.
  assert.equal(names(await readUntil(follow, undefined, atLeast(3))).length, 3);
});

const skip = skipIf(
  process.platform === "win32" || process.getuid?.() === 0,
  "only a user who is not root can be refused an event log",
);

test("evtxSource() fails when no log may be read", { skip }, async () => {
  const log = new LiveLog(join(folder(), "a.evtx")).append(2);
  chmodSync(log.path, 0);
  await assert.rejects(
    readUntil(source([log.path]), undefined, () => false),
    (error) => error instanceof SourceError && error.code === "SOURCE_DENIED",
  );
});

test("evtxSource() refuses a channel where there are none", async () => {
  if (process.platform === "win32") return;
  const follow = source(["Security"]);
  await assert.rejects(
    readUntil(follow, undefined, () => true),
    (error) => error instanceof SourceError && error.code === "SOURCE_CONFIG",
  );
  assert.equal(follow.health().state, "failed");
});

test("evtxSource() stops at once", async () => {
  const log = new LiveLog(join(folder(), "a.evtx")).append(2);
  const controller = new AbortController();
  const pulls = source([log.path], { pollMs: 60_000 }).read(undefined, controller.signal)
    [Symbol.asyncIterator]();
  await pulls.next();
  const pulled = pulls.next();
  setTimeout(() => controller.abort(new Error("stop")), 20);
  await assert.rejects(pulled, /stop/);
});

// Channel, file: what Windows names its files, as seen in collections of them.
const CHANNELS: readonly (readonly [channel: string, file: string])[] = [
  ["Security", "Security.evtx"],
  ["Windows PowerShell", "Windows PowerShell.evtx"],
  ["Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon%4Operational.evtx"],
];

for (const [channel, file] of CHANNELS) {
  test(`findLogs() knows where ${channel} is on Windows`, () => {
    assert.ok(isChannelName(channel));
    const path = String.raw`C:\Windows\System32\winevt\Logs` + `\\${file}`;
    assert.equal(channelPath(channel, String.raw`C:\Windows`), path);
    const [place] = findLogs([channel], "win32", String.raw`C:\Windows`);
    assert.deepEqual(place, { entry: channel, origin: channel, path });
  });
}

for (const path of ["/logs/x.evtx", "x.evtx", "./x", String.raw`C:\x`, "logs/*.evtx", "*.EVTX"]) {
  test(`isChannelName() takes ${path} for a path`, () => assert.ok(!isChannelName(path)));
}

test("parsePosition() reads what formatPosition() wrote", () => {
  const id = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const name = fc.record({ id, ticks: id }, { noNullPrototype: true });
  const quiet = fc.oneof(id, fc.constant("first" as const));
  const mark = fc.record({ last: name, anchor: name, quiet }, { noNullPrototype: true });
  const marks = fc.array(fc.tuple(fc.string(), mark)).map((entries) => new Map(entries))
    // JSON.parse makes nothing of a member with this name but a prototype.
    .filter((map) => !map.has("__proto__"));
  fc.assert(fc.property(fc.array(fc.string()), marks, (known, marks) => {
    assert.deepEqual(parsePosition(formatPosition({ known, marks })), { known, marks });
  }));
});

test("parsePosition() fails in one way only", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    try {
      parsePosition(text);
    } catch (error) {
      assert.ok(error instanceof SourceError);
    }
  }));
});
