/**
 * Audit records in files that are followed: the same events with the same ids, wherever reading stops
 * and begins again, and across a change of files. `inputs.md` 20.1, 20.2 and 20.4.
 */
import assert from "node:assert/strict";
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { AuditJoiner } from "../../src/decode/auditd/join.ts";
import {
  type AuditHeld,
  auditJoiner,
  AuditLines,
  type AuditPlace,
} from "../../src/ingest/tail/audit_lines.ts";
import { auditId, auditLog, callLines, userLine } from "../arbitraries/auditd.ts";
import { pause, Scratch, Tail } from "../support/tail.ts";

const START = { startAt: "start" } as const;

/** An event by its text, its content and the offset of its first line. */
type Given = readonly [text: string, content: number, offset: number];

/** Where reading stands: for each content the place of its next line, and what is held. */
interface Position {
  readonly offsets: readonly number[];
  readonly held: readonly (AuditHeld | undefined)[];
}

/** Reads contents one after the other, as a source does; a line is as many bytes as characters. */
class Reading {
  readonly given: Given[] = [];
  readonly #contents: readonly (readonly string[])[];
  readonly #from: Position;
  readonly #shared: AuditJoiner<AuditPlace> = auditJoiner({ joinLimits: 0 });
  readonly #lines: AuditLines[];
  readonly #taken: number[];

  constructor(contents: readonly (readonly string[])[], from?: Position) {
    this.#contents = contents;
    this.#from = from ??
      { offsets: contents.map(() => 0), held: contents.map(() => undefined) };
    this.#lines = contents.map((_, at) =>
      new AuditLines(
        this.#shared,
        (text, offset) => this.given.push([text, at, offset]),
        this.#from.held[at],
      )
    );
    this.#taken = [...this.#from.offsets];
  }

  /** Takes lines that have not been taken, at most `limit`; at the end of all gives out the rest. */
  take(limit: number): this {
    let left = limit;
    for (const [at, content] of this.#contents.entries()) {
      let offset = 0;
      for (const line of content) {
        const end = offset + line.length + 1;
        if (offset >= this.#taken[at]!) {
          if (left-- <= 0) return this;
          this.#lines[at]!.line(line, offset, end);
          this.#taken[at] = end;
        }
        offset = end;
      }
    }
    for (const one of this.#lines) one.flush();
    return this;
  }

  get position(): Position {
    const held = this.#lines.map((one) => one.held);
    return {
      offsets: held.map(({ offset }, at) => offset ?? this.#taken[at]!),
      held: held.map(({ audit }, at) =>
        audit === undefined ? undefined : { ...audit, until: audit.until ?? this.#taken[at]! }
      ),
    };
  }
}

/** Lines that end events, that do not, and that are none. */
const noise = fc.oneof(
  fc.constantFrom("plain text", "", userLine(auditId(900), "USER_END", { op: "x" })),
  fc.tuple(fc.constantFrom("AVC", "SYSCALL", "PATH", "EOE"), fc.nat(5), fc.nat(3)).map((
    [type, serial, seconds],
  ) => `type=${type} msg=audit(170000000${seconds}.000:${serial}): a=${serial}`),
);

test("AuditLines gives the same events, whole, from wherever it begins again", () => {
  const others = fc.array(fc.tuple(fc.nat(40), noise), { maxLength: 12 });
  // Enough to give up what is open, where the limit on lines must count the same again.
  const many = fc.tuple(fc.nat(40), fc.constantFrom(0, 0, 0, 0, 480, 495, 500, 505));
  const log = fc.tuple(auditLog, others, many).map(([{ lines }, others, [place, count]]) => {
    const all = [...lines];
    all.splice(Math.min(place, all.length), 0, ...Array.from({ length: count }, () => "plain"));
    for (const [at, other] of others) all.splice(Math.min(at, all.length), 0, other);
    return all;
  });
  const cuts = fc.array(fc.oneof(fc.nat(30), fc.integer({ min: 470, max: 530 })), { maxLength: 2 });
  const stop = fc.oneof(fc.nat(25), fc.integer({ min: 400, max: 520 }));
  fc.assert(
    fc.property(log, cuts, fc.array(stop, { maxLength: 4 }), (
      lines,
      changes,
      stops,
    ) => {
      const ends = changes.toSorted((a, b) => a - b);
      const contents = [...ends, lines.length].map((end, at) =>
        lines.slice(ends[at - 1] ?? 0, end)
      );
      const whole = new Reading(contents).take(Infinity).given;
      const given: Given[] = [];
      let position: Position | undefined;
      for (const stop of stops) {
        const reading = new Reading(contents, position).take(stop);
        given.push(...reading.given);
        position = reading.position;
      }
      given.push(...new Reading(contents, position).take(Infinity).given);
      // A stop behind the last line gives out what is left, as a pause does.
      assert.deepEqual(given, whole);
    }),
    { numRuns: 1000 },
  );
});

/** Three events with their records among one another, and a line that is none. */
const FIRST = callLines(auditId(1), { syscall: "execve", args: ["a", "b c"], cwd: "/" });
const SECOND = callLines(auditId(2), { syscall: "execve", args: ["second"], cwd: "/" });
const LOGIN = userLine(auditId(3), "USER_LOGIN", { op: "login", res: "failed" });
const LOG = [FIRST[0]!, SECOND[0]!, LOGIN, "text", ...SECOND.slice(1), ...FIRST.slice(1)];
const EVENTS = [LOGIN, "text", SECOND.join("\n"), FIRST.join("\n")];

test("fileSource() joins audit records without being asked", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("audit.log"), LOG.join("\n") + "\n");
  await using tail = new Tail([scratch.path("audit.log")], START);
  await tail.records(4);
  assert.deepEqual(tail.texts, EVENTS);
  assert.equal(new Set(tail.seen.map(({ id }) => id)).size, 4);
});

test("fileSource() leaves audit records alone where the format says something else", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("audit.log"), LOG.join("\n") + "\n");
  await using tail = new Tail([scratch.path("audit.log")], { ...START, format: "plain" });
  await tail.records(LOG.length);
  assert.deepEqual(tail.texts, LOG);
});

test("fileSource() joins audit records by `multiline: auditd`", async () => {
  using scratch = new Scratch();
  writeFileSync(scratch.path("audit.log"), LOG.join("\n") + "\n");
  const settings = { ...START, format: "plain", multiline: { kind: "auditd" } } as const;
  await using tail = new Tail([scratch.path("audit.log")], settings);
  await tail.records(4);
  assert.deepEqual(tail.texts, EVENTS);
});

test("fileSource() goes on from every position with the same events", async () => {
  using scratch = new Scratch();
  const path = scratch.path("audit.log");
  writeFileSync(path, "");
  const positions: (readonly [position: string, seen: number])[] = [];
  const seen: string[] = [];
  {
    await using tail = new Tail([path], START);
    await tail.started();
    for (const [at, line] of LOG.entries()) {
      appendFileSync(path, line + "\n");
      const before = tail.positions.length;
      await tail.until(() => tail.positions.length > before, `position ${at}`);
      positions.push([tail.position, tail.seen.length]);
    }
    await tail.records(4);
    seen.push(...tail.seen.map(({ text, id }) => `${id} ${text}`));
  }
  for (const [position, count] of positions) {
    await using tail = new Tail([path], START, {}, position);
    await tail.records(4 - count);
    await pause(30);
    const again = tail.seen.map(({ text, id }) => `${id} ${text}`);
    assert.deepEqual([...seen.slice(0, count), ...again], seen);
  }
});

test("fileSource() joins what a change of files has torn apart", async () => {
  for (const stops of [false, true]) {
    using scratch = new Scratch();
    const path = scratch.path("audit.log");
    writeFileSync(path, LOG.slice(0, 3).join("\n") + "\n");
    let tail = new Tail([path], START);
    await tail.records(1);
    if (stops) await tail.stop();
    const before = [...tail.seen];
    renameSync(path, scratch.path("audit.log.1"));
    writeFileSync(path, LOG.slice(3, -1).join("\n") + "\n");
    if (stops) tail = new Tail([path], START, {}, tail.position);
    await tail.records(stops ? 2 : 3);
    if (stops) {
      // Once more, between the last two records of the event that began in the older file.
      before.push(...tail.seen);
      await tail.stop();
      tail = new Tail([path], START, {}, tail.position);
    }
    appendFileSync(path, LOG.at(-1)! + "\n");
    await tail.records(stops ? 1 : 4);
    await tail.stop();
    const seen = stops ? [...before, ...tail.seen] : tail.seen;
    assert.deepEqual(seen.map(({ text }) => text), EVENTS);
    assert.equal(new Set(seen.map(({ id }) => id)).size, 4);
  }
});

test("fileSource() goes on in a compressed audit log", async () => {
  using scratch = new Scratch();
  const path = scratch.path("audit.log");
  writeFileSync(path, LOG.slice(0, 6).join("\n") + "\n");
  let tail = new Tail([path], START);
  await tail.records(2);
  await tail.stop();
  assert.deepEqual(tail.texts, EVENTS.slice(0, 2));
  appendFileSync(path, LOG.slice(6).join("\n") + "\n");
  renameSync(path, scratch.path("old"));
  writeFileSync(scratch.path("audit.log.1.gz"), gzipSync(LOG.join("\n") + "\n"));
  writeFileSync(path, LOGIN + "\n");
  tail = new Tail([path], START, {}, tail.position);
  await tail.records(3);
  await tail.stop();
  assert.deepEqual(tail.texts, [...EVENTS.slice(2), LOGIN]);
});

test("fileSource() gives out an event that has no end after a pause", async () => {
  using scratch = new Scratch();
  const path = scratch.path("audit.log");
  writeFileSync(path, FIRST.slice(0, 3).join("\n") + "\n");
  await using tail = new Tail([path], START, { heldMs: 100 });
  await tail.records(1);
  assert.deepEqual(tail.texts, [FIRST.slice(0, 3).join("\n")]);
});

test("fileSource() reads positions of a version that joined nothing", async () => {
  using scratch = new Scratch();
  const path = scratch.path("audit.log");
  writeFileSync(path, LOG.slice(0, 4).join("\n") + "\n");
  const old = new Tail([path], { ...START, format: "plain" });
  await old.records(4);
  await old.stop();
  appendFileSync(path, LOG.slice(4).join("\n") + "\n");
  await using tail = new Tail([path], START, {}, old.position);
  await tail.records(2);
  assert.deepEqual(tail.texts, [SECOND.slice(1).join("\n"), FIRST.slice(1).join("\n")]);
});
