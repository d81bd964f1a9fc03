import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import fc from "fast-check";
import { EvtxDecoder } from "../../../src/decode/evtx/decoder.ts";
import type { LogEvent } from "../../../src/event/event.ts";
import { internField } from "../../../src/event/field.ts";
import { LogFollower } from "../../../src/ingest/evtx/follower.ts";
import type { Mark } from "../../../src/ingest/evtx/mark.ts";
import type { SourceNotice } from "../../../src/runtime/plugin.ts";
import { LiveLog, type LiveLogOptions, type WrittenRecord } from "../../support/evtx_live_log.ts";

const folder = mkdtempSync(join(tmpdir(), "picket-follow-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = internField("Text");
/** More looks than anything is waited for. */
const ENOUGH_LOOKS = 30;
let logs = 0;

/** A log, a follower of it, and what is committed of what the follower gave. */
class Scene {
  readonly log: LiveLog;
  readonly names: string[] = [];
  readonly notices: SourceNotice[] = [];
  follower: LogFollower;
  readonly #decoder = new EvtxDecoder();
  /** What was committed, by position. */
  readonly #commits: { mark: Mark | undefined; names: number; notices: number }[] = [];

  constructor(options: LiveLogOptions = {}, startAt: "start" | "end" = "start", records = 0) {
    this.log = new LiveLog(join(folder, `log${++logs}.evtx`), options);
    if (records > 0) this.log.append(records);
    this.follower = this.#follow(startAt);
  }

  look(): boolean {
    const { events, notices, more } = this.follower.look();
    for (const { payload, recordId } of events) {
      this.names.push(recordId);
      assert.equal((payload as LogEvent).get(TEXT), `event ${recordId.split("@")[0]}`);
    }
    this.notices.push(...notices);
    this.#commits.push({
      mark: this.follower.mark,
      names: this.names.length,
      notices: this.notices.length,
    });
    return more;
  }

  /** Looks until nothing more is to be found. */
  settle(): this {
    for (let idle = 0; idle < ENOUGH_LOOKS; idle++) {
      for (let turns = 0; this.look(); turns++) assert.ok(turns < 10_000, "it comes to an end");
    }
    return this;
  }

  /** A crash, after which the last `lost` looks are as if they had not been. */
  restart(lost: number): void {
    this.#commits.length = Math.max(1, this.#commits.length - lost);
    const { mark, names, notices } = this.#commits.at(-1)!;
    this.names.length = names;
    this.notices.length = notices;
    this.follower = this.#follow("end", mark);
  }

  reasons(): string[] {
    return this.notices.map(({ reason }) => reason);
  }

  /** How many notices say that the record is lost. */
  losses(record: WrittenRecord): number {
    return this.notices.filter(({ reason, facts }) =>
      reason === "event_loss" && Number(facts.first_record_id) <= Number(record.id) &&
      Number(facts.last_record_id) >= Number(record.id)
    ).length;
  }

  remove(): void {
    rmSync(this.log.path, { force: true });
  }

  #follow(startAt: "start" | "end", mark?: Mark): LogFollower {
    return new LogFollower("log", this.log.path, this.#decoder, startAt, mark);
  }
}

function names(records: readonly WrittenRecord[]): string[] {
  return records.map(({ name }) => name);
}

test("LogFollower reads records once as they are written", () => {
  for (const headers of ["fresh", "stale"] as const) {
    for (const preallocated of [1, 16]) {
      const scene = new Scene({ headers, preallocated });
      scene.look();
      for (let round = 0; round < 40; round++) {
        scene.log.append(1 + round % 7, 400);
        while (scene.look());
      }
      scene.settle();
      assert.deepEqual(scene.names, names(scene.log.written));
      assert.deepEqual(scene.notices, []);
      assert.ok(scene.log.present.length > 150, "several chunks were written");
    }
  }
});

test("LogFollower begins at the end or the start of what is there", () => {
  const end = new Scene({}, "end", 200).settle();
  assert.deepEqual(end.names, []);
  end.log.append(3);
  assert.deepEqual(end.settle().names, names(end.log.written.slice(200)));
  const start = new Scene({}, "start", 1000).settle();
  assert.deepEqual(start.names, names(start.log.written));
  assert.deepEqual(start.notices, []);
});

test("LogFollower reads a wrapped log in the order of its ids", () => {
  const scene = new Scene({ maxChunks: 4 }, "start", 1500).settle();
  const present = [...scene.log.present].sort((a, b) => Number(a.id - b.id));
  assert.ok(present[0]!.id > 1n && present[0]! !== scene.log.present[0], "it is wrapped");
  assert.deepEqual(scene.names, names(present));
  assert.deepEqual(scene.notices, [], "what was gone before we came is no loss");
});

test("LogFollower tells once what was overwritten before it was read", () => {
  const scene = new Scene({ maxChunks: 3 }, "end", 10).settle();
  scene.log.append(1500);
  scene.settle();
  const present = [...scene.log.present].sort((a, b) => Number(a.id - b.id));
  assert.deepEqual(scene.names, names(present));
  assert.deepEqual(scene.notices.map(({ reason, facts }) => [reason, facts]), [["event_loss", {
    origin: "log",
    first_record_id: 11,
    last_record_id: Number(present[0]!.id) - 1,
    records: Number(present[0]!.id) - 11,
  }]]);
  assert.equal(scene.follower.counts.lost_records, Number(present[0]!.id) - 11);
});

test("LogFollower leaves a half-written record for the next look", () => {
  const scene = new Scene({ headers: "stale" }, "start", 5).settle();
  const finish = scene.log.appendTorn();
  scene.look();
  scene.look();
  assert.equal(scene.names.length, 5);
  finish();
  assert.deepEqual(scene.settle().names, names(scene.log.written));
  assert.deepEqual(scene.notices, []);
});

test("LogFollower goes on in a log that was cleared", () => {
  const scene = new Scene({}, "start", 300).settle();
  scene.log.clear().append(5);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  assert.deepEqual(scene.reasons(), ["log_cleared"]);
  // Grown beyond where the old one was read to, before the next look.
  scene.log.clear().append(700);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  assert.deepEqual(scene.reasons(), ["log_cleared", "log_cleared"]);
  // A log that keeps its ids has lost nothing.
  scene.log.clear(true).append(5);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  assert.equal(scene.notices.length, 2);
});

for (const how of ["rename", "copy"] as const) {
  for (const keepIds of [false, true]) {
    test(`LogFollower reads an archive (${how}, ids ${keepIds ? "go on" : "restart"}) to its end`, () => {
      const scene = new Scene({}, "start", 100).settle();
      scene.log.append(400);
      scene.log.archive(how, keepIds);
      scene.log.append(250);
      scene.log.archive(how, keepIds);
      scene.log.append(30);
      scene.settle();
      assert.deepEqual(scene.names, names(scene.log.written));
      assert.deepEqual(scene.notices, []);
    });
  }
}

test("LogFollower steps over a damaged chunk and tells what that lost", () => {
  const scene = new Scene({}, "end", 5).settle();
  scene.log.append(800);
  const lost = scene.log.chunk(1);
  scene.log.damageChunk(1);
  scene.settle();
  const expected = scene.log.written.slice(5).filter((one) => !lost.includes(one));
  assert.ok(lost.length > 10);
  assert.deepEqual(scene.names, names(expected));
  assert.deepEqual(scene.reasons(), ["event_loss"]);
  assert.ok(lost.every((one) => scene.losses(one) === 1));
  assert.equal(scene.follower.counts.damaged_chunks, 1);
  scene.log.append(300);
  scene.settle();
  assert.equal(scene.names.at(-1), scene.log.written.at(-1)!.name);
});

test("LogFollower steps over a damaged record", () => {
  const scene = new Scene({}, "end", 5).settle();
  scene.log.append(20);
  scene.log.damageRecord(10n);
  scene.settle();
  const expected = scene.log.written.slice(5).filter(({ id }) => id !== 10n);
  assert.deepEqual(scene.names, names(expected));
  assert.deepEqual(scene.notices.map(({ facts }) => facts.first_record_id), [10]);
});

test("LogFollower goes on when the record it read last is damaged afterwards", () => {
  const scene = new Scene({}, "start", 50).settle();
  scene.log.damageRecord(50n);
  scene.log.append(10);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  assert.deepEqual(scene.notices, []);
});

test("LogFollower opens what is there in whatever state it is", () => {
  const scene = new Scene({ preallocated: 3 });
  scene.settle();
  scene.log.append(3);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  scene.log.replaceFile();
  scene.log.append(3);
  scene.settle();
  assert.deepEqual(scene.names, names(scene.log.written));
  assert.deepEqual(scene.notices, []);
});

test("LogFollower does next to nothing for a log that is idle", () => {
  const scene = new Scene({}, "start", 2000).settle();
  const { surveys, looks } = scene.follower.counts;
  const start = performance.now();
  for (let look = 0; look < 1000; look++) scene.look();
  const microseconds = performance.now() - start;
  assert.ok(microseconds < 1000, `a look took ${microseconds} µs`);
  // The search through the whole log that is made now and then, in case all signs were missed.
  assert.ok(scene.follower.counts.surveys - surveys <= 50);
  assert.ok(scene.follower.counts.looks - looks === 1000);
});

type Step =
  | { readonly do: "append"; readonly count: number; readonly size: number }
  | { readonly do: "torn"; readonly size: number }
  | { readonly do: "look" }
  | { readonly do: "restart"; readonly lost: number }
  | { readonly do: "replace" }
  | { readonly do: "clear"; readonly keepIds: boolean }
  | { readonly do: "archive"; readonly how: "rename" | "copy"; readonly keepIds: boolean };

const append = fc.record({
  do: fc.constant("append" as const),
  count: fc.integer({ min: 1, max: 60 }),
  size: fc.constantFrom(10, 200, 2000),
});
const torn = fc.record({ do: fc.constant("torn" as const), size: fc.constantFrom(10, 2000) });
const look = fc.constant<Step>({ do: "look" });
const restart = fc.record({ do: fc.constant("restart" as const), lost: fc.nat({ max: 6 }) });
const replace = fc.constant<Step>({ do: "replace" });
const archive = fc.record({
  do: fc.constant("archive" as const),
  how: fc.constantFrom("rename" as const, "copy" as const),
  keepIds: fc.boolean(),
});

function play(scene: Scene, steps: readonly Step[]): void {
  for (const step of steps) {
    switch (step.do) {
      case "append":
        scene.log.append(step.count, step.size);
        break;
      case "torn": {
        const finish = scene.log.appendTorn(step.size);
        scene.look();
        finish();
        break;
      }
      case "look":
        scene.look();
        break;
      case "restart":
        scene.restart(step.lost);
        break;
      case "replace":
        scene.log.replaceFile();
        break;
      case "clear":
        // Something is written at once: the record that says who cleared the log.
        scene.log.clear(step.keepIds).append(1);
        break;
      case "archive":
        scene.log.archive(step.how, step.keepIds);
        scene.log.append(1);
        break;
    }
  }
  scene.settle();
}

const RUNS = Number(process.env.PICKET_EVTX_TAIL_RUNS ?? 40);
const timeout = 120_000;
const headers = fc.constantFrom("fresh" as const, "stale" as const);

test(
  "LogFollower gives each record once, or one notice that it was overwritten",
  { timeout },
  () => {
    const steps = fc.array(fc.oneof(append, append, torn, look, look, look, restart, replace), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(steps, headers, fc.integer({ min: 2, max: 5 }), (given, kind, maxChunks) => {
        const scene = new Scene({ headers: kind, maxChunks }, "start", 3);
        scene.look();
        play(scene, given);
        assert.equal(new Set(scene.names).size, scene.names.length, "no record comes twice");
        const read = new Set(scene.names);
        for (const record of scene.log.written) {
          assert.equal(scene.losses(record), read.has(record.name) ? 0 : 1, `record ${record.id}`);
        }
        const present = scene.log.present.filter(({ name }) => !read.has(name));
        assert.deepEqual(present, [], "what is in the file was read");
        scene.remove();
      }),
      { numRuns: RUNS },
    );
  },
);

test("LogFollower reads all that was archived, whatever happens meanwhile", { timeout }, () => {
  const steps = fc.array(fc.oneof(append, torn, look, look, restart, archive, replace), {
    maxLength: 25,
  });
  fc.assert(
    fc.property(steps, headers, (given, kind) => {
      const scene = new Scene({ headers: kind }, "start", 3);
      while (scene.look());
      play(scene, given);
      assert.deepEqual(scene.names, names(scene.log.written));
      assert.deepEqual(scene.notices, []);
      scene.remove();
    }),
    { numRuns: RUNS },
  );
});

// Windows keeps to one way; a log that did now this and now that could not be seen through.
for (const keepIds of [false, true]) {
  const title = keepIds ? "goes on with its ids" : "begins anew";
  test(`LogFollower loses nothing without telling so of a log that is cleared and ${title}`, {
    timeout,
  }, () => {
    const clear = fc.constant<Step>({ do: "clear", keepIds });
    const steps = fc.array(fc.oneof(append, look, look, restart, clear), { maxLength: 25 });
    fc.assert(
      fc.property(steps, headers, (given, kind) => {
        const scene = new Scene({ headers: kind }, "start", 3);
        while (scene.look());
        play(scene, given);
        assert.equal(new Set(scene.names).size, scene.names.length, "no record comes twice");
        const read = new Set(scene.names);
        const wasCleared = scene.reasons().includes("log_cleared");
        for (const record of scene.log.written) {
          if (read.has(record.name)) continue;
          assert.ok(keepIds ? scene.losses(record) === 1 : wasCleared, record.name);
        }
        for (const { name } of scene.log.present) assert.ok(read.has(name), name);
        scene.remove();
      }),
      { numRuns: RUNS },
    );
  });
}
