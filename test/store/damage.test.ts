/**
 * Damaged files: whatever is flipped, cut off or overwritten, the state opens within two seconds,
 * says what was wrong and goes on. R3, 21.7 #125; `PICKET_MUTATIONS` sets how many.
 */
import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { StateError } from "../../src/runtime/errors.ts";
import { Database } from "../../src/store/database.ts";
import { openState } from "../../src/store/open_state.ts";
import { damageIn } from "../../src/store/wal_check.ts";
import { TempDirectory } from "./temp_directory.ts";
import { commitOf, drain, newAlert, pendingIds, PLAIN, sizedAlert } from "./helpers.ts";

const MUTATIONS = Number(process.env["PICKET_MUTATIONS"] ?? 150);
const LIMIT_MS = 2000;
const ALERTS = 400;

/** A state with something in every table; `unclean` leaves a log behind, as a crash does. */
function makeState(path: string, unclean: boolean): void {
  const work = unclean ? `${path}.work` : path;
  {
    using state = openState(work, PLAIN);
    state.registerSinks([{ id: "a", filter: {} }, { id: "b", filter: { minLevel: "high" } }], 0);
    for (let batch = 0; batch < 8; batch++) {
      const alerts = Array.from(
        { length: ALERTS / 8 },
        (_, at) => sizedAlert(batch * 50 + at, 300, { level: at % 2 === 0 ? "high" : "low" }),
      );
      state.commit({
        ...commitOf(alerts, 1000 + batch, { s: String(batch) }),
        deadLetters: [{ stage: "parse", original: `bad ${batch}`, code: "json", error: "x" }],
      });
    }
    drain(state, "b");
    state.putDocument("d", "content", 1);
    state.appendAudit({ atMs: 1, actor: "a", action: "b", outcome: "c", detail: "{}" });
    if (unclean) {
      copyFileSync(work, path);
      copyFileSync(`${work}-wal`, `${path}-wal`);
      writeFileSync(`${path}.lock`, "");
    }
  }
}

interface Mutation {
  readonly file: "" | "-wal";
  readonly kind: "flip" | "cut" | "zero" | "garbage";
  /** Parts of the file's length. */
  readonly at: number;
  readonly length: number;
}

function mutate(path: string, { file, kind, at, length }: Mutation): void {
  const target = path + file;
  if (!existsSync(target)) return;
  const bytes = readFileSync(target);
  const from = Math.min(bytes.length - 1, Math.floor(at * bytes.length));
  const to = Math.min(bytes.length, from + 1 + Math.floor(length * 10_000));
  switch (kind) {
    case "flip":
      bytes[from]! ^= 1 << Math.floor(length * 8);
      break;
    case "cut":
      truncateSync(target, from);
      return;
    case "zero":
      bytes.fill(0, from, to);
      break;
    case "garbage":
      for (let index = from; index < to; index++) bytes[index] = (index * 197 + 31) & 255;
  }
  writeFileSync(target, bytes);
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  file: fc.constantFrom("", "-wal"),
  kind: fc.constantFrom("flip", "flip", "cut", "zero", "garbage"),
  // The header and the first pages matter most and are small.
  at: fc.oneof(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 0.01, noNaN: true }),
  ),
  length: fc.double({ min: 0, max: 0.99, noNaN: true }),
});

test(`${MUTATIONS} mutations of the file and its log: it opens, says so, and goes on`, {
  timeout: 900_000,
}, () => {
  using templates = new TempDirectory();
  makeState(templates.path("state.db"), false);
  makeState(templates.path("unclean.db"), true);
  let slowest = 0;
  const seen = { replaced: 0, log: 0, set_aside_alert: 0, unharmed: 0, saved: 0 };
  fc.assert(
    fc.property(mutation, fc.boolean(), (change, unclean) => {
      using files = new TempDirectory();
      const path = files.path("state.db");
      const template = templates.path(unclean ? "unclean.db" : "state.db");
      copyFileSync(template, path);
      if (unclean) copyFileSync(`${template}-wal`, `${path}-wal`);
      writeFileSync(`${path}.lock`, "");
      mutate(path, change);
      const startedAt = performance.now();
      using state = openState(path, PLAIN);
      slowest = Math.max(slowest, performance.now() - startedAt);
      assert.ok(performance.now() - startedAt <= LIMIT_MS);
      const position = Number(state.position("s") ?? -1);
      const waiting = () => state.pending("a", 10_000, 1e12);
      const before = waiting().length;
      const corrupt = state.deadLetters({ limit: 10_000 })
        .filter(({ code }) => code === "corrupt").length;
      state.registerSinks([{ id: "a", filter: {} }, { id: "b", filter: {} }], 1);
      if (state.recovery === undefined) {
        // Nothing is said only if nothing is missing; but a log that was cut off looks like one that
        // was not written further. What is left then is of one moment.
        if (change.file !== "-wal" || change.kind !== "cut") assert.equal(position, 7);
        assert.equal(before + corrupt, (position + 1) * ALERTS / 8);
        if (corrupt > 0) seen.set_aside_alert++;
        else seen.unharmed++;
      } else {
        seen[state.recovery.kind]++;
        seen.saved += before;
        const name = state.recovery.setAside;
        assert.ok(existsSync(name) || existsSync(`${name}-wal`), "the damaged file was kept");
        const gaps = waiting().filter(({ alert }) => alert.kind === "gap");
        assert.equal(gaps.length, 1);
        assert.match(gaps[0]!.alert.body, /"reason":"corrupt"/);
      }
      // It takes alerts, delivers them, and is sound.
      const added = state.commit(commitOf([newAlert("new")], 2000, { s: "new" }));
      assert.equal(added.added, 1);
      assert.equal(pendingIds(state, "b").at(-1), "alert-new");
      drain(state, "a");
      drain(state, "b");
      assert.equal(state.stats().waiting, 0);
      assert.equal(state.isDamaged, false);
    }),
    { numRuns: MUTATIONS },
  );
  console.log(
    `${MUTATIONS} mutations, slowest opening ${slowest.toFixed(0)} ms, ${JSON.stringify(seen)}`,
  );
});

test("openState() saves alerts, positions and the id from a file without its first page", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  makeState(path, false);
  let agentId: string;
  {
    using state = openState(path, PLAIN);
    agentId = state.agentId;
  }
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0, 0, 4096));
  using state = openState(path, { ...PLAIN, nowMs: 1234 });
  assert.equal(state.recovery?.kind, "replaced");
  assert.equal(state.recovery.setAside, `${path}.corrupt-1234`);
  assert.equal(statSync(state.recovery.setAside).size, bytes.length);
  assert.deepEqual(state.recovery.salvage?.incomplete, []);
  assert.equal(state.recovery.salvage?.lostAlerts, 0);
  assert.equal(state.agentId, agentId);
  assert.equal(state.position("s"), "7");
  assert.equal(state.backlog("a", 0).alerts, ALERTS);
  assert.equal(state.getDocument("d"), "content");
  assert.equal(state.commit(commitOf([newAlert(0), newAlert(1)])).duplicates, 2);
});

test("openState() saves what is around a damaged page, and counts what is lost", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  makeState(path, false);
  let page: number;
  {
    using db = new Database(path);
    page = Number(db.get("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'")!["rootpage"]);
  }
  // The leaves of the outbox are most of the file: one in the middle is hit.
  const bytes = readFileSync(path);
  let hit = 0;
  for (let at = page; at < bytes.length / 4096 && hit === 0; at++) {
    const start = at * 4096;
    if (bytes[start] === 0x0d && bytes.includes('"alert_id":"alert-150"', start)) {
      if (bytes.indexOf('"alert_id":"alert-150"', start) < start + 4096) {
        hit = bytes.readUInt16BE(start + 3);
        bytes.fill(0xff, start, start + 4096);
      }
    }
  }
  assert.ok(hit > 1);
  writeFileSync(path, bytes);
  using state = openState(path, PLAIN);
  const { salvage } = state.recovery!;
  assert.deepEqual(salvage?.incomplete, ["outbox"]);
  const left = state.backlog("a", 0).alerts;
  assert.equal(left, ALERTS - hit);
  assert.equal(salvage?.lostAlerts, hit);
});

test("openState() says what a log has lost, and keeps it", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  makeState(path, true);
  assert.equal(damageIn(readFileSync(`${path}-wal`)), undefined);
  mutate(path, { file: "-wal", kind: "flip", at: 0.5, length: 0 });
  using state = openState(path, PLAIN);
  assert.equal(state.recovery?.kind, "log");
  assert.match(state.recovery.problem, /up to \d+ transactions? lost/);
  assert.ok(existsSync(`${state.recovery.setAside}-wal`));
  // What is there is of one moment: the alerts of all batches up to the position.
  const batches = Number(state.position("s") ?? -1) + 1;
  assert.equal(state.pending("a", 10_000, 1e12).length, batches * 50);
});

test("openState() notices a file that was emptied or deleted, not a new one", () => {
  for (const kind of ["emptied", "deleted", "cut", "new"]) {
    using files = new TempDirectory();
    const path = files.path("state.db");
    if (kind !== "new") {
      makeState(path, true);
      if (kind === "emptied") truncateSync(path);
      // Found by 10,000 mutations: SQLite takes a file of less than a header for an empty one.
      else if (kind === "cut") truncateSync(path, 1);
      else rmSync(path);
    }
    using state = openState(path, PLAIN);
    assert.equal(state.recovery?.kind, kind === "new" ? undefined : "replaced");
  }
});

test("openState() keeps the last three damaged files", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  for (let round = 0; round < 5; round++) {
    writeFileSync(path, `garbage ${round}`.repeat(1000));
    using state = openState(path, { ...PLAIN, nowMs: 1000 + round });
    assert.equal(state.recovery?.kind, "replaced");
  }
  const kept = readdirSync(files.directory).filter((name) => /\.corrupt-\d+$/.test(name)).sort();
  assert.deepEqual(kept, [1002, 1003, 1004].map((ms) => `state.db.corrupt-${ms}`));
});

test("openState() leaves other programs' files alone", () => {
  using files = new TempDirectory({ "notes.txt": "remember the milk\n".repeat(100) });
  const isRefused = (error: unknown) => error instanceof StateError && error.code === "STATE_IO";
  assert.throws(() => openState(files.path("notes.txt"), PLAIN), isRefused);
  assert.match(readFileSync(files.path("notes.txt"), "utf8"), /milk/);
  {
    using other = new Database(files.path("other.db"));
    other.script("CREATE TABLE milk(litres INTEGER)");
  }
  assert.throws(() => openState(files.path("other.db"), PLAIN), isRefused);
  using other = new Database(files.path("other.db"));
  assert.deepEqual(other.all("SELECT * FROM milk"), []);
});

test("damageIn() takes a torn last frame for a kill, and a torn one before it for damage", () => {
  using files = new TempDirectory();
  const path = files.path("state.db");
  using state = openState(path, PLAIN);
  for (let number = 1; number <= 5; number++) {
    state.commit(commitOf([sizedAlert(number, 500, {})], number, { s: String(number) }));
  }
  const log = readFileSync(`${path}-wal`);
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  const frame = 24 + view.getUint32(8);
  const ours: number[] = [];
  for (let at = 32; at + frame <= log.length; at += frame) {
    if (view.getUint32(at + 8) === view.getUint32(16)) ours.push(at);
  }
  assert.equal(damageIn(log), undefined);
  assert.ok(ours.length > 5);
  const torn = (at: number): Uint8Array => Uint8Array.from(log).fill(0x55, at + 24, at + frame);
  assert.equal(damageIn(torn(ours.at(-1)!)), undefined, "as a kill leaves it");
  assert.match(damageIn(torn(ours[1]!))!, /transactions? lost/);
});

test("damageIn() never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20_000 }), (bytes) => {
    damageIn(bytes);
  }));
});
